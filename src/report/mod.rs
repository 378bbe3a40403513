//! Rows and summaries as bytes. The caller owns the files.

pub mod budget;
pub mod dry;
pub mod explain;
pub mod hosts;
pub mod journal;
pub mod metrics;
pub mod row;
pub mod session;
pub mod state;
pub mod stats;
pub mod summary;
pub mod verify;
pub mod view;
pub mod write_out;

pub use budget::Limit;
pub use row::{Row, RowEncoder, RowFormat, Status, Times};
pub use stats::{RunEnd, RunInfo, RunShard, Stats};
