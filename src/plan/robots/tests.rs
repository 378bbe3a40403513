//! Tables of robots.txt files, those of RFC 9309 among them.

use super::*;
use proptest::prelude::*;

fn allows(text: &str, path: &str) -> bool {
    Rules::parse(text.as_bytes(), "ringpull").allow(path)
}

#[test]
fn the_group_that_names_us_counts_else_that_of_everybody() {
    let text = "User-agent: *\nDisallow: /\n\nUser-agent: other\nDisallow: /b\n\n\
                User-Agent: RingPull\nUser-agent: third\nDisallow: /a # ours\n\n\
                user-agent: ringpull/2.0\nDISALLOW : /c\n";
    for (path, wanted) in
        [("/a", false), ("/b", true), ("/c/d", false), ("/", true), ("/robots.txt", true)]
    {
        assert_eq!(allows(text, path), wanted, "{path}");
    }
    let of = |token: &str, path: &str| Rules::parse(text.as_bytes(), token).allow(path);
    assert!(!of("other", "/b") && of("other", "/a"));
    assert!(!of("stranger", "/a") && !of("", "/a"));
    assert!(of("stranger", "/robots.txt"));
    // A token is not the begin of another one.
    assert!(allows("user-agent: ring\ndisallow: /\nuser-agent: ringpuller\ndisallow: /", "/"));
    // Rules before any group are nobody's, and an empty group of ours lets us do everything.
    assert!(allows("Disallow: /\n", "/a"));
    assert!(allows("user-agent: ringpull\ndisallow:\n\nuser-agent: *\ndisallow: /", "/a"));
}

#[test]
fn what_is_no_rule_does_not_part_a_group() {
    let text = "User-agent: *\nCrawl-delay: 10\nSitemap: http://h/s\nUser-agent: x\n\
                nonsense\n: empty\nDisallow: /a\n";
    assert!(!allows(text, "/a"));
    assert!(!allows("\u{feff}user-agent:*\r\ndisallow:/a\r\n", "/a"));
    assert!(!allows("user-agent:*\rdisallow:/a\r", "/a"));
    assert!(allows("", "/a") && allows("<html>no rules: here</html>", "/a"));
}

#[test]
fn the_longest_match_decides() {
    let table = [
        // RFC 9309 section 5.2.
        ("allow: /example/page/\ndisallow: /example/page/disallowed.gif", "/example/page/", true),
        (
            "allow: /example/page/\ndisallow: /example/page/disallowed.gif",
            "/example/page/disallowed.gif",
            false,
        ),
        ("disallow: /\nallow: /a", "/ab", true),
        ("disallow: /\nallow: /a", "/b", false),
        ("disallow: /a\nallow: /a", "/a", true),
        ("allow: /a\ndisallow: /a", "/a", true),
        ("disallow: /a?x=1", "/a?x=12", false),
        ("disallow: /a?x=1", "/a", true),
        // RFC 9309 section 2.2.3.
        ("disallow: *.gif$", "/b/a.gif", false),
        ("disallow: *.gif$", "/b/a.gif?x", true),
        ("allow: /this/*/exactly\ndisallow: /this", "/this/page/exactly/x", true),
        ("allow: /this/*/exactly\ndisallow: /this", "/this/page/not", false),
        ("disallow: /*a*b*c", "/xaybzc", false),
        ("disallow: /*a*b*c", "/xaybz", true),
        ("disallow: /a*b$", "/abab", false),
        ("disallow: /a$", "/a", false),
        ("disallow: /a$", "/ab", true),
        ("disallow: /$", "/", false),
        ("disallow: /a$b", "/a$b", false),
        ("disallow: *", "/a", false),
        ("disallow: a", "/a", true),
    ];
    for (rules, path, wanted) in table {
        assert_eq!(allows(&format!("user-agent: *\n{rules}\n"), path), wanted, "{rules} {path}");
    }
}

#[test]
fn percent_encoding_does_not_matter() {
    // RFC 9309 section 2.2.2.
    let table = [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", false),
        ("/foo/bar?baz=http://foo.bar", "/foo/bar?baz=http://foo.bar", false),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", false),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84", false),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", false),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A", false),
        ("/a%2Fb", "/a/b", true),
        ("/a%2fb", "/a%2Fb", false),
        ("/a b", "/a%20b", false),
        ("/100%", "/100%", false),
        ("/a%2", "/a%2", false),
        ("/a%zz", "/a%zz", false),
        ("/a%2a", "/ab", true),
        ("/a%2a", "/a*b", false),
        ("/a%24", "/a$b", false),
        ("/a$b", "/a$b", false),
        ("/a*$", "/a$b*", false),
    ];
    for (pattern, path, wanted) in table {
        let text = format!("user-agent: *\ndisallow: {pattern}\n");
        assert_eq!(allows(&text, path), wanted, "{pattern} {path}");
    }
}

#[test]
fn a_file_has_its_bounds() {
    let long = format!("user-agent: *\n{}\ndisallow: /late\n", "#".repeat(ROBOTS_TXT_BYTES_MAX));
    assert!(allows(&long, "/late"));
    let pattern = "a".repeat(ROBOTS_PATTERN_BYTES_MAX);
    assert!(allows(&format!("user-agent: *\ndisallow: /{pattern}\n"), &format!("/{pattern}")));
    assert!(Rules::parse(b"user-agent: *\ndisallow: /a\n", "x").bytes() > size_of::<Rules>());
}

#[test]
fn the_token_is_the_name_before_the_version() {
    let table =
        [("ringpull/0.1", "ringpull"), ("My-Bot_x (+http://h)", "My-Bot_x"), ("", ""), ("1", "")];
    for (user_agent, wanted) in table {
        assert_eq!(token(user_agent), wanted);
    }
}

/// The same question, answered by trying everything.
fn matches_slowly(pattern: &[u8], path: &[u8]) -> bool {
    match pattern.split_first() {
        None => true,
        Some((b'$', [])) => path.is_empty(),
        Some((b'*', rest)) => (0..=path.len()).any(|taken| matches_slowly(rest, &path[taken..])),
        Some((byte, rest)) => path.first() == Some(byte) && matches_slowly(rest, &path[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn matching_is_what_the_slow_way_says(pattern in "[ab*$/]{0,8}", path in "[ab$/]{0,10}") {
        let (pattern, path) = (pattern.as_bytes(), path.as_bytes());
        prop_assert_eq!(matches(pattern, path), matches_slowly(pattern, path));
    }

    #[test]
    fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..300), path in "/.{0,20}") {
        Rules::parse(&text, "ringpull").allow(&path);
    }
}
