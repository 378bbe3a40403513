//! A ring of our own, for one thread: entered once a turn, to submit and to wait alike.
//!
//! SINGLE_ISSUER and DEFER_TASKRUN where the kernel has them (6.1): completions are worked out when
//! the thread enters the ring to wait, and never interrupt it (io_uring_setup(2)).
//!
//! The data of an operation lives in the table of its ring until its completion was seen, even if
//! the future is dropped before; that table is what the `KERNEL:` notes below call the ring. It is
//! freed only when nothing is in flight ([`Ring::end`]).

mod operations;
mod provided;
mod stream;

pub(super) use stream::Receiving;
pub(in crate::ring) use stream::Unread;

use super::aligned::Aligned;
use super::backend::{CQ_ENTRIES_PER_SQ_ENTRY, RecvMode, RingFlags, RingOptions};
use super::exec::{Bell, Park};
use super::vectored::Vectored;
use crate::limits::FIRST_BUFFERS_FROM;
use crate::ring::buf::{BufPool, Size};
use crate::ring::shim::{self, Verdict};
use anyhow::{Context as _, bail, ensure};
use io_uring_own::squeue::{Entry, Flags};
use io_uring_own::{IoUring, Probe, cqueue, opcode, types};
use provided::{GROUP, Provided};
use rustix::net::SocketAddrAny;
use slab::Slab;
use std::cell::RefCell;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use stream::{Stream, Streams};

/// A ring and its operations.
pub(super) struct Ring {
    /// Declared first: it is gone before the memory that it was provided with.
    ring: RefCell<IoUring>,
    operations: RefCell<Slab<Slot>>,
    /// Completions that were taken from the ring and are being told: which, their results and
    /// flags.
    seen: RefCell<Vec<(u64, i32, u32)>>,
    bell: Arc<Bell>,
    /// Whether the kernel can skip the first try of a receive, and says whether there is more
    /// behind one (5.19).
    has_5_19: bool,
    /// See [`RingOptions::min_wait_us`].
    min_wait_us: u32,
    recv_mode: RecvMode,
    /// Memory that the kernel chooses from.
    provided: Option<RefCell<Provided>>,
    streams: RefCell<Streams>,
    buffers: BufPool,
}

/// One operation.
enum Slot {
    /// The kernel works on it.
    InFlight { data: Data, waker: Option<Waker> },
    /// The kernel works on it, and nobody waits for it any more.
    Abandoned {
        /// Kept for the kernel.
        _data: Data,
    },
    /// The kernel goes on receiving.
    Stream(Rc<Stream>),
    /// The operation is complete.
    Done { data: Data, result: i32, flags: u32 },
}

/// Data that an operation owns until its completion: the memory that its entry points at, and the
/// descriptor that it is about.
pub(super) enum Data {
    /// Memory that is sent, written, or received into.
    Buf { _fd: Option<Rc<OwnedFd>>, buf: Vec<u8> },
    /// No memory.
    Fd { _fd: Rc<OwnedFd> },
    /// Memory that is written around the page cache.
    Aligned { _fd: Rc<OwnedFd>, memory: Aligned },
    /// Memory that is written as one, and what the kernel is told of it by.
    Vectored { _fd: Rc<OwnedFd>, pieces: Vectored },
    /// An encoded address.
    Address { _fd: Rc<OwnedFd>, _address: Box<SocketAddrAny> },
    /// A span of time.
    Time { _time: Box<types::Timespec> },
    /// Two names in a directory.
    Names { _dir: Rc<OwnedFd>, _from: CString, _to: CString },
    /// Nothing at all.
    Nothing,
}

/// An operation in flight; to drop it abandons the operation, which goes on.
pub(super) struct InFlight {
    ring: Rc<Ring>,
    /// Place of the operation in the table; `None` once it was awaited.
    key: Option<usize>,
    verdict: Verdict,
    /// Flags of the completion, once there is one.
    flags: u32,
}

