//! Tables of bytes to heads. Each row is read at once and byte by byte.

use super::*;
use crate::http::CloseReason;

type Outcome = Result<Option<(usize, Box<Head>)>, ProtocolError>;

/// Reads `bytes` at once and byte by byte, and demands one outcome.
fn read(bytes: &[u8]) -> Outcome {
    let whole = HeadReader::default().receive(bytes);
    let mut reader = HeadReader::default();
    let split = (0..=bytes.len())
        .map(|len| reader.receive(&bytes[..len]))
        .find(|outcome| !matches!(outcome, Ok(None)))
        .unwrap_or(Ok(None));
    assert_eq!(whole, split, "the outcome depends on the split: {}", bytes.escape_ascii());
    whole
}

fn head(bytes: &str) -> Head {
    let outcome = read(bytes.as_bytes());
    let Ok(Some((used, head))) = outcome else { panic!("{bytes:?}: {outcome:?}") };
    assert_eq!(used, bytes.len(), "{bytes:?}");
    *head
}

fn error(bytes: &str) -> ProtocolError {
    read(bytes.as_bytes()).expect_err(bytes)
}

/// A 200 with these field lines.
fn ok_with(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n")
}

#[test]
fn status_lines() {
    for (bytes, minor_version, status) in [
        ("HTTP/1.1 200 OK\r\n\r\n", 1, 200),
        ("HTTP/1.0 404 Not Found\r\n\r\n", 0, 404),
        ("HTTP/1.1 200 \r\n\r\n", 1, 200),
        ("HTTP/1.1 200\r\n\r\n", 1, 200),
        ("HTTP/1.1 599 \u{fc}\t\r\n\r\n", 1, 599),
        ("HTTP/1.1 200 OK\n\n", 1, 200),
        ("HTTP/1.1 200 OK\r\n\n", 1, 200),
        ("HTTP/1.1 200 OK\n\r\n", 1, 200),
    ] {
        let head = head(bytes);
        assert_eq!((head.minor_version, head.status), (minor_version, status), "{bytes:?}");
    }
    for (bytes, wanted) in [
        ("HTTP/2 200 OK\r\n\r\n", ProtocolError::Version),
        ("HTTP/1.2 200 OK\r\n\r\n", ProtocolError::Version),
        ("HTTP/0.9 200 OK\r\n\r\n", ProtocolError::Version),
        ("HTTP/1.10 200 OK\r\n\r\n", ProtocolError::Version),
        ("http/1.1 200 OK\r\n\r\n", ProtocolError::Version),
        ("ICY 200 OK\r\n\r\n", ProtocolError::Version),
        ("SSH-2.0-OpenSSH_9.2\r\n", ProtocolError::Version),
        ("<html>", ProtocolError::Version),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", ProtocolError::Version),
        (" HTTP/1.1 200 OK\r\n\r\n", ProtocolError::Version),
        ("HTTP/1.1\r\n\r\n", ProtocolError::Version),
        ("HTTP/1.1  200 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 20 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 2000 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 +20 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 200OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 200 O\0K\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 200 O\rK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 000 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 600 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 999 OK\r\n\r\n", ProtocolError::StatusLine),
        ("HTTP/1.1 101 Switching\r\n\r\n", ProtocolError::SwitchingProtocols),
    ] {
        assert_eq!(error(bytes), wanted, "{bytes:?}");
    }
}

#[test]
fn field_lines() {
    for (fields, wanted) in [
        ("Transfer-Encoding : chunked\r\n", ProtocolError::FieldName),
        ("No colon\r\n", ProtocolError::FieldName),
        (": value\r\n", ProtocolError::FieldName),
        ("B\u{e4}d: value\r\n", ProtocolError::FieldName),
        (" Folded: before the first\r\n", ProtocolError::FieldName),
        ("A: b\rc\r\n", ProtocolError::FieldValue),
        ("A: b\0c\r\n", ProtocolError::FieldValue),
        ("A: \x0bchunked\r\n", ProtocolError::FieldValue),
        ("A: b\x1b[2J\r\n", ProtocolError::FieldValue),
        (
            "A: a value of more than one machine word\x7f, then more of it\r\n",
            ProtocolError::FieldValue,
        ),
        ("A: b\r\n\rc: d\r\n", ProtocolError::Line),
    ] {
        assert_eq!(error(&ok_with(fields)), wanted, "{fields:?}");
    }
    for fields in ["A:\r\n", "A:b\r\n", "A:\t b \t\r\n", "A: b\nC: d\r\n", "!#$%&'*+-.^_`|~: x\r\n"]
    {
        assert_eq!(head(&ok_with(fields)).status, 200, "{fields:?}");
    }
}

