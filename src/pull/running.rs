//! A pull that goes on, and what it comes to.

use super::notice::Notice;
use super::row::Row;
use crate::config::Config;
use crate::engine::{self, Backlog, Ended, Hearer, RowListener};
use crate::error::RunError;
use crate::exit::ExitStatus;
use crate::report::{self, RunEnd};
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A pull that goes on: an iterator of its rows, in the order in which URLs end.
///
/// Rows wait until they are taken; once 4,096 of them wait, no further URL begins until half of
/// them are taken. Dropping it stops the pull at once and waits until its threads have ended. It
/// can be sent to another thread.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let origin = ringpull::origin::start_beneath(dir.path())?;
/// # let url = origin.http_url().to_owned();
/// // Read as the work goes on, and never ending.
/// let urls = (0..).map(move |number| format!("{url}/image/{number}.jpg"));
/// let mut running = ringpull::Pull::new(urls).dir(dir.path().join("out")).start()?;
/// let canceller = running.canceller();
/// let mut rows = 0;
/// for row in &mut running {
///     rows += 1;
///     if rows == 100 {
///         canceller.cancel(); // from any thread
///     }
///     assert!(row.problem.is_none_or(|problem| problem.code == "run.interrupted"));
/// }
/// let summary = running.join()?;
/// assert!(!summary.is_complete && summary.ok >= 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Running<'f> {
    told: Receiver<Told>,
    backlog: Arc<Backlog>,
    functions: Functions<'f>,
    canceller: Canceller,
    thread: Option<JoinHandle<anyhow::Result<Summary>>>,
}

/// A function that is called with each `T`.
type Function<'f, T> = Box<dyn FnMut(&T) + Send + 'f>;

/// The functions of the embedding program.
#[derive(Default)]
pub(super) struct Functions<'f> {
    /// Is called with every row.
    pub(super) on_row: Option<Function<'f, Row>>,
    /// Is called with every notice.
    pub(super) on_notice: Option<Function<'f, Notice>>,
}

/// What comes from the threads of a pull, in this order.
#[expect(clippy::large_enum_variant, reason = "nearly all are rows")]
enum Told {
    Row(Row),
    Notice(Notice),
}

impl<'f> Running<'f> {
    pub(super) fn start(
        config: Config,
        functions: Functions<'f>,
        notices: impl Iterator<Item = Notice>,
        canceller: Canceller,
    ) -> Result<Self, Error> {
        let (sender, told) = channel();
        let hearer = hearer(functions.on_notice.is_some().then(|| sender.clone()), notices);
        let backlog = Arc::new(Backlog::default());
        // Whoever took the rows may be gone; then the pull is stopped.
        let send = move |row: &report::Row| drop(sender.send(Told::Row(Row::of(row))));
        let listener = RowListener::new(send, Arc::clone(&backlog));
        let cancels = Arc::clone(&canceller.0);
        let pull = move || {
            let began = Instant::now();
            let ended = engine::embedded(&config, listener, &hearer, cancels)?;
            Ok(Summary::of(&ended, began.elapsed(), config.budget.ok_percent_min))
        };
        let thread = std::thread::Builder::new().name("ringpull".into()).spawn(pull);
        let thread = thread.map_err(|error| Error::new(&error.into()))?;
        Ok(Self { told, backlog, functions, canceller, thread: Some(thread) })
    }

    /// What ends the pull, from any thread, also while another one waits in [`join`](Self::join).
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Takes the rows and notices that are left, and waits for the end.
    ///
    /// # Errors
    /// The pull as a whole could not begin or go on.
    ///
    /// # Panics
    /// With the panic of a function that was given, or where ringpull is wrong.
    pub fn join(mut self) -> Result<Summary, Error> {
        (&mut self).for_each(drop);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended.map_err(|error| Error::new(&error)),
            Some(Err(panic)) => resume_unwind(panic),
            None => Err(Error::new(&RunError::internal("the pull has ended").into())),
        }
    }
}

