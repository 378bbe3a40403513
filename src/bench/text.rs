//! The results as text, one line a cell.

use super::events::{ALL_CALLS, ONE_CALL};
use super::results::{
    BYTES_PER_S, CLIENT_CPUS, CPU_PER_BYTE, CPU_PER_FILE, CellResult, DUE_P50, DUE_P99, DUE_P9999,
    Events, FAULTS_PER_FILE, FILES_PER_S, IOWQ_PER_FILE, LATE_P99, LATENCY_P50, LATENCY_P99,
    LATENCY_P9999, Metric, RESIDENT_MIB, Results, SERVER_CPUS, SWITCHES_PER_FILE, SYSTEM_PER_FILE,
    USER_PER_FILE,
};
use super::sample::Estimate;
use super::{parts, verdict};
use crate::report::Number;
use std::fmt::Write as _;

/// The whole text.
pub fn render(results: &Results) -> String {
    let mut text = head(results);
    text += "\n";
    if let Some(table) = cells(results) {
        text += &format!("{}\n\n{}", columns_text(results), table.text());
    }
    let refused = results.cells.iter().filter_map(|cell| Some((cell, cell.error.as_ref()?)));
    for (cell, error) in refused {
        text += &format!("error: {}: {error}\n", verdict::named(&cell.name));
    }
    if let Some(table) = parts(results) {
        text += &format!("\n{PARTS_TEXT}:\n\n{}", table.text());
    }
    if let Some(table) = events(results) {
        text += &format!("\n{EVENTS_TEXT}:\n\n{}", table.text());
    }
    text += "\nVerdict (ratios of medians, with 95 % intervals):\n";
    for sentence in verdict::sentences(results) {
        text += &format!("  {sentence}\n");
    }
    if !results.notes.is_empty() {
        text += "\nNotes:\n";
    }
    for note in &results.notes {
        text += &format!("  {note}\n");
    }
    text
}

fn head(results: &Results) -> String {
    let (machine, protocol) = (&results.environment, &results.protocol);
    let cpus = |cpus: &[usize]| {
        let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
        cpus.join(",")
    };
    let mut text = format!(
        "ringpull bench {}: Linux {}, {}\n{} cells, {} repetitions each{}{}; clients on CPU {}",
        machine.ringpull,
        machine.kernel,
        machine.cpu_model,
        results.cells.len(),
        protocol.repeat,
        protocol.time_s.map_or_else(String::new, |time_s| format!(" of {time_s} s")),
        protocol.rate.as_ref().map_or_else(String::new, |rate| format!(", requests due at {rate}")),
        cpus(&protocol.cpus_client),
    );
    match protocol.cpus_origin.is_empty() {
        true => write!(text, ", server: {}", protocol.source),
        false => write!(text, ", origin on CPU {}", cpus(&protocol.cpus_origin)),
    }
    .expect("a String takes any text");
    text.push('\n');
    let ring = &machine.ring;
    match &ring.refused {
        Some(why) => writeln!(text, "io_uring: {why}"),
        None => {
            let names = [&ring.setup_flags, &ring.operations].map(|names| names.join(" "));
            writeln!(text, "io_uring: {}\n  operations: {}", names[0], names[1])
        }
    }
    .expect("a String takes any text");
    for (path, kind) in &machine.file_systems {
        writeln!(text, "{path}: {kind}").expect("a String takes any text");
    }
    text
}

