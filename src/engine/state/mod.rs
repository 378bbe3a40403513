//! What threads of a run tell one another: small values, each with its lock, that know of nobody.

pub(crate) mod disk_full;
pub(crate) mod gauges;
pub(crate) mod reading;
pub(crate) mod shortage;
pub(crate) mod spill;
pub(crate) mod stop;
pub(crate) mod wakes;
