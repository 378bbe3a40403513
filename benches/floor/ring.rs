//! The ring of `floor_ring`: sends, and receives into buffers that the kernel picks.
//!
//! The only unsafe code outside `src/ring/` (`tests/tidy.rs` names this file): tokio-uring cannot
//! carry multishot receives, and the product's `src/ring/` should not carry what only a yardstick
//! needs. All memory that the kernel is told of belongs to [`Ring`], so what is unsafe stays here.

#![expect(unsafe_code, reason = "io-uring's push is unsafe, and so is a ring of buffers")]

use anyhow::{Context as _, Result, bail, ensure};
use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use std::alloc::Layout;
use std::io;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering, fence};

/// A ring with its buffers. Connections are numbers below `connections` of [`Ring::new`].
pub(crate) struct Ring {
    io: IoUring,
    /// Entries of the ring of buffers: page-aligned, [`BUFFERS`] of them.
    entries: NonNull<BufRingEntry>,
    /// Entries that were given to the kernel so far, modulo 2^16.
    tail: u16,
    /// All buffers behind each other.
    buffers: Vec<u8>,
    /// Request of each connection: the kernel reads it until the SEND has completed.
    requests: Vec<Vec<u8>>,
    is_sending: Vec<bool>,
}

/// A completion of the kernel.
pub(crate) enum Event {
    /// Bytes for this connection, in a buffer that is to be given back. The receive goes on.
    Received { connection: usize, buffer: u16, count: usize },
    /// The receive of this connection has ended for want of buffers: ask again.
    Starved { connection: usize },
}

impl Ring {
    /// A ring for `connections` of them.
    pub(crate) fn new(connections: usize) -> Result<Self> {
        let completions = u32::try_from(connections * 2)?.max(SUBMISSIONS) + BUFFERS_U32;
        let io = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(completions.next_power_of_two())
            .build(SUBMISSIONS)
            .context("this yardstick needs io_uring of Linux 6.1 or later")?;
        // SAFETY: the layout has a size above zero.
        let memory = unsafe { std::alloc::alloc_zeroed(entries_layout()) };
        let entries = NonNull::new(memory.cast()).context("no memory")?;
        let buffers = vec![0; usize::from(BUFFERS) * BUFFER_BYTES];
        let requests = vec![Vec::new(); connections];
        let is_sending = vec![false; connections];
        let mut ring = Self { io, entries, tail: 0, buffers, requests, is_sending };
        // KERNEL: the entries and the buffers belong to `ring`, which never frees them (`drop`).
        // SAFETY: the address is that of BUFFERS entries, page-aligned, and stays theirs.
        unsafe {
            let address = ring.entries.as_ptr() as u64;
            ring.io.submitter().register_buf_ring(address, BUFFERS, GROUP)?;
        }
        for buffer in 0..BUFFERS {
            ring.give_back(buffer);
        }
        Ok(ring)
    }

