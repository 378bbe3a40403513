//! What is to be done with each line of a list, which is asked once and in the order of the lines:
//! whose it is, what its report says of it, and the name of its file.

use crate::config::{Config, Destination};
use crate::engine::attempt::fetch::{bad_line_row, duplicate_row};
use crate::engine::books::closing::{Books, Closing, Left};
use crate::engine::books::given::Given;
use crate::engine::books::journal::Stale;
use crate::engine::feed::naming::{Naming, index_of};
use crate::engine::output::names::GivenNames;
use crate::engine::state::reading::ReaderState;
use crate::engine::state::spill::{SeenInRun, Spill};
use crate::error::RunError;
use crate::pack::{Form, member};
use crate::plan::job::{BadLine, Entry, Job};
use crate::plan::name::{Claimed, Dirs, Template};
use crate::plan::seen::{Seen, key_of};
use crate::plan::shard::Shard;
use crate::report::journal::{Check, Mismatch, Verdict};
use crate::ring::dir::Dir;
use anyhow::Context as _;

/// Judges the lines of one run.
pub(crate) struct Judge<'r> {
    books: &'r Books,
    names: &'r GivenNames,
    reader: &'r ReaderState,
    /// The directory of the run; a rehearsal looks into none.
    dir: Option<Dir>,
    template: Option<Template>,
    /// Where bodies go: there may be one, and its name the user's own.
    destination: Destination,
    /// `--dirs`: how files are spread over folders.
    dirs: Option<Dirs>,
    /// Which lines are pulled.
    shard: Shard,
    /// Compares the list with the report.
    check: Check,
    /// Looks for what earlier runs left unfinished.
    stale: Option<Stale>,
    /// URLs of the lines so far, with the number of the first line of each (`--dedupe url`).
    urls: Option<SeenInRun>,
    /// Why no more lines can be judged.
    failure: Option<anyhow::Error>,
    /// Where the list differs from the one that the report was written for.
    mismatch: Option<Mismatch>,
    /// Lines that are not tried, of which there is no row yet.
    bad: Vec<Untried>,
    rows: u64,
}

/// A line that is not tried.
enum Untried {
    /// The line is not a job.
    Bad(BadLine),
    /// The line has the URL of an earlier one, which has this number.
    Duplicate(Box<Job>, u64),
}

/// A line that is to be pulled.
pub(crate) struct Judged {
    pub(crate) job: Job,
    /// The path of its file.
    pub(crate) name: String,
    /// What became of the path that it asked for.
    pub(crate) claimed: Claimed,
}

