//! Whether a way to write that was asked for is to be had in a directory, found out before the run
//! begins.

use super::direct::Direct;
use super::options::WriteMode;
use super::way::DONT_CACHE;
use super::{CREATE, PROBE_MODE};
use crate::ring::dir::Dir;
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

impl Dir {
    /// Whether files without a name are to be had in this directory, as [`Dir::check_writable`] has
    /// found out. Not so where close(2) may say that a file could not be stored, which has its name
    /// by then.
    pub fn has_unnamed(&self) -> bool {
        self.offers.unnamed.get()
    }

    /// Checks that long bodies can be written in a mode in this directory: creates a file, writes
    /// to it in that mode and removes it. `Auto`, `Ring` and `Sync` are to be had everywhere.
    /// Directories beneath it may be on other file systems.
    ///
    /// # Errors
    /// What kernel or file system says of such a write: EOPNOTSUPP or EINVAL where it has none, and
    /// so for a direct write to a file system in memory, which would go to the page cache in
    /// silence; ENOSPC where there is no room to find out.
    pub fn check_write_mode(&self, mode: WriteMode) -> io::Result<()> {
        let try_out: fn(&OwnedFd) -> Result<(), Errno> = match mode {
            WriteMode::Auto | WriteMode::Ring | WriteMode::Sync | WriteMode::Behind => {
                return Ok(());
            }
            WriteMode::Direct | WriteMode::DontCache if self.offers.is_in_memory => {
                return Err(Errno::OPNOTSUPP.into());
            }
            WriteMode::Direct => |fd| Direct::open(fd)?.try_out(),
            WriteMode::DontCache => {
                |fd| rustix::io::pwritev2(fd, &[IoSlice::new(b"probe")], 0, DONT_CACHE).map(drop)
            }
        };
        let name = format!("{}w", self.temporary_name(0));
        let fd = rustix::fs::openat(&*self.fd, &name, CREATE, PROBE_MODE)?;
        let tried = try_out(&fd);
        rustix::fs::unlinkat(&*self.fd, &name, AtFlags::empty())?;
        Ok(tried?)
    }
}
