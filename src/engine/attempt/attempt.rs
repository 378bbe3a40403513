//! One attempt of one job: its name is looked at, robots.txt is asked for where that is to be, and
//! then the file.

use crate::engine::attempt::ahead::Following;
use crate::engine::attempt::exchange::{Answered, Start, exchange};
use crate::engine::attempt::fetch::{Fetch, History, planned_name};
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::long::{Todo, finish};
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::receiver::{FileReceiver, Receiver};
use crate::engine::attempt::request::Request;
use crate::engine::attempt::robots::permit;
use crate::engine::attempt::team::{Enlist, Team};
use crate::engine::output::destination::Output;
use crate::engine::output::versions::Held;
use crate::engine::say::say;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, DiskProblem, Fault, Stage};
use crate::http::request::Conditions;
use crate::plan::job::Job;
use crate::ring::conn::Connection;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What an attempt is given.
pub(crate) struct Given<'g> {
    /// A connection to the origin of the job that was idle.
    pub(crate) pooled: Option<Connection>,
    /// The time in milliseconds of the run.
    pub(crate) now_ms: u64,
    /// Jobs whose requests may go out with its own.
    pub(crate) following: &'g Following,
    /// Is told of the first byte of an answer, where others wait for it.
    pub(crate) first_byte: Option<&'g dyn Fn()>,
    /// Seeks helpers for a long body.
    pub(crate) enlist: Enlist<'g>,
}

/// Makes the attempt that `fetch` has begun. Also gives the connection that can serve another
/// request.
pub(crate) async fn attempt(
    kit: &Kit,
    output: &Output,
    fetch: &mut Fetch,
    given: Given<'_>,
) -> Answered {
    let Given { pooled, now_ms, .. } = given;
    let job_at_ms = fetch.job_at_ms();
    let is_helper = fetch.helps().is_some();
    if !is_helper && let Err(obstacle) = output.check(&kit.dir, fetch.name(), fetch.job.index) {
        return (obstacle.into(), pooled);
    }
    if job_at_ms <= now_ms {
        return (Fault::new(Stage::Connect, Cause::JobTimeout).into(), pooled);
    }
    let is_stream = match open_stream(kit, output, job_at_ms).await {
        Ok(is_stream) => is_stream,
        Err(fault) => return (fault.into(), pooled),
    };
    let pooled = match permit(kit, fetch, pooled).await {
        Ok(pooled) => pooled,
        Err(refused) => return refused,
    };
    let has_waited = match take_up(kit, output, fetch).await {
        Ok(has_waited) => has_waited,
        Err(fault) => return (fault.into(), pooled),
    };
    fetch.tell_way();
    // Either may have waited.
    let has_waited = has_waited || is_stream || kit.obeys_robots;
    let now_ms = if has_waited { kit.now_ms() } else { now_ms };
    fill(kit, output, fetch, Given { pooled, now_ms, ..given }).await
}

/// Asks for the file of a job, or for what is missing of it, until there is nothing more to do.
async fn fill(kit: &Kit, output: &Output, fetch: &mut Fetch, mut given: Given<'_>) -> Answered {
    // What is moved out of an argument takes its place twice.
    let pooled = &mut given.pooled;
    let (mut now_ms, following) = (given.now_ms, given.following);
    let (first_byte, enlist) = (given.first_byte, given.enlist);
    let is_helper = fetch.helps().is_some();
    let held = held(kit, output, fetch);
    let Fetch { job, name, history, .. } = fetch;
    let (job_at_ms, history) = (history.whole_job_at_ms(), &mut **history);
    let History { hops, trace, file_name, wrong_digest, failed_ip, began, flow, .. } = history;
    let (team, told, mirroring) = (&mut history.team, &mut history.told, &mut history.mirroring);
    let target = hops.target(&job.target);
    let transfer = kit.transfers.begin(job.index, target, *began);
    trace.transfer = transfer.index();
    let planned = planned_name(job, name.as_deref());
    let mut receiver = Receiver::File(FileReceiver {
        output,
        job,
        planned,
        name: file_name,
        wrong: wrong_digest,
        team,
        flow,
        told,
        is_helper,
        mirroring,
        has_own_range: kit.requests.has_own_range(fields(job)),
        hops,
        began: *began,
        job_at_ms,
        enlist,
        wanted: None,
        is_conditional: false,
    });
    let mut bytes = kit.request_memory();
    let mut buf = kit.first_buffer();
    let mut answered = loop {
        let file = receiver.file();
        match file.todo(kit) {
            Todo::Ask(claim) => file.want(claim),
            Todo::Probe => file.want_proof(),
            Todo::Finish => break (Box::pin(finish(kit, file)).await, pooled.take()),
            Todo::Nothing => break (Outcome::Left, pooled.take()),
        }
        let terms = file.terms();
        let cut = file.cut();
        let conditions = file.conditions(terms.as_deref(), held.as_ref());
        let asked = (conditions, cut.as_ref(), file.mirroring.ends_ms(job_at_ms));
        let request = Request { first_byte, failed_ip: *failed_ip, ..request(file, asked) };
        *pooled = file.fit(pooled.take());
        let memory = (&mut bytes, &mut buf);
        let start = Start { pooled: &mut *pooled, now_ms, following, memory };
        match exchange(kit, &request, trace, &mut receiver, start).await {
            Ok((Came::Range, connection)) => {
                // What came behind it for others goes with its buffer.
                let connection = connection.filter(|connection| !connection.has_ahead());
                (*pooled, now_ms) = (connection, kit.now_ms());
                trace.begin_next();
                kit.buffers.give(std::mem::replace(&mut buf, kit.first_buffer()));
            }
            Ok((Came::Over(outcome), connection)) => break (outcome, connection),
            Err(outcome) => break (outcome, None),
        }
    };
    receiver.file().settle();
    match &mut answered.1 {
        Some(connection) if connection.has_ahead() => connection.keep_rest(buf),
        Some(_) | None => kit.buffers.give(buf),
    }
    kit.keep_request_memory(bytes);
    answered
}

