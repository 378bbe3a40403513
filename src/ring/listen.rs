//! A small server with threads of its own, for programs that watch a run: few connections at a
//! time, one request each, everything bounded. It shares nothing with the data plane but a CPU.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Scope};
use std::time::{Duration, Instant};

/// A port that is listened on and not served yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

/// The thread that serves it; dropping the value ends it and closes the port.
#[derive(Debug)]
pub struct Serving {
    shared: Arc<Ends>,
    socket: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

/// Handles that end the threads at any moment.
#[derive(Debug, Default)]
struct Ends {
    is_over: AtomicBool,
    open: Mutex<Open>,
}

/// The connections that are served, the oldest first, each with its number.
#[derive(Debug, Default)]
struct Open {
    streams: VecDeque<(u64, TcpStream)>,
    admitted: u64,
}

impl Listener {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is taken, or not of this machine (bind(2)).
    pub fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(addr)?;
        let addr = socket.local_addr()?;
        Ok(Self { socket, addr })
    }

    /// Address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves. `answer` is given what has come of a request so far, and gives the whole response
    /// once that is enough.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn serve(
        self,
        name: &str,
        answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> io::Result<Serving> {
        let (socket, shared) = (Arc::new(self.socket), Arc::new(Ends::default()));
        let (accepting, ends) = (Arc::clone(&socket), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name(name.to_owned());
        let (name, answer) = (name.to_owned(), Mutex::new(answer));
        let thread = thread.spawn(move || {
            std::thread::scope(|scope| {
                while !ends.is_over.load(Ordering::Acquire) {
                    // No descriptors or no threads, for instance: they may come back.
                    if ends.admit(&accepting, &name, scope, &answer).is_err() {
                        std::thread::sleep(RETRY_PAUSE);
                    }
                }
            });
        })?;
        Ok(Serving { shared, socket, thread: Some(thread) })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Ends a wait in accept(2), which then fails.
        let _: rustix::io::Result<()> =
            rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
        for (_, stream) in &self.shared.open().streams {
            let _: io::Result<()> = stream.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            // A panic has been told of; the run is over anyway.
            let _: std::thread::Result<()> = thread.join();
        }
    }
}

impl Ends {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a connection and serves it, on a thread of its own. Where there are many, the
    /// oldest makes room: clients that say nothing are in nobody's way.
    fn admit<'scope, F: FnMut(&[u8]) -> Option<Vec<u8>> + Send>(
        &'scope self,
        socket: &TcpListener,
        name: &str,
        scope: &'scope Scope<'scope, '_>,
        answer: &'scope Mutex<F>,
    ) -> io::Result<()> {
        let (stream, _) = socket.accept()?;
        let seen = stream.try_clone()?;
        let mut open = self.open();
        // The end shuts down what it finds here: it may not come later.
        if self.is_over.load(Ordering::Acquire) {
            return Ok(());
        }
        if open.streams.len() >= CONNECTIONS_MAX
            && let Some((_, oldest)) = open.streams.pop_front()
        {
            let _: io::Result<()> = oldest.shutdown(Shutdown::Both);
        }
        open.admitted += 1;
        let number = open.admitted;
        open.streams.push_back((number, seen));
        drop(open);
        let serve = move || {
            // A client that misbehaves or goes away is its own affair.
            let _: io::Result<()> = exchange(stream, answer);
            self.leave(number);
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        let started = thread.spawn_scoped(scope, serve).map(drop);
        started.inspect_err(|_| self.leave(number))
    }

    fn leave(&self, number: u64) {
        self.open().streams.retain(|(other, _)| *other != number);
    }
}

/// One request and its response.
fn exchange(
    mut stream: TcpStream,
    answer: &Mutex<impl FnMut(&[u8]) -> Option<Vec<u8>>>,
) -> io::Result<()> {
    let ends_at = Instant::now() + EXCHANGE_MAX;
    let mut request = Vec::new();
    let mut piece = [0_u8; 2_048];
    let response = loop {
        stream.set_read_timeout(Some(left(ends_at)?))?;
        let count = stream.read(&mut piece)?;
        request.extend_from_slice(&piece[..count]);
        let response = (answer.lock().unwrap_or_else(PoisonError::into_inner))(&request);
        if let Some(response) = response {
            break response;
        }
        if count == 0 || request.len() > REQUEST_BYTES_MAX {
            return Ok(());
        }
    };
    stream.set_write_timeout(Some(left(ends_at)?))?;
    stream.write_all(&response)?;
    stream.shutdown(Shutdown::Write)?;
    // Closing with bytes unread would reset the connection, and the response with it (RFC 9112
    // section 9.6).
    let drained_at = ends_at.min(Instant::now() + DRAIN_MAX);
    loop {
        stream.set_read_timeout(Some(left(drained_at)?))?;
        if stream.read(&mut piece)? == 0 {
            return Ok(());
        }
    }
}

/// Time left, which is not zero.
fn left(ends_at: Instant) -> io::Result<Duration> {
    let left = ends_at.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Most connections at a time; a further one ends the oldest.
const CONNECTIONS_MAX: usize = 16;
/// Longest time that one connection may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);
/// Longest time that a client may take to hang up after its response.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// Longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Pause between two calls of accept(2) that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(request: &[u8]) -> Option<Vec<u8>> {
        request.ends_with(b"!").then(|| request.to_ascii_uppercase())
    }

    fn listener() -> Listener {
        Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    #[test]
    fn one_request_after_another() {
        let listener = listener();
        let addr = listener.addr();
        let serving = listener.serve("test", echo).unwrap();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.write_all(b"he").unwrap();
            stream.write_all(b"llo!").unwrap();
            let mut got = String::new();
            stream.read_to_string(&mut got).unwrap();
            assert_eq!(got, "HELLO!");
        }
        // More than a request may have.
        let mut stream = TcpStream::connect(addr).unwrap();
        let sent = stream.write_all(&[b'x'; 3 * REQUEST_BYTES_MAX]);
        let got = sent.and_then(|()| stream.read_to_end(&mut Vec::new()));
        assert!(matches!(got, Ok(0) | Err(_)), "{got:?}");
        drop(serving);
        assert!(TcpStream::connect(addr).is_err(), "the port is closed");
    }

    #[test]
    fn it_ends_although_a_client_says_nothing() {
        let listener = listener();
        let stream = TcpStream::connect(listener.addr()).unwrap();
        let (asked, is_asked) = std::sync::mpsc::channel();
        let serving = listener.serve("test", move |_| {
            asked.send(()).unwrap();
            None
        });
        (&stream).write_all(b"x").unwrap();
        is_asked.recv().unwrap();
        drop(serving);
    }

    #[test]
    fn clients_that_say_nothing_are_in_nobodys_way() {
        let listener = listener();
        let addr = listener.addr();
        let serving = listener.serve("test", echo).unwrap();
        let mut silent: Vec<TcpStream> =
            (0..4 * CONNECTIONS_MAX).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(b"hello!").unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        assert_eq!(got, "HELLO!");
        assert_eq!(silent[0].read(&mut [0]).unwrap(), 0, "the oldest made room");
        let newest = silent.last_mut().unwrap();
        newest.set_nonblocking(true).unwrap();
        let waits = newest.read(&mut [0]).unwrap_err();
        assert_eq!(waits.kind(), io::ErrorKind::WouldBlock, "it has its time still");
        drop(serving);
    }

    #[test]
    fn a_port_is_given_once() {
        let listener = listener();
        let again = Listener::bind(listener.addr()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
    }
}
