//! Tables of URLs and redirects, and properties over arbitrary ones.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Target {
    Target::parse(text).unwrap_or_else(|problem| panic!("{text:?}: {problem:?}"))
}

#[test]
fn urls_are_normalised() {
    let table = [
        ("http://a", "http://a/"),
        ("HTTP://EXAMPLE.com:80/X", "http://example.com/X"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/a?b=c#d", "https://example.com:8443/a?b=c"),
        ("http://h:/", "http://h/"),
        ("http://h:080/", "http://h/"),
        ("http://h?q", "http://h/?q"),
        ("  http://h/x  ", "http://h/x"),
        ("http://h/a b/é", "http://h/a%20b/%C3%A9"),
        ("http://h/%20%zz%", "http://h/%20%zz%"),
        ("http://h/?a=%2f&b=ü", "http://h/?a=%2f&b=%C3%BC"),
        ("http://h/a/../b/./c", "http://h/b/c"),
        ("http://h/../../x", "http://h/x"),
        ("http://h//x", "http://h//x"),
        ("http://user:pass@h/x", "http://h/x"),
        ("http://a@b@h/x", "http://h/x"),
        ("http://h/x@y", "http://h/x@y"),
        ("http://h#@evil.com/", "http://h/"),
        ("http://h/x # a remark", "http://h/x"),
        ("http://[2001:DB8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://a_b.example./x", "http://a_b.example./x"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).as_str(), expected, "{text:?}");
    }
}

#[test]
fn bad_urls_are_refused() {
    use InputProblem::{Host, Scheme, Url};
    let table = [
        ("", Url),
        ("example.com/a.jpg", Url),
        ("example.com:8080/a.jpg", Url),
        ("localhost:8080", Url),
        ("//example.com/", Url),
        ("/etc/passwd", Url),
        ("http:example.com", Url),
        ("http:/example.com", Url),
        ("http:///example.com", Host),
        ("http://", Host),
        ("http://?x", Host),
        ("http://user@/x", Host),
        ("http://:80/", Host),
        ("http://.", Host),
        ("http://example.com%2F10.0.0.1/", Host),
        ("http://a b/", Host),
        ("http://a<b/", Host),
        ("http://a!b/", Host),
        ("http://1.2.3.4.5.6.999/", Host),
        ("http://[::1/", Host),
        ("http://[::1%25eth0]/", Host),
        ("http://h:0/", Url),
        ("http://h:65536/", Url),
        ("http://h:+80/", Url),
        ("http://h:80:80/", Url),
        ("http://h:x/", Url),
        ("http://h\\@evil.com/", Url),
        ("http://h/a\\b", Url),
        ("http://h/a\r\nHost: evil", Url),
        ("http://h/a\tb", Url),
        ("ht\ntp://h/", Url),
        ("http://h/\0", Url),
        ("http://h/\x7f", Url),
        ("http://us%3Aer:x@h/", Url),
        ("http://u:%0d%0a@h/", Url),
        ("http://u:%ff@h/", Url),
        ("ftp://h/x", Scheme),
        ("file:///etc/passwd", Scheme),
        ("javascript:alert(1)", Scheme),
        ("data:text/plain,x", Scheme),
        ("mailto:a@b.example", Scheme),
    ];
    for (text, expected) in table {
        assert_eq!(Target::parse(text), Err(expected), "{text:?}");
    }
    let long = format!("http://h/{}", "x".repeat(limits::LINE_BYTES_MAX));
    assert_eq!(Target::parse(&long), Err(InputProblem::LineTooLong));
    let long_when_encoded = format!("http://h/{}", " y".repeat(limits::LINE_BYTES_MAX / 3));
    assert_eq!(Target::parse(&long_when_encoded), Err(InputProblem::LineTooLong));
    let host = format!("http://{}example/", "a.".repeat(130));
    assert_eq!(Target::parse(&host), Err(Host));
}

