//! Where the body of one response goes.

use crate::engine::output::outlet::Outflow;
use crate::fault::{Cause, Fault, Stage};
use crate::http::coding::Gunzip;
use crate::plan::checksum::{Check, Checksum, Mismatch};
use crate::ring::buf::{BufPool, RecvBuf, Size};
use crate::ring::file::{Naming, OutFile};

/// Where the body of one response goes, and how much of it may.
pub(crate) struct Sink<'c> {
    place: Place<'c>,
    bytes_max: Option<u64>,
    /// What stands in front of the place, where the body is coded.
    decoding: Option<Box<Decoding>>,
    tally: Tally,
}

/// What the bytes that are stored come to. They are counted on their way to the place, before they
/// are written: they are in the CPU's cache then, and are never read again.
#[derive(Debug, Default)]
struct Tally {
    bytes: u64,
    check: Option<Box<Check>>,
}

impl Tally {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(check) = &mut self.check {
            check.update(bytes);
        }
    }
}

enum Place<'c> {
    /// A file that has its name only when it is whole.
    File(OutFile),
    /// What is no file, a buffer at a time: what has gone out cannot be tried again.
    Stream(Outflow<'c>),
    /// Nowhere: at most so many bytes are read so that their connection can be reused.
    Nowhere(usize),
    /// Memory: the first bytes, at most so many.
    Memory(Vec<u8>, usize),
}

impl<'c> Sink<'c> {
    /// A file; a body of more than `bytes_max` bytes is refused.
    pub(crate) fn file(file: OutFile, bytes_max: Option<u64>) -> Self {
        Self::new(Place::File(file), bytes_max)
    }

    /// What is no file.
    pub(crate) fn stream(outflow: Outflow<'c>, bytes_max: Option<u64>) -> Self {
        Self::new(Place::Stream(outflow), bytes_max)
    }

    /// Nowhere: the body of a redirect or of a failure, at most so many bytes.
    pub(crate) fn nowhere(bytes_max: usize) -> Self {
        Self::new(Place::Nowhere(bytes_max), None)
    }

    /// Memory. A body of more than `bytes_max` bytes is refused; its first ones are there.
    pub(crate) fn memory(bytes_max: usize) -> Self {
        Self::new(Place::Memory(Vec::new(), bytes_max), None)
    }

    fn new(place: Place<'c>, bytes_max: Option<u64>) -> Self {
        Self { place, bytes_max, decoding: None, tally: Tally::default() }
    }

    /// What is in memory, and whether more was refused.
    pub(crate) fn into_memory(self) -> (Vec<u8>, bool) {
        match self.place {
            Place::Memory(bytes, bytes_max) => {
                let is_full = bytes.len() >= bytes_max;
                (bytes, is_full)
            }
            Place::File(_) | Place::Stream(_) | Place::Nowhere(_) => (Vec::new(), false),
        }
    }

    /// The same, with the gzip coding undone before anything is written.
    pub(crate) fn decoding(self, pool: &BufPool) -> Self {
        Self { decoding: Some(Box::new(Decoding::new(pool))), ..self }
    }

    /// The same, with a check of what is stored.
    pub(crate) fn checking(self, check: Option<Check>) -> Self {
        Self { tally: Tally { check: check.map(Box::new), ..self.tally }, ..self }
    }

