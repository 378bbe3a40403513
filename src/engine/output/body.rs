//! One body on its way: taken from its buffer, decoded where it is coded, and passed on.

use crate::engine::moment::Bounds;
use crate::engine::output::assembly::{Assembly, Coming, KEPT_BYTES_MIN, Kept};
use crate::engine::output::destination::Output;
use crate::engine::output::flow::{Flow, Rest};
use crate::engine::output::partial::Filling;
use crate::engine::output::stored::{Obstacle, Stored, write_fault};
use crate::fault::{Cause, Fault, Stage};
use crate::http::coding::Gunzip;
use crate::http::head::Framing;
use crate::plan::checksum::Mismatch;
use crate::plan::validator::Validator;
use crate::plan::verdict::check_size;
use crate::ring::buf::{BufPool, RecvBuf, Size};
use crate::ring::dir::Dir;
use crate::ring::file::Stamp;
use std::sync::Arc;

/// The body of one response, and how much of it may come.
pub(crate) struct Body<'c> {
    to: To<'c>,
    bytes_max: Option<u64>,
    /// What was there before it came, where that is not nothing.
    rest: Option<Box<Rest>>,
    /// What stands in front, where the body is coded.
    decoding: Option<Box<Decoding>>,
}

/// What becomes of a body.
#[allow(clippy::large_enum_variant, reason = "most are of a job, and a box costs each of them")]
enum To<'c> {
    /// What its job is about.
    Assembly(Assembly<'c>),
    /// A text in memory: the first bytes, at most so many.
    Text(Vec<u8>, usize),
    /// Nothing: at most so many more bytes are read so that their connection can be reused.
    Nothing(usize),
}

impl<'c> Body<'c> {
    /// The body that a job is about, and that is coming now: see [`Assembly::begin`].
    ///
    /// # Errors
    /// It is longer than what is permitted, or no file can be made for it.
    pub(crate) fn begin(
        output: &'c Output,
        coming: Coming<'_>,
        (dir, buffers): (&Dir, &BufPool),
        bounds: Bounds<'c>,
    ) -> Result<Self, Fault> {
        let bytes_max = output.body_bytes_max;
        if let Framing::Length(bytes) = coming.framing {
            check_size(bytes, bytes_max)?;
        }
        let assembly = Assembly::begin(output, coming, dir, bounds)?;
        let body = Self { to: To::Assembly(assembly), bytes_max, rest: None, decoding: None };
        Ok(if coming.is_coded { body.decoding(buffers) } else { body })
    }

    /// The range of a long body that is coming now.
    pub(crate) fn of_range(output: &'c Output, index: u64, filling: Filling) -> Self {
        let (assembly, bytes_max) =
            (Assembly::of_range(output, index, filling), output.body_bytes_max);
        Self { to: To::Assembly(assembly), bytes_max, rest: None, decoding: None }
    }

    /// What is missing of a body that goes to no file, or the begin of that: it goes to `end` of
    /// the body, which is `length` bytes long where that is known.
    ///
    /// # Errors
    /// It is longer than what is permitted.
    pub(crate) fn behind(
        output: &'c Output,
        index: u64,
        flow: Flow,
        (end, length): (u64, Option<u64>),
        bounds: Bounds<'c>,
    ) -> Result<Self, Fault> {
        let bytes_max = output.body_bytes_max;
        check_size(length.unwrap_or(end), bytes_max)?;
        let rest = Some(Box::new(Rest::behind(&flow, end)));
        let came = (flow.tally, length, flow.collected);
        let assembly = Assembly::go_on(output, index, came, bounds);
        Ok(Self { to: To::Assembly(assembly), bytes_max, rest, decoding: None })
    }

    /// Whether it comes behind what was there of it.
    pub(crate) fn is_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Whether more of it is to be asked for after a response that brought so many bytes in all.
    ///
    /// # Errors
    /// It brought too few of them.
    pub(crate) fn lacks_more(&self, bytes: u64) -> Result<bool, Fault> {
        let (Some(rest), To::Assembly(assembly)) = (&self.rest, &self.to) else { return Ok(false) };
        rest.lacks_more(bytes, assembly.length())
    }

