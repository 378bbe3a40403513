//! One attempt of one job: a connection, a request, a response, a file.

use crate::config::ProgressMode;
use crate::engine::attempt::open::open;
use crate::engine::attempt::pace::Pace;
use crate::engine::attempt::response::{Ended, Response};
use crate::engine::attempt::robots;
use crate::engine::attempt::task::Task;
use crate::engine::core::desk::{Core, Granting};
use crate::engine::moment::Moment;
use crate::engine::output::assembly::Coming;
use crate::engine::output::body::Body;
use crate::engine::output::stored::{Location, Obstacle, Stored};
use crate::engine::say::say;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Failure, Fault, InputProblem, Stage};
use crate::http::coding;
use crate::http::head;
use crate::http::request::{Forward, Get, Secrets};
use crate::http::{Head, RetryAfter, Reuse};
use crate::limits::ROBOTS_TXT_BYTES_MAX;
use crate::plan::proxy::Route;
use crate::plan::schedule::Sign;
use crate::plan::target::Target;
use crate::report::view::Phase;
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::{Connection, ReadHint, Received};
use crate::ring::deadline::Rule;
use std::fmt;
use std::time::Instant;

/// What an attempt came to.
pub(crate) enum Outcome {
    /// The whole body is where it belongs.
    Done(Stored),
    /// The file was there.
    Skipped,
    /// The site asks robots to leave it alone, in the way that the fault says.
    Refused(Fault),
    /// Another job asks for the robots.txt of its origin.
    Waiting,
    /// The job goes on there.
    Redirect(Target),
    /// The addresses of its host are not known any more: nothing was sent to anybody.
    Unresolved,
    /// It failed, and what the server said about trying again.
    Failed(Fault, Option<RetryAfter>),
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault, None)
    }
}

impl From<Obstacle> for Outcome {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Kept => Self::Skipped,
            Obstacle::Fault(fault) => fault.into(),
        }
    }
}

/// What a response is for.
pub(crate) enum Purpose {
    /// The file of the task.
    File,
    /// A short text that is kept here.
    Text(Vec<u8>),
}

impl Purpose {
    /// The text, if it is for one.
    pub(crate) fn into_text(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text,
            Self::File => Vec::new(),
        }
    }
}

/// Makes one attempt, on the pooled connection if one was granted. Also gives the connection that
/// can serve another request.
pub(crate) async fn attempt(
    core: &Core,
    task: &mut Task,
    pooled: Option<Connection>,
    granted: Option<Granting>,
    now: Moment,
) -> (Outcome, Option<Connection>) {
    let config = &core.shared.config;
    let paused_ms = core.shared.full_disk.paused_ms(now.ms);
    let probe = granted.filter(|granted| granted.is_probe);
    let boxed = |story| core.boxed(story);
    task.begin(now, config.timeouts.job_ms, paused_ms, boxed).last.probe = probe;
    let output = &core.shared.output;
    if let Err(obstacle) = output.check(&core.dir, task.name(), task.job.index) {
        return (obstacle.into(), pooled);
    }
    if task.job_at_ms() <= now.ms {
        return (Fault::new(Stage::Connect, Cause::JobTimeout).into(), pooled);
    }
    let is_stream = match open_stream(core, task.job_at_ms()).await {
        Ok(is_stream) => is_stream,
        Err(fault) => return (fault.into(), pooled),
    };
    let pooled = match robots::permit(core, task, pooled).await {
        Ok(pooled) => pooled,
        Err(refused) => return refused,
    };
    // Either may have waited.
    let has_waited = is_stream || config.robots.is_obeyed;
    let now_ms = if has_waited { core.shared.now_ms() } else { now.ms };
    let began = task.story_mut().began;
    let transfer = core.transfers.begin(task.job.index, task.target(), began);
    task.story_mut().last.transfer = transfer.index();
    let mut request = core.request_memory();
    let mut buf = core.buffers.take(core.first_size());
    let memory = (&mut request, &mut buf);
    let result = exchange(core, task, pooled, now_ms, memory, &mut Purpose::File).await;
    core.buffers.give(buf);
    core.keep_request_memory(request);
    match result {
        Ok((outcome, connection)) => (outcome, connection),
        Err(outcome) => (outcome, None),
    }
}

