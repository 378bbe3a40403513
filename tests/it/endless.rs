//! Servers that never come to an end, quickly or slowly, and those that say to come back later.

use crate::cmd::{Sandbox, eventually};
use crate::rude::{Plan, Script, Verb, ok, response};
use std::time::Duration;

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// `first`, and then `rest` for ever, with a pause between.
fn endless(pause_ms: u64, first: &str, rest: &str) -> Script {
    vec![
        Verb::Send(first.as_bytes().to_vec()),
        Verb::TrickleUntilGate(Duration::from_millis(pause_ms), rest.as_bytes().to_vec()),
    ]
}

/// Pulls from a server with one script for each name, and demands the code of each, no files, and
/// that a good URL behind them all succeeds.
fn assert_codes<'a>(
    args: &[&str],
    replies: impl IntoIterator<Item = (&'a str, Script, &'a str)>,
    exit: i32,
) {
    let mut plan = Plan::new().on("/good", [ok(b"good")]);
    let mut wanted = Vec::new();
    for (name, script, code) in replies {
        plan = plan.on(&format!("/{name}"), [script]);
        wanted.push((name, code));
    }
    let server = plan.start();
    let urls: Vec<String> =
        wanted.iter().map(|(name, _)| server.url(&format!("/{name}"))).collect();
    let good = server.url("/good");
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--retry", "0", "-x", "32"]).args(args);
    let done = pull.list(urls.iter().chain([&good])).run();
    assert_eq!(done.rows.len(), urls.len() + 1);
    for ((name, code), url) in wanted.iter().zip(&urls) {
        assert_eq!(done.fault(url), *code, "{name}");
    }
    assert_eq!(done.row(&good)["status"], "ok");
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    done.assert_code(exit);
}

#[test]
fn what_never_ends_is_refused_at_its_limit() {
    let head = "HTTP/1.1 200 OK\r\n";
    let x = "x".repeat(4_096);
    let sized = |len: usize| format!("{len:x}\r\n{}\r\n", "d".repeat(len));
    let long_chunk = format!("{CHUNKED}{}", sized(1_000));
    let ended = format!("{long_chunk}0\r\n");
    let interim = format!("HTTP/1.1 103 Early Hints\r\nLink: {x}{x}\r\n\r\n");
    let too_large = "http.head_too_large";
    let extension = "http.chunk_extension_too_large";
    assert_codes(
        &[],
        [
            ("reason", endless(0, "HTTP/1.1 200 ", &x), too_large),
            ("fields", endless(0, head, &"A: b\r\n".repeat(100)), too_large),
            ("value", endless(0, &format!("{head}A: "), &x), too_large),
            ("name", endless(0, head, &x), too_large),
            ("fold", endless(0, &format!("{head}A: b\r\n"), &" c\r\n".repeat(100)), too_large),
            ("interims", endless(0, "", "HTTP/1.1 100 \r\n\r\n"), "http.interim_too_many"),
            ("long-interims", endless(0, "", &interim), too_large),
            ("empty-lines", endless(0, "", "\r\n"), "http.version"),
            ("noise", endless(0, "", "\0\0\0\0"), "http.version"),
            ("extension", endless(0, &format!("{long_chunk}1;"), &x), extension),
            ("extensions", endless(0, CHUNKED, &format!("1;{}\r\na\r\n", &x[..200])), extension),
            ("zeros", endless(0, &long_chunk, &"0".repeat(100)), extension),
            ("blanks", endless(0, &format!("{long_chunk}1"), &" ".repeat(100)), extension),
            ("trailer", endless(0, &format!("{ended}A: "), &x), "http.trailer"),
            ("trailers", endless(0, &ended, "A: b\r\n"), "http.trailer"),
        ],
        7,
    );
}

#[test]
fn a_head_that_drips_has_one_deadline() {
    let head = "HTTP/1.1 200 OK\r\n";
    let value = format!("{head}A: ");
    assert_codes(
        &["--read-timeout", "700ms"],
        [
            ("fields", endless(100, head, "A: b\r\n"), "head.timeout"),
            ("bytes", endless(100, &value, "x"), "head.timeout"),
            ("status", endless(100, "HTTP/1.1 200 ", "x"), "head.timeout"),
            ("interims", endless(100, "", "HTTP/1.1 100 Continue\r\n\r\n"), "head.timeout"),
        ],
        4,
    );
}

#[test]
fn a_body_that_stops_anywhere_has_its_deadline() {
    let stall = |bytes: String| vec![Verb::Send(bytes.into_bytes()), Verb::Stall];
    let chunked = |rest: &str| stall(format!("{CHUNKED}{rest}"));
    let length =
        |body: &str| stall(format!("HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n{body}"));
    assert_codes(
        &["--read-timeout", "700ms"],
        [
            ("length", length(""), "body.timeout"),
            ("length-some", length("some"), "body.timeout"),
            ("length-most", length(&"x".repeat(499_999)), "body.timeout"),
            ("close", stall("HTTP/1.1 200 OK\r\n\r\nsome".to_owned()), "body.timeout"),
            ("chunk-size", chunked("5"), "body.timeout"),
            ("chunk-line", chunked("5\r"), "body.timeout"),
            ("chunk-extension", chunked("5;a"), "body.timeout"),
            ("chunk-data", chunked("5\r\nhel"), "body.timeout"),
            ("chunk-end", chunked("5\r\nhello"), "body.timeout"),
            ("last-size", chunked("5\r\nhello\r\n"), "body.timeout"),
            ("last-line", chunked("5\r\nhello\r\n0\r\n"), "body.timeout"),
            ("last-byte", chunked("5\r\nhello\r\n0\r\n\r"), "body.timeout"),
            ("trailer", chunked("5\r\nhello\r\n0\r\nA: b"), "body.timeout"),
        ],
        4,
    );
}

