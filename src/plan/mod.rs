//! Decisions, never actions: inputs to lines ([`input`]), lines to jobs ([`job`], [`target`]), jobs
//! to names ([`name`]) and credentials ([`netrc`]), hosts to cores ([`schedule`], [`window`],
//! [`pace`]) and ways to them ([`proxy`], [`address`], [`eyeballs`]), targets to requests
//! ([`requests`]), responses to versions ([`validator`]), to verdicts ([`verdict`]) and to what
//! they say about a host ([`feedback`]), failures to retries ([`retry`]), bytes to digests
//! ([`checksum`]); which bytes of one file are there, which connection fetches the others
//! ([`parts`], [`ranges`]) and from where ([`sources`]), and how that is kept beside it
//! ([`partial`]); what a list holds ([`census`]) and says besides ([`kept`]), and which machine
//! pulls what ([`shard`]); what was [`seen`] before, and which [`contents`] are stored; what one
//! run tells the next about names ([`dns_cache`]), what sites ask of robots ([`robots`]), and when
//! a full disk has [`room`].
//!
//! Pure: no socket, file, clock, runtime or randomness of its own. Time comes in as milliseconds
//! since the run began, random numbers come in as arguments.

pub mod address;
pub mod census;
pub mod checksum;
pub mod contents;
pub mod dns_cache;
pub mod eyeballs;
pub mod feedback;
pub mod input;
pub mod job;
pub mod kept;
pub mod memory;
pub mod name;
pub mod netrc;
pub mod pace;
pub mod partial;
pub mod parts;
pub mod proxy;
pub mod ranges;
pub mod requests;
pub mod retry;
pub mod robots;
pub mod room;
pub mod schedule;
pub mod seen;
pub mod shard;
pub mod sources;
pub mod target;
pub mod timestamp;
pub mod validator;
pub mod verdict;
pub mod window;
