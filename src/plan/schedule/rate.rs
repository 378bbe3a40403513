//! How many requests begin in a time: `--rate` for the run, `--rate-per-host` for each host.
//!
//! The generic cell rate algorithm: each request moves the time at which the next one is due on by
//! one interval, and none begins earlier than [`BURST_NS`] before that. There is no bucket to be
//! emptied at once: requests are spaced, but for a timer that was late. A limit costs a host eight
//! bytes. (The governor crate does the same with a clock of its own and a table of its own keyed by
//! host; here the clock is handed in, the record is there already, and a core must know when to
//! wake.)
//!
//! What counts is a request that may begin: hops of redirects and further attempts are requests
//! like any other. A job that turns out to need none is given back.

use super::Schedule;

/// A number of requests in a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    interval_ns: u64,
}

impl Rate {
    /// `count` requests in `per_ms` milliseconds.
    ///
    /// # Panics
    /// When `count` is zero.
    pub fn new(count: u64, per_ms: u64) -> Self {
        let interval_ns = u128::from(per_ms) * u128::from(NS_PER_MS) / u128::from(count);
        Self { interval_ns: u64::try_from(interval_ns).unwrap_or(u64::MAX) }
    }
}

/// When the next request is due, in nanoseconds of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    at_ns: u64,
}

impl Due {
    /// When the next request may begin, in milliseconds.
    pub(super) fn begins_ms(self) -> u64 {
        self.at_ns.saturating_sub(BURST_NS).div_ceil(NS_PER_MS)
    }

    /// When nothing is owed any more, in milliseconds.
    pub(super) fn at_ms(self) -> u64 {
        self.at_ns.div_ceil(NS_PER_MS)
    }

    fn begin(&mut self, rate: Rate, now_ms: u64) {
        let now_ns = now_ms.saturating_mul(NS_PER_MS);
        self.at_ns = self.at_ns.max(now_ns).saturating_add(rate.interval_ns);
    }

    fn give_back(&mut self, rate: Rate) {
        self.at_ns = self.at_ns.saturating_sub(rate.interval_ns);
    }
}

impl<T> Schedule<T> {
    /// Whether no request may begin now, whatever its host.
    pub(super) fn is_rate_reached(&self) -> bool {
        self.limits.rate.is_some() && self.due.begins_ms() > self.now_ms
    }

    /// A request of a host begins.
    pub(super) fn count_request(&mut self, index: u32) {
        let now_ms = self.now_ms;
        if let Some(rate) = self.limits.rate {
            self.due.begin(rate, now_ms);
        }
        if let Some(rate) = self.limits.rate_per_host {
            self.hosts.at_mut(index).live_mut().due.begin(rate, now_ms);
        }
    }

    /// It needed none.
    pub(super) fn refund(&mut self, index: u32) {
        if let Some(rate) = self.limits.rate {
            self.due.give_back(rate);
        }
        if let Some(rate) = self.limits.rate_per_host {
            self.hosts.at_mut(index).live_mut().due.give_back(rate);
        }
    }
}

const NS_PER_MS: u64 = 1_000_000;
/// A request may begin so much before it is due, in nanoseconds: what a timer may be late by.
const BURST_NS: u64 = 4_000_000;
