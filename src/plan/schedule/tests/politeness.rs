//! Windows, rests, the breaker, rates, and who holds the run up.

use super::*;

const GOOD: HostSignal = HostSignal::Good { starttransfer_ms: 20, opening_ms: 0 };
const BUSY: HostSignal = HostSignal::Busy { asked_ms: None, is_for_host: false };
const REFUSED: HostSignal = HostSignal::Unreachable { code: "connect.refused" };

/// An answer that asks for a wait, which may be about one URL.
fn asks(asked_ms: u64) -> HostSignal {
    HostSignal::Busy { asked_ms: Some(asked_ms), is_for_host: false }
}

/// One host with many jobs, on one core.
struct One {
    schedule: Schedule<u32>,
    now_ms: u64,
}

impl One {
    fn new(limits: Limits, jobs: u32) -> Self {
        let mut schedule = Schedule::new(limits);
        push(&mut schedule, "a", 0..jobs);
        Self { schedule, now_ms: 0 }
    }

    fn take(&mut self) -> Vec<Grant<u32>> {
        take_all(&mut self.schedule, 0, self.now_ms)
    }

    fn end(&mut self, grant: &Grant<u32>, signal: HostSignal) -> After {
        let _ = self.schedule.observe(grant.origin, grant.round, signal, self.now_ms);
        self.schedule.release(0, grant.origin, After::Kept).connection
    }

    /// Takes what may run and ends it, so many times.
    fn rounds(&mut self, count: usize, signal: HostSignal) -> Vec<usize> {
        let mut taken = Vec::new();
        for _ in 0..count {
            let grants = self.take();
            taken.push(grants.len());
            for grant in &grants {
                self.end(grant, signal);
            }
            self.now_ms += 100;
        }
        taken
    }

    fn down(&mut self) -> Vec<u32> {
        let now_ms = self.now_ms;
        std::iter::from_fn(|| self.schedule.take(0, now_ms).assignment.down())
            .map(|down| down.item)
            .collect()
    }

    fn why(&self) -> Option<WaitReason> {
        let holdups = self.schedule.holdups(3, self.now_ms);
        holdups.first().map(|holdup| holdup.why)
    }
}

#[test]
fn a_window_halves_once_a_round_and_grows_by_one_a_window() {
    let mut one = One::new(limits(1, 50, 8), 1_000);
    let first = one.take();
    assert_eq!((first.len(), one.why()), (8, Some(WaitReason::Full)));
    assert_eq!(one.end(&first[0], BUSY), After::Closed, "one fewer is open");
    assert_eq!(one.why(), Some(WaitReason::Lowered { to: 4 }));
    for grant in &first[1..] {
        one.end(grant, HostSignal::Cut);
    }
    assert_eq!(one.take().len(), 4, "eight failures of one round are one");
    let mut one = One::new(limits(1, 50, 8), 1_000);
    for (signal, left) in
        [(HostSignal::Cut, 4), (BUSY, 2), (HostSignal::Cut, 1), (HostSignal::Cut, 1)]
    {
        one.rounds(1, signal);
        let grants = one.take();
        assert_eq!(grants.len(), left);
        for grant in &grants {
            one.end(grant, HostSignal::Answered);
        }
    }
    assert_eq!(one.rounds(9, GOOD), [1, 2, 3, 4, 5, 6, 7, 8, 8]);
}

#[test]
fn a_wait_of_no_time_is_no_reason_to_look_for_a_rate() {
    let mut one = One::new(limits(1, 50, 8), 10_000);
    // Connections that are lost, and one refusal in thirty.
    one.rounds(8, HostSignal::Cut);
    for number in 0..600 {
        let grants = one.take();
        assert!(!grants.is_empty(), "{number}: {:?}", one.why());
        for (place, grant) in grants.iter().enumerate() {
            let is_busy = number % 30 == 0 && place == 0;
            one.end(grant, if is_busy { asks(0) } else { GOOD });
        }
        assert_eq!(one.schedule.pushing()[0].rate, None, "{number}");
        one.now_ms += 1;
    }
}