#[test]
fn incomplete_is_no_error() {
    let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n c\r\n\r\n";
    for len in 0..bytes.len() {
        assert_eq!(read(&bytes.as_bytes()[..len]), Ok(None), "{len}");
    }
}

#[test]
fn body_length_follows_the_rfc() {
    for (bytes, framing) in [
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), Framing::Empty),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n".to_owned(), Framing::Empty),
        ("HTTP/1.1 204 No Content\r\nContent-Length: x\r\n\r\n".to_owned(), Framing::Empty),
        (ok_with(""), Framing::Close),
        (ok_with("Content-Length: 0\r\n"), Framing::Length(0)),
        (ok_with("content-length:5\r\n"), Framing::Length(5)),
        (ok_with("Content-Length: 5, 5\t,05\r\nContent-Length: 5\r\n"), Framing::Length(5)),
        (ok_with("Content-Length: 9223372036854775807\r\n"), Framing::Length((1 << 63) - 1)),
        (ok_with("Content-Length:\r\n 7\r\n"), Framing::Length(7)),
        (ok_with("Transfer-Encoding: chunked\r\n"), Framing::Chunked),
        (ok_with("TRANSFER-ENCODING: \t Chunked \r\n"), Framing::Chunked),
        (ok_with("Transfer-Encoding:\r\n\tchunked\r\n"), Framing::Chunked),
        (ok_with("Transfer-Encoding: chunked\r\nContent-Length: x\r\n"), Framing::Chunked),
    ] {
        assert_eq!(head(&bytes).framing, framing, "{bytes:?}");
    }
    for value in
        ["", "+5", "-5", "5 5", "0x5", "5;", "5,", ",5", "5.0", "\u{664}", "9223372036854775808"]
    {
        let fields = format!("Content-Length: {value}\r\n");
        assert_eq!(error(&ok_with(&fields)), ProtocolError::ContentLength, "{fields:?}");
    }
    for fields in ["Content-Length: 5, 6\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n"] {
        assert_eq!(error(&ok_with(fields)), ProtocolError::ContentLengthsDiffer, "{fields:?}");
    }
    for value in
        ["", "gzip", "gzip, chunked", "chunked, chunked", "chunked,", "chunked;q=1", "xchunked"]
    {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(error(&ok_with(&fields)), ProtocolError::TransferEncoding, "{fields:?}");
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(error(&ok_with(twice)), ProtocolError::TransferEncoding);
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(error(old), ProtocolError::TransferEncoding);
}

#[test]
fn reuse_follows_the_rfc() {
    let close = Reuse::Close;
    for (start, fields, reuse) in [
        ("1.1 200", "Content-Length: 1\r\n", Reuse::Keep),
        ("1.1 200", "Transfer-Encoding: chunked\r\n", Reuse::Keep),
        ("1.1 204", "Content-Length: 0\r\n", Reuse::Keep),
        ("1.1 304", "Content-Length: 9\r\n", Reuse::Keep),
        ("1.1 200", "", close(CloseReason::CloseDelimited)),
        (
            "1.1 200",
            "Content-Length: 1\r\nConnection: CLOSE\r\n",
            close(CloseReason::ConnectionClose),
        ),
        (
            "1.1 200",
            "Content-Length: 1\r\nConnection: x\r\nConnection: keep-alive ,\tclose\r\n",
            close(CloseReason::ConnectionClose),
        ),
        ("1.1 200", "Content-Length: 1\r\nConnection: closed, not-close\r\n", Reuse::Keep),
        ("1.0 200", "Content-Length: 1\r\n", close(CloseReason::Http10)),
        ("1.0 200", "Content-Length: 1\r\nConnection: Keep-Alive\r\n", Reuse::Keep),
        (
            "1.1 200",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            close(CloseReason::AmbiguousLength),
        ),
        ("1.1 204", "Content-Length: 1\r\n", close(CloseReason::AmbiguousLength)),
        ("1.1 204", "Transfer-Encoding: chunked\r\n", close(CloseReason::AmbiguousLength)),
    ] {
        let bytes = format!("HTTP/{start} X\r\n{fields}\r\n");
        assert_eq!(head(&bytes).reuse, reuse, "{bytes:?}");
    }
}

