//! Requests that are sent ahead of their turn.

use crate::limits;

/// How many requests go out on one connection at a time, and on which ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pipeline {
    /// `--pipeline`: requests whose responses a connection may owe; 1 sends none ahead.
    pub depth: u32,
    /// `--pipeline-after`: responses that a connection must have brought in good order before.
    pub after: u32,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { depth: 1, after: limits::PIPELINE_AFTER_DEFAULT }
    }
}
