//! Faults on demand, for tests: every operation of the data plane asks here first, and with the
//! feature `shim` an environment variable makes the n-th of them fail, or transfer only a little.
//! Without the feature all of this is constants, and nothing of it is in the program.
//!
//! `RINGPULL_SHIM=ERRNO@N` makes operation N of the process (from 1) fail: `enospc@17`;
//! `enospc@17-20` makes so many of them fail; `short@N` makes it transfer a few bytes only, if it
//! is one that transfers; `OP:ERRNO@N` counts the operations of one kind: `recv:econnreset@2`.
//! `panic@N` panics as soon as operation N is submitted, so that it is in flight meanwhile. `count`
//! injects nothing. At its end the process says on standard error how many operations and open
//! descriptors there were, and how many operations were in flight when a runtime ended (`report`).
//!
//! `RINGPULL_SHIM_SYNC_MS=N` lets N milliseconds pass between two syncs, instead of seconds.
//!
//! A ring operation that is to fail is submitted all the same, as one that the kernel refuses:
//! buffers go their usual way, and what is linked to it is cancelled as it would be.

use io_uring::{opcode, squeue, types};
use rustix::io::Errno;
use std::os::fd::RawFd;
#[cfg(not(feature = "shim"))]
use std::time::Duration;

/// A kind of operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Op {
    Socket,
    SetOption,
    Connect,
    Send,
    Recv,
    Peek,
    Open,
    Mkdir,
    Write,
    Pwrite,
    Pread,
    Truncate,
    Fsync,
    Fallocate,
    Close,
    Link,
    Rename,
    Unlink,
}

/// All kinds, in their order.
#[cfg(feature = "shim")]
const KINDS: [Op; 18] = [
    Op::Socket,
    Op::SetOption,
    Op::Connect,
    Op::Send,
    Op::Recv,
    Op::Peek,
    Op::Open,
    Op::Mkdir,
    Op::Write,
    Op::Pwrite,
    Op::Pread,
    Op::Truncate,
    Op::Fsync,
    Op::Fallocate,
    Op::Close,
    Op::Link,
    Op::Rename,
    Op::Unlink,
];

/// Fault of one operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(feature = "shim"), allow(dead_code, reason = "nothing is injected then"))]
pub(super) enum Injected {
    /// The operation fails.
    Errno(i32),
    /// The operation transfers a few bytes only.
    Short,
    /// A panic happens while the operation is in flight.
    Panic,
}

/// Fault of the operation that is about to begin.
#[cfg(not(feature = "shim"))]
#[inline(always)]
pub(super) const fn fails(_op: Op) -> Option<Injected> {
    None
}

/// Counts operations in flight when a runtime ends.
#[cfg(not(feature = "shim"))]
#[inline(always)]
pub(super) const fn runtime_ends(_in_flight: usize) {}

/// Time between two syncs of the report and its files: a test that waits for many of them makes it
/// shorter.
#[cfg(not(feature = "shim"))]
pub(super) const fn sync_interval(real: Duration) -> Duration {
    real
}

#[cfg(feature = "shim")]
pub use faults::report;
#[cfg(feature = "shim")]
pub(super) use faults::{fails, runtime_ends, sync_interval};

/// Makes a system call, and makes it again when a signal came between.
#[inline]
pub(super) fn call<T>(op: Op, mut make: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    rustix::io::retry_on_intr(|| match fails(op) {
        Some(Injected::Errno(errno)) => Err(Errno::from_raw_os_error(errno)),
        Some(Injected::Panic) => panic_as_asked(),
        Some(Injected::Short) | None => make(),
    })
}

/// Result of a system call that is made in any case: a close, after which the descriptor is gone.
#[inline]
pub(super) fn call_after(op: Op, said: Result<(), Errno>) -> Result<(), Errno> {
    match fails(op) {
        Some(Injected::Errno(errno)) => Err(Errno::from_raw_os_error(errno)),
        Some(Injected::Panic) => panic_as_asked(),
        Some(Injected::Short) | None => said,
    }
}

/// The bytes that a system call is given, of those it should transfer.
#[inline]
pub(super) fn transfer(op: Op, bytes: &[u8]) -> Result<&[u8], Errno> {
    match fails(op) {
        Some(Injected::Errno(errno)) => Err(Errno::from_raw_os_error(errno)),
        Some(Injected::Panic) => panic_as_asked(),
        Some(Injected::Short) => Ok(&bytes[..short(bytes.len())]),
        None => Ok(bytes),
    }
}

