//! What all threads of a run share.

use crate::config::Config;
use crate::engine::books::closing::Books;
use crate::engine::moment::ms;
use crate::engine::output::destination::Output;
use crate::engine::queue::jobs::Queue;
use crate::engine::state::disk_full::FullDisk;
use crate::engine::state::gauges::Gauges;
use crate::engine::state::reading::ReaderState;
use crate::engine::state::shortage::Shortages;
use crate::engine::state::stop::StopFlag;
use std::sync::Arc;
use std::time::Instant;

/// The shared state of one run. Each part has its own lock, and what is done with it.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// All times of the run count from here.
    pub(crate) began: Instant,
    /// Jobs that wait.
    pub(crate) queue: Arc<Queue>,
    /// How far the end of the run has come.
    pub(crate) stop: Arc<StopFlag>,
    /// Rows, and what is left.
    pub(crate) books: Books,
    /// Where bodies go.
    pub(crate) output: Output,
    /// How far the reader of the list is.
    pub(crate) reader: ReaderState,
    /// What those who watch the run are told.
    pub(crate) gauges: Gauges,
    /// What is known of a full disk.
    pub(crate) full_disk: FullDisk,
    /// How often a job lacked descriptors, memory or the like.
    pub(crate) shortages: Shortages,
}

impl Shared {
    /// What the threads of a run share that begins at `began`.
    pub(crate) fn new(
        config: Config,
        began: Instant,
        queue: Queue,
        stop: Arc<StopFlag>,
        books: Books,
        output: Output,
    ) -> Self {
        Self {
            began,
            queue: Arc::new(queue),
            stop,
            books,
            output,
            reader: ReaderState::default(),
            gauges: Gauges::new(config.cpus.len()),
            full_disk: FullDisk::new(&config),
            shortages: Shortages::default(),
            config,
        }
    }

    /// Milliseconds since the run began.
    pub(crate) fn now_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }
}
