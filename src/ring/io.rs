//! How the bytes of one core move: the backend, which a core chooses once and hands to whatever
//! moves bytes.
//!
//! Every operation has one form here, whichever backend does it. With a ring, it is submitted when
//! it is made; otherwise it begins when it is awaited. A future that is dropped abandons its
//! operation: a ring goes on with it, and keeps the memory and the descriptor as long.
//!
//! - [`Backend::Uring`]: tokio-uring's runtime and ring (`uring`, `enter`).
//! - [`Backend::UringOwn`]: a ring of our own (`own`).
//! - [`Backend::Epoll`], [`Backend::Select`], [`Backend::Blocking`]: plain system calls (`ready`,
//!   `selector`). Files are written by plain calls then.
//!
//! All but the first run on `exec`.

mod aligned;
mod backend;
mod direct;
mod enter;
mod exec;
mod order;
mod own;
mod ready;
mod selector;
mod start;
mod transfer;
mod uring;
mod vectored;

pub(in crate::ring) use aligned::Aligned;
pub(in crate::ring) use backend::Wants;
pub use backend::{
    Backend, IOWQ_WORKERS_MAX, RecvMode, RingFlags, RingOptions, SQ_ENTRIES, Trigger,
};
pub(in crate::ring) use order::{Order, Sent};
pub(in crate::ring) use own::Unread;
pub use start::run;
pub(in crate::ring) use transfer::{Chained, Connect, Transfer, Transferred};
pub(in crate::ring) use vectored::Vectored;

use super::buf::{BufPool, Size};
use crate::ring::shim::{Op, call};
use exec::Timers;
use rustix::fs::{Advice, FallocateFlags};
use rustix::io::{Errno, ReadWriteFlags};
use std::cell::OnceCell;
use std::ffi::CString;
use std::fmt;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::num::NonZero;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use transfer::{Connecting, Transferring};

/// The backend of a core. A clone is the same one.
#[derive(Clone, Default)]
pub struct Io(Rc<Inner>);

#[derive(Default)]
struct Inner {
    kind: Kind,
    /// The timers of the core; those of tokio where there are none.
    timers: Option<Rc<Timers>>,
    /// Memory for writes around the page cache, once there was one.
    aligned: OnceCell<direct::Memory>,
    /// Whether the completion of a receive says if there is more (Linux 5.19).
    tells_rest: bool,
    buffers: BufPool,
}

#[derive(Default)]
enum Kind {
    /// The ring of tokio-uring's runtime that this thread runs.
    #[default]
    Uring,
    Own(Rc<own::Ring>),
    Ready(Rc<ready::Poller>),
}

/// A NOP in flight.
enum Nop {
    Uring(uring::PlainOp<()>),
    Own(own::InFlight),
    Nowhere,
}

impl Io {
    /// Waits for some time. The wait may be dropped.
    pub async fn sleep(&self, time: Duration) {
        match (&self.0.timers, Instant::now().checked_add(time)) {
            (Some(timers), Some(at)) => timers.until(at).await,
            (Some(_), None) => std::future::pending().await,
            (None, _) => tokio::time::sleep(time).await,
        }
    }

