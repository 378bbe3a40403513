//! Single rules by example, and all of them at once against a model that states them plainly.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

fn limits(cores: usize, in_flight_max: usize, per_origin_max: usize) -> Limits {
    Limits { cores, in_flight_max, per_origin_max, lookahead_max: 1_000 }
}

/// Takes until there is nothing, as a woken core does.
fn take_all(schedule: &mut Schedule<u32>, core: usize, now_ms: u64) -> Vec<Grant<u32>> {
    std::iter::from_fn(|| schedule.take(core, now_ms).grant).collect()
}

fn items(grants: &[Grant<u32>]) -> Vec<u32> {
    grants.iter().map(|grant| grant.item).collect()
}

fn push(schedule: &mut Schedule<u32>, origin: &str, items: Range<u32>) {
    for item in items {
        let _ = schedule.push(origin, item);
    }
}

#[test]
fn a_small_origin_stays_at_home_and_reuses_its_connections() {
    let mut schedule = Schedule::new(limits(2, 8, 2));
    assert_eq!(schedule.push("a", 1), Wake::One(0));
    assert_eq!(schedule.push("a", 2), Wake::Nobody);
    push(&mut schedule, "a", 3..5);
    assert!(schedule.take(1, 0).grant.is_none());
    let grants = take_all(&mut schedule, 0, 0);
    assert_eq!(items(&grants), [1, 2]);
    assert!(grants.iter().all(|grant| grant.connection == Connection::Open));
    let released = schedule.release(0, grants[0].origin, After::Kept);
    assert_eq!(released, Released { connection: After::Kept, wake: Wake::One(0) });
    let again = schedule.take(0, 0).grant.expect("an idle connection and a job");
    assert_eq!((again.item, again.connection), (3, Connection::Reuse));
}

#[test]
fn the_next_origin_goes_to_the_core_with_fewer() {
    let mut schedule = Schedule::new(limits(2, 8, 2));
    assert_eq!(schedule.push("a", 1), Wake::One(0));
    assert_eq!(schedule.push("b", 2), Wake::One(1));
}

#[test]
fn a_big_origin_uses_all_cores_and_none_more_than_its_share() {
    let mut schedule = Schedule::new(limits(3, 30, 8));
    push(&mut schedule, "a", 0..100);
    let by_core: Vec<usize> = (0..3).map(|core| take_all(&mut schedule, core, 0).len()).collect();
    assert_eq!(by_core, [3, 3, 2]);
    assert_eq!((schedule.in_flight(), schedule.queued()), (8, 92));
}

#[test]
fn the_home_core_may_use_everything_when_a_big_origin_becomes_small() {
    let mut schedule = Schedule::new(limits(2, 30, 4));
    push(&mut schedule, "a", 0..9);
    // The first job makes the queue short, so the rest of the slots are the home core's.
    assert_eq!(take_all(&mut schedule, 0, 0).len(), 4);
    assert!(take_all(&mut schedule, 1, 0).is_empty());
}

#[test]
fn connections_opened_when_small_are_yielded_when_big() {
    let mut schedule = Schedule::new(limits(2, 30, 4));
    push(&mut schedule, "a", 0..4);
    let grants = take_all(&mut schedule, 0, 0);
    assert_eq!(grants.len(), 4);
    push(&mut schedule, "a", 4..100);
    for (grant, kept) in grants.iter().zip([After::Closed, After::Closed, After::Kept]) {
        let released = schedule.release(0, grant.origin, After::Kept);
        assert_eq!(released.connection, kept);
        match kept {
            After::Closed => {
                assert_eq!(released.wake, Wake::One(1));
                assert_eq!(take_all(&mut schedule, 1, 0).len(), 1);
            }
            After::Kept => assert_eq!(released.wake, Wake::One(0)),
        }
    }
}

