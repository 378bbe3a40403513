//! The story: what happens to every input line, told by the layers below.
//!
//! `run` starts one thread per CPU and one that reads the inputs, which `source` makes one sequence
//! of entries. `read` turns entries into tasks and puts them on the [`crate::plan::schedule`] (with
//! a `scout` where one host holds the list up); a `worker` takes the ones it may run and tells each
//! task's story by `fetch`: `open` for its connection (`gate` looks names up before, `tunnel`
//! passes a proxy, `pool` keeps connections, `robots` asks for robots.txt), `response` for its
//! answer, `sink` for the body, `signs` for what all this says about the host; the `ledger` takes
//! one row for each, on `paper`, `journal` reads them back in the next run, and `session` has what
//! is left in the end. What a core has is in `core`, what all threads have is in `shared`. `full`
//! is what happens on a full disk, and `settle` at its end; `pace` keeps bandwidth limits, and
//! `observe` tells how it all goes. `dry` reads the inputs and pulls nothing, and `verify` compares
//! a tree with its report.

mod core;
mod dns_cache;
mod dry;
mod fetch;
mod full;
mod gate;
mod gauges;
mod journal;
mod ledger;
mod observe;
mod open;
mod pace;
mod packed;
mod paper;
mod pool;
mod printed;
mod progress;
mod read;
mod response;
mod robots;
mod run;
mod scout;
mod session;
mod settle;
mod shared;
mod signals;
mod signs;
mod sink;
mod source;
mod task;
mod transfers;
mod tunnel;
mod verify;
mod worker;

pub use dry::dry_run;
pub use run::{Ended, run};
pub use verify::verify;
