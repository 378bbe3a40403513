//! Lists of any length: what is told of them without a run, and who gets which lines.

use crate::cmd::Sandbox;
use crate::rude::{Plan, ok};

#[test]
fn a_dry_run_tells_what_a_list_holds_and_touches_nothing() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let good = server.url("/a");
    let done = sandbox
        .pull_into(&sandbox.path("missing"))
        .arg("--dry-run")
        .list(["# a list", &good, &good, "http://other.example/", "", "ftp://x/", "no url"])
        .run();
    done.assert_code(2);
    assert!(done.stdout.is_empty());
    let text = &done.stderr;
    for part in [
        "failed: line 6: \"ftp://x/\"",
        "(input.scheme)",
        "failed: line 7: \"no url\"",
        "dry run: 7 lines: 3 URLs to pull, 2 bad, 2 blank",
        "2 hosts; ",
        &format!("       2  {}\n", server.addr()),
        "       1  other.example\n",
        " lines/s, and schedules ",
        "peak resident memory ",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(server.connections(), 0);
    for name in ["missing", "report.csv"] {
        assert!(!sandbox.path(name).exists(), "{name}");
    }
    let done = sandbox.pull().args(["--dry-run", "-q", &good]).run();
    done.assert_code(0);
    assert_eq!(done.stderr, "");
    sandbox.pull().args(["--dry-run", "-i", "not-there.txt"]).run().assert_code(2);
}
