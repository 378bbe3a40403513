//! The results: one value that is printed, compared, and written as JSON and CSV.

use super::parts::{self, Composition};
use super::sample::{Estimate, REPEAT_MIN};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the schema of [`Results`] as JSON.
pub const SCHEMA: &str = "ringpull-bench";
/// Version of the schema. Keys that are added do not change it.
pub const SCHEMA_VERSION: u32 = 1;

/// All that a run of `ringpull bench` has found.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: String,
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// How the run ended: `complete`, or why it has less than was asked for.
    pub end: String,
    /// What a reader should know: one sentence each.
    pub notes: Vec<String>,
    /// The machine.
    pub environment: Environment,
    /// How it was measured.
    pub protocol: Protocol,
    /// The cells, in the order of the matrix.
    pub cells: Vec<CellResult>,
    /// Cells that are the whole of parts that were measured too. Not read back.
    #[serde(skip_deserializing)]
    pub parts: Vec<Composition>,
}

/// The machine, and what was measured on it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Environment {
    /// Version of ringpull.
    pub ringpull: String,
    /// The command line of the bench.
    pub argv: Vec<String>,
    /// When it began (RFC 3339, UTC).
    pub date: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Model of the CPU.
    pub cpu_model: String,
    /// CPUs that the bench may use.
    pub cpus: Vec<usize>,
    /// What the kernel does about each weakness of the CPU.
    pub mitigations: BTreeMap<String, String>,
    /// Each directory of the axis `dest`: type and options of its file system.
    pub file_systems: BTreeMap<String, String>,
    /// Default congestion control of TCP.
    pub congestion_control: String,
    /// Congestion control of the embedded origin; none where the server is the user's.
    pub congestion_control_of_origin: Option<String>,
    /// Limits of open files, soft and hard.
    pub open_files: Vec<String>,
    /// Value of kernel.io_uring_disabled.
    pub io_uring_disabled: String,
    /// What io_uring of this kernel takes.
    #[serde(default)]
    pub ring: RingFeatures,
}

/// What io_uring of a kernel takes, each name without IORING_SETUP_ and the like before it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct RingFeatures {
    /// Why there is none.
    pub refused: Option<String>,
    /// Flags of io_uring_setup(2).
    pub setup_flags: Vec<String>,
    /// Features that io_uring_setup(2) tells of.
    pub features: Vec<String>,
    /// Operations, of those that matter here.
    pub operations: Vec<String>,
}

/// How it was measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Protocol {
    /// Repetitions of each cell that count; one more before them does not.
    pub repeat: usize,
    /// Order of the cells: `abba`, each round in the reverse order of the one before.
    pub order: String,
    /// Server that the cells pull from: `origin`, a URL or the path of a list.
    pub source: String,
    /// CPUs that clients are pinned to; a cell uses the first `cores` of them.
    pub cpus_client: Vec<usize>,
    /// CPUs that the embedded origin is pinned to.
    pub cpus_origin: Vec<usize>,
    /// Rate at which requests are due, where there is one for all cells.
    #[serde(default)]
    pub rate: Option<String>,
    /// How long each repetition goes on, where it does not end with its list.
    #[serde(default)]
    pub time_s: Option<f64>,
    /// Axes with more than one value.
    pub compared: Vec<String>,
}

/// One cell.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct CellResult {
    /// The axes with their values, by which a cell is found in other results.
    pub name: String,
    /// Each axis and its value.
    pub settings: Vec<(String, String)>,
    /// CPUs of the client.
    pub cores: usize,
    /// Words behind the program's name of the last repetition.
    pub argv: Vec<String>,
    /// Why the cell could not be measured.
    pub error: Option<String>,
    /// What counts, in the order of time.
    pub repetitions: Vec<Repetition>,
    /// Kernel events of one repetition more, by name; none where they are not to be had.
    pub events: Option<Events>,
    /// What the repetitions say, by [`Metric::name`]. Not read back.
    #[serde(skip_deserializing)]
    pub summary: BTreeMap<&'static str, Estimate>,
}

