//! What is told of a run while it goes on: its state on SIGUSR1, metrics, progress.

use crate::cmd::{Running, Sandbox, command, eventually, skip};
use crate::rude::{Plan, Rude, Verb, ok, response};
use crate::sockets::talk;
use rustix::process::Signal;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

/// Half of this body is sent at once, the other half when the gate opens.
const BODY: [u8; 5_000] = [b'x'; 5_000];

/// A server with three quick answers, one 404, and as many as one likes that wait in the middle.
fn server() -> Rude {
    let whole = response("200 OK", "", &BODY);
    let (first, rest) = whole.split_at(whole.len() - 2_500);
    Plan::new()
        .on("/a", [ok(b"a")])
        .on("/b", [ok(b"b")])
        .on("/c", [ok(b"c")])
        .on("/missing", [vec![Verb::Send(response("404 Not Found", "", b""))]])
        .otherwise(vec![Verb::Send(first.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())])
        .start()
}

/// Starts a run in which two transfers stand still in the middle and one more waits for a slot.
fn start(sandbox: &Sandbox, server: &Rude, args: &[&str]) -> Running {
    let paths = ["/a", "/b", "/missing", "/c", "/held1?token=SECRET", "/held2", "/waits"];
    let mut urls: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
    urls[4] = urls[4].replace("http://", "http://me:SECRET@");
    let pull = sandbox.pull().args(["-x", "2", "--threads", "1"]).args(args);
    let running = pull.list(&urls).spawn();
    let is_held = eventually(|| {
        let log = server.log();
        log.iter().filter(|path| path.starts_with("/held")).count() == 2
    });
    assert!(is_held, "{:?}\n{}", server.log(), running.stderr());
    running
}

/// Asks again and again: nobody knows when the cores have seen the halves of the bodies.
fn state(running: &Running, wanted: impl Fn(&str) -> bool) -> String {
    let mut state = String::new();
    let is_told = eventually(|| {
        let before = running.stderr().len();
        running.signal(Signal::USR1);
        assert!(eventually(|| running.stderr()[before..].ends_with('\n')));
        state = running.stderr()[before..].to_owned();
        wanted(&state)
    });
    assert!(is_told, "{state}");
    state
}

#[test]
fn a_signal_has_the_state_told_in_whole_lines() {
    for quiet in [&["-q"][..], &["--progress", "none"]] {
        let server = server();
        let sandbox = Sandbox::new();
        let mut running = start(&sandbox, &server, quiet);
        let state = state(&running, |state| state.matches("2.5 kB of 5.0 kB (body)").count() == 2);
        for wanted in [
            "state after ",
            "\n  lines read: 7 (all of the input)\n",
            "\n  rows: 4: 3 ok, 1 failed; ",
            "\n  in flight: 2 of 256; core 0: 2\n",
            "\n  look-ahead: 1 of ",
            "\n  longest transfers:\n",
            " (body)  line 5: http://127.0.0.1:",
            "/held1?...\n",
        ] {
            assert!(state.contains(wanted), "{wanted}\n{state}");
        }
        assert!(!state.contains("SECRET"), "{state}");
        assert!(running.is_running());
        server.open_gate();
        let done = running.wait();
        done.assert_code(8);
        assert_eq!(done.rows.len(), 7);
    }
}

#[test]
fn who_reads_json_is_told_the_state_in_json() {
    let server = server();
    let sandbox = Sandbox::new();
    let running = start(&sandbox, &server, &["--progress", "json"]);
    state(&running, |text| text.contains("\"transfers\":[{"));
    server.open_gate();
    let done = running.wait();
    let lines: Vec<serde_json::Value> =
        done.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().any(|line| line["state"]["transfers"][0]["line"] == 5));
    let last = lines.last().unwrap();
    assert_eq!((&last["done"], &last["total"]), (&7.into(), &7.into()));
    assert_eq!((&last["failed"], &last["lines_read"]), (&1.into(), &7.into()));
    assert_eq!(last["bytes"], 3 + 3 * BODY.len());
}

