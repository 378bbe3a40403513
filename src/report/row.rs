//! One row per input line: what was asked, what happened, and when; and rows as bytes.
//!
//! Both encodings have the columns of [`COLUMNS`]. What does not apply is empty in CSV and null in
//! JSON Lines, a status code that never came included: no reader must know that 0 or `000` is no
//! code. Times are seconds with six decimals. Text from the network holds no raw character that is
//! not seen or reorders text ([`crate::fault::is_hidden`]) in either: JSON escapes it as JSON does;
//! CSV, which has no such way, shows it as in a Rust literal (`\u{1b}`, `\u{202e}`). What the list
//! said comes back byte for byte, so that rows and list can be joined: of its characters CSV shows
//! only the controls of ASCII so, TABs aside, and JSON, which is UTF-8, replaces bytes that are not
//! by U+FFFD.

mod columns;
#[cfg(test)]
pub(crate) mod tests;

pub(in crate::report) use self::columns::Cell;
pub use self::columns::{COLUMNS, Column, NAMES};

use super::resume::Resume;
use crate::fault::{Fault, escape_hidden, is_hidden};
use serde::Serializer as _;
use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// How a job ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Status {
    /// The whole body is in its file.
    Ok,
    /// Nothing was asked for: the file was there (`--no-clobber`), or the fault says why.
    Skipped,
    /// The job failed; the fault says why.
    Failed,
    /// The run was interrupted before it was done.
    Cancelled,
}

impl Status {
    /// The word of the column `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Times of the last attempt, as curl's `--write-out` names and defines them: each counts from the
/// start of that attempt, except `queue`, which is what the job waited before its first attempt,
/// and `total`, which is the whole job, all attempts and waits between them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Waiting for a slot before the first attempt.
    pub queue: Duration,
    /// How much later than it was due the first attempt began, with `--open-loop`. No column has
    /// it.
    pub late: Option<Duration>,
    /// Until the name was resolved.
    pub namelookup: Duration,
    /// Until the TCP connection was open.
    pub connect: Duration,
    /// Until the TLS handshake was done; zero without TLS.
    pub appconnect: Duration,
    /// Until the first byte of the response.
    pub starttransfer: Duration,
    /// Until the job was done.
    pub total: Duration,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Input line number over all inputs, from 1.
    pub index: u64,
    /// The URL as the list gave it, byte for byte but for its user information, or the whole line
    /// when it is no URL.
    pub url: Vec<u8>,
    /// Status code of the last response; 0 when there was none.
    pub response_code: u16,
    /// How the job ended.
    pub status: Status,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// Path of the file, the directory included, when there is one.
    pub filename: Option<String>,
    /// Body bytes that came in this run for the file: of all parts and attempts whose bytes are in
    /// it, or of the last response where there is no file.
    pub size_download: u64,
    /// `Content-Type`.
    pub content_type: Option<Box<str>>,
    /// `Content-Encoding` of the stored bytes.
    pub content_encoding: Option<Box<str>>,
    /// `ETag`.
    pub etag: Option<Box<str>>,
    /// Attempts after the first.
    pub num_retries: u32,
    /// Redirects followed.
    pub num_redirects: u32,
    /// Connections opened.
    pub num_connects: u32,
    /// The URL that was asked last, in its normal form, where that is not `url`.
    pub url_effective: Option<String>,
    /// The peer that answered last.
    pub remote_ip: Option<IpAddr>,
    /// The origin that was asked last (`scheme://host[:port]`), for the per-host table; empty for
    /// input faults.
    pub host: String,
    /// Minor version of HTTP/1 of the last response.
    pub http_minor_version: Option<u8>,
    /// Whether the TLS session of the last connection was resumed; `None` without TLS.
    pub tls_resumed: Option<bool>,
    /// Times of the last attempt and of the job.
    pub times: Times,
    /// When the first attempt began (or the row was made, where there was none).
    pub attempted_at: SystemTime,
    /// Length of the file in bytes, of a row that says ok. Not that of the body, where a coding was
    /// undone.
    pub size_file: Option<u64>,
    /// Digest of the file as `checksum=` has it (`sha-256=HEX`), where one was computed.
    pub digest: Option<Box<str>>,
    /// Bytes of the file that were there before the run.
    pub size_resumed: u64,
    /// Byte ranges that the file came in, each by a request of its own; 1 for a plain
    /// transfer, 0 where there was no response.
    pub num_parts: u32,
    /// What became of what was there unfinished before the run, where something was.
    pub resume: Option<Resume>,
    /// Number of the first line with the same URL or the same body, where that was found out.
    pub duplicate_of: Option<u64>,
    /// Word for how the body was written, where `--write-mode` decides it. No column has it.
    pub write_mode: Option<&'static str>,
    /// Word for how the file got its name, where it is a file. No column has it.
    pub naming: Option<&'static str>,
    /// Whether the file took the place of one that was there before the run. No column has it.
    pub has_replaced: bool,
    /// What the list says in the columns that the report keeps; empty where that is not known.
    pub kept: Vec<Kept>,
}

