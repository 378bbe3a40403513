//! What follows from an attempt: the end of its job, or where that goes on; and what its host is
//! told of it.

use crate::engine::attempt::fetch::Fetch;
use crate::engine::attempt::outcome::{End, Outcome};
use crate::engine::core::next::{Again, Next};
use crate::engine::core::state::Core;
use crate::engine::moment::Moment;
use crate::engine::state::disk_full::{self, Full, Lacking};
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::http::RetryAfter;
use crate::plan::retry::{self, Class, Then};
use crate::plan::schedule::{Granting, HostSignal, Refused};
use crate::plan::sources::Leave;
use crate::ring::dns;
use std::time::SystemTime;

/// Decides what follows from an attempt, and tells the queue what it says about its host, unless it
/// was made without a grant.
pub(crate) fn follow(
    core: &Core,
    fetch: &mut Fetch,
    outcome: Outcome,
    granted: Option<Granting>,
    now: Moment,
) -> Next {
    let seen = fetch.history.trace.seen();
    let (next, signal) = match outcome {
        Outcome::Done(stored) => (Next::Ended(End::Done(stored)), seen.good()),
        Outcome::Skipped => (Next::Ended(End::Skipped), seen.left()),
        Outcome::Mixed => (Next::Again(Again::Redirected), HostSignal::Unasked),
        Outcome::Refused(_) if fetch.helps().is_some() => (Next::Gone(Leave::Refused), seen.left()),
        Outcome::Refused(fault) if may_leave(core, fetch) && fetch.go_to_next(&fault) => {
            (Next::Again(Again::Redirected), seen.left())
        }
        Outcome::Refused(fault) => (Next::Ended(End::Refused(fault)), seen.left()),
        Outcome::Redirect(_) if fetch.has_proof() => {
            // Whoever it is led to now has shown nothing.
            (Next::Gone(Leave::Refused), seen.good())
        }
        Outcome::Waiting => (wait_for_robots(core, fetch), HostSignal::Unasked),
        Outcome::Redirect(target) => {
            fetch.redirect(target);
            (Next::Again(Again::Redirected), seen.good())
        }
        Outcome::Unresolved => (Next::Again(Again::Unresolved), HostSignal::Unasked),
        Outcome::Left => {
            // How long ranges take is no measure of the host.
            let signal = if seen.has_head { HostSignal::Answered } else { HostSignal::Unasked };
            let is_helper = fetch.helps().is_some();
            (if is_helper { Next::Gone(Leave::Idle) } else { Next::Idle }, signal)
        }
        Outcome::Failed(fault, _) if fetch.helps().is_some() => {
            let signal = match fetch.is_unwanted() {
                true => HostSignal::Nothing,
                false => seen.failed(&fault, core.kit.proxies.choose(fetch.target())),
            };
            (Next::Gone(why_gone(&fault)), signal)
        }
        Outcome::Failed(fault, _) if fetch.is_helped() => {
            // Those beside it may bring what is missing; if they do not, it is tried again.
            let signal = seen.failed(&fault, core.kit.proxies.choose(fetch.target()));
            fetch.rest_source(now.ms);
            fetch.remember(fault);
            (Next::Idle, signal)
        }
        Outcome::Failed(fault, retry_after) => {
            let signal = seen.failed(&fault, core.kit.proxies.choose(fetch.target()));
            let (next, asked) = failed(core, fetch, (fault, retry_after), granted, now);
            (next, asked.unwrap_or(signal))
        }
    };
    if let Some(granted) = granted {
        core.desk.observe(granted, signal, now.ms);
    }
    next
}

