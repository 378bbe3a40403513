//! What a file that is whole gets before its name: the time of its version, and a note about that.

use crate::ring::journal::{XATTR_BYTES_MAX, set_xattr, xattr};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

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
        let file = rustix::fs::openat(&dir, name, flags, Mode::empty()).ok();
        let note = file.and_then(|file| note_of(file, &stat));
        Some(Self { modified_s: u64::try_from(stat.st_mtime).ok(), note })
    }
}

/// How a file was made, as a report tells.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// Length of the file in bytes.
    pub size: u64,
    /// A moment before which nobody began to make it.
    pub began: SystemTime,
    /// A moment by which it was made, and had its name.
    pub ended: SystemTime,
}

impl Made {
    /// Leaves a note about the version of the file at `path`, as `Stamp::apply` does, if the file
    /// is the one that was made, nobody has touched it since, and no note about it counts yet. Says
    /// whether it was left.
    ///
    /// Every change of a file or its name changes its time of the last status change, which nobody
    /// can set (inode(7)): one that is within the time of making proves that there was none later.
    pub fn note(&self, path: &Path, note: &str) -> bool {
        // To open a device or a pipe may do something.
        let is_made = |stat: &Stat| self.is_untouched(stat);
        if !rustix::fs::lstat(path).as_ref().is_ok_and(is_made) {
            return false;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return false };
        let Ok(stat) = rustix::fs::fstat(&file) else { return false };
        let text = format!("{} {note}", state(&stat));
        is_made(&stat)
            && text.len() <= XATTR_BYTES_MAX
            && note_of(&file, &stat).is_none()
            && set_xattr(&file, XATTR_NOTE, &text)
    }

    fn is_untouched(&self, stat: &Stat) -> bool {
        let changed = u64::try_from(stat.st_ctime).ok().and_then(|changed_s| {
            let since_1970 = Duration::new(changed_s, u32::try_from(stat.st_ctime_nsec).ok()?);
            SystemTime::UNIX_EPOCH.checked_add(since_1970)
        });
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && u64::try_from(stat.st_size) == Ok(self.size)
            && changed.is_some_and(|changed| {
                // A clock that was set back has no say.
                changed + TICK_MAX >= self.began && changed <= self.ended
            })
    }
}

/// The note with an open file, if it counts.
fn note_of(file: impl AsFd, stat: &Stat) -> Option<String> {
    let text = xattr(file, XATTR_NOTE)?;
    Some(text.strip_prefix(&state(stat))?.strip_prefix(' ')?.to_owned())
}

/// Size and time of a file, which tell whether it was changed.
fn state(stat: &Stat) -> String {
    format!("{} {}.{}", stat.st_size, stat.st_mtime, stat.st_mtime_nsec)
}

/// Name of the extended attribute.
const XATTR_NOTE: &str = "user.ringpull.etag";
/// How far the clock of a file system may be behind: a tick of the kernel.
const TICK_MAX: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::Dir;
    use crate::ring::file::WriteOptions;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

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

    /// What a report would tell of a file that was made and named just now.
    fn made_now(path: &Path) -> Made {
        let metadata = fs::metadata(path).unwrap();
        let seconds = u64::try_from(metadata.ctime()).unwrap();
        let nanos = u32::try_from(metadata.ctime_nsec()).unwrap();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        Made { size: metadata.len(), began: changed, ended: changed }
    }

    #[test]
    fn a_file_that_nobody_has_touched_gets_its_note_later() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        let path = root.path().join("a");
        fs::write(&path, "abc").unwrap();
        let made = made_now(&path);
        let found = |name: &str| dir.stamp_of(name).and_then(|stamp| stamp.note);
        let second = Duration::from_secs(1);
        for wrong in [
            Made { size: 2, ..made },
            Made { ended: made.ended - second, began: made.began - second, ..made },
            Made { ended: made.ended + second, began: made.began + second, ..made },
        ] {
            assert!(!wrong.note(&path, "x"), "{wrong:?}");
        }
        assert_eq!(found("a"), None);
        if !made.note(&path, "x") {
            // The file system keeps no notes.
            return;
        }
        assert_eq!(found("a").as_deref(), Some("x"));
        // A note that counts stays.
        assert!(!made_now(&path).note(&path, "y"));
        assert_eq!(found("a").as_deref(), Some("x"));
        // One that does not count gives way.
        fs::write(&path, "abcd").unwrap();
        assert!(made_now(&path).note(&path, "y"));
        assert_eq!(found("a").as_deref(), Some("y"));
    }

    #[test]
    fn a_file_that_was_touched_gets_none() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let touch = |name: &str, file: &Path| match name {
            "written" => fs::write(file, "xyz"),
            "chmod" => fs::set_permissions(file, fs::Permissions::from_mode(0o600)),
            "linked" => fs::hard_link(file, path("other")),
            "moved" => fs::rename(file, path("away")).and_then(|()| fs::rename(path("away"), file)),
            _ => fs::copy(file, path("copy")).and_then(|_| fs::rename(path("copy"), file)),
        };
        for name in ["written", "chmod", "linked", "moved", "replaced"] {
            let file = path(name);
            fs::write(&file, "abc").unwrap();
            let made = made_now(&file);
            let modified = fs::metadata(&file).unwrap().modified().unwrap();
            // Until the clock of the file system has gone on.
            while fs::write(path("tick"), "").is_ok() && made_now(&path("tick")).ended <= made.ended
            {
                std::thread::yield_now();
            }
            touch(name, &file).unwrap();
            if fs::metadata(&file).unwrap().modified().unwrap() != modified {
                let opened = File::options().write(true).open(&file).unwrap();
                opened.set_modified(modified).unwrap();
            }
            assert!(!made.note(&file, "x"), "{name}");
        }
        let made = |name: &str| Made { size: 3, ..made_now(&path(name)) };
        fs::write(path("file"), "abc").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        for (name, made) in [("link", made("file")), ("nothing", made("file")), (".", made("."))] {
            assert!(!made.note(&path(name), "x"), "{name}");
        }
    }
}
