//! Hosts with several addresses (RFC 8305): who is connected to, in which order, and what becomes
//! of those that do not answer. An address is silent whose listener has a full queue, so that the
//! kernel drops what comes; all of them are of this machine, with the same port.

use crate::cmd::{Sandbox, eventually, skip_forbidden};
use crate::nameserver::{Answer, NameServer};
use crate::relay::{Manner, Relay};
use crate::rude::{Plan, Rude, Verb, response};
use crate::sockets::{Acceptor, SilentPort};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

/// A server at [`V4`] that closes each connection after its response, and an address of the same
/// port that is silent.
fn server_and_silence(silent: IpAddr) -> Option<(Rude, SilentPort)> {
    let closing = response("200 OK", "Connection: close\r\n", b"x");
    let server = Plan::new().otherwise(vec![Verb::Send(closing), Verb::Close]).start();
    match SilentPort::at((silent, server.port()).into()) {
        Ok(silent) => Some((server, silent)),
        Err(error) => {
            skip_forbidden(&format!("{silent} is not to be had: {error}"));
            None
        }
    }
}

/// What `--resolve` takes for every host at this port.
fn all_hosts(port: u16, addresses: &[IpAddr]) -> String {
    let shown: Vec<String> = addresses
        .iter()
        .map(|one| if one.is_ipv6() { format!("[{one}]") } else { one.to_string() })
        .collect();
    format!("*:{port}:{}", shown.join(","))
}

/// Sockets of this machine that connect to a port of an IPv6 address and have no answer so far
/// (`SYN_SENT`, proc(5)).
fn connecting(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp6").unwrap();
    let peer = format!(":{port:04X} 02 ");
    table.lines().filter(|line| line.contains(&peer)).count()
}

