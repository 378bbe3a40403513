//! What is remembered of how a host behaved, and what follows from it: how many connections it
//! gets, when it rests, and whether anything is sent to it at all.
//!
//! **Window.** A host begins with `-x` connections. An answer that says "too much" (429, 503,
//! `Retry-After`) and a connection that is cut halve that; as many good answers in a row as the
//! window is wide raise it by one (additive increase, multiplicative decrease, as TCP does). What
//! was begun before the last halving says nothing new, so a burst of failures counts once: every
//! grant carries the [`Round`] it began in.
//!
//! **Time to the first byte.** When it rises, requests queue up somewhere, and more of them at once
//! only make the queue longer: the window is lowered by one. But a local server on a busy machine
//! answers in 1 ms now and in 20 ms then, a cache misses, a URL is a script: none of that may slow
//! a run down. So the smoothed time (a quarter of it is the last two or three answers) must be
//! above four times the lowest smoothed one of the last minute or two, *and* a quarter of a second
//! above it; and then a whole window of answers lowers it by one and no more.
//!
//! **Slots.** With a small `-j` the connections of one host may be all there are, and one that
//! keeps silent would hold each of them for a whole time limit, again and again. So a host whose
//! last word was a failure to answer gets half of `-j` at most until it answers.
//!
//! **Rests.** Nobody can tell whether `Retry-After` means the one URL or the whole host. The job
//! waits for as long as it was asked to; the host rests for a moment at first, and twice as long
//! each time that it asks again after a rest. So a host in trouble is soon left alone for all it
//! asked for, and a single URL that always asks does not hold up all others of its host. A host
//! that is too busy for one connection, and does not say for how long, rests in the same way.

use super::breaker::Breaker;
use super::pushing::Record;
use super::{Limits, OriginId, Place, Schedule, Wake};

/// What an attempt says about its host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sign {
    /// An answer that a host at ease gives, a redirect and 404 included.
    Good {
        /// From the request to the first byte of the answer, in milliseconds.
        starttransfer_ms: u64,
    },
    /// Any other answer: the host is there, and no more is known.
    Answered,
    /// 429, 503, or an answer that asks for a wait.
    Busy {
        /// How long it asks for (`Retry-After`), in milliseconds.
        asked_ms: Option<u64>,
        /// It speaks for the whole host (429 with `Retry-After`): nothing begins there before.
        /// Otherwise it may be about one URL.
        is_for_host: bool,
    },
    /// A connection that was there was reset, cut short or silent for too long.
    Cut,
    /// No connection came about, or the name servers failed.
    Unreachable {
        /// The code of the fault, for people.
        code: &'static str,
    },
    /// Its name does not exist. That is an answer, known for a while and free for all other jobs
    /// of the host: each can say so at once. Nothing was sent.
    Nameless,
    /// Nothing was sent: the attempt counts towards no rate.
    Unasked,
    /// It ended for a reason of ours.
    Nothing,
}

/// A stretch of a host's time within which all failures are one. Comes with a grant and goes back
/// with its signs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Round(u32);

impl Round {
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// What is remembered of one host.
#[derive(Debug, Default)]
pub(super) struct Polite {
    /// Connections fewer than `-x`.
    lowered: u32,
    /// Slots it may hold while it does not answer; nothing while it does.
    slots_max: Option<u32>,
    /// Good answers since the window last changed.
    good: u32,
    pub(super) round: Round,
    /// Length of the last rest, in milliseconds; 0 is none of late.
    rest_ms: u64,
    /// When the last rest is over.
    pub(super) rest_until_ms: u64,
    pub(super) breaker: Breaker,
    latency: Latency,
    pub(super) record: Record,
}

impl Polite {
    /// Whether there is anything that a fresh host would not have.
    pub(super) fn is_remarkable(&self) -> bool {
        self.lowered > 0
            || self.slots_max.is_some()
            || self.rest_ms > 0
            || self.record.refusals > 0
            || self.breaker.is_remarkable()
    }

    /// Connections it may have open now, of at most `max`.
    pub(super) fn window(&self, max: usize) -> usize {
        let slots_max = self.slots_max.map_or(usize::MAX, |slots| slots as usize);
        self.earned(max).min(slots_max)
    }

