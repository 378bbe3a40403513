//! Redirects are followed, limited, and never carry credentials to another origin.

use crate::cmd::Sandbox;
use crate::fetch::content;
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok, redirect, response};
use ringpull::origin;

#[test]
fn every_status_and_form_of_location() {
    let served = serve();
    let sandbox = Sandbox::new();
    let body = origin::body("/bytes/40/to", 40);
    let absolute = served.http("/bytes/40/to").replace(':', "%3A");
    let mut urls = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        urls.push(served.http(&format!("/redirect-to?status={status}&url=/bytes/40/to")));
        urls.push(served.http(&format!("/redirect-to?status={status}&url={absolute}")));
    }
    urls.push(served.http("/redirect-to?url=bytes/40/to"));
    urls.push(served.http("/redirect-to?url=x/../bytes/./40/to"));
    urls.push(served.http(&format!("/redirect-to?url=//127.0.0.1:{}/bytes/40/to", served.port())));
    urls.push(served.http("/redirect-to?url=/bytes/40/to%23fragment"));
    let done = sandbox.pull().list(&urls).run();
    done.assert_ok(urls.len());
    for url in &urls {
        let row = done.row(url);
        assert_eq!((row["num_redirects"].as_str(), row["response_code"].as_str()), ("1", "200"));
        assert!(row["url_effective"].starts_with(&served.http("/bytes/40/to")), "{row:#?}");
        assert!(content(row) == body, "{url}");
    }
}

#[test]
fn hops_are_counted_and_a_loop_ends() {
    let served = serve();
    let server = Plan::new().on("/loop", [redirect("/loop")]).start();
    let sandbox = Sandbox::new();
    let urls = [
        served.http("/redirect/5/bytes/9/five"),
        served.http("/redirect/6/bytes/9/six"),
        server.url("/loop"),
    ];
    let done = sandbox.pull().args(["--max-redirs", "5"]).list(&urls).run();
    assert_eq!(done.row(&urls[0])["num_redirects"], "5");
    assert_eq!(done.row(&urls[0])["status"], "ok");
    for url in &urls[1..] {
        assert_eq!(done.fault(url), "http.redirects");
        assert_eq!(done.row(url)["num_retries"], "0");
    }
    assert_ne!(done.code(), 0);
    assert_eq!(server.log().len(), 6, "the first request and five hops");
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["five"]);
}

#[test]
fn credentials_stay_with_their_origin() {
    let server = Plan::new()
        .on("/same", [redirect("/end-same")])
        .on("/end-same", [ok(b"same")])
        .on("/end-other", [ok(b"other")])
        .otherwise(vec![Verb::Send(response("404 Not Found", "", b""))]);
    let other = Plan::new().otherwise(ok(b"other")).start();
    // Another host at the same port, and another port of the same host.
    let server = server
        .on("/port", [redirect(&other.url("/end-port"))])
        .on("/host", [redirect(&other.url_at("other.example", "/end-host"))])
        .start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-H", "Authorization: Bearer t0ken", "-H", "Cookie: c=1"]);
    let pull = pull.args(["-H", "X-Kept: yes", "--resolve", &other.resolve("other.example")]);
    let done = pull.list(["/same", "/port", "/host"].map(|path| server.url(path))).run();
    done.assert_ok(3);
    let has_secrets = |head: &str| {
        let head = head.to_lowercase();
        (head.contains("authorization: bearer t0ken"), head.contains("cookie: c=1"))
    };
    for path in ["/same", "/port", "/host", "/end-same"] {
        assert_eq!(has_secrets(&server.heads(path)[0]), (true, true), "{path}");
    }
    for path in ["/end-port", "/end-host"] {
        let heads = other.heads(path);
        assert_eq!(has_secrets(&heads[0]), (false, false), "{path}\n{}", heads[0]);
        assert!(heads[0].to_lowercase().contains("x-kept: yes"), "{path}\n{}", heads[0]);
    }
}

