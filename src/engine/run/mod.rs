//! One run as a whole: its threads, its directory, its end.

pub(crate) mod close;
pub(crate) mod dry;
pub(crate) mod ended;
pub(crate) mod folder;
pub(crate) mod last_writes;
pub(crate) mod oversee;
pub(crate) mod prepared;
pub(crate) mod pull;
pub(crate) mod scarcity;
pub(crate) mod signals;
pub(crate) mod sizes;
pub(crate) mod threads;
