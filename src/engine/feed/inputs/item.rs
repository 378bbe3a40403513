//! What inputs give, and what is wrong with one that cannot be read.

use crate::error::RunError;
use crate::plan::job::Entry;

/// What reading on came to.
#[derive(Debug)]
pub(crate) enum Item {
    /// The next entry; it says its index itself.
    Entry(Entry),
    /// A pipe has nothing more for now, and the next call may wait for its writer: whoever keeps
    /// entries back lets go of them.
    Pause,
}

/// The list of this name is not one, or cannot be read.
pub(super) fn unusable(name: &str) -> RunError {
    RunError::usage(format!("cannot read the list {name}"))
}
