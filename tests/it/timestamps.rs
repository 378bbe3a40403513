//! -N and -R: the time of files, and what is asked for again only if it has changed.

use crate::cmd::{Sandbox, eventually};
use crate::rude::{Plan, Rude, Script, Verb, response};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const DATE_S: u64 = 784_111_777;

fn at(unix_s: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(unix_s)
}

fn modified(sandbox: &Sandbox, name: &str) -> SystemTime {
    fs::metadata(sandbox.out().join(name)).unwrap().modified().unwrap()
}

fn file(fields: &str, body: &[u8]) -> Script {
    vec![Verb::Send(response("200 OK", fields, body))]
}

fn unchanged(fields: &str) -> Script {
    let head = format!("HTTP/1.1 304 Not Modified\r\n{fields}\r\n");
    vec![Verb::Send(head.into_bytes())]
}

/// The value of a field of the last request for a path; empty where it is not there.
fn sent(server: &Rude, path: &str, field: &str) -> String {
    let heads = server.heads(path);
    let head = heads.last().expect("it was asked for");
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{field}: ")));
    line.unwrap_or_default().to_owned()
}

#[test]
fn files_have_the_time_that_servers_tell() {
    let before = SystemTime::now() - Duration::from_secs(60);
    let long = vec![b'x'; 3 << 20];
    let dated = format!("Last-Modified: {DATE}\r\n");
    let server = Plan::new()
        .on("/short", [file(&dated, b"a")])
        .on("/long", [file(&dated, &long)])
        .on("/empty", [file(&dated, b"")])
        .on("/future", [file("Last-Modified: Wed, 01 Jan 2098 00:00:00 GMT\r\n", b"a")])
        .on("/early", [file("Last-Modified: Wed, 31 Dec 1969 23:59:59 GMT\r\n", b"a")])
        .on("/odd", [file("Last-Modified: yesterday\r\n", b"a")])
        .otherwise(file("", b"a"))
        .start();
    let paths = ["/short", "/long", "/empty", "/future", "/early", "/odd", "/none"];
    let list = paths.map(|path| server.url(path));
    for ops in ["auto", "sync", "ring", "chain"] {
        let sandbox = Sandbox::new();
        let pull = || sandbox.pull().args(["--file-ops", ops]).list(&list);
        pull().arg("-R").run().assert_ok(paths.len());
        for name in ["short", "long", "empty"] {
            assert_eq!(modified(&sandbox, name), at(DATE_S), "{ops} {name}");
        }
        assert_eq!(modified(&sandbox, "future"), at(4_039_372_800), "{ops}");
        for name in ["early", "odd", "none"] {
            assert!(modified(&sandbox, name) > before, "{ops} {name}");
        }
        // Also where a file is replaced; and without the flag, it is that of the pull.
        fs::write(sandbox.out().join("short"), "old").unwrap();
        pull().arg("--remote-time").run().assert_ok(paths.len());
        assert_eq!(modified(&sandbox, "short"), at(DATE_S));
        pull().run().assert_ok(paths.len());
        assert!(modified(&sandbox, "short") > before);
    }
}

#[test]
fn what_has_not_changed_is_skipped() {
    for report in ["r.csv", "r.jsonl"] {
        pull_twice(report);
    }
}

