//! Progress in one line, made for as many columns as there are: what people look for first (the
//! share that is done, rate, time left, failures), and the rest as there is room.

use super::figures::{Count, HostName, Left, Rate, Size};
use super::pushing;
use super::view::{Holdup, LongFiles, Meter, View};
use crate::fault::escape_hidden;
use std::fmt;

/// Progress of a run in at most `columns` columns, or in one line of any length.
pub fn line(view: &View, meter: &Meter, columns: Option<usize>) -> String {
    let parts = parts(view, meter);
    let Some(columns) = columns else { return joined(&parts, &longest(&parts), ", ") };
    let separator = if columns < NARROW_COLUMNS { " " } else { ", " };
    let (line, width) = fitted(&parts, separator, columns);
    if width > columns {
        return cut(&line, columns);
    }
    // Its length must not follow every digit of the rest.
    let bar_columns = BARS_COLUMNS.into_iter().find(|bar| width + bar < columns);
    match (view.total(), bar_columns) {
        (Some(total), Some(columns)) if !view.is_paused && view.done() > 0 && total > 1 => {
            format!("{} {line}", bar((view.done(), total), columns))
        }
        (Some(1), Some(columns)) if !view.is_paused && one_file(view).is_some() => {
            let LongFiles { bytes, bytes_there, .. } = view.long;
            format!("{} {line}", bar((bytes_there, bytes), columns))
        }
        (_, _) => line,
    }
}

/// A part of the line, in one of its forms or left out.
struct Part {
    /// Forms of the part, shorter ones first, each with its rank: forms of a lower rank get room
    /// first.
    forms: Vec<(u8, String)>,
    /// Separator between it and the part before, where that is not the usual one.
    before: Option<&'static str>,
}

impl Part {
    fn of(forms: impl Into<Vec<(u8, String)>>) -> Self {
        Self { forms: forms.into(), before: None }
    }
}

/// All parts, in the order in which they are read.
fn parts(view: &View, meter: &Meter) -> Vec<Part> {
    let rates = meter.rates(view);
    let is_one = view.total() == Some(1);
    let mut parts = vec![share(view)];
    if view.is_paused {
        parts.push(Part::of([(1, "paused".to_owned()), (2, PAUSED.to_owned())]));
    } else if view.is_stopping {
        parts.push(Part::of([(1, "stopping".to_owned())]));
    }
    if !is_one && view.done() > 0 {
        let rate = Rate(rates.files);
        parts.push(Part::of([(3, format!("{rate}/s")), (6, format!("{rate} files/s"))]));
    }
    let speed = format!("{}/s", speed(rates.bytes));
    parts.push(Part::of([(if is_one { 3 } else { 8 }, speed)]));
    if !is_one && view.long.bytes >= UNDER_WAY_BYTES_MIN {
        let LongFiles { bytes, bytes_there, .. } = view.long;
        let under_way = format!("{} of {} under way", Size(bytes_there), Size(bytes));
        parts.push(Part::of([(8, under_way)]));
    }
    if let Some(left) = meter.left(view) {
        parts.push(Part::of([(4, format!("{} left", Left(left)))]));
    }
    let failed = view.failed + view.cancelled;
    if failed > 0 {
        parts.push(Part::of([(5, format!("{} failed", Count(failed)))]));
    }
    if !is_one {
        parts.push(Part::of([(9, format!("{} in flight", Count(view.in_flight as u64)))]));
    }
    let waiting = (view.queued + view.deferred) as u64;
    if waiting > 0 {
        parts.push(Part::of([(11, format!("{} waiting", Count(waiting)))]));
    }
    if let ([first, others @ ..], true) = (&*view.holdups, view.is_held_up()) {
        let first = format!("held up: {}", Held(first, HOST_CHARS_MAX));
        let mut forms = vec![(10, first.clone())];
        forms.extend(
            others.first().map(|second| (12, format!("{first}, {}", Held(second, HOST_CHARS_MAX)))),
        );
        parts.push(Part { forms, before: Some("; ") });
    }
    if let Some(worst) = pushing::worst(&view.pushing) {
        let forms = vec![(13, worst.briefly(HOST_CHARS_MAX))];
        parts.push(Part { forms, before: Some("; ") });
    }
    parts
}

