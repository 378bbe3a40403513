//! Reports in Parquet: what pyarrow and DuckDB read in them, and how they are continued.

use crate::cmd::{Done, Sandbox, eventually};
use crate::python::python;
use crate::rude::{Plan, Rude, Verb, ok, response};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Prints the rows of a report by pyarrow, in the form of JSON Lines, behind a line with the types.
const READ: &str = r#"
import json, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
print(json.dumps({field.name: str(field.type) for field in table.schema}))
def shown(value):
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value
for row in table.to_pylist():
    print(json.dumps({name: shown(value) for name, value in row.items()}))
"#;

/// Prints types and rows by DuckDB.
const QUERY: &str = r#"
import json, sys
import duckdb
name = sys.argv[1].replace("'", "''")
types = duckdb.sql(f"DESCRIBE SELECT * FROM '{name}'").fetchall()
print(json.dumps({row[0]: row[1] for row in types}))
counts = duckdb.sql(f"""SELECT status, count(*), sum(size_file), max(epoch_ms(attempted_at)),
    count(*) FILTER (time_total >= 0 AND num_retries = 0) FROM '{name}' GROUP BY 1 ORDER BY 1""")
print(json.dumps(counts.fetchall()))
"#;

/// The types and rows of a report, as pyarrow reads them; `None` where there is none.
fn read(sandbox: &Sandbox, name: &str) -> Option<(Value, Vec<Value>)> {
    let text = python(READ, [sandbox.path(name)])?;
    let mut lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let types = lines.next().unwrap();
    Some((types, lines.collect()))
}

/// The rows of a report by index and status, in their order.
fn fates(rows: &[Value]) -> Vec<(u64, &str)> {
    let fate = |row: &'_ Value| row["index"].as_u64().unwrap();
    rows.iter().map(|row| (fate(row), row["status"].as_str().unwrap())).collect()
}

fn is_there(sandbox: &Sandbox, name: &str) -> bool {
    sandbox.path(name).exists()
}

fn server() -> Rude {
    let lost = response("404 Not Found", "Content-Type: text/\u{202e}x\r\n", b"none");
    let plan = Plan::new().on("/lost", [vec![Verb::Send(lost)], ok(b"found")]);
    plan.otherwise(ok(b"good")).start()
}

#[test]
fn others_read_what_the_same_rows_say_in_json() {
    let server = server();
    let sandbox = Sandbox::new();
    let list = format!(
        "{{\"url\":\"{}\",\"n\":1,\"text\":\"gr\\u00fcn\\n\\u202e\"}}\n\
         {{\"url\":\"{}\",\"n\":[1, {{\"a\":2.50}}],\"text\":\"5\"}}\n\
         {{\"url\":\"no url\",\"n\":null,\"text\":\"\"}}\n\
         {{\"url\":\"{}\",\"n\":true,\"text\":null}}\n",
        server.url("/a"),
        server.url("/lost"),
        server.url("/b?\u{fc}"),
    );
    fs::write(sandbox.path("l.jsonl"), list).unwrap();
    let pull = sandbox.pull().report("r.parquet").args(["-i", "l.jsonl", "-w", "%{json}\\n"]);
    let done = pull.args(["--keep-cols", "n,text", "--compute-hash", "sha-256"]).run();
    done.assert_code(2);
    assert!(!is_there(&sandbox, "r.parquet.journal"), "{}", done.stderr);
    let Some((types, rows)) = read(&sandbox, "r.parquet") else { return };
    for (name, kind) in [
        ("url", "string"),
        ("response_code", "int32"),
        ("index", "int64"),
        ("status", "string"),
        ("exitcode", "int32"),
        ("size_download", "int64"),
        ("tls_resumed", "bool"),
        ("time_total", "double"),
        ("attempted_at", "timestamp[us, tz=UTC]"),
        ("size_file", "int64"),
        ("digest", "string"),
        ("n", "string"),
        ("text", "string"),
    ] {
        assert_eq!(types[name], kind, "{name}");
    }
    assert_eq!(types.as_object().unwrap().len(), 34);
    let mut wanted: Vec<Value> =
        done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // In the table all of the list is text.
    for (line, row) in done.stdout.lines().zip(&mut wanted) {
        let raw = line.rsplit_once(",\"n\":").unwrap().1.rsplit_once(",\"text\":").unwrap().0;
        if raw != "null" {
            row["n"] = raw.into();
        }
    }
    assert_eq!((rows.len(), &rows), (4, &wanted));
    let told = python(QUERY, [sandbox.path("r.parquet")]).unwrap();
    let (types, counts) = told.split_once('\n').unwrap();
    let types: Value = serde_json::from_str(types).unwrap();
    assert_eq!(
        ["url", "index", "num_parts", "tls_resumed", "time_queue", "attempted_at", "n"]
            .map(|name| types[name].as_str().unwrap()),
        [
            "VARCHAR",
            "BIGINT",
            "INTEGER",
            "BOOLEAN",
            "DOUBLE",
            "TIMESTAMP WITH TIME ZONE",
            "VARCHAR"
        ]
    );
    let counts: Value = serde_json::from_str(counts).unwrap();
    assert_eq!((&counts[0][0], &counts[0][1]), (&json!("failed"), &json!(2)), "{counts}");
    assert_eq!((&counts[1][0], &counts[1][2]), (&json!("ok"), &json!(8)), "{counts}");
}

