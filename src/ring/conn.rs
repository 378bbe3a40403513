//! One connection to an origin, with or without TLS: the same few methods for both.

use super::buf::{BufPool, RecvBuf};
use super::deadline::{Deadlines, Rule};
use super::line::Line;
use super::memory::Memory;
use super::tcp::{Socket, Waiting};
use super::tls::{Session, Settings};
use crate::fault::{Cause, Failure};
use crate::limits::RECV_BUFFER_BYTES;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A connection that can carry requests.
#[derive(Debug)]
pub struct Connection {
    /// Declared first: its buffer goes before the socket.
    tls: Option<Box<Session>>,
    line: Line,
    /// See [`Connection::is_reused`].
    is_reused: bool,
    /// The poll, by the caller's count, in which nothing was found to wait on the connection.
    silent_in: Option<u64>,
    /// Whether a request could not be sent: one side hung up on the other, so no end is orderly.
    is_broken: bool,
    /// Responses that came on it in good order.
    answered: u32,
    /// See [`Connection::send_ahead`].
    ahead: Option<Box<Ahead>>,
}

/// A request that was sent before the response to the one before it had come.
#[derive(Debug, PartialEq)]
pub struct SentAhead {
    /// The bytes of the request.
    pub request: Vec<u8>,
    /// Whether it asks for its target as one range, so that its response differs from the one
    /// before it.
    pub by_range: bool,
}

/// Requests whose responses are still to come, behind the one that is being read.
#[derive(Debug, Default)]
struct Ahead {
    sent: VecDeque<SentAhead>,
    /// What came of their responses together with those before them.
    rest: RecvBuf,
}

/// Result of one receive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// Unread bytes were added to the buffer.
    Bytes,
    /// Bytes were here before the request was sent, on a connection that had another one before:
    /// they are no answer to it. They were dropped.
    Early,
    /// The peer ended the connection in an orderly way (FIN; with TLS, close_notify).
    End,
    /// The connection ended without close_notify: it may have been cut (RFC 9112 section 9.8).
    Cut,
}

/// How much to receive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReadHint {
    /// Read whatever comes.
    Any,
    /// Read whatever comes, at most this many bytes at once; with TLS, of ciphertext.
    UpTo(u64),
    /// Read this many bytes: they will come, or the peer is at fault. One wake-up for all that fit.
    Exactly(u64),
}

impl ReadHint {
    /// Free bytes to receive into at once, without waiting for all of them.
    fn at_most(self, free: usize) -> usize {
        match self {
            Self::Any | Self::Exactly(_) => free,
            Self::UpTo(bytes) => usize::try_from(bytes).map_or(free, |bytes| bytes.min(free)),
        }
    }
}

impl Connection {
    /// Plain HTTP over a connected socket.
    pub fn plain(socket: Socket) -> Self {
        Self::over(Line::Socket(socket))
    }

    /// Plain HTTP with memory in place of a socket, which answers each request with a body of so
    /// many bytes.
    pub fn to_memory(deadlines: &Deadlines, body_bytes: u64) -> Self {
        Self::over(Line::Memory(Box::new(Memory::new(deadlines, body_bytes))))
    }

    fn over(line: Line) -> Self {
        Self {
            tls: None,
            line,
            is_reused: false,
            silent_in: None,
            is_broken: false,
            answered: 0,
            ahead: None,
        }
    }

    /// HTTP over TLS on a connection without it, which may be a tunnel. The caller armed its
    /// deadline.
    ///
    /// # Errors
    ///
    /// When the handshake fails.
    ///
    /// # Panics
    ///
    /// When the connection has TLS already, or is one to memory.
    pub async fn into_secure(
        self,
        settings: &Settings,
        host: &str,
        pool: &BufPool,
    ) -> Result<Self, Failure> {
        assert!(self.tls.is_none(), "TLS within TLS");
        let Line::Socket(socket) = &self.line else { panic!("TLS with memory") };
        let session = Session::handshake(settings, host, socket, pool).await?;
        Ok(Self { tls: Some(Box::new(session)), ..self })
    }