#[test]
fn https_does_not_become_http_unless_allowed() {
    let served = serve();
    let target = served.http("/bytes/7/plain").replace(':', "%3A");
    let url = served.https(&format!("/redirect-to?url={target}"));
    let sandbox = Sandbox::new();
    let done = sandbox.pull().arg("--cacert").arg(served.ca()).args([&url]).run();
    assert_eq!(done.fault(&url), "http.downgrade");
    assert_eq!(served.requests(), 1, "nothing was asked of the http origin");
    assert_ne!(done.code(), 0);
    let pull = sandbox.pull().arg("--cacert").arg(served.ca()).arg("--allow-downgrade");
    pull.args([&url]).run().assert_ok(1);
    assert_eq!(served.requests(), 3);

    let target = served.https("/bytes/7/secure").replace(':', "%3A");
    let url = served.http(&format!("/redirect-to?url={target}"));
    let done = sandbox.pull().arg("--cacert").arg(served.ca()).args([&url]).run();
    done.assert_ok(1);
}

#[test]
fn the_name_is_that_of_the_first_url() {
    let server = Plan::new()
        .on("/wanted.bin", [redirect("/../../other.exe")])
        .otherwise(ok(b"body"))
        .start();
    let sandbox = Sandbox::new();
    sandbox.pull().args([server.url("/wanted.bin")]).run().assert_ok(1);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["wanted.bin"]);
}

#[test]
fn a_location_that_is_none_says_why_and_no_secret() {
    let cases = [
        ("http://me:secret@[::1/", "the host in the Location is not a name or an address"),
        ("http://me:secret@h:0/", "the port in the Location"),
        ("http://me:secret@", "the Location has no host"),
        ("http://me:secret@h%2f/", "percent sign"),
        ("/\\me:secret@h/", "backslash"),
        ("ftp://me:secret@h/", "neither http nor https"),
        ("http:me:secret@h", "the Location is not a URL"),
    ];
    let paths: Vec<String> = (0..cases.len()).map(|n| format!("/{n}")).collect();
    let each = paths.iter().zip(&cases);
    let plan = each.fold(Plan::new(), |plan, (path, (to, _))| plan.on(path, [redirect(to)]));
    let server = plan.start();
    let sandbox = Sandbox::new();
    let done = sandbox.pull().list(paths.iter().map(|path| server.url(path))).run();
    for (path, (to, told)) in paths.iter().zip(&cases) {
        let row = done.row(&server.url(path));
        assert_eq!(row["error_code"], "http.location");
        assert!(row["error_message"].contains(told), "{to}: {row:#?}");
        assert!(!row.values().any(|cell| cell.contains("secret")), "{row:#?}");
    }
    assert!(!done.stderr.contains("secret"), "{}", done.stderr);
}

#[test]
fn servers_are_asked_for_what_was_given() {
    let server = Plan::new()
        .on("/from", [redirect("/to/%2e%2e/|\"<>^`{}'%7e?'q'|{}&x= y")])
        .otherwise(ok(b"x"))
        .start();
    let sandbox = Sandbox::new();
    let given = "/a/%2e%2e/|\"<>^`{}'%7e?'q'|{}";
    sandbox.pull().list([server.url("/from"), server.url(given)]).run().assert_ok(2);
    let mut log = server.log();
    log.sort();
    assert_eq!(log, [given, "/from", "/to/%2e%2e/|\"<>^`{}'%7e?'q'|{}&x=%20y"]);
}

#[test]
fn a_redirect_that_leads_nowhere_is_a_failure() {
    let server = Plan::new()
        .on("/none", [vec![Verb::Send(response("302 Found", "", b"body"))]])
        .on("/scheme", [redirect("ftp://127.0.0.1/x")])
        .on("/file", [redirect("file:///etc/passwd")])
        .start();
    let sandbox = Sandbox::new();
    let urls = ["/none", "/scheme", "/file"].map(|path| server.url(path));
    let done = sandbox.pull().list(&urls).run();
    for url in &urls {
        assert_eq!(done.row(url)["status"], "failed");
        assert_eq!(done.row(url)["num_retries"], "0");
        assert!(done.fault(url).starts_with("http."), "{:#?}", done.row(url));
    }
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
}
