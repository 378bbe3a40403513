//! Lines whose row says ok of a file that may not have outlived a power loss.

use crate::report::row::escape_controls;
use roaring::RoaringTreemap;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Lines whose file is pulled again although it was pulled before, and the file that had its name.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    lines: RoaringTreemap,
    /// Lines that are or were lost.
    ever: RoaringTreemap,
    /// Lost lines of which no row of the report says so yet.
    untold: RoaringTreemap,
    /// Hashes of lines and the names of their files; `None` where nobody asks.
    files: Option<HashSet<u64>>,
}

impl Lost {
    /// A set of no line. With `has_names`, it can be told later whether a file was that of a line,
    /// at 8 to 16 bytes of memory for each.
    pub fn new(has_names: bool) -> Self {
        Self { files: has_names.then(HashSet::new), ..Self::default() }
    }

    /// Adds a line that is found to be lost now. `filename` is the file of its row.
    pub fn find(&mut self, index: u64, filename: &str) {
        self.told(index, filename);
        self.untold.insert(index);
    }

    /// Adds a line that a row says is lost, with its file.
    pub fn told(&mut self, index: u64, filename: &str) {
        self.lines.insert(index);
        self.ever.insert(index);
        self.untold.remove(index);
        if let Some(files) = self.files.as_mut().filter(|_| !filename.is_empty()) {
            files.insert(hash(index, filename));
        }
    }

    /// Removes a line of which a later row says something else.
    pub fn forget(&mut self, index: u64) {
        if self.lines.remove(index) {
            self.untold.remove(index);
        }
    }

    /// The lines that are pulled again.
    pub fn lines(&self) -> impl Iterator<Item = u64> + '_ {
        self.lines.iter()
    }

    /// Whether this line is pulled again.
    pub fn has(&self, index: u64) -> bool {
        self.lines.contains(index)
    }

    /// Lines of which the report said at some time that they are lost, and what they have is not
    /// what an earlier row says.
    pub fn ever(&self) -> &RoaringTreemap {
        &self.ever
    }

    /// Whether a line was found to be lost now, and the report does not say so yet.
    pub fn is_untold(&self, index: u64) -> bool {
        self.untold.contains(index)
    }

    /// Lines that the report does not call lost yet.
    pub fn untold(&self) -> u64 {
        self.untold.len()
    }

    /// Takes out a line that is to be reported as lost; `false` when it is not lost.
    pub fn tell(&mut self, index: u64) -> bool {
        self.untold.remove(index)
    }

    /// Whether the file of this name was pulled for this line, and is pulled again: no other file
    /// is meant.
    pub fn had(&self, index: u64, filename: &str) -> bool {
        self.lines.contains(index)
            && self.files.as_ref().is_some_and(|files| files.contains(&hash(index, filename)))
    }
}

/// Hash of a line and the name of its file.
fn hash(index: u64, filename: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    index.hash(&mut hasher);
    // CSV shows control characters in this way and JSON does not.
    escape_controls(filename).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_lost_until_a_later_row_says_otherwise() {
        let mut lost = Lost::new(true);
        lost.told(1, "out/a");
        lost.find(2, "out/b\n");
        lost.find(3, "");
        assert_eq!(lost.untold(), 2);
        assert!(lost.had(1, "out/a") && lost.had(2, "out/b\\n"), "as CSV has it");
        assert!(!lost.had(1, "out/b") && !lost.had(3, "") && !lost.had(4, "out/a"));
        assert!(lost.tell(2) && !lost.tell(2) && !lost.tell(1));
        assert!(lost.had(2, "out/b\n"), "it is told, and still lost");
        lost.forget(2);
        lost.forget(3);
        assert!(!lost.had(2, "out/b\n"));
        assert_eq!(lost.untold(), 0);
        let mut without = Lost::new(false);
        without.find(1, "out/a");
        assert!(!without.had(1, "out/a") && without.untold() == 1);
    }
}
