//! Questions to the kernel that are asked once: whether io_uring is to be had, the CPU of a core,
//! and how many descriptors may be open.

use anyhow::Context as _;
use io_uring::IoUring;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Resource, Rlimit};
use std::os::fd::AsFd;
use std::time::Duration;

/// Checks that io_uring can be used.
///
/// # Errors
/// Which of its known obstacles is in the way, and what to do about it.
pub fn check_io_uring() -> anyhow::Result<()> {
    let Err(error) = IoUring::new(4) else { return Ok(()) };
    let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let errno = error.raw_os_error().unwrap_or_default();
    let obstacle = obstacle(
        errno,
        sysctl.as_deref().map(str::trim),
        status.lines().any(|line| line.starts_with("Seccomp:") && !line.ends_with('0')),
    );
    Err(anyhow::Error::new(error).context(format!("{obstacle}; or do without it: --backend epoll")))
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

/// The soft limit of open files, as it is.
pub fn nofile() -> u64 {
    rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Memory that all processes of this user may lock, in bytes (RLIMIT_MEMLOCK), where that is
/// limited. Rings count against it before Linux 5.12, and again from 6.14 on; those of processes
/// that have CAP_IPC_LOCK do not.
pub fn locked_memory_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Memlock).current
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
