//! Bodies that go to no file: what came of one, for the next attempt, which goes on behind it.

use crate::engine::output::assembly::Tally;
use crate::engine::output::collected::Collected;
use crate::fault::{Cause, Fault, Stage};
use crate::http::Head;
use crate::plan::validator::Validator;
use crate::plan::verdict::{self, PartAsk};
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
    /// Whether the rest comes from another server than the begin.
    pub(super) is_elsewhere: bool,
    /// The bytes themselves, where they are to go into an archive.
    pub(super) collected: Option<Box<Collected>>,
}

impl Flow {
    /// Whether a part that another server sends is of the same bytes: it has the same strong entity
    /// tag. A server that ignores If-Range and says nothing of its version has compared nothing.
    pub(crate) fn fits_server(&self, head: &Head) -> bool {
        !self.is_elsewhere || self.validator.is_same_tag(head)
    }

    /// The version that the rest must be of.
    pub(crate) fn validator(&self) -> &Arc<Validator> {
        &self.validator
    }

    /// Another server is asked for the rest: a date says nothing to that one.
    pub(crate) fn leave_server(&mut self) {
        self.validator = Arc::new(self.validator.without_date());
        self.is_elsewhere = true;
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

    /// Whether what came can be the begin of a body that is so long, where that is known.
    pub(crate) fn fits(&self, complete: Option<u64>) -> bool {
        complete.is_none_or(|complete| {
            complete >= self.tally.bytes && self.length.is_none_or(|length| length == complete)
        })
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
    /// Whether the begin of the body came from another server.
    pub(super) is_elsewhere: bool,
}

impl Rest {
    /// The rest of what `flow` is the begin of, or as much of it as goes to `end`.
    pub(super) fn behind(flow: &Flow, end: u64) -> Self {
        let Flow { tally, validator, is_elsewhere, .. } = flow;
        Self {
            before: tally.bytes,
            end,
            validator: Arc::clone(validator),
            is_elsewhere: *is_elsewhere,
        }
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
        if verdict::ends_early(self.before..self.before + bytes, self.end, is_short) {
            let cut = Cause::Truncated { got: bytes, want: Some(want) };
            return Err(Fault::new(Stage::Body, cut));
        }
        Ok(is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Destination};
    use crate::engine::moment::Bounds;
    use crate::engine::output::assembly::{Coming, KEPT_BYTES_MIN};
    use crate::engine::output::body::Body;
    use crate::engine::output::destination::Output;
    use crate::engine::output::dir_rules::DirRules;
    use crate::http::head::Framing;
    use crate::limits::LONG_BYTES_MIN;
    use crate::plan::checksum::{Hasher, Kind};
    use crate::plan::job::Job;
    use crate::report::journal::Lost;
    use crate::ring::buf::{BufPool, Size};
    use crate::ring::dir::{Dir, WriteOptions};
    use crate::ring::io::Io;
    use std::time::Instant;
    use tokio::sync::Notify;

    fn tag() -> Validator {
        Validator::from_parts(Some("\"a\""), None, false)
    }

    fn flow(bytes: u64, length: Option<u64>, validator: Validator) -> Flow {
        let validator = Arc::new(validator);
        let (tally, is_elsewhere, collected) = (Tally::default(), false, None);
        let mut flow = Flow { tally, length, validator, is_elsewhere, collected };
        flow.tally.bytes = bytes;
        flow
    }

    #[test]
    fn a_rest_is_all_of_it_or_too_little_or_goes_on() {
        const MIB: u64 = LONG_BYTES_MIN;
        let flow = flow(MIB, Some(4 * MIB), tag());
        let told = |end, bytes, length| {
            let lacks_more = Rest::behind(&flow, end).lacks_more(bytes, length);
            lacks_more.map_err(|fault| fault.cause)
        };
        let cut = |got, want| Err(Cause::Truncated { got, want: Some(want) });
        for (end, bytes, length, wanted) in [
            (4 * MIB, 3 * MIB, Some(4 * MIB), Ok(false)),
            (4 * MIB, 3 * MIB - 1, Some(4 * MIB), cut(3 * MIB - 1, 3 * MIB)),
            (4 * MIB, 0, None, cut(0, 3 * MIB)),
            (2 * MIB, MIB, Some(4 * MIB), Ok(true)),
            (2 * MIB, MIB, None, Ok(true)),
            // As good as broken off.
            (2 * MIB - 1, MIB - 1, Some(4 * MIB), cut(MIB - 1, 3 * MIB)),
            (MIB + 1, 1, None, cut(1, 1)),
            (MIB + 1, 1, Some(MIB + 1), Ok(false)),
        ] {
            assert_eq!(told(end, bytes, length), wanted, "{bytes} up to {end} of {length:?}");
        }
        let rest = Rest::behind(&flow, 2 * MIB);
        assert_eq!(rest.reach(MIB), Ok(2 * MIB));
        assert_eq!(rest.reach(MIB + 1).map_err(|fault| fault.cause), Err(Cause::Range));
    }

    #[test]
    fn only_who_compared_can_say_that_nothing_follows() {
        let ends = |length, validator, complete| {
            let mut flow = flow(9, length, validator);
            flow.ends_at(complete) && flow.is_whole()
        };
        assert!(ends(None, tag(), Some(9)));
        assert!(!ends(None, tag(), Some(8)) && !ends(None, tag(), None));
        assert!(!ends(Some(10), tag(), Some(9)), "it was longer");
        assert!(!ends(None, Validator::default(), Some(9)));
        let fits = |length, complete| flow(9, length, tag()).fits(complete);
        assert!(fits(None, None) && fits(None, Some(9)) && fits(Some(10), Some(10)));
        assert!(!fits(None, Some(8)) && !fits(Some(10), Some(11)));
    }

    #[test]
    fn digest_and_count_go_on() {
        let content: Vec<u8> = (0..=250).cycle().take(3 * KEPT_BYTES_MIN).collect();
        let config = Config {
            destination: Destination::Null,
            compute_hash: Some(Kind::Sha256),
            ..Config::default()
        };
        let output = Output::new(&config, DirRules::new(&config, None), Lost::default());
        let (root, buffers) = (tempfile::tempdir().unwrap(), BufPool::default());
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        let (interrupt, job) = (Notify::new(), Job::from_argument(7, "http://h/a").unwrap());
        let io = Io::default();
        let (began, job_at_ms) = (Instant::now(), 60_000);
        let bounds = Bounds { io: &io, began, job_at_ms, interrupt: &interrupt };
        let length = content.len() as u64;
        let framing = Framing::Length(length);
        let coming = Coming { job: &job, path: "a", framing, is_coded: false };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let begin = || Body::begin(&output, coming, (&dir, &buffers), bounds).unwrap();
            let mut buf = buffers.take(Size::Large);
            buf.append_body(&content[..KEPT_BYTES_MIN - 1]);
            assert!(begin().into_flow(&mut buf, tag()).await.unwrap().is_none(), "too little");

            let mut buf = buffers.take(Size::Large);
            buf.append_body(&content[..KEPT_BYTES_MIN]);
            let mut flow = begin().into_flow(&mut buf, tag()).await.unwrap().unwrap();
            for end in [2 * KEPT_BYTES_MIN, 3 * KEPT_BYTES_MIN] {
                assert_eq!(flow.ask(false).first, (end - KEPT_BYTES_MIN) as u64);
                let reach = (end as u64, Some(length));
                let mut body = Body::behind(&output, 7, flow, reach, bounds).unwrap();
                let mut buf = buffers.take(Size::Large);
                buf.append_body(&content[end - KEPT_BYTES_MIN..end]);
                if end < content.len() {
                    // What the response says of itself is not asked for again.
                    flow = body.into_flow(&mut buf, Validator::default()).await.unwrap().unwrap();
                    assert_eq!(**flow.validator(), tag());
                    continue;
                }
                body.conclude(&mut buf).await.unwrap().unwrap();
                let stored = body.finish(&mut buf, "a").await.unwrap();
                let mut hasher = Hasher::new(Kind::Sha256);
                hasher.update(&content);
                assert_eq!((stored.size, stored.digest), (length, Some(hasher.finish())));
                return;
            }
        });
    }
}
