//! How many requests a second a host bears that limits those: found out, and kept to.
//!
//! A limiter counts in one of the ways of a bucket: so many requests at once, then so many a
//! second. Whoever asks faster is refused at the rate above it, and often told to wait a second
//! besides. So requests are spaced evenly, and the rate is *searched* from a low one: twice as many
//! a second after every few answers, until the first refusal. What was answered since that rate
//! began, less what the bucket held, tells the rate of the host. From then on the rate is *kept*:
//! raised by a fiftieth after some seconds without a refusal, then by twice as much each time, so
//! that a host that bears more than it did has its speed back soon; a refusal takes it back to what
//! was borne and lets the next attempt wait twice as long. A host that refuses whatever it is asked
//! is asked half as often each time, as by any exponential back-off.

use super::rate::{Due, Rate};

/// The rate of one host.
#[derive(Debug)]
pub(super) struct Pace {
    /// Requests a second.
    per_s: f32,
    due: Due,
    /// The highest rate that was borne, and the lowest that was refused.
    good_per_s: f32,
    bad_per_s: f32,
    /// Requests that the host takes at once, as far as it is known; 0 is unknown.
    burst: f32,
    /// Since when the rate is what it is, in milliseconds.
    since_ms: u64,
    /// When the first request at that rate was answered or refused, in milliseconds.
    first_ms: u64,
    /// Good answers to requests that began since then.
    answered: u32,
    /// The same at the rate before, while a rate is searched for.
    before: (u64, u32),
    /// The next raise.
    raise: f32,
    /// How long a rate is kept before it is raised, in seconds.
    dwell_s: f32,
    /// Refusals in a row.
    refused: u8,
    /// Times in a row that the rate was not what held the host back.
    idle: u8,
    /// Good answers and refusals since a rate held, and good answers in a row.
    unproven: (u32, u32),
    run: u8,
}

impl Pace {
    /// A host that took `burst` requests at once and refused more, of which it has answered
    /// `answered_per_s` a second lately, 0 if that is unknown.
    pub(super) fn new(burst: f32, answered_per_s: f32, now_ms: u64) -> Self {
        Self {
            per_s: if answered_per_s > 0.0 { answered_per_s } else { FIRST_PER_S }
                .clamp(MIN_PER_S, MAX_PER_S),
            due: Due::default(),
            good_per_s: 0.0,
            bad_per_s: f32::MAX,
            burst,
            since_ms: now_ms,
            first_ms: 0,
            answered: 0,
            before: (0, 0),
            raise: RAISE_FIRST,
            dwell_s: DWELL_S,
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

    /// A request begins.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.due.begin(Rate::per_s(self.per_s), now_ms);
    }

    /// It needed none.
    pub(super) fn give_back(&mut self) {
        self.due.give_back(Rate::per_s(self.per_s));
    }

    /// A good answer to a request that began at `began_ms`. `is_limited`: the window, and not the
    /// rate, keeps jobs waiting. Says whether the rate is to be forgotten.
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
        if self.answered == 0 {
            self.first_ms = began_ms;
        }
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
        let dwell_s = self.dwell_s.min((self.dwell_s * 10.0 / self.per_s).max(1.0));
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
        let raise = self.raise;
        self.raise = (raise * 2.0).min(1.0);
        self.dwell_s = DWELL_S;
        self.change(self.per_s * (1.0 + raise), now_ms)
    }

    /// The next request begins one interval from now, or at `due_ms` if that is earlier.
    pub(super) fn put_off(&mut self, now_ms: u64, due_ms: Option<u64>) {
        self.due.put_off(Rate::per_s(self.per_s), now_ms, due_ms);
    }

