//! `checksum=`, `--checksum` and `--compute-hash`: what is stored is what was asked
//! for, or nothing.

use crate::cmd::{Done, Sandbox};
use crate::fetch::FILE_OPS;
use crate::rude::{Plan, Rude, Script, Verb, chunked, ok, redirect, response};
use flate2::Compression;
use flate2::write::GzEncoder;
use ringpull::plan::checksum::{Hasher, Kind};
use std::io::Write as _;

fn digest(kind: Kind, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(kind);
    hasher.update(bytes);
    hasher.finish().to_string()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(Kind::Sha256, bytes)
}

/// Longer than a few buffers, and no two pieces of it are alike.
fn long() -> Vec<u8> {
    (0_u32..250_000).flat_map(u32::to_le_bytes).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The body ends with the connection.
fn until_close(body: &[u8]) -> Script {
    let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    bytes.extend(body);
    vec![Verb::Send(bytes), Verb::Close]
}

/// Every way in which a body comes, by path, and what is stored of it.
fn bodies() -> Vec<(&'static str, Script, Vec<u8>)> {
    let (short, long) = (b"short".to_vec(), long());
    let coded = |body: &[u8]| {
        vec![Verb::Send(response("200 OK", "Content-Encoding: gzip\r\n", &gzip(body)))]
    };
    let coded_chunks = chunked("Content-Encoding: gzip\r\n", &gzip(&long), 1_000);
    vec![
        ("/empty", ok(b""), vec![]),
        ("/short", ok(&short), short.clone()),
        ("/long", ok(&long), long.clone()),
        ("/pieces", vec![Verb::Pieces(7_777, response("200 OK", "", &long))], long.clone()),
        ("/chunks", vec![Verb::Send(chunked("", &long, 999))], long.clone()),
        ("/few-chunks", vec![Verb::Drip(chunked("", &short, 2))], short.clone()),
        ("/close", until_close(&long), long.clone()),
        ("/close-short", until_close(&short), short.clone()),
        ("/gzip", coded(&short), short),
        ("/gzip-long", coded(&long), long.clone()),
        ("/gzip-chunks", vec![Verb::Pieces(5_000, coded_chunks)], long),
        ("/gzip-empty", coded(b""), vec![]),
    ]
}

fn serve(bodies: &[(&'static str, Script, Vec<u8>)]) -> Rude {
    let plan =
        bodies.iter().fold(Plan::new(), |plan, (path, script, _)| plan.on(path, [script.clone()]));
    plan.start()
}

/// A list in which every URL has the checksum that `of` gives.
fn list(server: &Rude, of: &[(&str, String)]) -> Vec<String> {
    let line = |(path, sum): &(&str, String)| [server.url(path), format!("  checksum={sum}")];
    of.iter().flat_map(line).collect()
}

fn pull(sandbox: &Sandbox, lines: &[String], flags: &[&str]) -> Done {
    sandbox.pull().args(["--retry-delay", "0"]).args(flags).list(lines).run()
}

fn assert_no_file(sandbox: &Sandbox) {
    assert!(sandbox.files().is_empty(), "{:?}", sandbox.files().keys());
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn the_right_file_is_stored_however_its_body_comes() {
    let bodies = bodies();
    let server = serve(&bodies);
    let sums: Vec<_> = bodies.iter().map(|(path, _, body)| (*path, sha256(body))).collect();
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        let flags = ["--compressed", "--file-ops", mode];
        let done = pull(&sandbox, &list(&server, &sums), &flags);
        done.assert_ok(bodies.len());
        let files = sandbox.files();
        for (path, _, body) in &bodies {
            assert!(files[&path[1..]] == *body, "{mode}: {path}");
            let row = done.row(&server.url(path));
            assert_eq!(row["size_file"], body.len().to_string(), "{mode}: {path}");
            assert_eq!(row["digest"], sha256(body), "{mode}: {path}");
        }
    }
}

#[test]
fn another_file_fails_and_leaves_nothing() {
    let bodies = bodies();
    let server = serve(&bodies);
    let other = sha256(b"another file");
    let sums: Vec<_> = bodies.iter().map(|(path, ..)| (*path, other.clone())).collect();
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        let flags = ["--compressed", "--retry", "0", "--file-ops", mode];
        let done = pull(&sandbox, &list(&server, &sums), &flags);
        done.assert_code(7);
        for (path, _, body) in &bodies {
            let row = done.row(&server.url(path));
            let told = ["status", "error_code", "exitcode", "filename", "size_file", "digest"];
            let told = told.map(|column| row[column].as_str());
            assert_eq!(told, ["failed", "body.checksum", "18", "", "", ""], "{mode}: {path}");
            let message = &row["error_message"];
            assert!(message.contains(&sha256(body)) && message.contains(&other), "{message}");
        }
        assert_no_file(&sandbox);
    }
}

#[test]
fn every_kind_of_checksum_in_any_writing() {
    let body = long();
    let server = Plan::new().otherwise(ok(&body)).start();
    let mut lines = Vec::new();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let sum = digest(kind, &body);
        for (m, sum) in [sum.clone(), sum.to_uppercase(), sum.replace('-', "")].iter().enumerate() {
            lines.extend([server.url(&format!("/{n}-{m}")), format!(" checksum={sum}")]);
        }
    }
    let sandbox = Sandbox::new();
    let done = pull(&sandbox, &lines, &[]);
    done.assert_ok(lines.len() / 2);
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(done.row(&server.url(&format!("/{n}-1")))["digest"], digest(kind, &body));
    }
}