#[test]
fn wanted_fields() {
    let fields = "Content-Type: text/html;\r\n  charset=utf-8\r\nContent-Type: later\r\n\
        ETag: \"\u{fc}\"\r\nContent-Encoding: gzip\r\ncontent-encoding: br\r\n\
        X-ETag: no\r\nLocation:  /a \t\r\n";
    let head = head(&ok_with(fields));
    // The two bytes of CRLF became two spaces.
    assert_eq!(head.content_type.as_deref(), Some("text/html;    charset=utf-8"));
    assert_eq!(head.etag.as_deref(), Some("\"\u{fc}\""));
    assert_eq!(head.content_encoding.as_deref(), Some("gzip, br"));
    assert_eq!(head.location, Location::One(b"/a".as_slice().into()));
}

#[test]
fn dates_of_the_file_and_of_the_response() {
    let (modified, sent) = ("Fri, 31 Dec 1999 23:59:59 GMT", "Sat, 01 Jan 2000 00:00:00 GMT");
    let fields = format!(
        "Last-Modified: \t{modified} \r\nDate:{sent}\r\nlast-modified: {sent}\r\nDate: never\r\n"
    );
    let head = head(&ok_with(&fields));
    assert_eq!(head.last_modified.map(|date| date.as_str().to_owned()), Some(modified.to_owned()));
    assert_eq!(head.last_modified.and_then(HttpDate::unix_s), Some(946_684_799));
    assert_eq!(head.date.and_then(HttpDate::unix_s), Some(946_684_800));
    for (fields, text) in [
        ("", None),
        ("Last-Modified:\r\n", None),
        ("Last-Modified: -1\r\n", Some("-1")),
        ("Last-Modified: \u{fc}\r\nLast-Modified: 0\r\n", Some("0")),
    ] {
        let last_modified = self::head(&ok_with(fields)).last_modified;
        assert_eq!(last_modified.as_ref().map(HttpDate::as_str), text, "{fields:?}");
        assert_eq!(last_modified.and_then(HttpDate::unix_s), None, "{fields:?}");
    }
}

#[test]
fn ranges_are_offered_or_not() {
    for (fields, wanted) in [
        ("", None),
        ("Accept-Ranges: bytes\r\n", Some(true)),
        ("accept-ranges: Bytes \r\n", Some(true)),
        ("Accept-Ranges: none\r\n", Some(false)),
        ("Accept-Ranges: items\r\n", Some(false)),
        ("Accept-Ranges: items, bytes\r\n", Some(true)),
        ("Accept-Ranges: bytes\r\nAccept-Ranges: none\r\n", Some(true)),
        ("Accept-Ranges: ,\r\n", None),
    ] {
        assert_eq!(head(&ok_with(fields)).accepts_ranges, wanted, "{fields:?}");
    }
}

#[test]
fn one_valid_content_range() {
    let range = |first, last| Some(ContentRange::Part { first, last, complete: Some(10) });
    for (fields, wanted) in [
        ("", None),
        ("Content-Range: \tbytes 0-4/10 \r\n", range(0, 4)),
        ("Content-Range: bytes 0-4/10\r\nContent-Range: bytes 0-4/10\r\n", None),
        ("Content-Range: bytes 0-4/10\r\nContent-Range: bytes\r\n", None),
        ("Content-Range: bytes\r\nContent-Range: bytes 0-4/10\r\n", None),
        ("Content-Range: bytes 0-4/4\r\n", None),
    ] {
        assert_eq!(head(&ok_with(fields)).content_range, wanted, "{fields:?}");
    }
}

#[test]
fn several_ranges_in_one_body() {
    for (value, wanted) in [
        ("multipart/byteranges", true),
        ("Multipart/ByteRanges ; boundary=x", true),
        ("multipart/byteranges2", false),
        ("multipart/mixed; x=multipart/byteranges", false),
        ("", false),
    ] {
        let head = head(&ok_with(&format!("Content-Type: {value}\r\n")));
        assert_eq!(head.is_multipart_byteranges(), wanted, "{value:?}");
    }
    assert!(!head(&ok_with("")).is_multipart_byteranges());
}

