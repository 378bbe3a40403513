//! Hosts that refuse what is too much for them (429, 503), and URLs that are always refused.
//! "When" is told by the order of events only.

use crate::cmd::{Done, Sandbox, at_once};
use crate::rude::{Plan, Verb, ok, response};
use crate::sockets::Acceptor;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What a server bears.
#[derive(Clone, Copy)]
enum Limit {
    /// So many requests at once.
    AtOnce(usize),
    /// So many requests a second, and so many more in a burst.
    PerSecond(f64, f64),
    /// No request for this path.
    Path(&'static str),
    /// No first request for a path, and those only when so many have come.
    EachOnce(usize),
}

/// How it says so.
#[derive(Clone, Copy)]
struct Refusal {
    status: &'static str,
    fields: &'static str,
}

const TOO_MANY: Refusal = Refusal { status: "429 Too Many Requests", fields: "" };
const UNAVAILABLE: Refusal = Refusal { status: "503 Service Unavailable", fields: "" };

impl Refusal {
    fn after_1s(self) -> Self {
        Self { fields: "Retry-After: 1\r\n", ..self }
    }
}

/// A server with a limit; it ends with the value.
struct Limited {
    acceptor: Acceptor,
    shared: Arc<Shared>,
}

struct Shared {
    limit: Limit,
    refusal: Refusal,
    book: Mutex<Book>,
    changed: Condvar,
}

/// What has happened.
struct Book {
    /// Requests by path.
    asked: HashMap<String, usize>,
    answered: usize,
    refused: usize,
    at_once: usize,
    tokens: f64,
    filled_at: Instant,
    sockets: Vec<Arc<TcpStream>>,
    is_over: bool,
}

impl Limited {
    fn start(limit: Limit, refusal: Refusal) -> Self {
        let tokens = if let Limit::PerSecond(_, burst) = limit { burst } else { 0.0 };
        let book = Book {
            asked: HashMap::new(),
            answered: 0,
            refused: 0,
            at_once: 0,
            tokens,
            filled_at: Instant::now(),
            sockets: Vec::new(),
            is_over: false,
        };
        let changed = Condvar::new();
        let shared = Arc::new(Shared { limit, refusal, book: Mutex::new(book), changed });
        let for_thread = Arc::clone(&shared);
        let acceptor = Acceptor::start(Ipv4Addr::LOCALHOST, move |socket| {
            let (shared, socket) = (Arc::clone(&for_thread), Arc::new(socket));
            shared.book().sockets.push(Arc::clone(&socket));
            std::thread::spawn(move || {
                // The peer may end it at any time.
                let _ = shared.serve(&socket);
                shared.book().sockets.retain(|kept| !Arc::ptr_eq(kept, &socket));
            });
        });
        Self { acceptor, shared }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.acceptor.addr())
    }

    fn urls(&self, count: usize) -> Vec<String> {
        (0..count).map(|n| self.url(&format!("/f{n}"))).collect()
    }

    fn counts(&self) -> (usize, usize) {
        let book = self.shared.book();
        (book.answered, book.refused)
    }

