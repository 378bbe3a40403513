//! CSV and TSV (RFC 4180): physical lines to rows, rows to entries.
//!
//! The `csv-core` crate takes cells apart. This file decides about rows that are none: a quote that
//! is opened and not closed would swallow the lines behind it up to the next quote, and make one
//! row of them. So a row of several lines counts only when its quotes are beyond doubt and it has
//! as many cells as the header; otherwise its first line alone is a bad row, and reading goes on
//! with the second one.

use super::columns::{Columns, FormError, Picked, are_numbers, pick, pick_numbers};
use crate::fault::InputProblem;
use crate::limits;
use crate::plan::job::{At, BadLine, Cells, Entry, bad_record, entry_of_row};
use crate::plan::kept::{Kept, Value};
use crate::plan::target::LastOrigin;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use std::mem;

/// The reader of one table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    delimiter: u8,
    wanted: Columns,
    /// Whether the first line is a row already.
    has_no_header: bool,
    /// Columns by the header line, or by the first row, once it was read.
    picked: Option<Picked>,
    cells: Splitter,
    /// Lines from the first one of the open row on, kept in case it is not a row.
    kept: Vec<u8>,
    /// Where the open row begins in `kept`.
    open_at: usize,
    /// Where reading goes on in `kept`.
    cursor: usize,
    /// Whether a row is within quotes at the end of a line.
    is_open: bool,
    /// Number of the first line of the row.
    row_line: u64,
    lines_before: u64,
    line_number: u64,
    /// Origin of the URL before.
    origin: LastOrigin,
}

impl Table {
    pub(super) fn new(delimiter: u8, wanted: Columns, lines_before: u64) -> Self {
        Self {
            delimiter,
            has_no_header: are_numbers(&wanted),
            wanted,
            picked: None,
            cells: Splitter::new(delimiter, true),
            kept: Vec::new(),
            open_at: 0,
            cursor: 0,
            is_open: false,
            row_line: 0,
            lines_before,
            line_number: 0,
            origin: LastOrigin::default(),
        }
    }

    /// Whether lines wait that were read once and are to be read again: they come before others.
    pub(super) fn has_kept(&self) -> bool {
        self.cursor < self.kept.len()
    }

    /// Reads the next of the lines that wait.
    pub(super) fn kept_line(&mut self) -> Result<Option<Entry>, FormError> {
        let kept = mem::take(&mut self.kept);
        let begin = self.cursor;
        let end = memchr::memchr(b'\n', &kept[begin..]).map_or(kept.len(), |at| begin + at + 1);
        self.cursor = end;
        let result = self.step(&kept[begin..end], |table| table.open_at = begin, &kept);
        self.kept = kept;
        self.compact();
        result
    }

    /// Reads one line, its line feed included. A line of [`RAW_BYTES_MAX`] may be cut to that.
    pub(super) fn line(&mut self, raw: &[u8]) -> Result<Option<Entry>, FormError> {
        debug_assert!(!self.has_kept(), "lines are read in order");
        if self.is_open {
            self.kept.drain(..mem::take(&mut self.open_at));
            self.kept.extend_from_slice(raw);
            self.cursor = self.kept.len();
        }
        let kept = mem::take(&mut self.kept);
        let was_open = self.is_open;
        let result = self.step(raw, |table| table.open_at = 0, &kept);
        self.kept = kept;
        if self.is_open && !was_open {
            self.kept.extend_from_slice(raw);
            self.cursor = self.kept.len();
        }
        self.compact();
        result
    }

    /// Gives what is left when nothing more comes: an open row is none. One entry a call, or lines
    /// that wait.
    pub(super) fn finish(&mut self) -> Result<Option<Entry>, FormError> {
        if !self.is_open {
            return Ok(None);
        }
        let kept = mem::take(&mut self.kept);
        let result = self.reopen(&kept, REMEDY_QUOTE);
        self.kept = kept;
        self.compact();
        result
    }

    /// Drops an open row.
    pub(super) fn abandon(&mut self) {
        self.is_open = false;
        self.compact();
    }

    pub(super) fn lines_total(&self) -> u64 {
        self.lines_before + self.line_number
    }