#[test]
fn what_began_before_a_halving_does_not_raise_the_window() {
    let mut one = One::new(limits(1, 50, 8), 1_000);
    let first = one.take();
    one.end(&first[0], BUSY);
    for grant in &first[1..] {
        one.end(grant, GOOD);
    }
    assert_eq!(one.take().len(), 4);
}

#[test]
fn idle_connections_above_a_window_that_shrank_serve_no_more_jobs_than_it() {
    let mut one = One::new(limits(1, 50, 4), 7);
    let first = one.take();
    for grant in &first[..3] {
        assert_eq!(one.end(grant, GOOD), After::Kept);
    }
    let second = one.take();
    assert_eq!(second.len(), 3);
    one.end(&second[0], GOOD);
    one.end(&second[1], GOOD);
    // Two are idle and two in use.
    assert_eq!(one.end(&first[3], BUSY), After::Closed);
    push(&mut one.schedule, "a", 10..20);
    assert_eq!(one.take().len(), 1, "two in all");
}

#[test]
fn a_first_byte_that_comes_ever_later_lowers_the_window_gently() {
    let mut one = One::new(limits(1, 50, 8), 10_000);
    one.rounds(10, GOOD);
    let late = HostSignal::Good { starttransfer_ms: 900, opening_ms: 0 };
    let taken = one.rounds(12, late);
    assert!(taken.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] - 1), "{taken:?}");
    assert!(taken[11] < 8 && taken[11] >= 1, "{taken:?}");
    // It is what this host is like, after a while.
    one.now_ms += 60_000;
    one.rounds(10, late);
    one.now_ms += 60_000;
    one.rounds(60, late);
    assert_eq!(one.take().len(), 8);
}

#[test]
fn noise_does_not_lower_the_window() {
    let mut one = One::new(limits(1, 50, 8), 100_000);
    for round in 0..1_000_u64 {
        // Mostly 1 ms; now and then 20 ms, 100 ms, and one answer in eighty takes a second.
        let grants = one.take();
        assert_eq!(grants.len(), 8, "round {round}");
        for (place, grant) in grants.iter().enumerate() {
            let starttransfer_ms = match (round * 8 + place as u64) % 80 {
                0 => 1_000,
                1..8 => 20,
                8 => 100,
                _ => 1,
            };
            one.end(grant, HostSignal::Good { starttransfer_ms, opening_ms: 0 });
        }
        one.now_ms += 10;
    }
}

#[test]
fn a_rest_doubles_up_to_what_was_asked_for_and_good_answers_make_it_shorter() {
    let fixed = Limits { is_window_fixed: true, ..limits(1, 1, 1) };
    let mut one = One::new(fixed, 1_000);
    let asks_long = asks(10_000);
    for wanted_ms in [1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        one.rounds(1, asks_long);
        one.now_ms -= 100;
        assert_eq!(one.why(), Some(WaitReason::Rests { for_ms: wanted_ms }));
        one.now_ms += wanted_ms - 1;
        assert!(one.take().is_empty());
        one.now_ms += 1;
    }
    one.rounds(1, GOOD);
    one.rounds(1, asks_long);
    one.now_ms -= 100;
    assert_eq!(one.why(), Some(WaitReason::Rests { for_ms: 10_000 }), "half of ten, and doubled");
    one.now_ms += 10_000;
    one.rounds(5, GOOD);
    one.rounds(1, asks_long);
    one.now_ms -= 100;
    assert_eq!(one.why(), Some(WaitReason::Rests { for_ms: 1_000 }));
    one.now_ms += 1_000;
    one.rounds(1, asks(300));
    one.now_ms -= 100;
    assert_eq!(one.why(), Some(WaitReason::Rests { for_ms: 300 }), "never longer than asked for");
}

#[test]
fn a_host_that_says_for_how_long_is_left_alone_for_that_long_at_once() {
    let mut one = One::new(limits(1, 50, 4), 100);
    let grants = one.take();
    one.end(&grants[0], HostSignal::Busy { asked_ms: Some(60_000), is_for_host: true });
    one.end(&grants[1], GOOD);
    one.end(&grants[2], GOOD);
    one.end(&grants[3], GOOD);
    push(&mut one.schedule, "b", 200..201);
    assert_eq!(items(&one.take()), [200], "other hosts go on");
    one.now_ms = 59_999;
    assert_eq!((one.take().len(), one.why()), (0, Some(WaitReason::Rests { for_ms: 1 })));
    one.now_ms = 60_000;
    assert!(!one.take().is_empty());
}

