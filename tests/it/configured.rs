//! Options from a config file and from the environment: what holds, and what is told.

use crate::cmd::{Sandbox, command};
use crate::origin::serve;
use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary with a home of its own, in which this is the config file.
fn program(home: &Path, config: &[u8]) -> Command {
    let folder = home.join(".config/ringpull");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), config).unwrap();
    let mut program = command(env!("CARGO_BIN_EXE_ringpull"));
    program.env("HOME", home).current_dir(home);
    program
}

fn told(done: &Output) -> String {
    String::from_utf8(done.stderr.clone()).unwrap()
}

#[test]
fn a_run_obeys_its_file_its_environment_and_its_command_line() {
    let served = serve();
    let sandbox = Sandbox::new();
    let home = sandbox.path("home");
    let config = b"dir = 'of-file'\nname-template = 'of-file-{name}'\nquiet = true\n";
    let mut pull = program(&home, config);
    pull.arg(served.http("/bytes/10/a")).env("RINGPULL_NAME_TEMPLATE", "of-environment-{name}");
    let done = pull.output().unwrap();
    assert_eq!((done.status.code(), told(&done).as_str()), (Some(0), ""));
    assert!(home.join("of-file/of-environment-a").is_file());
    let done = pull.args(["--quiet=false", "-d", "of-words"]).output().unwrap();
    assert!(done.status.success() && told(&done).contains("1 URL"), "{}", told(&done));
    assert!(home.join("of-words/of-environment-a").is_file());
    let done = pull.args(["--no-config", "-d", "plain"]).output().unwrap();
    assert!(done.status.success() && home.join("plain/a").is_file(), "{}", told(&done));
}

#[test]
fn a_job_is_a_file() {
    let served = serve();
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("urls.txt"), served.http("/bytes/10/a")).unwrap();
    let job =
        "input-file = ['urls.txt']\ndir = 'images'\nreport = 'REPORT.csv'\nretry-failed = true";
    std::fs::write(sandbox.path("job.toml"), job).unwrap();
    // That of the user is not read then.
    let mut pull = program(&sandbox.path("."), b"dir = 'of-user'");
    let done = pull.args(["--config", "job.toml"]).output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
    assert!(sandbox.path("images/a").is_file() && !sandbox.path("of-user").exists());
    let report = std::fs::read_to_string(sandbox.path("REPORT.csv")).unwrap();
    assert!(report.contains(",ok,"), "{report}");
}

#[test]
fn mistakes_are_usage_and_nothing_is_pulled() {
    let sandbox = Sandbox::new();
    let home = sandbox.path("home");
    for (config, part) in [
        (&b"\nretri = 1"[..], "config.toml:2: there is no option `retri`; did you mean `retry`?"),
        (b"\ndir = '\xff\xfe'", "config.toml:2: this line is not valid UTF-8"),
        (b"\0", "config.toml:1: "),
    ] {
        let done = program(&home, config).args(["--dry-run", "http://h/"]).output().unwrap();
        let told = told(&done);
        assert_eq!(done.status.code(), Some(2), "{told}");
        assert!(told.contains(part) && !told.contains("panicked"), "{told}");
    }
    // Help and other commands need no file.
    for line in [&["--help"][..], &["help", "config"], &["origin", "-h"]] {
        let done = program(&home, b"[").args(line).output().unwrap();
        assert!(done.status.success(), "{line:?}: {}", told(&done));
    }
}

#[test]
fn a_bench_measures_what_it_was_asked_for() {
    let sandbox = Sandbox::new();
    let config = b"max-filesize = 1\ndiscard = true\nrate = '1/s'\n";
    let mut bench = program(&sandbox.path("home"), config);
    bench.args(["bench", "--matrix", "size=1k conns=2", "--repeat", "1", "--files", "4", "-q"]);
    bench.args(["--json", "r.json"]).env("RINGPULL_RETRY", "many").env("RINGPULL_QUOTA", "1");
    // A task of a job array, which would pull its share of each list.
    bench.env("JOB_COMPLETION_INDEX", "3").env("JOB_COMPLETIONS", "4");
    let done = bench.output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
    let results = std::fs::read(sandbox.path("home/r.json")).unwrap();
    let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(results["cells"][0]["repetitions"][0]["files"], 4, "{results}");
}

