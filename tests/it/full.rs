//! A disk that is full: the run waits for room, and then goes on as if nothing had been.

use crate::cmd::{Done, Pull, Sandbox, eventually, skip_forbidden};
use crate::disk::run_with_mounts;
use crate::origin::{Served, serve};
use ringpull::origin;
use std::fmt::Write as _;

/// Files of one list, more in all than the small disk takes.
const FILES: usize = 60;

/// Their lengths: short ones, some that take several writes.
fn len(n: usize) -> usize {
    if n.is_multiple_of(10) { 400_000 } else { 20_000 + n }
}

fn urls(served: &Served) -> Vec<String> {
    (0..FILES).map(|n| served.http(&format!("/bytes/{}/f{n}", len(n)))).collect()
}

/// Mounts a small disk on `out`, and has somebody move what is whole to `seen` while the run is
/// paused.
pub(crate) fn emptied(options: &str) -> String {
    format!(
        "mount -t tmpfs -o {options} none out
        set +e
        while [ ! -e over ]; do
            said=$(grep -c 'paused; make room' stderr); over=$(grep -c 'goes on$' stderr)
            if [ $said -gt $over ]; then
                (cd out && find . -type f ! -name '.ringpull-*' | while read -r name; do
                    mkdir -p \"../seen/${{name%/*}}\" && mv \"$name\" \"../seen/$name\"
                done)
            fi
            sleep 0.05
        done &"
    )
}

/// All files are there and right.
fn assert_whole(sandbox: &Sandbox, done: &Done, folder: impl Fn(usize) -> String) {
    done.assert_ok(FILES);
    for n in 0..FILES {
        let path = format!("seen/{}f{n}", folder(n));
        let body = std::fs::read(sandbox.path(&path)).unwrap_or_else(|error| {
            panic!("{path}: {error}\n{}", done.stderr);
        });
        let wanted = origin::body(&format!("/bytes/{}/f{n}", len(n)), len(n));
        assert!(body == wanted, "{path}: {} bytes of {}", body.len(), len(n));
    }
    let names = std::fs::read_dir(sandbox.path("seen")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strays: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert_eq!(strays, Vec::<String>::new());
    let waited: Vec<_> = done.rows.iter().filter(|row| row["num_retries"] != "0").collect();
    assert!(waited.is_empty(), "to wait for room is no attempt: {waited:#?}");
    assert!(done.stderr.contains("is full: paused"), "{}", done.stderr);
    assert!(done.stderr.contains("the run goes on"), "{}", done.stderr);
}

fn run(sandbox: &Sandbox, mounts: &str, pull: Pull<'_>) -> Option<Done> {
    std::fs::write(sandbox.path("stderr"), b"").unwrap();
    run_with_mounts(sandbox, mounts, pull)
}

#[test]
fn a_small_disk_that_is_emptied_in_the_middle_takes_the_whole_list() {
    let served = serve();
    for ops in ["auto", "chain"] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--file-ops", ops, "--retry", "0", "-x", "8"]);
        let mounts = emptied("size=1m");
        let Some(done) = run(&sandbox, &mounts, pull.list(urls(&served))) else { return };
        assert_whole(&sandbox, &done, |_| String::new());
    }
}

#[test]
fn a_disk_without_room_for_more_files_is_waited_for_too() {
    let served = serve();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--dirs", "seq:10", "--retry", "0"]);
    let mounts = emptied("size=100m,nr_inodes=40");
    let Some(done) = run(&sandbox, &mounts, pull.list(urls(&served))) else { return };
    assert!(done.stderr.contains("inodes"), "{}", done.stderr);
    let rows = done.rows.len();
    assert_eq!((done.code(), rows), (0, FILES), "{}", done.stderr);
    for n in 0..FILES {
        let path = sandbox.path(&format!("seen/{:08}/f{n}", n / 10));
        assert_eq!(std::fs::metadata(&path).map_or(0, |file| file.len()), len(n) as u64, "{n}");
    }
}

#[test]
fn a_disk_that_stays_full_stops_the_run_cleanly() {
    let served = serve();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--disk-wait", "1s", "-j", "4", "--stats", "stats.json"]);
    let pull = pull.list(urls(&served));
    let Some(done) = run(&sandbox, "mount -t tmpfs -o size=1m none out", pull) else { return };
    done.assert_code(3);
    assert!(done.stderr.contains("still full after 1s"), "{}", done.stderr);
    let count = |status: &str| done.rows.iter().filter(|row| row["status"] == status).count();
    assert!(count("ok") > 5 && count("cancelled") > 0, "{:#?}", done.rows);
    assert_eq!(count("failed"), 0, "what was not done has not failed");
    let kept = std::fs::read_dir(sandbox.path("seen")).unwrap().count();
    assert_eq!(kept, count("ok"), "no stray file");
    let stats = std::fs::read_to_string(sandbox.path("stats.json")).unwrap();
    assert!(stats.contains("\"end\": \"disk_full\""), "{stats}");
}

