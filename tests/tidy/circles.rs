//! Import circles: files that use one another, directly or by way of others.
//!
//! Files in a circle can only be understood, changed and tested together, so a circle has to stay
//! small enough to be one thing. `cargo test --test tidy -- --ignored circles --nocapture` prints
//! those that are larger, with every line that holds them together.

use super::imports::Graph;
use std::collections::BTreeSet;

/// Largest circle that needs no line in [`KNOWN`], in files.
const CIRCLE_FILES_MAX: usize = 3;

/// Folders with larger circles, and the size of the largest. A number only ever goes down, and the
/// line goes when it comes to [`CIRCLE_FILES_MAX`].
pub(crate) const KNOWN: &[(&str, usize)] = &[];

/// Every circle: files by index, the largest circle first.
pub(crate) fn circles(graph: &Graph) -> Vec<Vec<usize>> {
    let reached: Vec<BTreeSet<usize>> =
        (0..graph.files.len()).map(|file| reach(graph, file)).collect();
    let mut circles: Vec<Vec<usize>> = (0..graph.files.len())
        .filter(|&file| reached[file].contains(&file))
        .map(|file| {
            let others = reached[file].iter().copied();
            others.filter(|&other| reached[other].contains(&file)).collect()
        })
        .collect();
    circles.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    circles.dedup();
    circles
}

/// What a file uses, however many files lie between.
fn reach(graph: &Graph, file: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![file];
    while let Some(file) = pending.pop() {
        pending.extend(graph.edges[file].keys().copied().filter(|&next| reached.insert(next)));
    }
    reached
}

/// Circles that are larger than they may be, and lines of the table that permit too much.
pub(crate) fn complaints(graph: &Graph, known: &[(&str, usize)]) -> Vec<String> {
    let circles = circles(graph);
    let mut complaints = Vec::new();
    for circle in circles.iter().filter(|circle| circle.len() > CIRCLE_FILES_MAX) {
        let place = place(graph, circle);
        let permitted = entry_of(&place, known).map_or(CIRCLE_FILES_MAX, |entry| entry.1);
        if circle.len() > permitted {
            let files: Vec<&str> = circle.iter().map(|&file| &*graph.files[file]).collect();
            complaints.push(format!(
                "{place}: a circle of {} files; at most {permitted}: {}",
                circle.len(),
                files.join(" ")
            ));
        }
    }
    for entry in known {
        let of_entry = |circle: &&Vec<usize>| entry_of(&place(graph, circle), known) == Some(entry);
        let largest = circles.iter().find(of_entry).map_or(0, Vec::len);
        let (place, size) = entry;
        if *size <= CIRCLE_FILES_MAX || largest <= CIRCLE_FILES_MAX {
            complaints.push(format!("{place}: no large circle is left: delete its line in KNOWN"));
        } else if largest < *size {
            complaints.push(format!(
                "{place}: the largest circle has {largest} files, not {size}: say so in KNOWN"
            ));
        }
    }
    complaints
}

/// The innermost folder of the table that a place lies in.
fn entry_of<'a>(place: &str, known: &'a [(&'a str, usize)]) -> Option<&'a (&'a str, usize)> {
    let is_in = |folder: &str| {
        place.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    known.iter().filter(|(folder, _)| is_in(folder)).max_by_key(|(folder, _)| folder.len())
}

/// The module that all files of a circle lie in, as a path without suffix: `src/plan/name` for
/// `src/plan/name.rs` and `src/plan/name/claim.rs`.
fn place(graph: &Graph, circle: &[usize]) -> String {
    let modules = circle.iter().map(|&file| {
        let path = graph.files[file].trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').collect::<Vec<_>>()
    });
    let common = modules.reduce(|common, module| {
        let pairs = common.into_iter().zip(module);
        pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    });
    common.unwrap_or_default().join("/")
}

/// All large circles as text, with what holds them together.
pub(crate) fn listing(graph: &Graph) -> String {
    let mut text = String::new();
    for circle in circles(graph) {
        text += &format!("{}: {} files\n", place(graph, &circle), circle.len());
        let inner = |other: &usize| circle.contains(other);
        for &file in &circle {
            for (&other, uses) in graph.edges[file].iter().filter(|(other, _)| inner(other)) {
                for (line, item) in uses {
                    let (file, other) = (&graph.files[file], &graph.files[other]);
                    text += &format!("    {file}:{} {item} -> {other}\n", line + 1);
                }
            }
        }
    }
    text
}