/// The part that says how much is done, of how much.
fn share(view: &View) -> Part {
    let done = Count(view.done());
    match view.total() {
        Some(1) => match one_file(view) {
            Some(LongFiles { bytes, bytes_there, .. }) => {
                let percent = percent(bytes_there, bytes);
                let sizes = format!("{percent}% ({} of {})", Size(bytes_there), Size(bytes));
                Part::of([(0, format!("{percent}%")), (7, sizes)])
            }
            None => Part::of([(0, Size(view.bytes).to_string())]),
        },
        Some(total) => {
            let percent = percent(view.done(), total);
            let counts = format!("{percent}% ({done} of {})", Count(total));
            Part::of([(0, format!("{percent}%")), (7, counts)])
        }
        None => {
            let counts = format!("{done} of at least {}", Count(view.lines_read));
            Part::of([(0, format!("{done} done")), (7, counts)])
        }
    }
}

/// The long file under way of a run that has one file.
fn one_file(view: &View) -> Option<LongFiles> {
    (view.total() == Some(1) && view.done() == 0 && view.long.count == 1).then_some(view.long)
}

/// Percentage that is done, 100 only when all is.
fn percent(done: u64, total: u64) -> u64 {
    let percent = u128::from(done) * 100 / u128::from(total.max(1));
    u64::try_from(percent).map_or(100, |percent| percent.min(100))
}

/// The forms of lowest rank that fit together, and how many columns they take. The first form of
/// all is there in any case.
fn fitted(parts: &[Part], separator: &str, columns: usize) -> (String, usize) {
    let mut ranked: Vec<(u8, usize, usize)> = Vec::new();
    for (part, Part { forms, .. }) in parts.iter().enumerate() {
        ranked.extend(forms.iter().enumerate().map(|(form, (rank, _))| (*rank, part, form)));
    }
    ranked.sort_unstable();
    let mut chosen = vec![None; parts.len()];
    let (mut line, mut width) = (String::new(), 0);
    for (place, (_, part, form)) in ranked.into_iter().enumerate() {
        let mut with = chosen.clone();
        with[part] = Some(form);
        let text = joined(parts, &with, separator);
        let text_width = columns_of(&text);
        if place == 0 || text_width <= columns {
            (chosen, line, width) = (with, text, text_width);
        }
    }
    (line, width)
}

fn longest(parts: &[Part]) -> Vec<Option<usize>> {
    parts.iter().map(|part| part.forms.len().checked_sub(1)).collect()
}

fn joined(parts: &[Part], chosen: &[Option<usize>], separator: &str) -> String {
    let mut line = String::new();
    for (part, form) in parts.iter().zip(chosen) {
        let Some(form) = form else { continue };
        if !line.is_empty() {
            line.push_str(part.before.unwrap_or(separator));
        }
        line.push_str(&part.forms[*form].1);
    }
    line
}

/// A bar of this many columns, for `done` of `total`.
fn bar((done, total): (u64, u64), columns: usize) -> String {
    let inner = columns - 2;
    let full = u128::from(done) * inner as u128 / u128::from(total.max(1));
    let full = usize::try_from(full).map_or(inner, |full| full.min(inner));
    let tip = if full < inner { ">" } else { "" };
    format!("[{}{tip}{}]", "=".repeat(full), " ".repeat(inner - full - tip.len()))
}

/// Columns of a terminal that a text takes at most: beyond ASCII a character may take two.
fn columns_of(text: &str) -> usize {
    text.chars().map(|char| if char.is_ascii() { 1 } else { 2 }).sum()
}

/// Begin of a text that fits into the columns.
fn cut(text: &str, columns: usize) -> String {
    let mut left = columns;
    let fits = |char: &char| {
        let width = if char.is_ascii() { 1 } else { 2 };
        left.checked_sub(width).map(|rest| left = rest).is_some()
    };
    text.chars().take_while(fits).collect()
}

#[allow(clippy::cast_possible_truncation, reason = "no rate is below zero, and casts saturate")]
pub(super) fn speed(bytes_per_second: f64) -> Size {
    Size(bytes_per_second as u64)
}

/// A host that holds the run up, in a few words with at most this many characters of its name: the
/// last ones, which tell most.
pub(super) struct Held<'a>(pub(super) &'a Holdup, pub(super) usize);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Holdup { host, queued, why, .. }, chars_max) = self;
        let host = HostName(host, *chars_max);
        write!(f, "{host} {} ({})", Count(*queued), escape_hidden(why))
    }
}