impl<'r> Judge<'r> {
    /// Judges by what `check` knows of the lines. The names that `naming` reserves are nobody's.
    pub(crate) fn new(
        config: &Config,
        (books, names, reader): (&'r Books, &'r GivenNames, &'r ReaderState),
        dir: Option<Dir>,
        naming: Naming,
        check: Check,
    ) -> Self {
        names.adopt(naming.written);
        for path in naming.reserved {
            names.claim(dir.as_ref(), path, 0);
        }
        let urls = config.dedupe.urls.then(|| seen(config, dir.is_some()));
        Self {
            books,
            names,
            reader,
            dir,
            template: naming.template,
            destination: config.destination.clone(),
            dirs: config.dirs.clone(),
            shard: config.shard.unwrap_or(Shard::WHOLE),
            check,
            urls,
            failure: None,
            stale: None,
            mismatch: None,
            bad: Vec::new(),
            rows: 0,
        }
    }

    /// Names the directories in which something may be left of an earlier run.
    pub(crate) fn clearing(self, stale: Option<Stale>) -> Self {
        Self { stale, ..self }
    }

    /// What is to be done with a line: what to pull, unless there is nothing to.
    pub(crate) fn line(&mut self, entry: Entry) -> Option<Judged> {
        let verdict = match self.check.line(index_of(&entry), Given::of_line(&entry).url()) {
            Ok(verdict) => verdict,
            Err(mismatch) => {
                self.refuse(mismatch);
                return None;
            }
        };
        match entry {
            Ok(job) => return self.job(job, verdict),
            Err(_) if !self.shard.has_bad_lines() => self.reader.passed_on(),
            Err(line) if verdict == Verdict::Pull => {
                self.rows += 1;
                self.bad.push(Untried::Bad(line));
            }
            Err(line) => self.books.leave(Left::Line(&line.text)),
        }
        None
    }

    fn job(&mut self, job: Job, verdict: Verdict) -> Option<Judged> {
        let is_own = self.shard.has(job.target.host());
        if !is_own {
            self.reader.passed_on();
        }
        match self.first_of(&job) {
            Ok(None) => {}
            // It has no file, and takes no name from others.
            Ok(Some(first)) => {
                if is_own && verdict == Verdict::Pull {
                    self.rows += 1;
                    self.bad.push(Untried::Duplicate(Box::new(job), first));
                }
                return None;
            }
            Err(error) => {
                self.failure.get_or_insert(error);
                return None;
            }
        }
        if verdict == Verdict::Good {
            // The name of its file was kept; nobody gets the one that it asked for either.
            self.names.occupy(self.dir.as_ref(), &self.path(&job));
            return None;
        }
        // Names depend on all that were claimed before, and are the same in every shard.
        let (name, claimed) = self.name(&job);
        if !is_own {
            return None;
        }
        if let Some(stale) = &mut self.stale {
            stale.look(job.index, &name);
        }
        if verdict == Verdict::Failed {
            self.books.leave(Left::Job(&job, &name));
            return None;
        }
        self.rows += 1;
        Some(Judged { job, name, claimed })
    }

    /// The number of the first line with the URL of this job, if that is an earlier one.
    fn first_of(&mut self, job: &Job) -> anyhow::Result<Option<u64>> {
        let Some(urls) = &mut self.urls else { return Ok(None) };
        let key = key_of(job.target.as_str().as_bytes());
        let first = urls.find_or_set(key, job.index);
        first.with_context(|| {
            RunError::local_file(
                "cannot write down which URLs came before, of which there are more than fit into \
                 memory (--dedupe-memory)",
            )
        })
    }

    /// Gives up where lines cannot be judged any more.
    ///
    /// # Errors
    /// Why that is so, once.
    pub(crate) fn check_failed(&mut self) -> anyhow::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The path of a job's file, or the key of its sample, distinct within the run.
    fn name(&self, job: &Job) -> (String, Claimed) {
        match self.destination.name() {
            // It is the only one, and the user's own.
            Some(name) => (name.to_owned(), Claimed::AsAsked),
            None if self.has_samples() && !job.is_named(self.template.as_ref()) => {
                (member::key_of_index(job.index), Claimed::AsAsked)
            }
            None => {
                let path = self.path(job);
                let (path, claimed) = self.names.claim_noting(self.dir.as_ref(), path, job.index);
                (self.of_claimed(path), claimed)
            }
        }
    }

    /// The name that a job has for this path, which was claimed for it.
    pub(crate) fn of_claimed(&self, path: String) -> String {
        if self.has_samples() { member::key_of_claimed(&path) } else { path }
    }

    /// Whether bodies become samples, which have keys.
    fn has_samples(&self) -> bool {
        self.destination.archive().is_some_and(|archive| archive.form == Form::WebDataset)
    }

    /// The path that a job asks for, or the key.
    pub(crate) fn path(&self, job: &Job) -> String {
        if let Some(name) = self.destination.name() {
            return name.to_owned();
        }
        if self.has_samples() && !job.is_named(self.template.as_ref()) {
            return member::key_of_index(job.index);
        }
        let path = job.path(self.template.as_ref());
        let path = match &self.dirs {
            Some(dirs) => job.spread(path, dirs),
            None => path,
        };
        let path = if self.has_samples() { member::key_of_path(&path).0 } else { path };
        self.names.fit(self.dir.as_ref(), path)
    }

    /// Takes the list for another one than that of the report: no line at hand has a row.
    pub(crate) fn refuse(&mut self, mismatch: Mismatch) {
        self.mismatch.get_or_insert(mismatch);
        self.bad.clear();
    }

    /// Where the list differs from the one that the report was written for, if that is known.
    pub(crate) fn mismatch(&self) -> Option<Mismatch> {
        self.mismatch
    }

    /// Whether the lines at hand are known to be those of the report: none of them begins before.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.check.is_confirmed() && self.mismatch.is_none()
    }

    /// Compares the list with the report.
    pub(crate) fn check(&mut self) -> &mut Check {
        &mut self.check
    }

    /// Lines so far that have a row or will have one.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Lines that are not tried, of which there is no row yet.
    pub(crate) fn bad_lines(&self) -> usize {
        self.bad.len()
    }

    /// Gives the rows of lines that are not tried. `false` when the run is over before all of them
    /// had theirs.
    pub(crate) fn tell_bad_lines(&mut self) -> bool {
        self.books.rows().set_passed(self.check.passed());
        let (mut is_over, mut is_cut) = (false, false);
        for line in std::mem::take(&mut self.bad) {
            if is_over {
                is_cut = true;
                self.leave(&line);
                continue;
            }
            let (row, left) = match &line {
                // It is left whether it has its row in time or not.
                Untried::Bad(line) => (bad_line_row(line), Some(Left::Line(&line.text))),
                Untried::Duplicate(job, first) => (duplicate_row(job, *first), None),
            };
            is_over = !self.books.close(&Closing { row: &row, encoded: None, left });
        }
        !is_cut
    }

