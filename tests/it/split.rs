//! One file over several connections: its bytes are right and of one version, whatever a server
//! does with ranges.

use crate::checksums::sha256;
use crate::cmd::{Done, Sandbox, at_once, eventually};
use crate::large_origin::LargeFile;
use crate::long::kill_often;
use crate::origin::{Served, serve};
use std::path::Path;

const MIB: u64 = 1 << 20;
const LEN: u64 = 8 * MIB;
/// Four connections, whatever the program thinks of it.
const FOUR: [&str; 6] = ["-s", "4", "-k", "1M", "--retry-delay", "0"];

/// A file whose connections are slow enough for others to come.
fn slow<'a>(served: &'a Served, name: &str) -> LargeFile<'a> {
    served.file(name, LEN).with("rate", 2_000_000).with("send-buffer", 65_536)
}

fn pull(sandbox: &Sandbox, file: &LargeFile<'_>) -> Done {
    sandbox.pull().args(FOUR).arg(file.url()).run()
}

/// Nothing of the run is left but the file.
fn assert_whole(sandbox: &Sandbox, done: &Done, (file, name): (&LargeFile<'_>, &str)) {
    done.assert_ok(1);
    let row = done.row(&file.url());
    let length = LEN.to_string();
    // Whatever came twice, or of another version, and nothing was there before.
    let columns = ["size_file", "size_download", "size_resumed", "resume"];
    assert_eq!(columns.map(|column| &*row[column]), [&*length, &*length, "0", ""], "{name}");
    let parts: u64 = row["num_parts"].parse().unwrap();
    assert!((1..=file.stats().requests).contains(&parts), "{name}: {row:#?}");
    assert_eq!(sandbox.files().len(), 1, "{name}");
    assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{name}");
}

/// Which version the file at `stored` is of, if its first bytes are of one.
fn version(file: &LargeFile<'_>, stored: &Path) -> Option<u64> {
    let first = std::fs::read(stored).unwrap()[..64].to_vec();
    (0..3).find(|changes| file.bytes(*changes, 0..64) == first)
}

#[test]
fn parts_come_over_several_connections() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "split");
    let done = pull(&sandbox, &file);
    assert_whole(&sandbox, &done, (&file, "split"));
    file.assert_stored(&sandbox.out().join("split"), 0);
    let row = done.row(&file.url());
    assert!(row["num_parts"].parse::<u32>().unwrap() >= 4, "{row:#?}");
    let stats = file.stats();
    assert!((2..=4).contains(&stats.sending_max), "{stats:?}");
    assert!(stats.range_requests >= 3, "{stats:?}");
    assert!(stats.ranges.iter().all(|range| range.if_range.is_some()), "{stats:?}");
}

#[test]
fn one_part_is_one_request() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("whole", LEN);
    let done = sandbox.pull().args(["-s", "1", "-k", "1M"]).arg(file.url()).run();
    assert_whole(&sandbox, &done, (&file, "whole"));
    file.assert_stored(&sandbox.out().join("whole"), 0);
    let stats = file.stats();
    assert_eq!((stats.requests, stats.range_requests), (1, 0), "{stats:?}");
    assert_eq!(done.row(&file.url())["num_parts"], "1");
}

#[test]
fn the_shortest_parts_are_counted_once() {
    let served = serve();
    for (name, query, value) in [("short", "rate", 1_000_000), ("cut", "cut", 100_000)] {
        let sandbox = Sandbox::new();
        let file = served.file(name, LEN).with("send-buffer", 16_384).with(query, value);
        let args = ["-s", "16", "-k", "16k", "--retry-delay", "0", "--retry", "200"];
        let done = sandbox.pull().args(args).arg(file.url()).run();
        assert_whole(&sandbox, &done, (&file, name));
        file.assert_stored(&sandbox.out().join(name), 0);
    }
}

#[test]
fn parts_over_tls_are_exact() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "tls");
    let url = file.https_url();
    let done = sandbox.pull().args(FOUR).arg("--cacert").arg(served.ca()).arg(&url).run();
    done.assert_ok(1);
    file.assert_stored(&sandbox.out().join("tls"), 0);
    assert!(file.stats().range_requests >= 3, "{:?}", file.stats());
}

#[test]
fn no_lie_about_ranges_gets_into_a_file() {
    let served = serve();
    let lies = [
        "ignored",
        "stripped",
        "none",
        "untold",
        "refused",
        "shifted-told",
        "shortened",
        "shortened-untold",
        "whole",
        "multipart",
        "total",
        "total-unknown",
        "bare",
        "gzip",
    ];
    at_once(lies, |lie| {
        let sandbox = Sandbox::new();
        let file = slow(&served, lie).with("ranges", lie);
        let file = if lie == "shifted-told" { file.with("by", 10) } else { file };
        let done = pull(&sandbox, &file);
        assert_whole(&sandbox, &done, (&file, lie));
        file.assert_stored(&sandbox.out().join(lie), 0);
    });
}

