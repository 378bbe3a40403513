//! Tables of request parts to bytes.

use super::*;

fn fields(typed: &[&str]) -> Vec<(String, String)> {
    typed.iter().map(|typed| parse_field(typed).expect(typed)).collect()
}

fn template(typed: &[&str]) -> Template {
    let fields = fields(typed);
    let parts = Parts { user_agent: "ringpull/1", fields: &fields, ..Parts::default() };
    Template::new(&parts).expect("a template")
}

const GET: Get<'static> = Get {
    host: "example.com:8080",
    target: "/a?b=%20c",
    authorization: None,
    secrets: Secrets::Send,
    via: None,
    conditions: Conditions {
        range: None,
        if_range: None,
        if_none_match: None,
        if_modified_since: None,
    },
};

fn encode(template: &Template, get: &Get<'_>) -> String {
    let mut out = b"kept ".to_vec();
    template.encode(get, &mut out).expect("a request");
    let out = String::from_utf8(out).expect("text");
    out.strip_prefix("kept ").expect("what was there is kept").to_owned()
}

const START: &str = "GET /a?b=%20c HTTP/1.1\r\nHost: example.com:8080\r\n";

#[test]
fn the_plain_request() {
    let wanted = format!(
        "{START}User-Agent: ringpull/1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n"
    );
    assert_eq!(encode(&template(&[]), &GET), wanted);
}

#[test]
fn optional_parts() {
    let parts = Parts { referer: Some("http://r/"), ..Parts::default() };
    let template = Template::new(&parts).expect("a template");
    let get = Get { authorization: Some("Basic eDp5"), ..GET };
    let wanted = format!(
        "{START}Accept: */*\r\nAccept-Encoding: identity\r\nReferer: http://r/\r\n\
         Authorization: Basic eDp5\r\n\r\n"
    );
    assert_eq!(encode(&template, &get), wanted);
}

#[test]
fn user_fields_replace_and_remove_ours() {
    let template = template(&["accept: image/*", "USER-AGENT:", "X-A: 1", "X-A: \u{e9}\t2 "]);
    let wanted = format!(
        "{START}Accept-Encoding: identity\r\naccept: image/*\r\nX-A: 1\r\nX-A: \u{e9}\t2\r\n\r\n"
    );
    assert_eq!(encode(&template, &GET), wanted);
}

#[test]
fn secrets_stay_at_their_origin() {
    let template = template(&["Cookie: c", "x-api-key: k", "X-A: 1", "Host: front.example"]);
    let get = Get { authorization: Some("Basic eDp5"), ..GET };
    let sent = encode(&template, &get);
    for line in
        ["Cookie: c", "x-api-key: k", "X-A: 1", "Host: front.example", "Authorization: Basic"]
    {
        assert!(sent.contains(&format!("\r\n{line}")), "{line}: {sent}");
    }
    let withheld = encode(&template, &Get { secrets: Secrets::Withhold, ..get });
    let wanted = format!(
        "{START}User-Agent: ringpull/1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\
         X-A: 1\r\n\r\n"
    );
    assert_eq!(withheld, wanted);
}

#[test]
fn a_user_authorization_replaces_that_of_the_job() {
    let get = Get { authorization: Some("Basic eDp5"), ..GET };
    let sent = encode(&template(&["Authorization: Bearer t"]), &get);
    assert!(sent.contains("Authorization: Bearer t\r\n") && !sent.contains("Basic"), "{sent}");
    let sent = encode(&template(&["authorization:"]), &get);
    assert!(!sent.to_ascii_lowercase().contains("authorization"), "{sent}");
}

