//! Tests of the plan of one file: each rule by itself. That the parts tile the file is in
//! [`model`], that transfers end in time in [`sim`].

mod model;
mod sim;

use super::*;

const MIB: u64 = 1 << 20;

/// Up to `parts` connections, parts of at least 8 MiB.
fn split(parts: usize) -> Splitting {
    Splitting { parts: NonZeroUsize::new(parts), part_bytes_min: 8 * MIB }
}

fn new(length: u64) -> Parts {
    Parts::new(Some(length), Ranges::new())
}

/// The next part for one of up to 16 connections.
fn take(parts: &mut Parts, now_ms: u64) -> Option<Taken> {
    let is_wanted = parts.wants_more(now_ms, 16, split(16)) > 0;
    let taken = parts.take(now_ms, 16, split(16));
    assert_eq!(taken.is_some(), is_wanted);
    taken
}

fn took(parts: &mut Parts, now_ms: u64) -> (PartId, Range<u64>) {
    let taken = take(parts, now_ms).expect("something is left");
    assert_eq!(taken.victim, None);
    (taken.id, taken.range)
}

/// The only hole.
fn hole(parts: &Parts) -> Range<u64> {
    assert_eq!(parts.holes().len(), 1);
    parts.holes()[0].clone()
}

/// Reports of each part, every 100 ms, of so many bytes.
fn run(parts: &mut Parts, from_ms: u64, to_ms: u64, rates: &[(PartId, u64)]) {
    for now_ms in (from_ms..to_ms).step_by(100) {
        for &(id, bytes) in rates {
            parts.came(id, bytes, now_ms);
        }
    }
}

#[test]
fn the_number_of_connections_is_bounded() {
    let table = [
        (None, Some(1 << 40), 64, 16),
        (None, Some(1 << 40), 4, 4),
        (None, Some(64 * MIB), 64, 8),
        (None, Some(64 * MIB - 1), 64, 1),
        (None, None, 64, 1),
        (NonZeroUsize::new(1), Some(1 << 40), 64, 1),
        (NonZeroUsize::new(20), Some(1 << 40), 64, 20),
        (NonZeroUsize::new(20), Some(1 << 40), 4, 4),
        (NonZeroUsize::new(20), Some(32 * MIB), 64, 4),
        (NonZeroUsize::new(20), Some(0), 64, 1),
        (NonZeroUsize::new(20), None, 64, 1),
        (NonZeroUsize::new(20), Some(1 << 40), 0, 1),
    ];
    for (parts, length, connections_max, wanted) in table {
        let splitting = Splitting { parts, ..Splitting::default() };
        assert_eq!(splitting.connections(length, connections_max), wanted, "{parts:?} {length:?}");
    }
}

#[test]
fn one_part_is_the_whole_file() {
    let mut parts = new(100);
    let (id, range) = took(&mut parts, 0);
    assert_eq!((range, parts.active(), take(&mut parts, 0)), (0..100, 1, None));
    assert_eq!(parts.came(id, 60, 10), Course::On { end: 100 });
    assert_eq!((parts.front(), parts.missing_bytes(), parts.is_whole()), (60, Some(40), false));
    assert_eq!((parts.position(id), parts.end(id)), (Some(60), Some(100)));
    assert_eq!(parts.came(id, 40, 20), Course::Ended);
    parts.leave(id);
    assert_eq!((parts.front(), parts.missing_bytes(), parts.is_whole()), (100, Some(0), true));
    assert_eq!((take(&mut parts, 30), parts.active(), parts.position(id)), (None, 0, None));
    assert_eq!((parts.fetched(), parts.came_in_all()), (1, 100));
}

#[test]
fn an_empty_file_is_whole() {
    let mut parts = new(0);
    assert_eq!((parts.is_whole(), take(&mut parts, 0)), (true, None));
}

