//! Memory that the kernel chooses from when there is something to receive: a provided-buffer ring
//! (io_uring_register_buf_ring(3), Linux 5.19). A receive that waits holds none.
//!
//! The memory comes from the buffers of the core and goes back there: what a receive filled is
//! given away whole, and other memory takes its place.

use crate::limits::PROVIDED_BUFFERS;
use crate::ring::buf::{BufPool, Size};
use io_uring_own::Submitter;
use io_uring_own::types::BufRingEntry;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

/// The only group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

/// The memory provided to one ring.
pub(super) struct Provided {
    /// What the kernel reads: which memory it may write to. Pinned by the kernel from
    /// [`Provided::register`] on until the ring is gone.
    entries: Box<Entries>,
    /// The memory by its identifier. The kernel may write to all of it at any time, except to what
    /// a completion has named and [`Provided::take`] has given away.
    memory: Vec<Vec<u8>>,
    /// Entries filled so far.
    tail: u16,
    /// The buffers of the core, and the size of those that are provided.
    pool: BufPool,
    size: Size,
}

/// As many entries as there are buffers, in a page of their own.
#[repr(C, align(4096))]
struct Entries([BufRingEntry; PROVIDED_BUFFERS as usize]);

impl Provided {
    /// Provides the ring of `submitter` with buffers of this size from `pool`.
    ///
    /// # Errors
    /// When the kernel has no such rings.
    pub(super) fn register(
        submitter: &Submitter<'_>,
        (pool, size): (BufPool, Size),
    ) -> io::Result<Self> {
        // SAFETY: the entries are plain integers, for which zero is a value.
        #[allow(unsafe_code, reason = "the type has no other way to be made")]
        let entries: Box<Entries> = unsafe { Box::new(std::mem::zeroed()) };
        let memory = (0..PROVIDED_BUFFERS).map(|_| pool.take_memory(size)).collect();
        let mut provided = Self { entries, memory, tail: 0, pool, size };
        let address = provided.entries.0.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the address is that of as many entries, at the start of a page. They stay there
        // until the ring is gone: whoever holds this holds the ring, and drops that first
        // ([`super::Ring`]).
        #[allow(unsafe_code, reason = "the kernel goes on reading what it is given here")]
        unsafe {
            submitter.register_buf_ring_with_flags(address, PROVIDED_BUFFERS, GROUP, 0)?;
        }
        (0..PROVIDED_BUFFERS).for_each(|identifier| provided.provide(identifier));
        Ok(provided)
    }

    /// Lets the kernel write to the memory of this identifier.
    fn provide(&mut self, identifier: u16) {
        let at = usize::from(self.tail % PROVIDED_BUFFERS);
        let memory = &mut self.memory[usize::from(identifier)];
        let entry = &mut self.entries.0[at];
        // KERNEL: writes `memory`, which stays here until a completion names it.
        entry.set_addr(memory.as_mut_ptr().expose_provenance() as u64);
        entry.set_len(u32::try_from(memory.len()).expect("it is far below 4 GiB"));
        entry.set_bid(identifier);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the pointer is to the 16 bits of the first entry that are the tail, which are
        // aligned, and which nobody else here touches; the kernel reads them.
        #[allow(unsafe_code, reason = "an entry and the tail share their memory")]
        let tail = unsafe {
            let tail = BufRingEntry::tail(self.entries.0.as_mut_ptr());
            AtomicU16::from_ptr(tail.cast_mut())
        };
        // The kernel sees the entry before it sees that there is one.
        tail.store(self.tail, Ordering::Release);
    }

    /// Size of the buffers.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Takes the memory that a completion names: the kernel is done with it. Other memory takes its
    /// place.
    pub(super) fn take(&mut self, identifier: u16) -> Vec<u8> {
        let other = self.pool.take_memory(self.size);
        let taken = std::mem::replace(&mut self.memory[usize::from(identifier)], other);
        self.provide(identifier);
        taken
    }
}

const _: () = assert!(PROVIDED_BUFFERS.is_power_of_two() && PROVIDED_BUFFERS <= 256);
