//! Output files: written in the final directory, under their final name only when whole.
//!
//! A short body goes to a file without a name (open(2), O_TMPFILE) that is linked when it is whole:
//! on ext4 that costs a third less than to create, write and rename, and a crash leaves nothing
//! behind. A long one goes to a temporary name that is renamed, and so does every one where the
//! file system has no unnamed files or the final name is taken.
//!
//! open, link, rename and unlink are plain system calls: the ring hands each of them to a kernel
//! worker thread, which costs more than the call itself. Where body writes go is a choice
//! ([`FileOps`]).

use super::buf::RecvBuf;
use super::{disk_cause, op};
use crate::config::FileOps;
use crate::fault::Cause;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::cell::Cell;
use std::ffi::CString;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// An open directory that files go beneath.
#[derive(Clone, Debug)]
pub struct Dir {
    fd: Rc<OwnedFd>,
    /// Whether files without a name can be had here, as far as is known.
    has_unnamed: Rc<Cell<bool>>,
    /// Distinguishes temporary names between runs: in containers, process numbers come again.
    nonce: u32,
}

/// How much is expected to be written into a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expected {
    /// What fits one receive buffer.
    Short,
    /// More, or nobody knows.
    Long,
}

impl Dir {
    /// Opens `path`, making it and its parents where they are missing.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self {
            fd: Rc::new(rustix::fs::openat(CWD, path, flags, Mode::empty())?),
            has_unnamed: Rc::new(Cell::new(true)),
            nonce: fastrand::u32(..),
        })
    }

    /// Whether a file can be created in it: creates one and removes it.
    pub fn check_writable(&self) -> std::io::Result<()> {
        let name = self.temporary_name(0);
        let file = rustix::fs::openat(&*self.fd, &name, CREATE, Mode::from_raw_mode(0o600))?;
        drop(file);
        Ok(rustix::fs::unlinkat(&*self.fd, &name, AtFlags::empty())?)
    }

    /// The directory of `path`, made where it is missing, and the last component. `path` is
    /// relative and safe (`plan::name`); symbolic links on the way are refused (openat2(2),
    /// RESOLVE_BENEATH).
    pub fn parent<'p>(&self, path: &'p str) -> Result<(Self, &'p str), Cause> {
        let Some((parents, name)) = path.rsplit_once('/') else {
            return Ok((self.clone(), path));
        };
        match self.open_beneath(parents) {
            Err(Errno::NOENT) => {
                self.make_all(parents)?;
                self.open_beneath(parents)
            }
            other => other,
        }
        .map(|dir| (dir, name))
        .map_err(cause)
    }

    /// Whether anything has this name.
    pub fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&*self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Creates the unfinished file of job `index`.
    pub fn create_file(&self, index: u64, expected: Expected) -> Result<OutFile, Cause> {
        let mode = Mode::from_raw_mode(0o666);
        if expected == Expected::Short && self.has_unnamed.get() {
            let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
            match rustix::fs::openat(&*self.fd, ".", flags, mode) {
                Ok(fd) => return Ok(self.out_file(index, Place::Unnamed, fd)),
                // What open(2) says of file systems and kernels that lack it.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                    self.has_unnamed.set(false);
                }
                Err(errno) => return Err(cause(errno)),
            }
        }
        let name = self.temporary_name(index);
        let fd = rustix::fs::openat(&*self.fd, &name, CREATE, mode).map_err(cause)?;
        Ok(self.out_file(index, Place::Temporary(name), fd))
    }

    fn out_file(&self, index: u64, place: Place, fd: OwnedFd) -> OutFile {
        OutFile { dir: self.clone(), index, place, fd: Some(Rc::new(fd)), written: 0 }
    }

    /// `.ringpull-RANDOM-INDEX`: distinct within a run by the job, between runs by chance.
    fn temporary_name(&self, index: u64) -> String {
        format!(".ringpull-{:08x}-{index}", self.nonce)
    }

    fn open_beneath(&self, path: &str) -> Result<Self, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = rustix::fs::openat2(&*self.fd, path, flags, Mode::empty(), resolve)?;
        Ok(Self { fd: Rc::new(fd), has_unnamed: Rc::clone(&self.has_unnamed), nonce: self.nonce })
    }

    fn make_all(&self, path: &str) -> Result<(), Cause> {
        let mut dir = self.clone();
        for component in path.split('/') {
            match rustix::fs::mkdirat(&*dir.fd, component, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(cause(errno)),
            }
            dir = dir.open_beneath(component).map_err(cause)?;
        }
        Ok(())
    }
}

