//! What one run needs, as plain data with defaults. `cli::resolve` makes it from what was typed;
//! the engine only reads it. No logic lives here.

mod archive;
mod dedupe;
mod destination;
mod journal;
mod own;
mod pipeline;

pub use archive::{Archive, ArchivePlace};
pub use dedupe::Dedupe;
pub use destination::Destination;
pub use journal::{JournalConfig, RetryFailed, SyncMode};
pub use own::{OwnFiles, StatsFile};
pub use pipeline::Pipeline;

pub use crate::ring::dns::{DnsOptions, Family, ResolveOverride};
pub use crate::ring::file::{FileAllocation, FileOps, Fsync, NameBy, WriteMode};
pub use crate::ring::stream::Outlet;
pub use crate::ring::tls::{Pins, Tls13Suite, TlsOptions, TlsVersion};
pub use crate::ring::{
    Backend, IOWQ_WORKERS_MAX, Network, RecvMode, RingFlags, RingOptions, SQ_ENTRIES, Trigger,
};

use crate::limits;
use crate::plan::address::AddressPolicy;
use crate::plan::checksum::{Checksum, Kind};
use crate::plan::name::{Dirs, RestrictNames, Template};
use crate::plan::netrc::Netrc;
use crate::plan::pace::Bandwidth;
use crate::plan::partial::Continue;
use crate::plan::parts::Splitting;
use crate::plan::proxy::Proxies;
use crate::plan::schedule::Limits;
use crate::plan::shard::Shard;
use crate::plan::verdict::Redirects;
use crate::plan::{input, retry, robots};
use crate::report::RowFormat;
use crate::report::budget::Budget;
use crate::report::look::Look;
use crate::report::write_out::WriteOut;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Where input lines come from. `Debug` shows no URL: there may be user information in it.
#[derive(Clone, PartialEq)]
pub enum Input {
    /// A list file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// URLs given as arguments, each one input line.
    Urls(Vec<String>),
    /// URLs that another program gives one by one, each one input line.
    Given(Given),
}

/// URLs that a program gives while they are pulled.
#[derive(Clone)]
pub struct Given(Arc<Mutex<dyn Iterator<Item = String> + Send>>);

impl Given {
    /// The URLs that `urls` gives.
    pub fn new(urls: impl Iterator<Item = String> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(urls)))
    }

    /// The next URL; may wait for as long as the program likes.
    pub fn next(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What to do when the final name exists before the run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum OnConflict {
    /// Replace it by rename, once the new body is whole.
    #[default]
    Overwrite,
    /// Send no request; the row says `skipped`.
    Skip,
    /// Keep it and give the new file a numbered name.
    Rename,
    /// Fail the job with `disk.exists`.
    Error,
}

/// A file that takes one row per input line.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportFile {
    /// Where it is; an existing report is continued.
    pub path: PathBuf,
    /// How rows are encoded.
    pub format: RowFormat,
    /// The Parquet file of which this is the journal: it has all rows when the run has ended.
    pub parquet: Option<PathBuf>,
}

/// What standard output gets of every row.
#[derive(Clone, Debug, PartialEq)]
pub enum PrintedRows {
    /// `--write-out`: text of the user's own form.
    WriteOut(WriteOut),
    /// `--report -`: the row as in a report.
    Report(RowFormat),
}

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ProgressMode {
    /// A line or two, redrawn in place.
    Bar,
    /// One line of text now and then.
    #[default]
    Plain,
    /// One JSON object now and then.
    Json,
    /// Nothing.
    None,
}

/// What is shown on standard error, and in which look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProgressOptions {
    /// `--progress`
    pub mode: ProgressMode,
    /// `--summary-interval`: time between two lines or objects of progress, in milliseconds; 0 is
    /// none of them.
    pub interval_ms: u64,
    /// What standard error may be written, progress or not.
    pub look: Look,
}

impl Default for ProgressOptions {
    fn default() -> Self {
        Self {
            mode: ProgressMode::default(),
            interval_ms: limits::PROGRESS_LOG_DEFAULT_MS,
            look: Look::default(),
        }
    }
}

