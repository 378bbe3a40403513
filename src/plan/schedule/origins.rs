//! The records of live origins: a slab whose keys outlive no record, and the names beside it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// An origin, for as long as it holds a connection. Its number is used again for another origin,
/// its generation is not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct OriginId {
    index: u32,
    generation: u32,
}

/// A job and its place in the order in which jobs were given.
#[derive(Debug)]
pub(super) struct Queued<T> {
    pub(super) sequence: u64,
    pub(super) item: T,
}

/// Which list of openable origins one is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Listed {
    Nowhere,
    /// That of its home core.
    Home,
    /// That of the big origins.
    Big,
}

/// One origin.
#[derive(Debug)]
pub(super) struct Origin<T> {
    /// Shared with the key of the name table.
    name: Arc<str>,
    pub(super) home: usize,
    pub(super) queue: VecDeque<Queued<T>>,
    /// Jobs that wait for their time.
    pub(super) deferred: usize,
    pub(super) paused_until_ms: Option<u64>,
    /// Connections open, in use or idle, on all cores.
    pub(super) open: usize,
    /// Cores that hold a connection; never more than may be open.
    pub(super) holds: Vec<Hold>,
    /// When it was served last, in services.
    pub(super) stamp: u64,
    pub(super) listed: Listed,
    /// Whether it is kept for its pause alone.
    pub(super) is_parked: bool,
}

/// One core's connections of one origin.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) core: usize,
    pub(super) in_use: usize,
    pub(super) idle: usize,
    /// Whether the origin is among the reusable ones of the core.
    pub(super) is_listed: bool,
}

impl Hold {
    pub(super) fn held(&self) -> usize {
        self.in_use + self.idle
    }
}

impl<T> Origin<T> {
    /// Connections that `core` holds.
    pub(super) fn held(&self, core: usize) -> usize {
        self.holds.iter().find(|hold| hold.core == core).map_or(0, Hold::held)
    }

    pub(super) fn hold_mut(&mut self, core: usize) -> Option<&mut Hold> {
        self.holds.iter_mut().find(|hold| hold.core == core)
    }

    pub(super) fn hold_or_insert(&mut self, core: usize) -> &mut Hold {
        let known = self.holds.iter().position(|hold| hold.core == core);
        let place = known.unwrap_or(self.holds.len());
        if known.is_none() {
            self.holds.push(Hold { core, in_use: 0, idle: 0, is_listed: false });
        }
        &mut self.holds[place]
    }
}

/// All live origins.
#[derive(Debug)]
pub(super) struct Origins<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Names come from the outside, so the hash is the keyed one of the standard library.
    names: HashMap<Arc<str>, u32>,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    origin: Option<Origin<T>>,
}

impl<T> Origins<T> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), names: HashMap::new() }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.names.get(name).copied()
    }

    pub(super) fn insert(&mut self, name: &str, home: usize, stamp: u64) -> u32 {
        let name: Arc<str> = name.into();
        let origin = Origin {
            name: Arc::clone(&name),
            home,
            queue: VecDeque::new(),
            deferred: 0,
            paused_until_ms: None,
            open: 0,
            holds: Vec::new(),
            stamp,
            listed: Listed::Nowhere,
            is_parked: false,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, origin: None });
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 origins are live")
        });
        self.slots[index as usize].origin = Some(origin);
        self.names.insert(name, index);
        index
    }

    pub(super) fn remove(&mut self, index: u32) -> Origin<T> {
        let slot = &mut self.slots[index as usize];
        let origin = slot.origin.take().expect("an index is of a live origin");
        slot.generation = slot.generation.wrapping_add(1);
        self.names.remove(&origin.name);
        self.free.push(index);
        origin
    }

    pub(super) fn at(&self, index: u32) -> &Origin<T> {
        self.slots[index as usize].origin.as_ref().expect("an index is of a live origin")
    }

    pub(super) fn at_mut(&mut self, index: u32) -> &mut Origin<T> {
        self.slots[index as usize].origin.as_mut().expect("an index is of a live origin")
    }

    pub(super) fn id(&self, index: u32) -> OriginId {
        OriginId { index, generation: self.slots[index as usize].generation }
    }

    /// The index behind an id.
    ///
    /// # Panics
    /// When the origin is gone: the id was kept longer than the connection it came with.
    pub(super) fn index_of(&self, id: OriginId) -> u32 {
        let slot = &self.slots[id.index as usize];
        assert!(
            slot.generation == id.generation && slot.origin.is_some(),
            "an origin id outlived its connection"
        );
        id.index
    }

    /// Indices of all live origins.
    pub(super) fn indices(&self) -> Vec<u32> {
        self.names.values().copied().collect()
    }
}
