//! The style as a test: layers, banned words, sizes, comments that must be there, and the top
//! level.
//!
//! Each check takes sources and gives complaints; `tests/tidy/proof.rs` feeds every one of them
//! code that it must complain about, and code that it must not.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/proof.rs"]
mod proof;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use source::{Source, has_token};
use std::fs;
use std::path::Path;

/// Longest line, in characters.
const COLUMNS_MAX: usize = 100;
/// Longest function, in lines that hold code.
const FUNCTION_LINES_MAX: usize = 70;
/// Longest file, in lines that hold code and are no test.
const FILE_LINES_MAX: usize = 450;
/// How far above an SQE builder its `// KERNEL:` comment may stand, in lines.
const KERNEL_COMMENT_LINES_MAX: usize = 12;

/// Where `unsafe` may be: in the layer that talks to the kernel, and in the ring of a yardstick.
/// That one has multishot receives, which tokio-uring cannot carry and the product does not use, so
/// that they have no place in `src/ring/`.
const UNSAFE: [&str; 2] = ["src/ring/", "benches/floor/ring.rs"];

/// Longest README.md, in bytes: one that is read in a minute.
const README_BYTES_MAX: usize = 10 * 1024;
/// Longest line of it, in characters.
const README_COLUMNS_MAX: usize = 120;

/// What may stand at the top of the repository beside dot-files.
const TOP_LEVEL: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "benches",
    "tests",
    "scripts",
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

#[test]
fn the_sources_are_tidy() {
    let sources = rust_files(&["src", "tests", "benches"]);
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "no sources found");
    let mut complaints: Vec<String> = sources.iter().flat_map(check).collect();
    complaints.extend(orphans(&sources));
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn files_use_one_another_in_small_circles_only() {
    let graph = imports::Graph::new(&rust_files(&["src"]));
    let complaints = circles::complaints(&graph, circles::KNOWN);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
#[ignore = "prints for people: run it with --nocapture"]
#[allow(clippy::print_stdout, reason = "printing is what it is for")]
fn circles_are_printed() {
    print!("{}", circles::listing(&imports::Graph::new(&rust_files(&["src"]))));
}

#[test]
fn rooms_of_the_engine_use_those_below() {
    let graph = imports::Graph::new(&rust_files(&["src"]));
    let complaints = rooms::complaints(&graph, &rooms::ROOMS, &rooms::TO_GO);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
#[ignore = "prints for people: run it with --nocapture"]
#[allow(clippy::print_stdout, reason = "printing is what it is for")]
fn rooms_are_printed() {
    print!("{}", rooms::listing(&imports::Graph::new(&rust_files(&["src"]))));
}

#[test]
fn the_top_level_is_tidy() {
    let names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let complaints = top_level(&names);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let complaints = readme(&fs::read_to_string(root().join("README.md")).unwrap());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Everything that one file can be wrong in.
fn check(source: &Source) -> Vec<String> {
    let checks = [
        header,
        columns,
        file_length,
        function_lengths,
        leftovers,
        allow_reasons,
        safety_comments,
        kernel_comments,
        fixed_ports,
        programs,
        threads,
        layers::uses,
        layers::banned_words,
        words::gone,
        words::pointing,
    ];
    checks.iter().flat_map(|check| check(source)).collect()
}

/// The first line says what the file is.
fn header(source: &Source) -> Vec<String> {
    let first = source.lines.first().map_or("", |line| line.raw.as_str());
    let text = first.strip_prefix("//!").map_or("", str::trim);
    if text.is_empty() {
        return vec![complaint(source, 0, "start with `//! what this file is`")];
    }
    Vec::new()
}

fn columns(source: &Source) -> Vec<String> {
    let numbered = source.lines.iter().enumerate();
    numbered
        .map(|(index, line)| (index, line.raw.chars().count()))
        .filter(|&(_, width)| width > COLUMNS_MAX)
        .map(|(index, width)| {
            complaint(source, index, &format!("{width} columns; at most {COLUMNS_MAX}"))
        })
        .collect()
}

fn file_length(source: &Source) -> Vec<String> {
    let count = source.product().filter(|(_, line)| line.has_code()).count();
    if count > FILE_LINES_MAX {
        let text = format!("{count} lines of code; split by concern at {FILE_LINES_MAX}");
        return vec![complaint(source, 0, &text)];
    }
    Vec::new()
}

/// Tests are functions too: what is too long to read is too long to trust.
fn function_lengths(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for function in source.functions() {
        let lines = &source.lines[function.first..=function.last];
        let count = lines.iter().filter(|line| line.has_code()).count();
        if count > FUNCTION_LINES_MAX {
            let name = &function.name;
            let text = format!("fn {name} has {count} lines; at most {FUNCTION_LINES_MAX}");
            complaints.push(complaint(source, function.first, &text));
        }
    }
    complaints
}

/// Nothing unfinished. (The words are put together here so that this file does not hold them.)
fn leftovers(source: &Source) -> Vec<String> {
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let macros = ["dbg", "todo", "unimplemented"].map(|name| format!("{name}!"));
    let mut complaints = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        for note in notes.iter().filter(|note| has_token(&line.raw, note)) {
            complaints.push(complaint(source, index, &format!("{note}: do it, or say why not")));
        }
        for name in macros.iter().filter(|name| has_token(&line.code, name.as_str())) {
            complaints.push(complaint(source, index, &format!("{name} is unfinished work")));
        }
    }
    complaints
}

/// A lint is switched off with a reason: `reason = "..."`, or a comment above or beside it.
fn allow_reasons(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let code = &line.code;
        let opening = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
        if !opening.iter().any(|attribute| code.contains(attribute)) {
            continue;
        }
        let mut attribute =
            source.lines[index..].iter().take_while_inclusive(|line| !line.code.contains(")]"));
        let is_comment = |line: &source::Line| {
            let raw = line.raw.trim_start();
            raw.starts_with("//") && !raw.starts_with("///") && !raw.starts_with("//!")
        };
        let has_comment =
            line.raw.contains("//") || index > 0 && is_comment(&source.lines[index - 1]);
        if !has_comment && !attribute.any(|line| has_token(&line.code, "reason")) {
            complaints.push(complaint(source, index, "a lint switched off without a reason"));
        }
    }
    complaints
}

/// `unsafe` in few places, and each with the sentence that makes it right.
fn safety_comments(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        if !has_token(&line.code, "unsafe") {
            continue;
        }
        if !UNSAFE.iter().any(|place| source.path.starts_with(place)) {
            complaints.push(complaint(source, index, "unsafe belongs in src/ring/ only"));
        } else if !has_comment_above(source, index, &["SAFETY:", "# Safety"]) {
            complaints.push(complaint(source, index, "unsafe without a `// SAFETY:` comment"));
        }
    }
    complaints
}

