//! The embedded origin, as a program of its own on CPUs of its own.

use super::cell::Server;
use super::environment::read;
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
    /// Starts `ringpull origin` and waits until it listens. It sends with what does not collapse on
    /// a busy loopback, as bbr does, where that is permitted.
    pub(super) fn start(
        program: &Path,
        scratch: &Scratch,
        cpus: &[usize],
    ) -> anyhow::Result<(Self, Server)> {
        let available = read("/proc/sys/net/ipv4/tcp_available_congestion_control");
        let is_there = |name: &&str| available.split_whitespace().any(|own| own == *name);
        // The kernel alone knows what this process may choose (tcp(7)).
        let chosen = CONGESTION.into_iter().filter(is_there).map(Some);
        let mut chosen = chosen.map(|name| Self::start_with(program, scratch, cpus, name));
        match chosen.find_map(Result::ok) {
            Some(started) => Ok(started),
            None => Self::start_with(program, scratch, cpus, None),
        }
    }

    fn start_with(
        program: &Path,
        scratch: &Scratch,
        cpus: &[usize],
        congestion: Option<&'static str>,
    ) -> anyhow::Result<(Self, Server)> {
        let failed = || RunError::internal("cannot start the origin");
        let (dir, log) = (scratch.path("origin"), scratch.path("origin.log"));
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

/// Congestion controls to send with, the best first.
const CONGESTION: [&str; 2] = ["cubic", "reno"];
