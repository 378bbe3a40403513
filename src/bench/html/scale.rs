//! Scales: where on a plot a value is, and which values are named there.

/// A range of values, and the range of coordinates that shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    Logarithmic,
}

impl Scale {
    /// A linear scale of exactly these values.
    pub(super) fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { kind: Kind::Linear, low, high, from, to }
    }

    /// A logarithmic scale of exactly these values, which are above zero.
    pub(super) fn logarithmic(low: f64, high: f64, from: f64, to: f64) -> Self {
        let (low, high) = if high > low { (low, high) } else { (low / 2.0, low * 2.0) };
        Self { kind: Kind::Logarithmic, low, high, from, to }
    }

    /// A scale for measured values: from zero, or logarithmic where they differ by much, and to the
    /// next round value.
    pub(super) fn rounded(values: &[f64], from: f64, to: f64) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        if low > 0.0 && low.is_finite() && high / low > LINEAR_SPAN_MAX {
            return Self::logarithmic(1.0 / round_up(1.0 / low), round_up(high), from, to);
        }
        let step = step(high);
        Self::linear(0.0, (high / step).ceil().max(1.0) * step, from, to)
    }

    /// The coordinate of a value; at an end for one outside.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear => (value - self.low) / (self.high - self.low),
            Kind::Logarithmic => {
                let value = value.max(f64::MIN_POSITIVE);
                (value / self.low).ln() / (self.high / self.low).ln()
            }
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round values within, ascending.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.kind {
            Kind::Linear => {
                let step = step(self.high - self.low);
                let number = |number: i32| self.low + f64::from(number) * step;
                (0..=TICKS_MAX)
                    .map(number)
                    .take_while(|tick| *tick <= self.high * 1.000_1)
                    .collect()
            }
            Kind::Logarithmic => {
                let decades = (self.high / self.low).log10();
                // One, two and five of each decade, or its first alone, or of every second one.
                let parts: &[f64] = if decades <= 2.01 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let every = if decades > 8.0 { 2 } else { 1 };
                let powers = (-30..=30).step_by(every).map(|power| 10_f64.powi(power));
                let all = powers.flat_map(|power| parts.iter().map(move |part| part * power));
                let (low, high) = (self.low * 0.999_9, self.high * 1.000_1);
                all.filter(|tick| (low..=high).contains(tick)).collect()
            }
        }
    }
}

/// The next one, two or five of a decade.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= value * 0.999_9);
    factor.unwrap_or(10.0) * power
}

/// The step of about four round ones up to `high`.
fn step(high: f64) -> f64 {
    if high.is_nan() || high <= 0.0 || high.is_infinite() {
        return 1.0;
    }
    round_up(high / 4.0)
}

/// The name of a round value.
pub(super) fn name(value: f64) -> String {
    for (unit, name) in [(1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= unit * 0.999_9 {
            return format!("{}{name}", plain(value / unit));
        }
    }
    plain(value)
}

/// A value with as many digits behind the point as it takes.
fn plain(value: f64) -> String {
    let mut text = format!("{value:.6}");
    text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    text
}

/// Largest value by smallest up to which a linear scale shows both.
const LINEAR_SPAN_MAX: f64 = 20.0;
/// Most steps of a linear scale.
const TICKS_MAX: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn scales_are_round() {
        let linear = Scale::rounded(&[30.0, 83.0], 0.0, 100.0);
        assert_eq!(linear.ticks(), [0.0, 50.0, 100.0]);
        assert_eq!((linear.at(0.0), linear.at(50.0), linear.at(200.0)), (0.0, 50.0, 100.0));
        let wide = Scale::rounded(&[3.0, 830.0], 0.0, 300.0);
        assert_eq!(wide.ticks(), [10.0, 100.0, 1_000.0]);
        assert!((wide.at(2.0)).abs() < 1e-9 && wide.at(1_000.0) > 299.9);
        let log = Scale::logarithmic(16.0, 256.0, 0.0, 1.0);
        assert_eq!(log.ticks(), [20.0, 50.0, 100.0, 200.0]);
        for (value, text) in
            [(0.0, "0"), (0.05, "0.05"), (1_500.0, "1.5k"), (2e6, "2M"), (7.0, "7")]
        {
            assert_eq!(name(value), text);
        }
    }

    proptest! {
        #[test]
        fn every_value_has_a_place(
            values in prop::collection::vec(prop_oneof![Just(0.0), 1e-9..1e12_f64], 0..6),
        ) {
            let scale = Scale::rounded(&values, 10.0, 200.0);
            let ticks = scale.ticks();
            prop_assert!((2..=14).contains(&ticks.len()), "{ticks:?}");
            for value in values.iter().chain(&ticks) {
                prop_assert!((10.0..=200.0).contains(&scale.at(*value)));
            }
            prop_assert!(values.iter().all(|value| *value <= scale.high * 1.000_1));
        }
    }
}