/// The value of a column of the list that the report keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// The list says nothing there.
    Nothing,
    /// Text, UTF-8 or not.
    Text(Box<[u8]>),
    /// A value of JSON that is no text, as the list wrote it.
    Json(Box<[u8]>),
}

impl Row {
    /// A failed row with the URL and the time only.
    pub fn new(index: u64, url: Vec<u8>, attempted_at: SystemTime) -> Self {
        Self {
            index,
            url,
            response_code: 0,
            status: Status::Failed,
            fault: None,
            filename: None,
            size_download: 0,
            content_type: None,
            content_encoding: None,
            etag: None,
            num_retries: 0,
            num_redirects: 0,
            num_connects: 0,
            url_effective: None,
            remote_ip: None,
            host: String::new(),
            http_minor_version: None,
            tls_resumed: None,
            times: Times::default(),
            attempted_at,
            size_file: None,
            digest: None,
            size_resumed: 0,
            num_parts: 0,
            resume: None,
            duplicate_of: None,
            write_mode: None,
            naming: None,
            has_replaced: false,
            kept: Vec::new(),
        }
    }

    /// The cell of one of the columns that the report keeps.
    pub(super) fn kept_cell(&self, at: usize) -> Cell<'_> {
        match self.kept.get(at) {
            None | Some(Kept::Nothing) => Cell::Nothing,
            Some(Kept::Text(text)) => Cell::Raw(text),
            Some(Kept::Json(json)) => Cell::Json(json),
        }
    }
}

/// How rows are encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RowFormat {
    /// A header line, then one line a row: commas, and quotes by RFC 4180 where needed. Lines end
    /// in LF, not in the CRLF of that RFC, which line tools would take for a part of the last
    /// column.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// Turns rows into bytes; keeps its buffers from row to row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEncoder {
    format: RowFormat,
    /// Names of the columns that are kept of the list.
    kept: Vec<String>,
    /// Text of the cell at hand, where it has to be formatted first.
    shown: String,
}

impl RowEncoder {
    /// An encoder for one report.
    pub fn new(format: RowFormat) -> Self {
        Self { format, kept: Vec::new(), shown: String::new() }
    }

    /// This encoder with columns of the list behind the others.
    pub fn keeping(self, kept: Vec<String>) -> Self {
        Self { kept, ..self }
    }

    /// Appends what comes before the first row: the header line of CSV.
    pub fn header(&self, out: &mut Vec<u8>) {
        match self.format {
            RowFormat::Csv => {
                let mut line = CsvLine::new(out);
                NAMES.iter().for_each(|name| line.cell(name.as_bytes()));
                self.kept.iter().for_each(|name| line.cell(&escape_line_ends(name.as_bytes())));
                line.end();
            }
            RowFormat::JsonLines => {}
        }
    }

    /// Appends one row, its line end included.
    pub fn encode(&mut self, row: &Row, out: &mut Vec<u8>) {
        match self.format {
            RowFormat::Csv => self.encode_csv(row, out),
            RowFormat::JsonLines => self.encode_json(row, out),
        }
    }

    fn encode_csv(&mut self, row: &Row, out: &mut Vec<u8>) {
        let mut line = CsvLine::new(out);
        let mut push = |cell: Cell<'_>| match cell {
            Cell::Nothing => line.cell(b""),
            Cell::Raw(bytes) | Cell::Json(bytes) => line.cell(&escape_line_ends(bytes)),
            Cell::Path(path) => line.cell(escape_controls(path).as_bytes()),
            Cell::Text(text) => line.cell(escape_hidden(text).as_bytes()),
            Cell::Shown(value) => {
                line.cell(escape_hidden(show(&mut self.shown, value)).as_bytes());
            }
            Cell::At(at) => line.cell(show(&mut self.shown, &instant(at)).as_bytes()),
            Cell::Truth(truth) => line.cell(if truth { b"true" } else { b"false" }),
            Cell::Number(number) => line.plain(|out| push_number(out, number)),
            Cell::Seconds(time) => line.plain(|out| push_seconds(out, time)),
        };
        COLUMNS.iter().for_each(|column| push(column.value(row)));
        (0..self.kept.len()).for_each(|at| push(row.kept_cell(at)));
        line.end();
    }

    fn encode_json(&mut self, row: &Row, out: &mut Vec<u8>) {
        let mut before = b'{';
        for column in &COLUMNS {
            out.push(std::mem::replace(&mut before, b','));
            out.push(b'"');
            out.extend_from_slice(column.name.as_bytes());
            out.extend_from_slice(b"\":");
            self.push_json(column.value(row), out);
        }
        for at in 0..self.kept.len() {
            out.push(b',');
            push_json_text(out, &self.kept[at], char::is_control);
            out.push(b':');
            self.push_json(row.kept_cell(at), out);
        }
        out.extend_from_slice(b"}\n");
    }

    fn push_json(&mut self, cell: Cell<'_>, out: &mut Vec<u8>) {
        match cell {
            Cell::Nothing => out.extend_from_slice(b"null"),
            Cell::Raw(bytes) => {
                push_json_text(out, &String::from_utf8_lossy(bytes), char::is_control)
            }
            Cell::Json(json) => out.extend_from_slice(json),
            Cell::Path(text) | Cell::Text(text) => push_json_text(out, text, is_hidden),
            Cell::Shown(value) => push_json_text(out, show(&mut self.shown, value), is_hidden),
            Cell::At(at) => push_json_text(out, show(&mut self.shown, &instant(at)), is_hidden),
            Cell::Truth(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
            Cell::Number(number) => push_number(out, number),
            Cell::Seconds(time) => push_seconds(out, time),
        }
    }
}

