//! The report as a journal: how a run is taken up again.

/// What is done with the report of an earlier run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalConfig {
    /// `--fresh`: it is begun anew.
    pub is_fresh: bool,
    /// `--retry-failed`: which of the lines that failed are tried again.
    pub retry_failed: RetryFailed,
}

/// Which of the lines that failed in an earlier run are tried again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RetryFailed {
    /// None: they are passed over, and count as failed.
    #[default]
    None,
    /// Those whose next attempt may well succeed.
    Transient,
    /// All.
    All,
}
