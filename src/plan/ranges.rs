//! Sets of byte offsets as sorted ranges that neither overlap nor touch.

use std::iter;
use std::ops::Range;

/// A set of byte offsets: half-open ranges in ascending order, none of them empty, with a gap
/// between any two.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ranges {
    ranges: Vec<Range<u64>>,
}

impl Ranges {
    /// A set without offsets.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Adds a range. Growing a range at its end, which is the common case, costs one binary search
    /// over the ranges and allocates nothing.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|at| at.end < range.start);
        let Some(at) = self.ranges.get_mut(first) else {
            self.ranges.push(range);
            return;
        };
        if range.end < at.start {
            self.ranges.insert(first, range);
            return;
        }
        at.start = at.start.min(range.start);
        at.end = at.end.max(range.end);
        let end = at.end;
        let behind = &self.ranges[first + 1..];
        let touched = behind.partition_point(|at| at.start <= end);
        if touched > 0 {
            self.ranges[first].end = end.max(behind[touched - 1].end);
            self.ranges.drain(first + 1..=first + touched);
        }
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|at| at.end <= range.start);
        let count = self.ranges[first..].partition_point(|at| at.start < range.end);
        if count > 0 {
            let before = self.ranges[first].start..range.start;
            let behind = range.end..self.ranges[first + count - 1].end;
            let left = [before, behind].into_iter().filter(|range| !range.is_empty());
            self.ranges.splice(first..first + count, left);
        }
    }

    /// Takes out all offsets from `length` on.
    pub fn truncate(&mut self, length: u64) {
        self.remove(length..u64::MAX);
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }

    /// Whether all offsets of a range are in the set; those of an empty one always are.
    pub fn contains(&self, range: &Range<u64>) -> bool {
        let first = self.ranges.partition_point(|at| at.end <= range.start);
        range.is_empty()
            || self
                .ranges
                .get(first)
                .is_some_and(|at| at.start <= range.start && range.end <= at.end)
    }

    /// Ranges within `within` that are not in the set, in ascending order.
    pub fn holes(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let behind = &self.ranges[self.ranges.partition_point(|at| at.end <= within.start)..];
        let starts = iter::once(within.start).chain(behind.iter().map(|at| at.end));
        let ends = behind.iter().map(|at| at.start).chain(iter::once(u64::MAX));
        let holes = starts.zip(ends).map(move |(start, end)| start..end.min(within.end));
        holes.take_while(move |hole| hole.start < within.end).filter(|hole| !hole.is_empty())
    }

    /// Number of offsets in the set.
    pub fn len_total(&self) -> u64 {
        self.ranges.iter().map(|range| range.end - range.start).sum()
    }

    /// End of the range that begins at offset 0; 0 where none does.
    pub fn front(&self) -> u64 {
        self.ranges.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    /// End of the last range; 0 where there is none.
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// Number of ranges.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }

    /// Whether no offset is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range<u64>> + ExactSizeIterator {
        self.ranges.iter().cloned()
    }
}

/// Ranges in any order, which may overlap.
impl FromIterator<Range<u64>> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range<u64>>>(ranges: T) -> Self {
        let mut set = Self::new();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

#[cfg(test)]
mod tests;
