//! Proxies: who is asked for what, who sees which credentials, and what a bad proxy can do.

use crate::certs::{Flaw, Identity, issue};
use crate::cmd::{Done, Pull, Sandbox};
use crate::nameserver::NameServer;
use crate::relay::{Manner, Relay, Then};
use crate::rude::{Plan, Rude, Verb, ok, redirect, response};
use crate::sockets::{RefusingPort, SilentPort};

/// Fields of every request, behind `Host`.
const FIELDS: &str = concat!(
    "User-Agent: ringpull/",
    env!("CARGO_PKG_VERSION"),
    "\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
);
/// `Basic` of `me:s3cret`.
const BASIC: &str = "Proxy-Authorization: Basic bWU6czNjcmV0\r\n";

fn trusting<'a>(sandbox: &'a Sandbox, identity: &Identity) -> Pull<'a> {
    let path = sandbox.path("ca.pem");
    std::fs::write(&path, &identity.ca_pem).unwrap();
    sandbox.pull().arg("--cacert").arg(path)
}

/// Nothing that the run left shows the password.
fn assert_secret(sandbox: &Sandbox, done: &Done) {
    for name in ["report.csv", "stats.json"] {
        let text = std::fs::read_to_string(sandbox.path(name)).unwrap_or_default();
        assert!(!text.contains("s3cret") && !text.contains("bWU6"), "{name}: {text}");
    }
    assert!(!done.stderr.contains("s3cret") && !done.stderr.contains("bWU6"), "{}", done.stderr);
}

fn assert_no_proxy_field(head: &str) {
    assert!(!head.to_lowercase().contains("proxy"), "{head}");
}

#[test]
fn an_http_proxy_is_asked_for_whole_urls() {
    let origin = Plan::new().otherwise(ok(b"body")).start();
    let relay = Relay::start(Manner::Http);
    let sandbox = Sandbox::new();
    let url = origin.url_at("a.example", "/x?y=1#z");
    let proxy = format!("me:s3cret@{}", relay.addr());
    let pull = sandbox.pull().args(["--proxy", &proxy, "--stats"]).arg(sandbox.path("stats.json"));
    let done = pull.args([&url]).run();
    done.assert_ok(1);
    let host = format!("Host: a.example:{}\r\n", origin.port());
    let asked =
        format!("GET {} HTTP/1.1\r\n{host}{FIELDS}{BASIC}\r\n", url.strip_suffix("#z").unwrap());
    assert_eq!(relay.messages(), [asked]);
    assert_eq!(origin.heads("/x?y=1"), [format!("GET /x?y=1 HTTP/1.1\r\n{host}{FIELDS}\r\n")]);
    assert_eq!(done.rows[0]["remote_ip"], "127.0.0.2");
    assert!(!done.stderr.contains("environment"), "{}", done.stderr);
    assert_secret(&sandbox, &done);
}

#[test]
fn https_goes_through_a_tunnel_to_the_origins_own_certificate() {
    let identity = issue(Flaw::None);
    let origin = Plan::new().otherwise(ok(b"body")).start_tls(&identity);
    let relay = Relay::start(Manner::Http);
    let sandbox = Sandbox::new();
    let url = origin.url("/x");
    let proxy = ["--proxy", &format!("http://{}/", relay.addr()), "--proxy-user", "me:s3cret"];
    let fields = ["-H", "Authorization: Bearer t0ken", "-u", "you:other"];
    let pull = trusting(&sandbox, &identity).args(proxy).args(fields);
    let done = pull.args([&url]).run();
    done.assert_ok(1);
    let authority = format!("localhost:{}", origin.port());
    let user_agent = FIELDS.split_inclusive("\r\n").next().unwrap();
    let asked =
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{user_agent}{BASIC}\r\n");
    assert_eq!(relay.messages(), [asked]);
    let sent = format!(
        "GET /x HTTP/1.1\r\nHost: {authority}\r\n{FIELDS}Authorization: Bearer t0ken\r\n\r\n"
    );
    assert_eq!(origin.heads("/x"), [sent]);
    assert_eq!(done.rows[0]["remote_ip"], "127.0.0.2");
    assert_secret(&sandbox, &done);

    for (flaw, code) in [(Flaw::WrongName, "tls.wrong_name"), (Flaw::Expired, "tls.expired")] {
        let identity = issue(flaw);
        let origin = Plan::new().otherwise(ok(b"body")).start_tls(&identity);
        let url = origin.url("/x");
        let done = trusting(&sandbox, &identity).args(proxy).args([&url]).run();
        assert_eq!(done.fault(&url), code);
        assert_eq!(origin.log(), Vec::<String>::new());
    }
}

