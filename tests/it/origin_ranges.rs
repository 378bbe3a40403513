//! The embedded origin's files: ranges, validators, changes, and every fault that a query can ask
//! for, asked by raw sockets.

use crate::cmd::{Sandbox, eventually};
use crate::large_origin::LargeFile;
use crate::origin::{Served, serve};
use crate::sockets::talk;
use flate2::read::GzDecoder;
use ringpull::origin::Listener;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const LEN: u64 = 100_000;
/// What this file asks for where it does not matter.
const RANGE: &str = "Range: bytes=10-19";

/// A response, read from the connection to its end.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head[9..12].parse().unwrap();
        Self { status, head, body: bytes[end..].to_vec() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn ask_as(method: &str, served: &Served, target: &str, fields: &[&str]) -> Answer {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
    Answer::read(&talk(served.addr(), request.as_bytes()))
}

fn ask(served: &Served, file: &LargeFile<'_>, fields: &[&str]) -> Answer {
    ask_as("GET", served, &file.target(), fields)
}

/// The status and the length of the body for each of these files, asked with `RANGE`.
fn statuses(served: &Served, files: &[&LargeFile<'_>]) -> Vec<(u16, usize)> {
    files
        .iter()
        .map(|file| ask(served, file, &[RANGE]))
        .map(|answer| (answer.status, answer.body.len()))
        .collect()
}

#[test]
fn ranges_are_parts_of_the_whole() {
    let served = serve();
    let file = served.file("a", LEN);
    for (range, start, end) in [
        ("0-0", 0, 1),
        ("5-", 5, LEN),
        ("70000-70009", 70_000, 70_010),
        ("99990-200000", 99_990, LEN),
        ("-7", LEN - 7, LEN),
        ("-200000", 0, LEN),
    ] {
        let answer = ask(&served, &file, &[&format!("Range: bytes={range}")]);
        assert_eq!(answer.status, 206, "{range}");
        let content_range = format!("bytes {start}-{}/{LEN}", end - 1);
        assert_eq!(answer.field("Content-Range"), Some(content_range.as_str()));
        assert_eq!(answer.field("Content-Length"), Some((end - start).to_string().as_str()));
        assert!(answer.body == file.bytes(0, start..end), "{range}");
    }
    for range in ["100000-", "100000-100001", "-0"] {
        let answer = ask(&served, &file, &[&format!("Range: bytes={range}")]);
        assert_eq!((answer.status, answer.body.len()), (416, 0), "{range}");
        assert_eq!(answer.field("Content-Range"), Some("bytes */100000"));
    }
    for range in ["bytes=0-1,5-6", "bytes=9-5", "bytes=x", "lines=0-1"] {
        let answer = ask(&served, &file, &[&format!("Range: {range}")]);
        assert_eq!((answer.status, answer.field("Content-Range")), (200, None), "{range}");
        assert!(answer.body == file.bytes(0, 0..LEN), "{range}");
        assert_eq!(answer.field("Accept-Ranges"), Some("bytes"));
    }
    let none = served.file("none", 0);
    assert_eq!(ask(&served, &none, &["Range: bytes=0-"]).status, 416);
    assert_eq!(ask(&served, &none, &["Range: bytes=-1"]).status, 200);
    let one = served.file("one", 1);
    let answer = ask(&served, &one, &["Range: bytes=0-"]);
    assert_eq!((answer.status, answer.body), (206, one.bytes(0, 0..1)));
    let head = ask_as("HEAD", &served, &file.target(), &[RANGE]);
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("100000")));
    let image = ask_as("GET", &served, "/image/3.jpg", &["Range: bytes=4-9"]);
    assert_eq!((image.status, &image.body[..]), (206, &ringpull::origin::image(3)[4..10]));
}

