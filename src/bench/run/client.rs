//! One repetition: a process of ringpull with a fresh directory, and what the kernel and its own
//! statistics say about it.

use super::{End, foreign};
use crate::bench::cell::{self, Place, Server};
use crate::bench::config::BenchConfig;
use crate::bench::environment::TMPFS;
use crate::bench::events;
use crate::bench::matrix::{Cell, Dest};
use crate::bench::results::{Events, Repetition};
use crate::bench::scratch::{Scratch, remove};
use crate::bench::server::Origin;
use crate::error::RunError;
use crate::ring::child::{Child, Ended};
use anyhow::Context as _;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What came of one repetition.
pub(super) enum Outcome {
    /// A repetition that counts.
    Measured(Box<Repetition>),
    /// The program ended with an error, which another repetition would not change.
    Refused(String),
    /// The whole run is over.
    Over(End),
}

/// All that repetitions share.
pub(super) struct Clients {
    pub(super) program: PathBuf,
    /// Directories that take files, by where they are.
    dests: BTreeMap<PathBuf, Scratch>,
    pub(super) origin: Option<Origin>,
    pub(super) scratch: Scratch,
    pub(super) server: Server,
    /// Words of the last repetition.
    pub(super) argv: Vec<String>,
    options: Vec<String>,
    secrets: Vec<String>,
    cpus: Vec<usize>,
    stop: Arc<AtomicBool>,
    /// Files of the last repetition, by its own count.
    files: u64,
    /// Whether its list was over before its time was.
    pub(super) is_list_over: bool,
}

/// What a run says of itself (`--stats`).
#[derive(Debug, Deserialize)]
struct Stats {
    successes: u64,
    failed_to_download: u64,
    bytes: u64,
    end: String,
    status_dict: BTreeMap<String, u64>,
    time_total: Percentiles,
    /// From when each request was due to its end, and to its begin.
    time_due: Option<Percentiles>,
    time_late: Option<Percentiles>,
}

impl Stats {
    /// Whether the run was ended by its time, and all that had begun by then was pulled.
    fn is_time_over(&self) -> bool {
        self.end == "max_duration" && self.failed_to_download == 0
    }
}

#[derive(Debug, Deserialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    p9999: f64,
    max: f64,
}

impl Clients {
    /// Makes the directories and starts the origin, where it is needed.
    pub(super) fn start(
        program: PathBuf,
        config: &BenchConfig,
        cpus: Vec<usize>,
        cpus_origin: &[usize],
        stop: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let scratch = Scratch::within(&config.temporary)?;
        let (origin, server) = match foreign(&config.source) {
            Some(server) => (None, server),
            None => {
                let (origin, server) = Origin::start(&program, &scratch, cpus_origin)?;
                (Some(origin), server)
            }
        };
        Ok(Self {
            program,
            dests: BTreeMap::new(),
            origin,
            scratch,
            server,
            argv: Vec::new(),
            options: options(config),
            secrets: config.secrets.clone(),
            cpus,
            stop,
            files: 0,
            is_list_over: false,
        })
    }