/// Kernel events of one repetition, counted by tracepoints.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Events {
    /// Files of that repetition.
    pub files: u64,
    /// Count by name: `syscalls:sys_enter_openat`, `io_uring:io_uring_complete`.
    pub counts: BTreeMap<String, u64>,
}

/// One repetition: one process. Times are in seconds.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Repetition {
    /// Time from the start of the process to its end.
    pub wall_s: f64,
    /// CPU time in the program's own code, all threads.
    pub user_s: f64,
    /// CPU time in the kernel for it, all threads, io-wq workers included.
    pub system_s: f64,
    /// CPU time of io-wq workers, as far as it was seen while they ran: at least this much.
    pub iowq_s: f64,
    /// Voluntary context switches.
    pub switches_voluntary: u64,
    /// Involuntary context switches.
    pub switches_involuntary: u64,
    /// Page faults without I/O.
    pub faults_minor: u64,
    /// Page faults with I/O.
    pub faults_major: u64,
    /// Most resident memory.
    pub resident_peak_bytes: u64,
    /// Files that were pulled.
    pub files: u64,
    /// Body bytes of these files, as received.
    pub bytes: u64,
    /// Files that failed.
    pub failures: u64,
    /// Half of the files took no longer.
    pub latency_p50_s: f64,
    /// Nine of ten took no longer.
    #[serde(default)]
    pub latency_p90_s: f64,
    /// 99 of 100 took no longer.
    pub latency_p99_s: f64,
    /// 999 of 1,000 took no longer.
    #[serde(default)]
    pub latency_p999_s: f64,
    /// 9,999 of 10,000 took no longer.
    pub latency_p9999_s: f64,
    /// As `latency_p50_s`, from when each request was due; none without a rate, as what follows.
    #[serde(default)]
    pub due_p50_s: Option<f64>,
    /// As `latency_p90_s`, from when each request was due.
    #[serde(default)]
    pub due_p90_s: Option<f64>,
    /// As `latency_p99_s`, from when each request was due.
    #[serde(default)]
    pub due_p99_s: Option<f64>,
    /// As `latency_p999_s`, from when each request was due.
    #[serde(default)]
    pub due_p999_s: Option<f64>,
    /// As `latency_p9999_s`, from when each request was due.
    #[serde(default)]
    pub due_p9999_s: Option<f64>,
    /// 99 of 100 requests began no later than so long after they were due.
    #[serde(default)]
    pub late_p99_s: Option<f64>,
    /// The latest request began so long after it was due.
    #[serde(default)]
    pub late_max_s: Option<f64>,
    /// CPU time of the embedded origin meanwhile; none where the server is the user's.
    pub server_cpu_s: Option<f64>,
}

/// A quantity that is told of every cell.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Key of the quantity in JSON.
    pub name: &'static str,
    /// Value of the quantity in one repetition.
    pub of: fn(&Repetition) -> Option<f64>,
}

/// Files a second.
pub const FILES_PER_S: Metric = metric("files_per_s", |r| share(r.files as f64, r.wall_s));
/// Body bytes a second.
pub const BYTES_PER_S: Metric = metric("bytes_per_s", |r| share(r.bytes as f64, r.wall_s));
/// CPU time of the client for one file, in microseconds.
pub const CPU_PER_FILE: Metric =
    metric("cpu_us_per_file", |r| per_file((r.user_s + r.system_s) * 1e6, r));
/// The part of it in the program's own code.
pub const USER_PER_FILE: Metric = metric("user_us_per_file", |r| per_file(r.user_s * 1e6, r));
/// The part of it in the kernel.
pub const SYSTEM_PER_FILE: Metric = metric("system_us_per_file", |r| per_file(r.system_s * 1e6, r));
/// The part of it in io-wq workers, as far as it was seen.
pub const IOWQ_PER_FILE: Metric = metric("iowq_us_per_file", |r| per_file(r.iowq_s * 1e6, r));
/// CPU time of the client for one byte, in nanoseconds.
pub const CPU_PER_BYTE: Metric =
    metric("cpu_ns_per_byte", |r| share((r.user_s + r.system_s) * 1e9, r.bytes as f64));