#[test]
fn bytes_of_a_long_file_are_told_while_it_comes() {
    let body = vec![b'x'; 4 << 20];
    let whole = response("200 OK", "", &body);
    let (first, rest) = whole.split_at(whole.len() - body.len() / 2);
    let parts = vec![Verb::Send(first.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())];
    let server = Plan::new().otherwise(parts).start();
    let sandbox = Sandbox::new();
    let running = sandbox.pull().args(["--progress", "json"]).list(&[server.url("/large")]).spawn();
    assert!(eventually(|| !server.log().is_empty()), "{}", running.stderr());
    let state = state(&running, |text| !text.contains("\"bytes_there\":0,"));
    assert!(state.contains("\"bytes_expected\":4194304,"), "{state}");
    assert!(state.contains("\"length\":4194304,"), "{state}");
    server.open_gate();
    let done = running.wait();
    done.assert_code(0);
    let last = done.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("\"bytes_expected\":0,") && last.contains("\"bytes\":4194304,"),
        "{last}"
    );
}

#[test]
fn the_signal_never_ends_the_process() {
    let sandbox = Sandbox::new();
    let fifo = sandbox.path("report.jsonl");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let server = server();
    // It cannot begin before somebody reads its report.
    let pull = sandbox.pull().report("report.jsonl").arg(server.url("/a"));
    let mut running = pull.spawn();
    let minds = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
        let mask = |name: &str| {
            let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            u64::from_str_radix(mask.trim(), 16).unwrap()
        };
        mask("SigCgt:") & (1 << (Signal::USR1.as_raw() - 1)) != 0
    };
    assert!(eventually(minds), "{}", running.stderr());
    for _ in 0..10 {
        running.signal(Signal::USR1);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(running.is_running());
    let report = std::thread::spawn(move || std::fs::read_to_string(fifo).unwrap());
    let done = running.wait();
    done.assert_code(0);
    assert_eq!(report.join().unwrap().lines().count(), 1);
    assert!(done.stderr.contains("state after "), "what was asked is answered\n{}", done.stderr);
}

/// Where a run says that it serves metrics.
fn metrics_addr(running: &Running) -> SocketAddr {
    let addr = || {
        let stderr = running.stderr();
        let rest = stderr.split_once("metrics: http://")?.1;
        rest.split_once("/metrics\n")?.0.parse().ok()
    };
    assert!(eventually(|| addr().is_some()), "{}", running.stderr());
    addr().unwrap()
}

/// The answer to a request for this.
fn ask(addr: SocketAddr, line: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    String::from_utf8(talk(addr, request.as_bytes())).unwrap()
}

