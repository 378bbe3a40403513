//! One run, from the configuration to its statistics.

use crate::config::{Config, ProgressMode, ReportFormat, StatsFile};
use crate::engine::attempt::task::End;
use crate::engine::books::dns_cache::DnsCache;
use crate::engine::books::journal::{self, Opened, Removal, Stale, Syncer, Watched};
use crate::engine::books::row_file::{Flushed, make_parent};
use crate::engine::books::row_sink::RowSink;
use crate::engine::books::session::{self, Session};
use crate::engine::books::write_out::RowPrinter;
use crate::engine::core::desk::{Seed, codings};
use crate::engine::core::worker;
use crate::engine::feed::compare::follow;
use crate::engine::feed::inputs::Lists;
use crate::engine::feed::reader::{Naming, Reader, Taker};
use crate::engine::output::destination::Output;
use crate::engine::output::dir_rules::DirRules;
use crate::engine::queue::queued::Queued;
use crate::engine::queue::resolve_ahead::ResolveAhead;
use crate::engine::run::folder::{check_output, irreplaceable, open_dir, sync};
use crate::engine::run::last_writes;
use crate::engine::run::scarcity;
use crate::engine::run::signals::{PATIENCE, Signals};
use crate::engine::run::sizes::{Sizes, limits, sized};
use crate::engine::shared::{Shared, Stop};
use crate::engine::watch::observe::{self, Observer};
use crate::engine::watch::progress::say;
use crate::error::RunError;
use crate::fault::{Cause, Fault, Stage};
use crate::http::request::{Parts, Template};
use crate::plan::proxy::Proxies;
use crate::plan::schedule::Schedule;
use crate::report::journal::{Check, Fate};
use crate::report::{Limit, RowFormat, RunEnd, RunInfo, RunShard, Stats, summary};
use crate::ring::dir::Dir;
use crate::ring::dns::Resolver;
use crate::ring::heap;
use crate::ring::setup;
use crate::ring::stream;
use crate::ring::tls::Settings;
use anyhow::Context as _;
use std::fs::File;
use std::sync::Arc;
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

/// What a run came to.
#[derive(Debug)]
pub struct Ended {
    /// What its rows add up to.
    pub stats: Stats,
    /// Whether its list ended it, or something else before that.
    pub end: RunEnd,
}

