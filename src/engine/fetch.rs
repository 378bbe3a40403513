//! One attempt of one job: a connection, a request, a response, a file.

use super::core::Core;
use super::sink::Sink;
use super::task::{Story, Task};
use crate::config::{FileOps, OnConflict};
use crate::fault::{Cause, DiskProblem, Fault, InputProblem, Stage};
use crate::http::exchange::Eof;
use crate::http::head::{Framing, Location};
use crate::http::request::{Get, Secrets};
use crate::http::{Exchange, Head, RetryAfter, Reuse, Step};
use crate::limits::RECV_BUFFER_BYTES;
use crate::plan::target::{Scheme, Target};
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::{Connection, ROOM_MIN_BYTES, Received, Want};
use crate::ring::deadline::Rule;
use crate::ring::file::{Expected, Naming};
use crate::ring::tcp::Socket;
use crate::ring::tls::Failure;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What an attempt came to.
pub(super) enum Outcome {
    /// The whole body is where it belongs; the name where it is not the one planned.
    Done(Option<String>),
    /// The file was there.
    Skipped,
    /// The job goes on there.
    Redirect(Target),
    /// It failed, and what the server said about trying again.
    Failed(Fault, Option<RetryAfter>),
}

impl From<Fault> for Outcome {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault, None)
    }
}

/// Makes one attempt, on the pooled connection if one was granted. Also gives the connection that
/// can serve another request.
pub(super) async fn attempt(
    core: &Core,
    task: &mut Task,
    pooled: Option<Connection>,
) -> (Outcome, Option<Connection>) {
    let timeouts = &core.shared.config.timeouts;
    let now_ms = core.shared.now_ms();
    task.begin(now_ms, timeouts.job_ms);
    if let Some(outcome) = check_name(core, task) {
        return (outcome, pooled);
    }
    if task.job_at_ms() <= now_ms {
        return (Fault::new(Stage::Connect, Cause::JobTimeout).into(), pooled);
    }
    let mut request = core.request_memory();
    let mut buf = core.buffers.take(Size::Small);
    let result = exchange(core, task, pooled, &mut request, &mut buf).await;
    core.buffers.give(buf);
    core.keep_request_memory(request);
    match result {
        Ok((outcome, connection)) => (outcome, connection),
        Err(fault) => {
            if matches!(fault.cause, Cause::Resources(_)) {
                // Idle connections are the first thing to do without.
                core.close_idle(0);
            }
            (fault.into(), None)
        }
    }
}

/// Whether the final name stands in the way, before anything is asked for.
fn check_name(core: &Core, task: &Task) -> Option<Outcome> {
    let policy = core.shared.config.on_conflict;
    if policy == OnConflict::Overwrite || &*task.name == "-" {
        return None;
    }
    let is_there = match core.dir.parent(&task.name) {
        Ok((dir, name)) => dir.has(name),
        Err(cause) => return Some(Fault::new(Stage::Write, cause).into()),
    };
    match policy {
        OnConflict::Skip if is_there => Some(Outcome::Skipped),
        OnConflict::Error if is_there => {
            Some(Fault::new(Stage::Write, Cause::Disk(DiskProblem::Exists)).into())
        }
        OnConflict::Overwrite | OnConflict::Skip | OnConflict::Error | OnConflict::Rename => None,
    }
}

/// Request and response, on the pooled connection if it still works, else on a new one.
async fn exchange(
    core: &Core,
    task: &mut Task,
    mut pooled: Option<Connection>,
    request: &mut Vec<u8>,
    buf: &mut RecvBuf,
) -> Result<(Outcome, Option<Connection>), Fault> {
    loop {
        let (mut connection, is_reused) = match pooled.take() {
            Some(connection) => (connection, true),
            None => (open(core, task).await?, false),
        };
        encode(core, task, request)?;
        arm_head(core, task, &connection);
        let story = task.story.as_mut().expect("an attempt has begun");
        story.last.remote_ip = Some(connection.peer());
        story.last.is_tls_resumed = connection.is_tls_resumed();
        let (sent, memory, received) = connection.request(std::mem::take(request), buf).await;
        *request = memory;
        let is_stale = match (&sent, &received) {
            (Err((Cause::Reset, _)), _) | (_, Err((Cause::Reset, _))) => true,
            (Ok(()), Ok(Received::End | Received::Cut)) => true,
            (Err(_), _) | (_, Err(_) | Ok(Received::Bytes)) => false,
        };
        if is_reused && is_stale && buf.unread_len() == 0 {
            // The server closed it while it was idle. Nothing was answered, so GET may go again
            // (RFC 9110 section 9.2.2), and it costs the job no attempt.
            continue;
        }
        sent.map_err(|failure| fault(Stage::Send, failure))?;
        let received = received.map_err(|failure| fault(Stage::Head, failure))?;
        story.last.times.starttransfer = story.last.began.elapsed();
        return respond(core, task, connection, buf, received).await;
    }
}

