//! What is tried again, when, and what is not. "When" is told by the order of events only.

use crate::cmd::{Sandbox, eventually};
use crate::origin::serve;
use crate::rude::{Event, Plan, Script, Verb, ok, response};
use crate::sockets::RefusingPort;
use ringpull::origin;
use rustix::process::Signal;
use std::time::{Duration, SystemTime};

const QUICK: [&str; 2] = ["--retry-delay", "10ms"];

#[test]
fn flaky_answers_are_tried_again_and_counted() {
    let served = serve();
    let sandbox = Sandbox::new();
    let urls: Vec<String> =
        (0..30).map(|n| served.http(&format!("/flaky/{}/bytes/50/f{n}?id={n}", n % 3))).collect();
    let done = sandbox.pull().args(QUICK).args(["--retry", "2"]).list(&urls).run();
    done.assert_ok(30);
    for (n, url) in urls.iter().enumerate() {
        assert_eq!(done.row(url)["num_retries"], (n % 3).to_string(), "{url}");
        assert_eq!(sandbox.files()[&format!("f{n}")], origin::body(&format!("/bytes/50/f{n}"), 50));
    }
    assert_eq!(served.requests(), 30 + 30);
}

#[test]
fn attempts_are_limited() {
    let served = serve();
    let sandbox = Sandbox::new();
    let url = served.http("/flaky/9/bytes/1");
    let done = sandbox.pull().args(QUICK).args(["--retry", "2", &url]).run();
    done.assert_code(8);
    let row = done.row(&url);
    assert_eq!((row["num_retries"].as_str(), row["response_code"].as_str()), ("2", "503"));
    assert_eq!(row["error_code"], "http.status");
    assert_eq!(served.requests(), 3);
}

#[test]
fn what_is_permanent_is_asked_for_once() {
    let served = serve();
    let sandbox = Sandbox::new();
    let codes = [400, 401, 403, 404, 410, 451, 501];
    let urls = codes.map(|code| served.http(&format!("/status/{code}")));
    let done = sandbox.pull().args(QUICK).list(&urls).run();
    assert_eq!(served.requests(), codes.len() as u64);
    for (url, code) in urls.iter().zip(codes) {
        let row = done.row(url);
        assert_eq!((row["num_retries"].as_str(), row["error_code"].as_str()), ("0", "http.status"));
        assert_eq!(row["response_code"], code.to_string());
    }
    // 401 counts as authentication, which has the lower number (wget's rule).
    done.assert_code(6);
}

#[test]
fn transient_transport_failures_are_tried_again() {
    let cut = Verb::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab".to_vec());
    let server = Plan::new()
        .on("/reset", [vec![Verb::Reset], ok(b"good")])
        .on("/empty", [vec![Verb::Close], ok(b"good")])
        .on("/short", [vec![cut.clone(), Verb::Close], ok(b"good")])
        .on("/broken", [vec![cut, Verb::Reset], ok(b"good")])
        .on("/drip", [vec![Verb::Drip(response("200 OK", "", b"good"))]])
        .start();
    let sandbox = Sandbox::new();
    let paths = ["/reset", "/empty", "/short", "/broken", "/drip"];
    // One connection per job, or a failure on a kept one could count as stale.
    let pull = sandbox.pull().args(QUICK).args(["-x", "8", "-j", "8"]);
    let done = pull.list(paths.iter().map(|path| server.url(path))).run();
    done.assert_ok(paths.len());
    assert!(sandbox.files().values().all(|content| content == b"good"));
    assert_eq!(done.row(&server.url("/short"))["num_retries"], "1");
    assert_eq!(done.row(&server.url("/broken"))["num_retries"], "1");
    assert_eq!(done.row(&server.url("/drip"))["num_retries"], "0");
}

