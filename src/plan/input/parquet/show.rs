//! Values of a column as text or JSON.

use super::kind::{Kind, Scalar, Unit};
use std::io::Write as _;

impl Kind {
    /// Appends a value as a report keeps it. Says whether that is JSON: a number, or true or false.
    pub(super) fn show(self, value: Scalar<'_>, out: &mut Vec<u8>) -> bool {
        match (self, value) {
            (Self::Decimal(scale), Scalar::Whole(value)) => {
                decimal(value < 0, value.unsigned_abs().to_string(), scale, out);
            }
            (Self::Decimal(scale), Scalar::Bytes(bytes)) if bytes.len() <= 16 => {
                let value = whole(bytes);
                decimal(value < 0, value.unsigned_abs().to_string(), scale, out);
            }
            (Self::Date, Scalar::Whole(days)) => date(days, out),
            (Self::Time(unit), Scalar::Whole(value)) => time(value, unit, out),
            (Self::Timestamp(unit, is_utc), Scalar::Whole(value)) => {
                timestamp(value, unit, is_utc, out);
            }
            (Self::Int96, Scalar::Int96([low, high, day])) => {
                let nanos = u64::from(high) << 32 | u64::from(low);
                date(i64::from(day) - JULIAN_1970, out);
                out.push(b'T');
                time(i64::try_from(nanos).unwrap_or(i64::MAX), Unit::Nanos, out);
            }
            (Self::Uuid, Scalar::Bytes(bytes)) if bytes.len() == 16 => {
                let dashes = [4, 6, 8, 10];
                for (at, byte) in bytes.iter().enumerate() {
                    if dashes.contains(&at) {
                        out.push(b'-');
                    }
                    hex(&[*byte], out);
                }
            }
            (Self::Half, Scalar::Bytes(&[low, high])) => {
                return number(half(u16::from_le_bytes([low, high])), out);
            }
            (Self::Unsigned32, Scalar::Whole(value)) => {
                // The sign is that of the number of 32 bits.
                return json(value & 0xffff_ffff, out);
            }
            (Self::Unsigned64, Scalar::Whole(value)) => return json(value.cast_unsigned(), out),
            (Self::Text, Scalar::Bytes(bytes)) => out.extend_from_slice(bytes),
            (_, Scalar::Bytes(bytes)) => hex(bytes, out),
            (_, Scalar::Truth(truth)) => return json(truth, out),
            (_, Scalar::Whole(value)) => return json(value, out),
            (_, Scalar::Single(value)) if value.is_finite() => {
                return serde_json::to_writer(out, &value).is_ok();
            }
            (_, Scalar::Single(value)) => return number(value.into(), out),
            (_, Scalar::Double(value)) => return number(value, out),
            (_, Scalar::Int96(parts)) => write(format_args!("{parts:?}"), out),
        }
        false
    }
}

fn write(text: std::fmt::Arguments<'_>, out: &mut Vec<u8>) {
    out.write_fmt(text).expect("a Vec takes any bytes");
}

fn json(value: impl std::fmt::Display, out: &mut Vec<u8>) -> bool {
    write(format_args!("{value}"), out);
    true
}

/// A floating-point number, which is JSON unless it is infinite or none.
fn number(value: f64, out: &mut Vec<u8>) -> bool {
    if !value.is_finite() {
        write(format_args!("{value}"), out);
        return false;
    }
    serde_json::to_writer(out, &value).is_ok()
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    bytes.iter().for_each(|byte| write(format_args!("{byte:02x}"), out));
}

/// A number of at most 16 bytes, in two's complement, its highest byte first.
fn whole(bytes: &[u8]) -> i128 {
    let fill = if bytes.first().is_some_and(|byte| *byte > 0x7f) { 0xff } else { 0 };
    let mut all = [fill; 16];
    all[16 - bytes.len()..].copy_from_slice(bytes);
    i128::from_be_bytes(all)
}

fn decimal(is_negative: bool, digits: String, scale: u32, out: &mut Vec<u8>) {
    // More digits than any type of decimals has would only be zeros.
    let scale = scale.min(DECIMAL_DIGITS_MAX) as usize;
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (front, back) = digits.split_at(digits.len() - scale);
    let (sign, point) = (if is_negative { "-" } else { "" }, if scale > 0 { "." } else { "" });
    write(format_args!("{sign}{front}{point}{back}"), out);
}

fn date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(days);
    write(format_args!("{year:04}-{month:02}-{day:02}"), out);
}

fn time(value: i64, unit: Unit, out: &mut Vec<u8>) {
    let (parts, digits) = unit.parts();
    let (seconds, part) = (value.div_euclid(parts), value.rem_euclid(parts));
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write(format_args!("{hour:02}:{minute:02}:{second:02}"), out);
    if part > 0 {
        write(format_args!(".{part:0digits$}"), out);
    }
}

fn timestamp(value: i64, unit: Unit, is_utc: bool, out: &mut Vec<u8>) {
    let day = unit.parts().0 * 86_400;
    date(value.div_euclid(day), out);
    out.push(b'T');
    time(value.rem_euclid(day), unit, out);
    if is_utc {
        out.push(b'Z');
    }
}

/// Year, month and day of a day since 1970, in the calendar of today.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the day too many is their last one.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_month)
}

/// The number that 16 bits are (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    };
    sign * size
}

/// The Julian day of the first one of 1970.
const JULIAN_1970: i64 = 2_440_588;
const DECIMAL_DIGITS_MAX: u32 = 76;
