//! What the report needs of the kernel beside reading and writing: a lock.

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;

/// What became of the wish for a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lock {
    /// It is ours until the file is closed, by the end of the process at the latest.
    Ours,
    /// Another process has it.
    Others,
    /// The file system has no locks (some that are behind a network).
    Unknown,
}

/// Locks an open file against other runs (flock(2)).
pub fn lock(file: &File) -> Lock {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Lock::Ours,
        Err(Errno::WOULDBLOCK) => Lock::Others,
        Err(_) => Lock::Unknown,
    }
}
