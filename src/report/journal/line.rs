//! One line of a report: a header line, or the cells of a row that matter to a later run.

use crate::fault::DISK_LOST;
use crate::report::row::{NAMES, RowFormat, Status};
use csv_core::ReadRecordResult;
use memchr::memchr;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A row as it is read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Input line number over all inputs, from 1.
    pub index: u64,
    /// The URL, or the line that is not a URL, as the row shows it.
    pub url: Cow<'a, [u8]>,
    /// How the job ended.
    pub status: Status,
    /// Status code of the last response; 0 when there was none.
    pub response_code: u16,
    /// Code of the fault; empty when there was none.
    pub error_code: Cow<'a, str>,
    /// Path of the file; empty when there is none.
    pub filename: Cow<'a, str>,
    /// Length of the file in bytes.
    pub size_file: Option<u64>,
    /// Digest of the file as `checksum=` has it; empty when there is none.
    pub digest: Cow<'a, str>,
}

impl Entry<'_> {
    /// Whether the row says that the file of its line is to be pulled again, because it may be
    /// lost.
    pub fn is_lost(&self) -> bool {
        self.status == Status::Failed && self.error_code == DISK_LOST
    }

    /// Whether the row tells of a body that was pulled and kept nowhere (`--discard`): it has a
    /// size and no file. A row that has neither was not made by `--discard`, and says no more than
    /// that its line is done.
    pub fn is_discarded(&self) -> bool {
        self.status == Status::Ok && self.filename.is_empty() && self.size_file.is_some()
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Problem {
    /// The file does not begin as a report does.
    Stranger,
    /// The file is a report in CSV.
    IsCsv,
    /// The file is a report in JSON Lines.
    IsJsonLines,
    /// The line is not a row: cells are missing, or it is not JSON.
    Torn,
    /// The line has the form of a row, with a value that no row has.
    Nonsense(&'static str),
    /// The line is longer than any row.
    TooLong,
    /// The file is not packed in this format, although its name says so.
    NotPacked(&'static str),
    /// The packed data is damaged in front of its end.
    Damaged(&'static str),
    /// A part of packed data holds more than any run writes.
    PartTooLong(&'static str),
    /// The packed data is whole, and the row in it is not.
    Cut(&'static str),
}

impl Problem {
    /// Whether a write that was cut off may look like this.
    pub(super) fn is_torn(self) -> bool {
        match self {
            Self::Torn => true,
            Self::Stranger
            | Self::IsCsv
            | Self::IsJsonLines
            | Self::Nonsense(_)
            | Self::TooLong
            | Self::NotPacked(_)
            | Self::Damaged(_)
            | Self::PartTooLong(_)
            | Self::Cut(_) => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger => f.write_str("this is not a report of ringpull"),
            Self::IsCsv => f.write_str("this is a report in CSV, not in JSON Lines"),
            Self::IsJsonLines => f.write_str("this is a report in JSON Lines, not in CSV"),
            Self::Torn => f.write_str("this row is incomplete, although complete rows follow it"),
            Self::Nonsense(column) => write!(f, "no row has such a value in the column {column}"),
            Self::TooLong => f.write_str("this is longer than any row"),
            Self::NotPacked(name) => {
                write!(f, "this is not {name} data, although its name says so")
            }
            Self::Damaged(name) => write!(
                f,
                "the {name} data is damaged from here on, and not by a run that was killed: more \
                 of it follows"
            ),
            Self::PartTooLong(name) => write!(
                f,
                "the {name} data was made by another program, with more in one piece than can be \
                 read back: unpack it, and continue that"
            ),
            Self::Cut(name) => write!(
                f,
                "an incomplete row, although its {name} data is complete: unpack it, and continue \
                 that"
            ),
        }
    }
}

/// Reads the lines of one report.
#[derive(Debug)]
pub struct Lines {
    format: RowFormat,
    /// Columns of CSV, once its header line was read.
    columns: Option<Arc<Columns>>,
    has_rows: bool,
    /// Names of the columns of the list that rows of JSON Lines have, once one was read.
    kept: Option<Vec<String>>,
    unquoted: Unquoted,
}

/// Takes the quotes from lines that have them anywhere.
#[derive(Debug, Default)]
struct Unquoted {
    /// Made once: its table of states takes longer than many lines.
    reader: Option<Box<csv_core::Reader>>,
    /// Cells of a line, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    /// A reader of lines that should have this format.
    pub fn new(format: RowFormat) -> Self {
        let unquoted = Unquoted::default();
        Self { format, columns: None, has_rows: false, kept: None, unquoted }
    }

    /// A reader of lines that come later and have the same columns.
    pub(super) fn part(&self) -> Self {
        let columns = self.columns.clone();
        Self { columns, has_rows: self.has_rows, ..Self::new(self.format) }
    }

    /// The columns of CSV, once its header line was read.
    pub(super) fn columns(&self) -> Option<&Arc<Columns>> {
        self.columns.as_ref()
    }

    /// Reads on with the columns that another reader has found.
    pub(super) fn set_columns(&mut self, other: &Self) {
        self.columns.clone_from(&other.columns);
    }

    /// Reads a line without its end. `None` is a header line.
    ///
    /// # Errors
    /// When the line is neither a header line nor a row.
    pub fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Entry<'a>>, Problem> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.format {
            RowFormat::Csv => self.read_csv(line),
            RowFormat::JsonLines => match read_json(line) {
                Ok(entry) => {
                    if !std::mem::replace(&mut self.has_rows, true) {
                        let keys = serde_json::from_slice(line).map_err(|_| Problem::Torn)?;
                        let Keys(keys) = keys;
                        self.kept = Some(kept_of(keys));
                    }
                    Ok(Some(entry))
                }
                Err(Problem::Torn) if !self.has_rows => Err(self.stranger(line)),
                Err(problem) => Err(problem),
            },
        }
    }

    /// Whether the header line above the last row, if the format has any, differs from the one of
    /// this version.
    pub(super) fn is_outdated(&self) -> bool {
        match self.format {
            RowFormat::Csv => self.columns.as_ref().is_none_or(|columns| !columns.is_current),
            RowFormat::JsonLines => false,
        }
    }

    /// Names of the columns of the list that the last rows have; `None` before anything was read.
    pub(super) fn kept(&self) -> Option<Vec<String>> {
        match self.format {
            RowFormat::Csv => self.columns.as_ref().map(|columns| columns.kept.clone()),
            RowFormat::JsonLines => self.kept.clone(),
        }
    }

    /// Whether a report may begin with these bytes, of which more was lost.
    pub(super) fn may_begin_with(&self, bytes: &[u8]) -> bool {
        let first = match self.format {
            RowFormat::Csv => NAMES.join(","),
            RowFormat::JsonLines => JSON_FIRST.to_owned(),
        };
        let length = bytes.len().min(first.len());
        // Columns of the list follow.
        bytes[..length] == first.as_bytes()[..length]
            && (self.format == RowFormat::JsonLines || bytes.get(length).is_none_or(|b| *b == b','))
    }

    /// Names the kind of file, for the error, when its first line is not of this format.
    pub(super) fn stranger(&self, line: &[u8]) -> Problem {
        let header = line.split(|byte| *byte == b',');
        match self.format {
            RowFormat::Csv if line.starts_with(JSON_FIRST.as_bytes()) => Problem::IsJsonLines,
            RowFormat::JsonLines if Columns::of(header).is_some() => Problem::IsCsv,
            RowFormat::Csv | RowFormat::JsonLines => Problem::Stranger,
        }
    }

    fn read_csv<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Entry<'a>>, Problem> {
        let is_quoted = memchr(b'"', line).is_some();
        if line.starts_with(b"url,") {
            let columns = match is_quoted {
                false => Columns::of(line.split(|byte| *byte == b',')),
                true => Columns::of(self.unquoted.cells(line)),
            };
            if let Some(columns) = columns {
                // Those of a report that goes on as it was stay the same ones.
                if self.columns.as_deref() != Some(&columns) {
                    self.columns = Some(Arc::new(columns));
                }
                return Ok(None);
            }
        }
        let Some(columns) = &self.columns else { return Err(self.stranger(line)) };
        let mut cells = [&b""[..]; WANTED.len()];
        let mut picked = columns.pick(Cells::of(line, is_quoted), &mut cells);
        if picked == Picked::Odd {
            cells.fill(b"");
            picked = columns.pick(self.unquoted.cells(line).map(Cell::Is), &mut cells);
        }
        match picked {
            Picked::Whole => entry_of(cells).map(Some),
            Picked::Torn | Picked::Odd => Err(Problem::Torn),
        }
    }
}

impl Unquoted {
    /// The cells of a line without their quotes. A quoted cell that does not end within the line
    /// makes it no row.
    fn cells<'a>(&'a mut self, line: &[u8]) -> impl Iterator<Item = &'a [u8]> + Clone {
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
enum Cell<'a> {
    Is(&'a [u8]),
    /// A cell in quotes, with quotes in it.
    Doubled,
    /// A line that [`Unquoted`] has to look at as a whole.
    Odd,
}

/// The cells of a line whose quotes are where this program writes them: around a whole cell, and
/// twice for one within it.
struct Cells<'a> {
    line: &'a [u8],
    /// Begin of the next cell; `None` behind the last one.
    begin: Option<usize>,
    commas: Commas<'a>,
    is_odd: bool,
}

impl<'a> Cells<'a> {
    fn of(line: &'a [u8], is_quoted: bool) -> Self {
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

/// Result of picking cells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Picked {
    /// The line has as many cells as there are columns.
    Whole,
    /// The line has more cells or fewer.
    Torn,
    /// The quotes must be taken from the line first.
    Odd,
}

/// Names of a report's columns that are columns of the list: they follow our own, of this version
/// or of one that had fewer. A report that another program made is not understood so.
fn kept_of(names: Vec<String>) -> Vec<String> {
    let own = names.iter().zip(NAMES).take_while(|(name, own)| name == own).count();
    let kept = &names[own..];
    let is_ours = own >= NEEDED && !kept.iter().any(|name| NAMES.contains(&name.as_str()));
    if is_ours { kept.to_vec() } else { Vec::new() }
}

/// The names of an object's members, in their order.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(KeysOf)
    }
}

struct KeysOf;

impl<'de> Visitor<'de> for KeysOf {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry::<String, _>()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

/// Positions of the columns that matter.
#[derive(Debug, PartialEq)]
pub(super) struct Columns {
    /// Place of each column among [`WANTED`].
    slots: Vec<Option<usize>>,
    /// Names of the columns of the list, which follow.
    kept: Vec<String>,
    /// Whether the others are those of this version.
    is_current: bool,
}

impl Columns {
    /// Columns by the names of a header line; `None` when it is not one.
    fn of<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let kept = kept_of(names.clone().map(text).collect());
        let own = names.clone().count() - kept.len();
        let is_current = names.clone().take(own).eq(NAMES.iter().map(|name| name.as_bytes()));
        let slot = |name: &[u8]| WANTED.iter().position(|wanted| wanted.as_bytes() == name);
        let slots: Vec<Option<usize>> = names.map(slot).collect();
        let has = |wanted: usize| slots.iter().filter(|slot| **slot == Some(wanted)).count() == 1;
        (0..NEEDED).all(has).then_some(Self { slots, kept, is_current })
    }

    /// Picks the cells that matter.
    fn pick<'a>(
        &self,
        mut from: impl Iterator<Item = Cell<'a>>,
        into: &mut [&'a [u8]; WANTED.len()],
    ) -> Picked {
        for slot in &self.slots {
            match (from.next(), slot) {
                (None, _) => return Picked::Torn,
                (Some(Cell::Odd), _) | (Some(Cell::Doubled), Some(_)) => return Picked::Odd,
                (Some(Cell::Is(cell)), Some(slot)) => into[*slot] = cell,
                (Some(Cell::Is(_) | Cell::Doubled), None) => {}
            }
        }
        match from.next() {
            None => Picked::Whole,
            Some(Cell::Is(_) | Cell::Doubled | Cell::Odd) => Picked::Torn,
        }
    }
}

fn entry_of<'a>(cells: [&'a [u8]; WANTED.len()]) -> Result<Entry<'a>, Problem> {
    let text = |cell: &'a [u8]| std::str::from_utf8(cell).map_err(|_| Problem::Torn);
    let number = |cell: &'a [u8], column| match (digits(cell), cell) {
        (Some(number), _) => Ok(Some(number)),
        (None, b"") => Ok(None),
        (None, _) => text(cell)?.parse().map(Some).map_err(|_| Problem::Nonsense(column)),
    };
    let [url, index, status, response_code, error_code, filename, size_file, digest] = cells;
    let code = number(response_code, "response_code")?.unwrap_or(0);
    Ok(Entry {
        index: index_of(number(index, "index")?)?,
        url: url.into(),
        status: status_of(text(status)?)?,
        response_code: u16::try_from(code).map_err(|_| Problem::Nonsense("response_code"))?,
        error_code: text(error_code)?.into(),
        filename: text(filename)?.into(),
        size_file: number(size_file, "size_file")?,
        digest: text(digest)?.into(),
    })
}

