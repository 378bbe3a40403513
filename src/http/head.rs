//! Bytes to [`Head`]: the status line, the few fields a downloader needs, and where the body ends.
//!
//! `httparse` splits the lines; every rule it does not keep is kept here: it takes any three digits
//! for a status, skips empty lines in front of the status line, and leaves folded lines folded.

use super::coding::codings;
use super::value::{decimal, members, trim_ows, unfold};
use super::{CloseReason, ContentRange, ProtocolError, Reuse};
use crate::limits;
use std::mem::MaybeUninit;
use std::time::SystemTime;

/// How the end of the body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// A body of this many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Everything until the connection ends.
    Close,
}

/// A `Retry-After` value (RFC 9110 section 10.2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAfter {
    /// Delay in seconds; `u64::MAX` for a number that does not fit.
    Seconds(u64),
    /// Point in time, in seconds since the Unix epoch, of a response that does not say when it was
    /// sent (`Date`).
    Date(u64),
}

/// `Location` field lines of one response.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Location {
    /// No such field.
    #[default]
    Absent,
    /// One value, or several equal ones: the bytes as sent, OWS trimmed.
    One(Box<[u8]>),
    /// Values that differ.
    Ambiguous,
}

impl Location {
    /// Adds one more field line.
    fn add(&mut self, value: &[u8]) {
        *self = match std::mem::take(self) {
            Self::Absent => Self::One(value.into()),
            Self::One(first) if *first == *value => Self::One(first),
            Self::One(_) | Self::Ambiguous => Self::Ambiguous,
        };
    }
}

/// What the client needs of the final response head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Minor version of HTTP/1: 0 or 1.
    pub minor_version: u8,
    /// Status code, 200-599.
    pub status: u16,
    /// Framing of the body, which says how its end is found.
    pub framing: Framing,
    /// What the head says about reuse; the exchange may still say `Close` at the end.
    pub reuse: Reuse,
    /// `Content-Type`, made valid text; the first one, where there are several.
    pub content_type: Option<Box<str>>,
    /// `Content-Encoding` other than `identity`, made valid text; several lines joined by commas.
    pub content_encoding: Option<Box<str>>,
    /// `ETag`, made valid text; the first one, where there are several.
    pub etag: Option<Box<str>>,
    /// `Location`.
    pub location: Location,
    /// `Content-Disposition`: the bytes as sent, obs-fold replaced and OWS trimmed; `None` where
    /// there are several that differ.
    pub content_disposition: Option<Box<[u8]>>,
    /// Values of all `X-Robots-Tag` lines, each on a line of its own.
    pub robots_tags: Option<Box<[u8]>>,
    /// `Content-Range`, when it has a valid value; the first one, where there are several.
    pub content_range: Option<ContentRange>,
    /// `Retry-After`, when it has a valid value; the first one, where there are several.
    pub retry_after: Option<RetryAfter>,
}

/// Finds the final head in a growing input. Bytes are looked at once for the end of the head and
/// once more when it is there, however small the pieces they come in.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Where the current head starts: behind the interim responses skipped.
    start: usize,
    /// Where to go on looking for the end of the current head.
    scanned: usize,
    /// Interim responses skipped.
    interims: u32,
    asked: Asked,
}

/// What the response answers, as far as it matters to where its body ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Asked {
    #[default]
    Get,
    Connect,
}

impl HeadReader {
    /// A reader of the answer to CONNECT. Its framing means nothing.
    pub(super) fn for_connect() -> Self {
        Self { asked: Asked::Connect, ..Self::default() }
    }

    /// The final head and the bytes it took, interim responses included; `None` when more is
    /// needed.
    pub(super) fn receive(
        &mut self,
        input: &[u8],
    ) -> Result<Option<(usize, Box<Head>)>, ProtocolError> {
        assert!(self.scanned <= input.len(), "the caller dropped bytes that were not used");
        loop {
            check_version(&input[self.start..])?;
            let Some(end) = self.find_end(input) else {
                let is_full = input.len() >= limits::HEAD_BYTES_MAX;
                return if is_full { Err(ProtocolError::HeadTooLarge) } else { Ok(None) };
            };
            if let Some(head) = parse(&input[self.start..end], self.asked)? {
                return Ok(Some((end, Box::new(head))));
            }
            self.interims += 1;
            if self.interims > limits::INTERIM_RESPONSES_MAX {
                return Err(ProtocolError::InterimTooMany);
            }
            self.start = end;
            self.scanned = end;
        }
    }

