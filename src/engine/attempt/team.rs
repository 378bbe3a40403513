//! The tasks that fill one body side by side.
//!
//! The lead is the job itself: it has the row. Helpers are tasks beside it that fetch ranges, from
//! the source that the lead is at or from mirrors, and none of them is ever tried again: what a
//! helper leaves is for the others, and in the end for the lead. The lead waits outside of the
//! queue while others are at what is missing, and the last of them sends it back, or a clock when
//! one of them lags: it alone gives the file its name, begins anew, or fails. A helper that only
//! looks whether a mirror has the file is waited for by nobody.

use crate::engine::attempt::fetch::Waiting;
use crate::engine::attempt::hops::Hops;
use crate::engine::attempt::proof::Probe;
use crate::engine::output::partial::Partial;
use crate::plan::job::Job;
use crate::plan::sources::{Leave, Sources};
use crate::plan::target::Target;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A body that several tasks may fill, and who does.
pub(crate) struct Team {
    pub(crate) partial: Arc<Partial>,
    crew: Mutex<Crew>,
}

struct Crew {
    /// Tasks that are queued or under way, the lead included unless it waits here.
    members: usize,
    /// Helpers that only look whether a mirror has the file.
    probes: Vec<Probe>,
    /// The lead, while others are at what is missing.
    lead: Option<Box<Waiting>>,
    /// Whether the job is over.
    is_over: bool,
    sources: Sources,
    /// Where redirects have led the lead, from the source that it is at.
    hops: Hops,
}

/// What helpers of a job are made of.
#[derive(Clone, Copy)]
pub(crate) struct Recruit<'r> {
    pub(crate) team: &'r Arc<Team>,
    pub(crate) job: &'r Job,
    /// When the job began.
    pub(crate) began: Instant,
    /// When the job is over in any case, in milliseconds of the run.
    pub(crate) job_at_ms: u64,
    /// Helpers that would have something to do.
    pub(crate) count_max: usize,
}

impl Recruit<'_> {
    /// Further helpers, as many as have something to do: the way that some of them go, and how many
    /// do. `spare` tells how many connections there may be to a target.
    pub(crate) fn choose(
        &self,
        spare: impl Fn(&Target) -> usize,
        now_ms: u64,
    ) -> Vec<(Hops, usize)> {
        let Self { team, job, count_max, .. } = self;
        let mirrors = job.mirrors();
        let is_open = !mirrors.is_empty() && team.partial.is_open_to_mirrors();
        let lead = team.crew().hops.clone();
        // Nobody may ask for spare connections with the crew in hand.
        let targets = std::iter::once(&job.target).chain(mirrors).enumerate();
        let spare = targets.map(|(source, target)| match source == lead.source() {
            true => spare(lead.target(&job.target)),
            false if is_open => spare(target),
            false => 0,
        });
        let spare: Vec<usize> = spare.collect();
        let chosen = team.crew().sources.choose(&spare, *count_max, now_ms);
        let hops = |source| match source == lead.source() {
            true => lead.clone(),
            false => Hops::at(source, mirrors),
        };
        chosen.into_iter().map(|(source, count)| (hops(source), count)).collect()
    }
}

/// Seeks helpers, as far as nobody else has a use for connections to their host.
pub(crate) type Enlist<'e> = &'e dyn Fn(Recruit<'_>);

/// What a task beside a job leaves with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'l> {
    /// The source that it was at.
    pub(crate) source: usize,
    /// The look whether the mirror has the file, unless that is known.
    pub(crate) probe: Option<&'l Probe>,
    pub(crate) why: Leave,
}

impl Team {
    /// The lead of `job` alone, which redirects have led here.
    pub(crate) fn new(partial: Partial, job: &Job, hops: &Hops) -> Arc<Self> {
        let targets = std::iter::once(&job.target).chain(job.mirrors());
        let sources = Sources::new(targets.map(Target::host_header), hops.source());
        let crew = Crew {
            members: 1,
            probes: Vec::new(),
            lead: None,
            is_over: false,
            sources,
            hops: hops.clone(),
        };
        Arc::new(Self { partial: Arc::new(partial), crew: Mutex::new(crew) })
    }

    fn crew(&self) -> MutexGuard<'_, Crew> {
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the lead goes by now.
    pub(crate) fn follow(&self, hops: &Hops) {
        let mut crew = self.crew();
        if crew.sources.in_use() != hops.source() {
            crew.sources.go_on_at(hops.source());
        }
        if crew.hops != *hops {
            crew.hops = hops.clone();
        }
    }

    /// Whether there is nobody else who may have a part of it.
    pub(crate) fn is_alone(&self) -> bool {
        self.crew().workers() <= 1
    }

