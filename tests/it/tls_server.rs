//! Servers that break TLS, in the handshake or after it: each ends as a fault of TLS, at once or at
//! its deadline.

use crate::certs::{Flaw, issue};
use crate::cmd::Sandbox;
use crate::rude::{Plan, Verb, ok, response};
use crate::sockets::Acceptor;
use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A server that reads the first bytes of every connection and does something with it.
struct Raw {
    acceptor: Acceptor,
    connections: Arc<AtomicUsize>,
}

impl Raw {
    fn start(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&connections), Arc::new(answer));
        let acceptor = Acceptor::start(Ipv4Addr::LOCALHOST, move |mut socket| {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                if socket.read(&mut [0; 4_096]).is_ok_and(|count| count > 0) {
                    answer(socket);
                }
            });
        });
        Self { acceptor, connections }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/a", self.acceptor.addr().port())
    }
}

/// Sends what it is, and stays until the client goes.
fn saying(bytes: Vec<u8>) -> Raw {
    Raw::start(move |mut socket| {
        let _ = socket.write_all(&bytes);
        while socket.read(&mut [0; 1_024]).is_ok_and(|count| count > 0) {}
    })
}

/// A record of TLS around `payload`.
fn record(kind: u8, minor: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, minor], &length[..], payload].concat()
}

/// A ServerHello of TLS 1.`minor - 1` without extensions, with a cipher suite of that time.
fn server_hello(minor: u8) -> Vec<u8> {
    let mut hello = vec![2, 0, 0, 38, 3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    record(22, minor, &hello)
}

#[test]
fn what_is_no_tls_is_a_fault_of_tls_at_once() {
    let replies: [(&str, Vec<u8>); 12] = [
        ("text", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("zeroes", vec![0; 5_000]),
        ("noise", (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("http", response("400 Bad Request", "", b"plain HTTP request sent to HTTPS port")),
        ("too long", [&[22, 3, 3, 0xff, 0xff][..], &[0; 70_000]].concat()),
        ("empty record", record(22, 3, &[])),
        ("data first", record(23, 3, b"hello")),
        ("TLS 1.1 only", record(21, 2, &[2, 70])),
        ("hello of TLS 1.1", server_hello(2)),
        ("hello of SSL 3", server_hello(0)),
        ("hello of TLS 1.2 with an old suite", server_hello(3)),
        ("alert", record(21, 3, &[2, 40])),
    ];
    for (name, bytes) in replies {
        let server = saying(bytes);
        let sandbox = Sandbox::new();
        let url = server.url();
        let done = sandbox.pull().args(["--retry", "2", &url]).run();
        assert_eq!(done.fault(&url), "tls.protocol", "{name}: {:#?}", done.rows);
        assert_eq!(done.row(&url)["exitcode"], "35", "{name}");
        done.assert_code(5);
        assert_eq!(server.connections.load(Ordering::SeqCst), 1, "{name}: it was tried again");
        let message = &done.row(&url)["error_message"];
        assert_eq!(message.contains("plain HTTP"), name == "http", "{name}: {message}");
    }
}

#[test]
fn a_handshake_that_goes_nowhere_ends_at_its_deadline() {
    let stalling = saying(Vec::new());
    // It never stops coming, and never comes to its end.
    let dripping = Raw::start(|mut socket| {
        let hello = [&[22, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xfb][..], &[3; 16_379]].concat();
        for byte in hello {
            if socket.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let sandbox = Sandbox::new();
    let urls = [stalling.url(), dripping.url()];
    let pull = sandbox.pull().args(["--retry", "1", "--retry-delay", "1ms"]);
    let done = pull.args(["--connect-timeout", "300ms"]).list(&urls).run();
    for url in &urls {
        assert_eq!(done.fault(url), "tls.timeout", "{:#?}", done.rows);
        assert_eq!(done.row(url)["num_retries"], "1");
    }
    done.assert_code(4);
}

#[test]
fn a_handshake_that_is_broken_off_is_tried_again() {
    let closing = Raw::start(drop);
    let half = Raw::start(|mut socket| drop(socket.write_all(&server_hello(3)[..20])));
    let resetting = Raw::start(|socket| {
        set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
    });
    let sandbox = Sandbox::new();
    let expected = [(&closing, "tls.closed"), (&half, "tls.closed"), (&resetting, "tls.reset")];
    let pull = sandbox.pull().args(["--retry", "1", "--retry-delay", "1ms"]);
    let done = pull.list(expected.map(|(server, _)| server.url())).run();
    for (server, code) in expected {
        assert_eq!(done.fault(&server.url()), code, "{:#?}", done.rows);
        assert_eq!(server.connections.load(Ordering::SeqCst), 2, "{code}");
    }
    done.assert_code(4);
}

#[test]
fn tls_that_breaks_after_the_handshake_is_a_fault_of_tls() {
    let identity = issue(Flaw::None);
    let noise = || Verb::SendBeneath(record(23, 3, &[9; 64]));
    let garbage = || Verb::SendBeneath(vec![0; 64]);
    let head = || Verb::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".to_vec());
    let close = || Verb::Send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello".to_vec());
    let server = Plan::new()
        .on("/head", [vec![noise(), Verb::Stall]])
        .on("/head-garbage", [vec![garbage(), Verb::Stall]])
        .on("/body", [vec![head(), noise(), Verb::Stall]])
        .on("/body-garbage", [vec![head(), garbage(), Verb::Stall]])
        .on("/body-close", [vec![close(), noise(), Verb::Stall]])
        .start_tls(&identity);
    let sandbox = Sandbox::new();
    let paths = ["/head", "/head-garbage", "/body", "/body-garbage", "/body-close"];
    let urls = paths.map(|path| server.url(path));
    let pull = sandbox.pull().arg("--insecure").list(&urls);
    let done = pull.run();
    for url in &urls {
        assert_eq!(done.fault(url), "tls.protocol", "{:#?}", done.row(url));
        assert_eq!(done.row(url)["num_retries"], "0");
    }
    done.assert_code(5);
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
}

#[test]
fn addresses_are_names_of_certificates_too() {
    let identity = issue(Flaw::WrongName);
    let server = Plan::new().otherwise(ok(b"x")).start_tls(&identity);
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("ca.pem"), &identity.ca_pem).unwrap();
    let url = server.url_at("127.0.0.1", "/a");
    let run = |url: &str, resolve: &str| {
        let pull = sandbox.pull().arg("--cacert").arg(sandbox.path("ca.pem"));
        pull.args(["--resolve", resolve, url]).run()
    };
    let named = server.url_at("elsewhere.example", "/a");
    run(&named, &server.resolve("elsewhere.example")).assert_ok(1);
    // What the address is called somewhere else does not matter.
    let done = run(&url, &server.resolve("elsewhere.example"));
    assert_eq!(done.fault(&url), "tls.wrong_name");
}
