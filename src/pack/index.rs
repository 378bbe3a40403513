//! Where the members of a shard are: the index that NVIDIA DALI reads (`wds2idx`, version 1.2),
//! with which a loader may go to any sample at once.
//!
//! Its first line is `v1.2` and how many samples there are. Each further line is a sample: for
//! every member its extension, offset, size and name, with blanks between.

use std::fmt::Write as _;

/// The index of one shard, line by line.
#[derive(Debug, Default)]
pub struct Index {
    samples: u64,
    lines: String,
}

impl Index {
    /// Begins the line of the next sample.
    pub fn begin_sample(&mut self) {
        if self.samples > 0 {
            self.lines.push('\n');
        }
        self.samples += 1;
    }

    /// Adds a member to the sample that was begun last: its name is `key` and `.ext`, its content
    /// `size` bytes from `offset` on.
    pub fn push(&mut self, (key, ext): (&str, &str), offset: u64, size: u64) {
        if !self.lines.is_empty() && !self.lines.ends_with('\n') {
            self.lines.push(' ');
        }
        // No extension would be no word.
        self.lines.push_str(if ext.is_empty() { "-" } else { ext });
        let _ = write!(self.lines, " {offset} {size} ");
        self.lines.push_str(&escape_blanks(key));
        self.lines.push_str(if ext.is_empty() { "" } else { "." });
        self.lines.push_str(ext);
    }

    /// How many samples there are.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The index as a file has it.
    pub fn text(&self) -> String {
        format!("{VERSION} {}\n{}\n", self.samples, self.lines)
    }

    /// How many samples an index says that there are, by its first line.
    pub fn samples_of(first_line: &str) -> Option<u64> {
        let (version, count) = first_line.trim_end().split_once(' ')?;
        count.parse().ok().filter(|_| version == VERSION)
    }
}

/// Words are separated by blanks, so a name may have none.
fn escape_blanks(name: &str) -> std::borrow::Cow<'_, str> {
    match name.contains([' ', '\n']) {
        true => name.replace(' ', "%20").replace('\n', "%0A").into(),
        false => name.into(),
    }
}

const VERSION: &str = "v1.2";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_dali() {
        let mut index = Index::default();
        assert_eq!(index.text(), "v1.2 0\n\n");
        index.begin_sample();
        index.push(("a", "jpg"), 512, 7);
        index.push(("a", "json"), 1_536, 9);
        index.begin_sample();
        index.push(("b c", ""), 3_072, 0);
        assert_eq!(index.text(), "v1.2 2\njpg 512 7 a.jpg json 1536 9 a.json\n- 3072 0 b%20c\n");
        assert_eq!(Index::samples_of("v1.2 2\n"), Some(2));
        assert_eq!((Index::samples_of("v1.1 2"), Index::samples_of("")), (None, None));
    }
}
