//! Operations of a core as futures, one type for all backends.

use super::backend::Wants;
use super::exec::Sleep;
use super::{own, ready, uring};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A send or receive.
pub(in crate::ring) struct Transfer {
    pub(super) doing: Transferring,
    /// Bytes from which on a completion without [`SOCK_NONEMPTY`] says that nothing is left.
    pub(super) drained_from: Option<usize>,
}

/// Result of a send or receive.
pub(in crate::ring) struct Transferred {
    /// A count, or an errno.
    pub(in crate::ring) result: Result<usize, i32>,
    pub(in crate::ring) memory: Vec<u8>,
    /// Whether it is known that a receive left nothing behind, neither bytes nor an end of the
    /// stream. A reset alone is not told of.
    pub(in crate::ring) is_drained: bool,
}

/// A transfer by each backend.
pub(super) enum Transferring {
    Uring(uring::BufOp),
    Own(own::InFlight),
    /// Boxed: it is no part of most runs.
    Stream(Box<own::Receiving>),
    Ready(Box<ready::Transfer>),
}

impl Transfer {
    /// A send.
    pub(super) fn send(doing: Transferring) -> Self {
        Self { doing, drained_from: None }
    }

    /// A receive of up to `length` bytes, on a ring that `tells_rest` or not.
    pub(super) fn receive(
        doing: Transferring,
        length: usize,
        wants: Wants,
        tells_rest: bool,
    ) -> Self {
        // One that was to receive all, and is short, ended in a way that has no flags.
        let least = if wants == Wants::All { length } else { 1 };
        Self { doing, drained_from: tells_rest.then_some(least) }
    }
}

impl Future for Transfer {
    type Output = Transferred;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let (result, memory, flags) = match &mut this.doing {
            Transferring::Uring(operation) => ready!(Pin::new(operation).poll(context)),
            Transferring::Own(operation) => {
                let (result, data) = ready!(Pin::new(&mut *operation).poll(context));
                (result, data.into_buf(), operation.flags())
            }
            Transferring::Stream(receiving) => {
                let (result, memory) = ready!(Pin::new(receiving).poll(context));
                (result, memory, SOCK_NONEMPTY)
            }
            Transferring::Ready(transfer) => {
                let (result, memory) = ready!(Pin::new(transfer).poll(context));
                (result, memory, SOCK_NONEMPTY)
            }
        };
        let has_all = |least| result.is_ok_and(|count| count >= least);
        let is_drained = flags & SOCK_NONEMPTY == 0 && this.drained_from.is_some_and(has_all);
        Poll::Ready(Transferred { result, memory, is_drained })
    }
}

/// Flag of the completion of a receive: there is more, or the end of the stream
/// (IORING_CQE_F_SOCK_NONEMPTY, io_uring_prep_recv(3), Linux 5.19).
const SOCK_NONEMPTY: u32 = 1 << 2;

/// A socket that is being connected, with its timer. Where a ring does it, both are operations and
/// end together: the timer as cancelled, or as the one that ended the connect.
pub(in crate::ring) struct Connect(pub(super) Connecting);

/// A connect by each backend.
pub(super) enum Connecting {
    Uring {
        connect: uring::PlainOp<uring::Connecting>,
        timer: uring::PlainOp<Box<uring::Timespec>>,
        /// Result of the connect, while the timer is waited for.
        connected: Option<Result<usize, i32>>,
    },
    Own {
        connect: own::InFlight,
        timer: own::InFlight,
        /// Result of the connect, while the timer is waited for.
        connected: Option<Result<usize, i32>>,
    },
    Ready {
        connect: ready::Connecting,
        timer: Option<Sleep>,
    },
}

impl Future for Connect {
    type Output = Result<(), i32>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Connecting::Uring { connect, timer, connected } => {
                let result = match connected {
                    Some(result) => *result,
                    None => *connected.insert(ready!(Pin::new(connect).poll(context))),
                };
                let _: Result<usize, i32> = ready!(Pin::new(timer).poll(context));
                Poll::Ready(result.map(drop))
            }
            Connecting::Own { connect, timer, connected } => {
                let result = match connected {
                    Some(result) => *result,
                    None => *connected.insert(ready!(Pin::new(connect).poll(context)).0),
                };
                let _ = ready!(Pin::new(timer).poll(context));
                Poll::Ready(result.map(drop))
            }
            Connecting::Ready { connect, timer } => {
                if let Poll::Ready(result) = Pin::new(connect).poll(context) {
                    return Poll::Ready(result);
                }
                match timer.as_mut().map(|timer| Pin::new(timer).poll(context)) {
                    Some(Poll::Ready(())) => Poll::Ready(Err(libc::ECANCELED)),
                    Some(Poll::Pending) | None => Poll::Pending,
                }
            }
        }
    }
}

/// Results of a chain of three operations, and the memory of the first one.
pub(in crate::ring) struct Chained {
    pub(in crate::ring) written: Result<usize, i32>,
    pub(in crate::ring) memory: Vec<u8>,
    pub(in crate::ring) closed: Result<usize, i32>,
    pub(in crate::ring) renamed: Result<usize, i32>,
}
