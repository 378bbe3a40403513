//! Tables of URLs and redirects, and properties over arbitrary ones.

use super::*;
use proptest::prelude::*;
use url::Url;

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
        ("http://h.example.:8080/", "http://h.example.:8080/"),
        ("http://h#/@evil.com", "http://h/"),
        ("http://h?@evil.com", "http://h/?@evil.com"),
        ("http://a:b@c:d@h:81/", "http://h:81/"),
        ("https://h:80/", "https://h:80/"),
        ("http://h:443/", "http://h:443/"),
        ("http://h:0000000000000081/", "http://h:81/"),
        ("http://h:65535", "http://h:65535/"),
        ("http://[::1]:", "http://[::1]/"),
        ("http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        // UTS 46: the same host however it is written.
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
        ("http://bu\u{308}cher.example/", "http://xn--bcher-kva.example/"),
        ("http://straße.example/", "http://xn--strae-oqa.example/"),
        ("http://ｅｘａｍｐｌｅ.com/", "http://example.com/"),
        ("http://例え。テスト/", "http://xn--r8jz45g.xn--zckzah/"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text).as_str(), expected, "{text:?}");
    }
}

/// What curl sends too, but for what is not ASCII: that it sends as it stands.
#[test]
fn servers_see_the_path_and_query_that_were_given() {
    let table = [
        ("", "/"),
        ("?", "/?"),
        ("?a=b", "/?a=b"),
        ("/?", "/?"),
        ("/a?b?c", "/a?b?c"),
        ("/%7e%2F%2f%41", "/%7e%2F%2f%41"),
        ("/%2e%2e/%2E/x", "/%2e%2e/%2E/x"),
        ("/%zz%", "/%zz%"),
        ("/%25%32%35", "/%25%32%35"),
        ("/a|b\"c<d>e^f`g{h}i", "/a|b\"c<d>e^f`g{h}i"),
        ("/[x](y);z=1,2!$&'*+@:~", "/[x](y);z=1,2!$&'*+@:~"),
        ("/?q='a'|\"b\"<c>^`{d}[e]", "/?q='a'|\"b\"<c>^`{d}[e]"),
        ("/a+b?c+d", "/a+b?c+d"),
        ("/a b?c d", "/a%20b?c%20d"),
        ("/é?é", "/%C3%A9?%C3%A9"),
        ("/\u{feff}\u{202e}", "/%EF%BB%BF%E2%80%AE"),
        ("/a/./b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/..", "/"),
        ("/../../x", "/x"),
        ("/a//../b", "/a/b"),
        ("//a//b", "//a//b"),
        ("/...", "/..."),
        ("/a/..b/c../.d", "/a/..b/c../.d"),
        ("/a?b/../c", "/a?b/../c"),
        ("?/../x", "/?/../x"),
    ];
    for (given, expected) in table {
        assert_eq!(parse(&format!("http://h{given}")).request_target(), expected, "{given}");
    }
}

/// What is no URL to us, and why.
const BAD_URLS: [(&str, InputProblem); 69] = [
    ("", InputProblem::Url),
    ("example.com/a.jpg", InputProblem::Url),
    ("example.com:8080/a.jpg", InputProblem::Url),
    ("localhost:8080", InputProblem::Url),
    ("//example.com/", InputProblem::Url),
    ("/etc/passwd", InputProblem::Url),
    ("http:example.com", InputProblem::Url),
    ("http:/example.com", InputProblem::Url),
    ("http :// h/", InputProblem::Url),
    ("http:///example.com", InputProblem::HostEmpty),
    ("http://", InputProblem::HostEmpty),
    ("http://?x", InputProblem::HostEmpty),
    ("http://#x", InputProblem::HostEmpty),
    ("http://user@/x", InputProblem::HostEmpty),
    ("http://user:pass@", InputProblem::HostEmpty),
    ("http://:80/", InputProblem::HostEmpty),
    ("http://::1/", InputProblem::HostEmpty),
    ("http://.", InputProblem::Host),
    ("http://example.com%2F10.0.0.1/", InputProblem::HostPercent),
    ("http://%65xample.com/", InputProblem::HostPercent),
    ("http://[::1%25eth0]/", InputProblem::HostPercent),
    ("http://a b/", InputProblem::Host),
    ("http:// h/", InputProblem::Host),
    ("http://a<b/", InputProblem::Host),
    ("http://a!b/", InputProblem::Host),
    ("http://a,b/", InputProblem::Host),
    ("http://1.2.3.4.5.6.999/", InputProblem::Host),
    ("http://256.1.1.1/", InputProblem::Host),
    ("http://[::1/", InputProblem::Host),
    ("http://[::1]x/", InputProblem::Host),
    ("http://[]/", InputProblem::Host),
    ("http://[1.2.3.4]/", InputProblem::Host),
    ("http://::1]/", InputProblem::HostEmpty),
    ("http://h]/", InputProblem::Host),
    ("http://xn--a/", InputProblem::Host),
    ("http://h:0/", InputProblem::Port),
    ("http://h:00/", InputProblem::Port),
    ("http://h:65536/", InputProblem::Port),
    ("http://h:99999999999999999999/", InputProblem::Port),
    ("http://h:+80/", InputProblem::Port),
    ("http://h:-1/", InputProblem::Port),
    ("http://h: 80/", InputProblem::Port),
    ("http://h:80 /", InputProblem::Port),
    ("http://h:80:80/", InputProblem::Port),
    ("http://h:x/", InputProblem::Port),
    ("http://h:8%30/", InputProblem::Port),
    ("http://[::1]:80:80/", InputProblem::Port),
    ("http://fe80::1/", InputProblem::Port),
    ("http://h\\@evil.com/", InputProblem::Backslash),
    ("http://h/a\\b", InputProblem::Backslash),
    ("http:\\\\h/", InputProblem::Backslash),
    ("http://h/a\r\nHost: evil", InputProblem::Control),
    ("http://h/a\tb", InputProblem::Control),
    ("http://h\r/", InputProblem::Control),
    ("http://h\t.example/", InputProblem::Control),
    ("ht\ntp://h/", InputProblem::Control),
    ("http://h/\0", InputProblem::Control),
    ("http://h/\x7f", InputProblem::Control),
    ("http://h/#\n", InputProblem::Control),
    ("http://u\n:p@h/", InputProblem::Control),
    ("http://us%3Aer:x@h/", InputProblem::Userinfo),
    ("http://u:%0d%0a@h/", InputProblem::Userinfo),
    ("http://u:%ff@h/", InputProblem::Userinfo),
    ("http://u:%00@h/", InputProblem::Userinfo),
    ("ftp://h/x", InputProblem::Scheme),
    ("file:///etc/passwd", InputProblem::Scheme),
    ("javascript:alert(1)", InputProblem::Scheme),
    ("data:text/plain,x", InputProblem::Scheme),
    ("mailto:a@b.example", InputProblem::Scheme),
];

