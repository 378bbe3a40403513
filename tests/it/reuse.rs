//! Kept connections and what servers do to them: closed, reset, filled with bytes nobody asked for.
//! Nobody's response may be another's, and what a server may do at any time costs no attempt.

use crate::cmd::{Done, Sandbox, eventually};
use crate::rude::{Event, Plan, Rude, Script, Verb, chunked, ok, response};
use std::time::Duration;

/// One job after the other, each on the connection of the one before, if that can be.
const ONE_BY_ONE: [&str; 8] = ["-x", "1", "-j", "1", "--threads", "1", "--retry", "0"];

/// A response that was meant for nobody.
fn evil() -> Vec<u8> {
    response("200 OK", "", b"evil")
}

/// A body of its own for each path, longer than the first receive.
fn long(path: &str) -> Vec<u8> {
    let mut body = path.as_bytes().repeat(120_000 / path.len());
    body.extend_from_slice(b"end");
    body
}

/// So many URLs, one by one, where URL number `n` gets the script that `script` makes of its path.
fn one_by_one(count: usize, script: impl Fn(&str, usize) -> Script) -> (Rude, Sandbox, Done) {
    let mut plan = Plan::new();
    for n in 0..count {
        let path = format!("/{n}");
        plan = plan.on(&path, [script(&path, n)]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls = (0..count).map(|n| server.url(&format!("/{n}")));
    let done = sandbox.pull().args(ONE_BY_ONE).list(urls).run();
    (server, sandbox, done)
}

/// Everything went well at the first attempt, and every file is the body of its own path.
fn assert_own_bodies(sandbox: &Sandbox, done: &Done, count: usize, body: impl Fn(&str) -> Vec<u8>) {
    done.assert_ok(count);
    for row in &done.rows {
        assert_eq!(row["num_retries"], "0", "{row:#?}");
    }
    let files = sandbox.files();
    assert_eq!(files.len(), count);
    for (name, content) in files {
        let shown = content[..content.len().min(40)].escape_ascii();
        assert!(content == body(&format!("/{name}")), "{name} is {shown}");
    }
}

/// The connection of each request, in order.
fn connections(server: &Rude) -> Vec<usize> {
    let events = server.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::Request { connection, .. } => Some(connection),
            Event::Mark(_) => None,
        })
        .collect()
}

#[test]
fn bytes_behind_a_long_body_are_nobodys_response() {
    // They are in the kernel by the time the body is whole, and the client asks for no more than
    // the body.
    let (server, sandbox, done) = one_by_one(40, |path, _| {
        let mut bytes = response("200 OK", "", &long(path));
        bytes.extend(evil());
        vec![Verb::Send(bytes)]
    });
    assert_own_bodies(&sandbox, &done, 40, long);
    assert_eq!(server.connections(), 40, "a connection with bytes left is of no use");
}

#[test]
fn bytes_behind_a_short_body_are_nobodys_response() {
    for extra in [evil(), b"\r\n".to_vec(), b"x".to_vec(), vec![0; 100_000]] {
        let (server, sandbox, done) = one_by_one(20, |path, _| {
            let mut bytes = response("200 OK", "", path.as_bytes());
            bytes.extend(&extra);
            vec![Verb::Send(bytes)]
        });
        assert_own_bodies(&sandbox, &done, 20, |path| path.as_bytes().to_vec());
        assert_eq!(server.connections(), 20);
    }
}

#[test]
fn bytes_behind_the_last_chunk_are_nobodys_response() {
    let (server, sandbox, done) = one_by_one(20, |path, _| {
        let mut bytes = chunked("", &long(path), usize::MAX);
        bytes.extend(evil());
        vec![Verb::Send(bytes)]
    });
    assert_own_bodies(&sandbox, &done, 20, long);
    assert_eq!(server.connections(), 20);
}

#[test]
fn bytes_behind_what_is_no_file_are_nobodys_response() {
    let bad = |status: &str| {
        let mut bytes = response(status, "Location: /2\r\n", b"short");
        bytes.extend(evil());
        bytes
    };
    for status in ["404 Not Found", "204 No Content", "304 Not Modified", "300 Multiple Choices"] {
        let (_, sandbox, done) = one_by_one(20, |path, n| match n % 2 {
            0 => vec![Verb::Send(bad(status))],
            _ => ok(path.as_bytes()),
        });
        for row in done.rows.iter().filter(|row| row["index"].parse::<usize>().unwrap() % 2 == 0) {
            assert_eq!(row["status"], "ok", "{row:#?}");
        }
        let files = sandbox.files();
        for n in (1..20).step_by(2) {
            assert_eq!(files[&n.to_string()], format!("/{n}").into_bytes(), "{status}");
        }
    }
}

