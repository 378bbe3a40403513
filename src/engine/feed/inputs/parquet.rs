//! One Parquet file, read from its end: its columns part by part, so that memory is bounded by some
//! rows and a page of each column that is wanted.

mod footer;

pub(super) use footer::begins_as_parquet;

use super::item::unusable;
use crate::engine::parquet::{Column, guarded};
use crate::error::RunError;
use crate::plan::input::Options;
use crate::plan::input::parquet::{Fields, Rows};
use crate::plan::job::Entry;
use anyhow::Context as _;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The rows of one file.
pub(super) struct Rowed {
    name: String,
    file: SerializedFileReader<File>,
    /// Device and inode of the file.
    place: (u64, u64),
    rows: Rows,
    /// The columns of the row group at hand.
    columns: Vec<Column>,
    group: Group,
    is_empty: bool,
}

/// Where reading is in the row groups.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    /// Row groups that were begun.
    begun: usize,
    /// Rows of the one at hand.
    rows: usize,
    /// Rows of it that were read from the file.
    read: usize,
    /// Rows among them that were given.
    given: usize,
}

impl Rowed {
    /// Opens a file, behind so many lines of other inputs.
    ///
    /// # Errors
    /// It cannot be read, is no Parquet file, or lacks a column that is wanted.
    pub(super) fn open(path: &Path, config: &Options, lines_before: u64) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let cannot = || unusable(&name);
        let file = File::open(path).with_context(cannot)?;
        let metadata = file.metadata().with_context(cannot)?;
        let opened = guarded(|| {
            let opened = footer::open(file)?;
            let schema = opened.file.metadata().file_metadata().schema_descr();
            let fields = Fields::pick(schema, &config.columns)?;
            footer::check_columns(&opened, &fields)?;
            Ok((opened.file, fields))
        });
        let (file, fields) = opened.with_context(cannot)?;
        if config.delimiter.is_some() {
            return Err(anyhow::anyhow!(NO_DELIMITER)).with_context(cannot);
        }
        Ok(Self {
            file,
            place: (metadata.dev(), metadata.ino()),
            rows: Rows::new(fields, lines_before),
            columns: Vec::new(),
            group: Group::default(),
            is_empty: true,
            name,
        })
    }

    /// A second reader of the same file from where this one stands, if that is what is at `path`.
    pub(super) fn onward(&self, path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let metadata = file.metadata().ok()?;
        if self.place != (metadata.dev(), metadata.ino()) {
            return None;
        }
        let mut onward = Self {
            name: self.name.clone(),
            file: guarded(|| footer::open(file)).ok()?.file,
            place: self.place,
            rows: self.rows.clone(),
            columns: Vec::new(),
            group: self.group,
            is_empty: self.is_empty,
        };
        if self.group.given < self.group.rows {
            // An error is that of the first reader, who comes to it.
            let given = self.group.given;
            onward.begin_group(self.group.begun - 1).ok()?;
            (onward.group.read, onward.group.given) = (given, given);
            let mut columns = onward.columns.iter_mut();
            guarded(|| columns.try_for_each(|column| column.skip(given))).ok()?;
        }
        Some(onward)
    }

    /// The next entry, or why there is none; nothing at the end.
    pub(super) fn next(&mut self) -> Option<anyhow::Result<Entry>> {
        let next = self.go_on().map_err(|error| {
            // Nothing is behind it.
            self.group = Group { begun: usize::MAX, ..Group::default() };
            let rows = self.rows.rows();
            let cannot = format!("cannot read {} to its end, only {rows} whole rows", self.name);
            error.context(RunError::local_file(cannot))
        });
        self.is_empty &= matches!(next, Ok(None));
        next.transpose()
    }

    fn go_on(&mut self) -> anyhow::Result<Option<Entry>> {
        while self.group.given == self.group.read {
            if self.group.read < self.group.rows {
                self.fill()?;
            } else if self.group.begun < self.file.num_row_groups() {
                self.begin_group(self.group.begun)?;
            } else {
                return Ok(None);
            }
        }
        self.group.given += 1;
        let values: Vec<_> = self.columns.iter_mut().map(Column::next).collect();
        Ok(Some(self.rows.row(&values)))
    }

    /// Begins a row group.
    fn begin_group(&mut self, number: usize) -> anyhow::Result<()> {
        let begun = guarded(|| {
            let group = self.file.get_row_group(number)?;
            let fields = self.rows.fields().fields().iter();
            let columns = fields.map(|field| Column::new(&*group, field.leaf));
            Ok((usize::try_from(group.metadata().num_rows())?, columns.collect::<Result<_, _>>()?))
        });
        let (rows, columns) = begun.with_context(|| damaged(number))?;
        self.columns = columns;
        self.group = Group { begun: number + 1, rows, read: 0, given: 0 };
        Ok(())
    }

    /// Reads some rows of the row group at hand.
    fn fill(&mut self) -> anyhow::Result<()> {
        let count = ROWS_READ.min(self.group.rows - self.group.read);
        for (column, field) in self.columns.iter_mut().zip(self.rows.fields().fields()) {
            guarded(|| column.fill(count)).with_context(|| {
                let number = self.group.begun;
                format!("column {:?} of row group {number} is damaged", field.name)
            })?;
        }
        self.group.read += count;
        Ok(())
    }

    /// Lines up to here, those of the inputs before it included.
    pub(super) fn lines_total(&self) -> u64 {
        self.rows.lines_total()
    }

    /// The name of the file, if it had no row.
    pub(super) fn into_empty_name(self) -> Option<String> {
        self.is_empty.then_some(self.name)
    }
}

fn damaged(number: usize) -> String {
    format!("row group {} is damaged", number + 1)
}

/// Rows that are read at once.
const ROWS_READ: usize = 1_024;
const NO_DELIMITER: &str = "it is Parquet, and --delimiter is for CSV; leave it out";

#[cfg(test)]
mod tests;
