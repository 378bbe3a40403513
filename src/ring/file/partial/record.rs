//! The record beside an unfinished file: a small file of its own, made when there is something to
//! be said.

use super::{RECORD_BYTES_MAX, cause, share};
use crate::fault::Cause;
use crate::ring::file::writes::write_sync;
use crate::ring::shim::{Op, call};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock, PoisonError};

/// A record that may not have been made yet.
#[derive(Debug)]
pub(super) struct Record {
    name: String,
    fd: OnceLock<OwnedFd>,
    /// Held while the record is opened or made, so that it is made once.
    making: Mutex<()>,
}

impl Record {
    /// The record of the file with this temporary name.
    pub(super) fn beside(name: &str) -> Self {
        Self { name: name_beside(name), fd: OnceLock::new(), making: Mutex::new(()) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The descriptor for operations of the ring of this core, if the record was opened or made.
    pub(super) fn share(&self) -> Result<Option<Rc<OwnedFd>>, Cause> {
        self.fd.get().map(share).transpose().map_err(cause)
    }

    /// The bytes of a record that is there.
    pub(super) fn read(&self, folder: &OwnedFd) -> Result<Vec<u8>, Errno> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.fd.get().is_none() {
            match open_existing(folder, &self.name)? {
                Some(fd) => drop(self.fd.set(fd)),
                None => return Ok(Vec::new()),
            }
        }
        let Some(fd) = self.fd.get() else { return Ok(Vec::new()) };
        let mut bytes = vec![0; RECORD_BYTES_MAX];
        let mut count = 0;
        while count < bytes.len() {
            let at = count as u64;
            match call(Op::Pread, || rustix::io::pread(fd, &mut bytes[count..], at))? {
                0 => break,
                more => count += more,
            }
        }
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Writes a piece of the record at an offset; says whether the record was made for it.
    pub(super) fn write(&self, folder: &OwnedFd, bytes: &[u8], offset: u64) -> Result<bool, Cause> {
        let mut at = offset;
        let (fd, is_new) = self.open_or_make(folder).map_err(cause)?;
        write_sync(fd, bytes, &mut at)?;
        Ok(is_new)
    }

    fn open_or_make(&self, folder: &OwnedFd) -> Result<(&OwnedFd, bool), Errno> {
        if let Some(fd) = self.fd.get() {
            return Ok((fd, false));
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fd) = self.fd.get() {
            return Ok((fd, false));
        }
        let fd = match open_existing(folder, &self.name)? {
            Some(fd) => fd,
            None => {
                let flags = FLAGS | OFlags::CREATE | OFlags::EXCL;
                let mode = Mode::from_raw_mode(0o600);
                call(Op::Open, || rustix::fs::openat(folder, &self.name, flags, mode))?
            }
        };
        Ok((self.fd.get_or_init(|| fd), true))
    }
}

/// The name of the record beside a file with this temporary name.
pub(super) fn name_beside(name: &str) -> String {
    format!("{name}{RECORD_SUFFIX}")
}

/// Opens a record that is there. What has its name and is none, because it is not a file of its
/// own, is removed.
fn open_existing(folder: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    use rustix::fs::{AtFlags, fstat, openat, statat, unlinkat};
    let is_record =
        |mode, links| FileType::from_raw_mode(mode) == FileType::RegularFile && links == 1;
    let foreign = || -> Result<Option<OwnedFd>, Errno> {
        call(Op::Unlink, || unlinkat(folder, name, AtFlags::empty()))?;
        Ok(None)
    };
    // To open a device or a pipe may do something.
    match call(Op::Open, || statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)) {
        Ok(stat) if is_record(stat.st_mode, stat.st_nlink) => {}
        Ok(_) => return foreign(),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno),
    }
    let opened = call(Op::Open, || openat(folder, name, FLAGS | OFlags::NONBLOCK, Mode::empty()));
    match opened {
        Ok(fd) => match fstat(&fd) {
            Ok(stat) if is_record(stat.st_mode, stat.st_nlink) => Ok(Some(fd)),
            Ok(_) => foreign(),
            Err(errno) => Err(errno),
        },
        // Not ours to write.
        Err(Errno::LOOP | Errno::ACCESS | Errno::PERM) => foreign(),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

const FLAGS: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What the name of a record has behind that of its file.
pub(in crate::ring) const RECORD_SUFFIX: &str = ".record";