#[test]
fn a_body_that_drips_ends_with_the_time_for_its_job() {
    let head = "HTTP/1.1 200 OK\r\n";
    let length = format!("{head}Content-Length: 1000000\r\n\r\n");
    assert_codes(
        &["-m", "900ms"],
        [
            ("length", endless(20, &length, "x"), "job.timeout"),
            ("close", endless(20, &format!("{head}\r\n"), "x"), "job.timeout"),
            ("chunks", endless(20, CHUNKED, "1\r\nx\r\n"), "job.timeout"),
        ],
        4,
    );
}

#[test]
fn a_length_that_no_disk_holds_costs_nothing() {
    let cut = |length: u64| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nsome");
        vec![Verb::Send(head.into_bytes()), Verb::Close]
    };
    assert_codes(
        &[],
        [
            ("terabyte", cut(1 << 40), "body.truncated"),
            ("largest", cut(i64::MAX as u64), "body.truncated"),
            ("too-large", cut(1 << 63), "http.content_length"),
        ],
        7,
    );
}

#[test]
fn servers_that_stall_hold_nobody_else_up() {
    let stalling = Plan::new().otherwise(vec![Verb::Gate, Verb::Close]).start();
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let mut urls: Vec<String> = (0..6).map(|n| stalling.url(&format!("/s{n}"))).collect();
    urls.extend((0..200).map(|n| server.url(&format!("/g{n}"))));
    // Two slots more than the host that stalls may take.
    let pull = sandbox.pull().args(["-j", "4", "-x", "2", "--retry", "0"]).list(&urls);
    let running = pull.args(["--read-timeout", "10m"]).spawn();
    assert!(eventually(|| server.log().len() == 200), "{:?}", server.log().len());
    stalling.open_gate();
    let done = running.wait();
    done.assert_code(4);
    assert_eq!(sandbox.files().len(), 200);
    assert_eq!(stalling.log().len(), 6);
}

#[test]
fn a_retry_after_that_says_nothing_is_a_retry_all_the_same() {
    let later = ["0", "-5", "soon", "1.5", "", "5 minutes", "Sun, 06 Nov 1994 08:49:37 GMT"];
    let statuses = ["429 Slow Down", "503 Busy"];
    let mut plan = Plan::new();
    let mut paths = Vec::new();
    for (n, status) in statuses.iter().enumerate() {
        for (m, value) in later.iter().enumerate() {
            let path = format!("/{n}-{m}");
            let fields = format!("Retry-After: {value}\r\n");
            let busy = vec![Verb::Send(response(status, &fields, b"busy"))];
            plan = plan.on(&path, [busy, ok(path.as_bytes())]);
            paths.push(path);
        }
    }
    for status in ["425 Early", "500 Oops", "502 Bad Gateway", "504 Timeout"] {
        let path = format!("/{}", &status[..3]);
        plan =
            plan.on(&path, [vec![Verb::Send(response(status, "", b"oops"))], ok(path.as_bytes())]);
        paths.push(path);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--retry", "1", "--retry-delay", "10ms"]);
    let done = pull.list(paths.iter().map(|path| server.url(path))).run();
    done.assert_ok(paths.len());
    for path in &paths {
        assert_eq!(done.row(&server.url(path))["num_retries"], "1", "{path}");
        assert_eq!(sandbox.files()[&path[1..]], path.as_bytes());
    }
}

#[test]
fn a_timeout_of_the_server_on_a_fresh_connection_is_a_retry() {
    let busy = vec![Verb::Send(response("408 Timeout", "", b"slow"))];
    let server = Plan::new().on("/a", [busy, ok(b"a")]).start();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--retry-delay", "10ms"]).args([&server.url("/a")]).run();
    done.assert_ok(1);
    assert_eq!(done.rows[0]["num_retries"], "1");
}

#[test]
fn a_retry_after_that_no_number_holds_is_a_failure_at_once() {
    let fields = "Retry-After: 99999999999999999999999999\r\n";
    let server = Plan::new().otherwise(vec![Verb::Send(response("503 Busy", fields, b""))]).start();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args([server.url("/a")]).run();
    assert_eq!(done.fault(&server.url("/a")), "http.retry_after");
    assert_eq!(server.log(), ["/a"]);
}

#[test]
fn an_address_that_cannot_be_reached_is_said_to_be_so() {
    let sandbox = Sandbox::new();
    // Nobody can be connected to by multicast, wherever the machine's routes lead.
    let done = sandbox.pull().args(["--retry", "0", "http://224.0.0.1:9/a"]).run();
    assert_eq!(done.fault("http://224.0.0.1:9/a"), "connect.unreachable");
    done.assert_code(4);
}
