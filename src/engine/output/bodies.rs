//! The long bodies of a run, for those who watch it.

use crate::engine::output::partial::Partial;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Long bodies that somebody has, whether bytes of them come at the moment or not.
#[derive(Default)]
pub(crate) struct Bodies(Mutex<Vec<Weak<Partial>>>);

impl Bodies {
    /// Takes note of one more, for as long as somebody has it.
    pub(crate) fn watch(&self, partial: &Arc<Partial>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == all.capacity() {
            all.retain(|body| body.strong_count() > 0);
        }
        all.push(Arc::downgrade(partial));
    }

    /// Length of each whose length is known, and how much of it is there, in bytes.
    pub(crate) fn extents(&self) -> Vec<(u64, u64)> {
        let all: Vec<Arc<Partial>> = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|body| body.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        let extent = |partial: &Arc<Partial>| {
            let (length, there) = partial.extent();
            Some((length?, there))
        };
        all.iter().filter_map(extent).collect()
    }
}
