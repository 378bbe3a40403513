//! Memories with made-up clocks.

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An address of each family, IPv6 first.
fn both() -> [IpAddr; 2] {
    ["2001:db8::1", "192.0.2.1"].map(address)
}

impl Memory {
    fn is_v6_first(&mut self, host: &str, now_ms: u64) -> bool {
        self.order(host, &both(), None, now_ms)[0].is_ipv6()
    }

    /// A connection of `host` for which IPv6 began first and did not answer.
    fn silent(&mut self, host: &str, began_ms: u64, now_ms: u64) {
        let [v6, v4] = both();
        let heard = [(v6, Heard::Silence)];
        let outcome = Outcome { host, order: &both(), began_ms, winner: v4, heard: &heard };
        self.connected(&outcome, now_ms);
    }

    /// A connection over IPv6 that had no other to wait for.
    fn answered_over_v6(&mut self, host: &str, now_ms: u64) {
        let [winner, _] = both();
        let outcome = Outcome { host, order: &both(), began_ms: now_ms, winner, heard: &[] };
        self.connected(&outcome, now_ms);
    }
}

#[test]
fn a_family_that_is_silent_at_several_hosts_goes_second() {
    let mut memory = Memory::default();
    for host in ["a", "a", "b", "b", "a"] {
        memory.silent(host, 0, 250);
        assert!(memory.is_v6_first("other", 250), "two hosts may be broken");
    }
    memory.silent("c", 0, 250);
    assert!(!memory.is_v6_first("other", 250));
    assert_eq!(memory.order("v6", &both()[..1], None, 250), both()[..1], "second, not never");
    assert!(!memory.is_v6_first("other", 250 + BACK_MS - 1));
}

#[test]
fn an_answer_begins_the_count_anew_and_ends_it() {
    let mut memory = Memory::default();
    for host in ["a", "b", "-", "c", "d"] {
        match host {
            "-" => memory.answered_over_v6("works", 300),
            host => memory.silent(host, 0, 300),
        }
    }
    assert!(memory.is_v6_first("other", 300));
    memory.silent("e", 0, 300);
    assert!(!memory.is_v6_first("other", 300));
    memory.answered_over_v6("works", 301);
    assert!(memory.is_v6_first("other", 301));
    // A refusal is an answer.
    let [v6, v4] = both();
    let heard = [(v6, Heard::Refused)];
    for host in ["f", "g"] {
        memory.silent(host, 302, 600);
    }
    let outcome = Outcome { host: "r", order: &[v6, v4], began_ms: 0, winner: v4, heard: &heard };
    memory.connected(&outcome, 601);
    memory.silent("h", 302, 602);
    assert!(memory.is_v6_first("other", 602));
}

#[test]
fn one_connection_tries_a_family_again() {
    let mut memory = Memory::default();
    for host in ["a", "b", "c"] {
        memory.silent(host, 0, 1_000);
    }
    // Those that were under way tell nothing new.
    for n in 0..500 {
        memory.silent(&format!("late{n}"), 900, 1_200);
    }
    let (mut now_ms, mut for_ms) = (1_000 + BACK_MS, BACK_MS);
    for _ in 0..6 {
        assert!(!memory.is_v6_first("x", now_ms - 1));
        assert!(memory.is_v6_first("x", now_ms), "it is tried");
        assert!(!memory.is_v6_first("y", now_ms), "by one at a time");
        for_ms = (2 * for_ms).min(BACK_MAX_MS);
        memory.silent("tried", now_ms, now_ms + 250);
        now_ms += 250 + for_ms;
    }
    assert_eq!(for_ms, BACK_MAX_MS);
    assert!(memory.is_v6_first("x", now_ms));
    // Of one that never says what came of it there is another one after a while.
    assert!(!memory.is_v6_first("x", now_ms + TRIAL_MS - 1));
    assert!(memory.is_v6_first("x", now_ms + TRIAL_MS));
    memory.answered_over_v6("x", now_ms + TRIAL_MS);
    assert!((0..9).all(|n| memory.is_v6_first("x", now_ms + TRIAL_MS + n)));
}

#[test]
fn where_both_families_are_put_back_neither_is() {
    let mut memory = Memory::default();
    let back = Back { since_ms: 0, for_ms: BACK_MS, until_ms: BACK_MS };
    memory.v6.put_back = Some(back);
    assert!(!memory.is_v6_first("a", 1));
    memory.v4.put_back = Some(back);
    assert!(memory.is_v6_first("a", 1));
}

