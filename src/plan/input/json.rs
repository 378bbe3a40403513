//! JSON Lines: one object a line, of which the wanted members are read and all others skipped.

use super::columns::{Columns, FormError, KEEP_FLAG, rank, url_kept};
use crate::fault::InputProblem;
use crate::limits;
use crate::plan::job::{At, BadLine, Cells, Entry, bad_record, entry_of_row};
use crate::plan::kept::{Kept, Value};
use crate::plan::target::LastOrigin;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The reader of one input of JSON Lines.
#[derive(Clone, Debug)]
pub(super) struct JsonLines {
    wanted: Columns,
    lines_before: u64,
    line_number: u64,
    /// Whether a line was no blank one.
    has_begun: bool,
    /// Whether a line was an object.
    has_parsed: bool,
    /// Origin of the URL before.
    origin: LastOrigin,
}

impl JsonLines {
    pub(super) fn new(wanted: Columns, lines_before: u64) -> Self {
        let (line_number, has_begun, has_parsed, origin) = Default::default();
        Self { wanted, lines_before, line_number, has_begun, has_parsed, origin }
    }

    /// Reads one line, its line end included or not. A line of [`RAW_BYTES_MAX`] may be cut to
    /// that.
    pub(super) fn line(&mut self, raw: &[u8]) -> Result<Option<Entry>, FormError> {
        self.line_number += 1;
        let mark = if self.line_number == 1 { &b"\xef\xbb\xbf"[..] } else { b"" };
        let text = raw.strip_prefix(mark).unwrap_or(raw).trim_ascii();
        if text.is_empty() {
            return Ok(None);
        }
        if !self.has_begun && text[0] == b'[' {
            return Err(FormError(ARRAY.to_owned()));
        }
        self.has_begun = true;
        let at = At { index: self.lines_total(), line_number: self.line_number };
        if raw.len() >= RAW_BYTES_MAX {
            let remedy = format!("longer than {} bytes; shorten it", limits::RECORD_BYTES_MAX);
            return Ok(Some(Err(bad_record(at, text, InputProblem::LineTooLong, &remedy))));
        }
        let bad = |remedy: &str| Err(bad_record(at, text, InputProblem::Record, remedy));
        let entry = match self.parse(text) {
            Err(error) => bad(&format!(
                "broken JSON at byte {}; write one object a line, such as \
                 {{\"url\": \"https://HOST/PATH\"}}",
                error.column()
            )),
            Ok(found) => {
                if !std::mem::replace(&mut self.has_parsed, true) {
                    found.check_first(&self.wanted)?;
                }
                let kept = found.kept(&self.wanted);
                match found.cells(&self.wanted) {
                    Ok(cells) => entry_of_row(at, &cells, kept, &mut self.origin),
                    Err(remedy) => {
                        let bad = bad_record(at, text, InputProblem::Record, &remedy);
                        Err(BadLine { kept, ..bad })
                    }
                }
            }
        };
        Ok(Some(entry))
    }

    pub(super) fn lines_total(&self) -> u64 {
        self.lines_before + self.line_number
    }

    fn parse<'a>(&self, text: &'a [u8]) -> serde_json::Result<Found<'a>> {
        let mut json = serde_json::Deserializer::from_slice(text);
        let found = Object(&self.wanted).deserialize(&mut json)?;
        json.end()?;
        Ok(found)
    }
}

