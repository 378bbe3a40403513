//! Writes of one core into a file that several cores share.

use crate::fault::Cause;
use crate::ring::buf::RecvBuf;
use crate::ring::file::WriteOptions;
use crate::ring::file::writes::{self, Reservation};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The way of one core into a shared file.
#[derive(Debug)]
pub struct PartWriter {
    fd: Rc<OwnedFd>,
    options: WriteOptions,
    has_ring_writes: bool,
    reservation: Reservation,
}

impl PartWriter {
    pub(super) fn new(fd: Rc<OwnedFd>, options: WriteOptions, has_ring_writes: bool) -> Self {
        Self { fd, options, has_ring_writes, reservation: Reservation::NONE }
    }

    /// Expects the bytes of `range` next, from its begin on: space is reserved for them as they
    /// come, where the run says so (`--file-allocation`).
    pub fn expect(&mut self, range: Range<u64>) {
        self.reservation = Reservation::of(range, self.options);
    }

    /// Writes the waiting body of `buf` at an offset of the file.
    ///
    /// # Errors
    /// When the write failed. The body waits on, and any part of it may have been written.
    pub async fn write(&mut self, buf: &mut RecvBuf, offset: u64) -> Result<(), Cause> {
        let body_bytes = buf.body_len();
        let end = offset.saturating_add(body_bytes as u64);
        if self.reservation.is_due(end) {
            self.reservation.cover(&self.fd, end, self.options.ops).await?;
        }
        let mut at = offset;
        if writes::is_by_ring(self.options, body_bytes, true, self.has_ring_writes) {
            writes::write_body_ring(&self.fd, buf, &mut at).await?;
        } else {
            writes::write_sync(&self.fd, buf.body(), &mut at)?;
        }
        buf.body_written();
        Ok(())
    }
}
