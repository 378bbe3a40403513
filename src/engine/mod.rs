//! The story: what happens to every input line, told by the layers below.
//!
//! A room is a folder, and each has its own map:
//!
//! - `run`: one run as a whole. It starts one thread per CPU and one that reads, and oversees them
//!   until all is done.
//! - `feed`: the inputs become jobs on the [`crate::plan::schedule`], a look-ahead in front of the
//!   work; `dry` reads them and pulls nothing.
//! - `core`: what one thread does. A worker takes the tasks that it may run, and says what came of
//!   each.
//! - `attempt`: one attempt of one job, from the connection to the end of the response.
//! - `output`: where a body goes, and the name of its file.
//! - `books`: one row for each line, the report of earlier runs, what is left in the end; `verify`
//!   compares a tree with its report.
//! - `watch`: what those who watch a run are shown.
//!
//! What all threads have is in `shared`, what happens on a full disk in `full`, and the time of it
//! all is a `moment`.

mod attempt;
mod books;
mod core;
mod feed;
mod moment;
mod output;
mod queue;
mod run;
mod shared;
mod state;
mod watch;

pub use books::verify::verify;
pub use run::dry::dry_run;
pub use run::pull::{Ended, run};
