//! What one connection costs in memory at most, whatever its server does: the term for `-j` of the
//! promise in `ringpull help kernel`.

use crate::certs::{Flaw, issue};
use crate::cmd::{Sandbox, command, eventually};
use crate::rude::{Plan, Rude, Script, Verb, chunked, ok, response};
use flate2::Compression;
use flate2::write::GzEncoder;
use ringpull::{limits, origin};
use std::io::Write as _;

/// Most memory that the process had resident so far, in bytes (proc_pid_status(5)).
fn peak_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

/// The peak of a run that has `jobs` connections in flight at once.
fn peak_of(jobs: usize, server: &Rude, args: &[&str]) -> u64 {
    let sandbox = Sandbox::new();
    let count = jobs.to_string();
    let pull = sandbox.pull().args(["-i", "-", "-j", &count, "-x", &count, "--threads", "1"]);
    let pull = pull.args(["--retry", "0", "--read-timeout", "10m", "--speed-limit", "0"]);
    let mut running = pull.args(["--fixed-connections"]).args(args).spawn();
    let before = server.log().len();
    running.feed((0..jobs).map(|n| server.url(&format!("/{n}"))));
    let all = || server.log().len() == before + jobs;
    assert!(eventually(all), "{}", running.stderr());
    server.open_gate();
    let rows = || std::fs::read_to_string(sandbox.path("report.csv")).unwrap_or_default();
    assert!(eventually(|| rows().lines().count() > jobs), "{}", running.stderr());
    let peak = peak_bytes(running.id());
    running.wait();
    peak
}

/// What one connection more costs, in KiB.
fn cost_kib(server: impl Fn() -> Rude, args: &[&str]) -> u64 {
    cost_kib_beyond(FEW, server, args)
}

/// The same of one more than `few`.
fn cost_kib_beyond(few: usize, server: impl Fn() -> Rude, args: &[&str]) -> u64 {
    let many = few + MORE;
    let before = peak_of(few, &server(), args);
    peak_of(many, &server(), args).saturating_sub(before) / 1_024 / MORE as u64
}

const FEW: usize = 20;
const MORE: usize = 180;

/// A response that goes on when all connections are there, up to its last byte.
fn gated(head: &str, body: &[u8]) -> Script {
    let (first, rest) = body.split_at(body.len() / 2);
    vec![
        Verb::Send([head.as_bytes(), first].concat()),
        Verb::Gate,
        Verb::Send(rest.to_vec()),
        Verb::Close,
    ]
}

#[test]
fn a_head_that_never_ends_costs_one_buffer_more_than_its_bytes() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(100_000));
    let cost = cost_kib(|| Plan::new().otherwise(gated(&head, b"aa")).start(), &[]);
    assert!((90..=230).contains(&cost), "{cost} KiB");
}

#[test]
fn connections_that_are_answered_together_share_buffers() {
    let body = origin::body("/memory", 50_000);
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", &body[..]].concat();
    let script = || vec![Verb::Gate, Verb::Send(answer.clone()), Verb::Close];
    let server = || Plan::new().otherwise(script()).start();
    let cost = cost_kib_beyond(limits::FIRST_BUFFERS_FROM, server, &[]);
    assert!(cost <= 40, "{cost} KiB");
}

