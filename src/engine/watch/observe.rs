//! What is told of a run while it goes on: progress, its state on SIGUSR1, and metrics.

use crate::config::ProgressMode;
use crate::engine::output::archive::Archiving;
use crate::engine::say::say;
use crate::engine::shared::Shared;
use crate::engine::state::stop::Stop;
use crate::engine::watch::progress::Progress;
use crate::error::RunError;
use crate::http::served;
use crate::plan::schedule;
use crate::report::pushing::{self, Pushing};
use crate::report::view::{Holdup, LongFiles, Meter, TRANSFERS_MAX, View};
use crate::report::{metrics, state};
use crate::ring::listen::{Listener, Serving};
use anyhow::Context as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Looks at a run again and again.
pub(crate) struct Observer<'s> {
    shared: &'s Shared,
    progress: Progress,
    meter: Meter,
    measure_at: Instant,
    /// Looked for now and then: that walks over hosts.
    holdups: Vec<Holdup>,
    pushing: Vec<Pushing>,
    forecast: Forecast,
    holdups_at: Instant,
    /// Requests for the state that were heard.
    asked: usize,
    question: Option<Question>,
}

/// A question to the cores, for the state.
#[derive(Clone, Copy)]
struct Question {
    number: u64,
    /// A core that did not answer by then is not waited for.
    until: Instant,
}

impl<'s> Observer<'s> {
    pub(crate) fn new(shared: &'s Shared) -> Self {
        Self {
            shared,
            progress: Progress::new(&shared.config),
            meter: Meter::default(),
            forecast: Forecast::default(),
            measure_at: shared.began,
            holdups: Vec::new(),
            pushing: Vec::new(),
            holdups_at: shared.began,
            asked: 0,
            question: None,
        }
    }

    /// One look: shows what it is time for. The state was asked for `asked` times so far.
    pub(crate) fn look(&mut self, asked: usize) {
        let now = Instant::now();
        if self.measure_at <= now {
            self.measure_at = now + MEASURE_EVERY;
            self.meter.measure(&self.view());
        }
        if self.holdups_at <= now && self.is_to_be_known() {
            self.holdups = holdups(self.shared);
            self.pushing = pushing(self.shared);
            self.forecast = Forecast::of(self.shared);
            // Cores wait meanwhile: for next to nothing of their time.
            self.holdups_at = now + MEASURE_EVERY.max(now.elapsed() * HOLDUPS_PART);
        }
        if asked != self.asked {
            self.asked = asked;
            let number = self.shared.gauges.ask();
            self.question = Some(Question { number, until: Instant::now() + ANSWERS_WITHIN });
        }
        if let Some(question) = self.question {
            let is_due = question.until <= Instant::now();
            self.tell(question, is_due);
        }
        if self.progress.is_due(self.shared.began.elapsed()) {
            let view = self.view();
            self.progress.show(&view, &self.meter);
        }
    }

    /// Whether somebody is about to be told of hosts, or the run may stand still for them.
    fn is_to_be_known(&self) -> bool {
        let soon = self.shared.began.elapsed() + MEASURE_EVERY;
        let is_idle = || self.shared.queue.view().in_flight() == 0;
        self.progress.is_due(soon) || (self.progress.is_shown() && is_idle())
    }

    /// The last look.
    pub(crate) fn finish(&mut self, asked: usize) {
        if asked != self.asked && self.question.is_none() {
            let number = self.shared.gauges.ask();
            self.question = Some(Question { number, until: Instant::now() });
        }
        if let Some(question) = self.question {
            self.tell(question, true);
        }
        let view = self.view();
        self.meter.measure(&view);
        self.progress.finish(&view, &self.meter);
    }

    /// Tells the state, once all cores have answered or it is due.
    fn tell(&mut self, question: Question, is_due: bool) {
        let (mut transfers, silent) = self.shared.gauges.answers(question.number);
        if !silent.is_empty() && !is_due {
            return;
        }
        self.question = None;
        transfers.truncate(TRANSFERS_MAX);
        // A thread that has ended has nothing to say.
        let is_over = self.shared.stop.cores_done() > 0;
        let silent = if is_over { Vec::new() } else { silent };
        let view = full_view(self.shared);
        let tell = match self.shared.config.progress.mode {
            ProgressMode::Json => state::json,
            ProgressMode::Bar | ProgressMode::Plain | ProgressMode::None => state::text,
        };
        let text = tell(&view, &self.meter, &transfers, &silent);
        say(text.trim_end());
    }

    fn view(&self) -> View {
        let (holdups, pushing) = (self.holdups.clone(), self.pushing.clone());
        let Forecast { next_at, all_begun_at } = self.forecast;
        View { holdups, pushing, next_at, all_begun_at, ..view(self.shared) }
    }
}

/// Where the run stands; what is to be said of hosts is left out.
fn view(shared: &Shared) -> View {
    let (in_flight, queued, deferred) = {
        let schedule = shared.queue.view();
        (schedule.in_flight(), schedule.queued(), schedule.deferred())
    };
    let total = shared.reader.total();
    let cores = shared.gauges.cores();
    let (names_known, names_asked) = shared.gauges.names();
    // Those are done, and only their rows are not told yet.
    let packed = shared.output.archive.as_ref().map_or(0, Archiving::waiting);
    let rows = shared.books.rows();
    let stats = rows.stats();
    View {
        elapsed: shared.began.elapsed(),
        lines_read: total.unwrap_or_else(|| shared.gauges.lines_read().max(stats.count)),
        is_input_read: total.is_some(),
        ok: stats.ok + packed,
        skipped: stats.skipped,
        failed: stats.failed,
        cancelled: stats.cancelled,
        bytes: shared.gauges.received(),
        long: long_files(shared),
        in_flight,
        in_flight_max: shared.config.limits.in_flight_max,
        queued,
        deferred,
        lookahead_max: shared.config.limits.lookahead_max,
        is_paused: shared.full_disk.is_paused(),
        is_stopping: shared.stop.get() != Stop::Running,
        shortages: shared.shortages.count(),
        cores,
        holdups: Vec::new(),
        pushing: Vec::new(),
        hosts_resting: 0,
        hosts_unreachable: 0,
        hosts_lowered: 0,
        names_known,
        names_asked,
        next_at: Duration::ZERO,
        all_begun_at: Duration::ZERO,
    }
}

