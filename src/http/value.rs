//! Values of header fields: folded lines, white space, lists and numbers.

use std::borrow::Cow;

/// Puts spaces in the place of obs-fold (RFC 9112 section 5.2). Only a folded value is copied.
pub(super) fn unfold(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\n') {
        return Cow::Borrowed(raw);
    }
    let unfolded = raw.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte });
    Cow::Owned(unfolded.collect())
}

/// The value without OWS around it: SP and HTAB (RFC 9110 section 5.6.3). `trim_ascii` would take
/// FF too.
pub(super) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The members of a comma-separated list, OWS trimmed, empty ones included.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim_ows)
}

/// The number that `1*DIGIT` is: the outer `None` for anything else, the inner one for more than
/// 64 bits.
pub(super) fn decimal(value: &[u8]) -> Option<Option<u64>> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value.iter().try_fold(0_u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        }),
    )
}
