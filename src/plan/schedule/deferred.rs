//! A job that is kept back, in the order of a heap.

use std::cmp::Ordering;

/// A job that waits for its time. The greatest is the one due first, as a heap wants it.
#[derive(Debug)]
pub(super) struct Deferred<T> {
    pub(super) until_ms: u64,
    pub(super) sequence: u64,
    /// Index of its origin.
    pub(super) origin: u32,
    pub(super) item: T,
}

impl<T> Ord for Deferred<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.until_ms, other.sequence).cmp(&(self.until_ms, self.sequence))
    }
}

impl<T> PartialOrd for Deferred<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Deferred<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Deferred<T> {}