#[test]
fn ranges_have_the_framing_of_the_whole() {
    let served = serve();
    let chunked = ask(&served, &served.file_at("chunked", "a", LEN), &["Range: bytes=5-5"]);
    assert_eq!((chunked.status, chunked.field("Content-Length")), (206, None));
    assert_eq!(chunked.field("Content-Range"), Some("bytes 5-5/100000"));
    assert!(chunked.body.starts_with(b"1\r\n") && chunked.body.ends_with(b"X-End: yes\r\n\r\n"));
    let file = served.file_at("close", "a", LEN);
    let close = ask(&served, &file, &[RANGE]);
    assert_eq!((close.status, close.field("Content-Length")), (206, None));
    assert_eq!(close.body, file.bytes(0, 10..20));
}

#[test]
fn a_hundred_gibibytes_cost_no_memory() {
    let served = serve();
    let len = 100 << 30;
    let file = served.file("huge", len);
    let start = len - 3_000_000;
    let answer = ask(&served, &file, &[&format!("Range: bytes={start}-")]);
    assert_eq!(answer.field("Content-Length"), Some("3000000"));
    assert!(answer.body == file.bytes(0, start..len));
    let zeros = file.clone().with("fill", "zero");
    assert_eq!(ask(&served, &zeros, &["Range: bytes=-4"]).body, [0; 4]);
    // The whole of it begins at once.
    let mut stream = TcpStream::connect(served.addr()).unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", file.target());
    stream.write_all(request.as_bytes()).unwrap();
    let mut start = vec![0; 1 << 20];
    stream.read_exact(&mut start).unwrap();
    let answer = Answer::read(&start);
    assert_eq!(answer.field("Content-Length"), Some(len.to_string().as_str()));
    assert!(answer.body == file.bytes(0, 0..answer.body.len() as u64));
}

#[test]
fn every_file_has_validators_and_conditions_are_obeyed() {
    let served = serve();
    let file = served.file("a", LEN);
    let first = ask(&served, &file, &[]);
    let etag = first.field("ETag").unwrap();
    let modified = first.field("Last-Modified").unwrap();
    let at = |date| httpdate::parse_http_date(date).unwrap();
    let age = at(first.field("Date").unwrap()).duration_since(at(modified)).unwrap();
    assert!(etag.starts_with('"') && age >= Duration::from_secs(3_600), "{}", first.head);

    let if_range = |value: &str| {
        let field = format!("If-Range: {value}");
        ask(&served, &file, &[RANGE, &field]).status
    };
    assert_eq!(if_range(etag), 206);
    assert_eq!(if_range(modified), 206);
    for other in ["\"other\"", &format!("W/{etag}"), "Thu, 01 Jan 1970 00:00:00 GMT", "x"] {
        assert_eq!(if_range(other), 200, "{other}");
    }
    for known in [etag, "*", &format!("\"other\", W/{etag}")] {
        let answer = ask(&served, &file, &[&format!("If-None-Match: {known}")]);
        assert_eq!((answer.status, answer.field("ETag")), (304, Some(etag)), "{known}");
        assert_eq!((answer.body.len(), answer.field("Content-Length")), (0, None));
    }
    let since = format!("If-Modified-Since: {modified}");
    let early = "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT";
    assert_eq!(ask(&served, &file, &[&since]).status, 304);
    assert_eq!(ask(&served, &file, &[early]).status, 200);
    let other = "If-None-Match: \"other\"";
    assert_eq!(ask(&served, &file, &[other, &since]).status, 200, "the ETag goes before the date");
}

