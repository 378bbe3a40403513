//! `--dirs`: which folder a file goes into, in every run the same, and what is as before there.

use crate::cmd::Sandbox;
use crate::origin::serve;
use crate::rude::{Plan, Verb, response};
use std::collections::BTreeSet;
use std::path::Path;

/// Files beneath a directory, as paths with their content.
fn tree(dir: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let below = tree(&entry.path());
            found.extend(below.into_iter().map(|(path, body)| (format!("{name}/{path}"), body)));
        } else {
            found.insert((name, std::fs::read(entry.path()).unwrap()));
        }
    }
    found
}

fn paths(dir: &Path) -> Vec<String> {
    tree(dir).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn files_go_into_the_folders_that_were_asked_for() {
    let served = serve();
    let port = served.port();
    let lines = [
        served.http("/bytes/10/a"),
        served.http("/bytes/20/a"),
        served.http("/bytes/30/c"),
        "  out=as/given".to_owned(),
        served.http("/bytes/40/d"),
        "  dir=below".to_owned(),
    ];
    let by_host = [
        "as/given".to_owned(),
        format!("127.0.0.1:{port}/a"),
        format!("127.0.0.1:{port}/a.2"),
        format!("below/127.0.0.1:{port}/d"),
    ];
    let by_line = ["000000/a", "000000/a.2", "as/given", "below/000000/d"].map(str::to_owned);
    let each = ["000000000/a", "000000001/a", "as/given", "below/000000004/d"].map(str::to_owned);
    for (how, mut wanted) in [("host", by_host), ("seq:1000", by_line), ("seq:1", each)] {
        let sandbox = Sandbox::new();
        let done = sandbox.pull().args(["--dirs", how]).list(&lines).run();
        done.assert_ok(4);
        wanted.sort();
        assert_eq!(paths(&sandbox.out()), wanted, "{how}");
        let shown = &done.row(&lines[4])["filename"];
        assert!(Path::new(shown).is_file(), "{shown}");
    }
}

#[test]
fn two_runs_give_the_same_names() {
    let served = serve();
    let lines: Vec<String> =
        (0..300).map(|n| served.http(&format!("/bytes/{n}/same{}", n % 7))).collect();
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    for (sandbox, jobs) in sandboxes.iter().zip(["1", "64"]) {
        let pull = sandbox.pull().args(["--dirs", "hash:2/1", "-j", jobs, "-x", jobs]);
        pull.list(&lines).run().assert_ok(300);
    }
    let trees = sandboxes.each_ref().map(|sandbox| tree(&sandbox.out()));
    assert_eq!(trees[0].len(), 300);
    assert!(trees[0] == trees[1]);
    // A second run over the same files finds them all.
    let again = sandboxes[0].pull().args(["--dirs", "hash:2/1", "--no-clobber"]).list(&lines).run();
    again.assert_code(0);
    assert!(again.rows.iter().all(|row| row["status"] == "skipped"));
}

#[test]
fn a_name_that_a_server_proposes_goes_into_the_folder_too() {
    let fields = "Content-Disposition: attachment; filename=\"b.pdf\"\r\n";
    let server =
        Plan::new().otherwise(vec![Verb::Send(response("200 OK", fields, b"body"))]).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--dirs", "seq:10", "-J"]).list([server.url("/a")]);
    pull.run().assert_ok(1);
    assert_eq!(paths(&sandbox.out()), ["00000000/b.pdf"]);
}

#[test]
fn a_folder_is_not_for_the_one_name_of_o() {
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--dirs", "host", "-o", "x", "http://host.example/"]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("--dirs"), "{}", done.stderr);
}