#[test]
fn a_core_with_nothing_to_do_helps_a_full_one() {
    let mut schedule = Schedule::new(limits(2, 2, 4));
    push(&mut schedule, "a", 0..3);
    assert!(schedule.take(1, 0).grant.is_none());
    let first = schedule.take(0, 0);
    assert_eq!(first.grant.map(|grant| grant.item), Some(0));
    assert_eq!(first.wake, Wake::One(1), "the home core is full now");
    assert_eq!(items(&take_all(&mut schedule, 1, 0)), [1]);
}

#[test]
fn a_job_whose_connections_are_idle_elsewhere_wakes_that_core() {
    let mut schedule = Schedule::new(limits(2, 2, 1));
    push(&mut schedule, "a", 0..1);
    push(&mut schedule, "b", 1..2);
    let on_home = schedule.take(0, 0).grant.expect("a job");
    let _ = schedule.push("c", 2);
    let _ = schedule.take(1, 0).grant.expect("b");
    assert!(schedule.take(0, 0).grant.is_none() && schedule.take(1, 0).grant.is_none());
    assert_eq!(schedule.release(0, on_home.origin, After::Kept).wake, Wake::One(0));
    let c = schedule.take(0, 0).grant.expect("c");
    let released = schedule.release(0, c.origin, After::Closed);
    assert_eq!((schedule.take(0, 0).grant.is_none(), released.wake), (true, Wake::Nobody));
    assert_eq!(schedule.push("a", 3), Wake::One(0), "its one slot is idle in core 0's pool");
    let again = schedule.take(0, 0).grant.expect("a job");
    assert_eq!(again.connection, Connection::Reuse);
}

#[test]
fn an_idle_connection_that_closes_frees_its_slot_for_another_core() {
    let mut schedule = Schedule::new(limits(2, 4, 1));
    push(&mut schedule, "a", 0..1);
    let grant = schedule.take(0, 0).grant.expect("a job");
    let _ = schedule.release(0, grant.origin, After::Kept);
    assert!(schedule.take(0, 0).grant.is_none());
    assert_eq!(schedule.origins(), 1);
    assert_eq!(schedule.idle_closed(0, grant.origin), Wake::Nobody);
    assert_eq!(schedule.origins(), 0, "nothing is left of it");
}

#[test]
fn a_paused_origin_is_in_nobodys_way() {
    let mut schedule = Schedule::new(limits(1, 4, 2));
    push(&mut schedule, "a", 0..2);
    push(&mut schedule, "b", 2..4);
    schedule.pause("a", 500);
    schedule.pause("a", 300);
    assert_eq!(schedule.next_due_ms(), Some(500));
    assert_eq!(items(&take_all(&mut schedule, 0, 499)), [2, 3]);
    assert_eq!(items(&take_all(&mut schedule, 0, 500)), [0, 1]);
    assert_eq!(schedule.next_due_ms(), None);
}

#[test]
fn a_deferred_job_holds_no_slot_and_comes_back_first() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    push(&mut schedule, "a", 0..3);
    let first = schedule.take(0, 0).grant.expect("a job");
    schedule.defer("a", first.item, 1_000);
    assert_eq!(schedule.release(0, first.origin, After::Closed).wake, Wake::Nobody);
    assert_eq!((schedule.room(), schedule.deferred()), (997, 1));
    let second = schedule.take(0, 999).grant.expect("the slot is free");
    assert_eq!(second.item, 1);
    let _ = schedule.release(0, second.origin, After::Closed);
    assert_eq!(schedule.take(0, 1_000).grant.map(|grant| grant.item), Some(0));
}

#[test]
fn the_timer_of_one_wakes_the_others_one_by_one() {
    let mut schedule = Schedule::new(limits(3, 3, 1));
    for (origin, item) in [("a", 1), ("b", 2), ("c", 3)] {
        schedule.defer(origin, item, 10);
    }
    assert_eq!(schedule.advance(9), Wake::Nobody);
    assert_eq!(schedule.advance(10), Wake::One(0));
    let Take { grant, wake } = schedule.take(0, 10);
    assert_eq!((grant.map(|grant| grant.item), wake), (Some(1), Wake::One(1)));
    assert_eq!(schedule.take(1, 10).wake, Wake::One(2));
}

