//! `--dedupe`: URLs that are pulled once, and bodies that are stored once.

use crate::cmd::{Done, Sandbox, eventually};
use crate::rude::{Plan, Rude, Verb, ok, response};

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