#[test]
fn a_server_may_close_after_so_many_requests() {
    for ending in [Verb::Close, Verb::Reset] {
        let (server, sandbox, done) = one_by_one(60, |path, n| {
            let mut script = ok(path.as_bytes());
            script.extend((n % 3 == 2).then(|| ending.clone()));
            script
        });
        assert_own_bodies(&sandbox, &done, 60, |path| path.as_bytes().to_vec());
        // A response with a reset behind it may be asked for again: on a kept connection nobody
        // knows whether it was meant for this request.
        let again = if matches!(ending, Verb::Reset) { 20 } else { 0 };
        assert!((20..=20 + again).contains(&server.connections()), "{ending:?}");
    }
}

/// What a server sends before it has read the request is not the answer to it, and here it comes so
/// late that no look at the idle connection can tell.
#[test]
fn what_was_sent_before_the_request_was_read_is_not_its_answer() {
    let both = |early: &[u8], path: &str| {
        let mut bytes = early.to_vec();
        bytes.extend(response("200 OK", "", path.as_bytes()));
        vec![Verb::Send(bytes)]
    };
    let early: [&[u8]; 5] = [
        &evil(),
        &response("404 Not Found", "", b"evil"),
        &response("204 No Content", "", b""),
        b"\r\n",
        b"noise",
    ];
    for early in early {
        let mut plan = Plan::new();
        for n in 0..6 {
            let path = format!("/{n}");
            let answer = ok(path.as_bytes());
            // The kept connection brings something else first; the fresh one does not.
            let scripts = if n == 1 { vec![both(early, &path), answer] } else { vec![answer] };
            plan = plan.on(&path, scripts);
        }
        let server = plan.start();
        let sandbox = Sandbox::new();
        let urls = (0..6).map(|n| server.url(&format!("/{n}")));
        let done = sandbox.pull().args(ONE_BY_ONE).list(urls).run();
        assert_own_bodies(&sandbox, &done, 6, |path| path.as_bytes().to_vec());
        assert_eq!(connections(&server)[..3], [0, 0, 1], "{}", early.escape_ascii());
    }
}

#[test]
fn an_answer_that_is_doubted_leaves_nothing_behind() {
    let proposal = "Content-Disposition: attachment; filename=evil\r\nETag: \"evil\"\r\n";
    let mut both = response("200 OK", proposal, b"evil");
    both.extend(response("200 OK", "", b"1"));
    let server =
        Plan::new().on("/0", [ok(b"0")]).on("/1", [vec![Verb::Send(both)], ok(b"1")]).start();
    let urls = ["/0", "/1"].map(|path| server.url(path));
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(ONE_BY_ONE).arg("--content-disposition").list(&urls).run();
    assert_own_bodies(&sandbox, &done, 2, |path| path[1..].into());
    let row = done.row(&urls[1]);
    assert_eq!((row["size_download"].as_str(), row["etag"].as_str()), ("1", ""), "{row:#?}");
    assert_eq!(server.log(), ["/0", "/1", "/1"]);
}

#[test]
fn an_empty_line_behind_every_body_costs_nothing_but_connections() {
    // As old servers send it: in a packet of its own, before or after the next request is sent.
    let (_, sandbox, done) = one_by_one(100, |path, _| {
        let mut script = ok(path.as_bytes());
        script.push(Verb::Send(b"\r\n".to_vec()));
        script
    });
    assert_own_bodies(&sandbox, &done, 100, |path| path.as_bytes().to_vec());
}

