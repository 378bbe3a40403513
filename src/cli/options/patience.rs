//! How long and how often.

use crate::cli::values::{self, Bytes, Millis};
use crate::config::Timeouts;
use crate::limits;
use crate::plan::retry::Policy;
use clap::Args;

/// How long and how often. Times are seconds (10, 1.5) or carry a unit (500ms, 2m, 1h).
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts, retries and the end of a run")]
pub struct PatienceArgs {
    /// Longest name lookup, connect or TLS handshake [default: 10s]
    ///
    /// For each of them; all addresses of a host have this time together.
    #[arg(long, value_name = "TIME", value_parser = values::deadline)]
    pub connect_timeout: Option<Millis>,
    /// Longest time without a received byte [default: 30s]
    ///
    /// The head of a response must be complete within this time, too.
    #[arg(long, value_name = "TIME", value_parser = values::deadline)]
    pub read_timeout: Option<Millis>,
    /// Longest time per URL, retries and waits included.
    ///
    /// A deadline is always on: for none, give a long one. At most 365 days.
    #[arg(short, long, value_name = "TIME", value_parser = values::deadline,
          default_value_t = Millis(limits::TIMEOUT_JOB_DEFAULT_MS))]
    pub max_time: Millis,
    /// Abort and retry a transfer slower than this.
    ///
    /// Bytes a second, judged over --speed-time. Only time in which ringpull receives counts, not
    /// its waiting for a limit or a disk. 0 never aborts.
    #[arg(short = 'Y', long, alias = "lowest-speed-limit", value_name = "BYTES",
          value_parser = values::bytes,
          default_value_t = Bytes(limits::SPEED_MIN_DEFAULT_BYTES_PER_S), hide_short_help = true)]
    pub speed_limit: Bytes,
    /// Time over which --speed-limit is judged.
    ///
    /// A transfer is aborted when it brought less than this time's share of bytes.
    #[arg(short = 'y', long, value_name = "TIME", value_parser = values::deadline,
          default_value_t = Millis(limits::SPEED_TIME_DEFAULT_MS), hide_short_help = true)]
    pub speed_time: Millis,
    /// Both --connect-timeout and --read-timeout, where not given.
    ///
    /// As wget's --timeout.
    #[arg(short = 'T', long, value_name = "TIME", value_parser = values::deadline,
          hide_short_help = true)]
    pub timeout: Option<Millis>,
    /// Further attempts after a failure that may pass.
    ///
    /// Lost connections, timeouts, 429, 5xx and the like. A 429 or 503 of a host that answers
    /// others well meanwhile costs no attempt. 0 asks for each URL once.
    #[arg(long, value_name = "N", default_value_t = limits::RETRIES_DEFAULT)]
    pub retry: u32,
    /// Attempts in all: one more than --retry.
    ///
    /// 0 goes on until --max-time. Not together with --retry.
    #[arg(
        long,
        alias = "max-tries",
        value_name = "N",
        conflicts_with = "retry",
        hide_short_help = true
    )]
    pub tries: Option<u32>,
    /// First wait before a further attempt.
    ///
    /// The next ones are twice as long each, up to a minute, with jitter. A waiting URL holds up no
    /// other.
    #[arg(long, aliases = ["retry-wait", "waitretry"], value_name = "TIME",
          value_parser = values::duration,
          default_value_t = Millis(limits::RETRY_DELAY_DEFAULT_MS), hide_short_help = true)]
    pub retry_delay: Millis,
    /// Longest Retry-After of a server that is waited for.
    ///
    /// After 429 the whole host waits, after any other status the URL. One that asks for more fails
    /// (http.retry_after). A host that refuses everything (429, 503) for this long is given up: its
    /// other URLs fail untried (http.host_busy).
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::RETRY_AFTER_MAX_MS), hide_short_help = true)]
    pub retry_after_max: Millis,
    /// Time for downloads in flight to finish after Ctrl-C.
    ///
    /// A second Ctrl-C ends at once. The same command goes on later, if it has a report.
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::GRACE_DEFAULT_MS), hide_short_help = true)]
    pub grace: Millis,
}

