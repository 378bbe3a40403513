//! Where rows go: the report file and the statistics, behind one lock.

use crate::engine::books::listener::{Backlog, RowListener};
use crate::engine::books::row_file::{Flushed, RowFile};
use crate::engine::books::write_out::RowPrinter;
use crate::report::budget::{self, Budget};
use crate::report::journal::Passed;
use crate::report::packing::Packing;
use crate::report::{Counted, Limit, Row, RowEncoder, RowFormat, Stats, summary};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Takes one row per input line.
pub(crate) struct RowSink {
    report: Option<Report>,
    /// The first failures in words, where there is no report to tell of them.
    failures: Vec<String>,
    stats: Stats,
    spending: Spending,
    /// `--write-out`, where it is wanted.
    printed: Option<RowPrinter>,
    /// Whether that is the report.
    is_report_printed: bool,
    /// The function of this process that takes every row.
    listener: Option<RowListener>,
}

/// What the run may cost, and what of it is used up.
struct Spending {
    budget: Budget,
    began: Instant,
    spent: Option<Limit>,
}

/// A report that rows are appended to.
pub(crate) struct Appending {
    pub(crate) file: File,
    pub(crate) format: RowFormat,
    pub(crate) packing: Packing,
    /// Whether a header line must come before the next row.
    pub(crate) needs_header: bool,
    /// Names of the columns of the list that rows have.
    pub(crate) kept: Vec<String>,
}

struct Report {
    rows: RowFile,
    scribe: Scribe,
}

/// Encodes the rows of one thread before it asks for the lock, so that nobody waits for that.
#[derive(Clone, Debug)]
pub(crate) struct Scribe {
    encoder: RowEncoder,
    /// The row at hand.
    bytes: Vec<u8>,
}

impl Scribe {
    fn new(encoder: RowEncoder) -> Self {
        Self { encoder, bytes: Vec::new() }
    }

    /// The row as the report has it.
    pub(crate) fn encode(&mut self, row: &Row) -> &[u8] {
        self.bytes.clear();
        self.encoder.encode(row, &mut self.bytes);
        &self.bytes
    }
}

impl RowSink {
    /// A sink with or without a report file, to the end of which rows are written, of a run that
    /// begins now. With `waits`, rows wait in memory while its disk is full.
    pub(crate) fn new(report: Option<Appending>, budget: &Budget, waits: bool) -> Self {
        let report = report.map(|opened| {
            let encoder = RowEncoder::new(opened.format).keeping(opened.kept);
            let mut rows = RowFile::new(opened.file, waits).packed(opened.packing);
            if opened.needs_header {
                rows.add(|out| encoder.header(out));
            }
            Report { rows, scribe: Scribe::new(encoder) }
        });
        let spending = Spending { budget: *budget, began: Instant::now(), spent: None };
        Self {
            report,
            failures: Vec::new(),
            stats: Stats::default(),
            spending,
            printed: None,
            is_report_printed: false,
            listener: None,
        }
    }

    /// Has every row told to a listener too.
    pub(crate) fn tell(&mut self, listener: Option<RowListener>) {
        self.listener = listener;
    }

    /// The rows that wait for the listener, if there is one.
    pub(crate) fn backlog(&self) -> Option<Arc<Backlog>> {
        self.listener.as_ref().map(RowListener::backlog)
    }

    /// Has every row written to standard output too.
    pub(crate) fn print(&mut self, printed: Option<RowPrinter>) {
        self.is_report_printed = printed.as_ref().is_some_and(RowPrinter::is_report);
        self.printed = printed;
    }

    /// An encoder of rows for another thread; nothing without a report.
    pub(crate) fn scribe(&self) -> Option<Scribe> {
        self.report.as_ref().map(|report| report.scribe.clone())
    }

    /// Takes a row. `false` when the run must end: the report can no longer be written, or the run
    /// has used up what it may cost.
    pub(crate) fn record(&mut self, row: &Row) -> bool {
        let mut scribe = self.scribe();
        self.record_encoded(row, scribe.as_mut().map(|scribe| scribe.encode(row)))
    }

    /// As [`Self::record`], of a row that [`Self::scribe`] has encoded, where there is a scribe.
    pub(crate) fn record_encoded(&mut self, row: &Row, encoded: Option<&[u8]>) -> bool {
        self.stats.record(row);
        self.listener.iter_mut().for_each(|listener| listener.take(row));
        let can_print = self.printed.as_mut().is_none_or(|printed| printed.take(row));
        let can_write = self.write(row, encoded) && can_print;
        can_write && self.spent().is_none()
    }

    /// Counts a row of a line that is no failure, where nobody reads rows. `false` as above.
    pub(crate) fn count(&mut self, row: &Counted<'_>) -> bool {
        debug_assert!(!self.reads_rows(), "a row is lost");
        self.stats.record(*row);
        self.spent().is_none()
    }

    /// Whether rows are written somewhere. Those of failures are told of anyway.
    pub(crate) fn reads_rows(&self) -> bool {
        self.report.is_some() || self.printed.is_some() || self.listener.is_some()
    }

    /// What the run has used up of what it may cost, the first of it, if anything.
    pub(crate) fn spent(&mut self) -> Option<Limit> {
        let Spending { budget, began, spent } = &mut self.spending;
        *spent = spent.or_else(|| budget::spent(budget, &self.stats, || began.elapsed()));
        *spent
    }

    fn write(&mut self, row: &Row, encoded: Option<&[u8]>) -> bool {
        let is_told = self.is_told();
        let (Some(Report { rows, .. }), Some(encoded)) = (&mut self.report, encoded) else {
            if !is_told && self.failures.len() < FAILURES_TOLD_MAX {
                self.failures.extend(summary::failure(row));
            }
            return true;
        };
        rows.add_row(row.index, |out| out.extend_from_slice(encoded));
        // What waits for room is tried again by the clock, and not for each row.
        !rows.is_due() || rows.is_full() || rows.flush() != Flushed::Broken
    }

    /// Writes what was encoded.
    pub(crate) fn flush(&mut self) -> Flushed {
        let can_print = self.printed.as_mut().is_none_or(RowPrinter::flush);
        let flushed = self.report.as_mut().map_or(Flushed::All, |report| report.rows.flush());
        if can_print { flushed } else { Flushed::Broken }
    }

    /// Whether there is a report that tells of failures.
    fn is_told(&self) -> bool {
        self.report.is_some() || self.is_report_printed || self.listener.is_some()
    }

    /// What is written to standard output, to be finished.
    pub(crate) fn take_printed(&mut self) -> Option<RowPrinter> {
        self.printed.take()
    }

    /// What the reader has passed over so far, because earlier runs did it.
    pub(crate) fn set_passed(&mut self, passed: Passed) {
        self.stats.passed = passed;
    }

    /// The counters so far.
    pub(crate) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What to say about failures in the end: of a run without a report the first of them.
    pub(crate) fn failures(&self) -> impl Iterator<Item = String> {
        let more = summary::more_failures(self.failures.len(), self.stats.failed);
        let more = more.filter(|_| !self.is_told());
        self.failures.iter().cloned().chain(more)
    }

    /// Ends the report: its counters, and why a row could not be written, if one could not.
    pub(crate) fn finish(&mut self) -> (Stats, io::Result<()>) {
        self.listener = None;
        let written = self.report.take().map_or(Ok(()), |report| report.rows.close());
        (std::mem::take(&mut self.stats), written)
    }
}

/// Failures that a run without a report tells of, one by one.
const FAILURES_TOLD_MAX: usize = 10;
