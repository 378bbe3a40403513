//! Lines of a report in JSON Lines to values of columns, and back.

use super::invalid::nonsense;
use super::marks::Marks;
use super::schema::{Found, Kind};
use crate::fault::is_hidden;
use crate::report::row::{NAMES, instant, push_json_text, push_seconds};
use parquet::file::metadata::KeyValue;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

/// A value of a column of a row that is read back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'v> {
    /// Text.
    Text(&'v [u8]),
    /// A whole number, or microseconds.
    Whole(i64),
    /// Seconds.
    Seconds(f64),
    /// True or false.
    Truth(bool),
}

/// Makes lines of the values of rows.
#[derive(Debug)]
pub struct Lines {
    found: Found,
    marks: Marks,
    rows: u64,
}

impl Lines {
    /// For a file with these columns, which has noted this beside them.
    ///
    /// # Errors
    /// What is noted is damaged.
    pub fn new(found: Found, noted: Option<&Vec<KeyValue>>) -> io::Result<Self> {
        let marks = Marks::read(noted, &found.kept)?;
        Ok(Self { found, marks, rows: 0 })
    }

    /// Appends the line of the next row, its line end included. Columns that the file does not have
    /// are null.
    ///
    /// # Errors
    /// A value is one that no row has.
    pub fn line(&mut self, values: &[Option<Value<'_>>], out: &mut Vec<u8>) -> io::Result<()> {
        let row = self.rows;
        self.rows += 1;
        let mut before = b'{';
        let (own, kept) = values.split_at(self.found.own);
        for (at, name) in NAMES.iter().enumerate() {
            out.push(std::mem::replace(&mut before, b','));
            write!(out, "\"{name}\":")?;
            match own.get(at).copied().flatten() {
                None => out.extend_from_slice(b"null"),
                Some(value) => push(name, value, out)?,
            }
        }
        for (at, (name, value)) in self.found.kept.iter().zip(kept).enumerate() {
            out.push(b',');
            push_json_text(out, name, char::is_control);
            out.push(b':');
            match value {
                None => out.extend_from_slice(b"null"),
                Some(Value::Text(text)) if self.marks.contains(at, row) && is_json(text) => {
                    out.extend_from_slice(text);
                }
                Some(Value::Text(text)) => {
                    push_json_text(out, &String::from_utf8_lossy(text), char::is_control);
                }
                Some(_) => return Err(nonsense(name)),
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

/// Appends the value of one of our own columns.
fn push(name: &str, value: Value<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match (Kind::of(name), value) {
        (Kind::Text, Value::Text(text)) => {
            let is_escaped = if name == "url" { char::is_control } else { is_hidden };
            push_json_text(out, &String::from_utf8_lossy(text), is_escaped);
        }
        (Kind::Int32 | Kind::Int64, Value::Whole(number)) => write!(out, "{number}")?,
        (Kind::Seconds, Value::Seconds(seconds)) => {
            let time = Duration::try_from_secs_f64(seconds).map_err(|_| nonsense(name))?;
            // Half of a microsecond more, since the rest is cut off.
            push_seconds(out, time.saturating_add(Duration::from_nanos(500)));
        }
        (Kind::Instant, Value::Whole(micros)) => {
            let since = u64::try_from(micros).map_err(|_| nonsense(name))?;
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(since));
            write!(out, "\"{}\"", instant(at.ok_or_else(|| nonsense(name))?))?;
        }
        (Kind::Truth, Value::Truth(truth)) => write!(out, "{truth}")?,
        _ => return Err(nonsense(name)),
    }
    Ok(())
}

/// Whether a text is one value of JSON, in one line.
fn is_json(text: &[u8]) -> bool {
    !text.contains(&b'\n') && serde_json::from_slice::<&RawValue>(text).is_ok()
}

/// A value of a line.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    Text(String),
    /// JSON that is no text, of a kept column.
    Json(String),
    Int32(i32),
    Int64(i64),
    Seconds(f64),
    Truth(bool),
}

/// Takes the values of a line: those of our own columns and of these kept ones, in their order, as
/// far as they are there.
pub(super) fn parse(line: &[u8], kept: &[String]) -> io::Result<Vec<Option<Parsed>>> {
    let mut values: Vec<Option<Parsed>> = Vec::new();
    values.resize_with(NAMES.len() + kept.len(), || None);
    let mut json = serde_json::Deserializer::from_slice(line);
    let members = Members { kept, values: &mut values };
    json.deserialize_map(members)?;
    json.end()?;
    Ok(values)
}

struct Members<'m> {
    kept: &'m [String],
    values: &'m mut Vec<Option<Parsed>>,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut next = 0;
        while let Some(at) = map.next_key_seed(Key { kept: self.kept, next })? {
            let Some(at) = at else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            next = at + 1;
            let raw: &RawValue = map.next_value()?;
            let value = match NAMES.get(at) {
                Some(name) => own(name, raw.get()).map_err(serde::de::Error::custom)?,
                None => of_list(raw.get()),
            };
            self.values[at] = value;
        }
        Ok(())
    }
}

/// The place of a member among the columns, most likely this one.
struct Key<'k> {
    kept: &'k [String],
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let own = NAMES.len();
        let is_next = match NAMES.get(self.next) {
            Some(next) => *next == name,
            None => self.kept.get(self.next - own).is_some_and(|next| next == name),
        };
        if is_next {
            return Ok(Some(self.next));
        }
        let place = NAMES.iter().position(|own| *own == name);
        let kept = || self.kept.iter().position(|kept| kept == name).map(|at| own + at);
        Ok(place.or_else(kept))
    }
}

/// The value of one of our own columns.
fn own(name: &str, raw: &str) -> io::Result<Option<Parsed>> {
    if raw == "null" {
        return Ok(None);
    }
    let bad = || nonsense(name);
    let text = || serde_json::from_str::<String>(raw).map_err(|_| bad());
    Ok(Some(match Kind::of(name) {
        Kind::Text => Parsed::Text(text()?),
        Kind::Int32 => Parsed::Int32(raw.parse().map_err(|_| bad())?),
        Kind::Int64 => Parsed::Int64(raw.parse().map_err(|_| bad())?),
        Kind::Seconds => Parsed::Seconds(raw.parse().map_err(|_| bad())?),
        Kind::Truth => Parsed::Truth(raw.parse().map_err(|_| bad())?),
        Kind::Instant => {
            let at = humantime::parse_rfc3339(&text()?).map_err(|_| bad())?;
            let since = at.duration_since(SystemTime::UNIX_EPOCH).map_err(|_| bad())?;
            Parsed::Int64(i64::try_from(since.as_micros()).map_err(|_| bad())?)
        }
    }))
}

/// The value of a column of the list. A text that is none in Unicode stays JSON.
fn of_list(raw: &str) -> Option<Parsed> {
    if raw == "null" {
        return None;
    }
    let text = raw.starts_with('"').then(|| serde_json::from_str(raw).ok()).flatten();
    Some(text.map_or_else(|| Parsed::Json(raw.to_owned()), Parsed::Text))
}
