//! What is asked of one host: connections, rests, rates, and hosts that cannot be reached. "When"
//! is told by the order of events only.

use crate::cmd::{Sandbox, eventually};
use crate::relay::{Manner, Relay, Then};
use crate::rude::{Event, Plan, Rude, Script, Verb, ok, redirect, response};
use crate::sockets::RefusingPort;
use std::collections::HashSet;
use std::time::Duration;

/// A 200 with a mark in the log some time after the request.
fn marked(after_ms: u64) -> Script {
    let mark = Verb::Mark(Duration::from_millis(after_ms), "later");
    vec![mark, Verb::Send(response("200 OK", "", b"x"))]
}

fn resolving(server: &Rude, hosts: &[&str]) -> Vec<String> {
    hosts.iter().flat_map(|host| ["--resolve".to_owned(), server.resolve(host)]).collect()
}

#[test]
fn http_and_https_of_a_name_are_one_host() {
    // It begins an answer and says no more.
    let proxy = Relay::start(Manner::Says(vec![b"HTTP".to_vec()], Then::Hold));
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--proxy", &format!("http://{}", proxy.addr()), "-x", "1"]);
    let pull = pull.args(["--retry", "0", "--read-timeout", "2s", "--connect-timeout", "2s"]);
    let urls = ["http://one.example/1", "https://one.example/2", "http://other.example/3"];
    let running = pull.list(urls).spawn();
    let has = |what: &str| proxy.messages().iter().any(|message| message.contains(what));
    assert!(eventually(|| has("GET http://one.example/1") && has("GET http://other.example/3")));
    assert!(!has("CONNECT one.example"), "a second connection for one host");
    let done = running.wait();
    assert!(has("CONNECT one.example:443"), "its turn came when the first was over");
    assert_eq!(done.rows.len(), 3);
}

