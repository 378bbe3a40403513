//! A large file whose run is killed again and again, and which changes in between: it comes to its
//! end as one version, and a kill costs no more than what the help says.

use crate::cmd::{Sandbox, eventually};
use crate::large_origin::LargeFile;
use crate::long::record;
use crate::origin::serve;
use ringpull::plan::partial::Record;
use rustix::process::Signal;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// Length of the file, unless `RINGPULL_TEST_KILLED_MIB` has another one, 256 at least.
const LEN: u64 = 1_024 * MIB;
const KILLS: u64 = 50;
/// The kill after which the file changes.
const CHANGE_AT: u64 = 10;
/// What a kill may cost, as `ringpull help large` has it.
const LOSS_MAX: u64 = 2 * MIB;

fn len() -> u64 {
    let mib = std::env::var("RINGPULL_TEST_KILLED_MIB").ok();
    mib.map_or(LEN, |mib| mib.parse::<u64>().expect("a number of MiB") * MIB)
}

/// A place for so many bytes: in memory where there is room for them twice.
fn place_for(len: u64) -> PathBuf {
    let shm = Path::new("/dev/shm");
    let is_memory = rustix::fs::statfs(shm).is_ok_and(|fs| fs.f_type == TMPFS_MAGIC);
    let free = rustix::fs::statvfs(shm).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
    let is_used = is_memory && free / 2 > len && tempfile::tempfile_in(shm).is_ok();
    if is_used { shm.to_owned() } else { std::env::temp_dir() }
}

/// Has a run of `file` begin, and kills it when its record has so many bytes of a version that is
/// not `before`'s if the file `has_changed`. Gives the record that is left.
fn kill_at(
    sandbox: &Sandbox,
    (file, args): (&LargeFile<'_>, &[&str]),
    before: &Record,
    (has_changed, more): (bool, u64),
) -> Record {
    let mut running = sandbox.pull().again().args(args).arg(file.url()).spawn();
    let wanted = more + if has_changed { 0 } else { before.written.len_total() };
    let out = sandbox.out();
    let is_there = eventually(|| {
        assert!(running.is_running(), "it ended by itself: {}", running.stderr());
        record(&out, "killed").is_some_and(|now| {
            let is_new = now.validator != before.validator;
            (is_new || !has_changed) && now.written.len_total() >= wanted
        })
    });
    assert!(is_there, "{wanted} bytes do not come: {:?}", record(&out, "killed"));
    running.signal(Signal::KILL);
    drop(running);
    let left = record(&out, "killed").expect("one of its slots is always whole");
    assert!(left.written.len_total() >= wanted, "a record never tells of less than before");
    left
}

/// Kills runs of `file` until it was enough, with a change in between. Gives how much was there of
/// the first version and of the second one.
fn kill_often(sandbox: &Sandbox, of: (&LargeFile<'_>, &[&str]), step: u64) -> (u64, u64) {
    let mut before = Record::default();
    let mut of_first = 0;
    for kill in 1..=KILLS {
        let has_changed = kill == CHANGE_AT + 1;
        if has_changed {
            of.0.change();
            of_first = before.written.len_total();
        }
        before = kill_at(sandbox, of, &before, (has_changed, step));
    }
    (of_first, before.written.len_total())
}

#[test]
fn fifty_kills_and_a_change_cost_what_the_help_says() {
    let len = len();
    let served = serve();
    let sandbox = Sandbox::within(&place_for(len));
    // The runs that are killed get so much that a record must tell of a step, and no byte more; and
    // all of them together less than the file.
    let step = len / (KILLS - CHANGE_AT) * 2 / 3;
    let file = served.file("killed", len).with("first", KILLS).with("stall", step + LOSS_MAX);
    let (of_first, of_second) = kill_often(&sandbox, (&file, &["-s", "1", "--retry", "0"]), step);

    let done = sandbox.pull().again().args(["-s", "1"]).arg(file.url()).run();
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("killed"), 1);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    let row = done.row(&file.url());
    assert_eq!((&*row["resume"], &*row["num_parts"]), ("continued", "1"), "{row:#?}");
    assert_eq!(row["size_resumed"], of_second.to_string(), "{row:#?}");
    assert_eq!(row["size_download"], (len - of_second).to_string(), "{row:#?}");

    let stats = file.stats();
    assert_eq!(stats.requests, KILLS + 1, "one in each run");
    assert_eq!(stats.range_requests, KILLS, "all but the first asked for the rest");
    let bytes_max = len + of_first + KILLS * LOSS_MAX;
    assert!(stats.body_bytes <= bytes_max, "{} of {bytes_max}", stats.body_bytes);
}

#[test]
fn fifty_kills_of_many_connections_leave_one_version() {
    // As long as it takes to be split without being asked to.
    let len = 128 * MIB;
    let served = serve();
    let sandbox = Sandbox::within(&place_for(len));
    let file = served.file("killed", len).with("rate", 4_000_000).with("send-buffer", 65_536);
    let args = ["-k", "1M", "-x", "4"];
    let (_, of_second) = kill_often(&sandbox, (&file, &args), MIB);

    let done = sandbox.pull().again().args(["-s", "16", "-x", "16"]).arg(file.url()).run();
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("killed"), 1);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    let row = done.row(&file.url());
    assert_eq!(row["resume"], "continued", "{row:#?}");
    assert_eq!(row["size_resumed"], of_second.to_string(), "{row:#?}");
    assert_eq!(row["size_download"], (len - of_second).to_string(), "{row:#?}");
}

/// What statfs(2) says of a tmpfs.
const TMPFS_MAGIC: i64 = 0x0102_1994;
