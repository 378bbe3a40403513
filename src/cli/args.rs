//! What was typed: one field per option, checked as far as one option alone can be, nothing done.

mod budget;
mod dns;
mod input;
mod integrity;
mod journal;
mod lines;
mod output;
mod pace;
mod politeness;
mod report;
mod robots;

pub use budget::BudgetArgs;
pub use dns::DnsArgs;
pub use input::InputArgs;
pub use integrity::IntegrityArgs;
pub use journal::{JournalArgs, RetryFailedArg, SyncArg};
pub use lines::{LinesArgs, ShardArg};
pub use output::{FileAllocationArg, FsyncArg, OnConflictArg, OutputArgs, OutputName};
pub use pace::PaceArgs;
pub use politeness::PolitenessArgs;
pub use report::{ProgressArg, ReportArgs, ReportFormatArg};
pub use robots::RobotsArgs;

use super::argv;
use super::peers::PEERS;
use super::topics::{self, Topic};
use super::values::{self, Bytes, CpuList, HeaderArg, Millis};
use crate::config::Pins;
use crate::limits;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Pull lists of URLs onto disk through io_uring, and report what happened to each
#[derive(Parser)]
#[command(
    name = "ringpull",
    version,
    max_term_width = 100,
    args_override_self = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = "ringpull [OPTIONS] [URL]...\n       ringpull origin [OPTIONS]\n       \
                      ringpull help [TOPIC]",
    after_help = EXAMPLES
)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pull: PullArgs,
}

/// What the program was asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pull URLs: what is done without a subcommand.
    #[command(skip)]
    Pull(Box<PullArgs>),
    /// Serve synthetic files over HTTP and HTTPS, for demonstrations, tests and benchmarks
    Origin(OriginArgs),
    /// Explain a topic; without one, list the topics
    Help(HelpArgs),
}

/// Understands the words of the command line, the program's name first. A subcommand is one only as
/// the first word; none has a scheme, so none can be meant as a URL.
///
/// # Errors
/// Whatever clap has to say, help and version included; `print` and `exit_code` of the error fit.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let mut command = command();
    let typed = argv::rewrite(&mut command, words, &PEERS)?;
    let matches = command.try_get_matches_from_mut(typed.words).map_err(argv::explain)?;
    let line = CommandLine::from_arg_matches(&matches);
    let CommandLine { command: subcommand, mut pull } =
        line.map_err(|error| error.format(&mut command))?;
    if let Some(subcommand) = subcommand {
        return Ok(subcommand);
    }
    pull.notes = typed.notes;
    if pull.urls.is_empty() && pull.input.files.is_empty() && !pull.journal.verify {
        let hint =
            "nothing to pull: give URLs, -i FILE with one URL a line, or - for standard input";
        return Err(command.error(ErrorKind::MissingRequiredArgument, hint));
    }
    Ok(Command::Pull(Box::new(pull)))
}

/// The command line as clap knows it.
pub(super) fn command() -> clap::Command {
    let mut command = CommandLine::command();
    command.build();
    command
}

/// What is pulled, and how.
#[derive(Args)]
pub struct PullArgs {
    /// URLs to pull, each one input line; `-` reads a list from standard input
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// Where input comes from, and how it is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// Which lines of it are pulled.
    #[command(flatten)]
    pub lines: LinesArgs,
    /// Where files go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How much at once.
    #[command(flatten)]
    pub concurrency: ConcurrencyArgs,
    /// Bandwidth limits.
    #[command(flatten)]
    pub pace: PaceArgs,
    /// How much is asked of one host.
    #[command(flatten)]
    pub politeness: PolitenessArgs,
    /// What requests carry.
    #[command(flatten)]
    pub http: HttpArgs,
    /// What sites ask of robots.
    #[command(flatten)]
    pub robots: RobotsArgs,
    /// The way to servers.
    #[command(flatten)]
    pub proxy: ProxyArgs,
    /// How servers are authenticated.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Name resolution.
    #[command(flatten)]
    pub dns: DnsArgs,
    /// How long and how often.
    #[command(flatten)]
    pub patience: PatienceArgs,
    /// When a run ends before its list.
    #[command(flatten)]
    pub budget: BudgetArgs,
    /// Digests of what is stored.
    #[command(flatten)]
    pub integrity: IntegrityArgs,
    /// What is told.
    #[command(flatten)]
    pub report: ReportArgs,
    /// Taking a run up again.
    #[command(flatten)]
    pub journal: JournalArgs,
    /// Kernel paths.
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// What the user should know about letters that mean something else elsewhere.
    #[arg(skip)]
    pub notes: Vec<String>,
}