#[test]
fn a_checksum_that_is_none_is_a_row_and_no_request() {
    let server = Plan::new().otherwise(ok(b"")).start();
    let sums = [
        ("/length", "sha-256=00", "sha-256 has 64 hex digits, not 2"),
        ("/type", "crc32=00000000", "md5, sha-1, sha-224, sha-256"),
        ("/bare", "d41d8cd98f00b204e9800998ecf8427e", "TYPE=HEX"),
        ("/digits", "md5=x41d8cd98f00b204e9800998ecf8427e", "0-9 and a-f"),
    ];
    let of = sums.map(|(path, sum, _)| (path, sum.to_owned()));
    let sandbox = Sandbox::new();
    let done = pull(&sandbox, &list(&server, &of), &[]);
    done.assert_code(2);
    for (path, sum, remedy) in sums {
        let row = done.row(&server.url(path));
        assert_eq!(row["error_code"], "input.checksum", "{sum}");
        assert!(row["error_message"].contains(remedy), "{}", row["error_message"]);
    }
    assert_eq!(server.log(), Vec::<String>::new());
    assert_no_file(&sandbox);
}

#[test]
fn a_wrong_file_is_asked_for_until_it_comes_right_or_the_same_comes_again() {
    let (right, wrong) = (ok(b"right"), ok(b"wrong"));
    let server = Plan::new()
        .on("/mends", [wrong.clone(), ok(b"worse"), right])
        .on("/stays", [wrong.clone()])
        .on("/varies", ["a", "b", "c", "d", "e"].map(|body| ok(body.as_bytes())))
        .start();
    let paths = ["/mends", "/stays", "/varies"];
    let sandbox = Sandbox::new();
    let of = paths.map(|path| (path, sha256(b"right")));
    let done = pull(&sandbox, &list(&server, &of), &[]);
    done.assert_code(7);
    let told = |path| {
        let row = done.row(&server.url(path));
        (row["status"].as_str(), row["num_retries"].as_str())
    };
    assert_eq!(paths.map(told), [("ok", "2"), ("failed", "1"), ("failed", "3")]);
    assert_eq!(sandbox.files().into_values().collect::<Vec<_>>(), [b"right"]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    assert_eq!(done.row(&server.url("/mends"))["digest"], sha256(b"right"));
}

#[test]
fn a_digest_begins_anew_with_every_attempt() {
    let body = long();
    let whole = response("200 OK", "", &body);
    let coded = response("200 OK", "Content-Encoding: gzip\r\n", &gzip(&body));
    let cut = |bytes: &[u8]| vec![Verb::Send(bytes[..bytes.len() - 9].to_vec()), Verb::Close];
    let server = Plan::new()
        .on("/cut", [cut(&whole), cut(&whole[..700_000]), ok(&body)])
        .on("/coded", [cut(&coded), vec![Verb::Send(coded.clone())]])
        .on("/503", [vec![Verb::Send(response("503 No", "", b"busy"))], ok(&body)])
        .on("/hop", [redirect("/there")])
        .on("/there", [ok(&body)])
        .start();
    let sandbox = Sandbox::new();
    let of = ["/cut", "/coded", "/503", "/hop"].map(|path| (path, sha256(&body)));
    let done = pull(&sandbox, &list(&server, &of), &["--compressed"]);
    done.assert_ok(4);
    assert!(sandbox.files().values().all(|file| *file == body));
    assert_eq!(done.row(&server.url("/cut"))["num_retries"], "2");
    assert_eq!(done.row(&server.url("/coded"))["num_retries"], "1");
}

#[test]
fn a_doubted_response_counts_for_nothing() {
    let mut both = response("200 OK", "", b"evil");
    both.extend(response("200 OK", "", b"1"));
    let server =
        Plan::new().on("/0", [ok(b"0")]).on("/1", [vec![Verb::Send(both)], ok(b"1")]).start();
    let sandbox = Sandbox::new();
    let of = [("/0", sha256(b"0")), ("/1", sha256(b"1"))];
    let flags = ["-j", "1", "-x", "1", "--threads", "1", "--retry", "0"];
    pull(&sandbox, &list(&server, &of), &flags).assert_ok(2);
    assert_eq!(server.log(), ["/0", "/1", "/1"]);
}

#[test]
fn a_hash_is_computed_for_every_row_beside_the_checksum_of_the_list() {
    let (a, b) = (b"a".to_vec(), long());
    let server = Plan::new().on("/a", [ok(&a)]).on("/b", [ok(&b)]).start();
    let lines = [
        server.url("/a"),
        format!(" checksum={}", digest(Kind::Md5, &a)),
        server.url("/b"),
        server.url("/404"),
    ];
    for (flag, kind) in [("blake3", Kind::Blake3), ("md5", Kind::Md5), ("SHA-1", Kind::Sha1)] {
        let sandbox = Sandbox::new();
        let done = pull(&sandbox, &lines, &["--compute-hash", flag]);
        done.assert_code(8);
        assert_eq!(done.row(&lines[0])["digest"], digest(kind, &a));
        assert_eq!(done.row(&lines[2])["digest"], digest(kind, &b));
        let row = done.row(&lines[3]);
        assert_eq!([&row["digest"], &row["size_file"]], ["", ""]);
    }
    // The kind of the row says nothing about the kind that is checked.
    let sandbox = Sandbox::new();
    let wrong = [server.url("/a"), format!(" checksum={}", digest(Kind::Md5, &b))];
    let done = pull(&sandbox, &wrong, &["--compute-hash", "sha256"]);
    assert_eq!(done.fault(&wrong[0]), "body.checksum");
    let sandbox = Sandbox::new();
    let flags = ["--compute-hash", "md5", "--compute-hash", "none"];
    let done = pull(&sandbox, &[server.url("/b")], &flags);
    let row = done.row(&server.url("/b"));
    assert_eq!([&row["digest"], &row["size_file"]], ["", "1000000"]);
}

#[test]
fn files_that_are_kept_are_not_looked_at() {
    let server = Plan::new().otherwise(ok(b"new")).start();
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.out().join("a"), b"old").unwrap();
    let of = [("/a", sha256(b"new")), ("/b", sha256(b"new"))];
    let done = pull(&sandbox, &list(&server, &of), &["--no-clobber", "--compute-hash", "md5"]);
    done.assert_code(0);
    let row = done.row(&server.url("/a"));
    assert_eq!(["status", "digest", "size_file"].map(|c| row[c].as_str()), ["skipped", "", ""]);
    assert_eq!(server.log(), ["/b"]);
    // A wrong one replaces nothing, and takes no other name either.
    for policy in ["overwrite", "rename"] {
        let of = [("/a", sha256(b"old"))];
        let flags = ["--on-conflict", policy];
        assert_eq!(pull(&sandbox, &list(&server, &of), &flags).fault(&server.url("/a")), WRONG);
        assert_eq!(sandbox.files()["a"], b"old");
        assert_eq!(sandbox.files().len(), 2);
    }
    let of = [("/a", sha256(b"new"))];
    pull(&sandbox, &list(&server, &of), &["--on-conflict", "rename"]).assert_ok(1);
    assert_eq!(sandbox.files().len(), 3);
}

