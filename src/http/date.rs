//! HTTP dates (RFC 9110 section 5.6.7), kept as they were sent.

use std::fmt;
use std::time::SystemTime;

/// The text of a field that should hold a date, exactly as sent. It is read when somebody wants to
/// know: most responses have two, and hardly any are looked at.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct HttpDate {
    len: u8,
    /// ASCII, with zeros behind it.
    bytes: [u8; LEN_MAX],
}

impl HttpDate {
    /// Keeps a field value, OWS trimmed. `None` for one that cannot be a date: it is empty, longer
    /// than any, or holds something other than visible ASCII and spaces.
    pub fn new(value: &[u8]) -> Option<Self> {
        // All of them, without a way out: that takes a few instructions for many bytes at once.
        let is_text =
            value.iter().fold(true, |is_text, byte| is_text & matches!(byte, b' '..=b'~'));
        if !is_text || !(1..=LEN_MAX).contains(&value.len()) {
            return None;
        }
        let mut bytes = [0; LEN_MAX];
        bytes[..value.len()].copy_from_slice(value);
        Some(Self { len: u8::try_from(value.len()).ok()?, bytes })
    }

    /// The text as sent, of visible ASCII and spaces, which need not be a date.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The date in seconds since the Unix epoch; `None` before that, and for what is no date in one
    /// of the three forms that a recipient must accept.
    pub fn unix_s(self) -> Option<u64> {
        let date = httpdate::parse_http_date(self.as_str()).ok()?;
        Some(date.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs())
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Length of the longest date, `Wednesday, 09-Nov-94 08:49:37 GMT`, in bytes.
const LEN_MAX: usize = 33;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_kept_as_sent_and_read_in_three_forms() {
        for (text, unix_s) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Wednesday, 09-Nov-94 08:49:37 GMT", Some(784_370_977)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 +0100", None),
            ("0", None),
        ] {
            let date = HttpDate::new(text.as_bytes()).unwrap();
            assert_eq!((date.as_str(), date.unix_s()), (text, unix_s));
        }
    }

    #[test]
    fn what_cannot_be_a_date_is_not_kept() {
        let long = "x".repeat(LEN_MAX + 1);
        for text in ["", &long, "Sun,\t06 Nov 1994", "Sun, 06 N\u{f6}v", "a\r\nb", "\u{7f}"] {
            assert_eq!(HttpDate::new(text.as_bytes()), None, "{text:?}");
        }
        assert!(HttpDate::new(&long.as_bytes()[1..]).is_some());
    }
}
