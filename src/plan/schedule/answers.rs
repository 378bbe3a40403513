//! What the schedule answers, to be acted on by the cores.

use super::place::OriginId;
use super::signal::Round;
use std::ops::Range;

/// What the job of a [`Grant`] runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connection {
    /// An idle connection of the core's own pool, which must be taken out of it.
    Reuse,
    /// A new connection.
    Open,
    /// A new connection in the place of an idle one of this other origin of the same host, which
    /// must be taken out of the core's own pool and closed.
    Replace(OriginId),
}

/// A job that may run now. Ends with [`super::Schedule::release`].
#[derive(Debug)]
pub struct Grant<T> {
    /// The job.
    pub item: T,
    /// Origin of the job, for [`super::Schedule::release`].
    pub origin: OriginId,
    /// Connection of the job. A reused one that proves stale may be replaced by a new one.
    pub connection: Connection,
    /// Round of the host that the job begins in, for [`super::Schedule::observe`].
    pub round: Round,
    /// Half-open probe: report its first byte to [`super::Schedule::observe`] at once.
    pub is_probe: bool,
    /// When the request was due, in milliseconds, with `--open-loop`.
    pub due_ms: Option<u64>,
}

/// What was granted to an attempt, for [`super::Schedule::observe`] and
/// [`super::Schedule::release`].
#[derive(Clone, Copy, Debug)]
pub struct Granting {
    /// The origin of the job.
    pub origin: OriginId,
    /// The stretch of its host's time that the attempt is part of.
    pub round: Round,
    /// The host waits for what comes of the attempt: its first byte is worth a signal of its own.
    pub is_probe: bool,
}

/// A job of a host that was given up: it fails without being tried. It takes no slot, and
/// nothing is released.
#[derive(Debug)]
pub struct Down<T> {
    /// The job.
    pub item: T,
    /// Why the host was given up.
    pub why: super::breaker::DownReason,
}

/// The answer of [`super::Schedule::take`].
#[derive(Debug)]
#[must_use = "the wake must be delivered"]
pub struct Take<T> {
    /// What there is for the core.
    pub assignment: Assignment<T>,
    /// Another core that has work now.
    pub wake: Wake,
    /// Whether there are names to be asked for ([`super::Schedule::next_unresolved`]).
    pub has_unresolved: bool,
}

/// What there is for a core.
#[derive(Debug)]
pub enum Assignment<T> {
    /// A job to run.
    Job(Grant<T>),
    /// A job that fails.
    Down(Down<T>),
    /// A job whose own time is over. It takes no slot, and nothing is released.
    Overdue(T),
    /// Nothing: the core may sleep until it is woken or [`super::Schedule::next_due_ms`].
    Nothing,
}

impl<T> Assignment<T> {
    /// Whether there is nothing.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    /// The job to run, if it is one.
    #[cfg(test)]
    pub(super) fn grant(self) -> Option<Grant<T>> {
        match self {
            Self::Job(grant) => Some(grant),
            Self::Down(_) | Self::Overdue(_) | Self::Nothing => None,
        }
    }

    /// The job that fails, if it is one.
    #[cfg(test)]
    pub(super) fn down(self) -> Option<Down<T>> {
        match self {
            Self::Down(down) => Some(down),
            Self::Job(_) | Self::Overdue(_) | Self::Nothing => None,
        }
    }
}

/// What becomes of a job's connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum After {
    /// The connection stays open, idle, in the pool of the core.
    Kept,
    /// The connection is closed.
    Closed,
}

/// The answer of [`super::Schedule::release`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "the wake must be delivered, and a connection that was not kept must be closed"]
pub struct Released {
    /// `Closed` although `Kept` was offered, when the core must give the slot to another core.
    pub connection: After,
    /// Cores that have work now; often the releasing core itself.
    pub wake: Wake,
}

/// Which cores must call [`super::Schedule::take`] until it has nothing for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a wake that is not delivered leaves work lying"]
pub enum Wake {
    /// No core.
    Nobody,
    /// One core.
    One(usize),
    /// All cores: everything is finished, and those asleep must learn it.
    All,
}

impl Wake {
    /// The cores meant, of `cores` in all.
    pub fn cores(self, cores: usize) -> Range<usize> {
        match self {
            Self::Nobody => 0..0,
            Self::One(core) => core..core + 1,
            Self::All => 0..cores,
        }
    }
}
