//! Files that another program left unfinished under their final name (`curl -C -`, `wget -c`):
//! taken over with `-c` once a response vouches for them, and else left where they are.

use crate::checksums::sha256;
use crate::cmd::{Sandbox, eventually};
use crate::large_origin::LargeFile;
use crate::long::record;
use crate::origin::{Served, serve};
use crate::rude::{Plan, Rude, Verb};
use ringpull::origin;
use ringpull::plan::checksum::{Hasher, Kind};
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    let (server, body) = vouching(Verb::Rest(Duration::ZERO), Verb::Gate);
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

/// Gives a file the time of so many hours ago, in full seconds.
fn set_hours_ago(path: &Path, hours: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = Duration::from_secs(now.as_secs() - hours * 3_600);
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(UNIX_EPOCH + at).unwrap();
    at
}

#[test]
fn a_copy_that_kept_its_time_is_of_no_other_version() {
    let served = serve();
    // When it was written last, when the version of the server was made, and whether that is told
    // by the time of the file.
    for (written, made, is_same) in [(72, 1, false), (72, 96, false), (72, 72, true)] {
        let sandbox = Sandbox::new();
        if !knows_births(&sandbox.out()) {
            return;
        }
        let name = format!("copy-{made}");
        let file = served.file(&name, LEN);
        let path = sandbox.out().join(&name);
        let version = if is_same { 0 } else { 7 };
        std::fs::write(&path, file.bytes(version, 0..LEFT)).unwrap();
        let made = set_hours_ago(&path, made);
        set_hours_ago(&path, written);
        let file = file.with("last-modified", made.as_secs());
        let done = sandbox.pull().args(["-c", &file.url()]).run();
        done.assert_ok(1);
        file.assert_stored(&path, 0);
        let resume = if is_same { "continued" } else { "unvouched" };
        assert_eq!(done.row(&file.url())["resume"], resume);
    }
}

#[test]
fn it_is_there_as_it_was_when_what_comes_of_it_has_another_digest() {
    let served = serve();
    for (name, len) in [("half", LEFT), ("whole", LEN)] {
        for retries in ["0", "1"] {
            let sandbox = Sandbox::new();
            if !knows_births(&sandbox.out()) {
                return;
            }
            let file = served.file(&format!("{name}-{retries}"), LEN);
            let left = file.bytes(0, 0..len);
            let path = sandbox.out().join(format!("{name}-{retries}"));
            std::fs::write(&path, &left).unwrap();
            let before = path.metadata().unwrap().modified().unwrap();
            let pull = sandbox.pull().args(["-c", "--retry", retries, "--retry-delay", "0"]);
            let lines = [file.url(), format!("  checksum={}", sha256(b"other"))];
            let done = pull.list(lines).run();
            assert_eq!(done.fault(&file.url()), "body.checksum");
            assert_eq!(done.row(&file.url())["resume"], "wrong_digest");
            assert!(std::fs::read(&path).unwrap() == left, "{name}: it is as it was");
            assert_eq!(path.metadata().unwrap().modified().unwrap(), before);
            assert_eq!(sandbox.temporaries(), Vec::<String>::new());
        }
    }
}

#[test]
fn it_is_given_back_when_another_version_does_not_come() {
    let (body, left) = (origin::body("/a", 4 << 20), 3_000_000);
    let head = |fields: &str| {
        format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {}-{}/{LEN}\r\nETag: \"a\"\r\n\
             Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n{fields}Content-Length: {}\r\n\r\n",
            left - 1,
            LEN - 1,
            body.len() - left + 1
        )
    };
    let some = [head("").as_bytes(), &body[left - 1..left + 500_000]].concat();
    let changed = b"HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    let server = Plan::new()
        .on("/a", [vec![Verb::Send(some), Verb::Close], vec![Verb::Send(changed), Verb::Close]])
        .start();
    let sandbox = Sandbox::new();
    if !knows_births(&sandbox.out()) {
        return;
    }
    std::fs::write(sandbox.out().join("a"), &body[..left]).unwrap();
    let args = ["-c", "--retry", "1", "--retry-delay", "0"];
    let done = sandbox.pull().args(args).arg(server.url("/a")).run();
    assert_eq!(done.row(&server.url("/a"))["resume"], "changed");
    assert_eq!(done.row(&server.url("/a"))["status"], "failed");
    assert!(sandbox.files()["a"] == body[..left], "it is as it was");
}

