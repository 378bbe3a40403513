//! Several sources of one file: a job goes on at the next one where its source fails.

use crate::cmd::Sandbox;
use crate::rude::{Plan, Rude, Script, Verb, ok, redirect, response};
use ringpull::plan::checksum::{Hasher, Kind};
use std::net::{Ipv4Addr, TcpListener};

fn status(line: &str) -> Script {
    vec![Verb::Send(response(line, "", b""))]
}

fn good() -> Rude {
    Plan::new().otherwise(ok(b"good")).start()
}

/// A URL at a port that nobody listens at.
fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}/a", listener.local_addr().unwrap())
}

#[test]
fn a_source_that_fails_is_followed_by_the_next() {
    let mirror = good();
    let sha256 = |bytes: &[u8]| {
        let mut hasher = Hasher::new(Kind::Sha256);
        hasher.update(bytes);
        hasher.finish().to_string()
    };
    let checksum = format!("  checksum={}", sha256(b"good"));
    for (what, script) in [
        ("404", status("404 Not Found")),
        ("503", status("503 Service Unavailable")),
        ("429", vec![Verb::Send(response("429 Too Many Requests", "Retry-After: 300\r\n", b""))]),
        ("reset", vec![Verb::Reset]),
        (
            "short",
            vec![
                Verb::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngo".to_vec()),
                Verb::Close,
            ],
        ),
        ("digest", ok(b"evil")),
        ("nonsense", vec![Verb::Send(b"nonsense\r\n\r\n".to_vec()), Verb::Close]),
        ("ftp", redirect("ftp://h.example/")),
    ] {
        for retries in ["0", "5"] {
            let first = Plan::new().otherwise(script.clone()).start();
            let sandbox = Sandbox::new();
            let line = format!("{}\t{}", first.url("/a"), mirror.url("/m"));
            let pull = sandbox.pull().args(["--retry", retries]).list([&*line, &checksum]);
            let done = pull.run();
            done.assert_ok(1);
            let row = &done.rows[0];
            assert_eq!(
                sandbox.files().into_iter().next(),
                Some(("a".to_owned(), b"good".to_vec()))
            );
            assert_eq!((&row["url"], &row["url_effective"]), (&first.url("/a"), &mirror.url("/m")));
            assert_eq!((&*row["num_retries"], first.log().len()), ("1", 1), "{what}");
        }
    }
}

#[test]
fn nobody_at_all_is_the_failure_of_the_last_source() {
    let (first, last) = (
        Plan::new().otherwise(status("410 Gone")).start(),
        Plan::new().otherwise(status("404 Not Found")).start(),
    );
    let sandbox = Sandbox::new();
    let line = format!("{}\t{}\t{}", nobody(), first.url("/b"), last.url("/c"));
    let done = sandbox.pull().list([line]).run();
    let row = &done.rows[0];
    assert_eq!((&*row["error_code"], &*row["response_code"]), ("http.status", "404"));
    assert_eq!((&row["url_effective"], &*row["num_retries"]), (&last.url("/c"), "2"));
    assert_eq!((first.log(), last.log()), (vec!["/b".to_owned()], vec!["/c".to_owned()]));
}

#[test]
fn the_last_source_has_all_attempts_and_secrets_stay_where_the_line_sends_them() {
    let busy = status("503 Service Unavailable");
    let last = Plan::new().on("/m", [busy.clone(), busy, ok(b"good")]).start();
    let first = Plan::new().otherwise(status("404 Not Found")).start();
    let sandbox = Sandbox::new();
    let mirror = last.url_at("me:pw@127.0.0.1", "/m");
    let line = format!("{}\t{mirror}", first.url_at("you:secret@127.0.0.1", "/a"));
    let args = ["--retry", "2", "--retry-delay", "0.01"];
    let done = sandbox.pull().args(args).list([line]).run();
    done.assert_ok(1);
    assert_eq!(last.log().len(), 3);
    let heads = last.heads("/m");
    assert!(heads.iter().all(|head| head.contains("Authorization: Basic bWU6cHc=")), "{heads:?}");
}

#[test]
fn jobs_of_a_host_that_is_given_up_go_on_at_their_mirrors() {
    let mirror = good();
    let sandbox = Sandbox::new();
    let dead = nobody();
    let lines = (0..200).map(|n| format!("{dead}{n}\t{}", mirror.url(&format!("/{n}"))));
    let done = sandbox.pull().args(["--retry", "0", "--host-fail-limit", "3"]).list(lines).run();
    done.assert_ok(200);
    assert_eq!(mirror.log().len(), 200);
}