impl Iterator for Running<'_> {
    type Item = Row;

    /// The next row; waits for it. Nothing once there are no more.
    fn next(&mut self) -> Option<Row> {
        loop {
            match (self.told.recv().ok()?, &mut self.functions) {
                (Told::Row(row), Functions { on_row, .. }) => {
                    self.backlog.taken();
                    on_row.iter_mut().for_each(|on_row| on_row(&row));
                    return Some(row);
                }
                (Told::Notice(notice), Functions { on_notice, .. }) => {
                    on_notice.iter_mut().for_each(|on_notice| on_notice(&notice));
                }
            }
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.canceller.stop();
        // What it came to, nobody wants to know.
        let _ = thread.join();
    }
}

impl fmt::Debug for Running<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// Sends what the pull says to whoever takes its rows, after these notices; or lets it be lost,
/// where there is no sender.
fn hearer(sender: Option<Sender<Told>>, notices: impl Iterator<Item = Notice>) -> Arc<Hearer> {
    let Some(sender) = sender else { return Arc::new(|_: &str| ()) };
    let send = move |notice| drop(sender.send(Told::Notice(notice)));
    notices.for_each(&send);
    Arc::new(move |line: &str| send(Notice::of_line(line)))
}

/// Ends a pull, from any thread. Clones end the same one. A pull that was cancelled before it began
/// ends as soon as it has begun; after the end nothing comes of it.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<AtomicUsize>);

impl Canceller {
    /// Lets no further URL begin. Those in flight have the time of the option `grace` to finish,
    /// which is 5 seconds; then their rows say `cancelled`. A second call stops them at once, as
    /// [`stop`](Self::stop) does.
    pub fn cancel(&self) {
        // It counts to two, and never around.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            (count < STOPPED).then_some(count + 1)
        });
    }

    /// Stops the pull at once. The rows of URLs in flight say `cancelled`.
    pub fn stop(&self) {
        self.0.store(STOPPED, Ordering::Relaxed);
    }

    /// Whether the pull was asked to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// What a pull came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// URLs that have a row, which is the sum of the four below.
    pub urls: u64,
    /// URLs whose whole body is in its file.
    pub ok: u64,
    /// URLs of which nothing was to be stored ([`Status::Skipped`](super::Status::Skipped)).
    pub skipped: u64,
    /// URLs that failed.
    pub failed: u64,
    /// URLs that were not done when the pull ended.
    pub cancelled: u64,
    /// URLs that were passed over, for an earlier pull with the same report had done them.
    pub earlier: u64,
    /// Body bytes that came in this pull, those of failed URLs included.
    pub bytes: u64,
    /// Time from the begin of the pull to its end.
    pub time: Duration,
    /// Whether all URLs were seen to; not where the pull was cancelled or has used up its budget
    /// (a [`Notice`] says which limit).
    pub is_complete: bool,
    /// The exit status that the command line would have: `ringpull help exit`.
    pub exit_status: u8,
}

impl Summary {
    fn of(ended: &Ended, time: Duration, ok_percent_min: Option<f64>) -> Self {
        let stats = &ended.stats;
        let status = report::summary::exit_status(stats, ended.end, ok_percent_min);
        Self {
            urls: stats.count,
            ok: stats.ok,
            skipped: stats.skipped,
            failed: stats.failed,
            cancelled: stats.cancelled,
            earlier: stats.passed.good + stats.passed.failed,
            bytes: stats.bytes,
            time,
            is_complete: ended.end == RunEnd::Complete,
            exit_status: status.number(),
        }
    }

    /// Whether every URL is ok or skipped, or as many as were asked for (`ok-if`, `max-files`).
    pub fn is_success(&self) -> bool {
        self.exit_status == ExitStatus::Success.number()
    }
}

/// Why a pull as a whole could not begin or go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    message: String,
    exit_status: u8,
}

impl Error {
    pub(super) fn new(error: &anyhow::Error) -> Self {
        Self { message: format!("{error:#}"), exit_status: ExitStatus::from(error).number() }
    }

    /// The exit status that the command line would have: 2 for an option that is wrong, 3 for local
    /// files, 1 where the kernel refuses; see `ringpull help exit`.
    pub fn exit_status(&self) -> u8 {
        self.exit_status
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The count of a pull that is to stop at once.
const STOPPED: usize = 2;
