//! The rooms of the engine: which may use which.
//!
//! A room is a folder or a file of `src/engine/`. Those below know nothing of those above, so that
//! a room can be read, changed and tested with what is below it alone. `cargo test --test tidy --
//! --ignored rooms --nocapture` prints every arrow with the lines that are it.

use super::imports::Graph;
use std::collections::{BTreeMap, BTreeSet};

/// Every room, and the rooms that it may use. `mod.rs`, the map, belongs to none.
pub(crate) const ROOMS: [(&str, &[&str]); 13] = [
    (
        "run",
        &[
            "feed", "core", "watch", "shared", "queue", "attempt", "books", "output", "state",
            "moment", "say",
        ],
    ),
    (
        "feed",
        &["shared", "queue", "attempt", "books", "output", "parquet", "state", "moment", "say"],
    ),
    ("core", &["shared", "queue", "attempt", "books", "output", "state", "moment", "say"]),
    ("watch", &["shared", "queue", "attempt", "books", "output", "state", "moment", "say"]),
    ("shared", &["queue", "attempt", "books", "output", "state", "moment"]),
    ("queue", &["attempt", "books", "state", "moment"]),
    ("attempt", &["output", "state", "moment", "say"]),
    ("output", &["state", "moment", "say"]),
    ("books", &["parquet", "state", "moment", "say"]),
    ("state", &["moment", "say"]),
    ("parquet", &[]),
    ("moment", &[]),
    ("say", &[]),
];

/// Arrows that are to go. The line goes with the last use.
pub(crate) const TO_GO: [(&str, &str); 0] = [];

/// From room to room: the uses that make up the arrow, as text.
type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

fn arrows(graph: &Graph) -> Arrows {
    let mut arrows = Arrows::new();
    for (file, others) in graph.files.iter().zip(&graph.edges) {
        for (&other, uses) in others {
            let other = &graph.files[other];
            let (Some(from), Some(to)) = (room_of(file), room_of(other)) else { continue };
            if from != to {
                let uses = uses
                    .iter()
                    .map(|(line, item)| format!("{file}:{} {item} -> {other}", line + 1));
                arrows.entry((from.to_owned(), to.to_owned())).or_default().extend(uses);
            }
        }
    }
    arrows
}

/// Uses between rooms that no table permits, and lines of the tables that nothing needs.
pub(crate) fn complaints(
    graph: &Graph,
    rooms: &[(&str, &[&str])],
    to_go: &[(&str, &str)],
) -> Vec<String> {
    let mut complaints = Vec::new();
    let arrows = arrows(graph);
    let is_known = |room: &str| rooms.iter().any(|(name, _)| *name == room);
    let files = graph.files.iter().filter_map(|file| room_of(file));
    for room in files.collect::<BTreeSet<_>>().into_iter().filter(|room| !is_known(room)) {
        complaints.push(format!(
            "src/engine/{room} is no known room: give it a line in tests/tidy/rooms.rs"
        ));
    }
    for ((from, to), uses) in &arrows {
        let may_use = rooms.iter().find(|(name, _)| name == from).map_or(&[][..], |room| room.1);
        if !may_use.contains(&&**to) && !to_go.contains(&(from, to)) {
            let uses = uses.iter().map(String::as_str).collect::<Vec<_>>().join("\n    ");
            complaints.push(format!("src/engine/{from} must not use src/engine/{to}:\n    {uses}"));
        }
    }
    for (from, to) in to_go {
        if !arrows.contains_key(&((*from).to_owned(), (*to).to_owned())) {
            complaints.push(format!("{from} uses {to} no more: delete the line in TO_GO"));
        }
    }
    complaints
}

/// All arrows as text.
pub(crate) fn listing(graph: &Graph) -> String {
    let mut text = String::new();
    for ((from, to), uses) in arrows(graph) {
        text += &format!("{from} -> {to}: {} uses\n", uses.len());
        uses.iter().for_each(|line| text += &format!("    {line}\n"));
    }
    text
}

fn room_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/engine/")?;
    let room = inner.split('/').next()?.trim_end_matches(".rs");
    (room != "mod").then_some(room)
}
