//! Answers out of memory, where a network would be: what is left of a run then is all that is not
//! the network, and can be measured by itself (`--network memory:SIZE`).
//!
//! Each request is answered by a head and a body of the size that was asked for, as HTTP, into the
//! buffer that a socket would have received into. So all that comes after a receive is the same.

use super::deadline::Deadlines;
use crate::fault::Cause;
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// Where answers come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Network {
    /// Servers, by sockets.
    #[default]
    Sockets,
    /// Memory of this process: each body has so many bytes, none of which a server sent.
    Memory {
        /// Bytes of each body.
        body_bytes: u64,
    },
}

/// A peer that answers each request from memory.
#[derive(Debug)]
pub(super) struct Memory {
    deadlines: Deadlines,
    /// Head of each answer.
    head: Vec<u8>,
    body_bytes: u64,
    /// Bytes of the head that were not received yet.
    head_left: usize,
    /// Bytes of the body that were not received yet.
    body_left: u64,
    /// When the job is over, in milliseconds.
    job_at_ms: Cell<u64>,
}

impl Memory {
    pub(super) fn new(deadlines: &Deadlines, body_bytes: u64) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {body_bytes}\r\n\r\n"
        );
        Self {
            deadlines: deadlines.clone(),
            head: head.into_bytes(),
            body_bytes,
            head_left: 0,
            body_left: 0,
            job_at_ms: Cell::new(u64::MAX),
        }
    }

    /// Sets when the job is over.
    pub(super) fn arm(&self, job_at_ms: u64) {
        self.job_at_ms.set(job_at_ms);
    }

    /// Takes a request, whatever it says.
    pub(super) fn ask(&mut self) {
        (self.head_left, self.body_left) = (self.head.len(), self.body_bytes);
    }

    /// Receives what is left of the answer, as much as there is room for.
    ///
    /// # Errors
    /// The run or the job is over.
    pub(super) async fn receive(&mut self, memory: &mut [u8]) -> Result<usize, Cause> {
        pass().await;
        if self.deadlines.is_interrupted() {
            return Err(Cause::Interrupted);
        }
        if self.job_at_ms.get() <= self.deadlines.now_ms() {
            return Err(Cause::JobTimeout);
        }
        let left = &self.head[self.head.len() - self.head_left..];
        let count = left.len().min(memory.len());
        let (of_head, rest) = memory.split_at_mut(count);
        of_head.copy_from_slice(&left[..count]);
        self.head_left -= count;
        let length =
            usize::try_from(self.body_left).map_or(rest.len(), |left| left.min(rest.len()));
        fill(&mut rest[..length], self.body_bytes - self.body_left);
        self.body_left -= length as u64;
        Ok(count + length)
    }
}

/// Lets the other tasks of the core have their turn, as a wait for a network does.
async fn pass() {
    let mut has_passed = false;
    poll_fn(|context| {
        if has_passed {
            return Poll::Ready(());
        }
        has_passed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Fills memory with the bytes of a body from an offset on: [`TEXT`], again and again.
fn fill(memory: &mut [u8], offset: u64) {
    let phase = offset % BLOCK_BYTES as u64;
    let phase = usize::try_from(phase).expect("it is less than a block");
    let (first, rest) = memory.split_at_mut(memory.len().min(BLOCK_BYTES - phase));
    first.copy_from_slice(&BLOCK[phase..phase + first.len()]);
    for part in rest.chunks_mut(BLOCK_BYTES) {
        part.copy_from_slice(&BLOCK[..part.len()]);
    }
}

/// What bodies are made of, so that nobody takes one for a file of a server.
const TEXT: &[u8; 64] = b"ringpull --network memory: no server has ever sent these bytes.\n";
const BLOCK_BYTES: usize = 4_096;
static BLOCK: [u8; BLOCK_BYTES] = block();

const fn block() -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let mut at = 0;
    while at < BLOCK_BYTES {
        block[at] = TEXT[at % TEXT.len()];
        at += 1;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::io::on_each_backend;
    use std::time::Instant;

    #[test]
    fn an_answer_is_the_same_whatever_the_receives() {
        on_each_backend(async |_, backend| {
            let deadlines = Deadlines::new(Instant::now());
            let mut memory = Memory::new(&deadlines, 10_000);
            for room in [1, 7, 100, 4_096, 20_000] {
                memory.ask();
                let mut answer = Vec::new();
                loop {
                    let mut part = vec![0xff; room];
                    match memory.receive(&mut part).await.unwrap() {
                        0 => break,
                        count => answer.extend_from_slice(&part[..count]),
                    }
                }
                let told = String::from_utf8(answer).unwrap();
                let (head, body) = told.split_once("\r\n\r\n").unwrap();
                assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{backend:?}: {head}");
                assert!(head.ends_with("\r\nContent-Length: 10000"), "{head}");
                let text = std::str::from_utf8(TEXT).unwrap();
                assert_eq!(body, &text.repeat(10_000 / 64 + 1)[..10_000], "{room}");
            }
        });
    }

    #[test]
    fn the_end_of_a_run_or_a_job_ends_an_answer() {
        on_each_backend(async |_, _| {
            let deadlines = Deadlines::new(Instant::now());
            let mut memory = Memory::new(&deadlines, u64::MAX);
            memory.ask();
            assert_eq!(memory.receive(&mut [0; 1_000]).await, Ok(1_000));
            memory.arm(0);
            assert_eq!(memory.receive(&mut [0]).await, Err(Cause::JobTimeout));
            memory.arm(u64::MAX);
            deadlines.interrupt();
            assert_eq!(memory.receive(&mut [0]).await, Err(Cause::Interrupted));
        });
    }
}
