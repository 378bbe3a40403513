//! Curves of a few hosts as SVG. `cargo test --lib curves_are_drawn -- --ignored` writes them anew.

use super::models::{Host, Refusal};
use super::*;
use std::fmt::Write as _;
use std::fs;

const FOLDER: &str = "benches/results/2026-11-29-window";

#[test]
#[ignore = "it writes files"]
fn curves_are_drawn() {
    let refusal = Refusal { asked_ms: Some(1_000), is_for_host: true };
    let serving = |servers, ms| Host::serving(servers, ms);
    let limited = Host { rate: Some((10.0, 1.0)), refusal, ..Host::far(1.0) };
    let at_once = Host { at_once_max: 16, ..serving(usize::MAX, 30.0) };
    let back = Some((20_000, Box::new(Host::far(20.0))));
    let hosts = [
        ("far", "2,000 files behind 50 ms", Host::far(50.0), 2_000),
        ("four", "four at a time, 20 ms each", serving(4, 20.0), 1_000),
        ("sixteen", "429 above 16 at once, 30 ms each", at_once, 2_000),
        ("limited", "10 a second, burst 1, 429 with Retry-After: 1", limited.clone(), 200),
        ("recovers", "the same, and no limit after 20 s", Host { change: back, ..limited }, 5_000),
    ];
    let mut table = String::from(
        "# The window and the rate that are found\n\nSimulated hosts, the real schedule; written \
         by `cargo test --lib curves_are_drawn -- --ignored`.\n\n\
         | host | files | seconds | refused | failed | window, at the end | rate |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (name, title, host, files) in hosts {
        let told = Sim::one(host, files, 1);
        let (seconds, last) = (told.ended_ms as f64 / 1_000.0, told.last());
        let share = 100.0 * told.share_refused();
        let (failed, window, per_s) = (told.failed, last.window, last.per_s);
        let _ = writeln!(
            table,
            "| [{title}]({name}.svg) | {files} | {seconds:.2} | {share:.1} % | {failed} | {window} \
             | {per_s:.1} |"
        );
        fs::write(format!("{FOLDER}/{name}.svg"), drawn(title, &told)).expect("a file");
    }
    fs::write(format!("{FOLDER}/results.md"), table).expect("a file");
}

/// Window, jobs in flight, files a second and the rate over time.
fn drawn(title: &str, told: &Told) -> String {
    let curve = &told.curve;
    let end_ms = curve.last().map_or(1, |last| last.at_ms.max(1)) as f64;
    let every = (end_ms / 100.0).max(50.0);
    let speed = |at: &Standing| {
        let before = curve.iter().rev().find(|b| b.at_ms as f64 + every <= at.at_ms as f64);
        before.map_or(0.0, |before| {
            let ms = (at.at_ms - before.at_ms).max(1) as f64;
            (at.done - before.done) as f64 * 1_000.0 / ms
        })
    };
    let lines: [(&str, &str, Vec<f64>); 4] = [
        ("window", "#1f77b4", curve.iter().map(|at| at.window as f64).collect()),
        ("in flight", "#aec7e8", curve.iter().map(|at| at.in_flight as f64).collect()),
        ("files/s", "#2ca02c", curve.iter().map(speed).collect()),
        ("rate/s", "#d62728", curve.iter().map(|at| at.per_s).collect()),
    ];
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 520\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"800\" height=\"520\" fill=\"white\"/>\n",
    );
    let _ = writeln!(svg, "<text x=\"60\" y=\"20\">{title}; {:.1} s</text>", end_ms / 1_000.0);
    for (row, (name, color, values)) in lines.iter().enumerate() {
        let top = 40.0 + 118.0 * row as f64;
        let most = values.iter().copied().fold(1.0, f64::max);
        let _ = writeln!(
            svg,
            "<path d=\"M60,{top} v100 h720\" fill=\"none\" stroke=\"#888\"/>\
             <text x=\"4\" y=\"{:.0}\">{most:.0}</text><text x=\"70\" y=\"{:.0}\" \
             fill=\"{color}\">{name}</text>",
            top + 10.0,
            top + 12.0
        );
        let _ = write!(svg, "<polyline fill=\"none\" stroke=\"{color}\" points=\"");
        let step = (values.len() / 800).max(1);
        for (at, value) in curve.iter().zip(values).step_by(step) {
            let x = 60.0 + 720.0 * at.at_ms as f64 / end_ms;
            let _ = write!(svg, "{x:.1},{:.1} ", top + 100.0 - 100.0 * value / most);
        }
        svg.push_str("\"/>\n");
    }
    svg.push_str("</svg>\n");
    svg
}