#[test]
fn a_host_that_answers_429_rests_while_others_finish() {
    let fields = "Retry-After: 2\r\n";
    let busy = vec![Verb::Send(response("429 Too Many Requests", fields, b""))];
    let mut plan = Plan::new().on("/busy", [busy, ok(b"1")]);
    for n in 0..40 {
        plan = plan.on(&format!("/other{n}"), [ok(b"2")]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let (one, other) = ("one.example", "other.example");
    let others = (0..40).map(|n| server.url_at(other, &format!("/other{n}")));
    let urls: Vec<String> = [server.url_at(one, "/busy")].into_iter().chain(others).collect();
    // One slot in all: a host that rests must not hold it.
    let pull = sandbox.pull().args(["-j", "1", "--threads", "1"]);
    let done = pull.args(resolving(&server, &[one, other])).list(&urls).run();
    done.assert_ok(41);
    assert_eq!(done.row(&urls[0])["num_retries"], "1");
    let log = server.log();
    assert_eq!(log.last().map(String::as_str), Some("/busy"), "{log:?}");
}

#[test]
fn a_host_that_cannot_be_reached_is_given_up_after_one_probe() {
    let server = Plan::new().otherwise(ok(b"here")).start();
    let refusing = RefusingPort::new();
    let sandbox = Sandbox::new();
    let dead: Vec<String> =
        (0..50).map(|n| format!("http://127.0.0.1:{}/{n}", refusing.port)).collect();
    let alive: Vec<String> = (0..50).map(|n| server.url(&format!("/{n}"))).collect();
    let urls = dead.iter().zip(&alive).flat_map(|(dead, alive)| [dead, alive]);
    let pull = sandbox.pull().args(["-x", "1", "--retry", "0", "--host-fail-limit", "3"]);
    let done = pull.args(["--host-fail-wait", "300ms"]).list(urls).run();
    done.assert_code(4);
    for url in &alive {
        assert_eq!(done.row(url)["status"], "ok");
    }
    let faults: Vec<&str> = dead.iter().map(|url| done.fault(url)).collect();
    let refused = faults.iter().filter(|fault| **fault == "connect.refused").count();
    let down = faults.iter().filter(|fault| **fault == "connect.host_down").count();
    assert_eq!((refused, down), (4, 46), "three, and the probe");
    let row =
        dead.iter().map(|url| done.row(url)).find(|row| row["error_code"] == "connect.host_down");
    assert_eq!(row.expect("46 of them")["exitcode"], "7");
}

#[test]
fn a_job_that_waits_for_its_retry_fails_with_its_host() {
    let refusing = RefusingPort::new();
    let sandbox = Sandbox::new();
    let urls: Vec<String> =
        (0..10).map(|n| format!("http://127.0.0.1:{}/{n}", refusing.port)).collect();
    // Nine would be tried again after some minutes, and the tenth is the probe.
    let pull = sandbox.pull().args(["--retry", "5", "--retry-delay", "600s"]);
    let pull = pull.args(["--host-fail-limit", "9", "-x", "1", "--host-fail-wait", "300ms"]);
    let done = pull.list(&urls).run();
    assert_eq!(done.rows.len(), 10);
    for row in &done.rows {
        assert_eq!(row["error_code"], "connect.host_down", "{row:?}");
    }
}

#[test]
fn requests_of_a_run_are_spaced_and_hops_count() {
    let hop = |to: &str| {
        let mut script = vec![Verb::Mark(Duration::from_millis(500), "later")];
        script.extend(redirect(to));
        script
    };
    let server =
        Plan::new().on("/a", [hop("/b")]).on("/b", [marked(500)]).on("/c", [ok(b"c")]).start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/a"), server.url("/c")];
    let done = sandbox.pull().args(["--rate", "1/s"]).list(&urls).run();
    done.assert_ok(2);
    let log = server.log();
    let kinds: Vec<bool> = log.iter().map(|event| event == "!later").collect();
    assert_eq!(kinds[..4], [false, true, false, true], "{log:?}");
}

#[test]
fn a_rate_per_host_holds_nobody_else_up() {
    let server = Plan::new()
        .on("/a", [marked(500)])
        .on("/b", [ok(b"b")])
        .otherwise(ok(b"elsewhere"))
        .start();
    let sandbox = Sandbox::new();
    let (one, other) = ("one.example", "other.example");
    let mut urls = vec![server.url_at(one, "/a"), server.url_at(one, "/b")];
    urls.push(server.url_at(other, "/elsewhere"));
    let pull = sandbox.pull().args(["--rate-per-host", "1/s"]).args(["-j", "1", "--threads", "1"]);
    let done = pull.args(resolving(&server, &[one, other])).list(&urls).run();
    done.assert_ok(3);
    assert_eq!(server.log(), ["/a", "/elsewhere", "!later", "/b"]);
}

#[test]
fn a_busy_host_gets_fewer_connections() {
    // Eight answers at once say that it is too much; what comes then is answered one by one.
    let busy = || vec![Verb::Gate, Verb::Send(response("503 Busy", "", b""))];
    let mut plan = Plan::new();
    for n in 0..16 {
        plan = plan.on(&format!("/{n}"), [busy(), ok(b"x")]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-x", "8", "--retry", "9", "--retry-delay", "10ms"]);
    let urls: Vec<String> = (0..16).map(|n| server.url(&format!("/{n}"))).collect();
    let running = pull.list(&urls).spawn();
    assert!(eventually(|| server.log().len() == 8), "as many as -x allows");
    server.open_gate();
    let done = running.wait();
    done.assert_ok(16);
    let connection = |event: Event| match event {
        Event::Request { connection, .. } => Some(connection),
        Event::Mark(_) => None,
    };
    let connections: Vec<usize> = server.events().into_iter().filter_map(connection).collect();
    let first: HashSet<usize> = connections[..8].iter().copied().collect();
    let last: HashSet<usize> = connections[connections.len() - 8..].iter().copied().collect();
    assert!(first.len() == 8 && last.len() < 8, "{connections:?}");
}

#[test]
fn rates_that_cannot_be_are_refused() {
    let sandbox = Sandbox::new();
    for args in [["--rate", "5"], ["--rate-per-host", "0/s"], ["--tpslimit", "x"]] {
        let done = sandbox.pull().args(args).arg("http://one.invalid/").run();
        done.assert_code(2);
        assert!(done.stderr.contains(args[0]), "{}", done.stderr);
    }
}
