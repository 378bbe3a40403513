//! The circuit breaker of a host: one that cannot be reached is left alone, and its jobs fail at
//! once.
//!
//! After `--host-fail-limit` failures to connect or to look up its name, with no answer between
//! them (that a name does not exist is an answer), the breaker of a host *opens*: no job begins for
//! `--host-fail-wait`. Then it is *half-open*, and one job *probes*. If that cannot connect either,
//! the host is *down*: its jobs, whether they are queued, wait for another attempt or come later,
//! fail without being tried. After [`DOWN_TIMES`] times as long one more job probes. Any answer
//! closes the breaker.
//!
//! Jobs in flight when the breaker opens are of the same round: their failures change nothing, and
//! a late answer to one of them closes it.
//!
//! When this machine has lost its network, every host looks dead. The breakers of hosts with many
//! jobs open, and the hosts go down one by one; the jobs that failed have `connect.host_down` or
//! the failure itself in their rows, both of the class that `--retry-failed=transient` tries again.
//! A run cannot tell a dead network from dead hosts, so it does not stand still for ever.

use super::caps::Limits;
use crate::fault::{Cause, Fault, Stage};

/// What is known of how to reach a host.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// Failures to connect since the last answer.
    failures: u32,
    /// Code of the last failure.
    last: &'static str,
}

/// Why the jobs of a host fail without being tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DownReason {
    /// The host could not be reached.
    Unreachable {
        /// Failures since its last answer.
        failures: u32,
        /// Code of the last failure.
        last: &'static str,
    },
    /// The host refused all that it was asked (429, 503).
    Refuses {
        /// Refusals since its last good answer; those within one rest count once.
        refusals: u32,
        /// Time since the first of these refusals, in milliseconds.
        for_ms: u64,
    },
    /// The host asks to be left alone for longer than `--retry-after-max`.
    Asks {
        /// The wait that it asks for, in seconds.
        seconds: u64,
    },
}

impl DownReason {
    /// The fault of a job that is not tried.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { failures, last } => Fault::new(Stage::Connect, Cause::HostDown)
                .with_detail(format_args!(
                    "{failures} failures in a row to reach it, the last one {last}; pull the list \
                     again with --retry-failed later, or give --host-fail-limit 0 to try every URL"
                )),
            Self::Refuses { refusals, for_ms } => Fault::new(Stage::Head, Cause::HostRefuses)
                .with_detail(format_args!(
                    "{refusals} refusals (429, 503) over {} s and no other answer; pull the list \
                     again with --retry-failed later, or give a longer --retry-after-max",
                    for_ms / 1_000
                )),
            Self::Asks { seconds } => {
                let cause = Cause::RetryAfterTooLong { seconds: *seconds };
                let detail = "it said so of other URLs; this one was not tried";
                Fault::new(Stage::Head, cause).with_detail(detail)
            }
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// All is well, or failures are being counted.
    #[default]
    Closed,
    /// No job begins before `until_ms`.
    Open { until_ms: u64 },
    /// The next job is the probe.
    HalfOpen,
    /// A probe is in flight, begun in `round`; nothing else begins.
    Probing { round: u32 },
    /// Jobs fail before `until_ms`.
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

    /// Takes note that `until_ms` has come: the next job is the probe.
    pub(super) fn elapse(&mut self) {
        match self.state {
            State::Closed | State::HalfOpen | State::Probing { .. } => {}
            State::Open { .. } | State::Down { .. } => self.state = State::HalfOpen,
        }
    }

    /// Takes note that the host can be reached.
    pub(super) fn close(&mut self) {
        (self.state, self.failures) = (State::Closed, 0);
    }

    /// Begins a job in `round`. Says whether it is the probe.
    pub(super) fn begin(&mut self, round: u32) -> bool {
        let is_probe = self.state == State::HalfOpen;
        if is_probe {
            self.state = State::Probing { round };
        }
        is_probe
    }

    /// Ends a job of which nothing is known. If it was the probe, the next job is.
    pub(super) fn no_verdict(&mut self, round: u32) {
        if self.state == (State::Probing { round }) {
            self.state = State::HalfOpen;
        }
    }

    /// Counts a job that could not connect. Says whether the state changed.
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

    /// Why a job of this host is not tried.
    pub(super) fn why(&self) -> DownReason {
        DownReason::Unreachable { failures: self.failures, last: self.last }
    }

    /// Lets jobs fail before `until_ms`.
    pub(super) fn go_down(&mut self, until_ms: u64) {
        self.state = State::Down { until_ms };
    }

    /// Whether the next job would be the probe, or a probe is in flight.
    pub(super) fn is_probed(&self) -> bool {
        matches!(self.state, State::HalfOpen | State::Probing { .. })
    }
}

/// How often the wait before the first probe a host stays down after a probe that failed.
pub const DOWN_TIMES: u64 = 30;