/// Samples as `name{labels} value`, one a line, read by the parser of Prometheus' own library.
fn parsed(page: &str) -> Option<String> {
    let mut python = command("/usr/bin/python3");
    python.args(["-c", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().ok()?;
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    if output.status.code() == Some(77) {
        return None;
    }
    assert!(output.status.success(), "{page}");
    Some(String::from_utf8(output.stdout).unwrap())
}

const PARSE: &str = r#"
import sys
try:
    from prometheus_client.parser import text_string_to_metric_families
except ImportError:
    sys.exit(77)
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation and family.type in ("counter", "gauge", "histogram"), family
    for sample in family.samples:
        labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
        print(f"{family.type} {sample.name}{{{labels}}} {sample.value:g}")
"#;

#[test]
fn metrics_are_what_prometheus_understands() {
    let server = server();
    let sandbox = Sandbox::new();
    let running = start(&sandbox, &server, &["--metrics-addr", "127.0.0.1:0"]);
    let addr = metrics_addr(&running);
    let mut answer = String::new();
    // The cores tell of themselves a few times a second.
    assert!(eventually(|| {
        answer = ask(addr, "GET /metrics");
        answer.contains("ringpull_received_bytes_total 5003\n")
    }));
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", page.len())), "{head}");
    assert!(!page.contains("SECRET"), "{page}");
    match parsed(page) {
        None => skip("python3-prometheus-client is not installed"),
        Some(samples) => {
            for wanted in [
                "counter ringpull_rows_total{status=ok} 3",
                "counter ringpull_rows_total{status=failed} 1",
                "counter ringpull_faults_total{code=http.status} 1",
                "counter ringpull_responses_total{code=404} 1",
                "counter ringpull_lines_read_total{} 7",
                "counter ringpull_received_bytes_total{} 5003",
                "gauge ringpull_input_read{} 1",
                "gauge ringpull_jobs_in_flight{core=0} 2",
                "gauge ringpull_jobs_queued{} 1",
                "gauge ringpull_build_info{version=0.1.0} 1",
                "histogram ringpull_time_total_seconds_count{} 4",
                "histogram ringpull_time_total_seconds_bucket{le=+Inf} 4",
                "histogram ringpull_time_to_first_byte_seconds_bucket{le=30} 4",
            ] {
                assert!(samples.lines().any(|line| line == wanted), "{wanted}\n{samples}");
            }
        }
    }
    server.open_gate();
    running.wait().assert_code(8);
    assert!(TcpStream::connect(addr).is_err(), "the end of the run closes the port");
}

#[test]
fn metrics_answer_nothing_else_and_are_in_nobody_s_way() {
    let server = server();
    let sandbox = Sandbox::new();
    let running = start(&sandbox, &server, &["-q", "--metrics-addr", "127.0.0.1:0"]);
    let addr = metrics_addr(&running);
    assert!(ask(addr, "GET /").starts_with("HTTP/1.1 404 Not Found\r\n"));
    assert!(ask(addr, "POST /metrics").starts_with("HTTP/1.1 405 "));
    assert!(ask(addr, "nonsense").starts_with("HTTP/1.1 400 "));
    // A client that says nothing, and one that never ends, do not hold the run up.
    let silent = TcpStream::connect(addr).unwrap();
    let mut endless = TcpStream::connect(addr).unwrap();
    let _ = endless.write_all(&[b'A'; 20_000]);
    server.open_gate();
    running.wait().assert_code(8);
    drop(silent);
}

#[test]
fn a_port_that_is_taken_is_found_out_before_anything_is_touched() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let sandbox = Sandbox::new();
    let server = server();
    let done = sandbox.pull().args(["--metrics-addr", &addr, &server.url("/a")]).run();
    done.assert_code(2);
    assert!(done.stderr.contains(&addr) && done.stderr.contains("port 0"), "{}", done.stderr);
    assert_eq!(server.log(), [""; 0]);
    assert!(!sandbox.path("report.csv").exists());
    let done = sandbox.pull().args(["--metrics-addr", "9100", &server.url("/a")]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("such as 127.0.0.1:"), "{}", done.stderr);
}

#[test]
fn progress_says_how_far_the_reading_is() {
    let server = server();
    let sandbox = Sandbox::new();
    let mut running = sandbox.pull().args(["--progress", "json", "-i", "-"]).spawn();
    running.feed([server.url("/a"), server.url("/b")]);
    let told =
        |wanted: &str| eventually(|| running.stderr().lines().any(|line| line.contains(wanted)));
    assert!(told("\"done\":2,"), "{}", running.stderr());
    assert!(told("\"lines_read\":2,"), "{}", running.stderr());
    assert!(!running.stderr().contains("\"total\":2"), "the input may go on");
    let done = running.wait();
    let last: serde_json::Value =
        serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["total"], &last["queued"]), (&2.into(), &0.into()));
}

