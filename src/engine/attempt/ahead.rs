//! Requests that are sent ahead of their turn (`--pipeline`; RFC 9112 section 9.3.2).
//!
//! HTTP/1.1 tells the responses on a connection apart by their order alone, so one response too
//! many or too few would give files the bodies of others. Two things keep that from happening, with
//! every server that answers in order, as it must (RFC 9112 section 9.3.2). Nothing does where a
//! server swaps answers of requests that are two apart: nothing in an answer says whose it is.
//!
//! - Of the requests that go out together the first, the third and so on ask for their target as a
//!   range, from the first byte on, and the last does not. The response to a range is 206 and those
//!   of its neighbours are 200, also where another group follows: one that belongs to a neighbour
//!   does not look like it.
//! - Whatever differs from what is expected ends the matter: the connection is closed, what was
//!   asked for on it is asked for singly, at no cost for the job, and nothing is sent ahead to
//!   that origin any more. Failures (4xx and 5xx) look alike, so what failed is asked for singly as
//!   well; an origin may have some of them. Those that ask for patience are taken as they are.
//!
//! A request is recognized by its bytes when its turn comes. A job that has something else to ask
//! by then gets another connection.

use crate::engine::attempt::fetch::Waiting;
use crate::engine::attempt::hops::Hops;
use crate::engine::attempt::kit::Kit;
use crate::engine::attempt::request::Request;
use crate::fault::{Cause, Failure, Fault};
use crate::http::Head;
use crate::http::request::Conditions;
use crate::plan::proxy::Route;
use crate::plan::verdict::{Answer, Ask, Instead};
use crate::ring::buf::RecvBuf;
use crate::ring::conn::{Connection, Received, SentAhead};
use std::collections::VecDeque;

/// Jobs that are to follow the one at hand on its connection, in the order of their requests.
pub(crate) type Following = VecDeque<Waiting>;

/// How the answer at hand was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// The request goes out now.
    Now {
        /// As [`SentAhead::by_range`]; others go out with it then.
        by_range: bool,
    },
    /// The request went out together with an earlier one.
    Ahead {
        /// As [`SentAhead::by_range`].
        by_range: bool,
    },
}

impl Turn {
    /// The turn of a request on a connection. `bytes` are those of `request`, which goes out by
    /// `route`; requests of jobs that follow are added to one that goes out now. What has come of
    /// the response is in `buf` then. Nothing where the connection brings something else next.
    ///
    /// # Errors
    ///
    /// A URL that cannot be sent.
    pub(crate) fn of(
        kit: &Kit,
        (request, route): (&Request<'_>, Route<'_>),
        following: &Following,
        connection: &mut Connection,
        (bytes, buf): (&mut Vec<u8>, &mut RecvBuf),
    ) -> Result<Option<Self>, Fault> {
        let Some((sent, rest)) = connection.take_turn() else {
            // Only who asks for all of a file gets it by a range.
            let asks_for_all = request.conditions == Conditions::default();
            let leads = connection.is_reused() && !following.is_empty() && asks_for_all;
            if leads {
                as_range(request).encode(&kit.requests, route, bytes)?;
                add_following(kit, route, following, connection, bytes);
            }
            return Ok(Some(Self::Now { by_range: leads }));
        };
        if sent.by_range {
            as_range(request).encode(&kit.requests, route, bytes)?;
        }
        if sent.request != *bytes {
            // It would be so again and again, as with files that are there in part.
            kit.common.origins.ask_singly(request.target.origin_str());
            kit.buffers.give(rest);
            return Ok(None);
        }
        if rest.has_memory() {
            kit.buffers.give(std::mem::replace(buf, rest));
        }
        Ok(Some(Self::Ahead { by_range: sent.by_range }))
    }

    /// What is asked for, where the job asks for `ask`.
    pub(crate) fn ask(self, ask: Ask<'_>) -> Ask<'_> {
        match self {
            Self::Ahead { by_range: true } | Self::Now { by_range: true } => Ask::FileByRange,
            Self::Ahead { by_range: false } | Self::Now { by_range: false } => ask,
        }
    }

    /// How long the answer is waited for, in milliseconds, where it may take `read_ms`.
    pub(crate) fn patience_ms(self, read_ms: u64) -> u64 {
        match self {
            Self::Now { .. } => read_ms,
            Self::Ahead { .. } => read_ms.min(PATIENCE_MS),
        }
    }

    /// Whether the server may have dropped a request that was sent ahead: nothing came in time.
    /// Then its origin is asked singly from now on.
    pub(crate) fn was_forgotten(
        self,
        received: &Result<Received, Failure>,
        kit: &Kit,
        request: &Request<'_>,
    ) -> bool {
        let is_late = matches!(received, Err(Failure { cause: Cause::Timeout, .. }));
        let was_forgotten = is_late && matches!(self, Self::Ahead { .. });
        if was_forgotten {
            kit.common.origins.ask_singly(request.target.origin_str());
        }
        was_forgotten
    }

    /// Whether a head is doubted that was judged in this way: it may be of another response. Then
    /// the origin of `request` is asked singly from now on, unless it is a failure.
    pub(crate) fn doubts(
        self,
        head: &Head,
        judged: &Result<Answer, Instead>,
        kit: &Kit,
        request: &Request<'_>,
    ) -> bool {
        let expected = match self {
            Self::Now { by_range: false } => return false,
            Self::Now { by_range: true } | Self::Ahead { by_range: true } => 206,
            Self::Ahead { by_range: false } => 200,
        };
        // To ask again at once would be what the server asks not to do. Nobody gets a body by it.
        let asks_for_patience = matches!(head.status, 429 | 503);
        let is_doubted = !asks_for_patience && (head.status != expected || judged.is_err());
        if is_doubted && head.status < 400 {
            kit.common.origins.ask_singly(request.target.origin_str());
        }
        is_doubted
    }
}

/// Adds the requests of jobs that follow to the bytes that are sent for the one before them.
fn add_following(
    kit: &Kit,
    route: Route<'_>,
    following: &Following,
    connection: &mut Connection,
    bytes: &mut Vec<u8>,
) {
    for (number, waiting) in following.iter().enumerate() {
        let plain = first_request(waiting);
        let by_range = number % 2 == 1;
        let request = if by_range { as_range(&plain) } else { plain };
        let mut own = Vec::new();
        // The job itself tells of a URL that cannot be sent.
        if request.encode(&kit.requests, route, &mut own).is_err() {
            return;
        }
        bytes.extend_from_slice(&own);
        connection.send_ahead(SentAhead { request: own, by_range });
    }
}

/// The first request of a job that is only a URL.
fn first_request(waiting: &Waiting) -> Request<'_> {
    let target = &waiting.job.target;
    Request {
        target,
        login: target,
        fields: &[],
        secrets: Hops::default().secrets(target),
        conditions: Conditions::default(),
        num_redirects: 0,
        failed_ip: None,
        job_at_ms: u64::MAX,
        cut: None,
        first_byte: None,
    }
}

/// The request, for the same as a range.
fn as_range<'r>(request: &Request<'r>) -> Request<'r> {
    Request { conditions: Conditions { range: Some((0, None)), ..request.conditions }, ..*request }
}

/// Longest wait for the response to a request that was sent ahead, in milliseconds: a server that
/// has dropped it would be waited for in vain.
const PATIENCE_MS: u64 = 5_000;