#[test]
fn a_report_is_continued_as_one_in_json_is() {
    let mut all = Vec::new();
    for report in ["r.jsonl", "r.parquet"] {
        let server = server();
        let sandbox = Sandbox::new();
        let list: Vec<String> = (0..4).map(|n| server.url(&format!("/{n}"))).collect();
        let list = [list, vec![server.url("/lost"), "no url".to_owned()]].concat();
        fs::write(sandbox.path("l.txt"), list.join("\n")).unwrap();
        let pull = |args: &[&str]| -> (Done, usize) {
            let before = server.log().len();
            let pull = sandbox.pull().report(report).again().args(["-j", "1", "--no-clobber"]);
            let done = pull.args(args).run();
            (done, server.log().len() - before)
        };
        let list = &["-i", "l.txt"][..];
        let asked: Vec<usize> = [
            pull(list),
            pull(list),
            pull(&[list, &["--retry-failed"]].concat()),
            pull(&["--verify"]),
            {
                fs::write(sandbox.out().join("1"), b"").unwrap();
                let found = pull(&["--verify", "--save-session", "left.txt"]);
                assert_eq!(found.0.code(), 7, "{}", found.0.stderr);
                found
            },
            // Its numbers are those of the report, and the file is one of its own.
            pull(&["-i", "left.txt"]),
            pull(&["--verify"]),
        ]
        .iter()
        .map(|(done, asked)| {
            assert!([0, 1, 2, 7].contains(&done.code()), "{}", done.stderr);
            *asked
        })
        .collect();
        assert_eq!(asked, [5, 0, 1, 0, 0, 1, 0], "{report}");
        assert_eq!(fs::read(sandbox.out().join("1")).unwrap(), b"good");
        let rows = match report {
            "r.jsonl" => {
                let text = fs::read_to_string(sandbox.path(report)).unwrap();
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
            }
            _ => match read(&sandbox, report) {
                Some((_, rows)) => rows,
                None => return,
            },
        };
        assert!(!is_there(&sandbox, "r.parquet.journal"));
        let rows: Vec<Value> = rows;
        all.push(fates(&rows).iter().map(|(at, fate)| format!("{at} {fate}")).collect::<Vec<_>>());
        // And begun anew.
        let done = sandbox.pull().report(report).args(["-i", "l.txt"]).run();
        assert_eq!(done.code(), 2, "{}", done.stderr);
        if report == "r.parquet" {
            assert_eq!(read(&sandbox, report).unwrap().1.len(), 6);
        }
    }
    assert_eq!(all[0], all[1]);
}

/// A run that has done ten lines and waits for more of the others.
fn held(sandbox: &Sandbox, name: &str) -> (Rude, crate::cmd::Running) {
    let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"late"))];
    let mut plan = Plan::new().otherwise(script);
    for n in 0..10 {
        plan = plan.on(&format!("/quick{n}"), [ok(b"good")]);
    }
    let server = plan.start();
    let urls = (0..10).map(|n| format!("/quick{n}")).chain((0..4).map(|n| format!("/held{n}")));
    let urls: Vec<String> = urls.map(|path| server.url(&path)).collect();
    let args = ["-x", "1", "-j", "1", "--retry", "0", "--grace", "50s"];
    let running = sandbox.pull().report(name).again().args(args).list(urls).spawn();
    let journal = sandbox.path(&format!("{name}.journal"));
    assert!(eventually(|| {
        let rows = fs::read_to_string(&journal).unwrap_or_default();
        rows.lines().count() == 10 && server.log().iter().any(|path| path == "/held0")
    }));
    (server, running)
}

