//! One file from several hosts: mirrors bring parts of it where they have the same file for
//! certain, and whatever they do, its bytes are right and it does not wait for them.

use crate::checksums::sha256;
use crate::cmd::{Done, Sandbox, at_once};
use crate::large_origin::LargeFile;
use crate::long::advanced;
use crate::origin::{Served, serve, serve_at};
use crate::sockets::{RefusingPort, SilentPort};
use rustix::process::Signal;
use std::net::Ipv4Addr;
use std::path::PathBuf;

const MIB: u64 = 1 << 20;
const LEN: u64 = 8 * MIB;
/// Four connections, whatever the program thinks of it.
const FOUR: [&str; 6] = ["-s", "4", "-k", "1M", "--retry-delay", "0"];

/// Too little for an attempt that costs none.
const CUT: u64 = 600_000;

/// Two hosts that have the same files.
fn two() -> (Served, Served) {
    (serve(), serve_at(Ipv4Addr::new(127, 0, 0, 2)))
}

/// A file whose connections are slow enough for others to come.
fn slow<'a>(served: &'a Served, name: &str) -> LargeFile<'a> {
    served.file(name, LEN).with("rate", 2_000_000).with("send-buffer", 65_536)
}

/// Another version from the first request on, by one of the words of `change=`.
fn changed<'a>(file: LargeFile<'a>, what: &str) -> LargeFile<'a> {
    file.with("change", what).with("change-after-requests", 0)
}

fn pull(sandbox: &Sandbox, urls: &[&str], checksum: Option<&str>) -> Done {
    let options = checksum.map(|checksum| format!("  checksum={checksum}"));
    let lines = std::iter::once(urls.join("\t")).chain(options);
    sandbox.pull().args(FOUR).list(lines).run()
}

/// A metalink of one file that has these URLs, the best first.
fn metalink(sandbox: &Sandbox, name: &str, inner: &str, urls: &[String]) -> PathBuf {
    let url = |(place, url): (usize, &String)| {
        format!("<url priority=\"{}\">{}</url>", place + 1, url.replace('&', "&amp;"))
    };
    let urls: String = urls.iter().enumerate().map(url).collect();
    let path = sandbox.path("list.meta4");
    let text = format!(
        "<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\"><file name=\"{name}\">\
         {inner}{urls}</file></metalink>"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Nothing of the run is left but the file, which no attempt failed for.
fn assert_whole(sandbox: &Sandbox, done: &Done, file: &LargeFile<'_>, name: &str) {
    done.assert_ok(1);
    let row = &done.rows[0];
    assert_eq!((&*row["size_file"], &*row["num_retries"]), (&*LEN.to_string(), "0"), "{name}");
    assert_eq!(sandbox.files().len(), 1, "{name}");
    assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{name}");
    file.assert_stored(&sandbox.out().join(name), 0);
}

#[test]
fn both_hosts_bring_parts_of_the_same_file() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let (file, mirror) = (slow(&first, "same"), slow(&second, "same"));
    let done = pull(&sandbox, &[&file.url(), &mirror.url()], None);
    assert_whole(&sandbox, &done, &file, "same");
    let (of_file, of_mirror) = (file.stats(), mirror.stats());
    for stats in [&of_file, &of_mirror] {
        assert!(stats.body_bytes > 1 && stats.sending_max <= 3, "{stats:?}");
    }
    // Nobody is asked about a version of somebody else before it has shown that it has it.
    let (looked, parts): (Vec<_>, Vec<_>) =
        of_mirror.ranges.iter().partition(|range| range.range == "bytes=0-0");
    assert!(!looked.is_empty() && !parts.is_empty(), "{of_mirror:?}");
    assert!(looked.iter().all(|range| range.if_range.is_none()), "{of_mirror:?}");
    let mut parts = parts.into_iter().chain(&of_file.ranges);
    assert!(parts.all(|range| range.if_range.is_some() && range.status == 206), "{of_mirror:?}");
}

#[test]
fn each_host_has_its_own_limit_of_connections() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let (file, mirror) = (slow(&first, "limits"), slow(&second, "limits"));
    let line = format!("{}\t{}", file.url(), mirror.url());
    let done = sandbox.pull().args(FOUR).args(["-x", "1"]).list([line]).run();
    assert_whole(&sandbox, &done, &file, "limits");
    for stats in [file.stats(), mirror.stats()] {
        assert!(stats.sending_max == 1 && stats.body_bytes > 1, "{stats:?}");
    }
}

