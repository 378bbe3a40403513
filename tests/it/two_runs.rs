//! Two runs at once: with one report, with one file, with one unfinished file. No file is ever
//! mixed, and the rows of both are true.

use crate::cmd::{Done, Row, Sandbox, at_once, eventually};
use crate::large_origin::LargeFile;
use crate::long::{advanced, kill_when_begun, record_path};
use crate::origin::{Served, serve};
use ringpull::plan::partial::part_name;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;

const MIB: u64 = 1 << 20;
const LEN: u64 = 12 * MIB;

/// A file whose transfer takes a second or so on one connection.
fn slow<'a>(served: &'a Served, name: &str, rate: u64) -> LargeFile<'a> {
    served.file(name, LEN).with("rate", rate).with("send-buffer", 65_536)
}

fn number(row: &Row, column: &str) -> u64 {
    row[column].parse().unwrap_or_else(|why| panic!("{column}: {why}: {row:#?}"))
}

/// The row of a run whose file came, which tells where all of its bytes came from.
fn assert_true(done: &Done, file: &LargeFile<'_>) {
    let row = done.row(&file.url());
    assert_eq!((done.code(), &*row["status"]), (0, "ok"), "{row:#?}");
    assert_eq!(number(row, "size_file"), LEN, "{row:#?}");
    let is_continued = row["resume"] == "continued";
    assert_eq!(number(row, "size_resumed") > 0, is_continued, "{row:#?}");
    let bytes = number(row, "size_resumed") + number(row, "size_download");
    assert!(bytes >= LEN, "{row:#?}");
}

#[test]
fn a_report_is_taken_as_soon_as_nobody_has_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    let path = sandbox.path("report.csv");
    sandbox.pull().arg(served.http("/bytes/1/a")).run().assert_ok(1);
    // What the kernel does for a while after a kill.
    let held = File::open(&path).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let mut running = sandbox.pull().again().arg(served.http("/bytes/1/a")).spawn();
    let has_it_open = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap();
        let mut targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.any(|target| target == path)
    };
    assert!(eventually(has_it_open) && running.is_running(), "{}", running.stderr());
    drop(held);
    running.wait().assert_ok(1);
}

#[test]
fn an_unfinished_file_is_taken_as_soon_as_nobody_has_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "held", 8_000_000);
    kill_when_begun(sandbox.pull().arg(file.url()).spawn(), &sandbox.out(), "held");
    let held = File::open(sandbox.out().join(part_name("held"))).unwrap();
    assert!(eventually(|| flock(&held, FlockOperation::NonBlockingLockExclusive).is_ok()));
    // With another report, which is there before the file is looked for.
    let running = sandbox.pull().report("other.csv").arg("-c").arg(file.url()).spawn();
    assert!(eventually(|| sandbox.path("other.csv").exists()), "{}", running.stderr());
    drop(held);
    let done = running.wait();
    assert_true(&done, &file);
    assert_eq!(done.row(&file.url())["resume"], "continued");
    file.assert_stored(&sandbox.out().join("held"), 0);
}

#[test]
fn a_second_run_with_the_report_of_a_long_file_is_refused_and_disturbs_nothing() {
    let served = serve();
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let file = slow(&served, "reported", 3_000_000);
    let mut first = sandbox.pull().arg(file.url()).spawn();
    assert!(advanced(&mut first, &sandbox.out(), "reported"), "{}", first.stderr());
    let report = sandbox.path("report.csv");
    let second = other.pull_into(&sandbox.out()).report(report.to_str().unwrap()).again();
    let second = second.arg(file.url()).spawn().wait();
    assert_eq!(second.code(), 3, "{}", second.stderr);
    assert!(second.stderr.contains("another run is writing it"), "{}", second.stderr);
    assert!(first.is_running(), "it was over too early for this test");
    let done = first.wait();
    assert_true(&done, &file);
    assert_eq!(file.stats().requests, 1, "the second run asked for nothing");
    file.assert_stored(&sandbox.out().join("reported"), 0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn two_runs_of_one_split_file_that_keep_nothing_do_not_meet() {
    let served = serve();
    for changes in [0, 1] {
        let sandbox = Sandbox::new();
        let name = format!("split-{changes}");
        let file = slow(&served, &name, 3_000_000);
        let args = ["--continue=false", "-s", "4", "-k", "1M", "--retry-delay", "0"];
        let pull = |report| sandbox.pull().report(report).args(args).arg(file.url()).spawn();
        let first = pull("first.csv");
        assert!(eventually(|| file.stats().body_bytes > 2 * MIB), "{}", first.stderr());
        if changes > 0 {
            file.change();
        }
        let (second, first) = (pull("second.csv").wait(), first.wait());
        for done in [&first, &second] {
            assert_true(done, &file);
            assert_eq!((&*done.row(&file.url())["resume"], done.rows.len()), ("", 1));
        }
        // The first one may have had all of the old version, but the second one was later.
        file.assert_stored(&sandbox.out().join(&name), changes);
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}

#[test]
fn of_two_runs_with_one_unfinished_file_one_has_it() {
    let served = serve();
    // Over before the other one has waited, and not.
    let rates = [("fast", 100_000_000), ("slow", 1_500_000)];
    let cases = rates.into_iter().flat_map(|rate| [0, 1].map(|changes| (rate, changes)));
    at_once(cases, |((name, rate), changes)| {
        let (sandbox, other) = (Sandbox::new(), Sandbox::new());
        let name = format!("{name}-{changes}");
        let file = slow(&served, &name, rate).with("stall", 4 * MIB).with("first", 1);
        kill_when_begun(sandbox.pull().arg(file.url()).spawn(), &sandbox.out(), &name);
        if changes > 0 {
            file.change();
        }
        let out = sandbox.out();
        let pull = |sandbox: &Sandbox| {
            let pull = sandbox.pull_into(&out).report("two.csv").args(["-c", "--retry", "0"]);
            pull.arg(file.url()).spawn()
        };
        let (first, second) = (pull(&sandbox), pull(&other));
        let both = [first.wait(), second.wait()];
        let is_good = |done: &Done| done.code() == 0;
        assert!(both.iter().any(is_good), "{:#?}", both.map(|done| done.stderr));
        for done in &both {
            if is_good(done) {
                assert_true(done, &file);
            } else {
                assert_eq!((done.fault(&file.url()), done.code()), ("disk.locked", 3));
                assert_eq!(done.row(&file.url())["size_download"], "0");
            }
        }
        file.assert_stored(&out.join(&name), changes);
        assert_nothing_left(&out, &name);
    });
}

fn assert_nothing_left(dir: &Path, name: &str) {
    assert!(!dir.join(part_name(name)).exists() && !record_path(dir, name).exists(), "{name}");
}
