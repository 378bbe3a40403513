//! Thousands of files over both schemes, every framing, every file-ops mode, and the caps.

use crate::cmd::{Done, Row, Sandbox, is_pipelined};
use crate::origin::{Served, serve};
use ringpull::origin::{self, Listener};
use std::collections::BTreeSet;
use std::path::Path;

pub(crate) const FILE_OPS: [&str; 4] = ["auto", "sync", "ring", "chain"];

/// URLs of images, every other one over TLS.
pub(crate) fn image_urls(served: &Served, count: u64) -> Vec<String> {
    let url = |number| match number % 2 {
        0 => served.http(&format!("/image/{number}.jpg")),
        _ => served.https(&format!("/image/{number}.jpg")),
    };
    (0..count).map(url).collect()
}

/// Reads the file that a row names.
pub(crate) fn content(row: &Row) -> Vec<u8> {
    std::fs::read(&row["filename"]).unwrap_or_else(|error| panic!("{error}: {row:#?}"))
}

fn assert_images(sandbox: &Sandbox, done: &Done, count: u64) {
    done.assert_ok(usize::try_from(count).unwrap());
    let files = sandbox.files();
    assert_eq!(files.len() as u64, count);
    for number in 0..count {
        let name = format!("{number}.jpg");
        let wanted = origin::image(number);
        assert!(files.get(&name) == Some(&wanted), "{name} is missing or differs");
    }
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn two_thousand_images_over_both_schemes() {
    let served = serve();
    let sandbox = Sandbox::new();
    let urls = image_urls(&served, 2_000);
    let done = sandbox.pull().arg("--cacert").arg(served.ca()).list(&urls).run();
    assert_images(&sandbox, &done, 2_000);

    let asked: BTreeSet<&str> = urls.iter().map(String::as_str).collect();
    let told: BTreeSet<&str> = done.rows.iter().map(|row| row["url"].as_str()).collect();
    assert_eq!(asked, told);
    for row in &done.rows {
        let codes: &[&str] = if is_pipelined() { &["200", "206"] } else { &["200"] };
        assert!(codes.contains(&&*row["response_code"]), "{row:#?}");
        assert_eq!(row["http_version"], "1.1");
        assert_eq!(row["content_type"], "image/jpeg");
        assert_eq!(row["size_download"], content(row).len().to_string());
        assert_eq!(row["remote_ip"], "127.0.0.1");
        assert!(row["etag"].starts_with("\"image-"), "{row:#?}");
    }
    for listener in [Listener::Http, Listener::Https] {
        let stats = served.origin.stats(listener);
        assert_eq!(stats.requests, 1_000, "each URL is asked for once");
        // Those of a smaller window that was tried stay open; a few move from core to core.
        assert!(stats.connections <= 96 + 16, "connections are kept: {stats:?}");
        assert!(stats.open_max <= 96, "the default cap per host: {stats:?}");
    }
}

#[test]
fn the_cap_per_host_holds_over_all_cores() {
    for cap in [1, 3] {
        let served = serve();
        let sandbox = Sandbox::new();
        let urls: Vec<String> =
            (0..120).map(|n| served.http(&format!("/delay/2/bytes/100/{n}"))).collect();
        let done = sandbox.pull().args(["-x", &cap.to_string(), "-j", "64"]).list(&urls).run();
        done.assert_ok(120);
        let stats = served.origin.stats(Listener::Http);
        assert!(stats.open_max <= cap, "-x {cap}: {stats:?}");
    }
}

#[test]
fn the_cap_in_flight_holds_over_all_hosts() {
    let served = serve();
    let sandbox = Sandbox::new();
    // Each name is a host of its own, so only -j stands in the way.
    let hosts: Vec<String> = (0..20).map(|n| format!("h{n}.example:{}", served.port())).collect();
    let mut pull = sandbox.pull().args(["-j", "2", "-x", "8", "--progress", "none"]);
    for host in &hosts {
        pull = pull.arg("--resolve").arg(format!("{host}:127.0.0.1"));
    }
    // Each body ends with its connection: an idle one would be open and not in flight.
    let urls = (0..60).map(|n| format!("http://{}/delay/2/close/10/{n}", hosts[n % 20]));
    pull.list(urls).run().assert_ok(60);
    let stats = served.origin.stats(Listener::Http);
    assert_eq!(stats.connections, 60);
    assert!(stats.open_max <= 2, "{stats:?}");
}

#[test]
fn every_framing_in_every_file_ops_mode() {
    let served = serve();
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        let mut wanted = Vec::new();
        for (number, len) in [0, 1, 100, 65_535, 65_536, 300_000, 5_000_000].into_iter().enumerate()
        {
            for kind in ["bytes", "chunked", "close"] {
                let path = format!("/{kind}/{len}/{kind}-{number}");
                wanted.push((served.http(&path), origin::body(&path, len)));
                wanted.push((served.https(&path), origin::body(&path, len)));
            }
        }
        let pull = sandbox.pull().args(["--file-ops", mode]).arg("--cacert").arg(served.ca());
        let done = pull.list(wanted.iter().map(|(url, _)| url)).run();
        done.assert_ok(wanted.len());
        for (url, body) in &wanted {
            let row = done.row(url);
            assert!(content(row) == *body, "{mode}: {url} differs");
            assert_eq!(row["size_download"], body.len().to_string(), "{mode}: {url}");
        }
        assert_eq!(sandbox.files().len(), wanted.len(), "{mode}");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{mode}");
    }
}

