//! Which backends there are, and what they carry.

use std::ops::RangeInclusive;
use std::os::fd::RawFd;

/// Kernel interface that moves the bytes.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Backend {
    /// io_uring by tokio-uring.
    #[default]
    Uring,
    /// io_uring by a ring of our own.
    UringOwn,
    /// Non-blocking sockets and epoll(7).
    Epoll(Trigger),
    /// Non-blocking sockets and select(2).
    Select,
    /// Blocking sockets, one thread a connection.
    Blocking,
}

/// When epoll(7) tells of a descriptor that is ready.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Trigger {
    /// As long as it is.
    Level,
    /// Once, when it becomes so (EPOLLET).
    Edge,
}

impl Backend {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Uring,
        Self::UringOwn,
        Self::Epoll(Trigger::Level),
        Self::Epoll(Trigger::Edge),
        Self::Select,
        Self::Blocking,
    ];

    /// Whether it needs io_uring.
    pub fn has_ring(self) -> bool {
        match self {
            Self::Uring | Self::UringOwn => true,
            Self::Epoll(_) | Self::Select | Self::Blocking => false,
        }
    }

    /// The word of `--backend`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::UringOwn => "uring-own",
            Self::Epoll(Trigger::Level) => "epoll",
            Self::Epoll(Trigger::Edge) => "epoll-edge",
            Self::Select => "select",
            Self::Blocking => "blocking",
        }
    }

    /// Jobs that can be in flight on so many cores.
    pub fn in_flight_max(self, cores: usize) -> usize {
        match self {
            Self::Uring | Self::UringOwn | Self::Epoll(_) => IN_FLIGHT_PER_CORE_MAX * cores,
            // It is about numbers of descriptors, which are those of the process.
            Self::Select => SELECT_IN_FLIGHT_MAX,
            Self::Blocking => cores,
        }
    }
}

/// How the rings of a run are set up (io_uring_setup(2)).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RingOptions {
    /// Flags of the ring.
    pub flags: RingFlags,
    /// Entries of each submission queue; as many as the jobs in flight need where it is not said.
    pub entries: Option<u32>,
    /// Bytes that the ring of each core may take where its entries are not said; `None` where that
    /// is not bounded.
    pub bytes_max: Option<u64>,
    /// Kernel workers (io-wq) that each core may have, bounded and unbounded.
    pub workers_max: u32,
    /// Microseconds that a wait for one completion waits for more of them (Linux 6.12); 0 is none.
    pub min_wait_us: u32,
    /// Memory that answers are received into, and how often it is asked for them.
    pub recv_mode: RecvMode,
}

impl Default for RingOptions {
    fn default() -> Self {
        let flags = RingFlags::default();
        let recv_mode = RecvMode::default();
        Self {
            flags,
            entries: None,
            bytes_max: None,
            workers_max: IOWQ_WORKERS_MAX,
            min_wait_us: 0,
            recv_mode,
        }
    }
}

/// How a ring receives.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RecvMode {
    /// The best that backend and kernel have.
    #[default]
    Auto,
    /// One operation for each receive, into memory that it holds.
    Oneshot,
    /// As oneshot, but the kernel chooses the memory of the first bytes of an answer when they are
    /// here (Linux 5.19).
    Provided,
    /// One operation for each connection, into memory that the kernel chooses (Linux 6.0).
    Multishot,
}

impl RecvMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Oneshot, Self::Provided, Self::Multishot];

    /// The word of `--recv-mode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Oneshot => "oneshot",
            Self::Provided => "provided",
            Self::Multishot => "multishot",
        }
    }
}

/// Flags of a ring: who works out the completions, and when.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum RingFlags {
    /// The best that backend and kernel have.
    #[default]
    Auto,
    /// No flags: a completion interrupts its thread.
    Plain,
    /// COOP_TASKRUN and SINGLE_ISSUER: a completion waits for the next system call of its thread.
    Coop,
    /// DEFER_TASKRUN and SINGLE_ISSUER: a completion waits until its thread waits for it.
    Defer,
    /// SQPOLL: a thread of the kernel submits.
    SqPoll,
}

impl RingFlags {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Plain, Self::Coop, Self::Defer, Self::SqPoll];

    /// The word of `--ring-flags`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Plain => "plain",
            Self::Coop => "coop",
            Self::Defer => "defer",
            Self::SqPoll => "sqpoll",
        }
    }
}

/// Most jobs in flight whose sockets select(2) can wait for.
const SELECT_IN_FLIGHT_MAX: usize = SELECT_FD_MAX as usize / 4;

/// How much a receive waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::ring) enum Wants {
    /// Whatever comes.
    Any,
    /// Whatever comes in answer to what is sent at the same time: nothing is here yet.
    Answer,
    /// All of it (MSG_WAITALL); less comes only at the end of the stream or with an error.
    All,
}

/// Kernel workers (io-wq) a core may have, bounded and unbounded: punted writes of one core gain
/// nothing from more, and more would fight the pinned threads.
pub const IOWQ_WORKERS_MAX: u32 = 2;
/// Entries that one job may have in a submission queue at a time: a chain of three. A full queue is
/// flushed in the middle of a chain, which would take it apart, so it is made large enough, even
/// where entries leave only when the runtime parks.
pub(super) const SQ_ENTRIES_PER_JOB: usize = 3;
/// Bounds of the entries that are good for a submission queue; the upper one is the kernel's
/// (io_uring_setup(2)).
pub const SQ_ENTRIES: RangeInclusive<usize> = 1_024..=32_768;
/// Fewest entries of a submission queue, where there is no memory for more.
pub(super) const SQ_ENTRIES_LEAST: usize = 256;
/// Entries of the completion queue for each of the submission queue: an overflow costs the kernel
/// an allocation.
pub(super) const CQ_ENTRIES_PER_SQ_ENTRY: u32 = 2;
/// Bytes of a ring for each entry of its submission queue: the entry, its place in the queue, and
/// its completions.
pub(super) const BYTES_PER_SQ_ENTRY: u64 = 64 + 4 + 16 * CQ_ENTRIES_PER_SQ_ENTRY as u64;
/// Jobs that one core can have in flight.
const IN_FLIGHT_PER_CORE_MAX: usize = *SQ_ENTRIES.end() / SQ_ENTRIES_PER_JOB;
/// Descriptors that select(2) can wait for are below this number (FD_SETSIZE).
pub(super) const SELECT_FD_MAX: RawFd = 1_024;
