//! What a report tells of the versions of files, noted with the files themselves: a run that did
//! not ask for other versions only (`--timestamping`) left no such notes, and the next one may.

use crate::http::etag;
use crate::plan::timestamp;
use crate::report::journal::{Entry, Version};
use crate::report::location;
use crate::ring::file::Made;
use std::path::Path;

/// Notes the version that a row tells of with its file, if the file is still the one that the row
/// is about. `url` is the URL of the row in its normal form.
pub(super) fn note(entry: &Entry<'_>, url: &str) {
    let (Some(Version { etag, began, ended }), Some(size)) = (&entry.version, entry.size_file)
    else {
        return;
    };
    let Some(path) = location::file(&entry.filename) else { return };
    // Of other responses the tag may be that of something else, and other texts are no tags.
    if !matches!(entry.response_code, 200 | 206) || etag::read(etag).is_none() {
        return;
    }
    let made = Made { size, began: *began, ended: *ended };
    made.note(Path::new(path), &timestamp::note(url, etag));
}
