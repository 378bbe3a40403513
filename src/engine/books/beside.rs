//! What stands beside a shard: its index, its statistics, and its rows as Parquet where they are
//! wanted.

use crate::engine::books::replace::Replacement;
use crate::fault::Cause;
use crate::pack::index::Index;
use crate::pack::shard::stem;
use crate::pack::stats::ShardStats;
use crate::report::row::Kept;
use crate::report::{Row, RowEncoder, RowFormat, parquet};
use crate::ring::draft::Access;
use crate::ring::io_cause;
use std::io;
use std::path::Path;

/// Index and statistics of a shard, and its rows as Parquet where they are wanted.
pub(crate) type Beside<'b> = (&'b Index, &'b ShardStats, Option<&'b [u8]>);

/// Writes what stands beside the shard of this file name in `dir`: each file takes the place of one
/// that a run left which did not come to name its shard.
///
/// # Errors
/// One of them cannot be written.
pub(crate) fn write(
    dir: &Path,
    name: &str,
    (index, stats, table): Beside<'_>,
) -> Result<(), Cause> {
    let stem = stem(name);
    let write = |suffix: &str, bytes: &[u8]| -> io::Result<()> {
        let path = dir.join(format!("{stem}{suffix}"));
        let mut file = Replacement::begin(&path, Access::AsBefore, false)?;
        file.add(|out| out.extend_from_slice(bytes));
        file.finish()
    };
    let written = write(INDEX, index.text().as_bytes())
        .and_then(|()| write(STATS, stats.text().as_bytes()))
        .and_then(|()| table.map_or(Ok(()), |table| write(TABLE, table)));
    written.map_err(|error| io_cause(&error))
}

/// Rows as a Parquet file, with the column `key` behind those of the list: the key of each sample.
///
/// # Errors
/// A row cannot be encoded.
pub(crate) fn table<'r>(
    rows: impl Iterator<Item = (&'r mut Row, String)>,
    kept: &[String],
) -> Result<Vec<u8>, Cause> {
    let mut names = kept.to_vec();
    names.push(KEY.to_owned());
    let mut encoder = RowEncoder::new(RowFormat::JsonLines).keeping(names.clone());
    let mut line = Vec::new();
    let encode = || -> io::Result<Vec<u8>> {
        let mut writer = parquet::Writer::new(Vec::new(), &names)?;
        for (row, key) in rows {
            row.kept.resize(kept.len(), Kept::Nothing);
            row.kept.push(Kept::Text(key.into_bytes().into()));
            line.clear();
            encoder.encode(row, &mut line);
            row.kept.pop();
            writer.line(&line)?;
        }
        writer.finish()
    };
    encode().map_err(|error| io_cause(&error))
}

/// Suffixes of the files beside a shard, behind the stem of its name.
pub(crate) const SUFFIXES: [&str; 3] = [INDEX, STATS, TABLE];
/// The name of the column that has the keys of samples.
const KEY: &str = "key";
const INDEX: &str = ".idx";
const STATS: &str = "_stats.json";
const TABLE: &str = ".parquet";