#[test]
fn a_bar_gives_way_to_the_state() {
    // A terminal of script(1), which is part of every Debian.
    let mut script = command("script");
    script.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if !script.status().is_ok_and(|status| status.success()) {
        return skip("script(1) is not installed");
    }
    let server = server();
    let sandbox = Sandbox::new();
    let words = [
        env!("CARGO_BIN_EXE_ringpull"),
        "--progress bar -d",
        sandbox.out().to_str().unwrap(),
        &server.url("/held"),
        "& while sleep 0.2; do kill -USR1 $! || break; done",
    ]
    .join(" ");
    let mut script = command("script");
    script.args(["-qec", &words, "/dev/null"]).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let mut shown = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    // The first state may come before the bar is drawn.
    while shown.matches("longest transfers").count() < 3 {
        assert_ne!(std::io::BufRead::read_line(&mut out, &mut shown).unwrap(), 0, "{shown}");
    }
    server.open_gate();
    child.wait().unwrap();
    let start = shown.rfind("state after ").expect(&shown);
    // The line of the bar was taken away (CSI K, to the end of the line), and the state begins at
    // its start.
    assert!(shown[..start].ends_with("\u{1b}[?7h\r\u{1b}[K"), "{shown:?}");
}

#[test]
fn a_log_gets_lines_now_and_then() {
    let server = server();
    let sandbox = Sandbox::new();
    let running = start(&sandbox, &server, &["--summary-interval", "20ms"]);
    let told = || {
        let stderr = running.stderr();
        stderr.lines().any(|line| line.starts_with("after ") && line.contains(": 57% (4 of 7), "))
    };
    assert!(eventually(told), "{}", running.stderr());
    assert!(!running.stderr().contains('\u{1b}'), "{}", running.stderr());
    server.open_gate();
    running.wait().assert_code(8);
    let quiet = sandbox.pull().args(["-q", "--summary-interval", "1ms", &server.url("/a")]).run();
    assert_eq!(quiet.stderr, "");
    let none = sandbox.pull().args(["--summary-interval", "0", &server.url("/a")]).run();
    assert!(none.stderr.starts_with("1 URL: 1 ok\n"), "{}", none.stderr);
}

