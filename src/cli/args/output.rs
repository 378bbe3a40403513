//! Where files go, and how they get there.

use crate::cli::values::{self, Millis};
use crate::config::{Dirs, RestrictNames};
use crate::limits;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where files go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Directory for the files, made when it is missing
    #[arg(short, long, short_alias = 'P', value_name = "DIR", default_value = ".",
          aliases = ["directory-prefix", "output-dir", "output-folder"],
          value_parser = values::path)]
    pub dir: PathBuf,
    /// Path of the file below --dir, for a single URL; `-` is standard output. A device or a FIFO
    /// is written into
    #[arg(short, long, alias = "out", value_name = "NAME", value_parser = output_name)]
    pub output: Option<OutputName>,
    /// Name of every file, for instance '{seq:06}-{name}'
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "output",
          value_parser = values::not_empty)]
    pub name_template: Option<String>,
    /// Let servers name files by Content-Disposition; -o, out= and --name-template go before it
    #[arg(short = 'J', long, alias = "remote-header-name")]
    pub content_disposition: bool,
    /// Which names files get: unix, all that Linux allows; windows, only those that Windows allows,
    /// others as %XX. By itself where the file system of --dir refuses the others
    #[arg(long, value_name = "OS", value_parser = values::restrict_names)]
    pub restrict_file_names: Option<RestrictNames>,
    /// Skip files that exist, without a request (also -nc)
    #[arg(long, alias = "skip-existing", conflicts_with = "on_conflict")]
    pub no_clobber: bool,
    /// What to do about files that exist
    #[arg(long, value_name = "WHAT", default_value = "overwrite")]
    pub on_conflict: OnConflictArg,
    /// What must be on the disk before it counts as done: nothing, each file, each file and its
    /// name, or everything once at the end
    #[arg(long, value_name = "WHAT", default_value = "none")]
    pub fsync: FsyncArg,
    /// Whether disk space is reserved for bodies of 4 MiB and more, as they come
    #[arg(long, value_name = "HOW", default_value = "none")]
    pub file_allocation: FileAllocationArg,
    /// Spread files over folders: hash:2/2 by digits of the SHA-256 of their URL, seq:1000 by input
    /// line, so many a folder, host by the host of their URL. out= goes before it
    #[arg(long, value_name = "HOW", conflicts_with = "output", value_parser = values::dirs)]
    pub dirs: Option<Dirs>,
    /// How long a run waits for room on a full disk, paused, before it stops; 0 fails the URL that
    /// finds it full and goes on
    #[arg(long, value_name = "TIME", value_parser = values::duration,
          default_value_t = Millis(limits::DISK_WAIT_DEFAULT_MS))]
    pub disk_wait: Millis,
}

/// What `-o` names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OutputName {
    /// `-`: standard output.
    Stdout,
    /// A path below `--dir`.
    Path(String),
}

fn output_name(text: &str) -> Result<OutputName, String> {
    match text {
        "-" => Ok(OutputName::Stdout),
        path => values::not_empty(path).map(OutputName::Path),
    }
}

/// `--on-conflict`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::OnConflict says")]
pub enum OnConflictArg {
    Overwrite,
    Skip,
    Rename,
    Error,
}

/// `--fsync`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::Fsync says")]
pub enum FsyncArg {
    None,
    File,
    Dir,
    End,
}

/// `--file-allocation`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[allow(missing_docs, reason = "the values mean what config::FileAllocation says")]
pub enum FileAllocationArg {
    None,
    Prealloc,
}
