//! When a run ends before its list, and which failures it may have.

use crate::cli::values::{self, Bytes, Millis};
use crate::report::budget::{Budget, ErrorsMax};
use clap::Args;

/// When a run ends before its list.
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts, retries and the end of a run")]
pub struct BudgetArgs {
    /// End the run when N URLs, or P% of those tried, have failed.
    ///
    /// P% counts from 100 URLs on. What is in flight may finish, as after Ctrl-C; the exit status
    /// is 9, and the same command goes on later, if it has a report.
    ///
    /// Example: --max-errors 20%
    #[arg(long, value_name = "N|P%", value_parser = errors_max)]
    pub max_errors: Option<ErrorsMax>,
    /// End the run at the first failure: --max-errors 1.
    ///
    /// Not together with --max-errors.
    #[arg(long, conflicts_with = "max_errors", hide_short_help = true)]
    pub fail_early: bool,
    /// End the run after this time.
    ///
    /// In the same way as --max-errors does.
    #[arg(long, alias = "stop", value_name = "TIME", value_parser = values::deadline)]
    pub max_duration: Option<Millis>,
    /// End the run when its downloads come to this many bytes.
    ///
    /// Finished ones count. It ends in the same way as with --max-errors. 0 means no limit.
    #[arg(short = 'Q', long, alias = "max-transfer", value_name = "SIZE",
          value_parser = values::bytes)]
    pub quota: Option<Bytes>,
    /// End the run when N files are done: a sample of a list.
    ///
    /// N files of this run, neither more nor fewer: a line begins only as long as those done and
    /// those under way come to fewer than N. They are the first lines of the list that can be
    /// pulled: for one that fails, after its retries, or that is skipped, the next one begins.
    /// What an earlier run has done does not count. The lines behind are not started, and are in
    /// --save-session. The exit status is 0 with N files, whatever servers did with other lines.
    ///
    /// Example: --max-files 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..),
          hide_short_help = true)]
    pub max_files: Option<u64>,
    /// Exit status 0 when at least P% of the URLs are ok.
    ///
    /// In place of 4 to 8, the failures of servers and the network; see `ringpull help exit`.
    /// Skipped files count as ok.
    ///
    /// Example: --ok-if 95%
    #[arg(long, value_name = "P%", value_parser = percent, hide_short_help = true)]
    pub ok_if: Option<f64>,
}

impl BudgetArgs {
    /// The budget of the run.
    pub(crate) fn resolve(&self) -> Budget {
        let fail_early = self.fail_early.then_some(ErrorsMax::Count(1));
        Budget {
            errors_max: self.max_errors.or(fail_early),
            duration_max_ms: self.max_duration.map(|time| time.0),
            files_max: self.max_files,
            bytes_max: self.quota.map(|bytes| bytes.0).filter(|bytes| *bytes > 0),
            ok_percent_min: self.ok_if,
        }
    }
}

fn errors_max(text: &str) -> Result<ErrorsMax, String> {
    if text.ends_with('%') {
        return percent(text).map(ErrorsMax::Percent);
    }
    match text.parse() {
        Ok(0) => {
            Err("1 ends the run at the first failure; leave the option out for no limit".to_owned())
        }
        Ok(count) => Ok(ErrorsMax::Count(count)),
        Err(_) => Err("use a number of URLs (10) or a percentage (5%)".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(percent) if is_plain && percent <= 100.0 => Ok(percent),
        Ok(_) | Err(_) => Err("use a percentage from 0% to 100%, for instance 95%".to_owned()),
    }
}
