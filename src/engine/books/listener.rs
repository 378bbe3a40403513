//! A program that embeds a run and takes its rows.

use crate::report::Row;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What is called with each row of a run.
pub struct RowListener {
    /// Called behind the lock of the rows, so it must not wait.
    on_row: Box<dyn FnMut(&Row) + Send>,
    backlog: Arc<Backlog>,
}

impl RowListener {
    /// A listener whose rows wait in this backlog until they are taken.
    pub fn new(on_row: impl FnMut(&Row) + Send + 'static, backlog: Arc<Backlog>) -> Self {
        Self { on_row: Box::new(on_row), backlog }
    }

    pub(super) fn take(&mut self, row: &Row) {
        self.backlog.add();
        (self.on_row)(row);
    }

    pub(super) fn backlog(&self) -> Arc<Backlog> {
        Arc::clone(&self.backlog)
    }
}

/// Rows that a listener has not taken yet. While there are too many, no job begins; those in flight
/// go on, for the servers cannot know.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: AtomicUsize,
    is_holding: AtomicBool,
}

impl Backlog {
    fn add(&self) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) + 1 >= ROWS_WAITING_MAX {
            self.is_holding.store(true, Ordering::Relaxed);
        }
    }

    /// One of the rows was taken.
    pub fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether nothing begins.
    pub(crate) fn is_holding(&self) -> bool {
        self.is_holding.load(Ordering::Relaxed)
    }

    /// Lets jobs begin again once half of the rows were taken. Says whether it did; whoever waits
    /// is to be woken then.
    pub(crate) fn may_release(&self) -> bool {
        self.is_holding()
            && self.waiting.load(Ordering::Relaxed) <= ROWS_WAITING_MAX / 2
            && self.is_holding.swap(false, Ordering::Relaxed)
    }
}

/// Rows that may wait before no job begins any more.
const ROWS_WAITING_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_rows_hold_the_run_until_half_of_them_are_taken() {
        let backlog = Backlog::default();
        (1..ROWS_WAITING_MAX).for_each(|_| backlog.add());
        assert!(!backlog.is_holding() && !backlog.may_release());
        backlog.add();
        assert!(backlog.is_holding() && !backlog.may_release());
        (1..ROWS_WAITING_MAX / 2).for_each(|_| backlog.taken());
        assert!(!backlog.may_release() && backlog.is_holding());
        backlog.taken();
        assert!(backlog.may_release() && !backlog.is_holding() && !backlog.may_release());
    }
}
