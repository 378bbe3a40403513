//! What stands beside a shard: its index, its statistics, and its rows as Parquet where that is
//! wanted.

use crate::engine::books::replace::Replacement;
use crate::fault::Cause;
use crate::pack::index::Index;
use crate::pack::shard::stem;
use crate::pack::stats::ShardStats;
use crate::report::Row;
use crate::ring::draft::Access;
use crate::ring::io_cause;
use std::io;
use std::path::Path;

/// What is told of a shard.
pub(crate) struct Beside<'b, R> {
    pub(crate) index: &'b Index,
    pub(crate) stats: &'b ShardStats,
    /// Names of the columns of the list that rows have.
    pub(crate) kept: &'b [String],
    /// Rows of the shard, where they are wanted.
    pub(crate) rows: Option<R>,
}

/// Writes what stands beside the shard of this file name in `dir`: each file takes the place of one
/// that a run left which did not come to name its shard.
///
/// # Errors
/// One of them cannot be written.
pub(crate) fn write<'b, R>(dir: &Path, name: &str, beside: Beside<'_, R>) -> Result<(), Cause>
where
    R: Iterator<Item = &'b Row>,
{
    let stem = stem(name);
    let write = |suffix: &str, bytes: &[u8]| -> io::Result<()> {
        let path = dir.join(format!("{stem}{suffix}"));
        let mut file = Replacement::begin(&path, Access::AsBefore, false)?;
        file.add(|out| out.extend_from_slice(bytes));
        file.finish()
    };
    let written = write(INDEX, beside.index.text().as_bytes())
        .and_then(|()| write(STATS, beside.stats.text().as_bytes()));
    written.map_err(|error| io_cause(&error))
}

/// Suffixes of the files beside a shard, behind the stem of its name.
pub(crate) const SUFFIXES: [&str; 3] = [INDEX, STATS, METADATA];
const INDEX: &str = ".idx";
const STATS: &str = "_stats.json";
const METADATA: &str = ".parquet";
