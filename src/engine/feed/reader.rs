//! The reader: entries of the inputs to jobs on the schedule, a bounded look-ahead in front of the
//! work.

use crate::engine::feed::compare::other_list;
use crate::engine::feed::inputs::{Item, Lists};
use crate::engine::feed::judge::{Judge, Judged};
use crate::engine::feed::naming::index_of;
use crate::engine::feed::skip_ahead::SkipAhead;
use crate::engine::queue::queued::Queued;
use crate::engine::say::say;
use crate::engine::shared::Shared;
use crate::engine::state::stop::Stop;
use crate::plan::job::{Entry, Job};
use crate::report::journal::Ended;

/// What turns lines into jobs.
pub(crate) struct Reader<'r> {
    pub(crate) shared: &'r Shared,
    pub(crate) lists: Lists,
    /// Says what is to be done with a line.
    pub(crate) judge: Judge<'r>,
    /// Read and not yet on the schedule.
    batch: Vec<Queued>,
    /// When its first line was read, in milliseconds of the run.
    batch_ms: u64,
    /// Number of the line that was read last.
    pub(crate) at: u64,
    pub(crate) skip_ahead: SkipAhead,
    /// The run stopped before all of the input was read and scheduled.
    is_cut: bool,
    /// All of it was read nevertheless, for the session.
    has_read_on: bool,
}

impl<'r> Reader<'r> {
    /// One that has not begun.
    pub(crate) fn new(shared: &'r Shared, lists: Lists, judge: Judge<'r>) -> Self {
        let is_sample = shared.config.budget.files_max.is_some();
        let skip_ahead = SkipAhead::new(&lists, shared.config.limits.lookahead_max, is_sample);
        Self {
            shared,
            lists,
            judge,
            batch: Vec::with_capacity(BATCH),
            batch_ms: 0,
            at: 0,
            skip_ahead,
            is_cut: false,
            has_read_on: false,
        }
    }

    /// Reads all inputs to their end, or until the run stops.
    pub(crate) fn read_all(&mut self) -> anyhow::Result<()> {
        let result = self.read().and_then(|()| self.end_check());
        self.push_batch();
        if !self.is_cut {
            self.shared.reader.set_total(self.judge.rows());
        }
        self.end_session(result.is_ok());
        self.shared.queue.close_input();
        result
    }

    /// Compares what is left to compare when the list has ended. A list that was not read to its
    /// end tells nothing.
    fn end_check(&mut self) -> anyhow::Result<()> {
        let ended = match self.judge.mismatch() {
            Some(mismatch) => Err(mismatch),
            None if self.is_cut && !self.has_read_on => return Ok(()),
            None => self.judge.check().end(),
        };
        let Some(report) = &self.shared.config.report else { return Ok(()) };
        match ended {
            Ok(Ended::Whole) => Ok(()),
            Ok(Ended::Shorter(last)) => {
                say(&format!(
                    "warning: the list is shorter than it was: {} has rows of lines up to {last}",
                    report.path.display()
                ));
                Ok(())
            }
            Err(mismatch) => {
                self.judge.refuse(mismatch);
                self.refuse_list();
                Err(other_list(self.judge.check(), mismatch, report))
            }
        }
    }

