//! Memory of a run about addresses: which one of a host answered when another did not, and a family
//! that does not answer anywhere.
//!
//! A family is put back, behind the other one, when its attempts lost without an answer at
//! [`SILENT_HOSTS`] hosts in a row; an answer of any host ends that, and from time to time one
//! connection tries the old order. An address that fails at once costs nothing, so nothing of that
//! is remembered.

use super::order::{self, Class};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::net::IpAddr;

/// Addresses that answered and families that did not.
#[derive(Debug, Default)]
pub struct Memory {
    v4: Family,
    v6: Family,
    /// Hosts whose first address does not answer, and the one that did.
    hosts: HashMap<Box<str>, Answered>,
    preferences: Vec<Preference>,
}

/// What came of one connection.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The name of the host.
    pub host: &'a str,
    /// The addresses as [`Memory::order`] had them.
    pub order: &'a [IpAddr],
    /// When the first of them was tried, in milliseconds.
    pub began_ms: u64,
    /// The address that connected.
    pub winner: IpAddr,
    /// Answers of others that were tried.
    pub heard: &'a [(IpAddr, Heard)],
}

/// Answer of an address that did not connect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// The address refused the connection.
    Refused,
    /// The address gave no answer, although it had time ahead of others.
    Silence,
}

#[derive(Debug, Default)]
struct Family {
    /// Hosts at which the family did not answer, since it last answered anywhere.
    silent: Vec<Box<str>>,
    put_back: Option<Back>,
}

/// A family that is tried second.
#[derive(Clone, Copy, Debug)]
struct Back {
    since_ms: u64,
    for_ms: u64,
    /// When one connection tries it first, in milliseconds.
    until_ms: u64,
}

#[derive(Debug)]
struct Answered {
    address: IpAddr,
    /// When one connection tries the usual order, in milliseconds.
    until_ms: u64,
}

/// The family that goes first where the first addresses of both are of these classes.
#[derive(Debug)]
struct Preference {
    classes: (Class, Class),
    is_v6_first: bool,
    until_ms: u64,
}

impl Memory {
    /// The order in which the addresses of a host are to be tried. `source` tells which address the
    /// kernel would send from to another one; without it, the family of the first address goes
    /// first.
    pub fn order(
        &mut self,
        host: &str,
        addresses: &[IpAddr],
        source: Option<&dyn Fn(IpAddr) -> Option<IpAddr>>,
        now_ms: u64,
    ) -> Vec<IpAddr> {
        let first = |is_v6: bool| addresses.iter().copied().find(|one| one.is_ipv6() == is_v6);
        let (v4, v6) = (first(false), first(true));
        let is_v6_first = match (v4, v6, source) {
            (Some(v4), Some(v6), Some(source)) => self.prefers_v6(v4, v6, source, now_ms),
            _ => addresses.first().is_some_and(IpAddr::is_ipv6),
        };
        if let Some(address) = self.answered(host, addresses, now_ms) {
            let mut addresses = addresses.to_vec();
            addresses.sort_by_key(|other| *other != address);
            return order::interleave(&addresses, address.is_ipv6());
        }
        let is_choice = v4.is_some() && v6.is_some();
        let is_other_back = self.family(!is_v6_first).put_back.is_some();
        let is_turned = is_choice && !is_other_back && self.family(is_v6_first).is_put_back(now_ms);
        order::interleave(addresses, is_v6_first != is_turned)
    }

    /// Takes in what came of a connection to one of several addresses.
    pub fn connected(&mut self, outcome: &Outcome<'_>, now_ms: u64) {
        let Outcome { host, order, began_ms, winner, heard } = outcome;
        self.family(winner.is_ipv6()).answered();
        for (address, _) in heard.iter().filter(|(_, heard)| *heard == Heard::Refused) {
            self.family(address.is_ipv6()).answered();
        }
        for (address, _) in heard.iter().filter(|(_, heard)| *heard == Heard::Silence) {
            if address.is_ipv6() != winner.is_ipv6() {
                self.family(address.is_ipv6()).was_silent(host, *began_ms, now_ms);
            }
        }
        if order.first() == Some(winner) {
            if self.hosts.get(*host).is_some_and(|kept| kept.address != *winner) {
                self.hosts.remove(*host);
            }
        } else if !heard.is_empty() {
            if self.hosts.len() >= HOSTS_MAX {
                self.hosts.clear();
            }
            let answered = Answered { address: *winner, until_ms: now_ms + HOST_MS };
            self.hosts.insert((*host).into(), answered);
        }
    }