#[test]
fn the_length_may_be_known_later() {
    let mut parts = Parts::new(None, Ranges::new());
    let (id, range) = took(&mut parts, 0);
    assert_eq!((range, parts.missing_bytes(), take(&mut parts, 0)), (0..u64::MAX, None, None));
    assert_eq!(parts.came(id, MIB, 10), Course::On { end: u64::MAX });
    parts.tile(16, 1);
    assert_eq!(parts.end(id), Some(u64::MAX), "an open end is no length");
    assert!(!parts.set_length(MIB - 1), "more is there than that");
    assert!(parts.set_length(100 * MIB));
    assert!(parts.set_length(100 * MIB) && !parts.set_length(100 * MIB + 1));
    assert_eq!((parts.end(id), parts.missing_bytes()), (Some(100 * MIB), Some(99 * MIB)));
    assert!(took(&mut parts, 10).1.start > MIB);

    let mut parts = Parts::new(None, Ranges::new());
    let (id, _) = took(&mut parts, 0);
    parts.came(id, 7, 10);
    assert!(parts.set_length(7));
    assert_eq!((parts.came(id, 0, 20), parts.is_whole()), (Course::Ended, true));
}

#[test]
fn what_is_there_is_not_fetched() {
    let done = [0..10, 20..30, 90..200].into_iter().collect();
    let mut parts = Parts::new(Some(100), done);
    assert_eq!((parts.front(), parts.missing_bytes()), (10, Some(70)));
    let (first, range) = took(&mut parts, 0);
    assert_eq!(range, 10..20);
    parts.leave(first);
    let mut parts = Parts::new(None, [0..10, 20..30].into_iter().collect());
    assert_eq!(took(&mut parts, 0).1, 10..20);
    assert_eq!(hole(&parts), 30..u64::MAX);
}

#[test]
fn the_first_response_tiles_the_file() {
    let table: &[(u64, usize, u64, &[u64])] = &[
        (128 * MIB, 4, 8 * MIB, &[32, 64, 96, 128]),
        (128 * MIB, 1, 8 * MIB, &[128]),
        (128 * MIB, 0, 8 * MIB, &[128]),
        (33 * MIB, 16, 8 * MIB, &[8, 16, 25, 33]),
        (15 * MIB, 16, 8 * MIB, &[15]),
        (16 * MIB, 16, 8 * MIB, &[8, 16]),
    ];
    for (length, count, bytes_min, ends) in table {
        let mut parts = new(*length);
        let (id, _) = took(&mut parts, 0);
        parts.tile(*count, *bytes_min);
        let mut found = vec![parts.end(id).unwrap()];
        found.extend(parts.holes().iter().map(|hole| hole.end));
        let ends: Vec<u64> = ends.iter().map(|end| end * MIB).collect();
        assert_eq!(found, ends, "{length} in {count}");
    }
}

#[test]
fn tiles_begin_where_the_part_is() {
    let mut parts = new(128 * MIB);
    let (id, _) = took(&mut parts, 0);
    parts.came(id, 300_000, 0);
    parts.tile(16, 8 * MIB);
    assert_eq!(parts.holes().len(), 14, "one less than fits, as 8 MiB are the least");
    let ends = parts.holes().iter().map(|hole| hole.end - hole.start);
    assert!(ends.clone().all(|len| (8 * MIB..=9 * MIB).contains(&len)), "{:?}", parts.holes());
    assert!(parts.holes().iter().all(|hole| hole.start.is_multiple_of(MIB)));
    assert_eq!((took(&mut parts, 0).1, parts.active()), (9 * MIB..17 * MIB, 2));
}

#[test]
fn a_further_connection_gets_half_of_the_longest() {
    let mut parts = new(100 * MIB);
    assert_eq!(took(&mut parts, 0).1, 0..100 * MIB);
    assert_eq!(took(&mut parts, 0).1, 50 * MIB..100 * MIB);
    let third = took(&mut parts, 0).1;
    assert!(third == (25 * MIB..50 * MIB) || third == (75 * MIB..100 * MIB), "{third:?}");
    took(&mut parts, 0);
    for _ in 0..4 {
        took(&mut parts, 0);
    }
    assert_eq!(take(&mut parts, 0), None, "16 MiB are the least to split");
    assert_eq!(parts.active(), 8);
}

