//! The options of the command line, a file a group: what is typed, and what it means to the run.

mod archive;
mod bench;
mod budget;
mod concurrency;
mod dedupe;
mod dns;
mod http;
mod input;
mod integrity;
mod journal;
mod kernel;
pub(crate) mod lines;
mod origin;
mod output;
mod pace;
mod patience;
mod politeness;
pub(crate) mod proxy;
pub(crate) mod report;
mod robots;
mod settings;
mod tls;
mod transfer;

pub use archive::ArchiveArgs;
pub use bench::BenchArgs;
pub use budget::BudgetArgs;
pub use concurrency::ConcurrencyArgs;
pub use dedupe::{DedupeArgs, DedupeBy};
pub use dns::DnsArgs;
pub(crate) use http::NetrcFile;
pub use http::{HeaderArg, HttpArgs};
pub use input::InputArgs;
pub use integrity::IntegrityArgs;
pub use journal::JournalArgs;
pub use kernel::KernelArgs;
pub use lines::LinesArgs;
pub use origin::OriginArgs;
pub use output::{OutputArgs, OutputName};
pub use pace::PaceArgs;
pub use patience::PatienceArgs;
pub use politeness::PolitenessArgs;
pub use proxy::ProxyArgs;
pub use report::ReportArgs;
pub use robots::RobotsArgs;
pub use settings::SettingsArgs;
pub use tls::TlsArgs;
pub use transfer::TransferArgs;

use super::settings::held::Held;
use clap::Args;
use std::fmt;

/// What is pulled, and how.
#[derive(Args)]
pub struct PullArgs {
    /// URLs to pull; - reads a list from stdin.
    ///
    /// Each is one input line, behind those of the lists of -i. For more than a few there is -i
    /// FILE.
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// Where options come from, besides the command line.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where input comes from, and how it is read.
    #[command(flatten)]
    pub input: InputArgs,
    /// Which lines of it are pulled.
    #[command(flatten)]
    pub lines: LinesArgs,
    /// What is pulled and stored once only.
    #[command(flatten)]
    pub dedupe: DedupeArgs,
    /// Where files go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Archives in place of files.
    #[command(flatten)]
    pub archive: ArchiveArgs,
    /// Large files, and files that are there.
    #[command(flatten)]
    pub transfer: TransferArgs,
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
    /// What config file and environment say, as far as it holds.
    #[arg(skip)]
    pub held: Held,
}

impl PullArgs {
    /// Whether neither URLs, nor a list, nor files to look at are given.
    pub(crate) fn has_nothing(&self) -> bool {
        self.urls.is_empty() && self.input.files.is_empty() && !self.journal.verify
    }
}

/// Shows nothing: URLs and options may hold secrets.
impl fmt::Debug for PullArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullArgs").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
