//! Output files: written in the final directory, under their final name only when whole.
//!
//! A short body goes to a file without a name (open(2), O_TMPFILE) that is linked when it is whole:
//! on ext4 that costs a third less than to create, write and rename, and a crash leaves nothing
//! behind. A long one goes to a temporary name that is renamed, and so does every one where the
//! file system has no unnamed files or the final name is taken. [`NameBy`] says otherwise.
//!
//! The order at the end is: the last write, fsync(2) if asked for, close(2), the final name. Close
//! comes first because a file system behind a network may report there, and only there, that it
//! could not store what it had taken. Linking needs the descriptor, so a file without a name is
//! closed after it got one; that is why there are such files only where close has nothing to report
//! ([`super::dir`]). Should it fail all the same, the name is taken away again.
//!
//! open, link, rename and unlink are plain system calls: the ring hands each of them to a kernel
//! worker thread, which costs more than the call itself. Where body writes go is a choice
//! ([`FileOps`]). fsync(2) always goes through the ring, since it waits for the device.

mod descriptor;
mod direct;
mod gather;
mod options;
mod partial;
mod print;
mod probe;
mod share;
mod spill;
mod stamp;
mod times;
mod way;
mod writes;

pub use gather::Gather;
pub use options::{FileAllocation, FileOps, Fsync, NameBy, WriteMode, WriteOptions};
pub(super) use partial::RECORD_SUFFIX;
pub use partial::{PartWriter, PartialFile, RECORD_BYTES_MAX};
pub use print::FilePrint;
pub(super) use share::CacheShare;
pub use spill::Spill;
pub use stamp::{Made, Stamp};
pub use times::FileTimes;

use super::buf::RecvBuf;
use super::dir::Dir;
use super::io::Chained;
use super::shim::{Op, call, call_after};
use super::{disk_cause, name_cause};
use crate::fault::Cause;
use descriptor::Descriptor;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use way::{LongWriter, Way};

/// Size that a file is expected to have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SizeHint {
    /// The file fits one receive buffer.
    Short,
    /// The file is longer, of this many bytes if that is known.
    Long(Option<u64>),
}

/// How a finished file gets its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Naming {
    /// A file that has the name is replaced (rename(2)).
    Replace,
    /// EEXIST if a file has the name (renameat2(2), RENAME_NOREPLACE), unless the same line of the
    /// same report has made it before.
    NoReplace,
}

/// A file being written. Unless it is finished, dropping it removes what it created.
#[derive(Debug)]
pub struct OutFile {
    dir: Dir,
    index: u64,
    place: Place,
    fd: Descriptor,
    written: u64,
    is_flushed: bool,
    name_by: NameBy,
    /// How the bytes of a long body go.
    long: Option<Box<LongWriter>>,
    stamp: Option<Stamp>,
    /// What the file was like before it got its name, and whether that is wanted.
    print: (bool, Option<FilePrint>),
}

/// Name of a file that is written.
#[derive(Debug, Eq, PartialEq)]
enum Place {
    /// The file has no name.
    Unnamed,
    /// The file has a temporary name.
    Temporary(String),
    /// The file has its final name.
    Final,
}

/// Result of a chain of operations.
enum Chain {
    /// The whole chain was done.
    Done,
    /// The write was short or interrupted, and nothing was done after it.
    Unfinished,
}

