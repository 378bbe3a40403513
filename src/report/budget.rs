//! Decision whether a run has used up its budget, made in this place only.

use super::stats::Stats;
use crate::limits;
use std::fmt;
use std::time::Duration;

/// What a run may cost. Nothing is bounded by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// `--max-errors`, `--fail-early`: rows that may fail.
    pub errors_max: Option<ErrorsMax>,
    /// `--max-duration`: how long the run may take, in milliseconds.
    pub duration_max_ms: Option<u64>,
    /// `--quota`: body bytes that may be received.
    pub bytes_max: Option<u64>,
    /// `--max-files`: files that are wanted, at least 1. Lines begin only as long as they may all
    /// be among them.
    pub files_max: Option<u64>,
    /// `--ok-if`: percentage of rows that are ok, or were there, from which on failures of servers
    /// and the network do not count for the exit status.
    pub ok_percent_min: Option<f64>,
}

/// How many rows may fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ErrorsMax {
    /// The run ends when so many have failed, at least 1.
    Count(u64),
    /// The run ends when more than this percentage of the rows that were tried have failed.
    Percent(f64),
}

/// The part of its budget that a run has used up.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Limit {
    /// `--max-errors`, `--fail-early`
    Errors,
    /// `--max-duration`
    Duration,
    /// `--quota`
    Quota,
    /// `--max-files`
    Files,
}

impl Limit {
    /// Value of `stopped_by` in the statistics file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "max_errors",
            Self::Duration => "max_duration",
            Self::Quota => "quota",
            Self::Files => "max_files",
        }
    }
}

/// Says for people what happened, and the option that asks for it.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Errors => "too many failures, --max-errors",
            Self::Duration => "the time is over, --max-duration",
            Self::Quota => "enough bytes came, --quota",
            Self::Files => "so many files are done, --max-files",
        })
    }
}

/// The part of its budget that a run with these rows and this duration has used up, if any. A
/// percentage of failures is looked at from [`limits::ERRORS_PERCENT_ROWS_MIN`] rows on: the first
/// failure alone is always one of few. Rows that are skipped or cancelled say nothing about
/// failures.
pub fn spent(budget: &Budget, stats: &Stats, elapsed: impl FnOnce() -> Duration) -> Option<Limit> {
    let tried = stats.ok + stats.failed;
    let has_too_many_errors = match budget.errors_max {
        None => false,
        Some(ErrorsMax::Count(count)) => stats.failed >= count,
        Some(ErrorsMax::Percent(percent)) => {
            tried >= limits::ERRORS_PERCENT_ROWS_MIN
                && stats.failed as f64 * 100.0 > percent * tried as f64
        }
    };
    // The last file of all is what was asked for, whatever else is used up with it.
    if budget.files_max.is_some_and(|files| stats.ok >= files) {
        Some(Limit::Files)
    } else if has_too_many_errors {
        Some(Limit::Errors)
    } else if budget.bytes_max.is_some_and(|bytes| stats.bytes >= bytes) {
        Some(Limit::Quota)
    } else if budget.duration_max_ms.is_some_and(|ms| elapsed() >= Duration::from_millis(ms)) {
        Some(Limit::Duration)
    } else {
        None
    }
}

/// Whether enough lines are ok, or were there, that `--ok-if` pardons the others; lines that were
/// passed over because of earlier runs are among them.
pub(super) fn is_pardoned(ok_percent_min: Option<f64>, stats: &Stats) -> bool {
    let good = (stats.ok + stats.skipped + stats.passed.good) as f64;
    let all = (stats.count + stats.passed.good + stats.passed.failed) as f64;
    ok_percent_min.is_some_and(|percent| good * 100.0 >= percent * all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::journal::Passed;
    use crate::report::row::tests::{row_failed, row_ok, row_skipped};

    fn stats(ok: u64, skipped: u64, failed: u64) -> Stats {
        let mut stats = Stats::default();
        for (row, count) in [(row_ok(), ok), (row_skipped(), skipped), (row_failed(), failed)] {
            (0..count).for_each(|_| stats.record(&row));
        }
        stats
    }

    #[test]
    fn each_limit_has_its_edge() {
        let none = Budget::default();
        let second = Duration::from_secs(1);
        let errors = |errors_max| Budget { errors_max: Some(errors_max), ..none };
        let count = errors(ErrorsMax::Count(3));
        let percent = errors(ErrorsMax::Percent(2.5));
        let bytes = row_ok().size_download;
        let quota = Budget { bytes_max: Some(2 * bytes), ..none };
        let files = Budget { files_max: Some(3), ..count };
        let time = Budget { duration_max_ms: Some(1_000), ..none };
        let table = [
            (none, stats(9, 0, 1_000), second, None),
            (count, stats(9, 0, 2), second, None),
            (count, stats(9, 0, 3), second, Some(Limit::Errors)),
            // Five of 200 are exactly so many; 99 rows are too few to tell.
            (percent, stats(195, 0, 5), second, None),
            (percent, stats(194, 0, 6), second, Some(Limit::Errors)),
            (percent, stats(0, 900, 99), second, None),
            (percent, stats(0, 900, 100), second, Some(Limit::Errors)),
            (errors(ErrorsMax::Percent(0.0)), stats(100, 0, 0), second, None),
            (errors(ErrorsMax::Percent(100.0)), stats(0, 0, 100), second, None),
            (quota, stats(1, 9, 0), second, None),
            (quota, stats(2, 0, 0), second, Some(Limit::Quota)),
            (files, stats(2, 9, 2), second, None),
            (files, stats(3, 0, 0), second, Some(Limit::Files)),
            (files, stats(3, 0, 3), second, Some(Limit::Files)),
            (files, stats(2, 0, 3), second, Some(Limit::Errors)),
            (time, stats(1, 0, 0), second, Some(Limit::Duration)),
            (time, stats(1, 0, 0), second - Duration::from_micros(1), None),
        ];
        for (budget, stats, elapsed, limit) in table {
            let (ok, failed) = (stats.ok, stats.failed);
            assert_eq!(spent(&budget, &stats, || elapsed), limit, "{budget:?} {ok} {failed}");
        }
    }

    #[test]
    fn files_that_were_there_are_good_ones() {
        let mut stats = stats(10, 9, 1);
        let cases = [(None, false), (Some(95.0), true), (Some(95.1), false)];
        for (percent, is_good) in cases {
            assert_eq!(is_pardoned(percent, &stats), is_good);
        }
        // The same again, by an earlier run.
        stats.passed = Passed { good: 19, failed: 1, ..Passed::default() };
        for (percent, is_good) in cases {
            assert_eq!(is_pardoned(percent, &stats), is_good);
        }
        assert!(is_pardoned(Some(100.0), &Stats::default()), "nothing was asked for");
    }
}
