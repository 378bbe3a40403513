//! The file name that a server proposes: `Content-Disposition` (RFC 6266, RFC 8187).
//!
//! Only the last component of what is proposed is taken, and it goes through the same door as every
//! other name. A field that is malformed proposes nothing.

use super::safe_component;
use crate::http::is_token;
use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The name that a field value proposes, as one safe component. `None` when it proposes none: no
/// file name, an empty one, one that is a directory (`.`, `..`, or a `/` at its end), or a value
/// that is malformed.
///
/// `filename*` goes before `filename` (RFC 6266 section 4.3). The value is unfolded; the
/// disposition type does not matter: `inline` names a file too when it is saved.
pub fn from_disposition(value: &[u8]) -> Option<String> {
    let proposed = Proposed::read(value)?;
    let name = proposed.extended.as_deref().or(proposed.plain.as_deref())?;
    // Both separators: those who write `..\x` mean a path as well.
    let name = name.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    if matches!(name, b"" | b"." | b"..") { None } else { Some(safe_component(name)) }
}

/// The two file names of one field.
#[derive(Debug, Default)]
struct Proposed<'a> {
    /// `filename*`, decoded to UTF-8.
    extended: Option<Cow<'a, [u8]>>,
    /// `filename`, its quotes and escapes removed.
    plain: Option<Cow<'a, [u8]>>,
}

impl<'a> Proposed<'a> {
    /// `disposition-type *( OWS ";" OWS disposition-parm )`; empty parameters are skipped, a
    /// parameter that comes twice makes the value invalid (RFC 6266 section 4.1).
    fn read(value: &'a [u8]) -> Option<Self> {
        let mut rest = trim_start(value);
        take_token(&mut rest)?;
        let mut proposed = Self::default();
        let mut has_extended = false;
        loop {
            rest = trim_start(rest);
            match rest.split_first() {
                None => return Some(proposed),
                Some((b';', after)) => rest = trim_start(after),
                Some(_) => return None,
            }
            if matches!(rest.first(), None | Some(b';')) {
                continue;
            }
            let name = take_token(&mut rest)?;
            rest = trim_start(rest);
            rest = trim_start(rest.strip_prefix(b"=")?);
            let value = take_value(&mut rest)?;
            if name.eq_ignore_ascii_case(b"filename") {
                if proposed.plain.replace(value.unquoted).is_some() {
                    return None;
                }
            } else if name.eq_ignore_ascii_case(b"filename*") {
                if std::mem::replace(&mut has_extended, true) {
                    return None;
                }
                // One that is malformed is ignored, and the other one stands.
                proposed.extended = value.token.and_then(extended_value).map(Cow::Owned);
            }
        }
    }
}

/// The value of a parameter.
struct Value<'a> {
    /// The token; `None` for a quoted string.
    token: Option<&'a [u8]>,
    /// Text of the value, without quotes and escapes.
    unquoted: Cow<'a, [u8]>,
}

/// `token / quoted-string` (RFC 9110 section 5.6).
fn take_value<'a>(rest: &mut &'a [u8]) -> Option<Value<'a>> {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        let token = take_token(rest)?;
        return Some(Value { token: Some(token), unquoted: Cow::Borrowed(token) });
    };
    let mut unquoted = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => unquoted.push(*bytes.next()?),
            byte => unquoted.push(*byte),
        }
    }
    *rest = bytes.as_slice();
    Some(Value { token: None, unquoted: Cow::Owned(unquoted) })
}

/// `charset "'" [ language ] "'" value-chars`, percent-decoded once (RFC 8187 section 3.2). UTF-8
/// must be known, ISO-8859-1 was in the RFC before it.
fn extended_value(token: &[u8]) -> Option<Vec<u8>> {
    let mut parts = token.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, text) = (parts.next()?, parts.next()?, parts.next()?);
    let is_escaped = |at: usize| {
        let digits = text.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let is_value_char = |(at, byte): (usize, &u8)| match byte {
        b'%' => is_escaped(at),
        b'*' | b'\'' => false,
        byte => is_token(*byte),
    };
    if !text.iter().enumerate().all(is_value_char) {
        return None;
    }
    let decoded: Vec<u8> = percent_decode(text).collect();
    if charset.eq_ignore_ascii_case(b"utf-8") {
        std::str::from_utf8(&decoded).is_ok().then_some(decoded)
    } else if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        // The first 256 characters of Unicode are those of ISO-8859-1.
        Some(decoded.into_iter().map(char::from).collect::<String>().into_bytes())
    } else {
        None
    }
}

/// `1*tchar`
fn take_token<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| !is_token(*byte)).unwrap_or(rest.len());
    let (token, after) = rest.split_at(end);
    *rest = after;
    (!token.is_empty()).then_some(token)
}

