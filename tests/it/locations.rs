//! Locations that servers send, well meant and not: every form of RFC 3986, what cannot be
//! followed, what is encoded on the way, and what stays behind at the border of an origin.

use crate::certs::{Flaw, issue};
use crate::cmd::{Done, Sandbox};
use crate::rude::{Plan, Rude, Script, Verb, ok, redirect, response};

/// References of RFC 3986 section 5.4 with what they are from `/b/c/d;p?q`, and where the URL of a
/// web browser differs from the RFC, that one.
const REFERENCES: [(&str, &str); 39] = [
    ("g", "/b/c/g"),
    ("./g", "/b/c/g"),
    ("g/", "/b/c/g/"),
    ("/g", "/g"),
    ("?y", "/b/c/d;p?y"),
    ("g?y", "/b/c/g?y"),
    ("g#s", "/b/c/g"),
    ("g?y#s", "/b/c/g?y"),
    (";x", "/b/c/;x"),
    ("g;x", "/b/c/g;x"),
    ("g;x?y#s", "/b/c/g;x?y"),
    (".", "/b/c/"),
    ("./", "/b/c/"),
    ("..", "/b/"),
    ("../", "/b/"),
    ("../g", "/b/g"),
    ("../..", "/"),
    ("../../", "/"),
    ("../../g", "/g"),
    ("../../../g", "/g"),
    ("../../../../g", "/g"),
    ("/./g", "/g"),
    ("/../g", "/g"),
    ("g.", "/b/c/g."),
    (".g", "/b/c/.g"),
    ("g..", "/b/c/g.."),
    ("..g", "/b/c/..g"),
    ("./../g", "/b/g"),
    ("./g/.", "/b/c/g/"),
    ("g/./h", "/b/c/g/h"),
    ("g/../h", "/b/c/h"),
    ("g;x=1/./y", "/b/c/g;x=1/y"),
    ("g;x=1/../y", "/b/c/y"),
    ("g?y/./x", "/b/c/g?y/./x"),
    ("g?y/../x", "/b/c/g?y/../x"),
    ("g#s/./x", "/b/c/g"),
    ("g#s/../x", "/b/c/g"),
    (" \t/spaces \t", "/spaces"),
    ("//HOST:PORT/g", "/g"),
];

/// What is sent on as it should have been written.
const ENCODED: [(&[u8], &str); 13] = [
    (b"/a b", "/a%20b"),
    (b"/a?b c", "/a?b%20c"),
    ("/\u{e9}?\u{e9}".as_bytes(), "/%C3%A9?%C3%A9"),
    (b"/\xe9", "/%E9"),
    (b"/\xff\xfe", "/%FF%FE"),
    (b"/%zz%", "/%zz%"),
    (b"/%2F%00%c3", "/%2F%00%c3"),
    (b"/a%20b", "/a%20b"),
    (b"/\"<>`{}", "/\"<>`{}"),
    (b"/a//b///", "/a//b///"),
    (b"/a:b@c", "/a:b@c"),
    (b"/%2e%2e/%2E/c", "/%2e%2e/%2E/c"),
    (b"/?", "/?"),
];

/// What leads nowhere.
const USELESS: [&[u8]; 34] = [
    b"",
    b" \t ",
    b"ftp://HOST:PORT/x",
    b"file:///etc/passwd",
    b"javascript:alert(1)",
    b"data:text/plain,hello",
    b"about:blank",
    b"mailto:a@b",
    b"gopher://HOST:PORT/x",
    b"ws://HOST:PORT/x",
    b"httpx://HOST:PORT/x",
    b"view-source:http://HOST:PORT/x",
    b"g:h",
    b"http:",
    b"http:g",
    b"http:/g",
    b"http://",
    b"http:///g",
    b"http://:80/",
    b"http://?a",
    b"http://HOST:0/",
    b"http://HOST:65536/",
    b"http://HOST:port/",
    b"http://HOST:-1/",
    b"http://HOST:80:80/",
    b"http://[::1/",
    b"http://HOST%2Fx:PORT/",
    b"http://HOST PORT/",
    b"//",
    b"///g",
    b"\\\\HOST:PORT\\x",
    b"/a\\b",
    b"/a\tb",
    b"http://HOST:PORT\\@x/",
];

