//! Deadlines of one core. Each socket has one row in a table; a task looks at the table a few times
//! a second and shuts down what is late, so that a wait costs no timer of its own.
//!
//! shutdown(2) completes whatever operation waits on the socket, a pending connect included, and
//! leaves the descriptor open: the waiter joins its operation, asks [`Watch::verdict`] why it
//! ended, and closes.
//!
//! The kernel is asked how much of a body has come (tcp(7), TCP_INFO): a receive that is partly
//! filled is invisible here, and a count of our own would cost something with every receive. The
//! kernel is asked only when a socket is due.

use super::tcp_info::TcpInfo;
use crate::fault::Cause;
use rustix::net::Shutdown;
use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Rule by which a socket is judged late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// A socket is late when the time is over.
    Total,
    /// A socket is late when the peer sends nothing for too long, or too little.
    Body(StallLimits),
}

/// Limits for a peer that sends a body slowly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StallLimits {
    /// Longest time without one byte, in milliseconds.
    pub idle_ms: u64,
    /// Window over which the speed is judged, in milliseconds of our receiving; time spent
    /// elsewhere does not count.
    pub window_ms: u64,
    /// Bytes that must come in every such window; 0 expects none.
    pub window_bytes_min: u64,
}

/// The deadlines of one core.
#[derive(Clone, Debug)]
pub struct Deadlines {
    table: Rc<RefCell<Table>>,
    began: Instant,
}

#[derive(Debug, Default)]
struct Table {
    rows: Vec<Row>,
    free: Vec<usize>,
    /// Time of the last sweep, in milliseconds.
    swept_ms: u64,
    is_interrupted: bool,
}

#[derive(Clone, Debug)]
struct Row {
    fd: RawFd,
    rule: Rule,
    /// Time at which the row is due, in milliseconds; `u64::MAX` is never.
    at_ms: u64,
    /// Time at which the job is over in any case, in milliseconds.
    job_at_ms: u64,
    /// Begin of the wait for which the row is armed, in milliseconds.
    armed_ms: u64,
    /// Window of the body that is received, if one is.
    window: Option<Window>,
    verdict: Option<Cause>,
    /// Says that nobody wants what comes on the socket any more.
    cut: Option<Arc<AtomicBool>>,
}

/// The window over which the speed of one body is judged.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Begin of receiving without a pause, in milliseconds; `None` in a pause.
    since_ms: Option<u64>,
    /// Time of receiving before that pause, in milliseconds.
    spent_ms: u64,
    /// Count of the kernel when the window began; `None` until it was asked. The first sweep asks,
    /// so a body that is done before costs nothing.
    bytes_before: Option<u64>,
}

/// One socket's row in the table; gone when dropped.
#[derive(Debug)]
pub struct Watch {
    deadlines: Deadlines,
    index: usize,
}

impl Deadlines {
    /// An empty table. `began` is the start of the run: all times count from it.
    pub fn new(began: Instant) -> Self {
        Self { table: Rc::default(), began }
    }

    /// Milliseconds since the run began.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A row for a socket, which must stay open until the row is dropped.
    pub fn watch(&self, socket: &OwnedFd) -> Watch {
        let fd = socket.as_raw_fd();
        let row = Row {
            fd,
            rule: Rule::Total,
            at_ms: u64::MAX,
            job_at_ms: u64::MAX,
            armed_ms: 0,
            window: None,
            verdict: None,
            cut: None,
        };
        let mut table = self.table.borrow_mut();
        let index = match table.free.pop() {
            Some(index) => {
                table.rows[index] = row;
                index
            }
            None => {
                table.rows.push(row);
                table.rows.len() - 1
            }
        };
        Watch { deadlines: self.clone(), index }
    }

    /// Shuts down every socket that is late.
    pub fn sweep(&self) {
        let now_ms = self.now_ms();
        let table = &mut *self.table.borrow_mut();
        let gap_ms = now_ms.saturating_sub(std::mem::replace(&mut table.swept_ms, now_ms));
        for row in &mut table.rows {
            if gap_ms > GAP_MAX_MS {
                row.excuse(gap_ms, now_ms);
            }
            let is_cut = row.cut.as_ref().is_some_and(|cut| cut.load(Ordering::Relaxed));
            if is_cut && row.fd >= 0 && row.verdict.is_none() {
                row.end(Cause::Timeout);
                continue;
            }
            if row.at_ms.min(row.job_at_ms) > now_ms || row.fd < 0 {
                continue;
            }
            if row.job_at_ms <= now_ms {
                row.end(Cause::JobTimeout);
                continue;
            }
            match row.rule {
                Rule::Total => row.end(Cause::Timeout),
                Rule::Body(patience) => match row.judge(&patience, TcpInfo::of(row.fd), now_ms) {
                    Ok(at_ms) => row.at_ms = at_ms,
                    Err(cause) => row.end(cause),
                },
            }
        }
    }

    /// Shuts down every socket that somebody waits for: the run is over.
    pub fn interrupt(&self) {
        let table = &mut *self.table.borrow_mut();
        table.is_interrupted = true;
        for row in &mut table.rows {
            if row.fd >= 0 && row.verdict.is_none() {
                row.end(Cause::Interrupted);
            }
        }
    }

    /// Whether the run is over, for those who wait without a socket.
    pub fn is_interrupted(&self) -> bool {
        self.table.borrow().is_interrupted
    }
}

