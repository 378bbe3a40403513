//! Whether what comes on a connection that is used again is the answer to our request.
//!
//! HTTP/1.1 tells answers apart by their order alone. A server may close a connection while it is
//! idle, say so with a 408 that nobody asked for, or send more than one answer to the request
//! before. So what comes on a kept connection is doubted where it does not look like ours; then the
//! request is sent once more, on a new connection, and costs the job no attempt (GET may be
//! repeated: RFC 9110 section 9.2.2). On a new connection there is no answer but ours.

use crate::fault::{Cause, Failure, Fault, Stage};
use crate::http::{CloseReason, Head, Reuse};
use crate::ring::conn::{Connection, Received};
use crate::ring::tcp::Waiting;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is known of how far origins can be trusted with a connection that is used again.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// The origins that sent what nobody asked for.
    talkative: Remembered,
    /// The origins that did not answer in order what was asked of them ahead.
    disorderly: Remembered,
}

/// Origins that something is remembered of.
#[derive(Debug, Default)]
struct Remembered {
    origins: Mutex<HashSet<Box<str>>>,
    /// Whether there are any: asked for every response.
    is_any: AtomicBool,
}

impl Remembered {
    fn add(&self, origin: &str) {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= REMEMBERED_MAX {
            origins.clear();
        }
        origins.insert(origin.into());
        self.is_any.store(true, Ordering::Relaxed);
    }

    fn has(&self, origin: &str) -> bool {
        self.is_any.load(Ordering::Relaxed)
            && self.origins.lock().unwrap_or_else(PoisonError::into_inner).contains(origin)
    }
}

impl Origins {
    /// The origin sends what nobody asked for: its connections are closed after one response from
    /// now on. What comes a moment too late to be seen would be taken for the next response.
    pub(crate) fn keep_none_to(&self, origin: &str) {
        self.talkative.add(origin);
    }

    /// Whether connections to this origin may be kept.
    pub(crate) fn may_keep(&self, origin: &str) -> bool {
        !self.talkative.has(origin)
    }

    /// The origin did not answer in order: it is asked for one thing at a time from now on.
    pub(crate) fn ask_singly(&self, origin: &str) {
        self.disorderly.add(origin);
    }

    /// Whether requests may be sent ahead to this origin.
    pub(crate) fn may_ask_ahead(&self, origin: &str) -> bool {
        !self.disorderly.has(origin)
    }

    /// An idle connection to this origin, if nothing has come on it since its last response. Every
    /// one is looked at, however short it was idle: bytes behind a body that was received exactly
    /// are still in the kernel, and would be taken for the next response. For `poll` see
    /// [`Connection::is_disturbed`].
    pub(crate) fn undisturbed(
        &self,
        mut connection: Connection,
        origin: &str,
        poll: u64,
    ) -> Option<Connection> {
        if !connection.is_disturbed(poll) {
            // It may be from before the origin was found out.
            return self.may_keep(origin).then_some(connection);
        }
        if connection.peek_extra(poll) == Waiting::Bytes {
            self.keep_none_to(origin);
        }
        None
    }
}

/// The doubts about the answer to one request.
#[derive(Debug)]
pub(crate) struct KeepAlive<'o> {
    origins: &'o Origins,
    origin: &'o str,
    /// Whether the connection at hand had another request before this one.
    is_reused: bool,
    /// Whether something that is not HTTP came before the answer at hand, on another connection.
    is_garbled: bool,
}

/// A response that is complete.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The connection, if it can serve another request.
    pub(crate) connection: Option<Connection>,
    /// Whether it is the answer to our request.
    pub(crate) is_ours: bool,
}

impl Ended {
    /// A response that is ours, and whose connection is closed.
    pub(crate) fn closed() -> Self {
        Self { connection: None, is_ours: true }
    }
}

impl<'o> KeepAlive<'o> {
    /// No doubt: nothing was sent to the origin so far.
    pub(crate) fn new(origins: &'o Origins, origin: &'o str) -> Self {
        Self { origins, origin, is_reused: false, is_garbled: false }
    }

    /// The request goes out on a connection that had another one before, or on a new one.
    pub(crate) fn begin(&mut self, is_reused: bool) {
        self.is_reused = is_reused;
    }

