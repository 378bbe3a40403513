//! What one run needs, as plain data with defaults. `cli::resolve` makes it from what was typed;
//! the engine only reads it. No logic lives here.

mod budget;
mod destination;
mod disk;
mod input;
mod integrity;
mod journal;
mod lines;
mod own;
mod pace;
mod politeness;
mod robots;
mod watch;

pub use budget::{BudgetConfig, ErrorsMax};
pub use destination::Destination;
pub use disk::{Dirs, DiskConfig, RestrictNames};
pub use input::{Columns, InputConfig, InputFormat, KeptColumn};
pub use integrity::IntegrityConfig;
pub use journal::{JournalConfig, RetryFailed, SyncMode};
pub use lines::{LinesConfig, ShardConfig};
pub use own::{Outlet, OwnFiles, StatsFile};
pub use pace::PaceConfig;
pub use politeness::{PerHost, PolitenessConfig, RequestRate};
pub use robots::RobotsConfig;
pub use watch::WatchConfig;

use crate::limits;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where input lines come from. `Debug` shows no URL: there may be user information in it.
#[derive(Clone, PartialEq)]
pub enum Input {
    /// A list file.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// URLs given as arguments, each one input line.
    Urls(Vec<String>),
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

/// Encoding of the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReportFormat {
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// What a report is packed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReportPacking {
    /// Nothing.
    None,
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
}

impl ReportPacking {
    /// What the suffix of its name says.
    pub fn of(path: &Path) -> Self {
        let suffix = path.extension().map(|suffix| suffix.to_ascii_lowercase());
        match suffix.as_ref().and_then(|suffix| suffix.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            _ => Self::None,
        }
    }
}

/// A file that takes one row per input line.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportFile {
    /// Where it is; an existing report is continued.
    pub path: PathBuf,
    /// How rows are encoded.
    pub format: ReportFormat,
}

/// How progress is shown, on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ProgressMode {
    /// One line redrawn in place.
    Bar,
    /// One line of text every few seconds.
    Plain,
    /// One JSON object every second.
    Json,
    /// Nothing.
    #[default]
    None,
}

/// Which kernel path file operations take.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FileOps {
    /// Body writes by `write(2)`; every operation a plain system call.
    Sync,
    /// Body writes through the ring; open, rename and close by plain system calls.
    Ring,
    /// As `Ring`, and the last write, close and rename of a file as one linked chain.
    Chain,
    /// `Sync` for what fits the first buffer, where a trip to a kernel worker costs more than the
    /// write; `Ring` above, where a disk that makes a write wait must not hold up its core, and on
    /// xfs, which needs no worker, from 48 KiB on. `benches/results/README.md` says why.
    #[default]
    Auto,
}

/// What must be on the disk before a file counts as done, or the run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fsync {
    /// Nothing: the kernel writes when it likes.
    #[default]
    None,
    /// The file, before it has its final name (fsync(2)).
    File,
    /// The file, and then its name: the directory too.
    Dir,
    /// The whole file system, once, when the run ends (syncfs(2)).
    End,
}

/// Whether disk space is reserved before it is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum FileAllocation {
    /// No.
    #[default]
    None,
    /// For bodies of known length from [`limits::ALLOCATE_BYTES_MIN`] on (fallocate(2)).
    Prealloc,
}

/// Address families that may be connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Family {
    /// Both, the other one as fallback.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
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
    pub netrc: Option<NetrcFile>,
}

/// A netrc file that was read. `Debug` shows where it is and not what is in it.
#[derive(Clone, PartialEq)]
pub struct NetrcFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it, checked by `plan::netrc::Netrc::parse`.
    pub text: String,
    /// Whether its permissions let other users of this machine read it.
    pub is_readable_by_others: bool,
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

/// When and how often a job is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Attempts after the first one.
    pub retries_max: u32,
    /// First step of the exponential back-off, in milliseconds.
    pub delay_base_ms: u64,
    /// Longest step of the back-off, in milliseconds.
    pub delay_max_ms: u64,
    /// Longest `Retry-After` obeyed, in milliseconds; above it the job fails.
    pub retry_after_max_ms: u64,
}

