//! What a report says of its list: URLs as they were given, so that both can be joined, and columns
//! that are kept.

use crate::cmd::{Done, Sandbox, command};
use crate::rude::{Plan, Rude, ok};
use std::collections::BTreeMap;
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
    // Some lines of two blocks that are compared as a whole.
    let line = |n| if n % 10 == 7 { server.url(&format!("/{n}")) } else { "#".to_owned() };
    let list: Vec<String> = (1..=5_000).map(line).collect();
    for (report, is_pipe) in [("r.csv", false), ("r.jsonl", false), ("r.csv", true)] {
        let sandbox = Sandbox::new();
        let pull = || sandbox.pull().report(report).again();
        pull().list(&list).run().assert_code(0);
        let before = (server.log().len(), fs::read(sandbox.path(report)).unwrap());
        let changed = |at: usize, line: &str| {
            let mut list = list.clone();
            list[at] = line.to_owned();
            // Lines behind it have moved, too.
            list.swap(4_976, 4_986);
            list
        };
        let is = |text: &str| text.replace("HOST", &server.addr().to_string());
        let new = "line 7 is http://HOST/new, and was http://HOST/7";
        for (list, told) in [
            (changed(6, &is("http://HOST/new")), new),
            (changed(4_206, "# gone"), "line 4207 has no URL any more, and was http://HOST/4207"),
            (changed(4_206, &is("http://HOST/4207#x")), "line 4977 is http://HOST/4987, and was"),
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

/// The last row of each line of a report, by line.
fn json_rows(sandbox: &Sandbox, report: &str) -> BTreeMap<u64, serde_json::Value> {
    let text = fs::read_to_string(sandbox.path(report)).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.map(|row: serde_json::Value| (row["index"].as_u64().unwrap(), row)).collect()
}

#[test]
fn columns_of_a_table_are_kept() {
    let server = server();
    let sandbox = Sandbox::new();
    let host = server.addr();
    let list = format!(
        "caption,url,id,status\n\"Grüße, \"\"x\"\"\nzwei\",http://{host}/1,7,old\n\
         ,http://{host}/2,,\n\u{1f468}\u{200d}\u{1f469},no url,9,x\nbroken,http://{host}/3\n"
    );
    fs::write(sandbox.path("l.csv"), list).unwrap();
    let args = ["--keep-cols", "caption,id,status", "-w", "%{index}=%{id}\\n", "-j", "1"];
    let run = |report: &str| {
        let pull = sandbox.pull().report(report).again().args(args);
        pull.arg("-i").arg(sandbox.path("l.csv")).run()
    };
    let done = run("r.csv");
    done.assert_code(2);
    let header = fs::read_to_string(sandbox.path("r.csv")).unwrap();
    assert!(
        header.starts_with("url,response_code,") && header.contains("caption,id,list_status\n")
    );
    let row = done.row(&server.url("/1"));
    let cells = ["caption", "id", "list_status", "status"].map(|name| row[name].as_str());
    assert_eq!(cells, ["Grüße, \"x\"\\nzwei", "7", "old", "ok"]);
    assert_eq!(done.row(&server.url("/2"))["caption"], "");
    assert_eq!(done.row("no url")["caption"], "\u{1f468}\u{200d}\u{1f469}", "also of a bad line");
    assert!(done.stdout.contains("2=7\n") && done.stdout.contains("5=9\n"), "{}", done.stdout);
    run("r.jsonl").assert_code(2);
    let rows = json_rows(&sandbox, "r.jsonl");
    assert_eq!(rows[&2]["caption"], "Grüße, \"x\"\nzwei", "JSON Lines has the cell as it is");
    assert_eq!((&rows[&2]["id"], &rows[&4]["id"]), (&"7".into(), &serde_json::Value::Null));
    assert_eq!(
        (&rows[&6]["caption"], &rows[&6]["error_code"]),
        (&serde_json::Value::Null, &"input.record".into())
    );
    // Both are continued, by who keeps the same columns and by nobody else.
    let before = server.log().len();
    for report in ["r.csv", "r.jsonl"] {
        let rows = fs::read(sandbox.path(report)).unwrap();
        run(report).assert_code(2);
        for keep in [&["--keep-cols", "caption"][..], &[]] {
            let pull = sandbox.pull().report(report).again().args(keep);
            let done = pull.arg("-i").arg(sandbox.path("l.csv")).run();
            done.assert_code(2);
            assert!(done.stderr.contains("\"caption,id,list_status\""), "{}", done.stderr);
        }
        assert_eq!(fs::read(sandbox.path(report)).unwrap(), rows);
    }
    assert_eq!(server.log().len(), before);
}

#[test]
fn members_of_json_are_kept_as_they_are() {
    let server = server();
    let sandbox = Sandbox::new();
    let host = server.addr();
    let list = format!(
        "{{\"url\":\"http://{host}/1\",\"tags\":[1, {{\"a\":2.50}}],\"n\":1e3,\
         \"caption\":\"a\\u00e9\\n\"}}\n\
         {{\"caption\":null,\"url\":\"http://{host}/2\",\"n\":12345678901234567890123}}\n\
         {{\"url\":\"http://{host}/3\",\"caption\":\"half a pair \\ud83d\"}}\n"
    );
    fs::write(sandbox.path("l.jsonl"), list).unwrap();
    for report in ["r.jsonl", "r.csv"] {
        let pull = sandbox
            .pull()
            .report(report)
            .args(["--save_additional_columns", "[\"tags\",'n',\"caption\"]"]);
        let done = pull.arg("-i").arg(sandbox.path("l.jsonl")).run();
        done.assert_code(0);
        let text = fs::read_to_string(sandbox.path(report)).unwrap();
        let ends = match report {
            "r.jsonl" => [
                ",\"tags\":[1, {\"a\":2.50}],\"n\":1e3,\"caption\":\"aé\\n\"}\n",
                ",\"tags\":null,\"n\":12345678901234567890123,\"caption\":null}\n",
                ",\"tags\":null,\"n\":null,\"caption\":\"half a pair \\ud83d\"}\n",
            ],
            _ => [
                ",\"[1, {\"\"a\"\":2.50}]\",1e3,aé\\n\n",
                ",,12345678901234567890123,\n",
                ",,,\"\"\"half a pair \\ud83d\"\"\"\n",
            ],
        };
        assert!(ends.iter().all(|end| text.contains(end)), "{text}");
    }
}

#[test]
fn columns_that_cannot_be_kept_are_told_before_anything_is_pulled() {
    let server = server();
    let host = server.addr();
    let table = format!("url,caption\nhttp://{host}/1,x\n");
    let json = format!("{{\"url\":\"http://{host}/1\"}}\n");
    for (name, text, args, told) in [
        ("l.csv", &table, &["--keep-cols", "captoin"][..], "no column \"captoin\", but \"url\""),
        ("l.csv", &table, &["--keep-cols", "url"], "every row has as `url`"),
        ("l.csv", &table, &["--keep-cols", "a,a"], "\"a\" is there twice"),
        ("l.csv", &table, &["--keep-cols", "status,list_status"], "the report would call"),
        ("l.csv", &table, &["--keep-cols", "a,,b"], "a name is empty"),
        ("l.csv", &table, &["--url-col", "1", "--keep-cols", "caption"], "give numbers to all"),
        ("l.csv", &table, &["--url-col", "3"], "has 2 cells, and none has the number 3"),
        ("l.csv", &table, &["--delimiter", ";;"], "use one ASCII character"),
        ("l.csv", &table, &["--delimiter", ";"], "say so with --delimiter ','"),
        ("l.jsonl", &json, &["--keep-cols", "caption"], "has no member \"caption\""),
        ("l.jsonl", &json, &["--delimiter", ";"], "--delimiter is for tables"),
        ("l.txt", &json, &["--keep-cols", "caption"], "--keep-cols is for CSV"),
        ("l.txt", &json, &["--delimiter", ";"], "add --input-format csv"),
    ] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path(name), text).unwrap();
        let done = sandbox.pull().args(args).arg("-i").arg(sandbox.path(name)).run();
        done.assert_code(2);
        assert!(done.stderr.contains(told), "{args:?}: {}", done.stderr);
    }
    assert_eq!(server.log().len(), 0);
}

