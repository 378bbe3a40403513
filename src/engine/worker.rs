//! One core: a pinned thread with its own ring, and the lanes on it that carry one task each.

use super::fetch::{self, Outcome};
use super::pool::Pool;
use super::shared::{Shared, Stop};
use super::task::{End, Task};
use crate::fault::{Cause, Fault, Stage};
use crate::http::request::{Parts, Template};
use crate::limits::IDLE_CHECK_MS;
use crate::plan::retry::{self, Decision};
use crate::plan::schedule::{After, Grant, OriginId, Wake};
use crate::ring::buf::BufPool;
use crate::ring::conn::Connection;
use crate::ring::deadline::Deadlines;
use crate::ring::dns::Resolver;
use crate::ring::file::Dir;
use crate::ring::setup::{self, CoreRings};
use crate::ring::tls::Settings;
use base64::Engine as _;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;

/// What a core is made of, ready to be sent to its thread.
pub(super) struct Seed {
    pub(super) index: usize,
    pub(super) cpu: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) tls: Settings,
    pub(super) dns: Resolver,
    pub(super) template: Template,
    /// Idle connections the core may keep.
    pub(super) idle_max: usize,
}

/// One core's state; all of it belongs to its thread.
pub(super) struct Core {
    index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) deadlines: Deadlines,
    pub(super) buffers: BufPool,
    pub(super) dir: Dir,
    pub(super) dns: Resolver,
    pub(super) tls: Settings,
    pub(super) template: Template,
    pool: RefCell<Pool>,
    idle_max: usize,
    requests: RefCell<Vec<Vec<u8>>>,
    random: RefCell<fastrand::Rng>,
    lanes: Cell<usize>,
    interrupt: Notify,
    lane_ended: Notify,
}

/// Runs one core until the run is over.
pub(super) fn run(seed: Seed) -> anyhow::Result<()> {
    // A CPU that went away since it was looked up is the kernel's business: the thread runs
    // unpinned.
    let _: bool = setup::pin(seed.cpu);
    let cpu = seed.cpu;
    let core = Rc::new(Core::new(seed)?);
    CoreRings::run(cpu, work(core))
}

async fn work(core: Rc<Core>) {
    let sweeper = tokio::task::spawn_local(sweep(Rc::clone(&core)));
    while !core.is_over() {
        fill(&core);
        core.shared.woken(core.index, core.nap()).await;
    }
    while core.lanes.get() > 0 {
        core.lane_ended.notified().await;
    }
    sweeper.abort();
    core.pool.borrow_mut().expire(u64::MAX, 0);
}

/// Starts a lane for every task that this core may run now.
fn fill(core: &Rc<Core>) {
    while let Some(grant) = core.take() {
        core.lanes.set(core.lanes.get() + 1);
        tokio::task::spawn_local(lane(Rc::clone(core), grant));
    }
}

/// Runs one task after another, until there is none for this core.
async fn lane(core: Rc<Core>, first: Grant<Task>) {
    let mut next = Some(first);
    while let Some(grant) = next {
        run_task(&core, grant).await;
        next = core.take();
        if next.is_some() {
            // A core that was given work must ask on until there is none (see the schedule's
            // rules).
            fill(&core);
        }
    }
    core.lanes.set(core.lanes.get() - 1);
    core.lane_ended.notify_one();
}

/// One attempt of one task, and what follows from it.
async fn run_task(core: &Rc<Core>, grant: Grant<Task>) {
    let Grant { item: mut task, origin, connection: granted } = grant;
    let (outcome, connection) = {
        let mut attempt = pin!(fetch::attempt(core, &mut task, origin, granted));
        // A panic is a bug of ours, but it is only this job's failure. What the attempt held (its
        // socket, its unfinished file) goes with its future; operations in flight keep their
        // memory.
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(context))) {
            Ok(poll) => poll,
            Err(_) => Poll::Ready((Fault::new(Stage::Input, Cause::Panic).into(), None)),
        })
        .await
    };
    match follow(core, &mut task, outcome) {
        Next::Ended(end) => core.record(task, end),
        Next::Redirected => core.requeue(task),
        Next::Retry { after_ms, is_pause } => core.defer(task, after_ms, is_pause),
    }
    core.release(origin, connection);
}

