//! A run while it goes on: who wants it to end, what is to be written and said meanwhile.

use crate::engine::books::dns_cache::DnsCache;
use crate::engine::books::journal::Watched;
use crate::engine::books::row_file::Flushed;
use crate::engine::run::prepared::Beside;
use crate::engine::run::signals::{PATIENCE, Signals};
use crate::engine::say::say;
use crate::engine::shared::Shared;
use crate::engine::state::stop::Stop;
use crate::engine::watch::observe::Observer;
use crate::report::{Limit, RunEnd};
use crate::ring::heap;
use std::time::{Duration, Instant};

/// How the run went while it was overseen.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) end: RunEnd,
    /// Whether the run was stopped before its list ended: the reader may sit in a read of a pipe
    /// for as long as its writer likes.
    pub(crate) is_stopped: bool,
    /// A core did not end although it was told to: it sits in a write to a pipe that nobody reads.
    pub(crate) is_abandoned: bool,
}

/// Shows progress, writes rows, and minds signals, until every core is done.
pub(crate) fn oversee(shared: &Shared, signals: &Signals, beside: &mut Beside) -> Watch {
    let mut observer = Observer::new(shared);
    let mut spent: Option<Limit> = None;
    let mut grace_ends: Option<Instant> = None;
    let mut patience_ends: Option<Instant> = None;
    let mut ticks: u64 = 0;
    let is_out_of_patience = |ends: Option<Instant>| ends.is_some_and(|ends| ends < Instant::now());
    while shared.stop.cores_done() < shared.config.cpus.len() && !is_out_of_patience(patience_ends)
    {
        std::thread::park_timeout(TICK);
        ticks += 1;
        spent = spent.or_else(|| shared.books.rows().spent());
        // A budget that is used up is as good as the first signal.
        match (signals.count() + usize::from(spent.is_some()), grace_ends) {
            (0, _) => {}
            (1, None) => {
                let grace = Duration::from_millis(shared.config.grace_ms);
                shared.stop.set(Stop::Draining);
                grace_ends = Some(Instant::now() + grace);
                say_stopping(spent, grace, signals);
            }
            (1, Some(ends)) if Instant::now() < ends => {}
            (_, _) => {
                shared.stop.set(Stop::Now);
                patience_ends.get_or_insert_with(|| Instant::now() + PATIENCE);
            }
        }
        if heap::is_short() {
            // What is left of the reserve is for the end of the run.
            shared.stop.set(Stop::Now);
            patience_ends.get_or_insert_with(|| Instant::now() + PATIENCE);
        }
        // A core that died leaves its jobs lying: the run ends.
        if shared.stop.cores_done() > 0 && !shared.queue.view().is_finished() {
            shared.stop.set(Stop::Draining);
        }
        if ticks.is_multiple_of(FLUSH_EVERY_TICKS) {
            flush(shared);
        }
        if ticks.is_multiple_of(LOOK_EVERY_TICKS) {
            beside.watched.iter_mut().for_each(Watched::look);
        }
        shared
            .full_disk
            .mind(shared.now_ms(), &shared.stop, || shared.books.rows().flush() == Flushed::All);
        shared.books.release();
        observer.look(signals.asked());
        beside.dns_cache.iter_mut().for_each(DnsCache::tick);
    }
    let is_stopped = shared.stop.get() != Stop::Running;
    shared.stop.set(Stop::Draining);
    observer.finish(signals.asked());
    let end = match (signals.count(), shared.full_disk.is_given_up()) {
        (0, false) => shared.books.rows().spent().map_or(RunEnd::Complete, RunEnd::Stopped),
        (0, true) => RunEnd::DiskFull,
        (_, _) => RunEnd::Interrupted,
    };
    Watch { end, is_stopped, is_abandoned: shared.stop.cores_done() < shared.config.cpus.len() }
}

/// Says why no new job starts, and what becomes of the others. A program that embeds the run knows
/// that it asked for it, and has no Ctrl-C.
fn say_stopping(spent: Option<Limit>, grace: Duration, signals: &Signals) {
    let finish = format!("jobs in flight get {} s to finish", grace.as_secs_f64());
    match (spent, signals.are_caught()) {
        (None, true) => say(&format!("interrupted: {finish}; again to stop at once")),
        (None, false) => {}
        (Some(limit), true) => {
            say(&format!("stopping ({limit}): {finish}; Ctrl-C to stop at once"))
        }
        (Some(limit), false) => say(&format!("stopping ({limit}): {finish}")),
    }
}

/// Writes the rows that wait. Without its report the run cannot go on, and on a full disk it waits.
pub(crate) fn flush(shared: &Shared) {
    // The lock must not be held below.
    let flushed = shared.books.rows().flush();
    match (flushed, &shared.config.report) {
        (Flushed::Full, Some(report)) => {
            shared.full_disk.met_report(&report.path, shared.now_ms());
        }
        (Flushed::Broken, _) => shared.stop.set(Stop::Draining),
        (Flushed::All | Flushed::Full, _) => {}
    }
}

/// How often the run is looked after.
const TICK: Duration = Duration::from_millis(50);
/// Rows are written at the latest after so many ticks.
const FLUSH_EVERY_TICKS: u64 = 2;
/// The report is looked for under its name each time that so many ticks have passed, which is 5 s.
const LOOK_EVERY_TICKS: u64 = 100;
