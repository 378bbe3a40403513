//! Shards of earlier runs, taken up with their report.
//!
//! A shard has its name before its rows are written, so a run that is killed may leave one of which
//! not all rows are there. What is in it would be pulled once more, and be twice in the set: so
//! such a shard is removed, and all of its lines are pulled again. It is the same with a shard of
//! which a row is not believed.

use crate::config::{Config, ReportFile};
use crate::engine::books::journal::{Gone, Opened, Tally, members_of, scan};
use crate::engine::say::say;
use crate::error::RunError;
use crate::pack::index::Index;
use crate::pack::shard::{index_of, stem};
use crate::pack::{Form, tar};
use crate::report::Number;
use crate::ring::dir::Dir;
use anyhow::{Context as _, bail};
use roaring::RoaringTreemap;
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
    let mut gone = Gone { dir: config.dir.clone(), ..Gone::default() };
    for entry in fs::read_dir(&config.dir).with_context(cannot)? {
        let name = entry.with_context(cannot)?.file_name();
        let Some((name, number)) = name.to_str().and_then(|name| Some((name, names.number(name)?)))
        else {
            continue;
        };
        first = first.max(number + 1);
        let rows = tally.rows_of(number);
        let is_ours = rows > 0 || dir.is_own(name, index_of(number));
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
                "warning: the shard {} is damaged: {error}; --check-integrity removes it, and has \
                 its lines pulled again",
                config.dir.join(name).display()
            )),
            Err(error) => {
                let path = config.dir.join(name);
                let cannot = format!("cannot read the shard {}", path.display());
                return Err(error).context(RunError::local_file(cannot));
            }
        }
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
    let count = gone.names.len();
    let shards = if count == 1 { "shard is" } else { "shards are" };
    let names = gone.names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(" ");
    let more = if count > NAMES_MAX { " ..." } else { "" };
    let names = format!("{names}{more}");
    let lines = opened.leave_out(report, gone)?;
    let lines_with = if lines == 1 { "line" } else { "lines" };
    say(&format!(
        "{count} {shards} removed, and what was in there is pulled again: an earlier run ended \
         before it had written all rows ({} {lines_with} with one): {names}",
        Number(lines)
    ));
    Ok(())
}

/// Lets lines be pulled again that were left out for the body of another line, where that one is
/// not done: the set has the body no more.
fn reopen_pointing(opened: &mut Opened, report: &ReportFile) -> anyhow::Result<()> {
    let Opened { file, done, .. } = opened;
    let mut lines = RoaringTreemap::new();
    scan(file, &report.path, report.format, |entry, _| {
        let is_pointing = entry.error_code == DUPLICATE;
        match entry.duplicate_of.filter(|first| is_pointing && !done.has(*first)) {
            Some(_) => lines.insert(entry.index),
            None => lines.remove(entry.index),
        };
    })?;
    lines.iter().for_each(|line| done.reopen(line));
    if !lines.is_empty() {
        say(&format!(
            "{} pulled again, whose body was that of another line, which is pulled again, too",
            match lines.len() {
                1 => "1 line is".to_owned(),
                count => format!("{} lines are", Number(count)),
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
