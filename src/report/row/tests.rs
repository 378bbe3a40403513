//! Rows of every status in both encodings, and rows read back.

use super::*;
use crate::fault::{Cause, Fault, InputProblem, Stage};
use proptest::prelude::*;

/// A row like most: one image, fetched.
pub(crate) fn row_ok() -> Row {
    Row {
        index: 1,
        url: b"https://a.example/1.jpg".to_vec(),
        response_code: 200,
        status: Status::Ok,
        fault: None,
        filename: Some("images/1.jpg".to_owned()),
        size_download: 50_000,
        content_type: Some("image/jpeg".into()),
        content_encoding: None,
        etag: Some("\"33a64df5\"".into()),
        num_retries: 0,
        num_redirects: 1,
        num_connects: 2,
        url_effective: Some("https://cdn.example/1.jpg?a=1,2".to_owned()),
        remote_ip: Some(IpAddr::from([192, 0, 2, 1])),
        host: "cdn.example:443".to_owned(),
        http_minor_version: Some(1),
        tls_resumed: Some(true),
        times: Times {
            late: None,
            queue: Duration::from_micros(1),
            namelookup: Duration::from_micros(1_000),
            connect: Duration::from_micros(20_999),
            appconnect: Duration::from_nanos(41_000_999),
            starttransfer: Duration::from_millis(61),
            total: Duration::from_millis(12_345),
        },
        attempted_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_628_345_067),
        size_file: Some(50_000),
        digest: Some("sha-256=00ff".into()),
        size_resumed: 0,
        num_parts: 1,
        resume: None,
        duplicate_of: None,
        write_mode: None,
        naming: None,
        has_replaced: true,
        kept: Vec::new(),
    }
}

fn row_empty(status: Status, fault: Option<Fault>) -> Row {
    Row {
        status,
        fault,
        host: "b.example:80".to_owned(),
        ..Row::new(7, b"http://b.example/".to_vec(), SystemTime::UNIX_EPOCH)
    }
}

fn fault(stage: Stage, cause: Cause) -> Fault {
    Fault { stage, cause, detail: None }
}

/// The server answered 404, after a retry.
pub(crate) fn row_failed() -> Row {
    let mut row = row_empty(Status::Failed, Some(fault(Stage::Head, Cause::Status(404))));
    row.response_code = 404;
    row.num_retries = 1;
    row.num_connects = 1;
    row.http_minor_version = Some(0);
    row.times.total = Duration::from_secs(2);
    row
}

/// The file was there.
pub(crate) fn row_skipped() -> Row {
    let mut row = row_empty(Status::Skipped, None);
    row.filename = Some("images/2.jpg".to_owned());
    row
}

/// The run was interrupted.
pub(crate) fn row_cancelled() -> Row {
    row_empty(Status::Cancelled, Some(fault(Stage::Body, Cause::Interrupted)))
}

/// The line is no URL, and not nice.
pub(crate) fn row_bad_input() -> Row {
    let mut row =
        row_empty(Status::Failed, Some(fault(Stage::Input, Cause::Input(InputProblem::Url))));
    row.url = "\u{1b}[2J say \"hi\", \u{85}\0you\r\n\u{e9}".into();
    row.host = String::new();
    row
}

fn encode(format: RowFormat, row: &Row) -> String {
    let mut out = Vec::new();
    RowEncoder::new(format).encode(row, &mut out);
    String::from_utf8(out).expect("rows are text")
}

/// The code and message cells, whose words belong to `fault`.
fn words(fault: &Fault) -> (String, String, u8) {
    (fault.code().to_owned(), fault.to_string(), fault.facts().curl)
}

#[test]
fn header_of_csv() {
    let mut out = Vec::new();
    RowEncoder::new(RowFormat::Csv).header(&mut out);
    let header = "url,response_code,index,status,error_code,error_message,exitcode,filename,\
        size_download,content_type,content_encoding,etag,num_retries,num_redirects,url_effective,\
        remote_ip,http_version,num_connects,tls_resumed,time_queue,time_namelookup,time_connect,\
        time_appconnect,time_starttransfer,time_total,attempted_at,size_file,digest,\
        size_resumed,num_parts,resume,duplicate_of\n";
    assert_eq!(String::from_utf8(out).expect("text"), header);
    let mut out = Vec::new();
    RowEncoder::new(RowFormat::JsonLines).header(&mut out);
    assert_eq!(out, b"");
}

