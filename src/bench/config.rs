//! What is measured, how, and where the results go: parsed values only.

use super::matrix::Matrix;
use std::path::PathBuf;
use std::time::Duration;

/// What is measured, and where the results go.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchConfig {
    /// The cells.
    pub matrix: Matrix,
    /// Server that the cells pull from.
    pub source: Source,
    /// Options of ringpull for all cells.
    pub options: Vec<String>,
    /// Rate at which requests are due in all cells.
    pub rate: Option<String>,
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
    /// File for the results as a page of HTML.
    pub html: Option<PathBuf>,
    /// Sentences about the environment of the cells that a reader of the results should know.
    pub notes: Vec<String>,
    /// The command line, for the results.
    pub argv: Vec<String>,
    /// What in the words of cells nobody may see.
    pub secrets: Vec<String>,
    /// Whether nothing is said while it runs.
    pub is_quiet: bool,
}

/// Server that the cells pull from.
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
    /// Number of files.
    Files(u64),
    /// Number of bytes, in whole files.
    Bytes(u64),
    /// As many files as there are in this time.
    Time(Duration),
}
