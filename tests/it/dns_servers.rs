//! Many names, and name servers that fail: nothing waits for what it does not need.

use crate::cmd::{Sandbox, eventually};
use crate::nameserver::{A, AAAA, Answer, NameServer, REFUSED, SERVFAIL, here};
use crate::origin::serve;
use crate::rude::{Plan, ok};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

/// So many different names.
fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("h{n}.example")).collect()
}

fn all_here(hosts: &[String]) -> impl Iterator<Item = (&str, Answer)> {
    hosts.iter().map(|host| (host.as_str(), here()))
}

/// `--dns-servers` of these.
fn servers(servers: &[&NameServer]) -> String {
    servers.iter().map(|server| server.addr().to_string()).collect::<Vec<_>>().join(",")
}

#[test]
fn two_thousand_names_are_asked_for_at_once_and_not_all_at_once() {
    let served = serve();
    let hosts = hosts(2_000);
    let names = [NameServer::slow(all_here(&hosts)), NameServer::slow(all_here(&hosts))];
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--dns-servers", &servers(&[&names[0], &names[1]])]);
    let pull = pull.args(["--dns-concurrency", "30", "--dns-timeout", "10m"]);
    let url = |host: &String| format!("http://{host}:{}/bytes/10/{host}", served.port());
    let done = pull.list(hosts.iter().map(url)).run();
    done.assert_ok(hosts.len());
    let asked: usize = names.iter().map(NameServer::asked_in_all).sum();
    // A datagram that seems lost is sent again.
    assert!((4_000..6_000).contains(&asked), "{asked} questions");
    for server in &names {
        let (asked, most) = (server.asked_in_all(), server.most_outstanding());
        assert!((10..=30).contains(&most), "{most} at once");
        assert!(asked > 1_000, "{asked} of the questions went to one of the servers");
    }
}

#[test]
fn a_server_that_keeps_silent_is_left_alone() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let hosts = hosts(120);
    let (dead, good) = (NameServer::always(Answer::Silence), NameServer::start(all_here(&hosts)));
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-i", "-", "--retry", "0", "--dns-timeout", "1500ms"]);
    let mut running = pull.args(["--dns-servers", &servers(&[&dead, &good])]).spawn();
    let url = |host: &String| server.url_at(host, "/a");
    running.feed(hosts[..20].iter().map(url));
    assert!(eventually(|| server.log().len() == 20), "{}", running.stderr());
    let asked = dead.asked_in_all();
    assert!(asked > 0, "it might have been the good one");
    running.feed(hosts[20..].iter().map(url));
    running.wait().assert_ok(hosts.len());
    // It may be tried again after a rest, with one question.
    let again = dead.asked_in_all() - asked;
    assert!(again < 20, "{again} questions to a server that does not answer");
}

#[test]
fn questions_in_line_for_a_silent_server_go_to_another() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let hosts = hosts(200);
    let (dead, good) = (NameServer::always(Answer::Silence), NameServer::start(all_here(&hosts)));
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--dns-concurrency", "4", "--dns-timeout", "1500ms"]);
    let pull = pull.args(["--dns-servers", &servers(&[&dead, &good])]);
    let done = pull.list(hosts.iter().map(|host| server.url_at(host, "/a"))).run();
    done.assert_ok(hosts.len());
    let is_asked = |host: &&String| dead.asked(host, A) + dead.asked(host, AAAA) > 0;
    let asked = hosts.iter().filter(is_asked).count();
    // Those that were put before it was known, and one after each rest.
    assert!((1..20).contains(&asked), "{asked} names went to the one that does not answer");
}

