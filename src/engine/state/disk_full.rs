//! A full disk: who is told, who waits, and when the run goes on. The rules are those of
//! [`crate::plan::room`].

use crate::config::{Config, ProgressMode};
use crate::engine::say::say;
use crate::engine::state::stop::{Stop, StopFlag};
use crate::fault::{Cause, DiskProblem, Fault};
use crate::http::Head;
use crate::http::head::Framing;
use crate::plan::room::{Fate, Look, Met, Pause, Room};
use crate::ring::room;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is shared about a full disk.
pub(crate) struct FullDisk {
    /// The directory of the run.
    dir: PathBuf,
    /// For how long a full disk is waited for (`--disk-wait`), in milliseconds.
    wait_ms: u64,
    /// Whether what is received may be longer once it is stored.
    is_decoded: bool,
    /// Whether nothing is said: who reads JSON from standard error reads nothing else; it says
    /// there that the run is paused.
    is_quiet: bool,
    state: Mutex<State>,
    /// Whether the run is paused: nothing new begins.
    is_paused: AtomicBool,
    /// One job may begin all the same, to find out whether there is room.
    is_probe_due: AtomicBool,
    /// When the current pause began, in milliseconds of the run.
    since_ms: AtomicU64,
    /// Milliseconds of all pauses that are over.
    paused_ms: AtomicU64,
    /// Whether `--disk-wait` has run out.
    is_given_up: AtomicBool,
}

struct State {
    pause: Pause,
    /// A path on each full file system, by the number of its device.
    places: Vec<(u64, PathBuf)>,
    next_look_ms: u64,
    /// What to say of the pause, unless it was said.
    to_tell: Option<String>,
    is_told: bool,
}

/// What is known of a job that failed for lack of room.
#[derive(Clone, Copy)]
pub(crate) struct Lacking<'l> {
    pub(crate) fault: &'l Fault,
    /// Where its file was to be, beneath the directory of the run.
    pub(crate) parents: &'l str,
    /// The response, as far as there was one.
    pub(crate) head: Option<&'l Head>,
    /// Bytes that came of it.
    pub(crate) received: u64,
}

/// What a job does that found the disk full.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Full {
    /// The job goes back to its queue, at no cost.
    Wait,
    /// The run is to end: the job was not done.
    Stopped,
    /// The job fails.
    Fail,
}

impl FullDisk {
    /// Nothing is known yet.
    pub(crate) fn new(config: &Config) -> Self {
        let wait_ms = config.disk_wait_ms;
        Self {
            dir: config.dir.clone(),
            wait_ms,
            is_decoded: config.request.compressed,
            is_quiet: config.progress.mode == ProgressMode::Json,
            state: Mutex::new(State {
                pause: Pause::new(wait_ms),
                places: Vec::new(),
                next_look_ms: 0,
                to_tell: None,
                is_told: false,
            }),
            is_paused: AtomicBool::new(false),
            is_probe_due: AtomicBool::new(false),
            since_ms: AtomicU64::new(0),
            paused_ms: AtomicU64::new(0),
            is_given_up: AtomicBool::new(false),
        }
    }