impl OutFile {
    /// Creates the unfinished file of job `index`.
    ///
    /// # Errors
    /// When no file can be made in the directory.
    pub fn create(dir: &Dir, index: u64, expected: SizeHint) -> Result<Self, Cause> {
        let mode = Mode::from_raw_mode(0o666);
        let file = |place, fd| Self {
            dir: dir.clone(),
            index,
            name_by: if place == Place::Unnamed { NameBy::Link } else { NameBy::Rename },
            place,
            fd: Descriptor::Own(fd),
            written: 0,
            is_flushed: false,
            long: match expected {
                SizeHint::Short => None,
                SizeHint::Long(length) => {
                    let mut long =
                        Box::new(LongWriter::new(dir.io().clone(), Arc::new(way_in(dir))));
                    long.expect(0..length.unwrap_or_default());
                    Some(long)
                }
            },
            stamp: None,
            print: (false, None),
        };
        let WriteOptions { ops, name_by, .. } = dir.run.write_options;
        let wants_unnamed = dir.offers.unnamed.get()
            && match name_by {
                // A chain renames, so it needs a name to rename from.
                NameBy::Auto => expected == SizeHint::Short && ops != FileOps::Chain,
                NameBy::Link => true,
                NameBy::Rename => false,
            };
        if wants_unnamed {
            let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
            match call(Op::Open, || rustix::fs::openat(&*dir.fd, ".", flags, mode)) {
                Ok(fd) => return Ok(file(Place::Unnamed, fd)),
                // What open(2) says of file systems and kernels that lack it; and EPERM, ext4's
                // word for a directory that was removed, of which the other way says ENOENT.
                Err(
                    Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::PERM,
                ) => {}
                Err(errno) => return Err(cause(errno)),
            }
        }
        let name = dir.temporary_name(index);
        let fd = call(Op::Open, || rustix::fs::openat(&*dir.fd, &name, CREATE, mode));
        let fd = fd.map_err(cause)?;
        if wants_unnamed {
            // Only this kind is not to be had: it was not the directory that is gone.
            dir.offers.unnamed.set(false);
        }
        Ok(file(Place::Temporary(name), fd))
    }

    /// Sets what the file is to tell of its version when it is whole.
    pub fn set_stamp(&mut self, stamp: Option<Stamp>) {
        self.stamp = stamp;
    }

    /// Has a look taken at the file when it is whole, for [`Self::print`].
    pub fn want_print(&mut self) {
        self.print.0 = true;
    }

    /// What the file was like when it got its name, if that was wanted and could be found out.
    pub fn print(&self) -> Option<FilePrint> {
        self.print.1
    }

    /// Way in which the file gets its name, or has got it; never [`NameBy::Auto`].
    pub fn name_by(&self) -> NameBy {
        self.name_by
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether the file was brought to the disk after its last byte.
    pub fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// Writes the waiting body of `buf` behind the bytes written before.
    ///
    /// # Errors
    /// When the write failed. Any part of the body may be in the file then, and it waits on: only
    /// the same body may be written next.
    pub async fn write(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        let begin = self.written;
        let written = self.write_body(buf).await;
        match &written {
            Ok(()) => buf.body_written(),
            Err(_) => self.written = begin,
        }
        written
    }

    /// Writes what is due of what was gathered for a long file, behind the bytes written before.
    ///
    /// # Errors
    /// When the write failed. Any part of it may be in the file then, and it waits on: only the
    /// same may be written next.
    pub async fn write_gathered(&mut self, gather: &mut Gather) -> Result<(), Cause> {
        let begin = self.written;
        let (Some(long), Some(fd)) = (&mut self.long, self.fd.share()) else {
            return Err(disk_cause(libc::EBADF));
        };
        let written = long.write(&fd, gather, &mut self.written).await;
        match &written {
            Ok(()) => gather.written(),
            Err(_) => self.written = begin,
        }
        written
    }

    /// Whether a long body is copied on its way in any case, into aligned memory.
    pub fn is_copied(&self) -> bool {
        self.long.as_ref().is_some_and(|long| long.way().chosen() == WriteMode::Direct)
    }

    async fn write_body(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        let options = self.dir.run.write_options;
        let has_ring_writes = self.dir.offers.has_ring_writes;
        if let Some(long) = &mut self.long {
            let Some(fd) = self.fd.share() else { return Err(disk_cause(libc::EBADF)) };
            long.write(&fd, buf, &mut self.written).await?;
        } else if writes::is_by_ring(options, buf.body_len(), false, has_ring_writes) {
            let Some(fd) = self.fd.share() else { return Err(disk_cause(libc::EBADF)) };
            let place = (self.dir.io(), &fd);
            writes::write_body(place, buf, &mut self.written, true, NO_FLAGS).await?;
        } else {
            let Some(fd) = self.fd.get() else { return Err(disk_cause(libc::EBADF)) };
            writes::write_sync(fd, buf.body(), &mut self.written)?;
        }
        Ok(())
    }

    /// Writes the rest of the body and gives the file its final name; says whether that replaced a
    /// file that was there.
    ///
    /// # Errors
    /// When a write failed, or the name cannot be given. When the name is taken (EEXIST), this may
    /// be called again with another one.
    pub async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        name: &str,
        naming: Naming,
    ) -> Result<bool, Cause> {
        let WriteOptions { fsync, ops, .. } = self.dir.run.write_options;
        let must_flush = matches!(fsync, Fsync::File | Fsync::Dir);
        let is_plain = !must_flush
            && self.stamp.is_none()
            && self.long.as_ref().is_none_or(|long| long.way().may_chain());
        // A chain closes and renames at once, so it is not for files that are flushed or stamped
        // before.
        if let (FileOps::Chain, Naming::Replace, Place::Temporary(from), true) =
            (ops, naming, &self.place, is_plain)
            && buf.body_len() > 0
        {
            let names = (c_string(from)?, c_string(name)?);
            if let Chain::Done = self.finish_chain(buf, names).await? {
                return Ok(false);
            }
        } else if buf.body_len() > 0 {
            self.write(buf).await?;
        }
        if let (Some(stamp), Some(fd)) = (self.stamp.take(), self.fd.get()) {
            stamp.apply(fd);
        }
        if must_flush && !self.is_flushed {
            self.flush().await?;
        }
        if let Some(long) = &self.long
            && let Some(fd) = self.fd.share()
        {
            long.way().leave(self.dir.io(), &fd).await;
        }
        // Opened before, so that a lack of descriptors does not come when the name is given.
        let dir = match fsync {
            Fsync::Dir => Some(Rc::new(self.dir.readable().map_err(cause)?)),
            Fsync::None | Fsync::File | Fsync::End => None,
        };
        let at = self.dir.clone();
        let has_replaced =
            at.give_name_again(name, naming, self.index, |naming| self.name(name, naming))?;
        if let Some(dir) = dir {
            // The file stays where it is if this fails: it is whole, and what it replaced is gone.
            at.io().fsync(&dir).await.map_err(disk_cause)?;
        }
        Ok(has_replaced)
    }

