//! Bandwidth limits.

/// Most bytes of body a second, nothing where there is no limit. Each is at least 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PaceConfig {
    /// `--limit-rate`: the whole run.
    pub run: Option<u64>,
    /// `--limit-rate-per-host`: each host, over all its transfers.
    pub per_host: Option<u64>,
    /// `--max-download-limit`: each transfer.
    pub per_transfer: Option<u64>,
}