    fn asked(&self, path: &str) -> usize {
        self.shared.book().asked.get(path).copied().unwrap_or(0)
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        self.acceptor.stop();
        let mut book = self.shared.book();
        book.is_over = true;
        self.shared.changed.notify_all();
        for socket in &book.sockets {
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn serve(&self, socket: &TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(socket).lines();
        while let Some(first) = lines.next() {
            let first = first?;
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            for line in lines.by_ref() {
                if line?.is_empty() {
                    break;
                }
            }
            let is_borne = self.bears(&path);
            if let (true, Limit::AtOnce(_)) = (is_borne, self.limit) {
                // Long enough for requests to meet.
                std::thread::sleep(Duration::from_millis(2));
            }
            let Refusal { status, fields } = self.refusal;
            let bytes = match is_borne {
                true => response("200 OK", "", path.as_bytes()),
                false => response(status, fields, b"refused"),
            };
            {
                // Before it is said, so that nobody who heard it comes too early.
                let mut book = self.book();
                book.at_once -= 1;
                *(if is_borne { &mut book.answered } else { &mut book.refused }) += 1;
            }
            (&*socket).write_all(&bytes)?;
        }
        Ok(())
    }

    /// Whether a request is answered. It is under way from here on.
    fn bears(&self, path: &str) -> bool {
        let mut book = self.book();
        book.at_once += 1;
        let count = book.asked.entry(path.to_owned()).or_default();
        *count += 1;
        let is_first = *count == 1;
        match self.limit {
            Limit::AtOnce(most) => book.at_once <= most,
            Limit::PerSecond(rate, burst) => {
                let now = Instant::now();
                let since = now - std::mem::replace(&mut book.filled_at, now);
                book.tokens = (book.tokens + since.as_secs_f64() * rate).min(burst);
                let is_borne = book.tokens >= 1.0;
                book.tokens -= f64::from(u8::from(is_borne));
                is_borne
            }
            Limit::Path(bad) => path != bad,
            Limit::EachOnce(least) => {
                if is_first {
                    self.changed.notify_all();
                    let all = |book: &mut Book| book.asked.len() < least && !book.is_over;
                    let _all = self.changed.wait_while(book, all).unwrap();
                }
                !is_first
            }
        }
    }
}

/// Retries told of in the rows, which are all requests but the first of each row.
fn retries(done: &Done) -> usize {
    done.rows.iter().map(|row| row["num_retries"].parse::<usize>().unwrap()).sum()
}

#[test]
fn a_host_that_bears_four_at_once_fails_nothing() {
    for refusal in [TOO_MANY, UNAVAILABLE] {
        let server = Limited::start(Limit::AtOnce(4), refusal);
        let sandbox = Sandbox::new();
        let urls = server.urls(300);
        let done = sandbox.pull().list(&urls).run();
        done.assert_ok(urls.len());
        let (answered, refused) = server.counts();
        assert_eq!(answered, urls.len());
        assert!(refused < answered / 4, "{refused} of {answered}");
        assert_eq!(retries(&done), refused, "each request more is told of");
    }
}

#[test]
fn a_host_that_limits_requests_a_second_fails_nothing() {
    let refusals = [TOO_MANY, UNAVAILABLE, TOO_MANY.after_1s(), UNAVAILABLE.after_1s()];
    at_once(refusals, |refusal| {
        let server = Limited::start(Limit::PerSecond(50.0, 5.0), refusal);
        let sandbox = Sandbox::new();
        let urls = server.urls(150);
        let done = sandbox.pull().list(&urls).run();
        done.assert_ok(urls.len());
        let (answered, refused) = server.counts();
        assert_eq!(answered, urls.len());
        assert!(refused < answered / 5, "{refused} of {answered}");
        assert_eq!(retries(&done), refused);
    });
}

#[test]
fn fewer_jobs_than_a_window_are_refused_without_harm() {
    let server = Limited::start(Limit::AtOnce(1), TOO_MANY);
    let sandbox = Sandbox::new();
    let urls = server.urls(60);
    let done = sandbox.pull().args(["-j", "2", "-x", "16"]).list(&urls).run();
    done.assert_ok(urls.len());
    assert_eq!(retries(&done), server.counts().1);
}

#[test]
fn a_url_that_is_always_refused_among_a_thousand_fails_after_few_attempts() {
    for refusal in [TOO_MANY, UNAVAILABLE, UNAVAILABLE.after_1s()] {
        let server = Limited::start(Limit::Path("/f500"), refusal);
        let sandbox = Sandbox::new();
        let urls = server.urls(1_000);
        let done = sandbox.pull().args(["--retry-delay", "10ms"]).list(&urls).run();
        done.assert_code(8);
        assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), 999);
        let row = done.row(&urls[500]);
        assert_eq!(row["response_code"], refusal.status[..3]);
        let asked = server.asked("/f500");
        assert!((4..=20).contains(&asked), "{asked} requests");
        assert_eq!(row["num_retries"], (asked - 1).to_string());
    }
}

#[test]
fn without_retries_each_url_is_asked_for_once() {
    let server = Limited::start(Limit::Path("/f20"), TOO_MANY);
    let sandbox = Sandbox::new();
    let urls = server.urls(40);
    let done = sandbox.pull().args(["--retry", "0"]).list(&urls).run();
    done.assert_code(8);
    assert_eq!((server.asked("/f20"), server.counts()), (1, (39, 1)));
}

