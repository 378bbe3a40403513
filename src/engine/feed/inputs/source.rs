//! What an input is, before it is read.

use super::arguments::Arguments;
use super::item::unusable;
use super::parquet::{Rowed, begins_as_parquet};
use super::reader::InputReader;
use super::stream::Stream;
use crate::config::{Given, Input};
use crate::error::RunError;
use crate::plan::input::{Format, List, Options, format_of};
use anyhow::Context as _;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

/// What the lines of an input are.
fn format_of_input(config: &Options, name: &str) -> Format {
    config.format.unwrap_or_else(|| format_of(name))
}

/// One input that was looked at.
pub(super) enum Source {
    /// A file, or a pipe in the file system; and the token of the report whose lines are in it.
    File { path: PathBuf, report: Option<u64> },
    /// A Parquet file.
    Parquet(PathBuf),
    /// Standard input, read once.
    Stdin(File),
    /// URLs given as arguments.
    Arguments(Vec<String>),
    /// URLs that a program gives one by one.
    Given(Given),
}

impl Source {
    /// Begins to read it, behind so many lines of other inputs.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn begin(&self, config: &Options, lines_before: u64) -> anyhow::Result<InputReader> {
        let (file, name) = match self {
            Self::Arguments(urls) => {
                return Ok(InputReader::Arguments(Arguments::new(urls.clone(), lines_before)));
            }
            Self::Given(given) => {
                let given = given.clone();
                return Ok(InputReader::Given { given, lines: lines_before });
            }
            Self::Parquet(path) => {
                return Ok(InputReader::Rows(Box::new(Rowed::open(path, config, lines_before)?)));
            }
            Self::Stdin(file) => {
                (file.try_clone().context("cannot read standard input")?, STDIN.to_owned())
            }
            Self::File { path, .. } => {
                let name = path.display().to_string();
                (File::open(path).with_context(|| unusable(&name))?, name)
            }
        };
        let format = format_of_input(config, &name);
        let list = List::new(format, config, lines_before);
        Ok(InputReader::Bytes(Box::new(Stream::new(file, name, list))))
    }

    /// A source of the same bytes for a second reader, where there can be one.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::File { path, report } if path.is_file() => {
                Some(Self::File { path: path.clone(), report: *report })
            }
            Self::Parquet(path) if path.is_file() => Some(Self::Parquet(path.clone())),
            Self::File { .. } | Self::Parquet(_) | Self::Stdin(_) | Self::Given(_) => None,
            Self::Arguments(urls) => Some(Self::Arguments(urls.clone())),
        }
    }

    /// Looks whether an input can be read, and at what is in it as far as its first entry.
    ///
    /// # Errors
    /// It cannot.
    pub(super) fn look(input: &Input, config: &Options) -> anyhow::Result<Self> {
        Ok(match input {
            Input::Urls(urls) => Self::Arguments(urls.clone()),
            Input::Given(given) => Self::Given(given.clone()),
            Input::Stdin => {
                let stdin = io::stdin().as_fd().try_clone_to_owned();
                Self::Stdin(File::from(stdin.context("cannot read standard input")?))
            }
            Input::File(path) => {
                let name = path.display().to_string();
                let cannot = || unusable(&name);
                let mut report = None;
                let mut format = format_of_input(config, &name);
                let is_file = path.metadata().with_context(cannot)?.is_file();
                if format == Format::Text && config.format.is_none() && is_file {
                    // A file of any name that begins so is no text.
                    let file = File::open(path).with_context(cannot)?;
                    if begins_as_parquet(&file) {
                        format = Format::Parquet;
                    }
                }
                if format == Format::Parquet {
                    if !is_file {
                        let error = RunError::usage(PIPED);
                        return Err(anyhow::Error::new(error).context(cannot()));
                    }
                    Rowed::open(path, config, 0)?;
                    return Ok(Self::Parquet(path.clone()));
                }
                if is_file {
                    let list = List::new(format, config, 0);
                    let file = File::open(path).with_context(cannot)?;
                    report = Stream::new(file, name.clone(), list).check()?;
                }
                Self::File { path: path.clone(), report }
            }
        })
    }
}

const PIPED: &str = "it is a pipe or a device, and Parquet is read from its end: save it to a file \
     and give that";
/// What standard input is called.
const STDIN: &str = "standard input";
