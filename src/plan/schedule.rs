//! Which job runs next, and on which core: queues per host behind the caps of `-j` and `-x`.
//!
//! The rules, for cores that share one [`Schedule`]:
//!
//! - `-j` is dealt out to the cores once, differing by at most one, so a core never waits for a
//!   slot that another core hoards.
//! - `-x` counts connections that are open for a host, in use or idle in some core's pool. A host
//!   is a name and a port: `http://a` and `https://a` are one. A core may take a job when it has an
//!   idle connection for its host, or when one more may be opened. An idle connection of the other
//!   of the two origins is used if nothing else is left: it is closed, and a new one takes its
//!   place.
//! - A host whose name is not known yet takes no slot (`resolve_ahead`).
//! - A host lives on its home core, so that its connections are shared. Another core opens one only
//!   when the home core has no room, or when the host is big (its queue is long). If the home core
//!   has no connection to it either, the host moves: the other core is its home from then on. A big
//!   host belongs to all cores alike and no core opens more than its share, so that all cores work;
//!   connections from when it was small are yielded as their jobs end.
//! - Among the hosts a core may serve, the one served longest ago comes first. But a connection
//!   that has become idle goes on with jobs of its host, for [`limits::QUANTUM_JOBS`] of them: so
//!   the jobs of a host that are read ahead share a handshake, and no host waits for ever. A paused
//!   host is in nobody's way.
//! - While this machine is short of something ([`super::window`]), fewer jobs are in flight in all.
//!   Then no host is any core's own, so that none waits for a core that never serves it, and a
//!   connection is closed rather than kept when more are open than jobs may be in flight.
//! - A core sleeps after [`Schedule::take`] had nothing for it. Every change that lets a sleeping
//!   core take a job wakes one such core, and so does every `take` that leaves work for another
//!   one. Hence no job that may be taken is left lying: while one is, some core is awake, and the
//!   last core to fall asleep wakes the next. This holds as long as a woken core calls `take` until
//!   it gets nothing.
//!
//! No call but [`Schedule::drain`] walks all hosts; records of hosts without work, connections and
//! pause are freed.

mod ahead;
mod answers;
mod breaker;
mod bucket;
mod caps;
mod choose;
mod core;
mod core_set;
mod deferred;
mod ends;
mod forecast;
mod found;
mod giving_up;
mod holdups;
mod hosts;
mod listing;
mod observing;
mod overdue;
mod paced;
mod place;
mod politeness;
mod pushing;
mod queue;
mod rate;
mod record;
mod refusing;
mod resolve_ahead;
mod signal;
mod spare;
mod speed;
#[cfg(test)]
mod tests;

use self::core::{Core, Ready};
use super::window::{Shortage, Window};
use crate::limits;
use crate::plan::target::Scheme;
pub use answers::{After, Assignment, Connection, Down, Grant, Granting, Released, Take, Wake};
pub use breaker::{DOWN_TIMES, DownReason};
pub use caps::Limits;
use core_set::CoreSet;
use deferred::Deferred;
use ends::Ends;
pub use forecast::Forecast;
pub use holdups::{Holdup, TroubledHosts, WaitReason};
use hosts::{Hosts, Name};
pub use place::{HostId, OriginId, Place};
pub use pushing::{Pushing, Refused};
use queue::Jobs;
use rate::Due;
pub use rate::Rate;
pub use signal::{HostSignal, Round};
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::hint::black_box;
use std::vec::Drain;

