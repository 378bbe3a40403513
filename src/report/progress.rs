//! Progress in a line or two, made for as many columns as there are: what people look for first
//! (the share that is done, rate, time left, failures), and the rest as there is room. Long files
//! under way have a line of their own, with their bytes.

use super::figures::{Count, HostName, Left, Of, Rate, Size, Time};
use super::look::{Look, Tint};
use super::pushing;
use super::view::{Holdup, Idle, LongFiles, Meter, View};
use super::wrap::columns_of;
use crate::fault::escape_hidden;
use std::fmt;

/// Progress of a run in one line of any length, for a log.
pub fn line(view: &View, meter: &Meter) -> String {
    let parts = parts(view, meter, Bytes::Beside);
    let line = joined(&parts, &longest(&parts), ", ", Look::default());
    format!("after {}: {line}", Time(view.elapsed))
}

/// Progress that is drawn over what was drawn before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Display {
    /// Whether there was a line for bytes: it does not come and go with every file.
    has_bytes: bool,
}

impl Display {
    /// Progress of a run in one line or two, for a terminal of so many columns and rows.
    pub fn lines(
        &mut self,
        view: &View,
        meter: &Meter,
        (columns, rows): (usize, usize),
        look: Look,
    ) -> Vec<String> {
        let has_room = rows >= ROWS_MIN;
        self.has_bytes = has_room && has_bytes(view, self.has_bytes);
        let bytes = if self.has_bytes { Bytes::Apart } else { Bytes::Beside };
        let separator = if columns < NARROW_COLUMNS { " " } else { ", " };
        let mut lines = vec![Line::fitted(parts(view, meter, bytes), separator, columns)];
        if self.has_bytes {
            lines.push(Line::fitted(bytes_parts(view, meter), separator, columns));
        } else if let Some(sizes) = lines[0].lacks_sizes().filter(|_| has_room) {
            let line = Line::fitted(vec![sizes], separator, columns);
            lines.extend(Some(line).filter(|line| line.width <= columns));
        }
        let width = lines.iter().map(|line| line.width).max().unwrap_or(0);
        // Its length must not follow every digit of the rest.
        let bar_columns = BARS_COLUMNS.into_iter().find(|bar| width + bar < columns);
        let shares = [share_shown(view, self.has_bytes), bytes_shown(view)];
        let drawn = |(line, share): (Line, Option<(u64, u64)>)| {
            let text = match line.width > columns {
                true => cut(&line.text(separator, Look::default()), columns),
                false => line.text(separator, look),
            };
            match share.zip(bar_columns) {
                Some((share, columns)) => format!("{} {text}", bar(share, columns, look)),
                None => text,
            }
        };
        lines.into_iter().zip(shares).map(drawn).map(|line| look.fitting(line)).collect()
    }
}

/// Where bytes are told of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Bytes {
    /// A line of their own.
    Apart,
    /// The line of the rest.
    Beside,
}

/// Whether long files under way are worth a line; one that is there stays a while.
fn has_bytes(view: &View, had_bytes: bool) -> bool {
    let bytes_min = if had_bytes { UNDER_WAY_BYTES_MIN / 4 } else { UNDER_WAY_BYTES_MIN };
    view.total() != Some(1) && view.long.bytes >= bytes_min
}

/// What the bar of the first line is about, if there is to be one.
fn share_shown(view: &View, has_bytes: bool) -> Option<(u64, u64)> {
    let total = view.total().filter(|_| !view.is_paused)?;
    match one_file(view) {
        Some(LongFiles { bytes, bytes_there, .. }) => Some((bytes_there, bytes)),
        None => (total > 1 && (view.done() > 0 || has_bytes)).then_some((view.done(), total)),
    }
}

/// What the bar of the second line is about, if there is to be one.
fn bytes_shown(view: &View) -> Option<(u64, u64)> {
    let LongFiles { bytes, bytes_there, .. } = view.long;
    (view.total() != Some(1) && !view.is_paused).then_some((bytes_there, bytes))
}

/// Parts that fit into a number of columns.
struct Line {
    parts: Vec<Part>,
    /// The form in which each part is shown.
    chosen: Vec<Option<usize>>,
    width: usize,
}

