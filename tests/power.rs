//! Power cuts in the middle of runs, and disks that are lost: what is left in the end is what the
//! server has, byte for byte, and nothing else.
//!
//! Twenty rounds on ext4 and xfs in loop devices, within a mount namespace. By itself, with more
//! rounds: `RINGPULL_POWER_ROUNDS=200 cargo test --features shim --test power -- --nocapture`;
//! `RINGPULL_POWER_SYNC_MS=5000` leaves the interval of syncs as it is.

#[allow(dead_code, reason = "shared with tests/it, which needs more of it")]
#[path = "it/cmd.rs"]
mod cmd; // says what is skipped, and waits
#[path = "power/machine.rs"]
mod machine; // a machine whose power can be cut
#[allow(dead_code, reason = "shared with tests/it, which needs more of it")]
#[path = "it/sockets.rs"]
mod sockets; // the limit of descriptors
#[allow(dead_code, reason = "shared with tests/soak, which needs more of it")]
#[path = "soak/swarm.rs"]
mod swarm; // a server that answers by number

use cmd::{command, eventually, skip, skip_forbidden};
use machine::{Cut, Kind, Machine};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use swarm::{After, Swarm, body, mix, send_length};

/// Lines of a list.
const FILES: u64 = 240;
/// Of so many lines one has a name that is somebody else's file.
const OTHERS_ONE_IN: u64 = 40;
const OTHER: &[u8] = b"somebody else's";

/// Three of four are of 700 kB; the rest fit one buffer, and have no name while they are written.
fn content(number: u64) -> &'static [u8] {
    let short = usize::try_from(mix(number) % 30_000).unwrap();
    body(number, if number.is_multiple_of(4) { short } else { 700_000 })
}

/// What is done about names, and where files go.
const MODES: [&[&str]; 5] = [
    &[],
    &["--no-clobber"],
    &["--on-conflict", "rename"],
    &["--dirs", "hash:2/2"],
    &["--dirs", "hash:2/2", "--no-clobber"],
];

/// One round: its machine, and its command.
struct Round<'s> {
    machine: Machine,
    server: &'s Swarm,
    mode: &'static [&'static str],
    report: &'static str,
    is_report_safe: bool,
    random: fastrand::Rng,
    /// Files that had the right length after a cut, and nothing of their content.
    hollow: usize,
    cuts: usize,
}