#[test]
fn standard_output_is_checked_too() {
    let body = long();
    let server = Plan::new().on("/long", [ok(&body)]).on("/short", [ok(b"short")]).start();
    let sandbox = Sandbox::new();
    let print = |path: &str, sum: &str| {
        sandbox.pull().args(["-o", "-", "--checksum", sum, &server.url(path)]).run()
    };
    let done = print("/short", &sha256(b"short"));
    done.assert_ok(1);
    assert_eq!((done.stdout.as_str(), done.rows[0]["size_file"].as_str()), ("short", "5"));
    // The last buffer does not go out; what went before cannot be taken back, nor be tried again.
    for (path, retries) in [("/short", "1"), ("/long", "0")] {
        let done = print(path, &sha256(b"other"));
        done.assert_code(7);
        assert_eq!(done.fault(&server.url(path)), WRONG);
        assert_eq!(done.row(&server.url(path))["num_retries"], retries);
        assert_eq!(done.stdout.is_empty(), path == "/short");
    }
}

#[test]
fn one_digest_is_for_one_url() {
    let server = Plan::new().otherwise(ok(b"a")).start();
    let sandbox = Sandbox::new();
    let (flag, sum) = ("--checksum", sha256(b"a"));
    sandbox.pull().args([flag, &sum, &server.url("/a")]).run().assert_ok(1);
    let done = sandbox.pull().args([flag, &sum, &server.url("/b"), &server.url("/c")]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("checksum=TYPE=HEX"), "{}", done.stderr);
    for bad in ["sha-256=00", "00"] {
        let done = sandbox.pull().args([flag, bad, &server.url("/d")]).run();
        done.assert_code(2);
    }
    let done = sandbox.pull().args(["--compute-hash", "crc", &server.url("/d")]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("blake3"), "{}", done.stderr);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a"]);
}

/// The code of a file that is not the one of its checksum.
const WRONG: &str = "body.checksum";