/// Opens the stream of the run, where its body goes to no file. Says whether that is so.
async fn open_stream(core: &Core, job_at_ms: u64) -> Result<bool, Fault> {
    let shared = &core.shared;
    let is_told = !shared.config.summary || shared.config.progress == ProgressMode::Json;
    let tell = |name: &str| {
        if !is_told {
            say(&format!("waiting for somebody to read the FIFO {name}"));
        }
    };
    let may_begin = || shared.stop.get() == Stop::Running;
    shared.output.open_stream(core.bounds(job_at_ms), may_begin, tell).await
}

/// Request and response, on the pooled connection if it still works, else on a new one. It is
/// `now_ms` of the run.
pub(crate) async fn exchange(
    core: &Core,
    task: &mut Task,
    mut pooled: Option<Connection>,
    mut now_ms: u64,
    (request, buf): (&mut Vec<u8>, &mut RecvBuf),
    purpose: &mut Purpose,
) -> Result<(Outcome, Option<Connection>), Outcome> {
    let route = core.proxies.choose(task.target());
    let paces = core.shared.paces.as_ref();
    let mut pace = paces.map(|paces| paces.attempt(task.target().host_header()));
    let mut is_garbled = false;
    loop {
        let has_waited = pooled.is_none() || pace.is_some();
        let (mut connection, want) = connect(core, task, route, pooled.take(), &mut pace).await?;
        if has_waited {
            now_ms = core.shared.now_ms();
        }
        let is_reused = connection.is_reused();
        encode(core, task, route, request)?;
        arm_head(core, task, &connection, now_ms);
        let story = task.story_mut();
        core.transfers.enter(story.last.transfer, Phase::Head);
        story.last.remote_ip = Some(connection.peer());
        story.last.is_tls_resumed = connection.is_tls_resumed();
        if buf.free_len() < connection.room_min_bytes() {
            core.buffers.grow(buf, Size::Small);
        }
        let asking = connection.request(std::mem::take(request), buf, want);
        let (sent, memory, received) = asking.await;
        *request = memory;
        let is_stale = match (&sent, &received) {
            (Err(Failure { cause: Cause::Reset, .. }), _)
            | (_, Err(Failure { cause: Cause::Reset, .. })) => true,
            (Ok(()), Ok(Received::End | Received::Cut)) => true,
            (Err(_), _) | (_, Err(_) | Ok(Received::Bytes)) => false,
        };
        if is_reused && is_stale && (buf.unread_len() == 0 || sent.is_err()) {
            // The server closed it while it was idle. Nothing was answered, so GET may go again
            // (RFC 9110 section 9.2.2), and it costs the job no attempt.
            renew(core, buf);
            continue;
        }
        match (sent, &received) {
            // A server may answer and hang up before it has read all of the request (RFC 9112
            // section 9.5).
            (Ok(()), _) | (Err(Failure { cause: Cause::Reset, .. }), Ok(Received::Bytes)) => {}
            (Err(failure), _) => return Err(fault(Stage::Send, failure).into()),
        }
        let received = received.map_err(|failure| fault(Stage::Head, failure))?;
        story.last.times.starttransfer = story.last.began.elapsed();
        if let (Some(probe), Received::Bytes) = (story.last.probe.take(), &received) {
            core.observe(probe, Sign::Answered, core.shared.now_ms());
        }
        match respond(core, task, connection, buf, (received, &mut pace), purpose).await {
            Ok(Answer::Doubtful) => {}
            // What a server sends between two responses is read as the begin of the second.
            Err(Fault { stage: Stage::Head, cause: Cause::Protocol(_), .. }) if is_reused => {
                is_garbled = true;
            }
            Ok(Answer::Ours(outcome, connection)) => {
                if is_garbled {
                    // It was not this answer that is broken.
                    core.shared.origins.keep_none_to(task.target().origin_str());
                }
                return Ok((outcome, connection));
            }
            Err(fault) => return Err(fault.into()),
        }
        // It may have been sent before the request was read. A fresh connection has no answer but
        // ours; as above, this costs the job no attempt.
        debug_assert!(is_reused, "only a kept connection is doubted");
        task.story_mut().last.forget_response();
        renew(core, buf);
    }
}

