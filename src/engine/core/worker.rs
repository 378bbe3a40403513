//! The thread of one core: pinned, with its own ring, and slots on it that carry one job each.

use crate::engine::attempt::ahead::Following;
use crate::engine::attempt::attempt::{Given, attempt};
use crate::engine::attempt::exchange::Answered;
use crate::engine::attempt::fetch::Fetch;
use crate::engine::attempt::outcome::End;
use crate::engine::attempt::team::Recruit;
use crate::engine::core::desk::Work;
use crate::engine::core::follow::follow;
use crate::engine::core::next::{Again, Next};
use crate::engine::core::state::{Core, Seed};
use crate::engine::moment::Moment;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::schedule::{Granting, HostSignal};
use crate::ring::conn::Connection;
use crate::ring::io;
use crate::ring::setup;
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// Runs one core until the run is over.
pub(crate) fn run(seed: Seed) -> anyhow::Result<()> {
    // A CPU that went away since it was looked up is the kernel's business: the thread runs
    // unpinned.
    let _: bool = setup::pin(seed.cpu);
    let (cpu, in_flight_max) = (seed.cpu, seed.in_flight_max);
    let backend = (seed.shared.config.backend, seed.shared.config.ring);
    io::run(backend, cpu, in_flight_max, |io| work(Rc::new(Core::new(seed, io))))
}

async fn work(core: Rc<Core>) {
    let sweeper = tokio::task::spawn_local(sweep(Rc::clone(&core)));
    let Core { shared, kit, desk, .. } = &*core;
    let filling = async {
        while !desk.is_over() {
            fill(&core);
            shared.queue.woken(&kit.io, desk.index, desk.nap()).await;
        }
    };
    if contained(&kit.polls, pin!(filling)).await.is_none() {
        shared.stop.set_broken();
    }
    while kit.in_flight.get() > 0 {
        core.slot_ended.notified().await;
    }
    kit.leftovers.ended().await;
    core.finish_archive().await;
    sweeper.abort();
    desk.trim_idle(true);
    core.publish();
}

/// Starts a slot for every job that this core may run now.
fn fill(core: &Rc<Core>) {
    while let Some(work) = core.desk.take(&core.kit, core.kit.clocks.now()) {
        core.kit.in_flight.set(core.kit.in_flight.get() + 1);
        tokio::task::spawn_local(slot(SlotEnd(Rc::clone(core)), Some(work)));
    }
}

/// Runs one job after another, until there is none for this core.
#[allow(clippy::manual_async_fn, reason = "an argument of an async fn takes its place twice")]
fn slot(end: SlotEnd, mut work: Option<Work>) -> impl Future<Output = ()> {
    async move {
        let core = &end.0;
        let mut now = core.kit.clocks.now();
        while work.is_some() {
            now = run_job(core, &mut work, now).await;
            if work.is_some() {
                continue;
            }
            work = core.desk.take(&core.kit, now);
            if work.is_some() {
                // A core that was given work must ask on until there is none (see the schedule's
                // rules).
                fill(core);
            }
        }
    }
}

/// Counts a slot out, however it ended.
struct SlotEnd(Rc<Core>);

impl Drop for SlotEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.shared.stop.set_broken();
        }
        self.0.kit.in_flight.set(self.0.kit.in_flight.get() - 1);
        self.0.slot_ended.notify_one();
    }
}

