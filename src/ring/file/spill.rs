//! Files without a name for bodies that are too long to wait in memory: written once, read once,
//! and gone with their descriptor whatever happens.

use super::writes::write_sync;
use crate::fault::Cause;
use crate::ring::disk_cause;
use crate::ring::shim::{Op, call};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A body that waits in a file without a name.
#[derive(Debug)]
pub struct Spill {
    fd: OwnedFd,
    written: u64,
}

impl Spill {
    /// Makes the file in a directory.
    ///
    /// # Errors
    /// No file can be made there.
    pub fn create(dir: &Path) -> Result<Self, Cause> {
        let mode = Mode::from_raw_mode(0o600);
        let cause = |errno: Errno| disk_cause(errno.raw_os_error());
        let unnamed = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match call(Op::Open, || rustix::fs::openat(CWD, dir, unnamed, mode)) {
            Ok(fd) => return Ok(Self { fd, written: 0 }),
            // Said of file systems and kernels that lack it.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT | Errno::PERM) => {}
            Err(errno) => return Err(cause(errno)),
        }
        let path = dir.join(format!(".ringpull-{:016x}", fastrand::u64(..)));
        let named = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = call(Op::Open, || rustix::fs::openat(CWD, &path, named, mode));
        let fd = fd.map_err(cause)?;
        let gone = call(Op::Unlink, || rustix::fs::unlink(&path));
        gone.map_err(cause)?;
        Ok(Self { fd, written: 0 })
    }

    /// Appends bytes, by plain system calls: they go into the page cache.
    ///
    /// # Errors
    /// They cannot be written; then some of them may have been, and the file is of no use.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        write_sync(&self.fd, bytes, &mut self.written)
    }

    /// Bytes of it.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Reads from offset `at` on, as many bytes as there are and fit.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(&self, bytes: &mut [u8], at: u64) -> Result<usize, Cause> {
        loop {
            match rustix::io::pread(&self.fd, &mut *bytes, at) {
                Err(Errno::INTR) => {}
                read => return read.map_err(|errno| disk_cause(errno.raw_os_error())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_has_no_name() {
        let root = tempfile::tempdir().unwrap();
        let mut spill = Spill::create(root.path()).unwrap();
        spill.write(b"one ").unwrap();
        spill.write(b"two").unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        let mut bytes = [0; 16];
        assert_eq!(spill.read(&mut bytes, 2), Ok(5));
        assert_eq!((&bytes[..5], spill.written()), (&b"e two"[..], 7));
        assert_eq!(spill.read(&mut bytes, 7), Ok(0));
    }
}