    /// Runs a cell once, for a list of so many files and at most so long; under perf where kernel
    /// events are counted into a file.
    pub(super) fn run(
        &mut self,
        cell: &Cell,
        (files, time): (u64, Option<Duration>),
        counted: Option<&Path>,
    ) -> anyhow::Result<Outcome> {
        let list = self.list(cell, files)?;
        let dir = self.dir(cell)?;
        let (stats, log) = (self.scratch.path("stats.json"), self.scratch.path("stderr"));
        // Those of the repetition before are not to be taken for this one's.
        let _: std::io::Result<()> = fs::remove_file(&stats);
        let words = cell::words(
            cell,
            Place { list: &list, stats: &stats, dir: &dir, time },
            &self.server,
            &self.options,
        );
        let shown = words.iter().map(|word| {
            let word = word.to_string_lossy().into_owned();
            self.secrets.iter().fold(word, |word, secret| word.replace(secret, "***"))
        });
        self.argv = shown.collect();
        let mut command = match counted {
            None => Command::new(&self.program),
            Some(out) => {
                let mut command = Command::new(events::PERF);
                command.args(events::words(out)).arg(&self.program);
                command
            }
        };
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log).with_context(|| cannot_use(&log))?);
        let outcome = self.watch(command, cell, &stats, &log)?;
        remove(&dir).with_context(|| cannot_use(&dir))?;
        Ok(outcome)
    }

    /// What perf has counted of the last repetition.
    pub(super) fn events(&self, out: &Path) -> Option<Events> {
        let counts = events::parse(&fs::read_to_string(out).ok()?);
        Some(Events { files: self.files, counts })
    }

    fn watch(
        &mut self,
        command: Command,
        cell: &Cell,
        stats: &Path,
        log: &Path,
    ) -> anyhow::Result<Outcome> {
        let server_before = self.origin.as_ref().and_then(Origin::cpu_time);
        let begun = Instant::now();
        let mut child = Child::start(command, &self.cpus[..cell.cores])
            .context("cannot start the program that is measured")?;
        let mut workers = Workers::default();
        let ended = loop {
            if let Some(ended) = child.wait(LOOK_INTERVAL).context("cannot wait for a program")? {
                break ended;
            }
            workers.look(child.id());
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Outcome::Over(End::Interrupted));
            }
            if self.origin.as_mut().is_some_and(Origin::is_dead) {
                return Ok(Outcome::Over(origin_has_ended()));
            }
            if begun.elapsed() > REPETITION_MAX {
                let seconds = REPETITION_MAX.as_secs();
                return Ok(Outcome::Refused(format!("killed: not over after {seconds} s")));
            }
        };
        let server_after = self.origin.as_ref().and_then(Origin::cpu_time);
        let text = fs::read_to_string(stats).ok();
        let stats = text.and_then(|text| serde_json::from_str::<Stats>(&text).ok());
        let server = server_before.zip(server_after).map(|(before, after)| after - before);
        match stats {
            Some(stats) if ended.status.success() || stats.is_time_over() => {
                self.files = stats.successes;
                self.is_list_over = !stats.is_time_over();
                let measured = repetition(&ended, &stats, workers.total(), server);
                Ok(Outcome::Measured(Box::new(measured)))
            }
            stats => Ok(self.judge(&ended, cell, stats.as_ref(), log)),
        }
    }

    /// Why the program ended with an error: its own reason, or one that ends the whole run.
    fn judge(&mut self, ended: &Ended, cell: &Cell, stats: Option<&Stats>, log: &Path) -> Outcome {
        if self.stop.load(Ordering::Relaxed) {
            return Outcome::Over(End::Interrupted);
        }
        if self.origin.as_mut().is_some_and(Origin::is_dead) {
            return Outcome::Over(origin_has_ended());
        }
        let is_full = |stats: &Stats| {
            let codes = ["disk.enospc", "disk.edquot"];
            stats.end == "disk_full"
                || codes.iter().any(|code| stats.status_dict.contains_key(*code))
        };
        if stats.is_some_and(is_full) {
            let dest = cell.setting("dest").unwrap_or("tmpfs");
            return Outcome::Over(End::DiskFull(format!("dest={dest} is full")));
        }
        let told = fs::read_to_string(log).unwrap_or_default();
        let why = reason(&told).unwrap_or_else(|| ended.status.to_string());
        let is_silent = stats.is_some_and(|stats| stats.successes == 0);
        if is_silent && ended.status.code() == Some(STATUS_NETWORK) {
            return Outcome::Over(End::ServerDead(format!("the server answers nothing ({why})")));
        }
        let failed = stats.map_or(0, |stats| stats.failed_to_download);
        let files = if failed > 0 { format!("{failed} files failed: ") } else { String::new() };
        Outcome::Refused(format!("{files}{why}"))
    }

    /// The list of so many files, which stays for the cells that have the same one.
    fn list(&self, cell: &Cell, files: u64) -> anyhow::Result<PathBuf> {
        let name = format!("list-{}-{}-{files}.txt", cell.size, u8::from(cell.is_tls));
        let path = self.scratch.path(&name);
        if !path.exists() {
            let text = cell::list(cell, &self.server, files);
            fs::write(&path, text).with_context(|| cannot_use(&path))?;
        }
        Ok(path)
    }

    /// A directory that is not there yet.
    fn dir(&mut self, cell: &Cell) -> anyhow::Result<PathBuf> {
        let base = match &cell.dest {
            Dest::Discard => return Ok(self.scratch.path("nothing")),
            Dest::Tmpfs => Path::new(TMPFS),
            Dest::Directory(path) => path,
        };
        if !self.dests.contains_key(base) {
            self.dests.insert(base.to_owned(), Scratch::within(base)?);
        }
        Ok(self.dests[base].path("files"))
    }
}

