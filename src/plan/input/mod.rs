//! The bytes of one input to its entries, whatever its format.
//!
//! A [`List`] is fed bytes as they come and gives one [`Entry`] for every line, row or object that
//! asks for something. How the bytes were split does not matter. Memory is bounded: a line that is
//! too long is an entry too, and its end is skipped.

mod columns;
mod json;
mod lines;
mod metalink;
pub mod parquet;
mod sniff;
mod table;
mod unpack;
mod xml;

pub use columns::{Columns, FormError, KeptColumn};
pub use unpack::{Packing, UnpackError, Unpacker};

use super::job::{Entry, LINE_PREFIX_BYTES, LeftOut, Lines, TextOptions, again};
use json::JsonLines;
use lines::Cutter;
use metalink::Metalink;
use sniff::{Sniffed, Sniffer};
use table::Table;

/// What the lines of an input are, below its compression.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// URLs, one a line, and aria2's option lines.
    #[default]
    Text,
    /// Comma-separated values (RFC 4180) with a header line.
    Csv,
    /// Tab-separated values with a header line.
    Tsv,
    /// One JSON object a line.
    JsonLines,
    /// Metalink 4 (RFC 5854), which has no lines: its `file` elements are counted.
    Metalink,
    /// Parquet, which is read from its end ([`parquet`]), and so is no [`List`].
    Parquet,
}

/// How inputs are read; the URLs of the command line are always text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `--input-format`: of all inputs. Without it the suffix of each file says it.
    pub format: Option<Format>,
    /// What the columns of tables and the members of JSON objects are called.
    pub columns: Columns,
    /// How lines of text are read.
    pub text: TextOptions,
    /// `--delimiter`: what separates the cells of CSV, where that is no comma.
    pub delimiter: Option<u8>,
}

/// The format of a file by its name; the suffix of its compression does not count. A name without a
/// suffix that says otherwise is text, unless the file begins as a metalink does.
pub fn format_of(name: &str) -> Format {
    let name = name.to_ascii_lowercase();
    let inner = PACKED_SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
    let name = inner.unwrap_or(&name);
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&[".csv"]) {
        Format::Csv
    } else if ends(&[".tsv", ".tab"]) {
        Format::Tsv
    } else if ends(&[".jsonl", ".ndjson", ".json"]) {
        Format::JsonLines
    } else if ends(&[".meta4", ".metalink"]) {
        Format::Metalink
    } else if ends(&[".parquet", ".parq", ".pq"]) {
        Format::Parquet
    } else {
        Format::Text
    }
}

/// The reader of one input.
#[derive(Clone, Debug)]
pub struct List {
    /// Finds out whether text is a metalink, until that is known.
    sniffer: Option<Sniffer>,
    cutter: Cutter,
    form: Form,
    /// Whether a line was read.
    is_begun: bool,
    /// Why this format cannot be read as it was asked for.
    refusal: Option<&'static str>,
    /// The token of the report whose lines it has, by its first line.
    report: Option<u64>,
}

/// The format of the lines.
#[derive(Clone, Debug)]
enum Form {
    Text(Box<Lines>),
    Table(Box<Table>),
    Json(Box<JsonLines>),
    Metalink(Box<Metalink>),
}

/// Result of reading on.
#[derive(Debug, Default, PartialEq)]
pub struct Step {
    /// Bytes read from the front of the input; without an entry that is all of them.
    pub used: usize,
    /// The next entry.
    pub entry: Option<Entry>,
}

impl List {
    /// A reader of an input that has `lines_before` lines in the inputs before it.
    pub fn new(format: Format, options: &Options, lines_before: u64) -> Self {
        let columns = || options.columns.clone();
        let table = |delimiter| {
            let table = Table::new(delimiter, columns(), lines_before);
            (Form::Table(Box::new(table)), table::RAW_BYTES_MAX)
        };
        let (form, limit) = match format {
            Format::Text | Format::Parquet => (
                Form::Text(Box::new(Lines::new(lines_before).ruled(&options.text))),
                LINE_PREFIX_BYTES,
            ),
            Format::Csv => table(options.delimiter.unwrap_or(b',')),
            Format::Tsv => table(options.delimiter.unwrap_or(b'\t')),
            Format::JsonLines => {
                let lines = JsonLines::new(columns(), lines_before);
                (Form::Json(Box::new(lines)), json::RAW_BYTES_MAX)
            }
            Format::Metalink => (Form::Metalink(Box::new(Metalink::new(lines_before))), 0),
        };
        let may_be_xml = format == Format::Text && options.format.is_none();
        let refusal = match format {
            Format::Parquet => Some(NO_STREAM),
            Format::Text | Format::JsonLines | Format::Metalink if options.delimiter.is_some() => {
                Some(NO_DELIMITER)
            }
            Format::Text | Format::Metalink if !options.columns.keep.is_empty() => Some(NO_COLUMNS),
            _ => None,
        };
        let sniffer = may_be_xml.then(Sniffer::default);
        let cutter = Cutter::new(limit);
        Self { sniffer, cutter, form, is_begun: false, refusal, report: None }
    }

