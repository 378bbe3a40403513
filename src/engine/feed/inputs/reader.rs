//! The input that is being read, whatever it is. Another kind of input is one more variant with a
//! file of its own.

use super::arguments::Arguments;
use super::item::Item;
use super::parquet::Rowed;
use super::source::Source;
use super::stream::Stream;
use crate::config::Given;
use crate::plan::job::Job;

/// What reads one input.
pub(super) enum InputReader {
    /// URLs given one by one.
    Arguments(Arguments),
    /// URLs that a program gives one by one, and lines up to here.
    Given { given: Given, lines: u64 },
    /// Lines, or rows of a table, as bytes that come.
    Bytes(Box<Stream>),
    /// Rows of a Parquet file, whose parts are found from its end.
    Rows(Box<Rowed>),
}

/// A second reader of an input.
pub(super) enum Second {
    /// From where the first one stands.
    Here(InputReader),
    /// One that has to begin at the start, for the input is packed.
    FromStart,
}

impl InputReader {
    /// The next entry, or why there is none; nothing at the end.
    pub(super) fn next(&mut self) -> Option<anyhow::Result<Item>> {
        match self {
            Self::Arguments(arguments) => arguments.next().map(Ok),
            Self::Given { given, lines } => {
                let url = given.next()?;
                *lines += 1;
                Some(Ok(Item::Entry(Job::from_argument(*lines, &url))))
            }
            Self::Bytes(stream) => stream.next(),
            Self::Rows(rows) => rows.next().map(|entry| entry.map(Item::Entry)),
        }
    }

    /// A second reader of `source`, which is what this one reads; `None` where there can be none.
    pub(super) fn second(&self, source: &Source) -> Option<Second> {
        match (self, source) {
            (Self::Arguments(arguments), _) => {
                Some(Second::Here(Self::Arguments(arguments.clone())))
            }
            (Self::Bytes(stream), Source::File { path, .. }) => {
                let file = stream.reopened(path).ok()??;
                if !stream.is_plain() {
                    return Some(Second::FromStart);
                }
                Some(Second::Here(Self::Bytes(Box::new(stream.onward(file).ok()?))))
            }
            (Self::Rows(rows), Source::Parquet(path)) => {
                Some(Second::Here(Self::Rows(Box::new(rows.onward(path)?))))
            }
            (Self::Bytes(_) | Self::Rows(_) | Self::Given { .. }, _) => None,
        }
    }

    /// Whether it comes to its end without anybody's help.
    pub(super) fn is_steady(&self) -> bool {
        match self {
            Self::Arguments(_) | Self::Rows(_) => true,
            Self::Given { .. } => false,
            Self::Bytes(stream) => stream.is_steady(),
        }
    }

    /// Lines up to here, those of the inputs before it included.
    pub(super) fn lines_total(&self) -> u64 {
        match self {
            Self::Arguments(arguments) => arguments.lines_total(),
            Self::Given { lines, .. } => *lines,
            Self::Bytes(stream) => stream.lines_total(),
            Self::Rows(rows) => rows.lines_total(),
        }
    }
}