    /// Those that its answers have earned it.
    fn earned(&self, max: usize) -> usize {
        max.saturating_sub(self.lowered as usize).max(1)
    }

    /// What it says of slots.
    fn hear(&mut self, sign: Sign, limits: &Limits) {
        match sign {
            Sign::Good { .. } | Sign::Answered | Sign::Busy { .. } => self.slots_max = None,
            Sign::Cut | Sign::Unreachable { .. } if !limits.is_window_fixed => {
                let half = u32::try_from(limits.in_flight_max / 2).unwrap_or(u32::MAX);
                self.slots_max = Some(half.max(1));
            }
            Sign::Cut
            | Sign::Unreachable { .. }
            | Sign::Nameless
            | Sign::Unasked
            | Sign::Nothing => {}
        }
    }

    /// A good answer that began in this round.
    fn good(&mut self, starttransfer_ms: u64, now_ms: u64, max: usize) {
        self.latency.add(starttransfer_ms, now_ms);
        self.good += 1;
        let window = self.earned(max);
        if (self.good as usize) < window {
            return;
        }
        self.good = 0;
        if !self.latency.is_high() {
            self.lowered = self.lowered.saturating_sub(1);
        } else if window > 1 {
            self.lowered += 1;
        }
    }

    /// Any good answer makes the next rest shorter.
    fn rested(&mut self) {
        self.rest_ms = if self.rest_ms < 2 * REST_FIRST_MS { 0 } else { self.rest_ms / 2 };
    }

    /// Halves the window. Says whether it could.
    fn halve(&mut self, max: usize) -> bool {
        let window = self.earned(max);
        self.round = self.round.next();
        self.good = 0;
        self.lowered = u32::try_from(max - (window / 2).max(1)).unwrap_or(u32::MAX);
        window > 1
    }

    /// The host said for how long nothing is to be started there.
    fn obey(&mut self, asked_ms: u64, now_ms: u64) {
        self.rest_until_ms = self.rest_until_ms.max(now_ms.saturating_add(asked_ms));
    }

    /// Somebody asks for a wait: for a while nothing is to be started there.
    fn rest(&mut self, asked_ms: u64, now_ms: u64) {
        // Answers that come during a rest are to requests from before it.
        if now_ms >= self.rest_until_ms {
            let doubled = self.rest_ms.saturating_mul(2).max(REST_FIRST_MS);
            self.rest_ms = doubled.min(asked_ms.max(REST_FIRST_MS));
        }
        let rest_ms = self.rest_ms.min(asked_ms);
        self.rest_until_ms = self.rest_until_ms.max(now_ms.saturating_add(rest_ms));
    }
}

impl<T> Schedule<T> {
    /// An attempt of a grant that began in `round` says this about its host. Every attempt says
    /// something, before its grant ends; a first word ([`Sign::Answered`] when an answer begins)
    /// may come before.
    ///
    /// # Panics
    /// When the grant of `origin` has ended.
    pub fn observe(&mut self, origin: OriginId, round: Round, sign: Sign, now_ms: u64) -> Wake {
        self.now_ms = self.now_ms.max(now_ms);
        let index = self.hosts.index_of(origin);
        let max = self.limits.per_host_max;
        let polite = &mut self.hosts.at_mut(index).live_mut().polite;
        polite.hear(sign, &self.limits);
        polite.record.add(sign, now_ms);
        let is_fresh = polite.round == round && !self.limits.is_window_fixed;
        match sign {
            Sign::Good { starttransfer_ms } => {
                if is_fresh {
                    polite.good(starttransfer_ms, now_ms, max);
                }
                polite.rested();
                polite.breaker.close();
            }
            Sign::Answered => polite.breaker.close(),
            Sign::Busy { asked_ms, is_for_host } => {
                polite.breaker.close();
                let is_at_bottom = is_fresh && !polite.halve(max);
                match asked_ms {
                    Some(asked_ms) if is_for_host => polite.obey(asked_ms, now_ms),
                    Some(asked_ms) => polite.rest(asked_ms, now_ms),
                    None if is_at_bottom => polite.rest(REST_UNASKED_MAX_MS, now_ms),
                    None => {}
                }
            }
            Sign::Cut => {
                polite.breaker.close();
                if is_fresh {
                    polite.halve(max);
                }
            }
            Sign::Unreachable { code } => self.unreachable(index, round, code),
            Sign::Nameless => {
                polite.breaker.close();
                self.refund(index);
            }
            Sign::Unasked => {
                polite.breaker.no_verdict(round);
                self.refund(index);
            }
            Sign::Nothing => polite.breaker.no_verdict(round),
        }
        self.rewait(index);
        self.settle(index);
        self.wake(usize::from(self.hosts.at(index).home))
    }

