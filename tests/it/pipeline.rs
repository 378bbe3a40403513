//! --pipeline: requests that are sent before their turn. Whatever a server makes of them, every
//! file has its own body, and no URL fails or costs an attempt that would not have done so by
//! itself.

use crate::cmd::{Done, Sandbox, eventually};
use crate::origin;
use crate::rude::{self, response};
use crate::sockets::Acceptor;
use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request that the server has before it.
#[derive(Clone, Debug)]
struct Asked {
    /// Its target, such as `/7`.
    path: String,
    /// Whether it asks for a range.
    is_ranged: bool,
    /// Its number on its connection, from 0.
    number: usize,
    /// Its connection, from 0.
    connection: usize,
}

impl Asked {
    fn body(&self) -> Vec<u8> {
        format!("body of {}", self.path).into_bytes()
    }

    /// The right answer.
    fn answer(&self) -> Vec<u8> {
        let body = self.body();
        match self.is_ranged {
            false => response("200 OK", "", &body),
            true => {
                let range = format!("Content-Range: bytes 0-{}/{}\r\n", body.len() - 1, body.len());
                response("206 Partial Content", &range, &body)
            }
        }
    }

    /// Whether it is the first one of a connection that was sent ahead, on the first connection.
    fn is_first_ahead(&self) -> bool {
        (self.connection, self.number) == (0, AFTER + 1)
    }
}

/// What the server does with a request.
enum Reply {
    Send(Vec<u8>),
    SendAndClose(Vec<u8>),
    SendAndReset(Vec<u8>),
    /// It forgets what else was asked, as servers do that do not know of pipelines.
    SendAndForget(Vec<u8>),
    /// Nothing, until the client hangs up.
    Stall,
}

/// A server that sees how many requests are before it.
struct Server {
    acceptor: Acceptor,
    /// The most that were sent before the answer to the first of them.
    ahead_max: Arc<AtomicUsize>,
    /// Requests, in order.
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Requests that may go out at a time.
    depth: usize,
}

/// Requests that go out at a time.
const DEPTH: usize = 4;
/// Answers in good order before any goes out ahead.
const AFTER: usize = 3;
/// URLs of a run.
const COUNT: usize = 60;

impl Server {
    /// The server waits until [`DEPTH`] requests are before it when those are due for the first
    /// time, so that no packet can make a difference.
    fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let (ahead_max, asked) =
            (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<Asked>>>::default());
        let (reply, connections) = (Arc::new(reply), AtomicUsize::new(0));
        let (most, log) = (Arc::clone(&ahead_max), Arc::clone(&asked));
        let acceptor = Acceptor::start(Ipv4Addr::LOCALHOST, move |socket| {
            let connection = connections.fetch_add(1, Ordering::Relaxed);
            let (reply, most, log) = (Arc::clone(&reply), Arc::clone(&most), Arc::clone(&log));
            std::thread::spawn(move || serve(&socket, connection, &*reply, &most, &log));
        });
        Self { acceptor, ahead_max, asked, depth: DEPTH }
    }

    fn pull(&self, sandbox: &Sandbox, args: &[&str]) -> Done {
        let address = self.acceptor.addr();
        let (depth, after) = (self.depth.to_string(), AFTER.to_string());
        sandbox
            .pull()
            .args(["-x", "1", "-j", "1", "--threads", "1", "--retry", "0"])
            .args(["--pipeline", &depth, "--pipeline-after", &after])
            .args(args)
            .list((0..COUNT).map(|n| format!("http://{address}/{n}")))
            .run()
    }

    /// Pulls, and asserts that every file has its own body, at the first attempt.
    fn assert_own_bodies(&self, args: &[&str]) -> Done {
        let sandbox = Sandbox::new();
        let done = self.pull(&sandbox, args);
        done.assert_ok(COUNT);
        let files = sandbox.files();
        assert_eq!(files.len(), COUNT);
        for (name, content) in files {
            assert_eq!(content, format!("body of /{name}").into_bytes(), "{name}");
        }
        for row in &done.rows {
            assert_eq!(row["num_retries"], "0", "{row:#?}");
        }
        done
    }

    /// Asserts that nothing was sent ahead on another connection than the first.
    fn assert_asked_singly_since(&self) {
        let asked = self.asked.lock().unwrap();
        let is_ranged = |asked: &&Asked| asked.connection > 0 && asked.is_ranged;
        assert_eq!(asked.iter().find(is_ranged).map(|asked| &asked.path), None);
        assert!(asked.iter().any(|asked| asked.connection > 0), "a connection was closed");
    }
}

