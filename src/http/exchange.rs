//! One response on one connection.

use super::body::{Decoded, Decoder};
use super::head::HeadReader;
use super::{CloseReason, Framing, ProtocolError, Reuse, Step};

/// The machine that reads one response, its interim ones included.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    /// Whether bytes behind the response are those of another one.
    is_followed: bool,
}

#[derive(Debug)]
enum State {
    Head(HeadReader),
    Body(Body),
    /// The response is complete.
    End(Reuse),
    /// The peer broke the protocol; what comes next has no meaning.
    Failed(ProtocolError),
}

/// A body that is being read.
#[derive(Debug)]
struct Body {
    decoder: Decoder,
    /// What the head says about reuse.
    reuse: Reuse,
    /// Body bytes given out.
    got: u64,
    /// Body bytes announced; `None` where the head has no length.
    want: Option<u64>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self::new()
    }
}

impl Exchange {
    /// A machine that expects the response to one GET.
    pub fn new() -> Self {
        Self { state: State::Head(HeadReader::default()), is_followed: false }
    }

    /// A machine that expects the response to one GET and leaves what is behind it alone: other
    /// requests were sent already (RFC 9112 section 9.3.2).
    pub fn followed() -> Self {
        Self { is_followed: true, ..Self::new() }
    }

    /// Reads from the front of `input`, which holds all bytes received and not yet used.
    ///
    /// A buffer of [`crate::limits::HEAD_BYTES_MAX`] bytes always gets a head or an error, and one
    /// of [`crate::limits::RECV_BUFFER_BYTES`] always gets the body forward. Call until the answer
    /// is [`Step::NeedInput`], [`Step::End`] or an error, also with an empty `input`: the end of a
    /// response without a body follows its head at once. After an end or an error every call says
    /// the same again.
    ///
    /// # Errors
    ///
    /// The rule of HTTP/1.1 that the peer broke. Body bytes in front of the bad byte are given out
    /// first, so that the outcome does not depend on how the bytes were split.
    ///
    /// # Panics
    ///
    /// When the caller dropped bytes that no step called used.
    pub fn receive(&mut self, input: &mut [u8]) -> Result<Step, ProtocolError> {
        let step = match &mut self.state {
            State::Head(reader) => match reader.receive(input) {
                Ok(None) => Ok(Step::NeedInput),
                Ok(Some((used, head))) => {
                    self.state = State::Body(Body::new(head.framing, head.reuse));
                    Ok(Step::Head { used, head })
                }
                Err(error) => Err(error),
            },
            State::Body(body) => body.receive(input, self.is_followed),
            State::End(reuse) => Ok(Step::End { used: 0, reuse: *reuse }),
            State::Failed(error) => Err(*error),
        };
        match &step {
            Ok(Step::End { reuse, .. }) => self.state = State::End(*reuse),
            Ok(Step::NeedInput | Step::Head { .. } | Step::Body { .. }) => {}
            Err(error) => self.state = State::Failed(*error),
        }
        step
    }

    /// Takes note that the peer ended the connection in an orderly way, after `left` bytes that
    /// `receive` was shown and did not use. Over TLS only a close_notify is orderly.
    ///
    /// Where the response is complete the answer is `Ok`, and always a `Close`.
    ///
    /// # Errors
    ///
    /// What was missing. After a protocol error there is no such answer; do not ask.
    ///
    /// # Panics
    ///
    /// When `receive` has not been called until [`Step::NeedInput`] or [`Step::End`] before.
    pub fn receive_eof(&mut self, left: usize) -> Result<Reuse, Eof> {
        let reuse = match &self.state {
            State::Head(_) if left == 0 => return Err(Eof::BeforeHead),
            State::Head(_) => return Err(Eof::InHead),
            State::Body(body) => body.receive_eof(left)?,
            State::End(Reuse::Keep) => Reuse::Close(CloseReason::ConnectionClose),
            State::End(reuse @ Reuse::Close(_)) => *reuse,
            State::Failed(error) => panic!("end of connection asked about after an error: {error}"),
        };
        self.state = State::End(reuse);
        Ok(reuse)
    }

    /// Body bytes still to come, where the framing says so: `Some(0)` once the response is complete
    /// but for its [`Step::End`], `None` before the head and where nobody knows.
    pub fn body_remaining(&self) -> Option<u64> {
        match &self.state {
            State::Head(_) | State::Failed(_) => None,
            State::Body(body) => body.decoder.remaining(),
            State::End(_) => Some(0),
        }
    }
}

impl Body {
    fn new(framing: Framing, reuse: Reuse) -> Self {
        let want = match framing {
            Framing::Empty => Some(0),
            Framing::Length(bytes) => Some(bytes),
            Framing::Chunked | Framing::Close => None,
        };
        Self { decoder: Decoder::new(framing), reuse, got: 0, want }
    }

    fn receive(&mut self, input: &mut [u8], is_followed: bool) -> Result<Step, ProtocolError> {
        Ok(match self.decoder.decode(input)? {
            Decoded::NeedInput => Step::NeedInput,
            Decoded::Body { used, span } => {
                self.got += span.len() as u64;
                Step::Body { used, span }
            }
            Decoded::End { used } if used < input.len() && !is_followed => {
                Step::End { used, reuse: Reuse::Close(CloseReason::BytesAfterEnd) }
            }
            Decoded::End { used } => Step::End { used, reuse: self.reuse },
        })
    }

    fn receive_eof(&self, left: usize) -> Result<Reuse, Eof> {
        match (&self.decoder, self.decoder.remaining()) {
            (_, Some(0)) if left > 0 => Ok(Reuse::Close(CloseReason::BytesAfterEnd)),
            (_, Some(0)) => Ok(match self.reuse {
                Reuse::Keep => Reuse::Close(CloseReason::ConnectionClose),
                reuse @ Reuse::Close(_) => reuse,
            }),
            (Decoder::Close, _) => {
                assert_eq!(left, 0, "body bytes were not received before the end");
                Ok(Reuse::Close(CloseReason::CloseDelimited))
            }
            (Decoder::Length { .. }, _) => {
                assert_eq!(left, 0, "body bytes were not received before the end");
                Err(Eof::InBody { got: self.got, want: self.want })
            }
            (Decoder::Chunked(_), _) => Err(Eof::InBody { got: self.got, want: self.want }),
        }
    }
}

/// Why an end of the connection was not the end of the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Eof {
    /// The connection ended before any byte of a response.
    BeforeHead,
    /// The connection ended within the head.
    InHead,
    /// The connection ended within the body.
    InBody {
        /// Body bytes that came.
        got: u64,
        /// Body bytes announced; `None` where the head had no length.
        want: Option<u64>,
    },
}

#[cfg(test)]
mod tests;
