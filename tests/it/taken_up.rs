//! `-c` on what is there under the final name, and what servers and those between do to the rest
//! of a file that is asked for.

use crate::checksums::sha256;
use crate::cmd::{Done, Row, Sandbox, at_once};
use crate::large_origin::LargeFile;
use crate::long::kill_when_begun;
use crate::origin::{Served, serve};
use crate::rude::{Plan, Rude, Script, Verb, response};
use std::fs;

const MIB: u64 = 1 << 20;
const LEN: u64 = 4 * MIB;

/// Writes the first bytes of a file under its final name, as curl and wget do.
fn leave(sandbox: &Sandbox, file: &LargeFile<'_>, name: &str, changes: u64, len: u64) {
    fs::write(sandbox.out().join(name), file.bytes(changes, 0..len)).unwrap();
}

fn cells<'r>(row: &'r Row, columns: [&str; 4]) -> [&'r str; 4] {
    columns.map(|column| &*row[column])
}

/// How a file came: status, `resume`, `size_resumed` and `size_download`.
fn told<'d>(done: &'d Done, url: &str) -> [&'d str; 4] {
    cells(done.row(url), ["status", "resume", "size_resumed", "size_download"])
}

fn pull(sandbox: &Sandbox, url: &str, args: &[&str]) -> Done {
    sandbox.pull().args(args).args(["--retry", "0"]).arg(url).run()
}

#[test]
fn what_curl_and_wget_left_is_continued() {
    let served = serve();
    for len in [2, 1_000, LEN / 2, LEN - 1, LEN] {
        let sandbox = Sandbox::new();
        let name = format!("left-{len}");
        let file = served.file(&name, LEN);
        leave(&sandbox, &file, &name, 0, len);
        let done = pull(&sandbox, &file.url(), &["-c"]);
        done.assert_ok(1);
        file.assert_stored(&sandbox.out().join(&name), 0);
        // The last byte is asked for again, for there to be a response that vouches.
        let (resumed, came) = ((len - 1).to_string(), (LEN - len + 1).to_string());
        assert_eq!(told(&done, &file.url()), ["ok", "continued", &*resumed, &*came]);
        assert_eq!((file.stats().requests, sandbox.temporaries().len()), (1, 0));
    }
}

#[test]
fn a_length_that_nobody_told_is_found_at_the_end() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("untold", LEN).with("ranges", "total-unknown");
    leave(&sandbox, &file, "untold", 0, LEN / 2);
    let done = pull(&sandbox, &file.url(), &["-c"]);
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("untold"), 0);
    let (resumed, came) = ((LEN / 2 - 1).to_string(), (LEN / 2 + 1).to_string());
    assert_eq!(told(&done, &file.url()), ["ok", "continued", &*resumed, &*came]);
}

#[test]
fn what_nothing_vouches_for_is_fetched_whole() {
    let served = serve();
    for (name, query) in [("none", "last-modified"), ("now", "last-modified")] {
        let sandbox = Sandbox::new();
        let file = served.file(name, LEN).with(query, name);
        leave(&sandbox, &file, name, 7, LEN / 2);
        let done = pull(&sandbox, &file.url(), &["-c"]);
        done.assert_ok(1);
        file.assert_stored(&sandbox.out().join(name), 0);
        assert_eq!(told(&done, &file.url()), ["ok", "unvouched", "0", &LEN.to_string()]);
    }
    // With a report alone it is a file like any other.
    let sandbox = Sandbox::new();
    let file = served.file("plain", LEN);
    leave(&sandbox, &file, "plain", 7, LEN / 2);
    let done = pull(&sandbox, &file.url(), &[]);
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("plain"), 0);
    assert_eq!(told(&done, &file.url()), ["ok", "", "0", &LEN.to_string()]);
}

#[test]
fn files_of_one_byte_and_none_are_no_halves() {
    let served = serve();
    for len in [0, 1] {
        for there in [0, 1, 2] {
            let sandbox = Sandbox::new();
            let name = format!("len-{len}-{there}");
            let file = served.file(&name, len);
            leave(&sandbox, &file, &name, 0, there);
            let done = pull(&sandbox, &file.url(), &["-c"]);
            done.assert_ok(1);
            file.assert_stored(&sandbox.out().join(&name), 0);
            let row = done.row(&file.url());
            assert_eq!((&*row["size_file"], &*row["size_resumed"]), (&*len.to_string(), "0"));
            assert_eq!(row["size_download"], len.to_string(), "{row:#?}");
            assert_ne!(row["resume"], "continued", "{row:#?}");
            assert_eq!(sandbox.temporaries(), Vec::<String>::new());
        }
    }
}