    /// Reads on, up to the next entry. `input` begins where the last call stopped, and may be
    /// empty; there may be an entry all the same.
    ///
    /// # Errors
    /// When the input does not have its format, and there is no way on.
    pub fn read(&mut self, input: &[u8]) -> Result<Step, FormError> {
        let mut used = self.sniff(input)?;
        loop {
            let entry = match &mut self.form {
                Form::Metalink(metalink) => {
                    if let Some(refusal) = self.refusal {
                        return Err(FormError(refusal.to_owned()));
                    }
                    let (read, entry) = metalink.read(&input[used..])?;
                    return Ok(Step { used: used + read, entry });
                }
                Form::Table(table) if table.has_kept() => table.kept_line()?,
                _ if used == input.len() => return Ok(Step { used, entry: None }),
                form => {
                    let (length, line) = self.cutter.cut(&input[used..]);
                    used += length;
                    match line {
                        Some(line) => {
                            if !self.is_begun {
                                self.report = again::token_of(line);
                            }
                            // Lines of a report are text, whatever its list was.
                            let refusal = self.refusal.filter(|_| self.report.is_none());
                            check_first(&mut self.is_begun, line, refusal)?;
                            form.line(line)?
                        }
                        None => None,
                    }
                }
            };
            if entry.is_some() {
                return Ok(Step { used, entry });
            }
        }
    }

    /// Reads what it takes to know what text is: how many bytes that were.
    fn sniff(&mut self, input: &[u8]) -> Result<usize, FormError> {
        let Some(sniffer) = &mut self.sniffer else { return Ok(0) };
        let (used, known) = sniffer.read(input);
        if let Some(known) = known {
            self.begin_as(known)?;
        }
        Ok(used)
    }

    /// Begins to read the input as what it is.
    fn begin_as(&mut self, known: Sniffed) -> Result<(), FormError> {
        let Some(sniffer) = self.sniffer.take() else { return Ok(()) };
        let begun = sniffer.into_bytes();
        if known == Sniffed::Xml {
            self.form = Form::Metalink(Box::new(Metalink::new(self.lines_total())));
        }
        // No line of it is whole but blank ones, and no element.
        let step = self.read(&begun)?;
        debug_assert_eq!(step, Step { used: begun.len(), entry: None });
        Ok(())
    }

    /// Gives the entry that only waits for option lines, when nothing more comes for now; unless a
    /// line has begun that may be one.
    pub fn pause(&mut self) -> Option<Entry> {
        match &mut self.form {
            Form::Text(lines) if self.cutter.begun().is_empty() => lines.finish(),
            Form::Text(_) | Form::Table(_) | Form::Json(_) | Form::Metalink(_) => None,
        }
    }

    /// Gives what is left when the input has ended, one entry a call.
    ///
    /// # Errors
    /// As [`List::read`].
    pub fn finish(&mut self) -> Result<Option<Entry>, FormError> {
        self.begin_as(Sniffed::Text)?;
        if let Some(entry) = self.read(b"")?.entry {
            return Ok(Some(entry));
        }
        if let Some(line) = self.cutter.last() {
            check_first(&mut self.is_begun, line, self.refusal)?;
            if let Some(entry) = self.form.line(line)? {
                return Ok(Some(entry));
            }
        }
        match &mut self.form {
            Form::Text(lines) => Ok(lines.finish()),
            Form::Table(table) => match table.finish()? {
                Some(entry) => Ok(Some(entry)),
                None if table.has_kept() => self.finish(),
                None => Ok(None),
            },
            Form::Json(_) => Ok(None),
            Form::Metalink(metalink) => metalink.finish().map(|()| None),
        }
    }

