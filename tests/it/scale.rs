//! Lists of any length: what is told of them without a run, and who gets which lines.

use crate::cmd::{Done, Pull, Row, Sandbox};
use crate::rude::{Plan, ok};
use std::collections::BTreeMap;

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

/// How each line ended and where its file went, by line number.
fn ends(done: &Done) -> BTreeMap<u32, (String, String)> {
    let end = |row: &Row| (row["status"].clone(), row["filename"].clone());
    done.rows.iter().map(|row| (row["index"].parse().unwrap(), end(row))).collect()
}

#[test]
fn shards_share_a_list_and_give_each_file_the_name_it_has_without_them() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let hosts: Vec<String> = (0..24).map(|number| format!("h{number}.example")).collect();
    let mut lines = vec!["no url".to_owned()];
    for number in 0..120 {
        // Many have the same name, on the same host and on others.
        lines
            .push(server.url_at(&hosts[number * 7 % 24], &format!("/dir{number}/f{}", number % 5)));
    }
    lines.push("ftp://x/".to_owned());
    let resolve = format!("*:{}:127.0.0.1", server.port());
    let pull = |report: &str| {
        let pull = sandbox.pull().args(["--resolve", &resolve]).report(report);
        pull.list(&lines)
    };
    let whole = ends(&pull("whole.csv").run());
    assert_eq!(whole.len(), 122);
    let mut joined = BTreeMap::new();
    for shard in 0..3 {
        let done = pull(&format!("{shard}.csv")).args(["--shard", &format!("{shard}/3")]).run();
        done.assert_code(if shard == 0 { 2 } else { 0 });
        let part = ends(&done);
        assert!(part.len() > 10, "{}", part.len());
        let told = format!("shard {shard}/3: {} lines are for other shards\n", 122 - part.len());
        assert!(done.stderr.contains(&told), "{}", done.stderr);
        for (index, end) in part {
            assert_eq!(joined.insert(index, end), None, "line {index} is in two shards");
        }
    }
    assert_eq!(joined, whole);
    let hosts = pull("dry.csv").args(["--dry-run", "--shard", "1/3"]).run();
    assert!(hosts.stderr.contains(" lines are for other shards\n"), "{}", hosts.stderr);
}

#[test]
fn a_task_of_an_array_takes_its_shard_and_says_so() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..20).map(|n| server.url(&format!("/{n}"))).collect();
    let mut rows = 0;
    for task in 1..=2 {
        let id = task.to_string();
        let done = sandbox
            .pull()
            .env("SLURM_ARRAY_TASK_ID", &id)
            .env("SLURM_ARRAY_TASK_COUNT", "2")
            .env("SLURM_ARRAY_TASK_MIN", "1")
            .report(&format!("{id}.csv"))
            .list(&urls)
            .run();
        done.assert_ok(done.rows.len());
        rows += done.rows.len();
        let begin = format!("SLURM_ARRAY_TASK_ID is set: this is shard {}/2", task - 1);
        assert!(done.stderr.contains(&begin), "{}", done.stderr);
        assert!(done.stderr.contains(" lines are for other shards"), "{}", done.stderr);
    }
    assert_eq!(rows, 20);
    let job =
        |pull: Pull<'_>| pull.env("JOB_COMPLETION_INDEX", "1").report("job.csv").list(&urls).run();
    let done = job(sandbox.pull());
    done.assert_code(2);
    assert!(done.stderr.contains("JOB_COMPLETIONS is not"), "{}", done.stderr);
    let done = job(sandbox.pull().args(["--shard", "0/1"]));
    done.assert_ok(20);
    assert!(!done.stderr.contains("shard"), "{}", done.stderr);
}
