//! A file that is stored, to have another name (link(2)).

use super::dir::{Dir, Found};
use super::file::{FilePrint, Fsync, Naming, link};
use super::{disk_cause, name_cause};
use crate::fault::Cause;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

/// A file that is stored, open to be read.
#[derive(Debug)]
pub struct StoredFile {
    fd: File,
    stat: Stat,
}

impl Dir {
    /// The file of this path beneath the directory. `None` where there is none that may be opened;
    /// a symbolic link is none.
    pub fn stored(&self, path: &str) -> Option<StoredFile> {
        let (parent, name) = self.existing_parent(path).ok().flatten()?;
        // To open a device or a pipe may do something.
        if parent.look(name) != Found::File {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&*parent.fd, name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&fd).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file.then(|| StoredFile { fd: fd.into(), stat })
    }
}

impl StoredFile {
    /// What the file is like.
    pub fn print(&self) -> FilePrint {
        FilePrint::of(&self.stat)
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or_default()
    }

    /// Whether the file is as it was when it was opened.
    pub fn is_unchanged(&self) -> bool {
        rustix::fs::fstat(&self.fd).is_ok_and(|stat| FilePrint::of(&stat) == self.print())
    }

    /// Reads at an offset. Gives the number of bytes, which is 0 at the end.
    ///
    /// # Errors
    /// When the disk failed.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fd.read_at(bytes, offset)
    }

    /// Brings the file to the disk, where the run that `dir` is of wants that (`--fsync`): it may
    /// be of a run that did not.
    ///
    /// # Errors
    /// When the disk failed.
    pub async fn flush(&self, dir: &Dir) -> Result<(), Cause> {
        if !matches!(dir.run.write_options.fsync, Fsync::File | Fsync::Dir) {
            return Ok(());
        }
        let fd = self.fd.try_clone().map_err(|error| cause(&error))?;
        dir.io().fsync(&Rc::new(fd.into())).await.map_err(disk_cause)
    }

    /// Brings the names in `folder` to the disk, where the run wants that.
    ///
    /// # Errors
    /// When the disk failed. The file has its name all the same.
    pub async fn flush_name(&self, folder: &Dir) -> Result<(), Cause> {
        if folder.run.write_options.fsync != Fsync::Dir {
            return Ok(());
        }
        let readable = folder.readable().map_err(|errno| disk_cause(errno.raw_os_error()))?;
        folder.io().fsync(&Rc::new(readable)).await.map_err(disk_cause)
    }

    /// Gives the file the name `name` in `folder`, for input line `index`, beside those that it
    /// has; says whether that replaced a file. In no moment does the name mean anything else.
    ///
    /// # Errors
    /// EEXIST where something has the name that stays; that the file cannot have another name, or
    /// not there.
    pub fn name(
        &self,
        folder: &Dir,
        name: &str,
        naming: Naming,
        index: u64,
    ) -> Result<bool, Cause> {
        let fd = OwnedFd::from(self.fd.try_clone().map_err(|error| cause(&error))?);
        let refused = |errno: Errno| name_cause(errno.raw_os_error());
        folder.give_name_again(name, naming, index, |naming| {
            match link(&fd, &folder.fd, name) {
                Ok(()) => return Ok(false),
                Err(Errno::EXIST) if naming == Naming::Replace => {}
                Err(errno) => return Err(refused(errno)),
            }
            let temporary = folder.temporary_name(index);
            link(&fd, &folder.fd, &temporary).map_err(refused)?;
            let named = folder.give_name(&temporary, name, naming, index, true);
            // It stays where the name is that of the same file, of which rename(2) makes nothing.
            folder.remove(&temporary);
            named
        })
    }
}

fn cause(error: &io::Error) -> Cause {
    disk_cause(error.raw_os_error().unwrap_or(libc::EIO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::DiskProblem;
    use crate::ring::file::WriteOptions;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    #[test]
    fn a_link_that_a_killed_run_left_is_known_as_its_own() {
        let root = tempfile::tempdir().unwrap();
        let mut dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        dir.set_owner(7);
        std::fs::write(root.path().join("first"), b"content").unwrap();
        let first = dir.stored("first").unwrap();
        dir.sign(&OwnedFd::from(first.fd.try_clone().unwrap()), 1);
        if !dir.is_own("first", 1) {
            // No extended attributes here.
            return;
        }
        assert_eq!(first.name(&dir, "second", Naming::NoReplace, 2), Ok(false));
        assert!(!dir.is_own("second", 2) && !dir.is_own("first", 2));
        dir.set_links(true);
        assert!(dir.is_own("second", 2));
        assert_eq!(first.name(&dir, "second", Naming::NoReplace, 2), Ok(true), "once more");
        dir.set_owner(8);
        assert!(!dir.is_own("second", 2), "that of another report");
        std::fs::remove_file(root.path().join("second")).unwrap();
        dir.set_owner(7);
        assert!(!dir.is_own("first", 2), "it has one name only");
    }

    #[test]
    fn a_file_gets_a_name_beside_its_own() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let inode = |name: &str| std::fs::metadata(path(name)).unwrap().ino();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        std::fs::create_dir(path("d")).unwrap();
        std::fs::write(path("d/first"), b"content").unwrap();
        std::fs::write(path("taken"), b"other").unwrap();
        symlink("d/first", path("link")).unwrap();
        assert!(dir.stored("link").is_none() && dir.stored("d").is_none());
        assert!(dir.stored("gone").is_none() && dir.stored("gone/too").is_none());
        let first = dir.stored("d/first").unwrap();
        assert_eq!(first.size(), 7);
        assert_eq!(first.name(&dir, "second", Naming::NoReplace, 2), Ok(false));
        let exists = Err(Cause::Disk(DiskProblem::Exists));
        assert_eq!(first.name(&dir, "taken", Naming::NoReplace, 3), exists);
        assert_eq!(inode("second"), inode("d/first"));
        assert_ne!(inode("taken"), inode("d/first"));
        // Over another file, and over itself.
        for _ in 0..2 {
            assert!(first.name(&dir, "taken", Naming::Replace, 3).is_ok());
            assert_eq!(inode("taken"), inode("d/first"));
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 4, "no other names are left");
        assert!(first.is_unchanged() && dir.stored("second").unwrap().print() == first.print());
        std::fs::write(path("second"), b"changes").unwrap();
        File::open(path("second")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(!first.is_unchanged());
        // What has no name any more gets none.
        std::fs::remove_dir_all(path("d")).unwrap();
        for name in ["second", "taken"] {
            std::fs::remove_file(path(name)).unwrap();
        }
        assert!(first.name(&dir, "late", Naming::NoReplace, 4).is_err() && !path("late").exists());
    }
}
