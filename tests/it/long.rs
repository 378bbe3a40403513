//! Long bodies go on where they ended: after a broken connection, a kill, an interrupt, a full
//! disk. What cannot be gone on with is fetched whole, and the row says why.

use crate::cmd::{Done, Running, Sandbox, command, eventually};
use crate::disk::run_with_mounts;
use crate::large_origin::LargeFile;
use crate::origin::serve;
use ringpull::plan::partial::{Record, SLOT_BYTES, part_name, record_name};
use rustix::process::Signal;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Child;

const MIB: u64 = 1 << 20;
/// A length that takes several updates of the record.
const LEN: u64 = 16 * MIB;
/// Bytes per second of a connection that is to be broken off in the middle.
const RATE: u64 = 8_000_000;

/// Where the record of the unfinished file of `name` is.
pub(crate) fn record_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(record_name(&part_name(name)))
}

/// The record of the unfinished file of `name`, as far as there is a whole one.
pub(crate) fn record(dir: &Path, name: &str) -> Option<Record> {
    Record::decode(&std::fs::read(record_path(dir, name)).ok()?).ok()
}

/// Waits until a record tells of something that the one before did not. Whether that came to be
/// before the run ended.
pub(crate) fn advanced(running: &mut Running, dir: &Path, name: &str) -> bool {
    let before = record(dir, name).unwrap_or_default();
    let mut is_ahead = false;
    let is_over = eventually(|| {
        is_ahead = record(dir, name).is_some_and(|now| {
            now.sequence > before.sequence
                && !now.written.is_empty()
                && (now.written != before.written || now.validator != before.validator)
        });
        is_ahead || !running.is_running()
    });
    assert!(is_over, "no end, and no record: {}", running.stderr());
    is_ahead
}

/// Waits until the record of a file tells of something, and kills the run. Gives the record.
pub(crate) fn kill_when_begun(mut running: Running, dir: &Path, name: &str) -> Record {
    let is_begun = eventually(|| {
        assert!(running.is_running(), "it ended by itself: {}", running.stderr());
        record(dir, name).is_some_and(|record| !record.written.is_empty())
    });
    assert!(is_begun, "no record: {}", running.stderr());
    running.signal(Signal::KILL);
    drop(running);
    record(dir, name).expect("one of its slots is always whole")
}

/// A file whose transfer takes some seconds.
fn slow<'a>(served: &'a crate::origin::Served, name: &str) -> LargeFile<'a> {
    served.file(name, LEN).with("rate", RATE).with("send-buffer", 65_536)
}

/// Has a run begin `file` and be killed in the middle.
fn kill_in_the_middle(sandbox: &Sandbox, file: &LargeFile<'_>, name: &str) {
    kill_when_begun(sandbox.pull().arg(file.url()).spawn(), &sandbox.out(), name);
    assert_eq!(sandbox.temporaries().len(), 2, "the file and its record");
}

/// The row of the only file of a run that has all of it, in the version after so many changes.
fn assert_came<'d>(
    sandbox: &Sandbox,
    done: &'d Done,
    (file, name): (&LargeFile<'_>, &str),
    changes: u64,
) -> &'d crate::cmd::Row {
    assert_eq!(done.code(), 0, "{:#?}\n{}", done.rows, done.stderr);
    let row = done.row(&file.url());
    assert_eq!(row["status"], "ok", "{row:#?}");
    assert_eq!(row["size_file"], file.len.to_string(), "{row:#?}");
    file.assert_stored(&sandbox.out().join(name), changes);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    row
}

#[test]
fn a_retry_asks_for_the_rest_only() {
    let served = serve();
    for (len, cut) in [(8 * MIB, 5_000_000), (800_000, 500_000)] {
        let sandbox = Sandbox::new();
        let file = served.file("retried", len).with("cut", cut).with("first", 1);
        let done = sandbox.pull().args(["--retry-delay", "0"]).arg(file.url()).run();
        let row = assert_came(&sandbox, &done, (&file, "retried"), 0);
        assert_eq!(row["num_retries"], "1", "{row:#?}");
        assert_eq!(row["size_download"], len.to_string(), "{row:#?}");
        assert_eq!((&*row["size_resumed"], &*row["resume"]), ("0", ""), "of no other run");
        let stats = file.stats();
        assert_eq!((stats.requests, stats.range_requests), (2, 1), "{stats:?}");
        assert_eq!(stats.ranges[0].range.split('-').next(), Some(&*format!("bytes={cut}")));
        assert!(stats.ranges[0].if_range.is_some(), "{stats:?}");
        assert_eq!(stats.body_bytes, len, "no byte came twice");
    }
}

