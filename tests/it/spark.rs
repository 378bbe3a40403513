//! scripts/spark_pull.py: Spark has lists pulled on its workers, and what is killed there or begun
//! twice pulls and stores nothing twice.

use crate::cmd::{Running, Sandbox, command, eventually, is_temporary, skip};
use crate::origin::{Served, serve_at};
use crate::python::{python, python_path};
use crate::shards::{members, shards};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

const JOB: &str = include_str!("spark_job.py");
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
const HOSTS: u8 = 4;
const FILES: usize = 12;
/// A file of the first host whose first request is never answered in full.
const STALLED: &str = "/bytes/5000/stalled";

/// Every path of each host once, by its URL; and the list of them.
struct List {
    hosts: Vec<Served>,
    paths: BTreeMap<String, (usize, String)>,
}

impl List {
    fn new() -> Self {
        let hosts: Vec<_> = (1..=HOSTS).map(|n| serve_at(Ipv4Addr::new(127, 0, 0, n))).collect();
        let mut paths = BTreeMap::new();
        for (host, served) in hosts.iter().enumerate() {
            for n in 0..FILES {
                let path = format!("/bytes/{}/{n}.bin", 1_000 + n);
                paths.insert(served.http(&path), (host, path));
            }
        }
        let stalled = format!("{STALLED}?first=1&stall=10");
        paths.insert(hosts[0].http(&stalled), (0, STALLED.to_owned()));
        Self { hosts, paths }
    }

    /// Requests for the path of this URL.
    fn asked(&self, url: &str) -> u64 {
        let (host, path) = &self.paths[url];
        self.hosts[*host].origin.file_stats(path).requests
    }

    fn asked_in_all(&self) -> u64 {
        self.hosts.iter().map(Served::requests).sum()
    }

    fn is_stalled(&self) -> bool {
        self.hosts[0].origin.file_stats(STALLED).requests > 0
    }

    /// What was recorded before a kill was asked for once, and the rest at most twice.
    fn assert_asked(&self, recorded: &BTreeSet<String>) {
        for url in self.paths.keys() {
            let asked = self.asked(url);
            let most = if recorded.contains(url) { 1 } else { 2 };
            assert!((1..=most).contains(&asked), "{url}: {asked} requests, recorded: {recorded:?}");
        }
    }
}

/// URLs of the rows that a report has so far.
fn recorded(report: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(report).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| text_of(&serde_json::from_str(line).unwrap(), "url")).collect()
}

fn text_of(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("{name}: {row}")).to_owned()
}

fn rows(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every URL of the list is ok in one row, and every host in one part.
fn assert_rows(list: &List, rows: &[Value]) {
    let urls: BTreeSet<String> = rows.iter().map(|row| text_of(row, "url")).collect();
    assert_eq!(rows.len(), list.paths.len());
    assert!(urls.iter().eq(list.paths.keys()), "{urls:?}");
    assert!(rows.iter().all(|row| row["status"] == "ok"), "{rows:#?}");
    let parts = |row: &Value| (list.paths[&text_of(row, "url")].0, row["part"].as_u64());
    let parts: BTreeSet<_> = rows.iter().map(parts).collect();
    assert_eq!(parts.len(), usize::from(HOSTS), "{parts:?}");
}

/// Every URL has one sample in all shards, and nothing is left of what was not finished.
fn assert_set(list: &List, root: &Path) {
    let mut urls = Vec::new();
    let mut keys = BTreeSet::new();
    for shard in shards(&root.join("data")) {
        for (name, content) in members(&std::fs::read(shard).unwrap()) {
            if let Some(key) = name.strip_suffix(".json") {
                assert!(keys.insert(key.to_owned()), "{key} is twice in the set");
                urls.push(text_of(&serde_json::from_slice(&content).unwrap(), "url"));
            }
        }
    }
    urls.sort_unstable();
    assert!(urls.iter().eq(list.paths.keys()), "{urls:?}");
    let folders = std::fs::read_dir(root.join("parts")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    for folder in folders.chain([root.join("data"), root.to_owned()]) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_left = is_temporary(&name) || name.starts_with(".job-");
            assert!(!is_left && !name.ends_with(".draft"), "{name}");
        }
    }
}

/// Processes with all of these in their command lines.
fn processes(words: &[&str]) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| words.iter().all(|word| command_line(*id).contains(word))).collect()
}

fn command_line(id: i32) -> String {
    let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).into_owned()
}

/// The nearest process above this one that has the word in its command line.
fn above(mut id: i32, word: &str) -> i32 {
    while !command_line(id).contains(word) {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let (_, behind) = stat.rsplit_once(") ").unwrap();
        id = behind.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(id > 1, "no {word}");
    }
    id
}

fn kill(id: i32) {
    kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
}

/// The folder of the part whose list has the file that stalls.
fn stalled_part(root: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(root.join("parts")).ok()?;
    folders.map(|entry| entry.unwrap().path()).find(|folder| {
        let list = std::fs::read_to_string(folder.join("list.jsonl"));
        list.is_ok_and(|list| list.contains(STALLED))
    })
}

/// Waits as [`eventually`] does, several times as long: it takes Spark that long to start.
fn in_time(running: &mut Running, mut is_so: impl FnMut() -> bool) {
    let is_reached = (0..5).any(|_| {
        eventually(|| {
            assert!(running.is_running(), "it ended: {}", running.stderr());
            is_so()
        })
    });
    assert!(is_reached, "{}", running.stderr());
}

/// Waits until shards of the part whose file stalls have their names and rows: the rows.
fn recorded_before_the_stall(list: &List, running: &mut Running, root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    in_time(running, || {
        let Some(part) = stalled_part(root).filter(|_| list.is_stalled()) else { return false };
        found = recorded(&part.join("report.jsonl"));
        found.len() >= FILES / 2
    });
    found
}

