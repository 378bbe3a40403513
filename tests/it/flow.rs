//! Bodies that go to no file (`-o -`, `--discard`) go on where they ended: each byte comes out
//! once, and of one version, or the job fails and says what to do.

use crate::cmd::{Done, Row, Sandbox};
use crate::large_origin::LargeFile;
use crate::origin::{Served, serve, serve_at};
use crate::rude::{Plan, Verb, ok, response};
use flate2::Compression;
use flate2::write::GzEncoder;
use ringpull::limits::RECV_BUFFER_LARGE_BYTES;
use ringpull::origin;
use ringpull::plan::checksum::{Hasher, Kind};
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv4Addr;

const LEN: u64 = 8 << 20;
/// Where a body goes.
const STDOUT: &[&str] = &["-o", "-"];
const DISCARD: &[&str] = &["--discard"];

fn run(sandbox: &Sandbox, args: &[&str], urls: &[&str]) -> Done {
    let args = [args, &["--retry-delay", "0", "--compute-hash", "sha256"]].concat();
    let stdout = File::create(sandbox.path("body")).unwrap();
    sandbox.pull().args(args).args(urls).spawn_into(stdout).wait()
}

/// What the row of a file that is there has of it.
fn assert_row(row: &Row, file: &LargeFile<'_>, changes: u64) {
    let mut hasher = Hasher::new(Kind::Sha256);
    hasher.update(&file.bytes(changes, 0..file.len));
    assert_eq!(row["status"], "ok", "{row:#?}");
    assert_eq!(row["digest"], hasher.finish().to_string(), "{row:#?}");
    assert_eq!(row["size_file"], file.len.to_string(), "{row:#?}");
    assert_eq!((&*row["resume"], &*row["size_resumed"]), ("", "0"), "of no other run: {row:#?}");
}

/// Bytes that came out, which are the begin of the file after no change.
fn assert_begin(sandbox: &Sandbox, file: &LargeFile<'_>) -> u64 {
    let told = std::fs::read(sandbox.path("body")).unwrap();
    assert!(told == file.bytes(0, 0..told.len() as u64), "{} bytes", told.len());
    told.len() as u64
}

/// The row of a job that could not go on, which says so.
fn stuck<'d>(done: &'d Done, url: &str, code: &str) -> &'d Row {
    assert_ne!(done.code(), 0);
    let row = done.row(url);
    assert_eq!(row["error_code"], code, "{row:#?}");
    let error = &row["error_message"];
    assert!(error.contains("cannot be taken back") && error.contains("-o FILE"), "{error}");
    row
}

#[test]
fn a_body_that_is_cut_twice_comes_once() {
    let served = serve();
    for (place, target) in [("stdout", STDOUT), ("discard", DISCARD)] {
        for (verb, etag) in [("bytes", "strong"), ("bytes", "none"), ("chunked", "strong")] {
            let sandbox = Sandbox::new();
            let name = format!("{place}-{verb}-{etag}");
            // Every response but the last ends after 3 MB.
            let file = served.file_at(verb, &name, LEN).with("cut", 3_000_000);
            let file = if etag == "none" { file.with("etag", "none") } else { file };
            let url = file.url();
            let done = run(&sandbox, target, &[&url]);
            assert_eq!(done.code(), 0, "{name}: {:#?}\n{}", done.rows, done.stderr);
            let row = done.row(&url);
            assert_row(row, &file, 0);
            assert_eq!((&*row["num_retries"], &*row["num_parts"]), ("2", "3"), "{row:#?}");
            assert_eq!(row["size_download"], LEN.to_string(), "{row:#?}");
            if place == "stdout" {
                file.assert_stored(&sandbox.path("body"), 0);
            }
            let stats = file.stats();
            assert_eq!((stats.requests, stats.range_requests), (3, 2), "{stats:?}");
            assert!(stats.ranges.iter().all(|asked| asked.if_range.is_some()), "{stats:?}");
            assert_eq!(stats.body_bytes, LEN, "no byte came twice: {name}");
            assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0, "{name}");
        }
    }
}