impl Round<'_> {
    fn out(&self) -> PathBuf {
        self.machine.root().join("out")
    }

    /// It is on the disk that is cut, or on another one that is not: then it knows of all files.
    fn report(&self) -> PathBuf {
        match self.is_report_safe {
            true => self.machine.beside(self.report),
            false => self.machine.root().join(self.report),
        }
    }

    /// Whether files that exist are kept, of which some are somebody else's.
    fn keeps(&self) -> bool {
        self.mode.iter().any(|arg| matches!(*arg, "--no-clobber" | "rename"))
            && !self.mode.contains(&"--dirs")
    }

    fn others(&self) -> BTreeSet<PathBuf> {
        let numbers = (0..FILES).filter(|number| self.keeps() && number % OTHERS_ONE_IN == 3);
        numbers.map(|number| self.out().join(format!("f{number}"))).collect()
    }

    fn spawn(&self) -> Child {
        let mut command = command(env!("CARGO_BIN_EXE_ringpull"));
        command.arg("-i").arg(self.machine.beside("list"));
        command.arg("-d").arg(self.out()).arg("--report").arg(self.report());
        // Slow enough for syncs to be under way all the time. What was in flight when a disk was
        // lost has failed.
        command.args(["-x", "16", "--limit-rate", "300M", "--retry-failed"]).args(self.mode);
        let sync_ms = std::env::var("RINGPULL_POWER_SYNC_MS").unwrap_or_else(|_| "150".to_owned());
        command.env("RINGPULL_SHIM_SYNC_MS", sync_ms);
        let told = File::create(self.machine.beside("told")).unwrap();
        command.stdout(Stdio::null()).stderr(told).spawn().unwrap()
    }

    /// Runs until so many files more were asked for, unless it ends before.
    fn run_for(&self, requests: usize) -> Child {
        let until = self.server.requests() + requests;
        let mut child = self.spawn();
        let is_over = |child: &mut Child| child.try_wait().unwrap().is_some();
        assert!(eventually(|| self.server.requests() >= until || is_over(&mut child)));
        child
    }

    /// Takes the run down in the middle of its work.
    fn cut(&mut self, requests: usize, cut: Option<Cut>) {
        let mut child = self.run_for(requests);
        if cut.is_some() {
            self.machine.stop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(cut) = cut {
            self.machine.restart(cut);
            self.cuts += 1;
            self.hollow += self.hollow();
        }
    }

    fn hollow(&self) -> usize {
        let tree = tree(&self.out());
        let is_hollow = |name: &String, bytes: &Vec<u8>| {
            number_of(name).is_some_and(|number| {
                bytes != content(number) && bytes.len() == content(number).len()
            })
        };
        tree.iter().filter(|(path, bytes)| is_hollow(&name_of(path), bytes)).count()
    }

    /// The last row of each line by its number: status and path.
    fn rows(&self) -> BTreeMap<u64, (String, PathBuf)> {
        let text = std::fs::read_to_string(self.report()).unwrap();
        let mut rows = BTreeMap::new();
        if self.report.ends_with("csv") {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            for row in reader.deserialize() {
                let row: cmd::Row = row.unwrap();
                let index: u64 = row["index"].parse().unwrap();
                rows.insert(index - 1, (row["status"].clone(), row["filename"].clone().into()));
            }
        } else {
            for line in text.lines() {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
                let index = row["index"].as_u64().unwrap();
                rows.insert(index - 1, (text("status"), text("filename").into()));
            }
        }
        rows
    }

    /// Runs to the end. What is wrong then, in words.
    fn finish(&self) -> Vec<String> {
        let status = self.spawn().wait().unwrap();
        let told = std::fs::read_to_string(self.machine.beside("told")).unwrap();
        assert!(status.success(), "{status}: {told}");
        let asked = self.server.requests();
        assert!(self.spawn().wait().unwrap().success());
        assert_eq!(self.server.requests(), asked, "asked again for what is done");
        let (rows, mut tree, others) = (self.rows(), tree(&self.out()), self.others());
        let mut wrong = Vec::new();
        for other in &others {
            if tree.get(other).map(Vec::as_slice) != Some(OTHER) {
                wrong.push(format!("{} was somebody else's", other.display()));
            }
        }
        for number in 0..FILES {
            let Some((status, path)) = rows.get(&number) else {
                wrong.push(format!("{number} has no row"));
                continue;
            };
            let found = tree.remove(path);
            let wanted = if others.contains(path) { OTHER } else { content(number) };
            let wanted_status = if others.contains(path) { "skipped" } else { "ok" };
            if found.as_deref() != Some(wanted) || status != wanted_status {
                let length = found.map(|bytes| bytes.len());
                wrong.push(format!("{number} {status} {}: {length:?} bytes", path.display()));
            }
        }
        let strays = tree.keys().filter(|path| !others.contains(*path));
        wrong.extend(strays.map(|path| format!("{} is left over", path.display())));
        wrong
    }
}

fn say(text: &str) {
    writeln!(std::io::stderr().lock(), "{text}").unwrap();
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The number in the name of a file, whatever was appended to it.
fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix('f')?.split('.').next()?.parse().ok()
}

/// Everything beneath a directory, by path, with its content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut pending, mut found) = (vec![dir.to_owned()], BTreeMap::new());
    while let Some(at) = pending.pop() {
        // The directory itself may be lost.
        let Ok(entries) = std::fs::read_dir(at) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

/// Makes a machine with a list, and files of somebody else that are on its disk.
fn begin(server: &Swarm, number: usize, seed: u64) -> Round<'_> {
    let kind = if number.is_multiple_of(2) { Kind::Ext4 } else { Kind::Xfs };
    let machine = Machine::start(kind);
    let mut list = File::create(machine.beside("list")).unwrap();
    for number in 0..FILES {
        writeln!(list, "http://127.0.0.1:{}/f{number}", server.port()).unwrap();
    }
    let round = Round {
        machine,
        server,
        mode: MODES[number / 2 % MODES.len()],
        report: if number.is_multiple_of(3) { "report.csv" } else { "report.jsonl" },
        is_report_safe: number / 4 % 2 == 1,
        random: fastrand::Rng::with_seed(seed.wrapping_add(number as u64)),
        hollow: 0,
        cuts: 0,
    };
    std::fs::create_dir(round.out()).unwrap();
    round.others().iter().for_each(|path| std::fs::write(path, OTHER).unwrap());
    machine::run("sync", &[&"-f", &round.machine.root()]);
    round
}

