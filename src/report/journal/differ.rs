//! The first line of a list that is not the one of its report.

use super::done::Mismatch;
use super::url::{URL_SHOWN_CHARS_MAX, Url, shown};
use std::fmt;

/// Finds the first line of a list that is not the one of the report: give it all rows.
#[derive(Debug)]
pub struct Difference<'c> {
    mismatch: Mismatch,
    lines: &'c Lines,
    /// Whether the list has some lines of the report only, so that rows of other lines are no
    /// difference.
    is_partial: bool,
    /// The first different line so far, and the URL of its row.
    first: Option<(u64, String)>,
}

impl<'c> Difference<'c> {
    pub(super) fn new(mismatch: Mismatch, lines: &'c Lines, is_partial: bool) -> Self {
        Self { mismatch, lines, is_partial, first: None }
    }

    /// Takes a row.
    pub fn row(&mut self, index: u64, url: Url<'_>) {
        let (first, last) = self.mismatch.lines;
        if !(first..=last).contains(&index) || self.first.as_ref().is_some_and(|f| f.0 <= index) {
            return;
        }
        let is_as_given = url.is_as_given();
        let is_same = self.line(index).map_or(self.is_partial, |line| {
            url.hash(index, is_as_given) == line.hashes[usize::from(is_as_given)]
        });
        if !is_same {
            self.first = Some((index, shown(url.given)));
        }
    }

    /// Whether a different line was found.
    pub fn is_found(&self) -> bool {
        self.first.is_some()
    }

    fn line(&self, index: u64) -> Option<&Line> {
        let lines = &self.lines.lines;
        lines.binary_search_by_key(&index, |line| line.index).ok().map(|at| &lines[at])
    }
}

/// Says for people what differs: the line, its text now, and that in the report.
impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.first {
            // Its rows are gone by now.
            None => self.mismatch.fmt(f),
            Some((index, told)) => match self.line(*index) {
                Some(line) => {
                    let is = shown(self.lines.given(line));
                    write!(f, "line {index} is {is}, and was {told}")
                }
                None => write!(f, "line {index} has no URL any more, and was {told}"),
            },
        }
    }
}

/// Lines that are not known yet to be those of the report.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// Texts of the lines, one behind the other, as much of each as is shown.
    texts: Vec<u8>,
}

/// One line whose row was not compared yet.
#[derive(Debug)]
struct Line {
    index: u64,
    /// [`Url::hash`] of the line's URL in its normal form, and as it was given.
    hashes: [u64; 2],
    text_at: usize,
    text_len: usize,
}

impl Lines {
    pub(super) fn push(&mut self, index: u64, url: Url<'_>, hashes: [u64; 2]) {
        let text = &url.given[..url.given.len().min(TEXT_BYTES_MAX)];
        let (text_at, text_len) = (self.texts.len(), text.len());
        self.texts.extend_from_slice(text);
        self.lines.push(Line { index, hashes, text_at, text_len });
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    fn given(&self, line: &Line) -> &[u8] {
        &self.texts[line.text_at..][..line.text_len]
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.texts.clear();
    }
}

/// Bytes of a URL in which one character more than [`URL_SHOWN_CHARS_MAX`] is sure to begin.
const TEXT_BYTES_MAX: usize = 4 * (URL_SHOWN_CHARS_MAX + 1);
