//! The end of a line: its row, and what the session of the run is told of it.

use crate::engine::books::listener::Backlog;
use crate::engine::books::row_sink::{RowSink, Scribe};
use crate::engine::books::session::Session;
use crate::engine::state::stop::{Stop, StopFlag};
use crate::plan::job::Job;
use crate::report::{Counted, Row};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Where the end of every line is written down.
pub(crate) struct Books {
    rows: Mutex<RowSink>,
    /// Where what is left is saved.
    session: Option<Session>,
    stop: Arc<StopFlag>,
    /// Whether rows of lines that are done are read by anybody.
    reads_rows: bool,
    /// What encodes rows, for each core to have its own.
    scribe: Option<Scribe>,
    /// Rows that wait for whoever embeds the run.
    backlog: Option<Arc<Backlog>>,
}

/// How a line ends.
pub(crate) struct Closing<'c> {
    pub(crate) row: &'c Row,
    /// The row as [`Books::scribe`] has it, where there is one.
    pub(crate) encoded: Option<&'c [u8]>,
    /// What of it is left for another run.
    pub(crate) left: Option<Left<'c>>,
}

/// What is left of a line that was not done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Left<'l> {
    /// A job that failed, was cancelled or never begun, and the path of its file.
    Job(&'l Job, &'l str),
    /// The text of a line that is not a URL; whoever mends the list wants to see it.
    Line(&'l [u8]),
}

impl Books {
    /// The books of a run that `stop` ends.
    pub(crate) fn new(rows: RowSink, session: Option<Session>, stop: Arc<StopFlag>) -> Self {
        let (reads_rows, scribe, backlog) = (rows.reads_rows(), rows.scribe(), rows.backlog());
        Self { rows: Mutex::new(rows), session, stop, reads_rows, scribe, backlog }
    }

    /// Ends a line: the session is told what is left of it, its row is taken, and the run stops if
    /// that was the last row it can take. Gives whether it goes on.
    pub(crate) fn close(&self, closing: &Closing<'_>) -> bool {
        if let Some(left) = closing.left {
            self.leave(left);
        }
        let can_go_on = match closing.encoded {
            Some(encoded) => self.rows().record_encoded(closing.row, Some(encoded)),
            None => self.rows().record(closing.row),
        };
        self.go_on(can_go_on)
    }

    /// Ends a line that is done, where nobody reads rows ([`Books::reads_rows`]). Gives whether the
    /// run goes on.
    pub(crate) fn count(&self, row: &Counted<'_>) -> bool {
        let can_go_on = self.rows().count(row);
        self.go_on(can_go_on)
    }

    fn go_on(&self, can_go_on: bool) -> bool {
        if !can_go_on {
            self.stop.set(Stop::Draining);
        }
        can_go_on
    }

    /// Tells the session of a line that has no row in this run, or has it already.
    pub(crate) fn leave(&self, left: Left<'_>) {
        match (&self.session, left) {
            (None, _) => {}
            (Some(session), Left::Job(job, name)) => session.add(job, name),
            (Some(session), Left::Line(text)) => session.add_bad(text),
        }
    }

    /// Where what is left is saved, if that is wanted.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether rows of lines that are done are read by anybody.
    pub(crate) fn reads_rows(&self) -> bool {
        self.reads_rows
    }

    /// What encodes rows for one thread, where there is a report.
    pub(crate) fn scribe(&self) -> Option<Scribe> {
        self.scribe.clone()
    }

    /// Whether nothing begins because rows wait that nobody takes.
    pub(crate) fn is_held(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.is_holding())
    }

    /// Lets jobs begin again if enough rows were taken.
    pub(crate) fn release(&self) {
        if self.backlog.as_ref().is_some_and(|backlog| backlog.may_release()) {
            self.stop.wake_all();
        }
    }

    /// Waits while rows wait that nobody takes, unless the run stops.
    pub(crate) fn wait_for_listener(&self) {
        while self.is_held() && self.stop.get() == Stop::Running {
            std::thread::sleep(LISTENER_WAIT);
        }
    }

    /// The rows, behind their lock.
    pub(crate) fn rows(&self) -> MutexGuard<'_, RowSink> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows, unless somebody holds them for long.
    fn try_rows(&self) -> Option<MutexGuard<'_, RowSink>> {
        for _ in 0..ROWS_ATTEMPTS {
            match self.rows.try_lock() {
                Ok(rows) => return Some(rows),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(ROWS_WAIT),
            }
        }
        None
    }

    /// Writes the rows that wait, whoever holds what. Nothing is allocated for that, except for
    /// rows that are to be packed: those may be lost.
    pub(crate) fn flush_at_last(&self) {
        if let Some(mut rows) = self.try_rows() {
            rows.flush();
        }
    }
}

/// How often it is looked whether rows were taken.
const LISTENER_WAIT: Duration = Duration::from_millis(5);
/// How often the lock of the rows is tried when memory has run out, and how long between: its
/// holder may be the thread that tries.
const ROWS_ATTEMPTS: usize = 200;
const ROWS_WAIT: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::wakes::Wakes;
    use crate::fault::{Cause, Fault, Stage};
    use crate::plan::target::Target;
    use crate::report::Status;
    use crate::report::budget::{Budget, ErrorsMax};
    use std::time::SystemTime;

    fn row(index: u64, fault: Option<Fault>) -> Row {
        let status = if fault.is_some() { Status::Failed } else { Status::Ok };
        Row { status, fault, ..Row::new(index, "http://h/a".into(), SystemTime::UNIX_EPOCH) }
    }

    #[test]
    fn a_line_ends_in_its_row_and_the_session_and_may_end_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("left.txt");
        let stop = Arc::new(StopFlag::new(Arc::new(Wakes::new(1))));
        let budget = Budget { errors_max: Some(ErrorsMax::Count(1)), ..Default::default() };
        let session = Session::create(&path, false, true).unwrap();
        let rows = RowSink::new(None, &budget, false);
        let books = Books::new(rows, Some(session), Arc::clone(&stop));
        assert!(books.close(&Closing { row: &row(1, None), encoded: None, left: None }));
        assert_eq!(stop.get(), Stop::Running);
        let job = Job::new(2, Target::parse("http://h/a").unwrap(), "http://h/a");
        let failed = row(2, Some(Fault::new(Stage::Connect, Cause::Refused)));
        let left = Some(Left::Job(&job, "x/a"));
        assert!(!books.close(&Closing { row: &failed, encoded: None, left }), "one error, no more");
        assert_eq!(stop.get(), Stop::Draining);
        books.leave(Left::Line(b"ht!tp"));
        let counted = |books: &Books| {
            let rows = books.rows();
            (rows.stats().ok, rows.stats().failed)
        };
        assert_eq!(counted(&books), (1, 1));
        books.session().unwrap().finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("http://h/a\n  out=x/a\n") && text.contains("# ht!tp"), "{text}");
    }
}
