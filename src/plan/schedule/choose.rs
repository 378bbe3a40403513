//! The choice: which host is served next, and by which core.

use super::Schedule;
use super::answers::{Connection, Grant, Wake};
use super::hosts::{Host, Name, ReadyList};
use super::place::OriginId;
use crate::limits;
use crate::plan::target::Scheme;

impl<T> Schedule<T> {
    /// The host that `core` serves next. A host whose quantum on an idle connection lasts comes
    /// first; then, of those that the core may serve for its own sake, the one served longest ago;
    /// then one of a home core without room.
    pub(super) fn choose(&self, core: usize) -> Option<u32> {
        if !self.roomy.contains(core) || self.is_full() || self.is_rate_reached() {
            return None;
        }
        let own = &self.cores[core];
        let continuing = own.continuing.first();
        let first = [continuing, own.openable.first(), own.reusable.first(), self.first_big(core)];
        let first = first.into_iter().flatten().min();
        let first_of = |home: usize| self.cores[home].openable.first();
        if self.window.is_tight() {
            let all = self.has_openable.all().filter_map(first_of);
            return all.chain(first).min().map(|key| key.1);
        }
        if let Some(continuing) = continuing {
            return Some(continuing.1);
        }
        let full = || self.has_openable.without(&self.roomy).filter_map(first_of).min();
        first.or_else(full).map(|key| key.1)
    }

