//! How much is asked of one host, beside the number of connections.

use crate::limits;

/// A number of requests in a time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestRate {
    /// Requests, at least one.
    pub count: u64,
    /// In so many milliseconds.
    pub per_ms: u64,
}

/// Connections open per host over the whole process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PerHost {
    /// As many as pay: from [`limits::PER_HOST_FIRST`] up to [`limits::PER_HOST_MAX`].
    Automatic,
    /// `-x`: at most so many, at least 1. A host begins with all of them.
    AtMost(usize),
}

impl PerHost {
    /// With how many a host begins.
    pub fn first(self) -> usize {
        match self {
            Self::Automatic => limits::PER_HOST_FIRST,
            Self::AtMost(count) => count,
        }
    }

    /// How many it has at most.
    pub fn max(self) -> usize {
        match self {
            Self::Automatic => limits::PER_HOST_MAX,
            Self::AtMost(count) => count,
        }
    }
}

/// How polite the run is.
#[derive(Clone, Debug, PartialEq)]
pub struct PolitenessConfig {
    /// `--fixed-connections`: no host gets fewer connections for being busy.
    pub is_window_fixed: bool,
    /// `--rate`: requests begun in the whole run, hops of redirects and further attempts included.
    pub rate: Option<RequestRate>,
    /// `--rate-per-host`: the same for each host.
    pub rate_per_host: Option<RequestRate>,
    /// `--host-fail-limit`: failures in a row to reach a host, after which it is left alone; 0 is
    /// any number.
    pub host_fail_limit: u32,
    /// `--host-fail-wait`: how long it is left alone before one job tries again, in milliseconds.
    pub host_fail_wait_ms: u64,
}

impl Default for PolitenessConfig {
    fn default() -> Self {
        Self {
            is_window_fixed: false,
            rate: None,
            rate_per_host: None,
            host_fail_limit: limits::HOST_FAIL_LIMIT_DEFAULT,
            host_fail_wait_ms: limits::HOST_FAIL_WAIT_DEFAULT_MS,
        }
    }
}
