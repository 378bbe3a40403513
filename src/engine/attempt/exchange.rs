//! One request and the response to it.

use crate::engine::attempt::ahead::{Following, Turn};
use crate::engine::attempt::keep_alive::{Ended, KeepAlive};
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::open::open;
use crate::engine::attempt::outcome::{Came, Outcome};
use crate::engine::attempt::pace::Pace;
use crate::engine::attempt::receiver::Receiver;
use crate::engine::attempt::request::Request;
use crate::engine::attempt::response::Response;
use crate::engine::attempt::trace::Trace;
use crate::engine::output::body::Body;
use crate::engine::output::stored::{Location, Stored};
use crate::fault::{Cause, Failure, Fault, Stage};
use crate::http::Reuse;
use crate::http::coding;
use crate::http::head::Framing;
use crate::plan::proxy::Route;
use crate::plan::verdict::judge;
use crate::report::view::Phase;
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::{Connection, ReadHint, Received};
use crate::ring::deadline::Rule;
use std::time::Instant;

/// What an exchange begins with.
pub(crate) struct Start<'s> {
    /// A connection to the origin that was idle, to be taken.
    pub(crate) pooled: &'s mut Option<Connection>,
    /// The time in milliseconds of the run.
    pub(crate) now_ms: u64,
    /// Jobs whose requests may go out with this one.
    pub(crate) following: &'s Following,
    /// Memory for the bytes of the request, and for what is received.
    pub(crate) memory: (&'s mut Vec<u8>, &'s mut RecvBuf),
}

/// What an attempt came to, or a request of it ([`Came`]), and the connection if it can serve
/// another request.
pub(crate) type Answered<T = Outcome> = (T, Option<Connection>);

/// Sends a request, on the pooled connection if that still works, else on a new one, and hands the
/// body of the answer to `receiver`.
///
/// # Errors
///
/// What it came to, where the connection is gone.
pub(crate) async fn exchange(
    kit: &Kit,
    request: &Request<'_>,
    trace: &mut Trace,
    receiver: &mut Receiver<'_>,
    start: Start<'_>,
) -> Result<Answered<Came>, Outcome> {
    let Start { pooled, mut now_ms, following, memory: (bytes, buf) } = start;
    let route = kit.proxies.choose(request.target);
    let paces = kit.common.paces.as_ref();
    let mut pace = paces.map(|paces| paces.attempt(request.target.host_header()));
    let mut keep_alive = KeepAlive::new(&kit.common.origins, request.target.origin_str());
    let mut first_byte = request.first_byte;
    loop {
        let has_waited = pooled.is_none() || pace.is_some();
        let connecting = connect(kit, request, trace, route, pooled.take(), &mut pace);
        let (mut connection, want) = connecting.await?;
        if has_waited {
            now_ms = kit.now_ms();
        }
        keep_alive.begin(connection.is_reused());
        request.encode(&kit.requests, route, bytes)?;
        let turn = Turn::of(kit, (request, route), following, &mut connection, (bytes, buf))?;
        let Some(turn) = turn else { continue };
        let at_ms = now_ms.saturating_add(turn.patience_ms(kit.timeouts.read_ms));
        connection.arm(Rule::Total, at_ms, request.job_at_ms);
        connection.cut_by(request.cut);
        kit.transfers.enter(trace.transfer, Phase::Head);
        trace.remote_ip = connection.peer();
        trace.is_tls_resumed = connection.is_tls_resumed();
        let is_empty = buf.has_memory() && buf.unread_len() == 0;
        if is_empty && buf.free_len() < connection.room_min_bytes() {
            kit.buffers.grow(buf, Size::Small);
        }
        let asking = ask(kit, turn, &mut connection, (bytes, buf), want);
        let (sent, received) = asking.await;
        if keep_alive.was_closed(&sent, &received, buf.unread_len())
            || turn.was_forgotten(&received, kit, request)
        {
            renew(kit, buf);
            continue;
        }
        match (sent, &received) {
            // A server may answer and hang up before it has read all of the request (RFC 9112
            // section 9.5).
            (Ok(()), _) | (Err(Failure { cause: Cause::Reset, .. }), Ok(Received::Bytes)) => {}
            (Err(failure), _) => return Err(failure.at(Stage::Send).into()),
        }
        let received = received.map_err(|failure| failure.at(Stage::Head))?;
        trace.times.starttransfer = trace.began.elapsed();
        if let (Received::Bytes, Some(tell)) = (received, first_byte.take()) {
            tell();
        }
        let arrived = Arrived { connection, turn, received, pace: pace.as_mut() };
        // Boxed, so that a slot that waits for an answer has no room for what comes after it.
        let responding =
            Box::pin(respond(kit, request, trace, &keep_alive, arrived, buf, receiver));
        match responding.await {
            Ok(Some(answered)) => {
                keep_alive.settle();
                return Ok(answered);
            }
            Ok(None) => {}
            Err(fault) if keep_alive.doubts_fault(&fault) => {}
            Err(fault) => return Err(fault.into()),
        }
        trace.forget_response();
        receiver.forget_response();
        renew(kit, buf);
    }
}

