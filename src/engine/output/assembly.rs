//! What a job is about, put together of what came.

use crate::engine::moment::Bounds;
use crate::engine::output::collected::{Collected, ToPack};
use crate::engine::output::destination::Output;
use crate::engine::output::link::Once;
use crate::engine::output::named::named_fault;
use crate::engine::output::partial::Filling;
use crate::engine::output::stored::{Location, Obstacle, Stored, write_fault};
use crate::engine::output::stored_once::Content;
use crate::engine::output::stream::Outflow;
use crate::fault::{Cause, Fault};
use crate::http::head::Framing;
use crate::limits::RECV_BUFFER_BYTES;
use crate::plan::checksum::{Check, Digests, Mismatch};
use crate::plan::job::Job;
use crate::ring::buf::RecvBuf;
use crate::ring::dir::Dir;
use crate::ring::file::{OutFile, PartialFile, SizeHint, Stamp};
use std::ops::Range;

/// The body of one job, on its way to being whole.
///
/// It owns what there is of the body so far: a file, which has no name or a temporary one, the
/// count of its bytes and their digest. The job itself, with its row and its attempts, stays with
/// whoever asks for the bytes.
///
/// What is guaranteed of a body that one attempt brings all of:
///
/// - Bytes come in order and once, each part behind the one before it: what is missing is always
///   one range, from the last byte that came to the end. So the digest is that of the file without
///   a second look at it.
/// - A file that is not finished is gone when this is dropped, unless it is kept for the next
///   attempt ([`Assembly::keep`]), and nothing of it ever had the final name.
/// - It is finished only after it was concluded, once, with nothing missing and the digest that was
///   asked for; what it gives then is all that a row tells of the body.
///
/// A long body is filled range by range ([`Filling`]), and named by whoever sees that it is whole.
pub(crate) struct Assembly<'c> {
    output: &'c Output,
    /// The input line of the job.
    index: u64,
    place: Place<'c>,
    /// How long the body will be, if that is known.
    length: Option<u64>,
    tally: Tally,
    /// The directory of the run, where each body is to be stored once.
    dir: Option<Dir>,
}

/// Where what came of a body is.
enum Place<'c> {
    /// A file that has its name only when it is whole.
    File(OutFile),
    /// A range of a file that others fill, too, or that other attempts go on with.
    Range(Box<Filling>),
    /// What is no file, a buffer at a time: what has gone out cannot be taken back.
    Stream(Outflow<'c>),
    /// Where all of it is to be before it goes into an archive.
    Collected(Box<Collected>),
    /// Nowhere: it is counted, and that is all.
    Null,
}

/// What the stored bytes come to. They are counted on their way to the place, before they are
/// written: they are in the CPU's cache then, and are never read again.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    /// How many there must be.
    size: Option<u64>,
    check: Option<Box<Check>>,
    digests: Option<Digests>,
}

impl Tally {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if let Some(check) = &mut self.check {
            check.update(bytes);
        }
    }
}

/// What a response says of the body that it brings.
#[derive(Clone, Copy)]
pub(crate) struct Coming<'a> {
    /// The job that the body is for.
    pub(crate) job: &'a Job,
    /// Path of the job's file beneath the directory of the run, where there is to be one.
    pub(crate) path: &'a str,
    /// How the body is delimited.
    pub(crate) framing: Framing,
    /// Whether a coding is undone before anything is stored.
    pub(crate) is_coded: bool,
}

impl<'c> Assembly<'c> {
    /// Begins the body that is coming, where the run wants it: nothing of it came so far. A file
    /// goes beneath `dir`; a stream, which is open, is written within `bounds`.
    ///
    /// # Errors
    /// No file can be made there.
    pub(super) fn begin(
        output: &'c Output,
        coming: Coming<'_>,
        dir: &Dir,
        bounds: Bounds<'c>,
    ) -> Result<Self, Fault> {
        let Coming { job, path, .. } = coming;
        let place = if let Some(outflow) = output.outflow(bounds) {
            assert!(!output.has_streamed(), "the stream has the begin of a body already");
            Place::Stream(outflow)
        } else if let Some(archive) = &output.archive {
            Place::Collected(Box::new(archive.collect()))
        } else if !output.has_files() {
            Place::Null
        } else {
            let file = dir.create_file(path, job.index, coming.expected());
            let mut file = file.map_err(|cause| named_fault(cause, path))?;
            if output.stored_once.is_some() {
                file.want_print();
            }
            Place::File(file)
        };
        let digesting = output.digesting(job);
        let (size, check) = (digesting.expected.size, digesting.check());
        let tally = Tally { bytes: 0, size, check, digests: None };
        // Of what is packed, whoever packs it asks.
        let is_linked = output.stored_once.is_some() && output.archive.is_none();
        let dir = is_linked.then(|| dir.clone());
        Ok(Self { output, index: job.index, place, length: coming.length(), tally, dir })
    }

