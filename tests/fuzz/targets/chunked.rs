//! `chunked`: what follows the head of a chunked response.

use super::{exchange, random_of};
use crate::driver::{End, feed};
use ringpull::http::Reuse;

pub(crate) fn target(data: &[u8]) {
    let outcome = exchange::check(&[HEAD, data].concat());
    let head = outcome.head.expect("the head is whole");
    assert_eq!((head.status, head.reuse), (200, Reuse::Keep));
    round_trip(data);
}

/// The data as a body: encoded in chunks of all kinds and decoded again, it is the same.
fn round_trip(body: &[u8]) {
    let mut random = random_of(body);
    let mut bytes = HEAD.to_vec();
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(random.usize(1..=40).min(rest.len()));
        // Extensions are bounded over the whole body.
        let extension = if bytes.len() < 10_000 { random.usize(0..EXTENSIONS.len()) } else { 0 };
        bytes.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        bytes.extend_from_slice(EXTENSIONS[extension].as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        rest = after;
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    let outcome = feed(bytes.chunks(random.usize(1..=100)));
    assert_eq!(outcome.body.escape_ascii().to_string(), body.escape_ascii().to_string());
    assert_eq!((outcome.end, outcome.used), (End::Complete(Reuse::Keep), Some(bytes.len())));
}

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const EXTENSIONS: [&str; 4] = ["", " ", ";a", " ; a=\"\u{e9};\""];
