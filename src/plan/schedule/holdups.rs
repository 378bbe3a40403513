//! Hosts that hold the run up: those with most jobs waiting, and what they wait for.

use super::Schedule;
use super::hosts::{Host, Name};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

/// A host whose jobs wait for something other than a free slot of `-j`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holdup {
    /// `name[:port]`
    pub host: Box<str>,
    /// Jobs that wait, for a slot or for their time.
    pub queued: usize,
    /// Jobs in flight.
    pub in_flight: usize,
    /// What the jobs that are not in flight wait for.
    pub why: WaitReason,
}

/// What the jobs of a host wait for. `Display` says it in a few words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitReason {
    /// The name is being looked up.
    Name,
    /// `--rate-per-host`
    Rate,
    /// The host asked for a rest, or is too busy.
    Rests {
        /// Rest of the wait, in milliseconds.
        for_ms: u64,
    },
    /// The host could not be reached, and is left alone for a while.
    Unreachable {
        /// Rest of the wait, in milliseconds.
        for_ms: u64,
    },
    /// The host could not be reached, and one job finds out whether it can be now.
    Probed,
    /// The host cannot be reached: its jobs fail.
    Down,
    /// The host was too busy for as many connections as `-x` allows.
    Lowered {
        /// Connections that it may have now.
        to: usize,
    },
    /// The host has as many connections as `-x` allows.
    Full,
    /// The jobs of the host wait for another attempt.
    Retries,
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name is being looked up"),
            Self::Rate => f.write_str("rate limit"),
            Self::Rests { for_ms } => write!(f, "rests for {} s", for_ms.div_ceil(1_000)),
            Self::Unreachable { for_ms } => {
                write!(f, "unreachable, tried again in {} s", for_ms.div_ceil(1_000))
            }
            Self::Probed => f.write_str("unreachable, being tried again"),
            Self::Down => f.write_str("down"),
            Self::Lowered { to } => write!(f, "busy, lowered to {to} at once"),
            Self::Full => f.write_str("at its limit of connections"),
            Self::Retries => f.write_str("waits to try again"),
        }
    }
}

/// How many hosts something is wrong with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TroubledHosts {
    /// Hosts that asked for a rest, or are too busy.
    pub resting: usize,
    /// Hosts that could not be reached.
    pub unreachable: usize,
    /// Hosts that were too busy for as many connections as `-x` allows.
    pub lowered: usize,
}

impl<T> Schedule<T> {
    /// The hosts that hold the run up at `now_ms`, at most `count`, those with most jobs waiting
    /// first. Walks all hosts: some milliseconds for 200,000 of them.
    pub fn holdups(&self, count: usize, now_ms: u64) -> Vec<Holdup> {
        let mut most: BinaryHeap<Reverse<(usize, u32)>> = BinaryHeap::with_capacity(count + 1);
        for (index, host) in self.hosts.iter() {
            let waiting = host.waiting();
            let is_among_them =
                most.len() < count || most.peek().is_some_and(|least| waiting > least.0.0);
            if waiting == 0 || !is_among_them || self.why(host, now_ms).is_none() {
                continue;
            }
            most.push(Reverse((waiting, index)));
            if most.len() > count {
                most.pop();
            }
        }
        let most = most.into_sorted_vec().into_iter();
        let holdup = |Reverse((queued, index)): Reverse<(usize, u32)>| {
            let host = self.hosts.at(index);
            Some(Holdup {
                host: self.hosts.name(index).into(),
                queued,
                in_flight: host.active.as_ref().map_or(0, |active| active.in_use),
                why: self.why(host, now_ms)?,
            })
        };
        most.filter_map(holdup).collect()
    }

    /// How many hosts have jobs and are left alone for a while, or have less than `-x` allows.
    /// Walks all hosts, as [`Self::holdups`] does.
    pub fn troubles(&self, now_ms: u64) -> TroubledHosts {
        let mut troubles = TroubledHosts::default();
        for (_, host) in self.hosts.iter() {
            match self.why(host, now_ms) {
                Some(WaitReason::Rests { .. }) => troubles.resting += 1,
                Some(WaitReason::Unreachable { .. } | WaitReason::Probed | WaitReason::Down) => {
                    troubles.unreachable += 1
                }
                Some(WaitReason::Lowered { .. }) => troubles.lowered += 1,
                Some(
                    WaitReason::Name | WaitReason::Rate | WaitReason::Full | WaitReason::Retries,
                )
                | None => {}
            }
        }
        troubles
    }

    pub(super) fn why(&self, host: &Host, now_ms: u64) -> Option<WaitReason> {
        let left = |until_ms: u64| Some(until_ms.saturating_sub(now_ms)).filter(|left| *left > 0);
        let active = host.active.as_ref();
        if let Some(breaker) = active.map(|active| &active.throttle.breaker) {
            if breaker.is_down() {
                return Some(WaitReason::Down);
            }
            if breaker.is_probed() {
                return Some(WaitReason::Probed);
            }
            if let Some(for_ms) = left(breaker.until_ms()) {
                return Some(WaitReason::Unreachable { for_ms });
            }
        }
        match host.name_state {
            Name::Asked => return Some(WaitReason::Name),
            // A long list has many of those; what they wait for is their turn.
            Name::Unknown => return None,
            Name::Known | Name::Served => {}
        }
        let active = active?;
        if let Some(for_ms) = left(active.throttle.rest_until_ms) {
            return Some(WaitReason::Rests { for_ms });
        }
        if left(active.due.begins_ms().max(active.throttle.due().begins_ms())).is_some() {
            return Some(WaitReason::Rate);
        }
        let window = active.throttle.window(&self.limits);
        match host.has_queued() {
            true if active.in_use >= window && window < self.limits.per_host_first => {
                Some(WaitReason::Lowered { to: window })
            }
            true if active.in_use >= window => Some(WaitReason::Full),
            true => None,
            false => Some(WaitReason::Retries),
        }
    }
}
