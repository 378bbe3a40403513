//! What a file that was pulled tells of its version when it is asked for again (`--timestamping`):
//! a note that is kept with it, and its time as a field value.

use super::partial::url_digest;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// The note that goes with a file: which URL it was pulled from, and the entity tag of what came.
/// Tags of different URLs say nothing of each other (RFC 9110 section 8.8.3).
pub fn note(url: &str, etag: &str) -> String {
    let mut note = url_prefix(url);
    note.push(' ');
    note.push_str(etag);
    note
}

/// The entity tag in a note about a file of this URL; `None` for one of another URL, or what is no
/// note.
pub fn etag_of<'n>(note: &'n str, url: &str) -> Option<&'n str> {
    let (of, etag) = note.split_once(' ')?;
    (of == url_prefix(url)).then_some(etag)
}

/// The time of a file, in seconds since 1970, as a date for `If-Modified-Since` (RFC 9110 section
/// 5.6.7). `None` for what is no year of four digits.
pub fn if_modified_since(unix_s: u64) -> Option<String> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s.min(YEAR_10000_UNIX_S));
    (unix_s < YEAR_10000_UNIX_S).then(|| httpdate::fmt_http_date(at))
}

/// The first 64 bits of the digest of a URL, as hexadecimal digits.
fn url_prefix(url: &str) -> String {
    let mut prefix = String::with_capacity(16);
    for byte in &url_digest(url)[..8] {
        write!(prefix, "{byte:02x}").expect("a String takes any text");
    }
    prefix
}

/// Begin of the year 10000, in seconds since 1970.
const YEAR_10000_UNIX_S: u64 = 253_402_300_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_about_one_url() {
        let url = "http://h.example/a?b";
        for etag in ["\"33a64df5\"", "W/\"a b\"", "\"\""] {
            let note = note(url, etag);
            assert_eq!(etag_of(&note, url), Some(etag));
            assert_eq!(etag_of(&note, "http://h.example/a?c"), None);
        }
        for bad in ["", "x", "0123456789abcdef", " \"a\""] {
            assert_eq!(etag_of(bad, url), None, "{bad}");
        }
    }

    #[test]
    fn times_are_dates() {
        let date = |unix_s| if_modified_since(unix_s).unwrap_or_default();
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(YEAR_10000_UNIX_S - 1), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(if_modified_since(YEAR_10000_UNIX_S), None);
        assert_eq!(if_modified_since(u64::MAX), None);
    }
}
