//! Operations of a core as futures, one type for all backends.

use super::exec::Sleep;
use super::{own, ready, uring};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A send or receive, which gives its memory back beside its result: a count, or an errno.
pub(in crate::ring) struct Transfer(pub(super) Transferring);

/// A transfer by each backend.
pub(super) enum Transferring {
    Uring(uring::BufOp),
    Own(own::InFlight),
    Ready(Box<ready::Transfer>),
}

impl Future for Transfer {
    type Output = (Result<usize, i32>, Vec<u8>);

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Transferring::Uring(operation) => Pin::new(operation).poll(context),
            Transferring::Own(operation) => {
                let done = Pin::new(operation).poll(context);
                done.map(|(result, data)| (result, data.into_buf()))
            }
            Transferring::Ready(transfer) => Pin::new(transfer).poll(context),
        }
    }
}

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
