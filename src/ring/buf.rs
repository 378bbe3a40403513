//! Receive buffers: few, reused last-in first-out so that they stay in cache, owned by whoever
//! works with them at the moment.

use crate::limits::{RECV_BUFFER_BYTES, RECV_BUFFER_FIRST_BYTES, RECV_BUFFER_LARGE_BYTES};
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// Sizes of receive buffer, each larger than the one before.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Size {
    /// [`RECV_BUFFER_FIRST_BYTES`]: for waiting for an answer where very many wait, and all that
    /// most heads need.
    First,
    /// [`RECV_BUFFER_BYTES`]: heads and small bodies.
    #[default]
    Small,
    /// [`RECV_BUFFER_LARGE_BYTES`]: bodies that do not fit a small one.
    Large,
}

/// The free buffers of one core.
#[derive(Clone, Debug, Default)]
pub struct BufPool {
    free: Rc<RefCell<[Vec<Vec<u8>>; 3]>>,
}

impl BufPool {
    /// A buffer, reused or new. Its contents are whatever was received before.
    pub fn take(&self, size: Size) -> RecvBuf {
        RecvBuf::new(self.take_memory(size), size)
    }

    /// The memory of a buffer.
    pub(super) fn take_memory(&self, size: Size) -> Vec<u8> {
        let bytes = self.free.borrow_mut()[size as usize].pop();
        bytes.unwrap_or_else(|| vec![0; size.bytes()])
    }

    /// Gives back the memory of a small buffer.
    pub(super) fn give_memory(&self, memory: Vec<u8>) {
        self.give(RecvBuf::new(memory, Size::Small));
    }

    /// Gives a buffer back, whatever is in it.
    pub fn give(&self, buf: RecvBuf) {
        if !buf.has_memory() {
            return;
        }
        let mut free = self.free.borrow_mut();
        let bytes = |size: Size| free[size as usize].len() * size.bytes();
        let kept = bytes(Size::First) + bytes(Size::Small) + bytes(Size::Large);
        if kept + buf.size.bytes() <= FREE_BYTES_MAX {
            free[buf.size as usize].push(buf.bytes);
        }
    }

    /// Makes all room that can be made without a write, in a buffer that has too little of it: what
    /// is unread moves to the front, and the buffer becomes one of the next size. A large one is
    /// for bodies, so body that waits is to be written first.
    pub fn enlarge(&self, buf: &mut RecvBuf) {
        buf.make_room();
        match buf.size {
            Size::First => self.grow(buf, Size::Small),
            Size::Small if buf.body.is_empty() => self.grow(buf, Size::Large),
            Size::Small | Size::Large => {}
        }
    }

    /// Replaces a buffer with a larger one that holds the same.
    pub fn grow(&self, buf: &mut RecvBuf, size: Size) {
        let mut larger = self.take(size);
        larger.hold_as(buf);
        self.give(std::mem::replace(buf, larger));
    }
}

impl Size {
    fn bytes(self) -> usize {
        match self {
            Self::First => RECV_BUFFER_FIRST_BYTES,
            Self::Small => RECV_BUFFER_BYTES,
            Self::Large => RECV_BUFFER_LARGE_BYTES,
        }
    }
}

/// One receive buffer with two regions: body bytes that wait to be written, then bytes received and
/// not yet read by the exchange; the rest is free.
///
/// Invariant: `body.start <= body.end <= unread.start <= unread.end <= bytes.len()`.
#[derive(Debug, Default)]
pub struct RecvBuf {
    bytes: Vec<u8>,
    size: Size,
    body: Range<usize>,
    unread: Range<usize>,
}

impl RecvBuf {
    fn new(bytes: Vec<u8>, size: Size) -> Self {
        Self { bytes, size, body: 0..0, unread: 0..0 }
    }