/// The comments and attributes right above the statement, or the line itself, hold one of the
/// marks. A statement may begin some lines above, so lines without an end (`;`, a brace) are walked
/// over.
fn has_comment_above(source: &Source, index: usize, marks: &[&str]) -> bool {
    let holds = |line: &source::Line| marks.iter().any(|mark| line.raw.contains(mark));
    if holds(&source.lines[index]) {
        return true;
    }
    for line in source.lines[..index].iter().rev() {
        if holds(line) {
            return true;
        }
        let code = line.code.trim_end();
        let is_between = line.is_comment_or_attribute() && !code.ends_with(';');
        if !is_between && (code.is_empty() || code.ends_with([';', '{', '}', ','])) {
            return false;
        }
    }
    false
}

/// Building an SQE is unsafe even where the compiler does not ask: the kernel keeps the pointers.
fn kernel_comments(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in source.product() {
        let is_use = line.code.trim_start().starts_with("use ");
        if is_use || !has_token(&line.code, "opcode::") {
            continue;
        }
        let first = index.saturating_sub(KERNEL_COMMENT_LINES_MAX);
        if !source.lines[first..=index].iter().any(|line| line.raw.contains("// KERNEL:")) {
            let text = "an SQE without `// KERNEL:` above it that says who owns the memory";
            complaints.push(complaint(source, index, text));
        }
    }
    complaints
}

/// Tests that open sockets take the port the kernel gives. Pure tests may parse what they like.
fn fixed_ports(source: &Source) -> Vec<String> {
    let has_sockets = ["tests/it/", "src/ring/", "src/engine/", "src/origin/", "benches/"];
    if !has_sockets.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    let hosts = ["127.0.0.1:", "localhost:", "[::1]:", "0.0.0.0:", "[::]:"];
    let mut complaints = Vec::new();
    for (index, line) in source.lines.iter().enumerate().filter(|(_, line)| line.is_test) {
        for host in hosts {
            let is_fixed = line.literal.match_indices(host).any(|(at, _)| {
                line.literal[at + host.len()..].starts_with(|c: char| ('1'..='9').contains(&c))
            });
            if is_fixed {
                complaints.push(complaint(source, index, "a fixed port: bind port 0 and ask"));
            }
        }
    }
    complaints
}

