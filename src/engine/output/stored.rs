//! What came of a body, and where it is.

use crate::engine::output::collected::ToPack;
use crate::fault::{Cause, Fault, Stage};
use crate::plan::checksum::Checksum;
use crate::report::location;
use crate::ring::file::NameBy;

/// What came of a body.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Where the body is.
    pub(crate) location: Location,
    /// Length of the body in bytes.
    pub(crate) size: u64,
    /// Digest of the body, where one was computed.
    pub(crate) digest: Option<Checksum>,
    /// How the file got its name, where it is a file.
    pub(crate) naming: Option<NameBy>,
    /// Whether the file took the place of another one.
    pub(crate) has_replaced: bool,
    /// Number of the line that the body was stored for, where that is another one.
    pub(crate) duplicate_of: Option<u64>,
}

impl Stored {
    /// Whether the body is in no archive yet.
    pub(crate) fn is_collected(&self) -> bool {
        matches!(self.location, Location::Collected(_))
    }
}

/// Where a stored body is.
#[derive(Debug)]
pub(crate) enum Location {
    /// Under the path that its job had for it.
    Planned,
    /// Under another path beneath the directory of the run, since that one was taken.
    Renamed(String),
    /// On standard output.
    Stdout,
    /// In a shard: the file name of that, and the name of the member.
    Member(Box<(String, String)>),
    /// In no archive yet: whoever makes the row packs both.
    Collected(Box<ToPack>),
    /// Nowhere.
    Null,
}

/// For tests: places are the same that look the same.
#[cfg(test)]
impl PartialEq for Location {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Location {
    /// Where a file is beneath the directory of the run, of which `planned` is the path that its
    /// job had for it.
    pub(super) fn path<'p>(&'p self, planned: &'p str) -> &'p str {
        match self {
            Self::Renamed(path) => path,
            Self::Planned | Self::Stdout | Self::Member(_) | Self::Collected(_) | Self::Null => {
                planned
            }
        }
    }

    /// What the column `filename` says of the body. `dir` is the directory as rows show it,
    /// `planned` the path that the job had for the file.
    pub(crate) fn shown(&self, dir: &str, planned: &str) -> Option<String> {
        match self {
            Self::Planned => Some(location::of_file(dir, planned)),
            Self::Renamed(path) => Some(location::of_file(dir, path)),
            Self::Stdout => Some(location::STDOUT.to_owned()),
            Self::Member(member) => Some(location::of_member(dir, &member.0, &member.1)),
            Self::Collected(_) | Self::Null => None,
        }
    }
}

/// Why a body is not stored.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// Another file has the name, and is kept as it is.
    Kept,
    /// A fault.
    Fault(Fault),
}

impl From<Fault> for Obstacle {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The fault of a body that cannot be written.
pub(crate) fn write_fault(cause: Cause) -> Fault {
    Fault::new(Stage::Write, cause)
}