#[test]
fn socks_proxies_carry_both_schemes() {
    let identity = issue(Flaw::None);
    let origins = [
        Plan::new().otherwise(ok(b"body")).start(),
        Plan::new().otherwise(ok(b"body")).start_tls(&identity),
    ];
    for origin in &origins {
        let port = origin.port().to_be_bytes();
        let named = [b"\x05\x01\x00\x03\x09localhost", &port[..]].concat();
        let numbered = [b"\x05\x01\x00\x01\x7f\x00\x00\x01", &port[..]].concat();
        let login = b"\x01\x02me\x06s3cret".to_vec();
        let without = vec![5, 1, 0];
        let cases = [
            ("socks5h://", vec![without.clone(), named.clone()]),
            ("socks5://", vec![without, numbered]),
            ("socks5h://me:s3%63ret@", vec![vec![5, 2, 0, 2], login, named]),
        ];
        for (front, expected) in cases {
            let relay = Relay::start(Manner::Socks);
            let sandbox = Sandbox::new();
            let url = origin.url("/x").replace("127.0.0.1", "localhost");
            let resolve = format!("localhost:{}:127.0.0.1", origin.port());
            let pull = trusting(&sandbox, &identity).args(["--resolve", &resolve]);
            let done = pull.args(["--proxy", &format!("{front}{}", relay.addr()), &url]).run();
            done.assert_ok(1);
            assert_eq!(relay.bytes(), expected, "{front}");
            assert_secret(&sandbox, &done);
        }
        assert_eq!(origin.heads("/x").len(), 3);
        for head in origin.heads("/x") {
            assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
            assert_no_proxy_field(&head);
        }
    }
}

#[test]
fn a_socks_proxy_is_asked_for_each_address() {
    let origin = Plan::new().otherwise(ok(b"body")).start();
    let relay = Relay::start(Manner::Socks);
    let sandbox = Sandbox::new();
    let proxy = format!("socks5://{}", relay.addr());
    let resolve = format!("a.example:{}:[::1],127.0.0.1", origin.port());
    let pull = || sandbox.pull().args(["--retry", "0", "--proxy", &proxy, "--resolve", &resolve]);
    let url = origin.url_at("a.example", "/x");
    pull().args([&url]).run().assert_ok(1);
    let kinds: Vec<Option<u8>> =
        relay.bytes().iter().map(|message| message.get(3).copied()).collect();
    assert_eq!(kinds, [None, Some(4), None, Some(1)]);
    let resolve = format!("b.example:{}:[::1]", origin.port());
    let url = origin.url_at("b.example", "/x");
    let done = pull().args(["--resolve", &resolve, &url]).run();
    assert_eq!(done.fault(&url), "connect.socks");
    let message = &done.row(&url)["error_message"];
    assert!(message.contains("address type") && message.contains("for ::1"), "{message}");
}

