//! `--rate` for the run and `--rate-per-host` for each host: how many requests begin in a time.
//!
//! The generic cell rate algorithm: each request moves the time at which the next one is due on by
//! one interval, and none begins earlier than [`BURST_NS`] before that. There is no bucket to be
//! emptied at once: requests are spaced, but for a timer that was late. A limit costs a host eight
//! bytes. (The governor crate does the same with a clock of its own and a table of its own keyed by
//! host; here the clock is handed in, the record is there already, and a core must know when to
//! wake.)
//!
//! With `--open-loop` the times of the run's requests are set beforehand, from the first one on: a
//! request that is late moves none of those that follow, and it is known when each was due.
//!
//! Requests that may begin count: hops of redirects and further attempts are requests like any
//! other. A job that turns out to need none is given back.

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

    /// `count` requests a second; a number above zero.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    pub(super) fn per_s(count: f32) -> Self {
        Self { interval_ns: (1e9 / f64::from(count)) as u64 }
    }

    /// Requests a second.
    pub(super) fn in_s(self) -> f64 {
        1e9 / self.interval_ns as f64
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

    /// Whether any request was counted.
    pub(super) fn is_used(self) -> bool {
        self.at_ns > 0
    }

    /// When nothing is owed any more, in milliseconds.
    pub(super) fn at_ms(self) -> u64 {
        self.at_ns.div_ceil(NS_PER_MS)
    }

    /// When the next request is due on a schedule that nothing moves, in milliseconds: never
    /// before, and all that were due meanwhile at once.
    pub(super) fn on_schedule_ms(self) -> u64 {
        self.at_ns.div_ceil(NS_PER_MS)
    }

    /// Counts a request that begins on such a schedule, the first of which is due now. Gives the
    /// time at which it was due, in milliseconds.
    pub(super) fn begin_on_schedule(&mut self, rate: Rate, now_ms: u64) -> u64 {
        if !self.is_used() {
            self.at_ns = now_ms.saturating_mul(NS_PER_MS);
        }
        let due_ms = self.on_schedule_ms();
        self.at_ns = self.at_ns.saturating_add(rate.interval_ns);
        due_ms
    }

    pub(super) fn begin(&mut self, rate: Rate, now_ms: u64) {
        let now_ns = now_ms.saturating_mul(NS_PER_MS);
        self.at_ns = self.at_ns.max(now_ns).saturating_add(rate.interval_ns);
    }

    /// Lets the next request begin one interval from now, or at `due_ms` if that is earlier.
    pub(super) fn put_off(&mut self, rate: Rate, now_ms: u64, due_ms: Option<u64>) {
        let at_ns = now_ms.saturating_mul(NS_PER_MS).saturating_add(rate.interval_ns);
        let due_ns = due_ms.map_or(u64::MAX, |due_ms| due_ms.saturating_mul(NS_PER_MS));
        self.at_ns = at_ns.min(due_ns);
    }

    pub(super) fn give_back(&mut self, rate: Rate) {
        self.at_ns = self.at_ns.saturating_sub(rate.interval_ns);
    }
}

const NS_PER_MS: u64 = 1_000_000;
/// How early before it is due a request may begin, in nanoseconds: what a timer may be late by.
const BURST_NS: u64 = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_not_moved_by_what_is_late() {
        let rate = Rate::new(2_000, 1_000);
        let mut due = Due::default();
        assert_eq!(due.begin_on_schedule(rate, 7), 7);
        // The second one is due half a millisecond later, and that is a whole one here.
        assert_eq!(due.on_schedule_ms(), 8);
        let late: Vec<u64> = (0..5).map(|_| due.begin_on_schedule(rate, 1_000)).collect();
        assert_eq!(late, [8, 8, 9, 9, 10]);
        assert_eq!(due.on_schedule_ms(), 10);
        due.give_back(rate);
        assert_eq!(due.on_schedule_ms(), 10);
        assert_eq!(due.begin_on_schedule(rate, 1_000), 10);
    }
}
