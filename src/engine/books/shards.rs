//! Shards of earlier runs, taken up with their report.
//!
//! A shard has its name before its rows are written, so a run that is killed may leave one of which
//! not all rows are there. What is in it would be pulled once more, and be twice in the set: so
//! such a shard is removed, and all of its lines are pulled again. It is the same with a shard of
//! which a row is not believed.

use crate::config::{Config, ReportFile};
use crate::engine::books::journal::{ASIDE, Gone, Opened, Tally, members_of, scan};
use crate::engine::say::say;
use crate::error::RunError;
use crate::pack::index::Index;
use crate::pack::shard::{index_of, stem};
use crate::pack::{Form, tar};
use crate::report::{Number, Status};
use crate::ring::dir::Dir;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Compares the shards of a directory with the rows of the report, if there is one. Shards that are
/// to be removed are noted with it, and their lines are open again. Gives the number of the first
/// shard that this run may begin.
///
/// # Errors
/// There is a shard that the report knows nothing of, or one cannot be read. The report tells of
/// loose files where there are to be shards, or the other way round.
pub(crate) fn settle(
    config: &Config,
    tally: &Tally<'_>,
    opened: Option<&mut Opened>,
    dir: &Dir,
) -> anyhow::Result<u64> {
    config.report.as_ref().map_or(Ok(()), |report| tally.check(&report.path))?;
    let Some(names) = tally.names else { return Ok(0) };
    let cannot = || RunError::local_file(format!("cannot read {}", config.dir.display()));
    let mut first = tally.next();
    let is_kept = config.journal.is_check;
    let mut gone = Gone { dir: config.dir.clone(), is_kept, ..Gone::default() };
    for entry in fs::read_dir(&config.dir).with_context(cannot)? {
        let name = entry.with_context(cannot)?.file_name();
        let Some((name, number)) = name.to_str().and_then(|name| Some((name, names.number(name)?)))
        else {
            continue;
        };
        first = first.max(number + 1);
        let rows = tally.rows_of(number);
        // One that is set aside need not be asked more than that.
        let is_told = rows > 0 || is_kept && tally.has_named(number);
        let is_ours = is_told || dir.is_own(name, index_of(number));
        if !is_ours || opened.is_none() {
            bail!(strange(config, name));
        }
        match has_untold(config, name, rows) {
            Ok(true) => {
                gone.names.insert(name.to_owned());
            }
            Ok(false) => {}
            Err(error) if is_damage(&error) && rows == 0 => {
                gone.names.insert(name.to_owned());
            }
            Err(error) if is_damage(&error) => say(&format!(
                "warning: the shard {} is damaged: {error}; --check-integrity sets it aside, and \
                 has its lines pulled again",
                config.dir.join(name).display()
            )),
            Err(error) => {
                let path = config.dir.join(name);
                let cannot = format!("cannot read the shard {}", path.display());
                return Err(error).context(RunError::local_file(cannot));
            }
        }
    }
    if is_kept {
        // Of those that are not there, what stood beside them goes.
        gone.names.extend(tally.refuted().map(|number| names.name(number)));
    }
    if let (Some(opened), Some(report)) = (opened, &config.report) {
        if !gone.is_empty() {
            reopen(opened, report, gone)?;
        }
        if config.dedupe.contents {
            reopen_pointing(opened, report)?;
        }
    }
    Ok(first)
}

/// Lets the lines of shards that are gone be pulled again.
fn reopen(opened: &mut Opened, report: &ReportFile, gone: Gone) -> anyhow::Result<()> {
    let there = gone.names.iter().filter(|name| gone.dir.join(name).exists());
    let there: Vec<&str> = there.map(String::as_str).collect();
    let count = there.len();
    let shards = if count == 1 { "shard is" } else { "shards are" };
    let more = if count > NAMES_MAX { " ..." } else { "" };
    let names = format!("{}{more}", there[..count.min(NAMES_MAX)].join(" "));
    let is_kept = gone.is_kept;
    let lines = opened.leave_out(report, gone)?;
    let (lines_with, lines) = (if lines == 1 { "line" } else { "lines" }, Number(lines));
    match (count, is_kept) {
        (0, _) => {}
        (_, true) => say(&format!(
            "{count} {shards} set aside ({ASIDE} behind the name), and what is in there is pulled \
             again ({lines} {lines_with}); remove what is aside when all of it has come: {names}"
        )),
        (_, false) => say(&format!(
            "{count} {shards} removed, and what was in there is pulled again: an earlier run ended \
             before it had written all rows ({lines} {lines_with} with one): {names}"
        )),
    }
    Ok(())
}