impl Ring {
    /// Takes a ring for the calling thread and `in_flight` jobs, whose kernel workers have these
    /// limits: how many, and on which CPUs.
    ///
    /// # Errors
    /// When it lacks what is needed, or there is no memory for what it provides.
    pub(super) fn new(
        ring: IoUring,
        (options, in_flight): (RingOptions, usize),
        limits: ([u32; 2], &libc::cpu_set_t),
        bell: Arc<Bell>,
    ) -> anyhow::Result<Rc<Self>> {
        ensure!(
            ring.params().is_feature_ext_arg(),
            "--backend uring-own needs Linux 5.11 or later; without it: --backend epoll"
        );
        // Older kernels (before 5.15) lack both calls and work all the same.
        let (mut workers, cpus) = limits;
        let _: io::Result<()> = ring.submitter().register_iowq_max_workers(&mut workers);
        let _: io::Result<()> = ring.submitter().register_iowq_aff(cpus);
        let mut probe = Probe::new();
        let is_probed = ring.submitter().register_probe(&mut probe).is_ok();
        let has = |opcode| is_probed && probe.is_supported(opcode);
        let (recv_mode, buffers) = (options.recv_mode, BufPool::default());
        let provided = provide(&ring, (recv_mode, in_flight), has, &buffers)?;
        let ring = Rc::new(Self {
            ring: RefCell::new(ring),
            operations: RefCell::default(),
            seen: RefCell::default(),
            bell,
            has_5_19: has(OPCODE_5_19),
            min_wait_us: options.min_wait_us,
            recv_mode,
            provided,
            streams: RefCell::default(),
            buffers,
        });
        ring.listen();
        Ok(ring)
    }

    /// Whether the completion of a receive says if there is more. That of a receive that goes on
    /// does not: what is more may be on its way here already.
    pub(super) fn tells_rest(&self) -> bool {
        self.has_5_19 && !self.is_multishot()
    }

    /// The receive buffers of the core.
    pub(super) fn buffers(&self) -> BufPool {
        self.buffers.clone()
    }

    /// Size of the memory that receives without memory get, where they do.
    pub(super) fn provided_size(&self) -> Option<Size> {
        self.provided.as_ref().map(|provided| provided.borrow().size())
    }

    /// Whether sockets are received from by one operation each.
    pub(super) fn is_multishot(&self) -> bool {
        self.recv_mode == RecvMode::Multishot
    }

    /// Has the bell of this thread end a wait.
    fn listen(&self) {
        let event = types::Fd(self.bell.event().as_raw_fd());
        // KERNEL: points at no memory.
        let entry = opcode::PollAdd::new(event, POLLIN).build().user_data(BELL);
        self.push(&[entry]);
    }

    /// Operations that the kernel may still work on.
    pub(super) fn in_flight(&self) -> usize {
        let is_done = |slot: &Slot| matches!(slot, Slot::Done { .. });
        self.operations.borrow().iter().filter(|(_, slot)| !is_done(slot)).count()
    }

    /// Ends a ring once nothing is in flight on it, and nobody holds an operation. One that does
    /// not end within [`END_PATIENCE`] keeps its memory, and the whole ring, until the process
    /// ends.
    ///
    /// # Errors
    /// When something did not end.
    pub(super) fn end(self: Rc<Self>) -> anyhow::Result<()> {
        let ends = Instant::now() + END_PATIENCE;
        if self.in_flight() > 0 {
            // KERNEL: points at no memory.
            let entry = opcode::AsyncCancel2::new(types::CancelBuilder::any()).build();
            self.push(&[entry.user_data(IGNORED)]);
        }
        while self.in_flight() > 0 && Instant::now() < ends {
            if self.wait(Some(END_LOOK_INTERVAL)).is_err() {
                break;
            }
            self.dispatch();
        }
        let left = self.in_flight();
        shim::runtime_ends(left);
        if left == 0 {
            return Ok(());
        }
        std::mem::forget(self);
        let seconds = END_PATIENCE.as_secs();
        bail!(
            "{left} operations of the kernel did not end within {seconds} s after a panic, which \
             is a bug: the rows are true, but files may be left unfinished"
        )
    }

    /// Puts entries into the submission queue, one behind the other.
    fn push(&self, entries: &[Entry]) {
        let mut ring = self.ring.borrow_mut();
        loop {
            let mut queue = ring.submission();
            if queue.capacity() - queue.len() >= entries.len() {
                // SAFETY: what the entries point at is owned by a slot of the table until their
                // completion, by the contract of every caller here.
                #[allow(unsafe_code, reason = "the ring cannot know what entries point at")]
                let pushed = unsafe { queue.push_multiple(entries) };
                pushed.expect("there is room");
                return;
            }
            drop(queue);
            // A kernel that takes nothing now does so when completions were taken.
            if let Err(error) = ring.submit() {
                let is_passing = PASSING.contains(&error.raw_os_error().unwrap_or_default());
                assert!(is_passing, "cannot submit to an io_uring: {error}");
                drop(ring);
                self.dispatch();
                ring = self.ring.borrow_mut();
            }
        }
    }

    /// Submits one operation, to be awaited.
    fn start(self: &Rc<Self>, verdict: Verdict, data: Data, entry: Entry) -> InFlight {
        let [operation] = self.start_all([(verdict, data, entry, Flags::empty())]);
        operation
    }