/// A redirect whose Location is these bytes, with HOST and PORT filled in.
fn to(location: &[u8], port: u16) -> Script {
    let mut bytes = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation:".to_vec();
    let mut rest = location;
    while let Some((first, after)) = rest.split_first() {
        let fills = [("HOST", "127.0.0.1".to_owned()), ("PORT", port.to_string())];
        match fills.iter().find(|(name, _)| rest.starts_with(name.as_bytes())) {
            Some((name, value)) => {
                bytes.extend_from_slice(value.as_bytes());
                rest = &rest[name.len()..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(b"\r\n\r\n");
    vec![Verb::Send(bytes)]
}

/// Where redirects of another server lead: everything is there.
fn everything() -> Rude {
    Plan::new().otherwise(ok(b"there")).start()
}

fn effective(done: &Done, url: &str) -> String {
    done.row(url)["url_effective"].clone()
}

#[test]
fn every_reference_of_rfc_3986() {
    let elsewhere = everything();
    let mut plan = Plan::new().otherwise(ok(b"there"));
    for (n, (reference, _)) in REFERENCES.iter().enumerate() {
        let path = format!("/b/c/d;p?q{n}");
        plan = plan.on(&path, [to(reference.as_bytes(), elsewhere.port())]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> =
        (0..REFERENCES.len()).map(|n| server.url(&format!("/b/c/d;p?q{n}"))).collect();
    let done = sandbox.pull().list(&urls).run();
    done.assert_ok(urls.len());
    for ((reference, wanted), url) in REFERENCES.iter().zip(&urls) {
        let at = if reference.starts_with("//") { &elsewhere } else { &server };
        assert_eq!(effective(&done, url), at.url(wanted), "{reference}");
    }
}

#[test]
fn what_is_not_written_as_a_url_is_encoded() {
    let mut plan = Plan::new().otherwise(ok(b"there"));
    for (n, (location, _)) in ENCODED.iter().enumerate() {
        plan = plan.on(&format!("/from{n}"), [to(location, 1)]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..ENCODED.len()).map(|n| server.url(&format!("/from{n}"))).collect();
    let done = sandbox.pull().list(&urls).run();
    done.assert_ok(urls.len());
    for ((location, wanted), url) in ENCODED.iter().zip(&urls) {
        let shown = location.escape_ascii();
        assert_eq!(effective(&done, url), server.url(wanted), "{shown}");
        assert!(server.log().iter().any(|path| path == wanted), "{shown}: {:?}", server.log());
    }
    for head in server.log().iter().flat_map(|path| server.heads(path)) {
        assert!(head.is_ascii() && head.matches(' ').count() >= 2, "{head}");
        assert_eq!(head.lines().next().unwrap().split(' ').count(), 3, "{head}");
    }
}

#[test]
fn what_leads_nowhere_is_a_failure_and_asks_nobody() {
    let elsewhere = everything();
    let long = [b"/".as_slice(), &b"x".repeat(70_000)].concat();
    let locations: Vec<&[u8]> = USELESS.into_iter().chain([long.as_slice()]).collect();
    let mut plan = Plan::new().otherwise(ok(b"there"));
    for (n, location) in locations.iter().enumerate() {
        plan = plan.on(&format!("/from{n}"), [to(location, elsewhere.port())]);
    }
    let several: [&[&str]; 5] =
        [&["/a", "/b"], &["/a", ""], &["", "/a"], &["/a", "/a#b"], &["/a", "/a", "/b"]];
    for (n, values) in several.iter().enumerate() {
        let fields: String = values.iter().map(|value| format!("Location: {value}\r\n")).collect();
        let script = vec![Verb::Send(response("302 Found", &fields, b""))];
        plan = plan.on(&format!("/several{n}"), [script]);
    }
    let server = plan.start();
    let mut urls: Vec<String> =
        (0..locations.len()).map(|n| server.url(&format!("/from{n}"))).collect();
    urls.extend((0..several.len()).map(|n| server.url(&format!("/several{n}"))));
    let sandbox = Sandbox::new();
    let done = sandbox.pull().list(&urls).run();
    assert_eq!(done.rows.len(), urls.len());
    for (n, url) in urls.iter().enumerate() {
        let row = done.row(url);
        let location = locations.get(n).map(|location| location.escape_ascii().to_string());
        let told = (row["error_code"].as_str(), row["num_retries"].as_str());
        assert_eq!(told, ("http.location", "0"), "{location:?} {row:#?}");
        assert_eq!(row["response_code"], "302");
    }
    done.assert_code(7);
    assert_eq!(server.log().len(), urls.len(), "each is asked for once: {:?}", server.log());
    assert_eq!(elsewhere.log(), Vec::<String>::new());
    assert_eq!(sandbox.files().len() + sandbox.temporaries().len(), 0);
}

#[test]
fn controls_in_a_location_are_no_head() {
    let controls: [&[u8]; 5] = [b"/a\0", b"/a\x01b", b"/a\x1b[0m", b"/a\x7f", b"/a\rb"];
    let mut plan = Plan::new().otherwise(ok(b"there"));
    for (n, location) in controls.iter().enumerate() {
        plan = plan.on(&format!("/from{n}"), [to(location, 1)]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls = [0, 1, 2, 3, 4].map(|n| server.url(&format!("/from{n}")));
    let done = sandbox.pull().list(&urls).run();
    for url in &urls {
        assert_eq!(done.fault(url), "http.field_value", "{:#?}", done.row(url));
    }
    assert_eq!(server.log().len(), urls.len());
}

#[test]
fn twenty_hops_are_followed_and_no_more() {
    let mut plan = Plan::new().on("/end", [ok(b"end")]);
    for hop in 1..=21 {
        let next = if hop == 1 { "/end".to_owned() } else { format!("/{}", hop - 1) };
        plan = plan.on(&format!("/{hop}"), [redirect(&next)]);
    }
    // Round in circles: of one, of two, by way of a fragment.
    let plan = plan
        .on("/self", [redirect("/self")])
        .on("/ping", [redirect("/pong")])
        .on("/pong", [redirect("/ping")])
        .on("/here", [redirect("#there")]);
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls = ["/20", "/21", "/self", "/ping", "/here"].map(|path| server.url(path));
    let done = sandbox.pull().list(&urls).run();
    let row = done.row(&urls[0]);
    assert_eq!((row["status"].as_str(), row["num_redirects"].as_str()), ("ok", "20"), "{row:#?}");
    for url in &urls[1..] {
        let row = done.row(url);
        let told = (row["error_code"].as_str(), row["num_redirects"].as_str());
        assert_eq!(told, ("http.redirects", "20"), "{row:#?}");
        assert_eq!(row["num_retries"], "0");
    }
    assert_eq!(server.log().len(), urls.len() * 21);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["20"]);
}

#[test]
fn a_location_means_something_only_where_it_must() {
    let with = |status: &str| vec![Verb::Send(response(status, "Location: /end\r\n", b"body"))];
    let statuses = [
        ("200 OK", ""),
        ("201 Created", ""),
        ("202 Accepted", ""),
        ("300 Multiple Choices", "http.status"),
        ("304 Not Modified", "http.status"),
        ("305 Use Proxy", "http.status"),
        ("306 Unused", "http.status"),
        ("404 Not Found", "http.status"),
        ("503 Busy", "http.status"),
    ];
    let mut plan = Plan::new();
    for (n, (status, _)) in statuses.iter().enumerate() {
        plan = plan.on(&format!("/{n}"), [with(status)]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..statuses.len()).map(|n| server.url(&format!("/{n}"))).collect();
    let done = sandbox.pull().args(["--retry", "0"]).list(&urls).run();
    for ((status, code), url) in statuses.iter().zip(&urls) {
        assert_eq!(done.fault(url), *code, "{status}");
        assert_eq!(done.row(url)["num_redirects"], "0", "{status}");
    }
    assert_eq!(server.log().len(), urls.len(), "nobody goes to /end");
    assert!(sandbox.files().values().all(|body| body == b"body"));
    assert_eq!(sandbox.files().len(), 3);
}

#[test]
fn the_body_of_a_redirect_does_not_matter() {
    let head = "HTTP/1.1 302 Found\r\nLocation: /end\r\n";
    let bodies = [
        "Content-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\n\r\nhello and more",
        "Content-Length: 5\r\n\r\nhe",
        "Content-Length: 9000000000000000000\r\n\r\nhe",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nnonsense",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhe",
        "\r\nuntil the end",
        "\r\n",
    ];
    let mut plan = Plan::new().on("/end", [ok(b"end")]);
    for (n, body) in bodies.iter().enumerate() {
        plan = plan.on(
            &format!("/{n}"),
            [vec![Verb::Send(format!("{head}{body}").into_bytes()), Verb::Close]],
        );
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..bodies.len()).map(|n| server.url(&format!("/{n}"))).collect();
    let done = sandbox.pull().args(["--retry", "0"]).list(&urls).run();
    done.assert_ok(urls.len());
    assert!(sandbox.files().values().all(|body| body == b"end"));
}

#[test]
fn user_information_in_a_location_is_ignored() {
    let other = everything();
    let to = |rude: &Rude, user: &str, path: &str| {
        rude.url(path).replace("http://", &format!("http://{user}@"))
    };
    let front = Plan::new()
        .on("/other", [redirect(&to(&other, "evil:word", "/end"))])
        .on("/confusing", [redirect(&to(&other, "good.example", "/confused"))])
        .start();
    let sandbox = Sandbox::new();
    let urls = ["/other", "/confusing"].map(|path| front.url(path));
    let done = sandbox.pull().list(&urls).run();
    done.assert_ok(2);
    for (path, url) in ["/end", "/confused"].iter().zip(&urls) {
        let head = &other.heads(path)[0];
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
        assert_eq!(effective(&done, url), other.url(path), "nothing of it is told");
    }
}

#[test]
fn credentials_do_not_change_the_scheme() {
    let identity = issue(Flaw::None);
    let secure = Plan::new().otherwise(ok(b"there")).start_tls(&identity);
    let plain = Plan::new()
        .on("/up", [redirect(&secure.url("/end"))])
        .on("/there", [redirect(&secure.url("/and-back"))])
        .otherwise(ok(b"home"))
        .start();
    let back = Plan::new().otherwise(redirect(&plain.url("/home"))).start();
    let sandbox = Sandbox::new();
    let ca = sandbox.path("ca.pem");
    std::fs::write(&ca, &identity.ca_pem).unwrap();
    let user = |url: String| url.replace("http://", "http://me:secret@");
    let urls = [user(plain.url("/up")), user(plain.url("/there")), user(back.url("/x"))];
    let pull = sandbox.pull().args(["-H", "Cookie: c=1"]).arg("--cacert").arg(ca);
    let done = pull.list(&urls).run();
    done.assert_ok(3);
    let secrets = |head: &str| {
        let head = head.to_lowercase();
        (head.contains("authorization: basic"), head.contains("cookie: c=1"))
    };
    for (server, path, wanted) in [
        (&plain, "/up", (true, true)),
        (&secure, "/end", (false, false)),
        (&secure, "/and-back", (false, false)),
        (&back, "/x", (true, true)),
        (&plain, "/home", (false, false)),
    ] {
        assert_eq!(secrets(&server.heads(path)[0]), wanted, "{path}");
    }
    let report = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
    assert!(!report.contains("secret"), "{report}");
}