/// Words for a full disk.
pub(super) const PAUSED: &str = "paused: the disk is full";
/// Length of all long files under way from which on it is told among many files, in bytes: those
/// of a few megabytes come and go.
const UNDER_WAY_BYTES_MIN: u64 = 64 << 20;
/// Most characters of a host's name.
const HOST_CHARS_MAX: usize = 40;
/// With fewer columns than this, words are apart by blanks only.
const NARROW_COLUMNS: usize = 40;
/// Widths of the bar in columns, which is drawn where there is room for it and a blank.
const BARS_COLUMNS: [usize; 2] = [26, 12];

#[cfg(test)]
mod tests {
    use super::super::view::tests::view;
    use super::*;
    use std::time::Duration;

    /// Of all widths, those that a table names.
    fn shown(view: &View, widths: &[usize]) -> Vec<String> {
        for columns in 0..=250 {
            let line = line(view, &Meter::default(), Some(columns));
            assert!(columns_of(&line) <= columns, "{columns}: {line}");
            assert!(!line.contains(char::is_control), "{columns}: {line}");
            assert!(columns < 5 || !line.is_empty(), "{columns}");
        }
        widths.iter().map(|columns| line(view, &Meter::default(), Some(*columns))).collect()
    }

    #[test]
    fn what_people_look_for_comes_first() {
        let many = View {
            elapsed: Duration::from_secs(100),
            lines_read: 200_000,
            ok: 73_990,
            skipped: 0,
            failed: 10,
            bytes: 1_960_000_000,
            in_flight: 64,
            queued: 125_936,
            holdups: Vec::new(),
            ..view()
        };
        assert_eq!(
            shown(&many, &[20, 40, 60, 80, 120, 200]),
            [
                "37% 740/s 2m51s left",
                "37%, 740 files/s, 2m51s left, 10 failed",
                "37% (74,000 of 200,000), 740 files/s, 2m51s left, 10 failed",
                "37% (74,000 of 200,000), 740 files/s, 19.6 MB/s, 2m51s left, 10 failed",
                "[===>      ] 37% (74,000 of 200,000), 740 files/s, 19.6 MB/s, 2m51s left, \
                 10 failed, 64 in flight, 125,937 waiting",
                "[========>               ] 37% (74,000 of 200,000), 740 files/s, 19.6 MB/s, \
                 2m51s left, 10 failed, 64 in flight, 125,937 waiting",
            ]
        );
    }

    #[test]
    fn who_holds_the_run_up_is_said_as_there_is_room() {
        assert_eq!(
            shown(&view(), &[20, 40, 60, 80, 120, 200]),
            [
                "33% 5.0/s 20 s left",
                "33%, 5.0 files/s, 20 s left, 2 failed",
                "33% (50 of 150), 5.0 files/s, 1.0 MB/s, 20 s left, 2 failed",
                "33% (50 of 150), 5.0 files/s, 1.0 MB/s, 20 s left, 2 failed, 8 in flight",
                "33% (50 of 150), 5.0 files/s, 1.0 MB/s, 20 s left, 2 failed, 8 in flight; \
                 held up: slow.example 1,204 (429, rests 12 s)",
                "[========>               ] 33% (50 of 150), 5.0 files/s, 1.0 MB/s, 20 s left, \
                 2 failed, 8 in flight, 92 waiting; held up: slow.example 1,204 (429, rests 12 s), \
                 dead.example:8080 310 (down)",
            ]
        );
        // No host is to blame when there is no room for more.
        let full = View { in_flight_max: 8, ..view() };
        assert!(!line(&full, &Meter::default(), None).contains("held up"));
    }

    #[test]
    fn a_line_without_a_width_says_it_all() {
        assert_eq!(
            line(&view(), &Meter::default(), None),
            "33% (50 of 150), 5.0 files/s, 1.0 MB/s, 20 s left, 2 failed, 8 in flight, 92 waiting; \
             held up: slow.example 1,204 (429, rests 12 s), dead.example:8080 310 (down)"
        );
    }

