//! Whether a file is what its row says.

use super::members::{self, OpenShard};
use crate::plan::checksum::{Checksum, Hasher};
use crate::report::Status;
use crate::report::journal::Entry;
use crate::report::location;
use crate::report::verify::Found;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Compares the file of a row that says ok.
///
/// # Errors
/// The file cannot be looked at.
pub(crate) fn compare(filename: &str, size_file: Option<u64>, digest: &str) -> io::Result<Found> {
    if let Some((shard, name)) = members::find(filename)? {
        return compare_member(&shard, name, size_file, digest);
    }
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
    let is_same = checksum(File::open(path)?, &wanted)? == wanted;
    Ok(if is_same { Found::Same } else { Found::Digest })
}

/// Compares the member of a shard.
fn compare_member(
    shard: &OpenShard,
    name: &str,
    size_file: Option<u64>,
    digest: &str,
) -> io::Result<Found> {
    let Some((offset, length)) = shard.member(name) else { return Ok(Found::Missing) };
    if let Some(size) = size_file
        && size != length
    {
        return Ok(if length < size { Found::Short } else { Found::Long });
    }
    if length == 0 {
        return Ok(Found::Same);
    }
    let Ok(wanted) = Checksum::parse(digest) else { return Ok(Found::SameLength) };
    let part = Part { file: &shard.file, at: offset, end: offset + length };
    let is_same = checksum(part, &wanted)? == wanted;
    Ok(if is_same { Found::Same } else { Found::Digest })
}

/// A part of a file that is read.
struct Part<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl io::Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let count = self.file.read_at(&mut buffer[..length], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Whether what a row tells of is there, beyond doubt. After a power loss a file may have its
/// length and nothing in it, so only a digest proves anything.
pub(super) fn is_proved(entry: &Entry<'_>) -> bool {
    match entry.status {
        Status::Ok => {
            let found = compare(&entry.filename, entry.size_file, &entry.digest);
            match found {
                Ok(Found::Same | Found::Unnamed) => true,
                // A shard was on the disk before it had its name.
                Ok(Found::SameLength) => {
                    members::find(&entry.filename).is_ok_and(|member| member.is_some())
                }
                Ok(_) | Err(_) => false,
            }
        }
        // The file was there before, and it was not this run that might have lost it.
        Status::Skipped => {
            entry.filename.is_empty() || fs::symlink_metadata(&*entry.filename).is_ok()
        }
        Status::Failed | Status::Cancelled => true,
    }
}

/// Whether nothing contradicts a row that says ok or skipped.
pub(super) fn is_as_told(entry: &Entry<'_>) -> bool {
    match entry.status {
        Status::Ok => {
            compare(&entry.filename, entry.size_file, &entry.digest).is_ok_and(Found::is_as_told)
        }
        Status::Skipped | Status::Failed | Status::Cancelled => is_proved(entry),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn checksum(mut file: impl io::Read, wanted: &Checksum) -> io::Result<Checksum> {
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
