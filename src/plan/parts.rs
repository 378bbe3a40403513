//! The plan of one file that several connections fetch: which of its bytes are there, which are
//! under way on which connection, and what a further connection would fetch.
//!
//! A *part* is the range of bytes that one connection fetches, in order. Bytes that are there,
//! parts under way and holes tile the file: no byte is in two of them, and none is in no one.
//!
//! A further connection gets the first hole, else a share of the part that would take longest, so
//! that both end at the same time, else all that a lagging part has left. So the slowest connection
//! never decides when the file is there. Times are milliseconds since whenever; each part measures
//! its own rate from what its connection reports.

mod choice;
mod cut;
mod rate;

use self::choice::Choice;
use self::cut::GRANULE_BYTES_MIN;
use self::rate::{Pace, Rate};
use super::ranges::Ranges;
use std::num::NonZeroUsize;
use std::ops::Range;

/// How files are split.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Splitting {
    /// `--split`: connections that one file may have; `None` leaves it to the length.
    pub parts: Option<NonZeroUsize>,
    /// `--min-split-size`: bytes that no part begins with fewer than, unless a hole has fewer.
    pub part_bytes_min: u64,
}

impl Splitting {
    /// Connections that a file of this length may have, where the limits of its host allow
    /// `connections_max`. At least one; one where the length is not known.
    pub fn connections(&self, length: Option<u64>, connections_max: usize) -> usize {
        let Some(length) = length else { return 1 };
        let wanted = match self.parts {
            Some(parts) => parts.get(),
            None if length < SPLIT_FILE_BYTES_MIN => 1,
            None => AUTOMATIC_PARTS_MAX,
        };
        let pieces = usize::try_from(length / self.bytes_min()).unwrap_or(usize::MAX);
        wanted.min(connections_max).min(pieces).max(1)
    }

    fn bytes_min(&self) -> u64 {
        self.part_bytes_min.max(GRANULE_BYTES_MIN)
    }
}

impl Default for Splitting {
    fn default() -> Self {
        Self { parts: None, part_bytes_min: PART_BYTES_MIN_DEFAULT }
    }
}

/// Name of a part of one [`Parts`]; never given twice.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PartId(u64);

/// A range for a connection to fetch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Name of the part.
    pub id: PartId,
    /// Offsets to fetch; the end is [`u64::MAX`] where the length of the file is not known. It may
    /// come closer while the part is under way: [`Course::On`] says how far it goes.
    pub range: Range<u64>,
    /// The part that this one took everything from. Its connection is to be cut, and then to
    /// [leave](Parts::leave).
    pub victim: Option<PartId>,
}

/// How a part goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Course {
    /// More bytes are wanted of it.
    On {
        /// Offset that it goes to. What the connection brings from there on belongs to others, and
        /// is dropped.
        end: u64,
    },
    /// No more bytes are wanted of it: its range is there, or others fetch it, or the file is
    /// another one by now.
    Ended,
}

/// The plan of one file.
#[derive(Clone, Debug)]
pub struct Parts {
    length: Option<u64>,
    done: Ranges,
    /// What is neither there nor under way: in ascending order, and each for one request.
    holes: Vec<Range<u64>>,
    active: Vec<Part>,
    taken: u64,
    /// Parts that brought bytes of this version of the file.
    fetched: u32,
    /// Name of the first part of this version of the file.
    version: u64,
    bytes_came: u64,
    /// When bytes came last, whichever part they were of.
    came_ms: u64,
    /// What the parts that left did.
    pace: Pace,
    /// Time from the beginning of a part to its first bytes, usually, in milliseconds.
    first_byte_ms: u64,
    /// Parts that were taken over one soon after the other, and how long that counts.
    cut: usize,
    cut_until_ms: u64,
}

#[derive(Clone, Debug)]
struct Part {
    id: PartId,
    position: u64,
    end: u64,
    rate: Rate,
    /// Time without bytes, and time from its beginning, before which the part does not lag.
    patience_ms: u64,
    /// Whether bytes of it came.
    has_come: bool,
    /// Whether another part took all that was left.
    is_cut: bool,
}

