//! What the rows of a report say of shards, and shards that are removed when the run begins.

use super::scan::scan;
use crate::config::{Config, ReportFile};
use crate::engine::books::beside::SUFFIXES;
use crate::error::RunError;
use crate::fault::escape_hidden;
use crate::pack::shard::{ShardName, stem};
use crate::report::journal::{Entry, Fate};
use crate::report::{Status, location};
use anyhow::{Context as _, bail};
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How many lines the rows of a report say are in each shard.
pub(crate) struct Tally<'c> {
    pub(crate) names: Option<&'c ShardName>,
    dir: &'c Path,
    rows: BTreeMap<u64, i64>,
    has_files: bool,
    /// Whether files are compared with their rows.
    is_check: bool,
    /// Rows of files that are there, as far as they were looked for.
    there: u64,
    /// What the first row names whose file is not there, or is not as it says.
    lost: Option<String>,
    /// What the first row names that tells of a loose file where there are to be shards, or of a
    /// shard where there are to be loose files.
    other: Option<String>,
}

impl<'c> Tally<'c> {
    /// The tally of a report of which nothing was read.
    pub(crate) fn new(config: &'c Config) -> Self {
        let archive = config.destination.archive();
        let names = archive.and_then(|archive| archive.shards()).map(|(names, _)| names);
        let has_files = config.destination.has_files();
        Self {
            names,
            dir: &config.dir,
            rows: BTreeMap::new(),
            has_files,
            is_check: config.journal.is_check,
            there: 0,
            lost: None,
            other: None,
        }
    }

    /// Counts a row with this file name: one that takes back what a row before it said counts
    /// against that.
    pub(crate) fn count(&mut self, filename: &str, fate: Fate) {
        if self.other.is_none() && self.is_other(filename) {
            self.other = Some(filename.to_owned());
        }
        if self.is_check && !filename.is_empty() {
            self.there += u64::from(fate == Fate::Good);
            self.lost.get_or_insert_with(|| filename.to_owned());
        }
        let Some(names) = self.names else { return };
        let shard = shard_of(self.dir, filename, |name| names.number(name).is_some());
        let Some(number) = shard.and_then(|name| names.number(name)) else { return };
        *self.rows.entry(number).or_default() += if fate == Fate::Good { 1 } else { -1 };
    }

    /// Whether a file name is that of what this run does not make.
    fn is_other(&self, filename: &str) -> bool {
        let Some(filename) = location::file(filename) else { return false };
        let mut members = location::members(filename);
        match self.names {
            Some(_) => members.next().is_none(),
            None => self.has_files && members.any(|(shard, _)| !Path::new(shard).is_dir()),
        }
    }

    /// Checks that the lines which are done went where this run has the others go.
    ///
    /// # Errors
    /// A [`RunError`] of class usage: one has a loose file and is to be in a shard, or the other
    /// way round.
    pub(crate) fn check(&self, report: &Path) -> anyhow::Result<()> {
        self.check_place(report)?;
        let Some(other) = &self.other else { return Ok(()) };
        let (is, wanted) = match self.names {
            Some(_) => ("loose files", "shards (--output-format)"),
            None => ("files in shards", "loose files; --output-format makes shards"),
        };
        bail!(RunError::usage(format!(
            "cannot continue {}: it tells of {is}, such as {}, and this run is to make {wanted}: \
             give another --report, or --fresh to begin anew",
            report.display(),
            escape_hidden(other)
        )))
    }

    /// Checks that files are not compared from another directory than that in which they were
    /// pulled: none would be found, and all of them be pulled again.
    fn check_place(&self, report: &Path) -> anyhow::Result<()> {
        let Some(lost) = self.lost.as_deref().filter(|_| self.is_check && self.there == 0) else {
            return Ok(());
        };
        let is_shard = |path: &&str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            self.names.is_some_and(|names| names.number(name).is_some())
        };
        let told = location::members(lost).map(|(path, _)| path).find(is_shard).unwrap_or(lost);
        let name = Path::new(told).file_name().unwrap_or_default();
        let here = self.dir.join(name);
        if Path::new(told).exists() || !here.exists() {
            return Ok(());
        }
        bail!(RunError::usage(format!(
            "cannot compare with {}: not one file is where it says; {} is not there, and {} is: \
             give the command in the directory in which the run began, with the same -d",
            report.display(),
            escape_hidden(told),
            here.display()
        )))
    }

    /// Whether a row tells of the shard of this number, be it right or not.
    pub(crate) fn has_named(&self, number: u64) -> bool {
        self.rows.contains_key(&number)
    }

    /// Numbers of the shards of which no row holds that tells of them.
    pub(crate) fn refuted(&self) -> impl Iterator<Item = u64> + '_ {
        self.rows.keys().copied().filter(|number| self.rows_of(*number) == 0)
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
    /// The directory that they are in, as the user wrote it.
    pub(crate) dir: PathBuf,
    /// Whether they are set aside under another name: what of them is good may be had nowhere else.
    pub(crate) is_kept: bool,
}

impl Gone {
    /// Whether no shard is removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a row tells of a member of one.
    pub(super) fn has(&self, entry: &Entry<'_>) -> bool {
        entry.status == Status::Ok
            && shard_of(&self.dir, &entry.filename, |name| self.names.contains(name)).is_some()
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
            for gone in beside.chain([name.clone()]) {
                let path = dir.join(&gone);
                let removed = match self.is_kept && gone == *name {
                    true => fs::rename(&path, dir.join(format!("{name}{ASIDE}"))),
                    false => fs::remove_file(&path),
                };
                match removed {
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

/// What is behind the name of a shard that is set aside: it is none any more.
pub(crate) const ASIDE: &str = ".damaged";

/// The file name of the shard that a row names, by what is one: neither the directory of the run
/// nor what is in a shard is taken for it, whatever they are called.
fn shard_of<'f>(dir: &Path, filename: &'f str, is_shard: impl Fn(&str) -> bool) -> Option<&'f str> {
    let beneath = dir.to_str().and_then(|dir| filename.strip_prefix(dir));
    let shards = location::members(beneath.unwrap_or(filename)).map(|(shard, _)| shard);
    let mut names = shards.map(|shard| shard.rsplit('/').next().unwrap_or(shard));
    names.find(|name| is_shard(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_told_from_folders_and_members_of_such_names() {
        let names = ShardName::default();
        let of = |dir: &str, filename| {
            shard_of(Path::new(dir), filename, |name| names.number(name).is_some())
        };
        for (dir, filename) in [
            ("out", "out/00007.tar/a.jpg"),
            (".", "00007.tar/a.jpg"),
            ("set.tar", "set.tar/00007.tar/a.jpg"),
            ("other", "set.tar/x/00007.tar/a.jpg"),
            ("00001.tar", "00001.tar/00007.tar/a.jpg"),
            ("out", "out/00007.tar/00001.tar/a.jpg"),
        ] {
            assert_eq!(of(dir, filename), Some("00007.tar"), "{filename}");
        }
        assert_eq!(of("set.tar", "set.tar/a.jpg"), None);
    }
}
