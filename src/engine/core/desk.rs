//! One core's state, all of it on one thread: what a lane needs beside its task.

mod asked;

pub(crate) use asked::codings;

use crate::config::Timeouts;
use crate::engine::attempt::race::Leftovers;
use crate::engine::attempt::task::{End, Story, Task};
use crate::engine::books::closing::{Closing, Left};
use crate::engine::books::row_sink::Scribe;
use crate::engine::core::pool::Pool;
use crate::engine::core::transfers::Transfers;
use crate::engine::moment::{Bounds, Clocks, Moment};
use crate::engine::queue::queued::Queued;
use crate::engine::queue::resolve_ahead::ResolveAhead;
use crate::engine::shared::Shared;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::http::request::{Template, basic};
use crate::limits::FIRST_BUFFERS_FROM;
use crate::plan::proxy::Proxies;
use crate::plan::schedule::{
    After, Assignment, Connection as Granted, Down, DownReason, Grant, OriginId, Refused, Round,
    Sign,
};
use crate::plan::window::Shortage;
use crate::report::view::{CoreView, TRANSFERS_MAX};
use crate::ring::buf::{BufPool, Size};
use crate::ring::conn::Connection;
use crate::ring::deadline::{Deadlines, StallLimits};
use crate::ring::dir::{Dir, SentDir};
use crate::ring::dns::Resolver;
use crate::ring::is_shortage_of_machine;
use crate::ring::tcp::Waiting;
use crate::ring::tls::Settings;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What a core is made of, ready to be sent to its thread.
pub(crate) struct Seed {
    pub(crate) index: usize,
    pub(crate) cpu: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tls: Settings,
    pub(crate) dns: Resolver,
    pub(crate) gate: Arc<ResolveAhead>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) dir: SentDir,
    pub(crate) template: Template,
    /// Jobs in flight on this core.
    pub(crate) in_flight_max: usize,
    /// Idle connections the core may keep.
    pub(crate) idle_max: usize,
}

/// A task with what it was granted.
pub(crate) struct Work {
    pub(crate) task: Task,
    pub(crate) granted: Granting,
    /// A connection to its origin that was idle; without one it opens one.
    pub(crate) pooled: Option<Connection>,
    /// It is to find out whether there is room on the disk.
    pub(crate) is_disk_probe: bool,
}

/// What was granted to an attempt, to be told of what comes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granting {
    pub(crate) origin: OriginId,
    round: Round,
    /// Other jobs wait for the first byte of the answer.
    pub(crate) is_probe: bool,
}

/// One core's state; all of it belongs to its thread.
pub(crate) struct Core {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) clocks: Clocks,
    pub(crate) deadlines: Deadlines,
    /// What is expected of a peer while a body is received.
    pub(crate) patience: StallLimits,
    pub(crate) buffers: BufPool,
    pub(crate) dir: Dir,
    pub(crate) dns: Resolver,
    pub(crate) gate: Arc<ResolveAhead>,
    pub(crate) tls: Settings,
    pub(crate) template: Template,
    pub(crate) proxies: Arc<Proxies>,
    /// `Authorization` of `-u`.
    authorization: Option<String>,
    pool: RefCell<Pool>,
    idle_max: usize,
    requests: RefCell<Vec<Vec<u8>>>,
    /// Encodes rows, where there is a report.
    scribe: RefCell<Option<Scribe>>,
    #[allow(clippy::vec_box, reason = "it is the boxes that are used again")]
    stories: RefCell<Vec<Box<Story>>>,
    random: RefCell<fastrand::Rng>,
    /// Shortages of the run that this core has given up its idle connections for.
    shortages_seen: Cell<u64>,
    /// When this core looks at the schedule again if nobody wakes it, in milliseconds of the run.
    looks_again_ms: Cell<u64>,
    pub(crate) lanes: Cell<usize>,
    /// Polls of attempts so far: while it stands, nobody has waited for anything.
    pub(crate) polls: Cell<u64>,
    /// What they do, for who asks.
    pub(crate) transfers: Transfers,
    /// The last question about them that was answered.
    answered: Cell<u64>,
    interrupt: Notify,
    pub(crate) lane_ended: Notify,
    /// Attempts to connect that lost, on their way to their end.
    pub(crate) leftovers: Rc<Leftovers>,
}