impl Line {
    /// The forms of lowest rank that fit together. The first form of all is there in any case.
    fn fitted(parts: Vec<Part>, separator: &str, columns: usize) -> Self {
        let mut ranked: Vec<(u8, usize, usize)> = Vec::new();
        for (part, Part { forms, .. }) in parts.iter().enumerate() {
            ranked.extend(forms.iter().enumerate().map(|(form, (rank, _))| (*rank, part, form)));
        }
        ranked.sort_unstable();
        let (mut chosen, mut width) = (vec![None; parts.len()], 0);
        for (place, (_, part, form)) in ranked.into_iter().enumerate() {
            let mut with = chosen.clone();
            with[part] = Some(form);
            let with_width = columns_of(&joined(&parts, &with, separator, Look::default()));
            if place == 0 || with_width <= columns {
                (chosen, width) = (with, with_width);
            }
        }
        Self { parts, chosen, width }
    }

    fn text(&self, separator: &str, look: Look) -> String {
        joined(&self.parts, &self.chosen, separator, look)
    }

    /// The sizes of one file, where there was no room for them.
    fn lacks_sizes(&self) -> Option<Part> {
        let sizes = self.parts.first().and_then(|share| share.sizes.clone())?;
        let is_there = self.chosen.first() == Some(&Some(self.parts[0].forms.len() - 1));
        (!is_there).then(|| Part::of([(0, sizes)]))
    }
}

/// A part of the line, in one of its forms or left out.
struct Part {
    /// Forms of the part, shorter ones first, each with its rank: forms of a lower rank get room
    /// first.
    forms: Vec<(u8, String)>,
    /// Separator between it and the part before, where that is not the usual one.
    before: Option<&'static str>,
    tint: Tint,
    /// The sizes that the last form has, for a line of their own.
    sizes: Option<String>,
}

impl Part {
    fn of(forms: impl Into<Vec<(u8, String)>>) -> Self {
        Self { forms: forms.into(), before: None, tint: Tint::None, sizes: None }
    }

    fn tinted(self, tint: Tint) -> Self {
        Self { tint, ..self }
    }
}

/// All parts, in the order in which they are read.
fn parts(view: &View, meter: &Meter, place: Bytes) -> Vec<Part> {
    let rates = meter.rates(view);
    let is_one = view.total() == Some(1);
    let mut parts = vec![share(view)];
    let idle = view.idle();
    parts.extend(standstill(view, idle).map(|part| part.tinted(Tint::Warning)));
    if !is_one && view.done() > 0 && idle.is_none() {
        let rate = Rate(rates.files);
        parts.push(Part::of([(3, format!("{rate}/s")), (6, format!("{rate} files/s"))]));
    }
    if place == Bytes::Beside && idle.is_none() {
        let speed = format!("{}/s", speed(rates.bytes));
        parts.push(Part::of([(if is_one { 3 } else { 8 }, speed)]));
    }
    if place == Bytes::Beside && has_bytes(view, false) {
        let LongFiles { bytes, bytes_there, .. } = view.long;
        let under_way = format!("{} of {} under way", Size(bytes_there), Size(bytes));
        parts.push(Part::of([(8, under_way)]));
    }
    if let Some(left) = meter.left(view) {
        parts.push(Part::of([(4, format!("{} left", Left(left)))]));
    }
    let failed = view.failed + view.cancelled;
    if failed > 0 {
        parts.push(Part::of([(5, format!("{} failed", Count(failed)))]).tinted(Tint::Bad));
    }
    if !is_one && idle.is_none() {
        parts.push(Part::of([(9, format!("{} in flight", Count(view.in_flight as u64)))]));
    }
    parts.extend(waiting_parts(view));
    parts
}

/// Why the run does not go on, or will not.
fn standstill(view: &View, idle: Option<Idle>) -> Option<Part> {
    if view.is_paused {
        return Some(Part::of([(1, "paused".to_owned()), (2, PAUSED.to_owned())]));
    }
    if view.is_stopping {
        return Some(Part::of([(1, "stopping".to_owned())]));
    }
    Some(match idle? {
        Idle::Hosts(rest) => {
            let rest = Left(rest);
            Part::of([(1, format!("rests {rest}")), (6, format!("hosts rest, on in {rest}"))])
        }
        Idle::List => Part::of([(1, "waits".to_owned()), (2, "waits for the list".to_owned())]),
    })
}

