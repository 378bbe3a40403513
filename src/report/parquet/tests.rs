//! Rows to a file and back.

use super::schema::Kind;
use super::*;
use crate::fault::{Cause, Fault, Stage};
use crate::report::row::{COLUMNS, Kept, NAMES, Status};
use crate::report::{Resume, Times};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

/// Lines to a file, and the lines of that again.
fn again(lines: &[u8], kept: &[String]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), kept).unwrap();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        writer.line(line).unwrap();
    }
    read(writer.finish().unwrap())
}

fn read(file: Vec<u8>) -> Vec<u8> {
    let mut written = tempfile::tempfile().unwrap();
    written.write_all(&file).unwrap();
    let file = SerializedFileReader::new(written).unwrap();
    let metadata = file.metadata().file_metadata();
    let found = Found::of(metadata.schema_descr()).unwrap();
    let count = found.count();
    let mut lines = Lines::new(found, metadata.key_value_metadata()).unwrap();
    let mut out = Vec::new();
    for row in file.get_row_iter(None).unwrap() {
        let row = row.unwrap();
        let values: Vec<_> = row.get_column_iter().map(|(_, field)| value(field)).collect();
        assert_eq!(values.len(), count);
        lines.line(&values, &mut out).unwrap();
    }
    out
}

fn value(field: &Field) -> Option<Value<'_>> {
    Some(match field {
        Field::Null => return None,
        Field::Str(text) => Value::Text(text.as_bytes()),
        Field::Int(number) => Value::Whole((*number).into()),
        Field::Long(number) | Field::TimestampMicros(number) => Value::Whole(*number),
        Field::Double(number) => Value::Seconds(*number),
        Field::Bool(truth) => Value::Truth(*truth),
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_column_has_the_kind_of_its_values() {
    use crate::report::row::Cell;
    let row = &full_row();
    for column in &COLUMNS {
        let kind = match column.value(row) {
            Cell::Number(_) if Kind::of(column.name) == Kind::Int32 => Kind::Int32,
            Cell::Number(_) => Kind::Int64,
            Cell::Seconds(_) => Kind::Seconds,
            Cell::At(_) => Kind::Instant,
            Cell::Truth(_) => Kind::Truth,
            Cell::Nothing => panic!("{} has no value", column.name),
            Cell::Raw(_) | Cell::Json(_) | Cell::Path(_) | Cell::Text(_) | Cell::Shown(_) => {
                Kind::Text
            }
        };
        assert_eq!(Kind::of(column.name), kind, "{}", column.name);
    }
}

/// A row with a value in every column.
fn full_row() -> Row {
    let micros = Duration::from_micros;
    Row {
        response_code: 206,
        status: Status::Failed,
        fault: Some(Fault::new(Stage::Connect, Cause::Refused)),
        filename: Some("out/a\u{202e}b\n".to_owned()),
        size_download: u64::from(u32::MAX) + 7,
        content_type: Some("text/\u{202e}x".into()),
        content_encoding: Some("gzip".into()),
        etag: Some("W/\"a\"".into()),
        num_retries: 1,
        num_redirects: 2,
        num_connects: 3,
        url_effective: Some("http://h/b".to_owned()),
        remote_ip: Some([127, 0, 0, 1].into()),
        http_minor_version: Some(1),
        tls_resumed: Some(true),
        times: Times { queue: micros(1), total: micros(86_400_000_001), ..Times::default() },
        size_file: Some(0),
        digest: Some("sha-256=00".into()),
        size_resumed: 9,
        num_parts: 4,
        resume: Some(Resume::Continued),
        duplicate_of: Some(3),
        ..Row::new(7, "http://h/a\u{1b}\u{202e}".into(), at(1_700_000_000_123))
    }
}

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

fn encode(rows: &[Row], kept: &[String]) -> Vec<u8> {
    let mut encoder = RowEncoder::new(RowFormat::JsonLines).keeping(kept.to_vec());
    let mut lines = Vec::new();
    rows.iter().for_each(|row| encoder.encode(row, &mut lines));
    lines
}

#[test]
fn rows_are_written_at_once() {
    let kept = ["caption".to_owned()];
    let row = Row { kept: vec![Kept::Text((*b"x").into())], ..full_row() };
    let rows = [row, Row { kept: vec![Kept::Nothing], ..full_row() }];
    let mut file = Vec::new();
    write(&rows, &kept, &mut file).unwrap();
    assert_eq!(read(file), encode(&rows, &kept));
    let mut empty = Vec::new();
    write(&[], &kept, &mut empty).unwrap();
    assert!(empty.starts_with(b"PAR1") && read(empty).is_empty());
}

#[test]
fn values_that_no_row_has_are_refused() {
    let good = String::from_utf8(encode(&[full_row()], &[])).unwrap();
    for (from, to, told) in [
        ("\"index\":7", "\"index\":null", "column index"),
        ("\"index\":7", "\"index\":-x", "number"),
        ("\"num_retries\":1", "\"num_retries\":5000000000", "column num_retries"),
        ("\"tls_resumed\":true", "\"tls_resumed\":1", "column tls_resumed"),
        ("\"attempted_at\":\"2023", "\"attempted_at\":\"x", "column attempted_at"),
        ("\"etag\":", "\"etag\":5,\"x\":", "column etag"),
    ] {
        let line = good.replacen(from, to, 1);
        assert_ne!(line, good);
        let mut writer = Writer::new(Vec::new(), &[]).unwrap();
        let error = writer.line(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_row_of_an_older_version_has_nulls_for_what_it_lacks() {
    let line = b"{\"url\":\"u\",\"response_code\":200,\"index\":1,\"status\":\"ok\"}\n";
    let lines = String::from_utf8(again(line, &[])).unwrap();
    assert!(lines.starts_with("{\"url\":\"u\",\"response_code\":200,\"index\":1,"), "{lines}");
    assert_eq!(lines.matches(":null").count(), NAMES.len() - 4);
}

#[test]
fn a_file_that_is_no_report_is_told() {
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;
    use std::sync::Arc;
    let found = |columns: &str| {
        let schema = parse_message_type(&format!("message m {{ {columns} }}")).unwrap();
        Found::of(&SchemaDescriptor::new(Arc::new(schema)))
    };
    let old = "required binary url (UTF8); optional int32 response_code; required int64 index;
        required binary status (UTF8);";
    let kept = vec!["caption".to_owned()];
    assert_eq!(found(old), Some(Found { own: 4, kept: Vec::new() }));
    let more = format!("{old} optional binary caption (UTF8);");
    assert_eq!(found(&more), Some(Found { own: 4, kept }));
    for other in [
        "required binary url (UTF8);".to_owned(),
        format!("{old} optional int64 caption;"),
        format!("{old} optional binary etag;"),
        format!("{old} repeated binary tags;"),
        old.replace("int64 index", "int32 index"),
    ] {
        assert_eq!(found(&other), None, "{other}");
    }
}

fn kept_value() -> impl Strategy<Value = Kept> {
    let text = |text: String| Kept::Text(text.into_bytes().into());
    let json = |text: &'static str| Kept::Json(text.as_bytes().into());
    prop_oneof![
        Just(Kept::Nothing),
        any::<String>().prop_map(text),
        "[0-9]{1,3}|null|true|\\{\\}|".prop_map(text),
        Just(json("5")),
        Just(json("1e3")),
        Just(json("[1, {\"a\":2.50}]")),
        Just(json("\"half a pair \\ud83d\"")),
        Just(json("true")),
    ]
}

prop_compose! {
    fn any_row()(
        (index, url) in (1..1_000_000_000_u64, any::<String>()),
        numbers in prop::array::uniform4(0..u64::from(u32::MAX) * 1_000),
        (filename, etag) in (any::<Option<String>>(), any::<Option<String>>()),
        (code, millis) in (0..600_u16, 0..1_u64 << 47),
        micros in prop::array::uniform2(0..1_u64 << 50),
        is_full in any::<bool>(),
        kept in prop::array::uniform2(kept_value()),
    ) -> Row {
        let times = Times {
            queue: Duration::from_micros(micros[0]),
            total: Duration::from_micros(micros[1]),
            ..Times::default()
        };
        let base = if is_full { full_row() } else { Row::new(1, Vec::new(), at(0)) };
        Row {
            index, url: url.into_bytes(), response_code: code, filename, times,
            etag: etag.map(Into::into), size_download: numbers[0], size_resumed: numbers[1],
            size_file: is_full.then_some(numbers[2]), attempted_at: at(millis),
            kept: kept.to_vec(), ..base
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 200,
        ..ProptestConfig::default()
    })]

    /// The journal that is made of a file is the one that the file was made of.
    #[test]
    fn lines_come_back_byte_for_byte(rows in prop::collection::vec(any_row(), 0..20)) {
        let kept = ["caption".to_owned(), "a \"b\"\n".to_owned()];
        let lines = encode(&rows, &kept);
        let back = again(&lines, &kept);
        prop_assert_eq!(String::from_utf8(back), String::from_utf8(lines));
    }
}
