//! Hosts that a list names and how often, in bounded memory.
//!
//! Up to [`limits::CENSUS_HOSTS_MAX`] hosts are counted exactly. Beyond that the smaller half of
//! the table is forgotten whenever it is full, and the number of hosts is read off a bitmap (linear
//! counting: Whang, Vander-Zanden and Taylor, 1990), within a few parts in a thousand up to a
//! hundred million hosts.

use super::name::hash64;
use crate::limits;
use std::collections::HashMap;

/// The hosts of one list.
#[derive(Clone, Debug)]
pub struct Census {
    /// Lines and name of each host, by a hash of the name that is computed once for table and
    /// bitmap.
    known: HashMap<u64, (u64, Box<str>)>,
    /// One bit for each host, where its hash says.
    bits: Vec<u64>,
    is_complete: bool,
}

/// Number of different hosts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Distinct {
    /// The exact number.
    Exactly(u64),
    /// The number within a few parts in a thousand; the counts of single hosts may be too low.
    About(u64),
}

impl Census {
    /// A census that saw no host.
    pub fn new() -> Self {
        Self { known: HashMap::new(), bits: vec![0; BITMAP_WORDS], is_complete: true }
    }

    /// Counts one more line that names `host`.
    pub fn add(&mut self, host: &str) {
        let hash = hash64(host.as_bytes());
        if let Some((count, _)) = self.known.get_mut(&hash) {
            *count += 1;
            return;
        }
        self.bits[(hash >> 6) as usize % BITMAP_WORDS] |= 1 << (hash & 63);
        if self.known.len() >= limits::CENSUS_HOSTS_MAX {
            self.forget_half();
        }
        self.known.insert(hash, (1, host.into()));
    }

    /// Number of different hosts that were named.
    pub fn distinct(&self) -> Distinct {
        if self.is_complete {
            return Distinct::Exactly(self.known.len() as u64);
        }
        let all = (BITMAP_WORDS * 64) as f64;
        let unset: u32 = self.bits.iter().map(|word| word.count_zeros()).sum();
        let estimate = all * (all / f64::from(unset.max(1))).ln();
        #[allow(clippy::cast_possible_truncation, reason = "at most 2^23 * ln(2^23)")]
        let estimate = estimate.round() as u64;
        Distinct::About(estimate)
    }

    /// The hosts that were named most often, at most `count`, the largest first.
    pub fn largest(&self, count: usize) -> Vec<(&str, u64)> {
        let mut hosts: Vec<_> =
            self.known.values().map(|(count, host)| (&**host, *count)).collect();
        hosts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        hosts.truncate(count);
        hosts
    }

    fn forget_half(&mut self) {
        let keep = self.known.len() / 2;
        let mut hosts: Vec<_> = std::mem::take(&mut self.known).into_iter().collect();
        hosts.select_nth_unstable_by(keep, |a, b| b.1.0.cmp(&a.1.0).then(a.0.cmp(&b.0)));
        self.known.extend(hosts.drain(..keep));
        self.is_complete = false;
    }
}

impl Default for Census {
    fn default() -> Self {
        Self::new()
    }
}

/// 1 MiB of bits.
const BITMAP_WORDS: usize = 1 << 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_hosts_are_counted_exactly() {
        let mut census = Census::new();
        assert_eq!(census.distinct(), Distinct::Exactly(0));
        for host in ["b", "a", "c", "b", "c", "b"] {
            census.add(host);
        }
        assert_eq!(census.distinct(), Distinct::Exactly(3));
        assert_eq!(census.largest(2), [("b", 3), ("c", 2)]);
        assert_eq!(census.largest(9).len(), 3);
    }

    #[test]
    fn many_hosts_are_estimated_and_the_largest_is_kept() {
        let mut census = Census::new();
        let hosts = 4 * limits::CENSUS_HOSTS_MAX as u64;
        for number in 0..hosts {
            census.add(&format!("host{number}.example"));
            if number % 100 == 0 {
                census.add("large.example");
            }
            assert!(census.known.len() <= limits::CENSUS_HOSTS_MAX);
        }
        let Distinct::About(estimate) = census.distinct() else { panic!("it was too many") };
        assert!(estimate.abs_diff(hosts + 1) < hosts / 200, "{estimate} of {hosts}");
        assert_eq!(census.largest(1), [("large.example", hosts.div_ceil(100))]);
    }
}
