//! The story: what happens to every input line, told by the layers below.
//!
//! `run` starts one thread per CPU and one that reads the list. `read` turns lines into tasks and
//! puts them on the [`crate::plan::schedule`]; a `worker` takes the ones it may run and tells each
//! task's story by `fetch`, with `open` for its connection and `response` for its answer; the
//! `ledger` takes one row for each.

mod core;
mod fetch;
mod ledger;
mod open;
mod pool;
mod progress;
mod read;
mod response;
mod run;
mod shared;
mod sink;
mod task;
mod tunnel;
mod worker;

pub use run::{Ended, run};
