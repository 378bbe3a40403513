//! What attempts say about their hosts.

/// What an attempt says about its host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HostSignal {
    /// An answer that a host at ease gives; a redirect and 404 are such answers.
    Good {
        /// Time from the request to the first byte of the answer, in milliseconds.
        starttransfer_ms: u64,
        /// Time that the opening of its connection took before, in milliseconds.
        opening_ms: u64,
    },
    /// Any other answer: the host is there, and no more is known.
    Answered,
    /// 429, 503, or an answer that asks for a wait.
    Busy {
        /// Wait that the host asks for (`Retry-After`), in milliseconds.
        asked_ms: Option<u64>,
        /// Whether the answer speaks for the whole host (429 with `Retry-After`): nothing begins
        /// there before. Otherwise it may be about one URL.
        is_for_host: bool,
    },
    /// An established connection was reset, cut short or silent for too long.
    Cut,
    /// No connection came about, or the name servers failed.
    Unreachable {
        /// The code of the fault, for people.
        code: &'static str,
    },
    /// The host's name does not exist. That is an answer, known for a while and free for all other
    /// jobs of the host: each can say so at once. Nothing was sent.
    Nameless,
    /// Nothing was sent: the attempt counts towards no rate.
    Unasked,
    /// The attempt ended for a reason of ours, which says nothing about the host.
    Nothing,
}

/// State of a host when a grant began, which its feedback comes back with: a stretch of the host's
/// time within which all failures are one, and how much was asked of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Round {
    pub(super) number: u32,
    /// Jobs of the host in flight, this one included.
    pub(super) in_flight: u32,
    /// Whether the host's window was full with it.
    pub(super) is_full: bool,
    pub(super) began_ms: u64,
}
