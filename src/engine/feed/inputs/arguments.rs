//! One input as URLs given one by one.

use super::item::Item;
use crate::plan::job::Job;

/// URLs of the command line, which are lines of their own.
#[derive(Clone)]
pub(super) struct Arguments {
    urls: std::vec::IntoIter<String>,
    /// Lines up to here.
    lines: u64,
}

impl Arguments {
    /// URLs behind so many lines of other inputs.
    pub(super) fn new(urls: Vec<String>, lines_before: u64) -> Self {
        Self { urls: urls.into_iter(), lines: lines_before }
    }

    /// The next URL.
    pub(super) fn next(&mut self) -> Option<Item> {
        let url = self.urls.next()?;
        self.lines += 1;
        Some(Item::Entry(Job::from_argument(self.lines, &url)))
    }

    /// Lines up to here, those of the inputs before it included.
    pub(super) fn lines_total(&self) -> u64 {
        self.lines
    }
}