#[test]
fn what_somebody_cut_or_grew_is_as_it_is() {
    let served = serve();
    for (name, size) in [("cut", 1_000), ("emptied", 0), ("grown", 2 * LEN)] {
        let sandbox = Sandbox::new();
        let file = slow(&served, name);
        kill_in_the_middle(&sandbox, &file, name);
        let part = sandbox.out().join(part_name(name));
        File::options().write(true).open(part).unwrap().set_len(size).unwrap();
        let done = sandbox.pull().again().arg(file.url()).run();
        assert_came(&sandbox, &done, (&file, name), 0);
    }
}

#[test]
fn many_breaks_in_a_row_cost_no_byte() {
    let served = serve();
    let sandbox = Sandbox::new();
    // Every response but the last ends after 3 MB.
    let file = served.file("broken", 8 * MIB).with("cut", 3_000_000);
    let done = sandbox.pull().args(["--retry-delay", "0", "--retry", "5"]).arg(file.url()).run();
    let row = assert_came(&sandbox, &done, (&file, "broken"), 0);
    assert_eq!(row["num_retries"], "2", "{row:#?}");
    assert_eq!(file.stats().body_bytes, 8 * MIB, "no byte came twice");
}

#[test]
fn a_body_of_unknown_length_goes_on() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file_at("chunked", "unknown", 8 * MIB).with("cut", 5_000_000);
    let file = file.with("first", 1);
    let done = sandbox.pull().args(["--retry-delay", "0"]).arg(file.url()).run();
    let row = assert_came(&sandbox, &done, (&file, "unknown"), 0);
    assert_eq!(row["num_retries"], "1", "{row:#?}");
    assert!(file.stats().body_bytes < 12 * MIB, "{:?}", file.stats());
}

#[test]
fn what_changed_before_a_retry_is_fetched_whole() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("moved-on", 8 * MIB).with("cut", 5_000_000).with("first", 1);
    let file = file.with("change-after-requests", 1);
    let done = sandbox.pull().args(["--retry-delay", "0"]).arg(file.url()).run();
    let row = assert_came(&sandbox, &done, (&file, "moved-on"), 1);
    assert_eq!((&*row["num_retries"], &*row["resume"]), ("1", ""), "{row:#?}");
    assert_eq!((&*row["size_download"], &*row["num_parts"]), ("8388608", "1"), "{row:#?}");
}

#[test]
fn without_a_validator_a_retry_begins_again() {
    let served = serve();
    for (etag, date) in [("none", "none"), ("weak", "none"), ("none", "now")] {
        let sandbox = Sandbox::new();
        let name = format!("{etag}-{date}");
        let file = served.file(&name, 8 * MIB).with("etag", etag).with("last-modified", date);
        let file = file.with("cut", 5_000_000).with("first", 1);
        let pull = sandbox.pull().args(["--retry-delay", "0", "-s", "4", "-k", "1M"]);
        let done = pull.arg(file.url()).run();
        let row = assert_came(&sandbox, &done, (&file, &name), 0);
        assert_eq!((&*row["num_retries"], &*row["resume"]), ("1", ""), "{row:#?}");
        let stats = file.stats();
        assert_eq!((stats.requests, stats.range_requests, stats.sending_max), (2, 0, 1), "{name}");
    }
}

