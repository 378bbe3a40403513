//! Hosts that are given up: their jobs fail without being tried, wherever they wait.

use super::Schedule;
use super::answers::Down;
use super::hosts::ReadyList;

impl<T> Schedule<T> {
    /// Has the jobs that wait gone through, because a host went down. That takes a while, so many
    /// hosts share one walk.
    pub(super) fn walk_later(&mut self, has_deferred: bool) {
        let walk_ms = self.walked_ms.map_or(0, |walked| walked.saturating_add(WALK_EVERY_MS));
        if has_deferred {
            self.walk_due_ms = Some(walk_ms.max(self.now_ms));
        }
    }

    /// Hands out a job of a host that is down.
    pub(super) fn give_up(&mut self) -> Option<Down<T>> {
        let (_, index) = *self.down.first()?;
        let host = self.hosts.at_mut(index);
        assert_eq!(host.ready_list, ReadyList::Down, "a host is where it is listed");
        let throttle = &host.active_mut().throttle;
        let refuses = throttle.refusing.as_ref().and_then(|refusing| refusing.why);
        let why = refuses.unwrap_or_else(|| throttle.breaker.why());
        let queue = host.queues.iter_mut().find(|queue| !queue.is_empty());
        let item = self.jobs.pop_front(queue.expect("a listed host has a job"));
        self.queued -= 1;
        self.reindex(index);
        Some(Down { item: item.expect("a queue that is not empty has a job"), why })
    }

    /// Puts jobs that wait for another attempt at a host that is down back into their queues.
    pub(super) fn walk(&mut self) {
        if self.walk_due_ms.is_none_or(|due| due > self.now_ms) {
            return;
        }
        (self.walk_due_ms, self.walked_ms) = (None, Some(self.now_ms));
        let mut waiting = std::mem::take(&mut self.deferred).into_vec();
        let is_over = |index: u32| {
            let active = self.hosts.at(index).active.as_ref();
            active.is_some_and(|active| active.throttle.breaker.is_down())
        };
        let over: Vec<_> = waiting.extract_if(.., |job| is_over(job.host)).collect();
        self.deferred = waiting.into();
        over.into_iter().for_each(|job| self.requeue(job));
    }
}

/// How often jobs that wait are gone through at most, in milliseconds.
const WALK_EVERY_MS: u64 = 1_000;
