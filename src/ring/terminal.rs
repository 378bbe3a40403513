//! The terminals that standard output and standard error may be.

use rustix::stdio::{stderr, stdout};
use rustix::termios::tcgetwinsize;
use std::os::fd::AsFd;

/// The columns of standard error at this moment; `None` where it is not a terminal, or is one on
/// which a line cannot be written over (`TERM=dumb`).
pub fn columns() -> Option<usize> {
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    columns_of(stderr())
}

/// The columns of standard output as they are now; nothing where it is not a terminal.
pub fn columns_of_output() -> Option<usize> {
    columns_of(stdout())
}

fn columns_of(stream: impl AsFd) -> Option<usize> {
    match tcgetwinsize(stream).ok()?.ws_col {
        // Serial lines and the like do not say.
        0 => Some(COLUMNS_DEFAULT),
        columns => Some(columns.into()),
    }
}

/// Columns of a terminal that does not tell.
const COLUMNS_DEFAULT: usize = 80;
