//! Bodies that go to no file: what came of one, for the next attempt, which goes on behind it.

use crate::engine::output::assembly::Tally;
use crate::fault::{Cause, Fault, Stage};
use crate::limits::LONG_BYTES_MIN;
use crate::plan::validator::Validator;
use crate::plan::verdict::PartAsk;
use std::sync::Arc;

/// What came of a body that goes to no file: all of it from its begin on, counted and passed on.
///
/// There is at most one of a body, and whatever takes it away goes on with it or gives it up. So
/// nothing is ever written into a stream twice: without it, nobody can write behind what is there.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(super) tally: Tally,
    /// How long the body is, where that is known.
    pub(super) length: Option<u64>,
    /// The version that it is of.
    pub(super) validator: Arc<Validator>,
}

impl Flow {
    /// The version that the rest must be of.
    pub(crate) fn validator(&self) -> &Arc<Validator> {
        &self.validator
    }

    /// Bytes that came.
    pub(crate) fn bytes(&self) -> u64 {
        self.tally.bytes
    }

    /// What is asked of a server: all that is missing.
    pub(crate) fn ask(&self, takes_unvouched: bool) -> PartAsk<'_> {
        PartAsk {
            first: self.tally.bytes,
            last: None,
            complete: self.length,
            validator: &self.validator,
            takes_unvouched,
        }
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.length == Some(self.tally.bytes)
    }

    /// A server that compared the version has nothing behind what came, and says how long all of it
    /// is. Whether that is the end of the body, whose length was not known so far.
    pub(crate) fn ends_at(&mut self, complete: Option<u64>) -> bool {
        let is_end = self.length.is_none()
            && complete == Some(self.tally.bytes)
            && self.validator.is_strong();
        if is_end {
            self.length = complete;
        }
        is_end
    }
}

/// A response that brings what is missing of such a body, or the begin of it.
#[derive(Debug)]
pub(super) struct Rest {
    /// Bytes that were there before.
    before: u64,
    /// Offset in the body behind the last byte that comes.
    end: u64,
    pub(super) validator: Arc<Validator>,
}

impl Rest {
    /// The rest of what `flow` is the begin of, or as much of it as goes to `end`.
    pub(super) fn behind(flow: &Flow, end: u64) -> Self {
        Self { before: flow.tally.bytes, end, validator: Arc::clone(&flow.validator) }
    }

    /// Length of the body when so many bytes of the response are there.
    ///
    /// # Errors
    /// It brings more than it says.
    pub(super) fn reach(&self, bytes: u64) -> Result<u64, Fault> {
        let reached = self.before + bytes;
        if reached > self.end {
            let fault = Fault::new(Stage::Body, Cause::Range);
            return Err(fault.with_detail("the body is longer than its Content-Range"));
        }
        Ok(reached)
    }

    /// Whether more is to be asked for after a response that brought so many bytes in all, of a
    /// body that is `length` bytes long where that is known.
    ///
    /// # Errors
    /// It brought fewer bytes than it says, or so few that it counts as broken off: whoever sends a
    /// byte at a time is asked no more often than anybody else.
    pub(super) fn lacks_more(&self, bytes: u64, length: Option<u64>) -> Result<bool, Fault> {
        let is_short = length != Some(self.before + bytes);
        let want = if is_short { length.unwrap_or(self.end) } else { self.end } - self.before;
        if self.before + bytes < self.end || (is_short && bytes < LONG_BYTES_MIN) {
            let cut = Cause::Truncated { got: bytes, want: Some(want) };
            return Err(Fault::new(Stage::Body, cut));
        }
        Ok(is_short)
    }
}
