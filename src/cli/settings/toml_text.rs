//! Values as they are written in a config file.

use crate::fault::is_hidden;
use std::fmt::Write as _;

/// A value in TOML, in one line: numbers as they are, all else in quotes. Text with backslashes
/// or quotation marks stands between apostrophes, in which these have no meaning.
pub(super) fn quoted(value: &str) -> String {
    let is_printed = |byte: u8| (b' '..0x7f).contains(&byte);
    if is_number(value) {
        return value.to_owned();
    }
    if value.contains(['\\', '"']) && !value.contains('\'') && value.bytes().all(is_printed) {
        return format!("'{value}'");
    }
    let mut quoted = String::from('"');
    for char in value.chars() {
        match char {
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '"' | '\\' => quoted.extend(['\\', char]),
            char if is_hidden(char) => push_escape(&mut quoted, char),
            char => quoted.push(char),
        }
    }
    quoted + "\""
}

/// The value, or what else is shown of a setting, for a terminal that has ASCII alone.
pub(super) fn in_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_ascii() {
            true => ascii.push(char),
            false => push_escape(&mut ascii, char),
        }
    }
    ascii
}

/// Whether TOML reads a number with these digits: it has no zeros in front.
fn is_number(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits(whole) && is_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}

fn push_escape(text: &mut String, char: char) {
    let code = u32::from(char);
    let written =
        if code > 0xffff { write!(text, "\\U{code:08x}") } else { write!(text, "\\u{code:04x}") };
    written.expect("a String takes any text");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use toml::de::{DeTable, DeValue};

    /// What a config file says with this value.
    fn read(value: &str) -> String {
        let text = format!("a = {value}");
        let table = DeTable::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match table.get_ref()["a"].get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn values_are_easy_to_read() {
        for (value, toml) in [
            ("5", "5"),
            ("1.50", "1.50"),
            ("007", "\"007\""),
            ("1.", "\"1.\""),
            ("images", "\"images\""),
            ("a\tb", "\"a\\tb\""),
            ("%{url}\\n", "'%{url}\\n'"),
            ("it's \"\\", "\"it's \\\"\\\\\""),
            ("f\u{fc}r\u{202e}", "\"f\u{fc}r\\u202e\""),
            ("\u{1b}", "\"\\u001b\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(value), toml);
        }
        assert_eq!(in_ascii("f\u{fc}r \u{1f980}"), "f\\u00fcr \\U0001f980");
    }

    proptest! {
        #[test]
        fn a_config_file_reads_the_same(
            value in "[ -~\t\r\n\\\\\"'0-9.\u{0}-\u{202f}\u{1f980}]{0,12}"
        ) {
            prop_assert_eq!(read(&quoted(&value)), value.clone());
            if !quoted(&value).starts_with('\'') {
                prop_assert_eq!(read(&in_ascii(&quoted(&value))), value);
            }
        }
    }
}
