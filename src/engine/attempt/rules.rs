//! What a run knows of the robots.txt files of its origins.

use crate::fault::Fault;
use crate::limits;
use crate::plan::robots::{self, Rules};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the run knows of robots.txt files.
pub(crate) struct Robots {
    known: Mutex<Known>,
    /// What we are called there.
    token: Box<str>,
}

#[derive(Default)]
struct Known {
    origins: HashMap<Box<str>, State>,
    /// What all of them take in memory, about.
    bytes: usize,
}

impl Known {
    /// Remembers what is known of one origin; where that is too much, all others are forgotten but
    /// for those that some job asks for.
    fn put(&mut self, origin: &str, state: State) {
        self.remove(origin);
        let bytes = bytes(origin, &state);
        if self.bytes + bytes > limits::ROBOTS_CACHE_BYTES_MAX {
            self.origins.retain(|_, state| matches!(state, State::Asked));
            self.bytes =
                self.origins.iter().map(|(origin, state)| self::bytes(origin, state)).sum();
        }
        self.bytes += bytes;
        self.origins.insert(origin.into(), state);
    }

    fn remove(&mut self, origin: &str) {
        if let Some(state) = self.origins.remove(origin) {
            self.bytes -= bytes(origin, &state);
        }
    }
}

/// What one origin takes in memory, about.
fn bytes(origin: &str, state: &State) -> usize {
    let known = match state {
        State::Asked => 0,
        State::Rules(rules) => rules.bytes(),
        State::Failed(fault, _) => fault.detail.as_ref().map_or(0, |detail| detail.len()),
    };
    known + origin.len() + ENTRY_BYTES
}

/// What is known of the robots.txt of one origin.
pub(crate) enum State {
    /// Some job asks for it.
    Asked,
    Rules(Arc<Rules>),
    /// Fetching robots.txt failed, at this time in milliseconds since the run began.
    Failed(Fault, u64),
}

/// What a job finds.
pub(crate) enum Found {
    Rules(Arc<Rules>),
    Failed(Fault),
    /// Another job asks.
    Wait,
    /// Nobody has asked for the robots.txt: this job has to.
    Ask,
}

impl Robots {
    /// Nothing is known; `user_agent` is what we call ourselves.
    pub(crate) fn new(user_agent: &str) -> Self {
        let token = match robots::token(user_agent) {
            "" => env!("CARGO_PKG_NAME"),
            token => token,
        };
        Self { known: Mutex::default(), token: token.into() }
    }

    /// What we are called there.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known for a job in this attempt.
    pub(crate) fn find(&self, origin: &str, attempt: u32, now_ms: u64) -> Found {
        let kept_ms = if attempt == 1 { FAILED_KEPT_MS } else { FAILED_AGAIN_MS };
        let mut known = self.known();
        match known.origins.get(origin) {
            Some(State::Rules(rules)) => return Found::Rules(Arc::clone(rules)),
            Some(State::Asked) => return Found::Wait,
            Some(State::Failed(fault, at_ms)) if now_ms < at_ms + kept_ms => {
                return Found::Failed(fault.clone());
            }
            Some(State::Failed(..)) | None => {}
        }
        known.put(origin, State::Asked);
        Found::Ask
    }

    /// Keeps what was learnt of the robots.txt of an origin.
    pub(crate) fn keep(&self, origin: &str, state: State) {
        self.known().put(origin, state);
    }
}

/// Lets the next job ask, unless it came to an answer: this one may have been cut off.
pub(crate) struct Asking<'a> {
    pub(crate) robots: &'a Robots,
    pub(crate) origin: Box<str>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut known = self.robots.known();
        if matches!(known.origins.get(&self.origin), Some(State::Asked)) {
            known.remove(&self.origin);
        }
    }
}

/// How long, in milliseconds, a failure to get robots.txt stands for all new jobs of the origin:
/// with each of them asking, one behind the other, a dead origin would take hours.
const FAILED_KEPT_MS: u64 = 5_000;
/// How long, in milliseconds, such a failure stands for jobs that are tried again: they ask anew,
/// unless they waited for this very answer.
const FAILED_AGAIN_MS: u64 = 200;
/// Memory for an origin beside its name and rules, in bytes, about.
const ENTRY_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Stage};

    #[test]
    fn what_is_remembered_of_many_origins_is_bounded() {
        let robots = Robots::new("ringpull");
        let origin = |n: usize| format!("https://{n}.example");
        assert!(matches!(robots.find("http://asked", 1, 0), Found::Ask));
        let fault = Fault::new(Stage::Connect, Cause::Refused).with_detail("9".repeat(200));
        let count = 4 * limits::ROBOTS_CACHE_BYTES_MAX / (200 + ENTRY_BYTES);
        for n in 0..count {
            robots.keep(&origin(n), State::Failed(fault.clone(), 0));
            robots.keep(&origin(n), State::Failed(fault.clone(), 1));
        }
        assert!(matches!(robots.find("http://asked", 1, 0), Found::Wait));
        assert!(matches!(robots.find(&origin(count - 1), 1, 2), Found::Failed(_)));
        let known = robots.known();
        let taken: usize = known.origins.iter().map(|(origin, state)| bytes(origin, state)).sum();
        assert_eq!(known.bytes, taken);
        assert!(taken <= limits::ROBOTS_CACHE_BYTES_MAX && known.origins.len() < count);
    }
}
