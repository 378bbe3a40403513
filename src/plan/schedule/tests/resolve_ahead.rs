//! Names before slots.

use super::*;

fn gated(in_flight_max: usize, resolve_ahead_max: usize) -> Schedule<u32> {
    Schedule::new(Limits { resolve_ahead_max, ..limits(1, in_flight_max, 2) })
}

fn next(schedule: &mut Schedule<u32>) -> Option<(HostId, String)> {
    schedule.next_unresolved().map(|(id, name)| (id, name.into()))
}

#[test]
fn names_are_asked_for_in_the_order_of_first_work() {
    let mut schedule = gated(1, 2);
    assert_eq!(schedule.push(at("a"), 1), Wake::One(0), "to ask for a name");
    push(&mut schedule, "b", 2..4);
    let _ = schedule.push(secure("a"), 4);
    push(&mut schedule, "c", 5..6);
    let taken = schedule.take(0, 0);
    assert!(taken.assignment.grant().is_none() && taken.has_unresolved);
    let (a, name) = next(&mut schedule).expect("a");
    assert_eq!(name, "a");
    let (b, name) = next(&mut schedule).expect("b");
    assert_eq!(name, "b");
    assert_eq!(next(&mut schedule), None, "two at a time");
    assert!(!schedule.has_unresolved());
    assert_eq!(schedule.resolved(b), Wake::One(0));
    assert!(!schedule.has_unresolved(), "b is known and waits to be served");
    assert_eq!(schedule.resolved(a), Wake::Nobody, "core 0 is awake already");
    let taken = schedule.take(0, 0);
    assert_eq!(taken.assignment.grant().map(|grant| grant.item), Some(1));
    assert!(taken.has_unresolved, "a has begun, so it is c's turn");
    assert_eq!(next(&mut schedule).map(|(_, name)| name), Some("c".into()));
}

#[test]
fn a_known_host_that_rests_is_in_no_other_hosts_way() {
    let mut schedule = gated(1, 1);
    push(&mut schedule, "a", 0..1);
    push(&mut schedule, "b", 1..2);
    let (a, _) = next(&mut schedule).expect("a");
    let _ = schedule.resolved(a);
    assert!(!schedule.has_unresolved());
    schedule.pause(at("a"), 1_000);
    assert_eq!(next(&mut schedule).map(|(_, name)| name), Some("b".into()));
}

#[test]
fn an_answer_that_expired_is_asked_for_again_first() {
    let mut schedule = gated(1, 1);
    push(&mut schedule, "a", 0..2);
    push(&mut schedule, "b", 2..3);
    let (a, _) = next(&mut schedule).expect("a");
    let _ = schedule.resolved(a);
    let grant = schedule.take(0, 0).assignment.grant().expect("a job");
    assert_eq!(grant.item, 0);
    schedule.defer(at("a"), grant.item, 0, u64::MAX);
    let _ = schedule.unresolve(secure("a"));
    let _ = schedule.unresolve(at("a"));
    let _ = schedule.release(0, grant.origin, After::Closed);
    assert!(schedule.take(0, 0).assignment.grant().is_none());
    assert_eq!(next(&mut schedule), Some((a, "a".into())));
    let _ = schedule.resolved(a);
    assert_eq!(schedule.take(0, 0).assignment.grant().map(|grant| grant.item), Some(0));
}

#[test]
fn an_answer_for_a_host_that_was_forgotten_is_ignored() {
    let mut schedule = gated(1, 4);
    push(&mut schedule, "a", 0..1);
    push(&mut schedule, "b", 1..2);
    let (a, _) = next(&mut schedule).expect("a");
    assert_eq!(schedule.drain(), [0, 1]);
    assert!(!schedule.has_unresolved());
    push(&mut schedule, "c", 2..3);
    push(&mut schedule, "a", 3..4);
    assert_eq!(schedule.resolved(a), Wake::Nobody);
    assert!(schedule.take(0, 0).assignment.grant().is_none(), "neither of them is known");
    let (c, name) = next(&mut schedule).expect("c");
    assert_eq!(name, "c");
    let _ = schedule.resolved(c);
    assert_eq!(schedule.take(0, 0).assignment.grant().map(|grant| grant.item), Some(2));
}

#[test]
fn without_a_gate_nothing_is_asked_for() {
    let mut schedule = gated(1, 0);
    push(&mut schedule, "a", 0..1);
    let _ = schedule.unresolve(at("a"));
    assert_eq!((next(&mut schedule), schedule.has_unresolved()), (None, false));
    assert_eq!(schedule.take(0, 0).assignment.grant().map(|grant| grant.item), Some(0));
}
