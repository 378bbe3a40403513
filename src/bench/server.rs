//! The embedded origin, as a program of its own on CPUs of its own.

use super::cell::Server;
use super::environment::{has_capability, read};
use super::scratch::Scratch;
use crate::error::RunError;
use crate::ring::child::Child;
use anyhow::Context as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The origin under way. It ends with the value.
#[derive(Debug)]
pub(super) struct Origin {
    child: Child,
    /// How it sends, where that could be chosen.
    pub(super) congestion: Option<&'static str>,
}

impl Origin {
    /// Starts `ringpull origin` and waits until it listens.
    pub(super) fn start(
        program: &Path,
        scratch: &Scratch,
        cpus: &[usize],
    ) -> anyhow::Result<(Self, Server)> {
        let failed = || RunError::internal("cannot start the origin");
        let (dir, log) = (scratch.path("origin"), scratch.path("origin.log"));
        let congestion = congestion();
        let mut command = Command::new(program);
        command.args(["origin", "--dir"]).arg(&dir);
        command.args(congestion.iter().flat_map(|name| ["--congestion", name]));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&log).with_context(failed)?);
        let mut child = Child::start(command, cpus).with_context(failed)?;
        let mut lines = BufReader::new(child.stdout.take().with_context(failed)?).lines();
        let mut url = || lines.next().and_then(Result::ok);
        let (Some(http), Some(https)) = (url(), url()) else {
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            anyhow::bail!(
                anyhow::Error::msg(told.trim().to_owned())
                    .context(RunError::internal("cannot start the origin, which ended at once"))
            );
        };
        // A name would have to be looked up in every cell.
        let https = https.replace("//localhost:", "//127.0.0.1:");
        let server = Server::Origin { http, https, ca: dir.join("ca.pem") };
        Ok((Self { child, congestion }, server))
    }

    /// CPU time of the origin so far.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        self.child.cpu_time()
    }

    /// Whether it is there no more.
    pub(super) fn is_dead(&mut self) -> bool {
        !matches!(self.child.wait(Duration::ZERO), Ok(None))
    }
}

/// A congestion control that does not collapse on a busy loopback, as bbr does.
fn congestion() -> Option<&'static str> {
    // Who may administer the network may use all that there are (tcp(7)).
    let kind = match has_capability(&read("/proc/self/status"), CAP_NET_ADMIN) {
        true => "available",
        false => "allowed",
    };
    let allowed = read(&format!("/proc/sys/net/ipv4/tcp_{kind}_congestion_control"));
    ["cubic", "reno"].into_iter().find(|name| allowed.split_whitespace().any(|own| own == *name))
}

/// Number of the capability (capabilities(7)).
const CAP_NET_ADMIN: u32 = 12;