#[test]
fn a_redirect_hop_goes_first() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    push(&mut schedule, "a", 0..2);
    let _ = schedule.push_front("a", 9);
    assert_eq!(schedule.take(0, 0).grant.map(|grant| grant.item), Some(9));
}

#[test]
fn origins_take_turns() {
    let mut schedule = Schedule::new(limits(1, 7, 4));
    push(&mut schedule, "a", 0..4);
    push(&mut schedule, "b", 10..12);
    push(&mut schedule, "c", 20..21);
    assert_eq!(items(&take_all(&mut schedule, 0, 0)), [0, 10, 20, 1, 11, 2, 3]);
}

#[test]
fn in_flight_is_dealt_out_exactly() {
    for (cores, in_flight_max) in [(3, 8), (4, 2), (130, 130), (1, 5)] {
        let mut schedule = Schedule::new(limits(cores, in_flight_max, 1));
        for item in 0..300 {
            let _ = schedule.push(&format!("o{item}"), item);
        }
        let by_core: Vec<usize> =
            (0..cores).map(|core| take_all(&mut schedule, core, 0).len()).collect();
        assert_eq!(by_core.iter().sum::<usize>(), in_flight_max);
        assert!(by_core.iter().all(|taken| *taken <= in_flight_max.div_ceil(cores)));
    }
}

#[test]
fn the_end_wakes_all() {
    let mut schedule = Schedule::new(limits(3, 3, 1));
    push(&mut schedule, "a", 0..1);
    let grant = schedule.take(0, 0).grant.expect("a job");
    assert_eq!(schedule.close_input(), Wake::Nobody);
    assert!(!schedule.is_finished());
    assert_eq!(schedule.release(0, grant.origin, After::Kept).wake, Wake::All);
    assert!(schedule.is_finished());
    assert_eq!(Wake::All.cores(3).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(Wake::One(2).cores(3).collect::<Vec<_>>(), [2]);
    assert_eq!(Wake::Nobody.cores(3).count(), 0);
}

#[test]
fn drain_gives_back_everything_in_order() {
    let mut schedule = Schedule::new(limits(2, 2, 1));
    for item in 0..20 {
        let _ = schedule.push(["a", "b", "c"][item as usize % 3], item);
    }
    let grant = schedule.take(0, 0).grant.expect("a job");
    schedule.defer("b", 20, 50);
    schedule.defer("d", 21, 40);
    schedule.pause("c", 60);
    let drained = schedule.drain();
    assert_eq!(drained, (0..22).filter(|item| *item != grant.item).collect::<Vec<_>>());
    assert_eq!((schedule.queued(), schedule.deferred(), schedule.in_flight()), (0, 0, 1));
    assert_eq!(schedule.origins(), 2, "the one in flight and the paused one");
    let _ = schedule.close_input();
    assert_eq!(schedule.release(0, grant.origin, After::Closed).wake, Wake::All);
    let _ = schedule.advance(60);
    assert_eq!(schedule.origins(), 0);
}

#[test]
#[should_panic(expected = "outlived its connection")]
fn an_id_is_not_mistaken_for_that_of_another_origin() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    push(&mut schedule, "a", 0..1);
    let stale = schedule.take(0, 0).grant.expect("a job").origin;
    let _ = schedule.release(0, stale, After::Closed);
    push(&mut schedule, "b", 1..2);
    let fresh = schedule.take(0, 0).grant.expect("a job").origin;
    assert_ne!(stale, fresh);
    let _ = schedule.release(0, stale, After::Closed);
}

#[test]
fn pauses_without_work_are_bounded() {
    let mut schedule = Schedule::<u32>::new(limits(1, 1, 1));
    for origin in 0..=limits::PAUSED_ORIGINS_MAX {
        schedule.pause(&format!("o{origin}"), 1_000);
    }
    assert_eq!(schedule.origins(), limits::PAUSED_ORIGINS_MAX);
    let _ = schedule.advance(1_000);
    assert_eq!((schedule.origins(), schedule.next_due_ms()), (0, None));
}

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
