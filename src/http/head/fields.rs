//! The fields of one head, as they are met.

use super::super::coding::codings;
use super::super::date::HttpDate;
use super::super::value::{decimal, members, trim_ows, unfold};
use super::super::{CloseReason, ContentRange, ProtocolError, Reuse};
use super::{Asked, Framing, Head, Location, RetryAfter};
use crate::limits;

/// The fields that matter, as they are met. Nothing is allocated for the others.
#[derive(Debug, Default)]
pub(super) struct Fields {
    has_close: bool,
    has_keep_alive: bool,
    transfer_encoding: TransferEncoding,
    content_length: ContentLength,
    content_type: Option<Box<str>>,
    content_encoding: Option<Box<str>>,
    etag: Option<Box<str>>,
    last_modified: Option<HttpDate>,
    date: Option<HttpDate>,
    accepts_ranges: Option<bool>,
    location: Location,
    /// `Content-Disposition`, which like a location may come once.
    content_disposition: Location,
    robots_tags: Vec<u8>,
    content_range: Range,
    retry_after: Option<RetryAfter>,
}

/// All `Content-Range` lines together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Range {
    #[default]
    Absent,
    One(ContentRange),
    /// A line that is not valid, or several lines.
    Unclear,
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
    pub(super) fn read(headers: &[httparse::Header<'_>]) -> Self {
        let mut fields = Self::default();
        for header in headers {
            fields.add(header.name, header.value);
        }
        if let Some(RetryAfter::Date(until_s)) = fields.retry_after {
            fields.retry_after = until(until_s, fields.date, headers);
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
            4 if is("date") && self.date.is_none() => self.date = date(raw),
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
            13 if is("content-range") => self.add_content_range(&unfold(raw)),
            13 if is("accept-ranges") => self.add_accept_ranges(&unfold(raw)),
            13 if is("last-modified") && self.last_modified.is_none() => {
                self.last_modified = date(raw);
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

    fn add_content_range(&mut self, value: &[u8]) {
        self.content_range = match (self.content_range, ContentRange::parse(trim_ows(value))) {
            (Range::Absent, Some(range)) => Range::One(range),
            (Range::Absent | Range::One(_) | Range::Unclear, _) => Range::Unclear,
        };
    }

    /// `Accept-Ranges` (RFC 9110 section 14.3): a list of units, or `none`.
    fn add_accept_ranges(&mut self, value: &[u8]) {
        for unit in members(value).filter(|unit| !unit.is_empty()) {
            let is_bytes = unit.eq_ignore_ascii_case(b"bytes");
            self.accepts_ranges = Some(is_bytes || self.accepts_ranges == Some(true));
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

    pub(super) fn into_head(
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
            last_modified: self.last_modified,
            date: self.date,
            accepts_ranges: self.accepts_ranges,
            location: self.location,
            robots_tags: match self.robots_tags {
                tags if tags.is_empty() => None,
                tags => Some(tags.into()),
            },
            content_disposition: match self.content_disposition {
                Location::One(value) => Some(value),
                Location::Absent | Location::Ambiguous => None,
            },
            content_range: match self.content_range {
                Range::One(range) => Some(range),
                Range::Absent | Range::Unclear => None,
            },
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
    match str::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(value).into(),
    }
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
    HttpDate::new(value)?.unix_s().map(RetryAfter::Date)
}

fn date(raw: &[u8]) -> Option<HttpDate> {
    HttpDate::new(trim_ows(&unfold(raw)))
}

/// A date of `Retry-After` as the server means it, whose clock need not be ours: counted from the
/// `Date` of the same response, where it has one, and from when a cache sent it on (`Age`). `None`
/// for a date that is past by then.
fn until(
    until_s: u64,
    date: Option<HttpDate>,
    headers: &[httparse::Header<'_>],
) -> Option<RetryAfter> {
    let Some(sent_s) = date.and_then(HttpDate::unix_s) else {
        return Some(RetryAfter::Date(until_s));
    };
    let age = headers.iter().find(|header| header.name.eq_ignore_ascii_case("age"));
    let age_s = age.and_then(|header| decimal(trim_ows(&unfold(header.value)))).flatten();
    let left_s = until_s.saturating_sub(sent_s).saturating_sub(age_s.unwrap_or(0));
    (left_s > 0).then_some(RetryAfter::Seconds(left_s))
}
