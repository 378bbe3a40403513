//! Request heads as the origin reads them: GET and HEAD without a body.

use crate::limits;
use std::ops::Range;

/// Parts of a request that the answer depends on besides the route.
#[derive(Debug, Default, PartialEq)]
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
    /// The value of `Range`.
    pub(super) range: Option<String>,
    /// The value of `If-Range`.
    pub(super) if_range: Option<String>,
    /// The value of `If-None-Match`.
    pub(super) if_none_match: Option<String>,
    /// The value of `If-Modified-Since`.
    pub(super) if_modified_since: Option<String>,
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
        let mut request = Self { target: target.to_owned(), is_head, is_http10, ..Self::default() };
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
            } else {
                request.condition(field);
            }
        }
        // RFC 9112 section 3.2.
        if hosts > 1 || hosts == 0 && !is_http10 {
            return Parsed::Nonsense { status: 400 };
        }
        let used_line = input.iter().position(|&byte| byte == b'\n').map_or(used, |at| at + 1);
        Parsed::Request(Self { is_kept, used, fields: used_line..used, ..request })
    }

    fn condition(&mut self, field: &httparse::Header<'_>) {
        let known = [
            ("range", &mut self.range),
            ("if-range", &mut self.if_range),
            ("if-none-match", &mut self.if_none_match),
            ("if-modified-since", &mut self.if_modified_since),
        ];
        let place = known.into_iter().find(|(name, _)| field.name.eq_ignore_ascii_case(name));
        if let Some((_, place)) = place {
            *place = Some(String::from_utf8_lossy(field.value).into_owned());
        }
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
    fn conditions_are_kept_as_they_came() {
        let fields = "range: bytes=1-\r\nIF-RANGE: \"a\"\r\nIf-None-Match: *\r\n";
        let text = format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let Parsed::Request(request) = parse(&text) else { panic!("{text}") };
        assert_eq!(request.range.as_deref(), Some("bytes=1-"));
        assert_eq!(request.if_range.as_deref(), Some("\"a\""));
        assert_eq!(request.if_none_match.as_deref(), Some("*"));
        assert_eq!(request.if_modified_since, None);
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
