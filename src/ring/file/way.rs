//! The way of the bytes of a long body to the disk: which one is taken ([`WriteMode`]), and what
//! is left of them in the page cache.
//!
//! [`WriteMode::Auto`] lets the page cache keep as much of a run's long bodies as its
//! [`CacheShare`] allows, because they are often read at once, and lets go of all that come after.
//!
//! What that costs: a digest that is made from the file reads again from the disk what was let go
//! before; that is so for all but the first part of a body in several, and nothing for one that
//! comes in order, whose digest is at most [`STEP_BYTES`] behind. The bytes that such reads bring
//! are let go of as well (RWF_DONTCACHE; before Linux 6.14 when the file is finished).

use super::direct::Direct;
use super::options::{FileOps, WriteMode, WriteOptions};
use super::share::CacheShare;
use super::writes::{self, Reservation, Waiting};
use crate::fault::Cause;
use crate::limits::BODY_BYTES_LIMIT;
use crate::ring::disk_cause;
use crate::ring::io::Io;
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSliceMut;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What all writers of one file know together about the way of its bytes.
#[derive(Debug)]
pub(super) struct Way {
    options: WriteOptions,
    has_ring_writes: bool,
    is_in_memory: bool,
    /// End of the last byte that is expected or was written.
    end: AtomicU64,
    share: Arc<CacheShare>,
    /// Whether the body did not fit into the share.
    is_beyond_share: AtomicBool,
    /// Whether the file system or the kernel has no O_DIRECT.
    lacks_direct: AtomicBool,
    /// Whether it has no RWF_DONTCACHE.
    lacks_dont_cache: AtomicBool,
}

impl Way {
    /// The way to a file, by options, and by what is known of the file system: whether the ring
    /// needs no kernel worker for writes to it, and whether there is only memory behind it. What
    /// the file may leave in the page cache is taken from `share`.
    pub(super) fn new(
        options: WriteOptions,
        has_ring_writes: bool,
        is_in_memory: bool,
        share: Arc<CacheShare>,
    ) -> Self {
        Self {
            options,
            has_ring_writes,
            is_in_memory,
            end: AtomicU64::new(0),
            share,
            is_beyond_share: AtomicBool::new(false),
            lacks_direct: AtomicBool::new(false),
            lacks_dont_cache: AtomicBool::new(false),
        }
    }

    /// Expects bytes up to an offset. One that no file can have says that nobody knows.
    pub(super) fn expect(&self, end: u64) {
        if end >= BODY_BYTES_LIMIT {
            return;
        }
        let more = end.saturating_sub(self.end.fetch_max(end, Ordering::Relaxed));
        let asks_share = self.options.mode == WriteMode::Auto
            && !self.is_in_memory
            && !self.is_beyond_share.load(Ordering::Relaxed);
        if more > 0 && asks_share && !self.share.take(more) {
            self.is_beyond_share.store(true, Ordering::Relaxed);
        }
    }

    /// The mode that is taken from now on, as far as is known: never `Auto`.
    pub(super) fn chosen(&self) -> WriteMode {
        let has_dont_cache = !self.lacks_dont_cache.load(Ordering::Relaxed);
        match self.options.mode {
            WriteMode::Auto if !self.is_beyond_share.load(Ordering::Relaxed) => self.plain(),
            WriteMode::Direct if self.lacks_direct.load(Ordering::Relaxed) => self.plain(),
            WriteMode::DontCache | WriteMode::Auto if has_dont_cache => WriteMode::DontCache,
            WriteMode::DontCache | WriteMode::Auto => WriteMode::Behind,
            asked => asked,
        }
    }

    /// How bytes go that the page cache may keep. The ring has a kernel worker copy what goes to
    /// memory, so that it costs two switches a write (a ninth of a download over TLS); and nothing
    /// is behind such a file that a write could wait for.
    fn plain(&self) -> WriteMode {
        match self.options.ops {
            FileOps::Sync => WriteMode::Sync,
            FileOps::Auto if self.is_in_memory => WriteMode::Sync,
            FileOps::Ring | FileOps::Chain | FileOps::Auto => WriteMode::Ring,
        }
    }

    /// Whether little of the body is to stay in the page cache.
    fn is_sparing(&self) -> bool {
        matches!(self.chosen(), WriteMode::Direct | WriteMode::DontCache | WriteMode::Behind)
    }

