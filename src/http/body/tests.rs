//! Tables of bytes to bodies. Each row is decoded at once, byte by byte, and at every two-way
//! split.

use super::*;

/// How a body ended: with so many bytes behind its end, not yet, or never.
#[derive(Debug, Eq, PartialEq)]
enum End {
    Complete { left: usize },
    Incomplete,
    Broken(ProtocolError),
}

/// Decodes the parts as a caller would, checks the contract of every step.
fn decode_parts(parts: &[&[u8]]) -> (Vec<u8>, End) {
    let mut decoder = Decoder::new(Framing::Chunked);
    let (mut unread, mut body) = (Vec::new(), Vec::new());
    for (index, part) in parts.iter().enumerate() {
        unread.extend_from_slice(part);
        loop {
            let before = unread.clone();
            match decoder.decode(&mut unread) {
                Ok(Decoded::NeedInput) => {
                    assert_eq!(unread, before);
                    break;
                }
                Ok(Decoded::Body { used, span }) => {
                    assert!(span.start == 0 && !span.is_empty() && span.end <= used);
                    assert_eq!(unread[used..], before[used..]);
                    body.extend_from_slice(&unread[span]);
                    unread.drain(..used);
                }
                Ok(Decoded::End { used }) => {
                    assert_eq!(decoder.remaining(), Some(0));
                    let rest: usize = parts[index + 1..].iter().map(|part| part.len()).sum();
                    return (body, End::Complete { left: unread.len() - used + rest });
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut unread), Err(error), "errors stay");
                    return (body, End::Broken(error));
                }
            }
        }
    }
    (body, End::Incomplete)
}

fn decode(bytes: &[u8]) -> (Vec<u8>, End) {
    let whole = decode_parts(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decode_parts(&single), whole, "byte by byte: {}", bytes.escape_ascii());
    if bytes.len() < 100 {
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(decode_parts(&[first, second]), whole, "at {at}: {}", bytes.escape_ascii());
        }
    }
    whole
}

#[test]
fn good_bodies() {
    for (bytes, body) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\na\r\n1\r\nb\r\n2\r\ncd\r\n0\r\n\r\n", "abcd"),
        ("A\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
        ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
        ("0000000000000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5  \t\r\nhello\r\n0 \r\n\r\n", "hello"),
        ("5;\r\nhello\r\n0;x\r\n\r\n", "hello"),
        ("5;a=b;c=\"d;\t\u{e9}\"\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5 ; a\r\nhello\r\n0\r\n\r\n", "hello"),
        ("6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", "\r\n0\r\n\r"),
        ("1\r\na\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n", "a"),
        ("1\r\na\r\n0\r\nA:\r\n  folded\r\nB:\r\n\r\n", "a"),
    ] {
        let wanted = (body.as_bytes().to_vec(), End::Complete { left: 0 });
        assert_eq!(decode(bytes.as_bytes()), wanted, "{bytes:?}");
        let followed = format!("{bytes}X");
        assert_eq!(decode(followed.as_bytes()).1, End::Complete { left: 1 }, "{followed:?}");
        for len in 0..bytes.len() {
            let (got, end) = decode(&bytes.as_bytes()[..len]);
            assert_eq!(end, End::Incomplete, "{:?}", &bytes[..len]);
            assert!(body.as_bytes().starts_with(&got));
        }
    }
}

