//! Columns of a schema, and rows of values.

use super::kind::Unit;
use super::*;
use crate::plan::input::columns::KeptColumn;
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

fn schema(text: &str) -> SchemaDescriptor {
    SchemaDescriptor::new(Arc::new(parse_message_type(text).unwrap()))
}

const SCHEMA: &str = "message m {
    required int64 id;
    optional binary url (UTF8);
    optional binary name (UTF8);
    optional binary md5;
    optional group image { optional binary path (UTF8); optional int32 width; }
    optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
    optional double score;
}";

fn wanted(url: &str, keep: &[&str]) -> Columns {
    let column = |name: &&str| {
        let name = (*name).to_owned();
        KeptColumn { report_name: name.clone(), name }
    };
    let url = (!url.is_empty()).then(|| url.to_owned());
    Columns { url, keep: keep.iter().map(column).collect(), ..Columns::default() }
}

#[test]
fn columns_are_found_in_a_schema() {
    let schema = schema(SCHEMA);
    let fields = Fields::pick(&schema, &wanted("", &["score", "image.width", "id"])).unwrap();
    let leaves: Vec<usize> = fields.fields().iter().map(|field| field.leaf).collect();
    assert_eq!((leaves, fields.url), (vec![1, 7, 5, 0], 0));
    assert_eq!(fields.keep, [1, 2, 3]);
    let both = Columns { out: Some("name".into()), ..wanted("image.path", &["name"]) };
    let fields = Fields::pick(&schema, &both).unwrap();
    assert_eq!((fields.out, fields.keep.as_slice()), (Some(1), &[1][..]), "read once");
}

