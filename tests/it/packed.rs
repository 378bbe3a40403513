//! Reports as gzip and zstd: other programs read them, and they are the journal all the same.

use crate::cmd::{Sandbox, command, eventually, skip};
use crate::rude::{Plan, Rude, Verb, ok, response};
use flate2::read::MultiGzDecoder;
use rustix::process::Signal;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::Path;

const REPORTS: [&str; 4] = ["r.csv.gz", "r.csv.zst", "r.jsonl.gz", "r.jsonl.zst"];

fn urls(server: &Rude, count: usize) -> Vec<String> {
    (1..=count).map(|number| server.url(&format!("/f{number}"))).collect()
}

/// Lines of a packed report, its header line left out; none where its end is missing.
fn lines(path: &Path) -> Vec<String> {
    let Ok(file) = std::fs::read(path) else { return Vec::new() };
    let mut text = String::new();
    let is_whole = if path.extension().is_some_and(|suffix| suffix == "gz") {
        MultiGzDecoder::new(&*file).read_to_string(&mut text).is_ok()
    } else {
        zstd::stream::read::Decoder::new(&*file).unwrap().read_to_string(&mut text).is_ok()
    };
    let rows = text.lines().filter(|_| is_whole).filter(|line| !line.starts_with("url,"));
    rows.map(str::to_owned).collect()
}

/// What programs of others make of it, in bytes.
fn unpacked_by_others(path: &Path) -> Vec<Vec<u8>> {
    let python = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())";
    let programs = if path.extension().is_some_and(|suffix| suffix == "gz") {
        vec![vec!["zcat"], vec!["python3", "-c", python]]
    } else {
        vec![vec!["zstd", "-dc"]]
    };
    let mut told = Vec::new();
    for program in programs {
        match command(program[0]).args(&program[1..]).arg(path).output() {
            Ok(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{program:?} {}: {stderr}", path.display());
                told.push(output.stdout);
            }
            Err(error) => skip(&format!("{}: {error}", program[0])),
        }
    }
    told
}

#[test]
fn a_packed_report_is_continued_begun_anew_and_compared() {
    for report in REPORTS {
        let server = Plan::new().otherwise(ok(b"body")).start();
        let sandbox = Sandbox::new();
        let list = urls(&server, 120);
        let path = sandbox.path(report);
        sandbox.pull().report(report).list(&list[..100]).run().assert_code(0);
        let first = std::fs::read(&path).unwrap();
        assert_eq!(lines(&path).len(), 100, "{report}");
        // Nothing is left to do, and nothing is written.
        sandbox.pull().report(report).again().list(&list[..100]).run().assert_code(0);
        assert!(std::fs::read(&path).unwrap() == first, "{report}");
        sandbox.pull().report(report).again().list(&list).run().assert_code(0);
        assert!(std::fs::read(&path).unwrap().starts_with(&first), "{report}");
        assert_eq!((lines(&path).len(), server.log().len()), (120, 120), "{report}");
        for told in unpacked_by_others(&path) {
            let told = String::from_utf8(told).unwrap();
            assert_eq!(told.lines().filter(|line| line.contains("http://")).count(), 120);
        }
        std::fs::remove_file(sandbox.out().join("f7")).unwrap();
        let done = sandbox.pull().report(report).again().arg("--verify").run();
        done.assert_code(7);
        assert!(done.stderr.contains("120 files in the report: 119 as it says"), "{}", done.stderr);
        sandbox.pull().report(report).list(&list[..50]).run().assert_code(0);
        assert_eq!(lines(&path).len(), 50, "{report}");
    }
}

#[test]
fn what_a_killed_run_leaves_is_read_and_continued() {
    for report in REPORTS {
        let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"body"))];
        let mut plan = Plan::new().otherwise(script);
        for number in 1..=10 {
            plan = plan.on(&format!("/f{number}"), [ok(b"body")]);
        }
        let server = plan.start();
        let sandbox = Sandbox::new();
        let list = urls(&server, 40);
        let path = sandbox.path(report);
        let args = ["-x", "4", "-j", "4", "--retry", "0"];
        let running = sandbox.pull().report(report).args(args).list(&list).spawn();
        // Rows are readable while the run goes on, by everyone.
        assert!(eventually(|| server.log().len() == 14 && lines(&path).len() == 10), "{report}");
        running.signal(Signal::KILL);
        drop(running);
        assert_eq!(lines(&path).len(), 10);
        unpacked_by_others(&path);
        // A part of which only the begin was written.
        let whole = std::fs::read(&path).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&whole[..whole.len().min(20)]).unwrap();
        server.open_gate();
        let done = sandbox.pull().report(report).again().args(args).list(&list).run();
        done.assert_code(0);
        assert!(done.stderr.contains("the last 20 bytes of"), "{}", done.stderr);
        assert_eq!((lines(&path).len(), server.log().len()), (40, 14 + 30), "{report}");
        assert!(unpacked_by_others(&path).iter().all(|told| !told.is_empty()));
        assert_eq!(sandbox.files().len(), 40);
    }
}

#[test]
fn what_is_no_packed_report_is_left_as_it_is() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let list = urls(&server, 3);
    sandbox.pull().list(&list).run().assert_ok(3);
    let plain = std::fs::read(sandbox.path("report.csv")).unwrap();
    sandbox.pull().report("r.csv.gz").list(&list).run().assert_code(0);
    let mut damaged = std::fs::read(sandbox.path("r.csv.gz")).unwrap();
    let again = damaged.clone();
    damaged[40] ^= 0x55;
    damaged.extend_from_slice(&again);
    for (content, wanted) in [(plain, "this is not gzip data"), (damaged, "gzip data is damaged")] {
        std::fs::write(sandbox.path("r.csv.gz"), &content).unwrap();
        let done = sandbox.pull().report("r.csv.gz").again().list(&list).run();
        done.assert_code(2);
        assert!(done.stderr.contains(wanted), "{}", done.stderr);
        assert!(std::fs::read(sandbox.path("r.csv.gz")).unwrap() == content);
    }
    assert_eq!(server.log().len(), 6);
}
