//! SIGINT, SIGTERM and SIGHUP: an end in good order, then an end at once. Rows, no temporaries,
//! status 130.

use crate::cmd::{Running, Sandbox, eventually};
use crate::rude::{Plan, Rude, Verb, ok, redirect, response};
use ringpull::limits::RECV_BUFFER_LARGE_BYTES;
use ringpull::origin;
use rustix::process::Signal;

/// Ten URLs that are answered and then so many that wait at the gate after half of their body,
/// which is longer than any buffer of the client: there must be a file by then.
fn gated(held: usize) -> (Rude, Vec<String>) {
    let whole = response("200 OK", "", &body());
    let (first, rest) = whole.split_at(whole.len() / 2);
    let script = vec![Verb::Send(first.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())];
    let mut plan = Plan::new().otherwise(script);
    for n in 0..10 {
        plan = plan.on(&format!("/quick{n}"), [ok(&body())]);
    }
    let server = plan.start();
    let quick = (0..10).map(|n| server.url(&format!("/quick{n}")));
    let urls = quick.chain((0..held).map(|n| server.url(&format!("/held{n}")))).collect();
    (server, urls)
}

fn body() -> Vec<u8> {
    origin::body("/signals", 4 * RECV_BUFFER_LARGE_BYTES)
}

/// Starts and waits until four jobs are held and the rest is not begun.
fn start(sandbox: &Sandbox, server: &Rude, urls: &[String], grace: &str) -> Running {
    let pull = sandbox.pull().args(["-x", "4", "-j", "4", "--retry", "0", "--grace", grace]);
    let running = pull.list(urls).spawn();
    let is_held = eventually(|| {
        server.log().iter().filter(|path| path.starts_with("/held")).count() == 4
            && sandbox.temporaries().len() == 4
    });
    assert!(is_held, "{:?}\n{:?}", server.log(), sandbox.temporaries());
    running
}

#[test]
fn the_first_signal_lets_jobs_in_flight_finish() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (server, urls) = gated(300);
        let sandbox = Sandbox::new();
        let mut running = start(&sandbox, &server, &urls, "50s");
        running.signal(signal);
        assert!(running.is_running());
        // The four go on only now. Should the signal be seen a little later than the open gate,
        // then a few more are begun and finished, but by far not all of three hundred.
        server.open_gate();
        let done = running.wait();
        done.assert_code(130);
        let count = |status: &str| done.rows.iter().filter(|row| row["status"] == status).count();
        assert!(
            (14..urls.len()).contains(&count("ok")),
            "{} rows ok of {}",
            count("ok"),
            urls.len()
        );
        assert_eq!(count("failed"), 0, "{:#?}", done.rows);
        assert_eq!(sandbox.files().len(), count("ok"));
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}

#[test]
fn after_the_grace_period_jobs_are_cancelled_and_a_second_run_completes() {
    let (server, urls) = gated(30);
    let sandbox = Sandbox::new();
    let running = start(&sandbox, &server, &urls, "100ms");
    running.signal(Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    for row in &done.rows {
        let is_quick = row["url"].contains("/quick");
        let wanted = if is_quick { "ok" } else { "cancelled" };
        assert_eq!(row["status"], wanted, "{row:#?}");
    }
    for path in server.log() {
        assert_eq!(done.row(&server.url(&path))["url"], server.url(&path), "a row for all begun");
    }
    // What is left is what the next run goes on with.
    let left = sandbox.temporaries();
    assert!(left.iter().all(|name| name.starts_with(".ringpull-part-")), "{left:?}");

    server.open_gate();
    let done = sandbox.pull().arg("--no-clobber").list(&urls).run();
    done.assert_code(0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "skipped").count(), 10);
    assert_eq!(sandbox.files().len(), urls.len());
    assert!(sandbox.files().values().all(|content| *content == body()));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (server, urls) = gated(30);
    let sandbox = Sandbox::new();
    let mut running = start(&sandbox, &server, &urls, "1h");
    // Two signals at one time are one to the kernel: signal until it takes the second one.
    assert!(eventually(|| {
        running.signal(Signal::INT);
        std::thread::sleep(std::time::Duration::from_millis(50));
        !running.is_running()
    }));
    running.wait().assert_code(130);
    assert_eq!(sandbox.files().len(), 10, "only whole files have their names");
}

#[test]
fn a_job_in_flight_may_follow_redirects_after_the_first_signal() {
    let other = Plan::new().on("/end", [ok(b"the end")]).start();
    let mut first = vec![Verb::Gate];
    first.extend(redirect("/middle"));
    let server = Plan::new()
        .on("/first", [first])
        .on("/middle", [redirect(&other.url("/end"))])
        .otherwise(ok(b"other"))
        .start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = ["/first", "/a", "/b"].iter().map(|path| server.url(path)).collect();
    let running = sandbox.pull().args(["-j", "1", "--grace", "50s"]).list(&urls).spawn();
    assert!(eventually(|| server.log() == ["/first"]), "{:?}", server.log());
    running.signal(Signal::INT);
    assert!(eventually(|| running.stderr().contains("interrupted")), "{}", running.stderr());
    // Nothing was seen of a redirect before the signal was.
    server.open_gate();
    let done = running.wait();
    done.assert_code(130);
    assert_eq!(server.log(), ["/first", "/middle"], "nothing else begins");
    let row = done.row(&urls[0]);
    assert_eq!((row["status"].as_str(), row["num_redirects"].as_str()), ("ok", "2"), "{row:#?}");
    assert_eq!(done.rows.len(), 1);
    assert_eq!(
        sandbox.files().into_iter().collect::<Vec<_>>(),
        [("first".into(), b"the end".to_vec())]
    );
}

#[test]
fn nohup_keeps_the_run_going() {
    let (server, urls) = gated(4);
    let sandbox = Sandbox::new();
    let args = ["-x", "4", "-j", "4", "--retry", "0"];
    let ignoring = ["-c", "trap '' HUP; exec \"$@\"", "sh"];
    let mut running = sandbox.pull().args(args).args(&urls).under("sh", ignoring).spawn();
    assert!(eventually(|| sandbox.temporaries().len() == 4), "{:?}", server.log());
    running.signal(Signal::HUP);
    assert!(running.is_running());
    server.open_gate();
    running.wait().assert_ok(urls.len());
}

#[test]
fn one_signal_ends_what_waits_for_the_reader_of_its_report() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("report.jsonl");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let running = sandbox.pull().report("report.jsonl").arg("http://127.0.0.1/").spawn();
    let catches = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (Signal::TERM.as_raw() - 1)) != 0
    };
    assert!(eventually(catches), "{}", running.stderr());
    running.signal(Signal::TERM);
    running.wait().assert_code(130);
}