/// What the columns of the cells are, above and within their table.
const COLUMNS: [(&str, Metric, f64); 19] = [
    ("files/s", FILES_PER_S, 1.0),
    ("MiB/s", BYTES_PER_S, 1.0 / 1_048_576.0),
    ("us/file", CPU_PER_FILE, 1.0),
    ("user", USER_PER_FILE, 1.0),
    ("system", SYSTEM_PER_FILE, 1.0),
    ("io-wq", IOWQ_PER_FILE, 1.0),
    ("ns/byte", CPU_PER_BYTE, 1.0),
    ("csw", SWITCHES_PER_FILE, 1.0),
    ("faults", FAULTS_PER_FILE, 1.0),
    ("RSS", RESIDENT_MIB, 1.0),
    ("p50", LATENCY_P50, 1.0),
    ("p99", LATENCY_P99, 1.0),
    ("p99.99", LATENCY_P9999, 1.0),
    ("due50", DUE_P50, 1.0),
    ("due99", DUE_P99, 1.0),
    ("due99.99", DUE_P9999, 1.0),
    ("late99", LATE_P99, 1.0),
    ("client", CLIENT_CPUS, 100.0),
    ("origin", SERVER_CPUS, 100.0),
];

/// What the columns of the cells mean, where these are there.
pub(super) fn columns_text(results: &Results) -> String {
    let is_due = results.cells.iter().any(|cell| cell.estimate(DUE_P50).is_some());
    match is_due {
        true => format!("{COLUMNS_TEXT}{DUE_TEXT}"),
        false => COLUMNS_TEXT.to_owned(),
    }
}

const DUE_TEXT: &str = "\ndue50 to due99.99: latency from when a request was due, late99: how much \
     later it began; b: behind the schedule";
const COLUMNS_TEXT: &str = "CPU time of the client (us/file, of it user, system and, \
     as far as seen, io-wq; ns/byte), context\nswitches and faults a file, RSS in MiB, latency in \
     ms, CPUs in %; s: the server is the limit, n: noisy";
/// What the table of parts is.
pub(super) const PARTS_TEXT: &str = "CPU time of the client, in us a file: the network alone, \
     files alone, what is in both, the sum\n(network + files - neither) and the whole, with 95 % \
     intervals";
/// What the table of kernel events is.
pub(super) const EVENTS_TEXT: &str = "System calls and io_uring, a file, of one more repetition";

