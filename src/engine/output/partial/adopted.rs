//! A file that another program left under the final name, where a body goes on from it.
//!
//! What is guaranteed of it:
//!
//! - It is gone on with only where a response shows that nothing but the version that the server
//!   has can have come into it.
//! - It stands under its name, and nothing is written into it, before that, and for as long as
//!   nothing of it is missing.
//! - What was written into it is taken back where that is of no use: then it has its old size, and
//!   its name unless something else has that.

use crate::engine::output::partial::{
    Digesting, Identity, Partial, Sharing, Version, Work, io_cause,
};
use crate::engine::output::stored::write_fault;
use crate::fault::{Cause, Fault};
use crate::http::{Head, HttpDate};
use crate::plan::parts::Parts;
use crate::plan::ranges::Ranges;
use crate::plan::validator::Validator;
use crate::ring::dir::Dir;
use crate::ring::file::{FileTimes, PartialFile};
use std::sync::Arc;

/// A file that another program left, as it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adopted {
    /// Size of the file, in bytes.
    size: u64,
    /// Times of the file, where the file system tells them.
    times: Option<FileTimes>,
    standing: Standing,
}

/// What has come of such a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// Nothing vouches for it so far.
    Unvouched,
    /// Nothing is missing, as a response says: it is only looked at.
    Complete,
    /// The file was taken over, and is written to.
    Taken,
}

impl Adopted {
    /// Whether it may be written, and has a record.
    pub(super) fn is_taken(&self) -> bool {
        self.standing == Standing::Taken
    }

    /// Whether nothing but the version of this date can have come into it.
    fn is_of(&self, modified_s: i64) -> bool {
        let Some(FileTimes { created_s: Some(created_s), modified_s: at_s, modified_ns }) =
            self.times
        else {
            return false;
        };
        match at_s >= created_s {
            // It was begun when the server had that version already.
            true => modified_s < created_s,
            // Somebody set its time, as those do who copy files: nobody knows when it was begun.
            // Only the time of the version itself tells something.
            false => modified_s == at_s && modified_ns == 0,
        }
    }
}

impl Work {
    /// Whether the file may be written, and has a record: it is no one that another program left
    /// and that stands where it was.
    pub(super) fn is_ours(&self) -> bool {
        self.adopted.is_none_or(|adopted| adopted.is_taken())
    }

    fn is(&self, standing: Standing) -> bool {
        self.adopted.is_some_and(|adopted| adopted.standing == standing)
    }

    /// Gives the file back that another program left, as it was. `source` is the one whose version
    /// it was for.
    ///
    /// # Errors
    /// The disk failed: what there is stays unfinished.
    pub(super) fn give_back(&mut self, file: &PartialFile, source: usize) -> Result<(), Cause> {
        let Some(Adopted { size, times, standing }) = self.adopted else { return Ok(()) };
        if standing == Standing::Taken {
            // Should the machine stop in between, what the record tells of is there.
            let parts = Parts::new(self.parts.length(), begin_of(size));
            if let Some(keeping) = &mut self.keeping {
                keeping.restart(source);
                keeping.tick(file, (&parts, &self.validator), u64::MAX, true);
            }
        }
        file.give_back(size, times)?;
        self.is_over = true;
        Ok(())
    }
}

impl Partial {
    /// A file of `size` bytes, at least two, that another program left under the final name: all
    /// of it is taken for the begin of the body but the last byte, which is asked for so that there
    /// is a response to vouch for it.
    pub(crate) fn adopted(
        file: PartialFile,
        size: u64,
        of_run: (Digesting, Sharing),
        identity: Identity,
        now_ms: u64,
    ) -> Self {
        let validator = Validator::default();
        let version = Version { length: None, validator, source: 0, is_ranged: true };
        let times = file.times().ok();
        let partial = Self::new(file, version, begin_of(size), of_run, Some(identity), now_ms);
        {
            let mut work = partial.lock();
            work.adopted = Some(Adopted { size, times, standing: Standing::Unvouched });
            work.take_found();
        }
        partial
    }

    /// Whether it goes on from what another program left.
    pub(crate) fn is_adopted(&self) -> bool {
        self.lock().adopted.is_some()
    }

    /// Whether nothing vouches so far for what another program left.
    pub(crate) fn is_unvouched(&self) -> bool {
        self.lock().is(Standing::Unvouched)
    }

    /// Whether nothing is missing of what another program left, which is only looked at.
    pub(super) fn is_complete(&self) -> bool {
        self.lock().is(Standing::Complete)
    }

