//! The reply side of `http` against fixtures, against every way to split and cut the bytes, and
//! against an independent decoder.
//!
//! `RINGPULL_SEED=N` repeats the random splits of a failed run, `PROPTEST_CASES=N` changes how many
//! responses are generated.

#[path = "conformance/driver.rs"]
mod driver;
#[path = "conformance/fixture.rs"]
mod fixture;
#[path = "conformance/generate.rs"]
mod generate;
#[path = "conformance/reference.rs"]
mod reference;

use driver::{End, Outcome, feed};
use fixture::Fixture;
use generate::{Damage, damage, response};
use proptest::prelude::*;
use proptest::sample::Index;
use reference::{VerdictEnd, judge};
use ringpull::http::Reuse;
use std::path::Path;

fn fixtures() -> Vec<Fixture> {
    fixture::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http"))
}

/// Every place of a short input, some hundred places of a long one.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let step = if len <= 2048 { 1 } else { len / 128 };
    (0..=len).step_by(step)
}

/// Cuts into parts at random; short parts and long ones are as likely.
fn split_at_random<'a>(bytes: &'a [u8], random: &mut fastrand::Rng) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let len_max = if random.bool() { rest.len() } else { rest.len().min(8) };
        let (part, after) = rest.split_at(random.usize(1..=len_max));
        parts.push(part);
        rest = after;
    }
    parts
}

#[test]
fn fixtures_say_what_happens() {
    let mut wrong = Vec::new();
    for Fixture { name, bytes, log } in fixtures() {
        let got = fixture::log(&feed([bytes.as_slice()]));
        if got != log {
            wrong.push(format!("{name}\n--- wanted\n{log}\n--- got\n{got}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn splits_do_not_matter() {
    let seed = std::env::var("RINGPULL_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    let mut random = fastrand::Rng::with_seed(seed);
    for Fixture { name, bytes, .. } in fixtures() {
        let whole = feed([bytes.as_slice()]);
        assert_eq!(feed(bytes.chunks(1)), whole, "{name}: byte by byte");
        for at in places(bytes.len()) {
            let (first, second) = bytes.split_at(at);
            assert_eq!(feed([first, second]), whole, "{name}: split at {at}");
        }
        for _ in 0..16 {
            let parts = split_at_random(&bytes, &mut random);
            assert_eq!(
                feed(parts.iter().copied()),
                whole,
                "{name}: RINGPULL_SEED={seed} {parts:?}"
            );
        }
    }
}

#[test]
fn a_cut_reply_is_no_success() {
    for Fixture { name, bytes, .. } in fixtures() {
        let whole = feed([bytes.as_slice()]);
        let Some(used) = whole.used else { continue };
        for at in places(used).filter(|at| *at < used) {
            let cut = feed([&bytes[..at]]);
            let is_delimited = cut.is_close_delimited();
            assert_eq!(cut.used.is_some(), is_delimited, "{name}: cut at {at}: {cut:?}");
            assert!(whole.body.starts_with(&cut.body), "{name}: cut at {at}");
        }
    }
}

#[test]
fn the_reference_agrees_on_the_fixtures() {
    for Fixture { name, bytes, .. } in fixtures() {
        if !name.starts_with("limits.md") {
            agree(&feed([bytes.as_slice()]), &bytes);
        }
    }
}

/// Demands the verdict and the bytes of the reference.
fn agree(outcome: &Outcome, bytes: &[u8]) {
    let verdict = judge(bytes);
    let end = match outcome.end {
        End::Complete(reuse) => VerdictEnd::Complete { is_reusable: reuse == Reuse::Keep },
        End::Broken(_) => VerdictEnd::Invalid,
        End::Eof(_) => VerdictEnd::Incomplete,
    };
    let status = outcome.head.as_ref().map(|head| head.status);
    let got = (status, outcome.body.escape_ascii().to_string(), end);
    let wanted = (verdict.status, verdict.body.escape_ascii().to_string(), verdict.end);
    assert_eq!(got, wanted, "{outcome:?} of {}", bytes.escape_ascii());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn generated_responses_meet_the_reference(
        response in response(),
        damage in damage(),
        places in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let mut bytes = response.bytes.clone();
        damage.apply(&mut bytes);
        let outcome = feed([bytes.as_slice()]);
        agree(&outcome, &bytes);
        if let Damage::None = damage {
            prop_assert_eq!(outcome.used, Some(bytes.len()));
            prop_assert_eq!(&outcome.body, &response.body);
        }

        prop_assert_eq!(&feed(bytes.chunks(1)), &outcome);
        let mut places: Vec<usize> = places.iter().map(|at| at.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let parts = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(&feed(parts), &outcome);
    }

    #[test]
    fn noise_meets_the_reference(
        start in proptest::sample::select(vec![
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "",
        ]),
        noise in proptest::collection::vec(
            proptest::sample::select(b"\r\n\r\n :;a1\t\0\x80".to_vec()),
            0..40,
        ),
    ) {
        let bytes = [start.as_bytes(), &noise].concat();
        let outcome = feed([bytes.as_slice()]);
        agree(&outcome, &bytes);
        prop_assert_eq!(&feed(bytes.chunks(1)), &outcome);
    }
}

fn config() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases *= 8;
    // Failures are printed with their smallest input, which belongs into a fixture.
    config.failure_persistence = None;
    config
}
