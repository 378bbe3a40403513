//! One run as a whole: its threads, its directory, its end.

pub(crate) mod extent;
pub(crate) mod folder;
pub(crate) mod pull;
pub(crate) mod scarcity;
pub(crate) mod settle;
pub(crate) mod signals;
