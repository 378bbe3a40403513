//! The statistics file, the summary and the exit status of runs put together by hand.

use super::*;
use crate::fault::{Cause, DiskProblem, Stage};
use crate::report::look::{Look, Page};
use crate::report::row::Row;
use crate::report::row::tests::{row_bad_input, row_cancelled, row_failed, row_ok, row_skipped};
use crate::report::summary::{self, exit_status};

fn stats(rows: &[Row]) -> Stats {
    let mut stats = Stats::default();
    rows.iter().for_each(|row| stats.record(row));
    stats
}

fn text(stats: &Stats, run: &RunInfo) -> String {
    summary::text(stats, run, &[], Page::default())
}

fn run(end: RunEnd) -> RunInfo {
    let started_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_628_345_067);
    RunInfo {
        started_at,
        ended_at: started_at + Duration::from_millis(2_500),
        duration: Duration::from_millis(2_500),
        end,
        version: "0.1.0".to_owned(),
        argv: ["ringpull", "-i", "urls.txt"].map(str::to_owned).to_vec(),
        kernel: "6.18.0".to_owned(),
        cpus: vec![0, 1],
        shard: None,
        pushing: Vec::new(),
    }
}

#[test]
fn hosts_that_push_back_are_named() {
    let pushing = vec![pushing::tests::host("img.example", 2_000, 80, Some(9.6))];
    let run = RunInfo { pushing, ..run(RunEnd::Complete) };
    let stats = stats(&rows());
    let text = text(&stats, &run);
    let line =
        "\n  refusals  img.example refused 4% of 2,000 requests; asked at 9.6 requests/s since\n";
    assert!(text.ends_with(line), "{text}");
    let json: serde_json::Value = serde_json::from_str(&stats.to_json(&run)).unwrap();
    let host = &json["hosts_pushing_back"][0];
    assert_eq!((&host["requests"], &host["refusals"]), (&2_000.into(), &80.into()));
}

fn rows() -> Vec<Row> {
    vec![row_ok(), row_ok(), row_skipped(), row_failed(), row_bad_input(), row_cancelled()]
}

fn failed(stage: Stage, cause: Cause) -> Row {
    Row { fault: Some(Fault { stage, cause, detail: None }), ..row_failed() }
}

/// The whole file. Scripts read it: to change a key here is to change what they find.
const STATISTICS: &str = r#"{
  "count": 6,
  "successes": 2,
  "failed_to_download": 2,
  "skipped": 1,
  "cancelled": 1,
  "earlier_successes": 0,
  "earlier_failed": 0,
  "duration": 2.5,
  "start_time": 1763628345.067,
  "end_time": 1763628347.567,
  "end": "complete",
  "is_interrupted": false,
  "status_dict": {
    "http.status": 1,
    "input.url": 1,
    "run.interrupted": 1,
    "skipped": 1,
    "success": 2
  },
  "response_codes": {
    "200": 2,
    "404": 1
  },
  "bytes": 100000,
  "bytes_stored": 100000,
  "files_linked": 0,
  "bytes_linked": 0,
  "bytes_resumed": 0,
  "files_replaced": 2,
  "files_resumed": 0,
  "files_split": 0,
  "files_per_second": 0.8,
  "bytes_per_second": 40000.0,
  "num_retries": 1,
  "num_redirects": 2,
  "num_connects": 5,
  "time_total": {
    "p50": 12.345,
    "p90": 12.345,
    "p99": 12.345,
    "p999": 12.345,
    "p9999": 12.345,
    "max": 12.345
  },
  "time_starttransfer": {
    "p50": 0.061,
    "p90": 0.061,
    "p99": 0.061,
    "p999": 0.061,
    "p9999": 0.061,
    "max": 0.061
  },
  "hosts": [
    {
      "host": "cdn.example:443",
      "count": 2,
      "failures": 0,
      "bytes": 100000,
      "time_total": 24.69
    },
    {
      "host": "b.example:80",
      "count": 1,
      "failures": 1,
      "bytes": 0,
      "time_total": 2.0
    }
  ],
  "hosts_forgotten": 0,
  "hosts_pushing_back": [],
  "version": "0.1.0",
  "argv": [
    "ringpull",
    "-i",
    "urls.txt"
  ],
  "kernel": "6.18.0",
  "cpus": [
    0,
    1
  ]
}
"#;