fn trim_start(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', after @ ..] = rest {
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name_of(value: &[u8]) -> Option<String> {
        from_disposition(value)
    }

    #[test]
    fn names_that_servers_propose() {
        let table: &[(&[u8], &str)] = &[
            (b"attachment; filename=a.txt", "a.txt"),
            (b"attachment;filename=a.txt", "a.txt"),
            (b" ATTACHMENT ; FileName = a.txt ;", "a.txt"),
            (b"inline; filename=\"a b.txt\"", "a b.txt"),
            (b"form-data; name=x; filename=a.txt", "a.txt"),
            (b"attachment; ; filename=a.txt;;", "a.txt"),
            (br#"attachment; filename="a\"b\\c.txt""#, "c.txt"),
            (br#"attachment; filename="say \"hi\".txt""#, "say \"hi\".txt"),
            (b"attachment; filename=\"a;b=c.txt\"; size=7", "a;b=c.txt"),
            (b"attachment; filename=\"\xc3\xa9.txt\"", "é.txt"),
            (b"attachment; filename=\"\xe9.txt\"", "%E9.txt"),
            (b"attachment; filename=100%25.txt", "100%25.txt"),
            (b"attachment; filename*=UTF-8''na%C3%AFve%20file.txt", "naïve file.txt"),
            (b"attachment; filename*=utf-8'en'a%2525.txt", "a%25.txt"),
            (b"attachment; filename*=ISO-8859-1''%e9%A3.txt", "é£.txt"),
            (b"attachment; filename=plain.txt; filename*=UTF-8''ext.txt", "ext.txt"),
            (b"attachment; filename*=UTF-8''ext.txt; filename=plain.txt", "ext.txt"),
            // A `filename*` that is none leaves the other one.
            (b"attachment; filename=p.txt; filename*=UTF-8''%ff.txt", "p.txt"),
            (b"attachment; filename=p.txt; filename*=UTF-8''%4.txt", "p.txt"),
            (b"attachment; filename=p.txt; filename*=KOI8-R''%C1.txt", "p.txt"),
            (b"attachment; filename=p.txt; filename*=x.txt", "p.txt"),
            (b"attachment; filename=p.txt; filename*=\"UTF-8''x.txt\"", "p.txt"),
            (b"attachment; filename=p.txt; filename*0=a; filename*1=b", "p.txt"),
        ];
        for (value, expected) in table {
            assert_eq!(name_of(value).as_deref(), Some(*expected), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn names_that_are_made_safe() {
        let table: &[(&[u8], &str)] = &[
            (b"attachment; filename=\"/etc/passwd\"", "passwd"),
            (b"attachment; filename=\"../../x\"", "x"),
            (b"attachment; filename=\"..\\\\..\\\\x\"", "x"),
            (b"attachment; filename=\"C:\\\\dir\\\\x.exe\"", "x.exe"),
            (b"attachment; filename*=UTF-8''..%2F..%2fx", "x"),
            (b"attachment; filename*=UTF-8''..%5Cx", "x"),
            // Decoded once: what is left is text.
            (b"attachment; filename*=UTF-8''%252e%252e%252fx", "%2e%2e%2fx"),
            (b"attachment; filename=.bashrc", "_bashrc"),
            (b"attachment; filename=-rf", "_rf"),
            (b"attachment; filename=~root", "_root"),
            (b"attachment; filename*=UTF-8''a%00b%1b%0a.txt", "a_b__.txt"),
            (b"attachment; filename*=UTF-8''gpj.%E2%80%AEexe", "gpj._exe"),
            (b"attachment; filename=\"...\"", "_.."),
        ];
        for (value, expected) in table {
            assert_eq!(name_of(value).as_deref(), Some(*expected), "{}", value.escape_ascii());
        }
        let long = format!("attachment; filename={}.jpeg", "x".repeat(1_000));
        let name = name_of(long.as_bytes()).unwrap();
        assert!(name.len() == 255 && name.ends_with(".jpeg"), "{name}");
    }

    #[test]
    fn values_that_propose_nothing() {
        let table: &[&[u8]] = &[
            b"",
            b"attachment",
            b"attachment;",
            b"filename=a.txt",
            b"; filename=a.txt",
            b"attachment filename=a.txt",
            b"attachment; filename",
            b"attachment; filename=",
            b"attachment; filename=\"\"",
            b"attachment; filename=\"a/\"",
            b"attachment; filename=\"a\\\\\"",
            b"attachment; filename=.",
            b"attachment; filename=\"..\"",
            b"attachment; filename=\"x/..\"",
            b"attachment; filename=\"a.txt",
            b"attachment; filename=\"a.txt\\",
            b"attachment; filename=a b.txt",
            b"attachment; filename=a\xe9.txt",
            b"attachment; filename=a.txt; filename=b.txt",
            b"attachment; filename*=UTF-8''a; filename*=UTF-8''b",
            b"attachment; filename=\"a.txt\"b",
            b"attachment; filename*=UTF-8''",
            b"attachment; filename*=UTF-8''..",
            b"attachment; filename*0=a; filename*1=b",
            b"attachment; =a.txt",
            b"attachment, filename=a.txt",
        ];
        for value in table {
            assert_eq!(name_of(value), None, "{}", value.escape_ascii());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_proposal_is_one_safe_component(
            text in prop_oneof![
                "attachment; filename\\*?=(UTF-8'')?\"?[ -~é\\\\/.%]{0,30}\"?(; filename=[a-z]*)?",
                any::<String>(),
            ],
            tail in any::<Vec<u8>>(),
        ) {
            for value in [text.clone().into_bytes(), [text.as_bytes(), &tail].concat()] {
                let Some(name) = from_disposition(&value) else { continue };
                prop_assert!((1..=255).contains(&name.len()), "{name:?}");
                prop_assert!(!name.starts_with(['.', '-', '~']), "{name:?}");
                prop_assert!(!name.contains(['/', '\\']) && !name.contains(char::is_control));
                prop_assert_eq!(safe_component(name.as_bytes()), name);
            }
        }
    }
}
