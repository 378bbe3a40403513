//! What all threads of a run share.

use crate::config::Config;
use crate::engine::attempt::pace::Paces;
use crate::engine::attempt::robots::Robots;
use crate::engine::books::row_sink::{RowSink, Scribe};
use crate::engine::books::session::Session;
use crate::engine::moment::ms;
use crate::engine::output::destination::Output;
use crate::engine::queue::queued::Queued;
use crate::engine::state::disk_full::FullDisk;
use crate::engine::state::gauges::Gauges;
use crate::engine::watch::progress::say;
use crate::plan::eyeballs;
use crate::plan::job::Job;
use crate::plan::schedule::{Schedule, Wake};
use crate::ring::heap;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How far the end of a run has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stop {
    /// Not at all.
    Running = 0,
    /// No new job starts; those in flight may finish.
    Draining = 1,
    /// Jobs in flight are cut off.
    Now = 2,
}

/// The shared state of one run.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// All times of the run count from here.
    pub(crate) began: Instant,
    /// Bandwidth limits, where there are any.
    pub(crate) paces: Option<Paces>,
    /// What those who watch the run are told.
    pub(crate) gauges: Gauges,
    /// What is known of a full disk.
    pub(crate) full_disk: FullDisk,
    /// What is known of robots.txt files.
    pub(crate) robots: Robots,
    /// Which addresses answer.
    eyeballs: Mutex<eyeballs::Memory>,
    schedule: Mutex<Schedule<Queued>>,
    /// The look-ahead has room again; goes with `schedule`.
    room: Condvar,
    /// One a core: there is work, or the end.
    wakes: Vec<Notify>,
    ledger: Mutex<RowSink>,
    /// Whether rows of lines that are done are read by anybody.
    pub(crate) reads_rows: bool,
    /// What encodes rows, for each core to have its own.
    pub(crate) scribe: Option<Scribe>,
    /// Where bodies go.
    pub(crate) output: Output,
    /// Where what is left is saved.
    session: OnceLock<Session>,
    reader: ReaderState,
    stop: AtomicU8,
    cores_done: AtomicUsize,
    is_broken: AtomicBool,
    /// How often a job lacked descriptors, memory or the like.
    shortages: AtomicU64,
    /// Origins that sent what nobody asked for.
    talkative: Mutex<HashSet<Box<str>>>,
    /// Whether there are any: asked for every response.
    has_talkative: AtomicBool,
}

/// How far the reader of the list is.
#[derive(Default)]
struct ReaderState {
    /// It waits for room. A wake costs a system call, so nobody is woken for nothing.
    is_waiting: AtomicBool,
    /// It stopped the run, and is about to say why.
    has_refused: AtomicBool,
    /// It reads on although the run has stopped, because what it reads is left.
    is_reading_on: AtomicBool,
    /// Input lines that will have a row, known once the input was read to its end.
    total: OnceLock<u64>,
    /// Lines that are other shards'.
    others: AtomicU64,
}

impl Shared {
    pub(crate) fn new(
        config: Config,
        began: Instant,
        schedule: Schedule<Queued>,
        ledger: RowSink,
        output: Output,
    ) -> Self {
        Self {
            began,
            paces: Paces::new(&config.pace),
            gauges: Gauges::new(config.cpus.len()),
            full_disk: FullDisk::new(config.disk.wait_ms),
            robots: Robots::new(&config.request.user_agent),
            eyeballs: Mutex::default(),
            schedule: Mutex::new(schedule),
            room: Condvar::new(),
            wakes: config.cpus.iter().map(|_| Notify::new()).collect(),
            reads_rows: ledger.reads_rows(),
            scribe: ledger.scribe(),
            ledger: Mutex::new(ledger),
            output,
            session: OnceLock::new(),
            reader: ReaderState::default(),
            stop: AtomicU8::new(0),
            cores_done: AtomicUsize::new(0),
            is_broken: AtomicBool::new(false),
            shortages: AtomicU64::new(0),
            talkative: Mutex::default(),
            has_talkative: AtomicBool::new(false),
            config,
        }
    }

