//! Totals of all rows of a run, and those as JSON.
//!
//! Memory is bounded: two histograms, a table of hosts, and one counter per fault code and status.

#[cfg(test)]
mod tests;

use super::budget::Limit;
use super::counted::Counted;
use super::hosts::{Host, Hosts};
use super::journal::Passed;
use super::pushing::{self, Pushing};
use super::row::Status;
use crate::exit::ExitStatus;
use crate::fault::{Fault, Sentence};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Failed and cancelled rows with one fault code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultCount {
    /// Rows.
    pub count: u64,
    /// The code in plain words.
    pub sentence: Sentence,
}

/// Percentiles of one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// Half of the rows took no longer.
    pub p50: Duration,
    /// Nine of ten rows took no longer.
    pub p90: Duration,
    /// 99 of 100 rows took no longer.
    pub p99: Duration,
    /// 999 of 1,000 rows took no longer.
    pub p999: Duration,
    /// 9,999 of 10,000 rows took no longer.
    pub p9999: Duration,
    /// No row took longer.
    pub max: Duration,
}

/// One kind of time, sorted into buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Rows that took no longer than each bound, to three digits.
    pub counts: Vec<u64>,
    /// Rows.
    pub count: u64,
    /// Sum of the times of all of them.
    pub sum: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RunEnd {
    /// The run is complete: each input line has its row.
    Complete,
    /// A signal stopped the run.
    Interrupted,
    /// The run has used up its budget, and something was left to do.
    Stopped(Limit),
    /// The disk was full for longer than `--disk-wait`.
    DiskFull,
    /// The run as a whole failed, as when its list cannot be read to the end.
    Failed,
}

impl RunEnd {
    /// Value of `end` in the statistics file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Stopped(limit) => limit.as_str(),
            Self::DiskFull => "disk_full",
            Self::Failed => "failed",
        }
    }
}

/// What is known of a run beside its rows.
#[derive(Clone, Debug)]
pub struct RunInfo {
    /// When the run began.
    pub started_at: SystemTime,
    /// When the run ended.
    pub ended_at: SystemTime,
    /// Duration of the run, by a clock that nobody sets.
    pub duration: Duration,
    /// How the run ended.
    pub end: RunEnd,
    /// Version of ringpull.
    pub version: String,
    /// The command line, secrets already removed by the caller.
    pub argv: Vec<String>,
    /// Release of the kernel.
    pub kernel: String,
    /// CPUs that workers were pinned to.
    pub cpus: Vec<usize>,
    /// Shard of the list that the run pulled; `None` for all of it.
    pub shard: Option<RunShard>,
    /// Hosts that pushed back and are worth a word, those with most refusals first.
    pub pushing: Vec<Pushing>,
}

/// One of the shards of a list.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RunShard {
    /// Number of the shard, from 0.
    pub index: u32,
    /// Number of shards.
    pub count: u32,
    /// Lines of other shards, among those that were read.
    pub lines_of_others: u64,
}

/// Counters of one run, or of a part of it.
#[derive(Clone, Debug)]
pub struct Stats {
    /// Rows.
    pub count: u64,
    /// Rows with status `ok`.
    pub ok: u64,
    /// Rows with status `skipped`.
    pub skipped: u64,
    /// Rows with status `failed`.
    pub failed: u64,
    /// Rows with status `cancelled`.
    pub cancelled: u64,
    /// Sum of `size_download`, failed rows included.
    pub bytes: u64,
    /// Sum of `size_file`.
    pub bytes_stored: u64,
    /// Files that are links to one that was stored for another line (`--dedupe content`).
    pub files_linked: u64,
    /// Bytes of `bytes_stored` that these take no room for.
    pub bytes_linked: u64,
    /// Sum of `size_resumed`.
    pub bytes_resumed: u64,
    /// Files some bytes of which were there before the run.
    pub files_resumed: u64,
    /// Files that were fetched in parts, by several connections.
    pub files_split: u64,
    /// Files by how their bodies were written, where `--write-mode` decides it.
    pub write_modes: BTreeMap<&'static str, u64>,
    /// Files by how they got their names, as `--naming` says it.
    pub namings: BTreeMap<&'static str, u64>,
    /// Files that took the place of one that was there before the run.
    pub files_replaced: u64,
    /// Sum of `num_retries`.
    pub retries: u64,
    /// Sum of `num_redirects`.
    pub redirects: u64,
    /// Sum of `num_connects`.
    pub connects: u64,
    /// Rows by fault code.
    pub faults: BTreeMap<&'static str, FaultCount>,
    /// Rows by status code of the last response.
    pub response_codes: BTreeMap<u16, u64>,
    /// Lines that were passed over because of earlier runs; they are in no other number here.
    pub passed: Passed,
    /// Time spent, host by host.
    pub hosts: Hosts,
    /// The lowest exit status of the faults of this run.
    exit_lowest: Option<ExitStatus>,
    /// `time_total` of rows that are ok or failed and were tried.
    total: Times,
    /// `time_starttransfer` of rows that had a response.
    starttransfer: Times,
    /// With `--open-loop`, of the rows of `total`.
    open_loop: Option<Box<OpenLoop>>,
}

