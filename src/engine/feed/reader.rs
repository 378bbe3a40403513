//! The reader: entries of the inputs to tasks on the schedule, a bounded look-ahead in front of the
//! work.

use crate::config::Config;
use crate::engine::attempt::task;
use crate::engine::books::journal::Stale;
use crate::engine::books::session::leave;
use crate::engine::feed::compare::{Given, other_list};
use crate::engine::feed::inputs::{Item, Lists};
use crate::engine::feed::skip_ahead::SkipAhead;
use crate::engine::output::dir_rules::DirRules;
use crate::engine::queue::queued::Queued;
use crate::engine::run::dry::Rehearsal;
use crate::engine::shared::{Shared, Stop};
use crate::engine::watch::progress::say;
use crate::error::RunError;
use crate::plan::job::{BadLine, Entry, Job};
use crate::plan::name::{Claimed, Names, Template};
use crate::plan::shard::Shard;
use crate::report::journal::{Check, Ended, Mismatch, Verdict};
use crate::ring::dir::Dir;
use std::path::{Path, PathBuf, absolute};

/// How files are named, where the list does not say.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// `--name-template`.
    pub(crate) template: Option<Template>,
    /// Paths beneath the directory that no download may take: those of the run's own files.
    reserved: Vec<String>,
    /// Paths of files that earlier runs wrote and that are not pulled again.
    written: Names,
}

impl Naming {
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let template = config
            .name_template
            .as_deref()
            .map(Template::parse)
            .transpose()
            .map_err(|error| RunError::usage(format!("--name-template: {error}")))?;
        Ok(Self { template, reserved: Vec::new(), written: Names::new() })
    }

    /// Keeps the name of an earlier run's file from downloads: the list, its options or the order
    /// in which names were given may have been others then.
    pub(crate) fn keep(&mut self, filename: &str, (root, dir): (&Path, &Dir), places: &DirRules) {
        if let Some(path) = beneath(root, filename) {
            let folds = places.folds(Some(dir), &path);
            self.written.occupy(&path, folds);
        }
    }

    /// No name is kept any more.
    pub(crate) fn forget_kept(&mut self) {
        self.written = Names::new();
    }

    /// Keeps the names of this run's own files from downloads, and those of links to them.
    pub(crate) fn reserve(&mut self, config: &Config) {
        let Ok(dir) = config.dir.canonicalize() else { return };
        let own = config.own_files.files.iter();
        self.reserved = own
            .flat_map(|path| [place(path), path.canonicalize().ok()])
            .filter_map(|path| Some(path?.strip_prefix(&dir).ok()?.to_str()?.to_owned()))
            .collect();
    }
}

/// The path of a row's file beneath the directory of the run, which may be spelled otherwise now.
fn beneath(root: &Path, filename: &str) -> Option<String> {
    if let Some(path) = plainly_beneath(root, filename) {
        return Some(path.to_owned());
    }
    if let Ok(path) = Path::new(filename).strip_prefix(root) {
        return path.to_str().map(str::to_owned);
    }
    let (root, path) = (absolute(root).ok()?, absolute(filename).ok()?);
    path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// The same where the directory is spelled as it was, and the rest has components only, as nearly
/// all rows have it.
fn plainly_beneath<'f>(root: &Path, filename: &'f str) -> Option<&'f str> {
    let path = match root.to_str()? {
        "" | "." => filename,
        root => filename.strip_prefix(root)?.strip_prefix('/')?,
    };
    let odd = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    let is_plain = !path.is_empty()
        && !path.starts_with(['/', '.'])
        && !path.ends_with('/')
        && !path.as_bytes().windows(2).any(odd);
    is_plain.then_some(path)
}

/// Where a file is, or would be.
fn place(path: &Path) -> Option<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new(".")).canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

/// What turns lines into tasks.
pub(crate) struct Reader<'r> {
    pub(crate) shared: &'r Shared,
    pub(crate) lists: Lists,
    /// The directory of the run; a rehearsal looks into none.
    dir: Option<Dir>,
    template: Option<Template>,
    /// Which lines are pulled.
    shard: Shard,
    /// Compares the list with the report.
    pub(crate) check: Check,
    /// Looks for what earlier runs left unfinished.
    stale: Option<Stale>,
    /// It is another list.
    pub(crate) mismatch: Option<Mismatch>,
    /// Read and not yet on the schedule.
    batch: Vec<Queued>,
    /// When its first line was read, in milliseconds of the run.
    batch_ms: u64,
    /// Lines without a job, of which there is no row yet.
    bad: Vec<BadLine>,
    rows: u64,
    /// Number of the line that was read last.
    pub(crate) at: u64,
    pub(crate) scout: SkipAhead,
    /// The run stopped before all of the input was read and scheduled.
    is_cut: bool,
    /// All of it was read nevertheless, for the session.
    has_read_on: bool,
    taker: Taker,
}

