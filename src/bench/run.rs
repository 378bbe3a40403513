//! A run of the bench: which cell is measured when, until all are, or something ends it.

mod client;

use super::cell::{self, Server};
use super::config::{BenchConfig, Source, Work};
use super::environment::{self, TMPFS};
use super::matrix::{Cell, Dest};
use super::results::{CellResult, Protocol, Results};
use super::say::say;
use super::server::Origin;
use super::{csv, events, html, text};
use crate::error::RunError;
use crate::exit::ExitStatus;
use crate::ring::setup;
use anyhow::{Context as _, bail};
use client::{Clients, Outcome};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Why a run is over.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// All was measured.
    Complete,
    /// A signal ended it.
    Interrupted,
    /// The server is there no more, or answers nothing.
    ServerDead(String),
    /// The destination is full.
    DiskFull(String),
}

/// Measures all cells, prints what comes of it on standard output and writes the files.
///
/// # Errors
/// Nothing could be begun, or a file of the results cannot be written.
pub fn run(config: &BenchConfig) -> anyhow::Result<ExitStatus> {
    let stop = Arc::new(AtomicBool::new(false));
    let hangup = (!setup::ignores_hangup()).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        // Asked a second time, it ends at once, and the kernel ends what it has started.
        let status = i32::from(ExitStatus::Interrupted.number());
        signal_hook::flag::register_conditional_shutdown(signal, status, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot catch signals")?;
    }
    for path in config.json.iter().chain(&config.csv).chain(&config.html) {
        // Now, and not after minutes.
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.with_context(|| cannot_write(path))?;
    }
    let mut bench = Bench::new(config, stop)?;
    let end = bench.measure()?;
    let results = bench.results(&end);
    drop(bench);
    if let Some(path) = &config.json {
        let mut json = serde_json::to_string_pretty(&results)?;
        json.push('\n');
        std::fs::write(path, json).with_context(|| cannot_write(path))?;
    }
    if let Some(path) = &config.csv {
        std::fs::write(path, csv::encode(&results)).with_context(|| cannot_write(path))?;
    }
    if let Some(path) = &config.html {
        std::fs::write(path, html::render(&results)).with_context(|| cannot_write(path))?;
    }
    // Nobody may listen any more.
    let _ = std::io::stdout().write_all(text::render(&results).as_bytes());
    Ok(status(&end, &results))
}

fn status(end: &End, results: &Results) -> ExitStatus {
    match end {
        End::Complete if results.cells.iter().all(|cell| cell.error.is_some()) => {
            ExitStatus::Internal
        }
        End::Complete => ExitStatus::Success,
        End::Interrupted => ExitStatus::Interrupted,
        End::ServerDead(_) => ExitStatus::Network,
        End::DiskFull(_) => ExitStatus::LocalFile,
    }
}

fn cannot_write(path: &Path) -> RunError {
    RunError::local_file(format!("cannot write {}", path.display()))
}

/// Cells whose files are the same ones: bytes of a file, and whether they come by https.
type Group = (u64, bool);

/// A run under way.
struct Bench<'a> {
    config: &'a BenchConfig,
    cells: Vec<Cell>,
    found: Vec<CellResult>,
    clients: Clients,
    files: BTreeMap<Group, u64>,
    /// How long a repetition goes on, where it does not end with its list.
    time: Option<Duration>,
    /// Files of lists that are long enough for that.
    files_of_time: BTreeMap<Group, u64>,
    results: Results,
}

