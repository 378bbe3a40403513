//! The verdict: what the cells say when they are compared, in sentences.

use super::matrix::WORK;
use super::parts::{self, Composition, compositions};
use super::results::{CPU_PER_FILE, CellResult, FILES_PER_S, LATE_MAX, Metric, Results};
use super::sample::{REPEAT_MIN, Ratio};
use std::collections::BTreeSet;

/// What can be said, one sentence each: what spoils it, what each axis does, and which cells are
/// the best.
pub fn sentences(results: &Results) -> Vec<String> {
    let cells: Vec<&CellResult> =
        results.cells.iter().filter(|cell| cell.error.is_none()).collect();
    if cells.is_empty() {
        return vec!["no cell could be measured".to_owned()];
    }
    let fewest = cells.iter().map(|cell| cell.repetitions.len()).min().unwrap_or(0);
    if fewest < REPEAT_MIN {
        return vec![format!(
            "too few repetitions for a verdict: {fewest}, and it takes {REPEAT_MIN}"
        )];
    }
    let (noisy, calm): (Vec<&CellResult>, Vec<&CellResult>) =
        cells.iter().partition(|cell| cell.is_noisy());
    if noisy.len() > calm.len() {
        return vec![format!(
            "too noisy for a verdict: in {} of {} cells the interval of the CPU time is too wide; \
             end what else runs here, or give more --repeat",
            noisy.len(),
            cells.len()
        )];
    }
    let mut told = Vec::new();
    for cell in noisy {
        told.push(format!("{} is too noisy, and left out of what follows", named(&cell.name)));
    }
    let limited = |cell: &CellResult| cell.is_server_the_limit(results.protocol.cpus_origin.len());
    let count = calm.iter().filter(|cell| limited(cell)).count();
    if count > 0 {
        told.push(format!(
            "the server is the limit in {count} of {} cells (marked s): their files a second are \
             the server's, their CPU time is the client's",
            cells.len()
        ));
    }
    told.extend(behind(&calm));
    let judge = Judge { all: &results.cells, calm: &calm, limited: &limited };
    for axis in results.protocol.compared.iter().filter(|axis| !APART.contains(&axis.as_str())) {
        told.extend(judge.axis(axis));
    }
    told.extend(compositions(&calm).iter().filter_map(composed));
    told.extend(judge.best(&results.protocol.compared));
    if told.is_empty() {
        told.push("there is nothing to compare: give an axis two values".to_owned());
    }
    told
}

/// What is to be said where requests began later than they were due.
fn behind(cells: &[&CellResult]) -> Option<String> {
    let behind: Vec<&&CellResult> = cells.iter().filter(|cell| cell.is_behind()).collect();
    let latest = behind.iter().filter_map(|cell| cell.estimate(LATE_MAX)).map(|late| late.median);
    let latest = latest.max_by(f64::total_cmp)?;
    Some(format!(
        "the schedule was not kept in {} of {} cells (marked b): requests began up to {latest:.0} \
         ms after they were due, because connections (-j, -x) or CPU were lacking; latencies that \
         count from their begin do not show that, those from when they were due do",
        behind.len(),
        cells.len()
    ))
}

/// What the parts of some work come to, beside the whole of it.
fn composed(of: &Composition) -> Option<String> {
    let work: String = of.settings.iter().map(|(axis, value)| format!("{axis}={value} ")).collect();
    let work = if work.is_empty() { String::new() } else { format!("{}: ", work.trim_end()) };
    let less = if of.neither.is_some() { " - neither" } else { "" };
    let whole = text(&of.whole_by_sum?);
    Some(format!("{work}CPU per file of the whole, by network + files{less}: {whole}"))
}

/// Axes between whose values there is nothing to compare.
const APART: [&str; 2] = ["size", parts::AXIS];

/// The cells that a verdict rests on.
struct Judge<'a> {
    all: &'a [CellResult],
    calm: &'a [&'a CellResult],
    limited: &'a dyn Fn(&CellResult) -> bool,
}