#[test]
fn the_address_of_a_host_that_answered_goes_first() {
    let mut memory = Memory::default();
    let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
    let heard = [(all[0], Heard::Silence)];
    let of = |winner| Outcome { host: "a", order: &all, began_ms: 0, winner, heard: &heard };
    memory.connected(&of(all[1]), 300);
    assert_eq!(memory.order("a", &all, None, 300), [all[1], all[0], all[2]]);
    assert_eq!(memory.order("b", &all, None, 300), all);
    assert_eq!(memory.order("a", &[all[0], all[2]], None, 300), [all[0], all[2]], "it is gone");
    assert!(memory.v4.put_back.is_none() && memory.v4.silent.is_empty(), "IPv4 works");
    // One looks again whether the first one is back.
    let now_ms = 300 + HOST_MS;
    assert_eq!(memory.order("a", &all, None, now_ms), all);
    assert_eq!(memory.order("a", &all, None, now_ms + 1)[0], all[1]);
    let outcome = Outcome { heard: &[], ..of(all[0]) };
    memory.connected(&outcome, now_ms + 2);
    assert!(memory.hosts.is_empty());
    assert_eq!(memory.order("a", &all, None, now_ms + 3), all);
}

#[test]
fn an_address_that_fails_at_once_is_not_remembered() {
    let mut memory = Memory::default();
    let [v6, v4] = both();
    for host in ["a", "b", "c", "d"] {
        let outcome = Outcome { host, order: &[v6, v4], began_ms: 0, winner: v4, heard: &[] };
        memory.connected(&outcome, 1);
    }
    assert!(memory.hosts.is_empty() && memory.is_v6_first("a", 2));
}

#[test]
fn the_kernel_is_asked_once_for_addresses_of_a_kind() {
    let mut memory = Memory::default();
    let asked = std::cell::Cell::new(0);
    let no_v6 = |to: IpAddr| {
        asked.set(asked.get() + 1);
        to.is_ipv4().then(|| address("10.0.0.1"))
    };
    for host in ["a", "b"] {
        assert_eq!(memory.order(host, &both(), Some(&no_v6), 0), [both()[1], both()[0]]);
    }
    assert_eq!(asked.get(), 2);
    let has_v6 = |to: IpAddr| Some(address(if to.is_ipv4() { "10.0.0.1" } else { "2001:db8::9" }));
    assert_eq!(memory.order("a", &both(), Some(&has_v6), PREFERENCE_MS), both());
    assert_eq!(memory.order("a", &both()[1..], Some(&no_v6), PREFERENCE_MS), both()[1..]);
}

/// Whatever a run meets, an order has the same addresses, families take turns, and memory is
/// bounded.
#[test]
fn an_order_is_a_permutation() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut memory = Memory::default();
        let mut now_ms = 0;
        for _ in 0..200 {
            now_ms += random.u64(..60_000);
            let host = format!("h{}", random.u8(..8));
            let (v4, v6) = (random.u8(..4), random.u8(..4));
            let v4 = (0..v4).map(|n| IpAddr::from([192, 0, 2, n]));
            let v6 = (0..v6).map(|n| address(&format!("2001:db8::{n}")));
            let mut given: Vec<IpAddr> = v4.chain(v6).collect();
            random.shuffle(&mut given);
            let order = memory.order(&host, &given, None, now_ms);
            let mut sorted = [given.clone(), order.clone()];
            sorted.iter_mut().for_each(|all| all.sort());
            assert_eq!(sorted[0], sorted[1], "seed {seed}");
            let few = 2 * given.iter().filter(|one| one.is_ipv6()).count();
            let few = few.min(2 * given.iter().filter(|one| one.is_ipv4()).count());
            let turns = order[..few].windows(2).all(|pair| pair[0].is_ipv4() != pair[1].is_ipv4());
            assert!(turns, "seed {seed}: {order:?}");
            let Some(at) = order.len().checked_sub(1).map(|last| random.usize(..=last)) else {
                continue;
            };
            let mut heard = Vec::new();
            for one in &order[..at] {
                match random.u8(..3) {
                    0 => heard.push((*one, Heard::Silence)),
                    1 => heard.push((*one, Heard::Refused)),
                    _ => {}
                }
            }
            let (began_ms, winner) = (now_ms.saturating_sub(250 * at as u64), order[at]);
            let heard = heard.as_slice();
            let outcome = Outcome { host: &host, order: &order, began_ms, winner, heard };
            memory.connected(&outcome, now_ms);
            assert!(memory.hosts.len() <= 8 && memory.v6.silent.len() < SILENT_HOSTS);
        }
    }
}
