//! Shards of earlier runs, taken up with their report.
//!
//! A shard has its name before its rows are written, so a run that is killed may leave one of which
//! not all rows are there. What is in it would be pulled once more, and be twice in the set: so
//! such a shard is removed, and all of its lines are pulled again. It is the same with a shard of
//! which a row is not believed.

use super::members::{self, members_of};
use super::{Opened, scan};
use crate::config::Config;
use crate::engine::books::beside::SUFFIXES;
use crate::engine::say::say;
use crate::error::RunError;
use crate::pack::index::Index;
use crate::pack::shard::{ShardName, index_of, stem};
use crate::pack::{Form, tar};
use crate::report::journal::{Entry, Fate};
use crate::report::{Number, Status, location};
use crate::ring::dir::Dir;
use anyhow::{Context as _, bail};
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// How many lines the rows of a report say are in each shard.
pub(crate) struct Tally<'c> {
    names: Option<&'c ShardName>,
    rows: BTreeMap<u64, i64>,
}

impl<'c> Tally<'c> {
    /// The tally of a report of which nothing was read.
    pub(crate) fn new(config: &'c Config) -> Self {
        let archive = config.destination.archive();
        let names = archive.and_then(|archive| archive.shards()).map(|(names, _)| names);
        Self { names, rows: BTreeMap::new() }
    }

    /// Counts a row with this file name: one that takes back what a row before it said counts
    /// against that.
    pub(crate) fn count(&mut self, filename: &str, fate: Fate) {
        let Some(number) = self.names.and_then(|names| number_of(names, filename)) else { return };
        *self.rows.entry(number).or_default() += if fate == Fate::Good { 1 } else { -1 };
    }

    fn rows_of(&self, number: u64) -> u64 {
        self.rows.get(&number).map_or(0, |rows| u64::try_from(*rows).unwrap_or(0))
    }
}

/// Shards that are removed when the run begins.
#[derive(Default)]
pub(super) struct Gone {
    names: BTreeSet<String>,
}

impl Gone {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a row tells of a member of one.
    pub(super) fn has(&self, entry: &Entry<'_>) -> bool {
        let shard = location::member(&entry.filename).map(|(shard, _)| name_of(shard));
        entry.status == Status::Ok && shard.is_some_and(|name| self.names.contains(name))
    }

    /// Removes them, with what stands beside them.
    ///
    /// # Errors
    /// One of them cannot be removed.
    pub(super) fn remove(&self, dir: &Path) -> anyhow::Result<()> {
        for name in &self.names {
            let beside = SUFFIXES.iter().map(|suffix| format!("{}{suffix}", stem(name)));
            // The shard goes last: without it, nobody would look for the others.
            for name in beside.chain([name.clone()]) {
                let path = dir.join(name);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        let cannot = format!("cannot remove {}", path.display());
                        return Err(error).context(RunError::local_file(cannot));
                    }
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Compares the shards of a directory with the rows of the report, if there is one. Shards that are
/// to be removed are noted with it, and their lines are open again. Gives the number of the first
/// shard that this run may begin.
///
/// # Errors
/// There is a shard that the report knows nothing of, or one cannot be read.
pub(crate) fn settle(
    config: &Config,
    tally: &Tally<'_>,
    opened: Option<&mut Opened>,
    dir: &Dir,
) -> anyhow::Result<u64> {
    let Some(names) = tally.names else { return Ok(0) };
    let cannot = || RunError::local_file(format!("cannot read {}", config.dir.display()));
    let mut first = tally.rows.keys().next_back().map_or(0, |last| last + 1);
    let mut gone = Gone::default();
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
        if rows < samples(&config.dir, name, form(config))? {
            gone.names.insert(name.to_owned());
        }
    }
    if let (Some(opened), false) = (opened, gone.is_empty()) {
        reopen(config, opened, gone)?;
    }
    Ok(first)
}

/// Lets the lines of shards that are gone be pulled again.
fn reopen(config: &Config, opened: &mut Opened, gone: Gone) -> anyhow::Result<()> {
    let Some(report) = &config.report else { return Ok(()) };
    let mut lines = RoaringTreemap::new();
    scan(&opened.file, &report.path, report.format, |entry, _| {
        if gone.has(entry) {
            lines.insert(entry.index);
        } else {
            lines.remove(entry.index);
        }
    })?;
    for index in &lines {
        opened.lost.find(index, "");
        opened.done.reopen(index);
    }
    let count = gone.names.len();
    let shards = if count == 1 { "shard is" } else { "shards are" };
    let lines_with = if lines.len() == 1 { "line" } else { "lines" };
    let names = gone.names.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(" ");
    let more = if count > NAMES_MAX { " ..." } else { "" };
    say(&format!(
        "{count} {shards} removed, and what was in there is pulled again: an earlier run ended \
         before it had written all rows ({} {lines_with} with one): {names}{more}",
        Number(lines.len())
    ));
    opened.gone = gone;
    Ok(())
}

/// How many files a shard has: by its index, or by its headers where that is missing.
fn samples(dir: &Path, name: &str, form: Form) -> anyhow::Result<u64> {
    let mut first = [0; FIRST_LINE_BYTES];
    let read = File::open(dir.join(format!("{}.idx", stem(name)))).and_then(|mut index| {
        let count = index.read(&mut first)?;
        Ok(first[..count].split(|byte| *byte == b'\n').next().unwrap_or_default())
    });
    let line = read.ok().and_then(|line| std::str::from_utf8(line).ok());
    if let Some(samples) = line.and_then(Index::samples_of) {
        return Ok(samples);
    }
    let path = dir.join(name);
    let mut samples = 0;
    members_of(&path, |tar::Member { name, .. }| {
        samples += u64::from(form == Form::Tar || name.ends_with(".json"));
    })
    .with_context(|| RunError::local_file(format!("cannot read the shard {}", path.display())))?;
    members::forget();
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

fn number_of(names: &ShardName, filename: &str) -> Option<u64> {
    names.number(name_of(location::member(filename)?.0))
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Shards that are named one by one.
const NAMES_MAX: usize = 5;
/// Longest first line of an index, in bytes.
const FIRST_LINE_BYTES: usize = 64;
