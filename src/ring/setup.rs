//! Questions to the kernel that are asked once: whether io_uring is to be had, the rings of a core,
//! its CPU, and how many descriptors may be open.

use super::{enter, op, shim};
use anyhow::{Context as _, bail};
use io_uring::IoUring;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Resource, Rlimit};
use std::io;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// Entries that one job may have in a submission queue at a time: a chain of three. A full queue is
/// flushed in the middle of a chain, which would take it apart, so it is made large enough, even
/// where entries leave only when the runtime parks.
const SQ_ENTRIES_PER_JOB: usize = 3;
/// Bounds of the entries of a submission queue; the upper one is the kernel's (io_uring_setup(2)).
const SQ_ENTRIES: RangeInclusive<usize> = 1_024..=32_768;
/// Jobs that one core can have in flight.
pub const IN_FLIGHT_PER_CORE_MAX: usize = *SQ_ENTRIES.end() / SQ_ENTRIES_PER_JOB;
/// Entries of the completion queue for each of the submission queue: an overflow costs the kernel
/// an allocation.
const CQ_ENTRIES_PER_SQ_ENTRY: u32 = 2;
const _: () = assert!(enter::ENTRIES_WAITING_MAX + SQ_ENTRIES_PER_JOB <= *SQ_ENTRIES.start());
/// Kernel workers (io-wq) a core may have, bounded and unbounded: punted writes of one core gain
/// nothing from more, and more would fight the pinned threads.
const IOWQ_WORKERS_MAX: [u32; 2] = [2, 2];
/// Longest time that operations which nobody waits for may take until their runtime ends.
const END_PATIENCE: Duration = Duration::from_secs(5);
const END_LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Checks that io_uring can be used.
///
/// # Errors
/// Which of its known obstacles is in the way, and what to do about it.
pub fn check_io_uring() -> anyhow::Result<()> {
    let Err(error) = IoUring::new(4) else { return Ok(()) };
    let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let errno = error.raw_os_error().unwrap_or_default();
    Err(anyhow::Error::new(error).context(obstacle(
        errno,
        sysctl.as_deref().map(str::trim),
        status.lines().any(|line| line.starts_with("Seccomp:") && !line.ends_with('0')),
    )))
}

/// The words for a failed io_uring_setup(2), from its errno, the sysctl and whether a seccomp
/// filter is on.
fn obstacle(errno: i32, sysctl: Option<&str>, has_seccomp: bool) -> &'static str {
    match (errno, sysctl) {
        (libc::EPERM, Some("2")) => {
            "io_uring is disabled for everybody (kernel.io_uring_disabled=2); \
             run: sysctl -w kernel.io_uring_disabled=0"
        }
        (libc::EPERM, Some("1")) => {
            "io_uring is disabled for this user (kernel.io_uring_disabled=1); run as root, join \
             the group of kernel.io_uring_group, or run: sysctl -w kernel.io_uring_disabled=0"
        }
        (libc::EPERM | libc::ENOSYS | libc::EACCES, _) if has_seccomp => {
            "a seccomp filter forbids io_uring, as the default profile of container runtimes does; \
             run the container with a profile that allows io_uring_setup, io_uring_enter and \
             io_uring_register (for docker: --security-opt seccomp=PROFILE.json)"
        }
        (libc::ENOSYS, _) => {
            "this kernel has no io_uring; it takes Linux 5.11 or later with CONFIG_IO_URING=y"
        }
        (libc::ENOMEM, _) => {
            "io_uring got no memory: the limit of locked memory is too low (run: ulimit -l \
             unlimited), or that of address space (run: ulimit -v unlimited)"
        }
        (libc::EMFILE | libc::ENFILE, _) => {
            "io_uring got no file descriptor: the limit of open files is too low; raise: ulimit -n"
        }
        _ => "io_uring cannot be used",
    }
}

/// Raises the soft limit of open files to the hard one and returns it.
///
/// # Errors
/// When the kernel does not let it be raised.
pub fn raise_nofile() -> anyhow::Result<u64> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum {
        rustix::process::setrlimit(Resource::Nofile, wanted)
            .context("cannot raise the limit of open files (ulimit -n) to its hard limit")?;
    }
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// The CPU that the calling thread runs on at this moment.
pub fn current_cpu() -> usize {
    rustix::thread::sched_getcpu()
}

/// The most address space that this process may have, in bytes (RLIMIT_AS).
pub fn address_space_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::As).current
}