    /// Size class of the buffer.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Whether the buffer has memory: it is not lent to an operation, and did not begin without any
    /// ([`RecvBuf::default`]), to be given some by what is received.
    pub fn has_memory(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Bytes received and not yet read.
    pub fn unread(&mut self) -> &mut [u8] {
        &mut self.bytes[self.unread.clone()]
    }

    /// How many bytes were received and not yet read.
    pub fn unread_len(&self) -> usize {
        self.unread.len()
    }

    /// How many more bytes can be received.
    pub fn free_len(&self) -> usize {
        self.bytes.len() - self.unread.end
    }

    /// How many body bytes wait to be written.
    pub fn body_len(&self) -> usize {
        self.body.len()
    }

    /// Drops `used` bytes from the front of the unread ones.
    pub fn skip(&mut self, used: usize) {
        debug_assert!(used <= self.unread.len());
        self.unread.start += used;
        if self.body.is_empty() {
            self.body = self.unread.start..self.unread.start;
        }
        self.invariants();
    }

    /// Takes `span` of the unread bytes as body and drops `used` bytes from their front. Bytes move
    /// only where framing (chunk lines) lies between two pieces of body.
    pub fn keep_body(&mut self, used: usize, span: Range<usize>) {
        debug_assert!(span.end <= used && used <= self.unread.len());
        let from = self.unread.start + span.start..self.unread.start + span.end;
        if self.body.is_empty() {
            self.body = from;
        } else {
            let length = from.len();
            if from.start != self.body.end {
                self.bytes.copy_within(from, self.body.end);
            }
            self.body.end += length;
        }
        self.unread.start += used;
        self.invariants();
    }

    /// Adds body that did not come from the network, which must fit; nothing may be unread.
    pub fn append_body(&mut self, bytes: &[u8]) {
        debug_assert!(self.unread.is_empty(), "received bytes would be taken for it");
        self.free()[..bytes.len()].copy_from_slice(bytes);
        self.received(bytes.len());
        self.keep_body(bytes.len(), 0..bytes.len());
    }

    /// Makes all room that can be made: without waiting body, unread bytes move to the front.
    pub fn make_room(&mut self) {
        let to = if self.body.is_empty() { 0 } else { self.body.end };
        if self.unread.is_empty() {
            self.unread = to..to;
        } else if to != self.unread.start {
            let length = self.unread.len();
            self.bytes.copy_within(self.unread.clone(), to);
            self.unread = to..to + length;
        }
        if self.body.is_empty() {
            self.body = 0..0;
        }
        self.invariants();
    }

    /// Drops the waiting body, which was written.
    pub fn body_written(&mut self) {
        self.body = self.unread.start..self.unread.start;
    }

    /// Drops all but the first `count` bytes of the waiting body.
    pub fn shorten_body(&mut self, count: usize) {
        self.body.end = self.body.end.min(self.body.start + count);
        self.invariants();
    }

    /// Body bytes that wait to be written.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.body.clone()]
    }

    /// Copies the bytes of another buffer, which must fit, into this one, which holds none.
    fn hold_as(&mut self, other: &Self) {
        let (body, unread) = (&other.bytes[other.body.clone()], &other.bytes[other.unread.clone()]);
        self.bytes[..body.len()].copy_from_slice(body);
        self.body = 0..body.len();
        self.unread = body.len()..body.len() + unread.len();
        self.bytes[self.unread.clone()].copy_from_slice(unread);
        self.invariants();
    }

    /// Free space, to be filled from the front and then [`RecvBuf::received`].
    pub(super) fn free(&mut self) -> &mut [u8] {
        &mut self.bytes[self.unread.end..]
    }

    /// Counts `count` bytes at the front of the free space as received.
    pub(super) fn received(&mut self, count: usize) {
        self.unread.end += count;
        self.invariants();
    }

    /// Moves the memory out for an operation on `count` free bytes.
    pub(super) fn lend_free(&mut self, count: usize) -> (Vec<u8>, Range<usize>) {
        let from = self.unread.end;
        (std::mem::take(&mut self.bytes), from..from + count)
    }

    /// Moves the memory out for an operation on the waiting body.
    pub(super) fn lend_body(&mut self) -> (Vec<u8>, Range<usize>) {
        (std::mem::take(&mut self.bytes), self.body.clone())
    }

    /// Takes the memory back, or other memory where none was lent.
    pub(super) fn restore(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.bytes.is_empty());
        if bytes.len() == RECV_BUFFER_FIRST_BYTES {
            self.size = Size::First;
        }
        debug_assert!(bytes.is_empty() || bytes.len() == self.size.bytes());
        self.bytes = bytes;
    }

    fn invariants(&self) {
        debug_assert!(self.body.start <= self.body.end);
        debug_assert!(self.body.end <= self.unread.start);
        debug_assert!(self.unread.start <= self.unread.end);
        debug_assert!(self.unread.end <= self.bytes.len());
    }
}

