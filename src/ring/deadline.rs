//! Deadlines of one core. Each socket has one row in a table; a task looks at the table a few times
//! a second and shuts down what is late, so that a wait costs no timer of its own.
//!
//! shutdown(2) completes whatever operation waits on the socket, a pending connect included, and
//! leaves the descriptor open: the waiter joins its operation, asks [`Watch::verdict`] why it
//! ended, and closes.

use crate::fault::Cause;
use rustix::net::Shutdown;
use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Instant;

/// How a late socket is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Over when the time is over.
    Total,
    /// Over when no byte came for so many milliseconds (tcp(7), TCP_INFO).
    Idle(u64),
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
}

#[derive(Clone, Debug)]
struct Row {
    fd: RawFd,
    rule: Rule,
    /// When to look at it, in milliseconds; `u64::MAX` is never.
    at_ms: u64,
    /// When its job is over in any case.
    job_at_ms: u64,
    verdict: Option<Cause>,
}

/// One socket's row in the table; gone when dropped.
#[derive(Debug)]
pub struct Watch {
    table: Rc<RefCell<Table>>,
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
        let row =
            Row { fd, rule: Rule::Total, at_ms: u64::MAX, job_at_ms: u64::MAX, verdict: None };
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
        Watch { table: Rc::clone(&self.table), index }
    }

    /// Shuts down every socket that is late.
    pub fn sweep(&self) {
        let now_ms = self.now_ms();
        for row in &mut self.table.borrow_mut().rows {
            if row.at_ms.min(row.job_at_ms) > now_ms || row.fd < 0 {
                continue;
            }
            if row.job_at_ms <= now_ms {
                row.end(Cause::JobTimeout);
                continue;
            }
            match row.rule {
                Rule::Total => row.end(Cause::Timeout),
                Rule::Idle(limit_ms) => match last_received_ms(row.fd) {
                    Some(ago_ms) if ago_ms < limit_ms => row.at_ms = now_ms + limit_ms - ago_ms,
                    _ => row.end(Cause::Timeout),
                },
            }
        }
    }

    /// Shuts down every socket that somebody waits for: the run is over.
    pub fn interrupt(&self) {
        for row in &mut self.table.borrow_mut().rows {
            if row.fd >= 0 && row.verdict.is_none() {
                row.end(Cause::Interrupted);
            }
        }
    }
}

impl Watch {
    /// Sets the deadline of the phase that begins now and that of the whole job.
    pub fn arm(&self, rule: Rule, at_ms: u64, job_at_ms: u64) {
        let row = &mut self.table.borrow_mut().rows[self.index];
        if row.verdict.is_none() {
            (row.rule, row.at_ms, row.job_at_ms) = (rule, at_ms, job_at_ms);
        }
    }

    /// Nobody waits any more: an idle connection has no deadline here.
    pub fn disarm(&self) {
        self.arm(Rule::Total, u64::MAX, u64::MAX);
    }

    /// Why the socket was shut down, if it was.
    pub fn verdict(&self) -> Option<Cause> {
        self.table.borrow().rows[self.index].verdict.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut table = self.table.borrow_mut();
        table.rows[self.index].fd = -1;
        table.free.push(self.index);
    }
}

impl Row {
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

/// Milliseconds since the last byte came in, as the kernel counts them.
fn last_received_ms(fd: RawFd) -> Option<u64> {
    // SAFETY: tcp_info is plain integers, for which zero is a value; getsockopt(2) writes at most
    // `length` bytes of it and the descriptor is open (see `Deadlines::watch`).
    #[allow(unsafe_code, reason = "no safe wrapper offers TCP_INFO")]
    let (result, info) = unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
        let into = (&raw mut info).cast();
        (libc::getsockopt(fd, libc::SOL_TCP, libc::TCP_INFO, into, &raw mut length), info)
    };
    (result == 0).then(|| u64::from(info.tcpi_last_data_recv))
}