#[test]
fn a_mirror_behind_a_redirect_brings_parts() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let (file, mirror) = (slow(&first, "led"), slow(&second, "led"));
    let url = mirror.url().replace('%', "%25").replace('&', "%26").replace('?', "%3F");
    let leading = second.http(&format!("/redirect-to?url={url}"));
    let done = pull(&sandbox, &[&file.url(), &leading], None);
    assert_whole(&sandbox, &done, &file, "led");
    assert!(mirror.stats().body_bytes > 1, "{:?}", mirror.stats());
}

#[test]
fn a_mirror_of_another_version_brings_no_byte() {
    let (first, second) = two();
    for (name, what) in [("etag", "etag"), ("all", "all"), ("weak", "")] {
        let sandbox = Sandbox::new();
        let (file, mirror) = (slow(&first, name), slow(&second, name));
        let mirror = match what {
            "" => mirror.with("etag", "weak"),
            what => changed(mirror, what),
        };
        let done = pull(&sandbox, &[&file.url(), &mirror.url()], None);
        assert_whole(&sandbox, &done, &file, name);
        let stats = mirror.stats();
        // The byte that it is asked for first is thrown away, and it is not asked again.
        assert_eq!((stats.requests, stats.body_bytes), (1, 1), "{name}: {stats:?}");
    }
}

#[test]
fn a_mirror_of_another_length_brings_no_byte_whatever_vouches() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let file = slow(&first, "length");
    let mirror = second.file("length", LEN + 1);
    let digest = sha256(&file.bytes(0, 0..LEN));
    let done = pull(&sandbox, &[&file.url(), &mirror.url()], Some(&digest));
    assert_whole(&sandbox, &done, &file, "length");
    assert_eq!(mirror.stats().body_bytes, 1, "{:?}", mirror.stats());
}

#[test]
fn a_checksum_vouches_for_mirrors_with_tags_of_their_own() {
    let (first, second) = two();
    for (name, what) in [("other", "etag"), ("none", "")] {
        let sandbox = Sandbox::new();
        let (file, mirror) = (slow(&first, name), slow(&second, name));
        let mirror = match what {
            "" => mirror.with("etag", "none").with("last-modified", "none"),
            what => changed(mirror, what),
        };
        let digest = sha256(&file.bytes(0, 0..LEN));
        let done = pull(&sandbox, &[&file.url(), &mirror.url()], Some(&digest));
        assert_whole(&sandbox, &done, &file, name);
        let (of_file, of_mirror) = (file.stats(), mirror.stats());
        assert!(of_mirror.body_bytes > 1, "{of_mirror:?}");
        let tag = of_file.ranges.iter().find_map(|range| range.if_range.clone());
        assert!(of_mirror.ranges.iter().all(|range| range.if_range != tag), "{of_mirror:?}");
    }
}

#[test]
fn what_a_lying_mirror_brought_comes_again_from_one_source() {
    let (first, second) = two();
    for (name, lie) in [("content", "content"), ("all", "all"), ("shifted", "")] {
        let sandbox = Sandbox::new();
        let (file, mirror) = (slow(&first, name), slow(&second, name));
        let mirror = match lie {
            "" => mirror.with("ranges", "shifted").with("by", 3),
            lie => changed(mirror, lie),
        };
        let digest = sha256(&file.bytes(0, 0..LEN));
        let line = format!("{}\t{}", file.url(), mirror.url());
        // It costs no attempt.
        let pull = sandbox.pull().args(FOUR).args(["--retry", "0"]);
        let done = pull.list([line, format!("  checksum={digest}")]).run();
        assert_whole(&sandbox, &done, &file, name);
        assert!(mirror.stats().body_bytes > 1, "{:?}", mirror.stats());
        assert!(file.stats().body_bytes >= LEN, "all of it: {:?}", file.stats());
        assert_eq!(done.rows[0]["url_effective"], "", "{name}");
    }
}

