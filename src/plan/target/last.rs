//! URLs that are in their normal form already, which is seen without taking them apart: nearly all
//! of a list or a report are, and most have the origin of the one before.

use super::host::is_plain_host;
use super::packed::Offsets;
use super::{Scheme, Target};
use crate::fault::InputProblem;
use crate::limits;
use std::borrow::Cow;

/// The origin of the URL before. Its answers are those of [`Target::parse`].
#[derive(Clone, Debug, Default)]
pub struct LastOrigin {
    /// `scheme://host[:port]` in its normal form; empty before the first URL.
    text: String,
    origin: Option<Origin>,
}

/// Where the parts of an origin are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Origin {
    scheme: Scheme,
    host_end: u32,
    port: u16,
}

impl LastOrigin {
    /// Takes an absolute URL apart, as [`Target::parse`] does.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn parse(&mut self, text: &str) -> Result<Target, InputProblem> {
        if let Some((offsets, port)) = self.offsets(text) {
            let Offsets { scheme, host_end, path_at, path_end } = offsets;
            let text = text.into();
            return Ok(Target {
                text,
                basic_auth: None,
                host_end,
                path_at,
                path_end,
                port,
                scheme,
            });
        }
        let target = Target::parse(text)?;
        let Target { scheme, host_end, port, .. } = target;
        self.keep(target.origin_str(), Origin { scheme, host_end, port });
        Ok(target)
    }

    /// The normal form of a URL, which [`Target::as_str`] gives; `None` where the text is not a
    /// URL.
    pub fn normal_form<'t>(&mut self, text: &'t str) -> Option<Cow<'t, str>> {
        if self.offsets(text).is_some() {
            return Some(Cow::Borrowed(text));
        }
        self.parse(text).ok().map(|target| Cow::Owned(target.text.into_string()))
    }

    /// The parts of a URL in its normal form; `None` where in doubt.
    fn offsets(&mut self, text: &str) -> Option<(Offsets, u16)> {
        if text.len() > limits::LINE_BYTES_MAX {
            return None;
        }
        let is_same = text.as_bytes().get(self.text.len()) == Some(&b'/')
            && text.starts_with(self.text.as_str());
        let origin = match self.origin.filter(|_| is_same) {
            Some(origin) => origin,
            None => {
                let (before, origin) = origin_of(text)?;
                self.keep(before, origin);
                origin
            }
        };
        let path_at = self.text.len();
        let rest = &text.as_bytes()[path_at..];
        if !is_plain(rest) {
            return None;
        }
        let path_len = memchr::memchr(b'?', rest).unwrap_or(rest.len());
        let Origin { scheme, host_end, port } = origin;
        let offset = |at: usize| u32::try_from(at).ok();
        let (path_at, path_end) = (offset(path_at)?, offset(path_at + path_len)?);
        Some((Offsets { scheme, host_end, path_at, path_end }, port))
    }

    fn keep(&mut self, text: &str, origin: Origin) {
        self.text.clear();
        self.text.push_str(text);
        self.origin = Some(origin);
    }
}

/// The origin that a text begins with, where it is seen to be in its normal form and a path
/// follows.
fn origin_of(text: &str) -> Option<(&str, Origin)> {
    let (scheme, rest) = match text.strip_prefix("http://") {
        Some(rest) => (Scheme::Http, rest),
        None => (Scheme::Https, text.strip_prefix("https://")?),
    };
    let host_at = text.len() - rest.len();
    let path_at = host_at + memchr::memchr(b'/', rest.as_bytes())?;
    let authority = &text[host_at..path_at];
    let host_len = memchr::memchr(b':', authority.as_bytes()).unwrap_or(authority.len());
    let (host, port) = authority.split_at(host_len);
    let port = match port.strip_prefix(':') {
        None => scheme.port_default(),
        Some(digits) => port_of(digits).filter(|port| *port != scheme.port_default())?,
    };
    let host_end = u32::try_from(host_at + host_len).ok()?;
    is_plain_host(host).then(|| (&text[..path_at], Origin { scheme, host_end, port }))
}

/// A port as it is printed.
fn port_of(digits: &str) -> Option<u16> {
    let is_printed = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if is_printed { digits.parse().ok() } else { None }
}

