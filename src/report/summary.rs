//! The end of a run for people: a few lines of text, and the exit status of the process.

use super::budget::{self, Limit};
use super::figures::{Number, Of, Rate, Size, Time};
use super::hosts::Host;
use super::journal::Passed;
use super::progress::speed;
use super::pushing;
use super::row::{Row, Status};
use super::stats::{FaultCount, RunEnd, RunInfo, RunShard, Stats};
use crate::exit::ExitStatus;
use crate::fault::{Stage, escape_hidden};
use std::borrow::Cow;
use std::fmt::{self, Write as _};

/// The text that is printed at the end of a run, its last line end included.
pub fn text(stats: &Stats, run: &RunInfo) -> String {
    let mut text = String::new();
    write_summary(&mut text, stats, run).expect("a String takes any text");
    text
}

/// The line for a failed row in a run without a report: which one, why, and the code; `None` for
/// other rows.
pub fn failure(row: &Row) -> Option<String> {
    let fault = row.fault.as_ref().filter(|_| row.status == Status::Failed)?;
    let code = fault.code();
    // The sentence about a bad line names the line.
    let text = match fault.stage {
        Stage::Input => fault.to_string(),
        _ => {
            let url = String::from_utf8_lossy(&row.url);
            format!("line {}: {}: {fault}", row.index, shortened(&url, URL_CHARS_MAX))
        }
    };
    let text = escape_hidden(&text);
    let shown = shortened(&text, LINE_CHARS_MAX);
    Some(format!("failed: {shown} ({code})"))
}

/// The line after the first failures of a run without a report, when there were more.
pub fn more_failures(told: usize, failed: u64) -> Option<String> {
    let more = failed.saturating_sub(told as u64);
    let text = || format!("failed: {} more; --report FILE.csv tells of every line", Number(more));
    (more > 0).then(text)
}

/// The text cut to `chars_max` characters, with three dots where some are left out.
fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// The exit status of a run: that of its end, or the lowest of its faults, as wget counts them;
/// internal when a row failed and nobody said why, which is a bug. With `ok_percent_min`
/// (`--ok-if`) so many good rows make a success of what is the servers' fault, as all the files of
/// `--max-files` do.
pub fn exit_status(stats: &Stats, end: RunEnd, ok_percent_min: Option<f64>) -> ExitStatus {
    match end {
        RunEnd::Interrupted => ExitStatus::Interrupted,
        RunEnd::DiskFull => ExitStatus::LocalFile,
        RunEnd::Stopped(Limit::Errors | Limit::Duration | Limit::Quota) => ExitStatus::Stopped,
        RunEnd::Stopped(Limit::Files) | RunEnd::Complete => {
            let is_clean = stats.failed == 0 && stats.cancelled == 0;
            let unexplained = if is_clean { ExitStatus::Success } else { ExitStatus::Internal };
            let status = stats.exit_lowest().unwrap_or(unexplained);
            let of_servers = ExitStatus::Network..=ExitStatus::Status;
            let is_good_enough =
                end != RunEnd::Complete || budget::is_pardoned(ok_percent_min, stats);
            if of_servers.contains(&status) && is_good_enough {
                ExitStatus::Success
            } else {
                status
            }
        }
    }
}

/// The line about what was not begun in a run that ended before its list: the lines that were read,
/// and whether the list goes on behind them.
pub fn not_started(lines: u64, is_all_read: bool) -> Option<String> {
    match (lines, is_all_read) {
        (0, true) => None,
        (_, true) => Some(format!("{} not started", Of(lines, "line"))),
        (0, false) => Some("the rest of the list was not read".to_owned()),
        (_, false) => {
            Some(format!("{} not started; the rest of the list was not read", Of(lines, "line")))
        }
    }
}

fn write_summary(text: &mut String, stats: &Stats, run: &RunInfo) -> fmt::Result {
    write_rows(text, stats, run.end)?;
    write_passed(text, stats.passed)?;
    match stats.files_replaced {
        0 => {}
        files => writeln!(text, "{} replaced one that was there", Of(files, "file"))?,
    }
    match (stats.files_linked, Size(stats.bytes_linked)) {
        (0, _) => {}
        (1, size) => writeln!(text, "1 file is a link to another with the same content: {size}")?,
        (files, size) => {
            let files = Of(files, "file");
            writeln!(text, "{files} are links to others with the same content: {size}")?;
        }
    }
    if let Some(RunShard { index, count, lines_of_others }) = run.shard {
        let are = if lines_of_others == 1 { "is" } else { "are" };
        let others = Of(lines_of_others, "line");
        writeln!(text, "shard {index}/{count}: {others} {are} for other shards")?;
    }
    write_speed(text, stats, run)?;
    write_requests(text, stats)?;
    write_faults(text, stats)?;
    write_hosts(text, stats)?;
    text.push_str(&pushing::summary(&run.pushing));
    Ok(())
}

