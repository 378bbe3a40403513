//! Tests of sources.

use super::*;
use crate::http::{Exchange, Step};
use proptest::prelude::*;

fn sources(hosts: &[&str]) -> Sources {
    Sources::new(hosts.iter().copied(), 0)
}

/// Has every source show that it fits.
fn fitting(hosts: &[&str]) -> Sources {
    let mut sources = sources(hosts);
    (0..hosts.len()).for_each(|source| sources.fits(source));
    sources
}

fn head(lines: &str) -> Box<Head> {
    let mut bytes = format!("HTTP/1.1 206 \r\nContent-Length: 1\r\n{lines}\r\n").into_bytes();
    match Exchange::new().receive(&mut bytes) {
        Ok(Step::Head { head, .. }) => head,
        other => panic!("{lines:?}: {other:?}"),
    }
}

#[test]
fn hosts_have_their_share() {
    let sources = fitting(&["a", "b", "c"]);
    assert_eq!(sources.num_hosts(), 3);
    assert_eq!(sources.choose(&[9, 9, 9], 5, 0), [(0, 1), (1, 2), (2, 2)], "one is there");
    assert_eq!(sources.choose(&[9, 9, 9], 1, 0), [(1, 1)]);
    assert_eq!(sources.choose(&[9, 1, 0], 5, 0), [(0, 4), (1, 1)], "as far as there is room");
    assert_eq!(sources.choose(&[0, 0, 0], 5, 0), []);
}

#[test]
fn a_mirror_is_asked_once_before_it_is_known() {
    let mut sources = sources(&["a", "b"]);
    assert_eq!(sources.choose(&[9, 9], 4, 0), [(0, 3), (1, 1)]);
    sources.join(1);
    assert_eq!(sources.choose(&[9, 9], 4, 0), [(0, 4)]);
    sources.fits(1);
    assert_eq!(sources.choose(&[9, 9], 4, 0), [(0, 2), (1, 2)]);
    sources.give_up(1);
    assert!(sources.is_out(1) && !sources.is_out(0));
    assert_eq!(sources.choose(&[9, 9], 4, 0), [(0, 4)]);
    sources.fits(1);
    assert!(sources.is_out(1), "once and for all");
}

#[test]
fn a_second_url_of_a_host_is_for_when_the_first_is_out() {
    let mut sources = fitting(&["a", "a", "b", "b"]);
    assert_eq!(sources.num_hosts(), 2);
    assert_eq!(sources.choose(&[9; 4], 3, 0), [(0, 1), (2, 2)]);
    sources.give_up(2);
    assert_eq!(sources.choose(&[9; 4], 3, 0), [(0, 1), (3, 2)]);
    sources.go_on_at(1);
    assert_eq!(sources.choose(&[9; 4], 3, 0), [(1, 1), (3, 2)], "the one in use speaks");
}

#[test]
fn what_fails_rests_and_a_mirror_goes_in_the_end() {
    let mut sources = fitting(&["a", "b"]);
    let mut now_ms = 0;
    for rest_ms in [1_000, 2_000] {
        for source in [0, 1] {
            (0..2).for_each(|_| sources.join(source));
            (0..2).for_each(|_| sources.leave(source, Leave::Failed, now_ms));
        }
        assert_eq!(sources.choose(&[9, 9], 4, now_ms + rest_ms - 1), []);
        now_ms += rest_ms;
        assert_eq!(sources.choose(&[9, 9], 4, now_ms), [(0, 3), (1, 1)], "a mirror anew");
    }
    sources.join(1);
    sources.leave(1, Leave::Failed, now_ms);
    assert!(sources.is_out(1));
    sources.join(0);
    sources.leave(0, Leave::Refused, now_ms);
    assert!(!sources.is_out(0), "the one in use never is");
    assert!(!sources.is_in_use_ready(now_ms) && sources.is_in_use_ready(now_ms + 4_000));
    let mut sources = fitting(&["a", "b"]);
    sources.join(1);
    sources.leave(1, Leave::Refused, 0);
    assert!(sources.is_out(1));
}

#[test]
fn mirrors_are_given_up_together_once() {
    let mut sources = fitting(&["a", "b", "c"]);
    sources.go_on_at(1);
    assert_eq!(sources.in_use(), 1);
    assert!(sources.give_up_mirrors() && !sources.give_up_mirrors());
    assert_eq!([0, 1, 2].map(|source| sources.is_out(source)), [true, false, true]);
    assert_eq!(sources.choose(&[9; 3], 4, 0), [(1, 4)]);
}