    /// Whether a response vouches for what another program left, for input line `index`: the
    /// version that it is of was there before the file was begun, so nothing else can have come
    /// into that; or the file has the time of that version. Only then it is taken over, unless
    /// nothing of it is missing.
    pub(crate) fn is_vouched_by(
        &self,
        head: &Head,
        is_trusted: bool,
        (dir, index): (&Dir, u64),
        now_ms: u64,
    ) -> bool {
        let mut work = self.lock();
        let found = work.adopted.as_mut().filter(|found| found.standing == Standing::Unvouched);
        let Some(found) = found else { return true };
        let modified_s = head.last_modified.and_then(HttpDate::unix_s);
        let modified_s = modified_s.and_then(|seconds| i64::try_from(seconds).ok());
        if !is_trusted && !modified_s.is_some_and(|modified_s| found.is_of(modified_s)) {
            return false;
        }
        let (size, before) = (found.size, found.standing);
        found.standing = Standing::Complete;
        work.validator = Arc::new(Validator::of(head));
        let is_fine =
            work.parts.length() == Some(size) || self.take_over(&mut work, (dir, index), now_ms);
        if !is_fine && let Some(found) = &mut work.adopted {
            found.standing = before;
        }
        is_fine
    }

    /// Whether the file may be written: one that another program left is taken over for that, for
    /// input line `index`.
    pub(crate) fn may_be_written(&self, (dir, index): (&Dir, u64), now_ms: u64) -> bool {
        let mut work = self.lock();
        work.is_ours() || self.take_over(&mut work, (dir, index), now_ms)
    }

    fn take_over(&self, work: &mut Work, (dir, index): (&Dir, u64), now_ms: u64) -> bool {
        let Work { parts, validator, keeping, adopted, .. } = work;
        let record = || {
            if let Some(keeping) = keeping {
                keeping.tick(&self.file, (parts, validator), now_ms, true);
            }
        };
        let is_taken = self.file.take_over(dir, index, record).is_ok();
        if is_taken && let Some(adopted) = adopted {
            adopted.standing = Standing::Taken;
        }
        is_taken
    }

    /// Whether the file has these bytes at `offset`.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn has_bytes(&self, bytes: &[u8], offset: u64) -> Result<bool, Cause> {
        let mut there = vec![0; bytes.len()];
        let count = self.file.read_at(&mut there, offset).map_err(|error| io_cause(&error))?;
        Ok(there[..count] == *bytes)
    }

    /// Lets go what another program left, which is of no use: it stays where it is.
    pub(crate) fn let_go(&self) {
        self.lock().is_over = true;
        self.file.let_go();
    }

    /// Gives back what another program left, as it was: it is of no use. Nobody else is at it.
    ///
    /// # Errors
    /// The disk failed.
    pub(crate) fn give_back(&self) -> Result<(), Fault> {
        let source = self.source();
        self.lock().give_back(&self.file, source).map_err(write_fault)
    }
}

/// What is taken of a file of `size` bytes: all but the last one.
fn begin_of(size: u64) -> Ranges {
    std::iter::once(0..size.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_a_version_that_was_there_before_it_or_whose_time_it_has() {
        // When it was created, when it was written last, and what the server says.
        for (created_s, (modified_s, modified_ns), version_s, is_of) in [
            (Some(100), (100, 1), 99, true),
            (Some(100), (150, 0), 99, true),
            (Some(100), (150, 0), 100, false),
            (Some(100), (150, 0), 120, false),
            (Some(100), (150, 0), 150, false),
            (Some(100), (150, 0), 151, false),
            // Copied with its time, which is that of the last byte and not of the first.
            (Some(100), (50, 0), 99, false),
            (Some(100), (50, 0), 60, false),
            (Some(100), (50, 0), 50, true),
            (Some(100), (50, 1), 50, false),
            (Some(100), (50, 0), 49, false),
            // Nobody knows.
            (None, (150, 0), 99, false),
            (None, (150, 0), 150, false),
        ] {
            let times = Some(FileTimes { created_s, modified_s, modified_ns });
            let adopted = Adopted { size: 2, times, standing: Standing::Unvouched };
            assert_eq!(adopted.is_of(version_s), is_of, "{adopted:?} {version_s}");
        }
        let adopted = Adopted { size: 2, times: None, standing: Standing::Unvouched };
        assert!(!adopted.is_of(0));
    }
}
