//! One row per input line in each format, and statistics that add up.

use crate::cmd::{Sandbox, command, eventually};
use crate::origin::{Served, serve};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;

const COLUMNS: &str = "url,response_code,index,status,error_code,error_message,exitcode,filename,\
    size_download,content_type,content_encoding,etag,num_retries,num_redirects,url_effective,\
    remote_ip,http_version,num_connects,tls_resumed,time_queue,time_namelookup,time_connect,\
    time_appconnect,time_starttransfer,time_total,attempted_at,size_file,digest,size_resumed,\
    num_parts,resume,duplicate_of";

/// A list as people have them, and the rows it must give: the URL and how it ends.
fn wild_list(served: &Served) -> (Vec<String>, Vec<(String, &'static str)>) {
    let good = served.http("/bytes/10/good");
    let lines = vec![
        "# a comment".to_owned(),
        good.clone(),
        String::new(),
        good.clone(),
        "   ".to_owned(),
        "\u{fc}bel, \"quoted\" line".to_owned(),
        served.http("/status/404"),
        format!("{}\r", served.http("/bytes/11/crlf")),
        served.http("/name/a,b\"c"),
        served.https("/bytes/12/untrusted"),
        served.http("/redirect/1/bytes/13/moved"),
        "ftp://127.0.0.1/x".to_owned(),
    ];
    let rows = vec![
        (good.clone(), "ok"),
        (good, "ok"),
        ("\u{fc}bel, \"quoted\" line".to_owned(), "failed"),
        (served.http("/status/404"), "failed"),
        (served.http("/bytes/11/crlf"), "ok"),
        (served.https("/bytes/12/untrusted"), "failed"),
        (served.http("/redirect/1/bytes/13/moved"), "ok"),
        ("ftp://127.0.0.1/x".to_owned(), "failed"),
    ];
    (lines, rows)
}

fn sorted(rows: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    // A URL may be told as typed or in its normal form where they differ; only this one does.
    let mut rows: Vec<_> = rows.into_iter().filter(|(url, _)| !url.contains("/name/a,b")).collect();
    rows.sort();
    rows
}

#[test]
fn csv_has_one_row_per_line_and_the_documented_columns() {
    let served = serve();
    let (lines, wanted) = wild_list(&served);
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--retry", "0"]).list(&lines).run();
    let text = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
    assert_eq!(text.lines().next().unwrap(), COLUMNS);
    let told = done.rows.iter().map(|row| (row["url"].clone(), row["status"].clone()));
    let wanted = wanted.into_iter().map(|(url, status)| (url, status.to_owned()));
    assert_eq!(sorted(told), sorted(wanted));
    assert_eq!(done.rows.len(), 9);

    let indexes: BTreeSet<&str> = done.rows.iter().map(|row| row["index"].as_str()).collect();
    assert_eq!(indexes.len(), 9, "an index is given once");
    for row in &done.rows {
        let is_ok = row["status"] == "ok";
        assert_eq!(row["error_code"].is_empty(), is_ok, "{row:#?}");
        assert_eq!(row["exitcode"] == "0", is_ok, "{row:#?}");
        assert_eq!(row["response_code"] == "200", is_ok, "{row:#?}");
        let phases = ["time_namelookup", "time_connect", "time_starttransfer", "time_total"];
        let times = phases.map(|name| row[name].parse::<f64>().unwrap_or(0.0));
        assert!(!is_ok || times.is_sorted() && times[3] > 0.0, "{row:#?}");
        assert_ne!(row["attempted_at"], "");
    }
}

#[test]
fn json_lines_tell_the_same() {
    let served = serve();
    let (lines, wanted) = wild_list(&served);
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().report("report.jsonl").args(["--retry", "0"]);
    pull.list(&lines).run();
    let text = std::fs::read_to_string(sandbox.path("report.jsonl")).unwrap();
    let rows: Vec<BTreeMap<String, Value>> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let columns: BTreeSet<&str> = COLUMNS.split(',').collect();
    for row in &rows {
        assert!(row.keys().all(|name| columns.contains(name.as_str())), "{row:#?}");
        let code = &row["response_code"];
        assert!(row["index"].is_u64() && (code.is_u64() || code.is_null()), "{row:#?}");
    }
    let text = |row: &BTreeMap<String, Value>, name: &str| row[name].as_str().unwrap().to_owned();
    let told = rows.iter().map(|row| (text(row, "url"), text(row, "status")));
    let wanted = wanted.into_iter().map(|(url, status)| (url, status.to_owned()));
    assert_eq!(sorted(told), sorted(wanted));
    assert_eq!(rows.len(), 9);
}

#[test]
fn statistics_add_up() {
    let served = serve();
    let sandbox = Sandbox::new();
    let mut urls: Vec<String> = (0..30).map(|n| served.http(&format!("/bytes/100/{n}"))).collect();
    urls.extend((0..4).map(|n| served.http(&format!("/status/40{n}"))));
    urls.push("no url".to_owned());
    std::fs::write(sandbox.out().join("0"), b"here").unwrap();
    let pull = sandbox.pull().args(["--no-clobber", "--stats", "stats.json"]);
    let done = pull.list(&urls).run();
    assert_eq!(done.rows.len(), 35);
    let text = std::fs::read_to_string(sandbox.path("stats.json")).unwrap();
    let stats: Value = serde_json::from_str(&text).unwrap();
    let number = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name}: {text}"));
    let rows = |status: &str| done.rows.iter().filter(|row| row["status"] == status).count() as u64;
    assert_eq!((rows("ok"), rows("skipped"), rows("failed")), (29, 1, 5));
    assert_eq!(number("count"), 35);
    assert_eq!(number("successes"), rows("ok"));
    assert_eq!(number("skipped"), rows("skipped"));
    assert_eq!(number("failed_to_download"), rows("failed"));
    let classes = stats["status_dict"].as_object().unwrap();
    let sum: u64 = classes.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(sum, 35, "{text}");
}

