//! Words: names that are not to come back, and how a doc comment begins.

use super::complaint;
use super::source::{Line, Source, has_token};

/// Names of this project only that gave way to a word of the field: where, the name, and the word.
/// Whole identifiers, in code and in doc comments. A rename puts its line here.
const GONE: [(&str, &str, &str); 38] = [
    ("src", "Care", "WriteOptions"),
    ("src", "Doubtful", "KeepAlive"),
    ("src", "Fresh", "NoReplace"),
    ("src", "gate", "resolve_ahead"),
    ("src", "Lack", "Shortage"),
    ("src", "Lane", "Slot"),
    ("src", "lane", "slot"),
    ("src", "lanes", "slots"),
    ("src", "Ledger", "RowSink"),
    ("src", "Packed", "Queued"),
    ("src", "Paper", "RowFile"),
    ("src", "Patience", "StallLimits"),
    ("src", "Printed", "RowPrinter"),
    ("src", "Purpose", "Ask"),
    ("src", "Reach", "AddressPolicy"),
    ("src", "Scout", "SkipAhead"),
    ("src", "scout", "skip_ahead"),
    ("src", "Sign", "HostSignal"),
    ("src", "Story", "History"),
    ("src", "WhyDown", "DownReason"),
    ("src/engine", "Task", "Fetch for a job under way, Queued for one that waits"),
    ("src/plan", "settle", "reindex, charge_actual, compact, flush: what it does"),
    ("src/plan/schedule", "hear", "observe"),
    ("src/plan/schedule", "Hold", "CoreConnections"),
    ("src/plan/schedule", "Live", "Active"),
    ("src/plan/schedule", "live", "active"),
    ("src/plan/schedule", "parked", "dormant"),
    ("src/plan/schedule", "Polite", "Throttle"),
    ("src/plan/schedule", "Side", "Scheme"),
    ("src/plan/schedule", "stamp", "last_served"),
    ("src/plan/schedule", "Troubles", "TroubledHosts"),
    ("src/report", "settle", "confirm"),
    ("src/ring", "Expected", "SizeHint"),
    ("src/ring", "settle", "resolve"),
    ("src/ring", "Want", "ReadHint"),
    ("src/ring/dns", "Held", "CachedName"),
    ("src/ring/dns", "Said", "ServerReply"),
    ("src/ring/journal", "note", "xattr"),
];

/// How no doc comment begins, because what is meant stands elsewhere.
const POINTING: [&str; 18] = [
    "It",
    "Its",
    "They",
    "Their",
    "Them",
    "That",
    "Those",
    "These",
    "This one",
    "The same",
    "The other",
    "As above",
    "Likewise",
    "So many",
    "So much",
    "Who",
    "Whom",
    "Whose",
];

/// Names of the table in `src/`.
pub(crate) fn gone(source: &Source) -> Vec<String> {
    names_of(source, &GONE)
}

pub(crate) fn names_of(source: &Source, gone: &[(&str, &str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let doc = doc_text(line).unwrap_or_default();
        for (_, word, instead) in gone.iter().filter(|(place, ..)| is_below(&source.path, place)) {
            if has_token(&line.code, word) || has_token(doc, word) {
                let text = format!("`{word}` is a word of nobody else: say `{instead}`");
                complaints.push(complaint(source, index, &text));
            }
        }
    }
    complaints
}

/// Doc comments of `src/` outside of its tests that do not name their subject first, and so cannot
/// be understood alone, in the window that an editor opens beside a name.
pub(crate) fn pointing(source: &Source) -> Vec<String> {
    if is_below(&source.path, "src") { beginnings(source) } else { Vec::new() }
}

pub(crate) fn beginnings(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut is_within = false;
    for (index, line) in source.lines.iter().enumerate() {
        let doc = doc_text(line);
        let begin = doc.filter(|_| !is_within && !line.is_test).map_or("", str::trim_start);
        let pointing = POINTING.iter().find(|words| {
            let rest = begin.strip_prefix(**words);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
        });
        if let Some(words) = pointing {
            let text = format!("a doc comment that begins with `{words}`: name what is meant");
            complaints.push(complaint(source, index, &text));
        }
        is_within = doc.is_some();
    }
    complaints
}

/// Text of a line of a doc comment.
fn doc_text(line: &Line) -> Option<&str> {
    let raw = line.raw.trim_start();
    let doc = raw.strip_prefix("///").filter(|rest| !rest.starts_with('/'));
    doc.or_else(|| raw.strip_prefix("//!"))
}

/// Whether a file is the one named, with or without its suffix, or lies in the folder.
fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest == ".rs" || rest.starts_with('/'))
}