/// Times of rows whose requests were due at a time.
#[derive(Clone, Debug)]
struct OpenLoop {
    /// From the time at which a request was due to the end of its row.
    due: Times,
    /// How much later than it was due a request began.
    late: Times,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            count: 0,
            ok: 0,
            skipped: 0,
            failed: 0,
            cancelled: 0,
            bytes: 0,
            bytes_stored: 0,
            files_linked: 0,
            bytes_linked: 0,
            bytes_resumed: 0,
            files_resumed: 0,
            files_split: 0,
            write_modes: BTreeMap::new(),
            namings: BTreeMap::new(),
            files_replaced: 0,
            retries: 0,
            redirects: 0,
            connects: 0,
            faults: BTreeMap::new(),
            response_codes: BTreeMap::new(),
            passed: Passed::default(),
            hosts: Hosts::default(),
            exit_lowest: None,
            total: Times::new(),
            starttransfer: Times::new(),
            open_loop: None,
        }
    }
}

impl Stats {
    /// Counts one row.
    pub fn record<'a>(&mut self, row: impl Into<Counted<'a>>) {
        let row = row.into();
        self.count += 1;
        match row.status {
            Status::Ok => self.ok += 1,
            Status::Skipped => self.skipped += 1,
            Status::Failed => self.failed += 1,
            Status::Cancelled => self.cancelled += 1,
        }
        self.bytes += row.size_download;
        self.bytes_stored += row.size_file.unwrap_or(0);
        if row.is_linked {
            self.files_linked += 1;
            self.bytes_linked += row.size_file.unwrap_or(0);
        }
        self.bytes_resumed += row.size_resumed;
        self.files_resumed += u64::from(row.size_resumed > 0);
        self.files_split += u64::from(row.num_parts > 1);
        if let Some(mode) = row.write_mode {
            *self.write_modes.entry(mode).or_default() += 1;
        }
        if let Some(naming) = row.naming {
            *self.namings.entry(naming).or_default() += 1;
        }
        self.files_replaced += u64::from(row.has_replaced);
        self.retries += u64::from(row.num_retries);
        self.redirects += u64::from(row.num_redirects);
        self.connects += u64::from(row.num_connects);
        if let Some(fault) = row.fault {
            self.record_fault(fault, row.status);
        }
        if row.response_code != 0 {
            *self.response_codes.entry(row.response_code).or_default() += 1;
            self.starttransfer.record(row.times.starttransfer);
        }
        match row.status {
            Status::Ok | Status::Failed => {
                // Of what was not tried there is no time.
                if !row.times.total.is_zero() {
                    self.total.record(row.times.total);
                    if let Some(late) = row.times.late {
                        let of = self.open_loop.get_or_insert_with(Box::default);
                        of.due.record(late + row.times.total);
                        of.late.record(late);
                    }
                }
                if !row.host.is_empty() {
                    let failures = u64::from(row.status == Status::Failed);
                    let (bytes, time) = (row.size_download, row.times.total);
                    self.hosts.add(row.host, &Host { count: 1, failures, bytes, time });
                }
            }
            Status::Skipped | Status::Cancelled => {}
        }
    }

    /// Rows that are ok or failed and were tried: not those of bad lines and of hosts that had been
    /// given up.
    pub fn tried(&self) -> u64 {
        self.total.histogram.len()
    }

    /// `time_total` of the rows that are ok or failed and were tried, to three digits.
    pub fn time_total(&self) -> Percentiles {
        self.total.percentiles()
    }

    /// Times from when the requests of these rows were due to their ends, and to their begins; none
    /// without `--open-loop`.
    pub fn time_due_and_late(&self) -> Option<[Percentiles; 2]> {
        let of = self.open_loop.as_ref()?;
        Some([&of.due, &of.late].map(Times::percentiles))
    }

    /// `time_starttransfer` of the rows that had a response, to three digits.
    pub fn time_starttransfer(&self) -> Percentiles {
        self.starttransfer.percentiles()
    }

    /// `time_total` of the rows that are ok or failed and were tried, sorted into buckets.
    pub fn time_total_buckets(&self, bounds: &[Duration]) -> Buckets {
        self.total.buckets(bounds)
    }

    /// `time_starttransfer` of the rows that had a response, sorted into buckets.
    pub fn time_starttransfer_buckets(&self, bounds: &[Duration]) -> Buckets {
        self.starttransfer.buckets(bounds)
    }

    /// The lowest exit status of all faults, those of lines that failed in earlier runs and were
    /// passed over included.
    pub(super) fn exit_lowest(&self) -> Option<ExitStatus> {
        self.exit_lowest.into_iter().chain(self.passed.exit).min()
    }

    /// The statistics file: one JSON object with the keys of img2dataset, and more. `successes` are
    /// rows that are ok; times are in seconds, points in time in seconds since 1970.
    pub fn to_json(&self, run: &RunInfo) -> String {
        let per_second = |count: f64| rounded(count / run.duration.as_secs_f64().max(1e-6));
        let mut status_dict = BTreeMap::from([("success", self.ok), ("skipped", self.skipped)]);
        status_dict.extend(self.faults.iter().map(|(code, fault)| (*code, fault.count)));
        let hosts = self.hosts.slowest(HOSTS_IN_JSON).into_iter();
        let open_loop = self.time_due_and_late().map(|times| times.map(JsonPercentiles::new));
        let json = Json {
            count: self.count,
            successes: self.ok,
            failed_to_download: self.failed,
            skipped: self.skipped,
            cancelled: self.cancelled,
            earlier_successes: self.passed.good,
            earlier_failed: self.passed.failed,
            duration: seconds(run.duration),
            start_time: seconds(since_1970(run.started_at)),
            end_time: seconds(since_1970(run.ended_at)),
            end: run.end.as_str(),
            is_interrupted: run.end == RunEnd::Interrupted,
            status_dict,
            response_codes: &self.response_codes,
            bytes: self.bytes,
            bytes_stored: self.bytes_stored,
            files_linked: self.files_linked,
            bytes_linked: self.bytes_linked,
            bytes_resumed: self.bytes_resumed,
            files_replaced: self.files_replaced,
            files_resumed: self.files_resumed,
            files_split: self.files_split,
            write_modes: &self.write_modes,
            namings: &self.namings,
            files_per_second: per_second(self.ok as f64),
            bytes_per_second: per_second(self.bytes as f64),
            num_retries: self.retries,
            num_redirects: self.redirects,
            num_connects: self.connects,
            time_total: JsonPercentiles::new(self.time_total()),
            time_starttransfer: JsonPercentiles::new(self.time_starttransfer()),
            time_due: open_loop.map(|[due, _]| due),
            time_late: open_loop.map(|[_, late]| late),
            hosts: hosts.map(|(name, host)| JsonHost::new(name, host)).collect(),
            hosts_forgotten: self.hosts.forgotten(),
            hosts_pushing_back: pushing::json(&run.pushing),
            version: &run.version,
            argv: &run.argv,
            kernel: &run.kernel,
            cpus: &run.cpus,
            shard: run.shard,
        };
        let mut text = serde_json::to_string_pretty(&json).expect("plain data is JSON");
        text.push('\n');
        text
    }

    fn record_fault(&mut self, fault: &Fault, status: Status) {
        let facts = fault.facts();
        // What was skipped has a reason, and has not failed.
        if status != Status::Skipped {
            let status = facts.exit;
            self.exit_lowest = Some(self.exit_lowest.map_or(status, |lowest| lowest.min(status)));
        }
        let explained = || FaultCount { count: 0, sentence: facts.sentence };
        self.faults.entry(facts.code).or_insert_with(explained).count += 1;
    }
}