    /// Removes a finished file of this name again.
    pub fn take_back(&self, name: &str) {
        debug_assert_eq!(self.place, Place::Final, "nobody knows whose the name is");
        self.dir.remove(name);
    }

    /// Closes the file and gives it its final name, in the order that its place allows. Says
    /// whether that replaced a file.
    fn name(&mut self, name: &str, naming: Naming) -> Result<bool, Cause> {
        if let Some(fd) = self.fd.get() {
            self.dir.sign(fd, self.index);
            if self.print.0 {
                self.print.1 = FilePrint::of_file(fd);
            }
        }
        let mut is_taken = false;
        if self.place == Place::Unnamed {
            match self.link(name) {
                Ok(()) => {
                    self.place = Place::Final;
                    let closed = self.close().map_err(|errno| {
                        // Nothing had the name a moment ago, so what has it now is ours.
                        self.dir.remove(name);
                        cause(errno)
                    });
                    return closed.map(|()| false);
                }
                Err(Errno::EXIST) if naming == Naming::Replace => {
                    let temporary = self.dir.temporary_name(self.index);
                    self.link(&temporary).map_err(cause)?;
                    self.place = Place::Temporary(temporary);
                    self.name_by = NameBy::Rename;
                    is_taken = true;
                }
                Err(errno) => return Err(refused(errno)),
            }
        }
        self.close().map_err(cause)?;
        self.rename(name, naming, is_taken)
    }

    /// Gives a file without a name its first one.
    fn link(&self, name: &str) -> Result<(), Errno> {
        let fd = self.fd.get().ok_or(Errno::BADF)?;
        link(fd, &self.dir.fd, name)
    }

    /// Gives a file with a temporary name its final one, which a file may be known to have. Says
    /// whether that replaced it.
    fn rename(&mut self, name: &str, naming: Naming, is_taken: bool) -> Result<bool, Cause> {
        let Place::Temporary(from) = &self.place else { return Ok(false) };
        let has_replaced = self.dir.give_name(from, name, naming, self.index, is_taken)?;
        self.place = Place::Final;
        Ok(has_replaced)
    }

