//! What is found out about the speed of one host: how many connections pay, whether it limits
//! requests a second, and how many.
//!
//! A refusal (429, 503) may be about how much is asked at once, or about how often. It is about how
//! often when most is refused whatever the window is, and when the host asks for a wait although it
//! bore few at once, or again soon after one while it refuses a fifth of all: a host that is full
//! for a moment does not count in seconds.

use super::bucket::Bucket;
use super::caps::Limits;
use super::paced::{Pace, Refused};
use super::record::Record;
use super::signal::Round;
use super::speed::Speed;

/// What was found out about the speed of one host.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The window, where `-x` does not give one.
    pub(super) speed: Speed,
    pub(super) push: Push,
    /// What answers tell of the rate, since the first refusal.
    bucket: Option<Box<Bucket>>,
    /// The rate that was found; `None` where no limit was.
    pub(super) pace: Option<Box<Pace>>,
}

/// How a host pushes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pushed {
    /// 429, 503
    Refused,
    /// 429 or 503 that asks for a wait.
    Asked {
        /// The wait asked for, in milliseconds.
        asked_ms: u64,
    },
    /// A connection was lost.
    Cut,
}

/// The last time the host pushed back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Push {
    /// Times that the host pushed back with no window of good answers between them.
    count: u8,
    at_ms: u64,
    /// Good answers since then.
    good: u32,
    /// Whether it asked for a wait, and nothing began since.
    pub(super) is_asked: bool,
    /// Refusals among the last answers as a part of them, and how many answers that is.
    share: f32,
    /// How many of the last answers `share` is of.
    answers: u8,
    /// No rate is looked for before this time, in milliseconds: refusals are not about it.
    moody_until_ms: u64,
}

impl Push {
    /// Counts one more answer, since the host pushed back for the first time.
    pub(super) fn add(&mut self, is_refusal: bool) {
        if self.answers > 0 || is_refusal {
            self.answers = (self.answers + 1).min(SHARE_ANSWERS);
            let refused = if is_refusal { 1.0 } else { 0.0 };
            self.share += (refused - self.share) / f32::from(self.answers);
        }
    }

    /// Whether so large a part is refused that less should be asked.
    pub(super) fn is_much(&self) -> bool {
        self.answers >= MUCH_ANSWERS && self.share >= MUCH
    }

    /// Whether most is refused whatever the window is: then the host bears a number of requests a
    /// second.
    pub(super) fn is_of_rate(&self) -> bool {
        self.answers >= SHARE_ANSWERS_MIN && self.share >= SHARE_OF_RATE
    }

    /// Takes note that the host pushed back.
    pub(super) fn back(&mut self, now_ms: u64) {
        let count = self.count.saturating_add(1);
        *self = Self { count, at_ms: now_ms, good: 0, is_asked: false, ..*self };
    }
}

impl Found {
    /// Whether there is anything that a fresh host would not have.
    pub(super) fn is_remarkable(&self) -> bool {
        self.speed.is_remarkable() || self.pace.is_some() || self.bucket.is_some()
    }

    /// Takes note of the first refusal, after all that was answered before.
    pub(super) fn refused_first(&mut self, record: Record, round: Round) {
        let (answers, first_ms) = (record.answers(), record.first_ms());
        let bucket = || Box::new(Bucket::new(answers, first_ms, round.began_ms));
        let _ = self.bucket.get_or_insert_with(bucket);
    }

    /// Begins a request after a wait. If the host asked for it when it had taken few at once, it
    /// limits how often it is asked.
    pub(super) fn wait_is_over(&mut self, rest_until_ms: u64, now_ms: u64) {
        if std::mem::take(&mut self.push.is_asked)
            && self.pace.is_none()
            && self.push.is_much()
            && self.speed.borne() <= FEW_BORNE
            && now_ms >= self.push.moody_until_ms
        {
            self.learn(rest_until_ms, now_ms);
        }
    }

    /// Takes note of a good answer. `is_news`: its request began since the host pushed back.
    pub(super) fn good(
        &mut self,
        round: Round,
        is_news: bool,
        is_limited: bool,
        window: usize,
        now_ms: u64,
    ) {
        self.push.add(false);
        if let Some(bucket) = &mut self.bucket {
            bucket.answered(round.began_ms, is_news);
        }
        if !is_news {
            return;
        }
        self.push.good = self.push.good.saturating_add(1);
        if self.push.good as usize >= (2 * window).max(GOOD_AFTER_PUSH) {
            self.push.count = 0;
        }
        if let Some(pace) = &mut self.pace
            && pace.good(round.began_ms, is_limited, now_ms)
        {
            self.pace = None;
        }
    }