/// The text with its control characters made visible (`\n`, `\u{1b}`), for a terminal or a CSV
/// file.
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    // Of the bytes of a control character the first is below space, DEL, or C2 (U+0080 to U+009F).
    let is_suspect = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    if !text.bytes().any(is_suspect) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if char.is_control() {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

/// The bytes with the control characters of ASCII made visible, but for TABs: what would end a row
/// within itself, or speak to a terminal. No URL has one.
pub(super) fn escape_line_ends(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_plain = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    if bytes.iter().all(is_plain) {
        return Cow::Borrowed(bytes);
    }
    let mut escaped = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if is_plain(byte) {
            escaped.push(*byte);
        } else {
            escaped.extend(char::from(*byte).escape_default().map(|char| char as u8));
        }
    }
    Cow::Owned(escaped)
}

/// One line of CSV at the end of a buffer.
struct CsvLine<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> CsvLine<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, is_empty: true }
    }

    /// A cell, in quotes where it needs them (RFC 4180 section 2).
    fn cell(&mut self, text: &[u8]) {
        self.delimit();
        let needs_quotes = |byte: u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
        if !text.iter().fold(false, |needs, byte| needs | needs_quotes(*byte)) {
            return self.out.extend_from_slice(text);
        }
        self.out.push(b'"');
        for part in text.split_inclusive(|byte| *byte == b'"') {
            self.out.extend_from_slice(part);
            if part.ends_with(b"\"") {
                self.out.push(b'"');
            }
        }
        self.out.push(b'"');
    }

    /// A cell that needs no quotes.
    fn plain(&mut self, push: impl FnOnce(&mut Vec<u8>)) {
        self.delimit();
        push(self.out);
    }

    fn end(self) {
        self.out.push(b'\n');
    }

    fn delimit(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
    }
}

/// JSON that escapes these characters as well, for which its grammar does not ask. To whoever
/// parses it that is the same text.
struct Escaping(fn(char) -> bool);

impl serde_json::ser::Formatter for Escaping {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some((at, char)) = rest.char_indices().find(|(_, char)| self.0(*char)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + char.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

pub(super) fn push_json_text(out: &mut Vec<u8>, text: &str, is_escaped: fn(char) -> bool) {
    serde_json::Serializer::with_formatter(out, Escaping(is_escaped))
        .serialize_str(text)
        .expect("a Vec takes any bytes");
}

/// Formats into a buffer that is used again.
fn show<'a>(buffer: &'a mut String, value: &dyn Display) -> &'a str {
    buffer.clear();
    write!(buffer, "{value}").expect("a String takes any text");
    buffer
}

pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = digit(rest);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Seconds with six decimals, the rest cut off.
pub(super) fn push_seconds(out: &mut Vec<u8>, time: Duration) {
    push_number(out, time.as_secs());
    let mut decimals = [b'.', 0, 0, 0, 0, 0, 0];
    let mut rest = u64::from(time.subsec_micros());
    for decimal in decimals[1..].iter_mut().rev() {
        *decimal = digit(rest);
        rest /= 10;
    }
    out.extend_from_slice(&decimals);
}

/// The last digit.
fn digit(number: u64) -> u8 {
    b"0123456789"[(number % 10) as usize]
}

/// A point in time as RFC 3339 has it, with milliseconds.
pub(super) fn instant(at: SystemTime) -> humantime::Rfc3339Timestamp {
    let last = SystemTime::UNIX_EPOCH + YEAR_9999;
    humantime::format_rfc3339_millis(at.clamp(SystemTime::UNIX_EPOCH, last))
}

/// From 1970 to the last second that RFC 3339 can write.
const YEAR_9999: Duration = Duration::from_secs(253_402_300_799);
