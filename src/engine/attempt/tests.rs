//! The room without a run: attempts at a peer that does as it is told.

mod peer;

use self::peer::{Bench, Do, Peer, answer, on_a_core, send};
use super::ahead::Following;
use super::attempt::{Given, attempt};
use super::exchange::{Answered, Start, exchange};
use super::fetch::{Fetch, Waiting};
use super::outcome::{Came, Outcome};
use super::receiver::Receiver;
use super::request::Request;
use super::trace::Trace;
use crate::config::{Config, RequestConfig};
use crate::http::request::{Conditions, Secrets};
use crate::plan::job::Job;
use crate::plan::robots;
use crate::plan::target::Target;
use crate::ring::buf::Size;
use crate::ring::conn::Connection;
use std::cell::Cell;
use std::time::Instant;

/// What came of asking for a short text.
struct Text {
    /// `done`, `-> URL` or the code of a fault.
    outcome: String,
    text: String,
    connection: Option<Connection>,
    /// Connections that were opened.
    num_connects: u32,
}

/// Asks for a text of up to 100 bytes, on this connection if there is one.
async fn ask(bench: &Bench, target: &Target, mut pooled: Option<Connection>) -> Text {
    let Bench { kit, .. } = bench;
    let request = Request {
        target,
        login: target,
        fields: &[],
        secrets: Secrets::Send,
        conditions: Conditions::default(),
        num_redirects: 0,
        failed_ip: None,
        job_at_ms: u64::MAX,
        cut: None,
        first_byte: None,
    };
    let mut trace = Trace::new(Instant::now());
    let transfer = kit.transfers.begin(1, target, trace.began);
    trace.transfer = transfer.index();
    let (mut bytes, mut buf, mut text) = (Vec::new(), kit.buffers.take(Size::Small), Vec::new());
    let (following, memory) = (&Following::new(), (&mut bytes, &mut buf));
    let start = Start { pooled: &mut pooled, now_ms: kit.now_ms(), following, memory };
    let mut receiver = Receiver::Text { bytes_max: 100, text: &mut text };
    let answered = exchange(kit, &request, &mut trace, &mut receiver, start).await;
    kit.buffers.give(buf);
    let (came, mut connection) = answered.unwrap_or_else(|outcome| (outcome.into(), None));
    if let Some(connection) = &mut connection {
        connection.park();
    }
    let text = String::from_utf8(text).unwrap();
    let Came::Over(outcome) = came else { panic!("a text has no ranges") };
    Text { outcome: told(&outcome), text, connection, num_connects: trace.num_connects }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done(_) => "done".to_owned(),
        Outcome::Skipped => "skipped".to_owned(),
        Outcome::Waiting => "waiting".to_owned(),
        Outcome::Unresolved => "unresolved".to_owned(),
        Outcome::Mixed => "mixed".to_owned(),
        Outcome::Left => "left".to_owned(),
        Outcome::Redirect(target) => format!("-> {}", target.as_str()),
        Outcome::Refused(fault) | Outcome::Failed(fault, _) => fault.code().to_owned(),
    }
}

/// Asks twice, the second time on the connection of the first one, which has to be kept. Gives the
/// second answer, and how many requests came on each connection.
fn ask_twice(scripts: Vec<Vec<Do>>) -> (Second, Vec<usize>) {
    let peer = Peer::start(scripts);
    let target = peer.target("/");
    let second = on_a_core(Config::default(), async move |bench| {
        let first = ask(bench, &target, None).await;
        assert_eq!((&*first.outcome, &*first.text), ("done", "first"));
        let pooled = first.connection;
        assert!(pooled.is_some(), "it is kept");
        let second = ask(bench, &target, pooled).await;
        Second {
            outcome: second.outcome,
            text: second.text,
            is_kept: second.connection.is_some(),
            num_connects: second.num_connects,
            is_trusted: bench.kit.common.origins.may_keep(target.origin_str()),
        }
    });
    (second, peer.requests().iter().map(Vec::len).collect())
}

/// What came of a second request.
#[derive(Debug, PartialEq)]
struct Second {
    outcome: String,
    text: String,
    is_kept: bool,
    num_connects: u32,
    /// Whether connections to the origin are kept from now on.
    is_trusted: bool,
}

impl Second {
    /// A second answer that came on a connection of its own.
    fn on_a_new_connection(outcome: &str, text: &str) -> Self {
        Self {
            outcome: outcome.to_owned(),
            text: text.to_owned(),
            is_kept: true,
            num_connects: 1,
            is_trusted: true,
        }
    }
}

fn first() -> [Do; 2] {
    [Do::Read, answer("200 OK", "", "first")]
}

fn second() -> Vec<Do> {
    vec![Do::Read, answer("200 OK", "", "second")]
}

#[test]
fn a_kept_connection_serves_another_request() {
    let script = [first().to_vec(), second()].concat();
    let (got, requests) = ask_twice(vec![script]);
    assert_eq!(got, Second { num_connects: 0, ..Second::on_a_new_connection("done", "second") });
    assert_eq!(requests, [2]);
}