/// Context switches for one file.
pub const SWITCHES_PER_FILE: Metric = metric("switches_per_file", |r| {
    per_file((r.switches_voluntary + r.switches_involuntary) as f64, r)
});
/// Page faults for one file.
pub const FAULTS_PER_FILE: Metric =
    metric("faults_per_file", |r| per_file((r.faults_minor + r.faults_major) as f64, r));
/// Most resident memory, in MiB.
pub const RESIDENT_MIB: Metric =
    metric("resident_peak_mib", |r| Some(r.resident_peak_bytes as f64 / (1 << 20) as f64));
/// Latency that half of the files had at most, in milliseconds.
pub const LATENCY_P50: Metric = metric("latency_p50_ms", |r| Some(r.latency_p50_s * 1e3));
/// Latency that 90 % of the files had at most, in milliseconds.
pub const LATENCY_P90: Metric = metric("latency_p90_ms", |r| Some(r.latency_p90_s * 1e3));
/// Latency that 99 % of the files had at most, in milliseconds.
pub const LATENCY_P99: Metric = metric("latency_p99_ms", |r| Some(r.latency_p99_s * 1e3));
/// Latency that 99.9 % of the files had at most, in milliseconds.
pub const LATENCY_P999: Metric = metric("latency_p999_ms", |r| Some(r.latency_p999_s * 1e3));
/// Latency that 99.99 % of the files had at most, in milliseconds.
pub const LATENCY_P9999: Metric = metric("latency_p9999_ms", |r| Some(r.latency_p9999_s * 1e3));
/// As [`LATENCY_P50`], from when each request was due.
pub const DUE_P50: Metric = metric("due_p50_ms", |r| ms(r.due_p50_s));
/// As [`LATENCY_P90`], from when each request was due.
pub const DUE_P90: Metric = metric("due_p90_ms", |r| ms(r.due_p90_s));
/// As [`LATENCY_P99`], from when each request was due.
pub const DUE_P99: Metric = metric("due_p99_ms", |r| ms(r.due_p99_s));
/// As [`LATENCY_P999`], from when each request was due.
pub const DUE_P999: Metric = metric("due_p999_ms", |r| ms(r.due_p999_s));
/// As [`LATENCY_P9999`], from when each request was due.
pub const DUE_P9999: Metric = metric("due_p9999_ms", |r| ms(r.due_p9999_s));
/// Time from when a request was due to its begin that 99 % had at most, in milliseconds.
pub const LATE_P99: Metric = metric("late_p99_ms", |r| ms(r.late_p99_s));
/// Longest of these times, in milliseconds.
pub const LATE_MAX: Metric = metric("late_max_ms", |r| ms(r.late_max_s));
/// CPUs that the client kept busy.
pub const CLIENT_CPUS: Metric = metric("client_cpus", |r| share(r.user_s + r.system_s, r.wall_s));
/// CPUs that the origin kept busy.
pub const SERVER_CPUS: Metric = metric("server_cpus", |r| share(r.server_cpu_s?, r.wall_s));

/// All of them, in the order of the JSON.
pub const METRICS: [Metric; 24] = [
    FILES_PER_S,
    BYTES_PER_S,
    CPU_PER_FILE,
    USER_PER_FILE,
    SYSTEM_PER_FILE,
    IOWQ_PER_FILE,
    CPU_PER_BYTE,
    SWITCHES_PER_FILE,
    FAULTS_PER_FILE,
    RESIDENT_MIB,
    LATENCY_P50,
    LATENCY_P90,
    LATENCY_P99,
    LATENCY_P999,
    LATENCY_P9999,
    DUE_P50,
    DUE_P90,
    DUE_P99,
    DUE_P999,
    DUE_P9999,
    LATE_P99,
    LATE_MAX,
    CLIENT_CPUS,
    SERVER_CPUS,
];

const fn metric(name: &'static str, of: fn(&Repetition) -> Option<f64>) -> Metric {
    Metric { name, of }
}

