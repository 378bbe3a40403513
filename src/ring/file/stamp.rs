//! What a file that is whole gets before its name: the time of its version, and a note about that.

use crate::ring::journal::{XATTR_BYTES_MAX, set_xattr, xattr};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use std::os::fd::AsFd;

/// Time and note of a file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stamp {
    /// Time of the last modification, in seconds since 1970; without it, that of the last write
    /// stays.
    pub modified_s: Option<u64>,
    /// Text about the version, which counts for as long as nobody has changed the file. One that is
    /// too long for an extended attribute, or that the file system does not keep, is left out.
    pub note: Option<String>,
}

impl Stamp {
    /// Sets time and note of a file that nothing is written into any more (futimens(3), xattr(7)).
    /// A file system that keeps neither leaves the file as it is: it is whole all the same.
    pub(super) fn apply(&self, file: impl AsFd) {
        if let Some(modified_s) = self.modified_s
            && let Ok(tv_sec) = i64::try_from(modified_s)
        {
            let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
            let last_modification = Timespec { tv_sec, tv_nsec: 0 };
            let times = Timestamps { last_access, last_modification };
            let _: rustix::io::Result<()> = rustix::fs::futimens(&file, &times);
        }
        let Some(note) = &self.note else { return };
        // What the file system has made of the time.
        let Ok(stat) = rustix::fs::fstat(&file) else { return };
        let text = format!("{} {note}", state(&stat));
        if text.len() <= XATTR_BYTES_MAX {
            let _: bool = set_xattr(&file, XATTR_NOTE, &text);
        }
    }
}

impl Stamp {
    /// Time and note of the file that has this name in a directory. `None` where that is no file; a
    /// symbolic link is none.
    pub(in crate::ring) fn of(dir: impl AsFd, name: &str) -> Option<Self> {
        // To open a device or a pipe may do something.
        let stat = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // Of a file that may not be read there is the time.
        let note = rustix::fs::openat(&dir, name, flags, Mode::empty()).ok();
        let note = note.and_then(|file| xattr(&file, XATTR_NOTE)).and_then(|text| {
            let note = text.strip_prefix(&state(&stat))?.strip_prefix(' ')?;
            Some(note.to_owned())
        });
        Some(Self { modified_s: u64::try_from(stat.st_mtime).ok(), note })
    }
}

/// Size and time of a file, which tell whether it was changed.
fn state(stat: &Stat) -> String {
    format!("{} {}.{}", stat.st_size, stat.st_mtime, stat.st_mtime_nsec)
}

/// Name of the extended attribute.
const XATTR_NOTE: &str = "user.ringpull.etag";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::Dir;
    use crate::ring::file::WriteOptions;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    fn stamp(modified_s: Option<u64>, note: &str) -> Stamp {
        Stamp { modified_s, note: Some(note.to_owned()) }
    }

    #[test]
    fn a_note_counts_until_the_file_is_changed() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        let path = root.path().join("a");
        fs::write(&path, "abc").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        stamp(Some(784_111_777), "7 \"tag\"").apply(&file);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(modified, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
        let found = dir.stamp_of("a").unwrap();
        assert_eq!(found.modified_s, Some(784_111_777));
        if found.note.is_none() {
            // The file system keeps no notes.
            return;
        }
        assert_eq!(found, stamp(Some(784_111_777), "7 \"tag\""));
        // Another length, and another time.
        file.set_len(2).unwrap();
        file.set_modified(modified).unwrap();
        assert_eq!(dir.stamp_of("a").unwrap().note, None);
        stamp(None, "x").apply(&file);
        assert_eq!(dir.stamp_of("a").unwrap(), stamp(Some(784_111_777), "x"));
        file.set_modified(modified + Duration::from_nanos(4_000_000_000)).unwrap();
        assert_eq!(dir.stamp_of("a").unwrap().note, None);
        // One that is too long is not kept.
        stamp(None, &"x".repeat(XATTR_BYTES_MAX)).apply(&file);
        assert_eq!(dir.stamp_of("a").unwrap().note, None);
    }

    #[test]
    fn what_is_no_file_has_none() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        fs::create_dir(root.path().join("folder")).unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("file", root.path().join("link")).unwrap();
        let found = ["folder", "link", "nothing"].map(|name| dir.stamp_of(name));
        assert_eq!(found, [None, None, None]);
        assert!(dir.stamp_of("file").is_some_and(|stamp| stamp.modified_s.is_some()));
    }
}