/// Jobs of all hosts, and who may run them. See the module's rules.
#[derive(Debug)]
pub struct Schedule<T> {
    limits: Limits,
    cores: Vec<Core>,
    /// Cores with fewer jobs in flight than they may have.
    roomy: CoreSet,
    /// Cores that got nothing from `take` and were not woken since.
    asleep: CoreSet,
    /// Cores whose `openable` is not empty.
    has_openable: CoreSet,
    /// Cores with a job ready for one of their idle connections.
    has_reusable: CoreSet,
    /// Big hosts with a job ready and a connection to open.
    big: Ready,
    /// Hosts whose jobs fail at once.
    down: Ready,
    hosts: Hosts,
    jobs: Jobs<T>,
    deferred: BinaryHeap<Deferred>,
    ends: Ends,
    /// When each host that waits may go on, in milliseconds, and its index.
    waits: BTreeSet<(u64, u32)>,
    /// When the next request is due by `--rate`.
    due: Due,
    /// When jobs that wait are gone through for hosts that are down, in milliseconds.
    walk_due_ms: Option<u64>,
    /// When jobs that wait were last gone through for hosts that are down, in milliseconds.
    walked_ms: Option<u64>,
    /// Hosts whose name is to be asked for, in the order in which they got work. Some of them may
    /// be forgotten by now.
    unasked: VecDeque<HostId>,
    /// Active hosts whose name is to be asked for.
    unknown: usize,
    /// Hosts asked for, or known and ready and not yet served.
    ahead: usize,
    queued: usize,
    in_flight: usize,
    /// Connections of all hosts, in use or idle.
    open: usize,
    window: Window,
    /// Hosts whose record is kept only for what is remembered of them.
    dormant: Ready,
    /// The latest time that was handed in.
    now_ms: u64,
    /// By this time some core looks at the schedule again, even if nothing wakes it.
    promised_ms: u64,
    /// Rises with each service: the host with the lowest `last_served` was served longest ago.
    services: u64,
    /// Rises with each job kept back.
    deferrals: u64,
    is_input_closed: bool,
}

impl<T> Schedule<T> {
    /// An empty schedule; all cores are asleep.
    ///
    /// # Panics
    /// When a limit is out of its range.
    pub fn new(limits: Limits) -> Self {
        assert!((1..=limits::CORES_MAX).contains(&limits.cores), "cores out of range");
        assert!(limits.in_flight_max >= 1 && limits.per_host_first >= 1, "a cap is zero");
        assert!(limits.per_host_first <= limits.per_host_max, "a host begins with too many");
        let each = limits.in_flight_max / limits.cores;
        let with_one_more = limits.in_flight_max % limits.cores;
        let cores: Vec<Core> = (0..limits.cores)
            .map(|core| Core::new(each + usize::from(core < with_one_more)))
            .collect();
        let mut roomy = CoreSet::new(limits.cores);
        let mut asleep = CoreSet::new(limits.cores);
        for (index, core) in cores.iter().enumerate() {
            roomy.set(index, core.in_flight_max > 0);
            asleep.set(index, true);
        }
        Self {
            limits,
            cores,
            roomy,
            asleep,
            has_openable: CoreSet::new(limits.cores),
            has_reusable: CoreSet::new(limits.cores),
            big: Ready::new(),
            down: Ready::new(),
            hosts: Hosts::new(),
            jobs: Jobs::new(),
            deferred: BinaryHeap::new(),
            ends: Ends::default(),
            waits: BTreeSet::new(),
            due: Due::default(),
            walk_due_ms: None,
            walked_ms: None,
            unasked: VecDeque::new(),
            unknown: 0,
            ahead: 0,
            queued: 0,
            in_flight: 0,
            open: 0,
            window: Window::new(limits.in_flight_max),
            dormant: Ready::new(),
            now_ms: 0,
            promised_ms: u64::MAX,
            services: 0,
            deferrals: 0,
            is_input_closed: false,
        }
    }

    /// Jobs that may still be pushed ahead of the work.
    pub fn room(&self) -> usize {
        let held = self.queued + self.deferred.len() + self.in_flight;
        self.limits.lookahead_max.saturating_sub(held)
    }

    /// Appends a job to the queue of a place.
    pub fn push(&mut self, place: Place<'_>, item: T) -> Wake {
        let index = self.enter(place);
        self.append(index, place.scheme(), item)
    }

    /// Appends a job to the queue of the place that it names.
    pub fn push_to(&mut self, item: T, place: impl Fn(&T) -> Place<'_>) -> Wake {
        let (index, scheme) = {
            let place = place(&item);
            (self.enter(place), place.scheme())
        };
        self.append(index, scheme, item)
    }

