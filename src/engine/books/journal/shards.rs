//! What the rows of a report say of shards, and shards that are removed when the run begins.

use super::scan::scan;
use crate::config::{Config, ReportFile};
use crate::engine::books::beside::SUFFIXES;
use crate::error::RunError;
use crate::pack::shard::{ShardName, stem};
use crate::report::journal::{Entry, Fate};
use crate::report::{Status, location};
use anyhow::Context as _;
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// How many lines the rows of a report say are in each shard.
pub(crate) struct Tally<'c> {
    pub(crate) names: Option<&'c ShardName>,
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

    /// Number behind that of the last shard that rows tell of.
    pub(crate) fn next(&self) -> u64 {
        self.rows.keys().next_back().map_or(0, |last| last + 1)
    }

    /// Rows that tell of the shard of this number.
    pub(crate) fn rows_of(&self, number: u64) -> u64 {
        self.rows.get(&number).map_or(0, |rows| u64::try_from(*rows).unwrap_or(0))
    }
}

/// Shards that are removed when the run begins.
#[derive(Default)]
pub(crate) struct Gone {
    pub(crate) names: BTreeSet<String>,
}

impl Gone {
    /// Whether no shard is removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a row tells of a member of one.
    pub(super) fn has(&self, entry: &Entry<'_>) -> bool {
        let shard = location::member(&entry.filename).map(|(shard, _)| name_of(shard));
        entry.status == Status::Ok && shard.is_some_and(|name| self.names.contains(name))
    }

    /// The lines whose last row tells of a member of one.
    ///
    /// # Errors
    /// The report cannot be read.
    pub(super) fn lines(&self, file: &File, report: &ReportFile) -> anyhow::Result<RoaringTreemap> {
        let mut lines = RoaringTreemap::new();
        scan(file, &report.path, report.format, |entry, _| {
            if self.has(entry) {
                lines.insert(entry.index);
            } else {
                lines.remove(entry.index);
            }
        })?;
        Ok(lines)
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

fn number_of(names: &ShardName, filename: &str) -> Option<u64> {
    names.number(name_of(location::member(filename)?.0))
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
