//! Bytes to [`Head`].

use super::Reuse;

/// How the end of the body is found (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Framing {
    /// There is no body.
    Empty,
    /// So many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// Everything until the connection ends.
    Close,
}

/// A `Retry-After` value (RFC 9110 section 10.2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RetryAfter {
    /// Delay in seconds.
    Seconds(u64),
    /// Point in time, in seconds since the Unix epoch.
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

/// What the client needs of the final response head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Minor version of HTTP/1: 0 or 1.
    pub minor_version: u8,
    /// Status code, 200-599.
    pub status: u16,
    /// How the body ends.
    pub framing: Framing,
    /// What the head says about reuse; the exchange may still say `Close` at the end.
    pub reuse: Reuse,
    /// `Content-Type`, made valid text.
    pub content_type: Option<Box<str>>,
    /// `Content-Encoding` other than `identity`, made valid text.
    pub content_encoding: Option<Box<str>>,
    /// `ETag`, made valid text.
    pub etag: Option<Box<str>>,
    /// `Location`.
    pub location: Location,
    /// `Retry-After`, when it has a valid value.
    pub retry_after: Option<RetryAfter>,
}
