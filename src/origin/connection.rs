//! One connection of the origin: requests in, answers out, until either side has enough.

use super::content::{self, Piece};
use super::request::{Parsed, Request};
use super::route::{Action, Answer, Body, Cut, Framing, route};
use super::server::{Listener, Opened, Shared};
use crate::limits;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Serves one connection to its end.
pub(super) fn serve(
    shared: &Shared,
    opened: &Opened,
    socket: &Arc<TcpStream>,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    let idle = Some(Duration::from_millis(limits::ORIGIN_IDLE_MAX_MS));
    socket.set_read_timeout(idle)?;
    socket.set_write_timeout(idle)?;
    set_tcp_nodelay(&**socket, true)?;
    let transport = match tls {
        None => Transport::Plain(Socket(Arc::clone(socket))),
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            Transport::Tls(Box::new(StreamOwned::new(session, Socket(Arc::clone(socket)))))
        }
    };
    let input = Vec::with_capacity(INPUT_BYTES);
    let mut connection = Connection { shared, transport, input, out: Vec::new() };
    let next = loop {
        match connection.exchange()? {
            Next::Request => {}
            next => break next,
        }
    };
    if !matches!(next, Next::Silence) {
        opened.uncount();
    }
    match next {
        Next::Request | Next::End => connection.transport.finish(),
        Next::Cut => socket.shutdown(Shutdown::Write),
        Next::Reset => Ok(set_socket_linger(&**socket, Some(Duration::ZERO))?),
        Next::Silence => connection.wait_for_peer(),
    }
}

struct Connection<'a> {
    shared: &'a Shared,
    transport: Transport,
    /// Bytes received and not yet used.
    input: Vec<u8>,
    /// Bytes sent next: the head, and the body where it is short. Kept for its memory.
    out: Vec<u8>,
}

/// Continuation after an exchange.
enum Next {
    /// Another request.
    Request,
    /// The orderly end of the connection.
    End,
    /// The end of the TCP connection without one of TLS.
    Cut,
    /// A reset.
    Reset,
    /// Nothing, until the peer ends the connection.
    Silence,
}

