//! Single rules by example; `model` has all of them at once.

mod chaos;
mod model;
mod politeness;
mod resolve_ahead;
mod sim;

use super::breaker::Breaker;
use super::*;
use std::ops::Range;

pub(super) fn limits(cores: usize, in_flight_max: usize, per_host_max: usize) -> Limits {
    Limits {
        cores,
        in_flight_max,
        per_host_first: per_host_max,
        per_host_max,
        lookahead_max: 1_000,
        resolve_ahead_max: 0,
        is_window_fixed: false,
        host_fail_limit: 0,
        host_fail_wait_ms: 10_000,
        retry_after_max_ms: 300_000,
        rate: None,
        is_open_loop: false,
        rate_per_host: None,
    }
}

/// The plain origin of a host.
pub(super) fn at(host: &str) -> Place<'_> {
    Place { origin: "http:", host }
}

fn secure(host: &str) -> Place<'_> {
    Place { origin: "https:", host }
}

/// Takes until there is nothing, as a woken core does.
pub(super) fn take_all(schedule: &mut Schedule<u32>, core: usize, now_ms: u64) -> Vec<Grant<u32>> {
    std::iter::from_fn(|| schedule.take(core, now_ms).assignment.grant()).collect()
}

fn items(grants: &[Grant<u32>]) -> Vec<u32> {
    grants.iter().map(|grant| grant.item).collect()
}

pub(super) fn push(schedule: &mut Schedule<u32>, host: &str, items: Range<u32>) {
    for item in items {
        let _ = schedule.push(at(host), item);
    }
}

#[test]
fn a_small_host_stays_at_home_and_reuses_its_connections() {
    let mut schedule = Schedule::new(limits(2, 8, 2));
    assert_eq!(schedule.push(at("a"), 1), Wake::One(0));
    assert_eq!(schedule.push(at("a"), 2), Wake::Nobody);
    push(&mut schedule, "a", 3..5);
    assert!(schedule.take(1, 0).assignment.grant().is_none());
    let grants = take_all(&mut schedule, 0, 0);
    assert_eq!(items(&grants), [1, 2]);
    assert!(grants.iter().all(|grant| grant.connection == Connection::Open));
    let released = schedule.release(0, grants[0].origin, After::Kept);
    assert_eq!(released, Released { connection: After::Kept, wake: Wake::One(0) });
    let again = schedule.take(0, 0).assignment.grant().expect("an idle connection and a job");
    assert_eq!((again.item, again.connection), (3, Connection::Reuse));
}

#[test]
fn a_connection_goes_on_with_its_host_for_a_turn() {
    let mut schedule = Schedule::new(limits(1, 1, 4));
    push(&mut schedule, "a", 0..40);
    push(&mut schedule, "b", 100..102);
    let mut order = Vec::new();
    while let Some(grant) = schedule.take(0, 0).assignment.grant() {
        order.push((grant.item, grant.connection));
        let _ = schedule.release(0, grant.origin, After::Kept);
    }
    let opened: Vec<u32> = order
        .iter()
        .filter(|(_, connection)| *connection == Connection::Open)
        .map(|(item, _)| *item)
        .collect();
    assert_eq!(opened, [0, 100], "one handshake each");
    let first_of_b = order.iter().position(|(item, _)| *item == 100);
    assert_eq!(first_of_b, Some(1 + usize::from(limits::QUANTUM_JOBS)), "no host waits for ever");
}

#[test]
fn the_next_host_goes_to_the_core_with_fewer() {
    let mut schedule = Schedule::new(limits(2, 8, 2));
    assert_eq!(schedule.push(at("a"), 1), Wake::One(0));
    assert_eq!(schedule.push(at("b"), 2), Wake::One(1));
}

#[test]
fn a_big_host_uses_all_cores_and_none_more_than_its_share() {
    let mut schedule = Schedule::new(limits(3, 30, 8));
    push(&mut schedule, "a", 0..100);
    let by_core: Vec<usize> = (0..3).map(|core| take_all(&mut schedule, core, 0).len()).collect();
    assert_eq!(by_core, [3, 3, 2]);
    assert_eq!((schedule.in_flight(), schedule.queued()), (8, 92));
}

#[test]
fn the_home_core_may_use_everything_when_a_big_host_becomes_small() {
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
    assert!(schedule.take(1, 0).assignment.grant().is_none());
    let first = schedule.take(0, 0);
    assert_eq!(first.assignment.grant().map(|grant| grant.item), Some(0));
    assert_eq!(first.wake, Wake::One(1), "the home core is full now");
    assert_eq!(items(&take_all(&mut schedule, 1, 0)), [1]);
}

