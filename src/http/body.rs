//! Body decoding, in place: where the body ends, and which bytes of the caller's buffer are body.
//!
//! The chunk-size reader is our own: `httparse::parse_chunk_size` reads an empty size line as the
//! last chunk, which would end a damaged body in silence, and has no limit on extensions.

use super::{Framing, ProtocolError};
use crate::limits;
use std::ops::Range;

/// Finds the end of one body.
#[derive(Debug)]
pub(super) enum Decoder {
    /// A body with this many bytes still to come.
    Length { remaining: u64 },
    /// Chunked transfer coding.
    Chunked(Chunked),
    /// Everything until the connection ends.
    Close,
}

/// What one call of [`Decoder::decode`] found.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Decoded {
    /// No body byte, no end; nothing is used.
    NeedInput,
    /// `input[span]`, never empty, is body; `used` bytes are done with.
    Body { used: usize, span: Range<usize> },
    /// The body ended `used` bytes into the input.
    End { used: usize },
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Empty => Self::Length { remaining: 0 },
            Framing::Length(bytes) => Self::Length { remaining: bytes },
            Framing::Chunked => Self::Chunked(Chunked::new()),
            Framing::Close => Self::Close,
        }
    }

    pub(super) fn decode(&mut self, input: &mut [u8]) -> Result<Decoded, ProtocolError> {
        match self {
            Self::Length { remaining: 0 } => Ok(Decoded::End { used: 0 }),
            Self::Length { remaining } => {
                let len = at_most(*remaining, input.len());
                *remaining -= len as u64;
                Ok(plain_body(len))
            }
            Self::Chunked(chunked) => chunked.decode(input),
            Self::Close => Ok(plain_body(input.len())),
        }
    }

    /// Body bytes still to come, where the framing says so; 0 once the end was read.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self {
            Self::Length { remaining } => Some(*remaining),
            Self::Chunked(chunked) if chunked.state == ChunkState::End => Some(0),
            Self::Chunked(_) | Self::Close => None,
        }
    }
}

fn plain_body(len: usize) -> Decoded {
    if len == 0 { Decoded::NeedInput } else { Decoded::Body { used: len, span: 0..len } }
}

/// `remaining`, but no more than `available`.
fn at_most(remaining: u64, available: usize) -> usize {
    usize::try_from(remaining).map_or(available, |remaining| remaining.min(available))
}

/// The chunked transfer coding (RFC 9112 section 7.1), one framing byte at a time and chunk data at
/// once. Strict: CRLF only, a digit in every size, nothing but CRLF after the data.
#[derive(Debug)]
pub(super) struct Chunked {
    state: ChunkState,
    /// The size read so far; then the bytes of the chunk still to come.
    chunk_bytes: u64,
    /// Sum of all chunk sizes.
    body_bytes: u64,
    /// Bytes of the current size line.
    line_len: usize,
    /// Bytes of extensions in the whole body.
    extensions_len: usize,
    /// Bytes of the trailer section.
    trailer_len: usize,
    /// Bytes at the front of the input that were read but could not be reported as used, because no
    /// body came with them. Bounded by one size line and the trailer section.
    held_len: usize,
    /// An error found behind body bytes, which were given out first.
    failed: Option<ProtocolError>,
}

/// Place in the chunked coding, by what the next byte is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ChunkState {
    /// The first digit of a chunk size.
    SizeStart,
    /// Another digit, or what follows the digits.
    Size,
    /// White space after the digits, with which old servers pad.
    SizePadding,
    /// Within the extensions.
    Extension,
    /// The LF of a size line.
    SizeLf,
    /// Chunk data.
    Data,
    /// The CR after chunk data.
    DataCr,
    /// The LF after chunk data.
    DataLf,
    /// The first byte of a trailer line, or of the CRLF that ends the body.
    TrailerStart,
    /// Within a trailer field name.
    TrailerName,
    /// Within a trailer field value.
    TrailerValue,
    /// The LF of a trailer line.
    TrailerLf,
    /// The very last LF.
    EndLf,
    /// Nothing: the body is complete.
    End,
}

impl Chunked {
    fn new() -> Self {
        Self {
            state: ChunkState::SizeStart,
            chunk_bytes: 0,
            body_bytes: 0,
            line_len: 0,
            extensions_len: 0,
            trailer_len: 0,
            held_len: 0,
            failed: None,
        }
    }

