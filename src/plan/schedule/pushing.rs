//! Hosts that push back: how often they refused (429, 503), what was made of it, and what that
//! means for the job that was refused.

use super::{OriginId, Schedule, Sign};
use crate::plan::retry::Tally;

/// A host that refused requests, and what was made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushing {
    /// `name[:port]`
    pub host: Box<str>,
    /// Answers of it that were no refusals.
    pub answers: u64,
    /// 429, 503, and other answers that asked for a wait.
    pub refusals: u64,
    /// Connections it may have now.
    pub window: usize,
    /// Requests a second that it was found to bear, where it limits those.
    pub rate: Option<f64>,
    /// Jobs for it, waiting or in flight.
    pub jobs: usize,
}

/// What a refusal means for the job that met it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The host answers others: the refusal was about how much it is asked, says nothing about the
    /// job and costs it no attempt. (One URL may be refused always, so this must not count for ever
    /// in favour of one job.)
    pub is_progressing: bool,
    /// What the host has answered so far, without the refusal at hand.
    pub tally: Tally,
}

/// What a host has answered so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    answers: u32,
    pub(super) refusals: u32,
    /// When the last good answer came, in seconds from 1; 0 is never.
    good_at_s: u32,
    /// When the request of the first answer began, in milliseconds.
    first_ms: u32,
}

impl Record {
    /// What an attempt that began at `began_ms` said.
    pub(super) fn add(&mut self, sign: Sign, began_ms: u64, now_ms: u64) {
        if self.answers == 0 && self.refusals == 0 {
            self.first_ms = u32::try_from(began_ms).unwrap_or(u32::MAX);
        }
        match sign {
            Sign::Good { .. } => {
                self.answers = self.answers.saturating_add(1);
                self.good_at_s = second(now_ms);
            }
            Sign::Answered => self.answers = self.answers.saturating_add(1),
            Sign::Busy { .. } => self.refusals = self.refusals.saturating_add(1),
            Sign::Cut
            | Sign::Unreachable { .. }
            | Sign::Nameless
            | Sign::Unasked
            | Sign::Nothing => {}
        }
    }

    pub(super) fn answers(&self) -> u32 {
        self.answers
    }

    /// Whether a fifth of all was refused, and at least so many: not one URL alone.
    pub(super) fn is_refused_often(&self, least: u32) -> bool {
        self.refusals >= least && self.refusals >= self.answers / 4
    }

    pub(super) fn first_ms(&self) -> u64 {
        u64::from(self.first_ms)
    }

    fn is_progressing(&self, now_ms: u64) -> bool {
        self.good_at_s > 0 && second(now_ms).saturating_sub(self.good_at_s) < PROGRESS_S
    }
}

/// The second of the run that a time in milliseconds is in, from 1.
fn second(now_ms: u64) -> u32 {
    u32::try_from(now_ms / 1_000).unwrap_or(u32::MAX).saturating_add(1)
}

impl<T> Schedule<T> {
    /// What it means for a job of a grant of `origin` that its host refused it at `now_ms`. To be
    /// asked before the grant ends.
    ///
    /// # Panics
    /// When the grant of `origin` has ended.
    pub fn refused(&self, origin: OriginId, now_ms: u64) -> Refused {
        let live = self.hosts.at(self.hosts.index_of(origin)).live.as_ref();
        let record = live.map(|live| &live.polite.record);
        let tally = |record: &Record| Tally { answers: record.answers, refusals: record.refusals };
        Refused {
            is_progressing: record.is_some_and(|record| record.is_progressing(now_ms)),
            tally: record.map_or_else(Tally::default, tally),
        }
    }

    /// The hosts that refused requests and are still remembered, in no order. Walks all hosts, as
    /// [`Self::holdups`] does.
    pub fn pushing(&self) -> Vec<Pushing> {
        let pushing = self.hosts.iter().filter_map(|(index, host)| {
            let live = host.live.as_ref()?;
            let polite = &live.polite;
            let Record { answers, refusals, .. } = polite.record;
            (refusals > 0).then(|| Pushing {
                host: self.hosts.name(index).into(),
                answers: u64::from(answers),
                refusals: u64::from(refusals),
                window: polite.window(&self.limits),
                rate: polite.found_per_s(),
                jobs: host.waiting() + live.in_use,
            })
        });
        pushing.collect()
    }
}

/// A host whose last good answer is not longer ago makes progress, in seconds.
const PROGRESS_S: u32 = 60;
