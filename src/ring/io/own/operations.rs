//! The operations of a ring: one entry each, or a chain.

use super::{Data, GROUP, InFlight, Ring};
use crate::ring::io::aligned::Aligned;
use crate::ring::io::backend::Wants;
use crate::ring::io::vectored::Vectored;
use crate::ring::shim::{Op, Verdict};
use io_uring_own::squeue::Flags;
use io_uring_own::{opcode, types};
use rustix::net::addr::SocketAddrArg as _;
use std::ffi::CString;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

impl Ring {
    /// SEND of `buf[range]`, all of it (MSG_WAITALL); see [`crate::ring::io::Io::send`].
    pub(in crate::ring::io) fn send(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
    ) -> InFlight {
        let verdict = Verdict::on(Op::Send);
        let part = &buf[range];
        let length = len_u32(verdict.len(part.len()));
        // KERNEL: reads `buf`, owned by the ring in its slot until the completion.
        let entry = opcode::Send::new(types::Fd(fd.as_raw_fd()), part.as_ptr(), length)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        self.start(verdict, Data::of_buf(fd, buf), entry)
    }

    /// RECV into `buf[range]`; see [`crate::ring::io::Io::recv`].
    pub(in crate::ring::io) fn recv(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        mut buf: Vec<u8>,
        range: Range<usize>,
        wants: Wants,
    ) -> InFlight {
        let verdict = Verdict::on(Op::Recv);
        if buf.is_empty() {
            return self.recv_provided(fd, (verdict, range.len()), wants);
        }
        let part = &mut buf[range];
        let length = len_u32(verdict.len(part.len()));
        let (flags, ioprio) = (self.recv_flags(wants), self.recv_ioprio(wants));
        // KERNEL: writes `buf`, owned by the ring in its slot until the completion.
        let entry = opcode::Recv::new(types::Fd(fd.as_raw_fd()), part.as_mut_ptr(), length)
            .flags(flags)
            .ioprio(ioprio)
            .build();
        self.start(verdict, Data::of_buf(fd, buf), entry)
    }

    /// RECV into memory that the kernel chooses once there is something to receive.
    fn recv_provided(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        (verdict, length): (Verdict, usize),
        wants: Wants,
    ) -> InFlight {
        let length = len_u32(verdict.len(length));
        // KERNEL: writes memory of the ring's own, which the completion names (`provided`).
        let entry = opcode::Recv::new(types::Fd(fd.as_raw_fd()), std::ptr::null_mut(), length)
            .flags(self.recv_flags(wants))
            .ioprio(self.recv_ioprio(wants))
            .buf_group(GROUP)
            .build()
            .flags(Flags::BUFFER_SELECT);
        self.start(verdict, Data::of_buf(fd, Vec::new()), entry)
    }

    fn recv_flags(&self, wants: Wants) -> i32 {
        match wants {
            Wants::All => libc::MSG_WAITALL,
            Wants::Any | Wants::Answer => 0,
        }
    }

    fn recv_ioprio(&self, wants: Wants) -> u16 {
        if wants == Wants::Answer && self.has_5_19 { POLL_FIRST } else { 0 }
    }

    /// CONNECT linked to a LINK_TIMEOUT; both are to be awaited.
    pub(in crate::ring::io) fn connect(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        address: &SocketAddr,
        timeout_ms: u64,
    ) -> [InFlight; 2] {
        let address = Box::new(address.as_any());
        let (pointer, length) = (address.as_ptr().cast(), address.addr_len());
        // KERNEL: reads the boxed address, owned by the ring in its slot until the completion.
        let connect = opcode::Connect::new(types::Fd(fd.as_raw_fd()), pointer, length).build();
        let time = Box::new(types::Timespec::from(Duration::from_millis(timeout_ms)));
        // KERNEL: reads the boxed timespec, owned by the ring in its slot until the completion.
        let timeout = opcode::LinkTimeout::new(&raw const *time).build();
        let connecting = Data::Address { _fd: Rc::clone(fd), _address: address };
        self.start_all([
            (Verdict::on(Op::Connect), connecting, connect, Flags::IO_LINK),
            (Verdict::NONE, Data::Time { _time: time }, timeout, Flags::empty()),
        ])
    }