/// Who takes the tasks from the schedule.
pub(crate) enum Taker {
    /// The cores, in their own time.
    Cores,
    /// The reader itself, and nothing comes of them.
    Rehearsal(Rehearsal),
}

impl<'r> Reader<'r> {
    pub(crate) fn new(
        shared: &'r Shared,
        (lists, dir): (Lists, Option<Dir>),
        naming: Naming,
        check: Check,
        taker: Taker,
    ) -> Self {
        let names = &shared.output.names;
        names.adopt(naming.written);
        for path in naming.reserved {
            names.claim(dir.as_ref(), path, 0);
        }
        let scout = match &taker {
            Taker::Cores => SkipAhead::new(&lists, shared.config.lookahead_max),
            Taker::Rehearsal(_) => SkipAhead::none(),
        };
        Self {
            shared,
            lists,
            dir,
            template: naming.template,
            shard: shared
                .config
                .lines
                .shard
                .map_or(Shard::WHOLE, |shard| Shard::new(shard.index, shard.count)),
            check,
            stale: None,
            mismatch: None,
            batch: Vec::with_capacity(BATCH),
            batch_ms: 0,
            bad: Vec::new(),
            rows: 0,
            at: 0,
            scout,
            is_cut: false,
            has_read_on: false,
            taker,
        }
    }

    /// The same, naming the directories in which something may be left of an earlier run.
    pub(crate) fn clearing(self, stale: Option<Stale>) -> Self {
        Self { stale, ..self }
    }

    /// What a rehearsal came to, and how many lines there were.
    pub(crate) fn into_rehearsal(self) -> Option<(Rehearsal, u64)> {
        match self.taker {
            Taker::Cores => None,
            Taker::Rehearsal(rehearsal) => Some((rehearsal, self.lists.lines_total())),
        }
    }

    /// Reads all inputs to their end, or until the run stops.
    pub(crate) fn read_all(&mut self) -> anyhow::Result<()> {
        let result = self.read().and_then(|()| self.end_check());
        self.push_batch();
        if !self.is_cut {
            self.shared.set_total(self.rows);
        }
        self.end_session(result.is_ok());
        let wake = self.shared.schedule().close_input();
        self.shared.deliver(wake);
        result
    }

    /// Compares what is left to compare when the list has ended. A list that was not read to its
    /// end tells nothing.
    fn end_check(&mut self) -> anyhow::Result<()> {
        let ended = match self.mismatch {
            Some(mismatch) => Err(mismatch),
            None if self.is_cut && !self.has_read_on => return Ok(()),
            None => self.check.end(),
        };
        let Some(report) = &self.shared.config.report else { return Ok(()) };
        match ended {
            Ok(Ended::Whole) => Ok(()),
            Ok(Ended::Shorter(last)) => {
                say(&format!(
                    "warning: the list is shorter than it was: {} tells of lines up to {last}",
                    report.path.display()
                ));
                Ok(())
            }
            Err(mismatch) => {
                self.stop(mismatch);
                Err(other_list(&self.check, mismatch, report))
            }
        }
    }

    fn read(&mut self) -> anyhow::Result<()> {
        while self.mismatch.is_none()
            && let Some(item) = self.lists.next()?
        {
            self.is_cut |= self.shared.stop() != Stop::Running;
            if self.is_cut && self.shared.session().is_none() {
                return Ok(());
            }
            match item {
                Item::Entry(entry) => self.entry(entry),
                // What a slow writer of a pipe has sent must not wait for a full batch.
                Item::Pause => self.push_batch(),
            }
            // For the session files are read to their end; a pipe may never come to one.
            self.shared.set_reading_on(self.is_cut && self.lists.is_steady());
            if self.is_cut && !self.lists.is_steady() {
                return Ok(());
            }
        }
        self.has_read_on = self.is_cut;
        self.lists.notes().iter().for_each(|note| say(note));
        Ok(())
    }

