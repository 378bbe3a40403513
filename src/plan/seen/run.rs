//! Entries that were written out: sorted by their keys, and found again by reading one block.

use super::{Entry, Key, Piece};
use std::io;

/// Sorted entries in a piece of room.
#[derive(Debug)]
pub(super) struct Run<P> {
    piece: P,
    entries: u64,
    /// Begin of the first key of each block.
    fences: Vec<u64>,
    /// How often its entries were merged.
    tier: u32,
}

impl<P: Piece> Run<P> {
    pub(super) fn tier(&self) -> u32 {
        self.tier
    }

    /// The number of a key, if the run has it.
    pub(super) fn find(&self, key: &Key) -> io::Result<Option<u64>> {
        let begin = begin_of(key);
        // The block before the first one that begins with as much may end with the key.
        let first = self.fences.partition_point(|fence| *fence < begin).saturating_sub(1);
        let mut bytes = [0; BLOCK_ENTRIES * ENTRY_BYTES];
        for block in first..self.fences.len() {
            if block > first && self.fences[block] > begin {
                break;
            }
            let bytes = self.read((block * BLOCK_ENTRIES) as u64, &mut bytes)?;
            if let Some(value) = find_in(bytes, key) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Reads as many entries as there are and fit, from entry `first` on.
    fn read<'b>(&self, first: u64, bytes: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let fit = (bytes.len() / ENTRY_BYTES) as u64;
        let count = self.entries.saturating_sub(first).min(fit);
        let bytes = &mut bytes[..usize::try_from(count).unwrap_or(0) * ENTRY_BYTES];
        self.piece.read_at(bytes, first * ENTRY_BYTES as u64)?;
        Ok(bytes)
    }
}

/// Writes a run, entry by entry in their order.
pub(super) struct Writer<P> {
    piece: P,
    entries: u64,
    fences: Vec<u64>,
    /// Entries that are not written yet.
    bytes: Vec<u8>,
}

impl<P: Piece> Writer<P> {
    pub(super) fn new(piece: P) -> Self {
        Self { piece, entries: 0, fences: Vec::new(), bytes: Vec::with_capacity(BUFFER_BYTES) }
    }

    pub(super) fn add(&mut self, entry: Entry) -> io::Result<()> {
        if self.bytes.len() + ENTRY_BYTES > BUFFER_BYTES {
            self.piece.append(&self.bytes)?;
            self.bytes.clear();
        }
        if self.entries.is_multiple_of(BLOCK_ENTRIES as u64) {
            self.fences.push(begin_of(&entry.key));
        }
        self.entries += 1;
        self.bytes.extend_from_slice(&entry.key);
        self.bytes.extend_from_slice(&entry.value.to_le_bytes());
        Ok(())
    }

    pub(super) fn finish(mut self, tier: u32) -> io::Result<Run<P>> {
        self.piece.append(&self.bytes)?;
        let Self { piece, entries, mut fences, .. } = self;
        fences.shrink_to_fit();
        Ok(Run { piece, entries, fences, tier })
    }
}

/// Merges runs, the oldest first, into one: of a key in several of them the newest number counts.
pub(super) fn merge<P: Piece>(runs: &[Run<P>], into: P, tier: u32) -> io::Result<Run<P>> {
    let mut writer = Writer::new(into);
    let mut cursors = runs.iter().map(Cursor::new).collect::<io::Result<Vec<_>>>()?;
    while let Some(key) = cursors.iter().filter_map(Cursor::key).min() {
        let mut newest = None;
        for cursor in cursors.iter_mut().filter(|cursor| cursor.key() == Some(key)) {
            newest = cursor.next()?;
        }
        newest.map_or(Ok(()), |entry| writer.add(entry))?;
    }
    writer.finish(tier)
}

/// Reads a run from its begin to its end.
struct Cursor<'r, P> {
    run: &'r Run<P>,
    /// Number of the first entry behind the buffer.
    behind: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    used: usize,
    entry: Option<Entry>,
}

impl<'r, P: Piece> Cursor<'r, P> {
    fn new(run: &'r Run<P>) -> io::Result<Self> {
        let mut cursor = Self { run, behind: 0, buffer: Vec::new(), used: 0, entry: None };
        cursor.next()?;
        Ok(cursor)
    }

    fn key(&self) -> Option<Key> {
        self.entry.map(|entry| entry.key)
    }

    /// Gives the entry at hand, and goes on to the next one.
    fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.used == self.buffer.len() {
            self.buffer.resize(BUFFER_BYTES, 0);
            let read = self.run.read(self.behind, &mut self.buffer)?.len();
            self.buffer.truncate(read);
            (self.behind, self.used) = (self.behind + (read / ENTRY_BYTES) as u64, 0);
        }
        let next = self.buffer[self.used..].chunks_exact(ENTRY_BYTES).next().map(entry_of);
        self.used += if next.is_some() { ENTRY_BYTES } else { 0 };
        Ok(std::mem::replace(&mut self.entry, next))
    }
}

/// The number of a key among sorted entries.
fn find_in(bytes: &[u8], key: &Key) -> Option<u64> {
    let entry = |at: usize| &bytes[at * ENTRY_BYTES..(at + 1) * ENTRY_BYTES];
    let (mut low, mut high) = (0, bytes.len() / ENTRY_BYTES);
    while low < high {
        let middle = low + (high - low) / 2;
        match entry(middle)[..key.len()].cmp(key) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => return Some(entry_of(entry(middle)).value),
        }
    }
    None
}

fn entry_of(bytes: &[u8]) -> Entry {
    let (key, rest) = bytes.split_first_chunk().expect("an entry has a key");
    let value = rest.first_chunk().expect("an entry has a number");
    Entry { key: *key, value: u64::from_le_bytes(*value) }
}

/// The begin of a key as a number, in the same order.
fn begin_of(key: &Key) -> u64 {
    u64::from_be_bytes(*key.first_chunk().expect("a key is longer"))
}

/// Bytes of one entry.
const ENTRY_BYTES: usize = 40;
/// Entries of one block.
pub(super) const BLOCK_ENTRIES: usize = 64;
/// Bytes that are written and read together where a run is gone through: whole entries.
const BUFFER_BYTES: usize = 1_024 * ENTRY_BYTES;
