//! Folders beneath the directory of the run that are kept open: files come in runs, and to open the
//! folder of each anew would cost as much as half of a short file.
//!
//! Descriptors are scarce, so few are kept, and all are given up when anything lacks one. All are
//! given up about once a second too ([`Dir::tick`]): a folder that somebody moves away or replaces
//! must not take files for the rest of the run.

use super::{Dir, Offers};
use crate::fault::{Cause, DiskProblem};
use crate::ring::file::{OutFile, SizeHint};
use crate::ring::name_cause;
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The folders of one core that are open, the one used last at the end.
#[derive(Debug)]
pub(super) struct Folders {
    kept: RefCell<Vec<Kept>>,
    count_max: usize,
    ticks: Cell<u32>,
}

#[derive(Debug)]
struct Kept {
    path: Box<str>,
    fd: Rc<OwnedFd>,
    offers: Rc<Offers>,
}

impl Folders {
    /// A set that keeps at most `count_max` folders.
    pub(super) fn new(count_max: usize) -> Self {
        Self { kept: RefCell::default(), count_max, ticks: Cell::new(0) }
    }

    pub(super) fn count_max(&self) -> usize {
        self.count_max
    }

    fn find(&self, path: &str) -> Option<(Rc<OwnedFd>, Rc<Offers>)> {
        let mut kept = self.kept.borrow_mut();
        let at = kept.iter().rposition(|folder| &*folder.path == path)?;
        // A handful of words are moved, and none where the folder is that of the file before.
        kept[at..].rotate_left(1);
        kept.last().map(|folder| (Rc::clone(&folder.fd), Rc::clone(&folder.offers)))
    }

    fn keep(&self, path: &str, dir: &Dir) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() >= self.count_max {
            if self.count_max == 0 {
                return;
            }
            kept.remove(0);
        }
        let (fd, offers) = (Rc::clone(&dir.fd), Rc::clone(&dir.offers));
        kept.push(Kept { path: path.into(), fd, offers });
    }
}

impl Dir {
    /// The directory of `path`, made where it is missing, and the last component. `path` is
    /// relative and safe (`plan::name`); symbolic links on the way are refused.
    ///
    /// # Errors
    /// When the directory cannot be made or opened.
    pub fn parent<'p>(&self, path: &'p str) -> Result<(Self, &'p str), Cause> {
        let opened = self.parent_by(path, Self::open_or_make);
        opened.map_err(|errno| name_cause(errno.raw_os_error()))
    }

    /// The directory of `path` and the last component, if the directory is there.
    ///
    /// # Errors
    /// When the directory is there and cannot be opened.
    pub fn existing_parent<'p>(&self, path: &'p str) -> Result<Option<(Self, &'p str)>, Cause> {
        match self.parent_by(path, Self::open_beneath) {
            Ok(opened) => Ok(Some(opened)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(name_cause(errno.raw_os_error())),
        }
    }

    fn parent_by<'p>(
        &self,
        path: &'p str,
        open: impl Fn(&Self, &str) -> Result<Self, Errno>,
    ) -> Result<(Self, &'p str), Errno> {
        let Some((parents, name)) = path.rsplit_once('/') else {
            return Ok((self.clone(), path));
        };
        if let Some((fd, offers)) = self.run.folders.find(parents) {
            return Ok((Self { fd, offers, ..self.clone() }, name));
        }
        let dir = match open(self, parents) {
            Err(Errno::MFILE | Errno::NFILE) if self.give_up_folders() => open(self, parents),
            other => other,
        }?;
        self.run.folders.keep(parents, &dir);
        Ok((dir, name))
    }

    /// Creates the unfinished file of job `index`, in the directory of `path`.
    ///
    /// # Errors
    /// When the directory or the file cannot be made.
    pub fn create_file(
        &self,
        path: &str,
        index: u64,
        expected: SizeHint,
    ) -> Result<OutFile, Cause> {
        self.with_folders(|| OutFile::create(&self.parent(path)?.0, index, expected))
    }

    /// Makes something in a folder, and once more where a folder that was kept open is gone by now,
    /// or where one that is closed leaves a descriptor for it.
    ///
    /// # Errors
    /// Whatever `create` says.
    pub fn with_folders<T>(&self, create: impl Fn() -> Result<T, Cause>) -> Result<T, Cause> {
        match create() {
            Err(Cause::Disk(DiskProblem::NoDirectory) | Cause::Resources(_))
                if self.give_up_folders() =>
            {
                create()
            }
            created => created,
        }
    }

    /// Closes the folders that are kept open. Says whether there were any.
    pub fn give_up_folders(&self) -> bool {
        let kept = self.run.folders.kept.take();
        !kept.is_empty()
    }

    /// Counts time for the folders that are kept open: to be called some twenty times a second.
    pub fn tick(&self) {
        let ticks = self.run.folders.ticks.get() + 1;
        self.run.folders.ticks.set(ticks % TICKS_KEPT);
        if ticks == TICKS_KEPT {
            self.give_up_folders();
        }
    }
}

/// Calls of [`Dir::tick`] for which folders are kept.
const TICKS_KEPT: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::WriteOptions;

    fn count(dir: &Dir) -> usize {
        dir.run.folders.kept.borrow().len()
    }

    #[test]
    fn few_folders_stay_open_and_the_last_used_ones() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap().keeping(3);
        for path in ["a/x", "b/x", "c/x", "a/y", "d/e/x"] {
            dir.parent(path).unwrap();
        }
        let kept = |path: &str| dir.run.folders.find(path).is_some();
        assert_eq!(["a", "b", "c", "d", "d/e"].map(kept), [true, false, true, false, true]);
        assert!(dir.give_up_folders() && !dir.give_up_folders());
        assert_eq!(count(&dir), 0);
        let none = Dir::create(root.path(), WriteOptions::default()).unwrap().keeping(0);
        none.parent("a/x").unwrap();
        assert_eq!(count(&none), 0);
    }

    #[test]
    fn a_folder_that_was_removed_is_made_again() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        for expected in [SizeHint::Short, SizeHint::Long(None)] {
            dir.create_file("deep/er/x", 1, expected).unwrap();
            std::fs::remove_dir_all(root.path().join("deep")).unwrap();
            dir.create_file("deep/er/x", 2, expected).unwrap();
            assert!(root.path().join("deep/er").is_dir(), "{expected:?}");
        }
    }

    #[test]
    fn a_folder_that_was_replaced_is_found_out_in_time() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        let (before, _) = dir.parent("a/x").unwrap();
        (1..TICKS_KEPT).for_each(|_| dir.tick());
        assert_eq!(count(&dir), 1);
        std::fs::rename(root.path().join("a"), root.path().join("b")).unwrap();
        dir.tick();
        let (after, _) = dir.parent("a/x").unwrap();
        let inode = |dir: &Dir| rustix::fs::fstat(&*dir.fd).unwrap().st_ino;
        assert_ne!(inode(&before), inode(&after));
    }
}
