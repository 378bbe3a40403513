//! The end of a run: how far it has come, and who has reached it.

use crate::engine::state::wakes::Wakes;
use crate::ring::heap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

/// How far the end of a run has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// Not at all.
    Running = 0,
    /// No new job starts; those in flight may finish.
    Draining = 1,
    /// Jobs in flight are cut off.
    Now = 2,
}

/// What all threads look at to know whether the run goes on. Whoever sets it wakes those who sleep.
#[derive(Debug)]
pub(crate) struct StopFlag {
    stop: AtomicU8,
    /// Something panicked that the run cannot do without.
    is_broken: AtomicBool,
    cores_done: AtomicUsize,
    wakes: Arc<Wakes>,
}

impl StopFlag {
    /// The flag of a run that goes on; `wakes` are its sleepers.
    pub(crate) fn new(wakes: Arc<Wakes>) -> Self {
        Self {
            stop: AtomicU8::new(Stop::Running as u8),
            is_broken: AtomicBool::new(false),
            cores_done: AtomicUsize::new(0),
            wakes,
        }
    }

    /// How far the end has come; memory that runs out is one, too.
    pub(crate) fn get(&self) -> Stop {
        if heap::is_short() {
            return Stop::Now;
        }
        match self.stop.load(Ordering::Relaxed) {
            0 => Stop::Running,
            1 => Stop::Draining,
            _ => Stop::Now,
        }
    }

    /// Lets the run end, and everybody know. It never ends less than it did before.
    pub(crate) fn set(&self, stop: Stop) {
        self.stop.fetch_max(stop as u8, Ordering::Relaxed);
        self.wake_all();
    }

    /// Wakes every core, and the reader: something has changed for all of them.
    pub(crate) fn wake_all(&self) {
        self.wakes.all();
    }

    /// Something panicked that the run cannot do without: it ends, and as a failure.
    pub(crate) fn set_broken(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
        self.set(Stop::Draining);
    }

    /// Whether that was so.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// A core's thread has ended.
    pub(crate) fn core_done(&self) {
        self.cores_done.fetch_add(1, Ordering::Release);
    }

    /// How many threads of cores have ended.
    pub(crate) fn cores_done(&self) -> usize {
        self.cores_done.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_stops_never_goes_on() {
        let stop = StopFlag::new(Arc::new(Wakes::new(1)));
        assert_eq!((stop.get(), stop.is_broken()), (Stop::Running, false));
        stop.set(Stop::Now);
        stop.set_broken();
        assert_eq!((stop.get(), stop.is_broken()), (Stop::Now, true));
    }
}