/// A number of few digits, as nearly all are.
fn digits(cell: &[u8]) -> Option<u64> {
    let digit =
        |sum: u64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0'));
    let is_short = (1..=18).contains(&cell.len());
    if is_short { cell.iter().try_fold(0, digit) } else { None }
}

/// A row in JSON; members that it lacks besides the first three are empty.
#[derive(Deserialize)]
struct JsonRow<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    index: u64,
    #[serde(borrow)]
    status: Cow<'a, str>,
    response_code: Option<u16>,
    error_code: Option<Cow<'a, str>>,
    filename: Option<Cow<'a, str>>,
    size_file: Option<u64>,
    digest: Option<Cow<'a, str>>,
}

fn read_json(line: &[u8]) -> Result<Entry<'_>, Problem> {
    let row: JsonRow<'_> = serde_json::from_slice(line).map_err(|_| Problem::Torn)?;
    Ok(Entry {
        index: index_of(Some(row.index))?,
        url: match row.url {
            Cow::Borrowed(url) => url.as_bytes().into(),
            Cow::Owned(url) => url.into_bytes().into(),
        },
        status: status_of(&row.status)?,
        response_code: row.response_code.unwrap_or(0),
        error_code: row.error_code.unwrap_or_default(),
        filename: row.filename.unwrap_or_default(),
        size_file: row.size_file,
        digest: row.digest.unwrap_or_default(),
    })
}

