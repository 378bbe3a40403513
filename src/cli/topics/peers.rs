//! The flags of another program as Markdown: those that are the same here, those that have another
//! name, those that need no flag, and those that there is nothing for.

use crate::cli::peers::{self, Row};

/// All flags of a program, in four sections.
pub(super) fn sections(name: &str) -> String {
    let rows = peers::rows(name);
    let same: Vec<String> = rows.iter().filter(|row| is_same(row)).map(flags).collect();
    let mut out = String::new();
    if !same.is_empty() {
        out += &format!("## The same here\n\n{}.\n\n", same.join("; "));
    }
    let others = rows.iter().filter(|row| kind(row) == Kind::Other);
    let lines: Vec<String> =
        others.map(|row| format!("| {} | {} |\n", flags(row), stands_for(row))).collect();
    if !lines.is_empty() {
        out += "## Another name, or another meaning\n\n| Theirs | Here |\n|---|---|\n";
        out += &lines.concat();
        out.push('\n');
    }
    out += &reasons(&rows, Kind::Always, "Needs no flag", "What happens here");
    out += &reasons(&rows, Kind::Missing, "Not here", "Why, or what to do");
    out
}

/// What becomes of a flag.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Same,
    Other,
    Always,
    Missing,
}

fn kind(row: &Row) -> Kind {
    match row.ours.as_str() {
        "" => Kind::Missing,
        "always" => Kind::Always,
        _ if is_same(row) => Kind::Same,
        _ => Kind::Other,
    }
}

/// Whether the flag may be typed as it is, and means the same.
fn is_same(row: &Row) -> bool {
    row.differs.is_empty() && row.flags.contains(&row.ours)
}

/// Flags that have the same reason stand together, where the first of them was.
fn reasons(rows: &[Row], wanted: Kind, title: &str, head: &str) -> String {
    let mut lines: Vec<(String, &str)> = Vec::new();
    for row in rows.iter().filter(|row| kind(row) == wanted) {
        match lines.iter_mut().find(|(_, reason)| *reason == row.differs) {
            Some((names, _)) => *names += &format!(", {}", flags(row)),
            None => lines.push((flags(row), &row.differs)),
        }
    }
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<String> =
        lines.iter().map(|(flags, reason)| format!("| {flags} | {reason} |\n")).collect();
    format!("## {title}\n\n| Theirs | {head} |\n|---|---|\n{}\n", lines.concat())
}

/// `-d`, `--dir DIR` as code, with commas between.
fn flags(row: &Row) -> String {
    let flags = row.theirs.split(',').map(str::trim).filter(|flag| !flag.is_empty());
    flags.map(|flag| format!("`{flag}`")).collect::<Vec<_>>().join(", ")
}

/// Words to type, as code, and what differs.
fn stands_for(row: &Row) -> String {
    let words: Vec<String> = row.ours.split(" or ").map(|words| format!("`{words}`")).collect();
    let words = words.join(" or ");
    if row.differs.is_empty() { words } else { format!("{words}; {}", row.differs) }
}
