//! Bytes that are gathered for large writes of one file.

use super::writes::{Waiting, write_all};
use crate::fault::Cause;
use crate::limits::RECV_BUFFER_LARGE_BYTES;
use crate::ring::buf::{BufPool, RecvBuf};
use crate::ring::io::{Io, Vectored};
use rustix::io::ReadWriteFlags;
use std::mem;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// Bytes on their way to a file, in order: few of them are copied together, many stay in the buffer
/// in which they came. They are written [`Gather::WRITE_BYTES`] at a time, so that each write but
/// the last begins and ends at a multiple of that.
#[derive(Debug)]
pub struct Gather {
    /// The first buffer is for what is copied, the others are lent.
    pieces: Vectored,
    /// The lent buffers, without their memory.
    lent: Vec<RecvBuf>,
    /// Bytes that wait.
    length: usize,
    buffers: BufPool,
}

impl Gather {
    /// Bytes of one write.
    pub const WRITE_BYTES: usize = RECV_BUFFER_LARGE_BYTES;
    /// Fewest bytes that are worth a piece of their own, rather than a copy.
    const LENT_BYTES_MIN: usize = 16 * 1024;

    /// Nothing so far; buffers go back to `buffers` when what is in them was written.
    pub fn new(buffers: &BufPool) -> Self {
        let pieces = Vectored::of(vec![Vec::with_capacity(Self::WRITE_BYTES)]);
        Self { pieces, lent: Vec::new(), length: 0, buffers: buffers.clone() }
    }

    /// Bytes that wait.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether there are enough for a write.
    pub fn is_due(&self) -> bool {
        self.length >= Self::WRITE_BYTES
    }

    /// Copies as many of these bytes as there is room for before the next write, and says how many
    /// that were.
    pub fn copy(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(Self::WRITE_BYTES.saturating_sub(self.length));
        if count == 0 {
            return 0;
        }
        let copied = &mut self.pieces.memory[0];
        let begin = copied.len();
        copied.extend_from_slice(&bytes[..count]);
        match self.pieces.ranges.last_mut() {
            Some((0, range)) => range.end += count,
            _ => self.pieces.ranges.push((0, begin..begin + count)),
        }
        self.length += count;
        count
    }

    /// Takes a buffer with the body that waits in it, which is not short.
    ///
    /// # Errors
    /// The buffer comes back where its body is rather to be copied.
    pub fn lend(&mut self, mut buf: RecvBuf) -> Result<(), RecvBuf> {
        if buf.body_len() < Self::LENT_BYTES_MIN {
            return Err(buf);
        }
        let (memory, range) = buf.lend_body();
        self.length += range.len();
        self.pieces.ranges.push((self.pieces.memory.len(), range));
        self.pieces.memory.push(memory);
        self.lent.push(buf);
        Ok(())
    }

    /// Drops what the next write was to write, which was written.
    pub(super) fn written(&mut self) {
        let mut left = Waiting::length(self);
        self.length -= left;
        let ranges = &mut self.pieces.ranges;
        let mut gone = 0;
        for (_, range) in ranges.iter_mut() {
            let count = range.len().min(left);
            gone += usize::from(count == range.len());
            range.start += count;
            left -= count;
        }
        ranges.drain(..gone);
        // Lent buffers are in order, so those before the first one of which something waits are
        // done.
        let first = ranges.iter().map(|(number, _)| *number).find(|number| *number > 0);
        let done = first.unwrap_or(self.pieces.memory.len()) - 1;
        for (mut buf, memory) in self.lent.drain(..done).zip(self.pieces.memory.drain(1..=done)) {
            buf.restore(memory);
            self.buffers.give(buf);
        }
        for (number, _) in ranges.iter_mut().filter(|(number, _)| *number > 0) {
            *number -= done;
        }
        if ranges.iter().all(|(number, _)| *number > 0) {
            self.pieces.memory[0].clear();
        }
    }
}

impl Waiting for Gather {
    fn length(&self) -> usize {
        self.length.min(Self::WRITE_BYTES)
    }

    fn together(&self) -> Option<&[u8]> {
        match &self.pieces.ranges[..] {
            [(number, range)] => Some(&self.pieces.memory[*number][range.clone()]),
            _ => None,
        }
    }

