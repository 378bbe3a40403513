//! All rules at once, against a model that states them plainly: what may happen, in any order.

mod world;

use super::*;
use proptest::prelude::*;
use world::{ORIGINS, RATE_INTERVAL_MS, World};

/// What a core does with a job that it has finished with.
#[derive(Clone, Copy, Debug)]
enum Then {
    Done,
    /// Until then, and how long after that its own time is over.
    Defer(u64, u64),
    Hop(usize),
    Pause(u64),
    /// It lacked something; it is deferred if that can help.
    Shortage(u64),
}

#[derive(Clone, Debug)]
enum Op {
    Push(usize),
    /// A job whose own time is over then.
    PushFront(usize, u64),
    /// A burst, so that origins become big.
    PushMany(usize, u32),
    /// One `take` of one of the cores that are awake.
    Step(usize),
    /// A core that was not woken asks all the same.
    Ask(usize),
    /// All cores that are awake take until all sleep.
    Quiet,
    Release(usize, bool, HostSignal, Then),
    IdleClosed(usize),
    /// One of the names asked for is answered.
    Resolved(usize),
    /// The answer for a name is no longer valid.
    Unresolve(usize),
    Time(u64),
    Tick,
}

fn op() -> impl Strategy<Value = Op> {
    let then = prop_oneof![
        6 => Just(Then::Done),
        1 => (0..50_u64, 1..80_u64).prop_map(|(ms, more_ms)| Then::Defer(ms, more_ms)),
        1 => (0..ORIGINS).prop_map(Then::Hop),
        1 => (0..50_u64).prop_map(Then::Pause),
        1 => (0..50_u64).prop_map(Then::Shortage),
    ];
    prop_oneof![
        6 => (0..ORIGINS).prop_map(Op::Push),
        1 => (0..ORIGINS, 0..80_u64).prop_map(|(origin, ms)| Op::PushFront(origin, ms)),
        1 => (0..ORIGINS, 1..12_u32).prop_map(|(origin, count)| Op::PushMany(origin, count)),
        8 => (0..8_usize).prop_map(Op::Step),
        1 => (0..8_usize).prop_map(Op::Ask),
        2 => Just(Op::Quiet),
        8 => (0..99_usize, any::<bool>(), signal(), then)
            .prop_map(|(grant, is_kept, signal, then)| Op::Release(grant, is_kept, signal, then)),
        1 => (0..99_usize).prop_map(Op::IdleClosed),
        4 => (0..99_usize).prop_map(Op::Resolved),
        1 => (0..ORIGINS).prop_map(Op::Unresolve),
        2 => (1..30_u64).prop_map(Op::Time),
        1 => Just(Op::Tick),
    ]
}

fn signal() -> impl Strategy<Value = HostSignal> {
    prop_oneof![
        6 => (0..2_000_u64)
            .prop_map(|starttransfer_ms| HostSignal::Good { starttransfer_ms, opening_ms: 0 }),
        2 => Just(HostSignal::Answered),
        1 => (prop::option::of(0..40_u64), any::<bool>())
            .prop_map(|(asked_ms, is_for_host)| HostSignal::Busy { asked_ms, is_for_host }),
        1 => Just(HostSignal::Cut),
        4 => Just(HostSignal::Unreachable { code: "connect.refused" }),
        1 => Just(HostSignal::Nameless),
        1 => Just(HostSignal::Unasked),
        1 => Just(HostSignal::Nothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_rule_holds_at_once(
        cores in 1..=4_usize,
        in_flight_max in 1..=9_usize,
        per_host in (1..=4_usize, 0..=4_usize),
        resolve_ahead_max in prop_oneof![2 => Just(0), 1 => 1..=5_usize],
        host_fail_limit in 0..=3_u32,
        rates in (any::<bool>(), any::<bool>()),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let limits = limits(cores, in_flight_max, per_host.0);
        let rate = |is_on: bool| is_on.then(|| Rate::new(1_000 / RATE_INTERVAL_MS, 1_000));
        let mut world = World::new(Limits {
            per_host_max: per_host.0 + per_host.1,
            resolve_ahead_max,
            host_fail_limit,
            host_fail_wait_ms: 10,
            retry_after_max_ms: 30,
            rate: rate(rates.0),
            rate_per_host: rate(rates.1),
            ..limits
        });
        for op in &ops {
            world.run(op);
        }
        world.finish();
    }
}
