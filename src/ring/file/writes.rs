//! Writes of body bytes at an offset, and the space that is reserved for them: what every file of
//! bodies has in common, whoever keeps its descriptor.

use super::options::{FileAllocation, FileOps, WriteMode, WriteOptions};
use crate::fault::Cause;
use crate::limits::{ALLOCATE_BYTES_MAX, ALLOCATE_BYTES_MIN};
use crate::ring::buf::RecvBuf;
use crate::ring::disk_cause;
use crate::ring::io::{self, Io};
use crate::ring::shim::{Op, transfer};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSlice;
use std::mem;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Whether a body of `body_bytes` that waits in a buffer is written through the ring, as part of a
/// body that is long, or short. `has_ring_writes` says whether the ring needs no kernel worker for
/// it.
pub(super) fn is_by_ring(
    options: WriteOptions,
    body_bytes: usize,
    is_long: bool,
    has_ring_writes: bool,
) -> bool {
    match (options.mode, options.ops) {
        (WriteMode::Ring, _) if is_long => true,
        (WriteMode::Sync, _) if is_long => false,
        (_, FileOps::Sync) => false,
        (_, FileOps::Ring | FileOps::Chain) => true,
        (_, FileOps::Auto) => {
            let min = if has_ring_writes { INLINE_MIN_BYTES } else { RING_WRITE_MIN_BYTES };
            body_bytes >= min
        }
    }
}

/// Writes the waiting body of `buf` at offset `at`, which moves behind what was written, through
/// the ring or by plain system calls, with flags of pwritev2(2). The body waits on.
pub(super) async fn write_body(
    (io, fd): (&Io, &Rc<OwnedFd>),
    buf: &mut RecvBuf,
    at: &mut u64,
    is_by_ring: bool,
    flags: ReadWriteFlags,
) -> Result<(), Cause> {
    if !is_by_ring {
        return write_sync_with(fd, buf.body(), at, flags);
    }
    let (memory, range) = buf.lend_body();
    let (result, memory) = write_ring((io, fd), memory, range, at, flags).await;
    buf.restore(memory);
    result
}

/// Bytes that wait to be written, until their owner drops them.
pub(super) trait Waiting {
    /// How many are to be written next.
    fn length(&self) -> usize;

    /// The bytes that are to be written next, if they lie together.
    fn together(&self) -> Option<&[u8]>;

    /// Writes what is to be written next at offset `at`, which moves behind what was written:
    /// through the ring or by plain system calls, with flags of pwritev2(2).
    async fn write(
        &mut self,
        place: (&Io, &Rc<OwnedFd>),
        at: &mut u64,
        is_by_ring: bool,
        flags: ReadWriteFlags,
    ) -> Result<(), Cause>;
}

impl Waiting for RecvBuf {
    fn length(&self) -> usize {
        self.body_len()
    }

    fn together(&self) -> Option<&[u8]> {
        Some(self.body())
    }

    async fn write(
        &mut self,
        place: (&Io, &Rc<OwnedFd>),
        at: &mut u64,
        is_by_ring: bool,
        flags: ReadWriteFlags,
    ) -> Result<(), Cause> {
        write_body(place, self, at, is_by_ring, flags).await
    }
}

/// Writes `length` bytes by `write`, however many writes that takes: each is told how many came
/// before it, its offset, and whether it goes through the ring. `at` moves behind what was written.
pub(super) async fn write_all(
    length: usize,
    at: &mut u64,
    mut is_by_ring: bool,
    mut write: impl AsyncFnMut(usize, u64, bool) -> Result<usize, i32>,
) -> Result<(), Cause> {
    let mut done = 0;
    while done < length {
        match write(done, *at, is_by_ring).await {
            Ok(0) => return Err(disk_cause(libc::ENOSPC)),
            Ok(count) => {
                *at += count as u64;
                done += count;
            }
            Err(libc::EINTR) => {}
            // A try without waiting that nobody repeated: the plain call waits.
            Err(libc::EAGAIN) if is_by_ring => is_by_ring = false,
            Err(errno) => return Err(disk_cause(errno)),
        }
    }
    Ok(())
}

/// Writes all of `memory[range]` through the ring, however many writes it takes, and gives the
/// memory back. `at` moves behind what was written.
pub(super) async fn write_ring(
    (io, fd): (&Io, &Rc<OwnedFd>),
    mut memory: Vec<u8>,
    range: Range<usize>,
    at: &mut u64,
    flags: ReadWriteFlags,
) -> (Result<(), Cause>, Vec<u8>) {
    let written = write_all(range.len(), at, true, async |done, at, is_by_ring| {
        let rest = range.start + done..range.end;
        if !is_by_ring {
            return write_part(fd, &memory[rest], at, flags).map_err(Errno::raw_os_error);
        }
        let (count, back) = io.write(fd, mem::take(&mut memory), rest, (at, flags)).await;
        memory = back;
        count
    });
    (written.await, memory)
}

