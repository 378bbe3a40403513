//! The netrc file: user names and passwords by machine (ftp(1), and "FILE FORMAT" of curl's
//! everything book).
//!
//! Words are separated by white space: `machine NAME` or `default`, and behind it `login NAME`,
//! `password SECRET`, `account NAME` (which means nothing to HTTP) and `macdef NAME`, whose lines
//! go on to the next blank one. A word in double quotes may hold white space, and `\"`, `\\`,
//! `\n`, `\r` and `\t`. `#` where a keyword could stand begins a comment. Anything else is an error
//! that names its line: a misspelt keyword must not mean that a password is silently not sent. No
//! error shows a word of the file.

use std::fmt;

/// A netrc file taken apart. Its `Debug` shows no secret.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Netrc {
    entries: Vec<Entry>,
}

#[derive(Clone, Default, Eq, PartialEq)]
struct Entry {
    /// Name of the machine; `None` for `default`.
    machine: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

impl Netrc {
    /// Takes the text of a file apart.
    ///
    /// # Errors
    /// When a line cannot be understood, or holds what Basic authentication cannot carry: the first
    /// such line.
    pub fn parse(text: &str) -> Result<Self, NetrcError> {
        let mut words = Words { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 };
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            words.skip_blank();
            let line = words.line;
            let error = |problem| NetrcError { line, problem };
            let Some(word) = words.next().map_err(error)? else { return Ok(Self { entries }) };
            // In any case of letters, as curl has them.
            let keyword = word.to_ascii_lowercase();
            match keyword.as_str() {
                "machine" => {
                    let machine = Some(words.value(line)?);
                    entries.push(Entry { machine, ..Entry::default() });
                }
                "default" => entries.push(Entry::default()),
                "macdef" => {
                    words.value(line)?;
                    words.skip_macro();
                }
                "login" | "password" | "account" => {
                    let value = words.value(line)?;
                    let entry = entries.last_mut().ok_or_else(|| error(Problem::NoMachine))?;
                    if value.chars().any(char::is_control) {
                        return Err(error(Problem::Control));
                    }
                    match keyword.as_str() {
                        // It would move the border to the password (RFC 7617 section 2).
                        "login" if value.contains(':') => return Err(error(Problem::Colon)),
                        "login" => entry.login = Some(value),
                        "password" => entry.password = Some(value),
                        _ => {}
                    }
                }
                _ if word.starts_with('#') => words.skip_line(),
                _ => return Err(error(Problem::Keyword)),
            }
        }
    }

    /// Login and password for a host, of the first entry that fits: its machine is this host, in
    /// any case of letters, or it is a `default`. With a `login`, only entries of that login (or of
    /// none) fit, since a machine may have several.
    pub fn find<'n>(&'n self, host: &str, login: Option<&'n str>) -> Option<(&'n str, &'n str)> {
        let fits = |entry: &&Entry| {
            entry.machine.as_ref().is_none_or(|machine| machine.eq_ignore_ascii_case(host))
                && (login.is_none() || entry.login.is_none() || entry.login.as_deref() == login)
        };
        let entry = self.entries.iter().find(fits)?;
        let login = login.or(entry.login.as_deref());
        match (login, entry.password.as_deref()) {
            // A machine of which nothing is said asks for nothing to be sent.
            (None, None) => None,
            (login, password) => Some((login.unwrap_or(""), password.unwrap_or(""))),
        }
    }
}

impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machines = self.entries.iter().map(|entry| entry.machine.as_deref());
        f.debug_list().entries(machines).finish()
    }
}

/// A line of a netrc file that cannot be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NetrcError {
    /// Number of the line, from 1.
    pub line: usize,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Problem {
    Keyword,
    NoMachine,
    NoValue,
    OpenQuote,
    Colon,
    Control,
}

impl fmt::Display for NetrcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.problem {
            Problem::Keyword => {
                "not one of machine, default, login, password, account, macdef; put a name or \
                 password with white space into double quotes"
            }
            Problem::NoMachine => "a login or password needs a machine above it",
            Problem::NoValue => "the keyword at the end needs a value behind it",
            Problem::OpenQuote => "a double quote is not closed on its line",
            Problem::Colon => "a login with a colon cannot be sent by Basic authentication",
            Problem::Control => "a login or password must not hold control characters",
        };
        write!(f, "line {}: {text}", self.line)
    }
}

impl std::error::Error for NetrcError {}

/// The text that is left, word by word.
struct Words<'t> {
    rest: &'t str,
    line: usize,
}

