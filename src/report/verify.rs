//! Result of comparing a tree with its report.

use super::figures::{Number, Of};
use crate::exit::ExitStatus;
use std::fmt::{self, Write as _};

/// State of a file that a row names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found {
    /// The file has the digest of its row; or it is empty, as the row says.
    Same,
    /// The file has the right length. The row has no digest, so nothing is known of its content.
    SameLength,
    /// The row names no file, or standard output: nothing was looked for.
    Unnamed,
    /// There is no such file.
    Missing,
    /// The name is taken by something that is not a regular file.
    NotAFile,
    /// The file is shorter.
    Short,
    /// The file is longer.
    Long,
    /// The file has the right length and another digest.
    Digest,
    /// The file cannot be read.
    Unreadable,
}

impl Found {
    /// Whether nothing contradicts the row.
    pub fn is_as_told(self) -> bool {
        matches!(self, Self::Same | Self::SameLength | Self::Unnamed)
    }

    /// Word for the state in a listing.
    pub fn word(self) -> &'static str {
        match self {
            Self::Same | Self::SameLength | Self::Unnamed => "ok",
            Self::Missing => "missing",
            Self::NotAFile => "not-a-file",
            Self::Short => "short",
            Self::Long => "long",
            Self::Digest => "digest",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Counts of one comparison.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Verified {
    /// Files with the digest that their rows say.
    pub same: u64,
    /// Files of the length that their rows say, which have no digest.
    pub same_length: u64,
    /// Rows that name no file, or standard output.
    pub unnamed: u64,
    /// Files that are not there.
    pub missing: u64,
    /// Names taken by something that is not a regular file.
    pub other: u64,
    /// Files of another length.
    pub length: u64,
    /// Files with another digest.
    pub digest: u64,
    /// Files that could not be read.
    pub unreadable: u64,
    /// Lines that failed, which have no file.
    pub failed: u64,
    /// Lines that were not finished.
    pub open: u64,
}

impl Verified {
    /// Counts one file.
    pub fn count(&mut self, found: Found) {
        let count = match found {
            Found::Same => &mut self.same,
            Found::SameLength => &mut self.same_length,
            Found::Unnamed => &mut self.unnamed,
            Found::Missing => &mut self.missing,
            Found::NotAFile => &mut self.other,
            Found::Short | Found::Long => &mut self.length,
            Found::Digest => &mut self.digest,
            Found::Unreadable => &mut self.unreadable,
        };
        *count += 1;
    }

    /// Adds the counts of another comparison.
    pub fn add(&mut self, other: &Self) {
        let Self { same, same_length, unnamed, missing, other: not_files, .. } = *other;
        let Self { length, digest, unreadable, failed, open, .. } = *other;
        self.same += same;
        self.same_length += same_length;
        self.unnamed += unnamed;
        self.missing += missing;
        self.other += not_files;
        self.length += length;
        self.digest += digest;
        self.unreadable += unreadable;
        self.failed += failed;
        self.open += open;
    }

    /// The exit status: of local files when something could not be read, of the protocol when a
    /// file differs.
    pub fn exit_status(&self) -> ExitStatus {
        match (self.unreadable, self.differing()) {
            (0, 0) => ExitStatus::Success,
            (0, _) => ExitStatus::Protocol,
            (_, _) => ExitStatus::LocalFile,
        }
    }

    /// Last lines of a comparison for people. `place` is the directory that names count from.
    pub fn text(&self, place: &str) -> String {
        let mut text = String::new();
        self.write(&mut text, place).expect("a String takes any text");
        text
    }

    fn differing(&self) -> u64 {
        self.missing + self.other + self.length + self.digest
    }

    fn write(&self, text: &mut String, place: &str) -> fmt::Result {
        let good = self.same + self.same_length + self.unnamed;
        let all = good + self.differing() + self.unreadable;
        write!(text, "{} in the report", Of(all, "file"))?;
        if all > 0 {
            write!(text, ": {} as it says", Number(good))?;
        }
        let mut before = " (";
        for (count, how) in [
            (self.same, "by digest"),
            (self.same_length, "by length only"),
            (self.unnamed, "without a file to look at"),
        ] {
            if count > 0 {
                let before = std::mem::replace(&mut before, ", ");
                write!(text, "{before}{} {how}", Number(count))?;
            }
        }
        if good > 0 {
            text.push(')');
        }
        for (count, what) in [
            (self.missing, "missing"),
            (self.other, "not a regular file"),
            (self.length, "of another length"),
            (self.digest, "with another digest"),
            (self.unreadable, "not readable"),
        ] {
            if count > 0 {
                write!(text, ", {} {what}", Number(count))?;
            }
        }
        text.push('\n');
        match (self.failed, self.open) {
            (0, 0) => {}
            (failed, 0) => writeln!(text, "without a file: {} that failed", Of(failed, "line"))?,
            (0, open) => writeln!(text, "without a file: {} not finished", Of(open, "line"))?,
            (failed, open) => {
                let (failed, open) = (Of(failed, "line"), Number(open));
                writeln!(text, "without a file: {failed} that failed, {open} not finished")?;
            }
        }
        if self.same_length > 0 {
            text.push_str(
                "a length proves nothing of what is in a file; with --compute-hash, rows have a \
                 digest\n",
            );
        }
        if all > 0 && self.missing == all {
            writeln!(
                text,
                "nothing is there: names in the report count from the directory in which ringpull \
                 ran, and were looked for in {place}; run it there"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_status_and_words() {
        let all = [
            (Found::Same, 0),
            (Found::SameLength, 0),
            (Found::Unnamed, 0),
            (Found::Missing, 7),
            (Found::NotAFile, 7),
            (Found::Short, 7),
            (Found::Long, 7),
            (Found::Digest, 7),
            (Found::Unreadable, 3),
        ];
        let mut together = Verified { failed: 2, open: 1, ..Verified::default() };
        for (found, status) in all {
            let mut one = Verified::default();
            one.count(found);
            assert_eq!(one.exit_status().number(), status, "{found:?}");
            assert_eq!(found.is_as_told(), status == 0, "{found:?}");
            together.add(&one);
        }
        assert_eq!(together.exit_status(), ExitStatus::LocalFile);
        assert_eq!(
            together.text("/here"),
            "9 files in the report: 3 as it says (1 by digest, 1 by length only, 1 without a file \
             to look at), 1 missing, 1 not a regular file, 2 of another length, 1 with another \
             digest, 1 not readable\n\
             without a file: 2 lines that failed, 1 not finished\n\
             a length proves nothing of what is in a file; with --compute-hash, rows have a \
             digest\n"
        );
        let nothing = Verified { missing: 1, ..Verified::default() };
        assert!(nothing.text("/here").contains("looked for in /here"), "{}", nothing.text("/here"));
        assert_eq!(Verified::default().text(""), "0 files in the report\n");
        let failed = Verified { failed: 1, ..Verified::default() };
        assert!(failed.text("").ends_with("without a file: 1 line that failed\n"));
        let open = Verified { open: 1_200, same: 1_000, ..Verified::default() };
        assert_eq!(
            open.text(""),
            "1,000 files in the report: 1,000 as it says (1,000 by digest)\n\
             without a file: 1,200 lines not finished\n"
        );
    }
}