#[test]
fn a_field_for_the_proxy_reaches_no_origin() {
    let identity = issue(Flaw::None);
    let plain = Plan::new().otherwise(ok(b"body")).start();
    let secure = Plan::new().otherwise(ok(b"body")).start_tls(&identity);
    let relay = Relay::start(Manner::Http);
    let sandbox = Sandbox::new();
    let urls = [plain.url_at("a.example", "/1"), secure.url("/2"), plain.url("/3")];
    let pull = trusting(&sandbox, &identity).args(["--noproxy", "127.0.0.1"]);
    let pull = pull.args(["-H", "proxy-authorization: Bearer s3cret", "--proxy"]);
    let done = pull.arg(relay.addr().to_string()).list(&urls).run();
    done.assert_ok(3);
    let mut asked = relay.messages();
    asked.sort();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].starts_with("CONNECT ") && asked[1].starts_with("GET http://a.example:"));
    for message in asked {
        assert_eq!(message.matches("Proxy-Authorization: Bearer s3cret\r\n").count(), 1);
    }
    for head in [plain.heads("/1"), secure.heads("/2"), plain.heads("/3")].concat() {
        assert_no_proxy_field(&head);
    }
    assert_secret(&sandbox, &done);

    // A line has no say in it, since one tunnel serves many lines.
    let lines = [plain.url("/4"), " header=Proxy-Authorization: Bearer s3cret".to_owned()];
    let done = sandbox.pull().list(&lines).run();
    assert_eq!(done.fault(&lines[0]), "input.option");
    assert!(done.rows[0]["error_message"].contains("--proxy-user"), "{:?}", done.rows);
    assert_secret(&sandbox, &done);
    // And without a proxy nobody gets it.
    let pull = sandbox.pull().args(["-H", "Proxy-Authorization: Bearer s3cret"]);
    pull.args([plain.url("/5")]).run().assert_ok(1);
    assert_no_proxy_field(&plain.heads("/5")[0]);
}

#[test]
fn redirects_go_the_way_of_their_new_host() {
    let near = Plan::new().on("/end", [ok(b"near")]).start();
    let near_url = near.url_at("near.example", "/end");
    let far = Plan::new()
        .on("/to-near", [redirect(&near_url)])
        .on("/end", [ok(b"far")])
        .on("/to-far", [redirect("/end")])
        .start();
    let gate = Plan::new().on("/out", [redirect(&far.url_at("far.example", "/end"))]).start();
    let relay = Relay::start(Manner::Http);
    let sandbox = Sandbox::new();
    let urls = [
        far.url_at("far.example", "/to-near"),
        gate.url_at("gate.near.example", "/out"),
        far.url_at("far.example", "/to-far"),
    ];
    let pull = sandbox.pull().args(["--noproxy", "near.example", "--proxy"]);
    let pull = pull.arg(format!("http://me:s3cret@{}", relay.addr()));
    let pull = pull.args(["--resolve", &near.resolve("near.example")]);
    let pull = pull.args(["--resolve", &gate.resolve("gate.near.example")]);
    let done = pull.args(["-H", "Cookie: c=1"]).list(&urls).run();
    done.assert_ok(3);
    assert_eq!(relay.messages().len(), 4, "{:?}", relay.messages());
    for message in relay.messages() {
        assert!(message.starts_with("GET http://far.example:"), "{message}");
        assert!(message.contains(BASIC), "{message}");
    }
    assert_eq!(near.heads("/end").len() + gate.heads("/out").len(), 2);
    for head in [near.heads("/end"), gate.heads("/out"), far.heads("/end")].concat() {
        assert!(!head.contains("http://"), "{head}");
        assert_no_proxy_field(&head);
    }
    assert!(!near.heads("/end")[0].contains("Cookie"), "another origin");
    assert_eq!(done.row(&urls[0])["remote_ip"], "127.0.0.1");
    assert_eq!(done.row(&urls[1])["remote_ip"], "127.0.0.2");
}