fn pull_twice(report: &str) {
    let tagged = "ETag: \"one\"\r\n";
    let dated = format!("Last-Modified: {DATE}\r\n");
    let server = Plan::new()
        .on("/tagged", [file(tagged, b"one"), unchanged(tagged)])
        .on("/dated", [file(&dated, b"one"), unchanged(&dated)])
        .on("/new", [file(tagged, b"one"), file("ETag: \"two\"\r\n", b"two")])
        .otherwise(file("", b"one"))
        .start();
    let paths = ["/tagged", "/dated", "/new", "/plain"];
    let list = paths.map(|path| server.url(path));
    let sandbox = Sandbox::new();
    let pull = || sandbox.pull().report(report).again().arg("-N").list(&list).run();
    pull().assert_code(0);
    assert_eq!(server.log().len(), paths.len());
    for path in paths {
        assert_eq!(sent(&server, path, "If-None-Match"), "");
        assert_eq!(sent(&server, path, "If-Modified-Since"), "");
    }
    assert_eq!(modified(&sandbox, "dated"), at(DATE_S));
    // The report has all lines as done, and all are asked for.
    let done = pull();
    done.assert_code(0);
    assert_eq!(server.log().len(), 2 * paths.len());
    assert_eq!(sent(&server, "/dated", "If-Modified-Since"), DATE);
    assert_eq!(sent(&server, "/dated", "If-None-Match"), "");
    assert_ne!(sent(&server, "/plain", "If-Modified-Since"), "");
    if has_notes(&sandbox) {
        assert_eq!(sent(&server, "/tagged", "If-None-Match"), "\"one\"");
        assert_eq!(sent(&server, "/tagged", "If-Modified-Since"), "");
        assert_eq!(sent(&server, "/new", "If-None-Match"), "\"one\"");
    }
    let text = |name: &str| fs::read_to_string(sandbox.out().join(name)).unwrap();
    assert_eq!((text("tagged"), text("new")), ("one".to_owned(), "two".to_owned()));
    assert_eq!(sandbox.files().len(), paths.len(), "each has the name that it had");
    if report == "r.csv" {
        // The last row of a line counts.
        let last = |path: &str| {
            let url = server.url(path);
            done.rows.iter().rfind(|row| row["url"] == url).unwrap()
        };
        assert_eq!(["/tagged", "/dated"].map(|path| &last(path)["status"]), ["skipped", "skipped"]);
        let row = last("/tagged");
        assert_eq!((row["response_code"].as_str(), row["error_code"].as_str()), ("304", ""));
        assert!(row["filename"].ends_with("/tagged"), "{row:?}");
    }
    // Without the flag, the lines are done.
    sandbox.pull().report(report).again().list(&list).run().assert_code(0);
    assert_eq!(server.log().len(), 2 * paths.len());
}

/// Whether the file system keeps extended attributes.
fn has_notes(sandbox: &Sandbox) -> bool {
    let path = sandbox.out().join("tagged");
    rustix::fs::getxattr(path, "user.ringpull.etag", &mut [0_u8; 256][..]).is_ok()
}

/// What a report tells of a version counts for as long as nobody has touched the file.
#[test]
fn the_tag_is_taken_from_the_report_of_a_run_without_the_flag() {
    for report in ["r.csv", "r.jsonl", "r.csv.gz", "r.jsonl.zst"] {
        pull_with_and_without(report);
    }
}

