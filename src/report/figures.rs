//! Numbers, sizes and times as people read them.

use crate::fault::escape_hidden;
use std::fmt::{self, Display};
use std::time::Duration;

/// A number of bytes in decimal units, as rates are counted.
pub(super) struct Size(pub(super) u64);

impl Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1_000 {
            return write!(f, "{} B", self.0);
        }
        let mut size = self.0 as f64 / 1e3;
        let mut unit = 0;
        // What would be shown as 1000.0 belongs to the next unit.
        while size >= 999.95 && unit + 1 < units.len() {
            size /= 1e3;
            unit += 1;
        }
        write!(f, "{size:.1} {}", units[unit])
    }
}

/// A duration, as exact as a person wants it.
pub(super) struct Time(pub(super) Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, micros) = (self.0.as_secs(), self.0.subsec_micros());
        let text = match (seconds, micros) {
            (0, 0) => "0 ms".to_owned(),
            (0, 1..100) => "<0.1 ms".to_owned(),
            (0, 100..1_000) => format!("0.{} ms", micros / 100),
            (0, _) => format!("{} ms", micros / 1_000),
            (1..60, _) => format!("{seconds}.{} s", micros / 100_000),
            (60..3_600, _) => format!("{}m{:02}s", seconds / 60, seconds % 60),
            (_, _) => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        };
        f.pad(&text)
    }
}

/// A duration to come, which nobody knows exactly: in whole seconds and never none.
pub(super) struct Left(pub(super) Duration);

impl Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_millis().div_ceil(1_000).max(1);
        match seconds {
            0..60 => write!(f, "{seconds} s"),
            60..3_600 => write!(f, "{}m{:02}s", seconds / 60, seconds % 60),
            3_600..360_000 => write!(f, "{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
            _ => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// A number with its thousands apart: `1,204`.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub u64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (place, digit) in digits.char_indices() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A number that changes all the time: `1,204`, and from ten million on `12.3 M`.
pub(super) struct Count(pub(super) u64);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            count @ 0..10_000_000 => write!(f, "{}", Number(count)),
            count => write!(f, "{}.{} M", count / 1_000_000, count % 1_000_000 / 100_000),
        }
    }
}

/// A rate a second, to one decimal where that is not more than it can be measured to.
pub(super) struct Rate(pub(super) f64);

impl Display for Rate {
    #[allow(clippy::cast_possible_truncation, reason = "no rate is below zero, and casts saturate")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What would be shown as 10.0 has no decimal.
        match self.0 < 9.95 {
            true => write!(f, "{:.1}", self.0),
            false => write!(f, "{}", Count(self.0.round() as u64)),
        }
    }
}

/// The name of a host; of a long one the last characters, up to this number.
pub(super) struct HostName<'a>(pub(super) &'a str, pub(super) usize);

impl Display for HostName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = escape_hidden(self.0);
        match host.char_indices().rev().nth(self.1) {
            Some((at, cut)) => write!(f, "...{}", &host[at + cut.len_utf8()..]),
            None => f.write_str(&host),
        }
    }
}

/// A number of things: `1 line`, `1,204 lines`.
pub(super) struct Of(pub(super) u64, pub(super) &'static str);

impl Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one) = *self;
        let (stem, more) = match one.strip_suffix('y') {
            Some(stem) if count != 1 => (stem, "ies"),
            _ => (one, if count == 1 { "" } else { "s" }),
        };
        write!(f, "{} {stem}{more}", Number(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        let size = |bytes| Size(bytes).to_string();
        assert_eq!(
            [0, 999, 1_000, 999_949, 999_950, 51_200_000_000].map(size),
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "51.2 GB"]
        );
        assert_eq!(size(u64::MAX), "18.4 EB");
        let time = |ms| Time(Duration::from_millis(ms)).to_string();
        assert_eq!(
            [0, 1, 999, 1_000, 59_999, 60_000, 3_599_999, 7_260_000].map(time),
            ["0 ms", "1 ms", "999 ms", "1.0 s", "59.9 s", "1m00s", "59m59s", "2h01m"]
        );
        let time = |micros| Time(Duration::from_micros(micros)).to_string();
        assert_eq!(
            [1, 99, 100, 999, 1_000].map(time),
            ["<0.1 ms", "<0.1 ms", "0.1 ms", "0.9 ms", "1 ms"]
        );
        assert_eq!(format!("{:>9}", Time(Duration::from_micros(450))), "   0.4 ms");
    }

    #[test]
    fn what_is_left_is_never_nothing() {
        let left = |ms| Left(Duration::from_millis(ms)).to_string();
        assert_eq!(
            [0, 1, 1_000, 1_001, 59_001, 3_600_000, 360_000_000, 1_000_000_000_000].map(left),
            ["1 s", "1 s", "1 s", "2 s", "1m00s", "1h00m", "4 days", "11574 days"]
        );
    }

    #[test]
    fn numbers_that_people_read() {
        let count = |number| Count(number).to_string();
        assert_eq!(
            [0, 999, 1_000, 999_999, 1_000_000, 9_999_999, 10_000_000, 200_000_000].map(count),
            ["0", "999", "1,000", "999,999", "1,000,000", "9,999,999", "10.0 M", "200.0 M"]
        );
        assert_eq!(Number(u64::MAX).to_string(), "18,446,744,073,709,551,615");
        assert_eq!(format!("{:>9}", Number(12_345)), "   12,345");
        let rate = |number| Rate(number).to_string();
        assert_eq!(
            [0.0, 0.04, 9.94, 9.95, 9.99, 4_274.6, f64::INFINITY].map(rate)[..6],
            ["0.0", "0.0", "9.9", "10", "10", "4,275"]
        );
        let of = |count| [Of(count, "line").to_string(), Of(count, "retry").to_string()];
        assert_eq!(of(1), ["1 line", "1 retry"]);
        assert_eq!(of(0), ["0 lines", "0 retries"]);
        assert_eq!(of(1_204), ["1,204 lines", "1,204 retries"]);
    }
}
