//! What a connection sends on and receives from: a socket, or memory in its place.

use super::deadline::Rule;
use super::memory::Memory;
use super::tcp::{SentAndReceived, Socket, Waiting};
use crate::fault::Cause;
use crate::limits::RECV_BUFFER_BYTES;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A socket, or memory in its place, with the methods of a socket.
#[derive(Debug)]
pub(super) enum Line {
    Socket(Socket),
    Memory(Box<Memory>),
}

impl Line {
    /// The address of the other side, where there is one.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Socket(socket) => Some(socket.peer()),
            Self::Memory(_) => None,
        }
    }

    pub(super) fn arm(&self, rule: Rule, at_ms: u64, job_at_ms: u64) {
        match self {
            Self::Socket(socket) => socket.arm(rule, at_ms, job_at_ms),
            Self::Memory(memory) => memory.arm(job_at_ms),
        }
    }

    pub(super) fn cut_by(&self, cut: Option<&Arc<AtomicBool>>) {
        if let Self::Socket(socket) = self {
            socket.cut_by(cut);
        }
    }

    pub(super) fn disarm(&self) {
        match self {
            Self::Socket(socket) => socket.disarm(),
            Self::Memory(memory) => memory.arm(u64::MAX),
        }
    }

    /// Why the socket was shut down from here, if it was.
    pub(super) fn verdict(&self) -> Option<Cause> {
        match self {
            Self::Socket(socket) => socket.verdict(),
            Self::Memory(_) => None,
        }
    }

    pub(super) fn waiting(&self) -> Waiting {
        match self {
            Self::Socket(socket) => socket.waiting(),
            Self::Memory(_) => Waiting::Nothing,
        }
    }

    /// Whether the last receive says that nothing is left. Nothing ever is in memory.
    pub(super) fn is_drained(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.is_drained(),
            Self::Memory(_) => true,
        }
    }

    /// Whether what is received first of an answer brings its own memory.
    pub(super) fn provides_memory(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.provides_memory(),
            Self::Memory(_) => false,
        }
    }

    pub(super) async fn send(&self, bytes: Vec<u8>) -> (Result<(), Cause>, Vec<u8>) {
        match self {
            Self::Socket(socket) => socket.send(bytes).await,
            Self::Memory(_) => (Ok(()), bytes),
        }
    }

    pub(super) async fn send_and_receive(
        &mut self,
        bytes: Vec<u8>,
        (mut memory, range): (Vec<u8>, Range<usize>),
        is_reused: bool,
    ) -> SentAndReceived {
        match self {
            Self::Socket(socket) => {
                socket.send_and_receive(bytes, (memory, range), is_reused).await
            }
            Self::Memory(peer) => {
                if memory.is_empty() {
                    // As a ring brings memory with what it receives.
                    memory = vec![0; RECV_BUFFER_BYTES];
                }
                peer.ask();
                let received = peer.receive(&mut memory[range]).await;
                SentAndReceived { sent: Ok(()), bytes, received, memory, is_early: false }
            }
        }
    }

    pub(super) async fn receive(
        &mut self,
        mut memory: Vec<u8>,
        range: Range<usize>,
        is_whole: bool,
    ) -> (Result<usize, Cause>, Vec<u8>) {
        match self {
            Self::Socket(socket) => socket.receive(memory, range, is_whole).await,
            Self::Memory(peer) => (peer.receive(&mut memory[range]).await, memory),
        }
    }

    /// Receives the bytes that are here, without a wait. Memory has none: its bytes come when they
    /// are waited for.
    pub(super) fn receive_here(&self, memory: &mut [u8]) -> Result<usize, Cause> {
        match self {
            Self::Socket(socket) => socket.receive_here(memory),
            Self::Memory(_) => Ok(0),
        }
    }
}