impl Part {
    fn left(&self) -> u64 {
        self.end - self.position
    }
}

impl Parts {
    /// The plan of a file of `length` bytes, of which those in `done` are there. A file of unknown
    /// length has one part at a time, with an open end.
    pub fn new(length: Option<u64>, mut done: Ranges) -> Self {
        let end = length.unwrap_or(u64::MAX);
        done.truncate(end);
        Self {
            length,
            holes: done.holes(0..end).collect(),
            done,
            active: Vec::new(),
            taken: 0,
            fetched: 0,
            version: 0,
            bytes_came: 0,
            came_ms: 0,
            pace: Pace::default(),
            first_byte_ms: 0,
            cut: 0,
            cut_until_ms: 0,
        }
    }

    /// Takes note of the length of the file. False, and nothing changes, where another length is
    /// known, or bytes beyond it are there: then this is another file.
    #[must_use]
    pub fn set_length(&mut self, length: u64) -> bool {
        if self.length.is_some_and(|known| known != length) || self.done.end() > length {
            return false;
        }
        self.length = Some(length);
        self.holes.retain_mut(|hole| {
            hole.end = hole.end.min(length);
            !hole.is_empty()
        });
        for part in &mut self.active {
            // A part may wait for bytes that are beyond the end of the file.
            part.position = part.position.min(length);
            part.end = part.end.min(length);
        }
        true
    }

    /// Length of the file in bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Bytes that are there.
    pub fn done(&self) -> &Ranges {
        &self.done
    }

    /// Ranges that are neither there nor under way, in ascending order.
    pub fn holes(&self) -> &[Range<u64>] {
        &self.holes
    }

    /// Bytes that are there without a gap from offset 0 on.
    pub fn front(&self) -> u64 {
        self.done.front()
    }

    /// Whether the length is known and all bytes are there.
    pub fn is_whole(&self) -> bool {
        self.length == Some(self.front())
    }

    /// Bytes that are not there; `None` where the length is not known.
    pub fn missing_bytes(&self) -> Option<u64> {
        self.length.map(|length| length - self.done.len_total())
    }

    /// Parts that connections hold: all that were taken and have not left, also those of which
    /// nothing is wanted any more. With none of them, nobody writes.
    pub fn active(&self) -> usize {
        self.active.len()
    }

    /// Parts that brought bytes of this version of the file.
    pub fn fetched(&self) -> u32 {
        self.fetched
    }

    /// Counts what is there as one such part.
    pub fn count_done_as_fetched(&mut self) {
        self.fetched += u32::from(!self.done.is_empty());
    }

    /// Bytes that connections reported in all, also those that were not wanted any more.
    pub fn came_in_all(&self) -> u64 {
        self.bytes_came
    }

    /// Gives a further connection a range: the first hole, a share of the part that would take
    /// longest, or all that a lagging part has left. `None` where nothing is worth a connection, or
    /// the file has as many as it may have.
    pub fn take(
        &mut self,
        now_ms: u64,
        connections_max: usize,
        splitting: Splitting,
    ) -> Option<Taken> {
        if self.room(now_ms, connections_max, splitting) == 0 {
            return None;
        }
        if let Some(range) = self.take_hole(splitting.bytes_min()) {
            return Some(self.begin(range, None, now_ms));
        }
        match choice::choose(self, now_ms, splitting.bytes_min())? {
            Choice::Split { index, cut } => {
                let part = &mut self.active[index];
                let range = cut..part.end;
                part.end = cut;
                Some(self.begin(range, None, now_ms))
            }
            Choice::Steal { index } => {
                let part = &mut self.active[index];
                let range = part.position..part.end;
                part.end = part.position;
                part.is_cut = true;
                let victim = part.clone();
                self.cut = if now_ms < self.cut_until_ms { self.cut + 1 } else { 1 };
                self.cut_until_ms = now_ms.saturating_add(CUT_PAUSE_MS);
                Some(self.begin(range, Some(victim), now_ms))
            }
        }
    }