/// Pulls everything the configuration names.
///
/// # Errors
///
/// When the run as a whole cannot begin or go on: no io_uring, a list that cannot be read, a
/// directory or report that cannot be written. A job that fails is no error but a row.
pub fn run(config: &Config) -> anyhow::Result<Ended> {
    let signals = Signals::catch()?;
    setup::check_io_uring()?;
    setup::ignore_write_signals();
    let metrics = observe::listen(config.watch.metrics_addr)?;
    let mut lists = Lists::open(&config.inputs, &config.input, &config.dir)?;
    let mut naming = Naming::new(config)?;
    let tls = Settings::new(&config.tls)?;
    let nofile = setup::raise_nofile()?;
    let Sizes { config, idle_max, folders_max } = sized(config, nofile)?;
    let mut dir = open_dir(&config)?;
    let places = DirRules::new(&config, config.destination.has_files().then_some(&dir));
    let mut opened = open_report(&config, &mut naming, (&dir, &places))?;
    if let Some(opened) = &opened {
        opened.mark(&mut dir, config.on_conflict);
    }
    let file_system = check_output(&config, &dir)?;
    let check = follow(&config, opened.as_mut(), &mut lists, (&dir, &places), &mut naming)?;
    let mut dir = dir.keeping(folders_max);
    let parts = Parts {
        user_agent: &config.request.user_agent,
        referer: config.request.referer.as_deref(),
        codings: codings(&config.request),
        fields: &config.request.headers,
    };
    let template = Template::new(&parts).context("cannot use the given headers")?;
    let dns = Resolver::start(&config.dns).with_context(scarcity::too_little)?;
    let cache = config.dns.cache.as_deref();
    let mut dns_cache = cache.map(|path| DnsCache::open(path, &dns)).transpose()?;
    // Nothing was touched so far; from here on files are replaced.
    let stats_file = config.stats.as_ref().map(create).transpose()?;
    let session = Session::of(&config)?;
    let (stale, removal) = begin_report(&config, opened.as_mut(), check.last(), &dir)?.unzip();
    let to_sync = opened.as_ref().map(Opened::to_sync).transpose()?.flatten();
    let mut watched = Watched::of(&config, opened.as_ref())?;
    let lost = opened.as_mut().map(|opened| std::mem::take(&mut opened.lost)).unwrap_or_default();
    let mut ledger = RowSink::new(opened, &config.budget, config.disk.wait_ms > 0);
    ledger.print(RowPrinter::of(&config)?);
    signals.set_begun();
    naming.reserve(&config);
    dir.set_kept(irreplaceable(&config));
    let began = Instant::now();
    let started_at = SystemTime::now();
    let schedule = Schedule::new(limits(&config));
    let output = Output::new(&config, places, lost);
    let shared = Arc::new(Shared::new(config, began, schedule, ledger, output));
    scarcity::watch(&shared);
    session.into_iter().for_each(|session| shared.set_session(session));
    shared.gauges.watch_dns(&dns);
    let syncer = journal::start_sync(to_sync, &shared)?;
    let cores = start_cores(&shared, &dns, (&dir, idle_max), &tls, &template)?;
    let reader = start_reader(&shared, (lists, &dir), naming, check, stale)?;
    let metrics = observe::serve(metrics, &shared, started_at)?;
    let watch = oversee(&shared, &signals, dns_cache.as_mut(), watched.as_mut());
    drop(metrics);
    let failure = join(&shared, cores, reader, watch);
    let removed = removal.map_or(0, Removal::finish);
    if removed > 0 && shared.config.summary {
        say(&format!("{removed} unfinished files of an earlier run were removed"));
    }
    // A run that failed has files all the same.
    let synced = sync(file_system.as_ref(), &shared.config.dir);
    let failure = failure.or_else(|| synced.err());
    dns_cache.into_iter().for_each(DnsCache::finish);
    close(&shared, failure, started_at, stats_file, watch, &signals, (syncer, watched))
}

/// Opens the report, if there is to be one, and reads what earlier runs wrote there.
fn open_report(
    config: &Config,
    naming: &mut Naming,
    (dir, places): (&Dir, &DirRules),
) -> anyhow::Result<Option<Opened>> {
    let Some(report) = &config.report else { return Ok(None) };
    let kept = config.input.columns.report_names();
    let opened = journal::open(report, kept, config, dir, |filename, fate| {
        if fate == Fate::Good {
            naming.keep(filename, (&config.dir, dir), places);
        }
    })?;
    Ok(Some(opened))
}

/// Makes the report ready for rows, and begins to look for what its runs left unfinished.
fn begin_report(
    config: &Config,
    opened: Option<&mut Opened>,
    last: u64,
    dir: &Dir,
) -> anyhow::Result<Option<(Stale, Removal)>> {
    let (Some(report), Some(opened)) = (&config.report, opened) else { return Ok(None) };
    opened.begin(&report.path, config)?;
    if !config.destination.has_files() {
        return Ok(None);
    }
    opened.remove_stale(dir, last, config.lookahead_max)
}

fn start_cores(
    shared: &Arc<Shared>,
    dns: &Resolver,
    (dir, idle_max): (&Dir, usize),
    tls: &Settings,
    template: &Template,
) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<()>>>> {
    let config = &shared.config;
    let proxies = Arc::new(Proxies::new(&config.proxy)?);
    let gate = Arc::new(ResolveAhead::new(shared, dns, &proxies));
    let in_flight_max = config.in_flight_max.div_ceil(config.cpus.len());
    let start = |(index, cpu): (usize, &usize)| {
        let seed = Seed {
            index,
            cpu: *cpu,
            shared: Arc::clone(shared),
            tls: tls.clone(),
            dns: dns.clone(),
            gate: Arc::clone(&gate),
            proxies: Arc::clone(&proxies),
            dir: dir.send().context("cannot keep the directory open")?,
            template: template.clone(),
            in_flight_max,
            idle_max,
        };
        let done = Done(Arc::clone(shared), std::thread::current());
        std::thread::Builder::new()
            .name(format!("core-{cpu}"))
            .spawn(move || {
                let _done = done;
                worker::run(seed)
            })
            .with_context(scarcity::too_little)
    };
    config.cpus.iter().enumerate().map(start).collect()
}

