//! What the report needs of the kernel beside reading and writing: a lock, and notes that stay with
//! a file.

use super::shim;
use rustix::fs::{FlockOperation, XattrFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

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

/// The text that was noted under a name (xattr(7), namespace `user`). `None` where nothing was, or
/// where the file system keeps no notes.
pub fn note(file: impl AsFd, name: &str) -> Option<String> {
    let mut text = [0_u8; NOTE_BYTES_MAX];
    let length = rustix::fs::fgetxattr(file, name, &mut text[..]).ok()?;
    String::from_utf8(text[..length].to_vec()).ok()
}

/// Notes a text of at most [`NOTE_BYTES_MAX`] bytes under a name; `false` where the file system
/// keeps no notes.
pub fn set_note(file: impl AsFd, name: &str, text: &str) -> bool {
    debug_assert!(text.len() <= NOTE_BYTES_MAX);
    rustix::fs::fsetxattr(file, name, text.as_bytes(), XattrFlags::empty()).is_ok()
}

/// What open(2) is asked for so that what is written is on the disk when the call ends.
pub fn durable_writes() -> i32 {
    libc::O_DSYNC
}

/// The name of this machine (uname(2)).
pub fn machine() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

/// How much time passes between two syncs: `real`, unless a test shortens it.
pub fn sync_interval(real: Duration) -> Duration {
    shim::sync_interval(real)
}

/// Longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 128;
