//! robots.txt: asked for once an origin and run, before the first of its URLs, on the connection
//! that this URL goes on to use. The other jobs of the origin wait meanwhile and hold no slot.

use crate::engine::attempt::fetch::{Outcome, Purpose, exchange};
use crate::engine::attempt::open::lookup;
use crate::engine::attempt::task::Task;
use crate::engine::core::desk::Core;
use crate::fault::{Cause, Fault, Stage};
use crate::http::Head;
use crate::limits;
use crate::plan::job::Job;
use crate::plan::kept::Kept;
use crate::plan::robots::{self, ROBOTS_PATH, Rules};
use crate::plan::target::Target;
use crate::ring::buf::Size;
use crate::ring::conn::Connection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the run knows of robots.txt files.
pub(crate) struct Robots {
    known: Mutex<Known>,
    /// What we are called there.
    token: Box<str>,
}

#[derive(Default)]
struct Known {
    origins: HashMap<Box<str>, State>,
    /// What all of them take in memory, about.
    bytes: usize,
}

impl Known {
    /// Remembers what is known of one origin; where that is too much, all others are forgotten but
    /// for those that some job asks for.
    fn put(&mut self, origin: &str, state: State) {
        self.remove(origin);
        let bytes = bytes(origin, &state);
        if self.bytes + bytes > limits::ROBOTS_CACHE_BYTES_MAX {
            self.origins.retain(|_, state| matches!(state, State::Asked));
            self.bytes =
                self.origins.iter().map(|(origin, state)| self::bytes(origin, state)).sum();
        }
        self.bytes += bytes;
        self.origins.insert(origin.into(), state);
    }

    fn remove(&mut self, origin: &str) {
        if let Some(state) = self.origins.remove(origin) {
            self.bytes -= bytes(origin, &state);
        }
    }
}

/// What one origin takes in memory, about.
fn bytes(origin: &str, state: &State) -> usize {
    let known = match state {
        State::Asked => 0,
        State::Rules(rules) => rules.bytes(),
        State::Failed(fault, _) => fault.detail.as_ref().map_or(0, |detail| detail.len()),
    };
    known + origin.len() + ENTRY_BYTES
}

/// What is known of one origin's.
enum State {
    /// Some job asks for it.
    Asked,
    Rules(Arc<Rules>),
    /// It could not be had, as was known then, in milliseconds of the run.
    Failed(Fault, u64),
}

/// What a job finds.
enum Found {
    Rules(Arc<Rules>),
    Failed(Fault),
    /// Another job asks.
    Wait,
    /// It is for this job to ask.
    Ask,
}

impl Robots {
    /// Nothing is known; `user_agent` is what we call ourselves.
    pub(crate) fn new(user_agent: &str) -> Self {
        let token = match robots::token(user_agent) {
            "" => env!("CARGO_PKG_NAME"),
            token => token,
        };
        Self { known: Mutex::default(), token: token.into() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known for a job in this attempt.
    fn find(&self, origin: &str, attempt: u32, now_ms: u64) -> Found {
        let kept_ms = if attempt == 1 { FAILED_KEPT_MS } else { FAILED_AGAIN_MS };
        let mut known = self.known();
        match known.origins.get(origin) {
            Some(State::Rules(rules)) => return Found::Rules(Arc::clone(rules)),
            Some(State::Asked) => return Found::Wait,
            Some(State::Failed(fault, at_ms)) if now_ms < at_ms + kept_ms => {
                return Found::Failed(fault.clone());
            }
            Some(State::Failed(..)) | None => {}
        }
        known.put(origin, State::Asked);
        Found::Ask
    }

    fn keep(&self, origin: &str, state: State) {
        self.known().put(origin, state);
    }
}

/// Lets the next job ask, unless it came to an answer: this one may have been cut off.
struct Asking<'a> {
    robots: &'a Robots,
    origin: Box<str>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut known = self.robots.known();
        if matches!(known.origins.get(&self.origin), Some(State::Asked)) {
            known.remove(&self.origin);
        }
    }
}

