//! The terminals that standard output and standard error may be.

use rustix::stdio::{stderr, stdout};
use rustix::termios::tcgetwinsize;
use std::os::fd::AsFd;

/// The size of a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// The size of standard error at this moment; `None` where it is not a terminal, or is one on which
/// a line cannot be written over (`TERM=dumb`).
pub fn size() -> Option<Size> {
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    size_of(stderr())
}

/// The columns of standard error as they are now; nothing where it is not a terminal.
pub fn columns() -> Option<usize> {
    size_of(stderr()).map(|size| size.columns)
}

/// The columns of standard output as they are now; nothing where it is not a terminal.
pub fn columns_of_output() -> Option<usize> {
    size_of(stdout()).map(|size| size.columns)
}

fn size_of(stream: impl AsFd) -> Option<Size> {
    let size = tcgetwinsize(stream).ok()?;
    // Serial lines and the like do not say.
    let or = |told: u16, default| if told == 0 { default } else { told.into() };
    Some(Size { columns: or(size.ws_col, 80), rows: or(size.ws_row, 24) })
}