fn start_reader(
    shared: &Arc<Shared>,
    (lists, dir): (Lists, &Dir),
    naming: Naming,
    check: Check,
    stale: Option<Stale>,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let end = ReaderEnd(Arc::clone(shared));
    let dir = shared.output.has_files().then(|| dir.send()).transpose();
    let dir = dir.context("cannot keep the directory open")?;
    std::thread::Builder::new()
        .name("reader".into())
        .spawn(move || {
            let reader =
                Reader::new(&end.0, (lists, dir.map(Dir::from)), naming, check, Taker::Cores);
            reader.clearing(stale).read_all()
        })
        .with_context(scarcity::too_little)
}

/// How the run went while it was overseen.
#[derive(Clone, Copy)]
struct Watch {
    end: RunEnd,
    /// It was stopped before its list ended: the reader may sit in a read of a pipe for as long as
    /// its writer likes.
    is_stopped: bool,
    /// A core did not end although it was told to: it sits in a write to a pipe that nobody reads.
    is_abandoned: bool,
}

/// Shows progress, writes rows, and minds signals, until every core is done.
fn oversee(
    shared: &Shared,
    signals: &Signals,
    mut dns_cache: Option<&mut DnsCache>,
    mut watched: Option<&mut Watched>,
) -> Watch {
    let mut observer = Observer::new(shared);
    let mut spent: Option<Limit> = None;
    let mut grace_ends: Option<Instant> = None;
    let mut patience_ends: Option<Instant> = None;
    let mut ticks: u64 = 0;
    let is_out_of_patience = |ends: Option<Instant>| ends.is_some_and(|ends| ends < Instant::now());
    while shared.cores_done() < shared.config.cpus.len() && !is_out_of_patience(patience_ends) {
        std::thread::park_timeout(TICK);
        ticks += 1;
        spent = spent.or_else(|| shared.ledger().spent());
        // A budget that is used up is as good as the first signal.
        match (signals.count() + usize::from(spent.is_some()), grace_ends) {
            (0, _) => {}
            (1, None) => {
                let grace = Duration::from_millis(shared.config.grace_ms);
                shared.set_stop(Stop::Draining);
                grace_ends = Some(Instant::now() + grace);
                say_stopping(spent, grace);
            }
            (1, Some(ends)) if Instant::now() < ends => {}
            (_, _) => {
                shared.set_stop(Stop::Now);
                patience_ends.get_or_insert_with(|| Instant::now() + PATIENCE);
            }
        }
        if heap::is_short() {
            // What is left of the reserve is for the end of the run.
            shared.set_stop(Stop::Now);
            patience_ends.get_or_insert_with(|| Instant::now() + PATIENCE);
        }
        // A core that died leaves its jobs lying: the run ends.
        if shared.cores_done() > 0 && !shared.schedule().is_finished() {
            shared.set_stop(Stop::Draining);
        }
        if ticks.is_multiple_of(FLUSH_EVERY_TICKS) {
            flush(shared);
        }
        if ticks.is_multiple_of(LOOK_EVERY_TICKS) {
            watched.iter_mut().for_each(|report| report.look());
        }
        shared.mind_full_disk();
        observer.look(signals);
        dns_cache.iter_mut().for_each(|cache| cache.tick());
    }
    let is_stopped = shared.stop() != Stop::Running;
    shared.set_stop(Stop::Draining);
    observer.finish(signals);
    let end = match (signals.count(), shared.full_disk.is_given_up()) {
        (0, false) => shared.ledger().spent().map_or(RunEnd::Complete, RunEnd::Stopped),
        (0, true) => RunEnd::DiskFull,
        (_, _) => RunEnd::Interrupted,
    };
    Watch { end, is_stopped, is_abandoned: shared.cores_done() < shared.config.cpus.len() }
}

