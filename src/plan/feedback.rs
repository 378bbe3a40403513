//! What an attempt says about the host it went to.

use super::proxy::Route;
use super::schedule::HostSignal;
use crate::fault::{Cause, Fault, Stage};

/// What an attempt saw of its host.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Seen {
    /// The head of a response came.
    pub has_head: bool,
    /// There was an address that took its connection, or refused it.
    pub has_peer: bool,
    /// What the opening of its connection took, in milliseconds.
    pub opening_ms: u64,
    /// From the request to the first byte of the answer, in milliseconds.
    pub starttransfer_ms: u64,
}

impl Seen {
    /// The signal of an answer that a host at ease gives.
    pub fn good(&self) -> HostSignal {
        let Self { starttransfer_ms, opening_ms, .. } = *self;
        HostSignal::Good { starttransfer_ms, opening_ms }
    }

    /// The signal of an attempt that ended without a fault of anybody, after its answer or before
    /// it asked for anything.
    pub fn left(&self) -> HostSignal {
        if self.has_head { self.good() } else { HostSignal::Unasked }
    }

    /// The signal of an attempt that failed, by this way to its host. `Retry-After` is not read
    /// here: [`super::retry::after`] does.
    pub fn failed(&self, fault: &Fault, route: Route<'_>) -> HostSignal {
        match blame(fault, route) {
            Blame::Nobody => self.good(),
            Blame::Host(signal) => signal,
            // The host has answered whatever happened here afterwards.
            Blame::Us if self.has_head => HostSignal::Answered,
            Blame::Us if !self.has_peer => HostSignal::Unasked,
            Blame::Us => HostSignal::Nothing,
        }
    }
}

/// The side that a failure is put down to.
#[derive(Clone, Copy, Debug)]
enum Blame {
    /// No one: the answer is one like any other.
    Nobody,
    /// The host, which gives this signal whatever else happened.
    Host(HostSignal),
    /// Us, our proxy, or the list.
    Us,
}