#[test]
fn a_host_that_pushes_back_is_told_of_and_is_known_to_make_progress_or_not() {
    let mut one = One::new(limits(1, 50, 4), 100);
    let grants = one.take();
    let origin = grants[3].origin;
    one.end(&grants[0], BUSY);
    assert!(!one.schedule.refused(origin, 0).is_progressing, "it never answered");
    one.end(&grants[1], GOOD);
    assert!(one.schedule.refused(origin, 0).is_progressing);
    one.end(&grants[2], HostSignal::Answered);
    let told = one.schedule.pushing();
    assert_eq!(told.len(), 1);
    let Pushing { host, answers, refusals, window, rate, jobs } = &told[0];
    assert_eq!(*jobs, 97, "96 wait, and one is in flight");
    assert_eq!((&**host, *answers, *refusals, *window, *rate), ("a", 2, 1, 2, None));
    assert!(!one.schedule.refused(origin, 3_600_000).is_progressing, "that was long ago");
    push(&mut one.schedule, "b", 200..201);
    one.rounds(1, GOOD);
    assert_eq!(one.schedule.pushing().len(), 1, "b never refused");
}

#[test]
fn answers_from_before_a_rest_do_not_double_it() {
    let mut one = One::new(limits(1, 50, 4), 100);
    let grants = one.take();
    for grant in &grants {
        one.end(grant, asks(60_000));
        assert_eq!(one.schedule.next_due_ms(), Some(one.now_ms.max(1_000)));
    }
    one.now_ms = 1_000;
    one.rounds(1, asks(60_000));
    assert_eq!(one.schedule.next_due_ms(), Some(3_000));
}

#[test]
fn a_host_too_busy_for_one_connection_is_asked_ever_less_and_others_go_on() {
    let mut one = One::new(limits(1, 50, 2), 100);
    one.rounds(1, BUSY);
    assert_eq!(one.rounds(1, BUSY), [1], "lowered to one");
    assert_eq!(one.why(), Some(WaitReason::Rate));
    push(&mut one.schedule, "b", 200..201);
    assert_eq!(items(&one.take()), [200]);
    let mut waits_ms = Vec::new();
    for _ in 0..12 {
        let due_ms = one.schedule.next_due_ms().expect("it is asked again");
        waits_ms.push(due_ms - one.now_ms);
        one.now_ms = due_ms;
        let grants = one.take();
        assert_eq!(grants.len(), 1);
        one.end(&grants[0], BUSY);
    }
    assert!(waits_ms.windows(2).skip(1).all(|pair| pair[0] <= pair[1]), "{waits_ms:?}");
    assert!((29_000..=30_000).contains(&waits_ms[11]), "{waits_ms:?}");
}

fn breaking(host_fail_limit: u32) -> Limits {
    Limits { host_fail_limit, ..limits(1, 50, 4) }
}