/// Options of ringpull for all cells.
fn options(config: &BenchConfig) -> Vec<String> {
    let rate =
        config.rate.iter().flat_map(|rate| ["--open-loop".to_owned(), format!("--rate={rate}")]);
    rate.chain(config.options.iter().cloned()).collect()
}

fn origin_has_ended() -> End {
    End::ServerDead("the origin has ended".to_owned())
}

/// The line of standard error that says why a program ended: that of a usage error, which hints
/// follow, or the last one.
fn reason(told: &str) -> Option<String> {
    let mut lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    let usage = lines.clone().find_map(|line| line.strip_prefix("error: "));
    let last = || lines.next_back().map(|line| line.strip_prefix("ringpull: ").unwrap_or(line));
    usage.or_else(last).map(str::to_owned)
}

fn cannot_use(path: &Path) -> RunError {
    RunError::local_file(format!("cannot use {}", path.display()))
}

fn repetition(
    ended: &Ended,
    stats: &Stats,
    workers: Duration,
    server: Option<Duration>,
) -> Repetition {
    let usage = ended.usage;
    let (due, late) = (stats.time_due.as_ref(), stats.time_late.as_ref());
    Repetition {
        wall_s: ended.wall.as_secs_f64(),
        user_s: usage.user.as_secs_f64(),
        system_s: usage.system.as_secs_f64(),
        iowq_s: workers.as_secs_f64(),
        switches_voluntary: usage.switches_voluntary,
        switches_involuntary: usage.switches_involuntary,
        faults_minor: usage.faults_minor,
        faults_major: usage.faults_major,
        resident_peak_bytes: usage.resident_peak_bytes,
        files: stats.successes,
        bytes: stats.bytes,
        failures: stats.failed_to_download,
        latency_p50_s: stats.time_total.p50,
        latency_p90_s: stats.time_total.p90,
        latency_p99_s: stats.time_total.p99,
        latency_p999_s: stats.time_total.p999,
        latency_p9999_s: stats.time_total.p9999,
        due_p50_s: due.map(|due| due.p50),
        due_p90_s: due.map(|due| due.p90),
        due_p99_s: due.map(|due| due.p99),
        due_p999_s: due.map(|due| due.p999),
        due_p9999_s: due.map(|due| due.p9999),
        late_p99_s: late.map(|late| late.p99),
        late_max_s: late.map(|late| late.max),
        server_cpu_s: server.map(|time| time.as_secs_f64()),
    }
}

/// CPU time of the kernel's workers for io_uring, which are threads of the process and gone with
/// it: what was seen of each the last time it was looked at.
#[derive(Debug, Default)]
struct Workers {
    /// By number of the thread; none of another kind.
    seen: HashMap<u32, Option<Duration>>,
}

impl Workers {
    fn look(&mut self, process: i32) {
        let tasks = format!("/proc/{process}/task");
        for entry in fs::read_dir(&tasks).into_iter().flatten().flatten() {
            let Some(task) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let file = |name: &str| fs::read_to_string(format!("{tasks}/{task}/{name}"));
            let time = self.seen.entry(task).or_insert_with(|| {
                let is_worker = file("comm").is_ok_and(|comm| comm.starts_with("iou-wrk-"));
                is_worker.then_some(Duration::ZERO)
            });
            if let (Some(time), Ok(told)) = (time, file("schedstat")) {
                *time = on_cpu(&told).unwrap_or(*time);
            }
        }
    }

    fn total(&self) -> Duration {
        self.seen.values().flatten().sum()
    }
}

/// Time on a CPU, from the first number of `schedstat`, which is in nanoseconds.
fn on_cpu(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// How often a program under way is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Longest repetition.
const REPETITION_MAX: Duration = Duration::from_secs(300);
/// Exit status of a program that found no network.
const STATUS_NETWORK: i32 = crate::exit::ExitStatus::Network as i32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_an_end_is_one_line() {
        for (told, expected) in [
            ("", None),
            (
                "error: invalid value 'x'\n  [possible values: a]\n\nFor more, try\n",
                Some("invalid value 'x'"),
            ),
            (
                "ringpull: warning: w\nringpull: cannot do it: because\n\n",
                Some("cannot do it: because"),
            ),
            ("thread panicked\n", Some("thread panicked")),
        ] {
            assert_eq!(reason(told).as_deref(), expected, "{told}");
        }
        assert_eq!(on_cpu("12345 6 7\n"), Some(Duration::from_nanos(12_345)));
        assert_eq!(on_cpu(""), None);
    }
}