    /// What its file is to tell of the version that came, where it is one.
    pub(super) fn set_stamp(&mut self, stamp: Option<Stamp>) {
        if let Place::File(file) = &mut self.place {
            file.set_stamp(stamp);
        }
    }

    /// The range of a long body that a response brings.
    pub(super) fn of_range(output: &'c Output, index: u64, filling: Filling) -> Self {
        let place = Place::Range(Box::new(filling));
        Self { output, index, place, length: None, tally: Tally::default(), dir: None }
    }

    /// The range of a long body that comes, if it is one.
    pub(super) fn filling(&self) -> Option<&Filling> {
        match &self.place {
            Place::Range(filling) => Some(filling),
            Place::File(_) | Place::Stream(_) | Place::Collected(_) | Place::Null => None,
        }
    }

    /// What came so far, for the next attempt: the last of it waits in `last`. Nothing where that
    /// is no file, or too little to be worth it.
    pub(super) async fn keep(self, last: &mut RecvBuf, (dir, path): (&Dir, &str)) -> Option<Kept> {
        let Self { output, index, place, length, .. } = self;
        let Place::File(mut file) = place else { return None };
        if file.written() == 0 && last.body_len() < KEPT_BYTES_MIN {
            return None;
        }
        // What cannot be written is asked for again.
        let _ = file.write(last).await;
        let written = file.written();
        let file = file.keep(&output.part_name(dir, path, index)).ok()?;
        Some(Kept { file, written, length })
    }

    /// Goes on with a body that goes to no file, whose begin was counted and passed on: it has
    /// `length` bytes, if that is known; what was `collected` of it is there.
    pub(super) fn go_on(
        output: &'c Output,
        index: u64,
        (tally, length, collected): (Tally, Option<u64>, Option<Box<Collected>>),
        bounds: Bounds<'c>,
    ) -> Self {
        let place = match (output.outflow(bounds), collected) {
            (Some(outflow), _) => Place::Stream(outflow),
            (None, Some(collected)) => Place::Collected(collected),
            (None, None) => Place::Null,
        };
        Self { output, index, place, length, tally, dir: None }
    }

    /// Bytes that came, but for those that wait.
    pub(super) fn bytes(&self) -> u64 {
        self.tally.bytes
    }

    /// How long the body is, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether some of it cannot be taken back.
    pub(super) fn is_out(&self) -> bool {
        matches!(self.place, Place::Stream(_)) && self.tally.bytes > 0
    }

