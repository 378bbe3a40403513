//! How long a host is left alone when one of its answers asks for a wait (`Retry-After`).
//!
//! Nobody can tell whether the one URL is meant or the whole host. The job waits for as long as it
//! was asked to; the host rests for a moment at first, and twice as long each time that it asks
//! again after a rest. So a host in trouble is soon left alone for all it asked for, and a single
//! URL that always asks does not hold up all others of its host.

use std::collections::HashMap;

/// The hosts that asked for a wait of late.
#[derive(Debug, Default)]
pub struct Rests {
    origins: HashMap<Box<str>, Rest>,
}

#[derive(Debug)]
struct Rest {
    /// The longest rest now, in milliseconds.
    length_ms: u64,
    /// When the last rest is over.
    until_ms: u64,
}

impl Rests {
    /// `origin` asks for a wait: for how many milliseconds nothing is to be started there.
    pub fn asked(&mut self, origin: &str, asked_ms: u64, now_ms: u64) -> u64 {
        if self.origins.len() >= ORIGINS_MAX && !self.origins.contains_key(origin) {
            self.origins.clear();
        }
        let fresh = || Rest { length_ms: FIRST_MS / 2, until_ms: 0 };
        let rest = self.origins.entry(origin.into()).or_insert_with(fresh);
        // Answers that come during a rest are to requests from before it.
        if now_ms >= rest.until_ms {
            rest.length_ms = rest.length_ms.saturating_mul(2).min(asked_ms.max(FIRST_MS));
        }
        let rest_ms = rest.length_ms.min(asked_ms);
        rest.until_ms = rest.until_ms.max(now_ms.saturating_add(rest_ms));
        rest_ms
    }

    /// Whether no origin asked for a wait of late.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// `origin` gave a good answer: its next rest is shorter again.
    pub fn answered(&mut self, origin: &str) {
        if let Some(rest) = self.origins.get_mut(origin) {
            rest.length_ms /= 2;
            if rest.length_ms < FIRST_MS {
                self.origins.remove(origin);
            }
        }
    }
}

/// The first rest, in milliseconds.
const FIRST_MS: u64 = 1_000;

/// Origins remembered; with more of them, all are forgotten.
const ORIGINS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "http://a.example:80";

    #[test]
    fn a_rest_doubles_up_to_what_was_asked_for() {
        let mut rests = Rests::default();
        let mut now_ms = 50;
        for wanted_ms in [1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
            assert_eq!(rests.asked(A, 10_000, now_ms), wanted_ms);
            now_ms += wanted_ms;
        }
        assert_eq!(rests.asked("http://b.example:80", 10_000, now_ms), 1_000);
        assert_eq!(rests.asked(A, 300, now_ms), 300, "never longer than asked for");
        assert_eq!(rests.asked(A, 0, now_ms + 300), 0);
    }

    #[test]
    fn answers_from_before_a_rest_do_not_double_it() {
        let mut rests = Rests::default();
        for now_ms in [0, 10, 500, 999] {
            assert_eq!(rests.asked(A, 60_000, now_ms), 1_000);
        }
        assert_eq!(rests.asked(A, 60_000, 1_999), 2_000);
    }

    #[test]
    fn good_answers_make_it_shorter() {
        let mut rests = Rests::default();
        for now_ms in [0, 1_000, 3_000] {
            rests.asked(A, 60_000, now_ms);
        }
        rests.answered("http://b.example:80");
        rests.answered(A);
        assert_eq!(rests.asked(A, 60_000, 10_000), 4_000);
        for _ in 0..5 {
            rests.answered(A);
        }
        assert!(rests.origins.is_empty());
        assert_eq!(rests.asked(A, 60_000, 20_000), 1_000);
    }

    #[test]
    fn memory_is_bounded() {
        let mut rests = Rests::default();
        for n in 0..3 * ORIGINS_MAX {
            assert_eq!(rests.asked(&n.to_string(), u64::MAX, u64::MAX), 1_000);
            assert!(rests.origins.len() <= ORIGINS_MAX);
        }
    }
}