fn index_of(index: Option<u64>) -> Result<u64, Problem> {
    index.filter(|index| *index > 0).ok_or(Problem::Nonsense("index"))
}

fn status_of(word: &str) -> Result<Status, Problem> {
    let all = [Status::Ok, Status::Skipped, Status::Failed, Status::Cancelled];
    let found = all.into_iter().find(|status| status.as_str() == word);
    found.ok_or(Problem::Nonsense("status"))
}

/// Bytes in one word.
const WORD_BYTES: usize = 8;
/// A byte order mark, which is no part of the first cell.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// The columns that matter, in the order of [`entry_of`].
const WANTED: [&str; 8] =
    ["url", "index", "status", "response_code", "error_code", "filename", "size_file", "digest"];
/// Number of the first columns of [`WANTED`] that every report has.
const NEEDED: usize = 3;
/// Begin of the first row of a report in JSON Lines.
const JSON_FIRST: &str = "{\"url\":";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(wanted: &[bool]) -> Columns {
        let mut places = 0..WANTED.len();
        let slot = |is_wanted: &bool| is_wanted.then(|| places.next()).flatten();
        Columns { slots: wanted.iter().map(slot).collect(), kept: Vec::new(), is_current: true }
    }

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

        /// What is seen without a copy is what the reader of CSV sees.
        #[test]
        fn cells_are_those_of_the_reader_of_csv(
            cells in prop::collection::vec("(\u{feff})?(\"(a|,|\"\"){0,3}\"|[a,\"\r]{0,3})", 1..6),
            wanted in prop::collection::vec(any::<bool>(), 1..7),
        ) {
            let line = cells.join(",");
            // Others are never given to that reader.
            if !line.contains('"') {
                return Ok(());
            }
            let columns = slots(&wanted);
            let (mut quick, mut slow) = ([&b""[..]; WANTED.len()], [&b""[..]; WANTED.len()]);
            let mut unquoted = Unquoted::default();
            let whole = columns.pick(unquoted.cells(line.as_bytes()).map(Cell::Is), &mut slow);
            let picked = columns.pick(Cells::of(line.as_bytes(), true), &mut quick);
            if picked != Picked::Odd {
                prop_assert_eq!(picked, whole, "{:?}", line);
                if whole == Picked::Whole {
                    prop_assert_eq!(quick, slow, "{:?}", line);
                }
            }
        }

        #[test]
        fn commas_are_where_they_are(bytes in prop::collection::vec(
            prop_oneof![Just(b','), Just(b'-'), Just(0xac_u8), Just(0_u8), any::<u8>()], 0..40,
        )) {
            let commas = bytes.iter().enumerate().filter(|(_, byte)| **byte == b',');
            let commas: Vec<usize> = commas.map(|(at, _)| at).collect();
            prop_assert_eq!(Commas::of(&bytes).collect::<Vec<_>>(), commas);
        }

        #[test]
        fn numbers_are_those_of_the_standard_library(text in "[+0-9 ]{0,21}") {
            if let Some(number) = digits(text.as_bytes()) {
                prop_assert_eq!(text.parse(), Ok(number));
            }
        }
    }
}
