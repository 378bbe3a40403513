//! Where the one body of a run is streamed to, where `-o` names no file: opened once, before
//! anything is asked for, and open to the end, whatever number of attempts there is.

use crate::config::ProgressMode;
use crate::engine::core::desk::Core;
use crate::engine::shared::Stop;
use crate::engine::watch::progress::say;
use crate::fault::{Cause, Fault, Stage};
use crate::ring::stream::Stream;
use std::time::{Duration, Instant};

/// The stream of a run, for one attempt that writes into it.
pub(crate) struct Outflow<'c> {
    core: &'c Core,
    stream: &'c Stream,
    job_at_ms: u64,
}

impl<'c> Outflow<'c> {
    /// That of the run, which is open, for a job that is over at `job_at_ms` of the run. `None`
    /// where bodies go to files.
    pub(crate) fn of(core: &'c Core, job_at_ms: u64) -> Option<Self> {
        let stream = core.shared.stream.get()?;
        Some(Self { core, stream, job_at_ms })
    }

    /// Writes all of it. Whoever reads may take until the job is over.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), Cause> {
        self.core.until(self.job_at_ms, self.stream.write(bytes)).await?
    }

    /// All was written.
    pub(crate) fn finish(&self) -> Result<(), Cause> {
        self.stream.finish(self.core.shared.config.fsync)
    }
}

/// Opens the stream of the run, if it has one and that is not open. A FIFO waits for its reader
/// until the job is over.
pub(crate) async fn open(core: &Core, job_at_ms: u64) -> Result<(), Fault> {
    let shared = &core.shared;
    let Some(outlet) = &shared.config.outlet else { return Ok(()) };
    let failed = |cause| Fault::new(Stage::Write, cause);
    let began = Instant::now();
    let mut is_told = !shared.config.summary || shared.config.progress == ProgressMode::Json;
    while shared.stream.get().is_none() {
        if let Some(stream) = Stream::open(outlet).map_err(failed)? {
            // There is one job, and so nobody else who sets it.
            let _ = shared.stream.set(stream);
            break;
        }
        if shared.stop() != Stop::Running {
            return Err(failed(Cause::Interrupted));
        }
        if began.elapsed() >= TELL_AFTER && !std::mem::replace(&mut is_told, true) {
            let name = shared.config.output.as_deref().unwrap_or_default();
            say(&format!("waiting for somebody to read the FIFO {}{name}", shared.dir_shown()));
        }
        core.until(job_at_ms, tokio::time::sleep(LOOK_EVERY)).await.map_err(failed)?;
    }
    Ok(())
}

/// How often a FIFO is looked at that nobody reads: the kernel tells nobody of a reader.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// When to say what the run waits for.
const TELL_AFTER: Duration = Duration::from_secs(1);