/// 503 with this Retry-After; a mark in the log as long as the wait must at least be.
fn busy(retry_after: &str) -> Script {
    let fields = format!("Retry-After: {retry_after}\r\n");
    let mark = Verb::Mark(Duration::from_millis(900), "waited");
    vec![mark, Verb::Send(response("503 Service Unavailable", &fields, b""))]
}

fn assert_waits(retry_after: &str) {
    let server = Plan::new()
        .on("/a", [busy(retry_after), ok(b"a")])
        .on("/b", [ok(b"b")])
        .on("/elsewhere", [ok(b"elsewhere")])
        .start();
    let sandbox = Sandbox::new();
    let (one, other) = ("one.example", "other.example");
    let pull = sandbox.pull().args(["-x", "1", "-j", "1", "--threads", "1"]).args(QUICK);
    let pull = pull.args(["--resolve", &server.resolve(one), "--resolve", &server.resolve(other)]);
    let urls =
        [server.url_at(one, "/a"), server.url_at(one, "/b"), server.url_at(other, "/elsewhere")];
    let done = pull.list(&urls).run();
    done.assert_ok(3);
    assert_eq!(done.row(&urls[0])["num_retries"], "1");
    assert_eq!(done.row(&urls[1])["num_retries"], "0");
    let log = server.log();
    let at = |what: &str| log.iter().position(|event| event == what);
    let again = log.iter().rposition(|event| event == "/a");
    // None, not there, comes before all that is there.
    assert!(
        at("!waited").is_some() && at("!waited") < again,
        "{retry_after} was not obeyed: {log:?}"
    );
    // The pause is the host's, and a waiting job holds no slot: with one slot in all, the other
    // host's URL went ahead.
    assert!(at("/elsewhere") < again, "the wait held the only slot: {log:?}");
    assert!(at("/b") < at("/a") || at("/b") > at("!waited"), "the host was not paused: {log:?}");
}

#[test]
fn retry_after_in_seconds_pauses_the_host() {
    assert_waits("1");
}

#[test]
fn retry_after_as_a_date_pauses_the_host() {
    // A date has whole seconds: two of them ahead is more than one second away.
    assert_waits(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2)));
}

#[test]
fn a_retry_after_beyond_the_limit_is_a_failure_at_once() {
    let served = serve();
    let sandbox = Sandbox::new();
    let url = served.http("/status/503?retry-after=86400");
    let done = sandbox.pull().args([&url]).run();
    done.assert_code(8);
    assert_eq!(done.row(&url)["num_retries"], "0");
    assert_eq!(served.requests(), 1);
}

#[test]
fn every_form_of_too_long_a_wait_is_a_failure_at_once() {
    let values = [
        "301",
        "86400",
        "99999999999999999999999999",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Saturday, 31-Dec-50 23:59:59 GMT",
        "Fri Dec 31 23:59:59 2100",
    ];
    for value in values {
        let server = Plan::new().otherwise(busy(value)).start();
        let sandbox = Sandbox::new();
        let url = server.url("/a");
        let done = sandbox.pull().args([&url]).run();
        let row = done.row(&url);
        let seen = [&row["error_code"], &row["exitcode"], &row["response_code"]];
        assert_eq!(seen, ["http.retry_after", "22", "503"], "{value}");
        assert_eq!(row["num_retries"], "0", "{value}");
    }
}

#[test]
fn a_wait_that_says_nothing_is_none() {
    let values = [
        "0",
        "-1",
        "",
        "soon",
        "1.5e9",
        "3600s",
        "86400, 86400",
        "Fri, 31 Dec 1999 23:59:59 GMT",
        "Friday, 31-Dec-99 23:59:59 GMT",
        "Fri Dec 31 23:59:59 1999",
        "Fri, 31 Dec 9999 23:59:59",
    ];
    let paths: Vec<String> = (0..values.len()).map(|n| format!("/{n}")).collect();
    let each = paths.iter().zip(values);
    let plan =
        each.fold(Plan::new(), |plan, (path, value)| plan.on(path, [busy(value), ok(b"back")]));
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
    let done = sandbox.pull().args(QUICK).list(&urls).run();
    done.assert_ok(values.len());
    assert!(urls.iter().all(|url| done.row(url)["num_retries"] == "1"), "{:#?}", done.rows);
}

