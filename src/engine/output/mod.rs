//! Where a body goes: decoding, digests, the file and its name.
//!
//! - `destination`: what all threads of a run know of it ([`destination::Output`]).
//! - `body`: one body on its way, decoded where it is coded, into what its job is about, into
//!   memory, or nowhere.
//! - `assembly`: what a job is about, put together of what came: a file, or what goes into a
//!   stream.
//! - `flow`: what came of a body that goes to no file, for the next attempt.
//! - `partial`: a long body that several attempts fill, side by side or one after the other.
//! - `unfinished`: where something may be that earlier runs left of one.
//! - `collected`: a body that is to go into an archive; `archive` has what threads share of those.
//! - `bodies`: all of these, for those who watch the run.
//! - `named`: the name of a file; `names` has those that the run has given, `dir_rules` what
//!   directories make of them.
//! - `stored_once`: which bodies are stored already, and where; `link` gives their files further
//!   names.
//! - `versions`: what is kept of the version of a file with it, and asked about later.
//! - `stream`: what is no file and is written into.
//! - `stored`: what came of a body.
//!
//! A new destination is a variant of [`crate::config::Destination`], one of the places in
//! `assembly`, and where a row tells of it one of [`stored::Location`].
//!
//! Nothing here knows of attempts, cores or reports: callers say what comes, and are told what was
//! stored.

pub(crate) mod archive;
pub(crate) mod assembly;
pub(crate) mod bodies;
pub(crate) mod body;
pub(crate) mod collected;
pub(crate) mod destination;
pub(crate) mod dir_rules;
pub(crate) mod flow;
mod link;
mod long;
pub(crate) mod named;
pub(crate) mod names;
pub(crate) mod partial;
pub(crate) mod stored;
pub(crate) mod stored_once;
pub(crate) mod stream;
mod unfinished;
pub(crate) mod versions;

#[cfg(test)]
mod tests;
