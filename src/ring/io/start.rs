//! The begin and the end of a core's I/O: its backend is made, runs the core's story, and ends when
//! nothing is in flight any more.

use super::backend::{
    BYTES_PER_SQ_ENTRY, Backend, CQ_ENTRIES_PER_SQ_ENTRY, RingFlags, RingOptions, SQ_ENTRIES,
    SQ_ENTRIES_LEAST, SQ_ENTRIES_PER_JOB,
};
use super::exec::{Bell, Timers, block_on};
use super::own::{self, END_PATIENCE, OPCODE_5_19, Ring};
use super::ready::Poller;
use super::selector::Selector;
use super::{Io, Kind, enter, uring};
use crate::ring::shim;
use anyhow::{Context as _, bail};
use io_uring::{IoUring, Probe};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const _: () = assert!(enter::ENTRIES_WAITING_MAX + SQ_ENTRIES_PER_JOB <= SQ_ENTRIES_LEAST);
const END_LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Runs `story` on a backend of the calling thread, which is pinned to `cpu` and has at most
/// `in_flight` jobs, with all that it spawns. The backend ends without an operation in flight also
/// when the story panics.
///
/// # Errors
/// When the backend is not to be had, or an operation does not end.
pub fn run<T>(
    (backend, options): (Backend, RingOptions),
    cpu: usize,
    in_flight: usize,
    story: impl AsyncFnOnce(Io) -> T,
) -> anyhow::Result<T> {
    match backend {
        Backend::Uring => CoreRings::run(options, cpu, in_flight, story),
        Backend::UringOwn => run_own(options, cpu, in_flight, story),
        Backend::Epoll(trigger) => {
            run_ready(story, |bell| Ok(Selector::epoll(trigger, bell.event())?))
        }
        Backend::Select => run_ready(story, |_| Ok(Selector::select())),
        Backend::Blocking => run_ready(story, |_| Ok(Selector::Blocking)),
    }
}

fn run_own<T>(
    options: RingOptions,
    cpu: usize,
    in_flight: usize,
    story: impl AsyncFnOnce(Io) -> T,
) -> anyhow::Result<T> {
    let bell = bell()?;
    let alone = enter::alone();
    let limits = ([options.workers_max; 2], &cpu_set(cpu));
    let ring = fitting(options, in_flight, own::build)?;
    let ring = Ring::new(ring, (options, in_flight), limits, Arc::clone(&bell))?;
    drop(alone);
    let timers = Rc::<Timers>::default();
    let io = Io::new(Kind::Own(Rc::clone(&ring)), &timers);
    let output = catch_unwind(AssertUnwindSafe(|| block_on(story(io), &*ring, &timers, &bell)));
    let ended = ring.end();
    let output = output.unwrap_or_else(|panic| resume_unwind(panic));
    let output = output.context("cannot enter an io_uring any more")?;
    ended.map(|()| output)
}

fn run_ready<T>(
    story: impl AsyncFnOnce(Io) -> T,
    selector: impl FnOnce(&Bell) -> io::Result<Selector>,
) -> anyhow::Result<T> {
    let bell = bell()?;
    let selector = selector(&bell).context("cannot set up epoll")?;
    let poller = Poller::new(selector, Arc::clone(&bell));
    let timers = Rc::<Timers>::default();
    let io = Io::new(Kind::Ready(Rc::clone(&poller)), &timers);
    let output = block_on(story(io), &*poller, &timers, &bell).context("cannot wait any more")?;
    shim::runtime_ends(0);
    Ok(output)
}

fn bell() -> anyhow::Result<Arc<Bell>> {
    Bell::new().context("cannot make an eventfd")
}

/// A ring for so many jobs, from `build`, which is told its flags and the entries of its submission
/// queue. Where the kernel lacks the best flags it has none; where memory is short, or bounded, it
/// has fewer entries than are good, unless a number was asked for.
///
/// # Errors
/// When there is none to be had.
fn fitting<R>(
    options: RingOptions,
    in_flight: usize,
    build: impl Fn(RingFlags, u32) -> io::Result<R>,
) -> anyhow::Result<R> {
    let wanted = (in_flight * SQ_ENTRIES_PER_JOB).next_power_of_two();
    let at_least = |least: usize| {
        let entries = wanted.clamp(least, *SQ_ENTRIES.end());
        u32::try_from(entries).expect("the upper bound fits")
    };
    let least = options.entries.unwrap_or_else(|| at_least(SQ_ENTRIES_LEAST));
    let mut entries = options.entries.unwrap_or_else(|| at_least(*SQ_ENTRIES.start()));
    let bytes_max = options.bytes_max.unwrap_or(u64::MAX);
    while entries > least && u64::from(entries) * BYTES_PER_SQ_ENTRY > bytes_max {
        entries /= 2;
    }
    let mut flags = options.flags;
    loop {
        let error = match build(flags, entries) {
            Ok(ring) => return Ok(ring),
            Err(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::EINVAL) if flags == RingFlags::Auto => flags = RingFlags::Plain,
            Some(libc::ENOMEM) if entries > least => entries /= 2,
            _ => return Err(error).with_context(|| cannot_set_up(options.flags)),
        }
    }
}