#[test]
fn attempts_that_bring_something_cost_none() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("fruitful", LEN).with("cut", 1_500_000);
    let args = [STDOUT, &["--retry", "1"]].concat();
    let done = run(&sandbox, &args, &[&file.url()]);
    let row = done.row(&file.url());
    assert_row(row, &file, 0);
    assert_eq!(row["num_retries"], "5", "{row:#?}");
    file.assert_stored(&sandbox.path("body"), 0);
}

#[test]
fn a_body_without_a_length_that_lost_only_its_end_is_whole() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file_at("chunked", "end", LEN).with("cut", LEN).with("first", 1);
    let done = run(&sandbox, STDOUT, &[&file.url()]);
    let row = done.row(&file.url());
    assert_row(row, &file, 0);
    assert_eq!(row["response_code"], "416", "{row:#?}");
    file.assert_stored(&sandbox.path("body"), 0);
    assert_eq!(file.stats().body_bytes, LEN);
}

#[test]
fn a_date_is_no_word_of_another_server() {
    let (first, second) = (serve(), serve_at(Ipv4Addr::new(127, 0, 0, 2)));
    let file = dated(&first).with("cut", 600_000);
    // The same date, and other bytes.
    let other = || dated(&second).with("change", "content").with("change-after-requests", 0);
    // Nor is a part that a mirror sends whatever If-Range says.
    let rude = tagged(&first).with("cut", 600_000);
    let ignoring = other().with("if-range", "ignored");
    for (file, other) in [(file, other()), (rude, ignoring)] {
        assert_stuck_at_mirror(&file, &other);
    }
}

fn tagged(served: &Served) -> LargeFile<'_> {
    served.file("tagged", LEN)
}

fn assert_stuck_at_mirror(file: &LargeFile<'_>, other: &LargeFile<'_>) {
    let sandbox = Sandbox::new();
    let stdout = File::create(sandbox.path("body")).unwrap();
    let args = ["-o", "-", "--retry", "1", "--retry-delay", "0"];
    let line = format!("{}\t{}", file.url(), other.url());
    let done = sandbox.pull().args(args).arg(line).spawn_into(stdout).wait();
    stuck(&done, &done.rows[0]["url"], "http.range");
    assert_eq!(assert_begin(&sandbox, file), 1_200_000);
    assert!(other.stats().requests > 0, "the mirror was asked");
}

fn dated(served: &Served) -> LargeFile<'_> {
    served.file("dated", LEN).with("etag", "none").with("last-modified", 946_684_800)
}

#[test]
fn another_version_is_not_written_behind_the_first() {
    let served = serve();
    let changing = |name: &str, change: &str| {
        let file = served.file(name, LEN).with("cut", 5_000_000).with("first", 1);
        file.with("change-after-requests", 1).with("change", change)
    };
    for change in ["all", "validators"] {
        let sandbox = Sandbox::new();
        let file = changing(&format!("stdout-{change}"), change);
        let done = run(&sandbox, &[STDOUT, &["--retry", "1"]].concat(), &[&file.url()]);
        stuck(&done, &file.url(), "http.changed");
        assert_eq!(assert_begin(&sandbox, &file), 5_000_000);
        // Another server behind the same name might have had the first one.
        assert_eq!(file.stats().range_requests, 2);
    }
    // What was only counted begins again, in the same response.
    let sandbox = Sandbox::new();
    let file = changing("discard", "all");
    let done = run(&sandbox, DISCARD, &[&file.url()]);
    let row = done.row(&file.url());
    assert_row(row, &file, 1);
    assert_eq!((&*row["num_retries"], &*row["num_parts"]), ("1", "1"), "{row:#?}");
    assert_eq!(row["size_download"], (LEN + 5_000_000).to_string(), "{row:#?}");
    assert_eq!(file.stats().requests, 2);
}

