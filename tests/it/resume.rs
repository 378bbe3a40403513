//! A run is taken up again from its report: what is done is not asked for again, and a list that is
//! another one is refused before anything is written.

use crate::cmd::{Done, Pull, Sandbox, command, eventually, is_temporary, skip, skip_forbidden};
use crate::rude::{Plan, Rude, Verb, ok, response};
use ringpull::origin;
use rustix::process::Signal;
use std::collections::HashMap;

/// A server that has everything; `/gone` only from the second request on, `/missing` never.
fn serve() -> Rude {
    let busy = vec![Verb::Send(response("503 Service Unavailable", "", b""))];
    let missing = vec![Verb::Send(response("404 Not Found", "", b""))];
    let plan = Plan::new().on("/busy", [busy, ok(b"at last")]).on("/missing", [missing]);
    plan.otherwise(ok(b"body")).start()
}

fn urls(server: &Rude, count: usize) -> Vec<String> {
    (1..=count).map(|number| server.url(&format!("/f{number}"))).collect()
}

/// The rows of the report as it is.
fn rows(sandbox: &Sandbox, report: &str) -> String {
    std::fs::read_to_string(sandbox.path(report)).unwrap()
}

/// Each line has exactly one row that says ok, and it is its last one.
fn assert_each_ok_once(done: &Done, lines: usize) {
    let mut last = HashMap::new();
    for row in &done.rows {
        let was = last.insert(row["index"].clone(), row["status"].clone());
        assert_ne!(was.as_deref(), Some("ok"), "pulled again: {row:#?}");
    }
    assert_eq!(last.len(), lines);
    assert!(last.values().all(|status| status == "ok"), "{last:?}");
}

#[test]
fn the_same_command_again_asks_for_nothing_that_is_done() {
    for report in ["report.csv", "report.jsonl"] {
        let server = serve();
        let sandbox = Sandbox::new();
        let lists = urls(&server, 300);
        sandbox.pull().report(report).list(&lists).run().assert_code(0);
        let before = rows(&sandbox, report);
        std::fs::remove_file(sandbox.out().join("f7")).unwrap();
        let done = sandbox.pull().report(report).again().list(&lists).run();
        done.assert_code(0);
        assert_eq!(server.log().len(), 300, "no request");
        assert_eq!(rows(&sandbox, report), before, "no row");
        assert!(done.stderr.contains("300 lines done by earlier runs"), "{}", done.stderr);
        // Begun anew on demand, whatever is there.
        let done = sandbox.pull().report(report).list(&lists).run();
        done.assert_code(0);
        assert_eq!(server.log().len(), 600);
        assert_eq!(rows(&sandbox, report).lines().count(), before.lines().count());
    }
}

