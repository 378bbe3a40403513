//! The executor of the backends that are our own: one thread, its tasks, its timers, and one place
//! where it waits for the kernel.
//!
//! The tasks are those of [`LocalSet`], which needs no runtime around it. A turn polls what was
//! woken, wakes whose time has come, and waits: for completions or readiness, for the next timer,
//! and for other threads, which ring by an eventfd(2). Only a wake of another thread, while this
//! one waits, costs a system call.

use rustix::event::{EventfdFlags, eventfd};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Where a thread waits for the kernel.
pub(super) trait Park {
    /// Submits what waits to be submitted, and waits until something happened, or `at_most` so
    /// long; for ever without it. With zero it looks only.
    ///
    /// # Errors
    /// When the kernel refuses to wait, now and in all turns to come.
    fn wait(&self, at_most: Option<Duration>) -> io::Result<()>;

    /// Wakes the tasks for which something happened.
    fn dispatch(&self);
}

/// Runs a future and the tasks that it spawns until it is done. What it leaves behind is dropped.
///
/// # Errors
/// When there is no waiting any more.
pub(super) fn block_on<F: Future>(
    future: F,
    park: &impl Park,
    timers: &Timers,
    bell: &Arc<Bell>,
) -> io::Result<F::Output> {
    let tasks = LocalSet::new();
    let mut story = pin!(tasks.run_until(future));
    let waker = Waker::from(Arc::clone(bell));
    let mut context = Context::from_waker(&waker);
    bell.state.store(RUNG, Ordering::Release);
    loop {
        if bell.state.swap(AWAKE, Ordering::AcqRel) == RUNG
            && let Poll::Ready(output) = story.as_mut().poll(&mut context)
        {
            return Ok(output);
        }
        let next = timers.fire();
        let sleeps =
            bell.state.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire).is_ok();
        park.wait(if sleeps { next } else { Some(Duration::ZERO) })?;
        // From here on, a wake needs no system call.
        let _ = bell.state.compare_exchange(ASLEEP, AWAKE, Ordering::AcqRel, Ordering::Acquire);
        park.dispatch();
    }
}

/// The waker of a thread: rung from any thread.
#[derive(Debug)]
pub(super) struct Bell {
    state: AtomicU8,
    event: OwnedFd,
}

/// The thread works, and nobody has rung since it began.
const AWAKE: u8 = 0;
/// The thread waits for the kernel.
const ASLEEP: u8 = 1;
/// Somebody rang.
const RUNG: u8 = 2;

impl Bell {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Self { state: AtomicU8::new(AWAKE), event }))
    }

    /// The descriptor that can be read once somebody rang while the thread waited.
    pub(super) fn event(&self) -> &OwnedFd {
        &self.event
    }

    /// Makes the descriptor silent again.
    pub(super) fn hush(&self) {
        let _: rustix::io::Result<usize> = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(RUNG, Ordering::AcqRel) == ASLEEP {
            // It can only fail by being full, and then it rings already.
            let _: rustix::io::Result<usize> = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }
}

/// The timers of one thread.
#[derive(Debug, Default)]
pub(super) struct Timers {
    waiting: RefCell<BTreeMap<(Instant, u64), Waker>>,
    made: Cell<u64>,
}

impl Timers {
    /// A wait until `at`.
    pub(super) fn until(self: &Rc<Self>, at: Instant) -> Sleep {
        let number = self.made.get();
        self.made.set(number + 1);
        Sleep { timers: Rc::clone(self), key: (at, number) }
    }

    /// Wakes whose time has come, and gives the time until the next one.
    fn fire(&self) -> Option<Duration> {
        self.waiting.borrow().first_key_value()?;
        let now = Instant::now();
        loop {
            let mut waiting = self.waiting.borrow_mut();
            let first = waiting.first_entry()?;
            let left = first.key().0.saturating_duration_since(now);
            if !left.is_zero() {
                return Some(left);
            }
            let waker = first.remove();
            drop(waiting);
            waker.wake();
        }
    }
}

