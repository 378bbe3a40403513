//! What is kept of a run: rows, the report of earlier runs, what is left.

pub(crate) mod beside;
pub(crate) mod closing;
pub(crate) mod dns_cache;
pub(crate) mod given;
pub(crate) mod journal;
pub(crate) mod listener;
pub(crate) mod parquet;
pub(crate) mod replace;
pub(crate) mod row_file;
pub(crate) mod row_sink;
pub(crate) mod session;
pub(crate) mod shard_claim;
pub(crate) mod shards;
pub(crate) mod verify;
pub(crate) mod write_out;
