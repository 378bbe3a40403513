//! A report that is deleted, moved, replaced or cut short while its run goes on: that is said, and
//! no row is lost that can be saved.

use crate::cmd::{Done, Pull, Sandbox, eventually};
use crate::rude::{Plan, Rude, Verb, ok};
use std::fs;
use std::path::Path;

/// One answer at once, and one when the gate opens.
fn server() -> Rude {
    let mut held = vec![Verb::Gate];
    held.extend(ok(b"held"));
    Plan::new().on("/a", [ok(b"a")]).on("/held", [held]).start()
}

fn pull<'s>(sandbox: &'s Sandbox, server: &Rude) -> Pull<'s> {
    let files = ["--stats", "stats.json", "--save-session", "left.txt"];
    sandbox.pull().args(files).list([server.url("/a"), server.url("/held")])
}

/// Pulls both, and does something with the report when its first row is there.
fn meddled(sandbox: &Sandbox, server: &Rude, meddle: impl Fn(&Path)) -> Done {
    let running = pull(sandbox, server).spawn();
    let report = sandbox.path("report.csv");
    let has_row = || fs::read_to_string(&report).is_ok_and(|text| text.contains(",ok,"));
    assert!(eventually(has_row), "{}", running.stderr());
    meddle(&report);
    server.open_gate();
    let done = running.wait();
    // What else a run leaves is there all the same.
    let stats = fs::read_to_string(sandbox.path("stats.json")).unwrap();
    assert!(stats.contains("\"successes\": 2"), "{stats}");
    assert!(sandbox.path("left.txt").exists() && done.stderr.contains("2 URLs: 2 ok"));
    done.assert_code(3);
    done
}

/// The report, back in its place, is as good as it ever was.
fn assert_whole(sandbox: &Sandbox, server: &Rude, found: &str) {
    fs::rename(sandbox.path(found), sandbox.path("report.csv")).unwrap();
    let asked = server.log().len();
    pull(sandbox, server).again().run().assert_ok(2);
    assert_eq!(server.log().len(), asked, "everything is done");
}

#[test]
fn a_report_that_was_deleted_is_written_again() {
    let (server, sandbox) = (server(), Sandbox::new());
    fs::write(sandbox.path("report.csv.recovered"), "of an earlier run").unwrap();
    let done = meddled(&sandbox, &server, |report| fs::remove_file(report).unwrap());
    assert!(done.stderr.contains("report.csv was deleted while the run went on"));
    assert!(done.stderr.contains("report.csv.recovered.1"), "{}", done.stderr);
    assert_whole(&sandbox, &server, "report.csv.recovered.1");
}

#[test]
fn a_report_that_was_moved_is_found() {
    let (server, sandbox) = (server(), Sandbox::new());
    let elsewhere = sandbox.path("elsewhere.csv");
    let done = meddled(&sandbox, &server, |report| fs::rename(report, &elsewhere).unwrap());
    assert!(done.stderr.contains("report.csv was moved while the run went on"), "{}", done.stderr);
    assert!(done.stderr.contains("elsewhere.csv"), "{}", done.stderr);
    assert_whole(&sandbox, &server, "elsewhere.csv");
}

#[test]
fn what_took_the_place_of_a_report_is_left_alone() {
    let (server, sandbox) = (server(), Sandbox::new());
    let other = sandbox.path("other");
    fs::write(&other, "somebody else's").unwrap();
    let done = meddled(&sandbox, &server, |report| fs::rename(&other, report).unwrap());
    assert!(done.stderr.contains("report.csv.recovered"), "{}", done.stderr);
    let there = fs::read_to_string(sandbox.path("report.csv")).unwrap();
    assert_eq!(there, "somebody else's");
    assert_whole(&sandbox, &server, "report.csv.recovered");
}

#[test]
fn a_report_that_was_cut_short_is_no_success() {
    let (server, sandbox) = (server(), Sandbox::new());
    server.open_gate();
    let many = (0..20).map(|n| server.url(&format!("/missing{n}")));
    sandbox.pull().list(many.clone()).run().assert_code(8);
    // Less is added than it had.
    let mut running = sandbox.pull().again().arg("-i").arg("-").spawn();
    let report = sandbox.path("report.csv");
    running.feed(many.chain([server.url("/a")]));
    let has_row = || fs::read_to_string(&report).is_ok_and(|text| text.contains(",ok,"));
    assert!(eventually(has_row), "{}", running.stderr());
    fs::File::options().write(true).open(&report).unwrap().set_len(0).unwrap();
    let done = running.wait();
    done.assert_code(3);
    assert!(done.stderr.contains("report.csv was cut short"), "{}", done.stderr);
}