    /// Tells the session whether everything that is left is in it.
    fn end_session(&mut self, is_read: bool) {
        if let Some(session) = self.shared.session()
            && is_read
            && (!self.is_cut || self.has_read_on)
        {
            session.set_whole();
        }
        self.shared.set_reading_on(false);
    }

    /// Nothing of the batch begins any more.
    fn leave_batch(&mut self) {
        self.batch.drain(..).for_each(|task| leave(self.shared, task));
        if let Some(session) = self.shared.session() {
            self.bad.drain(..).for_each(|line| session.add_bad(&line.text));
        }
    }

    fn entry(&mut self, entry: Entry) {
        let index = index_of(&entry);
        self.at = index;
        if self.scout.ahead.is_judged(index) {
            if let (Ok(job), false) = (entry, self.scout.ahead.is_over(index)) {
                let name = self.scout.ahead.name(index, self.path(&job));
                self.add(job, name);
            }
        } else if let Some((job, name, _)) = self.judge(entry) {
            self.add(job, name);
        }
        self.scout.ahead.reached(index);
        if self.batch.len() + self.bad.len() >= BATCH {
            self.push_batch();
        }
    }

    fn add(&mut self, job: Job, name: String) {
        if self.batch.is_empty() {
            self.batch_ms = self.shared.now_ms();
        }
        self.batch.push(Queued::of_job(job, name, self.batch_ms));
    }

    /// What is to be done with a line, which is asked once, in the order of the lines: the job and
    /// the name of its file, unless there is nothing to pull.
    pub(crate) fn judge(&mut self, entry: Entry) -> Option<(Job, String, Claimed)> {
        let verdict = match self.check.line(index_of(&entry), Given::of_line(&entry).url()) {
            Ok(verdict) => verdict,
            Err(mismatch) => {
                self.stop(mismatch);
                return None;
            }
        };
        match entry {
            Ok(job) => return self.judge_job(job, verdict),
            Err(_) if !self.shard.has_bad_lines() => self.shared.passed_on(),
            Err(line) if verdict == Verdict::Pull => {
                self.rows += 1;
                self.bad.push(line);
            }
            Err(line) => {
                if let Some(session) = self.shared.session() {
                    session.add_bad(&line.text);
                }
            }
        }
        None
    }

    fn judge_job(&mut self, job: Job, verdict: Verdict) -> Option<(Job, String, Claimed)> {
        let is_own = self.shard.has(job.target.host());
        if !is_own {
            self.shared.passed_on();
        }
        if verdict == Verdict::Good {
            // The name of its file was kept; nobody gets the one that it asked for either.
            self.shared.output.names.occupy(self.dir.as_ref(), &self.path(&job));
            return None;
        }
        // Names depend on all that were claimed before, and are the same in every shard.
        let (name, claimed) = self.name(&job);
        if !is_own {
            return None;
        }
        self.look(&job, &name);
        if verdict == Verdict::Failed {
            self.shared.left(&job, &name);
            return None;
        }
        self.rows += 1;
        Some((job, name, claimed))
    }

    /// An earlier run may have left something unfinished of this job.
    fn look(&mut self, job: &Job, name: &str) {
        if let Some(stale) = &mut self.stale {
            stale.look(job.index, name);
        }
    }

    /// Nothing of the lines at hand may begin.
    fn stop(&mut self, mismatch: Mismatch) {
        self.mismatch.get_or_insert(mismatch);
        self.batch.clear();
        self.bad.clear();
        self.shared.refuse_list();
    }

    fn bad_lines(&mut self) {
        let mut ledger = self.shared.ledger();
        ledger.set_passed(self.check.passed());
        let mut is_over = false;
        let session = self.shared.session();
        for line in self.bad.drain(..) {
            // It is left whether it has its row in time or not.
            if let Some(session) = session {
                session.add_bad(&line.text);
            }
            if is_over {
                self.is_cut = true;
            } else {
                is_over = !ledger.record(&task::bad_line_row(&line));
            }
        }
        drop(ledger);
        if is_over {
            self.shared.set_stop(Stop::Draining);
        }
        self.shared.wait_for_disk();
    }

    /// The path of a job's file, distinct within the run.
    fn name(&self, job: &Job) -> (String, Claimed) {
        match self.shared.config.destination.name() {
            // It is the only one, and the user's own.
            Some(name) => (name.to_owned(), Claimed::AsAsked),
            None => {
                let names = &self.shared.output.names;
                names.claim_noting(self.dir.as_ref(), self.path(job), job.index)
            }
        }
    }

