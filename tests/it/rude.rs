//! A server that does to each request what a script says, and remembers what it was sent.

use crate::certs::Identity;
use crate::cmd::eventually;
use crate::sockets::{Acceptor, talk};
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// One thing done in answer to a request.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    /// Sends the bytes.
    Send(Vec<u8>),
    /// Sends them one at a time.
    Drip(Vec<u8>),
    /// Sends them so many at a time.
    Pieces(usize, Vec<u8>),
    /// Sends the bytes and, at once with them, TLS's close_notify; the TCP connection stays open.
    SendAndNotify(Vec<u8>),
    /// Says nothing until the peer ends the connection.
    Stall,
    /// Does nothing for so long.
    Rest(Duration),
    /// Waits for [`Rude::open_gate`].
    Gate,
    /// Sends the bytes again and again, with a rest between, until [`Rude::open_gate`].
    TrickleUntilGate(Duration, Vec<u8>),
    /// Notes an event in the log once so much time has passed, while the script goes on. A test
    /// that wants "not earlier than" looks at the order of events, so a slow machine cannot fail
    /// it.
    Mark(Duration, &'static str),
    /// Sends the bytes beneath TLS, which did not make them.
    SendBeneath(Vec<u8>),
    /// Resets the TCP connection.
    Reset,
    /// Ends the connection in good order, over TLS with a close_notify.
    Close,
    /// Ends the TCP connection without a word to TLS.
    Cut,
}

/// What is done in answer to one request; the connection lives on unless a verb ends it.
pub(crate) type Script = Vec<Verb>;

/// A 200 with this body.
pub(crate) fn ok(body: &[u8]) -> Script {
    vec![Verb::Send(response("200 OK", "", body))]
}

/// A response with a Content-Length. `fields` are whole lines.
pub(crate) fn response(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let mut out =
        format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {len}\r\n\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}

/// A 200 in chunks of so many bytes. `fields` are whole lines.
pub(crate) fn chunked(fields: &str, body: &[u8], chunk_len: usize) -> Vec<u8> {
    let mut out =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{fields}\r\n").into_bytes();
    for chunk in body.chunks(chunk_len) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// A response without a body that sends the client elsewhere.
pub(crate) fn redirect(location: &str) -> Script {
    vec![Verb::Send(response("302 Found", &format!("Location: {location}\r\n"), b""))]
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// A request came.
    Request {
        /// Connection it came on, counted from 0.
        connection: usize,
        /// Its target.
        path: String,
        /// Its head as it was sent.
        head: String,
    },
    /// A [`Verb::Mark`] went off.
    Mark(&'static str),
}

/// Scripts by path, before the server starts.
#[derive(Default)]
pub(crate) struct Plan {
    scripts: HashMap<String, Vec<Script>>,
    otherwise: Option<Script>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Each request for `path` takes the next script; the last one repeats.
    pub(crate) fn on(mut self, path: &str, scripts: impl IntoIterator<Item = Script>) -> Self {
        self.scripts.insert(path.to_owned(), scripts.into_iter().collect());
        self
    }

    /// What other paths get; without it, 404.
    pub(crate) fn otherwise(mut self, script: Script) -> Self {
        self.otherwise = Some(script);
        self
    }

    /// Starts over plain TCP.
    pub(crate) fn start(self) -> Rude {
        Rude::start(self, None)
    }

    /// Starts over TLS.
    pub(crate) fn start_tls(self, identity: &Identity) -> Rude {
        self.start_tls_as(identity.server_config())
    }

    /// Starts over TLS of this kind.
    pub(crate) fn start_tls_as(self, config: Arc<ServerConfig>) -> Rude {
        Rude::start(self, Some(config))
    }
}

/// A running server; it ends with the value.
pub(crate) struct Rude {
    shared: Arc<Shared>,
    acceptor: Acceptor,
    is_tls: bool,
}

impl Rude {
    fn start(plan: Plan, tls: Option<Arc<ServerConfig>>) -> Self {
        let shared = Arc::new(Shared {
            plan: Mutex::new(plan),
            state: Mutex::default(),
            gate: Condvar::new(),
        });
        let is_tls = tls.is_some();
        let for_thread = Arc::clone(&shared);
        let acceptor = Acceptor::start(Ipv4Addr::LOCALHOST, move |socket| {
            let (shared, tls) = (Arc::clone(&for_thread), tls.clone());
            let socket = Arc::new(socket);
            let connection = {
                let mut state = shared.state();
                state.sockets.push(Arc::clone(&socket));
                state.connections += 1;
                state.connections - 1
            };
            std::thread::spawn(move || {
                // The peer may end it at any time.
                let _ = serve(&shared, connection, &socket, tls);
                shared.state().sockets.retain(|kept| !Arc::ptr_eq(kept, &socket));
            });
        });
        Self { shared, acceptor, is_tls }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.acceptor.addr()
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr().port()
    }

    /// The URL of a path, at `localhost` over TLS and at 127.0.0.1 otherwise.
    pub(crate) fn url(&self, path: &str) -> String {
        let (scheme, host) =
            if self.is_tls { ("https", "localhost") } else { ("http", "127.0.0.1") };
        format!("{scheme}://{host}:{}{path}", self.port())
    }

    /// The URL of a path at another host name, for use with `--resolve`.
    pub(crate) fn url_at(&self, host: &str, path: &str) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.port())
    }

    /// The value of a `--resolve` that leads `host` here.
    pub(crate) fn resolve(&self, host: &str) -> String {
        format!("{host}:{}:127.0.0.1", self.port())
    }

    /// As [`Plan::on`], for scripts that name the server itself.
    pub(crate) fn on(&self, path: &str, scripts: impl IntoIterator<Item = Script>) {
        let scripts = scripts.into_iter().collect();
        self.shared.plan.lock().unwrap().scripts.insert(path.to_owned(), scripts);
    }

    /// Lets everything that waits at [`Verb::Gate`] go on, now and later.
    pub(crate) fn open_gate(&self) {
        self.shared.state().is_gate_open = true;
        self.shared.gate.notify_all();
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.shared.state().events.clone()
    }

    /// Paths of the requests so far, and marks as `!NAME`, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        let told = |event| match event {
            Event::Request { path, .. } => path,
            Event::Mark(name) => format!("!{name}"),
        };
        self.events().into_iter().map(told).collect()
    }

    /// Heads of the requests for a path.
    pub(crate) fn heads(&self, wanted: &str) -> Vec<String> {
        let of = |event| match event {
            Event::Request { path, head, .. } if path == wanted => Some(head),
            Event::Request { .. } | Event::Mark(_) => None,
        };
        self.events().into_iter().filter_map(of).collect()
    }

    /// What clients named over TLS (SNI), one for each connection that asked for something.
    pub(crate) fn server_names(&self) -> Vec<String> {
        self.shared.state().server_names.clone()
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.state().connections
    }
}

