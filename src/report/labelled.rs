//! Lines that begin with a label, one below the other, broken between words where they are wider
//! than the terminal.

use super::look::{Page, Tint};
use super::wrap;

/// Labels and what is said under each. A label that comes several times in a row is shown once.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    lines: Vec<(&'static str, Tint, String)>,
}

impl Labelled {
    /// One more line.
    pub(super) fn push(&mut self, label: &'static str, text: String) {
        self.push_tinted(label, Tint::None, text);
    }

    /// One more line, whose label is in this colour.
    pub(super) fn push_tinted(&mut self, label: &'static str, tint: Tint, text: String) {
        self.lines.push((label, tint, text));
    }

    /// All lines as text: the labels in a column where there is room for one.
    pub(super) fn text(&self, page: Page) -> String {
        let label_columns = self.lines.iter().map(|(label, ..)| label.len()).max().unwrap_or(0);
        let columns = page.columns.unwrap_or(usize::MAX);
        let is_narrow = columns < NARROW_COLUMNS;
        let indent = if is_narrow { INDENT + 2 } else { INDENT + label_columns + GAP };
        let mut text = String::new();
        let mut before = "";
        for &(label, tint, ref said) in &self.lines {
            let label = if label == before { "" } else { label };
            before = if label.is_empty() { before } else { label };
            let blanks = match is_narrow {
                true if label.is_empty() => 2,
                true => 1,
                false => label_columns - label.len() + GAP,
            };
            text.push_str(&" ".repeat(INDENT));
            text.push_str(&page.look.paint(tint, label));
            text.push_str(&" ".repeat(blanks));
            wrap::push(&mut text, said, (INDENT + label.len() + blanks, indent, columns));
            text.push('\n');
        }
        text
    }
}

/// Blanks before a label, and between the longest label and what is said.
const INDENT: usize = 2;
const GAP: usize = 2;
/// With fewer columns than this, labels have no column of their own.
const NARROW_COLUMNS: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(columns: Option<usize>) -> String {
        let mut lines = Labelled::default();
        lines.push("received", "9.2 MB in 3.6 s, 2.5 MB/s, 547 files/s".to_owned());
        lines.push("failures", "4,000  http.status  the server said so".to_owned());
        lines.push("failures", "    1  tls  broken".to_owned());
        lines.push("by status", "404 (4,000)".to_owned());
        lines.text(Page { columns, ..Page::default() })
    }

    #[test]
    fn labels_stand_in_a_column() {
        assert_eq!(
            told(None),
            "  received   9.2 MB in 3.6 s, 2.5 MB/s, 547 files/s\n  failures   4,000  http.status  \
             the server said so\n                 1  tls  broken\n  by status  404 (4,000)\n"
        );
        assert_eq!(told(None), told(Some(80)));
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(
            told(Some(40)),
            "  received   9.2 MB in 3.6 s, 2.5 MB/s,\n             547 files/s\n\
             \x20 failures   4,000  http.status  the\n             server said so\n\
             \x20                1  tls  broken\n  by status  404 (4,000)\n"
        );
        assert_eq!(
            told(Some(20)),
            "  received 9.2 MB in\n    3.6 s, 2.5 MB/s,\n    547 files/s\n\
             \x20 failures 4,000\n    http.status  the\n    server said so\n        1  tls\n\
             \x20   broken\n  by status 404\n    (4,000)\n"
        );
        for columns in 20..100 {
            let text = told(Some(columns));
            assert!(text.lines().all(|line| line.len() <= columns), "{columns}\n{text}");
        }
    }
}
