//! What `--write-out` has written to standard output, for every row.

use crate::error::RunError;
use crate::fault::{Cause, Fault, Stage};
use crate::report::Row;
use crate::report::write_out::WriteOut;
use crate::ring::file;
use anyhow::Context as _;

/// Rows in the form that the user wants, on their way to standard output.
pub(super) struct Printed {
    form: WriteOut,
    pending: Vec<u8>,
    /// The first failure: nobody takes what was asked for.
    error: Option<Cause>,
}

impl Printed {
    /// In this form, which was checked where it was read. `kept` are the names of the columns that
    /// are kept of the list.
    pub(super) fn new(form: &str, kept: &[String]) -> anyhow::Result<Self> {
        let form = WriteOut::parse(form, kept)
            .map_err(|problem| RunError::usage(format!("cannot use the form of -w: {problem}")))?;
        Ok(Self { form, pending: Vec::new(), error: None })
    }

    /// Takes a row. `false` when it can no longer be written.
    pub(super) fn take(&mut self, row: &Row) -> bool {
        self.form.encode(row, &mut self.pending);
        self.pending.len() < PENDING_BYTES_MAX || self.flush()
    }

    /// Writes what waits. `false` when it cannot be written.
    pub(super) fn flush(&mut self) -> bool {
        if self.error.is_none() && !self.pending.is_empty() {
            self.error = file::write_stdout(&self.pending).err();
        }
        self.pending.clear();
        self.error.is_none()
    }

    /// Writes the rest.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.flush();
        let finished = self.error.map_or_else(file::finish_stdout, Err);
        finished.map_err(|cause| Fault::new(Stage::Write, cause)).with_context(|| {
            RunError::local_file("cannot write to standard output what -w asks for")
        })
    }
}

/// Rows are written at the latest when so many bytes wait, besides the flushes by time.
const PENDING_BYTES_MAX: usize = 64 * 1024;
