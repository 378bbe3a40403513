//! Sockets that say when they are ready: what is tried first and waited for only when it cannot be
//! done, by epoll(7) or select(2); and blocking sockets, which wait in the call itself.
//!
//! The memory of an operation belongs to its future. No kernel works on it between two calls, so a
//! future may be dropped at any time.

use super::backend::Wants;
use super::exec::{Bell, Park};
use super::selector::{Ready, Selector, WAYS, Way, place};
use crate::ring::shim::{Op, Verdict, call};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The sockets of one thread, and how it waits for them.
pub(super) struct Poller {
    selector: RefCell<Selector>,
    /// State of each descriptor, by its number.
    sockets: RefCell<Vec<Socket>>,
    /// What became ready in this turn.
    ready: RefCell<Vec<Ready>>,
    /// Tasks that go on in the next turn, whatever becomes ready.
    later: RefCell<Vec<Waker>>,
    /// Calls that this turn may still make, and bytes that they may still transfer: what is always
    /// ready would have the thread for itself otherwise.
    left: Cell<(usize, usize)>,
    bell: Arc<Bell>,
}

/// State of one descriptor.
#[derive(Debug, Default)]
struct Socket {
    directions: [Direction; WAYS],
    /// Whether one side hung up or an error came: there is always something to be told.
    is_over: bool,
    /// An error that came behind bytes, for who asks next: the kernel tells it once.
    error: Option<Errno>,
}

/// State of one way in which a descriptor is waited for.
#[derive(Debug, Default)]
struct Direction {
    waker: Option<Waker>,
    /// Whether a call is worth trying: it was said to be, and no call since said otherwise.
    may_go: bool,
}

impl Poller {
    pub(super) fn new(selector: Selector, bell: Arc<Bell>) -> Rc<Self> {
        Rc::new(Self {
            selector: RefCell::new(selector),
            sockets: RefCell::default(),
            ready: RefCell::default(),
            later: RefCell::default(),
            left: Cell::new(TURN_MAX),
            bell,
        })
    }

    /// Whether a call that cannot be done at once waits by itself.
    fn is_blocking(&self) -> bool {
        matches!(*self.selector.borrow(), Selector::Blocking)
    }

    /// Where nothing else waits for a socket: waits here until it can be written, as long as a call
    /// may. Says whether it can.
    fn has_waited_for(&self, fd: &OwnedFd) -> bool {
        let at_most = Timespec::try_from(BLOCKED_MAX).ok();
        let mut fds = [PollFd::new(fd, PollFlags::OUT)];
        self.is_blocking() && rustix::event::poll(&mut fds, at_most.as_ref()) == Ok(1)
    }

    /// Prepares a socket for this backend, whatever had its number before.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn prepare(&self, fd: &OwnedFd) -> Result<(), Errno> {
        self.forget(fd.as_raw_fd());
        if !self.is_blocking() {
            return call(Op::SetOption, || rustix::io::ioctl_fionbio(fd, true));
        }
        for timeout in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
            let time = Some(BLOCKED_MAX);
            call(Op::SetOption, || sockopt::set_socket_timeout(fd, timeout, time))?;
        }
        Ok(())
    }

    /// Forgets a descriptor that is about to be closed.
    pub(super) fn forget(&self, fd: RawFd) {
        if let Some(socket) = self.sockets.borrow_mut().get_mut(place(fd)) {
            *socket = Socket::default();
        }
        self.selector.borrow_mut().forget(fd);
    }

    /// Whether a call in this direction is worth trying.
    fn may_go(&self, fd: RawFd, way: Way) -> bool {
        let sockets = self.sockets.borrow();
        let socket = sockets.get(place(fd));
        socket.is_some_and(|socket| socket.is_over || socket.directions[way as usize].may_go)
    }

    /// Takes note whether there may be more to do in a direction.
    fn set(&self, fd: RawFd, way: Way, may_go: bool) {
        self.socket(fd, |socket| socket.directions[way as usize].may_go = may_go);
    }

    fn socket<T>(&self, fd: RawFd, change: impl FnOnce(&mut Socket) -> T) -> T {
        let mut sockets = self.sockets.borrow_mut();
        if sockets.len() <= place(fd) {
            sockets.resize_with(place(fd) + 1, Socket::default);
        }
        change(&mut sockets[place(fd)])
    }

    /// Waits until a call is worth trying.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    fn wait_for(&self, fd: RawFd, way: Way, context: &Context<'_>) -> Result<(), Errno> {
        if self.is_blocking() {
            // The call has waited already; others have their turn now.
            self.go_on_later(context);
            return Ok(());
        }
        let waits = self.socket(fd, |socket| {
            let direction = &mut socket.directions[way as usize];
            direction.may_go = false;
            match &mut direction.waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => direction.waker = Some(context.waker().clone()),
            }
            socket.directions.each_ref().map(|direction| direction.waker.is_some())
        });
        self.selector.borrow_mut().want(fd, waits)
    }

    /// Has a task go on in the next turn.
    fn go_on_later(&self, context: &Context<'_>) {
        self.later.borrow_mut().push(context.waker().clone());
    }

    /// Whether this turn may make another call.
    fn has_turn(&self) -> bool {
        let (calls, bytes) = self.left.get();
        calls > 0 && bytes > 0
    }

    /// Counts a call that has transferred so many bytes.
    fn count(&self, transferred: usize) {
        let (calls, bytes) = self.left.get();
        self.left.set((calls.saturating_sub(1), bytes.saturating_sub(transferred)));
    }

    /// Waits until something can be written to a descriptor. The wait may be dropped.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) async fn writable(&self, stream: &OwnedFd) -> Result<(), i32> {
        let fd = stream.as_raw_fd();
        let _waited = Waited { poller: self, fd };
        let mut has_waited = false;
        std::future::poll_fn(|context| {
            let is_ready = || self.may_go(fd, Way::Write) || self.has_waited_for(stream);
            if std::mem::replace(&mut has_waited, true) && is_ready() {
                return Poll::Ready(Ok(()));
            }
            match self.wait_for(fd, Way::Write, context) {
                Ok(()) => Poll::Pending,
                Err(errno) => Poll::Ready(Err(errno.raw_os_error())),
            }
        })
        .await
    }
}

