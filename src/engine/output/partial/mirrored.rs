//! What other sources bring of a body, beside the one whose version it is.

use crate::engine::output::partial::Partial;
use crate::http::Head;
use crate::plan::checksum::Mismatch;
use crate::plan::sources::{Fit, fit};
use crate::report::Resume;
use std::ops::Range;
use std::sync::atomic::Ordering;

impl Partial {
    /// The source whose version it is; 0 is the URL of the job.
    pub(crate) fn source(&self) -> usize {
        self.source.load(Ordering::Acquire)
    }

    /// Whether other sources may bring parts of it, if they fit.
    pub(crate) fn is_open_to_mirrors(&self) -> bool {
        let work = self.lock();
        let is_known = work.parts.length().is_some() && work.is_ours();
        is_known && (self.is_proof || work.validator.has_strong_tag())
    }

    /// The number of its version: where it is another one by now, nothing counts that was found out
    /// before.
    pub(crate) fn version(&self) -> u32 {
        self.lock().version
    }

    /// How the bytes of another source go with it, if they do: that source tells of itself in this
    /// head, and of the length of the file. Also gives the number of the version.
    pub(crate) fn fit(&self, head: &Head, complete: Option<u64>) -> Option<(Fit, u32)> {
        let work = self.lock();
        let version = (&*work.validator, work.parts.length());
        Some((fit(version, (head, complete), self.is_proof)?, work.version))
    }

    /// Whether servers may be asked for ranges of it now.
    pub(crate) fn has_ranges(&self) -> bool {
        let work = self.lock();
        work.is_ranged && !work.is_outdated
    }

    /// Whether bytes of other sources are among what is there.
    pub(crate) fn is_mixed(&self) -> bool {
        !self.lock().mirrored.is_empty()
    }

    /// Forgets whatever may be wrong of a body that is not the file that was asked for, and that
    /// other sources brought bytes of.
    pub(crate) fn forget_mirrored(&self, mismatch: &Mismatch) {
        let Mismatch::Piece(wrong) = mismatch else {
            // Nobody knows which of its bytes are wrong.
            return self.outdate(Resume::Unvouched);
        };
        // The pieces before it are right.
        let mirrored = self.lock().mirrored.clone();
        let behind = mirrored.iter().map(|range| range.start.max(wrong.range.start)..range.end);
        let behind: Vec<Range<u64>> = behind.filter(|range| !range.is_empty()).collect();
        behind.into_iter().for_each(|range| self.forget(range));
        self.forget(wrong.range.clone());
    }
}