#[test]
fn bad_urls_are_refused() {
    for (text, expected) in BAD_URLS {
        assert_eq!(Target::parse(text), Err(expected), "{text:?}");
    }
    let long = format!("http://h/{}", "x".repeat(limits::LINE_BYTES_MAX));
    assert_eq!(Target::parse(&long), Err(InputProblem::LineTooLong));
    let long_when_encoded = format!("http://h/{}", " y".repeat(limits::LINE_BYTES_MAX / 3));
    assert_eq!(Target::parse(&long_when_encoded), Err(InputProblem::LineTooLong));
    let host = format!("http://{}example/", "a.".repeat(130));
    assert_eq!(Target::parse(&host), Err(InputProblem::Host));
    // As long as it may be after encoding, and a byte more.
    let path = "x".repeat(limits::LINE_BYTES_MAX - "http://h/".len());
    assert!(Target::parse(&format!("http://h/{path}")).is_ok());
    assert!(Target::parse(&format!("http://h/{path}x")).is_err());
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

    let target = parse("http://[::1]/");
    assert_eq!((target.host(), target.host_header(), target.port()), ("::1", "[::1]", 80));
    assert_eq!(target.origin_str(), "http://[::1]");

    assert_eq!(parse("http://user@h/").credentials(), Some(("user", None)));
    assert_eq!(parse("http://user:@h/").credentials(), Some(("user", Some(""))));
    assert_eq!(parse("http://:p@h/").credentials(), Some(("", Some("p"))));
    assert_eq!(parse("http://@h/").credentials(), None);
    assert_eq!(parse("http://h/").credentials(), None);
}

#[test]
fn user_information_is_never_shown() {
    let target = parse("http://user:secret@h/x");
    let shown = format!("{target} {target:?} {}", target.as_str());
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
    use RedirectProblem::{
        Backslash, Control, Empty, Host, HostEmpty, HostPercent, Port, Scheme, TooLong, Url,
    };
    let base = parse("http://a/b");
    let table: [(&[u8], RedirectProblem); 21] = [
        (b"", Empty),
        (b"  ", Empty),
        (b"javascript:alert(1)", Scheme),
        (b"file:///etc/passwd", Scheme),
        (b"ftp://h/", Scheme),
        (b"data:,x", Scheme),
        (b"http:g", Url),
        (b"http:/g", Url),
        (b"http:///g", HostEmpty),
        (b"///g", HostEmpty),
        (b"//", HostEmpty),
        (b"//u:p@", HostEmpty),
        (b"/\\evil.com", Backslash),
        (b"\\\\evil.com", Backslash),
        (b"/a\r\nSet-Cookie: x", Control),
        (b"/a\0b", Control),
        (b"/\x1b[31m", Control),
        (b"//h:99999/", Port),
        (b"//h%2Eevil.com/", HostPercent),
        (b"//a b/", Host),
        (b"//\xff/", HostPercent),
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
    prop_assert_eq!((again.host(), again.port()), (target.host(), target.port()));
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
            // They encode more of the path and the query than we do.
            let ours = Url::parse(target.as_str()).expect("a text of ours is a URL");
            prop_assert_eq!(theirs.as_str(), ours.as_str());
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

#[test]
fn user_information_is_cut_out_and_nothing_else() {
    let table = [
        ("http://h/a@b", "http://h/a@b"),
        ("http://u:p@h/a@b", "http://h/a@b"),
        ("HTTP://u@H:80?x=@#@", "HTTP://H:80?x=@#@"),
        ("http://u:p@x@h", "http://h"),
        ("http://@h/", "http://h/"),
        (" http://ü:p@h/ä ö ", " http://h/ä ö "),
        ("http://h#u:p@x", "http://h#u:p@x"),
    ];
    for (text, wanted) in table {
        assert_eq!(without_userinfo(text), wanted);
        let (whole, cut) = (Target::parse(text).unwrap(), Target::parse(wanted).unwrap());
        assert_eq!(whole.as_str(), cut.as_str());
    }
}