/// A connection for a request whose turn has come: the pooled one, or a new one. Also gives how
/// much to receive at first.
async fn connect(
    core: &Core,
    task: &mut Task,
    route: Route<'_>,
    mut pooled: Option<Connection>,
    pace: &mut Option<Pace>,
) -> Result<(Connection, ReadHint), Outcome> {
    let mut want = ReadHint::Any;
    let transfer = task.story_mut().last.transfer;
    if let Some(pace) = pace {
        core.transfers.enter(transfer, Phase::Turn);
        want = pace.begin(core, task.job_at_ms()).await?;
        // The wait is not the server's fault.
        task.story_mut().last.began = Instant::now();
        // A server may have said something meanwhile.
        let origin = task.target().origin_str();
        pooled = pooled.and_then(|connection| core.undisturbed(connection, origin));
    }
    core.transfers.enter(transfer, Phase::Connect);
    match pooled {
        Some(connection) => Ok((connection, want)),
        // Boxed, as what is rare is: a lane has room for all that an attempt may wait in.
        None => Ok((Box::pin(open(core, task, route)).await?, want)),
    }
}

/// A buffer without the bytes of an answer that is not ours.
fn renew(core: &Core, buf: &mut RecvBuf) {
    core.buffers.give(std::mem::replace(buf, core.buffers.take(Size::Small)));
}

/// The bytes of the request for the task's current target, for whoever reads it first.
fn encode(core: &Core, task: &Task, route: Route<'_>, request: &mut Vec<u8>) -> Result<(), Fault> {
    let target = task.target();
    let authorization = core.authorization(task);
    let get = Get {
        host: target.host_header(),
        target: target.request_target(),
        authorization: authorization.as_deref(),
        secrets: if task.is_home() { Secrets::Send } else { Secrets::Withhold },
        via: match route {
            Route::HttpForward(proxy) => {
                Some(Forward { origin: target.origin_str(), authorization: proxy.authorization() })
            }
            // The origin itself reads it, whatever the bytes pass through.
            Route::Direct | Route::Tunnel(_) | Route::Socks5(..) => None,
        },
    };
    request.clear();
    let own = core.template_of(task);
    let template = own.as_ref().unwrap_or(&core.template);
    template.encode(&get, request).map_err(|problem| Fault::input(InputProblem::Url, problem))
}

fn arm_head(core: &Core, task: &Task, connection: &Connection, now_ms: u64) {
    let at_ms = now_ms.saturating_add(core.shared.config.timeouts.read_ms);
    connection.arm(Rule::Total, at_ms, task.job_at_ms());
}

/// Whether a response is the answer to the request.
enum Answer {
    /// It is. What comes of it, and the connection if that can serve another request.
    Ours(Outcome, Option<Connection>),
    /// The server may have sent it before it read the request: it has to be asked for again.
    Doubtful,
}

/// The response, after its first bytes.
async fn respond(
    core: &Core,
    task: &mut Task,
    connection: Connection,
    buf: &mut RecvBuf,
    (received, pace): (Received, &mut Option<Pace>),
    purpose: &mut Purpose,
) -> Result<Answer, Fault> {
    let is_reused = connection.is_reused();
    let mut response = Response::new(core, task, connection, buf, pace.as_mut());
    let head = response.head(received).await?;
    if is_reused && head.status == 408 && head.reuse != Reuse::Keep {
        // What servers say to a connection that was idle for too long (RFC 9110 section 15.5.9).
        return Ok(Answer::Doubtful);
    }
    let verdict = judge(core, response.task(), &head).and_then(|()| match purpose {
        Purpose::File => robots::check_tags(core, &head)
            .and_then(|()| take_name(core, response.task_mut(), &head)),
        Purpose::Text(_) => Ok(()),
    });
    let (framing, reuse) = (head.framing, head.reuse);
    let is_coded = core.shared.config.request.compressed
        && head.content_encoding.as_deref().is_some_and(coding::is_gzip);
    response.keep_head(head);
    if let Err(outcome) = verdict {
        let Reuse::Keep = reuse else { return Ok(Answer::Ours(outcome, None)) };
        let ended = Box::pin(response.drain(framing)).await;
        return Ok(match ended.is_doubtful {
            true => Answer::Doubtful,
            false => Answer::Ours(outcome, ended.connection),
        });
    }
    if let Purpose::Text(text) = purpose {
        let body = Body::text(ROBOTS_TXT_BYTES_MAX);
        let mut body = if is_coded { body.decoding(&core.buffers) } else { body };
        let ended = response.body(&mut body).await.map(|reuse| response.ended(reuse));
        return Box::pin(take_text(body, ended, buf, text)).await;
    }
    let asked = response.task();
    let coming = Coming { job: &asked.job, path: asked.name(), framing, is_coded };
    let bounds = core.bounds(asked.job_at_ms());
    let mut body = Body::begin(&core.shared.output, coming, (&core.dir, &core.buffers), bounds)?;
    let reuse = response.body(&mut body).await?;
    let ended = response.ended(reuse);
    let is_output_begun = task.story.as_ref().is_some_and(|story| story.is_output_begun);
    if ended.is_doubtful && !is_output_begun {
        return Ok(Answer::Doubtful);
    }
    // The connection is not kept: a kept one may have brought the body of another request.
    body.conclude(buf).await?.map_err(|mismatch| task.wrong_file(&mismatch))?;
    let outcome = match body.finish(buf, task.name()).await {
        Ok(stored) => Outcome::Done(stored),
        Err(Obstacle::Kept) => Outcome::Skipped,
        Err(Obstacle::Fault(fault)) => return Err(fault),
    };
    if is_coded && let Some(head) = task.story.as_mut().and_then(|story| story.last.head.as_mut()) {
        // It is about the stored bytes.
        head.content_encoding = None;
    }
    Ok(Answer::Ours(outcome, ended.connection))
}