#[test]
fn pieces_say_what_of_a_lying_mirror_comes_again() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let (file, mirror) = (slow(&first, "pieces"), changed(slow(&second, "pieces"), "content"));
    let pieces: String = (0..LEN / MIB)
        .map(|piece| {
            let digest = sha256(&file.bytes(0, piece * MIB..(piece + 1) * MIB));
            format!("<hash>{}</hash>", digest.strip_prefix("sha-256=").unwrap())
        })
        .collect();
    let pieces = format!("<pieces length=\"{MIB}\" type=\"sha-256\">{pieces}</pieces>");
    let list = metalink(&sandbox, "pieces", &pieces, &[file.url(), mirror.url()]);
    let done = sandbox.pull().args(FOUR).args(["--retry", "0", "-i"]).arg(list).run();
    assert_whole(&sandbox, &done, &file, "pieces");
    let (of_file, of_mirror) = (file.stats(), mirror.stats());
    assert!(of_mirror.body_bytes > 1, "{of_mirror:?}");
    assert!((LEN..2 * LEN).contains(&of_file.body_bytes), "{of_file:?}");
}

#[test]
fn what_only_a_checksum_vouched_for_is_nothing_to_a_run_without_it() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let (file, mirror) = (slow(&first, "killed"), changed(slow(&second, "killed"), "all"));
    let digest = format!("  checksum={}", sha256(&file.bytes(0, 0..LEN)));
    let line = format!("{}\t{}", file.url(), mirror.url());
    let mut running = sandbox.pull().args(FOUR).list([line, digest]).spawn();
    while mirror.stats().body_bytes < MIB {
        assert!(advanced(&mut running, &sandbox.out(), "killed"), "{}", running.stderr());
    }
    running.signal(Signal::KILL);
    drop(running);
    let done = sandbox.pull().again().args(["-s", "1"]).arg(file.url()).run();
    assert_whole(&sandbox, &done, &file, "killed");
    assert_eq!(done.rows[0]["resume"], "continued");
}

#[test]
fn mirrors_that_die_or_lie_cost_nothing_but_their_ranges() {
    let (first, second) = two();
    let moods = [
        ("reset", "reset", "300000"),
        ("cut", "cut", "300000"),
        ("stall", "stall", "100000"),
        ("slow", "slow", "1000"),
        ("missing", "status", "404"),
        ("busy", "status", "503"),
        ("ignored", "ranges", "ignored"),
        ("refused", "ranges", "refused"),
        ("shifted-told", "ranges", "shifted-told"),
        ("shortened", "ranges", "shortened"),
        ("whole", "ranges", "whole"),
        ("multipart", "ranges", "multipart"),
        ("total", "ranges", "total"),
        ("total-unknown", "ranges", "total-unknown"),
        ("bare", "ranges", "bare"),
        ("gzip", "ranges", "gzip"),
    ];
    at_once(moods, |(name, mood, value)| {
        let sandbox = Sandbox::new();
        let (file, mirror) = (slow(&first, name), slow(&second, name).with(mood, value));
        let done = pull(&sandbox, &[&file.url(), &mirror.url()], None);
        assert_whole(&sandbox, &done, &file, name);
        assert!(mirror.stats().requests > 0, "{name}");
    });
}

#[test]
fn mirrors_that_are_not_there_hold_up_nothing() {
    let first = serve();
    let (refusing, silent) = (RefusingPort::new(), SilentPort::new());
    let sandbox = Sandbox::new();
    let file = slow(&first, "absent");
    let mirrors = [refusing.port, silent.port].map(|port| format!("http://127.0.0.1:{port}/a"));
    let urls = [&*file.url(), &mirrors[0], &mirrors[1]];
    let done = pull(&sandbox, &urls, None);
    assert_whole(&sandbox, &done, &file, "absent");
}

