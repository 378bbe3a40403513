//! `--dedupe`: URLs that are pulled once, and bodies that are stored once.

use crate::cmd::{Done, Sandbox, eventually};
use crate::origin::serve;
use crate::rude::{Plan, Rude, Verb, ok, response};
use std::os::unix::fs::MetadataExt as _;

/// Of every row its line, what became of it, and the line that it is a duplicate of.
fn rows(done: &Done) -> Vec<(String, String, String)> {
    let cells = |row: &std::collections::HashMap<String, String>| {
        (row["index"].clone(), row["status"].clone(), row["duplicate_of"].clone())
    };
    let mut rows: Vec<_> = done.rows.iter().map(cells).collect();
    rows.sort_by_key(|row| row.0.parse::<u64>().unwrap());
    rows
}

fn told<'r>(
    rows: impl IntoIterator<Item = &'r (u64, &'r str, &'r str)>,
) -> Vec<(String, String, String)> {
    let owned = |(index, status, of): &(u64, &str, &str)| {
        (index.to_string(), (*status).to_owned(), (*of).to_owned())
    };
    rows.into_iter().map(owned).collect()
}

fn content() -> Rude {
    Plan::new().otherwise(ok(b"content")).start()
}

#[test]
fn a_url_is_asked_for_once() {
    let server = content();
    let at = format!("127.0.0.1:{}", server.port());
    let list = [
        server.url("/a"),
        server.url("/b"),
        // The same ones, however they are written, and wherever they were to go.
        format!("HTTP://u:p@{at}/a#top"),
        format!("http://{at}/x/../b"),
        "  out=elsewhere".to_owned(),
        "nonsense".to_owned(),
        server.url("/a?query"),
        server.url("/a"),
    ];
    let sandbox = Sandbox::new();
    let flags = ["--dedupe", "url", "--max-files", "3"];
    let done = sandbox.pull().args(flags).list(&list).run();
    done.assert_code(2);
    let told = told(&[
        (1, "ok", ""),
        (2, "ok", ""),
        (3, "skipped", "1"),
        (4, "skipped", "2"),
        (6, "failed", ""),
        (7, "ok", ""),
    ]);
    // What is behind the third file is not looked at.
    assert_eq!(rows(&done), told);
    let done = sandbox.pull().args(["--dedupe", "url"]).list(&list).run();
    done.assert_code(2);
    assert_eq!(rows(&done)[..6], told);
    assert_eq!(rows(&done)[6], ("8".to_owned(), "skipped".to_owned(), "1".to_owned()));
    let codes = done.rows.iter().filter(|row| row["error_code"] == "dedupe.url").count();
    assert_eq!((codes, server.log().len()), (3, 6));
    assert!(done.stderr.contains("3 skipped"), "{}", done.stderr);
    assert_eq!(sandbox.files().keys().collect::<Vec<_>>(), ["a", "a.7", "b"]);
    // All of it is done.
    let again = sandbox.pull().args(["--dedupe", "url"]).list(&list).again().run();
    assert_eq!((again.rows.len(), server.log().len()), (7, 6));
    let dry = sandbox.pull().args(["--dedupe", "url", "--dry-run"]).list(&list).run();
    let text = "3 URLs to pull, 3 with the URL of an earlier line, 1 bad";
    assert!(dry.stderr.contains(text) || dry.stdout.contains(text), "{}", dry.stderr);
}

#[test]
fn the_first_line_may_be_one_of_an_earlier_run() {
    let server = content();
    let mut list: Vec<String> = ["/a", "/b"].map(|path| server.url(path)).to_vec();
    let sandbox = Sandbox::new();
    sandbox.pull().list(&list).run().assert_code(0);
    // As an older version wrote it. Its rows and the new ones are not of one table.
    let path = sandbox.path("report.csv");
    let report = std::fs::read_to_string(&path).unwrap();
    let without = |line: &str| line.rsplit_once(',').unwrap().0.to_owned() + "\n";
    let older: String = report.lines().map(without).collect();
    assert!(older.starts_with("url,") && !older.contains("duplicate_of"));
    std::fs::write(sandbox.path("older"), older).unwrap();
    list.extend(["/b", "/c", "/c"].map(|path| server.url(path)));
    let flags = ["--dedupe", "url", "--report-format", "csv"];
    let done = sandbox.pull().args(flags).report("older").list(&list).again().run();
    done.assert_code(0);
    assert_eq!(server.log().len(), 3);
    let text = std::fs::read_to_string(sandbox.path("older")).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("url,")).count(), 2);
    assert!(text.lines().any(|line| line.contains(",3,skipped,") && line.ends_with(",2")));
    assert!(text.lines().any(|line| line.contains(",5,skipped,") && line.ends_with(",4")));
}