/// Writes the number of lines by status, and why that is all.
fn write_rows(text: &mut String, stats: &Stats, end: RunEnd) -> fmt::Result {
    let Stats { count, ok, skipped, failed, cancelled, .. } = *stats;
    match end {
        RunEnd::Complete if count == 0 && stats.passed.good + stats.passed.failed > 0 => {
            text.push_str("nothing left to pull");
        }
        _ => write!(text, "{}", Of(count, "URL"))?,
    }
    let mut before = ": ";
    let rows = [(ok, "ok"), (skipped, "skipped"), (failed, "failed"), (cancelled, "cancelled")];
    for (rows, status) in rows.into_iter().filter(|(rows, _)| *rows > 0) {
        write!(text, "{before}{} {status}", Number(rows))?;
        before = ", ";
    }
    if let (1, Some((code, _))) = (count, stats.faults.first_key_value()) {
        write!(text, " ({code}")?;
        match stats.response_codes.range(400..).next() {
            Some((status, _)) => write!(text, ", status {status})")?,
            None => text.push(')'),
        }
    }
    match end {
        RunEnd::Complete => text.push('\n'),
        RunEnd::Interrupted => text.push_str(" (interrupted)\n"),
        RunEnd::Stopped(limit) => writeln!(text, " (stopped: {limit})")?,
        RunEnd::DiskFull => text.push_str(" (stopped: the disk is full)\n"),
    }
    Ok(())
}

/// Writes what earlier runs did, where this one continued their report.
fn write_passed(text: &mut String, passed: Passed) -> fmt::Result {
    let Passed { good, failed, transient, .. } = passed;
    if good + failed == 0 {
        return Ok(());
    }
    write!(text, "{} done by earlier runs", Of(good + failed, "line"))?;
    let failures = Number(failed);
    match (failed, transient) {
        (0, _) => text.push('\n'),
        (_, 0) => writeln!(text, ", {failures} of them failed; --retry-failed tries again")?,
        (_, _) => writeln!(
            text,
            ", {failures} of them failed; --retry-failed tries again, \
             --retry-failed=transient only {} that may well succeed",
            Number(transient)
        )?,
    }
    Ok(())
}

/// Writes the size and the speed. One file has no rate, and few have no percentile.
fn write_speed(text: &mut String, stats: &Stats, run: &RunInfo) -> fmt::Result {
    if stats.count == 0 {
        return Ok(());
    }
    let seconds = run.duration.as_secs_f64().max(1e-6);
    write!(text, "{} in {}", Size(stats.bytes), Time(run.duration))?;
    if stats.ok > 1 {
        write!(text, ", {} files/s", Rate(stats.ok as f64 / seconds))?;
    }
    if stats.bytes > 0 {
        write!(text, ", {}/s", speed(stats.bytes as f64 / seconds))?;
    }
    text.push('\n');
    let (files, times) = (stats.tried(), stats.time_total());
    if files > 1 {
        write!(text, "time of a file: half within {}", Time(times.p50))?;
        if files >= PERCENTILE_FILES_MIN {
            write!(text, ", 99% within {}", Time(times.p99))?;
        }
        writeln!(text, ", longest {}", Time(times.max))?;
    }
    Ok(())
}

/// Writes the requests, as far as there was more than one connection for one URL.
fn write_requests(text: &mut String, stats: &Stats) -> fmt::Result {
    let connects = if stats.count > 1 { stats.connects } else { 0 };
    let mut before = "";
    let counts =
        [(connects, "connection"), (stats.retries, "retry"), (stats.redirects, "redirect")];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        write!(text, "{before}{}", Of(count, what))?;
        before = ", ";
    }
    if !before.is_empty() {
        text.push('\n');
    }
    Ok(())
}

