//! `ringpull bench`: drives the real program and compares what it costs.
//!
//! A [`matrix`] has cells; each is one command line of ringpull ([`cell`]), run in a process of its
//! own and counted by the kernel (`run`), beside the embedded origin or a server of the user
//! (`server`), again and again in an order that is fair. What comes of it ([`results`], with the
//! machine in `environment` and kernel events from `events`) is judged ([`sample`], [`verdict`])
//! and told ([`text`], [`csv`], and JSON by serde); [`compare`] reads two of those files.
//!
//! Nothing here uses the engine: what is measured is what a user would start.

mod cell;
pub mod compare;
pub mod csv;
mod environment;
mod events;
pub mod matrix;
pub mod results;
mod run;
pub mod sample;
mod scratch;
mod server;
pub mod text;
pub mod verdict;

pub use matrix::Matrix;
pub use run::run;

use std::path::PathBuf;

/// What is measured, and where the results go.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchConfig {
    /// The cells.
    pub matrix: Matrix,
    /// Whom they pull from.
    pub source: Source,
    /// Options of ringpull for all cells.
    pub options: Vec<String>,
    /// Repetitions that count.
    pub repeat: usize,
    /// How much one repetition pulls.
    pub work: Work,
    /// Directory for lists and statistics, and the certificate of the origin.
    pub temporary: PathBuf,
    /// CPUs that may be used, ascending.
    pub cpus: Vec<usize>,
    /// File for the results as JSON.
    pub json: Option<PathBuf>,
    /// File for the repetitions as CSV.
    pub csv: Option<PathBuf>,
    /// The command line, for the results.
    pub argv: Vec<String>,
    /// What in the words of cells nobody may see.
    pub secrets: Vec<String>,
    /// Whether nothing is said while it runs.
    pub is_quiet: bool,
}

/// Whom the cells pull from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The embedded origin, in a process of its own.
    Origin,
    /// One URL, again and again.
    Url(String),
    /// The URLs of a list.
    List(PathBuf),
}

/// How much one repetition pulls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// As much as takes about half a second, or the list of the user.
    Fitted,
    /// So many files.
    Files(u64),
    /// So many bytes, as whole files.
    Bytes(u64),
}
