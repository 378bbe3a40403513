//! Whole transfers over connections of given speeds, in simulated time.

use super::super::*;
use super::{MIB, split};
use proptest::prelude::*;

/// How one connection does, however often it is made again.
#[derive(Clone, Copy, Debug)]
struct Speed {
    /// Bytes per millisecond.
    bytes_per_ms: u64,
    /// When it stalls for ever, in milliseconds.
    stalls_ms: u64,
    /// Time from a request to its first byte, in milliseconds.
    first_byte_ms: u64,
}

fn speed(bytes_per_ms: u64) -> Speed {
    Speed { bytes_per_ms, stalls_ms: u64::MAX, first_byte_ms: 20 }
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    speed: Speed,
    /// The part it has, and when its first byte is there.
    part: Option<(PartId, u64)>,
    /// When something came, or the part began.
    came_ms: u64,
    /// How often it was cut, or given up.
    cut: u32,
}

/// What a transfer came to.
#[derive(Debug)]
struct Outcome {
    took_ms: u64,
    num_fetched: u32,
    bytes_came: u64,
}

/// Time between two reports, in milliseconds.
const TICK_MS: u64 = 20;
/// Time without a byte after which an attempt fails, whatever the plan says, in milliseconds.
const GIVEN_UP_MS: u64 = 30_000;
/// Time after which a transfer counts as never ending, in milliseconds.
const NEVER_MS: u64 = 3_600_000;

fn transfer(length: u64, speeds: &[Speed], splitting: Splitting) -> Outcome {
    let mut connections: Vec<_> = speeds
        .iter()
        .map(|speed| Connection { speed: *speed, part: None, came_ms: 0, cut: 0 })
        .collect();
    let mut parts = Parts::new(Some(length), Ranges::new());
    let mut now_ms = 0;
    let mut is_tiled = false;
    while !parts.is_whole() {
        assert!(now_ms < NEVER_MS, "{parts:?}");
        let count = connections.len();
        // Not always the same one first.
        for at in (0..count).map(|at| (at + usize::try_from(now_ms / 60).unwrap()) % count) {
            go_on(&mut parts, &mut connections, at, splitting, now_ms);
            if !is_tiled {
                parts.tile(splitting.connections(Some(length), speeds.len()), 8 * MIB);
                is_tiled = true;
            }
        }
        now_ms += TICK_MS;
    }
    Outcome { took_ms: now_ms, num_fetched: parts.fetched(), bytes_came: parts.came_in_all() }
}

/// Does what one connection does within a tick.
fn go_on(
    parts: &mut Parts,
    connections: &mut [Connection],
    at: usize,
    splitting: Splitting,
    now_ms: u64,
) {
    let count = connections.len();
    let Connection { speed, part, cut, .. } = connections[at];
    if let Some((id, first_byte_ms)) = part {
        if now_ms < first_byte_ms || now_ms >= speed.stalls_ms || speed.bytes_per_ms == 0 {
            if now_ms >= connections[at].came_ms + GIVEN_UP_MS {
                parts.leave(id);
                connections[at].part = None;
                connections[at].cut += 1;
            }
            return;
        }
        connections[at].came_ms = now_ms;
        let bytes = speed.bytes_per_ms * TICK_MS;
        let position = parts.position(id).unwrap();
        let bytes = bytes.min(parts.end(id).unwrap() - position);
        if parts.came(id, bytes, now_ms) != Course::Ended {
            return;
        }
        parts.leave(id);
        connections[at].part = None;
    }
    // One that did badly comes after those that did not.
    if connections.iter().any(|other| other.part.is_none() && other.cut < cut) {
        return;
    }
    if let Some(taken) = parts.take(now_ms, count, splitting) {
        connections[at].part = Some((taken.id, now_ms + speed.first_byte_ms));
        connections[at].came_ms = now_ms;
        if let Some(victim) = taken.victim {
            parts.leave(victim);
            let of_victim = |other: &&mut Connection| other.part.is_some_and(|at| at.0 == victim);
            let other = connections.iter_mut().find(of_victim).unwrap();
            other.cut += 1;
            other.part = None;
        }
    }
}

/// Time in which the connections could bring so many bytes if none ever waited, in milliseconds.
fn ideal_ms(length: u64, speeds: &[Speed]) -> u64 {
    let sum_at = |now_ms: u64| -> u64 {
        let working = speeds.iter().filter(|speed| now_ms < speed.stalls_ms);
        working.map(|speed| speed.bytes_per_ms).sum()
    };
    let mut left = length;
    (0..)
        .find(|now_ms| {
            left = left.saturating_sub(sum_at(*now_ms));
            left == 0
        })
        .unwrap()
}

#[test]
fn equal_connections_end_together() {
    let speeds = [speed(20_000); 16];
    let outcome = transfer(2_048 * MIB, &speeds, split(16));
    let single = transfer(2_048 * MIB, &speeds[..1], split(16));
    assert!(outcome.took_ms * 15 < single.took_ms, "{outcome:?} {single:?}");
    assert_eq!((outcome.bytes_came, outcome.num_fetched), (2_048 * MIB, 16));
    assert_eq!(single.num_fetched, 1);
}

#[test]
fn a_connection_that_stalls_does_not_decide_the_end() {
    for stalls_ms in (0..6_500).step_by(250) {
        let mut speeds = [speed(20_000); 16];
        speeds[5].stalls_ms = stalls_ms;
        let ideal_ms = ideal_ms(2_048 * MIB, &speeds);
        let took_ms = transfer(2_048 * MIB, &speeds, split(16)).took_ms;
        // Towards the end it takes its time to see that it stalled.
        let most_ms = if stalls_ms <= 5_000 { ideal_ms * 115 / 100 } else { ideal_ms + 2_500 };
        assert!(took_ms <= most_ms, "{stalls_ms}: {took_ms} instead of {ideal_ms}");
    }
}

#[test]
fn a_slow_connection_does_not_decide_the_end() {
    for bytes_per_ms in [1, 10, 100, 1_000, 5_000] {
        let mut speeds = [speed(20_000); 16];
        speeds[5].bytes_per_ms = bytes_per_ms;
        let ideal_ms = ideal_ms(2_048 * MIB, &speeds);
        let took_ms = transfer(2_048 * MIB, &speeds, split(16)).took_ms;
        assert!(took_ms <= ideal_ms * 115 / 100, "{bytes_per_ms}: {took_ms} {ideal_ms}");
    }
}

fn speeds() -> impl Strategy<Value = Vec<Speed>> {
    let stalls = prop_oneof![3 => Just(u64::MAX), 1 => 0..20_000_u64];
    let speed = (0..40_000_u64, stalls, 0..5_000_u64).prop_map(|(bytes_per_ms, stalls_ms, ms)| {
        Speed { bytes_per_ms, stalls_ms, first_byte_ms: ms }
    });
    prop::collection::vec(speed, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 64,
        ..Default::default()
    })]

    #[test]
    fn transfers_end(mib in 0..3_000_u64, speeds in speeds(), good in 1_000..40_000_u64) {
        let mut speeds = speeds;
        // Whatever the others do, one works.
        speeds.push(speed(good));
        let length = mib * MIB + 17;
        let outcome = transfer(length, &speeds, split(speeds.len()));
        let ideal_ms = ideal_ms(length, &speeds);
        prop_assert!(outcome.took_ms <= 2 * ideal_ms + 70_000, "{:?} {}", outcome, ideal_ms);
    }
}