#[test]
fn the_first_line_is_pulled_though_a_later_one_is_read_before_its_turn() {
    let server = Plan::new()
        .on("/other", [ok(b"other")])
        .otherwise(vec![Verb::Gate, Verb::Send(response("200 OK", "", b"slow"))])
        .start();
    let mut list: Vec<String> = (0..300).map(|n| server.url(&format!("/{n}"))).collect();
    let other = server.url_at("other.example", "/other");
    list.extend([other.clone(), other, server.url("/7")]);
    let sandbox = Sandbox::new();
    let flags = ["--dedupe", "url", "--lookahead", "200", "-x", "1", "--resolve"];
    let at = server.resolve("other.example");
    let running = sandbox.pull().args(flags).arg(at).list(&list).spawn();
    assert!(eventually(|| server.log().iter().any(|path| path == "/other")));
    server.open_gate();
    let done = running.wait();
    done.assert_code(0);
    let last = told(&[(301, "ok", ""), (302, "skipped", "301"), (303, "skipped", "8")]);
    assert_eq!(rows(&done)[300..], last);
    assert_eq!(server.log().len(), 301);
}

#[test]
fn more_urls_than_fit_into_memory_are_known() {
    let server = content();
    let once: Vec<String> = (0..400).map(|n| server.url(&format!("/{n}"))).collect();
    let list = once.iter().chain(once.iter().rev());
    let sandbox = Sandbox::new();
    let flags = ["--dedupe", "url", "--dedupe-memory", "1k"];
    let done = sandbox.pull().args(flags).list(list).run();
    done.assert_code(0);
    assert_eq!((server.log().len(), sandbox.files().len()), (400, 400));
    for (at, row) in rows(&done)[400..].iter().enumerate() {
        assert_eq!((row.1.as_str(), row.2.clone()), ("skipped", (400 - at).to_string()));
    }
    assert!(sandbox.temporaries().is_empty());
}

/// Number of the file of this name.
fn inode(sandbox: &Sandbox, name: &str) -> u64 {
    std::fs::metadata(sandbox.out().join(name)).unwrap().ino()
}

/// A server with two bodies, one of them at many URLs.
fn twins() -> (Rude, Vec<String>) {
    let server = Plan::new()
        .on("/other", [ok(b"other one")])
        .on("/empty", [ok(b"")])
        .on("/none", [ok(b"")])
        .otherwise(ok(b"same body"))
        .start();
    let paths = ["/a", "/b", "/other", "/empty", "/none", "/c"];
    let list = paths.map(|path| server.url(path)).to_vec();
    (server, list)
}

#[test]
fn a_body_is_stored_once() {
    let (server, list) = twins();
    for (flags, digest) in [
        (&[][..], "blake3="),
        (&["--compute-hash", "sha256"], "sha-256="),
        (&["--backend", "epoll", "--file-ops", "sync", "--fsync", "dir"], "blake3="),
        (&["--naming", "rename"], "blake3="),
    ] {
        let sandbox = Sandbox::new();
        let more = ["--dedupe", "content", "-j", "1", "--threads", "1"];
        let done = sandbox.pull().args(more).args(flags).list(&list).run();
        done.assert_code(0);
        let rows = rows(&done);
        let empty = |index| (index, "ok", "");
        let one = (1, "ok", "");
        let wanted = [one, (2, "ok", "1"), (3, "ok", ""), empty(4), empty(5), (6, "ok", "1")];
        assert_eq!(rows, told(&wanted));
        let first = inode(&sandbox, "a");
        let is_first = |name: &str| inode(&sandbox, name) == first;
        assert_eq!(["b", "c", "other", "empty"].map(is_first), [true, true, false, false]);
        assert_ne!(inode(&sandbox, "empty"), inode(&sandbox, "none"));
        assert_eq!(sandbox.files()["c"], b"same body");
        assert!(done.rows.iter().all(|row| row["digest"].starts_with(digest)));
        assert!(sandbox.temporaries().is_empty());
        assert!(
            done.stderr.contains("2 files, to others with the same content"),
            "{}",
            done.stderr
        );
    }
    assert_eq!(server.log().len(), 4 * 6, "each is pulled");
}

#[test]
fn a_body_of_an_earlier_run_is_known_by_the_report() {
    let (_server, list) = twins();
    for (change, is_linked) in [("", true), ("deleted", false), ("changed", false)] {
        let sandbox = Sandbox::new();
        let pull = || sandbox.pull().args(["--dedupe", "content", "-j", "1", "--threads", "1"]);
        pull().list(&list[..1]).run().assert_code(0);
        let first = sandbox.out().join("a");
        match change {
            "deleted" => std::fs::remove_file(&first).unwrap(),
            "changed" => std::fs::write(&first, b"some bod?").unwrap(),
            _ => {}
        }
        let done = pull().list(&list[..3]).again().run();
        done.assert_code(0);
        let of_second = rows(&done)[1].2.clone();
        assert_eq!(of_second, if is_linked { "1" } else { "" }, "{change}");
        // The number of a file that is gone may be given again.
        let names = std::fs::metadata(sandbox.out().join("b")).unwrap().nlink();
        assert_eq!(names, if is_linked { 2 } else { 1 }, "{change}");
        assert_eq!(sandbox.files()["b"], b"same body");
        // The one that is there by now is the first.
        let done = pull().list(&list).again().run();
        done.assert_code(0);
        assert_eq!(inode(&sandbox, "c"), inode(&sandbox, "b"));
        let last = rows(&done).into_iter().find(|row| row.0 == "6").unwrap();
        assert_eq!(last.2 == "1", is_linked);
    }
}

