//! Bodies that are larger than `--max-filesize` allows.

use crate::cmd::Sandbox;
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