    /// Closes the descriptor, which is gone afterwards in any case.
    fn close(&mut self) -> Result<(), Errno> {
        self.long = None;
        let closed = self.fd.take().map(close);
        closed.map_or(Ok(()), |closed| call_after(Op::Close, closed))
    }

    /// Has the kernel write the file to the disk.
    async fn flush(&mut self) -> Result<(), Cause> {
        if let Some(fd) = self.fd.share() {
            self.dir.io().fsync(&fd).await.map_err(disk_cause)?;
            self.is_flushed = true;
        }
        Ok(())
    }

    /// Reserves space for the next `more` bytes, where that is due.
    async fn reserve(&mut self, more: u64) -> Result<(), Cause> {
        let end = self.written.saturating_add(more);
        match &mut self.long {
            Some(long) if long.is_room_due(end) => match self.fd.share() {
                Some(fd) => long.make_room(&fd, end).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Makes the last write, close and rename as one chain. An operation that is short or
    /// interrupted breaks it: then the rest of the body is written, and the rest of the way is for
    /// the caller.
    async fn finish_chain(
        &mut self,
        buf: &mut RecvBuf,
        names: (CString, CString),
    ) -> Result<Chain, Cause> {
        self.reserve(buf.body_len() as u64).await?;
        let Some(fd) = self.fd.take() else {
            return Err(disk_cause(libc::EBADF));
        };
        let (memory, mut range) = buf.lend_body();
        let fd = fd.into_raw_fd();
        let (io, place) = (self.dir.io(), (fd, &self.dir.fd));
        let chained = io.write_close_rename(place, names, memory, range.clone(), self.written);
        let Chained { written, memory, closed, renamed } = chained.await;
        if closed == Err(libc::ECANCELED) {
            // SAFETY: the CLOSE did not run (one that fails has closed all the same, close(2)), so
            // the descriptor is still ours and nobody else's.
            #[allow(unsafe_code, reason = "the chain took the descriptor by number")]
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            self.fd = Descriptor::Own(fd);
        }
        let done = match (written, closed, renamed) {
            (Ok(_), Ok(_), Ok(_)) => {
                self.written += range.len() as u64;
                self.place = Place::Final;
                Ok(Chain::Done)
            }
            // All is written and closed: the plain calls look what has the name, and rename.
            (Ok(_), Ok(_), Err(libc::EINTR | libc::EEXIST | libc::EINVAL)) => {
                self.written += range.len() as u64;
                range.start = range.end;
                Ok(Chain::Unfinished)
            }
            (Ok(_), Ok(_), Err(errno)) => Err(name_cause(errno)),
            (Ok(0), Err(_), _) => Err(disk_cause(libc::ENOSPC)),
            (Ok(count), Err(libc::ECANCELED), _) => {
                self.written += count as u64;
                range.start += count;
                Ok(Chain::Unfinished)
            }
            (Ok(_), Err(errno), _) => Err(disk_cause(errno)),
            (Err(libc::EINTR | libc::EAGAIN), ..) => Ok(Chain::Unfinished),
            (Err(errno), ..) => Err(disk_cause(errno)),
        };
        let (done, memory) = match done {
            Ok(Chain::Unfinished) if !range.is_empty() => {
                let (result, memory) = match self.fd.share() {
                    Some(fd) => {
                        let written = &mut self.written;
                        writes::write_ring((self.dir.io(), &fd), memory, range, written, NO_FLAGS)
                            .await
                    }
                    None => (Err(disk_cause(libc::EBADF)), memory),
                };
                (result.map(|()| Chain::Unfinished), memory)
            }
            done => (done, memory),
        };
        buf.restore(memory);
        if done.is_ok() {
            buf.body_written();
        }
        done
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Place::Temporary(name) = &self.place {
            self.dir.remove(name);
        }
    }
}

impl Dir {
    /// Checks that a file can be created in this directory, in the way that short files will be:
    /// creates one and removes it.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn check_writable(&self) -> std::io::Result<()> {
        let name = self.temporary_name(0);
        if self.offers.unnamed.get() {
            let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
            let unnamed = rustix::fs::openat(&*self.fd, ".", flags, PROBE_MODE)
                .and_then(|fd| link(&fd, &self.fd, &name));
            if unnamed.is_ok() {
                return Ok(rustix::fs::unlinkat(&*self.fd, &name, AtFlags::empty())?);
            }
            // Neither way to link it may be open: an older kernel, and no /proc.
            self.offers.unnamed.set(false);
        }
        let file = rustix::fs::openat(&*self.fd, &name, CREATE, PROBE_MODE)?;
        drop(file);
        Ok(rustix::fs::unlinkat(&*self.fd, &name, AtFlags::empty())?)
    }
}

/// The way of the bytes of a long body to a file in a directory.
fn way_in(dir: &Dir) -> Way {
    let offers = &dir.offers;
    let share = Arc::clone(&dir.run.cache_share);
    Way::new(dir.run.write_options, offers.has_ring_writes, offers.is_in_memory, share)
}

/// Writes to standard output, with nothing in between that could keep bytes or lose an error.
///
/// # Errors
/// When a write failed.
pub fn write_stdout(mut bytes: &[u8]) -> Result<(), Cause> {
    let stdout = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(stdout, bytes) {
            Ok(0) => return Err(disk_cause(libc::EIO)),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // Whoever shares it has set O_NONBLOCK: waits as if it were not.
                let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
                match rustix::event::poll(&mut fds, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(errno) => return Err(cause(errno)),
                }
            }
            Err(errno) => return Err(cause(errno)),
        }
    }
    Ok(())
}