#[test]
fn after_ctrl_c_the_same_command_goes_on() {
    let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"body"))];
    let mut plan = Plan::new().otherwise(script);
    for number in 1..=10 {
        plan = plan.on(&format!("/f{number}"), [ok(b"body")]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let list = urls(&server, 40);
    let args = ["-x", "4", "-j", "4", "--retry", "0", "--grace", "100ms"];
    let running = sandbox.pull().args(args).list(&list).spawn();
    assert!(eventually(|| server.log().len() == 14), "{:?}", server.log());
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    let cancelled = done.rows.iter().filter(|row| row["status"] == "cancelled").count();
    assert_eq!((done.rows.len(), cancelled), (14, 4));
    server.open_gate();
    let done = sandbox.pull().again().args(args).list(&list).run();
    done.assert_code(0);
    assert_each_ok_once(&done, 40);
    assert_eq!(server.log().len(), 14 + 30);
    assert_eq!(sandbox.files().len(), 40);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn names_come_out_as_in_one_run() {
    let server = serve();
    let sandbox = Sandbox::new();
    // All of them want the same name.
    let list: Vec<String> = (0..50).map(|n| server.url(&format!("/{n}/same.txt"))).collect();
    sandbox.pull().list(&list[..20]).run().assert_code(0);
    let done = sandbox.pull().again().list(&list).run();
    done.assert_code(0);
    let names = |done: &Done| -> HashMap<String, String> {
        done.rows.iter().map(|row| (row["index"].clone(), row["filename"].clone())).collect()
    };
    let together = names(&done);
    assert_eq!((sandbox.files().len(), together.len()), (50, 50));
    let other = Sandbox::new();
    let whole = names(&other.pull().list(&list).run());
    for (index, name) in whole {
        let name = name.replace(other.out().to_str().unwrap(), sandbox.out().to_str().unwrap());
        assert_eq!(together[&index], name);
    }
}

#[test]
fn another_list_is_refused_and_nothing_is_written() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = urls(&server, 5_000);
    sandbox.pull().list(&list[..4_200]).run().assert_code(0);
    let before = rows(&sandbox, "report.csv");
    let mut changed = list.clone();
    changed[17] = server.url("/other");
    changed[4_199] = server.url("/another");
    let mut moved = list.clone();
    moved.insert(0, server.url("/first"));
    let path = |path: &str| server.url(path);
    for (wrong, line) in [
        (&changed, format!("line 18 is {}, and was {}", path("/other"), path("/f18"))),
        (&moved, format!("line 1 is {}, and was {}", path("/first"), path("/f1"))),
        (&list[..100].to_vec(), format!("line 101 has no URL any more, and was {}", path("/f101"))),
        (&list[100..].to_vec(), format!("line 1 is {}, and was {}", path("/f101"), path("/f1"))),
        (
            &[&list[..4_199], &changed[4_199..]].concat(),
            format!("line 4200 is {}, and was {}", path("/another"), path("/f4200")),
        ),
    ] {
        let done = sandbox.pull().again().list(wrong).run();
        done.assert_code(2);
        assert!(done.stderr.contains(&line), "{line}: {}", done.stderr);
        assert!(done.stderr.contains("--fresh"), "{}", done.stderr);
        assert_eq!(rows(&sandbox, "report.csv"), before);
        assert_eq!(server.log().len(), 4_200);
    }
    // It may grow at its end.
    let done = sandbox.pull().again().list(&list).run();
    done.assert_code(0);
    assert_each_ok_once(&done, 5_000);
    // And it may end where a block does.
    let done = sandbox.pull().again().list(&list[..4_096]).run();
    done.assert_code(0);
    assert!(done.stderr.contains("the list is shorter than it was"), "{}", done.stderr);
}

#[test]
fn failures_count_until_they_are_tried_again() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = [server.url("/ok"), server.url("/busy"), server.url("/missing"), "bad".to_owned()];
    let pull = || sandbox.pull().args(["--retry", "0"]).list(&list);
    pull().run().assert_code(2);
    let asked = server.log().len();
    let done = pull().again().run();
    done.assert_code(2);
    assert_eq!((server.log().len(), done.rows.len()), (asked, 4));
    assert!(done.stderr.contains("4 lines done by earlier runs, 3 of them failed"));
    let done = pull().again().arg("--retry-failed=transient").run();
    done.assert_code(2);
    assert_eq!((&server.log()[asked..], done.rows.len()), (&["/busy".to_owned()][..], 5));
    let done = pull().again().arg("--retry-failed").run();
    done.assert_code(2);
    assert_eq!((&server.log()[asked + 1..], done.rows.len()), (&["/missing".to_owned()][..], 7));
}

#[test]
fn values_that_would_be_taken_for_something_else_are_refused() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = urls(&server, 3);
    sandbox.pull().list(&list).run().assert_code(0);
    let before = rows(&sandbox, "report.csv");
    for args in [["--retry-failed", "transient"], ["--save-session", "-"]] {
        let done = sandbox.pull().again().args(args).list(&list).run();
        done.assert_code(2);
        assert_eq!(rows(&sandbox, "report.csv"), before, "{args:?}");
    }
}

