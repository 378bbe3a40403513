//! Time spent on each host of a run, in bounded memory.

use crate::limits;
use std::collections::HashMap;
use std::time::Duration;

/// The rows of one host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Host {
    /// Rows.
    pub count: u64,
    /// Rows with status `failed`.
    pub failures: u64,
    /// Body bytes.
    pub bytes: u64,
    /// Sum of `time_total`.
    pub time: Duration,
}

impl Host {
    /// `time_total` of one row on average.
    pub fn time_mean(&self) -> Duration {
        let count = u32::try_from(self.count.max(1)).unwrap_or(u32::MAX);
        self.time / count
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.failures += other.failures;
        self.bytes += other.bytes;
        self.time = self.time.saturating_add(other.time);
    }
}

/// Totals of at most [`limits::HOSTS_IN_STATS_MAX`] hosts. When there are more, the half on which
/// the least time was spent is forgotten at once, so that a list of a million hosts costs little
/// for each of them.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    known: HashMap<Box<str>, Host>,
    forgotten: u64,
}

impl Hosts {
    /// Adds rows to a host.
    pub fn add(&mut self, name: &str, rows: &Host) {
        if let Some(host) = self.known.get_mut(name) {
            host.add(rows);
            return;
        }
        if self.known.len() >= limits::HOSTS_IN_STATS_MAX {
            self.forget_half();
        }
        self.known.insert(name.into(), *rows);
    }

    /// The hosts on which most time was spent, at most `count`, that first.
    pub fn slowest(&self, count: usize) -> Vec<(&str, &Host)> {
        let mut hosts: Vec<_> = self.known.iter().map(|(name, host)| (&**name, host)).collect();
        hosts.sort_unstable_by(|a, b| b.1.time.cmp(&a.1.time).then(a.0.cmp(b.0)));
        hosts.truncate(count);
        hosts
    }

    /// How many times a host was forgotten; when not 0, small hosts may lack earlier rows.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn forget_half(&mut self) {
        let keep = self.known.len() / 2;
        let mut hosts: Vec<_> = std::mem::take(&mut self.known).into_iter().collect();
        hosts.select_nth_unstable_by(keep, |a, b| b.1.time.cmp(&a.1.time).then(a.0.cmp(&b.0)));
        self.forgotten += (hosts.len() - keep) as u64;
        self.known.extend(hosts.drain(..keep));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(ms: u64) -> Host {
        Host { count: 1, failures: 0, bytes: 10, time: Duration::from_millis(ms) }
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_slowest() {
        let mut hosts = Hosts::default();
        hosts.add("slow", &host(1_000_000));
        for number in 0..3 * limits::HOSTS_IN_STATS_MAX as u64 {
            hosts.add(&format!("h{number}"), &host(number % 7));
            assert!(hosts.known.len() <= limits::HOSTS_IN_STATS_MAX);
        }
        hosts.add("slow", &host(1));
        assert_eq!(hosts.slowest(1)[0].1.count, 2);
        assert_eq!(
            hosts.forgotten() + hosts.known.len() as u64,
            3 * limits::HOSTS_IN_STATS_MAX as u64 + 1
        );
    }

    #[test]
    fn equally_slow_hosts_are_in_order_of_name() {
        let mut hosts = Hosts::default();
        for name in ["c", "a", "b"] {
            hosts.add(name, &host(5));
        }
        let names: Vec<_> = hosts.slowest(2).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
