//! What a run permits: cores, jobs, connections, rates.

use super::rate::Rate;
use crate::limits;

/// The caps of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Cores that take jobs, from 1 to [`limits::CORES_MAX`].
    pub cores: usize,
    /// `-j`: jobs in flight over all cores, at least 1.
    pub in_flight_max: usize,
    /// Connections that a host begins with, at least 1. When it is less than `per_host_max`, a host
    /// gets as many as pay.
    pub per_host_first: usize,
    /// `-x`: connections open per host over all cores.
    pub per_host_max: usize,
    /// Jobs held in all: queued, deferred and in flight.
    pub lookahead_max: usize,
    /// Hosts whose names are asked for ahead of the work at once; 0 lets every job begin without.
    pub resolve_ahead_max: usize,
    /// `--fixed-connections`: hosts keep `-x` connections whatever they answer.
    pub is_window_fixed: bool,
    /// `--host-fail-limit`: failures to reach a host before it is left alone; 0 is any number.
    pub host_fail_limit: u32,
    /// Wait before one job tries a host again that cannot be reached, in milliseconds. When that
    /// fails too, the host's jobs fail for [`super::DOWN_TIMES`] times as long.
    pub host_fail_wait_ms: u64,
    /// `--retry-after-max`: the longest wait that a host is granted, in milliseconds.
    pub retry_after_max_ms: u64,
    /// `--rate`: requests begun in the whole run.
    pub rate: Option<Rate>,
    /// `--open-loop`: requests of `rate` begin when they are due from the first one on, and not
    /// later because others were late.
    pub is_open_loop: bool,
    /// `--rate-per-host`: requests begun for each host.
    pub rate_per_host: Option<Rate>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cores: 1,
            in_flight_max: limits::IN_FLIGHT_DEFAULT,
            per_host_first: limits::PER_HOST_FIRST,
            per_host_max: limits::PER_HOST_MAX,
            lookahead_max: limits::LOOKAHEAD_JOBS_DEFAULT,
            resolve_ahead_max: 0,
            is_window_fixed: false,
            host_fail_limit: limits::HOST_FAIL_LIMIT_DEFAULT,
            host_fail_wait_ms: limits::HOST_FAIL_WAIT_DEFAULT_MS,
            retry_after_max_ms: limits::RETRY_AFTER_MAX_MS,
            rate: None,
            is_open_loop: false,
            rate_per_host: None,
        }
    }
}

impl Limits {
    /// Whether a host gets as many connections as pay, because nobody said how many.
    pub(super) fn is_automatic(&self) -> bool {
        self.per_host_first < self.per_host_max
    }

    /// Whether a host's answers change its window.
    pub(super) fn is_window_found(&self) -> bool {
        self.is_automatic() && !self.is_window_fixed
    }

    pub(super) fn caps(&self) -> Caps {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Caps { first: count(self.per_host_first), max: count(self.per_host_max) }
    }
}

/// The connections that a host begins with, and the most that it gets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    /// Connections that a host begins with.
    pub(super) first: u32,
    /// Most connections of a host.
    pub(super) max: u32,
}