/// A wait for a moment. It may be dropped.
#[derive(Debug)]
pub(super) struct Sleep {
    timers: Rc<Timers>,
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.timers.waiting.borrow_mut();
        if self.key.0 <= Instant::now() {
            waiting.remove(&self.key);
            return Poll::Ready(());
        }
        match waiting.get_mut(&self.key) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                waiting.insert(self.key, context.waker().clone());
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.timers.waiting.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::sync::mpsc;
    use tokio::sync::{Notify, oneshot};

    /// Waits for the bell only.
    struct Alone(Arc<Bell>);

    impl Park for Alone {
        fn wait(&self, at_most: Option<Duration>) -> io::Result<()> {
            let at_most = at_most.map(|time| Timespec::try_from(time).unwrap());
            poll(&mut [PollFd::new(self.0.event(), PollFlags::IN)], at_most.as_ref())?;
            Ok(())
        }

        fn dispatch(&self) {
            self.0.hush();
        }
    }

    fn run<F: Future>(story: impl FnOnce(Rc<Timers>) -> F) -> F::Output {
        let (bell, timers) = (Bell::new().unwrap(), Rc::default());
        block_on(story(Rc::clone(&timers)), &Alone(Arc::clone(&bell)), &timers, &bell).unwrap()
    }

    #[test]
    fn tasks_run_beside_the_future_and_end_with_it() {
        let told = run(async |_| {
            let (notify, other) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let (seen, told) = (Rc::clone(&notify), Rc::clone(&other));
            tokio::task::spawn_local(async move {
                seen.notified().await;
                told.notify_one();
            });
            let held = Rc::new(());
            let weak = Rc::downgrade(&held);
            tokio::task::spawn_local(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
            notify.notify_one();
            other.notified().await;
            weak
        });
        assert!(told.upgrade().is_none(), "a task that never ends is dropped with the rest");
    }

    #[test]
    fn another_thread_wakes_it_whenever_it_likes() {
        // Each number is sent when the one before has come, now and then while the thread waits.
        let count = 2_000;
        let (send, numbers) = mpsc::channel::<oneshot::Sender<u32>>();
        let answers = std::thread::spawn(move || {
            for (number, sender) in numbers.into_iter().enumerate() {
                if number % 3 == 0 {
                    std::thread::yield_now();
                }
                sender.send(u32::try_from(number).unwrap()).unwrap();
            }
        });
        let sum = run(async |_| {
            let mut sum = 0;
            for _ in 0..count {
                let (sender, number) = oneshot::channel();
                send.send(sender).unwrap();
                sum += number.await.unwrap();
            }
            drop(send);
            sum
        });
        assert_eq!(sum, (0..count).sum::<u32>());
        answers.join().unwrap();
    }

    #[test]
    fn timers_end_in_their_order_and_may_be_dropped() {
        let order = run(async |timers| {
            let order = Rc::new(RefCell::new(Vec::new()));
            let now = Instant::now();
            let ends: Vec<_> = [30, 10, 20, 10]
                .into_iter()
                .enumerate()
                .map(|(index, ms)| {
                    let sleep = timers.until(now + Duration::from_millis(ms));
                    let order = Rc::clone(&order);
                    tokio::task::spawn_local(async move {
                        sleep.await;
                        order.borrow_mut().push(index);
                    })
                })
                .collect();
            let mut dropped = timers.until(now + Duration::from_secs(3_600));
            let polled = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut dropped).poll(cx)));
            assert!(polled.await.is_pending());
            drop(dropped);
            for end in ends {
                end.await.unwrap();
            }
            timers.until(now).await;
            assert!(timers.waiting.borrow().is_empty());
            order.take()
        });
        assert_eq!(order, [1, 3, 2, 0]);
    }
}
