//! Bad input of every kind: a code of its own, a row, a clear message, and no cost to anything
//! else.

use crate::certs::{Flaw, issue};
use crate::cmd::Sandbox;
use crate::nameserver::{Answer, NameServer};
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok};
use crate::sockets::{RefusingPort, SilentPort};
use std::collections::HashMap;
use std::time::Duration;

/// Deadlines short enough for a test, long enough for a good answer on a busy machine.
const SHORT: [&str; 6] = ["--retry", "0", "--connect-timeout", "2s", "--read-timeout", "2s"];

#[test]
fn a_missing_list_is_named() {
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["-i", "no-such-list.txt"]).run();
    assert!([2, 3].contains(&done.code()), "{}", done.stderr);
    assert!(done.stderr.contains("no-such-list.txt"), "{}", done.stderr);
    assert_eq!(done.rows.len(), 0);
}

#[test]
fn a_directory_that_is_none_is_named() {
    let served = serve();
    let sandbox = Sandbox::new();
    // Permissions would not stop root; a file in the place of a directory stops anybody.
    std::fs::write(sandbox.path("file"), b"").unwrap();
    for name in ["file", "file/below"] {
        let dir = sandbox.path(name);
        let done = sandbox.pull_into(&dir).args([served.http("/bytes/1/a")]).run();
        done.assert_code(3);
        let told = format!("{}: Not a directory", dir.to_str().unwrap());
        assert!(done.stderr.contains(&told), "{}", done.stderr);
    }
    assert_eq!(served.requests(), 0, "known before anything is asked for");
}

#[test]
fn a_file_of_an_option_that_never_ends_is_refused() {
    let sandbox = Sandbox::new();
    for flag in ["--netrc-file", "--header", "--cacert", "--cert", "--pinnedpubkey"] {
        let file = if flag == "--header" { "@/dev/zero" } else { "/dev/zero" };
        let done = sandbox.pull().args([flag, file, "http://127.0.0.1/"]).run();
        done.assert_code(2);
        let is_told = done.stderr.contains("/dev/zero") && done.stderr.contains("longer than");
        assert!(is_told, "{flag}: {}", done.stderr);
    }
}

#[test]
fn an_unknown_flag_is_named() {
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--no-such-flag", "http://127.0.0.1/"]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("--no-such-flag"), "{}", done.stderr);
}

#[test]
fn nothing_to_do_is_an_error_of_usage() {
    Sandbox::new().pull().run().assert_code(2);
}

#[test]
fn lines_that_are_no_urls_have_rows_and_cost_nothing_else() {
    let served = serve();
    let sandbox = Sandbox::new();
    let good = served.http("/bytes/5/good");
    let bad = [
        ("no url at all", "input.url"),
        ("http:/one.slash/", "input.url"),
        ("http://", "input.host_empty"),
        ("http:///three", "input.host_empty"),
        ("http://[::1/", "input.host"),
        ("http://a b/", "input.host"),
        ("http://h%2Fx/", "input.host_percent"),
        ("http://h:80:80/", "input.port"),
        ("http://h\\x/", "input.backslash"),
        ("http://h/a\rb", "input.control"),
        ("http://us%3Aer:p@h/", "input.userinfo"),
        ("ftp://127.0.0.1/file", "input.scheme"),
        ("file:///etc/passwd", "input.scheme"),
        ("javascript:alert(1)", "input."),
    ];
    let lines = bad.iter().map(|(line, _)| *line).chain([good.as_str()]);
    let done = sandbox.pull().list(lines).run();
    assert_eq!(done.rows.len(), bad.len() + 1, "{:#?}", done.rows);
    for (line, code) in bad {
        // As it is shown: a control is escaped, and what may be a password is not there.
        let shown = line.replace('\r', "\\r").replace("us%3Aer:p@", "");
        let told = done.fault(&shown);
        assert!(told.starts_with(code), "{line}: {told}");
        assert_eq!(done.row(&shown)["status"], "failed");
        assert_ne!(done.row(&shown)["error_message"], "");
    }
    assert_eq!(done.row(&good)["status"], "ok");
    done.assert_code(2);
}