    /// Reads a line; `open` says where the row begins if the line leaves it open. `kept` has the
    /// lines of an open row, this one included.
    fn step(
        &mut self,
        raw: &[u8],
        open: impl FnOnce(&mut Self),
        kept: &[u8],
    ) -> Result<Option<Entry>, FormError> {
        self.line_number += 1;
        if !self.is_open {
            self.row_line = self.line_number;
            let raw = self.without_mark(raw);
            if is_blank(raw) {
                return Ok(None);
            }
            if raw.len() >= RAW_BYTES_MAX {
                return self.bad(raw, InputProblem::LineTooLong, &remedy_long()).map(Some);
            }
            if self.cells.feed(raw) {
                return self.row(raw);
            }
            self.is_open = true;
            open(self);
            return Ok(None);
        }
        let row = &kept[self.open_at..self.cursor];
        if row.len() > limits::RECORD_BYTES_MAX {
            return self.reopen(kept, REMEDY_QUOTE);
        }
        if !self.cells.feed(raw) {
            return Ok(None);
        }
        let count = self.picked.as_ref().map(|picked| picked.count);
        if !is_well_quoted(row, self.delimiter) {
            return self.reopen(kept, REMEDY_QUOTE);
        }
        if count.is_some_and(|count| count != self.cells.count()) {
            return self.reopen(kept, REMEDY_QUOTE);
        }
        self.is_open = false;
        self.row(row)
    }

    /// Gives up an open row: its first line is a bad row, and the others are read again.
    fn reopen(&mut self, kept: &[u8], remedy: &str) -> Result<Option<Entry>, FormError> {
        let rest = &kept[self.open_at..];
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        self.cursor = self.open_at + end;
        self.line_number = self.row_line;
        self.is_open = false;
        self.cells.reset();
        let first = self.without_mark(&rest[..end]);
        if self.delimiter == b'\t' && (self.picked.is_some() || self.has_no_header) {
            // Many programs write TSV without any quoting.
            let mut cells = Splitter::new(self.delimiter, false);
            if cells.feed(first) {
                mem::swap(&mut self.cells, &mut cells);
                let result = self.row(first);
                self.cells = cells;
                return result;
            }
        }
        self.bad(first, InputProblem::Record, remedy).map(Some)
    }

    /// Reads a row whose cells were taken apart, or the header.
    fn row(&mut self, raw: &[u8]) -> Result<Option<Entry>, FormError> {
        let is_first = self.picked.is_none();
        if is_first && self.has_no_header {
            self.picked = Some(pick_numbers(&self.wanted, self.cells.count())?);
        }
        let Some(picked) = &self.picked else {
            let names: Result<Vec<&str>, _> = (0..self.cells.count())
                .map(|at| std::str::from_utf8(self.cells.cell(at)))
                .collect();
            let names = names.map_err(|_| FormError(NOT_UTF8.to_owned()))?;
            self.picked = Some(pick(&names, &self.wanted)?);
            return Ok(None);
        };
        let count = self.cells.count();
        if count != picked.count {
            let remedy = format!(
                "the row has {count} cells and the header {}; put a cell that holds the separator \
                 in double quotes",
                picked.count
            );
            return self.bad(raw, InputProblem::Record, &remedy).map(Some);
        }
        let optional = |at: Option<usize>| at.map_or(&b""[..], |at| self.cells.cell(at));
        let cells = Cells {
            url: self.cells.cell(picked.url),
            out: optional(picked.out),
            checksum: optional(picked.checksum),
        };
        let cell = |at: &usize| Value::of_cell(self.cells.cell(*at));
        let kept = Kept::new(picked.keep.iter().map(cell));
        let mut entry = entry_of_row(self.at(), &cells, kept, &mut self.origin);
        if let Err(bad) = &mut entry
            && is_first
            && memchr::memmem::find(cells.url, b"://").is_none()
        {
            bad.message.push_str(REMEDY_HEADER);
        }
        Ok(Some(entry))
    }

    /// Reports a bad row; a header that cannot be read ends everything.
    fn bad(&self, raw: &[u8], problem: InputProblem, remedy: &str) -> Result<Entry, FormError> {
        let bad: BadLine = bad_record(self.at(), raw, problem, remedy);
        match self.picked {
            Some(_) => Ok(Err(bad)),
            None if self.has_no_header => Ok(Err(bad)),
            None => Err(FormError(format!("its header is unusable: {}", bad.message))),
        }
    }

    fn at(&self) -> At {
        At { index: self.lines_before + self.row_line, line_number: self.row_line }
    }

