//! The layers: which part of the crate may use which, and which words belong to which.
//!
//! Within one crate the compiler does not keep layers apart, so this table does. A new folder in
//! `src/` gets its line here; a new arrow is a decision about the design.

use super::complaint;
use super::imports::{group, name};
use super::source::{Source, has_token, is_word};

/// One part of the crate: a folder or a file of `src/`.
struct Layer {
    /// Name of the folder, or of the file without its suffix.
    name: &'static str,
    /// Parts it may use, beside itself.
    may_use: &'static [&'static str],
}

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use }
}

const LAYERS: [Layer; 15] = [
    layer("limits", &[]),
    layer("exit", &[]),
    layer("error", &["exit"]),
    layer("fault", &["exit", "http", "limits"]),
    layer("http", &["limits"]),
    layer("plan", &["http", "exit", "fault", "limits"]),
    layer("report", &["exit", "fault", "limits"]),
    layer("pack", &[]),
    layer("ring", &["fault", "limits", "error"]),
    // The option types of the layers below it, and nothing that they do.
    layer("config", &["limits", "pack", "plan", "report", "ring"]),
    layer(
        "engine",
        &["config", "error", "exit", "fault", "http", "limits", "pack", "plan", "report", "ring"],
    ),
    // It starts the program, and knows nothing of what that does inside.
    layer("bench", &["error", "exit", "limits", "report", "ring"]),
    layer(
        "cli",
        &[
            "bench", "config", "error", "exit", "fault", "http", "limits", "origin", "pack",
            "plan", "report",
        ],
    ),
    layer("origin", &["limits"]),
    // What the command line is to a shell, for another program.
    layer("pull", &["cli", "config", "engine", "error", "exit", "report"]),
];

/// Layers that are bytes in, values out.
const PURE: [&str; 6] = ["http", "plan", "report", "pack", "fault", "config"];

/// What a pure layer must not hold, and what to do instead.
const IMPURE_WORDS: [(&str, &str); 25] = [
    ("TcpStream", SOCKET),
    ("TcpListener", SOCKET),
    ("UdpSocket", SOCKET),
    ("UnixStream", SOCKET),
    ("ToSocketAddrs", SOCKET),
    ("std::fs", FILE),
    ("fs::", FILE),
    ("File::", FILE),
    ("OpenOptions", FILE),
    ("stdin", FILE),
    ("stdout", FILE),
    ("stderr", FILE),
    ("Instant::now", CLOCK),
    ("SystemTime::now", CLOCK),
    ("UNIX_EPOCH.elapsed", CLOCK),
    ("thread::", "threads are the engine's"),
    ("async", RUNTIME),
    ("await", RUNTIME),
    ("tokio", RUNTIME),
    ("unsafe", "unsafe belongs in src/ring/ only"),
    ("println!", PRINT),
    ("print!", PRINT),
    ("eprintln!", PRINT),
    ("eprint!", PRINT),
    ("fastrand", "take random numbers as an argument"),
];

const SOCKET: &str = "sockets are src/ring/'s: take bytes as an argument";
const FILE: &str = "files are src/ring/'s: take or give bytes";
const CLOCK: &str = "take the time as an argument";
const RUNTIME: &str = "no runtime here: return a value and let src/engine/ wait";
const PRINT: &str = "return the text; src/main.rs and src/engine/ print";

/// What the configuration must not hold: it names the option types of the layers below it, `ring`'s
/// among them, and does nothing with them. What can fail is over when it is made.
const ACTIVE_WORDS: [&str; 4] = ["anyhow", "io::", "env::", "parse"];

/// What only `src/ring/` names; and `src/origin/`, which is the other side of the wire.
const RING_WORDS: [&str; 8] = [
    "tokio_uring",
    "io_uring",
    "libc",
    "rustls",
    "rustix",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
];

/// Which parts of the crate a file uses that it must not.
pub(crate) fn uses(source: &Source) -> Vec<String> {
    let Some(part) = part_of(&source.path) else { return Vec::new() };
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == part) else {
        let text = format!("src/{part} is no known layer: give it a line in tests/tidy/layers.rs");
        return vec![complaint(source, 0, &text)];
    };
    // Whole file at once, because a `use` may span lines; tests may build what they like.
    let code: String = source
        .lines
        .iter()
        .map(|line| if line.is_test { "\n".to_owned() } else { format!("{}\n", line.code) })
        .collect();
    let mut complaints = Vec::new();
    for at in roots(&code, depth_of(&source.path)) {
        for used in targets(&code[at..]) {
            let is_known = LAYERS.iter().any(|layer| layer.name == used);
            if is_known && used != part && !layer.may_use.contains(&used.as_str()) {
                let permitted = layer.may_use.join(", ");
                let text = format!("src/{part} must not use crate::{used} (it may: {permitted})");
                complaints.push(complaint(source, code[..at].matches('\n').count(), &text));
            }
        }
    }
    complaints
}

/// Words that belong to another layer.
pub(crate) fn banned_words(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let part = part_of(&source.path).unwrap_or("");
    let mut complaints = Vec::new();
    for (index, line) in source.product() {
        if PURE.contains(&part) {
            for (word, instead) in IMPURE_WORDS {
                if has_token(&line.code, word) {
                    let text = format!("`{word}` in the pure layer {part}: {instead}");
                    complaints.push(complaint(source, index, &text));
                }
            }
        }
        if part == "config" {
            for word in ACTIVE_WORDS.into_iter().filter(|word| has_token(&line.code, word)) {
                let text = format!("`{word}` in the configuration: values are parsed above it");
                complaints.push(complaint(source, index, &text));
            }
        }
        if part != "ring" && part != "origin" {
            for word in RING_WORDS.into_iter().filter(|word| has_token(&line.code, word)) {
                let text = format!("`{word}` belongs in src/ring/ only: use what ring offers");
                complaints.push(complaint(source, index, &text));
            }
        }
    }
    complaints
}

/// The part of the crate a file belongs to; `main` and `lib` join all parts and belong to none.
fn part_of(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let part = inner.split('/').next()?.trim_end_matches(".rs");
    (part != "main" && part != "lib").then_some(part)
}

/// How many modules deep the file's own module is.
fn depth_of(path: &str) -> usize {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').count()
}

/// Where paths begin that start at the top of the crate: behind `crate::`, or behind as many
/// `super::` as the module is deep.
fn roots(code: &str, depth: usize) -> Vec<usize> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':') {
                continue;
            }
            let rest = &code[at..];
            let supers = std::iter::successors(Some(rest), |rest| rest.strip_prefix("super::"));
            let supers = supers.count() - 1;
            match start {
                "crate::" => found.push(at + start.len()),
                _ if supers >= depth => found.push(at + supers * start.len()),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}

/// First name of every path of a use tree: `a::b`, `a::{b, c::d}`, `{a, b::c}`.
fn targets(tree: &str) -> Vec<String> {
    let tree = tree.trim_start();
    match group(tree) {
        Some(group) => group.into_iter().flat_map(targets).collect(),
        None => vec![name(tree).0],
    }
}