impl Judge<'_> {
    /// Each further value of an axis against its first one, over all cells that differ in nothing
    /// else.
    fn axis(&self, axis: &str) -> Vec<String> {
        let mut values: Vec<&str> = Vec::new();
        for value in self.all.iter().filter_map(|cell| cell.setting(axis)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        let Some((&first, others)) = values.split_first() else { return Vec::new() };
        let mut told = Vec::new();
        for other in others {
            let pairs: Vec<(&CellResult, &CellResult)> = self
                .calm
                .iter()
                .filter(|cell| cell.setting(axis) == Some(other))
                .filter_map(|cell| Some((*cell, self.partner(cell, axis, first)?)))
                .collect();
            let Some(cpu) = relate(&pairs, CPU_PER_FILE) else { continue };
            let free: Vec<_> = pairs
                .iter()
                .filter(|(one, other)| !(self.limited)(one) && !(self.limited)(other))
                .copied()
                .collect();
            let rate = relate(&free, FILES_PER_S)
                .map_or(String::new(), |rate| format!("; files a second {}", text(&rate)));
            let over = match pairs.len() {
                1 => String::new(),
                count => format!(" (over {count} pairs of cells)"),
            };
            let cpu = text(&cpu);
            told.push(format!("{axis}={other} against {first}: CPU per file {cpu}{rate}{over}"));
        }
        told
    }

    /// The cell that differs from this one in the value on the axis alone.
    fn partner(&self, cell: &CellResult, axis: &str, value: &str) -> Option<&CellResult> {
        let is_partner = |other: &&&CellResult| {
            other.setting(axis) == Some(value)
                && other.settings.len() == cell.settings.len()
                && cell.settings.iter().all(|(name, value)| {
                    name == axis || other.setting(name) == Some(value.as_str())
                })
        };
        self.calm.iter().find(is_partner).copied()
    }

    /// For each kind of work the cell that does it with the least CPU time, where there are several
    /// ways to do it.
    fn best(&self, compared: &[String]) -> Vec<String> {
        let is_way = |axis: &&String| !WORK.contains(&axis.as_str());
        let ways: Vec<&String> = compared.iter().filter(is_way).collect();
        let part = |cell: &CellResult, is_work: bool| {
            let settings = cell.settings.iter();
            let settings = settings.filter(|(axis, _)| ways.contains(&axis) != is_work);
            let words: Vec<String> =
                settings.map(|(axis, value)| format!("{axis}={value}")).collect();
            words.join(" ")
        };
        let mut told = Vec::new();
        let mut done = BTreeSet::new();
        for cell in self.calm {
            let work = part(cell, true);
            let mut group: Vec<(f64, &CellResult)> = self
                .calm
                .iter()
                .filter(|other| part(other, true) == work)
                .filter_map(|other| Some((other.estimate(CPU_PER_FILE)?.median, *other)))
                .collect();
            group.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            let [(_, best), (_, next), ..] = group[..] else { continue };
            if !done.insert(work.clone()) {
                continue;
            }
            let Some(ratio) = relate(&[(best, next)], CPU_PER_FILE) else { continue };
            let work = if work.is_empty() { String::new() } else { format!("{work}: ") };
            let (best_name, next_name) = (part(best, false), part(next, false));
            told.push(match differ(best, next) {
                true => format!(
                    "{work}least CPU per file with {best_name}: {} of {next_name}",
                    text(&ratio)
                ),
                false => format!("{work}no difference between {best_name} and {next_name}"),
            });
        }
        told
    }
}

fn differ(one: &CellResult, other: &CellResult) -> bool {
    let both = one.estimate(CPU_PER_FILE).zip(other.estimate(CPU_PER_FILE));
    both.is_some_and(|(one, other)| one.differs(&other))
}

fn relate(pairs: &[(&CellResult, &CellResult)], metric: Metric) -> Option<Ratio> {
    let values: Vec<(Vec<f64>, Vec<f64>)> =
        pairs.iter().map(|(one, other)| (one.values(metric), other.values(metric))).collect();
    let slices: Vec<(&[f64], &[f64])> =
        values.iter().map(|(one, other)| (one.as_slice(), other.as_slice())).collect();
    Ratio::new(&slices)
}

/// A ratio with its interval, or that there is none.
fn text(ratio: &Ratio) -> String {
    let Ratio { ratio: value, low, high } = ratio;
    let none = if ratio.is_no_difference() { "no difference, " } else { "" };
    format!("{none}{value:.2} [{low:.2}, {high:.2}]")
}