impl Drop for Rude {
    fn drop(&mut self) {
        self.acceptor.stop();
        self.open_gate();
        for socket in &self.shared.state().sockets {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

struct Shared {
    plan: Mutex<Plan>,
    state: Mutex<State>,
    gate: Condvar,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    requests: HashMap<String, usize>,
    sockets: Vec<Arc<TcpStream>>,
    connections: usize,
    server_names: Vec<String>,
    is_gate_open: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Notes the request and finds its script.
    fn script(&self, connection: usize, head: String) -> Script {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut state = self.state();
        let count = state.requests.entry(path.clone()).or_default();
        *count += 1;
        let nth = *count - 1;
        let plan = self.plan.lock().unwrap();
        let script = match plan.scripts.get(&path) {
            Some(scripts) => scripts.get(nth).or_else(|| scripts.last()).cloned(),
            None => plan.otherwise.clone(),
        };
        state.events.push(Event::Request { connection, path, head });
        script.unwrap_or_else(|| vec![Verb::Send(response("404 Not Found", "", b""))])
    }
}

trait Stream: Read + Write + Send {
    /// The orderly end of the protocol above TCP.
    fn farewell(&mut self) -> io::Result<()>;

    /// What the client calls the server, once it has spoken.
    fn server_name(&self) -> Option<String>;

    /// Sends the bytes and that end in one go.
    fn last_words(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn farewell(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn server_name(&self) -> Option<String> {
        None
    }

    fn last_words(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn farewell(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        self.flush()
    }

    fn server_name(&self) -> Option<String> {
        self.conn.server_name().map(str::to_owned)
    }

    fn last_words(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Not `self.write_all`, which sends at once.
        self.conn.writer().write_all(bytes)?;
        self.farewell()
    }
}

fn serve(
    shared: &Arc<Shared>,
    connection: usize,
    socket: &Arc<TcpStream>,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    set_tcp_nodelay(&**socket, true)?;
    let stream = socket.try_clone()?;
    let mut stream: Box<dyn Stream> = match tls {
        None => Box::new(stream),
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            Box::new(StreamOwned::new(session, stream))
        }
    };
    let mut is_first = true;
    while let Some(head) = read_head(&mut *stream)? {
        if std::mem::replace(&mut is_first, false) {
            shared.state().server_names.extend(stream.server_name());
        }
        for verb in shared.script(connection, head) {
            if perform(shared, verb, socket, &mut *stream)? == Goes::Away {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[derive(PartialEq)]
enum Goes {
    On,
    Away,
}

fn perform(
    shared: &Arc<Shared>,
    verb: Verb,
    socket: &TcpStream,
    stream: &mut dyn Stream,
) -> io::Result<Goes> {
    match verb {
        Verb::Send(bytes) => {
            stream.write_all(&bytes)?;
            stream.flush()?;
        }
        Verb::Drip(bytes) => send_pieces(stream, 1, &bytes)?,
        Verb::Pieces(len, bytes) => send_pieces(stream, len, &bytes)?,
        Verb::SendAndNotify(bytes) => stream.last_words(&bytes)?,
        Verb::Stall => {
            while stream.read(&mut [0; 1_024])? > 0 {}
            return Ok(Goes::Away);
        }
        Verb::Rest(time) => std::thread::sleep(time),
        Verb::Gate => {
            let state = shared.state();
            let _open = shared.gate.wait_while(state, |state| !state.is_gate_open).unwrap();
        }
        Verb::TrickleUntilGate(rest, bytes) => {
            while !shared.state().is_gate_open {
                stream.write_all(&bytes)?;
                stream.flush()?;
                std::thread::sleep(rest);
            }
        }
        Verb::Mark(after, name) => {
            let shared = Arc::clone(shared);
            std::thread::spawn(move || {
                std::thread::sleep(after);
                shared.state().events.push(Event::Mark(name));
            });
        }
        Verb::SendBeneath(bytes) => (&*socket).write_all(&bytes)?,
        Verb::Reset => {
            set_socket_linger(socket, Some(Duration::ZERO))?;
            return Ok(Goes::Away);
        }
        Verb::Close => {
            stream.farewell()?;
            socket.shutdown(Shutdown::Write)?;
            return Ok(Goes::Away);
        }
        Verb::Cut => {
            socket.shutdown(Shutdown::Write)?;
            return Ok(Goes::Away);
        }
    }
    Ok(Goes::On)
}

fn send_pieces(stream: &mut dyn Stream, len: usize, bytes: &[u8]) -> io::Result<()> {
    for piece in bytes.chunks(len) {
        stream.write_all(piece)?;
        stream.flush()?;
    }
    Ok(())
}

/// One request head; clients send no bodies and do not pipeline.
fn read_head(stream: &mut dyn Stream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

#[test]
fn scripts_take_turns_and_requests_are_kept() {
    let server = Plan::new()
        .on("/a", [ok(b"one"), vec![Verb::Drip(response("200 OK", "", b"two")), Verb::Close]])
        .start();
    let request = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(request).unwrap();
    let wanted = response("200 OK", "", b"one");
    let mut got = vec![0; wanted.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, wanted);
    assert_eq!(talk(server.addr(), request), response("200 OK", "", b"two"));
    assert_eq!(server.log(), ["/a", "/a"]);
    assert_eq!(server.heads("/a")[1].as_bytes(), request);
    assert_eq!(server.connections(), 2);
}

#[test]
fn resets_gates_and_marks() {
    let mark = Verb::Mark(Duration::from_millis(1), "later");
    let server = Plan::new()
        .on("/reset", [vec![Verb::Send(b"HTTP/1.1".to_vec()), Verb::Reset]])
        .on("/gate", [vec![mark, Verb::Gate, Verb::Send(b"through".to_vec()), Verb::Close]])
        .start();
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"GET /reset HTTP/1.1\r\n\r\n").unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

    let addr = server.addr();
    let waiting = std::thread::spawn(move || talk(addr, b"GET /gate HTTP/1.1\r\n\r\n"));
    assert!(eventually(|| server.log() == ["/reset", "/gate", "!later"]));
    assert!(!waiting.is_finished());
    server.open_gate();
    assert_eq!(waiting.join().unwrap(), b"through");
}
