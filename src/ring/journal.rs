//! flock(2) and user extended attributes for the report file, and its place under its name.

use super::shim;
use rustix::fs::{FlockOperation, XattrFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Result of asking for a lock.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lock {
    /// The lock is ours until the file is closed, by the end of the process at the latest.
    Ours,
    /// Another process has the lock.
    Others,
    /// The file system has no locks (some that are behind a network).
    Unknown,
}

/// Locks an open file against other runs (flock(2)). The lock of somebody else is waited for, for a
/// while: after `kill -9` the kernel holds those of a run for as long as it takes its rings apart.
pub fn lock(file: &File) -> Lock {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Lock::Ours,
            Err(Errno::WOULDBLOCK) if Instant::now() >= end => return Lock::Others,
            Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_LOOK),
            Err(_) => return Lock::Unknown,
        }
    }
}

/// The text of an extended attribute (xattr(7), namespace `user`). `None` where there is none, or
/// where the file system keeps none.
pub fn xattr(file: impl AsFd, name: &str) -> Option<String> {
    let mut text = [0_u8; XATTR_BYTES_MAX];
    let length = rustix::fs::fgetxattr(file, name, &mut text[..]).ok()?;
    String::from_utf8(text[..length].to_vec()).ok()
}

/// Sets an extended attribute to a text of at most [`XATTR_BYTES_MAX`] bytes; `false` where the
/// file system keeps none.
pub fn set_xattr(file: impl AsFd, name: &str, text: &str) -> bool {
    debug_assert!(text.len() <= XATTR_BYTES_MAX);
    rustix::fs::fsetxattr(file, name, text.as_bytes(), XattrFlags::empty()).is_ok()
}

/// Flags for open(2) so that data is on the disk when a write ends.
pub fn durable_writes() -> i32 {
    libc::O_DSYNC
}

/// The name of this machine (uname(2)).
pub fn machine() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

/// This boot of the machine (proc(5), /proc/sys/kernel/random/boot_id); zeros where it is not to be
/// had.
pub fn boot_id() -> [u8; 16] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or_default().to_be_bytes()
}

/// Place of a file that was opened under some path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// The file is under that path.
    Here,
    /// The file is under this path: it was renamed, or has another name.
    Elsewhere(PathBuf),
    /// The file has no name: it is gone when it is closed.
    Nowhere,
}

/// Finds out where an open file is by now.
pub fn place(file: &File, path: &Path) -> Place {
    let Ok(open) = file.metadata() else { return Place::Here };
    let is_same = match fs::metadata(path) {
        Ok(found) => (found.dev(), found.ino()) == (open.dev(), open.ino()),
        // Of what cannot be looked at nothing is known.
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    match fs::read_link(opened(file)) {
        _ if is_same => Place::Here,
        Ok(name) if open.nlink() > 0 => Place::Elsewhere(name),
        _ => Place::Nowhere,
    }
}

/// Writes the content of an open file that has no name any more into a new file beside where it
/// was, with `.recovered` behind its name, and brings that to the disk.
///
/// # Errors
/// When one of both cannot be read or written, or a hundred such files are there.
pub fn recover(file: &File, path: &Path) -> io::Result<PathBuf> {
    let numbers = (1..COPIES_MAX).map(|number| format!(".recovered.{number}"));
    for suffix in std::iter::once(".recovered".to_owned()).chain(numbers) {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let copy = PathBuf::from(name);
        let mut to = match File::create_new(&copy) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            created => created?,
        };
        io::copy(&mut File::open(opened(file))?, &mut to)?;
        to.sync_all()?;
        return Ok(copy);
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// The name that /proc has for an open file (proc_pid_fd(5)): it leads there whatever became of its
/// own name.
fn opened(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Time between two syncs: `real`, unless a test shortens it.
pub fn sync_interval(real: Duration) -> Duration {
    shim::sync_interval(real)
}

/// Time for which somebody else's lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks at it.
const LOCK_LOOK: Duration = Duration::from_millis(5);
/// Most copies of deleted files beside each other.
const COPIES_MAX: usize = 100;
/// Longest value of an extended attribute, in bytes.
pub const XATTR_BYTES_MAX: usize = 128;
