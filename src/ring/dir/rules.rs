//! Rules of a file system for names: whether two of them are one file, and which it refuses.
//!
//! The usual local file systems take every name as it is, unless a directory has the flag `+F`
//! (chattr(1)), so nothing is tried out there. Everywhere else it is, with files under temporary
//! names that are gone a moment later: no number in statfs(2) says how a network or FUSE file
//! system was set up.

use super::{Dir, NamingWay, magic};
use crate::ring::file::CREATE;
use rustix::fs::{AtFlags, Mode, RenameFlags};
use rustix::io::Errno;
use std::borrow::Cow;

/// Rules of a directory's file system for the names in it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// Whether names that differ only in case, in how their characters are composed (NFC, NFD), or
    /// in dots and spaces at their end, are one file.
    pub folds: bool,
    /// Whether names that Windows does not allow are refused, or become others in silence.
    pub is_windows: bool,
    /// Whether a file with a long name has a short one as well (`LONGNA~1.TXT`).
    pub has_short_names: bool,
}

/// File system of a directory, and whether it folds case there: where both are the same, so are the
/// [`Rules`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Volume {
    device: u64,
    is_casefold: bool,
}

impl Dir {
    /// The directory `path` beneath this one; `None` where it is missing or may not be entered.
    pub fn existing(&self, path: &str) -> Option<Self> {
        self.open_beneath(path).ok()
    }

    /// File system of this directory; `None` where it cannot be had.
    pub fn volume(&self) -> Option<Volume> {
        let device = rustix::fs::fstat(&*self.fd).ok()?.st_dev;
        Some(Volume { device, is_casefold: self.is_casefold() == Some(true) })
    }

    /// Name of the file system of this directory, as mount(8) knows it; its number in statfs(2)
    /// where it is none of the usual ones.
    pub fn file_system(&self) -> Cow<'static, str> {
        let magic = magic(&self.fd);
        match FILE_SYSTEMS.iter().find(|(number, _)| *number == magic) {
            Some((_, name)) => Cow::Borrowed(name),
            None => Cow::Owned(format!("a file system of number {magic:#x}")),
        }
    }

    /// Rules of the file system for names in this directory. Where that has to be tried out, it
    /// also finds how a file gets a name there that nothing else has.
    ///
    /// Where nothing can be created (a full disk), two names that might be one file are taken for
    /// one.
    pub fn rules(&self) -> Rules {
        if TAKES_ALL_NAMES.contains(&magic(&self.fd)) && self.is_casefold() == Some(false) {
            return Rules::default();
        }
        let base = format!("{}p", self.temporary_name(0));
        let trial = Trial { dir: self, base: &base };
        let unknown = Rules { folds: true, is_windows: false, has_short_names: false };
        let rules = trial.rules().unwrap_or(unknown);
        trial.remove("");
        rules
    }

    /// Whether the directory has the flag `+F` (FS_CASEFOLD_FL), with which ext4, f2fs and tmpfs
    /// fold case there. `None` where it cannot be read.
    fn is_casefold(&self) -> Option<bool> {
        let fd = self.readable().ok()?;
        match rustix::fs::ioctl_getflags(&fd) {
            Ok(flags) => Some(flags.bits() & FS_CASEFOLD_FL != 0),
            // Without flags there is none (tmpfs before Linux 6.6).
            Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS) => Some(false),
            Err(_) => None,
        }
    }
}

/// Names tried out in a directory.
struct Trial<'t> {
    dir: &'t Dir,
    /// Begin of all names tried; letters and digits of ASCII in lower case.
    base: &'t str,
}

/// Result of trying a name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Tried {
    /// A file was made.
    Made,
    /// The name is not to be had, or means a file that is there.
    Refused,
}

