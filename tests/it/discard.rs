//! `--discard`: rows, sizes and digests of a whole list, and no file.

use crate::cmd::{Done, Sandbox};
use crate::rude::{Plan, Rude, Verb, chunked, ok, redirect, response};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::PathBuf;

const OF_HELLO: &str = "sha-256=2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn serve() -> Rude {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"hello").unwrap();
    let coded = encoder.finish().unwrap();
    Plan::new()
        .on("/hello", [ok(b"hello")])
        .on("/a/hello", [ok(b"hello")])
        .on("/empty", [ok(b"")])
        .on("/long", [ok(&vec![b'x'; 3_000_000])])
        .on("/chunks", [vec![Verb::Send(chunked("", b"hello", 2))]])
        .on("/coded", [vec![Verb::Send(response("200 OK", "Content-Encoding: gzip\r\n", &coded))]])
        .on("/moved", [redirect("/hello")])
        .start()
}

/// What is in the sandbox.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path(".")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A directory that is not there, for files that are not made.
fn nowhere(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("nowhere/at/all")
}

fn discard(sandbox: &Sandbox, urls: &[String], args: &[&str]) -> Done {
    sandbox.pull_into(&nowhere(sandbox)).again().arg("--discard").args(args).list(urls).run()
}

fn urls(server: &Rude) -> Vec<String> {
    let paths = ["/hello", "/a/hello", "/empty", "/long", "/chunks", "/moved"];
    paths.map(|path| server.url(path)).into()
}

#[test]
fn rows_have_sizes_and_digests_and_no_file_is_made() {
    let server = serve();
    let sandbox = Sandbox::new();
    let mut urls = urls(&server);
    urls.push(server.url("/coded"));
    let args = ["--compressed", "--compute-hash", "sha256", "-w", "%{size_file}:%{filename}\n"];
    let done = discard(&sandbox, &urls, &args);
    done.assert_ok(7);
    for (path, size) in [
        ("/hello", "5"),
        ("/a/hello", "5"),
        ("/empty", "0"),
        ("/long", "3000000"),
        ("/chunks", "5"),
        ("/moved", "5"),
        ("/coded", "5"),
    ] {
        let row = done.row(&server.url(path));
        assert_eq!((&*row["size_file"], &*row["filename"]), (size, ""), "{path}");
        assert_eq!(row["digest"] == OF_HELLO, size == "5", "{path}");
        assert!(row["digest"].starts_with("sha-256="), "{path}");
    }
    assert!(done.stdout.lines().any(|line| line == "3000000:"), "{}", done.stdout);
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
    assert_eq!(names(&sandbox), ["list.txt", "out", "report.csv", "stderr", "stdout"]);

    // There is nothing to compare, and nothing that differs.
    let verify = sandbox.pull().again().arg("--verify").run();
    verify.assert_code(0);
    assert!(verify.stderr.contains("7 without a file to look at"), "{}", verify.stderr);
}

#[test]
fn what_is_not_what_the_list_asks_for_fails() {
    let server = serve();
    let sandbox = Sandbox::new();
    let wrong = format!("  checksum=sha-256={}", "0".repeat(64));
    let lines =
        [server.url("/hello"), format!("  checksum={OF_HELLO}"), server.url("/a/hello"), wrong];
    let done = discard(&sandbox, &lines, &["--save-session", "left.txt", "--max-filesize", "1M"]);
    done.assert_code(7);
    assert_eq!(done.row(&server.url("/hello"))["digest"], OF_HELLO);
    assert_eq!(done.fault(&server.url("/a/hello")), "body.checksum");
    // What is left can be pulled into files under the names that it would have.
    let left = std::fs::read_to_string(sandbox.path("left.txt")).unwrap();
    assert!(left.contains("/a/hello\n") && left.contains("out=hello.3"), "{left}");

    let done = discard(&sandbox, &[server.url("/long")], &["--max-filesize", "1M", "--fresh"]);
    assert_eq!(done.fault(&server.url("/long")), "body.too_large");
}

#[test]
fn lines_that_were_discarded_are_done_for_those_who_discard() {
    let server = serve();
    let sandbox = Sandbox::new();
    let urls = urls(&server);
    let args = ["--compute-hash", "sha256"];
    discard(&sandbox, &urls[..4], &args).assert_ok(4);
    let asked = server.log().len();
    let done = discard(&sandbox, &urls, &args);
    done.assert_ok(6);
    assert!(done.stderr.contains("4 lines done by earlier runs"), "{}", done.stderr);
    assert_eq!(server.log().len(), asked + 3, "two lines, one of them redirected");

    // Who wants files has none of them.
    let done = sandbox.pull().again().list(&urls).run();
    done.assert_code(0);
    assert_eq!(done.rows.len(), 12);
    assert!(done.stderr.contains("6 lines of"), "{}", done.stderr);
    assert!(done.stderr.contains("have no file"), "{}", done.stderr);
    let files = sandbox.files();
    assert_eq!(files.len(), 6);
    assert_eq!(files["hello"], b"hello");

    let one = Sandbox::new();
    discard(&one, &urls[..1], &[]).assert_ok(1);
    let done = one.pull().again().list(&urls[..1]).run();
    let told = "report.csv has no file, since --discard pulled it: it is pulled again\n";
    assert!(done.stderr.contains("1 line of ") && done.stderr.contains(told), "{}", done.stderr);

    // Now there are files, for both.
    let asked = server.log().len();
    for pull in [sandbox.pull().again(), sandbox.pull().again().arg("--discard")] {
        let done = pull.list(&urls).run();
        assert!(done.stderr.contains("6 lines done by earlier runs"), "{}", done.stderr);
        assert!(!done.stderr.contains("have no file"), "{}", done.stderr);
    }
    assert_eq!(server.log().len(), asked);
}

#[test]
fn what_is_about_files_is_refused_beside_it() {
    let sandbox = Sandbox::new();
    for other in [
        &["-o", "a"][..],
        &["-o", "-"],
        &["--no-clobber"],
        &["--on-conflict", "rename"],
        &["--fsync", "file"],
        &["--file-allocation", "prealloc"],
        &["--verify"],
    ] {
        let done = sandbox.pull().arg("--discard").args(other).arg("http://localhost/").run();
        done.assert_code(2);
        assert!(done.stderr.contains("--discard"), "{other:?}: {}", done.stderr);
    }
    let dry = sandbox.pull().args(["--discard", "--dry-run", "http://localhost/"]).run();
    dry.assert_code(0);
}
