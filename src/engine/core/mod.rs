//! What one core does: it takes jobs, runs them in its slots, and says what came of each.

pub(crate) mod desk;
pub(crate) mod pool;
pub(crate) mod signs;
pub(crate) mod transfers;
pub(crate) mod worker;