#[test]
fn the_environment_says_which_proxy() {
    let identity = issue(Flaw::None);
    let plain = Plan::new().otherwise(ok(b"body")).start();
    let secure = Plan::new().otherwise(ok(b"body")).start_tls(&identity);
    let relay = Relay::start(Manner::Http);
    let proxy = format!("http://me:s3cret@{}", relay.addr());
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], [bool; 2]);
    let cases: [Case<'_>; 9] = [
        (&[("http_proxy", &proxy)], &[], [true, false]),
        // A CGI program's client can set this one.
        (&[("HTTP_PROXY", &proxy)], &[], [false, false]),
        (&[("https_proxy", &proxy)], &[], [false, true]),
        (&[("HTTPS_PROXY", &proxy)], &[], [false, true]),
        (&[("ALL_PROXY", &proxy)], &[], [true, true]),
        (&[("all_proxy", &proxy)], &["--proxy", ""], [false, false]),
        (&[("all_proxy", &proxy), ("no_proxy", "127.0.0.0/8")], &[], [false, true]),
        (&[("all_proxy", &proxy), ("NO_PROXY", "*")], &[], [false, false]),
        (&[("all_proxy", &proxy)], &["--noproxy", "localhost", "-q"], [true, false]),
    ];
    for (environment, args, expected) in cases {
        let sandbox = Sandbox::new();
        let urls = [plain.url("/x"), secure.url("/x")];
        let mut pull = trusting(&sandbox, &identity).args(args);
        for (name, value) in environment {
            pull = pull.env(name, value);
        }
        let done = pull.list(&urls).run();
        done.assert_ok(2);
        let is_proxied = [0, 1].map(|n| done.row(&urls[n])["remote_ip"] == "127.0.0.2");
        assert_eq!(is_proxied, expected, "{environment:?} {args:?}");
        let is_told = done.stderr.contains("note: the environment sends ");
        let is_due = !args.contains(&"--proxy") && !args.contains(&"-q");
        let names_proxy = environment[0].0 != "HTTP_PROXY";
        assert_eq!(is_told, is_due && names_proxy, "{environment:?}: {}", done.stderr);
        assert_secret(&sandbox, &done);
    }
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().env("all_proxy", "https://me:s3cret@127.0.0.2:1");
    let done = pull.args([plain.url("/x")]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("all_proxy") && done.stderr.contains("--proxy ''"));
    assert_secret(&sandbox, &done);
}

#[test]
fn connections_through_proxies_are_reused() {
    let identity = issue(Flaw::None);
    let origins = [
        Plan::new().otherwise(ok(b"body")).start(),
        Plan::new().otherwise(ok(b"body")).start_tls(&identity),
    ];
    for (origin, manner, messages) in [
        (&origins[0], Manner::Http, 5),
        (&origins[1], Manner::Http, 1),
        (&origins[0], Manner::Socks, 2),
        (&origins[1], Manner::Socks, 2),
    ] {
        let sandbox = Sandbox::new();
        let scheme = if matches!(manner, Manner::Http) { "http" } else { "socks5h" };
        let relay = Relay::start(manner);
        let proxy = format!("{scheme}://{}", relay.addr());
        let urls: Vec<String> = (0..5).map(|n| origin.url(&format!("/{n}"))).collect();
        let pull = trusting(&sandbox, &identity).args(["-x", "1", "--proxy", &proxy]);
        pull.list(&urls).run().assert_ok(5);
        assert_eq!((relay.connections(), relay.messages().len()), (1, messages), "{scheme}");
    }
}

#[test]
fn a_tunnel_that_the_proxy_closes_is_opened_again() {
    let origin = Plan::new().otherwise(ok(b"body")).start();
    let relay = Relay::start(Manner::SocksOnce);
    let sandbox = Sandbox::new();
    let proxy = format!("socks5h://{}", relay.addr());
    let urls: Vec<String> = (0..4).map(|n| origin.url(&format!("/{n}"))).collect();
    let pull = sandbox.pull().args(["-x", "1", "--retry", "0", "--proxy", &proxy]);
    pull.list(&urls).run().assert_ok(4);
    assert_eq!(relay.connections(), 4);

    // In the middle of a body it is a cut.
    let half = response("200 OK", "", b"half of it")[..44].to_vec();
    let origin = Plan::new().otherwise(vec![Verb::Send(half), Verb::Stall]).start();
    let url = origin.url("/x");
    let done = sandbox.pull().args(["--retry", "0", "--proxy", &proxy, &url]).run();
    assert_eq!(done.fault(&url), "body.truncated", "{:?}", done.rows);
    assert!(!sandbox.files().contains_key("x"));
}

