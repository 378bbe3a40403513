//! The cells of one line of CSV, found quickly where that can be done.

use csv_core::ReadRecordResult;
use memchr::memchr;

/// Takes the quotes from lines that have them anywhere.
#[derive(Debug, Default)]
pub(super) struct Unquoted {
    /// Made once: its table of states takes longer than many lines.
    reader: Option<Box<csv_core::Reader>>,
    /// Cells of a line, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl Unquoted {
    /// The cells of a line without their quotes. A quoted cell that does not end within the line
    /// makes it no row.
    pub(super) fn cells<'a>(&'a mut self, line: &[u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
        let Self { reader, cells, ends } = self;
        let reader = reader.get_or_insert_with(|| Box::new(csv_core::Reader::new()));
        reader.reset();
        cells.resize(line.len(), 0);
        ends.resize(line.len() + 1, 0);
        let (result, _, written, ended) = reader.read_record(line, cells, ends);
        let (more, last) = match result {
            ReadRecordResult::InputEmpty => {
                // The end of the input ends the last cell.
                let (cells, ends) = (&mut cells[written..], &mut ends[ended..]);
                let (_, _, more, last) = reader.read_record(&[], cells, ends);
                (more, ended + last)
            }
            ReadRecordResult::OutputFull
            | ReadRecordResult::OutputEndsFull
            | ReadRecordResult::Record
            | ReadRecordResult::End => (0, 0),
        };
        cells.truncate(written + more);
        ends.truncate(last);
        cells_of(cells, ends)
    }
}

/// Cells in one buffer, by where each of them ends.
fn cells_of<'a>(cells: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> + Clone {
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).map(|(start, end)| &cells[*start..*end])
}

/// A cell, as far as it is seen without a copy.
pub(super) enum Cell<'a> {
    Is(&'a [u8]),
    /// A cell in quotes, with quotes in it.
    Doubled,
    /// A line that [`Unquoted`] has to look at as a whole.
    Odd,
}

/// The cells of a line whose quotes are where this program writes them: around a whole cell, and
/// twice for one within it.
pub(super) struct Cells<'a> {
    line: &'a [u8],
    /// Begin of the next cell; `None` behind the last one.
    begin: Option<usize>,
    commas: Commas<'a>,
    is_odd: bool,
}

impl<'a> Cells<'a> {
    pub(super) fn of(line: &'a [u8], is_quoted: bool) -> Self {
        // With quotes in the line, these would end a record and be no part of it.
        let is_odd = is_quoted && (memchr(b'\r', line).is_some() || line.starts_with(BOM));
        Self { line, begin: Some(0), commas: Commas::of(line), is_odd }
    }

    /// A cell whose quote is in front of byte `begin`.
    fn quoted(&mut self, begin: usize) -> Cell<'a> {
        let (mut at, mut has_quotes) = (begin, false);
        while let Some(quote) = memchr(b'"', &self.line[at..]) {
            let end = at + quote;
            self.begin = match self.line.get(end + 1) {
                Some(b'"') => {
                    (at, has_quotes) = (end + 2, true);
                    continue;
                }
                // It is the next one behind those within the quotes.
                Some(b',') => self.commas.find(|comma| *comma > end).map(|comma| comma + 1),
                Some(_) => break,
                None => None,
            };
            return if has_quotes { Cell::Doubled } else { Cell::Is(&self.line[begin..end]) };
        }
        self.is_odd = true;
        Cell::Odd
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        let begin = self.begin?;
        if self.is_odd {
            return Some(Cell::Odd);
        }
        if self.line.get(begin) == Some(&b'"') {
            return Some(self.quoted(begin + 1));
        }
        let end = self.commas.next();
        self.begin = end.map(|end| end + 1);
        Some(Cell::Is(&self.line[begin..end.unwrap_or(self.line.len())]))
    }
}

/// Positions of the commas of a line: eight bytes are looked at together, since most cells are
/// short.
struct Commas<'a> {
    rest: &'a [u8],
    /// Position of the word at hand in the line.
    word_at: usize,
    /// Commas of the word at hand that are still to come, as the top bits of their bytes.
    found: u64,
}

impl<'a> Commas<'a> {
    fn of(line: &'a [u8]) -> Self {
        let (word, rest) = first_word(line);
        Self { rest, word_at: 0, found: commas_in(word) }
    }
}

impl Iterator for Commas<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.found == 0 {
            if self.rest.is_empty() {
                return None;
            }
            let (word, rest) = first_word(self.rest);
            self.rest = rest;
            self.word_at += WORD_BYTES;
            self.found = commas_in(word);
        }
        let at = self.word_at + (self.found.trailing_zeros() / u8::BITS) as usize;
        self.found &= self.found - 1;
        Some(at)
    }
}

/// The first bytes as a number, the first one lowest and missing ones zero, and the bytes behind
/// them.
fn first_word(bytes: &[u8]) -> (u64, &[u8]) {
    match bytes.split_first_chunk() {
        Some((word, rest)) => (u64::from_le_bytes(*word), rest),
        None => {
            let mut word = [0; WORD_BYTES];
            word[..bytes.len()].copy_from_slice(bytes);
            (u64::from_le_bytes(word), &[])
        }
    }
}

/// The top bit of every byte that is a comma, and no other bit.
fn commas_in(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7f * ONES;
    let differs = word ^ (ONES * b',' as u64);
    // The sum carries into the top bit of a byte whose other bits are not all zero.
    !(((differs & LOW) + LOW) | differs | LOW)
}

/// Bytes in one word.
const WORD_BYTES: usize = 8;
/// A byte order mark, which is no part of the first cell.
const BOM: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_where_they_are_written_need_no_copy() {
        let cells = |line: &'static str| {
            let cells = Cells::of(line.as_bytes(), true).map(|cell| match cell {
                Cell::Is(cell) => std::str::from_utf8(cell).unwrap(),
                Cell::Doubled => "doubled",
                Cell::Odd => "odd",
            });
            cells.take(5).collect::<Vec<_>>().join("|")
        };
        for (line, seen) in [
            ("a,\"b,c\",", "a|b,c|"),
            ("\"\"\"82-4\"\"\",\"\"", "doubled|"),
            ("a\"b,\"c\"", "a\"b|c"),
            ("\"a\"b,c", "odd|odd|odd|odd|odd"),
            ("a,\"b", "a|odd|odd|odd|odd"),
            ("\"a\"\r,b", "odd|odd|odd|odd|odd"),
        ] {
            assert_eq!(cells(line), seen, "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: 1_000,
            ..ProptestConfig::default()
        })]

        #[test]
        fn commas_are_where_they_are(bytes in prop::collection::vec(
            prop_oneof![Just(b','), Just(b'-'), Just(0xac_u8), Just(0_u8), any::<u8>()], 0..40,
        )) {
            let commas = bytes.iter().enumerate().filter(|(_, byte)| **byte == b',');
            let commas: Vec<usize> = commas.map(|(at, _)| at).collect();
            prop_assert_eq!(Commas::of(&bytes).collect::<Vec<_>>(), commas);
        }
    }
}