#[test]
fn parts_are_where_they_belong() {
    let target = parse("https://us%40er:p%3Aw@Example.com:8443/a/b.jpg?q=1/2#f");
    assert_eq!(target.scheme(), Scheme::Https);
    assert_eq!(target.host(), "example.com");
    assert_eq!(target.host_header(), "example.com:8443");
    assert_eq!(target.port(), 8443);
    assert_eq!(target.request_target(), "/a/b.jpg?q=1/2");
    assert_eq!(target.path(), "/a/b.jpg");
    assert_eq!(target.credentials(), Some(("us@er", Some("p:w"))));
    assert_eq!(target.origin_str(), "https://example.com:8443");
    assert_eq!(target.origin().to_string(), "https://example.com:8443");

    let target = parse("http://[::1]/");
    assert_eq!((target.host(), target.host_header(), target.port()), ("::1", "[::1]", 80));
    assert_eq!(target.origin().to_string(), "http://[::1]:80");
    assert_eq!(target.origin().host_port(), "[::1]:80");

    assert_eq!(parse("http://user@h/").credentials(), Some(("user", None)));
    assert_eq!(parse("http://user:@h/").credentials(), Some(("user", Some(""))));
    assert_eq!(parse("http://:p@h/").credentials(), Some(("", Some("p"))));
    assert_eq!(parse("http://@h/").credentials(), None);
    assert_eq!(parse("http://h/").credentials(), None);
}

#[test]
fn user_information_is_never_shown() {
    let target = parse("http://user:secret@h/x");
    let shown = format!("{target} {target:?} {} {:?}", target.as_str(), target.origin());
    assert!(!shown.contains("secret") && !shown.contains("user"), "{shown}");
}

