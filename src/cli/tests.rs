//! For the tests of the command line: what is typed on a made-up machine.

use super::command::{Command, parse};
use super::options::PullArgs;
use super::resolve::{Host, Resolved, resolve};
use crate::config::Config;
use crate::exit::ExitStatus;
use crate::report::look::Look;
use std::ffi::OsString;
use std::fs;

/// A machine with four CPUs and an empty environment.
pub(super) fn host() -> Host {
    Host {
        cpus: vec![0, 1, 2, 5],
        has_bar: false,
        is_stdout_terminal: false,
        look: Look::default(),
        argv: Vec::new(),
        proxy_variables: Vec::new(),
        task_variables: Vec::new(),
        roots_file: None,
    }
}

/// What the parser makes of a command line without the program's name.
pub(super) fn try_parse(line: &[&str]) -> Result<Command, clap::Error> {
    let words = std::iter::once("ringpull").chain(line.iter().copied()).map(OsString::from);
    parse(words)
}

/// A command line that is accepted.
pub(super) fn typed(line: &[&str]) -> Command {
    try_parse(line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// A command line that pulls something.
pub(super) fn pull(line: &[&str]) -> PullArgs {
    match typed(line) {
        Command::Pull(args) => *args,
        other => panic!("{line:?} became {other:?}"),
    }
}

/// The options alone: a URL is added.
pub(super) fn options(line: &[&str]) -> PullArgs {
    let mut line = line.to_vec();
    line.push("http://h/");
    let args = pull(&line);
    assert_eq!(args.urls, ["http://h/"], "{line:?}");
    args
}

/// What the parser says about a command line that it refuses.
pub(super) fn refused(line: &[&str]) -> String {
    let error = try_parse(line).expect_err("should be refused");
    assert!(error.use_stderr(), "{line:?}");
    assert_eq!(error.exit_code(), 2, "{line:?}");
    error.to_string()
}

/// What a command line comes to.
pub(super) fn try_resolve(line: &[&str]) -> anyhow::Result<Resolved> {
    resolve(&pull(line), &host())
}

/// What a command line that can be run comes to.
pub(super) fn resolved(line: &[&str]) -> Resolved {
    try_resolve(line).unwrap_or_else(|error| panic!("{line:?}: {error:#}"))
}

/// What a command line that can be run means to the run.
pub(super) fn config(line: &[&str]) -> Config {
    resolved(line).config
}

/// What is said about a command line that the parser understands and that cannot be run.
pub(super) fn unusable(line: &[&str]) -> String {
    let error = try_resolve(line).expect_err("should be refused");
    assert_eq!(ExitStatus::from(&error), ExitStatus::Usage, "{line:?}");
    let text = format!("{error:#}");
    assert!(text.starts_with("cannot "), "{text}");
    text
}

/// A list that exists, and its directory.
pub(super) fn list() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("urls.txt");
    fs::write(&path, "http://h/\n").unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}
