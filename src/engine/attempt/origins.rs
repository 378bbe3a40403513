//! Origins whose connections are not kept, for what came on them was not asked for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is known of how far origins can be trusted with a connection that is used again.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// Those that sent what nobody asked for.
    talkative: Mutex<HashSet<Box<str>>>,
    /// Whether there are any: asked for every response.
    has_talkative: AtomicBool,
}

impl Origins {
    /// The origin sends what nobody asked for: its connections are closed after one response from
    /// now on. What comes a moment too late to be seen would be taken for the next response.
    pub(crate) fn keep_none_to(&self, origin: &str) {
        let mut talkative = self.talkative.lock().unwrap_or_else(PoisonError::into_inner);
        if talkative.len() >= TALKATIVE_ORIGINS_MAX {
            talkative.clear();
        }
        talkative.insert(origin.into());
        self.has_talkative.store(true, Ordering::Relaxed);
    }

    /// Whether connections to this origin may be kept.
    pub(crate) fn may_keep(&self, origin: &str) -> bool {
        !self.has_talkative.load(Ordering::Relaxed)
            || !self.talkative.lock().unwrap_or_else(PoisonError::into_inner).contains(origin)
    }
}

/// Origins remembered for sending what nobody asked for; with more of them, all are forgotten.
const TALKATIVE_ORIGINS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_unasked_is_remembered_among_a_bounded_number() {
        let origins = Origins::default();
        assert!(origins.may_keep("http://a"));
        origins.keep_none_to("http://a");
        assert!(!origins.may_keep("http://a") && origins.may_keep("http://b"));
        (0..TALKATIVE_ORIGINS_MAX).for_each(|n| origins.keep_none_to(&format!("http://{n}")));
        assert!(origins.may_keep("http://a"));
    }
}
