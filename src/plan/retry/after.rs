//! What follows from a failed attempt for its job and its host.

use super::{Class, Decision, Policy, class, decide, retry_after_ms};
use crate::fault::{Cause, Fault, Stage};
use crate::http::RetryAfter;
use crate::plan::schedule::HostSignal;

/// The circumstances of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The date, in seconds since the Unix epoch.
    pub unix_s: u64,
    /// How long the job may wait for another attempt at most, in milliseconds; with 0 none follows.
    pub left_ms: u64,
    /// How long a look-up that failed is known, in milliseconds: before that, another attempt would
    /// only hear the same again.
    pub lookup_known_ms: u64,
    /// Any 64-bit random number.
    pub random: u64,
}

/// What follows from a failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    /// What becomes of the job.
    pub then: Then,
    /// What the server asked of us, which is more than what the failure says about its host.
    pub asked: Option<HostSignal>,
    /// How long nothing begins at the host of the job, in milliseconds.
    pub pause_ms: Option<u64>,
}

/// What becomes of the job of a failed attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Another attempt follows this fault, in so many milliseconds.
    Retry(Fault, u64),
    /// The job fails of this.
    Fail(Fault),
}

/// Decides after an attempt failed; it was number `attempt` of those that count, from 1.
/// `retry_after` is what the server said about another one.
pub fn after(
    fault: Fault,
    attempt: u32,
    retry_after: Option<RetryAfter>,
    moment: &Moment,
    policy: &Policy,
) -> After {
    let asked_ms = retry_after
        .filter(|_| class(&fault.cause) == Class::Transient)
        .and_then(|value| retry_after_ms(value, moment.unix_s));
    let is_for_host = fault.cause == Cause::Status(429);
    let asked = asked_ms.map(|asked_ms| HostSignal::Busy { asked_ms: Some(asked_ms), is_for_host });
    let then = match decide(&fault, attempt, asked_ms, moment.random, policy) {
        Decision::Retry { after_ms } => {
            let is_of_name = fault.stage == Stage::Resolve;
            let after_ms = after_ms.max(if is_of_name { moment.lookup_known_ms } else { 0 });
            match after_ms < moment.left_ms {
                true => return After { then: Then::Retry(fault, after_ms), asked, pause_ms: None },
                false => Then::Fail(fault),
            }
        }
        Decision::GiveUp => Then::Fail(fault),
        Decision::RetryAfterTooLong { seconds } => {
            Then::Fail(Fault::new(Stage::Head, Cause::RetryAfterTooLong { seconds }))
        }
    };
    // The job fails at once: a list must not stand still because one URL of it asks for that. What
    // the host asks for itself, up to the maximum, holds whatever becomes of the job.
    let pause_ms = asked_ms.map(|asked_ms| asked_ms.min(policy.delay_base_ms));
    After { then, asked: asked.filter(|_| is_for_host), pause_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        retries_max: 3,
        delay_base_ms: 1_000,
        delay_max_ms: 3_000,
        retry_after_max_ms: 300_000,
    };
    /// The longest wait within the back-off, and all the time there is.
    const MOMENT: Moment =
        Moment { unix_s: 1_000, left_ms: u64::MAX, lookup_known_ms: 1_500, random: u64::MAX };

    /// What follows, in words: the wait or the code of the fault, what is asked, the pause.
    fn told(fault: Fault, attempt: u32, retry_after: Option<u64>, moment: &Moment) -> String {
        let retry_after = retry_after.map(RetryAfter::Seconds);
        let After { then, asked, pause_ms } = after(fault, attempt, retry_after, moment, &POLICY);
        let mut told = match then {
            Then::Retry(_, after_ms) => format!("retry in {after_ms}"),
            Then::Fail(fault) => fault.code().to_owned(),
        };
        match asked {
            Some(HostSignal::Busy { asked_ms: Some(ms), is_for_host: true }) => {
                told += &format!(", host asks for {ms}");
            }
            Some(HostSignal::Busy { asked_ms: Some(ms), .. }) => {
                told += &format!(", asks for {ms}")
            }
            asked => assert_eq!(asked, None),
        }
        if let Some(ms) = pause_ms {
            told += &format!(", pause of {ms}");
        }
        told
    }

    #[test]
    fn a_failure_leads_to_another_attempt_or_to_a_row() {
        let hurried = Moment { left_ms: 1_000, ..MOMENT };
        let reset = || Fault::new(Stage::Head, Cause::Reset);
        let lookup = || Fault::new(Stage::Resolve, Cause::ResolveFailed);
        let status = |status| Fault::new(Stage::Head, Cause::Status(status));
        let table = [
            (reset(), 1, None, MOMENT, "retry in 1000"),
            (reset(), 3, None, MOMENT, "retry in 3000"),
            (reset(), 4, None, MOMENT, "head.reset"),
            // A wait must be over before the job is.
            (reset(), 1, None, hurried, "head.reset"),
            // Until then, the name servers are not asked again.
            (lookup(), 1, None, MOMENT, "retry in 1500"),
            (lookup(), 3, None, MOMENT, "retry in 3000"),
            (status(404), 1, Some(7), MOMENT, "http.status"),
            (status(503), 1, Some(5), MOMENT, "retry in 6000, asks for 5000"),
            (status(429), 1, Some(2), MOMENT, "retry in 3000, host asks for 2000"),
            // The job fails, and what it heard speaks for the host only with 429.
            (status(503), 4, Some(5), MOMENT, "http.status, pause of 1000"),
            (status(503), 1, Some(5), hurried, "http.status, pause of 1000"),
            (status(429), 4, Some(0), MOMENT, "http.status, host asks for 0, pause of 0"),
            (
                status(429),
                1,
                Some(301),
                MOMENT,
                "http.retry_after, host asks for 301000, pause of 1000",
            ),
        ];
        for (fault, attempt, retry_after, moment, wanted) in table {
            let label = format!("{fault} {attempt} {retry_after:?} {}", moment.left_ms);
            assert_eq!(told(fault, attempt, retry_after, &moment), wanted, "{label}");
        }
    }

    #[test]
    fn the_fault_before_another_attempt_is_kept() {
        let fault = Fault::new(Stage::Head, Cause::Reset);
        let after = after(fault.clone(), 1, None, &MOMENT, &POLICY);
        assert_eq!(after.then, Then::Retry(fault, 1_000));
    }
}