    /// Whether nothing new begins.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::Relaxed)
    }

    /// Takes the right to begin one job all the same, if there is one to take.
    pub(crate) fn take_probe(&self) -> bool {
        self.is_probe_due.load(Ordering::Relaxed)
            && self.is_probe_due.swap(false, Ordering::Relaxed)
    }

    /// Gives it back: it told nothing.
    pub(crate) fn return_probe(&self) {
        if self.is_paused() {
            self.is_probe_due.store(true, Ordering::Relaxed);
        }
    }

    /// For how many milliseconds the run was paused: no job's time runs meanwhile.
    pub(crate) fn paused_ms(&self, now_ms: u64) -> u64 {
        let before_ms = self.paused_ms.load(Ordering::Relaxed);
        before_ms + if self.is_paused() { self.lasted_ms(now_ms) } else { 0 }
    }

    /// For how long the current pause lasts, in milliseconds.
    fn lasted_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms.load(Ordering::Relaxed))
    }

    /// Whether the run ends because the disk stayed full.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the run is paused: nothing is read meanwhile that would only fill memory.
    pub(crate) fn wait(&self, stop: &StopFlag) {
        while self.is_paused() && stop.get() == Stop::Running {
            std::thread::sleep(WAIT_STEP);
        }
    }

    /// A job failed for lack of room: what it does now, at `now_ms` of the run.
    pub(crate) fn met(&self, lacking: &Lacking<'_>, now_ms: u64, stop: &StopFlag) -> Full {
        let Lacking { fault, parents, head, received } = *lacking;
        if self.wait_ms == 0 {
            return Full::Fail;
        }
        let folder = self.dir.join(parents);
        let told = room::Room::of(&folder);
        let device = told.map_or(0, |room| room.device);
        let is_quota = fault.cause == Cause::Disk(DiskProblem::Quota);
        let room = told.map(of_plan);
        // What is stored may be longer than what was received.
        let is_decoded =
            self.is_decoded && head.is_some_and(|head| head.content_encoding.is_some());
        let length = head.and_then(|head| match head.framing {
            Framing::Length(bytes) if !is_decoded => Some(bytes),
            Framing::Length(_) | Framing::Chunked | Framing::Close | Framing::Empty => None,
        });
        let received = match room {
            // Its own part was removed by now, so all that is free was not enough.
            Some(room) if is_decoded && room.free_files > 0 => received.max(room.free_bytes),
            Some(_) | None => received,
        };
        let met = Met { device, length, received, is_quota };
        let mut state = self.state();
        let fate = state.pause.met(&met, room.as_ref(), now_ms);
        match fate {
            Fate::Fail => return Full::Fail,
            Fate::Wait | Fate::WaitFirst if stop.get() != Stop::Running => return Full::Stopped,
            Fate::Wait | Fate::WaitFirst => {}
        }
        if state.places.iter().all(|(known, _)| *known != device) {
            state.places.push((device, folder.clone()));
        }
        let is_home = room::Room::of(&self.dir).is_some_and(|home| home.device == device);
        let shown = if is_home { &self.dir } else { &folder };
        let what = match (is_quota, room) {
            (true, _) => format!("the disk quota of {} is used up", shown.display()),
            (false, Some(Room { free_files: 0, total_files: 1.., .. })) => {
                format!("the disk of {} has no room for more files (inodes)", shown.display())
            }
            (false, _) => format!("the disk of {} is full", shown.display()),
        };
        self.pause(state, fate, what, now_ms);
        Full::Wait
    }

    /// The report cannot be written, since its disk is full.
    pub(crate) fn met_report(&self, path: &Path, now_ms: u64) {
        let mut state = self.state();
        let fate = state.pause.met_report(now_ms);
        let what = format!("the disk of the report {} is full", path.display());
        self.pause(state, fate, what, now_ms);
    }

    /// Lets the run pause, and says so.
    fn pause(&self, mut state: MutexGuard<'_, State>, fate: Fate, what: String, now_ms: u64) {
        if !self.is_paused() {
            self.since_ms.store(now_ms, Ordering::Relaxed);
            self.is_paused.store(true, Ordering::Relaxed);
            state.next_look_ms = now_ms + LOOK_EVERY_MS;
            state.is_told = false;
        }
        if !state.is_told {
            state.to_tell.get_or_insert(what);
        }
        if fate == Fate::WaitFirst {
            self.tell_pause(&mut state);
        }
    }

    fn tell_pause(&self, state: &mut State) {
        let Some(what) = state.to_tell.take() else { return };
        state.is_told = true;
        let wait = self.disk_wait();
        self.say_of_disk(&format!(
            "{what}: paused; make room, and the run goes on; it gives up in {wait} (--disk-wait)"
        ));
    }

    /// The job that was let go to find out has its file.
    pub(crate) fn probe_succeeded(&self, now_ms: u64, stop: &StopFlag) {
        let mut state = self.state();
        if state.pause.probed(now_ms) == Look::GoOn {
            self.go_on(&mut state, now_ms, stop);
        }
    }

    /// Looks whether a pause is over; to be called all the time. `write_rows` writes
    /// those that wait, and says whether all of them are in the report now.
    pub(crate) fn mind(&self, now_ms: u64, stop: &StopFlag, write_rows: impl FnOnce() -> bool) {
        if !self.is_paused() || self.is_given_up() {
            return;
        }
        let mut state = self.state();
        if now_ms < state.next_look_ms {
            return;
        }
        state.next_look_ms = now_ms + LOOK_EVERY_MS;
        if self.lasted_ms(now_ms) >= TELL_AFTER_MS {
            self.tell_pause(&mut state);
        }
        if write_rows() {
            state.pause.report_written();
        }
        let State { pause, places, .. } = &mut *state;
        let room_of = |device| {
            let (_, path) = places.iter().find(|(known, _)| *known == device)?;
            room::Room::of(path).filter(|room| room.device == device).map(of_plan)
        };
        match pause.look(room_of, now_ms) {
            Look::Wait => {}
            Look::Probe => {
                self.is_probe_due.store(true, Ordering::Relaxed);
                stop.wake_all();
            }
            Look::GoOn => self.go_on(&mut state, now_ms, stop),
            Look::GiveUp => {
                self.is_given_up.store(true, Ordering::Relaxed);
                let wait = self.disk_wait();
                self.say_of_disk(&format!(
                    "the disk is still full after {wait}: the run stops; make room and start it \
                     again to pull what is left"
                ));
                stop.set(Stop::Draining);
            }
        }
    }

    fn go_on(&self, state: &mut State, now_ms: u64, stop: &StopFlag) {
        state.places.clear();
        state.to_tell = None;
        let lasted_ms = self.lasted_ms(now_ms);
        self.paused_ms.fetch_add(lasted_ms, Ordering::Relaxed);
        self.is_probe_due.store(false, Ordering::Relaxed);
        self.is_paused.store(false, Ordering::Relaxed);
        if std::mem::take(&mut state.is_told) {
            self.say_of_disk("there is room on the disk again: the run goes on");
        }
        stop.wake_all();
    }

    /// The run is over but for this, of which the disk is full.
    pub(crate) fn tell_end_waits(&self, what: &str) {
        if self.is_given_up() {
            return;
        }
        let wait = self.disk_wait();
        self.say_of_disk(&format!(
            "the disk of {what} is full: make room, and it is written; gives up in {wait} \
             (--disk-wait)"
        ));
    }

    /// How long a full disk is waited for, in words.
    fn disk_wait(&self) -> impl std::fmt::Display {
        humantime::format_duration(Duration::from_millis(self.wait_ms))
    }

    fn say_of_disk(&self, text: &str) {
        if !self.is_quiet {
            say(&format!("warning: {text}"));
        }
    }
}

/// Whether a fault is that of a full disk, or of a quota.
pub(crate) fn lacks_room(fault: &Fault) -> bool {
    matches!(fault.cause, Cause::Disk(DiskProblem::NoSpace | DiskProblem::Quota))
}

fn of_plan(room: room::Room) -> Room {
    let room::Room { free_bytes, total_bytes, free_files, total_files, .. } = room;
    Room { free_bytes, total_bytes, free_files, total_files }
}

/// How often the reader looks whether a pause is over.
const WAIT_STEP: Duration = Duration::from_millis(100);
/// How often a full disk is looked at, in milliseconds.
const LOOK_EVERY_MS: u64 = 500;
/// A pause soon after another one is told when it lasts for so many milliseconds.
const TELL_AFTER_MS: u64 = 2_000;
