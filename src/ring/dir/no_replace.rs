//! Names for files that nothing else has: three ways, of which every file system has one.

use super::{Dir, NamingWay};
use crate::ring::file::CREATE;
use crate::ring::shim::{Op, call};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

impl Dir {
    /// renameat2(2) with RENAME_NOREPLACE.
    ///
    /// # Errors
    /// EEXIST where something has the name; EINVAL where the file system lacks this, or refuses the
    /// name.
    pub(in crate::ring) fn rename_noreplace(&self, from: &str, to: &str) -> Result<(), Errno> {
        if self.offers.naming.get() != NamingWay::Rename {
            return Err(Errno::INVAL);
        }
        let (at, flags) = (&*self.fd, RenameFlags::NOREPLACE);
        match call(Op::Rename, || rustix::fs::renameat_with(at, from, at, to, flags)) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => Err(Errno::INVAL),
            done => done,
        }
    }

    /// Gives the file of input line `index` the name `to` in place of `from`, if nothing has it: by
    /// the first way that is to be had, from the one that was used last.
    ///
    /// # Errors
    /// EEXIST where something has the name.
    pub(in crate::ring) fn rename_no_replace(
        &self,
        from: &str,
        to: &str,
        index: u64,
    ) -> Result<(), Errno> {
        match self.rename_noreplace(from, to) {
            Err(Errno::INVAL) => {}
            done => return done,
        }
        let at = &*self.fd;
        let mut way = self.offers.naming.get().max(NamingWay::Link);
        if way == NamingWay::Link {
            match call(Op::Link, || rustix::fs::linkat(at, from, at, to, AtFlags::empty())) {
                Ok(()) => {
                    self.offers.naming.set(way);
                    // Should it stay, the next run with the same report removes it.
                    let _: Result<(), Errno> =
                        call(Op::Unlink, || rustix::fs::unlinkat(at, from, AtFlags::empty()));
                    return Ok(());
                }
                // EPERM: it has no hard links (link(2)).
                Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::MLINK) => {
                    way = NamingWay::Placeholder;
                }
                Err(errno) => return Err(errno),
            }
        }
        self.rename_over_placeholder(from, to, index)?;
        self.offers.naming.set(way);
        Ok(())
    }

    /// Replaces a placeholder with the file. A run that is killed in between leaves the
    /// placeholder, so there is a note beside it first.
    fn rename_over_placeholder(&self, from: &str, to: &str, index: u64) -> Result<(), Errno> {
        let at = &*self.fd;
        let (note, mode) = (note_name(index), Mode::from_raw_mode(0o600));
        let create = || call(Op::Open, || rustix::fs::openat(at, &note, CREATE, mode));
        let noted = match create() {
            // Of a killed run. Nothing else should have such a name, and what has is not opened.
            Err(Errno::EXIST) => {
                self.remove(&note);
                create()?
            }
            created => created?,
        };
        let text = self.note(to);
        let done = call(Op::Pwrite, || rustix::io::pwrite(&noted, text.as_bytes(), 0))
            .and_then(|_| call(Op::Open, || rustix::fs::openat(at, to, CREATE, mode)))
            .and_then(|placeholder| {
                drop(placeholder);
                let renamed = call(Op::Rename, || rustix::fs::renameat(at, from, at, to));
                renamed.inspect_err(|_| self.remove(to))
            });
        self.remove(&note);
        done
    }

    /// Whether an empty file of this name is the placeholder that an earlier run left for an input
    /// line: of this report, or of any if it is too old for a run that is about to replace it.
    pub(super) fn is_placeholder(&self, name: &str, index: u64) -> bool {
        let Some((note, found)) = self.read_note(note_name(index).as_bytes()) else {
            return false;
        };
        let own = self.note(name);
        let is_left = || {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec;
            let stat = rustix::fs::fstat(&note);
            stat.is_ok_and(|stat| now.saturating_sub(stat.st_mtime) > LEFT_AFTER_SECONDS)
        };
        // What is behind the number of the report.
        let name_of = |text: &[u8]| text.get(REPORT_DIGITS..).map(<[u8]>::to_vec);
        found == own.as_bytes() || (name_of(&found) == name_of(own.as_bytes()) && is_left())
    }

    fn read_note(&self, name: &[u8]) -> Option<(OwnedFd, Vec<u8>)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let note = rustix::fs::openat(&*self.fd, name, flags, Mode::empty()).ok()?;
        let mut found = vec![0; NOTE_BYTES_MAX];
        let count = rustix::io::pread(&note, &mut found, 0).ok()?;
        found.truncate(count);
        Some((note, found))
    }

    /// Whether this is the name of a note whose placeholder was replaced: its run was killed before
    /// it removed the note.
    pub(super) fn is_spent_note(&self, name: &[u8]) -> bool {
        if !name.starts_with(NOTES.as_bytes()) {
            return false;
        }
        let Some((_, found)) = self.read_note(name) else { return false };
        let of_report = self.note("");
        found.strip_prefix(of_report.as_bytes()).is_some_and(|noted| {
            rustix::fs::statat(&*self.fd, noted, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| stat.st_size > 0)
        })
    }

    /// Text of the note about a placeholder.
    fn note(&self, name: &str) -> String {
        let report = self.run.token.unwrap_or_default();
        format!("{report:0REPORT_DIGITS$x} {name}")
    }
}

