//! What standard output gets of every row: what `--write-out` asks for, or with `--report -` the
//! row itself.

use crate::config::{Config, PrintedRows};
use crate::error::RunError;
use crate::fault::{Cause, Fault, Stage};
use crate::report::write_out::WriteOut;
use crate::report::{Row, RowEncoder};
use crate::ring::file;
use anyhow::Context as _;

/// Rows in the form that the user wants, on their way to standard output.
pub(crate) struct RowPrinter {
    form: Form,
    pending: Vec<u8>,
    /// The first failure: nobody takes what was asked for.
    error: Option<Cause>,
}

/// What is written of a row.
enum Form {
    WriteOut(WriteOut),
    Row(RowEncoder),
}

impl RowPrinter {
    /// What the configuration asks for, if anything.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let mut pending = Vec::new();
        let form = match config.printed.as_ref()? {
            PrintedRows::WriteOut(form) => Form::WriteOut(form.clone()),
            PrintedRows::Report(format) => {
                let kept = config.input.columns.report_names();
                let encoder = RowEncoder::new(*format).keeping(kept);
                encoder.header(&mut pending);
                Form::Row(encoder)
            }
        };
        Some(Self { form, pending, error: None })
    }

    /// Whether it tells why a job failed, so that nobody else has to.
    pub(crate) fn is_report(&self) -> bool {
        matches!(self.form, Form::Row(_))
    }

    /// Takes a row. `false` when it can no longer be written.
    pub(crate) fn take(&mut self, row: &Row) -> bool {
        match &mut self.form {
            Form::WriteOut(form) => form.encode(row, &mut self.pending),
            Form::Row(encoder) => encoder.encode(row, &mut self.pending),
        }
        self.pending.len() < PENDING_BYTES_MAX || self.flush()
    }

    /// Writes what waits. `false` when it cannot be written.
    pub(crate) fn flush(&mut self) -> bool {
        if self.error.is_none() && !self.pending.is_empty() {
            self.error = file::write_stdout(&self.pending).err();
        }
        self.pending.clear();
        self.error.is_none()
    }

    /// Writes the rest.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.flush();
        let asked_by = if self.is_report() { "--report -" } else { "-w" };
        let finished = self.error.map_or_else(file::finish_stdout, Err);
        finished.map_err(|cause| Fault::new(Stage::Write, cause)).with_context(|| {
            RunError::local_file(format!(
                "cannot write to standard output what {asked_by} asks for"
            ))
        })
    }
}

/// Rows are written at the latest when so many bytes wait, besides the flushes by time.
const PENDING_BYTES_MAX: usize = 64 * 1024;