    /// Waits for something that may be dropped, at most so long; `None` where that was not enough.
    pub async fn timeout<T>(&self, at_most: Duration, doing: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = doing => Some(done),
            () = self.sleep(at_most) => None,
        }
    }

    /// The backend of this kind, with these timers.
    fn new(kind: Kind, timers: &Rc<Timers>) -> Self {
        let (tells_rest, buffers) = match &kind {
            Kind::Own(ring) => (ring.tells_rest(), ring.buffers()),
            Kind::Uring | Kind::Ready(_) => (false, BufPool::default()),
        };
        let timers = Some(Rc::clone(timers));
        Self(Rc::new(Inner { kind, timers, aligned: OnceCell::new(), tells_rest, buffers }))
    }

    /// The backend of tokio-uring's runtime, on a kernel that `tells_rest` or not.
    fn of_runtime(tells_rest: bool) -> Self {
        Self(Rc::new(Inner { tells_rest, ..Inner::default() }))
    }

    /// Whether operations are worked on in the order in which they were submitted. A receive that
    /// goes on is not submitted each time.
    pub(in crate::ring) fn has_order(&self) -> bool {
        match &self.0.kind {
            Kind::Uring => true,
            Kind::Own(ring) => !ring.is_multishot(),
            Kind::Ready(_) => false,
        }
    }

    /// Does nothing, by way of the ring: what an operation costs by itself (`benches/nop.rs`). It
    /// is submitted when it is made, as all are.
    ///
    /// # Errors
    /// There is no ring (ENOSYS).
    pub fn nop(&self) -> impl Future<Output = Result<(), i32>> + use<> {
        let started = match &self.0.kind {
            Kind::Uring => Nop::Uring(uring::nop()),
            Kind::Own(ring) => Nop::Own(ring.nop()),
            Kind::Ready(_) => Nop::Nowhere,
        };
        async move {
            match started {
                Nop::Uring(nop) => nop.await.map(drop),
                Nop::Own(nop) => nop.await.0.map(drop),
                Nop::Nowhere => Err(libc::ENOSYS),
            }
        }
    }

    /// Prepares a socket that was made without O_NONBLOCK: a ring operation on one that has it may
    /// end in a literal EAGAIN.
    pub(in crate::ring) fn prepare(&self, socket: &OwnedFd) -> Result<(), Errno> {
        match &self.0.kind {
            Kind::Uring | Kind::Own(_) => Ok(()),
            Kind::Ready(poller) => poller.prepare(socket),
        }
    }

    /// The receive buffers of the core.
    pub fn buffers(&self) -> BufPool {
        self.0.buffers.clone()
    }

    /// Whether what is received first of an answer brings its own memory: then none is to be lent.
    pub fn provides_memory(&self) -> bool {
        self.provided_size().is_some()
    }

    /// Size of the memory that answers bring.
    pub(in crate::ring) fn provided_size(&self) -> Option<Size> {
        match &self.0.kind {
            Kind::Own(ring) => ring.provided_size(),
            Kind::Uring | Kind::Ready(_) => None,
        }
    }

    /// What was received of a socket, and was not read by anybody.
    pub(in crate::ring) fn unread(&self, socket: &OwnedFd) -> Unread {
        match &self.0.kind {
            Kind::Own(ring) => ring.unread(socket.as_raw_fd()),
            Kind::Uring | Kind::Ready(_) => Unread::Nothing,
        }
    }

    /// Forgets a socket that is about to be closed.
    pub(in crate::ring) fn forget(&self, socket: &OwnedFd) {
        match &self.0.kind {
            Kind::Uring => {}
            Kind::Own(ring) => ring.forget(socket.as_raw_fd()),
            Kind::Ready(poller) => poller.forget(socket.as_raw_fd()),
        }
    }

    /// Connects within `timeout_ms`; ECANCELED or ETIMEDOUT when the time is over.
    pub(in crate::ring) fn connect(
        &self,
        fd: &Rc<OwnedFd>,
        address: &SocketAddr,
        timeout_ms: u64,
    ) -> Connect {
        Connect(match &self.0.kind {
            Kind::Uring => {
                let (connect, timer) = uring::connect(fd, address, timeout_ms);
                Connecting::Uring { connect, timer, connected: None }
            }
            Kind::Own(ring) => {
                let [connect, timer] = ring.connect(fd, address, timeout_ms);
                Connecting::Own { connect, timer, connected: None }
            }
            Kind::Ready(poller) => {
                let connect = ready::Connecting::new(poller, fd, address);
                let at = Instant::now() + Duration::from_millis(timeout_ms);
                let timer = self.0.timers.as_ref().map(|timers| timers.until(at));
                Connecting::Ready { connect, timer }
            }
        })
    }

    /// Sends `buf[range]`, all of it where nothing goes wrong. Never raises SIGPIPE.
    pub(in crate::ring) fn send(
        &self,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
    ) -> Transfer {
        Transfer::send(match &self.0.kind {
            Kind::Uring => Transferring::Uring(uring::send(fd, buf, range)),
            Kind::Own(ring) => Transferring::Own(ring.send(fd, buf, range)),
            Kind::Ready(poller) => {
                Transferring::Ready(Box::new(ready::Transfer::send(poller, fd, buf, range)))
            }
        })
    }

    /// Receives into `buf[range]`; 0 is the end of the stream. A `buf` without memory, which is one
    /// where the ring provides it, gets memory together with what is received; ENOBUFS when there
    /// is none now.
    pub(in crate::ring) fn recv(
        &self,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
        wants: Wants,
    ) -> Transfer {
        let length = range.len();
        let doing = match &self.0.kind {
            Kind::Uring => Transferring::Uring(uring::recv(fd, buf, range, wants == Wants::All)),
            Kind::Own(ring) if ring.is_multishot() => {
                Transferring::Stream(Box::new(ring.receiving(fd, buf, range, wants)))
            }
            Kind::Own(ring) => Transferring::Own(ring.recv(fd, buf, range, wants)),
            Kind::Ready(poller) => {
                let transfer = ready::Transfer::receive(poller, fd, buf, range, wants);
                Transferring::Ready(Box::new(transfer))
            }
        };
        Transfer::receive(doing, length, wants, self.0.tells_rest)
    }

    /// Waits until something can be written to a stream. The wait may be dropped.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(in crate::ring) async fn writable(&self, fd: &Arc<OwnedFd>) -> Result<(), i32> {
        match &self.0.kind {
            Kind::Uring => {
                // SAFETY: an OwnedFd in an Arc has one number, and is open for as long as that is
                // held.
                #[allow(unsafe_code, reason = "tokio cannot know what it is given")]
                let registered =
                    unsafe { AsyncFd::register_with_interest(Arc::clone(fd), Interest::WRITABLE) };
                // An error of the wait is told by the next write.
                let fd = registered.map_err(|_| libc::EPERM)?;
                drop(fd.writable().await);
                Ok(())
            }
            Kind::Own(ring) => ring.writable(fd.as_raw_fd()).await,
            Kind::Ready(poller) => poller.writable(fd).await,
        }
    }

    /// Writes `buf[range]` at a file offset, with flags of pwritev2(2).
    pub(in crate::ring) async fn write(
        &self,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
        (offset, flags): (u64, ReadWriteFlags),
    ) -> (Result<usize, i32>, Vec<u8>) {
        let rw_flags = i32::try_from(flags.bits()).unwrap_or_default();
        match &self.0.kind {
            Kind::Uring => {
                let (result, buf, _) = uring::write(fd, buf, range, offset, rw_flags).await;
                (result, buf)
            }
            Kind::Own(ring) => {
                let (result, data) = ring.write(fd, buf, range, (offset, rw_flags)).await;
                (result, data.into_buf())
            }
            Kind::Ready(_) => {
                let part = [IoSlice::new(&buf[range])];
                let write = || rustix::io::pwritev2(fd, &part, offset, flags);
                let result = call(Op::Write, write).map_err(Errno::raw_os_error);
                (result, buf)
            }
        }
    }

    /// Writes these bytes of pieces at a file offset, with flags of pwritev2(2).
    pub(in crate::ring) async fn write_gathered(
        &self,
        fd: &Rc<OwnedFd>,
        pieces: Vectored,
        bytes: Range<usize>,
        (offset, flags): (u64, ReadWriteFlags),
    ) -> (Result<usize, i32>, Vectored) {
        let rw_flags = i32::try_from(flags.bits()).unwrap_or_default();
        match &self.0.kind {
            Kind::Uring => uring::write_gathered(fd, pieces, bytes, (offset, rw_flags)).await,
            Kind::Own(ring) => ring.write_gathered(fd, pieces, bytes, (offset, rw_flags)).await,
            Kind::Ready(_) => (pieces.write_now(fd, bytes, (offset, flags)), pieces),
        }
    }

    /// Brings the data of a file, or the names in a directory, to the disk (fsync(2)).
    pub(in crate::ring) async fn fsync(&self, fd: &Rc<OwnedFd>) -> Result<(), i32> {
        self.sync(fd, false).await
    }

    /// Brings the data of a file to the disk, and of the rest what is needed to find it again
    /// (fdatasync(2)).
    pub(in crate::ring) async fn fdatasync(&self, fd: &Rc<OwnedFd>) -> Result<(), i32> {
        self.sync(fd, true).await
    }

    async fn sync(&self, fd: &Rc<OwnedFd>, is_data: bool) -> Result<(), i32> {
        loop {
            let synced = match &self.0.kind {
                Kind::Uring => uring::fsync(fd, is_data).await,
                Kind::Own(ring) => ring.fsync(fd, is_data).await,
                Kind::Ready(_) => call(Op::Fsync, || match is_data {
                    true => rustix::fs::fdatasync(fd),
                    false => rustix::fs::fsync(fd),
                })
                .map_err(Errno::raw_os_error),
            };
            if synced != Err(libc::EINTR) {
                return synced;
            }
        }
    }

    /// Reserves space for `range`; the file grows no longer (fallocate(2), FALLOC_FL_KEEP_SIZE).
    pub(in crate::ring) async fn fallocate(
        &self,
        fd: &Rc<OwnedFd>,
        range: Range<u64>,
    ) -> Result<(), i32> {
        match &self.0.kind {
            Kind::Uring => uring::fallocate(fd, range).await,
            Kind::Own(ring) => ring.fallocate(fd, range).await,
            Kind::Ready(_) => fallocate(fd, range),
        }
    }

    /// Has the kernel begin to bring `range`, less than 4 GiB, to the disk (sync_file_range(2)).
    /// That this fails is told by the next fsync(2).
    pub(in crate::ring) async fn begin_write_back(&self, fd: &Rc<OwnedFd>, range: Range<u64>) {
        match &self.0.kind {
            Kind::Uring => uring::begin_write_back(fd, range).await,
            Kind::Own(ring) => ring.begin_write_back(fd, range).await,
            Kind::Ready(_) => begin_write_back(fd, range),
        }
    }

    /// Has the page cache let go of those bytes of `range`, less than 2 GiB, that are on the disk
    /// (posix_fadvise(2), POSIX_FADV_DONTNEED). An empty range is all from its begin on.
    pub(in crate::ring) async fn forget_cached(&self, fd: &Rc<OwnedFd>, range: Range<u64>) {
        match &self.0.kind {
            Kind::Uring => uring::forget_cached(fd, range).await,
            Kind::Own(ring) => ring.forget_cached(fd, range).await,
            Kind::Ready(_) => {
                let length = NonZero::new(range.end - range.start);
                let _: Result<(), Errno> =
                    rustix::fs::fadvise(fd, range.start, length, Advice::DontNeed);
            }
        }
    }

    /// Writes, closes and renames, each only after the one before was done in full, so the final
    /// name never appears over a file that is not whole. A file that has the name is not replaced
    /// (RENAME_NOREPLACE). The descriptor is taken by its number; the caller closes it when the
    /// second result is ECANCELED. With a ring it is one chain (io_uring_enter(2), IOSQE_IO_LINK).
    pub(in crate::ring) async fn write_close_rename(
        &self,
        place: (RawFd, &Rc<OwnedFd>),
        names: (CString, CString),
        buf: Vec<u8>,
        range: Range<usize>,
        offset: u64,
    ) -> Chained {
        match &self.0.kind {
            Kind::Uring => {
                let (write, close, rename) =
                    uring::write_close_rename(place, names, buf, range, offset);
                let (written, memory) = write.await;
                Chained { written, memory, closed: close.await, renamed: rename.await }
            }
            Kind::Own(ring) => {
                let [write, close, rename] =
                    ring.write_close_rename(place, names, buf, range, offset);
                let (written, data) = write.await;
                let (closed, renamed) = (close.await.0, rename.await.0);
                Chained { written, memory: data.into_buf(), closed, renamed }
            }
            // There are no chains of plain calls, and nobody asks for them.
            Kind::Ready(_) => {
                let (closed, renamed) = (Err(libc::ECANCELED), Err(libc::ECANCELED));
                Chained { written: Err(libc::ENOSYS), memory: buf, closed, renamed }
            }
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            Kind::Uring => "Uring",
            Kind::Own(_) => "Own",
            Kind::Ready(_) => "Ready",
        })
    }
}

