//! The state of a run on a signal, for people and for programs; and its progress for programs.

use super::figures::{Count, Left, Of, Rate, Size, Time};
use super::progress::{Held, PAUSED, speed};
use super::pushing;
use super::view::{CoreView, LongFiles, Meter, Transfer, View};
use crate::fault::escape_hidden;
use std::fmt::{self, Write as _};

/// State of a run, in whole lines. `silent` are cores that did not answer.
pub fn text(view: &View, meter: &Meter, transfers: &[Transfer], silent: &[usize]) -> String {
    let mut text = String::new();
    write_text(&mut text, view, meter, transfers, silent).expect("a String takes any text");
    text
}

fn write_text(
    text: &mut String,
    view: &View,
    meter: &Meter,
    transfers: &[Transfer],
    silent: &[usize],
) -> fmt::Result {
    let rates = meter.rates(view);
    writeln!(text, "state after {}:", Time(view.elapsed))?;
    let more = if view.is_input_read { "all of the input" } else { "the input goes on" };
    writeln!(text, "  lines read: {} ({more})", Count(view.lines_read))?;
    write!(text, "  rows: {}", Count(view.done()))?;
    let rows = [
        (view.ok, "ok"),
        (view.skipped, "skipped"),
        (view.failed, "failed"),
        (view.cancelled, "cancelled"),
    ];
    for (index, (rows, status)) in rows.iter().filter(|(rows, _)| *rows > 0).enumerate() {
        write!(text, "{} {} {status}", if index == 0 { ":" } else { "," }, Count(*rows))?;
    }
    write!(text, "; {} a second", Rate(rates.files))?;
    match meter.left(view) {
        Some(left) => writeln!(text, ", {} left", Left(left))?,
        None => text.push('\n'),
    }
    writeln!(text, "  received: {}; {} a second", Size(view.bytes), speed(rates.bytes))?;
    if view.long.count > 0 {
        let LongFiles { count, bytes, bytes_there } = view.long;
        let (there, all, files) = (Size(bytes_there), Size(bytes), Of(count, "long file"));
        writeln!(text, "  under way: {there} of {all} in {files}")?;
    }
    write!(text, "  in flight: {} of {}", view.in_flight, view.in_flight_max)?;
    for (core, CoreView { in_flight, .. }) in view.cores.iter().enumerate() {
        write!(text, "{} core {core}: {in_flight}", if core == 0 { ";" } else { "," })?;
    }
    let idle: usize = view.cores.iter().map(|core| core.idle).sum();
    writeln!(text, "\n  kept connections: {idle}")?;
    let (queued, ahead) = (Count(view.queued as u64), Of(view.lookahead_max as u64, "job"));
    writeln!(text, "  look-ahead: {queued} of {ahead} queued")?;
    writeln!(text, "  waiting for another attempt: {}", Count(view.deferred as u64))?;
    if view.is_paused {
        writeln!(text, "  {PAUSED}")?;
    }
    let known = Count(view.names_known as u64);
    writeln!(text, "  names: {known} known, {} being looked up", view.names_asked)?;
    let (resting, lost) = (view.hosts_resting, view.hosts_unreachable);
    let lowered = view.hosts_lowered;
    writeln!(text, "  hosts: {resting} resting, {lost} unreachable, {lowered} lowered")?;
    for holdup in &view.holdups {
        writeln!(text, "  held up: {}, {} in flight", Held(holdup, usize::MAX), holdup.in_flight)?;
    }
    for host in view.pushing.iter().take(PUSHING_SHOWN) {
        writeln!(text, "  pushes back: {host}")?;
    }
    if !transfers.is_empty() {
        text.push_str("  longest transfers:\n");
    }
    for Transfer { line, url, age, bytes, length, phase } in transfers {
        let (age, bytes, url) = (Time(*age), Size(*bytes), escape_hidden(url));
        let length = length.map(|length| format!(" of {}", Size(length))).unwrap_or_default();
        writeln!(text, "{age:>11}  {bytes}{length} ({})  line {line}: {url}", phase.as_str())?;
    }
    if !silent.is_empty() {
        let cores = silent.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        writeln!(text, "  no answer from core {cores}: busy, or waiting for a disk")?;
    }
    Ok(())
}

/// State of a run as one JSON object, for programs that read it from standard error; without a line
/// end.
pub fn json(view: &View, meter: &Meter, transfers: &[Transfer], silent: &[usize]) -> String {
    let cores: Vec<_> = (view.cores.iter())
        .map(|core| serde_json::json!({ "in_flight": core.in_flight, "idle": core.idle }))
        .collect();
    let transfers: Vec<_> = (transfers.iter())
        .map(|transfer| {
            serde_json::json!({
                "line": transfer.line,
                "url": transfer.url,
                "age": rounded(transfer.age.as_secs_f64()),
                "bytes": transfer.bytes,
                "length": transfer.length,
                "phase": transfer.phase.as_str(),
            })
        })
        .collect();
    let mut state = progress_object(view, meter);
    state["cores"] = cores.into();
    state["lookahead"] = view.lookahead_max.into();
    state["hosts_resting"] = view.hosts_resting.into();
    state["hosts_unreachable"] = view.hosts_unreachable.into();
    state["hosts_lowered"] = view.hosts_lowered.into();
    state["names_known"] = view.names_known.into();
    state["names_asked"] = view.names_asked.into();
    state["transfers"] = transfers.into();
    state["silent_cores"] = silent.into();
    serde_json::json!({ "state": state }).to_string()
}

