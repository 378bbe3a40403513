//! Whether a refusal (429, 503) counts among the attempts of `--retry`.
//!
//! A host that is asked too much refuses whatever comes just then: that says nothing about the URL,
//! so it costs the job no attempt. But 503 may be about one URL, and be the answer to it for ever.
//! The two are told apart by what the host answers to others meanwhile. If it refuses one request
//! in ten, a URL of no fault of its own is refused three times in a row once in a thousand times;
//! if it refuses nobody else, the second refusal is about the URL. So a refusal is free as long as
//! it may well have been chance, the host answers others, and there were not too many of them.

/// Number of answers of a host so far. A later tally is of the same host, and no number is lower.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Answers that were no refusals.
    pub answers: u32,
    /// Refusals, of whatever job.
    pub refusals: u32,
}

/// The refusals of one job.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Refusals {
    /// Refusals that cost no attempt.
    free: u32,
    /// Refusals since `first`, that one included.
    count: u32,
    /// Tally of the host before the first refusal of the job.
    first: Tally,
    /// Tally of the host before the last refusal of the job.
    last: Tally,
}

impl Refusals {
    /// Takes note that the host refused the job. `tally` is what the host answered before that, and
    /// `is_progressing` is whether a good answer to anybody was among it lately. Says whether the
    /// refusal is free.
    pub fn meet(&mut self, tally: Tally, is_progressing: bool) -> bool {
        let is_known = self.count > 0
            && tally.answers >= self.last.answers
            && tally.refusals >= self.last.refusals;
        if !is_known {
            (self.count, self.first) = (0, tally);
        }
        let is_free = is_progressing
            && self.free < FREE_MAX
            && (self.count == 0 || tally.answers > self.last.answers && self.is_chance(tally));
        self.count += 1;
        self.last = tally;
        self.free += u32::from(is_free);
        is_free
    }

    /// Takes note that the job goes on at another host, of which nothing is known. Refusals that
    /// were free before stay so.
    pub fn leave_host(&mut self) {
        self.count = 0;
    }

    /// Number of refusals that cost no attempt.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Whether all refusals but the first may well be chance, judged by what others got meanwhile.
    fn is_chance(&self, tally: Tally) -> bool {
        let answers = f64::from(tally.answers - self.first.answers);
        // Those of this job are told apart, but for rounds of its host that were forgotten.
        let refusals = f64::from((tally.refusals - self.first.refusals).saturating_sub(self.count));
        // The rule of succession: what was never seen is not impossible.
        let share = (refusals + 1.0) / (refusals + answers + 2.0);
        let further = i32::try_from(self.count).unwrap_or(i32::MAX);
        share.powi(further) >= CHANCE_MIN
    }
}

/// Least probability that counts as chance.
const CHANCE_MIN: f64 = 1e-4;
/// Most refusals of one job that are free: a host that refuses six requests in ten would have to do
/// so twenty times in a row to fail a job of no fault of its own.
const FREE_MAX: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many refusals in a row a URL that is always refused meets before `paid` of them count,
    /// when its host gives others so many answers and refusals between two of its own.
    fn refusals_until(paid: u32, answers: u32, refusals: u32) -> u32 {
        let mut job = Refusals::default();
        let mut tally = Tally { answers: 1_000, refusals: 500 };
        let mut counted = 0;
        for count in 1..=1_000 {
            counted += u32::from(!job.meet(tally, true));
            if counted == paid {
                return count;
            }
            tally.answers += answers;
            // Its own one is among them.
            tally.refusals += refusals + 1;
        }
        panic!("{answers} and {refusals}: {job:?}");
    }

    #[test]
    fn a_url_that_alone_is_refused_pays_soon() {
        assert_eq!(refusals_until(1, 10_000, 0), 2);
        assert_eq!(refusals_until(4, 10_000, 0), 5, "today's four, and one");
        assert_eq!(refusals_until(4, 100, 0), 6);
        assert_eq!(refusals_until(4, 1, 0), 9, "few neighbours prove little");
    }

    #[test]
    fn a_url_of_a_host_that_refuses_many_pays_late_but_pays() {
        assert_eq!(refusals_until(4, 100, 10), 8);
        assert_eq!(refusals_until(4, 100, 100), 4 + FREE_MAX.min(14));
        assert_eq!(refusals_until(4, 10, 990), 4 + FREE_MAX);
    }

    #[test]
    fn a_host_that_makes_no_progress_is_paid_for_at_once() {
        let mut job = Refusals::default();
        assert!(!job.meet(Tally::default(), false));
        assert!(!job.meet(Tally { answers: 0, refusals: 1 }, false));
        // It answered somebody long ago, but nobody since this job was last refused.
        assert!(!job.meet(Tally { answers: 0, refusals: 50 }, true));
        assert!(job.meet(Tally { answers: 9, refusals: 50 }, true));
        assert_eq!(job.free(), 1);
    }

    #[test]
    fn another_host_is_judged_by_itself() {
        let mut job = Refusals::default();
        let healthy = |answers| Tally { answers, refusals: 0 };
        assert!(job.meet(healthy(10), true));
        job.leave_host();
        assert!(job.meet(healthy(20_000), true), "its first one there");
        assert!(!job.meet(Tally { answers: 40_000, refusals: 1 }, true));
        // The host was forgotten meanwhile, and begins anew.
        assert!(job.meet(healthy(5), true));
        assert_eq!(job.free(), 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn whatever_a_host_does_few_are_free(
            tallies in prop::collection::vec((any::<u32>(), any::<u32>(), any::<bool>()), 0..200),
        ) {
            let mut job = Refusals::default();
            let free = tallies.iter().filter(|(answers, refusals, is_progressing)| {
                job.meet(Tally { answers: *answers, refusals: *refusals }, *is_progressing)
            });
            let free = u32::try_from(free.count()).unwrap();
            prop_assert_eq!(free, job.free());
            prop_assert!(free <= FREE_MAX);
        }
    }
}