/// Writes all of `body` by plain system calls. `at` moves behind what was written.
pub(super) fn write_sync(fd: &OwnedFd, body: &[u8], at: &mut u64) -> Result<(), Cause> {
    write_sync_with(fd, body, at, ReadWriteFlags::empty())
}

/// As [`write_sync`], with flags of pwritev2(2).
pub(super) fn write_sync_with(
    fd: &OwnedFd,
    mut body: &[u8],
    at: &mut u64,
    flags: ReadWriteFlags,
) -> Result<(), Cause> {
    while !body.is_empty() {
        match write_part(fd, body, *at, flags) {
            Ok(0) => return Err(disk_cause(libc::ENOSPC)),
            Ok(count) => {
                *at += count as u64;
                body = &body[count..];
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(disk_cause(errno.raw_os_error())),
        }
    }
    Ok(())
}

/// Writes some of `body`, at least a byte where nothing goes wrong, by a plain system call.
fn write_part(fd: &OwnedFd, body: &[u8], at: u64, flags: ReadWriteFlags) -> Result<usize, Errno> {
    let part = transfer(Op::Pwrite, body)?;
    match flags.is_empty() {
        true => rustix::io::pwrite(fd, part, at),
        false => rustix::io::pwritev2(fd, &[IoSlice::new(part)], at, flags),
    }
}

/// Disk space that is reserved step by step for a range of a file as it is written from its begin.
#[derive(Debug)]
pub(super) struct Reservation {
    first: u64,
    /// Range still to be reserved, from the end of what is reserved.
    rest: Range<u64>,
}

impl Reservation {
    /// Reserves nothing.
    pub(super) const NONE: Self = Self { first: 0, rest: 0..0 };

    /// A reservation of `range`, where the options ask for one and the range is long enough.
    pub(super) fn of(range: Range<u64>, options: WriteOptions) -> Self {
        match options.allocation {
            FileAllocation::Prealloc
                if range.end.saturating_sub(range.start) >= ALLOCATE_BYTES_MIN =>
            {
                Self { first: range.start, rest: range }
            }
            FileAllocation::Prealloc | FileAllocation::None => Self::NONE,
        }
    }

    /// Whether a write that ends at `end` has to wait for more space.
    pub(super) fn is_due(&self, end: u64) -> bool {
        self.rest.start < self.rest.end.min(end)
    }

    /// Reserves what a write up to `end` needs and, if that many are expected, for as many bytes
    /// after it as came before: a server that lies about the length gets little more than it sends.
    ///
    /// # Errors
    /// When there is no room, or the disk failed.
    pub(super) async fn cover(
        &mut self,
        (io, fd): (&Io, &Rc<OwnedFd>),
        end: u64,
        ops: FileOps,
    ) -> Result<(), Cause> {
        let needed = self.rest.end.min(end);
        while self.rest.start < needed {
            let Range { start, end } = self.rest;
            let length = (needed - self.first).clamp(ALLOCATE_BYTES_MIN, ALLOCATE_BYTES_MAX);
            let step = start..end.min(start.saturating_add(length));
            let done = match ops {
                FileOps::Sync => io::fallocate(fd, step.clone()),
                FileOps::Auto | FileOps::Ring | FileOps::Chain => {
                    io.fallocate(fd, step.clone()).await
                }
            };
            match done {
                Ok(()) => self.rest.start = step.end,
                Err(libc::EINTR) => {}
                Err(errno @ (libc::ENOSPC | libc::EDQUOT | libc::EFBIG | libc::EIO)) => {
                    return Err(disk_cause(errno));
                }
                // The file system or the kernel has no such thing: nothing is lost.
                Err(_) => {
                    *self = Self::NONE;
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Size from which body writes go through the ring with [`FileOps::Auto`], in bytes.
const RING_WRITE_MIN_BYTES: usize = 128 * 1024;
/// Size from which they do where the ring needs no kernel worker for them, in bytes: from here on
/// it costs a download at most 3 % of its CPU (`benches/results/2026-11-29-ring-writes`).
const INLINE_MIN_BYTES: usize = 48 * 1024;
const _: () = assert!(INLINE_MIN_BYTES <= RING_WRITE_MIN_BYTES);
