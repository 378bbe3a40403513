//! One TCP socket.

use super::deadline::{Deadlines, Rule, Watch};
use super::io::{self, Io, Order, Sent, Transferred, Unread, Wants};
use super::shim::{Op, call};
use super::socket_cause;
use crate::fault::Cause;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use std::cell::{Cell, OnceCell};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, ready};

/// Whether an address is one of this machine: the kernel would send to it from itself.
///
/// # Errors
/// When there is no socket to ask with.
pub fn is_own(address: IpAddr) -> Result<bool, Cause> {
    Ok(source(address)? == Some(address))
}

/// The address that the kernel would send from to another one, which sends nothing there. `None`
/// when there is no way.
///
/// # Errors
/// When there is no socket to ask with.
pub fn source(address: IpAddr) -> Result<Option<IpAddr>, Cause> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let asked = UdpSocket::bind((any, 0));
    let socket = match asked.map_err(|error| socket_cause(error.raw_os_error().unwrap_or(0))) {
        // A machine without this family has no address of it.
        Err(Cause::Unreachable) => return Ok(None),
        socket => socket?,
    };
    let source = socket.connect((address, DISCARD_PORT)).and_then(|()| socket.local_addr());
    Ok(source.ok().map(|source| source.ip()))
}

/// Port to ask about; any will do, since nothing is sent there.
const DISCARD_PORT: u16 = 9;

/// Result of [`Socket::send_and_receive`]: both results and both buffers.
pub(super) struct SentAndReceived {
    pub(super) sent: Result<(), Cause>,
    pub(super) bytes: Vec<u8>,
    pub(super) received: Result<usize, Cause>,
    pub(super) memory: Vec<u8>,
    /// Whether what was received was here before the bytes were sent.
    pub(super) is_early: bool,
}

/// State of a socket that nobody receives from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Waiting {
    /// Nothing came: the connection may go on.
    Nothing,
    /// Bytes came that nobody asked for.
    Bytes,
    /// The end of the stream came.
    End,
    /// An error came, as a rule a reset.
    Error,
}

/// A connected TCP socket. Dropping it closes it. Every method that starts an operation joins it;
/// an operation that a panic left in flight all the same ends when the socket is dropped, and then
/// the descriptor is closed.
#[derive(Debug)]
pub struct Socket {
    /// Declared first: the row goes before the descriptor it names.
    watch: Watch,
    io: Io,
    fd: Rc<OwnedFd>,
    peer: IpAddr,
    /// See [`Socket::is_drained`].
    is_drained: Cell<bool>,
    /// Made for the second request.
    order: OnceCell<Box<Order>>,
}

