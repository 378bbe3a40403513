//! `--dns-cache`: what one run tells the next about names.

use crate::cmd::{Sandbox, eventually};
use crate::nameserver::{A, Answer, NameServer, SERVFAIL};
use crate::rude::{Plan, Verb, ok, response};
use std::path::Path;
use std::time::SystemTime;

const FIRST_LINE: &str = "# ringpull dns-cache 1";

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A file in which `a.example` is this machine until then.
fn write(path: &Path, until_unix_s: u64) {
    std::fs::write(path, format!("{FIRST_LINE}\na.example 127.0.0.1 {until_unix_s}\n")).unwrap();
}

#[test]
fn a_second_run_asks_nobody() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let hosts = ["a.example", "b.example", "c.example"];
    let names = NameServer::local(&hosts[..2]);
    let sandbox = Sandbox::new();
    let file = sandbox.path("names.txt");
    let pull = |names: &NameServer| {
        let pull =
            sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
        pull.arg("--dns-cache").arg(&file)
    };
    let urls = hosts.map(|host| server.url_at(host, "/a"));
    let done = pull(&names).list(&urls).run();
    assert_eq!(done.fault(&urls[2]), "resolve.not_found");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(text.starts_with(FIRST_LINE) && lines.len() == 2, "addresses alone are kept: {text}");
    assert!(lines[0].starts_with("a.example 127.0.0.1 "), "{text}");
    assert!(lines[1].starts_with("b.example 127.0.0.1 "), "{text}");
    assert!(lines.iter().all(|line| {
        let until: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        until > now_unix_s() && until <= now_unix_s() + 3_600
    }));

    let other = NameServer::local(&[]);
    pull(&other).list(&urls[..2]).run().assert_ok(2);
    assert_eq!(other.asked_in_all(), 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "nothing was learned");
    // Those of a run that wants IPv6 addresses may lack some.
    let done = pull(&other).args(["-6", &urls[0]]).run();
    assert_eq!(done.fault(&urls[0]), "resolve.not_found");
    assert_eq!(other.asked("a.example", crate::nameserver::AAAA), 1);
}

#[test]
fn addresses_whose_time_is_over_are_used_only_when_nobody_can_say() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let url = server.url_at("a.example", "/a");
    let day = 86_400;
    for (late_s, answer, fault) in [
        (60, Answer::Missing(0), "resolve.not_found"),
        (60, Answer::Code(SERVFAIL), ""),
        (2 * day, Answer::Code(SERVFAIL), "resolve.failed"),
    ] {
        let names = NameServer::always(answer);
        let sandbox = Sandbox::new();
        let file = sandbox.path("names.txt");
        write(&file, now_unix_s() - late_s);
        let pull =
            sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
        let done = pull.arg("--dns-cache").arg(&file).args([&url]).run();
        assert_eq!(done.fault(&url), fault);
        assert_eq!(names.asked("a.example", A), 1);
    }
}

#[test]
fn a_name_whose_time_is_over_in_the_middle_is_asked_for_again() {
    let last = Verb::Send(response("200 OK", "Connection: close\r\n", b"x"));
    let held = vec![Verb::Gate, last, Verb::Close];
    let server = Plan::new().on("/held", [held]).otherwise(ok(b"x")).start();
    let names = NameServer::local(&["a.example"]);
    let sandbox = Sandbox::new();
    let file = sandbox.path("names.txt");
    let until_unix_s = now_unix_s() + 2;
    write(&file, until_unix_s);
    let pull = sandbox.pull().args(["-j", "1", "-i", "-", "--retry", "0"]);
    let pull = pull.args(["--dns-servers", &names.addr().to_string()]);
    let mut running = pull.arg("--dns-cache").arg(&file).spawn();
    let urls = ["/held", "/a"].map(|path| server.url_at("a.example", path));
    running.feed(&urls);
    running.end_input();
    let is_late = || server.log().len() == 1 && now_unix_s() > until_unix_s;
    assert!(eventually(is_late), "{}", running.stderr());
    server.open_gate();
    let done = running.wait();
    done.assert_ok(2);
    assert_eq!(names.asked("a.example", A), 1);
    assert_eq!(done.row(&urls[1])["num_retries"], "0", "waiting for the name is no attempt");
}

#[test]
fn damaged_lines_are_passed_over() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let file = sandbox.path("names.txt");
    let until = now_unix_s() + 600;
    let text = format!("{FIRST_LINE}\nb.exam\na.example 127.0.0.1 {until}\n\0\0\n");
    std::fs::write(&file, text).unwrap();
    let pull = sandbox.pull().args(["--dns-servers", &NameServer::local(&[]).addr().to_string()]);
    let done = pull.arg("--dns-cache-preload").arg(&file);
    let done = done.args([server.url_at("a.example", "/a")]).run();
    done.assert_ok(1);
    assert!(done.stderr.contains("warning: 2 damaged lines of --dns-cache"), "{}", done.stderr);
}

#[test]
fn a_file_of_another_kind_is_not_replaced() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("hosts");
    std::fs::write(&file, "127.0.0.1 a.example\n").unwrap();
    for path in [file.as_path(), &sandbox.out()] {
        let done = sandbox.pull().arg("--dns-cache").arg(path).args(["http://127.0.0.1/"]).run();
        done.assert_code(2);
        assert!(done.stderr.contains("--dns-cache"), "{}", done.stderr);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "127.0.0.1 a.example\n");
    // A place where nothing can be written is known before anything is pulled.
    let done = sandbox.pull().arg("--dns-cache").arg(sandbox.path("hosts/names"));
    let done = done.args(["http://127.0.0.1/"]).run();
    done.assert_code(3);
    assert!(done.rows.is_empty() && done.stderr.contains("cannot write"), "{}", done.stderr);
}
