//! One attempt of one job: its name is looked at, robots.txt is asked for where that is to be, and
//! then the file.

use crate::engine::attempt::exchange::{Answered, Start, exchange};
use crate::engine::attempt::fetch::{Fetch, History, planned_name};
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::receiver::{FileReceiver, Receiver};
use crate::engine::attempt::request::Request;
use crate::engine::attempt::robots::permit;
use crate::engine::output::destination::Output;
use crate::engine::output::versions::Held;
use crate::engine::say::say;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::http::request::Conditions;
use crate::ring::conn::Connection;

/// What an attempt is given.
pub(crate) struct Given<'g> {
    /// A connection to the origin of the job that was idle.
    pub(crate) pooled: Option<Connection>,
    /// The time in milliseconds of the run.
    pub(crate) now_ms: u64,
    /// Is told of the first byte of an answer, where others wait for it.
    pub(crate) first_byte: Option<&'g dyn Fn()>,
}

/// Makes the attempt that `fetch` has begun. Also gives the connection that can serve another
/// request.
pub(crate) async fn attempt(
    kit: &Kit,
    output: &Output,
    fetch: &mut Fetch,
    given: Given<'_>,
) -> Answered {
    let Given { pooled, now_ms, first_byte } = given;
    let job_at_ms = fetch.job_at_ms();
    if let Err(obstacle) = output.check(&kit.dir, fetch.name(), fetch.job.index) {
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
    // Either may have waited.
    let has_waited = is_stream || kit.obeys_robots;
    let now_ms = if has_waited { kit.now_ms() } else { now_ms };
    let Fetch { job, name, history, .. } = fetch;
    let History { hops, trace, file_name, wrong_digest, failed_ip, began, .. } = &mut **history;
    let target = hops.target(&job.target);
    let transfer = kit.transfers.begin(job.index, target, *began);
    trace.transfer = transfer.index();
    let planned = planned_name(job, name.as_deref());
    let held = output.held(&kit.dir, planned, job);
    let conditions = held.as_ref().map(Held::conditions).unwrap_or_default();
    let request = Request {
        target,
        login: &job.target,
        fields: job.options.as_ref().map_or(&[], |options| options.headers.as_slice()),
        secrets: hops.secrets(&job.target),
        conditions,
        num_redirects: hops.num_redirects,
        failed_ip: *failed_ip,
        job_at_ms,
        first_byte,
    };
    let is_conditional = conditions != Conditions::default();
    let (name, wrong) = (file_name, wrong_digest);
    let file = FileReceiver { output, job, planned, name, wrong, is_conditional };
    let mut receiver = Receiver::File(file);
    let mut bytes = kit.request_memory();
    let mut buf = kit.buffers.take(kit.first_size());
    let start = Start { pooled, now_ms, memory: (&mut bytes, &mut buf) };
    let result = exchange(kit, &request, trace, &mut receiver, start).await;
    kit.buffers.give(buf);
    kit.keep_request_memory(bytes);
    match result {
        Ok(answered) => answered,
        Err(outcome) => (outcome, None),
    }
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
