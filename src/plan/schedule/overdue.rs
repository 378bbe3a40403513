//! Jobs whose own time is over while they wait for their host: for its rest, its breaker, its rate
//! or its name.
//!
//! A job that waits for another attempt is queued before its time is over, and may be held up there
//! for as long as its host is. It is taken out of its queue when its time has come.

use super::Schedule;
use super::hosts::Side;
use super::queue::Mark;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// The ends of jobs that are queued, and of some that were. Costs nothing for jobs without one.
#[derive(Debug, Default)]
pub(super) struct Ends {
    heap: BinaryHeap<End>,
    /// How many there may be before those of jobs that are gone are looked for.
    clean_at: usize,
}

/// When the time of a queued job is over. The greatest is the one due first, as a heap wants it.
#[derive(Clone, Copy, Debug)]
struct End {
    at_ms: u64,
    job: Mark,
    /// Number of its host.
    host: u32,
    side: Side,
}

impl Ends {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

impl<T> Schedule<T> {
    /// The job that was just queued is over at `ends_ms`; at [`u64::MAX`] it never is.
    pub(super) fn ends(&mut self, ends_ms: u64, job: Mark, host: u32, side: Side) {
        if ends_ms == u64::MAX {
            return;
        }
        let Ends { heap, clean_at } = &mut self.ends;
        if heap.len() >= *clean_at {
            heap.retain(|end| self.jobs.holds(end.job));
            *clean_at = CLEAN_AT_MIN.max(heap.len() * 2);
        }
        heap.push(End { at_ms: ends_ms, job, host, side });
    }

    /// Takes out a job whose time is over by now.
    pub(super) fn overdue(&mut self) -> Option<T> {
        while let Some(first) = self.ends.heap.peek() {
            if self.jobs.holds(first.job) && first.at_ms > self.now_ms {
                return None;
            }
            let End { job, host, side, .. } = self.ends.heap.pop()?;
            if self.jobs.holds(job) {
                let queue = &mut self.hosts.at_mut(host).queues[side as usize];
                let item = self.jobs.take_out(queue, job);
                self.queued -= 1;
                self.settle(host);
                return item;
            }
        }
        None
    }

    /// When the next job is over, in milliseconds; or one that is gone since.
    pub(super) fn next_end_ms(&self) -> Option<u64> {
        self.ends.heap.peek().map(|end| end.at_ms)
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

/// Fewest ends that are gone through for those of jobs that are gone.
const CLEAN_AT_MIN: usize = 1_024;
