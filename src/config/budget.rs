//! When a run ends before its list, and which failures it may have.

/// What a run may cost. Nothing is bounded by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BudgetConfig {
    /// `--max-errors`, `--fail-early`: rows that may fail.
    pub errors_max: Option<ErrorsMax>,
    /// `--max-duration`: how long the run may take, in milliseconds.
    pub duration_max_ms: Option<u64>,
    /// `--quota`: body bytes that may be received.
    pub bytes_max: Option<u64>,
    /// `--ok-if`: percentage of rows that are ok, or were there, from which on failures of servers
    /// and the network do not count for the exit status.
    pub ok_percent_min: Option<f64>,
}

/// How many rows may fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ErrorsMax {
    /// The run ends when so many have failed, at least 1.
    Count(u64),
    /// The run ends when more than this percentage of the rows that were tried have failed.
    Percent(f64),
}
