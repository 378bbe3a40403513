//! The report read back: rows that an earlier run wrote, as far as a later one needs them.
//!
//! A report is the journal of a run. One line is one row in both formats, because rows escape their
//! line ends; so it is read line by line in constant memory. CSV columns are found by the names of
//! the header line above them: reports of older versions have fewer of them, and reports that were
//! joined by `cat` have header lines in the middle.
//!
//! A run that was killed leaves something at the end of its report that is not a row: a line
//! without its end, or (after a power loss) zero bytes and what follows them. [`Scan`] tells where
//! the last whole row ends. The same in front of good rows has another cause, and is refused.

mod differ;
mod done;
mod line;
mod lost;
mod packed;
mod part;
mod url;

pub use differ::Difference;
pub use done::{Check, Done, Ended, Fate, Mismatch, Passed, Verdict, Which};
pub use line::{Entry, Lines, Problem, Version};
pub use lost::Lost;
pub use packed::{Cut, Reader};
pub use part::Part;
pub use url::{RowSum, Url};

use super::row::RowFormat;
use crate::limits;
use memchr::memchr2;
use std::fmt;

/// Reads a report piece by piece.
#[derive(Debug)]
pub struct Scan {
    lines: Lines,
    /// Bytes of the lines seen so far.
    at: u64,
    /// Lines seen so far.
    count: u64,
    rows: u64,
    /// The end of the last whole row.
    whole: u64,
    /// The first line behind the last whole row that is not a row.
    bad: Option<(u64, Problem)>,
    /// Whether a zero byte was seen: nothing behind it counts.
    is_over: bool,
}

/// Result of reading a report back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scanned {
    /// Bytes up to the end of the last whole row; bytes behind them are not rows.
    pub whole: u64,
    /// Number of whole rows.
    pub rows: u64,
    /// Whether a header line must come before the next row: there is none, or it has other columns.
    pub needs_header: bool,
    /// Names of the columns of the list that the last rows have; `None` where there are no rows.
    pub kept: Option<Vec<String>>,
}

/// A file that cannot be taken for a report, and why.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Number of the line at fault, from 1.
    pub line: u64,
    /// The problem with that line.
    pub problem: Problem,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for Refused {}

impl Scan {
    /// A reader of a report that has, or is to have, this format.
    pub fn new(format: RowFormat) -> Self {
        Self {
            lines: Lines::new(format),
            at: 0,
            count: 0,
            rows: 0,
            whole: 0,
            bad: None,
            is_over: false,
        }
    }

    /// Takes the next bytes. `each` gets every row, and where it ends. Gives how many bytes are
    /// used: the rest is the begin of a line, to be given again with more behind it.
    ///
    /// # Errors
    /// When this is not a report, or not one of this format, or it is damaged before its end.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Entry<'_>, u64),
    ) -> Result<usize, Refused> {
        let mut used = 0;
        while !self.is_over
            && let Some(length) = memchr2(b'\n', 0, &bytes[used..])
        {
            let end = used + length;
            if bytes[end] == 0 {
                self.zero(&bytes[used..end])?;
                break;
            }
            if length > LINE_BYTES_MAX {
                return Err(Refused { line: self.count + 1, problem: Problem::TooLong });
            }
            self.count += 1;
            self.at += length as u64 + 1;
            self.line(&bytes[used..end], &mut each)?;
            used = end + 1;
        }
        if self.is_over {
            return Ok(bytes.len());
        }
        if bytes.len() - used > LINE_BYTES_MAX {
            return Err(Refused { line: self.count + 1, problem: Problem::TooLong });
        }
        Ok(used)
    }

    /// Ends with the begin of a line, which may be empty.
    ///
    /// # Errors
    /// When this is not a report.
    pub fn finish(self, rest: &[u8]) -> Result<Scanned, Refused> {
        let line = self.count + 1;
        if self.whole == 0 {
            if let Some((line, problem)) = self.bad {
                return Err(Refused { line, problem });
            }
            // Of a first line that was never whole it is known what it begins with.
            if !self.is_over && !self.lines.may_begin_with(rest) {
                return Err(Refused { line, problem: self.lines.stranger(rest) });
            }
        }
        let needs_header = self.whole == 0 || self.lines.is_outdated();
        let kept = self.lines.kept();
        Ok(Scanned { whole: self.whole, rows: self.rows, needs_header, kept })
    }

    fn line(&mut self, line: &[u8], each: &mut impl FnMut(Entry<'_>, u64)) -> Result<(), Refused> {
        let refused = |problem| Refused { line: self.count, problem };
        match self.lines.read(line) {
            Ok(entry) => {
                if let Some((line, problem)) = self.bad {
                    return Err(Refused { line, problem });
                }
                self.whole = self.at;
                if let Some(entry) = entry {
                    self.rows += 1;
                    each(entry, self.at);
                }
            }
            Err(problem) if problem.is_torn() && self.whole > 0 => {
                self.bad.get_or_insert((self.count, problem));
            }
            Err(problem) => return Err(refused(problem)),
        }
        Ok(())
    }

    /// Takes note of a zero byte after the begin of a line: a block of the file that a power loss
    /// kept from the disk. Bytes behind it were written later.
    fn zero(&mut self, before: &[u8]) -> Result<(), Refused> {
        if self.whole == 0 && !self.lines.may_begin_with(before) {
            return Err(Refused { line: self.count + 1, problem: self.lines.stranger(before) });
        }
        self.is_over = true;
        Ok(())
    }
}

/// Longest line that is taken for a row, in bytes. A row holds two URLs, three fields of a head, a
/// text and the kept columns of a row of the list, all of them bounded, of which JSON may escape
/// each byte as six.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024 + 6 * limits::RECORD_BYTES_MAX;

#[cfg(test)]
mod tests;
