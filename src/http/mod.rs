//! The client side of HTTP/1.1 (RFC 9110, RFC 9112) as a pure machine: bytes in, events out.
//!
//! This layer holds no socket, clock, runtime or file. [`request::Template`] makes the bytes of one
//! GET; [`Exchange`] reads the bytes of its response. The caller owns the buffer, and body bytes
//! are given back as a span of that same buffer, so they are never copied into another one. Before
//! both, [`tunnel::Tunnel`] makes a proxy pass the bytes on; behind them, [`coding::Gunzip`] undoes
//! the content coding of a body where that was asked for.
//!
//! # States of an [`Exchange`]
//!
//! ```text
//!          1xx head (skipped, at most 16)
//!            +-----+
//!            |     v
//!   new -> [ reading head ] --Head--> [ reading body ] --End--> [ ended ]
//!                 |                      |   ^  |                 ^
//!                 |                      +---+  |                 |
//!                 |                      Body   +--receive_eof----+
//!                 |                             |  (no length: the end of the connection
//!                 +------- ProtocolError -------+   is the end of the body)
//!                                |
//!                                v
//!                            [ failed ]   every later call gives the same error
//! ```
//!
//! In every state [`Step::NeedInput`] means: nothing was used, append bytes and call again. The end
//! of the connection is an input too ([`Exchange::receive_eof`]), and whether it is an error
//! depends on the state, not on the caller.
//!
//! # Byte for byte
//!
//! The caller's part is one loop: call, drop `used` bytes from the front, call again.
//!
//! ```
//! use ringpull::http::{CloseReason, Exchange, Framing, Reuse, Step};
//!
//! let mut exchange = Exchange::new();
//!
//! // An interim response and half of the final head: nothing can be said, nothing is used.
//! let mut input = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Enc".to_vec();
//! assert_eq!(exchange.receive(&mut input)?, Step::NeedInput);
//!
//! // The rest of the head, two chunks and the size of a third.
//! input.extend_from_slice(b"oding: chunked\r\n\r\n5\r\nhello\r\n3\r\n wo\r\n3");
//! let Step::Head { used, head } = exchange.receive(&mut input)? else { panic!() };
//! assert_eq!((head.status, head.framing, head.reuse), (200, Framing::Chunked, Reuse::Keep));
//! assert_eq!(used, 28 + 47);
//! input.drain(..used);
//!
//! // 10 bytes for "hello" and its framing, 8 for " wo", 1 for the "3": the machine remembers that
//! // digit. The body was moved together at the front; bytes 8..19 are garbage now.
//! let step = exchange.receive(&mut input)?;
//! assert_eq!(step, Step::Body { used: 19, span: 0..8 });
//! assert_eq!(&input[..8], b"hello wo");
//! input.drain(..19);
//! assert_eq!(exchange.receive(&mut input)?, Step::NeedInput);
//!
//! // The rest of the chunk, the last chunk, and a byte that nobody asked for.
//! input.extend_from_slice(b"\r\nrld\r\n0\r\n\r\n?");
//! assert_eq!(exchange.receive(&mut input)?, Step::Body { used: 12, span: 0..3 });
//! assert_eq!(&input[..3], b"rld");
//! input.drain(..12);
//! let reuse = Reuse::Close(CloseReason::BytesAfterEnd);
//! assert_eq!(exchange.receive(&mut input)?, Step::End { used: 0, reuse });
//! # Ok::<(), ringpull::http::ProtocolError>(())
//! ```

mod body;
pub mod coding;
pub mod date;
pub mod etag;
pub mod exchange;
pub mod gunzip;
pub mod head;
pub mod range;
pub mod request;
pub mod served;
pub mod tunnel;
mod value;

pub(crate) use body::is_token;
pub use coding::CodingProblem;
pub use date::HttpDate;
pub use exchange::{Eof, Exchange};
pub use head::{Framing, Head, Location, RetryAfter};
pub use range::ContentRange;

use std::fmt;
use std::ops::Range;

