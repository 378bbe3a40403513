//! A host that refuses whatever it is asked (429, 503) is given up in the end, or at once where it
//! says twice that it is not to be asked again for longer than anybody waits.
//!
//! Rests alone would let a list of ten thousand URLs of such a host take days: each refusal lets
//! one more job ask. So the time a host has to come round is bounded as a single wait is, by
//! `--retry-after-max`: when it has refused `--host-fail-limit` times since its last good answer,
//! those within one rest counted once, and for as long as that, it is *down*, as if it could not be
//! reached ([`super::breaker`]). Its other jobs fail without being tried, until one tries again.
//!
//! 429 with a `Retry-After` beyond the maximum fails its job at once. Said once it may be about one
//! URL; said again after a rest, with no good answer between, it is the host's word, and the host
//! is down for all that it asked for.

use super::breaker::{DOWN_TIMES, DownReason};
use super::caps::Limits;
use super::signal::HostSignal;

/// What a host refused since its last good answer.
#[derive(Debug)]
pub(super) struct Refusing {
    /// Refusals; those that come during a rest are to requests from before it.
    count: u32,
    /// When the first one came, in milliseconds.
    since_ms: u64,
    /// When refusals count again, in milliseconds.
    counts_from_ms: u64,
    /// Whether it asked for a longer wait than `--retry-after-max`.
    is_long: bool,
    /// Why the host is down, if it is.
    pub(super) why: Option<DownReason>,
}

