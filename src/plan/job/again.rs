//! Lines of a report that are pulled again: a list that says of each URL which line it was.
//!
//! `--verify --save-session` writes such a list. Its comments mean something to the run that has
//! the same report and nothing to any other reader.

/// The first line of such a list, for the report that is called `name` and has this token.
pub fn title(token: u64, name: &str) -> String {
    let name = name.escape_debug();
    format!("{TITLE}{name} that are pulled again with it ({token:016x})")
}

/// The token of the report that a list is about, by the first line of the list.
pub fn token_of(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.trim_ascii();
    let (_, token) = line.strip_prefix(TITLE)?.strip_suffix(')')?.rsplit_once('(')?;
    u64::from_str_radix(token, 16).ok().filter(|_| token.len() == TOKEN_DIGITS)
}

/// The comment above the URL of line `index` of the list that the report was written for.
pub fn number(index: u64) -> String {
    format!("{NUMBER}{index}")
}

/// Follows the line numbers that the comments of such a list give.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    /// Number in the comments since the last URL.
    next: Option<u64>,
    last: u64,
    is_broken: bool,
}

impl Numbers {
    /// Reads a comment, which may give a number.
    pub(super) fn comment(&mut self, text: &[u8]) {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix(NUMBER));
        if let Some(number) = number {
            self.next = number.parse().ok();
        }
    }

    /// The number of the URL that comes now; `None` where the comments do not give one. Numbers
    /// rise, and none is missing, or nothing more of the list can be used.
    pub(super) fn take(&mut self) -> Option<u64> {
        let number = self.next.take().filter(|number| *number > self.last);
        self.is_broken |= number.is_none();
        self.last = number.unwrap_or(self.last);
        number.filter(|_| !self.is_broken)
    }

    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }
}

const TITLE: &str = "# ringpull: lines of the report ";
const NUMBER: &str = "# line ";
const TOKEN_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_read_back() {
        for name in ["R.csv", "a (1).csv", "a\nb", "\u{202e}x"] {
            let title = title(0xab, name);
            assert_eq!(token_of(title.as_bytes()), Some(0xab), "{title}");
            assert!(!title.contains(char::is_control), "{title:?}");
        }
        for other in ["", "# a list", "# ringpull: lines of the report x (ab)", "http://h/(1)"] {
            assert_eq!(token_of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn numbers_rise_and_none_is_missing() {
        let taken = |comments: &[&str]| {
            let mut numbers = Numbers::default();
            let mut taken = Vec::new();
            for comment in comments {
                match *comment {
                    "url" => taken.extend(numbers.take()),
                    comment => numbers.comment(comment.as_bytes()),
                }
            }
            (taken, numbers.is_broken())
        };
        assert_eq!(
            taken(&[&number(2), "url", "# x", &number(7), "# y", "url"]),
            (vec![2, 7], false)
        );
        for broken in [
            &["url"][..],
            &["# line 2", "url", "url"],
            &["# line 2", "url", "# line 2", "url"],
            &["# line x", "url"],
        ] {
            assert!(taken(broken).1, "{broken:?}");
        }
    }
}
