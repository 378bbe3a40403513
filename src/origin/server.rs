//! The listeners of the origin, its open connections, and the end of both.
//!
//! One thread per connection, blocking: at a thousand connections their stacks are address space,
//! not memory, and nothing is shared on the way of a request but a few counters.

use super::{OriginConfig, cert, connection};
use crate::limits;
use anyhow::Context;
use rustix::net::Shutdown;
use rustls::ServerConfig;
use serde::Serialize;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// An origin that serves until it is dropped.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    accepting: Vec<(Arc<TcpListener>, JoinHandle<()>)>,
    http_url: String,
    https_url: Option<String>,
    ca_path: PathBuf,
}

/// One of the two listeners.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listener {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Counters of one listener; `/stats` gives `{"http":{...},"https":{...}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ListenerStats {
    /// Connections accepted.
    pub connections: u64,
    /// Requests understood, those for `/stats` left out.
    pub requests: u64,
    /// Connections open now, the one that asks included.
    pub open: u64,
    /// Most connections open at one time.
    pub open_max: u64,
}

impl Origin {
    pub(super) fn start(config: OriginConfig) -> anyhow::Result<Self> {
        let OriginConfig { addr, http_port, https_port, dir } = config;
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let ca_path = dir.join("ca.pem");
        let identity = cert::issue(addr)?;
        write(&ca_path, identity.ca_pem.as_bytes())?;

        let (http, http_port) = listen(addr, http_port)?;
        let https = https_port.map(|port| listen(addr, port)).transpose()?;
        let mut origin = Self {
            shared: Arc::default(),
            accepting: Vec::new(),
            http_url: format!("http://{}", SocketAddr::new(named(addr), http_port)),
            https_url: https.as_ref().map(|(_, port)| match named(addr).is_loopback() {
                true => format!("https://localhost:{port}"),
                false => format!("https://{}", SocketAddr::new(addr, *port)),
            }),
            ca_path,
        };
        origin.accept_on(http, None)?;
        if let Some((listener, _)) = https {
            origin.accept_on(listener, Some(identity.config))?;
        }
        let about = serde_json::json!({
            "http": origin.http_url, "https": origin.https_url, "ca": origin.ca_path,
        });
        write(&dir.join("origin.json"), about.to_string().as_bytes())?;
        Ok(origin)
    }

    /// `http://ADDRESS:PORT`, without a slash at the end.
    pub fn http_url(&self) -> &str {
        &self.http_url
    }

    /// `https://localhost:PORT`, without a slash at the end, when there is an HTTPS listener.
    pub fn https_url(&self) -> Option<&str> {
        self.https_url.as_deref()
    }

    /// The certificate of the authority that signed the HTTPS listener's, in PEM.
    pub fn ca_path(&self) -> &Path {
        &self.ca_path
    }

    /// The counters of one listener.
    pub fn stats(&self, listener: Listener) -> ListenerStats {
        self.shared.counters(listener).snapshot()
    }

    fn accept_on(
        &mut self,
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
    ) -> anyhow::Result<()> {
        let listener = Arc::new(listener);
        let (shared, accepted) = (Arc::clone(&self.shared), Arc::clone(&listener));
        let thread = std::thread::Builder::new()
            .name("origin-accept".to_owned())
            .spawn(move || accept(&shared, &accepted, tls.as_ref()))
            .context("cannot start a thread")?;
        self.accepting.push((listener, thread));
        Ok(())
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        *lock(&self.shared.is_stopped) = true;
        self.shared.stopping.notify_all();
        for (listener, thread) in self.accepting.drain(..) {
            // On Linux this makes a blocked accept return EINVAL. An error means that it will not
            // block, so joining is safe either way.
            let _ = rustix::net::shutdown(&*listener, Shutdown::Both);
            let _ = thread.join();
        }
        // Nobody adds connections any more. Each thread ends once its socket does.
        let mut open = lock(&self.shared.open);
        for socket in open.values() {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        while !open.is_empty() {
            let wait = self.shared.closed.wait_timeout(open, STOP_WAIT_MAX);
            let (left, result) = wait.unwrap_or_else(PoisonError::into_inner);
            open = left;
            if result.timed_out() {
                break;
            }
        }
    }
}

/// State that all threads of an origin share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    http: Counters,
    https: Counters,
    /// Requests so far for each `/flaky` target.
    flaky: Mutex<HashMap<String, u64>>,
    open: Mutex<HashMap<u64, Arc<TcpStream>>>,
    closed: Condvar,
    is_stopped: Mutex<bool>,
    stopping: Condvar,
}

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    requests: AtomicU64,
    open: AtomicU64,
    open_max: AtomicU64,
}

