//! The response to a request for a file: validators, conditions, the range, and the lies that the
//! mood wants. Pure: what happened before and what time it is are passed in.

use super::content;
use super::mood::{Etag, Fault, LastModified, Ranges, What};
use super::range::{self, Asked};
use super::request::Request;
use super::route::{Answer, Cut, Framing, Kind, Wanted};
use super::source::{Content, Source};
use std::fmt::Write;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A response as it goes out.
#[derive(Debug)]
pub(super) struct Reply {
    /// Status code.
    pub(super) status: u16,
    /// `Content-Type`.
    pub(super) content_type: &'static str,
    /// Further field lines, each with its line end.
    pub(super) fields: String,
    /// The body.
    pub(super) source: Source,
    /// Way in which the end of the body is told.
    pub(super) framing: Framing,
    /// Place where the body breaks off.
    pub(super) cut: Cut,
    /// Bytes a second.
    pub(super) rate: Option<u64>,
    /// Whether the body goes out in gzip.
    pub(super) is_gzip: bool,
}

/// What a response depends on besides the request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// Changes that the file has had.
    pub(super) changes: u64,
    /// Whether this request has the fault.
    pub(super) is_selected: bool,
    /// Seconds since 1970.
    pub(super) now_s: u64,
    /// Start of the origin, in seconds since 1970.
    pub(super) started_s: u64,
}

/// A file as it is at one time.
struct Version {
    content: Content,
    len: u64,
    etag: Option<String>,
    /// Seconds since 1970.
    modified_s: Option<u64>,
}

impl Reply {
    /// The response that does not depend on the request, with `body`.
    pub(super) fn fixed(answer: &Answer, body: Vec<u8>) -> Self {
        let mut fields = String::new();
        if let Some(location) = &answer.location {
            let _ = write!(fields, "Location: {location}\r\n");
        }
        if let Some(seconds) = answer.retry_after {
            let _ = write!(fields, "Retry-After: {seconds}\r\n");
        }
        Self {
            status: answer.status,
            content_type: answer.content_type,
            fields,
            source: Source::bytes(body),
            framing: answer.framing,
            cut: answer.cut,
            rate: None,
            is_gzip: false,
        }
    }

    /// The refusal of a request for a file.
    pub(super) fn refusal(status: u16, wanted: &Wanted) -> Self {
        let answer = Answer { retry_after: wanted.retry_after, ..Answer::text(status, "") };
        Self::fixed(&answer, b"not now\n".to_vec())
    }

    /// The response to a request for a file.
    pub(super) fn file(
        answer: &Answer,
        wanted: &Wanted,
        request: &Request,
        moment: &Moment,
    ) -> Self {
        let fault = if moment.is_selected { wanted.mood.fault } else { Fault::default() };
        if let Some(status) = fault.status {
            return Self::refusal(status, wanted);
        }
        let version = Version::of(wanted, moment);
        let mut reply = Self::fixed(answer, Vec::new());
        reply.rate = fault.slow.or(wanted.mood.rate);
        reply.cut = cut(&fault).unwrap_or(answer.cut);
        version.tell(&mut reply.fields);
        if version.is_known_to(request) {
            reply.status = 304;
            return reply;
        }
        match version.asked(request, &fault) {
            Asked::Whole => {
                if let Some(unit) = advertised(fault.ranges) {
                    let _ = write!(reply.fields, "Accept-Ranges: {unit}\r\n");
                }
                reply.source.len = version.len;
            }
            Asked::Part(range) => reply.part(range, version.len, &fault),
            Asked::Unsatisfiable => {
                let _ = write!(reply.fields, "Content-Range: bytes */{}\r\n", version.len);
                (reply.status, reply.cut) = (416, Cut::Nowhere);
                return reply;
            }
        }
        reply.source.content = version.content;
        reply
    }

    /// Puts the time of the response into it, in seconds since 1970.
    pub(super) fn dated(&mut self, now_s: u64) {
        let _ = write!(self.fields, "Date: {}\r\n", date(now_s));
    }

    /// Makes it 206 with `range` of `total` bytes, or with what the fault makes of that.
    fn part(&mut self, range: Range<u64>, total: u64, fault: &Fault) {
        self.status = 206;
        let by = fault.by.unwrap_or(1);
        let (mut sent, mut told) = (range.clone(), range);
        match fault.ranges {
            Ranges::Shifted => sent = sent.start + by..sent.end + by,
            Ranges::ShiftedTold => {
                sent = (sent.start + by).min(total - 1)..(sent.end + by).min(total);
                told = sent.clone();
            }
            Ranges::Shortened | Ranges::ShortenedUntold => {
                // A range has a byte at least.
                sent.end = sent.end.saturating_sub(by).max(sent.start + 1);
                if fault.ranges == Ranges::Shortened {
                    told = sent.clone();
                }
            }
            Ranges::Whole => (sent, told) = (0..total, 0..total),
            _ => {}
        }
        (self.source.start, self.source.len) = (sent.start, sent.end - sent.start);
        let complete = match fault.ranges {
            Ranges::Total => (total + by).to_string(),
            Ranges::TotalUnknown => "*".to_owned(),
            _ => total.to_string(),
        };
        let content_range =
            format!("Content-Range: bytes {}-{}/{complete}\r\n", told.start, told.end - 1);
        match fault.ranges {
            Ranges::Bare => {}
            Ranges::Multipart => {
                let of_part = self.content_type;
                self.source.before =
                    format!("--{BOUNDARY}\r\nContent-Type: {of_part}\r\n{content_range}\r\n")
                        .into_bytes();
                self.source.after = format!("\r\n--{BOUNDARY}--\r\n").into_bytes();
                self.content_type = MULTIPART;
            }
            _ => self.fields.push_str(&content_range),
        }
        if fault.ranges == Ranges::Gzip {
            self.is_gzip = true;
            self.fields.push_str("Content-Encoding: gzip\r\n");
            self.framing = Framing::Chunked;
        }
        if let Some(unit) = advertised(fault.ranges) {
            let _ = write!(self.fields, "Accept-Ranges: {unit}\r\n");
        }
    }
}

