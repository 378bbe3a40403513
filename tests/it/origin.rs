//! The embedded origin for the other tests, and its own: a raw socket and curl ask it.

use crate::certs;
use crate::cmd::{command, eventually, settle, skip};
use crate::sockets::talk;
use ringpull::origin::{self, Listener, OriginConfig};
use rustix::process::{Pid, Signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

/// An origin with both listeners; it ends with the value.
pub(crate) struct Served {
    pub(crate) origin: origin::Origin,
    _dir: TempDir,
}

/// Starts an origin on free ports.
pub(crate) fn serve() -> Served {
    serve_at(Ipv4Addr::LOCALHOST)
}

/// As [`serve`], on another address of this machine.
pub(crate) fn serve_at(addr: Ipv4Addr) -> Served {
    settle();
    let dir = tempfile::tempdir().unwrap();
    let config = OriginConfig {
        addr: addr.into(),
        http_port: 0,
        https_port: Some(0),
        congestion: None,
        dir: dir.path().to_owned(),
    };
    Served { origin: origin::start(config).unwrap(), _dir: dir }
}

impl Served {
    pub(crate) fn http(&self, path: &str) -> String {
        format!("{}{path}", self.origin.http_url())
    }

    pub(crate) fn https(&self, path: &str) -> String {
        format!("{}{path}", self.origin.https_url().unwrap())
    }

    pub(crate) fn ca(&self) -> &Path {
        self.origin.ca_path()
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.origin.http_url().strip_prefix("http://").unwrap().parse().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr().port()
    }

    /// Requests that either listener has answered.
    pub(crate) fn requests(&self) -> u64 {
        [Listener::Http, Listener::Https].map(|on| self.origin.stats(on).requests).iter().sum()
    }
}

fn ask(served: &Served, request: &str) -> (String, Vec<u8>) {
    let answer = talk(served.addr(), request.as_bytes());
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("{request}: {}", String::from_utf8_lossy(&answer))) + 4;
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end..].to_vec())
}

fn get(served: &Served, target: &str) -> (String, Vec<u8>) {
    ask(served, &format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

#[test]
fn bodies_are_what_the_path_says_in_every_framing() {
    let served = serve();
    for len in [0, 1, 8, 9, 70_000, 5_000_000] {
        let path = format!("/bytes/{len}/x");
        let (head, body) = get(&served, &path);
        assert!(head.contains(&format!("Content-Length: {len}\r\n")), "{head}");
        assert!(body == origin::body(&path, len), "{path}");
        let path = format!("/close/{len}");
        let (head, body) = get(&served, &path);
        assert!(!head.contains("Content-Length") && !head.contains("chunked"), "{head}");
        assert!(body == origin::body(&path, len), "{path}");
        let path = format!("/chunked/{len}");
        let (head, body) = get(&served, &path);
        assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
        assert!(unchunk(&body) == origin::body(&path, len), "{path}");
    }
    let (head, body) = get(&served, "/image/70.jpg");
    assert!(head.contains("Content-Type: image/jpeg\r\n") && head.contains("ETag: \""), "{head}");
    assert_eq!(body, origin::image(70));
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n").unwrap();
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(line.split(';').next().unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            assert_eq!(rest, b"X-End: yes\r\n\r\n");
            return out;
        }
        out.extend_from_slice(&rest[..size]);
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
    }
}

#[test]
fn connections_are_kept_pipelined_and_counted() {
    let served = serve();
    let one = "GET /bytes/3/a HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "HEAD /bytes/3/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = talk(served.addr(), format!("{one}{one}{last}").as_bytes());
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(text.ends_with("Connection: close\r\n\r\n"), "no body for HEAD: {text}");
    let (_, body) = get(&served, "/stats");
    let stats: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&stats["http"]["connections"], &stats["http"]["requests"]), (&2.into(), &3.into()));
    assert!(eventually(|| served.origin.stats(Listener::Http).open == 0));
    assert_eq!(served.origin.stats(Listener::Https).connections, 0);

    let (head, _) = ask(&served, "GET /chunked/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert!(!head.contains("chunked"), "{head}");
    let (head, _) = ask(&served, "GET /headers HTTP/1.0\r\n\r\n");
    assert!(head.contains("Connection: close"), "{head}");
    let (_, echo) = get(&served, "/headers");
    assert_eq!(echo, b"Host: x\r\nConnection: close\r\n\r\n");
}

