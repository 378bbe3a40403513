//! Writes of one core into a file that several cores share.

use crate::fault::Cause;
use crate::ring::buf::RecvBuf;
use crate::ring::file::WriteMode;
use crate::ring::file::way::{LongWriter, Way};
use crate::ring::io::Io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

/// The way of one core into a shared file.
#[derive(Debug)]
pub struct PartWriter {
    fd: Rc<OwnedFd>,
    long: LongWriter,
}

impl PartWriter {
    pub(super) fn new(io: Io, fd: Rc<OwnedFd>, way: Arc<Way>) -> Self {
        Self { fd, long: LongWriter::new(io, way) }
    }

    /// Backend of this core.
    pub fn io(&self) -> &Io {
        self.long.io()
    }

    /// Expects the bytes of `range` next, from its begin on: space is reserved for them as they
    /// come, where the run says so (`--file-allocation`). That the file is so long may choose
    /// another way for the bytes of all its writers (`--write-mode auto`). An end that no file can
    /// have says that it is not known: neither is done then.
    pub fn expect(&mut self, range: Range<u64>) {
        self.long.expect(range);
    }

    /// Mode in which bytes are written from now on; see
    /// [`PartialFile::chosen`](super::PartialFile::chosen).
    pub fn chosen(&self) -> WriteMode {
        self.long.way().chosen()
    }

    /// Writes the waiting body of `buf` at an offset of the file. All of it can be read by then,
    /// whatever the mode.
    ///
    /// # Errors
    /// When the write failed. The body waits on, and any part of it may have been written.
    pub async fn write(&mut self, buf: &mut RecvBuf, offset: u64) -> Result<(), Cause> {
        let mut at = offset;
        self.long.write(&self.fd, buf, &mut at).await?;
        buf.body_written();
        Ok(())
    }
}