/// Fault of a ring operation, on its way from submission to completion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict(#[cfg(feature = "shim")] Option<Injected>);

impl Verdict {
    /// No fault: for an operation that only serves another one.
    pub(super) const NONE: Self = Self(
        #[cfg(feature = "shim")]
        None,
    );

    #[inline]
    pub(super) fn on(_op: Op) -> Self {
        Self(
            #[cfg(feature = "shim")]
            fails(_op),
        )
    }

    /// Verdict for the next operation of the chain: an injected short transfer must cancel it,
    /// since the kernel saw a full one.
    #[inline]
    pub(super) fn linked(self, op: Op) -> Self {
        match self.injected() {
            #[cfg(feature = "shim")]
            Some(Injected::Short) => Self(Some(Injected::Errno(libc::ECANCELED))),
            _ => Self::on(op),
        }
    }

    #[inline]
    fn injected(self) -> Option<Injected> {
        #[cfg(feature = "shim")]
        return self.0;
        #[cfg(not(feature = "shim"))]
        None
    }

    /// Bytes of a transfer that are submitted.
    #[inline]
    pub(super) fn len(self, len: usize) -> usize {
        match self.injected() {
            Some(Injected::Short) => short(len),
            Some(Injected::Errno(_) | Injected::Panic) | None => len,
        }
    }

    /// Entry that is submitted.
    #[inline]
    pub(super) fn entry(self, sqe: squeue::Entry) -> squeue::Entry {
        match self.injected() {
            // KERNEL: points at no memory, and there is no such descriptor: EBADF.
            Some(Injected::Errno(_)) => opcode::Close::new(types::Fd(NO_FD)).build(),
            Some(Injected::Short | Injected::Panic) | None => sqe,
        }
    }

    /// Whether the operation is to be refused.
    #[inline]
    pub(super) fn is_refused(self) -> bool {
        self.refused().is_some()
    }

    /// Error of an operation that is to be refused.
    #[inline]
    pub(super) fn refused(self) -> Option<i32> {
        match self.injected() {
            Some(Injected::Errno(errno)) => Some(errno),
            Some(Injected::Short | Injected::Panic) | None => None,
        }
    }

    /// Takes note that the operation was submitted.
    #[inline]
    pub(super) fn strike(self) {
        if self.injected() == Some(Injected::Panic) {
            panic_as_asked();
        }
    }

    /// Result of the operation.
    #[inline]
    pub(super) fn result(self, result: Result<usize, i32>) -> Result<usize, i32> {
        match self.injected() {
            // What was cancelled by something else was not refused.
            Some(Injected::Errno(errno)) if result == Err(libc::EBADF) => Err(errno),
            Some(Injected::Errno(_) | Injected::Short | Injected::Panic) | None => result,
        }
    }
}

fn panic_as_asked() -> ! {
    panic!("as RINGPULL_SHIM asked for")
}

/// Bytes of a short transfer, of one of this length.
fn short(len: usize) -> usize {
    len.div_ceil(2).min(SHORT_BYTES)
}

/// Bytes of a short transfer, at most.
const SHORT_BYTES: usize = 7;
const NO_FD: RawFd = -1;

#[cfg(feature = "shim")]
mod faults {
    //! The plan and the count.

    use super::{Injected, KINDS, Op};
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::time::Duration;

    /// Content of `RINGPULL_SHIM`.
    #[derive(Debug)]
    struct Plan {
        /// The kind that is counted; `None` for all.
        op: Option<String>,
        injected: Injected,
        /// Numbers of the first and the last operation, from 1.
        nth: (u64, u64),
    }

    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    /// Operations so far, by kind.
    static BY_KIND: [AtomicU64; KINDS.len()] = [const { AtomicU64::new(0) }; KINDS.len()];
    /// Operations so far, of all kinds.
    static ALL: AtomicU64 = AtomicU64::new(0);
    /// Operations in flight when their runtime ended.
    static ORPHANS: AtomicUsize = AtomicUsize::new(0);

    pub(in crate::ring) fn runtime_ends(in_flight: usize) {
        ORPHANS.fetch_add(in_flight, Ordering::Relaxed);
    }