#[test]
fn a_proxy_gets_the_whole_url_and_its_own_credentials() {
    let template = template(&["Proxy-Authorization: Bearer t", "PROXY-AUTHORIZATION: u"]);
    let proxy = Forward { origin: "http://example.com:8080", authorization: Some("Basic eDp5") };
    let via = |proxy: &Forward<'_>| {
        let mut out = Vec::new();
        let encoded = template.encode(&Get { via: Some(*proxy), ..GET }, &mut out);
        encoded.map(|()| String::from_utf8(out).expect("text"))
    };
    let fields = "User-Agent: ringpull/1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n";
    let start = START.replace("GET /", "GET http://example.com:8080/");
    let wanted = format!("{start}{fields}Proxy-Authorization: Basic eDp5\r\n\r\n");
    assert_eq!(via(&proxy), Ok(wanted));
    let without = Forward { authorization: None, ..proxy };
    assert_eq!(via(&without), Ok(format!("{start}{fields}\r\n")));
    assert_eq!(encode(&template, &GET), format!("{START}{fields}\r\n"), "no origin gets it");
    let bad = Forward { authorization: Some("a\r\nb"), ..proxy };
    assert_eq!(via(&bad), Err(RequestProblem::Authorization));
    for origin in ["http://a b", "http://a\r\n", "http://a#", "http://u@a", "http://a?"] {
        assert_eq!(via(&Forward { origin, ..proxy }), Err(RequestProblem::Target), "{origin:?}");
    }
}

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// The field lines of a request with these fields of the user and conditions, without `Host`,
/// `User-Agent` and `Accept`.
fn lines(typed: &[&str], conditions: Conditions<'_>) -> String {
    let sent = encode(&template(typed), &Get { conditions, ..GET });
    let lines = sent.strip_prefix(START).and_then(|rest| rest.strip_suffix("\r\n\r\n"));
    let lines = lines.expect("lines").split("\r\n");
    let ours = |line: &&str| !line.starts_with("User-Agent:") && !line.starts_with("Accept:");
    lines.filter(ours).collect::<Vec<&str>>().join("|")
}

#[test]
fn conditions_and_the_lines_they_are() {
    let none = Conditions::default();
    let range = Conditions { range: Some((5, None)), ..none };
    let changed =
        Conditions { if_none_match: Some("W/\"a\""), if_modified_since: Some(DATE), ..none };
    let identity = "Accept-Encoding: identity";
    let table = [
        (none, identity.to_owned()),
        (range, format!("{identity}|Range: bytes=5-")),
        (
            Conditions { range: Some((0, Some(0))), if_range: Some("\"a\""), ..none },
            format!("{identity}|Range: bytes=0-0|If-Range: \"a\""),
        ),
        (
            Conditions { range: Some((7, Some(u64::MAX))), if_range: Some(DATE), ..none },
            format!("{identity}|Range: bytes=7-18446744073709551615|If-Range: {DATE}"),
        ),
        (changed, format!("{identity}|If-None-Match: W/\"a\"|If-Modified-Since: {DATE}")),
        // What asks for nothing.
        (Conditions { range: Some((5, Some(4))), if_range: Some(DATE), ..none }, identity.into()),
        (Conditions { if_range: Some(DATE), ..none }, identity.into()),
        // What does not belong there. A range without its condition could be of another version.
        (Conditions { if_range: Some("W/\"a\""), ..range }, identity.into()),
        (Conditions { if_range: Some("a"), ..range }, identity.into()),
        (Conditions { if_range: Some("\"a\"\r\nX: y"), ..range }, identity.into()),
        (Conditions { if_range: Some("Sun, 06 Nov 1994"), ..range }, identity.into()),
        (Conditions { if_none_match: Some("\"a\"\nX: y"), ..none }, identity.into()),
        (Conditions { if_none_match: Some("\"a\", \"b\""), ..none }, identity.into()),
        (Conditions { if_modified_since: Some("soon"), ..none }, identity.into()),
    ];
    for (conditions, wanted) in table {
        assert_eq!(lines(&[], conditions), wanted, "{conditions:?}");
    }
}

#[test]
fn our_conditions_replace_those_of_the_user() {
    let typed = [
        "range: bytes=1-2",
        "If-Range: \"u\"",
        "If-None-Match: \"u\"",
        "if-modified-since: u",
        "Accept-Encoding: br",
        "If-Match: \"u\"",
        "X-Range: u",
    ];
    let none = Conditions::default();
    assert_eq!(lines(&typed, none), typed.join("|"), "as they are in a plain request");
    let range = Conditions { range: Some((5, Some(9))), if_range: Some("\"a\""), ..none };
    assert_eq!(
        lines(&typed, range),
        "If-Match: \"u\"|X-Range: u|Accept-Encoding: identity|Range: bytes=5-9|If-Range: \"a\"",
    );
    let tag = Conditions { if_none_match: Some("\"a\""), ..none };
    assert_eq!(
        lines(&typed, tag),
        "range: bytes=1-2|If-Range: \"u\"|if-modified-since: u|Accept-Encoding: br|\
         If-Match: \"u\"|X-Range: u|If-None-Match: \"a\"",
    );
    let date = Conditions { if_modified_since: Some(DATE), ..none };
    assert!(lines(&typed, date).ends_with(&format!("X-Range: u|If-Modified-Since: {DATE}")));
    assert!(!lines(&typed, date).contains("if-modified-since"));
    // Nor does --compressed, or a field that only takes ours away, change what a range is of.
    let parts = Parts { codings: Codings::Gzip, ..Parts::default() };
    let sent = encode(&Template::new(&parts).expect("one"), &Get { conditions: range, ..GET });
    assert!(sent.contains("Accept-Encoding: identity\r\n") && !sent.contains("gzip"), "{sent}");
    assert!(lines(&["Accept-Encoding:"], range).contains("Accept-Encoding: identity|Range:"));
}

