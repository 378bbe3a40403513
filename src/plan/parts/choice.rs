//! What a further connection takes from those that have something: a share, everything, or nothing.

use super::cut;
use super::{Part, Parts, Splitting};
use std::cmp::Ordering;

/// What is taken, and from which of the active parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    /// All from the offset `cut` on.
    Split { index: usize, cut: u64 },
    /// All that is left.
    Steal { index: usize },
}

/// The choice from the part that would take longest, if there is anything to take.
pub(super) fn choose(parts: &Parts, now_ms: u64, splitting: &Splitting) -> Option<Choice> {
    let offers = offers(parts, now_ms, splitting);
    offers.max_by(|one, other| longer(one.1, other.1)).map(|(choice, _)| choice)
}

/// Number of parts that there is something to take from.
pub(super) fn count(parts: &Parts, now_ms: u64, splitting: &Splitting) -> usize {
    offers(parts, now_ms, splitting).count()
}

/// What each part offers, and how long it would take without that, in milliseconds.
fn offers<'a>(
    parts: &'a Parts,
    now_ms: u64,
    splitting: &'a Splitting,
) -> impl Iterator<Item = (Choice, f64)> {
    let field = Field::new(parts, now_ms);
    let bytes_min = splitting.bytes_min();
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
    /// Sum of the rates that are known, in bytes per millisecond, and their number.
    rates: (f64, u32),
    /// Parts that have something left.
    wanting: usize,
}

impl<'a> Field<'a> {
    fn new(parts: &'a Parts, now_ms: u64) -> Self {
        let wanting = || parts.active.iter().filter(|part| part.left() > 0);
        let known = wanting().filter_map(|part| part.rate.per_ms(now_ms));
        let rates = known.fold((0.0, 0), |(sum, count), rate| (sum + rate, count + 1));
        Self { parts, now_ms, rates, wanting: wanting().count() }
    }

    /// Rate that a further connection is expected to have, in bytes per millisecond: the average of
    /// the parts other than one with this rate, and no less than half of what was usual before,
    /// since those that are left at the end are the slow ones. `None` when nothing is known.
    fn pace(&self, rate: Option<f64>) -> Option<f64> {
        let (sum, count) = self.rates;
        let (sum, count) = rate.map_or((sum, count), |rate| (sum - rate, count - 1));
        let average = (count > 0).then(|| sum / f64::from(count)).filter(|pace| *pace > 0.0);
        let usual = self.parts.pace.per_ms();
        average.map(|average| average.max(usual.unwrap_or(0.0) / 2.0)).or(usual)
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

fn offer(field: &Field<'_>, index: usize, part: &Part, bytes_min: u64) -> Option<(Choice, f64)> {
    if part.left() == 0 {
        return None;
    }
    if field.has_stalled(part) {
        return Some((Choice::Steal { index }, f64::INFINITY));
    }
    let rate = part.rate.per_ms(field.now_ms);
    let pace = field.pace(rate);
    let takes_ms = |rate: Option<f64>| rate.map(|rate| part.left() as f64 / rate);
    // A part that has just begun is as fast as the others, for all that is known.
    let time_ms = takes_ms(rate.or(pace)).unwrap_or(f64::MAX);
    if time_ms < WORTH_MS_MIN {
        return None;
    }
    if let Some(cut) = fair_cut(part, rate, pace, bytes_min) {
        return Some((Choice::Split { index, cut }, time_ms));
    }
    let pace_ms = takes_ms(pace)?;
    let made_ms = (LAG_MS + field.parts.first_byte_ms) as f64;
    let is_measured = rate.is_some() && part.rate.age_ms(field.now_ms) >= part.patience_ms;
    let lags = is_measured && time_ms > LAG_FACTOR * pace_ms + made_ms;
    lags.then_some((Choice::Steal { index }, time_ms))
}

/// Where the part and a further connection of the usual pace would end at the same time, if both
/// have enough to do then.
fn fair_cut(part: &Part, rate: Option<f64>, pace: Option<f64>, bytes_min: u64) -> Option<u64> {
    let (low, high) = (part.position.checked_add(bytes_min)?, part.end.checked_sub(bytes_min)?);
    if low > high {
        return None;
    }
    let kept = match (rate, pace) {
        (Some(rate), Some(pace)) => rate / (rate + pace),
        (None, _) | (_, None) => 0.5,
    };
    let thousandths = (kept * 1_000.0).clamp(0.0, 1_000.0) as u64;
    cut::near(part.position + cut::share(part.left(), thousandths, 1_000), low..=high)
}

fn longer(one: f64, other: f64) -> Ordering {
    one.partial_cmp(&other).unwrap_or(Ordering::Equal)
}

/// Time that a part must take at least for a further connection to be worth it, in milliseconds.
const WORTH_MS_MIN: f64 = 100.0;
/// A part lags whose time is so many times that of the others,
const LAG_FACTOR: f64 = 2.0;
/// so many milliseconds, and the time to a first byte, more: what it takes to cut a connection and
/// to make another.
const LAG_MS: u64 = 500;
/// Longest usual time to the first byte that a part is waited for twice of, in milliseconds.
const FIRST_BYTE_MS_MAX: u64 = 30_000;