#[test]
fn tables_without_a_header_and_with_other_delimiters() {
    let server = server();
    let host = server.addr();
    let rows = |delimiter: &str| {
        let rows = [["7", "http://HOST/1", "one"], ["8", "http://HOST/2", "two"]];
        rows.map(|row| row.join(delimiter)).join("\n").replace("HOST", &host.to_string())
    };
    for (name, delimiter, args) in [
        ("l.csv", ",", &[][..]),
        ("l.tsv", "\t", &[]),
        ("l.csv", ";", &["--delimiter", ";"]),
        ("l.csv", "|", &["--delimiter=|"]),
        ("l.csv", "\t", &["--delimiter", "\\t"]),
        ("l.txt", ";", &["--delimiter", ";", "--input-format", "csv"]),
    ] {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path(name), rows(delimiter)).unwrap();
        let numbers = ["--url-col", "2", "--out-col", "3", "--keep-cols", "1"];
        let pull = sandbox.pull().args(args).args(numbers);
        let done = pull.arg("-i").arg(sandbox.path(name)).run();
        done.assert_ok(2);
        let row = done.row(&server.url("/1"));
        assert_eq!((row["index"].as_str(), row["column_1"].as_str()), ("1", "7"), "{args:?}");
        assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["one", "two"]);
    }
    // A header line is a row then, and says so.
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("l.csv"), format!("id,url,name\n{}", rows(","))).unwrap();
    let done = sandbox.pull().args(["--url-col", "2"]).arg("-i").arg(sandbox.path("l.csv")).run();
    done.assert_code(2);
    let row = done.row("url");
    assert_eq!((row["index"].as_str(), row["error_code"].as_str()), ("1", "input.url"));
    assert!(row["error_message"].contains("names of the columns"), "{row:?}");
    assert_eq!(done.rows.len(), 3);
}
