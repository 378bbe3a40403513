//! The tasks that fill one body side by side.
//!
//! The lead is the job itself: it has the row. Helpers are tasks beside it that fetch ranges, and
//! none of them is ever tried again: what a helper leaves is for the others, and in the end for the
//! lead. The lead waits outside of the queue while others are at what is missing, and the last of
//! them sends it back: it alone gives the file its name, begins anew, or fails.

use crate::engine::attempt::fetch::Waiting;
use crate::engine::attempt::hops::Hops;
use crate::engine::output::partial::Partial;
use crate::plan::job::Job;
use crate::plan::target::Target;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A body that several tasks may fill, and who does.
pub(crate) struct Team {
    pub(crate) partial: Arc<Partial>,
    crew: Mutex<Crew>,
}

#[derive(Default)]
struct Crew {
    /// Tasks that are queued or under way, the lead included unless it waits here.
    members: usize,
    /// The lead, while others are at what is missing.
    lead: Option<Box<Waiting>>,
    /// Helpers in a row that failed.
    failed: u32,
    /// No helper is sought before, in milliseconds of the run.
    rests_until_ms: u64,
}

/// What helpers of a job are made of.
#[derive(Clone, Copy)]
pub(crate) struct Recruit<'r> {
    pub(crate) team: &'r Arc<Team>,
    pub(crate) job: &'r Job,
    pub(crate) hops: &'r Hops,
    /// When the job began.
    pub(crate) began: Instant,
    /// When the job is over in any case, in milliseconds of the run.
    pub(crate) job_at_ms: u64,
    /// Helpers that would have something to do.
    pub(crate) count_max: usize,
}

impl Recruit<'_> {
    /// Where they go.
    pub(crate) fn target(&self) -> &Target {
        self.hops.target(&self.job.target)
    }
}

/// Seeks helpers, as far as nobody else has a use for connections to their host.
pub(crate) type Enlist<'e> = &'e dyn Fn(Recruit<'_>);

impl Team {
    /// The lead alone.
    pub(crate) fn new(partial: Partial) -> Arc<Self> {
        let crew = Crew { members: 1, ..Crew::default() };
        Arc::new(Self { partial: Arc::new(partial), crew: Mutex::new(crew) })
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether helpers may be sought at this time.
    pub(crate) fn may_grow(&self, now_ms: u64) -> bool {
        now_ms >= self.crew().rests_until_ms
    }

    /// Whether there is nobody else.
    pub(crate) fn is_alone(&self) -> bool {
        self.crew().members <= 1
    }

    /// A helper comes.
    pub(super) fn join(&self) {
        self.crew().members += 1;
    }

    /// How many tasks there are.
    pub(crate) fn members(&self) -> usize {
        self.crew().members
    }

    /// The lead has nothing to do while others are at work. Gives it back if there are no others.
    pub(crate) fn park(&self, mut lead: Waiting) -> Option<Waiting> {
        let mut crew = self.crew();
        if crew.members <= 1 {
            return Some(lead);
        }
        crew.members -= 1;
        // A lead that waits here must not keep this alive.
        lead.leave_team();
        crew.lead = Some(Box::new(lead));
        None
    }

    /// A helper is gone, after it failed or had nothing to do. Gives the lead, if it waited and
    /// nobody else is left: it goes on.
    pub(crate) fn part(self: &Arc<Self>, has_failed: bool, now_ms: u64) -> Option<Waiting> {
        let mut crew = self.crew();
        crew.members -= 1;
        if has_failed {
            let rest_ms = REST_MS << crew.failed.min(REST_DOUBLED_MAX);
            crew.failed += 1;
            crew.rests_until_ms = now_ms.saturating_add(rest_ms);
        } else {
            crew.failed = 0;
        }
        if crew.members > 0 {
            return None;
        }
        let mut lead = *crew.lead.take()?;
        crew.members = 1;
        lead.join_team(Arc::clone(self));
        Some(lead)
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").finish_non_exhaustive()
    }
}

/// For how long no helper is sought after one failed, in milliseconds; doubled with each further
/// one.
const REST_MS: u64 = 1_000;
/// How often that is doubled.
const REST_DOUBLED_MAX: u32 = 5;
