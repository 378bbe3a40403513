//! What a request asks for besides its target: a part, or only what has changed.

use super::super::date::HttpDate;
use super::super::etag::{self, Strength};
use super::push_field;

/// Fields of one request that make it ask for a part, or for what has changed (RFC 9110 sections
/// 13.1 and 14.2). Values come from servers: one that is not what its field holds is left out.
///
/// A field of ours takes the place of the user's fields of that name. With a `range` there is none
/// of the user's four, and `Accept-Encoding` is `identity`: a range is one of the bytes sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Conditions<'a> {
    /// `Range`: offsets of the first byte and of the last one, which is not below it; `None` for
    /// all that follow. One whose `if_range` cannot be sent is not sent either.
    pub range: Option<(u64, Option<u64>)>,
    /// `If-Range`: a strong entity tag or a date, for requests with a `range`.
    pub if_range: Option<&'a str>,
    /// `If-None-Match`: an entity tag, strong or weak.
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`: a date.
    pub if_modified_since: Option<&'a str>,
}

impl Conditions<'_> {
    /// The conditions that can be sent as they are.
    pub(super) fn sendable(mut self) -> Self {
        let strength = |text| etag::read(text).map(|(strength, _)| strength);
        let is_strong = |text| strength(text) == Some(Strength::Strong);
        self.range = self.range.filter(|(first, last)| last.is_none_or(|last| *first <= last));
        if self.if_range.is_some_and(|text| !is_strong(text) && !is_date(text)) {
            self.range = None;
        }
        self.if_range = self.if_range.filter(|_| self.range.is_some());
        self.if_none_match = self.if_none_match.filter(|text| strength(text).is_some());
        self.if_modified_since = self.if_modified_since.filter(|text| is_date(text));
        self
    }

    /// Whether the request asks for all of its target, whatever that is.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Appends the field lines in `lines`, without those that ours replace.
    pub(super) fn push_others(&self, lines: &[u8], out: &mut Vec<u8>) {
        let has_range = self.range.is_some();
        let replaced = [
            ("range", has_range),
            ("if-range", has_range),
            ("accept-encoding", has_range),
            ("if-none-match", has_range || self.if_none_match.is_some()),
            ("if-modified-since", has_range || self.if_modified_since.is_some()),
        ];
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
            if !replaced.iter().any(|(name, is_replaced)| *is_replaced && is(name)) {
                out.extend_from_slice(line);
            }
        }
    }

    /// Appends our lines.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        if let Some((first, last)) = self.range {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            push_field(out, "Accept-Encoding", "identity");
            push_field(out, "Range", &format!("bytes={first}-{last}"));
        }
        let others = [
            ("If-Range", self.if_range),
            ("If-None-Match", self.if_none_match),
            ("If-Modified-Since", self.if_modified_since),
        ];
        for (name, value) in others {
            if let Some(value) = value {
                push_field(out, name, value);
            }
        }
    }
}

/// Whether a text is a date that servers read.
fn is_date(text: &str) -> bool {
    HttpDate::new(text.as_bytes()).is_some_and(|date| date.unix_s().is_some())
}