    /// The line without a byte order mark, which belongs to no cell.
    fn without_mark<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        let mark = if self.row_line == 1 { &b"\xef\xbb\xbf"[..] } else { b"" };
        raw.strip_prefix(mark).unwrap_or(raw)
    }

    /// Drops kept lines that are not needed again.
    fn compact(&mut self) {
        if !self.is_open && !self.has_kept() {
            self.kept.clear();
            self.cursor = 0;
            self.open_at = 0;
        }
    }
}

/// Takes one row apart, line by line.
#[derive(Clone, Debug)]
struct Splitter {
    reader: Reader,
    bytes: Vec<u8>,
    bytes_len: usize,
    /// Where cells end in `bytes`.
    ends: Vec<usize>,
    ends_len: usize,
    is_whole: bool,
}

impl Splitter {
    fn new(delimiter: u8, has_quotes: bool) -> Self {
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(has_quotes)
            .terminator(Terminator::Any(b'\n'))
            .build();
        Self {
            reader,
            bytes: Vec::new(),
            bytes_len: 0,
            ends: Vec::new(),
            ends_len: 0,
            is_whole: true,
        }
    }

    /// Takes the next line of the row, which is not blank. `true` once the row is whole.
    fn feed(&mut self, raw: &[u8]) -> bool {
        if mem::take(&mut self.is_whole) {
            (self.bytes_len, self.ends_len) = (0, 0);
        }
        let text = raw.strip_suffix(b"\n").unwrap_or(raw);
        match text.strip_suffix(b"\r") {
            None if text.len() < raw.len() => self.is_whole = self.push(raw),
            text => {
                let is_whole = self.push(text.unwrap_or(raw));
                debug_assert!(!is_whole, "a row ends with its line");
                self.is_whole = self.push(b"\n");
            }
        }
        self.is_whole
    }

    fn push(&mut self, mut raw: &[u8]) -> bool {
        // The reader stops when its output is full: a byte more than needed never is.
        let needed = self.bytes_len + raw.len() + 1;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        while !raw.is_empty() {
            if self.ends.len() < self.ends_len + 2 {
                self.ends.resize(2 * self.ends.len() + 16, 0);
            }
            let bytes = &mut self.bytes[self.bytes_len..];
            let ends = &mut self.ends[self.ends_len..];
            let (result, used, written, ended) = self.reader.read_record(raw, bytes, ends);
            raw = &raw[used..];
            self.bytes_len += written;
            self.ends_len += ended;
            if result == ReadRecordResult::Record {
                return true;
            }
        }
        false
    }

    fn reset(&mut self) {
        self.reader.reset();
        self.is_whole = true;
    }

    fn count(&self) -> usize {
        self.ends_len
    }

    fn cell(&self, at: usize) -> &[u8] {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[begin..self.ends[at]]
    }
}

/// Whether every quoted cell of a row ends with its cell, and the row with its last line.
fn is_well_quoted(row: &[u8], delimiter: u8) -> bool {
    let mut rest = row;
    loop {
        let Some(quoted) = rest.strip_prefix(b"\"") else {
            match memchr::memchr2(delimiter, b'\n', rest) {
                Some(at) if rest[at] == delimiter => rest = &rest[at + 1..],
                Some(at) => return at + 1 == rest.len(),
                None => return true,
            }
            continue;
        };
        let mut at = 0;
        let end = loop {
            let Some(quote) = memchr::memchr(b'"', &quoted[at..]) else { return false };
            at += quote + 1;
            if quoted.get(at) != Some(&b'"') {
                break at;
            }
            at += 1;
        };
        match &quoted[end..] {
            b"" | b"\n" | b"\r\n" => return true,
            [next, behind @ ..] if *next == delimiter => rest = behind,
            _ => return false,
        }
    }
}

fn is_blank(raw: &[u8]) -> bool {
    raw.iter().all(|byte| matches!(byte, b' ' | b'\r' | b'\n'))
}

fn remedy_long() -> String {
    format!("longer than {} bytes; shorten it", limits::RECORD_BYTES_MAX)
}

/// Most bytes of a line that [`Table::line`] looks at: the longest good row and its end.
pub(super) const RAW_BYTES_MAX: usize = limits::RECORD_BYTES_MAX + 2;
const REMEDY_QUOTE: &str = "a quote is opened here and not closed; write a quote within a cell \
     twice, and the cell in quotes";
const REMEDY_HEADER: &str = "; if this first line has the names of the columns, give names to \
     --url-col and the like, no numbers";
const NOT_UTF8: &str = "its header line is not valid UTF-8; save it as UTF-8";

#[cfg(test)]
mod tests;
