//! `--save-session`: what failed or is left, written while the run goes on.
//!
//! It is a draft until the run has ended, and takes its name then: the list that this run reads may
//! well be the session of the last one.

use crate::config::Config;
use crate::engine::books::row_file::{Flushed, RowFile, make_parent};
use crate::engine::queue::queued::Queued;
use crate::engine::run::last_writes::Patience;
use crate::engine::shared::Shared;
use crate::error::RunError;
use crate::plan::job::Job;
use crate::report::Number;
use crate::report::session::{Left, comment};
use crate::ring::draft::{Access, Draft};
use anyhow::{Context as _, bail};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The list of what is left.
pub(crate) struct Session {
    path: PathBuf,
    writing: Mutex<Writing>,
}

struct Writing {
    /// Gone once the session has ended.
    draft: Option<Draft>,
    rows: Option<RowFile>,
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
        path.map(|path| Self::create(path, config.disk.wait_ms > 0)).transpose()
    }

    /// With `waits`, a full disk is waited for.
    fn create(path: &Path, waits: bool) -> anyhow::Result<Self> {
        let cannot = || RunError::local_file(format!("cannot write {}", path.display()));
        make_parent(path).with_context(cannot)?;
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            bail!(RunError::usage(format!(
                "cannot save the session as {}: it is no regular file",
                path.display()
            )));
        }
        // There may be passwords in it.
        let draft = Draft::beside(path, Access::Owner).with_context(cannot)?;
        let rows = Some(RowFile::new(draft.file().with_context(cannot)?, waits));
        let writing = Writing { draft: Some(draft), rows, jobs: 0, is_whole: false };
        Ok(Self { path: path.to_owned(), writing: Mutex::new(writing) })
    }

    /// A job is left; `name` is the path of its file, if there is to be one.
    pub(crate) fn add(&self, job: &Job, name: Option<&str>) {
        let options = job.options.as_deref();
        let checksum = options.and_then(|options| options.checksum.as_ref());
        let checksum = checksum.map(ToString::to_string);
        self.add_left(&Left {
            // Blanks around it, of a cell, are no part of a line.
            url: job.url().trim_ascii(),
            user: job.target.credentials(),
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
        self.writing().rows.as_mut().map_or(Flushed::All, RowFile::flush)
    }

    /// Gives it its name. Says how many jobs are in it, and whether they are all that are left.
    ///
    /// # Errors
    /// It could not be written: what was there before is still there.
    pub(crate) fn finish(&self) -> anyhow::Result<(u64, bool)> {
        let mut writing = self.writing();
        writing.end().with_context(|| {
            RunError::local_file(format!("cannot write the session {}", self.path.display()))
        })?;
        Ok((writing.jobs, writing.is_whole))
    }

    /// It is not what is left: what was there before stays.
    pub(crate) fn abandon(&self) {
        let mut writing = self.writing();
        (writing.rows, writing.draft) = (None, None);
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the session of a run that ends with `failure`. Gives how it ends now, and what is to be
/// said of the session.
pub(crate) fn save(
    shared: &Shared,
    patience: &Patience<'_>,
    failure: Option<anyhow::Error>,
) -> (Option<anyhow::Error>, Option<String>) {
    let Some(session) = shared.session() else { return (failure, None) };
    if shared.is_list_refused() {
        // What is left of another list is not known.
        session.abandon();
        return (failure, None);
    }
    patience.settle("the session", || session.flush());
    match session.finish() {
        Ok((jobs, is_whole)) => {
            let rest = match is_whole {
                true => "",
                false => "; the rest of the input is not, which is a pipe",
            };
            let urls = if jobs == 1 { "URL is" } else { "URLs are" };
            let (jobs, path) = (Number(jobs), session.path.display());
            (failure, Some(format!("{jobs} {urls} left, in {path}{rest}")))
        }
        Err(error) => (failure.or(Some(error)), None),
    }
}

impl Writing {
    fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let Some(rows) = &mut self.rows else { return };
        rows.add(encode);
        // On a full disk it waits in memory: a paused run adds little.
        if rows.is_due() && !rows.is_full() {
            rows.flush();
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let draft = self.draft.take();
        self.rows.take().map_or(Ok(()), RowFile::close_durably)?;
        draft.map_or(Ok(()), Draft::publish)
    }
}

/// A task that was not begun, or not ended, is left.
pub(crate) fn leave(shared: &Shared, task: Queued) {
    if shared.session().is_some() {
        let task = task.unpack();
        shared.left(&task.job, task.planned_name());
    }
}