/// One URL through a proxy, once. The timeout is short where it is what is waited for.
fn fault(proxy: &str, url: &str, timeout: &str) -> (String, String, i32) {
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--retry", "0", "--connect-timeout", timeout]);
    let done = pull.args(["--proxy", proxy, url]).run();
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
    assert_secret(&sandbox, &done);
    let message = done.row(url)["error_message"].clone();
    (done.fault(url).to_owned(), message, done.code())
}

#[test]
fn a_tunnel_that_is_refused_is_a_failure() {
    let answer = |bytes: &[u8]| Manner::Says(vec![bytes.to_vec()], Then::Hold);
    let after_greeting = |bytes: &[u8]| Manner::Says(vec![vec![5, 0], bytes.to_vec()], Then::Hold);
    let after_login = |bytes: &[u8]| Manner::Says(vec![vec![5, 2], bytes.to_vec()], Then::Hold);
    let body = response("407 No", "Proxy-Authenticate: Basic\r\n", b"a body");
    let moved = response("302 Found", "Location: http://evil.example/\r\n", b"");
    let early = b"HTTP/1.1 200 OK\r\n\r\n\x16\x03\x03";
    let mut large = b"HTTP/1.1 200 OK\r\n".to_vec();
    for _ in 0..200 {
        large.extend_from_slice(format!("A: {}\r\n", "a".repeat(1_000)).as_bytes());
    }
    let cases = [
        ("http", answer(&body), "connect.proxy_status", "407", 6),
        ("http", answer(&moved), "connect.proxy_status", "302", 8),
        ("http", answer(b"HTTP/1.1 503 x\r\n\r\n"), "connect.proxy_status", "503", 8),
        ("http", answer(b"SSH-2.0-x\r\n"), "connect.proxy_protocol", "http.version", 7),
        ("http", answer(b"HTTP/1.1 200 OK\r\na b\r\n\r\n"), "connect.proxy_protocol", "http.", 7),
        ("http", answer(early), "connect.proxy_protocol", "asked for", 7),
        ("http", answer(&large), "connect.proxy_protocol", "http.head_too_large", 7),
        ("socks5h", answer(b"HTTP/1.1 400 x\r\n\r\n"), "connect.proxy_protocol", "SOCKS", 7),
        ("socks5h", answer(&[5, 0xff]), "connect.proxy_auth", "log in", 6),
        ("socks5h", after_login(&[1, 1]), "connect.proxy_auth", "password", 6),
        ("socks5h", after_greeting(&[5, 2]), "connect.socks", "ruleset", 4),
        ("socks5h", after_greeting(&[5, 4, 0, 1]), "connect.socks", "host unreachable", 4),
        ("socks5h", after_greeting(&[4, 90]), "connect.proxy_protocol", "SOCKS", 7),
    ];
    for (scheme, manner, code, words, exit) in cases {
        let shown = format!("{manner:.60?}");
        let relay = Relay::start(manner);
        let proxy = format!("{scheme}://me:s3cret@{}", relay.addr());
        let (actual, message, status) = fault(&proxy, "https://a.example/x", "40s");
        assert_eq!((actual.as_str(), status), (code, exit), "{shown}: {message}");
        assert!(message.contains(words), "{shown}: {message}");
        assert!(message.contains(&relay.addr().to_string()), "it names the proxy: {message}");
    }
}