#[test]
fn no_connection_beyond_the_limits() {
    let mut parts = new(1 << 40);
    for (active, connections_max, wanted) in [(0, 1, 1), (1, 1, 0), (1, 2, 1), (2, 2, 0), (2, 9, 2)]
    {
        assert_eq!(parts.active(), active);
        assert_eq!(parts.wants_more(0, connections_max, split(16)), wanted);
        let taken = parts.take(0, connections_max, split(16));
        assert_eq!(taken.is_some(), wanted > 0);
    }
    assert_eq!(parts.take(0, 64, split(3)), None);
    assert_eq!(parts.take(0, 64, split(1)), None);
}

#[test]
fn a_slow_part_keeps_what_it_can_do_in_time() {
    let mut parts = new(400 * MIB);
    let (slow, _) = took(&mut parts, 0);
    let (fast, _) = took(&mut parts, 0);
    run(&mut parts, 0, 1_600, &[(slow, MIB), (fast, 3 * MIB)]);
    // 184 and 152 MiB are left, and a further connection is expected to be as fast as the other.
    let (_, range) = took(&mut parts, 1_500);
    assert_eq!((range.start / MIB, range.end), (16 + 46, 200 * MIB));
}

#[test]
fn a_lagging_part_loses_all_it_has_left() {
    let mut parts = new(40 * MIB);
    let (slow, _) = took(&mut parts, 0);
    let (fast, range) = took(&mut parts, 0);
    assert_eq!(range, 20 * MIB..40 * MIB);
    run(&mut parts, 0, 2_100, &[(slow, MIB / 4), (fast, MIB)]);
    parts.leave(fast);
    // 14.75 MiB are left: 5.9 s for the slow one, 1.5 s for another.
    assert_eq!(parts.position(slow), Some(5 * MIB + MIB / 4));
    let taken = take(&mut parts, 2_000).unwrap();
    assert_eq!((taken.range, taken.victim), (5 * MIB + MIB / 4..20 * MIB, Some(slow)));
    assert_eq!(parts.active(), 2, "the victim's connection is still there");
    // What the victim reports is not counted as there, for the other one writes it.
    assert_eq!(parts.came(slow, MIB, 2_100), Course::Ended);
    assert_eq!(parts.came(taken.id, MIB, 2_100), Course::On { end: 20 * MIB });
    assert_eq!(parts.missing_bytes(), Some(14 * MIB - MIB / 4));
    assert_eq!(parts.extend(slow, u64::MAX), None);
    parts.leave(slow);
    parts.leave(taken.id);
    assert_eq!(hole(&parts), 6 * MIB + MIB / 4..20 * MIB);
    assert_eq!(parts.extend(slow, u64::MAX), None);
}

#[test]
fn who_does_not_lag_is_left_alone() {
    let mut parts = new(40 * MIB);
    let (slow, _) = took(&mut parts, 0);
    let (fast, _) = took(&mut parts, 0);
    run(&mut parts, 0, 2_100, &[(slow, MIB / 2), (fast, MIB)]);
    parts.leave(fast);
    assert_eq!(take(&mut parts, 2_000), None, "1.9 s instead of 0.95 s");
}

#[test]
fn a_part_that_stalls_while_others_go_on_is_taken_over() {
    let mut parts = new(400 * MIB);
    let (stalled, _) = took(&mut parts, 0);
    let (other, _) = took(&mut parts, 0);
    run(&mut parts, 0, 500, &[(stalled, MIB), (other, MIB)]);
    run(&mut parts, 500, 2_300, &[(other, MIB)]);
    let before = parts.clone().take(2_399, 16, split(16)).unwrap();
    assert_eq!(before.victim, None, "split, but not cut");
    parts.came(other, MIB, 2_400);
    let taken = take(&mut parts, 2_400).unwrap();
    assert_eq!((taken.range, taken.victim), (5 * MIB..200 * MIB, Some(stalled)));
}