/// A wait for a descriptor that stays open, and is not waited for any more when this is dropped.
struct Waited<'p> {
    poller: &'p Poller,
    fd: RawFd,
}

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.poller.selector.borrow_mut().unregister(self.fd);
        self.poller.forget(self.fd);
    }
}

impl Park for Poller {
    fn wait(&self, at_most: Option<Duration>) -> io::Result<()> {
        let has_more = !self.later.borrow().is_empty();
        self.left.set(if self.is_blocking() { TURN_BLOCKING } else { TURN_MAX });
        if has_more && self.is_blocking() {
            return Ok(());
        }
        let at_most = if has_more { Some(Duration::ZERO) } else { at_most };
        let mut ready = self.ready.borrow_mut();
        self.selector.borrow_mut().wait(self.bell.event(), at_most, &mut ready)?;
        Ok(())
    }

    fn dispatch(&self) {
        self.later.take().into_iter().for_each(Waker::wake);
        let mut seen = self.ready.take();
        for Ready { fd, can, is_over } in seen.drain(..) {
            if fd == self.bell.event().as_raw_fd() {
                self.bell.hush();
                continue;
            }
            let (wakers, waits) = self.socket(fd, |socket| {
                socket.is_over |= is_over;
                let mut wakers = [const { None }; WAYS];
                for (at, direction) in socket.directions.iter_mut().enumerate() {
                    if can[at] {
                        direction.may_go = true;
                        wakers[at] = direction.waker.take();
                    }
                }
                (wakers, socket.directions.each_ref().map(|direction| direction.waker.is_some()))
            });
            // Nobody waits for what was said: it is not to be said again and again.
            if wakers.iter().all(Option::is_none) {
                self.selector.borrow_mut().spare(fd, waits);
            }
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
        self.ready.replace(seen);
    }
}

/// A transfer on a socket, which begins when it is polled.
pub(super) struct Transfer {
    poller: Rc<Poller>,
    fd: Rc<OwnedFd>,
    buf: Vec<u8>,
    range: Range<usize>,
    what: What,
    verdict: Verdict,
    done: usize,
}

/// What a transfer does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Send,
    Receive(Wants),
}

impl Transfer {
    /// Sends all of `buf[range]`.
    pub(super) fn send(
        poller: &Rc<Poller>,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
    ) -> Self {
        Self::new((poller, fd), buf, range, What::Send, Verdict::on(Op::Send))
    }

    /// Receives into `buf[range]`.
    pub(super) fn receive(
        poller: &Rc<Poller>,
        fd: &Rc<OwnedFd>,
        buf: Vec<u8>,
        range: Range<usize>,
        wants: Wants,
    ) -> Self {
        Self::new((poller, fd), buf, range, What::Receive(wants), Verdict::on(Op::Recv))
    }

    fn new(
        (poller, fd): (&Rc<Poller>, &Rc<OwnedFd>),
        buf: Vec<u8>,
        range: Range<usize>,
        what: What,
        verdict: Verdict,
    ) -> Self {
        verdict.strike();
        let range = range.start..range.start + verdict.len(range.len());
        let (poller, fd) = (Rc::clone(poller), Rc::clone(fd));
        Self { poller, fd, buf, range, what, verdict, done: 0 }
    }

    /// Transfers what can be transferred now.
    fn go(&mut self) -> Result<usize, Errno> {
        let part = self.range.start + self.done..self.range.end;
        match self.what {
            What::Send => rustix::net::send(&self.fd, &self.buf[part], SendFlags::NOSIGNAL),
            What::Receive(_) => {
                rustix::net::recv(&self.fd, &mut self.buf[part], RecvFlags::empty())
                    .map(|(_, count)| count)
            }
        }
    }

