//! What is noted with a report, carried over to a file that has the same rows in another form.

use super::mark::Mark;
use super::{ODD, XATTR_OWNER, XATTR_TOKEN, token};
use crate::ring::journal::{set_xattr, xattr};
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// How far a report is known to be durable: bytes of a journal, or rows of a table.
pub(crate) fn durable(report: &File) -> Option<u64> {
    Mark::of(report).map(|mark| mark.length)
}

/// Notes with `to` what is noted with `from`: it is the same report, though its files are others.
/// `durable` is how far it is known to be durable, as `to` counts that.
pub(crate) fn carry(from: &File, to: &File, durable: u64) -> io::Result<()> {
    let place = |file: &File| file.metadata().map(|found| found.ino().wrapping_mul(ODD));
    let (here, there) = (place(from)?, place(to)?);
    // Where a file system keeps no notes, each of these is as good as none.
    let _: bool = set_xattr(to, XATTR_TOKEN, &format!("{:016x}", token(from)? ^ there));
    let owner = xattr(from, XATTR_OWNER).and_then(|text| u64::from_str_radix(&text, 16).ok());
    if let Some(owner) = owner {
        let _: bool = set_xattr(to, XATTR_OWNER, &format!("{:016x}", owner ^ here ^ there));
    }
    if let Some(mark) = Mark::of(from) {
        let _: bool = Mark { length: durable, ..mark }.set(to);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::mark::Epoch;
    use super::super::owner;
    use super::*;

    #[test]
    fn a_report_that_is_carried_over_is_the_same() {
        let files: Vec<File> = (0..3).map(|_| tempfile::tempfile().unwrap()).collect();
        if !set_xattr(&files[0], XATTR_OWNER, "0") {
            return;
        }
        let (named, owned) = (token(&files[0]).unwrap(), owner(&files[0], true).unwrap());
        let epoch = Epoch::now(&files[0], Some(2));
        assert!(Mark { epoch: epoch.clone(), length: 700 }.set(&files[0]));
        carry(&files[0], &files[1], 7).unwrap();
        assert_eq!(durable(&files[1]), Some(7));
        carry(&files[1], &files[2], 701).unwrap();
        assert_eq!(token(&files[2]).unwrap(), named);
        assert_eq!(owner(&files[2], false), Some(owned));
        assert_eq!(Mark::of(&files[2]), Some(Mark { epoch, length: 701 }));
        let copy = tempfile::tempfile().unwrap();
        let noted = xattr(&files[2], XATTR_TOKEN).unwrap();
        set_xattr(&copy, XATTR_TOKEN, &noted);
        assert_ne!(token(&copy).unwrap(), named, "a copy is another report");
    }
}