fn ms(seconds: Option<f64>) -> Option<f64> {
    seconds.map(|seconds| seconds * 1e3)
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn per_file(part: f64, of: &Repetition) -> Option<f64> {
    share(part, of.files as f64)
}

impl CellResult {
    /// One quantity of every repetition.
    pub fn values(&self, metric: Metric) -> Vec<f64> {
        self.repetitions.iter().filter_map(metric.of).collect()
    }

    /// What the repetitions say about one quantity.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        Estimate::new(&self.values(metric))
    }

    /// The value on an axis.
    pub fn setting(&self, axis: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
    }

    /// Whether there are enough repetitions for a verdict.
    pub fn has_enough(&self) -> bool {
        self.repetitions.len() >= REPEAT_MIN
    }

    /// Whether the CPU time of a file differs too much from repetition to repetition.
    pub fn is_noisy(&self) -> bool {
        self.estimate(CPU_PER_FILE).is_some_and(|estimate| estimate.is_noisy())
    }

    /// Whether requests began later than they were due, by more than timers are late by.
    pub fn is_behind(&self) -> bool {
        self.estimate(LATE_P99).is_some_and(|late| late.median > BEHIND_MS)
    }

    /// Whether the origin, on so many CPUs, was busy all the time and the client was not.
    pub fn is_server_the_limit(&self, cpus_origin: usize) -> bool {
        let busy = |metric: Metric| self.estimate(metric).map(|estimate| estimate.median);
        let (Some(client), Some(server)) = (busy(CLIENT_CPUS), busy(SERVER_CPUS)) else {
            return false;
        };
        server > BUSY * cpus_origin as f64 && client < BUSY * self.cores as f64
    }
}

impl Results {
    /// Results of so many cells, of a run that was not cut short.
    pub fn new(environment: Environment, protocol: Protocol, cells: Vec<CellResult>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            schema_version: SCHEMA_VERSION,
            end: "complete".to_owned(),
            notes: Vec::new(),
            environment,
            protocol,
            cells,
            parts: Vec::new(),
        }
    }

    /// Derives the summaries from the repetitions.
    pub fn summarize(&mut self) {
        for cell in &mut self.cells {
            let named = METRICS.iter().map(|metric| (metric.name, cell.estimate(*metric)));
            cell.summary = named.filter_map(|(name, found)| Some((name, found?))).collect();
        }
        self.parts = parts::compositions(&self.cells.iter().collect::<Vec<_>>());
    }
}

/// Milliseconds by which requests are late from which on the schedule is not kept. Timers are late
/// by one or two.
const BEHIND_MS: f64 = 10.0;
/// Share of a CPU from which on it counts as busy.
const BUSY: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(client: f64, server: Option<f64>) -> CellResult {
        let repetition = Repetition {
            wall_s: 2.0,
            user_s: client,
            system_s: client,
            files: 100,
            bytes: 1_000,
            server_cpu_s: server.map(|server| server * 2.0),
            ..Repetition::default()
        };
        CellResult { cores: 1, repetitions: vec![repetition; 7], ..CellResult::default() }
    }

    #[test]
    fn quantities() {
        let cell = cell(0.5, Some(0.25));
        let median = |metric| cell.estimate(metric).unwrap().median;
        assert_eq!((median(FILES_PER_S), median(BYTES_PER_S)), (50.0, 500.0));
        assert_eq!((median(CPU_PER_FILE), median(CPU_PER_BYTE)), (10_000.0, 1e6));
        assert_eq!((median(CLIENT_CPUS), median(SERVER_CPUS)), (0.5, 0.25));
        let empty = CellResult { repetitions: vec![Repetition::default()], ..cell };
        assert_eq!(empty.estimate(CPU_PER_FILE), None, "of no file");
    }

    #[test]
    fn the_server_is_the_limit_where_it_alone_is_busy() {
        assert!(cell(0.8, Some(0.95)).is_server_the_limit(1));
        assert!(!cell(0.95, Some(0.95)).is_server_the_limit(1));
        assert!(!cell(0.8, Some(0.95)).is_server_the_limit(2));
        assert!(!cell(0.8, None).is_server_the_limit(1));
    }
}
