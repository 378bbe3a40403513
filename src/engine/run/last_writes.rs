//! The last rows and the statistics, when the disk is full at the end of a run.

use crate::engine::books::replace::Replacement;
use crate::engine::books::row_file::Flushed;
use crate::engine::run::signals::Signals;
use crate::engine::shared::Shared;
use std::io;
use std::time::{Duration, Instant};

/// Waits for disk space at the end of a run: for at most `--disk-wait`, and not once a signal came.
pub(crate) struct LastWrites<'a> {
    shared: &'a Shared,
    signals: &'a Signals,
    began: Instant,
}

impl<'a> LastWrites<'a> {
    /// Begins to wait, now.
    pub(crate) fn new(shared: &'a Shared, signals: &'a Signals) -> Self {
        Self { shared, signals, began: Instant::now() }
    }

    /// Waits until the last rows are in the report.
    pub(crate) fn flush_report(&self) {
        self.flush_until_written("the report", || self.shared.books.rows().flush());
    }

    /// Writes the statistics.
    pub(crate) fn write(&self, mut file: Replacement, json: &[u8]) -> io::Result<()> {
        file.add(|out| out.extend_from_slice(json));
        self.flush_until_written("the statistics", || file.flush());
        file.finish()
    }

    /// Writes something until it is in its file, or until it was waited for too long.
    pub(crate) fn flush_until_written(&self, what: &str, mut write: impl FnMut() -> Flushed) {
        let wait = Duration::from_millis(self.shared.config.disk_wait_ms);
        let mut is_told = false;
        while write() == Flushed::Full {
            if !std::mem::replace(&mut is_told, true) {
                self.shared.full_disk.tell_end_waits(what);
            }
            std::thread::sleep(STEP);
            let is_over = self.shared.full_disk.is_given_up() || self.began.elapsed() >= wait;
            if is_over || self.signals.count() > 0 {
                return;
            }
        }
    }
}

/// How often the disk is tried.
const STEP: Duration = Duration::from_millis(100);