/// RFC 3986 section 5.4, but for the references that a strict parser refuses.
#[test]
fn references_resolve_as_in_the_rfc() {
    let base = parse("http://a/b/c/d;p?q");
    let table = [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        (";x", "http://a/b/c/;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("./g/../h", "http://a/b/c/h"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("https://b:444/x", "https://b:444/x"),
        ("HTTP://B/x", "http://b/x"),
        (" /x ", "http://a/x"),
        ("/a b", "http://a/a%20b"),
        ("/%7Eb", "http://a/%7Eb"),
        ("/@evil.com", "http://a/@evil.com"),
        ("//u:p@g/x", "http://g/x"),
    ];
    for (location, expected) in table {
        let target = base.join(location.as_bytes());
        assert_eq!(target.as_ref().map(Target::as_str), Ok(expected), "{location:?}");
    }
    let table: [(&[u8], &str); 3] = [
        ("/é".as_bytes(), "http://a/%C3%A9"),
        (b"/\xe9?\xff", "http://a/%E9?%FF"),
        ("//bücher.example".as_bytes(), "http://xn--bcher-kva.example/"),
    ];
    for (location, expected) in table {
        assert_eq!(base.join(location).as_ref().map(Target::as_str), Ok(expected));
    }
}

#[test]
fn bad_redirects_are_refused() {
    use RedirectProblem::{Empty, Host, Scheme, TooLong, Url};
    let base = parse("http://a/b");
    let table: [(&[u8], RedirectProblem); 18] = [
        (b"", Empty),
        (b"  ", Empty),
        (b"javascript:alert(1)", Scheme),
        (b"file:///etc/passwd", Scheme),
        (b"ftp://h/", Scheme),
        (b"data:,x", Scheme),
        (b"http:g", Url),
        (b"http:/g", Url),
        (b"http:///g", Host),
        (b"///g", Host),
        (b"//", Host),
        (b"/\\evil.com", Url),
        (b"\\\\evil.com", Url),
        (b"/a\r\nSet-Cookie: x", Url),
        (b"/a\0b", Url),
        (b"/\x1b[31m", Url),
        (b"//h:99999/", Url),
        (b"//\xff/", Host),
    ];
    for (location, expected) in table {
        assert_eq!(base.join(location), Err(expected), "{:?}", location.escape_ascii().to_string());
    }
    assert_eq!(base.join(&[b'x'; limits::LINE_BYTES_MAX]), Err(TooLong));
}

#[test]
fn credentials_stay_with_their_origin() {
    let base = parse("https://user:pass@a/b");
    let auth = |location: &str| {
        let target = base.join(location.as_bytes()).expect("a good location");
        target.credentials().map(|(user, password)| format!("{user}:{}", password.unwrap_or("")))
    };
    assert_eq!(auth("/c").as_deref(), Some("user:pass"));
    assert_eq!(auth("https://a:443/c").as_deref(), Some("user:pass"));
    assert_eq!(auth("https://other:x@a/c").as_deref(), Some("user:pass"));
    for elsewhere in ["https://a:444/c", "http://a/c", "https://b/c", "//u:p@b/c"] {
        assert_eq!(auth(elsewhere), None, "{elsewhere}");
    }
}

#[test]
fn a_downgrade_is_https_to_http_only() {
    let (plain, tls) = (parse("http://a/"), parse("https://a/"));
    assert!(tls.is_downgrade(&plain));
    assert!(!plain.is_downgrade(&tls) && !tls.is_downgrade(&tls) && !plain.is_downgrade(&plain));
    assert!(!plain.same_origin(&tls));
}

/// Texts that come close to URLs, so that most rules are met.
fn url_like() -> impl Strategy<Value = String> {
    let scheme =
        prop::sample::select(vec!["http://", "https://", "HTTPS://", "http:", "ftp://", ""]);
    let user = prop::sample::select(vec!["", "u@", "u:p@", "a@b@", ":@", "%41:%42@"]);
    let host = "([a-zA-Z0-9_.-]{1,12}|\\[[0-9a-f:]{1,9}\\]|[ü\u{e4}a-z%!]{1,4})";
    let port = prop::sample::select(vec!["", ":", ":0", ":80", ":443", ":8080", ":65536", ":x"]);
    let rest = "(/[ -~é\\\\\u{0}\u{7f}\u{202e}]{0,20}){0,3}(\\?[ -~ü]{0,10})?(#[ -~]{0,5})?";
    (scheme, user, host, port, rest)
        .prop_map(|(scheme, user, host, port, rest)| format!("{scheme}{user}{host}{port}{rest}"))
}

fn check_parts(target: &Target) -> Result<(), TestCaseError> {
    let text = target.as_str();
    prop_assert!(text.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'\\'), "{text:?}");
    prop_assert!(!text.contains('#'));
    prop_assert_eq!(format!("{}{}", target.origin_str(), target.request_target()), text);
    prop_assert_eq!(format!("{}://{}", target.scheme(), target.host_header()), target.origin_str());
    prop_assert!(target.path().starts_with('/'));
    prop_assert!(target.request_target().starts_with(target.path()));
    prop_assert!(target.port() > 0 && !target.host().is_empty());
    // The parts say the same when they are read again, and to the parser of others too.
    let again = Target::parse(text);
    prop_assert_eq!(again.as_ref().map(Target::as_str), Ok(text));
    let again = again.expect("just compared");
    prop_assert_eq!(again.origin(), target.origin());
    prop_assert_eq!(again.path(), target.path());
    let url = Url::parse(text).expect("a text of ours is a URL");
    prop_assert_eq!(url.host_str().map(|h| h.trim_matches(['[', ']'])), Some(target.host()));
    prop_assert_eq!(url.port_or_known_default(), Some(target.port()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_or_whole(text in any::<String>()) {
        if let Ok(target) = Target::parse(&text) {
            check_parts(&target)?;
        }
    }

    #[test]
    fn any_url_like_text_is_refused_or_whole(text in url_like()) {
        if let Ok(target) = Target::parse(&text) {
            check_parts(&target)?;
        }
    }

    #[test]
    fn any_location_is_refused_or_whole(location in any::<Vec<u8>>()) {
        if let Ok(target) = parse("https://user:secret@h:1/a/b?c").join(&location) {
            check_parts(&target)?;
        }
    }

    /// What we follow is where the parser of others goes, but for user information and fragments.
    #[test]
    fn redirects_agree_with_the_url_crate(
        location in prop_oneof![url_like(), "[/a-z.?#é %;:@-]{1,16}"],
    ) {
        let base = parse("https://user:secret@h:1/a/b?c");
        // They keep a space that stands before the fragment, we take it for white space around.
        let location = format!("{}#f", location.split('#').next().unwrap_or_default().trim());
        if let Ok(target) = base.join(location.as_bytes()) {
            check_parts(&target)?;
            let theirs = Url::parse(base.as_str()).expect("a base").join(&location);
            let mut theirs = theirs.expect("what we follow is a URL");
            theirs.set_fragment(None);
            prop_assert!(theirs.set_username("").is_ok() && theirs.set_password(None).is_ok());
            prop_assert_eq!(theirs.as_str(), target.as_str());
        }
    }
}

#[test]
fn a_referer_has_no_user_information() {
    for (typed, sent) in [
        ("https://me:SECRET@h/a?b@c#d", "https://h/a?b@c"),
        ("https://me@h/", "https://h/"),
        ("https://h/a@b#c", "https://h/a@b#c"),
        ("", ""),
        ("any text", "any text"),
    ] {
        assert_eq!(referer(typed), sent, "{typed}");
    }
}