#[test]
fn a_thousand_jobs_that_were_refused_at_once_all_get_their_rows() {
    let server = Limited::start(Limit::EachOnce(1_000), UNAVAILABLE.after_1s());
    let sandbox = Sandbox::new();
    let urls = server.urls(1_000);
    let done = sandbox.pull().args(["-j", "1000", "-x", "1000"]).list(&urls).run();
    done.assert_ok(urls.len());
    assert!(done.rows.iter().all(|row| row["num_retries"] == "1"));
}

#[test]
fn what_429_asks_for_holds_for_the_whole_host_and_for_no_other() {
    // 503 would rest the host for a second, the job for all of it.
    let mut busy = vec![Verb::Mark(Duration::from_millis(2_900), "waited")];
    busy.push(Verb::Send(response("429 Too Many Requests", "Retry-After: 3\r\n", b"busy")));
    let mut plan = Plan::new().on("/busy", [busy, ok(b"1")]);
    for n in 0..40 {
        plan = plan.on(&format!("/same{n}"), [ok(b"2")]).on(&format!("/other{n}"), [ok(b"3")]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let (one, other) = ("one.example", "other.example");
    let paths = |kind: &'static str| (0..40).map(move |n| format!("/{kind}{n}"));
    let mut urls = vec![server.url_at(one, "/busy")];
    urls.extend(paths("same").map(|path| server.url_at(one, &path)));
    urls.extend(paths("other").map(|path| server.url_at(other, &path)));
    // One connection to the host, so that nothing was under way when it said so.
    let pull = sandbox.pull().args(["-x", "1", "-j", "1", "--threads", "1"]);
    let pull = pull.args(["--resolve", &server.resolve(one), "--resolve", &server.resolve(other)]);
    let done = pull.list(&urls).run();
    done.assert_ok(urls.len());
    let log = server.log();
    let busy = log.iter().position(|event| event == "/busy").unwrap();
    let waited = log.iter().position(|event| event == "!waited").unwrap();
    let early: Vec<&String> =
        log[busy + 1..waited].iter().filter(|path| !path.starts_with("/other")).collect();
    assert_eq!(early, Vec::<&String>::new(), "{log:?}");
    assert!(waited - busy > 40, "the other host waited too: {log:?}");
}

#[test]
fn what_429_asks_for_holds_also_when_its_job_gives_up() {
    let mut busy = vec![Verb::Mark(Duration::from_millis(2_900), "waited")];
    busy.push(Verb::Send(response("429 Too Many Requests", "Retry-After: 3\r\n", b"busy")));
    let server = Plan::new().on("/busy", [busy]).otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let urls = ["/busy", "/a", "/b"].map(|path| server.url(path));
    let pull = sandbox.pull().args(["-x", "1", "-j", "1", "--threads", "1", "--retry", "0"]);
    let done = pull.list(&urls).run();
    done.assert_code(8);
    assert_eq!(server.log(), ["/busy", "!waited", "/a", "/b"]);
}

#[test]
fn a_host_that_says_come_back_tomorrow_is_not_asked_for_each_url() {
    let later = response("429 Too Many Requests", "Retry-After: 86400\r\n", b"later");
    let server = Plan::new().otherwise(vec![Verb::Send(later)]).start();
    let other = Plan::new().otherwise(ok(b"good")).start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..500)
        .flat_map(|n| [server.url(&format!("/{n}")), other.url(&format!("/{n}"))])
        .collect();
    let done = sandbox.pull().args(["--retry-delay", "10ms"]).list(&urls).run();
    done.assert_code(8);
    assert_eq!(done.rows.iter().filter(|row| row["status"] == "ok").count(), 500);
    let asked = server.log().len();
    assert!(asked < 100, "{asked} requests");
    let failed = done.rows.iter().filter(|row| row["status"] == "failed");
    assert!(failed.clone().all(|row| row["error_code"] == "http.retry_after"));
    let untried = failed.filter(|row| matches!(&*row["response_code"], "0" | ""));
    assert_eq!(untried.count(), 500 - asked);
}
