//! One core: a pinned thread with its own ring, and the lanes on it that carry one task each.

use crate::engine::attempt::fetch::{self, Outcome};
use crate::engine::attempt::task::{End, Task};
use crate::engine::core::desk::{Core, Granting, Seed, Work};
use crate::engine::core::signs;
use crate::engine::moment::Moment;
use crate::engine::state::disk_full::{self, Full, Lacking};
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::http::RetryAfter;
use crate::plan::retry::{self, Class, Decision};
use crate::plan::schedule::{Refused, Sign};
use crate::ring::conn::Connection;
use crate::ring::dns;
use crate::ring::setup::{self, CoreRings};
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

/// Runs one core until the run is over.
pub(crate) fn run(seed: Seed) -> anyhow::Result<()> {
    // A CPU that went away since it was looked up is the kernel's business: the thread runs
    // unpinned.
    let _: bool = setup::pin(seed.cpu);
    let (cpu, in_flight_max) = (seed.cpu, seed.in_flight_max);
    let core = Rc::new(Core::new(seed));
    CoreRings::run(cpu, in_flight_max, work(core))
}

async fn work(core: Rc<Core>) {
    let sweeper = tokio::task::spawn_local(sweep(Rc::clone(&core)));
    let filling = async {
        while !core.is_over() {
            fill(&core);
            core.shared.queue.woken(core.index, core.nap()).await;
        }
    };
    if contained(&core.polls, pin!(filling)).await.is_none() {
        core.shared.stop.set_broken();
    }
    while core.lanes.get() > 0 {
        core.lane_ended.notified().await;
    }
    core.leftovers.ended().await;
    sweeper.abort();
    core.close_idle(0);
    core.publish();
}

/// Starts a lane for every task that this core may run now.
fn fill(core: &Rc<Core>) {
    while let Some(work) = core.take(core.clocks.now().ms) {
        core.lanes.set(core.lanes.get() + 1);
        tokio::task::spawn_local(lane(LaneEnd(Rc::clone(core)), Some(work)));
    }
}

/// Runs one task after another, until there is none for this core.
async fn lane(end: LaneEnd, mut work: Option<Work>) {
    let core = &end.0;
    let mut now = core.clocks.now();
    while work.is_some() {
        now = run_task(core, &mut work, now).await;
        work = core.take(now.ms);
        if work.is_some() {
            // A core that was given work must ask on until there is none (see the schedule's
            // rules).
            fill(core);
        }
    }
}

/// Counts a lane out, however it ended.
struct LaneEnd(Rc<Core>);

impl Drop for LaneEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.shared.stop.set_broken();
        }
        self.0.lanes.set(self.0.lanes.get() - 1);
        self.0.lane_ended.notify_one();
    }
}

/// One attempt of one task, and what follows from it. It begins now, and ends at the moment that is
/// given back. The task stays where its lane has it, unless it goes back to the schedule.
async fn run_task(core: &Rc<Core>, lane_work: &mut Option<Work>, now: Moment) -> Moment {
    let Some(work) = lane_work else { return now };
    let (granted, is_disk_probe) = (work.granted, work.is_disk_probe);
    let (task, pooled) = (&mut work.task, work.pooled.take());
    // Attempts stay where they are made: to move one is to copy all that it may ever hold.
    let (outcome, mut connection) = pin!(attempt(core, task, pooled, Some(granted), now)).await;
    let mut now = core.clocks.now();
    let mut next = follow(core, task, outcome, Some(granted), now.ms);
    while matches!(next, Next::Redirected) && core.shared.stop.get() == Stop::Draining {
        // Nobody takes from the schedule any more, but what is in flight may finish. These few hops
        // are the only connections that `-x` does not count.
        connection = None;
        let (outcome, _) = Box::pin(attempt(core, task, None, None, now)).await;
        now = core.clocks.now();
        next = follow(core, task, outcome, None, now.ms);
    }
    if is_disk_probe {
        match &next {
            Next::Ended(End::Done { .. }) => {
                core.shared.full_disk.probe_succeeded(core.shared.now_ms(), &core.shared.stop);
            }
            Next::Full => {}
            // It told nothing: the next one may try.
            Next::Ended(_) | Next::Redirected | Next::Unresolved | Next::Retry { .. } => {
                core.shared.full_disk.return_probe();
            }
        }
    }
    // The task is on its way before its grant ends, so that the run cannot seem to be over between.
    match next {
        Next::Ended(end) => now = core.record(task, end, now),
        next => put_back(core, lane_work.take(), next),
    }
    core.release(granted.origin, connection, now.ms);
    now
}