/// A new connection: name, TCP, TLS.
async fn open(core: &Core, task: &mut Task) -> Result<Connection, Fault> {
    let target = task.target().clone();
    let (host, port) = (target.host(), target.port());
    let job_at_ms = task.job_at_ms();
    let left = Duration::from_millis(job_at_ms.saturating_sub(core.shared.now_ms()));
    let addresses = tokio::select! {
        answer = core.dns.lookup(host, port) => answer,
        () = core.interrupted() => Err((Cause::Interrupted, None)),
        () = tokio::time::sleep(left) => Err((Cause::JobTimeout, None)),
    }
    .map_err(|failure| fault(Stage::Resolve, failure))?;
    let story = task.story.as_mut().expect("an attempt has begun");
    story.last.times.namelookup = story.last.began.elapsed();
    let socket = connect(core, story, &addresses, port).await?;
    story.last.times.connect = story.last.began.elapsed();
    if target.scheme() == Scheme::Http {
        return Ok(Connection::plain(socket));
    }
    let tls_at_ms = core.shared.now_ms() + core.shared.config.timeouts.connect_ms;
    socket.arm(Rule::Total, tls_at_ms, job_at_ms);
    let connection = Connection::secure(socket, &core.tls, host, &core.buffers).await;
    story.last.times.appconnect = story.last.began.elapsed();
    connection.map_err(|failure| fault(Stage::Tls, failure))
}

/// A connected socket to one of the addresses, within one deadline for all of them.
async fn connect(
    core: &Core,
    story: &mut Story,
    addresses: &[IpAddr],
    port: u16,
) -> Result<Socket, Fault> {
    let at_ms = core.shared.now_ms() + core.shared.config.timeouts.connect_ms;
    let mut failed = Fault::new(Stage::Connect, Cause::Unreachable);
    for (index, address) in addresses.iter().enumerate() {
        let left_ms = at_ms.saturating_sub(core.shared.now_ms()).max(1);
        // An address that hangs must leave time for the others.
        let is_last = index + 1 == addresses.len();
        let timeout_ms = if is_last { left_ms } else { left_ms.div_ceil(2) };
        story.num_connects += 1;
        story.last.remote_ip = Some(*address);
        let address = SocketAddr::new(*address, port);
        match Socket::connect(address, timeout_ms, story.job_at_ms, &core.deadlines).await {
            Ok(socket) => return Ok(socket),
            Err(cause @ (Cause::Interrupted | Cause::JobTimeout | Cause::Resources(_))) => {
                return Err(Fault::new(Stage::Connect, cause));
            }
            Err(cause) => failed = Fault::new(Stage::Connect, cause).with_detail(address),
        }
    }
    Err(failed)
}

/// The bytes of the request for the task's current target.
fn encode(core: &Core, task: &Task, request: &mut Vec<u8>) -> Result<(), Fault> {
    let target = task.target();
    let is_home = target.same_origin(&task.job.target);
    let authorization = core.authorization(task);
    let get = Get {
        host: target.host_header(),
        target: target.request_target(),
        authorization: authorization.as_deref(),
        secrets: if is_home { Secrets::Send } else { Secrets::Withhold },
    };
    request.clear();
    let own = core.template_of(task);
    let template = own.as_ref().unwrap_or(&core.template);
    template.encode(&get, request).map_err(|problem| Fault::input(InputProblem::Url, problem))
}

fn arm_head(core: &Core, task: &Task, connection: &Connection) {
    let at_ms = core.shared.now_ms().saturating_add(core.shared.config.timeouts.read_ms);
    connection.arm(Rule::Total, at_ms, task.job_at_ms());
}

fn arm_body(core: &Core, task: &Task, connection: &Connection, until_ms: Option<u64>) {
    let read_ms = core.shared.config.timeouts.read_ms;
    let (rule, at_ms) = match until_ms {
        Some(at_ms) => (Rule::Total, at_ms),
        None => (Rule::Idle(read_ms), core.shared.now_ms().saturating_add(read_ms)),
    };
    connection.arm(rule, at_ms, task.job_at_ms());
}

