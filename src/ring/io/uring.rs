//! One-completion operations that tokio-uring's own API lacks, each a function that submits one
//! entry (or one chain) to the ring of this thread.
//!
//! The data of an operation lives in tokio-uring's operation table until its completion was seen,
//! even if the future is dropped before; that table is what the `KERNEL:` notes below call the
//! driver. It is so only while the runtime lives: tokio-uring 0.5.0 frees that data when the driver
//! is dropped (`Driver::drop`), and cancels what is in flight after that. So operations are counted
//! ([`in_flight`]), and a runtime is dropped only when there is none ([`super::start`]).

use super::enter;
use super::vectored::Vectored;
use crate::ring::shim::{Op, Verdict};
use io_uring::squeue::{self, Flags};
use io_uring::{cqueue, opcode, types};
use rustix::net::SocketAddrAny;
use rustix::net::addr::SocketAddrArg;
use std::cell::Cell;
use std::ffi::CString;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use tokio_uring::buf::fixed::FixedBuf;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

/// A span of time as the kernel reads it.
pub(super) use io_uring::types::Timespec;

/// An operation in flight, whose completion `T` turns into a result.
pub(super) type InFlight<T> =
    InFlightOneshot<Held<<T as OneshotOutputTransform>::StoredData>, Holding<T>>;

/// An operation in flight that gives its buffer back beside the result, a count or an errno, and
/// the flags of its completion.
pub(super) type BufOp = InFlight<GiveBack>;

/// An operation in flight whose data is of no further use.
pub(super) type PlainOp<D> = InFlight<Forget<D>>;

thread_local! {
    static IN_FLIGHT: Cell<usize> = const { Cell::new(0) };
}

/// Operations of this thread that the kernel may still work on, those included whose future was
/// dropped; and those that are complete and were not looked at yet.
pub(super) fn in_flight() -> usize {
    IN_FLIGHT.get()
}

/// One operation in flight, counted as long as its data lives.
pub(super) struct Counted(());

impl Counted {
    pub(super) fn one() -> Self {
        IN_FLIGHT.set(IN_FLIGHT.get() + 1);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        IN_FLIGHT.set(IN_FLIGHT.get() - 1);
    }
}

/// The data of an operation in flight.
pub(super) struct Held<D> {
    data: D,
    _counted: Counted,
}

/// Turns a completion into a result by `T`.
pub(super) struct Holding<T>(T);

impl<T: OneshotOutputTransform> OneshotOutputTransform for Holding<T> {
    type Output = T::Output;
    type StoredData = Held<T::StoredData>;

    fn transform_oneshot_output(self, held: Self::StoredData, cqe: cqueue::Entry) -> T::Output {
        self.0.transform_oneshot_output(held.data, cqe)
    }
}

/// Data that a send, receive or write owns while the kernel works on it.
pub(super) struct Transfer {
    /// Keeps the descriptor open until the operation completed.
    _fd: Rc<OwnedFd>,
    buf: Vec<u8>,
}

/// Turns the completion of a transfer into its result and its buffer.
pub(super) struct GiveBack(Verdict);

impl OneshotOutputTransform for GiveBack {
    type Output = (Result<usize, i32>, Vec<u8>, u32);
    type StoredData = Transfer;

    fn transform_oneshot_output(self, data: Transfer, cqe: cqueue::Entry) -> Self::Output {
        (self.0.result(count(cqe.result())), data.buf, cqe.flags())
    }
}

/// Turns a completion into its result alone.
pub(super) struct Forget<D>(Verdict, PhantomData<D>);

impl<D> OneshotOutputTransform for Forget<D> {
    type Output = Result<usize, i32>;
    type StoredData = D;

    fn transform_oneshot_output(self, _data: D, cqe: cqueue::Entry) -> Self::Output {
        self.0.result(count(cqe.result()))
    }
}

/// SEND of `buf[range]`. MSG_WAITALL makes the kernel go on after a short send
/// (io_uring_prep_send(3), since 5.19), MSG_NOSIGNAL turns SIGPIPE into EPIPE.
pub(super) fn send(fd: &Rc<OwnedFd>, buf: Vec<u8>, range: Range<usize>) -> BufOp {
    let part = &buf[range];
    let verdict = Verdict::on(Op::Send);
    let length = len_u32(verdict.len(part.len()));
    // KERNEL: reads `buf`, owned by the driver in `Transfer` until the completion.
    let sqe = opcode::Send::new(types::Fd(fd.as_raw_fd()), part.as_ptr(), length)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build();
    submit(verdict, Transfer { _fd: Rc::clone(fd), buf }, GiveBack(verdict), sqe, Flags::empty())
}