#[test]
fn without_a_validator_nothing_is_written_behind_what_came() {
    let served = serve();
    for (etag, date) in [("none", "none"), ("weak", "none"), ("none", "now")] {
        let named = |place: &str| {
            let file = served.file(&format!("{place}-{etag}-{date}"), LEN).with("etag", etag);
            file.with("last-modified", date).with("cut", 5_000_000).with("first", 1)
        };
        let sandbox = Sandbox::new();
        let file = named("stdout");
        let done = run(&sandbox, STDOUT, &[&file.url()]);
        let row = stuck(&done, &file.url(), "body.truncated");
        assert_eq!(row["num_retries"], "0", "{row:#?}");
        let written = assert_begin(&sandbox, &file);
        assert!(0 < written && written <= 5_000_000, "{written}");
        assert_eq!(file.stats().requests, 1);

        let sandbox = Sandbox::new();
        let file = named("discard");
        let done = run(&sandbox, DISCARD, &[&file.url()]);
        assert_row(done.row(&file.url()), &file, 0);
        assert_eq!((file.stats().requests, file.stats().range_requests), (2, 0));

        if date == "now" {
            // Every response has a date of its own: whether that is another one, a clock decides.
            continue;
        }
        let sandbox = Sandbox::new();
        let file = named("always");
        let done = run(&sandbox, &[STDOUT, &["--continue=always"]].concat(), &[&file.url()]);
        assert_row(done.row(&file.url()), &file, 0);
        file.assert_stored(&sandbox.path("body"), 0);
        assert_eq!(file.stats().body_bytes, LEN);
    }
}

#[test]
fn servers_that_lie_about_ranges_get_nothing_written() {
    let served = serve();
    for (ranges, is_good) in [
        ("untold", true),
        ("shortened", true),
        ("total-unknown", true),
        ("ignored", false),
        ("stripped", false),
        ("none", false),
        ("refused", false),
        ("shifted-told", false),
        ("shortened-untold", false),
        ("whole", false),
        ("multipart", false),
        ("total", false),
        ("bare", false),
        ("gzip", false),
    ] {
        let sandbox = Sandbox::new();
        // Every response is cut there, and what is missing then is shorter.
        let file = served.file(ranges, LEN).with("cut", 5_000_000).with("ranges", ranges);
        let done = run(&sandbox, &[STDOUT, &["--retry", "1"]].concat(), &[&file.url()]);
        let row = done.row(&file.url());
        if is_good {
            assert_row(row, &file, 0);
            file.assert_stored(&sandbox.path("body"), 0);
        } else {
            assert_eq!(row["status"], "failed", "{ranges}: {row:#?}");
            assert!(row["error_message"].contains("-o FILE"), "{ranges}: {row:#?}");
            assert!((1..=5_000_000).contains(&assert_begin(&sandbox, &file)), "{ranges}");
        }
    }
}

/// A body that is longer than any buffer of the client.
fn body() -> Vec<u8> {
    origin::body("/flow", 8 * RECV_BUFFER_LARGE_BYTES)
}

/// The first half of a response, and the end of the connection.
fn half(fields: &str, body: &[u8]) -> Vec<Verb> {
    let whole = response("200 OK", fields, body);
    vec![Verb::Send(whole[..whole.len() / 2].to_vec()), Verb::Close]
}