/// Shows nothing: URLs and options may hold secrets.
impl fmt::Debug for PullArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullArgs").finish_non_exhaustive()
    }
}

/// How much at once.
#[derive(Debug, Args)]
#[command(next_help_heading = "Concurrency")]
pub struct ConcurrencyArgs {
    /// Downloads in flight over all CPUs
    #[arg(short = 'j', long, value_name = "N", value_parser = values::count,
          default_value_t = limits::IN_FLIGHT_DEFAULT,
          aliases = ["parallel-max", "max-concurrent-files", "transfers"])]
    pub max_concurrent_downloads: usize,
    /// Connections open per host over the whole process: a host is a name and a port, so that
    /// http://a/ and https://a/ are one. Fewer while it is too busy (429, 503, resets, ever later
    /// first bytes), and back to this as it answers [default: from 8 up to 96, as it pays]
    #[arg(short = 'x', long, value_name = "N", value_parser = values::per_host,
          aliases = ["max-connection-per-server", "parallel-max-host", "max-conn-per-host"])]
    pub max_connections_per_host: Option<usize>,
    /// Worker threads, each pinned to one CPU [default: one per permitted CPU]
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub threads: Option<usize>,
    /// CPUs to work on, for instance 0,2-5 [default: all permitted]
    #[arg(long, value_name = "LIST", value_parser = values::cpus)]
    pub cpus: Option<CpuList>,
}

/// What requests carry.
#[derive(Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpArgs {
    /// Extra field of every request, 'Name: value'; @FILE reads one a line. Repeatable
    #[arg(short = 'H', long = "header", value_name = "FIELD", value_parser = values::header)]
    pub headers: Vec<HeaderArg>,
    /// User-Agent to send; '' sends none [default: ringpull/VERSION]
    #[arg(short = 'A', long, short_alias = 'U', value_name = "NAME",
          value_parser = values::visible)]
    pub user_agent: Option<String>,
    /// Referer to send
    #[arg(short = 'e', long, value_name = "URL", value_parser = values::visible)]
    pub referer: Option<String>,
    /// Basic authentication, never sent on after a redirect to another origin
    // All that were typed, of which the last counts: none of them may be shown.
    #[arg(short = 'u', long = "user", value_name = "USER:PASSWORD", value_parser = values::user)]
    pub users: Vec<String>,
    /// Take user names and passwords from ~/.netrc
    #[arg(short = 'n', long)]
    pub netrc: bool,
    /// Take them from FILE
    #[arg(long, alias = "netrc-path", value_name = "FILE", value_parser = values::path)]
    pub netrc_file: Option<PathBuf>,
    /// Redirects followed per URL
    #[arg(long, alias = "max-redirect", value_name = "N",
          default_value_t = limits::REDIRECTS_DEFAULT)]
    pub max_redirs: u32,
    /// Follow redirects from https to http
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Ask for gzip and store what it decodes to; without it files are stored as sent
    #[arg(long)]
    pub compressed: bool,
    /// Largest body: a longer one fails and leaves no file; 0 is any. k, M and G as in curl
    #[arg(long, value_name = "BYTES", value_parser = values::bytes)]
    pub max_filesize: Option<Bytes>,
    /// Redirects are always followed.
    #[arg(short = 'L', long, hide = true)]
    pub location: bool,
    /// A status of 400 or more always fails and is never stored.
    #[arg(short = 'f', long, hide = true)]
    pub fail: bool,
}