    fn read(&mut self) -> anyhow::Result<()> {
        while self.judge.mismatch().is_none()
            && self.wait_for_ticket()
            && let Some(item) = self.lists.next()?
        {
            self.is_cut |= self.shared.stop.get() != Stop::Running;
            if self.is_cut && self.shared.books.session().is_none() {
                return Ok(());
            }
            match item {
                Item::Entry(entry) => {
                    self.entry(entry);
                    self.judge.check_failed()?;
                }
                // What a slow writer of a pipe has sent must not wait for a full batch.
                Item::Pause => self.push_batch(),
            }
            // For the session files are read to their end; a pipe may never come to one.
            self.shared.reader.set_reading_on(self.is_cut && self.lists.is_steady());
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
        if let Some(session) = self.shared.books.session()
            && is_read
            && (!self.is_cut || self.has_read_on)
        {
            session.set_whole();
        }
        self.shared.reader.set_reading_on(false);
    }

    /// Nothing of the batch begins any more.
    fn leave_batch(&mut self) {
        let books = &self.shared.books;
        self.batch.drain(..).for_each(|queued| queued.leave(books));
        self.judge.leave_bad_lines();
    }

    fn entry(&mut self, entry: Entry) {
        let index = index_of(&entry);
        self.at = index;
        if self.skip_ahead.ahead.is_judged(index) {
            if let (Ok(job), false) = (entry, self.skip_ahead.ahead.is_over(index)) {
                let path = self.skip_ahead.ahead.name(index, self.judge.path(&job));
                let name = self.judge.of_claimed(path);
                self.add(job, name);
            }
        } else if let Some(Judged { job, name, .. }) = self.judge(entry) {
            self.add(job, name);
        }
        self.skip_ahead.ahead.reached(index);
        if self.batch.len() + self.judge.bad_lines() >= BATCH {
            self.push_batch();
        }
    }

    fn add(&mut self, job: Job, name: String) {
        if self.batch.is_empty() {
            self.batch_ms = self.shared.now_ms();
        }
        self.batch.push(Queued::of_job(job, name, self.batch_ms));
    }

    /// What is to be done with a line; see [`Judge::line`].
    pub(crate) fn judge(&mut self, entry: Entry) -> Option<Judged> {
        let judged = self.judge.line(entry);
        if self.judge.mismatch().is_some() {
            self.refuse_list();
        }
        judged
    }

    /// Nothing of the lines at hand may begin.
    fn refuse_list(&mut self) {
        self.batch.clear();
        self.shared.reader.refuse_list(&self.shared.stop);
    }

    fn bad_lines(&mut self) {
        self.is_cut |= !self.judge.tell_bad_lines();
        self.shared.full_disk.wait(&self.shared.stop);
        self.shared.books.wait_for_listener();
    }

    /// Gives the rows of bad lines, once they are known to be those of the report.
    pub(crate) fn tell_bad_lines(&mut self) {
        if self.judge.is_confirmed() {
            self.bad_lines();
        }
    }

    /// Waits until one more line may begin than are at hand, or the run stops: of what is behind
    /// the files that are wanted nothing is read. The lines of a report have to be seen first.
    /// Always `true`: a list that has ended by then is known to have.
    fn wait_for_ticket(&mut self) -> bool {
        let queue = &self.shared.queue;
        if self.judge.is_confirmed() && queue.tickets() <= self.batch.len() as u64 {
            self.push_batch();
            while queue.tickets() == 0 && self.shared.stop.get() == Stop::Running {
                queue.wait_for_room(0);
            }
        }
        true
    }

    /// Puts the batch on the schedule, waiting for room; not before its lines are known to be those
    /// of the report.
    fn push_batch(&mut self) {
        if self.is_cut {
            return self.leave_batch();
        }
        if !self.judge.is_confirmed() {
            return;
        }
        self.bad_lines();
        self.shared.gauges.set_lines_read(self.judge.rows());
        let mut batch = std::mem::take(&mut self.batch);
        while !batch.is_empty() {
            let Some(room) = self.wait_for_room() else {
                self.is_cut = true;
                return batch.into_iter().for_each(|queued| queued.leave(&self.shared.books));
            };
            let tickets = usize::try_from(self.shared.queue.tickets()).unwrap_or(usize::MAX);
            let count = batch.len().min(room).min(tickets).min(PUSHED_AT_ONCE);
            if self.shared.queue.push_all(batch.drain(..count)) {
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
            let reserve = self.skip_ahead.reserve;
            let (room, is_starving) = {
                let schedule = self.shared.queue.view();
                let room = schedule.room();
                (room, (1..=reserve).contains(&room) && schedule.is_starving())
            };
            if room > reserve && self.shared.queue.tickets() > 0 {
                return Some(room - reserve);
            }
            if self.shared.stop.get() != Stop::Running {
                return None;
            }
            if is_starving && self.skip_ahead.is_due() {
                self.step_ahead();
            } else {
                self.shared.queue.wait_for_room(reserve);
            }
        }
    }
}

/// Jobs of one batch, which are put on the schedule together.
pub(crate) const BATCH: usize = 256;
/// Jobs put on the schedule before cores have their turn at it.
const PUSHED_AT_ONCE: usize = 64;
