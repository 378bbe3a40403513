//! The ways to an unfinished file: made anew, or found again.

use super::record::name_beside;
use super::{PartialFile, cause};
use crate::fault::{Cause, DiskProblem};
use crate::ring::dir::Dir;
use crate::ring::file::{CREATE, OutFile, Place, link};
use crate::ring::shim::{Op, call};
use crate::ring::{disk_cause, name_cause};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// What has a name in a directory, as far as an unfinished file is concerned.
pub(super) enum Found {
    /// A file of its own and of this user, open, and locked by this run.
    Ours(OwnedFd),
    /// A file that is known by another name too, belongs to another user, or may not be written.
    Foreign,
    /// A symbolic link.
    Link,
    Nothing,
}

impl PartialFile {
    /// Makes an unfinished file of this name in a directory, where nothing may have it. A record
    /// that is there without its file is removed.
    ///
    /// # Errors
    /// When the name is taken (EEXIST), or no file can be made.
    pub fn create(dir: &Dir, name: &str) -> Result<Self, Cause> {
        // Before there is a file that it would be believed of.
        remove_record(dir, name)?;
        let (flags, mode) = (CREATE.difference(OFlags::WRONLY), Mode::from_raw_mode(0o666));
        let flags = flags | OFlags::RDWR;
        let fd = call(Op::Open, || rustix::fs::openat(&*dir.fd, name, flags, mode));
        let fd = fd.map_err(|errno| name_cause(errno.raw_os_error()))?;
        // Should another run have found it in this moment, it is theirs.
        let made = lock(&fd).and_then(|()| Self::new(dir, name, fd).map_err(cause));
        if made.as_ref().is_err_and(|cause| *cause != Cause::Disk(DiskProblem::Locked)) {
            dir.remove(name);
        }
        made
    }

    /// Opens the unfinished file that an earlier run left under this name; `None` if there is none.
    /// What cannot be one, because others may have a hand in it (a symbolic link, a second name of
    /// a file, a file of another user), is removed: that costs no data, or none that is ours.
    ///
    /// # Errors
    /// [`DiskProblem::Locked`] when another run has it; when something else than a file has the
    /// name; when it can neither be opened nor removed.
    pub fn open(dir: &Dir, name: &str) -> Result<Option<Self>, Cause> {
        match find(dir, name)? {
            Found::Ours(fd) => Self::new(dir, name, fd).map(Some).map_err(cause),
            Found::Nothing => Ok(None),
            Found::Foreign | Found::Link => {
                let at = &*dir.fd;
                match call(Op::Unlink, || rustix::fs::unlinkat(at, name, AtFlags::empty())) {
                    Ok(()) | Err(Errno::NOENT) => Ok(None),
                    Err(errno) => Err(cause(errno)),
                }
            }
        }
    }
}

impl OutFile {
    /// Keeps the file, whose body proves long, as an unfinished one of this temporary name, where
    /// nothing may have that. What was written so far is its begin.
    ///
    /// # Errors
    /// When the name is taken (EEXIST) or cannot be given, or the file cannot be opened for
    /// reading. The file is gone then.
    pub fn keep(mut self, part_name: &str) -> Result<PartialFile, Cause> {
        let dir = self.dir.clone();
        let named = |errno: Errno| name_cause(errno.raw_os_error());
        let before = match &self.place {
            Place::Temporary(name) => name.clone(),
            Place::Unnamed => {
                let name = dir.temporary_name(self.index);
                let fd = self.fd.get().ok_or_else(|| disk_cause(libc::EBADF))?;
                link(fd, &dir.fd, &name).map_err(cause)?;
                self.place = Place::Temporary(name.clone());
                name
            }
            Place::Final => return Err(disk_cause(libc::EBADF)),
        };
        // It was opened for writing only. Locked before it has a name that others look for.
        let Found::Ours(fd) = find(&dir, &before)? else { return Err(disk_cause(libc::ENOENT)) };
        if before != part_name {
            remove_record(&dir, part_name)?;
            dir.rename_no_replace(&before, part_name, self.index).map_err(named)?;
        }
        self.place = Place::Final;
        PartialFile::new(&dir, part_name, fd).map_err(|errno| {
            dir.remove(part_name);
            cause(errno)
        })
    }
}

/// Opens and locks the file of a name, if it is one that only this user can have written.
pub(super) fn find(dir: &Dir, name: &str) -> Result<Found, Cause> {
    let at = &*dir.fd;
    let look = || call(Op::Open, || rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW));
    for _ in 0..TRIES_MAX {
        // To open a device or a pipe may do something.
        match look() {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => {}
                FileType::Symlink => return Ok(Found::Link),
                _ => return Err(Cause::Disk(DiskProblem::NotAFile)),
            },
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(errno) => return Err(cause(errno)),
        }
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match call(Op::Open, || rustix::fs::openat(at, name, flags, Mode::empty())) {
            Ok(fd) => fd,
            // It is another thing by now.
            Err(Errno::NOENT | Errno::LOOP) => continue,
            Err(Errno::ACCESS | Errno::PERM) => return Ok(Found::Foreign),
            Err(errno) => return Err(cause(errno)),
        };
        lock(&fd)?;
        // The run that had the lock may have given the file its final name, or removed it.
        let open = rustix::fs::fstat(&fd).map_err(cause)?;
        let is_same = |now: Stat| (now.st_dev, now.st_ino) == (open.st_dev, open.st_ino);
        match look() {
            Ok(now) if is_same(now) => {
                let is_ours = is_file_of_its_own(&open) && is_of_this_user(dir, &open)?;
                return Ok(if is_ours { Found::Ours(fd) } else { Found::Foreign });
            }
            Ok(_) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(cause(errno)),
        }
    }
    // It changes all the time, so somebody works with it.
    Err(Cause::Disk(DiskProblem::Locked))
}

fn is_file_of_its_own(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1
}

/// Whether the owner of a file is the one that a new file in the directory has: this user, or
/// whoever a file system puts in their place (NFS with `root_squash`, FAT).
fn is_of_this_user(dir: &Dir, stat: &Stat) -> Result<bool, Cause> {
    if stat.st_uid == rustix::process::geteuid().as_raw() {
        return Ok(true);
    }
    let name = format!("{}o", dir.temporary_name(0));
    let at = &*dir.fd;
    let mode = Mode::from_raw_mode(0o600);
    let new = call(Op::Open, || rustix::fs::openat(at, &name, CREATE, mode)).map_err(cause)?;
    let owner = rustix::fs::fstat(&new).map(|new| new.st_uid);
    dir.remove(&name);
    Ok(owner.map_err(cause)? == stat.st_uid)
}

/// Locks a file against other runs, where the file system has locks.
fn lock(fd: &OwnedFd) -> Result<(), Cause> {
    let exclusive = FlockOperation::NonBlockingLockExclusive;
    match rustix::io::retry_on_intr(|| rustix::fs::flock(fd, exclusive)) {
        Err(Errno::WOULDBLOCK) => Err(Cause::Disk(DiskProblem::Locked)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a record whose file is gone, before there is another one that it would speak of.
pub(super) fn remove_record(dir: &Dir, name: &str) -> Result<(), Cause> {
    let record = name_beside(name);
    match call(Op::Unlink, || rustix::fs::unlinkat(&*dir.fd, &record, AtFlags::empty())) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(cause(errno)),
    }
}

/// Times that a name is looked at, while it comes and goes.
const TRIES_MAX: usize = 16;