    /// Appends jobs to the queues of the places that they name. Gives the wakes that wake somebody.
    ///
    /// Two hundred thousand hosts do not fit a processor's caches, and each job needs four or five
    /// places in memory one after the other. So all jobs are looked up at first without being
    /// pushed: those look-ups do not depend on each other, and the processor waits for many at a
    /// time.
    pub fn push_all(&mut self, items: Drain<'_, T>, place: impl Fn(&T) -> Place<'_>) -> Vec<Wake> {
        for items in items.as_slice().chunks(GLANCES) {
            let mut likely = [None; GLANCES];
            for (item, likely) in items.iter().zip(&mut likely) {
                *likely = self.hosts.likely(place(item).host);
            }
            let queues = likely.map(|index| self.hosts.glance(index?));
            let read = queues.map(|glance| {
                let (name, queues) = glance?;
                let ages = queues.map(|queue| self.jobs.age_of_last(queue));
                Some((name.bytes().next(), ages))
            });
            black_box(read);
        }
        let mut wakes = Vec::new();
        for item in items {
            match self.push_to(item, &place) {
                Wake::Nobody => {}
                wake => wakes.push(wake),
            }
        }
        wakes
    }

    /// Puts a job before all others of its origin: a redirect hop goes on before a new job begins.
    /// If it is still there at `ends_ms`, it is given out as [`Assignment::Overdue`].
    pub fn push_front(&mut self, place: Place<'_>, item: T, ends_ms: u64) -> Wake {
        let index = self.enter(place);
        let job = self.jobs.keep(item);
        self.jobs.push_front(&mut self.hosts.at_mut(index).queues[place.scheme() as usize], job);
        self.ends(ends_ms, self.jobs.mark(job), index, place.scheme());
        self.queued_one(index)
    }

    /// Keeps a job back until `until_ms`; it holds no slot. It then goes before the new jobs of its
    /// origin; if it is still there at `ends_ms`, it is given out as [`Assignment::Overdue`]. The
    /// caller looks at [`Self::next_due_ms`] again before it sleeps.
    pub fn defer(&mut self, place: Place<'_>, item: T, until_ms: u64, ends_ms: u64) {
        let index = self.enter(place);
        let job = self.jobs.keep(item);
        let host = self.hosts.at_mut(index);
        host.deferred += 1;
        self.deferrals += 1;
        let (order, scheme) = (self.deferrals, place.scheme());
        let deferred = Deferred { until_ms, ends_ms, order, host: index, job, scheme };
        if host.active.as_ref().is_some_and(|active| active.throttle.breaker.is_down()) {
            self.requeue(deferred);
        } else {
            self.deferred.push(deferred);
            self.reindex(index);
        }
    }

    /// A job for `core`, or nothing. Moves what is due at `now_ms` back to its queue first.
    pub fn take(&mut self, core: usize, now_ms: u64) -> Take<T> {
        self.requeue_due(now_ms);
        let assignment = if let Some(down) = self.give_up() {
            Assignment::Down(down)
        } else if let Some(item) = self.overdue() {
            Assignment::Overdue(item)
        } else if let Some(index) = self.choose(core) {
            Assignment::Job(self.grant(core, index))
        } else {
            self.promised_ms = self.next_due_ms().unwrap_or(u64::MAX);
            Assignment::Nothing
        };
        self.asleep.set(core, assignment.is_nothing());
        // The first one asked must not be this core: it calls again anyway, or has just had
        // nothing.
        let wake = self.wake_for_job((core + 1) % self.limits.cores);
        Take { assignment, wake, has_unresolved: self.has_unresolved() }
    }

    /// Moves what is due at `now_ms` back to its queue, for a timer that is not a core.
    #[cfg(test)]
    fn advance(&mut self, now_ms: u64) -> Wake {
        self.requeue_due(now_ms);
        self.wake(0)
    }

