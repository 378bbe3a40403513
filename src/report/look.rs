//! The look of text for people: in colour or not, in ASCII alone or not, and how wide.

use super::wrap::wrapped;
use std::borrow::Cow;
use std::ffi::OsString;

/// What a stream may be written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// Whether colours and bold letters may be used.
    pub has_color: bool,
    /// Whether only ASCII can be read there.
    pub is_ascii: bool,
}

/// What a text is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tint {
    /// The text is like any other.
    #[default]
    None,
    /// The text is what people look for first.
    Strong,
    /// The text says how far something has come.
    Good,
    /// The text is about something that waits.
    Warning,
    /// The text is about something that failed.
    Bad,
}

/// What a text is laid out for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// Columns of the terminal; `None` where it is none.
    pub columns: Option<usize>,
    /// Look of the stream.
    pub look: Look,
}

impl Page {
    /// The text as it can be read there: in ASCII where that is all there is, and in lines that
    /// are broken between words. Text for a file or a pipe keeps its lines.
    #[must_use]
    pub fn laid_out<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let readable = self.look.readable(text);
        match self.columns {
            Some(columns) => wrapped(&readable, columns).into(),
            None => readable,
        }
    }
}

impl Look {
    /// The look of a stream, by the variables of the environment: `NO_COLOR` forbids colours,
    /// `CLICOLOR_FORCE` asks for them, and without these terminals have them, unless `CLICOLOR` is
    /// 0 or `TERM` is `dumb`. A terminal whose locale (`LC_ALL`, `LC_CTYPE`, `LANG`) has another
    /// character set than UTF-8 gets ASCII.
    pub fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let is = |name: &str, wanted: &str| value(name).is_some_and(|value| value == wanted);
        let is_forced = value("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let is_usual = is_terminal && !is("TERM", "dumb") && !is("CLICOLOR", "0");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(value);
        let charset = locale.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_utf8 = charset.contains("utf-8") || charset.contains("utf8");
        Self {
            has_color: value("NO_COLOR").is_none() && (is_forced || is_usual),
            is_ascii: is_terminal && !is_utf8,
        }
    }

    /// The text in its colour (ECMA-48 SGR).
    pub fn paint(self, tint: Tint, text: &str) -> Cow<'_, str> {
        let code = match tint {
            Tint::None => return text.into(),
            Tint::Strong => "1",
            Tint::Good => "32",
            Tint::Warning => "33",
            Tint::Bad => "31",
        };
        match self.has_color && !text.is_empty() {
            true => format!("\x1b[{code}m{text}\x1b[0m").into(),
            false => text.into(),
        }
    }

    /// The text with an escape in the place of each character that cannot be read there.
    pub fn readable(self, text: &str) -> Cow<'_, str> {
        if !self.is_ascii || text.is_ascii() {
            return text.into();
        }
        let mut readable = String::with_capacity(text.len() * 2);
        for char in text.chars() {
            match char.is_ascii() {
                true => readable.push(char),
                false => readable.extend(char.escape_unicode()),
            }
        }
        readable.into()
    }

    /// The text with a question mark in the place of each character that cannot be read there, so
    /// that it gets no longer.
    pub fn fitting(self, text: String) -> String {
        match self.is_ascii && !text.is_ascii() {
            true => text.chars().map(|char| if char.is_ascii() { char } else { '?' }).collect(),
            false => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(is_terminal: bool, variables: &[(&str, &str)]) -> (bool, bool) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let Look { has_color, is_ascii } = Look::of(is_terminal, variable);
        (has_color, is_ascii)
    }

    #[test]
    fn the_environment_decides_about_colours() {
        let has_color = |is_terminal, variables: &[(&str, &str)]| look(is_terminal, variables).0;
        assert!(has_color(true, &[]) && !has_color(false, &[]));
        assert!(!has_color(true, &[("NO_COLOR", "1")]) && has_color(true, &[("NO_COLOR", "")]));
        assert!(!has_color(true, &[("TERM", "dumb")]) && has_color(true, &[("TERM", "xterm")]));
        assert!(!has_color(true, &[("CLICOLOR", "0")]) && has_color(true, &[("CLICOLOR", "1")]));
        assert!(has_color(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!has_color(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(has_color(true, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")]));
        assert!(!has_color(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }

    #[test]
    fn a_terminal_without_utf_8_gets_ascii() {
        let is_ascii = |variables: &[(&str, &str)]| look(true, variables).1;
        assert!(!is_ascii(&[("LANG", "C.UTF-8")]) && !is_ascii(&[("LC_CTYPE", "de_DE.utf8")]));
        assert!(is_ascii(&[]) && is_ascii(&[("LANG", "de_DE.ISO-8859-1")]));
        assert!(is_ascii(&[("LC_ALL", "C"), ("LANG", "C.UTF-8")]));
        assert!(!is_ascii(&[("LC_ALL", ""), ("LANG", "C.UTF-8")]));
        assert!(!look(false, &[("LANG", "C")]).1, "files are UTF-8");
        let ascii = Look { is_ascii: true, ..Look::default() };
        assert_eq!(ascii.readable("a\u{e9}b"), "a\\u{e9}b");
        assert_eq!(ascii.fitting("a\u{e9}b".to_owned()), "a?b");
        assert_eq!(Look::default().readable("a\u{e9}b"), "a\u{e9}b");
    }

    #[test]
    fn a_text_is_laid_out_for_its_page() {
        let look = Look { is_ascii: true, ..Look::default() };
        let laid_out = |columns| Page { columns, look }.laid_out("a f\u{fc}r b").into_owned();
        assert_eq!(laid_out(None), "a f\\u{fc}r b");
        assert_eq!(laid_out(Some(8)), "a\nf\\u{fc}r\n  b");
    }

    #[test]
    fn colours_are_put_around_a_text() {
        let color = Look { has_color: true, ..Look::default() };
        assert_eq!(color.paint(Tint::Bad, "2 failed"), "\x1b[31m2 failed\x1b[0m");
        assert_eq!(color.paint(Tint::Bad, ""), "");
        assert_eq!(color.paint(Tint::None, "8"), "8");
        assert_eq!(Look::default().paint(Tint::Bad, "2 failed"), "2 failed");
    }
}
