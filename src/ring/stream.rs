//! Streams: outputs that are written into and never replaced, because they are not files. A device,
//! a FIFO, or a descriptor that the program was started with.
//!
//! Nobody knows how long a write into one takes, and its reader may never come. So no call waits in
//! the kernel where that can be helped: FIFOs and terminals are opened anew with O_NONBLOCK, which
//! those who share a descriptor do not notice, and sockets are written with MSG_DONTWAIT. The wait
//! between is a future that may be dropped, for epoll(7) has no memory of ours.

use super::disk_cause;
use super::file::{Fsync, close};
use super::io::Io;
use crate::fault::{Cause, DiskProblem};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SendFlags;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Something that is written into and never replaced, because it is no file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outlet {
    /// A descriptor that the program was started with: `-`, `/dev/stdout`, `/dev/fd/3`, or a link
    /// to one of them.
    Descriptor(i32),
    /// A device or a FIFO, or a link to one.
    Path(PathBuf),
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    fd: Arc<OwnedFd>,
    how: How,
}

/// Way in which a stream is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    /// write(2), which says EAGAIN where it would have to wait; or nothing there waits for anybody.
    Write,
    /// write(2) of little, once there is room for it: a pipe or terminal that cannot be opened
    /// anew.
    WriteLittle,
    /// send(2) with MSG_DONTWAIT.
    Send,
}

impl Stream {
    /// Opens the stream; nothing is made, shortened or waited for. `None` for a FIFO that nobody
    /// reads yet.
    ///
    /// # Errors
    /// When it is not open, may not be written, or has become a file or directory meanwhile.
    pub fn open(outlet: &Outlet) -> Result<Option<Self>, Cause> {
        match outlet {
            Outlet::Descriptor(number) => Self::of_descriptor(*number).map(Some),
            Outlet::Path(path) => Self::of_path(path),
        }
        .map_err(|errno| disk_cause(errno.raw_os_error()))
        .and_then(|stream| match stream {
            Some(stream) if stream.is_file_by_name(outlet)? => {
                Err(Cause::Disk(DiskProblem::NotAFile))
            }
            stream => Ok(stream),
        })
    }

    fn of_path(path: &Path) -> Result<Option<Self>, Errno> {
        match rustix::fs::openat(CWD, path, NONBLOCKING, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd: Arc::new(fd), how: How::Write })),
            // ENXIO is also what an absent device says.
            Err(Errno::NXIO) => match rustix::fs::stat(path).map(|stat| kind(stat.st_mode))? {
                FileType::Fifo => Ok(None),
                _ => Err(Errno::NXIO),
            },
            Err(errno) => Err(errno),
        }
    }

    fn of_descriptor(number: RawFd) -> Result<Self, Errno> {
        let fd = duplicate(number)?;
        let how = match kind(rustix::fs::fstat(&fd)?.st_mode) {
            FileType::Socket => How::Send,
            FileType::Fifo => How::WriteLittle,
            FileType::CharacterDevice if fd.is_terminal() => How::WriteLittle,
            _ => How::Write,
        };
        if how == How::WriteLittle {
            // Refused where it belongs to somebody else.
            let path = format!("/proc/self/fd/{number}");
            if let Ok(fd) = rustix::fs::openat(CWD, &path, NONBLOCKING, Mode::empty()) {
                return Ok(Self { fd: Arc::new(fd), how: How::Write });
            }
        }
        Ok(Self { fd: Arc::new(fd), how })
    }

    /// Whether a path that led to no file leads to one by now. A descriptor may well be a file.
    fn is_file_by_name(&self, outlet: &Outlet) -> Result<bool, Cause> {
        let stat = rustix::fs::fstat(&self.fd);
        let stat = stat.map_err(|errno| disk_cause(errno.raw_os_error()))?;
        Ok(matches!(outlet, Outlet::Path(_)) && kind(stat.st_mode) == FileType::RegularFile)
    }

    /// Writes all of `bytes`. The future may be dropped: then nobody knows how much was written.
    ///
    /// # Errors
    /// When the device is full, the reader has gone (EPIPE), or the like.
    pub async fn write(&self, io: &Io, mut bytes: &[u8]) -> Result<(), Cause> {
        while !bytes.is_empty() {
            match self.try_write(bytes) {
                Ok(0) => return Err(disk_cause(libc::EIO)),
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.ready(io).await,
                Err(errno) => return Err(disk_cause(errno.raw_os_error())),
            }
        }
        Ok(())
    }

    fn try_write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let fd = &*self.fd;
        match self.how {
            How::Write => rustix::io::write(fd, bytes),
            How::WriteLittle => {
                let mut fds = [PollFd::new(fd, PollFlags::OUT)];
                let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                match rustix::event::poll(&mut fds, Some(&now))? {
                    0 => Err(Errno::AGAIN),
                    _ => rustix::io::write(fd, &bytes[..bytes.len().min(LITTLE_BYTES)]),
                }
            }
            How::Send => {
                rustix::net::send(fd, bytes, SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL))
            }
        }
    }

    /// Waits until there may be room.
    async fn ready(&self, io: &Io) {
        if io.writable(&self.fd).await.is_err() {
            // A device that says EAGAIN and cannot be polled.
            io.sleep(UNPOLLABLE_WAIT).await;
        }
    }

    /// Ends the stream after all was written: brings it to the disk where there is one and `fsync`
    /// asks for it. It stays open.
    ///
    /// # Errors
    /// When something that was taken could not be stored: what close(2) reports.
    pub fn finish(&self, fsync: Fsync) -> Result<(), Cause> {
        let finish = || {
            if fsync != Fsync::None {
                match rustix::fs::fsync(&self.fd) {
                    // What has no disk behind it (fsync(2)).
                    Ok(()) | Err(Errno::INVAL | Errno::ROFS | Errno::NOTSUP) => {}
                    Err(errno) => return Err(errno),
                }
            }
            close(rustix::io::fcntl_dupfd_cloexec(&self.fd, 0)?)
        };
        finish().map_err(|errno: Errno| disk_cause(errno.raw_os_error()))
    }
}

/// Opens a stream that is written once, at the end: behind what a descriptor has written before,
/// and without shortening anything. Waits for the reader of a FIFO.
///
/// # Errors
/// When it is not open, or may not be written.
pub fn open_to_end(outlet: &Outlet) -> io::Result<File> {
    match outlet {
        Outlet::Descriptor(number) => Ok(duplicate(*number)?.into()),
        Outlet::Path(path) => File::options().write(true).open(path),
    }
}

/// Another descriptor for one that the program was started with.
fn duplicate(number: RawFd) -> Result<OwnedFd, Errno> {
    if number < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: it is a number, not -1, and borrowed for one call only, which says EBADF should it
    // have been closed. It is one that the program was started with, which nobody here closes.
    #[allow(unsafe_code, reason = "the user names a descriptor by its number")]
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_dupfd_cloexec(fd, 0)
}

fn kind(mode: u32) -> FileType {
    FileType::from_raw_mode(mode)
}

/// Flags to open a stream again. O_NOCTTY: to write to a terminal is not to become its session.
const NONBLOCKING: OFlags =
    OFlags::WRONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// Bytes that a pipe which is ready takes without a wait (PIPE_BUF, pipe(7)).
const LITTLE_BYTES: usize = 4_096;
/// How long to wait where the kernel does not tell when there is room.
const UNPOLLABLE_WAIT: Duration = Duration::from_millis(10);
