//! What a row of an earlier run says of its line.

use crate::plan::retry;
use crate::report::journal::{Entry, Fate};

/// What a row says of its line.
pub(crate) fn fate(entry: &Entry<'_>) -> Fate {
    if entry.is_lost() {
        return Fate::Open;
    }
    Fate::of(entry.status, || retry::of_row(&entry.error_code, entry.response_code))
}