    /// Whether a linked chain may write the end of the body.
    pub(super) fn may_chain(&self) -> bool {
        !self.is_sparing()
    }

    /// Has the page cache let go of what it has of the whole file, where that is asked for.
    pub(super) async fn leave(&self, io: &Io, fd: &Rc<OwnedFd>) {
        if self.is_sparing() {
            io.forget_cached(fd, 0..0).await;
        }
    }

    /// Reads at an offset (pread(2)), and leaves in the page cache no more than was there.
    pub(super) fn read(&self, fd: &OwnedFd, bytes: &mut [u8], at: u64) -> Result<usize, Errno> {
        if self.is_sparing() && !self.lacks_dont_cache.load(Ordering::Relaxed) {
            match rustix::io::preadv2(fd, &mut [IoSliceMut::new(bytes)], at, DONT_CACHE) {
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                    self.lacks_dont_cache.store(true, Ordering::Relaxed);
                }
                read => return read,
            }
        }
        rustix::io::pread(fd, bytes, at)
    }
}

/// One writer of a long body.
#[derive(Debug)]
pub(super) struct LongWriter {
    io: Io,
    way: Arc<Way>,
    direct: Option<Direct>,
    behind: Behind,
    reservation: Reservation,
}

impl LongWriter {
    pub(super) fn new(io: Io, way: Arc<Way>) -> Self {
        let (behind, reservation) = (Behind::default(), Reservation::NONE);
        Self { io, way, direct: None, behind, reservation }
    }

    /// Expects the bytes of `range` next, from its begin on, and reserves space for them as they
    /// come, where the options ask for that.
    pub(super) fn expect(&mut self, range: Range<u64>) {
        self.way.expect(range.end);
        self.reservation = match range.end < BODY_BYTES_LIMIT {
            true => Reservation::of(range, self.way.options),
            false => Reservation::NONE,
        };
    }

    /// Whether a write that ends at `end` has to wait for space to be reserved.
    pub(super) fn is_room_due(&self, end: u64) -> bool {
        self.reservation.is_due(end)
    }

    /// Reserves the space for a write that ends at `end`.
    ///
    /// # Errors
    /// When there is no room, or the disk failed.
    pub(super) async fn make_room(&mut self, fd: &Rc<OwnedFd>, end: u64) -> Result<(), Cause> {
        self.reservation.cover((&self.io, fd), end, self.way.options.ops).await
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    pub(super) fn io(&self) -> &Io {
        &self.io
    }

    /// Writes what waits at offset `at`, which moves behind it. It waits on.
    ///
    /// # Errors
    /// When the write failed; any part of it may have been written then.
    pub(super) async fn write(
        &mut self,
        fd: &Rc<OwnedFd>,
        waiting: &mut impl Waiting,
        at: &mut u64,
    ) -> Result<(), Cause> {
        let Way { options, has_ring_writes, .. } = *self.way;
        let begin = *at;
        let end = begin.saturating_add(waiting.length() as u64);
        if self.is_room_due(end) {
            self.make_room(fd, end).await?;
        }
        self.way.expect(end);
        let chosen = self.way.chosen();
        let by_ring = chosen != WriteMode::Sync
            && writes::is_by_ring(options, waiting.length(), true, has_ring_writes);
        let is_written = match chosen {
            WriteMode::Direct => match waiting.together() {
                Some(bytes) => self.write_direct(fd, bytes, at).await?,
                None => false,
            },
            WriteMode::DontCache => {
                match waiting.write((&self.io, fd), at, by_ring, DONT_CACHE).await {
                    Err(cause) if cause == disk_cause(libc::EOPNOTSUPP) => {
                        self.way.lacks_dont_cache.store(true, Ordering::Relaxed);
                        false
                    }
                    written => written.map(|()| true)?,
                }
            }
            WriteMode::Auto | WriteMode::Ring | WriteMode::Sync | WriteMode::Behind => false,
        };
        if !is_written {
            *at = begin;
            waiting.write((&self.io, fd), at, by_ring, ReadWriteFlags::empty()).await?;
        }
        // Beside the direct writes, a page at the end of each.
        if matches!(self.way.chosen(), WriteMode::Behind | WriteMode::Direct) {
            self.behind.written((&self.io, fd), begin..*at).await;
        }
        Ok(())
    }

    /// Writes around the page cache; `false` where the file system does not do so after all.
    async fn write_direct(
        &mut self,
        fd: &Rc<OwnedFd>,
        bytes: &[u8],
        at: &mut u64,
    ) -> Result<bool, Cause> {
        let opened = match self.direct.take() {
            Some(direct) => Ok(direct),
            None => Direct::open(fd),
        };
        let is_written = match opened {
            Ok(direct) => self.direct.insert(direct).write((&self.io, fd), bytes, at).await?,
            Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                return Err(disk_cause(errno.raw_os_error()));
            }
            Err(_) => false,
        };
        if !is_written {
            self.way.lacks_direct.store(true, Ordering::Relaxed);
        }
        Ok(is_written)
    }
}