    /// Whether the server closed the connection while it was idle, or made it useless. `sent` and
    /// `received` are what came of the request and of the first receive, `unread_len` is how many
    /// bytes of an answer there are.
    pub(crate) fn was_closed(
        &self,
        sent: &Result<(), Failure>,
        received: &Result<Received, Failure>,
        unread_len: usize,
    ) -> bool {
        let is_closed = match (sent, received) {
            (_, Ok(Received::Early)) => true,
            (Err(Failure { cause: Cause::Reset, .. }), _)
            | (_, Err(Failure { cause: Cause::Reset, .. })) => true,
            (Ok(()), Ok(Received::End | Received::Cut)) => true,
            (Err(_), _) | (_, Err(_) | Ok(Received::Bytes)) => false,
        };
        if received == &Ok(Received::Early) {
            self.origins.keep_none_to(self.origin);
        }
        self.is_reused && is_closed && (unread_len == 0 || sent.is_err())
    }

    /// Whether a head is doubted: 408 is what servers say to a connection that was idle for too
    /// long (RFC 9110 section 15.5.9).
    pub(crate) fn doubts_head(&self, head: &Head) -> bool {
        self.is_reused && head.status == 408 && head.reuse != Reuse::Keep
    }

    /// Whether an answer that failed in this way is doubted: what a server sends between two
    /// responses is read as the begin of the second.
    pub(crate) fn doubts_fault(&mut self, fault: &Fault) -> bool {
        let is_garbled = matches!((fault.stage, &fault.cause), (Stage::Head, Cause::Protocol(_)));
        let is_doubted = self.is_reused && is_garbled;
        self.is_garbled |= is_doubted;
        is_doubted
    }

    /// Whether a response is doubted that is complete, of so many bytes. `behind` is what came
    /// behind it: then the server may have sent it before it had read the request. Long ones are
    /// not doubted.
    fn doubts_end(&self, size_download: u64, behind: Waiting) -> bool {
        let is_short = size_download <= DOUBT_BYTES_MAX;
        self.is_reused && is_short && matches!(behind, Waiting::Bytes | Waiting::Error)
    }

    /// Decides about a complete response of so many body bytes and its connection, of which the
    /// response says `reuse`.
    pub(crate) fn end(
        &self,
        mut connection: Connection,
        reuse: Reuse,
        size_download: u64,
        poll: u64,
    ) -> Ended {
        let behind = match reuse {
            // It is for those whose requests were sent ahead.
            Reuse::Keep if connection.has_ahead() => Waiting::Nothing,
            Reuse::Close(CloseReason::BytesAfterEnd) => Waiting::Bytes,
            // The last receive says so, but for a reset: who gives a connection up tells of that.
            Reuse::Keep if connection.is_drained(poll) => Waiting::Nothing,
            Reuse::Keep | Reuse::Close(_) if self.is_reused => connection.peek_extra(poll),
            // A fresh connection has no response but its own, and the pool looks before it is used.
            Reuse::Keep | Reuse::Close(_) => Waiting::Nothing,
        };
        if behind == Waiting::Bytes {
            self.origins.keep_none_to(self.origin);
        }
        let is_kept =
            reuse == Reuse::Keep && connection.is_reusable() && self.origins.may_keep(self.origin);
        let is_ours = !self.doubts_end(size_download, behind);
        connection.count_answer();
        Ended { connection: is_kept.then_some(connection), is_ours }
    }

    /// The answer at hand is ours. If another one was garbled, it was not this one that is broken:
    /// the origin sends what nobody asked for.
    pub(crate) fn settle(&self) {
        if self.is_garbled {
            self.origins.keep_none_to(self.origin);
        }
    }
}

/// Origins remembered for one thing; with more of them, all are forgotten.
const REMEMBERED_MAX: usize = 4_096;

