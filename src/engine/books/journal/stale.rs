//! What a run that was killed left unfinished is looked for and removed, beside the run that takes
//! it up again.
//!
//! Unfinished files are in the directories of lines that were not done. The reader of the list
//! names them, so no other directory is ever looked at, and each of them once.

use crate::engine::say::{heard, say};
use crate::ring::dir::{Dir, SentDir};
use anyhow::Context as _;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The end of the reader: names directories.
pub(crate) struct Stale {
    directories: Sender<Box<str>>,
    seen: HashSet<Box<str>>,
    last: Box<str>,
    /// No line behind this one can have begun.
    index_max: u64,
    counts: Arc<Counts>,
}

/// The end of the run: waits until all of them were looked at.
pub(crate) struct Removal {
    counts: Arc<Counts>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    /// Directories that are still to be looked at.
    waiting: AtomicU64,
    /// Files removed.
    removed: AtomicU64,
}

/// Starts the thread that looks. `index_max` is the last line that an earlier run can have begun.
pub(crate) fn start(dir: SentDir, index_max: u64) -> anyhow::Result<(Stale, Removal)> {
    let (directories, received) = channel();
    let counts: Arc<Counts> = Arc::default();
    let mut stale = Stale {
        directories,
        seen: HashSet::new(),
        last: "".into(),
        index_max,
        counts: Arc::clone(&counts),
    };
    let thread = std::thread::Builder::new()
        .name("stale".into())
        .spawn({
            let counts = Arc::clone(&counts);
            heard::inherit(move || work(&dir.into(), &received, &counts))
        })
        .context("cannot start a thread")?;
    // What was tried out before the run began is in the directory itself.
    stale.send("");
    Ok((stale, Removal { counts, thread }))
}

impl Stale {
    /// Line `index`, whose file is not there, goes to `path`.
    pub(crate) fn look(&mut self, index: u64, path: &str) {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        // Most lines go where the one before went.
        if index > self.index_max || *self.last == *directory {
            return;
        }
        self.last = directory.into();
        if self.seen.len() >= SEEN_MAX {
            self.seen.clear();
        }
        if !self.seen.contains(directory) {
            self.send(directory);
        }
    }

    fn send(&mut self, directory: &str) {
        self.seen.insert(directory.into());
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        // Should the thread be gone, nobody looks; the run goes on without.
        let _ = self.directories.send(directory.into());
    }
}

impl Removal {
    /// Waits until everything was looked at that was named so far. Gives the number of files that
    /// were removed.
    pub(crate) fn finish(self) -> u64 {
        // If it panicked, nobody counts down.
        while self.counts.waiting.load(Ordering::Acquire) > 0 && !self.thread.is_finished() {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.counts.removed.load(Ordering::Relaxed)
    }
}

fn work(dir: &Dir, directories: &Receiver<Box<str>>, counts: &Counts) {
    for directory in directories {
        match dir.remove_stale(&directory) {
            Ok(removed) => {
                counts.removed.fetch_add(removed, Ordering::Relaxed);
            }
            Err(error) => say(&format!(
                "warning: cannot look for unfinished files of an earlier run in {}: {error}",
                Path::new(&*directory).display()
            )),
        }
        counts.waiting.fetch_sub(1, Ordering::Release);
    }
}

/// Directories remembered; with more of them, some are looked at twice.
const SEEN_MAX: usize = 1 << 16;
