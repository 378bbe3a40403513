//! The records of active hosts: a slab whose keys outlive no record, and the table of names.
//!
//! A host is what politeness counts by: a name and a port, the default port of its scheme left out.
//! Its one or two origins (`http://a` and `https://a`) share all but their connections, which are
//! pooled by origin. A host that only has jobs queued costs its record and its name; what is known
//! about its connections is kept beside it for as long as there are any.

use super::caps::Limits;
use super::place::{HostId, OriginId};
use super::politeness::Throttle;
use super::queue::{Blocks, List};
use super::rate::Due;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

/// List of hosts with work on a new connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ReadyList {
    Nowhere,
    /// The list of the host's home core.
    Home,
    /// The list of the big hosts.
    Big,
    /// The list of the hosts whose jobs fail at once.
    Down,
}

/// List of a core's hosts with work on a connection that is idle there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reuse {
    Nowhere,
    /// Hosts whose quantum lasts.
    Continuing,
    /// Hosts whose quantum is used up.
    QuantumOver,
}

/// What is known of the addresses behind a host's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Name {
    /// Nothing is known, and nobody was asked.
    Unknown,
    /// Somebody was asked.
    Asked,
    /// The addresses are known, or that there are none. No job has begun yet.
    Known,
    /// The addresses are known, and jobs have begun.
    Served,
}

/// One host.
#[derive(Debug)]
pub(super) struct Host {
    name: Box<str>,
    /// When the host was served last, in services.
    pub(super) last_served: u64,
    /// State of its connections; kept while there are any, or something is remembered.
    pub(super) active: Option<Box<Active>>,
    /// One queue an origin, by its scheme.
    pub(super) queues: [List; 2],
    /// Jobs that wait for their time.
    pub(super) deferred: u32,
    pub(super) home: u16,
    pub(super) ready_list: ReadyList,
    pub(super) name_state: Name,
    /// Whether the host counts among those asked for ahead of the work.
    pub(super) is_ahead: bool,
    /// Whether the record is kept only for what is remembered of the host.
    pub(super) is_dormant: bool,
}

/// What is known of a host that has connections, or is paused.
#[derive(Debug, Default)]
pub(super) struct Active {
    /// Cores that hold a connection; never more than may be open.
    pub(super) by_core: Vec<CoreConnections>,
    /// Connections open, in use or idle, on all cores.
    pub(super) open: usize,
    /// Connections in use.
    pub(super) in_use: usize,
    /// No job starts before this time, whatever the reason.
    pub(super) waits_until_ms: Option<u64>,
    /// When the next request is due by `--rate-per-host`.
    pub(super) due: Due,
    pub(super) throttle: Throttle,
    /// How often in a row the origin with the older job was passed over for an idle connection.
    pub(super) passed_over: u8,
    /// Whether several jobs fill one file, which all cores are to have a part in.
    pub(super) is_spread: bool,
}

/// One core's connections of one host.
#[derive(Debug)]
pub(super) struct CoreConnections {
    pub(super) core: usize,
    pub(super) in_use: usize,
    /// Idle connections of each origin, by its scheme.
    pub(super) idle: [usize; 2],
    /// List of the core that the host is in for the idle ones.
    pub(super) ready_list: Reuse,
    /// Jobs in a row that went to connections that were idle here.
    pub(super) quantum_used: u8,
}

impl CoreConnections {
    pub(super) fn open(&self) -> usize {
        self.in_use + self.idle()
    }

    pub(super) fn idle(&self) -> usize {
        self.idle[0] + self.idle[1]
    }
}

impl Host {
    /// Jobs that wait for a slot.
    pub(super) fn queued(&self) -> usize {
        self.queues[0].len() + self.queues[1].len()
    }

    /// Jobs that wait, for a slot or for their time.
    pub(super) fn waiting(&self) -> usize {
        self.queued() + self.deferred as usize
    }

    pub(super) fn has_queued(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }

    pub(super) fn open(&self) -> usize {
        self.active.as_ref().map_or(0, |active| active.open)
    }

    /// Connections that the host may have open now.
    pub(super) fn window(&self, limits: &Limits) -> usize {
        let active = self.active.as_ref();
        active.map_or(limits.per_host_first, |active| active.throttle.window(limits))
    }

    /// Connections that are kept when jobs end.
    pub(super) fn kept(&self, limits: &Limits) -> usize {
        let active = self.active.as_ref();
        active.map_or(limits.per_host_first, |active| active.throttle.kept(limits))
    }

    pub(super) fn waits_until_ms(&self) -> Option<u64> {
        self.active.as_ref().and_then(|active| active.waits_until_ms)
    }

    pub(super) fn by_core(&self) -> &[CoreConnections] {
        self.active.as_ref().map_or(&[], |active| &active.by_core)
    }

    /// Connections of the host on `core`.
    pub(super) fn open_on(&self, core: usize) -> usize {
        self.by_core().iter().find(|of_core| of_core.core == core).map_or(0, CoreConnections::open)
    }

    pub(super) fn active_mut(&mut self) -> &mut Active {
        self.active.get_or_insert_default()
    }
}

impl Active {
    /// Whether requests to the host are spaced.
    pub(super) fn is_spaced(&self) -> bool {
        self.due.is_used() || self.throttle.is_paced() || self.waits_until_ms.is_some()
    }

    /// When the host need wait no longer, for one thing or another, in milliseconds. A host without
    /// jobs is waited for until it may be forgotten.
    pub(super) fn wait_ends_ms(&self, has_queued: bool) -> u64 {
        let throttle = &self.throttle;
        let due_ms = |due: Due| if has_queued { due.begins_ms() } else { due.at_ms() };
        let due_ms = due_ms(self.due).max(due_ms(throttle.due()));
        throttle.rest_until_ms.max(throttle.breaker.until_ms()).max(due_ms)
    }