#[test]
fn a_line_that_is_too_long_is_one_row() {
    let served = serve();
    let sandbox = Sandbox::new();
    let long = format!("http://127.0.0.1/{}", "x".repeat(ringpull::limits::LINE_BYTES_MAX));
    let good = served.http("/bytes/5/good");
    let done = sandbox.pull().list([&long, &good]).run();
    assert_eq!(done.rows.len(), 2, "{}", done.stderr);
    assert_eq!(done.row(&good)["status"], "ok");
    let codes: Vec<&str> = done.rows.iter().map(|row| row["error_code"].as_str()).collect();
    assert!(codes.contains(&"input.line_too_long"), "{codes:?}");
}

#[test]
fn every_failure_of_the_network_has_its_own_code_and_the_rest_goes_on() {
    let served = serve();
    let identity = issue(Flaw::Expired);
    let untrusted = Plan::new().otherwise(ok(b"x")).start_tls(&identity);
    let refusing = RefusingPort::new();
    let silent = SilentPort::new();
    let names = NameServer::start([("mute.example", Answer::Silence)]);
    let sandbox = Sandbox::new();
    let bad: HashMap<String, (&str, &str)> = HashMap::from([
        ("http://nowhere.example/a".to_owned(), ("resolve.not_found", "6")),
        (format!("http://127.0.0.1:{}/a", refusing.port), ("connect.refused", "7")),
        (format!("http://127.0.0.1:{}/a", silent.port), ("connect.timeout", "28")),
        (untrusted.url("/a"), ("tls.", "60")),
        (served.http("/status/404"), ("http.status", "22")),
        (served.http("/truncate/100/10"), ("body.truncated", "18")),
        (served.http("/stall/head"), ("head.timeout", "28")),
        (served.http("/stall/body/100/10"), ("body.timeout", "28")),
        (served.http("/empty"), ("head.empty", "52")),
        (served.http("/reset"), ("head.reset", "56")),
        (served.http("/reset/100/10"), ("body.reset", "56")),
        ("http://mute.example/a".to_owned(), ("resolve.timeout", "28")),
    ]);
    let good: Vec<String> = (0..40).map(|n| served.http(&format!("/bytes/500/g{n}"))).collect();
    let mut lines: Vec<&String> = bad.keys().collect();
    lines.extend(&good);
    let pull = sandbox.pull().args(SHORT).args(["--dns-servers", &names.addr().to_string()]);
    let done = pull.list(lines).run();

    assert_eq!(done.rows.len(), bad.len() + good.len(), "{}", done.stderr);
    let mut wrong = Vec::new();
    for (url, (code, exit)) in &bad {
        let row = done.row(url);
        let is_right = row["error_code"].starts_with(code) && row["status"] == "failed";
        if !is_right || row["exitcode"] != *exit || row["error_message"].is_empty() {
            wrong.push((url, code, exit, row));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(good.iter().all(|url| done.row(url)["status"] == "ok"));
    assert_eq!(sandbox.files().len(), good.len());
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    // Network faults, TLS, protocol and status together: the lowest number wins.
    done.assert_code(4);
}

#[test]
fn each_class_has_its_exit_status() {
    let served = serve();
    let refusing = RefusingPort::new();
    for (url, code) in [
        (format!("http://127.0.0.1:{}/a", refusing.port), 4),
        (served.http("/stall/head"), 4),
        (served.https("/bytes/1"), 5),
        (served.http("/status/401"), 6),
        (served.http("/status/407"), 6),
        (served.http("/truncate/9/1"), 7),
        (served.http("/status/404"), 8),
        (served.http("/status/500"), 8),
    ] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--retry", "0", "--read-timeout", "200ms"]);
        let done = pull.args([&url]).run();
        assert_eq!(done.code(), code, "{url}\n{:#?}", done.rows);
    }
}

#[test]
fn a_row_counts_the_bytes_that_came_before_a_deadline() {
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
    let trickle = Verb::TrickleUntilGate(Duration::from_millis(20), b"0123456789".to_vec());
    let server = Plan::new().on("/slow", [vec![Verb::Send(reply), trickle]]).start();
    let sandbox = Sandbox::new();
    let url = server.url("/slow");
    let done = sandbox.pull().args(["--retry", "0", "-m", "1s"]).args([&url]).run();
    server.open_gate();
    assert_eq!(done.fault(&url), "job.timeout", "{:#?}", done.rows);
    // Some came with the head, most while the receive waited for all of them.
    let size: u64 = done.row(&url)["size_download"].parse().unwrap();
    assert!(size >= 50, "{size} bytes");
}

#[test]
fn answers_that_are_not_http_are_faults_of_the_head_or_body() {
    let replies: [(&str, &[u8]); 8] = [
        ("/garbage", b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        ("/zero", &[0; 64]),
        ("/status", b"HTTP/1.1 abc OK\r\n\r\n"),
        ("/length", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        ("/lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        ("/chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        ("/half", b"HTTP/1.1 200 OK\r\nContent-Le"),
        ("/coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
    ];
    let mut plan = Plan::new().on("/good", [ok(b"good")]);
    for (path, bytes) in replies {
        plan = plan.on(path, [vec![Verb::Send(bytes.to_vec()), Verb::Close]]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls = replies.map(|(path, _)| server.url(path));
    let done = sandbox.pull().args(SHORT).list(urls.iter().chain([&server.url("/good")])).run();
    assert_eq!(done.rows.len(), replies.len() + 1);
    for url in &urls {
        let row = done.row(url);
        assert_eq!(
            (row["status"].as_str(), row["error_code"].is_empty()),
            ("failed", false),
            "{url}"
        );
    }
    assert_eq!(done.row(&server.url("/good"))["status"], "ok");
    done.assert_code(7);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn the_time_for_one_job_is_limited() {
    let drip = Verb::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n".to_vec());
    let server = Plan::new().on("/slow", [vec![drip, Verb::Stall]]).start();
    let sandbox = Sandbox::new();
    let url = server.url("/slow");
    let done = sandbox.pull().args(["-m", "300ms", "--retry", "5", &url]).run();
    done.assert_code(4);
    assert!(done.fault(&url).ends_with("timeout"), "{:#?}", done.rows);
    assert_eq!(server.log().len(), 1, "no attempt after the deadline of the job");
}

#[test]
fn the_time_for_one_job_is_limited_before_its_request_as_well() {
    let names = NameServer::start([("mute.example", Answer::Silence)]);
    let silent = SilentPort::new();
    // It waits for a head of HTTP, and so do clients of TLS for its answer.
    let server = Plan::new().start();
    let sandbox = Sandbox::new();
    let urls = [
        "http://mute.example/a".to_owned(),
        format!("http://127.0.0.1:{}/a", silent.port),
        server.url("/a").replace("http:", "https:"),
    ];
    // Only the time for the whole job is over before the harness gives up.
    let pull = sandbox.pull().args(["-m", "300ms", "--timeout", "10m", "--tries", "0"]);
    let pull = pull.args(["--dns-servers", &names.addr().to_string()]);
    let done = pull.list(&urls).run();
    done.assert_code(4);
    // A name is looked up before its job begins, and no longer than a job may take.
    for (url, fault) in urls.iter().zip(["resolve.timeout", "job.timeout", "job.timeout"]) {
        assert_eq!(done.fault(url), fault, "{:#?}", done.row(url));
    }
}

#[test]
fn a_body_that_is_no_file_holds_nobody_up() {
    let drip = |head: &str, bytes: &[u8]| {
        vec![
            Verb::Send(format!("HTTP/1.1 404 Not Found\r\n{head}\r\n\r\n").into_bytes()),
            Verb::TrickleUntilGate(Duration::from_millis(20), bytes.to_vec()),
        ]
    };
    let server = Plan::new()
        .on("/length", [drip("Content-Length: 60000", b"x")])
        .on("/chunked", [drip("Transfer-Encoding: chunked", b"1\r\nx\r\n")])
        .on("/good", [ok(b"good")])
        .start();
    let sandbox = Sandbox::new();
    let urls = ["/length", "/chunked", "/good"].map(|path| server.url(path));
    // The gate stays shut: at this pace a body takes longer than the harness waits.
    let done = sandbox.pull().args(["-x", "1", "-j", "1"]).list(&urls).run();
    done.assert_code(8);
    assert_eq!(done.row(&urls[2])["status"], "ok");
    for url in &urls[..2] {
        let row = done.row(url);
        assert_eq!((row["error_code"].as_str(), row["num_retries"].as_str()), ("http.status", "0"));
        assert_eq!(row["response_code"], "404");
    }
}
