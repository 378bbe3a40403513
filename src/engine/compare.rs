//! Whether the list of a run that is taken up again is the one that its report is about, found out
//! before anything begins. A pipe can be read once: what comes from one is compared while the run
//! goes on.

mod changed;

use self::changed::Changes;
use super::journal::{Opened, scan, which};
use super::places::Places;
use super::progress::say;
use super::read::{Naming, index_of};
use super::run::format;
use super::source::{Item, Lists};
use crate::config::{Config, ReportFile};
use crate::error::RunError;
use crate::plan::job::{self, BadLine, Job};
use crate::plan::target::normal_form;
use crate::report::journal::{Check, Difference, Entry, Mismatch, Url, Verdict};
use crate::ring::dir::Dir;
use anyhow::Context as _;
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

/// Begins to follow the list by what the report says: reads the list as far as rows go, and
/// compares, where it can be read twice. `lists` stays where it is, and `naming` has the names of
/// files that are not pulled again.
///
/// # Errors
/// It is another list; the first line that differs is named.
pub(super) fn follow(
    config: &Config,
    opened: Option<&mut Opened>,
    lists: &mut Lists,
    place: (&Dir, &Places),
    naming: &mut Naming,
) -> anyhow::Result<Check> {
    let token = opened.as_ref().and_then(|opened| opened.token());
    let done = opened.map(|opened| std::mem::take(&mut opened.done)).unwrap_or_default();
    let is_partial = token.is_some_and(|token| lists.continue_report(token));
    let mut check = match is_partial {
        true => Check::partial(done),
        false => Check::new(done, which(config.journal.retry_failed)),
    };
    let Some(report) = config.report.as_ref().filter(|_| check.last() > 0) else {
        return Ok(check);
    };
    if is_partial {
        if !config.input.columns.keep.is_empty() {
            say(&format!(
                "warning: the new rows of these lines lack the columns of --keep-cols; those \
                 before them in {} have them",
                report.path.display()
            ));
        }
        // Each line says which file it is.
        naming.forget_kept();
        lists.onward().map_or(Ok(()), |lists| compare_some(lists, &mut check, report))?;
        return Ok(check.again());
    }
    let Some(mut lists) = lists.onward() else {
        if check.is_taken_back() {
            keep_names(config, report, &check, place, naming)?;
        }
        return Ok(check);
    };
    let mut changes = Changes::new(config, report, place);
    if let Some(mismatch) = compare(&mut lists, &mut check, &mut changes)? {
        return Err(other_list(&check, mismatch, report));
    }
    let changed = changes.finish()?;
    let mut check = check.again();
    changed.iter().for_each(|index| check.reopen(index));
    if let Some(first) = changed.min() {
        let asked = "for another file or checksum by now (out=, checksum=)";
        say(&match changed.len() {
            1 => format!("line {first}, which was done, asks {asked} and is pulled again"),
            count => format!(
                "{count} lines that were done ask {asked} and are pulled again, the first of them \
                 line {first}"
            ),
        });
    }
    if check.is_taken_back() || !changed.is_empty() {
        keep_names(config, report, &check, place, naming)?;
    }
    Ok(check)
}

/// Compares a list that has some of the lines of the report: each must be the one that its rows are
/// about.
fn compare_some(mut lists: Lists, check: &mut Check, report: &ReportFile) -> anyhow::Result<()> {
    loop {
        // What cannot be read, the run tells of when it gets there.
        let item = lists.next().unwrap_or_default();
        if let Some(Item::Entry(entry)) = &item {
            let line = check.line(index_of(entry), Given::of_line(entry).url());
            line.map_err(|mismatch| other_list(check, mismatch, report))?;
        }
        if item.is_none() || check.lines_held() >= SOME_LINES {
            let cannot = || format!("cannot read {}", report.path.display());
            let mut difference = check.difference(Mismatch { lines: (0, u64::MAX) });
            let file = File::open(&report.path).with_context(cannot)?;
            scan(&file, &report.path, format(report.format), |entry, _| {
                difference.row(entry.index, Given::of_row(entry).url());
            })?;
            if difference.is_found() {
                return Err(refusal(report, &difference));
            }
            check.forget_lines();
        }
        if item.is_none() {
            return Ok(());
        }
    }
}

/// Keeps the names of files from downloads that are done by the last rows of their lines, and no
/// others.
fn keep_names(
    config: &Config,
    report: &ReportFile,
    check: &Check,
    (dir, places): (&Dir, &Places),
    naming: &mut Naming,
) -> anyhow::Result<()> {
    naming.forget_kept();
    let path = &report.path;
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    scan(&file, path, format(report.format), |entry, _| {
        if check.is_good(entry.index) {
            naming.keep(&entry.filename, (&config.dir, dir), places);
        }
    })?;
    Ok(())
}

/// Compares every line that may have a row. What it finds is not the list of the report, or the
/// lines that are done are in `changes`.
fn compare(
    lists: &mut Lists,
    check: &mut Check,
    changes: &mut Changes<'_>,
) -> anyhow::Result<Option<Mismatch>> {
    loop {
        match lists.next() {
            Ok(Some(Item::Entry(entry))) => {
                let index = index_of(&entry);
                if index > check.last() {
                    break;
                }
                match (check.line(index, Given::of_line(&entry).url()), &entry) {
                    (Err(mismatch), _) => return Ok(Some(mismatch)),
                    (Ok(Verdict::Good), Ok(job)) => changes.line(job)?,
                    (Ok(_), _) => {}
                }
            }
            Ok(Some(Item::Pause)) => {}
            Ok(None) => break,
            // The run tells of it when it gets there.
            Err(_) => return Ok(None),
        }
    }
    Ok(check.end().err())
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
    refusal(report, &difference)
}

fn refusal(report: &ReportFile, difference: &Difference<'_>) -> anyhow::Error {
    anyhow::Error::new(RunError::usage(format!(
        "cannot continue {}: {difference}; nothing was pulled from there on. Give the list that \
         the report is about (it may grow at its end), another --report, or --fresh to begin anew",
        report.path.display()
    )))
}

/// Lines compared in one reading of the report.
const SOME_LINES: usize = 1 << 20;
