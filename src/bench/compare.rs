//! `--compare OLD.json NEW.json`: which cells have become worse.

use super::results::{
    CPU_PER_FILE, CellResult, FILES_PER_S, Metric, Results, SCHEMA, SCHEMA_VERSION,
};
use super::sample::Ratio;
use super::verdict::named;
use crate::error::RunError;
use crate::exit::ExitStatus;
use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What is compared: the words for it, and whether less is better.
const COMPARED: [(&str, Metric, bool); 2] =
    [("CPU per file", CPU_PER_FILE, true), ("files a second", FILES_PER_S, false)];

/// What became of a cell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Better,
    Same,
    Worse,
}

/// Compares two files of results. The status is that of a regression when there is one.
///
/// # Errors
/// A file cannot be read, or is none of these.
pub fn run(old: &Path, new: &Path) -> anyhow::Result<(String, ExitStatus)> {
    Ok(compare(&read(old)?, &read(new)?))
}

fn read(path: &Path) -> anyhow::Result<Results> {
    #[derive(Deserialize)]
    struct Header {
        schema: String,
        schema_version: u32,
    }
    let told = || RunError::usage(format!("cannot compare {}", path.display()));
    let text = fs::read_to_string(path).with_context(told)?;
    let header: Header = serde_json::from_str(&text)
        .context("it is no file that ringpull bench --json has written")
        .with_context(told)?;
    if header.schema != SCHEMA || header.schema_version != SCHEMA_VERSION {
        bail!(
            anyhow::anyhow!(
                "its schema is {} of version {}, and this program knows {SCHEMA} of version \
                 {SCHEMA_VERSION}",
                header.schema,
                header.schema_version
            )
            .context(told())
        );
    }
    serde_json::from_str(&text).with_context(told)
}

fn compare(old: &Results, new: &Results) -> (String, ExitStatus) {
    let mut text = String::new();
    let mut counts = [0_usize; 3];
    for cell in &new.cells {
        let name = named(&cell.name);
        let Some(before) = old.cells.iter().find(|before| before.name == cell.name) else {
            text += &format!("{name}: only in the new file\n");
            continue;
        };
        let (told, change) = judge((old, before), (new, cell));
        text += &format!("{name}: {told}\n");
        counts[change as usize] += 1;
    }
    let is_gone = |before: &&CellResult| !new.cells.iter().any(|cell| cell.name == before.name);
    for before in old.cells.iter().filter(is_gone) {
        text += &format!("{}: only in the old file\n", named(&before.name));
    }
    for difference in machines(old, new) {
        text += &format!("note: {difference}\n");
    }
    let [better, same, worse] = counts;
    text += &format!("{worse} worse, {better} better, {same} without a difference\n");
    (text, if worse > 0 { ExitStatus::Regression } else { ExitStatus::Success })
}

/// What is to be said of a cell, each with the results that it is of.
fn judge(old: (&Results, &CellResult), new: (&Results, &CellResult)) -> (String, Change) {
    let both = [old, new];
    match (&old.1.error, &new.1.error) {
        (None, Some(error)) => return (format!("WORSE: an error now: {error}"), Change::Worse),
        (Some(_), _) => return ("could not be measured before".to_owned(), Change::Same),
        (None, None) => {}
    }
    if both.iter().any(|(_, cell)| !cell.has_enough()) {
        return ("too few repetitions for a verdict".to_owned(), Change::Same);
    }
    if both.iter().any(|(_, cell)| cell.is_noisy()) {
        return ("too noisy for a verdict".to_owned(), Change::Same);
    }
    let is_limited = |(results, cell): &(&Results, &CellResult)| {
        cell.is_server_the_limit(results.protocol.cpus_origin.len())
    };
    let (mut told, mut worst) = (Vec::new(), None::<Change>);
    for (words, metric, is_less_better) in COMPARED {
        // What the server does a second is no news of the client.
        if metric.name == FILES_PER_S.name && both.iter().any(is_limited) {
            continue;
        }
        let (before, after) = (old.1.values(metric), new.1.values(metric));
        let Some(ratio) = Ratio::new(&[(&after, &before)]) else { continue };
        let differs = old.1.estimate(metric).zip(new.1.estimate(metric));
        let differs = differs.is_some_and(|(old, new)| old.differs(&new));
        let change = match ((ratio.ratio < 1.0) == is_less_better, differs) {
            (_, false) => Change::Same,
            (true, true) => Change::Better,
            (false, true) => Change::Worse,
        };
        let word = match change {
            Change::Better => "better",
            Change::Same => "no difference",
            Change::Worse => "WORSE",
        };
        let Ratio { ratio, low, high } = ratio;
        told.push(format!("{words} {ratio:.2} [{low:.2}, {high:.2}] {word}"));
        worst = Some(match (worst, change) {
            (Some(Change::Worse), _) | (_, Change::Worse) => Change::Worse,
            (Some(Change::Better), _) | (_, Change::Better) => Change::Better,
            _ => Change::Same,
        });
    }
    match worst {
        Some(change) => (told.join("; "), change),
        None => ("nothing to compare".to_owned(), Change::Same),
    }
}

/// What differs between the machines, which may be why something is worse.
fn machines(old: &Results, new: &Results) -> Vec<String> {
    let (before, after) = (&old.environment, &new.environment);
    let pairs = [
        ("kernel", &before.kernel, &after.kernel),
        ("CPU", &before.cpu_model, &after.cpu_model),
        ("ringpull", &before.ringpull, &after.ringpull),
        ("source", &old.protocol.source, &new.protocol.source),
    ];
    let differing = pairs.into_iter().filter(|(_, before, after)| before != after);
    differing.map(|(what, before, after)| format!("{what}: {before} before, {after} now")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::verdict::tests::results;

    #[test]
    fn regressions_are_named() {
        let old = results(&[("a=1", 10.0), ("b=1", 10.0), ("c=1", 10.0), ("d=1", 1.0)]);
        let mut new = results(&[("a=1", 13.0), ("b=1", 10.01), ("c=1", 5.0), ("e=1", 1.0)]);
        new.environment.kernel = "7.0".to_owned();
        let (text, status) = compare(&old, &new);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(status, ExitStatus::Regression);
        assert!(lines[0].starts_with("a=1: CPU per file 1.30 [") && lines[0].contains("] WORSE;"));
        assert!(
            lines[1].starts_with("b=1: CPU per file 1.00 [") && lines[1].contains("no difference")
        );
        assert!(lines[2].contains("] better;"), "{text}");
        assert_eq!(
            lines[3..],
            [
                "e=1: only in the new file",
                "d=1: only in the old file",
                "note: kernel:  before, 7.0 now",
                "1 worse, 1 better, 1 without a difference"
            ]
        );
        assert_eq!(compare(&old, &old).1, ExitStatus::Success);
    }

    #[test]
    fn a_cell_that_fails_now_is_worse_and_one_that_cannot_be_judged_is_not() {
        let old = results(&[("a=1", 10.0), ("b=1", 10.0)]);
        let mut new = results(&[("a=1", 20.0), ("b=1", 20.0)]);
        new.cells[0].repetitions.truncate(3);
        new.cells[1].error = Some("refused".to_owned());
        let (text, status) = compare(&old, &new);
        assert_eq!(status, ExitStatus::Regression);
        assert!(
            text.starts_with("a=1: too few repetitions for a verdict\nb=1: WORSE: an error now")
        );
        let (text, status) = compare(&new, &old);
        assert_eq!(
            (text.lines().last(), status),
            (Some("0 worse, 0 better, 2 without a difference"), ExitStatus::Success)
        );
    }
}
