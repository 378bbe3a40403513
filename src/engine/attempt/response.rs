//! One response on its way in: its head, and its body into a sink.

use crate::engine::attempt::keep_alive::{Ended, KeepAlive};
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::pace::Pace;
use crate::engine::attempt::trace::Trace;
use crate::engine::output::body::Body;
use crate::engine::output::partial::Filling;
use crate::fault::{Cause, Fault, Stage};
use crate::http::exchange::Eof;
use crate::http::head::Framing;
use crate::http::{Exchange, Head, Reuse, Step};
use crate::limits::RECV_BUFFER_BYTES;
use crate::ring::buf::{RecvBuf, Size};
use crate::ring::conn::{Connection, ROOM_MIN_BYTES, ReadHint, Received};
use crate::ring::deadline::Rule;

/// The response to a request that was sent, and the connection it comes on.
pub(crate) struct Response<'a> {
    kit: &'a Kit,
    trace: &'a mut Trace,
    /// When its job is over in any case, in milliseconds of the run.
    job_at_ms: u64,
    connection: Connection,
    buf: &'a mut RecvBuf,
    exchange: Exchange,
    /// With a bandwidth limit.
    pace: Option<&'a mut Pace>,
}

impl<'a> Response<'a> {
    /// A response whose first bytes are in `buf`, for a job that is over at `job_at_ms`.
    pub(crate) fn new(
        kit: &'a Kit,
        (trace, job_at_ms): (&'a mut Trace, u64),
        connection: Connection,
        buf: &'a mut RecvBuf,
        pace: Option<&'a mut Pace>,
    ) -> Self {
        let exchange = if connection.has_ahead() { Exchange::followed() } else { Exchange::new() };
        Self { kit, trace, job_at_ms, connection, buf, exchange, pace }
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
                self.kit.buffers.enlarge(self.buf);
            }
            let want = self.pace.as_ref().map_or(ReadHint::Any, |pace| pace.first());
            let receiving = self.connection.receive(self.buf, want);
            received = receiving.await.map_err(|failure| failure.at(Stage::Head))?;
        }
    }

    /// Leaves the head with the attempt, whose row tells of it.
    pub(crate) fn keep_head(&mut self, head: Box<Head>) {
        self.trace.keep_head(head);
    }

    /// Reads the body into `body`. What fits the buffer at the end is left there, to be taken with
    /// its end.
    ///
    /// `None` where the rest of it is not wanted any more: then the connection is of no use. `grow`
    /// is told now and then of a long body that others could help to fill.
    pub(crate) async fn body(
        &mut self,
        body: &mut Body<'_>,
        grow: &dyn Fn(),
    ) -> Result<Option<Reuse>, Fault> {
        let (length, is_part) = (self.exchange.body_remaining(), body.filling().is_some());
        self.kit.transfers.expect(self.trace.transfer, length, is_part);
        let reuse = self.receive_body(body, None, grow).await?;
        self.connection.disarm();
        Ok(reuse)
    }

    /// Reads the body of a response that is no file, if it is short, so that the connection is
    /// kept.
    pub(crate) async fn drain(mut self, framing: Framing, keep_alive: &KeepAlive<'_>) -> Ended {
        let is_short = match framing {
            Framing::Empty | Framing::Chunked => true,
            Framing::Length(length) => length <= DRAIN_BYTES_MAX as u64,
            Framing::Close => false,
        };
        if !is_short {
            return Ended::closed();
        }
        let mut body = Body::nothing(DRAIN_BYTES_MAX);
        let at_ms = self.kit.now_ms() + DRAIN_MS_MAX;
        match self.receive_body(&mut body, Some(at_ms), &|| {}).await {
            Ok(reuse) => self.end(reuse, keep_alive),
            Err(_) => Ended::closed(),
        }
    }

    /// Has the connection shut down when somebody else fetches all of the range.
    pub(crate) fn watch(&self, filling: &Filling) {
        self.connection.cut_by(Some(filling.cut()));
    }

    /// The response has come to its end, of which it says `reuse`; nothing where the rest of it is
    /// not wanted.
    pub(crate) fn end(self, reuse: Option<Reuse>, keep_alive: &KeepAlive<'_>) -> Ended {
        let Some(reuse) = reuse else { return Ended::closed() };
        let (size, poll) = (self.trace.size_download, self.kit.polls.get());
        keep_alive.end(self.connection, reuse, size, poll)
    }

    async fn receive_body(
        &mut self,
        body: &mut Body<'_>,
        until_ms: Option<u64>,
        grow: &dyn Fn(),
    ) -> Result<Option<Reuse>, Fault> {
        loop {
            match self.step(Stage::Body)? {
                Step::NeedInput => {}
                Step::Body { used, span } => {
                    self.trace.size_download += span.len() as u64;
                    body.admit(self.trace.size_download)?;
                    self.kit.transfers.came(self.trace.transfer, span.len());
                    if let Some(pace) = &mut self.pace {
                        pace.came(span.len());
                    }
                    self.buf.keep_body(used, span);
                    continue;
                }
                Step::End { used, reuse } => {
                    self.buf.skip(used);
                    return Ok(Some(reuse));
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
                body.write(self.buf).await?;
                if let Some(filling) = body.filling() {
                    if filling.is_over() {
                        return Ok(None);
                    }
                    grow();
                }
                self.kit.buffers.enlarge(self.buf);
            }
            let want = remaining.map_or(ReadHint::Any, ReadHint::Exactly);
            let want = match (&mut self.pace, until_ms) {
                (Some(pace), None) => {
                    // Nor is a wait that we impose.
                    self.connection.disarm();
                    pace.turn(self.kit.bounds(self.job_at_ms), want).await?
                }
                // What has its own small bounds is counted and not waited for.
                (Some(_) | None, _) => want,
            };
            self.arm(until_ms, body);
            let received = self.connection.receive(self.buf, want).await;
            match received.map_err(|failure| failure.at(Stage::Body))? {
                Received::Bytes => {}
                Received::End => {
                    let left = self.buf.unread_len();
                    return self.exchange.receive_eof(left).map(Some).map_err(eof_fault);
                }
                Received::Cut | Received::Early => return Err(self.ended_early()),
            }
        }
    }

    /// Sets the deadline of the next wait for body bytes.
    fn arm(&self, until_ms: Option<u64>, body: &Body<'_>) {
        let mut patience = self.kit.patience;
        if body.filling().is_some_and(Filling::is_one_of_many) {
            // Others can do better at once.
            patience.idle_ms = patience.idle_ms.min(PART_IDLE_MS_MAX);
        }
        let (rule, at_ms) = match until_ms {
            Some(at_ms) => (Rule::Total, at_ms),
            None => {
                let at_ms = self.kit.now_ms().saturating_add(patience.idle_ms);
                (Rule::Body(patience), at_ms)
            }
        };
        self.connection.arm(rule, at_ms, self.job_at_ms);
    }

    /// A buffer for `remaining` bytes of body instead of the first one, with what is here of them.
    /// Whether anything was.
    fn receive_here(&mut self, remaining: Option<u64>) -> Result<bool, Fault> {
        let is_long = remaining.is_some_and(|bytes| bytes > RECV_BUFFER_BYTES as u64);
        self.kit.buffers.grow(self.buf, if is_long { Size::Large } else { Size::Small });
        if self.pace.is_some() {
            // A bandwidth limit has to be asked first.
            return Ok(false);
        }
        self.connection.receive_here(self.buf).map_err(|failure| failure.at(Stage::Body))
    }

    fn step(&mut self, stage: Stage) -> Result<Step, Fault> {
        let step = self.exchange.receive(self.buf.unread());
        step.map_err(|error| Fault::new(stage, Cause::Protocol(error)))
    }

    /// The connection ended where it must not: not even an end that closes a body, since it may be
    /// a cut.
    fn ended_early(&mut self) -> Fault {
        match self.exchange.receive_eof(self.buf.unread_len()) {
            Err(eof) => eof_fault(eof),
            Ok(_) => {
                let got = self.trace.size_download;
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

/// Longest time without a byte of a range of a file that others bring ranges of, in milliseconds.
const PART_IDLE_MS_MAX: u64 = 5_000;

/// Longest time that is spent on it, in milliseconds.
const DRAIN_MS_MAX: u64 = 1_000;