/// The response, after its first bytes.
async fn respond(
    core: &Core,
    task: &mut Task,
    mut connection: Connection,
    buf: &mut RecvBuf,
    mut received: Received,
) -> Result<(Outcome, Option<Connection>), Fault> {
    let mut exchange = Exchange::new();
    let head = loop {
        if received != Received::Bytes {
            return Err(ended_early(&mut exchange, buf, task));
        }
        match step(&mut exchange, buf, Stage::Head)? {
            Step::Head { used, head } => {
                buf.skip(used);
                break head;
            }
            Step::NeedInput => {}
            Step::Body { .. } | Step::End { .. } => unreachable!("a head comes before its body"),
        }
        if buf.free_len() < ROOM_MIN_BYTES {
            enlarge(core, buf);
        }
        received = connection
            .receive(buf, Want::Any)
            .await
            .map_err(|failure| fault(Stage::Head, failure))?;
    };
    let (verdict, framing, reuse) = (judge(core, task, &head), head.framing, head.reuse);
    let story = task.story.as_mut().expect("an attempt has begun");
    story.last.head = Some(head);
    if let Err(outcome) = verdict {
        let kept = match reuse {
            Reuse::Keep => drain(core, task, connection, buf, exchange, framing).await,
            Reuse::Close(_) => None,
        };
        return Ok((outcome, kept));
    }
    let mut sink = sink(core, task, framing).map_err(|cause| Fault::new(Stage::Write, cause))?;
    let body = receive_body(core, task, &mut connection, buf, &mut exchange, &mut sink, None);
    let reuse = body.await?;
    connection.disarm();
    let renamed =
        name_file(core, task, sink, buf).await.map_err(|cause| Fault::new(Stage::Write, cause))?;
    let is_kept = reuse == Reuse::Keep && connection.is_reusable();
    Ok((Outcome::Done(renamed), is_kept.then_some(connection)))
}

/// Whether the body of this response is the file that was asked for; if not, what it is.
fn judge(core: &Core, task: &Task, head: &Head) -> Result<(), Outcome> {
    let failed = |cause| Outcome::Failed(Fault::new(Stage::Head, cause), head.retry_after);
    match head.status {
        // A part of something is no answer to a request for the whole (RFC 9110 section 15.3.7).
        206 => Err(failed(Cause::Status(206))),
        200..=299 => Ok(()),
        301 | 302 | 303 | 307 | 308 => Err(redirect(core, task, head).unwrap_or_else(failed)),
        status => Err(failed(Cause::Status(status))),
    }
}

/// Where a redirect leads (RFC 9110 section 15.4).
fn redirect(core: &Core, task: &Task, head: &Head) -> Result<Outcome, Cause> {
    let config = &core.shared.config;
    let Location::One(location) = &head.location else { return Err(Cause::Location) };
    let from = task.target();
    let to = from.join(location).map_err(|_| Cause::Location)?;
    if from.is_downgrade(&to) && !config.allow_downgrade {
        return Err(Cause::Downgrade);
    }
    let followed = task.story.as_ref().map_or(0, |story| story.num_redirects);
    if followed >= config.redirects_max {
        return Err(Cause::Redirects { limit: config.redirects_max });
    }
    Ok(Outcome::Redirect(to))
}

/// Reads the body of a response that is no file, if it is short, so that the connection is kept.
async fn drain(
    core: &Core,
    task: &mut Task,
    mut connection: Connection,
    buf: &mut RecvBuf,
    mut exchange: Exchange,
    framing: Framing,
) -> Option<Connection> {
    let is_short = match framing {
        Framing::Empty | Framing::Chunked => true,
        Framing::Length(length) => length <= DRAIN_BYTES_MAX as u64,
        Framing::Close => false,
    };
    if !is_short {
        return None;
    }
    let mut sink = Sink::Nowhere(DRAIN_BYTES_MAX);
    let at_ms = core.shared.now_ms() + DRAIN_MS_MAX;
    let body =
        receive_body(core, task, &mut connection, buf, &mut exchange, &mut sink, Some(at_ms)).await;
    (body == Ok(Reuse::Keep) && connection.is_reusable()).then_some(connection)
}

fn sink(core: &Core, task: &Task, framing: Framing) -> Result<Sink, Cause> {
    if &*task.name == "-" {
        return Ok(Sink::Stdout);
    }
    let expected = match framing {
        // A chain renames, so it needs a name to rename from.
        _ if core.shared.config.file_ops == FileOps::Chain => Expected::Long,
        Framing::Empty => Expected::Short,
        Framing::Length(length) if length <= RECV_BUFFER_BYTES as u64 => Expected::Short,
        Framing::Length(_) | Framing::Chunked | Framing::Close => Expected::Long,
    };
    let (dir, _) = core.dir.parent(&task.name)?;
    Ok(Sink::File(Box::new(dir.create_file(task.job.index, expected)?)))
}

