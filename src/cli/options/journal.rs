//! Taking a run up again.

use crate::cli::values;
use crate::config::{JournalConfig, RetryFailed, SyncMode};
use crate::error::RunError;
use anyhow::bail;
use clap::Args;
use clap::builder::TypedValueParser;
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
          default_missing_value = "all", value_parser = retry_failed())]
    pub retry_failed: Option<RetryFailed>,
    /// List of what failed or is left at the end, with options, for -i of this program or aria2c
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub save_session: Option<PathBuf>,
    /// Pull nothing, but compare the files of a tree with --report: their presence, length, and
    /// digest where there is one. What differs is listed on standard output
    #[arg(long)]
    pub verify: bool,
    /// When the report and the files that it speaks of are brought to the disk: never, every 5 s,
    /// or each before it counts
    #[arg(long, value_name = "WHEN", default_value = "interval", value_parser = sync())]
    pub sync: SyncMode,
}

impl JournalArgs {
    /// What is done with the report of an earlier run.
    ///
    /// # Errors
    /// A [`RunError`] of class usage about options that leave nothing to each other.
    pub(crate) fn resolve(&self) -> anyhow::Result<JournalConfig> {
        if self.verify && self.fresh {
            bail!(RunError::usage(
                "cannot use --verify and --fresh together: nothing would be left to compare with"
            ));
        }
        if self.fresh && self.retry_failed.is_some() {
            bail!(RunError::usage(
                "cannot use --fresh and --retry-failed together: a report that is begun anew tells \
                 of no failures"
            ));
        }
        if self.save_session.as_ref().is_some_and(|path| path.as_os_str() == "-") {
            bail!(RunError::usage(
                "cannot save the session to standard output: it takes its name when the run has \
                 ended, so it must be a file"
            ));
        }
        Ok(JournalConfig {
            is_fresh: self.fresh,
            retry_failed: self.retry_failed.unwrap_or_default(),
            is_verify: self.verify,
            save_session: self.save_session.clone(),
            sync: self.sync,
        })
    }
}

/// The values of `--retry-failed`.
fn retry_failed() -> impl TypedValueParser<Value = RetryFailed> {
    values::one_of([
        ("all", RetryFailed::All, "every line that failed"),
        ("transient", RetryFailed::Transient, "lines whose failure may pass"),
    ])
}

/// The values of `--sync`.
fn sync() -> impl TypedValueParser<Value = SyncMode> {
    values::one_of([
        ("none", SyncMode::None, "never: the kernel writes when it likes"),
        ("interval", SyncMode::Interval, "every 5 s"),
        ("always", SyncMode::Always, "each file before its row, and each row before it counts"),
    ])
}
