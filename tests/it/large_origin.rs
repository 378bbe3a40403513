//! Files of the embedded origin for tests of ranges, of what goes on after a break and of mirrors:
//! any size, any mood, compared with what was stored.

use crate::origin::Served;
use ringpull::origin::{self, FileStats};
use std::fmt::Display;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file of an origin, and the mood that its URL asks for.
#[derive(Clone)]
pub(crate) struct LargeFile<'a> {
    served: &'a Served,
    pub(crate) path: String,
    pub(crate) len: u64,
    query: String,
}

impl Served {
    /// The file of `len` bytes at `/bytes/LEN/NAME`. Two origins have the same file there.
    pub(crate) fn file(&self, name: &str, len: u64) -> LargeFile<'_> {
        self.file_at("bytes", name, len)
    }

    /// The same below `/chunked`, `/close` and the like.
    pub(crate) fn file_at(&self, verb: &str, name: &str, len: u64) -> LargeFile<'_> {
        let path = format!("/{verb}/{len}/{name}");
        LargeFile { served: self, path, len, query: String::new() }
    }
}

impl LargeFile<'_> {
    /// The file with one more of the queries of `ringpull help origin`.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        let is_known = include_str!("../../src/cli/topics/origin.md")
            .split(['`', '&', ' '])
            .any(|word| word.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')));
        assert!(is_known, "the help has no query {name}");
        let separator = if self.query.is_empty() { '?' } else { '&' };
        self.query.push_str(&format!("{separator}{name}={value}"));
        self
    }

    pub(crate) fn target(&self) -> String {
        format!("{}{}", self.path, self.query)
    }

    pub(crate) fn url(&self) -> String {
        self.served.http(&self.target())
    }

    pub(crate) fn https_url(&self) -> String {
        self.served.https(&self.target())
    }

    /// What the origin counted of the path, over both listeners.
    pub(crate) fn stats(&self) -> FileStats {
        self.served.origin.file_stats(&self.path)
    }

    /// Has the file change now.
    pub(crate) fn change(&self) {
        self.served.origin.change(&self.path);
    }

    /// Bytes of the file after so many changes.
    pub(crate) fn bytes(&self, changes: u64, range: Range<u64>) -> Vec<u8> {
        let mut out = vec![0; usize::try_from(range.end - range.start).unwrap()];
        origin::fill(origin::version_seed(&self.path, changes), range.start, &mut out);
        out
    }

    /// Panics unless the file at `stored` is this one, whole, after so many changes.
    pub(crate) fn assert_stored(&self, stored: &Path, changes: u64) {
        let file = File::open(stored).unwrap_or_else(|why| panic!("{}: {why}", stored.display()));
        assert_eq!(file.metadata().unwrap().len(), self.len, "{}", stored.display());
        let mut got = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < self.len {
            let end = self.len.min(offset + got.len() as u64);
            let got = &mut got[..usize::try_from(end - offset).unwrap()];
            file.read_exact_at(got, offset).unwrap();
            let is_same = got == self.bytes(changes, offset..end);
            assert!(is_same, "{} differs within {offset}..{end}", stored.display());
            offset = end;
        }
    }
}