/// Gives a task that has not ended back to the schedule.
fn put_back(core: &Core, work: Option<Work>, next: Next) {
    let Some(Work { task, .. }) = work else { return };
    match next {
        Next::Redirected | Next::Full => core.requeue(task),
        Next::Unresolved => core.unresolve(task),
        Next::Retry { after_ms } => core.defer(task, after_ms),
        Next::Ended(_) => {}
    }
}

/// One attempt. A panic is a bug of ours, but it is only this job's failure.
async fn attempt(
    core: &Core,
    task: &mut Task,
    pooled: Option<Connection>,
    granted: Option<Granting>,
    now: Moment,
) -> (Outcome, Option<Connection>) {
    let attempt = pin!(fetch::attempt(core, task, pooled, granted, now));
    contained(&core.polls, attempt)
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

/// What a task does next.
enum Next {
    Ended(End),
    /// It goes on where a redirect led.
    Redirected,
    /// The disk is full: it goes on when there is room.
    Full,
    /// It goes on when its host has addresses again.
    Unresolved,
    /// It waits.
    Retry {
        after_ms: u64,
    },
}

/// Decides what follows from an attempt, and tells the schedule what it says about its host.
fn follow(
    core: &Core,
    task: &mut Task,
    outcome: Outcome,
    granted: Option<Granting>,
    now_ms: u64,
) -> Next {
    let sign = signs::sign(task, &outcome, core.proxies.choose(task.target()));
    let (next, asked) = decide(core, task, outcome, granted);
    if let Some(granted) = granted {
        core.observe(granted, asked.unwrap_or(sign), now_ms);
    }
    next
}

/// What follows, and what its host asks for if that is granted.
fn decide(
    core: &Core,
    task: &mut Task,
    outcome: Outcome,
    granted: Option<Granting>,
) -> (Next, Option<Sign>) {
    let next = match outcome {
        Outcome::Done(stored) => Next::Ended(End::Done(stored)),
        Outcome::Skipped => Next::Ended(End::Skipped),
        Outcome::Refused(fault) => Next::Ended(End::Refused(fault)),
        Outcome::Waiting => wait_for_robots(core, task),
        Outcome::Redirect(target) => {
            task.redirect(target);
            Next::Redirected
        }
        Outcome::Unresolved => Next::Unresolved,
        Outcome::Failed(fault, retry_after) => {
            return failed(core, task, fault, retry_after, granted);
        }
    };
    (next, None)
}

/// What follows from a failure: another attempt, or the row that tells of it.
fn failed(
    core: &Core,
    task: &mut Task,
    fault: Fault,
    retry_after: Option<RetryAfter>,
    granted: Option<Granting>,
) -> (Next, Option<Sign>) {
    if let Cause::Resources(errno) = fault.cause
        && let Some(after_ms) = core.lacked(errno)
        && core.can_wait(task, after_ms)
    {
        // What is ours to mend costs the job no attempt.
        task.remember(fault);
        return (Next::Retry { after_ms }, None);
    }
    if disk_full::lacks_room(&fault) {
        match met_full_disk(core, task, &fault) {
            Full::Wait => return (Next::Full, None),
            // Its file was not whole when the run ended: that it lacked room is no failure of it.
            Full::Stopped => {
                let cut = Fault::new(Stage::Write, Cause::Interrupted);
                return (Next::Ended(End::Failed(cut)), None);
            }
            Full::Fail => {}
        }
    }
    let policy = &core.shared.config.retry;
    let asked_ms = retry_after
        .filter(|_| retry::class(&fault.cause) == Class::Transient)
        .and_then(|value| retry::retry_after_ms(value, unix_s()));
    let is_for_host = fault.cause == Cause::Status(429);
    let asked = asked_ms.map(|asked_ms| Sign::Busy { asked_ms: Some(asked_ms), is_for_host });
    let decision = again(core, task, &fault, asked_ms, granted);
    match decision {
        Decision::Retry { after_ms } => {
            task.story_mut().is_retry_due = true;
            task.remember(fault);
            (Next::Retry { after_ms }, asked)
        }
        Decision::RetryAfterTooLong { .. } | Decision::GiveUp => {
            // The job fails at once: a list must not stand still because one URL of it asks for
            // that. What the host asks for itself, up to the maximum, holds whatever becomes of
            // the job.
            let rest_ms = asked_ms.map(|asked_ms| asked_ms.min(policy.delay_base_ms));
            if let Some(rest_ms) = rest_ms {
                core.pause(task, rest_ms);
            }
            let fault = match decision {
                Decision::RetryAfterTooLong { seconds } => {
                    Fault::new(Stage::Head, Cause::RetryAfterTooLong { seconds })
                }
                Decision::Retry { .. } | Decision::GiveUp => fault,
            };
            (Next::Ended(End::Failed(fault)), asked.filter(|_| is_for_host))
        }
    }
}

/// Whether and when a failed attempt is made again.
fn again(
    core: &Core,
    task: &mut Task,
    fault: &Fault,
    asked_ms: Option<u64>,
    granted: Option<Granting>,
) -> Decision {
    let policy = &core.shared.config.retry;
    let attempt = attempts_counted(core, task, fault, granted);
    let decision = retry::decide(fault, attempt, asked_ms, core.random(), policy);
    let decision = match decision {
        // Before that, it would only hear the same again.
        Decision::Retry { after_ms } if fault.stage == Stage::Resolve => {
            Decision::Retry { after_ms: after_ms.max(dns::FAILURE_KNOWN_MS) }
        }
        decision => decision,
    };
    match decision {
        Decision::Retry { after_ms } if !core.can_wait(task, after_ms) => Decision::GiveUp,
        decision => decision,
    }
}

/// How many attempts of a task count, the one that failed included. Those that its host refused for
/// no fault of the task do not, unless each URL is to be asked for once and no more (`--retry 0`).
fn attempts_counted(core: &Core, task: &mut Task, fault: &Fault, granted: Option<Granting>) -> u32 {
    let Some(story) = &mut task.story else { return 1 };
    if let (Cause::Status(429 | 503), Some(granted)) = (&fault.cause, granted)
        && core.shared.config.retry.retries_max > 0
    {
        let Refused { tally, is_progressing, .. } = core.refused(granted);
        let _: bool = story.refusals.meet(tally, is_progressing);
    }
    story.attempt.saturating_sub(story.refusals.free())
}

/// Another task asks for the robots.txt that this one needs.
fn wait_for_robots(core: &Core, task: &Task) -> Next {
    if core.shared.stop.get() != Stop::Running {
        return Next::Ended(End::Failed(Fault::new(Stage::Connect, Cause::Interrupted)));
    }
    // Nobody else of the host need come and see that there is nothing to do.
    core.pause(task, ROBOTS_WAIT_MS);
    Next::Retry { after_ms: ROBOTS_WAIT_MS }
}

/// A task lacked room for its file.
fn met_full_disk(core: &Core, task: &Task, fault: &Fault) -> Full {
    // No device and no pipe ever gets room.
    if !core.shared.output.has_files() {
        return Full::Fail;
    }
    let parents = task.name().rsplit_once('/').map_or("", |(parents, _)| parents);
    let last = task.story.as_ref().map(|story| &story.last);
    let head = last.and_then(|last| last.head.as_deref());
    let received = last.map_or(0, |last| last.size_download);
    let lacking = Lacking { fault, parents, head, received };
    core.shared.full_disk.met(&lacking, core.shared.now_ms(), &core.shared.stop)
}

/// Looks after deadlines and idle connections. Without it the core would wait for ever, so it goes
/// on after a panic, while the run ends.
async fn sweep(core: Rc<Core>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        if catch_unwind(AssertUnwindSafe(|| core.sweep())).is_err() {
            core.shared.stop.set_broken();
        }
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long the jobs of an origin wait before they look again whether its robots.txt is there, in
/// milliseconds.
const ROBOTS_WAIT_MS: u64 = 100;
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
    fn a_lane_is_small() {
        // It lives as long as its core, and there are as many as jobs in flight.
        let bytes = future_bytes(lane);
        assert!(bytes <= 4_608, "{bytes}");
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
