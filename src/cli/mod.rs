//! The command line: what was typed ([`args`]), what the run needs ([`resolve`](mod@resolve)), what
//! the shell is told at the end ([`exit`]).
//!
//! Parsing does nothing but understand. The few questions to the operating system (which CPUs, is
//! this a terminal, does the list exist) are asked in [`resolve`](mod@resolve).

pub mod args;
mod argv;
pub mod exit;
mod outlet;
mod peers;
mod proxy;
pub mod resolve;
pub mod topics;
pub mod values;
mod written;

pub use args::{Command, parse};
pub use exit::ExitCode;
pub use resolve::{Host, notes, resolve, resolve_origin, secret_ranges, warnings};
