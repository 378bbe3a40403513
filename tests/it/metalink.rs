//! Metalinks as lists: names, digests, sizes and pieces of files, and what is wrong with them.

use crate::cmd::{Done, Sandbox};
use crate::rude::{Plan, Rude, ok};
use ringpull::plan::checksum::{Hasher, Kind};
use std::fs;

/// A digest in hex digits.
fn digest(kind: Kind, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(kind);
    hasher.update(bytes);
    hasher.finish().to_string().split_once('=').unwrap().1.to_owned()
}

fn metalink(files: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n{files}</metalink>\n"
    )
}

/// A file of this name whose URL is at the server.
fn file(server: &Rude, name: &str, inner: &str) -> String {
    let url = server.url(&format!("/{}", name.replace('/', "-")));
    format!("<file name=\"{name}\"><url>{url}</url>{inner}</file>\n")
}

fn pull(sandbox: &Sandbox, name: &str, list: &str, more: &[&str]) -> Done {
    let path = sandbox.path(name);
    fs::write(&path, list).unwrap();
    sandbox.pull().args(["--retry", "0"]).args(more).arg("-i").arg(path).run()
}

#[test]
fn files_have_their_names_and_are_what_the_metalink_says() {
    let body = b"The body of a file.";
    let server = Plan::new().otherwise(ok(body)).start();
    let sandbox = Sandbox::new();
    let hash = |kind: &str, hex: &str| format!("<hash type=\"{kind}\">{hex}</hash>");
    let good = hash("sha-256", &digest(Kind::Sha256, body));
    let bad = hash("sha-256", &digest(Kind::Sha256, b"another"));
    let pieces = |of: &[u8]| {
        let hashes = of.chunks(8).map(|piece| digest(Kind::Sha1, piece));
        let hashes: String = hashes.map(|hex| format!("<hash>{hex}</hash>")).collect();
        format!("<pieces length=\"8\" type=\"sha-1\">{hashes}</pieces>")
    };
    let size = |size: usize| format!("<size>{size}</size>");
    let other = b"The body of a filX.";
    let files = [
        file(&server, "whole", &(good.clone() + &size(body.len()))),
        file(&server, "pieces", &(pieces(body) + &size(body.len()))),
        file(&server, "plain", ""),
        file(&server, "digest", &(bad + &hash("md5", &digest(Kind::Md5, body)))),
        file(&server, "piece", &pieces(other)),
        file(&server, "size", &(good + &size(body.len() + 1))),
    ];
    let done = pull(&sandbox, "list.meta4", &metalink(&files.concat()), &[]);
    done.assert_code(7);
    let names: Vec<String> = sandbox.files().into_keys().collect();
    assert_eq!(names, ["pieces", "plain", "whole"], "{}", done.stderr);
    assert_eq!(done.rows.len(), 6);
    for (name, said) in [
        ("digest", "got sha-256="),
        ("piece", "piece 2 (bytes from 16): got sha-1="),
        ("size", "got 19 bytes, expected 20"),
    ] {
        let row = done.row(&server.url(&format!("/{name}")));
        assert_eq!(row["error_code"], "body.checksum", "{name}");
        assert!(row["error_message"].contains(said), "{name}: {}", row["error_message"]);
    }
    let indexes: Vec<&str> =
        ["/whole", "/size"].map(|path| &*done.row(&server.url(path))["index"]).into();
    assert_eq!(indexes, ["1", "6"]);
}

#[test]
fn hostile_names_and_bad_files_are_rows_and_cost_nothing_else() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let files = [
        file(&server, "../above", ""),
        file(&server, "/etc/passwd", ""),
        file(&server, "a/../../b", ""),
        file(&server, "good", "<metaurl mediatype=\"torrent\">http://h.example/t</metaurl>"),
        "<file name=\"none\"><url>ftp://h.example/x</url></file>\n".to_owned(),
    ];
    // Known by its begin.
    let done = pull(&sandbox, "list", &metalink(&files.concat()), &[]);
    done.assert_code(2);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(server.log(), ["/good"]);
    let codes: Vec<&str> = done.rows.iter().map(|row| &*row["error_code"]).collect();
    assert_eq!(codes.iter().filter(|code| **code == "input.name").count(), 3, "{codes:?}");
    let bad = done.rows.iter().find(|row| row["index"] == "5").unwrap();
    assert!(bad["error_message"].contains("line 7: \"none\""), "{}", bad["error_message"]);
    assert_eq!(bad["url"], "none");
    let note = "note: not used: 1 URLs that are neither http nor https, 1 <metaurl>";
    assert!(done.stderr.contains(note), "{}", done.stderr);
}

#[test]
fn a_metalink_that_ends_early_loses_nothing_that_came_before() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let files = file(&server, "a", "") + &file(&server, "b", "");
    let list = metalink(&files);
    let done = pull(&sandbox, "cut.meta4", &list[..list.len() - 30], &[]);
    assert_ne!(done.code(), 0);
    assert!(done.stderr.contains("ends within"), "{}", done.stderr);
    assert!(sandbox.files().contains_key("a"), "{}", done.stderr);
    let sandbox = Sandbox::new();
    let done = pull(&sandbox, "page.meta4", "<html><p>Not found</p></html>", &[]);
    assert!(done.stderr.contains("there is no <metalink"), "{}", done.stderr);
    assert_eq!(done.code(), 2, "{}", done.stderr);
}

#[test]
fn many_files_are_counted_on_and_their_run_goes_on() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let count = 10_000;
    let files: String = (0..count).map(|n| file(&server, &format!("d-{n}"), "")).collect();
    let first = sandbox.path("urls.txt");
    fs::write(&first, format!("# one\n{}\n", server.url("/first"))).unwrap();
    let list = sandbox.path("many.meta4");
    fs::write(&list, metalink(&files)).unwrap();
    let pull = || sandbox.pull().arg("-i").arg(&first).arg("-i").arg(&list);
    pull().run().assert_ok(count + 1);
    assert_eq!(sandbox.files().len(), count + 1);
    let report = fs::read_to_string(sandbox.path("report.csv")).unwrap();
    let again = pull().again().run();
    again.assert_code(0);
    assert_eq!(server.log().len(), count + 1, "nothing was pulled twice");
    assert_eq!(fs::read_to_string(sandbox.path("report.csv")).unwrap(), report);
    let last = server.url(&format!("/d-{}", count - 1));
    assert_eq!(again.row(&last)["index"], (count + 2).to_string());
    let dry = pull().arg("--dry-run").run();
    assert!(dry.stderr.contains("10,001 URLs to pull"), "{}", dry.stderr);
}

#[test]
fn a_session_has_what_lists_can_say_of_a_file() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let mirror = server.url("/mirror");
    let inner = format!(
        "<url priority=\"9\">{mirror}</url><size>4</size><hash type=\"sha-1\">{}</hash>",
        digest(Kind::Sha1, b"other")
    );
    let session = sandbox.path("left.txt");
    let list = metalink(&file(&server, "a-b", &inner));
    let list = list.replace("<url>", "<url priority=\"1\">");
    pull(&sandbox, "l.meta4", &list, &["--save-session", session.to_str().unwrap()]).assert_code(7);
    let left = fs::read_to_string(&session).unwrap();
    let digest = digest(Kind::Sha1, b"other");
    let url = server.url("/a-b");
    assert_eq!(left, format!("{url}\t{mirror}\n  out=a-b\n  checksum=sha-1={digest}\n"));
}