/// Lets lines be pulled again that were left out for the body of another line, where that one is
/// not done, or has been pulled again since: the set may have the body no more.
fn reopen_pointing(opened: &mut Opened, report: &ReportFile) -> anyhow::Result<()> {
    let Opened { file, done, .. } = opened;
    // Of each such line, the other one, and the number of the row that says so.
    let mut pointing: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut row = 0;
    scan(file, &report.path, report.format, |entry, _| {
        row += 1;
        match entry.duplicate_of.filter(|_| entry.error_code == DUPLICATE) {
            Some(first) => pointing.insert(entry.index, (first, row)),
            None => pointing.remove(&entry.index),
        };
    })?;
    if pointing.is_empty() {
        return Ok(());
    }
    // Of the other lines, the number of the last row that is about a body of theirs.
    let mut firsts: BTreeMap<u64, u64> = pointing.values().map(|(first, _)| (*first, 0)).collect();
    row = 0;
    scan(file, &report.path, report.format, |entry, _| {
        row += 1;
        if let Some(last) = firsts.get_mut(&entry.index)
            && (entry.status == Status::Ok || entry.is_lost())
        {
            *last = row;
        }
    })?;
    let is_gone = |(first, row): (u64, u64)| !done.has(first) || firsts[&first] > row;
    let lines: Vec<u64> = pointing
        .into_iter()
        .filter(|(_, pointing)| is_gone(*pointing))
        .map(|(line, _)| line)
        .collect();
    lines.iter().for_each(|line| done.reopen(*line));
    if !lines.is_empty() {
        say(&format!(
            "{} pulled again, whose body was that of another line, which is pulled again, too",
            match lines.len() {
                1 => "1 line is".to_owned(),
                count => format!("{} lines are", Number(count as u64)),
            }
        ));
    }
    Ok(())
}

/// Whether a shard has files of which no row tells, by this number of rows.
fn has_untold(config: &Config, name: &str, rows: u64) -> io::Result<bool> {
    // What stands beside a shard may be wrong: before it is removed, it is asked itself.
    Ok(rows < samples(&config.dir, name, form(config))?
        && rows < members(&config.dir, name, form(config))?)
}

/// Whether a shard that could not be read is no whole archive.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

/// How many files a shard has: by its index, or by its headers where that is missing.
fn samples(dir: &Path, name: &str, form: Form) -> io::Result<u64> {
    let mut first = [0; FIRST_LINE_BYTES];
    let read = File::open(dir.join(format!("{}.idx", stem(name)))).and_then(|mut index| {
        let count = index.read(&mut first)?;
        Ok(first[..count].split(|byte| *byte == b'\n').next().unwrap_or_default())
    });
    let line = read.ok().and_then(|line| std::str::from_utf8(line).ok());
    if let Some(samples) = line.and_then(Index::samples_of) {
        return Ok(samples);
    }
    members(dir, name, form)
}

/// How many files a shard has, by its headers.
fn members(dir: &Path, name: &str, form: Form) -> io::Result<u64> {
    let mut samples = 0;
    members_of(&dir.join(name), |tar::Member { name, .. }| {
        samples += u64::from(form == Form::Tar || name.ends_with(".json"));
    })?;
    Ok(samples)
}

fn strange(config: &Config, name: &str) -> RunError {
    let dir = config.dir.display();
    let why = match &config.report {
        Some(report) => format!("the report {} knows nothing of", report.path.display()),
        None => "another run made".to_owned(),
    };
    RunError::usage(format!(
        "cannot add shards to {dir}, which has {name}, a shard that {why}: give the --report of \
         that run to go on with it, another -d or --shard-name to make a set beside it, or remove \
         it"
    ))
}

fn form(config: &Config) -> Form {
    config.destination.archive().map_or(Form::Tar, |archive| archive.form)
}

/// The code of rows that point at the line whose body an archive has.
const DUPLICATE: &str = "dedupe.content";
/// Shards that are named one by one.
const NAMES_MAX: usize = 5;
/// Longest first line of an index, in bytes.
const FIRST_LINE_BYTES: usize = 64;