/// How servers are authenticated, and how they authenticate us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsConfig {
    /// PEM files added to the built-in roots and to those of this machine.
    pub ca_files: Vec<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
    /// `--cert`: PEM file of the chain of our own certificate, for servers that ask for one.
    pub cert_file: Option<PathBuf>,
    /// `--key`: PEM file of its private key; without it the key is in `cert_file` too.
    pub key_file: Option<PathBuf>,
    /// Oldest version of TLS that is spoken.
    pub version_min: TlsVersion,
    /// `--pinnedpubkey`: the server's public key must be one of these.
    pub pins: Option<Pins>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246)
    #[default]
    V12,
    /// TLS 1.3 (RFC 8446)
    V13,
}

/// Public keys that servers may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Pins {
    /// SHA-256 of the DER encoding of the key (SubjectPublicKeyInfo), as in RFC 7469 section 2.4.
    Sha256(Vec<[u8; 32]>),
    /// A file that holds one public key, PEM or DER.
    File(PathBuf),
}

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// All.
    #[default]
    Any,
    /// `--no-private`: those of the public internet.
    Public,
    /// `--no-private=own`: those of the public internet that are not this machine's own.
    PublicNotOwn,
}

/// One `--resolve host:port:addr[,addr]`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolveOverride {
    /// Lower-case host name; `*` matches every host.
    pub host: String,
    /// Port it applies to.
    pub port: u16,
    /// Addresses used instead of a lookup.
    pub addresses: Vec<IpAddr>,
}

/// Name resolution.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsConfig {
    /// Servers to ask instead of those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Questions that one server has to answer at once, at least 1.
    pub concurrency: usize,
    /// Longest look-up of a name, once a server has room for it, in milliseconds.
    pub timeout_ms: u64,
    /// Static answers, first match wins.
    pub overrides: Vec<ResolveOverride>,
    /// Families to look up and connect to.
    pub family: Family,
    /// What runs know of names: read at the start, written at the end.
    pub cache: Option<PathBuf>,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            concurrency: limits::DNS_CONCURRENCY_DEFAULT,
            timeout_ms: limits::TIMEOUT_CONNECT_DEFAULT_MS,
            overrides: Vec::new(),
            family: Family::default(),
            cache: None,
        }
    }
}

/// Proxies, as they were given; `plan::proxy::Proxies` understands them. `Debug` shows no
/// credentials.
#[derive(Clone, Default, PartialEq)]
pub struct ProxyConfig {
    /// For http URLs.
    pub http: Option<ProxyUrl>,
    /// For https URLs.
    pub https: Option<ProxyUrl>,
    /// Hosts that are reached directly, as `no_proxy` lists them.
    pub no_proxy: String,
    /// `user:password`, for proxies without user information of their own.
    pub user: Option<String>,
    /// `-H 'Proxy-Authorization: ...'`, instead of Basic authentication; empty sends none.
    pub authorization: Option<String>,
}

