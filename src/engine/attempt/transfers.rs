//! What the slots of one core do at the moment, for whoever asks. All of it is on one thread, and
//! memory is used again: it costs a job the copy of its URL.

use crate::plan::target::Target;
use crate::report::view::{LongFiles, Phase, Transfer};
use std::cell::{Cell, RefCell};
use std::time::Instant;

/// The transfers of one core.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    rows: RefCell<Vec<Row>>,
    free: RefCell<Vec<usize>>,
    /// Body bytes of all transfers so far.
    received: Cell<u64>,
}

#[derive(Debug)]
struct Row {
    is_live: bool,
    line: u64,
    url: String,
    began: Instant,
    bytes: u64,
    length: Option<u64>,
    is_part: bool,
    phase: Phase,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Entry<'t> {
    transfers: &'t Transfers,
    index: usize,
}

impl Transfers {
    /// An attempt begins, of a job that began at `began`.
    pub(crate) fn begin(&self, line: u64, target: &Target, began: Instant) -> Entry<'_> {
        let mut rows = self.rows.borrow_mut();
        let index = self.free.borrow_mut().pop().unwrap_or(rows.len());
        if index == rows.len() {
            let (url, bytes, phase) = (String::new(), 0, Phase::Connect);
            rows.push(Row {
                is_live: false,
                line,
                url,
                began,
                bytes,
                length: None,
                is_part: false,
                phase,
            });
        }
        let row = &mut rows[index];
        row.url.clear();
        row.url.push_str(target.as_str());
        (row.is_live, row.line, row.began) = (true, line, began);
        (row.bytes, row.length, row.phase) = (0, None, Phase::Connect);
        Entry { transfers: self, index }
    }

    /// A transfer goes on to another phase.
    pub(crate) fn enter(&self, index: usize, phase: Phase) {
        self.rows.borrow_mut()[index].phase = phase;
    }

    /// The body of a response begins, of `length` bytes where that is known. One that is part of a
    /// long body is told of with all of it, by others.
    pub(crate) fn expect(&self, index: usize, length: Option<u64>, is_part: bool) {
        let row = &mut self.rows.borrow_mut()[index];
        (row.bytes, row.length, row.phase) = (0, length, Phase::Body);
        row.is_part = is_part;
    }

    /// Body bytes came.
    pub(crate) fn came(&self, index: usize, bytes: usize) {
        self.rows.borrow_mut()[index].bytes += bytes as u64;
        self.received.set(self.received.get() + bytes as u64);
    }

    /// Body bytes of all transfers so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// The files that come whole, each on one connection, as far as they are long.
    pub(crate) fn long(&self) -> LongFiles {
        let mut long = LongFiles::default();
        for row in self.rows.borrow().iter().filter(|row| row.is_live && !row.is_part) {
            long.add(row.length.unwrap_or_default(), row.bytes);
        }
        long
    }

    /// The transfers that began longest ago, at most so many.
    pub(crate) fn longest(&self, count_max: usize) -> Vec<Transfer> {
        let rows = self.rows.borrow();
        let mut live: Vec<&Row> = rows.iter().filter(|row| row.is_live).collect();
        live.sort_unstable_by_key(|row| row.began);
        let shown = |row: &&Row| Transfer {
            line: row.line,
            url: without_query(&row.url),
            age: row.began.elapsed(),
            bytes: row.bytes,
            length: row.length,
            phase: row.phase,
        };
        live.iter().take(count_max).map(shown).collect()
    }
}

impl Entry<'_> {
    /// Number of the transfer, which no other has for as long as the entry lives.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.transfers.rows.borrow_mut()[self.index].is_live = false;
        self.transfers.free.borrow_mut().push(self.index);
    }
}

/// What a signal asks for may end up in any log: signatures and tokens are in the query.
fn without_query(url: &str) -> String {
    match url.split_once('?') {
        Some((before, _)) => format!("{before}?..."),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_come_first_and_places_are_used_again() {
        let transfers = Transfers::default();
        let target = |text| Target::parse(text).unwrap();
        let now = Instant::now();
        let first = transfers.begin(1, &target("http://u:p@a.example/x?token=SECRET"), now);
        let second = transfers.begin(2, &target("http://b.example/"), now - MINUTE);
        transfers.expect(first.index(), Some(150), false);
        transfers.came(first.index(), 100);
        let lines = |transfers: &Transfers| -> Vec<u64> {
            transfers.longest(10).iter().map(|transfer| transfer.line).collect()
        };
        assert_eq!(lines(&transfers), [2, 1]);
        let shown = &transfers.longest(10)[1];
        assert_eq!(shown.url, "http://a.example/x?...");
        assert_eq!((shown.bytes, shown.length, shown.phase), (100, Some(150), Phase::Body));
        assert_eq!(transfers.longest(1)[0].url, "http://b.example/");
        drop(first);
        let third = transfers.begin(3, &target("http://c.example/"), now);
        assert_eq!(third.index(), 0);
        let shown = &transfers.longest(10)[1];
        assert_eq!((shown.line, shown.bytes, shown.length), (3, 0, None));
        assert_eq!(shown.phase, Phase::Connect);
        drop((second, third));
        assert_eq!(lines(&transfers), [0; 0]);
        assert_eq!(transfers.received(), 100);
    }

    #[test]
    fn long_files_count_while_they_are_under_way() {
        let transfers = Transfers::default();
        let target = Target::parse("http://a.example/").unwrap();
        let begin = |length| {
            let entry = transfers.begin(1, &target, Instant::now());
            transfers.expect(entry.index(), length, false);
            transfers.came(entry.index(), 1_000);
            entry
        };
        let entries =
            [begin(Some(5_000_000)), begin(None), begin(Some(2_000)), begin(Some(9 << 20))];
        let wanted = LongFiles { count: 2, bytes: 5_000_000 + (9 << 20), bytes_there: 2_000 };
        assert_eq!(transfers.long(), wanted);
        transfers.expect(entries[0].index(), Some(5_000_000), true);
        assert_eq!(transfers.long().count, 1);
        drop(entries);
        assert_eq!(transfers.long(), LongFiles::default());
    }

    const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
}
