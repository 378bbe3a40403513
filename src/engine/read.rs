//! The reader: entries of the inputs to tasks on the schedule, a bounded look-ahead in front of the
//! work.

use super::dry::Rehearsal;
use super::packed::Packed;
use super::shared::{Shared, Stop};
use super::source::{Item, Lists};
use super::task;
use crate::config::{Config, Input};
use crate::error::RunError;
use crate::plan::job::{BadLine, Entry, Job};
use crate::plan::name::Template;

/// How files are named, where the list does not say.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// `--name-template`.
    pub(super) template: Option<Template>,
    /// `-o`: the path of the one file, or `-`.
    pub(super) output: Option<String>,
    /// Paths beneath the directory that no download may take: the lists and reports of this run.
    reserved: Vec<String>,
}

impl Naming {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let template = config
            .name_template
            .as_deref()
            .map(Template::parse)
            .transpose()
            .map_err(|error| RunError::usage(format!("--name-template: {error}")))?;
        let output = config.output.clone();
        Ok(Self { template, output, reserved: Vec::new() })
    }

    /// Keeps the names of this run's own files from downloads. They exist by now.
    pub(super) fn reserve(&mut self, config: &Config) {
        let lists = config.inputs.iter().filter_map(|input| match input {
            Input::File(path) => Some(path.as_path()),
            Input::Stdin | Input::Urls(_) => None,
        });
        let report = config.report.iter().map(|report| report.path.as_path());
        let own = lists.chain(report).chain(config.stats.as_deref());
        let Ok(dir) = config.dir.canonicalize() else { return };
        self.reserved = own
            .filter_map(|path| path.canonicalize().ok())
            .filter_map(|path| Some(path.strip_prefix(&dir).ok()?.to_str()?.to_owned()))
            .collect();
    }
}

/// What turns lines into tasks.
pub(super) struct Reader<'r> {
    shared: &'r Shared,
    template: Option<Template>,
    /// `-o`: the path of the one file, or `-`.
    output: Option<String>,
    /// Read and not yet on the schedule.
    batch: Vec<Packed>,
    rows: u64,
    /// Lines of all inputs, once they were read to their end.
    lines: u64,
    taker: Taker,
}

/// Who takes the tasks from the schedule.
pub(super) enum Taker {
    /// The cores, in their own time.
    Cores,
    /// The reader itself, and nothing comes of them.
    Rehearsal(Rehearsal),
}

impl<'r> Reader<'r> {
    pub(super) fn new(shared: &'r Shared, naming: Naming, taker: Taker) -> Self {
        for path in naming.reserved {
            shared.claim(path, 0);
        }
        Self {
            shared,
            template: naming.template,
            output: naming.output,
            batch: Vec::with_capacity(BATCH),
            rows: 0,
            lines: 0,
            taker,
        }
    }

    /// What a rehearsal came to, and how many lines there were.
    pub(super) fn into_rehearsal(self) -> Option<(Rehearsal, u64)> {
        match self.taker {
            Taker::Cores => None,
            Taker::Rehearsal(rehearsal) => Some((rehearsal, self.lines)),
        }
    }

    /// Reads all inputs to their end, or until the run stops.
    pub(super) fn read_all(&mut self, mut lists: Lists) -> anyhow::Result<()> {
        let result = self.read(&mut lists);
        self.lines = lists.lines_total();
        self.push_batch();
        self.shared.set_total(self.rows);
        let wake = self.shared.schedule().close_input();
        self.shared.deliver(wake);
        result
    }

    fn read(&mut self, lists: &mut Lists) -> anyhow::Result<()> {
        while self.shared.stop() == Stop::Running {
            match lists.next()? {
                Some(Item::Entry(entry)) => self.entry(entry),
                // What a slow writer of a pipe has sent must not wait for a full batch.
                Some(Item::Pause) => self.push_batch(),
                None => break,
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: Entry) {
        let job = match entry {
            Ok(job) => job,
            Err(line) => return self.bad_line(&line),
        };
        self.rows += 1;
        let name = self.name(&job);
        self.batch.push(Packed::of_job(job, name, self.shared.now_ms()));
        if self.batch.len() >= BATCH {
            self.push_batch();
        }
    }

    fn bad_line(&mut self, line: &BadLine) {
        self.rows += 1;
        if !self.shared.ledger().record(&task::bad_line_row(line)) {
            self.shared.set_stop(Stop::Draining);
        }
    }

    /// The path of a job's file, distinct within the run.
    fn name(&self, job: &Job) -> String {
        match &self.output {
            Some(output) if output == "-" => output.clone(),
            Some(output) => self.shared.claim(output.clone(), job.index),
            None => {
                let path = job.path(self.template.as_ref());
                let path = match &self.shared.config.disk.dirs {
                    Some(dirs) => job.spread(path, dirs),
                    None => path,
                };
                self.shared.claim(path, job.index)
            }
        }
    }

    /// Puts the batch on the schedule, waiting for room.
    fn push_batch(&mut self) {
        if let Taker::Rehearsal(rehearsal) = &mut self.taker {
            return rehearsal.pass(&mut self.shared.schedule(), &mut self.batch);
        }
        let mut tasks = self.batch.drain(..);
        while tasks.len() > 0 {
            let mut wakes = Vec::new();
            let mut schedule = self.shared.schedule();
            while schedule.room() == 0 {
                if self.shared.stop() != Stop::Running {
                    return;
                }
                schedule = self.shared.wait_for_room(schedule);
            }
            for task in tasks.by_ref().take(schedule.room()) {
                wakes.push(schedule.push_to(task, Packed::place));
            }
            drop(schedule);
            wakes.into_iter().for_each(|wake| self.shared.deliver(wake));
        }
    }
}

/// Tasks put on the schedule at once.
const BATCH: usize = 256;
