//! Rules of sites for robots: robots.txt (RFC 9309), and `X-Robots-Tag` ([`refusal`]).
//!
//! `Crawl-delay` is not in the RFC and is ignored, as the RFC lets records that are not known be:
//! politeness is a matter of `-x` and the rates.

mod tag;

pub use tag::refusal;

use crate::limits::{ROBOTS_PATTERN_BYTES_MAX, ROBOTS_TXT_BYTES_MAX};

/// Whether the run does what sites ask of robots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// `--robots`: robots.txt of each origin is asked for, and obeyed.
    pub is_obeyed: bool,
    /// `--respect-x-robots-tag`: directives of `X-Robots-Tag` that let a response be skipped, lower
    /// case; without any, the field does not matter.
    pub tags: Vec<String>,
}

/// The rules of one robots.txt that are meant for us, the longest first: the first that matches
/// decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    /// Percent-encoded in one way; may have `*` in it, and `$` at its end.
    pattern: Box<[u8]>,
    is_allowed: bool,
}

impl Rules {
    /// Reads the rules for the product `token` from a robots.txt: those of all groups that name it,
    /// else of all groups for `*`. Lines that are not rules, and all behind the first
    /// [`ROBOTS_TXT_BYTES_MAX`] bytes, are passed over.
    pub fn parse(text: &[u8], token: &str) -> Self {
        let text = &text[..text.len().min(ROBOTS_TXT_BYTES_MAX)];
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let (mut ours, mut anyones) = (Vec::new(), Vec::new());
        let mut has_ours = false;
        let mut group = Group::default();
        for (key, value) in text.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(record) {
            if key.eq_ignore_ascii_case(b"user-agent") {
                if std::mem::take(&mut group.has_rules) {
                    group = Group::default();
                }
                group.is_anyones |= value == b"*";
                group.is_ours |= !token.is_empty() && is_named(value, token);
                has_ours |= group.is_ours;
                continue;
            }
            let is_allowed = key.eq_ignore_ascii_case(b"allow");
            if !is_allowed && !key.eq_ignore_ascii_case(b"disallow") {
                continue;
            }
            group.has_rules = true;
            if value.is_empty() || value.len() > ROBOTS_PATTERN_BYTES_MAX {
                continue;
            }
            let rule = || Rule { pattern: normalized(value, Text::Pattern).into(), is_allowed };
            if group.is_ours {
                ours.push(rule());
            }
            if group.is_anyones {
                anyones.push(rule());
            }
        }
        let mut rules = if has_ours { ours } else { anyones };
        // RFC 9309 section 2.2.2: the most octets, and of two alike the one that allows.
        rules.sort_by_key(|rule| (usize::MAX - rule.pattern.len(), !rule.is_allowed));
        Self { rules }
    }

    /// Whether a path, with its query, may be asked for. robots.txt itself always may.
    pub fn allow(&self, path: &str) -> bool {
        if path == ROBOTS_PATH || self.rules.is_empty() {
            return true;
        }
        let path = normalized(path.as_bytes(), Text::Path);
        let decides = self.rules.iter().find(|rule| matches(&rule.pattern, &path));
        decides.is_none_or(|rule| rule.is_allowed)
    }

    /// Bytes that the rules take in memory, about.
    pub fn bytes(&self) -> usize {
        let patterns = self.rules.iter().map(|rule| rule.pattern.len() + size_of::<Rule>());
        patterns.sum::<usize>() + size_of::<Self>()
    }
}

/// Path of a site's robots.txt.
pub const ROBOTS_PATH: &str = "/robots.txt";

/// The product token of a `User-Agent` (RFC 9309 section 2.2.1): its letters, `_` and `-` up to the
/// first other character.
pub fn token(user_agent: &str) -> &str {
    let end = user_agent.find(|c: char| !is_of_token(c)).unwrap_or(user_agent.len());
    &user_agent[..end]
}

/// The group at hand.
#[derive(Default)]
struct Group {
    is_ours: bool,
    is_anyones: bool,
    /// Whether the group has rules: a further `User-agent` begins another group then.
    has_rules: bool,
}

/// `key: value`, without the comment.
fn record(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.split(|byte| *byte == b'#').next()?;
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

/// Whether the value of `User-agent` is this token, in any case; a version behind it does not
/// matter.
fn is_named(value: &[u8], token: &str) -> bool {
    let end = value.iter().position(|byte| !is_of_token(char::from(*byte)));
    value[..end.unwrap_or(value.len())].eq_ignore_ascii_case(token.as_bytes())
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '-' | '_')
}

/// The role of a text to encode.
#[derive(Clone, Copy, PartialEq)]
enum Text {
    /// A pattern, in which `*` and a `$` at its end are not characters of the path.
    Pattern,
    /// A path, all of which is characters.
    Path,
}

/// The text percent-encoded in one way (RFC 9309 section 2.2.2): what need not be encoded is not,
/// what must be is, with upper-case digits. Reserved characters stay as they are given, for `%2F`
/// is not a `/`; but for `*` and `$`, which mean themselves only when they are encoded (section
/// 2.2.3).
fn normalized(bytes: &[u8], text: Text) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if let Some(byte) = decoded(*first, behind) {
            rest = &behind[2..];
            match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                true => out.push(byte),
                false => push_encoded(&mut out, byte),
            }
            continue;
        }
        let may_stay = match first {
            b'*' => text == Text::Pattern,
            b'$' => text == Text::Pattern && behind.is_empty(),
            _ => true,
        };
        match may_stay && first.is_ascii_graphic() {
            true => out.push(*first),
            false => push_encoded(&mut out, *first),
        }
    }
    out
}

/// The byte that `%XX` stands for.
fn decoded(first: u8, behind: &[u8]) -> Option<u8> {
    let [high, low] = *behind.first_chunk::<2>().filter(|_| first == b'%')?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_encoded(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(percent_encoding::percent_encode_byte(byte).as_bytes());
}

/// Whether a pattern matches the begin of a path, or with `$` at its end all of it. Takes at most
/// as many steps as the product of both lengths, and both are bounded.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, is_anchored) = match pattern.strip_suffix(b"$") {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let (mut at, mut path_at) = (0, 0);
    // Behind the last star: where to go on in the pattern, and what of the path it has taken.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if at == pattern.len() && (!is_anchored || path_at == path.len()) {
            return true;
        }
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, path_at));
        } else if at < pattern.len() && pattern.get(at) == path.get(path_at) {
            (at, path_at) = (at + 1, path_at + 1);
        } else if let Some((behind, taken)) = star.filter(|star| star.1 < path.len()) {
            (at, path_at) = (behind, taken + 1);
            star = Some((behind, taken + 1));
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests;