/// Says why no new job starts, and what becomes of the others.
fn say_stopping(spent: Option<Limit>, grace: Duration) {
    let seconds = grace.as_secs_f64();
    match spent {
        None => say(&format!(
            "interrupted: jobs in flight get {seconds} s to finish; again to stop at once"
        )),
        Some(limit) => say(&format!(
            "stopping ({limit}): jobs in flight get {seconds} s to finish; Ctrl-C to stop at once"
        )),
    }
}

/// Writes the rows that wait. Without its report the run cannot go on, and on a full disk it waits.
fn flush(shared: &Shared) {
    // The lock must not be held below.
    let flushed = shared.ledger().flush();
    match (flushed, &shared.config.report) {
        (Flushed::Full, Some(report)) => shared.met_full_report(&report.path),
        (Flushed::Broken, _) => shared.set_stop(Stop::Draining),
        (Flushed::All | Flushed::Full, _) => {}
    }
}

/// The first reason why the run as a whole failed.
fn join(
    shared: &Shared,
    cores: Vec<JoinHandle<anyhow::Result<()>>>,
    reader: JoinHandle<anyhow::Result<()>>,
    watch: Watch,
) -> Option<anyhow::Error> {
    let bug = || anyhow::anyhow!("a thread panicked: this is a bug");
    let outcome =
        |thread: JoinHandle<anyhow::Result<()>>| thread.join().unwrap_or_else(|_| Err(bug()));
    if watch.is_abandoned {
        return None;
    }
    let failures: Vec<_> = cores.into_iter().filter_map(|core| outcome(core).err()).collect();
    if let Some(failure) = failures.into_iter().next() {
        return Some(failure);
    }
    if shared.is_broken() {
        return Some(bug());
    }
    // Most often it ends as soon as it sees that the run does.
    let patience_ends = Instant::now() + READER_PATIENCE;
    while watch.is_stopped && !reader.is_finished() && !shared.is_list_refused() {
        if patience_ends < Instant::now() && !shared.is_reading_on() {
            return None;
        }
        std::thread::sleep(READER_PATIENCE / 20);
    }
    outcome(reader).err()
}

