//! A file that takes rows one behind the other. On a full disk they wait in memory, and none is
//! ever torn: what does not fit follows when there is room, or its begin is taken back. Where rows
//! are packed, that holds for each part of them.

use crate::report::packing;
use crate::report::packing::Packing;
use crate::ring::{file, room};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Makes the directory that a file is to be in, and those above it, where they are missing.
pub(crate) fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// How far rows have come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flushed {
    /// All of them are in the file.
    All,
    /// The disk is full: the rest waits.
    Full,
    /// The file can no longer be written.
    Broken,
}

/// A file and what is to be written into it.
pub(crate) struct RowFile<F = File> {
    file: F,
    /// Whether a full disk is waited for: not with a device, which never gets room.
    can_wait: bool,
    packing: Packing,
    /// Encoded and not yet packed, where something is.
    unpacked: Vec<u8>,
    /// As it is to be in the file, and not yet written.
    pending: Vec<u8>,
    /// Length of the file.
    written: u64,
    /// Length of the file up to the end of the last whole row.
    whole: u64,
    /// Input line of each row that waits, and the length of the file at its end, or at that of its
    /// part; [`UNPACKED`] while that is not known.
    rows: VecDeque<(u64, u64)>,
    is_full: bool,
    /// The first failure.
    error: Option<io::Error>,
}

/// What a file must be able to do beside being written.
pub(crate) trait Shorten {
    /// Cuts it to this length.
    fn shorten(&self, length: u64) -> io::Result<()>;
}