#[test]
fn answers_of_every_shape_are_whole_where_very_many_are_waited_for() {
    let body = origin::body("/shapes", 400_000);
    let long_field = format!("X: {}\r\n", "a".repeat(9_000));
    let shapes = [
        response("200 OK", "", &body[..900]),
        response("200 OK", "", &body[..50_000]),
        response("200 OK", "", &body),
        response("200 OK", &long_field, &body[..50_000]),
        chunked("", &body[..50_000], 3_000),
        chunked(&long_field, &body, 70_000),
    ];
    let jobs = limits::FIRST_BUFFERS_FROM + 10 * shapes.len();
    let mut plan = Plan::new();
    for n in 0..jobs {
        // Half of them come in two pieces, of which the first is all of the head or more.
        let answer = &shapes[n % shapes.len()];
        let (first, rest) =
            answer.split_at(if n % 4 < 2 { answer.len() } else { 9_800.min(answer.len()) });
        let pieces = [Verb::Gate, Verb::Send(first.to_vec()), Verb::Send(rest.to_vec())];
        plan = plan.on(&format!("/{n}"), [pieces.into()]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let count = jobs.to_string();
    let pull = sandbox.pull().args(["-i", "-", "-j", &count, "-x", &count, "--threads", "1"]);
    let mut running = pull.args(["--retry", "0", "--fixed-connections"]).spawn();
    running.feed((0..jobs).map(|n| server.url(&format!("/{n}"))));
    assert!(eventually(|| server.log().len() == jobs), "{}", running.stderr());
    server.open_gate();
    running.wait().assert_code(0);
    let files = sandbox.files();
    for n in 0..jobs {
        let length = [900, 50_000, 400_000, 50_000, 50_000, 400_000][n % shapes.len()];
        assert!(files[&n.to_string()] == body[..length], "{n}");
    }
}

#[test]
fn a_long_body_costs_two_buffers() {
    let body = origin::body("/memory", 1_200_000);
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let cost = cost_kib(|| Plan::new().otherwise(gated(head, &body)).start(), &[]);
    assert!((200..=400).contains(&cost), "{cost} KiB");
}

#[test]
fn the_worst_that_a_connection_can_cost() {
    let identity = issue(Flaw::None);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&origin::body("/memory", 1_200_000)).unwrap();
    let body = gzip.finish().unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    let server = || Plan::new().otherwise(gated(head, &body)).start_tls(&identity);
    // Without a ring it is less: nothing is lent to the kernel.
    let cost = cost_kib(server, &["--compressed", "--insecure", "--backend", "uring"]);
    assert!((600..=1_228).contains(&cost), "{cost} KiB");
}

/// Runs out of memory with this report, which `unpack` writes to standard output.
fn run_out_of_memory(report: &str, unpack: &str) {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull_into("out".as_ref()).report(report);
    let pull = pull.args(["-i", "-", "--threads", "1", "-q", "--retry", "0"]);
    let pull = pull.args(["--read-timeout", "10m", "--lookahead", "100000"]);
    let mut running = pull.args(["--rate-per-host", "1/1h"]).spawn();
    running.feed([server.url("/0")]);
    let rows = || {
        let unpacked = command(unpack).arg("-dcf").arg(sandbox.path(report)).output().unwrap();
        String::from_utf8(unpacked.stdout).unwrap()
    };
    assert!(eventually(|| rows().lines().count() > 1), "{}", running.stderr());
    running.limit_memory(24 << 20);
    // The host rests, so these only wait. A query is long at little work: no name comes of it.
    let long = "x".repeat(60_000);
    running.feed_what_it_takes((0..3_000).map(|n| server.url(&format!("/{n}?{long}"))));
    let done = running.wait();
    done.assert_code(3);
    assert_eq!(done.stderr.matches("out of memory").count(), 1, "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    let rows = rows();
    let rows: Vec<_> = csv::Reader::from_reader(rows.as_bytes()).into_records().collect();
    let ok = rows.iter().filter(|row| row.as_ref().is_ok_and(|row| &row[3] == "ok")).count();
    assert_eq!((ok, sandbox.files().len()), (1, 1), "{rows:#?}");
}

#[test]
fn a_run_without_memory_keeps_what_was_done() {
    run_out_of_memory("report.csv", "zstd");
}

#[test]
fn a_run_without_memory_keeps_what_was_done_in_packed_reports() {
    run_out_of_memory("report.csv.gz", "gzip");
    run_out_of_memory("report.csv.zst", "zstd");
}
