//! A host that cannot be reached is left alone, and its jobs fail at once.
//!
//! After `--host-fail-limit` failures to connect or to look up its name, with no answer between
//! them (that a name does not exist is one), a host is *held*: no job begins for
//! `--host-fail-wait`. Then one job *probes*. If it cannot connect either, the host is *down*: its
//! jobs, whether they are queued, wait for another attempt or come later, fail without being tried.
//! After [`DOWN_TIMES`] times as long one more job probes. Anything that comes of a connection
//! closes the breaker.
//!
//! Jobs in flight when the breaker opens are of the same round: their failures change nothing, and
//! a late answer to one of them closes it.
//!
//! When this machine has lost its network, every host looks dead. Those with many jobs are held and
//! then go down one by one; the jobs that failed have `connect.host_down` or the failure itself in
//! their rows, both of the class that `--retry-failed=transient` tries again. A run cannot tell a
//! dead network from dead hosts, so it does not stand still for ever.

use super::caps::Limits;

/// What is known of how to reach a host.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// Failures to connect since the last answer.
    failures: u32,
    /// Code of the last one.
    last: &'static str,
}

/// Why the jobs of a host fail without being tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DownReason {
    /// It could not be reached.
    Unreachable {
        /// How often since its last answer.
        failures: u32,
        /// Code of the last failure.
        last: &'static str,
    },
    /// It refused all that it was asked (429, 503).
    Refuses {
        /// How often since its last good answer, those within one rest counted once.
        refusals: u32,
        /// Since when, in milliseconds.
        for_ms: u64,
    },
    /// It asks to be left alone for longer than is waited for.
    Asks {
        /// For how long, in seconds.
        seconds: u64,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// All is well, or failures are counted.
    #[default]
    Closed,
    /// No job begins until then.
    Open { until_ms: u64 },
    /// The next job is the probe.
    HalfOpen,
    /// A probe is in flight; nothing else begins.
    Probing { round: u32 },
    /// Jobs fail until then.
    Down { until_ms: u64 },
}

impl Breaker {
    pub(super) fn is_remarkable(&self) -> bool {
        self.failures > 0
    }

    /// Whether jobs fail at once.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.state, State::Down { .. })
    }

    /// Whether a probe is in flight.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.state, State::Probing { .. })
    }

    /// When the state ends by itself.
    pub(super) fn until_ms(&self) -> u64 {
        match self.state {
            State::Closed | State::HalfOpen | State::Probing { .. } => 0,
            State::Open { until_ms } | State::Down { until_ms } => until_ms,
        }
    }

    /// The time has come.
    pub(super) fn elapse(&mut self) {
        match self.state {
            State::Closed | State::HalfOpen | State::Probing { .. } => {}
            State::Open { .. } | State::Down { .. } => self.state = State::HalfOpen,
        }
    }

    /// The host can be reached.
    pub(super) fn close(&mut self) {
        (self.state, self.failures) = (State::Closed, 0);
    }

    /// A job begins in `round`. Says whether it is a probe.
    pub(super) fn begin(&mut self, round: u32) -> bool {
        let is_probe = self.state == State::HalfOpen;
        if is_probe {
            self.state = State::Probing { round };
        }
        is_probe
    }

    /// A job ended and nothing is known. If it was the probe, the next one is.
    pub(super) fn no_verdict(&mut self, round: u32) {
        if self.state == (State::Probing { round }) {
            self.state = State::HalfOpen;
        }
    }

    /// A job could not connect. Says whether the state changed.
    pub(super) fn failed(
        &mut self,
        round: u32,
        code: &'static str,
        limits: &Limits,
        now_ms: u64,
    ) -> bool {
        let limit = limits.host_fail_limit;
        // What ends at once is not waited for, and so would never end.
        let wait_ms = limits.host_fail_wait_ms.max(1);
        self.failures = self.failures.saturating_add(1);
        self.last = code;
        match self.state {
            State::Closed if limit > 0 && self.failures >= limit => {
                self.state = State::Open { until_ms: now_ms.saturating_add(wait_ms) };
                true
            }
            State::Probing { round: probe } if probe == round => {
                let down_ms = wait_ms.saturating_mul(DOWN_TIMES);
                self.state = State::Down { until_ms: now_ms.saturating_add(down_ms) };
                true
            }
            State::Closed
            | State::Open { .. }
            | State::HalfOpen
            | State::Probing { .. }
            | State::Down { .. } => false,
        }
    }

    /// What is to be said about a job that is not tried.
    pub(super) fn why(&self) -> DownReason {
        DownReason::Unreachable { failures: self.failures, last: self.last }
    }

    /// Jobs fail until then.
    pub(super) fn go_down(&mut self, until_ms: u64) {
        self.state = State::Down { until_ms };
    }

    /// Whether a job would be the probe, or one is.
    pub(super) fn is_probed(&self) -> bool {
        matches!(self.state, State::HalfOpen | State::Probing { .. })
    }
}

/// A host is down for so many times the wait before the first probe.
pub const DOWN_TIMES: u64 = 30;