#[test]
fn always_goes_on_without_a_validator() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("any", 8 * MIB).with("etag", "none").with("last-modified", "none");
    let file = file.with("cut", 5_000_000).with("first", 1);
    let args = ["--continue=always", "--retry-delay", "0", "-s", "4", "-k", "1M"];
    let done = sandbox.pull().args(args).arg(file.url()).run();
    let row = assert_came(&sandbox, &done, (&file, "any"), 0);
    assert_eq!((&*row["num_retries"], &*row["num_parts"]), ("1", "2"), "{row:#?}");
    let stats = file.stats();
    assert_eq!((stats.requests, stats.range_requests, stats.sending_max), (2, 1, 1), "{stats:?}");
    assert_eq!(stats.body_bytes, 8 * MIB, "no byte came twice");
}

#[test]
fn the_same_command_goes_on_after_a_kill() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "killed");
    kill_in_the_middle(&sandbox, &file, "killed");
    let done = sandbox.pull().again().arg(file.url()).run();
    let row = assert_came(&sandbox, &done, (&file, "killed"), 0);
    assert_eq!(row["resume"], "continued", "{row:#?}");
    let resumed: u64 = row["size_resumed"].parse().unwrap();
    assert!(resumed >= MIB, "{row:#?}");
    assert_eq!(row["size_download"], (LEN - resumed).to_string(), "{row:#?}");
    let stats = file.stats();
    assert_eq!((stats.requests, stats.range_requests), (2, 1), "{stats:?}");
    assert!(stats.ranges[0].if_range.is_some() && stats.ranges[0].status == 206, "{stats:?}");
}

/// A program without a report, which a test waits for in one way or the other.
struct Plain(Child);

impl Plain {
    fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_ringpull"));
        command.arg("-d").arg(sandbox.out()).args(args).current_dir(sandbox.path("."));
        command.env("HOME", sandbox.path("."));
        Self(command.spawn().unwrap())
    }

    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    fn code(mut self) -> Option<i32> {
        assert!(eventually(|| self.is_over()), "did not end");
        self.0.wait().unwrap().code()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_a_report_it_goes_on_where_that_is_asked_for() {
    let served = serve();
    for is_kept in [true, false] {
        let sandbox = Sandbox::new();
        let name = format!("plain-{is_kept}");
        let file = slow(&served, &name);
        let url = file.url();
        let args: &[&str] = if is_kept { &["-c", &url] } else { &[&url] };
        let plain = Plain::start(&sandbox, args);
        let is_begun = || match is_kept {
            true => record(&sandbox.out(), &name).is_some_and(|record| !record.written.is_empty()),
            false => file.stats().body_bytes > 2 * MIB && !sandbox.temporaries().is_empty(),
        };
        assert!(eventually(is_begun), "{:?}", sandbox.temporaries());
        drop(plain);
        assert_eq!(Plain::start(&sandbox, args).code(), Some(0));
        file.assert_stored(&sandbox.out().join(&name), 0);
        assert_eq!(file.stats().range_requests, u64::from(is_kept), "{:?}", file.stats());
        if is_kept {
            assert_eq!(sandbox.temporaries(), Vec::<String>::new());
        }
    }
}

#[test]
fn what_came_outlives_two_interrupts() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "interrupted");
    let url = file.url();
    let mut plain = Plain::start(&sandbox, &["-c", &url]);
    let out = sandbox.out();
    let is_begun = || record(&out, "interrupted").is_some_and(|record| !record.written.is_empty());
    assert!(eventually(is_begun), "{:?}", sandbox.temporaries());
    // The second one is only seen as such after the first one.
    let is_over = eventually(|| {
        let pid = rustix::process::Pid::from_child(&plain.0);
        let _ = rustix::process::kill_process(pid, Signal::INT);
        plain.is_over()
    });
    assert!(is_over && plain.code() != Some(0), "it was to be interrupted");
    let kept = record(&out, "interrupted").unwrap().written.len_total();
    assert!(kept >= MIB, "{kept} bytes are kept");
    assert_eq!(Plain::start(&sandbox, &["-c", &url]).code(), Some(0));
    file.assert_stored(&out.join("interrupted"), 0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    let stats = file.stats();
    assert_eq!((stats.requests, stats.range_requests), (2, 1), "{stats:?}");
}