    /// The first refusal since the rate changed. Says whether refusals are not about the rate: a
    /// part of requests is refused however rarely the host is asked.
    pub(super) fn refused(&mut self, now_ms: u64) -> bool {
        self.refused = self.refused.saturating_add(1);
        self.run = 0;
        self.unproven.1 += 1;
        let (good, refused) = self.unproven;
        let is_mixed = good * 3 >= refused;
        let is_moody = refused >= MOODY_REFUSALS;
        let is_search = self.bad_per_s == f32::MAX;
        let next_per_s = if self.refused > 1 || self.good_per_s == 0.0 {
            self.per_s / 2.0
        } else if is_search {
            self.found(now_ms)
        } else if self.per_s > self.good_per_s {
            // The raise was too much.
            self.dwell_s = (self.dwell_s * 2.0).min(DWELL_MAX_S);
            self.good_per_s * GIVE
        } else {
            self.per_s * LOWER
        };
        self.bad_per_s = self.per_s;
        self.raise = RAISE_FIRST;
        self.good_per_s = self.good_per_s.min(next_per_s);
        if self.refused > 1 {
            // Nothing that was known holds any more.
            (self.good_per_s, self.bad_per_s) = (0.0, f32::MAX);
        }
        let least_per_s = if is_mixed { MIXED_PER_S } else { MIN_PER_S };
        self.change(next_per_s.max(least_per_s), now_ms);
        is_mixed && is_moody
    }

    /// What the end of a search tells.
    fn found(&self, now_ms: u64) -> f32 {
        let (good, bad) = (self.good_per_s, self.per_s);
        let (since_ms, answered) = self.before;
        if self.burst == 0.0 || answered == 0 {
            return good.powf(0.75) * bad.powf(0.25);
        }
        // The rate before may have been too much already, and the bucket not yet full.
        let for_s = seconds(now_ms.saturating_sub(since_ms)).max(0.001);
        let count = (answered + self.answered) as f32 - self.burst + 0.5;
        (count / for_s * FOUND_PART).clamp(good / 2.0, bad * LOWER)
    }

    fn change(&mut self, per_s: f32, now_ms: u64) -> bool {
        self.before = (self.first_ms.max(self.since_ms), self.answered);
        self.per_s = per_s.clamp(MIN_PER_S, MAX_PER_S);
        (self.since_ms, self.answered) = (now_ms, 0);
        self.per_s >= MAX_PER_S
    }
}

fn seconds(ms: u64) -> f32 {
    u32::try_from(ms).unwrap_or(u32::MAX) as f32 / 1_000.0
}

/// Requests a second that a search begins with.
const FIRST_PER_S: f32 = 5.0;
/// Fewest and most requests a second; a host that bears more has no limit worth the name.
const MIN_PER_S: f32 = 1.0 / 30.0;
const MAX_PER_S: f32 = 2_000.0;
/// Answers at one rate of a search, and how long that is kept at least, in seconds: a bucket must
/// have the time to run over.
const SEARCH_ANSWERS: u32 = 3;
const SEARCH_STEP_S: f32 = 0.15;
/// The first raise of a rate that holds, as a part of it.
const RAISE_FIRST: f32 = 0.02;
/// How long a rate is kept before that, in seconds, and at most after raises that were too much.
const DWELL_S: f32 = 3.0;
const DWELL_MAX_S: f32 = 64.0;
/// A rate of which less is used says nothing.
const USED_PART: f32 = 0.7;
/// So often in a row, and it is not what holds the host back.
const IDLE_MAX: u8 = 3;
/// Good answers in a row that show that a rate holds.
const RUN_PROVES: u8 = 8;
/// Refusals without that, after which they are not about the rate...
const MOODY_REFUSALS: u32 = 6;
/// ...and the lowest rate meanwhile, if there are good answers between them, a second.
const MIXED_PER_S: f32 = 1.0;
/// What is taken of a rate that was borne when a raise was too much.
const GIVE: f32 = 0.97;
/// What is taken of a rate that held and is refused.
const LOWER: f32 = 0.85;
/// What is taken of the rate that the end of a search tells.
const FOUND_PART: f32 = 1.0;
