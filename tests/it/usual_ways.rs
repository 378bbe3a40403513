//! scripts/bench-python: the usual ways of Python and the other downloaders pull a short list,
//! right to the byte, and whoever cannot take part is named.

use crate::cmd::{Sandbox, command, skip};
use crate::python::python_path;
use std::collections::BTreeMap;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/bench-python");
const TOOLS: [&str; 11] = [
    "loop",
    "threads",
    "processes",
    "aiohttp",
    "select",
    "epoll",
    "img2dataset",
    "wget2",
    "aria2",
    "curl",
    "ringpull",
];
/// Who needs nothing but Python, curl and the program.
const ALWAYS: [&str; 4] = ["select", "epoll", "curl", "ringpull"];

/// The rows of the tables of `results.md`, by tool.
fn rows(results: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut rows = BTreeMap::<_, Vec<_>>::new();
    for line in results.lines().filter(|line| line.starts_with("| ")) {
        let tool = line.split('|').nth(1).unwrap().trim();
        rows.entry(tool).or_default().push(line);
    }
    rows
}

#[test]
fn everybody_pulls_the_same_bytes_or_is_left_out_by_name() {
    let Some(python) = python_path() else { return };
    if command("curl").arg("--version").output().is_err() {
        return skip("curl is missing");
    }
    let sandbox = Sandbox::new();
    let out = sandbox.path("results");
    let done = command(python)
        .arg(SCRIPT)
        .args(["https-30", "ten", "--scale", "0.012", "--repeat", "1"])
        .args(["--ringpull", env!("CARGO_BIN_EXE_ringpull")])
        .arg("--dir")
        .arg(sandbox.path(""))
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    let results = std::fs::read_to_string(out.join("results.md")).unwrap();
    assert!(!results.contains("FAILED"), "{results}\n{told}");
    let rows = rows(&results);
    for tool in TOOLS {
        let is_left_out = told.contains(&format!("{tool} is left out: "));
        assert_ne!(rows.contains_key(tool), is_left_out, "{tool}: {told}\n{results}");
    }
    for tool in ALWAYS {
        assert!(rows[tool][0].contains("| 12 |"), "{tool} pulled another list: {results}");
    }
    for scheme in ["light", "dark"] {
        let chart = std::fs::read_to_string(out.join(format!("chart-{scheme}.svg"))).unwrap();
        let bars = chart.matches("rx=\"3\"").count();
        assert_eq!(bars, TOOLS.iter().filter(|tool| rows.contains_key(*tool)).count(), "{chart}");
        assert!(chart.contains("role=\"img\"") && chart.contains("<title id=\"title\">"));
    }
}
