//! Bandwidth limits: how many bytes of body may be received, and when.
//!
//! An [`Account`] knows one number, the time at which all that was taken so far is paid for at its
//! rate (the theoretical arrival time of GCRA, ITU-T I.371 annex A). A transfer takes the bytes
//! that it expects, waits as long as it is told, receives, and [charges](Account::charge_actual)
//! what came of it. So each has a turn of its own, in the order in which they came, and no turn
//! depends on how soon another wakes up. The time lies behind the present by at most [`SLACK_NS`],
//! which makes good what timers are late, and is the only burst there is: bandwidth that nobody
//! used before that is gone.
//!
//! Accounts are shared by cores without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Most bytes of body a second, nothing where there is no limit. Each is at least 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bandwidth {
    /// `--limit-rate`: the whole run.
    pub run: Option<u64>,
    /// `--limit-rate-per-host`: each host, over all its transfers.
    pub per_host: Option<u64>,
    /// `--max-download-limit`: each transfer.
    pub per_transfer: Option<u64>,
}

/// Bytes that one rate allows.
#[derive(Debug)]
pub struct Account {
    /// The rate in bytes a second, at least 1.
    rate: u64,
    /// When everything taken so far is paid for, in nanoseconds of the run.
    paid_at_ns: AtomicU64,
}

impl Account {
    /// An account that allows `rate` bytes a second.
    ///
    /// # Panics
    /// When that is none: nothing would ever come.
    pub fn new(rate: u64) -> Self {
        assert!(rate >= 1, "a rate of nothing is no rate");
        Self { rate, paid_at_ns: AtomicU64::new(0) }
    }

    /// Most bytes to ask for in one receive: some 50 ms of the rate, so that transfers are smooth
    /// and all that wait get their turn; from [`GRAIN_BYTES_MIN`] to [`GRAIN_BYTES_MAX`].
    pub fn grain_bytes(&self) -> u64 {
        (self.rate / GRAINS_PER_S).clamp(GRAIN_BYTES_MIN, GRAIN_BYTES_MAX)
    }

    /// Takes `bytes`. Gives how long to wait before they are received, in nanoseconds; 0 is now.
    pub fn take(&self, bytes: u64, now_ns: u64) -> u64 {
        let cost_ns = self.cost_ns(bytes);
        let earliest_ns = now_ns.saturating_sub(SLACK_NS);
        let paid_at_ns =
            self.update(|paid_at_ns| paid_at_ns.max(earliest_ns).saturating_add(cost_ns));
        paid_at_ns.saturating_sub(now_ns)
    }

    /// Corrects the account when `taken` bytes were taken and `came` were received.
    pub fn charge_actual(&self, taken: u64, came: u64, now_ns: u64) {
        if came > taken {
            self.take(came - taken, now_ns);
        } else if came < taken {
            // Rounded up when it was taken: the difference is never more than what was paid.
            let back_ns = self.cost_ns(taken) - self.cost_ns(came);
            self.update(|paid_at_ns| paid_at_ns.saturating_sub(back_ns));
        }
    }

    /// Whether a new account would be as good as this one.
    pub fn is_fresh(&self, now_ns: u64) -> bool {
        self.paid_at_ns.load(Ordering::Relaxed) <= now_ns.saturating_sub(SLACK_NS)
    }

    /// Time that `bytes` take at the rate, rounded up, in nanoseconds.
    fn cost_ns(&self, bytes: u64) -> u64 {
        let cost = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(self.rate));
        u64::try_from(cost).unwrap_or(u64::MAX)
    }

    /// Changes the time and gives what it was.
    fn update(&self, change: impl Fn(u64) -> u64) -> u64 {
        let changed = |paid_at_ns| Some(change(paid_at_ns));
        let before = self.paid_at_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
        before.unwrap_or_else(|paid_at_ns| paid_at_ns)
    }
}

/// How far an account may lie behind the present, in nanoseconds: the burst is what the rate allows
/// in this time.
pub const SLACK_NS: u64 = 100_000_000;

