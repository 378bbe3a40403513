//! URLs of lines and rows, as they are compared.

use crate::fault::escape_hidden;
use crate::report::row::escape_controls;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The URL of a line or of a row.
#[derive(Clone, Copy, Debug)]
pub struct Url<'a> {
    /// The URL as the list gave it, without user information, or the line that is not a URL.
    pub given: &'a [u8],
    /// The normal form of the URL; `None` where it is not a URL.
    pub normal: Option<&'a str>,
}

impl Url<'_> {
    /// Whether the URL is in another form than the normal one.
    pub(super) fn is_as_given(&self) -> bool {
        self.normal.is_none_or(|normal| normal.as_bytes() != self.given)
    }

    /// The hash of line `index` with this URL, as it was given or in its normal form. Both sides of
    /// a comparison are hashed in the same run, so the hash need not be the same in another.
    pub(super) fn hash(&self, index: u64, is_as_given: bool) -> u64 {
        let mut hasher = DefaultHasher::new();
        index.hash(&mut hasher);
        match self.normal {
            Some(normal) if !is_as_given => normal.hash(&mut hasher),
            // CSV shows control characters in this way and JSON does not; JSON has only UTF-8. A
            // list of lines that are pulled again has no blanks around them.
            _ => {
                let given = String::from_utf8_lossy(self.given);
                escape_controls(given.trim_matches([' ', '\t'])).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Hashes of line `index` with this URL in its normal form, and as it was given.
    pub(super) fn hashes(&self, index: u64) -> [u64; 2] {
        let normal = self.hash(index, false);
        // A normal form has nothing that is escaped or cut off.
        [normal, if self.is_as_given() { self.hash(index, true) } else { normal }]
    }
}

/// The URL of a line, for people.
pub(super) fn shown(given: &[u8]) -> String {
    let text = String::from_utf8_lossy(given);
    let text = escape_hidden(&text);
    match text.char_indices().nth(URL_SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

/// Part of a row in the sums of [`super::Done`]: most of the work of a row, in any order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RowSum {
    pub(super) index: u64,
    pub(super) hash: u64,
    /// Whether the row's URL is in another form than the normal one.
    pub(super) is_as_given: bool,
}

impl RowSum {
    /// The sum of the row of a line.
    pub fn of(index: u64, url: Url<'_>) -> Self {
        let is_as_given = url.is_as_given();
        Self { index, hash: url.hash(index, is_as_given), is_as_given }
    }

    /// The sum of a row where nothing is compared: the row only counts.
    pub fn uncompared(index: u64) -> Self {
        Self { index, hash: 0, is_as_given: false }
    }

    /// The number of the line.
    pub fn index(&self) -> u64 {
        self.index
    }
}

/// Most characters of a URL that are shown.
pub(super) const URL_SHOWN_CHARS_MAX: usize = 200;