    /// Whether what is written can no more be taken back.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.place, Place::Stream(_))
    }

    /// Whether so many bytes of body are still few enough.
    pub(crate) fn admit(&self, bytes: u64) -> Result<(), Fault> {
        check_size(bytes, self.bytes_max)
    }

    /// Takes the waiting body of `buf`.
    pub(crate) async fn write(&mut self, buf: &mut RecvBuf) -> Result<(), Fault> {
        if self.decoding.is_some() {
            // Boxed, as what is rare is: see `fetch::connect`.
            return Box::pin(self.decode(buf)).await;
        }
        self.tally.take(buf.body());
        self.place.write(buf).await.map_err(write_fault)
    }

    /// The body has come to its end, and the last of it waits in `buf`: what was written, and will
    /// be, comes to so many bytes and this digest.
    ///
    /// # Errors
    ///
    /// A fault, or that they are not the ones that were expected. Then nothing may follow.
    pub(crate) async fn conclude(
        &mut self,
        buf: &mut RecvBuf,
    ) -> Result<Result<(u64, Option<Checksum>), Box<Mismatch>>, Fault> {
        if self.decoding.is_some() {
            Box::pin(self.decode_all(buf)).await?;
        } else {
            self.tally.take(buf.body());
        }
        let Tally { bytes, check } = std::mem::take(&mut self.tally);
        Ok(check.map(|check| check.finish()).transpose().map(|digest| (bytes, digest)))
    }

    /// Writes what is left of a body that was concluded; says whether that replaced a file. When
    /// the name is taken (`disk.exists`), it may be called again with another one.
    pub(crate) async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        name: &str,
        naming: Naming,
    ) -> Result<bool, Fault> {
        let last = self.decoding.as_mut().map_or(buf, |decoding| &mut decoding.out);
        self.place.finish(last, name, naming).await.map_err(write_fault)
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

    /// Moves what was decoded to the buffer, and writes that as often as it is full.
    async fn take_piece(&mut self) -> Result<(), Fault> {
        let Self { place, bytes_max, decoding: Some(decoding), tally } = self else {
            return Ok(());
        };
        let Decoding { gunzip, piece, out, .. } = &mut **decoding;
        check_size(gunzip.decoded_bytes(), *bytes_max)?;
        tally.take(piece);
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            if out.free_len() == 0 {
                place.write(out).await.map_err(write_fault)?;
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

/// The decoder of one body, and a buffer of decoded bytes that wait to be written.
#[derive(Debug)]
struct Decoding {
    gunzip: Gunzip,
    /// What one step decoded.
    piece: Vec<u8>,
    out: RecvBuf,
    pool: BufPool,
}

impl Decoding {
    fn new(pool: &BufPool) -> Self {
        let out = pool.take(Size::Large);
        Self { gunzip: Gunzip::default(), piece: Vec::new(), out, pool: pool.clone() }
    }
}

impl Drop for Decoding {
    fn drop(&mut self) {
        if self.out.has_memory() {
            self.pool.give(std::mem::take(&mut self.out));
        }
    }
}

impl Place<'_> {
    async fn write(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        match self {
            Self::File(file) => file.write(buf).await,
            Self::Stream(outflow) => {
                Box::pin(outflow.write(buf.body())).await?;
                buf.body_written();
                Ok(())
            }
            Self::Nowhere(left) => {
                *left = left.checked_sub(buf.body_len()).ok_or(Cause::Closed)?;
                buf.body_written();
                Ok(())
            }
            Self::Memory(bytes, bytes_max) => {
                let room = *bytes_max - bytes.len();
                bytes.extend_from_slice(&buf.body()[..buf.body_len().min(room)]);
                if buf.body_len() > room {
                    return Err(Cause::TooLarge { limit: *bytes_max as u64 });
                }
                buf.body_written();
                Ok(())
            }
        }
    }

    async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        name: &str,
        naming: Naming,
    ) -> Result<bool, Cause> {
        match self {
            Self::File(file) => return file.finish(buf, name, naming).await,
            Self::Stream(outflow) => {
                Box::pin(outflow.write(buf.body())).await?;
                buf.body_written();
                outflow.finish()?;
            }
            Self::Nowhere(_) | Self::Memory(..) => self.write(buf).await?,
        }
        Ok(false)
    }
}

/// Refuses a body of so many bytes where that is more than `--max-filesize`.
pub(crate) fn check_size(bytes: u64, bytes_max: Option<u64>) -> Result<(), Fault> {
    match bytes_max {
        Some(limit) if bytes > limit => Err(Fault::new(Stage::Body, Cause::TooLarge { limit })),
        Some(_) | None => Ok(()),
    }
}

fn write_fault(cause: Cause) -> Fault {
    Fault::new(Stage::Write, cause)
}