    /// Lowers the rate at the first refusal since it is what it is.
    pub(super) fn lower(&mut self, round: Round, push: Pushed, now_ms: u64) {
        let Self { bucket, pace, .. } = self;
        let Some(pace) = pace else { return };
        let told = bucket.as_mut().and_then(|told| told.refused(round.began_ms, pace.per_s()));
        let asked_ms = if let Pushed::Asked { asked_ms } = push { asked_ms } else { 0 };
        match pace.refused(told, asked_ms, now_ms) {
            // Who asks for a wait means it.
            Refused::Moody if asked_ms == 0 => {
                self.pace = None;
                self.push.moody_until_ms = now_ms.saturating_add(MOODY_MS);
            }
            Refused::Unknown if told.is_some() => {
                if let Some(bucket) = &mut self.bucket {
                    bucket.forget();
                }
            }
            Refused::Moody | Refused::Told | Refused::Unknown => {}
        }
    }

    /// Whether a refusal of a host of `window` connections is about how often it is asked.
    pub(super) fn is_of_rate(
        &self,
        push: Pushed,
        window: usize,
        limits: &Limits,
        record: Record,
        now_ms: u64,
    ) -> bool {
        if now_ms < self.push.moody_until_ms {
            return false;
        }
        let is_again = self.push.count > 0 && limits.is_automatic();
        // A host that bears so many at once, and no more, refuses a burst and does not go on.
        let often = if self.push.count >= AGAIN { OFTEN } else { OFTEN_AT_ONCE };
        match window {
            1 => self.push.is_much(),
            // Who asks for waits is asked too often soon after one, too.
            _ if limits.is_automatic() && self.is_soon_again(push, record, now_ms) => true,
            _ if limits.is_automatic() && record.is_refused_often(often) => true,
            _ => is_again && self.push.is_of_rate(),
        }
    }

    /// Whether a host that asks for waits asks again soon after one.
    fn is_soon_again(&self, push: Pushed, record: Record, now_ms: u64) -> bool {
        let Pushed::Asked { asked_ms } = push else { return false };
        if !record.is_refused_often(OFTEN_ASKED) {
            return false;
        }
        let soon_ms = asked_ms.saturating_mul(SOON_WAITS).max(SOON_MS);
        self.push.at_ms > 0 && now_ms.saturating_sub(self.push.at_ms) < soon_ms
    }

    /// Begins to find out how many requests a second the host bears.
    pub(super) fn learn(&mut self, rest_until_ms: u64, now_ms: u64) {
        // While it refuses what is too much, what it answers is what it bears.
        let Push { at_ms, good, count, .. } = self.push;
        let for_s = now_ms.saturating_sub(at_ms) as f32 / 1_000.0;
        let is_known = count > 0 && good >= GOOD_TO_TELL && now_ms > rest_until_ms;
        let per_s = if is_known { good as f32 / for_s.max(0.001) * 0.7 } else { 0.0 };
        self.pace = Some(Box::new(Pace::new(per_s, now_ms)));
    }
}

/// Answers that [`Push::is_much`] needs at least.
const MUCH_ANSWERS: u8 = 3;
/// Part of refusals that is much.
const MUCH: f32 = 0.4;
/// A host that asked for a wait when it had taken this few at once limits how often it is asked.
const FEW_BORNE: f32 = 4.0;
/// A host that asks for its next wait within this many waits limits how often it is asked.
const SOON_WAITS: u64 = 3;
/// And so does one that asks for its next wait within this time.
const SOON_MS: u64 = 5_000;
/// A host that pushed back this often, with few good answers between, goes on refusing.
const AGAIN: u8 = 2;
/// Fewer refusals than this are not many.
const OFTEN: u32 = 12;
/// [`OFTEN`] for a host that did not push back before.
const OFTEN_AT_ONCE: u32 = 36;
/// [`OFTEN`] where a wait is asked for.
const OFTEN_ASKED: u32 = 5;
/// Answers that the part of refusals is told by.
const SHARE_ANSWERS: u8 = 16;
/// Fewest answers that it is told by.
const SHARE_ANSWERS_MIN: u8 = 6;
/// Part of refusals from which a limit of rate is at work.
const SHARE_OF_RATE: f32 = 0.85;
/// How long no rate is looked for at a host that refuses a part of all requests, in milliseconds.
const MOODY_MS: u64 = 60_000;
/// Fewest good answers after which a host does not push back any more.
const GOOD_AFTER_PUSH: usize = 16;
/// Good answers that tell how many come a second.
const GOOD_TO_TELL: u32 = 3;
