//! Room on a disk for what does not fit into memory: files that are gone with the run.

use crate::plan::seen::{Piece, Room, Seen};
use crate::ring::scratch::scratch;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// What was seen in a run.
pub(crate) type SeenInRun = Seen<Spill>;

/// Where such files are made.
#[derive(Clone, Debug)]
pub(crate) struct Spill {
    dir: PathBuf,
}

impl Spill {
    /// Makes them in `dir`; nothing is made there before it is needed.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Makes them where others make temporary files.
    pub(crate) fn elsewhere() -> Self {
        Self::new(std::env::temp_dir())
    }
}

impl Room for Spill {
    type Piece = Spilled;

    fn piece(&self) -> io::Result<Spilled> {
        Ok(Spilled { file: scratch(&self.dir)?, length: 0 })
    }
}

/// One such file.
#[derive(Debug)]
pub(crate) struct Spilled {
    file: File,
    length: u64,
}

impl Piece for Spilled {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spilled_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = SeenInRun::new(Spill::new(dir.path().to_owned()), 0);
        let key = |number: u64| *blake3::hash(&number.to_le_bytes()).as_bytes();
        for number in 0..2_000 {
            assert_eq!(seen.find_or_set(key(number), number).unwrap(), None);
        }
        for number in 0..2_000 {
            assert_eq!(seen.find(&key(number)).unwrap(), Some(number));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        drop(dir);
        let fill = (2_000..2_100).try_for_each(|number| seen.set(key(number), number));
        assert!(fill.is_err(), "the directory is gone");
    }
}
