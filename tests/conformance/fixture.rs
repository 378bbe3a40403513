//! Reads the Markdown fixtures and writes outcomes in their language; see `tests/http/README.md`.

use crate::driver::{End, Outcome};
use ringpull::http::{CloseReason, Eof, Framing, Head, Location, RetryAfter, Reuse};
use std::fmt::Write as _;
use std::path::Path;

/// One case.
pub(crate) struct Fixture {
    /// File and heading.
    pub(crate) name: String,
    /// What the server sends.
    pub(crate) bytes: Vec<u8>,
    /// The events expected, one a line.
    pub(crate) log: String,
}

/// All cases of a directory, in the order of the files' names.
pub(crate) fn load(dir: &Path) -> Vec<Fixture> {
    let entries = std::fs::read_dir(dir).expect("the fixtures are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| name != "README.md"));
    paths.sort();
    paths.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<Fixture> {
    let text = std::fs::read_to_string(path).expect("a readable fixture");
    let file = path.file_name().expect("a file").display().to_string();
    let mut cases = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().expect("a heading");
        let name = format!("{file}: {heading}");
        let bytes = unescape(&block(section, "http", &name).concat(), &name);
        let log = block(section, "log", &name).join("\n");
        cases.push(Fixture { name, bytes, log });
    }
    assert!(!cases.is_empty(), "{file} holds no case");
    cases
}

/// The lines of the one fenced block of a kind.
fn block<'a>(section: &'a str, kind: &str, name: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}");
    assert_eq!(section.lines().filter(|line| *line == fence).count(), 1, "{name}: one {fence}");
    let lines = section.lines().skip_while(|line| *line != fence).skip(1);
    lines.take_while(|line| *line != "```").collect()
}

fn unescape(text: &str, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let (kind, after) = rest.split_at(1);
        rest = after;
        match kind {
            "r" => bytes.push(b'\r'),
            "n" => bytes.push(b'\n'),
            "t" => bytes.push(b'\t'),
            "0" => bytes.push(0),
            "\\" => bytes.push(b'\\'),
            "x" => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two hex digits"));
                rest = &rest[2..];
            }
            "{" => {
                let (inner, after) = rest.split_once('}').expect("a closing brace");
                let (count, inner) = inner.split_once('|').expect("a count");
                let count = count.parse().expect("a number");
                bytes.extend(unescape(inner, name).repeat(count));
                rest = after;
            }
            _ => panic!("{name}: unknown escape \\{kind}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// The log of one outcome.
pub(crate) fn log(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    if let Some(head) = &outcome.head {
        lines.extend(head_lines(head));
    }
    match outcome.body.len() {
        0 => {}
        1..=100 => lines.push(format!("body {}", escape(&outcome.body))),
        len => lines.push(format!("body: {len} bytes")),
    }
    lines.push(match outcome.end {
        End::Complete(reuse) => format!("end {}", reuse_name(reuse)),
        End::Broken(error) => format!("error {}", error.code()),
        End::Eof(Eof::BeforeHead) => "eof before-head".to_owned(),
        End::Eof(Eof::InHead) => "eof in-head".to_owned(),
        End::Eof(Eof::InBody { got, want }) => {
            let want = want.map_or_else(|| "unknown".to_owned(), |want| want.to_string());
            format!("eof in-body got={got} want={want}")
        }
    });
    lines.join("\n")
}

fn head_lines(head: &Head) -> Vec<String> {
    let framing = match head.framing {
        Framing::Empty => "empty".to_owned(),
        Framing::Length(bytes) => format!("length={bytes}"),
        Framing::Chunked => "chunked".to_owned(),
        Framing::Close => "close".to_owned(),
    };
    let reuse = reuse_name(head.reuse);
    let mut lines =
        vec![format!("head 1.{} {} {framing} {reuse}", head.minor_version, head.status)];
    let texts = [
        ("content-type", &head.content_type),
        ("content-encoding", &head.content_encoding),
        ("etag", &head.etag),
    ];
    for (name, value) in texts {
        lines.extend(value.iter().map(|value| format!("  {name} {}", escape(value.as_bytes()))));
    }
    match &head.location {
        Location::Absent => {}
        Location::One(value) => lines.push(format!("  location {}", escape(value))),
        Location::Ambiguous => lines.push("  location ambiguous".to_owned()),
    }
    match head.retry_after {
        None => {}
        Some(RetryAfter::Seconds(seconds)) => lines.push(format!("  retry-after {seconds}s")),
        Some(RetryAfter::Date(seconds)) => lines.push(format!("  retry-after @{seconds}")),
    }
    lines
}

fn reuse_name(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::Keep => "keep",
        Reuse::Close(CloseReason::ConnectionClose) => "connection-close",
        Reuse::Close(CloseReason::Http10) => "http-1.0",
        Reuse::Close(CloseReason::CloseDelimited) => "close-delimited",
        Reuse::Close(CloseReason::AmbiguousLength) => "ambiguous-length",
        Reuse::Close(CloseReason::BytesAfterEnd) => "bytes-after-end",
    }
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").expect("a string takes everything"),
        }
    }
    text
}