/// What is said where there is no ring with these flags.
fn cannot_set_up(flags: RingFlags) -> String {
    match flags {
        RingFlags::Auto => "cannot set up an io_uring".to_owned(),
        flags => format!(
            "cannot set up an io_uring with --ring-flags {}: this kernel may be too old for them",
            flags.as_str()
        ),
    }
}

/// The rings of one core: tokio-uring's, and one that only serves to bound the kernel workers.
struct CoreRings {
    /// Dropped last. Worker limits belong to the thread, whichever ring sets them
    /// (io_uring_register(2), IORING_REGISTER_IOWQ_MAX_WORKERS); made first, it also lowers their
    /// default bound.
    _control: IoUring,
}

impl CoreRings {
    /// Sets up the calling thread, pinned to `cpu`, for `in_flight` jobs, and runs `story` on its
    /// runtime, which ends without an operation in flight also when `story` panics.
    ///
    /// # Errors
    /// When there are no rings to be had, or an operation does not end.
    fn run<T>(
        options: RingOptions,
        cpu: usize,
        in_flight: usize,
        story: impl AsyncFnOnce(Io) -> T,
    ) -> anyhow::Result<T> {
        let alone = enter::alone();
        let control = IoUring::new(4).context("cannot set up an io_uring")?;
        // Older kernels (before 5.15) lack both calls and work all the same.
        let mut workers = [options.workers_max; 2];
        let _: io::Result<()> = control.submitter().register_iowq_max_workers(&mut workers);
        let _: io::Result<()> = control.submitter().register_iowq_aff(&cpu_set(cpu));
        let mut probe = Probe::new();
        let is_probed = control.submitter().register_probe(&mut probe).is_ok();
        let io = Io::of_runtime(is_probed && probe.is_supported(OPCODE_5_19));
        let rings = Self { _control: control };
        let search = enter::Search::begin(&alone);
        let runtime = fitting(options, in_flight, runtime)?;
        search.end(&runtime);
        drop(alone);
        let output = catch_unwind(AssertUnwindSafe(|| runtime.block_on(story(io))));
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
    if uring::in_flight() > 0 {
        runtime.block_on(async {
            let ends = Instant::now() + patience;
            // Their sockets were shut down, so this is for what is no socket's.
            uring::cancel_all().await;
            while uring::in_flight() > 0 && Instant::now() < ends {
                tokio::time::sleep(END_LOOK_INTERVAL).await;
            }
        });
    }
    let left = uring::in_flight();
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

/// A tokio-uring runtime, with COOP_TASKRUN (5.19) and SINGLE_ISSUER (6.0) where the kernel has
/// them and nothing else was asked for. Never DEFER_TASKRUN: completions would run only when the
/// thread enters the ring to wait, and tokio-uring waits in epoll.
fn runtime(flags: RingFlags, entries: u32) -> io::Result<tokio_uring::Runtime> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_cqsize(entries * CQ_ENTRIES_PER_SQ_ENTRY);
    if flags != RingFlags::Plain {
        ring.setup_coop_taskrun().setup_single_issuer();
    }
    tokio_uring::Runtime::new(tokio_uring::builder().entries(entries).uring_builder(&ring))
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
    use super::super::Wants;
    use super::*;
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    const RINGS: [Backend; 2] = [Backend::Uring, Backend::UringOwn];

    /// Runs on a backend, on a thread of its own.
    fn on<T: Send + 'static>(
        backend: Backend,
        story: impl AsyncFnOnce(Io) -> T + Send + 'static,
    ) -> std::thread::Result<T> {
        let cpu = core_affinity::get_core_ids().unwrap()[0].id;
        std::thread::spawn(move || run((backend, RingOptions::default()), cpu, 1, story).unwrap())
            .join()
    }

    #[test]
    fn a_core_runs_a_future_on_its_backend() {
        for backend in Backend::ALL {
            let told = on(backend, async |io| {
                let task = tokio::task::spawn_local(async { 40 });
                io.sleep(Duration::from_millis(1)).await;
                let late = io.timeout(Duration::from_millis(1), std::future::pending::<u32>());
                assert_eq!(late.await, None);
                let soon = io.timeout(Duration::from_secs(60), std::future::ready(2)).await;
                task.await.unwrap() + soon.unwrap()
            });
            assert_eq!(told.unwrap(), 42, "{backend:?}");
        }
    }

    #[test]
    fn what_nobody_waits_for_has_ended_when_its_backend_ends() {
        for (backend, has_panic) in RINGS.into_iter().flat_map(|on| [(on, false), (on, true)]) {
            let (mine, mut theirs) = UnixStream::pair().unwrap();
            let ended = on(backend, async move |io| {
                let mine = Rc::new(OwnedFd::from(mine));
                // One that was dropped, one that another task waits for.
                drop(io.recv(&mine, vec![0; 64], 0..64, Wants::All));
                let (on, waits) = (io.clone(), Rc::clone(&mine));
                drop(tokio::task::spawn_local(async move {
                    on.recv(&waits, vec![0; 64], 0..64, Wants::All).await.result
                }));
                tokio::task::yield_now().await;
                assert_eq!(io.in_flight(), 2);
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
            let runtime = fitting(RingOptions::default(), 1, runtime).unwrap();
            let held = Rc::new(());
            let (watched, stuck) = (Rc::downgrade(&held), uring::Counted::one());
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