#[test]
fn a_stale_connection_is_replaced_without_an_attempt() {
    // On the kept connection the second request meets silence and an end; on a fresh one, an
    // answer.
    for ending in [Verb::Close, Verb::Reset] {
        let server =
            Plan::new().on("/1", [ok(b"1")]).on("/2", [vec![ending.clone()], ok(b"2")]).start();
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["-x", "1", "-j", "1", "--threads", "1", "--retry", "0"]);
        let done = pull.list([server.url("/1"), server.url("/2")]).run();
        done.assert_ok(2);
        assert_eq!(done.row(&server.url("/2"))["num_retries"], "0", "{ending:?}");
        let connections: Vec<usize> = server
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::Request { connection, .. } => Some(*connection),
                Event::Mark(_) => None,
            })
            .collect();
        assert_eq!(connections, [0, 0, 1], "{ending:?}: reused once, then replaced");
    }
}

#[test]
fn a_connection_that_ended_while_idle_is_not_an_attempt_either() {
    let mut last = ok(b"body");
    last.push(Verb::Close);
    let server = Plan::new().otherwise(last).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-x", "1", "-j", "1", "--threads", "1", "--retry", "0"]);
    let done = pull.list((0..20).map(|n| server.url(&format!("/{n}")))).run();
    done.assert_ok(20);
    assert_eq!(server.connections(), 20);
}

#[test]
fn the_time_for_one_job_bounds_its_attempts() {
    let refusing = RefusingPort::new();
    let sandbox = Sandbox::new();
    let url = format!("http://127.0.0.1:{}/a", refusing.port);
    let pull = sandbox.pull().args(["--tries", "0", "-m", "1500ms", "--retry-delay", "100ms"]);
    let done = pull.args([&url]).run();
    done.assert_code(4);
    let fault = done.fault(&url);
    assert!(["connect.refused", "job.timeout"].contains(&fault), "{fault}");
    assert_ne!(done.row(&url)["num_retries"], "0");
}

#[test]
fn a_wait_beyond_the_time_for_one_job_is_not_begun() {
    // Neither time is over before the harness gives up: the run ends because it does not wait.
    let server = Plan::new()
        .otherwise(vec![Verb::Send(response(
            "503 Service Unavailable",
            "Retry-After: 200\r\n",
            b"",
        ))])
        .start();
    let sandbox = Sandbox::new();
    let url = server.url("/a");
    let done = sandbox.pull().args(["-m", "100s", "--retry-after-max", "300s", &url]).run();
    done.assert_code(8);
    let row = done.row(&url);
    assert_eq!((row["response_code"].as_str(), row["num_retries"].as_str()), ("503", "0"));
    assert_eq!(server.log(), ["/a"]);
}

#[test]
fn a_retry_after_beyond_the_limit_gives_the_host_a_rest_of_one_retry_delay() {
    let busy =
        vec![Verb::Send(response("429 Too Many Requests", "Retry-After: 3600\r\n", b"busy"))];
    let server = Plan::new().otherwise(busy).start();
    let other = Plan::new().otherwise(ok(b"other")).start();
    let sandbox = Sandbox::new();
    let paused = (0..50).map(|n| server.url(&format!("/{n}")));
    let urls: Vec<String> = paused.chain((0..50).map(|n| other.url(&format!("/{n}")))).collect();
    let rest = ["-j", "1", "--retry-delay", "10m"];
    let running = sandbox.pull().args(rest).list(&urls).spawn();
    assert!(eventually(|| other.log().len() == 50), "{:?}\n{:?}", server.log(), other.log());
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    // Only what was asked before the first answer, with one job at a time.
    let asked = server.log();
    assert_eq!(asked.len(), 1, "the host was not paused: {asked:?}");
    assert_eq!(done.fault(&server.url(&asked[0])), "http.retry_after");
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), 50);
    assert_eq!(done.rows.len(), 51, "what was never begun has no row");
}