#[test]
fn a_job_whose_connections_are_idle_elsewhere_wakes_that_core() {
    let mut schedule = Schedule::new(limits(2, 2, 1));
    push(&mut schedule, "a", 0..1);
    push(&mut schedule, "b", 1..2);
    let on_home = schedule.take(0, 0).assignment.grant().expect("a job");
    let _ = schedule.push(at("c"), 2);
    let _ = schedule.take(1, 0).assignment.grant().expect("b");
    assert!(
        schedule.take(0, 0).assignment.grant().is_none()
            && schedule.take(1, 0).assignment.grant().is_none()
    );
    assert_eq!(schedule.release(0, on_home.origin, After::Kept).wake, Wake::One(0));
    let c = schedule.take(0, 0).assignment.grant().expect("c");
    let released = schedule.release(0, c.origin, After::Closed);
    assert_eq!(
        (schedule.take(0, 0).assignment.grant().is_none(), released.wake),
        (true, Wake::Nobody)
    );
    assert_eq!(schedule.push(at("a"), 3), Wake::One(0), "its one slot is idle in core 0's pool");
    let again = schedule.take(0, 0).assignment.grant().expect("a job");
    assert_eq!(again.connection, Connection::Reuse);
}

#[test]
fn an_idle_connection_that_closes_frees_its_slot_for_another_core() {
    let mut schedule = Schedule::new(limits(2, 4, 1));
    push(&mut schedule, "a", 0..1);
    let grant = schedule.take(0, 0).assignment.grant().expect("a job");
    let _ = schedule.release(0, grant.origin, After::Kept);
    assert!(schedule.take(0, 0).assignment.grant().is_none());
    assert_eq!(schedule.hosts(), 1);
    assert_eq!(schedule.idle_closed(0, grant.origin), Wake::Nobody);
    assert_eq!(schedule.hosts(), 0, "nothing is left of it");
}

#[test]
fn a_paused_host_is_in_nobodys_way() {
    let mut schedule = Schedule::new(limits(1, 4, 2));
    push(&mut schedule, "a", 0..2);
    push(&mut schedule, "b", 2..4);
    schedule.pause(at("a"), 500);
    schedule.pause(at("a"), 300);
    assert_eq!(schedule.next_due_ms(), Some(500));
    assert_eq!(items(&take_all(&mut schedule, 0, 499)), [2, 3]);
    assert_eq!(items(&take_all(&mut schedule, 0, 500)), [0, 1]);
    assert_eq!(schedule.next_due_ms(), None);
}

#[test]
fn a_deferred_job_holds_no_slot_and_comes_back_first() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    push(&mut schedule, "a", 0..3);
    let first = schedule.take(0, 0).assignment.grant().expect("a job");
    schedule.defer(at("a"), first.item, 1_000, u64::MAX);
    assert_eq!(schedule.release(0, first.origin, After::Closed).wake, Wake::Nobody);
    assert_eq!((schedule.room(), schedule.deferred()), (997, 1));
    let second = schedule.take(0, 999).assignment.grant().expect("the slot is free");
    assert_eq!(second.item, 1);
    let _ = schedule.release(0, second.origin, After::Closed);
    assert_eq!(schedule.take(0, 1_000).assignment.grant().map(|grant| grant.item), Some(0));
}

#[test]
fn the_timer_of_one_wakes_the_others_one_by_one() {
    let mut schedule = Schedule::new(limits(3, 3, 1));
    for (origin, item) in [("a", 1), ("b", 2), ("c", 3)] {
        schedule.defer(at(origin), item, 10, u64::MAX);
    }
    assert_eq!(schedule.advance(9), Wake::One(0), "somebody must look at the time");
    assert!(schedule.take(0, 9).assignment.grant().is_none());
    assert_eq!(schedule.advance(9), Wake::Nobody, "core 0 will");
    assert_eq!(schedule.advance(10), Wake::One(0));
    let Take { assignment, wake, .. } = schedule.take(0, 10);
    let grant = assignment.grant();
    assert_eq!((grant.map(|grant| grant.item), wake), (Some(1), Wake::One(1)));
    assert_eq!(schedule.take(1, 10).wake, Wake::One(2));
}

#[test]
fn a_redirect_hop_goes_first() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    push(&mut schedule, "a", 0..2);
    let _ = schedule.push_front(at("a"), 9, u64::MAX);
    assert_eq!(schedule.take(0, 0).assignment.grant().map(|grant| grant.item), Some(9));
}