/// Kills a run of `file` whenever its record has advanced, until one comes to its end. The file
/// changes after some of them. Gives how often it was killed.
pub(crate) fn kill_often(sandbox: &Sandbox, file: &LargeFile<'_>, args: &[&str]) -> usize {
    for kills in 0..100 {
        if kills == 4 {
            file.change();
        }
        let mut running = sandbox.pull().again().args(args).arg(file.url()).spawn();
        if !advanced(&mut running, &sandbox.out(), "often") {
            let done = running.wait();
            let row = assert_came(sandbox, &done, (file, "often"), 1);
            assert_eq!(row["resume"], "continued", "{row:#?}");
            return kills;
        }
        running.signal(Signal::KILL);
    }
    panic!("it never ended");
}

#[test]
fn many_kills_and_a_change_leave_the_new_version() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("often", 24 * MIB).with("rate", 16_000_000);
    let file = file.with("send-buffer", 65_536);
    let kills = kill_often(&sandbox, &file, &[]);
    assert!(kills > 6, "{kills}");
}

#[test]
fn what_nothing_vouches_for_is_fetched_whole_by_the_next_run() {
    let served = serve();
    for (when, resume) in [("true", "no_validator"), ("always", "continued")] {
        let sandbox = Sandbox::new();
        let name = format!("unvouched-{when}");
        let file = slow(&served, &name).with("etag", "none").with("last-modified", "none");
        kill_in_the_middle(&sandbox, &file, &name);
        let when = format!("--continue={when}");
        let done = sandbox.pull().again().args([&*when, &file.url()]).run();
        let row = assert_came(&sandbox, &done, (&file, &name), 0);
        assert_eq!(row["resume"], resume, "{row:#?}");
        let is_continued = resume == "continued";
        assert_eq!(row["size_resumed"] != "0", is_continued, "{row:#?}");
        assert_eq!(file.stats().range_requests, u64::from(is_continued));
    }
}

#[test]
fn what_changed_between_runs_is_fetched_whole() {
    let served = serve();
    for change in ["all", "etag", "validators"] {
        let sandbox = Sandbox::new();
        let name = format!("changed-{change}");
        let file = slow(&served, &name).with("change", change);
        kill_in_the_middle(&sandbox, &file, &name);
        file.change();
        let done = sandbox.pull().again().arg(file.url()).run();
        let changes = u64::from(change == "all");
        let row = assert_came(&sandbox, &done, (&file, &name), changes);
        assert_eq!((&*row["resume"], &*row["size_resumed"]), ("changed", "0"), "{row:#?}");
        assert_eq!(row["size_download"], LEN.to_string(), "{row:#?}");
    }
}

#[test]
fn what_comes_whole_though_a_part_was_asked_for_is_no_continuation() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "ignored").with("after", 1).with("ranges", "ignored");
    kill_in_the_middle(&sandbox, &file, "ignored");
    let done = sandbox.pull().again().arg(file.url()).run();
    let row = assert_came(&sandbox, &done, (&file, "ignored"), 0);
    assert_eq!((&*row["resume"], &*row["size_resumed"]), ("no_ranges", "0"), "{row:#?}");
}

#[test]
fn a_record_that_is_no_good_is_not_believed() {
    let served = serve();
    type Spoil = fn(&Path);
    let flip: Spoil = |path| {
        let mut bytes = std::fs::read(path).unwrap();
        for slot in bytes.chunks_mut(SLOT_BYTES) {
            slot[100] ^= 1;
        }
        std::fs::write(path, bytes).unwrap();
    };
    let garbage: Spoil = |path| std::fs::write(path, "garbage\n".repeat(1_024)).unwrap();
    let short: Spoil = |path| std::fs::write(path, b"x").unwrap();
    let gone: Spoil = |path| std::fs::remove_file(path).unwrap();
    let cases = [
        ("flip", flip, "damaged"),
        ("garbage", garbage, "foreign"),
        ("short", short, "foreign"),
        ("gone", gone, "damaged"),
    ];
    for (name, spoil, resume) in cases {
        let sandbox = Sandbox::new();
        let file = slow(&served, name);
        kill_in_the_middle(&sandbox, &file, name);
        spoil(&record_path(&sandbox.out(), name));
        let done = sandbox.pull().again().arg(file.url()).run();
        let row = assert_came(&sandbox, &done, (&file, name), 0);
        assert_eq!((&*row["resume"], &*row["size_resumed"]), (resume, "0"), "{name}: {row:#?}");
        assert_eq!(file.stats().range_requests, 0, "{name}");
    }
}

