//! Attempts to connect that lost a race: brought to their end behind its back.

use crate::fault::Cause;
use crate::ring::tcp::{Connecting, Socket};
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Notify;

/// Attempts of one core that nobody needs and that are not at their end yet.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    count: Cell<usize>,
    ended: Notify,
}

impl Leftovers {
    /// Brings attempts to their end, and closes their sockets. The caller does not wait.
    pub(crate) fn end(self: &Rc<Self>, attempts: Vec<Connecting>) {
        attempts.iter().for_each(Connecting::end);
        self.count.set(self.count.get() + 1);
        let ending = Ending(Rc::clone(self));
        tokio::task::spawn_local(async move {
            let _ending = ending;
            for attempt in attempts {
                // It may have connected in the last moment: its socket is closed all the same.
                let _: Result<Socket, Cause> = attempt.await;
            }
        });
    }

    /// Waits for all of them.
    pub(crate) async fn ended(&self) {
        while self.count.get() > 0 {
            self.ended.notified().await;
        }
    }
}

/// Counts down, however it ended.
struct Ending(Rc<Leftovers>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.ended.notify_one();
    }
}
