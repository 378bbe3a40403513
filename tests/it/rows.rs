//! Where rows go, and what is made visible in them.

use crate::cmd::{Sandbox, eventually};
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::report::row::NAMES;

#[test]
fn directories_of_what_is_written_are_made() {
    let served = serve();
    let sandbox = Sandbox::new();
    let url = served.http("/bytes/10/a");
    let args =
        ["--stats", "s/t/stats.json", "--save-session", "t/left.txt", "--dns-cache", "c/d/e"];
    let pull = sandbox.pull().report("r/s/report.csv").args(args).arg(&url);
    pull.run().assert_ok(1);
    for path in ["r/s/report.csv", "s/t/stats.json", "t/left.txt", "c/d/e"] {
        assert!(sandbox.path(path).is_file(), "{path}");
    }
    // What is in the way is said, with the path.
    let done = sandbox.pull().report("t/left.txt/r.csv").arg(&url).run();
    done.assert_code(3);
    assert!(done.stderr.contains("t/left.txt/r.csv"), "{}", done.stderr);
    // One file by two paths of a directory that is not there yet.
    let args = ["--stats", "n/./x.csv"];
    let done = sandbox.pull().report("n/x.csv").args(args).arg(&url).run();
    done.assert_code(2);
    assert!(!sandbox.path("n").exists());
}

#[test]
fn rows_go_to_standard_output() {
    let server = Plan::new().on("/a", [ok(b"a")]).on("/b", [ok(b"b")]).start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/a"), server.url("/b"), "no\u{202e}url".to_owned()];
    let done = sandbox.pull().report_to_stdout().list(&urls).run();
    done.assert_code(2);
    assert!(!sandbox.path("-").exists());
    // The rows tell of failures, so nobody else does.
    assert!(!done.stderr.contains("url: "), "{}", done.stderr);
    let mut reader = csv::Reader::from_reader(done.stdout.as_bytes());
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(NAMES.to_vec()));
    let mut told: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
    told.sort_unstable();
    let mut wanted = urls.clone();
    wanted.sort_unstable();
    assert_eq!(told, wanted);

    let pull = sandbox.pull().report_to_stdout().args(["--report-format", "jsonl", "-q"]);
    let done = pull.list(&urls[..2]).run();
    done.assert_code(0);
    assert_eq!(done.stderr, "");
    let row = |line| serde_json::from_str::<serde_json::Value>(line).expect(line);
    assert_eq!(done.stdout.lines().map(row).filter(|row| row["status"] == "ok").count(), 2);
    for args in [["-o", "-"], ["-w", "%{url}"]] {
        let done = sandbox.pull().report_to_stdout().args(args).arg(&urls[0]).run();
        done.assert_code(2);
        assert!(done.stderr.contains("--report - and"), "{}", done.stderr);
    }
}

#[test]
fn rows_that_nobody_takes_end_the_run() {
    let sandbox = Sandbox::new();
    let server = Plan::new().otherwise(ok(b"x")).start();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let pull = sandbox.pull().report_to_stdout().args(["-j", "1", "-i", "-"]);
    let mut running = pull.spawn_into(writer);
    // Its list does not end by itself.
    let mut count = 0;
    let is_over = eventually(|| {
        count += 1;
        if running.is_running() {
            running.feed([server.url(&format!("/{count}"))]);
        }
        !running.is_running()
    });
    assert!(is_over);
    let done = running.wait();
    done.assert_code(3);
    assert!(done.stderr.contains("what --report - asks for"), "{}", done.stderr);
}

#[test]
fn what_servers_hide_in_text_is_made_visible() {
    let head = "Content-Type: text/\u{202e}x\r\nETag: \"\u{200b}\"\r\n";
    let server = Plan::new().otherwise(vec![Verb::Send(response("200 OK", head, b"x"))]).start();
    let sandbox = Sandbox::new();
    let url = server.url("/a");
    let done = sandbox.pull().args(["-w", "%{content_type}|%{etag}"]).arg(&url).run();
    assert_eq!(done.row(&url)["content_type"], "text/\\u{202e}x");
    assert_eq!(done.row(&url)["etag"], "\"\\u{200b}\"");
    assert_eq!(done.stdout, "text/\\u{202e}x|\"\\u{200b}\"");
    // A directory is the user's own: a file in it can be opened by its row.
    let dir = sandbox.path("a\u{202e}b");
    let done = sandbox.pull_into(&dir).arg(&url).run();
    assert_eq!(std::fs::read(&done.row(&url)["filename"]).unwrap(), b"x");
}

#[test]
fn a_comparison_shows_what_hides_in_a_report() {
    let sandbox = Sandbox::new();
    let row = |index: u32, url: &str, name: &str| {
        let (url, name) = (serde_json::json!(url), serde_json::json!(name));
        format!("{{\"url\":{url},\"index\":{index},\"status\":\"ok\",\"filename\":{name}}}\n")
    };
    let text = [
        row(1, "http://a.example/1\n  out=../../evil", "out/\u{1b}[2Ja\u{202e}b"),
        row(2, "http://a.example/2", "out/c\td\ne"),
    ]
    .concat();
    std::fs::write(sandbox.path("r.jsonl"), text).unwrap();
    let pull = sandbox.pull().report("r.jsonl").again();
    let done = pull.args(["--verify", "--save-session", "left"]).run();
    done.assert_code(7);
    let wanted = "missing\tout/\\u{1b}[2Ja\\u{202e}b\t1\nmissing\tout/c\\td\\ne\t2\n";
    assert_eq!(done.stdout, wanted, "{}", done.stderr);
    let left = std::fs::read_to_string(sandbox.path("left")).unwrap();
    assert!(left.contains("\n# http://a.example/1\\n  out="), "{left}");
    assert!(!left.lines().any(|line| line.starts_with("  out=..")), "{left}");
}
