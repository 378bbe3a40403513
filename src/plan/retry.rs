//! Whether and when a failed attempt is made again. A retry is a value, not a sleep: the caller
//! waits, and brings the clock and the random number.

mod after;
mod past;
mod refusals;
mod source;

pub use after::{After, Moment, Then, after};
pub use past::of_row;
pub use refusals::{Refusals, Tally};
pub use source::is_of_source;

use crate::fault::{Cause, DiskProblem, Fault, WrongDigest};
use crate::http::RetryAfter;
use crate::limits;

/// When and how often a job is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Attempts after the first one.
    pub retries_max: u32,
    /// First step of the exponential back-off, in milliseconds.
    pub delay_base_ms: u64,
    /// Longest step of the back-off, in milliseconds.
    pub delay_max_ms: u64,
    /// Longest `Retry-After` obeyed, in milliseconds; above it the job fails.
    pub retry_after_max_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            retries_max: limits::RETRIES_DEFAULT,
            delay_base_ms: limits::RETRY_DELAY_DEFAULT_MS,
            delay_max_ms: limits::RETRY_DELAY_MAX_MS,
            retry_after_max_ms: limits::RETRY_AFTER_MAX_MS,
        }
    }
}

/// Whether another attempt can help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The next attempt may well succeed.
    Transient,
    /// The next attempt of this run would fail in the same way, and one of a later run may well
    /// succeed.
    Later,
    /// The next attempt would fail in the same way, and so would one of a later run.
    Permanent,
}

/// Decision after a failed attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// Try again after this time.
    Retry {
        /// Milliseconds from now.
        after_ms: u64,
    },
    /// The fault is final.
    GiveUp,
    /// The job fails with [`Cause::RetryAfterTooLong`]: it could be tried again, but the server
    /// asks for a longer wait than the policy allows.
    RetryAfterTooLong {
        /// Wait that the server asked for, in seconds.
        seconds: u64,
    },
}

/// Decides after attempt number `attempt` (from 1) failed with `fault`.
///
/// The back-off doubles with every attempt and is capped; the wait is a random part of it ("full
/// jitter": many jobs that failed together do not come back together). `retry_after_ms` is what the
/// server asked for: the wait is never shorter, and a little longer at random. `random` is any
/// 64-bit random number.
pub fn decide(
    fault: &Fault,
    attempt: u32,
    retry_after_ms: Option<u64>,
    random: u64,
    policy: &Policy,
) -> Decision {
    if class(&fault.cause) != Class::Transient || attempt > policy.retries_max {
        return Decision::GiveUp;
    }
    let backoff_ms = backoff_ms(attempt, policy);
    let jitter_ms = part_of(backoff_ms, random);
    let Some(asked_ms) = retry_after_ms else {
        return Decision::Retry { after_ms: jitter_ms };
    };
    if asked_ms > policy.retry_after_max_ms {
        return Decision::RetryAfterTooLong { seconds: asked_ms.div_ceil(1_000) };
    }
    let spread_ms = backoff_ms.min(RETRY_AFTER_SPREAD_MIN_MS.max(asked_ms / 10));
    let after_ms = asked_ms.saturating_add(part_of(spread_ms, random)).max(jitter_ms);
    Decision::Retry { after_ms }
}

/// `Retry-After` as milliseconds from `now_unix_s`; `None` for a date that is past.
pub fn retry_after_ms(value: RetryAfter, now_unix_s: u64) -> Option<u64> {
    let seconds = match value {
        RetryAfter::Seconds(seconds) => seconds,
        RetryAfter::Date(date) => date.checked_sub(now_unix_s).filter(|seconds| *seconds > 0)?,
    };
    Some(seconds.saturating_mul(1_000))
}

