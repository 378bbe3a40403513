//! The terminal that standard error may be.

use rustix::stdio::stderr;
use rustix::termios::tcgetwinsize;

/// Its columns as they are now; nothing where standard error is no terminal, or one on which a line
/// cannot be written over (`TERM=dumb`).
pub fn columns() -> Option<usize> {
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return None;
    }
    match tcgetwinsize(stderr()).ok()?.ws_col {
        // Serial lines and the like do not say.
        0 => Some(COLUMNS_DEFAULT),
        columns => Some(columns.into()),
    }
}

/// What terminals have when nobody says otherwise.
const COLUMNS_DEFAULT: usize = 80;