#[test]
fn a_killed_executor_costs_nothing_twice() {
    let Some(python) = python_path() else { return };
    if command("java").arg("-version").output().is_err() {
        return skip("java is missing");
    }
    let list = List::new();
    let sandbox = Sandbox::new();
    let line = |url| format!("{}\n", serde_json::json!({"url": url, "status": "kept"}));
    let lines: String = list.paths.keys().map(line).collect();
    std::fs::write(sandbox.path("list.jsonl"), lines).unwrap();
    let job = sandbox.pull().under(python.to_str().unwrap(), ["-c", JOB]);
    let mut running = job.env("RINGPULL_SCRIPTS", SCRIPTS).spawn();
    let root = sandbox.path("set");
    let recorded = recorded_before_the_stall(&list, &mut running, &root);
    let part = stalled_part(&root).unwrap();
    let [pull] = processes(&["ringpull", part.join("report.jsonl").to_str().unwrap()])[..] else {
        panic!("not one process for {}", part.display());
    };
    kill(above(pull, "CoarseGrainedExecutorBackend"));

    in_time(&mut running, || sandbox.path("first").exists());
    assert_eq!(list.asked(&list.hosts[0].http(&format!("{STALLED}?first=1&stall=10"))), 2);
    list.assert_asked(&recorded);
    let asked = list.asked_in_all();
    let first = std::fs::read_to_string(sandbox.path("first")).unwrap();
    assert_rows(&list, &rows(&first));
    assert!(rows(&first).iter().all(|row| row["list_status"] == "kept"), "{first}");
    assert_set(&list, &root);

    // Evaluated again, and submitted again: no request.
    in_time(&mut running, || sandbox.path("second").exists());
    let second = std::fs::read_to_string(sandbox.path("second")).unwrap();
    let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(sorted(&first), sorted(&second));
    in_time(&mut running, || root.join("rows.parquet/_SUCCESS").exists());
    let mut last = String::new();
    in_time(&mut running, || {
        last = std::fs::read_to_string(sandbox.path("stdout")).unwrap();
        last.contains("no-such-program")
    });
    assert_eq!(list.asked_in_all(), asked);
    running.wait().assert_code(0);
    assert!(last.contains(&format!("ok: {}\n", list.paths.len())), "{last}");
    for refusal in [
        "refused: no column 'link'; there are: status, url",
        "set was begun with parts=4, not 5",
        "refused: --fresh is set by the job itself",
        "status 2, not begun\nerror: unexpected argument '--no-such-option' found\n\nUsage",
        "the DataFrame is not the one that this output was begun with",
        "has no program no-such-program: ship it",
    ] {
        assert!(last.contains(refusal), "{refusal}\n{last}");
    }
}

/// One attempt at a part, without Spark.
const ATTEMPT: &str = "
import json, os, pathlib, sys
sys.path.insert(0, os.environ['RINGPULL_SCRIPTS'])
from pyspark import SparkFiles
import spark_pull
SparkFiles._is_running_on_worker = True
SparkFiles._root_directory = os.path.dirname(sys.argv[1])
root = pathlib.Path('set').absolute()
job = spark_pull.Job(str(root), spark_pull._begin(root, {}), 'run', 'ringpull', 'url', [],
                     'webdataset', ['--shard-files', '2', '--speed-limit', '0'])
names = spark_pull._schema([]).fieldNames()
for row in job.pull_part(0, open('list.jsonl').read().splitlines()):
    print(json.dumps(dict(zip(names, row))))
";

#[test]
fn of_attempts_at_a_part_one_works_and_the_next_goes_on() {
    let Some(python) = python_path() else { return };
    let list = List::new();
    let (sandbox, other) = (Sandbox::new(), Sandbox::new());
    let lines: String = list.paths.keys().map(|url| format!("{{\"url\": \"{url}\"}}\n")).collect();
    for folder in [&sandbox, &other] {
        std::fs::write(folder.path("list.jsonl"), &lines).unwrap();
    }
    let root = sandbox.path("set");
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(&root, other.path("set")).unwrap();
    let attempt = |sandbox: &Sandbox| {
        let pull = sandbox.pull().under(python.to_str().unwrap(), ["-c", ATTEMPT]);
        pull.env("RINGPULL_SCRIPTS", SCRIPTS).spawn()
    };
    let mut first = attempt(&sandbox);
    let recorded = recorded_before_the_stall(&list, &mut first, &root);
    let mut second = attempt(&other);
    let id = second.id().to_string();
    in_time(&mut second, || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let waits = |line: &str| line.contains("->") && line.split(' ').any(|word| word == id);
        locks.lines().any(waits)
    });
    first.signal(Signal::KILL);
    let done = second.wait();
    done.assert_code(0);
    list.assert_asked(&recorded);
    let asked = list.asked_in_all();
    assert_eq!(rows(&done.stdout).len(), list.paths.len());
    assert_set(&list, &root);
    assert_eq!(attempt(&sandbox).wait().stdout, done.stdout);
    assert_eq!(list.asked_in_all(), asked);
}

#[test]
fn the_columns_of_a_job_are_those_of_a_report() {
    let script = "import sys; sys.path.insert(0, sys.argv[1]); import spark_pull; \
                  print(','.join(spark_pull.REPORT))";
    let Some(columns) = python(script, [SCRIPTS]) else { return };
    let sandbox = Sandbox::new();
    sandbox.pull().list(["nonsense"]).run();
    let report = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
    assert_eq!(report.lines().next().unwrap(), columns.trim_end());
}