/// Progress as one JSON object, without a line end.
pub fn progress_json(view: &View, meter: &Meter) -> String {
    progress_object(view, meter).to_string()
}

fn progress_object(view: &View, meter: &Meter) -> serde_json::Value {
    let rates = meter.rates(view);
    let holdups: Vec<_> = (view.holdups.iter())
        .map(|holdup| {
            serde_json::json!({
                "host": holdup.host,
                "queued": holdup.queued,
                "in_flight": holdup.in_flight,
                "why": holdup.why,
            })
        })
        .collect();
    serde_json::json!({
        "elapsed": rounded(view.elapsed.as_secs_f64()),
        "done": view.done(),
        "total": view.total(),
        "lines_read": view.lines_read,
        "ok": view.ok,
        "skipped": view.skipped,
        "failed": view.failed + view.cancelled,
        "bytes": view.bytes,
        "bytes_expected": view.long.bytes,
        "bytes_there": view.long.bytes_there,
        "in_flight": view.in_flight,
        "queued": view.queued,
        "waiting": view.deferred,
        "paused": view.is_paused,
        "files_per_second": rates.files.round(),
        "bytes_per_second": rates.bytes.round(),
        "eta": meter.left(view).map(|left| left.as_secs()),
        "held_up": holdups,
        "pushing_back": pushing::json(&view.pushing),
    })
}

/// The number rounded to milliseconds.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

/// Most hosts that push back which are shown.
const PUSHING_SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::super::view::Phase;
    use super::super::view::tests::view;
    use super::*;
    use std::time::Duration;

    fn transfers() -> [Transfer; 2] {
        [
            Transfer {
                line: 17,
                url: "http://slow.example/\u{1b}a".to_owned(),
                age: Duration::from_secs(75),
                bytes: 1_234_567,
                length: Some(5_000_000),
                phase: Phase::Body,
            },
            Transfer {
                line: 18,
                url: "https://b.example/".to_owned(),
                age: Duration::from_millis(300),
                bytes: 0,
                length: None,
                phase: Phase::Connect,
            },
        ]
    }

    #[test]
    fn the_state_in_lines() {
        let long = LongFiles { count: 2, bytes: 70_000_000, bytes_there: 20_000_000 };
        assert_eq!(
            text(&View { long, ..view() }, &Meter::default(), &transfers(), &[1]),
            "\
state after 10.0 s:
  lines read: 150 (all of the input)
  rows: 50: 47 ok, 1 skipped, 2 failed; 5.0 a second, 50 s left
  received: 10.0 MB; 1.0 MB a second
  under way: 20.0 MB of 70.0 MB in 2 long files
  in flight: 8 of 64; core 0: 5, core 1: 3
  kept connections: 2
  look-ahead: 91 of 1,000,000 jobs queued
  waiting for another attempt: 1
  names: 1,030 known, 2 being looked up
  hosts: 3 resting, 1 unreachable, 0 lowered
  held up: slow.example 1,204 (429, rests 12 s), 4 in flight
  held up: dead.example:8080 310 (down), 0 in flight
  longest transfers:
      1m15s  1.2 MB of 5.0 MB (body)  line 17: http://slow.example/\\u{1b}a
     300 ms  0 B (connect)  line 18: https://b.example/
  no answer from core 1: busy, or waiting for a disk
"
        );
    }

    #[test]
    fn hosts_that_push_back_are_named() {
        let pushing = vec![pushing::tests::host("img.example", 2_000, 80, Some(9.6))];
        let view = View { pushing, ..view() };
        let line = "\n  pushes back: img.example refused 4% of 2,000 requests; asked at 9.6 \
                    requests/s since\n";
        assert!(text(&view, &Meter::default(), &[], &[]).contains(line));
        let state = json(&view, &Meter::default(), &[], &[]);
        assert!(state.contains("\"pushing_back\":[{"), "{state}");
    }

    #[test]
    fn a_full_disk_is_said() {
        let meter = Meter::default();
        let paused = View { is_paused: true, holdups: Vec::new(), ..view() };
        assert!(progress_json(&paused, &meter).contains(r#""paused":true"#));
        assert!(text(&paused, &meter, &[], &[]).contains("\n  paused: the disk is full\n"));
    }

    #[test]
    fn json_can_be_read_back() {
        let (view, meter) = (view(), Meter::default());
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let progress = read(&progress_json(&view, &meter));
        assert_eq!((progress["eta"].as_u64(), progress["total"].as_u64()), (Some(20), Some(150)));
        assert_eq!(progress["held_up"][0]["host"], "slow.example");
        assert_eq!((&progress["bytes_expected"], &progress["bytes_there"]), (&0.into(), &0.into()));
        let state = &read(&json(&view, &meter, &transfers(), &[1]))["state"];
        assert_eq!(state["transfers"][0]["line"], 17);
        assert_eq!(state["transfers"][0]["length"], 5_000_000);
        assert_eq!(state["cores"][1]["in_flight"], 3);
        assert_eq!(state["silent_cores"][0], 1);
    }
}
