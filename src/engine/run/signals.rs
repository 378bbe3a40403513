//! Signals: those that end a run, and the one that asks how it goes.

use crate::exit::ExitStatus;
use crate::ring::setup;
use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// SIGINT, SIGTERM and, unless the process was told to ignore it, SIGHUP; and SIGUSR1. They are
/// counted by a thread of their own.
pub(crate) struct Signals {
    count: Arc<AtomicUsize>,
    /// How often the state was asked for.
    asked: Arc<AtomicUsize>,
    /// Whether the run is under way, and overseen.
    is_begun: Arc<AtomicBool>,
    /// Whether somebody can send them: the program is not another one's.
    is_caught: bool,
}

impl Signals {
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let hangup = (!setup::ignores_hangup()).then_some(SIGHUP);
        let mut caught = signal_hook::iterator::Signals::new(
            [SIGINT, SIGTERM, SIGUSR1].into_iter().chain(hangup),
        )
        .context("cannot catch signals")?;
        let signals = Self { is_caught: true, ..Self::none(Arc::default()) };
        let (count, is_begun) = (Arc::clone(&signals.count), Arc::clone(&signals.is_begun));
        let asked = Arc::clone(&signals.asked);
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in caught.forever() {
                    if signal == SIGUSR1 {
                        asked.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    if !is_begun.load(Ordering::Relaxed) {
                        // The opening of a pipe may wait for ever (fifo(7)), and nothing is lost.
                        end_process();
                    }
                    if count.fetch_add(1, Ordering::Relaxed) > 0 {
                        std::thread::sleep(PATIENCE * 3);
                        end_process();
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(signals)
    }

    /// None are caught: the program that embeds the run asks for its end by raising the count.
    pub(crate) fn none(count: Arc<AtomicUsize>) -> Self {
        Self { count, asked: Arc::default(), is_begun: Arc::default(), is_caught: false }
    }

    /// From now on a signal lets the run end in good order.
    pub(crate) fn set_begun(&self) {
        self.is_begun.store(true, Ordering::Relaxed);
    }

    /// How often the state of the run was asked for (SIGUSR1).
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether they end the run. An embedded one has none.
    pub(crate) fn are_caught(&self) -> bool {
        self.is_caught
    }

    /// How many came so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Ends the process where nobody minds signals: before the run has begun, or when the second signal
/// did not end it. Some thread then waits for a pipe that nobody serves, and nothing that takes
/// part in the run can be relied on any more.
#[allow(clippy::exit, reason = "there is nobody left to return to")]
fn end_process() -> ! {
    std::process::exit(ExitStatus::Interrupted.number().into())
}

/// How long a core may take to end once it was told to stop at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