/// One attempt of one job, and what follows from it. It begins now, and ends at the moment that is
/// given back. The job stays where its slot has it until that is known; then the slot has the job
/// that follows it by its grant, if there is one.
async fn run_job(core: &Rc<Core>, slot: &mut Option<Work>, now: Moment) -> Moment {
    let Some(work) = slot else { return now };
    let (granted, is_disk_probe) = (work.granted, work.is_disk_probe);
    let following = std::mem::take(&mut work.following);
    let (fetch, pooled) = (&mut work.fetch, work.pooled.take());
    // Attempts stay where they are made: to move one is to copy all that it may ever hold.
    let (outcome, mut connection) =
        pin!(attempt_once(core, fetch, (pooled, &following), Some(granted), now)).await;
    let mut now = core.kit.clocks.now();
    let mut next = follow(core, fetch, outcome, Some(granted), now);
    loop {
        let is_draining = core.shared.stop.get() == Stop::Draining;
        match next {
            // Nobody takes from the queue any more, but what is in flight may finish. These few
            // hops are the only connections that `-x` does not count.
            Next::Again(Again::Redirected) if is_draining => connection = None,
            // The lead goes on in the place of the last of its helpers, or in its own.
            Next::Idle | Next::Gone(_) if core.desk.succeed(slot, &next, &mut connection, now) => {}
            Next::Again(_) | Next::Ended(_) | Next::Idle | Next::Gone(_) => break,
        }
        let Some(Work { fetch, .. }) = slot else { break };
        let place = (connection.take(), &following);
        let again = Box::pin(attempt_once(core, fetch, place, None, now));
        let (outcome, kept) = again.await;
        connection = kept;
        now = core.kit.clocks.now();
        next = follow(core, fetch, outcome, None, now);
    }
    if is_disk_probe {
        match &next {
            Next::Ended(End::Done(_)) => {
                core.shared.full_disk.probe_succeeded(now.ms, &core.shared.stop);
            }
            Next::Again(Again::Full) => {}
            // It told nothing: the next one may try.
            Next::Ended(_) | Next::Again(_) | Next::Idle | Next::Gone(_) => {
                core.shared.full_disk.return_probe();
            }
        }
    }
    // The job is on its way before its grant ends, so that the run cannot seem to be over between.
    let mut packing = None;
    if let Some(Work { fetch, .. }) = slot.take() {
        match next {
            Next::Ended(End::Done(stored)) if stored.is_collected() => {
                packing = Some(Box::pin(core.pack(fetch, stored, now)));
            }
            Next::Ended(end) => now = core.close(fetch, end, now),
            Next::Again(Again::Redirected | Again::Full) => core.desk.requeue(fetch),
            Next::Again(Again::Unresolved) => core.desk.unresolve(fetch),
            Next::Again(Again::After(after_ms)) => core.desk.defer(fetch, after_ms),
            // Whoever goes on with its body has it, or has gone on.
            Next::Idle | Next::Gone(_) => {}
        }
    }
    if let Some(packing) = packing {
        now = packing.await;
    }
    *slot = core.desk.go_on(granted, following, connection, now);
    now
}

/// One attempt. A panic is a bug of ours, but it is only this job's failure.
async fn attempt_once(
    core: &Core,
    fetch: &mut Fetch,
    (pooled, following): (Option<Connection>, &Following),
    granted: Option<Granting>,
    now: Moment,
) -> Answered {
    let paused_ms = core.shared.full_disk.paused_ms(now.ms);
    fetch.begin(now, core.kit.timeouts.job_ms, paused_ms);
    let probe = granted.filter(|granted| granted.is_probe);
    // The first byte of its answer is worth a signal of its own.
    let tell = || {
        if let Some(granted) = probe {
            core.desk.observe(granted, HostSignal::Answered, core.kit.now_ms());
        }
    };
    let first_byte = probe.is_some().then_some(&tell as &dyn Fn());
    let enlist = |recruit: Recruit<'_>| core.desk.enlist(recruit, core.kit.clocks.now());
    let given = Given { pooled, now_ms: now.ms, following, first_byte, enlist: &enlist };
    let attempt = pin!(attempt(&core.kit, &core.shared.output, fetch, given));
    contained(&core.kit.polls, attempt)
        .await
        .unwrap_or_else(|| (Fault::new(Stage::Input, Cause::Panic).into(), None))
}

/// The output of a future, or nothing if it panics: then what it held (a socket, an unfinished
/// file) is gone with it. Operations in flight keep their memory and their descriptor until they
/// end, which those of a socket soon do, for it is shut down; the core's rings wait for the others.
/// Counts its polls.
fn contained<F: Future>(
    polls: &Cell<u64>,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |context| {
        polls.set(polls.get() + 1);
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    })
}

/// Looks after deadlines and idle connections. Without it the core would wait for ever, so it goes
/// on after a panic, while the run ends.
async fn sweep(core: Rc<Core>) {
    loop {
        core.kit.io.sleep(SWEEP_INTERVAL).await;
        if catch_unwind(AssertUnwindSafe(|| core.sweep())).is_err() {
            core.shared.stop.set_broken();
        }
    }
}

/// How often deadlines are looked at: what they may be late by.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::buf::{BufPool, Size};
    use crate::ring::dir::{Dir, WriteOptions};
    use crate::ring::file::{OutFile, SizeHint};

    fn future_bytes<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_slot_is_small() {
        // It lives as long as its core, and there are as many as jobs in flight.
        let bytes = future_bytes(slot);
        assert!(bytes <= 3_872, "{bytes}");
    }

    #[test]
    fn what_a_panicking_attempt_held_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let entries = || std::fs::read_dir(dir.path()).unwrap().count();
        let out = Dir::create(dir.path(), WriteOptions::default()).unwrap();
        let buffers = BufPool::default();
        let attempt = async {
            let _file = OutFile::create(&out, 1, SizeHint::Long(None)).unwrap();
            let _buf = buffers.take(Size::Small);
            tokio::task::yield_now().await;
            assert_eq!(entries(), 1, "the unfinished file");
            // Unwinds as a panic does, without a message among those of the tests.
            std::panic::resume_unwind(Box::new("a bug"));
        };
        let polls = Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(contained(&polls, pin!(attempt))), None::<()>);
        assert_eq!(entries(), 0);
        assert_eq!(runtime.block_on(contained(&polls, pin!(async { 7 }))), Some(7));
    }
}
