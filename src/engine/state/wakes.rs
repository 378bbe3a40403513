//! Sleepers and how they are woken: cores that want for work, and the reader that waits for room.

use crate::plan::schedule::Wake;
use crate::ring::io::Io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// The sleepers of one run.
#[derive(Debug)]
pub(crate) struct Wakes {
    /// One a core: there is work, or the end.
    cores: Vec<Notify>,
    /// The look-ahead has room again.
    room: Condvar,
    /// The reader waits for room. A wake costs a system call, so nobody is woken for nothing.
    is_reader_waiting: AtomicBool,
}

impl Wakes {
    /// The sleepers of a run with `cores` cores, all awake so far.
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            cores: (0..cores).map(|_| Notify::new()).collect(),
            room: Condvar::new(),
            is_reader_waiting: AtomicBool::new(false),
        }
    }

    /// Wakes the cores that `wake` names.
    pub(crate) fn deliver(&self, wake: Wake) {
        for core in wake.cores(self.cores.len()) {
            self.cores[core].notify_one();
        }
    }

    /// Wakes every core, and the reader.
    pub(crate) fn all(&self) {
        self.deliver(Wake::All);
        self.room.notify_all();
    }

    /// Waits for a wake of this core, at most so long.
    pub(crate) async fn woken(&self, io: &Io, core: usize, at_most: Duration) {
        // Not an operation of the kernel: this wait may be dropped.
        let _: Option<()> = io.timeout(at_most, self.cores[core].notified()).await;
    }

    /// Waits until [`Wakes::made_room`] is called, or everybody is woken, or some time has passed.
    pub(crate) fn wait_for_room<'l, T>(&self, locked: MutexGuard<'l, T>) -> MutexGuard<'l, T> {
        self.is_reader_waiting.store(true, Ordering::Relaxed);
        let waited = self.room.wait_timeout(locked, ROOM_WAIT);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Tells the reader that there is room.
    pub(crate) fn made_room(&self) {
        if self.is_reader_waiting.swap(false, Ordering::Relaxed) {
            self.room.notify_one();
        }
    }
}

/// How long the reader sleeps at most before it looks again.
const ROOM_WAIT: Duration = Duration::from_millis(100);