impl Trial<'_> {
    fn rules(&self) -> Result<Rules, Errno> {
        self.create("")?;
        let is_there = |name: &str| self.dir.look(name) != super::Found::Nothing;
        let folds_case = is_there(&self.base.to_uppercase());
        let has_short_names = SHORT_NAMES.iter().any(|name| is_there(name));
        let folds_forms = self.try_out(COMPOSED, || is_there(&self.named(DECOMPOSED)))?.1;
        // Without its characters the name is that of a stream of a file (SMB, NTFS).
        let (tried, is_stream) = self.try_out(REFUSED, || is_there(&self.named(STREAM)))?;
        let mut is_windows = tried == Tried::Refused || is_stream;
        self.remove(STREAM);
        for end in [".", " "] {
            is_windows |= self.try_out(end, || false)?.0 == Tried::Refused;
        }
        self.try_naming();
        Ok(Rules { folds: folds_case || folds_forms || is_windows, is_windows, has_short_names })
    }

    /// Makes a file, asks about it, and removes it.
    fn try_out(&self, end: &str, ask: impl FnOnce() -> bool) -> Result<(Tried, bool), Errno> {
        match self.create(end) {
            Ok(()) => {
                let answer = ask();
                self.remove(end);
                Ok((Tried::Made, answer))
            }
            Err(errno) if NOT_ABOUT_NAMES.contains(&errno) => Err(errno),
            Err(_) => Ok((Tried::Refused, false)),
        }
    }

    /// Finds the best way to a name that nothing else has. The file has its other name afterwards,
    /// or both.
    fn try_naming(&self) {
        let (from, to) = (self.base, self.named("n"));
        let at = &*self.dir.fd;
        let fresh = match rustix::fs::renameat_with(at, from, at, &to, RenameFlags::NOREPLACE) {
            Ok(()) => NamingWay::Rename,
            Err(_) => match rustix::fs::linkat(at, from, at, &to, AtFlags::empty()) {
                Ok(()) => NamingWay::Link,
                Err(_) => NamingWay::Placeholder,
            },
        };
        self.remove("n");
        self.dir.offers.naming.set(fresh);
    }

    fn named(&self, end: &str) -> String {
        format!("{}{end}", self.base)
    }

    fn create(&self, end: &str) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::openat(&*self.dir.fd, self.named(end), CREATE, mode).map(drop)
    }

    /// Removes a file that was made here, or was not.
    fn remove(&self, end: &str) {
        let _: Result<(), Errno> =
            rustix::fs::unlinkat(&*self.dir.fd, self.named(end), AtFlags::empty());
    }
}

/// Local file systems that take every name as it is where a directory has no flag, by their number
/// in statfs(2).
const TAKES_ALL_NAMES: [u32; 4] = [
    0x0000_ef53, // ext2, ext3, ext4
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0xf2f5_2010, // f2fs
];

/// The usual file systems, by their number in statfs(2).
const FILE_SYSTEMS: [(u32, &str); 13] = [
    (0x0000_ef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0xf2f5_2010, "f2fs"),
    (0xca45_1a4e, "bcachefs"),
    (0x2fc1_2fc1, "zfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlay"),
    (0x0000_6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0x6573_5546, "fuse"),
    (0x0000_4d44, "vfat"),
];

/// FS_CASEFOLD_FL of linux/fs.h, which rustix has no name for.
const FS_CASEFOLD_FL: u32 = 0x4000_0000;

/// An e with an acute, as one character and as two.
const COMPOSED: &str = "\u{e9}";
const DECOMPOSED: &str = "e\u{301}";
/// Characters that Windows refuses; behind the first colon of a name Windows sees a stream of a
/// file.
const REFUSED: &str = "s:?*<>|\"x";
const STREAM: &str = "s";

/// Short names of files that begin as our temporary ones do: one of them exists if there are short
/// names.
const SHORT_NAMES: [&str; 4] = ["RINGPU~1", "RINGPU~2", "RINGPU~3", "RINGPU~4"];

/// Errors that say nothing about a name: there is no room, or no permission.
const NOT_ABOUT_NAMES: [Errno; 9] = [
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOMEM,
    Errno::INTR,
    Errno::ROFS,
    Errno::IO,
    Errno::STALE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::WriteOptions;

    /// What the tests run on is a usual local file system, whichever.
    #[test]
    fn a_usual_file_system_takes_names_as_they_are_and_nothing_is_left() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        assert_eq!(dir.rules(), Rules::default());
        let base = format!("{}p", dir.temporary_name(0));
        dir.offers.naming.set(NamingWay::Placeholder);
        // Tried out where the answer is known.
        assert_eq!(Trial { dir: &dir, base: &base }.rules(), Ok(Rules::default()));
        assert_eq!(dir.offers.naming.get(), NamingWay::Rename);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert_eq!(dir.volume(), dir.clone().volume());
        assert!(dir.existing("missing").is_none());
    }

    #[test]
    fn where_nothing_can_be_created_names_may_be_one_file() {
        let root = tempfile::tempdir().unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        std::fs::remove_dir(root.path()).unwrap();
        let trial = Trial { dir: &dir, base: "x" };
        assert_eq!(trial.rules(), Err(Errno::NOENT));
    }
}
