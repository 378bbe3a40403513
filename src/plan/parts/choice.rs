//! What a further connection takes from those that have something: a share, everything, or nothing.

use super::cut;
use super::{Part, Parts};

/// What is taken, and from which of the active parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    /// All from the offset `cut` on.
    Split { index: usize, cut: u64 },
    /// All that is left.
    Steal { index: usize },
}

/// The choice from the part that would take longest, if there is anything to take.
pub(super) fn choose(parts: &Parts, now_ms: u64, bytes_min: u64) -> Option<Choice> {
    let offers = offers(parts, now_ms, bytes_min);
    offers.max_by_key(|offer| offer.time_ms).map(|offer| offer.choice)
}

/// Number of parts that there is something to take from.
pub(super) fn count(parts: &Parts, now_ms: u64, bytes_min: u64) -> usize {
    offers(parts, now_ms, bytes_min).count()
}

/// What one part gives away.
struct Offer {
    choice: Choice,
    /// Time that the part would take without that, in milliseconds.
    time_ms: u64,
}

/// What each part gives away, if anything.
fn offers(parts: &Parts, now_ms: u64, bytes_min: u64) -> impl Iterator<Item = Offer> {
    let field = Field::new(parts, now_ms);
    parts
        .active
        .iter()
        .enumerate()
        .filter_map(move |(index, part)| offer(&field, index, part, bytes_min))
}

/// What all parts together do.
struct Field<'a> {
    parts: &'a Parts,
    now_ms: u64,
    /// Sum of the rates that are known, in bytes per second, and their number.
    rates: (u64, u64),
    /// Parts that have something left.
    wanting: usize,
}

impl<'a> Field<'a> {
    fn new(parts: &'a Parts, now_ms: u64) -> Self {
        let wanting = || parts.active.iter().filter(|part| part.left() > 0);
        let known = wanting().filter_map(|part| part.rate.per_s(now_ms));
        let rates = known.fold((0, 0), |(sum, count), rate| (sum + rate, count + 1));
        Self { parts, now_ms, rates, wanting: wanting().count() }
    }

    /// Rate that a further connection is expected to have, in bytes per second: the average of
    /// the parts other than one with this rate, and no less than half of what was usual before,
    /// since those that are left at the end are the slow ones. `None` when nothing is known.
    fn pace(&self, rate: Option<u64>) -> Option<u64> {
        let (sum, count) = self.rates;
        let (sum, count) = rate.map_or((sum, count), |rate| (sum - rate, count - 1));
        let average = sum.checked_div(count).filter(|pace| *pace > 0);
        let usual = self.parts.pace.per_s();
        average.map(|average| average.max(usual.unwrap_or(0) / 2)).or(usual)
    }

    /// Whether nothing comes on a part, while something comes on others, or there are none.
    fn has_stalled(&self, part: &Part) -> bool {
        let mut patience_ms = part.patience_ms;
        if !part.rate.has_worked() {
            patience_ms = patience_ms.max((2 * self.parts.first_byte_ms).min(FIRST_BYTE_MS_MAX));
        }
        let idle_ms = part.rate.idle_ms(self.now_ms);
        let others_ms = self.parts.came_ms.saturating_sub(part.rate.last_ms());
        idle_ms >= patience_ms
            && (others_ms >= patience_ms || self.wanting == 1 || idle_ms >= 4 * patience_ms)
    }
}

fn offer(field: &Field<'_>, index: usize, part: &Part, bytes_min: u64) -> Option<Offer> {
    if part.left() == 0 {
        return None;
    }
    if field.has_stalled(part) {
        return Some(Offer { choice: Choice::Steal { index }, time_ms: u64::MAX });
    }
    let rate = part.rate.per_s(field.now_ms);
    let pace = field.pace(rate);
    let takes_ms = |per_s: Option<u64>| {
        per_s
            .map(|per_s| part.left().saturating_mul(1_000).checked_div(per_s).unwrap_or(LONGEST_MS))
    };
    // A part that has just begun is as fast as the others, for all that is known.
    let time_ms = takes_ms(rate.or(pace)).unwrap_or(LONGEST_MS).min(LONGEST_MS);
    if time_ms < WORTH_MS_MIN {
        return None;
    }
    if let Some(cut) = fair_cut(part, rate, pace, bytes_min) {
        return Some(Offer { choice: Choice::Split { index, cut }, time_ms });
    }
    let pace_ms = takes_ms(pace)?;
    let made_ms = LAG_MS + field.parts.first_byte_ms;
    let is_measured = rate.is_some() && part.rate.age_ms(field.now_ms) >= part.patience_ms;
    let lags = is_measured && time_ms > pace_ms.saturating_mul(LAG_FACTOR).saturating_add(made_ms);
    lags.then_some(Offer { choice: Choice::Steal { index }, time_ms })
}

/// Where the part and a further connection of the usual pace would end at the same time, if both
/// have enough to do then.
fn fair_cut(part: &Part, rate: Option<u64>, pace: Option<u64>, bytes_min: u64) -> Option<u64> {
    let (low, high) = (part.position.checked_add(bytes_min)?, part.end.checked_sub(bytes_min)?);
    if low > high {
        return None;
    }
    let kept = match (rate, pace) {
        (Some(rate), Some(pace)) => cut::share(part.left(), rate, rate.saturating_add(pace)),
        (None, _) | (_, None) => part.left() / 2,
    };
    cut::near(part.position + kept, low..=high)
}

/// Longest time that is told from others, in milliseconds; a part that stalled takes longer.
const LONGEST_MS: u64 = u64::MAX - 1;
/// Time that a part must take at least for a further connection to be worth it, in milliseconds.
const WORTH_MS_MIN: u64 = 100;
/// A part lags whose time is so many times that of the others,
const LAG_FACTOR: u64 = 2;
/// so many milliseconds, and the time to a first byte, more: what it takes to cut a connection and
/// to make another.
const LAG_MS: u64 = 500;
/// Longest usual time to the first byte that a part is waited for twice of, in milliseconds.
const FIRST_BYTE_MS_MAX: u64 = 30_000;
