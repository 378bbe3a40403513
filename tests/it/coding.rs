//! Coded bodies: decoded when that was asked for, stored as sent otherwise, and never half.

use crate::cmd::{Done, Sandbox};
use crate::fetch::FILE_OPS;
use crate::rude::{Plan, Rude, Script, Verb, chunked, response};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn coded(coding: &str, body: &[u8]) -> Script {
    vec![Verb::Send(response("200 OK", &format!("Content-Encoding: {coding}\r\n"), body))]
}

/// The same in chunks, sent a byte at a time.
fn coded_chunks(body: &[u8]) -> Script {
    vec![Verb::Drip(chunked("Content-Encoding: x-gzip\r\n", body, 100))]
}

/// Text that packs some 20 to 1.
fn text(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(|n| format!("line {} of it\n", n / 5).into_bytes()).take(len).collect()
}

fn pull(sandbox: &Sandbox, server: &Rude, paths: &[&str], flags: &[&str]) -> Done {
    let urls = paths.iter().map(|path| server.url(path));
    sandbox.pull().args(flags).args(["--retry", "0"]).list(urls).run()
}

#[test]
fn what_was_asked_for_is_decoded_in_every_file_ops_mode() {
    let (short, long) = (text(100), text(3_000_000));
    let server = Plan::new()
        .on("/short", [coded("gzip", &gzip(&short))])
        .on("/long", [coded("GZIP", &gzip(&long))])
        .on("/chunks", [coded_chunks(&gzip(&short))])
        .on("/members", [coded("gzip", &[gzip(&short), gzip(&long), vec![0; 9]].concat())])
        .on("/empty", [coded("gzip", b"")])
        .on("/nothing", [coded("gzip", &gzip(b""))])
        .start();
    let paths = ["/short", "/long", "/chunks", "/members", "/empty", "/nothing"];
    let wanted = [&short, &long, &short, &[&short[..], &long].concat(), &vec![], &vec![]];
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        let done = pull(&sandbox, &server, &paths, &["--compressed", "--file-ops", mode]);
        done.assert_ok(paths.len());
        let files = sandbox.files();
        for (path, wanted) in paths.iter().zip(wanted) {
            assert!(files[&path[1..]] == *wanted, "{mode}: {path}");
            assert_eq!(done.row(&server.url(path))["content_encoding"], "", "as stored");
        }
        let row = done.row(&server.url("/long"));
        assert_eq!(row["size_download"], gzip(&long).len().to_string(), "as received");
    }
    for path in paths {
        assert!(server.heads(path)[0].contains("Accept-Encoding: gzip\r\n"), "{path}");
    }
}

#[test]
fn what_was_not_asked_for_is_stored_as_sent() {
    let body = gzip(b"content");
    let codings = ["gzip", "br", "deflate", "gzip, gzip", "zstd, gzip"];
    let paths = ["/0", "/1", "/2", "/3", "/4"];
    let plan = || {
        let both = paths.iter().zip(codings);
        both.fold(Plan::new(), |plan, (path, coding)| plan.on(path, [coded(coding, &body)]))
    };
    let server = plan().start();
    let sandbox = Sandbox::new();
    let flags = ["-H", "Accept-Encoding: gzip, br"];
    let done = pull(&sandbox, &server, &paths, &flags);
    done.assert_ok(paths.len());
    for (path, coding) in paths.iter().zip(codings) {
        assert_eq!(done.row(&server.url(path))["content_encoding"], coding);
        assert_eq!(sandbox.files()[&path[1..]], body);
    }
    assert!(server.heads("/0")[0].contains("Accept-Encoding: gzip, br\r\n"));
    // With the flag, whatever is not exactly gzip.
    let server = plan().start();
    let sandbox = Sandbox::new();
    let done = pull(&sandbox, &server, &paths, &["--compressed"]);
    done.assert_ok(paths.len());
    assert_eq!(sandbox.files()["0"], b"content");
    for (path, coding) in paths.iter().zip(codings).skip(1) {
        assert_eq!(done.row(&server.url(path))["content_encoding"], coding);
        assert_eq!(sandbox.files()[&path[1..]], body);
    }
}

#[test]
fn a_body_that_does_not_decode_leaves_nothing() {
    let good = gzip(&text(50_000));
    let mut flipped = good.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    let server = Plan::new()
        .on("/plain", [coded("gzip", b"no gzip at all")])
        .on("/cut", [coded("gzip", &good[..good.len() - 1])])
        .on("/flipped", [coded("gzip", &flipped)])
        .on("/garbage", [coded("gzip", &[&good[..], b"\n"].concat())])
        .on("/bomb", [coded("gzip", &gzip(&vec![0; 8 << 20]).repeat(12))])
        .on("/404", [vec![Verb::Send(response("404 No", "Content-Encoding: gzip\r\n", b"x"))]])
        .start();
    let sandbox = Sandbox::new();
    let codes = [
        ("/plain", "body.coding", "61"),
        ("/cut", "body.coding", "61"),
        ("/flipped", "body.coding", "61"),
        ("/garbage", "body.coding", "61"),
        ("/bomb", "body.bomb", "61"),
        ("/404", "http.status", "22"),
    ];
    let urls = codes.map(|(path, ..)| server.url(path));
    let done = sandbox.pull().arg("--compressed").list(&urls).run();
    for (path, code, exit) in codes {
        let row = done.row(&server.url(path));
        assert_eq!([&row["error_code"], &row["exitcode"], &row["num_retries"]], [code, exit, "0"]);
    }
    done.assert_code(7);
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
    // What standard output got cannot be taken back, but the failure is told.
    let done = sandbox.pull().args(["--compressed", "-o", "-", &server.url("/cut")]).run();
    done.assert_code(7);
}

#[test]
fn decoded_bytes_count_against_the_largest_size() {
    let body = gzip(&text(100_000));
    assert!(body.len() < 50_000);
    let server = Plan::new().otherwise(coded("gzip", &body)).start();
    let sandbox = Sandbox::new();
    let flags = |max| ["--compressed", "--max-filesize", max];
    pull(&sandbox, &server, &["/fits"], &flags("100000")).assert_ok(1);
    let done = pull(&sandbox, &server, &["/over"], &flags("99999"));
    assert_eq!(done.fault(&server.url("/over")), "body.too_large");
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["fits"]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn standard_output_gets_the_content() {
    let content = text(1_000_000);
    let server = Plan::new().otherwise(coded("gzip", &gzip(&content))).start();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--compressed", "-o", "-", &server.url("/a")]).run();
    done.assert_ok(1);
    assert!(done.stdout.as_bytes() == content);
}