#[test]
fn what_is_there_of_another_url_is_not_gone_on_with() {
    let served = serve();
    let sandbox = Sandbox::new();
    let (file, other) = (slow(&served, "same"), slow(&served, "other/same"));
    kill_in_the_middle(&sandbox, &file, "same");
    let done = sandbox.pull().arg(other.url()).run();
    let row = assert_came(&sandbox, &done, (&other, "same"), 0);
    assert_eq!((&*row["resume"], &*row["size_resumed"]), ("foreign", "0"), "{row:#?}");
}

#[test]
fn a_file_that_another_run_writes_is_left_to_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    // For longer than a lock is waited for.
    let file = served.file("once", LEN).with("rate", 3_000_000).with("send-buffer", 65_536);
    let mut first = sandbox.pull().arg(file.url()).spawn();
    assert!(advanced(&mut first, &sandbox.out(), "once"), "{}", first.stderr());
    let url = file.url();
    let code = Plain::start(&sandbox, &["-c", "--retry", "0", &url]).code();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    assert!(first.is_running(), "it was over too early for this test");
    let done = first.wait();
    assert_came(&sandbox, &done, (&file, "once"), 0);
    assert_eq!(file.stats().requests, 1, "the second run asked for nothing");
}

#[test]
fn lengths_around_the_limit_are_exact() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lens = [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 1];
    let files = lens.map(|len| served.file(&format!("len-{len}"), len));
    let pull = sandbox.pull().args(["-c", "-s", "16", "-k", "16k"]);
    let done = pull.list(files.iter().map(LargeFile::url)).run();
    done.assert_ok(lens.len());
    for file in &files {
        file.assert_stored(&sandbox.out().join(format!("len-{}", file.len)), 0);
        assert_eq!(done.row(&file.url())["size_file"], file.len.to_string());
    }
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn what_came_before_a_disk_was_full_is_kept() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("full", 12 * MIB);
    let url = file.url();
    let pull = sandbox.pull().args(["-c", "--disk-wait", "0", "--retry", "0"]).arg(&url);
    let Some(done) = run_with_mounts(&sandbox, "mount -t tmpfs -o size=8m none out", pull) else {
        return;
    };
    assert_ne!(done.code(), 0);
    assert_eq!(done.fault(&url), "disk.enospc");
    // What was on the small disk was copied here.
    let seen = sandbox.path("seen");
    let kept = record(&seen, "full").unwrap().written.len_total();
    assert!(kept >= MIB, "{kept} bytes are kept");
    let done = sandbox.pull_into(&seen).arg("-c").arg(&url).run();
    assert_eq!(done.code(), 0, "{}", done.stderr);
    let row = done.row(&url);
    assert_eq!(row["resume"], "continued", "{row:#?}");
    assert_eq!(row["size_resumed"], kept.to_string(), "{row:#?}");
    file.assert_stored(&seen.join("full"), 0);
    assert!(!seen.join(part_name("full")).exists() && !record_path(&seen, "full").exists());
}

#[test]
fn what_goes_elsewhere_is_asked_for_once() {
    let served = serve();
    for (name, target) in [("stdout", &["-o", "-"][..]), ("discard", &["--discard"][..])] {
        let sandbox = Sandbox::new();
        let file = served.file(name, 8 * MIB);
        let pull = sandbox.pull().args(target).args(["-s", "4", "-k", "1M"]).arg(file.url());
        let done = pull.run();
        done.assert_ok(1);
        assert_eq!(done.row(&file.url())["size_download"], (8 * MIB).to_string());
        if name == "stdout" {
            file.assert_stored(&sandbox.path("stdout"), 0);
        }
        let stats = file.stats();
        assert_eq!((stats.requests, stats.body_bytes), (1, 8 * MIB), "{name}");
        assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0, "{name}");
    }
}
