//! Pulls within this process, as another program has them.

use crate::cmd::{command, eventually};
use crate::origin::{Served, serve};
use crate::rude::{Plan, Rude, Verb, ok, response};
use ringpull::{Pull, Row, Status, Summary};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, getrlimit};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

fn images(served: &Served, numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| served.http(&format!("/image/{number}.jpg"))).collect()
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).map_or(0, Iterator::count)
}

/// A server whose answers stand still in the middle.
fn stuck() -> Rude {
    let whole = response("200 OK", "", &[b'x'; 5_000]);
    let (first, rest) = whole.split_at(whole.len() - 2_500);
    let held = vec![Verb::Send(first.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())];
    Plan::new().on("/quick", [ok(b"a")]).otherwise(held).start()
}

#[test]
fn every_url_has_its_row() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let mut urls = images(&served, 0..30);
    urls.extend([served.http("/status/404"), "no URL".to_owned()]);
    let mut rows: Vec<Row> = Vec::new();
    let caller = std::thread::current().id();
    let pull = Pull::new(urls.clone()).dir(dir.path()).retries(0).option("compute-hash", "sha256");
    let summary = pull
        .on_row(|row| {
            assert_eq!(std::thread::current().id(), caller);
            rows.push(row.clone());
        })
        .run()
        .unwrap();
    assert_eq!((summary.urls, summary.ok, summary.failed), (32, 30, 2));
    assert!(summary.is_complete && !summary.is_success());
    assert_eq!(summary.exit_status, 2, "the lowest of what failed");
    rows.sort_by_key(|row| row.line);
    assert_eq!(
        rows.iter().map(|row| &row.url).collect::<Vec<_>>(),
        urls.iter().collect::<Vec<_>>()
    );
    let row = &rows[7];
    assert_eq!((row.status, row.response_code, row.line), (Status::Ok, Some(200), 8));
    let body = ringpull::origin::image(7);
    assert_eq!(std::fs::read(row.path.as_ref().unwrap()).unwrap(), body);
    assert_eq!((row.bytes, row.size), (body.len() as u64, Some(body.len() as u64)));
    assert!(row.digest.as_ref().unwrap().starts_with("sha-256=") && row.etag.is_some());
    assert_eq!(row.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(row.remote_ip.map(|ip| ip.is_loopback()), Some(true));
    let missing = rows[30].problem.as_ref().unwrap();
    assert_eq!((missing.code, rows[30].response_code), ("http.status", Some(404)));
    assert!(missing.to_string().contains("404"), "{missing}");
    assert_eq!(rows[31].problem.as_ref().unwrap().code, "input.url");
}

#[test]
fn urls_are_read_as_the_work_goes_on() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let (read, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let base = served.http("/name/");
    let urls = {
        let read = Arc::clone(&read);
        (0..).map(move |number: u64| {
            read.fetch_add(1, Ordering::Relaxed);
            format!("{base}{number}")
        })
    };
    let pull = Pull::new(urls).dir(dir.path()).option("lookahead", 50).downloads(4);
    let mut running = pull.start().unwrap();
    let canceller = running.canceller();
    for row in &mut running {
        assert!(row.status == Status::Ok || canceller.is_cancelled(), "{row:?}");
        if done.fetch_add(1, Ordering::Relaxed) == 200 {
            canceller.cancel();
        }
    }
    let summary = running.join().unwrap();
    assert!(!summary.is_complete && summary.ok > 200, "{summary:?}");
    assert_eq!(summary.exit_status, 130);
    // One batch of the reader is beyond the look-ahead.
    let (read, urls) = (read.load(Ordering::Relaxed), summary.urls);
    assert!(read < urls + 2_000, "{read} of an endless list for {urls} rows");
}

#[test]
fn rows_that_nobody_takes_hold_the_pull() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let urls: Vec<String> = (0..6_000).map(|n| served.http(&format!("/name/{n}"))).collect();
    let pull = Pull::new(urls).flag("discard").dir(dir.path()).downloads(8).connections(8);
    let mut running = pull.start().unwrap();
    let asked = || served.origin.stats(ringpull::origin::Listener::Http).requests;
    assert!(eventually(|| asked() >= 4_096), "{}", asked());
    // Those in flight end; nothing shows that nothing follows but that it never does.
    let first = running.next().unwrap();
    assert_eq!(first.status, Status::Ok);
    assert!(asked() < 4_096 + 200, "{}", asked());
    assert_eq!(running.by_ref().count(), 5_999);
    assert_eq!(running.join().unwrap().ok, 6_000);
}

#[test]
fn a_pull_that_is_cancelled_waits_for_what_is_in_flight() {
    let server = stuck();
    let dir = tempfile::tempdir().unwrap();
    let urls = ["/held1", "/held2", "/held3"].map(|path| server.url(path));
    let pull = Pull::new(urls).dir(dir.path()).connections(2).option("grace", "1h");
    let canceller = pull.canceller();
    let running = pull.start().unwrap();
    assert!(eventually(|| server.log().len() == 2), "{:?}", server.log());
    canceller.cancel();
    let joined = std::thread::scope(|scope| {
        let joined = scope.spawn(|| running.join());
        server.open_gate();
        joined.join().unwrap().unwrap()
    });
    // Whether the third one began before the pull saw that it is to end is a matter of time.
    assert_eq!((joined.ok, joined.cancelled, joined.is_complete), (joined.urls, 0, false));
    assert!(joined.ok >= 2, "{joined:?}");
}

