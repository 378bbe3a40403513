//! What is told of a run, while it goes on and afterwards.

use crate::cli::values::{self, ReportName};
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What is told of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportArgs {
    /// One row per input line: FILE.csv or FILE.jsonl, packed with .gz or .zst behind that. One
    /// that exists is continued; `-` is standard output
    #[arg(long, value_name = "FILE", value_parser = values::report_name)]
    pub report: Option<ReportName>,
    /// Format of the rows [default: by the name of --report; csv for `-`]
    #[arg(long, value_name = "FORMAT", requires = "report")]
    pub report_format: Option<ReportFormatArg>,
    /// Statistics of the run, as JSON
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub stats: Option<PathBuf>,
    /// Progress on standard error [default: bar on a terminal, else none]
    #[arg(long, value_name = "HOW")]
    pub progress: Option<ProgressArg>,
    /// No progress and no summary; errors only
    #[arg(short, long)]
    pub quiet: bool,
    /// Serve metrics for Prometheus at http://ADDR:PORT/metrics while the run goes on, to anyone
    /// who can connect; port 0 takes a free one and says which
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    pub metrics_addr: Option<SocketAddr>,
    /// Write this to standard output for every row: '%{http_code} %{url}\n', with the variables of
    /// curl and all columns of the report, '%{json}\n' for the whole row; @FILE reads it
    #[arg(short, long, value_name = "FORM")]
    pub write_out: Option<String>,
}

impl ReportArgs {
    /// Whether the report is standard output.
    pub fn is_report_printed(&self) -> bool {
        self.report.as_ref().is_some_and(|report| report.path.as_os_str() == "-")
    }

    /// The file of the report, if it is one.
    pub fn report_path(&self) -> Option<&Path> {
        let report = self.report.as_ref().filter(|_| !self.is_report_printed());
        report.map(|report| report.path.as_path())
    }
}

/// `--report-format`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::ReportFormat says")]
pub enum ReportFormatArg {
    Csv,
    Jsonl,
}

/// `--progress`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::ProgressMode says")]
pub enum ProgressArg {
    Bar,
    Plain,
    Json,
    None,
}

/// An address of this machine, and a port of it.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:9100".to_owned())
}