#[test]
fn text_is_made_valid() {
    let bytes = b"HTTP/1.1 200 OK\r\nETag: \"\xff\"\r\nLocation: \xff\r\n\r\n";
    let Ok(Some((_, head))) = read(bytes) else { panic!() };
    assert_eq!(head.etag.as_deref(), Some("\"\u{fffd}\""));
    assert_eq!(head.location, Location::One(b"\xff".as_slice().into()));
}

#[test]
fn long_text_is_cut() {
    let long = "x".repeat(30_000);
    let fields = format!(
        "ETag: {long}\r\nContent-Type: {long}\r\nContent-Encoding: {long}\r\n\
         Content-Encoding: {long}\r\n"
    );
    let head = head(&ok_with(&fields));
    for text in [head.etag, head.content_type, head.content_encoding] {
        assert_eq!(text.unwrap().len(), limits::HEAD_TEXT_BYTES_MAX);
    }
}

#[test]
fn identity_is_no_encoding() {
    for fields in ["Content-Encoding: identity\r\n", "Content-Encoding: \r\n", ""] {
        assert_eq!(head(&ok_with(fields)).content_encoding, None, "{fields:?}");
    }
}

#[test]
fn locations() {
    let one = Location::One(b"/a".as_slice().into());
    for (fields, location) in [
        ("", Location::Absent),
        ("Location: /a\r\nLocation: /a\r\n", one),
        ("Location: /a\r\nLocation: /b\r\nLocation: /a\r\n", Location::Ambiguous),
        ("Location:\r\n", Location::One(Box::default())),
    ] {
        assert_eq!(head(&ok_with(fields)).location, location, "{fields:?}");
    }
}

#[test]
fn retry_after_values() {
    for (value, wanted) in [
        ("120", Some(RetryAfter::Seconds(120))),
        ("0", Some(RetryAfter::Seconds(0))),
        ("99999999999999999999999", Some(RetryAfter::Seconds(u64::MAX))),
        ("Fri, 31 Dec 1999 23:59:59 GMT", Some(RetryAfter::Date(946_684_799))),
        ("Friday, 31-Dec-99 23:59:59 GMT", Some(RetryAfter::Date(946_684_799))),
        ("Fri Dec 31 23:59:59 1999", Some(RetryAfter::Date(946_684_799))),
        (" \t7 ", Some(RetryAfter::Seconds(7))),
        ("007", Some(RetryAfter::Seconds(7))),
        ("18446744073709551615", Some(RetryAfter::Seconds(u64::MAX))),
        ("18446744073709551616", Some(RetryAfter::Seconds(u64::MAX))),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(RetryAfter::Date(0))),
        ("Sun, 06 Nov 2044 08:49:37 GMT", Some(RetryAfter::Date(2_362_034_977))),
        ("Sunday, 06-Nov-44 08:49:37 GMT", Some(RetryAfter::Date(2_362_034_977))),
        ("Sun Nov  6 08:49:37 2044", Some(RetryAfter::Date(2_362_034_977))),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(RetryAfter::Date(253_402_300_799))),
        ("Wed, 31 Dec 1969 23:59:59 GMT", None),
        ("Fri, 31 Dec 1999 23:59:59 +0100", None),
        ("Fri, 31 Dec 1999 23:59 GMT", None),
        ("Fri, 32 Dec 1999 23:59:59 GMT", None),
        ("1999-12-31T23:59:59Z", None),
        ("-1", None),
        ("-0", None),
        ("+1", None),
        ("1s", None),
        ("1 2", None),
        ("1, 2", None),
        ("0x10", None),
        ("1e3", None),
        ("٣", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ] {
        let fields = format!("Retry-After: {value}\r\n");
        assert_eq!(head(&ok_with(&fields)).retry_after, wanted, "{value:?}");
    }
}

