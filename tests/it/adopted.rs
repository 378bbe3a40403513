//! Files that another program left unfinished under their final name (`curl -C -`, `wget -c`):
//! taken over with `-c` once a response vouches for them, and else left where they are.

use crate::cmd::{Sandbox, eventually};
use crate::large_origin::LargeFile;
use crate::long::record;
use crate::origin::{Served, serve};
use crate::rude::{Plan, Rude, Verb};
use ringpull::origin;
use rustix::process::Signal;
use std::path::Path;

const LEN: u64 = 4 << 20;
/// What the other program had brought.
const LEFT: u64 = 3_000_000;

fn left<'s>(served: &'s Served, sandbox: &Sandbox, name: &str) -> LargeFile<'s> {
    let file = served.file(name, LEN);
    std::fs::write(sandbox.out().join(name), file.bytes(0, 0..LEFT)).unwrap();
    file
}

/// Whether it is known when files are made, which is what dates are compared with.
fn knows_births(dir: &Path) -> bool {
    dir.metadata().unwrap().created().is_ok()
}

#[test]
fn what_a_response_vouches_for_is_gone_on_with() {
    let served = serve();
    let sandbox = Sandbox::new();
    if !knows_births(&sandbox.out()) {
        return;
    }
    let file = left(&served, &sandbox, "left");
    let done = sandbox.pull().args(["-c", &file.url()]).run();
    done.assert_ok(1);
    let row = done.row(&file.url());
    assert_eq!((&*row["resume"], &*row["response_code"]), ("continued", "206"), "{row:#?}");
    // The last byte is asked for once more.
    assert_eq!(row["size_resumed"], (LEFT - 1).to_string(), "{row:#?}");
    file.assert_stored(&sandbox.out().join("left"), 0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    assert_eq!(file.stats().body_bytes, LEN - LEFT + 1);
}

#[test]
fn what_nobody_vouches_for_is_replaced_when_the_whole_is_there() {
    let served = serve();
    for (name, query, resume) in [
        ("late", ("last-modified", "now"), "unvouched"),
        ("dateless", ("last-modified", "none"), "unvouched"),
        ("whole", ("ranges", "ignored"), "no_ranges"),
        ("refused", ("ranges", "refused"), "unvouched"),
    ] {
        // With -N too: it is not the file of the server, whatever its time.
        for args in [&["-c"][..], &["-c", "-N"]] {
            let sandbox = Sandbox::new();
            let file = left(&served, &sandbox, name).with(query.0, query.1);
            let done = sandbox.pull().args(args).arg(file.url()).run();
            done.assert_ok(1);
            let row = done.row(&file.url());
            assert_eq!((&*row["resume"], &*row["size_resumed"]), (resume, "0"), "{row:#?}");
            file.assert_stored(&sandbox.out().join(name), 0);
            assert_eq!(sandbox.temporaries(), Vec::<String>::new());
        }
    }
}

#[test]
fn it_stays_where_all_requests_fail() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = left(&served, &sandbox, "failing").with("status", "404");
    let done = sandbox.pull().args(["-c", &file.url()]).run();
    assert_eq!(done.fault(&file.url()), "http.status");
    assert_eq!(sandbox.files()["failing"], file.bytes(0, 0..LEFT));
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

/// A server that vouches for the begin of a body, which waits before or behind its head; and the
/// body.
fn vouching(before: Verb, behind: Verb) -> (Rude, Vec<u8>) {
    let body = origin::body("/a", usize::try_from(LEN).unwrap());
    let head = |range: &str| {
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {range}/{LEN}\r\nETag: \"a\"\r\n\
             Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n\
             Date: Tue, 15 Nov 2022 08:12:31 GMT\r\nContent-Length: {}\r\n\r\n",
            LEN - LEFT + 1
        )
    };
    let head = head(&format!("{}-{}", LEFT - 1, LEN - 1)).into_bytes();
    let rest = body[usize::try_from(LEFT - 1).unwrap()..].to_vec();
    let held = vec![before, Verb::Send(head.clone()), behind, Verb::Send(rest.clone())];
    let whole = vec![Verb::Send(head), Verb::Send(rest)];
    (Plan::new().on("/a", [held, whole]).start(), body)
}

#[test]
fn a_kill_before_the_answer_leaves_it_as_it_was() {
    let (server, body) = vouching(Verb::Gate, Verb::Gate);
    let sandbox = Sandbox::new();
    let left = &body[..usize::try_from(LEFT).unwrap()];
    std::fs::write(sandbox.out().join("a"), left).unwrap();
    let running = sandbox.pull().args(["-c", &server.url("/a")]).spawn();
    assert!(eventually(|| server.log() == ["/a"]), "{}", running.stderr());
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    running.signal(Signal::KILL);
    drop(running);
    assert!(sandbox.files()["a"] == left, "it is as it was");
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn a_kill_behind_the_answer_leaves_what_the_next_run_goes_on_with() {
    let (server, body) = vouching(Verb::Rest(std::time::Duration::ZERO), Verb::Gate);
    let sandbox = Sandbox::new();
    if !knows_births(&sandbox.out()) {
        return;
    }
    std::fs::write(sandbox.out().join("a"), &body[..usize::try_from(LEFT).unwrap()]).unwrap();
    let pull = || sandbox.pull().again().args(["-c", &server.url("/a")]);
    let running = pull().spawn();
    let is_taken = || sandbox.files().is_empty() && sandbox.temporaries().len() == 2;
    assert!(eventually(is_taken), "{}", running.stderr());
    let record = record(&sandbox.out(), "a").expect("it is there before the name is");
    assert_eq!(record.written.len_total(), LEFT - 1);
    running.signal(Signal::KILL);
    drop(running);
    server.open_gate();
    let done = pull().run();
    done.assert_ok(1);
    let row = done.row(&server.url("/a"));
    assert_eq!((&*row["resume"], &*row["size_resumed"]), ("continued", "2999999"), "{row:#?}");
    assert!(sandbox.files()["a"] == body);
    assert!(server.heads("/a")[1].contains("If-Range: \"a\"\r\n"), "{:?}", server.heads("/a"));
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}