    /// Whether no job more may be in flight, whatever the core.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight >= self.window.limit()
    }

    /// The big host that `core` may open a connection for. A host passed over here has `share` of
    /// its jobs on this core, unless it is among the reusable ones, so the walk is short.
    fn first_big(&self, core: usize) -> Option<&(u64, u32)> {
        self.big.iter().find(|(_, index)| {
            let host = self.hosts.at(*index);
            host.open_on(core) < self.share(host)
        })
    }

    /// Connections of a big host that one core may hold: of its window, or of what there is to do
    /// where few jobs are to be on all cores.
    fn share(&self, host: &Host) -> usize {
        let window = host.window(&self.limits);
        let jobs = match &host.active {
            Some(active) if active.is_spread => window.min(active.in_use + host.queued()),
            Some(_) | None => window,
        };
        jobs.div_ceil(self.limits.cores)
    }

    pub(super) fn grant(&mut self, core: usize, index: u32) -> Grant<T> {
        self.take_over(core, index);
        self.unlist(index);
        self.services += 1;
        let (scheme, connection) = self.way(core, index);
        let id = self.hosts.id(index);
        let host = self.hosts.at_mut(index);
        host.last_served = self.services;
        host.name_state = Name::Served;
        let queue = &mut host.queues[scheme as usize];
        let item = self.jobs.pop_front(queue).expect("a listed host has a job");
        let active = host.active_mut();
        active.in_use += 1;
        let (round, is_probe) = active.throttle.begin(active.in_use, &self.limits, self.now_ms);
        let of_core = active.of_core_or_insert(core);
        of_core.in_use += 1;
        of_core.quantum_used = match connection {
            Connection::Reuse if of_core.quantum_used < limits::QUANTUM_JOBS => {
                of_core.quantum_used + 1
            }
            Connection::Reuse | Connection::Replace(_) | Connection::Open => 0,
        };
        match connection {
            Connection::Reuse => of_core.idle[scheme as usize] -= 1,
            Connection::Replace(other) => of_core.idle[other.scheme as usize] -= 1,
            Connection::Open => {
                active.open += 1;
                self.open += 1;
                assert!(active.open <= self.limits.per_host_max, "too many connections");
            }
        }
        self.queued -= 1;
        self.in_flight += 1;
        let taker = &mut self.cores[core];
        taker.in_flight += 1;
        self.roomy.set(core, taker.in_flight < taker.in_flight_max);
        let due_ms = self.count_request(index);
        self.reindex(index);
        Grant { item, due_ms, origin: OriginId { host: id, scheme }, connection, round, is_probe }
    }

    /// A small host whose home core has no room and no connection to it moves to the core that
    /// serves it.
    fn take_over(&mut self, core: usize, index: u32) {
        let host = self.hosts.at(index);
        let home = usize::from(host.home);
        let is_left_alone = host.ready_list == ReadyList::Home
            && home != core
            && !self.roomy.contains(home)
            && host.open_on(home) == 0;
        if is_left_alone {
            self.unlist(index);
            self.hosts.at_mut(index).home = u16::try_from(core).expect("a core is a small number");
            self.cores[home].hosts -= 1;
            self.cores[core].hosts += 1;
        }
    }

    /// Which origin of a host `core` serves, and on what connection. The origin with the older job
    /// comes first, unless only the other one has an idle connection here; but not for ever.
    fn way(&mut self, core: usize, index: u32) -> (Scheme, Connection) {
        let id = self.hosts.id(index);
        let jobs = &self.jobs;
        let host = self.hosts.at_mut(index);
        let window = host.window(&self.limits);
        let oldest = Scheme::ALL
            .into_iter()
            .max_by_key(|scheme| jobs.age_of_first(host.queues[*scheme as usize]));
        let oldest = oldest.expect("there are two sides");
        let other = oldest.other();
        let has_other = !host.queues[other as usize].is_empty();
        let active = host.active_mut();
        let is_open = active.open < window;
        let idle = active.of_core_or_insert(core).idle;
        if idle[oldest as usize] > 0 {
            active.passed_over = 0;
            return (oldest, Connection::Reuse);
        }
        if idle[other as usize] > 0 && has_other && active.passed_over < PASSED_OVER_MAX {
            active.passed_over += 1;
            return (other, Connection::Reuse);
        }
        active.passed_over = 0;
        if is_open {
            return (oldest, Connection::Open);
        }
        (oldest, Connection::Replace(OriginId { host: id, scheme: other }))
    }

    /// Whether `core` has more than its share of a big host while another core sleeps that has
    /// less: connections opened when the host was small must not keep it on one core.
    pub(super) fn must_yield(&self, core: usize, index: u32) -> bool {
        let host = self.hosts.at(index);
        let share = self.share(host);
        host.queued() > queue_small_max(host.window(&self.limits))
            && host.open_on(core) > share
            && self.asleep.both(&self.roomy).any(|other| host.open_on(other) < share)
    }

    /// Wakes a sleeping core that can take a job, `first` if it is one; or one that can ask for a
    /// name, or must look at the time again.
    pub(super) fn wake(&mut self, first: usize) -> Wake {
        match self.wake_for_job(first) {
            Wake::Nobody => {}
            wake => return wake,
        }
        let due_ms = self.next_due_ms().unwrap_or(u64::MAX);
        if !self.has_unresolved() && due_ms >= self.promised_ms {
            return Wake::Nobody;
        }
        let woken = self.sleeping(first);
        if woken.is_some() {
            self.promised_ms = due_ms;
        }
        self.wake_this(woken)
    }

    /// Wakes a sleeping core that can take a job, `first` if it is one.
    pub(super) fn wake_for_job(&mut self, first: usize) -> Wake {
        let can_first = self.asleep.contains(first) && self.choose(first).is_some();
        let woken = if can_first {
            Some(first)
        } else if self.down.is_empty() {
            self.first_able()
        } else {
            self.sleeping(first)
        };
        self.wake_this(woken)
    }

    /// A core that sleeps, `first` if it does.
    fn sleeping(&self, first: usize) -> Option<usize> {
        if self.asleep.contains(first) { Some(first) } else { self.asleep.all().next() }
    }

    fn wake_this(&mut self, woken: Option<usize>) -> Wake {
        let Some(core) = woken else {
            return Wake::Nobody;
        };
        self.asleep.set(core, false);
        Wake::One(core)
    }

    pub(super) fn wake_or_end(&mut self, first: usize) -> Wake {
        if self.is_finished() { Wake::All } else { self.wake(first) }
    }

    /// A sleeping core that can take a job, by the rules of `choose`, for 64 cores at a time.
    fn first_able(&self) -> Option<usize> {
        if self.is_full() || self.is_rate_reached() {
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
}

/// Longest queue of a host that is not big.
pub(super) fn queue_small_max(window: usize) -> usize {
    window.saturating_mul(limits::BIG_HOST_JOBS_PER_CONNECTION)
}

/// How often in a row a job waits for a younger one of the other origin of its host, which needs no
/// new connection.
const PASSED_OVER_MAX: u8 = 32;
