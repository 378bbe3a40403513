//! stats

/// Counters of one run.
#[derive(Debug, Default)]
pub struct Stats {}
