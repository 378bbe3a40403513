//! How far a report and its files were on the disk, and when that was said.
//!
//! The mark is a note that stays with the report. What is behind it may be in the memory of the
//! kernel only, which is as good as the disk while the machine runs on and nothing is unmounted:
//! an [`Epoch`]. In another one, rows behind the mark prove nothing.

use crate::ring::journal::{set_xattr, xattr};
use crate::ring::mount::mount_id;
use std::fs::File;

/// One boot of the machine, one mount of the report, and one of the directory of its files. For as
/// long as an epoch lasts, what was written is there, on the disk or in the memory of the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Epoch {
    boot: String,
    /// Identifiers of the mounts: that of the report, and that of the files.
    mounts: (u64, u64),
}

impl Epoch {
    /// The epoch of an open report whose files are on the mount `files`; `None` where the machine
    /// does not tell.
    pub(crate) fn now(report: &File, files: Option<u64>) -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let boot = Some(boot.trim()).filter(|boot| !boot.is_empty())?;
        Some(Self { boot: boot.to_owned(), mounts: (mount_id(report)?, files?) })
    }
}

/// How far a report was durable.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    /// The epoch in which that was said, if it was known.
    pub(super) epoch: Option<Epoch>,
    /// Bytes of the report.
    pub(super) length: u64,
}

impl Mark {
    /// The mark of a report, if it has one.
    pub(super) fn of(report: &File) -> Option<Self> {
        Self::parse(&xattr(report, XATTR_DURABLE)?)
    }

    /// Notes it with the report; `false` where that cannot be.
    pub(super) fn set(&self, report: &File) -> bool {
        set_xattr(report, XATTR_DURABLE, &self.text())
    }

    /// Whether all rows count, those behind the mark too.
    pub(super) fn is_of(&self, now: Option<&Epoch>) -> bool {
        self.epoch.is_some() && self.epoch.as_ref() == now
    }

    fn text(&self) -> String {
        let length = self.length;
        match &self.epoch {
            Some(Epoch { boot, mounts: (report, files) }) => {
                format!("{boot} {length} {report} {files}")
            }
            None => format!("- {length}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (boot, length) = (words.next()?, words.next()?.parse().ok()?);
        let mut mount = || words.next()?.parse().ok();
        let mounts = mount().zip(mount());
        Some(Self { epoch: mounts.map(|mounts| Epoch { boot: boot.to_owned(), mounts }), length })
    }
}

/// The name of the mark.
const XATTR_DURABLE: &str = "user.ringpull.durable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_an_old_one_is_of_no_epoch() {
        let epoch = Epoch { boot: "boot".to_owned(), mounts: (1, u64::MAX) };
        let mark = Mark { epoch: Some(epoch.clone()), length: 7 };
        assert_eq!(Mark::parse(&mark.text()), Some(mark.clone()));
        assert!(mark.is_of(Some(&epoch)) && !mark.is_of(None));
        for mounts in [(2, u64::MAX), (1, 2)] {
            assert!(!mark.is_of(Some(&Epoch { mounts, ..epoch.clone() })));
        }
        let unknown = Mark { epoch: None, length: 7 };
        assert_eq!(Mark::parse(&unknown.text()), Some(unknown.clone()));
        assert!(!unknown.is_of(None), "nothing is known to be the same");
        assert_eq!(Mark::parse("boot 7"), Some(unknown));
        assert_eq!(Mark::parse("boot"), None);
    }
}