/// RECV into `buf[range]`; with `is_whole` one completion for the full range (MSG_WAITALL), shorter
/// only at the end of the stream or on an error.
pub(super) fn recv(
    fd: &Rc<OwnedFd>,
    mut buf: Vec<u8>,
    range: Range<usize>,
    is_whole: bool,
) -> BufOp {
    let part = &mut buf[range];
    let verdict = Verdict::on(Op::Recv);
    let length = len_u32(verdict.len(part.len()));
    let flags = if is_whole { libc::MSG_WAITALL } else { 0 };
    // KERNEL: writes `buf`, owned by the driver in `Transfer` until the completion.
    let sqe = opcode::Recv::new(types::Fd(fd.as_raw_fd()), part.as_mut_ptr(), length)
        .flags(flags)
        .build();
    submit(verdict, Transfer { _fd: Rc::clone(fd), buf }, GiveBack(verdict), sqe, Flags::empty())
}

/// WRITE of `buf[range]` at a file offset, with flags of pwritev2(2).
pub(super) fn write(
    fd: &Rc<OwnedFd>,
    buf: Vec<u8>,
    range: Range<usize>,
    offset: u64,
    rw_flags: i32,
) -> BufOp {
    let part = &buf[range];
    let verdict = Verdict::on(Op::Write);
    let length = len_u32(verdict.len(part.len()));
    // KERNEL: reads `buf`, owned by the driver in `Transfer` until the completion.
    let sqe = opcode::Write::new(types::Fd(fd.as_raw_fd()), part.as_ptr(), length)
        .offset(offset)
        .rw_flags(rw_flags)
        .build();
    submit(verdict, Transfer { _fd: Rc::clone(fd), buf }, GiveBack(verdict), sqe, Flags::empty())
}

/// Data that a write from registered memory owns.
pub(super) struct Lent {
    _fd: Rc<OwnedFd>,
    /// Goes back to the others when it is dropped.
    _buf: FixedBuf,
}

/// WRITE_FIXED of the first `length` bytes of `buf` at a file offset; WRITE where the memory
/// `is_registered` with no ring.
pub(super) fn write_fixed(
    fd: &Rc<OwnedFd>,
    buf: FixedBuf,
    length: usize,
    offset: u64,
    is_registered: bool,
) -> PlainOp<Lent> {
    let verdict = Verdict::on(Op::Write);
    let (at, index) = (types::Fd(fd.as_raw_fd()), buf.buf_index());
    let part = &buf[..length];
    let (memory, length) = (part.as_ptr(), len_u32(verdict.len(part.len())));
    // KERNEL: reads `buf`, owned by the driver in `Lent` until the completion.
    let sqe = if is_registered {
        opcode::WriteFixed::new(at, memory, length, index).offset(offset).build()
    } else {
        opcode::Write::new(at, memory, length).offset(offset).build()
    };
    plain(verdict, Lent { _fd: Rc::clone(fd), _buf: buf }, sqe, Flags::empty())
}

/// SYNC_FILE_RANGE with SYNC_FILE_RANGE_WRITE: has the kernel begin to bring `range`, less than
/// 4 GiB, to the disk. That this fails is told by the next fsync(2).
pub(super) async fn begin_write_back(fd: &Rc<OwnedFd>, range: Range<u64>) {
    let length = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
    // KERNEL: points at no memory.
    let sqe = opcode::SyncFileRange::new(types::Fd(fd.as_raw_fd()), length)
        .offset(range.start)
        .flags(libc::SYNC_FILE_RANGE_WRITE)
        .build();
    let _: Result<usize, i32> = plain(Verdict::NONE, Rc::clone(fd), sqe, Flags::empty()).await;
}

/// FADVISE with POSIX_FADV_DONTNEED: has the page cache let go of those bytes of `range`, less
/// than 2 GiB, that are on the disk. An empty range is all from its begin on.
pub(super) async fn forget_cached(fd: &Rc<OwnedFd>, range: Range<u64>) {
    let length = i32::try_from(range.end - range.start).unwrap_or(i32::MAX);
    // KERNEL: points at no memory.
    let sqe =
        opcode::Fadvise::new(types::Fd(fd.as_raw_fd()), length.into(), libc::POSIX_FADV_DONTNEED)
            .offset(range.start)
            .build();
    let _: Result<usize, i32> = plain(Verdict::NONE, Rc::clone(fd), sqe, Flags::empty()).await;
}

