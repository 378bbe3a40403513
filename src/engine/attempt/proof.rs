//! What tasks that fill one body from several sources know of their own.

use crate::plan::sources::Fit;
use crate::plan::validator::Validator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known of a task that may be at another source than that of the version it fetches.
#[derive(Debug, Default)]
pub(crate) struct Mirroring {
    /// A helper's look whether its source has the file, until that is known.
    pub(crate) probe: Option<Probe>,
    /// What its source said of the file that it has.
    pub(crate) proof: Option<Proof>,
}

/// A helper that looks whether a mirror has the file.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// When it began, in milliseconds of the run.
    pub(super) began_ms: u64,
    /// Tells that nobody wants to know any more.
    pub(super) cut: Arc<AtomicBool>,
}

impl Probe {
    /// One that begins now.
    pub(super) fn new(began_ms: u64) -> Self {
        Self { began_ms, cut: Arc::default() }
    }

    /// Whether nobody wants to know any more.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Mirroring {
    /// When the task is over that would be at `job_at_ms`: soon, where all it does is to look
    /// whether a mirror has the file.
    pub(crate) fn ends_ms(&self, job_at_ms: u64) -> u64 {
        let began_ms = self.probe.as_ref().map(|probe| probe.began_ms);
        let until_ms = began_ms.map(|began_ms| began_ms.saturating_add(PROBE_MS_MAX));
        until_ms.map_or(job_at_ms, |until_ms| until_ms.min(job_at_ms))
    }
}

/// How the source of a task goes with a version, and what it says itself of its own.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(super) fit: Fit,
    /// Number of the version.
    pub(super) version: u32,
    pub(super) validator: Arc<Validator>,
}

/// Longest time for a mirror to say whether it has the file, in milliseconds.
const PROBE_MS_MAX: u64 = 5_000;