#[test]
fn a_refusal_lets_the_next_server_be_asked_at_once() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    for code in [SERVFAIL, REFUSED] {
        let (bad, good) =
            (NameServer::always(Answer::Code(code)), NameServer::local(&["a.example"]));
        let sandbox = Sandbox::new();
        // Silence would end the test and not the run.
        let pull = sandbox.pull().args(["--retry", "0", "--dns-timeout", "10m"]);
        let pull = pull.args(["--dns-servers", &servers(&[&bad, &good])]);
        pull.args([server.url_at("a.example", "/a")]).run().assert_ok(1);
        assert_eq!((good.asked("a.example", A), good.asked("a.example", AAAA)), (1, 1));
        assert_eq!(bad.asked_in_all(), 1, "the other question went to the good one first");
    }
}

#[test]
fn a_name_that_nobody_knows_anything_about_fails() {
    let bad =
        [NameServer::always(Answer::Code(REFUSED)), NameServer::always(Answer::Code(SERVFAIL))];
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--retry", "1", "--retry-delay", "10ms"]);
    let pull = pull.args(["--dns-servers", &servers(&[&bad[0], &bad[1]])]);
    let done = pull.args(["http://a.example/"]).run();
    let row = done.row("http://a.example/");
    assert_eq!((&*row["error_code"], &*row["num_retries"]), ("resolve.failed", "1"));
    assert!(row["error_message"].contains("the name server answered"), "{row:#?}");
    for server in &bad {
        assert_eq!(server.asked("a.example", A), 2, "once for each attempt");
    }
}

#[test]
fn a_name_may_be_known_to_a_later_attempt() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let names = NameServer::always(Answer::Code(SERVFAIL));
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-i", "-", "--retry", "9", "--retry-delay", "10ms"]);
    let mut running = pull.args(["--dns-servers", &servers(&[&names])]).spawn();
    let url = server.url_at("a.example", "/a");
    running.feed([&url]);
    running.end_input();
    assert!(eventually(|| names.asked("a.example", A) > 0), "{}", running.stderr());
    names.set("a.example", here());
    let done = running.wait();
    done.assert_ok(1);
    assert_ne!(done.row(&url)["num_retries"], "0");
}

#[test]
fn a_name_that_is_never_answered_takes_nobodys_slot() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let mut hosts = hosts(40);
    let names = NameServer::start(all_here(&hosts));
    let silent: Vec<String> = (0..20).map(|n| format!("silent{n}.example")).collect();
    silent.iter().for_each(|host| names.set(host, Answer::Silence));
    hosts.splice(0..0, silent.iter().cloned());
    let sandbox = Sandbox::new();
    // Only the others can end before the harness gives up.
    let pull = sandbox.pull().args(["-j", "1", "--dns-timeout", "10m", "-i", "-"]);
    let mut running = pull.args(["--dns-servers", &servers(&[&names])]).spawn();
    running.feed(hosts.iter().map(|host| server.url_at(host, "/a")));
    running.end_input();
    assert!(eventually(|| server.log().len() == 40), "{}", running.stderr());
    assert!(silent.iter().all(|host| names.asked(host, A) > 0), "asked for before the others");
}

#[test]
fn a_name_that_does_not_exist_is_an_answer_for_every_job() {
    let names = NameServer::start([("gone.example", Answer::Missing(300))]);
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--dns-servers", &servers(&[&names])]);
    // Neither is needed: who waits for one of them, or counts towards the other, never ends.
    let pull = pull.args(["--host-fail-wait", "10m", "--rate-per-host", "1/10m"]);
    let done = pull.list((0..100).map(|n| format!("http://gone.example/{n}"))).run();
    let gone = done.rows.iter().filter(|row| row["error_code"] == "resolve.not_found").count();
    assert_eq!(gone, 100);
    assert_eq!(names.asked("gone.example", A), 1);
    assert!(names.asked("gone.example", AAAA) <= 1);
}

