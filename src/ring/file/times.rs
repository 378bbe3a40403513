//! When a file was created and written last.

use rustix::fs::{AtFlags, StatxFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Times of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileTimes {
    /// Time at which it was created (statx(2), STATX_BTIME), in seconds since 1970. `None` where
    /// the file system does not keep it.
    pub created_s: Option<i64>,
    /// Time of the last modification, in seconds since 1970.
    pub modified_s: i64,
    /// What that time has beyond the second, in nanoseconds.
    pub modified_ns: u32,
}

impl FileTimes {
    /// Times of an open file.
    ///
    /// # Errors
    /// When the file system is gone.
    pub(super) fn of(file: impl AsFd) -> Result<Self, Errno> {
        let wanted = StatxFlags::BTIME | StatxFlags::MTIME;
        let stat = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted)?;
        let has_birth = stat.stx_mask & StatxFlags::BTIME.bits() != 0;
        Ok(Self {
            created_s: has_birth.then_some(stat.stx_btime.tv_sec),
            modified_s: stat.stx_mtime.tv_sec,
            modified_ns: stat.stx_mtime.tv_nsec,
        })
    }

    /// Gives an open file this time of its last modification, where the file system does that.
    pub(super) fn set_modified(self, file: impl AsFd) {
        let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let last_modification =
            Timespec { tv_sec: self.modified_s, tv_nsec: self.modified_ns.into() };
        let times = Timestamps { last_access, last_modification };
        let _: Result<(), Errno> = rustix::fs::futimens(file, &times);
    }
}
