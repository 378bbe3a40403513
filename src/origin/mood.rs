//! Moods of a file: what the query of its URL asks the origin to do differently, honest or not.

use super::files::Place;

/// What the query of a file's URL asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mood {
    /// The ETag.
    pub(super) etag: Etag,
    /// The Last-Modified.
    pub(super) last_modified: LastModified,
    /// Whether the Date is left out.
    pub(super) has_no_date: bool,
    /// Whether the content is zeros.
    pub(super) is_zero: bool,
    /// How and when the file changes by itself.
    pub(super) change: Change,
    /// Bytes a second of every connection.
    pub(super) rate: Option<u64>,
    /// Bytes that the kernel keeps for a peer that does not read yet.
    pub(super) send_buffer: Option<usize>,
    /// Most bodies sent at a time; what is above is refused with 503.
    pub(super) sending_max: Option<u64>,
    /// Which requests have the fault.
    pub(super) select: Select,
    /// The fault of those requests.
    pub(super) fault: Fault,
}

/// Kind of an ETag.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Etag {
    /// A strong one.
    #[default]
    Strong,
    /// A weak one.
    Weak,
    /// None.
    None,
}

/// Kind of a Last-Modified.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum LastModified {
    /// An hour before the origin's start, and a second later for each change.
    #[default]
    Past,
    /// The time of the response, which makes it weak (RFC 9110 section 8.8.2.2).
    Now,
    /// Seconds since 1970, and a second later for each change.
    At(u64),
    /// None.
    None,
}

/// How and when a file changes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// What a change changes.
    pub(super) what: What,
    /// The change comes after this many requests.
    pub(super) after_requests: Option<u64>,
    /// The change comes after this many bytes of bodies.
    pub(super) after_bytes: Option<u64>,
    /// Length from the first change on.
    pub(super) len: Option<u64>,
}

/// What a change changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum What {
    /// Content, ETag and Last-Modified.
    #[default]
    All,
    /// The content, behind validators that stay.
    Content,
    /// ETag and Last-Modified of the same content.
    Validators,
    /// The ETag of the same content.
    Etag,
}

/// Which requests have the fault: those for which all conditions hold.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Select {
    /// The first so many requests.
    pub(super) first: Option<u64>,
    /// All but the first so many.
    pub(super) after: Option<u64>,
    /// The request with this number.
    pub(super) nth: Option<u64>,
    /// The request with this number among those with a Range field.
    pub(super) nth_range: Option<u64>,
    /// All requests of the connection with this number.
    pub(super) nth_connection: Option<u64>,
}

/// The fault of the selected requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Fault {
    /// What becomes of a range.
    pub(super) ranges: Ranges,
    /// Number of bytes that the lies about ranges are off by.
    pub(super) by: Option<u64>,
    /// Whether If-Range is ignored, so that a range of another version is sent.
    pub(super) ignores_if_range: bool,
    /// The connection ends after so many bytes of the body.
    pub(super) cut: Option<u64>,
    /// A reset comes after so many bytes of the body.
    pub(super) reset: Option<u64>,
    /// Silence begins after so many bytes of the body.
    pub(super) stall: Option<u64>,
    /// Bytes a second of this response.
    pub(super) slow: Option<u64>,
    /// This status instead of the file.
    pub(super) status: Option<u16>,
}

/// What becomes of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Ranges {
    /// The range is sent.
    #[default]
    Honoured,
    /// The range is sent, and no Accept-Ranges tells that this can be asked for.
    Untold,
    /// The whole is sent with 200, without an Accept-Ranges.
    Ignored,
    /// The whole is sent with 200 and `Accept-Ranges: bytes`: a proxy took the field away.
    Stripped,
    /// The whole is sent with 200 and `Accept-Ranges: none`.
    None,
    /// 416, whatever the range.
    Refused,
    /// Bytes from further behind; Content-Range says what was asked for.
    Shifted,
    /// Bytes from further behind; Content-Range tells.
    ShiftedTold,
    /// Fewer bytes at the end; Content-Range tells.
    Shortened,
    /// Fewer bytes at the end; Content-Range says what was asked for.
    ShortenedUntold,
    /// The whole with 206 and the Content-Range of the whole.
    Whole,
    /// multipart/byteranges with the one range in it.
    Multipart,
    /// Content-Range with a larger complete length.
    Total,
    /// Content-Range with `*` for the complete length, which is allowed.
    TotalUnknown,
    /// 206 without a Content-Range.
    Bare,
    /// 206 with the bytes of the range in gzip: an intermediary coded them.
    Gzip,
}

impl Mood {
    /// Reads a query. Names that are not in the table are for the test to use as it likes.
    ///
    /// # Errors
    /// The pair whose value is not understood.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let mut mood = Self::default();
        if query.is_empty() {
            return Ok(mood);
        }
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            mood.set(name, value).ok_or_else(|| pair.to_owned())?;
        }
        Ok(mood)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "etag" => {
                self.etag = choose(value, &[("weak", Etag::Weak), ("none", Etag::None)])?;
            }
            "last-modified" => {
                self.last_modified = match value {
                    "none" => LastModified::None,
                    "now" => LastModified::Now,
                    seconds => LastModified::At(number(seconds).filter(|&at| at <= DATE_MAX_S)?),
                }
            }
            "date" => self.has_no_date = choose(value, &[("none", true)])?,
            "fill" => self.is_zero = choose(value, &[("zero", true)])?,
            "change" => {
                let what = [
                    ("all", What::All),
                    ("content", What::Content),
                    ("validators", What::Validators),
                    ("etag", What::Etag),
                ];
                self.change.what = choose(value, &what)?;
            }
            "change-after-requests" => self.change.after_requests = Some(number(value)?),
            "change-after-bytes" => self.change.after_bytes = Some(number(value)?),
            "change-length" => self.change.len = Some(number(value)?),
            "rate" => self.rate = Some(number(value).filter(|&rate| rate > 0)?),
            "send-buffer" => self.send_buffer = Some(usize::try_from(number(value)?).ok()?),
            "sending-max" => self.sending_max = Some(number(value)?),
            "first" => self.select.first = Some(number(value)?),
            "after" => self.select.after = Some(number(value)?),
            "nth" => self.select.nth = Some(number(value)?),
            "nth-range" => self.select.nth_range = Some(number(value)?),
            "nth-connection" => self.select.nth_connection = Some(number(value)?),
            _ => return self.fault.set(name, value),
        }
        Some(())
    }
}

