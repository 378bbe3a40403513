//! Runs that end before their list: too many failures, too long, enough bytes; and what `--ok-if`
//! pardons.

use crate::cmd::{Done, Sandbox, eventually};
use crate::origin::serve;
use crate::rude::{Plan, Rude, Script, Verb, ok, redirect, response};
use rustix::process::Signal;

/// One job after the other.
const ONE_BY_ONE: [&str; 6] = ["-j", "1", "--threads", "1", "--retry", "0"];

fn not_found() -> Script {
    vec![Verb::Send(response("404 Not Found", "", b""))]
}

/// So many URLs, of which every `nth` is not found, from the first on.
fn every_nth_fails(nth: usize, count: usize) -> (Rude, Vec<String>) {
    let failing = (0..count).step_by(nth);
    let plan = failing.fold(Plan::new().otherwise(ok(b"content")), |plan, n| {
        plan.on(&format!("/{n}"), [not_found()])
    });
    let server = plan.start();
    let urls = (0..count).map(|n| server.url(&format!("/{n}"))).collect();
    (server, urls)
}

fn count(done: &Done, status: &str) -> usize {
    done.rows.iter().filter(|row| row["status"] == status).count()
}

/// What the statistics say about the end.
fn end(sandbox: &Sandbox) -> String {
    let stats = std::fs::read(sandbox.path("stats.json")).unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
    assert_eq!(stats["is_interrupted"], stats["end"] == "interrupted");
    stats["end"].as_str().unwrap().to_owned()
}

#[test]
fn so_many_failures_end_the_run() {
    let (_server, urls) = every_nth_fails(3, 60);
    for (flags, failed) in [(["--max-errors", "4"], 4), (["--fail-early", "-q"], 1)] {
        let sandbox = Sandbox::new();
        let stats = ["--stats", "stats.json"];
        let done = sandbox.pull().args(ONE_BY_ONE).args(flags).args(stats).list(&urls).run();
        done.assert_code(9);
        assert_eq!((count(&done, "failed"), count(&done, "ok")), (failed, 2 * (failed - 1)));
        assert_eq!(sandbox.files().len(), 2 * (failed - 1));
        assert_eq!(end(&sandbox), "max_errors");
        if flags[1] != "-q" {
            assert!(done.stderr.contains("(stopped: too many failures, --max-errors)"));
        }
    }
    // So many are not reached.
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--max-errors", "21"]).list(&urls).run();
    done.assert_code(8);
    assert_eq!(done.rows.len(), 60);
}

#[test]
fn a_percentage_of_failures_is_looked_at_when_it_says_something() {
    let (_server, urls) = every_nth_fails(2, 300);
    let run = |percent| {
        let sandbox = Sandbox::new();
        sandbox.pull().args(ONE_BY_ONE).args(["--max-errors", percent]).list(&urls).run()
    };
    let done = run("49.9%");
    done.assert_code(9);
    assert_eq!(done.rows.len(), 100);
    let done = run("51%");
    done.assert_code(8);
    assert_eq!(done.rows.len(), 300);
}

#[test]
fn what_ends_with_its_list_is_complete() {
    let (_server, mut urls) = every_nth_fails(1, 1);
    let sandbox = Sandbox::new();
    let flags = ["--fail-early", "--stats", "stats.json"];
    let done = sandbox.pull().args(flags).list(&urls).run();
    done.assert_code(8);
    assert_eq!(end(&sandbox), "complete");
    // The same where the reader finds the failure.
    urls = vec!["nonsense".to_owned()];
    let done = sandbox.pull().args(flags).list(&urls).run();
    done.assert_code(2);
    assert_eq!(end(&sandbox), "complete");
    urls.push("https://never.example/".to_owned());
    let done = sandbox.pull().args(flags).list(&urls).run();
    done.assert_code(9);
    assert_eq!((done.rows.len(), end(&sandbox).as_str()), (1, "max_errors"));
}