#[test]
fn a_host_that_cannot_be_reached_is_held_probed_and_given_up() {
    let mut one = One::new(breaking(3), 20);
    let mut first = one.take();
    assert_eq!(first.len(), 4);
    let straggler = first.pop().expect("four of them");
    for grant in &first {
        one.end(grant, REFUSED);
    }
    assert_eq!(one.why(), Some(WaitReason::Unreachable { for_ms: 10_000 }));
    one.now_ms = 9_999;
    assert!(one.take().is_empty());
    one.now_ms = 10_000;
    let probe = one.take();
    assert_eq!((probe.len(), probe[0].is_probe, one.why()), (1, true, Some(WaitReason::Probed)));
    // It began before the breaker opened, so it is not what the probe found out.
    one.end(&straggler, REFUSED);
    assert!(one.down().is_empty() && one.take().is_empty());
    one.schedule.defer(at("a"), 100, 99_000, u64::MAX);
    one.end(&probe[0], REFUSED);
    let failed = one.schedule.take(0, one.now_ms).assignment.down().expect("the host is down");
    assert_eq!(failed.why, DownReason::Unreachable { failures: 5, last: "connect.refused" });
    assert_eq!(one.down().len(), 15, "fourteen, and the one that waited for its next attempt");
    // What comes later fails as well.
    push(&mut one.schedule, "a", 30..32);
    assert_eq!(one.down(), [30, 31]);
    one.schedule.defer(at("a"), 33, 400_000, u64::MAX);
    assert_eq!((one.down(), one.schedule.deferred()), (vec![33], 0));
    one.now_ms = 310_000;
    push(&mut one.schedule, "a", 40..42);
    let probe = one.take();
    assert_eq!((items(&probe), probe[0].is_probe), (vec![40], true));
    one.end(&probe[0], REFUSED);
    assert_eq!(one.down(), [41]);
}

#[test]
fn a_host_is_given_up_without_a_wait_as_well() {
    let mut one = One::new(Limits { host_fail_wait_ms: 0, ..breaking(3) }, 20);
    one.rounds(1, REFUSED);
    let probe = one.take();
    assert_eq!((probe.len(), probe[0].is_probe), (1, true));
    one.end(&probe[0], REFUSED);
    assert_eq!(one.down().len(), 15);
    one.now_ms += DOWN_TIMES;
    push(&mut one.schedule, "a", 30..31);
    assert_eq!(items(&one.take()), [30]);
}

#[test]
fn jobs_that_wait_at_hosts_that_go_down_are_gone_through_once_a_second() {
    let mut schedule = Schedule::new(breaking(1));
    let mut waiting = 0;
    for host in ["a", "b"] {
        let _ = schedule.push(at(host), 0);
        let _ = schedule.push(at(host), 1);
    }
    for grant in take_all(&mut schedule, 0, 0) {
        let _ = schedule.observe(grant.origin, grant.round, REFUSED, 0);
        let _ = schedule.release(0, grant.origin, After::Closed);
    }
    // The jobs in flight are over, and two more are pushed to be the probes.
    for host in ["a", "b"] {
        let _ = schedule.push(at(host), 2);
        schedule.defer(at(host), 3, 99_000, u64::MAX);
    }
    let probes = take_all(&mut schedule, 0, 10_000);
    for (probe, now_ms) in probes.iter().zip([10_000, 10_500]) {
        let _ = schedule.observe(probe.origin, probe.round, REFUSED, now_ms);
        let _ = schedule.release(0, probe.origin, After::Closed);
        while schedule.take(0, now_ms).assignment.down().is_some() {
            waiting += 1;
        }
    }
    assert_eq!((waiting, schedule.deferred()), (1, 1));
    assert_eq!(schedule.next_due_ms(), Some(11_000));
    assert_eq!(schedule.take(0, 11_000).assignment.down().map(|down| down.item), Some(3));
}

#[test]
fn any_answer_closes_the_breaker() {
    for signal in [GOOD, HostSignal::Answered, BUSY, HostSignal::Cut] {
        let mut one = One::new(breaking(3), 20);
        let grants = one.take();
        one.end(&grants[0], REFUSED);
        one.end(&grants[1], REFUSED);
        one.end(&grants[2], signal);
        one.end(&grants[3], REFUSED);
        assert_ne!(one.why(), Some(WaitReason::Unreachable { for_ms: 10_000 }), "not in a row");
        let mut one = One::new(breaking(4), 20);
        one.rounds(1, REFUSED);
        one.now_ms = 10_000;
        let probe = one.take();
        assert_eq!(probe.len(), 1);
        // Its answer begins; its body may take as long as it likes.
        let _ = one.schedule.observe(probe[0].origin, probe[0].round, signal, one.now_ms);
        one.now_ms += 60_000;
        assert!(!one.take().is_empty());
    }
}

