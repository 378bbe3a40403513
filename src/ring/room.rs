//! Free room on a file system.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Sizes of a file system (statvfs(3)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// Number of the device.
    pub device: u64,
    /// Bytes that may still be written without privilege.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Inodes that may still be had without privilege.
    pub free_files: u64,
    /// Inodes in all; 0 where there is no such limit.
    pub total_files: u64,
}

impl Room {
    /// Sizes of the file system that `path` is on, or would be if it does not exist. `None` where
    /// that cannot be told.
    pub fn of(path: &Path) -> Option<Self> {
        path.ancestors().find_map(|path| {
            // The parent of `a` is the empty path.
            let here = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            Self::of_existing(here).ok()
        })
    }

    fn of_existing(path: &Path) -> io::Result<Self> {
        let device = path.metadata()?.dev();
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            device,
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            free_files: stat.f_favail,
            total_files: stat.f_files,
        })
    }
}

/// Whether a failed operation lacked room: on the disk, or in a quota.
pub fn is_lacking(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_has_the_room_of_what_is() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::of(dir.path()).unwrap();
        assert!(room.total_bytes >= room.free_bytes && room.total_files >= room.free_files);
        let below = Room::of(&dir.path().join("not/there")).unwrap();
        assert_eq!((below.device, below.total_bytes), (room.device, room.total_bytes));
        assert!(Room::of(Path::new("not/there/either")).is_some());
        assert!(Room::of(Path::new("")).is_some());
    }
}