    /// Finds the empty line that ends the head: LF LF or LF CR LF, since a recipient may take a
    /// bare LF for a line end (RFC 9112 section 2.2).
    fn find_end(&mut self, input: &[u8]) -> Option<usize> {
        let input = &input[..input.len().min(limits::HEAD_BYTES_MAX)];
        while let Some(lf) = find_lf(input, self.scanned) {
            match input[lf + 1..] {
                [b'\n', ..] => return Some(lf + 2),
                [b'\r', b'\n', ..] => return Some(lf + 3),
                // The next bytes decide: look at this LF again when they are there.
                [] | [b'\r'] => {
                    self.scanned = lf;
                    return None;
                }
                _ => self.scanned = lf + 1,
            }
        }
        self.scanned = input.len();
        None
    }
}

/// The first LF at or after `from`, eight bytes a step.
fn find_lf(input: &[u8], from: usize) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const LF: u64 = u64::from_ne_bytes([b'\n'; 8]);
    let (words, rest) = input[from..].as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        // A byte that was LF is zero now, and the lowest zero byte is the lowest one to borrow.
        let word = u64::from_le_bytes(*word) ^ LF;
        let zeros = word.wrapping_sub(LOW) & !word & HIGH;
        if zeros != 0 {
            return Some(from + index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let tail = input.len() - rest.len();
    rest.iter().position(|byte| *byte == b'\n').map(|position| tail + position)
}

/// Refuses what cannot become `HTTP/1.0` or `HTTP/1.1`, as soon as it is seen: an SSH banner or an
/// HTTP/0.9 body would never bring an end of head.
fn check_version(input: &[u8]) -> Result<(), ProtocolError> {
    let seen = &input[..input.len().min(b"HTTP/1.x".len())];
    if b"HTTP/1.1".starts_with(seen) || b"HTTP/1.0".starts_with(seen) {
        Ok(())
    } else {
        Err(ProtocolError::Version)
    }
}

/// Parses one whole head; `None` for an interim one.
fn parse(bytes: &[u8], asked: Asked) -> Result<Option<Head>, ProtocolError> {
    let mut headers = [const { MaybeUninit::uninit() }; limits::HEAD_FIELDS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let mut config = httparse::ParserConfig::default();
    // RFC 9112 section 5.2: a user agent must accept obs-fold in a response.
    config.allow_obsolete_multiline_headers_in_responses(true);
    let parsed = config
        .parse_response_with_uninit_headers(&mut response, bytes, &mut headers)
        .map_err(error_of)?;
    // The parser has seen exactly one head, with its end where we found it, or we disagree about
    // lines.
    if parsed != httparse::Status::Complete(bytes.len()) {
        return Err(ProtocolError::Line);
    }
    let (Some(minor_version), Some(status)) = (response.version, response.code) else {
        return Err(ProtocolError::StatusLine);
    };
    match status {
        100..=599 => {}
        _ => return Err(ProtocolError::StatusLine),
    }
    match status {
        101 => Err(ProtocolError::SwitchingProtocols),
        100..=199 => Ok(None),
        _ => Fields::read(response.headers).into_head(minor_version, status, asked).map(Some),
    }
}

fn error_of(error: httparse::Error) -> ProtocolError {
    match error {
        httparse::Error::HeaderName => ProtocolError::FieldName,
        httparse::Error::HeaderValue => ProtocolError::FieldValue,
        httparse::Error::NewLine => ProtocolError::Line,
        httparse::Error::Status | httparse::Error::Token => ProtocolError::StatusLine,
        httparse::Error::TooManyHeaders => ProtocolError::HeadFieldsTooMany,
        httparse::Error::Version => ProtocolError::Version,
    }
}

/// The fields that matter, as they are met. Nothing is allocated for the others.
#[derive(Debug, Default)]
struct Fields {
    has_close: bool,
    has_keep_alive: bool,
    transfer_encoding: TransferEncoding,
    content_length: ContentLength,
    content_type: Option<Box<str>>,
    content_encoding: Option<Box<str>>,
    etag: Option<Box<str>>,
    location: Location,
    /// `Content-Disposition`, which like a location may come once.
    content_disposition: Location,
    robots_tags: Vec<u8>,
    content_range: Option<ContentRange>,
    retry_after: Option<RetryAfter>,
}

/// All `Transfer-Encoding` lines together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum TransferEncoding {
    #[default]
    Absent,
    /// One line with the one word `chunked`.
    Chunked,
    /// Any other transfer coding.
    Other,
}

/// All `Content-Length` lines together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ContentLength {
    #[default]
    Absent,
    Bytes(u64),
    Invalid(ProtocolError),
}

