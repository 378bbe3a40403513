//! Every reply of `tests/http` through the real binary: one at a time, all in one list, in pieces,
//! over TLS, cut instead of closed, between two good replies, in every file-ops mode.
//!
//! What must come of a reply follows from what the reader of responses makes of its bytes, which
//! `tests/conformance.rs` holds against the fixture and against an independent reader. Here it is
//! about everything behind that: the file, the row, the exit status, and the next response.

use crate::certs::{Flaw, issue};
use crate::cmd::{Done, Pull, Sandbox};
use crate::driver::{End, Outcome, feed};
use crate::fetch::FILE_OPS;
use crate::fixture::{self, Fixture};
use crate::rude::{Event, Plan, Rude, Script, Verb, ok};
use ringpull::http::{CloseReason, Eof, Framing, Location, Reuse};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How the server ends the connection after the last byte.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// FIN; over TLS, close_notify before it.
    Orderly,
    /// RST.
    Reset,
    /// FIN without close_notify.
    Cut,
}

/// What must come of one reply.
#[derive(Debug, PartialEq)]
enum Wanted {
    /// A file with these bytes.
    File(Vec<u8>),
    /// No file, and this code.
    Fault(&'static str),
}

/// One fixture and what the reader makes of it.
struct Case {
    fixture: Fixture,
    outcome: Outcome,
}

impl Case {
    fn script(&self, piece_len: usize, ending: Ending) -> Script {
        let last = match ending {
            Ending::Orderly => Verb::Close,
            Ending::Reset => Verb::Reset,
            Ending::Cut => Verb::Cut,
        };
        vec![Verb::Pieces(piece_len, self.fixture.bytes.clone()), last]
    }

    fn wanted(&self, ending: Ending) -> Wanted {
        let (is_reset, is_orderly) = (ending == Ending::Reset, ending == Ending::Orderly);
        let Some(head) = &self.outcome.head else {
            return Wanted::Fault(match self.outcome.end {
                End::Broken(error) => error.code(),
                _ if is_reset => "head.reset",
                End::Eof(Eof::BeforeHead) => "head.empty",
                _ => "head.truncated",
            });
        };
        match (head.status, &head.location) {
            // Where these fixtures lead there is nothing.
            (301 | 302 | 303 | 307 | 308, Location::One(_)) => Wanted::Fault("http.status"),
            (301 | 302 | 303 | 307 | 308, _) => Wanted::Fault("http.location"),
            (200..=205 | 207..=299, _) => match self.outcome.end {
                End::Broken(error) => Wanted::Fault(error.code()),
                End::Complete(_) if is_orderly || !self.outcome.is_close_delimited() => {
                    Wanted::File(self.outcome.body.clone())
                }
                End::Complete(_) | End::Eof(_) if is_reset => Wanted::Fault("body.reset"),
                End::Complete(_) | End::Eof(_) => Wanted::Fault("body.truncated"),
            },
            _ => Wanted::Fault("http.status"),
        }
    }

    /// Whether it makes the host wait for longer than a test does.
    fn pauses_host(&self) -> bool {
        let head = self.outcome.head.as_ref();
        head.is_some_and(|head| matches!(head.status, 429 | 503) && head.retry_after.is_some())
    }

    /// Whether it is asked for again, once and on a fresh connection, when it comes on a kept one:
    /// not a byte of an answer, or none that is sure to be the answer to this request.
    fn is_no_answer_when_kept(&self) -> bool {
        match self.outcome.end {
            End::Broken(_) => self.outcome.head.is_none(),
            End::Complete(reuse) => reuse == Reuse::Close(CloseReason::BytesAfterEnd),
            End::Eof(_) => self.fixture.bytes.is_empty(),
        }
    }

    fn has_length(&self) -> bool {
        let head = self.outcome.head.as_ref();
        head.is_some_and(|head| matches!(head.framing, Framing::Length(_)))
    }

