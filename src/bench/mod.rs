//! `ringpull bench`: drives the real program and compares what it costs.
//!
//! A [`matrix`] has cells; each is one command line of ringpull (`cell`), run in a process of its
//! own and counted by the kernel (`run`), beside the embedded origin or a server of the user
//! (`server`), again and again in an order that is fair. What comes of it ([`results`], with the
//! machine in `environment` and kernel events from `events`) is judged ([`sample`], [`parts`],
//! [`verdict`]) and told ([`text`], [`csv`], [`html`], and JSON by serde); [`compare`] reads two of
//! those files.
//!
//! Nothing here uses the engine: what is measured is what a user would start.

mod cell;
pub mod compare;
mod config;
pub mod csv;
mod environment;
mod events;
pub mod html;
pub mod matrix;
pub mod parts;
pub mod results;
mod run;
pub mod sample;
mod say;
mod scratch;
mod server;
pub mod text;
pub mod verdict;

pub use config::{BenchConfig, Source, Work};
pub use matrix::Matrix;
pub use run::run;