    /// Number of further connections that [`Parts::take`] has something for, about; 0 exactly when
    /// it has nothing. Cheap enough to be asked with every report; but a connection that stalled
    /// reports nothing, so a clock has to ask as well.
    pub fn wants_more(&self, now_ms: u64, connections_max: usize, splitting: Splitting) -> usize {
        let room = self.room(now_ms, connections_max, splitting);
        if self.holes.len() >= room {
            return room;
        }
        (self.holes.len() + choice::count(self, now_ms, splitting.bytes_min())).min(room)
    }

    /// Cuts what the first part has ahead of it into at most `count` pieces of about the same
    /// length, none below `part_bytes_min`. The first stays with the part, the others become holes.
    /// For the time when the first response says how long the file is: each piece is one request
    /// then.
    pub fn tile(&mut self, count: usize, part_bytes_min: u64) {
        let part_bytes_min = part_bytes_min.max(GRANULE_BYTES_MIN);
        let mut active = self.active.iter_mut().filter(|part| part.left() > 0);
        let Some(part) = active.next().filter(|_| self.length.is_some()) else { return };
        let (start, end) = (part.position, part.end);
        let pieces = (count as u64).min((end - start) / part_bytes_min);
        let mut cuts = Vec::new();
        let mut before = start;
        for piece in 1..pieces {
            let ideal = start + cut::share(end - start, piece, pieces);
            let bounds = before + part_bytes_min..=end - part_bytes_min;
            if let Some(cut) = cut::near(ideal, bounds) {
                cuts.push(cut);
                before = cut;
            }
        }
        cuts.push(end);
        part.end = cuts[0];
        for pair in cuts.windows(2) {
            self.add_hole(pair[0]..pair[1]);
        }
    }

    /// Takes note of bytes that were written at the position of a part. A connection that brings
    /// little at a time reports at least twice a second, or it seems to have stalled.
    pub fn came(&mut self, id: PartId, bytes: u64, now_ms: u64) -> Course {
        self.bytes_came += bytes;
        let Some(index) = self.index(id) else { return Course::Ended };
        let part = &mut self.active[index];
        if let Some(waited_ms) = part.rate.add(bytes, now_ms) {
            self.first_byte_ms = match self.first_byte_ms {
                0 => waited_ms,
                usual_ms => (3 * usual_ms + waited_ms) / 4,
            };
        }
        let wanted = bytes.min(part.left());
        if wanted > 0 {
            self.came_ms = self.came_ms.max(now_ms);
            self.fetched += u32::from(!std::mem::replace(&mut part.has_come, true));
            self.done.insert(part.position..part.position + wanted);
            part.position += wanted;
        }
        if part.left() > 0 { Course::On { end: part.end } } else { Course::Ended }
    }

    /// Offset of the byte that a part waits for; `None` when it has left.
    pub fn position(&self, id: PartId) -> Option<u64> {
        self.index(id).map(|index| self.active[index].position)
    }

    /// Offset that a part goes to, its position where nothing is wanted of it; `None` when it has
    /// left.
    pub fn end(&self, id: PartId) -> Option<u64> {
        self.index(id).map(|index| self.active[index].end)
    }

    /// Lets a part go on beyond its end, up to `response_end`, where nobody has taken what lies
    /// there: its response goes on, so the bytes cost no further request. Says how far it goes
    /// then; `None` when it does not.
    pub fn extend(&mut self, id: PartId, response_end: u64) -> Option<u64> {
        let index = self.index(id)?;
        let part = &mut self.active[index];
        let found = self.holes.binary_search_by_key(&part.end, |hole| hole.start).ok()?;
        let hole = &mut self.holes[found];
        let end = hole.end.min(response_end);
        if part.is_cut || end <= part.end {
            return None;
        }
        part.end = end;
        hole.start = end;
        if hole.is_empty() {
            self.holes.remove(found);
        }
        Some(end)
    }

    /// Takes note that the connection of a part is gone, or has done all it had. What was left is a
    /// hole again.
    pub fn leave(&mut self, id: PartId) {
        let Some(index) = self.index(id) else { return };
        let part = self.active.remove(index);
        self.pace.add(&part.rate);
        self.add_hole(part.position..part.end);
    }

