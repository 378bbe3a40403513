//! What standard output gets of every row: what `--write-out` asks for, or with `--report -` the
//! row itself.

use crate::config::Config;
use crate::engine::books::format::format;
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
    /// What the configuration asks for, if anything. Its form was checked where it was read.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        let kept = config.input.columns.report_names();
        let mut pending = Vec::new();
        let form = match (&config.watch.write_out, config.watch.rows) {
            (Some(form), _) => Form::WriteOut(WriteOut::parse(form, &kept).map_err(|problem| {
                RunError::usage(format!("cannot use the form of -w: {problem}"))
            })?),
            (None, Some(rows)) => {
                let encoder = RowEncoder::new(format(rows)).keeping(kept);
                encoder.header(&mut pending);
                Form::Row(encoder)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Self { form, pending, error: None }))
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
