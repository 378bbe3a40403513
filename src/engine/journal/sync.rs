//! What a run has told is made to outlive a power loss, every few seconds and at its end.
//!
//! Rows reach the kernel at once, so that they outlive the process in any case. A power loss may
//! take what the kernel had not written yet: of the report, and of files that rows say are there.
//! The mark, a note that stays with the report, tells up to which byte both were on the disk, and
//! in which boot of the machine that was said. After another boot the rows behind it are compared
//! with their files, and where there is no mark (a file system without notes, a copied report) all
//! are trusted.

use super::super::shared::{Shared, Stop};
use crate::config::SyncMode;
use crate::error::RunError;
use crate::ring::dir::FileSystem;
use crate::ring::journal::{note, set_note};
use anyhow::Context as _;
use std::fs::File;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How far a report was durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    /// The boot in which that was said.
    pub(super) boot: String,
    /// Bytes of the report.
    pub(super) length: u64,
}

impl Mark {
    /// The mark of a report, if it has one.
    pub(super) fn of(report: &File) -> Option<Self> {
        let text = note(report, NOTE_DURABLE)?;
        let (boot, length) = text.split_once(' ')?;
        Some(Self { boot: boot.to_owned(), length: length.parse().ok()? })
    }

    /// A mark of this boot; `None` where the machine does not tell one.
    pub(super) fn now(length: u64) -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(Self { boot: boot.trim().to_owned(), length })
    }

    /// Notes it with the report, where that can be.
    pub(super) fn set(&self, report: &File) {
        set_note(report, NOTE_DURABLE, &format!("{} {}", self.boot, self.length));
    }
}

/// The thread that makes things durable.
pub(in super::super) struct Syncer {
    end: SyncSender<()>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// What it works on.
struct Work {
    report: File,
    /// That of the files; none where they are durable before their rows.
    files: Option<FileSystem>,
    shared: Weak<Shared>,
    mark: Mark,
}

/// Starts it, where it has something to do. `report` is another descriptor of the report.
pub(in super::super) fn start(
    report: Option<File>,
    shared: &Arc<Shared>,
) -> anyhow::Result<Option<Syncer>> {
    let config = &shared.config;
    let Some(report) = report else { return Ok(None) };
    let files = match config.journal.sync {
        SyncMode::None => return Ok(None),
        SyncMode::Interval if config.outlet.is_none() => {
            Some(FileSystem::of(&config.dir).context("cannot open the directory to flush it")?)
        }
        SyncMode::Interval | SyncMode::Always => None,
    };
    let is_always = config.journal.sync == SyncMode::Always;
    let mark = Mark::now(0).unwrap_or(Mark { boot: String::new(), length: 0 });
    let mut work = Work { report, files, shared: Arc::downgrade(shared), mark };
    let (end, ended) = sync_channel(1);
    let thread = std::thread::Builder::new()
        .name("sync".into())
        .spawn(move || work.run(&ended, is_always))
        .context("cannot start a thread")?;
    Ok(Some(Syncer { end, thread }))
}

impl Syncer {
    /// All rows were written: makes them durable, unless the run was too short to pay for that.
    ///
    /// # Errors
    /// Something could not be brought to the disk, now or before.
    pub(in super::super) fn finish(self) -> anyhow::Result<()> {
        // Should it have ended by itself, it says why.
        let _ = self.end.send(());
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked")))
    }
}

impl Work {
    /// Syncs every few seconds, and at the end when it had to before or that is cheap.
    fn run(&mut self, ended: &Receiver<()>, is_cheap: bool) -> anyhow::Result<()> {
        let mut is_due_at_end = is_cheap;
        loop {
            match ended.recv_timeout(INTERVAL) {
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(shared) = self.shared.upgrade() {
                        // What cannot be written, the ledger says.
                        shared.ledger().flush();
                    }
                    if let Err(error) = self.sync() {
                        // More rows would be more that is not known to be true.
                        if let Some(shared) = self.shared.upgrade() {
                            shared.set_stop(Stop::Draining);
                        }
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
        if !self.mark.boot.is_empty() {
            self.mark.set(&self.report);
        }
        Ok(())
    }
}

/// How much time passes between two syncs.
const INTERVAL: Duration = Duration::from_secs(5);
/// The name of the mark.
const NOTE_DURABLE: &str = "user.ringpull.durable";
