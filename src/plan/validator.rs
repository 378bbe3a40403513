//! Which version of a file a response was of (RFC 9110 section 8.8), so that no file is made of the
//! bytes of two.

use crate::http::etag::{self, Strength};
use crate::http::{Head, HttpDate};
use crate::limits;

/// What is known of the version of a representation, by the head that brought it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Validator {
    /// `ETag` as sent, which need not be an entity tag.
    etag: Option<Box<str>>,
    /// `Last-Modified` as sent, a valid date.
    last_modified: Option<HttpDate>,
    /// The head was made so long after that date that the file cannot have changed within the same
    /// second.
    is_date_settled: bool,
}

/// What a later head says of the version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Agreement {
    /// One version: the bytes are the same.
    Same,
    /// Nothing is said, or nothing that vouches for every byte.
    Unknown,
    /// Another version.
    Differs,
}

impl Validator {
    /// What this head says.
    pub fn of(head: &Head) -> Self {
        let date_s = head.date.and_then(HttpDate::unix_s);
        let is_date_settled = match (head.last_modified.and_then(HttpDate::unix_s), date_s) {
            (Some(modified_s), Some(date_s)) => date_s >= modified_s.saturating_add(SETTLED_S),
            (Some(_) | None, _) => false,
        };
        let last_modified = head.last_modified.as_ref().map(HttpDate::as_str);
        Self::from_parts(head.etag.as_deref(), last_modified, is_date_settled)
    }

    /// A validator of parts that were kept: what [`Validator::etag`], [`Validator::last_modified`]
    /// and [`Validator::is_date_settled`] gave. What cannot be a date is left out.
    pub fn from_parts(
        etag: Option<&str>,
        last_modified: Option<&str>,
        is_date_settled: bool,
    ) -> Self {
        let last_modified = last_modified
            .and_then(|text| HttpDate::new(text.as_bytes()))
            .filter(|date| date.unix_s().is_some());
        Self {
            etag: etag.map(Into::into),
            last_modified,
            is_date_settled: is_date_settled && last_modified.is_some(),
        }
    }

    /// `ETag` as sent, made valid text. It need not be an entity tag.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// `Last-Modified` as sent, where it is a date.
    pub fn last_modified(&self) -> Option<&str> {
        self.last_modified.as_ref().map(HttpDate::as_str)
    }

    /// Whether the response was made so long after its `Last-Modified` that this is a strong
    /// validator (RFC 9110 section 8.8.2.2): a second is asked for where both dates are of one
    /// clock, and more where they need not be. A file server may well have another clock than the
    /// machine that answers, so it is the 60 seconds of the RFCs before (RFC 7232 section 2.2.2).
    pub fn is_date_settled(&self) -> bool {
        self.is_date_settled
    }

    /// The value of `If-Range` that makes a server send a part only of the same bytes (RFC 9110
    /// section 13.1.5): the entity tag, if it is strong; where there is no entity tag, the date, if
    /// it is strong. Never a weak one, nor the date of what has a weak tag.
    pub fn if_range(&self) -> Option<&str> {
        match self.tag() {
            Some((Strength::Strong, _)) => self.etag(),
            Some((Strength::Weak, _)) => None,
            None => self.last_modified().filter(|_| self.is_date_settled),
        }
    }

    /// Whether a server can be asked for a part of the same bytes.
    pub fn is_strong(&self) -> bool {
        self.if_range().is_some()
    }

    /// What a later head says of the version. Where both have an entity tag, these decide, by
    /// strong comparison (RFC 9110 section 8.8.3.2), and else the dates. What contradicts is
    /// another version, and so is a strong tag that turned weak: of a coded body, say.
    pub fn agreement(&self, later: &Head) -> Agreement {
        if let (Some(ours), Some(theirs)) = (self.etag(), later.etag.as_deref()) {
            let agreement = compare(ours, theirs);
            if agreement != Agreement::Unknown {
                return agreement;
            }
        }
        let later_s = later.last_modified.and_then(HttpDate::unix_s);
        match (self.last_modified.and_then(HttpDate::unix_s), later_s) {
            (Some(ours_s), Some(theirs_s)) if ours_s != theirs_s => Agreement::Differs,
            (Some(_), Some(_)) if self.is_date_settled && !self.is_weak() => Agreement::Same,
            (Some(_) | None, _) => Agreement::Unknown,
        }
    }

    /// Whether a head of another server has the same entity tag, by strong comparison (RFC 9110
    /// section 8.8.3.2).
    pub fn is_same_tag(&self, other: &Head) -> bool {
        let other = other.etag.as_deref().and_then(read);
        let (Some((Strength::Strong, ours)), Some((Strength::Strong, theirs))) =
            (self.tag(), other)
        else {
            return false;
        };
        ours == theirs
    }

    /// Whether there is an entity tag, and it is strong.
    pub fn has_strong_tag(&self) -> bool {
        matches!(self.tag(), Some((Strength::Strong, _)))
    }

    /// Leaves the date out, which says nothing to another server.
    pub fn without_date(&self) -> Self {
        Self { etag: self.etag.clone(), ..Self::default() }
    }

    fn tag(&self) -> Option<(Strength, &str)> {
        self.etag().and_then(read)
    }

    /// Whether the server itself says that the bytes may differ.
    fn is_weak(&self) -> bool {
        matches!(self.tag(), Some((Strength::Weak, _)))
    }
}

/// Reads an entity tag that was not cut.
fn read(etag: &str) -> Option<(Strength, &str)> {
    etag::read(etag).filter(|_| etag.len() < limits::HEAD_TEXT_BYTES_MAX)
}

/// Compares two values of `ETag`. Those that are no entity tags can only contradict.
fn compare(ours: &str, theirs: &str) -> Agreement {
    let same_or_other = |is_same, same| if is_same { same } else { Agreement::Differs };
    match (read(ours), read(theirs)) {
        (Some((Strength::Strong, ours)), Some((Strength::Strong, theirs))) => {
            same_or_other(ours == theirs, Agreement::Same)
        }
        (Some((Strength::Strong, _)), Some((Strength::Weak, _))) => Agreement::Differs,
        (Some((Strength::Weak, ours)), Some((_, theirs))) => {
            same_or_other(ours == theirs, Agreement::Unknown)
        }
        (None, _) | (_, None) => same_or_other(ours == theirs, Agreement::Unknown),
    }
}

/// How long after `Last-Modified` a response has to be made, in seconds.
const SETTLED_S: u64 = 60;

#[cfg(test)]
mod tests;
