//! Tables that the topics take from the code: a line `{{name}}` of a topic stands for one.

use super::{codes, limits, peers};
use crate::exit;
use crate::report::row::COLUMNS;
use std::fmt::Write as _;

/// Puts the tables of the code where a text names them. A name that nobody knows stays as it is,
/// which a test finds.
pub(super) fn fill(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let name = line.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        match name.and_then(table) {
            Some(table) => out += table.trim_end(),
            None => out += line,
        }
        out.push('\n');
    }
    out
}

/// The table of this name, as Markdown.
fn table(name: &str) -> Option<String> {
    match name.split_once(' ') {
        Some(("peer", peer)) => Some(peers::sections(peer)),
        None if name == "limits" => Some(limits::table()),
        None if name == "exit" => Some(exits()),
        None if name == "columns" => Some(columns()),
        None if name == "codes" => Some(codes::table()),
        _ => None,
    }
}

/// The exit statuses, one row each.
fn exits() -> String {
    let mut table = "| Status | Meaning |\n|---|---|\n".to_owned();
    for exit::Meaning { status, sentence, .. } in exit::ALL {
        writeln!(table, "| `{}` | {sentence} |", status.number()).expect("a String takes any text");
    }
    table
}

/// The columns of the report, one row each.
fn columns() -> String {
    let mut table = "| Column | Meaning |\n|---|---|\n".to_owned();
    for column in COLUMNS {
        writeln!(table, "| `{}` | {} |", column.name, column.about)
            .expect("a String takes any text");
    }
    table
}