impl PatienceArgs {
    /// The deadlines.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let either = |own: Option<Millis>, default_ms: u64| {
            own.or(self.timeout).map_or(default_ms, |span| span.0)
        };
        Timeouts {
            connect_ms: either(self.connect_timeout, limits::TIMEOUT_CONNECT_DEFAULT_MS),
            read_ms: either(self.read_timeout, limits::TIMEOUT_READ_DEFAULT_MS),
            job_ms: self.max_time.0,
            speed_min: self.speed_limit.0,
            speed_ms: self.speed_time.0,
        }
    }

    /// `--tries` counts the first attempt, `--retry` does not; no limit of `--tries 0` is the
    /// largest one, and `--max-time` ends it.
    pub(crate) fn retry(&self) -> Policy {
        let retries_max = match self.tries {
            None => self.retry,
            Some(tries) => tries.checked_sub(1).unwrap_or(u32::MAX),
        };
        let delay_base_ms = self.retry_delay.0;
        Policy {
            retries_max,
            delay_base_ms,
            delay_max_ms: limits::RETRY_DELAY_MAX_MS.max(delay_base_ms),
            retry_after_max_ms: self.retry_after_max.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::{config, options, refused};

    #[test]
    fn names_of_the_options() {
        let args = options(&["--connect-timeout", "1.5", "--read-timeout", "500ms", "-m", "2m"]);
        assert_eq!(args.patience.connect_timeout, Some(Millis(1_500)));
        assert_eq!(args.patience.read_timeout, Some(Millis(500)));
        assert_eq!(args.patience.max_time, Millis(120_000));
        for flag in ["-T", "--timeout"] {
            assert_eq!(options(&[flag, "3"]).patience.timeout, Some(Millis(3_000)));
        }
        assert_eq!(options(&["--max-time", "1h"]).patience.max_time, Millis(3_600_000));
        assert_eq!(options(&["--retry", "0"]).patience.retry, 0);
        for flag in ["--tries", "--max-tries"] {
            assert_eq!(options(&[flag, "4"]).patience.tries, Some(4), "{flag}");
        }
        for flag in ["--retry-delay", "--retry-wait", "--waitretry"] {
            assert_eq!(options(&[flag, "0"]).patience.retry_delay, Millis(0), "{flag}");
        }
        assert_eq!(options(&["--retry-after-max", "9"]).patience.retry_after_max, Millis(9_000));
        assert_eq!(options(&["--grace", "0"]).patience.grace, Millis(0));
        refused(&["--retry", "1", "--tries", "2", "u"]);
        assert!(refused(&["--max-time", "0", "u"]).contains("a deadline is always on"));
    }

    #[test]
    fn deadlines() {
        let of = |line: &[&str]| {
            let timeouts = config(line).timeouts;
            (timeouts.connect_ms, timeouts.read_ms, timeouts.job_ms)
        };
        let job_ms = limits::TIMEOUT_JOB_DEFAULT_MS;
        assert_eq!(of(&["-T", "3", "u"]), (3_000, 3_000, job_ms));
        assert_eq!(of(&["-T", "3", "--read-timeout", "4", "u"]), (3_000, 4_000, job_ms));
        assert_eq!(
            of(&["--connect-timeout", "1", "-m", "2", "u"]),
            (1_000, limits::TIMEOUT_READ_DEFAULT_MS, 2_000)
        );
        assert_eq!(config(&["--grace", "1.5", "u"]).grace_ms, 1_500);
    }

    #[test]
    fn tries_count_the_first_attempt() {
        for (line, retries_max) in [
            (&["u"][..], limits::RETRIES_DEFAULT),
            (&["--retry", "5", "u"], 5),
            (&["--tries", "5", "u"], 4),
            (&["--tries", "1", "u"], 0),
            (&["--max-tries", "0", "u"], u32::MAX),
        ] {
            assert_eq!(config(line).retry.retries_max, retries_max, "{line:?}");
        }
        let retry = config(&["--retry-delay", "2m", "--retry-after-max", "1h", "u"]).retry;
        assert_eq!((retry.delay_base_ms, retry.delay_max_ms), (120_000, 120_000));
        assert_eq!(retry.retry_after_max_ms, 3_600_000);
    }
}