#[test]
fn rows_in_csv() {
    let zeros = "0.000000,0.000000,0.000000,0.000000,0.000000";
    assert_eq!(
        encode(RowFormat::Csv, &row_ok()),
        "https://a.example/1.jpg,200,1,ok,,,0,images/1.jpg,50000,image/jpeg,,\"\"\"33a64df5\"\"\",\
         0,1,\"https://cdn.example/1.jpg?a=1,2\",192.0.2.1,1.1,2,true,0.000001,0.001000,0.020999,\
         0.041000,0.061000,12.345000,2025-11-20T08:45:45.067Z,50000,sha-256=00ff,0,1,,\n"
    );
    assert_eq!(
        encode(RowFormat::Csv, &row_skipped()),
        format!(
            "http://b.example/,,7,skipped,,,0,images/2.jpg,0,,,,0,0,,,,0,,{zeros},0.000000,\
             1970-01-01T00:00:00.000Z,,,0,0,,\n"
        )
    );
    let row = row_failed();
    let (code, message, exit) = words(row.fault.as_ref().expect("it failed"));
    assert_eq!(
        encode(RowFormat::Csv, &row),
        format!(
            "http://b.example/,404,7,failed,{code},{message},{exit},,0,,,,1,0,,,1.0,1,,{zeros},\
             2.000000,1970-01-01T00:00:00.000Z,,,0,0,,\n"
        )
    );
    let row = row_cancelled();
    let (code, message, exit) = words(row.fault.as_ref().expect("it was cancelled"));
    assert_eq!(
        encode(RowFormat::Csv, &row),
        format!(
            "http://b.example/,,7,cancelled,{code},{message},{exit},,0,,,,0,0,,,,0,,{zeros},\
             0.000000,1970-01-01T00:00:00.000Z,,,0,0,,\n"
        )
    );
    let first = "\"\\u{1b}[2J say \"\"hi\"\", \u{85}\\u{0}you\\r\\né\",,7,failed,";
    let line = encode(RowFormat::Csv, &row_bad_input());
    assert!(line.starts_with(first), "{line}");
    let mut row = row_bad_input();
    row.url = b"\xff\t\xc3\xa9".to_vec();
    let mut line = Vec::new();
    RowEncoder::new(RowFormat::Csv).encode(&row, &mut line);
    assert!(line.starts_with(b"\xff\t\xc3\xa9,,7,failed,"), "bytes are those of the list");
    let line = encode(RowFormat::JsonLines, &row);
    assert!(line.starts_with("{\"url\":\"\u{fffd}\\té\","), "{line}");
}

#[test]
fn rows_in_json_lines() {
    let zeros = "\"time_queue\":0.000000,\"time_namelookup\":0.000000,\"time_connect\":0.000000,\
                 \"time_appconnect\":0.000000,\"time_starttransfer\":0.000000";
    assert_eq!(
        encode(RowFormat::JsonLines, &row_ok()),
        "{\"url\":\"https://a.example/1.jpg\",\"response_code\":200,\"index\":1,\"status\":\"ok\",\
         \"error_code\":null,\"error_message\":null,\"exitcode\":0,\"filename\":\"images/1.jpg\",\
         \"size_download\":50000,\"content_type\":\"image/jpeg\",\"content_encoding\":null,\
         \"etag\":\"\\\"33a64df5\\\"\",\"num_retries\":0,\"num_redirects\":1,\
         \"url_effective\":\"https://cdn.example/1.jpg?a=1,2\",\"remote_ip\":\"192.0.2.1\",\
         \"http_version\":\"1.1\",\"num_connects\":2,\"tls_resumed\":true,\"time_queue\":0.000001,\
         \"time_namelookup\":0.001000,\"time_connect\":0.020999,\"time_appconnect\":0.041000,\
         \"time_starttransfer\":0.061000,\"time_total\":12.345000,\
         \"attempted_at\":\"2025-11-20T08:45:45.067Z\",\"size_file\":50000,\
         \"digest\":\"sha-256=00ff\",\"size_resumed\":0,\"num_parts\":1,\"resume\":null,\
         \"duplicate_of\":null}\n"
    );
    assert_eq!(
        encode(RowFormat::JsonLines, &row_skipped()),
        format!(
            "{{\"url\":\"http://b.example/\",\"response_code\":null,\"index\":7,\
             \"status\":\"skipped\",\"error_code\":null,\"error_message\":null,\"exitcode\":0,\
             \"filename\":\"images/2.jpg\",\"size_download\":0,\"content_type\":null,\
             \"content_encoding\":null,\"etag\":null,\"num_retries\":0,\"num_redirects\":0,\
             \"url_effective\":null,\"remote_ip\":null,\"http_version\":null,\"num_connects\":0,\
             \"tls_resumed\":null,{zeros},\"time_total\":0.000000,\
             \"attempted_at\":\"1970-01-01T00:00:00.000Z\",\"size_file\":null,\"digest\":null,\
             \"size_resumed\":0,\"num_parts\":0,\"resume\":null,\
             \"duplicate_of\":null}}\n"
        )
    );
    for row in [row_failed(), row_cancelled()] {
        let (code, message, exit) = words(row.fault.as_ref().expect("it has one"));
        let line = encode(RowFormat::JsonLines, &row);
        let part = format!(
            "\"index\":7,\"status\":\"{}\",\"error_code\":\"{code}\",\
             \"error_message\":\"{message}\",\"exitcode\":{exit},",
            row.status.as_str()
        );
        assert!(line.contains(&part), "{line}");
    }
    let line = encode(RowFormat::JsonLines, &row_bad_input());
    let first = r#"{"url":"\u001b[2J say \"hi\", \u0085\u0000you\r\né","response_code":null,"#;
    assert!(line.starts_with(first), "{line}");
}

