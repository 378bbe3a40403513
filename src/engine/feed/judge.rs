//! What is to be done with each line of a list, which is asked once and in the order of the lines:
//! whose it is, what its report says of it, and the name of its file.

use crate::config::{Config, Destination};
use crate::engine::attempt::fetch::bad_line_row;
use crate::engine::books::closing::{Books, Closing, Left};
use crate::engine::books::given::Given;
use crate::engine::books::journal::Stale;
use crate::engine::feed::naming::{Naming, index_of};
use crate::engine::output::names::GivenNames;
use crate::engine::state::reading::ReaderState;
use crate::pack::{Form, member};
use crate::plan::job::{BadLine, Entry, Job};
use crate::plan::name::{Claimed, Dirs, Template};
use crate::plan::shard::Shard;
use crate::report::journal::{Check, Mismatch, Verdict};
use crate::ring::dir::Dir;

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
    /// Where the list differs from the one that the report was written for.
    mismatch: Option<Mismatch>,
    /// Lines without a job, of which there is no row yet.
    bad: Vec<BadLine>,
    rows: u64,
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
                self.bad.push(line);
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

    /// Lines without a job of which there is no row yet.
    pub(crate) fn bad_lines(&self) -> usize {
        self.bad.len()
    }

    /// Gives the rows of bad lines. `false` when the run is over before all of them had theirs.
    pub(crate) fn tell_bad_lines(&mut self) -> bool {
        self.books.rows().set_passed(self.check.passed());
        let (mut is_over, mut is_cut) = (false, false);
        for line in self.bad.drain(..) {
            // It is left whether it has its row in time or not.
            let left = Left::Line(&line.text);
            if is_over {
                is_cut = true;
                self.books.leave(left);
            } else {
                let row = &bad_line_row(&line);
                is_over = !self.books.close(&Closing { row, encoded: None, left: Some(left) });
            }
        }
        !is_cut
    }

    /// Bad lines have no row any more, and are left.
    pub(crate) fn leave_bad_lines(&mut self) {
        let books = self.books;
        self.bad.drain(..).for_each(|line| books.leave(Left::Line(&line.text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