    /// POLL_ADD for POLLOUT: waits until something can be written.
    pub(in crate::ring::io) async fn writable(self: &Rc<Self>, fd: RawFd) -> Result<(), i32> {
        // KERNEL: points at no memory. Whoever waits keeps the descriptor open.
        let entry = opcode::PollAdd::new(types::Fd(fd), POLLOUT).build();
        self.start(Verdict::NONE, Data::Nothing, entry).await.0.map(drop)
    }

    /// WRITE of `buf[range]` at a file offset, with flags of pwritev2(2).
    pub(in crate::ring::io) fn write(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
        (offset, rw_flags): (u64, i32),
    ) -> InFlight {
        let verdict = Verdict::on(Op::Write);
        let part = &buf[range];
        let length = len_u32(verdict.len(part.len()));
        // KERNEL: reads `buf`, owned by the ring in its slot until the completion.
        let entry = opcode::Write::new(types::Fd(fd.as_raw_fd()), part.as_ptr(), length)
            .offset(offset)
            .rw_flags(rw_flags)
            .build();
        self.start(verdict, Data::of_buf(fd, buf), entry)
    }

    /// WRITEV of these bytes of pieces at a file offset, with flags of pwritev2(2).
    pub(in crate::ring::io) async fn write_gathered(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        mut pieces: Vectored,
        bytes: Range<usize>,
        (offset, rw_flags): (u64, i32),
    ) -> (Result<usize, i32>, Vectored) {
        let verdict = Verdict::on(Op::Write);
        let (vectors, count) = pieces.vectors(bytes.start..bytes.start + verdict.len(bytes.len()));
        // KERNEL: reads the vectors and buffers of `pieces`, owned by the ring in its slot until
        // its completion.
        let entry = opcode::Writev::new(types::Fd(fd.as_raw_fd()), vectors, count)
            .offset(offset)
            .rw_flags(rw_flags)
            .build();
        let data = Data::Vectored { _fd: Rc::clone(fd), pieces };
        match self.start(verdict, data, entry).await {
            (result, Data::Vectored { pieces, .. }) => (result, pieces),
            (result, _) => (result, Vectored::default()),
        }
    }

    /// WRITE of the first `length` bytes of `memory` at a file offset.
    pub(in crate::ring::io) async fn write_aligned(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        memory: Aligned,
        length: usize,
        offset: u64,
    ) -> (Result<usize, i32>, Aligned) {
        let verdict = Verdict::on(Op::Write);
        let part = &memory.bytes()[..length];
        let length = len_u32(verdict.len(part.len()));
        // KERNEL: reads `memory`, owned by the ring in its slot until the completion.
        let entry = opcode::Write::new(types::Fd(fd.as_raw_fd()), part.as_ptr(), length)
            .offset(offset)
            .build();
        let data = Data::Aligned { _fd: Rc::clone(fd), memory };
        match self.start(verdict, data, entry).await {
            (result, Data::Aligned { memory, .. }) => (result, memory),
            (result, _) => (result, Aligned::new()),
        }
    }

    /// FSYNC, or with `is_data` the data of a file only.
    pub(in crate::ring::io) async fn fsync(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        is_data: bool,
    ) -> Result<(), i32> {
        let flags = if is_data { types::FsyncFlags::DATASYNC } else { types::FsyncFlags::empty() };
        // KERNEL: points at no memory.
        let entry = opcode::Fsync::new(types::Fd(fd.as_raw_fd())).flags(flags).build();
        self.start(Verdict::on(Op::Fsync), Data::of_fd(fd), entry).await.0.map(drop)
    }

    /// NOP.
    pub(in crate::ring::io) fn nop(self: &Rc<Self>) -> InFlight {
        // KERNEL: points at no memory.
        self.start(Verdict::NONE, Data::Nothing, opcode::Nop::new().build())
    }

