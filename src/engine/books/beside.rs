//! What stands beside a shard: its index and its statistics.

use crate::engine::books::replace::Replacement;
use crate::fault::Cause;
use crate::pack::index::Index;
use crate::pack::shard::stem;
use crate::pack::stats::ShardStats;
use crate::ring::draft::Access;
use crate::ring::io_cause;
use std::io;
use std::path::Path;

/// Writes what stands beside the shard of this file name in `dir`: each file takes the place of one
/// that a run left which did not come to name its shard.
///
/// # Errors
/// One of them cannot be written.
pub(crate) fn write(
    dir: &Path,
    name: &str,
    (index, stats): (&Index, &ShardStats),
) -> Result<(), Cause> {
    let stem = stem(name);
    let write = |suffix: &str, bytes: &[u8]| -> io::Result<()> {
        let path = dir.join(format!("{stem}{suffix}"));
        let mut file = Replacement::begin(&path, Access::AsBefore, false)?;
        file.add(|out| out.extend_from_slice(bytes));
        file.finish()
    };
    let written =
        write(INDEX, index.text().as_bytes()).and_then(|()| write(STATS, stats.text().as_bytes()));
    written.map_err(|error| io_cause(&error))
}

/// Suffixes of the files beside a shard, behind the stem of its name.
pub(crate) const SUFFIXES: [&str; 2] = [INDEX, STATS];
const INDEX: &str = ".idx";
const STATS: &str = "_stats.json";