    /// Lets the kernel fill this buffer again.
    pub(crate) fn give_back(&mut self, buffer: u16) {
        let place = usize::from(self.tail % BUFFERS);
        let start = usize::from(buffer) * BUFFER_BYTES;
        // KERNEL: the address is that of BUFFER_BYTES bytes of `self.buffers`, which never grows.
        // SAFETY: the place is below BUFFERS, and the kernel reads it only after the store below.
        // The field of the tail lies within the first entry, where no setter of an entry writes.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(place);
            entry.set_addr(self.buffers[start..start + BUFFER_BYTES].as_mut_ptr() as u64);
            entry.set_len(BUFFER_BYTES_U32);
            entry.set_bid(buffer);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    /// Bytes that the kernel put into a buffer of a [`Event::Received`] that was not given back
    /// yet.
    pub(crate) fn bytes(&self, buffer: u16, count: usize) -> &[u8] {
        // The kernel wrote behind the compiler's back, before the completion was read.
        fence(Ordering::Acquire);
        let start = usize::from(buffer) * BUFFER_BYTES;
        &self.buffers[start..start + count]
    }

    /// Starts a receive that goes on until buffers are wanting or the connection ends.
    pub(crate) fn receive(&mut self, connection: usize, fd: RawFd) -> Result<()> {
        let data = tag(connection, Kind::Receive)?;
        // KERNEL: the receive writes into the buffers of GROUP, which belong to `self`.
        self.push(&opcode::RecvMulti::new(Fd(fd), GROUP).build().user_data(data))
    }

    /// Sends what `fill` makes of an empty buffer.
    pub(crate) fn send(
        &mut self,
        connection: usize,
        fd: RawFd,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        // Its answer cannot have come before all of the request has left.
        ensure!(!self.is_sending[connection], "a request while another one is being sent");
        let request = &mut self.requests[connection];
        request.clear();
        fill(request)?;
        let length = u32::try_from(request.len())?;
        let data = tag(connection, Kind::Send)?;
        self.is_sending[connection] = true;
        // KERNEL: the bytes belong to `self.requests`, which nobody touches while `is_sending`.
        let entry = opcode::Send::new(Fd(fd), self.requests[connection].as_ptr(), length)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        self.push(&entry.user_data(data))
    }

    /// Submits, waits for completions, and gives what they tell.
    pub(crate) fn wait(&mut self, events: &mut Vec<Event>) -> Result<()> {
        match self.io.submit_and_wait(1) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        loop {
            let Some(completion) = self.io.completion().next() else { return Ok(()) };
            self.complete(&completion, events)?;
        }
    }

    fn complete(&mut self, completion: &cqueue::Entry, events: &mut Vec<Event>) -> Result<()> {
        let connection = usize::try_from(completion.user_data() >> 1)?;
        let count = match (completion.result(), completion.user_data() & 1 == Kind::Send as u64) {
            (result, false) if result == -libc::ENOBUFS => {
                events.push(Event::Starved { connection });
                return Ok(());
            }
            (result, _) if result < 0 => return Err(io::Error::from_raw_os_error(-result).into()),
            (result, true) => {
                self.is_sending[connection] = false;
                let is_whole = usize::try_from(result)? == self.requests[connection].len();
                ensure!(is_whole, "half a request was sent");
                return Ok(());
            }
            (0, false) => bail!("the server closed a connection"),
            (result, false) => usize::try_from(result)?,
        };
        let buffer = cqueue::buffer_select(completion.flags()).context("bytes without a buffer")?;
        events.push(Event::Received { connection, buffer, count });
        if !cqueue::more(completion.flags()) {
            events.push(Event::Starved { connection });
        }
        Ok(())
    }

    fn push(&mut self, entry: &squeue::Entry) -> Result<()> {
        // SAFETY: as `// KERNEL:` says where each entry is built: its memory belongs to `self` and
        // outlives the ring.
        while unsafe { self.io.submission().push(entry) }.is_err() {
            self.io.submit()?;
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Receives are under way still, and closing a ring ends them only after a while: their
        // memory is left to the end of the program, as `entries` is.
        std::mem::forget(std::mem::take(&mut self.buffers));
        std::mem::forget(std::mem::take(&mut self.requests));
    }
}

/// Kind of an operation of a connection; the lowest bit of its user data.
#[derive(Clone, Copy)]
enum Kind {
    Receive = 0,
    Send = 1,
}

fn tag(connection: usize, kind: Kind) -> Result<u64> {
    Ok(u64::try_from(connection)? << 1 | kind as u64)
}

fn entries_layout() -> Layout {
    let bytes = size_of::<BufRingEntry>() * usize::from(BUFFERS);
    Layout::from_size_align(bytes, PAGE_BYTES).expect("a power of two and a small size")
}

/// Entries of the submission queue. A full queue flushes itself, so that the first requests of a
/// thousand leave before the last one is made.
const SUBMISSIONS: u32 = 64;
/// Number of buffers, a power of two (io_uring_register_buf_ring(3)).
const BUFFERS: u16 = 64;
const BUFFERS_U32: u32 = BUFFERS as u32;
/// Size of each buffer, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
const BUFFER_BYTES_U32: u32 = 64 * 1024;
const GROUP: u16 = 0;
const PAGE_BYTES: usize = 4096;
