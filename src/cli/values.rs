//! Values of single options: text to a checked value, or to the sentence that says what is wrong.

use crate::limits;
use anyhow::{anyhow, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A span of time, in milliseconds. Typed as seconds (`10`, `1.5`) or with a unit (`500ms`, `2m`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Millis(pub u64);

impl fmt::Display for Millis {
    /// The largest unit that divides it, so that the text can be typed back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
            ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
            ms if ms % 1_000 == 0 => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// A number of bytes. Typed as in curl: plain, or with k, M, G, T or P of either case, each 1024 of
/// the one before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    /// The largest unit that divides it, so that the text can be typed back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = BYTE_UNITS.iter().rev();
        let mut fitting = units.filter(|(_, bytes)| self.0 != 0 && self.0.is_multiple_of(*bytes));
        match fitting.next() {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A parser of one of a few words: each with its value, and what it means for the help.
pub fn one_of<T: Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = (&'static str, T, &'static str)>,
) -> impl TypedValueParser<Value = T> {
    let words: Vec<_> = words.into_iter().collect();
    let known = words.iter().map(|(word, _, meaning)| PossibleValue::new(*word).help(*meaning));
    PossibleValuesParser::new(known.collect::<Vec<_>>()).try_map(move |typed| {
        let found = words.iter().find(|(word, ..)| *word == typed);
        found.map(|(_, value, _)| value.clone()).ok_or("not one of the words")
    })
}

/// A span of time that may be zero.
///
/// # Errors
/// Not a number, an unknown unit, or more than [`limits::TIMEOUT_MAX_MS`].
pub fn duration(text: &str) -> Result<Millis, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("use seconds (10, 1.5) or a number with ms, s, m, h or d".to_owned()),
    };
    let ms = decimal_times(number, unit_ms).ok_or("not a number")?;
    if ms > limits::TIMEOUT_MAX_MS {
        return Err(format!("at most {}", Millis(limits::TIMEOUT_MAX_MS)));
    }
    Ok(Millis(ms))
}

/// A deadline: a span of time that is not zero.
///
/// # Errors
/// As for [`duration`], or zero.
pub fn deadline(text: &str) -> Result<Millis, String> {
    match duration(text)? {
        Millis(0) => Err("a deadline is always on: give a long one, such as 24h".to_owned()),
        span => Ok(span),
    }
}

/// A number of bytes that may be zero.
///
/// # Errors
/// Not a number, an unknown unit, or more than any file can hold.
pub fn bytes(text: &str) -> Result<Bytes, String> {
    // KiB says what k means here. KB does not, which elsewhere is 1000.
    let text =
        text.strip_suffix("iB").filter(|text| text.ends_with(char::is_alphabetic)).unwrap_or(text);
    let last = text.chars().next_back().unwrap_or_default();
    let unit = BYTE_UNITS.iter().find(|(unit, _)| unit.eq_ignore_ascii_case(&last));
    let (number, times) = match unit {
        Some((_, bytes)) => (&text[..text.len() - 1], *bytes),
        None => (text, 1),
    };
    match decimal_times(number, times) {
        Some(bytes) if bytes < limits::BODY_BYTES_LIMIT => Ok(Bytes(bytes)),
        Some(_) => Err("more than any file can hold".to_owned()),
        None => Err("use a number of bytes (1500) or one with k, M, G, T or P (1.5k)".to_owned()),
    }
}

/// A count of at least one.
///
/// # Errors
/// Not a whole number, zero, or more than [`limits::COUNT_MAX`].
pub fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(count) if count <= limits::COUNT_MAX => Ok(count),
        Ok(_) => Err(format!("at most {}", limits::COUNT_MAX)),
        Err(_) => Err("not a whole number".to_owned()),
    }
}

/// `-u`: `user:password`. RFC 7617 section 2 allows no control characters.
///
/// # Errors
/// There is no colon, or there are control characters.
pub fn user(text: &str) -> Result<String, String> {
    if !text.contains(':') {
        return Err("write user:password (ringpull does not ask for the password)".to_owned());
    }
    visible(text)
}

