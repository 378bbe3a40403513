//! `Content-Range` (RFC 9110 section 14.4), read strictly.

use super::value::decimal;
use std::fmt;

/// What part of the content a response says it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ContentRange {
    /// `bytes first-last/complete`: a part of the content.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, not below `first`.
        last: u64,
        /// Bytes of the whole, above `last`; `None` for `*`, where the server does not know.
        complete: Option<u64>,
    },
    /// `bytes */complete`: no part, since the range asked for lies outside of the content.
    Unsatisfied {
        /// Bytes of the whole.
        complete: u64,
    },
}

impl ContentRange {
    /// Reads a field value, OWS trimmed. `None` for a unit other than bytes and for whatever is not
    /// exactly of the grammar, or says that a part lies outside of the whole.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (unit, range) = split_once(value, b' ')?;
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let (range, complete) = split_once(range, b'/')?;
        // The inner `None` is a number beyond 64 bits.
        let complete = match complete {
            b"*" => None,
            digits => Some(decimal(digits)??),
        };
        if range == b"*" {
            return complete.map(|complete| Self::Unsatisfied { complete });
        }
        let (first, last) = split_once(range, b'-')?;
        let (first, last) = (decimal(first)??, decimal(last)??);
        let is_part = first <= last && complete.is_none_or(|complete| last < complete);
        is_part.then_some(Self::Part { first, last, complete })
    }
}

/// For people, as what a server did.
impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { first, last, complete: Some(complete) } => {
                write!(f, "the server sent bytes {first}-{last} of {complete}")
            }
            Self::Part { first, last, complete: None } => {
                write!(f, "the server sent bytes {first}-{last} of an unknown number")
            }
            Self::Unsatisfied { complete } => {
                write!(f, "the server found no such range in {complete} bytes")
            }
        }
    }
}

fn split_once(value: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = value.iter().position(|byte| *byte == at)?;
    Some((&value[..position], &value[position + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values() {
        let part = |first, last, complete| Some(ContentRange::Part { first, last, complete });
        let unsatisfied = |complete| Some(ContentRange::Unsatisfied { complete });
        let max = u64::MAX;
        let table: &[(&str, Option<ContentRange>)] = &[
            ("bytes 0-99/1000", part(0, 99, Some(1_000))),
            ("bytes 0-0/1", part(0, 0, Some(1))),
            ("Bytes 5-5/*", part(5, 5, None)),
            ("bytes 00-07/0010", part(0, 7, Some(10))),
            ("bytes */0", unsatisfied(0)),
            ("bytes */1000", unsatisfied(1_000)),
            ("bytes 0-18446744073709551614/18446744073709551615", part(0, max - 1, Some(max))),
            ("bytes 0-99/18446744073709551616", None),
            ("bytes 18446744073709551616-18446744073709551617/*", None),
            ("bytes 1-0/10", None),
            ("bytes 0-10/10", None),
            ("bytes 0-9/0", None),
            ("bytes */*", None),
            ("bytes -9/10", None),
            ("bytes 0-/10", None),
            ("bytes 0-9", None),
            ("bytes 0-9/", None),
            ("bytes 0-9/10 ", None),
            ("bytes  0-9/10", None),
            ("bytes\t0-9/10", None),
            ("bytes 0 - 9/10", None),
            ("bytes 0-9 / 10", None),
            ("bytes +0-9/10", None),
            ("bytes 0-9/10/10", None),
            ("bytes 0-9/10, bytes 0-9/10", None),
            ("bytes=0-9/10", None),
            ("bytes", None),
            ("items 0-9/10", None),
            ("0-9/10", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(ContentRange::parse(value.as_bytes()), *expected, "{value:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn what_was_read_is_written_back(
            value in "bytes ([0-9]{1,3}-[0-9]{1,3}|\\*)/([0-9]{1,4}|\\*)",
        ) {
            let Some(range) = ContentRange::parse(value.as_bytes()) else { return Ok(()) };
            let number = |n: Option<u64>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
            let written = match range {
                ContentRange::Part { first, last, complete } => {
                    prop_assert!(first <= last && complete.is_none_or(|complete| last < complete));
                    format!("bytes {first}-{last}/{}", number(complete))
                }
                ContentRange::Unsatisfied { complete } => format!("bytes */{complete}"),
            };
            prop_assert_eq!(ContentRange::parse(written.as_bytes()), Some(range));
        }

        #[test]
        fn no_bytes_are_too_strange(value in any::<Vec<u8>>()) {
            let _: Option<ContentRange> = ContentRange::parse(&value);
        }
    }
}