#[test]
fn a_moment_is_not_worth_a_connection() {
    for (per_report, is_worth) in [(60 * MIB, false), (10 * MIB, true)] {
        let mut parts = new(1_000 * MIB);
        let (id, _) = took(&mut parts, 0);
        run(&mut parts, 0, 1_600, &[(id, per_report)]);
        let left = parts.missing_bytes().unwrap();
        assert!(left >= 40 * MIB, "{left}");
        assert_eq!(take(&mut parts, 1_500).is_some(), is_worth, "{per_report}");
    }
}

#[test]
fn a_connection_that_was_cut_is_not_replaced_at_once() {
    let mut parts = new(400 * MIB);
    let (stalled, _) = took(&mut parts, 0);
    let (other, _) = took(&mut parts, 0);
    run(&mut parts, 0, 500, &[(stalled, MIB), (other, MIB)]);
    run(&mut parts, 500, 2_500, &[(other, MIB)]);
    let taken = parts.take(2_400, 3, split(3)).unwrap();
    assert_eq!(taken.victim, Some(stalled));
    parts.leave(stalled);
    for (now_ms, wanted) in [(2_400, 0), (12_399, 0), (12_400, 1)] {
        assert_eq!(parts.wants_more(now_ms, 3, split(3)), wanted, "{now_ms}");
    }
}

#[test]
fn slow_parts_do_not_vouch_for_one_another() {
    let mut parts = new(144 * MIB);
    let (fast, _) = took(&mut parts, 0);
    parts.tile(9, 8 * MIB);
    let (first, _) = took(&mut parts, 0);
    let (second, _) = took(&mut parts, 0);
    let slow = MIB / 64;
    run(&mut parts, 0, 1_700, &[(fast, MIB), (first, slow), (second, slow)]);
    assert_eq!(parts.position(fast), Some(16 * MIB));
    run(&mut parts, 1_700, 2_500, &[(first, slow), (second, slow)]);
    parts.leave(fast);
    // Nothing but what the two have is missing.
    while let Some(taken) = parts.take(2_400, 16, split(16)).filter(|taken| taken.victim.is_none())
    {
        parts.came(taken.id, 16 * MIB, 2_400);
        parts.leave(taken.id);
    }
    assert_eq!(parts.active(), 3, "one of them was taken over");
}

#[test]
fn nobody_is_cut_while_nothing_comes_on_any() {
    let mut parts = new(24 * MIB);
    let (first, _) = took(&mut parts, 0);
    let (second, _) = took(&mut parts, 0);
    run(&mut parts, 0, 500, &[(first, MIB / 8), (second, MIB / 8)]);
    for now_ms in [500, 2_400, 8_300] {
        assert_eq!(take(&mut parts, now_ms), None, "{now_ms}");
    }
    assert!(take(&mut parts, 8_400).unwrap().victim.is_some(), "not for ever");
}

#[test]
fn a_server_that_is_slow_at_first_gets_time() {
    let done = std::iter::once(0..72 * MIB).collect();
    let mut parts = Parts::new(Some(80 * MIB), done);
    let (mut id, _) = took(&mut parts, 0);
    // With nothing but silence, each takes over from the one before, ever more patiently.
    let mut now_ms = 0;
    for patience_ms in [2_000, 4_000, 8_000, 16_000] {
        assert_eq!(take(&mut parts, now_ms + patience_ms - 1), None);
        now_ms += patience_ms;
        let taken = take(&mut parts, now_ms).unwrap();
        assert_eq!(taken.victim, Some(id));
        parts.leave(id);
        id = taken.id;
    }
    // What is usual there counts as well.
    let mut parts = new(20 * MIB);
    let (first, _) = took(&mut parts, 0);
    let (second, _) = took(&mut parts, 0);
    parts.came(first, 10 * MIB, 5_000);
    parts.leave(first);
    assert_eq!(take(&mut parts, 9_999), None);
    assert_eq!(take(&mut parts, 10_000).unwrap().victim, Some(second));
}