#[test]
fn columns_that_cannot_serve_are_told() {
    let schema = schema(SCHEMA);
    for (wanted, told) in [
        (wanted("id", &[]), r#"column "id" of --url-col is INT64, not text"#),
        (wanted("tags", &[]), r#"column "tags" of --url-col has several values"#),
        (wanted("", &["tags"]), r#"column "tags" of --keep-cols has several values"#),
        (wanted("link", &[]), r#"no column "link", but "id", "url", "name""#),
        (wanted("", &["url"]), "is the URL"),
        (Columns { out: Some("id".into()), ..wanted("", &[]) }, "of --out-col is INT64"),
        (Columns { checksum: Some("md".into()), ..wanted("", &[]) }, "--checksum-col"),
    ] {
        let error = Fields::pick(&schema, &wanted).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_row_is_a_job_or_a_bad_line() {
    let schema = schema(SCHEMA);
    let wanted = Columns { out: Some("name".into()), ..wanted("", &["score", "id"]) };
    let mut rows = Rows::new(Fields::pick(&schema, &wanted).unwrap(), 10);
    let values = |url, name| {
        let text = |text: Option<&'static str>| text.map(|text| Scalar::Bytes(text.as_bytes()));
        [text(url), text(name), Some(Scalar::Double(0.5)), Some(Scalar::Whole(-7))]
    };
    let job = rows.row(&values(Some("http://h/a"), Some("x/y"))).unwrap();
    assert_eq!((job.index, job.url(), job.path(None)), (11, "http://h/a", "x/y".to_owned()));
    assert_eq!(job.kept.values().collect::<Vec<_>>(), [Value::Json(b"0.5"), Value::Json(b"-7")]);
    for (row, told) in [
        (values(None, None), "line 2: \"\": the URL is missing"),
        (values(Some(" "), None), "line 3: \"\": the URL is missing"),
        (values(Some("http://h/b"), Some("../x")), "line 4: \"../x\""),
    ] {
        let bad = rows.row(&row).unwrap_err();
        assert!(bad.message.contains(told), "{}", bad.message);
        assert_eq!(bad.kept.values().count(), 2);
    }
    let long = "x".repeat(limits::RECORD_BYTES_MAX);
    let mut row = values(Some("http://h/b"), None);
    row[1] = Some(Scalar::Bytes(long.as_bytes()));
    assert!(rows.row(&row).unwrap_err().message.contains("shorten it"));
    assert_eq!((rows.rows(), rows.lines_total()), (5, 15));
}

#[test]
fn values_of_every_kind_have_a_text() {
    let micros = Kind::Timestamp(Unit::Micros, true);
    let table: [(Kind, Scalar<'_>, &str, bool); 28] = [
        (Kind::Text, Scalar::Bytes(b"\xffa"), "\u{fffd}a", false),
        (Kind::Hex, Scalar::Bytes(b"\xffa"), "ff61", false),
        (Kind::Uuid, Scalar::Bytes(&[0x12; 16]), "12121212-1212-1212-1212-121212121212", false),
        (Kind::Uuid, Scalar::Bytes(b"\x01"), "01", false),
        (Kind::Truth, Scalar::Truth(true), "true", true),
        (Kind::Signed, Scalar::Whole(i64::MIN), "-9223372036854775808", true),
        (Kind::Unsigned32, Scalar::Whole(-1), "4294967295", true),
        (Kind::Unsigned64, Scalar::Whole(-1), "18446744073709551615", true),
        (Kind::Single, Scalar::Single(0.1), "0.1", true),
        (Kind::Single, Scalar::Single(f32::NAN), "NaN", false),
        (Kind::Double, Scalar::Double(1e300), "1e+300", true),
        (Kind::Double, Scalar::Double(f64::NEG_INFINITY), "-inf", false),
        (Kind::Half, Scalar::Bytes(&[0x00, 0x3e]), "1.5", true),
        (Kind::Half, Scalar::Bytes(&[0x00, 0xfc]), "-inf", false),
        (Kind::Half, Scalar::Bytes(&[0x01, 0x00]), "5.960464477539063e-8", true),
        (Kind::Decimal(2), Scalar::Whole(-5), "-0.05", false),
        (Kind::Decimal(0), Scalar::Whole(5), "5", false),
        (Kind::Decimal(1), Scalar::Bytes(&[0xff, 0x00]), "-25.6", false),
        (Kind::Decimal(1), Scalar::Bytes(&[]), "0.0", false),
        (Kind::Date, Scalar::Whole(0), "1970-01-01", false),
        (Kind::Date, Scalar::Whole(19_782), "2024-02-29", false),
        (Kind::Date, Scalar::Whole(-719_528), "0000-01-01", false),
        (Kind::Time(Unit::Millis), Scalar::Whole(3_723_004), "01:02:03.004", false),
        (micros, Scalar::Whole(-1), "1969-12-31T23:59:59.999999Z", false),
        (micros, Scalar::Whole(0), "1970-01-01T00:00:00Z", false),
        (
            Kind::Timestamp(Unit::Nanos, false),
            Scalar::Whole(1_700_000_000_000_000_001),
            "2023-11-14T22:13:20.000000001",
            false,
        ),
        (Kind::Int96, Scalar::Int96([1, 0, 2_440_588]), "1970-01-01T00:00:00.000000001", false),
        (Kind::Signed, Scalar::Int96([1, 2, 3]), "[1, 2, 3]", false),
    ];
    for (kind, value, text, is_json) in table {
        let mut out = Vec::new();
        let found = kind.show(value, &mut out);
        assert_eq!((&*String::from_utf8_lossy(&out), found), (text, is_json), "{kind:?}");
    }
    for value in [i64::MIN, i64::MAX] {
        let mut out = Vec::new();
        for unit in [Unit::Millis, Unit::Micros, Unit::Nanos] {
            Kind::Timestamp(unit, true).show(Scalar::Whole(value), &mut out);
            Kind::Time(unit).show(Scalar::Whole(value), &mut out);
        }
        let days = i64::from(i32::try_from(value.signum()).unwrap() * i32::MAX);
        Kind::Date.show(Scalar::Whole(days), &mut out);
    }
}