    /// Milliseconds since the run began.
    pub(crate) fn now_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }

    /// The schedule. A panic while it was held is a bug that ends its thread, not the others.
    pub(crate) fn schedule(&self) -> MutexGuard<'_, Schedule<Queued>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered of addresses.
    pub(crate) fn eyeballs(&self) -> MutexGuard<'_, eyeballs::Memory> {
        self.eyeballs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, RowSink> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger, unless somebody holds it for long.
    fn try_ledger(&self) -> Option<MutexGuard<'_, RowSink>> {
        for _ in 0..LEDGER_ATTEMPTS {
            match self.ledger.try_lock() {
                Ok(ledger) => return Some(ledger),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LEDGER_WAIT),
            }
        }
        None
    }

    /// Writes the rows that wait, whoever holds what. Nothing is allocated for that, except for
    /// rows that are to be packed: those may be lost.
    pub(crate) fn flush_at_last(&self) {
        if let Some(mut ledger) = self.try_ledger() {
            ledger.flush();
        }
    }

    /// What is left is to be saved there.
    pub(crate) fn set_session(&self, session: Session) {
        // It is set once, before the threads start.
        let _ = self.session.set(session);
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.get()
    }

    /// A job was not done: it failed, was cancelled, or never begun.
    pub(crate) fn left(&self, job: &Job, name: &str) {
        if let Some(session) = self.session() {
            // Standard output and devices are no names for a list.
            session.add(job, self.output.has_files().then_some(name));
        }
    }

    /// The reader reads on although the run has stopped, because what it reads is left.
    pub(crate) fn set_reading_on(&self, is_reading_on: bool) {
        self.reader.is_reading_on.store(is_reading_on, Ordering::Relaxed);
    }

    pub(crate) fn is_reading_on(&self) -> bool {
        self.reader.is_reading_on.load(Ordering::Relaxed)
    }

    /// The origin sends what nobody asked for: its connections are closed after one response from
    /// now on. What comes a moment too late to be seen would be taken for the next response.
    pub(crate) fn keep_none_to(&self, origin: &str) {
        let mut talkative = self.talkative.lock().unwrap_or_else(PoisonError::into_inner);
        if talkative.len() >= TALKATIVE_ORIGINS_MAX {
            talkative.clear();
        }
        talkative.insert(origin.into());
        self.has_talkative.store(true, Ordering::Relaxed);
    }

    /// Whether connections to this origin may be kept.
    pub(crate) fn may_keep(&self, origin: &str) -> bool {
        !self.has_talkative.load(Ordering::Relaxed)
            || !self.talkative.lock().unwrap_or_else(PoisonError::into_inner).contains(origin)
    }

    /// Wakes the cores that `wake` names.
    pub(crate) fn deliver(&self, wake: Wake) {
        for core in wake.cores(self.wakes.len()) {
            self.wakes[core].notify_one();
        }
    }

    /// Wakes every core, and the reader.
    pub(crate) fn wake_all(&self) {
        self.deliver(Wake::All);
        self.room.notify_all();
    }

    /// Waits while the run is paused: nothing is read meanwhile that would only fill memory.
    pub(crate) fn wait_for_disk(&self) {
        while self.full_disk.is_paused() && self.stop() == Stop::Running {
            std::thread::sleep(ROOM_WAIT);
        }
    }

    /// Wakes all cores if the run is over: the last job of all may be one that nobody released.
    pub(crate) fn end_if_finished(&self) {
        if self.schedule().is_finished() {
            self.deliver(Wake::All);
        }
    }

    /// Waits for a wake of this core, at most so long.
    pub(crate) async fn woken(&self, core: usize, at_most: Duration) {
        // Not a ring operation: this wait may be dropped.
        let _: Result<(), tokio::time::error::Elapsed> =
            tokio::time::timeout(at_most, self.wakes[core].notified()).await;
    }

    /// Waits until the look-ahead has room for a batch, or the run stops, or some time has passed.
    pub(crate) fn wait_for_room<'s>(
        &'s self,
        schedule: MutexGuard<'s, Schedule<Queued>>,
    ) -> MutexGuard<'s, Schedule<Queued>> {
        self.reader.is_waiting.store(true, Ordering::Relaxed);
        let waited = self.room.wait_timeout(schedule, ROOM_WAIT);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Tells the reader that there is room.
    pub(crate) fn made_room(&self) {
        if self.reader.is_waiting.swap(false, Ordering::Relaxed) {
            self.room.notify_one();
        }
    }

    pub(crate) fn stop(&self) -> Stop {
        if heap::is_short() {
            return Stop::Now;
        }
        match self.stop.load(Ordering::Relaxed) {
            0 => Stop::Running,
            1 => Stop::Draining,
            _ => Stop::Now,
        }
    }

    /// Lets the run end, and everybody know.
    pub(crate) fn set_stop(&self, stop: Stop) {
        self.stop.fetch_max(stop as u8, Ordering::Relaxed);
        self.wake_all();
    }

    /// Something panicked that the run cannot do without: it ends, and as a failure.
    pub(crate) fn broken(&self) {
        self.is_broken.store(true, Ordering::Relaxed);
        self.set_stop(Stop::Draining);
    }

    /// The list is not what it should be: nothing more of it begins.
    pub(crate) fn refuse_list(&self) {
        self.reader.has_refused.store(true, Ordering::Relaxed);
        self.set_stop(Stop::Draining);
    }

    pub(crate) fn is_list_refused(&self) -> bool {
        self.reader.has_refused.load(Ordering::Relaxed)
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// A job lacks what other jobs hold: every core gives up its idle connections.
    pub(crate) fn announce_shortage(&self) {
        if self.shortages.fetch_add(1, Ordering::Relaxed) == 0 {
            say("warning: this machine is short of file descriptors, memory or ports; \
                 fewer jobs are in flight until there are more (see ulimit -n)");
        }
    }

    /// How often that was so far.
    pub(crate) fn shortages(&self) -> u64 {
        self.shortages.load(Ordering::Relaxed)
    }

    /// A core's thread has ended.
    pub(crate) fn core_done(&self) {
        self.cores_done.fetch_add(1, Ordering::Release);
    }

    /// How many have.
    pub(crate) fn cores_done(&self) -> usize {
        self.cores_done.load(Ordering::Acquire)
    }

    /// The number of rows there will be, once it is known.
    pub(crate) fn total(&self) -> Option<u64> {
        self.reader.total.get().copied()
    }

    /// A line is another shard's.
    pub(crate) fn passed_on(&self) {
        self.reader.others.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(crate) fn others(&self) -> u64 {
        self.reader.others.load(Ordering::Relaxed)
    }

    pub(crate) fn set_total(&self, rows: u64) {
        // The reader ends once.
        let _ = self.reader.total.set(rows);
    }
}

/// How long the reader sleeps at most before it looks again.
const ROOM_WAIT: Duration = Duration::from_millis(100);

/// How often the ledger is tried when memory has run out, and how long between: its holder may be
/// the thread that tries.
const LEDGER_ATTEMPTS: usize = 200;
const LEDGER_WAIT: Duration = Duration::from_millis(5);

/// Origins remembered for sending what nobody asked for; with more of them, all are forgotten.
const TALKATIVE_ORIGINS_MAX: usize = 4_096;
