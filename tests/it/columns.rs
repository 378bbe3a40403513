//! What a report says of its list: URLs as they were given, so that both can be joined, and columns
//! that are kept.

use crate::cmd::{Done, Sandbox, command};
use crate::rude::{Plan, Rude, ok};
use std::fs;

fn server() -> Rude {
    Plan::new().otherwise(ok(b"good")).start()
}

/// URLs as lists have them, and what is asked for. `HOST` stands for the server.
const URLS: [(&str, &str); 9] = [
    ("http://HOST/plain.jpg", "http://HOST/plain.jpg"),
    ("http://HOST?q=1", "http://HOST/?q=1"),
    ("http://HOST", "http://HOST/"),
    ("HTTP://HOST/upper", "http://HOST/upper"),
    ("http://HOST/grün/ä ö.jpg?x=ü y", "http://HOST/gr%C3%BCn/%C3%A4%20%C3%B6.jpg?x=%C3%BC%20y"),
    ("http://HOST/frag#top/x", "http://HOST/frag"),
    ("http://HOST/a/../b/./c", "http://HOST/b/c"),
    ("http://HOST/say\"hi\",you", "http://HOST/say\"hi\",you"),
    ("http://HOST/zero\u{200b}width\u{202e}", "http://HOST/zero%E2%80%8Bwidth%E2%80%AE"),
];

fn of(text: &str, server: &Rude) -> String {
    text.replace("HOST", &server.addr().to_string())
}

/// Each URL has a row of its own, as it was given, which says what was asked for.
fn assert_joins(done: &Done, server: &Rude) {
    done.assert_ok(URLS.len());
    for (given, asked) in URLS {
        let (given, asked) = (of(given, server), of(asked, server));
        let effective = if given == asked { String::new() } else { asked };
        assert_eq!(done.row(&given)["url_effective"], effective);
    }
}

#[test]
fn the_url_of_a_row_is_that_of_the_list_byte_for_byte() {
    let server = server();
    let given: Vec<String> = URLS.iter().map(|url| of(url.0, &server)).collect();
    let quoted = |url: &String| format!("\"{}\"", url.replace('"', "\"\""));
    let csv: String = given.iter().map(|url| format!("7,{}\n", quoted(url))).collect();
    let json = |url: &String| format!("{{\"url\":{}}}\n", serde_json::to_string(url).unwrap());
    for (name, text) in [
        ("l.txt", given.join("\r\n")),
        ("l.csv", format!("id,url\n{csv}")),
        ("l.jsonl", given.iter().map(json).collect()),
    ] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path(name), text).unwrap();
        let done = sandbox.pull().arg("-i").arg(sandbox.path(name)).run();
        assert_joins(&done, &server);
        // It is the same list when it comes again, and nothing is asked for.
        let before = server.log().len();
        sandbox.pull().again().arg("-i").arg(sandbox.path(name)).run().assert_ok(URLS.len());
        assert_eq!(server.log().len(), before);
    }
    let sandbox = Sandbox::new();
    assert_joins(&sandbox.pull().args(&given).run(), &server);
}

#[test]
fn a_cell_comes_back_with_its_blanks_and_without_its_password() {
    let server = server();
    let sandbox = Sandbox::new();
    let host = server.addr();
    let list = format!(
        "url\n\" http://me:secret@{host}/a?@ \"\n\"http://{host}/b\t\"\n\" no url,\"\"x\"\"\"\n"
    );
    fs::write(sandbox.path("l.csv"), list).unwrap();
    let done = sandbox.pull().arg("-i").arg(sandbox.path("l.csv")).run();
    for (url, status) in [
        (format!(" http://{host}/a?@ "), "ok"),
        (format!("http://{host}/b\t"), "ok"),
        (" no url,\"x\"".to_owned(), "failed"),
    ] {
        assert_eq!(done.row(&url)["status"], status);
    }
    assert_eq!(done.row(&format!(" http://{host}/a?@ "))["url_effective"], server.url("/a?@"));
    sandbox.pull().again().arg("-i").arg(sandbox.path("l.csv")).run().assert_code(2);
    assert_eq!(server.log().len(), 2);
}

#[test]
fn bytes_that_are_not_utf8_come_back_in_csv_and_json_stays_json() {
    let server = server();
    let sandbox = Sandbox::new();
    let line = [server.url("/").as_bytes(), b"\xe9\xff.jpg"].concat();
    fs::write(sandbox.path("l.txt"), &line).unwrap();
    for report in ["r.csv", "r.jsonl"] {
        let run = || sandbox.pull().report(report).again().arg("-i").arg(sandbox.path("l.txt"));
        run().run().assert_code(2);
        let rows = fs::read(sandbox.path(report)).unwrap();
        let row = rows.split(|byte| *byte == b'\n').rev().nth(1).unwrap();
        if report == "r.csv" {
            assert!(row.starts_with(&[&line[..], b",,1,failed,"].concat()), "{row:?}");
        } else {
            let row: serde_json::Value = serde_json::from_slice(row).unwrap();
            assert_eq!(row["url"], server.url("/\u{fffd}\u{fffd}.jpg"));
        }
        run().run().assert_code(2);
        assert_eq!(fs::read(sandbox.path(report)).unwrap(), rows, "it is the same list");
    }
}