#[test]
fn columns_of_the_list_come_last() {
    let mut row = row_skipped();
    let names = ["caption", "a \"b\"", "n"].map(str::to_owned).to_vec();
    let text = |text: &[u8]| Kept::Text(text.into());
    for (kept, csv, json) in [
        (vec![], ",,", "null,\"a \\\"b\\\"\":null,\"n\":null"),
        (
            vec![text("x, \u{202e}\n\u{1f468}\u{200d}\u{1f469}".as_bytes())],
            "\"x, \u{202e}\\n\u{1f468}\u{200d}\u{1f469}\",,",
            "\"x, \u{202e}\\n\u{1f468}\u{200d}\u{1f469}\",\"a \\\"b\\\"\":null,\"n\":null",
        ),
        (
            vec![Kept::Json(b"[1.50,\"a\"]".as_slice().into()), Kept::Nothing, text(b"7")],
            "\"[1.50,\"\"a\"\"]\",,7",
            "[1.50,\"a\"],\"a \\\"b\\\"\":null,\"n\":\"7\"",
        ),
    ] {
        row.kept = kept;
        let mut encoder = RowEncoder::new(RowFormat::Csv).keeping(names.clone());
        let mut out = Vec::new();
        encoder.header(&mut out);
        encoder.encode(&row, &mut out);
        let out = String::from_utf8(out).expect("text");
        let (header, line) = out.split_once('\n').expect("two lines");
        assert!(header.ends_with(",resume,duplicate_of,caption,\"a \"\"b\"\"\",n"), "{header}");
        assert!(line.ends_with(&format!("Z,,,0,0,,,{csv}\n")), "{line}");
        let mut out = Vec::new();
        RowEncoder::new(RowFormat::JsonLines).keeping(names.clone()).encode(&row, &mut out);
        let line = String::from_utf8(out).expect("text");
        assert!(
            line.ends_with(&format!(",\"duplicate_of\":null,\"caption\":{json}}}\n")),
            "{line}"
        );
    }
}

#[test]
fn points_in_time_that_rfc_3339_cannot_write_are_clamped() {
    let mut row = row_ok();
    row.attempted_at = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert!(
        encode(RowFormat::Csv, &row)
            .ends_with(",1970-01-01T00:00:00.000Z,50000,sha-256=00ff,0,1,,\n")
    );
    row.attempted_at = SystemTime::UNIX_EPOCH + YEAR_9999 * 2;
    assert!(
        encode(RowFormat::Csv, &row)
            .ends_with(",9999-12-31T23:59:59.000Z,50000,sha-256=00ff,0,1,,\n")
    );
}

#[test]
fn numbers_are_exact() {
    let number = |number| {
        let mut out = Vec::new();
        push_number(&mut out, number);
        String::from_utf8(out).expect("digits")
    };
    assert_eq!([0, 9, 10, u64::MAX].map(number), ["0", "9", "10", "18446744073709551615"]);
    let mut out = Vec::new();
    push_seconds(&mut out, Duration::new(86_400, 999_999_999));
    assert_eq!(out, b"86400.999999");
}

#[test]
fn text_without_controls_is_not_copied() {
    assert!(matches!(escape_controls("http://é.example/"), Cow::Borrowed(_)));
    assert_eq!(escape_controls("a\tb\u{9f}¡"), "a\\tb\\u{9f}¡");
}

#[test]
fn what_hides_in_text_is_shown_but_not_in_url_and_filename() {
    let evil = "a\u{202e}b\u{e0041}\u{200b}é";
    let mut row = row_failed();
    row.fault.as_mut().unwrap().detail = Some(evil.into());
    row.url = evil.as_bytes().to_vec();
    (row.etag, row.filename) = (Some(evil.into()), Some(evil.to_owned()));
    let shown = "a\\u{202e}b\\u{e0041}\\u{200b}é";
    let line = encode(RowFormat::Csv, &row);
    let cells: Vec<&str> = line.trim_end().split(',').collect();
    assert_eq!((cells[column("url")], cells[column("filename")]), (evil, evil));
    assert_eq!(cells[column("etag")], shown);
    assert!(cells[column("error_message")].ends_with(shown), "{line}");

    let line = encode(RowFormat::JsonLines, &row);
    assert!(line.starts_with(&format!("{{\"url\":\"{evil}\"")), "{line}");
    assert!(!line[..line.len() - 1].replacen(evil, "", 1).contains(is_hidden), "{line}");
    assert!(line.contains("\"etag\":\"a\\u202eb\\udb40\\udc41\\u200bé\""), "{line}");
}

