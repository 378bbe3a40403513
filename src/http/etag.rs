//! Entity tags (RFC 9110 section 8.8.3), read strictly.

/// How much an entity tag vouches for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strength {
    /// Two representations with the same tag have the same bytes.
    Strong,
    /// Two representations with the same tag (`W/` in front) may differ in bytes.
    Weak,
}

/// The strength of a tag and its quoted part, which is what a weak comparison looks at. `None` for
/// whatever is not exactly of the grammar, `[ "W/" ] DQUOTE *etagc DQUOTE`, and for a text that was
/// made valid: which bytes it had is not known.
pub fn read(etag: &str) -> Option<(Strength, &str)> {
    let (strength, opaque) = match etag.strip_prefix("W/") {
        Some(opaque) => (Strength::Weak, opaque),
        None => (Strength::Strong, etag),
    };
    let inner = opaque.strip_prefix('"')?.strip_suffix('"')?;
    let is_inner = |c: char| matches!(c, '!' | '#'..='~') || (!c.is_ascii() && c != '\u{fffd}');
    inner.chars().all(is_inner).then_some((strength, opaque))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        use Strength::{Strong, Weak};
        for (etag, wanted) in [
            ("\"abc\"", Some((Strong, "\"abc\""))),
            ("\"\"", Some((Strong, "\"\""))),
            ("W/\"abc\"", Some((Weak, "\"abc\""))),
            ("W/\"\"", Some((Weak, "\"\""))),
            ("\"a\\b'\u{fc}~!#\"", Some((Strong, "\"a\\b'\u{fc}~!#\""))),
            ("w/\"abc\"", None),
            ("W/ \"abc\"", None),
            ("W/abc", None),
            ("abc", None),
            ("'abc'", None),
            ("\"", None),
            ("\"abc", None),
            ("abc\"", None),
            ("\"a\"b\"", None),
            ("\"a b\"", None),
            ("\"a\tb\"", None),
            ("\"a\r\nb\"", None),
            ("\"a\u{7f}\"", None),
            ("\"a\u{fffd}\"", None),
            ("\"a\", \"b\"", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(read(etag), wanted, "{etag:?}");
        }
    }
}
