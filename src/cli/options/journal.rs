//! Taking a run up again.

use crate::cli::options::PullArgs;
use crate::cli::values;
use crate::config::{Fsync, JournalConfig, RetryFailed, SyncMode};
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

/// What is done with the report of an earlier run.
pub(crate) fn resolve(args: &PullArgs) -> anyhow::Result<JournalConfig> {
    let typed = &args.journal;
    let needy = [
        ("--retry-failed", typed.retry_failed.is_some()),
        ("--verify", typed.verify),
        ("--fresh", typed.fresh),
    ];
    if args.report.is_report_printed()
        && let Some((flag, _)) = needy[..2].iter().find(|(_, is_typed)| *is_typed)
    {
        bail!(RunError::usage(format!(
            "cannot use {flag} with --report -, from which nothing is read back: give --report a \
             file"
        )));
    }
    if args.report.report.is_none()
        && let Some((flag, _)) = needy.iter().find(|(_, is_typed)| *is_typed)
    {
        bail!(RunError::usage(format!(
            "cannot use {flag} without a report, which says what earlier runs did: \
             add --report FILE.csv"
        )));
    }
    if typed.verify && !(args.urls.is_empty() && args.input.files.is_empty()) {
        bail!(RunError::usage(
            "cannot use --verify with a list: it compares all files of the report and pulls nothing"
        ));
    }
    if typed.verify && typed.fresh {
        bail!(RunError::usage(
            "cannot use --verify and --fresh together: nothing would be left to compare with"
        ));
    }
    if typed.fresh && typed.retry_failed.is_some() {
        bail!(RunError::usage(
            "cannot use --fresh and --retry-failed together: a report that is begun anew tells of \
             no failures"
        ));
    }
    check_misread(args)?;
    Ok(JournalConfig {
        is_fresh: typed.fresh,
        retry_failed: typed.retry_failed.unwrap_or_default(),
        is_verify: typed.verify,
        save_session: typed.save_session.clone(),
        sync: typed.sync,
    })
}

/// What was meant as a value would become something else: a line of the list, which the report
/// knows from then on, or a file of an odd name.
fn check_misread(args: &PullArgs) -> anyhow::Result<()> {
    let is_value = |url: &&String| matches!(url.as_str(), "all" | "transient");
    if args.journal.retry_failed.is_some()
        && let Some(value) = args.urls.iter().find(is_value)
    {
        bail!(RunError::usage(format!(
            "cannot tell whether {value:?} is a URL: write --retry-failed={value}"
        )));
    }
    if args.journal.save_session.as_ref().is_some_and(|path| path.as_os_str() == "-") {
        bail!(RunError::usage(
            "cannot save the session to standard output: it takes its name when the run has ended, \
             so it must be a file"
        ));
    }
    Ok(())
}

/// What must be on the disk before a file counts as done: with `--sync always` it and its name,
/// because its row is then.
pub(crate) fn fsync(args: &PullArgs, typed: Fsync) -> Fsync {
    match args.journal.sync {
        SyncMode::Always if args.report.report_path().is_some() => Fsync::Dir,
        SyncMode::None | SyncMode::Interval | SyncMode::Always => typed,
    }
}