impl ProxyConfig {
    /// The one for https URLs, or for http URLs.
    pub fn of(&self, is_https: bool) -> Option<&ProxyUrl> {
        if is_https { self.https.as_ref() } else { self.http.as_ref() }
    }
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

/// One proxy and where it was given.
#[derive(Clone, PartialEq)]
pub struct ProxyUrl {
    /// As given; may hold credentials.
    pub url: String,
    /// The environment variable that has it; without one it is from `--proxy`.
    pub variable: Option<&'static str>,
}

/// Everything one run needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Lists and URLs, read in this order.
    pub inputs: Vec<Input>,
    /// How they are read.
    pub input: InputConfig,
    /// Directory that all files go beneath.
    pub dir: PathBuf,
    /// Where bodies go.
    pub destination: Destination,
    /// What no download may replace.
    pub own_files: OwnFiles,
    /// `--name-template`, checked by `plan::name::Template::parse`.
    pub name_template: Option<String>,
    /// `--content-disposition`: servers may name files, where nothing else does.
    pub content_disposition: bool,
    /// What to do about existing files.
    pub on_conflict: OnConflict,
    /// One row per input line.
    pub report: Option<ReportFile>,
    /// What is done with the report of an earlier run.
    pub journal: JournalConfig,
    /// Statistics of the run as JSON.
    pub stats: Option<StatsFile>,
    /// The command line, for the statistics; secrets are taken out.
    pub argv: Vec<String>,
    /// CPUs to pin one worker each to; never empty, all permitted to this process.
    pub cpus: Vec<usize>,
    /// Jobs in flight over all cores, at least 1.
    pub in_flight_max: usize,
    /// Connections open per host over the whole process.
    pub per_host: PerHost,
    /// What else is limited for the sake of hosts.
    pub politeness: PolitenessConfig,
    /// Jobs read ahead of the work.
    pub lookahead_max: usize,
    /// Whether the user said how many; if not, limits of memory may lower it.
    pub is_lookahead_given: bool,
    /// Which lines are pulled.
    pub lines: LinesConfig,
    /// What requests carry.
    pub request: RequestConfig,
    /// Redirects followed for one job.
    pub redirects_max: u32,
    /// Follow a redirect from https to http.
    pub allow_downgrade: bool,
    /// Largest body that is stored, in bytes, as received and as decoded.
    pub body_bytes_max: Option<u64>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// Retries.
    pub retry: RetryPolicy,
    /// Bandwidth limits.
    pub pace: PaceConfig,
    /// Server authentication.
    pub tls: TlsConfig,
    /// Name resolution.
    pub dns: DnsConfig,
    /// Which of the addresses that come of it may be connected to.
    pub reach: Reach,
    /// Proxies.
    pub proxy: ProxyConfig,
    /// What the run may cost.
    pub budget: BudgetConfig,
    /// Digests of what is stored.
    pub integrity: IntegrityConfig,
    /// Kernel path of file operations.
    pub file_ops: FileOps,
    /// What must be on the disk before it counts as done.
    pub fsync: Fsync,
    /// Whether disk space is reserved.
    pub file_allocation: FileAllocation,
    /// Folders, and what is done about a full disk.
    pub disk: DiskConfig,
    /// What sites ask of robots.
    pub robots: RobotsConfig,
    /// How progress is shown.
    pub progress: ProgressMode,
    /// How else the run can be watched.
    pub watch: WatchConfig,
    /// Print the summary for people at the end (off with `-q`).
    pub summary: bool,
    /// Grace period after the first signal, in milliseconds.
    pub grace_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            input: InputConfig::default(),
            dir: PathBuf::from("."),
            destination: Destination::default(),
            own_files: OwnFiles::default(),
            name_template: None,
            content_disposition: false,
            on_conflict: OnConflict::default(),
            report: None,
            journal: JournalConfig::default(),
            stats: None,
            argv: Vec::new(),
            cpus: vec![0],
            in_flight_max: limits::IN_FLIGHT_DEFAULT,
            per_host: PerHost::Automatic,
            politeness: PolitenessConfig::default(),
            lookahead_max: limits::LOOKAHEAD_JOBS_DEFAULT,
            is_lookahead_given: false,
            lines: LinesConfig::default(),
            request: RequestConfig {
                headers: Vec::new(),
                user_agent: concat!("ringpull/", env!("CARGO_PKG_VERSION")).to_owned(),
                referer: None,
                compressed: false,
                basic_auth: None,
                netrc: None,
            },
            redirects_max: limits::REDIRECTS_DEFAULT,
            allow_downgrade: false,
            body_bytes_max: None,
            timeouts: Timeouts {
                connect_ms: limits::TIMEOUT_CONNECT_DEFAULT_MS,
                read_ms: limits::TIMEOUT_READ_DEFAULT_MS,
                job_ms: limits::TIMEOUT_JOB_DEFAULT_MS,
                speed_min: limits::SPEED_MIN_DEFAULT_BYTES_PER_S,
                speed_ms: limits::SPEED_TIME_DEFAULT_MS,
            },
            retry: RetryPolicy {
                retries_max: limits::RETRIES_DEFAULT,
                delay_base_ms: limits::RETRY_DELAY_DEFAULT_MS,
                delay_max_ms: limits::RETRY_DELAY_MAX_MS,
                retry_after_max_ms: limits::RETRY_AFTER_MAX_MS,
            },
            pace: PaceConfig::default(),
            tls: TlsConfig::default(),
            dns: DnsConfig::default(),
            reach: Reach::default(),
            proxy: ProxyConfig::default(),
            budget: BudgetConfig::default(),
            integrity: IntegrityConfig::default(),
            file_ops: FileOps::default(),
            fsync: Fsync::default(),
            file_allocation: FileAllocation::default(),
            disk: DiskConfig::default(),
            robots: RobotsConfig::default(),
            progress: ProgressMode::default(),
            watch: WatchConfig::default(),
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

impl fmt::Debug for NetrcFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NetrcFile").field(&self.path).finish()
    }
}