/// Writes fault codes, the most frequent first. With one URL the code stands beside it.
fn write_faults(text: &mut String, stats: &Stats) -> fmt::Result {
    if stats.faults.is_empty() || stats.count < 2 {
        return Ok(());
    }
    let mut faults: Vec<(&str, FaultCount)> =
        stats.faults.iter().map(|(code, fault)| (*code, *fault)).collect();
    // A stable sort keeps codes of the same count in alphabetical order.
    faults.sort_by_key(|(_, fault)| std::cmp::Reverse(fault.count));
    let width = faults.iter().take(FAULTS_SHOWN).map(|(code, _)| code.len()).max().unwrap_or(0);
    let has_failures = stats.failed + stats.cancelled > 0;
    text.push_str(if has_failures { "failures by cause:\n" } else { "skipped by cause:\n" });
    for (code, fault) in faults.iter().take(FAULTS_SHOWN) {
        writeln!(text, "{:>9}  {code:width$}  {}", Number(fault.count), fault.sentence)?;
    }
    if faults.len() > FAULTS_SHOWN {
        let rest: u64 = faults[FAULTS_SHOWN..].iter().map(|(_, fault)| fault.count).sum();
        let more = (faults.len() - FAULTS_SHOWN) as u64;
        writeln!(text, "{:>9}  with {}", Number(rest), Of(more, "other cause"))?;
    }
    write_statuses(text, stats)
}

/// Writes status codes of failures, the most frequent first.
fn write_statuses(text: &mut String, stats: &Stats) -> fmt::Result {
    let mut refused: Vec<(u16, u64)> =
        stats.response_codes.range(400..).map(|(status, count)| (*status, *count)).collect();
    refused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut before = match refused.len() {
        0..=STATUSES_SHOWN => "failures by status: ",
        _ => "most frequent statuses of failures: ",
    };
    for (status, count) in refused.iter().take(STATUSES_SHOWN) {
        write!(text, "{before}{status} ({})", Number(*count))?;
        before = ", ";
    }
    if !refused.is_empty() {
        text.push('\n');
    }
    Ok(())
}

/// Writes the hosts on which most time was spent. One host alone is not repeated.
fn write_hosts(text: &mut String, stats: &Stats) -> fmt::Result {
    let hosts = stats.hosts.slowest(HOSTS_SHOWN);
    if hosts.len() < 2 {
        return Ok(());
    }
    text.push_str("slowest hosts, by time spent:\n");
    for (name, host) in hosts {
        let Host { count, failures, bytes, time } = *host;
        write!(text, "{:>9}  {}: {}", Time(time), escape_hidden(name), Of(count, "URL"))?;
        if count > 1 {
            write!(text, " at {} each", Time(host.time_mean()))?;
        }
        if failures > 0 {
            write!(text, ", {} failed", Number(failures))?;
        }
        if bytes > 0 {
            write!(text, ", {}", Size(bytes))?;
        }
        text.push('\n');
    }
    Ok(())
}

/// Characters of a URL in a line about a failure, and of that line before its code.
const URL_CHARS_MAX: usize = 200;
const LINE_CHARS_MAX: usize = 500;
/// Number of files from which on a percentile is shown.
const PERCENTILE_FILES_MIN: u64 = 100;
/// Most fault codes in the summary.
const FAULTS_SHOWN: usize = 12;
/// Most status codes in the summary.
const STATUSES_SHOWN: usize = 6;
/// Most hosts in the summary.
const HOSTS_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Cause, Fault};
    use crate::http::ProtocolError;
    use crate::report::row::tests::{row_failed, row_ok};

    #[test]
    fn a_failure_in_one_line() {
        assert_eq!(failure(&row_ok()), None);
        let mut row = row_failed();
        let line = "failed: line 7: http://b.example/: the server answered 404 (http.status)";
        assert_eq!(failure(&row).as_deref(), Some(line));
        row.url = format!("http://b.example/\u{1b}{}", "x".repeat(70_000)).into();
        let line = failure(&row).unwrap();
        assert!(line.len() < 400 && !line.contains(char::is_control), "{line}");
        row.url = b"http://b.example/".to_vec();
        row.fault = Some(Fault::new(Stage::Head, Cause::Protocol(ProtocolError::HeadTooLarge)));
        assert_eq!(failure(&row).unwrap().matches("(http.").count(), 1);
        row.status = Status::Cancelled;
        assert_eq!(failure(&row), None);
        assert_eq!((more_failures(0, 0), more_failures(3, 3)), (None, None));
        assert!(more_failures(3, 1_010).unwrap().contains(" 1,007 more"));
    }

    #[test]
    fn what_was_not_started() {
        let told = |lines, is_all_read| not_started(lines, is_all_read).unwrap_or_default();
        assert_eq!(told(0, true), "");
        assert_eq!(told(1, true), "1 line not started");
        assert_eq!(told(1_496, true), "1,496 lines not started");
        assert_eq!(told(0, false), "the rest of the list was not read");
        assert_eq!(told(2, false), "2 lines not started; the rest of the list was not read");
    }
}