    /// Takes note that a job in flight lacks descriptors, memory or the like: fewer will be in
    /// flight. The answer says whether waiting can help; then the job is to be deferred. `release`
    /// follows as always.
    ///
    /// # Panics
    /// When no job is in flight.
    pub fn lacked(&mut self, now_ms: u64) -> Shortage {
        let others = self.open.checked_sub(1).expect("a job in flight has a connection's slot");
        self.window.lacked(others, now_ms)
    }

    /// Ends the grant of a job of `core`: it is over, deferred, or went on to another origin. Its
    /// connection is kept in the pool of `core` if `connection` offers that and the answer grants
    /// it.
    ///
    /// # Panics
    /// When `core` holds no such grant.
    pub fn release(&mut self, core: usize, origin: OriginId, connection: After) -> Released {
        let index = self.hosts.index_of(origin);
        self.window.ended();
        let host = self.hosts.at(index);
        let is_short = self.window.is_tight() && self.open > self.window.limit()
            || host.open() > host.kept(&self.limits);
        let connection = match connection {
            After::Kept if !is_short && !self.must_yield(core, index) => After::Kept,
            After::Kept | After::Closed => {
                self.open -= 1;
                After::Closed
            }
        };
        let active = self.hosts.at_mut(index).active_mut();
        active.is_spread &= active.in_use > 1;
        let of_core = active.of_core_or_insert(core);
        assert!(of_core.in_use > 0, "release without a grant");
        of_core.in_use -= 1;
        match connection {
            After::Kept => of_core.idle[origin.scheme as usize] += 1,
            After::Closed => active.open -= 1,
        }
        active.in_use -= 1;
        self.in_flight -= 1;
        self.cores[core].in_flight -= 1;
        self.roomy.set(core, true);
        self.reindex(index);
        Released { connection, wake: self.wake_or_end(core) }
    }

    /// Takes note that the pool of `core` closed an idle connection.
    ///
    /// # Panics
    /// When `core` holds no idle connection of `origin`.
    pub fn idle_closed(&mut self, core: usize, origin: OriginId) -> Wake {
        let index = self.hosts.index_of(origin);
        let host = self.hosts.at_mut(index);
        let home = usize::from(host.home);
        let active = host.active_mut();
        let idle = &mut active.of_core_or_insert(core).idle[origin.scheme as usize];
        assert!(*idle > 0, "more idle connections closed than kept");
        *idle -= 1;
        active.open -= 1;
        self.open -= 1;
        self.reindex(index);
        self.wake(home)
    }

    /// When time alone may change something, in milliseconds: a deferred job is due, a queued one
    /// is overdue, a host may go on, or the run may by its rate.
    pub fn next_due_ms(&self) -> Option<u64> {
        let deferred = self.deferred.peek().map(|first| first.until_ms);
        let waits = self.waits.first().map(|first| first.0);
        let rate = (self.is_rate_reached() && self.has_ready()).then(|| self.rate_begins_ms());
        let dues = deferred.into_iter().chain(waits).chain(rate).chain(self.walk_due_ms);
        dues.chain(self.next_end_ms()).min()
    }

    /// Whether some host has a job that a core could begin, were a core free.
    fn has_ready(&self) -> bool {
        let some = |cores: &CoreSet| cores.all().next().is_some();
        !self.big.is_empty() || some(&self.has_openable) || some(&self.has_reusable)
    }

    /// Takes note that no more jobs come from the input.
    pub fn close_input(&mut self) -> Wake {
        self.is_input_closed = true;
        self.wake_or_end(0)
    }

    /// Whether the input is closed and no job is queued, deferred or in flight.
    pub fn is_finished(&self) -> bool {
        self.is_input_closed && self.in_flight == 0 && self.queued == 0 && self.deferred.is_empty()
    }

