//! A program that is run to be measured: on CPUs of its own, counted by the kernel, and gone with
//! the process that started it.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

/// What a program has used, all its threads and those that the kernel ran for it (io-wq) included
/// (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time of its own code.
    pub user: Duration,
    /// CPU time of the kernel for it.
    pub system: Duration,
    /// Times that it waited for something.
    pub switches_voluntary: u64,
    /// Times that another one was to run.
    pub switches_involuntary: u64,
    /// Pages that were there already, or were made.
    pub faults_minor: u64,
    /// Pages that were read from a disk.
    pub faults_major: u64,
    /// Most memory that was resident. Never less than this process had when it started the program
    /// (the kernel counts on over an execve).
    pub resident_peak_bytes: u64,
}

/// How a program ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Exit status, or the signal that ended it.
    pub status: ExitStatus,
    /// Time from its start to its end.
    pub wall: Duration,
    /// What it used.
    pub usage: Usage,
}

/// A program under way. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    watched: OwnedFd,
    begun: Instant,
    /// Read end of its standard output, where that is a pipe.
    pub stdout: Option<ChildStdout>,
    is_over: bool,
}

impl Child {
    /// Starts a program on these CPUs, in a process group of its own: an interrupt from the
    /// terminal is this process' to handle. The program does not outlive the calling thread.
    ///
    /// # Errors
    /// When it cannot be started, or the CPUs are none that it may use.
    pub fn start(mut command: Command, cpus: &[usize]) -> io::Result<Self> {
        let mut set = CpuSet::new();
        cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU).for_each(|cpu| set.set(*cpu));
        let prepare = move || {
            sched_setaffinity(None, &set)?;
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        };
        // SAFETY: between fork and exec it makes two system calls and touches nothing else, no
        // memory of the heap and no lock.
        #[allow(unsafe_code, reason = "no safe wrapper sets the affinity of a new process")]
        unsafe {
            command.pre_exec(prepare);
        }
        command.process_group(0);
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(watched) => {
                let stdout = child.stdout.take();
                Ok(Self { pid, watched, begun, stdout, is_over: false })
            }
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error.into())
            }
        }
    }

    /// Process ID.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for its end, at most for this time; `None` while it runs.
    ///
    /// # Errors
    /// When the kernel does not tell. Once it has ended, nothing is told a second time.
    pub fn wait(&mut self, at_most: Duration) -> io::Result<Option<Ended>> {
        let timeout = Timespec::try_from(at_most).ok();
        let mut fds = [PollFd::new(&self.watched, PollFlags::IN)];
        match rustix::event::poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let wall = self.begun.elapsed();
        let (status, usage) = self.reap()?;
        Ok(Some(Ended { status, wall, usage }))
    }

    /// CPU time of all its threads so far; `None` when it has ended.
    pub fn cpu_time(&self) -> Option<Duration> {
        let mut clock: libc::clockid_t = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: both calls write one value, to a place that is there as long as they run
        // (clock_getcpuclockid(3), clock_gettime(2)).
        #[allow(unsafe_code, reason = "no safe wrapper reads the clock of another process")]
        let is_told = unsafe {
            libc::clock_getcpuclockid(self.id(), &raw mut clock) == 0
                && libc::clock_gettime(clock, &raw mut time) == 0
        };
        let whole = u64::try_from(time.tv_sec).ok().filter(|_| is_told)?;
        Some(Duration::new(whole, u32::try_from(time.tv_nsec).ok()?))
    }

    /// Ends it at once, and what it has started.
    pub fn kill(&mut self) {
        if !self.is_over {
            // What has ended already needs no signal.
            let _: rustix::io::Result<()> =
                rustix::process::kill_process_group(self.pid, Signal::KILL);
            let _: io::Result<(ExitStatus, Usage)> = self.reap();
        }
    }

    /// Takes the end of the process, for which it waits.
    fn reap(&mut self) -> io::Result<(ExitStatus, Usage)> {
        let mut status = 0;
        // SAFETY: a rusage is integers, for which zero is a value.
        #[allow(unsafe_code, reason = "libc has no other way to make one")]
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        self.is_over = true;
        loop {
            // SAFETY: the call writes the status and the usage, which are there as long as it runs
            // (wait4(2)).
            #[allow(unsafe_code, reason = "no safe wrapper gives the usage of one child")]
            let pid = unsafe { libc::wait4(self.id(), &raw mut status, 0, &raw mut usage) };
            if pid == self.id() {
                return Ok((ExitStatus::from_raw(status), Usage::new(&usage)));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Usage {
    fn new(usage: &libc::rusage) -> Self {
        let count = |number: libc::c_long| u64::try_from(number).unwrap_or(0);
        let time = |time: libc::timeval| {
            Duration::from_secs(count(time.tv_sec)) + Duration::from_micros(count(time.tv_usec))
        };
        Self {
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
            switches_voluntary: count(usage.ru_nvcsw),
            switches_involuntary: count(usage.ru_nivcsw),
            faults_minor: count(usage.ru_minflt),
            faults_major: count(usage.ru_majflt),
            resident_peak_bytes: count(usage.ru_maxrss) * 1_024,
        }
    }
}

/// System calls that a program which pulls files makes, or could, with their numbers here.
pub const SYSCALLS: [(&str, libc::c_long); 54] = [
    ("accept4", libc::SYS_accept4),
    ("bind", libc::SYS_bind),
    ("clone3", libc::SYS_clone3),
    ("close", libc::SYS_close),
    ("connect", libc::SYS_connect),
    ("copy_file_range", libc::SYS_copy_file_range),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    ("epoll_pwait", libc::SYS_epoll_pwait),
    ("fallocate", libc::SYS_fallocate),
    ("fcntl", libc::SYS_fcntl),
    ("fdatasync", libc::SYS_fdatasync),
    ("fstat", libc::SYS_fstat),
    ("fsync", libc::SYS_fsync),
    ("ftruncate", libc::SYS_ftruncate),
    ("futex", libc::SYS_futex),
    ("getdents64", libc::SYS_getdents64),
    ("getpeername", libc::SYS_getpeername),
    ("getrandom", libc::SYS_getrandom),
    ("getsockname", libc::SYS_getsockname),
    ("getsockopt", libc::SYS_getsockopt),
    ("io_uring_enter", libc::SYS_io_uring_enter),
    ("io_uring_register", libc::SYS_io_uring_register),
    ("linkat", libc::SYS_linkat),
    ("lseek", libc::SYS_lseek),
    ("madvise", libc::SYS_madvise),
    ("mkdirat", libc::SYS_mkdirat),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("munmap", libc::SYS_munmap),
    ("newfstatat", libc::SYS_newfstatat),
    ("openat", libc::SYS_openat),
    ("openat2", libc::SYS_openat2),
    ("ppoll", libc::SYS_ppoll),
    ("pread64", libc::SYS_pread64),
    ("preadv2", libc::SYS_preadv2),
    ("pselect6", libc::SYS_pselect6),
    ("pwrite64", libc::SYS_pwrite64),
    ("pwritev2", libc::SYS_pwritev2),
    ("read", libc::SYS_read),
    ("readlinkat", libc::SYS_readlinkat),
    ("readv", libc::SYS_readv),
    ("recvfrom", libc::SYS_recvfrom),
    ("recvmsg", libc::SYS_recvmsg),
    ("renameat2", libc::SYS_renameat2),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendto", libc::SYS_sendto),
    ("setsockopt", libc::SYS_setsockopt),
    ("shutdown", libc::SYS_shutdown),
    ("socket", libc::SYS_socket),
    ("splice", libc::SYS_splice),
    ("statx", libc::SYS_statx),
    ("unlinkat", libc::SYS_unlinkat),
    ("write", libc::SYS_write),
    ("writev", libc::SYS_writev),
];

/// System calls of this kind that newer architectures do not have.
#[cfg(target_arch = "x86_64")]
pub const SYSCALLS_OLD: [(&str, libc::c_long); 7] = [
    ("access", libc::SYS_access),
    ("epoll_wait", libc::SYS_epoll_wait),
    ("open", libc::SYS_open),
    ("poll", libc::SYS_poll),
    ("readlink", libc::SYS_readlink),
    ("select", libc::SYS_select),
    ("stat", libc::SYS_stat),
];
/// System calls of this kind that newer architectures do not have.
#[cfg(not(target_arch = "x86_64"))]
pub const SYSCALLS_OLD: [(&str, libc::c_long); 0] = [];