#[test]
fn fields_as_typed() {
    for (typed, name, value) in [
        ("A: b", "A", "b"),
        ("A:b", "A", "b"),
        ("A: \t b:c \t", "A", "b:c"),
        ("A:", "A", ""),
        ("Host: example.org", "Host", "example.org"),
    ] {
        assert_eq!(parse_field(typed), Ok((name.to_owned(), value.to_owned())), "{typed:?}");
    }
    for (typed, problem) in [
        ("A", FieldProblem::NoColon),
        ("", FieldProblem::NoColon),
        (": b", FieldProblem::Name),
        ("A : b", FieldProblem::Name),
        ("A b: c", FieldProblem::Name),
        ("\u{c4}: b", FieldProblem::Name),
        ("A\r\nB: c", FieldProblem::Name),
        ("A: b\r\nB: c", FieldProblem::Value),
        ("A: b\n", FieldProblem::Value),
        ("A: b\0", FieldProblem::Value),
        ("A: \u{7f}", FieldProblem::Value),
        ("content-length: 5", FieldProblem::Body),
        ("Transfer-Encoding: chunked", FieldProblem::Body),
        ("Host:", FieldProblem::Host),
        ("Host: a b", FieldProblem::Host),
    ] {
        assert_eq!(parse_field(typed), Err(problem), "{typed:?}");
    }
}

#[test]
fn templates_check_their_parts() {
    let smuggled = [("A".to_owned(), "b\r\nC: d".to_owned())];
    for (parts, problem) in [
        (Parts { user_agent: "a\r\nB: c", ..Parts::default() }, FieldProblem::Value),
        (Parts { referer: Some("a\nb"), ..Parts::default() }, FieldProblem::Value),
        (Parts { fields: &smuggled, ..Parts::default() }, FieldProblem::Value),
    ] {
        assert_eq!(Template::new(&parts).err(), Some(problem), "{:?}", parts.fields);
    }
}

#[test]
fn requests_check_their_parts() {
    let bad = [
        (Get { target: "", ..GET }, RequestProblem::Target),
        (Get { target: "a", ..GET }, RequestProblem::Target),
        (Get { target: "http://a/", ..GET }, RequestProblem::Target),
        (Get { target: "/a b", ..GET }, RequestProblem::Target),
        (Get { target: "/a\r\nB: c", ..GET }, RequestProblem::Target),
        (Get { target: "/\u{e9}", ..GET }, RequestProblem::Target),
        (Get { target: "/a#b", ..GET }, RequestProblem::Target),
        (Get { host: "", ..GET }, RequestProblem::Host),
        (Get { host: "a\r\nB: c", ..GET }, RequestProblem::Host),
        (Get { host: "a/b", ..GET }, RequestProblem::Host),
        (Get { host: "u@a", ..GET }, RequestProblem::Host),
        (Get { authorization: Some("a\r\nB: c"), ..GET }, RequestProblem::Authorization),
    ];
    let template = template(&[]);
    for (get, problem) in bad {
        let mut out = b"kept".to_vec();
        assert_eq!(template.encode(&get, &mut out), Err(problem), "{} {}", get.host, get.target);
        assert_eq!(out, b"kept", "{} {}", get.host, get.target);
    }
    let get = Get { host: "[::1]:80", target: "/[]|\"", ..GET };
    assert!(encode(&template, &get).starts_with("GET /[]|\" HTTP/1.1\r\nHost: [::1]:80\r\n"));
}

#[test]
fn fields_are_secret_by_their_names() {
    for name in [
        "Authorization",
        "proxy-authorization",
        "COOKIE",
        "X-Api-Key",
        "Api-Key",
        "apikey",
        "X-Auth-Token",
        "Private-Token",
        "Job-Token",
        "X-Amz-Security-Token",
        "X-AccessToken",
        "Ocp-Apim-Subscription-Key",
        "X-Goog-Api-Key",
        "x_session_id",
        "X-Client-Secret",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in ["Accept", "Accept-Language", "X-Kept", "Range", "If-None-Match", "X-Keyboard"] {
        assert!(!is_secret(name), "{name}");
    }
}
