//! Jobs that wait for a core: the schedule behind its lock, and what it needs to go on.

pub(crate) mod jobs;
pub(crate) mod queued;
pub(crate) mod resolve_ahead;
