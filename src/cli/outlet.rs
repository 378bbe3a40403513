//! Where paths lead to: files, or what is written into and never replaced.
//!
//! `/dev/stdout` is a link into `/proc/self/fd`, and what is behind that may be a file, a pipe or a
//! terminal. Whoever names it means the open descriptor, with its place in the file.

use crate::config::Outlet;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// What a path leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Leads {
    /// A file, a directory, or nothing so far.
    File,
    /// What is written into.
    Outlet(Outlet),
    /// A socket in the file system, which cannot be opened (unix(7)).
    Socket,
}

/// What `path` leads to, by any number of links.
pub(super) fn leads(path: &Path) -> Leads {
    if let Some(number) = descriptor(path) {
        return Leads::Outlet(Outlet::Descriptor(number));
    }
    let Ok(kind) = fs::metadata(path).map(|found| found.file_type()) else { return Leads::File };
    if kind.is_fifo() || kind.is_char_device() || kind.is_block_device() {
        Leads::Outlet(Outlet::Path(path.to_owned()))
    } else if kind.is_socket() {
        Leads::Socket
    } else {
        Leads::File
    }
}

/// The number of the open descriptor that `path` is a name of (proc_pid_fd(5)).
pub(super) fn descriptor(path: &Path) -> Option<i32> {
    let own = fs::canonicalize("/proc/self/fd").ok()?;
    let place = places(path).into_iter().find(|place| place.parent() == Some(&own))?;
    // One that is closed is a file that cannot be made.
    fs::metadata(&place).ok()?;
    place.file_name()?.to_str()?.parse().ok()
}

/// Where a file would be made: links that lead to nothing are followed, as open(2) does.
pub(super) fn place(path: &Path) -> PathBuf {
    places(path).pop().unwrap_or_else(|| path.to_owned())
}

/// The path, what it is a link to, and so on, each in its real directory.
fn places(path: &Path) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next.filter(|_| places.len() <= LINKS_MAX) {
        let place = in_real_directory(&path).unwrap_or(path);
        next = fs::read_link(&place).ok().map(|target| place.with_file_name(target));
        places.push(place);
    }
    places
}

/// The path with the nearest directory above it that is there by its real name; those between are
/// made when something is written.
fn in_real_directory(path: &Path) -> Option<PathBuf> {
    path.file_name()?;
    path.ancestors().skip(1).find_map(|parent| {
        let there = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        Some(fs::canonicalize(there).ok()?.join(path.strip_prefix(parent).ok()?))
    })
}

/// As many as the kernel follows (path_resolution(7)).
const LINKS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    #[test]
    fn links_lead_to_devices_descriptors_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let file = File::create(path("file")).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        let number = file.as_raw_fd();
        for (name, target) in [
            ("to_file", "file".to_owned()),
            ("to_socket", "socket".to_owned()),
            ("to_null", "/dev/null".to_owned()),
            ("to_open", format!("/proc/self/fd/{number}")),
            ("to_dev_fd", format!("/dev/fd/{number}")),
            ("to_thread", "/proc/thread-self/fd/999999".to_owned()),
            ("to_closed", "/proc/self/fd/999999".to_owned()),
            ("dangling", "nothing".to_owned()),
            ("loop", "loop".to_owned()),
        ] {
            symlink(target, path(name)).unwrap();
        }
        symlink("to_open", path("far")).unwrap();
        for name in ["file", "to_file", "to_closed", "to_thread", "dangling", "loop", "new", "a/b"]
        {
            assert_eq!(leads(&path(name)), Leads::File, "{name}");
        }
        for name in ["socket", "to_socket"] {
            assert_eq!(leads(&path(name)), Leads::Socket, "{name}");
        }
        for name in ["to_open", "to_dev_fd", "far"] {
            let open = Leads::Outlet(Outlet::Descriptor(number));
            assert_eq!(leads(&path(name)), open, "{name}");
        }
        let null = path("to_null");
        assert_eq!(leads(&null), Leads::Outlet(Outlet::Path(null.clone())));
        let number = format!("/proc/self/fd/{number}");
        assert!(matches!(leads(Path::new(&number)), Leads::Outlet(Outlet::Descriptor(_))));
    }
}
