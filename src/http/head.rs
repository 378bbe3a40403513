//! Bytes to [`Head`]: the status line, the few fields a downloader needs, and where the body ends.
//!
//! `httparse` splits the lines; every rule it does not keep is kept here: it takes any three digits
//! for a status, skips empty lines in front of the status line, and leaves folded lines folded.

mod fields;

use self::fields::Fields;
use super::date::HttpDate;
use super::value::trim_ows;
use super::{ContentRange, ProtocolError, Reuse};
use crate::limits;
use std::mem::MaybeUninit;

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
    /// `Last-Modified`, as sent; the first one, where there are several. Whether it is a date shows
    /// when it is read ([`HttpDate::unix_s`]).
    pub last_modified: Option<HttpDate>,
    /// `Date`, when the origin made the response; as `last_modified`.
    pub date: Option<HttpDate>,
    /// `Accept-Ranges`: whether it lists bytes.
    pub accepts_ranges: Option<bool>,
    /// `Location`.
    pub location: Location,
    /// `Content-Disposition`: the bytes as sent, obs-fold replaced and OWS trimmed; `None` where
    /// there are several that differ.
    pub content_disposition: Option<Box<[u8]>>,
    /// Values of all `X-Robots-Tag` lines, each on a line of its own.
    pub robots_tags: Option<Box<[u8]>>,
    /// `Content-Range`, when there is exactly one and it has a valid value.
    pub content_range: Option<ContentRange>,
    /// `Retry-After`, when it has a valid value; the first one, where there are several.
    pub retry_after: Option<RetryAfter>,
}

impl Head {
    /// Whether the body is several parts in one (RFC 9110 section 14.6), which nobody asked for.
    pub fn is_multipart_byteranges(&self) -> bool {
        let media_type = self.content_type.as_deref().and_then(|value| value.split(';').next());
        media_type.is_some_and(|media_type| {
            trim_ows(media_type.as_bytes()).eq_ignore_ascii_case(b"multipart/byteranges")
        })
    }
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

#[cfg(test)]
mod tests;
