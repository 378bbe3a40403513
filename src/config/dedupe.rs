//! What is pulled and stored once only.

use crate::limits;

/// What of a list is pulled, or stored, once only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dedupe {
    /// `--dedupe url`: a URL is asked for once, for the first of its lines.
    pub urls: bool,
    /// `--dedupe content`: a body is stored once, and has the names of all of its lines.
    pub contents: bool,
    /// `--dedupe-memory`: bytes of memory for what was seen, of each kind.
    pub memory_bytes: u64,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { urls: false, contents: false, memory_bytes: limits::DEDUPE_MEMORY_BYTES_DEFAULT }
    }
}
