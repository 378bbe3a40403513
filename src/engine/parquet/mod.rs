//! Columns of Parquet files, read some rows at a time, whatever is wrong with the file.

mod column;
mod guard;

pub(crate) use column::Column;
pub(crate) use guard::guarded;