impl Fields {
    fn read(headers: &[httparse::Header<'_>]) -> Self {
        let mut fields = Self::default();
        for header in headers {
            fields.add(header.name, header.value);
        }
        if let Some(RetryAfter::Date(until_s)) = fields.retry_after {
            fields.retry_after = until(until_s, headers);
        }
        fields
    }

    fn add(&mut self, name: &str, raw: &[u8]) {
        // The length decides for nearly every field that is not ours.
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        match name.len() {
            4 if is("etag") => {
                self.etag.get_or_insert_with(|| text(&unfold(raw)));
            }
            8 if is("location") => self.location.add(trim_ows(&unfold(raw))),
            10 if is("connection") => self.add_connection(&unfold(raw)),
            11 if is("retry-after") && self.retry_after.is_none() => {
                self.retry_after = retry_after(trim_ows(&unfold(raw)));
            }
            12 if is("content-type") => {
                self.content_type.get_or_insert_with(|| text(&unfold(raw)));
            }
            12 if is("x-robots-tag") => {
                self.robots_tags.extend_from_slice(trim_ows(&unfold(raw)));
                self.robots_tags.push(b'\n');
            }
            13 if is("content-range") && self.content_range.is_none() => {
                self.content_range = ContentRange::parse(trim_ows(&unfold(raw)));
            }
            14 if is("content-length") => self.add_content_length(&unfold(raw)),
            16 if is("content-encoding") => self.add_content_encoding(&unfold(raw)),
            17 if is("transfer-encoding") => self.add_transfer_encoding(&unfold(raw)),
            19 if is("content-disposition") => {
                self.content_disposition.add(trim_ows(&unfold(raw)));
            }
            _ => {}
        }
    }

    fn add_connection(&mut self, value: &[u8]) {
        for option in members(value) {
            self.has_close |= option.eq_ignore_ascii_case(b"close");
            self.has_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn add_content_length(&mut self, value: &[u8]) {
        for member in members(value) {
            self.content_length = match (self.content_length, content_length(member)) {
                (ContentLength::Invalid(error), _) => ContentLength::Invalid(error),
                (_, None) => ContentLength::Invalid(ProtocolError::ContentLength),
                (ContentLength::Bytes(first), Some(bytes)) if first != bytes => {
                    ContentLength::Invalid(ProtocolError::ContentLengthsDiffer)
                }
                (ContentLength::Absent | ContentLength::Bytes(_), Some(bytes)) => {
                    ContentLength::Bytes(bytes)
                }
            };
        }
    }

    fn add_content_encoding(&mut self, value: &[u8]) {
        if codings(value).next().is_none() {
            return;
        }
        self.content_encoding = Some(match self.content_encoding.take() {
            None => text(value),
            Some(first) => text(format!("{first}, {}", text(value)).as_bytes()),
        });
    }

    fn add_transfer_encoding(&mut self, value: &[u8]) {
        let is_chunked = trim_ows(value).eq_ignore_ascii_case(b"chunked");
        self.transfer_encoding = match self.transfer_encoding {
            TransferEncoding::Absent if is_chunked => TransferEncoding::Chunked,
            TransferEncoding::Absent | TransferEncoding::Chunked | TransferEncoding::Other => {
                TransferEncoding::Other
            }
        };
    }

    fn into_head(
        self,
        minor_version: u8,
        status: u16,
        asked: Asked,
    ) -> Result<Head, ProtocolError> {
        let framing = self.body_length(minor_version, status, asked)?;
        Ok(Head {
            minor_version,
            status,
            framing,
            reuse: self.reuse(minor_version, status, framing),
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            etag: self.etag,
            location: self.location,
            robots_tags: match self.robots_tags {
                tags if tags.is_empty() => None,
                tags => Some(tags.into()),
            },
            content_disposition: match self.content_disposition {
                Location::One(value) => Some(value),
                Location::Absent | Location::Ambiguous => None,
            },
            content_range: self.content_range,
            retry_after: self.retry_after,
        })
    }

    /// The message body length, in the order of RFC 9112 section 6.3.
    fn body_length(
        &self,
        minor_version: u8,
        status: u16,
        asked: Asked,
    ) -> Result<Framing, ProtocolError> {
        // 1. "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No
        //    Content), or 304 (Not Modified) status code is always terminated by the first empty
        //    line after the header fields, regardless of the header fields present in the message".
        if matches!(status, 100..=199 | 204 | 304) {
            return Ok(Framing::Empty);
        }
        // 2. "Any 2xx (Successful) response to a CONNECT request implies that the connection will
        //    become a tunnel [...]. A client MUST ignore any Content-Length or Transfer-Encoding
        //    header fields received in such a message." The body of any other is not read either.
        if asked == Asked::Connect {
            return Ok(Framing::Empty);
        }
        // 3. "If a message is received with both a Transfer-Encoding and a Content-Length header
        //    field, the Transfer-Encoding overrides the Content-Length." `reuse` ends the
        //    connection.
        // 4. "If a Transfer-Encoding header field is present and the chunked transfer coding
        //    (Section 7.1) is the final encoding, the message body length is determined by reading
        //    and decoding the chunked data". We never send TE, so no other coding is legal (section
        //    7.4). Whoever gets one in HTTP/1.0 "MUST treat the message as if the framing is
        //    faulty" (section 6.1).
        match self.transfer_encoding {
            TransferEncoding::Chunked if minor_version == 1 => return Ok(Framing::Chunked),
            TransferEncoding::Chunked | TransferEncoding::Other => {
                return Err(ProtocolError::TransferEncoding);
            }
            TransferEncoding::Absent => {}
        }
        match self.content_length {
            // 5. "If a message is received without Transfer-Encoding and with an invalid
            //    Content-Length header field, then the message framing is invalid and the recipient
            //    MUST treat it as an unrecoverable error, unless the field value can be
            //    successfully parsed as a comma-separated list [...], all values in the list are
            //    valid, and all values in the list are the same".
            ContentLength::Invalid(error) => Err(error),
            // 6. "If a valid Content-Length header field is present without Transfer-Encoding, its
            //    decimal value defines the expected message body length in octets."
            ContentLength::Bytes(bytes) => Ok(Framing::Length(bytes)),
            // 7. is about requests.
            // 8. "Otherwise, this is a response message without a declared message body length, so
            //    the message body length is determined by the number of octets received prior to
            //    the server closing the connection."
            ContentLength::Absent => Ok(Framing::Close),
        }
    }

    /// Whether the connection persists (RFC 9112 section 9.3, in its order), after those cases in
    /// which nobody can tell where the next response would start.
    fn reuse(&self, minor_version: u8, status: u16, framing: Framing) -> Reuse {
        let has_coding = self.transfer_encoding != TransferEncoding::Absent;
        let has_length = self.content_length != ContentLength::Absent;
        // A server that announces a body with a 204 may well send it, and the next response on this
        // connection would start with it.
        let announces_body = has_coding || (has_length && !self.has_length_zero());
        if (has_coding && has_length) || (status == 204 && announces_body) {
            Reuse::Close(CloseReason::AmbiguousLength)
        } else if self.has_close {
            Reuse::Close(CloseReason::ConnectionClose)
        } else if minor_version == 0 && !self.has_keep_alive {
            Reuse::Close(CloseReason::Http10)
        } else if framing == Framing::Close {
            Reuse::Close(CloseReason::CloseDelimited)
        } else {
            Reuse::Keep
        }
    }

    fn has_length_zero(&self) -> bool {
        self.content_length == ContentLength::Bytes(0)
    }
}

fn text(value: &[u8]) -> Box<str> {
    let value = trim_ows(value);
    let value = &value[..value.len().min(limits::HEAD_TEXT_BYTES_MAX)];
    String::from_utf8_lossy(value).into()
}

/// `1*DIGIT` below [`limits::BODY_BYTES_LIMIT`]. `parse::<u64>` would take a `+`.
fn content_length(value: &[u8]) -> Option<u64> {
    decimal(value)?.filter(|bytes| *bytes < limits::BODY_BYTES_LIMIT)
}

/// The value of `Retry-After`: `HTTP-date / delay-seconds`.
fn retry_after(value: &[u8]) -> Option<RetryAfter> {
    if let Some(seconds) = decimal(value) {
        return Some(RetryAfter::Seconds(seconds.unwrap_or(u64::MAX)));
    }
    unix_s(value).map(RetryAfter::Date)
}

/// An `HTTP-date` in seconds since the Unix epoch; `None` before that.
fn unix_s(value: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(str::from_utf8(value).ok()?).ok()?;
    Some(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
}

/// A date of `Retry-After` as the server means it, whose clock need not be ours: counted from the
/// `Date` of the same response, where it has one, and from when a cache sent it on (`Age`). `None`
/// for a date that is past by then.
fn until(until_s: u64, headers: &[httparse::Header<'_>]) -> Option<RetryAfter> {
    let value = |name: &str| {
        let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(unfold(header.value))
    };
    let Some(sent_s) = value("date").and_then(|value| unix_s(trim_ows(&value))) else {
        return Some(RetryAfter::Date(until_s));
    };
    let age_s = value("age").and_then(|value| decimal(trim_ows(&value))).flatten().unwrap_or(0);
    let left_s = until_s.saturating_sub(sent_s).saturating_sub(age_s);
    (left_s > 0).then_some(RetryAfter::Seconds(left_s))
}

#[cfg(test)]
mod tests;
