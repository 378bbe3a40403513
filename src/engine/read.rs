//! The reader: input lines to tasks on the schedule, a bounded look-ahead in front of the work.

use super::shared::{Shared, Stop};
use super::task::{self, Task};
use crate::config::{Config, Input};
use crate::error::RunError;
use crate::plan::job::{BadLine, Entry, Job, LINE_PREFIX_BYTES, Lines};
use crate::plan::name::Template;
use crate::ring::setup;
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// One input, looked at before the run begins so that a missing list is known at once.
pub(super) enum Source {
    /// A file or standard input, and what to call it.
    Stream(File, String),
    /// A pipe in the file system: opening it waits for its writer, so the reader does that.
    Pipe(PathBuf),
    /// URLs given as arguments.
    Arguments(Vec<String>),
}

impl Source {
    pub(super) fn open(input: &Input) -> anyhow::Result<Self> {
        Ok(match input {
            Input::Urls(urls) => Self::Arguments(urls.clone()),
            Input::Stdin => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                Self::Stream(File::from(stdin.context("cannot read standard input")?), STDIN.into())
            }
            Input::File(path) => {
                let cannot = || RunError::usage(format!("cannot read the list {}", path.display()));
                if path.metadata().with_context(cannot)?.file_type().is_fifo() {
                    return Ok(Self::Pipe(path.clone()));
                }
                Self::Stream(File::open(path).with_context(cannot)?, path.display().to_string())
            }
        })
    }
}

/// What standard input is called.
const STDIN: &str = "standard input";

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
    /// Lines of the inputs read so far.
    lines_before: u64,
    /// Read and not yet on the schedule.
    batch: Vec<Task>,
    rows: u64,
}

impl<'r> Reader<'r> {
    pub(super) fn new(shared: &'r Shared, naming: Naming) -> Self {
        for path in naming.reserved {
            shared.claim(path, 0);
        }
        Self {
            shared,
            template: naming.template,
            output: naming.output,
            lines_before: 0,
            batch: Vec::with_capacity(BATCH),
            rows: 0,
        }
    }

    /// Reads all inputs to their end, or until the run stops.
    pub(super) fn read_all(&mut self, sources: Vec<Source>) -> anyhow::Result<()> {
        let result = sources.into_iter().try_for_each(|source| match source {
            Source::Arguments(urls) => {
                for url in urls {
                    self.lines_before += 1;
                    self.entry(Some(Job::from_argument(self.lines_before, &url)));
                }
                Ok(())
            }
            Source::Stream(file, name) => self.list(file, &name),
            Source::Pipe(path) => {
                let name = path.display().to_string();
                let cannot = || RunError::usage(format!("cannot read the list {name}"));
                self.list(File::open(&path).with_context(cannot)?, &name)
            }
        });
        self.push_batch();
        self.shared.set_total(self.rows);
        let wake = self.shared.schedule().close_input();
        self.shared.deliver(wake);
        result
    }

    fn list(&mut self, file: File, name: &str) -> anyhow::Result<()> {
        let mut lines = Lines::new(self.lines_before);
        let read = self.stream(file, &mut lines);
        let last = lines.finish();
        self.entry(last);
        self.lines_before = lines.lines_total();
        read.with_context(|| RunError::local_file(format!("cannot read {name} to its end")))
    }

    fn stream(&mut self, file: File, lines: &mut Lines) -> io::Result<()> {
        let mut stream = BufReader::with_capacity(READ_BYTES, file);
        let mut line = Vec::new();
        while self.shared.stop() == Stop::Running {
            line.clear();
            let limit = LINE_PREFIX_BYTES as u64;
            if (&mut stream).take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line.len() == LINE_PREFIX_BYTES && line.last() != Some(&b'\n') {
                skip_line(&mut stream)?;
            }
            let entry = lines.line(&line);
            self.entry(entry);
            // What a slow writer of a pipe has sent must not wait for a full batch.
            if !stream.buffer().contains(&b'\n') {
                let is_all = stream.buffer().is_empty();
                if is_all && !setup::is_readable(stream.get_ref(), OPTIONS_WAIT) {
                    // Option lines come with their URL or not at all.
                    let entry = lines.finish();
                    self.entry(entry);
                }
                self.push_batch();
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: Option<Entry>) {
        let job = match entry {
            None => return,
            Some(Ok(job)) => job,
            Some(Err(line)) => return self.bad_line(&line),
        };
        self.rows += 1;
        let name = self.name(&job).into();
        self.batch.push(Task { job, name, queued_ms: self.shared.now_ms(), story: None });
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
            None => self.shared.claim(job.path(self.template.as_ref()), job.index),
        }
    }

    /// Puts the batch on the schedule, waiting for room.
    fn push_batch(&mut self) {
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
                let origin = task.job.target.origin_str().to_owned();
                wakes.push(schedule.push(&origin, task));
            }
            drop(schedule);
            wakes.into_iter().for_each(|wake| self.shared.deliver(wake));
        }
    }
}

/// Skips the rest of a line that is too long.
fn skip_line(stream: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = stream.fill_buf()?;
        let length = buffer.len();
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                stream.consume(at + 1);
                return Ok(());
            }
            None if length == 0 => return Ok(()),
            None => stream.consume(length),
        }
    }
}

/// How long a URL at the end of what a pipe has sent waits for its option lines.
const OPTIONS_WAIT: Duration = Duration::from_millis(50);
/// Tasks put on the schedule at once.
const BATCH: usize = 256;
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