/// Writes to standard output, with nothing in between that could keep bytes or lose an error.
pub fn write_stdout(mut bytes: &[u8]) -> Result<(), Cause> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(cause(errno)),
        }
    }
    Ok(())
}

/// How a finished file gets its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Naming {
    /// Whatever has the name is replaced (rename(2)).
    Replace,
    /// EEXIST if anything has it (renameat2(2), RENAME_NOREPLACE).
    Fresh,
}

/// A file being written. Unless it is finished, dropping it removes what it created.
#[derive(Debug)]
pub struct OutFile {
    dir: Dir,
    index: u64,
    place: Place,
    fd: Option<Rc<OwnedFd>>,
    written: u64,
}

/// Where a file is.
#[derive(Debug, Eq, PartialEq)]
enum Place {
    /// In no directory.
    Unnamed,
    /// Under a temporary name.
    Temporary(String),
    /// Under its final name.
    Final,
}

impl OutFile {
    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes the waiting body of `buf` behind what was written before.
    pub async fn write(&mut self, buf: &mut RecvBuf, ops: FileOps) -> Result<(), Cause> {
        let through_ring = match ops {
            FileOps::Sync => false,
            FileOps::Ring | FileOps::Chain => true,
            FileOps::Auto => buf.body_len() >= RING_WRITE_MIN_BYTES,
        };
        if through_ring { self.write_ring(buf).await } else { self.write_sync(buf) }?;
        buf.body_written();
        Ok(())
    }

    /// Writes the rest of the body and gives the file its final name. When the name is taken
    /// (EEXIST), it may be called again with another one.
    pub async fn finish(
        &mut self,
        buf: &mut RecvBuf,
        name: &str,
        naming: Naming,
        ops: FileOps,
    ) -> Result<(), Cause> {
        if let (FileOps::Chain, Naming::Replace, Place::Temporary(from)) =
            (ops, naming, &self.place)
            && buf.body_len() > 0
        {
            let names = (c_string(from)?, c_string(name)?);
            return self.finish_chain(buf, names).await;
        }
        if buf.body_len() > 0 {
            self.write(buf, ops).await?;
        }
        if self.place == Place::Unnamed {
            match self.link(name) {
                Ok(()) => self.place = Place::Final,
                Err(Errno::EXIST) if naming == Naming::Replace => {
                    let temporary = self.dir.temporary_name(self.index);
                    self.link(&temporary).map_err(cause)?;
                    self.place = Place::Temporary(temporary);
                }
                Err(errno) => return Err(cause(errno)),
            }
        }
        self.fd = None;
        self.rename(name, naming)
    }

