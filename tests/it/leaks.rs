//! Descriptors return to where they were after hundreds of failures, and good jobs still succeed.

use crate::cmd::{Sandbox, eventually};
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok};
use crate::sockets::{RefusingPort, SilentPort};
use ringpull::origin::Listener;
use std::time::Duration;

/// Failing URLs of each kind.
const EACH: usize = 300;
/// Descriptors that may be more than before: connections kept idle, and what lookups hold open.
const KEPT_MAX: usize = 12;

#[test]
fn descriptors_return_after_failures_of_every_kind() {
    let half = Verb::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec());
    // One job is held open by a body that comes so slowly that it is never too late, and keeps the
    // process alive while its descriptors are counted.
    let hold = vec![
        Verb::Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        Verb::TrickleUntilGate(Duration::from_millis(20), b"1\r\nx\r\n".to_vec()),
        Verb::Send(b"0\r\n\r\n".to_vec()),
    ];
    let mut plan = Plan::new().on("/hold", [hold]).on("/first", [ok(b"1")]).on("/good", [ok(b"2")]);
    for n in 0..EACH {
        plan = plan
            .on(&format!("/reset{n}"), [vec![Verb::Reset]])
            .on(&format!("/stall{n}"), [vec![Verb::Stall]])
            .on(&format!("/half{n}"), [vec![half.clone(), Verb::Stall]])
            .on(&format!("/short{n}"), [vec![half.clone(), Verb::Close]]);
    }
    let server = plan.start();
    let (refusing, silent) = (RefusingPort::new(), SilentPort::new());
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-i", "-", "--retry", "0", "-j", "400", "-x", "300"]);
    // Nothing but failures: such hosts are soon left alone otherwise.
    let pull = pull.args(["--fixed-connections", "--host-fail-limit", "0"]);
    // Hundreds connect at the same moment, and only the silent port is to be too late.
    let mut running = pull.args(["--connect-timeout", "3s", "--read-timeout", "2s"]).spawn();
    running.feed([server.url("/hold"), server.url("/first")]);
    assert!(eventually(|| server.log().contains(&"/hold".to_owned())));
    let before = running.descriptors();

    let mut bad = Vec::new();
    for n in 0..EACH {
        bad.push((format!("http://127.0.0.1:{}/{n}", refusing.port), "connect.refused"));
        bad.push((format!("http://127.0.0.1:{}/{n}", silent.port), "connect.timeout"));
        bad.push((server.url(&format!("/reset{n}")), "head.reset"));
        bad.push((server.url(&format!("/stall{n}")), "head.timeout"));
        bad.push((server.url(&format!("/half{n}")), "body.timeout"));
        bad.push((server.url(&format!("/short{n}")), "body.truncated"));
    }
    running.feed(bad.iter().map(|(url, _)| url));
    // A line may be looked at only once the next has come: nobody waits for the good one here.
    running.feed([server.url("/good")]);
    let mut now = 0;
    let is_back = eventually(|| {
        now = running.descriptors();
        server.log().len() >= 2 + 4 * EACH && now <= before + KEPT_MAX
    });
    let asked = server.log().len();
    assert!(is_back, "{before} descriptors before, {now} after; {asked} requests came");
    assert!(running.is_running());

    server.open_gate();
    let done = running.wait();
    assert_eq!(done.rows.len(), bad.len() + 3, "{}", done.stderr);
    for good in ["/hold", "/first", "/good"] {
        assert_eq!(done.row(&server.url(good))["status"], "ok", "{good}");
    }
    let told: std::collections::HashMap<&str, &str> =
        done.rows.iter().map(|row| (row["url"].as_str(), row["error_code"].as_str())).collect();
    for (url, code) in &bad {
        let found = told[url.as_str()];
        // On a busy machine the time may be over a stage earlier.
        let is_late = code.ends_with(".timeout") && found.ends_with(".timeout");
        assert!(found == *code || is_late, "{url}: {found} and not {code}");
    }
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn a_thousand_hosts_are_pulled_from_with_few_descriptors() {
    let served = serve();
    let sandbox = Sandbox::new();
    let host = |n: usize| format!("http://h{n}.example:{}/bytes/10/{n}", served.port());
    let over = format!("*:{}:127.0.0.1", served.port());
    let pull = sandbox.pull().args(["--resolve", &over]).list((0..1_000).map(host));
    // Both limits, so that the program cannot raise its own.
    let done = pull.under("sh", ["-c", r#"ulimit -n 128; exec "$@""#, "sh"]).run();
    done.assert_ok(1_000);
    assert_eq!(sandbox.files().len(), 1_000);
    // An idle connection goes before a new one fails for want of a descriptor.
    let again: Vec<_> = done.rows.iter().filter(|row| row["num_retries"] != "0").collect();
    assert!(again.is_empty(), "{again:#?}");
    assert_eq!(served.origin.stats(Listener::Http).connections, 1_000);
}
