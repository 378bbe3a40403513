//! Which came first, the answer or the request.
//!
//! A ring works on its entries in the order in which they were submitted, and tells in the same
//! order what is complete at once. So a receive that is submitted before the request, and complete
//! before it, brings what was here before the request left: it answers nothing. (A send that has to
//! wait for room lets what comes meanwhile go first; no request is so long.)
//!
//! Both completions may be told before their task goes on, so the order is that of their wakers.

use super::transfer::{Transfer, Transferred};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The wakers of one socket, used again for each request.
#[derive(Debug)]
pub(in crate::ring) struct Order {
    shared: Arc<Shared>,
    receive: Waker,
    send: Waker,
}

#[derive(Debug)]
struct Shared {
    first: AtomicU8,
    task: Mutex<Option<Waker>>,
}

/// Neither operation is complete.
const NONE: u8 = 0;
/// The receive was told of first.
const RECEIVE: u8 = 1;
/// The send was told of first.
const SEND: u8 = 2;

/// Waker of the operation that is `OF`.
struct Told<const OF: u8>(Arc<Shared>);

impl<const OF: u8> Wake for Told<OF> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let first = &self.0.first;
        let _ = first.compare_exchange(NONE, OF, Ordering::Relaxed, Ordering::Relaxed);
        if let Some(task) = &*self.0.task() {
            task.wake_by_ref();
        }
    }
}

impl Shared {
    fn task(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Order {
    fn default() -> Self {
        let shared = Arc::new(Shared { first: AtomicU8::new(NONE), task: Mutex::new(None) });
        let receive = Arc::new(Told::<RECEIVE>(Arc::clone(&shared))).into();
        let send = Arc::new(Told::<SEND>(Arc::clone(&shared))).into();
        Self { shared, receive, send }
    }
}

/// A send, and a receive that was submitted before it, once the send is complete.
pub(in crate::ring) struct Sent {
    pub(in crate::ring) sent: Transferred,
    /// The receive, if it is complete too.
    pub(in crate::ring) received: Option<Transferred>,
    /// Whether the receive was complete before the send.
    pub(in crate::ring) is_early: bool,
}

impl Order {
    /// Waits until the send is complete.
    pub(in crate::ring) async fn sent(
        &self,
        sending: &mut Transfer,
        receiving: &mut Transfer,
    ) -> Sent {
        self.shared.first.store(NONE, Ordering::Relaxed);
        let (mut received, mut is_early) = (None, false);
        let sent = poll_fn(|context| {
            let mut task = self.shared.task();
            match &mut *task {
                Some(task) => task.clone_from(context.waker()),
                None => *task = Some(context.waker().clone()),
            }
            drop(task);
            if received.is_none()
                && let Poll::Ready(done) = poll(receiving, &self.receive)
            {
                received = Some(done);
            }
            let sent = poll(sending, &self.send);
            // Both may have been told of before this poll.
            let first = self.shared.first.load(Ordering::Relaxed);
            is_early |= received.is_some() && (sent.is_pending() || first != SEND);
            sent
        })
        .await;
        Sent { sent, received, is_early }
    }
}

fn poll(transfer: &mut Transfer, waker: &Waker) -> Poll<Transferred> {
    Pin::new(transfer).poll(&mut Context::from_waker(waker))
}