    /// What came so far of a body that goes to no file, the last of which waits in `last`.
    /// `validator` is that of its first response. Nothing where that is too little to be worth it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) async fn into_flow(
        self,
        last: &mut RecvBuf,
        validator: Validator,
    ) -> Result<Option<Flow>, Fault> {
        let Self { to: To::Assembly(assembly), rest, decoding: None, .. } = self else {
            return Ok(None);
        };
        let bytes = assembly.bytes() + last.body_len() as u64;
        if bytes < KEPT_BYTES_MIN as u64 && !assembly.is_out() {
            return Ok(None);
        }
        let (tally, length, collected) = assembly.stop(last).await.map_err(write_fault)?;
        let (validator, is_elsewhere) = match rest {
            Some(rest) => (rest.validator, rest.is_elsewhere),
            None => (Arc::new(validator), false),
        };
        Ok(Some(Flow { tally, length, validator, is_elsewhere, collected }))
    }

    /// Whether a coding is undone.
    pub(crate) fn is_decoded(&self) -> bool {
        self.decoding.is_some()
    }

    /// The range of a long body that comes, if it is one.
    pub(crate) fn filling(&self) -> Option<&Filling> {
        match &self.to {
            To::Assembly(assembly) => assembly.filling(),
            To::Text(..) | To::Nothing(_) => None,
        }
    }

    /// What came so far, for the next attempt; see [`Assembly::keep`].
    pub(crate) async fn keep(self, last: &mut RecvBuf, to: (&Dir, &str)) -> Option<Kept> {
        match self.to {
            // What was decoded is no part of what the server has.
            To::Assembly(assembly) if self.decoding.is_none() => assembly.keep(last, to).await,
            To::Assembly(_) | To::Text(..) | To::Nothing(_) => None,
        }
    }

    /// A text that is kept in memory. One of more than `bytes_max` bytes is refused; its first ones
    /// are there.
    pub(crate) fn text(bytes_max: usize) -> Self {
        Self { to: To::Text(Vec::new(), bytes_max), bytes_max: None, rest: None, decoding: None }
    }

    /// The body of a redirect or of a failure, of which nothing becomes. One of more than
    /// `bytes_max` bytes is refused.
    pub(crate) fn nothing(bytes_max: usize) -> Self {
        Self { to: To::Nothing(bytes_max), bytes_max: None, rest: None, decoding: None }
    }

    /// Has the gzip coding undone before anything is passed on.
    pub(crate) fn decoding(self, buffers: &BufPool) -> Self {
        Self { decoding: Some(Box::new(Decoding::new(buffers))), ..self }
    }

    /// The text that is in memory, and whether more was refused.
    pub(crate) fn into_text(self) -> (Vec<u8>, bool) {
        match self.to {
            To::Text(bytes, bytes_max) => {
                let is_full = bytes.len() >= bytes_max;
                (bytes, is_full)
            }
            To::Assembly(_) | To::Nothing(_) => (Vec::new(), false),
        }
    }

    /// Whether so many bytes of the response are still few enough.
    pub(crate) fn admit(&self, bytes: u64) -> Result<(), Fault> {
        let bytes = self.rest.as_ref().map_or(Ok(bytes), |rest| rest.reach(bytes))?;
        let before = self.filling().map_or(0, Filling::begin);
        check_size(before.saturating_add(bytes), self.bytes_max)
    }

    /// Takes the waiting body of `buf`.
    pub(crate) async fn write(&mut self, buf: &mut RecvBuf) -> Result<(), Fault> {
        if self.decoding.is_some() {
            // Boxed, as what is rare is: a slot has room for all that an attempt may wait in.
            return Box::pin(self.decode(buf)).await;
        }
        self.to.write(buf).await.map_err(write_fault)
    }

    /// What its file is to tell of the version that came, where it is one.
    pub(crate) fn set_stamp(&mut self, stamp: Option<Stamp>) {
        if let To::Assembly(assembly) = &mut self.to {
            assembly.set_stamp(stamp);
        }
    }

    /// The body has come to its end, and the last of it waits in `buf`: what was passed on, and
    /// will be, is all of it. A text is complete then.
    ///
    /// # Errors
    /// A fault, or that it is not what was asked for. Then nothing may follow.
    pub(crate) async fn conclude(
        &mut self,
        buf: &mut RecvBuf,
    ) -> Result<Result<(), Box<Mismatch>>, Fault> {
        if self.decoding.is_some() {
            Box::pin(self.decode_all(buf)).await?;
        }
        let last = self.decoding.as_mut().map_or(buf, |decoding| &mut decoding.out);
        match &mut self.to {
            To::Assembly(assembly) => Ok(assembly.conclude(last)),
            To::Text(..) | To::Nothing(_) => self.to.keep(last).map(Ok).map_err(write_fault),
        }
    }

    /// Passes on the last of what a job is about, after it was concluded; it gets the name `path`
    /// where it is a file.
    ///
    /// # Errors
    /// It cannot be stored, or not under that name.
    pub(crate) async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        path: &str,
    ) -> Result<Stored, Obstacle> {
        let To::Assembly(assembly) = &mut self.to else { unreachable!("only files have names") };
        let last = self.decoding.as_mut().map_or(buf, |decoding| &mut decoding.out);
        assembly.finish(last, path).await
    }

    /// Decodes the waiting body of `buf`, a piece at a time: what it comes to may be a thousand
    /// times as long.
    async fn decode(&mut self, buf: &mut RecvBuf) -> Result<(), Fault> {
        let mut done = 0;
        while let Some(decoding) = &mut self.decoding
            && done < buf.body_len()
        {
            let decoded = decoding.gunzip.decode(&buf.body()[done..], &mut decoding.piece);
            done += decoded.map_err(|problem| Fault::new(Stage::Body, Cause::Coding(problem)))?;
            self.take_piece().await?;
        }
        buf.body_written();
        Ok(())
    }

    /// Decodes the waiting body of `buf`, the last of it, and what comes of its end.
    async fn decode_all(&mut self, buf: &mut RecvBuf) -> Result<(), Fault> {
        self.decode(buf).await?;
        if let Some(decoding) = &mut self.decoding {
            let decoded = decoding.gunzip.finish(&mut decoding.piece);
            decoded.map_err(|problem| Fault::new(Stage::Body, Cause::Coding(problem)))?;
        }
        self.take_piece().await
    }

    /// Moves what was decoded to the buffer, and passes that on as often as it is full.
    async fn take_piece(&mut self) -> Result<(), Fault> {
        let Self { to, bytes_max, decoding: Some(decoding), .. } = self else { return Ok(()) };
        let Decoding { gunzip, piece, out, .. } = &mut **decoding;
        check_size(gunzip.decoded_bytes(), *bytes_max)?;
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            if out.free_len() == 0 {
                to.write(out).await.map_err(write_fault)?;
                out.make_room();
            }
            let (now, later) = rest.split_at(rest.len().min(out.free_len()));
            out.append_body(now);
            rest = later;
        }
        piece.clear();
        Ok(())
    }
}

