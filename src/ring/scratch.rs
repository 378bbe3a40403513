//! Scratch files: room on a disk that is gone with its descriptor, however the process ends.

use super::file::CREATE;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::File;
use std::io;
use std::path::Path;

/// A file without a name (open(2), O_TMPFILE) in a directory, to be read and written. Where the
/// file system has no such files, it loses its name at once.
///
/// # Errors
/// When no file can be made there.
pub fn scratch(dir: &Path) -> io::Result<File> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let mode = Mode::from_raw_mode(0o600);
    let unnamed = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::openat(CWD, dir, unnamed, mode) {
        return Ok(file.into());
    }
    let path = dir.join(format!(".ringpull-scratch-{:016x}", fastrand::u64(..)));
    let flags = CREATE.difference(OFlags::WRONLY) | OFlags::RDWR;
    let file = rustix::fs::openat(CWD, &path, flags, mode)?;
    rustix::fs::unlinkat(CWD, &path, AtFlags::empty())?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    #[test]
    fn it_has_no_name() {
        // procfs has no files of either kind.
        assert!(scratch(Path::new("/proc")).is_err());
        let dir = tempfile::tempdir().unwrap();
        let file = scratch(dir.path()).unwrap();
        file.write_all_at(b"what is kept", 0).unwrap();
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 8).unwrap();
        assert_eq!(&bytes, b"kept");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
