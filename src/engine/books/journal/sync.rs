//! What a run has told is made to outlive a power loss, every few seconds and at its end.
//!
//! Rows reach the kernel at once, so that they outlive the process in any case. A power loss may
//! take what the kernel had not written yet: of the report, and of files that rows say are there.
//! The mark tells up to which byte both were on the disk, and in which epoch that was said; see
//! [`super::mark`].

use super::mark::{Epoch, Mark};
use crate::config::{Config, SyncMode};
use crate::engine::say::heard;
use crate::error::RunError;
use crate::ring::dir::FileSystem;
use crate::ring::file::Fsync;
use crate::ring::journal::sync_interval;
use anyhow::Context as _;
use std::fs::File;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The thread that makes things durable.
pub(crate) struct Syncer {
    end: SyncSender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// What the thread that makes things durable works on.
struct Work {
    report: File,
    /// File system of the downloads; `None` with `--sync always`, which makes each file durable
    /// before its row.
    files: Option<FileSystem>,
    run: Run,
    mark: Mark,
}

/// What the thread asks of the run.
pub(crate) struct Run {
    /// Writes the rows that wait.
    pub(crate) flush: Box<dyn Fn() + Send>,
    /// Ends it.
    pub(crate) stop: Box<dyn Fn() + Send>,
}

/// What is to be made durable.
pub(crate) struct ToSync {
    /// Another descriptor of the report.
    pub(super) report: File,
    pub(super) epoch: Option<Epoch>,
    /// However short the run is.
    pub(super) is_due_at_end: bool,
}

/// Starts it, where it has something to do.
pub(crate) fn start(
    to_sync: Option<ToSync>,
    config: &Config,
    run: Run,
) -> anyhow::Result<Option<Syncer>> {
    let Some(ToSync { report, epoch, is_due_at_end }) = to_sync else { return Ok(None) };
    let files = match config.journal.sync {
        SyncMode::None => return Ok(None),
        SyncMode::Interval if config.destination.has_dir() => {
            Some(FileSystem::of(&config.dir).context("cannot open the directory to flush it")?)
        }
        SyncMode::Interval | SyncMode::Always => None,
    };
    // Then it is cheap: all of it, or all but the report, is on the disk by then.
    let is_cheap = config.journal.sync == SyncMode::Always || config.fsync == Fsync::End;
    let is_due_at_end = is_due_at_end || is_cheap;
    let mark = Mark { epoch, length: 0 };
    let mut work = Work { report, files, run, mark };
    let (end, ended) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("sync".into())
        .spawn(heard::inherit(move || work.run(&ended, is_due_at_end)))
        .context("cannot start a thread")?;
    Ok(Some(Syncer { end, thread }))
}

impl Syncer {
    /// All rows were written: makes them durable, unless the run was too short to pay for that.
    ///
    /// # Errors
    /// Something could not be brought to the disk, now or before.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        // Should it have ended by itself, it says why.
        let _ = self.end.send(());
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
    }
}

impl Work {
    /// Syncs every few seconds, and at the end when it had to before or that is due.
    fn run(&mut self, ended: &Receiver<()>, mut is_due_at_end: bool) -> anyhow::Result<()> {
        let interval = sync_interval(INTERVAL);
        loop {
            match ended.recv_timeout(interval) {
                Err(RecvTimeoutError::Timeout) => {
                    // What cannot be written, the end of the run says.
                    (self.run.flush)();
                    if let Err(error) = self.sync() {
                        // More rows would be more that is not known to be true.
                        (self.run.stop)();
                        return Err(error);
                    }
                    is_due_at_end = true;
                }
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    return if is_due_at_end { self.sync() } else { Ok(()) };
                }
            }
        }
    }

    /// First the files, then the rows that speak of them, then the mark that speaks of both.
    fn sync(&mut self) -> anyhow::Result<()> {
        let cannot = || {
            RunError::local_file(
                "cannot bring the report and its files to the disk: rows may say ok of files that \
                 do not outlast a power loss; --verify tells which",
            )
        };
        let length = self.report.metadata().with_context(cannot)?.len();
        if length == self.mark.length {
            return Ok(());
        }
        self.files.as_ref().map_or(Ok(()), FileSystem::sync).with_context(cannot)?;
        self.report.sync_data().with_context(cannot)?;
        self.mark.length = length;
        self.mark.set(&self.report);
        Ok(())
    }
}

/// How much time passes between two syncs.
const INTERVAL: Duration = Duration::from_secs(5);
