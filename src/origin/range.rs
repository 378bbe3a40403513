//! Byte ranges of requests (RFC 9110 section 14).

use std::ops::Range;

/// What a Range field asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// The whole: no range, several, or a field that is not understood (section 14.2 has it
    /// ignored).
    Whole,
    /// Some bytes, at least one.
    Part(Range<u64>),
    /// Bytes that are not there.
    Unsatisfiable,
}

/// Reads the value of a Range field for a representation of `len` bytes.
pub(super) fn read(value: &str, len: u64) -> Asked {
    let Some((unit, set)) = value.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Asked::Whole };
    match (position(first), position(last)) {
        // Section 14.1.2: of a representation without bytes there is a suffix, but no
        // Content-Range can tell it.
        (None, Some(suffix)) if first.is_empty() => match suffix {
            0 => Asked::Unsatisfiable,
            _ if len == 0 => Asked::Whole,
            _ => Asked::Part(len.saturating_sub(suffix)..len),
        },
        (Some(first), None) if last.is_empty() => part(first, u64::MAX, len),
        (Some(first), Some(last)) if first <= last => part(first, last, len),
        _ => Asked::Whole,
    }
}

fn part(first: u64, last: u64, len: u64) -> Asked {
    if first >= len {
        return Asked::Unsatisfiable;
    }
    Asked::Part(first..last.saturating_add(1).min(len))
}

/// A position; one too large for 64 bits lies behind the end of everything.
fn position(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        for (value, len, asked) in [
            ("bytes=0-0", 10, Asked::Part(0..1)),
            ("bytes=2-5", 10, Asked::Part(2..6)),
            ("bytes=2-", 10, Asked::Part(2..10)),
            ("BYTES=2-99", 10, Asked::Part(2..10)),
            ("bytes=9-99999999999999999999", 10, Asked::Part(9..10)),
            ("bytes=-3", 10, Asked::Part(7..10)),
            ("bytes=-30", 10, Asked::Part(0..10)),
            ("bytes=10-", 10, Asked::Unsatisfiable),
            ("bytes=99999999999999999999-", 10, Asked::Unsatisfiable),
            ("bytes=-0", 10, Asked::Unsatisfiable),
            ("bytes=0-", 0, Asked::Unsatisfiable),
            ("bytes=-5", 0, Asked::Whole),
            ("bytes=5-2", 10, Asked::Whole),
            ("bytes=0-1,4-5", 10, Asked::Whole),
            ("bytes=a-", 10, Asked::Whole),
            ("bytes=-", 10, Asked::Whole),
            ("bytes 0-1", 10, Asked::Whole),
            ("lines=0-1", 10, Asked::Whole),
            ("", 10, Asked::Whole),
        ] {
            assert_eq!(read(value, len), asked, "{value} of {len}");
        }
    }
}