/// What [`Exchange::receive`] found at the front of the input. `used` bytes are done with and must
/// be dropped from the front before the next call.
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
    /// `input[span]` is body, at least one byte of it. `span` starts at 0. A chunked body is
    /// compacted in place, so that `span` is shorter than `used` by the framing removed: the bytes
    /// `input[span.end..used]` are garbage then, and `input[used..]` is unread and untouched.
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
    /// The connection can serve another request.
    Keep,
    /// The connection must be closed, for this reason.
    Close(CloseReason),
}

/// Why a connection cannot serve another request (RFC 9112 section 9.3, 9.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// The response has `Connection: close`, or the peer has closed the connection already.
    ConnectionClose,
    /// HTTP/1.0 without `Connection: keep-alive`.
    Http10,
    /// The end of the connection ended the body.
    CloseDelimited,
    /// Two opinions on where the response ends: both Transfer-Encoding and Content-Length (RFC 9112
    /// section 6.1), or a 204 that announces a body all the same.
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
    /// A field name is not a token, or white space precedes the colon.
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

impl ProtocolError {
    /// Every error.
    pub(crate) const ALL: [Self; 17] = [
        Self::Version,
        Self::StatusLine,
        Self::FieldName,
        Self::FieldValue,
        Self::Line,
        Self::HeadTooLarge,
        Self::HeadFieldsTooMany,
        Self::InterimTooMany,
        Self::SwitchingProtocols,
        Self::TransferEncoding,
        Self::ContentLength,
        Self::ContentLengthsDiffer,
        Self::ChunkSize,
        Self::ChunkSizeTooLarge,
        Self::ChunkExtensionTooLarge,
        Self::ChunkEnd,
        Self::Trailer,
    ];

    /// The stable code that rows carry: `http.` and the rule that was broken.
    pub fn code(self) -> &'static str {
        match self {
            Self::Version => "http.version",
            Self::StatusLine => "http.status_line",
            Self::FieldName => "http.field_name",
            Self::FieldValue => "http.field_value",
            Self::Line => "http.line",
            Self::HeadTooLarge => "http.head_too_large",
            Self::HeadFieldsTooMany => "http.head_fields_too_many",
            Self::InterimTooMany => "http.interim_too_many",
            Self::SwitchingProtocols => "http.switching_protocols",
            Self::TransferEncoding => "http.transfer_encoding",
            Self::ContentLength => "http.content_length",
            Self::ContentLengthsDiffer => "http.content_lengths_differ",
            Self::ChunkSize => "http.chunk_size",
            Self::ChunkSizeTooLarge => "http.chunk_size_too_large",
            Self::ChunkExtensionTooLarge => "http.chunk_extension_too_large",
            Self::ChunkEnd => "http.chunk_end",
            Self::Trailer => "http.trailer",
        }
    }
    /// What is wrong with the response, for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Version => "the response is not HTTP/1.0 or HTTP/1.1",
            Self::StatusLine => "the status line is malformed",
            Self::FieldName => "a header field name is malformed",
            Self::FieldValue => "a header field value contains a control character",
            Self::Line => "a header line is malformed",
            Self::HeadTooLarge => "the response head is too large",
            Self::HeadFieldsTooMany => "the response head has too many fields",
            Self::InterimTooMany => "the server sent too many interim (1xx) responses",
            Self::SwitchingProtocols => "the server switched protocols unasked (101)",
            Self::TransferEncoding => "the transfer coding is not chunked",
            Self::ContentLength => "the Content-Length is not a number below 2^63",
            Self::ContentLengthsDiffer => "the Content-Length values differ",
            Self::ChunkSize => "a chunk size is malformed",
            Self::ChunkSizeTooLarge => "a chunk size is 2^63 or more",
            Self::ChunkExtensionTooLarge => "the chunk extensions are too large",
            Self::ChunkEnd => "chunk data is not followed by CR LF",
            Self::Trailer => "the trailer section is malformed or too large",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for ProtocolError {}
