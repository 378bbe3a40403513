//! Owner of a file: the line of a report that it was written for.
//!
//! A file gets its name before its row is written, so a run that is killed in between leaves a
//! whole file that no row speaks of. Where files that exist are kept, the run that takes it up
//! again would take such a file for a foreign one. So each has an extended attribute (xattr(7))
//! that names its report and its line.

use super::Dir;
use crate::ring::journal::{set_xattr, xattr};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::os::fd::OwnedFd;

impl Dir {
    /// Signs files from now on as those of this report.
    pub fn set_owner(&mut self, owner: u64) {
        self.of_run().owner = Some(owner);
    }

    /// Expects files of one line to be links to those of another (`--dedupe content`): they are
    /// signed as those of the first.
    pub fn set_links(&mut self, has_links: bool) {
        self.of_run().has_links = has_links;
    }

    /// Signs an open file as that of an input line, if there is a report, and if the file system
    /// keeps extended attributes.
    pub(in crate::ring) fn sign(&self, file: &OwnedFd, index: u64) {
        if let Some(owner) = self.run.owner {
            // Without it, the file is kept as somebody else's.
            let _: bool = set_xattr(file, XATTR_OWNER, &signature(owner, index));
        }
    }

    /// Whether the file of this name is one that an earlier run pulled, or was about to, for the
    /// same line.
    pub fn is_own(&self, name: &str, index: u64) -> bool {
        let stat = rustix::fs::statat(&*self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        // To open a device or a pipe may do something.
        let is_file = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let Some(stat) = stat.ok().filter(is_file) else { return false };
        if stat.st_size == 0 && self.is_placeholder(name, index) {
            return true;
        }
        let Some(owner) = self.run.owner else { return false };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::openat(&*self.fd, name, flags, Mode::empty())
            .ok()
            .and_then(|file| xattr(file, XATTR_OWNER))
            .is_some_and(|found| {
                // One that has a row by now has a name that no other line is given.
                let may_be_link = self.run.has_links && stat.st_nlink > 1;
                let is_of_report = || found.starts_with(&signature_of(owner));
                found == signature(owner, index) || may_be_link && is_of_report()
            })
    }
}

fn signature(owner: u64, index: u64) -> String {
    format!("{}{index}", signature_of(owner))
}

/// Begin of the signatures of a report's files.
fn signature_of(owner: u64) -> String {
    format!("{owner:016x}-")
}

/// Name of the extended attribute.
const XATTR_OWNER: &str = "user.ringpull.line";