#[test]
fn a_probe_that_says_nothing_is_followed_by_another() {
    let mut one = One::new(breaking(4), 20);
    one.rounds(1, REFUSED);
    one.now_ms = 10_000;
    let probe = one.take();
    one.end(&probe[0], HostSignal::Nothing);
    let probe = one.take();
    assert_eq!((probe.len(), probe[0].is_probe), (1, true));
}

#[test]
fn without_a_limit_every_job_is_tried() {
    let mut one = One::new(breaking(0), 20);
    assert_eq!(one.rounds(6, REFUSED), [4, 4, 4, 4, 4, 0]);
}

#[test]
fn requests_of_a_host_are_spaced_and_no_other_host_waits() {
    let rate_per_host = Some(Rate::new(10, 1_000));
    let mut one = One::new(Limits { rate_per_host, ..limits(1, 50, 50) }, 50);
    push(&mut one.schedule, "b", 50..53);
    let mut begun = Vec::new();
    while begun.len() < 12 {
        begun.extend(one.take().iter().map(|grant| (one.now_ms, grant.item >= 50)));
        if one.why() == Some(WaitReason::Rate) {
            assert!(one.schedule.next_due_ms().is_some_and(|due| due > one.now_ms));
        }
        one.now_ms = one.schedule.next_due_ms().unwrap_or(one.now_ms + 1);
    }
    let of = |is_b: bool| -> Vec<u64> {
        begun.iter().filter(|begun| begun.1 == is_b).map(|begun| begun.0).collect()
    };
    assert_eq!(of(true), [0, 96, 196]);
    assert_eq!(of(false)[..8], [0, 96, 196, 296, 396, 496, 596, 696]);
}

#[test]
fn a_rate_that_is_reached_wakes_a_core_in_time() {
    let rate = Some(Rate::new(1, 1_000));
    let mut schedule = Schedule::new(Limits { rate, ..limits(2, 50, 8) });
    push(&mut schedule, "a", 0..1);
    let grant = schedule.take(0, 0).assignment.grant().expect("the first");
    assert!(schedule.take(0, 0).assignment.grant().is_none());
    assert_eq!(schedule.next_due_ms(), None, "nobody waits");
    let wake = schedule.push(at("b"), 1);
    assert_eq!(wake, Wake::One(1), "somebody must look at the time");
    assert!(schedule.take(1, 5).assignment.grant().is_none());
    assert_eq!(schedule.next_due_ms(), Some(996));
    assert_eq!(schedule.push(at("b"), 2), Wake::Nobody);
    // A job that needs no request gives its turn back.
    let _ = schedule.observe(grant.origin, grant.round, HostSignal::Unasked, 6);
    let _ = schedule.release(0, grant.origin, After::Closed);
    assert_eq!(schedule.take(1, 6).assignment.grant().map(|grant| grant.item), Some(1));
}

#[test]
fn a_schedule_goes_on_while_requests_are_late() {
    let rate = Some(Rate::new(100, 1_000));
    let mut one = One::new(Limits { rate, is_open_loop: true, ..limits(1, 3, 3) }, 50);
    let due = |grants: &[Grant<u32>]| -> Vec<Option<u64>> {
        grants.iter().map(|grant| grant.due_ms).collect()
    };
    let first = one.take();
    assert_eq!(due(&first), [Some(0)], "the next is due in 10 ms");
    assert_eq!(one.schedule.next_due_ms(), Some(10));
    one.now_ms = 9;
    assert!(one.take().is_empty(), "and not a little before");
    // Two more are all that may be in flight; they began late, and the next were due meanwhile.
    one.now_ms = 55;
    assert_eq!(due(&one.take()), [Some(10), Some(20)]);
    one.end(&first[0], GOOD);
    assert_eq!(due(&one.take()), [Some(30)]);
}

#[test]
fn a_high_rate_survives_a_clock_of_milliseconds() {
    let rate = Some(Rate::new(5_000, 1_000));
    let mut one = One::new(Limits { rate, lookahead_max: 9_000, ..limits(1, 9_000, 9_000) }, 9_000);
    let mut begun = 0;
    for now_ms in 0..1_000 {
        one.now_ms = now_ms;
        begun += one.take().len();
    }
    assert!((4_990..=5_020).contains(&begun), "{begun}");
}

