//! Repeated measurements as numbers one can rely on: medians, intervals, ratios.
//!
//! Intervals are percentile bootstraps with a seed that is always the same, so that the same
//! repetitions give the same text.

use serde::Serialize;

/// What the repetitions of one cell say about one quantity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Median of the repetitions.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Lower end of the 95 % interval of the median.
    pub low: f64,
    /// Upper end of the 95 % interval of the median.
    pub high: f64,
}

/// How a quantity of one cell relates to that of another, or of many cells to as many others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Median by median; of many, their geometric mean.
    pub ratio: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end of its 95 % interval.
    pub high: f64,
}

impl Estimate {
    /// Estimates from repetitions; nothing without any.
    pub fn new(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let mut random = Random::new();
        let (low, high) = interval(|| random.median_of_resample(values));
        Some(Self { median: median(&sorted), min, max, low, high })
    }

    /// Width of the interval, as a share of the median.
    pub fn width(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.high - self.low) / self.median.abs() }
    }

    /// Whether the interval is too wide to tell what is worth telling.
    pub fn is_noisy(&self) -> bool {
        self.width() > WIDTH_MAX
    }

    /// Whether the intervals have nothing in common.
    pub fn differs(&self, other: &Self) -> bool {
        self.high < other.low || other.high < self.low
    }
}

impl Ratio {
    /// Relates the first of each pair to the second. Nothing without pairs, and where a median is
    /// not above zero.
    pub fn new(pairs: &[(&[f64], &[f64])]) -> Option<Self> {
        let median_of = |values: &[f64]| {
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            (!sorted.is_empty()).then(|| median(&sorted)).filter(|median| *median > 0.0)
        };
        let mut sum = 0.0;
        for (one, other) in pairs {
            sum += (median_of(one)? / median_of(other)?).ln();
        }
        let count = pairs.len() as f64;
        let mut random = Random::new();
        let (low, high) = interval(|| {
            let logarithms = pairs.iter().map(|(one, other)| {
                let one = random.median_of_resample(one).max(f64::MIN_POSITIVE);
                (one / random.median_of_resample(other).max(f64::MIN_POSITIVE)).ln()
            });
            (logarithms.sum::<f64>() / count).exp()
        });
        (!pairs.is_empty()).then(|| Self { ratio: (sum / count).exp(), low, high })
    }

    /// Whether the interval leaves it open which of both is larger.
    pub fn is_no_difference(&self) -> bool {
        self.low <= 1.0 && self.high >= 1.0
    }
}

/// The median of values that ascend.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// The middle 95 % of what comes of many resamples.
fn interval(mut resample: impl FnMut() -> f64) -> (f64, f64) {
    let mut found: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
    found.sort_by(f64::total_cmp);
    let cut = RESAMPLES / 40;
    (found[cut], found[RESAMPLES - 1 - cut])
}

/// The generator of Steele, Lea and Flood (SplitMix64), which needs nothing but a seed.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(0x5eed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(mixed ^ (mixed >> 31)) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or_default()
    }

    fn median_of_resample(&mut self, values: &[f64]) -> f64 {
        let mut drawn: Vec<f64> = values.iter().map(|_| values[self.below(values.len())]).collect();
        drawn.sort_by(f64::total_cmp);
        median(&drawn)
    }
}

/// Fewest repetitions that a verdict rests on.
pub const REPEAT_MIN: usize = 7;
/// Resamples of a bootstrap.
const RESAMPLES: usize = 1_000;
/// Widest interval, as a share of the median, that a verdict rests on.
const WIDTH_MAX: f64 = 0.15;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_numbers() {
        let estimate = Estimate::new(&[3.0, 1.0, 2.0, 5.0, 4.0, 7.0, 6.0]).unwrap();
        assert_eq!((estimate.median, estimate.min, estimate.max), (4.0, 1.0, 7.0));
        // What order statistics give for seven: the second and the sixth.
        assert_eq!((estimate.low, estimate.high), (2.0, 6.0));
        assert_eq!(Estimate::new(&[1.0, 3.0]).unwrap().median, 2.0);
        assert_eq!(Estimate::new(&[]), None);
        let same = Estimate::new(&[2.0; 7]).unwrap();
        assert!(same.width() == 0.0 && !same.is_noisy() && estimate.is_noisy());
    }

    #[test]
    fn ratios_are_medians_by_medians() {
        let (two, three) = ([2.0; 7], [3.0; 7]);
        let ratio = Ratio::new(&[(&three, &two)]).unwrap();
        assert!((ratio.ratio - 1.5).abs() < 1e-9 && !ratio.is_no_difference(), "{ratio:?}");
        let both = Ratio::new(&[(&three, &two), (&two, &three)]).unwrap();
        assert!((both.ratio - 1.0).abs() < 1e-9 && both.is_no_difference(), "{both:?}");
        assert_eq!(Ratio::new(&[]), None);
        assert_eq!(Ratio::new(&[(&two, &[0.0; 7])]), None);
        assert_eq!(Ratio::new(&[(&two, &[])]), None);
    }

    #[test]
    fn intervals_that_overlap_are_no_difference() {
        let near: Vec<f64> = (0..7).map(|n| 100.0 + f64::from(n)).collect();
        let above: Vec<f64> = near.iter().map(|value| value + 3.0).collect();
        let far: Vec<f64> = near.iter().map(|value| value + 50.0).collect();
        let [near, above, far] = [near, above, far].map(|values| Estimate::new(&values).unwrap());
        assert!(!near.differs(&above) && !above.differs(&near));
        assert!(near.differs(&far) && far.differs(&near));
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_median_and_lies_within(
            values in prop::collection::vec(0.001_f64..1e6, 1..20)
        ) {
            let estimate = Estimate::new(&values).unwrap();
            let Estimate { median, min, max, low, high } = estimate;
            prop_assert!(min <= low && low <= median && median <= high && high <= max);
            prop_assert_eq!(Some(estimate), Estimate::new(&values));
        }

        #[test]
        fn a_ratio_and_its_inverse_belong_together(
            one in prop::collection::vec(1.0_f64..1e3, 7),
            other in prop::collection::vec(1.0_f64..1e3, 7),
        ) {
            let ratio = Ratio::new(&[(&one, &other)]).unwrap();
            let inverse = Ratio::new(&[(&other, &one)]).unwrap();
            prop_assert!((ratio.ratio * inverse.ratio - 1.0).abs() < 1e-9);
            prop_assert!(ratio.low <= ratio.high);
        }
    }
}