#[test]
fn a_part_goes_on_into_a_hole() {
    let mut parts = new(300 * MIB);
    let (first, _) = took(&mut parts, 0);
    parts.tile(3, 8 * MIB);
    let (second, range) = took(&mut parts, 0);
    assert_eq!(range, 100 * MIB..200 * MIB);
    assert_eq!(parts.extend(first, 300 * MIB), None, "somebody has that");
    assert_eq!(parts.came(first, 100 * MIB, 10), Course::Ended);
    parts.leave(second);
    assert_eq!(parts.extend(first, 100 * MIB), None, "the response does not go on");
    assert_eq!(parts.extend(first, 150 * MIB), Some(150 * MIB));
    assert_eq!(parts.extend(first, 300 * MIB), Some(200 * MIB));
    assert_eq!(parts.came(first, MIB, 20), Course::On { end: 200 * MIB });
    assert_eq!(hole(&parts), 200 * MIB..300 * MIB);
}

#[test]
fn short_holes_that_touch_are_one_request() {
    let mut parts = new(300 * MIB);
    let (first, _) = took(&mut parts, 0);
    parts.tile(3, 8 * MIB);
    parts.came(first, 99 * MIB, 10);
    parts.leave(first);
    assert_eq!(took(&mut parts, 20).1, 99 * MIB..200 * MIB);
    assert_eq!(took(&mut parts, 20).1, 200 * MIB..300 * MIB);
}

#[test]
fn bytes_beyond_the_end_are_not_counted() {
    let mut parts = new(100 * MIB);
    let (first, _) = took(&mut parts, 0);
    let (second, _) = took(&mut parts, 0);
    assert_eq!(parts.came(first, 50 * MIB + 1, 10), Course::Ended);
    assert_eq!(parts.came(first, 1, 10), Course::Ended);
    assert_eq!(parts.came(second, 50 * MIB - 1, 10), Course::On { end: 100 * MIB });
    assert_eq!((parts.is_whole(), parts.front()), (false, 100 * MIB - 1));
    assert_eq!(parts.came_in_all(), 100 * MIB + 1);
}

#[test]
fn another_version_begins_anew() {
    let mut parts = new(100 * MIB);
    let (first, _) = took(&mut parts, 0);
    let (second, _) = took(&mut parts, 0);
    parts.came(first, MIB, 10);
    parts.reset(Some(30 * MIB));
    assert_eq!(parts.came(first, MIB, 20), Course::Ended);
    assert_eq!((parts.active(), parts.missing_bytes()), (2, Some(30 * MIB)), "they may write");
    assert_eq!(parts.extend(first, u64::MAX), None);
    parts.tile(16, MIB);
    parts.leave(second);
    assert_eq!(take(&mut parts, 30), None, "bytes of two versions must not be mixed");
    parts.leave(first);
    assert_eq!(parts.active(), 0);
    let (third, range) = took(&mut parts, 30);
    assert!(range == (0..30 * MIB) && third != first && third != second);
    assert_eq!((parts.fetched(), parts.came_in_all()), (0, 2 * MIB), "nothing of this version");
    parts.came(third, MIB, 40);
    parts.came(third, MIB, 50);
    assert_eq!(parts.fetched(), 1);
}

#[test]
fn what_is_forgotten_is_fetched_again() {
    let mut parts = new(100);
    let (id, _) = took(&mut parts, 0);
    parts.came(id, 50, 10);
    parts.forget(20..70);
    assert_eq!((hole(&parts), parts.front(), parts.position(id)), (20..50, 20, Some(50)));
}
