//! The end of a run for people: a few lines of text, and the exit status of the process.

use super::budget;
use super::hosts::Host;
use super::journal::Passed;
use super::row::{Row, Status};
use super::stats::{FaultCount, RunEnd, RunInfo, RunShard, Stats};
use crate::fault::{ExitClass, Stage, escape_hidden};
use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::time::Duration;

/// The text that is printed at the end of a run, its last line end included.
pub fn text(stats: &Stats, run: &RunInfo) -> String {
    let mut text = String::new();
    write_summary(&mut text, stats, run).expect("a String takes any text");
    text
}

/// What a run without a report says of a row that failed, in one line: which one, why, and the
/// code; `None` for other rows.
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
    // The sentence about a broken protocol has the code in it.
    let is_told = shown.contains(&format!("({code})"));
    Some(if is_told { format!("failed: {shown}") } else { format!("failed: {shown} ({code})") })
}

/// What follows the first failures of a run without a report, when there were more.
pub fn more_failures(told: usize, failed: u64) -> Option<String> {
    let more = failed.saturating_sub(told as u64);
    (more > 0).then(|| format!("failed: {more} more; --report FILE.csv tells of every line"))
}

/// At most so many characters, and three dots where some are left out.
fn shortened(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// The exit status: 130 for an interrupted run, 9 for one that ended because of what it may cost, 3
/// for one that stopped on a full disk, else the lowest class of its faults, as wget counts them: 2
/// input, 3 local files, 4 network, 5 TLS, 6 authentication, 7 protocol, 8 status; 0 when every row
/// is ok or skipped; 1 when a row failed and nobody said why, which is a bug. With `ok_percent_min`
/// (`--ok-if`) so many good rows make 4 to 8 a 0.
pub fn exit_code(stats: &Stats, end: RunEnd, ok_percent_min: Option<f64>) -> u8 {
    match end {
        RunEnd::Interrupted => INTERRUPTED,
        RunEnd::DiskFull => ExitClass::LocalIo as u8,
        RunEnd::Stopped(_) => ExitClass::Stopped as u8,
        RunEnd::Complete => {
            let is_clean = stats.failed == 0 && stats.cancelled == 0;
            let code = stats.class_lowest().unwrap_or(if is_clean { 0 } else { 1 });
            let of_servers = ExitClass::Network as u8..=ExitClass::Status as u8;
            let is_pardoned =
                of_servers.contains(&code) && budget::is_pardoned(ok_percent_min, stats);
            if is_pardoned { 0 } else { code }
        }
    }
}

/// Exit status of an interrupted run: 128 and the number of SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;

fn write_summary(text: &mut String, stats: &Stats, run: &RunInfo) -> fmt::Result {
    let Stats { count, ok, skipped, failed, cancelled, .. } = *stats;
    write!(text, "{count} {}: {ok} ok", if count == 1 { "URL" } else { "URLs" })?;
    for (rows, status) in [(skipped, "skipped"), (failed, "failed"), (cancelled, "cancelled")] {
        if rows > 0 {
            write!(text, ", {rows} {status}")?;
        }
    }
    match run.end {
        RunEnd::Complete => text.push('\n'),
        RunEnd::Interrupted => text.push_str(" (interrupted)\n"),
        RunEnd::Stopped(limit) => writeln!(text, " (stopped: {limit})")?,
        RunEnd::DiskFull => text.push_str(" (stopped: the disk is full)\n"),
    }
    write_passed(text, stats.passed)?;
    match stats.files_replaced {
        0 => {}
        1 => text.push_str("1 file replaced one that was there\n"),
        files => writeln!(text, "{files} files replaced one that was there")?,
    }
    if let Some(RunShard { index, count, lines_of_others }) = run.shard {
        writeln!(text, "shard {index}/{count}: {lines_of_others} lines are for other shards")?;
    }
    let seconds = run.duration.as_secs_f64().max(1e-6);
    let files_per_second = ok as f64 / seconds;
    let mb_per_second = stats.bytes as f64 / 1e6 / seconds;
    writeln!(
        text,
        "{} in {}: {files_per_second:.1} files/s, {mb_per_second:.2} MB/s",
        Size(stats.bytes),
        Time(run.duration)
    )?;
    if ok + failed > 0 {
        let times = stats.time_total();
        writeln!(
            text,
            "time of a file: half within {}, 99% within {}, longest {}",
            Time(times.p50),
            Time(times.p99),
            Time(times.max)
        )?;
    }
    writeln!(
        text,
        "{} connections, {} retries, {} redirects",
        stats.connects, stats.retries, stats.redirects
    )?;
    write_faults(text, stats)?;
    write_hosts(text, stats)
}

/// What earlier runs did, where this one continued their report.
fn write_passed(text: &mut String, passed: Passed) -> fmt::Result {
    let Passed { good, failed, transient, .. } = passed;
    if good + failed == 0 {
        return Ok(());
    }
    let lines = good + failed;
    write!(text, "{lines} {} done by earlier runs", if lines == 1 { "line" } else { "lines" })?;
    match (failed, transient) {
        (0, _) => text.push('\n'),
        (_, 0) => writeln!(text, ", {failed} of them failed; --retry-failed tries again")?,
        (_, _) => writeln!(
            text,
            ", {failed} of them failed; --retry-failed tries again, \
             --retry-failed=transient only {transient} that may well succeed"
        )?,
    }
    Ok(())
}

/// Fault codes, the most frequent first.
fn write_faults(text: &mut String, stats: &Stats) -> fmt::Result {
    if stats.faults.is_empty() {
        return Ok(());
    }
    let mut faults: Vec<(&str, FaultCount)> =
        stats.faults.iter().map(|(code, fault)| (*code, *fault)).collect();
    // A stable sort keeps codes of the same count in alphabetical order.
    faults.sort_by_key(|(_, fault)| std::cmp::Reverse(fault.count));
    let width = faults.iter().take(FAULTS_SHOWN).map(|(code, _)| code.len()).max().unwrap_or(0);
    text.push_str("why not:\n");
    for (code, fault) in faults.iter().take(FAULTS_SHOWN) {
        writeln!(text, "{:>9}  {code:width$}  {}", fault.count, fault.explanation)?;
    }
    if faults.len() > FAULTS_SHOWN {
        let rest: u64 = faults[FAULTS_SHOWN..].iter().map(|(_, fault)| fault.count).sum();
        writeln!(text, "{rest:>9}  with {} more codes", faults.len() - FAULTS_SHOWN)?;
    }
    let mut refused: Vec<(u16, u64)> =
        stats.response_codes.range(400..).map(|(status, count)| (*status, *count)).collect();
    refused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for (place, (status, count)) in refused.iter().take(STATUSES_SHOWN).enumerate() {
        let before = if place == 0 { "most frequent failure statuses:" } else { "," };
        write!(text, "{before} {status} ({count})")?;
    }
    if !refused.is_empty() {
        text.push('\n');
    }
    Ok(())
}

/// Hosts on which most time was spent. One alone tells nothing that is not said above.
fn write_hosts(text: &mut String, stats: &Stats) -> fmt::Result {
    let hosts = stats.hosts.slowest(HOSTS_SHOWN);
    if hosts.len() < 2 {
        return Ok(());
    }
    text.push_str("slowest hosts, by time spent:\n");
    for (name, host) in hosts {
        let Host { count, failures, bytes, time } = *host;
        let mean = Time(host.time_mean());
        let (name, time, bytes) = (escape_hidden(name), Time(time), Size(bytes));
        writeln!(text, "{time:>9}  {name}: {count} at {mean} each, {failures} failed, {bytes}")?;
    }
    Ok(())
}

/// A number of bytes in decimal units, as rates are counted.
pub(super) struct Size(pub(super) u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1_000 {
            return write!(f, "{} B", self.0);
        }
        let mut size = self.0 as f64 / 1e3;
        let mut unit = 0;
        // What would be shown as 1000.0 belongs to the next unit.
        while size >= 999.95 && unit + 1 < units.len() {
            size /= 1e3;
            unit += 1;
        }
        write!(f, "{size:.1} {}", units[unit])
    }
}

