//! Connections between two requests: what comes while nobody asks is never an answer.

use crate::certs::{Flaw, issue};
use crate::cmd::Sandbox;
use crate::rude::{Plan, Verb, response};

/// A response, and a whole second one behind it that nobody asked for.
fn with_another(status: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = response(status, "", body);
    bytes.extend_from_slice(&response("200 OK", "", b"forged"));
    bytes
}

#[test]
fn a_second_response_is_not_the_answer_to_the_next_request() {
    // A body beyond the first buffer is received to its exact end, so that the rest stays in the
    // socket; a short one comes together with the rest.
    for len in [10, 100_000, 1_000_000] {
        let body = vec![b'x'; len];
        let script = || vec![Verb::Send(with_another("200 OK", &body))];
        let paths: Vec<String> = (0..12).map(|n| format!("/{n}")).collect();
        let mut plan = Plan::new();
        for path in &paths {
            plan = plan.on(path, [script()]);
        }
        let server = plan.start();
        let sandbox = Sandbox::new();
        let urls = paths.iter().map(|path| server.url(path));
        let done = sandbox.pull().args(["-j", "1", "-x", "1"]).list(urls).run();
        done.assert_ok(paths.len());
        assert_eq!(server.connections(), paths.len(), "no connection serves twice");
        assert!(sandbox.files().values().all(|content| *content == body), "{len}");
    }
}

#[test]
fn neither_behind_an_error_nor_over_tls() {
    let identity = issue(Flaw::None);
    let plan = || {
        Plan::new()
            .on("/bad", [vec![Verb::Send(with_another("404 Not Found", &[b'x'; 50_000]))]])
            .on("/long", [vec![Verb::Send(with_another("200 OK", &[b'x'; 100_000]))]])
            .otherwise(vec![Verb::Send(response("200 OK", "", b"good"))])
    };
    for server in [plan().start(), plan().start_tls(&identity)] {
        let sandbox = Sandbox::new();
        let urls = ["/bad", "/a", "/long", "/b"].map(|path| server.url(path));
        let pull = sandbox.pull().args(["-j", "1", "-x", "1"]);
        let done = pull.arg("--insecure").list(&urls).run();
        assert_eq!(done.fault(&urls[0]), "http.status");
        // Neither the one behind which something came, nor, once that was seen, any other.
        assert!(server.connections() >= 3, "{}", server.connections());
        let files = sandbox.files();
        assert_eq!((&*files["a"], &*files["b"]), (&b"good"[..], &b"good"[..]));
    }
}