/// Writes what is left to write.
fn close(
    shared: &Shared,
    failure: Option<anyhow::Error>,
    started_at: SystemTime,
    stats_file: Option<File>,
    watch: Watch,
    signals: &Signals,
    (syncer, watched): (Option<Syncer>, Option<Watched>),
) -> anyhow::Result<Ended> {
    // Whatever comes of the rest.
    flush(shared);
    let left = shared.schedule().drain();
    let (begun, untouched): (Vec<Queued>, Vec<Queued>) =
        left.into_iter().partition(Queued::has_begun);
    for task in begun {
        let end = End::Failed(Fault::new(Stage::Connect, Cause::Interrupted));
        let mut task = task.unpack();
        shared.left(&task.job, task.planned_name());
        let row = task.row(end, Instant::now(), shared.output.dir_shown());
        shared.ledger().record(&row);
    }
    let untouched = untouched.into_iter().map(|task| session::leave(shared, task)).count();
    let patience = last_writes::LastWrites::new(shared, signals);
    patience.settle_report();
    let mut ledger = shared.ledger();
    let failures: Vec<String> = ledger.failures().collect();
    let printed = ledger.take_printed().map_or(Ok(()), RowPrinter::finish);
    let (stats, written) = ledger.finish();
    drop(ledger);
    // What the run leaves beside the report is written in any case.
    let written = written
        .with_context(|| RunError::local_file("cannot write the report, which ended the run"));
    let failure = written.err().or_else(scarcity::failure).or(failure);
    let failure = failure.or_else(|| syncer.and_then(|syncer| syncer.finish().err()));
    let failure = first_of(failure, watched.and_then(|watched| watched.finish().err()));
    let (failure, saved) = session::save(shared, &patience, failure);
    let has_work_left = shared.total().is_none() || untouched > 0 || stats.cancelled > 0;
    let end = match watch.end {
        RunEnd::Stopped(_) if !has_work_left => RunEnd::Complete,
        end => end,
    };
    let info = info(shared, started_at, end);
    let mut counted = Ok(());
    if let (Some(file), Some(StatsFile { path, .. })) = (stats_file, &shared.config.stats) {
        counted = patience
            .write(file, stats.to_json(&info).as_bytes())
            .with_context(|| RunError::local_file(format!("cannot write {}", path.display())));
    }
    let failure = first_of(failure, counted.err());
    // Who reads JSON from standard error reads nothing else.
    let is_json = shared.config.progress == ProgressMode::Json;
    if !is_json {
        failures.iter().for_each(|failure| say(failure));
    }
    // What is wrong with the list comes first.
    let has_begun = !shared.is_list_refused() || stats.count > 0;
    if shared.config.summary && !is_json && has_begun {
        say(summary::text(&stats, &info).trim_end());
        if watch.is_stopped {
            let is_all_read = shared.total().is_some();
            summary::not_started(untouched as u64, is_all_read).iter().for_each(|left| say(left));
        }
        saved.iter().for_each(|saved| say(saved));
    }
    match failure.or_else(|| printed.err()) {
        Some(error) => Err(error),
        None => Ok(Ended { stats, end }),
    }
}

/// The run ends with the first of two failures; of the other it is warned.
fn first_of(first: Option<anyhow::Error>, second: Option<anyhow::Error>) -> Option<anyhow::Error> {
    if let (Some(_), Some(second)) = (&first, &second) {
        say(&format!("warning: {second:#}"));
    }
    first.or(second)
}

/// What is known of the run beside its rows.
fn info(shared: &Shared, started_at: SystemTime, end: RunEnd) -> RunInfo {
    RunInfo {
        started_at,
        ended_at: SystemTime::now(),
        duration: shared.began.elapsed(),
        end,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        argv: shared.config.argv.clone(),
        kernel: setup::kernel_release(),
        cpus: shared.config.cpus.clone(),
        shard: shared.config.lines.shard.map(|shard| RunShard {
            index: shard.index,
            count: shard.count,
            lines_of_others: shared.others(),
        }),
        pushing: observe::pushing(shared),
    }
}

fn create(stats: &StatsFile) -> anyhow::Result<File> {
    let file = match &stats.outlet {
        Some(outlet) => stream::open_to_end(outlet),
        None => make_parent(&stats.path).and_then(|()| File::create(&stats.path)),
    };
    file.with_context(|| RunError::local_file(format!("cannot write {}", stats.path.display())))
}

pub(crate) fn format(format: ReportFormat) -> RowFormat {
    match format {
        ReportFormat::Csv => RowFormat::Csv,
        ReportFormat::JsonLines => RowFormat::JsonLines,
    }
}

/// Tells the overseeing thread that a core's thread has ended, however it did.
struct Done(Arc<Shared>, Thread);

impl Drop for Done {
    fn drop(&mut self) {
        self.0.core_done();
        self.1.unpark();
    }
}

/// Lets a run end whose reader panicked: nobody would close the input.
struct ReaderEnd(Arc<Shared>);

impl Drop for ReaderEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken();
        }
    }
}

/// How often the run is looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long the reader may take to end once the run was stopped and its cores have.
const READER_PATIENCE: Duration = Duration::from_millis(100);
/// Rows are written at the latest after so many ticks.
const FLUSH_EVERY_TICKS: u64 = 2;
/// The report is looked for under its name each time that so many ticks have passed, which is 5 s.
const LOOK_EVERY_TICKS: u64 = 100;
