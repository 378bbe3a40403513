//! The command line: what was typed ([`options`]), what the run needs ([`resolve`](mod@resolve)).
//!
//! Parsing does nothing but understand. The few questions to the operating system (which CPUs, is
//! this a terminal, does the list exist) are asked in [`resolve`](mod@resolve).

mod argv;
pub mod bench;
mod command;
pub mod completions;
pub mod man;
mod nearest;
pub mod options;
mod outlet;
mod peers;
pub mod resolve;
mod secrets;
mod settings;
#[cfg(test)]
mod tests;
pub mod topics;
pub mod values;
mod written;

#[cfg(test)]
pub(crate) use command::command;
pub use command::{Command, CompletionsArgs, ConfigArgs, HelpArgs, parse, parse_with};
pub use resolve::{Host, Resolved, resolve, secret_ranges};
pub use settings::{Around, Shown};