impl Fault {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "ranges" => self.ranges = choose(value, &RANGES)?,
            "by" => self.by = Some(number(value)?),
            "if-range" => self.ignores_if_range = choose(value, &[("ignored", true)])?,
            "cut" => self.cut = Some(number(value)?),
            "reset" => self.reset = Some(number(value)?),
            "stall" => self.stall = Some(number(value)?),
            "slow" => self.slow = Some(number(value).filter(|&rate| rate > 0)?),
            "status" => {
                self.status = Some(value.parse().ok().filter(|code| (200..600).contains(code))?);
            }
            _ => {}
        }
        Some(())
    }
}

impl Change {
    /// Changes that the file has had when a request comes at this place.
    pub(super) fn count(&self, place: &Place) -> u64 {
        let is_changed = self.after_requests.is_some_and(|most| place.request > most)
            || self.after_bytes.is_some_and(|most| place.body_bytes >= most);
        place.changes + u64::from(is_changed)
    }
}

impl Select {
    /// Whether the request at this place has the fault.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.first.is_none_or(|first| place.request <= first)
            && self.after.is_none_or(|after| place.request > after)
            && self.nth.is_none_or(|nth| place.request == nth)
            && self.nth_range.is_none_or(|nth| place.range_request == Some(nth))
            && self.nth_connection.is_none_or(|nth| place.connection == nth)
    }
}

fn choose<T: Copy>(value: &str, among: &[(&str, T)]) -> Option<T> {
    among.iter().find(|(name, _)| *name == value).map(|&(_, choice)| choice)
}

/// A number written in digits only, of a size that no sum of two can overflow.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok()).flatten().filter(|&number| number < u64::MAX / 2)
}

/// Values of `ranges`.
const RANGES: [(&str, Ranges); 16] = [
    ("honoured", Ranges::Honoured),
    ("untold", Ranges::Untold),
    ("ignored", Ranges::Ignored),
    ("stripped", Ranges::Stripped),
    ("none", Ranges::None),
    ("refused", Ranges::Refused),
    ("shifted", Ranges::Shifted),
    ("shifted-told", Ranges::ShiftedTold),
    ("shortened", Ranges::Shortened),
    ("shortened-untold", Ranges::ShortenedUntold),
    ("whole", Ranges::Whole),
    ("multipart", Ranges::Multipart),
    ("total", Ranges::Total),
    ("total-unknown", Ranges::TotalUnknown),
    ("bare", Ranges::Bare),
    ("gzip", Ranges::Gzip),
];
/// The latest date that an HTTP date can tell, less some room for changes, in seconds since 1970.
const DATE_MAX_S: u64 = 200_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_and_mistakes_in_them_told() {
        assert_eq!(Mood::read("").unwrap(), Mood::default());
        assert_eq!(Mood::read("id=a&x&retry-after=3").unwrap(), Mood::default());
        let mood = Mood::read("etag=weak&last-modified=7&change=etag&rate=9&nth=2&cut=5").unwrap();
        assert_eq!((mood.etag, mood.last_modified), (Etag::Weak, LastModified::At(7)));
        assert_eq!((mood.change.what, mood.rate, mood.fault.cut), (What::Etag, Some(9), Some(5)));
        for bad in ["etag=strange", "rate=0", "cut=", "ranges=x", "status=99", "nth=-1", "fill"] {
            assert_eq!(Mood::read(&format!("a=b&{bad}")), Err(bad.to_owned()));
        }
    }

    #[test]
    fn all_conditions_select_together() {
        let place = Place { request: 4, range_request: Some(2), connection: 3, ..Place::default() };
        for (query, is_selected) in [
            ("", true),
            ("first=4", true),
            ("first=3", false),
            ("after=3", true),
            ("after=4", false),
            ("nth=4&nth-range=2&nth-connection=3", true),
            ("nth=4&nth-range=1", false),
            ("nth-connection=4", false),
        ] {
            assert_eq!(Mood::read(query).unwrap().select.has(&place), is_selected, "{query}");
        }
        let whole = Place { range_request: None, ..place };
        assert!(!Mood::read("nth-range=2").unwrap().select.has(&whole));
    }

    #[test]
    fn changes_come_by_requests_by_bytes_and_by_hand() {
        let place = Place { request: 4, body_bytes: 100, changes: 2, ..Place::default() };
        for (query, changes) in [
            ("", 2),
            ("change-after-requests=3", 3),
            ("change-after-requests=4", 2),
            ("change-after-bytes=100", 3),
            ("change-after-bytes=101", 2),
        ] {
            assert_eq!(Mood::read(query).unwrap().change.count(&place), changes, "{query}");
        }
    }
}