    /// What came so far of a body that goes to no file, passed on with the last of it, which waits
    /// in `last`; and how long it is, if that is known.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) async fn stop(
        mut self,
        last: &mut RecvBuf,
    ) -> Result<(Tally, Option<u64>, Option<Box<Collected>>), Cause> {
        self.write(last).await?;
        let collected = match self.place {
            Place::Collected(collected) => Some(collected),
            Place::File(_) | Place::Range(_) | Place::Stream(_) | Place::Null => None,
        };
        Ok((self.tally, self.length, collected))
    }

    /// What did not come so far, as far as it is known how much there is.
    fn missing(&self) -> Range<u64> {
        self.tally.bytes..self.length.unwrap_or(self.tally.bytes)
    }

    /// Writes the waiting body of `buf` behind what came before.
    pub(super) async fn write(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        if let Place::Range(filling) = &mut self.place {
            // Boxed, as what is rare is: a slot has room for all that an attempt may wait in.
            return Box::pin(filling.write(buf)).await;
        }
        self.tally.take(buf.body());
        match &mut self.place {
            Place::File(file) => file.write(buf).await,
            Place::Range(_) => unreachable!("it was written above"),
            Place::Stream(outflow) => {
                // Boxed, as what is rare is: a slot has room for all that an attempt may wait in.
                Box::pin(outflow.write(buf.body())).await?;
                buf.body_written();
                Ok(())
            }
            Place::Collected(collected) => collected.take(buf),
            Place::Null => {
                buf.body_written();
                Ok(())
            }
        }
    }

    /// Ends the body: all of it has come, and the last of it waits in `last`, to be written when
    /// this is finished.
    ///
    /// # Errors
    /// It is not what was asked for. Then nothing may follow.
    pub(super) fn conclude(&mut self, last: &RecvBuf) -> Result<(), Box<Mismatch>> {
        self.tally.take(last.body());
        debug_assert!(self.missing().is_empty(), "a whole body lacks {:?}", self.missing());
        Mismatch::check_size(self.tally.bytes, self.tally.size)?;
        let check = self.tally.check.take();
        self.tally.digests = check.map(|check| check.finish()).transpose()?;
        Ok(())
    }

    /// Writes the last of what was concluded, and gives it the name `path` where it is a file.
    pub(super) async fn finish(
        &mut self,
        last: &mut RecvBuf,
        path: &str,
    ) -> Result<Stored, Obstacle> {
        let digest = self.tally.digests.map(|digests| digests.row);
        let mut claim = None;
        if let Some(dir) = &self.dir {
            let content = Content::of(self.tally.digests.as_ref(), self.tally.bytes);
            // Boxed, as what is rare is: a slot has room for all that an attempt may wait in.
            match Box::pin(self.output.link_or_store(content, dir, (path, self.index))).await? {
                Once::Linked(linked) => {
                    last.body_written();
                    return Ok(linked.stored(self.tally.bytes, digest));
                }
                Once::Store(of) => claim = of,
            }
        }
        let (location, has_replaced) = match &mut self.place {
            Place::File(file) => self.output.name(file, last, path, self.index).await?,
            Place::Stream(outflow) => {
                let written = Box::pin(outflow.write(last.body())).await;
                last.body_written();
                written.and_then(|()| outflow.finish()).map_err(write_fault)?;
                (self.output.location_of_stream(), false)
            }
            Place::Range(_) => unreachable!("it has its name when nothing of it is missing"),
            Place::Collected(collected) => {
                collected.take_last(last).map_err(write_fault)?;
                (Location::Null, false)
            }
            Place::Null => {
                last.body_written();
                (Location::Null, false)
            }
        };
        let (naming, print) = match &self.place {
            Place::File(file) => (Some(file.name_by()), file.print()),
            Place::Range(_) | Place::Stream(_) | Place::Collected(_) | Place::Null => (None, None),
        };
        if let Some(claim) = claim {
            claim.remember(self.index, location.path(path), print.map(|print| print.0));
        }
        let size = self.tally.bytes;
        let content = Content::of(self.tally.digests.as_ref(), size);
        let location = match std::mem::replace(&mut self.place, Place::Null) {
            Place::Collected(bytes) => Location::Collected(Box::new(ToPack { bytes, content })),
            Place::File(_) | Place::Range(_) | Place::Stream(_) | Place::Null => location,
        };
        Ok(Stored { location, size, digest, naming, has_replaced, duplicate_of: None })
    }
}

impl Coming<'_> {
    /// How long the stored body will be, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Empty => Some(0),
            // Nobody knows what it decodes to.
            _ if self.is_coded => None,
            Framing::Length(bytes) => Some(bytes),
            Framing::Chunked | Framing::Close => None,
        }
    }

    /// How much is expected to be written into its file.
    fn expected(&self) -> SizeHint {
        match self.length() {
            Some(bytes) if bytes <= RECV_BUFFER_BYTES as u64 => SizeHint::Short,
            length => SizeHint::Long(length),
        }
    }
}

/// A body that came in part, all of it from its begin on.
pub(crate) struct Kept {
    pub(crate) file: PartialFile,
    /// Bytes of it.
    pub(crate) written: u64,
    /// How long it will be, where that is known.
    pub(crate) length: Option<u64>,
}

/// Bytes that are worth to be kept: fewer come as fast as a request for the rest.
pub(crate) const KEPT_BYTES_MIN: usize = RECV_BUFFER_BYTES;