#[test]
fn enough_bytes_end_the_run() {
    let server = Plan::new().otherwise(ok(&[7; 100_000])).start();
    let urls: Vec<String> = (0..20).map(|n| server.url(&format!("/{n}"))).collect();
    for (quota, files) in [("250k", 3), ("1", 1), ("0", 20), ("2000k", 20)] {
        let sandbox = Sandbox::new();
        let flags = ["-Q", quota, "--stats", "stats.json"];
        let done = sandbox.pull().args(ONE_BY_ONE).args(flags).list(&urls).run();
        done.assert_code(if files < 20 { 9 } else { 0 });
        assert_eq!((count(&done, "ok"), sandbox.files().len()), (files, files), "{quota}");
        assert_eq!(end(&sandbox), if files < 20 { "quota" } else { "complete" });
    }
}

#[test]
fn what_is_in_flight_when_the_time_is_over_gets_the_grace() {
    let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"late"))];
    let server = Plan::new().otherwise(script).start();
    let urls: Vec<String> = (0..9).map(|n| server.url(&format!("/{n}"))).collect();
    let flags = ["-x", "2", "--stats", "stats.json", "--max-duration", "200ms", "--grace"];
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(flags).arg("50ms").list(&urls).run();
    done.assert_code(9);
    assert_eq!((count(&done, "cancelled"), done.rows.len()), (2, 2));
    assert_eq!(end(&sandbox), "max_duration");
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);

    let running = sandbox.pull().args(flags).arg("50s").list(&urls).spawn();
    assert!(eventually(|| running.stderr().contains("stopping (the time is over")));
    server.open_gate();
    let done = running.wait();
    done.assert_code(9);
    assert_eq!((count(&done, "ok"), done.rows.len()), (2, 2));
}

#[test]
fn a_signal_ends_at_once_what_is_ending_already() {
    let server = Plan::new().otherwise(vec![Verb::Stall]).start();
    let sandbox = Sandbox::new();
    let flags = ["--stop", "1ms", "--grace", "1h", "--stats", "stats.json"];
    let running = sandbox.pull().args(flags).arg(server.url("/")).spawn();
    assert!(eventually(|| running.stderr().contains("stopping")));
    running.signal(Signal::INT);
    running.wait().assert_code(130);
    assert_eq!(end(&sandbox), "interrupted");
}

#[test]
fn so_many_good_ones_pardon_the_others() {
    let (server, mut urls) = every_nth_fails(10, 20);
    let run = |urls: &[String], percent: &str| {
        let sandbox = Sandbox::new();
        sandbox.pull().args(["--ok-if", percent]).list(urls).run().code()
    };
    assert_eq!(["90%", "90", "90.1%"].map(|percent| run(&urls, percent)), [0, 0, 8]);
    // Not what is wrong with the list.
    urls.push("nonsense".to_owned());
    assert_eq!(run(&urls, "50%"), 2);
    assert_eq!(run(&[server.url("/0")], "0%"), 0);
}

#[test]
fn a_sample_is_exactly_so_large_and_asks_for_no_more() {
    let (server, urls) = every_nth_fails(4, 400);
    let flags = ["--max-files", "90", "-j", "1000", "-x", "300", "--retry", "0", "--threads", "2"];
    let more = ["--stats", "stats.json", "--save-session", "left.txt"];
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(flags).args(more).list(&urls).run();
    // What servers did with other lines does not count.
    done.assert_code(0);
    assert_eq!((count(&done, "ok"), sandbox.files().len()), (90, 90));
    assert_eq!(end(&sandbox), "max_files");
    assert!(done.stderr.contains("(stopped: so many files are done, --max-files)"));
    // Every fourth of the first 120 failed, and each let another line begin.
    assert!((28..=31).contains(&count(&done, "failed")), "{}", count(&done, "failed"));
    assert_eq!(server.log().len(), done.rows.len(), "nothing else was asked for");
    let last = done.rows.iter().map(|row| row["index"].parse::<usize>().unwrap()).max();
    assert!(last.unwrap() <= 121, "{last:?}");
    // The rest is left: another run takes it up.
    let left = std::fs::read_to_string(sandbox.path("left.txt")).unwrap();
    let left = left.lines().filter(|line| line.starts_with("http")).count();
    assert_eq!(left, 400 - 90);
    let again = sandbox.pull().args(flags).list(&urls).again().run();
    again.assert_code(0);
    assert_eq!(sandbox.files().len(), 180, "so many of each run");
}

