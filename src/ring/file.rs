//! Output files: created under a temporary name in the final directory, renamed when whole.
//!
//! open, rename and unlink are plain system calls: the ring hands each of them to a kernel worker
//! thread, which costs more than the call itself. Where body writes go is a choice ([`FileOps`]).

use super::buf::RecvBuf;
use super::{disk_cause, op};
use crate::config::FileOps;
use crate::fault::Cause;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::fmt::Write as _;
use std::os::fd::{IntoRawFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

/// An open directory that files go beneath; it and each directory below are opened once per change.
#[derive(Clone, Debug)]
pub struct Dir {
    fd: Rc<OwnedFd>,
}

impl Dir {
    /// Opens `path`, making it and its parents where they are missing.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self { fd: Rc::new(rustix::fs::openat(CWD, path, flags, Mode::empty())?) })
    }

    /// Whether a file can be created in it: creates one and removes it.
    pub fn check_writable(&self) -> std::io::Result<()> {
        let name = temporary_name(0);
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

    /// Creates a file under the temporary name of job `index`.
    pub fn create_file(&self, index: u64) -> Result<OutFile, Cause> {
        let temporary = temporary_name(index);
        let fd = rustix::fs::openat(&*self.fd, &temporary, CREATE, Mode::from_raw_mode(0o666))
            .map_err(cause)?;
        Ok(OutFile { dir: self.clone(), temporary, fd: Some(Rc::new(fd)), written: 0 })
    }

    fn open_beneath(&self, path: &str) -> Result<Self, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = rustix::fs::openat2(&*self.fd, path, flags, Mode::empty(), resolve)?;
        Ok(Self { fd: Rc::new(fd) })
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
    /// Empty once the file has its final name.
    temporary: String,
    fd: Option<Rc<OwnedFd>>,
    written: u64,
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
        if ops == FileOps::Chain && naming == Naming::Replace && buf.body_len() > 0 {
            return self.finish_chain(buf, name).await;
        }
        if buf.body_len() > 0 {
            self.write(buf, ops).await?;
        }
        self.fd = None;
        self.rename(name, naming)
    }

    /// Gives the temporary file its final name.
    fn rename(&mut self, name: &str, naming: Naming) -> Result<(), Cause> {
        let at = &*self.dir.fd;
        match naming {
            Naming::Replace => rustix::fs::renameat(at, &self.temporary, at, name),
            Naming::Fresh => {
                rustix::fs::renameat_with(at, &self.temporary, at, name, RenameFlags::NOREPLACE)
            }
        }
        .map_err(cause)?;
        self.temporary.clear();
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
    async fn finish_chain(&mut self, buf: &mut RecvBuf, name: &str) -> Result<(), Cause> {
        let Some(fd) = self.fd.take().and_then(Rc::into_inner) else {
            return Err(disk_cause(libc::EBADF));
        };
        let names = (c_string(&self.temporary)?, c_string(name)?);
        let (memory, range) = buf.lend_body();
        let length = range.len();
        let fd = fd.into_raw_fd();
        let (write, close, rename) =
            op::write_close_rename(fd, &self.dir.fd, names, memory, range, self.written);
        let (written, memory) = write.await;
        let closed = close.await;
        let renamed = rename.await;
        buf.restore(memory);
        if closed.is_err() {
            // SAFETY: the CLOSE did not run, so the descriptor is still ours and nobody else's.
            #[allow(unsafe_code, reason = "the chain took the descriptor by number")]
            drop(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) });
        }
        match (written, renamed) {
            (Ok(count), Ok(_)) if count == length => {
                self.written += count as u64;
                self.temporary.clear();
                buf.body_written();
                Ok(())
            }
            (Ok(count), _) if count < length => Err(disk_cause(libc::ENOSPC)),
            (Err(errno), _) | (Ok(_), Err(errno)) => Err(disk_cause(errno)),
            (Ok(_), Ok(_)) => Err(disk_cause(libc::EIO)),
        }
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if !self.temporary.is_empty() {
            // Removes exactly what `create_file` made; that it is gone already is as good.
            let _: Result<(), Errno> =
                rustix::fs::unlinkat(&*self.dir.fd, &self.temporary, AtFlags::empty());
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

/// `.ringpull-PID-INDEX`: distinct within a run by the job, between runs by the process.
fn temporary_name(index: u64) -> String {
    let mut name = String::with_capacity(40);
    let pid = rustix::process::getpid().as_raw_nonzero();
    // Writing to a String cannot fail.
    let _: std::fmt::Result = write!(name, ".ringpull-{pid}-{index}");
    name
}

fn c_string(name: &str) -> Result<CString, Cause> {
    CString::new(name).map_err(|_| disk_cause(libc::EINVAL))
}

fn cause(errno: Errno) -> Cause {
    disk_cause(errno.raw_os_error())
}
