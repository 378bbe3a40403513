//! What an attempt says about the host it went to.

use crate::engine::attempt::fetch::Outcome;
use crate::engine::attempt::task::Task;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::proxy::Route;
use crate::plan::schedule::Sign;
use std::time::Duration;

/// The sign of an attempt. How long a host asks for is known to whom decides about another attempt.
pub(crate) fn sign(task: &Task, outcome: &Outcome, route: Route<'_>) -> Sign {
    let last = task.story.as_ref().map(|story| &story.last);
    match outcome {
        Outcome::Done(_) | Outcome::Redirect(_) => good(task),
        Outcome::Skipped | Outcome::Refused(_) if last.is_some_and(|last| last.head.is_some()) => {
            good(task)
        }
        Outcome::Skipped | Outcome::Refused(_) | Outcome::Unresolved | Outcome::Waiting => {
            Sign::Unasked
        }
        Outcome::Failed(fault, _) => match failed(fault, route) {
            Verdict::Good => good(task),
            Verdict::Sign(sign) => sign,
            // The host has answered whatever happened here afterwards.
            Verdict::Ours if last.is_some_and(|last| last.head.is_some()) => Sign::Answered,
            Verdict::Ours if last.is_none_or(|last| last.remote_ip.is_none()) => Sign::Unasked,
            Verdict::Ours => Sign::Nothing,
        },
    }
}

/// What a failure says.
enum Verdict {
    /// It is an answer like any other.
    Good,
    /// This, whatever else happened.
    Sign(Sign),
    /// It is no fault of the host.
    Ours,
}

fn failed(fault: &Fault, route: Route<'_>) -> Verdict {
    let unreachable = Verdict::Sign(Sign::Unreachable { code: fault.code() });
    let cut = Verdict::Sign(Sign::Cut);
    let answered = Verdict::Sign(Sign::Answered);
    match &fault.cause {
        Cause::Status(429 | 503) => {
            Verdict::Sign(Sign::Busy { asked_ms: None, is_for_host: false })
        }
        Cause::Status(status) if *status < 500 => Verdict::Good,
        Cause::Status(_) => answered,
        Cause::NameNotFound => of_way(Verdict::Sign(Sign::Nameless), route),
        Cause::ResolveFailed | Cause::Refused | Cause::Unreachable => of_way(unreachable, route),
        Cause::Timeout | Cause::Reset | Cause::Closed | Cause::Socket(_) => match fault.stage {
            Stage::Resolve | Stage::Connect => of_way(unreachable, route),
            Stage::Tls | Stage::Send | Stage::Head | Stage::Body => cut,
            Stage::Input | Stage::Write => Verdict::Ours,
        },
        Cause::Truncated { .. } | Cause::TooSlow => cut,
        // The proxy says that it could not reach the host.
        Cause::ProxyStatus(502..=504) | Cause::Socks(3..=6) => unreachable,
        Cause::ProxyStatus(_) | Cause::Socks(_) | Cause::ProxyAuth | Cause::ProxyProtocol => {
            Verdict::Ours
        }
        Cause::Certificate(_)
        | Cause::ClientCertificate
        | Cause::TlsProtocol
        | Cause::Protocol(_)
        | Cause::Coding(_)
        | Cause::Checksum(_)
        | Cause::TooLarge { .. }
        | Cause::Redirects { .. }
        | Cause::Location
        | Cause::Downgrade
        | Cause::RetryAfterTooLong { .. } => answered,
        Cause::Input(_)
        | Cause::JobTimeout
        | Cause::PrivateAddress
        | Cause::HostDown
        | Cause::HostRefuses
        | Cause::RobotsDisallowed
        | Cause::RobotsTag
        | Cause::RobotsUnreachable
        | Cause::Disk(_)
        | Cause::Resources(_)
        | Cause::Interrupted
        | Cause::Panic => Verdict::Ours,
    }
}

/// A proxy that cannot be reached says nothing about the host.
fn of_way(verdict: Verdict, route: Route<'_>) -> Verdict {
    match route.proxy() {
        None => verdict,
        Some(_) => Verdict::Ours,
    }
}

/// From the request to the first byte, without the opening of the connection.
fn good(task: &Task) -> Sign {
    let times = task.story.as_ref().map_or_else(Default::default, |story| story.last.times);
    let opened = times.namelookup.max(times.connect).max(times.appconnect);
    let waited = times.starttransfer.saturating_sub(opened);
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Sign::Good { starttransfer_ms: ms(waited), opening_ms: ms(opened) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_of(stage: Stage, cause: Cause) -> Option<Sign> {
        match failed(&Fault::new(stage, cause), Route::Direct) {
            Verdict::Sign(sign) => Some(sign),
            Verdict::Good | Verdict::Ours => None,
        }
    }

    #[test]
    fn failures_say_what_the_host_is_like() {
        let unreachable = |code| Some(Sign::Unreachable { code });
        assert_eq!(sign_of(Stage::Connect, Cause::Refused), unreachable("connect.refused"));
        assert_eq!(sign_of(Stage::Connect, Cause::Timeout), unreachable("connect.timeout"));
        assert_eq!(sign_of(Stage::Resolve, Cause::ResolveFailed), unreachable("resolve.failed"));
        assert_eq!(sign_of(Stage::Resolve, Cause::NameNotFound), Some(Sign::Nameless));
        for stage in [Stage::Tls, Stage::Send, Stage::Head, Stage::Body] {
            assert_eq!(sign_of(stage, Cause::Timeout), Some(Sign::Cut));
            assert_eq!(sign_of(stage, Cause::Reset), Some(Sign::Cut));
        }
        for status in [429, 503] {
            let busy = Some(Sign::Busy { asked_ms: None, is_for_host: false });
            assert_eq!(sign_of(Stage::Head, Cause::Status(status)), busy);
        }
        assert_eq!(sign_of(Stage::Head, Cause::Status(500)), Some(Sign::Answered));
        assert_eq!(sign_of(Stage::Head, Cause::Status(404)), None);
        assert_eq!(sign_of(Stage::Tls, Cause::TlsProtocol), Some(Sign::Answered));
        assert_eq!(sign_of(Stage::Connect, Cause::Resources(24)), None);
    }
}
