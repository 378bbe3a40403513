//! Directories that are gone when they are not needed any more, however the run ends.

use super::say::say;
use crate::error::RunError;
use anyhow::Context as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A directory of our own, removed with all that is in it when the value is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one in `base`, which exists.
    pub(super) fn within(base: &Path) -> anyhow::Result<Self> {
        let name = format!("ringpull-bench-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = base.join(name);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.with_context(|| {
            RunError::local_file(format!("cannot make a directory in {}", base.display()))
        })?;
        Ok(Self { path })
    }

    /// A path in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is named: it may be large.
        if let Err(error) = remove(&self.path) {
            say(&format!("cannot remove {}: {error}", self.path.display()));
        }
    }
}

/// Removes a directory, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::within(base.path()).unwrap();
        let other = Scratch::within(base.path()).unwrap();
        fs::create_dir_all(scratch.path("a/b")).unwrap();
        fs::write(scratch.path("a/b/c"), "x").unwrap();
        remove(&scratch.path("a")).unwrap();
        remove(&scratch.path("a")).unwrap();
        fs::write(other.path("d"), "x").unwrap();
        drop((scratch, other));
        assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        let told = Scratch::within(Path::new("/proc/nowhere")).unwrap_err();
        assert!(format!("{told:#}").contains("/proc/nowhere"), "{told:#}");
    }
}