#[test]
fn hosts_take_turns() {
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
            let _ = schedule.push(at(&format!("o{item}")), item);
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
    let grant = schedule.take(0, 0).assignment.grant().expect("a job");
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
        let _ = schedule.push(at(["a", "b", "c"][item as usize % 3]), item);
    }
    let grant = schedule.take(0, 0).assignment.grant().expect("a job");
    schedule.defer(at("b"), 20, 50, u64::MAX);
    schedule.defer(at("d"), 21, 40, u64::MAX);
    schedule.pause(at("c"), 60);
    let drained = schedule.drain();
    assert_eq!(drained, (0..22).filter(|item| *item != grant.item).collect::<Vec<_>>());
    assert_eq!((schedule.queued(), schedule.deferred(), schedule.in_flight()), (0, 0, 1));
    assert_eq!(schedule.hosts(), 2, "the one in flight and the paused one");
    let _ = schedule.close_input();
    assert_eq!(schedule.release(0, grant.origin, After::Closed).wake, Wake::All);
    let _ = schedule.advance(60);
    assert_eq!(schedule.hosts(), 0);
}

#[test]
#[should_panic(expected = "outlived its connection")]
fn an_id_is_not_mistaken_for_that_of_another_host() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    push(&mut schedule, "a", 0..1);
    let stale = schedule.take(0, 0).assignment.grant().expect("a job").origin;
    let _ = schedule.release(0, stale, After::Closed);
    push(&mut schedule, "b", 1..2);
    let fresh = schedule.take(0, 0).assignment.grant().expect("a job").origin;
    assert_ne!(stale, fresh);
    let _ = schedule.release(0, stale, After::Closed);
}

#[test]
fn pauses_without_work_are_bounded() {
    let mut schedule = Schedule::<u32>::new(limits(1, 1, 1));
    for origin in 0..=limits::HOSTS_REMEMBERED_MAX {
        schedule.pause(at(&format!("o{origin}")), 1_000);
    }
    assert_eq!(schedule.hosts(), limits::HOSTS_REMEMBERED_MAX);
    let _ = schedule.advance(1_000);
    assert_eq!((schedule.hosts(), schedule.next_due_ms()), (0, None));
}

#[test]
fn drain_gives_back_jobs_of_more_hosts_than_are_remembered() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    for origin in 0..limits::HOSTS_REMEMBERED_MAX {
        schedule.pause(at(&format!("o{origin}")), 1_000);
    }
    for item in 0..20 {
        let host = format!("busy{item}");
        let _ = schedule.push(at(&host), item);
        schedule.pause(at(&host), 1_000);
    }
    assert_eq!(schedule.drain(), (0..20).collect::<Vec<_>>());
    assert_eq!(schedule.hosts(), limits::HOSTS_REMEMBERED_MAX);
}

#[test]
fn both_origins_of_a_host_share_its_connections() {
    let mut schedule = Schedule::new(limits(1, 8, 2));
    push(&mut schedule, "a", 0..1);
    let _ = schedule.push(secure("a"), 1);
    push(&mut schedule, "a", 2..3);
    let grants = take_all(&mut schedule, 0, 0);
    assert_eq!(items(&grants), [0, 1], "two connections in all");
    assert_ne!(grants[0].origin, grants[1].origin);
    let _ = schedule.release(0, grants[1].origin, After::Kept);
    let third = schedule.take(0, 0).assignment.grant().expect("the idle connection makes room");
    assert_eq!((third.item, third.connection), (2, Connection::Replace(grants[1].origin)));
    assert_eq!(third.origin, grants[0].origin);
    assert_eq!(schedule.hosts(), 1);
}

#[test]
fn an_idle_connection_is_used_before_an_older_job_opens_one_but_not_for_ever() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    let _ = schedule.push(secure("a"), 0);
    let mut last = schedule.take(0, 0).assignment.grant().expect("a job");
    let _ = schedule.push(at("a"), 1);
    for item in 2..60 {
        let _ = schedule.push(secure("a"), item);
    }
    let mut before_it = 0;
    loop {
        let _ = schedule.release(0, last.origin, After::Kept);
        last = schedule.take(0, 0).assignment.grant().expect("a job");
        if last.item == 1 {
            break;
        }
        assert_eq!(last.connection, Connection::Reuse);
        before_it += 1;
    }
    assert_eq!(before_it, 32);
    assert!(matches!(last.connection, Connection::Replace(_)));
}

