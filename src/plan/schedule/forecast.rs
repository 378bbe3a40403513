//! What time alone says about the rest of a run: when waiting jobs may begin, and when the last of
//! them can be done at the earliest.

use super::Schedule;
use super::holdups::WaitReason;

/// What is to be waited for, whatever servers answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Forecast {
    /// Time until the first job that waits may begin, in milliseconds; 0 where one may at any time,
    /// or none waits.
    pub next_ms: u64,
    /// Time before which not all jobs can have begun, in milliseconds.
    pub all_begun_ms: u64,
}

impl<T> Schedule<T> {
    /// The forecast at `now_ms`. Walks all hosts and all jobs that were kept back.
    pub fn forecast(&self, now_ms: u64) -> Forecast {
        let mut next_ms = None;
        let mut all_begun_ms = 0;
        let mut wait = |for_ms: u64| {
            next_ms = Some(next_ms.map_or(for_ms, |next: u64| next.min(for_ms)));
            all_begun_ms = all_begun_ms.max(for_ms);
        };
        self.deferred.iter().for_each(|job| wait(job.until_ms.saturating_sub(now_ms)));
        let mut paced_ms = 0;
        for (_, host) in self.hosts.iter().filter(|(_, host)| host.waiting() > 0) {
            let rests_ms = match self.why(host, now_ms) {
                Some(WaitReason::Rests { for_ms } | WaitReason::Unreachable { for_ms }) => for_ms,
                _ => 0,
            };
            if host.has_queued() {
                wait(rests_ms);
            }
            let found = host.active.as_ref().and_then(|active| active.throttle.found_per_s());
            let asked = self.limits.rate_per_host.map(|rate| rate.in_s());
            let rate = found.into_iter().chain(asked).fold(f64::INFINITY, f64::min);
            paced_ms = paced_ms.max(rests_ms + ms_for(host.waiting(), rate));
        }
        let rate = self.limits.rate.map_or(f64::INFINITY, |rate| rate.in_s());
        let held = ms_for(self.queued + self.deferred.len(), rate);
        Forecast {
            next_ms: next_ms.unwrap_or(0),
            all_begun_ms: all_begun_ms.max(paced_ms).max(held),
        }
    }
}

/// The time that so many requests take at a rate, in milliseconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn ms_for(requests: usize, per_s: f64) -> u64 {
    (requests as f64 * 1e3 / per_s) as u64
}