impl Shorten for File {
    fn shorten(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

impl RowFile {
    /// Rows go behind what is in the file. With `waits`, a full disk is waited for.
    pub(crate) fn new(file: File, waits: bool) -> Self {
        let regular = file.metadata().ok().filter(fs::Metadata::is_file);
        let length = regular.as_ref().map_or(0, fs::Metadata::len);
        Self::of(file, length, waits && regular.is_some())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// A row could not be written; the error names the input lines of the rows that are left.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.give_up()?;
        self.into_closed()
    }

    /// As [`RowFile::close`], after fdatasync.
    ///
    /// # Errors
    /// As for [`RowFile::close`], or the data could not be synced.
    pub(crate) fn close_durably(mut self) -> io::Result<()> {
        self.give_up()?;
        self.file.sync_data()?;
        self.into_closed()
    }

    fn into_closed(self) -> io::Result<()> {
        // What a file system behind a network could not store it may tell only now.
        Ok(file::close(self.file)?)
    }
}

impl<F: Write + Shorten> RowFile<F> {
    /// A file whose rows are packed with `packing`.
    pub(crate) fn packed(self, packing: Packing) -> Self {
        Self { packing, ..self }
    }

    fn of(file: F, length: u64, can_wait: bool) -> Self {
        Self {
            file,
            can_wait,
            packing: Packing::None,
            unpacked: Vec::new(),
            pending: Vec::new(),
            written: length,
            whole: length,
            rows: VecDeque::new(),
            is_full: false,
            error: None,
        }
    }

    /// Appends what belongs to no row, by `encode`.
    pub(crate) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.add_row(NO_LINE, encode);
    }

    /// Appends the row of an input line, by `encode`.
    pub(crate) fn add_row(&mut self, index: u64, encode: impl FnOnce(&mut Vec<u8>)) {
        let end = if self.packing == Packing::None {
            encode(&mut self.pending);
            self.written + self.pending.len() as u64
        } else {
            encode(&mut self.unpacked);
            UNPACKED
        };
        self.rows.push_back((index, end));
    }

    /// Whether so much waits that it should be written, whatever the time is.
    pub(crate) fn is_due(&self) -> bool {
        self.pending.len() >= PENDING_BYTES_MAX || self.unpacked.len() >= PART_BYTES
    }

    /// Packs what waits as one part.
    fn pack(&mut self) {
        if self.unpacked.is_empty() {
            return;
        }
        packing::pack(self.packing, &self.unpacked, &mut self.pending);
        self.unpacked.clear();
        let end = self.written + self.pending.len() as u64;
        let rows = self.rows.iter_mut().rev().take_while(|row| row.1 == UNPACKED);
        rows.for_each(|row| row.1 = end);
    }

    /// Whether the disk was full when it was last tried.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Writes what waits, as far as that is possible.
    pub(crate) fn flush(&mut self) -> Flushed {
        self.pack();
        let mut done = 0;
        self.is_full = false;
        while self.error.is_none() && done < self.pending.len() {
            match self.file.write(&self.pending[done..]) {
                Ok(0) => self.error = Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.can_wait && room::is_lacking(&error) => {
                    self.is_full = true;
                    break;
                }
                Err(error) => self.error = Some(error),
            }
        }
        self.written += done as u64;
        while let Some((_, end)) = self.rows.front().copied().filter(|row| row.1 <= self.written) {
            self.whole = end;
            self.rows.pop_front();
        }
        if self.error.is_some() {
            self.pending.clear();
            return Flushed::Broken;
        }
        self.pending.drain(..done);
        if self.is_full { Flushed::Full } else { Flushed::All }
    }

    /// Writes what can be written, and takes back the begin of a row whose end cannot.
    fn give_up(&mut self) -> io::Result<()> {
        self.flush();
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if !self.is_full {
            return Ok(());
        }
        if !self.rows.is_empty() && self.whole < self.written {
            self.file.shorten(self.whole)?;
        }
        let left: Vec<u64> =
            self.rows.iter().map(|row| row.0).filter(|line| *line != NO_LINE).collect();
        if left.is_empty() {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk is full"));
        }
        let (count, lines) = (left.len(), ranges(left));
        let what = if count == 1 { "row" } else { "rows" };
        let text =
            format!("the disk is full: {count} {what} could not be written, of input line {lines}");
        Err(io::Error::new(io::ErrorKind::StorageFull, text))
    }
}

/// The input line of what is no row; lines are numbered from 1.
const NO_LINE: u64 = 0;
/// Where a row ends whose part is not packed yet: no file is as long.
const UNPACKED: u64 = u64::MAX;
/// Bytes of rows that wait at most, besides the flushes by time.
const PENDING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of rows to be packed that wait at most; larger parts pack better.
const PART_BYTES: usize = 256 * 1024;

/// `3-5, 9`: numbers of lines.
fn ranges(mut numbers: Vec<u64>) -> String {
    numbers.sort_unstable();
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 >= number => *last = number,
            _ => parts.push((number, number)),
        }
    }
    let text = |(first, last): &(u64, u64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    parts.iter().map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    /// A disk with so much room.
    #[derive(Default)]
    struct Disk {
        content: RefCell<Vec<u8>>,
        room: Cell<usize>,
    }

    impl Write for &Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room.get());
            if count == 0 {
                return Err(io::Error::from_raw_os_error(28));
            }
            self.room.set(self.room.get() - count);
            self.content.borrow_mut().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Shorten for &Disk {
        fn shorten(&self, length: u64) -> io::Result<()> {
            self.content.borrow_mut().truncate(usize::try_from(length).unwrap());
            Ok(())
        }
    }

    fn filled(disk: &Disk) -> RowFile<&Disk> {
        let mut rows = RowFile::of(disk, 0, true);
        rows.add(|out| out.extend_from_slice(b"head\n"));
        for (index, row) in [(1, "one\n"), (2, "two\n"), (4, "four\n")] {
            rows.add_row(index, |out| out.extend_from_slice(row.as_bytes()));
        }
        rows
    }

    #[test]
    fn rows_wait_for_room_and_the_rest_of_a_torn_one_follows() {
        let disk = Disk::default();
        let mut rows = filled(&disk);
        let all = b"head\none\ntwo\nfour\n";
        for room in [0, 3, 5, 2] {
            disk.room.set(room);
            assert_eq!(rows.flush(), Flushed::Full);
            assert!(rows.is_full());
        }
        assert_eq!(*disk.content.borrow(), all[..10]);
        disk.room.set(100);
        assert_eq!(rows.flush(), Flushed::All);
        assert_eq!((*disk.content.borrow()).as_slice(), all);
        assert!(!rows.is_full());
        rows.give_up().unwrap();
    }

    #[test]
    fn rows_that_are_given_up_are_named_and_leave_no_begin() {
        for (room, left, lines) in [
            (0, "", "1-2, 4"),
            (5, "head\n", "1-2, 4"),
            (11, "head\none\n", "2, 4"),
            (13, "head\none\ntwo\n", "4"),
        ] {
            let disk = Disk::default();
            let mut rows = filled(&disk);
            disk.room.set(room);
            let error = rows.give_up().unwrap_err().to_string();
            assert!(error.ends_with(&format!("line {lines}")), "{room}: {error}");
            assert_eq!(std::str::from_utf8(&disk.content.borrow()).unwrap(), left, "{room}");
        }
    }

    #[test]
    fn parts_are_whole_or_not_there() {
        for packing in [Packing::Gzip, Packing::Zstd] {
            let disk = Disk::default();
            disk.room.set(1_000);
            let mut rows = RowFile::of(&disk, 0, true).packed(packing);
            let add = |rows: &mut RowFile<&Disk>, index| {
                rows.add_row(index, |out| out.extend_from_slice(format!("{index}\n").as_bytes()));
            };
            (1..=2).for_each(|index| add(&mut rows, index));
            assert!(disk.content.borrow().is_empty());
            assert_eq!(rows.flush(), Flushed::All);
            let first = disk.content.borrow().len();
            // Of the second part there is room for a begin only.
            disk.room.set(5);
            (3..=4).for_each(|index| add(&mut rows, index));
            assert_eq!(rows.flush(), Flushed::Full);
            add(&mut rows, 5);
            let error = rows.give_up().unwrap_err().to_string();
            assert!(error.ends_with("line 3-5"), "{error}");
            assert_eq!(disk.content.borrow().len(), first, "{packing:?}");
            let mut rows = Vec::new();
            let front = packing::unpack(packing, &disk.content.borrow(), &mut rows);
            assert_eq!((front, &*rows), (packing::FirstPart::Whole(first), &b"1\n2\n"[..]));
        }
    }

    #[test]
    fn who_does_not_wait_fails_at_once() {
        let disk = Disk::default();
        let mut rows = filled(&disk);
        rows.can_wait = false;
        assert_eq!(rows.flush(), Flushed::Broken);
        assert!(rows.pending.is_empty());
        assert_eq!(rows.give_up().unwrap_err().raw_os_error(), Some(28));
    }
}