    /// The path that a job asks for.
    pub(crate) fn path(&self, job: &Job) -> String {
        if let Some(name) = self.shared.config.destination.name() {
            return name.to_owned();
        }
        let path = job.path(self.template.as_ref());
        let path = match &self.shared.config.disk.dirs {
            Some(dirs) => job.spread(path, dirs),
            None => path,
        };
        self.shared.output.names.fit(self.dir.as_ref(), path)
    }

    /// Gives the rows of bad lines, once they are known to be those of the report.
    pub(crate) fn tell_bad_lines(&mut self) {
        if self.check.is_confirmed() && self.mismatch.is_none() {
            self.bad_lines();
        }
    }

    /// Puts the batch on the schedule, waiting for room; not before its lines are known to be those
    /// of the report.
    fn push_batch(&mut self) {
        if self.is_cut {
            return self.leave_batch();
        }
        if !self.check.is_confirmed() || self.mismatch.is_some() {
            return;
        }
        self.bad_lines();
        if let Taker::Rehearsal(rehearsal) = &mut self.taker {
            return rehearsal.pass(&mut self.shared.schedule(), &mut self.batch);
        }
        self.shared.gauges.set_lines_read(self.rows);
        let mut batch = std::mem::take(&mut self.batch);
        while !batch.is_empty() {
            let Some(room) = self.wait_for_room() else {
                self.is_cut = true;
                return batch.into_iter().for_each(|task| leave(self.shared, task));
            };
            let count = batch.len().min(room).min(PUSHED_AT_ONCE);
            let wakes = self.shared.schedule().push_all(batch.drain(..count), Queued::place);
            if !wakes.is_empty() {
                wakes.into_iter().for_each(|wake| self.shared.deliver(wake));
                // On one CPU they would work only when the time slice of this thread is over.
                std::thread::yield_now();
            }
        }
        self.batch = batch;
    }

    /// Waits until something may be put on the schedule, and says how much. Nothing when the run
    /// stops before.
    fn wait_for_room(&mut self) -> Option<usize> {
        loop {
            let schedule = self.shared.schedule();
            let room = schedule.room();
            if room > self.scout.reserve {
                return Some(room - self.scout.reserve);
            }
            if self.shared.stop() != Stop::Running {
                return None;
            }
            if room > 0 && schedule.is_starving() && self.scout.is_due() {
                drop(schedule);
                self.step_ahead();
            } else {
                drop(self.shared.wait_for_room(schedule));
            }
        }
    }
}

/// The number of an entry's line.
pub(crate) fn index_of(entry: &Entry) -> u64 {
    match entry {
        Ok(job) => job.index,
        Err(line) => line.index,
    }
}

/// Tasks put on the schedule at once.
const BATCH: usize = 256;
/// Tasks put there before cores have their turn at it.
const PUSHED_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plainly_beneath_is_beneath() {
        for root in ["out", "out/", "./out", "a/out", "/tmp/out", ".", "", "/"] {
            for rest in
                ["a", "a/b.c", "a//b", "./a", "a/./b", "a/", ".a", "a/.b", "/a", "", "a/..b"]
            {
                for filename in [format!("{root}/{rest}"), format!("{root}{rest}"), rest.to_owned()]
                {
                    let root = Path::new(root);
                    if let Some(path) = plainly_beneath(root, &filename) {
                        let slow = Path::new(&filename).strip_prefix(root).ok().map(Path::to_owned);
                        let slow = slow.or_else(|| {
                            let (root, path) = (absolute(root).ok()?, absolute(&filename).ok()?);
                            path.strip_prefix(root).ok().map(Path::to_owned)
                        });
                        // Nothing is absolute beneath a directory without a name.
                        let slow = slow.or_else(|| Some(PathBuf::from(&filename)));
                        assert_eq!(slow, Some(PathBuf::from(path)), "{root:?} {filename}");
                        assert_eq!(slow.unwrap().to_str(), Some(path));
                    }
                }
            }
        }
        assert_eq!(plainly_beneath(Path::new("out"), "out/a/b"), Some("a/b"));
        assert_eq!(plainly_beneath(Path::new("."), "a"), Some("a"));
        assert_eq!(plainly_beneath(Path::new("out"), "output/a"), None);
    }
}
