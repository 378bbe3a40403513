//! Where the body of one response goes.

use crate::config::FileOps;
use crate::fault::{Cause, Fault, Stage};
use crate::ring::buf::RecvBuf;
use crate::ring::file::{self, Naming, OutFile};

/// Where the body of one response goes, and how much of it may.
#[derive(Debug)]
pub(super) struct Sink {
    place: Place,
    bytes_max: Option<u64>,
}

#[derive(Debug)]
enum Place {
    /// A file that has its name only when it is whole.
    File(Box<OutFile>),
    /// Standard output, a buffer at a time: what has gone out cannot be tried again.
    Stdout,
    /// Nowhere: at most so many bytes are read so that their connection can be reused.
    Nowhere(usize),
}

impl Sink {
    /// A file; a body of more than `bytes_max` bytes is refused.
    pub(super) fn file(file: OutFile, bytes_max: Option<u64>) -> Self {
        Self { place: Place::File(Box::new(file)), bytes_max }
    }

    /// Standard output.
    pub(super) fn stdout(bytes_max: Option<u64>) -> Self {
        Self { place: Place::Stdout, bytes_max }
    }

    /// Nowhere: the body of a redirect or of a failure, at most so many bytes.
    pub(super) fn nowhere(bytes_max: usize) -> Self {
        Self { place: Place::Nowhere(bytes_max), bytes_max: None }
    }

    /// Whether what is written can no more be taken back.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// Whether so many bytes of body are still few enough.
    pub(super) fn admit(&self, bytes: u64) -> Result<(), Fault> {
        check_size(bytes, self.bytes_max)
    }

    /// Takes the waiting body of `buf`.
    pub(super) async fn write(&mut self, buf: &mut RecvBuf, ops: FileOps) -> Result<(), Fault> {
        self.place.write(buf, ops).await.map_err(write_fault)
    }

    /// Takes the last of the body: the whole is there and right. When the name is taken
    /// (`disk.exists`), it may be called again with another one.
    pub(super) async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        name: &str,
        naming: Naming,
        ops: FileOps,
    ) -> Result<(), Fault> {
        self.place.finish(buf, name, naming, ops).await.map_err(write_fault)
    }
}

impl Place {
    async fn write(&mut self, buf: &mut RecvBuf, ops: FileOps) -> Result<(), Cause> {
        match self {
            Self::File(file) => file.write(buf, ops).await,
            Self::Stdout => {
                file::write_stdout(buf.body())?;
                buf.body_written();
                Ok(())
            }
            Self::Nowhere(left) => {
                *left = left.checked_sub(buf.body_len()).ok_or(Cause::Closed)?;
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
        ops: FileOps,
    ) -> Result<(), Cause> {
        match self {
            Self::File(file) => file.finish(buf, name, naming, ops).await,
            Self::Stdout => {
                self.write(buf, ops).await?;
                file::finish_stdout()
            }
            Self::Nowhere(_) => self.write(buf, ops).await,
        }
    }
}

/// Refuses a body of so many bytes where that is more than `--max-filesize`.
pub(super) fn check_size(bytes: u64, bytes_max: Option<u64>) -> Result<(), Fault> {
    match bytes_max {
        Some(limit) if bytes > limit => Err(Fault::new(Stage::Body, Cause::TooLarge { limit })),
        Some(_) | None => Ok(()),
    }
}

fn write_fault(cause: Cause) -> Fault {
    Fault::new(Stage::Write, cause)
}