    async fn write(
        &mut self,
        (io, fd): (&Io, &Rc<OwnedFd>),
        at: &mut u64,
        is_by_ring: bool,
        flags: ReadWriteFlags,
    ) -> Result<(), Cause> {
        let length = Waiting::length(self);
        write_all(length, at, is_by_ring, async |done, at, is_by_ring| {
            let (bytes, place) = (done..length, (at, flags));
            if !is_by_ring {
                return self.pieces.write_now(fd, bytes, place);
            }
            let pieces = mem::take(&mut self.pieces);
            let (count, pieces) = io.write_gathered(fd, pieces, bytes, place).await;
            self.pieces = pieces;
            count
        })
        .await
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        for (mut buf, memory) in self.lent.drain(..).zip(self.pieces.memory.drain(..).skip(1)) {
            buf.restore(memory);
            self.buffers.give(buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::buf::Size;
    use crate::ring::io::on_each_backend;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree as _;

    /// Bytes that come next, and whether they come in a buffer of theirs.
    fn coming() -> impl Strategy<Value = Vec<(usize, bool)>> {
        let length = prop_oneof![0..2_000_usize, 10_000..90_000_usize];
        proptest::collection::vec((length, any::<bool>()), 0..40)
    }

    /// Gathers and writes what comes, and gives what was to be in the file, and is.
    async fn run(io: &Io, coming: &[(usize, bool)]) -> (Vec<u8>, Vec<u8>) {
        let buffers = BufPool::default();
        let mut gather = Gather::new(&buffers);
        let fd = Rc::new(OwnedFd::from(tempfile::tempfile().unwrap()));
        let (mut expected, mut at, mut lent) = (Vec::new(), 0, 0);
        for (number, (length, is_lent)) in coming.iter().enumerate() {
            let bytes: Vec<u8> = (0..=250).cycle().skip(number).take(*length).collect();
            expected.extend_from_slice(&bytes);
            let mut rest = &bytes[..];
            if *is_lent {
                let size = if *length > 70_000 { Size::Large } else { Size::Small };
                let mut buf = buffers.take(size);
                buf.append_body(&bytes);
                match gather.lend(buf) {
                    Ok(()) => (rest, lent) = (&[], lent + 1),
                    Err(buf) => buffers.give(buf),
                }
            }
            loop {
                let count = gather.copy(rest);
                rest = &rest[count..];
                if gather.is_due() {
                    write(&mut gather, (io, &fd), &mut at).await;
                    assert_eq!(at % Gather::WRITE_BYTES as u64, 0);
                } else if rest.is_empty() {
                    break;
                }
            }
        }
        while gather.length() > 0 {
            write(&mut gather, (io, &fd), &mut at).await;
        }
        assert!(gather.lent.is_empty() && gather.pieces.memory.len() == 1, "{lent} were lent");
        let mut found = vec![0; expected.len() + 1];
        let count = rustix::io::pread(&fd, &mut found[..], 0).unwrap();
        found.truncate(count);
        (expected, found)
    }

    async fn write(gather: &mut Gather, place: (&Io, &Rc<OwnedFd>), at: &mut u64) {
        // Every second one plainly.
        let is_by_ring = (*at / Gather::WRITE_BYTES as u64).is_multiple_of(2);
        Waiting::write(gather, place, at, is_by_ring, ReadWriteFlags::empty()).await.unwrap();
        gather.written();
    }

    #[test]
    fn what_was_gathered_is_in_the_file_in_large_pieces() {
        on_each_backend(async |io, backend| {
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            for _ in 0..10 {
                let coming = coming().new_tree(&mut runner).unwrap().current();
                let (expected, found) = run(&io, &coming).await;
                assert!(expected == found, "{backend:?}: {coming:?}");
            }
        });
    }

    #[test]
    fn lent_buffers_go_back_whatever_becomes_of_them() {
        let buffers = BufPool::default();
        let mut gather = Gather::new(&buffers);
        let mut buf = buffers.take(Size::Small);
        buf.append_body(&[7; Gather::LENT_BYTES_MIN]);
        gather.lend(buf).unwrap();
        drop(gather);
        let mut again = buffers.take(Size::Small);
        assert_eq!(again.free()[0], 7, "it is the same memory");
    }
}
