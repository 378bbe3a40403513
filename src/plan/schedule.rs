//! Which job runs next, and on which core: queues per origin behind the caps of `-j` and `-x`.
//!
//! The rules, for cores that share one [`Schedule`]:
//!
//! - `-j` is dealt out to the cores once, differing by at most one, so a core never waits for a
//!   slot that another core hoards.
//! - `-x` counts connections that are open for an origin, in use or idle in some core's pool. A
//!   core may take a job when it has an idle connection for its origin, or when one more may be
//!   opened.
//! - An origin lives on its home core, so that its connections are shared. Another core opens one
//!   only when the home core has no room, or when the origin is big (its queue is long). A big
//!   origin belongs to all cores alike and no core opens more than its share, so that all cores
//!   work; connections from when it was small are yielded as their jobs end.
//! - Among the origins a core may serve, the one served longest ago comes first. A paused origin is
//!   in nobody's way.
//! - While this machine is short of something ([`super::window`]), fewer jobs are in flight in all.
//!   Then no origin is any core's own, so that none waits for a core whose turn never comes, and a
//!   connection is closed rather than kept when more are open than jobs may be in flight.
//! - A core sleeps after [`Schedule::take`] had nothing for it. Every change that lets a sleeping
//!   core take a job wakes one such core, and so does every `take` that leaves work for another
//!   one. Hence no job that may be taken is left lying: while one is, some core is awake, and the
//!   last core to fall asleep wakes the next. This holds as long as a woken core calls `take` until
//!   it gets nothing.
//!
//! No call but [`Schedule::drain`] walks all origins; records of origins without work, connections
//! and pause are freed.

mod answers;
mod core;
mod core_set;
mod deferred;
mod origins;
#[cfg(test)]
mod tests;

use self::core::{Core, Ready};
use super::window::{Lack, Window};
use crate::limits;
pub use answers::{After, Connection, Grant, Released, Take, Wake};
use core_set::CoreSet;
use deferred::Deferred;
pub use origins::OriginId;
use origins::{Listed, Origins, Queued};
use std::collections::{BTreeSet, BinaryHeap};

/// The caps of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Cores that take jobs, from 1 to [`limits::CORES_MAX`].
    pub cores: usize,
    /// `-j`: jobs in flight over all cores, at least 1.
    pub in_flight_max: usize,
    /// `-x`: connections open per origin over all cores, at least 1.
    pub per_origin_max: usize,
    /// Jobs held in all: queued, deferred and in flight.
    pub lookahead_max: usize,
}

/// Jobs of all origins, and who may run them. See the module's rules.
#[derive(Debug)]
pub struct Schedule<T> {
    limits: Limits,
    /// Connections of a big origin that one core may hold.
    share: usize,
    cores: Vec<Core>,
    /// Cores with fewer jobs in flight than they may have.
    roomy: CoreSet,
    /// Cores that got nothing from `take` and were not woken since.
    asleep: CoreSet,
    /// Cores whose `openable` is not empty.
    has_openable: CoreSet,
    /// Cores whose `reusable` is not empty.
    has_reusable: CoreSet,
    /// Big origins with a job ready and a connection to open.
    big: Ready,
    origins: Origins<T>,
    deferred: BinaryHeap<Deferred<T>>,
    /// End of each pause in milliseconds, and the origin's index.
    pauses: BTreeSet<(u64, u32)>,
    queued: usize,
    in_flight: usize,
    /// Connections of all origins, in use or idle.
    open: usize,
    window: Window,
    /// Origins whose record is kept for its pause alone.
    parked: usize,
    /// Rises with each service, so that the lowest stamp is the origin served longest ago.
    stamp: u64,
    /// Rises with each item given to the schedule.
    sequence: u64,
    is_input_closed: bool,
}

