//! Memory for writes around the page cache (open(2), O_DIRECT).

use crate::limits::RECV_BUFFER_LARGE_BYTES;
use tokio_uring::buf::{IoBuf, IoBufMut};

/// [`Aligned::BYTES`] bytes at an address that is a multiple of [`Aligned::PAGE_BYTES`].
pub(in crate::ring) struct Aligned {
    memory: Vec<u8>,
    begin: usize,
}

impl Aligned {
    /// Length of the memory, in bytes: the body of one receive buffer.
    pub(in crate::ring) const BYTES: usize = RECV_BUFFER_LARGE_BYTES;
    /// What the address is a multiple of, in bytes: a page of nearly all machines, and what nearly
    /// all disks take.
    pub(in crate::ring) const PAGE_BYTES: usize = 4096;

    pub(in crate::ring) fn new() -> Self {
        let memory = vec![0; Self::BYTES + Self::PAGE_BYTES];
        let address = memory.as_ptr().addr();
        Self { begin: address.next_multiple_of(Self::PAGE_BYTES) - address, memory }
    }

    /// The bytes.
    pub(in crate::ring) fn bytes(&self) -> &[u8] {
        &self.memory[self.begin..self.begin + Self::BYTES]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.begin..self.begin + Self::BYTES]
    }
}

// SAFETY: the memory of a vector that is not changed in length stays where it is, even if the
// vector is moved, and all of it is initialized.
#[allow(unsafe_code, reason = "the ring takes other memory than that of vectors by this trait")]
unsafe impl IoBuf for Aligned {
    fn stable_ptr(&self) -> *const u8 {
        self.bytes().as_ptr()
    }

    fn bytes_init(&self) -> usize {
        Self::BYTES
    }

    fn bytes_total(&self) -> usize {
        Self::BYTES
    }
}

// SAFETY: as above; there is nothing to be initialized.
#[allow(unsafe_code, reason = "the ring takes other memory than that of vectors by this trait")]
unsafe impl IoBufMut for Aligned {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.memory[self.begin..].as_mut_ptr()
    }

    // SAFETY: nothing is done, whatever the caller knows.
    unsafe fn set_init(&mut self, _count: usize) {}
}

const _: () = assert!(Aligned::BYTES.is_multiple_of(Aligned::PAGE_BYTES));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_aligned() {
        for _ in 0..9 {
            let mut memory = Aligned::new();
            assert_eq!(memory.stable_ptr().addr() % 4096, 0);
            assert_eq!(memory.stable_ptr(), memory.stable_mut_ptr().cast_const());
            assert_eq!(memory.bytes().len(), Aligned::BYTES);
        }
    }
}