#[cfg(test)]
impl Io {
    /// Whether the completion of a receive says if there is more.
    pub(in crate::ring) fn tells_rest(&self) -> bool {
        self.0.tells_rest
    }

    /// Operations that the kernel may still work on.
    pub(in crate::ring) fn in_flight(&self) -> usize {
        match &self.0.kind {
            Kind::Uring => uring::in_flight(),
            Kind::Own(ring) => ring.in_flight(),
            Kind::Ready(_) => 0,
        }
    }
}

/// Runs a story of a test on each backend, and with each way to receive, on a thread of its own.
#[cfg(test)]
pub(in crate::ring) fn on_each_backend(story: impl AsyncFn(Io, Backend) + Sync) {
    let cpu = core_affinity::get_core_ids().expect("there is a CPU")[0].id;
    let backends = Backend::ALL.map(|backend| (backend, RecvMode::Auto));
    let modes =
        [RecvMode::Provided, RecvMode::Multishot].map(|recv_mode| (Backend::UringOwn, recv_mode));
    for (backend, recv_mode) in backends.into_iter().chain(modes) {
        let options = RingOptions { recv_mode, ..RingOptions::default() };
        let run = || run((backend, options), cpu, 4, |io| story(io, backend));
        let ended = std::thread::scope(|scope| scope.spawn(run).join());
        assert!(ended.is_ok_and(|ended| ended.is_ok()), "{backend:?} {recv_mode:?}");
    }
}

