//! The rate of a host that limits requests a second: found out, and kept to.
//!
//! A limiter counts in one of the ways of a bucket: a burst at once, then so many a second. A
//! client that asks faster is refused at the rate above it, and often told to wait a second
//! besides. So requests are spaced evenly, and the rate is *searched* from a low one: twice as many
//! a second after every few answers, until the first refusal. The times at which the answered
//! requests began, and the refused one, bound the rate of the host ([`super::bucket`]). From then
//! on the rate is *kept* between these bounds: raised by a fiftieth after some seconds without a
//! refusal, then by twice as much each time, up to just below what was refused; and beyond it when
//! that is long ago, so that a host that bears more than it did has its speed back soon. How long
//! that takes goes by what a refusal costs: a wait that the host asks for is to be a twentieth at
//! most. A refusal bounds the rate anew, and lets the next attempt wait twice as long. A host that
//! refuses whatever it is asked is asked half as often each time, as by any exponential back-off.

use super::bucket::Told;
use super::rate::{Due, Rate};

/// The rate of one host.
#[derive(Debug)]
pub(super) struct Pace {
    /// Requests a second.
    per_s: f32,
    due: Due,
    /// The highest rate that was borne.
    good_per_s: f32,
    /// The lowest rate that was refused.
    bad_per_s: f32,
    /// Time before which the rate stays below what was refused, in milliseconds.
    below_until_ms: u64,
    /// How long that is, in milliseconds.
    below_ms: u64,
    /// When the rate became what it is, in milliseconds.
    since_ms: u64,
    /// Good answers to requests that began at this rate.
    answered: u32,
    /// Part by which the rate is raised next.
    raise: f32,
    /// Refusals in a row.
    refused: u8,
    /// Times in a row that the rate was not what held the host back.
    idle: u8,
    /// Good answers and refusals since a rate held.
    unproven: (u32, u32),
    /// Good answers in a row.
    run: u8,
}

impl Pace {
    /// The rate of a host that refused requests, and has answered `answered_per_s` a second lately,
    /// 0 if that is unknown.
    pub(super) fn new(answered_per_s: f32, now_ms: u64) -> Self {
        Self {
            per_s: if answered_per_s > 0.0 { answered_per_s } else { FIRST_PER_S }
                .clamp(MIN_PER_S, MAX_PER_S),
            due: Due::default(),
            good_per_s: 0.0,
            bad_per_s: f32::MAX,
            below_until_ms: 0,
            below_ms: 0,
            since_ms: now_ms,
            answered: 0,
            raise: RAISE_FIRST,
            refused: 0,
            idle: 0,
            unproven: (0, 0),
            run: 0,
        }
    }

    /// Requests a second.
    pub(super) fn per_s(&self) -> f32 {
        self.per_s
    }

    /// When the next request may begin.
    pub(super) fn due(&self) -> Due {
        self.due
    }