#[test]
fn a_connection_that_was_closed_while_it_was_idle_costs_nothing() {
    let (got, requests) = ask_twice(vec![first().to_vec(), second()]);
    assert_eq!(got, Second::on_a_new_connection("done", "second"));
    assert_eq!(requests, [1, 1]);
    // Closed after it had read the request, which looks the same from here.
    let (got, requests) = ask_twice(vec![[first().to_vec(), vec![Do::Read]].concat(), second()]);
    assert_eq!(got, Second::on_a_new_connection("done", "second"));
    assert_eq!(requests, [2, 1]);
}

#[test]
fn a_garbled_answer_on_a_kept_connection_is_not_ours_if_the_next_is_good() {
    let garbled = [first().to_vec(), vec![Do::Read, send("%&/$\r\n\r\n")]].concat();
    let (got, requests) = ask_twice(vec![garbled.clone(), second()]);
    let wanted = Second::on_a_new_connection("done", "second");
    // What the origin sends unasked would be taken for an answer some day.
    assert!(!got.is_trusted);
    assert_eq!(Second { is_trusted: true, ..got }, wanted);
    assert_eq!(requests, [2, 1]);
    // Garbled twice: it is the answer.
    let (got, _) = ask_twice(vec![garbled, vec![Do::Read, send("%&/$\r\n\r\n")]]);
    assert_eq!((&*got.outcome, got.is_trusted, got.is_kept), ("http.version", true, false));
}

#[test]
fn a_408_is_for_a_connection_that_was_idle() {
    let late = || answer("408 Request Timeout", "Connection: close\r\n", "");
    let (got, requests) =
        ask_twice(vec![[first().to_vec(), vec![Do::Read, late()]].concat(), second()]);
    assert_eq!(got, Second::on_a_new_connection("done", "second"));
    assert_eq!(requests, [2, 1]);
    let peer = Peer::start(vec![vec![Do::Read, late()]]);
    let target = peer.target("/");
    let outcome =
        on_a_core(Config::default(), async move |bench| ask(bench, &target, None).await.outcome);
    assert_eq!(outcome, "http.status", "a fresh connection has no answer but ours");
}

#[test]
fn an_answer_with_more_behind_it_is_asked_for_again() {
    let more = send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrongHTTP/1.1 200 OK\r\n");
    let twice = [first().to_vec(), vec![Do::Read, more]].concat();
    let (got, requests) = ask_twice(vec![twice, second()]);
    assert_eq!((&*got.outcome, &*got.text), ("done", "second"));
    assert_eq!((got.is_trusted, got.is_kept, requests), (false, false, vec![2, 1]));
}

#[test]
fn a_redirect_keeps_its_connection() {
    let moved = answer("302 Found", "Location: /elsewhere\r\n", "It is elsewhere.");
    let peer = Peer::start(vec![[vec![Do::Read, moved], second()].concat()]);
    let (target, elsewhere) = (peer.target("/"), peer.target("/elsewhere"));
    let wanted = format!("-> {}", elsewhere.as_str());
    let (redirected, got) = on_a_core(Config::default(), async move |bench| {
        let redirected = ask(bench, &target, None).await;
        let got = ask(bench, &elsewhere, redirected.connection).await;
        (redirected.outcome, (got.outcome, got.text, got.num_connects))
    });
    assert_eq!(redirected, wanted);
    assert_eq!(got, ("done".to_owned(), "second".to_owned(), 0));
    let requests = peer.requests();
    assert!(requests[0][1].starts_with("GET /elsewhere HTTP/1.1\r\n"), "{requests:?}");
}

#[test]
fn of_a_text_that_is_too_long_the_begin_is_kept() {
    let long = "0123456789".repeat(10_000);
    for (body, kept, is_kept) in [(&long[..100], &long[..100], true), (&long, &long[..100], false)]
    {
        let peer = Peer::start(vec![vec![Do::Read, answer("200 OK", "", body)]]);
        let target = peer.target("/");
        let got = on_a_core(Config::default(), async move |bench| {
            let got = ask(bench, &target, None).await;
            (got.outcome, got.text, got.connection.is_some())
        });
        assert_eq!(got, ("done".to_owned(), kept.to_owned(), is_kept));
    }
}

#[test]
fn an_answer_may_come_in_any_two_pieces() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nfirst";
    let splits = 1..whole.len();
    let count = splits.len();
    let script = splits.flat_map(|at| {
        let (head, rest) = whole.split_at(at);
        [Do::Read, send(head), Do::Pause, send(rest)]
    });
    let peer = Peer::start(vec![script.collect()]);
    let target = peer.target("/");
    on_a_core(Config::default(), async move |bench| {
        let mut connection = None;
        for at in 1..=count {
            let got = ask(bench, &target, connection).await;
            assert_eq!((&*got.outcome, &*got.text), ("done", "first"), "split at {at}");
            assert_eq!(got.num_connects, u32::from(at == 1), "split at {at}");
            connection = got.connection;
        }
    });
    assert_eq!(peer.requests()[0].len(), count);
}