#[test]
fn a_server_that_sends_a_byte_at_a_time_is_not_asked_without_end() {
    let served = serve();
    for lie in ["shortened", "shortened-untold"] {
        let sandbox = Sandbox::new();
        let name = format!("bit-{lie}");
        let file = slow(&served, &name).with("ranges", lie).with("by", LEN);
        let done = pull(&sandbox, &file);
        assert_whole(&sandbox, &done, (&file, &name));
        file.assert_stored(&sandbox.out().join(&name), 0);
        let stats = file.stats();
        assert!(stats.range_requests < 20, "{lie}: {stats:?}");
    }
}

#[test]
fn bytes_that_are_silently_of_another_place_do_not_pass_a_checksum() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "shifted").with("ranges", "shifted").with("by", 3);
    let digest = sha256(&file.bytes(0, 0..LEN));
    let lines = [file.url(), format!("  checksum={digest}")];
    let done = sandbox.pull().args(FOUR).list(&lines).run();
    assert!(file.stats().range_requests > 0, "{:?}", file.stats());
    assert_whole(&sandbox, &done, (&file, "shifted"));
    assert_eq!(done.row(&file.url())["resume"], "", "of this run alone");
    file.assert_stored(&sandbox.out().join("shifted"), 0);
}

#[test]
fn a_change_in_the_middle_leaves_one_version() {
    let served = serve();
    let changes = ["all", "etag"].into_iter().flat_map(|what| [1, 2, 3].map(|n| (what, n)));
    at_once(changes, |(change, requests)| {
        let sandbox = Sandbox::new();
        let name = format!("{change}-{requests}");
        let file = slow(&served, &name).with("change", change);
        let file = file.with("change-after-requests", requests);
        let done = pull(&sandbox, &file);
        assert_whole(&sandbox, &done, (&file, &name));
        let stored = sandbox.out().join(&name);
        let version = version(&file, &stored).expect("its first bytes are of some version");
        file.assert_stored(&stored, version);
    });
}

#[test]
fn a_connection_that_stalls_does_not_decide_the_end() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "stalled").with("stall", 100_000).with("nth-range", 3);
    let done = pull(&sandbox, &file);
    assert_whole(&sandbox, &done, (&file, "stalled"));
    file.assert_stored(&sandbox.out().join("stalled"), 0);
    assert_eq!(done.row(&file.url())["num_retries"], "0", "no attempt ended badly");
}

#[test]
fn parts_that_break_off_are_fetched_by_others() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "breaking").with("cut", 300_000).with("after", 1);
    let done = sandbox.pull().args(FOUR).args(["--retry", "20"]).arg(file.url()).run();
    assert_whole(&sandbox, &done, (&file, "breaking"));
    file.assert_stored(&sandbox.out().join("breaking"), 0);
}

#[test]
fn a_server_that_refuses_further_bodies_is_no_failure() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "alone").with("sending-max", 1);
    let done = pull(&sandbox, &file);
    assert_whole(&sandbox, &done, (&file, "alone"));
    file.assert_stored(&sandbox.out().join("alone"), 0);
    let row = done.row(&file.url());
    assert_eq!(row["num_retries"], "0", "the job itself was never refused");
    assert_eq!(row["num_parts"], "1", "no other request brought anything");
}

#[test]
fn many_kills_of_parts_and_a_change_leave_the_new_version() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("often", 24 * MIB).with("rate", 4_000_000);
    let file = file.with("send-buffer", 65_536);
    let kills = kill_often(&sandbox, &file, &FOUR);
    assert!(kills > 6, "{kills}");
}

#[test]
fn a_limit_over_all_parts_changes_no_byte() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = slow(&served, "limited");
    let done = sandbox.pull().args(FOUR).args(["--limit-rate", "6M"]).arg(file.url()).run();
    assert_whole(&sandbox, &done, (&file, "limited"));
    file.assert_stored(&sandbox.out().join("limited"), 0);
}

#[test]
fn parts_are_shown_as_one_file_with_its_bytes_and_the_time_left() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("shown", LEN).with("rate", 250_000).with("send-buffer", 65_536);
    // What a person sees, and what a program does.
    let pull = |sandbox: &Sandbox, mode| {
        sandbox.pull().args(FOUR).args(["--progress", mode]).arg(file.url()).spawn()
    };
    let other = Sandbox::new();
    let (line, json) = (pull(&sandbox, "plain"), pull(&other, "json"));
    let shown = |line: &str| line.contains("% (") && line.contains(" of 8.4 MB), ");
    let is_shown = || {
        let stderr = line.stderr();
        stderr.lines().any(|line| shown(line) && line.ends_with(" left"))
    };
    assert!(eventually(is_shown), "{}", line.stderr());
    assert!(file.stats().sending_max > 1, "{:?}", file.stats());
    let stderr = json.stderr();
    let told = stderr.lines().map(|line| serde_json::from_str(line).expect(line));
    let told: Vec<serde_json::Value> = told.collect();
    let last = told.iter().rfind(|told| told["eta"].is_number()).expect(&stderr);
    assert_eq!(last["bytes_expected"], LEN, "of one file, however many bring it: {last}");
    assert!((1..LEN).contains(&last["bytes_there"].as_u64().unwrap()), "{last}");
}