#[test]
fn what_is_longer_than_the_file_is_fetched_whole() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("longer", LEN);
    leave(&sandbox, &file, "longer", 0, LEN + 1_000);
    let done = pull(&sandbox, &file.url(), &["-c"]);
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("longer"), 0);
    assert_eq!(told(&done, &file.url()), ["ok", "unvouched", "0", &LEN.to_string()]);
}

/// A file whose first response stalls behind what a record tells of.
fn stalling<'a>(served: &'a Served, name: &str) -> LargeFile<'a> {
    served.file(name, LEN).with("stall", 3 * MIB).with("nth", 1)
}

#[test]
fn a_file_that_got_shorter_is_fetched_whole() {
    let served = serve();
    for change in ["all", "content"] {
        let sandbox = Sandbox::new();
        let name = format!("shorter-{change}");
        let file = stalling(&served, &name).with("change", change).with("change-length", MIB);
        let running = sandbox.pull().arg(file.url()).spawn();
        let kept = kill_when_begun(running, &sandbox.out(), &name).written;
        assert!(kept.len_total() > MIB, "{kept:?}");
        file.change();
        let done = sandbox.pull().again().args(["--retry", "0"]).arg(file.url()).run();
        done.assert_ok(1);
        let mut now = file.clone();
        now.len = MIB;
        now.assert_stored(&sandbox.out().join(&name), 1);
        // Where nothing else says so, the range that is not there does.
        assert_eq!(told(&done, &file.url()), ["ok", "changed", "0", &MIB.to_string()]);
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}

#[test]
fn a_digest_that_is_wrong_with_what_was_there_is_right_without() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = stalling(&served, "digest").with("change", "content");
    kill_when_begun(sandbox.pull().arg(file.url()).spawn(), &sandbox.out(), "digest");
    // A server that says nothing of it.
    file.change();
    let digest = sha256(&file.bytes(1, 0..LEN));
    let pull = sandbox.pull().report("other.csv").args(["-c", "--retry-delay", "0"]);
    let done = pull.list([file.url(), format!("  checksum={digest}")]).run();
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("digest"), 1);
    assert_eq!(told(&done, &file.url()), ["ok", "wrong_digest", "0", &LEN.to_string()]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn no_lie_about_the_rest_gets_into_a_file() {
    let served = serve();
    let lies = [
        ("ignored", "no_ranges"),
        ("stripped", "no_ranges"),
        ("none", "no_ranges"),
        ("refused", "changed"),
        ("shifted-told", "no_ranges"),
        ("whole", "no_ranges"),
        ("multipart", "no_ranges"),
        ("total", "no_ranges"),
        ("bare", "no_ranges"),
        ("gzip", "no_ranges"),
        ("untold", "continued"),
        ("total-unknown", "continued"),
    ];
    at_once(lies, |(lie, resume)| {
        let sandbox = Sandbox::new();
        let name = format!("rest-{lie}");
        let file = served.file(&name, LEN).with("send-buffer", 16_384);
        let file = file.with("ranges", lie).with("by", 10);
        let url = file.url();
        let running = sandbox.pull().args(["--limit-rate", "1M"]).arg(&url).spawn();
        kill_when_begun(running, &sandbox.out(), &name);
        let done = sandbox.pull().again().args(["--retry", "0"]).arg(&url).run();
        done.assert_ok(1);
        file.assert_stored(&sandbox.out().join(&name), 0);
        let row = done.row(&url);
        assert_eq!((lie, &*row["resume"]), (lie, resume), "{row:#?}");
        assert_eq!(row["num_parts"], "1", "{row:#?}");
        assert_eq!(row["size_resumed"] != "0", resume == "continued", "{row:#?}");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    });
}

/// Bytes of a body that is cut off in its middle.
const HALF: usize = 1 << 20;

/// The head of a response that ends too early, and so much of its body.
fn cut_off(fields: &str, len: usize, body: &[u8]) -> Script {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {len}\r\n\r\n");
    vec![Verb::Send([head.as_bytes(), body].concat()), Verb::Close]
}

#[test]
fn a_rest_that_somebody_coded_is_not_of_the_file() {
    let body: Vec<u8> = (0..=250).cycle().take(2 * HALF).collect();
    let strong = "ETag: \"a\"\r\nAccept-Ranges: bytes\r\n";
    let first = cut_off(strong, body.len(), &body[..HALF]);
    let part = |fields: &str, bytes: &[u8]| {
        let range = format!("Content-Range: bytes {HALF}-{}/{}\r\n", body.len() - 1, body.len());
        vec![Verb::Send(response("206 Partial Content", &format!("{range}{fields}"), bytes))]
    };
    let rest = &body[HALF..];
    let whole = vec![Verb::Send(response("200 OK", strong, &body))];
    let coded = vec![b'z'; 1_000];
    for (what, answer) in [
        ("part", part("ETag: \"a\"\r\nContent-Encoding: gzip\r\n", rest)),
        ("short part", part("ETag: \"a\"\r\nContent-Encoding: gzip\r\n", &coded)),
        ("weak part", part("ETag: W/\"a\"\r\n", rest)),
        ("weak coded part", part("ETag: W/\"a\"\r\nContent-Encoding: gzip\r\n", &coded)),
        ("other tag", part("ETag: \"a-gzip\"\r\n", rest)),
    ] {
        let server = Plan::new().on("/a", [first.clone(), answer, whole.clone()]).start();
        assert_whole(&server, &body, what);
    }
}

/// A pull that is cut off once comes to this file.
fn assert_whole(server: &Rude, body: &[u8], what: &str) {
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--retry-delay", "0"]).arg(server.url("/a")).run();
    done.assert_ok(1);
    assert!(sandbox.files()["a"] == body, "{what}");
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    let heads = server.heads("/a");
    assert!(heads[1].contains("If-Range: \"a\"\r\n") && heads.len() == 3, "{what}: {heads:#?}");
    assert!(!heads[2].contains("Range"), "{what}: all of it is asked for");
}

#[test]
fn a_whole_that_somebody_coded_is_stored_as_sent() {
    let body = vec![b'a'; 2 * HALF];
    let first = cut_off("ETag: \"a\"\r\nAccept-Ranges: bytes\r\n", body.len(), &body[..HALF]);
    let coded = vec![b'z'; 1_500_000];
    let fields = "ETag: W/\"a\"\r\nContent-Encoding: gzip\r\n";
    let whole = vec![Verb::Send(response("200 OK", fields, &coded))];
    let server = Plan::new().on("/a", [first, whole]).start();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--retry-delay", "0"]).arg(server.url("/a")).run();
    done.assert_ok(1);
    assert!(sandbox.files()["a"] == coded, "nothing of what came before");
    assert_eq!(done.row(&server.url("/a"))["content_encoding"], "gzip");
}

#[test]
fn a_finished_file_that_is_asked_about_stays() {
    let served = serve();
    for query in [("date", "none"), ("last-modified", "none")] {
        let sandbox = Sandbox::new();
        let name = format!("both-{}", query.0);
        let file = served.file(&name, LEN).with(query.0, query.1);
        let run = |report: &str| {
            let pull = sandbox.pull().report(report).args(["-c", "-N", "--retry", "0"]);
            pull.arg(file.url()).run()
        };
        run("1.csv").assert_ok(1);
        let before = file.stats().body_bytes;
        let done = run("2.csv");
        assert_eq!(done.code(), 0, "{}", done.stderr);
        file.assert_stored(&sandbox.out().join(&name), 0);
        let row = done.row(&file.url());
        assert_eq!((&*row["status"], &*row["response_code"]), ("skipped", "304"), "{row:#?}");
        assert_eq!(file.stats().body_bytes, before, "nothing came");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
        // And what has changed comes whole.
        file.change();
        let done = run("3.csv");
        done.assert_ok(1);
        file.assert_stored(&sandbox.out().join(&name), 1);
    }
    // What has a date only may be half of a file: the last byte tells.
    let sandbox = Sandbox::new();
    let file = served.file("dated", LEN).with("etag", "none");
    for report in ["1.csv", "2.csv"] {
        let pull = sandbox.pull().report(report).args(["-c", "-N", "--retry", "0"]);
        let done = pull.arg(file.url()).run();
        done.assert_ok(1);
        file.assert_stored(&sandbox.out().join("dated"), 0);
        if report == "2.csv" {
            let resumed = (LEN - 1).to_string();
            assert_eq!(told(&done, &file.url()), ["ok", "continued", &*resumed, "1"]);
        }
    }
}