/// Keeps a body that is a short text: its first bytes where it is too long.
async fn take_text(
    mut body: Body<'_>,
    ended: Result<Ended, Fault>,
    buf: &mut RecvBuf,
    text: &mut Vec<u8>,
) -> Result<Answer, Fault> {
    let ended = match ended {
        Ok(ended) if ended.is_doubtful => return Ok(Answer::Doubtful),
        Ok(ended) => body.conclude(buf).await.map(|_| ended.connection),
        Err(fault) => Err(fault),
    };
    let (bytes, is_full) = body.into_text();
    *text = bytes;
    let size = text.len() as u64;
    let stored = Stored { location: Location::Planned, size, digest: None, has_replaced: false };
    match ended {
        Ok(connection) => Ok(Answer::Ours(Outcome::Done(stored), connection)),
        Err(_) if is_full => Ok(Answer::Ours(Outcome::Done(stored), None)),
        Err(fault) => Err(fault),
    }
}

/// Whether the body of this response is the file that was asked for; if not, what it is.
fn judge(core: &Core, task: &Task, head: &Head) -> Result<(), Outcome> {
    let status = || Fault::new(Stage::Head, Cause::Status(head.status));
    let fault = match head.status {
        // A part of something is no answer to a request for the whole (RFC 9110 section 15.3.7),
        // nor is it that there is no such part.
        206 | 416 => match head.content_range {
            Some(range) => {
                status().with_detail(format!("{range} although all of it was asked for"))
            }
            None => status(),
        },
        200..=299 => return Ok(()),
        301 | 302 | 303 | 307 | 308 => match redirect(core, task, head) {
            Ok(target) => return Err(Outcome::Redirect(target)),
            Err(fault) => fault,
        },
        _ => status(),
    };
    Err(Outcome::Failed(fault, head.retry_after))
}

/// Gives the file the name that the server proposes, where it may, and looks whether that stands in
/// the way.
fn take_name(core: &Core, task: &mut Task, head: &Head) -> Result<(), Outcome> {
    let output = &core.shared.output;
    if let Some(path) = output.proposal(&core.dir, &task.job, head) {
        task.propose(path, |path, index| output.names.claim(Some(&core.dir), path, index));
        output.check(&core.dir, task.name(), task.job.index)?;
    }
    Ok(())
}

/// Where a redirect leads (RFC 9110 section 15.4).
fn redirect(core: &Core, task: &Task, head: &Head) -> Result<Target, Fault> {
    let config = &core.shared.config;
    let no_location = |why: &dyn fmt::Display| {
        Fault::new(Stage::Head, Cause::Location).with_detail(format!("{} {why}", head.status))
    };
    let location = match &head.location {
        head::Location::One(location) => location,
        head::Location::Absent => return Err(no_location(&"without a Location")),
        head::Location::Ambiguous => {
            return Err(no_location(&"with several Locations that differ"));
        }
    };
    let from = task.target();
    // What it says is not repeated: it may hold a password.
    let to = from.join(location).map_err(|problem| no_location(&format!("but {problem}")))?;
    if from.is_downgrade(&to) && !config.allow_downgrade {
        return Err(Fault::new(Stage::Head, Cause::Downgrade));
    }
    let followed = task.story.as_ref().map_or(0, |story| story.num_redirects);
    if followed >= config.redirects_max {
        let limit = config.redirects_max;
        return Err(Fault::new(Stage::Head, Cause::Redirects { limit }));
    }
    Ok(to)
}

/// What a failed operation of a connection means in this stage.
pub(crate) fn fault(stage: Stage, failure: Failure) -> Fault {
    failure.at(stage)
}
