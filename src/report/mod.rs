//! Rows and summaries as bytes. The caller owns the files.

pub mod row;
pub mod stats;
pub mod summary;

pub use row::{Row, Status, Times};
pub use stats::Stats;
