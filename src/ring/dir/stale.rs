//! Unfinished files of a run that was killed, and their removal by the next one.
//!
//! A temporary name tells the report of its run: no two runs have one report at a time, because it
//! is locked. So a file that has the token of our report and is not from this run belongs to no run
//! any more.
//!
//! Unfinished files that the next run goes on with (`.ringpull-part-*`) are not among them, but a
//! record whose file is gone is ([`crate::ring::file::PartialFile`]).

use super::{Dir, prefix};
use crate::ring::file::RECORD_SUFFIX;
use crate::ring::shim::{Op, call};
use rustix::fs::AtFlags;
use rustix::io::Errno;

impl Dir {
    /// Marks the temporary names made from now on as those of a run with this report.
    pub fn set_token(&mut self, token: u64) {
        self.of_run().token = Some(token);
    }

    /// Removes the unfinished files of earlier runs with the same report in the directory `path`
    /// beneath this one, which may be missing; empty is this one. Gives the number of files.
    ///
    /// # Errors
    /// When a directory cannot be read. Files that cannot be removed stay.
    pub fn remove_stale(&self, path: &str) -> std::io::Result<u64> {
        let Some(token) = self.run.token else { return Ok(0) };
        let opened = if path.is_empty() { Ok(self.clone()) } else { self.open_beneath(path) };
        let dir = match opened {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => return Ok(0),
            Err(errno) => return Err(errno.into()),
        };
        let prefix = prefix(token);
        let own = format!("{prefix}{:08x}-", self.run.nonce);
        let mut stale = Vec::new();
        for entry in rustix::fs::Dir::new(dir.readable()?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            let is_unfinished =
                name.starts_with(prefix.as_bytes()) && !name.starts_with(own.as_bytes());
            if is_unfinished || dir.is_spent_note(name) || dir.is_lone_record(name) {
                stale.push(entry.file_name().to_owned());
            }
        }
        let remove = |name: &&std::ffi::CString| {
            call(Op::Unlink, || rustix::fs::unlinkat(&*dir.fd, &***name, AtFlags::empty())).is_ok()
        };
        Ok(stale.iter().filter(remove).count() as u64)
    }

    /// Whether there may be unfinished files in this directory that the next run goes on with: some
    /// are, or there are too many entries to look at each.
    pub fn may_hold_unfinished(&self) -> bool {
        let Ok(entries) = self.readable().and_then(rustix::fs::Dir::new) else { return true };
        let mut left = LOOKED_AT_MAX;
        for entry in entries {
            let Ok(entry) = entry else { return true };
            left -= 1;
            if left == 0 || entry.file_name().to_bytes().starts_with(PARTS.as_bytes()) {
                return true;
            }
        }
        false
    }

    /// Whether this is the name of a record beside nothing: its run was killed after it gave the
    /// file its final name. A file is there before its record, and the record goes first.
    fn is_lone_record(&self, name: &[u8]) -> bool {
        let file = name.strip_suffix(RECORD_SUFFIX.as_bytes());
        let Some(file) = file.filter(|file| file.starts_with(PARTS.as_bytes())) else {
            return false;
        };
        let stat = rustix::fs::statat(&*self.fd, file, AtFlags::SYMLINK_NOFOLLOW);
        stat.err() == Some(Errno::NOENT)
    }
}

/// Begin of the names of unfinished files that the next run goes on with.
const PARTS: &str = ".ringpull-part-";
/// Entries of a directory that are looked at before a file is made in it: it takes some
/// milliseconds.
const LOOKED_AT_MAX: u32 = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::dir::WriteOptions;

    #[test]
    fn what_is_to_be_gone_on_with_is_seen() {
        let root = tempfile::tempdir().unwrap();
        let made = |name: &str| std::fs::write(root.path().join(name), b"x").unwrap();
        let dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        ["file", ".ringpull-1", ".ringpull-part"].iter().for_each(|name| made(name));
        assert!(!dir.may_hold_unfinished());
        made(&format!("{PARTS}1"));
        assert!(dir.may_hold_unfinished());
    }

    #[test]
    fn only_what_our_report_left_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let made = |name: String| std::fs::write(root.path().join(name), b"x").unwrap();
        let names = || {
            let entries = std::fs::read_dir(root.path().join("sub")).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        std::fs::create_dir(root.path().join("sub")).unwrap();
        let mut dir = Dir::create(root.path(), WriteOptions::default()).unwrap();
        assert_eq!(dir.remove_stale("sub").unwrap(), 0, "of a run without a report");
        dir.set_token(7);
        let own = dir.temporary_name(1);
        let mut old = dir.clone();
        old.of_run().nonce ^= 1;
        let mut other = dir.clone();
        other.set_token(8);
        let [one, record, lone] = ["a", "a.record", "b.record"].map(|end| format!("{PARTS}{end}"));
        made(format!("sub/{lone}"));
        let words = [".ringpull-1", "file", "x.record"].map(str::to_owned);
        let [word, file, other_record] = words;
        let kept = [own, other.temporary_name(1), word, file, one, record, other_record];
        kept.iter().chain(&[old.temporary_name(1), old.temporary_name(20)]).for_each(|name| {
            made(format!("sub/{name}"));
        });
        assert_eq!(names().len(), 10);
        assert_eq!(dir.remove_stale("sub").unwrap(), 3);
        let mut kept = kept.map(std::ffi::OsString::from).to_vec();
        kept.sort();
        assert_eq!(names(), kept);
        for nothing in ["missing", "sub/file", "..", ""] {
            assert_eq!(dir.remove_stale(nothing).unwrap(), 0, "{nothing}");
        }
    }
}
