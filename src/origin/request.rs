//! Request heads as the origin reads them: GET and HEAD without a body.

use crate::limits;
use std::ops::Range;

/// Parts of a request that the answer depends on besides the route.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// The target in origin form, empty when the request was not understood.
    pub(super) target: String,
    /// Whether the answer goes out without its body.
    pub(super) is_head: bool,
    /// Whether the peer speaks HTTP/1.0.
    pub(super) is_http10: bool,
    /// Whether the peer lets the connection live on.
    pub(super) is_kept: bool,
    /// Bytes of the whole head.
    pub(super) used: usize,
    /// Range of its field lines, the empty line included.
    pub(super) fields: Range<usize>,
}

/// Result of reading the input.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    /// A request is at the front of the input.
    Request(Request),
    /// More input is needed for a request.
    NeedInput,
    /// The input is something else.
    Nonsense {
        /// Status to refuse it with.
        status: u16,
    },
}

impl Request {
    /// A stand-in for a request that was not understood.
    pub(super) fn refused() -> Self {
        Self {
            target: String::new(),
            is_head: false,
            is_http10: false,
            is_kept: false,
            used: 0,
            fields: 0..0,
        }
    }

    /// Reads the request at the front of `input`.
    pub(super) fn parse(input: &[u8]) -> Parsed {
        let mut fields = [httparse::EMPTY_HEADER; limits::ORIGIN_HEAD_FIELDS_MAX];
        let mut head = httparse::Request::new(&mut fields);
        let used = match head.parse(input) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Parsed::NeedInput,
            Err(httparse::Error::TooManyHeaders) => return Parsed::Nonsense { status: 431 },
            Err(_) => return Parsed::Nonsense { status: 400 },
        };
        let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version)
        else {
            return Parsed::Nonsense { status: 400 };
        };
        let is_head = match method {
            "GET" => false,
            "HEAD" => true,
            _ => return Parsed::Nonsense { status: 405 },
        };
        if !target.starts_with('/') {
            return Parsed::Nonsense { status: 400 };
        }
        let is_http10 = version == 0;
        let mut hosts = 0;
        let mut is_kept = !is_http10;
        for field in head.headers.iter() {
            if field.name.eq_ignore_ascii_case("connection") {
                is_kept = match is_http10 {
                    true => is_kept || has_token(field.value, b"keep-alive"),
                    false => is_kept && !has_token(field.value, b"close"),
                };
            } else if field.name.eq_ignore_ascii_case("host") {
                hosts += 1;
            } else if field.name.eq_ignore_ascii_case("content-length") && field.value != b"0"
                || field.name.eq_ignore_ascii_case("transfer-encoding")
            {
                // A body would be read as the next request.
                return Parsed::Nonsense { status: 400 };
            }
        }
        // RFC 9112 section 3.2.
        if hosts > 1 || hosts == 0 && !is_http10 {
            return Parsed::Nonsense { status: 400 };
        }
        let used_line = input.iter().position(|&byte| byte == b'\n').map_or(used, |at| at + 1);
        Parsed::Request(Self {
            target: target.to_owned(),
            is_head,
            is_http10,
            is_kept,
            used,
            fields: used_line..used,
        })
    }
}

fn has_token(value: &[u8], token: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Parsed {
        Request::parse(text.as_bytes())
    }

    #[test]
    fn persistence_follows_version_and_connection_options() {
        for (version, fields, is_kept) in [
            ("1.1", "Host: a\r\n", true),
            ("1.1", "Host: a\r\nConnection: x, Close\r\n", false),
            ("1.1", "Host: a\r\nConnection: close\r\nConnection: keep-alive\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let text = format!("GET /a HTTP/{version}\r\n{fields}\r\nnext");
            let Parsed::Request(request) = parse(&text) else { panic!("{text}") };
            assert_eq!(request.is_kept, is_kept, "{text}");
            assert_eq!(request.used, text.len() - 4);
            assert_eq!(text[request.fields], format!("{fields}\r\n"));
        }
    }

    #[test]
    fn incomplete_is_no_error_and_nonsense_is() {
        assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\n"), Parsed::NeedInput);
        for (text, status) in [
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            ("\x16\x03\x01\x02", 400),
        ] {
            assert_eq!(parse(text), Parsed::Nonsense { status }, "{text}");
        }
        let many = "a: b\r\n".repeat(limits::ORIGIN_HEAD_FIELDS_MAX + 1);
        let text = format!("GET / HTTP/1.1\r\n{many}\r\n");
        assert_eq!(parse(&text), Parsed::Nonsense { status: 431 });
    }
}
