//! One attempt of one job: a connection, a request, a response.
//!
//! From above: [`attempt`] composes what is done for a job ([`fetch`] is the job), [`robots`] asks
//! whether it may be, and [`exchange`] is one [`request`] with the [`response`] to it, on a
//! connection that [`open`] makes by way of [`race`] and [`tunnel`]. [`keep_alive`] says whether an
//! answer on a connection that is used again is ours, [`receiver`] takes its body, and [`pace`]
//! says when it may come; [`ahead`] sends requests before their turn. All of them work with what a
//! core has for them, the [`kit`]; what an attempt saw is its [`trace`], and what it came to its
//! [`outcome`]. What one attempt does not bring all of is gone on with: [`long`] has files,
//! [`flow`] what goes to none. Several tasks fill long bodies ([`team`]), also from mirrors
//! ([`mirror`], [`proof`]).

#![allow(clippy::module_inception, reason = "the room is named after what is done in it")]

pub(crate) mod ahead;
pub(crate) mod attempt;
pub(crate) mod exchange;
pub(crate) mod fetch;
mod file_name;
mod flow;
mod hops;
pub(crate) mod keep_alive;
pub(crate) mod kit;
mod leftovers;
mod long;
mod mirror;
pub(crate) mod open;
pub(crate) mod outcome;
pub(crate) mod pace;
mod proof;
mod race;
mod receiver;
mod request;
mod response;
mod robots;
mod rules;
pub(crate) mod team;
#[cfg(test)]
mod tests;
mod trace;
pub(crate) mod transfers;
mod tunnel;
