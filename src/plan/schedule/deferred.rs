//! A job that is kept back, in the order of a heap.

use crate::plan::target::Scheme;
use std::cmp::Ordering;

/// A job that waits for its time. The greatest is the one due first, as
/// [`std::collections::BinaryHeap`] wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deferred {
    pub(super) until_ms: u64,
    /// When the job is overdue, in milliseconds.
    pub(super) ends_ms: u64,
    /// Rises with each job kept back.
    pub(super) order: u64,
    /// Number of the job's host.
    pub(super) host: u32,
    /// Number of the job.
    pub(super) job: u32,
    pub(super) scheme: Scheme,
}

impl Ord for Deferred {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.until_ms, other.order).cmp(&(self.until_ms, self.order))
    }
}

impl PartialOrd for Deferred {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Deferred {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Deferred {}
