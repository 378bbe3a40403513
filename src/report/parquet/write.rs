//! Lines of a report in JSON Lines to a Parquet file, some rows in memory at a time.

use super::invalid::{invalid, nonsense};
use super::line::{Parsed, parse};
use super::marks::Marks;
use super::schema::{Kind, is_required, schema};
use crate::report::row::NAMES;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use std::io::{self, Write};
use std::sync::Arc;

/// Writes rows as a Parquet file, whose row groups have so many rows as fit in memory.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    kept: Vec<String>,
    columns: Vec<Column>,
    marks: Marks,
    /// Rows in all, those of the row group at hand, and their bytes.
    rows: u64,
    group_rows: usize,
    group_bytes: usize,
}

/// The values of a column in the row group at hand.
struct Column {
    values: Values,
    /// Whether each row has a value; unused where every row must have one.
    levels: Option<Vec<i16>>,
}

enum Values {
    Text(Vec<ByteArray>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Seconds(Vec<f64>),
    Truth(Vec<bool>),
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file. `kept` are the names of the columns of the list that rows have.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, kept: &[String]) -> io::Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(format!("ringpull version {}", env!("CARGO_PKG_VERSION")));
        let properties = Arc::new(properties.build());
        let file = SerializedFileWriter::new(out, Arc::new(schema(kept)?), properties);
        let own = NAMES.iter().map(|name| Column::new(Kind::of(name), is_required(name)));
        let columns = own.chain(kept.iter().map(|_| Column::new(Kind::Text, false))).collect();
        Ok(Self {
            file: file.map_err(to_io)?,
            kept: kept.to_vec(),
            columns,
            marks: Marks::new(kept.len()),
            rows: 0,
            group_rows: 0,
            group_bytes: 0,
        })
    }

    /// Takes a row as a report in JSON Lines has it, its line end included or not.
    ///
    /// # Errors
    /// It is no row, or cannot be written.
    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let values = parse(line, &self.kept)?;
        for (at, (column, value)) in self.columns.iter_mut().zip(values).enumerate() {
            if let Some(Parsed::Json(_)) = value {
                self.marks.insert(at - NAMES.len(), self.rows);
            }
            let is_taken = column.push(value).is_some();
            // Those of the list take everything.
            if !is_taken {
                return Err(nonsense(NAMES.get(at).copied().unwrap_or_default()));
            }
        }
        self.rows += 1;
        self.group_rows += 1;
        self.group_bytes += line.len();
        if self.group_rows == GROUP_ROWS || self.group_bytes >= GROUP_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    /// Writes what is left and the end of the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_group()?;
        if let Some(note) = self.marks.note(&self.kept)? {
            self.file.append_key_value_metadata(note);
        }
        self.file.into_inner().map_err(to_io)
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group().map_err(to_io)?;
        for column in &mut self.columns {
            let to = group.next_column().map_err(to_io)?;
            column.write(to.ok_or_else(|| invalid("a column is missing"))?)?;
        }
        group.close().map_err(to_io)?;
        (self.group_rows, self.group_bytes) = (0, 0);
        Ok(())
    }
}

impl Column {
    fn new(kind: Kind, is_required: bool) -> Self {
        let values = match kind {
            Kind::Text => Values::Text(Vec::new()),
            Kind::Int32 => Values::Int32(Vec::new()),
            Kind::Int64 | Kind::Instant => Values::Int64(Vec::new()),
            Kind::Seconds => Values::Seconds(Vec::new()),
            Kind::Truth => Values::Truth(Vec::new()),
        };
        Self { values, levels: (!is_required).then(Vec::new) }
    }

    /// Takes the value of the next row; `None` where it has none that fits.
    fn push(&mut self, value: Option<Parsed>) -> Option<()> {
        let Some(value) = value else {
            self.levels.as_mut()?.push(0);
            return Some(());
        };
        match (&mut self.values, value) {
            (Values::Text(values), Parsed::Text(text) | Parsed::Json(text)) => {
                values.push(ByteArray::from(text.into_bytes()));
            }
            (Values::Int32(values), Parsed::Int32(value)) => values.push(value),
            (Values::Int64(values), Parsed::Int64(value)) => values.push(value),
            (Values::Seconds(values), Parsed::Seconds(value)) => values.push(value),
            (Values::Truth(values), Parsed::Truth(value)) => values.push(value),
            _ => return None,
        }
        self.levels.iter_mut().for_each(|levels| levels.push(1));
        Some(())
    }

    /// Writes the values of the row group, and forgets them.
    fn write(&mut self, mut to: SerializedColumnWriter<'_>) -> io::Result<()> {
        let levels = self.levels.as_deref();
        let written = match (to.untyped(), &mut self.values) {
            (ColumnWriter::ByteArrayColumnWriter(to), Values::Text(values)) => {
                let written = to.write_batch(values, levels, None);
                values.clear();
                written
            }
            (ColumnWriter::Int32ColumnWriter(to), Values::Int32(values)) => {
                let written = to.write_batch(values, levels, None);
                values.clear();
                written
            }
            (ColumnWriter::Int64ColumnWriter(to), Values::Int64(values)) => {
                let written = to.write_batch(values, levels, None);
                values.clear();
                written
            }
            (ColumnWriter::DoubleColumnWriter(to), Values::Seconds(values)) => {
                let written = to.write_batch(values, levels, None);
                values.clear();
                written
            }
            (ColumnWriter::BoolColumnWriter(to), Values::Truth(values)) => {
                let written = to.write_batch(values, levels, None);
                values.clear();
                written
            }
            _ => unreachable!("columns are those of the schema"),
        };
        written.map_err(to_io)?;
        self.levels.iter_mut().for_each(Vec::clear);
        to.close().map_err(to_io)
    }
}

/// What could not be written, as an error of files where it is one.
fn to_io(error: parquet::errors::ParquetError) -> io::Error {
    match error {
        parquet::errors::ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}

/// Most rows of a row group.
const GROUP_ROWS: usize = 64 * 1024;
/// Bytes of lines that end a row group of fewer rows.
const GROUP_BYTES: usize = 64 << 20;