#[test]
fn bad_bodies() {
    use ProtocolError::{ChunkEnd, ChunkSize, ChunkSizeTooLarge, Trailer};
    for (bytes, body, error) in [
        ("\r\n", "", ChunkSize),
        (";x\r\n", "", ChunkSize),
        (" \r\n", "", ChunkSize),
        (" 5\r\nhello", "", ChunkSize),
        ("+5\r\nhello", "", ChunkSize),
        ("-5\r\nhello", "", ChunkSize),
        ("0x5\r\nhello", "", ChunkSize),
        ("5g\r\nhello", "", ChunkSize),
        ("5 5\r\nhello", "", ChunkSize),
        ("5\nhello", "", ChunkSize),
        ("5\rhello", "", ChunkSize),
        ("5;a\nhello", "", ChunkSize),
        ("5;a\0\r\nhello", "", ChunkSize),
        ("5 \nhello", "", ChunkSize),
        ("5\r\nhello\r\n\r\n", "hello", ChunkSize),
        ("5\r\nhelloX", "hello", ChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", "hello", ChunkEnd),
        ("5\r\nhello\rX", "hello", ChunkEnd),
        ("5\r\nhello, world\r\n", "hello", ChunkEnd),
        ("8000000000000000\r\n", "", ChunkSizeTooLarge),
        ("10000000000000000\r\n", "", ChunkSizeTooLarge),
        ("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\r\n", "", ChunkSizeTooLarge),
        ("1\r\na\r\n7fffffffffffffff\r\n", "a", ChunkSizeTooLarge),
        ("0\r\n\n", "", Trailer),
        ("0\r\nHTTP/1.1 200 OK\r\n", "", Trailer),
        ("0\r\n folded\r\n", "", Trailer),
        ("0\r\n: x\r\n", "", Trailer),
        ("0\r\nA: b\n\r\n", "", Trailer),
        ("0\r\nA: \0\r\n\r\n", "", Trailer),
        ("0\r\n\rX", "", Trailer),
    ] {
        let wanted = (body.as_bytes().to_vec(), End::Broken(error));
        assert_eq!(decode(bytes.as_bytes()), wanted, "{bytes:?}");
    }
}

#[test]
fn the_largest_size_is_accepted() {
    let (body, end) = decode(b"7fffffffffffffff\r\nabc");
    assert_eq!((body.as_slice(), end), (&b"abc"[..], End::Incomplete));
}

#[test]
fn limits_are_exact() {
    // One line: a digit, the extension with its semicolon, CRLF.
    let line = |len: usize| format!("1;{}\r\n", "x".repeat(len - "1;\r\n".len()));
    let body = |line: &str| format!("{line}a\r\n0\r\n\r\n");
    let complete = End::Complete { left: 0 };
    let longest = line(limits::CHUNK_LINE_BYTES_MAX);
    assert_eq!(decode(body(&longest).as_bytes()).1, complete);
    let longer = line(limits::CHUNK_LINE_BYTES_MAX + 1);
    let too_large = End::Broken(ProtocolError::ChunkExtensionTooLarge);
    assert_eq!(decode(body(&longer).as_bytes()).1, too_large);

    // Many short lines: the extensions of the whole body count.
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(1023));
    let most = chunk.repeat(limits::CHUNK_EXTENSIONS_BYTES_MAX / 1024);
    assert_eq!(decode(format!("{most}0\r\n\r\n").as_bytes()).1, complete);
    assert_eq!(decode(format!("{most}0;\r\n\r\n").as_bytes()).1, too_large);

    // The trailer section, its last CRLF included.
    let trailer = |len: usize| format!("0\r\nA: {}\r\n\r\n", "x".repeat(len - "A: \r\n\r\n".len()));
    assert_eq!(decode(trailer(limits::TRAILER_BYTES_MAX).as_bytes()).1, complete);
    let too_large = End::Broken(ProtocolError::Trailer);
    assert_eq!(decode(trailer(limits::TRAILER_BYTES_MAX + 1).as_bytes()).1, too_large);
}

#[test]
fn chunks_of_one_receive_become_one_span() {
    let mut input = b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\nrest".to_vec();
    let mut decoder = Decoder::new(Framing::Chunked);
    assert_eq!(decoder.decode(&mut input), Ok(Decoded::Body { used: 22, span: 0..7 }));
    assert_eq!(&input[..7], b"abcdefg");
    assert_eq!(&input[22..], b"rest");
    assert_eq!(decoder.decode(&mut input[22..]), Ok(Decoded::End { used: 0 }));
}

#[test]
fn lengths_are_kept_to_the_byte() {
    let mut decoder = Decoder::new(Framing::Length(5));
    assert_eq!(decoder.decode(&mut []), Ok(Decoded::NeedInput));
    assert_eq!(decoder.decode(&mut [0; 3]), Ok(Decoded::Body { used: 3, span: 0..3 }));
    assert_eq!(decoder.remaining(), Some(2));
    assert_eq!(decoder.decode(&mut [0; 9]), Ok(Decoded::Body { used: 2, span: 0..2 }));
    assert_eq!(decoder.decode(&mut [0; 7]), Ok(Decoded::End { used: 0 }));
    assert_eq!(Decoder::new(Framing::Length(0)).decode(&mut []), Ok(Decoded::End { used: 0 }));
    assert_eq!(Decoder::new(Framing::Empty).decode(&mut []), Ok(Decoded::End { used: 0 }));
}

#[test]
fn close_takes_everything() {
    let mut decoder = Decoder::new(Framing::Close);
    assert_eq!(decoder.decode(&mut [0; 3]), Ok(Decoded::Body { used: 3, span: 0..3 }));
    assert_eq!(decoder.decode(&mut []), Ok(Decoded::NeedInput));
    assert_eq!(decoder.remaining(), None);
}