impl Connection<'_> {
    fn exchange(&mut self) -> io::Result<Next> {
        let request = match self.receive()? {
            Received::Request(request) => request,
            Received::End => return Ok(Next::End),
            Received::Nonsense { status } => {
                let answer = Answer::text(status, "this server does not understand that\n");
                let request = Request::refused();
                return self.answer(&request, &answer);
            }
        };
        let listener = self.transport.listener();
        let plan = route(&request.target, |target| self.shared.count_flaky(target));
        if !matches!(&plan.action, Action::Answer(Answer { body: Body::Stats, .. })) {
            self.shared.count_request(listener);
        }
        if plan.delay_ms > 0 && !self.shared.pause(plan.delay_ms) {
            return Ok(Next::Cut);
        }
        let next = match plan.action {
            Action::Answer(answer) => self.answer(&request, &answer)?,
            Action::Reset => Next::Reset,
            Action::Silence => Next::Silence,
            Action::Hangup => Next::End,
        };
        self.input.drain(..request.used);
        Ok(next)
    }

    fn receive(&mut self) -> io::Result<Received> {
        loop {
            if !self.input.is_empty() {
                match Request::parse(&self.input) {
                    Parsed::Request(request) => return Ok(Received::Request(request)),
                    Parsed::Nonsense { status } => return Ok(Received::Nonsense { status }),
                    Parsed::NeedInput => {}
                }
                if self.input.len() >= limits::ORIGIN_HEAD_BYTES_MAX {
                    return Ok(Received::Nonsense { status: 431 });
                }
            }
            let len = self.input.len();
            self.input.resize(len + INPUT_BYTES, 0);
            let received = self.transport.read(&mut self.input[len..]);
            self.input.truncate(len + received.as_ref().copied().unwrap_or(0));
            if received? == 0 {
                return Ok(Received::End);
            }
        }
    }

    fn answer(&mut self, request: &Request, answer: &Answer) -> io::Result<Next> {
        // RFC 9112 section 6.1: a chunked response is not for HTTP/1.0.
        let framing = match answer.framing {
            Framing::Chunked if request.is_http10 => Framing::Close,
            framing => framing,
        };
        let is_kept = request.is_kept && framing != Framing::Close && answer.cut == Cut::Nowhere;
        let source = match &answer.body {
            Body::Content { seed, len } => Source::Content { seed: *seed, len: *len },
            Body::Image(number) => Source::Bytes(content::image(*number).into()),
            Body::Text(text) => Source::Bytes(text.as_bytes().into()),
            Body::RequestFields => {
                Source::Bytes(self.input[request.fields.clone()].to_vec().into())
            }
            Body::Stats => Source::Bytes(self.shared.stats_json().into_bytes().into()),
        };
        let len = source.len();
        // RFC 9110 section 6.4.1: no body for HEAD, 204 and 304.
        let has_body = !request.is_head && !matches!(answer.status, 204 | 304);
        self.head(request, answer, framing, len, is_kept)?;
        let (sent, end) = match answer.cut {
            Cut::Nowhere => (len, if is_kept { Next::Request } else { Next::End }),
            Cut::Close(sent) => (sent, Next::Cut),
            Cut::Reset(sent) => (sent, Next::Reset),
            Cut::Stall(sent) => (sent, Next::Silence),
        };
        if has_body {
            self.body(&source, sent.min(len), framing)?;
        }
        self.flush()?;
        Ok(end)
    }

    fn head(
        &mut self,
        request: &Request,
        answer: &Answer,
        framing: Framing,
        len: u64,
        is_kept: bool,
    ) -> io::Result<()> {
        let out = &mut self.out;
        write!(out, "HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status))?;
        write!(out, "Server: ringpull-origin\r\nContent-Type: {}\r\n", answer.content_type)?;
        match &answer.body {
            Body::Content { seed, len } => write!(out, "ETag: \"{seed:016x}-{len:x}\"\r\n")?,
            Body::Image(number) => write!(out, "ETag: \"image-{number:x}\"\r\n")?,
            Body::Text(_) | Body::RequestFields | Body::Stats => {}
        }
        if let Some(location) = &answer.location {
            write!(out, "Location: {location}\r\n")?;
        }
        if let Some(seconds) = answer.retry_after {
            write!(out, "Retry-After: {seconds}\r\n")?;
        }
        match framing {
            // RFC 9110 section 8.6: not with 204.
            Framing::Length if answer.status == 204 => {}
            Framing::Length => write!(out, "Content-Length: {len}\r\n")?,
            Framing::Chunked => write!(out, "Transfer-Encoding: chunked\r\nTrailer: X-End\r\n")?,
            Framing::Close => {}
        }
        // A body that breaks off says nothing of the end beforehand, as a server that fails would.
        if !is_kept && answer.cut == Cut::Nowhere && framing != Framing::Close {
            write!(out, "Connection: close\r\n")?;
        } else if is_kept && request.is_http10 {
            write!(out, "Connection: keep-alive\r\n")?;
        }
        write!(out, "\r\n")
    }

    fn body(&mut self, source: &Source<'_>, len: u64, framing: Framing) -> io::Result<()> {
        let mut offset = 0;
        let mut chunk = 0;
        while offset < len {
            let mut wanted = usize::try_from(len - offset).unwrap_or(usize::MAX);
            if framing == Framing::Chunked {
                // Sizes that end nowhere near a power of two, with an extension on the odd ones.
                wanted = wanted.min(CHUNK_BYTES[chunk % CHUNK_BYTES.len()]);
                let extension = if chunk % 2 == 1 { ";n=1" } else { "" };
                write!(self.out, "{wanted:x}{extension}\r\n")?;
                chunk += 1;
            }
            let end = offset + wanted as u64;
            while offset < end {
                let wanted = usize::try_from(end - offset).unwrap_or(usize::MAX);
                offset += self.send(&source.piece(offset, wanted))? as u64;
            }
            if framing == Framing::Chunked {
                self.out.extend_from_slice(b"\r\n");
            }
        }
        if framing == Framing::Chunked {
            self.out.extend_from_slice(b"0\r\nX-End: yes\r\n\r\n");
        }
        Ok(())
    }

    /// Sends a piece with what is waiting; a short one waits itself. Returns its length.
    fn send(&mut self, piece: &Piece<'_>) -> io::Result<usize> {
        let bytes = piece.as_slice();
        if self.out.len() + bytes.len() <= OUT_BYTES {
            self.out.extend_from_slice(bytes);
        } else {
            self.flush()?;
            self.transport.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.transport.write_all(&self.out)?;
        self.out.clear();
        self.transport.flush()
    }

    fn wait_for_peer(&mut self) -> io::Result<()> {
        self.input.resize(INPUT_BYTES, 0);
        while self.transport.read(&mut self.input)? > 0 {}
        Ok(())
    }
}

/// Result of a read.
enum Received {
    Request(Request),
    Nonsense {
        status: u16,
    },
    /// The end of the input.
    End,
}

/// Source of the body's bytes.
enum Source<'a> {
    Content { seed: u64, len: u64 },
    Bytes(Cow<'a, [u8]>),
}

impl Source<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Content { len, .. } => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }

    fn piece(&self, offset: u64, len_max: usize) -> Piece<'_> {
        match self {
            Self::Content { seed, .. } => content::piece(*seed, offset, len_max),
            Self::Bytes(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
                let rest = rest.unwrap_or_default();
                Piece::Slice(&rest[..rest.len().min(len_max)])
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        // RFC 9112 section 4: the phrase may be empty, and clients are to ignore it.
        _ => "",
    }
}

enum Transport {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Transport {
    fn listener(&self) -> Listener {
        match self {
            Self::Plain(_) => Listener::Http,
            Self::Tls(_) => Listener::Https,
        }
    }

    /// Ends the connection as each protocol has it.
    fn finish(&mut self) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                &mut stream.sock
            }
        };
        socket.0.shutdown(Shutdown::Write)
    }
}

impl Read for Transport {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(out),
            Self::Tls(stream) => stream.read(out),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket that the table of open connections holds as well, to end it with the origin.
struct Socket(Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(out)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes asked for in one read.
const INPUT_BYTES: usize = 4 * 1024;
/// A head and a body up to this many bytes go out in one write.
const OUT_BYTES: usize = 64 * 1024;
/// Sizes of chunks, in turn.
const CHUNK_BYTES: [usize; 5] = [1, 1_000, 17, 40_000, 3];