/// What a run shows on a terminal of script(1) with so many columns, until `wanted` is shown;
/// `None` where script(1) is not there.
fn shown(server: &Rude, words: &str, columns: u16, wanted: &str) -> Option<String> {
    let mut script = command("script");
    script.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if !script.status().is_ok_and(|status| status.success()) {
        skip("script(1) is not installed");
        return None;
    }
    let sandbox = Sandbox::new();
    let (ringpull, dir) = (env!("CARGO_BIN_EXE_ringpull"), sandbox.out());
    let set = format!("stty cols {columns} rows 24; export TERM=xterm LANG=C.UTF-8");
    let words = words.replacen("ringpull", &format!("{ringpull} -d {}", dir.display()), 1);
    let mut script = command("script");
    script.args(["-qec", &format!("{set}; {words}"), "/dev/null"]).stdout(Stdio::piped());
    let mut child = script.stdin(Stdio::null()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut shown = Vec::new();
    let text = |shown: &[u8]| String::from_utf8_lossy(shown).into_owned();
    while !text(&shown).contains(wanted) {
        let mut piece = [0; 1_000];
        let count = std::io::Read::read(&mut out, &mut piece).unwrap();
        assert_ne!(count, 0, "{:?}", text(&shown));
        shown.extend(&piece[..count]);
    }
    server.open_gate();
    std::io::Read::read_to_end(&mut out, &mut shown).unwrap();
    child.wait().unwrap();
    Some(text(&shown))
}

/// A server with one long file, of which few bytes come.
fn long() -> Rude {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n".to_vec();
    let long = vec![Verb::Send(head), Verb::Send(BODY.to_vec()), Verb::Gate, Verb::Cut];
    Plan::new().on("/a", [ok(b"a")]).otherwise(long).start()
}

#[test]
fn a_long_file_has_a_line_and_failures_a_colour() {
    for (set, has_color) in [("", true), ("NO_COLOR=1", false)] {
        let server = long();
        let words = format!("{set} ringpull --retry 0 {} {}", server.url("/a"), server.url("/l"));
        let wanted = if has_color { "long file under way\u{1b}" } else { "long file under way" };
        let Some(shown) = shown(&server, &words, 100, wanted) else { return };
        let (before, end) = shown.rsplit_once("2 URLs: ").expect(&shown);
        // Both lines are taken away before anything else is said.
        assert!(before.contains("\u{1b}[1A\r\u{1b}[J"), "{shown:?}");
        assert!(before.contains("50% (1 of 2)") && before.contains("of 100.0 MB)"), "{shown:?}");
        assert_eq!(before.contains("\u{1b}[1m50% (1 of 2)\u{1b}[0m"), has_color, "{shown:?}");
        assert_eq!(end.contains("\u{1b}[31m1 failed\u{1b}[0m"), has_color, "{shown:?}");
    }
}

#[test]
fn nothing_is_drawn_among_what_is_printed() {
    let server = server();
    let words = format!("ringpull -w '%{{url}}\\n' {} {}", server.url("/a"), server.url("/held"));
    let Some(shown) = shown(&server, &words, 40, "/a\r\n") else { return };
    assert!(!shown.contains("\u{1b}[K"), "{shown:?}");
    assert!(shown.contains("\r\n  received  5.0 kB in "), "{shown:?}");
    // The summary is as wide as the terminal.
    let summary = shown.split_once("2 URLs: ").expect(&shown).1;
    assert!(summary.lines().skip(1).all(|line| line.len() <= 40), "{shown:?}");
}

/// The lines are no wider than the terminal, but for words that are.
fn assert_broken_between_words(shown: &str, columns: usize) {
    for line in shown.split("\r\n") {
        let is_word = !line.trim().contains(' ');
        assert!(line.chars().count() <= columns || is_word, "{line:?}\n{shown}");
    }
}

#[test]
fn what_is_said_in_a_narrow_terminal_is_broken_between_words() {
    for words in ["--retry x", "--help"] {
        let words = format!("NO_COLOR=1 ringpull {words}; echo END");
        let Some(shown) = shown(&server(), &words, 30, "END\r\n") else { return };
        assert_broken_between_words(&shown, 30);
    }
    let server = server();
    let (missing, held) = (server.url("/missing"), server.url("/held"));
    let words = format!(
        "NO_COLOR=1 ringpull --progress none --retry 0 {missing} {held} & \
         while sleep 0.2; do kill -USR1 $! || break; done; wait"
    );
    let shown = shown(&server, &words, 30, "longest transfers").unwrap();
    let told = shown.split_once("state after ").expect(&shown).1;
    let (told, _) = told.split_once("kill: ").unwrap_or((told, ""));
    assert_broken_between_words(told, 30);
    assert!(told.contains("\r\n  waiting for another attempt:\r\n    0\r\n"), "{told}");
    assert!(told.contains("\r\nfailed: line 1:\r\n"), "{told}");
}

#[test]
fn a_terminal_that_draws_nothing_gets_lines() {
    let server = server();
    let (one, held) = (server.url("/a"), server.url("/held"));
    let words = format!("TERM=dumb ringpull --summary-interval 20ms {one} {held}");
    let Some(shown) = shown(&server, &words, 80, ": 50% (1 of 2), ") else { return };
    assert!(shown.starts_with("after ") && !shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn every_row_is_written_out() {
    let server = server();
    let sandbox = Sandbox::new();
    let urls = ["/a", "/missing", "nonsense"].map(|path| match path {
        "nonsense" => path.to_owned(),
        path => server.url(path),
    });
    let form = "%{urlnum}\\t%{http_code}\\t%{exitcode}\\t%{size_download}\\t%{url}\\n";
    let done = sandbox.pull().args(["-w", form]).list(&urls).run();
    let mut lines: Vec<&str> = done.stdout.lines().collect();
    lines.sort_unstable();
    let exit = &done.row("nonsense")["exitcode"];
    assert_eq!(
        lines,
        [
            format!("0\t200\t0\t1\t{}", urls[0]),
            format!("1\t404\t22\t0\t{}", urls[1]),
            format!("2\t000\t{exit}\t0\tnonsense"),
        ]
    );
    // From a file, and whole rows that a parser takes.
    std::fs::write(sandbox.path("form"), "%{json}\n").unwrap();
    let done = sandbox.pull().args(["-w", "@form"]).list(&urls).run();
    let rows: Vec<serde_json::Value> =
        done.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().any(|row| row["response_code"] == 404 && row["url"] == urls[1]));
}

#[test]
fn what_is_written_out_comes_while_the_run_goes_on() {
    let server = server();
    let sandbox = Sandbox::new();
    let mut running = start(&sandbox, &server, &["-w", "%{url}\\n"]);
    let out = sandbox.path("stdout");
    assert!(eventually(|| std::fs::read_to_string(&out).unwrap().lines().count() == 4));
    assert!(running.is_running());
    server.open_gate();
    assert_eq!(running.wait().stdout.lines().count(), 7);
}

#[test]
fn what_cannot_be_written_out_is_told() {
    let server = server();
    let sandbox = Sandbox::new();
    for (args, wanted) in [
        (&["-w", "%{nonsense}"][..], "no variable %{nonsense}; there are: "),
        (&["-w", "%{url"], "is not closed"),
        (&["-w", "@no-such-file"], "@no-such-file"),
        (&["-w", "%{url}", "-o", "-"], "-o -"),
    ] {
        let done = sandbox.pull().args(args).arg(server.url("/a")).run();
        done.assert_code(2);
        assert!(done.stderr.contains(wanted), "{wanted}\n{}", done.stderr);
    }
    assert_eq!(server.log(), [""; 0]);
    // A disk that is full.
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let pull = sandbox.pull().args(["-w", "%{url}\\n"]).arg(server.url("/a"));
    let done = pull.spawn_into(full).wait();
    done.assert_code(3);
    assert!(done.stderr.contains("standard output"), "{}", done.stderr);
}

#[test]
fn hosts_that_hold_the_run_up_are_named() {
    let busy = vec![Verb::Send(response("429 Too Many Requests", "Retry-After: 200\r\n", b""))];
    let resting = Plan::new().otherwise(busy).start();
    let held = server();
    let sandbox = Sandbox::new();
    let host = format!("127.0.0.1:{}", resting.port());
    let urls = (0..20).map(|n| resting.url(&format!("/{n}"))).chain([held.url("/held1")]);
    let args = ["--progress", "json", "-x", "1", "--metrics-addr", "127.0.0.1:0"];
    let mut running = sandbox.pull().args(args).list(urls).spawn();
    let wanted = format!("\"host\":\"{host}\"");
    assert!(eventually(|| running.stderr().contains(&wanted)), "{}", running.stderr());
    let shown = state(&running, |state| state.contains("\"hosts_resting\":1"));
    let json: serde_json::Value =
        shown.lines().find(|line| line.contains("\"state\"")).unwrap().parse().unwrap();
    let first = &json["state"]["held_up"][0];
    assert_eq!(first["host"], host.as_str(), "{shown}");
    assert!(first["why"].as_str().unwrap().contains("rests for "), "{shown}");
    let stderr = running.stderr();
    let told = stderr.lines().find_map(|line| line.strip_prefix("{\"metrics\":\"http://"));
    let addr = told.unwrap().split('/').next().unwrap().parse().unwrap();
    let page = ask(addr, "GET /metrics");
    assert!(page.contains("\nringpull_hosts{state=\"resting\"} 1\n"), "{page}");
    let named = format!("\nringpull_host_jobs_queued{{host=\"{host}\"}} ");
    assert!(page.contains(&named), "{page}");
    assert!(eventually(|| {
        running.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(20));
        !running.is_running()
    }));
}
