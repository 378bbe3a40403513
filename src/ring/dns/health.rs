//! Health of a name server: whether it is to be asked. There is no clock here: times are
//! milliseconds that are handed in.

/// Health of a name server of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// Failures since the last answer.
    failures: u32,
    /// Time until which the server is left alone, in milliseconds.
    rests_until_ms: u64,
    rest_ms: u64,
}

impl Health {
    /// Takes note that the server gave an answer.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Takes note that the server did not answer, or wants to answer nothing. Failures in a row let
    /// it be left alone, the longer the more often that did not help.
    pub(super) fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        // Many questions fail together, which is one failure of the server.
        if self.is_sick() && self.rests_until_ms <= now_ms {
            self.rest_ms = (self.rest_ms * 2).clamp(REST_MIN_MS, REST_MAX_MS);
            self.rests_until_ms = now_ms + self.rest_ms;
        }
    }

    /// Whether the server may be asked although `outstanding` of its questions are not answered
    /// yet: one that was left alone has to answer one question first.
    pub(super) fn may_ask(&self, outstanding: usize, now_ms: u64) -> bool {
        !self.is_sick() || (self.rests_until_ms <= now_ms && outstanding == 0)
    }

    fn is_sick(&self) -> bool {
        self.failures >= FAILURES_MAX
    }
}

/// Failures in a row after which a server is left alone.
const FAILURES_MAX: u32 = 3;
/// First time for which a server is left alone, in milliseconds.
const REST_MIN_MS: u64 = 5_000;
const REST_MAX_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_is_left_alone_and_asked_again() {
        let mut health = Health::default();
        health.failed(0);
        health.failed(0);
        assert!(health.may_ask(50, 0), "that may be chance");
        // Those that were outstanding as well are no further failures of the server.
        (0..100).for_each(|n| health.failed(n));
        assert!(!health.may_ask(0, REST_MIN_MS - 1));
        assert!(
            health.may_ask(0, REST_MIN_MS) && !health.may_ask(1, REST_MIN_MS),
            "one goes first"
        );
        health.failed(REST_MIN_MS);
        assert!(!health.may_ask(0, 3 * REST_MIN_MS - 1) && health.may_ask(0, 3 * REST_MIN_MS));
        (0..100).for_each(|n| health.failed(n * 100_000));
        assert!(!health.may_ask(0, 9_900_000 + REST_MAX_MS - 1));
        assert!(health.may_ask(0, 9_900_000 + REST_MAX_MS));
        health.answered();
        assert!(health.may_ask(50, 0));
        health.failed(0);
        assert!(health.may_ask(50, 0), "a new count");
    }
}