    /// Submits operations together; linked ones are a chain.
    fn start_all<const N: usize>(
        self: &Rc<Self>,
        operations: [(Verdict, Data, Entry, Flags); N],
    ) -> [InFlight; N] {
        let started = operations.map(|(verdict, data, entry, flags)| {
            let slot = Slot::InFlight { data, waker: None };
            let key = self.operations.borrow_mut().insert(slot);
            // KERNEL: what takes its place points at no memory, and there is no such descriptor:
            // EBADF.
            let refused = || opcode::Close::new(types::Fd(NO_FD)).build();
            let entry = if verdict.is_refused() { refused() } else { entry };
            let operation = InFlight { ring: Rc::clone(self), key: Some(key), verdict, flags: 0 };
            (operation, entry.flags(flags).user_data(key as u64))
        });
        self.push(&started.each_ref().map(|(_, entry)| entry.clone()));
        started.map(|(operation, _)| {
            operation.verdict.strike();
            operation
        })
    }
}

impl Park for Ring {
    fn wait(&self, at_most: Option<Duration>) -> io::Result<()> {
        let mut ring = self.ring.borrow_mut();
        let has_entries = !ring.submission().is_empty();
        let has_work = ring.submission().taskrun();
        let has_completions = !ring.completion().is_empty();
        let entered = match at_most {
            _ if has_completions && !has_entries => Ok(0),
            Some(Duration::ZERO) if !has_entries && !has_work => Ok(0),
            Some(Duration::ZERO) => ring.submit(),
            _ if has_completions => ring.submit(),
            None if self.min_wait_us == 0 => ring.submit_and_wait(1),
            at_most => {
                let time = types::Timespec::from(at_most.unwrap_or(FOR_EVER));
                let args = types::SubmitArgs::new().timespec(&time);
                match self.min_wait_us {
                    0 => ring.submitter().submit_with_args(1, &args),
                    more_us => {
                        let args = args.min_wait_usec(more_us);
                        ring.submitter().submit_with_args(BATCH, &args)
                    }
                }
            }
        };
        match entered {
            // The time is over, a signal came, or the kernel wants its completions taken first: the
            // next turn goes on (io_uring_enter(2)).
            Err(error) if PASSING.contains(&error.raw_os_error().unwrap_or_default()) => Ok(()),
            entered => entered.map(drop),
        }
    }

    fn dispatch(&self) {
        let mut seen = self.seen.take();
        let told = |entry: cqueue::Entry| (entry.user_data(), entry.result(), entry.flags());
        seen.extend(self.ring.borrow_mut().completion().map(told));
        for (key, result, flags) in seen.drain(..) {
            match (key, usize::try_from(key)) {
                (BELL, _) => {
                    self.bell.hush();
                    self.listen();
                }
                (IGNORED, _) | (_, Err(_)) => {}
                (_, Ok(key)) => self.complete(key, result, flags),
            }
        }
        self.seen.replace(seen);
    }
}