    /// Gives what is left and certain when the input broke off, one entry a call. A line that has
    /// only begun is no entry, and neither is a URL when that line may hold its options.
    pub fn abandon(&mut self) -> Option<Entry> {
        self.begin_as(Sniffed::Text).ok()?;
        // An error of the form comes second to the one that ended the input.
        if let Ok(Step { entry: Some(entry), .. }) = self.read(b"") {
            return Some(entry);
        }
        let torn = self.cutter.last();
        match &mut self.form {
            Form::Text(lines) => {
                let may_have_options = torn.is_some_and(|torn| torn[0].is_ascii_whitespace());
                lines.finish().filter(|_| !may_have_options)
            }
            Form::Table(table) => {
                table.abandon();
                None
            }
            Form::Json(_) | Form::Metalink(_) => None,
        }
    }

    /// The token of the report whose lines the input has, as far as it was read ([`again`]).
    pub fn report_token(&self) -> Option<u64> {
        self.report
    }

    /// Options of aria2 that were met and change no file, each once.
    pub fn passed_over(&self) -> &[&'static str] {
        match &self.form {
            Form::Text(lines) => lines.passed_over(),
            Form::Table(_) | Form::Json(_) | Form::Metalink(_) => &[],
        }
    }

    /// What was met and is not used.
    pub fn left_out(&self) -> LeftOut {
        match &self.form {
            Form::Text(lines) => lines.left_out(),
            Form::Metalink(metalink) => metalink.left_out(),
            Form::Table(_) | Form::Json(_) => LeftOut::default(),
        }
    }

    /// Lines of all inputs so far: what the reader of the next input begins with.
    pub fn lines_total(&self) -> u64 {
        match &self.form {
            Form::Text(lines) => lines.lines_total(),
            Form::Table(table) => table.lines_total(),
            Form::Json(lines) => lines.lines_total(),
            Form::Metalink(metalink) => metalink.lines_total(),
        }
    }
}

impl Form {
    fn line(&mut self, line: &[u8]) -> Result<Option<Entry>, FormError> {
        match self {
            Self::Text(lines) => {
                let entry = lines.line(line);
                if lines.lacks_numbers() {
                    return Err(numberless());
                }
                Ok(entry)
            }
            Self::Table(table) => table.line(line),
            Self::Json(lines) => lines.line(line),
            // It has no lines.
            Self::Metalink(_) => Ok(None),
        }
    }
}

/// Looks at the first line of an input, once.
fn check_first(is_begun: &mut bool, line: &[u8], refusal: Option<&str>) -> Result<(), FormError> {
    if std::mem::replace(is_begun, true) {
        return Ok(());
    }
    if is_utf16(line) {
        return Err(utf16());
    }
    refusal.map_or(Ok(()), |refusal| Err(FormError(refusal.to_owned())))
}

/// Whether the first line of an input begins with the mark of UTF-16, of either byte order. As text
/// every line of it would be a bad one, a row each.
fn is_utf16(line: &[u8]) -> bool {
    matches!(line, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
}

fn utf16() -> FormError {
    FormError(
        "it is UTF-16; save it as UTF-8, for instance with iconv -f UTF-16 -t UTF-8".to_owned(),
    )
}

fn numberless() -> FormError {
    FormError(
        "it has lines of the report, and one has no number: give it as --verify --save-session \
         wrote it, or with another --report"
            .to_owned(),
    )
}

const NO_DELIMITER: &str = "it is not a table, and --delimiter is for tables; add --input-format \
     csv if it is one, or leave --delimiter out";
const NO_COLUMNS: &str = "it is a list of plain URLs or a metalink, and --keep-cols is for CSV, \
     TSV and JSON Lines; say with --input-format if it is one of these";
const NO_STREAM: &str = "it is not a Parquet file, or comes packed or through a pipe, and Parquet \
     is read from its end; save it to a file as it is and give that, or say with --input-format \
     what it is";
/// Suffixes of compressed files. The compression itself is known by the first bytes of a file.
const PACKED_SUFFIXES: [&str; 4] = [".gz", ".gzip", ".zst", ".zstd"];

#[cfg(test)]
mod tests;
