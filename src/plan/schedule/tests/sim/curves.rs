//! What is asked of the window and the rate, host by host.

use super::models::{Host, Refusal};
use super::*;

const SEED: u64 = 20_261_129;

/// A limit of requests a second, as nginx has it.
fn limited(per_s: f64, burst: f64, rtt_ms: f64, asked_ms: Option<u64>) -> Host {
    let refusal = Refusal { asked_ms, is_for_host: asked_ms.is_some() };
    Host { rate: Some((per_s, burst)), refusal, ..Host::far(rtt_ms) }
}

/// So many times the least that it can take.
fn times(told: &Told, files: f64, per_s: f64) -> f64 {
    told.ended_ms as f64 * per_s / (files * 1_000.0)
}

#[test]
fn a_host_far_away_gets_as_many_connections_as_there_may_be() {
    for rtt_ms in [50.0, 200.0] {
        let told = Sim::one(Host::far(rtt_ms), 2_000, SEED);
        assert!(told.ended_ms as f64 <= 36.0 * rtt_ms, "{} ms", told.ended_ms);
        assert_eq!((told.last().window, told.refused), (limits::PER_HOST_MAX, 0));
    }
}

#[test]
fn failures_among_the_answers_do_not_hold_the_window_back() {
    for broken in [0.05, 0.1, 0.2] {
        for seed in SEED..SEED + 20 {
            let told = Sim::one(Host { broken, ..Host::far(50.0) }, 4_000, seed);
            let (max, window) = (limits::PER_HOST_MAX, told.last().window);
            assert!(window == max && told.ended_ms < 4_500, "{broken} {seed}: {window}");
        }
    }
}

#[test]
fn a_host_that_is_busy_gets_no_more_than_pay() {
    for (servers, ms, most) in [(1, 20.0, 12), (4, 20.0, 12), (16, 20.0, 28), (20, 50.0, 36)] {
        let told = Sim::one(Host::serving(servers, ms), 3_000, SEED);
        let times = times(&told, 3_000.0, servers as f64 * 1_000.0 / ms);
        assert!(times <= 1.1, "{servers} servers: {times}");
        assert!(told.last().window <= most, "{servers}: {:?}", told.last());
    }
}

#[test]
fn a_host_that_refuses_what_is_too_much_at_once_is_asked_for_just_less() {
    for (at_once_max, ms) in [(4, 20.0), (16, 30.0), (16, 100.0), (17, 30.0), (33, 100.0)] {
        let host = Host { at_once_max, ..Host::serving(usize::MAX, ms) };
        let told = Sim::one(host, 2_000, SEED);
        let times = times(&told, 2_000.0, at_once_max as f64 * 1_000.0 / ms);
        assert!(times <= 1.25, "{at_once_max}: {times}");
        assert!(told.share_refused() <= 0.03 && told.failed == 0, "{}", told.refused);
        assert!((at_once_max - 3..=at_once_max + 1).contains(&told.last().window));
    }
}

#[test]
fn a_limit_of_requests_a_second_is_found_and_kept_to() {
    for asked_ms in [None, Some(1_000)] {
        let told = Sim::one(limited(10.0, 1.0, 1.0, asked_ms), 200, SEED);
        let times = times(&told, 200.0, 10.0);
        assert!(times <= 1.3, "{asked_ms:?}: {times}");
        assert!(told.share_refused() <= 0.15 && told.failed == 0, "{}", told.refused);
        let found = told.last().per_s;
        assert!((8.0..=11.0).contains(&found), "{found}");
    }
}

#[test]
fn other_limits_are_found_as_well() {
    for (per_s, burst, files) in
        [(1.0, 1.0, 50), (3.0, 0.0, 60), (7.0, 1.0, 200), (30.0, 1.0, 500), (300.0, 20.0, 6_000)]
    {
        let told = Sim::one(limited(per_s, burst, 1.0, None), files, SEED);
        let times = times(&told, files as f64, per_s);
        assert!(times <= 1.4, "{per_s}: {times}");
        assert!(told.share_refused() <= 0.25 && told.failed == 0, "{per_s}: {}", told.refused);
    }
}

