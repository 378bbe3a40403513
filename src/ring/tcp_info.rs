//! State of one TCP connection as the kernel has it (tcp(7), TCP_INFO).

use std::mem::offset_of;
use std::os::fd::RawFd;

/// The front of the kernel's `struct tcp_info` (linux/tcp.h), which only ever grows at its end. The
/// C library's own one may end before the counters.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TcpInfo {
    /// State, options and flags.
    bytes: [u8; 8],
    /// Timers, segments in flight, times of the last send.
    words_before: [u32; 11],
    /// Milliseconds since the last data came.
    last_data_recv: u32,
    /// Path, windows, round trips.
    words_after: [u32; 12],
    /// Pacing, and what the peer acknowledged.
    counts: [u64; 3],
    /// Payload bytes that came in order, read or not (RFC 4898, since Linux 4.1).
    bytes_received: u64,
    /// Bytes of this structure that the kernel has filled in; not part of its structure.
    length: u32,
}

impl TcpInfo {
    /// Asks the kernel. `fd` is an open TCP socket; for anything else there is `None`.
    pub(super) fn of(fd: RawFd) -> Option<Self> {
        let mut info = Self::default();
        let mut length = u32::try_from(offset_of!(Self, length)).ok()?;
        // SAFETY: the structure is plain integers, and getsockopt(2) writes at most `length` bytes
        // of it, which end before the last field.
        #[allow(unsafe_code, reason = "no safe wrapper offers TCP_INFO")]
        let result = unsafe {
            let into = (&raw mut info).cast();
            libc::getsockopt(fd, libc::SOL_TCP, libc::TCP_INFO, into, &raw mut length)
        };
        info.length = length;
        (result == 0 && info.has(offset_of!(Self, last_data_recv) + size_of::<u32>()))
            .then_some(info)
    }

    /// Milliseconds since the last byte came in.
    pub(super) fn last_received_ms(&self) -> u64 {
        self.last_data_recv.into()
    }

    /// Bytes that came since the connection was opened.
    pub(super) fn bytes_received(&self) -> Option<u64> {
        self.has(offset_of!(Self, length)).then_some(self.bytes_received)
    }

    fn has(&self, bytes: usize) -> bool {
        self.length as usize >= bytes
    }

    /// A state as a kernel would give it, for tests.
    #[cfg(test)]
    pub(super) fn made(last_data_recv: u32, bytes_received: u64) -> Self {
        Self { last_data_recv, bytes_received, length: u32::MAX, ..Self::default() }
    }
}

const _: () = assert!(offset_of!(TcpInfo, last_data_recv) == 52);
const _: () = assert!(offset_of!(TcpInfo, bytes_received) == 128);

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    #[test]
    fn the_kernel_counts_what_came() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let came = || TcpInfo::of(near.as_raw_fd()).unwrap().bytes_received().unwrap();
        let before = came();
        far.write_all(&[7; 1_000]).unwrap();
        // Not read yet, and counted all the same.
        assert_eq!(near.peek(&mut [0; 1_000]).unwrap(), 1_000);
        assert_eq!(came() - before, 1_000);
        assert!(TcpInfo::of(near.as_raw_fd()).unwrap().last_received_ms() < 60_000);
        near.read_exact(&mut [0; 1_000]).unwrap();
        assert!(TcpInfo::of(-1).is_none());
    }
}