#[test]
fn where_an_option_comes_from_is_shown() {
    let sandbox = Sandbox::new();
    let home = sandbox.path("home");
    let mut config = program(&home, b"retry = 5\nproxy-user = 'me:SECRET'");
    config.args(["config", "-x", "4"]).env("RINGPULL_MAX_TIME", "5m").env("RINGPULL_DIRR", "x");
    let done = config.output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
    let rows = String::from_utf8(done.stdout.clone()).unwrap();
    let path = home.join(".config/ringpull/config.toml");
    for row in [
        format!("config\t{}\tdefault", path.display()),
        format!("retry\t5\t{}:1", path.display()),
        format!("proxy-user\t***\t{}:2", path.display()),
        "max-connections-per-host\t4\tcommand line".to_owned(),
        "max-time\t\"5m\"\tenvironment RINGPULL_MAX_TIME".to_owned(),
        "on-conflict\t\"overwrite\"\tdefault".to_owned(),
    ] {
        assert!(rows.lines().any(|own| own == row), "{row}\n{rows}");
    }
    assert!(!rows.contains("SECRET") && told(&done).contains("did you mean RINGPULL_DIR?"));
}

#[test]
fn options_that_make_no_run_are_refused_where_they_are_shown() {
    let sandbox = Sandbox::new();
    let home = sandbox.path("home");
    for (options, refused) in [
        (&["--name-template", "{nothing}"][..], "{nothing}"),
        (&["--netrc-file", "missing"], "missing"),
        (&["--cacert", "missing"], "cannot use the CA file missing"),
        (&["--cert", "missing"], "cannot use the certificate missing"),
        (&["--cert", "missing:PASSWORD"], "cannot use the certificate missing:***"),
        (&["--pinnedpubkey", "missing"], "cannot use the public key missing"),
        (&["-o", "a.bin", "-i", "-"], "several downloads"),
        (&["--save-session", "."], "cannot write --save-session to ."),
        (&["--dns-cache", "."], "cannot write --dns-cache to ."),
    ] {
        let done = program(&home, b"").arg("config").args(options).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{}", told(&done));
        assert!(told(&done).contains(refused), "{}", told(&done));
        // What it comes from is to be seen all the same.
        assert!(String::from_utf8_lossy(&done.stdout).contains("command line"));
    }
    let done = program(&home, b"").args(["config", "-o", "a.bin"]).output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    for line in [&["config"][..], &["help", "config"], &["man"], &["--help"]] {
        let run = |output: Stdio| {
            program(&sandbox.path("home"), b"").args(line).stdout(output).output().unwrap()
        };
        let done = run(File::options().write(true).open("/dev/full").unwrap().into());
        assert_eq!(done.status.code(), Some(3), "{line:?}: {}", told(&done));
        assert!(told(&done).contains("cannot write to standard output"), "{}", told(&done));
        // A reader that has seen enough is none.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = run(writer.into());
        assert_eq!((done.status.code(), told(&done).as_str()), (Some(0), ""), "{line:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_and_nothing_panics() {
    let sandbox = Sandbox::new();
    let bytes = std::ffi::OsStr::from_bytes(b"d\xff\xe9");
    let home = sandbox.path("home");
    for locale in ["C", "C.UTF-8", "de_DE.ISO-8859-1"] {
        let mut program = program(&home, b"");
        program.env("LC_ALL", locale).env("LANG", locale);
        let done = program.args(["config", "-d"]).arg(bytes).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{}", told(&done));
        assert!(!String::from_utf8_lossy(&done.stderr).contains("panicked"));
    }
    for name in ["RINGPULL_DIR", "RINGPULL_HEADER", "RINGPULL_RETRYY", "RINGPULL_CONFIG"] {
        let mut program = program(&home, b"");
        let done = program.args(["config"]).env(name, bytes).output().unwrap();
        assert!(!String::from_utf8_lossy(&done.stderr).contains("panicked"), "{name}");
        let code = if name == "RINGPULL_RETRYY" { 0 } else { 2 };
        assert_eq!(done.status.code(), Some(code), "{name}: {}", told(&done));
    }
    let mut program = command(env!("CARGO_BIN_EXE_ringpull"));
    let done = program.args(["config"]).env("XDG_CONFIG_HOME", bytes).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    assert!(done.stdout.is_ascii());
}
