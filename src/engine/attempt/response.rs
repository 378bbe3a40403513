//! One response on its way in: its head, and its body into a sink.

use crate::engine::attempt::fetch::fault;
use crate::engine::attempt::pace::Pace;
use crate::engine::attempt::task::{Story, Task};
use crate::engine::core::desk::Core;
use crate::engine::output::body::Body;
use crate::fault::{Cause, Fault, Stage};
use crate::http::exchange::Eof;
use crate::http::head::{Framing, Location};
use crate::http::{CloseReason, Exchange, Head, Reuse, Step};
use crate::limits::RECV_BUFFER_BYTES;
use crate::report::view::Phase;
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::{Connection, ROOM_MIN_BYTES, ReadHint, Received};
use crate::ring::deadline::Rule;
use crate::ring::tcp::Waiting;

/// The response to the request that a task has sent, and the connection it comes on.
pub(crate) struct Response<'a> {
    core: &'a Core,
    task: &'a mut Task,
    connection: Connection,
    buf: &'a mut RecvBuf,
    exchange: Exchange,
    /// With a bandwidth limit.
    pace: Option<&'a mut Pace>,
}

/// A response that is complete.
pub(crate) struct Ended {
    /// The connection, if it can serve another request.
    pub(crate) connection: Option<Connection>,
    /// Whether it may be another's: it came on a kept connection, and more came behind it, or a
    /// reset. Then the server may have sent it before it had read the request. Long ones are not
    /// doubted.
    pub(crate) is_doubtful: bool,
}

impl<'a> Response<'a> {
    /// A response whose first bytes are in `buf`.
    pub(crate) fn new(
        core: &'a Core,
        task: &'a mut Task,
        connection: Connection,
        buf: &'a mut RecvBuf,
        pace: Option<&'a mut Pace>,
    ) -> Self {
        Self { core, task, connection, buf, exchange: Exchange::new(), pace }
    }

    /// Whose response it is.
    pub(crate) fn task(&self) -> &Task {
        self.task
    }

    /// The same, to be changed.
    pub(crate) fn task_mut(&mut self) -> &mut Task {
        self.task
    }

    /// The final head.
    pub(crate) async fn head(&mut self, mut received: Received) -> Result<Box<Head>, Fault> {
        loop {
            if received != Received::Bytes {
                return Err(self.ended_early());
            }
            match self.step(Stage::Head)? {
                Step::Head { used, head } => {
                    self.buf.skip(used);
                    return Ok(head);
                }
                Step::NeedInput => {}
                Step::Body { .. } | Step::End { .. } => {
                    unreachable!("a head comes before its body")
                }
            }
            if self.buf.free_len() < ROOM_MIN_BYTES {
                self.core.buffers.enlarge(self.buf);
            }
            let want = self.pace.as_ref().map_or(ReadHint::Any, |pace| pace.first());
            let receiving = self.connection.receive(self.buf, want);
            received = receiving.await.map_err(|failure| fault(Stage::Head, failure))?;
        }
    }

    /// Leaves the head with the task, whose row tells of it. What was acted upon by now is left
    /// out: it may be long, and the task may wait for another attempt among very many.
    pub(crate) fn keep_head(&mut self, mut head: Box<Head>) {
        head.location = Location::Absent;
        (head.content_disposition, head.robots_tags) = (None, None);
        self.story().last.head = Some(head);
    }

    /// Reads the body into `body`. What fits the buffer at the end is left there, to be taken with
    /// its end.
    pub(crate) async fn body(&mut self, body: &mut Body<'_>) -> Result<Reuse, Fault> {
        self.core.transfers.enter(self.story().last.transfer, Phase::Body);
        let reuse = self.receive_body(body, None).await?;
        self.connection.disarm();
        Ok(reuse)
    }

    /// Reads the body of a response that is no file, if it is short, so that the connection is
    /// kept.
    pub(crate) async fn drain(mut self, framing: Framing) -> Ended {
        let is_short = match framing {
            Framing::Empty | Framing::Chunked => true,
            Framing::Length(length) => length <= DRAIN_BYTES_MAX as u64,
            Framing::Close => false,
        };
        if !is_short {
            return Ended { connection: None, is_doubtful: false };
        }
        let mut body = Body::nothing(DRAIN_BYTES_MAX);
        let at_ms = self.core.shared.now_ms() + DRAIN_MS_MAX;
        match self.receive_body(&mut body, Some(at_ms)).await {
            Ok(reuse) => self.ended(reuse),
            Err(_) => Ended { connection: None, is_doubtful: false },
        }
    }

    /// What becomes of the connection, of which the response says so much.
    pub(crate) fn ended(mut self, reuse: Reuse) -> Ended {
        let is_long = self.story().last.size_download > DOUBT_BYTES_MAX;
        let origin = self.task.target().origin_str();
        let is_reused = self.connection.is_reused();
        // A fresh connection has no response but its own, and the pool looks before it is used.
        let behind = if reuse == Reuse::Close(CloseReason::BytesAfterEnd) {
            Waiting::Bytes
        } else if is_reused {
            self.connection.peek_extra(self.core.polls.get())
        } else {
            Waiting::Nothing
        };
        if behind == Waiting::Bytes {
            self.core.shared.origins.keep_none_to(origin);
        }
        let is_kept = reuse == Reuse::Keep
            && self.connection.is_reusable()
            && self.core.shared.origins.may_keep(origin);
        Ended {
            connection: is_kept.then_some(self.connection),
            is_doubtful: is_reused && !is_long && matches!(behind, Waiting::Bytes | Waiting::Error),
        }
    }

