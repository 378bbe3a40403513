//! Writes around the page cache (open(2), O_DIRECT), from memory that the ring knows.
//!
//! Such a write takes offset, length and memory that are multiples of some block. Bytes come as
//! they come, so a body is cut in three: up to the next block and behind the last one it goes
//! through the page cache, and what lies between is copied into aligned memory and goes to the
//! disk. Blocks are at least a page long, so that no page is ever written in both ways, except
//! where bytes are written anew. Even then nothing is lost: the kernel brings the pages of a range
//! to the disk before a direct write of it, and drops them afterwards. The end is written last: the
//! file grows in order, and what is beyond is not there yet.
//!
//! The aligned memory of a core is the same for all its connections; whoever finds
//! none waits. To register it saves the kernel a look at its pages with each write; where the limit
//! of locked memory forbids that (RLIMIT_MEMLOCK), it is used without.

use super::writes::write_sync;
use crate::fault::Cause;
use crate::ring::disk_cause;
use crate::ring::io::{Aligned, Io};
use crate::ring::shim::{Op, call};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

/// A second descriptor of a file, for writes around the page cache.
#[derive(Debug)]
pub(super) struct Direct {
    fd: Rc<OwnedFd>,
    /// What offsets and lengths are multiples of, in bytes.
    block: u64,
}

impl Direct {
    /// Opens a file that is open already once more.
    ///
    /// # Errors
    /// EINVAL where the file system has no direct writes; what open(2) says, of /proc too.
    pub(super) fn open(fd: &OwnedFd) -> Result<Self, Errno> {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        let fd = call(Op::Open, || rustix::fs::openat(CWD, &path, flags, Mode::empty()))?;
        let block = block(&fd)?;
        Ok(Self { fd: Rc::new(fd), block })
    }

    /// Writes a body at offset `at`, which moves behind what was written; what is not aligned goes
    /// through `cached`. Gives `false` where the file system takes no such writes after all.
    ///
    /// # Errors
    /// When a write failed.
    pub(super) async fn write(
        &self,
        (io, cached): (&Io, &OwnedFd),
        body: &[u8],
        at: &mut u64,
    ) -> Result<bool, Cause> {
        let mut rest = body;
        while !rest.is_empty() {
            let count = match cut(*at, rest.len(), self.block) {
                Piece::Cached(length) => {
                    let mut end = *at;
                    write_sync(cached, &rest[..length], &mut end)?;
                    length
                }
                Piece::Direct(length) => {
                    match io.write_aligned(&self.fd, &rest[..length], *at).await {
                        Ok(0) => return Err(disk_cause(libc::ENOSPC)),
                        Ok(count) => count,
                        Err(libc::EINTR | libc::EAGAIN) => continue,
                        Err(libc::EINVAL | libc::EOPNOTSUPP) => return Ok(false),
                        Err(errno) => return Err(disk_cause(errno)),
                    }
                }
            };
            *at += count as u64;
            rest = &rest[count..];
        }
        Ok(true)
    }

    /// Writes the first block of the file, which holds nothing yet, by a plain system call.
    ///
    /// # Errors
    /// When the file system takes no such write, or has no room.
    pub(super) fn try_out(&self) -> Result<(), Errno> {
        let length = usize::try_from(self.block).map_err(|_| Errno::INVAL)?;
        let memory = Aligned::new();
        call(Op::Pwrite, || rustix::io::pwrite(&self.fd, &memory.bytes()[..length], 0)).map(drop)
    }
}

/// The next piece of a body, with its length in bytes.
#[derive(Debug, Eq, PartialEq)]
enum Piece {
    Cached(usize),
    Direct(usize),
}

/// The first piece of `length` bytes, one at least, that go to offset `at`.
fn cut(at: u64, length: usize, block: u64) -> Piece {
    let to_block = usize::try_from(at.next_multiple_of(block) - at).unwrap_or(usize::MAX);
    let block = usize::try_from(block).unwrap_or(usize::MAX);
    let whole = length.min(Aligned::BYTES) / block * block;
    match to_block {
        0 if whole > 0 => Piece::Direct(whole),
        0 => Piece::Cached(length),
        _ => Piece::Cached(to_block.min(length)),
    }
}

/// What direct writes to a file have to be multiples of (statx(2), STATX_DIOALIGN, Linux 6.1), and
/// a page at least; that where the kernel does not say.
///
/// # Errors
/// EINVAL where there are none, or their blocks are longer than the buffers.
fn block(fd: &OwnedFd) -> Result<u64, Errno> {
    let wanted = StatxFlags::DIOALIGN;
    let Ok(stat) = rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, wanted) else {
        return Ok(Aligned::PAGE_BYTES as u64);
    };
    if stat.stx_mask & wanted.bits() == 0 {
        return Ok(Aligned::PAGE_BYTES as u64);
    }
    let (offset, memory) = (stat.stx_dio_offset_align, stat.stx_dio_mem_align);
    let block = u64::from(offset).max(Aligned::PAGE_BYTES as u64);
    let is_possible = offset > 0
        && u64::from(memory) <= Aligned::PAGE_BYTES as u64
        && block.is_power_of_two()
        && block <= Aligned::BYTES as u64;
    is_possible.then_some(block).ok_or(Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_is_cut_at_blocks() {
        let block = 4096;
        for (at, length, piece) in [
            (0, 1, Piece::Cached(1)),
            (0, 4095, Piece::Cached(4095)),
            (0, 4096, Piece::Direct(4096)),
            (0, 8191, Piece::Direct(4096)),
            (1, 9000, Piece::Cached(4095)),
            (4095, 9000, Piece::Cached(1)),
            (4097, 10, Piece::Cached(10)),
            (8192, Aligned::BYTES + 5000, Piece::Direct(Aligned::BYTES)),
        ] {
            assert_eq!(cut(at, length, block), piece, "{at} {length}");
        }
    }

    proptest! {
        #[test]
        fn pieces_tile_a_body(
            at in 0..1_u64 << 40,
            length in 1..3 * Aligned::BYTES,
            bits in 12..17,
        ) {
            let block = 1_u64 << bits;
            let (mut at, mut rest, mut cached) = (at, length, 0);
            while rest > 0 {
                let count = match cut(at, rest, block) {
                    Piece::Cached(count) => {
                        cached += count;
                        count
                    }
                    Piece::Direct(count) => {
                        prop_assert!(at.is_multiple_of(block) && count <= Aligned::BYTES);
                        prop_assert!((count as u64).is_multiple_of(block));
                        count
                    }
                };
                prop_assert!((1..=rest).contains(&count));
                (at, rest) = (at + count as u64, rest - count);
            }
            prop_assert!((cached as u64) < 2 * block);
        }
    }
}
