//! What is remembered of how a host behaved, and what follows from it: how many connections it
//! gets, when it rests, and whether anything is sent to it at all.
//!
//! **Window.** A host begins with `-x` connections. An answer that says "too much" (429, 503,
//! `Retry-After`) and a connection that is cut halve that; as many good answers in a row as the
//! window is wide raise it by one (additive increase, multiplicative decrease, as TCP does).
//! Answers to requests from before the last halving say nothing new, so a burst of failures counts
//! once: every grant carries the [`Round`] it began in.
//!
//! **Time to the first byte.** When it rises, requests queue up somewhere, and more of them at once
//! only make the queue longer: the window is lowered by one. But a local server on a busy machine
//! answers in 1 ms now and in 20 ms then, a cache misses, a URL is a script: none of that may slow
//! a run down. So the smoothed time (a quarter of it is the last two or three answers) must be
//! above four times the lowest smoothed one of the last minute or two, *and* a quarter of a second
//! above it; and then a whole window of answers lowers it by one and no more.
//!
//! **Slots.** With a small `-j` the connections of one host may be all there are, and a host that
//! keeps silent would hold each of them for a whole time limit, again and again. So a host whose
//! last word was a failure to answer gets half of `-j` at most until it answers.
//!
//! **Rests.** Nobody can tell whether `Retry-After` means the one URL or the whole host. The job
//! waits for as long as it was asked to; the host rests for a moment at first, and twice as long
//! each time that it asks again after a rest. So a host in trouble is soon left alone for all it
//! asked for, and a single URL that always asks does not hold up all others of its host. A host
//! that is too busy for one connection, and does not say for how long, rests in the same way.

use super::breaker::Breaker;
use super::caps::{Caps, Limits};
use super::found::{Found, Pushed};
use super::paced::Pace;
use super::rate::Due;
use super::record::Record;
use super::refusing::Refusing;
use super::signal::{HostSignal, Round};
use super::speed::{Answer, is_from};

/// What is remembered of one host, and how much it may be asked.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Connections fewer than `-x`.
    lowered: u32,
    /// Slots that the host may hold while it does not answer; `None` while it does.
    slots_max: Option<u32>,
    /// Good answers since the window last changed.
    good: u32,
    /// Number of the round that begins now.
    round: u32,
    /// First round whose answers are news; those to earlier ones are out of date.
    pub(super) since: u32,
    /// Length of the last rest, in milliseconds; 0 is none of late.
    rest_ms: u64,
    /// When the last rest is over.
    pub(super) rest_until_ms: u64,
    pub(super) breaker: Breaker,
    latency: Latency,
    pub(super) record: Record,
    pub(super) refusing: Option<Box<Refusing>>,
    /// What was found out about the host's speed; `None` before its first answer.
    pub(super) found: Option<Box<Found>>,
}

impl Throttle {
    /// Whether there is anything that a fresh host would not have.
    pub(super) fn is_remarkable(&self) -> bool {
        self.lowered > 0
            || self.slots_max.is_some()
            || self.rest_ms > 0
            || self.record.refusals > 0
            || self.found.as_ref().is_some_and(|found| found.speed.is_remarkable())
            || self.breaker.is_remarkable()
    }

    /// Connections that the host may have open now.
    pub(super) fn window(&self, limits: &Limits) -> usize {
        let slots_max = self.slots_max.map_or(usize::MAX, |slots| slots as usize);
        let earned = match limits.is_automatic() {
            true => self
                .found
                .as_ref()
                .map_or(limits.per_host_first, |found| found.speed.window(limits.caps()) as usize),
            false => self.earned(limits.per_host_max),
        };
        earned.min(slots_max)
    }

    /// Connections that are kept when jobs end: to try a smaller window costs no handshake.
    pub(super) fn kept(&self, limits: &Limits) -> usize {
        self.window(limits).max(self.found.as_ref().map_or(0, |found| found.speed.kept()))
    }

    /// Connections that the host's answers have earned it.
    fn earned(&self, max: usize) -> usize {
        max.saturating_sub(self.lowered as usize).max(1)
    }

    /// The rate that was found, to keep to.
    pub(super) fn pace_mut(&mut self) -> Option<&mut Pace> {
        self.found.as_mut()?.pace.as_deref_mut()
    }