#[test]
fn a_whole_one_keeps_its_name_while_it_is_looked_at() {
    let body = origin::body("/a", usize::try_from(LEN).unwrap());
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {0}-{0}/{LEN}\r\nETag: \"a\"\r\n\
         Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT\r\nContent-Length: 1\r\n\r\n",
        LEN - 1
    );
    let last = body[body.len() - 1];
    for is_same in [true, false] {
        let rest = vec![if is_same { last } else { !last }];
        let looked = vec![Verb::Send(head.clone().into_bytes()), Verb::Gate, Verb::Send(rest)];
        let whole = vec![Verb::Send(crate::rude::response("200 OK", "ETag: \"b\"\r\n", &body))];
        let server = Plan::new().on("/a", [looked, whole]).start();
        let sandbox = Sandbox::new();
        if !knows_births(&sandbox.out()) {
            return;
        }
        std::fs::write(sandbox.out().join("a"), &body).unwrap();
        let before = sandbox.out().join("a").metadata().unwrap().modified().unwrap();
        let running = sandbox.pull().args(["-c", &server.url("/a")]).spawn();
        assert!(eventually(|| server.log() == ["/a"]), "{}", running.stderr());
        assert!(sandbox.files()["a"] == body, "it is where it was");
        server.open_gate();
        let done = running.wait();
        done.assert_ok(1);
        let resume = if is_same { "continued" } else { "unvouched" };
        assert_eq!(done.row(&server.url("/a"))["resume"], resume);
        assert!(sandbox.files()["a"] == body);
        let after = sandbox.out().join("a").metadata().unwrap().modified().unwrap();
        assert_eq!(after == before, is_same, "nothing is written where nothing is missing");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}

#[test]
fn a_piece_of_a_whole_one_that_is_wrong_is_fetched_again() {
    const MIB: usize = 1 << 20;
    let served = serve();
    let sandbox = Sandbox::new();
    if !knows_births(&sandbox.out()) {
        return;
    }
    let file = served.file("damaged", LEN);
    let body = file.bytes(0, 0..LEN);
    let sha1 = |piece: &[u8]| {
        let mut hasher = Hasher::new(Kind::Sha1);
        hasher.update(piece);
        format!("<hash>{}</hash>", hasher.finish().to_string().split_once('=').unwrap().1)
    };
    let hashes: String = body.chunks(MIB).map(sha1).collect();
    let metalink = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"damaged\"><url>{}</url>\
         <pieces length=\"{MIB}\" type=\"sha-1\">{hashes}</pieces></file></metalink>",
        file.url()
    );
    let list = sandbox.path("list.meta4");
    std::fs::write(&list, metalink).unwrap();
    let mut damaged = body;
    damaged[2 * MIB + 7] ^= 1;
    std::fs::write(sandbox.out().join("damaged"), damaged).unwrap();
    let pull = sandbox.pull().args(["-c", "--retry", "1", "--retry-delay", "0", "-i"]);
    let done = pull.arg(list).run();
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("damaged"), 0);
    assert_eq!(file.stats().body_bytes, 1 + MIB as u64, "the last byte, and the piece");
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn what_is_not_to_be_replaced_is_not_gone_on_with() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = left(&served, &sandbox, "kept");
    let done = sandbox.pull().args(["-c", "--on-conflict", "rename", &file.url()]).run();
    done.assert_ok(1);
    let row = done.row(&file.url());
    assert_eq!((&*row["resume"], &*row["size_resumed"]), ("", "0"), "{row:#?}");
    assert!(sandbox.files()["kept"] == file.bytes(0, 0..LEFT), "it is as it was");
    assert_eq!(sandbox.files().len(), 2);
    file.assert_stored(Path::new(&row["filename"]), 0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn it_stays_where_the_whole_is_larger_than_permitted() {
    let served = serve();
    for ranges in ["plain", "total-unknown"] {
        let sandbox = Sandbox::new();
        let mut file = left(&served, &sandbox, ranges);
        if ranges != "plain" {
            file = file.with("ranges", ranges);
        }
        let done = sandbox.pull().args(["-c", "--max-filesize", "3500000", &file.url()]).run();
        assert_eq!(done.fault(&file.url()), "body.too_large");
        assert!(sandbox.files()[ranges] == file.bytes(0, 0..LEFT), "it is as it was");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}