#[test]
fn one_thread_and_two() {
    let served = serve();
    for threads in ["1", "2"] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--threads", threads]).arg("--cacert").arg(served.ca());
        let done = pull.list(image_urls(&served, 200)).run();
        assert_images(&sandbox, &done, 200);
    }
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--cpus", "0"]).arg("--cacert").arg(served.ca());
    let done = pull.list(image_urls(&served, 50)).run();
    assert_images(&sandbox, &done, 50);
}

#[test]
fn arguments_standard_input_and_files_are_lists_alike() {
    let served = serve();
    let urls = [served.http("/bytes/10/a"), served.http("/bytes/20/b")];
    let sandbox = Sandbox::new();
    sandbox.pull().args(&urls).run().assert_ok(2);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a", "b"]);

    let sandbox = Sandbox::new();
    let mut running = sandbox.pull().args(["-i", "-"]).spawn();
    running.feed(&urls);
    running.wait().assert_ok(2);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a", "b"]);

    let sandbox = Sandbox::new();
    let url = served.http("/bytes/10/a");
    let done = sandbox.pull().args(["-o", "named.bin", &url]).run();
    done.assert_ok(1);
    assert_eq!(sandbox.files()["named.bin"], origin::body("/bytes/10/a", 10));
    assert_eq!(Path::new(&done.rows[0]["filename"]).file_name().unwrap(), "named.bin");
}

#[test]
fn requests_carry_what_was_asked_for() {
    let served = serve();
    let sandbox = Sandbox::new();
    let url = served.http("/headers");
    let pull =
        sandbox.pull().args(["-H", "X-One: 1", "-A", "tester/1", "-e", "http://from.example/"]);
    pull.args(["-u", "me:secret", &url]).run().assert_ok(1);
    let sent = String::from_utf8(sandbox.files().remove("headers").unwrap()).unwrap();
    let lines: BTreeSet<String> = sent.lines().map(str::to_lowercase).collect();
    for line in [
        &format!("Host: 127.0.0.1:{}", served.port()),
        "X-One: 1",
        "User-Agent: tester/1",
        "Referer: http://from.example/",
        "Authorization: Basic bWU6c2VjcmV0",
        "Accept-Encoding: identity",
    ] {
        assert!(lines.contains(&line.to_lowercase()), "{line} is missing:\n{sent}");
    }
}

#[test]
fn a_field_of_an_option_line_is_sent_or_refused() {
    let served = serve();
    let sandbox = Sandbox::new();
    let urls = ["/bytes/5/a", "/headers", "/bytes/5/b", "/bytes/5/c"].map(|path| served.http(path));
    // Fields that the program has to decide on itself, for framing depends on them.
    let lines = [
        &urls[0],
        "  header=Content-Length: 0",
        &urls[1],
        "  header=X-Mine: 1",
        &urls[2],
        "  header=Transfer-Encoding: chunked",
        &urls[3],
    ];
    let done = sandbox.pull().list(lines).run();
    assert_eq!(done.rows.len(), 4, "{:#?}", done.rows);
    for (url, fault) in urls.iter().zip(["input.option", "", "input.option", ""]) {
        assert_eq!(done.fault(url), fault, "{url}");
    }
    done.assert_code(2);
    assert_eq!(served.requests(), 2);
    let mut files = sandbox.files();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["c", "headers"]);
    let sent = String::from_utf8(files.remove("headers").unwrap()).unwrap();
    assert!(sent.lines().any(|line| line.eq_ignore_ascii_case("X-Mine: 1")), "{sent}");
}