#[test]
fn a_line_counts_once_whatever_it_takes() {
    let busy = || vec![Verb::Send(response("503 Busy", "Retry-After: 0\r\n", b""))];
    let server = Plan::new()
        .on("/0", [busy(), busy(), ok(b"zero")])
        .on("/1", [redirect("/there")])
        .on("/2", [not_found()])
        .on("/4", [vec![Verb::Close], ok(b"four")])
        .otherwise(ok(b"content"))
        .start();
    let urls: Vec<String> = (0..20).map(|n| server.url(&format!("/{n}"))).collect();
    for flags in [["-j", "1"], ["-j", "64"], ["--pipeline", "4"]] {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.out().join("3"), "it was there").unwrap();
        let more = ["--max-files", "4", "--retry-delay", "1ms", "--on-conflict", "skip"];
        let done = sandbox.pull().args(flags).args(more).list(&urls).run();
        done.assert_code(0);
        let status = |wanted| count(&done, wanted);
        assert_eq!([status("ok"), status("failed"), status("skipped")], [4, 1, 1], "{flags:?}");
        assert_eq!(sandbox.files().len(), 5);
    }
}

#[test]
fn helpers_and_mirrors_are_no_files_of_their_own() {
    let served = serve();
    let files: Vec<_> =
        (0..4).map(|n| served.file(&format!("f{n}"), 8 << 20).with("rate", 8_000_000)).collect();
    let gone = served.http("/status/404");
    let list: Vec<String> = files.iter().map(|file| format!("{gone}\t{}", file.url())).collect();
    let sandbox = Sandbox::new();
    let flags = ["--max-files", "2", "-s", "4", "-k", "1M", "--name-template", "{seq}"];
    let done = sandbox.pull().args(flags).list(&list).run();
    done.assert_code(0);
    assert_eq!((count(&done, "ok"), done.rows.len()), (2, 2));
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!([&files[2], &files[3]].map(|file| file.stats().requests), [0, 0]);
}

#[test]
fn a_list_may_have_fewer_files_than_are_wanted() {
    let (_server, urls) = every_nth_fails(5, 10);
    let sandbox = Sandbox::new();
    let flags = ["--retry", "0", "--stats", "stats.json", "--max-files"];
    let done = sandbox.pull().args(flags).arg("9").list(&urls).run();
    done.assert_code(8);
    assert_eq!((done.rows.len(), end(&sandbox).as_str()), (10, "complete"));
    // Nothing is left behind the last one, and a bad line there is not looked at.
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(flags).arg("8").list(&urls).run();
    done.assert_code(0);
    let mut bad = urls[1..3].to_vec();
    bad.push("nonsense".to_owned());
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(flags).arg("2").list(&bad).run();
    done.assert_code(0);
    assert_eq!((done.rows.len(), end(&sandbox).as_str()), (2, "max_files"));
}

#[test]
fn numbers_that_are_none_are_refused() {
    let sandbox = Sandbox::new();
    let flags = [
        ["--max-errors", "0"],
        ["--max-errors", "101%"],
        ["--max-errors", "x%"],
        ["--ok-if", "nan"],
        ["--ok-if", "1e1"],
        ["--ok-if", "%"],
        ["--max-duration", "0"],
        ["--max-files", "0"],
        ["--quota", "x"],
    ];
    for flag in flags {
        let done = sandbox.pull().args(flag).arg("http://h.example/").run();
        done.assert_code(2);
        assert!(done.stderr.contains(flag[0]), "{}", done.stderr);
    }
}
