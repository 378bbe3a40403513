//! The end of a run: what is left to write, to save and to say.

use crate::config::{ProgressMode, StatsFile};
use crate::engine::attempt::outcome::End;
use crate::engine::books::closing::{Closing, Left};
use crate::engine::books::dns_cache::DnsCache;
use crate::engine::books::journal::{Removal, Syncer, Watched};
use crate::engine::books::parquet::PendingTable;
use crate::engine::books::write_out::RowPrinter;
use crate::engine::queue::queued::Queued;
use crate::engine::run::ended::Ended;
use crate::engine::run::folder::sync;
use crate::engine::run::last_writes::LastWrites;
use crate::engine::run::oversee::{Watch, flush};
use crate::engine::run::prepared::Beside;
use crate::engine::run::scarcity;
use crate::engine::run::signals::Signals;
use crate::engine::say::say;
use crate::engine::shared::Shared;
use crate::engine::watch::observe;
use crate::error::RunError;
use crate::fault::{Cause, Fault, Stage};
use crate::report::look::Page;
use crate::report::{Limit, Number, RunEnd, RunInfo, RunShard, Stats, summary};
use crate::ring::{setup, terminal};
use anyhow::Context as _;
use std::io;
use std::time::{Instant, SystemTime};

/// Ends a run whose threads have ended: finishes what went on beside them, and writes what is left
/// to write.
///
/// # Errors
/// The run failed, with `failure` or by now; whatever could be written was written all the same.
pub(crate) fn close(
    shared: &Shared,
    failure: Option<anyhow::Error>,
    watch: Watch,
    signals: &Signals,
    beside: Beside,
) -> anyhow::Result<Ended> {
    let Beside { started_at, stats_file, file_system, dns_cache, removal, .. } = beside;
    let report =
        EndingReport { table: beside.table, watched: beside.watched, syncer: beside.syncer };
    drop(beside.shard_claim);
    let removed = removal.map_or(0, Removal::finish);
    if removed > 0 && shared.config.summary {
        say(&format!("{removed} unfinished files of an earlier run were removed"));
    }
    // A run that failed has files all the same.
    let synced = sync(file_system.as_ref(), &shared.config.dir);
    let failure = failure.or_else(|| synced.err());
    dns_cache.into_iter().for_each(DnsCache::finish);
    // Whatever comes of the rest.
    flush(shared);
    let untouched = close_left(shared);
    let writes = LastWrites::new(shared, signals);
    writes.flush_report();
    let mut rows = shared.books.rows();
    let failures: Vec<String> = rows.failures().collect();
    let printed = rows.take_printed().map_or(Ok(()), RowPrinter::finish);
    let (stats, written) = rows.finish();
    drop(rows);
    // What the run leaves beside the report is written in any case.
    let failure = report.end(written, failure);
    let (failure, saved) = save_session(shared, &writes, failure);
    let has_work_left = shared.reader.total().is_none() || untouched > 0 || stats.cancelled > 0;
    let end = match watch.end {
        // A sample is what was asked for, however long the list is.
        RunEnd::Stopped(limit) if !has_work_left && limit != Limit::Files => RunEnd::Complete,
        RunEnd::Complete if failure.is_some() => RunEnd::Failed,
        end => end,
    };
    let info = info(shared, started_at, end);
    let mut counted = Ok(());
    if let (Some(file), Some(StatsFile { path, .. })) = (stats_file, &shared.config.stats) {
        counted = writes
            .write(file, stats.to_json(&info).as_bytes())
            .with_context(|| RunError::local_file(format!("cannot write {}", path.display())));
    }
    let failure = first_of(failure, counted.err());
    let is_stopped = watch.is_stopped;
    let told = Told { stats: &stats, info: &info, failures, saved, untouched, is_stopped };
    // A program that embeds the run is given what it came to.
    if signals.are_caught() {
        tell(shared, &told);
    }
    match failure.or_else(|| printed.err()) {
        Some(error) => Err(error),
        None => Ok(Ended { stats, end }),
    }
}

/// What goes on beside the rows of a report, until all of them are written.
struct EndingReport {
    table: Option<PendingTable>,
    watched: Option<Watched>,
    syncer: Option<Syncer>,
}