#[test]
fn joined_reports_are_one() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = urls(&server, 100);
    // Two machines with half of the list each: the other half is a comment to them.
    let half = |odd: bool| -> Vec<String> {
        let lines = list.iter().enumerate();
        lines.map(|(at, url)| if (at % 2 == 1) == odd { url.clone() } else { "#".into() }).collect()
    };
    sandbox.pull().report("a.csv").list(half(false)).run().assert_code(0);
    sandbox.pull().report("b.csv").list(half(true)).run().assert_code(0);
    let both = [rows(&sandbox, "a.csv"), rows(&sandbox, "b.csv")].concat();
    std::fs::write(sandbox.path("report.csv"), &both).unwrap();
    sandbox.pull().again().list(&list).run().assert_code(0);
    assert_eq!(server.log().len(), 100);
    assert_eq!(rows(&sandbox, "report.csv"), both);
}

#[test]
fn what_is_no_report_is_left_as_it_is() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = urls(&server, 3);
    sandbox.pull().report("good.jsonl").list(&list).run().assert_code(0);
    for (name, text) in [
        ("table.csv", "name,size\na,1\n".to_owned()),
        ("notes.jsonl", "remember the milk".to_owned()),
        ("json.csv", rows(&sandbox, "good.jsonl")),
        ("index.csv", "url,index,status\nhttp://a/,0,ok\n".to_owned()),
    ] {
        std::fs::write(sandbox.path(name), &text).unwrap();
        let done = sandbox.pull().report(name).again().list(&list).run();
        done.assert_code(2);
        assert!(done.stderr.contains(name) && done.stderr.contains("--fresh"), "{}", done.stderr);
        assert_eq!(rows(&sandbox, name), text);
        assert_eq!(server.log().len(), 3);
    }
}

#[test]
fn two_runs_do_not_write_one_report() {
    let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"body"))];
    let server = Plan::new().otherwise(script).start();
    let sandbox = Sandbox::new();
    let first = sandbox.pull().arg(server.url("/a")).spawn();
    assert!(eventually(|| server.log().len() == 1), "{}", first.stderr());
    for is_again in [true, false] {
        let pull = sandbox.pull().arg(server.url("/b"));
        let second = if is_again { pull.again() } else { pull }.run();
        second.assert_code(3);
        assert!(second.stderr.contains("another run is writing it"), "{}", second.stderr);
    }
    server.open_gate();
    first.wait().assert_ok(1);
    assert_eq!(server.log(), ["/a"]);
}

/// Starts a run whose four jobs are held after the first half of a long body, and kills it.
fn kill_within_bodies(sandbox: &Sandbox, server: &Rude, args: &[&str], list: &[String]) {
    let before = server.log().len();
    let pull = sandbox.pull().again().args(["-x", "4", "-j", "4", "--retry", "0"]).args(args);
    let mut running = pull.list(list).spawn();
    assert!(eventually(|| server.log().len() == before + 4), "{:?}", running.stderr());
    // Four of them are of others.
    assert!(eventually(|| strays(sandbox).len() >= 8), "{:?}", strays(sandbox));
    running.signal(Signal::KILL);
    assert!(eventually(|| !running.is_running()));
}

