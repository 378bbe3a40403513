//! What one core takes from the queue, and gives back to it: jobs, and connections that the queue
//! counts.

use crate::config::Pipeline;
use crate::engine::attempt::ahead::Following;
use crate::engine::attempt::fetch::{Fetch, Waiting};
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::outcome::End;
use crate::engine::attempt::team::{Recruit, Team};
use crate::engine::core::next::Next;
use crate::engine::core::pool::Pool;
use crate::engine::core::rows::Rows;
use crate::engine::moment::Moment;
use crate::engine::queue::queued::Queued;
use crate::engine::queue::resolve_ahead::ResolveAhead;
use crate::engine::shared::Shared;
use crate::engine::state::stop::Stop;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::job::Job;
use crate::plan::proxy::Route;
use crate::plan::schedule::{
    After, Assignment, Connection as Granted, Grant, Granting, HostSignal, OriginId, Refused,
};
use crate::plan::target::Target;
use crate::ring::conn::Connection;
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A job with what it was granted.
pub(crate) struct Work {
    pub(crate) fetch: Fetch,
    pub(crate) granted: Granting,
    /// A connection to its origin that was idle; without one it opens one.
    pub(crate) pooled: Option<Connection>,
    /// Jobs that follow it on its connection, by its grant.
    pub(crate) following: Following,
    /// Whether it is to find out if there is room on the disk.
    pub(crate) is_disk_probe: bool,
}

/// A body that may have more helpers.
struct Growing {
    team: Weak<Team>,
    job: Job,
    /// When the job began.
    began: Instant,
    /// When the job is over in any case, in milliseconds of the run.
    job_at_ms: u64,
}

impl Growing {
    fn new(recruit: Recruit<'_>) -> Self {
        let Recruit { team, job, began, job_at_ms, .. } = recruit;
        Self { team: Arc::downgrade(team), job: job.clone(), began, job_at_ms }
    }
}

/// The place of one core at the queue.
pub(crate) struct Desk {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    ahead: Arc<ResolveAhead>,
    pool: RefCell<Pool>,
    /// Idle connections that the core may keep.
    idle_max: usize,
    /// When this core looks at the queue again if nobody wakes it, in milliseconds of the run.
    looks_again_ms: Cell<u64>,
    pub(crate) rows: Rows,
    /// Bodies whose lead went to wait for the others here.
    parked: RefCell<Vec<Weak<Team>>>,
    /// Bodies that helpers were sought for here.
    growing: RefCell<Vec<Growing>>,
}