    /// Takes out everything queued or deferred, in the order it was given. Wakes nobody: an
    /// interrupt must reach every core in its own way.
    pub fn drain(&mut self) -> Vec<T> {
        let mut items: Vec<(u32, T)> = Vec::with_capacity(self.queued + self.deferred.len());
        for Deferred { host, job, .. } in std::mem::take(&mut self.deferred) {
            self.hosts.at_mut(host).deferred -= 1;
            items.push((self.jobs.age(job), self.jobs.give(job)));
            self.reindex(host);
        }
        // Only those: each one that is to be remembered from now on takes the place of another.
        for index in self.hosts.busy() {
            for queue in &mut self.hosts.at_mut(index).queues {
                while let Some(age) = self.jobs.age_of_first(*queue)
                    && let Some(item) = self.jobs.pop_front(queue)
                {
                    items.push((age, item));
                }
            }
            self.reindex(index);
        }
        self.queued = 0;
        items.sort_unstable_by_key(|item| std::cmp::Reverse(item.0));
        items.into_iter().map(|item| item.1).collect()
    }

    /// Jobs that wait for a slot.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Jobs of a host that wait, for a slot or for their time.
    pub fn waiting(&self, place: Place<'_>) -> usize {
        self.hosts.find(place.host).map_or(0, |index| self.hosts.at(index).waiting())
    }

    /// Whether a core has room and found nothing that it may begin.
    pub fn is_starving(&self) -> bool {
        !self.is_full() && self.asleep.both(&self.roomy).next().is_some()
    }

    /// Jobs granted and not released.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Jobs that wait for their time.
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Hosts with jobs, connections or a pause.
    #[cfg(test)]
    fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The record of a host, made when there is none.
    fn enter(&mut self, place: Place<'_>) -> u32 {
        let Self { cores, hosts, services, limits, .. } = self;
        let fresh = || {
            let (home, core) = (cores.iter_mut().enumerate())
                .filter(|(_, core)| core.in_flight_max > 0)
                .min_by_key(|(_, core)| core.hosts)
                .expect("one job in flight is some core's");
            core.hosts += 1;
            *services += 1;
            let is_resolved_first = limits.resolve_ahead_max > 0;
            (home, *services, if is_resolved_first { Name::Unknown } else { Name::Served })
        };
        let (index, is_fresh) = hosts.find_or_insert(place.host, fresh);
        if is_fresh && self.limits.resolve_ahead_max > 0 {
            self.unknown += 1;
            self.unasked.push_back(self.hosts.id(index));
        }
        index
    }

    fn append(&mut self, index: u32, scheme: Scheme, item: T) -> Wake {
        let job = self.jobs.keep(item);
        self.jobs.push_back(&mut self.hosts.at_mut(index).queues[scheme as usize], job);
        self.queued_one(index)
    }

    /// Counts one more job in the queue of host `index`, and wakes a core for it.
    fn queued_one(&mut self, index: u32) -> Wake {
        self.queued += 1;
        self.reindex(index);
        let host = self.hosts.at(index);
        let idle =
            host.by_core().iter().find(|of_core| of_core.idle() > 0).map(|of_core| of_core.core);
        let first = idle.unwrap_or_else(|| usize::from(host.home));
        self.wake(first)
    }

    fn requeue_due(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.walk();
        while self.deferred.peek().is_some_and(|first| first.until_ms <= now_ms)
            && let Some(deferred) = self.deferred.pop()
        {
            self.requeue(deferred);
        }
        while let Some(&(until, index)) = self.waits.first()
            && until <= now_ms
        {
            self.waits.pop_first();
            let active = self.hosts.at_mut(index).active_mut();
            active.waits_until_ms = None;
            active.throttle.breaker.elapse();
            self.reindex(index);
        }
    }

    /// Puts a deferred job back into its queue, before the new jobs of its origin.
    fn requeue(&mut self, Deferred { host: index, job, scheme, ends_ms, .. }: Deferred) {
        let host = self.hosts.at_mut(index);
        host.deferred -= 1;
        self.jobs.push_front(&mut host.queues[scheme as usize], job);
        self.ends(ends_ms, self.jobs.mark(job), index, scheme);
        self.queued += 1;
        self.reindex(index);
    }
}

/// Jobs that are looked up at a time before they are pushed.
const GLANCES: usize = 64;