#[test]
fn a_server_that_talks_once_gets_a_fresh_connection_for_each_request() {
    let (server, sandbox, done) = one_by_one(30, |path, n| {
        let mut bytes = response("200 OK", "", path.as_bytes());
        bytes.extend((n == 9).then(evil).unwrap_or_default());
        vec![Verb::Send(bytes)]
    });
    assert_own_bodies(&sandbox, &done, 30, |path| path.as_bytes().to_vec());
    // The tenth is doubted, because its connection had carried others, and asked for again.
    assert_eq!(connections(&server)[..11], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(server.connections(), 1 + 1 + 20);
}

#[test]
fn noise_in_front_of_an_answer_costs_an_origin_its_kept_connections() {
    // The noise is read as the begin of the answer; the fresh connection shows that it is not.
    let noisy = |path: &str| {
        let mut bytes = b"\r\n".to_vec();
        bytes.extend(response("200 OK", "", path.as_bytes()));
        vec![Verb::Send(bytes)]
    };
    let mut plan = Plan::new();
    for n in 0..6 {
        let path = format!("/{n}");
        let first = if n == 2 { noisy(&path) } else { ok(path.as_bytes()) };
        plan = plan.on(&path, [first, ok(path.as_bytes())]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls = (0..6).map(|n| server.url(&format!("/{n}")));
    let done = sandbox.pull().args(ONE_BY_ONE).list(urls).run();
    assert_own_bodies(&sandbox, &done, 6, |path| path.as_bytes().to_vec());
    let used = connections(&server);
    assert_eq!(used[..4], [0, 0, 0, 1]);
    assert!(used[4..].windows(2).all(|pair| pair[0] < pair[1]), "{used:?}");
}

#[test]
fn a_broken_answer_does_not_cost_its_origin_the_kept_connections() {
    let broken = || vec![Verb::Send(b"HTTP/1.1 2OO OK\r\n\r\n".to_vec()), Verb::Close];
    let mut plan = Plan::new().on("/1", [broken(), broken()]);
    for path in ["/0", "/2", "/3", "/4"] {
        plan = plan.on(path, [ok(path.as_bytes())]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..5).map(|n| server.url(&format!("/{n}"))).collect();
    let done = sandbox.pull().args(ONE_BY_ONE).list(&urls).run();
    assert_eq!(done.fault(&urls[1]), "http.status_line");
    assert_eq!(connections(&server), [0, 0, 1, 2, 2, 2]);
}

#[test]
fn a_server_that_tires_of_waiting_is_asked_again() {
    // It says so just when the next request is on its way (RFC 9110 section 15.5.9).
    let tired = response("408 Request Timeout", "Connection: close\r\n", b"tired");
    let late = vec![Verb::Send(tired), Verb::Close];
    let plan = Plan::new().on("/0", [ok(b"/0")]).on("/1", [late.clone(), ok(b"/1")]);
    let server = plan.on("/2", [late.clone(), late]).start();
    let sandbox = Sandbox::new();
    let urls = ["/0", "/1", "/2"].map(|path| server.url(path));
    let done = sandbox.pull().args(ONE_BY_ONE).args(["--retry", "0"]).list(&urls).run();
    for url in &urls[..2] {
        assert_eq!(done.row(url)["status"], "ok", "{:#?}", done.row(url));
    }
    // On a fresh connection it is an answer.
    assert_eq!(done.row(&urls[2])["response_code"], "408");
    assert_eq!(server.log(), ["/0", "/1", "/1", "/2", "/2"]);
}

#[test]
fn a_server_may_close_every_kept_connection_at_the_next_request() {
    for ending in [Verb::Close, Verb::Reset] {
        // Every second request finds silence on a kept connection, and an answer on a fresh one.
        let mut plan = Plan::new();
        for n in 0..40 {
            let path = format!("/{n}");
            let answer = ok(path.as_bytes());
            let scripts = if n == 0 { vec![answer] } else { vec![vec![ending.clone()], answer] };
            plan = plan.on(&path, scripts);
        }
        let server = plan.start();
        let sandbox = Sandbox::new();
        let urls = (0..40).map(|n| server.url(&format!("/{n}")));
        let done = sandbox.pull().args(ONE_BY_ONE).list(urls).run();
        assert_own_bodies(&sandbox, &done, 40, |path| path.as_bytes().to_vec());
        assert_eq!(server.log().len(), 79, "{ending:?}");
    }
}

#[test]
fn a_server_that_closes_fresh_connections_is_not_asked_for_ever() {
    // On every connection silence: the kept one is replaced once, the fresh one is an attempt.
    let server = Plan::new().on("/0", [ok(b"0")]).otherwise(vec![Verb::Close]).start();
    let sandbox = Sandbox::new();
    let urls = ["/0", "/1", "/2"].map(|path| server.url(path));
    let done = sandbox.pull().args(ONE_BY_ONE).list(&urls).run();
    for url in &urls[1..] {
        assert_eq!(done.fault(url), "head.empty", "{:#?}", done.row(url));
    }
    assert_eq!(server.log(), ["/0", "/1", "/1", "/2"]);
}

#[test]
fn an_answer_that_breaks_off_on_a_kept_connection_is_an_attempt() {
    for (ending, code) in [(Verb::Close, "head.truncated"), (Verb::Reset, "head.reset")] {
        let half = vec![Verb::Send(b"HTTP/1.1 200 O".to_vec()), ending];
        let server = Plan::new().on("/0", [ok(b"0")]).on("/1", [half, ok(b"1")]).start();
        let urls = ["/0", "/1"].map(|path| server.url(path));
        let sandbox = Sandbox::new();
        let done = sandbox.pull().args(ONE_BY_ONE).list(&urls).run();
        assert_eq!(done.fault(&urls[1]), code);
        assert_eq!(server.log(), ["/0", "/1"]);
        assert_eq!(connections(&server), [0, 0], "it was a kept one");
    }
}

#[test]
fn a_connection_that_ran_out_of_time_is_never_used_again() {
    let stall = |bytes: &[u8]| vec![Verb::Send(bytes.to_vec()), Verb::Stall];
    let mut plan = Plan::new();
    let stalls: [&[u8]; 4] = [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nhalf",
    ];
    for (n, bytes) in stalls.into_iter().enumerate() {
        plan = plan.on(&format!("/b{n}"), [ok(b"good")]).on(&format!("/s{n}"), [stall(bytes)]);
    }
    let server = plan.on("/last", [ok(b"good")]).start();
    let urls: Vec<String> = (0..stalls.len())
        .flat_map(|n| [format!("/b{n}"), format!("/s{n}")])
        .chain(["/last".to_owned()])
        .map(|path| server.url(&path))
        .collect();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(ONE_BY_ONE).args(["--read-timeout", "900ms"]).list(&urls).run();
    for url in urls.iter().step_by(2) {
        assert_eq!(done.row(url)["status"], "ok", "{:#?}", done.row(url));
    }
    let codes = ["head.timeout", "body.timeout", "body.timeout", "http.status"];
    for (url, code) in urls.iter().skip(1).step_by(2).zip(codes) {
        assert_eq!(done.fault(url), code);
    }
    assert_eq!(connections(&server), [0, 0, 1, 1, 2, 2, 3, 3, 4]);
}

#[test]
fn what_a_server_says_to_an_idle_connection_is_no_answer() {
    // As servers do that give up waiting: 408 and an end, or an end alone, or noise.
    let timeout = response("408 Request Timeout", "Connection: close\r\n", b"too slow");
    for last in [Verb::Send(timeout), Verb::Send(evil()), Verb::Send(b"\r\n".to_vec())] {
        let mut first = ok(b"first");
        first.extend([Verb::Gate, last, Verb::Mark(Duration::ZERO, "said")]);
        let server = Plan::new().on("/1", [first]).on("/2", [ok(b"second")]).start();
        let sandbox = Sandbox::new();
        let mut running = sandbox.pull().args(ONE_BY_ONE).args(["-i", "-"]).spawn();
        running.feed([server.url("/1")]);
        assert!(eventually(|| sandbox.files().contains_key("1")));
        server.open_gate();
        assert!(eventually(|| server.log().contains(&"!said".to_owned())));
        running.feed([server.url("/2")]);
        let done = running.wait();
        done.assert_ok(2);
        assert_eq!(sandbox.files()["2"], b"second");
        assert_eq!(server.connections(), 2);
    }
}

#[test]
fn http_1_0_is_kept_only_when_it_says_so() {
    let body = |fields: &str, path: &str| {
        let head = format!("HTTP/1.0 200 OK\r\n{fields}Content-Length: {}\r\n\r\n", path.len());
        vec![Verb::Send(format!("{head}{path}").into_bytes())]
    };
    for (fields, wanted) in [("", 10), ("Connection: keep-alive\r\n", 1)] {
        let (server, sandbox, done) = one_by_one(10, |path, _| body(fields, path));
        assert_own_bodies(&sandbox, &done, 10, |path| path.as_bytes().to_vec());
        assert_eq!(server.connections(), wanted, "{fields}");
    }
}

#[test]
fn a_server_that_says_close_and_does_not_is_left() {
    let (server, sandbox, done) = one_by_one(10, |path, _| {
        vec![Verb::Send(response("200 OK", "Connection: close\r\n", path.as_bytes()))]
    });
    assert_own_bodies(&sandbox, &done, 10, |path| path.as_bytes().to_vec());
    assert_eq!(server.connections(), 10);
}