#[test]
fn a_mirror_fits_by_tag_and_length_or_where_a_digest_will_show_it() {
    let version = Validator::of(&head(
        "ETag: \"a\"\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\nDate: Thu, 01 Jan 2016 \
         00:00:00 GMT\r\n",
    ));
    let weak = Validator::of(&head("ETag: W/\"a\"\r\n"));
    let dated = "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n";
    let tagged = "ETag: \"a\"\r\n";
    let table = [
        (&version, Some(9), tagged, Some(9), Some(Fit::Same)),
        (&version, Some(9), tagged, Some(8), None),
        (&version, Some(9), tagged, None, None),
        (&version, None, tagged, None, None),
        (&version, Some(9), "ETag: \"b\"\r\n", Some(9), None),
        (&version, Some(9), "ETag: W/\"a\"\r\n", Some(9), None),
        (&version, Some(9), "ETag: a\r\n", Some(9), None),
        (&version, Some(9), dated, Some(9), None),
        (&version, Some(9), "", Some(9), None),
        (&weak, Some(9), "ETag: W/\"a\"\r\n", Some(9), None),
        (&Validator::default(), Some(9), "", Some(9), None),
    ];
    for (version, length, lines, complete, wanted) in table {
        let told = (&*head(lines), complete);
        assert_eq!(fit((version, length), told, false), wanted, "{lines:?} {complete:?}");
        let is_of_length = length.is_some() && complete == length;
        let wanted = wanted.or_else(|| is_of_length.then_some(Fit::Vouched));
        assert_eq!(fit((version, length), told, true), wanted, "{lines:?} {complete:?}");
    }
}

#[derive(Clone, Debug)]
enum Change {
    Fits(usize),
    GiveUp(usize),
    Failed(usize),
    Idle(usize),
    GoOn(usize),
    Chosen,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let source = 0_usize..5;
    let change = prop_oneof![
        source.clone().prop_map(Change::Fits),
        source.clone().prop_map(Change::GiveUp),
        source.clone().prop_map(Change::Failed),
        source.clone().prop_map(Change::Idle),
        source.prop_map(Change::GoOn),
        Just(Change::Chosen),
    ];
    prop::collection::vec(change, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_choice_keeps_to_every_bound_and_is_fair(
        hosts in prop::collection::vec(0_usize..4, 5),
        changes in changes(),
        spare in prop::collection::vec(0_usize..6, 5),
        count in 0_usize..12,
    ) {
        let names = ["a", "b", "c", "d"];
        let mut sources = Sources::new(hosts.iter().map(|host| names[*host]), 0);
        let mut now_ms = 0;
        for change in changes {
            now_ms += 700;
            match change {
                Change::Fits(source) => sources.fits(source),
                Change::GiveUp(source) => sources.give_up(source),
                Change::Failed(source) => sources.leave(source, Leave::Failed, now_ms),
                Change::Idle(source) => sources.leave(source, Leave::Idle, now_ms),
                Change::GoOn(source) => sources.go_on_at(source),
                Change::Chosen => {
                    for (source, more) in sources.choose(&spare, count, now_ms) {
                        (0..more).for_each(|_| sources.join(source));
                    }
                }
            }
        }
        let chosen = sources.choose(&spare, count, now_ms);
        prop_assert_eq!(&chosen, &sources.choose(&spare, count, now_ms));
        let of = |source: usize| {
            chosen.iter().find(|(other, _)| *other == source).map_or(0, |(_, more)| *more)
        };
        let total: usize = chosen.iter().map(|(_, more)| more).sum();
        prop_assert!(total <= count);
        let counts: Vec<usize> = (0..5).map(of).collect();
        for (source, spare) in spare.iter().copied().enumerate() {
            let more = of(source);
            prop_assert!(more <= spare);
            prop_assert!(more == 0 || !sources.is_out(source));
            if sources.all[source].state == State::Untried {
                prop_assert!(more == 0 || sources.all[source].tasks + more == 1);
            }
            if sources.takes(source, more, now_ms) && more < spare {
                // What had room has no less than what got one, and nothing was left over.
                prop_assert_eq!(total, count);
                let load = |source: usize| sources.tasks_at(sources.all[source].host, &counts);
                for other in (0..5).filter(|other| of(*other) > 0) {
                    prop_assert!(load(source) + 1 >= load(other));
                }
            }
        }
    }
}