/// The fields that the input line has for its requests.
fn fields(job: &Job) -> &[(String, String)] {
    job.options.as_ref().map_or(&[], |options| options.headers.as_slice())
}

/// What is asked for the body of a job: under which conditions, until what tells that nobody wants
/// it, and when it is over in any case.
fn request<'q>(
    file: &FileReceiver<'q>,
    (conditions, cut, job_at_ms): (Conditions<'q>, Option<&'q Arc<AtomicBool>>, u64),
) -> Request<'q> {
    let (hops, first) = (file.hops, &file.job.target);
    Request {
        target: hops.target(first),
        login: hops.home(first),
        fields: fields(file.job),
        secrets: hops.secrets(first),
        num_redirects: hops.num_redirects,
        failed_ip: None,
        job_at_ms,
        cut,
        first_byte: None,
        conditions,
    }
}

/// The version of the file that is there, where another one alone is wanted.
fn held(kit: &Kit, output: &Output, fetch: &Fetch) -> Option<Held> {
    let History { team, told, .. } = &*fetch.history;
    // What another program left unfinished is no version of anything.
    let is_whole = told.resume.is_none()
        && team.as_ref().is_none_or(|team| !team.partial.is_adopted())
        && fetch.helps().is_none();
    if is_whole { output.held(&kit.dir, fetch.planned_name(), &fetch.job) } else { None }
}

/// Looks what an earlier run left of the body, before the first request. Says whether that had to
/// be waited for.
async fn take_up(kit: &Kit, output: &Output, fetch: &mut Fetch) -> Result<bool, Fault> {
    let has_begun = fetch.history.team.is_some() || fetch.history.told.resume.is_some();
    if has_begun || !output.may_be_taken_up(&kit.dir, fetch.planned_name()) {
        return Ok(false);
    }
    let find = |now_ms| output.find_partial(&kit.dir, fetch.planned_name(), &fetch.job, now_ms);
    let began_ms = kit.now_ms();
    let (mut found, mut now_ms) = (find(began_ms), began_ms);
    // The kernel holds the locks of a run that was killed for as long as it takes its rings apart.
    while is_locked(&found) && now_ms < began_ms.saturating_add(LOCK_PATIENCE_MS) {
        let bounds = kit.bounds(fetch.job_at_ms());
        let waited = bounds.until(bounds.io.sleep(LOCK_LOOK)).await;
        waited.map_err(|cause| Fault::new(Stage::Write, cause))?;
        now_ms = kit.now_ms();
        found = find(now_ms);
    }
    if let Some(partial) = found? {
        let team = Team::new(partial, &fetch.job, &fetch.history.hops);
        output.bodies.watch(&team.partial);
        fetch.history.team = Some(team);
    }
    Ok(now_ms > began_ms)
}

fn is_locked<T>(found: &Result<T, Fault>) -> bool {
    found.as_ref().is_err_and(|fault| fault.cause == Cause::Disk(DiskProblem::Locked))
}

/// Opens the stream of the run, where its body goes to no file. Says whether that is so.
async fn open_stream(kit: &Kit, output: &Output, job_at_ms: u64) -> Result<bool, Fault> {
    let tell = |name: &str| {
        if kit.tells_waits {
            say(&format!("waiting for somebody to read the FIFO {name}"));
        }
    };
    let may_begin = || kit.common.stop.get() == Stop::Running;
    output.open_stream(kit.bounds(job_at_ms), may_begin, tell).await
}

/// Time for which a file that somebody has locked is waited for, in milliseconds.
const LOCK_PATIENCE_MS: u64 = 2_000;
/// Time between two looks at such a lock.
const LOCK_LOOK: Duration = Duration::from_millis(5);