/// Reserves space by a plain call; see [`Io::fallocate`].
pub(in crate::ring) fn fallocate(fd: &OwnedFd, range: Range<u64>) -> Result<(), i32> {
    let (flags, length) = (FallocateFlags::KEEP_SIZE, range.end - range.start);
    call(Op::Fallocate, || rustix::fs::fallocate(fd, flags, range.start, length))
        .map_err(Errno::raw_os_error)
}

/// See [`Io::begin_write_back`].
fn begin_write_back(fd: &OwnedFd, range: Range<u64>) {
    let as_offset = |offset| libc::off64_t::try_from(offset).unwrap_or(libc::off64_t::MAX);
    let (begin, length) = (as_offset(range.start), as_offset(range.end - range.start));
    // SAFETY: the call is given an open descriptor and numbers, which the kernel checks
    // (sync_file_range(2)).
    #[allow(unsafe_code, reason = "no safe wrapper makes this call")]
    unsafe {
        libc::sync_file_range(fd.as_raw_fd(), begin, length, libc::SYNC_FILE_RANGE_WRITE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nop_goes_by_the_ring_where_there_is_one() {
        on_each_backend(async |io, backend| {
            let expected = if backend.has_ring() { Ok(()) } else { Err(libc::ENOSYS) };
            assert_eq!(io.nop().await, expected, "{backend:?}");
            let together: Vec<_> = (0..9).map(|_| io.nop()).collect();
            assert_eq!(io.in_flight(), if backend.has_ring() { 9 } else { 0 }, "{backend:?}");
            for nop in together {
                assert_eq!(nop.await, expected, "{backend:?}");
            }
            assert_eq!(io.in_flight(), 0);
        });
    }
}
