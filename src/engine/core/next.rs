//! Where a job goes on, or that it is over.

use crate::engine::attempt::outcome::End;
use crate::plan::sources::Leave;

/// What a job does next.
pub(crate) enum Next {
    Ended(End),
    Again(Again),
    /// The lead of a body has nothing to do while others are at what is missing.
    Idle,
    /// A task beside a job is over.
    Gone(Leave),
}

/// Where a job goes on that has not ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Again {
    /// Where a redirect led, at the next source of its file, or at the only one that is left.
    Redirected,
    /// Where it was, as soon as there is room on the disk.
    Full,
    /// Where it was, as soon as its host has addresses again.
    Unresolved,
    /// Where it was, in so many milliseconds.
    After(u64),
}