/// Ends standard output as far as this program is concerned.
///
/// # Errors
/// What close(2) reports: every descriptor of a file that is closed has the file system tell what
/// it could not store.
pub fn finish_stdout() -> Result<(), Cause> {
    match rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 0) {
        Ok(fd) => close(fd).map_err(cause),
        // Without a second descriptor there is nothing to close, and nothing is known to be wrong.
        Err(_) => Ok(()),
    }
}

/// close(2), whose error a dropped descriptor would swallow. The descriptor is gone even then.
///
/// # Errors
/// What close(2) reports. An interrupted close (EINTR) may have lost what was on its way, so that
/// is an error too.
pub fn close(fd: impl Into<OwnedFd>) -> Result<(), Errno> {
    let fd = fd.into().into_raw_fd();
    // SAFETY: it was owned, is owned by nobody now, and is not used again.
    #[allow(unsafe_code, reason = "no safe wrapper tells of the error")]
    let result = unsafe { libc::close(fd) };
    match result {
        0 => Ok(()),
        _ => {
            let errno = std::io::Error::last_os_error().raw_os_error();
            Err(Errno::from_raw_os_error(errno.unwrap_or(libc::EIO)))
        }
    }
}

/// Gives an open file without a name the first one. linkat(2) takes the descriptor itself from
/// Linux 6.10 on, before that only with CAP_DAC_READ_SEARCH; by way of /proc it always does.
pub(super) fn link(fd: &OwnedFd, to: &OwnedFd, name: impl AsRef<OsStr>) -> Result<(), Errno> {
    let name = name.as_ref();
    match call(Op::Link, || rustix::fs::linkat(fd, "", to, name, AtFlags::EMPTY_PATH)) {
        Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            call(Op::Link, || rustix::fs::linkat(CWD, &path, to, name, AtFlags::SYMLINK_FOLLOW))
        }
        other => other,
    }
}

/// Flags of a new file. O_EXCL: a temporary file is always our own, and a symbolic link is never
/// followed.
pub(super) const CREATE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

const NO_FLAGS: ReadWriteFlags = ReadWriteFlags::empty();

/// Mode of a file that is there for a moment.
const PROBE_MODE: Mode = Mode::from_raw_mode(0o600);

fn c_string(name: &str) -> Result<CString, Cause> {
    CString::new(name).map_err(|_| disk_cause(libc::EINVAL))
}

fn cause(errno: Errno) -> Cause {
    disk_cause(errno.raw_os_error())
}

/// The cause of an error where the final name is given; else as [`cause`].
fn refused(errno: Errno) -> Cause {
    name_cause(errno.raw_os_error())
}