impl Socket {
    /// Connects within `timeout_ms`, and before the deadline of the job.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(
        means: (&Io, &Deadlines),
        address: SocketAddr,
        timeout_ms: u64,
        job_at_ms: u64,
    ) -> Result<Self, Cause> {
        // In one expression, it would take its place twice.
        let mut connecting = Self::begin(means, address, timeout_ms, job_at_ms)?;
        Pin::new(&mut connecting).await
    }

    /// Begins to connect, within `timeout_ms` and before the deadline of the job. The result must
    /// be awaited.
    ///
    /// # Errors
    /// When there is no socket to be had.
    pub fn begin(
        (io, deadlines): (&Io, &Deadlines),
        address: SocketAddr,
        timeout_ms: u64,
        job_at_ms: u64,
    ) -> Result<Connecting, Cause> {
        let until_ms = deadlines.now_ms().saturating_add(timeout_ms);
        let attempt = Attempt::begin((io, deadlines), address, timeout_ms, job_at_ms)?;
        let (io, deadlines) = (io.clone(), deadlines.clone());
        Ok(Connecting { attempt, address, until_ms, job_at_ms, io, deadlines })
    }

    /// The address of the other side.
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Sets the deadlines of the wait that follows.
    pub fn arm(&self, rule: Rule, at_ms: u64, job_at_ms: u64) {
        self.watch.arm(rule, at_ms, job_at_ms);
    }

    /// Has the socket shut down soon after somebody sets `cut`, from whatever thread, or
    /// not any more.
    pub fn cut_by(&self, cut: Option<&Arc<AtomicBool>>) {
        self.watch.cut_by(cut);
    }

    /// Removes the deadlines: nothing waits for this socket any more.
    pub fn disarm(&self) {
        self.watch.disarm();
    }

    /// Whether what is received first of an answer brings its own memory.
    pub(super) fn provides_memory(&self) -> bool {
        self.io.provides_memory()
    }

    /// Why the socket was shut down from here, if it was.
    pub fn verdict(&self) -> Option<Cause> {
        self.watch.verdict()
    }

    #[cfg(test)]
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    /// Whether the last receive is known to have left nothing behind, neither bytes nor an end of
    /// the stream, when the kernel made it. A reset alone is not told of.
    pub(super) fn is_drained(&self) -> bool {
        self.is_drained.get()
    }

    /// Kind of bytes or event that waits to be received.
    pub fn waiting(&self) -> Waiting {
        match self.io.unread(&self.fd) {
            Unread::Bytes => return Waiting::Bytes,
            Unread::End => return Waiting::End,
            Unread::Error => return Waiting::Error,
            Unread::Nothing => {}
        }
        let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
        let mut byte = [0_u8; 1];
        match call(Op::Peek, || rustix::net::recv(&self.fd, &mut byte, flags)) {
            Ok((_, 0)) => Waiting::End,
            Ok(_) => Waiting::Bytes,
            Err(rustix::io::Errno::AGAIN) => Waiting::Nothing,
            Err(_) => Waiting::Error,
        }
    }

    /// Sends all of `bytes` and gives the buffer back, emptied.
    pub(super) async fn send(&self, bytes: Vec<u8>) -> (Result<(), Cause>, Vec<u8>) {
        self.finish_send(bytes, 0).await
    }

    /// Sends all of `bytes` and receives once into `memory[range]`, both submitted at once. With
    /// `looks_first`, says whether what is received was here before, where a ring can tell.
    pub(super) async fn send_and_receive(
        &self,
        bytes: Vec<u8>,
        (memory, range): (Vec<u8>, Range<usize>),
        looks_first: bool,
    ) -> SentAndReceived {
        let length = bytes.len();
        let looks_first = looks_first && self.io.has_order();
        let wants = if looks_first { Wants::Any } else { Wants::Answer };
        let mut receiving = self.io.recv(&self.fd, memory, range.clone(), wants);
        let mut sending = self.io.send(&self.fd, bytes, 0..length);
        let Sent { sent, received, is_early } = if looks_first {
            let order = self.order.get_or_init(Box::default);
            order.sent(&mut sending, &mut receiving).await
        } else {
            Sent { sent: sending.await, received: None, is_early: false }
        };
        // Boxed: what is rare has no room in a wait for an answer.
        let (sent, bytes) = match sent.result {
            Ok(count) if count == length => (Ok(()), sent.memory),
            Ok(count) => Box::pin(self.finish_send(sent.memory, count)).await,
            Err(libc::EINTR) => Box::pin(self.finish_send(sent.memory, 0)).await,
            Err(errno) => (Err(self.cause(errno)), sent.memory),
        };
        if sent.is_err() {
            // No answer will come; the receive must be joined before the socket may be closed.
            let _: rustix::io::Result<()> =
                rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Both);
        }
        // What was in vain brings nothing, and is made anew below.
        let has_come = received.as_ref().is_some_and(|received| received.result.is_ok());
        let is_early = is_early && has_come;
        let received = match received {
            Some(received) => received,
            None => receiving.await,
        };
        let (received, memory) = match received {
            Transferred { result: Err(libc::EINTR), memory, .. } => {
                Box::pin(self.receive(memory, range, false)).await
            }
            // The kernel had no memory to choose from.
            Transferred { result: Err(libc::ENOBUFS), memory, .. } if memory.is_empty() => {
                let size = self.io.provided_size().unwrap_or_default();
                let memory = self.io.buffers().take_memory(size);
                let range = range.start..range.end.min(memory.len());
                Box::pin(self.receive(memory, range, false)).await
            }
            received => self.judged(received),
        };
        SentAndReceived { sent, bytes, received, memory, is_early }
    }

    /// Receives into `memory[range]`, with `is_whole` until it is full; 0 is the end of the stream.
    pub(super) async fn receive(
        &self,
        mut memory: Vec<u8>,
        range: Range<usize>,
        is_whole: bool,
    ) -> (Result<usize, Cause>, Vec<u8>) {
        let wants = if is_whole { Wants::All } else { Wants::Any };
        loop {
            let received = self.io.recv(&self.fd, memory, range.clone(), wants).await;
            if received.result != Err(libc::EINTR) {
                return self.judged(received);
            }
            memory = received.memory;
        }
    }

    /// Receives the bytes that are here into the front of `memory`, without a wait: 0 where there
    /// are none, or only the end of the stream.
    pub(super) fn receive_here(&self, memory: &mut [u8]) -> Result<usize, Cause> {
        let flags = rustix::net::RecvFlags::DONTWAIT;
        self.is_drained.set(false);
        match call(Op::Recv, || rustix::net::recv(&self.fd, &mut *memory, flags)) {
            Ok((_, count)) => Ok(count),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            Err(errno) => Err(self.cause(errno.raw_os_error())),
        }
    }

    async fn finish_send(
        &self,
        mut bytes: Vec<u8>,
        mut sent: usize,
    ) -> (Result<(), Cause>, Vec<u8>) {
        while sent < bytes.len() {
            let length = bytes.len();
            let transferred = self.io.send(&self.fd, bytes, sent..length).await;
            bytes = transferred.memory;
            match transferred.result {
                Ok(0) => return (Err(Cause::Reset), bytes),
                Ok(count) => sent += count,
                Err(libc::EINTR) => {}
                Err(errno) => return (Err(self.cause(errno)), bytes),
            }
        }
        (Ok(()), bytes)
    }

    /// Result of a receive, and its memory.
    fn judged(&self, received: Transferred) -> (Result<usize, Cause>, Vec<u8>) {
        self.is_drained.set(received.is_drained);
        (self.judge(received.result), received.memory)
    }

    /// Result of a receive. One that was ended by a deadline looks like an end of the stream: the
    /// verdict goes first. Bytes that it had received by then count; the next receive brings the
    /// verdict.
    fn judge(&self, result: Result<usize, i32>) -> Result<usize, Cause> {
        match (result, self.verdict()) {
            (Ok(0) | Err(_), Some(cause)) => Err(cause),
            (result, _) => result.map_err(socket_cause),
        }
    }

    fn cause(&self, errno: i32) -> Cause {
        self.verdict().unwrap_or_else(|| socket_cause(errno))
    }
}