/// The way to servers. All of it is checked later, since clap repeats what it refuses, passwords
/// included; `Debug` shows nothing for the same reason.
#[derive(Args)]
#[command(next_help_heading = "Proxy")]
pub struct ProxyArgs {
    /// Proxy for all URLs: http://HOST:PORT, socks5://... (names are looked up here) or
    /// socks5h://... (by the proxy); port 1080 by default. '' is none. Without this option,
    /// http_proxy, https_proxy and all_proxy of the environment decide
    #[arg(long, alias = "all-proxy", value_name = "URL")]
    pub proxy: Option<String>,
    /// Hosts to reach directly, with commas: names (and all below them), addresses, networks
    /// (10.0.0.0/8), each with an optional :PORT; '*' for all [default: no_proxy of the
    /// environment]
    #[arg(long, value_name = "LIST")]
    pub noproxy: Option<String>,
    /// Credentials for the proxy, unless its URL has them
    #[arg(long, value_name = "USER:PASSWORD")]
    pub proxy_user: Option<String>,
}

impl fmt::Debug for ProxyArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyArgs").finish_non_exhaustive()
    }
}

/// How servers are authenticated.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// PEM certificates to trust beside built-in and system roots. Repeatable
    #[arg(long = "cacert", alias = "ca-certificate", value_name = "FILE",
          value_parser = values::path)]
    pub ca_files: Vec<PathBuf>,
    /// Accept any certificate; says so on every run
    #[arg(long, alias = "no-check-certificate")]
    pub insecure: bool,
    /// PEM file of the certificate to show to servers that ask for one, its chain and its key
    #[arg(short = 'E', long = "cert", alias = "certificate", value_name = "FILE",
          value_parser = values::path)]
    pub cert_file: Option<PathBuf>,
    /// PEM file of the key of --cert, when that is another one
    #[arg(long = "key", alias = "private-key", value_name = "FILE", requires = "cert_file",
          value_parser = values::path)]
    pub key_file: Option<PathBuf>,
    /// Public keys that servers may have, and no other: 'sha256//BASE64;sha256//BASE64', or a PEM
    /// or DER file of one
    #[arg(long = "pinnedpubkey", value_name = "KEYS", value_parser = values::pins)]
    pub pins: Option<Pins>,
    /// TLS 1.2 or later, as is the default.
    #[arg(long = "tlsv1.2", hide = true, overrides_with = "is_tls_1_3")]
    pub is_tls_1_2: bool,
    /// TLS 1.3 only
    #[arg(long = "tlsv1.3", overrides_with = "is_tls_1_2")]
    pub is_tls_1_3: bool,
}