    fn is_kept(&self) -> bool {
        self.outcome.end == End::Complete(Reuse::Keep)
    }
}

fn cases() -> Vec<Case> {
    let fixtures = fixture::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http"));
    assert!(fixtures.len() >= 250, "{} fixtures", fixtures.len());
    let cases = fixtures.into_iter().map(|fixture| {
        let outcome = feed([fixture.bytes.as_slice()]);
        assert_eq!(fixture::log(&outcome), fixture.log, "{}", fixture.name);
        Case { fixture, outcome }
    });
    cases.collect()
}

/// A server that plays case N at `/fN`, and good replies at `/bN` and `/aN`.
fn plan(cases: &[Case], piece_len: usize, ending: Ending) -> Plan {
    let mut plan = Plan::new();
    for (n, case) in cases.iter().enumerate() {
        plan = plan.on(&format!("/f{n}"), [case.script(piece_len, ending)]);
        for path in [format!("/b{n}"), format!("/a{n}")] {
            plan = plan.on(&path, [ok(good(&path).as_slice())]);
        }
    }
    plan
}

fn good(path: &str) -> Vec<u8> {
    format!("good {path}").into_bytes()
}

/// The URL of a path, each number with a host of its own.
fn url(server: &Rude, kind: char, n: usize) -> String {
    server.url_at(&format!("h{n}.example"), &format!("/{kind}{n}"))
}

fn pull<'s>(sandbox: &'s Sandbox, server: &Rude) -> Pull<'s> {
    let resolve = format!("*:{}:127.0.0.1", server.port());
    sandbox.pull().args(["--retry", "0", "--resolve", &resolve])
}

/// The exit status that one code leads to (`ringpull help exit`).
fn class(code: &str) -> i32 {
    match code {
        "http.status" => 8,
        "head.empty" | "head.reset" | "body.reset" => 4,
        _ => 7,
    }
}

/// One row for each line, with the status and the code that are due, each file exactly what it must
/// be, no other file, and the exit status of the worst.
fn assert_run(
    cases: &[Case],
    urls: &[String],
    (sandbox, done): (&Sandbox, &Done),
    ending: Ending,
    good: &BTreeMap<String, Vec<u8>>,
) {
    assert_eq!(done.rows.len(), urls.len() + good.len(), "{}", done.stderr);
    let rows: HashMap<&str, _> = done.rows.iter().map(|row| (row["url"].as_str(), row)).collect();
    let mut files = good.clone();
    let (mut code, mut wrong) = (0, Vec::new());
    for (case, url) in cases.iter().zip(urls) {
        let (row, wanted) = (rows[url.as_str()], case.wanted(ending));
        let (status, fault) = match &wanted {
            Wanted::File(_) => ("ok", ""),
            Wanted::Fault(fault) => ("failed", *fault),
        };
        let head = case.outcome.head.as_ref();
        let told = head.filter(|head| !matches!(head.location, Location::One(_)));
        let is_status_told =
            told.is_none_or(|head| row["response_code"] == head.status.to_string());
        let is_fault_told = row["error_code"] == fault
            || (fault == "body.reset" && case.has_length() && row["error_code"] == CUT);
        if row["status"] != status || !is_fault_told || !is_status_told {
            wrong.push(format!("{}: wanted {status} {fault}: {row:#?}", case.fixture.name));
        }
        match wanted {
            Wanted::File(body) => {
                files.insert(url.rsplit('/').next().unwrap().to_owned(), body);
            }
            Wanted::Fault(fault) if code == 0 => code = class(fault),
            Wanted::Fault(fault) => code = code.min(class(fault)),
        }
    }
    assert!(wrong.is_empty(), "{ending:?}: {} wrong\n{}", wrong.len(), wrong.join("\n"));
    let got = sandbox.files();
    assert_eq!(got.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>(), "{ending:?}");
    for (name, body) in &files {
        assert!(got[name] == *body, "{ending:?}: {name} differs");
    }
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    done.assert_code(code);
}

/// All cases in one list, each on a connection of its own.
fn assert_list(cases: &[Case], piece_len: usize, ending: Ending, args: &[&str]) {
    let server = plan(cases, piece_len, ending).start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..cases.len()).map(|n| url(&server, 'f', n)).collect();
    let done = pull(&sandbox, &server).args(args).list(&urls).run();
    assert_run(cases, &urls, (&sandbox, &done), ending, &BTreeMap::new());
}

#[test]
fn one_at_a_time() {
    let cases = cases();
    let server = plan(&cases, WHOLE, Ending::Orderly).start();
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(n) else { return };
            let sandbox = Sandbox::new();
            let urls = [url(&server, 'f', n)];
            let done = pull(&sandbox, &server).args(["--threads", "1"]).args(&urls).run();
            let case = std::slice::from_ref(case);
            assert_run(case, &urls, (&sandbox, &done), Ending::Orderly, &BTreeMap::new());
        }
    };
    // A run waits more than it works.
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(work))));
}

#[test]
fn all_in_one_list_in_every_file_ops_mode() {
    let cases = cases();
    for mode in FILE_OPS {
        assert_list(&cases, WHOLE, Ending::Orderly, &["--file-ops", mode]);
    }
}

#[test]
fn in_pieces_of_twenty_bytes() {
    assert_list(&cases(), 20, Ending::Orderly, &[]);
}

