//! A name for a file that nothing else has: three ways, of which every file system has one.

use super::Dir;
use crate::ring::file::CREATE;
use crate::ring::shim::{Op, call};
use rustix::fs::{AtFlags, Mode, RenameFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// How a file with a temporary name gets a final one that nothing had.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::ring) enum Fresh {
    /// renameat2(2) with RENAME_NOREPLACE.
    Rename,
    /// linkat(2), which replaces nothing, and then the temporary name is removed: FUSE and NFS lack
    /// the above.
    Link,
    /// Another file takes the name (O_EXCL) and is replaced: some have no hard links either.
    Placeholder,
}

impl Dir {
    /// renameat2(2) with RENAME_NOREPLACE.
    ///
    /// # Errors
    /// EEXIST where something has the name; EINVAL where the file system lacks this, or refuses the
    /// name.
    pub(in crate::ring) fn rename_noreplace(&self, from: &str, to: &str) -> Result<(), Errno> {
        if self.offers.fresh.get() != Fresh::Rename {
            return Err(Errno::INVAL);
        }
        let (at, flags) = (&*self.fd, RenameFlags::NOREPLACE);
        match call(Op::Rename, || rustix::fs::renameat_with(at, from, at, to, flags)) {
            Err(Errno::NOSYS | Errno::OPNOTSUPP) => Err(Errno::INVAL),
            done => done,
        }
    }

    /// Gives the file of input line `index` the name `to` in place of `from`, if nothing has it:
    /// by the first way that is to be had, from the one that was it last.
    ///
    /// # Errors
    /// EEXIST where something has the name.
    pub(in crate::ring) fn rename_fresh(
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
        let mut way = self.offers.fresh.get().max(Fresh::Link);
        if way == Fresh::Link {
            match call(Op::Link, || rustix::fs::linkat(at, from, at, to, AtFlags::empty())) {
                Ok(()) => {
                    self.offers.fresh.set(way);
                    // Should it stay, the next run with the same report removes it.
                    let _: Result<(), Errno> =
                        call(Op::Unlink, || rustix::fs::unlinkat(at, from, AtFlags::empty()));
                    return Ok(());
                }
                // EPERM: it has no hard links (link(2)).
                Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::MLINK) => {
                    way = Fresh::Placeholder;
                }
                Err(errno) => return Err(errno),
            }
        }
        self.rename_over_placeholder(from, to, index)?;
        self.offers.fresh.set(way);
        Ok(())
    }

    /// A run that is killed before the last step leaves the placeholder, which says what it is.
    fn rename_over_placeholder(&self, from: &str, to: &str, index: u64) -> Result<(), Errno> {
        let at = &*self.fd;
        let mode = Mode::from_raw_mode(0o600);
        let placeholder = call(Op::Open, || rustix::fs::openat(at, to, CREATE, mode))?;
        let text = self.placeholder(index);
        let written = call(Op::Pwrite, || rustix::io::pwrite(&placeholder, text.as_bytes(), 0));
        drop(placeholder);
        let named =
            written.and_then(|_| call(Op::Rename, || rustix::fs::renameat(at, from, at, to)));
        if named.is_err() {
            let _: Result<(), Errno> =
                call(Op::Unlink, || rustix::fs::unlinkat(at, to, AtFlags::empty()));
        }
        named
    }

    /// Whether a file of so many bytes may be the placeholder of an input line.
    pub(super) fn may_be_placeholder(&self, size: i64, index: u64) -> bool {
        usize::try_from(size) == Ok(self.placeholder(index).len())
    }

    /// Whether an open file is a placeholder that an earlier run left for an input line.
    pub(super) fn is_placeholder(&self, file: &OwnedFd, index: u64) -> bool {
        let text = self.placeholder(index);
        let mut found = [0; 128];
        rustix::io::pread(file, &mut found, 0).is_ok_and(|count| &found[..count] == text.as_bytes())
    }

    /// What is in the placeholder of an input line of this report.
    fn placeholder(&self, index: u64) -> String {
        let report = self.token.unwrap_or_default();
        format!("ringpull keeps this name for line {index} of report {report:016x}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::Care;

    const WAYS: [Fresh; 3] = [Fresh::Rename, Fresh::Link, Fresh::Placeholder];

    #[test]
    fn a_name_is_given_once_whatever_the_way() {
        for way in WAYS {
            let root = tempfile::tempdir().unwrap();
            let path = |name: &str| root.path().join(name);
            let dir = Dir::create(root.path(), Care::default()).unwrap();
            dir.offers.fresh.set(way);
            std::fs::write(path("new"), b"new").unwrap();
            std::fs::write(path("theirs"), b"theirs").unwrap();
            std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
            for taken in ["theirs", "link"] {
                assert_eq!(dir.rename_fresh("new", taken, 1), Err(Errno::EXIST), "{way:?}");
            }
            assert_eq!(dir.rename_fresh("new", "free", 1), Ok(()), "{way:?}");
            assert_eq!(std::fs::read(path("free")).unwrap(), b"new");
            assert_eq!(std::fs::read(path("theirs")).unwrap(), b"theirs");
            assert!(!path("new").exists() && !path("nowhere").exists());
            assert_eq!(dir.offers.fresh.get(), way);
            // What cannot be named takes no name away.
            assert_eq!(dir.rename_fresh("gone", "other", 1), Err(Errno::NOENT), "{way:?}");
            assert!(!path("other").exists(), "{way:?}");
        }
    }

    #[test]
    fn a_placeholder_that_was_left_is_known_by_its_line_and_report_only() {
        let root = tempfile::tempdir().unwrap();
        let mut dir = Dir::create(root.path(), Care::default()).unwrap();
        dir.set_token(7);
        std::fs::write(root.path().join("a"), dir.placeholder(3)).unwrap();
        assert!(dir.is_own("a", 3) && !dir.is_own("a", 4) && !dir.is_own("b", 3));
        dir.set_token(8);
        assert!(!dir.is_own("a", 3));
        std::fs::write(root.path().join("empty"), b"").unwrap();
        assert!(!dir.is_own("empty", 3));
    }
}