    /// FALLOCATE of `range` with FALLOC_FL_KEEP_SIZE.
    pub(in crate::ring::io) async fn fallocate(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        range: Range<u64>,
    ) -> Result<(), i32> {
        // KERNEL: points at no memory.
        let entry = opcode::Fallocate::new(types::Fd(fd.as_raw_fd()), range.end - range.start)
            .offset(range.start)
            .mode(libc::FALLOC_FL_KEEP_SIZE)
            .build();
        self.start(Verdict::on(Op::Fallocate), Data::of_fd(fd), entry).await.0.map(drop)
    }

    /// SYNC_FILE_RANGE with SYNC_FILE_RANGE_WRITE.
    pub(in crate::ring::io) async fn begin_write_back(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        range: Range<u64>,
    ) {
        let length = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
        // KERNEL: points at no memory.
        let entry = opcode::SyncFileRange::new(types::Fd(fd.as_raw_fd()), length)
            .offset(range.start)
            .flags(libc::SYNC_FILE_RANGE_WRITE)
            .build();
        let (_, _) = self.start(Verdict::NONE, Data::of_fd(fd), entry).await;
    }

    /// FADVISE with POSIX_FADV_DONTNEED.
    pub(in crate::ring::io) async fn forget_cached(
        self: &Rc<Self>,
        fd: &Rc<OwnedFd>,
        range: Range<u64>,
    ) {
        let length = i64::try_from(range.end - range.start).unwrap_or(i64::MAX);
        let advice = libc::POSIX_FADV_DONTNEED;
        // KERNEL: points at no memory.
        let entry = opcode::Fadvise::new(types::Fd(fd.as_raw_fd()), length, advice)
            .offset(range.start)
            .build();
        let (_, _) = self.start(Verdict::NONE, Data::of_fd(fd), entry).await;
    }

    /// WRITE, CLOSE and RENAMEAT as one chain; see [`crate::ring::io::Io::write_close_rename`].
    pub(in crate::ring::io) fn write_close_rename(
        self: &Rc<Self>,
        (fd, dir): (RawFd, &Rc<OwnedFd>),
        (from, to): (CString, CString),
        buf: Vec<u8>,
        range: Range<usize>,
        offset: u64,
    ) -> [InFlight; 3] {
        let part = &buf[range];
        let verdict = Verdict::on(Op::Write);
        let length = len_u32(verdict.len(part.len()));
        // KERNEL: reads `buf`, owned by the ring in its slot until the completion.
        let write = opcode::Write::new(types::Fd(fd), part.as_ptr(), length).offset(offset).build();
        // KERNEL: points at no memory.
        let close = opcode::Close::new(types::Fd(fd)).build();
        let at = types::Fd(dir.as_raw_fd());
        // KERNEL: reads both names, owned by the ring in their slot until the completion.
        let rename = opcode::RenameAt::new(at, from.as_ptr(), at, to.as_ptr())
            .flags(libc::RENAME_NOREPLACE)
            .build();
        let names = Data::Names { _dir: Rc::clone(dir), _from: from, _to: to };
        let (close_verdict, rename_verdict) =
            (verdict.linked(Op::Close), verdict.linked(Op::Rename));
        self.start_all([
            (verdict, Data::Buf { _fd: None, buf }, write, Flags::IO_LINK),
            (close_verdict, Data::Nothing, close, Flags::IO_LINK),
            (rename_verdict, names, rename, Flags::empty()),
        ])
    }
}

/// Length of an operation as the kernel takes it: bounded by the buffers of this program, far below
/// 4 GiB.
fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a buffer of this program is shorter than 4 GiB")
}

const POLLOUT: u32 = libc::POLLOUT as u32;
/// Flag of a receive for which nothing can be here yet: it is not tried before the socket says so
/// (IORING_RECVSEND_POLL_FIRST, io_uring_prep_recv(3), Linux 5.19).
const POLL_FIRST: u16 = 1;
