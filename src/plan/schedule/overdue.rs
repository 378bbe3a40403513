//! Jobs whose own time is over while they wait for their host: for its rest, its breaker, its rate
//! or its name.
//!
//! A job that waits for another attempt is queued before its time is over, and may be held up there
//! for as long as its host is. It is taken out of its queue when its time has come.

use super::Schedule;
use super::ends::End;
use super::queue::Mark;
use crate::plan::target::Scheme;

impl<T> Schedule<T> {
    /// Lets the job that was just queued be overdue at `ends_ms`; never at [`u64::MAX`].
    pub(super) fn ends(&mut self, ends_ms: u64, job: Mark, host: u32, scheme: Scheme) {
        if ends_ms == u64::MAX {
            return;
        }
        let Self { ends, jobs, .. } = self;
        ends.push(End { at_ms: ends_ms, job, host, scheme }, |job| jobs.holds(job));
    }

    /// Takes out a job whose time is over by now.
    pub(super) fn overdue(&mut self) -> Option<T> {
        while let Some(first) = self.ends.first() {
            if self.jobs.holds(first.job) && first.at_ms > self.now_ms {
                return None;
            }
            let End { job, host, scheme, .. } = self.ends.pop()?;
            if self.jobs.holds(job) {
                let queue = &mut self.hosts.at_mut(host).queues[scheme as usize];
                let item = self.jobs.take_out(queue, job);
                self.queued -= 1;
                self.reindex(host);
                return item;
            }
        }
        None
    }

    /// When the next job is overdue, in milliseconds; or one that is gone by now.
    pub(super) fn next_end_ms(&self) -> Option<u64> {
        self.ends.first().map(|end| end.at_ms)
    }
}