/// What every request carries beside its own target. `Debug` shows no value that may be a secret.
#[derive(Clone, PartialEq)]
pub struct RequestConfig {
    /// `-H`: field lines as typed. `Authorization` and `Cookie` never cross an origin.
    pub headers: Vec<(String, String)>,
    /// `User-Agent`; empty sends none.
    pub user_agent: String,
    /// `Referer`.
    pub referer: Option<String>,
    /// `--compressed`: ask for gzip, and store what it decodes to.
    pub compressed: bool,
    /// `-u user:pass`, for the origin of the input line only.
    pub basic_auth: Option<String>,
    /// `--netrc`, `--netrc-file`: for the origin of the input line only.
    pub netrc: Option<Netrc>,
}

/// Deadlines, in milliseconds. All of them are always on, but for the speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timeouts {
    /// One TCP connect; again one TLS handshake; again one name lookup.
    pub connect_ms: u64,
    /// No byte received for so long; also the whole response head.
    pub read_ms: u64,
    /// The whole job, all attempts and the waits between them.
    pub job_ms: u64,
    /// A body that brings less than this many bytes a second over `speed_ms` is given up; 0 is any.
    pub speed_min: u64,
    /// See `speed_min`.
    pub speed_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_ms: limits::TIMEOUT_CONNECT_DEFAULT_MS,
            read_ms: limits::TIMEOUT_READ_DEFAULT_MS,
            job_ms: limits::TIMEOUT_JOB_DEFAULT_MS,
            speed_min: limits::SPEED_MIN_DEFAULT_BYTES_PER_S,
            speed_ms: limits::SPEED_TIME_DEFAULT_MS,
        }
    }
}