#[test]
fn mirrors_bring_the_rest_of_a_source_that_dies() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let file = slow(&first, "dying").with("reset", 1_500_000);
    let mirror = slow(&second, "dying");
    let done = pull(&sandbox, &[&file.url(), &mirror.url()], None);
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("dying"), 0);
    assert!(mirror.stats().body_bytes > 1, "{:?}", mirror.stats());
}

/// Goes on at the mirror with what came of the first source, which ends its connections early.
/// Gives what both sent.
fn half_and_half(name: &str, moods: [&[(&str, &str)]; 2], checksum: bool) -> (u64, u64) {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    let file = first.file(name, LEN).with("cut", CUT);
    let file = moods[0].iter().fold(file, |file, mood| file.with(mood.0, mood.1));
    let mirror = second.file(name, LEN);
    let mirror = moods[1].iter().fold(mirror, |mirror, mood| mirror.with(mood.0, mood.1));
    let is_changed = moods[1].contains(&("change", "content"));
    let digest = format!("  checksum={}", sha256(&file.bytes(0, 0..LEN)));
    let line = format!("{}\t{}", file.url(), mirror.url());
    let lines = std::iter::once(line).chain(checksum.then_some(digest));
    let done = sandbox.pull().args(["--retry", "0", "-s", "1"]).list(lines).run();
    done.assert_ok(1);
    assert_eq!(done.rows[0]["url_effective"], mirror.url(), "{name}");
    mirror.assert_stored(&sandbox.out().join(name), u64::from(is_changed));
    (file.stats().body_bytes, mirror.stats().body_bytes)
}

#[test]
fn half_a_file_is_gone_on_with_at_a_mirror_that_has_the_same() {
    let other: &[(&str, &str)] = &[("change", "etag"), ("change-after-requests", "0")];
    for (name, moods, checksum, is_kept) in [
        ("same", [&[][..], &[][..]], false, true),
        ("vouched", [&[], other], true, true),
        ("other", [&[], other], false, false),
    ] {
        let (of_first, of_mirror) = half_and_half(name, moods, checksum);
        assert_eq!(of_first, CUT, "{name}");
        // One byte shows whether it is the same.
        let expected = if is_kept { LEN - CUT + 1 } else { LEN + 1 };
        assert_eq!(of_mirror, expected, "{name}");
    }
}

#[test]
fn a_date_that_two_servers_share_says_nothing() {
    let dated: &[(&str, &str)] = &[("etag", "none"), ("last-modified", "1000000000")];
    let other = [dated, &[("change", "content"), ("change-after-requests", "0")]].concat();
    let (_, of_mirror) = half_and_half("dated", [dated, &other], false);
    assert_eq!(of_mirror, LEN + 1);
}

#[test]
fn a_length_that_is_known_beforehand_is_found_wrong_at_once() {
    let (first, second) = two();
    let sandbox = Sandbox::new();
    // It would take a minute.
    let wrong = first.file("long", 256 * MIB).with("rate", 4_000_000);
    let right = second.file("right", LEN);
    let size = format!("<size>{LEN}</size>");
    let run = |urls: &[String]| {
        let list = metalink(&sandbox, "right", &size, urls);
        sandbox.pull().args(["--retry-delay", "0", "-i"]).arg(list).run()
    };
    let done = run(&[wrong.url(), right.url()]);
    done.assert_ok(1);
    right.assert_stored(&sandbox.out().join("right"), 0);
    let row = &done.rows[0];
    assert_eq!((&row["url_effective"], &*row["num_retries"]), (&right.url(), "1"));
    let done = run(&[wrong.url()]);
    done.assert_code(7);
    let row = &done.rows[0];
    assert_eq!((&*row["error_code"], &*row["num_retries"]), ("body.checksum", "1"));
    let said = format!("got {} bytes, expected {LEN}", 256 * MIB);
    assert!(row["error_message"].contains(&said), "{}", row["error_message"]);
    assert!(wrong.stats().body_bytes < 64 * MIB, "{:?}", wrong.stats());
}