fn serve(
    mut socket: &TcpStream,
    connection: usize,
    reply: &(impl Fn(&Asked) -> Reply + Send + Sync),
    most: &AtomicUsize,
    log: &Mutex<Vec<Asked>>,
) {
    let mut input = Vec::new();
    for number in 0.. {
        let wanted = if (connection, number) == (0, AFTER) { DEPTH } else { 1 };
        while requests(&input) < wanted {
            let mut piece = [0; 4_096];
            match socket.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => input.extend_from_slice(&piece[..count]),
            }
        }
        most.fetch_max(requests(&input) - 1, Ordering::Relaxed);
        let end = input.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(input.drain(..end).collect()).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let is_ranged = head.contains("\r\nRange: bytes=0-\r\n");
        let asked = Asked { path, is_ranged, number, connection };
        log.lock().unwrap().push(asked.clone());
        let (bytes, is_over) = match reply(&asked) {
            Reply::Send(bytes) => (bytes, false),
            Reply::SendAndForget(bytes) => {
                input.clear();
                (bytes, false)
            }
            Reply::SendAndClose(bytes) => (bytes, true),
            Reply::Stall => {
                let _ = socket.read_to_end(&mut input);
                return;
            }
            Reply::SendAndReset(bytes) => {
                set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
                (bytes, true)
            }
        };
        if socket.write_all(&bytes).is_err() || is_over {
            return;
        }
    }
}

/// How many whole requests there are.
fn requests(input: &[u8]) -> usize {
    input.windows(4).filter(|four| *four == b"\r\n\r\n").count()
}

#[test]
fn requests_go_out_together_and_answers_are_told_apart() {
    let server = Server::start(|asked| Reply::Send(asked.answer()));
    let done = server.assert_own_bodies(&[]);
    assert_eq!(server.ahead_max.load(Ordering::Relaxed), DEPTH - 1);
    let codes = |code: &str| done.rows.iter().filter(|row| row["response_code"] == code).count();
    assert_eq!(codes("200") + codes("206"), COUNT);
    assert!((COUNT / 3..=COUNT / 2).contains(&codes("206")), "{}", codes("206"));
    let asked = server.asked.lock().unwrap();
    assert!(asked.iter().all(|asked| asked.connection == 0));
    for pair in asked.windows(2) {
        assert!(!pair[0].is_ranged || !pair[1].is_ranged, "two answers that look alike");
    }
    assert!(asked[..AFTER].iter().all(|asked| !asked.is_ranged), "nothing is known so far");
}

#[test]
fn answers_may_be_longer_than_what_is_received_at_a_time() {
    let served = origin::serve();
    for is_tls in [false, true] {
        let sizes = [0, 1, 4_000, 50_000, 81_920, 300_000, 1_500_000];
        let urls: Vec<String> = (0..140)
            .map(|n| format!("/bytes/{}/{n}.bin", sizes[n * n % sizes.len()]))
            .map(|path| if is_tls { served.https(&path) } else { served.http(&path) })
            .collect();
        let pull = |sandbox: &Sandbox, args: &[&str]| {
            let pull = sandbox.pull().arg("--cacert").arg(served.ca()).args(args);
            pull.args(["-x", "2", "--threads", "1"]).list(&urls).run().assert_ok(urls.len());
            sandbox.files()
        };
        let [singly, ahead] = [Sandbox::new(), Sandbox::new()];
        let singly = pull(&singly, &["--pipeline", "1"]);
        let ahead = pull(&ahead, &["--pipeline", "8", "--pipeline-after", "1"]);
        assert!(singly == ahead, "each has its own bytes");
    }
}

