//! The rows of the jobs that end on one core.

use crate::engine::attempt::fetch::{Fetch, History, Waiting};
use crate::engine::attempt::outcome::End;
use crate::engine::books::closing::{Closing, Left};
use crate::engine::books::row_sink::Scribe;
use crate::engine::moment::Moment;
use crate::engine::shared::Shared;
use crate::plan::job::Job;
use crate::report::Row;
use std::cell::RefCell;
use std::sync::Arc;

/// What encodes rows, and memory that is used again.
pub(crate) struct Rows {
    shared: Arc<Shared>,
    /// Encodes rows, where there is a report.
    scribe: RefCell<Option<Scribe>>,
    #[allow(clippy::vec_box, reason = "it is the boxes that are used again")]
    histories: RefCell<Vec<Box<History>>>,
}

/// What was written of a job that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Written {
    /// Nothing: it was counted.
    Counted,
    /// A row, which may have waited for the disk of the report.
    Row,
}

impl Rows {
    /// No row so far.
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let scribe = RefCell::new(shared.books.scribe());
        Self { shared: Arc::clone(shared), scribe, histories: RefCell::default() }
    }

    /// A history in memory that is used again.
    pub(crate) fn boxed(&self, history: History) -> Box<History> {
        match self.histories.borrow_mut().pop() {
            None => Box::new(history),
            Some(mut memory) => {
                *memory = history;
                memory
            }
        }
    }

    /// Ends a job.
    pub(crate) fn close(&self, mut fetch: Fetch, end: End, now: Moment) -> Written {
        self.return_ticket(&end);
        let written = match end {
            End::Done(_) | End::Skipped if !self.shared.books.reads_rows() => {
                self.shared.books.count(&fetch.counted(&end, now.at));
                Written::Counted
            }
            _ => {
                let is_left = matches!(end, End::Failed(_));
                let row = fetch.row(end, now.at, self.dir_shown());
                self.write(&row, is_left.then(|| (&fetch.job, fetch.planned_name())));
                Written::Row
            }
        };
        self.forget(fetch);
        written
    }

    /// What there is of a body, with its file and its lock, ends with its job, whose row was
    /// written or is to be.
    pub(crate) fn forget(&self, mut fetch: Fetch) {
        if let Some(team) = fetch.history.team.take() {
            team.end();
        }
        self.histories.borrow_mut().push(fetch.history);
    }

    /// Ends a job while it waits.
    pub(crate) fn close_waiting(&self, mut waiting: Waiting, end: End, now: Moment) {
        self.return_ticket(&end);
        let row = waiting.row(end, now.at, self.dir_shown());
        self.write(&row, Some((&waiting.job, waiting.planned_name())));
    }

    /// Where only so many files are wanted, another line may begin in place of one without a file.
    fn return_ticket(&self, end: &End) {
        if !matches!(end, End::Done(_)) {
            self.shared.queue.return_ticket();
        }
    }

    fn dir_shown(&self) -> &str {
        self.shared.output.dir_shown()
    }

    /// Gives a row to the books; `left` is the job and the path of its file, where it was not done.
    pub(crate) fn write(&self, row: &Row, left: Option<(&Job, &str)>) {
        let mut scribe = self.scribe.borrow_mut();
        let encoded = scribe.as_mut().map(|scribe| scribe.encode(row));
        let left = left.map(|(job, name)| Left::Job(job, name));
        self.shared.books.close(&Closing { row, encoded, left });
    }
}