/// A connection for a request whose turn has come: the pooled one, or a new one. Also gives how
/// much to receive at first.
async fn connect(
    kit: &Kit,
    request: &Request<'_>,
    trace: &mut Trace,
    route: Route<'_>,
    mut pooled: Option<Connection>,
    pace: &mut Option<Pace>,
) -> Result<(Connection, ReadHint), Outcome> {
    let mut want = ReadHint::Any;
    if let Some(pace) = pace {
        kit.transfers.enter(trace.transfer, Phase::Turn);
        want = Box::pin(pace.begin(kit.bounds(request.job_at_ms))).await?;
        // The wait is not the server's fault.
        trace.began = Instant::now();
        // A server may have said something meanwhile.
        pooled = pooled.and_then(|connection| kit.undisturbed(connection, request.target));
    }
    kit.transfers.enter(trace.transfer, Phase::Connect);
    match pooled {
        Some(connection) => Ok((connection, want)),
        // Boxed, as what is rare is: a slot has room for all that an attempt may wait in.
        None => Ok((Box::pin(open(kit, request, trace, route)).await?, want)),
    }
}

/// Sends a request, unless it was sent ahead, and receives the begin of its answer, unless that is
/// here already. Gives what came of both.
async fn ask(
    kit: &Kit,
    turn: Turn,
    connection: &mut Connection,
    (bytes, buf): (&mut Vec<u8>, &mut RecvBuf),
    want: ReadHint,
) -> (Result<(), Failure>, Result<Received, Failure>) {
    if let Turn::Now { .. } = turn {
        let asking = connection.request(std::mem::take(bytes), buf, want);
        let (sent, memory, received) = asking.await;
        *bytes = memory;
        return (sent, received);
    }
    if buf.unread_len() > 0 {
        return (Ok(()), Ok(Received::Bytes));
    }
    if !buf.has_memory() {
        *buf = kit.buffers.take(Size::Small);
    }
    (Ok(()), connection.receive(buf, want).await)
}

/// A buffer without the bytes of an answer that is not ours.
fn renew(kit: &Kit, buf: &mut RecvBuf) {
    kit.buffers.give(std::mem::replace(buf, kit.first_buffer()));
}

/// The begin of a response.
struct Arrived<'a> {
    connection: Connection,
    turn: Turn,
    /// What the receive of its first bytes came to.
    received: Received,
    /// With a bandwidth limit.
    pace: Option<&'a mut Pace>,
}