/// Has signals that would end the process come as errors of the call instead: EPIPE for SIGPIPE,
/// EFBIG for SIGXFSZ (a file beyond `ulimit -f`; setrlimit(2), RLIMIT_FSIZE).
pub fn ignore_write_signals() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: SIG_IGN is no code of ours that could run at a bad moment, and these two signals
        // may be ignored, so it cannot fail (signal(2)).
        #[allow(unsafe_code, reason = "no safe wrapper sets SIG_IGN")]
        unsafe {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Has SIGUSR1 do nothing, until the run that it asks about has begun to catch it. By default it
/// would end the process (signal(7)).
pub fn ignore_state_signal() {
    // SAFETY: as above.
    #[allow(unsafe_code, reason = "no safe wrapper sets SIG_IGN")]
    unsafe {
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
    }
}

/// Whether the process was started with hang-ups ignored, as by nohup(1).
pub fn ignores_hangup() -> bool {
    // SAFETY: a sigaction is integers and a pointer that may be null, for which zero is a value;
    // with no new action the call only writes the present one there (sigaction(2)).
    #[allow(unsafe_code, reason = "no safe wrapper reads what a signal does")]
    unsafe {
        let mut present: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &mut present) == 0
            && present.sa_sigaction == libc::SIG_IGN
    }
}

/// The release of the running kernel (uname(2)).
pub fn kernel_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The most memory this process had resident so far, in bytes: `VmHWM` of `/proc/self/status`
/// (proc_pid_status(5)). The value of getrusage(2) is older than the process: it is kept over an
/// execve.
pub fn resident_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The time that the calling thread has worked, in its own code and in the kernel's.
pub fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Whether a read would not wait, or stops waiting within `timeout`.
pub fn is_readable(file: &impl AsFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).ok();
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    rustix::event::poll(&mut fds, timeout.as_ref()) != Ok(0)
}

/// Pins the calling thread to a CPU. `false` when the kernel refuses.
pub fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: cpu })
}

/// The rings of one core: tokio-uring's, and one that only serves to bound the kernel workers.
pub struct CoreRings {
    /// Dropped last. Worker limits belong to the thread, whichever ring sets them
    /// (io_uring_register(2), IORING_REGISTER_IOWQ_MAX_WORKERS); made first, it also lowers their
    /// default bound.
    _control: IoUring,
}

impl CoreRings {
    /// Sets up the calling thread, pinned to `cpu`, for `in_flight` jobs, and runs `future` on its
    /// runtime, which ends without an operation in flight also when `future` panics.
    ///
    /// # Errors
    /// When there are no rings to be had, or an operation does not end.
    pub fn run<F: Future>(cpu: usize, in_flight: usize, future: F) -> anyhow::Result<F::Output> {
        let alone = enter::alone();
        let control = IoUring::new(4).context("cannot set up an io_uring")?;
        // Older kernels (before 5.15) lack both calls and work all the same.
        let mut workers = IOWQ_WORKERS_MAX;
        let _: io::Result<()> = control.submitter().register_iowq_max_workers(&mut workers);
        let _: io::Result<()> = control.submitter().register_iowq_aff(&cpu_set(cpu));
        let rings = Self { _control: control };
        let search = enter::Search::begin(&alone);
        let runtime = runtime(in_flight)?;
        search.end(&runtime);
        drop(alone);
        let output = catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
        let ended = end(runtime, END_PATIENCE);
        let alone = enter::alone();
        drop(rings);
        drop(alone);
        let output = output.unwrap_or_else(|panic| resume_unwind(panic));
        ended.map(|()| output)
    }
}

/// Ends a runtime once nothing is in flight on it. An operation is left over where a panic dropped
/// the future that waited for it; the kernel may read or write the memory of the operation up to
/// its completion. One that does not end in time, such as a write to a server that is gone, keeps
/// that memory, and the whole runtime, until the process ends.
fn end(runtime: tokio_uring::Runtime, patience: Duration) -> anyhow::Result<()> {
    if op::in_flight() > 0 {
        runtime.block_on(async {
            let ends = Instant::now() + patience;
            // Their sockets were shut down, so this is for what is no socket's.
            op::cancel_all().await;
            while op::in_flight() > 0 && Instant::now() < ends {
                tokio::time::sleep(END_LOOK_INTERVAL).await;
            }
        });
    }
    let left = op::in_flight();
    shim::runtime_ends(left);
    enter::forget();
    if left == 0 {
        let _alone = enter::alone();
        drop(runtime);
        return Ok(());
    }
    std::mem::forget(runtime);
    let seconds = patience.as_secs();
    bail!(
        "{left} operations of the kernel did not end within {seconds} s after a panic, which is a \
         bug: the rows are true, but files may be left unfinished"
    )
}