impl Counters {
    fn snapshot(&self) -> ListenerStats {
        ListenerStats {
            connections: self.connections.load(Ordering::SeqCst),
            requests: self.requests.load(Ordering::SeqCst),
            open: self.open.load(Ordering::SeqCst),
            open_max: self.open_max.load(Ordering::SeqCst),
        }
    }
}

impl Shared {
    /// Counts one request for `target` and tells how many came before it.
    pub(super) fn count_flaky(&self, target: &str) -> u64 {
        let mut flaky = lock(&self.flaky);
        if let Some(count) = flaky.get_mut(target) {
            *count += 1;
            return *count - 1;
        }
        if flaky.len() == limits::ORIGIN_FLAKY_URLS_MAX {
            return u64::MAX;
        }
        flaky.insert(target.to_owned(), 1);
        0
    }

    /// Counts one request on `listener`.
    pub(super) fn count_request(&self, listener: Listener) {
        self.counters(listener).requests.fetch_add(1, Ordering::SeqCst);
    }

    /// The body of `/stats`.
    pub(super) fn stats_json(&self) -> String {
        serde_json::json!({ "http": self.http.snapshot(), "https": self.https.snapshot() })
            .to_string()
    }

    /// Waits, but not beyond the end of the origin. Says whether the origin goes on.
    pub(super) fn pause(&self, ms: u64) -> bool {
        let is_stopped = lock(&self.is_stopped);
        let (is_stopped, _) = self
            .stopping
            .wait_timeout_while(is_stopped, Duration::from_millis(ms), |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !*is_stopped
    }

    fn counters(&self, listener: Listener) -> &Counters {
        match listener {
            Listener::Http => &self.http,
            Listener::Https => &self.https,
        }
    }
}

/// One open connection in the counters and in the table of sockets.
pub(super) struct Opened {
    shared: Arc<Shared>,
    listener: Listener,
    id: u64,
    is_counted: Cell<bool>,
}

impl Opened {
    fn new(shared: Arc<Shared>, listener: Listener, socket: &Arc<TcpStream>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let counters = shared.counters(listener);
        counters.connections.fetch_add(1, Ordering::SeqCst);
        let open = counters.open.fetch_add(1, Ordering::SeqCst) + 1;
        counters.open_max.fetch_max(open, Ordering::SeqCst);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        lock(&shared.open).insert(id, Arc::clone(socket));
        Self { shared, listener, id, is_counted: Cell::new(true) }
    }

    /// Takes the connection off the count of open ones. To be called before the peer can know of
    /// its end: otherwise the peer's next connection could be counted on top of this one.
    pub(super) fn uncount(&self) {
        if self.is_counted.replace(false) {
            self.shared.counters(self.listener).open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.uncount();
        let mut open = lock(&self.shared.open);
        open.remove(&self.id);
        if open.is_empty() {
            self.shared.closed.notify_all();
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) {
    let kind = if tls.is_some() { Listener::Https } else { Listener::Http };
    let counters = shared.counters(kind);
    loop {
        let is_full = counters.open.load(Ordering::SeqCst) >= limits::ORIGIN_CONNECTIONS_MAX;
        if !shared.pause(u64::from(is_full)) {
            return;
        }
        if is_full {
            continue;
        }
        let Ok((socket, _)) = listener.accept() else {
            // Out of descriptors, or a connection that was gone before it was taken.
            if !shared.pause(1) {
                return;
            }
            continue;
        };
        let socket = Arc::new(socket);
        // Entered here and not by its thread: dropping the origin joins this thread and then ends
        // every socket that was entered.
        let opened = Opened::new(Arc::clone(shared), kind, &socket);
        let (shared, tls) = (Arc::clone(shared), tls.cloned());
        // A failure drops the socket with the closure, which is all that can be done for the peer.
        let _ = std::thread::Builder::new()
            .name("origin-connection".to_owned())
            .stack_size(limits::ORIGIN_STACK_BYTES)
            .spawn(move || {
                // How a connection ends is the peer's affair or was asked for by the path.
                let _ = connection::serve(&shared, &opened, &socket, tls);
            });
    }
}

fn listen(addr: IpAddr, port: u16) -> anyhow::Result<(TcpListener, u16)> {
    let at = SocketAddr::new(addr, port);
    let listener = TcpListener::bind(at).with_context(|| format!("cannot listen on {at}"))?;
    // Listening again replaces the backlog of 128 that std asked for: a client's burst of connects
    // would overflow it and wait a second for its SYN to be sent again.
    rustix::net::listen(&listener, BACKLOG).with_context(|| format!("cannot listen on {at}"))?;
    let port = listener.local_addr().context("cannot learn the port")?.port();
    Ok((listener, port))
}

/// An address that a URL can have for a listener on `addr`.
fn named(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => addr,
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these mutexes is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections that wait to be accepted; the kernel lowers it to net.core.somaxconn.
const BACKLOG: i32 = 4_096;
/// How long dropping an origin waits for one more connection to end.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);