/// What waits, and for whom.
fn waiting_parts(view: &View) -> Vec<Part> {
    let mut parts = Vec::new();
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
        parts.push(Part { before: Some("; "), ..Part::of(forms) }.tinted(Tint::Warning));
    }
    if let Some(worst) = pushing::worst(&view.pushing) {
        let forms = vec![(13, worst.briefly(HOST_CHARS_MAX))];
        parts.push(Part { before: Some("; "), ..Part::of(forms) }.tinted(Tint::Warning));
    }
    parts
}

/// The parts of the line for bytes.
fn bytes_parts(view: &View, meter: &Meter) -> Vec<Part> {
    let LongFiles { count, bytes, bytes_there } = view.long;
    let percent = format!("{}%", percent(bytes_there, bytes));
    let sizes = format!("{percent} ({} of {})", Size(bytes_there), Size(bytes));
    let mut parts = vec![Part::of([(0, percent), (2, sizes)]).tinted(Tint::Strong)];
    if view.idle().is_none() {
        parts.push(Part::of([(1, format!("{}/s", speed(meter.rates(view).bytes)))]));
    }
    parts.push(Part::of([(3, format!("{} under way", Of(count, "long file")))]));
    parts
}

/// The part that says how much is done, of how much.
fn share(view: &View) -> Part {
    let done = Count(view.done());
    let part = match view.total() {
        Some(1) => match one_file(view) {
            Some(LongFiles { bytes, bytes_there, .. }) => {
                let percent = percent(bytes_there, bytes);
                let sizes = format!("{} of {}", Size(bytes_there), Size(bytes));
                let forms = [(0, format!("{percent}%")), (7, format!("{percent}% ({sizes})"))];
                Part { sizes: Some(sizes), ..Part::of(forms) }
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
    };
    part.tinted(Tint::Strong)
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

fn longest(parts: &[Part]) -> Vec<Option<usize>> {
    parts.iter().map(|part| part.forms.len().checked_sub(1)).collect()
}

fn joined(parts: &[Part], chosen: &[Option<usize>], separator: &str, look: Look) -> String {
    let mut line = String::new();
    for (part, form) in parts.iter().zip(chosen) {
        let Some(form) = form else { continue };
        if !line.is_empty() {
            line.push_str(part.before.unwrap_or(separator));
        }
        line.push_str(&look.paint(part.tint, &part.forms[*form].1));
    }
    line
}

/// A bar of this many columns, for `done` of `total`.
fn bar((done, total): (u64, u64), columns: usize, look: Look) -> String {
    let inner = columns - 2;
    let full = u128::from(done) * inner as u128 / u128::from(total.max(1));
    let full = usize::try_from(full).map_or(inner, |full| full.min(inner));
    let tip = if full < inner { ">" } else { "" };
    let done = format!("{}{tip}", "=".repeat(full));
    format!("[{}{}]", look.paint(Tint::Good, &done), " ".repeat(inner - done.len()))
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
pub(crate) const UNDER_WAY_BYTES_MIN: u64 = 64 << 20;
/// Rows of a terminal from which on a second line is drawn.
const ROWS_MIN: usize = 4;
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
            for line in lines(view, columns) {
                assert!(columns_of(&line) <= columns, "{columns}: {line}");
                assert!(!line.contains(char::is_control), "{columns}: {line}");
                assert!(columns < 5 || !line.is_empty(), "{columns}");
            }
        }
        widths.iter().map(|columns| lines(view, *columns).join("\n")).collect()
    }

    fn lines(view: &View, columns: usize) -> Vec<String> {
        Display::default().lines(view, &Meter::default(), (columns, 24), Look::default())
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
        assert!(!line(&full, &Meter::default()).contains("held up"));
    }

    #[test]
    fn a_line_without_a_width_says_it_all() {
        assert_eq!(
            line(&view(), &Meter::default()),
            "after 10.0 s: 33% (50 of 150), 5.0 files/s, 1.0 MB/s, 20 s left, 2 failed, \
             8 in flight, 92 waiting; held up: slow.example 1,204 (429, rests 12 s), \
             dead.example:8080 310 (down)"
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
                "12% 1.1 GB/s\n12.3 GB of 100.0 GB",
                "[=>        ] 12%, 1.1 GB/s, 1m20s left\n12.3 GB of 100.0 GB",
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
        let text = line(&many, &Meter::default());
        let wanted =
            "after 10.0 s: 50% (2 of 4), 0.2 files/s, 1.1 GB/s, 12.3 GB of 100.0 GB under way, ";
        assert!(text.starts_with(wanted), "{text}");
        let short = LongFiles { bytes: UNDER_WAY_BYTES_MIN - 1, ..long };
        let text = line(&View { long: short, ..many }, &Meter::default());
        assert!(!text.contains("under way"), "{text}");
    }

    #[test]
    fn a_run_that_can_only_wait_says_so() {
        let calm = View { holdups: Vec::new(), failed: 0, in_flight: 0, ..view() };
        let rests = View { next_at: Duration::from_secs(18), ..calm.clone() };
        assert_eq!(
            shown(&rests, &[20, 40, 80]),
            [
                "32% rests 8 s",
                "32%, hosts rest, on in 8 s, 30 s left",
                "[===>      ] 32% (48 of 150), hosts rest, on in 8 s, 30 s left, 92 waiting",
            ]
        );
        let reading = View { is_input_read: false, lines_read: 48, queued: 0, deferred: 0, ..calm };
        assert_eq!(
            shown(&reading, &[20, 40, 80]),
            [
                "48 done waits",
                "48 of at least 48, waits for the list",
                "48 of at least 48, waits for the list",
            ]
        );
    }

    #[test]
    fn long_files_among_others_have_a_line_of_their_own() {
        let long = LongFiles { count: 3, bytes: 300_000_000, bytes_there: 157_000_000 };
        let calm = View { holdups: Vec::new(), queued: 0, deferred: 0, failed: 0, ..view() };
        let run = View { long, ..calm };
        assert_eq!(
            shown(&run, &[20, 40, 80, 150]),
            [
                "32% 4.8/s 2m23s left\n52% 1.0 MB/s",
                "32% (48 of 150), 4.8 files/s, 2m23s left\n52% (157.0 MB of 300.0 MB), 1.0 MB/s",
                "[===>      ] 32% (48 of 150), 4.8 files/s, 2m23s left, 8 in flight\n\
                 [=====>    ] 52% (157.0 MB of 300.0 MB), 1.0 MB/s, 3 long files under way",
                "[=======>                ] 32% (48 of 150), 4.8 files/s, 2m23s left, 8 in flight\n\
                 [============>           ] 52% (157.0 MB of 300.0 MB), 1.0 MB/s, 3 long files \
                 under way",
            ]
        );
        // It stays while there is something to be said, and needs a screen that is not tiny.
        let mut display = Display::default();
        let meter = Meter::default();
        let mut lines = |bytes, rows| {
            let view = View { long: LongFiles { bytes, ..long }, ..run.clone() };
            display.lines(&view, &meter, (80, rows), Look::default()).len()
        };
        let less = UNDER_WAY_BYTES_MIN - 1;
        let told =
            [(less, 24), (less + 1, 3), (less + 1, 4), (less, 24), (less / 4, 24), (less, 9)];
        assert_eq!(told.map(|(bytes, rows)| lines(bytes, rows)), [1, 1, 2, 2, 1, 1]);
    }

    #[test]
    fn colours_take_no_room() {
        let look = Look { has_color: true, is_ascii: true };
        let mut view = View { elapsed: Duration::from_secs(10), ..view() };
        view.holdups[0].host = "b\u{fc}cher.example".to_owned();
        for columns in [5, 20, 40, 80, 150, 250] {
            let plain = Display::default().lines(
                &view,
                &Meter::default(),
                (columns, 24),
                Look { has_color: false, ..look },
            );
            let color = Display::default().lines(&view, &Meter::default(), (columns, 24), look);
            let mut bare = color.join("\n");
            for code in ["1", "31", "32", "33", "0"] {
                bare = bare.replace(&format!("\x1b[{code}m"), "");
            }
            assert_eq!(bare, plain.join("\n"));
            assert!(bare.is_ascii() && color[0].contains("\x1b[1m33%"), "{color:?}");
        }
        let wide = Display::default().lines(&view, &Meter::default(), (250, 24), look).remove(0);
        assert!(wide.contains("\x1b[31m2 failed\x1b[0m, 8 in flight"), "{wide:?}");
        assert!(wide.contains("; \x1b[33mheld up: b?cher.example"), "{wide:?}");
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