/// The name of a cell, which may have none.
pub(super) fn named(name: &str) -> &str {
    if name.is_empty() { "the cell" } else { name }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::results::{Environment, Protocol, Repetition};

    /// Results with these cells, each with seven repetitions of about so many microseconds a file.
    pub(in crate::bench) fn results(cells: &[(&str, f64)]) -> Results {
        let mut compared: Vec<String> = Vec::new();
        let cells = cells.iter().map(|(name, micros)| {
            let settings: Vec<(String, String)> = name
                .split(' ')
                .filter_map(|word| word.split_once('='))
                .map(|(axis, value)| (axis.to_owned(), value.to_owned()))
                .collect();
            compared.extend(settings.iter().map(|(axis, _)| axis.clone()));
            let repetition = |number: i32| Repetition {
                wall_s: 1.0,
                user_s: micros * 1e-3 * (1.0 + f64::from(number) / 1_000.0),
                files: 1_000,
                bytes: 1_000_000,
                server_cpu_s: Some(0.1),
                ..Repetition::default()
            };
            let repetitions = (-3..=3).map(repetition).collect();
            let name = (*name).to_owned();
            CellResult { name, settings, cores: 1, repetitions, ..CellResult::default() }
        });
        let cells: Vec<CellResult> = cells.collect();
        compared.sort();
        compared.dedup();
        let protocol =
            Protocol { repeat: 7, cpus_origin: vec![0], compared, ..Protocol::default() };
        Results::new(Environment::default(), protocol, cells)
    }

    #[test]
    fn an_axis_is_judged_over_all_pairs() {
        let told = sentences(&results(&[
            ("size=1k conns=1", 10.0),
            ("size=1k conns=9", 20.0),
            ("size=9k conns=1", 30.0),
            ("size=9k conns=9", 60.0),
        ]));
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[0].starts_with("conns=9 against 1: CPU per file 2.00 ["), "{told:#?}");
        assert!(told[0].contains("files a second no difference") && told[0].contains("2 pairs"));
        assert!(
            told[1].starts_with("size=1k: least CPU per file with conns=1: 0.50 ["),
            "{told:#?}"
        );
    }

    #[test]
    fn a_schedule_that_was_not_kept_is_named() {
        let mut found = results(&[("conns=1", 10.0), ("conns=2", 20.0), ("conns=3", 20.0)]);
        for (cell, late_s) in found.cells.iter_mut().zip([0.5, 0.002]) {
            for repetition in &mut cell.repetitions {
                (repetition.late_p99_s, repetition.late_max_s) = (Some(late_s), Some(late_s * 2.0));
            }
        }
        let told = sentences(&found);
        assert!(told[0].starts_with("the schedule was not kept in 1 of 3 cells"), "{told:#?}");
        assert!(told[0].contains("up to 1000 ms"), "{told:#?}");
        found.cells.remove(0);
        assert!(!sentences(&found)[0].contains("schedule"));
    }

    #[test]
    fn parts_are_judged_by_their_sum() {
        let mut found = results(&[
            ("size=1k dest=/a part=both", 45.0),
            ("size=1k part=network", 30.0),
            ("size=1k dest=/a part=files", 25.0),
            ("size=1k part=neither", 10.0),
        ]);
        let told = sentences(&found);
        assert_eq!(told.len(), 1, "{told:#?}");
        let words = "size=1k dest=/a: CPU per file of the whole, by network + files - neither: \
                     no difference, 1.00 [";
        assert!(told[0].starts_with(words), "{told:#?}");
        found.cells.pop();
        let told = sentences(&found);
        assert!(told[0].contains("by network + files: 0.82 ["), "{told:#?}");
    }

    #[test]
    fn what_is_the_same_is_no_difference() {
        let told = sentences(&results(&[("split=1", 10.0), ("split=2", 10.0)]));
        assert_eq!(told.len(), 2, "{told:#?}");
        assert!(told[0].contains("CPU per file no difference, 1.00"), "{told:#?}");
        assert_eq!(told[1], "no difference between split=1 and split=2");
    }

    #[test]
    fn what_spoils_a_verdict_is_said() {
        let mut few = results(&[("conns=1", 10.0), ("conns=2", 20.0)]);
        few.cells[1].repetitions.truncate(2);
        assert_eq!(sentences(&few), ["too few repetitions for a verdict: 2, and it takes 7"]);

        let mut noisy = results(&[("conns=1", 10.0), ("conns=2", 20.0), ("conns=3", 30.0)]);
        let shake = |cell: &mut CellResult| {
            for (number, repetition) in (1..).zip(&mut cell.repetitions) {
                repetition.user_s *= f64::from(number);
            }
        };
        shake(&mut noisy.cells[0]);
        assert!(sentences(&noisy)[0].starts_with("conns=1 is too noisy"));
        shake(&mut noisy.cells[1]);
        let told = sentences(&noisy);
        assert!(told.len() == 1 && told[0].starts_with("too noisy for a verdict"), "{told:?}");

        let mut limited = results(&[("conns=1", 10.0), ("conns=2", 20.0)]);
        for repetition in &mut limited.cells[0].repetitions {
            repetition.server_cpu_s = Some(0.99);
        }
        let told = sentences(&limited);
        assert!(told[0].contains("limit in 1 of 2 cells"), "{told:?}");
        assert!(!told[1].contains("files a second"), "{told:?}");

        limited.cells.iter_mut().for_each(|cell| cell.error = Some("x".to_owned()));
        assert_eq!(sentences(&limited), ["no cell could be measured"]);
    }
}
