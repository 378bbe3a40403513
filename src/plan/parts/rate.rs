//! How fast one connection brings bytes: over the last one to two seconds.

/// Rate of one part.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    began_ms: u64,
    /// When bytes came first, and the time that is measured begins: what a connection waits for at
    /// first, its handshakes and the answer, says nothing of its rate.
    first_ms: Option<u64>,
    /// When bytes came last; before any did, when the part began.
    last_ms: u64,
    /// When the current interval began.
    interval_ms: u64,
    /// Bytes of the interval before.
    former: u64,
    /// Bytes of the current interval.
    current: u64,
    /// Bytes of all time, the first ones left out.
    total: u64,
}

impl Rate {
    pub(super) fn new(now_ms: u64) -> Self {
        let (began_ms, last_ms, interval_ms) = (now_ms, now_ms, now_ms);
        Self { began_ms, first_ms: None, last_ms, interval_ms, former: 0, current: 0, total: 0 }
    }

    /// Takes note of bytes. For the first ones says how long they were waited for, in milliseconds.
    pub(super) fn add(&mut self, bytes: u64, now_ms: u64) -> Option<u64> {
        if bytes == 0 {
            return None;
        }
        self.last_ms = self.last_ms.max(now_ms);
        if self.first_ms.is_none() {
            self.first_ms = Some(now_ms);
            self.interval_ms = now_ms;
            return Some(now_ms.saturating_sub(self.began_ms));
        }
        self.roll(now_ms);
        self.current += bytes;
        self.total += bytes;
        None
    }

    /// Bytes per second; `None` until there is something to measure.
    pub(super) fn per_s(&self, now_ms: u64) -> Option<u64> {
        let first_ms = self.first_ms?;
        let mut rate = self.clone();
        rate.roll(now_ms);
        let from_ms = rate.interval_ms.saturating_sub(INTERVAL_MS).max(first_ms);
        let elapsed_ms = now_ms.saturating_sub(from_ms);
        let bytes = rate.former + rate.current;
        let least_ms = if bytes == 0 { INTERVAL_MS } else { MEASURED_MS_MIN };
        (elapsed_ms >= least_ms).then(|| bytes.saturating_mul(1_000) / elapsed_ms)
    }

    /// Time in which nothing came, in milliseconds.
    pub(super) fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.last_ms)
    }

    /// When bytes came last; before any did, when the part began.
    pub(super) fn last_ms(&self) -> u64 {
        self.last_ms
    }

    /// Age of the part in milliseconds.
    pub(super) fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.began_ms)
    }

    /// Whether anything came.
    pub(super) fn has_worked(&self) -> bool {
        self.first_ms.is_some()
    }

    /// Ends the current interval if its time is over.
    fn roll(&mut self, now_ms: u64) {
        let intervals = now_ms.saturating_sub(self.interval_ms) / INTERVAL_MS;
        if intervals > 0 {
            self.former = if intervals == 1 { self.current } else { 0 };
            self.current = 0;
            self.interval_ms += intervals * INTERVAL_MS;
        }
    }
}

/// Rate of several parts, each byte with the rate of its own part: slow ones hardly count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    bytes: u64,
    /// Sum over all bytes of the bytes per second.
    weighted: u128,
}

impl Pace {
    /// Takes note of a part that is over.
    pub(super) fn add(&mut self, rate: &Rate) {
        let Some(first_ms) = rate.first_ms else { return };
        let elapsed_ms = rate.last_ms.saturating_sub(first_ms);
        if elapsed_ms >= MEASURED_MS_MIN {
            let per_s = rate.total.saturating_mul(1_000) / elapsed_ms;
            self.bytes += rate.total;
            self.weighted += u128::from(rate.total) * u128::from(per_s);
        }
    }

    /// Bytes per second; `None` until there is something to measure.
    pub(super) fn per_s(&self) -> Option<u64> {
        let average = self.weighted.checked_div(self.bytes.into())?;
        Some(u64::try_from(average).unwrap_or(u64::MAX))
    }
}

/// Length of an interval in milliseconds.
const INTERVAL_MS: u64 = 1_000;
/// Shortest time that a rate is measured over, in milliseconds.
const MEASURED_MS_MIN: u64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate after reports of `(time, bytes)`.
    fn rate(reports: &[(u64, u64)]) -> Rate {
        let mut rate = Rate::new(100);
        for &(now_ms, bytes) in reports {
            rate.add(bytes, now_ms);
        }
        rate
    }

    #[test]
    fn rates_are_of_the_last_seconds() {
        let steady: Vec<_> = (0..=100).map(|step| (1_000 + 100 * step, 5_000)).collect();
        type Reports<'a> = &'a [(u64, u64)];
        let table: &[(Reports<'_>, u64, Option<u64>)] = &[
            (&[], 10_000, None),
            // The first bytes say nothing, nor does a moment.
            (&[(1_000, 9_999)], 1_500, None),
            (&[(1_000, 9_999)], 2_000, Some(0)),
            (&[(1_000, 9_999), (1_200, 5_000)], 1_200, None),
            (&[(1_000, 9_999), (1_200, 5_000)], 1_250, Some(20_000)),
            (&[(1_000, 9_999), (1_250, 5_000), (1_500, 5_000)], 1_500, Some(20_000)),
            (&steady, 11_000, Some(55_000)),
            (&steady, 11_500, Some(36_666)),
            (&steady, 13_000, Some(0)),
            // A clock that goes back does no harm.
            (&[(1_000, 1), (900, 7)], 500, None),
        ];
        for (reports, now_ms, wanted) in table {
            assert_eq!(rate(reports).per_s(*now_ms), *wanted, "{reports:?} at {now_ms}");
        }
    }

    #[test]
    fn the_pace_is_that_of_the_bytes() {
        let mut pace = Pace::default();
        pace.add(&rate(&[]));
        pace.add(&rate(&[(1_000, 9_999), (1_200, 5_000)]));
        assert_eq!(pace.per_s(), None);
        pace.add(&rate(&[(1_000, 9_999), (1_500, 4_500), (2_000, 4_500)]));
        assert_eq!(pace.per_s(), Some(9_000));
        pace.add(&rate(&[(1_000, 9_999), (2_000, 1_000)]));
        assert_eq!(pace.per_s(), Some(8_200));
    }

    #[test]
    fn the_first_bytes_say_how_long_they_took() {
        let mut rate = Rate::new(100);
        assert_eq!((rate.idle_ms(400), rate.has_worked()), (300, false));
        assert_eq!(rate.add(0, 200), None);
        assert_eq!(rate.add(7, 450), Some(350));
        assert_eq!(rate.add(7, 900), None);
        assert_eq!((rate.idle_ms(1_000), rate.age_ms(1_000), rate.has_worked()), (100, 900, true));
    }
}
