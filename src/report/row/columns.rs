//! The columns of the report, one row each: name, what it holds, and its value in a row.

use super::Row;
use crate::fault::Fault;
use crate::report::resume::Resume;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

/// One column of the report.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the header of CSV and of the member in JSON: curl's `--write-out` name wherever curl
    /// has one.
    pub name: &'static str,
    /// What the column holds, for the documentation (Markdown).
    pub about: &'static str,
    value: fn(&Row) -> Cell<'_>,
}

impl Column {
    /// The value that a row has in this column.
    pub(in crate::report) fn value<'a>(&self, row: &'a Row) -> Cell<'a> {
        (self.value)(row)
    }
}

/// One value, before it is known how it will be written.
#[derive(Clone, Copy)]
pub(in crate::report) enum Cell<'a> {
    /// The column does not apply.
    Nothing,
    /// Text of a list, UTF-8 or not.
    Raw(&'a [u8]),
    /// A value of a list that is JSON.
    Json(&'a [u8]),
    /// Where a file is: with it the file can be opened, so only controls are made visible.
    Path(&'a str),
    /// Text, some of it of servers.
    Text(&'a str),
    /// Text that does not exist yet.
    Shown(&'a dyn Display),
    /// A point in time.
    At(SystemTime),
    /// True or false.
    Truth(bool),
    /// A number.
    Number(u64),
    /// A time in seconds.
    Seconds(Duration),
}

impl<'a> Cell<'a> {
    fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Nothing, Self::Text)
    }
}

/// The columns, in order.
pub const COLUMNS: [Column; 32] = [
    column(
        "url",
        "as the list gave it, byte for byte, without user and password; the whole line when it is \
         not a URL",
        |row| Cell::Raw(&row.url),
    ),
    column("response_code", "status of the last response", |row| match row.response_code {
        0 => Cell::Nothing,
        code => Cell::Number(code.into()),
    }),
    column("index", "line number over all inputs, from 1", |row| Cell::Number(row.index)),
    column("status", "`ok`, `skipped`, `failed` or `cancelled`", |row| {
        Cell::Text(row.status.as_str())
    }),
    column(
        "error_code",
        "why it failed: a stable code such as `connect.timeout`, `http.status`, `body.truncated`",
        |row| Cell::text(row.fault.as_ref().map(Fault::code)),
    ),
    column("error_message", "the same for people; it may change", |row| match &row.fault {
        None => Cell::Nothing,
        Some(fault) => Cell::Shown(fault),
    }),
    column("exitcode", "the number curl would have ended with", |row| {
        Cell::Number(row.fault.as_ref().map_or(0, |fault| fault.facts().curl.into()))
    }),
    column(
        "filename",
        "path of the file, directory included; `-` for standard output, empty with `--discard`",
        |row| row.filename.as_deref().map_or(Cell::Nothing, Cell::Path),
    ),
    column("size_download", "body bytes of the file that came in this run", |row| {
        Cell::Number(row.size_download)
    }),
    column("content_type", "`Content-Type`", |row| Cell::text(row.content_type.as_deref())),
    column("content_encoding", "`Content-Encoding` of the stored bytes", |row| {
        Cell::text(row.content_encoding.as_deref())
    }),
    column("etag", "`ETag`", |row| Cell::text(row.etag.as_deref())),
    column(
        "num_retries",
        "attempts after the first, those included that cost none of `--retry`",
        |row| Cell::Number(row.num_retries.into()),
    ),
    column("num_redirects", "redirects followed", |row| Cell::Number(row.num_redirects.into())),
    column("url_effective", "the URL as it was asked for last, where that is not `url`", |row| {
        Cell::text(row.url_effective.as_deref())
    }),
    column("remote_ip", "the address that answered last", |row| match &row.remote_ip {
        None => Cell::Nothing,
        Some(ip) => Cell::Shown(ip),
    }),
    column("http_version", "version of the last response", |row| match row.http_minor_version {
        None => Cell::Nothing,
        Some(0) => Cell::Text("1.0"),
        Some(_) => Cell::Text("1.1"),
    }),
    column(
        "num_connects",
        "connections opened for it; addresses of a host that race are one",
        |row| Cell::Number(row.num_connects.into()),
    ),
    column("tls_resumed", "whether the last TLS session was a resumed one", |row| {
        row.tls_resumed.map_or(Cell::Nothing, Cell::Truth)
    }),
    column("time_queue", "waiting before the first attempt", |row| Cell::Seconds(row.times.queue)),
    column("time_namelookup", "until the name was resolved", |row| {
        Cell::Seconds(row.times.namelookup)
    }),
    column("time_connect", "until the connection was open", |row| Cell::Seconds(row.times.connect)),
    column("time_appconnect", "until the TLS handshake was done", |row| {
        Cell::Seconds(row.times.appconnect)
    }),
    column("time_starttransfer", "until the first byte of the response", |row| {
        Cell::Seconds(row.times.starttransfer)
    }),
    column("time_total", "all of it, attempts and waits between them included", |row| {
        Cell::Seconds(row.times.total)
    }),
    column("attempted_at", "when the first attempt began", |row| Cell::At(row.attempted_at)),
    column(
        "size_file",
        "bytes of the file; not those of the body where a coding was undone",
        |row| row.size_file.map_or(Cell::Nothing, Cell::Number),
    ),
    column(
        "digest",
        "digest of the file as `checksum=` has it (`sha-256=HEX`), where one was computed",
        |row| Cell::text(row.digest.as_deref()),
    ),
    column("size_resumed", "bytes of the file that were there before this run", |row| {
        Cell::Number(row.size_resumed)
    }),
    column(
        "num_parts",
        "byte ranges that the file came in, each by a request of its own; 1 for a plain transfer",
        |row| Cell::Number(row.num_parts.into()),
    ),
    column(
        "resume",
        "what became of what was there unfinished before this run: `continued`, or why the file \
         was fetched whole: `changed`, `no_validator`, `unvouched`, `no_ranges`, `damaged`, \
         `foreign`, `not_synced`, `wrong_digest`",
        |row| Cell::text(row.resume.map(Resume::as_str)),
    ),
    column(
        "duplicate_of",
        "number of the first line with this URL, or with this body, whose file this one is \
         (`--dedupe`)",
        |row| row.duplicate_of.map_or(Cell::Nothing, Cell::Number),
    ),
];

const fn column(name: &'static str, about: &'static str, value: fn(&Row) -> Cell<'_>) -> Column {
    Column { name, about, value }
}

/// Names of the columns, in order.
pub const NAMES: [&str; COLUMNS.len()] = {
    let mut names = [""; COLUMNS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = COLUMNS[at].name;
        at += 1;
    }
    names
};
