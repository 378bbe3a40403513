//! Standard error, for what is said while a run goes on.

use std::io::Write as _;

/// Says something on standard error. A run does not stop because nobody reads it.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "ringpull: {text}");
}
