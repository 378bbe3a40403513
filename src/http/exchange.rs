//! One response on one connection.

use super::{ProtocolError, Reuse, Step};

/// The machine that reads one response, its interim ones included.
#[derive(Debug)]
pub struct Exchange {}

impl Exchange {
    /// A machine that expects the response to one GET.
    pub fn new() -> Self {
        todo!()
    }

    /// Reads from the front of `input`, which holds all bytes received and not yet used.
    pub fn receive(&mut self, _input: &mut [u8]) -> Result<Step, ProtocolError> {
        todo!()
    }

    /// The peer ended the connection in an orderly way, after `left` bytes that `receive` did not use.
    pub fn receive_eof(&mut self, _left: usize) -> Result<Reuse, Eof> {
        todo!()
    }

    /// Body bytes still to come, where the framing says so.
    pub fn body_remaining(&self) -> Option<u64> {
        todo!()
    }
}

/// Why an end of the connection was not the end of the response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Eof {
    /// No byte of a response had come.
    BeforeHead,
    /// Within the head.
    InHead,
    /// Within the body.
    InBody {
        /// Body bytes that came.
        got: u64,
        /// Body bytes announced, if they were.
        want: Option<u64>,
    },
}
