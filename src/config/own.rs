//! Files that belong to the run, and files that are none.

use crate::ring::stream::Outlet;
use std::path::PathBuf;

/// What the run itself reads and writes, beside its downloads: none of these may be replaced by
/// one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OwnFiles {
    /// Lists, files of options, the report and the like, and what standard streams lead to. Some
    /// may not be there yet, or be no files.
    pub files: Vec<PathBuf>,
    /// Folders of lists (`-i`): what is put there the next run would read as a list.
    pub list_folders: Vec<PathBuf>,
}

/// A file that is written once, at the end of the run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StatsFile {
    /// As it was typed.
    pub path: PathBuf,
    /// Where it leads to, if that is no file.
    pub outlet: Option<Outlet>,
}
