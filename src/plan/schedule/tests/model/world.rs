//! The model: cores that do as the rules say, a plain account of everything, and what must hold.

use super::super::*;
use super::{Op, Then};
use std::collections::{BTreeMap, HashMap, VecDeque};

pub(super) const ORIGINS: usize = 6;
const HOSTS: usize = 5;
/// Name of each origin, and its host. The first two are one host.
const PLACES: [(&str, usize); ORIGINS] = [
    ("http://a:80", 0),
    ("https://a:443", 0),
    ("http://b:80", 1),
    ("http://c:80", 2),
    ("https://d:443", 3),
    ("http://e:80", 4),
];
const NAMES: [&str; HOSTS] = ["a", "b", "c", "d", "e"];

fn place(origin: usize) -> Place<'static> {
    Place { origin: PLACES[origin].0, host: NAMES[PLACES[origin].1] }
}

fn host(origin: usize) -> usize {
    PLACES[origin].1
}

fn scheme(origin: usize) -> usize {
    place(origin).scheme() as usize
}

/// What the outside can know of one host.
#[derive(Clone, Debug, Default)]
struct Seen {
    in_use: [usize; 4],
    idle: [[usize; 2]; 4],
    paused_until_ms: Option<u64>,
    is_unknown: bool,
}

impl Seen {
    fn idle(&self, core: usize) -> usize {
        self.idle[core].iter().sum()
    }

    fn held(&self, core: usize) -> usize {
        self.in_use[core] + self.idle(core)
    }

    fn open(&self) -> usize {
        (0..4).map(|core| self.held(core)).sum()
    }
}

/// Cores that do as the rules say, and a plain account of everything.
pub(super) struct World {
    schedule: Schedule<u32>,
    limits: Limits,
    now_ms: u64,
    seen: [Seen; HOSTS],
    /// Origin of each item that is in the schedule, by item; granted ones move to `running`.
    waiting: HashMap<u32, usize>,
    /// When their own time is over, for those that it matters for.
    ends: HashMap<u32, u64>,
    running: Vec<(usize, usize, Grant<u32>)>,
    /// When requests began, and where; those that were taken back are not among them.
    begun: Vec<(u64, usize)>,
    ids: BTreeMap<(usize, usize), OriginId>,
    /// Hosts to be asked for, in order, and those asked for.
    line: VecDeque<usize>,
    asked: Vec<(usize, HostId)>,
    pushed: u32,
    finished: u32,
    awake: VecDeque<usize>,
    timers: [Option<u64>; 4],
    passed_over: [[usize; HOSTS]; 4],
}