    /// The address of the other side, which may be a proxy; memory has none.
    pub fn peer(&self) -> Option<IpAddr> {
        self.line.peer()
    }

    /// Whether the TLS session was resumed; `None` without TLS.
    pub fn is_tls_resumed(&self) -> Option<bool> {
        self.tls.as_ref().map(|tls| tls.is_resumed())
    }

    /// Free space that [`Connection::receive`] needs.
    pub fn room_min_bytes(&self) -> usize {
        if self.tls.is_some() { ROOM_MIN_BYTES } else { 1 }
    }

    /// Whether the connection can serve another request, as far as is known on this side: the peer
    /// has not said goodbye, nothing that nobody asked for is left, and no deadline shut it down.
    pub fn is_reusable(&self) -> bool {
        !self.is_broken
            && self.line.verdict().is_none()
            && (self.has_ahead() || !self.tls.as_ref().is_some_and(|tls| tls.is_disturbed()))
    }

    /// Responses that came on the connection in good order.
    pub fn answered(&self) -> u32 {
        self.answered
    }

    /// Counts a response that came in good order.
    pub fn count_answer(&mut self) {
        self.answered = self.answered.saturating_add(1);
    }

    /// Takes note of a request whose bytes go out with those of an earlier one.
    pub fn send_ahead(&mut self, sent: SentAhead) {
        self.ahead.get_or_insert_default().sent.push_back(sent);
    }

    /// Whether responses are to come to requests that were sent ahead. Then the connection is of
    /// use to the jobs of these requests alone.
    pub fn has_ahead(&self) -> bool {
        self.ahead.as_ref().is_some_and(|ahead| !ahead.sent.is_empty())
    }

    /// Takes the first of the requests that were sent ahead, with what has come of its response:
    /// that is what the connection brings next.
    pub fn take_turn(&mut self) -> Option<(SentAhead, RecvBuf)> {
        let ahead = self.ahead.as_mut()?;
        Some((ahead.sent.pop_front()?, std::mem::take(&mut ahead.rest)))
    }

    /// Keeps what came behind a response, for whoever has the next turn.
    pub fn keep_rest(&mut self, mut rest: RecvBuf) {
        // What was left of a body is not wanted.
        rest.body_written();
        if rest.unread_len() == 0 {
            rest.make_room();
        }
        self.ahead.get_or_insert_default().rest = rest;
    }

    /// Whether the connection was kept after a request, so that bytes on it may answer another one.
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Gives memory back: the request is over, and the connection is not needed for a while.
    pub fn park(&mut self) {
        debug_assert!(!self.has_ahead(), "what comes next is for somebody else");
        self.is_reused = true;
        self.line.disarm();
        if let Some(tls) = &mut self.tls {
            tls.park();
        }
    }

    /// Sets the deadlines of the waits that follow.
    pub fn arm(&self, rule: Rule, at_ms: u64, job_at_ms: u64) {
        self.line.arm(rule, at_ms, job_at_ms);
    }

    /// Has the connection shut down soon after somebody sets `cut`, from whatever thread, or
    /// not any more.
    pub fn cut_by(&self, cut: Option<&Arc<AtomicBool>>) {
        self.line.cut_by(cut);
    }

    /// Removes the deadlines: nothing waits any more.
    pub fn disarm(&self) {
        self.line.disarm();
    }

