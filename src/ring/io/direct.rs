//! Writes around the page cache (open(2), O_DIRECT), from aligned memory: a few buffers a core, for
//! all its connections; whoever finds none waits.

use super::aligned::Aligned;
use super::{Io, Kind, uring};
use crate::ring::shim::{Op, call};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio_uring::buf::fixed::FixedBufPool;

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

/// Buffers of a core for direct writes: as many of its writes are under way at once.
const BUFFERS: usize = 4;
