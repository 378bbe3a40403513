//! kill -9 at any time: a final name is always a whole file, a row that says so is true, and the
//! next run makes the rest.

use crate::cmd::{Sandbox, eventually};
use crate::swarm::{After, Swarm, body, mix, send_length};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};

const FILES: u64 = 1_000;
const KILLS: u64 = 20;

/// Most are small, some are longer than any buffer, a few take their time.
fn len(number: u64) -> usize {
    let random = usize::try_from(mix(number) >> 40).unwrap();
    match number % 50 {
        0 => 4_000_000 + random % 1_000_000,
        1..=9 => 100_000 + random % 400_000,
        _ => random % 30_000,
    }
}

/// The file `number` as it is in round `round`: every round has another one.
fn content(number: u64, round: u64) -> &'static [u8] {
    body(number * 100 + round, len(number))
}

/// Serves `/ROUND/fNUMBER`.
fn serve() -> Swarm {
    Swarm::start(|path, to| {
        let mut parts = path.split(['/', 'f']).filter_map(|part| part.parse().ok());
        let (round, number) = (parts.next().unwrap(), parts.next().unwrap());
        send_length(to, "200 OK", "", content(number, round))?;
        Ok(After::Keep)
    })
}

fn urls(server: &Swarm, round: u64) -> Vec<String> {
    (0..FILES)
        .map(|number| format!("http://127.0.0.1:{}/{round}/f{number}", server.port()))
        .collect()
}

/// Every name but those of unfinished files is a whole file of some round up to this one; gives
/// that round by number.
fn assert_whole(sandbox: &Sandbox, round: u64) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    for (name, bytes) in sandbox.files() {
        let number = name.strip_prefix('f').and_then(|number| number.parse().ok());
        let number = number.unwrap_or_else(|| panic!("{name} was never asked for"));
        let of = (0..=round).rev().find(|round| bytes == content(number, *round));
        let of = of.unwrap_or_else(|| panic!("{name} is not whole: {} bytes", bytes.len()));
        found.insert(number, of);
    }
    found
}

/// Numbers that the report of this round calls done. Its last line may be torn.
fn reported(sandbox: &Sandbox) -> BTreeSet<u64> {
    let text = std::fs::read_to_string(sandbox.path("report.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let rows = whole.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.filter(|row: &serde_json::Value| row["status"] == "ok")
        .map(|row| row["index"].as_u64().unwrap() - 1)
        .collect()
}

#[test]
fn a_killed_run_leaves_whole_files_and_the_next_one_makes_the_rest() {
    let server = serve();
    let sandbox = Sandbox::new();
    let mut random = fastrand::Rng::with_seed(9);
    for round in 0..KILLS {
        // Every other round takes what is there as it is, and the rest replaces it.
        let is_adding = round % 2 == 1;
        let mode = ["auto", "sync", "ring", "chain"][usize::try_from(round / 2 % 4).unwrap()];
        let before = assert_whole(&sandbox, round);
        let asked = server.requests();
        let pull = sandbox.pull().report("report.jsonl").args(["--file-ops", mode]);
        let pull = pull.args(if is_adding { &["--no-clobber"][..] } else { &[] });
        let mut running = pull.list(urls(&server, round)).spawn();
        let until = asked + random.usize(0..40);
        assert!(eventually(|| server.requests() >= until || !running.is_running()));
        std::thread::sleep(std::time::Duration::from_micros(random.u64(0..3_000)));
        running.signal(Signal::KILL);
        assert!(eventually(|| !running.is_running()));
        drop(running);

        let after = assert_whole(&sandbox, round);
        for (number, of) in &before {
            let is_kept = after.get(number) == Some(of);
            let is_replaced = !is_adding && after.get(number) == Some(&round);
            assert!(is_kept || is_replaced, "f{number} of round {of} is {:?}", after.get(number));
        }
        for number in reported(&sandbox) {
            assert_eq!(after.get(&number), Some(&round), "f{number} was told to be done");
        }
    }
    let left = assert_whole(&sandbox, KILLS);
    assert!(!left.is_empty() && left.len() < usize::try_from(FILES).unwrap(), "{}", left.len());

    let done = sandbox.pull().arg("--no-clobber").list(urls(&server, KILLS)).run();
    done.assert_code(0);
    let whole = assert_whole(&sandbox, KILLS);
    assert_eq!(whole.len() as u64, FILES);
    for number in 0..FILES {
        assert_eq!(whole[&number], left.get(&number).copied().unwrap_or(KILLS), "f{number}");
    }
    let skipped = done.rows.iter().filter(|row| row["status"] == "skipped").count();
    assert_eq!(skipped, left.len());
}
