//! What a host has answered and refused so far.

use super::signal::HostSignal;
use crate::plan::retry::Tally;

/// What a host has answered so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    answers: u32,
    pub(super) refusals: u32,
    /// When the last good answer came, in seconds from 1; 0 when there was none.
    good_at_s: u32,
    /// When the request of the first answer began, in milliseconds.
    first_ms: u32,
}

impl Record {
    /// Counts feedback of an attempt that began at `began_ms`.
    pub(super) fn add(&mut self, signal: HostSignal, began_ms: u64, now_ms: u64) {
        if self.answers == 0 && self.refusals == 0 {
            self.first_ms = u32::try_from(began_ms).unwrap_or(u32::MAX);
        }
        match signal {
            HostSignal::Good { .. } => {
                self.answers = self.answers.saturating_add(1);
                self.good_at_s = second(now_ms);
            }
            HostSignal::Answered => self.answers = self.answers.saturating_add(1),
            HostSignal::Busy { .. } => self.refusals = self.refusals.saturating_add(1),
            HostSignal::Cut
            | HostSignal::Unreachable { .. }
            | HostSignal::Nameless
            | HostSignal::Unasked
            | HostSignal::Nothing => {}
        }
    }

    pub(super) fn answers(&self) -> u32 {
        self.answers
    }

    /// Whether a fifth of all was refused, and at least `least` requests: not one URL alone.
    pub(super) fn is_refused_often(&self, least: u32) -> bool {
        self.refusals >= least && self.refusals >= self.answers / 4
    }

    /// How many of both.
    pub(super) fn tally(&self) -> Tally {
        Tally { answers: self.answers, refusals: self.refusals }
    }

    pub(super) fn first_ms(&self) -> u64 {
        u64::from(self.first_ms)
    }

    pub(super) fn is_progressing(&self, now_ms: u64) -> bool {
        self.good_at_s > 0 && second(now_ms).saturating_sub(self.good_at_s) < PROGRESS_S
    }
}

/// The second of the run that a time in milliseconds is in, from 1.
fn second(now_ms: u64) -> u32 {
    u32::try_from(now_ms / 1_000).unwrap_or(u32::MAX).saturating_add(1)
}

/// How long a host counts as making progress after its last good answer, in seconds.
const PROGRESS_S: u32 = 60;
