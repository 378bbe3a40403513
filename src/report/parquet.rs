//! Rows as a Parquet file, and back: the lines of a report in JSON Lines become typed columns
//! ([`Writer`]), and these the same lines again ([`Lines`]), byte for byte.
//!
//! A report in Parquet can be written only when all of it is known; until then it is a journal in
//! JSON Lines beside its name. Whether a value of a kept column was a text or another value of JSON
//! is noted beside the rows (`marks`), since both are texts in the table.

mod invalid;
mod line;
mod marks;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use line::{Lines, Value};
pub use schema::Found;
pub use write::Writer;

use super::row::{Row, RowEncoder, RowFormat};
use std::io::{self, Write};

/// Writes a file of these rows; `kept` are the names of the columns of the list that they have.
///
/// # Errors
/// It cannot be written.
pub fn write(rows: &[Row], kept: &[String], out: impl Write + Send) -> io::Result<()> {
    let mut encoder = RowEncoder::new(RowFormat::JsonLines).keeping(kept.to_vec());
    let mut writer = Writer::new(out, kept)?;
    let mut line = Vec::new();
    for row in rows {
        line.clear();
        encoder.encode(row, &mut line);
        writer.line(&line)?;
    }
    writer.finish().map(|_| ())
}