/// Free buffers that one core keeps, in bytes; more are given back to the allocator. Jobs that
/// follow each other need few: the next one takes the buffer that the last one gave back.
const FREE_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &[u8]) -> RecvBuf {
        let mut buf = BufPool::default().take(Size::Small);
        buf.free()[..text.len()].copy_from_slice(text);
        buf.received(text.len());
        buf
    }

    #[test]
    fn body_that_follows_a_head_stays_where_it_is() {
        let mut buf = filled(b"HEAD\r\n\r\nbodybody");
        buf.skip(8);
        buf.keep_body(4, 0..4);
        buf.keep_body(4, 0..4);
        assert_eq!(buf.body(), b"bodybody");
        assert_eq!(buf.unread_len(), 0);
    }

    #[test]
    fn framing_between_pieces_of_body_is_closed_up() {
        let mut buf = filled(b"aaa??bbb!!rest");
        buf.keep_body(5, 0..3);
        buf.keep_body(5, 0..3);
        assert_eq!(buf.body(), b"aaabbb");
        assert_eq!(buf.unread(), b"rest");
        buf.make_room();
        assert_eq!((buf.body(), buf.free_len()), (&b"aaabbb"[..], RECV_BUFFER_BYTES - 10));
        buf.body_written();
        buf.make_room();
        assert_eq!(buf.unread(), b"rest");
        assert_eq!(buf.free_len(), RECV_BUFFER_BYTES - 4);
    }

    #[test]
    fn body_can_be_put_together() {
        let mut buf = BufPool::default().take(Size::Small);
        buf.append_body(b"one ");
        buf.append_body(b"two");
        assert_eq!(buf.body(), b"one two");
        assert_eq!(buf.free_len(), RECV_BUFFER_BYTES - 7);
        buf.body_written();
        buf.make_room();
        assert_eq!(buf.free_len(), RECV_BUFFER_BYTES);
    }

    #[test]
    fn a_buffer_is_enlarged_until_there_is_room() {
        let pool = BufPool::default();
        let mut buf = pool.take(Size::First);
        buf.received(RECV_BUFFER_FIRST_BYTES);
        buf.skip(7);
        let unread = RECV_BUFFER_FIRST_BYTES - 7;
        for (size, bytes) in [
            (Size::Small, RECV_BUFFER_BYTES),
            (Size::Large, RECV_BUFFER_LARGE_BYTES),
            (Size::Large, RECV_BUFFER_LARGE_BYTES),
        ] {
            pool.enlarge(&mut buf);
            assert_eq!((buf.size(), buf.unread_len()), (size, unread));
            assert_eq!(buf.free_len(), bytes - unread);
        }
        let mut waiting = pool.take(Size::Small);
        waiting.append_body(b"body");
        pool.enlarge(&mut waiting);
        assert_eq!((waiting.size(), waiting.body()), (Size::Small, &b"body"[..]));
    }

    #[test]
    fn a_returned_buffer_is_the_next_one_taken() {
        let pool = BufPool::default();
        let mut buf = pool.take(Size::Large);
        buf.free()[0] = 77;
        pool.give(buf);
        assert_eq!(pool.take(Size::Large).free()[0], 77);
        assert_eq!(pool.take(Size::Large).free()[0], 0);
    }

    #[test]
    fn a_larger_buffer_holds_the_same() {
        let pool = BufPool::default();
        let mut buf = pool.take(Size::First);
        assert_eq!(buf.free_len(), RECV_BUFFER_FIRST_BYTES);
        let text = b"HEAD bodybody rest";
        buf.free()[..text.len()].copy_from_slice(text);
        buf.received(text.len());
        buf.skip(5);
        buf.keep_body(9, 0..8);
        for (size, bytes) in
            [(Size::Small, RECV_BUFFER_BYTES), (Size::Large, RECV_BUFFER_LARGE_BYTES)]
        {
            pool.grow(&mut buf, size);
            assert_eq!((buf.body(), buf.size()), (&b"bodybody"[..], size));
            assert_eq!(buf.unread(), b"rest");
            assert_eq!(buf.free_len(), bytes - 12);
        }
        assert_eq!(pool.free.borrow().each_ref().map(Vec::len), [1, 1, 0]);
    }

    #[test]
    fn few_free_buffers_are_kept() {
        let pool = BufPool::default();
        let both = |_| [Size::Small, Size::Large].map(|size| pool.take(size));
        let taken: Vec<RecvBuf> = (0..100).flat_map(both).collect();
        taken.into_iter().for_each(|buf| pool.give(buf));
        let kept: usize = pool.free.borrow().iter().flatten().map(Vec::len).sum();
        assert!((FREE_BYTES_MAX / 2..=FREE_BYTES_MAX).contains(&kept), "{kept}");
    }
}