#[test]
fn what_curl_calls_url_and_url_effective() {
    let server = server();
    let sandbox = Sandbox::new();
    let (given, asked) = (of("http://HOST?é#x", &server), of("http://HOST/?%C3%A9", &server));
    let form = "%{url} %{url_effective}\\n";
    let done = sandbox.pull().args(["-w", form, "-d", "out", &given]).run();
    assert_eq!(done.stdout, format!("{given} {asked}\n"));
}

#[test]
fn a_report_of_normal_forms_is_continued() {
    let server = server();
    let sandbox = Sandbox::new();
    let given: Vec<String> = URLS.iter().map(|url| of(url.0, &server)).collect();
    // As the version before this one wrote it, all but the last line.
    let rows = URLS.iter().zip(1..URLS.len());
    let rows = rows.map(|((_, asked), index)| {
        format!("{{\"url\":{:?},\"index\":{index},\"status\":\"ok\"}}\n", of(asked, &server))
    });
    fs::write(sandbox.path("r.jsonl"), rows.collect::<String>()).unwrap();
    let again = || sandbox.pull().report("r.jsonl").again().list(&given).run();
    again().assert_code(0);
    assert_eq!(server.log().len(), 1);
    // Now it has rows of both.
    again().assert_code(0);
    assert_eq!(server.log().len(), 1);
    let rows = fs::read_to_string(sandbox.path("r.jsonl")).unwrap();
    assert!(rows.lines().last().unwrap().contains(&given[8]), "{rows}");
}

#[test]
fn what_is_left_is_a_list_of_the_urls_as_they_were_given() {
    let server = Plan::new().start();
    let sandbox = Sandbox::new();
    let left = sandbox.path("left.txt");
    let host = server.addr();
    let list = format!("url\n\"  http://me:pass@{host}?é#top \"\n");
    fs::write(sandbox.path("l.csv"), list).unwrap();
    let pull = sandbox.pull().args(["--retry", "0", "--save-session"]).arg(&left);
    pull.arg("-i").arg(sandbox.path("l.csv")).run();
    let text = fs::read_to_string(&left).unwrap();
    assert!(text.starts_with(&format!("http://me:pass@{host}?é#top\n")), "{text}");
    let done = sandbox.pull().args(["--retry", "0", "-i"]).arg(&left).run();
    assert_eq!(done.row(&format!("http://{host}?é#top"))["url_effective"], server.url("/?%C3%A9"));
}

#[test]
fn the_folder_of_a_hash_is_that_of_the_normal_form() {
    let server = server();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--dirs", "hash:4", &server.url("/ä#x")]).run();
    let row = done.row(&server.url("/ä#x"));
    let told = command("sh")
        .args(["-c", "printf %s \"$0\" | sha256sum", &row["url_effective"]])
        .output()
        .unwrap();
    let digits = String::from_utf8(told.stdout).unwrap();
    let name = format!("out/{}/ä", &digits[..4]);
    assert!(row["filename"].ends_with(&name), "{row:?} {digits}");
}

#[test]
fn the_first_line_that_differs_is_named_before_anything_else() {
    let server = server();
    for (report, is_pipe) in [("r.csv", false), ("r.jsonl", false), ("r.csv", true)] {
        let sandbox = Sandbox::new();
        let urls: Vec<String> = (1..=5_000).map(|n| server.url(&format!("/{n}"))).collect();
        let pull = || sandbox.pull().report(report).again();
        pull().list(&urls[..4_990]).run().assert_code(0);
        let before = (server.log().len(), fs::read(sandbox.path(report)).unwrap());
        let changed = |at: usize, line: &str| {
            let mut urls = urls.clone();
            urls[at] = line.to_owned();
            // Everything behind it has moved, too.
            urls.swap(4_980, 4_981);
            urls
        };
        let is = |text: &str| text.replace("HOST", &server.addr().to_string());
        for (list, told) in [
            (
                changed(6, &is("http://HOST/new")),
                "line 7 is http://HOST/new, and was http://HOST/7",
            ),
            (changed(4_200, "# gone"), "line 4201 has no URL any more, and was http://HOST/4201"),
            (changed(4_200, &is("http://HOST/4201#x")), "line 4981 is"),
        ] {
            let done = if is_pipe {
                let mut running = pull().args(["-i", "-"]).spawn();
                running.feed(&list);
                running.wait()
            } else {
                pull().list(&list).run()
            };
            done.assert_code(2);
            assert!(done.stderr.contains(&is(told)), "{told}: {}", done.stderr);
            assert!(done.stderr.starts_with("ringpull: cannot continue"), "{}", done.stderr);
            let after = (server.log().len(), fs::read(sandbox.path(report)).unwrap());
            assert_eq!(after, before, "nothing was pulled");
        }
    }
}
