//! Drafts: files that take the place of another one when they are whole, and leave no trace when
//! they never are.
//!
//! A draft has no name until then (open(2), O_TMPFILE), so that not even a process that is killed
//! leaves one. Where a file system has no such files it has a name that nobody can guess, and is
//! made anew and not through a link (O_EXCL, O_NOFOLLOW): in a directory that others may write
//! into, they can put nothing in its way.

use super::file::link;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Permissions of a draft, and of the file that it becomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Only the owner may read it (mode 0600).
    Owner,
    /// Everybody may read it who may read the file that it replaces; without one, the umask
    /// decides.
    AsBefore,
}

/// A file that is being written.
#[derive(Debug)]
pub struct Draft {
    /// The directory that the draft is in, open as a place only (O_PATH).
    dir: OwnedFd,
    file: OwnedFd,
    /// Name of the draft for now, if it needs one.
    temporary: Option<String>,
    /// Final name.
    name: OsString,
}

impl Draft {
    /// Begins a draft that is to replace the file that `path` leads to ([`target`]), in the same
    /// directory. That file stays until [`Draft::publish`].
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn beside(path: &Path, access: Access) -> io::Result<Self> {
        Self::new(path, access, true)
    }

    fn new(path: &Path, access: Access, can_be_unnamed: bool) -> io::Result<Self> {
        let path = target(path);
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = path.file_name().ok_or(Errno::ISDIR)?.to_owned();
        let place = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = parent.unwrap_or_else(|| Path::new("."));
        let dir = rustix::fs::openat(CWD, parent, place, Mode::empty())?;
        let mode = Mode::from_raw_mode(match access {
            Access::Owner => 0o600,
            Access::AsBefore => 0o666,
        });
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        // Without /proc it could get no name on older kernels: that is an error of the end.
        let unnamed = match can_be_unnamed {
            true => rustix::fs::openat(&dir, ".", flags | OFlags::TMPFILE, mode).ok(),
            false => None,
        };
        let (file, temporary) = match unnamed {
            Some(file) => (file, None),
            None => {
                let name = random_name()?;
                let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
                (rustix::fs::openat(&dir, &name, flags, mode)?, Some(name))
            }
        };
        let draft = Self { dir, file, temporary, name };
        if access == Access::AsBefore
            && let Ok(before) = rustix::fs::statat(&draft.dir, &draft.name, AtFlags::empty())
            && FileType::from_raw_mode(before.st_mode) == FileType::RegularFile
        {
            rustix::fs::fchmod(&draft.file, Mode::from_raw_mode(before.st_mode))?;
        }
        Ok(draft)
    }

    /// The file, to be written.
    ///
    /// # Errors
    /// When there is no other descriptor to be had.
    pub fn file(&self) -> io::Result<File> {
        Ok(self.file.try_clone()?.into())
    }

    /// Gives the draft its final name. A file that had the name is gone then.
    ///
    /// # Errors
    /// When the draft cannot have the name, or something has it that is not a file: then that
    /// stays, and the draft is gone.
    pub fn publish(mut self) -> io::Result<()> {
        let temporary = match self.temporary.take() {
            Some(name) => name,
            None => {
                let name = random_name()?;
                link(&self.file, &self.dir, &name)?;
                name
            }
        };
        let renamed = self
            .check_replaceable()
            .and_then(|()| rustix::fs::renameat(&self.dir, &temporary, &self.dir, &self.name));
        // It is removed with the rest, unless it has its name.
        self.temporary = renamed.is_err().then_some(temporary);
        Ok(renamed?)
    }

    /// Gives the draft its final name, which nothing must have.
    ///
    /// # Errors
    /// When something has the name, or the draft cannot have it: then the draft is gone.
    pub fn publish_new(self) -> io::Result<()> {
        match &self.temporary {
            Some(name) => {
                rustix::fs::linkat(&self.dir, name, &self.dir, &self.name, AtFlags::empty())?;
            }
            None => link(&self.file, &self.dir, &self.name)?,
        }
        Ok(())
    }