/// Receives a second that one rate is divided into, where that leaves enough bytes for each.
const GRAINS_PER_S: u64 = 20;
/// Fewest bytes that are asked for at once: with less, most of a receive is overhead.
pub const GRAIN_BYTES_MIN: u64 = 1_024;
/// Most bytes that are asked for at once.
pub const GRAIN_BYTES_MAX: u64 = 256 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::{BTreeSet, BinaryHeap};

    const MS: u64 = 1_000_000;

    #[test]
    fn what_was_taken_is_waited_for() {
        let account = Account::new(10_000);
        let start = 5_000 * MS;
        assert_eq!(account.take(1_024, start), 0);
        // 1,024 bytes are 102.4 ms, of which 100 ms were saved up.
        assert_eq!(account.take(1_000, start), 2_400_000);
        assert_eq!(account.take(0, start + 3 * MS), 99_400_000);
        assert_eq!(account.take(0, start + 200 * MS), 0);
    }

    #[test]
    fn what_did_not_come_is_given_back_and_more_is_taken() {
        let account = Account::new(1_000);
        assert_eq!(account.take(500, 0), 0);
        account.charge_actual(500, 100, 0);
        assert_eq!(account.take(0, 0), 100 * MS);
        account.charge_actual(0, 200, 0);
        assert_eq!(account.take(0, 0), 300 * MS);
        account.charge_actual(70, 70, 0);
        assert_eq!(account.take(0, 0), 300 * MS);
        assert!(!account.is_fresh(350 * MS));
        assert!(account.is_fresh(400 * MS));
    }

    #[test]
    fn a_grain_is_a_fraction_of_a_second_within_bounds() {
        for (rate, grain) in [
            (1, GRAIN_BYTES_MIN),
            (10_000, GRAIN_BYTES_MIN),
            (1_000_000, 50_000),
            (1 << 40, GRAIN_BYTES_MAX),
        ] {
            assert_eq!(Account::new(rate).grain_bytes(), grain);
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        for rate in [1, u64::MAX] {
            let account = Account::new(rate);
            for now_ns in [0, 1, u64::MAX / 2, u64::MAX] {
                account.take(u64::MAX, now_ns);
                account.charge_actual(u64::MAX, 0, now_ns);
                account.charge_actual(0, u64::MAX, now_ns);
                assert_eq!(account.take(0, u64::MAX), 0);
            }
        }
    }

    /// What slots do to an account that they share: `(when, who, bytes)` of each receive, in order.
    /// Each of `receives` is what a slot takes, what it gets, and how long it does something else
    /// then.
    fn simulate(
        rate: u64,
        slots: usize,
        receives: &[(u64, u64, u64)],
        late_ns: u64,
    ) -> Vec<(u64, usize, u64)> {
        let account = Account::new(rate);
        let mut ready: BinaryHeap<Reverse<(u64, u64, usize)>> =
            (0..slots).map(|slot| Reverse((0, 0, slot))).collect();
        let mut came = Vec::new();
        for (&(taken, got, idle_ns), sequence) in receives.iter().zip(1..) {
            let Reverse((now_ns, _, slot)) = ready.pop().unwrap();
            let wait_ns = account.take(taken, now_ns);
            let at_ns = now_ns + if wait_ns > 0 { wait_ns + late_ns } else { 0 };
            account.charge_actual(taken, got, at_ns);
            came.push((at_ns, slot, got));
            ready.push(Reverse((at_ns + idle_ns, sequence, slot)));
        }
        came.sort_unstable();
        came
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Over any window no more comes than the rate allows in it and in the slack, and what was
        /// received without a wait for it: one receive of each slot.
        #[test]
        fn never_more_than_the_rate(
            rate in 1..10_000_000_u64,
            slots in 1..8_usize,
            receives in prop::collection::vec(
                (0..300_000_u64, 0..300_000_u64, 0..300 * MS), 1..60),
        ) {
            let came = simulate(rate, slots, &receives, 0);
            let largest = receives.iter().map(|receive| receive.0.max(receive.1)).max().unwrap();
            for first in 0..came.len() {
                let mut sum = 0_u128;
                for last in first..came.len() {
                    sum += u128::from(came[last].2);
                    let ns = u128::from(came[last].0 - came[first].0 + SLACK_NS);
                    let allowed = u128::from(rate) * ns / 1_000_000_000
                        + u128::from(largest) * slots as u128
                        + 1;
                    prop_assert!(sum <= allowed, "{sum} of {allowed} from {first} to {last}");
                }
            }
        }

        /// Timers that are late by less than the slack cost nothing: as long as somebody wants
        /// bytes, the rate is what was asked for.
        #[test]
        fn not_less_than_the_rate_either(
            rate in 20_000..100_000_000_u64,
            slots in 1..8_usize,
            late_ns in 0..40 * MS,
        ) {
            let grain = Account::new(rate).grain_bytes();
            let came = simulate(rate, slots, &vec![(grain, grain, 0); 400], late_ns);
            let (end_ns, bytes) = (came[399].0, u128::from(400 * grain));
            let wanted_ns = bytes * 1_000_000_000 / u128::from(rate);
            // What is left is the lateness of the last wait.
            prop_assert!(u128::from(end_ns) <= wanted_ns + u128::from(late_ns) + 1_000);
        }

        /// Lanes that always want more get as much as each other, and none waits for long.
        #[test]
        fn each_slot_is_served_in_turn(rate in 1_000..10_000_000_u64, slots in 1..40_usize) {
            let grain = Account::new(rate).grain_bytes();
            let came = simulate(rate, slots, &vec![(grain, grain, 0); slots * 7], 0);
            for round in came[slots..].chunks_exact(slots) {
                let served: BTreeSet<usize> = round.iter().map(|receive| receive.1).collect();
                prop_assert_eq!(served.len(), slots);
            }
        }
    }
}