#[test]
fn a_file_that_was_changed_meanwhile_is_not_linked_to() {
    let gated = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"same body"))];
    for change in ["deleted", "changed"] {
        let server = Plan::new().on("/b", [gated.clone()]).otherwise(ok(b"same body")).start();
        let list = ["/a", "/b", "/c"].map(|path| server.url(path));
        let sandbox = Sandbox::new();
        let flags = ["--dedupe", "content", "-j", "1", "--threads", "1"];
        let running = sandbox.pull().args(flags).list(&list).spawn();
        assert!(eventually(|| server.log().iter().any(|path| path == "/b")));
        let first = sandbox.out().join("a");
        match change {
            "deleted" => std::fs::remove_file(&first).unwrap(),
            _ => std::fs::write(&first, b"other").unwrap(),
        }
        server.open_gate();
        let done = running.wait();
        done.assert_code(0);
        assert_eq!(rows(&done), told(&[(1, "ok", ""), (2, "ok", ""), (3, "ok", "2")]));
        assert_eq!(inode(&sandbox, "b"), inode(&sandbox, "c"));
        assert_eq!(sandbox.files()["c"], b"same body");
    }
}

#[test]
fn a_link_takes_its_name_as_a_file_does() {
    let (_server, list) = twins();
    for (policy, ok, code) in
        [("overwrite", 2, 0), ("rename", 2, 0), ("skip", 1, 0), ("error", 1, 3)]
    {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.out().join("b"), "it was there").unwrap();
        let flags = ["--dedupe", "content", "-j", "1", "--threads", "1", "--on-conflict", policy];
        let done = sandbox.pull().args(flags).list(&list[..2]).run();
        done.assert_code(code);
        let count = done.rows.iter().filter(|row| row["status"] == "ok").count();
        assert_eq!(count, ok, "{policy}");
        let second = if policy == "rename" { "b.1" } else { "b" };
        let is_linked = inode(&sandbox, second) == inode(&sandbox, "a");
        assert_eq!(is_linked, ok == 2, "{policy}");
        assert_eq!(sandbox.files()["b"] == b"it was there", policy != "overwrite");
        assert!(sandbox.temporaries().is_empty());
        // All of it once more, over links.
        let done = sandbox.pull().args(flags).list(&list).run();
        assert!(!done.rows.is_empty() && sandbox.temporaries().is_empty());
        if policy == "overwrite" {
            assert_eq!(inode(&sandbox, "b"), inode(&sandbox, "c"));
        }
    }
}

#[test]
fn of_many_cores_one_stores_a_body() {
    let served = serve();
    let body = |n: usize| served.http(&format!("/bytes/{}/{n}", 900 + n % 7));
    let list: Vec<String> = (0..350).map(body).collect();
    let sandbox = Sandbox::new();
    let flags = ["--dedupe", "content", "--threads", "2", "-j", "200", "-x", "100"];
    let memory = ["--dedupe-memory", "1k", "--name-template", "{seq}"];
    let done = sandbox.pull().args(flags).args(memory).list(&list).run();
    done.assert_code(0);
    let bodies: std::collections::BTreeSet<Vec<u8>> = sandbox.files().into_values().collect();
    let names: Vec<String> = sandbox.files().into_keys().collect();
    let inodes: std::collections::BTreeSet<u64> =
        names.iter().map(|name| inode(&sandbox, name)).collect();
    assert_eq!((names.len(), inodes.len()), (350, bodies.len()));
    let firsts = done.rows.iter().filter(|row| row["duplicate_of"].is_empty()).count();
    assert_eq!(firsts, bodies.len());
    assert!(sandbox.temporaries().is_empty());
}

#[test]
fn long_bodies_are_stored_once_too() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7).to_le_bytes()[0]).collect();
    let server = Plan::new().otherwise(ok(&body)).start();
    let list = ["/a", "/b"].map(|path| server.url(path));
    let sandbox = Sandbox::new();
    let flags = ["--dedupe", "url,content", "-j", "1", "--threads", "1"];
    let done = sandbox.pull().args(flags).list(&list).run();
    done.assert_code(0);
    assert_eq!(rows(&done), told(&[(1, "ok", ""), (2, "ok", "1")]));
    assert_eq!(inode(&sandbox, "a"), inode(&sandbox, "b"));
    assert!(sandbox.files()["b"] == body && sandbox.temporaries().is_empty());
    let names = std::fs::read_dir(sandbox.out()).unwrap().count();
    assert_eq!(names, 2);
}

#[test]
fn without_files_there_is_nothing_to_link() {
    let sandbox = Sandbox::new();
    for flags in [&["--discard"][..], &["-o", "-"]] {
        let url = "http://h.example/";
        let done = sandbox.pull().args(["--dedupe", "content"]).args(flags).arg(url).run();
        done.assert_code(2);
        assert!(done.stderr.contains("--dedupe content"), "{}", done.stderr);
    }
}
