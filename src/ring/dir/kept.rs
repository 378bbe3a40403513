//! Files and folders of the run itself, which no file of a job may replace or go into.

use rustix::fs::Stat;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Files and folders of the run itself, by device and inode: whatever they are called.
#[derive(Debug, Default)]
pub struct Kept {
    files: Vec<Inode>,
    folders: Vec<Inode>,
}

/// Device and inode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Inode(u64, u64);

impl Kept {
    /// The regular files among these paths, which no file may replace, and the directories among
    /// those, into which none may go. Symbolic links are followed; paths of nothing are left out.
    pub fn new<'p>(
        files: impl IntoIterator<Item = &'p Path>,
        folders: impl IntoIterator<Item = &'p Path>,
    ) -> Self {
        fn ask<'p>(
            paths: impl IntoIterator<Item = &'p Path>,
            is_kind: fn(&Metadata) -> bool,
        ) -> Vec<Inode> {
            let found = paths.into_iter().filter_map(|path| path.metadata().ok());
            found.filter(is_kind).map(|found| Inode(found.dev(), found.ino())).collect()
        }
        Self { files: ask(files, Metadata::is_file), folders: ask(folders, Metadata::is_dir) }
    }

    /// Whether this is one of the files.
    pub(super) fn has_file(&self, stat: &Stat) -> bool {
        self.files.contains(&inode(stat))
    }

    /// Whether there are folders.
    pub(super) fn has_folders(&self) -> bool {
        !self.folders.is_empty()
    }

    /// Whether this is one of the folders.
    pub(super) fn has_folder(&self, stat: &Stat) -> bool {
        self.folders.contains(&inode(stat))
    }
}

fn inode(stat: &Stat) -> Inode {
    Inode(stat.st_dev, stat.st_ino)
}
