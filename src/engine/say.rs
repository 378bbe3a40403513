//! Standard error, which one run has for all that it says: whole lines, and the lines of progress,
//! which they take the place of for a moment.

pub(crate) mod heard;

use crate::config::{ProgressMode, ProgressOptions};
use crate::report::look::{Look, Page};
use crate::ring::terminal;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Writes whole lines in one write, in the place of the lines of progress where these are drawn:
/// they come again. Where this thread has a hearer, that is told instead.
pub(crate) fn say(text: &str) {
    if heard::tell(text) {
        return;
    }
    let mut screen = screen();
    let before = screen.cleared();
    write(&format!("{before}{}\n", screen.page().laid_out(text)));
}

/// Draws lines of progress, which take so many columns each, over those before, on a terminal of
/// `columns`.
pub(crate) fn draw(lines: &[String], widths: Vec<usize>, columns: usize) {
    let mut screen = screen();
    let text = screen.drawn(lines, widths, columns);
    write(&text);
}

/// Takes the lines of progress away, if there are any.
pub(crate) fn clear() {
    let cleared = screen().cleared();
    if !cleared.is_empty() {
        write(&cleared);
    }
}

/// From now on what is said is for whoever reads progress of this kind.
pub(crate) fn begin(options: &ProgressOptions) {
    screen().reader = match options.mode {
        ProgressMode::Json => Reader::Program,
        ProgressMode::Bar | ProgressMode::Plain | ProgressMode::None => {
            Reader::Person(options.look)
        }
    };
}

/// Reader of what is said.
#[derive(Clone, Copy, Debug)]
enum Reader {
    /// Somebody who sees it in this look.
    Person(Look),
    /// A program, which reads JSON in UTF-8, an object a line.
    Program,
}

/// The last lines of the terminal.
struct Screen {
    reader: Reader,
    /// Columns that each line of progress takes; none is drawn while it is empty.
    widths: Vec<usize>,
    /// Columns of the terminal when they were drawn.
    columns: usize,
}

impl Screen {
    /// What text is laid out for, by what the terminal is now.
    fn page(&self) -> Page {
        match self.reader {
            Reader::Person(look) => Page { columns: terminal::columns(), look },
            Reader::Program => Page::default(),
        }
    }

    /// What draws these lines in the place of those before. Each row is written over and then
    /// cleared to its end, so that nothing flickers; lines that are wider than the terminal has
    /// become meanwhile do not move the cursor on (DEC private mode 7).
    fn drawn(&mut self, lines: &[String], widths: Vec<usize>, columns: usize) -> String {
        let mut text = self.to_begin(columns);
        let has_shrunk = text.ends_with('J');
        text.push_str("\r\x1b[?7l");
        text.push_str(&lines.join("\x1b[K\r\n"));
        text.push_str("\x1b[K");
        if self.widths.len() > lines.len() && !has_shrunk {
            text.push_str("\x1b[J");
        }
        text.push_str("\x1b[?7h");
        (self.widths, self.columns) = (widths, columns);
        text
    }

    /// What takes the lines away and leaves the cursor where they began.
    fn cleared(&mut self) -> String {
        if self.widths.is_empty() {
            return String::new();
        }
        let mut text = self.to_begin(self.columns);
        text.push_str(if self.widths.len() > 1 { "\r\x1b[J" } else { "\r\x1b[K" });
        self.widths.clear();
        text
    }

    /// What moves the cursor to the row in which the lines begin. A terminal that has become
    /// narrower has broken them into more rows, which are taken away.
    fn to_begin(&self, columns: usize) -> String {
        let rows_of = |width: &usize| width.div_ceil(columns.max(1)).max(1);
        let rows: usize = self.widths.iter().map(rows_of).sum();
        match rows.saturating_sub(1) {
            0 => String::new(),
            up if columns < self.columns => format!("\r\x1b[{up}A\x1b[J"),
            up => format!("\x1b[{up}A"),
        }
    }
}

/// Writes to standard error. A run does not stop because nobody reads what it says.
fn write(text: &str) {
    let _: std::io::Result<()> = std::io::stderr().lock().write_all(text.as_bytes());
}

fn screen() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// There is one terminal.
static SCREEN: Mutex<Screen> = Mutex::new(Screen {
    reader: Reader::Person(Look { has_color: false, is_ascii: false }),
    widths: Vec::new(),
    columns: 0,
});

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Screen {
        let reader = Reader::Person(Look::default());
        Screen { reader, widths: Vec::new(), columns: 0 }
    }

    fn lines(lines: &[&str]) -> (Vec<String>, Vec<usize>) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let widths = lines.iter().map(String::len).collect();
        (lines, widths)
    }

    fn draw(screen: &mut Screen, shown: &[&str], columns: usize) -> String {
        let (lines, widths) = lines(shown);
        screen.drawn(&lines, widths, columns)
    }

    #[test]
    fn lines_are_drawn_over_those_before() {
        let mut screen = empty();
        assert_eq!(screen.cleared(), "", "nothing is there");
        assert_eq!(draw(&mut screen, &["one"], 20), "\r\x1b[?7lone\x1b[K\x1b[?7h");
        assert_eq!(
            draw(&mut screen, &["one", "two"], 20),
            "\r\x1b[?7lone\x1b[K\r\ntwo\x1b[K\x1b[?7h"
        );
        assert_eq!(
            draw(&mut screen, &["one"], 20),
            "\x1b[1A\r\x1b[?7lone\x1b[K\x1b[J\x1b[?7h",
            "the second row is taken away"
        );
        assert_eq!((&*screen.cleared(), &*screen.cleared()), ("\r\x1b[K", ""));
        let _ = draw(&mut screen, &["one", "two"], 20);
        assert_eq!(screen.cleared(), "\x1b[1A\r\x1b[J");
    }

    #[test]
    fn a_terminal_that_shrinks_has_broken_the_lines() {
        let mut screen = empty();
        let _ = draw(&mut screen, &["seventeen letters", "six"], 20);
        assert_eq!(draw(&mut screen, &["s"], 10), "\r\x1b[2A\x1b[J\r\x1b[?7ls\x1b[K\x1b[?7h");
        assert_eq!(draw(&mut screen, &["s"], 30), "\r\x1b[?7ls\x1b[K\x1b[?7h");
    }
}
