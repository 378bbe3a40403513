//! `ringpull bench`: what is measured, how often, and where the results go.

use crate::cli::values::{self, Bytes, Millis};
use clap::Args;
use std::path::PathBuf;

/// What is measured, how often, and where the results go.
#[derive(Args, Debug)]
#[command(
    version,
    display_name = "ringpull bench",
    args_override_self = true,
    after_help = "Axes, protocol, what the columns mean, and the JSON: ringpull help bench"
)]
pub struct BenchArgs {
    /// Axes and their values, such as 'size=1k,50k conns=16,256 write-mode=ring,sync'
    #[arg(long, value_name = "AXES")]
    pub matrix: Option<String>,
    /// Pull this URL again and again, instead of files of the embedded origin
    #[arg(long, value_name = "URL", conflicts_with = "input_file")]
    pub url: Option<String>,
    /// Pull the URLs of this list
    #[arg(short, long, value_name = "FILE", value_parser = values::path,
          conflicts_with_all = ["files", "bytes"])]
    pub input_file: Option<PathBuf>,
    /// Repetitions of each cell that count; a verdict takes at least 7
    #[arg(long, value_name = "N", value_parser = values::count, default_value_t = 7)]
    pub repeat: usize,
    /// Files of one repetition [default: as many as take about 0.4 s]
    #[arg(long, value_name = "N", value_parser = values::count, conflicts_with = "bytes")]
    pub files: Option<usize>,
    /// Bytes of one repetition, in whole files
    #[arg(long, value_name = "SIZE", value_parser = values::bytes, conflicts_with = "url")]
    pub bytes: Option<Bytes>,
    /// Pull for so many seconds in each repetition, whatever number of files that is
    #[arg(long, value_name = "SECONDS", value_parser = time,
          conflicts_with_all = ["files", "bytes"])]
    pub time: Option<Millis>,
    /// Begin requests at this rate, such as 500/s, and measure latencies from when each was due
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub rate: Option<String>,
    /// CPUs to use, such as 0,2-5; a cell has `cores` of them, the origin the rest [default: all]
    #[arg(long, value_name = "LIST", value_parser = super::concurrency::cpus)]
    pub cpus: Option<super::concurrency::CpuList>,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub json: Option<PathBuf>,
    /// Write the repetitions as CSV
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub csv: Option<PathBuf>,
    /// Write the results as a page of HTML with plots
    #[arg(long, value_name = "FILE", value_parser = values::path)]
    pub html: Option<PathBuf>,
    /// Compare two results, measure nothing, and end with status 10 if anything has become worse
    #[arg(long, num_args = 2, value_names = ["OLD.json", "NEW.json"], value_parser = values::path,
          conflicts_with_all = ["matrix", "url", "input_file", "files", "bytes", "time", "rate",
                                "json", "csv", "html", "cpus", "options"])]
    pub compare: Vec<PathBuf>,
    /// Say nothing while it runs
    #[arg(short, long)]
    pub quiet: bool,
    /// Options of ringpull for all cells, behind --
    #[arg(last = true, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub options: Vec<String>,
}

/// `--time`: a span of time in which something can be pulled.
fn time(text: &str) -> Result<Millis, String> {
    match values::duration(text)? {
        Millis(0) => Err("nothing can be pulled in no time: give a second or more".to_owned()),
        time => Ok(time),
    }
}

/// `--rate`, as the option of the same name of a pull understands it.
fn rate(text: &str) -> Result<String, String> {
    super::politeness::rate(text).map(|_| text.to_owned())
}
