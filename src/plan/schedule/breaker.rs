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

use super::hosts::Listed;
use super::{Down, Limits, Schedule};

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
pub enum Why {
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
    Held { until_ms: u64 },
    /// The next job is the probe.
    Ready,
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
            State::Closed | State::Ready | State::Probing { .. } => 0,
            State::Held { until_ms } | State::Down { until_ms } => until_ms,
        }
    }

    /// The time has come.
    pub(super) fn elapse(&mut self) {
        match self.state {
            State::Closed | State::Ready | State::Probing { .. } => {}
            State::Held { .. } | State::Down { .. } => self.state = State::Ready,
        }
    }

    /// The host can be reached.
    pub(super) fn close(&mut self) {
        (self.state, self.failures) = (State::Closed, 0);
    }

    /// A job begins in `round`. Says whether it is a probe.
    pub(super) fn begin(&mut self, round: u32) -> bool {
        let is_probe = self.state == State::Ready;
        if is_probe {
            self.state = State::Probing { round };
        }
        is_probe
    }

    /// A job ended and nothing is known. If it was the probe, the next one is.
    pub(super) fn no_verdict(&mut self, round: u32) {
        if self.state == (State::Probing { round }) {
            self.state = State::Ready;
        }
    }

    /// A job could not connect. Says whether the state changed.
    fn failed(&mut self, round: u32, code: &'static str, limits: &Limits, now_ms: u64) -> bool {
        let limit = limits.host_fail_limit;
        // What ends at once is not waited for, and so would never end.
        let wait_ms = limits.host_fail_wait_ms.max(1);
        self.failures = self.failures.saturating_add(1);
        self.last = code;
        match self.state {
            State::Closed if limit > 0 && self.failures >= limit => {
                self.state = State::Held { until_ms: now_ms.saturating_add(wait_ms) };
                true
            }
            State::Probing { round: probe } if probe == round => {
                let down_ms = wait_ms.saturating_mul(DOWN_TIMES);
                self.state = State::Down { until_ms: now_ms.saturating_add(down_ms) };
                true
            }
            State::Closed
            | State::Held { .. }
            | State::Ready
            | State::Probing { .. }
            | State::Down { .. } => false,
        }
    }

    /// What is to be said about a job that is not tried.
    fn why(&self) -> Why {
        Why::Unreachable { failures: self.failures, last: self.last }
    }

    /// Jobs fail until then.
    pub(super) fn go_down(&mut self, until_ms: u64) {
        self.state = State::Down { until_ms };
    }

    /// Whether a job would be the probe, or one is.
    pub(super) fn is_probed(&self) -> bool {
        matches!(self.state, State::Ready | State::Probing { .. })
    }
}

impl<T> Schedule<T> {
    /// A job could not reach its host.
    pub(super) fn unreachable(&mut self, index: u32, round: u32, code: &'static str) {
        let (limits, now_ms) = (self.limits, self.now_ms);
        let host = self.hosts.at_mut(index);
        let has_deferred = host.deferred > 0;
        let polite = &mut host.live_mut().polite;
        let breaker = &mut polite.breaker;
        if limits.host_fail_limit > 0
            && breaker.failed(round, code, &limits, now_ms)
            && breaker.is_down()
        {
            polite.refusing = None;
            self.walk_later(has_deferred);
        }
    }

    /// A host went down. Going through all jobs that wait takes a while, so many hosts share one
    /// walk.
    pub(super) fn walk_later(&mut self, has_deferred: bool) {
        let walk_ms = self.walked_ms.map_or(0, |walked| walked.saturating_add(WALK_EVERY_MS));
        if has_deferred {
            self.walk_due_ms = Some(walk_ms.max(self.now_ms));
        }
    }

    /// Hands out a job of a host that is down.
    pub(super) fn give_up(&mut self) -> Option<Down<T>> {
        let (_, index) = *self.down.first()?;
        let host = self.hosts.at_mut(index);
        assert_eq!(host.listed, Listed::Down, "a host is where it is listed");
        let polite = &host.live_mut().polite;
        let refuses = polite.refusing.as_ref().and_then(|refusing| refusing.why);
        let why = refuses.unwrap_or_else(|| polite.breaker.why());
        let queue = host.queues.iter_mut().find(|queue| !queue.is_empty());
        let item = self.jobs.pop_front(queue.expect("a listed host has a job"));
        self.queued -= 1;
        self.settle(index);
        Some(Down { item: item.expect("a queue that is not empty has a job"), why })
    }

    /// Jobs that wait for another attempt at a host that is down wait no longer.
    pub(super) fn walk(&mut self) {
        if self.walk_due_ms.is_none_or(|due| due > self.now_ms) {
            return;
        }
        (self.walk_due_ms, self.walked_ms) = (None, Some(self.now_ms));
        let mut waiting = std::mem::take(&mut self.deferred).into_vec();
        let is_over = |index: u32| {
            let live = self.hosts.at(index).live.as_ref();
            live.is_some_and(|live| live.polite.breaker.is_down())
        };
        let over: Vec<_> = waiting.extract_if(.., |job| is_over(job.host)).collect();
        self.deferred = waiting.into();
        over.into_iter().for_each(|job| self.requeue(job));
    }
}

/// A host is down for so many times the wait before the first probe.
pub const DOWN_TIMES: u64 = 30;
/// How often jobs that wait are gone through at most, in milliseconds.
const WALK_EVERY_MS: u64 = 1_000;