/// Longest body that is asked for again when in doubt, in bytes: what is said unasked is short.
const DOUBT_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Exchange, ProtocolError, Step};

    #[test]
    fn who_sends_unasked_is_remembered_among_a_bounded_number() {
        let origins = Origins::default();
        assert!(origins.may_keep("http://a"));
        origins.keep_none_to("http://a");
        assert!(!origins.may_keep("http://a") && origins.may_keep("http://b"));
        (0..REMEMBERED_MAX).for_each(|n| origins.keep_none_to(&format!("http://{n}")));
        assert!(origins.may_keep("http://a"));
    }

    fn keep_alive(origins: &Origins, is_reused: bool) -> KeepAlive<'_> {
        let mut keep_alive = KeepAlive::new(origins, "http://a");
        keep_alive.begin(is_reused);
        keep_alive
    }

    #[test]
    fn a_kept_connection_that_brought_nothing_was_closed_while_it_was_idle() {
        let reset = || Failure::from(Cause::Reset);
        let table = [
            (Ok(()), Ok(Received::Bytes), 9, false),
            (Ok(()), Ok(Received::End), 0, true),
            (Ok(()), Ok(Received::Cut), 0, true),
            (Ok(()), Err(reset()), 0, true),
            // Part of an answer came: it is cut, and may be ours.
            (Ok(()), Ok(Received::End), 3, false),
            (Ok(()), Err(reset()), 3, false),
            // The request did not get out, so nothing answers it.
            (Err(reset()), Ok(Received::Cut), 0, true),
            (Err(reset()), Ok(Received::Bytes), 3, true),
            (Ok(()), Err(Cause::Timeout.into()), 0, false),
            (Err(Cause::TlsProtocol.into()), Ok(Received::Cut), 0, false),
            // Whatever it was, it came before the request.
            (Ok(()), Ok(Received::Early), 0, true),
        ];
        let origins = Origins::default();
        for (sent, received, unread_len, is_closed) in table {
            let told = format!("{sent:?} {received:?} {unread_len}");
            let was_closed = |is_reused| {
                keep_alive(&origins, is_reused).was_closed(&sent, &received, unread_len)
            };
            assert_eq!(was_closed(true), is_closed, "{told}");
            assert!(!was_closed(false), "{told}: a fresh one is ours");
        }
    }

    #[test]
    fn a_408_that_closes_is_for_an_idle_connection() {
        let origins = Origins::default();
        let doubted = |is_reused, head: &str| {
            let mut bytes = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").into_bytes();
            let Ok(Step::Head { head, .. }) = Exchange::new().receive(&mut bytes) else {
                panic!("{head}");
            };
            keep_alive(&origins, is_reused).doubts_head(&head)
        };
        assert!(doubted(true, "408 x\r\nConnection: close"));
        assert!(!doubted(false, "408 x\r\nConnection: close"));
        assert!(!doubted(true, "408 x") && !doubted(true, "400 x\r\nConnection: close"));
    }

    #[test]
    fn an_origin_is_not_trusted_once_a_garbled_answer_was_followed_by_a_good_one() {
        let origins = Origins::default();
        let garbled = Fault::new(Stage::Head, Cause::Protocol(ProtocolError::StatusLine));
        let reset = Fault::new(Stage::Head, Cause::Reset);
        let late = Fault { stage: Stage::Body, ..garbled.clone() };
        let mut fresh = keep_alive(&origins, false);
        let mut kept = keep_alive(&origins, true);
        assert!(!fresh.doubts_fault(&garbled) && !kept.doubts_fault(&reset));
        assert!(!kept.doubts_fault(&late));
        fresh.settle();
        kept.settle();
        assert!(origins.may_keep("http://a"));
        assert!(kept.doubts_fault(&garbled));
        assert!(origins.may_keep("http://a"), "it may be the answer that is broken");
        kept.begin(false);
        kept.settle();
        assert!(!origins.may_keep("http://a"));
    }

    #[test]
    fn short_answers_are_doubted_when_something_came_behind_them() {
        use Waiting::{Bytes, End, Error, Nothing};
        let origins = Origins::default();
        let (fresh, kept) = (keep_alive(&origins, false), keep_alive(&origins, true));
        for (size, behind, is_doubted) in [
            (0, Nothing, false),
            (0, End, false),
            (0, Bytes, true),
            (DOUBT_BYTES_MAX, Error, true),
            (DOUBT_BYTES_MAX + 1, Bytes, false),
        ] {
            assert_eq!(kept.doubts_end(size, behind), is_doubted, "{size} {behind:?}");
            assert!(!fresh.doubts_end(size, behind), "{size} {behind:?}");
        }
    }
}
