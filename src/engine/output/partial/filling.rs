//! One response on its way into a part of a body.

use crate::engine::moment::ms;
use crate::engine::output::partial::{FOLLOW_BYTES, Partial, io_cause};
use crate::engine::output::stored::write_fault;
use crate::fault::{Cause, Fault};
use crate::plan::parts::{Course, Taken};
use crate::plan::sources::Fit;
use crate::plan::verdict;
use crate::report::Resume;
use crate::ring::buf::RecvBuf;
use crate::ring::file::PartWriter;
use crate::ring::io::Io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A range of a body that somebody is to fetch. What is left of it is for others when this is
/// dropped.
pub(crate) struct Claim {
    partial: Arc<Partial>,
    part: Taken,
    /// Tells that somebody else fetches all that is left.
    cut: Arc<AtomicBool>,
    /// How its bytes go with the others, where another source brings them.
    fits: Option<Fit>,
}

impl Claim {
    /// The range `part` of a body is somebody's by now, until `cut` tells otherwise.
    pub(super) fn new(partial: &Arc<Partial>, part: Taken, cut: Arc<AtomicBool>) -> Self {
        Self { partial: Arc::clone(partial), part, cut, fits: None }
    }

    /// What says that the connection is to be shut down, for somebody else fetches all that is
    /// left.
    pub(crate) fn cut(&self) -> &Arc<AtomicBool> {
        &self.cut
    }

    /// This range, where another source brings its bytes, which go with the others in this way.
    pub(crate) fn of_mirror(mut self, fit: Fit) -> Self {
        self.fits = Some(fit);
        self
    }

    /// The range to be fetched; its end is [`u64::MAX`] where the length of the body is not known.
    pub(crate) fn range(&self) -> Range<u64> {
        self.part.range.clone()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.partial.leave(self.part.id);
    }
}

/// What one response fills of a body.
pub(crate) struct Filling {
    claim: Claim,
    writer: PartWriter,
    /// Offset of the next byte.
    at: u64,
    /// Offset behind the last byte that the response brings, as far as that is known.
    response_end: u64,
    /// Whether nothing is written, for the file is only compared with what comes.
    is_look: bool,
    /// The part has its end, which may be before that of the response.
    is_over: bool,
    /// When the run began.
    began: Instant,
}

impl Filling {
    /// Nothing has come so far of a response that goes on to `response_end`, and begins where the
    /// part does.
    ///
    /// # Errors
    /// There is no descriptor to be had.
    pub(crate) fn new(
        io: &Io,
        claim: Claim,
        response_end: Option<u64>,
        began: Instant,
    ) -> Result<Self, Fault> {
        let mut writer = claim.partial.file.writer(io).map_err(write_fault)?;
        let is_look = claim.partial.is_complete();
        if !is_look {
            writer.expect(claim.part.range.clone());
        }
        let (at, response_end) = (claim.part.range.start, response_end.unwrap_or(u64::MAX));
        Ok(Self { claim, writer, at, response_end, is_look, is_over: false, began })
    }

    /// Whether nothing more of the response is wanted.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Offset of the first byte that the response brings.
    pub(crate) fn begin(&self) -> u64 {
        self.claim.part.range.start
    }

    /// As [`Claim::cut`].
    pub(crate) fn cut(&self) -> &Arc<AtomicBool> {
        &self.claim.cut
    }

    /// Whether somebody else fetches all that is left.
    pub(crate) fn is_cut(&self) -> bool {
        self.claim.cut.load(Ordering::Relaxed)
    }

    /// The response has come to its end, and so has the body where that is how its length is found.
    pub(crate) fn told_length(&self) {
        if self.response_end == u64::MAX && !self.is_over {
            let _: bool = self.claim.partial.learn_length(self.at);
        }
    }

    /// Whether the response has ended where it must not: before its own end, or so soon that
    /// whoever sends a byte at a time would be asked without end.
    pub(crate) fn is_short(&self) -> bool {
        let range = &self.claim.part.range;
        let is_told = self.response_end != u64::MAX && !self.is_over;
        let is_left = range.end != u64::MAX;
        is_told && verdict::ends_early(range.start..self.at, self.response_end, is_left)
    }

    /// Whether others bring ranges of the same body, or have.
    pub(crate) fn is_one_of_many(&self) -> bool {
        self.claim.partial.is_split.load(Ordering::Relaxed)
    }

    /// Writes what waits in `buf`, as far as it belongs to the part.
    pub(in crate::engine::output) async fn write(
        &mut self,
        buf: &mut RecvBuf,
    ) -> Result<(), Cause> {
        let Claim { partial, part, fits, .. } = &self.claim;
        let upto = self.at + buf.body_len() as u64;
        let end = partial.reach(part.id, upto, self.response_end);
        if end < upto {
            buf.shorten_body(usize::try_from(end.saturating_sub(self.at)).unwrap_or(0));
            self.is_over = true;
        }
        let bytes = buf.body_len() as u64;
        if bytes == 0 {
            buf.body_written();
            return Ok(());
        }
        if self.is_look && !partial.has_bytes(buf.body(), self.at)? {
            partial.outdate(Resume::Unvouched);
            self.is_over = true;
            buf.body_written();
            return Ok(());
        }
        if partial.is_digested
            && let Ok(mut front) = partial.front.try_lock()
        {
            front.take(buf.body(), self.at);
        }
        match self.is_look {
            true => buf.body_written(),
            false => self.writer.write(buf, self.at).await?,
        }
        self.at += bytes;
        let now_ms = self.now_ms();
        if matches!(partial.came(part.id, bytes, *fits, now_ms), Course::Ended) {
            self.is_over = true;
        }
        partial.follow(FOLLOW_BYTES).map_err(|error| io_cause(&error))?;
        if partial.is_sync_due(now_ms) {
            // Boxed, as what is rare is.
            Box::pin(partial.sync(self.writer.io(), || self.now_ms())).await;
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }
}