#[test]
fn without_patience_each_job_fails_alone() {
    let served = serve();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--disk-wait", "0"]).list(urls(&served));
    let Some(done) = run(&sandbox, "mount -t tmpfs -o size=1m none out", pull) else { return };
    done.assert_code(3);
    assert_eq!(done.rows.len(), FILES);
    let failed: Vec<_> = done.rows.iter().filter(|row| row["status"] != "ok").collect();
    assert!(failed.len() > 5 && failed.iter().all(|row| row["error_code"] == "disk.enospc"));
    assert!(!done.stderr.contains("paused"), "{}", done.stderr);
}

#[test]
fn rows_wait_for_room_as_well() {
    let served = serve();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("rows")).unwrap();
    let mounts = "mount -t tmpfs -o size=256k none rows
        dd if=/dev/zero of=rows/ballast bs=1024 count=248 2>/dev/null
        (until grep -q 'the report .* is full: paused' stderr; do sleep 0.05; done
        rm rows/ballast; until [ -e over ]; do sleep 0.05; done; cp rows/* .) &";
    let urls: Vec<String> = (0..300).map(|n| served.http(&format!("/bytes/{n}/f{n}"))).collect();
    let pull = sandbox.pull().report("rows/report.csv").args(["--stats", "rows/stats.json"]);
    let Some(done) = run(&sandbox, mounts, pull.list(&urls)) else { return };
    done.assert_code(0);
    let report = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(report.as_bytes());
    let mut told: Vec<String> = rows.records().map(|row| row.unwrap()[0].to_owned()).collect();
    let mut wanted = urls;
    told.sort();
    wanted.sort();
    assert_eq!(told, wanted);
    let stats = std::fs::read_to_string(sandbox.path("stats.json")).unwrap();
    assert!(stats.contains("\"successes\": 300"), "{stats}");
}

#[test]
fn rows_that_find_no_room_are_named_and_none_is_torn() {
    let served = serve();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("rows")).unwrap();
    let mounts = "mount -t tmpfs -o size=8k none rows
        (until [ -e over ]; do sleep 0.05; done; cp rows/* .) &";
    let urls: Vec<String> = (0..300).map(|n| served.http(&format!("/bytes/{n}/f{n}"))).collect();
    let pull = sandbox.pull().report("rows/report.jsonl").args(["--disk-wait", "1s"]);
    let Some(done) = run(&sandbox, mounts, pull.list(&urls)) else { return };
    done.assert_code(3);
    assert!(done.stderr.contains("could not be written, of input line"), "{}", done.stderr);
    let report = std::fs::read_to_string(sandbox.path("report.jsonl")).unwrap();
    assert!(report.ends_with("}\n") && report.lines().count() > 5, "{report}");
    for line in report.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn progress_shows_the_pause_and_ctrl_c_ends_it() {
    let served = serve();
    let sandbox = Sandbox::new();
    let mut script = String::new();
    for how in ["-rm", "-m"] {
        write!(script, "unshare {how} true 2>/dev/null && exec unshare {how} \"$@\"; ").unwrap();
    }
    let mount = "mount -t tmpfs -o size=1m none out || exit 77; exec \"$@\"";
    let pull = sandbox.pull().args(["--progress", "json", "-x", "8"]).list(urls(&served));
    let mut running = pull.under("sh", ["-c", &script, "sh", "sh", "-c", mount, "sh"]).spawn();
    let is_over = |running: &mut crate::cmd::Running| {
        !running.is_running() || running.stderr().contains("\"paused\":true")
    };
    assert!(eventually(|| is_over(&mut running)), "{}", running.stderr());
    if !running.is_running() {
        return skip_forbidden("mount namespaces are not permitted here");
    }
    running.signal(rustix::process::Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    assert!(done.rows.iter().all(|row| row["status"] != "failed"), "{:#?}", done.rows);
}

#[test]
fn a_session_waits_for_room_as_well() {
    let served = serve();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("left")).unwrap();
    // It comes to more than is written at once.
    let mounts = "mount -t tmpfs -o size=16k none left
        (until grep -q 'the session is full' stderr; do sleep 0.05; done
        mount -o remount,size=4m left; until [ -e over ]; do sleep 0.05; done; cp left/* .) &";
    let urls: Vec<String> = (0..3_000).map(|n| served.http(&format!("/status/404/{n}"))).collect();
    let args = ["--save-session", "left/session.txt", "--retry", "0"];
    let pull = sandbox.pull().args(args).list(&urls);
    let Some(done) = run(&sandbox, mounts, pull) else { return };
    done.assert_code(8);
    let session = std::fs::read_to_string(sandbox.path("session.txt")).unwrap();
    let mut left: Vec<&str> = session.lines().filter(|line| line.starts_with("http")).collect();
    let mut wanted: Vec<&str> = urls.iter().map(String::as_str).collect();
    left.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(left, wanted);
}
