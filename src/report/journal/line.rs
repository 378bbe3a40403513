//! One line of a report: a header line, or the cells of a row that matter to a later run.

use crate::fault::DISK_LOST;
use crate::report::row::{COLUMNS, RowFormat, Status};
use csv_core::ReadRecordResult;
use memchr::memchr;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// A row as it is read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<'a> {
    /// Input line number over all inputs, from 1.
    pub index: u64,
    /// The URL, or the line that is none, as the row shows it.
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
    /// Whether it says that the file of its line is to be pulled again, because it may be lost.
    pub fn is_lost(&self) -> bool {
        self.status == Status::Failed && self.error_code == DISK_LOST
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Problem {
    /// The file does not begin as a report does.
    Stranger,
    /// It is a report, in CSV.
    IsCsv,
    /// It is a report, in JSON Lines.
    IsJsonLines,
    /// It is no row: cells are missing, or it is no JSON.
    Torn,
    /// It has the form of a row and says what no row says.
    Nonsense(&'static str),
    /// No row is as long.
    TooLong,
    /// It is not packed with what its name says, which this is.
    NotPacked(&'static str),
    /// Packed data is damaged in front of its end.
    Damaged(&'static str),
    /// A part of packed data holds more than any run writes.
    PartTooLong(&'static str),
    /// Packed data is whole, and what is in it is not.
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
            Self::Stranger => f.write_str("this is no report of ringpull"),
            Self::IsCsv => f.write_str("this is a report in CSV, not in JSON Lines"),
            Self::IsJsonLines => f.write_str("this is a report in JSON Lines, not in CSV"),
            Self::Torn => f.write_str("this is no whole row, although whole ones follow it"),
            Self::Nonsense(column) => write!(f, "no row has such a value in its column {column}"),
            Self::TooLong => f.write_str("no row is as long"),
            Self::NotPacked(name) => write!(f, "this is no {name} data, as its name says"),
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
                "this is no whole row, although its {name} data is whole: unpack it, and continue \
                 that"
            ),
        }
    }
}

/// Reads lines of one report.
#[derive(Debug)]
pub struct Lines {
    format: RowFormat,
    /// Of CSV, once its header line was read.
    columns: Option<Columns>,
    has_rows: bool,
    /// Names of the columns of the list that rows of JSON Lines have, once one was read.
    kept: Option<Vec<String>>,
    /// Cells of a line with quotes, and where each ends.
    cells: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    /// A reader of lines that should have this format.
    pub fn new(format: RowFormat) -> Self {
        let (cells, ends) = Default::default();
        Self { format, columns: None, has_rows: false, kept: None, cells, ends }
    }

    /// Reads a line without its end. `None` is a header line.
    ///
    /// # Errors
    /// It is neither that nor a row.
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
            RowFormat::Csv => COLUMNS.join(","),
            RowFormat::JsonLines => JSON_FIRST.to_owned(),
        };
        let length = bytes.len().min(first.len());
        // Columns of the list follow.
        bytes[..length] == first.as_bytes()[..length]
            && (self.format == RowFormat::JsonLines || bytes.get(length).is_none_or(|b| *b == b','))
    }

    /// What a file is that begins so, where it is no report of this format.
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
        if is_quoted {
            self.unquote(line);
        }
        if line.starts_with(b"url,") {
            let columns = match is_quoted {
                false => Columns::of(line.split(|byte| *byte == b',')),
                true => Columns::of(cells_of(&self.cells, &self.ends)),
            };
            if columns.is_some() {
                self.columns = columns;
                return Ok(None);
            }
        }
        let Some(columns) = &self.columns else { return Err(self.stranger(line)) };
        let mut cells = [&b""[..]; WANTED.len()];
        let is_whole = if is_quoted {
            columns.pick(cells_of(&self.cells, &self.ends), &mut cells)
        } else {
            columns.pick(line.split(|byte| *byte == b','), &mut cells)
        };
        if !is_whole {
            return Err(Problem::Torn);
        }
        entry_of(cells).map(Some)
    }

    /// Takes the quotes from the cells of a line. What ends within the line is no row.
    fn unquote(&mut self, line: &[u8]) {
        let mut reader = csv_core::Reader::new();
        self.cells.resize(line.len(), 0);
        self.ends.resize(line.len() + 1, 0);
        let (result, _, written, ended) = reader.read_record(line, &mut self.cells, &mut self.ends);
        let (cells, ends) = (&mut self.cells[written..], &mut self.ends[ended..]);
        let (more, last) = match result {
            ReadRecordResult::InputEmpty => {
                // The end of the input ends the last cell.
                let (_, _, more, last) = reader.read_record(&[], cells, ends);
                (more, ended + last)
            }
            ReadRecordResult::OutputFull
            | ReadRecordResult::OutputEndsFull
            | ReadRecordResult::Record
            | ReadRecordResult::End => (0, 0),
        };
        self.cells.truncate(written + more);
        self.ends.truncate(last);
    }
}