/// How long and how often. Times are seconds (10, 1.5) or carry a unit (500ms, 2m, 1h).
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts and retries")]
pub struct PatienceArgs {
    /// Longest name lookup, connect, TLS handshake, each: 10, 1.5, 500ms, 2m
    /// [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = values::deadline)]
    pub connect_timeout: Option<Millis>,
    /// Longest time without a received byte, and for a whole response head [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = values::deadline)]
    pub read_timeout: Option<Millis>,
    /// Longest time per URL, retries and the waits between them included
    #[arg(short, long, value_name = "TIME", value_parser = values::deadline,
          default_value_t = Millis(limits::TIMEOUT_JOB_DEFAULT_MS))]
    pub max_time: Millis,
    /// Give a body up that brings fewer bytes a second over --speed-time, and try again; 0 never
    /// does. k and M are 1024 and 1024 k
    #[arg(short = 'Y', long, alias = "lowest-speed-limit", value_name = "BYTES",
          value_parser = values::bytes,
          default_value_t = Bytes(limits::SPEED_MIN_DEFAULT_BYTES_PER_S))]
    pub speed_limit: Bytes,
    /// Time over which --speed-limit is judged
    #[arg(short = 'y', long, value_name = "TIME", value_parser = values::deadline,
          default_value_t = Millis(limits::SPEED_TIME_DEFAULT_MS))]
    pub speed_time: Millis,
    /// Both --connect-timeout and --read-timeout, where not given
    #[arg(short = 'T', long, value_name = "TIME", value_parser = values::deadline)]
    pub timeout: Option<Millis>,
    /// Further attempts after a transient failure; 429 and 503 of a host that answers others well
    /// meanwhile do not count. 0 asks for each URL once
    #[arg(long, value_name = "N", default_value_t = limits::RETRIES_DEFAULT)]
    pub retry: u32,
    /// Attempts in all, that is one more than --retry; 0 goes on until --max-time
    #[arg(long, alias = "max-tries", value_name = "N", conflicts_with = "retry")]
    pub tries: Option<u32>,
    /// First wait before a further attempt; doubles each time, with jitter
    #[arg(long, aliases = ["retry-wait", "waitretry"], value_name = "TIME",
          value_parser = values::duration,
          default_value_t = Millis(limits::RETRY_DELAY_DEFAULT_MS))]
    pub retry_delay: Millis,
    /// Longest Retry-After of a server that is waited for: after 429 by the whole host, else by the
    /// URL. A host that refuses everything (429, 503) for that long is given up: its other URLs
    /// fail untried (http.host_busy)
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::RETRY_AFTER_MAX_MS))]
    pub retry_after_max: Millis,
    /// Time for downloads in flight to finish after Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::GRACE_DEFAULT_MS))]
    pub grace: Millis,
}

/// Kernel paths, for those who compare them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Kernel")]
pub struct KernelArgs {
    /// How files are written: plain system calls, the ring, the ring with linked chains, or by size
    /// and file system: where the ring costs at most 3 % of the CPU
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub file_ops: FileOpsArg,
}

/// Where the embedded server listens.
#[derive(Args, Debug)]
#[command(version, display_name = "ringpull origin", args_override_self = true)]
pub struct OriginArgs {
    /// Where HTTP is served; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub http_addr: SocketAddr,
    /// Where HTTPS is served, on the same address; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub https_addr: SocketAddr,
    /// Serve HTTP only
    #[arg(long, conflicts_with = "https_addr")]
    pub no_tls: bool,
    /// Directory for origin.json (the ports) and ca.pem (the certificate to trust)
    #[arg(long, value_name = "DIR", default_value = ".", value_parser = values::path)]
    pub dir: PathBuf,
}

/// What is explained.
#[derive(Args, Debug)]
pub struct HelpArgs {
    /// What to explain
    #[arg(value_name = "TOPIC", value_parser = topic)]
    pub topic: Option<&'static Topic>,
}

fn topic(name: &str) -> Result<&'static Topic, String> {
    topics::find(name).ok_or_else(|| topics::unknown(name))
}

/// `--file-ops`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::FileOps says")]
pub enum FileOpsArg {
    Auto,
    Sync,
    Ring,
    Chain,
}

const EXAMPLES: &str = "\
Examples:
  ringpull -i urls.txt -d images --report REPORT.csv
  ringpull -o logo.png https://example.com/static/logo.png
  ringpull -i urls.csv.gz -d pages --dirs host -j 512 -x 4 --report REPORT.csv --retry-failed
  ringpull -i urls.txt --name-template '{seq:06}-{name}' -H 'Accept: image/*'

Exit status:
  0 every URL is ok or skipped, 2 usage, 3 local files, 4 network, 5 TLS verification,
  6 authentication, 7 protocol, 8 status of 400 or more (the lowest that happened),
  9 ended by --max-errors, --max-duration or --quota, 1 internal error, 130 interrupted";

#[cfg(test)]
mod tests;