/// A socket that is being connected, to be awaited to its end, which [`Connecting::end`] brings
/// about.
#[derive(Debug)]
pub struct Connecting {
    attempt: Attempt,
    address: SocketAddr,
    until_ms: u64,
    job_at_ms: u64,
    io: Io,
    deadlines: Deadlines,
}

/// One CONNECT in flight.
struct Attempt {
    /// The socket; `None` once it was given away.
    socket: Option<Socket>,
    connect: io::Connect,
}

impl Connecting {
    /// The address of the other side.
    pub fn peer(&self) -> IpAddr {
        self.address.ip()
    }

    /// Gives up: the socket fails as soon as it is awaited.
    pub fn end(&self) {
        if let Some(socket) = &self.attempt.socket {
            socket.watch.end(Cause::Timeout);
        }
    }
}

impl Future for Connecting {
    type Output = Result<Socket, Cause>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let this = &mut *self;
            match ready!(this.attempt.poll(context)) {
                // A connect that a signal ended goes on in the background (connect(2)), where
                // nobody can wait for it: a new socket it is.
                Err(Cause::Socket(libc::EINTR)) if this.deadlines.now_ms() < this.until_ms => {
                    let left_ms = this.until_ms.saturating_sub(this.deadlines.now_ms()).max(1);
                    let (address, job_at_ms) = (this.address, this.job_at_ms);
                    let means = (&this.io, &this.deadlines);
                    match Attempt::begin(means, address, left_ms, job_at_ms) {
                        Ok(attempt) => this.attempt = attempt,
                        Err(cause) => return Poll::Ready(Err(cause)),
                    }
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

impl Attempt {
    fn begin(
        (io, deadlines): (&Io, &Deadlines),
        address: SocketAddr,
        timeout_ms: u64,
        job_at_ms: u64,
    ) -> Result<Self, Cause> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
        let fd = call(Op::Socket, || rustix::net::socket_with(family, kind, flags, None))
            .map_err(|errno| socket_cause(errno.raw_os_error()))?;
        // A request is one small segment that must not wait for company.
        call(Op::SetOption, || sockopt::set_tcp_nodelay(&fd, true))
            .map_err(|errno| socket_cause(errno.raw_os_error()))?;
        io.prepare(&fd).map_err(|errno| socket_cause(errno.raw_os_error()))?;
        let fd = Rc::new(fd);
        let (watch, io) = (deadlines.watch(&fd), io.clone());
        let (is_drained, order) = (Cell::default(), OnceCell::new());
        let socket = Socket { watch, io, fd, peer: address.ip(), is_drained, order };
        // Should the timer get lost, this deadline is a little later.
        let at_ms = deadlines.now_ms().saturating_add(timeout_ms).saturating_add(timeout_ms / 8);
        socket.arm(Rule::Total, at_ms, job_at_ms);
        let connect = socket.io.connect(&socket.fd, &address, timeout_ms);
        Ok(Self { socket: Some(socket), connect })
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Socket, Cause>> {
        let connected = ready!(Pin::new(&mut self.connect).poll(context));
        let socket = self.socket.take().expect("it is awaited once");
        Poll::Ready(match (connected, socket.verdict()) {
            (Ok(()), _) => Ok(socket),
            (Err(_), Some(cause)) => Err(cause),
            (Err(errno), None) => Err(socket_cause(errno)),
        })
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Operations keep the descriptor open, and would wait for the peer for as long as it likes.
        if Rc::strong_count(&self.fd) > 1 {
            let _: rustix::io::Result<()> =
                rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Both);
        }
        self.io.forget(&self.fd);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::io::on_each_backend;
    use rustix::net::{bind, getsockname, listen, socket_with};
    use std::time::Instant;

    /// Addresses that nobody answers at, and what keeps them so: a queue of connections that is
    /// full.
    fn silent() -> (SocketAddr, Vec<OwnedFd>) {
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let new = || socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        let mut held = vec![new()];
        bind(&held[0], &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&held[0], 0).unwrap();
        let address = SocketAddr::try_from(getsockname(&held[0]).unwrap()).unwrap();
        for _ in 0..4 {
            let client = new();
            rustix::io::ioctl_fionbio(&client, true).unwrap();
            // It says EINPROGRESS, for ever once the queue is full.
            let _ = rustix::net::connect(&client, &address);
            held.push(client);
        }
        (address, held)
    }

    #[test]
    fn a_connect_that_nobody_needs_ends_with_all_of_its_operations() {
        on_each_backend(async |io, backend| {
            let (address, held) = silent();
            let deadlines = Deadlines::new(Instant::now());
            let means = (&io, &deadlines);
            let begin = || Socket::begin(means, address, 3_600_000, u64::MAX).unwrap();
            let connecting = begin();
            let operations = if backend.has_ring() { 2 } else { 0 };
            assert_eq!((connecting.peer(), io.in_flight()), (address.ip(), operations));
            connecting.end();
            connecting.end();
            assert_eq!(connecting.await.unwrap_err(), Cause::Timeout, "{backend:?}");
            assert_eq!(io.in_flight(), 0);
            // The end of a run goes before what its winner says.
            let connecting = begin();
            deadlines.interrupt();
            connecting.end();
            assert_eq!(connecting.await.unwrap_err(), Cause::Interrupted, "{backend:?}");
            drop(held);
        });
    }
}