/// Whether the task may be asked for; then gives the connection back that was granted, or a new
/// one. If not, what comes of the attempt.
pub(crate) async fn permit(
    core: &Core,
    task: &mut Task,
    pooled: Option<Connection>,
) -> Result<Option<Connection>, (Outcome, Option<Connection>)> {
    if !core.shared.config.robots.is_obeyed {
        return Ok(pooled);
    }
    let target = task.target().clone();
    let (path, origin) = (target.request_target(), target.origin_str());
    if path == ROBOTS_PATH {
        return Ok(pooled);
    }
    let robots = &core.shared.robots;
    let attempt = task.story_mut().attempt;
    let (rules, pooled) = match robots.find(origin, attempt, core.shared.now_ms()) {
        Found::Rules(rules) => (rules, pooled),
        Found::Failed(fault) => return Err((fault.into(), pooled)),
        Found::Wait => return Err((Outcome::Waiting, pooled)),
        Found::Ask => {
            let asking = Asking { robots, origin: origin.into() };
            let (answer, connection) = Box::pin(ask(core, task, pooled)).await;
            match answer {
                Ok(rules) => robots.keep(origin, State::Rules(Arc::new(rules))),
                Err(outcome) => {
                    if let Outcome::Failed(fault, _) = &outcome
                        && !is_of_this_job(&fault.cause)
                    {
                        robots.keep(origin, State::Failed(fault.clone(), core.shared.now_ms()));
                    }
                    return Err((outcome, connection));
                }
            }
            drop(asking);
            match robots.find(origin, attempt, core.shared.now_ms()) {
                Found::Rules(rules) => (rules, connection),
                // Too many others came between: it is asked for again.
                Found::Failed(_) | Found::Wait | Found::Ask => {
                    return Err((Outcome::Waiting, connection));
                }
            }
        }
    };
    match rules.allow(path) {
        true => Ok(pooled),
        false => {
            let fault = Fault::new(Stage::Head, Cause::RobotsDisallowed);
            Err((Outcome::Refused(fault), pooled))
        }
    }
}

/// Whether the tags of a response let it be.
pub(crate) fn check_tags(core: &Core, head: &Head) -> Result<(), Outcome> {
    let Some(tags) = &head.robots_tags else { return Ok(()) };
    let listed = &core.shared.config.robots.tags;
    match robots::refusal(tags, &core.shared.robots.token, listed) {
        None => Ok(()),
        Some(directive) => {
            let fault = Fault::new(Stage::Head, Cause::RobotsTag).with_detail(directive);
            Err(Outcome::Refused(fault))
        }
    }
}

/// What came of asking for a robots.txt: rules, or what becomes of the job.
type Answer = Result<Rules, Outcome>;

/// Asks for the robots.txt of a task's origin (RFC 9309 section 2.3). Also gives the connection, if
/// it is one to that origin and can serve another request.
async fn ask(
    core: &Core,
    task: &mut Task,
    mut pooled: Option<Connection>,
) -> (Answer, Option<Connection>) {
    let home = task.target().clone();
    let Ok(target) = home.join(ROBOTS_PATH.as_bytes()) else {
        return (Ok(Rules::default()), pooled);
    };
    let job =
        Job { index: task.job.index, target, given: None, kept: Kept::default(), options: None };
    let mut asked = Task { job, name: None, queued_ms: task.queued_ms, story: None };
    asked.begin(core.clocks.now(), 0, 0, Box::new).job_at_ms = task.job_at_ms();
    let transfer = core.transfers.begin(task.job.index, asked.target(), Instant::now());
    asked.story_mut().last.transfer = transfer.index();
    let mut request = core.request_memory();
    let answer = loop {
        let mut buf = core.buffers.take(Size::Small);
        let mut purpose = Purpose::Text(Vec::new());
        let memory = (&mut request, &mut buf);
        let now_ms = core.shared.now_ms();
        let got = exchange(core, &mut asked, pooled.take(), now_ms, memory, &mut purpose).await;
        core.buffers.give(buf);
        let is_home = asked.target().same_origin(&home);
        let (outcome, connection) = got.unwrap_or_else(|outcome| (outcome, None));
        pooled = connection.filter(|_| is_home);
        match outcome {
            Outcome::Redirect(to) => {
                pooled = pooled.filter(|_| to.same_origin(&home));
                if !follow(core, &mut asked, to).await {
                    break Ok(Rules::default());
                }
            }
            Outcome::Done(_) => {
                break Ok(Rules::parse(&purpose.into_text(), &core.shared.robots.token));
            }
            Outcome::Failed(fault, retry_after) => {
                break judge(fault).map_err(|fault| Outcome::Failed(fault, retry_after));
            }
            // The names of this host are looked up again, and the job waits for that.
            Outcome::Unresolved if is_home => break Err(Outcome::Unresolved),
            Outcome::Unresolved | Outcome::Skipped | Outcome::Refused(_) | Outcome::Waiting => {
                let fault = Fault::new(Stage::Resolve, Cause::ResolveFailed);
                break judge(fault).map_err(Outcome::from);
            }
        }
    };
    core.keep_request_memory(request);
    task.story_mut().num_connects += asked.story_mut().num_connects;
    if let Some(connection) = &mut pooled {
        connection.park();
    }
    (answer, pooled.and_then(|connection| core.undisturbed(connection, home.origin_str())))
}