/// Whether a path and a query are as they are asked for: nothing in them is encoded, resolved or
/// cut off. Every byte is looked at, without a branch for each.
fn is_plain(rest: &[u8]) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_graphic() & (byte != b'#') & (byte != b'\\');
    let is_dot = |pair: (&u8, &u8)| (*pair.0 == b'/') & (*pair.1 == b'.');
    let behind = rest.get(1..).unwrap_or_default();
    rest.iter().fold(true, |is_plain, byte| is_plain & is_byte(*byte))
        && !rest.iter().zip(behind).fold(false, |has_dots, pair| has_dots | is_dot(pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything there is to a target.
    fn parts(target: &Target) -> (String, Offsets, u16, Option<&str>) {
        (target.as_str().to_owned(), target.offsets(), target.port(), target.userinfo())
    }

    fn check(last: &mut LastOrigin, text: &str) {
        let slow = Target::parse(text);
        let normal = slow.as_ref().ok().map(|target| Cow::Borrowed(target.as_str()));
        assert_eq!(last.clone().normal_form(text), normal, "{text:?}");
        let quick = last.parse(text);
        assert_eq!(quick.as_ref().map(parts), slow.as_ref().map(parts), "{text:?}");
    }

    #[test]
    fn most_urls_are_seen_at_once() {
        let mut last = LastOrigin::default();
        for text in [
            "http://h.example/a?b=%20/?c",
            "http://h.example/",
            "https://127.0.0.1.h-1.example/~x/a.b",
            "https://127.0.0.1:8443/'\"<>[]^`{|}@:;",
            "http://h.example:443/a//b",
        ] {
            assert!(last.offsets(text).is_some(), "{text}");
            check(&mut last, text);
        }
        for text in [
            "http://h?q",
            "http://h",
            "HTTP://h/",
            "http://127.1/",
            "http://h.0x7f/",
            "http://h:80/",
            "http://h:080/",
            "http://h:0/",
            "http://h:/",
            "http://h:65536/",
            "http://u@h/",
            "http://h/a/../b",
            "http://h/.a",
            "http://h/a#b",
            "http://h/a b",
            "http://h/\u{e4}",
            "http://h/\\",
            " http://h/",
            "http://h/ ",
            "http://h/\t",
            "http://xn--a/",
            "no URL",
            "",
        ] {
            assert!(last.offsets(text).is_none(), "{text}");
            check(&mut last, text);
        }
    }

    #[test]
    fn an_origin_ends_where_its_path_begins() {
        for (first, second) in [
            ("http://h/a", "http://h.example/a"),
            ("http://h/a", "http://h:81/a"),
            ("http://h/a", "http://h@evil.example/a"),
            ("http://h:8/a", "http://h:80/a"),
            ("http://h/a", "http://h?a"),
            ("http://[::1]/a", "http://[::1]:81/a"),
            ("http://H_x/a", "http://h_x/a"),
            ("", "/a"),
        ] {
            let mut last = LastOrigin::default();
            check(&mut last, first);
            check(&mut last, second);
            check(&mut last, second);
        }
        // What cannot be seen is known once it was taken apart.
        let mut last = LastOrigin::default();
        check(&mut last, "http://[::1]:81/a");
        assert!(last.offsets("http://[::1]:81/b").is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            cases: 2_000,
            ..ProptestConfig::default()
        })]

        /// The short way says of every URL what the long way says, whatever came before.
        #[test]
        fn the_short_way_says_what_the_long_way_says(
            urls in prop::collection::vec(
                (
                    "(https?|HTTP)://",
                    "((u|u:p|)@)?",
                    "([a-c]{1,2}|[a-z0-9.-]{0,6}|[A-Z_\u{e9}%~]|(25[0-9]|[0-9]{1,3}\\.){2,5}|\\[::1\\]|xn--a)",
                    "(:(80|443|81|0?8[0-9]{0,4}|x)?)?",
                    "(/?[a-z%.@:?#/\\\\ \u{fc}|^\t]{0,9}){0,4}",
                ),
                1..5,
            ),
            is_kept in any::<bool>(),
        ) {
            let mut last = LastOrigin::default();
            let mut before = None;
            for (scheme, user, host, port, rest) in &urls {
                let origin = format!("{scheme}{user}{host}{port}");
                // Half of them have the origin of the first.
                let origin = if is_kept { &*before.get_or_insert(origin) } else { &origin };
                check(&mut last, &format!("{origin}{rest}"));
            }
        }
    }
}
