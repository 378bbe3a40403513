//! All rules at once, against a model that states them plainly.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// What a core does with a job that it has finished with.
#[derive(Clone, Copy, Debug)]
enum Then {
    Done,
    Defer(u64),
    Hop(usize),
    Pause(u64),
    /// It lacked something; it is deferred if that can help.
    Lack(u64),
}

#[derive(Clone, Debug)]
enum Op {
    Push(usize),
    PushFront(usize),
    /// A burst, so that origins become big.
    PushMany(usize, u32),
    /// One `take` of one of the cores that are awake.
    Step(usize),
    /// A core that was not woken asks all the same.
    Ask(usize),
    /// All cores that are awake take until all sleep.
    Quiet,
    Release(usize, bool, Then),
    IdleClosed(usize),
    Time(u64),
    Tick,
}

fn op() -> impl Strategy<Value = Op> {
    let then = prop_oneof![
        6 => Just(Then::Done),
        1 => (0..50_u64).prop_map(Then::Defer),
        1 => (0..ORIGINS).prop_map(Then::Hop),
        1 => (0..50_u64).prop_map(Then::Pause),
        1 => (0..50_u64).prop_map(Then::Lack),
    ];
    prop_oneof![
        6 => (0..ORIGINS).prop_map(Op::Push),
        1 => (0..ORIGINS).prop_map(Op::PushFront),
        1 => (0..ORIGINS, 1..12_u32).prop_map(|(origin, count)| Op::PushMany(origin, count)),
        8 => (0..8_usize).prop_map(Op::Step),
        1 => (0..8_usize).prop_map(Op::Ask),
        2 => Just(Op::Quiet),
        8 => (0..99_usize, any::<bool>(), then)
            .prop_map(|(grant, is_kept, then)| Op::Release(grant, is_kept, then)),
        1 => (0..99_usize).prop_map(Op::IdleClosed),
        2 => (1..30_u64).prop_map(Op::Time),
        1 => Just(Op::Tick),
    ]
}

const ORIGINS: usize = 5;
const NAMES: [&str; ORIGINS] = ["http://a:80", "http://b:80", "http://c:80", "d", "e"];

/// What the outside can know of one origin.
#[derive(Clone, Debug, Default)]
struct Seen {
    queue: usize,
    in_use: [usize; 4],
    idle: [usize; 4],
    paused_until_ms: Option<u64>,
}

impl Seen {
    fn held(&self, core: usize) -> usize {
        self.in_use[core] + self.idle[core]
    }

    fn open(&self) -> usize {
        (0..4).map(|core| self.held(core)).sum()
    }
}

