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
#[command(next_help_heading = "Report")]
pub struct JournalArgs {
    /// Begin the report anew instead of continuing it.
    ///
    /// Needs --report. Files stay; see --on-conflict.
    #[arg(long)]
    pub fresh: bool,
    /// Retry lines that failed before.
    ///
    /// By the report of an earlier run, which is continued; needs --report. Without a value it is
    /// all.
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true,
          default_missing_value = "all", value_parser = retry_failed())]
    pub retry_failed: Option<RetryFailed>,
    /// List of what failed or is left, for -i or aria2c -i.
    ///
    /// Written at the end, with the options of each URL. It may replace the list that is read.
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub save_session: Option<PathBuf>,
    /// Compare files with the report, and pull nothing.
    ///
    /// Their presence, length, and digest where there is one. What differs is listed on standard
    /// output, and the exit status is 7. Needs --report; takes no list.
    #[arg(long)]
    pub verify: bool,
    /// Pull files again that are not as the report says.
    ///
    /// Before the run goes on with its report, it compares what is there as --verify does: what is
    /// missing, of another length or of another digest is pulled again, and of a shard with such a
    /// member all lines. Needs --report.
    #[arg(long, hide_short_help = true)]
    pub check_integrity: bool,
    /// When the report and its files are brought to the disk.
    ///
    /// What is not there yet at a power cut is pulled again by the next run, unless it has a digest
    /// that proves it. See `ringpull help resume`.
    #[arg(long, value_name = "WHEN", default_value = "interval", value_parser = sync(),
          hide_short_help = true)]
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
                "cannot use --fresh and --retry-failed together: a report that is begun anew has \
                 no failures to retry"
            ));
        }
        if self.check_integrity && (self.fresh || self.verify) {
            let other = if self.fresh { "--fresh" } else { "--verify" };
            let why = match self.fresh {
                true => "a report that is begun anew says nothing of files",
                false => "one pulls files again, the other only tells of them",
            };
            bail!(RunError::usage(format!(
                "cannot use --check-integrity and {other} together: {why}"
            )));
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
            is_check: self.check_integrity,
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