impl EndingReport {
    /// Brings the report to the disk, and into the form that was asked for. Gives the first thing
    /// that failed, with `failure` or here.
    fn end(self, written: io::Result<()>, failure: Option<anyhow::Error>) -> Option<anyhow::Error> {
        let written = written
            .with_context(|| RunError::local_file("cannot write the report, which ended the run"));
        let mut is_whole = written.is_ok();
        let failure = written.err().or_else(scarcity::failure).or(failure);
        let failure = failure.or_else(|| self.syncer.and_then(|syncer| syncer.finish().err()));
        let watched = self.watched.map_or(Ok(()), Watched::finish);
        is_whole &= watched.is_ok();
        let failure = first_of(failure, watched.err());
        // Rows that are missing in the journal would be missing in the table.
        let table = self.table.filter(|_| is_whole).map_or(Ok(()), PendingTable::finish);
        first_of(failure, table.err())
    }
}

/// What is said at the end of a run.
struct Told<'t> {
    stats: &'t Stats,
    info: &'t RunInfo,
    /// Failures in words.
    failures: Vec<String>,
    /// What became of the session.
    saved: Option<String>,
    /// Jobs that were never begun.
    untouched: usize,
    is_stopped: bool,
}

fn tell(shared: &Shared, told: &Told<'_>) {
    // Who reads JSON from standard error reads nothing else.
    let is_json = shared.config.progress.mode == ProgressMode::Json;
    if !is_json {
        told.failures.iter().for_each(|failure| say(failure));
    }
    // What is wrong with the list comes first.
    let has_begun = !shared.reader.is_list_refused() || told.stats.count > 0;
    if shared.config.summary && !is_json && has_begun {
        let is_all_read = shared.reader.total().is_some();
        let untouched = summary::not_started(told.untouched as u64, is_all_read);
        let left = untouched.into_iter().filter(|_| told.is_stopped).chain(told.saved.clone());
        let page = Page { columns: terminal::columns(), look: shared.config.progress.look };
        let left: Vec<String> = left.collect();
        say(summary::text(told.stats, told.info, &left, page).trim_end());
    }
}

/// Ends the jobs that wait: those that have begun by a row, the others in the session alone. Gives
/// how many were never begun.
fn close_left(shared: &Shared) -> usize {
    let (begun, untouched): (Vec<Queued>, Vec<Queued>) =
        shared.queue.drain().into_iter().partition(Queued::has_begun);
    for queued in begun {
        let end = End::Failed(Fault::new(Stage::Connect, Cause::Interrupted));
        let Some(mut waiting) = queued.unpack().ending(u64::MAX) else { continue };
        let row = &waiting.row(end, Instant::now(), shared.output.dir_shown());
        let left = Some(Left::Job(&waiting.job, waiting.planned_name()));
        shared.books.close(&Closing { row, encoded: None, left });
    }
    untouched.into_iter().map(|queued| queued.leave(&shared.books)).count()
}

/// Ends the session of a run that ends with `failure`. Gives how it ends now, and what is to be
/// said of the session.
fn save_session(
    shared: &Shared,
    writes: &LastWrites<'_>,
    failure: Option<anyhow::Error>,
) -> (Option<anyhow::Error>, Option<String>) {
    let Some(session) = shared.books.session() else { return (failure, None) };
    if shared.reader.is_list_refused() {
        // What is left of another list is not known.
        session.abandon();
        return (failure, None);
    }
    writes.flush_until_written("the session", || session.flush());
    match session.finish() {
        Ok((jobs, is_whole)) => {
            let rest = match is_whole {
                true => "",
                false => "; the rest of the input is not, which is a pipe",
            };
            let urls = if jobs == 1 { "URL is" } else { "URLs are" };
            let (jobs, path) = (Number(jobs), session.path().display());
            (failure, Some(format!("{jobs} {urls} left, in {path}{rest}")))
        }
        Err(error) => (failure.or(Some(error)), None),
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
        shard: shared.config.shard.map(|shard| RunShard {
            index: shard.index(),
            count: shard.count(),
            lines_of_others: shared.reader.others(),
        }),
        pushing: observe::pushing(shared),
    }
}
