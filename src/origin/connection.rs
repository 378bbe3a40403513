//! One connection of the origin: requests in, answers out, until either side has enough.

use super::files::{File, RangeRequest, Sending};
use super::reply::{self, Moment, Reply};
use super::request::{Parsed, Request};
use super::route::{Action, Answer, Body, Cut, Framing, Wanted, route};
use super::sender::{Meter, Sender};
use super::shared::{Opened, Shared};
use super::wire::Transport;
use crate::limits;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustls::ServerConfig;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
    let transport = Transport::new(socket, tls)?;
    let input = Vec::with_capacity(INPUT_BYTES);
    let sender = Sender::new(shared, transport);
    let mut connection = Connection { shared, sender, input, files: Vec::new(), sending: None };
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
        Next::Request | Next::End => connection.sender.transport.finish(),
        Next::Cut => socket.shutdown(Shutdown::Write),
        Next::Reset => Ok(set_socket_linger(&**socket, Some(Duration::ZERO))?),
        Next::Silence => {
            socket.set_read_timeout(None)?;
            connection.wait_for_peer()
        }
    }
}

struct Connection<'a> {
    shared: &'a Shared,
    sender: Sender<'a>,
    /// Bytes received and not yet used.
    input: Vec<u8>,
    /// Files that were asked for lately, and the number that this connection has there.
    files: Vec<(Arc<File>, u64)>,
    /// The place of the body that is being sent, which one that stalls keeps.
    sending: Option<Sending>,
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
                let request = Request::default();
                return self.answer(&request, &answer);
            }
        };
        let listener = self.sender.transport.listener();
        let plan = route(&request.target, |target| self.shared.count_flaky(target));
        if !matches!(
            &plan.action,
            Action::Answer(Answer { body: Body::Stats | Body::FileStats(_) | Body::Change(_), .. })
        ) {
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
        if matches!(next, Next::Request) {
            self.sending = None;
        }
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
            let received = self.sender.transport.read(&mut self.input[len..]);
            self.input.truncate(len + received.as_ref().copied().unwrap_or(0));
            if received? == 0 {
                return Ok(Received::End);
            }
        }
    }

    fn answer(&mut self, request: &Request, answer: &Answer) -> io::Result<Next> {
        let fixed = |body: Vec<u8>| Reply::fixed(answer, body);
        let reply = match &answer.body {
            Body::File(wanted) => return self.file(request, answer, wanted),
            Body::Text(text) => fixed(text.as_bytes().to_vec()),
            Body::RequestFields => fixed(self.input[request.fields.clone()].to_vec()),
            Body::Stats => fixed(self.shared.stats_json().into_bytes()),
            Body::FileStats(path) => {
                let stats = self.shared.files.file(path).stats();
                fixed(serde_json::to_vec(&stats)?)
            }
            Body::Change(path) => {
                let changes = self.shared.files.file(path).change();
                fixed(format!("{path} has changed {changes} times\n").into_bytes())
            }
        };
        self.reply(request, reply, None)
    }

    fn file(&mut self, request: &Request, answer: &Answer, wanted: &Wanted) -> io::Result<Next> {
        let (file, connection) = self.known(&wanted.path);
        let mood = &wanted.mood;
        let place = file.enter(request.range.is_some(), connection);
        if request.range.is_some() {
            self.shared.count_range_request(self.sender.transport.listener());
        }
        if let Some(bytes) = mood.send_buffer {
            self.sender.transport.keep_at_most(bytes)?;
        }
        self.sending = Arc::clone(&file).send(mood.sending_max.unwrap_or(u64::MAX));
        let moment = Moment {
            changes: mood.change.count(&place),
            is_selected: mood.select.has(&place),
            now_s: reply::since_1970_s(SystemTime::now()),
            started_s: self.shared.started_s,
        };
        let mut reply = match self.sending {
            Some(_) => Reply::file(answer, wanted, request, &moment),
            None => Reply::refusal(503, wanted),
        };
        if let Some(range) = request.range.clone() {
            let (if_range, status) = (request.if_range.clone(), reply.status);
            file.remember(RangeRequest { range, if_range, status });
        }
        if !mood.has_no_date {
            reply.dated(moment.now_s);
        }
        self.reply(request, reply, Some(&file))
    }

    /// The record of a file, and the number of this connection among those that asked for it.
    fn known(&mut self, path: &str) -> (Arc<File>, u64) {
        let file = self.shared.files.file(path);
        if let Some((_, number)) = self.files.iter().find(|(known, _)| Arc::ptr_eq(known, &file)) {
            return (file, *number);
        }
        let number = file.connect();
        if self.files.len() == FILES_MAX {
            self.files.remove(0);
        }
        self.files.push((Arc::clone(&file), number));
        (file, number)
    }

    fn reply(
        &mut self,
        request: &Request,
        mut reply: Reply,
        file: Option<&File>,
    ) -> io::Result<Next> {
        // RFC 9112 section 6.1: a chunked response is not for HTTP/1.0.
        if reply.framing == Framing::Chunked && request.is_http10 {
            reply.framing = Framing::Close;
        }
        let is_kept =
            request.is_kept && reply.framing != Framing::Close && reply.cut == Cut::Nowhere;
        let len = reply.source.whole_len();
        // RFC 9110 section 6.4.1: no body for HEAD, 204 and 304.
        let has_body = !request.is_head && !matches!(reply.status, 204 | 304);
        head(&mut self.sender.out, request, &reply, len, is_kept)?;
        let (sent, end) = match reply.cut {
            Cut::Nowhere => (len, if is_kept { Next::Request } else { Next::End }),
            Cut::Close(sent) => (sent, Next::Cut),
            Cut::Reset(sent) => (sent, Next::Reset),
            Cut::Stall(sent) => (sent, Next::Silence),
        };
        let meter = Meter { file, listener: self.sender.transport.listener() };
        if has_body {
            self.sender.body(&reply, sent.min(len), meter)?;
        } else {
            self.sender.flush(meter)?;
        }
        Ok(end)
    }

    fn wait_for_peer(&mut self) -> io::Result<()> {
        self.input.resize(INPUT_BYTES, 0);
        while self.sender.transport.read(&mut self.input)? > 0 {}
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

fn head(
    out: &mut Vec<u8>,
    request: &Request,
    reply: &Reply,
    len: u64,
    is_kept: bool,
) -> io::Result<()> {
    write!(out, "HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status))?;
    write!(out, "Server: ringpull-origin\r\nContent-Type: {}\r\n", reply.content_type)?;
    out.extend_from_slice(reply.fields.as_bytes());
    match reply.framing {
        // RFC 9110 section 8.6: not with 204. With 304 it would be that of the whole.
        Framing::Length if matches!(reply.status, 204 | 304) => {}
        Framing::Length => write!(out, "Content-Length: {len}\r\n")?,
        Framing::Chunked => write!(out, "Transfer-Encoding: chunked\r\nTrailer: X-End\r\n")?,
        Framing::Close => {}
    }
    // A body that breaks off says nothing of the end beforehand, as a server that fails would.
    if !is_kept && reply.cut == Cut::Nowhere && reply.framing != Framing::Close {
        write!(out, "Connection: close\r\n")?;
    } else if is_kept && request.is_http10 {
        write!(out, "Connection: keep-alive\r\n")?;
    }
    write!(out, "\r\n")
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        416 => "Range Not Satisfiable",
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

/// Bytes asked for in one read.
const INPUT_BYTES: usize = 4 * 1024;
/// Files that a connection remembers to have asked for.
const FILES_MAX: usize = 16;