    /// Takes note that bytes which were there are not good, for instance because a digest says so.
    pub fn forget(&mut self, range: Range<u64>) {
        let mut lost: Ranges = std::iter::once(range.clone()).collect();
        self.done.holes(range).for_each(|hole| lost.remove(hole));
        for range in lost.iter() {
            self.done.remove(range.clone());
            self.add_hole(range);
        }
    }

    /// Takes note that the file is another version: nothing is there, and nothing is wanted of the
    /// parts under way. They may write until they leave, so nothing is taken before they all have.
    pub fn reset(&mut self, length: Option<u64>) {
        self.version = self.taken;
        self.fetched = 0;
        self.length = length;
        self.done.clear();
        self.holes.clear();
        self.add_hole(0..length.unwrap_or(u64::MAX));
        for part in &mut self.active {
            (part.position, part.end, part.is_cut) = (0, 0, true);
        }
    }

    /// Connections that the file may have beside those it has. One that was cut is not replaced for
    /// a while: the next one could do as badly.
    fn room(&self, now_ms: u64, connections_max: usize, splitting: Splitting) -> usize {
        if self.active.iter().any(|part| part.id.0 < self.version) {
            return 0;
        }
        let cut = if now_ms < self.cut_until_ms { self.cut } else { 0 };
        let most = splitting.connections(self.length, connections_max);
        most.saturating_sub(cut).max(1).saturating_sub(self.active.len())
    }

    fn index(&self, id: PartId) -> Option<usize> {
        self.active.iter().position(|part| part.id == id)
    }

    fn begin(&mut self, range: Range<u64>, victim: Option<Part>, now_ms: u64) -> Taken {
        // Where nothing helps, for instance since a server is slow with every first byte, parts
        // must not be taken over for ever.
        let patience_ms = match &victim {
            Some(victim) if victim.rate.has_worked() => PATIENCE_MS,
            Some(victim) => (2 * victim.patience_ms).min(PATIENCE_MS_MAX),
            None => PATIENCE_MS,
        };
        let id = PartId(self.taken);
        self.taken += 1;
        let Range { start: position, end } = range;
        let (rate, has_come, is_cut) = (Rate::new(now_ms), false, false);
        self.active.push(Part { id, position, end, rate, patience_ms, has_come, is_cut });
        Taken { id, range, victim: victim.map(|victim| victim.id) }
    }

    /// The first hole, and more that touch it while it is short.
    fn take_hole(&mut self, part_bytes_min: u64) -> Option<Range<u64>> {
        let mut range = self.holes.first()?.clone();
        let mut count = 1;
        while let Some(next) = self.holes.get(count) {
            if next.start != range.end || range.end - range.start >= part_bytes_min {
                break;
            }
            range.end = next.end;
            count += 1;
        }
        self.holes.drain(..count);
        Some(range)
    }

    /// Adds a hole that overlaps no other. Holes that touch stay apart: each is one request.
    fn add_hole(&mut self, hole: Range<u64>) {
        if !hole.is_empty() {
            let place = self.holes.partition_point(|other| other.start < hole.start);
            self.holes.insert(place, hole);
        }
    }
}

/// Default of `--min-split-size` in bytes.
pub const PART_BYTES_MIN_DEFAULT: u64 = 8 << 20;
/// Shortest file that is split where nobody said whether, in bytes.
const SPLIT_FILE_BYTES_MIN: u64 = 64 << 20;
/// Most connections of one file where nobody said how many.
const AUTOMATIC_PARTS_MAX: usize = 16;
/// Time without bytes after which a part has stalled, in milliseconds.
const PATIENCE_MS: u64 = 2_000;
/// Longest such time, for parts that were taken over again and again, in milliseconds.
const PATIENCE_MS_MAX: u64 = 32_000;
/// Time for which a connection that was cut is not replaced, in milliseconds.
const CUT_PAUSE_MS: u64 = 10_000;

#[cfg(test)]
mod tests;
