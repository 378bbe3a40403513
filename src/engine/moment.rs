//! Time as a core reads it: one look at the clocks for all that happens at a moment, and what ends
//! the waits of a job.

use crate::fault::Cause;
use crate::ring::io::Io;
use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// A moment of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The moment by the monotonic clock.
    pub(crate) at: Instant,
    /// The moment in milliseconds since the run began.
    pub(crate) ms: u64,
    /// The moment by the wall clock.
    pub(crate) date: SystemTime,
}

/// The clocks of one core. That of dates is read a few times a second ([`Clocks::set`]), and told
/// by the other one in between.
#[derive(Debug)]
pub(crate) struct Clocks {
    /// When the run began.
    began: Instant,
    /// The two clocks at one moment.
    known: Cell<(Instant, SystemTime)>,
}

impl Clocks {
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, known: Cell::new((Instant::now(), SystemTime::now())) }
    }

    /// Reads the clock of dates: somebody may have set it.
    pub(crate) fn set(&self) {
        self.known.set((Instant::now(), SystemTime::now()));
    }

    /// How long ago a time of the run was, in milliseconds, at some moment.
    pub(crate) fn since(&self, then_ms: u64, now: Moment) -> Duration {
        let then = self.began + Duration::from_millis(then_ms);
        now.at.saturating_duration_since(then)
    }

    /// This moment.
    pub(crate) fn now(&self) -> Moment {
        let at = Instant::now();
        let (known_at, known) = self.known.get();
        Moment {
            at,
            ms: ms(at.saturating_duration_since(self.began)),
            date: known + at.saturating_duration_since(known_at),
        }
    }
}

/// What ends all waits of one job: its deadline, and that the run is to stop now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds<'c> {
    /// Backend of the core, which has its timers.
    pub(crate) io: &'c Io,
    /// When the run began.
    pub(crate) began: Instant,
    /// When the job is over, in milliseconds of the run.
    pub(crate) job_at_ms: u64,
    /// Tells that the run is to stop now.
    pub(crate) interrupt: &'c Notify,
}

impl Bounds<'_> {
    /// Does something that may be dropped, until it is done, the run is to stop now, or the job is
    /// over.
    pub(crate) async fn until<T>(&self, doing: impl Future<Output = T>) -> Result<T, Cause> {
        let left = Duration::from_millis(self.job_at_ms.saturating_sub(ms(self.began.elapsed())));
        // Apart from the future, which is part of all that wait so.
        let mut over = Box::pin(self.io.sleep(left));
        tokio::select! {
            biased;
            done = doing => Ok(done),
            () = self.interrupt.notified() => Err(Cause::Interrupted),
            () = &mut over => Err(Cause::JobTimeout),
        }
    }
}

/// Whole milliseconds.
pub(crate) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_on_from_the_last_one_that_was_read() {
        let (began, date) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let clocks = Clocks { began, known: Cell::new((began, date)) };
        let now = clocks.now();
        let since = now.at - began;
        assert_eq!((now.ms, now.date), (ms(since), date + since));
        clocks.set();
        assert!(clocks.now().date > date + Duration::from_secs(1));
    }
}