    /// Whether bytes came on an idle connection, which makes it useless (RFC 9112 section 9.5). One
    /// look a poll is enough: bytes that come within it come too late for any look, and are for
    /// those who doubt the next response.
    pub fn is_disturbed(&self, poll: u64) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_disturbed())
            || (self.silent_in != Some(poll) && self.line.waiting() != Waiting::Nothing)
    }

    /// Whether the last receive says that nothing is behind the response that it ended, in which
    /// case nobody has to look in this poll. See [`Connection::is_disturbed`] for `poll`.
    pub fn is_drained(&mut self, poll: u64) -> bool {
        let is_drained = self.line.is_drained();
        if is_drained {
            self.silent_in = Some(poll);
        }
        is_drained
    }

    /// Looks for bytes behind a response. Over TLS nobody can tell: the peer may send records of
    /// its own at any time. See [`Connection::is_disturbed`] for `poll`.
    pub fn peek_extra(&mut self, poll: u64) -> Waiting {
        if self.tls.is_some() {
            return Waiting::Nothing;
        }
        let waiting = self.line.waiting();
        self.silent_in = (waiting == Waiting::Nothing).then_some(poll);
        waiting
    }

    /// Sends a request and receives the first bytes of the answer, which may bring memory for a
    /// buffer that has none ([`crate::ring::io::Io::provides_memory`]). `request` comes back for
    /// reuse; with TLS it is replaced by memory of its ciphertext. There may be an answer to a
    /// request that could not be sent; the end of the connection does not end its body.
    ///
    /// # Errors
    ///
    /// When nothing can be received, or a TLS record is not in order.
    pub async fn request(
        &mut self,
        request: Vec<u8>,
        buf: &mut RecvBuf,
        hint: ReadHint,
    ) -> (Result<(), Failure>, Vec<u8>, Result<Received, Failure>) {
        let is_plain = self.tls.is_none();
        let (bytes, into) = match &mut self.tls {
            None => (request, &mut *buf),
            Some(tls) => match tls.encrypt(&request) {
                Ok(records) if self.line.provides_memory() => (records, tls.raw_as_it_is()),
                Ok(records) => (records, tls.raw(buf.size())),
                Err(error) => return (Err(error), request, Ok(Received::Cut)),
            },
        };
        let lent = match into.has_memory() {
            true => into.lend_free(hint.at_most(into.free_len())),
            false => (Vec::new(), 0..hint.at_most(RECV_BUFFER_BYTES)),
        };
        let done = self.line.send_and_receive(bytes, lent, self.is_reused).await;
        into.restore(done.memory);
        let sent = done.sent.map_err(Failure::from);
        self.is_broken = sent.is_err();
        let received = match done.received.map_err(Failure::from) {
            Err(error) => Err(error),
            Ok(0) => Ok(self.end()),
            Ok(_) if done.is_early && is_plain => Ok(Received::Early),
            // Over TLS, the peer may send records of its own at any time.
            Ok(_) if done.is_early => Ok(Received::Cut),
            Ok(count) => {
                into.received(count);
                self.opened(buf, hint).await
            }
        };
        // An alert says why the server hung up, which is more than that it did.
        let is_told = matches!(
            received,
            Err(Failure { cause: Cause::ClientCertificate | Cause::TlsProtocol, .. })
        );
        (if is_told { Ok(()) } else { sent }, done.bytes, received)
    }

    /// Receives more of the answer into the free space of `buf`, of which there must be
    /// [`Connection::room_min_bytes`].
    ///
    /// # Errors
    ///
    /// When nothing can be received, or a TLS record is not in order.
    pub async fn receive(
        &mut self,
        buf: &mut RecvBuf,
        hint: ReadHint,
    ) -> Result<Received, Failure> {
        if let Some(tls) = &mut self.tls {
            // What is already here comes first: the last receive may have brought several records.
            if tls.decrypt(buf)? > 0 {
                return Ok(Received::Bytes);
            }
            if tls.is_peer_closed() {
                return Ok(Received::End);
            }
        }
        self.receive_more(buf, hint).await
    }

    /// Receives the bytes that are here already into the free space of `buf`, with one plain call
    /// and no wait. Says whether there were any; with TLS there are none.
    ///
    /// The ring needs memory for each receive that waits. A body that is taken when its turn comes
    /// is gone again before the next one, and they all share the memory of one.
    ///
    /// # Errors
    ///
    /// When the socket failed.
    pub fn receive_here(&mut self, buf: &mut RecvBuf) -> Result<bool, Failure> {
        if self.tls.is_some() {
            return Ok(false);
        }
        let count = self.line.receive_here(buf.free())?;
        buf.received(count);
        Ok(count > 0)
    }

    /// Goes on after bytes came in: with TLS, decrypts them, and receives until there is plaintext.
    async fn opened(&mut self, buf: &mut RecvBuf, hint: ReadHint) -> Result<Received, Failure> {
        match self.tls {
            None => Ok(Received::Bytes),
            Some(_) => self.receive(buf, hint).await,
        }
    }

    async fn receive_more(
        &mut self,
        buf: &mut RecvBuf,
        hint: ReadHint,
    ) -> Result<Received, Failure> {
        loop {
            if let Some(records) = self.tls.as_mut().and_then(|tls| tls.take_outgoing()) {
                let (sent, _) = self.line.send(records).await;
                sent?;
            }
            // What will come at least, less the part of a record that is here already.
            let (into, here, sure) = match (&mut self.tls, hint) {
                (None, ReadHint::Exactly(bytes)) => (&mut *buf, 0, bytes),
                (None, _) => (&mut *buf, 0, 0),
                (Some(tls), hint) => {
                    let sure = match hint {
                        ReadHint::Exactly(bytes) => tls.ciphertext_min(bytes),
                        ReadHint::Any | ReadHint::UpTo(_) => 0,
                    };
                    let raw = tls.raw(buf.size());
                    let here = raw.unread_len() as u64;
                    (raw, here, sure)
                }
            };
            let free = into.free_len();
            debug_assert!(free > 0, "a receive needs room");
            let (count, is_whole) = match sure.saturating_sub(here) {
                0 => (hint.at_most(free), false),
                sure => (usize::try_from(sure).map_or(free, |sure| sure.min(free)), true),
            };
            let (memory, range) = into.lend_free(count);
            let (received, memory) = self.line.receive(memory, range, is_whole).await;
            into.restore(memory);
            match received? {
                0 => return Ok(self.end()),
                count => into.received(count),
            }
            let Some(tls) = &mut self.tls else { return Ok(Received::Bytes) };
            if tls.decrypt(buf)? > 0 {
                return Ok(Received::Bytes);
            }
            if tls.is_peer_closed() {
                return Ok(Received::End);
            }
        }
    }

    /// Meaning of the end of the TCP stream.
    fn end(&self) -> Received {
        match &self.tls {
            Some(tls) if !tls.is_peer_closed() => Received::Cut,
            _ if self.is_broken => Received::Cut,
            _ => Received::End,
        }
    }
}