impl Default for OpenLoop {
    fn default() -> Self {
        Self { due: Times::new(), late: Times::new() }
    }
}

/// One kind of time, in microseconds.
#[derive(Clone, Debug)]
struct Times {
    histogram: Histogram<u64>,
    /// The exact maximum, which the histogram does not have.
    max: Duration,
    sum: Duration,
}

impl Times {
    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("the bounds are valid");
        Self { histogram, max: Duration::ZERO, sum: Duration::ZERO }
    }

    fn record(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.histogram.saturating_record(micros);
        self.max = self.max.max(time);
        self.sum = self.sum.saturating_add(time);
    }

    /// Sorts the times into buckets in one pass. The bounds ascend.
    fn buckets(&self, bounds: &[Duration]) -> Buckets {
        let mut counts = vec![0; bounds.len()];
        let mut count = 0;
        for step in self.histogram.iter_recorded() {
            let lowest = self.histogram.lowest_equivalent(step.value_iterated_to());
            count += step.count_at_value();
            let bound = bounds.partition_point(|bound| bound.as_micros() < u128::from(lowest));
            if let Some(first) = counts.get_mut(bound) {
                *first += step.count_at_value();
            }
        }
        let mut sum = 0;
        for bucket in &mut counts {
            sum += *bucket;
            *bucket = sum;
        }
        Buckets { counts, count, sum: self.sum }
    }

    fn percentiles(&self) -> Percentiles {
        let at = |quantile| {
            let micros = self.histogram.value_at_quantile(quantile);
            Duration::from_micros(micros).min(self.max)
        };
        Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max: self.max,
        }
    }
}