    /// Starts no job of a host before `until_ms`; the later of two pauses counts. The caller looks
    /// at [`Self::next_due_ms`] again before it sleeps.
    pub fn pause(&mut self, place: Place<'_>, until_ms: u64) {
        let index = self.enter(place);
        let live = self.hosts.at_mut(index).live_mut();
        live.polite.rest_until_ms = live.polite.rest_until_ms.max(until_ms);
        self.rewait(index);
        self.settle(index);
    }

    /// Brings the time until which a host waits in line with what it waits for.
    pub(super) fn rewait(&mut self, index: u32) {
        let now_ms = self.now_ms;
        let host = self.hosts.at_mut(index);
        let has_queued = host.has_queued();
        let Some(live) = &mut host.live else { return };
        let until_ms = live.wait_ends_ms(has_queued);
        let until = Some(until_ms).filter(|until| *until > now_ms);
        if live.waits_until_ms == until {
            return;
        }
        if let Some(before) = std::mem::replace(&mut live.waits_until_ms, until) {
            self.waits.remove(&(before, index));
        }
        if let Some(until) = until {
            self.waits.insert((until, index));
        }
    }
}

/// How soon a host answers.
#[derive(Debug, Default)]
struct Latency {
    smoothed_ms: f32,
    /// The lowest smoothed one of this stretch of time and of the one before.
    lowest_ms: [f32; 2],
    stretch_ends_ms: u64,
    /// Answers so far, as far as it matters.
    count: u8,
}

impl Latency {
    fn add(&mut self, answer_ms: u64, now_ms: u64) {
        let answer_ms = f32::from(u16::try_from(answer_ms).unwrap_or(u16::MAX));
        self.count = (self.count + 1).min(LATENCY_ANSWERS);
        self.smoothed_ms += (answer_ms - self.smoothed_ms) / f32::from(self.count);
        if self.count < LATENCY_ANSWERS {
            // Nothing to compare with yet.
            (self.lowest_ms, self.stretch_ends_ms) = ([f32::MAX; 2], 0);
            return;
        }
        if now_ms >= self.stretch_ends_ms {
            self.stretch_ends_ms = now_ms.saturating_add(LATENCY_STRETCH_MS);
            self.lowest_ms = [f32::MAX, self.lowest_ms[0]];
        }
        self.lowest_ms[0] = self.lowest_ms[0].min(self.smoothed_ms);
    }

    fn is_high(&self) -> bool {
        let base_ms = self.lowest_ms[0].min(self.lowest_ms[1]);
        self.count >= LATENCY_ANSWERS
            && self.smoothed_ms > base_ms * LATENCY_TIMES
            && self.smoothed_ms > base_ms + LATENCY_ABOVE_MS
    }
}

/// The first rest, in milliseconds.
const REST_FIRST_MS: u64 = 1_000;
/// Longest rest of a host that is too busy for one connection and does not say for how long, in
/// milliseconds.
const REST_UNASKED_MAX_MS: u64 = 30_000;

/// Answers that the smoothed time to the first byte is made of, and that make a host known.
const LATENCY_ANSWERS: u8 = 8;
/// For so long the lowest one is remembered, and once more, in milliseconds.
const LATENCY_STRETCH_MS: u64 = 60_000;
/// A time to the first byte is high when it is above the lowest one so many times...
const LATENCY_TIMES: f32 = 4.0;
/// ...and by so many milliseconds.
const LATENCY_ABOVE_MS: f32 = 250.0;
