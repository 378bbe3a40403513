//! Rows, statistics and progress of a run, encoded; the caller owns the files.
//!
//! Rows ([`row`], packed by [`packing`], as a table ([`parquet`]), or in a form of the user's
//! ([`write_out`])), with what became of unfinished files ([`resume`]), and their way back in the
//! next run ([`journal`]); what is [`counted`] of them and adds up to ([`stats`], [`hosts`],
//! [`summary`]) and whether that is enough ([`budget`]); what is left ([`session`]), is to come
//! ([`dry`]) or differs ([`verify`]); and how a run stands ([`view`], [`progress`], [`state`],
//! [`metrics`]), with the hosts that push back ([`pushing`]), and the [`look`] of all that, broken
//! into lines ([`wrap`]).

pub mod budget;
pub mod counted;
pub mod dry;
mod figures;
pub mod hosts;
pub mod journal;
mod labelled;
pub mod location;
pub mod look;
pub mod metrics;
pub mod packing;
pub mod parquet;
pub mod progress;
pub mod pushing;
pub mod resume;
pub mod row;
pub mod session;
pub mod state;
pub mod stats;
pub mod summary;
pub mod verify;
pub mod view;
pub mod wrap;
pub mod write_out;

pub use budget::Limit;
pub use counted::Counted;
pub use figures::Number;
pub use resume::Resume;
pub use row::{Row, RowEncoder, RowFormat, Status, Times};
pub use stats::{RunEnd, RunInfo, RunShard, Stats};