    /// Counts a request that begins.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.due.begin(Rate::per_s(self.per_s), now_ms);
    }

    /// Takes back a request that turned out not to be needed.
    pub(super) fn give_back(&mut self) {
        self.due.give_back(Rate::per_s(self.per_s));
    }

    /// Takes note of a good answer to a request that began at `began_ms`. `is_limited`: the window,
    /// and not the rate, keeps jobs waiting. Says whether the rate is to be forgotten.
    pub(super) fn good(&mut self, began_ms: u64, is_limited: bool, now_ms: u64) -> bool {
        self.run = self.run.saturating_add(1);
        self.unproven.0 += 1;
        if self.run >= RUN_PROVES {
            self.unproven = (0, 0);
        }
        if began_ms < self.since_ms {
            return false;
        }
        self.refused = 0;
        self.answered = self.answered.saturating_add(1);
        if self.bad_per_s == f32::MAX {
            let enough = if self.per_s < 1.0 { 1 } else { SEARCH_ANSWERS };
            let kept_s = seconds(now_ms.saturating_sub(self.since_ms));
            // A bucket must have the time to run over.
            if self.answered >= enough && kept_s >= SEARCH_STEP_S {
                self.good_per_s = self.per_s;
                return self.change(self.per_s * 2.0, now_ms);
            }
            return false;
        }
        let kept_s = seconds(now_ms.saturating_sub(self.since_ms));
        // At a high rate a second tells as much.
        let dwell_s = DWELL_S.min((DWELL_S * 10.0 / self.per_s).max(1.0));
        let enough = if self.per_s < 1.0 { 2 } else { 8 };
        if kept_s < dwell_s || self.answered < enough {
            return false;
        }
        let is_used = self.answered as f32 >= self.per_s * kept_s * USED_PART;
        if !is_used {
            (self.since_ms, self.answered) = (now_ms, 0);
            self.idle = if is_limited { self.idle + 1 } else { 0 };
            return self.idle >= IDLE_MAX;
        }
        self.idle = 0;
        self.good_per_s = self.per_s;
        let raised_per_s = self.per_s * (1.0 + self.raise);
        let most_per_s = self.bad_per_s * BELOW_BAD;
        if raised_per_s > most_per_s && now_ms < self.below_until_ms {
            return self.change(self.per_s.max(most_per_s), now_ms);
        }
        self.raise = (self.raise * 2.0).min(1.0);
        self.change(raised_per_s, now_ms)
    }

    /// Lets the next request begin one interval from now, or at `due_ms` if that is earlier.
    pub(super) fn put_off(&mut self, now_ms: u64, due_ms: Option<u64>) {
        self.due.put_off(Rate::per_s(self.per_s), now_ms, due_ms);
    }

    /// Takes note of the first refusal since the rate changed, by a host that asks for a wait of
    /// `asked_ms`, or for none. Says what the refusal tells.
    pub(super) fn refused(&mut self, told: Option<Told>, asked_ms: u64, now_ms: u64) -> Refused {
        self.refused = self.refused.saturating_add(1);
        self.run = 0;
        self.unproven.1 += 1;
        let (good, refused) = self.unproven;
        let is_mixed = good * 3 >= refused;
        let is_moody = is_mixed && refused >= MOODY_REFUSALS;
        let bound_per_s = told.map_or(self.per_s, |told| told.most_per_s).min(self.per_s);
        let (next_per_s, is_known) = self.after_refusal(told, asked_ms);
        // Above a rate that held for long, and refused for the second time.
        let is_again = now_ms < self.below_until_ms.saturating_add(self.below_ms);
        let least_ms = asked_ms.saturating_mul(WAIT_TIMES).clamp(BELOW_MS, BELOW_MAX_MS);
        self.below_ms = if is_again { self.below_ms * 2 } else { 0 }.clamp(least_ms, BELOW_MAX_MS);
        self.below_until_ms = now_ms.saturating_add(self.below_ms);
        self.bad_per_s = bound_per_s.max(next_per_s);
        self.raise = RAISE_FIRST;
        self.good_per_s = self.good_per_s.min(next_per_s);
        if self.refused > 1 {
            // Nothing that was known holds any more.
            (self.good_per_s, self.bad_per_s) = (0.0, f32::MAX);
        }
        let least_per_s = if is_mixed { MIXED_PER_S } else { MIN_PER_S };
        self.change(next_per_s.max(least_per_s), now_ms);
        match (is_moody, is_known) {
            (true, _) => Refused::Moody,
            (false, true) => Refused::Told,
            (false, false) => Refused::Unknown,
        }
    }

    /// The rate after a refusal, and whether it is what answers told.
    fn after_refusal(&self, told: Option<Told>, asked_ms: u64) -> (f32, bool) {
        let is_search = self.bad_per_s == f32::MAX;
        if self.refused > 1 {
            return (self.per_s / 2.0, false);
        }
        let least = if is_search { FOUND_MIN } else { KEPT_MIN };
        if let Some(Told { least_per_s, most_per_s }) = told {
            let between = if asked_ms == 0 { BETWEEN } else { BETWEEN_ASKED };
            let wider = (most_per_s - least_per_s).max(0.0) * between;
            let found = (least_per_s + wider) * FOUND_PART;
            let is_soon = self.answered < SOON_ANSWERS && found > self.per_s * LOWER && !is_search;
            if !is_soon {
                return (found.clamp(self.per_s * least, self.per_s * GIVE), true);
            }
        }
        let (good, bad) = (self.good_per_s, self.per_s);
        let next_per_s = match is_search {
            true if good == 0.0 => bad / 2.0,
            true => good.powf(0.75) * bad.powf(0.25),
            // The raise was too much.
            false if bad > good && good > 0.0 => good * GIVE,
            false => bad * LOWER,
        };
        (next_per_s, false)
    }

    fn change(&mut self, per_s: f32, now_ms: u64) -> bool {
        self.per_s = per_s.clamp(MIN_PER_S, MAX_PER_S);
        (self.since_ms, self.answered) = (now_ms, 0);
        self.per_s >= MAX_PER_S
    }
}