/// The file, in the order of its keys.
#[derive(Serialize)]
struct Json<'a> {
    count: u64,
    successes: u64,
    failed_to_download: u64,
    skipped: u64,
    cancelled: u64,
    earlier_successes: u64,
    earlier_failed: u64,
    duration: f64,
    start_time: f64,
    end_time: f64,
    end: &'a str,
    is_interrupted: bool,
    status_dict: BTreeMap<&'a str, u64>,
    response_codes: &'a BTreeMap<u16, u64>,
    bytes: u64,
    bytes_stored: u64,
    files_linked: u64,
    bytes_linked: u64,
    bytes_resumed: u64,
    files_replaced: u64,
    files_resumed: u64,
    files_split: u64,
    /// Word of each mode and its files; not there where no body was that long.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    write_modes: &'a BTreeMap<&'static str, u64>,
    /// Word of each way to a name and its files; not there where none was written.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    namings: &'a BTreeMap<&'static str, u64>,
    files_per_second: f64,
    bytes_per_second: f64,
    num_retries: u64,
    num_redirects: u64,
    num_connects: u64,
    time_total: JsonPercentiles,
    time_starttransfer: JsonPercentiles,
    /// From when each request was due; not there without `--open-loop`, as what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_due: Option<JsonPercentiles>,
    /// From when each request was due to its begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_late: Option<JsonPercentiles>,
    hosts: Vec<JsonHost<'a>>,
    hosts_forgotten: u64,
    hosts_pushing_back: serde_json::Value,
    version: &'a str,
    argv: &'a [String],
    kernel: &'a str,
    cpus: &'a [usize],
    /// Shard of the list; not there where all lines were pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<RunShard>,
}

#[derive(Clone, Copy, Serialize)]
struct JsonPercentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    p9999: f64,
    max: f64,
}

impl JsonPercentiles {
    fn new(times: Percentiles) -> Self {
        let Percentiles { p50, p90, p99, p999, p9999, max } = times;
        Self {
            p50: seconds(p50),
            p90: seconds(p90),
            p99: seconds(p99),
            p999: seconds(p999),
            p9999: seconds(p9999),
            max: seconds(max),
        }
    }
}

#[derive(Serialize)]
struct JsonHost<'a> {
    host: &'a str,
    count: u64,
    failures: u64,
    bytes: u64,
    time_total: f64,
}

impl<'a> JsonHost<'a> {
    fn new(host: &'a str, rows: &Host) -> Self {
        let Host { count, failures, bytes, time } = *rows;
        Self { host, count, failures, bytes, time_total: seconds(time) }
    }
}

fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64())
}

/// The number rounded to six decimals.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// Most hosts in the statistics file.
const HOSTS_IN_JSON: usize = 50;
/// Longest time the histograms tell apart, in microseconds (48 hours).
const MICROS_MAX: u64 = 48 * 3_600 * 1_000_000;
