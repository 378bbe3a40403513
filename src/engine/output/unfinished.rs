//! Folders that may hold what earlier runs left unfinished: each is looked into once, so that not
//! every file of a run costs a look of its own.
//!
//! What comes into a folder later is of this run, whose jobs know what they have begun, or of
//! another one that goes on at the same time, which is met when a file is begun or named.

use crate::ring::dir::Dir;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What is known of the folders of a run.
#[derive(Default)]
pub(super) struct Unfinished(Mutex<HashMap<Box<str>, bool>>);

impl Unfinished {
    /// Whether there may be something unfinished in the folder of `path` beneath `dir`.
    pub(super) fn may_be_beside(&self, dir: &Dir, path: &str) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(may_be) = known().get(folder) {
            return *may_be;
        }
        let may_be = match dir.existing_parent(path) {
            Ok(Some((folder, _))) => folder.may_hold_unfinished(),
            Ok(None) => false,
            Err(_) => true,
        };
        let mut known = known();
        if known.len() >= FOLDERS_MAX {
            known.clear();
        }
        known.insert(folder.into(), may_be);
        may_be
    }
}

/// Folders remembered; with more of them, some are looked into again.
const FOLDERS_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::WriteOptions;

    #[test]
    fn a_folder_is_looked_into_once() {
        let root = tempfile::tempdir().unwrap();
        let made = |path: &str| std::fs::write(root.path().join(path), b"x").unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        for folder in ["a", "b"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        made("b/.ringpull-part-0");
        let unfinished = Unfinished::default();
        for _ in 0..2 {
            let found = ["x", "a/x", "b/x", "c/x"].map(|path| unfinished.may_be_beside(&dir, path));
            assert_eq!(found, [false, false, true, false]);
            made(".ringpull-part-1");
        }
    }
}