impl Refusing {
    /// Takes up what an attempt said about its host, as far as a host is given up for it. Gives for
    /// how many milliseconds from `now_ms` the host is down, when this was once too often. Rests
    /// that follow from the answer have begun, and end at `rest_until_ms`.
    pub(super) fn observe(
        refusing: &mut Option<Box<Self>>,
        signal: HostSignal,
        rest_until_ms: u64,
        limits: &Limits,
        now_ms: u64,
    ) -> Option<u64> {
        let (asked_ms, is_for_host) = match signal {
            HostSignal::Good { .. } => {
                *refusing = None;
                return None;
            }
            HostSignal::Busy { asked_ms, is_for_host } => (asked_ms.unwrap_or(0), is_for_host),
            HostSignal::Answered
            | HostSignal::Cut
            | HostSignal::Unreachable { .. }
            | HostSignal::Nameless
            | HostSignal::Unasked
            | HostSignal::Nothing => return None,
        };
        let refusing = refusing.get_or_insert_with(|| {
            let (since_ms, counts_from_ms) = (now_ms, now_ms);
            Box::new(Self { count: 0, since_ms, counts_from_ms, is_long: false, why: None })
        });
        if now_ms < refusing.counts_from_ms || limits.host_fail_limit == 0 {
            return None;
        }
        refusing.count = refusing.count.saturating_add(1);
        refusing.counts_from_ms = rest_until_ms.max(now_ms.saturating_add(1));
        let for_ms = now_ms.saturating_sub(refusing.since_ms);
        let is_long = is_for_host && asked_ms > limits.retry_after_max_ms;
        let (down_ms, why) = if is_long && std::mem::replace(&mut refusing.is_long, true) {
            (asked_ms, DownReason::Asks { seconds: asked_ms.div_ceil(1_000) })
        } else if refusing.count >= limits.host_fail_limit && for_ms >= limits.retry_after_max_ms {
            let down_ms = limits.host_fail_wait_ms.max(1).saturating_mul(DOWN_TIMES);
            (down_ms, DownReason::Refuses { refusals: refusing.count, for_ms })
        } else {
            return None;
        };
        refusing.why = Some(why);
        Some(down_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, limits, push, take_all};
    use super::super::{After, DownReason, Grant, Schedule};
    use super::*;

    /// One host with many jobs, on one core.
    struct One {
        schedule: Schedule<u32>,
        now_ms: u64,
    }

    impl One {
        fn new(limits: Limits) -> Self {
            let mut schedule = Schedule::new(limits);
            push(&mut schedule, "a", 0..100);
            Self { schedule, now_ms: 0 }
        }

        fn take(&mut self) -> Vec<Grant<u32>> {
            // What waits for its host is due by now.
            self.now_ms = self.now_ms.max(self.schedule.next_due_ms().unwrap_or(0));
            take_all(&mut self.schedule, 0, self.now_ms)
        }

        /// All that may run now is answered in this way.
        fn round(&mut self, signal: HostSignal) -> usize {
            let grants = self.take();
            for grant in &grants {
                let _ = self.schedule.observe(grant.origin, grant.round, signal, self.now_ms);
                let _ = self.schedule.release(0, grant.origin, After::Kept);
            }
            grants.len()
        }

        /// Why jobs fail without being tried, and how many do.
        fn down(&mut self) -> Option<(DownReason, usize)> {
            let holdups = self.schedule.holdups(3, self.now_ms);
            // A job that may be taken would be lost.
            holdups.iter().find(|holdup| holdup.why == super::super::WaitReason::Down)?;
            let next = |one: &mut Self| one.schedule.take(0, one.now_ms).assignment.down();
            let why = next(self)?.why;
            Some((why, 1 + std::iter::from_fn(|| next(self)).count()))
        }
    }

    const GOOD: HostSignal = HostSignal::Good { starttransfer_ms: 1, opening_ms: 0 };
    const BUSY: HostSignal = HostSignal::Busy { asked_ms: None, is_for_host: false };

    fn said(asked_ms: u64) -> HostSignal {
        HostSignal::Busy { asked_ms: Some(asked_ms), is_for_host: true }
    }

    fn patient(retry_after_max_ms: u64) -> Limits {
        Limits { host_fail_limit: 3, retry_after_max_ms, ..limits(1, 50, 4) }
    }

    #[test]
    fn a_host_that_refuses_everything_for_long_is_given_up_until_it_answers() {
        let mut one = One::new(patient(60_000));
        let mut asked = 0;
        while one.now_ms < 60_000 {
            assert_eq!(one.down(), None, "at {} ms", one.now_ms);
            asked += one.round(BUSY);
        }
        let Some((DownReason::Refuses { refusals, for_ms }, failed)) = one.down() else {
            panic!("it is asked on");
        };
        assert!(refusals >= 3 && for_ms >= 60_000 && asked < 40, "{asked}");
        assert_eq!(failed, 100 - asked);
        // Then one job tries again, and another refusal is enough.
        push(&mut one.schedule, "a", 200..210);
        assert_eq!(one.down().unwrap().1, 10);
        one.now_ms += 10_000 * DOWN_TIMES;
        push(&mut one.schedule, "a", 400..410);
        assert_eq!(one.round(BUSY), 1, "the probe");
        assert_eq!(one.down().unwrap().1, 9);
        one.now_ms += 10_000 * DOWN_TIMES;
        push(&mut one.schedule, "a", 500..510);
        assert_eq!((one.round(GOOD), one.down()), (1, None));
        while one.round(GOOD) > 0 {}
        assert!(one.schedule.room() > 0 && one.schedule.queued() == 0);
    }

    #[test]
    fn good_answers_between_begin_the_count_anew() {
        let mut one = One::new(patient(10_000));
        for _ in 0..20 {
            one.round(BUSY);
            one.now_ms += 9_000;
            assert!(one.round(GOOD) > 0);
            assert_eq!(one.down(), None);
        }
    }

    #[test]
    fn a_host_is_believed_that_says_twice_to_come_back_tomorrow() {
        let mut one = One::new(patient(300_000));
        let place = at("a");
        assert_eq!(one.round(said(86_400_000)), 4, "all of one round");
        // As the engine does, for one step of its back-off.
        one.schedule.pause(place, one.now_ms + 1_000);
        assert_eq!(one.down(), None);
        assert!(one.round(said(86_400_000)) > 0);
        let (why, failed) = one.down().unwrap();
        assert_eq!(why, DownReason::Asks { seconds: 86_400 });
        assert!(failed > 90, "{failed}");
        push(&mut one.schedule, "a", 200..201);
        one.now_ms = 86_400_000;
        assert_eq!(one.down().unwrap().1, 1, "tomorrow has not come yet");
    }

    #[test]
    fn one_url_that_says_so_among_good_ones_is_not_the_host() {
        let mut one = One::new(patient(300_000));
        for _ in 0..10 {
            one.round(said(86_400_000));
            assert!(one.round(GOOD) > 0);
            assert_eq!(one.down(), None);
        }
    }

    #[test]
    fn every_url_is_tried_where_that_is_asked_for() {
        let mut one = One::new(Limits { host_fail_limit: 0, ..patient(1_000) });
        let mut asked = 0;
        while asked < 100 {
            assert_eq!(one.down(), None);
            asked += one.round(said(5_000));
        }
    }
}