impl Core {
    pub(crate) fn new(seed: Seed) -> Self {
        let request = &seed.shared.config.request;
        Self {
            index: seed.index,
            clocks: Clocks::new(seed.shared.began),
            deadlines: Deadlines::new(seed.shared.began),
            patience: patience(&seed.shared.config.timeouts),
            buffers: BufPool::default(),
            dir: seed.dir.into(),
            dns: seed.dns,
            gate: seed.gate,
            tls: seed.tls,
            template: seed.template,
            proxies: seed.proxies,
            authorization: request.basic_auth.as_deref().map(basic),
            pool: RefCell::default(),
            idle_max: seed.idle_max,
            requests: RefCell::default(),
            scribe: RefCell::new(seed.shared.books.scribe()),
            stories: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            shortages_seen: Cell::new(0),
            looks_again_ms: Cell::new(0),
            lanes: Cell::new(0),
            polls: Cell::new(0),
            transfers: Transfers::default(),
            answered: Cell::new(0),
            interrupt: Notify::new(),
            lane_ended: Notify::new(),
            leftovers: Rc::default(),
            shared: seed.shared,
        }
    }

    /// What ends the waits of a job that is over at `job_at_ms` of the run.
    pub(crate) fn bounds(&self, job_at_ms: u64) -> Bounds<'_> {
        Bounds { began: self.shared.began, job_at_ms, interrupt: &self.interrupt }
    }

    /// Does something that may be dropped, until it is done, the run is to stop now, or the job is
    /// over, at `job_at_ms` of the run.
    pub(crate) async fn until<T>(
        &self,
        job_at_ms: u64,
        doing: impl Future<Output = T>,
    ) -> Result<T, Cause> {
        self.bounds(job_at_ms).until(doing).await
    }

    /// The buffer with which an answer is waited for. A buffer that a body was received into keeps
    /// its memory, and where very many wait there would be one for each of them.
    pub(crate) fn first_size(&self) -> Size {
        if self.lanes.get() > FIRST_BUFFERS_FROM { Size::First } else { Size::Small }
    }

    /// Memory for a request, used again.
    pub(crate) fn request_memory(&self) -> Vec<u8> {
        self.requests.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes such memory back.
    pub(crate) fn keep_request_memory(&self, memory: Vec<u8>) {
        if memory.capacity() <= REQUEST_BYTES_KEPT_MAX {
            self.requests.borrow_mut().push(memory);
        }
    }

    /// A story in memory that is used again.
    pub(crate) fn boxed(&self, story: Story) -> Box<Story> {
        match self.stories.borrow_mut().pop() {
            None => Box::new(story),
            Some(mut memory) => {
                *memory = story;
                memory
            }
        }
    }

    /// Whether a task may be tried again after a wait: not once the run is to stop, and not past
    /// the deadline of the job.
    pub(crate) fn can_wait(&self, task: &Task, wait_ms: u64) -> bool {
        let again_ms = self.shared.now_ms().saturating_add(wait_ms);
        let is_output_begun = task.story.as_ref().is_some_and(|story| story.is_output_begun);
        self.shared.stop.get() == Stop::Running && again_ms < task.job_at_ms() && !is_output_begun
    }

    /// A task in flight lacks descriptors, memory or the like. Gives how long it is to wait for
    /// others to return some; nothing when there is nobody to wait for.
    pub(crate) fn lacked(&self, errno: i32) -> Option<u64> {
        // Idle connections are the first thing to do without.
        self.shared.shortages.announce();
        self.close_idle(0);
        let lack = self.shared.queue.lacked(self.shared.now_ms());
        // Questions for names hold sockets as well.
        let is_to_return = self.dir.give_up_folders() || self.dns.asking() > 0;
        match (lack, is_to_return) {
            (Shortage::Wait, _) | (_, true) => {
                Some(LACK_WAIT_MIN_MS + self.random() % LACK_WAIT_SPREAD_MS)
            }
            // Other processes hold it, and give it back some time.
            (Shortage::Alone, false) if is_shortage_of_machine(errno) => {
                Some(MACHINE_WAIT_MS + self.random() % LACK_WAIT_SPREAD_MS)
            }
            (Shortage::Alone, false) => None,
        }
    }

    /// Nothing more begins on this core.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.stop.get() != Stop::Running || self.shared.queue.view().is_finished()
    }

    /// How long the core may sleep if nobody wakes it.
    pub(crate) fn nap(&self) -> Duration {
        if self.shared.full_disk.is_paused() {
            // What is due may not begin: whoever ends the pause wakes everybody.
            return Duration::from_millis(NAP_MAX_MS);
        }
        let due_ms = self.shared.queue.view().next_due_ms();
        let now_ms = self.shared.now_ms();
        let left_ms = due_ms.map_or(NAP_MAX_MS, |due| due.saturating_sub(now_ms));
        let left_ms = left_ms.clamp(1, NAP_MAX_MS);
        self.looks_again_ms.set(now_ms.saturating_add(left_ms));
        Duration::from_millis(left_ms)
    }

    /// A task this core may run now. On a full disk there is one at a time, and it is a probe.
    pub(crate) fn take(&self, now_ms: u64) -> Option<Work> {
        let full_disk = &self.shared.full_disk;
        if !full_disk.is_paused() {
            return self.granted_work(false, now_ms);
        }
        if !full_disk.take_probe() {
            return None;
        }
        let work = self.granted_work(true, now_ms);
        if work.is_none() {
            full_disk.return_probe();
        }
        work
    }

    /// What the schedule has for this core. Tasks of hosts that are down fail here.
    fn granted_work(&self, is_disk_probe: bool, now_ms: u64) -> Option<Work> {
        for _ in 0..DOWN_AT_ONCE_MAX {
            if self.shared.stop.get() != Stop::Running {
                return None;
            }
            let taken = self.shared.queue.take(self.index, now_ms);
            if taken.has_unresolved {
                self.gate.ask();
            }
            match taken.assignment {
                Assignment::Job(grant) => return Some(self.work(grant, is_disk_probe)),
                Assignment::Down(down) => self.give_up(down),
                Assignment::Overdue(item) => self.overdue(item.unpack(), now_ms),
                Assignment::Nothing => {
                    // A lane that ends must not leave its core asleep until something later.
                    if taken.due_ms.is_some_and(|due| due < self.looks_again_ms.get()) {
                        self.shared.queue.wake(self.index);
                    }
                    return None;
                }
            }
        }
        // The lanes have their turn first.
        self.shared.queue.wake(self.index);
        None
    }

    /// A task that is not tried, for its host was given up.
    fn give_up(&self, down: Down<Queued>) {
        let fault = match down.why {
            DownReason::Unreachable { failures, last } => {
                Fault::new(Stage::Connect, Cause::HostDown).with_detail(format_args!(
                    "{failures} failures in a row to reach it, the last one {last}; pull the list \
                     again with --retry-failed later, or give --host-fail-limit 0 to try every URL"
                ))
            }
            DownReason::Refuses { refusals, for_ms } => Fault::new(Stage::Head, Cause::HostRefuses)
                .with_detail(format_args!(
                    "{refusals} refusals (429, 503) over {} s and no other answer; pull the list \
                     again with --retry-failed later, or give a longer --retry-after-max",
                    for_ms / 1_000
                )),
            DownReason::Asks { seconds } => {
                let cause = Cause::RetryAfterTooLong { seconds };
                let detail = "it said so of other URLs; this one was not tried";
                Fault::new(Stage::Head, cause).with_detail(detail)
            }
        };
        self.record(&mut down.item.unpack(), End::Failed(fault), self.clocks.now());
        self.shared.queue.end_if_finished();
    }

    /// A task whose time was over while its host rested, or while it waited for it in another way.
    fn overdue(&self, mut task: Task, now_ms: u64) {
        // Nobody's time runs while the disk is full.
        if self.ends_ms(&task) > now_ms {
            return self.requeue(task);
        }
        let fault = Fault::new(Stage::Connect, Cause::JobTimeout);
        self.record(&mut task, End::Failed(fault), self.clocks.now());
        self.shared.queue.end_if_finished();
    }

    /// When the time of a task is over as far as is known by now, in milliseconds of the run.
    fn ends_ms(&self, task: &Task) -> u64 {
        task.ends_ms(self.shared.full_disk.paused_ms(self.shared.now_ms()))
    }

    fn work(&self, grant: Grant<Queued>, is_disk_probe: bool) -> Work {
        let Grant { item, origin, connection, round, is_probe } = grant;
        let granted = Granting { origin, round, is_probe };
        let mut work = Work { task: item.unpack(), granted, pooled: None, is_disk_probe };
        // A granted connection leaves the pool with its grant: the pool may close what is in it.
        work.pooled = match connection {
            Granted::Reuse => self.pooled(origin, &work.task),
            Granted::Open => None,
            Granted::Replace(other) => {
                drop(self.pool.borrow_mut().take(other));
                None
            }
        };
        work
    }

    /// Tells the schedule what an attempt says about its host.
    pub(crate) fn observe(&self, granted: Granting, sign: Sign, now_ms: u64) {
        let Granting { origin, round, .. } = granted;
        self.shared.queue.observe(origin, round, sign, now_ms);
    }

    /// What it means for the job of a grant that its host refused it.
    pub(crate) fn refused(&self, granted: Granting) -> Refused {
        self.shared.queue.view().refused(granted.origin, self.shared.now_ms())
    }

    /// The idle connection that a grant promised, unless it became useless. Every one is looked at,
    /// however short it was idle: bytes behind a body that was received exactly are still in the
    /// kernel, and would be taken for the next response.
    fn pooled(&self, origin: OriginId, task: &Task) -> Option<Connection> {
        let connection = self.pool.borrow_mut().take(origin)?;
        self.undisturbed(connection, task.target().origin_str())
    }

    /// The same connection to this origin, if nothing has come on it since its last response.
    pub(crate) fn undisturbed(&self, mut connection: Connection, name: &str) -> Option<Connection> {
        let poll = self.polls.get();
        if !connection.is_disturbed(poll) {
            // It may be from before the origin was found out.
            return self.shared.origins.may_keep(name).then_some(connection);
        }
        if connection.peek_extra(poll) == Waiting::Bytes {
            self.shared.origins.keep_none_to(name);
        }
        None
    }

    /// The attempt of a grant is over; its connection goes to the pool or is closed.
    pub(crate) fn release(&self, origin: OriginId, connection: Option<Connection>, now_ms: u64) {
        let after = if connection.is_some() { After::Kept } else { After::Closed };
        let after = self.shared.queue.release(self.index, origin, after);
        if let (Some(mut connection), After::Kept) = (connection, after) {
            connection.park();
            self.pool.borrow_mut().put(origin, connection, now_ms);
        }
        // A list of many hosts leaves many idle connections behind; the oldest go in batches.
        if self.pool.borrow().len() > self.idle_max + self.idle_max / 4 {
            self.close_idle(self.idle_max);
        }
    }

    /// Lets a task go on where a redirect led.
    pub(crate) fn requeue(&self, task: Task) {
        let target = task.target().clone();
        let ends_ms = self.ends_ms(&task);
        self.shared.queue.push_front(&target, Queued::pack(task), ends_ms);
    }

    /// The name of a task's host has to be asked for again: the task waits for that in the first
    /// place of its queue, and holds no slot meanwhile.
    pub(crate) fn unresolve(&self, task: Task) {
        let target = task.target().clone();
        let ends_ms = self.ends_ms(&task);
        self.shared.queue.unresolve(&target, Queued::pack(task), ends_ms);
        self.gate.ask();
    }

    /// Keeps a task back; it holds no slot meanwhile.
    pub(crate) fn defer(&self, task: Task, after_ms: u64) {
        let target = task.target().clone();
        let until_ms = self.shared.now_ms().saturating_add(after_ms);
        let ends_ms = self.ends_ms(&task);
        self.shared.queue.defer(self.index, &target, Queued::pack(task), (until_ms, ends_ms));
    }

    /// Starts nothing at a task's host for so long.
    pub(crate) fn pause(&self, task: &Task, for_ms: u64) {
        let until_ms = self.shared.now_ms().saturating_add(for_ms);
        self.shared.queue.pause(self.index, task.target(), until_ms);
    }

    /// Gives a task its row. The moment after it comes back: a row may wait for the disk of the
    /// report, which is no time of the next task.
    pub(crate) fn record(&self, task: &mut Task, end: End, now: Moment) -> Moment {
        let books = &self.shared.books;
        let now = match end {
            End::Done(_) | End::Skipped if !books.reads_rows() => {
                books.count(&task.counted(&end, now.at));
                now
            }
            _ => {
                let is_left = matches!(end, End::Failed(_));
                let row = &task.row(end, now.at, self.shared.output.dir_shown());
                let mut scribe = self.scribe.borrow_mut();
                let encoded = scribe.as_mut().map(|scribe| scribe.encode(row));
                let left = is_left.then(|| Left::Job(&task.job, task.planned_name()));
                books.close(&Closing { row, encoded, left });
                self.clocks.now()
            }
        };
        self.stories.borrow_mut().extend(task.story.take());
        now
    }

    /// A random number, for what must not happen everywhere at once.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// One look at everything that has a deadline.
    pub(crate) fn sweep(&self) {
        self.clocks.set();
        self.deadlines.sweep();
        self.dir.tick();
        self.publish();
        if self.shared.stop.get() == Stop::Now {
            self.deadlines.interrupt();
            self.interrupt.notify_waiters();
        }
        let shortages = self.shared.shortages.count();
        let is_short = self.shortages_seen.replace(shortages) != shortages;
        if is_short {
            self.dir.give_up_folders();
        }
        self.close_idle(if is_short { 0 } else { self.idle_max });
    }

    /// Tells those who watch the run how this core stands.
    pub(crate) fn publish(&self) {
        let gauges = &self.shared.gauges;
        let view = CoreView { in_flight: self.lanes.get(), idle: self.pool.borrow().len() };
        gauges.publish(self.index, view, self.transfers.received());
        let question = gauges.question();
        if self.answered.replace(question) != question {
            gauges.answer(question, self.index, self.transfers.longest(TRANSFERS_MAX));
        }
    }

    /// Closes the oldest idle connections above `count_max`, and those idle for too long.
    pub(crate) fn close_idle(&self, count_max: usize) {
        let closed = self.pool.borrow_mut().expire(self.shared.now_ms(), count_max);
        for origin in closed {
            self.shared.queue.idle_closed(self.index, origin);
        }
    }
}

/// When a body is given up.
fn patience(timeouts: &Timeouts) -> StallLimits {
    let window_bytes = timeouts.speed_min.saturating_mul(timeouts.speed_ms);
    StallLimits {
        idle_ms: timeouts.read_ms,
        window_ms: timeouts.speed_ms,
        window_bytes_min: window_bytes.div_ceil(1_000),
    }
}

/// Longest memory of a request that is kept for the next one, in bytes.
const REQUEST_BYTES_KEPT_MAX: usize = 4_096;

/// Shortest wait of a task for what others hold, in milliseconds: a core looks after its idle
/// connections in less.
const LACK_WAIT_MIN_MS: u64 = 60;
/// Wait of a task for what other processes hold, in milliseconds.
const MACHINE_WAIT_MS: u64 = 1_000;
/// How much longer it is at random, in milliseconds.
const LACK_WAIT_SPREAD_MS: u64 = 140;

/// Tasks of hosts that are down that a core fails at once.
const DOWN_AT_ONCE_MAX: usize = 64;

/// Longest sleep of a core without work, in milliseconds.
const NAP_MAX_MS: u64 = 1_000;
