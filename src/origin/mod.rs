//! `ringpull origin`: an embedded HTTP and HTTPS server with synthetic content, for the demo, the
//! tests and the benches. It is the server side only and shares nothing with the client's layers,
//! so that a mistake in one is not repeated in the other.
//!
//! Content is a function of the path (the query left out), so every byte of a download can be
//! checked without asking the server: [`fill`] gives any range of it, [`body`] and [`image`] all of
//! it, [`version_seed`] the seed of what it is after changes.
//!
//! What it answers is in `ringpull help origin` (`src/cli/topics/origin.md`).

mod cert;
mod connection;
mod content;
mod files;
mod mood;
mod range;
mod reply;
mod request;
mod route;
mod sender;
mod server;
mod shared;
mod source;
mod wire;

pub use content::{body, fill, image, seed, version_seed};
pub use files::{FileStats, RangeRequest};
pub use server::Origin;
pub use shared::{Listener, ListenerStats};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Where the origin listens and where it writes what others need to find and trust it.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginConfig {
    /// Address of both listeners.
    pub addr: IpAddr,
    /// Port of the HTTP listener; 0 lets the kernel choose.
    pub http_port: u16,
    /// Port of the HTTPS listener, 0 lets the kernel choose; `None` for no HTTPS.
    pub https_port: Option<u16>,
    /// Congestion control that both listeners send with; `None` for the default.
    pub congestion: Option<String>,
    /// Directory that takes `ca.pem` and `origin.json`; made when it is missing.
    pub dir: PathBuf,
}

/// Starts an origin within this process that serves HTTP alone, on a free port of 127.0.0.1, with
/// its files in a folder of `dir`.
///
/// # Errors
/// As for [`start`].
pub fn start_beneath(dir: &Path) -> anyhow::Result<Origin> {
    start(OriginConfig {
        addr: Ipv4Addr::LOCALHOST.into(),
        http_port: 0,
        https_port: None,
        congestion: None,
        dir: dir.join("origin"),
    })
}

/// Starts the origin within this process. It serves until the value is dropped.
///
/// # Errors
/// When the directory cannot be written, or an address cannot be bound.
pub fn start(config: OriginConfig) -> anyhow::Result<Origin> {
    Origin::start(config)
}

/// Serves until SIGINT or SIGTERM, with one line per URL on standard output as the sign of being
/// ready.
///
/// # Errors
/// When [`start`] fails, the signal handlers cannot be installed, or standard output cannot be
/// written.
pub fn run(config: OriginConfig) -> anyhow::Result<()> {
    let (mut woken, waker) = UnixStream::pair().context("cannot make a socket pair")?;
    for signal in [SIGINT, SIGTERM] {
        let waker = waker.try_clone().context("cannot make a socket pair")?;
        signal_hook::low_level::pipe::register(signal, waker)
            .context("cannot watch for signals")?;
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot raise the limit of open files")?;

    let origin = start(config)?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", origin.http_url())?;
    if let Some(url) = origin.https_url() {
        writeln!(stdout, "{url}")?;
    }
    stdout.flush()?;
    drop(stdout);

    woken.read_exact(&mut [0]).context("cannot wait for a signal")
}