/// A time, as exact as a person wants it.
pub(super) struct Time(pub(super) Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = match seconds {
            0 => format!("{} ms", self.0.as_millis()),
            1..60 => format!("{}.{} s", seconds, self.0.subsec_millis() / 100),
            60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
            _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        };
        f.pad(&text)
    }
}

/// Characters of a URL in a line about a failure, and of that line before its code.
const URL_CHARS_MAX: usize = 200;
const LINE_CHARS_MAX: usize = 500;
/// Fault codes in the summary.
const FAULTS_SHOWN: usize = 12;
/// Status codes in the summary.
const STATUSES_SHOWN: usize = 6;
/// Hosts in the summary.
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
        assert!(more_failures(3, 10).unwrap().contains(" 7 more"));
    }

    #[test]
    fn sizes_and_times() {
        let size = |bytes| Size(bytes).to_string();
        assert_eq!(
            [0, 999, 1_000, 999_949, 999_950, 51_200_000_000].map(size),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "51.2 GB"]
        );
        assert_eq!(size(u64::MAX), "18.4 EB");
        let time = |ms| Time(Duration::from_millis(ms)).to_string();
        assert_eq!(
            [0, 999, 1_000, 59_999, 60_000, 3_599_999, 7_260_000].map(time),
            ["0 ms", "999 ms", "1.0 s", "59.9 s", "1m00s", "59m59s", "2h01m"]
        );
    }
}