    /// A helper comes, to look whether a mirror has the file, or to fetch ranges.
    pub(super) fn join(&self, source: usize, probe: Option<&Probe>) {
        let mut crew = self.crew();
        crew.members += 1;
        crew.probes.extend(probe.cloned());
        crew.sources.join(source);
    }

    /// A source has the file, as a task found out.
    pub(super) fn fits(&self, source: usize, probe: Option<&Probe>) {
        let mut crew = self.crew();
        crew.end_probe(probe);
        crew.sources.fits(source);
    }

    /// A mirror does not have the file.
    pub(super) fn give_up(&self, source: usize) {
        self.crew().sources.give_up(source);
    }

    /// No mirror is asked any more. Whether that is new.
    pub(super) fn give_up_mirrors(&self) -> bool {
        self.crew().sources.give_up_mirrors()
    }

    /// Whether a source is asked no more.
    pub(super) fn is_out(&self, source: usize) -> bool {
        let crew = self.crew();
        crew.is_over || crew.sources.is_out(source)
    }

    /// The lead has nothing to do while others are at work. Gives it back if there are no others.
    pub(crate) fn park(&self, mut lead: Waiting) -> Option<Waiting> {
        let mut crew = self.crew();
        if crew.workers() <= 1 {
            return Some(lead);
        }
        crew.members -= 1;
        let source = crew.sources.in_use();
        crew.sources.leave(source, Leave::Idle, 0);
        // A lead that waits here must not keep this alive.
        lead.leave_team();
        crew.lead = Some(Box::new(lead));
        None
    }

    /// The job is over: nobody wants to know any more which mirrors have its file.
    pub(crate) fn end(&self) {
        let mut crew = self.crew();
        crew.is_over = true;
        crew.probes.iter().for_each(|probe| probe.cut.store(true, Ordering::Relaxed));
    }

    /// How many more helpers would have something to do.
    pub(crate) fn wants_more(&self, now_ms: u64) -> usize {
        let (wanted, active) = (self.partial.wants_more(now_ms), self.partial.active());
        let crew = self.crew();
        // Those that wait for their turn have something to do by then, but for mirrors that are
        // slow to answer: they are in nobody's way.
        let is_slow = |probe: &&Probe| now_ms.saturating_sub(probe.began_ms) >= PROBE_WAITED_MS;
        let slow = crew.probes.iter().filter(is_slow).count();
        let waiting = crew.members.saturating_sub(active + slow);
        // With nobody at it, the job decides what comes next.
        if crew.is_over || active == 0 { 0 } else { wanted.saturating_sub(waiting) }
    }

    /// Something failed at a source, or lagged behind all others.
    pub(crate) fn failed(&self, source: usize, now_ms: u64) {
        self.crew().sources.failed(source, now_ms);
    }

    /// Whether the lead waits here.
    pub(crate) fn has_lead(&self) -> bool {
        self.crew().lead.is_some()
    }

    /// Gives the lead that waits, where there is something to do for it by now although others are
    /// at work: a part of theirs may lag, which nobody but a clock sees. `has_room` tells whether
    /// it could begin at once, for it must not wait where the others cannot reach it.
    pub(crate) fn recall(
        self: &Arc<Self>,
        now_ms: u64,
        has_room: impl FnOnce(&Target) -> bool,
    ) -> Option<Waiting> {
        let mut crew = self.crew();
        if !crew.lead.as_ref().is_some_and(|lead| has_room(lead.target()))
            || !crew.sources.is_in_use_ready(now_ms)
        {
            return None;
        }
        self.unpark(&mut crew)
    }

    fn unpark(self: &Arc<Self>, crew: &mut Crew) -> Option<Waiting> {
        let mut lead = *crew.lead.take()?;
        crew.members += 1;
        let source = crew.sources.in_use();
        crew.sources.join(source);
        lead.join_team(Arc::clone(self));
        Some(lead)
    }

    /// A helper is gone. Gives the lead, if it waited and nobody else is left: it goes on.
    pub(crate) fn part(self: &Arc<Self>, leaving: Leaving<'_>, now_ms: u64) -> Option<Waiting> {
        let mut crew = self.crew();
        crew.members -= 1;
        crew.end_probe(leaving.probe);
        crew.sources.leave(leaving.source, leaving.why, now_ms);
        if crew.workers() > 0 {
            return None;
        }
        self.unpark(&mut crew)
    }
}

impl Crew {
    /// Tasks that have parts of the file, or may take some.
    fn workers(&self) -> usize {
        self.members - self.probes.len()
    }

    /// A task looks no more whether a mirror has the file.
    fn end_probe(&mut self, probe: Option<&Probe>) {
        let Some(probe) = probe else { return };
        self.probes.retain(|other| !Arc::ptr_eq(&other.cut, &probe.cut));
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").finish_non_exhaustive()
    }
}

/// For how long a connection is kept free for a mirror that has not answered yet, in milliseconds.
const PROBE_WAITED_MS: u64 = 1_000;