    /// When the next request may begin by the rate that was found.
    pub(super) fn due(&self) -> Due {
        self.pace().map_or_else(Due::default, Pace::due)
    }

    /// Requests a second that the host was found to bear.
    pub(super) fn found_per_s(&self) -> Option<f64> {
        self.pace().map(|pace| f64::from(pace.per_s()))
    }

    pub(super) fn is_paced(&self) -> bool {
        self.pace().is_some()
    }

    fn pace(&self) -> Option<&Pace> {
        self.found.as_ref()?.pace.as_deref()
    }

    /// Forgets what a fresh host would not have either. No job of the host is in flight.
    pub(super) fn forget(&mut self) {
        self.found.take_if(|found| !found.is_remarkable());
    }

    /// Begins a job beside `in_use` others. Says whether the host waits for what comes of it.
    pub(super) fn begin(&mut self, in_use: usize, limits: &Limits, now_ms: u64) -> (Round, bool) {
        if let Some(found) = &mut self.found {
            found.wait_is_over(self.rest_until_ms, now_ms);
        }
        let next = self.round.wrapping_add(1);
        let is_probe = self.breaker.begin(next);
        if is_probe {
            self.round = next;
        }
        if let Some(found) = &mut self.found {
            found.speed.begin(self.round);
        }
        let in_flight = u32::try_from(in_use).unwrap_or(u32::MAX);
        let is_full = in_use * 4 >= self.window(limits) * 3;
        (Round { number: self.round, in_flight, is_full, began_ms: now_ms }, is_probe)
    }

    /// Takes note of what feedback says of slots.
    pub(super) fn observe(&mut self, signal: HostSignal, limits: &Limits) {
        match signal {
            HostSignal::Good { .. } | HostSignal::Answered | HostSignal::Busy { .. } => {
                self.slots_max = None
            }
            HostSignal::Cut | HostSignal::Unreachable { .. } if !limits.is_window_fixed => {
                let half = u32::try_from(limits.in_flight_max / 2).unwrap_or(u32::MAX);
                self.slots_max = Some(half.max(1));
            }
            HostSignal::Cut
            | HostSignal::Unreachable { .. }
            | HostSignal::Nameless
            | HostSignal::Unasked
            | HostSignal::Nothing => {}
        }
    }

    /// Takes note of a good answer that began in this round, to a host of at most `max`
    /// connections.
    pub(super) fn good(&mut self, starttransfer_ms: u64, now_ms: u64, max: usize) {
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

    /// Makes the next rest shorter, as any good answer does.
    pub(super) fn rested(&mut self) {
        self.rest_ms = if self.rest_ms < 2 * REST_FIRST_MS { 0 } else { self.rest_ms / 2 };
    }

    /// Begins a round: answers to earlier requests say nothing new from now on.
    fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
        (self.since, self.good) = (self.round, 0);
    }

    /// What is found out about the host's speed, begun when there is nothing yet.
    pub(super) fn found(&mut self) -> &mut Found {
        self.found.get_or_insert_default()
    }

    /// Takes note of a good answer for the speed of a host that gets as many connections as pay.
    pub(super) fn sped(&mut self, answer: &Answer, in_use: usize, caps: Caps) {
        let round = self.round;
        let is_first = self.found.is_none();
        let found = self.found();
        if is_first {
            found.speed.begun(round, u32::try_from(in_use).unwrap_or(u32::MAX));
        }
        if found.pace.is_none() {
            let is_next = found.speed.good(answer, round, caps);
            self.round = self.round.wrapping_add(u32::from(is_next));
        } else if answer.is_limited {
            found.speed.widen(caps);
        }
    }

    /// Takes note of a good answer for the rate.
    pub(super) fn paced(&mut self, round: Round, is_limited: bool, window: usize, now_ms: u64) {
        let is_news = is_from(round.number, self.since);
        if let Some(found) = &mut self.found {
            found.good(round, is_news, is_limited, window, now_ms);
        }
    }