impl Version {
    fn of(wanted: &Wanted, moment: &Moment) -> Self {
        let mood = &wanted.mood;
        let changes = |kinds: &[What]| {
            if kinds.contains(&mood.change.what) { moment.changes } else { 0 }
        };
        let of_content = changes(&[What::All, What::Content]);
        let of_etag = changes(&[What::All, What::Validators, What::Etag]);
        let of_date = changes(&[What::All, What::Validators]);
        let changed_len = |changes| mood.change.len.filter(|_| changes > 0);

        let (content, len, tag) = match wanted.kind {
            Kind::Bytes { seed, len } => {
                let content = match mood.is_zero {
                    true => Content::Zeros,
                    false => Content::Seed(content::changed(seed, of_content)),
                };
                let tag_len = changed_len(of_etag).unwrap_or(len);
                let tag = format!("{:016x}-{tag_len:x}", content::changed(seed, of_etag));
                (content, changed_len(of_content).unwrap_or(len), tag)
            }
            Kind::Image(number) => {
                let image = content::image(number.wrapping_add(of_content));
                let len = image.len() as u64;
                let tag = format!("image-{:x}", number.wrapping_add(of_etag));
                (Content::Bytes(image), len, tag)
            }
        };
        let etag = match mood.etag {
            Etag::Strong => Some(format!("\"{tag}\"")),
            Etag::Weak => Some(format!("W/\"{tag}\"")),
            Etag::None => None,
        };
        let modified_s = match mood.last_modified {
            // Nothing is modified in the future.
            LastModified::Past => {
                let past = moment.started_s.saturating_sub(PAST_S);
                Some(past.saturating_add(of_date).min(moment.started_s.saturating_sub(1)))
            }
            LastModified::Now => Some(moment.now_s),
            LastModified::At(seconds) => Some(seconds.saturating_add(of_date)),
            LastModified::None => None,
        };
        Self { content, len, etag, modified_s }
    }

    fn tell(&self, fields: &mut String) {
        if let Some(etag) = &self.etag {
            let _ = write!(fields, "ETag: {etag}\r\n");
        }
        if let Some(seconds) = self.modified_s {
            let _ = write!(fields, "Last-Modified: {}\r\n", date(seconds));
        }
    }

    /// Whether the request says that it has this version (RFC 9110 section 13.2.2).
    fn is_known_to(&self, request: &Request) -> bool {
        if let Some(list) = &request.if_none_match {
            let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            return list.trim() == "*"
                || self.etag.as_deref().is_some_and(|etag| {
                    list.split(',').any(|known| opaque(known) == opaque(etag))
                });
        }
        let since = request.if_modified_since.as_deref().and_then(seconds);
        since.zip(self.modified_s).is_some_and(|(since, modified)| modified <= since)
    }

    /// What the request asks for, as far as the conditions and the fault let it.
    fn asked(&self, request: &Request, fault: &Fault) -> Asked {
        // RFC 9110 section 14.2: Range is for GET only.
        let Some(value) = request.range.as_deref().filter(|_| !request.is_head) else {
            return Asked::Whole;
        };
        if matches!(fault.ranges, Ranges::Ignored | Ranges::Stripped | Ranges::None) {
            return Asked::Whole;
        }
        let is_same = request.if_range.as_deref().is_none_or(|known| self.is_strongly(known));
        if !is_same && !fault.ignores_if_range {
            return Asked::Whole;
        }
        match range::read(value, self.len) {
            Asked::Part(_) if fault.ranges == Ranges::Refused => Asked::Unsatisfiable,
            asked => asked,
        }
    }

    /// Whether the value of an If-Range field names this version (RFC 9110 section 13.1.5): an
    /// ETag by the strong comparison, a date by being the same.
    fn is_strongly(&self, known: &str) -> bool {
        let known = known.trim();
        match known.starts_with('"') {
            true => self.etag.as_deref() == Some(known),
            false => seconds(known).is_some_and(|known| self.modified_s == Some(known)),
        }
    }
}

/// An HTTP date of seconds since 1970.
fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn seconds(date: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(date).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Seconds since 1970.
pub(super) fn since_1970_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn cut(fault: &Fault) -> Option<Cut> {
    let reset = || fault.reset.map(Cut::Reset);
    fault.cut.map(Cut::Close).or_else(reset).or_else(|| fault.stall.map(Cut::Stall))
}

/// The value of Accept-Ranges.
fn advertised(ranges: Ranges) -> Option<&'static str> {
    match ranges {
        Ranges::Ignored | Ranges::Untold => None,
        Ranges::None => Some("none"),
        _ => Some("bytes"),
    }
}

/// Age of a file when the origin starts, in seconds.
const PAST_S: u64 = 3_600;
/// What the parts of a multipart body are told apart by.
const BOUNDARY: &str = "ringpull-origin-part";
/// The Content-Type of such a body.
const MULTIPART: &str = "multipart/byteranges; boundary=ringpull-origin-part";
