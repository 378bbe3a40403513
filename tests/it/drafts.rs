//! Files that are written beside the one they replace: nothing that lies in wait is followed, and
//! nothing stays.

use crate::cmd::{Sandbox, eventually};
use crate::rude::{Plan, Verb, ok};
use rustix::process::Signal;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_lies_in_wait_is_neither_followed_nor_removed() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let shared = sandbox.path("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(sandbox.path("victim"), b"mine").unwrap();
    std::fs::write(shared.join("left.part"), b"of somebody").unwrap();
    // The number of the process stays the same over exec.
    let script = r#"ln -s ../victim "shared/.ringpull-names.$$"; exec "$@""#;
    let args = ["--dns-cache", "shared/names", "--save-session", "shared/left"];
    let pull = sandbox.pull().args(args).args([server.url("/a"), server.url("/b")]);
    pull.under("sh", ["-c", script, "sh"]).run().assert_ok(2);
    assert_eq!(std::fs::read(sandbox.path("victim")).unwrap(), b"mine");
    assert_eq!(std::fs::read(shared.join("left.part")).unwrap(), b"of somebody");
    let names = names(&shared);
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(
        names[0].starts_with(".ringpull-names.") && names[1..] == ["left", "left.part", "names"]
    );
    let mode = |name: &str| shared.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("left"), 0o600);
}

#[test]
fn the_cache_stays_as_readable_as_it_was() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let path = sandbox.path("real");
    symlink("real", sandbox.path("names")).unwrap();
    let pull = || sandbox.pull().args(["--dns-cache", "names", &server.url("/a")]);
    pull().run().assert_ok(1);
    for mode in [0o600, 0o664] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        pull().run().assert_ok(1);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
    }
    assert!(sandbox.path("names").symlink_metadata().unwrap().is_symlink(), "a link stays one");
}

#[test]
fn a_run_that_ends_early_leaves_no_draft() {
    let server = Plan::new().otherwise(vec![Verb::Stall]).start();
    let sandbox = Sandbox::new();
    let own = sandbox.path("own");
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("left"), b"old").unwrap();
    let start = |args: &[&str]| {
        let pull = sandbox.pull().args(["--save-session", "own/left", "--dns-cache", "own/names"]);
        pull.args(args).args([server.url("/a")]).spawn()
    };
    // One that is killed.
    let running = start(&[]);
    assert!(eventually(|| server.log().len() == 1));
    running.signal(Signal::KILL);
    drop(running);
    assert_eq!(names(&own), ["left", "names"]);
    assert_eq!(std::fs::read(own.join("left")).unwrap(), b"old");
    // One whose session can no longer take its name.
    let running = start(&["--grace", "0"]);
    assert!(eventually(|| server.log().len() == 2), "{}", running.stderr());
    std::fs::remove_file(own.join("left")).unwrap();
    std::fs::create_dir(own.join("left")).unwrap();
    running.signal(Signal::INT);
    let done = running.wait();
    assert!(done.stderr.contains("cannot write the session"), "{}", done.stderr);
    assert!(own.join("left").is_dir());
    assert_eq!(names(&own), ["left", "names"]);
}
