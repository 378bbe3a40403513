//! Fifty times kill -9 and the same command again, on ten thousand files: the tree comes out byte
//! for byte as one run makes it, nothing else is in it, and what was done was not asked for again.
//!
//! By itself: `cargo test --test soak fifty_kills -- --nocapture`.

use crate::cmd::{Sandbox, eventually};
use crate::swarm::{After, Swarm, body, mix, send_length};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const FILES: u64 = 10_000;
const CYCLES: usize = 50;

/// Most are small, some are longer than any buffer, so that they have a temporary name.
fn len(number: u64) -> usize {
    let random = usize::try_from(mix(number) >> 40).unwrap();
    match number % 100 {
        0..=2 => 300_000 + random % 300_000,
        3..=9 => 20_000 + random % 40_000,
        _ => random % 4_000,
    }
}

fn content(number: u64) -> &'static [u8] {
    body(number, len(number))
}

/// Serves `/fNUMBER`, and counts how often each was asked for.
fn serve() -> (Swarm, Arc<Vec<AtomicU32>>) {
    let asked: Arc<Vec<AtomicU32>> = Arc::new((0..FILES).map(|_| AtomicU32::new(0)).collect());
    let counts = Arc::clone(&asked);
    let server = Swarm::start(move |path, to| {
        let number: u64 = path[2..].parse().map_err(std::io::Error::other)?;
        counts[usize::try_from(number).unwrap()].fetch_add(1, Ordering::Relaxed);
        send_length(to, "200 OK", "", content(number))?;
        Ok(After::Keep)
    });
    (server, asked)
}

/// The last status of each line in the report, by its number from 0; and how many rows say ok of
/// it. The last row may be torn.
fn reported(sandbox: &Sandbox) -> BTreeMap<u64, (bool, usize)> {
    let mut lines = BTreeMap::new();
    for row in all_rows(sandbox) {
        let line: &mut (bool, usize) = lines.entry(row["index"].as_u64().unwrap() - 1).or_default();
        line.0 = row["status"] == "ok";
        line.1 += usize::from(line.0);
    }
    lines
}

/// The last row of each line in the report.
fn rows(sandbox: &Sandbox) -> BTreeMap<u64, serde_json::Value> {
    let rows = all_rows(sandbox).into_iter();
    rows.map(|row| (row["index"].as_u64().unwrap() - 1, row)).collect()
}

fn all_rows(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(sandbox.path("report.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything beneath a directory, by path, with its content.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut pending, mut found) = (vec![dir.to_owned()], BTreeMap::new());
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn fifty_kills_end_in_the_tree_of_one_run() {
    let (server, asked) = serve();
    let sandbox = match Path::new("/dev/shm") {
        memory if memory.is_dir() => Sandbox::within(memory),
        _ => Sandbox::new(),
    };
    let urls: Vec<String> =
        (0..FILES).map(|n| format!("http://127.0.0.1:{}/f{n}", server.port())).collect();
    let mut random = fastrand::Rng::with_seed(50);
    let asked_now = || -> Vec<u32> { asked.iter().map(|n| n.load(Ordering::Relaxed)).collect() };
    let pull = |mode: &str| {
        let pull = sandbox.pull().again().report("report.jsonl");
        pull.args(["--dirs", "hash:1/1", "-q", "--file-ops", mode]).list(&urls)
    };
    for cycle in 0..CYCLES {
        let before = reported(&sandbox);
        let counts = asked_now();
        let mode = ["auto", "sync", "ring", "chain"][cycle % 4];
        let mut running = pull(mode).spawn();
        // Most while files come in; some before the first one, while the report is read.
        let until = server.requests() + random.usize(0..300);
        assert!(eventually(|| server.requests() >= until || !running.is_running()));
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..3_000)));
        running.signal(Signal::KILL);
        assert!(eventually(|| !running.is_running()));
        let told = running.stderr();
        drop(running);

        let now = asked_now();
        for (number, (is_ok, _)) in &before {
            let number = usize::try_from(*number).unwrap();
            assert!(!is_ok || now[number] == counts[number], "f{number} was done: {told}");
        }
        let mut rows = rows(&sandbox);
        rows.retain(|number, _| !before.contains_key(number));
        for (number, row) in rows.iter().filter(|(_, row)| row["status"] == "ok") {
            let written = std::fs::read(row["filename"].as_str().unwrap()).unwrap();
            assert!(written == content(*number), "the row of f{number} is not true");
        }
    }
    let left = FILES - reported(&sandbox).len() as u64;
    let asked_again = asked_now().iter().filter(|count| **count > 1).count();
    assert!(left > 0, "the kills came too late");
    let done = pull("auto").run();
    done.assert_code(0);

    let once = Sandbox::new();
    once.pull().args(["--dirs", "hash:1/1"]).list(&urls).run().assert_code(0);
    assert!(tree(&sandbox.out()) == tree(&once.out()), "byte for byte, and nothing else");
    let lines = reported(&sandbox);
    assert_eq!(lines.len() as u64, FILES);
    assert!(lines.values().all(|line| *line == (true, 1)), "each line is ok once, in its last row");
    writeln!(
        std::io::stderr(),
        "{CYCLES} kills, {left} of {FILES} files left for the last run; {asked_again} were asked \
         for again, because a kill came before their rows"
    )
    .unwrap();
    assert!(asked_again > 0, "no kill ever came within a file");
}