/// Text that goes into a field value: no control characters.
///
/// # Errors
/// There are control characters.
pub fn visible(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Text that must not be empty, such as a path.
///
/// # Errors
/// The text is empty.
pub fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// A path that is not empty.
///
/// # Errors
/// The text is empty.
pub fn path(text: &str) -> Result<PathBuf, String> {
    not_empty(text).map(PathBuf::from)
}

/// `number * unit`, where `number` is digits with at most one point; the rest below 1 is cut off.
pub fn decimal_times(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Nine digits are beyond a millisecond of a day, the finest that can matter.
    let fraction = &fraction[..fraction.len().min(9)];
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let part: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = u128::from(part) * u128::from(unit) / u128::from(scale);
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// The text of a file that an option names.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| anyhow!("it is not valid UTF-8"))
}

/// The bytes of a file that an option names. `/dev/zero` is no such file.
pub(crate) fn read_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(limits::OPTION_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::OPTION_FILE_BYTES_MAX {
        bail!("it is longer than {} bytes", limits::OPTION_FILE_BYTES_MAX);
    }
    Ok(bytes)
}

/// Units of [`Bytes`], the smallest first.
const BYTE_UNITS: [(char, u64); 5] =
    [('k', 1 << 10), ('M', 1 << 20), ('G', 1 << 30), ('T', 1 << 40), ('P', 1 << 50)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("10", 10_000),
            ("1.5", 1_500),
            (".5", 500),
            ("2.", 2_000),
            ("500ms", 500),
            ("0.0015", 1),
            ("3s", 3_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0.1234567890123s", 123),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Millis(ms)), "{text}");
        }
        for text in [
            "",
            ".",
            "ms",
            "-1",
            "+1",
            "1e3",
            "1.2.3",
            "inf",
            "nan",
            "10 s",
            "10min",
            "400d",
            "99999999999999999999",
            "18446744073709551615h",
            "1,5",
            "٣",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(deadline("0").is_err() && deadline("0.0001").is_err());
        assert_eq!(deadline("1ms"), Ok(Millis(1)));
    }

    #[test]
    fn a_span_prints_as_it_can_be_typed() {
        for ms in [0, 1, 999, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000] {
            assert_eq!(duration(&Millis(ms).to_string()), Ok(Millis(ms)));
        }
        assert_eq!(Millis(86_400_000).to_string(), "24h");
    }

    #[test]
    fn numbers_of_bytes() {
        for (text, bytes_) in [
            ("0", 0),
            ("100", 100),
            ("1k", 1_024),
            ("1K", 1_024),
            ("1.5k", 1_536),
            ("1.5KiB", 1_536),
            ("2MiB", 2 << 20),
            (".5M", 1 << 19),
            ("3m", 3 << 20),
            ("2G", 2 << 30),
            ("1t", 1 << 40),
            ("7P", 7 << 50),
            ("9223372036854775807", (1 << 63) - 1),
        ] {
            assert_eq!(bytes(text), Ok(Bytes(bytes_)), "{text}");
        }
        for text in [
            "",
            "k",
            "-1",
            "+1",
            "1e3",
            "1 k",
            "1kB",
            "1x",
            "9223372036854775808",
            "8192P",
            "99999999999999999999",
            "99999999999999999P",
            "1é",
            "٣",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for count in [0, 1, 100, 1_024, 1_536, 5 << 20, 7 << 50] {
            assert_eq!(bytes(&Bytes(count).to_string()), Ok(Bytes(count)));
        }
        assert_eq!(Bytes(1_536).to_string(), "1536");
    }

    #[test]
    fn counts() {
        assert_eq!(count("1"), Ok(1));
        for text in ["0", "-1", "", "1.5", "many", "99999999999999999999", "1000000001"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_and_text() {
        assert_eq!(user("me:s:cret").as_deref(), Ok("me:s:cret"));
        assert!(user("me").is_err() && user("me:\n").is_err());
        assert!(visible("a\rb").is_err());
        assert!(path("").is_err());
    }
}