#[test]
fn a_host_that_limits_no_more_has_its_speed_back() {
    let change = Some((20_000, Box::new(Host::far(20.0))));
    let told = Sim::one(Host { change, ..limited(10.0, 1.0, 20.0, None) }, 20_000, SEED);
    assert!(told.ended_ms < 120_000, "{} ms", told.ended_ms);
    assert_eq!(told.failed, 0);
}

#[test]
fn latency_that_jumps_by_itself_takes_no_connection() {
    let change = Some((1_000, Box::new(Host::far(300.0))));
    let told = Sim::one(Host { change, ..Host::far(30.0) }, 8_000, SEED);
    assert!(told.last().window >= 48, "{:?}", told.last());
}

#[test]
fn a_host_that_only_gets_slower_settles() {
    let host = Host { strained_at: 12.0, ..Host::serving(usize::MAX, 20.0) };
    let told = Sim::one(host, 20_000, SEED);
    let last = told.last();
    assert!((4..=28).contains(&last.window), "{last:?}");
    assert!(told.failed == 0);
}

#[test]
fn a_host_that_refuses_a_part_of_all_comes_to_an_end() {
    for moody in [0.02, 0.1, 0.5] {
        let told = Sim::one(Host { moody, ..Host::far(5.0) }, 500, SEED);
        assert!(told.ended_ms < 120_000, "{moody}: {} ms", told.ended_ms);
    }
}

#[test]
fn noise_and_other_clients_leave_a_host_its_speed() {
    let noisy = Host { noise: 0.05, ..Host::serving(16, 20.0) };
    let times = times(&Sim::one(noisy, 3_000, SEED), 3_000.0, 16.0 * 50.0 / 1.45);
    assert!(times <= 1.15, "{times}");
    let shared = Host { at_once_max: 24, others: 8, ..Host::serving(usize::MAX, 30.0) };
    let told = Sim::one(shared, 2_000, SEED);
    assert!(told.share_refused() <= 0.1 && told.failed == 0, "{}", told.refused);
}

#[test]
fn a_window_that_cannot_be_filled_does_not_grow() {
    let few = Limits { in_flight_max: 6, ..automatic() };
    let mut sim = Sim::new(few, vec![(Host::far(50.0), 600)], SEED);
    sim.run(u64::MAX);
    assert_eq!(sim.told[0].window_max, limits::PER_HOST_FIRST);
    // Nor does it keep a limit from being found.
    let mut sim = Sim::new(few, vec![(limited(10.0, 1.0, 1.0, Some(1_000)), 200)], SEED);
    sim.run(u64::MAX);
    let told = &sim.told[0];
    assert!(times(told, 200.0, 10.0) <= 1.3 && told.failed == 0, "{} ms", told.ended_ms);
    assert!(told.share_refused() <= 0.15, "{}", told.refused);
}

#[test]
fn many_hosts_are_served_alike() {
    let hosts = (0..200).map(|_| (Host::far(20.0), 50)).collect();
    let mut sim = Sim::new(automatic(), hosts, SEED);
    sim.run(u64::MAX);
    let ends = || sim.told.iter().map(|told| told.ended_ms);
    let (first, last) = (ends().min().unwrap_or(0), ends().max().unwrap_or(0));
    assert!(last <= first * 2 + 200, "{first} to {last} ms");
}