fn pull_with_and_without(report: &str) {
    let dated = format!("Last-Modified: {DATE}\r\n");
    let tagged = format!("ETag: \"one\"\r\n{dated}");
    let server = Plan::new()
        .on("/kept", [file(&tagged, b"one"), unchanged(&tagged), unchanged(&tagged)])
        .on("/weak,%20%22b%22", [file("ETag: W/\"1,2\"\r\n", b"one"), unchanged("")])
        .on("/long", [file(&tagged, &vec![b'x'; 3 << 20]), unchanged(&tagged)])
        .on("/odd", [file("ETag: one\r\n", b"one"), unchanged("")])
        .on("/dated", [file(&dated, b"one"), unchanged("")])
        .otherwise(file(&tagged, b"one"))
        .start();
    let touched = ["/edited", "/chmod", "/replaced", "/copied", "/gone"];
    let paths = ["/kept", "/weak,%20%22b%22", "/long", "/odd", "/dated"].into_iter().chain(touched);
    let list: Vec<String> = paths.map(|path| server.url(path)).collect();
    let sandbox = Sandbox::new();
    let pull = || sandbox.pull().report(report).again().list(&list);
    pull().run().assert_code(0);
    let at = |name: &str| sandbox.out().join(name);
    let has_attributes = keeps_attributes(&sandbox);
    pass_a_tick(&sandbox);
    let written = modified(&sandbox, "edited");
    let set_back = |name: &str| {
        fs::File::options().write(true).open(at(name)).unwrap().set_modified(written).unwrap();
    };
    fs::write(at("edited"), "two").unwrap();
    set_back("edited");
    fs::set_permissions(at("chmod"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(sandbox.path("other"), "two").unwrap();
    fs::rename(sandbox.path("other"), at("replaced")).unwrap();
    set_back("replaced");
    fs::copy(at("copied"), sandbox.path("copy")).unwrap();
    fs::rename(sandbox.path("copy"), at("copied")).unwrap();
    fs::remove_file(at("gone")).unwrap();
    pull().arg("-N").run().assert_code(0);
    assert_eq!(server.log().len(), 2 * list.len(), "{report}");
    let tag = |path: &str| sent(&server, path, "If-None-Match");
    for path in touched.into_iter().chain(["/odd", "/dated"]) {
        assert_eq!(tag(path), "", "{report} {path}");
        let is_gone = path == "/gone";
        assert_eq!(sent(&server, path, "If-Modified-Since").is_empty(), is_gone, "{report} {path}");
    }
    if has_attributes {
        assert_eq!(tag("/kept"), "\"one\"", "{report}");
        assert_eq!(sent(&server, "/kept", "If-Modified-Since"), "");
        assert_eq!(tag("/long"), "\"one\"", "{report}");
        assert_eq!(tag("/weak,%20%22b%22"), "W/\"1,2\"", "{report}");
    }
    assert_eq!(fs::read(at("edited")).unwrap(), b"one", "the server is believed");
    let done = sandbox.pull().again().args(["-N", &server.url("/kept")]).run();
    done.assert_code(0);
    assert_eq!(done.row(&server.url("/kept"))["status"], "skipped");
    if has_attributes {
        assert_eq!(tag("/kept"), "\"one\"", "the file itself knows it by now");
    }
}

/// Whether the file system keeps extended attributes of users.
fn keeps_attributes(sandbox: &Sandbox) -> bool {
    let path = sandbox.path("scratch");
    fs::write(&path, "").unwrap();
    rustix::fs::setxattr(path, "user.ringpull.test", b"1", rustix::fs::XattrFlags::empty()).is_ok()
}

/// Waits until the file system tells what happens now from what the run did.
fn pass_a_tick(sandbox: &Sandbox) {
    let path = sandbox.path("scratch");
    let run_ended = SystemTime::now();
    let is_later = || {
        fs::write(&path, "").unwrap();
        fs::metadata(&path).unwrap().modified().unwrap() > run_ended + Duration::from_millis(5)
    };
    assert!(eventually(is_later), "time stands still");
}

#[test]
fn a_file_that_is_not_there_or_was_changed_has_no_such_condition() {
    let tagged = format!("ETag: \"one\"\r\nLast-Modified: {DATE}\r\n");
    let server = Plan::new().otherwise(file(&tagged, b"one")).start();
    let sandbox = Sandbox::new();
    let list = ["/gone", "/edited", "/own"].map(|path| server.url(path));
    fs::create_dir_all(sandbox.out()).unwrap();
    fs::write(sandbox.out().join("own"), "mine").unwrap();
    let pull = || sandbox.pull().again().arg("-N").list(&list).run();
    pull().assert_ok(3);
    // A file of somebody else is as old as it is.
    assert_eq!(sent(&server, "/own", "If-None-Match"), "");
    assert_ne!(sent(&server, "/own", "If-Modified-Since"), "");
    fs::remove_file(sandbox.out().join("gone")).unwrap();
    fs::write(sandbox.out().join("edited"), "one, and more").unwrap();
    pull().assert_code(0);
    for field in ["If-None-Match", "If-Modified-Since"] {
        assert_eq!(sent(&server, "/gone", field), "");
    }
    assert_eq!(sent(&server, "/edited", "If-None-Match"), "", "the tag is of what came");
    assert_ne!(sent(&server, "/edited", "If-Modified-Since"), "");
    assert_eq!(fs::read(sandbox.out().join("edited")).unwrap(), b"one", "the server is believed");
}

#[test]
fn a_version_belongs_to_its_url() {
    let server = Plan::new().otherwise(file("ETag: \"1\"\r\n", b"x")).start();
    let sandbox = Sandbox::new();
    let pull = |path: &str| sandbox.pull().args(["-N", "-o", "a", &server.url(path)]).run();
    pull("/first").assert_ok(1);
    pull("/second").assert_ok(1);
    assert_eq!(sent(&server, "/second", "If-None-Match"), "");
}

#[test]
fn names_and_rules_about_files_that_exist_stay() {
    let server = Plan::new().otherwise(file("ETag: \"1\"\r\n", b"x")).start();
    // Two lines with the same name: the second one is numbered, in each run.
    let list = ["/a/x", "/b/x"].map(|path| server.url(path));
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        sandbox.pull().again().arg("-N").list(&list).run().assert_code(0);
    }
    let names: Vec<String> = sandbox.files().into_keys().collect();
    assert_eq!(names, ["x", "x.2"]);
    let sandbox = Sandbox::new();
    let rename = |report: &str| {
        let pull = sandbox.pull().report(report).args(["-N", "--on-conflict", "rename"]);
        pull.arg(server.url("/y")).run()
    };
    rename("1.csv").assert_ok(1);
    rename("2.csv").assert_ok(1);
    assert_eq!(sandbox.files().len(), 2);
}