/// Bodies that are filled by ranges, as chunked ones with a validator are, and long ones: their
/// buffer may hold the answers to what was asked next.
#[test]
fn a_body_that_may_be_split_takes_nothing_from_those_behind_it() {
    let chunked = |asked: &Asked| {
        let range = asked.is_ranged.then(|| {
            let length = asked.body().len();
            format!("Content-Range: bytes 0-{}/{length}\r\n", length - 1)
        });
        let status = if asked.is_ranged { "206 Partial Content" } else { "200 OK" };
        let fields =
            format!("{}Accept-Ranges: bytes\r\nETag: \"v\"\r\n", range.unwrap_or_default());
        match asked.is_ranged {
            true => response(status, &fields, &asked.body()),
            false => rude::chunked(&fields, &asked.body(), 7),
        }
    };
    // Four answers come together, so that they are received together: the second would take two
    // with it, and the fifth looks like the third.
    let held = Mutex::new(Vec::new());
    let mut server = Server::start(move |asked| {
        let is_of_group = asked.connection == 0 && (AFTER..AFTER + 8).contains(&asked.number);
        if !is_of_group {
            return Reply::Send(chunked(asked));
        }
        let mut held = held.lock().unwrap();
        held.extend(chunked(asked));
        let is_last = (asked.number - AFTER) % 4 == 3;
        Reply::Send(if is_last { std::mem::take(&mut held) } else { Vec::new() })
    });
    server.depth = 8;
    server.assert_own_bodies(&["--read-timeout", "2"]);
}

#[test]
fn an_answer_that_comes_twice_is_not_the_next_one() {
    // That of the request in front of those that go out together, and of each of them.
    for twice in AFTER - 1..AFTER + DEPTH {
        let server = Server::start(move |asked| {
            let is_twice = (asked.connection, asked.number) == (0, twice);
            Reply::Send(asked.answer().repeat(if is_twice { 2 } else { 1 }))
        });
        server.assert_own_bodies(&[]);
        let asked = server.asked.lock().unwrap();
        assert!(asked.iter().any(|asked| asked.connection > 0), "{twice}");
    }
}

#[test]
fn an_answer_that_is_left_out_is_asked_for_again() {
    for left_out in AFTER..AFTER + DEPTH - 1 {
        let server = Server::start(move |asked| {
            let is_left_out = (asked.connection, asked.number) == (0, left_out);
            Reply::Send(if is_left_out { Vec::new() } else { asked.answer() })
        });
        server.assert_own_bodies(&[]);
        server.assert_asked_singly_since();
    }
}

#[test]
fn a_server_that_forgets_what_else_was_asked_is_asked_singly() {
    let server = Server::start(|asked| match asked.number {
        AFTER if asked.connection == 0 => Reply::SendAndForget(asked.answer()),
        _ => Reply::Send(asked.answer()),
    });
    server.assert_own_bodies(&["--read-timeout", "1"]);
    server.assert_asked_singly_since();
}

#[test]
fn a_server_without_ranges_is_asked_singly() {
    let server = Server::start(|asked| Reply::Send(response("200 OK", "", &asked.body())));
    let done = server.assert_own_bodies(&[]);
    assert!(done.rows.iter().all(|row| row["response_code"] == "200"));
    server.assert_asked_singly_since();
}

