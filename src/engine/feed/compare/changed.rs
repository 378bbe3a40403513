//! Lines that are done and ask for another file or another checksum than they did: `out=` and
//! `checksum=` are compared with the rows of the report.
//!
//! Of such lines a hash is kept while the report is read again, some million lines at a time, so
//! that memory does not grow with the list. A list without these options costs nothing.

use crate::config::{Config, Destination, OnConflict, ReportFile};
use crate::engine::books::journal::scan;
use crate::engine::output::dir_rules::DirRules;
use crate::plan::checksum::{Checksum, Kind};
use crate::plan::job::Job;
use crate::plan::name;
use crate::report::Status;
use crate::report::journal::Entry;
use crate::report::location;
use crate::ring::dir::Dir;
use anyhow::Context as _;
use roaring::RoaringTreemap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What lines ask for that are done, and which of them have not got it.
pub(crate) struct Changes<'c> {
    config: &'c Config,
    report: &'c ReportFile,
    /// What the directory of the run does to names.
    place: (&'c Dir, &'c DirRules),
    /// In the order of their lines.
    asked: Vec<Asked>,
    changed: RoaringTreemap,
}

/// What one line asks for.
#[derive(Clone, Copy)]
struct Asked {
    index: u64,
    /// Of the path of its file, which has so many components.
    path: Option<(u32, u8)>,
    checksum: Option<(u32, Kind)>,
}

impl<'c> Changes<'c> {
    pub(crate) fn new(
        config: &'c Config,
        report: &'c ReportFile,
        place: (&'c Dir, &'c DirRules),
    ) -> Self {
        Self { config, report, place, asked: Vec::new(), changed: RoaringTreemap::new() }
    }

    /// Takes the next line that is done.
    pub(crate) fn line(&mut self, job: &Job) -> anyhow::Result<()> {
        let Some(options) = &job.options else { return Ok(()) };
        // What -o says goes before the list.
        let has_path = options.out.is_some() && self.config.destination == Destination::Files;
        let (dir, rules) = self.place;
        let path = has_path.then(|| rules.fit(Some(dir), job.path(None)));
        let path = path.and_then(|path| {
            let count = u8::try_from(path.split('/').count()).ok()?;
            Some((hash(&path), count))
        });
        let checksum = options.checksum.as_deref();
        let checksum = checksum.map(|checksum| (hash(&checksum.to_string()), checksum.kind()));
        if path.is_some() || checksum.is_some() {
            self.asked.push(Asked { index: job.index, path, checksum });
        }
        if self.asked.len() >= ASKED_MAX { self.compare() } else { Ok(()) }
    }

    /// The lines that have not got what they ask for.
    pub(crate) fn finish(mut self) -> anyhow::Result<RoaringTreemap> {
        self.compare()?;
        Ok(self.changed)
    }

    fn compare(&mut self) -> anyhow::Result<()> {
        if self.asked.is_empty() {
            return Ok(());
        }
        let ReportFile { path, format, .. } = self.report;
        let cannot = || format!("cannot read the report {}", path.display());
        let file = File::open(path).with_context(cannot)?;
        scan(&file, path, *format, |entry, _| {
            let asked = self.asked.binary_search_by_key(&entry.index, |asked| asked.index);
            let Ok(at) = asked else { return };
            // The last row of a line counts.
            if self.is_met(self.asked[at], entry) {
                self.changed.remove(entry.index);
            } else {
                self.changed.insert(entry.index);
            }
        })?;
        self.asked.clear();
        Ok(())
    }

    /// Whether a row says that the line has got what it asks for, as far as the row says anything.
    fn is_met(&self, asked: Asked, entry: &Entry<'_>) -> bool {
        let is_file = matches!(entry.status, Status::Ok | Status::Skipped);
        let Some(filename) = location::file(&entry.filename).filter(|_| is_file) else {
            return true;
        };
        let is_path = asked.path.is_none_or(|(wanted, count)| {
            let at = filename.rmatch_indices('/').nth(usize::from(count) - 1);
            let path = &filename[at.map_or(0, |(at, _)| at + 1)..];
            let is_renamed = self.config.on_conflict == OnConflict::Rename;
            name::was_asked_as(path, entry.index, is_renamed, |path| hash(path) == wanted)
        });
        // Of a file that was there nothing was computed.
        let is_digest = entry.status == Status::Skipped
            || asked.checksum.is_none_or(|(wanted, kind)| {
                let found = Checksum::parse(&entry.digest).ok().map(|digest| digest.kind());
                let is_other = found.is_some_and(|found| found != kind);
                // Rows have the digest of --compute-hash then, whatever the list asks for.
                let is_computed = found.is_some() && found == self.config.compute_hash;
                hash(&entry.digest) == wanted || is_other && is_computed
            });
        is_path && is_digest
    }
}

/// Both sides are made in the same run.
fn hash(text: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (hasher.finish() >> 32) as u32
}

/// Lines compared in one reading of the report: 24 bytes each.
const ASKED_MAX: usize = 4 << 20;

const _: () = assert!(size_of::<Asked>() <= 32);
