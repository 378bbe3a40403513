//! Vectored of several buffers that are written as one: a write has to be large and aligned to be
//! cheap, and to put the bytes together for it costs a copy of each.

use crate::ring::shim::{Op, Verdict};
use rustix::io::{Errno, ReadWriteFlags};
use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::OwnedFd;

/// Buffers, and the pieces of them that belong together, in order.
#[derive(Debug, Default)]
pub(in crate::ring) struct Vectored {
    pub(in crate::ring) memory: Vec<Vec<u8>>,
    /// Each piece with the number of its buffer, none of them empty.
    pub(in crate::ring) ranges: Vec<(usize, Range<usize>)>,
    /// What a write is told of them by.
    vectors: Vectors,
}

/// Addresses and lengths for the kernel. They are used while the buffers are where they were.
#[derive(Default)]
struct Vectors(Vec<libc::iovec>);

impl Vectored {
    /// Buffers, and no pieces of them.
    pub(in crate::ring) fn of(memory: Vec<Vec<u8>>) -> Self {
        Self { memory, ..Self::default() }
    }

    /// The bytes whose numbers are in `bytes`, counted over all pieces.
    fn slices(&self, bytes: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.ranges.iter().filter_map(move |(number, range)| {
            let first = bytes.start.saturating_sub(begin).min(range.len());
            let last = bytes.end.saturating_sub(begin).min(range.len());
            begin += range.len();
            (first < last).then(|| &self.memory[*number][range.start + first..range.start + last])
        })
    }

    /// Vectors of these bytes, as IORING_OP_WRITEV takes them, with how many they are: good for as
    /// long as the buffers have their memory and this one is not asked for others.
    pub(super) fn vectors(&mut self, bytes: Range<usize>) -> (*const libc::iovec, u32) {
        let mut vectors = std::mem::take(&mut self.vectors.0);
        vectors.clear();
        vectors.extend(self.slices(bytes).map(|slice| libc::iovec {
            iov_base: slice.as_ptr().cast_mut().cast(),
            iov_len: slice.len(),
        }));
        let count = u32::try_from(vectors.len()).expect("each has a buffer of its own, or two");
        self.vectors.0 = vectors;
        (self.vectors.0.as_ptr(), count)
    }

    /// Writes these bytes by a plain call, with flags of pwritev2(2).
    ///
    /// # Errors
    /// What that says.
    pub(in crate::ring) fn write_now(
        &self,
        fd: &OwnedFd,
        bytes: Range<usize>,
        (offset, flags): (u64, ReadWriteFlags),
    ) -> Result<usize, i32> {
        let verdict = Verdict::on(Op::Pwrite);
        if let Some(errno) = verdict.refused() {
            return Err(errno);
        }
        verdict.strike();
        let end = bytes.start + verdict.len(bytes.len());
        let slices: Vec<_> = self.slices(bytes.start..end).map(IoSlice::new).collect();
        let write = || rustix::io::pwritev2(fd, &slices, offset, flags);
        rustix::io::retry_on_intr(write).map_err(Errno::raw_os_error)
    }
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of them", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::io::on_each_backend;
    use std::rc::Rc;

    #[test]
    fn pieces_are_written_in_order_from_wherever_they_are() {
        on_each_backend(async |io, backend| {
            let file = tempfile::tempfile().unwrap();
            let fd = Rc::new(OwnedFd::from(file));
            let mut vectored = Vectored::of(vec![b"..abc..".to_vec(), b"defgh".to_vec()]);
            vectored.ranges = vec![(0, 2..5), (1, 0..3), (0, 6..7), (1, 3..5)];
            let mut offset = 10;
            for (bytes, expected) in
                [(0..9, "abcdef.gh"), (2..4, "cd"), (3..7, "def."), (7..9, "gh"), (8..8, "")]
            {
                let place = (offset, ReadWriteFlags::empty());
                let (written, back) = io.write_gathered(&fd, vectored, bytes.clone(), place).await;
                vectored = back;
                assert_eq!(written, Ok(bytes.len()), "{backend:?}");
                let plainly = vectored.write_now(&fd, bytes, (offset + 100, place.1));
                assert_eq!(plainly, written);
                for at in [offset, offset + 100] {
                    let mut found = vec![0; expected.len()];
                    rustix::io::pread(&fd, &mut found[..], at).unwrap();
                    assert_eq!(found, expected.as_bytes(), "{backend:?}");
                }
                offset += 20;
            }
        });
    }
}