/// Everything one run needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Lists and URLs, read in this order.
    pub inputs: Vec<Input>,
    /// How they are read.
    pub input: input::Options,
    /// Directory that all files go beneath.
    pub dir: PathBuf,
    /// Where bodies go.
    pub destination: Destination,
    /// What no download may replace.
    pub own_files: OwnFiles,
    /// `--name-template`: how files are named, where the list does not say.
    pub name_template: Option<Template>,
    /// `--content-disposition`: servers may name files, where nothing else does.
    pub content_disposition: bool,
    /// What to do about existing files.
    pub on_conflict: OnConflict,
    /// `-s`, `-k`: how one file is spread over connections; within what `limits` allow.
    pub splitting: Splitting,
    /// `-c`: when unfinished files are continued.
    pub continuing: Continue,
    /// `-N`: files that are there are asked for conditionally, also those that a report has as
    /// done.
    pub timestamping: bool,
    /// `-R`: files have the time of their `Last-Modified`. Set with `timestamping`, too.
    pub remote_time: bool,
    /// One row per input line.
    pub report: Option<ReportFile>,
    /// What is done with the report of an earlier run.
    pub journal: JournalConfig,
    /// Statistics of the run as JSON.
    pub stats: Option<StatsFile>,
    /// The command line, for the statistics; secrets are taken out.
    pub argv: Vec<String>,
    /// Kernel interface that moves the bytes.
    pub backend: Backend,
    /// Where answers come from.
    pub network: Network,
    /// How rings are set up, where the backend has them.
    pub ring: RingOptions,
    /// Requests that are sent ahead of their turn.
    pub pipeline: Pipeline,
    /// CPUs to pin one worker each to; never empty, all permitted to this process. One comes as
    /// often as workers share it.
    pub cpus: Vec<usize>,
    /// How much is done at once, and asked of one host. The engine fills in how many cores there
    /// are, and for how many hosts it looks ahead.
    pub limits: Limits,
    /// Whether the user said how many jobs are read ahead; if not, limits of memory may lower it.
    pub is_lookahead_given: bool,
    /// `--dry-run`: no line is pulled; the list is read, and what is in it is told.
    pub is_dry_run: bool,
    /// `--shard`: the hosts whose lines are pulled, where they are not all.
    pub shard: Option<Shard>,
    /// What is pulled and stored once only.
    pub dedupe: Dedupe,
    /// What requests carry.
    pub request: RequestConfig,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// Largest body that is stored, in bytes, as received and as decoded.
    pub body_bytes_max: Option<u64>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Retries.
    pub retry: retry::Policy,
    /// Bandwidth limits.
    pub bandwidth: Bandwidth,
    /// Server authentication.
    pub tls: TlsOptions,
    /// Name resolution.
    pub dns: DnsOptions,
    /// `--dns-cache`: what runs know of names, read at the start and written at the end.
    pub dns_cache: Option<PathBuf>,
    /// Which of the addresses that come of it may be connected to.
    pub address_policy: AddressPolicy,
    /// Which URLs go through which proxy.
    pub proxies: Proxies,
    /// What the run may cost.
    pub budget: Budget,
    /// `--compute-hash`: the digest that every row has of its file. Without it, rows have that of
    /// `checksum=` where there is one.
    pub compute_hash: Option<Kind>,
    /// `--checksum`: what the file of a single URL must be, as `checksum=` says it in a list.
    pub checksum: Option<Checksum>,
    /// Kernel path of file operations.
    pub file_ops: FileOps,
    /// `--write-mode`: way of the bytes of long bodies to the disk.
    pub write_mode: WriteMode,
    /// `--naming`: how files get their final names.
    pub naming: NameBy,
    /// What must be on the disk before it counts as done.
    pub fsync: Fsync,
    /// Whether disk space is reserved.
    pub file_allocation: FileAllocation,
    /// `--dirs`: folders that files are spread over; without it all are in one.
    pub dirs: Option<Dirs>,
    /// `--restrict-file-names`: which names files may have; without it the file system decides.
    pub restrict_names: Option<RestrictNames>,
    /// `--disk-wait`: how long a full disk is waited for, in milliseconds; with 0 the job that
    /// meets it fails.
    pub disk_wait_ms: u64,
    /// What sites ask of robots.
    pub robots: robots::Options,
    /// How progress is shown.
    pub progress: ProgressOptions,
    /// `--metrics-addr`: where metrics are served; port 0 is any free one.
    pub metrics_addr: Option<SocketAddr>,
    /// What standard output gets of every row.
    pub printed: Option<PrintedRows>,
    /// Say what is worth knowing and no warning, such as the summary at the end (off with `-q`).
    pub summary: bool,
    /// Grace period after the first signal, in milliseconds.
    pub grace_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            input: input::Options::default(),
            dir: PathBuf::from("."),
            destination: Destination::default(),
            own_files: OwnFiles::default(),
            name_template: None,
            content_disposition: false,
            on_conflict: OnConflict::default(),
            splitting: Splitting::default(),
            continuing: Continue::default(),
            timestamping: false,
            remote_time: false,
            report: None,
            journal: JournalConfig::default(),
            stats: None,
            argv: Vec::new(),
            backend: Backend::default(),
            network: Network::default(),
            ring: RingOptions::default(),
            pipeline: Pipeline::default(),
            cpus: vec![0],
            limits: Limits::default(),
            is_lookahead_given: false,
            is_dry_run: false,
            shard: None,
            dedupe: Dedupe::default(),
            request: RequestConfig {
                headers: Vec::new(),
                user_agent: concat!("ringpull/", env!("CARGO_PKG_VERSION")).to_owned(),
                referer: None,
                compressed: false,
                basic_auth: None,
                netrc: None,
            },
            redirects: Redirects::default(),
            body_bytes_max: None,
            timeouts: Timeouts::default(),
            retry: retry::Policy::default(),
            bandwidth: Bandwidth::default(),
            tls: TlsOptions::default(),
            dns: DnsOptions::default(),
            dns_cache: None,
            address_policy: AddressPolicy::default(),
            proxies: Proxies::default(),
            budget: Budget::default(),
            compute_hash: None,
            checksum: None,
            file_ops: FileOps::default(),
            write_mode: WriteMode::default(),
            naming: NameBy::default(),
            fsync: Fsync::default(),
            file_allocation: FileAllocation::default(),
            dirs: None,
            restrict_names: None,
            disk_wait_ms: limits::DISK_WAIT_DEFAULT_MS,
            robots: robots::Options::default(),
            progress: ProgressOptions::default(),
            metrics_addr: None,
            printed: None,
            summary: true,
            grace_ms: limits::GRACE_DEFAULT_MS,
        }
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Stdin => f.write_str("Stdin"),
            Self::Given(_) => f.write_str("Given"),
            Self::Urls(urls) => f.debug_tuple("Urls").field(&urls.len()).finish(),
        }
    }
}

impl fmt::Debug for RequestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("RequestConfig")
            .field("headers", &names)
            .field("user_agent", &self.user_agent)
            .field("has_basic_auth", &self.basic_auth.is_some())
            .field("netrc", &self.netrc)
            .finish_non_exhaustive()
    }
}
