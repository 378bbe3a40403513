//! Bandwidth limits: what comes is whole, what is held back stays with the server, and one host's
//! limit is no other host's.

use crate::certs::{self, Flaw};
use crate::cmd::{Sandbox, eventually};
use crate::rude::{Plan, Verb, chunked, ok, response};
use ringpull::origin;
use std::time::Duration;

/// Every kind of limit.
const LIMITS: [&str; 3] = ["--limit-rate", "--limit-rate-per-host", "--max-download-limit"];

#[test]
fn bodies_are_whole_under_any_limit() {
    let identity = certs::issue(Flaw::None);
    let body = origin::body("/paced", 300_000);
    for is_tls in [false, true] {
        let mut close = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        close.extend_from_slice(&body);
        let plan = Plan::new()
            .on("/length", [ok(&body)])
            .on("/chunked", [vec![Verb::Send(chunked("", &body, 7_001))]])
            .on("/close", [vec![Verb::Send(close), Verb::Close]])
            .on("/pieces", [vec![Verb::Pieces(9_999, response("200 OK", "", &body))]])
            .on("/short", [ok(&body[..100])])
            .on("/empty", [ok(b"")]);
        let server = if is_tls { plan.start_tls(&identity) } else { plan.start() };
        let paths = ["/length", "/chunked", "/close", "/pieces", "/short", "/empty"];
        // From next to none to the smallest receives there are; the last with all limits at once.
        for rate in ["1T", "40M", "4M"] {
            let sandbox = Sandbox::new();
            let mut pull = sandbox.pull().arg("--insecure");
            for limit in LIMITS {
                pull = pull.args([limit, rate]);
            }
            pull.list(paths.map(|path| server.url(path))).run().assert_ok(paths.len());
            let files = sandbox.files();
            for path in ["length", "chunked", "close", "pieces"] {
                assert!(files[path] == body, "{path} at {rate}, TLS: {is_tls}");
            }
            assert_eq!((files["short"].as_slice(), files["empty"].len()), (&body[..100], 0));
        }
    }
}

#[test]
fn a_limit_of_one_host_is_not_that_of_another() {
    // Four seconds at this rate.
    let long = Plan::new().on("/long", [ok(&origin::body("/long", 200_000))]).start();
    let short = Plan::new().on("/short", [ok(&origin::body("/short", 2_000))]).start();
    let sandbox = Sandbox::new();
    let mut running = sandbox.pull().args(["--limit-rate-per-host", "50000", "-i", "-"]).spawn();
    running.feed([long.url("/long")]);
    assert!(eventually(|| long.log() == ["/long"]));
    running.feed([short.url("/short")]);
    let done = running.wait();
    done.assert_ok(2);
    assert_eq!(done.rows[0]["url"], short.url("/short"), "it began later and ended first");
}

#[test]
fn what_is_not_received_stays_with_the_server() {
    // More than the kernel keeps for both ends of a connection.
    let body = vec![b'x'; 64 << 20];
    let sent = || Verb::Mark(Duration::ZERO, "sent");
    for limit in LIMITS {
        let server = Plan::new()
            .on("/long", [vec![Verb::Send(response("200 OK", "", &body)), sent()]])
            .on("/short", [ok(b"short")])
            .start();
        let sandbox = Sandbox::new();
        let mut running = sandbox.pull().args([limit, "20k", "-i", "-"]).spawn();
        running.feed([server.url("/long")]);
        assert!(eventually(|| server.log() == ["/long"]));
        running.feed([server.url("/short")]);
        assert!(eventually(|| sandbox.files().contains_key("short")), "{limit}");
        assert_eq!(server.log(), ["/long", "/short"], "{limit}: the long one is not sent yet");
        running.signal(rustix::process::Signal::INT);
        running.signal(rustix::process::Signal::TERM);
    }
}

#[test]
fn a_wait_of_ours_is_not_the_server_s_fault_but_max_time_counts_it() {
    // Three seconds and more, in receives that are a second apart. What is waited for between two
    // receives is longer than all patience with the server.
    let body = origin::body("/a", 4_096);
    let server = Plan::new().on("/a", [ok(&body)]).start();
    let impatient = ["--read-timeout", "500ms", "-Y", "100k", "-y", "500ms", "--retry", "0"];
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(impatient).args(["--limit-rate", "1k"]);
    pull.arg(server.url("/a")).run().assert_ok(1);
    assert!(sandbox.files()["a"] == body);

    let long = Plan::new().on("/a", [ok(&origin::body("/a", 100_000))]).start();
    let pull = sandbox.pull().args(["--limit-rate", "1k", "--max-time", "1500ms"]);
    let done = pull.arg(long.url("/a")).run();
    assert_eq!(done.fault(&long.url("/a")), "job.timeout");
}

#[test]
fn a_limit_of_0_is_none_and_the_last_one_counts() {
    let body = origin::body("/a", 500_000);
    let server = Plan::new().on("/a", [ok(&body)]).start();
    let sandbox = Sandbox::new();
    // aria2's name for it. At a byte a second the test would hang.
    let pull = sandbox.pull().args(["--limit-rate", "1", "--max-overall-download-limit", "0"]);
    pull.arg(server.url("/a")).run().assert_ok(1);
    let done = sandbox.pull().args(["--limit-rate", "fast", &server.url("/a")]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("use a number of bytes"), "{}", done.stderr);
}
