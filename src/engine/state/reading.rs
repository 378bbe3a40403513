//! How far the reader of the list is, for those who do not read it.

use crate::engine::state::stop::{Stop, StopFlag};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How far the reader of the list is.
#[derive(Debug, Default)]
pub(crate) struct ReaderState {
    /// Whether the reader stopped the run, and is about to say why.
    has_refused: AtomicBool,
    /// Whether the reader goes on although the run has stopped, because what it reads is left.
    is_reading_on: AtomicBool,
    /// Input lines that will have a row, known once the input was read to its end.
    total: OnceLock<u64>,
    /// Lines that are other shards'.
    others: AtomicU64,
}

impl ReaderState {
    /// The list is not what it should be: nothing more of it begins.
    pub(crate) fn refuse_list(&self, stop: &StopFlag) {
        self.has_refused.store(true, Ordering::Relaxed);
        stop.set(Stop::Draining);
    }

    /// Whether the list is not what it should be.
    pub(crate) fn is_list_refused(&self) -> bool {
        self.has_refused.load(Ordering::Relaxed)
    }

    /// The reader reads on although the run has stopped, because what it reads is left.
    pub(crate) fn set_reading_on(&self, is_reading_on: bool) {
        self.is_reading_on.store(is_reading_on, Ordering::Relaxed);
    }

    /// Whether the reader reads on although the run has stopped.
    pub(crate) fn is_reading_on(&self) -> bool {
        self.is_reading_on.load(Ordering::Relaxed)
    }

    /// The input was read to its end: so many rows there will be.
    pub(crate) fn set_total(&self, rows: u64) {
        // The reader ends once.
        let _ = self.total.set(rows);
    }

    /// The number of rows there will be, once it is known.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total.get().copied()
    }

    /// A line is another shard's.
    pub(crate) fn passed_on(&self) {
        self.others.fetch_add(1, Ordering::Relaxed);
    }

    /// How many lines are other shards'.
    pub(crate) fn others(&self) -> u64 {
        self.others.load(Ordering::Relaxed)
    }
}