#[test]
fn retry_after_dates_are_those_of_the_servers_clock() {
    let until = "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n";
    let at = RetryAfter::Date(946_684_799);
    for (fields, wanted) in [
        ("Date: Fri, 31 Dec 1999 23:59:29 GMT\r\n", Some(RetryAfter::Seconds(30))),
        ("date: Friday, 31-Dec-99 22:59:59 GMT \r\n", Some(RetryAfter::Seconds(3_600))),
        ("Date: Fri, 31 Dec 1999 23:59:59 GMT\r\n", None),
        ("Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n", None),
        // From a cache.
        ("Date: Fri, 31 Dec 1999 23:59:29 GMT\r\nAge: 20\r\n", Some(RetryAfter::Seconds(10))),
        ("Date: Fri, 31 Dec 1999 23:59:29 GMT\r\nAge: 30\r\n", None),
        ("Date: Fri, 31 Dec 1999 23:59:29 GMT\r\nAge: 9999999999999999999999\r\n", {
            Some(RetryAfter::Seconds(30))
        }),
        ("Date: Fri, 31 Dec 1999 23:59:29 GMT\r\nAge: old\r\n", Some(RetryAfter::Seconds(30))),
        ("Date: now\r\n", Some(at)),
        ("Date: Wed, 31 Dec 1969 23:59:59 GMT\r\n", Some(at)),
        ("Age: 5\r\n", Some(at)),
        ("", Some(at)),
    ] {
        for fields in [format!("{fields}{until}"), format!("{until}{fields}")] {
            assert_eq!(head(&ok_with(&fields)).retry_after, wanted, "{fields:?}");
        }
    }
    let seconds = ok_with("Date: Fri, 31 Dec 1999 23:59:29 GMT\r\nRetry-After: 7\r\n");
    assert_eq!(head(&seconds).retry_after, Some(RetryAfter::Seconds(7)));
}

#[test]
fn interim_responses_are_skipped_within_limits() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(head(&format!("{}{last}", interim.repeat(16))).framing, Framing::Length(1));
    assert_eq!(error(&format!("{}{last}", interim.repeat(17))), ProtocolError::InterimTooMany);
    assert_eq!(error(&format!("{interim}hello")), ProtocolError::Version);
    let large = format!("HTTP/1.1 100 Continue\r\nA: {}\r\n\r\n", "x".repeat(70_000));
    assert_eq!(error(&format!("{large}{large}")), ProtocolError::HeadTooLarge);
}

#[test]
fn limits_are_exact() {
    let fields = |count: usize| ok_with(&"A: b\r\n".repeat(count));
    assert_eq!(head(&fields(limits::HEAD_FIELDS_MAX)).status, 200);
    assert_eq!(error(&fields(limits::HEAD_FIELDS_MAX + 1)), ProtocolError::HeadFieldsTooMany);

    let padding = limits::HEAD_BYTES_MAX - ok_with("A: \r\n").len();
    let largest = ok_with(&format!("A: {}\r\n", "x".repeat(padding)));
    assert_eq!(largest.len(), limits::HEAD_BYTES_MAX);
    assert_eq!(head(&largest).status, 200);
    let larger = ok_with(&format!("A: {}\r\n", "x".repeat(padding + 1)));
    assert_eq!(error(&larger), ProtocolError::HeadTooLarge);
    assert_eq!(error(&larger[..limits::HEAD_BYTES_MAX]), ProtocolError::HeadTooLarge);
    assert_eq!(read(&larger.as_bytes()[..limits::HEAD_BYTES_MAX - 1]), Ok(None));
}

#[test]
fn the_end_is_looked_for_once() {
    let mut reader = HeadReader::default();
    let bytes = b"HTTP/1.1 200 OK\r\nA: b\r\nC: ddddddddddddddddd";
    assert_eq!(reader.receive(bytes), Ok(None));
    assert_eq!(reader.scanned, bytes.len());
    let mut reader = HeadReader::default();
    assert_eq!(reader.receive(b"HTTP/1.1 200 OK\r\n\r"), Ok(None));
    assert_eq!(reader.scanned, b"HTTP/1.1 200 OK\r".len());
}

#[test]
fn line_feeds_are_found_wherever_they_are() {
    for len in 0..40 {
        for lf in 0..len {
            // Neighbours of LF in value, and bytes that only differ in the high bit.
            for filler in [0x00, 0x09, 0x0b, 0x8a, 0xff] {
                let mut bytes = vec![filler; len];
                bytes[lf] = b'\n';
                assert_eq!(find_lf(&bytes, 0), Some(lf), "{bytes:?}");
                assert_eq!(find_lf(&bytes, lf), Some(lf), "{bytes:?}");
                assert_eq!(find_lf(&bytes, lf + 1), None, "{bytes:?}");
            }
        }
    }
}
