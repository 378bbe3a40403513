//! Whether the list of a run that is taken up again is the one that its report is about, found out
//! before anything begins. A pipe can be read once: what comes from one is compared while the run
//! goes on.

use super::journal::scan;
use super::run::format;
use super::source::{Item, Lists};
use crate::config::ReportFile;
use crate::error::RunError;
use crate::plan::job::{self, BadLine, Job};
use crate::plan::target::normal_form;
use crate::report::journal::{Check, Entry, Mismatch, Url};
use std::borrow::Cow;
use std::fs::File;

/// The URL of a line or of a row, and its normal form.
pub(super) struct Given<'g> {
    given: &'g [u8],
    normal: Option<Cow<'g, str>>,
}

impl<'g> Given<'g> {
    /// Of a line of the list.
    pub(super) fn of_line(entry: &'g job::Entry) -> Self {
        match entry {
            Ok(job) => Self::of_job(job),
            Err(BadLine { text, .. }) => Self::of_text(text),
        }
    }

    /// Of a row that was read back.
    pub(super) fn of_row(entry: &'g Entry<'_>) -> Self {
        Self::of_text(&entry.url)
    }

    fn of_job(job: &'g Job) -> Self {
        let normal = Some(Cow::Borrowed(job.target.as_str()));
        Self { given: job.url().as_bytes(), normal }
    }

    fn of_text(given: &'g [u8]) -> Self {
        Self { given, normal: std::str::from_utf8(given).ok().and_then(normal_form) }
    }

    pub(super) fn url(&self) -> Url<'_> {
        Url { given: self.given, normal: self.normal.as_deref() }
    }
}

/// Reads the list as far as rows of the report go, and compares. `lists` stays where it is.
///
/// # Errors
/// It is another list; the first line that differs is named.
pub(super) fn check_list(
    lists: &Lists,
    mut check: Check,
    report: &ReportFile,
) -> anyhow::Result<Check> {
    let Some(mut lists) = lists.onward().filter(|_| check.last() > 0) else { return Ok(check) };
    match compare(&mut lists, &mut check) {
        Ok(()) => Ok(check.again()),
        Err(mismatch) => Err(other_list(&check, mismatch, report)),
    }
}

fn compare(lists: &mut Lists, check: &mut Check) -> Result<(), Mismatch> {
    loop {
        match lists.next() {
            Ok(Some(Item::Entry(entry))) => {
                let index = super::read::index_of(&entry);
                if index > check.last() {
                    break;
                }
                check.line(index, Given::of_line(&entry).url())?;
            }
            Ok(Some(Item::Pause)) => {}
            Ok(None) => break,
            // The run tells of it when it gets there.
            Err(_) => return Ok(()),
        }
    }
    check.end().map(drop)
}

/// The error of a run whose list is another one than that of its report: what differs first, which
/// the report is read again for.
pub(super) fn other_list(check: &Check, mismatch: Mismatch, report: &ReportFile) -> anyhow::Error {
    let path = &report.path;
    let mut difference = check.difference(mismatch);
    if let Ok(file) = File::open(path) {
        // Rows that cannot be read by now tell nothing.
        let _ = scan(&file, path, format(report.format), |entry, _| {
            difference.row(entry.index, Given::of_row(entry).url());
        });
    }
    anyhow::Error::new(RunError::usage(format!(
        "cannot continue {}: {difference}; nothing was pulled from there on. Give the list that \
         the report is about (it may grow at its end), another --report, or --fresh to begin anew",
        path.display()
    )))
}