/// Range that was written in order, and how far it was brought to the disk.
#[derive(Debug, Default)]
struct Behind {
    begin: u64,
    /// End of what the kernel was told to begin to write.
    begun: u64,
    end: u64,
}

impl Behind {
    /// Takes note of a range that was written. A step behind it, begins to bring it to the disk;
    /// two steps behind, lets go of what is there by then.
    async fn written(&mut self, (io, fd): (&Io, &Rc<OwnedFd>), range: Range<u64>) {
        if range.start != self.end {
            *self = Self { begin: range.start, begun: range.start, end: range.start };
        }
        self.end = range.end;
        if self.end - self.begun < STEP_BYTES {
            return;
        }
        io.begin_write_back(fd, self.begun..self.end).await;
        // What was not yet on the disk when it was passed before, too.
        let from = self.begin.max(self.begun.saturating_sub(AGAIN_BYTES));
        if from < self.begun {
            io.forget_cached(fd, from..self.begun).await;
        }
        self.begun = self.end;
    }
}

/// Flag of a write or read whose bytes do not stay in the page cache (pwritev2(2), Linux 6.14).
/// EOPNOTSUPP says that the kernel or the file system has no such thing.
pub(super) const DONT_CACHE: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);

/// How far behind a writer the kernel is told what to do, in bytes: large writes of the disk, and
/// two operations for some hundred writes.
const STEP_BYTES: u64 = 64 << 20;
/// How far behind that bytes are let go of again, in bytes: a disk may be slower than the network
/// for as long as the dirty pages that the kernel allows last.
const AGAIN_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_chosen_by_length_disk_and_what_is_to_be_had() {
        let way = |mode, ops, is_in_memory| Way {
            options: WriteOptions { mode, ops, ..WriteOptions::default() },
            has_ring_writes: false,
            is_in_memory,
            end: AtomicU64::new(0),
            share: Arc::new(CacheShare::with(1_000)),
            is_beyond_share: AtomicBool::new(false),
            lacks_direct: AtomicBool::new(false),
            lacks_dont_cache: AtomicBool::new(false),
        };
        for (ops, plain) in [(FileOps::Auto, WriteMode::Ring), (FileOps::Sync, WriteMode::Sync)] {
            let auto = way(WriteMode::Auto, ops, false);
            auto.expect(999);
            assert_eq!((auto.chosen(), auto.may_chain()), (plain, true));
            auto.expect(1_000);
            assert_eq!(auto.chosen(), plain);
            auto.expect(1_001);
            auto.expect(5);
            assert_eq!((auto.chosen(), auto.may_chain()), (WriteMode::DontCache, false));
            auto.lacks_dont_cache.store(true, Ordering::Relaxed);
            assert_eq!(auto.chosen(), WriteMode::Behind);
            let memory = way(WriteMode::Auto, ops, true);
            memory.expect(1 << 40);
            assert_eq!((memory.chosen(), memory.may_chain()), (WriteMode::Sync, true));
            let direct = way(WriteMode::Direct, ops, false);
            assert_eq!(direct.chosen(), WriteMode::Direct);
            direct.lacks_direct.store(true, Ordering::Relaxed);
            assert_eq!(direct.chosen(), plain);
        }
        for mode in [WriteMode::Ring, WriteMode::Sync, WriteMode::DontCache] {
            let asked = way(mode, FileOps::Auto, false);
            assert_eq!(asked.chosen(), mode);
            asked.expect(1 << 40);
            assert_eq!(asked.chosen(), mode);
        }
    }
}
