//! `--save-session`: what failed or is left, written while the run goes on.
//!
//! It is a draft until the run has ended, and takes its name then: the list that this run reads may
//! well be the session of the last one.

use crate::config::Config;
use crate::engine::books::replace::{Replacement, is_other_than_file};
use crate::engine::books::row_file::Flushed;
use crate::error::RunError;
use crate::plan::job::Job;
use crate::report::session::{Left, comment};
use crate::ring::draft::Access;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The list of what is left.
pub(crate) struct Session {
    path: PathBuf,
    /// Whether jobs have paths for a list: standard output and devices are none.
    has_paths: bool,
    writing: Mutex<Writing>,
}

struct Writing {
    /// Gone once the session has ended.
    file: Option<Replacement>,
    jobs: u64,
    /// Everything that the inputs hold is done or in it.
    is_whole: bool,
}

impl Session {
    /// Begins one, next to where it is to be, if there is to be one.
    ///
    /// # Errors
    /// There is something that is no file, or no file can be made there.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        let path = config.journal.save_session.as_deref();
        // What was discarded may be pulled into files later, under the names that it has.
        let has_paths = config.destination.outlet().is_none();
        path.map(|path| Self::create(path, config.disk_wait_ms > 0, has_paths)).transpose()
    }

    /// With `waits`, a full disk is waited for.
    pub(crate) fn create(path: &Path, waits: bool, has_paths: bool) -> anyhow::Result<Self> {
        let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
        if is_other_than_file(path) {
            bail!(RunError::usage(format!(
                "cannot save the session as {}: it is not a regular file",
                path.display()
            )));
        }
        // There may be passwords in it.
        let file = Replacement::begin(path, Access::Owner, waits).with_context(cannot)?;
        let writing = Writing { file: Some(file), jobs: 0, is_whole: false };
        Ok(Self { path: path.to_owned(), has_paths, writing: Mutex::new(writing) })
    }

    /// A job is left; `name` is the path of its file, where jobs have paths.
    pub(crate) fn add(&self, job: &Job, name: &str) {
        let name = Some(name).filter(|_| self.has_paths);
        let options = job.options.as_deref();
        let checksum = options.and_then(|options| options.checksum.as_ref());
        let checksum = checksum.map(ToString::to_string);
        let mirrors = job.mirrors().iter().map(|mirror| (mirror.as_str(), mirror.credentials()));
        let mirrors: Vec<_> = mirrors.collect();
        self.add_left(&Left {
            // Blanks around it, of a cell, are no part of a line.
            url: job.url().trim_ascii(),
            user: job.target.credentials(),
            mirrors: &mirrors,
            dir: None,
            // Nor are paths given to -o.
            out: name.filter(|name| !name.starts_with('/')),
            headers: options.map_or(&[], |options| &options.headers),
            checksum: checksum.as_deref(),
        });
    }

    /// A job is left of which this is known.
    pub(crate) fn add_left(&self, left: &Left<'_>) {
        let mut writing = self.writing();
        writing.jobs += 1;
        writing.add(|out| left.encode(out));
    }

    /// Adds a comment, which begins with its `#`.
    pub(crate) fn add_comment(&self, text: &str) {
        self.writing().add(|out| out.extend_from_slice(format!("{text}\n").as_bytes()));
    }

    /// A line was no URL; whoever mends the list wants to see it.
    pub(crate) fn add_bad(&self, text: &[u8]) {
        let mut writing = self.writing();
        writing.add(|out| comment(&String::from_utf8_lossy(text), out));
    }

    /// The reader has read everything.
    pub(crate) fn set_whole(&self) {
        self.writing().is_whole = true;
    }

    /// Writes what can be written.
    pub(crate) fn flush(&self) -> Flushed {
        self.writing().file.as_mut().map_or(Flushed::All, Replacement::flush)
    }

    /// Gives it its name. Says how many jobs are in it, and whether they are all that are left.
    ///
    /// # Errors
    /// It could not be written: what was there before is still there.
    pub(crate) fn finish(&self) -> anyhow::Result<(u64, bool)> {
        let mut writing = self.writing();
        let file = writing.file.take();
        file.map_or(Ok(()), Replacement::finish).with_context(|| {
            RunError::local_file(format!("cannot write the session {}", self.path.display()))
        })?;
        Ok((writing.jobs, writing.is_whole))
    }

    /// Gives the session up, as it is not what is left: the file that was there before stays.
    pub(crate) fn abandon(&self) {
        self.writing().file = None;
    }

    /// What the session is to be called.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = &mut self.file {
            file.add(encode);
        }
    }
}
