//! One connection to an origin, with or without TLS: the same few methods for both.

use super::buf::{BufPool, RecvBuf};
use super::deadline::{Deadlines, Rule};
use super::line::Line;
use super::memory::Memory;
use super::tcp::{Socket, Waiting};
use super::tls::{Session, Settings};
use crate::fault::{Cause, Failure};
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
}

/// Result of one receive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// Unread bytes were added to the buffer.
    Bytes,
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
        Self { tls: None, line, is_reused: false, silent_in: None, is_broken: false }
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
            && !self.tls.as_ref().is_some_and(|tls| tls.is_disturbed())
    }

    /// Whether the connection was kept after a request, so that bytes on it may answer another one.
    pub fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Gives memory back: the request is over, and the connection is not needed for a while.
    pub fn park(&mut self) {
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

    /// Sends a request and receives the first bytes of the answer. `request` comes back for reuse;
    /// with TLS it is replaced by memory of its ciphertext. There may be an answer to a request
    /// that could not be sent; the end of the connection does not end its body.
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
        let (bytes, into) = match &mut self.tls {
            None => (request, &mut *buf),
            Some(tls) => match tls.encrypt(&request) {
                Ok(records) => (records, tls.raw(buf.size())),
                Err(error) => return (Err(error), request, Ok(Received::Cut)),
            },
        };
        let (memory, range) = into.lend_free(hint.at_most(into.free_len()));
        let done = self.line.send_and_receive(bytes, memory, range).await;
        into.restore(done.memory);
        let sent = done.sent.map_err(Failure::from);
        self.is_broken = sent.is_err();
        let received = match done.received.map_err(Failure::from) {
            Err(error) => Err(error),
            Ok(0) => Ok(self.end()),
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

/// Free space that serves every connection: the plaintext of the longest TLS record
/// (RFC 8446 section 5.1).
pub const ROOM_MIN_BYTES: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::super::buf::Size;
    use super::super::deadline::Deadlines;
    use super::*;
    use crate::ring::io::on_each_backend;
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::net::sockopt;
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    #[test]
    fn an_answer_that_came_before_the_request_was_sent_is_not_lost() {
        on_each_backend(async |io, backend| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let deadlines = Deadlines::new(Instant::now());
            let socket = Socket::connect((&io, &deadlines), address, 10_000, u64::MAX);
            let socket = socket.await.unwrap();
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(b"answer").unwrap();
            sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
            drop(server);
            // The reset is here.
            poll(&mut [PollFd::new(socket.descriptor(), PollFlags::HUP)], None).unwrap();
            let mut connection = Connection::plain(socket);
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
