//! What became of an unfinished file that was there: the words of the column `resume`.

/// What became of what an earlier run, or another program, left unfinished.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Resume {
    /// The bytes that were there are part of the file.
    Continued,
    /// The server has another version by now: the file was fetched whole.
    Changed,
    /// The response had no validator that could vouch for the bytes (RFC 9110 section 13.1.5).
    NoValidator,
    /// Nothing vouches for what was there, or for the part that came.
    Unvouched,
    /// The server does not send ranges.
    NoRanges,
    /// The control record is damaged.
    Damaged,
    /// The control record is about another URL.
    Foreign,
    /// The machine went down before the bytes were on the disk.
    NotSynced,
    /// All of it had another digest than the list asks for.
    WrongDigest,
}

impl Resume {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Continued,
        Self::Changed,
        Self::NoValidator,
        Self::Unvouched,
        Self::NoRanges,
        Self::Damaged,
        Self::Foreign,
        Self::NotSynced,
        Self::WrongDigest,
    ];

    /// The word of the column `resume`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continued => "continued",
            Self::Changed => "changed",
            Self::NoValidator => "no_validator",
            Self::Unvouched => "unvouched",
            Self::NoRanges => "no_ranges",
            Self::Damaged => "damaged",
            Self::Foreign => "foreign",
            Self::NotSynced => "not_synced",
            Self::WrongDigest => "wrong_digest",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_plain() {
        let words: std::collections::BTreeSet<_> = Resume::ALL.map(Resume::as_str).into();
        assert_eq!(words.len(), Resume::ALL.len());
        let is_plain = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(words.iter().all(is_plain), "{words:?}");
    }
}
