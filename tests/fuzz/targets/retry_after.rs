//! `retry_after`: the value of a `Retry-After` field, and what a retry makes of it.

use super::random_of;
use crate::driver::feed;
use ringpull::fault::{Cause, Fault, Stage};
use ringpull::http::RetryAfter;
use ringpull::plan::retry::{Decision, Policy, decide, retry_after_ms};

pub(crate) fn target(data: &[u8]) {
    let bytes = [b"HTTP/1.1 503 \r\nRetry-After: ", data, b"\r\n\r\n"].concat();
    let Some(value) = feed([bytes.as_slice()]).head.and_then(|head| head.retry_after) else {
        return;
    };
    let mut random = random_of(data);
    let now = any_size(&mut random) >> 24;
    let asked = retry_after_ms(value, now);
    let later = retry_after_ms(value, now.saturating_add(random.u64(1..1_000_000)));
    match value {
        RetryAfter::Seconds(seconds) => {
            assert_eq!(asked, Some(seconds.saturating_mul(1_000)));
            assert_eq!(later, asked, "a delay does not depend on the clock");
        }
        RetryAfter::Date(date) => {
            // A date has a year of four digits.
            assert!(date < 253_402_300_800);
            assert_eq!(asked, (date > now).then(|| (date - now) * 1_000));
            assert!(later < asked || asked.is_none(), "a date comes nearer");
        }
    }
    decisions(asked, &mut random);
}

/// No wait is shorter than asked for or longer than the policy allows, and asking for more never
/// makes it shorter.
fn decisions(asked: Option<u64>, random: &mut fastrand::Rng) {
    let policy = Policy {
        retries_max: random.u32(..),
        delay_base_ms: any_size(random),
        delay_max_ms: any_size(random),
        retry_after_max_ms: any_size(random),
    };
    let fault = Fault::new(Stage::Head, Cause::Status(503));
    let (attempt, number) = (random.u32(..), random.u64(..));
    let decision = |asked| decide(&fault, attempt, asked, number, &policy);
    match decision(asked) {
        Decision::GiveUp => assert!(attempt > policy.retries_max),
        Decision::RetryAfterTooLong { seconds } => {
            let asked = asked.expect("only a server asks for too long");
            assert!(asked > policy.retry_after_max_ms);
            assert_eq!(seconds, asked.div_ceil(1_000));
        }
        Decision::Retry { after_ms } => {
            let floor = asked.unwrap_or(0);
            assert!(floor <= policy.retry_after_max_ms || asked.is_none());
            let spread = policy.delay_max_ms.min(1_000.max(floor / 10));
            let ceiling = policy.delay_max_ms.max(floor.saturating_add(spread));
            assert!((floor..=ceiling).contains(&after_ms));
            let more = asked.map(|asked| asked.saturating_add(random.u64(..) >> 40));
            if let Decision::Retry { after_ms: longer } = decision(more) {
                assert!(longer >= after_ms, "{longer} < {after_ms}");
            }
        }
    }
}

/// A number of any magnitude.
fn any_size(random: &mut fastrand::Rng) -> u64 {
    let shift = random.u32(0..64);
    random.u64(..) >> shift
}