#[test]
fn a_proxy_that_never_finishes_is_left() {
    let says = |bytes: &[u8], then| Manner::Says(vec![bytes.to_vec()], then);
    let silent = SilentPort::new();
    let refusing = RefusingPort::new();
    let cases = [
        ("http", says(b"", Then::Hold), "connect.timeout"),
        ("http", says(b"HTTP/1.1 200 OK\r\n", Then::Hold), "connect.timeout"),
        ("http", says(b"HTTP/1.1 200 OK\r\nA: ", Then::Drip(b'a')), "connect.timeout"),
        ("http", says(b"HTTP/1.1 200 OK\r\n", Then::Close), "connect.closed"),
        ("http", says(b"", Then::Close), "connect.closed"),
        ("http", says(b"HTTP/1.1 200 OK\r\n\r\n", Then::Hold), "tls.timeout"),
        ("http", says(b"HTTP/1.1 200 OK\r\n\r\n", Then::Close), "tls."),
        ("socks5h", says(b"", Then::Hold), "connect.timeout"),
        ("socks5h", says(&[5], Then::Hold), "connect.timeout"),
        ("socks5h", says(&[5], Then::Close), "connect.closed"),
        ("socks5h", Manner::Says(vec![vec![5, 0], Vec::new()], Then::Hold), "connect.timeout"),
    ];
    for (scheme, manner, code) in cases {
        let shown = format!("{scheme} {manner:?}");
        let relay = Relay::start(manner);
        let proxy = format!("{scheme}://{}", relay.addr());
        let timeout = match code {
            "connect.timeout" => "300ms",
            // There is a tunnel to be opened before.
            "tls.timeout" => "3s",
            _ => "40s",
        };
        let (actual, message, _) = fault(&proxy, "https://a.example/x", timeout);
        assert!(actual.starts_with(code), "{shown}: {actual} {message}");
    }
    for (port, code) in [(silent.port, "connect.timeout"), (refusing.port, "connect.refused")] {
        let proxy = format!("me:s3cret@127.0.0.1:{port}");
        let timeout = if code == "connect.timeout" { "300ms" } else { "40s" };
        let (actual, message, status) = fault(&proxy, "http://a.example/x", timeout);
        assert_eq!((actual.as_str(), status), (code, 4));
        assert!(message.contains(&format!("proxy http://127.0.0.1:{port}")), "{message}");
    }
}

#[test]
fn a_forwarding_proxy_that_asks_for_credentials_is_an_answer() {
    let body = response("407 No", "Proxy-Authenticate: Basic\r\n", b"a body");
    let relay = Relay::start(Manner::Says(vec![body], Then::Hold));
    let (code, _, exit) = fault(&relay.addr().to_string(), "http://a.example/x", "40s");
    assert_eq!((code.as_str(), exit), ("http.status", 6));
}

#[test]
fn a_passing_refusal_is_tried_again() {
    let origin = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let refused = RefusingPort::new();
    let relay = Relay::start(Manner::Socks);
    let url = format!("http://a.example:{}/x", refused.port);
    let urls = [url, origin.url("/y")];
    let pull = sandbox.pull().args(["--retry", "2", "--retry-delay", "1ms", "--proxy"]);
    let done = pull.arg(format!("socks5h://{}", relay.addr())).list(&urls).run();
    assert_eq!(done.fault(&urls[0]), "connect.socks");
    assert_eq!(done.row(&urls[0])["num_retries"], "2");
    assert_eq!(done.row(&urls[1])["status"], "ok", "one URL's failure is no other's");
}

#[test]
fn the_name_of_a_proxy_is_looked_up_as_others_are() {
    let origin: Rude = Plan::new().otherwise(ok(b"body")).start();
    let relay = Relay::start(Manner::Http);
    let names = NameServer::local(&["other.example"]);
    let sandbox = Sandbox::new();
    let (url, port) = (origin.url_at("a.example", "/x"), relay.port());
    let pull = || sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
    let done = pull().args(["--proxy", "http://me:s3cret@gone.example", &url]).run();
    assert_eq!(done.fault(&url), "resolve.not_found");
    let message = &done.row(&url)["error_message"];
    assert!(message.contains("proxy http://gone.example:1080"), "{message}");
    assert_secret(&sandbox, &done);

    let resolve = format!("p.example:{port}:127.0.0.2");
    let pull = pull().args(["--resolve", &resolve, "--proxy", &format!("p.example:{port}")]);
    pull.args([&url]).run().assert_ok(1);
    assert_eq!(names.asked("a.example", crate::nameserver::A), 0, "the proxy looks it up");
}