    fn way(&self) -> Way {
        match self.what {
            What::Send => Way::Write,
            What::Receive(_) => Way::Read,
        }
    }

    /// Whether a first call may well be done at once.
    fn is_worth_a_try(&self) -> bool {
        let may_go = || self.poller.may_go(self.fd.as_raw_fd(), self.way());
        self.what == What::Send || self.poller.is_blocking() || may_go()
    }

    fn is_done(&self, count: usize) -> bool {
        match self.what {
            What::Receive(Wants::Any | Wants::Answer) => true,
            What::Send | What::Receive(Wants::All) => count == 0 || self.done == self.range.len(),
        }
    }

    fn poll_result(&mut self, context: &Context<'_>) -> Poll<Result<usize, i32>> {
        if let Some(errno) = self.verdict.refused() {
            return Poll::Ready(Err(errno));
        }
        let (fd, way) = (self.fd.as_raw_fd(), self.way());
        if let Some(errno) = self.poller.socket(fd, |socket| socket.error.take()) {
            return Poll::Ready(Err(errno.raw_os_error()));
        }
        let mut may_go = self.is_worth_a_try();
        loop {
            if !may_go {
                return match self.poller.wait_for(fd, way, context) {
                    Ok(()) => Poll::Pending,
                    Err(errno) => Poll::Ready(Err(errno.raw_os_error())),
                };
            }
            if !self.poller.has_turn() {
                self.poller.go_on_later(context);
                return Poll::Pending;
            }
            let wanted = self.range.len() - self.done;
            match self.go() {
                Ok(count) => {
                    self.poller.count(count);
                    self.done += count;
                    // A short one found no more (epoll(7)); at the end there is always an end.
                    self.poller.set(fd, way, count == wanted || count == 0);
                    if self.is_done(count) {
                        return Poll::Ready(Ok(self.done));
                    }
                }
                Err(Errno::AGAIN) => {
                    self.poller.count(0);
                    may_go = false;
                }
                Err(Errno::INTR) => {}
                Err(errno) if self.done > 0 => {
                    self.poller.socket(fd, |socket| socket.error = Some(errno));
                    return Poll::Ready(Ok(self.done));
                }
                Err(errno) => return Poll::Ready(Err(errno.raw_os_error())),
            }
        }
    }
}

impl Future for Transfer {
    type Output = (Result<usize, i32>, Vec<u8>);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_result(context).map(|result| (result, std::mem::take(&mut self.buf)))
    }
}

/// A socket that is being connected.
pub(super) struct Connecting {
    poller: Rc<Poller>,
    fd: Rc<OwnedFd>,
    address: SocketAddr,
    verdict: Verdict,
    has_begun: bool,
}

impl Connecting {
    pub(super) fn new(poller: &Rc<Poller>, fd: &Rc<OwnedFd>, address: &SocketAddr) -> Self {
        let verdict = Verdict::on(Op::Connect);
        verdict.strike();
        let (poller, fd) = (Rc::clone(poller), Rc::clone(fd));
        Self { poller, fd, address: *address, verdict, has_begun: false }
    }
}

impl Future for Connecting {
    type Output = Result<(), i32>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(errno) = self.verdict.refused() {
            return Poll::Ready(Err(errno));
        }
        let fd = self.fd.as_raw_fd();
        if !std::mem::replace(&mut self.has_begun, true) {
            match rustix::net::connect(&self.fd, &self.address) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(Errno::INPROGRESS) => {}
                Err(errno) => return Poll::Ready(Err(errno.raw_os_error())),
            }
        } else if self.poller.may_go(fd, Way::Connect) || self.poller.has_waited_for(&self.fd) {
            return Poll::Ready(connected(&self.fd).map_err(Errno::raw_os_error));
        }
        match self.poller.wait_for(fd, Way::Connect, context) {
            Ok(()) => Poll::Pending,
            Err(errno) => Poll::Ready(Err(errno.raw_os_error())),
        }
    }
}

/// Result of a connect that went on in the background (connect(2), EINPROGRESS).
fn connected(fd: &OwnedFd) -> Result<(), Errno> {
    sockopt::socket_error(fd)??;
    // One that was shut down meanwhile has no error and no peer.
    rustix::net::getpeername(fd).map(drop)
}

/// Calls of one turn, and bytes that they transfer.
const TURN_MAX: (usize, usize) = (1_024, 4 << 20);
/// Calls and bytes of a turn of blocking sockets: each call may wait as long as may be.
const TURN_BLOCKING: (usize, usize) = (1, usize::MAX);
/// Longest time that a call of a blocking socket waits: others wait as long, and so may deadlines
/// be late by.
const BLOCKED_MAX: Duration = Duration::from_millis(50);