/// What a task does next.
enum Next {
    Ended(End),
    /// It goes on where a redirect led.
    Redirected,
    /// It waits, and with `is_pause` its whole origin.
    Retry {
        after_ms: u64,
        is_pause: bool,
    },
}

fn follow(core: &Core, task: &mut Task, outcome: Outcome) -> Next {
    let (fault, retry_after) = match outcome {
        Outcome::Done(renamed) => return Next::Ended(End::Done { renamed }),
        Outcome::Skipped => return Next::Ended(End::Skipped),
        Outcome::Redirect(target) => {
            if let Some(story) = &mut task.story {
                story.num_redirects += 1;
                story.target = Some(target);
            }
            return Next::Redirected;
        }
        Outcome::Failed(fault, retry_after) => (fault, retry_after),
    };
    let attempt = task.story.as_ref().map_or(1, |story| story.attempt);
    let retry_after_ms = retry_after.and_then(|value| retry::retry_after_ms(value, unix_s()));
    let random = core.random.borrow_mut().u64(..);
    let policy = &core.shared.config.retry;
    match retry::decide(&fault, attempt, retry_after_ms, random, policy) {
        Decision::Retry { after_ms } if core.can_wait(task, after_ms) => {
            if let Some(story) = &mut task.story {
                story.attempt += 1;
            }
            Next::Retry { after_ms, is_pause: retry_after_ms.is_some() }
        }
        Decision::RetryAfterTooLong { seconds } => {
            let cause = Cause::RetryAfterTooLong { seconds };
            Next::Ended(End::Failed(Fault::new(Stage::Head, cause)))
        }
        Decision::Retry { .. } | Decision::GiveUp => Next::Ended(End::Failed(fault)),
    }
}

/// Looks after deadlines and idle connections.
async fn sweep(core: Rc<Core>) {
    let mut ticks: u64 = 0;
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        core.deadlines.sweep();
        if core.shared.stop() == Stop::Now {
            core.deadlines.interrupt();
            core.interrupt.notify_waiters();
        }
        ticks += 1;
        if ticks.is_multiple_of(EXPIRE_EVERY_TICKS) {
            core.expire_idle();
        }
    }
}

impl Core {
    fn new(seed: Seed) -> anyhow::Result<Self> {
        Ok(Self {
            index: seed.index,
            deadlines: Deadlines::new(seed.shared.began),
            buffers: BufPool::default(),
            dir: Dir::create(&seed.shared.config.dir)?,
            dns: seed.dns,
            tls: seed.tls,
            template: seed.template,
            pool: RefCell::default(),
            idle_max: seed.idle_max,
            requests: RefCell::default(),
            random: RefCell::new(fastrand::Rng::new()),
            lanes: Cell::new(0),
            interrupt: Notify::new(),
            lane_ended: Notify::new(),
            shared: seed.shared,
        })
    }

    /// The run is to stop now.
    pub(super) async fn interrupted(&self) {
        self.interrupt.notified().await;
    }

    /// The idle connection that a grant promised, unless it became useless.
    pub(super) fn pooled(&self, origin: OriginId) -> Option<Connection> {
        let (connection, since_ms) = self.pool.borrow_mut().take(origin)?;
        let idle_ms = self.shared.now_ms().saturating_sub(since_ms);
        (idle_ms < IDLE_CHECK_MS || !connection.is_disturbed()).then_some(connection)
    }