    pub(super) fn of_core_or_insert(&mut self, core: usize) -> &mut CoreConnections {
        let known = self.by_core.iter().position(|of_core| of_core.core == core);
        let place = known.unwrap_or(self.by_core.len());
        if known.is_none() {
            self.by_core.push(CoreConnections {
                core,
                in_use: 0,
                idle: [0; 2],
                ready_list: Reuse::Nowhere,
                quantum_used: 0,
            });
        }
        &mut self.by_core[place]
    }
}

/// All hosts with a record.
#[derive(Debug)]
pub(super) struct Hosts {
    slots: Blocks<Slot>,
    free: Vec<u32>,
    /// Numbers of hosts by name; the name itself is in the record only.
    names: HashTable<u32>,
    /// Names come from the outside, so the hash is keyed at random.
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    /// Part of the hash of the host's name, so that the table grows without reading names.
    hash: u32,
    host: Option<Host>,
}

impl Hosts {
    pub(super) fn new() -> Self {
        Self {
            slots: Blocks::new(),
            free: Vec::new(),
            names: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.find_hashed(name, self.hash(name))
    }

    /// The host that probably has this name: nothing is compared.
    pub(super) fn likely(&self, name: &str) -> Option<u32> {
        self.names.find(spread(self.hash(name)), |_| true).copied()
    }

    /// The name of a host that may be gone, not yet read, and its queues.
    pub(super) fn glance(&self, index: u32) -> Option<(&str, [List; 2])> {
        let host = self.slots[index].host.as_ref()?;
        Some((&host.name, host.queues))
    }

    fn find_hashed(&self, name: &str, hash: u32) -> Option<u32> {
        let is_it = |index: &u32| {
            let slot = &self.slots[*index];
            slot.hash == hash && slot.host.as_ref().is_some_and(|host| *host.name == *name)
        };
        self.names.find(spread(hash), is_it).copied()
    }

    /// The host of this name, or a fresh one with the home, the `last_served` and the state of its
    /// name that `fresh` gives. Says whether it is fresh.
    pub(super) fn find_or_insert(
        &mut self,
        name: &str,
        fresh: impl FnOnce() -> (usize, u64, Name),
    ) -> (u32, bool) {
        let hash = self.hash(name);
        if let Some(index) = self.find_hashed(name, hash) {
            return (index, false);
        }
        let (home, last_served, name_state) = fresh();
        let host = Host {
            name: name.into(),
            last_served,
            active: None,
            queues: [List::EMPTY; 2],
            deferred: 0,
            home: u16::try_from(home).expect("a core has a small number"),
            ready_list: ReadyList::Nowhere,
            name_state,
            is_ahead: false,
            is_dormant: false,
        };
        let index = match self.free.pop() {
            Some(index) => {
                let slot = &mut self.slots[index];
                (slot.hash, slot.host) = (hash, Some(host));
                index
            }
            None => self.slots.push(Slot { generation: 0, hash, host: Some(host) }),
        };
        let slots = &self.slots;
        self.names.insert_unique(spread(hash), index, |index| spread(slots[*index].hash));
        (index, true)
    }

    pub(super) fn remove(&mut self, index: u32) -> Host {
        let slot = &mut self.slots[index];
        let host = slot.host.take().expect("an index is of a live host");
        slot.generation = slot.generation.wrapping_add(1);
        let found = self.names.find_entry(spread(slot.hash), |other| *other == index);
        found.expect("a live host is in the table").remove();
        self.free.push(index);
        host
    }

    pub(super) fn at(&self, index: u32) -> &Host {
        self.slots[index].host.as_ref().expect("an index is of a live host")
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut Host {
        self.slots[index].host.as_mut().expect("an index is of a live host")
    }

    pub(super) fn name(&self, index: u32) -> &str {
        &self.at(index).name
    }

    pub(super) fn id(&self, index: u32) -> HostId {
        HostId { index, generation: self.slots[index].generation }
    }

    /// The index behind an id, unless the host was forgotten.
    pub(super) fn find_id(&self, id: HostId) -> Option<u32> {
        let slot = &self.slots[id.index];
        (slot.generation == id.generation && slot.host.is_some()).then_some(id.index)
    }

    /// The index behind the id of an origin that holds a connection.
    ///
    /// # Panics
    /// When the host is gone: the id was kept longer than the connection it came with.
    pub(super) fn index_of(&self, id: OriginId) -> u32 {
        self.find_id(id.host).expect("an origin id outlived its connection")
    }

    /// All hosts with a record.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Host)> {
        (0..).zip(self.slots.iter()).filter_map(|(index, slot)| Some((index, slot.host.as_ref()?)))
    }

    /// Indices of all hosts with jobs that wait for a slot.
    pub(super) fn busy(&self) -> Vec<u32> {
        let is_busy = |(index, host): (u32, &Host)| host.has_queued().then_some(index);
        self.iter().filter_map(is_busy).collect()
    }

    fn hash(&self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name);
        // Both halves count: neither is known to be the better one.
        u32::try_from((hash ^ (hash >> 32)) & u64::from(u32::MAX)).unwrap_or(0)
    }
}

/// The hash as the table wants it, which takes its bits from both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_waits_costs_little() {
        assert!(size_of::<Slot>() <= 80, "{}", size_of::<Slot>());
        assert!(size_of::<Active>() <= 208, "{}", size_of::<Active>());
    }
}