fn seconds(ms: u64) -> f32 {
    u32::try_from(ms).unwrap_or(u32::MAX) as f32 / 1_000.0
}

/// What a refusal says of the rate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    /// Nothing: a part of requests is refused however rarely the host is asked.
    Moody,
    /// The rate that follows from when answered requests began.
    Told,
    /// The rate is unknown: earlier answers tell nothing any more.
    Unknown,
}

/// Requests a second that a search begins with.
const FIRST_PER_S: f32 = 5.0;
/// Fewest requests a second that are asked for.
const MIN_PER_S: f32 = 1.0 / 30.0;
/// Most requests a second; a host that bears more has no limit worth the name.
const MAX_PER_S: f32 = 2_000.0;
/// Answers at one rate of a search before it is raised.
const SEARCH_ANSWERS: u32 = 3;
/// How long such a rate is kept at least, in seconds, so that the bucket can run over.
const SEARCH_STEP_S: f32 = 0.15;
/// The first raise of a rate that holds, as a part of it.
const RAISE_FIRST: f32 = 0.02;
/// How long a rate is kept before its first raise, in seconds.
const DWELL_S: f32 = 3.0;
/// A rate of which less than this part is used says nothing.
const USED_PART: f32 = 0.7;
/// Times in a row that less than [`USED_PART`] was used, after which the rate is not what holds the
/// host back.
const IDLE_MAX: u8 = 3;
/// Good answers in a row that show that a rate holds.
const RUN_PROVES: u8 = 8;
/// Refusals without [`RUN_PROVES`] good answers between, after which they are not about the rate.
const MOODY_REFUSALS: u32 = 8;
/// Lowest rate while there are good answers between such refusals, in requests a second.
const MIXED_PER_S: f32 = 1.0;
/// Part that is kept of a rate that was borne when a raise was too much.
const GIVE: f32 = 0.97;
/// Part that is kept of a rate that held and is refused.
const LOWER: f32 = 0.85;
/// Part that is kept of the rate that refusals tell.
const FOUND_PART: f32 = 0.99;
/// Part that is left at least of a rate that was refused in a search.
const FOUND_MIN: f32 = 0.1;
/// Part that is left at least of a rate that was kept.
const KEPT_MIN: f32 = 0.5;
/// Where between the two bounds the rate is looked for: 0 is the one that was borne.
const BETWEEN: f32 = 0.5;
/// [`BETWEEN`] where a wait is the price of too much.
const BETWEEN_ASKED: f32 = 0.2;
/// With fewer answers than this since the rate changed it is lowered in any case.
const SOON_ANSWERS: u32 = 8;
/// Part of the rate that was refused up to which the rate is raised.
const BELOW_BAD: f32 = 0.98;
/// Least time that the rate stays below what was refused, in milliseconds.
const BELOW_MS: u64 = 8_000;
/// Most time that it stays below, in milliseconds.
const BELOW_MAX_MS: u64 = 300_000;
/// Waits asked for that it stays below at least.
const WAIT_TIMES: u64 = 20;