/// Unfinished files, in whatever folder they are.
fn strays(sandbox: &Sandbox) -> Vec<String> {
    let mut pending = vec![sandbox.out()];
    let mut found = Vec::new();
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else if is_temporary(entry.file_name().to_str().unwrap()) {
                found.push(entry.path().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_one_and_nothing_else() {
    let body = origin::body("/long", 1_000_000);
    let whole = response("200 OK", "", &body);
    let (first, rest) = whole.split_at(500_000);
    let script = vec![Verb::Send(first.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())];
    let server = Plan::new().otherwise(script).start();
    let sandbox = Sandbox::new();
    let list = urls(&server, 12);
    let dirs = ["--dirs", "seq:3"];
    // Of another run, or of somebody who likes the name.
    std::fs::create_dir(sandbox.out().join("00000000")).unwrap();
    let others = [".ringpull-0123456789abcdef-00000001-1", ".ringpull-00000001-1"];
    let others: Vec<String> = ["", "00000000/"]
        .iter()
        .flat_map(|dir| others.map(|name| format!("{}/{dir}{name}", sandbox.out().display())))
        .collect();
    others.iter().for_each(|path| std::fs::write(path, b"other").unwrap());

    kill_within_bodies(&sandbox, &server, &dirs, &list);
    assert_eq!(strays(&sandbox).len(), 4 + others.len());
    kill_within_bodies(&sandbox, &server, &dirs, &list);
    server.open_gate();
    let done = sandbox.pull().again().args(dirs).list(&list).run();
    done.assert_code(0);
    assert_each_ok_once(&done, 12);
    let mut left = strays(&sandbox);
    left.sort();
    let mut others = others;
    others.sort();
    assert_eq!(left, others);
    assert!(done.stderr.contains("unfinished files of an earlier run"), "{}", done.stderr);
}

#[test]
fn files_whose_rows_were_lost_are_no_strangers() {
    for policy in ["rename", "error", "skip"] {
        let server = serve();
        let sandbox = Sandbox::new();
        let list = urls(&server, 20);
        let other = sandbox.out().join("f7");
        std::fs::write(&other, b"other").unwrap();
        let pull = || sandbox.pull().args(["--on-conflict", policy]).list(&list);
        pull().run();
        if mark(&sandbox).is_none() {
            return skip_forbidden("the file system keeps no user attributes");
        }
        let whole = sandbox.files();
        // As after kill -9 between the names and the rows.
        let kept: usize =
            rows(&sandbox, "report.csv").split_inclusive('\n').take(3).map(str::len).sum();
        let report = std::fs::OpenOptions::new().write(true).open(sandbox.path("report.csv"));
        report.unwrap().set_len(kept as u64).unwrap();
        let done = pull().again().run();
        assert_eq!(sandbox.files(), whole, "{policy}: {}", done.stderr);
        assert_eq!(std::fs::read(&other).unwrap(), b"other", "{policy}");
        let bad: Vec<_> = done.rows.iter().filter(|row| row["status"] != "ok").collect();
        let most = usize::from(policy != "rename");
        assert!(bad.len() <= most, "{policy}: {bad:#?}");
        // What is begun anew is about other files.
        pull().run();
        let count = if policy == "rename" { whole.len() + 20 } else { whole.len() };
        assert_eq!(sandbox.files().len(), count, "{policy}");
    }
}

#[test]
fn verify_lists_what_differs_from_its_row() {
    for report in ["report.csv", "report.jsonl"] {
        let server = serve();
        let sandbox = Sandbox::new();
        let mut list = urls(&server, 9);
        list.push(server.url("/missing"));
        let pull = || sandbox.pull().report(report).args(["--compute-hash", "sha256"]);
        pull().list(&list).run().assert_code(8);
        let verify = || sandbox.pull().report(report).again().arg("--verify").run();
        let done = verify();
        done.assert_code(0);
        assert_eq!(done.stdout, "");
        let told = "9 files in the report: 9 as it says (9 by digest)";
        assert!(done.stderr.contains(told), "{}", done.stderr);

        let file = |number: u32| sandbox.out().join(format!("f{number}"));
        std::fs::remove_file(file(2)).unwrap();
        std::fs::write(file(3), b"bo").unwrap();
        std::fs::write(file(5), b"bode").unwrap();
        std::fs::write(file(7), b"bodybody").unwrap();
        std::fs::remove_file(file(8)).unwrap();
        std::fs::create_dir(file(8)).unwrap();
        let before = rows(&sandbox, report);
        let done = verify();
        done.assert_code(7);
        let mut told: Vec<Vec<&str>> =
            done.stdout.lines().map(|line| line.split('\t').collect()).collect();
        told.sort_by_key(|line| line[2]);
        let wanted = [(2, "missing"), (3, "short"), (5, "digest"), (7, "long"), (8, "not-a-file")];
        assert_eq!(told.len(), wanted.len(), "{told:?}");
        for (line, (number, word)) in told.iter().zip(wanted) {
            let path = file(number);
            assert_eq!(line[..], [word, path.to_str().unwrap(), &number.to_string()]);
        }
        assert!(done.stderr.contains("1 line that failed"), "{}", done.stderr);
        assert_eq!((rows(&sandbox, report), server.log().len()), (before, 10));
        // Pulled again, the last row is the one that counts.
        std::fs::remove_dir(file(8)).unwrap();
        pull().again().list(&list).run().assert_code(8);
        verify().assert_code(7);
    }
    let sandbox = Sandbox::new();
    let verify = || sandbox.pull().again().arg("--verify");
    verify().run().assert_code(3);
    std::fs::write(sandbox.path("report.csv"), "precious").unwrap();
    verify().run().assert_code(2);
    verify().arg("http://127.0.0.1/").run().assert_code(2);
    std::fs::write(sandbox.path("report.csv"), "url,index,status,filename\nu,1,ok,gone\n").unwrap();
    let done = verify().run();
    done.assert_code(7);
    assert!(done.stderr.contains("nothing is there"), "{}", done.stderr);
}

/// The mark of a report: a boot of the machine, and a length.
fn mark(sandbox: &Sandbox) -> Option<String> {
    let mut text = [0_u8; 200];
    let path = sandbox.path("report.csv");
    let length = rustix::fs::getxattr(path, MARK, &mut text[..]).ok()?;
    Some(String::from_utf8(text[..length].to_vec()).unwrap())
}

const MARK: &str = "user.ringpull.durable";

fn set_mark(sandbox: &Sandbox, text: &str) {
    let path = sandbox.path("report.csv");
    rustix::fs::setxattr(path, MARK, text.as_bytes(), rustix::fs::XattrFlags::empty()).unwrap();
}

/// Lines whose last row has this code.
fn lines_with(done: &Done, code: &str) -> Vec<u32> {
    let last: HashMap<u32, &str> = done
        .rows
        .iter()
        .map(|row| (row["index"].parse().unwrap(), row["error_code"].as_str()))
        .collect();
    let mut lines: Vec<u32> =
        last.into_iter().filter(|(_, of)| *of == code).map(|(line, _)| line).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn after_another_boot_rows_behind_the_mark_need_a_proof() {
    for is_proved in [true, false] {
        let server = serve();
        let sandbox = Sandbox::new();
        let list = urls(&server, 20);
        let hash: &[&str] = if is_proved { &["--compute-hash", "md5"] } else { &[] };
        sandbox.pull().args(hash).list(&list).run().assert_code(0);
        if mark(&sandbox).is_none() {
            return skip_forbidden("the file system keeps no user attributes");
        }
        let file = |number: u32| sandbox.out().join(format!("f{number}"));
        let damage = || {
            std::fs::remove_file(file(3)).unwrap();
            std::fs::write(file(9), b"\0\0\0\0").unwrap();
            std::fs::write(file(17), b"bod").unwrap();
        };
        let again = || {
            let before = server.log().len();
            let done = sandbox.pull().again().args(hash).list(&list).run();
            done.assert_code(0);
            let mut asked = server.log()[before..].to_vec();
            asked.sort();
            (asked, done.stderr)
        };
        damage();
        assert_eq!(again().0.len(), 0, "nobody started the machine anew");
        set_mark(&sandbox, "another-boot 0");
        let (asked, told) = again();
        if is_proved {
            assert_eq!(asked, ["/f17", "/f3", "/f9"], "{told}");
            assert!(told.contains("of 20 files pulled after it 3 are pulled again"), "{told}");
        } else {
            assert_eq!(asked.len(), 20, "{told}");
        }
        assert_eq!([3, 9, 17].map(|number| std::fs::read(file(number)).unwrap()), [b"body"; 3]);
        // It was all looked at in this boot.
        damage();
        assert_eq!(again().0.len(), 0);
        let length = rows(&sandbox, "report.csv").len();
        set_mark(&sandbox, &format!("another-boot {length}"));
        assert_eq!(again().0.len(), 0, "it was durable before");
    }
}

#[test]
fn what_was_lost_is_written_down_before_it_is_pulled_again() {
    let held = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"body"))];
    let mut plan = Plan::new().otherwise(ok(b"body"));
    for number in 1..=20 {
        plan = plan.on(&format!("/f{number}"), [ok(b"body"), held.clone()]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let list = urls(&server, 20);
    sandbox.pull().list(&list).run().assert_code(0);
    if mark(&sandbox).is_none() {
        return skip_forbidden("the file system keeps no user attributes");
    }
    set_mark(&sandbox, "another-boot 0");
    for number in 1..=11 {
        std::fs::remove_file(sandbox.out().join(format!("f{number}"))).unwrap();
    }
    // Killed as often as one likes before anything was pulled again.
    for kill in 0..3 {
        let before = server.log().len();
        let mut running = sandbox.pull().again().args(["-j", "1"]).list(&list).spawn();
        assert!(eventually(|| server.log().len() > before), "{}", running.stderr());
        running.signal(Signal::KILL);
        assert!(eventually(|| !running.is_running()));
        let lost = rows(&sandbox, "report.csv").matches(",disk.lost,").count();
        assert_eq!(lost, 20, "told once, kill {kill}: {}", running.stderr());
    }
    let verified = sandbox.pull().again().arg("--verify").run();
    verified.assert_code(0);
    assert!(verified.stderr.contains("20 lines not finished"), "{}", verified.stderr);
    server.open_gate();
    let done = sandbox.pull().again().list(&list).run();
    done.assert_code(0);
    assert_eq!(sandbox.files().len(), 20);
    assert_eq!(lines_with(&done, ""), (1..=20).collect::<Vec<_>>());
    assert!(!done.stderr.contains("done by earlier runs"), "{}", done.stderr);
    let asked = server.log().len();
    sandbox.pull().again().list(&list).run().assert_code(0);
    assert_eq!(server.log().len(), asked);
}

#[test]
fn what_is_pulled_again_is_nobody_elses() {
    for policy in ["skip", "rename", "error"] {
        let server = serve();
        let sandbox = Sandbox::new();
        let list = urls(&server, 6);
        // Files of a run that kept none have no note of whose they are.
        sandbox.pull().list(&list).run().assert_code(0);
        if mark(&sandbox).is_none() {
            return skip_forbidden("the file system keeps no user attributes");
        }
        for number in 1..=6 {
            std::fs::write(sandbox.out().join(format!("f{number}")), [0; 4]).unwrap();
        }
        let pull = || sandbox.pull().again().args(["--on-conflict", policy]).list(&list);
        set_mark(&sandbox, "another-boot 0");
        let done = pull().run();
        done.assert_code(0);
        let files = sandbox.files();
        assert_eq!(files.len(), 6, "{policy}: {files:?}");
        assert!(files.values().all(|body| body == b"body"), "{policy}: {files:?}");
        assert_eq!(lines_with(&done, ""), [1, 2, 3, 4, 5, 6], "{policy}");
        // What was skipped is somebody else's, and stays so.
        let other = sandbox.out().join("g");
        std::fs::write(&other, b"other").unwrap();
        let mut longer = list.clone();
        longer.push(server.url("/g"));
        let pull = || sandbox.pull().again().args(["--on-conflict", policy]).list(&longer);
        let code = if policy == "error" { 3 } else { 0 };
        pull().run().assert_code(code);
        set_mark(&sandbox, "another-boot 0");
        pull().run().assert_code(code);
        assert_eq!(std::fs::read(&other).unwrap(), b"other", "{policy}");
        assert_eq!(sandbox.files().len(), if policy == "rename" { 8 } else { 7 }, "{policy}");
    }
}

/// Runs it in a mount namespace of its own, where everything is mounted anew, after these commands.
fn run_elsewhere(pull: Pull<'_>, commands: &str) -> Option<Done> {
    let script = format!("{commands}; exec \"$@\"");
    let how = ["-rm", "-m"].into_iter().find(|how| {
        let tried = command("unshare").args([how, "sh", "-c", commands]).output();
        tried.is_ok_and(|tried| tried.status.success())
    })?;
    Some(pull.under("unshare", [how, "sh", "-c", &script, "sh"]).run())
}

#[test]
fn another_mount_is_as_good_as_another_boot() {
    // Another mount in the same boot; and a machine that does not tell which boot it is.
    for commands in ["true", "mount -t tmpfs none /proc/sys/kernel/random"] {
        let server = serve();
        let sandbox = Sandbox::new();
        let list = urls(&server, 20);
        sandbox.pull().list(&list).run().assert_code(0);
        if mark(&sandbox).is_none() {
            return skip_forbidden("the file system keeps no user attributes");
        }
        let again = || run_elsewhere(sandbox.pull().again().list(&list), commands);
        let Some(done) = again() else {
            return skip_forbidden("mount namespaces are not permitted here");
        };
        done.assert_code(0);
        assert_eq!(server.log().len(), 40, "{}", done.stderr);
        assert!(done.stderr.contains("a disk mounted again"), "{}", done.stderr);
        // That was synced at its end, however short it was.
        again().unwrap().assert_code(0);
        assert_eq!(server.log().len(), 40);
    }
}

#[test]
fn a_report_without_a_mark_is_not_believed_in_silence() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = urls(&server, 5);
    sandbox.pull().list(&list).run().assert_code(0);
    let copy = rows(&sandbox, "report.csv");
    std::fs::write(sandbox.path("copy.csv"), copy).unwrap();
    let pull = || sandbox.pull().report("copy.csv").again().list(&list).run();
    let done = pull();
    done.assert_code(0);
    assert_eq!(server.log().len(), 5);
    assert!(done.stderr.contains("copy.csv is not marked"), "{}", done.stderr);
    if mark(&sandbox).is_some() {
        assert!(!pull().stderr.contains("not marked"), "it is now");
    }
}

#[test]
fn with_sync_always_the_mark_is_at_the_end() {
    let server = serve();
    let sandbox = Sandbox::new();
    sandbox.pull().args(["--sync", "always"]).list(urls(&server, 5)).run().assert_ok(5);
    if let Some(mark) = mark(&sandbox) {
        let length = rows(&sandbox, "report.csv").len();
        assert_eq!(mark.split(' ').nth(1), Some(&*length.to_string()), "{mark}");
    }
    for mode in ["none", "interval"] {
        sandbox.pull().args(["--sync", mode]).list(urls(&server, 5)).run().assert_ok(5);
    }
}

/// Lines of a list that is left, without the way that names are told.
fn session(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(sandbox.path(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_session_is_what_failed_or_is_left_and_the_next_run_takes_it() {
    let script = vec![Verb::Gate, Verb::Send(response("200 OK", "", b"late"))];
    let missing = vec![Verb::Send(response("404 Not Found", "", b""))];
    let mut plan = Plan::new().otherwise(script).on("/missing", [missing, ok(b"found")]);
    for number in 1..=5 {
        plan = plan.on(&format!("/{number}/same"), [ok(number.to_string().as_bytes())]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let mut list: Vec<String> = (1..=5).map(|n| server.url(&format!("/{n}/same"))).collect();
    list.extend([server.url("/missing"), "bad line".to_owned()]);
    let secret = format!("http://me:pass%20word@127.0.0.1:{}/6/same", server.port());
    list.extend([secret.clone(), "  header=X-Own: yes".to_owned()]);
    list.push("  checksum=md5=00000000000000000000000000000000".to_owned());
    // More than the look-ahead, so that the input was not read to its end.
    list.extend((7..2_000).map(|n| server.url(&format!("/{n}/same"))));
    let args = ["-j", "4", "-x", "4", "--retry", "0", "--lookahead", "300", "--grace", "100ms"];
    let running = sandbox.pull().args(args).args(["--save-session", "left.txt"]).list(&list);
    let running = running.spawn();
    // The six that are answered, and four that wait.
    assert!(eventually(|| server.log().len() == 10), "{:?} {}", server.log(), running.stderr());
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    let left = session(&sandbox, "left.txt");
    let urls: Vec<&String> = left.iter().filter(|line| line.starts_with("http")).collect();
    assert_eq!(urls.len(), 2_000 - 5, "{}", done.stderr);
    assert!(left.contains(&"# bad line".to_owned()), "{left:?}");
    let at = left.iter().position(|line| *line == secret).unwrap();
    let name = |number: u32| format!("  out=same.{number}");
    let checksum = "  checksum=md5=00000000000000000000000000000000";
    // The bad line is line 7.
    assert_eq!(left[at + 1..at + 4], [&name(8)[..], "  header=X-Own: yes", checksum]);
    assert!(!done.stderr.contains("word") && done.stderr.contains("1,995 URLs are left"));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(sandbox.path("left.txt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    server.open_gate();
    let again = |report: &str| {
        let pull = sandbox.pull().report(report).args(["-i", "left.txt"]);
        pull.args(["--save-session", "left.txt", "--retry", "0"]).run()
    };
    let done = again("second.csv");
    done.assert_code(7);
    let left = session(&sandbox, "left.txt");
    assert_eq!(left.len(), 4, "what has another digest: {left:?}");
    assert_eq!(left[0], secret);
    assert_eq!(sandbox.files().len(), 5 + 1_995 - 1);
    assert_eq!(sandbox.files()["same.1999"], b"late", "{:?}", sandbox.files().keys());
    assert_eq!(sandbox.files()["missing"], b"found");
    // A list of which nothing is left is an empty one.
    std::fs::write(sandbox.path("left.txt"), server.url("/last")).unwrap();
    again("third.csv").assert_ok(1);
    assert_eq!(session(&sandbox, "left.txt").len(), 0);
    assert!(!sandbox.path("left.txt.part").exists());
}

#[test]
fn a_session_has_what_failed_in_earlier_runs() {
    let server = serve();
    let sandbox = Sandbox::new();
    let list = [server.url("/a"), server.url("/missing"), server.url("/b")];
    sandbox.pull().list(&list).run().assert_code(8);
    let done = sandbox.pull().again().args(["--save-session", "left.txt"]).list(&list).run();
    done.assert_code(8);
    assert_eq!(session(&sandbox, "left.txt"), [server.url("/missing"), "  out=missing".into()]);
    // Of another list it is not known what is left.
    let other = [server.url("/other")];
    let done = sandbox.pull().again().args(["--save-session", "left.txt"]).list(&other).run();
    done.assert_code(2);
    assert_eq!(session(&sandbox, "left.txt").len(), 2, "what was there stays");
    for taken in ["report.csv", "out"] {
        let pull = sandbox.pull().again().args(["--save-session", taken]);
        pull.list(&list).run().assert_code(2);
    }
    std::fs::remove_file(sandbox.out().join("b")).unwrap();
    let verify = sandbox.pull().again().args(["--verify", "--save-session", "again.txt"]);
    verify.args(["-d".as_ref(), sandbox.out().as_os_str()]).run().assert_code(7);
    let again = session(&sandbox, "again.txt");
    assert_eq!(again[1..], ["# line 3".to_owned(), server.url("/b"), "  out=b".into()]);
}

#[test]
fn a_session_has_bad_lines_that_have_no_row_any_more() {
    let sandbox = Sandbox::new();
    let list = ["bad 1", "bad 2", "bad 3"];
    let args = ["--max-errors", "1", "--save-session", "left.txt"];
    let done = sandbox.pull().args(args).list(list).run();
    done.assert_code(9);
    assert_eq!(done.rows.len(), 1);
    assert_eq!(session(&sandbox, "left.txt"), list.map(|line| format!("# {line}")));
}

#[test]
fn aria2c_reads_a_session() {
    let Ok(version) = command("aria2c").arg("--version").output() else {
        return skip("aria2c is not installed");
    };
    assert!(version.status.success());
    let missing = vec![Verb::Send(response("503 Service Unavailable", "", b""))];
    let plan = Plan::new().on("/x/a", [missing.clone(), ok(b"first")]);
    let server = plan.on("/y/a", [missing, ok(b"second")]).start();
    let sandbox = Sandbox::new();
    let digest = "sha-256=a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    let list = [
        server.url("/x/a"),
        "  out=sub/a b.bin".to_owned(),
        "  header=X-Own: yes".to_owned(),
        format!("  checksum={digest}"),
        server.url("/y/a"),
    ];
    let args = ["--retry", "0", "--save-session", "left.txt"];
    sandbox.pull().args(args).list(&list).run().assert_code(8);
    let mut aria2 = command("aria2c");
    aria2.args(["--no-conf", "-q", "-i", "left.txt", "-d", "out", "--allow-overwrite=true"]);
    let ended = aria2.current_dir(sandbox.path("")).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!(std::fs::read(sandbox.out().join("sub/a b.bin")).unwrap(), b"first");
    assert_eq!(std::fs::read(sandbox.out().join("a")).unwrap(), b"second");
    assert!(server.heads("/x/a")[1].contains("X-Own: yes"));
}
