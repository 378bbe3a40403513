//! When the time of jobs is over, the first one first.

use super::queue::Mark;
use crate::plan::target::Scheme;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Ends of the time of jobs that are queued, and of some that are no longer. A job without one
/// costs nothing.
#[derive(Debug, Default)]
pub(super) struct Ends {
    heap: BinaryHeap<End>,
    /// Size of the heap at which ends of jobs that are gone are removed.
    clean_at: usize,
}

/// End of the time of a queued job. The greatest is the one due first, as [`BinaryHeap`] wants it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) at_ms: u64,
    pub(super) job: Mark,
    /// Number of the job's host.
    pub(super) host: u32,
    pub(super) scheme: Scheme,
}

impl Ends {
    /// The job that was just queued is over at `end.at_ms`. Those for which `is_queued` does not
    /// hold any more are forgotten from time to time.
    pub(super) fn push(&mut self, end: End, is_queued: impl Fn(Mark) -> bool) {
        let Self { heap, clean_at } = self;
        if heap.len() >= *clean_at {
            heap.retain(|end| is_queued(end.job));
            *clean_at = CLEAN_AT_MIN.max(heap.len() * 2);
        }
        heap.push(end);
    }

    /// The one that is due first; its job may be gone.
    pub(super) fn first(&self) -> Option<&End> {
        self.heap.peek()
    }

    /// Takes out the one that is due first.
    pub(super) fn pop(&mut self) -> Option<End> {
        self.heap.pop()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl Ord for End {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at_ms.cmp(&self.at_ms)
    }
}

impl PartialOrd for End {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for End {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for End {}

/// Fewest ends in the heap before those of jobs that are gone are removed.
const CLEAN_AT_MIN: usize = 1_024;
