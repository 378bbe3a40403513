//! Bodies as sources of bytes: whatever their length, no more than a piece is in memory.

use super::content::{self, Piece};

/// The bytes of a body: a window of some content, with something before and after it.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// What comes first.
    pub(super) before: Vec<u8>,
    /// What the window is cut from.
    pub(super) content: Content,
    /// Offset of the window.
    pub(super) start: u64,
    /// Length of the window in bytes.
    pub(super) len: u64,
    /// What comes last.
    pub(super) after: Vec<u8>,
}

/// Content that a window can be cut from.
#[derive(Debug)]
pub(super) enum Content {
    /// The content of this seed.
    Seed(u64),
    /// Zeros.
    Zeros,
    /// Bytes in memory.
    Bytes(Vec<u8>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Vec::new())
    }
}

impl Source {
    /// All of some bytes in memory.
    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, content: Content::Bytes(bytes), ..Self::default() }
    }

    /// Length of the whole, in bytes.
    pub(super) fn whole_len(&self) -> u64 {
        self.before.len() as u64 + self.len + self.after.len() as u64
    }

    /// At most `len_max` bytes at `offset`; none where the source ends.
    pub(super) fn piece(&self, offset: u64, len_max: usize) -> Piece<'_> {
        let Some(at) = offset.checked_sub(self.before.len() as u64) else {
            return slice(&self.before, offset, len_max);
        };
        let Some(left) = self.len.checked_sub(at).filter(|&left| left > 0) else {
            return slice(&self.after, at - self.len, len_max);
        };
        let len_max = len_max.min(usize::try_from(left).unwrap_or(usize::MAX));
        match &self.content {
            Content::Seed(seed) => content::piece(*seed, self.start + at, len_max),
            Content::Zeros => Piece::Slice(content::zeros(len_max)),
            Content::Bytes(bytes) => slice(bytes, self.start + at, len_max),
        }
    }
}

fn slice(bytes: &[u8], offset: u64, len_max: usize) -> Piece<'_> {
    let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
    let rest = rest.unwrap_or_default();
    Piece::Slice(&rest[..rest.len().min(len_max)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_read_between_what_is_around_it() {
        let source = Source {
            before: b"ab".to_vec(),
            content: Content::Bytes(b"0123456789".to_vec()),
            start: 3,
            len: 4,
            after: b"yz".to_vec(),
        };
        for step in 1..9 {
            let mut read = Vec::new();
            while (read.len() as u64) < source.whole_len() {
                read.extend_from_slice(source.piece(read.len() as u64, step).as_slice());
            }
            assert_eq!(read, b"ab3456yz", "{step} at a time");
        }
        assert!(source.piece(8, 5).as_slice().is_empty());
        let far =
            Source { content: Content::Seed(7), start: 99 << 30, len: 9, ..Source::default() };
        let mut wanted = [0; 9];
        content::fill(7, 99 << 30, &mut wanted);
        assert_eq!(far.piece(0, 50).as_slice(), wanted);
        let zeros = Source { content: Content::Zeros, len: 3, ..Source::default() };
        assert_eq!(zeros.piece(0, 50).as_slice(), [0; 3]);
    }
}