#[test]
fn validators_are_weak_or_missing_when_asked_for() {
    let served = serve();
    let told = |name: &str, value: &str| {
        let answer = ask(&served, &served.file("a", 10).with(name, value), &[]);
        let field = |name| answer.field(name).map(str::to_owned);
        (field("ETag"), field("Last-Modified"), field("Date"))
    };
    let (weak, modified, _) = told("etag", "weak");
    assert!(weak.as_ref().unwrap().starts_with("W/\"") && modified.is_some());
    let field = format!("If-Range: {}", weak.unwrap());
    let weak = served.file("a", 100).with("etag", "weak");
    assert_eq!(ask(&served, &weak, &[RANGE, &field]).status, 200);
    let (none, modified, _) = told("etag", "none");
    assert!(none.is_none() && modified.is_some());
    assert_eq!(told("last-modified", "none").1, None);
    let (_, modified, date) = told("last-modified", "now");
    assert!(modified.is_some() && modified == date);
    assert_eq!(told("last-modified", "5").1.unwrap(), "Thu, 01 Jan 1970 00:00:05 GMT");
    assert_eq!(told("date", "none").2, None);
    assert_eq!(ask_as("GET", &served, "/bytes/5?etag=odd", &[]).status, 400);
}

/// Whether content, ETag and Last-Modified of two responses differ.
fn differences(one: &Answer, other: &Answer) -> [bool; 3] {
    [
        one.body != other.body,
        one.field("ETag") != other.field("ETag"),
        one.field("Last-Modified") != other.field("Last-Modified"),
    ]
}

#[test]
fn a_file_changes_by_requests_by_bytes_and_by_hand() {
    let served = serve();
    let by_requests = served.file("requests", 1_000).with("change-after-requests", 2);
    let answers = [(); 4].map(|()| ask(&served, &by_requests, &[]));
    assert_eq!(differences(&answers[0], &answers[1]), [false; 3]);
    assert_eq!(differences(&answers[1], &answers[2]), [true; 3]);
    assert_eq!(differences(&answers[2], &answers[3]), [false; 3]);
    assert!(answers[2].body == by_requests.bytes(1, 0..1_000));

    let by_bytes = served.file("bytes", 1_000).with("change-after-bytes", 1_010);
    assert_eq!(ask(&served, &by_bytes, &[]).body, by_bytes.bytes(0, 0..1_000));
    assert_eq!(ask(&served, &by_bytes, &[RANGE]).body, by_bytes.bytes(0, 10..20));
    assert_eq!(ask(&served, &by_bytes, &[RANGE]).body, by_bytes.bytes(1, 10..20));

    let by_hand = served.file("hand", 1_000);
    let before = ask(&served, &by_hand, &[]);
    let told = ask_as("GET", &served, &format!("/change{}", by_hand.path), &[]);
    assert_eq!(told.status, 200);
    by_hand.change();
    let after = ask(&served, &by_hand, &[]);
    assert_eq!(differences(&before, &after), [true; 3]);
    assert!(after.body == by_hand.bytes(2, 0..1_000));
    let field = format!("If-Range: {}", before.field("ETag").unwrap());
    assert_eq!(ask(&served, &by_hand, &[RANGE, &field]).status, 200);
    let ignored = by_hand.clone().with("if-range", "ignored");
    assert_eq!(ask(&served, &ignored, &[RANGE, &field]).body, by_hand.bytes(2, 10..20));
}

#[test]
fn a_change_lies_when_asked_to() {
    let served = serve();
    for (what, wanted) in [
        ("all", [true, true, true]),
        ("content", [true, false, false]),
        ("validators", [false, true, true]),
        ("etag", [false, true, false]),
    ] {
        let file = served.file(what, 1_000).with("change", what);
        let before = ask(&served, &file, &[]);
        file.change();
        assert_eq!(differences(&before, &ask(&served, &file, &[])), wanted, "{what}");
    }
    let longer = served.file("longer", 1_000).with("change-length", 3_000);
    assert_eq!(ask(&served, &longer, &[]).body.len(), 1_000);
    longer.change();
    assert_eq!(ask(&served, &longer, &[]).body, longer.bytes(1, 0..3_000));
    let image = |target| ask_as("GET", &served, target, &[]);
    let before = image("/image/5.jpg");
    assert_eq!(image("/change/image/5.jpg").status, 200);
    assert_eq!(differences(&before, &image("/image/5.jpg")), [true; 3]);
}