    /// The address of a host that is tried first because it answered.
    fn answered(&mut self, host: &str, addresses: &[IpAddr], now_ms: u64) -> Option<IpAddr> {
        let kept = self.hosts.get_mut(host)?;
        if now_ms >= kept.until_ms {
            // This one looks whether the usual order is good again, and others do not meanwhile.
            kept.until_ms = now_ms + TRIAL_MS;
            return None;
        }
        addresses.contains(&kept.address).then_some(kept.address)
    }

    fn prefers_v6(
        &mut self,
        v4: IpAddr,
        v6: IpAddr,
        source: &dyn Fn(IpAddr) -> Option<IpAddr>,
        now_ms: u64,
    ) -> bool {
        let classes = (order::class(v4), order::class(v6));
        self.preferences.retain(|known| now_ms < known.until_ms);
        if let Some(known) = self.preferences.iter().find(|known| known.classes == classes) {
            return known.is_v6_first;
        }
        let is_v6_first = order::better((v6, source(v6)), (v4, source(v4))) == Ordering::Greater;
        let until_ms = now_ms + PREFERENCE_MS;
        self.preferences.push(Preference { classes, is_v6_first, until_ms });
        is_v6_first
    }

    fn family(&mut self, is_v6: bool) -> &mut Family {
        if is_v6 { &mut self.v6 } else { &mut self.v4 }
    }
}

impl Family {
    /// Whether the family is to be tried second now.
    fn is_put_back(&mut self, now_ms: u64) -> bool {
        let Some(back) = &mut self.put_back else { return false };
        if now_ms < back.until_ms {
            return true;
        }
        // This one tries it, and others do not meanwhile.
        back.until_ms = now_ms + TRIAL_MS;
        false
    }

    fn answered(&mut self) {
        self.silent.clear();
        self.put_back = None;
    }

    fn was_silent(&mut self, host: &str, began_ms: u64, now_ms: u64) {
        if let Some(back) = &mut self.put_back {
            // Those that were under way when it was put back say nothing new.
            if began_ms >= back.since_ms {
                let for_ms = (2 * back.for_ms).min(BACK_MAX_MS);
                *back = Back { since_ms: now_ms, for_ms, until_ms: now_ms + for_ms };
            }
            return;
        }
        if self.silent.iter().any(|other| **other == *host) {
            return;
        }
        self.silent.push(host.into());
        if self.silent.len() >= SILENT_HOSTS {
            self.silent.clear();
            let until_ms = now_ms + BACK_MS;
            self.put_back = Some(Back { since_ms: now_ms, for_ms: BACK_MS, until_ms });
        }
    }
}

/// Hosts in a row at which a family does not answer until it is put back.
const SILENT_HOSTS: usize = 3;
/// Time for which a family is put back at first, in milliseconds; it doubles whenever the family
/// was tried in vain.
const BACK_MS: u64 = 60_000;
/// Most time for which a family is put back, in milliseconds.
const BACK_MAX_MS: u64 = 600_000;
/// Time for which the address of a host that answered is tried first, in milliseconds.
const HOST_MS: u64 = 600_000;
/// Time that the connection which tries the usual order has until another one does, in
/// milliseconds.
const TRIAL_MS: u64 = 10_000;
/// Time for which it is known which family goes first, in milliseconds: routes may change.
const PREFERENCE_MS: u64 = 60_000;
/// Hosts whose address is remembered; with more of them, all are forgotten.
const HOSTS_MAX: usize = 16_384;

#[cfg(test)]
mod tests;
