//! The help texts: snapshots of both, and what every option has to say.

use crate::cli::command::command;
use crate::cli::topics;
use crate::cli::values::Millis;
use crate::limits;
use clap::Arg;
use clap::builder::StyledStr;

/// `-h` fits two screens.
const SHORT_LINES_MAX: usize = 90;
const COLUMNS: usize = 100;

/// What is printed for `-h` or `--help`.
fn help(flag: &str) -> String {
    let command = command().term_width(COLUMNS);
    command.try_get_matches_from(["ringpull", flag]).unwrap_err().to_string()
}

/// Compares with a snapshot; after a change that is meant: `COLUMNS=100 ringpull FLAG >FILE`.
#[track_caller]
fn is_reviewed(flag: &str, reviewed: &str, file: &str) {
    let actual = help(flag);
    for (number, (actual, reviewed)) in actual.lines().zip(reviewed.lines()).enumerate() {
        assert_eq!(actual, reviewed, "{file} line {}", number + 1);
    }
    assert_eq!(actual.lines().count(), reviewed.lines().count(), "{file}");
}

#[test]
fn the_long_help_is_the_one_that_was_reviewed() {
    let file = "tests/snapshots/help.txt";
    is_reviewed("--help", include_str!("../../../tests/snapshots/help.txt"), file);
}

#[test]
fn the_short_help_is_the_one_that_was_reviewed() {
    let file = "tests/snapshots/help-short.txt";
    is_reviewed("-h", include_str!("../../../tests/snapshots/help-short.txt"), file);
}

#[test]
fn the_short_help_fits_two_screens_and_every_option_its_line() {
    let help = help("-h");
    let lines: Vec<&str> = help.lines().collect();
    assert!(lines.len() <= SHORT_LINES_MAX, "{} lines", lines.len());
    assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{help}");
    // What does not fit its line goes on in one that is indented further.
    let is_wrapped = |line: &&&str| line.starts_with("          ");
    assert_eq!(lines.iter().find(is_wrapped), None);
}

#[test]
fn every_option_is_explained() {
    let is_ours = |arg: &&Arg| !matches!(arg.get_id().as_str(), "help" | "version");
    for arg in command().get_arguments().filter(is_ours).filter(|arg| !arg.is_hide_set()) {
        let text = |help: Option<&StyledStr>| help.map(ToString::to_string).unwrap_or_default();
        let (short, long) = (text(arg.get_help()), text(arg.get_long_help()));
        assert!(!short.contains('\n') && !short.ends_with('.'), "{arg}: {short}");
        assert!(long.len() > short.len() + 1, "{arg} says no more in its long help");
        let values = arg.get_possible_values();
        let is_explained = values.iter().all(|value| value.get_help().is_some());
        assert!(is_explained || values.iter().all(|v| matches!(v.get_name(), "true" | "false")));
    }
}

#[test]
fn topics_that_the_help_names_exist() {
    let help = help("--help").split_whitespace().collect::<Vec<_>>().join(" ");
    let named: Vec<&str> = help.split("`ringpull help ").skip(1).collect();
    assert!(named.len() > 5, "{help}");
    for text in named {
        let name = text.split('`').next().unwrap_or_default();
        assert!(topics::find(name).is_some(), "{name}");
    }
}

#[test]
fn defaults_written_as_text_are_those_of_limits() {
    let help = help("--help").split_whitespace().collect::<Vec<_>>().join(" ");
    for default_ms in [limits::TIMEOUT_CONNECT_DEFAULT_MS, limits::TIMEOUT_READ_DEFAULT_MS] {
        let text = format!("[default: {}]", Millis(default_ms));
        assert!(help.contains(&text), "{text} is not in the help");
    }
    let (first, max) = (limits::PER_HOST_FIRST, limits::PER_HOST_MAX);
    let sizes = format!("reserved for bodies of {} MiB", limits::ALLOCATE_BYTES_MIN >> 20);
    let lookahead = format!("[default: {},", limits::LOOKAHEAD_JOBS_DEFAULT);
    for text in [format!("[default: from {first} to {max},"), sizes, lookahead] {
        assert!(help.contains(&text), "{text} is not in the help");
    }
}
