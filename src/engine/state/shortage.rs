//! Jobs that lack what other jobs hold: descriptors, memory or ports of this machine.

use crate::engine::say::say;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often that was so far, for all cores to see.
#[derive(Debug, Default)]
pub(crate) struct Shortages(AtomicU64);

impl Shortages {
    /// A job lacks what other jobs hold: every core gives up its idle connections.
    pub(crate) fn announce(&self) {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            say("warning: this machine is short of file descriptors, memory or ports; \
                 fewer jobs are in flight until there are more (see ulimit -n)");
        }
    }

    /// How often that was so far.
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