impl World {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            schedule: Schedule::new(limits),
            limits,
            now_ms: 0,
            seen: Default::default(),
            waiting: HashMap::new(),
            ends: HashMap::new(),
            running: Vec::new(),
            begun: Vec::new(),
            ids: BTreeMap::new(),
            line: VecDeque::new(),
            asked: Vec::new(),
            pushed: 0,
            finished: 0,
            awake: VecDeque::new(),
            timers: [None; 4],
            passed_over: Default::default(),
        }
    }

    pub(super) fn run(&mut self, op: &Op) {
        match *op {
            Op::Push(origin) => self.push(origin, Schedule::push),
            Op::PushFront(origin, ms) => {
                let ends_ms = self.now_ms + ms;
                self.ends.insert(self.pushed, ends_ms);
                self.push(origin, |schedule, place, item| {
                    schedule.push_front(place, item, ends_ms)
                });
            }
            Op::PushMany(origin, count) => {
                (0..count).for_each(|_| self.push(origin, Schedule::push));
            }
            Op::Step(pick) => {
                if !self.awake.is_empty() {
                    self.awake.rotate_left(pick % self.awake.len());
                    self.step();
                }
            }
            Op::Ask(core) => self.wake(core % self.limits.cores),
            Op::Quiet => self.quiet(),
            Op::Release(pick, is_kept, signal, then) => {
                if !self.running.is_empty() {
                    self.release(pick % self.running.len(), is_kept, signal, then);
                }
            }
            Op::IdleClosed(pick) => self.close_idle(pick),
            Op::Resolved(pick) => self.resolved(pick),
            Op::Unresolve(origin) => self.unresolve(origin),
            Op::Time(ms) => {
                self.now_ms += ms;
                for core in 0..self.limits.cores {
                    if self.timers[core].is_some_and(|due| due <= self.now_ms) {
                        self.wake(core);
                    }
                }
            }
            Op::Tick => {
                let wake = self.schedule.advance(self.now_ms);
                self.deliver(wake);
            }
        }
        self.check_caps();
    }

    fn push(&mut self, origin: usize, how: impl Fn(&mut Schedule<u32>, Place<'_>, u32) -> Wake) {
        let item = self.pushed;
        self.pushed += 1;
        self.waiting.insert(item, origin);
        self.entered(origin);
        let wake = how(&mut self.schedule, place(origin), item);
        self.deliver(wake);
    }

    /// Before a host gets something: a new one goes to the end of the line.
    fn entered(&mut self, origin: usize) {
        let host = host(origin);
        if self.schedule.hosts.find(NAMES[host]).is_none() && self.limits.resolve_ahead_max > 0 {
            self.line.retain(|waiting| *waiting != host);
            self.line.push_back(host);
            self.seen[host].is_unknown = true;
        }
    }

    /// What a core that is awake does about names.
    fn ask(&mut self) {
        while let Some((id, name)) = self.schedule.next_unresolved() {
            let is_live = |host: &usize| self.schedule.hosts.find(NAMES[*host]).is_some();
            let first = self.line.iter().copied().find(is_live).expect("somebody is in line");
            assert_eq!(NAMES[first], &*name, "the first in line comes first");
            self.line.retain(|host| *host != first);
            self.asked.push((first, id));
            assert!(self.asked.len() <= self.limits.resolve_ahead_max + self.stale_answers());
        }
        assert!(!self.schedule.has_unresolved());
    }

    /// Answers that are on their way to hosts that were forgotten.
    fn stale_answers(&self) -> usize {
        self.asked.iter().filter(|(_, id)| self.schedule.hosts.find_id(*id).is_none()).count()
    }

    fn resolved(&mut self, pick: usize) {
        if self.asked.is_empty() {
            return;
        }
        let (host, id) = self.asked.remove(pick % self.asked.len());
        if self.schedule.hosts.find_id(id).is_some() {
            self.seen[host].is_unknown = false;
        }
        let wake = self.schedule.resolved(id);
        self.deliver(wake);
    }

    fn unresolve(&mut self, origin: usize) {
        let host = host(origin);
        let is_resolved_first = self.limits.resolve_ahead_max > 0;
        if is_resolved_first
            && self.schedule.hosts.find(NAMES[host]).is_some()
            && !self.seen[host].is_unknown
        {
            self.seen[host].is_unknown = true;
            self.line.push_front(host);
        }
        let wake = self.schedule.unresolve(place(origin));
        self.deliver(wake);
    }

    fn deliver(&mut self, wake: Wake) {
        wake.cores(self.limits.cores).for_each(|core| self.wake(core));
    }

    fn wake(&mut self, core: usize) {
        if !self.awake.contains(&core) {
            self.awake.push_back(core);
        }
    }

    fn quiet(&mut self) {
        while !self.awake.is_empty() {
            self.step();
        }
        for core in 0..self.limits.cores {
            assert!(self.takeable(core, true).is_empty(), "core {core} sleeps beside work");
        }
        assert!(self.can_fail().is_empty(), "all sleep beside jobs that fail");
        assert!(self.overdue().is_empty(), "all sleep beside jobs whose time is over");
        let due_ms = self.schedule.next_due_ms();
        let timers = self.timers.iter().take(self.limits.cores).flatten();
        assert!(due_ms.is_none_or(|due| timers.min().is_some_and(|timer| *timer <= due)));
        assert!(!self.schedule.has_unresolved(), "all sleep beside a name to be asked for");
    }

    /// The first core that is awake takes once, and sleeps if there was nothing.
    fn step(&mut self) {
        let core = self.awake[0];
        let (own, any) = (self.takeable(core, false), self.takeable(core, true));
        let homes = self.homes();
        let (can_fail, overdue) = (self.can_fail(), self.overdue());
        let Take { assignment, wake, has_unresolved } = self.schedule.take(core, self.now_ms);
        assert_eq!(has_unresolved, self.schedule.has_unresolved());
        let is_down = matches!(assignment, Assignment::Down(_));
        assert_eq!(is_down, !can_fail.is_empty(), "jobs of hosts that are down come first");
        let is_overdue = matches!(assignment, Assignment::Overdue(_));
        assert_eq!(is_overdue, !is_down && !overdue.is_empty(), "then those whose time is over");
        match assignment {
            Assignment::Nothing => {
                assert!(any.is_empty(), "core {core} was refused");
                self.awake.pop_front();
                self.timers[core] = self.schedule.next_due_ms();
            }
            Assignment::Down(down) => {
                let origin = self.waiting.remove(&down.item).expect("each item comes out once");
                assert!(can_fail.contains(&host(origin)));
                self.ends.remove(&down.item);
                match down.why {
                    DownReason::Unreachable { failures: count, .. } => {
                        assert!(count > self.limits.host_fail_limit);
                    }
                    DownReason::Refuses { refusals, for_ms } => {
                        assert!(refusals >= self.limits.host_fail_limit);
                        assert!(for_ms >= self.limits.retry_after_max_ms);
                    }
                    DownReason::Asks { seconds } => {
                        assert!(seconds * 1_000 > self.limits.retry_after_max_ms);
                    }
                }
                self.finished += 1;
            }
            Assignment::Overdue(item) => {
                self.waiting.remove(&item).expect("each item comes out once");
                assert!(overdue.contains(&item), "{item} has time left");
                self.ends.remove(&item);
                self.finished += 1;
            }
            Assignment::Job(grant) => {
                self.ends.remove(&grant.item);
                let origin = self.waiting.remove(&grant.item).expect("each item comes out once");
                let host = host(origin);
                assert!(any.contains(&host), "core {core} must not take from {host}");
                assert!(own.is_empty() || own.contains(&host), "its own hosts first");
                self.check_home(core, host, homes[host].expect("it was there"));
                self.granted(core, origin, &grant);
                self.running.push((core, origin, grant));
                self.check_fair(core, host, &own);
            }
        }
        self.ask();
        self.deliver(wake);
    }

    /// Queued jobs whose own time is over.
    fn overdue(&self) -> Vec<u32> {
        let schedule = &self.schedule;
        let is_walk_due = schedule.walk_due_ms.is_some_and(|due| due <= self.now_ms);
        let is_down = |index: u32| {
            let active = schedule.hosts.at(index).active.as_ref();
            active.is_some_and(|active| active.throttle.breaker.is_down())
        };
        let is_kept_back = |deferred: &Deferred| {
            deferred.until_ms > self.now_ms && !(is_walk_due && is_down(deferred.host))
        };
        let kept_back = schedule.deferred.iter().filter(|deferred| is_kept_back(deferred));
        let kept_back: Vec<&u32> =
            kept_back.filter_map(|deferred| schedule.jobs.peek(deferred.job)).collect();
        let is_over = |(_, ends): &(&u32, &u64)| **ends <= self.now_ms;
        let over = self.ends.iter().filter(is_over).map(|(item, _)| *item);
        over.filter(|item| !kept_back.contains(&item)).collect()
    }

    /// Hosts that are down and have jobs.
    fn can_fail(&self) -> Vec<usize> {
        let can_fail = |at: &usize| {
            let Some(index) = self.schedule.hosts.find(NAMES[*at]) else { return false };
            let host = self.schedule.hosts.at(index);
            let breaker = host.active.as_ref().map(|active| &active.throttle.breaker);
            let is_down =
                |breaker: &&Breaker| breaker.is_down() && self.wait_ends_ms(index) > self.now_ms;
            breaker.filter(is_down).is_some() && self.queued(index) > 0
        };
        (0..HOSTS).filter(can_fail).collect()
    }

    /// Jobs of a host that may be taken by now, as far as their own time is concerned.
    fn queued(&self, index: u32) -> usize {
        let host = self.schedule.hosts.at(index);
        let is_walk_due = self.schedule.walk_due_ms.is_some_and(|due| due <= self.now_ms);
        let is_down = host.active.as_ref().is_some_and(|active| active.throttle.breaker.is_down());
        let is_due = |job: &&Deferred| {
            job.host == index && (job.until_ms <= self.now_ms || is_walk_due && is_down)
        };
        host.queued() + self.schedule.deferred.iter().filter(is_due).count()
    }

    fn wait_ends_ms(&self, index: u32) -> u64 {
        let active = self.schedule.hosts.at(index).active.as_ref();
        active.map_or(0, |active| active.wait_ends_ms(self.queued(index) > 0))
    }

    fn granted(&mut self, core: usize, origin: usize, grant: &Grant<u32>) {
        let (seen, scheme) = (&mut self.seen[host(origin)], scheme(origin));
        let index = self.schedule.hosts.find(NAMES[host(origin)]).expect("it is served");
        let window = self.schedule.hosts.at(index).window(&self.limits);
        let (other, is_full) = (1 - scheme, seen.open() >= window);
        assert!(seen.in_use.iter().sum::<usize>() < window, "more than the window");
        assert!(seen.paused_until_ms.is_none_or(|until| until <= self.now_ms), "it is paused");
        seen.in_use[core] += 1;
        self.begun.push((self.now_ms, host(origin)));
        let idle = &mut seen.idle[core];
        match grant.connection {
            Connection::Reuse => idle[scheme] -= 1,
            Connection::Open => assert!(idle[scheme] == 0 && !is_full),
            Connection::Replace(id) => {
                assert_eq!(Some(&id), self.ids.get(&(host(origin), other)));
                assert!(idle[scheme] == 0 && is_full);
                idle[other] -= 1;
            }
        }
        self.ids.insert((host(origin), scheme), grant.origin);
    }

    fn homes(&self) -> [Option<usize>; HOSTS] {
        NAMES.map(|name| {
            let index = self.schedule.hosts.find(name)?;
            Some(usize::from(self.schedule.hosts.at(index).home))
        })
    }

    /// A host moves to a core that helps a full one, if that one has no part in it.
    fn check_home(&self, core: usize, host: usize, before: usize) {
        let is_moved = self.homes()[host] != Some(before);
        let seen = &self.seen[host];
        let has_room = self.in_flight(before) < self.in_flight_max(before);
        let index = self.schedule.hosts.find(NAMES[host]).expect("it is served");
        // With the job that was taken.
        let window = self.schedule.hosts.at(index).window(&self.limits);
        let is_small = self.schedule.hosts.at(index).queued() < 2 * window;
        let may_open = seen.open() < window;
        let is_left_alone = seen.held(before) == 0 && !has_room && is_small && may_open;
        assert_eq!(is_moved, before != core && is_left_alone);
    }

    /// A host that a core may serve is passed over by each of the others for one turn at most.
    fn check_fair(&mut self, core: usize, served: usize, own: &[usize]) {
        for passed_over in &mut self.passed_over {
            passed_over[served] = 0;
        }
        for host in 0..HOSTS {
            let passed_over = &mut self.passed_over[core][host];
            *passed_over = if host != served && own.contains(&host) { *passed_over + 1 } else { 0 };
            assert!(*passed_over < HOSTS * TURN, "host {host} starves");
        }
    }

    fn release(&mut self, pick: usize, is_kept: bool, signal: HostSignal, then: Then) {
        let (core, origin, grant) = self.running.swap_remove(pick);
        // That no request is needed is known at once, or its turn has been.
        let begun = self.begun.iter().rposition(|begun| *begun == (self.now_ms, host(origin)));
        let signal = match (signal, begun) {
            (HostSignal::Unasked | HostSignal::Nameless, Some(begun)) => {
                self.begun.remove(begun);
                signal
            }
            (HostSignal::Unasked | HostSignal::Nameless, None) => HostSignal::Nothing,
            (signal, _) => signal,
        };
        let wake = self.schedule.observe(grant.origin, grant.round, signal, self.now_ms);
        self.deliver(wake);
        match then {
            Then::Done => self.finished += 1,
            Then::Defer(ms, more_ms) => {
                let until = self.now_ms + ms;
                let ends = until + more_ms;
                self.ends.insert(grant.item, ends);
                self.waiting.insert(grant.item, origin);
                self.entered(origin);
                self.schedule.defer(place(origin), grant.item, until, ends);
            }
            Then::Hop(to) => {
                self.waiting.insert(grant.item, to);
                self.entered(to);
                let wake = self.schedule.push_front(place(to), grant.item, u64::MAX);
                self.deliver(wake);
            }
            Then::Pause(ms) => {
                self.finished += 1;
                let paused = &mut self.seen[host(origin)].paused_until_ms;
                *paused = (*paused).max(Some(self.now_ms + ms));
                self.schedule.pause(place(origin), self.now_ms + ms);
            }
            Then::Shortage(ms) => {
                let is_alone = self.seen.iter().map(Seen::open).sum::<usize>() == 1;
                match self.schedule.lacked(self.now_ms) {
                    Shortage::Alone => {
                        assert!(is_alone);
                        self.finished += 1;
                    }
                    Shortage::Wait => {
                        assert!(!is_alone);
                        let until = self.now_ms + ms;
                        self.waiting.insert(grant.item, origin);
                        self.schedule.defer(place(origin), grant.item, until, u64::MAX);
                    }
                }
            }
        }
        let offered = if is_kept { After::Kept } else { After::Closed };
        let Released { connection, wake } = self.schedule.release(core, grant.origin, offered);
        let seen = &mut self.seen[host(origin)];
        seen.in_use[core] -= 1;
        match connection {
            After::Kept => {
                assert!(is_kept);
                seen.idle[core][scheme(origin)] += 1;
            }
            After::Closed => {}
        }
        self.deliver(wake);
        match then {
            Then::Done | Then::Hop(_) => {}
            // It looks at the time again.
            Then::Defer(..) | Then::Pause(_) | Then::Shortage(_) => self.wake(core),
        }
    }

    fn close_idle(&mut self, pick: usize) {
        let idle: Vec<(usize, usize, usize)> = (0..HOSTS)
            .flat_map(|host| (0..8).map(move |n| (host, n / 2, n % 2)))
            .filter(|(host, core, scheme)| self.seen[*host].idle[*core][*scheme] > 0)
            .collect();
        if !idle.is_empty() {
            let (host, core, scheme) = idle[pick % idle.len()];
            self.seen[host].idle[core][scheme] -= 1;
            let wake = self.schedule.idle_closed(core, self.ids[&(host, scheme)]);
            self.deliver(wake);
        }
    }

    fn has_idle(&self) -> bool {
        self.seen.iter().any(|seen| (0..4).any(|core| seen.idle(core) > 0))
    }

    fn in_flight_max(&self, core: usize) -> usize {
        let Limits { cores, in_flight_max, .. } = self.limits;
        in_flight_max / cores + usize::from(core < in_flight_max % cores)
    }

    fn in_flight(&self, core: usize) -> usize {
        self.seen.iter().map(|seen| seen.in_use[core]).sum()
    }

    /// Hosts that a core may take a job of, by the rules of the module in plain words.
    fn takeable(&self, core: usize, or_help: bool) -> Vec<usize> {
        let cores = self.limits.cores;
        let (window, is_tight) = (self.schedule.window, self.schedule.window.is_tight());
        if self.running.len() >= window.limit() || !self.is_conforming() {
            return Vec::new();
        }
        let has_room = |core: usize| self.in_flight(core) < self.in_flight_max(core);
        let may_take = |at: &usize| {
            let seen = &self.seen[*at];
            let Some(index) = self.schedule.hosts.find(NAMES[*at]) else { return false };
            let host = self.schedule.hosts.at(index);
            let queue = self.queued(index);
            let is_waiting = self.wait_ends_ms(index) > self.now_ms;
            let breaker = host.active.as_ref().map(|active| &active.throttle.breaker);
            let is_probing = breaker.is_some_and(Breaker::is_probing);
            if queue == 0 || is_waiting || is_probing || seen.is_unknown {
                return false;
            }
            let window = host.window(&self.limits);
            if seen.in_use.iter().sum::<usize>() >= window {
                return false;
            }
            if seen.idle(core) > 0 {
                return true;
            }
            let home = usize::from(host.home);
            let is_big = queue > 2 * window;
            seen.open() < window
                && if is_big {
                    seen.held(core) < window.div_ceil(cores)
                } else {
                    home == core || is_tight || (or_help && !has_room(home))
                }
        };
        if has_room(core) { (0..HOSTS).filter(may_take).collect() } else { Vec::new() }
    }

    /// Whether one more request may begin, as far as the rate of the run is concerned.
    fn is_conforming(&self) -> bool {
        self.limits.rate.is_none() || self.schedule.due.begins_ms() <= self.now_ms
    }

    /// In no stretch of time more requests begin than there are intervals in it, but for one and
    /// those of the burst.
    fn check_rates(&self) {
        let most = |stretch_ms: u64| (stretch_ms + 4) / RATE_INTERVAL_MS + 1;
        for host in (0..HOSTS).map(Some).chain([None]) {
            let limit = if host.is_some() { self.limits.rate_per_host } else { self.limits.rate };
            let begun: Vec<u64> = self
                .begun
                .iter()
                .filter(|begun| host.is_none_or(|host| begun.1 == host))
                .map(|begun| begun.0)
                .collect();
            for (first, from_ms) in begun.iter().enumerate() {
                for (last, to_ms) in begun.iter().enumerate().skip(first) {
                    let count = (last - first) as u64 + 1;
                    assert!(limit.is_none() || count <= most(to_ms - from_ms), "{begun:?}");
                }
            }
        }
    }

    fn check_caps(&self) {
        let in_flight: usize = (0..4).map(|core| self.in_flight(core)).sum();
        assert!(in_flight <= self.limits.in_flight_max);
        for core in 0..self.limits.cores {
            let fair = self.limits.in_flight_max.div_ceil(self.limits.cores);
            assert!(self.in_flight(core) <= fair);
        }
        for seen in &self.seen {
            assert!(seen.open() <= self.limits.per_host_max);
        }
        let counts = [self.schedule.queued(), self.schedule.deferred(), self.schedule.in_flight()];
        let held = self.waiting.len() + self.running.len();
        assert_eq!(counts.iter().sum::<usize>(), held);
        assert_eq!(self.schedule.in_flight(), in_flight);
        assert_eq!(self.schedule.room(), self.limits.lookahead_max.saturating_sub(held));
        let has_jobs = |at: usize| self.waiting.values().any(|origin| host(*origin) == at);
        let is_live = |at: &usize| has_jobs(*at) || self.seen[*at].open() > 0;
        let active = (0..HOSTS).filter(is_live).count();
        assert!((active..=HOSTS).contains(&self.schedule.hosts()));
    }

    /// Finishes everything by wake-ups and timers alone, and looks for what is left behind.
    pub(super) fn finish(&mut self) {
        self.quiet();
        let wake = self.schedule.close_input();
        self.deliver(wake);
        loop {
            // The last jobs may end by themselves: their time is over.
            self.quiet();
            if self.schedule.is_finished() {
                break;
            }
            if !self.asked.is_empty() {
                self.resolved(0);
            } else if self.running.is_empty() {
                let due = self.schedule.next_due_ms().expect("what is left waits for its time");
                let wait = due.saturating_sub(self.now_ms).max(1);
                self.run(&Op::Time(wait));
                // Idle connections end as well, by the pool's own timer.
                while self.has_idle() {
                    self.close_idle(0);
                }
            } else {
                let is_kept = self.now_ms.is_multiple_of(2);
                self.release(
                    0,
                    is_kept,
                    HostSignal::Good { starttransfer_ms: 1, opening_ms: 0 },
                    Then::Done,
                );
            }
        }
        assert_eq!((self.finished, self.waiting.len()), (self.pushed, 0));
        while self.has_idle() {
            self.close_idle(0);
        }
        // A host that is remembered may still be asked for.
        while !self.asked.is_empty() {
            self.resolved(0);
        }
        self.check_rates();
        let _ = self.schedule.advance(u64::MAX);
        // What is left is kept for what is known of it, and nothing else.
        let left = self.schedule.dormant.len();
        assert_eq!(self.schedule.hosts(), left, "records are freed");
        let is_remarkable = |(_, index): &(u64, u32)| {
            let host = self.schedule.hosts.at(*index);
            host.active.as_ref().is_some_and(|active| active.throttle.is_remarkable())
        };
        assert!(self.schedule.dormant.iter().all(is_remarkable));
        assert_eq!(self.schedule.cores.iter().map(|core| core.hosts).sum::<usize>(), left);
        assert!(self.schedule.cores.iter().all(|core| core.in_flight == 0));
        assert!(self.schedule.big.is_empty() && self.schedule.waits.is_empty());
        let Schedule { unknown, ahead, down, .. } = &self.schedule;
        assert_eq!((*ahead, down.len()), (0, 0));
        assert!(*unknown <= left);
    }
}

/// The jobs of one turn, that which begins it included.
const TURN: usize = limits::QUANTUM_JOBS as usize + 1;

/// From one request to the next, of the run or of a host, where there is a limit.
pub(super) const RATE_INTERVAL_MS: u64 = 10;
