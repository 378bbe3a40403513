//! The end of a run for people: a few lines of text, and the exit status of the process.

use super::budget::{self, Limit};
use super::figures::{Number, Of, Rate, Size, Time};
use super::hosts::Host;
use super::journal::Passed;
use super::labelled::Labelled;
use super::look::{Look, Page, Tint};
use super::progress::speed;
use super::pushing;
use super::row::{Row, Status};
use super::stats::{FaultCount, RunEnd, RunInfo, RunShard, Stats};
use crate::exit::ExitStatus;
use crate::fault::{Stage, escape_hidden};
use std::borrow::Cow;

/// The text that is printed at the end of a run, its last line end included.
/// `left` says what became of the lines that were not begun.
pub fn text(stats: &Stats, run: &RunInfo, left: &[String], page: Page) -> String {
    let mut lines = Labelled::default();
    push_passed(&mut lines, stats.passed);
    push_files(&mut lines, stats);
    if let Some(RunShard { index, count, lines_of_others }) = run.shard {
        let are = if lines_of_others == 1 { "is" } else { "are" };
        let others = Of(lines_of_others, "line");
        lines.push("shard", format!("{index}/{count}: {others} {are} for other shards"));
    }
    push_speed(&mut lines, stats, run);
    push_requests(&mut lines, stats);
    push_faults(&mut lines, stats);
    push_hosts(&mut lines, stats);
    pushing::summary(&run.pushing).into_iter().for_each(|line| lines.push("refusals", line));
    left.iter().for_each(|line| lines.push("left", line.clone()));
    rows(stats, run.end, page.look) + &lines.text(page)
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
        // What failed as a whole has an error, which has a status of its own.
        RunEnd::Stopped(Limit::Files) | RunEnd::Complete | RunEnd::Failed => {
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

/// The number of lines by status, and why that is all.
fn rows(stats: &Stats, end: RunEnd, look: Look) -> String {
    let Stats { count, ok, skipped, failed, cancelled, .. } = *stats;
    let mut text = match end {
        RunEnd::Complete if count == 0 && stats.passed.good + stats.passed.failed > 0 => {
            "nothing left to pull".to_owned()
        }
        _ => Of(count, "URL").to_string(),
    };
    let rows = [
        (ok, "ok", Tint::Good),
        (skipped, "skipped", Tint::None),
        (failed, "failed", Tint::Bad),
        (cancelled, "cancelled", Tint::Warning),
    ];
    for (place, (rows, status, tint)) in rows.into_iter().filter(|(rows, ..)| *rows > 0).enumerate()
    {
        text.push_str(if place == 0 { ": " } else { ", " });
        text.push_str(&look.paint(tint, &format!("{} {status}", Number(rows))));
    }
    if let (1, Some((code, _))) = (count, stats.faults.first_key_value()) {
        match stats.response_codes.range(400..).next() {
            Some((status, _)) => text.push_str(&format!(" ({code}, status {status})")),
            None => text.push_str(&format!(" ({code})")),
        }
    }
    match end {
        RunEnd::Complete | RunEnd::Failed => {}
        RunEnd::Interrupted => text.push_str(" (interrupted)"),
        RunEnd::Stopped(limit) => text.push_str(&format!(" (stopped: {limit})")),
        RunEnd::DiskFull => text.push_str(" (stopped: the disk is full)"),
    }
    text.push('\n');
    text
}

/// What earlier runs did, where this one continued their report.
fn push_passed(lines: &mut Labelled, passed: Passed) {
    let Passed { good, failed, transient, .. } = passed;
    if good + failed == 0 {
        return;
    }
    let done = format!("{} done by earlier runs", Of(good + failed, "line"));
    let failures = Number(failed);
    let text = match (failed, transient) {
        (0, _) => done,
        (_, 0) => format!("{done}, {failures} of them failed; --retry-failed tries again"),
        (_, _) => format!(
            "{done}, {failures} of them failed; --retry-failed tries again, \
             --retry-failed=transient only {} that may well succeed",
            Number(transient)
        ),
    };
    lines.push("before", text);
}

/// Files that took the place of others, or are links.
fn push_files(lines: &mut Labelled, stats: &Stats) {
    if stats.files_replaced > 0 {
        let was = if stats.files_replaced == 1 { "that was" } else { "that were" };
        lines.push("replaced", format!("{} {was} there", Of(stats.files_replaced, "file")));
    }
    let size = Size(stats.bytes_linked);
    match stats.files_linked {
        0 => {}
        1 => lines.push("links", format!("1 file, to another with the same content: {size}")),
        files => {
            let files = Of(files, "file");
            lines.push("links", format!("{files}, to others with the same content: {size}"));
        }
    }
}

/// The size and the speed. One file has no rate, and few have no percentile.
fn push_speed(lines: &mut Labelled, stats: &Stats, run: &RunInfo) {
    if stats.count == 0 {
        return;
    }
    let seconds = run.duration.as_secs_f64().max(1e-6);
    let (mut text, label) = match stats.bytes {
        0 => (Time(run.duration).to_string(), "time"),
        bytes => {
            let speed = speed(bytes as f64 / seconds);
            (format!("{} in {}, {speed}/s", Size(bytes), Time(run.duration)), "received")
        }
    };
    if stats.ok > 1 {
        text.push_str(&format!(", {} files/s", Rate(stats.ok as f64 / seconds)));
    }
    lines.push(label, text);
    let (files, times) = (stats.tried(), stats.time_total());
    if files > 1 {
        let most = match files >= PERCENTILE_FILES_MIN {
            true => format!(", 99% within {}", Time(times.p99)),
            false => String::new(),
        };
        let (half, longest) = (Time(times.p50), Time(times.max));
        lines.push("per file", format!("half within {half}{most}, longest {longest}"));
    }
}

/// The requests, as far as there was more than one connection for one URL.
fn push_requests(lines: &mut Labelled, stats: &Stats) {
    let connects = if stats.count > 1 { stats.connects } else { 0 };
    let counts =
        [(connects, "connection"), (stats.retries, "retry"), (stats.redirects, "redirect")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = counts.map(|(count, what)| Of(count, what).to_string()).collect();
    if !told.is_empty() {
        lines.push("requests", told.join(", "));
    }
}

/// Fault codes, the most frequent first. With one URL the code stands beside it.
fn push_faults(lines: &mut Labelled, stats: &Stats) {
    if stats.faults.is_empty() || stats.count < 2 {
        return;
    }
    let mut faults: Vec<(&str, FaultCount)> =
        stats.faults.iter().map(|(code, fault)| (*code, *fault)).collect();
    // A stable sort keeps codes of the same count in alphabetical order.
    faults.sort_by_key(|(_, fault)| std::cmp::Reverse(fault.count));
    let shown = &faults[..faults.len().min(FAULTS_SHOWN)];
    let rest: u64 = faults[shown.len()..].iter().map(|(_, fault)| fault.count).sum();
    let code_columns = shown.iter().map(|(code, _)| code.len()).max().unwrap_or(0);
    let most = shown.iter().map(|(_, fault)| fault.count).max().unwrap_or(0).max(rest);
    let count_columns = Number(most).to_string().len();
    let has_failures = stats.failed + stats.cancelled > 0;
    let (label, tint) =
        if has_failures { ("failures", Tint::Bad) } else { ("skipped", Tint::None) };
    let mut push = |count: u64, what: String| {
        lines.push_tinted(label, tint, format!("{:>count_columns$}  {what}", Number(count)));
    };
    for (code, fault) in shown {
        push(fault.count, format!("{code:code_columns$}  {}", fault.sentence));
    }
    if rest > 0 {
        let more = (faults.len() - shown.len()) as u64;
        push(rest, format!("with {}", Of(more, "other cause")));
    }
    push_statuses(lines, stats);
}

/// Status codes of failures, the most frequent first.
fn push_statuses(lines: &mut Labelled, stats: &Stats) {
    let mut refused: Vec<(u16, u64)> =
        stats.response_codes.range(400..).map(|(status, count)| (*status, *count)).collect();
    refused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more = if refused.len() > STATUSES_SHOWN { ", and others" } else { "" };
    let told: Vec<String> = (refused.iter().take(STATUSES_SHOWN))
        .map(|(status, count)| format!("{status} ({})", Number(*count)))
        .collect();
    if !told.is_empty() {
        lines.push("statuses", format!("{}{more}", told.join(", ")));
    }
}

/// The hosts on which most time was spent. One host alone is not repeated.
fn push_hosts(lines: &mut Labelled, stats: &Stats) {
    let hosts = stats.hosts.slowest(HOSTS_SHOWN);
    if hosts.len() < 2 {
        return;
    }
    let longest = hosts.iter().map(|(_, host)| Time(host.time).to_string().len()).max();
    let time_columns = longest.unwrap_or(0);
    for (name, host) in hosts {
        let Host { count, failures, bytes, time } = *host;
        let (time, name) = (Time(time), escape_hidden(name));
        let mut text = format!("{time:>time_columns$}  {name}: {}", Of(count, "URL"));
        if count > 1 {
            text.push_str(&format!(" at {} each", Time(host.time_mean())));
        }
        if failures > 0 {
            text.push_str(&format!(", {} failed", Number(failures)));
        }
        if bytes > 0 {
            text.push_str(&format!(", {}", Size(bytes)));
        }
        lines.push("slowest", text);
    }
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
