//! Whether a response is the part of a file that was asked for (RFC 9110 sections 14.4 and 15.3.7).

use crate::fault::{Cause, Fault, Stage};
use crate::http::head::Framing;
use crate::http::{ContentRange, Head};
use crate::limits;
use crate::plan::validator::{Agreement, Validator};
use std::fmt;
use std::ops::Range;

/// A part of a file, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PartAsk<'a> {
    /// Offset of the first byte.
    pub first: u64,
    /// Offset of the last byte; `None` for all that follow.
    pub last: Option<u64>,
    /// Bytes of the whole file, where that is known.
    pub complete: Option<u64>,
    /// The version that the other parts are of.
    pub validator: &'a Validator,
    /// `--continue=always`: a part is taken although nothing vouches that it is of the same
    /// version. What contradicts is never taken.
    pub takes_unvouched: bool,
}

/// Why the answer to a request for a part is of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadPart {
    /// The part is of another version of the file.
    Changed,
    /// The part may be of any version.
    Unvouched,
    /// The part is not the one that was asked for, or not as it says.
    Lie,
}

/// Why all of a file came though a part was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WhyWhole {
    /// The file is another version than the parts that are here.
    Changed,
    /// The server, or something on the way to it, knows nothing of ranges.
    RangesIgnored,
}

/// Whether a response ended where it must not. It brought the bytes `came` of a file, and said that
/// it would go on to `end`. It must not end before that, nor so soon, while more `is_left`, that
/// whoever sends a byte at a time would be asked without end.
pub fn ends_early(came: Range<u64>, end: u64, is_left: bool) -> bool {
    came.end < end || (is_left && came.end - came.start < limits::LONG_BYTES_MIN)
}

/// Which bytes a 206 brings, and how many the whole file has.
pub(super) fn judge_part(
    head: &Head,
    ask: &PartAsk<'_>,
) -> Result<(Range<u64>, Option<u64>), (Fault, BadPart)> {
    let agreement = ask.validator.agreement(head);
    if agreement == Agreement::Differs {
        return Err(changed(&"what it says of its version is not what it said before"));
    }
    if head.is_multipart_byteranges() {
        return Err(lie(&"the server sent several parts in one (multipart/byteranges)"));
    }
    let Some(range) = head.content_range else {
        return Err(lie(&"the server sent a part without one valid Content-Range"));
    };
    let ContentRange::Part { first, last, complete } = range else {
        return Err(lie(&format_args!("{range} and sent a part")));
    };
    if let (Some(now), Some(before)) = (complete, ask.complete)
        && now != before
    {
        let why = format!("it has {now} bytes, and had {before} before");
        // A tag that is the same is of the same bytes.
        let is_same = agreement == Agreement::Same;
        return Err(if is_same { lie(&why) } else { changed(&why) });
    }
    let is_beyond = last >= ask.complete.unwrap_or(u64::MAX).min(limits::BODY_BYTES_LIMIT)
        || ask.last.is_some_and(|last_max| last > last_max);
    if first != ask.first || is_beyond {
        return Err(lie(&format_args!("{range} although {} were asked for", Asked(ask))));
    }
    if let Some(coding) = &head.content_encoding {
        return Err(lie(&format_args!("the server sent the part in the coding {coding}")));
    }
    let end = last + 1;
    match head.framing {
        Framing::Length(bytes) if bytes == end - first => {}
        Framing::Length(bytes) => {
            return Err(lie(&format_args!("{range} in a body of {bytes} bytes")));
        }
        // The count of what comes shows it.
        Framing::Chunked | Framing::Close => {}
        Framing::Empty => return Err(lie(&format_args!("{range} without a body"))),
    }
    // A server that was asked with If-Range has compared, and may leave the validator out.
    if agreement == Agreement::Unknown && !ask.validator.is_strong() && !ask.takes_unvouched {
        return Err(bad(Cause::Range, BadPart::Unvouched, &"nothing says of which version it is"));
    }
    Ok((first..end, complete.or(ask.complete)))
}

/// Why the whole file came, by its head. Where validators say nothing the length does.
pub fn why_whole(head: &Head, ask: &PartAsk<'_>) -> WhyWhole {
    match (ask.validator.agreement(head), head.framing, ask.complete) {
        (Agreement::Same, ..) => WhyWhole::RangesIgnored,
        (Agreement::Differs, ..) => WhyWhole::Changed,
        (Agreement::Unknown, Framing::Length(now), Some(before))
            if now != before && head.content_encoding.is_none() =>
        {
            WhyWhole::Changed
        }
        (Agreement::Unknown, ..) => WhyWhole::RangesIgnored,
    }
}

fn bad(cause: Cause, bad: BadPart, why: &dyn fmt::Display) -> (Fault, BadPart) {
    (Fault::new(Stage::Head, cause).with_detail(why), bad)
}

fn changed(why: &dyn fmt::Display) -> (Fault, BadPart) {
    bad(Cause::Changed, BadPart::Changed, why)
}

fn lie(why: &dyn fmt::Display) -> (Fault, BadPart) {
    bad(Cause::Range, BadPart::Lie, why)
}

/// The bytes that were asked for, for people.
struct Asked<'a>(&'a PartAsk<'a>);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PartAsk { first, last, complete, .. } = self.0;
        match last {
            Some(last) => write!(f, "bytes {first}-{last}")?,
            None => write!(f, "the bytes from {first} on")?,
        }
        match complete {
            Some(complete) => write!(f, " of {complete}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