/// The class of a cause.
pub fn class(cause: &Cause) -> Class {
    match cause {
        // The network, or a server in trouble: later may be better.
        Cause::ResolveFailed
        | Cause::Timeout
        | Cause::TooSlow
        | Cause::Refused
        | Cause::Unreachable
        | Cause::HostDown
        | Cause::HostRefuses
        | Cause::Reset
        | Cause::Closed
        | Cause::Socket(_)
        | Cause::Truncated { .. } => Class::Transient,
        // Bytes that were damaged on their way, or by one of many servers behind a name, come
        // right; what comes twice in the same way is another file.
        Cause::Checksum(WrongDigest::First) => Class::Transient,
        Cause::Checksum(WrongDigest::Again) => Class::Later,
        // The next attempt begins with the new file.
        Cause::Changed => Class::Transient,
        // A server that does not keep to ranges goes on so, and a later run asks for all of it.
        Cause::Range => Class::Later,
        // Our own limits: other jobs give back what this one lacked.
        Cause::Resources(_) => Class::Transient,
        Cause::Status(status) => class_of_status(*status),
        // What the proxy met on its way may pass; a rule of the proxy stays for this run.
        Cause::ProxyStatus(status) => match class_of_status(*status) {
            Class::Transient => Class::Transient,
            Class::Later | Class::Permanent => Class::Later,
        },
        Cause::Socks(1 | 3 | 4 | 5 | 6) => Class::Transient,
        Cause::Socks(_) => Class::Later,
        Cause::ProxyAuth | Cause::ProxyProtocol => Class::Permanent,
        Cause::RobotsUnreachable => Class::Transient,
        Cause::DuplicateUrl | Cause::DuplicateBody | Cause::RobotsDisallowed | Cause::RobotsTag => {
            Class::Permanent
        }
        // A name may be made, and a full disk is not emptied by filling it again.
        Cause::NameNotFound => Class::Later,
        Cause::Disk(DiskProblem::NoSpace | DiskProblem::Quota) => Class::Later,
        // The job's time is over, or the run is.
        Cause::JobTimeout | Cause::RetryAfterTooLong { .. } | Cause::Interrupted => Class::Later,
        // Nothing of this changes by asking again.
        Cause::Input(_)
        | Cause::PrivateAddress
        | Cause::Certificate(_)
        | Cause::ClientCertificate
        | Cause::TlsProtocol
        | Cause::Protocol(_)
        | Cause::Coding(_)
        | Cause::TooLarge { .. }
        | Cause::Redirects { .. }
        | Cause::Location
        | Cause::Downgrade
        | Cause::Disk(_)
        | Cause::Panic => Class::Permanent,
    }
}

/// Class of a status: Request Timeout, Too Early, Too Many Requests, the gateway family, and two of
/// Cloudflare's (no connection to, no answer from the origin) are transient.
fn class_of_status(status: u16) -> Class {
    match status {
        408 | 425 | 429 | 500 | 502 | 503 | 504 | 522 | 524 => Class::Transient,
        _ => Class::Permanent,
    }
}

/// `delay_base_ms` doubled for every attempt after the first, up to `delay_max_ms`.
fn backoff_ms(attempt: u32, policy: &Policy) -> u64 {
    let doublings = attempt.saturating_sub(1).min(u64::BITS - 1);
    policy.delay_base_ms.saturating_mul(1 << doublings).min(policy.delay_max_ms)
}

/// A number from 0 to `limit`, both included, each as likely.
fn part_of(limit: u64, random: u64) -> u64 {
    let scaled = (u128::from(limit) + 1) * u128::from(random);
    // The product is below (limit + 1) * 2^64, so its upper half fits.
    u64::try_from(scaled >> 64).unwrap_or(limit)
}