/// FSYNC; with `is_data`, IORING_FSYNC_DATASYNC.
pub(super) async fn fsync(fd: &Rc<OwnedFd>, is_data: bool) -> Result<(), i32> {
    let flags = if is_data { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
    // KERNEL: points at no memory.
    let sqe = opcode::Fsync::new(types::Fd(fd.as_raw_fd())).flags(flags).build();
    plain(Verdict::on(Op::Fsync), Rc::clone(fd), sqe, Flags::empty()).await.map(drop)
}

/// NOP.
pub(super) fn nop() -> PlainOp<()> {
    // KERNEL: points at no memory.
    plain(Verdict::NONE, (), opcode::Nop::new().build(), Flags::empty())
}

/// FALLOCATE of `range` with FALLOC_FL_KEEP_SIZE: space is reserved, the file grows no longer.
pub(super) async fn fallocate(fd: &Rc<OwnedFd>, range: Range<u64>) -> Result<(), i32> {
    let length = range.end - range.start;
    // KERNEL: points at no memory.
    let sqe = opcode::Fallocate::new(types::Fd(fd.as_raw_fd()), length)
        .offset(range.start)
        .mode(libc::FALLOC_FL_KEEP_SIZE)
        .build();
    plain(Verdict::on(Op::Fallocate), Rc::clone(fd), sqe, Flags::empty()).await.map(drop)
}

/// Data that a CONNECT owns: the encoded address, boxed so that it does not move.
pub(super) struct Connecting {
    _fd: Rc<OwnedFd>,
    address: Box<SocketAddrAny>,
}

/// CONNECT linked to a LINK_TIMEOUT (io_uring_prep_link_timeout(3)): ECANCELED when the time is
/// over. Both completions must be awaited.
pub(super) fn connect(
    fd: &Rc<OwnedFd>,
    address: &SocketAddr,
    timeout_ms: u64,
) -> (PlainOp<Connecting>, PlainOp<Box<Timespec>>) {
    let data = Connecting { _fd: Rc::clone(fd), address: Box::new(address.as_any()) };
    let (pointer, length) = (data.address.as_ptr().cast(), data.address.addr_len());
    // KERNEL: reads the boxed address, owned by the driver in `Connecting` until the completion.
    let sqe = opcode::Connect::new(types::Fd(fd.as_raw_fd()), pointer, length).build();
    let connecting = plain(Verdict::on(Op::Connect), data, sqe, Flags::IO_LINK);

    let sub_ms = u32::try_from(timeout_ms % 1_000).unwrap_or(0);
    let time = Box::new(Timespec::new().sec(timeout_ms / 1_000).nsec(sub_ms * 1_000_000));
    let pointer: *const Timespec = &raw const *time;
    // KERNEL: reads the boxed timespec, owned by the driver until the completion.
    let sqe = opcode::LinkTimeout::new(pointer).build();
    let timer = plain(Verdict::NONE, time, sqe, Flags::empty());
    (connecting, timer)
}

/// Data that a rename at the end of a chain owns.
pub(super) struct Renaming {
    _dir: Rc<OwnedFd>,
    from: CString,
    to: CString,
}

/// WRITE, CLOSE and RENAMEAT as one chain (io_uring_enter(2), IOSQE_IO_LINK): a short or failed
/// write cancels the rest, so the final name never appears over a file that is not whole. A file
/// that has the name is not replaced (RENAME_NOREPLACE). CLOSE takes the raw descriptor; the caller
/// closes it when the second result is an error.
pub(super) fn write_close_rename(
    (fd, dir): (RawFd, &Rc<OwnedFd>),
    names: (CString, CString),
    buf: Vec<u8>,
    range: Range<usize>,
    offset: u64,
) -> (PlainBufOp, PlainOp<()>, PlainOp<Renaming>) {
    let part = &buf[range];
    let verdict = Verdict::on(Op::Write);
    let length = len_u32(verdict.len(part.len()));
    // KERNEL: reads `buf`, owned by the driver until the completion.
    let sqe = opcode::Write::new(types::Fd(fd), part.as_ptr(), length).offset(offset).build();
    let write = submit(verdict, buf, GiveVec(verdict), sqe, Flags::IO_LINK);
    // KERNEL: points at no memory.
    let sqe = opcode::Close::new(types::Fd(fd)).build();
    let close = plain(verdict.linked(Op::Close), (), sqe, Flags::IO_LINK);
    let data = Renaming { _dir: Rc::clone(dir), from: names.0, to: names.1 };
    let at = types::Fd(dir.as_raw_fd());
    // KERNEL: reads both names, owned by the driver in `Renaming` until the completion.
    let sqe = opcode::RenameAt::new(at, data.from.as_ptr(), at, data.to.as_ptr())
        .flags(libc::RENAME_NOREPLACE)
        .build();
    (write, close, plain(verdict.linked(Op::Rename), data, sqe, Flags::empty()))
}

/// A write in flight that owns its buffer but not its descriptor.
pub(super) type PlainBufOp = InFlight<GiveVec>;

/// Turns the completion of such a write into its result and its buffer.
pub(super) struct GiveVec(Verdict);

impl OneshotOutputTransform for GiveVec {
    type Output = (Result<usize, i32>, Vec<u8>);
    type StoredData = Vec<u8>;

    fn transform_oneshot_output(self, data: Vec<u8>, cqe: cqueue::Entry) -> Self::Output {
        (self.0.result(count(cqe.result())), data)
    }
}

/// Data that a write of pieces owns.
pub(super) struct Gathered {
    _fd: Rc<OwnedFd>,
    pieces: Vectored,
}

/// Turns the completion of such a write into its result and its pieces.
pub(super) struct GiveVectored(Verdict);

impl OneshotOutputTransform for GiveVectored {
    type Output = (Result<usize, i32>, Vectored);
    type StoredData = Gathered;

    fn transform_oneshot_output(self, data: Gathered, cqe: cqueue::Entry) -> Self::Output {
        (self.0.result(count(cqe.result())), data.pieces)
    }
}

/// WRITEV of these bytes of pieces at a file offset, with flags of pwritev2(2).
pub(super) fn write_gathered(
    fd: &Rc<OwnedFd>,
    mut pieces: Vectored,
    bytes: Range<usize>,
    (offset, rw_flags): (u64, i32),
) -> InFlight<GiveVectored> {
    let verdict = Verdict::on(Op::Write);
    let (vectors, count) = pieces.vectors(bytes.start..bytes.start + verdict.len(bytes.len()));
    // KERNEL: reads the vectors and the buffers of `pieces`, owned by the driver in `Gathered`
    // until the completion.
    let sqe = opcode::Writev::new(types::Fd(fd.as_raw_fd()), vectors, count)
        .offset(offset)
        .rw_flags(rw_flags)
        .build();
    let data = Gathered { _fd: Rc::clone(fd), pieces };
    submit(verdict, data, GiveVectored(verdict), sqe, Flags::empty())
}

/// ASYNC_CANCEL of everything in flight on this ring (IORING_ASYNC_CANCEL_ANY, since 5.19). Work
/// that a kernel worker has begun goes on to its end.
pub(super) async fn cancel_all() {
    // KERNEL: points at no memory.
    let sqe = opcode::AsyncCancel2::new(types::CancelBuilder::any()).build();
    // How many there were, or that an older kernel has no such thing: the count tells.
    let _: Result<usize, i32> = plain(Verdict::NONE, (), sqe, Flags::empty()).await;
}

fn plain<D>(verdict: Verdict, data: D, sqe: squeue::Entry, flags: Flags) -> PlainOp<D>
where
    D: 'static,
{
    submit(verdict, data, Forget(verdict, PhantomData), sqe, flags)
}

fn submit<T>(
    verdict: Verdict,
    data: T::StoredData,
    transform: T,
    sqe: squeue::Entry,
    flags: Flags,
) -> InFlight<T>
where
    T: OneshotOutputTransform<StoredData: 'static> + 'static,
{
    let sqe = verdict.entry(sqe).flags(flags);
    let held = Held { data, _counted: Counted::one() };
    let operation = UnsubmittedOneshot::new(held, Holding(transform), sqe).submit();
    verdict.strike();
    enter::pushed(flags.contains(Flags::IO_LINK));
    operation
}

/// A completion's result: a count, or a negated errno.
fn count(result: i32) -> Result<usize, i32> {
    usize::try_from(result).map_err(|_| -result)
}

/// Length of an operation as the kernel takes it: bounded by the buffers of this program, far below
/// 4 GiB.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a buffer of this program is shorter than 4 GiB")
}