    /// Gives a file without a name its first one. linkat(2) takes the descriptor itself from Linux
    /// 6.10 on, before that only with CAP_DAC_READ_SEARCH; by way of /proc it always does.
    fn link(&self, name: &str) -> Result<(), Errno> {
        let (Some(fd), to) = (&self.fd, &*self.dir.fd) else { return Err(Errno::BADF) };
        match rustix::fs::linkat(fd, "", to, name, AtFlags::EMPTY_PATH) {
            Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
                let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
                rustix::fs::linkat(CWD, path, to, name, AtFlags::SYMLINK_FOLLOW)
            }
            other => other,
        }
    }

    /// Gives a file with a temporary name its final one.
    fn rename(&mut self, name: &str, naming: Naming) -> Result<(), Cause> {
        let Place::Temporary(from) = &self.place else { return Ok(()) };
        let at = &*self.dir.fd;
        match naming {
            Naming::Replace => rustix::fs::renameat(at, from, at, name),
            Naming::Fresh => rustix::fs::renameat_with(at, from, at, name, RenameFlags::NOREPLACE),
        }
        .map_err(cause)?;
        self.place = Place::Final;
        Ok(())
    }

    fn write_sync(&mut self, buf: &RecvBuf) -> Result<(), Cause> {
        let Some(fd) = &self.fd else { return Err(disk_cause(libc::EBADF)) };
        let mut body = buf.body();
        while !body.is_empty() {
            match rustix::io::pwrite(fd, body, self.written) {
                Ok(0) => return Err(disk_cause(libc::ENOSPC)),
                Ok(count) => {
                    self.written += count as u64;
                    body = &body[count..];
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(cause(errno)),
            }
        }
        Ok(())
    }

    async fn write_ring(&mut self, buf: &mut RecvBuf) -> Result<(), Cause> {
        let Some(fd) = &self.fd else { return Err(disk_cause(libc::EBADF)) };
        let (mut memory, mut range) = buf.lend_body();
        let mut result = Ok(());
        while !range.is_empty() && result.is_ok() {
            let (count, back) = op::write(fd, memory, range.clone(), self.written).await;
            memory = back;
            match count {
                Ok(0) => result = Err(disk_cause(libc::ENOSPC)),
                Ok(count) => {
                    self.written += count as u64;
                    range.start += count;
                }
                Err(libc::EINTR) => {}
                Err(errno) => result = Err(disk_cause(errno)),
            }
        }
        buf.restore(memory);
        result
    }

    /// The last write, close and rename as one chain.
    async fn finish_chain(
        &mut self,
        buf: &mut RecvBuf,
        names: (CString, CString),
    ) -> Result<(), Cause> {
        let Some(fd) = self.fd.take().and_then(Rc::into_inner) else {
            return Err(disk_cause(libc::EBADF));
        };
        let (memory, range) = buf.lend_body();
        let length = range.len();
        let fd = fd.into_raw_fd();
        let (write, close, rename) =
            op::write_close_rename(fd, &self.dir.fd, names, memory, range, self.written);
        let (written, memory) = write.await;
        let closed = close.await;
        let renamed = rename.await;
        buf.restore(memory);
        if closed == Err(libc::ECANCELED) {
            // SAFETY: the CLOSE did not run (one that fails has closed all the same, close(2)), so
            // the descriptor is still ours and nobody else's.
            #[allow(unsafe_code, reason = "the chain took the descriptor by number")]
            drop(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) });
        }
        match (written, renamed) {
            (Ok(count), Ok(_)) if count == length => {
                self.written += count as u64;
                self.place = Place::Final;
                buf.body_written();
                Ok(())
            }
            (Ok(count), _) if count < length => Err(disk_cause(libc::ENOSPC)),
            (Err(errno), _) => Err(disk_cause(errno)),
            (Ok(_), Err(errno)) => Err(disk_cause(closed.err().unwrap_or(errno))),
            (Ok(_), Ok(_)) => Err(disk_cause(libc::EIO)),
        }
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Place::Temporary(name) = &self.place {
            // Removes exactly what was made here; that it is gone already is as good.
            let _: Result<(), Errno> = rustix::fs::unlinkat(&*self.dir.fd, name, AtFlags::empty());
        }
    }
}

/// O_EXCL: a temporary file is always our own, and a symbolic link is never followed.
const CREATE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Body writes from this size on go through the ring with [`FileOps::Auto`].
const RING_WRITE_MIN_BYTES: usize = 128 * 1024;

fn c_string(name: &str) -> Result<CString, Cause> {
    CString::new(name).map_err(|_| disk_cause(libc::EINVAL))
}

fn cause(errno: Errno) -> Cause {
    disk_cause(errno.raw_os_error())
}