/// Cells that end there, one behind the other.
fn cells_of<'a>(cells: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> + Clone {
    let starts = std::iter::once(&0).chain(ends);
    starts.zip(ends).map(|(start, end)| &cells[*start..*end])
}

/// Those of the names of a report that are columns of the list: they follow our own, of this
/// version or of one that had fewer. A report that another program made is not understood so.
fn kept_of(names: Vec<String>) -> Vec<String> {
    let own = names.iter().zip(COLUMNS).take_while(|(name, own)| name == own).count();
    let kept = &names[own..];
    let is_ours = own >= NEEDED && !kept.iter().any(|name| COLUMNS.contains(&name.as_str()));
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

/// Where the columns are that matter.
#[derive(Debug)]
struct Columns {
    /// For each column its place among [`WANTED`].
    slots: Vec<Option<usize>>,
    /// Those behind them that are columns of the list.
    kept: Vec<String>,
    /// The others are those of this version.
    is_current: bool,
}

impl Columns {
    /// Those of a header line; `None` when this is none.
    fn of<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Self> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let kept = kept_of(names.clone().map(text).collect());
        let own = names.clone().count() - kept.len();
        let is_current = names.clone().take(own).eq(COLUMNS.iter().map(|name| name.as_bytes()));
        let slot = |name: &[u8]| WANTED.iter().position(|wanted| wanted.as_bytes() == name);
        let slots: Vec<Option<usize>> = names.map(slot).collect();
        let has = |wanted: usize| slots.iter().filter(|slot| **slot == Some(wanted)).count() == 1;
        (0..NEEDED).all(has).then_some(Self { slots, kept, is_current })
    }

    /// Picks the cells that matter; `false` when there are more or fewer than columns.
    fn pick<'a>(
        &self,
        mut from: impl Iterator<Item = &'a [u8]>,
        into: &mut [&'a [u8]; WANTED.len()],
    ) -> bool {
        for slot in &self.slots {
            let Some(cell) = from.next() else { return false };
            if let Some(slot) = slot {
                into[*slot] = cell;
            }
        }
        from.next().is_none()
    }
}

fn entry_of<'a>(cells: [&'a [u8]; WANTED.len()]) -> Result<Entry<'a>, Problem> {
    let text = |cell: &'a [u8]| std::str::from_utf8(cell).map_err(|_| Problem::Torn);
    let number = |cell: &'a [u8], column| match text(cell)? {
        "" => Ok(None),
        digits => digits.parse::<u64>().map(Some).map_err(|_| Problem::Nonsense(column)),
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

/// A row in JSON; what it lacks besides the first three is empty.
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

/// The columns that matter, in the order of [`entry_of`].
const WANTED: [&str; 8] =
    ["url", "index", "status", "response_code", "error_code", "filename", "size_file", "digest"];
/// So many of them are in every report.
const NEEDED: usize = 3;
/// What the first row of a report in JSON Lines begins with.
const JSON_FIRST: &str = "{\"url\":";
