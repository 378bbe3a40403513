//! Standard error, which one run has for all that it says: whole lines, and the line of progress,
//! which they take the place of for a moment.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes whole lines in one write, in the place of the line of progress where that is drawn: it
/// comes again.
pub(crate) fn say(text: &str) {
    let before = if IS_DRAWN.swap(false, Ordering::Relaxed) { CLEARED } else { "" };
    write(&format!("{before}{text}\n"));
}

/// Draws the line of progress over the one before.
pub(crate) fn draw(line: &str) {
    IS_DRAWN.store(true, Ordering::Relaxed);
    write(&format!("\r{line}\x1b[K"));
}

/// Takes the line of progress away, if there is one.
pub(crate) fn clear() {
    if IS_DRAWN.swap(false, Ordering::Relaxed) {
        write(CLEARED);
    }
}

/// Writes to standard error. A run does not stop because nobody reads what it says.
fn write(text: &str) {
    let _: std::io::Result<()> = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether the last line of the terminal is that of progress. There is one terminal.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);
/// Takes that line away: ECMA-48 EL, to the end of the line.
const CLEARED: &str = "\r\x1b[K";
