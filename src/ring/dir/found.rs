//! Look at a name in a directory: whether a file of this run may take it.
//!
//! rename(2) replaces a device, a FIFO or a socket as readily as a file, so there is a look before
//! it. The name may mean another thing a moment later: a file that is put there by somebody else at
//! that very moment is replaced, as by any program.

use super::Dir;
use crate::fault::{Cause, DiskProblem};
use rustix::fs::{AtFlags, FileType};

/// Kind of the thing that has a name in a directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// No file has the name.
    Nothing,
    /// A file, or a symbolic link to a file, a directory or nothing, which is replaced itself.
    File,
    /// A directory, a device, a FIFO or a socket, or a link to one of the last three.
    NotAFile,
    /// A file that the run itself reads or writes, or a link to one.
    InUse,
}

impl Dir {
    /// Kind of the thing that has this name.
    pub fn look(&self, name: &str) -> Found {
        let Ok(stat) = rustix::fs::statat(&*self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return Found::Nothing;
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if self.run.kept.has_file(&stat) => Found::InUse,
            FileType::RegularFile => Found::File,
            FileType::Symlink => self.look_through(name),
            _ => Found::NotAFile,
        }
    }

    /// Kind of the thing that a symbolic link of this name leads to.
    fn look_through(&self, name: &str) -> Found {
        // What /dev/stdout leads to may be a file, and is an open descriptor all the same.
        let leads_to_descriptor = rustix::fs::readlinkat(&*self.fd, name, Vec::new())
            .is_ok_and(|target| target.as_bytes().starts_with(b"/proc/"));
        let Ok(stat) = rustix::fs::statat(&*self.fd, name, AtFlags::empty()) else {
            return if leads_to_descriptor { Found::NotAFile } else { Found::File };
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if self.run.kept.has_file(&stat) => Found::InUse,
            FileType::RegularFile | FileType::Directory if !leads_to_descriptor => Found::File,
            _ => Found::NotAFile,
        }
    }

    /// Whether there is a file of this name to be replaced: `false` when there is none.
    ///
    /// # Errors
    /// When the thing that has the name must stay.
    pub(in crate::ring) fn has_replaceable(&self, name: &str) -> Result<bool, Cause> {
        match self.look(name) {
            Found::Nothing => Ok(false),
            Found::File => Ok(true),
            Found::NotAFile => Err(Cause::Disk(DiskProblem::NotAFile)),
            Found::InUse => Err(Cause::Disk(DiskProblem::InUse)),
        }
    }

    /// Whether no file may go into this directory, because it is a folder of lists.
    pub fn is_kept(&self) -> bool {
        // Hardly ever is there one: nobody else pays for the question.
        self.run.kept.has_folders()
            && rustix::fs::fstat(&*self.fd).is_ok_and(|stat| self.run.kept.has_folder(&stat))
    }
}

#[cfg(test)]
mod tests {
    use super::super::kept::Kept;
    use super::*;
    use crate::ring::dir::WriteOptions;
    use rustix::fs::{CWD, Mode, mknodat};
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn what_stays_and_what_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("out")).unwrap();
        std::fs::create_dir(path("lists")).unwrap();
        std::fs::create_dir(path("out/folder")).unwrap();
        std::fs::write(path("out/file"), b"x").unwrap();
        std::fs::write(path("own"), b"x").unwrap();
        std::fs::hard_link(path("own"), path("out/hard")).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        for (name, kind) in [("fifo", FileType::Fifo), ("socket", FileType::Socket)] {
            mknodat(CWD, path("out").join(name), kind, mode, 0).unwrap();
        }
        for (name, target) in [
            ("to_own", "../own"),
            ("to_file", "file"),
            ("to_folder", "folder"),
            ("to_nothing", "nothing"),
            ("to_fifo", "fifo"),
            ("to_socket", "socket"),
            ("to_device", "/dev/null"),
            ("to_descriptor", "/proc/self/fd/0"),
            ("to_closed", "/proc/self/fd/999999"),
        ] {
            symlink(target, path("out").join(name)).unwrap();
        }
        let mut dir = Dir::create(&path("out"), WriteOptions::default()).unwrap();
        let (own, missing, lists) = (path("own"), path("missing"), path("lists"));
        let files = [own.as_path(), &missing, Path::new("/dev/null")];
        dir.set_kept(Arc::new(Kept::new(files, [lists.as_path(), &own])));
        for (name, found) in [
            ("none", Found::Nothing),
            ("file", Found::File),
            ("to_file", Found::File),
            ("to_folder", Found::File),
            ("to_nothing", Found::File),
            ("folder", Found::NotAFile),
            ("fifo", Found::NotAFile),
            ("socket", Found::NotAFile),
            ("to_fifo", Found::NotAFile),
            ("to_socket", Found::NotAFile),
            ("to_device", Found::NotAFile),
            ("to_descriptor", Found::NotAFile),
            ("to_closed", Found::NotAFile),
            ("hard", Found::InUse),
            ("to_own", Found::InUse),
        ] {
            assert_eq!(dir.look(name), found, "{name}");
        }
        assert!(!dir.is_kept());
        let mut other = Dir::create(&lists, WriteOptions::default()).unwrap();
        assert!(!other.is_kept());
        other.set_kept(Arc::clone(&dir.run.kept));
        assert!(other.is_kept());
    }
}
