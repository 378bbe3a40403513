//! Errors of what no report has.

use std::io;

/// The error of something in a file that no report has.
pub(super) fn invalid(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The error of a value that no row has in a column of this name.
pub(super) fn nonsense(name: &str) -> io::Error {
    invalid(format!("no row has such a value in the column {name}"))
}