#[test]
fn statistics_file() {
    assert_eq!(stats(&rows()).to_json(&run(RunEnd::Complete)), STATISTICS);
}

#[test]
fn statistics_file_of_nothing() {
    let json = Stats::default().to_json(&run(RunEnd::Interrupted));
    let value: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
    assert_eq!(value["count"], 0);
    assert_eq!(value["is_interrupted"], true);
    assert_eq!(value["time_total"]["p99"], 0.0);
    assert_eq!(value["files_per_second"], 0.0);
}

#[test]
fn summary() {
    insta::assert_snapshot!(text(&stats(&rows()), &run(RunEnd::Interrupted)), @r"
    6 URLs: 2 ok, 1 skipped, 2 failed, 1 cancelled (interrupted)
      replaced  2 files that were there
      received  100.0 kB in 2.5 s, 40.0 kB/s, 0.8 files/s
      per file  half within 12.3 s, longest 12.3 s
      requests  5 connections, 1 retry, 2 redirects
      failures  1  http.status      the server answered with an error status
                1  input.url        the input line is not a URL
                1  run.interrupted  the run ended before this URL was done
      statuses  404 (1)
      slowest   24.6 s  cdn.example:443: 2 URLs at 12.3 s each, 100.0 kB
                 2.0 s  b.example:80: 1 URL, 1 failed
    ");
}

#[test]
fn a_summary_says_what_applies() {
    let complete = run(RunEnd::Complete);
    let one = |row: Row| text(&stats(&[row]), &complete);
    insta::assert_snapshot!(one(Row { has_replaced: false, num_redirects: 0, ..row_ok() }), @r"
    1 URL: 1 ok
      received  50.0 kB in 2.5 s, 20.0 kB/s
    ");
    insta::assert_snapshot!(one(row_ok()), @r"
    1 URL: 1 ok
      replaced  1 file that was there
      received  50.0 kB in 2.5 s, 20.0 kB/s
      requests  1 redirect
    ");
    insta::assert_snapshot!(one(row_failed()), @r"
    1 URL: 1 failed (http.status, status 404)
      time      2.5 s
      requests  1 retry
    ");
    insta::assert_snapshot!(one(row_bad_input()), @r"
    1 URL: 1 failed (input.url)
      time  2.5 s
    ");
    insta::assert_snapshot!(one(row_skipped()), @r"
    1 URL: 1 skipped
      time  2.5 s
    ");
    assert_eq!(text(&Stats::default(), &complete), "0 URLs\n");
    let passed = Passed { good: 1_200, failed: 3, transient: 1, ..Passed::default() };
    let again = Stats { passed, ..Stats::default() };
    assert_eq!(
        text(&again, &complete),
        "nothing left to pull\n  before  1,203 lines done by earlier runs, 3 of them failed; \
         --retry-failed tries again, --retry-failed=transient only 1 that may well succeed\n"
    );
}

#[test]
fn what_was_not_tried_took_no_time() {
    let untried =
        Row { times: crate::report::Times::default(), ..failed(Stage::Connect, Cause::HostDown) };
    let mut rows = vec![untried; 98];
    rows.extend([row_ok(), row_ok()]);
    let text = text(&stats(&rows), &run(RunEnd::Complete));
    assert!(text.contains("\n  per file  half within 12.3 s, longest 12.3 s\n"), "{text}");
}

#[test]
fn thousands_are_apart() {
    let mut many = Stats::default();
    for _ in 0..1_999 {
        many.record(&row_ok());
        many.record(&row_failed());
    }
    insta::assert_snapshot!(text(&many, &run(RunEnd::Complete)), @r"
    3,998 URLs: 1,999 ok, 1,999 failed
      replaced  1,999 files that were there
      received  100.0 MB in 2.5 s, 40.0 MB/s, 800 files/s
      per file  half within 2.0 s, 99% within 12.3 s, longest 12.3 s
      requests  5,997 connections, 1,999 retries, 1,999 redirects
      failures  1,999  http.status  the server answered with an error status
      statuses  404 (1,999)
      slowest   6h51m  cdn.example:443: 1,999 URLs at 12.3 s each, 100.0 MB
                1h06m  b.example:80: 1,999 URLs at 2.0 s each, 1,999 failed
    ");
}

#[test]
fn percentiles_are_exact_to_three_digits() {
    let mut stats = Stats::default();
    let mut row = row_ok();
    for ms in 1..=1_000 {
        row.times.total = Duration::from_millis(ms);
        stats.record(&row);
    }
    let Percentiles { p50, p90, p99, p999, p9999, max } = stats.time_total();
    for (found, ms) in [(p50, 500), (p90, 900), (p99, 990), (p999, 999), (p9999, 1_000)] {
        let (found, ms) = (found.as_secs_f64() * 1e3, f64::from(ms));
        assert!((found - ms).abs() <= ms / 1e3, "{found} for {ms}");
    }
    assert_eq!(max, Duration::from_secs(1));
    row.times.total = Duration::MAX;
    stats.record(&row);
    assert_eq!(stats.time_total().max, Duration::MAX);
}

#[test]
fn the_lowest_status_of_all_faults_counts() {
    let network = failed(Stage::Connect, Cause::Refused);
    let auth = failed(Stage::Head, Cause::Status(401));
    let truncated = failed(Stage::Body, Cause::Truncated { got: 1, want: None });
    let disk = failed(Stage::Write, Cause::Disk(DiskProblem::NoSpace));
    let tls = failed(Stage::Tls, Cause::TlsProtocol);
    let unexplained = Row { fault: None, ..row_failed() };
    let cases: [(&[Row], u8); 12] = [
        (&[], 0),
        (&[unexplained], 1),
        (&[row_ok(), row_skipped()], 0),
        (&[row_cancelled()], 9),
        (&[row_failed(), row_cancelled()], 8),
        (&[row_failed()], 8),
        (&[row_failed(), truncated.clone()], 7),
        (&[truncated, auth.clone()], 6),
        (&[auth, tls.clone()], 5),
        (&[tls, network.clone()], 4),
        (&[network, disk.clone()], 3),
        (&[disk, row_bad_input(), row_ok()], 2),
    ];
    for (rows, code) in cases {
        assert_eq!(exit_status(&stats(rows), RunEnd::Complete, None).number(), code);
        for ok_if in [None, Some(0.0)] {
            assert_eq!(exit_status(&stats(rows), RunEnd::Interrupted, ok_if).number(), 130);
            assert_eq!(exit_status(&stats(rows), RunEnd::Stopped(Limit::Quota), ok_if).number(), 9);
        }
        let pardoned = if (4..=8).contains(&code) { 0 } else { code };
        let sample = RunEnd::Stopped(Limit::Files);
        assert_eq!(exit_status(&stats(rows), sample, None).number(), pardoned);
        assert_eq!(exit_status(&stats(rows), RunEnd::Complete, Some(0.0)).number(), pardoned);
        assert_eq!(exit_status(&stats(rows), RunEnd::Complete, Some(100.0)).number(), code);
    }
}

#[test]
fn what_is_told_does_not_grow_with_the_list() {
    let told = |hosts: u64| {
        let mut stats = Stats::default();
        for number in 0..hosts {
            let mut row = if number % 3 == 0 { row_failed() } else { row_ok() };
            row.index = number;
            row.url = format!("http://h{number:06}.example/{number:06}").into();
            row.host = format!("http://h{number:06}.example");
            row.times.total = Duration::from_millis(number);
            // What servers say is counted by what it is, and that is bounded too.
            row.response_code = 100 + u16::try_from(number % 900).expect("below 900");
            stats.record(&row);
        }
        assert_eq!(stats.count, hosts);
        (stats.to_json(&run(RunEnd::Complete)).len(), text(&stats, &run(RunEnd::Complete)).len())
    };
    let (few, many) = (told(10_000), told(100_000));
    // A number may have more digits.
    assert!(many.0 < few.0 + 2_000 && many.1 < few.1 + 100, "{few:?} {many:?}");
}

#[test]
fn a_shard_says_which_one_it_is() {
    let shard = Some(RunShard { index: 3, count: 4, lines_of_others: 70 });
    let run = RunInfo { shard, ..run(RunEnd::Complete) };
    let text = text(&Stats::default(), &run);
    assert!(text.contains("  shard  3/4: 70 lines are for other shards\n"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&Stats::default().to_json(&run)).unwrap();
    assert_eq!(json["shard"]["index"], 3);
    assert_eq!(json["shard"]["lines_of_others"], 70);
}

#[test]
fn ways_to_names_are_counted() {
    let named = |naming| Row { naming, ..row_ok() };
    let stats =
        stats(&[named(Some("link")), named(Some("rename")), named(Some("link")), named(None)]);
    let json = stats.to_json(&run(RunEnd::Complete));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["namings"], serde_json::json!({ "link": 2, "rename": 1 }));
}

#[test]
fn times_count_from_when_requests_were_due_too() {
    let late = |late_ms, total_ms| {
        let times = super::super::row::Times {
            late: Some(Duration::from_millis(late_ms)),
            total: Duration::from_millis(total_ms),
            ..row_ok().times
        };
        Row { times, ..row_ok() }
    };
    let told = stats(&[late(0, 10), late(90, 10), late(200, 20)]);
    let [due, late] = told.time_due_and_late().unwrap();
    let about = |time: Duration, ms: u64| {
        let micros = time.as_micros().abs_diff(u128::from(ms) * 1_000);
        assert!(micros * 500 <= u128::from(ms) * 1_000, "{time:?} {ms}");
    };
    about(due.p50, 100);
    about(due.max, 220);
    about(late.max, 200);
    about(told.time_total().max, 20);
    let run = run(RunEnd::Complete);
    let json: serde_json::Value = serde_json::from_str(&told.to_json(&run)).unwrap();
    assert_eq!((&json["time_due"]["max"], &json["time_late"]["max"]), (&0.22.into(), &0.2.into()));
    let without: serde_json::Value =
        serde_json::from_str(&stats(&[row_ok()]).to_json(&run)).unwrap();
    assert!(without.get("time_due").is_none() && without.get("time_late").is_none());
}

#[test]
fn a_summary_is_as_wide_as_the_terminal() {
    let stats = stats(&rows());
    let left = ["5 lines not started".to_owned(), "5 URLs are left, in l.txt".to_owned()];
    let shown = |columns| {
        let page = Page { columns: Some(columns), ..Page::default() };
        summary::text(&stats, &run(RunEnd::Complete), &left, page)
    };
    insta::assert_snapshot!(shown(40), @r"
    6 URLs: 2 ok, 1 skipped, 2 failed, 1 cancelled
      replaced  2 files that were there
      received  100.0 kB in 2.5 s,
                40.0 kB/s, 0.8 files/s
      per file  half within 12.3 s, longest
                12.3 s
      requests  5 connections, 1 retry,
                2 redirects
      failures  1  http.status      the
                server answered with an
                error status
                1  input.url        the
                input line is not a URL
                1  run.interrupted  the run
                ended before this URL was
                done
      statuses  404 (1)
      slowest   24.6 s  cdn.example:443:
                2 URLs at 12.3 s each,
                100.0 kB
                 2.0 s  b.example:80: 1 URL,
                1 failed
      left      5 lines not started
                5 URLs are left, in l.txt
    ");
    let narrow = shown(20);
    let begin = "\n  replaced 2 files\n    that were there\n  received 100.0 kB\n    in 2.5 s,\n";
    assert!(narrow.contains(begin), "{narrow}");
    assert_eq!(shown(150), shown(80));
    assert!(
        shown(80)
            .ends_with("  left      5 lines not started\n            5 URLs are left, in l.txt\n")
    );
    let color = Page { look: Look { has_color: true, ..Look::default() }, ..Page::default() };
    let color = summary::text(&stats, &run(RunEnd::Complete), &[], color);
    assert!(color.contains(" \x1b[31m2 failed\x1b[0m, "), "{color:?}");
    assert!(color.contains("\n  \x1b[31mfailures\x1b[0m  1  http.status"), "{color:?}");
}