#[test]
fn a_pull_that_is_stopped_or_dropped_ends_at_once() {
    let server = stuck();
    let dir = tempfile::tempdir().unwrap();
    let pull = |name: &str| {
        let urls = ["/quick", "/held"].map(|path| server.url(path));
        Pull::new(urls).dir(dir.path().join(name)).option("grace", "1h")
    };
    let mut rows = Vec::new();
    let (sent, heard) = mpsc::channel();
    let stopped = pull("stopped");
    let canceller = stopped.canceller();
    std::thread::scope(|scope| {
        let server = &server;
        scope.spawn(move || {
            heard.recv().unwrap();
            assert!(eventually(|| server.log().len() == 2), "{:?}", server.log());
            canceller.stop();
        });
        let summary = stopped
            .on_row(|row| {
                rows.push((row.url.clone(), row.status));
                let _ = sent.send(());
            })
            .run()
            .unwrap();
        assert_eq!((summary.ok, summary.cancelled), (1, 1), "{summary:?}");
    });
    assert_eq!(rows[1], (server.url("/held"), Status::Cancelled));
    let mut dropped = pull("dropped").start().unwrap();
    assert_eq!(dropped.next().map(|row| row.status), Some(Status::Ok));
    drop(dropped);
    assert_eq!(files(&dir.path().join("dropped")), 1, "and nothing unfinished");
    let panic = || std::panic::resume_unwind(Box::new("mine"));
    let of_row = pull("of-row").on_row(|_| panic());
    let of_notice = pull("of-notice").flag("insecure").on_notice(|_| panic());
    for panicking in [of_row, of_notice] {
        let panic = catch_unwind(AssertUnwindSafe(|| panicking.run())).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"mine"));
    }
}

#[test]
fn pulls_follow_one_another_and_go_side_by_side() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let pull = |name: &str, numbers| {
        let report = dir.path().join(format!("{name}.csv"));
        Pull::new(images(&served, numbers)).dir(dir.path().join(name)).report(report)
    };
    let (first, second) = (pull("a", 0..200).start().unwrap(), pull("b", 0..200).start().unwrap());
    let taken = Cell::new(0);
    let lines: BTreeSet<u64> = first
        .zip(second)
        .flat_map(|(first, second)| {
            taken.set(taken.get() + 1);
            [first.line, second.line]
        })
        .collect();
    assert_eq!((taken.get(), lines.len()), (200, 200));
    assert_eq!((files(&dir.path().join("a")), files(&dir.path().join("b"))), (200, 200));
    let again = pull("a", 0..210).run().unwrap();
    assert_eq!((again.earlier, again.ok, again.urls), (200, 10, 10));
}

#[test]
fn two_pulls_at_a_time_have_two_reports() {
    let server = stuck();
    let dir = tempfile::tempdir().unwrap();
    let pull = || {
        let report = dir.path().join("report.csv");
        Pull::new([server.url("/held")]).dir(dir.path().join("out")).report(report)
    };
    let first = pull().start().unwrap();
    assert!(eventually(|| server.log().len() == 1), "{:?}", server.log());
    let refused = pull().run().unwrap_err();
    assert_eq!(refused.exit_status(), 3, "{refused}");
    assert!(refused.to_string().contains("report.csv"), "{refused}");
    server.open_gate();
    assert_eq!(first.join().unwrap().ok, 1);
}

/// What a pull says beside its rows, displayed; and what it came to.
fn heard(pull: Pull<'_>) -> (Vec<String>, Result<Summary, ringpull::Error>) {
    let (mut notices, caller) = (Vec::new(), std::thread::current().id());
    let pull = pull.on_notice(|notice| {
        assert_eq!(std::thread::current().id(), caller);
        notices.push(notice.to_string());
    });
    let ended = pull.run();
    (notices, ended)
}

#[test]
fn notices_of_every_thread_are_heard() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let pull = || Pull::new(images(&served, 0..3)).dir(at("out")).report(at("r.jsonl"));
    assert_eq!(heard(pull()).0, [""; 0], "nothing out of the ordinary");

    // Of what was asked for; of the report, before the run; of the list, while it is read.
    std::fs::OpenOptions::new().append(true).open(at("r.jsonl")).unwrap().write_all(b"{").unwrap();
    std::fs::write(at("none.txt"), "").unwrap();
    let pull = pull().flag("insecure").option("input-file", at("none.txt").display());
    let (notices, ended) = heard(pull);
    assert_eq!(ended.unwrap().earlier, 3);
    let begins =
        ["warning: --insecure: ", "warning: the last 1 bytes of ", "warning: there is no URL"];
    assert_eq!(notices.len(), begins.len(), "{notices:?}");
    for (notice, begin) in notices.iter().zip(begins) {
        assert!(notice.starts_with(begin), "{notice}");
    }

    // Of a core, which waits for what is done about it.
    let fifo = at("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
    let mut reading = None;
    let pull = Pull::new(images(&served, 7..8)).option("output", fifo.display());
    let pull = pull.on_notice(|notice| {
        assert!(!notice.is_warning && notice.text.starts_with("waiting for"), "{notice}");
        let fifo = fifo.clone();
        reading = Some(std::thread::spawn(move || std::fs::read(fifo).unwrap()));
    });
    assert!(pull.run().unwrap().is_success());
    let read = reading.unwrap().join().unwrap();
    assert_eq!(read, ringpull::origin::image(7));
}