    fn check_replaceable(&self) -> Result<(), Errno> {
        match rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile | FileType::Symlink => Ok(()),
                _ => Err(Errno::EXIST),
            },
            // The rename says what is wrong, if anything is.
            Err(_) => Ok(()),
        }
    }
}

/// A file without a name, which is gone when it is closed: beside `path`, or where temporary files
/// are kept.
///
/// # Errors
/// When no file can be made there.
pub fn unnamed(path: &Path) -> io::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    let open = |dir: &Path| rustix::fs::openat(CWD, dir, flags, Mode::from_raw_mode(0o600));
    let beside = open(parent.unwrap_or_else(|| Path::new(".")));
    Ok(beside.or_else(|_| open(&std::env::temp_dir()))?.into())
}

/// The path that a path leads to, be it there or not: links stay, and the file that they lead to is
/// replaced.
pub fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(next) = path.read_link() else { break };
        path.set_file_name(next);
    }
    path
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            // That it is gone already is as good.
            let _: Result<(), Errno> = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
        }
    }
}

/// `.ringpull-` and 128 random bits of the kernel.
fn random_name() -> Result<String, Errno> {
    let mut bits = [0_u8; 16];
    rustix::io::retry_on_intr(|| getrandom(&mut bits, GetRandomFlags::empty()))?;
    Ok(bits.iter().fold(".ringpull-".to_owned(), |mut name, byte| {
        write!(name, "{byte:02x}").expect("a String takes any text");
        name
    }))
}

/// Most links that are followed: as many as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    fn names(dir: &Path) -> Vec<OsString> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_draft_takes_the_place_of_a_file_or_leaves_no_trace() {
        for can_be_unnamed in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("file");
            let begin = |access| Draft::new(&path, access, can_be_unnamed).unwrap();
            let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
            let draft = begin(Access::Owner);
            assert_eq!(names(root.path()).len(), usize::from(!can_be_unnamed));
            draft.file().unwrap().write_all(b"one").unwrap();
            draft.publish().unwrap();
            assert_eq!((fs::read(&path).unwrap(), mode()), (b"one".to_vec(), 0o600));
            // Those who could read it still can.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let draft = begin(Access::AsBefore);
            draft.file().unwrap().write_all(b"two").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"one");
            draft.publish().unwrap();
            assert_eq!((fs::read(&path).unwrap(), mode()), (b"two".to_vec(), 0o640));
            drop(begin(Access::Owner));
            assert_eq!(names(root.path()), ["file"]);

            // Something else has the name by the end.
            let draft = begin(Access::Owner);
            fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            draft.publish().unwrap_err();
            let found = path.symlink_metadata().unwrap();
            assert_eq!(kind(found.mode()), FileType::Fifo);
            assert_eq!(names(root.path()), ["file"]);
        }
    }

    fn kind(mode: u32) -> FileType {
        FileType::from_raw_mode(mode)
    }

    #[test]
    fn a_new_file_takes_the_place_of_none() {
        for can_be_unnamed in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join("file");
            let begin = || Draft::new(&path, Access::AsBefore, can_be_unnamed).unwrap();
            let draft = begin();
            draft.file().unwrap().write_all(b"one").unwrap();
            draft.publish_new().unwrap();
            let error = begin().publish_new().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((fs::read(&path).unwrap(), names(root.path()).len()), (b"one".to_vec(), 1));
            let mut unnamed = unnamed(&path).unwrap();
            unnamed.write_all(b"two").unwrap();
            assert_eq!(names(root.path()).len(), 1);
        }
    }

    #[test]
    fn random_names_differ() {
        let (one, other) = (random_name().unwrap(), random_name().unwrap());
        assert!(one != other && one.len() == ".ringpull-".len() + 32, "{one} {other}");
    }
}