/// The wanted members of an object.
#[derive(Debug, Default)]
struct Found<'a> {
    /// The member with the URL and, where no name was asked for, how well its name fits.
    url: Option<(usize, Member<'a>)>,
    out: Option<Member<'a>>,
    checksum: Option<Member<'a>>,
    /// Members that are kept, by their position among those columns, as they are written; the last
    /// one of a name counts.
    kept: Vec<(usize, &'a RawValue)>,
}

/// The value of a member.
#[derive(Clone, Debug)]
enum Member<'a> {
    Text(Cow<'a, str>),
    Null,
    /// A value of another type, by what that is called.
    Other(&'static str),
}

impl Found<'_> {
    /// Refuses a list whose first object lacks a member that is to be kept: a typo in its name must
    /// not be found out after the night.
    fn check_first(&self, wanted: &Columns) -> Result<(), FormError> {
        for (at, column) in wanted.keep.iter().enumerate() {
            let name = &column.name;
            if wanted.url.as_ref() == Some(name) {
                return Err(url_kept(name));
            }
            if !self.kept.iter().any(|(position, _)| *position == at) {
                return Err(FormError(format!(
                    "its first object has no member {name:?} of {KEEP_FLAG}; correct the name, or \
                     write null there if only this object lacks it"
                )));
            }
        }
        Ok(())
    }

    fn kept(&self, wanted: &Columns) -> Kept {
        let mut values = vec![KeptMember::Nothing; wanted.keep.len()];
        for (at, raw) in &self.kept {
            values[*at] = KeptMember::of(raw.get());
        }
        Kept::new(values.iter().map(KeptMember::value))
    }

    fn cells(&self, wanted: &Columns) -> Result<Cells<'_>, String> {
        let Some((_, url)) = &self.url else {
            let name = wanted.url.as_deref().unwrap_or("url");
            return Err(format!("no member {name:?}; --url-col NAME says which one has the URL"));
        };
        if let (None, Some(name)) = (&self.checksum, &wanted.checksum) {
            // A name with a slip in it must not mean that nothing is checked.
            return Err(format!(
                "no member {name:?}; write null where there is no digest, or correct --checksum-col"
            ));
        }
        Ok(Cells {
            url: text_of(Some(url), &wanted.url)?,
            out: text_of(self.out.as_ref(), &wanted.out)?,
            checksum: text_of(self.checksum.as_ref(), &wanted.checksum)?,
        })
    }
}

/// The value of a member that is kept.
#[derive(Clone)]
enum KeptMember<'a> {
    Nothing,
    Text(Cow<'a, str>),
    Json(&'a str),
}

impl<'a> KeptMember<'a> {
    fn of(raw: &'a str) -> Self {
        let mut json = serde_json::Deserializer::from_str(raw);
        match ValueSeed.deserialize(&mut json) {
            Ok(Member::Text(text)) => Self::Text(text),
            Ok(Member::Null) => Self::Nothing,
            Ok(Member::Other(_)) | Err(_) => Self::Json(raw),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Self::Nothing => Value::Nothing,
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::Json(raw) => Value::Json(raw.as_bytes()),
        }
    }
}

/// The text of a member; one that is missing or null is empty.
fn text_of<'a>(member: Option<&'a Member<'_>>, name: &Option<String>) -> Result<&'a [u8], String> {
    match member {
        None | Some(Member::Null) => Ok(b""),
        Some(Member::Text(text)) => Ok(text.as_bytes()),
        Some(Member::Other(kind)) => {
            let name = name.as_deref().unwrap_or("url");
            Err(format!("the member {name:?} is {kind}, not text; write it in quotes"))
        }
    }
}

/// Reads an object, or a text alone, which is a URL.
struct Object<'c>(&'c Columns);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Found { url: Some((0, Member::Text(text.into()))), ..Found::default() })
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        let text = Cow::Owned(text.to_owned());
        Ok(Found { url: Some((0, Member::Text(text))), ..Found::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found::default();
        while let Some(use_) = map.next_key_seed(Key(self.0))? {
            let member = match use_.keep {
                // Most members are read where they stand.
                None if !use_.is_any() => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                None => map.next_value_seed(ValueSeed)?,
                Some(at) => {
                    let raw: &RawValue = map.next_value()?;
                    found.kept.push((at, raw));
                    // A member that is only kept is copied, whatever its text decodes to.
                    if !use_.is_any() {
                        continue;
                    }
                    let mut json = serde_json::Deserializer::from_str(raw.get());
                    ValueSeed.deserialize(&mut json).map_err(A::Error::custom)?
                }
            };
            let is_better = |rank: &usize| found.url.as_ref().is_none_or(|best| *rank <= best.0);
            // One column may serve twice.
            if use_.is_out {
                found.out = Some(member.clone());
            }
            if use_.is_checksum {
                found.checksum = Some(member.clone());
            }
            if let Some(rank) = use_.url_rank.filter(is_better) {
                found.url = Some((rank, member));
            }
        }
        Ok(found)
    }
}

