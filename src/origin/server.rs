//! The listeners of the origin, and its end.
//!
//! One thread per connection, blocking: at a thousand connections their stacks are address space,
//! not memory, and nothing is shared on the way of a request but a few counters.

use super::files::FileStats;
use super::shared::{Listener, ListenerStats, Opened, Shared};
use super::{OriginConfig, cert, connection};
use crate::limits;
use anyhow::Context;
use rustix::net::Shutdown;
use rustls::ServerConfig;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// An origin that serves until it is dropped.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    accepting: Vec<(Arc<TcpListener>, JoinHandle<()>)>,
    http_url: String,
    https_url: Option<String>,
    ca_path: PathBuf,
}

impl Origin {
    pub(super) fn start(config: OriginConfig) -> anyhow::Result<Self> {
        let OriginConfig { addr, http_port, https_port, congestion, dir } = config;
        let listen = |port| listen(addr, port, congestion.as_deref());
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let ca_path = dir.join("ca.pem");
        let identity = cert::issue(addr)?;
        write(&ca_path, identity.ca_pem.as_bytes())?;

        let (http, http_port) = listen(http_port)?;
        let https = https_port.map(listen).transpose()?;
        let mut origin = Self {
            shared: Arc::new(Shared::new()),
            accepting: Vec::new(),
            http_url: format!("http://{}", SocketAddr::new(named(addr), http_port)),
            https_url: https.as_ref().map(|(_, port)| match named(addr).is_loopback() {
                true => format!("https://localhost:{port}"),
                false => format!("https://{}", SocketAddr::new(addr, *port)),
            }),
            ca_path,
        };
        origin.accept_on(http, None)?;
        if let Some((listener, _)) = https {
            origin.accept_on(listener, Some(identity.config))?;
        }
        let about = serde_json::json!({
            "http": origin.http_url, "https": origin.https_url, "ca": origin.ca_path,
        });
        write(&dir.join("origin.json"), about.to_string().as_bytes())?;
        Ok(origin)
    }

    /// `http://ADDRESS:PORT`, without a slash at the end.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// `https://localhost:PORT`, without a slash at the end, when there is an HTTPS listener.
    pub fn https_url(&self) -> Option<&str> {
        self.https_url.as_deref()
    }

    /// The certificate of the authority that signed the HTTPS listener's, in PEM.
    pub fn ca_path(&self) -> &Path {
        &self.ca_path
    }

    /// The counters of one listener.
    pub fn stats(&self, listener: Listener) -> ListenerStats {
        self.shared.stats(listener)
    }

    /// The counters of the file at `path`, which has no query.
    pub fn file_stats(&self, path: &str) -> FileStats {
        self.shared.files.file(path).stats()
    }

    /// Has the file at `path`, which has no query, change, and tells how many changes it has had.
    pub fn change(&self, path: &str) -> u64 {
        self.shared.files.file(path).change()
    }

    fn accept_on(
        &mut self,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
    ) -> anyhow::Result<()> {
        let listener = Arc::new(listener);
        let (shared, accepted) = (Arc::clone(&self.shared), Arc::clone(&listener));
        let thread = std::thread::Builder::new()
            .name("origin-accept".to_owned())
            .spawn(move || accept(&shared, &accepted, tls.as_ref()))
            .context("cannot start a thread")?;
        self.accepting.push((listener, thread));
        Ok(())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stop();
        for (listener, thread) in self.accepting.drain(..) {
            // On Linux this makes a blocked accept return EINVAL. An error means that it will not
            // block, so joining is safe either way.
            let _ = rustix::net::shutdown(&*listener, Shutdown::Both);
            let _ = thread.join();
        }
        // Nobody adds connections any more.
        self.shared.end_all();
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) {
    let kind = if tls.is_some() { Listener::Https } else { Listener::Http };
    loop {
        let is_full = shared.stats(kind).open >= limits::ORIGIN_CONNECTIONS_MAX;
        if !shared.pause(u64::from(is_full)) {
            return;
        }
        if is_full {
            continue;
        }
        let Ok((socket, _)) = listener.accept() else {
            // Out of descriptors, or a connection that was gone before it was taken.
            if !shared.pause(1) {
                return;
            }
            continue;
        };
        let socket = Arc::new(socket);
        // Entered here and not by its thread: dropping the origin joins this thread and then ends
        // every socket that was entered.
        let opened = Opened::new(Arc::clone(shared), kind, &socket);
        let (shared, tls) = (Arc::clone(shared), tls.cloned());
        // A failure drops the socket with the closure, which is all that can be done for the peer.
        let _ = std::thread::Builder::new()
            .name("origin-connection".to_owned())
            .stack_size(limits::ORIGIN_STACK_BYTES)
            .spawn(move || {
                // How a connection ends is the peer's affair or was asked for by the path.
                let _ = connection::serve(&shared, &opened, &socket, tls);
            });
    }
}

fn listen(addr: IpAddr, port: u16, congestion: Option<&str>) -> anyhow::Result<(TcpListener, u16)> {
    let at = SocketAddr::new(addr, port);
    let listener = TcpListener::bind(at).with_context(|| format!("cannot listen on {at}"))?;
    if let Some(name) = congestion {
        // What is accepted has it from here.
        rustix::net::sockopt::set_tcp_congestion(&listener, name)
            .with_context(|| format!("cannot send with the congestion control {name}"))?;
    }
    // Listening again replaces the backlog of 128 that std asked for: a client's burst of connects
    // would overflow it and wait a second for its SYN to be sent again.
    rustix::net::listen(&listener, BACKLOG).with_context(|| format!("cannot listen on {at}"))?;
    let port = listener.local_addr().context("cannot learn the port")?.port();
    Ok((listener, port))
}

/// An address that a URL can have for a listener on `addr`.
fn named(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => addr,
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Connections that wait to be accepted; the kernel lowers it to net.core.somaxconn.
const BACKLOG: i32 = 4_096;