#[test]
fn a_job_that_fails_at_once_does_not_hold_the_list_up() {
    let busy = |after: &str| {
        let fields = format!("Retry-After: {after}\r\n");
        vec![Verb::Send(response("503 Service Unavailable", &fields, b"busy"))]
    };
    let plan = Plan::new().on("/busy", [busy("200")]).on("/busier", [busy("86400")]);
    let server = plan.otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let urls = ["/busy", "/busier", "/a", "/b", "/c"].map(|path| server.url(path));
    let pull = sandbox.pull().args(["-j", "1", "--retry", "0", "--retry-delay", "1ms"]);
    // Without the rule it would end after 200 s, which the harness does not wait for.
    let done = pull.list(&urls).run();
    done.assert_code(8);
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), 3);
}

#[test]
fn a_url_that_asks_for_a_wait_does_not_hold_up_the_others_of_its_host() {
    let busy = response("503 Service Unavailable", "Retry-After: 200\r\n", b"busy");
    let busy = || [vec![Verb::Send(busy.clone())]];
    let plan = Plan::new().on("/busy", busy()).on("/limited", busy());
    let server = plan.otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let good = (0..50).map(|n| format!("/{n}"));
    let paths: Vec<String> =
        ["/busy".to_owned(), "/limited".to_owned()].into_iter().chain(good).collect();
    let urls = paths.iter().map(|path| server.url(path));
    // The two wait for 200 s, which the harness does not.
    let running = sandbox.pull().args(["-x", "1"]).list(urls).spawn();
    assert!(eventually(|| server.log().len() == paths.len()), "{:?}", server.log());
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), 50);
}

#[test]
fn an_attempt_is_not_begun_when_the_time_for_its_job_is_over() {
    let again = response("503 Service Unavailable", "Retry-After: 1\r\n", b"");
    let server = Plan::new().otherwise(vec![Verb::Send(again)]).start();
    let stalling = Plan::new().otherwise(vec![Verb::Stall]).start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/a"), stalling.url("/b")];
    // The second job takes the only slot while the first one waits, and it began later: when it is
    // out of time, so is the first one.
    let pull = sandbox.pull().args(["-j", "1", "--threads", "1", "-m", "2s", "--tries", "0"]);
    let done = pull.args(QUICK).list(&urls).run();
    done.assert_code(4);
    assert_eq!(server.log(), ["/a"], "an attempt after the deadline of the job");
    assert_eq!(
        (done.row(&urls[0])["status"].as_str(), done.fault(&urls[1])),
        ("failed", "job.timeout")
    );
}

#[test]
fn a_job_is_over_in_time_although_its_host_rests() {
    let busy = vec![Verb::Send(response("503 Service Unavailable", "", b""))];
    let server = Plan::new().on("/busy", [busy]).otherwise(ok(b"x")).start();
    let refusing = RefusingPort::new();
    // Who waits for the host waits longer than the harness.
    let patient = ["--host-fail-limit", "1", "--host-fail-wait", "1h", "--rate-per-host", "1/1h"];
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(patient).args(["-m", "2s", "--retry-delay", "10ms"]);
    let urls = [server.url("/busy"), format!("http://127.0.0.1:{}/gone", refusing.port)];
    let done = pull.list(&urls).run();
    for (url, reason) in urls.iter().zip(["the server answered 503", "connection refused"]) {
        assert_eq!(done.fault(url), "job.timeout");
        let message = &done.row(url)["error_message"];
        assert!(message.contains(&format!("before that, {reason}")), "{message}");
    }
    assert_eq!(done.row(&urls[0])["response_code"], "503");
    assert_eq!(server.log().len(), 1);
}