/// The uses of a member.
struct Use {
    url_rank: Option<usize>,
    is_out: bool,
    is_checksum: bool,
    /// Position among the columns that are kept.
    keep: Option<usize>,
}

impl Use {
    fn is_any(&self) -> bool {
        self.url_rank.is_some() || self.is_out || self.is_checksum
    }
}

/// Reads the name of a member.
struct Key<'c>(&'c Columns);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Use;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Use, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Use;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Use, E> {
        let is = |wanted: &Option<String>| wanted.as_deref() == Some(name);
        Ok(Use {
            url_rank: match &self.0.url {
                Some(wanted) => (wanted == name).then_some(0),
                None => rank(name),
            },
            is_out: is(&self.0.out),
            is_checksum: is(&self.0.checksum),
            keep: self.0.keep.iter().position(|column| column.name == name),
        })
    }
}

/// Reads the value of a wanted member, of whatever type.
struct ValueSeed;

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Member<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Member::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Member::Other("true or false"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(NUMBER)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(NUMBER)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(NUMBER)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Other("an object"))
    }
}

const NUMBER: Member<'static> = Member::Other("a number");
const ARRAY: &str = "it is one JSON array; write one object a line, for instance with \
     jq -c '.[]' FILE > list.jsonl";
/// Most bytes of a line that [`JsonLines::line`] looks at: the longest good line and its end.
pub(super) const RAW_BYTES_MAX: usize = limits::RECORD_BYTES_MAX + 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &str, wanted: Columns) -> Vec<Entry> {
        let mut lines = JsonLines::new(wanted, 0);
        list.split_inclusive('\n')
            .filter_map(|line| lines.line(line.as_bytes()).expect("one object a line"))
            .collect()
    }

    fn wanted(url: &str) -> Columns {
        let url = (!url.is_empty()).then(|| url.to_owned());
        Columns { url, out: Some("name".to_owned()), ..Columns::default() }
    }

    #[test]
    fn the_wanted_members_are_read() {
        let table = [
            (r#"{"url":"http://h/1"}"#, "", "1"),
            (r#"{"id":5,"x":[1,{"url":2}],"y":null,"url":"http://h/1","z":{}}"#, "", "1"),
            (r#"{"image_url":"http://h/3","URL":"http://h/2","url":"http://h/1"}"#, "", "1"),
            (r#"{"url":"http://h/1","URL":"http://h/2"}"#, "", "1"),
            (r#"{"Url":"http://h/1","image_url":"http://h/2"}"#, "", "2"),
            (r#"{"url":"http:\/\/h\/\u0031"}"#, "", "1"),
            (r#"{"u\u0072l":"http://h/1"}"#, "", "1"),
            (r#"{"url":"http://h/2","link":"http://h/1"}"#, "link", "1"),
            (r#"{"url":"http://h/2","url":"http://h/1"}"#, "", "1"),
            (r#"  {"url" : " http://h/1 "}  "#, "", "1"),
            (r#"{"url":"http://h/x","name":"a/b.jpg"}"#, "", "a/b.jpg"),
            (r#"{"url":"http://h/1","name":null}"#, "", "1"),
            (r#"{"url":"http://h/1","name":""}"#, "", "1"),
            (r#""http://h/1""#, "", "1"),
        ];
        for (line, url, path) in table {
            let found = entries(line, wanted(url));
            let [Ok(job)] = &found[..] else { panic!("{line}: {found:?}") };
            assert_eq!(job.path(None), path, "{line}");
        }
    }

    #[test]
    fn a_digest_is_null_or_there() {
        let wanted = Columns { checksum: Some("md5".to_owned()), ..Columns::default() };
        let lines =
            "{\"url\":\"http://h/1\",\"md5\":null}\n{\"url\":\"http://h/1\",\"Md5\":\"0\"}\n";
        let found = entries(lines, wanted);
        let [Ok(_), Err(bad)] = &found[..] else { panic!("{found:?}") };
        assert!(bad.message.contains("no member \"md5\"; write null"), "{}", bad.message);
    }

    #[test]
    fn bad_lines_say_line_text_and_remedy() {
        let table = [
            (r#"{"url":"http://h/1""#, "broken JSON at byte 19"),
            (r#"{"url":"http://h/1"} x"#, "broken JSON at byte 22"),
            (r#"{"url":"http://h/1"}{"url":"http://h/1"}"#, "broken JSON"),
            (r#"{"url":"http://h/\ud800"}"#, "broken JSON"),
            ("{'url':'http://h/1'}", "broken JSON"),
            ("http://h/1", "broken JSON at byte 1; write one object a line"),
            ("{}", r#"no member "url"; --url-col NAME"#),
            (r#"{"URI":"http://h/1"}"#, "no member"),
            (r#"{"url":null}"#, "the URL is missing"),
            (r#"{"url":""}"#, "the URL is missing"),
            (r#"{"url":7}"#, r#"the member "url" is a number, not text"#),
            (r#"{"url":["http://h/1"]}"#, "is an array, not text"),
            (r#"{"url":{"a":1}}"#, "is an object, not text"),
            (r#"{"url":"http://h/1","name":1.5}"#, r#"the member "name" is a number"#),
            (r#"{"url":"http://h/1","name":"../x"}"#, r#""../x": the path is empty"#),
            (r#"{"url":"h/1"}"#, r#""h/1": not a URL"#),
            (r#"{"url":"http://h/a\tb"}"#, "control characters"),
            ("7", "broken JSON"),
        ];
        for (line, message) in table {
            let found = entries(&format!("\n{line}\n"), wanted(""));
            let [Err(bad)] = &found[..] else { panic!("{line}: {found:?}") };
            assert!(bad.message.contains(message), "{line}: {}", bad.message);
            assert!(bad.message.starts_with("line 2: "), "{}", bad.message);
            assert_eq!((bad.index, bad.line_number), (2, 2));
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        for line in [
            r#"{"url":"http://me:SECRET@h/" x}"#,
            r#"{"url":"http:\/\/me:SECRET@h/" x}"#,
            r#"{"url":"http://me:SECRET\u0040h/" x}"#,
            r#"{"password":"SECRET" x}"#,
            r#"{"url":"ftp://me:SECRET@h/"}"#,
            r#"{"url":5,"u":"http://me:SECRET@h/"}"#,
        ] {
            let found = entries(line, wanted(""));
            let [Err(bad)] = &found[..] else { panic!("{line}: {found:?}") };
            assert!(!format!("{bad:?}").contains("SECRET"), "{bad:?}");
        }
    }

    #[test]
    fn an_array_is_told_and_lines_go_on() {
        let mut lines = JsonLines::new(Columns::default(), 0);
        assert_eq!(lines.line("\u{feff}\r\n".as_bytes()), Ok(None));
        assert!(lines.line(b"  [\n").unwrap_err().to_string().contains("jq -c"));
        let mut lines = JsonLines::new(Columns::default(), 7);
        let mark = "\u{feff}{\"url\":\"http://h/\"}\r\n";
        assert_eq!(lines.line(mark.as_bytes()).unwrap().unwrap().unwrap().index, 8);
        assert!(lines.line(b"[]").unwrap().unwrap().is_err(), "one line is no reason to give up");
        let long = format!("{{\"url\":\"http://h/{}\"}}", "x".repeat(RAW_BYTES_MAX));
        let bad = lines.line(&long.as_bytes()[..RAW_BYTES_MAX]).unwrap().unwrap().unwrap_err();
        assert_eq!((bad.problem, bad.index), (InputProblem::LineTooLong, 10));
        assert!(bad.text.len() < 200);
    }
}