#[test]
fn where_ranges_are_of_no_use_what_is_only_counted_begins_again() {
    let body = body();
    let (len, tag) = (body.len(), "ETag: \"a\"\r\n");
    // Longer than it says, which shows late; another part; and none.
    let mut long = format!(
        "HTTP/1.1 206 Partial Content\r\n{tag}Content-Range: bytes BEGIN-{}/{len}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        len - 1
    );
    let begin = response("200 OK", tag, &body).len() / 2 - response("200 OK", tag, b"").len();
    // The head of a longer body says its length with more digits.
    let begin = begin - (len.to_string().len() - 1);
    long = long.replace("BEGIN", &begin.to_string());
    let rest = [&body[begin..], b"more"].concat();
    let chunk = format!("{:x}\r\n", rest.len());
    let long = [long.as_bytes(), chunk.as_bytes(), &rest, b"\r\n0\r\n\r\n"].concat();
    let other = format!("{tag}Content-Range: bytes 0-9/{len}\r\n");
    let other = response("206 Partial Content", &other, &body[..10]);
    let none = response("416 Range Not Satisfiable", "", b"");
    // A stream fails with what it has.
    let script = [half(tag, &body), vec![Verb::Send(long.clone())]];
    let (server, sandbox) = (Plan::new().on("/a", script).start(), Sandbox::new());
    let done = run(&sandbox, STDOUT, &[&server.url("/a")]);
    stuck(&done, &server.url("/a"), "http.range");
    let told = std::fs::read(sandbox.path("body")).unwrap();
    assert!(told.len() >= begin && body.starts_with(&told), "{} bytes", told.len());
    for answer in [long, other, none] {
        let server =
            Plan::new().on("/a", [half(tag, &body), vec![Verb::Send(answer)], ok(&body)]).start();
        let sandbox = Sandbox::new();
        let done = run(&sandbox, &[DISCARD, &["--retry", "1"]].concat(), &[&server.url("/a")]);
        done.assert_ok(1);
        let row = done.row(&server.url("/a"));
        let mut hasher = Hasher::new(Kind::Sha256);
        hasher.update(&body);
        assert_eq!(row["digest"], hasher.finish().to_string());
        let asked = server.heads("/a");
        let has_range = |head: &String| head.contains("\r\nRange: ");
        let wanted = [false, true, false];
        assert_eq!(asked.iter().map(has_range).collect::<Vec<_>>(), wanted, "{asked:?}");
        assert!(asked[1].contains(&format!("Range: bytes={begin}-\r\n")), "{asked:?}");
        assert!(asked[1].contains("If-Range: \"a\"\r\n"), "{asked:?}");
    }
}

#[test]
fn what_came_in_a_coding_is_not_gone_on_with() {
    let body = gzip(&body());
    let fields = "ETag: \"a\"\r\nContent-Encoding: gzip\r\n";
    for coding in [&["--compressed"][..], &["-H", "Accept-Encoding: gzip"]] {
        let server = Plan::new().on("/a", [half(fields, &body), ok(&body)]).start();
        let sandbox = Sandbox::new();
        let done = run(&sandbox, &[STDOUT, coding].concat(), &[&server.url("/a")]);
        stuck(&done, &server.url("/a"), "body.truncated");
        assert_eq!(server.log(), ["/a"]);

        let whole = vec![Verb::Send(response("200 OK", fields, &body))];
        let server = Plan::new().on("/a", [half(fields, &body), whole]).start();
        let sandbox = Sandbox::new();
        let done = run(&sandbox, &[DISCARD, coding].concat(), &[&server.url("/a")]);
        done.assert_ok(1);
        assert!(!server.heads("/a")[1].contains("Range:"), "{:?}", server.heads("/a"));
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_digest_is_that_of_all_of_it() {
    let served = serve();
    let file = served.file("summed", LEN).with("cut", 5_000_000);
    let mut hasher = Hasher::new(Kind::Md5);
    hasher.update(&file.bytes(0, 0..LEN));
    let good = format!("--checksum={}", hasher.finish());
    let sandbox = Sandbox::new();
    let done = run(&sandbox, &[STDOUT, &[&*good]].concat(), &[&file.url()]);
    assert_row(done.row(&file.url()), &file, 0);
    // A wrong one cannot be taken back.
    let wrong = format!("--checksum=md5={}", "0".repeat(32));
    let sandbox = Sandbox::new();
    let done = run(&sandbox, &[STDOUT, &[&*wrong]].concat(), &[&file.url()]);
    let row = done.row(&file.url());
    assert_eq!((&*row["error_code"], &*row["num_retries"]), ("body.checksum", "1"), "{row:#?}");
    assert!(assert_begin(&sandbox, &file) > 5_000_000);
    assert_eq!(file.stats().requests, 4);
}

#[test]
fn the_rest_may_be_longer_than_permitted() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file_at("chunked", "limited", LEN).with("cut", 3_000_000);
    let args = [STDOUT, &["--max-filesize", "4M"]].concat();
    let done = run(&sandbox, &args, &[&file.url()]);
    assert_eq!(done.fault(&file.url()), "body.too_large");
    assert_eq!(assert_begin(&sandbox, &file), 3_000_000);
}
