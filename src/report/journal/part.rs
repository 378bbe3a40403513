//! Whole lines of a report that are read by themselves, at the same time as those before them.
//!
//! The meaning of a line hangs on little of what comes before: on the columns of the header line
//! above it, and on whether anything is wrong further up. So lines are read as if all was well, and
//! [`Scan::join`] says whether it was. Where it was not, they are read again, one after another.

use super::line::Columns;
use super::{Entry, Refused, Scan};
use std::sync::Arc;

/// The reader of some whole lines.
#[derive(Debug)]
pub struct Part {
    scan: Scan,
    /// Columns that the lines were assumed to have.
    columns: Option<Arc<Columns>>,
    result: Result<(), Refused>,
}

impl Scan {
    /// A reader of whole lines that begin at byte `at`, once it is known how to read them.
    pub(super) fn part(&self, at: u64) -> Option<Part> {
        if self.whole == 0 || self.bad.is_some() || self.is_over {
            return None;
        }
        let columns = self.lines.columns().cloned();
        let lines = self.lines.part();
        let scan = Self { lines, at, count: 0, rows: 0, whole: at, bad: None, is_over: false };
        Some(Part { scan, columns, result: Ok(()) })
    }

    /// Takes in the lines that a part has read. `None` when they were not read as they should have
    /// been, and are to be given to [`Scan::feed`].
    ///
    /// # Errors
    /// As [`Scan::feed`] for these lines.
    pub(super) fn join(&mut self, part: Part) -> Option<Result<(), Refused>> {
        let Part { scan, columns, result } = part;
        let is_same = match (&columns, self.lines.columns()) {
            (Some(thought), Some(is)) => Arc::ptr_eq(thought, is),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if self.bad.is_some() || self.is_over || !is_same {
            return None;
        }
        let before = self.count;
        self.lines.set_columns(&scan.lines);
        self.count += scan.count;
        self.rows += scan.rows;
        (self.at, self.whole, self.is_over) = (scan.at, scan.whole, scan.is_over);
        self.bad = scan.bad.map(|(line, problem)| (before + line, problem));
        Some(result.map_err(|refused| Refused { line: before + refused.line, ..refused }))
    }
}

impl Part {
    /// Reads lines of this part; `each` as with [`Scan::feed`].
    pub fn read(&mut self, lines: &[u8], each: impl FnMut(Entry<'_>, u64)) {
        self.result = self.scan.feed(lines, each).map(drop);
    }
}
