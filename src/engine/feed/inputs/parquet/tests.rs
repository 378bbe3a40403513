//! Parquet files that are whole, damaged and cut off.

use super::*;
use crate::config::Input;
use crate::engine::feed::inputs::{Item, Lists};
use crate::plan::input::{Columns, KeptColumn};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// A file of three row groups: URLs of which every seventh is missing, numbers, and texts.
fn file(compression: Compression, version: WriterVersion) -> Vec<u8> {
    let schema = "message m { optional binary url (UTF8); required int64 id; optional double x; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_writer_version(version)
        .set_data_page_row_count_limit(300)
        .set_write_batch_size(100);
    let mut bytes = Vec::new();
    let mut file =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties.build())).unwrap();
    for group in GROUPS.windows(2) {
        let rows = group[0] + 1..=group[1];
        let mut to = file.next_row_group().unwrap();
        let levels: Vec<i16> = rows.clone().map(|n| i16::from(n % 7 != 0)).collect();
        let urls: Vec<ByteArray> = rows
            .clone()
            .filter(|n| n % 7 != 0)
            .map(|n| ByteArray::from(format!("http://h/{n}").into_bytes()))
            .collect();
        let ids: Vec<i64> = rows.clone().map(|n| n as i64).collect();
        let xs: Vec<f64> = rows.clone().filter(|n| n % 7 != 0).map(|n| n as f64 / 4.0).collect();
        let mut column = to.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&urls, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = to.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let mut column = to.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&xs, Some(&levels), None).unwrap();
        column.close().unwrap();
        to.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

/// Rows before each row group, and at the end.
const GROUPS: [u64; 4] = [0, 1_000, 1_001, 3_500];

fn options() -> Options {
    let keep = |name: &str| KeptColumn { name: name.to_owned(), report_name: name.to_owned() };
    let columns = Columns { keep: vec![keep("id"), keep("x")], ..Columns::default() };
    Options { columns, ..Options::default() }
}

fn read(lists: &mut Lists, count: usize) -> (Vec<Entry>, Option<anyhow::Error>) {
    let mut entries = Vec::new();
    while entries.len() < count {
        match lists.next() {
            Ok(Some(Item::Entry(entry))) => entries.push(entry),
            Ok(Some(Item::Pause)) => panic!("a file has no pauses"),
            Ok(None) => return (entries, None),
            Err(error) => return (entries, Some(error)),
        }
    }
    (entries, None)
}

fn open(dir: &Path, bytes: &[u8]) -> anyhow::Result<Lists> {
    let path = dir.join("list");
    std::fs::write(&path, bytes).unwrap();
    Lists::open(&[Input::File(path)], &options(), Path::new(""))
}

#[test]
fn rows_come_in_order_and_again_for_a_second_reader() {
    let dir = tempfile::tempdir().unwrap();
    for (compression, version) in [
        (Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0),
        (Compression::SNAPPY, WriterVersion::PARQUET_2_0),
        (Compression::ZSTD(ZstdLevel::default()), WriterVersion::PARQUET_1_0),
        (Compression::LZ4_RAW, WriterVersion::PARQUET_2_0),
        (Compression::GZIP(<_>::default()), WriterVersion::PARQUET_1_0),
    ] {
        let bytes = file(compression, version);
        let (all, error) = read(&mut open(dir.path(), &bytes).unwrap(), usize::MAX);
        assert!(error.is_none() && all.len() == 3_500, "{error:?}");
        for (entry, n) in all.iter().zip(1_u64..) {
            let (kept, index) = match entry {
                Ok(job) => {
                    assert_eq!(job.url(), format!("http://h/{n}"));
                    (&job.kept, job.index)
                }
                Err(bad) => (&bad.kept, bad.index),
            };
            assert_eq!((index, entry.is_ok()), (n, n % 7 != 0));
            let texts: Vec<String> = kept.values().map(|value| format!("{value:?}")).collect();
            let id = format!("{:?}", crate::plan::kept::Value::Json(n.to_string().as_bytes()));
            assert_eq!((texts.len(), &texts[0]), (2, &id));
        }
        for front in [0, 1, 999, 1_000, 1_001, 1_002, 2_024, 2_025, 3_100, 3_499, 3_500] {
            let mut lists = open(dir.path(), &bytes).unwrap();
            read(&mut lists, front);
            let ahead = read(&mut lists.onward().unwrap(), usize::MAX).0;
            assert!(ahead == all[front..], "{front}");
            assert!(read(&mut lists, usize::MAX).0 == all[front..], "the first is in its place");
        }
    }
}

#[test]
fn a_damaged_file_gives_what_is_before_and_never_panics() {
    let dir = tempfile::tempdir().unwrap();
    for (compression, version) in [
        (Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0),
        (Compression::UNCOMPRESSED, WriterVersion::PARQUET_2_0),
        (Compression::SNAPPY, WriterVersion::PARQUET_2_0),
        (Compression::ZSTD(ZstdLevel::default()), WriterVersion::PARQUET_1_0),
    ] {
        let bytes = file(compression, version);
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100 {
            let mut damaged = bytes.clone();
            // Half of them where the file tells what it has.
            let end = damaged.len();
            let begin = if random.bool() { end - 1_200 } else { 0 };
            for _ in 0..random.usize(1..4) {
                damaged[random.usize(begin..end)] = random.u8(..);
            }
            if let Ok(mut lists) = open(dir.path(), &damaged) {
                let (entries, error) = read(&mut lists, 100_000);
                let told = error.map(|error| format!("{error:#}")).unwrap_or_default();
                let wanted = format!("only {} whole rows", entries.len());
                assert!(told.is_empty() || told.contains(&wanted), "{told}");
            }
        }
        for end in (0..bytes.len()).step_by(211) {
            let error = open(dir.path(), &bytes[..end])
                .and_then(|mut lists| read(&mut lists, usize::MAX).1.map_or(Ok(()), Err));
            // Fewer bytes than the magic has are a text.
            assert!(error.is_err() || end < 4, "{end}");
        }
    }
}