/// Takes a response whose first bytes are in `buf`. Nothing comes of one that is not the answer to
/// the request, which has to be sent again then.
async fn respond(
    kit: &Kit,
    request: &Request<'_>,
    trace: &mut Trace,
    keep_alive: &KeepAlive<'_>,
    arrived: Arrived<'_>,
    buf: &mut RecvBuf,
    receiver: &mut Receiver<'_>,
) -> Result<Option<Answered<Came>>, Fault> {
    let Arrived { connection, turn, received, pace } = arrived;
    let mut response = Response::new(kit, (&mut *trace, request.job_at_ms), connection, buf, pace);
    let head = response.head(received).await?;
    let from = (request.target, request.num_redirects);
    let answer = judge(&head, turn.ask(receiver.ask()), from, &kit.policy);
    if keep_alive.doubts_head(&head) || turn.doubts(&head, &answer, kit, request) {
        return Ok(None);
    }
    let (framing, reuse) = (head.framing, head.reuse);
    let is_coded = kit.requests.is_compressed()
        && head.content_encoding.as_deref().is_some_and(coding::is_gzip);
    let begun = receiver.begin(kit, &head, answer, is_coded);
    response.keep_head(head);
    let mut body = match begun {
        Ok(body) => body,
        // It is the answer, and cannot be stored.
        Err(Came::Over(Outcome::Failed(fault, _))) if fault.stage != Stage::Head => {
            return Err(fault);
        }
        Err(came) => {
            let Reuse::Keep = reuse else { return Ok(Some((came, None))) };
            return Box::pin(drained(response, framing, keep_alive, came)).await;
        }
    };
    let file = match receiver {
        Receiver::File(file) => file,
        Receiver::Text { text, .. } => {
            let received = response.body(&mut body, &|| {}).await;
            let ended = received.map(|reuse| response.end(reuse, keep_alive));
            return Box::pin(keep_text(body, ended, buf, text)).await;
        }
    };
    if let Some(filling) = body.filling() {
        response.watch(filling);
        file.grow(kit);
    }
    let received = response.body(&mut body, &|| file.grow(kit)).await;
    let reuse = match received {
        Ok(reuse) => reuse,
        Err(fault) => {
            drop(response);
            return Box::pin(file.cut_short(kit, body, buf, trace, fault)).await.map(Some);
        }
    };
    let ended = response.end(reuse, keep_alive);
    if body.filling().is_some() {
        return Box::pin(file.end_range(kit, body, buf, ended)).await.map(Some);
    }
    if !ended.is_ours && !file.output.has_streamed() {
        return Ok(None);
    }
    let lacks_more = body.lacks_more(trace.size_download);
    if lacks_more != Ok(false) {
        return Box::pin(file.ask_on(body, buf, trace, lacks_more)).await.map(Some);
    }
    // If it is not the one asked for, the connection is not kept: a kept one may have brought the
    // body of another request.
    let outcome = file.store(&mut body, buf, trace.head.as_deref()).await?;
    if is_coded && let Some(head) = &mut trace.head {
        // It is about the stored bytes.
        head.content_encoding = None;
    }
    Ok(Some((outcome.into(), ended.connection)))
}

/// Ends a response whose body is not what was asked for, so that the connection may be kept.
async fn drained(
    response: Response<'_>,
    framing: Framing,
    keep_alive: &KeepAlive<'_>,
    came: Came,
) -> Result<Option<Answered<Came>>, Fault> {
    let ended = response.drain(framing, keep_alive).await;
    Ok(ended.is_ours.then_some((came, ended.connection)))
}

/// Keeps a body that is a short text: its first bytes where it is too long.
async fn keep_text(
    mut body: Body<'_>,
    ended: Result<Ended, Fault>,
    buf: &mut RecvBuf,
    text: &mut Vec<u8>,
) -> Result<Option<Answered<Came>>, Fault> {
    let connection = match ended {
        Ok(ended) if !ended.is_ours => return Ok(None),
        Ok(ended) => body.conclude(buf).await.map(|_| ended.connection),
        Err(fault) => Err(fault),
    };
    let (bytes, is_full) = body.into_text();
    *text = bytes;
    let size = text.len() as u64;
    let stored = Stored {
        location: Location::Planned,
        size,
        digest: None,
        naming: None,
        has_replaced: false,
        duplicate_of: None,
    };
    let done = Outcome::Done(stored).into();
    match connection {
        Ok(connection) => Ok(Some((done, connection))),
        Err(_) if is_full => Ok(Some((done, None))),
        Err(fault) => Err(fault),
    }
}
