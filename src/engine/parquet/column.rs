//! One column of a row group, read some rows at a time.

use super::guard::Pages;
use crate::plan::input::parquet::Scalar;
use anyhow::{Context as _, ensure};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray, Int96};
use parquet::file::reader::RowGroupReader;

/// A column and the values of some rows.
pub(crate) struct Column {
    reader: ColumnReader,
    /// The definition level of a value that is there; 0 where every row has one.
    level_max: i16,
    /// Definition levels of the rows.
    levels: Vec<i16>,
    values: Values,
    /// Rows and values that were given.
    rows_given: usize,
    values_given: usize,
}

enum Values {
    Truth(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Int96(Vec<Int96>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl Column {
    /// Begins to read the column of this number of a row group.
    pub(crate) fn new(group: &dyn RowGroupReader, leaf: usize) -> anyhow::Result<Self> {
        let column = group.metadata().column(leaf).column_descr_ptr();
        let level_max = column.max_def_level();
        let pages = Pages(group.get_column_page_reader(leaf)?);
        let reader = get_column_reader(column, Box::new(pages));
        let values = match &reader {
            ColumnReader::BoolColumnReader(_) => Values::Truth(Vec::new()),
            ColumnReader::Int32ColumnReader(_) => Values::Int32(Vec::new()),
            ColumnReader::Int64ColumnReader(_) => Values::Int64(Vec::new()),
            ColumnReader::Int96ColumnReader(_) => Values::Int96(Vec::new()),
            ColumnReader::FloatColumnReader(_) => Values::Single(Vec::new()),
            ColumnReader::DoubleColumnReader(_) => Values::Double(Vec::new()),
            ColumnReader::ByteArrayColumnReader(_) => Values::Bytes(Vec::new()),
            ColumnReader::FixedLenByteArrayColumnReader(_) => Values::Fixed(Vec::new()),
        };
        let (levels, rows_given, values_given) = Default::default();
        Ok(Self { reader, level_max, levels, values, rows_given, values_given })
    }

    /// Reads so many rows, which are there; those before were given.
    pub(crate) fn fill(&mut self, count: usize) -> anyhow::Result<()> {
        (self.rows_given, self.values_given) = (0, 0);
        let levels = &mut self.levels;
        let (rows, values) = match (&mut self.reader, &mut self.values) {
            (ColumnReader::BoolColumnReader(reader), Values::Truth(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::Int32ColumnReader(reader), Values::Int32(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::Int64ColumnReader(reader), Values::Int64(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::Int96ColumnReader(reader), Values::Int96(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::FloatColumnReader(reader), Values::Single(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::DoubleColumnReader(reader), Values::Double(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::ByteArrayColumnReader(reader), Values::Bytes(values)) => {
                read(reader, count, levels, values)?
            }
            (ColumnReader::FixedLenByteArrayColumnReader(reader), Values::Fixed(values)) => {
                read(reader, count, levels, values)?
            }
            _ => unreachable!("values are those of their reader"),
        };
        let level_max = self.level_max;
        let present = match level_max {
            0 => rows,
            _ => self.levels.iter().filter(|level| **level == level_max).count(),
        };
        ensure!(rows == count, "it has fewer values than rows");
        ensure!(values == present, "its values are not those that it says");
        Ok(())
    }

    /// Passes over so many rows, from the front of the row group.
    pub(crate) fn skip(&mut self, count: usize) -> anyhow::Result<()> {
        let skipped = match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => reader.skip_records(count),
            ColumnReader::Int32ColumnReader(reader) => reader.skip_records(count),
            ColumnReader::Int64ColumnReader(reader) => reader.skip_records(count),
            ColumnReader::Int96ColumnReader(reader) => reader.skip_records(count),
            ColumnReader::FloatColumnReader(reader) => reader.skip_records(count),
            ColumnReader::DoubleColumnReader(reader) => reader.skip_records(count),
            ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(count),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => reader.skip_records(count),
        }?;
        ensure!(skipped == count, "it has fewer values than rows");
        Ok(())
    }

    /// The value of the next of the rows that were read; `None` where there is none.
    pub(crate) fn next(&mut self) -> Option<Scalar<'_>> {
        let is_there = self.level_max == 0 || self.levels[self.rows_given] == self.level_max;
        self.rows_given += 1;
        if !is_there {
            return None;
        }
        let at = self.values_given;
        self.values_given += 1;
        Some(match &self.values {
            Values::Truth(values) => Scalar::Truth(values[at]),
            Values::Int32(values) => Scalar::Whole(values[at].into()),
            Values::Int64(values) => Scalar::Whole(values[at]),
            Values::Int96(values) => match *values[at].data() {
                [low, high, day] => Scalar::Int96([low, high, day]),
                _ => return None,
            },
            Values::Single(values) => Scalar::Single(values[at]),
            Values::Double(values) => Scalar::Double(values[at]),
            Values::Bytes(values) => Scalar::Bytes(values[at].data()),
            Values::Fixed(values) => Scalar::Bytes(values[at].data()),
        })
    }
}

/// Reads rows in the place of those before: how many rows and values there were.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
    levels: &mut Vec<i16>,
    values: &mut Vec<T::T>,
) -> anyhow::Result<(usize, usize)> {
    levels.clear();
    values.clear();
    let read = reader.read_records(count, Some(levels), None, values);
    let (rows, values, _levels) = read.context("cannot decode it")?;
    Ok((rows, values))
}
