//! What is made sure of the bytes that are stored, and kept of them.

use crate::plan::checksum::{Checksum, Kind};

/// Digests of files.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IntegrityConfig {
    /// `--compute-hash`: the digest that every row has of its file. Without it, rows have that of
    /// `checksum=` where there is one.
    pub compute_hash: Option<Kind>,
    /// `--checksum`: what the file of a single URL must be, as `checksum=` says it in a list.
    pub checksum: Option<Checksum>,
}
