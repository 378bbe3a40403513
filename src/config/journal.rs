//! The report as a journal: how a run is taken up again.

use std::path::PathBuf;

/// What is done with the report of an earlier run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalConfig {
    /// `--fresh`: it is begun anew.
    pub is_fresh: bool,
    /// `--retry-failed`: which of the lines that failed are tried again.
    pub retry_failed: RetryFailed,
    /// `--save-session`: where what failed or is left is written, as a list.
    pub save_session: Option<PathBuf>,
    /// `--verify`: a tree is compared with the report, and nothing is pulled.
    pub is_verify: bool,
    /// `--check-integrity`: files that are not as their rows say are pulled again.
    pub is_check: bool,
    /// `--sync`: what of the report outlasts a power loss.
    pub sync: SyncMode,
}

/// When rows, and the files they speak of, are brought to the disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SyncMode {
    /// When the kernel likes.
    None,
    /// Every few seconds, and at the end of a run that is longer.
    #[default]
    Interval,
    /// Each file before its row, and each row before anything counts it.
    Always,
}

/// Which of the lines that failed in an earlier run are tried again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RetryFailed {
    /// None: they are passed over, and count as failed.
    #[default]
    None,
    /// The lines whose next attempt may well succeed.
    Transient,
    /// All.
    All,
}
