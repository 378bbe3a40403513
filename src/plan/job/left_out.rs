//! What inputs say that no job makes use of, counted for a note at the end.

use crate::limits;
use std::ops::AddAssign;

/// Counts of what was met in inputs and is not used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LeftOut {
    /// Mirrors beyond [`limits::MIRRORS_MAX`] of their file.
    pub mirrors: u64,
}

impl LeftOut {
    /// One phrase for each kind of thing that was left out.
    pub fn phrases(&self) -> Vec<String> {
        let Self { mirrors } = *self;
        let max = limits::MIRRORS_MAX;
        let kinds = [(mirrors, format!("mirrors beyond the {max} of a file that are kept"))];
        let met = kinds.into_iter().filter(|(count, _)| *count > 0);
        met.map(|(count, what)| format!("{count} {what}")).collect()
    }
}

impl AddAssign for LeftOut {
    fn add_assign(&mut self, other: Self) {
        self.mirrors += other.mirrors;
    }
}