#[test]
fn byte_by_byte() {
    let mut cases = cases();
    cases.retain(|case| case.fixture.bytes.len() <= 4_096);
    assert_list(&cases, 1, Ending::Orderly, &[]);
}

#[test]
fn reset_at_the_end() {
    let mut cases = cases();
    // What the server has not sent by then is lost with a reset; less than this is always sent.
    cases.retain(|case| case.fixture.bytes.len() <= 16_384);
    assert_list(&cases, WHOLE, Ending::Reset, &[]);
}

#[test]
fn over_tls_closed_and_cut() {
    let mut cases = cases();
    // All of them are of one host.
    cases.retain(|case| !case.pauses_host());
    let identity = issue(Flaw::None);
    for (ending, piece_len) in
        [(Ending::Orderly, WHOLE), (Ending::Cut, WHOLE), (Ending::Orderly, 20)]
    {
        // Each piece is a record of its own.
        let server = plan(&cases, piece_len, ending).start_tls(&identity);
        let sandbox = Sandbox::new();
        let urls: Vec<String> = (0..cases.len()).map(|n| server.url(&format!("/f{n}"))).collect();
        let ca = sandbox.path("ca.pem");
        std::fs::write(&ca, &identity.ca_pem).unwrap();
        let done = pull(&sandbox, &server).arg("--cacert").arg(ca).list(&urls).run();
        assert_run(&cases, &urls, (&sandbox, &done), ending, &BTreeMap::new());
    }
}

/// Each between two good replies, on the connection of the first: it must not matter to it that the
/// connection is a kept one, and nothing of it may reach the next response.
#[test]
fn between_good_replies_on_a_kept_connection() {
    let mut cases = cases();
    cases.retain(|case| !case.pauses_host());
    for (mode, ending, piece_len) in [
        ("auto", Ending::Orderly, WHOLE),
        ("sync", Ending::Reset, WHOLE),
        ("ring", Ending::Orderly, 20),
        ("chain", Ending::Orderly, WHOLE),
    ] {
        if ending == Ending::Reset {
            cases.retain(|case| case.fixture.bytes.len() <= 16_384);
        }
        let server = plan(&cases, piece_len, ending).start();
        let sandbox = Sandbox::new();
        let urls: Vec<String> = (0..cases.len()).map(|n| url(&server, 'f', n)).collect();
        let mut lines = Vec::new();
        let mut files = BTreeMap::new();
        for (n, middle) in urls.iter().enumerate() {
            lines.extend([url(&server, 'b', n), middle.clone(), url(&server, 'a', n)]);
            for name in [format!("b{n}"), format!("a{n}")] {
                files.insert(name.clone(), good(&format!("/{name}")));
            }
        }
        let pull = pull(&sandbox, &server).args(["-x", "1", "-j", "2000", "--file-ops", mode]);
        let done = pull.list(&lines).run();
        assert_run(&cases, &urls, (&sandbox, &done), ending, &files);
        assert_connections(&cases, &server, ending);
    }
}

/// Who came on which connection: the middle one on that of the first, and the last one on it as
/// well only where the middle one left it in order.
fn assert_connections(cases: &[Case], server: &Rude, ending: Ending) {
    let mut connections: HashMap<String, Vec<usize>> = HashMap::new();
    for event in server.events() {
        if let Event::Request { connection, path, .. } = event {
            connections.entry(path).or_default().push(connection);
        }
    }
    let of = |kind: char, n: usize| connections[&format!("/{kind}{n}")].as_slice();
    let mut reused = 0;
    for (n, case) in cases.iter().enumerate() {
        let (before, middle, after) = (of('b', n), of('f', n), of('a', n));
        reused += usize::from(before[0] == middle[0]);
        let name = &case.fixture.name;
        assert!(case.is_kept() || !middle.contains(&after[0]), "{name}: its connection was kept");
        let is_again_due = case.is_no_answer_when_kept() || ending == Ending::Reset;
        let again_max = usize::from(is_again_due && before[0] == middle[0]);
        assert!(middle.len() <= 1 + again_max, "{name}: asked for {} times", middle.len());
    }
    assert!(
        reused * 10 > cases.len() * 9,
        "only {reused} of {} came on kept connections",
        cases.len()
    );
}

/// A ring that waits for the whole of a body (RECV with MSG_WAITALL) hands over what came before a
/// reset and loses the error, so that the body just ends. Without a length there is no such wait.
const CUT: &str = "body.truncated";

/// All bytes at once.
const WHOLE: usize = usize::MAX;