fn blame(fault: &Fault, route: Route<'_>) -> Blame {
    let unreachable = Blame::Host(HostSignal::Unreachable { code: fault.code() });
    let cut = Blame::Host(HostSignal::Cut);
    let answered = Blame::Host(HostSignal::Answered);
    // A proxy that cannot be reached says nothing about the host.
    let of_way = |blame| if route.proxy().is_some() { Blame::Us } else { blame };
    match &fault.cause {
        Cause::Status(429 | 503) => {
            Blame::Host(HostSignal::Busy { asked_ms: None, is_for_host: false })
        }
        Cause::Status(status) if *status < 500 => Blame::Nobody,
        Cause::Status(_) => answered,
        Cause::NameNotFound => of_way(Blame::Host(HostSignal::Nameless)),
        Cause::ResolveFailed | Cause::Refused | Cause::Unreachable => of_way(unreachable),
        Cause::Timeout | Cause::Reset | Cause::Closed | Cause::Socket(_) => match fault.stage {
            Stage::Resolve | Stage::Connect => of_way(unreachable),
            Stage::Tls | Stage::Send | Stage::Head | Stage::Body => cut,
            Stage::Input | Stage::Write => Blame::Us,
        },
        Cause::Truncated { .. } | Cause::TooSlow => cut,
        // The proxy says that it could not reach the host.
        Cause::ProxyStatus(502..=504) | Cause::Socks(3..=6) => unreachable,
        Cause::ProxyStatus(_) | Cause::Socks(_) | Cause::ProxyAuth | Cause::ProxyProtocol => {
            Blame::Us
        }
        Cause::Certificate(_)
        | Cause::ClientCertificate
        | Cause::TlsProtocol
        | Cause::Protocol(_)
        | Cause::Coding(_)
        | Cause::Checksum(_)
        | Cause::Range
        | Cause::Changed
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
        | Cause::DuplicateUrl
        | Cause::DuplicateBody
        | Cause::RobotsUnreachable
        | Cause::Disk(_)
        | Cause::Resources(_)
        | Cause::Interrupted
        | Cause::Panic => Blame::Us,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::proxy::{NamesBy, Proxy};

    /// Nothing was sent, a connection was made, a head came.
    const SEEN: [Seen; 3] = [
        Seen { has_head: false, has_peer: false, opening_ms: 0, starttransfer_ms: 0 },
        Seen { has_head: false, has_peer: true, opening_ms: 5, starttransfer_ms: 0 },
        Seen { has_head: true, has_peer: true, opening_ms: 5, starttransfer_ms: 7 },
    ];
    const GOOD: HostSignal = HostSignal::Good { starttransfer_ms: 7, opening_ms: 5 };

    fn failed(stage: Stage, cause: Cause, route: Route<'_>) -> [HostSignal; 3] {
        SEEN.map(|seen| seen.failed(&Fault::new(stage, cause.clone()), route))
    }

    #[test]
    fn failures_say_what_the_host_is_like() {
        let unreachable = |code| [HostSignal::Unreachable { code }; 3];
        let ours = [HostSignal::Unasked, HostSignal::Nothing, HostSignal::Answered];
        let (cut, answered) = ([HostSignal::Cut; 3], [HostSignal::Answered; 3]);
        let busy = [HostSignal::Busy { asked_ms: None, is_for_host: false }; 3];
        let table = [
            (Stage::Connect, Cause::Refused, unreachable("connect.refused")),
            (Stage::Connect, Cause::Timeout, unreachable("connect.timeout")),
            (Stage::Connect, Cause::Unreachable, unreachable("connect.unreachable")),
            (Stage::Resolve, Cause::Timeout, unreachable("resolve.timeout")),
            (Stage::Resolve, Cause::ResolveFailed, unreachable("resolve.failed")),
            (Stage::Resolve, Cause::NameNotFound, [HostSignal::Nameless; 3]),
            (Stage::Tls, Cause::Timeout, cut),
            (Stage::Send, Cause::Reset, cut),
            (Stage::Head, Cause::Closed, cut),
            (Stage::Body, Cause::Socket(5), cut),
            (Stage::Body, Cause::Truncated { got: 1, want: None }, cut),
            (Stage::Body, Cause::TooSlow, cut),
            (Stage::Write, Cause::Timeout, ours),
            (Stage::Head, Cause::Status(429), busy),
            (Stage::Head, Cause::Status(503), busy),
            (Stage::Head, Cause::Status(500), answered),
            (Stage::Tls, Cause::TlsProtocol, answered),
            (Stage::Head, Cause::Downgrade, answered),
            (Stage::Connect, Cause::ProxyStatus(502), unreachable("connect.proxy_status")),
            (Stage::Connect, Cause::ProxyStatus(403), ours),
            (Stage::Connect, Cause::Socks(5), unreachable("connect.socks")),
            (Stage::Connect, Cause::Socks(2), ours),
            (Stage::Connect, Cause::Resources(24), ours),
            (Stage::Connect, Cause::JobTimeout, ours),
            (Stage::Head, Cause::Interrupted, ours),
        ];
        for (stage, cause, wanted) in table {
            let told = format!("{stage:?} {cause:?}");
            assert_eq!(failed(stage, cause, Route::Direct), wanted, "{told}");
        }
        assert_eq!(failed(Stage::Head, Cause::Status(404), Route::Direct)[2], GOOD);
    }

    #[test]
    fn a_proxy_that_cannot_be_reached_says_nothing_about_the_host() {
        let proxy = Proxy::parse("http://proxy.example:3128").unwrap();
        let ours = [HostSignal::Unasked, HostSignal::Nothing, HostSignal::Answered];
        for route in [
            Route::HttpForward(&proxy),
            Route::Tunnel(&proxy),
            Route::Socks5(&proxy, NamesBy::Us),
            Route::Socks5(&proxy, NamesBy::Proxy),
        ] {
            assert_eq!(failed(Stage::Connect, Cause::Refused, route), ours);
            assert_eq!(failed(Stage::Resolve, Cause::NameNotFound, route), ours);
            assert_eq!(failed(Stage::Connect, Cause::Timeout, route), ours);
            // What is behind the proxy is the host's.
            assert_eq!(failed(Stage::Head, Cause::Timeout, route), [HostSignal::Cut; 3]);
            let code = "connect.proxy_status";
            let told = failed(Stage::Connect, Cause::ProxyStatus(504), route);
            assert_eq!(told, [HostSignal::Unreachable { code }; 3]);
        }
    }

    #[test]
    fn what_was_left_alone_is_a_good_answer_or_none() {
        assert_eq!(SEEN.map(|seen| seen.left()), [HostSignal::Unasked, HostSignal::Unasked, GOOD]);
        assert_eq!(SEEN[2].good(), GOOD);
    }
}
