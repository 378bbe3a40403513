//! Rows of a Parquet file: which of its columns are read, and what a row asks for. The file itself
//! is read elsewhere, column by column.

mod kind;
mod show;

pub use kind::{Kind, Scalar};

use super::columns::{Columns, FormError, KEEP_FLAG, Picked, find_all};
use crate::fault::InputProblem;
use crate::limits;
use crate::plan::job::{At, Cells, Entry, bad_record, entry_of_row};
use crate::plan::kept::{Kept, Value};
use crate::plan::target::LastOrigin;
use ::parquet::schema::types::SchemaDescriptor;
use std::ops::Range;

/// A column of the file that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Number of the column among those that have no columns within.
    pub leaf: usize,
    /// Name of the column; within another one both names, with a dot between.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// The columns of a file that are read, each once.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    fields: Vec<Field>,
    url: usize,
    out: Option<usize>,
    checksum: Option<usize>,
    keep: Vec<usize>,
}

impl Fields {
    /// Finds the wanted columns in the schema of a file.
    ///
    /// # Errors
    /// One is not there, or is of a type that it cannot have.
    pub fn pick(schema: &SchemaDescriptor, wanted: &Columns) -> Result<Self, FormError> {
        let known = known(schema);
        let names: Vec<&str> = known.iter().map(|known| &*known.name).collect();
        let picked = find_all(&names, wanted)?;
        let Picked { url, out, checksum, keep, count: _ } = picked;
        let (mut fields, mut places) = (Vec::new(), Vec::new());
        let mut take = |at: usize, flag: &str, is_text: bool| {
            let field = known[at].field(schema, flag, is_text)?;
            Ok::<_, FormError>(match places.iter().position(|place| *place == at) {
                Some(position) => position,
                None => {
                    places.push(at);
                    fields.push(field);
                    fields.len() - 1
                }
            })
        };
        let url = take(url, "--url-col", true)?;
        let out = out.map(|at| take(at, "--out-col", true)).transpose()?;
        let checksum = checksum.map(|at| take(at, "--checksum-col", true)).transpose()?;
        let keep = keep.iter().map(|at| take(*at, KEEP_FLAG, false)).collect::<Result<_, _>>()?;
        Ok(Self { fields, url, out, checksum, keep })
    }

    /// The columns, in the order in which [`Rows::row`] gets their values.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }
}

/// A column as the schema has it.
struct Known {
    name: String,
    /// The only column in it that has none within, unless it has several values in a row.
    leaf: Option<usize>,
}

impl Known {
    fn field(
        &self,
        schema: &SchemaDescriptor,
        flag: &str,
        is_text: bool,
    ) -> Result<Field, FormError> {
        let name = &self.name;
        let Some(leaf) = self.leaf else {
            return Err(FormError(format!(
                "its column {name:?} of {flag} has several values in a row (a list or a map); \
                 write it as text when the file is made, or leave it out"
            )));
        };
        let column = schema.column(leaf);
        let kind = Kind::of(&column);
        if is_text && kind != Some(Kind::Text) {
            let kind = column.physical_type();
            return Err(FormError(format!(
                "its column {name:?} of {flag} is {kind}, not text; name another column, or write \
                 it as a string when the file is made"
            )));
        }
        match kind {
            Some(kind) => Ok(Field { leaf, name: name.clone(), kind }),
            None => Err(FormError(format!(
                "its column {name:?} of {flag} has a type that is not read; write it as text when \
                 the file is made, or leave it out"
            ))),
        }
    }
}

/// The columns of a file: those at the top, and those within one that have one value in a row.
fn known(schema: &SchemaDescriptor) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let mut lists: Vec<&str> = Vec::new();
    for (leaf, column) in schema.columns().iter().enumerate() {
        if column.max_rep_level() == 0 {
            known.push(Known { name: column.path().string(), leaf: Some(leaf) });
            continue;
        }
        let root = schema.get_column_root(leaf).name();
        if lists.last() != Some(&root) {
            lists.push(root);
            known.push(Known { name: root.to_owned(), leaf: None });
        }
    }
    known
}

/// The rows of one file to its entries.
#[derive(Clone, Debug)]
pub struct Rows {
    fields: Fields,
    lines_before: u64,
    row_number: u64,
    /// Origin of the URL before.
    origin: LastOrigin,
    /// Text of the values that are kept of a row, which are behind each other here.
    shown: Vec<u8>,
    spans: Vec<Span>,
}

/// A value that is kept.
#[derive(Clone, Debug)]
enum Span {
    Nothing,
    Text(Range<usize>),
    Json(Range<usize>),
}

impl Rows {
    /// A reader of rows of a file that has `lines_before` lines in the inputs before it.
    pub fn new(fields: Fields, lines_before: u64) -> Self {
        let (shown, spans, origin) = Default::default();
        Self { fields, lines_before, row_number: 0, origin, shown, spans }
    }

    /// The columns that are read.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The entry of the next row: its values in the columns of [`Fields::fields`].
    ///
    /// # Errors
    /// The row has no good URL: the bad line for its row.
    pub fn row(&mut self, values: &[Option<Scalar<'_>>]) -> Entry {
        self.row_number += 1;
        let at = At { index: self.lines_total(), line_number: self.row_number };
        let text = |at: usize| match values[at] {
            Some(Scalar::Bytes(bytes)) => bytes,
            Some(_) | None => b"",
        };
        let optional = |at: Option<usize>| at.map_or(&b""[..], text);
        let (out, checksum) = (self.fields.out, self.fields.checksum);
        let cells =
            Cells { url: text(self.fields.url), out: optional(out), checksum: optional(checksum) };
        self.shown.clear();
        self.spans.clear();
        for field in &self.fields.keep {
            let begin = self.shown.len();
            self.spans.push(match values[*field] {
                None => Span::Nothing,
                Some(value) => {
                    let is_json = self.fields.fields[*field].kind.show(value, &mut self.shown);
                    let range = begin..self.shown.len();
                    if is_json { Span::Json(range) } else { Span::Text(range) }
                }
            });
        }
        let length = cells.url.len() + cells.out.len() + cells.checksum.len() + self.shown.len();
        if length > limits::RECORD_BYTES_MAX {
            let remedy = format!("longer than {} bytes; shorten it", limits::RECORD_BYTES_MAX);
            return Err(bad_record(at, cells.url, InputProblem::LineTooLong, &remedy));
        }
        let shown = &self.shown;
        let kept = Kept::new(self.spans.iter().map(|span| match span {
            Span::Nothing => Value::Nothing,
            Span::Text(range) => Value::Text(&shown[range.clone()]),
            Span::Json(range) => Value::Json(&shown[range.clone()]),
        }));
        entry_of_row(at, &cells, kept, &mut self.origin)
    }

    /// Rows of this file so far.
    pub fn rows(&self) -> u64 {
        self.row_number
    }

    /// Lines of all inputs so far: what the reader of the next input begins with.
    pub fn lines_total(&self) -> u64 {
        self.lines_before + self.row_number
    }
}

#[cfg(test)]
mod tests;