/// When waiting jobs can go on, on the clock of the run.
#[derive(Clone, Copy, Debug, Default)]
struct Forecast {
    next_at: Duration,
    all_begun_at: Duration,
}

impl Forecast {
    fn of(shared: &Shared) -> Self {
        let now_ms = shared.now_ms();
        let found = shared.queue.view().forecast(now_ms);
        let at = |for_ms: u64| match for_ms {
            0 => Duration::ZERO,
            for_ms => Duration::from_millis(now_ms.saturating_add(for_ms)),
        };
        // Shorter pauses come and go.
        let next_ms = if found.next_ms < REST_MIN_MS { 0 } else { found.next_ms };
        Self { next_at: at(next_ms), all_begun_at: at(found.all_begun_ms) }
    }
}

/// The long files under way: those that come on one connection, and those that others go on with.
fn long_files(shared: &Shared) -> LongFiles {
    let mut long = shared.gauges.long();
    shared.output.bodies.extents().into_iter().for_each(|(bytes, there)| long.add(bytes, there));
    long
}

/// The view of a run with all that is to be said of its hosts, which walks every host.
fn full_view(shared: &Shared) -> View {
    let troubles = shared.queue.view().troubles(shared.now_ms());
    let Forecast { next_at, all_begun_at } = Forecast::of(shared);
    View {
        next_at,
        all_begun_at,
        holdups: holdups(shared),
        pushing: pushing(shared),
        hosts_resting: troubles.resting,
        hosts_unreachable: troubles.unreachable,
        hosts_lowered: troubles.lowered,
        ..view(shared)
    }
}

/// The hosts that hold the run up, the worst first.
fn holdups(shared: &Shared) -> Vec<Holdup> {
    let found = shared.queue.view().holdups(HOLDUPS_MAX, shared.now_ms());
    let shown = |found: schedule::Holdup| Holdup {
        host: found.host.into(),
        queued: found.queued as u64,
        in_flight: found.in_flight as u64,
        why: found.why.to_string(),
    };
    found.into_iter().map(shown).collect()
}

/// The hosts that push back and are worth a word, the worst first.
pub(crate) fn pushing(shared: &Shared) -> Vec<Pushing> {
    let found = shared.queue.view().pushing();
    let told = |found: schedule::Pushing| Pushing {
        host: found.host.into(),
        requests: found.answers + found.refusals,
        refusals: found.refusals,
        window: found.window as u64,
        rate: found.rate,
        has_jobs: found.jobs > 0,
    };
    pushing::notable(found.into_iter().map(told).collect())
}

/// Listens where metrics are asked for, before anything is touched.
pub(crate) fn listen(addr: Option<SocketAddr>) -> anyhow::Result<Option<Listener>> {
    let bind = |addr| {
        Listener::bind(addr).with_context(|| {
            RunError::usage(format!(
                "cannot serve metrics on {addr}: give another --metrics-addr; port 0 takes a free \
                 one and says which"
            ))
        })
    };
    addr.map(bind).transpose()
}

/// Serves metrics until the value is dropped, and says where.
pub(crate) fn serve(
    listener: Option<Listener>,
    shared: &Arc<Shared>,
    started_at: SystemTime,
) -> anyhow::Result<Option<Serving>> {
    let Some(listener) = listener else { return Ok(None) };
    let config = &shared.config;
    // A port that nobody chose has to be told.
    let is_told = config.summary || config.metrics_addr.is_some_and(|addr| addr.port() == 0);
    let url = format!("http://{}{}", listener.addr(), served::PATH);
    match config.progress.mode {
        ProgressMode::Json => say(&serde_json::json!({ "metrics": url }).to_string()),
        ProgressMode::Bar | ProgressMode::Plain | ProgressMode::None if is_told => {
            say(&format!("metrics: {url}"));
        }
        ProgressMode::Bar | ProgressMode::Plain | ProgressMode::None => {}
    }
    let shared = Arc::clone(shared);
    let page = move || {
        let view = full_view(&shared);
        metrics::encode(&view, shared.books.rows().stats(), started_at)
    };
    let answer = move |request: &[u8]| {
        served::asked(request).map(|asked| served::answer(asked, metrics::CONTENT_TYPE, &page))
    };
    listener.serve("metrics", answer).context("cannot start a thread").map(Some)
}

/// To look for hosts that hold the run up takes one part of the time in so many.
const HOLDUPS_PART: u32 = 100;
/// How often speed is measured, and hosts are looked for that hold the run up.
const MEASURE_EVERY: Duration = Duration::from_secs(1);
/// Shortest time that nothing can begin which is told of, in milliseconds.
const REST_MIN_MS: u64 = 1_000;
/// How long cores have to answer: many times their sweep.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// Hosts that hold the run up, as many as are told of.
const HOLDUPS_MAX: usize = 10;