/// Jobs that wait for the same `Retry-After` come back over at least this time, in milliseconds, as
/// far as the back-off allows it.
const RETRY_AFTER_SPREAD_MIN_MS: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Stage;
    use crate::fault::tests::every_fault;
    use proptest::prelude::*;

    const POLICY: Policy = Policy {
        retries_max: 3,
        delay_base_ms: 1_000,
        delay_max_ms: 3_000,
        retry_after_max_ms: 300_000,
    };

    /// The whole table. To change a line here is to change what users wait for.
    const CLASSES: &str = "\
Input(LineTooLong) Permanent
Input(NotUtf8) Permanent
Input(Url) Permanent
Input(Scheme) Permanent
Input(Control) Permanent
Input(Backslash) Permanent
Input(HostEmpty) Permanent
Input(HostPercent) Permanent
Input(Host) Permanent
Input(Port) Permanent
Input(Userinfo) Permanent
Input(Name) Permanent
Input(Option) Permanent
Input(Checksum) Permanent
Input(Record) Permanent
NameNotFound Later
ResolveFailed Transient
Timeout Transient
JobTimeout Later
TooSlow Transient
PrivateAddress Permanent
Refused Transient
Unreachable Transient
HostDown Transient
Reset Transient
Closed Transient
Socket(22) Transient
Certificate(Expired) Permanent
Certificate(NotYetValid) Permanent
Certificate(UnknownIssuer) Permanent
Certificate(WrongName) Permanent
Certificate(Pin) Permanent
Certificate(Other) Permanent
ClientCertificate Permanent
TlsProtocol Permanent
Protocol(Version) Permanent
Protocol(StatusLine) Permanent
Protocol(FieldName) Permanent
Protocol(FieldValue) Permanent
Protocol(Line) Permanent
Protocol(HeadTooLarge) Permanent
Protocol(HeadFieldsTooMany) Permanent
Protocol(InterimTooMany) Permanent
Protocol(SwitchingProtocols) Permanent
Protocol(TransferEncoding) Permanent
Protocol(ContentLength) Permanent
Protocol(ContentLengthsDiffer) Permanent
Protocol(ChunkSize) Permanent
Protocol(ChunkSizeTooLarge) Permanent
Protocol(ChunkExtensionTooLarge) Permanent
Protocol(ChunkEnd) Permanent
Protocol(Trailer) Permanent
Truncated { got: 9, want: None } Transient
Truncated { got: 9, want: Some(10) } Transient
Coding(Damaged) Permanent
Coding(EndsEarly) Permanent
Coding(Garbage) Permanent
Coding(Bomb) Permanent
Checksum(First) Transient
Checksum(Again) Later
Range Later
Changed Transient
TooLarge { limit: 1024 } Permanent
Status(401) Permanent
Status(407) Permanent
Status(404) Permanent
RetryAfterTooLong { seconds: 86400 } Later
HostRefuses Transient
Redirects { limit: 20 } Permanent
Location Permanent
Downgrade Permanent
DuplicateUrl Permanent
DuplicateBody Permanent
RobotsDisallowed Permanent
RobotsTag Permanent
RobotsUnreachable Transient
ProxyStatus(401) Later
ProxyStatus(407) Later
ProxyStatus(502) Transient
Socks(1) Transient
Socks(2) Later
Socks(3) Transient
Socks(4) Transient
Socks(5) Transient
Socks(6) Transient
Socks(7) Later
Socks(8) Later
Socks(9) Later
ProxyAuth Permanent
ProxyProtocol Permanent
Disk(NoSpace) Later
Disk(Quota) Later
Disk(FileTooLarge) Permanent
Disk(ReadOnly) Permanent
Disk(Denied) Permanent
Disk(NoDirectory) Permanent
Disk(NotAFile) Permanent
Disk(Exists) Permanent
Disk(InUse) Permanent
Disk(Locked) Permanent
Disk(Name) Permanent
Disk(Io) Permanent
Disk(Lost) Permanent
Disk(Other(40)) Permanent
Resources(24) Transient
Resources(12) Transient
Interrupted Later
Panic Permanent
Transient statuses: [408, 425, 429, 500, 502, 503, 504, 522, 524]
";

    #[test]
    fn every_cause_has_its_class() {
        let mut actual = String::new();
        for fault in every_fault() {
            let line = format!("{:?} {:?}\n", fault.cause, class(&fault.cause));
            // What is met in several stages is met in one after the other.
            if !actual.ends_with(&line) {
                actual += &line;
            }
        }
        let is_transient = |s: &u16| class(&Cause::Status(*s)) == Class::Transient;
        let statuses: Vec<u16> = (0..=u16::MAX).filter(is_transient).collect();
        actual += &format!("Transient statuses: {statuses:?}\n");
        assert_eq!(actual, CLASSES);
    }

    fn decide_reset(attempt: u32, retry_after_ms: Option<u64>, random: u64) -> Decision {
        decide(&Fault::new(Stage::Head, Cause::Reset), attempt, retry_after_ms, random, &POLICY)
    }

    #[test]
    fn the_back_off_doubles_is_capped_and_ends() {
        let longest = |attempt| decide_reset(attempt, None, u64::MAX);
        assert_eq!(longest(1), Decision::Retry { after_ms: 1_000 });
        assert_eq!(longest(2), Decision::Retry { after_ms: 2_000 });
        assert_eq!(longest(3), Decision::Retry { after_ms: 3_000 });
        assert_eq!(longest(4), Decision::GiveUp);
        assert_eq!(decide_reset(3, None, 0), Decision::Retry { after_ms: 0 });
        assert_eq!(decide_reset(2, None, 1 << 63), Decision::Retry { after_ms: 1_000 });
        let fault = Fault::new(Stage::Head, Cause::Status(404));
        assert_eq!(decide(&fault, 1, Some(1), 0, &POLICY), Decision::GiveUp);
    }

    #[test]
    fn retry_after_is_a_floor_with_a_cap() {
        assert_eq!(decide_reset(1, Some(5_000), 0), Decision::Retry { after_ms: 5_000 });
        assert_eq!(decide_reset(1, Some(5_000), u64::MAX), Decision::Retry { after_ms: 6_000 });
        assert_eq!(decide_reset(2, Some(0), u64::MAX), Decision::Retry { after_ms: 2_000 });
        assert_eq!(decide_reset(1, Some(300_000), 0), Decision::Retry { after_ms: 300_000 });
        let too_long = Decision::RetryAfterTooLong { seconds: 301 };
        assert_eq!(decide_reset(1, Some(300_001), 0), too_long);
        assert_eq!(decide_reset(4, Some(300_001), 0), Decision::GiveUp);
    }

    #[test]
    fn retry_after_counts_from_now() {
        let now = 1_700_000_000;
        assert_eq!(retry_after_ms(RetryAfter::Seconds(7), now), Some(7_000));
        assert_eq!(retry_after_ms(RetryAfter::Seconds(0), now), Some(0));
        assert_eq!(retry_after_ms(RetryAfter::Seconds(u64::MAX), now), Some(u64::MAX));
        assert_eq!(retry_after_ms(RetryAfter::Date(now + 2), now), Some(2_000));
        assert_eq!(retry_after_ms(RetryAfter::Date(now), now), None);
        assert_eq!(retry_after_ms(RetryAfter::Date(now - 1), now), None);
        assert_eq!(retry_after_ms(RetryAfter::Date(0), now), None);
        assert_eq!(retry_after_ms(RetryAfter::Date(u64::MAX), 0), Some(u64::MAX));
        // As many seconds as cannot be told in milliseconds are still too many.
        let asked_ms = retry_after_ms(RetryAfter::Seconds(u64::MAX), now);
        assert!(matches!(decide_reset(1, asked_ms, 0), Decision::RetryAfterTooLong { .. }));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_wait_is_within_its_bounds(
            attempt in any::<u32>(),
            retry_after in prop::option::of(0_u64..400_000),
            random in any::<u64>(),
            (base, max) in (any::<u64>(), any::<u64>()),
        ) {
            let policy = Policy {
                retries_max: u32::MAX,
                delay_base_ms: base,
                delay_max_ms: max,
                ..POLICY
            };
            let fault = Fault::new(Stage::Head, Cause::Status(503));
            match decide(&fault, attempt, retry_after, random, &policy) {
                Decision::Retry { after_ms } => {
                    let floor = retry_after.unwrap_or(0);
                    let spread = max.min(1_000.max(floor / 10));
                    prop_assert!(after_ms >= floor && after_ms <= max.max(floor + spread));
                }
                Decision::RetryAfterTooLong { seconds } => {
                    prop_assert!(retry_after.is_some_and(|ms| ms > 300_000));
                    prop_assert!(seconds > 300);
                }
                Decision::GiveUp => prop_assert!(false, "attempts are left"),
            }
        }
    }
}
