//! Options about taking a run up again.

use crate::cli::values;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Taking a run up again.
#[derive(Debug, Args)]
#[command(next_help_heading = "Taking a run up again")]
pub struct JournalArgs {
    /// Begin the report anew: a report that exists is continued otherwise, and lines that it says
    /// are done are passed over
    #[arg(long)]
    pub fresh: bool,
    /// Try lines again that failed in an earlier run, by its report: all, or those whose failure
    /// may pass
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true,
          default_missing_value = "all")]
    pub retry_failed: Option<RetryFailedArg>,
    /// List of what failed or is left at the end, with options, for -i of this program or aria2c
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub save_session: Option<PathBuf>,
    /// Pull nothing, but compare the files of a tree with --report: their presence, length, and
    /// digest where there is one. What differs is listed on standard output
    #[arg(long)]
    pub verify: bool,
    /// When the report and the files that it speaks of are brought to the disk: never, every 5 s,
    /// or each before it counts
    #[arg(long, value_name = "WHEN", default_value = "interval")]
    pub sync: SyncArg,
}

/// `--sync`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::SyncMode says")]
pub enum SyncArg {
    None,
    Interval,
    Always,
}

/// `--retry-failed`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::RetryFailed says")]
pub enum RetryFailedArg {
    All,
    Transient,
}