/// A job at its first attempt.
fn begun(bench: &Bench, target: Target, name: &str) -> Fetch {
    let given = target.as_str().to_owned();
    let job = Job::new(1, target, &given);
    let waiting = Waiting { job, name: Some(name.into()), queued_ms: 0, history: None };
    let now = bench.kit.clocks.now();
    let mut fetch = waiting.into_fetch(now, Box::new);
    fetch.begin(now, 60_000, 0);
    fetch
}

async fn pull(bench: &Bench, fetch: &mut Fetch, first_byte: Option<&dyn Fn()>) -> Answered {
    let (following, now_ms) = (&Following::new(), bench.kit.now_ms());
    let given = Given { pooled: None, now_ms, following, first_byte, enlist: &|_| {} };
    attempt(&bench.kit, &bench.output, fetch, given).await
}

#[test]
fn an_attempt_makes_a_file_and_tells_of_its_first_byte_once() {
    let peer = Peer::start(vec![vec![Do::Read, answer("200 OK", "ETag: \"e\"\r\n", "a file")]]);
    let target = peer.target("/a");
    on_a_core(Config::default(), async move |bench| {
        let told_of = Cell::new(0);
        let tell = || told_of.set(told_of.get() + 1);
        let mut fetch = begun(bench, target, "name");
        let (outcome, connection) = pull(bench, &mut fetch, Some(&tell)).await;
        assert_eq!((told(&outcome), told_of.get()), ("done".to_owned(), 1));
        assert_eq!((bench.file("name"), bench.files().len()), ("a file".to_owned(), 1));
        let trace = &fetch.history.trace;
        assert_eq!((trace.size_download, trace.num_connects), (6, 1));
        assert_eq!(trace.head.as_ref().unwrap().etag.as_deref(), Some("\"e\""));
        assert!(connection.is_some() && trace.seen().has_head);
    });
}

#[test]
fn an_attempt_that_fails_leaves_nothing() {
    for (answer, code) in [
        (answer("404 Not Found", "", "no"), "http.status"),
        (send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"), "body.truncated"),
        (send(""), "head.empty"),
    ] {
        let peer = Peer::start(vec![vec![Do::Read, answer]]);
        let target = peer.target("/a");
        on_a_core(Config::default(), async move |bench| {
            let mut fetch = begun(bench, target, "name");
            let (outcome, _) = pull(bench, &mut fetch, None).await;
            assert_eq!((told(&outcome), bench.files().len()), (code.to_owned(), 0));
        });
    }
}

/// A run that obeys robots.txt, and has credentials for every origin.
fn obedient() -> Config {
    let config = Config::default();
    let robots = robots::Options { is_obeyed: true, ..robots::Options::default() };
    let basic_auth = Some("user:password".to_owned());
    Config { robots, request: RequestConfig { basic_auth, ..config.request }, ..Config::default() }
}

#[test]
fn robots_txt_is_asked_for_on_the_connection_of_the_file() {
    let rules = answer("200 OK", "", "User-agent: *\nDisallow: /private");
    let script = [vec![Do::Read, rules], second()].concat();
    let peer = Peer::start(vec![script]);
    let (open, closed) = (peer.target("/open"), peer.target("/private/x"));
    on_a_core(obedient(), async move |bench| {
        let mut fetch = begun(bench, open, "open");
        let (outcome, connection) = pull(bench, &mut fetch, None).await;
        assert_eq!((told(&outcome), bench.file("open")), ("done".to_owned(), "second".to_owned()));
        assert!(connection.is_some() && fetch.history.trace.num_connects == 1);
        let mut fetch = begun(bench, closed, "closed");
        let (outcome, _) = pull(bench, &mut fetch, None).await;
        assert_eq!(told(&outcome), "robots.disallowed");
    });
    let requests = peer.requests();
    assert!(requests[0][0].starts_with("GET /robots.txt HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].iter().all(|head| head.contains("Authorization: ")), "{requests:?}");
}

#[test]
fn robots_txt_of_an_origin_that_a_redirect_led_to_is_asked_for_without_secrets() {
    let there = Peer::start(vec![[vec![Do::Read, answer("404 x", "", "")], second()].concat()]);
    let (home, target) = (Target::parse("http://home.example/a").unwrap(), there.target("/b"));
    on_a_core(obedient(), async move |bench| {
        let mut fetch = begun(bench, home, "a");
        fetch.redirect(target);
        let (outcome, _) = pull(bench, &mut fetch, None).await;
        assert_eq!(told(&outcome), "done");
    });
    let requests = there.requests();
    assert_eq!(requests[0].len(), 2);
    assert!(requests[0].iter().all(|head| !head.contains("Authorization")), "{requests:?}");
}