impl Words<'_> {
    fn skip_blank(&mut self) {
        let rest = self.rest.trim_start_matches(is_blank);
        self.skip(self.rest.len() - rest.len());
    }

    fn skip_line(&mut self) {
        self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
    }

    /// Skips to the first blank line, or to the end.
    fn skip_macro(&mut self) {
        self.skip_line();
        while self.rest.len() > 1 {
            self.skip(1);
            let line = self.rest.split('\n').next().unwrap_or_default();
            let is_end = line.trim_matches(is_blank).is_empty();
            self.skip_line();
            if is_end {
                return;
            }
        }
    }

    fn skip(&mut self, length: usize) {
        let (skipped, rest) = self.rest.split_at(length);
        self.line += skipped.matches('\n').count();
        self.rest = rest;
    }

    /// The value of a keyword, on its line or a later one.
    fn value(&mut self, line: usize) -> Result<String, NetrcError> {
        self.skip_blank();
        let at = if self.rest.is_empty() { line } else { self.line };
        match self.next() {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(NetrcError { line: at, problem: Problem::NoValue }),
            Err(problem) => Err(NetrcError { line: at, problem }),
        }
    }

    /// The next word; blanks before it were skipped.
    fn next(&mut self) -> Result<Option<String>, Problem> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let Some(quoted) = self.rest.strip_prefix('"') else {
            let end = self.rest.find(is_blank).unwrap_or(self.rest.len());
            let word = self.rest[..end].to_owned();
            self.skip(end);
            return Ok(Some(word));
        };
        let mut word = String::new();
        let mut is_escaped = false;
        for (at, c) in quoted.char_indices() {
            match c {
                '\n' => break,
                _ if is_escaped => word.push(match c {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                }),
                '"' => {
                    self.skip("\"\"".len() + at);
                    return Ok(Some(word));
                }
                '\\' => {}
                other => word.push(other),
            }
            is_escaped = c == '\\' && !is_escaped;
        }
        Err(Problem::OpenQuote)
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, host: &str, login: Option<&str>) -> Option<(String, String)> {
        let netrc = Netrc::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let found = netrc.find(host, login)?;
        Some((found.0.to_owned(), found.1.to_owned()))
    }

    #[test]
    fn what_a_file_says_of_a_host() {
        const FILE: &str = "\
            # a comment\n\
            machine a.example login me password s3cret # another\n\
            machine a.example\n\
            \tlogin you\n\
            \tpassword \"two words \\\" \\\\ \\.\"\r\n\
            \taccount x\n\
            machine TOKEN.example password only\n\
            machine user.example login only\n\
            machine empty.example\n\
            macdef init\n\
            machine fake.example login no password no\n\
            \n\
            machine hash.example login # password #1\n\
            machine \"quoted.example\" login \"\" password \"\"\n\
            machine late.example login l password p login m\n";
        let some = |login: &str, password: &str| Some((login.to_owned(), password.to_owned()));
        for (host, login, expected) in [
            ("a.example", None, some("me", "s3cret")),
            ("A.Example", None, some("me", "s3cret")),
            ("a.example", Some("me"), some("me", "s3cret")),
            ("a.example", Some("Me"), None),
            ("token.example", None, some("", "only")),
            ("token.example", Some("any"), some("any", "only")),
            ("user.example", None, some("only", "")),
            ("empty.example", None, None),
            ("fake.example", None, None),
            ("hash.example", None, some("#", "#1")),
            ("quoted.example", None, some("", "")),
            ("late.example", None, some("m", "p")),
            ("b.example", None, None),
            ("sub.a.example", None, None),
        ] {
            assert_eq!(found(FILE, host, login), expected, "{host} {login:?}");
        }
        let quoted = "two words \" \\ .";
        assert_eq!(found(FILE, "a.example", Some("you")), some("you", quoted));
        let with_default = format!("\u{feff}{FILE}default login anyone password guest\n");
        assert_eq!(found(&with_default, "b.example", None), some("anyone", "guest"));
        assert_eq!(found(&with_default, "b.example", Some("else")), None);
        // Something is said of these: that nothing is to be sent.
        assert_eq!(found(&with_default, "empty.example", None), None);
        assert_eq!(found("", "a.example", None), None);
    }

    #[test]
    fn keywords_are_known_in_any_case() {
        let netrc = Netrc::parse("MACHINE h Login L PassWord P").unwrap();
        assert_eq!(netrc.find("h", None), Some(("L", "P")));
    }

    #[test]
    fn macros_end_at_a_blank_line_or_the_file() {
        for text in [
            "macdef m\nlogin x\n \t\r\nmachine h login l password p",
            "macdef m\n\nmachine h login l password p\n",
            "machine h login l password p macdef m\nx\ny",
            "machine h login l password p macdef m\nx\n",
            "machine h login l password p macdef m",
        ] {
            let expected = Some(("l".to_owned(), "p".to_owned()));
            assert_eq!(found(text, "h", None), expected, "{text:?}");
        }
    }

    #[test]
    fn errors_name_the_line_and_show_nothing() {
        for (text, line, words) in [
            ("machine h\nlogni SECRET", 2, "not one of"),
            ("machine h login a password SECRET SECRET", 1, "not one of"),
            ("\n\nlogin SECRET", 3, "machine above it"),
            ("machine h\nlogin SECRET\npassword", 3, "a value"),
            ("machine", 1, "a value"),
            ("macdef m\nx\n\n\nmachine h password \"SECRET", 5, "not closed"),
            ("machine h password \"SECRET\n\"", 1, "not closed"),
            ("machine h login SECRET:x", 1, "colon"),
            ("machine h\npassword \"SECRET\\n\"", 2, "control"),
            ("machine h\npassword SECRET\u{1}", 2, "control"),
        ] {
            let error = Netrc::parse(text).expect_err(text);
            let shown = format!("{error}");
            assert_eq!(error.line, line, "{text:?}: {shown}");
            assert!(shown.contains(words), "{text:?}: {shown}");
            assert!(!shown.contains("SECRET") && !format!("{error:?}").contains("SECRET"));
        }
        let netrc = Netrc::parse("machine h login SECRET password SECRET").unwrap();
        assert_eq!(format!("{netrc:?}"), "[Some(\"h\")]");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_text_does_harm(
            text in "(machine|login|password|macdef|\"|\\\\|#|\n| |é|[a-z]){0,40}",
        ) {
            if let Err(error) = Netrc::parse(&text) {
                prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            }
        }

        #[test]
        fn what_is_quoted_comes_back(login in "[^\\p{Cc}:]{0,12}", password in "\\P{Cc}{0,12}") {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let (l, p) = (quoted(&login), quoted(&password));
            let text = format!("machine h login \"{l}\" password \"{p}\"\n");
            prop_assert_eq!(found(&text, "h", None), Some((login, password)));
        }
    }
}