#[test]
fn the_summary_is_for_people_and_can_be_left_out() {
    let served = serve();
    let sandbox = Sandbox::new();
    let urls = [served.http("/bytes/10/a"), served.http("/status/404")];
    let done = sandbox.pull().list(&urls).run();
    assert!(done.stderr.contains("http.status"), "failures by code: {}", done.stderr);
    let done = sandbox.pull().arg("-q").list(&urls).run();
    done.assert_code(8);
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""));
}

#[test]
fn progress_is_asked_for_or_on_a_terminal() {
    let served = serve();
    let sandbox = Sandbox::new();
    let url = served.http("/delay/1200/bytes/10/a");
    let done = sandbox.pull().args(["-q", "--progress", "json", &url]).run();
    done.assert_ok(1);
    let lines: Vec<Value> =
        done.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty() && lines.iter().all(Value::is_object), "{}", done.stderr);
}

#[test]
fn a_report_that_cannot_be_written_ends_the_run() {
    let served = serve();
    let sandbox = Sandbox::new();
    // The report's form is told by its suffix.
    symlink("/dev/full", sandbox.path("full.jsonl")).unwrap();
    let mut running = sandbox.pull().report("full.jsonl").args(["-i", "-"]).spawn();
    // As many rows as are collected before they are written, and lines that fit a pipe.
    running.feed((0..900).map(|n| served.http(&format!("/bytes/1/{n}"))));
    assert!(eventually(|| !running.is_running()), "it waits for more input");
    let done = running.wait();
    done.assert_code(3);
    assert!(done.stderr.contains("cannot write the report"), "{}", done.stderr);
}

#[test]
fn a_short_report_that_cannot_be_written_ends_the_run_too() {
    let served = serve();
    let sandbox = Sandbox::new();
    symlink("/dev/full", sandbox.path("full.jsonl")).unwrap();
    let mut running = sandbox.pull().report("full.jsonl").args(["-i", "-"]).spawn();
    running.feed((0..3).map(|n| served.http(&format!("/bytes/1/{n}"))));
    assert!(eventually(|| !running.is_running()), "it waits for more input");
    let done = running.wait();
    done.assert_code(3);
    assert!(done.stderr.contains("cannot write the report"), "{}", done.stderr);
}

#[test]
fn a_report_does_not_replace_a_list_that_the_shell_opened() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("report.csv"), "http://127.0.0.1/list\n").unwrap();
    let redirected = ["-c", "exec \"$@\" <report.csv", "sh"];
    let mut running = sandbox.pull().args(["-i", "-"]).under("sh", redirected).spawn();
    assert!(eventually(|| !running.is_running()), "{}", running.stderr());
    let (told, list) = (running.stderr(), std::fs::read_to_string(sandbox.path("report.csv")));
    assert!(told.contains("--report over the list on standard input"), "{told}");
    assert_eq!(list.unwrap(), "http://127.0.0.1/list\n");
}

#[test]
fn without_a_report_failures_are_told_one_by_one() {
    let served = serve();
    let sandbox = Sandbox::new();
    let missing = |n: u32| served.http(&format!("/status/404?{n}"));
    let told = |args: &[String]| {
        let mut command = command(env!("CARGO_BIN_EXE_ringpull"));
        let run = command.arg("-d").arg(sandbox.out()).args(args).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        (run.status.code(), stderr)
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (code, stderr) = told(&words(&["-q", &missing(1), &served.http("/bytes/1/a")]));
    let line = format!("failed: line 1: {}: the server answered 404 (http.status)\n", missing(1));
    assert_eq!((code, stderr), (Some(8), line.clone()));
    let (code, stderr) = told(&words(&["no url", &missing(1)]));
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("failed: line 1: \"no url\": not a URL; write https://HOST/PATH (input")
    );
    assert!(stderr.contains(&line.replace("line 1", "line 2")) && stderr.contains("2 failed"));

    let many: Vec<String> = std::iter::once("-q".to_owned()).chain((0..14).map(missing)).collect();
    let (_, stderr) = told(&many);
    assert_eq!(stderr.lines().count(), 11, "{stderr}");
    assert!(
        stderr.ends_with("failed: 4 more; --report FILE.csv tells of every line\n"),
        "{stderr}"
    );
    let (_, stderr) = told(&words(&["-q", "--progress", "json", &missing(1)]));
    assert!(stderr.lines().all(|line| line.starts_with('{')), "{stderr}");
}
