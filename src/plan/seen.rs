//! What was seen before: a map from hashes to numbers that holds more than memory does.
//!
//! The newest entries are in a table of bounded size. When that is full it is written out as one
//! sorted run, and begins anew; runs of one size are merged into one of the next size when there
//! are four of them. So there are few runs, and of each only the begin of every 64th key is in
//! memory (an eighth of a byte an entry): a key is looked up by reading one block, nearly always.
//!
//! Keys are hashes of 256 bits: two things that have the same one are the same thing.

mod log;
mod run;
#[cfg(test)]
mod tests;

use hashbrown::hash_table::Entry as Slot;
use hashbrown::{DefaultHashBuilder, HashTable};
pub use log::Log;
use run::Run;
use std::fmt::Debug;
use std::hash::BuildHasher as _;
use std::io;

/// Hash of 256 bits that stands for what was seen.
pub type Key = [u8; 32];

/// The key of what these bytes are, whoever made them.
pub fn key_of(bytes: &[u8]) -> Key {
    *blake3::hash(bytes).as_bytes()
}

/// Room for what does not fit into memory.
pub trait Room: Debug {
    /// One piece of it, which is gone when it is dropped.
    type Piece: Piece;

    /// A new piece, which is empty.
    ///
    /// # Errors
    /// When there is none to be had.
    fn piece(&self) -> io::Result<Self::Piece>;
}

/// A piece of [`Room`]: bytes that are appended, and read anywhere.
pub trait Piece: Debug {
    /// Appends all of these bytes.
    ///
    /// # Errors
    /// When they cannot be kept.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Fills `bytes` with what begins at byte `at`.
    ///
    /// # Errors
    /// When there is less, or it cannot be read.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
}

/// A key and its number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    key: Key,
    value: u64,
}

/// Numbers by keys.
#[derive(Debug)]
pub struct Seen<R: Room> {
    room: R,
    table: HashTable<Entry>,
    /// Keys may come from the outside, so where they go is keyed at random.
    hasher: DefaultHashBuilder,
    entries_max: usize,
    /// The oldest first.
    runs: Vec<Run<R::Piece>>,
}

impl<R: Room> Seen<R> {
    /// One that holds nothing so far, and no more than `memory_bytes` in memory: of so much
    /// [`entries_max`] says how many entries there may be. More goes into `room`.
    pub fn new(room: R, memory_bytes: u64) -> Self {
        Self {
            room,
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            entries_max: entries_max(memory_bytes),
            runs: Vec::new(),
        }
    }

    /// The number of a key, if it has one.
    ///
    /// # Errors
    /// What was written out cannot be read back.
    pub fn find(&self, key: &Key) -> io::Result<Option<u64>> {
        let found = self.table.find(self.hash(key), |entry| entry.key == *key);
        if let Some(entry) = found {
            return Ok(Some(entry.value));
        }
        for run in self.runs.iter().rev() {
            if let Some(value) = run.find(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Gives a key this number in place of any other.
    ///
    /// # Errors
    /// There is no room to write out what memory has no room for; the key has no number then that
    /// it had not before.
    pub fn set(&mut self, key: Key, value: u64) -> io::Result<()> {
        if self.table.len() >= self.entries_max {
            self.write_out()?;
        }
        let hasher = &self.hasher;
        let hash = |key: &Key| hash_of(hasher, key);
        let is_it = |entry: &Entry| entry.key == key;
        match self.table.entry(hash(&key), is_it, |entry| hash(&entry.key)) {
            Slot::Occupied(mut entry) => entry.get_mut().value = value,
            Slot::Vacant(free) => _ = free.insert(Entry { key, value }),
        }
        Ok(())
    }

    /// The number of a key that was seen before; otherwise it has this one from now on.
    ///
    /// # Errors
    /// As [`Self::find`] and [`Self::set`].
    pub fn find_or_set(&mut self, key: Key, value: u64) -> io::Result<Option<u64>> {
        let found = self.find(&key)?;
        if found.is_none() {
            self.set(key, value)?;
        }
        Ok(found)
    }

    fn hash(&self, key: &Key) -> u64 {
        hash_of(&self.hasher, key)
    }

    /// Writes the table out, and merges what there is too much of.
    fn write_out(&mut self) -> io::Result<()> {
        let mut writer = run::Writer::new(self.room.piece()?);
        let mut part = Vec::with_capacity(self.table.len() / PARTS * 2);
        // A part at a time, so that little memory is needed beside the table.
        for at in 0..PARTS {
            part.clear();
            let is_part = |entry: &&Entry| usize::from(entry.key[0]) * PARTS / 256 == at;
            part.extend(self.table.iter().filter(is_part).copied());
            part.sort_unstable();
            part.iter().try_for_each(|entry| writer.add(*entry))?;
        }
        self.runs.push(writer.finish(0)?);
        // Its memory stays, for the next ones.
        self.table.clear();
        while let Some(tier) = self.tier_that_is_full() {
            let from = self.runs.len() - RUNS_OF_A_TIER;
            let merged = run::merge(&self.runs[from..], self.room.piece()?, tier + 1)?;
            self.runs.truncate(from);
            self.runs.push(merged);
        }
        Ok(())
    }

    /// The tier that the newest runs are of, if they are enough to be merged.
    fn tier_that_is_full(&self) -> Option<u32> {
        let newest = self.runs.last_chunk::<RUNS_OF_A_TIER>()?;
        let tier = newest[0].tier();
        newest.iter().all(|run| run.tier() == tier).then_some(tier)
    }
}

fn hash_of(hasher: &DefaultHashBuilder, key: &Key) -> u64 {
    // More of it would say no more: it is a hash already.
    hasher.hash_one(key.first_chunk::<8>())
}

/// Entries in so much memory: 14,680,064 in 1 GiB. A table doubles, and for a moment both are
/// there, so that an entry costs 48 bytes when it is full, and up to 73 until then.
pub const fn entries_max(memory_bytes: u64) -> usize {
    let buckets = memory_bytes / BUCKET_BYTES;
    let buckets = if buckets < BUCKETS_MIN { BUCKETS_MIN } else { buckets };
    // The greatest power of two that is no more.
    let buckets = 1_usize << buckets.ilog2();
    buckets / 8 * 7
}

/// Runs of one size that are merged into one.
const RUNS_OF_A_TIER: usize = 4;
/// Parts in which a table is sorted.
const PARTS: usize = 64;
/// Bytes of memory for one bucket of a table, with half of them for a smaller one that it replaces.
const BUCKET_BYTES: u64 = 64;
/// Buckets of the smallest table.
const BUCKETS_MIN: u64 = 16;

const _: () = assert!(size_of::<Entry>() + 1 + size_of::<Entry>().div_ceil(2) <= 64);
