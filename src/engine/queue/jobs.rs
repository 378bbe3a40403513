//! The jobs that wait, behind their lock. Whatever the schedule says about who has work now is
//! delivered here: nobody who uses the queue can forget a wake.

use crate::engine::queue::queued::{Queued, place};
use crate::engine::state::wakes::Wakes;
use crate::plan::schedule::{
    After, Assignment, HostId, HostSignal, Limits, OriginId, Round, Schedule, Wake,
};
use crate::plan::target::Target;
use crate::plan::window::Shortage;
use crate::ring::io::Io;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::vec::Drain;

/// The schedule of a run, and those who sleep until it has something for them.
#[derive(Debug)]
pub(crate) struct Queue {
    schedule: Mutex<Schedule<Queued>>,
    wakes: Arc<Wakes>,
    lookahead_max: usize,
    /// Lines that may still begin (`--max-files`): each one takes a ticket when it is put here, and
    /// gives it back if no file comes of it.
    tickets: Option<AtomicU64>,
}

/// What a core got.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) assignment: Assignment<Queued>,
    /// There are names to be asked for: [`Queue::next_unresolved`].
    pub(crate) has_unresolved: bool,
    /// When something may change by the time alone, in milliseconds of the run.
    pub(crate) due_ms: Option<u64>,
}

/// The schedule, to be looked at.
pub(crate) struct View<'q>(MutexGuard<'q, Schedule<Queued>>);