    pub(in crate::ring) fn fails(op: Op) -> Option<Injected> {
        let plan = PLAN.get_or_init(|| std::env::var(VARIABLE).ok().and_then(|text| parse(&text)));
        let all = ALL.fetch_add(1, Ordering::Relaxed) + 1;
        let of_kind = BY_KIND[op as usize].fetch_add(1, Ordering::Relaxed) + 1;
        let plan = plan.as_ref()?;
        let is_due = match &plan.op {
            None => is_among(plan.nth, all),
            Some(wanted) => is_among(plan.nth, of_kind) && *wanted == name(op),
        };
        if !is_due {
            return None;
        }
        say(&format!("{} {:?}", name(op), plan.injected));
        Some(plan.injected)
    }

    pub(in crate::ring) fn sync_interval(real: Duration) -> Duration {
        let given = std::env::var("RINGPULL_SHIM_SYNC_MS").ok();
        let given = given.map(|text| text.parse().expect("RINGPULL_SHIM_SYNC_MS is a number"));
        given.map_or(real, Duration::from_millis)
    }

    fn is_among((first, last): (u64, u64), number: u64) -> bool {
        (first..=last).contains(&number)
    }

    /// Says how many operations there were of each kind, and how many descriptors are open: the
    /// last thing done by a process that was given `RINGPULL_SHIM`.
    pub fn report() {
        if std::env::var_os(VARIABLE).is_none() {
            return;
        }
        // The thread that looks names up goes without being waited for, and has descriptors too.
        for _ in 0..THREADS_LOOKS_MAX {
            if threads() <= THREADS_AT_END {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let threads = threads();
        let orphans = ORPHANS.load(Ordering::Relaxed);
        let mut text = format!("threads={threads} descriptors={descriptors} orphans={orphans}");
        for (op, count) in KINDS.iter().zip(&BY_KIND) {
            text += &format!(" {}={}", name(*op), count.load(Ordering::Relaxed));
        }
        say(&text);
    }

    /// Threads of this process (proc(5)). A list of /proc/self/task ends at a thread that goes
    /// meanwhile, and lacks those behind it.
    fn threads() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        count.and_then(|count| count.trim().parse().ok()).expect("proc(5) tells of threads")
    }

    fn name(op: Op) -> String {
        format!("{op:?}").to_lowercase()
    }

    fn say(text: &str) {
        // Nobody may listen.
        let _: std::io::Result<()> = writeln!(std::io::stderr(), "shim: {text}");
    }

    /// Reads a plan; `None` for `count`. A plan that cannot be read would test nothing, so it is a
    /// panic.
    fn parse(text: &str) -> Option<Plan> {
        if text == "count" {
            return None;
        }
        let (what, nth) = text.split_once('@').expect("RINGPULL_SHIM is [OP:]ERRNO@N or count");
        let (op, what) = match what.split_once(':') {
            Some((op, what)) => (Some(op.to_owned()), what),
            None => (None, what),
        };
        let injected = match what {
            "short" => Injected::Short,
            "panic" => Injected::Panic,
            "enospc" => Injected::Errno(libc::ENOSPC),
            "edquot" => Injected::Errno(libc::EDQUOT),
            "enfile" => Injected::Errno(libc::ENFILE),
            "emfile" => Injected::Errno(libc::EMFILE),
            "ecanceled" => Injected::Errno(libc::ECANCELED),
            "econnreset" => Injected::Errno(libc::ECONNRESET),
            "emlink" => Injected::Errno(libc::EMLINK),
            "exdev" => Injected::Errno(libc::EXDEV),
            "eperm" => Injected::Errno(libc::EPERM),
            "enoent" => Injected::Errno(libc::ENOENT),
            "eio" => Injected::Errno(libc::EIO),
            "eintr" => Injected::Errno(libc::EINTR),
            _ => panic!("RINGPULL_SHIM: no such fault: {what}"),
        };
        let number = |text: &str| text.parse().expect("RINGPULL_SHIM ends in a number");
        let (first, last) = nth.split_once('-').unwrap_or((nth, nth));
        Some(Plan { op, injected, nth: (number(first), number(last)) })
    }

    /// Threads at the end: the one that reports, and the one that waits for signals.
    const THREADS_AT_END: usize = 2;
    /// How often to look whether threads have ended, a millisecond apart.
    const THREADS_LOOKS_MAX: usize = 10_000;
    const VARIABLE: &str = "RINGPULL_SHIM";
}