#[test]
fn a_range_that_is_not_all_of_the_file_is_no_file() {
    for range in ["bytes 0-4/99", "bytes 1-9/10", "bytes 0-9/*", "bytes */10", "lines 0-9/10"] {
        let server = Server::start(move |asked| {
            Reply::Send(match asked.is_ranged {
                false => asked.answer(),
                true => {
                    let range = format!("Content-Range: {range}\r\n");
                    response("206 Partial Content", &range, &asked.body())
                }
            })
        });
        server.assert_own_bodies(&[]);
        server.assert_asked_singly_since();
    }
}

#[test]
fn a_connection_that_ends_among_them_costs_nothing() {
    let close = |asked: &Asked| {
        let body = asked.body();
        let fields = "Connection: close\r\nContent-Range: bytes 0-";
        let fields = format!("{fields}{}/{}\r\n", body.len() - 1, body.len());
        response(if asked.is_ranged { "206 OK" } else { "200 OK" }, &fields, &body)
    };
    for end in 0..DEPTH {
        let is_end = move |asked: &Asked| (asked.connection, asked.number) == (0, AFTER + end);
        let announced = Server::start(move |asked| match is_end(asked) {
            true => Reply::SendAndClose(close(asked)),
            false => Reply::Send(asked.answer()),
        });
        announced.assert_own_bodies(&[]);
        let silent = Server::start(move |asked| match is_end(asked) {
            true => Reply::SendAndClose(asked.answer()),
            false => Reply::Send(asked.answer()),
        });
        silent.assert_own_bodies(&[]);
    }
    // A reset may take with it what was sent before: the one whose answer it was may fail as it
    // would alone, and nobody gets another's body.
    let reset = Server::start(|asked| match asked.is_first_ahead() {
        true => Reply::SendAndReset(Vec::new()),
        false => Reply::Send(asked.answer()),
    });
    let sandbox = Sandbox::new();
    reset.pull(&sandbox, &["--retry", "2"]).assert_ok(COUNT);
    for (name, content) in sandbox.files() {
        assert_eq!(content, format!("body of /{name}").into_bytes(), "{name}");
    }
}

#[test]
fn what_is_not_there_among_them_is_told_of() {
    let missing = |asked: &Asked| asked.path == format!("/{}", AFTER + 1);
    let server = Server::start(move |asked| {
        Reply::Send(match missing(asked) {
            true => response("404 Not Found", "", b"nothing here"),
            false => asked.answer(),
        })
    });
    let sandbox = Sandbox::new();
    let done = server.pull(&sandbox, &[]);
    let failed: Vec<_> = done.rows.iter().filter(|row| row["status"] != "ok").collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!((&*failed[0]["index"], &*failed[0]["response_code"]), ("5", "404"));
    assert_eq!(sandbox.files().len(), COUNT - 1);
}

#[test]
fn a_run_that_is_interrupted_among_them_goes_on_where_it_was() {
    // The answers to what was sent ahead do not come.
    let server = Server::start(|asked| match asked.connection {
        0 if asked.number > AFTER => Reply::Stall,
        _ => Reply::Send(asked.answer()),
    });
    let sandbox = Sandbox::new();
    let url = format!("http://{}/", server.acceptor.addr());
    let (depth, after) = (DEPTH.to_string(), AFTER.to_string());
    let pull = || {
        let urls = (0..COUNT).map(|n| format!("{url}{n}"));
        let pull = sandbox.pull().args(["-x", "1", "-j", "1", "--threads", "1"]);
        pull.args(["--pipeline", &depth, "--pipeline-after", &after, "--grace", "0"]).list(urls)
    };
    let running = pull().spawn();
    assert!(eventually(|| server.asked.lock().unwrap().len() > AFTER + 1));
    running.signal(rustix::process::Signal::INT);
    let done = running.wait();
    assert!(done.rows.iter().all(|row| row["status"] == "ok" || row["index"] == "5"));
    let done = pull().again().run();
    done.assert_code(0);
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), COUNT);
    assert_eq!(sandbox.files().len(), COUNT);
}
