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
    /// The body, where it is not stored yet: whoever makes its row packs both.
    pub(crate) body: Option<Box<ToPack>>,
}

/// Where a stored body is.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Location {
    /// Under the path that its job had for it.
    Planned,
    /// Under another path beneath the directory of the run, since that one was taken.
    Renamed(String),
    /// On standard output.
    Stdout,
    /// In a shard: the file name of that, and the name of the member.
    Member(Box<(String, String)>),
    /// Nowhere.
    Null,
}

impl Location {
    /// Where a file is beneath the directory of the run, of which `planned` is the path that its
    /// job had for it.
    pub(super) fn path<'p>(&'p self, planned: &'p str) -> &'p str {
        match self {
            Self::Renamed(path) => path,
            Self::Planned | Self::Stdout | Self::Member(_) | Self::Null => planned,
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
            Self::Null => None,
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