impl<'a> Bench<'a> {
    fn new(config: &'a BenchConfig, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        let cells = config.matrix.cells();
        let cores = cells.iter().map(|cell| cell.cores).max().unwrap_or(1);
        let is_origin = config.source == Source::Origin;
        let (cpus_client, cpus_origin, note) = share(&config.cpus, cores, is_origin)?;
        let mut notes: Vec<String> = note.into_iter().chain(config.notes.clone()).collect();
        check_directories(&cells)?;
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let clients = Clients::start(program, config, cpus_client.clone(), &cpus_origin, stop)?;
        let mut environment = environment::ask(config, &cells);
        environment.congestion_control_of_origin = clients
            .origin
            .as_ref()
            .and_then(|origin: &Origin| origin.congestion.map(str::to_owned));
        if is_origin && environment.congestion_control_of_origin.is_none() {
            notes.push(format!(
                "the origin sends with {}: neither cubic nor reno is permitted",
                environment.congestion_control
            ));
        }
        let protocol = Protocol {
            repeat: config.repeat,
            order: "abba".to_owned(),
            source: match &config.source {
                Source::Origin => "origin".to_owned(),
                Source::Url(url) => url.clone(),
                Source::List(path) => path.display().to_string(),
            },
            cpus_client,
            cpus_origin,
            rate: config.rate.clone(),
            time_s: match config.work {
                Work::Time(time) => Some(time.as_secs_f64()),
                Work::Fitted | Work::Files(_) | Work::Bytes(_) => None,
            },
            compared: config.matrix.compared().into_iter().map(str::to_owned).collect(),
        };
        let results = Results { notes, ..Results::new(environment, protocol, Vec::new()) };
        let found = cells.iter().map(|cell| CellResult {
            name: cell.name(),
            settings: cell.settings.clone(),
            cores: cell.cores,
            ..CellResult::default()
        });
        let found = found.collect();
        let time = match config.work {
            Work::Time(time) => Some(time),
            Work::Fitted | Work::Files(_) | Work::Bytes(_) => None,
        };
        let (files, files_of_time) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { config, cells, found, clients, files, time, files_of_time, results })
    }

    /// Warms up, measures in rounds, each in the reverse order of the one before, and counts.
    fn measure(&mut self) -> anyhow::Result<End> {
        let begun = Instant::now();
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        // Seconds that one file of a list takes in the slowest cell.
        let mut slowest: BTreeMap<Group, f64> = BTreeMap::new();
        for &at in &order {
            let (group, files) = self.work(at);
            let wall = match self.repeat(at, files, None)? {
                Ok(wall) => wall.as_secs_f64(),
                Err(end) => return Ok(end),
            };
            if self.found[at].error.is_none() {
                let file_s = wall / files as f64;
                let longest = slowest.entry(group).or_default();
                *longest = longest.max(file_s);
                // For the cells to come, too: a machine may be slower than expected.
                let fitted = cell::files_fitted(*longest, group.0);
                self.files.insert(group, fitted);
                if let Some(time) = self.time {
                    let files = cell::files_for(time, file_s);
                    let enough = self.files_of_time.entry(group).or_default();
                    *enough = files.max(*enough);
                }
            }
        }
        self.found.iter_mut().for_each(|cell| cell.repetitions.clear());
        let warm = begun.elapsed();
        for round in 0..self.config.repeat {
            self.tell_round(round, begun.elapsed().saturating_sub(warm));
            for &at in &order {
                if let Err(end) = self.measure_once(at)? {
                    return Ok(end);
                }
            }
            order.reverse();
        }
        self.count_events(&order)
    }

    /// What a cell pulls: whose files, and how many of them.
    fn work(&self, at: usize) -> (Group, u64) {
        let cell = &self.cells[at];
        let group = (cell.size, cell.is_tls);
        let files = match self.config.work {
            Work::Files(files) => files,
            Work::Bytes(bytes) => (bytes / cell.size.max(1)).max(1),
            Work::Fitted | Work::Time(_) => {
                let known = self.files.get(&group).copied();
                known.unwrap_or_else(|| cell::files_first(cell, &self.clients.server))
            }
        };
        (group, files)
    }

    /// One repetition that counts: of a list, or of a time, for which the list has to be long
    /// enough.
    fn measure_once(&mut self, at: usize) -> anyhow::Result<Result<(), End>> {
        let (group, files) = self.work(at);
        let Some(time) = self.time else {
            return Ok(self.repeat(at, files, None)?.map(drop));
        };
        let is_list = matches!(self.clients.server, Server::List(_));
        let mut files = self.files_of_time.get(&group).copied().unwrap_or(files);
        loop {
            if let Err(end) = self.repeat(at, files, Some(time))? {
                return Ok(Err(end));
            }
            if self.found[at].error.is_some() || !self.clients.is_list_over {
                return Ok(Ok(()));
            }
            self.found[at].repetitions.pop();
            match cell::files_more(files).filter(|_| !is_list) {
                Some(more) => files = more,
                None => {
                    let ms = time.as_millis();
                    let why = format!("its list was over before the {ms} ms of --time were");
                    self.found[at].error = Some(why);
                    return Ok(Ok(()));
                }
            }
            self.files_of_time.insert(group, files);
        }
    }

    /// One repetition of a cell that has not failed. What the kernel refuses is the cell's error.
    fn repeat(
        &mut self,
        at: usize,
        files: u64,
        time: Option<Duration>,
    ) -> anyhow::Result<Result<Duration, End>> {
        let found = &mut self.found[at];
        if found.error.is_some() {
            return Ok(Ok(Duration::ZERO));
        }
        let outcome = self.clients.run(&self.cells[at], (files, time), None)?;
        found.argv = std::mem::take(&mut self.clients.argv);
        Ok(match outcome {
            Outcome::Measured(repetition) => {
                let wall = Duration::from_secs_f64(repetition.wall_s);
                found.repetitions.push(*repetition);
                Ok(wall)
            }
            Outcome::Refused(why) => {
                found.error = Some(why);
                Ok(Duration::ZERO)
            }
            Outcome::Over(end) => Err(end),
        })
    }

    /// One repetition more of each cell, for the kernel events.
    fn count_events(&mut self, order: &[usize]) -> anyhow::Result<End> {
        let out = self.clients.scratch.path("events.csv");
        if let Err(missing) = events::check(&self.clients.program, &out) {
            self.results.notes.push(missing);
            return Ok(End::Complete);
        }
        for &at in order {
            if self.found[at].error.is_some() {
                continue;
            }
            let files = self.work(at).1;
            if let Outcome::Over(end) =
                self.clients.run(&self.cells[at], (files, None), Some(&out))?
            {
                return Ok(end);
            }
            self.found[at].events = self.clients.events(&out);
        }
        Ok(End::Complete)
    }

    fn tell_round(&self, round: usize, elapsed: Duration) {
        let (repeat, cells) = (self.config.repeat, self.cells.len());
        if self.config.is_quiet {
            return;
        }
        match u32::try_from(round) {
            Ok(0) | Err(_) => say(&format!("bench: {cells} cells, {repeat} rounds")),
            Ok(done) => {
                let left = elapsed / done * u32::try_from(repeat - round).unwrap_or(u32::MAX);
                say(&format!(
                    "bench: round {} of {repeat}, about {} s left",
                    round + 1,
                    left.as_secs() + 1
                ));
            }
        }
    }

    fn results(&mut self, end: &End) -> Results {
        let mut results = self.results.clone();
        results.cells.clone_from(&self.found);
        let (word, note) = match end {
            End::Complete => ("complete", None),
            End::Interrupted => ("interrupted", Some("interrupted".to_owned())),
            End::ServerDead(why) => ("server_dead", Some(why.clone())),
            End::DiskFull(why) => ("disk_full", Some(why.clone())),
        };
        results.end = word.to_owned();
        results.notes.extend(note.map(|why| format!("{why}: this is what was measured before")));
        results.summarize();
        results
    }
}