#[test]
fn a_host_moves_to_the_core_that_serves_it_for_a_full_one() {
    let mut schedule = Schedule::new(limits(2, 4, 2));
    // At home on core 0, for core 1 has more hosts.
    for (host, item) in [("x", 90), ("y", 91), ("p", 92), ("z", 93)] {
        let _ = schedule.push(at(host), item);
    }
    let [x, p] = take_all(&mut schedule, 0, 0).try_into().expect("two jobs");
    let [y, _] = take_all(&mut schedule, 1, 0).try_into().expect("two jobs");
    assert_eq!((x.item, p.item, y.item), (90, 92, 91));
    push(&mut schedule, "a", 0..4);
    let _ = schedule.release(1, y.origin, After::Closed);
    assert_eq!(items(&take_all(&mut schedule, 1, 0)), [0], "core 0 has no room");
    let home = |schedule: &Schedule<u32>| {
        schedule.hosts.at(schedule.hosts.find("a").expect("it has jobs")).home
    };
    assert_eq!(home(&schedule), 1);
    // Core 1 is full now and has a part in it, so core 0 only helps.
    let _ = schedule.release(0, x.origin, After::Closed);
    assert_eq!(items(&take_all(&mut schedule, 0, 0)), [1]);
    assert_eq!(home(&schedule), 1);
}

#[test]
fn a_batch_is_pushed_as_its_jobs_are_one_by_one() {
    fn place_of(item: &u32) -> Place<'_> {
        at(["a", "b", "c", "d", "e"][*item as usize % 5])
    }
    let (mut batch, mut single) =
        (Schedule::new(limits(2, 300, 200)), Schedule::new(limits(2, 300, 200)));
    for from in [0, 150] {
        let mut items: Vec<u32> = (from..from + 150).collect();
        let wakes: Vec<Wake> = items
            .iter()
            .map(|item| single.push(place_of(item), *item))
            .filter(|wake| *wake != Wake::Nobody)
            .collect();
        assert_eq!(batch.push_all(items.drain(..), place_of), wakes);
    }
    for core in [0, 1] {
        let taken = items(&take_all(&mut batch, core, 0));
        assert_eq!(taken, items(&take_all(&mut single, core, 0)));
        assert_eq!(taken.len(), 150);
    }
}

#[test]
fn a_core_starves_when_nothing_that_waits_may_begin() {
    let mut schedule = Schedule::new(limits(1, 8, 2));
    assert_eq!(schedule.waiting(at("a")), 0);
    push(&mut schedule, "a", 0..5);
    let _ = schedule.push(secure("a"), 5);
    schedule.defer(at("a"), 6, 1_000, u64::MAX);
    assert_eq!((schedule.waiting(at("a")), schedule.waiting(at("b"))), (7, 0));
    assert!(!schedule.is_starving(), "the core was woken");
    assert_eq!(take_all(&mut schedule, 0, 0).len(), 2);
    assert_eq!(schedule.waiting(secure("a")), 5);
    assert!(schedule.is_starving());
    push(&mut schedule, "b", 7..20);
    assert!(!schedule.is_starving());
    for host in ["c", "d", "e", "f"] {
        push(&mut schedule, host, 20..22);
    }
    assert_eq!(take_all(&mut schedule, 0, 0).len(), 6);
    assert!(!schedule.is_starving(), "no more than that may be in flight");
}

#[test]
fn a_job_whose_time_is_over_waits_for_no_host() {
    let mut schedule = Schedule::new(limits(1, 4, 4));
    let _ = schedule.push(at("a"), 1);
    schedule.pause(at("a"), 1_000_000);
    for (item, ends_ms) in [(2, 300), (3, 100), (4, u64::MAX), (5, 200)] {
        let _ = schedule.push_front(at("a"), item, ends_ms);
    }
    schedule.defer(at("a"), 6, 50, 150);
    let mut overdue = |now_ms| {
        let mut items = Vec::new();
        while let Assignment::Overdue(item) = schedule.take(0, now_ms).assignment {
            items.push(item);
        }
        (items, schedule.next_due_ms())
    };
    assert_eq!(overdue(99), (vec![], Some(100)));
    assert_eq!(overdue(100), (vec![3], Some(150)));
    assert_eq!(overdue(200), (vec![6, 5], Some(300)));
    assert_eq!(overdue(999_999), (vec![2], Some(1_000_000)));
    assert_eq!((schedule.queued(), schedule.deferred()), (2, 0));
    let left: Vec<_> =
        std::iter::from_fn(|| schedule.take(0, 1_000_000).assignment.grant()).collect();
    assert_eq!(left.iter().map(|grant| grant.item).collect::<Vec<_>>(), [4, 1]);
}

#[test]
fn ends_of_jobs_that_are_gone_are_forgotten() {
    let mut schedule = Schedule::new(limits(1, 1, 1));
    for item in 0..10_000 {
        let _ = schedule.push_front(at("a"), item, 1_000_000);
        let grant = schedule.take(0, 0).assignment.grant().unwrap();
        let _ = schedule.release(0, grant.origin, After::Kept);
        assert!(schedule.ends.len() <= 1_024);
    }
}