/// Goes on where a redirect leads; not after so many that it is as if there were no robots.txt
/// (section 2.3.1.2). The schedule knows nothing of this hop, so names are looked up here.
async fn follow(core: &Core, asked: &mut Task, to: Target) -> bool {
    if core.gate.is_asked_for(to.host_header()) {
        // What comes of it is known to whoever connects.
        let _: Result<_, Fault> = lookup(core, to.host(), to.port(), asked.job_at_ms()).await;
    }
    asked.redirect(to);
    asked.story_mut().num_redirects <= limits::ROBOTS_REDIRECTS_MAX
}

/// What a failure to get robots.txt says.
fn judge(fault: Fault) -> Result<Rules, Fault> {
    match (&fault.cause, fault.stage) {
        // Section 2.3.1.3: it is not there, so everything is permitted. 429 does not say that: it
        // may be there, and what it disallows would be asked for (Google's reading, too).
        (Cause::Status(400..=428 | 430..=499), _) => Ok(Rules::default()),
        (Cause::Redirects { .. } | Cause::Location | Cause::Downgrade, _) => Ok(Rules::default()),
        // The URL itself would fail of it just so.
        (_, Stage::Input | Stage::Resolve | Stage::Connect | Stage::Tls) => Err(fault),
        (cause, _) if is_of_this_job(cause) => Err(fault),
        // Section 2.3.1.4: nothing is permitted.
        (_, Stage::Send | Stage::Head | Stage::Body | Stage::Write) => {
            Err(Fault::new(Stage::Head, Cause::RobotsUnreachable).with_detail(&fault))
        }
    }
}

/// Whether a failure says nothing of the origin.
fn is_of_this_job(cause: &Cause) -> bool {
    matches!(cause, Cause::Resources(_) | Cause::Interrupted | Cause::JobTimeout | Cause::Panic)
}

/// A failure to get robots.txt is that of all new jobs of the origin for so long, in milliseconds:
/// with each of them asking, one behind the other, a dead origin would take hours.
const FAILED_KEPT_MS: u64 = 5_000;
/// Those that are tried again ask anew, but for those that waited for this answer.
const FAILED_AGAIN_MS: u64 = 200;
/// Memory for an origin beside its name and rules, in bytes, about.
const ENTRY_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_many_origins_is_bounded() {
        let robots = Robots::new("ringpull");
        let origin = |n: usize| format!("https://{n}.example");
        assert!(matches!(robots.find("http://asked", 1, 0), Found::Ask));
        let fault = Fault::new(Stage::Connect, Cause::Refused).with_detail("9".repeat(200));
        let count = 4 * limits::ROBOTS_CACHE_BYTES_MAX / (200 + ENTRY_BYTES);
        for n in 0..count {
            robots.keep(&origin(n), State::Failed(fault.clone(), 0));
            robots.keep(&origin(n), State::Failed(fault.clone(), 1));
        }
        assert!(matches!(robots.find("http://asked", 1, 0), Found::Wait));
        assert!(matches!(robots.find(&origin(count - 1), 1, 2), Found::Failed(_)));
        let known = robots.known();
        let taken: usize = known.origins.iter().map(|(origin, state)| bytes(origin, state)).sum();
        assert_eq!(known.bytes, taken);
        assert!(taken <= limits::ROBOTS_CACHE_BYTES_MAX && known.origins.len() < count);
    }
}