impl Watch {
    /// Sets the deadline of the phase that begins now and that of the whole job. With
    /// [`Rule::Body`] `at_ms` is when the idle time would be over; a window of the same body goes
    /// on.
    pub fn arm(&self, rule: Rule, at_ms: u64, job_at_ms: u64) {
        let row = &mut self.deadlines.table.borrow_mut().rows[self.index];
        if row.verdict.is_some() {
            return;
        }
        (row.rule, row.at_ms, row.job_at_ms) = (rule, at_ms, job_at_ms);
        match rule {
            Rule::Total => row.window = None,
            Rule::Body(patience) => row.resume(&patience),
        }
    }

    /// Has the socket shut down soon after somebody sets `cut`, from whatever thread, or
    /// not any more.
    pub fn cut_by(&self, cut: Option<&Arc<AtomicBool>>) {
        self.deadlines.table.borrow_mut().rows[self.index].cut = cut.cloned();
    }

    /// Removes the deadline, since nothing waits for bytes: an idle connection has none here, and a
    /// body whose last bytes are being written is not the peer's to hasten.
    pub fn disarm(&self) {
        let row = &mut self.deadlines.table.borrow_mut().rows[self.index];
        (row.at_ms, row.job_at_ms) = (u64::MAX, u64::MAX);
        if let Some(window) = &mut row.window {
            window.pause(self.deadlines.now_ms());
        }
    }

    /// Shuts the socket down for this cause, unless that was done before.
    pub(super) fn end(&self, cause: Cause) {
        let row = &mut self.deadlines.table.borrow_mut().rows[self.index];
        if row.verdict.is_none() {
            row.end(cause);
        }
    }

    /// Why the socket was shut down, if it was.
    pub fn verdict(&self) -> Option<Cause> {
        self.deadlines.table.borrow().rows[self.index].verdict.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.deadlines.table.borrow_mut();
        let row = &mut table.rows[self.index];
        (row.fd, row.cut) = (-1, None);
        table.free.push(self.index);
    }
}

impl Row {
    /// Goes on with the window: bytes of a body are waited for, again or for the first time.
    fn resume(&mut self, patience: &StallLimits) {
        self.armed_ms = self.at_ms.saturating_sub(patience.idle_ms);
        if patience.window_bytes_min == 0 {
            return;
        }
        let fresh = Window { since_ms: None, spent_ms: 0, bytes_before: None };
        let window = self.window.get_or_insert(fresh);
        window.since_ms.get_or_insert(self.armed_ms);
        self.at_ms = self.at_ms.min(window.due_ms(self.armed_ms, patience));
    }

    /// Leaves out a time in which this core stood still (a disk that made a write wait, a stopped
    /// process): nothing was received then, whatever the peer sent.
    fn excuse(&mut self, gap_ms: u64, now_ms: u64) {
        self.armed_ms = now_ms;
        if let Some(since_ms) = self.window.as_mut().and_then(|window| window.since_ms.as_mut()) {
            *since_ms = now_ms.min(*since_ms + gap_ms);
        }
    }

    /// Judges a body that is due: when to look again, or why it is over.
    fn judge(
        &mut self,
        patience: &StallLimits,
        info: Option<TcpInfo>,
        now_ms: u64,
    ) -> Result<u64, Cause> {
        // A kernel that does not tell leaves the plain deadline.
        let silent_ms = now_ms.saturating_sub(self.armed_ms);
        let silent_ms = info.map_or(silent_ms, |info| silent_ms.min(info.last_received_ms()));
        if silent_ms >= patience.idle_ms {
            return Err(Cause::Timeout);
        }
        let idle_at_ms = now_ms + patience.idle_ms - silent_ms;
        let bytes = info.and_then(|info| info.bytes_received());
        let (Some(window), Some(bytes)) = (&mut self.window, bytes) else {
            return Ok(idle_at_ms);
        };
        if window.bytes_before.is_none() || window.spent_ms(now_ms) >= patience.window_ms {
            // The first look has nothing to compare with.
            let came = window.bytes_before.map(|before| bytes.saturating_sub(before));
            if came.is_some_and(|came| came < patience.window_bytes_min) {
                return Err(Cause::TooSlow);
            }
            *window = Window { since_ms: Some(now_ms), spent_ms: 0, bytes_before: Some(bytes) };
        }
        Ok(idle_at_ms.min(window.due_ms(now_ms, patience)))
    }

    fn end(&mut self, cause: Cause) {
        self.verdict = Some(cause);
        (self.at_ms, self.job_at_ms) = (u64::MAX, u64::MAX);
        // SAFETY: the owner of the `Watch` keeps the socket open until the row is dropped.
        #[allow(unsafe_code, reason = "the table holds raw descriptors of watched sockets")]
        let socket = unsafe { BorrowedFd::borrow_raw(self.fd) };
        // ENOTCONN says that it is down already, which is what is wanted.
        let _: rustix::io::Result<()> = rustix::net::shutdown(socket, Shutdown::Both);
    }
}

impl Window {
    /// Time of receiving within the window, in milliseconds.
    fn spent_ms(&self, now_ms: u64) -> u64 {
        let running_ms = self.since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        self.spent_ms + running_ms
    }

    fn pause(&mut self, now_ms: u64) {
        self.spent_ms = self.spent_ms(now_ms);
        self.since_ms = None;
    }

    /// Time at which the window is due: at once if it was never looked at, else at its end.
    fn due_ms(&self, now_ms: u64, patience: &StallLimits) -> u64 {
        match self.bytes_before {
            None => now_ms,
            Some(_) => now_ms + patience.window_ms.saturating_sub(self.spent_ms(now_ms)),
        }
    }
}

/// A core that was not here for longer than this, in milliseconds, did not receive either.
const GAP_MAX_MS: u64 = 1_000;

#[cfg(test)]
mod tests;
