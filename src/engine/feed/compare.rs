//! Whether the list of a run that is taken up again is the one that its report is about, found out
//! before anything begins. A pipe can be read once: what comes from one is compared while the run
//! goes on.

mod changed;

use self::changed::Changes;
use crate::config::{Config, ReportFile};
use crate::engine::books::given::Given;
use crate::engine::books::journal::{Opened, scan, which};
use crate::engine::feed::inputs::{Item, Lists};
use crate::engine::feed::naming::{Naming, index_of};
use crate::engine::output::dir_rules::DirRules;
use crate::engine::say::say;
use crate::error::RunError;
use crate::plan::target::LastOrigin;
use crate::report::journal::{Check, Difference, Mismatch, Verdict};
use crate::ring::dir::Dir;
use anyhow::Context as _;
use std::fs::File;

/// Begins to follow the list by what the report says: reads the list as far as rows go, and
/// compares, where it can be read twice. `lists` stays where it is, and `naming` has the names of
/// files that are not pulled again.
///
/// # Errors
/// It is another list; the first line that differs is named.
pub(crate) fn follow(
    config: &Config,
    opened: Option<&mut Opened>,
    lists: &mut Lists,
    place: (&Dir, &DirRules),
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
        if let Some(lists) = lists.onward() {
            compare(lists, &mut check, report, Extent::Some)?;
        }
        return Ok(check.again());
    }
    let Some(lists) = lists.onward() else {
        if check.is_taken_back() {
            keep_names(config, report, &check, place, naming)?;
        }
        return Ok(check);
    };
    let mut changes = Changes::new(config, report, place);
    compare(lists, &mut check, report, Extent::Whole(&mut changes))?;
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

/// Keeps the names of files from downloads that are done by the last rows of their lines, and no
/// others.
fn keep_names(
    config: &Config,
    report: &ReportFile,
    check: &Check,
    (dir, rules): (&Dir, &DirRules),
    naming: &mut Naming,
) -> anyhow::Result<()> {
    naming.forget_kept();
    let path = &report.path;
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    scan(&file, path, report.format, |entry, _| {
        if check.is_good(entry.index) {
            naming.keep(&entry.filename, (&config.dir, dir), rules);
        }
    })?;
    Ok(())
}

/// What a list is of its report, and so what is done with its lines once they are compared.
enum Extent<'e, 'c> {
    /// The whole list of the report: its changes are told of the lines that are done.
    Whole(&'e mut Changes<'c>),
    /// Some lines of that list, each of which must be the one that its rows are about. The lines
    /// are held, and looked for in the report by and by.
    Some,
}

/// Compares every line that may have a row.
///
/// # Errors
/// It is another list; the first line that differs is named.
fn compare(
    mut lists: Lists,
    check: &mut Check,
    report: &ReportFile,
    mut extent: Extent<'_, '_>,
) -> anyhow::Result<()> {
    // What cannot be read, the run tells of when it gets there.
    let mut is_whole = true;
    while let Some(item) = lists.next().unwrap_or_else(|_| {
        is_whole = false;
        None
    }) {
        let Item::Entry(entry) = item else { continue };
        let index = index_of(&entry);
        if matches!(extent, Extent::Whole(_)) && index > check.last() {
            break;
        }
        let verdict = check.line(index, Given::of_line(&entry).url());
        let verdict = verdict.map_err(|mismatch| other_list(check, mismatch, report))?;
        match (&mut extent, verdict, &entry) {
            (Extent::Whole(changes), Verdict::Good, Ok(job)) => changes.line(job)?,
            (Extent::Some, ..) if check.lines_held() >= SOME_LINES => find_held(check, report)?,
            (Extent::Whole(_) | Extent::Some, ..) => {}
        }
    }
    match extent {
        Extent::Some => find_held(check, report),
        Extent::Whole(_) if is_whole => {
            check.end().map(drop).map_err(|mismatch| other_list(check, mismatch, report))
        }
        Extent::Whole(_) => Ok(()),
    }
}

/// Looks for the lines that are held in the report.
fn find_held(check: &mut Check, report: &ReportFile) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", report.path.display());
    let mut difference = check.difference(Mismatch { lines: (0, u64::MAX) });
    let file = File::open(&report.path).with_context(cannot)?;
    let mut origin = LastOrigin::default();
    scan(&file, &report.path, report.format, |entry, _| {
        difference.row(entry.index, Given::of_row(entry, &mut origin).url());
    })?;
    if difference.is_found() {
        return Err(refusal(report, &difference));
    }
    check.forget_lines();
    Ok(())
}

/// The error of a run whose list is another one than that of its report: what differs first, which
/// the report is read again for.
pub(crate) fn other_list(check: &Check, mismatch: Mismatch, report: &ReportFile) -> anyhow::Error {
    let path = &report.path;
    let mut difference = check.difference(mismatch);
    if let Ok(file) = File::open(path) {
        // Rows that cannot be read by now tell nothing.
        let mut origin = LastOrigin::default();
        let _ = scan(&file, path, report.format, |entry, _| {
            difference.row(entry.index, Given::of_row(entry, &mut origin).url());
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
