//! The limit of jobs in flight while this machine is short of something: file descriptors, memory,
//! local ports.
//!
//! Resources that a job lacks, the others hold. So the job goes back to the queue, costs no
//! attempt, and as many jobs as hold something may be in flight from then on, at most halved within
//! one interval: a burst of failures from outside must not bring a large window down to one at
//! once. Each batch of attempts that ended otherwise makes room for one more. Only a job that lacks
//! something while nothing else is open has nobody to wait for, and fails like any other.

/// The jobs that may be in flight over all cores.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Limit that the user asked for.
    max: usize,
    limit: usize,
    /// Least `limit` in this interval.
    floor: usize,
    interval_ends_ms: u64,
    /// Jobs that lacked something and have not ended yet.
    lacking: usize,
    /// Attempts that ended since the window last changed.
    ended: usize,
}

/// What becomes of a job that lacks something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shortage {
    /// Other jobs hold it: the job waits a little and tries again, at no cost.
    Wait,
    /// No other job holds anything: it is an ordinary failure.
    Alone,
}

impl Window {
    /// Room for `max` jobs, at least one.
    pub fn new(max: usize) -> Self {
        assert!(max >= 1, "no job could run");
        Self { max, limit: max, floor: max, interval_ends_ms: 0, lacking: 0, ended: 0 }
    }

    /// Jobs that may be in flight now, from 1 to what the user asked for.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the limit is lower than the user asked for.
    pub fn is_tight(&self) -> bool {
        self.limit < self.max
    }

    /// Takes note that a job in flight lacks something, while `others` more connections are open,
    /// in use or idle. [`Window::ended`] is told of its end as well.
    pub fn lacked(&mut self, others: usize, now_ms: u64) -> Shortage {
        if now_ms >= self.interval_ends_ms {
            self.interval_ends_ms = now_ms.saturating_add(INTERVAL_MS);
            self.floor = (self.limit / 2).max(1);
        }
        self.limit = self.limit.min(others.max(self.floor));
        self.lacking += 1;
        self.ended = 0;
        if others == 0 { Shortage::Alone } else { Shortage::Wait }
    }

    /// Takes note that an attempt ended, however it did.
    pub fn ended(&mut self) {
        if self.lacking > 0 {
            // Whose end it was does not matter, only how many of them there were.
            self.lacking -= 1;
            return;
        }
        if self.is_tight() {
            self.ended += 1;
            if self.ended == ENDED_PER_STEP {
                self.ended = 0;
                self.limit += 1;
            }
        }
    }
}

/// Interval in which the window is halved at most once, in milliseconds.
const INTERVAL_MS: u64 = 100;
/// Attempts that end well in a row before one more job may be in flight.
const ENDED_PER_STEP: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(window: &mut Window, times: usize) {
        (0..times).for_each(|_| window.ended());
    }

    #[test]
    fn as_many_stay_as_hold_something() {
        let mut window = Window::new(100);
        assert_eq!((window.limit(), window.is_tight()), (100, false));
        for others in (80..100).rev() {
            assert_eq!(window.lacked(others, 7), Shortage::Wait);
        }
        assert_eq!((window.limit(), window.is_tight()), (80, true));
        assert_eq!(window.lacked(95, 8), Shortage::Wait);
        assert_eq!(window.limit(), 80, "more than may be in flight says nothing new");
    }

    #[test]
    fn a_burst_halves_it_once_an_interval() {
        let mut window = Window::new(100);
        for (now_ms, limit) in [(0, 50), (99, 50), (100, 25), (250, 12), (350, 6), (450, 3)] {
            for _ in 0..100 {
                window.lacked(1, now_ms);
            }
            assert_eq!(window.limit(), limit, "{now_ms}");
        }
    }

    #[test]
    fn it_never_falls_below_one_and_who_is_alone_is_told() {
        let mut window = Window::new(2);
        assert_eq!(window.lacked(1, 0), Shortage::Wait);
        assert_eq!(window.lacked(0, 1), Shortage::Alone);
        assert_eq!(window.lacked(0, 1_000), Shortage::Alone);
        assert_eq!(window.limit(), 1);
    }

    #[test]
    fn it_grows_by_one_for_every_batch_that_ends_well() {
        let mut window = Window::new(10);
        for _ in 0..4 {
            window.lacked(6, 0);
        }
        // These are the ends of the four.
        end(&mut window, 4);
        end(&mut window, ENDED_PER_STEP - 1);
        assert_eq!(window.limit(), 6);
        end(&mut window, 1);
        assert_eq!(window.limit(), 7);
        end(&mut window, ENDED_PER_STEP - 1);
        window.lacked(9, 50);
        end(&mut window, ENDED_PER_STEP);
        assert_eq!(window.limit(), 7, "a lack begins the count anew");
        end(&mut window, 100 * ENDED_PER_STEP);
        assert_eq!((window.limit(), window.is_tight()), (10, false));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn it_stays_within_its_bounds(
            max in 1..50_usize,
            events in prop::collection::vec(prop::option::of((0..60_usize, 0..90_u64)), 0..200),
        ) {
            let mut window = Window::new(max);
            let mut now_ms = 0;
            let mut began_with = max;
            for event in events {
                let before = window.limit();
                match event {
                    None => {
                        window.ended();
                        prop_assert!((before..=before + 1).contains(&window.limit()));
                    }
                    Some((others, ms)) => {
                        now_ms += ms;
                        if now_ms >= window.interval_ends_ms {
                            began_with = before;
                        }
                        let lack = window.lacked(others, now_ms);
                        prop_assert_eq!(lack == Shortage::Alone, others == 0);
                        let least = before.min(began_with / 2);
                        prop_assert!((least..=before).contains(&window.limit()));
                    }
                }
                prop_assert!((1..=max).contains(&window.limit()));
            }
        }
    }
}
