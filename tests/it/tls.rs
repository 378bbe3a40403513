//! Each bad certificate has its code; trust can be added or given up; a cut body is a failure.

use crate::certs::{Flaw, Identity, issue};
use crate::cmd::{Pull, Sandbox, skip};
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::origin::Listener;

fn trusting<'a>(sandbox: &'a Sandbox, identity: &Identity) -> Pull<'a> {
    let path = sandbox.path("ca.pem");
    std::fs::write(&path, &identity.ca_pem).unwrap();
    sandbox.pull().args(["--retry", "0"]).arg("--cacert").arg(path)
}

#[test]
fn each_bad_certificate_has_its_code() {
    for (flaw, code) in [
        (Flaw::Expired, "tls.expired"),
        (Flaw::NotYetValid, "tls.not_yet_valid"),
        (Flaw::WrongName, "tls.wrong_name"),
        (Flaw::UnknownIssuer, "tls.unknown_issuer"),
    ] {
        let identity = issue(flaw);
        let server = Plan::new().otherwise(ok(b"secret")).start_tls(&identity);
        let sandbox = Sandbox::new();
        let url = server.url("/a");
        let done = trusting(&sandbox, &identity).args([&url]).run();
        assert_eq!(done.fault(&url), code, "{:#?}", done.rows);
        done.assert_code(5);
        assert_eq!(server.log(), Vec::<String>::new(), "{flaw:?}: no request before trust");
        assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0, "{flaw:?}");

        let done = sandbox.pull().args(["--insecure", &url]).run();
        done.assert_ok(1);
        let told = done.stderr.to_lowercase();
        assert!(told.contains("insecure") || told.contains("not verified"), "no warning: {told}");
    }
}

#[test]
fn random_numbers_are_seeded_by_the_kernel_alone() {
    // What .cargo/config.toml leaves out costs each process 28 ms before its first handshake.
    let program = std::fs::read(env!("CARGO_BIN_EXE_ringpull")).unwrap();
    let has = |symbol: &str| memchr::memmem::find(&program, symbol.as_bytes()).is_some();
    if !has("_RAND_bytes") {
        return skip("the program has no symbols");
    }
    assert!(!has("_jent_entropy_collector_alloc"), "built without AWS_LC_SYS_NO_JITTER_ENTROPY=1");
}

#[test]
fn trust_must_be_given() {
    let identity = issue(Flaw::None);
    let server = Plan::new().otherwise(ok(b"body")).start_tls(&identity);
    let sandbox = Sandbox::new();
    let url = server.url("/a");
    let done = sandbox.pull().args(["--retry", "0", &url]).run();
    assert_eq!(done.fault(&url), "tls.unknown_issuer");
    trusting(&sandbox, &identity).args([&url]).run().assert_ok(1);
    // An address is a name of the certificate as well.
    let by_address = url.replace("localhost", "127.0.0.1");
    trusting(&sandbox, &identity).args([&by_address]).run().assert_ok(1);
}

#[test]
fn an_unreadable_authority_ends_the_run_before_it_starts() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("ca.pem"), b"no certificate").unwrap();
    for name in ["ca.pem", "missing.pem"] {
        let path = sandbox.path(name);
        let done = sandbox.pull().arg("--cacert").arg(&path).args([server.url("/a")]).run();
        assert!([2, 3].contains(&done.code()), "{}", done.stderr);
        assert!(done.stderr.contains(name), "{}", done.stderr);
    }
    assert_eq!(server.log(), Vec::<String>::new());
}

#[test]
fn a_body_cut_without_close_notify_is_a_failure() {
    let head = || Verb::Send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it?".to_vec());
    let identity = issue(Flaw::None);
    let server = Plan::new()
        .on("/cut", [vec![head(), Verb::Cut]])
        .on("/whole", [vec![head(), Verb::Close]])
        .start_tls(&identity);
    let sandbox = Sandbox::new();
    let urls = ["/cut", "/whole"].map(|path| server.url(path));
    let done = trusting(&sandbox, &identity).list(&urls).run();
    assert_eq!(done.fault(&urls[0]), "body.truncated");
    assert_eq!(done.row(&urls[1])["status"], "ok");
    done.assert_code(7);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["whole"]);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn plain_http_behind_https_is_a_failure() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let url = server.url("/a").replace("http:", "https:");
    // It waits for the end of a request head that will not come; the deadline ends it if TLS does
    // not.
    let done = sandbox.pull().args(["--retry", "0", "--connect-timeout", "500ms", &url]).run();
    assert!(done.fault(&url).starts_with("tls."), "{:#?}", done.rows);
    assert_ne!(done.code(), 0);
}

#[test]
fn sessions_are_resumed() {
    let served = serve();
    let sandbox = Sandbox::new();
    // Each body ends with its connection, so that each job needs another handshake.
    let urls: Vec<String> = (0..12).map(|n| served.https(&format!("/close/100/{n}"))).collect();
    let pull = sandbox.pull().args(["-x", "1"]).arg("--cacert").arg(served.ca());
    let done = pull.list(&urls).run();
    done.assert_ok(12);
    assert_eq!(served.origin.stats(Listener::Https).connections, 12);
    let resumed = done.rows.iter().filter(|row| ["true", "1"].contains(&&*row["tls_resumed"]));
    assert_eq!(resumed.count(), 11, "all but the first: {:#?}", done.rows[0]);
}

#[test]
fn a_connection_closed_along_with_its_response_serves_no_other_request() {
    // Only TLS ends; the server then waits, so a request sent on this connection stays unanswered.
    let last = vec![Verb::SendAndNotify(response("200 OK", "", b"body")), Verb::Stall];
    let identity = issue(Flaw::None);
    let server = Plan::new().otherwise(last).start_tls(&identity);
    let sandbox = Sandbox::new();
    let urls = ["/1", "/2", "/3"].map(|path| server.url(path));
    let pull = trusting(&sandbox, &identity).args(["-x", "1", "-j", "1", "--threads", "1"]);
    let done = pull.list(&urls).run();
    done.assert_ok(3);
    for url in &urls {
        assert_eq!(done.row(url)["num_retries"], "0", "{:#?}", done.rows);
    }
    assert_eq!(server.log(), ["/1", "/2", "/3"]);
    assert_eq!(server.connections(), 3);
    assert!(sandbox.files().values().all(|content| content == b"body"));
}

#[test]
fn a_host_with_its_final_dot_is_the_same_server() {
    // In `Host` it stays as it is; SNI has no final dot (RFC 6066 section 3), nor has a
    // certificate.
    let identity = issue(Flaw::None);
    let server = Plan::new().otherwise(ok(b"body")).start_tls(&identity);
    let sandbox = Sandbox::new();
    let url = server.url("/a").replace("localhost", "localhost.");
    let pull = trusting(&sandbox, &identity).args(["--resolve", &server.resolve("localhost.")]);
    pull.args([&url]).run().assert_ok(1);
    let host = format!("Host: localhost.:{}\r\n", server.port());
    assert!(server.heads("/a")[0].contains(&host), "{:?}", server.heads("/a"));
    assert_eq!(server.server_names(), ["localhost"]);
}
