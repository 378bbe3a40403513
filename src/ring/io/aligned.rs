//! Aligned memory for writes around the page cache (open(2), O_DIRECT): a few buffers a core, for
//! all its connections; whoever finds none waits.

use super::{Io, Kind, uring};
use crate::limits::RECV_BUFFER_LARGE_BYTES;
use crate::ring::shim::{Op, call};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio_uring::buf::fixed::FixedBufPool;
use tokio_uring::buf::{IoBuf, IoBufMut};

/// The aligned memory of one core.
pub(super) enum Memory {
    /// Memory that tokio-uring's ring knows: to register it saves the kernel a look at its pages
    /// with each write; where the limit of locked memory forbids that (RLIMIT_MEMLOCK), it is used
    /// without.
    Registered { pool: FixedBufPool<Aligned>, is_registered: Cell<bool> },
    /// Memory that is free, how many buffers are in use, and a word for who waits for one.
    Plain { free: RefCell<Vec<Aligned>>, lent: Cell<usize>, given_back: Notify },
}

impl Memory {
    /// Makes the memory of a core.
    fn new(kind: &Kind) -> Self {
        match kind {
            Kind::Uring => {
                let pool = FixedBufPool::new((0..BUFFERS).map(|_| Aligned::new()));
                let is_registered = Cell::new(pool.register().is_ok());
                Self::Registered { pool, is_registered }
            }
            Kind::Own(_) | Kind::Ready(_) => {
                let (free, lent, given_back) = Default::default();
                Self::Plain { free, lent, given_back }
            }
        }
    }
}

impl Io {
    /// Writes at most [`Aligned::BYTES`] bytes at a file offset, from aligned memory that they are
    /// copied into.
    pub(in crate::ring) async fn write_aligned(
        &self,
        fd: &Rc<OwnedFd>,
        piece: &[u8],
        at: u64,
    ) -> Result<usize, i32> {
        match self.0.aligned.get_or_init(|| Memory::new(&self.0.kind)) {
            Memory::Registered { pool, is_registered } => {
                let mut buf = pool.next(Aligned::BYTES).await;
                buf[..piece.len()].copy_from_slice(piece);
                let is_known = is_registered.get();
                let done = uring::write_fixed(fd, buf, piece.len(), at, is_known).await;
                if is_known && done == Err(libc::EFAULT) {
                    // It was another ring of this thread that knew it.
                    is_registered.set(false);
                    return Err(libc::EINTR);
                }
                done
            }
            Memory::Plain { free, lent, given_back } => {
                while lent.get() == BUFFERS {
                    given_back.notified().await;
                }
                let _lent = Lent::one(lent, given_back);
                let memory = free.borrow_mut().pop();
                let mut memory = memory.unwrap_or_else(Aligned::new);
                memory.bytes_mut()[..piece.len()].copy_from_slice(piece);
                let (done, memory) = self.write_from(fd, memory, piece.len(), at).await;
                free.borrow_mut().push(memory);
                done
            }
        }
    }

    async fn write_from(
        &self,
        fd: &Rc<OwnedFd>,
        memory: Aligned,
        length: usize,
        at: u64,
    ) -> (Result<usize, i32>, Aligned) {
        match &self.0.kind {
            Kind::Own(ring) => ring.write_aligned(fd, memory, length, at).await,
            Kind::Uring | Kind::Ready(_) => {
                let write = || rustix::io::pwrite(fd, &memory.bytes()[..length], at);
                (call(Op::Write, write).map_err(Errno::raw_os_error), memory)
            }
        }
    }
}

/// One buffer in use, until it is dropped.
struct Lent<'m> {
    count: &'m Cell<usize>,
    given_back: &'m Notify,
}

impl<'m> Lent<'m> {
    fn one(count: &'m Cell<usize>, given_back: &'m Notify) -> Self {
        count.set(count.get() + 1);
        Self { count, given_back }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
        self.given_back.notify_one();
    }
}

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

    fn bytes_mut(&mut self) -> &mut [u8] {
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

/// Buffers of a core for direct writes: as many of its writes are under way at once.
const BUFFERS: usize = 4;
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
