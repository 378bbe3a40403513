//! The story: what happens to every input line, told by the layers below.
//!
//! A room is a folder, and each has its own map:
//!
//! - `run`: one run as a whole. It starts one thread per CPU and one that reads, and oversees them
//!   until all is done; or reads a list and pulls nothing (`dry`).
//! - `feed`: the inputs become jobs on the [`crate::plan::schedule`], a look-ahead in front of the
//!   work.
//! - `core`: what one thread does. A worker takes the jobs that it may run, and says what came of
//!   each.
//! - `attempt`: one attempt of one job, from the connection to the end of the response.
//! - `output`: where a body goes, and the name of its file.
//! - `books`: one row for each line, the report of earlier runs, what is left in the end; `verify`
//!   compares a tree with its report.
//! - `watch`: what those who watch a run are shown.
//! - `parquet`: columns of Parquet files, which are lists and reports.
//! - `queue`: jobs that wait for a core, and names that are asked for ahead of them.
//! - `state`: small values that threads share, each with its lock.
//!
//! `shared` is all that the threads of a run have in common. What is said of it goes through `say`,
//! and its time is a `moment`.

mod attempt;
mod books;
mod core;
mod feed;
mod moment;
mod output;
mod parquet;
mod queue;
mod run;
mod say;
mod shared;
mod state;
mod watch;

pub use books::listener::{Backlog, RowListener};
pub use books::verify::verify;
pub use run::dry::dry_run;
pub use run::ended::Ended;
pub use run::pull::{embedded, run};
pub use say::heard::Hearer;
