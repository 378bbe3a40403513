//! The digest of a body that is not filled in order: it follows the front, behind which nothing is
//! missing.

use crate::plan::checksum::{Check, Digests, Expected, Kind, Mismatch};
use crate::ring::file::PartialFile;
use std::io;

/// What is asked of a digest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Digesting {
    /// What the file must be.
    pub(crate) expected: Expected,
    /// The kind that its row has.
    pub(crate) record: Option<Kind>,
    /// Whether it is asked what tells the content from any other.
    pub(crate) is_content: bool,
}

impl Digesting {
    /// What computes it; nothing where nothing is asked for.
    pub(in crate::engine::output) fn check(&self) -> Option<Box<Check>> {
        let check = Check::of(&self.expected, self.record)?;
        Some(Box::new(if self.is_content { check.with_content() } else { check }))
    }
}

/// How far the digest of a file has come.
pub(super) struct Front {
    digesting: Digesting,
    /// Bytes that were taken, from the begin of the file.
    taken: u64,
    check: Option<Box<Check>>,
    /// Memory for what is read back.
    memory: Vec<u8>,
}

impl Front {
    /// Nothing was taken so far.
    pub(super) fn new(digesting: Digesting) -> Self {
        let check = digesting.check();
        Self { digesting, taken: 0, check, memory: Vec::new() }
    }

    /// Begins again: the file has other bytes now.
    pub(super) fn restart(&mut self) {
        *self = Self::new(std::mem::take(&mut self.digesting));
    }

    /// Whether a digest is computed.
    pub(super) fn is_wanted(&self) -> bool {
        self.check.is_some()
    }

    /// Takes bytes that are on their way to the file at `offset`, if the front is among them: they
    /// are in the CPU's cache.
    pub(super) fn take(&mut self, bytes: &[u8], offset: u64) {
        let Some(check) = &mut self.check else { return };
        let known = usize::try_from(self.taken.saturating_sub(offset)).unwrap_or(usize::MAX);
        if offset <= self.taken && known < bytes.len() {
            check.update(&bytes[known..]);
            self.taken = offset + bytes.len() as u64;
        }
    }

    /// Reads on from the file up to byte `until`, but no more than `bytes_max`: most often from the
    /// page cache. Says whether `until` was reached.
    pub(super) fn catch_up(
        &mut self,
        file: &PartialFile,
        until: u64,
        bytes_max: u64,
    ) -> io::Result<bool> {
        let Some(check) = &mut self.check else { return Ok(true) };
        let stop = until.min(self.taken.saturating_add(bytes_max));
        while self.taken < stop {
            self.memory.resize(READ_BYTES, 0);
            let want = usize::try_from(stop - self.taken).unwrap_or(READ_BYTES).min(READ_BYTES);
            let count = file.read_at(&mut self.memory[..want], self.taken)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            check.update(&self.memory[..count]);
            self.taken += count as u64;
        }
        Ok(self.taken >= until)
    }

    /// The digest of all of it, of so many bytes, where one is wanted.
    pub(super) fn finish(&mut self, size: u64) -> Result<Option<Digests>, Box<Mismatch>> {
        self.memory = Vec::new();
        Mismatch::check_size(size, self.digesting.expected.size)?;
        self.check.take().map(|check| check.finish()).transpose()
    }
}

/// Bytes that are read back at a time: they stay in a second-level cache.
const READ_BYTES: usize = 256 * 1024;