#[test]
fn a_killed_run_leaves_its_journal_and_the_next_one_goes_on_with_it() {
    let sandbox = Sandbox::new();
    let (server, mut running) = held(&sandbox, "r.parquet");
    assert!(running.is_running() && !is_there(&sandbox, "r.parquet"));
    // Meanwhile the report is this run's.
    let other = sandbox.pull().report("r.parquet").again().arg(server.url("/other")).run();
    assert_eq!(other.code(), 3, "{}", other.stderr);
    assert!(other.stderr.contains("another run is writing it"), "{}", other.stderr);
    running.signal(Signal::KILL);
    running.wait_for_any_end();
    let journal = fs::read_to_string(sandbox.path("r.parquet.journal")).unwrap();
    assert_eq!(journal.lines().count(), 10);
    assert!(!is_there(&sandbox, "r.parquet"));
    server.open_gate();
    let list = sandbox.path("list.txt");
    let pull = || sandbox.pull().report("r.parquet").again().arg("-i").arg(&list).run();
    let before = server.log().len();
    let done = pull();
    done.assert_code(0);
    assert_eq!(server.log().len() - before, 4, "{}", done.stderr);
    assert!(is_there(&sandbox, "r.parquet") && !is_there(&sandbox, "r.parquet.journal"));
    let file = fs::metadata(sandbox.path("r.parquet")).unwrap().ino();
    pull().assert_code(0);
    assert_eq!(server.log().len() - before, 4);
    let same = fs::metadata(sandbox.path("r.parquet")).unwrap().ino();
    assert_eq!(same, file, "nothing was added, so nothing is written");
    assert!(!is_there(&sandbox, "r.parquet.journal"));
    // A journal that is there has everything, whatever the file has.
    let old = fs::read(sandbox.path("r.parquet")).unwrap();
    fs::write(sandbox.path("r.parquet.journal"), &journal).unwrap();
    let done = pull();
    done.assert_code(0);
    assert_eq!(server.log().len() - before, 8, "{}", done.stderr);
    assert_ne!(fs::read(sandbox.path("r.parquet")).unwrap(), old);
    if let Some((_, rows)) = read(&sandbox, "r.parquet") {
        assert_eq!(rows.len(), 14);
    }
}

#[test]
fn a_run_that_is_interrupted_writes_the_file() {
    let sandbox = Sandbox::new();
    let (server, running) = held(&sandbox, "r.parquet");
    running.signal(Signal::INT);
    server.open_gate();
    let done = running.wait();
    assert!(is_there(&sandbox, "r.parquet"), "{}", done.stderr);
    assert!(!is_there(&sandbox, "r.parquet.journal"));
    if let Some((_, rows)) = read(&sandbox, "r.parquet") {
        assert!((11..=14).contains(&rows.len()), "{}", rows.len());
    }
}

#[test]
fn what_is_no_report_of_this_list_is_left_as_it_is() {
    let server = server();
    let sandbox = Sandbox::new();
    let pull = |args: &[&str]| {
        let pull = sandbox.pull().report("r.parquet").again().args(args);
        pull.args(["-i", "l.csv", "--retry", "0"]).run()
    };
    fs::write(sandbox.path("l.csv"), format!("url,a,b\n{},1,2\n", server.url("/x"))).unwrap();
    fs::write(sandbox.path("r.parquet"), b"precious").unwrap();
    let done = pull(&[]);
    done.assert_code(2);
    assert!(done.stderr.contains("this is not a report of ringpull"), "{}", done.stderr);
    assert_eq!(fs::read(sandbox.path("r.parquet")).unwrap(), b"precious");
    assert!(!is_there(&sandbox, "r.parquet.journal"));
    pull(&["--fresh", "--keep-cols", "a"]).assert_code(0);
    let good = fs::read(sandbox.path("r.parquet")).unwrap();
    assert!(good.starts_with(b"PAR1"));
    for (args, told) in [
        (&["--keep-cols", "b"][..], "the columns of the list in it are \"a\""),
        (&[], "the columns of the list in it are \"a\""),
    ] {
        let done = pull(args);
        done.assert_code(2);
        assert!(done.stderr.contains(told), "{}", done.stderr);
    }
    // Another list, which is found when the journal was made already.
    fs::write(sandbox.path("l.csv"), format!("url,a,b\n{},1,2\n", server.url("/y"))).unwrap();
    let done = pull(&["--keep-cols", "a"]);
    done.assert_code(2);
    assert!(done.stderr.contains("cannot continue"), "{}", done.stderr);
    assert!(!is_there(&sandbox, "r.parquet.journal"), "no trace of it");
    // A row group in the middle.
    let mut damaged = good.clone();
    damaged[20..60].fill(0xee);
    fs::write(sandbox.path("r.parquet"), &damaged).unwrap();
    let done = pull(&["--keep-cols", "a"]);
    done.assert_code(2);
    assert!(done.stderr.contains("it is damaged"), "{}", done.stderr);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    assert_eq!(fs::read(sandbox.path("r.parquet")).unwrap(), damaged);
    assert_eq!(server.log(), ["/x"]);
}

#[test]
fn a_table_needs_a_file_of_its_own() {
    let sandbox = Sandbox::new();
    let run = |report: &str, args: &[&str]| {
        let pull = sandbox.pull().report(report).args(args).arg("http://localhost/");
        let done = pull.run();
        done.assert_code(2);
        done.stderr
    };
    let told = sandbox.pull().report_to_stdout().args(["--report-format", "parquet", "u"]).run();
    told.assert_code(2);
    assert!(told.stderr.contains("give --report FILE.parquet"), "{}", told.stderr);
    assert!(run("/dev/null", &["--report-format", "parquet"]).contains("which is not a file"));
    assert!(run("r.parquet.gz", &[]).contains("leave .gz or .zst out"));
    assert!(run("r.parquet", &["--report-format", "csv"]).contains("another format"));
    assert!(run("r", &[]).contains("csv, jsonl or parquet"));
    let same = ["--stats", "r.parquet.journal"];
    let told = run("r.parquet", &same);
    assert!(told.contains("--report and --stats"), "{told}");
}
