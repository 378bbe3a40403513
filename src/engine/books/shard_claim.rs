//! The claim of a run on the names of its shards: two runs that give the same names in one folder
//! would find out when their shards are full, and neither could go on after that.

use crate::engine::say::say;
use crate::error::RunError;
use crate::pack::shard::ShardName;
use crate::ring::journal::{Lock, Place, lock, place};
use anyhow::bail;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A claim, which ends when it is dropped or with the process. It is the lock of an empty file that
/// is there for no longer than the run, unless that is killed.
pub(crate) struct ShardClaim {
    path: PathBuf,
    file: File,
}

impl ShardClaim {
    /// Claims names in a folder; nothing where no file can be made there.
    ///
    /// # Errors
    /// A [`RunError`] of class local file: another run has claimed them.
    pub(crate) fn take(dir: &Path, names: &ShardName) -> anyhow::Result<Option<Self>> {
        let path = dir.join(format!(".ringpull-claim-{}", names.name(0)));
        loop {
            let opened = File::options().create(true).truncate(false).write(true).open(&path);
            let Ok(file) = opened else { return Ok(None) };
            match lock(&file) {
                // Whoever had the lock before has removed the file.
                Lock::Ours if place(&file, &path) != Place::Here => {}
                Lock::Ours => return Ok(Some(Self { path, file })),
                Lock::Others => bail!(RunError::local_file(format!(
                    "cannot make shards in {}: another run makes some of the same names there; \
                     wait for its end, or give this one another -d or --shard-name",
                    dir.display()
                ))),
                Lock::Unknown => {
                    say(&format!(
                        "warning: the file system of {} has no locks: make sure that no other run \
                         makes shards of the same names there",
                        dir.display()
                    ));
                    return Ok(Some(Self { path, file }));
                }
            }
        }
    }
}

impl Drop for ShardClaim {
    fn drop(&mut self) {
        if place(&self.file, &self.path) == Place::Here {
            // Should it stay, the next run takes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_has_the_names_of_a_folder_until_it_ends() {
        let root = tempfile::tempdir().unwrap();
        let count = || fs::read_dir(root.path()).unwrap().count();
        let names = ShardName::default();
        let claim = ShardClaim::take(root.path(), &names).unwrap().unwrap();
        let error = ShardClaim::take(root.path(), &names).err().unwrap();
        assert!(error.to_string().contains("another run"), "{error:#}");
        let others = ShardName::parse("b{shard}.tar").unwrap();
        let other = ShardClaim::take(root.path(), &others).unwrap().unwrap();
        assert_eq!(count(), 2);
        drop(other);
        drop(claim);
        assert_eq!(count(), 0);
        assert!(ShardClaim::take(root.path(), &names).unwrap().is_some());
        assert!(ShardClaim::take(&root.path().join("none"), &names).unwrap().is_none());
    }
}