/// One round: a run that is cut, runs that take it up again and are cut or killed too, and one that
/// is not. What is wrong then; and how many rows of files were not believed.
fn round(server: &Swarm, number: usize, seed: u64) -> (Vec<String>, usize) {
    let mut round = begin(server, number, seed);
    let files = usize::try_from(FILES).unwrap();
    let requests = round.random.usize(20..files);
    round.cut(requests, Some(Cut::Power));
    for _ in 0..number / 2 % 4 {
        let how = [Some(Cut::Power), Some(Cut::Disk), None][round.random.usize(0..3)];
        let requests = round.random.usize(0..files / 2);
        round.cut(requests, how);
    }
    let wrong = round.finish();
    let lost = std::fs::read_to_string(round.report()).unwrap().matches("disk.lost").count();
    let Round { mode, hollow, cuts, .. } = &round;
    let kind = if number.is_multiple_of(2) { "ext4" } else { "xfs" };
    let count = wrong.len();
    say(&format!(
        "round {number}: {kind} {mode:?}: {cuts} cuts left {hollow} files hollow; {lost} rows not \
         believed, {count} files wrong in the end"
    ));
    (wrong, lost)
}

#[test]
#[ignore = "it mounts: the test below gives it a mount namespace"]
fn rounds() {
    // Nothing is mounted for anybody else, however this is called.
    let is_apart = std::env::var(OUTSIDE).is_ok_and(|outside| outside != namespace());
    assert!(is_apart, "this is for twenty_cuts_leave_no_file_wrong to call");
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let server = Swarm::start(|path, to| {
        let number = number_of(&path[1..]).unwrap();
        send_length(to, "200 OK", "", content(number))?;
        Ok(After::Keep)
    });
    let (mut wrong, mut lost) = (Vec::new(), 0);
    let rounds = number("RINGPULL_POWER_ROUNDS", 20);
    for round_number in 0..usize::try_from(rounds).unwrap() {
        let seed = number("RINGPULL_POWER_SEED", 7);
        let (of_round, lost_of_round) = round(&server, round_number, seed);
        wrong.extend(of_round.into_iter().map(|what| format!("round {round_number}: {what}")));
        lost += lost_of_round;
    }
    say(&format!("{rounds} rounds: {lost} rows not believed, {} files wrong", wrong.len()));
    assert!(lost > 0, "no cut ever came between a row and its file");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn twenty_cuts_leave_no_file_wrong() {
    for program in ["mkfs.ext4", "mkfs.xfs", "xfs_io"] {
        if command(program).arg("-V").output().is_err() {
            return skip(&format!("{program} is missing"));
        }
    }
    let probe = "d=$(mktemp -d) && mount -t tmpfs none $d && umount $d && rmdir $d && losetup -f";
    let probe = command("unshare").args(["-m", "sh", "-c", probe]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return skip_forbidden("mounts or loop devices are not permitted here");
    }
    let mut rounds = command("unshare");
    rounds.envs(std::env::vars().filter(|(name, _)| name.starts_with("RINGPULL_POWER_")));
    rounds.env(OUTSIDE, namespace());
    rounds.arg("-m").arg(std::env::current_exe().unwrap());
    rounds.args(["--exact", "rounds", "--ignored", "--nocapture"]);
    assert!(rounds.status().unwrap().success());
}

/// The mount namespace of this process.
fn namespace() -> String {
    std::fs::read_link("/proc/self/ns/mnt").unwrap().display().to_string()
}

/// Names the mount namespace that nothing is to be mounted in.
const OUTSIDE: &str = "RINGPULL_POWER_OUTSIDE";