    async fn receive_body(
        &mut self,
        body: &mut Body<'_>,
        until_ms: Option<u64>,
    ) -> Result<Reuse, Fault> {
        loop {
            match self.step(Stage::Body)? {
                Step::NeedInput => {}
                Step::Body { used, span } => {
                    let last = &mut self.story().last;
                    last.size_download += span.len() as u64;
                    let transfer = last.transfer;
                    body.admit(last.size_download)?;
                    self.core.transfers.came(transfer, span.len());
                    if let Some(pace) = &mut self.pace {
                        pace.came(span.len());
                    }
                    self.buf.keep_body(used, span);
                    continue;
                }
                Step::End { used, reuse } => {
                    self.buf.skip(used);
                    return Ok(reuse);
                }
                Step::Head { .. } => unreachable!("one final head a response"),
            }
            let remaining = self.exchange.body_remaining();
            if self.buf.size() == Size::First && self.receive_here(remaining)? {
                continue;
            }
            let free = self.buf.free_len();
            let is_last = remaining.is_some_and(|bytes| bytes <= free as u64);
            if free < self.connection.room_min_bytes() || (free < ROOM_MIN_BYTES && !is_last) {
                // A slow disk is not the peer's fault.
                self.connection.disarm();
                // Some of it may have gone out although the write fails.
                self.story().is_output_begun |= body.is_final() && self.buf.body_len() > 0;
                body.write(self.buf).await?;
                self.core.buffers.enlarge(self.buf);
            }
            let want = remaining.map_or(ReadHint::Any, ReadHint::Exactly);
            let want = match (&mut self.pace, until_ms) {
                (Some(pace), None) => {
                    // Nor is a wait that we impose.
                    self.connection.disarm();
                    pace.turn(self.core, self.task.job_at_ms(), want).await?
                }
                // What has its own small bounds is counted and not waited for.
                (Some(_) | None, _) => want,
            };
            self.arm(until_ms);
            let received = self.connection.receive(self.buf, want).await;
            match received.map_err(|failure| fault(Stage::Body, failure))? {
                Received::Bytes => {}
                Received::End => {
                    let left = self.buf.unread_len();
                    return self.exchange.receive_eof(left).map_err(eof_fault);
                }
                Received::Cut => return Err(self.ended_early()),
            }
        }
    }

    /// Sets the deadline of the next wait for body bytes.
    fn arm(&self, until_ms: Option<u64>) {
        let patience = self.core.patience;
        let (rule, at_ms) = match until_ms {
            Some(at_ms) => (Rule::Total, at_ms),
            None => {
                let at_ms = self.core.shared.now_ms().saturating_add(patience.idle_ms);
                (Rule::Body(patience), at_ms)
            }
        };
        self.connection.arm(rule, at_ms, self.task.job_at_ms());
    }

    /// A buffer for `remaining` bytes of body instead of the first one, with what is here of them.
    /// Whether anything was.
    fn receive_here(&mut self, remaining: Option<u64>) -> Result<bool, Fault> {
        let is_long = remaining.is_some_and(|bytes| bytes > RECV_BUFFER_BYTES as u64);
        self.core.buffers.grow(self.buf, if is_long { Size::Large } else { Size::Small });
        if self.pace.is_some() {
            // A bandwidth limit has to be asked first.
            return Ok(false);
        }
        self.connection.receive_here(self.buf).map_err(|failure| fault(Stage::Body, failure))
    }

    fn step(&mut self, stage: Stage) -> Result<Step, Fault> {
        let step = self.exchange.receive(self.buf.unread());
        step.map_err(|error| Fault::new(stage, Cause::Protocol(error)))
    }

    fn story(&mut self) -> &mut Story {
        self.task.story_mut()
    }

    /// The connection ended where it must not: not even an end that closes a body, since it may be
    /// a cut.
    fn ended_early(&mut self) -> Fault {
        match self.exchange.receive_eof(self.buf.unread_len()) {
            Err(eof) => eof_fault(eof),
            Ok(_) => {
                let got = self.story().last.size_download;
                let detail = match self.connection.is_tls_resumed() {
                    Some(_) => "the TLS connection ended without close_notify",
                    None => "the server hung up before it had read the request",
                };
                Fault::new(Stage::Body, Cause::Truncated { got, want: None }).with_detail(detail)
            }
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

/// Longest body of a redirect or failure that is read to keep its connection, in bytes.
const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// Longest time that is spent on it, in milliseconds.
const DRAIN_MS_MAX: u64 = 1_000;

/// Longest body that is asked for again when in doubt, in bytes: what is said unasked is short.
const DOUBT_BYTES_MAX: u64 = 64 * 1024;