impl Desk {
    /// The place of core `index`, which keeps up to `idle_max` idle connections.
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        ahead: Arc<ResolveAhead>,
        idle_max: usize,
    ) -> Self {
        Self {
            index,
            ahead,
            pool: RefCell::default(),
            idle_max,
            looks_again_ms: Cell::new(0),
            rows: Rows::new(&shared),
            parked: RefCell::default(),
            growing: RefCell::default(),
            shared,
        }
    }

    /// Whether nothing more begins on this core.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.stop.get() != Stop::Running || self.shared.queue.view().is_finished()
    }

    /// How long the core may sleep if nobody wakes it.
    pub(crate) fn nap(&self) -> Duration {
        if self.shared.full_disk.is_paused() || self.shared.books.is_held() {
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

    /// A job that this core may run now. On a full disk there is one at a time, and it is a probe.
    pub(crate) fn take(&self, kit: &Kit, now: Moment) -> Option<Work> {
        if self.shared.books.is_held() {
            return None;
        }
        let full_disk = &self.shared.full_disk;
        if !full_disk.is_paused() {
            return self.take_granted(kit, false, now);
        }
        if !full_disk.take_probe() {
            return None;
        }
        let work = self.take_granted(kit, true, now);
        if work.is_none() {
            full_disk.return_probe();
        }
        work
    }

    /// What the queue has for this core. Jobs of hosts that are down fail here.
    fn take_granted(&self, kit: &Kit, is_disk_probe: bool, now: Moment) -> Option<Work> {
        for _ in 0..DOWN_AT_ONCE_MAX {
            if self.shared.stop.get() != Stop::Running {
                return None;
            }
            let taken = self.shared.queue.take(self.index, now.ms);
            if taken.has_unresolved {
                self.ahead.ask();
            }
            match taken.assignment {
                Assignment::Job(grant) => return Some(self.work(kit, grant, is_disk_probe, now)),
                Assignment::Down(down) => self.fail(down.item.unpack(), down.why.fault(), kit),
                Assignment::Overdue(item) => self.overdue(item.unpack(), kit, now.ms),
                Assignment::Nothing => {
                    // A slot that ends must not leave its core asleep until something later.
                    if taken.due_ms.is_some_and(|due| due < self.looks_again_ms.get()) {
                        self.shared.queue.wake(self.index);
                    }
                    return None;
                }
            }
        }
        // The slots have their turn first.
        self.shared.queue.wake(self.index);
        None
    }

    /// A job fails that is not tried.
    fn fail(&self, waiting: Waiting, fault: Fault, kit: &Kit) {
        let Some(mut waiting) = waiting.ending(self.shared.now_ms()) else { return };
        let now = kit.clocks.now();
        if self.shared.stop.get() == Stop::Running && waiting.go_to_next(&fault, now) {
            let (target, ends_ms) = (waiting.target().clone(), waiting.ends_ms(self.paused_ms()));
            return self.shared.queue.push_front(&target, Queued::pack(waiting), ends_ms);
        }
        self.rows.close_waiting(waiting, End::Failed(fault), now);
        self.shared.queue.end_if_finished();
    }

    /// A job whose time was over while its host rested, or while it waited for it in another way.
    fn overdue(&self, waiting: Waiting, kit: &Kit, now_ms: u64) {
        // Nobody's time runs while the disk is full.
        let ends_ms = waiting.ends_ms(self.paused_ms());
        if ends_ms > now_ms {
            let target = waiting.target().clone();
            return self.shared.queue.push_front(&target, Queued::pack(waiting), ends_ms);
        }
        self.fail(waiting, Fault::new(Stage::Connect, Cause::JobTimeout), kit);
    }

    /// For how many milliseconds the run was paused so far.
    fn paused_ms(&self) -> u64 {
        self.shared.full_disk.paused_ms(self.shared.now_ms())
    }

    fn work(&self, kit: &Kit, grant: Grant<Queued>, is_disk_probe: bool, now: Moment) -> Work {
        let Grant { item, origin, connection, round, is_probe, due_ms } = grant;
        let granted = Granting { origin, round, is_probe };
        let may_lead = matches!(item, Queued::Line(_)) && !is_probe && !is_disk_probe;
        let late = due_ms.map(|due_ms| kit.clocks.since(due_ms, now));
        let fetch = item.unpack().into_fetch(now, |history| self.rows.boxed(history.late_by(late)));
        // A granted connection leaves the pool with its grant: the pool may close what is in it.
        let pooled = match connection {
            Granted::Reuse => {
                let idle = self.pool.borrow_mut().take(origin);
                // The idle connection that was promised, unless it became useless.
                idle.and_then(|idle| kit.undisturbed(idle, fetch.target()))
            }
            Granted::Open => None,
            Granted::Replace(other) => {
                drop(self.pool.borrow_mut().take(other));
                None
            }
        };
        let following = match &pooled {
            Some(connection) if may_lead => self.following(kit, &fetch, connection, origin),
            Some(_) | None => Following::new(),
        };
        Work { fetch, granted, pooled, following, is_disk_probe }
    }

    /// Jobs whose requests may go out together with that of `fetch`, on its connection.
    fn following(
        &self,
        kit: &Kit,
        fetch: &Fetch,
        connection: &Connection,
        origin: OriginId,
    ) -> Following {
        let Pipeline { depth, after } = kit.pipeline;
        let may_be = depth > 1
            && connection.answered() >= after
            && kit.common.origins.may_ask_ahead(fetch.target().origin_str())
            && !matches!(kit.proxies.choose(fetch.target()), Route::HttpForward(_))
            && !kit.requests.has_own_terms()
            && self.shared.output.takes_every_job();
        if !may_be {
            return Following::new();
        }
        // An even number goes out in all (see `attempt::ahead`).
        let taken = self.shared.queue.take_ahead(origin, depth as usize / 2 * 2 - 1);
        taken.into_iter().map(Queued::unpack).collect()
    }

    /// Goes on with the next job that follows by a grant, where its request is on its way on this
    /// connection. Otherwise the grant is over, and those that follow go back to where they were.
    pub(crate) fn go_on(
        &self,
        granted: Granting,
        mut following: Following,
        connection: Option<Connection>,
        now: Moment,
    ) -> Option<Work> {
        let is_asked = connection.as_ref().is_some_and(Connection::has_ahead);
        let may_go_on =
            self.shared.stop.get() == Stop::Running && !self.shared.full_disk.is_paused();
        if is_asked
            && may_go_on
            && let Some(waiting) = following.pop_front()
        {
            let fetch = waiting.into_fetch(now, |history| self.rows.boxed(history));
            let pooled = connection;
            return Some(Work { fetch, granted, pooled, following, is_disk_probe: false });
        }
        for waiting in following.into_iter().rev() {
            let (target, ends_ms) = (waiting.target().clone(), waiting.ends_ms(self.paused_ms()));
            self.shared.queue.push_front(&target, Queued::pack(waiting), ends_ms);
        }
        // What is still to come on it is for nobody.
        let connection = connection.filter(|connection| !connection.has_ahead());
        self.release(granted.origin, connection, now.ms);
        None
    }

    /// Tells the queue what an attempt says about its host.
    pub(crate) fn observe(&self, granted: Granting, signal: HostSignal, now_ms: u64) {
        let Granting { origin, round, .. } = granted;
        self.shared.queue.observe(origin, round, signal, now_ms);
    }

    /// What it means for the job of a grant that its host refused it.
    pub(crate) fn refused(&self, granted: Granting) -> Refused {
        self.shared.queue.view().refused(granted.origin, self.shared.now_ms())
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

    /// Lets a job go on where a redirect led, or where it was.
    pub(crate) fn requeue(&self, fetch: Fetch) {
        let (target, ends_ms) = self.place(&fetch);
        self.shared.queue.push_front(&target, Queued::pack(fetch.into_waiting()), ends_ms);
    }

    /// The name of the host of a job has to be asked for again: the job waits for that in the first
    /// place of its queue, and holds no slot meanwhile.
    pub(crate) fn unresolve(&self, fetch: Fetch) {
        let (target, ends_ms) = self.place(&fetch);
        self.shared.queue.unresolve(&target, Queued::pack(fetch.into_waiting()), ends_ms);
        self.ahead.ask();
    }

    /// Keeps a job back; it holds no slot meanwhile.
    pub(crate) fn defer(&self, fetch: Fetch, after_ms: u64) {
        let (target, ends_ms) = self.place(&fetch);
        let until_ms = self.shared.now_ms().saturating_add(after_ms);
        let packed = Queued::pack(fetch.into_waiting());
        self.shared.queue.defer(self.index, &target, packed, (until_ms, ends_ms));
    }

    /// Goes on in the place of `slot` with the body that its task has left: whoever was at it last
    /// lets the lead go on, here if that goes to the same origin or has nothing to ask for; then
    /// the connection is of no use to it. Whether it goes on here; then it is in the slot.
    pub(crate) fn succeed(
        &self,
        slot: &mut Option<Work>,
        left: &Next,
        connection: &mut Option<Connection>,
        now: Moment,
    ) -> bool {
        let Some(Work { fetch, granted, .. }) = slot.take() else { return false };
        let Some(team) = fetch.history.team.clone() else { return false };
        let origin = fetch.target().clone();
        let lead = match left {
            Next::Gone(why) => {
                team.partial.connected(fetch.history.trace.num_connects);
                team.part(fetch.leaving(*why), now.ms)
            }
            _ => self.park(&team, fetch),
        };
        let Some(lead) = lead else { return false };
        let is_same_origin = lead.target().same_origin(&origin);
        let goes_on = is_same_origin || team.partial.is_whole();
        let fetch = lead.into_fetch(now, |history| self.rows.boxed(history));
        if !goes_on {
            self.requeue(fetch);
            return false;
        }
        if !is_same_origin {
            *connection = None;
        }
        let following = Following::new();
        *slot = Some(Work { fetch, granted, pooled: None, following, is_disk_probe: false });
        true
    }

    /// A lead has nothing to do while others are at its body. Gives it back if there are no others.
    fn park(&self, team: &Arc<Team>, fetch: Fetch) -> Option<Waiting> {
        let lead = team.park(fetch.into_waiting());
        let mut parked = self.parked.borrow_mut();
        let is_known = parked.iter().any(|other| other.as_ptr() == Arc::as_ptr(team));
        if lead.is_none() && !is_known {
            parked.push(Arc::downgrade(team));
        }
        lead
    }

    /// Lets those go on that wait for others and have something to do by now.
    pub(crate) fn recall(&self) {
        let mut parked = self.parked.borrow_mut();
        if parked.is_empty() || self.shared.stop.get() != Stop::Running {
            return;
        }
        let (now_ms, paused_ms) = (self.shared.now_ms(), self.paused_ms());
        parked.retain(|team| {
            let Some(team) = team.upgrade().filter(|team| team.has_lead()) else { return false };
            if team.partial.wants_more(now_ms) > 0 {
                self.shared.queue.push_recalled(|has_room| {
                    let lead = team.recall(now_ms, has_room)?;
                    let ends_ms = lead.ends_ms(paused_ms);
                    Some((Queued::pack(lead), ends_ms))
                });
            }
            true
        });
    }

    /// Seeks helpers for the body of a job, where nobody else has a use for their connections. For
    /// those that nobody can be found for now, a clock looks again.
    pub(crate) fn enlist(&self, recruit: Recruit<'_>, now: Moment) {
        let mut growing = self.growing.borrow_mut();
        let is_of_team = |other: &Growing| other.team.as_ptr() == Arc::as_ptr(recruit.team);
        if !growing.iter().any(is_of_team) {
            growing.push(Growing::new(recruit));
        }
        self.find_helpers(recruit, now);
    }

    /// Seeks helpers again, also for bodies whose tasks bring nothing that would tell of them.
    pub(crate) fn grow(&self, now: Moment) {
        let mut growing = self.growing.borrow_mut();
        if growing.is_empty() || self.shared.stop.get() != Stop::Running {
            return;
        }
        growing.retain(|Growing { team, job, began, job_at_ms }| {
            let Some(team) = &team.upgrade() else { return false };
            let count_max = team.wants_more(now.ms);
            if count_max > 0 {
                let (began, job_at_ms) = (*began, *job_at_ms);
                self.find_helpers(Recruit { team, job, began, job_at_ms, count_max }, now);
            }
            true
        });
    }

    fn find_helpers(&self, recruit: Recruit<'_>, now: Moment) {
        let (paused_ms, queue) = (self.paused_ms(), &self.shared.queue);
        for (hops, count) in recruit.choose(|target| queue.spare(target), now.ms) {
            let helper = || Waiting::helper(recruit, &hops, now, paused_ms);
            queue.push_spread(hops.target(&recruit.job.target), count, || {
                let helper = helper();
                let ends_ms = helper.ends_ms(paused_ms);
                (Queued::pack(helper), ends_ms)
            });
        }
    }

    /// Where a job goes on, and when its time is over as far as is known by now.
    fn place(&self, fetch: &Fetch) -> (Target, u64) {
        (fetch.target().clone(), fetch.ends_ms(self.paused_ms()))
    }

    /// Starts nothing at the host of a job for so long.
    pub(crate) fn pause(&self, fetch: &Fetch, for_ms: u64) {
        let until_ms = self.shared.now_ms().saturating_add(for_ms);
        self.shared.queue.pause(self.index, fetch.target(), until_ms);
    }

    /// How many connections are idle.
    pub(crate) fn idle(&self) -> usize {
        self.pool.borrow().len()
    }

    /// Closes connections that were idle for too long, and the oldest above what may be kept; all
    /// of them with `is_short`.
    pub(crate) fn trim_idle(&self, is_short: bool) {
        self.close_idle(if is_short { 0 } else { self.idle_max });
    }

    /// Closes the oldest idle connections above `count_max`, and those idle for too long.
    fn close_idle(&self, count_max: usize) {
        let closed = self.pool.borrow_mut().expire(self.shared.now_ms(), count_max);
        for origin in closed {
            self.shared.queue.idle_closed(self.index, origin);
        }
    }
}

/// Jobs of hosts that are down that a core fails at once.
const DOWN_AT_ONCE_MAX: usize = 64;

/// Longest sleep of a core without work, in milliseconds.
const NAP_MAX_MS: u64 = 1_000;