#[test]
fn ranges_are_lied_about_when_asked_to() {
    let served = serve();
    let file = served.file("a", LEN);
    // What is told by Content-Range, and which bytes come.
    for (ranges, by, told, sent) in [
        ("honoured", 1, "bytes 10-19/100000", 10..20),
        ("untold", 1, "bytes 10-19/100000", 10..20),
        ("shifted", 3, "bytes 10-19/100000", 13..23),
        ("shifted-told", 3, "bytes 13-22/100000", 13..23),
        ("shifted-told", LEN, "bytes 99999-99999/100000", LEN - 1..LEN),
        ("shortened", 3, "bytes 10-16/100000", 10..17),
        ("shortened", 50, "bytes 10-10/100000", 10..11),
        ("shortened-untold", 3, "bytes 10-19/100000", 10..17),
        ("whole", 1, "bytes 0-99999/100000", 0..LEN),
        ("total", 3, "bytes 10-19/100003", 10..20),
        ("total-unknown", 1, "bytes 10-19/*", 10..20),
    ] {
        let answer = ask(&served, &file.clone().with("ranges", ranges).with("by", by), &[RANGE]);
        assert_eq!((answer.status, answer.field("Content-Range")), (206, Some(told)), "{ranges}");
        let len = (sent.end - sent.start).to_string();
        assert_eq!(answer.field("Content-Length"), Some(len.as_str()), "{ranges}");
        assert!(answer.body == file.bytes(0, sent), "{ranges}");
    }
    for (ranges, unit) in [("ignored", None), ("stripped", Some("bytes")), ("none", Some("none"))] {
        let lied = file.clone().with("ranges", ranges);
        let answer = ask(&served, &lied, &[RANGE, "If-Range: \"other\""]);
        assert_eq!((answer.status, answer.field("Accept-Ranges")), (200, unit), "{ranges}");
        assert!(answer.body == file.bytes(0, 0..LEN), "{ranges}");
    }
    assert_eq!(
        ask(&served, &file.clone().with("ranges", "untold"), &[]).field("Accept-Ranges"),
        None
    );
    let refused = ask(&served, &file.clone().with("ranges", "refused"), &[RANGE]);
    assert_eq!((refused.status, refused.field("Content-Range")), (416, Some("bytes */100000")));
    let bare = ask(&served, &file.clone().with("ranges", "bare"), &[RANGE]);
    assert_eq!((bare.status, bare.field("Content-Range")), (206, None));
    assert_eq!(bare.body, file.bytes(0, 10..20));
}