    #[test]
    fn each_state_of_a_run() {
        let calm = View { holdups: Vec::new(), queued: 0, deferred: 0, failed: 0, ..view() };
        let at_80 = |view: &View| shown(view, &[80]).remove(0);
        let reading = View { is_input_read: false, lines_read: 34_567_890, ..calm.clone() };
        assert_eq!(
            shown(&reading, &[20, 40, 80]),
            [
                "48 done 4.8 files/s",
                "48 of at least 34.5 M, 4.8 files/s",
                "48 of at least 34.5 M, 4.8 files/s, 1.0 MB/s, 8 in flight",
            ]
        );
        let begun = View { ok: 0, skipped: 0, bytes: 0, ..calm.clone() };
        assert_eq!(at_80(&begun), "0% (0 of 150), 0 B/s, 8 in flight");
        let paused = View { is_paused: true, ..calm.clone() };
        assert_eq!(
            shown(&paused, &[20, 40, 80]),
            [
                "32% paused 4.8/s",
                "32%, paused: the disk is full, 4.8/s",
                "32% (48 of 150), paused: the disk is full, 4.8 files/s, 1.0 MB/s, 8 in flight",
            ]
        );
        let stopping = View { is_stopping: true, ..calm.clone() };
        assert_eq!(
            at_80(&stopping),
            "[===>      ] 32% (48 of 150), stopping, 4.8 files/s, 1.0 MB/s, 8 in flight"
        );
        let nearly = View { ok: 149, skipped: 0, in_flight: 1, ..calm.clone() };
        assert!(
            at_80(&nearly).contains(" 99% (149 of 150)") && at_80(&nearly).contains(" 1 s left")
        );
        let over = View { ok: 150, skipped: 0, in_flight: 0, ..calm.clone() };
        assert!(at_80(&over).contains("=] 100% (150 of 150), ") && !at_80(&over).contains("left"));
        let one = View { lines_read: 1, ok: 0, skipped: 0, in_flight: 1, ..calm };
        assert_eq!(shown(&one, &[10, 80]), ["10.0 MB", "10.0 MB, 1.0 MB/s"]);
    }

    #[test]
    fn bytes_of_long_files_are_told() {
        let long = LongFiles { count: 1, bytes: 100_000_000_000, bytes_there: 12_300_000_000 };
        let calm = View { holdups: Vec::new(), queued: 0, deferred: 0, failed: 0, ..view() };
        let bytes = 11_000_000_000;
        let one = View { lines_read: 1, ok: 0, skipped: 0, in_flight: 1, bytes, long, ..calm };
        assert_eq!(
            shown(&one, &[4, 20, 40, 60, 80]),
            [
                "12%",
                "12% 1.1 GB/s",
                "[=>        ] 12%, 1.1 GB/s, 1m20s left",
                "[=>        ] 12% (12.3 GB of 100.0 GB), 1.1 GB/s, 1m20s left",
                "[==>                     ] 12% (12.3 GB of 100.0 GB), 1.1 GB/s, 1m20s left",
            ]
        );
        let paused = View { is_paused: true, ..one.clone() };
        assert_eq!(
            shown(&paused, &[80]),
            ["12% (12.3 GB of 100.0 GB), paused: the disk is full, 1.1 GB/s"]
        );
        let over = View { ok: 1, in_flight: 0, long: LongFiles::default(), ..one.clone() };
        assert_eq!(shown(&over, &[80]), ["11.0 GB, 1.1 GB/s"]);
        let many = View { lines_read: 4, ok: 2, in_flight: 2, ..one };
        let text = line(&many, &Meter::default(), None);
        let wanted = "50% (2 of 4), 0.2 files/s, 1.1 GB/s, 12.3 GB of 100.0 GB under way, ";
        assert!(text.starts_with(wanted), "{text}");
        let short = LongFiles { bytes: UNDER_WAY_BYTES_MIN - 1, ..long };
        let text = line(&View { long: short, ..many }, &Meter::default(), None);
        assert!(!text.contains("under way"), "{text}");
    }

    #[test]
    fn what_lists_call_hosts_breaks_no_line() {
        let mut odd = view();
        odd.holdups[0].host = "\u{202e}\u{1b}[2J例え.テスト\u{200b}e\u{301}\n".repeat(3);
        let lines = shown(&odd, &[80, 200]);
        assert!(!lines[0].contains("held up"), "{lines:?}");
        assert!(lines[1].contains("held up: ...") && lines[1].contains('例'), "{lines:?}");
        odd.holdups[0].host = format!("{}.cdn.example", "x".repeat(60));
        let held = Held(&odd.holdups[0], 12).to_string();
        assert_eq!(held, "....cdn.example 1,204 (429, rests 12 s)");
        assert_eq!(cut("例え", 3), "例");
    }
}