impl Ring {
    /// Takes note of a completion, and wakes who waits for it.
    fn complete(&self, key: usize, result: i32, flags: u32) {
        let memory = cqueue::buffer_select(flags).zip(self.provided.as_ref());
        let memory = memory.map(|(named, provided)| provided.borrow_mut().take(named));
        let mut operations = self.operations.borrow_mut();
        let slot = operations.get_mut(key).expect("the kernel completes what was submitted, once");
        if let Slot::Stream(stream) = slot {
            let stream = Rc::clone(stream);
            if !cqueue::more(flags) {
                operations.remove(key);
            }
            drop(operations);
            return self.told(&stream, key, (result, flags, memory));
        }
        let before = std::mem::replace(slot, Slot::Done { data: Data::Nothing, result, flags });
        match before {
            Slot::InFlight { mut data, waker } => {
                if let (Data::Buf { buf, .. }, Some(memory)) = (&mut data, memory) {
                    *buf = memory;
                }
                *slot = Slot::Done { data, result, flags };
                drop(operations);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
            Slot::Abandoned { .. } | Slot::Done { .. } | Slot::Stream(_) => {
                operations.remove(key);
            }
        }
    }

    /// Has a stream take note of a completion.
    fn told(&self, stream: &Stream, key: usize, told: (i32, u32, Option<Vec<u8>>)) {
        let (is_too_much, waker) = stream.complete(told);
        if is_too_much {
            self.cancel(key);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Data {
    fn of_buf(fd: &Rc<OwnedFd>, buf: Vec<u8>) -> Self {
        Self::Buf { _fd: Some(Rc::clone(fd)), buf }
    }

    fn of_fd(fd: &Rc<OwnedFd>) -> Self {
        Self::Fd { _fd: Rc::clone(fd) }
    }

    /// The memory of a transfer.
    pub(super) fn into_buf(self) -> Vec<u8> {
        match self {
            Self::Buf { buf, .. } => buf,
            Self::Fd { .. }
            | Self::Aligned { .. }
            | Self::Vectored { .. }
            | Self::Address { .. }
            | Self::Time { .. }
            | Self::Names { .. }
            | Self::Nothing => Vec::new(),
        }
    }
}

impl InFlight {
    /// Flags of the completion, once it was awaited.
    pub(super) fn flags(&self) -> u32 {
        self.flags
    }
}

impl Future for InFlight {
    type Output = (Result<usize, i32>, Data);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let key = self.key.expect("an operation is awaited once");
        let mut operations = self.ring.operations.borrow_mut();
        if let Slot::InFlight { waker, .. } = &mut operations[key] {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        let slot = operations.remove(key);
        drop(operations);
        self.key = None;
        match slot {
            Slot::Done { data, result, flags } => {
                self.flags = flags;
                let result = usize::try_from(result).map_err(|_| -result);
                Poll::Ready((self.verdict.result(result), data))
            }
            Slot::InFlight { .. } | Slot::Abandoned { .. } | Slot::Stream(_) => {
                unreachable!("it is held, and was not in flight")
            }
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut operations = self.ring.operations.borrow_mut();
        if let Slot::InFlight { data, .. } = &mut operations[key] {
            let data = std::mem::replace(data, Data::Nothing);
            operations[key] = Slot::Abandoned { _data: data };
        } else {
            let done = operations.remove(key);
            drop(operations);
            drop(done);
        }
    }
}

/// Provides a ring for so many jobs with memory for receives of this kind, where they need it, on a
/// kernel that `has` an operation or not.
///
/// # Errors
/// When the kernel is too old, or refuses.
fn provide(
    ring: &IoUring,
    (recv_mode, in_flight): (RecvMode, usize),
    has: impl Fn(u8) -> bool,
    buffers: &BufPool,
) -> anyhow::Result<Option<RefCell<Provided>>> {
    let since = match recv_mode {
        RecvMode::Auto | RecvMode::Oneshot => return Ok(None),
        RecvMode::Provided => OPCODE_5_19,
        RecvMode::Multishot => OPCODE_6_1,
    };
    let mode = recv_mode.as_str();
    ensure!(
        has(since),
        "--recv-mode {mode} needs a newer kernel: Linux 5.19 for provided, 6.1 for multishot; \
         without them: --recv-mode oneshot"
    );
    // Where very many answers are under way at a time, each holds what its first bytes came in. A
    // stream cannot be received from in another way beside, so it has no small buffers.
    let size = match recv_mode {
        RecvMode::Provided if in_flight > FIRST_BUFFERS_FROM => Size::First,
        _ => Size::Small,
    };
    let provided = Provided::register(&ring.submitter(), (buffers.clone(), size));
    let provided = provided
        .with_context(|| format!("cannot provide an io_uring with memory: --recv-mode {mode}"))?;
    Ok(Some(RefCell::new(provided)))
}

/// A ring with such flags and so many entries.
///
/// # Errors
/// Those of io_uring_setup(2).
pub(super) fn build(flags: RingFlags, entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_cqsize(entries * CQ_ENTRIES_PER_SQ_ENTRY);
    match flags {
        RingFlags::Plain => {}
        RingFlags::Coop => {
            builder.setup_single_issuer().setup_coop_taskrun().setup_taskrun_flag();
        }
        RingFlags::Auto | RingFlags::Defer => {
            builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
        }
        RingFlags::SqPoll => {
            builder.setup_single_issuer().setup_sqpoll(SQPOLL_IDLE_MS);
        }
    }
    builder.build(entries)
}

/// An operation that came with Linux 5.19 (IORING_OP_SOCKET), as did what no probe tells of.
pub(super) const OPCODE_5_19: u8 = 45;
/// An operation that came with Linux 6.1 (IORING_OP_SENDMSG_ZC), as did DEFER_TASKRUN; receives
/// that go on are as old as 6.0.
const OPCODE_6_1: u8 = 48;
const POLLIN: u32 = libc::POLLIN as u32;
/// Mark of the bell's completion.
const BELL: u64 = u64::MAX;
/// Mark of a completion that says nothing.
const IGNORED: u64 = u64::MAX - 1;
const NO_FD: RawFd = -1;
/// Errors of io_uring_enter(2) that pass.
const PASSING: [i32; 4] = [libc::EINTR, libc::ETIME, libc::EBUSY, libc::EAGAIN];
/// Completions that a wait for more than one ends with.
const BATCH: usize = 32;
/// A wait that has no end of its own.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// How long the thread of SQPOLL looks for entries before it sleeps.
const SQPOLL_IDLE_MS: u32 = 100;
/// Longest time that operations which nobody waits for may take until their runtime ends.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the last operations have ended.
const END_LOOK_INTERVAL: Duration = Duration::from_millis(1);
