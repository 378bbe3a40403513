//! What a row tells of the version that its file is, for a run that asks for other versions only.

use serde::Deserialize;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};

/// The version of a file, as its row tells of it, and when the file got its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Version<'a> {
    /// Entity tag of the response that brought the file, as the server sent it.
    pub etag: Cow<'a, str>,
    /// A moment before which the job did not begin.
    pub began: SystemTime,
    /// A moment by which the job had ended.
    pub ended: SystemTime,
}

impl<'a> Version<'a> {
    /// Reads the cells of a row in CSV, in the order of [`super::columns::WANTED`]. `None` where
    /// one of them is missing or not what a row has, and where the tag may be another one than it
    /// shows: a character that is not seen is shown with a backslash, and so is a backslash.
    pub(super) fn of_cells(cells: [&'a [u8]; 5]) -> Option<Self> {
        let [etag, ..] = cells;
        if etag.is_empty() || etag.contains(&b'\\') {
            return None;
        }
        let [etag, attempted_at, time_total, url_effective, num_redirects] =
            cells.map(|cell| std::str::from_utf8(cell).ok());
        let has_redirects = num_redirects?.parse::<u64>().ok()? > 0;
        let is_elsewhere = url_effective != Some("") && !has_redirects;
        Self::new(etag?.into(), attempted_at?, time_total?.parse().ok()?, is_elsewhere)
    }

    /// Reads the members of a row in JSON.
    pub(super) fn of_json(line: &'a [u8]) -> Option<Self> {
        let members: Members<'_> = serde_json::from_slice(line).ok()?;
        let Members { etag, attempted_at, time_total, url_effective, num_redirects } = members;
        let has_redirects = num_redirects? > 0;
        let is_elsewhere = url_effective.is_some() && !has_redirects;
        Self::new(etag?, &attempted_at?, time_total?, is_elsewhere)
    }

    /// The file of a line that has several sources may be from another one than its URL
    /// (`is_elsewhere`), of which a tag says nothing.
    fn new(
        etag: Cow<'a, str>,
        attempted_at: &str,
        time_total_s: f64,
        is_elsewhere: bool,
    ) -> Option<Self> {
        let began = humantime::parse_rfc3339(attempted_at).ok()?;
        let total = Duration::try_from_secs_f64(time_total_s).ok()?;
        let ended = began.checked_add(total)?.checked_add(CUT_OFF)?;
        (!is_elsewhere).then_some(Self { etag, began, ended })
    }
}

/// The members of a row in JSON that tell of a version.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    etag: Option<Cow<'a, str>>,
    attempted_at: Option<Cow<'a, str>>,
    time_total: Option<f64>,
    url_effective: Option<Cow<'a, str>>,
    num_redirects: Option<u64>,
}

/// More than columns cut off of a time: of a date what is less than a millisecond, of a duration
/// what is less than a microsecond.
const CUT_OFF: Duration = Duration::from_micros(1_001);

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2025-11-20T08:45:45.067Z";

    fn cells<'a>(cells: [&'a str; 5]) -> Option<Version<'a>> {
        Version::of_cells(cells.map(str::as_bytes))
    }

    #[test]
    fn a_version_has_a_tag_and_a_time() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_628_345_067);
        let ended = began + Duration::from_micros(12_345_678 + 1_001);
        let wanted = |etag: &'static str| Some(Version { etag: etag.into(), began, ended });
        assert_eq!(cells(["\"a\"", AT, "12.345678", "", "0"]), wanted("\"a\""));
        assert_eq!(cells(["\"a\"", AT, "12.345678", "http://h/b", "1"]), wanted("\"a\""));
        let json = |etag: &str, url: &str, count: u32| {
            format!(
                "{{\"etag\":{etag},\"url_effective\":{url},\"num_redirects\":{count},\
                 \"time_total\":12.345678,\"attempted_at\":\"{AT}\"}}"
            )
        };
        for (line, seen) in [
            (json("\"\\\"a\\\"\"", "null", 0), wanted("\"a\"")),
            (json("\"\\\"a\\\"\"", "\"http://h/b\"", 2), wanted("\"a\"")),
            // JSON shows every character as it is.
            (json("\"\\\"\\\\u\\u00ad\\\"\"", "null", 0), wanted("\"\\u\u{ad}\"")),
            (json("\"\\\"a\\\"\"", "\"http://h/b\"", 0), None),
            (json("null", "null", 0), None),
            (json("7", "null", 0), None),
            ("{}".to_owned(), None),
        ] {
            assert_eq!(Version::of_json(line.as_bytes()), seen, "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_no_version() {
        for odd in [
            ["", AT, "1.0", "", "0"],
            ["\"a\"", "", "1.0", "", "0"],
            ["\"a\"", "yesterday", "1.0", "", "0"],
            ["\"a\"", AT, "", "", "0"],
            ["\"a\"", AT, "-1", "", "0"],
            ["\"a\"", AT, "NaN", "", "0"],
            ["\"a\"", AT, "1e300", "", "0"],
            // From another source of the line.
            ["\"a\"", AT, "1.0", "http://mirror/a", "0"],
            ["\"a\"", AT, "1.0", "http://mirror/a", ""],
            // Of a version that did not tell.
            ["\"a\"", AT, "1.0", "", ""],
            // It may have been a soft hyphen.
            ["\"\\u{ad}\"", AT, "1.0", "", "0"],
        ] {
            assert_eq!(cells(odd), None, "{odd:?}");
        }
    }
}
