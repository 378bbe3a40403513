//! The story: what happens to every input line, told by the layers below.
//!
//! `run` starts one thread per CPU (`extent` says how much they do at once) and one that reads, and
//! oversees them until all is done; `output` is the directory they write into. `dry` reads the
//! inputs and pulls nothing, and `verify` compares a tree with its report.
//!
//! - **Reading.** `source` makes the inputs one sequence of entries. `read` turns them into tasks,
//!   `packed` while they wait, and puts them on the [`crate::plan::schedule`]; where one host holds
//!   the list up, a `scout` goes ahead. `gate` has names looked up before their jobs begin, and
//!   `dns_cache` keeps them for the next run. `places` knows what file systems do to names.
//! - **Pulling.** A `worker` takes the tasks that it may run, and tells the story of each by
//!   `fetch`: `open` for its connection (`tunnel` passes a proxy, `pool` keeps connections,
//!   `robots` asks for robots.txt), `response` for its answer, `sink` for the body (`outlet` where
//!   that is streamed), `named` for the name of its file, `signs` for what all this says about the
//!   host. `pace` keeps bandwidth limits.
//! - **Telling.** The `ledger` takes one row for each line, on `paper` and as `printed`; `journal`
//!   reads rows back in the next run, `compare` finds out whether they are about its list, and
//!   `session` has what is left in the end. `observe` tells how it all goes: `progress`, `gauges`
//!   of cores, their `transfers`.
//! - **Trouble.** `signals` end a run; `full` is what happens on a full disk, and `settle` at its
//!   end; `scarcity` is what happens when memory runs out.
//!
//! A `task` goes from one to the other. What a core has is in `core`, what all threads have is in
//! `shared`, and the time of it all a `moment`.

mod compare;
mod core;
mod dns_cache;
mod dry;
mod extent;
mod fetch;
mod full;
mod gate;
mod gauges;
mod journal;
mod ledger;
mod moment;
mod named;
mod observe;
mod open;
mod outlet;
mod output;
mod pace;
mod packed;
mod paper;
mod places;
mod pool;
mod printed;
mod progress;
mod race;
mod read;
mod response;
mod robots;
mod run;
mod scarcity;
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