#[test]
fn those_with_most_jobs_waiting_hold_the_run_up_most() {
    let mut schedule = Schedule::new(Limits { resolve_ahead_max: 2, ..limits(1, 50, 1) });
    push(&mut schedule, "a", 0..3);
    push(&mut schedule, "b", 10..20);
    push(&mut schedule, "c", 20..25);
    push(&mut schedule, "d", 30..90);
    let (a, _) = schedule.next_unresolved().expect("a");
    let _ = schedule.next_unresolved().expect("b");
    let _ = schedule.resolved(a);
    assert_eq!(take_all(&mut schedule, 0, 0).len(), 1);
    let _ = schedule.next_unresolved().expect("c");
    schedule.pause(at("d"), 5_000);
    let told: Vec<_> = schedule
        .holdups(3, 0)
        .into_iter()
        .map(|holdup| (holdup.host.to_string(), holdup.queued, holdup.in_flight, holdup.why))
        .collect();
    let is = |host: &str, queued, in_flight, why| (host.to_owned(), queued, in_flight, why);
    let expected = [
        is("b", 10, 0, WaitReason::Name),
        is("c", 5, 0, WaitReason::Name),
        is("a", 2, 1, WaitReason::Full),
    ];
    assert_eq!(told, expected, "d waits for its turn to be asked for");
    assert_eq!(schedule.holdups(1, 0).len(), 1);
    assert_eq!(schedule.troubles(0), TroubledHosts::default(), "nothing is wrong with any of them");
    schedule.pause(at("a"), 5_000);
    assert_eq!(schedule.troubles(4_999), TroubledHosts { resting: 1, ..TroubledHosts::default() });
    assert_eq!(schedule.troubles(5_000).resting, 0);
    assert_eq!(WaitReason::Rests { for_ms: 1_001 }.to_string(), "rests for 2 s");
}

#[test]
fn a_host_that_does_not_answer_leaves_half_of_the_slots_to_others() {
    for signal in [REFUSED, HostSignal::Cut] {
        let mut one = One::new(limits(1, 4, 8), 100);
        assert_eq!(one.rounds(1, signal), [4], "nothing is known of it");
        push(&mut one.schedule, "b", 200..210);
        let next = one.take();
        let own = next.iter().filter(|grant| grant.item < 100).count();
        assert_eq!((own, next.len()), (2, 4), "{signal:?}");
        let mut one = One::new(limits(1, 4, 8), 100);
        one.rounds(1, signal);
        assert_eq!(one.rounds(2, HostSignal::Answered), [2, 4], "{signal:?}");
    }
}

#[test]
fn what_time_alone_says_is_known() {
    let mut schedule = Schedule::new(limits(1, 50, 4));
    assert_eq!(schedule.forecast(0), Forecast::default());
    push(&mut schedule, "a", 0..3);
    assert_eq!(schedule.forecast(0), Forecast::default(), "all of them may begin");
    schedule.pause(at("a"), 5_000);
    assert_eq!(schedule.forecast(1_000), Forecast { next_ms: 4_000, all_begun_ms: 4_000 });
    schedule.defer(at("b"), 9, 3_000, u64::MAX);
    assert_eq!(schedule.forecast(1_000), Forecast { next_ms: 2_000, all_begun_ms: 4_000 });
    schedule.defer(at("b"), 10, 9_000, u64::MAX);
    assert_eq!(schedule.forecast(1_000), Forecast { next_ms: 2_000, all_begun_ms: 8_000 });
    push(&mut schedule, "c", 20..21);
    assert_eq!(schedule.forecast(1_000), Forecast { next_ms: 0, all_begun_ms: 8_000 });
    // By a rate it takes longer than that.
    for (rate, rate_per_host) in
        [(Some(Rate::new(2, 1_000)), None), (None, Some(Rate::new(2, 1_000)))]
    {
        let mut paced = Schedule::new(Limits { rate, rate_per_host, ..limits(1, 50, 4) });
        push(&mut paced, "a", 0..20);
        assert_eq!(paced.forecast(0), Forecast { next_ms: 0, all_begun_ms: 10_000 });
    }
}