    /// Memory for a request, used again.
    pub(super) fn request_memory(&self) -> Vec<u8> {
        self.requests.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes such memory back.
    pub(super) fn keep_request_memory(&self, memory: Vec<u8>) {
        self.requests.borrow_mut().push(memory);
    }

    /// The value of `Authorization`: what the URL says, else `-u`.
    pub(super) fn authorization(&self, task: &Task) -> Option<String> {
        let given = task.job.target.basic_auth();
        let user = given.or(self.shared.config.request.basic_auth.as_deref())?;
        Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user)))
    }

    /// The header fields of a task that has some of its own.
    pub(super) fn template_of(&self, task: &Task) -> Option<Template> {
        let own = task.job.options.as_ref().map(|options| options.headers.as_slice())?;
        if own.is_empty() {
            return None;
        }
        let request = &self.shared.config.request;
        let is_replaced =
            |name: &str| own.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let mut fields: Vec<(String, String)> = request.headers.clone();
        fields.retain(|(name, _)| !is_replaced(name));
        fields.extend_from_slice(own);
        let parts = Parts {
            user_agent: &request.user_agent,
            referer: request.referer.as_deref(),
            fields: &fields,
        };
        // The fields were checked when the line was read.
        Template::new(&parts).ok()
    }

    /// Whether a task may be tried again after a wait: not once the run is to stop, and not past
    /// the deadline of the job.
    fn can_wait(&self, task: &Task, wait_ms: u64) -> bool {
        let again_ms = self.shared.now_ms().saturating_add(wait_ms);
        let job_at_ms = task.story.as_ref().map_or(u64::MAX, |story| story.job_at_ms);
        self.shared.stop() == Stop::Running && again_ms < job_at_ms
    }

    fn is_over(&self) -> bool {
        self.shared.stop() != Stop::Running || self.shared.schedule().is_finished()
    }

    /// How long the core may sleep if nobody wakes it.
    fn nap(&self) -> Duration {
        let due_ms = self.shared.schedule().next_due_ms();
        let left_ms = due_ms.map_or(NAP_MAX_MS, |due| due.saturating_sub(self.shared.now_ms()));
        Duration::from_millis(left_ms.clamp(1, NAP_MAX_MS))
    }

    fn take(&self) -> Option<Grant<Task>> {
        if self.shared.stop() != Stop::Running {
            return None;
        }
        let now_ms = self.shared.now_ms();
        let (taken, has_room) = {
            let mut schedule = self.shared.schedule();
            let taken = schedule.take(self.index, now_ms);
            (taken, schedule.queued() * 2 < self.shared.config.lookahead_max)
        };
        self.shared.deliver(taken.wake);
        if has_room && taken.grant.is_some() {
            self.shared.made_room();
        }
        taken.grant
    }

    fn release(&self, origin: OriginId, connection: Option<Connection>) {
        let after = if connection.is_some() { After::Kept } else { After::Closed };
        let released = self.shared.schedule().release(self.index, origin, after);
        if let (Some(connection), After::Kept) = (connection, released.connection) {
            self.pool.borrow_mut().put(origin, connection, self.shared.now_ms());
        }
        self.shared.deliver(released.wake);
        // A list of many hosts leaves many idle connections behind; the oldest go in batches.
        if self.pool.borrow().len() > self.idle_max + self.idle_max / 4 {
            self.expire_idle();
        }
    }

    fn requeue(&self, task: Task) {
        let key = task.target().origin_str().to_owned();
        let wake = self.shared.schedule().push_front(&key, task);
        self.shared.deliver(wake);
    }

    fn defer(&self, task: Task, after_ms: u64, is_pause: bool) {
        let key = task.target().origin_str().to_owned();
        let until_ms = self.shared.now_ms().saturating_add(after_ms);
        let mut schedule = self.shared.schedule();
        if is_pause {
            schedule.pause(&key, until_ms);
        }
        schedule.defer(&key, task, until_ms);
        drop(schedule);
        // A core that sleeps until something later must look again.
        self.shared.deliver(Wake::One(self.index));
    }

    fn record(&self, task: Task, end: End) {
        let row = task.row(end, self.shared.dir_shown());
        if !self.shared.ledger().record(&row) {
            self.shared.set_stop(Stop::Draining);
        }
    }

    fn expire_idle(&self) {
        let now_ms = self.shared.now_ms();
        let closed = self.pool.borrow_mut().expire(now_ms, self.idle_max);
        for origin in closed {
            let wake = self.shared.schedule().idle_closed(self.index, origin);
            self.shared.deliver(wake);
        }
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How often deadlines are looked at: what they may be late by.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);
/// Idle connections are looked through once in so many sweeps.
const EXPIRE_EVERY_TICKS: u64 = 10;
/// Longest sleep of a core without work, in milliseconds.
const NAP_MAX_MS: u64 = 1_000;