#[test]
fn ranges_come_as_multipart_and_in_gzip_when_asked_for() {
    let served = serve();
    let file = served.file("a", LEN);
    let answer = ask(&served, &file.clone().with("ranges", "multipart"), &[RANGE]);
    let kind = answer.field("Content-Type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let head = format!(
        "--{boundary}\r\nContent-Type: application/octet-stream\r\n\
         Content-Range: bytes 10-19/100000\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    let wanted = [head.as_bytes(), &file.bytes(0, 10..20), end.as_bytes()].concat();
    assert_eq!((answer.status, answer.field("Content-Range")), (206, None));
    assert!(answer.body == wanted, "{}", String::from_utf8_lossy(&answer.body));

    let gzip = file.clone().with("ranges", "gzip");
    assert_eq!(ask(&served, &gzip, &[]).field("Content-Encoding"), None, "the whole is as it is");
    // An HTTP/1.0 client gets no chunks.
    let request = format!("GET {} HTTP/1.0\r\nRange: bytes=5-\r\n\r\n", gzip.target());
    let answer = Answer::read(&talk(served.addr(), request.as_bytes()));
    assert_eq!(answer.field("Content-Encoding"), Some("gzip"));
    assert_eq!(answer.field("Content-Range"), Some("bytes 5-99999/100000"));
    let mut body = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap();
    assert!(body == file.bytes(0, 5..LEN));
    let answer = ask(&served, &gzip, &[RANGE]);
    assert_eq!(answer.field("Transfer-Encoding"), Some("chunked"));
    assert!(answer.body.ends_with(b"\r\n0\r\nX-End: yes\r\n\r\n"));
}

#[test]
fn connections_break_off_when_asked_to() {
    let served = serve();
    let cut = served.file("cut", LEN).with("cut", 7).with("first", 2);
    let lens = [7, 7, LEN].map(|len| usize::try_from(len).unwrap());
    for len in lens {
        assert_eq!(ask(&served, &cut, &[]).body.len(), len);
    }
    let always = served.file("always", LEN).with("cut", 7);
    assert_eq!(statuses(&served, &[&always; 3]), [(206, 7); 3]);
    assert_eq!(ask(&served, &always, &[RANGE]).body, always.bytes(0, 10..17));
    let chunked = served.file_at("chunked", "cut", LEN).with("cut", 7);
    assert!(!ask(&served, &chunked, &[]).body.ends_with(b"0\r\nX-End: yes\r\n\r\n"));

    let reset = served.file("reset", LEN).with("reset", 0);
    let mut stream = TcpStream::connect(served.addr()).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", reset.target()).unwrap();
    let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn one_of_many_stalls() {
    let served = serve();
    let stalls = |file: &LargeFile<'_>| {
        let mut stream = TcpStream::connect(served.addr()).unwrap();
        let head = format!("GET {} HTTP/1.1\r\nHost: x\r\n{RANGE}\r\n\r\n", file.target());
        let before = file.stats().body_bytes;
        stream.write_all(head.as_bytes()).unwrap();
        assert!(eventually(|| file.stats().body_bytes >= before + 3));
        // After all of a body the connection takes another request; a stalled one does not.
        let mut read = Vec::new();
        stream.write_all(b"GET /bytes/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_end(&mut read).unwrap();
        Answer::read(&read).body.len() == 3
    };
    let connection = served.file("connection", LEN).with("stall", 3).with("nth-connection", 2);
    assert_eq!([(); 3].map(|()| stalls(&connection)), [false, true, false]);
    let range = served.file("range", LEN).with("stall", 3).with("nth-range", 2);
    assert_eq!(ask(&served, &range, &[]).body.len() as u64, LEN);
    assert_eq!([(); 3].map(|()| stalls(&range)), [false, true, false]);
}

#[test]
fn faults_are_those_of_the_requests_that_are_selected() {
    let served = serve();
    let nth = served.file("nth", LEN).with("status", 503).with("nth", 2).with("retry-after", 9);
    let answers = [(); 3].map(|()| ask(&served, &nth, &[RANGE]));
    assert_eq!([206, 503, 206], [0, 1, 2].map(|n| answers[n].status));
    assert_eq!(answers[1].field("Retry-After"), Some("9"));
    let after = served.file("after", LEN).with("ranges", "ignored").with("after", 1);
    assert_eq!(statuses(&served, &[&after; 3]), [(206, 10), (200, 100_000), (200, 100_000)]);

    // Kept connections are one each.
    let file = served.file("kept", LEN).with("status", 404).with("nth-connection", 1);
    let one = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", file.target());
    let last = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", file.target());
    let told = talk(served.addr(), format!("{one}{one}{last}").as_bytes());
    assert_eq!(String::from_utf8_lossy(&told).matches("HTTP/1.1 404").count(), 3);
    assert_eq!(ask(&served, &file, &[RANGE]).status, 206);
    assert_eq!((file.stats().connections, file.stats().requests), (2, 4));
}

#[test]
fn more_bodies_than_permitted_are_refused() {
    let served = serve();
    let file = served.file("busy", LEN).with("sending-max", 1);
    let stalled = file.clone().with("stall", 3).with("nth", 1);
    let mut stream = TcpStream::connect(served.addr()).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", stalled.target()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(ask(&served, &file, &[]).status, 503);
    drop(stream);
    assert!(eventually(|| ask(&served, &file, &[]).status == 200));
}

#[test]
fn what_the_kernel_keeps_is_bounded_when_asked_to() {
    let served = serve();
    let file = served.file("bounded", 1 << 30).with("send-buffer", 16_384);
    let mut stream = TcpStream::connect(served.addr()).unwrap();
    set_socket_recv_buffer_size(&stream, 16_384).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", file.target()).unwrap();
    let mut before = 0;
    // Until no more goes out; without a bound that would be megabytes.
    assert!(eventually(|| {
        std::thread::sleep(Duration::from_millis(100));
        let sent = file.stats().body_bytes;
        sent > 0 && std::mem::replace(&mut before, sent) == sent
    }));
    assert!(before < 1 << 20, "{before}");
}

#[test]
fn a_rate_is_kept_for_each_connection() {
    let served = serve();
    let file = served.file("paced", 300_000).with("rate", 1_000_000);
    let slow = served.file("slow", 300_000).with("slow", 1_000_000).with("nth", 1);
    for file in [&file, &slow] {
        let start = Instant::now();
        assert!(ask(&served, file, &[]).body == file.bytes(0, 0..300_000));
        // No machine is too slow for a lower bound.
        assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    }
    // At this rate it would take a day: the end of the origin ends it.
    let day = served.file("day", 100_000).with("rate", 1);
    let mut stream = TcpStream::connect(served.addr()).unwrap();
    write!(stream, "GET {} HTTP/1.1\r\nHost: x\r\n\r\n", day.target()).unwrap();
    assert!(eventually(|| day.stats().body_bytes > 0));
    drop(served);
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    assert!(read.len() < 50_000);
}

#[test]
fn what_was_sent_is_counted() {
    let served = serve();
    let file = served.file("a", LEN);
    ask(&served, &file, &[]);
    ask(&served, &file, &[RANGE]);
    ask(&served, &file, &["If-None-Match: *"]);
    ask_as("HEAD", &served, &file.target(), &[]);
    ask(&served, &served.file("b", 5).with("cut", 2), &[]);
    ask(&served, &served.file_at("chunked", "b", 50_000), &[]);
    ask(&served, &file, &["Range: bytes=100000-", "If-Range: \"other\""]);
    ask(&served, &file.clone().with("ranges", "refused"), &["Range: bytes=5-"]);
    let stats = ask_as("GET", &served, &format!("/stats{}", file.path), &[]);
    let stats: serde_json::Value = serde_json::from_slice(&stats.body).unwrap();
    let wanted = serde_json::json!({
        "requests": 6, "range_requests": 3, "connections": 6, "body_bytes": 2 * LEN + 10,
        "changes": 0, "sending_max": 1, "ranges": [
            { "range": "bytes=10-19", "if_range": null, "status": 206 },
            { "range": "bytes=100000-", "if_range": "\"other\"", "status": 200 },
            { "range": "bytes=5-", "if_range": null, "status": 416 },
        ],
    });
    assert_eq!(stats, wanted);
    let of_listener = served.origin.stats(Listener::Http);
    assert_eq!((of_listener.requests, of_listener.range_requests), (8, 3));
    assert_eq!(of_listener.body_bytes, 2 * LEN + 10 + 2 + 50_000);
}

#[test]
fn what_is_pulled_is_what_the_helper_says() {
    let served = serve();
    let file = served.file("pulled", 3_000_000);
    file.change();
    let sandbox = Sandbox::new();
    let urls = [file.url(), file.https_url()];
    let done = sandbox.pull().arg("--cacert").arg(served.ca()).list(&urls).run();
    done.assert_ok(2);
    for url in &urls {
        file.assert_stored(done.row(url)["filename"].as_ref(), 1);
    }
}
