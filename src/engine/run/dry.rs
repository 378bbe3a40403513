//! `--dry-run`: a list is read, named and scheduled as in a run, and nothing is pulled.

use crate::config::Config;
use crate::engine::books::closing::Books;
use crate::engine::books::row_sink::RowSink;
use crate::engine::feed::inputs::{Item, Lists};
use crate::engine::feed::judge::Judge;
use crate::engine::feed::naming::Naming;
use crate::engine::feed::reader::BATCH;
use crate::engine::output::dir_rules::DirRules;
use crate::engine::output::names::GivenNames;
use crate::engine::queue::queued::Queued;
use crate::engine::run::ended::Ended;
use crate::engine::say::{self, say};
use crate::engine::state::reading::ReaderState;
use crate::engine::state::stop::StopFlag;
use crate::engine::state::wakes::Wakes;
use crate::plan::census::{Census, Distinct};
use crate::plan::schedule::{After, Assignment, Limits, Schedule};
use crate::report::budget::Budget;
use crate::report::dry::DryRun;
use crate::report::journal::Check;
use crate::report::{RunEnd, Stats};
use crate::ring::setup;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads everything the configuration names and tells what is in it. No connection is made; no file
/// is made or changed.
///
/// # Errors
/// A list that cannot be read.
pub fn dry_run(config: &Config) -> anyhow::Result<Ended> {
    say::begin(&config.progress);
    let mut lists = Lists::open(&config.inputs, &config.input, &config.dir)?;
    let mut naming = Naming::new(config);
    naming.reserve(config);
    let limits = Limits {
        cores: 1,
        resolve_ahead_max: 0,
        is_window_fixed: false,
        host_fail_limit: 0,
        rate: None,
        rate_per_host: None,
        ..config.limits
    };
    // It costs nothing, so it is seen to its end.
    let rows = RowSink::new(None, &Budget::default(), false);
    // To see what becomes of names, files would have to be made.
    let rules = DirRules::new(config, None);
    let stop = Arc::new(StopFlag::new(Arc::new(Wakes::new(0))));
    let books = Books::new(rows, None, stop);
    let names = GivenNames::new(rules);
    let reader = ReaderState::default();
    let parts = (&books, &names, &reader);
    let mut judge = Judge::new(config, parts, None, naming, Check::default());
    let mut rehearsal = Rehearsal::new(limits);
    let read = read_all(&mut lists, &mut judge, &mut rehearsal);
    let lines = lists.lines_total();
    rehearsal.take_all();
    let mut rows = books.rows();
    let failures: Vec<String> = rows.failures().collect();
    let (stats, written) = rows.finish();
    written?;
    failures.iter().for_each(|failure| say(failure));
    if config.summary {
        let told = DryRun { others: reader.others(), ..rehearsal.told(lines, &stats) };
        say(told.text().trim_end());
    }
    read.map(|()| Ended { stats, end: RunEnd::Complete })
}

/// Reads all inputs to their end, and passes on what would be pulled.
fn read_all(
    lists: &mut Lists,
    judge: &mut Judge<'_>,
    rehearsal: &mut Rehearsal,
) -> anyhow::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    let read = loop {
        match lists.next() {
            Ok(Some(Item::Entry(entry))) => {
                let judged = judge.line(entry);
                if let Err(error) = judge.check_failed() {
                    break Err(error);
                }
                batch.extend(judged.map(|judged| Queued::of_job(judged.job, judged.name, 0)));
            }
            Ok(Some(Item::Pause)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        if batch.len() + judge.bad_lines() >= BATCH {
            judge.tell_bad_lines();
            rehearsal.pass(&mut batch);
        }
    };
    if read.is_ok() {
        lists.notes().iter().for_each(|note| say(note));
    }
    judge.tell_bad_lines();
    rehearsal.pass(&mut batch);
    read
}

/// A schedule whose jobs nobody works on, and the time that this takes.
struct Rehearsal {
    schedule: Schedule<Queued>,
    census: Census,
    jobs: u64,
    time_parse: Duration,
    time_schedule: Duration,
    /// When the last batch was passed on, in time of this thread: since then lines were read.
    passed_at: Duration,
    began: Instant,
}

impl Rehearsal {
    fn new(limits: Limits) -> Self {
        Self {
            schedule: Schedule::new(limits),
            census: Census::new(),
            jobs: 0,
            time_parse: Duration::ZERO,
            time_schedule: Duration::ZERO,
            passed_at: setup::thread_time(),
            began: Instant::now(),
        }
    }

    /// Puts a batch on the schedule, and takes jobs from it where there is no room for more.
    fn pass(&mut self, batch: &mut Vec<Queued>) {
        let schedule = &mut self.schedule;
        self.time_parse += setup::thread_time() - self.passed_at;
        self.jobs += batch.len() as u64;
        for queued in &*batch {
            self.census.add(queued.place().host);
            queued.mirror_hosts().for_each(|host| self.census.add(host));
        }
        let begun = setup::thread_time();
        while !batch.is_empty() {
            if schedule.room() == 0 {
                take(schedule);
            }
            let count = batch.len().min(schedule.room());
            // A core that takes without end sleeps never.
            let _wakes = schedule.push_all(batch.drain(..count), Queued::place);
        }
        self.passed_at = setup::thread_time();
        self.time_schedule += self.passed_at - begun;
    }

    /// Takes what is left.
    fn take_all(&mut self) {
        let begun = setup::thread_time();
        while take(&mut self.schedule) {}
        self.time_schedule += setup::thread_time() - begun;
    }

    fn told(&self, lines: u64, stats: &Stats) -> DryRun {
        let (hosts, is_estimate) = match self.census.distinct() {
            Distinct::Exactly(hosts) => (hosts, false),
            Distinct::About(hosts) => (hosts, true),
        };
        let largest = self.census.largest(HOSTS_SHOWN).into_iter();
        DryRun {
            lines,
            jobs: self.jobs,
            bad: stats.failed,
            duplicates: stats.skipped,
            others: 0,
            hosts,
            is_estimate,
            largest: largest.map(|(host, count)| (host.to_owned(), count)).collect(),
            time_parse: self.time_parse,
            time_schedule: self.time_schedule,
            time: self.began.elapsed(),
            memory_peak: setup::resident_peak_bytes(),
        }
    }
}

/// Takes one job, which is over at once; says whether there was one.
fn take(schedule: &mut Schedule<Queued>) -> bool {
    let Assignment::Job(grant) = schedule.take(0, 0).assignment else { return false };
    let _wake = schedule.release(0, grant.origin, After::Closed).wake;
    true
}

/// Hosts in the text.
const HOSTS_SHOWN: usize = 10;