/// Names, and as many words in each row. The first so many columns are words, the others numbers.
pub(super) struct Table {
    pub(super) left: usize,
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The cells that were measured, a row each.
pub(super) fn cells(results: &Results) -> Option<Table> {
    let measured: Vec<&CellResult> =
        results.cells.iter().filter(|cell| !cell.repetitions.is_empty()).collect();
    if measured.is_empty() {
        return None;
    }
    let mut head = axes(results);
    let shown = COLUMNS
        .iter()
        .filter(|(_, metric, _)| measured.iter().any(|cell| cell.estimate(*metric).is_some()));
    let shown: Vec<_> = shown.collect();
    for (name, ..) in &shown {
        head.push((*name).to_owned());
        if *name == "us/file" {
            head.extend(["95 %".to_owned(), "min-max".to_owned()]);
        }
    }
    head.push(String::new());
    let rows = measured.iter().map(|cell| {
        let mut row = settings(results, cell);
        for (name, metric, times) in &shown {
            let Some(found) = cell.estimate(*metric) else {
                row.push("-".to_owned());
                continue;
            };
            row.push(number(found.median * times));
            if *name == "us/file" {
                row.push(format!("{}-{}", number(found.low), number(found.high)));
                row.push(format!("{}-{}", number(found.min), number(found.max)));
            }
        }
        let is_limited = cell.is_server_the_limit(results.protocol.cpus_origin.len());
        let marks = [(is_limited, "s"), (cell.is_noisy(), "n"), (cell.is_behind(), "b")];
        row.push(marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| *mark).collect());
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    Some(Table { left: axes(results).len(), head, rows })
}

/// Names of the axes that tell cells apart; all of them where nothing does.
pub(super) fn axes(results: &Results) -> Vec<String> {
    match results.protocol.compared.is_empty() {
        false => results.protocol.compared.clone(),
        true => {
            let settings = results.cells.iter().take(1).flat_map(|cell| &cell.settings);
            settings.map(|(axis, _)| axis.clone()).collect()
        }
    }
}

fn settings(results: &Results, cell: &CellResult) -> Vec<String> {
    let values =
        axes(results).into_iter().map(|axis| cell.setting(&axis).unwrap_or("-").to_owned());
    values.collect()
}

/// The parts of the work beside the whole, a row for each cell that does both; nothing where there
/// is none.
pub(super) fn parts(results: &Results) -> Option<Table> {
    let axes: Vec<String> = axes(results).into_iter().filter(|axis| axis != parts::AXIS).collect();
    let nothing = || "-".to_owned();
    let rows = results.parts.iter().map(|of| {
        let setting = |axis: &String| {
            let found = of.settings.iter().find(|(name, _)| name == axis);
            found.map_or_else(nothing, |(_, value)| value.clone())
        };
        let mut row: Vec<String> = axes.iter().map(setting).collect();
        let median = |found: &Estimate| number(found.median);
        let interval = |found: &Estimate| format!("{}-{}", number(found.low), number(found.high));
        row.extend([&of.network, &of.files].map(median));
        row.push(of.neither.as_ref().map_or_else(nothing, median));
        row.extend([median(&of.sum), interval(&of.sum), median(&of.whole), interval(&of.whole)]);
        let ratio = of.whole_by_sum.map(|found| (found.ratio, found.low, found.high));
        row.push(ratio.map_or_else(nothing, |(ratio, low, high)| {
            format!("{ratio:.2} [{low:.2}, {high:.2}]")
        }));
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let left = axes.len();
    let names = ["network", "files", "neither", "sum", "95 %", "whole", "95 %", "whole/sum"];
    Some(Table { left, head: axes.into_iter().chain(names.map(str::to_owned)).collect(), rows })
}

/// Kernel events, a row a cell; nothing where none were counted.
pub(super) fn events(results: &Results) -> Option<Table> {
    let rows = results.cells.iter().filter_map(|cell| {
        let events = cell.events.as_ref().filter(|events| events.files > 0)?;
        let mut row = settings(results, cell);
        let files = events.files as f64;
        let enters = events.count(&["syscalls:sys_enter_io_uring_enter"]);
        let submitted =
            events.count(&["io_uring:io_uring_submit_req", "io_uring:io_uring_submit_sqe"]);
        let completed = events.count(&["io_uring:io_uring_complete"]);
        let punted = events.count(&["io_uring:io_uring_queue_async_work"]);
        let mut calls = events.calls();
        calls.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        row.extend([
            number(events.count(&[ALL_CALLS]) / files),
            number(enters / files),
            number(submitted / enters.max(1.0)),
            number(completed / enters.max(1.0)),
            number(punted / files),
        ]);
        let others = calls.iter().filter(|(name, _)| *name != "io_uring_enter").take(CALLS_SHOWN);
        let others =
            others.map(|(name, count)| format!("{name} {}", number(*count as f64 / files)));
        row.push(others.collect::<Vec<_>>().join(", "));
        Some(row)
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return None;
    }
    let mut head = axes(results);
    let names =
        ["syscalls", "enters", "SQEs/enter", "CQEs/enter", "punts", "the most frequent others"];
    head.extend(names.map(str::to_owned));
    Some(Table { left: axes(results).len(), head, rows })
}

impl Events {
    /// How often one of these happened.
    fn count(&self, names: &[&str]) -> f64 {
        names.iter().filter_map(|name| self.counts.get(*name)).sum::<u64>() as f64
    }

    /// System calls by name.
    fn calls(&self) -> Vec<(&str, u64)> {
        let counts = self.counts.iter();
        let calls = counts.filter_map(|(name, count)| Some((name.strip_prefix(ONE_CALL)?, *count)));
        calls.collect()
    }
}

impl Table {
    /// Columns as wide as they need to be: words to the left, numbers to the right.
    fn text(&self) -> String {
        let Self { left, head, rows } = self;
        let widths: Vec<usize> = (0..head.len())
            .map(|at| rows.iter().map(move |row| &row[at]).chain([&head[at]]))
            .map(|column| column.map(|text| text.chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(head).chain(rows) {
            let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| {
                let is_left = at < *left || at + 1 == row.len();
                if is_left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            text += cells.collect::<Vec<_>>().join("  ").trim_end();
            text.push('\n');
        }
        text
    }
}

/// Three digits, more where they are before the point.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value >= 999.5 => {
            // Rates and counts are far below what does not fit.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
            let whole = value.round() as u64;
            Number(whole).to_string()
        }
        value if value >= 99.95 => format!("{value:.0}"),
        value if value >= 9.995 => format!("{value:.1}"),
        value if value > 0.0 => format!("{value:.2}"),
        _ => "0".to_owned(),
    }
}

/// System calls that are shown of a cell, beside `io_uring_enter`.
const CALLS_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::verdict::tests::results;
    use std::collections::BTreeMap;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.004, "0.00"),
            (0.126, "0.13"),
            (9.994, "9.99"),
            (9.996, "10.0"),
            (99.94, "99.9"),
            (99.96, "100"),
            (999.4, "999"),
            (41_234.4, "41,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn parts_stand_beside_their_whole() {
        let mut results = results(&[
            ("size=1k dest=/a part=both", 45.0),
            ("size=1k part=network", 30.0),
            ("size=1k dest=/a part=files", 25.0),
            ("size=1k part=neither", 10.0),
        ]);
        results.summarize();
        let text = render(&results);
        let at = text.find("network + files - neither)").expect("there is a table");
        let table: Vec<Vec<&str>> = text[at..]
            .lines()
            .skip(2)
            .take(2)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(table[0][..6], ["dest", "size", "network", "files", "neither", "sum"], "{text}");
        assert_eq!(table[1][..6], ["/a", "1k", "30.0", "25.0", "10.0", "45.0"], "{text}");
        assert_eq!(table[1][7..10], ["45.0", "44.9-45.1", "1.00"], "{text}");
    }

    #[test]
    fn the_text_has_cells_errors_events_and_a_verdict() {
        let mut results = results(&[("conns=1", 10.0), ("conns=2", 20.0), ("conns=3", 1.0)]);
        results.cells[2].error = Some("the kernel refuses it".to_owned());
        results.cells[2].repetitions.clear();
        let counts = [
            ("raw_syscalls:sys_enter", 150),
            ("syscalls:sys_enter_io_uring_enter", 100),
            ("syscalls:sys_enter_read", 50),
            ("io_uring:io_uring_submit_req", 200),
            ("io_uring:io_uring_complete", 400),
        ];
        let counts: BTreeMap<String, u64> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        results.cells[0].events = Some(Events { files: 100, counts });
        results.notes.push("a note".to_owned());
        results.environment.cpu_model = "CPU".to_owned();
        (results.protocol.time_s, results.protocol.rate) = (Some(1.5), Some("5/s".to_owned()));
        results.environment.ring.setup_flags = vec!["CLAMP".to_owned(), "R_DISABLED".to_owned()];
        results.environment.ring.operations = vec!["RECV".to_owned()];
        let text = render(&results);
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            words(line("conns  files/s"))[..5],
            ["conns", "files/s", "MiB/s", "us/file", "95"]
        );
        assert_eq!(words(line("1 "))[1..6], ["1,000", "0.95", "10.0", "9.98-10.0", "9.97-10.0"]);
        assert_eq!(line("error: "), "error: conns=3: the kernel refuses it");
        let counted = words(text.lines().find(|line| line.ends_with("read 0.50")).unwrap());
        assert_eq!(counted[1..6], ["1.50", "1.00", "2.00", "4.00", "0"]);
        assert!(text.contains("\n  conns=2 against 1: CPU per file 2.00"), "{text}");
        assert!(
            text.contains("7 repetitions each of 1.5 s, requests due at 5/s; clients"),
            "{text}"
        );
        assert!(text.contains("\nio_uring: CLAMP R_DISABLED\n  operations: RECV\n"), "{text}");
        assert!(text.ends_with("\nNotes:\n  a note\n"), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }
}
