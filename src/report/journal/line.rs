//! One line of a report: a header line, or the cells of a row that matter to a later run.

mod cells;
mod columns;
mod version;

pub(super) use columns::{Columns, Detail};
pub use version::Version;

use self::cells::{Cell, Cells, Unquoted};
use self::columns::{Picked, WANTED, kept_of};
use crate::fault::DISK_LOST;
use crate::report::row::{NAMES, RowFormat, Status};
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
    /// Number of the line that the same body was stored for, or that has the same URL.
    pub duplicate_of: Option<u64>,
    /// Version of the file of a row that says ok, where that is wanted and known.
    pub version: Option<Version<'a>>,
}

impl<'a> Entry<'a> {
    /// This entry with the version of its file, if it has a file.
    fn with_version(self, version: impl FnOnce() -> Option<Version<'a>>) -> Self {
        let has_file = self.status == Status::Ok && self.size_file.is_some();
        let version = if has_file && !self.filename.is_empty() { version() } else { None };
        Self { version, ..self }
    }

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
    detail: Detail,
    /// Columns of CSV, once its header line was read.
    columns: Option<Arc<Columns>>,
    has_rows: bool,
    /// Names of the columns of the list that rows of JSON Lines have, once one was read.
    kept: Option<Vec<String>>,
    unquoted: Unquoted,
}

impl Lines {
    /// A reader of lines that should have this format.
    pub fn new(format: RowFormat) -> Self {
        let unquoted = Unquoted::default();
        let detail = Detail::Fate;
        Self { format, detail, columns: None, has_rows: false, kept: None, unquoted }
    }

    /// Reads so much of each row from now on.
    pub(super) fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// A reader of lines that come later and have the same columns.
    pub(super) fn part(&self) -> Self {
        let columns = self.columns.clone();
        Self { columns, detail: self.detail, has_rows: self.has_rows, ..Self::new(self.format) }
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
            RowFormat::JsonLines => match read_json(line, self.detail) {
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
            RowFormat::JsonLines if Columns::of(header, self.detail).is_some() => Problem::IsCsv,
            RowFormat::Csv | RowFormat::JsonLines => Problem::Stranger,
        }
    }

    fn read_csv<'a>(&'a mut self, line: &'a [u8]) -> Result<Option<Entry<'a>>, Problem> {
        let is_quoted = memchr(b'"', line).is_some();
        if line.starts_with(b"url,") {
            let columns = match is_quoted {
                false => Columns::of(line.split(|byte| *byte == b','), self.detail),
                true => Columns::of(self.unquoted.cells(line), self.detail),
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

fn entry_of<'a>(cells: [&'a [u8]; WANTED.len()]) -> Result<Entry<'a>, Problem> {
    let text = |cell: &'a [u8]| std::str::from_utf8(cell).map_err(|_| Problem::Torn);
    let number = |cell: &'a [u8], column| match (digits(cell), cell) {
        (Some(number), _) => Ok(Some(number)),
        (None, b"") => Ok(None),
        (None, _) => text(cell)?.parse().map(Some).map_err(|_| Problem::Nonsense(column)),
    };
    let [url, index, status, response_code, rest @ ..] = cells;
    let [error_code, filename, size_file, digest, duplicate_of, version @ ..] = rest;
    let code = number(response_code, "response_code")?.unwrap_or(0);
    let entry = Entry {
        index: index_of(number(index, "index")?)?,
        url: url.into(),
        status: status_of(text(status)?)?,
        response_code: u16::try_from(code).map_err(|_| Problem::Nonsense("response_code"))?,
        error_code: text(error_code)?.into(),
        filename: text(filename)?.into(),
        size_file: number(size_file, "size_file")?,
        digest: text(digest)?.into(),
        duplicate_of: digits(duplicate_of),
        version: None,
    };
    Ok(entry.with_version(|| Version::of_cells(version)))
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
    duplicate_of: Option<u64>,
}

fn read_json(line: &[u8], detail: Detail) -> Result<Entry<'_>, Problem> {
    let row: JsonRow<'_> = serde_json::from_slice(line).map_err(|_| Problem::Torn)?;
    let entry = Entry {
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
        duplicate_of: row.duplicate_of,
        version: None,
    };
    Ok(match detail {
        Detail::Fate => entry,
        Detail::Version => entry.with_version(|| Version::of_json(line)),
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

/// Begin of the first row of a report in JSON Lines.
const JSON_FIRST: &str = "{\"url\":";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: 1_000,
            ..ProptestConfig::default()
        })]

        #[test]
        fn numbers_are_those_of_the_standard_library(text in "[+0-9 ]{0,21}") {
            if let Some(number) = digits(text.as_bytes()) {
                prop_assert_eq!(text.parse(), Ok(number));
            }
        }
    }
}
