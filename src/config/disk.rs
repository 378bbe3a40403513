//! How files are named and spread over folders, and how long a full disk is waited for.

use crate::limits;

/// `--dirs`: the folders that files go into, beneath the directory of the run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Dirs {
    /// `hash:2/2`: by a hash of the URL. One folder a level, each with so many hexadecimal digits
    /// of the hash, from the first on.
    Hash(Vec<u8>),
    /// `seq:1000`: by the number of the input line, so many lines a folder; at least 1.
    Lines(u64),
    /// `host`: by the host, with its port where that is not the default of the scheme.
    Host,
}

/// `--restrict-file-names`: the names that files may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RestrictNames {
    /// Those that Linux allows, whatever the file system.
    Unix,
    /// Those that Windows allows, and distinct there.
    Windows,
}

/// What is done about names, folders and a full disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskConfig {
    /// Folders that files are spread over; without it all are in one.
    pub dirs: Option<Dirs>,
    /// Which names files may have; without it the file system decides.
    pub restrict_names: Option<RestrictNames>,
    /// `--disk-wait`: how long a full disk is waited for, in milliseconds; with 0 the job that
    /// meets it fails.
    pub wait_ms: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self { dirs: None, restrict_names: None, wait_ms: limits::DISK_WAIT_DEFAULT_MS }
    }
}
