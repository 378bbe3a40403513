//! Lists of any length: what is told of them without a run, and who gets which lines.

use crate::cmd::{Done, Pull, Row, Sandbox, eventually};
use crate::rude::{Plan, Rude, Verb, ok, response};
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

#[test]
fn a_dry_run_counts_the_hosts_of_mirrors() {
    let sandbox = Sandbox::new();
    let lines =
        ["http://a.example/1\thttp://b.example/1\thttp://c.example/1", "http://b.example/2"];
    let done = sandbox.pull().arg("--dry-run").list(lines).run();
    done.assert_code(0);
    for part in ["2 URLs to pull", "3 hosts; ", " 2  b.example\n", " 1  c.example\n"] {
        assert!(done.stderr.contains(part), "{part}\n{}", done.stderr);
    }
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
        let told = format!("{shard}/3: {} lines are for other shards\n", 122 - part.len());
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

/// Lines of `slow`, all to one URL, and behind them 50 of another host, some with equal names.
fn list_with_a_slow_begin(server: &Rude, slow: usize) -> Vec<String> {
    let slow = (0..slow).map(|_| server.url_at("slow.example", "/slow"));
    let fast = (0..50).map(|n| server.url_at("fast.example", &format!("/{n}/fast{}", n % 40)));
    slow.chain(["no url".to_owned()]).chain(fast).collect()
}

fn fast_requests(server: &Rude) -> usize {
    server.log().iter().filter(|path| path.contains("/fast")).count()
}

#[test]
fn a_host_that_hangs_holds_up_nobody_and_changes_no_name() {
    let answer = response("200 OK", "", b"late");
    let script = vec![Verb::Gate, Verb::Send(answer)];
    let server = Plan::new().on("/slow", [script]).otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let list = list_with_a_slow_begin(&server, 5_000);
    let resolve = format!("*:{}:127.0.0.1", server.port());
    let pull = |lookahead: &str, report: &str| {
        let pull = sandbox.pull().args(["--resolve", &resolve, "--lookahead", lookahead]);
        pull.report(report).list(&list)
    };
    let running = pull("100", "small.csv").spawn();
    assert!(eventually(|| fast_requests(&server) == 50), "{}", running.stderr());
    let slow = server.log().iter().filter(|path| *path == "/slow").count();
    assert!(slow <= 8, "{slow} requests while none was answered");
    server.open_gate();
    let done = running.wait();
    done.assert_code(2);
    let small = ends(&done);
    assert_eq!(small.len(), 5_051);
    assert_eq!(done.rows.len(), 5_051, "some line has two rows");
    assert_eq!(fast_requests(&server), 50);
    let large = ends(&pull("100000", "large.csv").run());
    assert_eq!(small, large);
}

#[test]
fn a_silent_host_that_had_all_slots_gets_half_of_them() {
    let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"late"))];
    let server = Plan::new().on("/slow", [script]).otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let resolve = format!("*:{}:127.0.0.1", server.port());
    let pull = sandbox.pull().args(["--resolve", &resolve, "-j", "4", "--retry", "0"]);
    let pull = pull.args(["--read-timeout", "3s", "--grace", "0"]);
    let running = pull.list(list_with_a_slow_begin(&server, 100)).spawn();
    assert!(eventually(|| fast_requests(&server) == 50), "{}", running.stderr());
    let slow = server.log().iter().filter(|path| *path == "/slow").count();
    assert!(slow <= 6, "{slow} requests, and the others' took turns with them");
    running.signal(rustix::process::Signal::INT);
    running.wait();
}

#[test]
fn a_host_that_always_asks_for_a_wait_holds_up_nobody() {
    let busy = response("429 Too Many Requests", "Retry-After: 1\r\n", b"");
    let script = vec![Verb::Send(busy)];
    let server = Plan::new().on("/slow", [script]).otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let resolve = format!("*:{}:127.0.0.1", server.port());
    let running = sandbox
        .pull()
        .args(["--resolve", &resolve, "--lookahead", "100", "--grace", "0"])
        .list(list_with_a_slow_begin(&server, 5_000))
        .spawn();
    assert!(eventually(|| fast_requests(&server) == 50), "{}", running.stderr());
    let slow = server.log().iter().filter(|path| *path == "/slow").count();
    assert!(slow < 200, "{slow} requests first");
    running.signal(rustix::process::Signal::INT);
    let done = running.wait();
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), 50);
}

#[test]
fn lines_of_a_slow_pipe_begin_when_they_come() {
    let server = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    for lookahead in ["1", "3"] {
        let seen = server.log().len();
        let report = format!("{lookahead}.csv");
        let pull = sandbox.pull().args(["--lookahead", lookahead, "-i", "-"]).report(&report);
        let mut running = pull.spawn();
        for number in 1..=20 {
            running.feed([server.url(&format!("/{number}"))]);
            assert!(eventually(|| server.log().len() == seen + number), "line {number}");
        }
        running.wait().assert_ok(20);
    }
}
