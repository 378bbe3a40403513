//! Whether a file is what its row says.

use crate::plan::checksum::{Checksum, Hasher};
use crate::report::journal::Entry;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// How a file differs from what its row says of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) enum Differs {
    /// Nothing has its name.
    Missing,
    /// What has its name is no regular file.
    NotAFile,
    /// It is shorter.
    Short,
    /// It is longer.
    Long,
    /// It is as long, and has another digest.
    Digest,
}

impl Differs {
    /// One word for it.
    pub(in super::super) fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotAFile => "not-a-file",
            Self::Short => "short",
            Self::Long => "long",
            Self::Digest => "digest",
        }
    }
}

/// Compares the file of a row that says ok. `None` is no difference; a row that names no file, or
/// standard output, has none.
///
/// # Errors
/// The file cannot be looked at.
pub(in super::super) fn differs(
    filename: &str,
    size_file: Option<u64>,
    digest: &str,
) -> io::Result<Option<Differs>> {
    if filename.is_empty() || filename == "-" {
        return Ok(None);
    }
    let path = Path::new(filename);
    let found = match fs::symlink_metadata(path) {
        Err(error) if is_missing(&error) => return Ok(Some(Differs::Missing)),
        found => found?,
    };
    if !found.is_file() {
        return Ok(Some(Differs::NotAFile));
    }
    if let Some(size) = size_file
        && size != found.len()
    {
        return Ok(Some(if found.len() < size { Differs::Short } else { Differs::Long }));
    }
    // A digest that this version cannot compute says nothing to it.
    let Ok(wanted) = Checksum::parse(digest) else { return Ok(None) };
    let is_same = checksum(path, &wanted)? == wanted;
    Ok((!is_same).then_some(Differs::Digest))
}

/// As [`differs`], of a row read back; a file that cannot be read is not there.
pub(super) fn is_whole(entry: &Entry<'_>) -> bool {
    matches!(differs(&entry.filename, entry.size_file, &entry.digest), Ok(None))
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
