//! Where the one body of a run is streamed to, where it goes to no file: opened once, before
//! anything is asked for, and open to the end, whatever number of attempts there is.

use crate::config::Destination;
use crate::engine::moment::Bounds;
use crate::engine::output::destination::Output;
use crate::engine::output::stored::Location;
use crate::fault::{Cause, Fault, Stage};
use crate::ring::file::Fsync;
use crate::ring::stream::Stream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The stream of a run, for one attempt that writes into it.
pub(crate) struct Outflow<'c> {
    stream: &'c Stream,
    has_begun: &'c AtomicBool,
    fsync: Fsync,
    bounds: Bounds<'c>,
}

impl Outflow<'_> {
    /// Writes all bytes. Whoever reads may take until the job is over.
    pub(super) async fn write(&self, bytes: &[u8]) -> Result<(), Cause> {
        // Some may have gone out although the write fails.
        self.has_begun.fetch_or(!bytes.is_empty(), Ordering::Relaxed);
        self.bounds.until(self.stream.write(self.bounds.io, bytes)).await?
    }

    /// Ends the body, all of which was written.
    pub(super) fn finish(&self) -> Result<(), Cause> {
        self.stream.finish(self.fsync)
    }
}

impl Output {
    /// Opens the stream of the run, if it has one and that is not open. A FIFO waits for its reader
    /// until the job of `bounds` is over or nothing more `may_begin`; `tell` is called once where
    /// that takes long, with the name of the FIFO. Says whether there is a stream.
    ///
    /// # Errors
    /// It cannot be opened, or nobody came in time.
    pub(crate) async fn open_stream(
        &self,
        bounds: Bounds<'_>,
        may_begin: impl Fn() -> bool,
        tell: impl FnOnce(&str),
    ) -> Result<bool, Fault> {
        let Some(outlet) = self.destination.outlet() else { return Ok(false) };
        let failed = |cause| Fault::new(Stage::Write, cause);
        let began = Instant::now();
        let mut tell = Some(tell);
        while self.stream.get().is_none() {
            if let Some(stream) = Stream::open(outlet).map_err(failed)? {
                // There is one job, and so nobody else who sets it.
                let _ = self.stream.set(stream);
                break;
            }
            if !may_begin() {
                return Err(failed(Cause::Interrupted));
            }
            if began.elapsed() >= TELL_AFTER
                && let Some(tell) = tell.take()
            {
                let name = self.destination.name().unwrap_or_default();
                tell(&format!("{}{name}", self.dir_shown));
            }
            bounds.until(bounds.io.sleep(LOOK_EVERY)).await.map_err(failed)?;
        }
        Ok(true)
    }

    /// The stream, which is open, for a job with these bounds. `None` where there is none.
    pub(super) fn outflow<'c>(&'c self, bounds: Bounds<'c>) -> Option<Outflow<'c>> {
        let stream = self.stream.get()?;
        Some(Outflow { stream, has_begun: &self.has_streamed, fsync: self.fsync, bounds })
    }

    /// Whether bytes went into the stream, which cannot be taken back.
    pub(crate) fn has_streamed(&self) -> bool {
        self.has_streamed.load(Ordering::Relaxed)
    }

    /// Where a body is that went into the stream.
    pub(super) fn location_of_stream(&self) -> Location {
        if self.destination == Destination::Stdout { Location::Stdout } else { Location::Planned }
    }
}

/// How often a FIFO is looked at that nobody reads: the kernel tells nobody of a reader.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// When to say what the run waits for.
const TELL_AFTER: Duration = Duration::from_secs(1);