/// The name of the note of an input line's placeholder.
fn note_name(index: u64) -> String {
    format!("{NOTES}{index}")
}

/// Begin of the names of notes.
pub(super) const NOTES: &str = ".ringpull-name-";
/// Hexadecimal digits of a report's number in a note.
const REPORT_DIGITS: usize = 16;
/// Bytes read of a note: more than any note has.
const NOTE_BYTES_MAX: usize = 512;
/// Age from which a placeholder, which a run has for a moment only, belongs to no run, in seconds.
const LEFT_AFTER_SECONDS: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::WriteOptions;

    const WAYS: [NamingWay; 3] = [NamingWay::Rename, NamingWay::Link, NamingWay::Placeholder];

    #[test]
    fn a_name_is_given_once_whatever_the_way() {
        for way in WAYS {
            let root = tempfile::tempdir().unwrap();
            let path = |name: &str| root.path().join(name);
            let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
            dir.offers.naming.set(way);
            std::fs::write(path("new"), b"new").unwrap();
            std::fs::write(path("theirs"), b"theirs").unwrap();
            std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
            for taken in ["theirs", "link"] {
                assert_eq!(dir.rename_no_replace("new", taken, 1), Err(Errno::EXIST), "{way:?}");
            }
            assert_eq!(dir.rename_no_replace("new", "free", 1), Ok(()), "{way:?}");
            assert_eq!(std::fs::read(path("free")).unwrap(), b"new");
            assert_eq!(std::fs::read(path("theirs")).unwrap(), b"theirs");
            assert!(!path("new").exists() && !path("nowhere").exists());
            assert_eq!(dir.offers.naming.get(), way);
            // What cannot be named takes no name away.
            assert_eq!(dir.rename_no_replace("gone", "other", 1), Err(Errno::NOENT), "{way:?}");
            assert!(!path("other").exists(), "{way:?}");
            assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 3, "{way:?}");
        }
    }

    #[test]
    fn a_placeholder_that_was_left_is_known_by_its_line_and_report_or_by_its_age() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let mut dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        dir.set_token(7);
        std::fs::write(path("a"), b"").unwrap();
        std::fs::write(path("b"), b"").unwrap();
        assert!(!dir.is_own("a", 3));
        std::fs::write(path(&note_name(3)), dir.note("a")).unwrap();
        assert!(dir.is_own("a", 3) && !dir.is_own("a", 4) && !dir.is_own("b", 3));
        dir.set_token(8);
        assert!(!dir.is_own("a", 3));
        let note = std::fs::File::open(path(&note_name(3))).unwrap();
        note.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert!(dir.is_own("a", 3) && !dir.is_own("b", 3));
        std::fs::write(path("a"), b"something").unwrap();
        assert!(!dir.is_own("a", 3));
    }
}
