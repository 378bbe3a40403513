//! What is kept of a run: rows, the report of earlier runs, what is left.

pub(crate) mod dns_cache;
pub(crate) mod journal;
pub(crate) mod ledger;
pub(crate) mod paper;
pub(crate) mod printed;
pub(crate) mod session;
pub(crate) mod verify;