    /// Moves all chunk data of `input` together at its front.
    fn decode(&mut self, input: &mut [u8]) -> Result<Decoded, ProtocolError> {
        assert!(self.held_len <= input.len(), "the caller dropped bytes that were not used");
        let mut read = std::mem::take(&mut self.held_len);
        let mut body = 0;
        while read < input.len() && self.state != ChunkState::End && self.failed.is_none() {
            if self.state == ChunkState::Data {
                let len = at_most(self.chunk_bytes, input.len() - read);
                if body != read {
                    input.copy_within(read..read + len, body);
                }
                body += len;
                read += len;
                self.data_read(len);
            } else {
                match self.framing(input[read]) {
                    Ok(next) => {
                        self.state = next;
                        read += 1;
                    }
                    Err(error) => self.failed = Some(error),
                }
            }
        }
        if body > 0 {
            return Ok(Decoded::Body { used: read, span: 0..body });
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.state == ChunkState::End {
            return Ok(Decoded::End { used: read });
        }
        self.held_len = read;
        Ok(Decoded::NeedInput)
    }

    fn data_read(&mut self, len: usize) {
        self.chunk_bytes -= len as u64;
        if self.chunk_bytes == 0 {
            self.state = ChunkState::DataCr;
        }
    }

    /// Reads one byte that is not chunk data.
    fn framing(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        match self.state {
            ChunkState::SizeStart
            | ChunkState::Size
            | ChunkState::SizePadding
            | ChunkState::Extension
            | ChunkState::SizeLf => self.size_line(byte),
            ChunkState::DataCr if byte == b'\r' => Ok(ChunkState::DataLf),
            ChunkState::DataLf if byte == b'\n' => Ok(ChunkState::SizeStart),
            ChunkState::DataCr | ChunkState::DataLf => Err(ProtocolError::ChunkEnd),
            ChunkState::TrailerStart
            | ChunkState::TrailerName
            | ChunkState::TrailerValue
            | ChunkState::TrailerLf
            | ChunkState::EndLf => self.trailer(byte),
            ChunkState::Data | ChunkState::End => unreachable!("{:?} is not framing", self.state),
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF`
    fn size_line(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        self.line_len += 1;
        if self.line_len > limits::CHUNK_LINE_BYTES_MAX {
            return Err(ProtocolError::ChunkExtensionTooLarge);
        }
        match (self.state, byte) {
            (ChunkState::SizeStart | ChunkState::Size, b'0'..=b'9') => self.digit(byte - b'0'),
            (ChunkState::SizeStart | ChunkState::Size, b'a'..=b'f') => self.digit(byte - b'a' + 10),
            (ChunkState::SizeStart | ChunkState::Size, b'A'..=b'F') => self.digit(byte - b'A' + 10),
            (ChunkState::Size | ChunkState::SizePadding, b' ' | b'\t') => {
                Ok(ChunkState::SizePadding)
            }
            (ChunkState::Size | ChunkState::SizePadding, b';') => self.extension(),
            (ChunkState::Size | ChunkState::SizePadding | ChunkState::Extension, b'\r') => {
                Ok(ChunkState::SizeLf)
            }
            (ChunkState::Extension, byte) if is_text(byte) => self.extension(),
            (ChunkState::SizeLf, b'\n') => self.size_read(),
            _ => Err(ProtocolError::ChunkSize),
        }
    }

    fn digit(&mut self, digit: u8) -> Result<ChunkState, ProtocolError> {
        let size = self.chunk_bytes.checked_mul(16).map(|size| size + u64::from(digit));
        self.chunk_bytes = below_limit(size)?;
        Ok(ChunkState::Size)
    }

    fn extension(&mut self) -> Result<ChunkState, ProtocolError> {
        self.extensions_len += 1;
        if self.extensions_len > limits::CHUNK_EXTENSIONS_BYTES_MAX {
            return Err(ProtocolError::ChunkExtensionTooLarge);
        }
        Ok(ChunkState::Extension)
    }

    fn size_read(&mut self) -> Result<ChunkState, ProtocolError> {
        self.line_len = 0;
        if self.chunk_bytes == 0 {
            return Ok(ChunkState::TrailerStart);
        }
        self.body_bytes = below_limit(self.body_bytes.checked_add(self.chunk_bytes))?;
        Ok(ChunkState::Data)
    }

    /// `trailer-section CRLF`. The fields are checked for their form and otherwise ignored: nothing
    /// a trailer says may change a response that was already acted upon (RFC 9110 section 6.5.1).
    fn trailer(&mut self, byte: u8) -> Result<ChunkState, ProtocolError> {
        let is_first = self.trailer_len == 0;
        self.trailer_len += 1;
        if self.trailer_len > limits::TRAILER_BYTES_MAX {
            return Err(ProtocolError::Trailer);
        }
        match (self.state, byte) {
            (ChunkState::TrailerStart, b'\r') => Ok(ChunkState::EndLf),
            // obs-fold: the line belongs to the field before it, if there is one.
            (ChunkState::TrailerStart, b' ' | b'\t') if !is_first => Ok(ChunkState::TrailerValue),
            (ChunkState::TrailerStart | ChunkState::TrailerName, byte) if is_token(byte) => {
                Ok(ChunkState::TrailerName)
            }
            (ChunkState::TrailerName, b':') => Ok(ChunkState::TrailerValue),
            (ChunkState::TrailerValue, b'\r') => Ok(ChunkState::TrailerLf),
            (ChunkState::TrailerValue, byte) if is_text(byte) => Ok(ChunkState::TrailerValue),
            (ChunkState::TrailerLf, b'\n') => Ok(ChunkState::TrailerStart),
            (ChunkState::EndLf, b'\n') => Ok(ChunkState::End),
            _ => Err(ProtocolError::Trailer),
        }
    }
}

fn below_limit(bytes: Option<u64>) -> Result<u64, ProtocolError> {
    bytes.filter(|bytes| *bytes < limits::BODY_BYTES_LIMIT).ok_or(ProtocolError::ChunkSizeTooLarge)
}

/// `HTAB / SP / VCHAR / obs-text` (RFC 9110 section 5.5).
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// `tchar` (RFC 9110 section 5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