/// What a thread of the engine says is for whoever hears those that began it. (Signals are caught
/// where nobody does.)
fn threads(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/engine/") || source.path == "src/engine/run/signals.rs" {
        return Vec::new();
    }
    let lines_with = |word: &str| -> Vec<usize> {
        source.product().filter(|(_, line)| line.code.contains(word)).map(|(at, _)| at).collect()
    };
    let (begun, inherited) = (lines_with("thread::Builder::new("), lines_with("heard::inherit("));
    let text = "a thread that does not inherit its hearer: spawn `heard::inherit(work)`";
    begun.iter().skip(inherited.len()).map(|at| complaint(source, *at, text)).collect()
}

/// Tests start programs in one place, which keeps away from them what the tests inherited.
fn programs(source: &Source) -> Vec<String> {
    if source.path == "tests/it/start.rs" {
        return Vec::new();
    }
    let is_started = |line: &source::Line| line.is_test && has_token(&line.code, "Command::new");
    let text = "a program with what the tests inherited: `cmd::command` starts it clean";
    let lines = source.lines.iter().enumerate().filter(|(_, line)| is_started(line));
    lines.map(|(index, _)| complaint(source, index, text)).collect()
}

/// Files that no `mod` names are compiled by nobody.
fn orphans(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        let Some((folder, file)) = source.path.rsplit_once('/') else { continue };
        let (parents, name) = match (folder, file) {
            ("src", "main.rs" | "lib.rs") => continue,
            ("src", file) => (vec!["src/lib.rs".to_owned()], file.trim_end_matches(".rs")),
            (folder, "mod.rs") => {
                let (above, name) = folder.rsplit_once('/').unwrap_or(("", folder));
                (vec![format!("{above}/lib.rs"), format!("{above}/mod.rs")], name)
            }
            (folder, file) => {
                let parents = vec![format!("{folder}/mod.rs"), format!("{folder}.rs")];
                (parents, file.trim_end_matches(".rs"))
            }
        };
        let is_named =
            sources.iter().filter(|parent| parents.contains(&parent.path)).any(|parent| {
                parent.lines.iter().any(|line| has_token(&line.code, &format!("mod {name}")))
            });
        if !is_named {
            complaints.push(complaint(source, 0, "no `mod` names this file: delete it"));
        }
    }
    complaints
}

fn top_level(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| !name.starts_with('.') && *name != "target")
        .filter(|name| !TOP_LEVEL.contains(&name.as_str()))
        .map(|name| format!("{name}: does not belong at the top level ({})", TOP_LEVEL.join(" ")))
        .collect()
}

/// What is long belongs into a topic of the help. Rows of tables cannot be broken.
fn readme(text: &str) -> Vec<String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('|'));
    let long = lines.filter(|(_, line)| line.chars().count() > README_COLUMNS_MAX);
    let mut complaints: Vec<String> = long
        .map(|(index, _)| format!("README.md:{}: over {README_COLUMNS_MAX} columns", index + 1))
        .collect();
    if text.len() > README_BYTES_MAX {
        let text = format!("README.md: {} bytes; at most {README_BYTES_MAX}", text.len());
        complaints.push(text);
    }
    complaints
}

fn complaint(source: &Source, index: usize, text: &str) -> String {
    format!("{}:{}: {text}", source.path, index + 1)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file beneath the folders, fuzz targets' own `target` left out.
fn rust_files(folders: &[&str]) -> Vec<Source> {
    let mut pending: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|suffix| suffix == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                sources.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// `take_while` that also gives the item which ended it.
trait TakeWhileInclusive: Iterator + Sized {
    fn take_while_inclusive(
        self,
        mut goes_on: impl FnMut(&Self::Item) -> bool,
    ) -> impl Iterator<Item = Self::Item> {
        let mut is_over = false;
        self.take_while(move |item| {
            let is_taken = !is_over;
            is_over = !goes_on(item);
            is_taken
        })
    }
}

impl<I: Iterator> TakeWhileInclusive for I {}