/// How many of hosts with these limits are not asked as they bear.
fn misjudged(rates: &[u16], bursts: &[u16], rtts_ms: &[f64]) -> Vec<String> {
    let waits = [(None, false), (Some(1_000), false), (Some(1_000), true), (Some(5_000), true)];
    let mut bad = Vec::new();
    for per_s in rates {
        for (burst, rtt_ms) in bursts.iter().flat_map(|b| rtts_ms.iter().map(move |rtt| (b, rtt))) {
            for (asked_ms, is_for_host) in waits {
                let refusal = Refusal { asked_ms, is_for_host };
                let rate = Some((f64::from(*per_s), f64::from(*burst)));
                let host = Host { rate, refusal, ..Host::far(*rtt_ms) };
                let files = u64::from(per_s * 20 + burst);
                let told = Sim::one(host, files, SEED);
                // Nobody knows the limit before some waits are over.
                // Some answers are overtaken by a refusal where many are in flight.
                let waits = if f64::from(*per_s) * rtt_ms >= 5_000.0 { 12 } else { 6 };
                let most_ms = 22_000 + asked_ms.map_or(4_000, |asked_ms| waits * asked_ms);
                let refused_max = files / 10 + 2 * u64::from(*burst) + 10;
                if told.ended_ms > most_ms || told.refused > refused_max || told.failed > 0 {
                    let Told { ended_ms, refused, failed, .. } = told;
                    let found = told.last().per_s;
                    bad.push(format!(
                        "{per_s}/s burst {burst} rtt {rtt_ms} {asked_ms:?} {is_for_host}: {found} \
                         in {ended_ms} ms of {most_ms}, {refused} refused, {failed} failed"
                    ));
                }
            }
        }
    }
    bad
}

#[test]
fn limits_that_it_was_tuned_by_are_kept() {
    let bad = misjudged(&[2, 5, 10, 20, 60], &[2, 10, 30], &[2.0, 30.0]);
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn limits_that_it_was_not_tuned_by_are_kept() {
    let bad = misjudged(&[3, 7, 13, 30, 100], &[1, 5, 20], &[1.0, 20.0, 50.0]);
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_clock_that_leaps_by_minutes_loses_nothing() {
    // The machine was suspended: answers in flight seem to have taken minutes.
    for host in [Host::far(50.0), limited(10.0, 1.0, 20.0, Some(1_000))] {
        let files = if host.rate.is_some() { 200 } else { 4_000 };
        let mut sim = Sim::new(automatic(), vec![(host, files)], SEED);
        sim.leap = Some((1_000, 600_000));
        sim.run(u64::MAX);
        let told = &sim.told[0];
        let rest_ms = told.ended_ms - 601_000;
        assert_eq!((told.done, told.failed), (files, 0));
        assert!(rest_ms <= if files == 200 { 26_000 } else { 5_000 }, "{rest_ms} ms after it");
        assert!(told.share_refused() <= 0.15, "{}", told.refused);
    }
}

#[test]
fn a_host_of_which_one_address_is_slow_gets_many_connections() {
    let slow_address = Some((0.5, 400.0));
    let told = Sim::one(Host { slow_address, ..Host::serving(128, 20.0) }, 4_000, SEED);
    // With as many as there may be.
    let least_ms = 4_000.0 * 210.0 / limits::PER_HOST_MAX as f64;
    assert!(told.ended_ms as f64 <= 2.5 * least_ms, "{} of {least_ms} ms", told.ended_ms);
    assert!(told.last().window >= 3 * limits::PER_HOST_FIRST, "{:?}", told.last());
}

#[test]
fn a_window_that_shrinks_while_a_thousand_jobs_wait_serves_them_all() {
    // A connection is free for each of them, and the host then bears two at once.
    let refusal = Refusal { asked_ms: Some(2_000), is_for_host: false };
    let two = Host { at_once_max: 2, refusal, ..Host::serving(usize::MAX, 10.0) };
    let none =
        Host { at_once_max: 0, refusal, change: Some((3_000, Box::new(two))), ..Host::far(1.0) };
    let wide = Limits { per_host_first: 1_000, per_host_max: 1_000, ..limits(1, 1_000, 1_000) };
    let limits = Limits { lookahead_max: 10_000_000, ..wide };
    let mut sim = Sim::new(limits, vec![(none, 1_000)], SEED);
    sim.run(u64::MAX);
    let told = &sim.told[0];
    assert_eq!(told.done + told.failed, 1_000, "{told:?}");
    assert_eq!(told.deferred_max, 1_000, "all were refused at once");
    assert!(told.done >= 900 && told.last().window <= 8, "{} {:?}", told.done, told.last());
}