/// CPUs of the clients and of the origin, and what there is to say about them.
fn share(
    cpus: &[usize],
    cores: usize,
    is_origin: bool,
) -> anyhow::Result<(Vec<usize>, Vec<usize>, Option<String>)> {
    let reserved = usize::from(is_origin && cpus.len() > 1);
    if cores > cpus.len() - reserved {
        bail!(RunError::usage(format!(
            "cannot use cores={cores}: this process is permitted {} CPUs{}",
            cpus.len(),
            if reserved > 0 { ", and the origin takes one of them" } else { "" }
        )));
    }
    if !is_origin {
        return Ok((cpus[..cores].to_vec(), Vec::new(), None));
    }
    if cpus.len() == 1 {
        let note = "there is one CPU, which client and origin share: files a second are those of \
                    both, CPU time is the client's alone";
        return Ok((cpus.to_vec(), cpus.to_vec(), Some(note.to_owned())));
    }
    let (origin, clients) = cpus.split_at(cpus.len() - cores);
    Ok((clients.to_vec(), origin.to_vec(), None))
}

fn check_directories(cells: &[Cell]) -> anyhow::Result<()> {
    for cell in cells {
        let path = match &cell.dest {
            Dest::Discard => continue,
            Dest::Tmpfs => Path::new(TMPFS),
            Dest::Directory(path) => path,
        };
        if !path.is_dir() {
            let path = path.display();
            bail!(RunError::usage(format!("cannot use {path} of dest: it is no directory")));
        }
    }
    Ok(())
}

/// The server of a source that needs none of ours.
fn foreign(source: &Source) -> Option<Server> {
    match source {
        Source::Origin => None,
        Source::Url(url) => Some(Server::Url(url.clone())),
        Source::List(path) => Some(Server::List(path.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_shared() {
        let of = |cpus: &[usize], cores, is_origin| share(cpus, cores, is_origin).unwrap();
        assert_eq!(of(&[0, 1], 1, true), (vec![1], vec![0], None));
        assert_eq!(of(&[0, 2, 3, 5], 2, true), (vec![3, 5], vec![0, 2], None));
        assert_eq!(of(&[0, 2], 2, false), (vec![0, 2], vec![], None));
        let (clients, origin, note) = of(&[3], 1, true);
        assert_eq!((clients, origin), (vec![3], vec![3]));
        assert!(note.unwrap().contains("one CPU"));
        for (cpus, cores, is_origin) in [(&[0, 1][..], 2, true), (&[0], 2, true), (&[0], 2, false)]
        {
            let error = share(cpus, cores, is_origin).unwrap_err();
            assert_eq!(ExitStatus::from(&error), ExitStatus::Usage);
            assert!(error.to_string().contains("cores=2"), "{error}");
        }
    }
}