/// Free space that serves every connection, in bytes: the longest plaintext of a TLS record, with
/// its type behind it (RFC 8446 section 5.2).
pub const ROOM_MIN_BYTES: usize = 16_384 + 1;

#[cfg(test)]
mod tests {
    use super::super::buf::Size;
    use super::super::deadline::Deadlines;
    use super::*;
    use crate::ring::io::{Io, on_each_backend};
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::net::sockopt;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    /// A connection to a server that is a test.
    async fn connected(io: &Io) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let deadlines = Deadlines::new(Instant::now());
        let socket = Socket::connect((io, &deadlines), address, 10_000, u64::MAX);
        let socket = socket.await.unwrap();
        (Connection::plain(socket), listener.accept().unwrap().0)
    }

    /// Waits until there is something to be told of a connection, such as bytes or an end.
    fn wait_for(connection: &Connection, events: PollFlags) {
        let Line::Socket(socket) = &connection.line else { panic!("no socket") };
        poll(&mut [PollFd::new(socket.descriptor(), events)], None).unwrap();
    }

    /// Sends a request, and says what came of it.
    async fn ask(connection: &mut Connection, buf: &mut RecvBuf) -> Received {
        let asking = connection.request(b"request".to_vec(), buf, ReadHint::Any);
        let (sent, _, received) = asking.await;
        sent.unwrap();
        received.unwrap()
    }

    #[test]
    fn what_was_here_before_the_request_does_not_answer_it() {
        on_each_backend(async |io, backend| {
            let (mut connection, mut server) = connected(&io).await;
            let mut buf = BufPool::default().take(Size::Small);
            server.write_all(b"busy").unwrap();
            wait_for(&connection, PollFlags::IN);
            // On a new connection it may well be the answer.
            assert_eq!(ask(&mut connection, &mut buf).await, Received::Bytes, "{backend:?}");
            connection.park();
            server.read_exact(&mut [0; 7]).unwrap();
            let answering = std::thread::spawn(move || {
                server.read_exact(&mut [0; 7]).unwrap();
                server.write_all(b"answer").unwrap();
                server
            });
            assert_eq!(ask(&mut connection, &mut buf).await, Received::Bytes, "{backend:?}");
            assert_eq!(buf.unread(), b"busyanswer");
            let mut server = answering.join().unwrap();
            server.write_all(b"unasked").unwrap();
            wait_for(&connection, PollFlags::IN);
            assert!(connection.is_disturbed(1), "{backend:?}");
            if io.has_order() {
                assert_eq!(ask(&mut connection, &mut buf).await, Received::Early, "{backend:?}");
                assert_eq!(buf.unread(), b"busyanswer");
            }
        });
    }

    #[test]
    fn a_receive_tells_whether_it_left_something() {
        on_each_backend(async |io, backend| {
            let tells = io.tells_rest();
            assert!(backend.has_ring() || !tells, "{backend:?}");
            let left: [(&[u8], bool); 3] = [(b"", false), (b"more", false), (b"", true)];
            for (more, is_closed) in left {
                let (mut connection, mut server) = connected(&io).await;
                let mut buf = BufPool::default().take(Size::Small);
                server.write_all(&[b"answer", more].concat()).unwrap();
                if is_closed {
                    server.shutdown(std::net::Shutdown::Write).unwrap();
                    wait_for(&connection, PollFlags::RDHUP);
                }
                wait_for(&connection, PollFlags::IN);
                for (count, is_whole) in [(2, false), (4, true)] {
                    let (memory, range) = buf.lend_free(count);
                    let received = connection.line.receive(memory, range, is_whole).await;
                    buf.restore(received.1);
                    buf.received(received.0.unwrap());
                    let is_last = is_whole && more.is_empty() && !is_closed;
                    assert_eq!(
                        connection.is_drained(1),
                        tells && is_last,
                        "{backend:?} {is_whole}"
                    );
                }
                assert_eq!(buf.unread(), b"answer");
                assert_eq!(connection.is_disturbed(1), !more.is_empty() || is_closed);
            }
        });
    }

    #[test]
    fn a_receive_that_a_reset_cut_short_tells_nothing() {
        on_each_backend(async |io, backend| {
            let (mut connection, mut server) = connected(&io).await;
            let mut buf = BufPool::default().take(Size::Small);
            let ending = std::thread::spawn(move || {
                server.write_all(b"half").unwrap();
                sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
                drop(server);
            });
            let received = connection.receive(&mut buf, ReadHint::Exactly(8)).await;
            ending.join().unwrap();
            assert!(received != Ok(Received::End), "{backend:?}");
            assert!(!connection.is_drained(1), "{backend:?}");
        });
    }

    #[test]
    fn an_answer_that_came_before_the_request_was_sent_is_not_lost() {
        on_each_backend(async |io, backend| {
            let (mut connection, mut server) = connected(&io).await;
            server.write_all(b"answer").unwrap();
            sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
            drop(server);
            // The reset is here.
            wait_for(&connection, PollFlags::HUP);
            let mut buf = BufPool::default().take(Size::Small);
            let (sent, _, received) =
                connection.request(b"request".to_vec(), &mut buf, ReadHint::Any).await;
            assert!(matches!(sent, Err(Failure { cause: Cause::Reset, .. })), "{sent:?}");
            assert_eq!(received, Ok(Received::Bytes), "{backend:?}");
            assert_eq!(buf.unread(), b"answer");
            assert!(!connection.is_reusable());
            // It was no FIN, so nothing ends here that an end would end.
            let end = connection.receive(&mut buf, ReadHint::Any).await;
            assert!(
                matches!(end, Ok(Received::Cut) | Err(Failure { cause: Cause::Reset, .. })),
                "{backend:?} {end:?}"
            );
        });
    }
}