impl<T> Schedule<T> {
    /// An empty schedule; all cores are asleep.
    ///
    /// # Panics
    /// When a limit is out of its range.
    pub fn new(limits: Limits) -> Self {
        assert!((1..=limits::CORES_MAX).contains(&limits.cores), "cores out of range");
        assert!(limits.in_flight_max >= 1 && limits.per_origin_max >= 1, "a cap is zero");
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
            share: limits.per_origin_max.div_ceil(limits.cores),
            cores,
            roomy,
            asleep,
            has_openable: CoreSet::new(limits.cores),
            has_reusable: CoreSet::new(limits.cores),
            big: Ready::new(),
            origins: Origins::new(),
            deferred: BinaryHeap::new(),
            pauses: BTreeSet::new(),
            queued: 0,
            in_flight: 0,
            open: 0,
            window: Window::new(limits.in_flight_max),
            parked: 0,
            stamp: 0,
            sequence: 0,
            is_input_closed: false,
        }
    }

    /// Jobs that may still be pushed ahead of the work.
    pub fn room(&self) -> usize {
        let held = self.queued + self.deferred.len() + self.in_flight;
        self.limits.lookahead_max.saturating_sub(held)
    }

    /// Appends a job to the queue of `origin` (`https://host:443`).
    pub fn push(&mut self, origin: &str, item: T) -> Wake {
        let index = self.enter(origin);
        let queued = self.number(item);
        self.origins.at_mut(index).queue.push_back(queued);
        self.queued_one(index)
    }

    /// Puts a job before all others of `origin`: a redirect hop goes on before a new job begins.
    pub fn push_front(&mut self, origin: &str, item: T) -> Wake {
        let index = self.enter(origin);
        let queued = self.number(item);
        self.origins.at_mut(index).queue.push_front(queued);
        self.queued_one(index)
    }

    /// Keeps a job back until `until_ms`; it holds no slot. It then goes before the new jobs of its
    /// origin. The caller looks at [`Self::next_due_ms`] again before it sleeps.
    pub fn defer(&mut self, origin: &str, item: T, until_ms: u64) {
        let index = self.enter(origin);
        let Queued { sequence, item } = self.number(item);
        self.origins.at_mut(index).deferred += 1;
        self.deferred.push(Deferred { until_ms, sequence, origin: index, item });
        self.settle(index);
    }

    /// Starts no job of `origin` before `until_ms` (`Retry-After`); the later of two pauses counts.
    /// The caller looks at [`Self::next_due_ms`] again before it sleeps.
    pub fn pause(&mut self, origin: &str, until_ms: u64) {
        let index = self.enter(origin);
        let record = self.origins.at_mut(index);
        if record.paused_until_ms.is_none_or(|until| until < until_ms) {
            if let Some(until) = record.paused_until_ms.replace(until_ms) {
                self.pauses.remove(&(until, index));
            }
            self.pauses.insert((until_ms, index));
        }
        self.settle(index);
    }

    /// A job for `core`, or nothing. Moves what is due at `now_ms` back to its queue first.
    pub fn take(&mut self, core: usize, now_ms: u64) -> Take<T> {
        self.requeue_due(now_ms);
        let chosen = self.choose(core);
        self.asleep.set(core, chosen.is_none());
        let grant = chosen.map(|index| self.grant(core, index));
        // The first one asked must not be this core: it calls again anyway, or has just had
        // nothing.
        Take { grant, wake: self.wake((core + 1) % self.limits.cores) }
    }

    /// Moves what is due at `now_ms` back to its queue, for a timer that is not a core.
    #[cfg(test)]
    fn advance(&mut self, now_ms: u64) -> Wake {
        self.requeue_due(now_ms);
        self.wake(0)
    }

    /// A job in flight lacks descriptors, memory or the like: fewer will be in flight. The answer
    /// says whether waiting can help; then the job is to be deferred. `release` follows as always.
    ///
    /// # Panics
    /// When no job is in flight.
    pub fn lacked(&mut self, now_ms: u64) -> Lack {
        let others = self.open.checked_sub(1).expect("a job in flight has a connection's slot");
        self.window.lacked(others, now_ms)
    }

    /// The job of a grant of `core` is over (or deferred, or went on to another origin), and its
    /// connection is kept in the pool of `core` if that is possible and granted by the answer.
    ///
    /// # Panics
    /// When `core` holds no such grant.
    pub fn release(&mut self, core: usize, origin: OriginId, connection: After) -> Released {
        let index = self.origins.index_of(origin);
        self.window.ended();
        let is_short = self.window.is_tight() && self.open > self.window.limit();
        let connection = match connection {
            After::Kept if !is_short && !self.must_yield(core, index) => After::Kept,
            After::Kept | After::Closed => {
                self.open -= 1;
                After::Closed
            }
        };
        let record = self.origins.at_mut(index);
        let hold = record.hold_mut(core).expect("a grant is a hold of its core");
        assert!(hold.in_use > 0, "release without a grant");
        hold.in_use -= 1;
        match connection {
            After::Kept => hold.idle += 1,
            After::Closed => record.open -= 1,
        }
        self.in_flight -= 1;
        self.cores[core].in_flight -= 1;
        self.roomy.set(core, true);
        self.settle(index);
        Released { connection, wake: self.wake_or_end(core) }
    }

    /// The pool of `core` closed an idle connection.
    ///
    /// # Panics
    /// When `core` holds no idle connection of `origin`.
    pub fn idle_closed(&mut self, core: usize, origin: OriginId) -> Wake {
        let index = self.origins.index_of(origin);
        let record = self.origins.at_mut(index);
        let home = record.home;
        let hold = record.hold_mut(core).expect("an idle connection is a hold of its core");
        assert!(hold.idle > 0, "more idle connections closed than kept");
        hold.idle -= 1;
        record.open -= 1;
        self.open -= 1;
        self.settle(index);
        self.wake(home)
    }

    /// When the next deferred job or pause is over, in milliseconds.
    pub fn next_due_ms(&self) -> Option<u64> {
        let deferred = self.deferred.peek().map(|first| first.until_ms);
        let paused = self.pauses.first().map(|first| first.0);
        deferred.into_iter().chain(paused).min()
    }

    /// No more jobs come from the input.
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
        let mut items: Vec<(u64, T)> = Vec::with_capacity(self.queued + self.deferred.len());
        for Deferred { sequence, origin, item, .. } in std::mem::take(&mut self.deferred) {
            self.origins.at_mut(origin).deferred -= 1;
            items.push((sequence, item));
            self.settle(origin);
        }
        for index in self.origins.indices() {
            let queue = std::mem::take(&mut self.origins.at_mut(index).queue);
            items.extend(queue.into_iter().map(|queued| (queued.sequence, queued.item)));
            self.settle(index);
        }
        self.queued = 0;
        items.sort_unstable_by_key(|item| item.0);
        items.into_iter().map(|item| item.1).collect()
    }

    /// Jobs that wait for a slot.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Jobs granted and not released.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Jobs that wait for their time.
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Origins with jobs, connections or a pause.
    #[cfg(test)]
    fn origins(&self) -> usize {
        self.origins.len()
    }

    /// The record of `name`, made when there is none.
    fn enter(&mut self, name: &str) -> u32 {
        if let Some(index) = self.origins.find(name) {
            return index;
        }
        let (home, core) = (self.cores.iter_mut().enumerate())
            .filter(|(_, core)| core.in_flight_max > 0)
            .min_by_key(|(_, core)| core.origins)
            .expect("one job in flight is some core's");
        core.origins += 1;
        self.stamp += 1;
        self.origins.insert(name, home, self.stamp)
    }

    fn number(&mut self, item: T) -> Queued<T> {
        self.sequence += 1;
        Queued { sequence: self.sequence, item }
    }

    /// One more job is in the queue of `index`.
    fn queued_one(&mut self, index: u32) -> Wake {
        self.queued += 1;
        self.settle(index);
        let record = self.origins.at(index);
        let idle = record.holds.iter().find(|hold| hold.idle > 0).map(|hold| hold.core);
        let first = idle.unwrap_or(record.home);
        self.wake(first)
    }

    fn requeue_due(&mut self, now_ms: u64) {
        while self.deferred.peek().is_some_and(|first| first.until_ms <= now_ms)
            && let Some(Deferred { sequence, origin, item, .. }) = self.deferred.pop()
        {
            let record = self.origins.at_mut(origin);
            record.deferred -= 1;
            record.queue.push_front(Queued { sequence, item });
            self.queued += 1;
            self.settle(origin);
        }
        while let Some(&(until, index)) = self.pauses.first()
            && until <= now_ms
        {
            self.pauses.pop_first();
            self.origins.at_mut(index).paused_until_ms = None;
            self.settle(index);
        }
    }

    /// The origin that `core` serves next: of those it may serve for its own sake the one served
    /// longest ago, else one of a home core without room.
    fn choose(&self, core: usize) -> Option<u32> {
        if !self.roomy.contains(core) || self.is_full() {
            return None;
        }
        let own = &self.cores[core];
        let first = [own.openable.first(), own.reusable.first(), self.first_big(core)];
        let first = first.into_iter().flatten().min();
        let first_of = |home: usize| self.cores[home].openable.first();
        if self.window.is_tight() {
            let all = self.has_openable.all().filter_map(first_of);
            return all.chain(first).min().map(|key| key.1);
        }
        let full = || self.has_openable.without(&self.roomy).filter_map(first_of).min();
        first.or_else(full).map(|key| key.1)
    }

    /// Whether no job more may be in flight, whatever the core.
    fn is_full(&self) -> bool {
        self.in_flight >= self.window.limit()
    }

    /// The big origin that `core` may open a connection for. An origin passed over here has `share`
    /// of its jobs on this core, unless it is among the reusable ones, so the walk is short.
    fn first_big(&self, core: usize) -> Option<&(u64, u32)> {
        self.big.iter().find(|(_, index)| self.origins.at(*index).held(core) < self.share)
    }

    fn grant(&mut self, core: usize, index: u32) -> Grant<T> {
        self.unlist(index);
        self.stamp += 1;
        let origin = self.origins.id(index);
        let record = self.origins.at_mut(index);
        record.stamp = self.stamp;
        let item = record.queue.pop_front().expect("a listed origin has a job").item;
        let hold = record.hold_or_insert(core);
        hold.in_use += 1;
        let connection = if hold.idle > 0 {
            hold.idle -= 1;
            Connection::Reuse
        } else {
            record.open += 1;
            self.open += 1;
            assert!(record.open <= self.limits.per_origin_max, "too many connections");
            Connection::Open
        };
        self.queued -= 1;
        self.in_flight += 1;
        let taker = &mut self.cores[core];
        taker.in_flight += 1;
        self.roomy.set(core, taker.in_flight < taker.in_flight_max);
        self.settle(index);
        Grant { item, origin, connection }
    }

    /// Whether `core` has more than its share of a big origin while another core sleeps that has
    /// less: connections opened when the origin was small must not keep it on one core.
    fn must_yield(&self, core: usize, index: u32) -> bool {
        let record = self.origins.at(index);
        record.queue.len() > self.queue_small_max()
            && record.held(core) > self.share
            && self.asleep.both(&self.roomy).any(|other| record.held(other) < self.share)
    }

    /// Longest queue of an origin that is not big.
    fn queue_small_max(&self) -> usize {
        self.limits.per_origin_max.saturating_mul(limits::BIG_ORIGIN_JOBS_PER_CONNECTION)
    }

    /// Wakes a sleeping core that can take a job, `first` if it is one.
    fn wake(&mut self, first: usize) -> Wake {
        let woken = if self.asleep.contains(first) && self.choose(first).is_some() {
            Some(first)
        } else {
            self.first_able()
        };
        let Some(core) = woken else {
            return Wake::Nobody;
        };
        self.asleep.set(core, false);
        Wake::One(core)
    }

    fn wake_or_end(&mut self, first: usize) -> Wake {
        if self.is_finished() { Wake::All } else { self.wake(first) }
    }

    /// A sleeping core that can take a job. The same rules as in `choose`, for 64 cores at a time.
    fn first_able(&self) -> Option<usize> {
        if self.is_full() {
            return None;
        }
        let is_left_over = match self.window.is_tight() {
            true => self.has_openable.all().next().is_some(),
            false => self.has_openable.without(&self.roomy).next().is_some(),
        };
        let able = if is_left_over {
            self.asleep.both(&self.roomy).next()
        } else {
            self.asleep.both_and_either(&self.roomy, &self.has_openable, &self.has_reusable)
        };
        if able.is_some() || self.big.is_empty() {
            return able;
        }
        self.asleep.both(&self.roomy).find(|core| self.first_big(*core).is_some())
    }

    /// Brings lists, holds and the record itself in line with what has changed in the record.
    fn settle(&mut self, index: u32) {
        self.list(index);
        let record = self.origins.at_mut(index);
        record.holds.retain(|hold| hold.held() > 0);
        let is_idle = record.queue.is_empty() && record.deferred == 0 && record.open == 0;
        let is_parked = is_idle && record.paused_until_ms.is_some();
        match (record.is_parked, is_parked) {
            (false, true) => self.parked += 1,
            (true, false) => self.parked -= 1,
            (true, true) | (false, false) => {}
        }
        record.is_parked = is_parked;
        if is_idle && (!is_parked || self.parked > limits::PAUSED_ORIGINS_MAX) {
            self.forget(index);
        }
    }

    /// Frees the record of an origin that is in no list.
    fn forget(&mut self, index: u32) {
        let record = self.origins.remove(index);
        self.cores[record.home].origins -= 1;
        self.parked -= usize::from(record.is_parked);
        if let Some(until) = record.paused_until_ms {
            self.pauses.remove(&(until, index));
        }
    }

    /// Puts an origin into the lists it belongs to, and takes it out of the others.
    fn list(&mut self, index: u32) {
        let queue_small_max = self.queue_small_max();
        let record = self.origins.at_mut(index);
        let is_ready = !record.queue.is_empty() && record.paused_until_ms.is_none();
        let listed = if !is_ready || record.open >= self.limits.per_origin_max {
            Listed::Nowhere
        } else if record.queue.len() > queue_small_max {
            Listed::Big
        } else {
            Listed::Home
        };
        let key = (record.stamp, index);
        if listed != record.listed {
            let home = &mut self.cores[record.home].openable;
            match record.listed {
                Listed::Nowhere => {}
                Listed::Home => assert!(home.remove(&key), "listed at home"),
                Listed::Big => assert!(self.big.remove(&key), "listed as big"),
            }
            match listed {
                Listed::Nowhere => {}
                Listed::Home => assert!(home.insert(key), "was not listed at home"),
                Listed::Big => assert!(self.big.insert(key), "was not listed as big"),
            }
            self.has_openable.set(record.home, !home.is_empty());
            record.listed = listed;
        }
        for hold in &mut record.holds {
            let is_listed = is_ready && hold.idle > 0;
            if is_listed != hold.is_listed {
                let reusable = &mut self.cores[hold.core].reusable;
                let is_changed =
                    if is_listed { reusable.insert(key) } else { reusable.remove(&key) };
                assert!(is_changed, "a hold knows whether it is listed");
                self.has_reusable.set(hold.core, !reusable.is_empty());
                hold.is_listed = is_listed;
            }
        }
    }

    /// Takes an origin out of all lists, before its stamp changes.
    fn unlist(&mut self, index: u32) {
        let record = self.origins.at_mut(index);
        let key = (record.stamp, index);
        let home = &mut self.cores[record.home].openable;
        match std::mem::replace(&mut record.listed, Listed::Nowhere) {
            Listed::Nowhere => {}
            Listed::Home => assert!(home.remove(&key), "listed at home"),
            Listed::Big => assert!(self.big.remove(&key), "listed as big"),
        }
        self.has_openable.set(record.home, !home.is_empty());
        for hold in record.holds.iter_mut().filter(|hold| hold.is_listed) {
            let reusable = &mut self.cores[hold.core].reusable;
            reusable.remove(&key);
            self.has_reusable.set(hold.core, !reusable.is_empty());
            hold.is_listed = false;
        }
    }
}
