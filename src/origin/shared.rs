//! What the threads of an origin share: counters, the files that were asked for, the open
//! connections, and the end of it all.

use super::files::Files;
use super::reply;
use crate::limits;
use serde::Serialize;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

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
    /// Requests understood, those for `/stats` and `/change` left out.
    pub requests: u64,
    /// Requests for files with a Range field.
    pub range_requests: u64,
    /// Bytes of files' bodies that the kernel took.
    pub body_bytes: u64,
    /// Connections open now, the one that asks included.
    pub open: u64,
    /// Most connections open at one time.
    pub open_max: u64,
}

/// State that all threads of an origin share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    http: Counters,
    https: Counters,
    /// What was asked for so far.
    pub(super) files: Files,
    /// Time of the origin's start, in seconds since 1970.
    pub(super) started_s: u64,
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
    range_requests: AtomicU64,
    body_bytes: AtomicU64,
    open: AtomicU64,
    open_max: AtomicU64,
}

impl Counters {
    fn snapshot(&self) -> ListenerStats {
        ListenerStats {
            connections: self.connections.load(Ordering::SeqCst),
            requests: self.requests.load(Ordering::SeqCst),
            range_requests: self.range_requests.load(Ordering::SeqCst),
            body_bytes: self.body_bytes.load(Ordering::SeqCst),
            open: self.open.load(Ordering::SeqCst),
            open_max: self.open_max.load(Ordering::SeqCst),
        }
    }
}

impl Shared {
    /// The state of an origin that starts now.
    pub(super) fn new() -> Self {
        Self { started_s: reply::since_1970_s(SystemTime::now()), ..Self::default() }
    }

    /// Ends every wait of [`Shared::pause`].
    pub(super) fn stop(&self) {
        *lock(&self.is_stopped) = true;
        self.stopping.notify_all();
    }

    /// Ends every connection, and waits for the threads that serve them: each ends once its socket
    /// does.
    pub(super) fn end_all(&self) {
        let mut open = lock(&self.open);
        for socket in open.values() {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
        while !open.is_empty() {
            let wait = self.closed.wait_timeout(open, STOP_WAIT_MAX);
            let (left, result) = wait.unwrap_or_else(PoisonError::into_inner);
            open = left;
            if result.timed_out() {
                break;
            }
        }
    }

    /// The counters of one listener.
    pub(super) fn stats(&self, listener: Listener) -> ListenerStats {
        self.counters(listener).snapshot()
    }

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

    /// Counts one request with a Range field on `listener`.
    pub(super) fn count_range_request(&self, listener: Listener) {
        self.counters(listener).range_requests.fetch_add(1, Ordering::SeqCst);
    }

    /// Counts bytes of a body sent on `listener`.
    pub(super) fn count_body(&self, listener: Listener, bytes: usize) {
        self.counters(listener).body_bytes.fetch_add(bytes as u64, Ordering::SeqCst);
    }

    /// The body of `/stats`.
    pub(super) fn stats_json(&self) -> String {
        serde_json::json!({ "http": self.http.snapshot(), "https": self.https.snapshot() })
            .to_string()
    }

    /// Waits, but not beyond the end of the origin. Says whether the origin goes on.
    pub(super) fn pause(&self, ms: u64) -> bool {
        self.pause_for(Duration::from_millis(ms))
    }

    /// Waits as [`Shared::pause`] does, for any time.
    pub(super) fn pause_for(&self, time: Duration) -> bool {
        let is_stopped = lock(&self.is_stopped);
        let (is_stopped, _) = self
            .stopping
            .wait_timeout_while(is_stopped, time, |stopped| !*stopped)
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
    /// Enters a connection that was accepted.
    pub(super) fn new(shared: Arc<Shared>, listener: Listener, socket: &Arc<TcpStream>) -> Self {
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these mutexes is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long dropping an origin waits for one more connection to end.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);