fn any_row() -> impl Strategy<Value = Row> {
    let texts = (any::<String>(), ".{0,9}", prop::option::of(any::<String>()), any::<String>());
    let numbers = (any::<u64>(), 0..600_u16, any::<u32>(), any::<Option<bool>>());
    let times = (any::<Duration>(), any::<u64>().prop_map(Duration::from_micros));
    let bytes = any::<Option<[u8; 16]>>();
    (texts, numbers, times, bytes).prop_map(|(texts, numbers, times, bytes)| {
        let mut row = row_failed();
        row.fault.as_mut().expect("it failed").detail = Some(texts.0.as_str().into());
        (row.url, row.content_type) = (texts.0.into(), Some(texts.1.into()));
        (row.filename, row.etag) = (texts.2, Some(texts.3.into()));
        (row.index, row.response_code) = (numbers.0, numbers.1);
        (row.num_redirects, row.tls_resumed) = (numbers.2, numbers.3);
        (row.times.queue, row.times.total) = times;
        row.remote_ip = bytes.map(IpAddr::from);
        row
    })
}

fn column(name: &str) -> usize {
    NAMES.iter().position(|column| *column == name).expect("a column")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_csv_row_reads_back(row in any_row()) {
        let line = encode(RowFormat::Csv, &row);
        let is_harmful = |c: char| c.is_ascii_control() && c != '\t';
        prop_assert!(!line.trim_end_matches('\n').contains(is_harmful));
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let records: Vec<csv::StringRecord> =
            reader.records().collect::<Result<_, _>>().expect("valid CSV");
        prop_assert_eq!(records.len(), 1);
        let cell = |name| &records[0][column(name)];
        let text = |text: Option<&str>| escape_hidden(text.unwrap_or("")).into_owned();
        let url = escape_line_ends(&row.url);
        prop_assert_eq!(cell("url").as_bytes(), &*url);
        prop_assert_eq!(cell("filename"), escape_controls(row.filename.as_deref().unwrap_or("")));
        prop_assert_eq!(cell("content_type"), text(row.content_type.as_deref()));
        prop_assert_eq!(cell("etag"), text(row.etag.as_deref()));
        let message = row.fault.as_ref().map(ToString::to_string);
        prop_assert_eq!(cell("error_message"), text(message.as_deref()));
        prop_assert_eq!(cell("index"), row.index.to_string());
        let ip = row.remote_ip.map(|ip| ip.to_string());
        prop_assert_eq!(cell("remote_ip"), ip.unwrap_or_default());
        let total = row.times.total;
        let total = format!("{}.{:06}", total.as_secs(), total.subsec_micros());
        prop_assert_eq!(cell("time_total"), total);
        prop_assert_eq!(records[0].len(), NAMES.len());
    }

    #[test]
    fn a_json_row_reads_back(row in any_row()) {
        let line = encode(RowFormat::JsonLines, &row);
        prop_assert!(!line.trim_end_matches('\n').contains(char::is_control));
        let value: serde_json::Value = serde_json::from_str(&line).expect("valid JSON");
        let object = value.as_object().expect("an object");
        prop_assert_eq!(object.len(), NAMES.len());
        prop_assert!(NAMES.iter().all(|name| object.contains_key(*name)));
        prop_assert_eq!(object["url"].as_str().map(str::as_bytes), Some(&*row.url));
        prop_assert_eq!(object["filename"].as_str(), row.filename.as_deref());
        prop_assert_eq!(object["etag"].as_str(), row.etag.as_deref());
        let message = row.fault.as_ref().map(ToString::to_string);
        prop_assert_eq!(object["error_message"].as_str(), message.as_deref());
        prop_assert_eq!(object["index"].as_u64(), Some(row.index));
        prop_assert_eq!(object["tls_resumed"].as_bool(), row.tls_resumed);
    }
}

proptest::proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..Default::default()
    })]

    /// Cells are quoted as the writer of CSV quotes them.
    #[test]
    fn cells_are_those_of_the_writer_of_csv(
        cells in proptest::collection::vec("[a,\"\r\n\u{e9} -]{0,6}", 2..6),
    ) {
        let mut theirs = csv::WriterBuilder::new().from_writer(Vec::new());
        theirs.write_record(&cells).unwrap();
        let mut ours = Vec::new();
        let mut line = CsvLine::new(&mut ours);
        cells.iter().for_each(|cell| line.cell(cell.as_bytes()));
        line.end();
        proptest::prop_assert_eq!(ours, theirs.into_inner().unwrap());
    }
}