/// What follows from a failure, and what the host asked for that matters to others.
fn failed(
    core: &Core,
    fetch: &mut Fetch,
    (fault, retry_after): (Fault, Option<RetryAfter>),
    granted: Option<Granting>,
    now: Moment,
) -> (Next, Option<HostSignal>) {
    let left_ms = left_ms(core, fetch);
    if let Cause::Resources(errno) = fault.cause
        && let Some(after_ms) = core.shortage.meet(&core.kit, &core.desk, errno, core.random())
        && after_ms < left_ms
    {
        // What is ours to mend costs the job no attempt.
        fetch.remember(fault);
        return (Next::Again(Again::After(after_ms)), None);
    }
    if disk_full::lacks_room(&fault) {
        match met_full_disk(core, fetch, &fault) {
            Full::Wait => return (Next::Again(Again::Full), None),
            // Its file was not whole when the run ended: that it lacked room is no failure of it.
            Full::Stopped => {
                let cut = Fault::new(Stage::Write, Cause::Interrupted);
                return (Next::Ended(End::Failed(cut)), None);
            }
            Full::Fail => {}
        }
    }
    fetch.count_fruit();
    let attempt = attempts_counted(core, fetch, &fault, granted);
    let since_epoch = now.date.duration_since(SystemTime::UNIX_EPOCH);
    let moment = retry::Moment {
        unix_s: since_epoch.map_or(0, |since| since.as_secs()),
        left_ms,
        lookup_known_ms: dns::FAILURE_KNOWN_MS,
        random: core.random(),
    };
    let policy = &core.shared.config.retry;
    let after = retry::after(fault, attempt, retry_after, &moment, policy);
    if let Some(pause_ms) = after.pause_ms {
        core.desk.pause(fetch, pause_ms);
    }
    let next = match after.then {
        // Where nothing of a body is kept, another source is better than a wait.
        Then::Retry(fault, _)
            if left_ms > 0 && fetch.keeps_nothing() && fetch.go_to_next(&fault) =>
        {
            Next::Again(Again::Redirected)
        }
        Then::Fail(fault) if left_ms > 0 && fetch.go_to_next(&fault) => {
            Next::Again(Again::Redirected)
        }
        Then::Retry(fault, after_ms) => {
            fetch.retry(fault);
            Next::Again(Again::After(after_ms))
        }
        Then::Fail(fault) => Next::Ended(End::Failed(fault)),
    };
    (next, after.asked)
}

/// Why a task beside a job is over that failed.
fn why_gone(fault: &Fault) -> Leave {
    // The time is over of one that looked whether a mirror has the file.
    let is_of_source = retry::is_of_source(&fault.cause) || fault.cause == Cause::JobTimeout;
    match retry::class(&fault.cause) {
        Class::Later | Class::Permanent if is_of_source => Leave::Refused,
        Class::Transient | Class::Later | Class::Permanent => Leave::Failed,
    }
}

/// Whether a job may go on at another source.
fn may_leave(core: &Core, fetch: &Fetch) -> bool {
    fetch.helps().is_none() && !fetch.is_helped() && left_ms(core, fetch) > 0
}

/// How long a job may wait for another attempt at most, in milliseconds: not at all once the run is
/// to stop or its output has begun with nothing to go on with, and not past its deadline.
fn left_ms(core: &Core, fetch: &Fetch) -> u64 {
    let is_stopped = core.shared.stop.get() != Stop::Running;
    let is_final = core.shared.output.has_streamed() && fetch.history.flow.is_none();
    match is_stopped || is_final {
        true => 0,
        false => fetch.job_at_ms().saturating_sub(core.kit.now_ms()),
    }
}

/// How many attempts of a job count, the one that failed included. Those that its host refused for
/// no fault of the job do not, unless each URL is to be asked for once and no more (`--retry 0`).
fn attempts_counted(
    core: &Core,
    fetch: &mut Fetch,
    fault: &Fault,
    granted: Option<Granting>,
) -> u32 {
    let refusals = &mut fetch.history.refusals;
    if let (Cause::Status(429 | 503), Some(granted)) = (&fault.cause, granted)
        && core.shared.config.retry.retries_max > 0
    {
        let Refused { tally, is_progressing, .. } = core.desk.refused(granted);
        let _: bool = refusals.meet(tally, is_progressing);
    }
    let free = refusals.free() + fetch.free();
    fetch.attempt().saturating_sub(free)
}

/// Another job asks for the robots.txt that this one needs.
fn wait_for_robots(core: &Core, fetch: &Fetch) -> Next {
    if core.shared.stop.get() != Stop::Running {
        return match fetch.helps() {
            Some(_) => Next::Gone(Leave::Failed),
            None => Next::Ended(End::Failed(Fault::new(Stage::Connect, Cause::Interrupted))),
        };
    }
    // Nobody else of the host need come and see that there is nothing to do.
    core.desk.pause(fetch, ROBOTS_WAIT_MS);
    Next::Again(Again::After(ROBOTS_WAIT_MS))
}

/// A job lacked room for its file.
fn met_full_disk(core: &Core, fetch: &mut Fetch, fault: &Fault) -> Full {
    // No device and no pipe ever gets room.
    if !core.shared.output.has_dir() {
        return Full::Fail;
    }
    // What no later run can go on with gives its room back.
    fetch.history.team.take_if(|team| !team.partial.is_kept());
    let parents = fetch.name().rsplit_once('/').map_or("", |(parents, _)| parents);
    let trace = &fetch.history.trace;
    let (head, received) = (trace.head.as_deref(), trace.size_download);
    let lacking = Lacking { fault, parents, head, received };
    core.shared.full_disk.met(&lacking, core.kit.now_ms(), &core.shared.stop)
}

/// How long the jobs of an origin wait before they look again whether its robots.txt is there, in
/// milliseconds.
const ROBOTS_WAIT_MS: u64 = 100;
