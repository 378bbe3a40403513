//! `exchange`: all that a server sends on one connection, from the first byte to the end.

use super::random_of;
use crate::driver::{End, Outcome, feed};
use crate::reference::{VerdictEnd, judge};
use ringpull::http::{CloseReason, ProtocolError, Reuse};
use ringpull::limits;

pub(crate) fn target(data: &[u8]) {
    check(data);
}

/// The outcome is the same however the bytes are split, and is the one of the reference decoder.
/// (The driver checks every single step.)
pub(super) fn check(data: &[u8]) -> Outcome {
    let whole = feed([data]);
    assert_eq!(feed(data.chunks(1)), whole, "byte by byte");
    let mut random = random_of(data);
    for len_max in [3, 40, data.len().max(1)] {
        let parts = split(data, len_max, &mut random);
        assert_eq!(feed(parts.iter().copied()), whole, "{parts:?}");
    }
    if let End::Broken(error) = whole.end
        && is_limit(error, data)
    {
        return whole;
    }
    agree(&whole, data);
    whole
}

fn split<'a>(data: &'a [u8], len_max: usize, random: &mut fastrand::Rng) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(random.usize(0..=len_max).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts
}

/// Whether a limit was met, which the reference knows nothing of. There must be enough bytes to
/// meet it.
fn is_limit(error: ProtocolError, data: &[u8]) -> bool {
    match error {
        ProtocolError::HeadTooLarge => assert!(data.len() >= limits::HEAD_BYTES_MAX),
        ProtocolError::HeadFieldsTooMany => {
            let lines = data.iter().filter(|byte| **byte == b'\n').count();
            assert!(lines > limits::HEAD_FIELDS_MAX);
        }
        ProtocolError::ChunkExtensionTooLarge => {
            assert!(data.len() > limits::CHUNK_LINE_BYTES_MAX);
        }
        ProtocolError::Trailer => return data.len() > limits::TRAILER_BYTES_MAX,
        _ => return false,
    }
    true
}

/// Demands the verdict and the bytes of the reference, and no more bytes than there were.
fn agree(outcome: &Outcome, data: &[u8]) {
    let verdict = judge(data);
    let end = match outcome.end {
        End::Complete(reuse) => VerdictEnd::Complete { is_reusable: reuse == Reuse::Keep },
        End::Broken(_) => VerdictEnd::Invalid,
        End::Eof(_) => VerdictEnd::Incomplete,
    };
    let status = outcome.head.as_ref().map(|head| head.status);
    assert_eq!((status, end), (verdict.status, verdict.end), "{outcome:?}");
    assert_eq!(outcome.body.escape_ascii().to_string(), verdict.body.escape_ascii().to_string());
    let Some(used) = outcome.used else { return };
    assert!(used <= data.len() && outcome.body.len() <= used);
    let has_more = used < data.len();
    let says_more = outcome.end == End::Complete(Reuse::Close(CloseReason::BytesAfterEnd));
    assert_eq!(has_more, says_more);
    if has_more {
        // What follows a complete response does not change it.
        let alone = feed([&data[..used]]);
        assert_eq!((alone.head, alone.body), (outcome.head.clone(), outcome.body.clone()));
    }
}