/// Cores that do as the rules say, and a plain account of everything.
struct World {
    schedule: Schedule<u32>,
    limits: Limits,
    now_ms: u64,
    seen: [Seen; ORIGINS],
    /// Origin of each item that is in the schedule, by item; granted ones move to `running`.
    waiting: HashMap<u32, usize>,
    deferred: Vec<(u64, usize)>,
    running: Vec<(usize, usize, Grant<u32>)>,
    ids: BTreeMap<usize, OriginId>,
    given: u32,
    finished: u32,
    awake: VecDeque<usize>,
    timers: [Option<u64>; 4],
    passed_over: [[usize; ORIGINS]; 4],
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            schedule: Schedule::new(limits),
            limits,
            now_ms: 0,
            seen: Default::default(),
            waiting: HashMap::new(),
            deferred: Vec::new(),
            running: Vec::new(),
            ids: BTreeMap::new(),
            given: 0,
            finished: 0,
            awake: VecDeque::new(),
            timers: [None; 4],
            passed_over: Default::default(),
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Push(origin) => self.push(origin, Schedule::push),
            Op::PushFront(origin) => self.push(origin, Schedule::push_front),
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
            Op::Release(pick, is_kept, then) => {
                if !self.running.is_empty() {
                    self.release(pick % self.running.len(), is_kept, then);
                }
            }
            Op::IdleClosed(pick) => self.close_idle(pick),
            Op::Time(ms) => {
                self.now_ms += ms;
                for core in 0..self.limits.cores {
                    if self.timers[core].is_some_and(|due| due <= self.now_ms) {
                        self.wake(core);
                    }
                }
            }
            Op::Tick => {
                self.requeue_due();
                let wake = self.schedule.advance(self.now_ms);
                self.deliver(wake);
            }
        }
        self.check_caps();
    }

    fn push(&mut self, origin: usize, how: fn(&mut Schedule<u32>, &str, u32) -> Wake) {
        let item = self.given;
        self.given += 1;
        self.waiting.insert(item, origin);
        self.seen[origin].queue += 1;
        let wake = how(&mut self.schedule, NAMES[origin], item);
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
    }

    /// The first core that is awake takes once, and sleeps if there was nothing.
    fn step(&mut self) {
        let core = self.awake[0];
        self.requeue_due();
        let (own, any) = (self.takeable(core, false), self.takeable(core, true));
        let Take { grant, wake } = self.schedule.take(core, self.now_ms);
        match grant {
            None => {
                assert!(any.is_empty(), "core {core} was refused");
                self.awake.pop_front();
                self.timers[core] = self.schedule.next_due_ms();
            }
            Some(grant) => {
                let origin = self.waiting.remove(&grant.item).expect("each item comes out once");
                assert!(any.contains(&origin), "core {core} must not take from {origin}");
                assert!(own.is_empty() || own.contains(&origin), "its own origins first");
                let seen = &mut self.seen[origin];
                seen.queue -= 1;
                seen.in_use[core] += 1;
                let has_idle = seen.idle[core] > 0;
                assert_eq!(grant.connection == Connection::Reuse, has_idle);
                seen.idle[core] -= usize::from(has_idle);
                self.ids.insert(origin, grant.origin);
                self.running.push((core, origin, grant));
                self.check_fair(core, origin, &own);
            }
        }
        self.deliver(wake);
    }

    /// An origin that a core may serve is passed over at most once by each of the others.
    fn check_fair(&mut self, core: usize, served: usize, own: &[usize]) {
        for passed_over in &mut self.passed_over {
            passed_over[served] = 0;
        }
        for origin in 0..ORIGINS {
            let passed_over = &mut self.passed_over[core][origin];
            *passed_over =
                if origin != served && own.contains(&origin) { *passed_over + 1 } else { 0 };
            assert!(*passed_over < ORIGINS, "origin {origin} starves");
        }
    }

    fn release(&mut self, pick: usize, is_kept: bool, then: Then) {
        let (core, origin, grant) = self.running.swap_remove(pick);
        match then {
            Then::Done => self.finished += 1,
            Then::Defer(ms) => {
                let until = self.now_ms + ms;
                self.waiting.insert(grant.item, origin);
                self.deferred.push((until, origin));
                self.schedule.defer(NAMES[origin], grant.item, until);
            }
            Then::Hop(to) => {
                self.waiting.insert(grant.item, to);
                self.seen[to].queue += 1;
                let wake = self.schedule.push_front(NAMES[to], grant.item);
                self.deliver(wake);
            }
            Then::Pause(ms) => {
                self.finished += 1;
                let paused = &mut self.seen[origin].paused_until_ms;
                *paused = (*paused).max(Some(self.now_ms + ms));
                self.schedule.pause(NAMES[origin], self.now_ms + ms);
            }
            Then::Lack(ms) => {
                let is_alone = self.seen.iter().map(Seen::open).sum::<usize>() == 1;
                match self.schedule.lacked(self.now_ms) {
                    Lack::Alone => {
                        assert!(is_alone);
                        self.finished += 1;
                    }
                    Lack::Wait => {
                        assert!(!is_alone);
                        let until = self.now_ms + ms;
                        self.waiting.insert(grant.item, origin);
                        self.deferred.push((until, origin));
                        self.schedule.defer(NAMES[origin], grant.item, until);
                    }
                }
            }
        }
        let offered = if is_kept { After::Kept } else { After::Closed };
        let Released { connection, wake } = self.schedule.release(core, grant.origin, offered);
        let seen = &mut self.seen[origin];
        seen.in_use[core] -= 1;
        match connection {
            After::Kept => {
                assert!(is_kept);
                seen.idle[core] += 1;
            }
            After::Closed => {}
        }
        self.deliver(wake);
        // A time that has come already is a timer that fires at once.
        self.timers[core] = self.schedule.next_due_ms();
        if self.timers[core].is_some_and(|due| due <= self.now_ms) {
            self.wake(core);
        }
    }

    fn close_idle(&mut self, pick: usize) {
        let idle: Vec<(usize, usize)> = (0..ORIGINS)
            .flat_map(|origin| (0..4).map(move |core| (origin, core)))
            .filter(|(origin, core)| self.seen[*origin].idle[*core] > 0)
            .collect();
        if !idle.is_empty() {
            let (origin, core) = idle[pick % idle.len()];
            self.seen[origin].idle[core] -= 1;
            let wake = self.schedule.idle_closed(core, self.ids[&origin]);
            self.deliver(wake);
        }
    }

    fn requeue_due(&mut self) {
        let due: Vec<_> =
            self.deferred.extract_if(.., |(until, _)| *until <= self.now_ms).collect();
        for (_, origin) in due {
            self.seen[origin].queue += 1;
        }
        for seen in &mut self.seen {
            seen.paused_until_ms = seen.paused_until_ms.filter(|until| *until > self.now_ms);
        }
    }

    fn in_flight_max(&self, core: usize) -> usize {
        let Limits { cores, in_flight_max, .. } = self.limits;
        in_flight_max / cores + usize::from(core < in_flight_max % cores)
    }

    fn in_flight(&self, core: usize) -> usize {
        self.seen.iter().map(|seen| seen.in_use[core]).sum()
    }

    /// Origins that a core may take a job of, by the rules of the module in plain words.
    fn takeable(&self, core: usize, or_help: bool) -> Vec<usize> {
        let Limits { cores, per_origin_max, .. } = self.limits;
        let share = per_origin_max.div_ceil(cores);
        let window = self.schedule.window;
        if self.running.len() >= window.limit() {
            return Vec::new();
        }
        let has_room = |core: usize| self.in_flight(core) < self.in_flight_max(core);
        let may_take = |origin: &usize| {
            let seen = &self.seen[*origin];
            let is_paused = seen.paused_until_ms.is_some_and(|until| until > self.now_ms);
            let due = |&&(until, at): &&(u64, usize)| at == *origin && until <= self.now_ms;
            let queue = seen.queue + self.deferred.iter().filter(due).count();
            if queue == 0 || is_paused {
                return false;
            }
            if seen.idle[core] > 0 {
                return true;
            }
            let index = self.schedule.origins.find(NAMES[*origin]).expect("it has jobs");
            let home = self.schedule.origins.at(index).home;
            let is_big = queue > 2 * per_origin_max;
            seen.open() < per_origin_max
                && if is_big {
                    seen.held(core) < share
                } else {
                    home == core || window.is_tight() || (or_help && !has_room(home))
                }
        };
        if has_room(core) { (0..ORIGINS).filter(may_take).collect() } else { Vec::new() }
    }

    fn check_caps(&self) {
        let in_flight: usize = (0..4).map(|core| self.in_flight(core)).sum();
        assert!(in_flight <= self.limits.in_flight_max);
        for core in 0..self.limits.cores {
            let fair = self.limits.in_flight_max.div_ceil(self.limits.cores);
            assert!(self.in_flight(core) <= fair);
        }
        for seen in &self.seen {
            assert!(seen.open() <= self.limits.per_origin_max);
        }
        let counts = [self.schedule.queued(), self.schedule.deferred(), self.schedule.in_flight()];
        let held = self.waiting.len() + self.running.len();
        assert_eq!(counts.iter().sum::<usize>(), held);
        assert_eq!(self.schedule.in_flight(), in_flight);
        assert_eq!(self.schedule.room(), self.limits.lookahead_max.saturating_sub(held));
        let is_live = |seen: &&Seen| seen.queue + seen.open() > 0;
        let live = self.seen.iter().filter(is_live).count();
        assert!((live..=ORIGINS).contains(&self.schedule.origins()));
    }

    /// Finishes everything by wake-ups and timers alone, and looks for what is left behind.
    fn finish(&mut self) {
        self.quiet();
        let wake = self.schedule.close_input();
        self.deliver(wake);
        while !self.schedule.is_finished() {
            self.quiet();
            if self.running.is_empty() {
                let due = self.schedule.next_due_ms().expect("what is left waits for its time");
                let wait = due.saturating_sub(self.now_ms).max(1);
                self.run(&Op::Time(wait));
                // Idle connections end as well, by the pool's own timer.
                while self.seen.iter().any(|seen| seen.idle.iter().any(|idle| *idle > 0)) {
                    self.close_idle(0);
                }
            } else {
                self.release(0, self.now_ms.is_multiple_of(2), Then::Done);
            }
        }
        assert_eq!((self.finished, self.waiting.len()), (self.given, 0));
        while self.seen.iter().any(|seen| seen.idle.iter().any(|idle| *idle > 0)) {
            self.close_idle(0);
        }
        let _ = self.schedule.advance(u64::MAX);
        assert_eq!(self.schedule.origins(), 0, "records are freed");
        assert!(self.schedule.cores.iter().all(|core| core.origins == 0 && core.in_flight == 0));
        assert!(self.schedule.big.is_empty() && self.schedule.pauses.is_empty());
        assert_eq!(self.schedule.parked, 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_rule_holds_at_once(
        cores in 1..=4_usize,
        in_flight_max in 1..=9_usize,
        per_origin_max in 1..=4_usize,
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut world = World::new(limits(cores, in_flight_max, per_origin_max));
        for op in &ops {
            world.run(op);
        }
        world.finish();
    }
}