    /// Takes note that the host pushed back, if this is news; a refusal (429, 503) may be about the
    /// rate.
    pub(super) fn pushed(&mut self, round: Round, push: Pushed, limits: &Limits, now_ms: u64) {
        let is_refusal = push != Pushed::Cut;
        if limits.is_window_fixed {
            return;
        }
        let window = self.window(limits);
        let record = self.record;
        let is_news = is_from(round.number, self.since);
        let rest_until_ms = self.rest_until_ms;
        let found = self.found();
        if is_refusal {
            found.push.add(true);
            found.refused_first(record, round);
        }
        if !is_news {
            return found.speed.refused_late(round);
        }
        if is_refusal && found.pace.is_some() {
            found.lower(round, push, now_ms);
            return self.next_round();
        }
        let is_of_rate = is_refusal && found.is_of_rate(push, window, limits, record, now_ms);
        let is_of_all = found.push.is_of_rate();
        // A part of requests may be refused whatever is asked.
        let is_few = limits.is_automatic() && window <= FEW;
        let is_kept = push == Pushed::Refused && is_few && !found.push.is_much();
        if is_of_rate {
            found.learn(rest_until_ms, now_ms);
        }
        found.push.back(now_ms);
        if is_of_rate || is_kept {
            self.next_round();
        } else {
            self.narrow(round, limits, now_ms);
        }
        if is_refusal && !is_of_rate && window == 1 && is_of_all {
            self.rest(REST_UNASKED_MAX_MS, now_ms);
        }
    }

    fn narrow(&mut self, round: Round, limits: &Limits, now_ms: u64) {
        match limits.is_automatic() {
            true => {
                let (since, number) = (self.since, self.round);
                self.found().speed.refused(round, since, number, now_ms, limits.caps());
                self.next_round();
            }
            false => self.halve(limits.per_host_max),
        }
    }

    /// Halves the window.
    fn halve(&mut self, max: usize) {
        let window = self.earned(max);
        self.next_round();
        self.lowered = u32::try_from(max - (window / 2).max(1)).unwrap_or(u32::MAX);
    }

    /// Takes note that the host can be reached. That is no news of one that was given up for its
    /// answers.
    pub(super) fn reached(&mut self) {
        let is_refusing = self.refusing.as_ref().is_some_and(|refusing| refusing.why.is_some());
        if !(is_refusing && self.breaker.is_down()) {
            self.breaker.close();
        }
    }

    /// Starts nothing there for as long as the host said.
    pub(super) fn obey(&mut self, asked_ms: u64, now_ms: u64) {
        self.rest_until_ms = self.rest_until_ms.max(now_ms.saturating_add(asked_ms));
    }

    /// Starts nothing there for a while, since an answer asks for a wait.
    pub(super) fn rest(&mut self, asked_ms: u64, now_ms: u64) {
        // Answers that come during a rest are to requests from before it.
        if now_ms >= self.rest_until_ms {
            let doubled = self.rest_ms.saturating_mul(2).max(REST_FIRST_MS);
            self.rest_ms = doubled.min(asked_ms.max(REST_FIRST_MS));
        }
        let rest_ms = self.rest_ms.min(asked_ms);
        self.rest_until_ms = self.rest_until_ms.max(now_ms.saturating_add(rest_ms));
    }
}

/// How soon a host answers.
#[derive(Debug, Default)]
struct Latency {
    smoothed_ms: f32,
    /// The lowest smoothed time of this stretch and of the one before, in milliseconds.
    lowest_ms: [f32; 2],
    stretch_ends_ms: u64,
    /// Answers so far, up to [`LATENCY_ANSWERS`].
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
/// A window of this many connections or fewer is not lowered for a small part of refusals.
const FEW: usize = 4;
/// Longest rest of a host that is too busy for one connection and does not say for how long, in
/// milliseconds.
const REST_UNASKED_MAX_MS: u64 = 30_000;
/// Answers that the smoothed time to the first byte is made of, and that make it known.
const LATENCY_ANSWERS: u8 = 8;
/// Length of a stretch, in milliseconds: the lowest time of this one and of the last is remembered.
const LATENCY_STRETCH_MS: u64 = 60_000;
/// A time to the first byte is high when it is this many times the lowest one, and
/// [`LATENCY_ABOVE_MS`] above it.
const LATENCY_TIMES: f32 = 4.0;
/// A high time is also above the lowest one by this, in milliseconds.
const LATENCY_ABOVE_MS: f32 = 250.0;
