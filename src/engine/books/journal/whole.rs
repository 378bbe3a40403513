//! Whether a file is what its row says.

use crate::plan::checksum::{Checksum, Hasher};
use crate::report::Status;
use crate::report::journal::Entry;
use crate::report::location;
use crate::report::verify::Found;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Compares the file of a row that says ok.
///
/// # Errors
/// The file cannot be looked at.
pub(crate) fn compare(filename: &str, size_file: Option<u64>, digest: &str) -> io::Result<Found> {
    let Some(path) = location::file(filename).map(Path::new) else { return Ok(Found::Unnamed) };
    let found = match fs::symlink_metadata(path) {
        Err(error) if is_missing(&error) => return Ok(Found::Missing),
        found => found?,
    };
    if !found.is_file() {
        return Ok(Found::NotAFile);
    }
    if let Some(size) = size_file
        && size != found.len()
    {
        return Ok(if found.len() < size { Found::Short } else { Found::Long });
    }
    if size_file == Some(0) {
        return Ok(Found::Same);
    }
    // A digest that this version cannot compute says nothing to it.
    let Ok(wanted) = Checksum::parse(digest) else { return Ok(Found::SameLength) };
    let is_same = checksum(path, &wanted)? == wanted;
    Ok(if is_same { Found::Same } else { Found::Digest })
}

/// Whether what a row tells of is there, beyond doubt. After a power loss a file may have its
/// length and nothing in it, so only a digest proves anything.
pub(super) fn is_proved(entry: &Entry<'_>) -> bool {
    match entry.status {
        Status::Ok => {
            let found = compare(&entry.filename, entry.size_file, &entry.digest);
            matches!(found, Ok(Found::Same | Found::Unnamed))
        }
        // The file was there before, and it was not this run that might have lost it.
        Status::Skipped => {
            entry.filename.is_empty() || fs::symlink_metadata(&*entry.filename).is_ok()
        }
        Status::Failed | Status::Cancelled => true,
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn checksum(path: &Path, wanted: &Checksum) -> io::Result<Checksum> {
    let mut file = File::open(path)?;
    let mut hasher = Hasher::new(wanted.kind());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
