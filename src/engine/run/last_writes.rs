//! The last rows and the statistics, when the disk is full at the end of a run.

use crate::engine::books::row_file::{Flushed, RowFile};
use crate::engine::run::signals::Signals;
use crate::engine::shared::Shared;
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

/// How long the end of a run waits for room: for as long as the user said, and not after a signal.
pub(crate) struct LastWrites<'a> {
    shared: &'a Shared,
    signals: &'a Signals,
    began: Instant,
}

impl<'a> LastWrites<'a> {
    /// It begins now.
    pub(crate) fn new(shared: &'a Shared, signals: &'a Signals) -> Self {
        Self { shared, signals, began: Instant::now() }
    }

    /// Waits until the last rows are in the report.
    pub(crate) fn settle_report(&self) {
        self.settle("the report", || self.shared.ledger().flush());
    }

    /// Writes the statistics.
    pub(crate) fn write(&self, file: File, json: &[u8]) -> io::Result<()> {
        let mut rows = RowFile::new(file, self.shared.config.disk.wait_ms > 0);
        rows.add(|out| out.extend_from_slice(json));
        self.settle("the statistics", || rows.flush());
        rows.close()
    }

    /// Writes something until it is in its file, or until it was waited for too long.
    pub(crate) fn settle(&self, what: &str, mut write: impl FnMut() -> Flushed) {
        let wait = Duration::from_millis(self.shared.config.disk.wait_ms);
        let mut is_told = false;
        while write() == Flushed::Full {
            if !std::mem::replace(&mut is_told, true) {
                self.shared.tell_end_waits(what);
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