/// Reads the body into the sink. What fits the buffer at the end is left there, for the sink to
/// take with its end.
async fn receive_body(
    core: &Core,
    task: &mut Task,
    connection: &mut Connection,
    buf: &mut RecvBuf,
    exchange: &mut Exchange,
    sink: &mut Sink,
    until_ms: Option<u64>,
) -> Result<Reuse, Fault> {
    let ops = core.shared.config.file_ops;
    loop {
        match step(exchange, buf, Stage::Body)? {
            Step::NeedInput => {}
            Step::Body { used, span } => {
                count(task, span.len());
                buf.keep_body(used, span);
                continue;
            }
            Step::End { used, reuse } => {
                buf.skip(used);
                return Ok(reuse);
            }
            Step::Head { .. } => unreachable!("one final head a response"),
        }
        let remaining = exchange.body_remaining();
        let free = buf.free_len();
        let is_last = remaining.is_some_and(|bytes| bytes <= free as u64);
        if free < connection.room_min_bytes() || (free < ROOM_MIN_BYTES && !is_last) {
            // A slow disk is not the peer's fault.
            connection.disarm();
            sink.write(buf, ops).await.map_err(|cause| Fault::new(Stage::Write, cause))?;
            output_begun(task, sink);
            enlarge(core, buf);
        }
        arm_body(core, task, connection, until_ms);
        let want = remaining.map_or(Want::Any, Want::Exactly);
        let received = connection.receive(buf, want).await;
        match received.map_err(|failure| fault(Stage::Body, failure))? {
            Received::Bytes => {}
            Received::End => {
                let left = buf.unread_len();
                return exchange.receive_eof(left).map_err(eof_fault);
            }
            Received::Cut => return Err(ended_early(exchange, buf, task)),
        }
    }
}

/// A large buffer instead of a small one, with all room that can be made.
fn enlarge(core: &Core, buf: &mut RecvBuf) {
    buf.make_room();
    if buf.size() == Size::Small && buf.body_len() == 0 {
        let mut large = core.buffers.take(Size::Large);
        large.take_unread(buf);
        core.buffers.give(std::mem::replace(buf, large));
    }
}

fn output_begun(task: &mut Task, sink: &Sink) {
    if let (Sink::Stdout, Some(story)) = (sink, &mut task.story) {
        story.is_output_begun = true;
    }
}

fn count(task: &mut Task, bytes: usize) {
    if let Some(story) = &mut task.story {
        story.last.size_download += bytes as u64;
    }
}

/// Gives the file its name. Returns it where it is not the one planned.
async fn name_file(
    core: &Core,
    task: &Task,
    mut sink: Sink,
    buf: &mut RecvBuf,
) -> Result<Option<String>, Cause> {
    let config = &core.shared.config;
    let (parents, name) = task.name.rsplit_once('/').unwrap_or(("", &task.name));
    let naming = match config.on_conflict {
        OnConflict::Overwrite => Naming::Replace,
        OnConflict::Skip | OnConflict::Error | OnConflict::Rename => Naming::Fresh,
    };
    let mut finished = sink.finish(buf, name, naming, config.file_ops).await;
    if config.on_conflict != OnConflict::Rename {
        return finished.map(|()| None);
    }
    let mut renamed = None;
    for number in 1..=RENAMES_MAX {
        if finished != Err(Cause::Disk(DiskProblem::Exists)) {
            break;
        }
        let next = crate::plan::name::numbered(name, number);
        finished = sink.finish(buf, &next, naming, config.file_ops).await;
        renamed = Some(if parents.is_empty() { next } else { format!("{parents}/{next}") });
    }
    finished.map(|()| renamed)
}

fn step(exchange: &mut Exchange, buf: &mut RecvBuf, stage: Stage) -> Result<Step, Fault> {
    exchange.receive(buf.unread()).map_err(|error| Fault::new(stage, Cause::Protocol(error)))
}

/// The connection ended where it must not: not even an end that closes a body, since it may be a
/// cut.
fn ended_early(exchange: &mut Exchange, buf: &RecvBuf, task: &Task) -> Fault {
    match exchange.receive_eof(buf.unread_len()) {
        Err(eof) => eof_fault(eof),
        Ok(_) => {
            let got = task.story.as_ref().map_or(0, |story| story.last.size_download);
            Fault::new(Stage::Body, Cause::Truncated { got, want: None })
                .with_detail("the TLS connection ended without close_notify")
        }
    }
}

fn eof_fault(eof: Eof) -> Fault {
    match eof {
        Eof::BeforeHead => Fault::new(Stage::Head, Cause::Closed),
        Eof::InHead => Fault::new(Stage::Head, Cause::Truncated { got: 0, want: None }),
        Eof::InBody { got, want } => Fault::new(Stage::Body, Cause::Truncated { got, want }),
    }
}

fn fault(stage: Stage, (cause, detail): Failure) -> Fault {
    Fault { stage, cause, detail }
}

/// Longest body of a redirect or failure that is read to keep its connection, in bytes.
const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// Longest time that is spent on it, in milliseconds.
const DRAIN_MS_MAX: u64 = 1_000;

/// Names tried with `--on-conflict rename`.
const RENAMES_MAX: u64 = 100_000;