#[test]
fn jobs_of_a_name_that_cannot_be_looked_up_share_the_answer() {
    let names = NameServer::start([("sick.example", Answer::Code(SERVFAIL))]);
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--retry", "0", "--dns-servers", &servers(&[&names])]);
    let pull = pull.args(["--host-fail-wait", "10ms"]);
    let done = pull.list((0..100).map(|n| format!("http://sick.example/{n}"))).run();
    let count = |code: &str| done.rows.iter().filter(|row| row["error_code"] == code).count();
    let (failed, down) = (count("resolve.failed"), count("connect.host_down"));
    assert_eq!(failed + down, 100);
    assert!(failed >= 10 && down > 0, "{failed} tried, {down} not");
    // It is known for a second, and a slow machine may take longer for the jobs.
    let asked = names.asked("sick.example", A);
    assert!((1..10).contains(&asked), "{asked} questions for a hundred jobs");
}

#[test]
fn an_answer_that_is_too_long_for_a_datagram_comes_over_tcp() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let long = Answer::Long(vec![Ipv4Addr::LOCALHOST.into()]);
    let names = NameServer::start([("long.example", long)]);
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--retry", "0", "--dns-servers", &servers(&[&names])]);
    pull.args([server.url_at("long.example", "/a")]).run().assert_ok(1);
    assert!(names.asked("long.example", A) >= 2, "over UDP and over TCP");
}

/// An address that nobody listens at, for as long as the socket is there.
fn nobody() -> (SocketAddr, UdpSocket) {
    let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = held.local_addr().unwrap().port();
    (SocketAddr::from(([127, 0, 0, 53], port)), held)
}

#[test]
fn nobody_waits_for_a_name_server_that_is_not_there() {
    let (gone, _held) = nobody();
    let server = Plan::new().otherwise(ok(b"x")).start();
    let hosts = hosts(60);
    let good = NameServer::start(all_here(&hosts));
    // Who waits for an answer waits longer than the harness.
    let patient = ["--retry", "0", "--dns-timeout", "10m", "--dns-servers"];
    let sandbox = Sandbox::new();
    let both = format!("{gone},{}", good.addr());
    let pull = sandbox.pull().args(patient).arg(both);
    pull.list(hosts.iter().map(|host| server.url_at(host, "/a"))).run().assert_ok(hosts.len());

    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(patient).arg(format!("{gone},{gone}"));
    let done = pull.args(["http://a.example/"]).run();
    let row = done.row("http://a.example/");
    assert_eq!(row["error_code"], "resolve.failed");
    let words = format!("the name server {gone} cannot be reached");
    assert!(row["error_message"].contains(&words), "{row:#?}");
}

#[test]
fn a_name_server_that_comes_back_is_asked_again() {
    let (gone, held) = nobody();
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-i", "-", "--retry", "9", "--retry-delay", "10ms"]);
    let pull = pull.args(["--dns-timeout", "10m", "--dns-servers", &gone.to_string()]);
    let mut running = pull.spawn();
    let url = server.url_at("a.example", "/a");
    running.feed([&url]);
    running.end_input();
    drop(held);
    let there = NameServer::at(gone, [("a.example", here())]);
    let done = running.wait();
    done.assert_ok(1);
    assert!(there.asked("a.example", A) > 0);
}

#[test]
fn of_four_thousand_addresses_sixteen_are_kept() {
    let server = Plan::new().otherwise(ok(b"x")).start();
    let first = [Ipv4Addr::LOCALHOST].into_iter();
    let many = first.chain((0..4_000_u32).map(|n| Ipv4Addr::from_bits(0x0a00_0000 | n)));
    let names = NameServer::start([("many.example", Answer::Long(many.map(Into::into).collect()))]);
    let sandbox = Sandbox::new();
    let file = sandbox.path("names.txt");
    let pull = sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
    let pull = pull.arg("--dns-cache").arg(&file);
    pull.args([server.url_at("many.example", "/a")]).run().assert_ok(1);
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("many.example ")).unwrap();
    let addresses: Vec<&str> = line.split(' ').nth(1).unwrap().split(',').collect();
    assert_eq!((addresses.len(), addresses[0], addresses[15]), (16, "127.0.0.1", "10.0.0.14"));
}