#[test]
fn nonsense_is_refused_and_ends_the_connection() {
    let served = serve();
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"),
        ("hello\r\n\r\n", "400"),
        ("POST /bytes/1 HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
    ] {
        let (head, _) = ask(&served, request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {head}");
    }
}

#[test]
fn it_misbehaves_when_asked_to() {
    let served = serve();
    let (head, body) = get(&served, "/truncate/100/10");
    assert!(head.contains("Content-Length: 100\r\n"), "{head}");
    assert_eq!(body, &origin::body("/truncate/100/10", 100)[..10]);
    assert_eq!(talk(served.addr(), b"GET /empty HTTP/1.1\r\nHost: x\r\n\r\n"), b"");

    let mut stream = TcpStream::connect(served.addr()).unwrap();
    stream.write_all(b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let statuses = ["503", "503", "200"];
    for status in statuses {
        let (head, _) = get(&served, "/flaky/2/bytes/1?id=a");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
    }
    let (head, _) = get(&served, "/redirect/2/delay/1/bytes/1");
    assert!(head.contains("Location: /redirect/1/delay/1/bytes/1\r\n"), "{head}");
    let (head, _) = get(&served, "/status/429?retry-after=3");
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("Retry-After: 3\r\n"), "{head}");
}

#[test]
fn a_thousand_connections_are_served_at_once_and_ended_with_the_origin() {
    let served = serve();
    let mut streams: Vec<TcpStream> =
        (0..1_000).map(|_| TcpStream::connect(served.addr()).unwrap()).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /bytes/8 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    for stream in &mut streams {
        let mut start = [0; 15];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
    }
    assert_eq!(served.origin.stats(Listener::Http).open_max, 1_000);
    let mut stalled = TcpStream::connect(served.addr()).unwrap();
    stalled.write_all(b"GET /stall/head HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(eventually(|| served.requests() == 1_001));
    drop(served);
    assert_eq!(stalled.read(&mut [0]).unwrap(), 0);
}

#[test]
fn curl_trusts_its_authority_and_nobody_elses() {
    let served = serve();
    let curl =
        |args: &[&str]| command("curl").args(["-sS", "--max-time", "20"]).args(args).output();
    let url = served.https("/bytes/100000/c");
    let Ok(good) = curl(&["--cacert", served.ca().to_str().unwrap(), &url]) else {
        return skip("curl is missing");
    };
    assert!(good.stdout == origin::body("/bytes/100000/c", 100_000), "{good:?}");
    // curl's own number for a certificate that does not verify.
    assert_eq!(curl(&[&url]).unwrap().status.code(), Some(60));
    let stranger = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(stranger.path(), certs::issue(certs::Flaw::None).ca_pem).unwrap();
    let bad = curl(&["--cacert", stranger.path().to_str().unwrap(), &url]).unwrap();
    assert_eq!(bad.status.code(), Some(60));
    let cut = served.https("/truncate/100/10");
    let cut = curl(&["--cacert", served.ca().to_str().unwrap(), &cut]).unwrap();
    assert!(!cut.status.success() && cut.stdout.len() == 10, "{cut:?}");
}

#[test]
fn the_subcommand_serves_until_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = command(env!("CARGO_BIN_EXE_ringpull"))
            .args(["origin", "--http-addr", "127.0.0.1:0", "--https-addr", "127.0.0.1:0", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The lines are the sign of being ready; without them this ends with the process.
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let urls: Vec<String> = lines.take(2).map(Result::unwrap).collect();
        let about = std::fs::read(dir.path().join("origin.json")).unwrap();
        let about: serde_json::Value = serde_json::from_slice(&about).unwrap();
        assert_eq!(
            (&about["http"], &about["https"]),
            (&urls[0].clone().into(), &urls[1].clone().into())
        );
        let at = urls[0].strip_prefix("http://").unwrap().parse().unwrap();
        let answer = talk(at, b"GET /bytes/9 HTTP/1.0\r\n\r\n");
        assert!(answer.ends_with(&origin::body("/bytes/9", 9)));
        rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
        assert!(eventually(|| child.try_wait().unwrap().is_some()));
        assert!(child.wait().unwrap().success());
    }
}
