//! The client side of HTTP/1.1 (RFC 9110, RFC 9112) as a pure machine: bytes in, events out.
//!
//! This layer holds no socket, clock, runtime or file. [`request::encode`] makes the bytes of one GET;
//! [`Exchange`] reads the bytes of its response. The caller owns the buffer, and body bytes are given
//! back as a span of that same buffer, so they are never copied.

pub mod body;
pub mod exchange;
pub mod head;
pub mod request;

pub use exchange::Exchange;
pub use head::{Framing, Head, RetryAfter};

use std::ops::Range;

/// What [`Exchange::receive`] found at the front of the input. `used` bytes are done with and must be
/// dropped from the front before the next call.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing can be said yet: append bytes and call again. Nothing was used.
    NeedInput,
    /// The final response head; interim (1xx) responses before it were skipped.
    Head {
        /// Bytes done with.
        used: usize,
        /// The head.
        head: Box<Head>,
    },
    /// `input[span]` is body. A chunked body is compacted in place: `span` starts at 0 and is shorter
    /// than `used` by the framing removed.
    Body {
        /// Bytes done with.
        used: usize,
        /// Body bytes, within the first `used` bytes of the input.
        span: Range<usize>,
    },
    /// The response is complete. Bytes after `used` do not belong to it.
    End {
        /// Bytes done with.
        used: usize,
        /// Whether the connection can serve another request.
        reuse: Reuse,
    },
}

/// Whether a connection can serve another request after an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// It can.
    Keep,
    /// It must be closed, and why.
    Close(CloseReason),
}

/// Why a connection cannot serve another request (RFC 9112 section 9.3, 9.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The response has `Connection: close`.
    ConnectionClose,
    /// HTTP/1.0 without `Connection: keep-alive`.
    Http10,
    /// The end of the connection ended the body.
    CloseDelimited,
    /// Both Transfer-Encoding and Content-Length were sent (RFC 9112 section 6.1).
    AmbiguousLength,
    /// Bytes followed the response that nobody asked for.
    BytesAfterEnd,
}

/// Which rule of HTTP/1.1 the peer broke. Incomplete input is never an error.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ProtocolError {
    /// Not `HTTP/1.0` or `HTTP/1.1`, or not HTTP at all.
    Version,
    /// The status line is malformed or the status is not 100-599.
    StatusLine,
    /// A field name is no token, or white space precedes the colon.
    FieldName,
    /// A field value holds a bare CR, NUL or another control.
    FieldValue,
    /// A line ends in a bare CR, or the head is otherwise malformed.
    Line,
    /// The head exceeds [`crate::limits::HEAD_BYTES_MAX`].
    HeadTooLarge,
    /// More field lines than [`crate::limits::HEAD_FIELDS_MAX`].
    HeadFieldsTooMany,
    /// More interim responses than [`crate::limits::INTERIM_RESPONSES_MAX`].
    InterimTooMany,
    /// 101 without an upgrade asked for.
    SwitchingProtocols,
    /// A Transfer-Encoding other than exactly `chunked`, or one in HTTP/1.0.
    TransferEncoding,
    /// A Content-Length that is not 1*DIGIT below 2^63.
    ContentLength,
    /// Content-Length values that differ.
    ContentLengthsDiffer,
    /// A chunk size without a hex digit, with a bad byte, or with a line end other than CRLF.
    ChunkSize,
    /// A chunk size, or the sum of them, of 2^63 or more.
    ChunkSizeTooLarge,
    /// A chunk-size line or the extensions of the body over their limit.
    ChunkExtensionTooLarge,
    /// Chunk data not followed by CRLF.
    ChunkEnd,
    /// A trailer section over [`crate::limits::TRAILER_BYTES_MAX`], or malformed.
    Trailer,
}
