//! What a pull says beside its rows, for the program that embeds it.

use std::fmt;

/// A line that the command line would say on standard error beside failures, progress and the
/// summary: a warning, or what else is worth knowing of the pull as a whole.
///
/// Displayed, a warning begins with `warning: `.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// Whether something may be not as it was meant to be: a list without URLs, fewer downloads in
    /// flight than were asked for, a disk that is full, rows that were cut off. Otherwise it is
    /// what the pull did beside, such as the removal of an unfinished shard, or which limit ends it
    /// early (`max-errors`, `max-duration`, `quota`, `max-files`).
    pub is_warning: bool,
    /// A sentence for people, in one line, which may change with any version.
    pub text: String,
}

impl Notice {
    /// A warning of these words.
    pub(super) fn warning(text: &str) -> Self {
        Self { is_warning: true, text: text.to_owned() }
    }

    /// A line as the command line says it.
    pub(super) fn of_line(line: &str) -> Self {
        match line.strip_prefix("warning: ") {
            Some(warning) => Self::warning(warning),
            None => {
                let text = line.strip_prefix("note: ").unwrap_or(line);
                Self { is_warning: false, text: text.to_owned() }
            }
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_command_line_are_told_apart() {
        let told = |line| {
            let notice = Notice::of_line(line);
            (notice.is_warning, notice.text.clone(), notice.to_string())
        };
        let is = |is_warning, text: &str, shown: &str| (is_warning, text.into(), shown.into());
        assert_eq!(told("warning: a b"), is(true, "a b", "warning: a b"));
        assert_eq!(told("note: a"), is(false, "a", "a"));
        assert_eq!(
            told("metrics: http://h/"),
            is(false, "metrics: http://h/", "metrics: http://h/")
        );
    }
}
