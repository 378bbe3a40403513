//! Bodies that are larger than `--max-filesize` allows.

use crate::cmd::Sandbox;
use crate::long::kill_when_begun;
use crate::origin::serve;
use crate::rude::{self, Plan, Script, Verb, ok};

fn chunked(body: &[u8]) -> Script {
    vec![Verb::Send(rude::chunked("", body, 7_000))]
}

fn until_close(body: &[u8]) -> Script {
    vec![Verb::Send([b"HTTP/1.1 200 OK\r\n\r\n", body].concat()), Verb::Close]
}

#[test]
fn a_body_may_have_the_size_and_not_a_byte_more() {
    for (limit, typed) in [(1_024, "1k"), (300_000, "300000")] {
        let (fits, over) = (vec![b'x'; limit], vec![b'x'; limit + 1]);
        let server = Plan::new()
            .on("/length", [ok(&fits)])
            .on("/chunked", [chunked(&fits)])
            .on("/close", [until_close(&fits)])
            .on("/length-over", [ok(&over)])
            .on("/chunked-over", [chunked(&over)])
            .on("/close-over", [until_close(&over)])
            .start();
        let good = ["/length", "/chunked", "/close"].map(|path| server.url(path));
        let bad = ["/length-over", "/chunked-over", "/close-over"].map(|path| server.url(path));
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--max-filesize", typed, "-x", "1"]);
        let done = pull.list(bad.iter().chain(&good)).run();
        for url in &bad {
            let row = done.row(url);
            let seen = [&row["error_code"], &row["exitcode"], &row["num_retries"]];
            assert_eq!(seen, ["body.too_large", "63", "0"], "{row:#?}");
            assert_eq!(row["response_code"], "200");
        }
        assert_eq!(done.row(&bad[0])["size_download"], "0", "the announcement is enough");
        done.assert_code(7);
        assert_eq!(server.connections(), 4, "a refused body ends its connection");
        assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["chunked", "close", "length"]);
        assert!(sandbox.files().values().all(|content| *content == fits));
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
}

#[test]
fn what_stalls_beyond_the_size_is_too_large_and_not_late() {
    let stall =
        vec![Verb::Send([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &[b'x'; 2_000]].concat()), Verb::Stall];
    let server = Plan::new().on("/stall", [stall]).on("/0", [ok(&[b'x'; 2_000])]).start();
    let sandbox = Sandbox::new();
    let urls = ["/stall", "/0"].map(|path| server.url(path));
    let done = sandbox.pull().args(["--max-filesize", "1000"]).list(&urls).run();
    assert_eq!([done.fault(&urls[0]), done.fault(&urls[1])], ["body.too_large"; 2]);
    // A failure is what it says, however long its page.
    let server = Plan::new().start();
    let url = server.url("/404");
    let done = sandbox.pull().args(["--max-filesize", "1", &url]).run();
    assert_eq!(done.fault(&url), "http.status");
    // And 0 is no limit.
    let server = Plan::new().otherwise(ok(&[b'x'; 2_000])).start();
    sandbox.pull().args(["--max-filesize", "0", &server.url("/a")]).run().assert_ok(1);
}

#[test]
fn no_long_body_gets_longer_than_permitted() {
    let served = serve();
    let sandbox = Sandbox::new();
    for verb in ["chunked", "close", "bytes"] {
        let file = served.file_at(verb, verb, 5_000_000);
        let done = sandbox.pull().args(["--max-filesize", "2M", &file.url()]).run();
        assert_eq!(done.fault(&file.url()), "body.too_large");
        assert_eq!(done.row(&file.url())["num_retries"], "0");
        assert!(sandbox.files().is_empty() && sandbox.temporaries().is_empty(), "{verb}");
        // What is as long as permitted comes.
        let done = sandbox.pull().args(["--max-filesize", "5000000", &file.url()]).run();
        done.assert_ok(1);
        file.assert_stored(&sandbox.out().join(verb), 0);
        std::fs::remove_file(sandbox.out().join(verb)).unwrap();
    }
}

#[test]
fn what_an_earlier_run_left_of_a_body_that_is_too_long_now_stays() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file = served.file("left", 16 << 20).with("rate", 8_000_000).with("send-buffer", 65_536);
    kill_when_begun(sandbox.pull().arg(file.url()).spawn(), &sandbox.out(), "left");
    let done = sandbox.pull().again().args(["--max-filesize", "10M", &file.url()]).run();
    assert_eq!(done.fault(&file.url()), "body.too_large");
    assert_eq!(sandbox.temporaries().len(), 2, "the file and its record");
    let args = ["--retry-failed", "--max-filesize", "16M"];
    let done = sandbox.pull().again().args(args).arg(file.url()).run();
    assert_eq!(done.code(), 0, "{}", done.stderr);
    file.assert_stored(&sandbox.out().join("left"), 0);
    let row = done.rows.last().unwrap();
    assert_eq!((&*row["status"], &*row["resume"]), ("ok", "continued"), "{row:#?}");
}
