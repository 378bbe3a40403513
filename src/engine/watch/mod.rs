//! What those who watch a run are shown.

pub(crate) mod observe;
pub(crate) mod progress;