/// Sockets that a process has open.
fn sockets(id: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// Sockets that the program has for itself: signals come in over a pair of them.
const SOCKETS_OF_PROGRAM_MAX: usize = 4;

/// A server that answers one request on each connection.
fn live(at: SocketAddr) -> Acceptor {
    let answer = |mut stream: std::net::TcpStream| {
        let _ = stream.read(&mut [0; 4_096]);
        let _ = stream.write_all(&response("200 OK", "Connection: close\r\n", b"x"));
    };
    Acceptor::at(at, answer).unwrap()
}

#[test]
fn a_silent_address_is_passed_by_and_its_socket_closed() {
    for silent in [V6, OTHER_V4] {
        let Some((server, _silent)) = server_and_silence(silent) else { return };
        let sandbox = Sandbox::new();
        let over = all_hosts(server.port(), &[silent, V4]);
        // It would hang for as long.
        let pull = sandbox.pull().args(["--connect-timeout", "1h", "--resolve", &over]);
        let mut running = pull.args(["-i", "-", "-j", "4"]).spawn();
        let urls: Vec<String> = (0..8).map(|n| server.url_at(&format!("h{n}"), "/a")).collect();
        running.feed(&urls[..1]);
        assert!(eventually(|| server.log().len() == 1));
        let before = sockets(running.id());
        running.feed(&urls[1..]);
        assert!(eventually(|| server.log().len() == urls.len()));
        // What lost is gone while the run goes on.
        let mut now = 0;
        let is_gone = eventually(|| {
            now = sockets(running.id());
            now <= before.min(SOCKETS_OF_PROGRAM_MAX)
        });
        assert!(is_gone, "{before} sockets before, {now} after");
        assert!(running.is_running());
        let done = running.wait();
        done.assert_ok(urls.len());
        for row in &done.rows {
            assert_eq!(row["remote_ip"], "127.0.0.1");
            assert_eq!((row["num_connects"].as_str(), row["num_retries"].as_str()), ("1", "0"));
        }
        assert_eq!(server.connections(), urls.len());
    }
}

#[test]
fn a_family_that_is_silent_at_several_hosts_is_tried_second() {
    let Some((server, silent)) = server_and_silence(V6) else { return };
    let sandbox = Sandbox::new();
    let over = all_hosts(server.port(), &[V6, V4]);
    let mut running = sandbox.pull().args(["-i", "-", "--resolve", &over]).spawn();
    let url = |host: &str| server.url_at(host, "/a");
    // A line may be looked at only once the next one has come.
    running.feed(["a", "b", "c", "c"].map(url));
    assert!(eventually(|| server.log().len() == 4));
    // From here on it would answer.
    drop(silent);
    let there = live((V6, server.port()).into());
    running.feed(["d", "e", "f"].map(url));
    let done = running.wait();
    done.assert_ok(7);
    assert!(done.rows.iter().all(|row| row["remote_ip"] == "127.0.0.1"), "{:#?}", done.rows);

    // A run that has not met it silent goes there first.
    let done = sandbox.pull().args(["--resolve", &over, &url("g")]).run();
    assert_eq!(done.row(&url("g"))["remote_ip"], "::1");
    drop(there);
}

#[test]
fn the_address_of_a_host_that_answered_is_tried_first() {
    let Some((server, silent)) = server_and_silence(OTHER_V4) else { return };
    let sandbox = Sandbox::new();
    let over = all_hosts(server.port(), &[OTHER_V4, V4]);
    let mut running = sandbox.pull().args(["-i", "-", "-x", "1", "--resolve", &over]).spawn();
    let url = |n: usize| server.url_at("one", &format!("/{n}"));
    running.feed((0..2).map(url));
    assert!(eventually(|| server.log().len() == 2));
    drop(silent);
    let _there = live((OTHER_V4, server.port()).into());
    running.feed((2..5).map(url));
    running.feed([server.url_at("two", "/a")]);
    let done = running.wait();
    done.assert_ok(6);
    for n in 0..5 {
        assert_eq!(done.row(&url(n))["remote_ip"], "127.0.0.1");
    }
    // It is about that host.
    assert_eq!(done.row(&server.url_at("two", "/a"))["remote_ip"], "127.0.0.9");
}

#[test]
fn a_further_attempt_goes_to_another_address_unless_the_host_refused() {
    let server = Plan::new().otherwise(crate::rude::ok(b"x")).start();
    let at = SocketAddr::new(OTHER_V4, server.port());
    let sandbox = Sandbox::new();
    let over = all_hosts(server.port(), &[OTHER_V4, V4]);
    let pull = |url: &str| {
        let pull = sandbox.pull().args(["--retry", "2", "--retry-delay", "1ms"]);
        pull.args(["--resolve", &over, url]).run()
    };
    let answer = |bytes: &'static [u8]| {
        move |mut stream: std::net::TcpStream| {
            let _ = stream.read(&mut [0; 4_096]);
            let _ = stream.write_all(bytes);
        }
    };
    for cut in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"] {
        let _cut = Acceptor::at(at, answer(cut)).unwrap();
        let done = pull(&server.url_at("one", "/a"));
        done.assert_ok(1);
        let row = &done.rows[0];
        assert_eq!((&*row["remote_ip"], &*row["num_retries"]), ("127.0.0.1", "1"), "{row:?}");
    }
    let answered = server.log().len();
    let _refusing = Acceptor::at(at, answer(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
    let row = &pull(&server.url_at("one", "/b")).rows[0];
    assert_eq!((&*row["response_code"], &*row["num_retries"]), ("503", "2"), "{row:?}");
    assert_eq!(server.log().len(), answered);
}

#[test]
fn one_family_is_left_alone_when_the_other_is_asked_for() {
    let Some((server, _silent)) = server_and_silence(V6) else { return };
    let sandbox = Sandbox::new();
    let names = NameServer::always(Answer::Addresses(vec![V6, V4]));
    let url = server.url_at("both.example", "/a");
    let dns = names.addr().to_string();
    for (option, code, address) in [("-4", "", "127.0.0.1"), ("-6", "connect.timeout", "::1")] {
        let pull = sandbox.pull().args([option, "--connect-timeout", "300ms", "--retry", "0"]);
        let done = pull.args(["--dns-servers", &dns, &url]).run();
        let row = done.row(&url);
        assert_eq!((row["error_code"].as_str(), row["remote_ip"].as_str()), (code, address));
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn what_is_told_names_all_addresses_that_failed() {
    let Some((server, _silent)) = server_and_silence(V6) else { return };
    let sandbox = Sandbox::new();
    // Nobody listens there at the server's port.
    let over = all_hosts(server.port(), &[V6, OTHER_V4]);
    let pull = sandbox.pull().args(["--connect-timeout", "500ms", "--retry", "0"]);
    let url = server.url_at("none", "/a");
    let done = pull.args(["--resolve", &over, &url]).run();
    let row = done.row(&url);
    assert_eq!(
        (row["error_code"].as_str(), row["remote_ip"].as_str()),
        ("connect.refused", "127.0.0.9")
    );
    let message = &row["error_message"];
    let told = format!("127.0.0.9:{}; also ::1 (connect.timeout)", server.port());
    assert!(message.contains(&told), "{message}");
    assert_eq!(row["num_connects"], "1");
}

#[test]
fn a_run_that_ends_in_the_middle_of_a_race_ends_at_once() {
    let Some((server, _silent)) = server_and_silence(V6) else { return };
    let port = server.port();
    let Ok(_other) = SilentPort::at((OTHER_V4, port).into()) else { return };
    let sandbox = Sandbox::new();
    let over = all_hosts(port, &[V6, OTHER_V4]);
    let urls: Vec<String> = (0..20).map(|n| server.url_at(&format!("h{n}"), "/a")).collect();
    let pull = sandbox.pull().args(["--connect-timeout", "1h", "--grace", "0", "--resolve", &over]);
    let running = pull.list(&urls).spawn();
    // The listener's own full queue is of four.
    let held = connecting(port);
    assert!(eventually(|| connecting(port) >= held + urls.len()), "{held}");
    running.signal(rustix::process::Signal::INT);
    let done = running.wait();
    done.assert_code(130);
    assert_eq!(done.rows.len(), urls.len());
    assert!(done.rows.iter().all(|row| row["error_code"] == "run.interrupted"), "{:#?}", done.rows);
}

#[test]
fn the_addresses_of_a_proxy_race_as_well() {
    let proxy = Relay::start(Manner::Http);
    let port = proxy.addr().port();
    let Ok(_silent) = SilentPort::at((V6, port).into()) else {
        return skip_forbidden("::1 is not to be had");
    };
    let server = Plan::new().otherwise(crate::rude::ok(b"x")).start();
    let sandbox = Sandbox::new();
    let over = all_hosts(port, &[V6, proxy.addr().ip()]);
    let pull = sandbox.pull().args(["--connect-timeout", "1h", "--resolve", &over]);
    let done =
        pull.args(["--proxy", &format!("http://proxy.test:{port}"), &server.url("/a")]).run();
    done.assert_ok(1);
    assert_eq!(done.row(&server.url("/a"))["remote_ip"], proxy.addr().ip().to_string());
}