#[test]
fn notices_are_those_of_one_pull_and_of_one_that_fails() {
    let server = stuck();
    let dir = tempfile::tempdir().unwrap();
    let first = Pull::new([server.url("/held")]).dir(dir.path()).report(dir.path().join("r.csv"));
    let mut notices = Vec::new();
    let first = first.on_notice(|notice| notices.push(notice.clone())).start().unwrap();
    assert!(eventually(|| server.log().len() == 1), "{:?}", server.log());
    let refused = Pull::new([server.url("/quick")]).report(dir.path().join("r.csv"));
    let (others, ended) = heard(refused.flag("insecure"));
    assert_eq!((others.len(), ended.unwrap_err().exit_status()), (1, 3), "{others:?}");
    // That it is to end, its program knows.
    first.canceller().cancel();
    server.open_gate();
    assert_eq!(first.join().unwrap().exit_status, 130);
    assert_eq!(notices, []);
}

#[test]
fn a_budget_that_ends_a_pull_says_so() {
    let server = stuck();
    let dir = tempfile::tempdir().unwrap();
    let urls: Vec<String> = (0..20).map(|n| server.url(&format!("/quick{n}"))).collect();
    let pull = Pull::new(urls).dir(dir.path()).connections(2).option("max-duration", "100ms");
    let (notices, ended) = heard(pull.option("grace", "0.5"));
    assert_eq!(ended.unwrap().exit_status, 9);
    let told = "stopping (the time is over, --max-duration): jobs in flight get 0.5 s to finish";
    assert_eq!(notices, [told]);
}

/// What a process has that a pull must leave alone.
fn process() -> (Option<u64>, String, std::path::PathBuf) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let is_kept = |line: &&str| ["SigCgt", "SigIgn", "Umask"].iter().any(|k| line.starts_with(k));
    let kept = status.lines().filter(is_kept).collect::<Vec<_>>().join("\n");
    (getrlimit(Resource::Nofile).current, kept, std::env::current_dir().unwrap())
}

/// Prints nothing but what libtest does.
#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn a_pull_in_a_process_of_its_own() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let before = process();
    let mut urls = images(&served, 0..20);
    urls.push(served.http("/status/404"));
    let pull = Pull::new(urls).dir(dir.path()).retries(0).flag("insecure");
    let summary = pull.option("input-file", "/dev/null").run().unwrap();
    assert_eq!((summary.ok, summary.failed), (20, 1));
    let error = Pull::new(["http://h/"]).dir("/dev/null/no").run().unwrap_err();
    assert_eq!(error.exit_status(), 3, "{error}");
    assert_eq!(process(), before);
}

#[test]
fn nothing_is_printed_and_the_process_is_left_alone() {
    let mut child = command(std::env::current_exe().unwrap());
    child.args(["--exact", "embed::a_pull_in_a_process_of_its_own", "--ignored", "--nocapture"]);
    let output = child.output().unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert_eq!(err, "");
    let printed: Vec<&str> = out.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(printed.len(), 3, "running, the test, its result\n{out}");
}

/// Pulls, and says how many URLs have a row: all, and those of `shard` where that is given.
#[test]
#[ignore = "it is run by the test below, in a process of its own"]
fn a_pull_in_a_task_of_an_array() {
    let served = serve();
    let dir = tempfile::tempdir().unwrap();
    let pull = || Pull::new(images(&served, 0..8)).dir(dir.path()).flag("discard");
    assert_eq!(pull().run().unwrap().ok, 8);
    // All of one host are of one share.
    let share = |shard| pull().option("shard", shard).run().unwrap().ok;
    assert_eq!((share("0/1"), share("0/2") + share("1/2")), (8, 8));
}

#[test]
fn the_environment_takes_no_url_away() {
    let task = |id, count, more| {
        let mut child = command(std::env::current_exe().unwrap());
        child.args(["--exact", "embed::a_pull_in_a_task_of_an_array", "--ignored"]);
        child.envs([id, count, more]);
        let output = child.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
    };
    let (slurm, job) = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX");
    let count = |name| (name, "2");
    let config = ("RINGPULL_DRY_RUN", "true");
    for number in ["0", "1"] {
        task((slurm, number), count("SLURM_ARRAY_TASK_COUNT"), config);
        task((job, number), count("JOB_COMPLETIONS"), config);
    }
    // What would be an error on the command line.
    task((slurm, "0"), (job, "0"), config);
}
