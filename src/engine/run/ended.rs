//! What a run came to, for its caller.

use crate::report::{RunEnd, Stats};

/// What a run came to.
#[derive(Debug)]
pub struct Ended {
    /// What its rows add up to.
    pub stats: Stats,
    /// Whether its list ended it, or something else before that.
    pub end: RunEnd,
}
