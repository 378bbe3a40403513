//! `head`: a response head, as it is and as the field lines behind a good status line.

use super::exchange;
use ringpull::http::{Framing, Head, Location, Reuse};
use ringpull::limits;

pub(crate) fn target(data: &[u8]) {
    for bytes in [data.to_vec(), [b"HTTP/1.1 302 \r\n", data, b"\r\n\r\n"].concat()] {
        if let Some(head) = exchange::check(&bytes).head {
            check(&head, &bytes);
        }
    }
}

fn check(head: &Head, bytes: &[u8]) {
    assert!((200..600).contains(&head.status) && head.minor_version <= 1);
    match head.framing {
        Framing::Empty => assert!(matches!(head.status, 204 | 304)),
        Framing::Length(bytes) => assert!(bytes < limits::BODY_BYTES_LIMIT),
        Framing::Chunked => assert_eq!(head.minor_version, 1, "a coding in HTTP/1.0"),
        Framing::Close => assert_ne!(head.reuse, Reuse::Keep),
    }
    for text in [&head.content_type, &head.content_encoding, &head.etag].into_iter().flatten() {
        assert!(is_value(text.as_bytes()), "{text:?}");
        // Only replacement characters make it longer than what was sent.
        assert!(text.len() <= 3 * bytes.len());
    }
    if let Location::One(location) = &head.location {
        assert!(is_value(location) && location.len() <= bytes.len(), "{location:?}");
    }
}

/// Neither controls but HTAB (a folded line is one no more), nor white space around it.
fn is_value(value: &[u8]) -> bool {
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    value.iter().all(is_text) && !is_space(value.first()) && !is_space(value.last())
}
