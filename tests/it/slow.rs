//! Bodies that come slowly: how slowly they may, and what becomes of them.

use crate::cmd::Sandbox;
use crate::rude::{Plan, Script, Verb, ok};
use std::time::Duration;

/// The head of a body of so many bytes.
fn head(len: usize) -> Verb {
    Verb::Send(format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n").into_bytes())
}

/// Pieces of the body, each `len` bytes and a rest of 20 ms: 50 pieces in a second at most.
fn pieces(count: usize, len: usize) -> Script {
    let piece = Verb::Send(vec![b'x'; len]);
    let pieces = std::iter::repeat_n([piece, Verb::Rest(Duration::from_millis(20))], count);
    pieces.flatten().collect()
}

#[test]
fn a_server_that_is_too_slow_is_given_up_and_asked_again() {
    let slow = || {
        let mut script = vec![head(1_000_000)];
        // The gate stays shut: a byte every 20 ms until the client ends it.
        script.push(Verb::TrickleUntilGate(Duration::from_millis(20), b"x".to_vec()));
        script
    };
    // With and without a length: one waits for a buffer full, the other for any byte.
    let mut unknown = slow();
    unknown[0] = Verb::Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let server = Plan::new()
        .on("/length", [slow()])
        .on("/close", [unknown])
        .on("/again", [slow(), ok(b"fast")])
        .start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--speed-limit", "1k", "--speed-time", "500ms"]);
    let urls = ["/length", "/close", "/again"].map(|path| server.url(path));
    let done = pull.args(["--retry", "1", "--retry-delay", "0"]).list(&urls).run();
    for url in &urls[..2] {
        let row = done.row(url);
        assert_eq!((row["error_code"].as_str(), row["exitcode"].as_str()), ("body.too_slow", "28"));
        assert_eq!(row["num_retries"], "1");
    }
    assert_eq!(done.row(&urls[2])["status"], "ok");
    done.assert_code(4);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["again"]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn slow_at_first_and_then_fast_is_fast_enough() {
    // Half a second of next to nothing, then 400,000 bytes at once; and so on. A window is six
    // times as long, so that every one has its share of the fast ones on a busy machine too.
    let mut script = vec![head(7 * 400_025)];
    for _ in 0..7 {
        script.extend(pieces(25, 1));
        script.push(Verb::Send(vec![b'x'; 400_000]));
    }
    let server = Plan::new().on("/a", [script]).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-Y", "10k", "-y", "3", "--retry", "0"]);
    pull.args([server.url("/a")]).run().assert_ok(1);
    assert_eq!(sandbox.files()["a"].len(), 7 * 400_025);
}

#[test]
fn slow_enough_to_pass() {
    // Some 5 kB a second over a window and more. The limit is next to nothing, so
    // that a busy machine does not decide.
    let mut script = vec![head(150 * 100)];
    script.extend(pieces(150, 100));
    let server = Plan::new().on("/a", [script]).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--speed-limit", "1", "--speed-time", "2s"]);
    pull.args(["--retry", "0", &server.url("/a")]).run().assert_ok(1);
    // And with the rule off, anything passes that is not idle.
    let script = [vec![head(10)], pieces(10, 1)].concat();
    let server = Plan::new().on("/b", [script]).start();
    let pull = sandbox.pull().args(["--lowest-speed-limit", "0", "--speed-time", "1ms"]);
    pull.args(["--retry", "0", &server.url("/b")]).run().assert_ok(1);
}
