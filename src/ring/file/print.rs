//! What tells a file from any other one, and from what it was before a change.

use rustix::fs::Stat;
use std::os::fd::AsFd;

/// What tells a file from any other one, and from what it was before a change: its file system, its
/// number there, its size and the time of its last modification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FilePrint(pub [u8; 40]);

impl FilePrint {
    /// What an open file is like.
    pub(super) fn of_file(fd: impl AsFd) -> Option<Self> {
        rustix::fs::fstat(fd).ok().map(|stat| Self::of(&stat))
    }

    /// What the file is like that `stat` tells of.
    pub(in crate::ring) fn of(stat: &Stat) -> Self {
        let mut print = [0; 40];
        let parts = [
            stat.st_dev.to_le_bytes(),
            stat.st_ino.to_le_bytes(),
            stat.st_size.to_le_bytes(),
            stat.st_mtime.to_le_bytes(),
            stat.st_mtime_nsec.to_le_bytes(),
        ];
        print.as_chunks_mut().0.copy_from_slice(&parts);
        Self(print)
    }
}