    /// Tells the session of a line that is not tried, and has no row either.
    fn leave(&self, line: &Untried) {
        match line {
            Untried::Bad(line) => self.books.leave(Left::Line(&line.text)),
            Untried::Duplicate(job, _) => self.books.leave(Left::Job(job, &self.path(job))),
        }
    }

    /// Lines that are not tried have no row any more, and are left.
    pub(crate) fn leave_bad_lines(&mut self) {
        std::mem::take(&mut self.bad).iter().for_each(|line| self.leave(line));
    }
}

/// What is known of URLs before the first line. A rehearsal leaves no trace in the directory of the
/// run, and where there are no files there may be none.
fn seen(config: &Config, has_dir: bool) -> SeenInRun {
    let room = if has_dir { Spill::new(config.dir.clone()) } else { Spill::elsewhere() };
    Seen::new(room, config.dedupe.memory_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Dedupe;
    use crate::engine::books::row_sink::RowSink;
    use crate::engine::output::dir_rules::DirRules;
    use crate::engine::state::stop::StopFlag;
    use crate::engine::state::wakes::Wakes;
    use crate::report::budget::Budget;
    use std::sync::Arc;

    /// Judges these URLs as a list: names of those that are pulled, rows of lines that are not
    /// URLs, rows in all, and lines of other shards.
    fn judge(config: &Config, urls: &[&str]) -> (Vec<String>, u64, u64, u64) {
        let stop = Arc::new(StopFlag::new(Arc::new(Wakes::new(1))));
        let books = Books::new(RowSink::new(None, &Budget::default(), false), None, stop);
        let rules = DirRules::new(config, None);
        let names = GivenNames::new(rules);
        let (reader, naming) = (ReaderState::default(), Naming::new(config));
        let parts = (&books, &names, &reader);
        let mut judge = Judge::new(config, parts, None, naming, Check::default());
        let lines = (1..).zip(urls).map(|(index, url)| Job::from_argument(index, url));
        let judged: Vec<String> =
            lines.filter_map(|line| judge.line(line)).map(|judged| judged.name).collect();
        assert!(judge.is_confirmed() && judge.tell_bad_lines());
        let failed = books.rows().stats().failed;
        (judged, failed, judge.rows(), reader.others())
    }

    #[test]
    fn every_line_is_a_job_with_a_name_of_its_own_or_a_row() {
        let urls = ["http://h/a.jpg", "no url", "http://h/b/a.jpg", "http://g/c"];
        let (names, bad, rows, others) = judge(&Config::default(), &urls);
        assert_eq!(names, ["a.jpg", "a.3.jpg", "c"]);
        assert_eq!((bad, rows, others), (1, 4, 0));
    }

    #[test]
    fn a_url_is_pulled_once_in_whatever_shard() {
        let urls =
            ["http://a/x", "http://b/x", "http://u:p@A:80/x#top", "http://b/x", "http://a/y"];
        let dedupe = Dedupe { urls: true, ..Dedupe::default() };
        let config = Config { dedupe, ..Config::default() };
        let (names, bad, rows, _) = judge(&config, &urls);
        // No name is taken by a line that has no file.
        assert_eq!((names, bad, rows), (["x", "x.2", "y"].map(str::to_owned).to_vec(), 0, 5));
        let part = |index| {
            let shard = Some(Shard::new(index, 2));
            judge(&Config { shard, ..config.clone() }, &urls)
        };
        let (first, second) = (part(0), part(1));
        let mut names = [first.0, second.0].concat();
        names.sort_unstable();
        assert_eq!((names, first.2 + second.2), (["x", "x.2", "y"].map(str::to_owned).to_vec(), 5));
    }

    #[test]
    fn what_one_shard_leaves_the_other_pulls_under_the_same_name() {
        let urls = ["http://a/x", "http://b/x", "bad", "http://c/x", "http://d/x", "http://e/x"];
        let part = |index| {
            let shard = Some(Shard::new(index, 2));
            judge(&Config { shard, ..Config::default() }, &urls)
        };
        let (first, second) = (part(0), part(1));
        let mut names = [first.0, second.0].concat();
        names.sort_unstable();
        assert_eq!(names, ["x", "x.2", "x.4", "x.5", "x.6"]);
        assert_eq!((first.1 + second.1, first.2 + second.2, first.3 + second.3), (1, 6, 6));
    }
}