impl Deref for View<'_> {
    type Target = Schedule<Queued>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Queue {
    /// An empty one with these caps, for `files_max` files where there are to be no more; `wakes`
    /// are the sleepers of the run.
    pub(crate) fn new(limits: Limits, files_max: Option<u64>, wakes: Arc<Wakes>) -> Self {
        let lookahead_max = limits.lookahead_max;
        let tickets = files_max.map(AtomicU64::new);
        Self { schedule: Mutex::new(Schedule::new(limits)), wakes, lookahead_max, tickets }
    }

    /// How many lines may still begin. Only the reader makes them fewer.
    pub(crate) fn tickets(&self) -> u64 {
        self.tickets.as_ref().map_or(u64::MAX, |tickets| tickets.load(Ordering::Relaxed))
    }

    /// No file comes of a line that was put here: another one may begin.
    pub(crate) fn return_ticket(&self) {
        if let Some(tickets) = &self.tickets {
            {
                // The reader looks at them behind this lock before it sleeps.
                let _schedule = self.lock();
                tickets.fetch_add(1, Ordering::Relaxed);
            }
            self.wakes.made_room();
        }
    }

    /// A panic while it was held is a bug that ends its thread, not the others.
    fn lock(&self) -> MutexGuard<'_, Schedule<Queued>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schedule as it stands; nobody else gets at it for as long as it is looked at.
    pub(crate) fn view(&self) -> View<'_> {
        View(self.lock())
    }

    /// What there is for a core now; see [`Schedule::take`]. The reader is told of room.
    pub(crate) fn take(&self, core: usize, now_ms: u64) -> Taken {
        let (taken, has_room, due_ms) = {
            let mut schedule = self.lock();
            let taken = schedule.take(core, now_ms);
            // A core without work needs it from the reader at once, whoever fills the look-ahead.
            let is_idle = taken.assignment.is_nothing();
            let has_room = schedule.room() * 2 >= self.lookahead_max || is_idle;
            (taken, has_room, schedule.next_due_ms())
        };
        self.wakes.deliver(taken.wake);
        if has_room {
            self.wakes.made_room();
        }
        Taken { assignment: taken.assignment, has_unresolved: taken.has_unresolved, due_ms }
    }

    /// Jobs that follow one that was granted, on its connection; see [`Schedule::take_ahead`].
    pub(crate) fn take_ahead(&self, origin: OriginId, count_max: usize) -> Vec<Queued> {
        let fits = |queued: &Queued| matches!(queued, Queued::Line(_));
        let (taken, has_room) = {
            let mut schedule = self.lock();
            let taken = schedule.take_ahead(origin, count_max, fits);
            (taken, schedule.room() * 2 >= self.lookahead_max)
        };
        if has_room {
            self.wakes.made_room();
        }
        taken
    }

    /// Tells what an attempt says about its host; see [`Schedule::observe`].
    pub(crate) fn observe(&self, origin: OriginId, round: Round, signal: HostSignal, now_ms: u64) {
        let wake = self.lock().observe(origin, round, signal, now_ms);
        self.wakes.deliver(wake);
    }

    /// The attempt of a grant is over: whether its connection is kept; see [`Schedule::release`].
    pub(crate) fn release(&self, core: usize, origin: OriginId, connection: After) -> After {
        let released = self.lock().release(core, origin, connection);
        self.wakes.deliver(released.wake);
        released.connection
    }

    /// A job in flight lacks descriptors, memory or the like; see [`Schedule::lacked`].
    pub(crate) fn lacked(&self, now_ms: u64) -> Shortage {
        self.lock().lacked(now_ms)
    }

    /// The pool of `core` closed an idle connection.
    pub(crate) fn idle_closed(&self, core: usize, origin: OriginId) {
        let wake = self.lock().idle_closed(core, origin);
        self.wakes.deliver(wake);
    }

    /// Puts a job in the first place of the queue of `target`.
    pub(crate) fn push_front(&self, target: &Target, job: Queued, ends_ms: u64) {
        let wake = self.lock().push_front(place(target), job, ends_ms);
        self.wakes.deliver(wake);
    }

    /// How many more jobs could begin at a target now; see [`Schedule::spare`].
    pub(crate) fn spare(&self, target: &Target) -> usize {
        self.lock().spare(place(target))
    }

    /// Seeks tasks that do part of what `job` makes of `target`, as many as nobody else has a use
    /// for and no more than `count_max`; each is what `job` makes, with when it is over.
    pub(crate) fn push_spread(
        &self,
        target: &Target,
        count_max: usize,
        job: impl Fn() -> (Queued, u64),
    ) {
        let wakes: Vec<Wake> = {
            let mut schedule = self.lock();
            let count = schedule.spare(place(target)).min(count_max);
            let push = |_| {
                let (job, ends_ms) = job();
                schedule.push_spread(place(target), job, ends_ms)
            };
            (0..count).map(push).collect()
        };
        wakes.into_iter().for_each(|wake| self.wakes.deliver(wake));
    }

    /// As [`Queue::push_front`], for a job that nobody knows of but its helpers: in one step, so
    /// that the run cannot seem to be over between. `job` is told whether a target has room for it.
    pub(crate) fn push_recalled(
        &self,
        job: impl FnOnce(&dyn Fn(&Target) -> bool) -> Option<(Queued, u64)>,
    ) {
        let wake = {
            let mut schedule = self.lock();
            let recalled = job(&|target| schedule.spare(place(target)) > 0);
            let Some((job, ends_ms)) = recalled else { return };
            let Queued::Whole(waiting) = &job else { unreachable!("it has begun") };
            let target = waiting.target().clone();
            schedule.push_front(place(&target), job, ends_ms)
        };
        self.wakes.deliver(wake);
    }

    /// As [`Queue::push_front`], where the name of the host has to be asked for again before that.
    pub(crate) fn unresolve(&self, target: &Target, job: Queued, ends_ms: u64) {
        let wakes = {
            let mut schedule = self.lock();
            let unresolved = schedule.unresolve(place(target));
            [unresolved, schedule.push_front(place(target), job, ends_ms)]
        };
        wakes.into_iter().for_each(|wake| self.wakes.deliver(wake));
    }

    /// Keeps a job back until `until_ms`. `core` looks again: it may sleep until something later.
    pub(crate) fn defer(
        &self,
        core: usize,
        target: &Target,
        job: Queued,
        (until_ms, ends_ms): (u64, u64),
    ) {
        self.lock().defer(place(target), job, until_ms, ends_ms);
        self.wake(core);
    }

    /// Starts nothing at the host of `target` until `until_ms`. `core` looks again, as above.
    pub(crate) fn pause(&self, core: usize, target: &Target, until_ms: u64) {
        self.lock().pause(place(target), until_ms);
        self.wake(core);
    }

    /// Lets one core look again.
    pub(crate) fn wake(&self, core: usize) {
        self.wakes.deliver(Wake::One(core));
    }

    /// Waits for a wake of this core, at most so long.
    pub(crate) async fn woken(&self, io: &Io, core: usize, at_most: Duration) {
        self.wakes.woken(io, core, at_most).await;
    }

    /// Wakes all cores if the run is over: the last job of all may be one that nobody released.
    pub(crate) fn end_if_finished(&self) {
        if self.view().is_finished() {
            self.wakes.deliver(Wake::All);
        }
    }

    /// A host whose name is to be asked for.
    pub(crate) fn next_unresolved(&self) -> Option<(HostId, Box<str>)> {
        self.lock().next_unresolved()
    }

    /// The name of a host was asked for: its jobs may begin. Whether there are other such hosts.
    pub(crate) fn resolved(&self, host: HostId) -> bool {
        let (wake, has_unresolved) = {
            let mut schedule = self.lock();
            (schedule.resolved(host), schedule.has_unresolved())
        };
        self.wakes.deliver(wake);
        has_unresolved
    }

    /// Takes a job of the input. Gives how many more there is room for.
    pub(crate) fn push(&self, job: Queued) -> usize {
        let (wake, room) = {
            let mut schedule = self.lock();
            (schedule.push_to(job, Queued::place), schedule.room())
        };
        self.wakes.deliver(wake);
        room
    }

    /// Takes jobs of the input, for which there is room, and a ticket for each. Whether anybody was
    /// woken.
    pub(crate) fn push_all(&self, jobs: Drain<'_, Queued>) -> bool {
        if let Some(tickets) = &self.tickets {
            tickets.fetch_sub(jobs.len() as u64, Ordering::Relaxed);
        }
        let wakes = self.lock().push_all(jobs, Queued::place);
        let is_any = !wakes.is_empty();
        wakes.into_iter().for_each(|wake| self.wakes.deliver(wake));
        is_any
    }

    /// Waits until there is room for more than `reserve` jobs and a line may begin, or the run
    /// stops, or some time has passed.
    pub(crate) fn wait_for_room(&self, reserve: usize) {
        let schedule = self.lock();
        if schedule.room() <= reserve || self.tickets() == 0 {
            drop(self.wakes.wait_for_room(schedule));
        }
    }

    /// No more jobs come from the input.
    pub(crate) fn close_input(&self) {
        let wake = self.lock().close_input();
        self.wakes.deliver(wake);
    }

    /// Takes out everything that waits, in the order it was given.
    pub(crate) fn drain(&self) -> Vec<Queued> {
        self.lock().drain()
    }
}