/// A tokio-uring runtime with COOP_TASKRUN (5.19) and SINGLE_ISSUER (6.0) where the kernel has
/// them. Never DEFER_TASKRUN: completions would run only when the thread enters the ring to wait,
/// and tokio-uring waits in epoll.
fn runtime(in_flight: usize) -> anyhow::Result<tokio_uring::Runtime> {
    let entries = (in_flight * SQ_ENTRIES_PER_JOB).next_power_of_two();
    let entries = u32::try_from(entries.clamp(*SQ_ENTRIES.start(), *SQ_ENTRIES.end()))?;
    let cq_entries = entries * CQ_ENTRIES_PER_SQ_ENTRY;
    let mut flagged = tokio_uring::uring_builder();
    flagged.setup_cqsize(cq_entries).setup_coop_taskrun().setup_single_issuer();
    let mut plain = tokio_uring::uring_builder();
    plain.setup_cqsize(cq_entries);
    let build = |ring: &io_uring::Builder| {
        tokio_uring::Runtime::new(tokio_uring::builder().entries(entries).uring_builder(ring))
    };
    match build(&flagged) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => build(&plain),
        other => other,
    }
    .context("cannot set up an io_uring")
}

/// A CPU mask of one CPU.
fn cpu_set(cpu: usize) -> libc::cpu_set_t {
    // SAFETY: cpu_set_t is plain integers, for which zero is a value; CPU_SET ignores a CPU beyond
    // it.
    #[allow(unsafe_code, reason = "libc offers the mask only through unsafe functions")]
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    #[test]
    fn each_obstacle_has_its_own_words() {
        let texts = [
            obstacle(libc::EPERM, Some("2"), false),
            obstacle(libc::EPERM, Some("1"), false),
            obstacle(libc::EPERM, Some("0"), true),
            obstacle(libc::ENOSYS, None, false),
            obstacle(libc::ENOMEM, Some("0"), false),
            obstacle(libc::EMFILE, Some("0"), false),
            obstacle(libc::EINVAL, Some("0"), false),
        ];
        for (index, text) in texts.iter().enumerate() {
            assert!(!texts[..index].contains(text), "{text}");
        }
        assert_eq!(obstacle(libc::ENOSYS, None, true), obstacle(libc::EPERM, Some("0"), true));
    }

    /// Runs on rings of its own, on a thread of its own.
    fn on_rings<T: Send + 'static>(
        story: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> std::thread::Result<T> {
        let cpu = core_affinity::get_core_ids().unwrap()[0].id;
        let run = move || {
            let ran = CoreRings::run(cpu, 1, story());
            assert_eq!(op::in_flight(), 0);
            ran.unwrap()
        };
        std::thread::spawn(run).join()
    }

    #[test]
    fn a_core_runs_a_future_on_its_rings() {
        assert_eq!(on_rings(async || 42).unwrap(), 42);
    }

    #[test]
    fn what_nobody_waits_for_has_ended_when_its_runtime_ends() {
        for has_panic in [false, true] {
            let (mine, mut theirs) = UnixStream::pair().unwrap();
            let ended = on_rings(async move || {
                let mine = Rc::new(OwnedFd::from(mine));
                // One that was dropped, one that another task waits for.
                drop(op::recv(&mine, vec![0; 64], 0..64, true));
                let waits = async move { op::recv(&mine, vec![0; 64], 0..64, true).await.0 };
                drop(tokio_uring::spawn(waits));
                tokio::task::yield_now().await;
                assert_eq!(op::in_flight(), 2);
                if has_panic {
                    // Unwinds as a panic does, without a message among those of the tests.
                    resume_unwind(Box::new("a bug"));
                }
            });
            assert_eq!(ended.is_err(), has_panic);
            // The last descriptor of it is closed.
            assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn what_does_not_end_keeps_its_memory() {
        let run = || {
            let runtime = runtime(1).unwrap();
            let held = Rc::new(());
            let (watched, stuck) = (Rc::downgrade(&held), op::Counted::one());
            runtime.block_on(async move {
                tokio_uring::spawn(async move {
                    let _held = (held, stuck);
                    std::future::pending::<()>().await;
                });
                tokio::task::yield_now().await;
            });
            let told = end(runtime, Duration::ZERO).unwrap_err().to_string();
            assert!(told.contains("1 operations"), "{told}");
            assert!(watched.upgrade().is_some(), "the runtime is there as long as the process");
        };
        std::thread::spawn(run).join().unwrap();
    }
}
