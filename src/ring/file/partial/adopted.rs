//! A plain file that another program left: adopted where it stands, taken over to be written to,
//! and given back.

use super::open::{Found, find, remove_record};
use super::{PartialFile, cause};
use crate::fault::{Cause, DiskProblem};
use crate::ring::dir::Dir;
use crate::ring::file::{CREATE, FileTimes};
use crate::ring::name_cause;
use crate::ring::shim::{Op, call};
use rustix::fs::{AtFlags, Mode, RenameFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

impl PartialFile {
    /// Opens the plain file `final_name` that another program left unfinished (`curl -C -`,
    /// `wget -c`). It keeps its name, and is not to be written, before it is taken over
    /// ([`Self::take_over`]). `None` when there is no such file, or none of its own and of this
    /// user. Programs that do not lock what they write are not noticed.
    ///
    /// # Errors
    /// [`DiskProblem::Locked`] when another process has it locked.
    pub fn adopt(dir: &Dir, final_name: &str, part_name: &str) -> Result<Option<Self>, Cause> {
        if dir.look(final_name) != crate::ring::dir::Found::File {
            return Ok(None);
        }
        let fd = match find(dir, final_name) {
            Ok(Found::Ours(fd)) => fd,
            Ok(Found::Nothing | Found::Foreign | Found::Link)
            | Err(Cause::Disk(DiskProblem::NotAFile)) => return Ok(None),
            Err(cause) => return Err(cause),
        };
        let mut file = Self::new(dir, part_name, fd).map_err(cause)?;
        file.adopted = Some(final_name.into());
        file.is_gone.store(true, Ordering::Release);
        Ok(Some(file))
    }

    /// Times of the file.
    ///
    /// # Errors
    /// When the file system is gone.
    pub fn times(&self) -> io::Result<FileTimes> {
        Ok(FileTimes::of(&self.fd)?)
    }

    /// Takes over a file that was adopted, for input line `index`: it gets the temporary name,
    /// where nothing may have that, behind its record, which `record` writes. So who is killed at
    /// any moment leaves the file as it was, or an unfinished one with a record.
    ///
    /// # Errors
    /// When something else has either name, or the temporary one cannot be given. The file stays
    /// where it is.
    pub fn take_over(&self, dir: &Dir, index: u64, record: impl FnOnce()) -> Result<(), Cause> {
        let Some(final_name) = self.adopted_name() else { return Ok(()) };
        let at = self.folder(dir)?;
        if at.look(&self.name) != crate::ring::dir::Found::Nothing {
            return Err(Cause::Disk(DiskProblem::Exists));
        }
        if !self.has_name(&at, final_name) {
            return Err(Cause::Disk(DiskProblem::Locked));
        }
        remove_record(&at, &self.name)?;
        record();
        let taken = match at.rename_no_replace(final_name, &self.name, index) {
            Ok(()) if self.has_name(&at, &self.name) => Ok(()),
            // In this very moment it was replaced by somebody else, whose file goes back.
            Ok(()) => {
                let _: Result<(), Errno> = at.rename_no_replace(&self.name, final_name, index);
                Err(Cause::Disk(DiskProblem::Locked))
            }
            Err(errno) => Err(name_cause(errno.raw_os_error())),
        };
        match taken {
            Ok(()) => self.is_gone.store(false, Ordering::Release),
            Err(_) => at.remove(self.record.name()),
        }
        taken
    }

    /// Gives a file back that was taken over: with its old size and time, under the name that it
    /// had. Should something else have that by now, it is removed. The record, which must tell of
    /// no more than that by then, is gone in the end. Nothing is to be written afterwards.
    ///
    /// # Errors
    /// When the disk failed: then file and record stay under their temporary names.
    pub fn give_back(&self, size: u64, times: Option<FileTimes>) -> Result<(), Cause> {
        let Some(final_name) = &self.adopted else { return Ok(()) };
        if !self.is_gone.load(Ordering::Acquire) {
            self.truncate(size)?;
            if let Some(times) = times {
                times.set_modified(&self.fd);
            }
            match rename_free(&self.folder, &self.name, final_name) {
                Ok(()) => {}
                Err(Errno::EXIST) => {
                    self.discard();
                    return Ok(());
                }
                Err(errno) => return Err(name_cause(errno.raw_os_error())),
            }
            self.is_gone.store(true, Ordering::Release);
            let _: Result<(), Errno> = unlink(&self.folder, self.record.name());
        }
        self.unlock();
        Ok(())
    }

    /// Lets a file go that was adopted and not taken over: it stays as it is.
    pub fn let_go(&self) {
        self.unlock();
    }

    /// The name that the file was adopted under, if it still has that.
    pub(super) fn adopted_name(&self) -> Option<&str> {
        self.adopted.as_deref().filter(|_| self.is_gone.load(Ordering::Acquire))
    }

    /// Whether it is this file that has a name.
    pub(super) fn has_name(&self, dir: &Dir, name: &str) -> bool {
        let inode = |stat: Stat| (stat.st_dev, stat.st_ino);
        let named = rustix::fs::statat(&*dir.fd, name, AtFlags::SYMLINK_NOFOLLOW).map(inode);
        named.is_ok() && named == rustix::fs::fstat(&self.fd).map(inode)
    }
}

/// Gives a file another name in its folder, if nothing has that.
///
/// # Errors
/// EEXIST where something has the name.
fn rename_free(folder: &OwnedFd, from: &str, to: &str) -> Result<(), Errno> {
    let no_replace = RenameFlags::NOREPLACE;
    match call(Op::Rename, || rustix::fs::renameat_with(folder, from, folder, to, no_replace)) {
        // The file system lacks this.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        done => return done,
    }
    let mode = Mode::from_raw_mode(0o600);
    let placeholder = call(Op::Open, || rustix::fs::openat(folder, to, CREATE, mode));
    drop(placeholder?);
    let renamed = call(Op::Rename, || rustix::fs::renameat(folder, from, folder, to));
    renamed.inspect_err(|_| {
        let _: Result<(), Errno> = unlink(folder, to);
    })
}

fn unlink(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    call(Op::Unlink, || rustix::fs::unlinkat(folder, name, AtFlags::empty()))
}