/// The decoder of one body, and a buffer of decoded bytes that wait to be passed on.
#[derive(Debug)]
struct Decoding {
    gunzip: Gunzip,
    /// What one step decoded.
    piece: Vec<u8>,
    out: RecvBuf,
    buffers: BufPool,
}

impl Decoding {
    fn new(buffers: &BufPool) -> Self {
        let out = buffers.take(Size::Large);
        Self { gunzip: Gunzip::default(), piece: Vec::new(), out, buffers: buffers.clone() }
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        if self.out.has_memory() {
            self.buffers.give(std::mem::take(&mut self.out));
        }
    }
}

impl To<'_> {
    /// Takes the waiting body of `buf`, decoded where that is to be.
    async fn write(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        match self {
            Self::Assembly(assembly) => assembly.write(buf).await,
            Self::Text(..) | Self::Nothing(_) => self.keep(buf),
        }
    }

    /// Takes the waiting body of `buf` where it stays in memory, or does not stay.
    fn keep(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        match self {
            Self::Assembly(_) => {}
            Self::Text(bytes, bytes_max) => {
                let room = *bytes_max - bytes.len();
                bytes.extend_from_slice(&buf.body()[..buf.body_len().min(room)]);
                if buf.body_len() > room {
                    return Err(Cause::TooLarge { limit: *bytes_max as u64 });
                }
                buf.body_written();
            }
            Self::Nothing(left) => {
                *left = left.checked_sub(buf.body_len()).ok_or(Cause::Closed)?;
                buf.body_written();
            }
        }
        Ok(())
    }
}
