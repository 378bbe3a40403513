//! Reports read back: whole, of older versions, joined, torn at any byte, and strangers.

use super::*;
use crate::exit::ExitStatus;
use crate::fault::{Cause, Fault, Stage};
use crate::report::packing::Packing;
use crate::report::row::NAMES;
use crate::report::row::tests::{row_failed, row_ok};
use crate::report::{Row, RowEncoder, Status};
use proptest::prelude::*;

/// A row as the tests compare it.
type Seen = (u64, String, Status, u16, String, String, Option<u64>, String);

const FORMATS: [RowFormat; 2] = [RowFormat::Csv, RowFormat::JsonLines];

fn seen(entry: &Entry<'_>) -> Seen {
    let Entry {
        index, url, status, response_code, error_code, filename, size_file, digest, ..
    } = entry;
    let [error_code, filename, digest] =
        [error_code, filename, digest].map(|text| text.to_string());
    let url = String::from_utf8(url.to_vec()).unwrap();
    (*index, url, *status, *response_code, error_code, filename, *size_file, digest)
}

/// Reads a report in pieces of so many bytes.
fn read(format: RowFormat, report: &[u8], piece: usize) -> Result<(Vec<Seen>, Scanned), Refused> {
    let mut scan = Scan::new(format);
    let mut rows = Vec::new();
    let mut rest = Vec::new();
    for piece in report.chunks(piece) {
        rest.extend_from_slice(piece);
        let used = scan.feed(&rest, |entry, _| rows.push(seen(&entry)))?;
        rest.drain(..used);
    }
    scan.finish(&rest).map(|scanned| (rows, scanned))
}

#[test]
fn a_duplicate_is_read_back_where_its_column_is() {
    for format in FORMATS {
        let row = Row { duplicate_of: Some(17), ..row_ok() };
        let report = String::from_utf8(encode(format, &[row, row_ok()])).unwrap();
        let mut found = Vec::new();
        let mut scan = Scan::new(format);
        scan.feed(report.as_bytes(), |entry, _| found.push(entry.duplicate_of)).unwrap();
        assert_eq!(found, [Some(17), None]);
        // A version that had no such column.
        let without = |line: &str| match format {
            RowFormat::Csv => line.rsplit_once(',').unwrap().0.to_owned() + "\n",
            RowFormat::JsonLines => {
                line.rsplit_once(",\"duplicate_of\"").unwrap().0.to_owned() + "}\n"
            }
        };
        let older: String = report.lines().map(without).collect();
        found.clear();
        let mut scan = Scan::new(format);
        scan.feed(older.as_bytes(), |entry, _| found.push(entry.duplicate_of)).unwrap();
        assert_eq!(found, [None, None], "{older}");
    }
}

fn encode(format: RowFormat, rows: &[Row]) -> Vec<u8> {
    let mut encoder = RowEncoder::new(format);
    let mut report = Vec::new();
    encoder.header(&mut report);
    rows.iter().for_each(|row| encoder.encode(row, &mut report));
    report
}

/// Rows of every kind, some with what has to be quoted or escaped.
fn rows() -> Vec<Row> {
    let mut rows = vec![row_ok(), row_failed(), row_failed(), row_ok(), row_failed(), row_ok()];
    for (index, row) in (1..).zip(&mut rows) {
        row.index = index;
    }
    rows[0].size_file = Some(0);
    rows[0].digest = Some("sha-256=00".into());
    rows[1].url = "no url, but \"quotes\", a\ttab, \u{1b} and \u{85}".into();
    rows[2].fault = Some(Fault::new(Stage::Head, Cause::Interrupted));
    rows[2].status = Status::Cancelled;
    rows[3].status = Status::Skipped;
    rows[3].filename = Some("a, \"b\"".to_owned());
    rows[4].url = Vec::new();
    rows
}

#[test]
fn versions_are_read_where_they_are_wanted() {
    for format in FORMATS {
        let mut rows = rows();
        rows[5].filename = None;
        rows.push(Row { index: 7, etag: None, ..row_ok() });
        rows.push(Row { index: 8, etag: Some("W/\"a, \u{e9}\"".into()), ..row_ok() });
        let report = encode(format, &rows);
        let read = |reader: Reader| {
            let (mut reader, mut tags) = (reader, Vec::new());
            let used = reader.feed(&report, |entry, _| {
                tags.extend(entry.version.map(|version| (entry.index, version.etag.into_owned())));
            });
            assert_eq!(used, Ok(report.len()));
            tags
        };
        let reader = || Reader::new(format, Packing::None);
        assert_eq!(read(reader()), []);
        let tags = ["\"33a64df5\"", "W/\"a, \u{e9}\""].map(str::to_owned);
        let [first, last] = tags;
        assert_eq!(read(reader().with_versions()), [(1, first), (8, last)]);
    }
    // A report of a version that had none of these columns.
    let mut reader = Reader::new(RowFormat::Csv, Packing::None).with_versions();
    let old = b"url,index,status,filename,size_file,etag\nhttp://a/,1,ok,a,1,\"\"\"x\"\"\"\n";
    reader.feed(old, |entry, _| assert_eq!((entry.index, entry.version), (1, None))).unwrap();
}

#[test]
fn what_was_written_is_read_back() {
    for format in FORMATS {
        let report = encode(format, &rows());
        let (read_rows, scanned) = read(format, &report, 7).unwrap();
        assert_eq!(scanned.whole, report.len() as u64);
        assert_eq!((scanned.rows, scanned.needs_header), (6, false));
        for (row, seen) in rows().iter().zip(&read_rows) {
            let shown = String::from_utf8(row.url.clone()).unwrap();
            let shown = match format {
                RowFormat::Csv => shown.replace('\u{1b}', "\\u{1b}"),
                RowFormat::JsonLines => shown,
            };
            let code = row.fault.as_ref().map_or("", Fault::code).to_owned();
            let expected: Seen = (
                row.index,
                shown,
                row.status,
                row.response_code,
                code,
                row.filename.clone().unwrap_or_default(),
                row.size_file,
                row.digest.as_deref().unwrap_or_default().to_owned(),
            );
            assert_eq!(*seen, expected);
        }
    }
}

/// Cut anywhere, what is left is a prefix of the rows, and where it ends is known.
#[test]
fn a_report_cut_at_any_byte_is_a_prefix_of_its_rows() {
    for format in FORMATS {
        let report = encode(format, &rows());
        let (all, _) = read(format, &report, 4_096).unwrap();
        for cut in 0..=report.len() {
            let lines = report[..cut].iter().rposition(|byte| *byte == b'\n');
            let whole = lines.map_or(0, |end| end + 1);
            let header = usize::from(format == RowFormat::Csv);
            let count = report[..whole].iter().filter(|byte| **byte == b'\n').count();
            for tail in [&b""[..], b"\0", &[0; 5_000], b"\0\0rest\nof a block\n"] {
                let torn = [&report[..cut], tail].concat();
                let (rows, scanned) = read(format, &torn, 1_000).unwrap();
                assert_eq!(scanned.whole, whole as u64, "{format:?} {cut}");
                assert_eq!(rows[..], all[..count.saturating_sub(header)]);
                let has_header = format == RowFormat::JsonLines || whole > 0;
                assert_eq!(scanned.needs_header, whole == 0 || !has_header);
            }
        }
    }
}

#[test]
fn older_and_joined_reports() {
    let old = b"url,response_code,index,status\nhttp://a/,200,7,ok\n";
    let (rows, scanned) = read(RowFormat::Csv, old, 9).unwrap();
    assert_eq!((rows.len(), rows[0].0, scanned.needs_header), (1, 7, true));
    let new = encode(RowFormat::Csv, &self::rows());
    let (rows, scanned) = read(RowFormat::Csv, &[&old[..], &new, &new].concat(), 100).unwrap();
    assert_eq!((rows.len(), scanned.needs_header), (13, false));
    // Other columns in another order, and CR LF of a program that rewrote it.
    let odd = b"url,x,status,index\r\n\"http://b/\"\"\",\"1,2\",ok,3\r\n";
    let (rows, _) = read(RowFormat::Csv, odd, 11).unwrap();
    assert_eq!((rows[0].0, rows[0].1.as_str()), (3, "http://b/\""));
    // Before there were columns for unfinished files.
    let before = NAMES[..28].join(",") + ",caption\n";
    let cells = ["http://a/", "200", "8", "ok"].join(",") + &",".repeat(24) + ",x\n";
    let (rows, scanned) = read(RowFormat::Csv, (before + &cells).as_bytes(), 99).unwrap();
    assert_eq!((rows.len(), rows[0].0, scanned.needs_header), (1, 8, true));
    assert_eq!(scanned.kept, Some(vec!["caption".to_owned()]));
    let json = b"{\"url\":\"http://a/\",\"index\":4,\"status\":\"failed\",\"new\":[1]}\n";
    let (rows, scanned) = read(RowFormat::JsonLines, json, 3).unwrap();
    assert_eq!((rows[0].0, rows[0].2, scanned.needs_header), (4, Status::Failed, false));
}

#[test]
fn columns_of_the_list_are_told() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let kept = |format, report: &[u8]| read(format, report, 50).unwrap().1.kept;
    for format in FORMATS {
        for own in [names(&[]), names(&["caption", "a, \"b\""])] {
            let mut encoder = RowEncoder::new(format).keeping(own.clone());
            let mut report = Vec::new();
            encoder.header(&mut report);
            rows().iter().for_each(|row| encoder.encode(row, &mut report));
            let (seen, scanned) = read(format, &report, 9).unwrap();
            assert_eq!((seen.len(), scanned.needs_header), (6, false));
            assert_eq!(scanned.kept, Some(own));
            // Torn in its first line.
            let first = report.iter().position(|byte| *byte == b'\n').unwrap();
            for cut in 0..first {
                assert_eq!(read(format, &report[..cut], 999).unwrap().1.whole, 0);
            }
        }
    }
    assert_eq!(kept(RowFormat::Csv, b""), None);
    assert_eq!(kept(RowFormat::JsonLines, b""), None);
    // Of an older version, and of another program.
    let old = b"url,response_code,index,status,x,y\nhttp://a/,,3,ok,1,2\n";
    assert_eq!(kept(RowFormat::Csv, old), Some(names(&["x", "y"])));
    let odd = b"url,x,status,index\nhttp://a/,1,ok,3\n";
    assert_eq!(kept(RowFormat::Csv, odd), Some(names(&[])));
    let json = b"{\"url\":\"http://a/\",\"index\":4,\"status\":\"failed\",\"new\":[1]}\n";
    assert_eq!(kept(RowFormat::JsonLines, json), Some(names(&[])));
}

#[test]
fn what_is_no_report_is_refused() {
    let csv = encode(RowFormat::Csv, &rows());
    let json = encode(RowFormat::JsonLines, &rows());
    let table: [(RowFormat, &[u8], u64, Problem); 13] = [
        (RowFormat::Csv, &json, 1, Problem::IsJsonLines),
        (RowFormat::JsonLines, &csv, 1, Problem::IsCsv),
        (RowFormat::Csv, b"a,b\n1,2\n", 1, Problem::Stranger),
        (RowFormat::Csv, b"a", 1, Problem::Stranger),
        (RowFormat::Csv, b"url,index\nhttp://a/,1\n", 1, Problem::Stranger),
        (RowFormat::Csv, b"\n", 1, Problem::Stranger),
        (RowFormat::Csv, b"precious\0", 1, Problem::Stranger),
        (RowFormat::JsonLines, b"precious\0", 1, Problem::Stranger),
        (RowFormat::JsonLines, b"{\"url\":1}\n", 1, Problem::Stranger),
        (RowFormat::JsonLines, b"[]", 1, Problem::Stranger),
        (RowFormat::Csv, b"url,index,status\nu,0,ok\n", 2, Problem::Nonsense("index")),
        (RowFormat::Csv, b"url,index,status\nu,1,good\n", 2, Problem::Nonsense("status")),
        (RowFormat::Csv, b"url,index,status\nu,1\nu,1,ok\n", 2, Problem::Torn),
    ];
    for (format, report, line, problem) in table {
        let shown = String::from_utf8_lossy(report);
        assert_eq!(read(format, report, 8).unwrap_err(), Refused { line, problem }, "{shown}");
    }
    let endless = vec![b'x'; LINE_BYTES_MAX + 2];
    let report = [&b"url,index,status\n"[..], &endless].concat();
    let refused = read(RowFormat::Csv, &report, report.len()).unwrap_err();
    assert_eq!(refused.problem, Problem::TooLong);
}

const FAILED: Fate = Fate::Failed { exit: ExitStatus::Network, is_transient: true };

fn url(index: u64) -> String {
    format!("http://a/{index}")
}

/// A URL in its normal form.
fn plain(url: &str) -> Url<'_> {
    Url { given: url.as_bytes(), normal: Some(url) }
}

/// A report about these lines, all of them good.
fn done(lines: impl IntoIterator<Item = u64>) -> Done {
    let mut done = Done::default();
    lines.into_iter().for_each(|index| done.record(index, plain(&url(index)), Fate::Good));
    done
}

#[test]
fn the_last_row_of_a_line_counts() {
    let mut done = Done::default();
    for fate in [FAILED, Fate::Open, Fate::Good] {
        done.record(1, plain(&url(1)), fate);
    }
    done.record(2, plain(&url(2)), Fate::Good);
    done.record(2, plain(&url(2)), FAILED);
    assert_eq!((done.good(), done.failed(), done.rows_of(1), done.rows_of(3)), (1, 1, 3, 0));
    let mut check = Check::new(done, Which::None);
    assert_eq!(check.line(1, plain(&url(1))), Ok(Verdict::Good));
    assert!(!check.is_confirmed(), "line 2 is still to come");
    assert_eq!(check.line(2, plain(&url(2))), Ok(Verdict::Failed));
    assert!(check.is_confirmed());
    assert_eq!(check.line(3, plain(&url(3))), Ok(Verdict::Pull));
    assert_eq!(check.end(), Ok(Ended::Whole));
    let exit = Some(ExitStatus::Network);
    assert_eq!(check.passed(), Passed { good: 1, failed: 1, transient: 1, exit });
}

#[test]
fn failures_are_tried_again_as_asked() {
    let mut done = Done::default();
    done.record(1, plain(&url(1)), FAILED);
    done.record(2, plain(&url(2)), Fate::Failed { exit: ExitStatus::Status, is_transient: false });
    for (which, verdicts) in [
        (Which::None, [Verdict::Failed, Verdict::Failed]),
        (Which::Transient, [Verdict::Pull, Verdict::Failed]),
        (Which::All, [Verdict::Pull, Verdict::Pull]),
    ] {
        let mut check = Check::new(done.clone(), which);
        let lines = [1, 2].map(|index| check.line(index, plain(&url(index))).unwrap());
        assert_eq!(lines, verdicts);
    }
}

#[test]
fn another_list_is_seen_before_anything_of_its_block_begins() {
    let block = (1, 4_096);
    // The lines of a list, and where it is told to be another one: at a line, or at the end (0).
    let walk = |done: Done, lines: &[(u64, u64)]| {
        let mut check = Check::new(done, Which::None);
        let mut has_begun = false;
        for (index, shown) in lines {
            if let Err(mismatch) = check.line(*index, plain(&url(*shown))) {
                assert!(!has_begun);
                return Err((*index, mismatch.lines));
            }
            has_begun |= check.is_confirmed();
        }
        check.end().map_err(|mismatch| (0, mismatch.lines))
    };
    let same = |lines: std::ops::RangeInclusive<u64>| lines.map(|n| (n, n)).collect::<Vec<_>>();
    assert_eq!(walk(done(1..=10), &same(1..=20)), Ok(Ended::Whole));
    assert_eq!(walk(done(1..=10), &[(1, 1), (10, 10)]), Err((10, block)), "lines are missing");
    let mut changed = same(1..=10);
    changed[4].1 = 99;
    assert_eq!(walk(done(1..=10), &changed), Err((10, block)));
    changed[4].1 = 7;
    changed[6].1 = 5;
    assert_eq!(walk(done(1..=10), &changed), Err((10, block)), "lines changed places");
    assert_eq!(walk(done([3]), &same(5..=6)), Err((5, block)));
    assert_eq!(walk(done([3]), &same(5_000..=5_001)), Err((5_000, block)));
    assert_eq!(walk(done(1..=10), &same(1..=9)), Err((0, block)), "shorter within a block");
    assert_eq!(walk(done(1..=5_000), &same(1..=4_096)), Ok(Ended::Shorter(5_000)));
    assert_eq!(walk(done([5_000]), &same(1..=5_000)), Ok(Ended::Whole));
    assert_eq!(walk(Done::default(), &[]), Ok(Ended::Whole));
    assert_eq!(walk(done([1]), &[]), Ok(Ended::Shorter(1)));
}

#[test]
fn rows_of_two_lists_in_one_report_are_seen() {
    for wrong in [1, 2, 3] {
        let mut both = done(1..=5);
        for row in 1..=3 {
            let shown = if row == wrong { 77 } else { 4 };
            both.record(4, plain(&url(shown)), FAILED);
        }
        let mut check = Check::new(both, Which::None);
        let refused = (1..=5).find_map(|index| check.line(index, plain(&url(index))).err());
        assert_eq!(refused, Some(Mismatch { lines: (1, 4_096) }));
    }
}

#[test]
fn every_form_of_a_row_is_that_of_its_line() {
    let given = |given| Url { given, normal: Some("http://h/?q") };
    let bad = |given| Url { given, normal: None };
    let table: [(Url<'_>, Url<'_>, bool); 10] = [
        (given(b"http://h?q"), given(b"http://h?q"), true),
        (plain("http://h/?q"), given(b"http://h?q"), true),
        (given(b"http://h?q"), given(b"http://h?q#x"), false),
        (given(b"http://h?q"), plain("http://h/?q"), false),
        (plain("http://h/?r"), given(b"http://h?q"), false),
        // As CSV shows it, and JSON Lines.
        (bad(b"http://h?q\\n"), given(b"http://h?q\n"), true),
        (bad(b"a\ttab\\u{1b}\xff"), bad(b"a\ttab\x1b\xff"), true),
        (bad("a\ttab\u{1b}\u{fffd}".as_bytes()), bad(b"a\ttab\x1b\xff"), true),
        (given("\u{fffd}".as_bytes()), bad(b"\xff"), true),
        (given(b"http://h?q"), given(b" http://h?q\t"), true),
    ];
    for (row, line, is_same) in table {
        let mut done = Done::default();
        done.record(1, row, Fate::Good);
        let found = Check::new(done, Which::None).line(1, line);
        assert_eq!(found == Ok(Verdict::Good), is_same, "{row:?} {line:?}");
    }
}

#[test]
fn the_first_line_that_differs_is_named() {
    let report = 1..=10;
    let rows = |check: &Check, mismatch| {
        let mut difference = check.difference(mismatch);
        for index in report.clone().rev() {
            difference.row(index, plain(&url(index)));
        }
        difference.to_string()
    };
    let table: [(&[(u64, u64)], &str); 4] = [
        (&[(1, 1), (2, 2), (3, 7), (4, 3), (10, 9)], "line 3 is http://a/7, and was http://a/3"),
        (&[(1, 1), (3, 3), (10, 10)], "line 2 has no URL any more, and was http://a/2"),
        (&[(5_000, 1)], "line 1 has no URL any more, and was http://a/1"),
        (&[(1, 1), (2, 2)], "line 3 has no URL any more, and was http://a/3"),
    ];
    for (lines, told) in table {
        let mut check = Check::new(done(report.clone()), Which::None);
        let found = lines
            .iter()
            .try_for_each(|(index, shown)| check.line(*index, plain(&url(*shown))).map(drop));
        let mismatch = found.and_then(|()| check.end().map(drop)).unwrap_err();
        assert_eq!(rows(&check, mismatch), told);
        assert!(check.difference(mismatch).to_string().starts_with("lines 1 to 4096"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Any bytes are read without a panic, and what is kept of them ends with a line.
    #[test]
    fn any_bytes_are_a_report_or_none(
        begin in 0_usize..3,
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        piece in 1_usize..64,
    ) {
        for format in FORMATS {
            let whole = encode(format, &rows());
            let report = [&whole[..whole.len() * begin / 2], &bytes].concat();
            if let Ok((rows, scanned)) = read(format, &report, piece) {
                let kept = usize::try_from(scanned.whole).unwrap();
                prop_assert!(kept == 0 || report[kept - 1] == b'\n');
                let again = read(format, &report[..kept], 13).unwrap();
                prop_assert_eq!(again.0, rows);
            }
        }
    }

    /// What is passed over and what is pulled is all of the list, each line once.
    #[test]
    fn the_lines_of_a_list_are_each_passed_or_pulled(
        rows in prop::collection::vec((1_u64..9_000, 0_u8..3), 0..200),
        gap in 1_u64..50,
    ) {
        let lines: Vec<u64> = (1..9_000).step_by(usize::try_from(gap).unwrap()).collect();
        let mut done = Done::default();
        let mut last = std::collections::HashMap::new();
        for (index, fate) in rows.iter().filter(|(index, _)| lines.contains(index)) {
            let fate = [Fate::Good, FAILED, Fate::Open][usize::from(*fate)];
            done.record(*index, plain(&url(*index)), fate);
            last.insert(*index, fate);
        }
        let mut check = Check::new(done, Which::None);
        for index in lines {
            let verdict = check.line(index, plain(&url(index))).unwrap();
            let expected = match last.get(&index) {
                Some(Fate::Good) => Verdict::Good,
                Some(Fate::Failed { .. }) => Verdict::Failed,
                Some(Fate::Open) | None => Verdict::Pull,
            };
            prop_assert_eq!(verdict, expected);
        }
        prop_assert_eq!(check.end(), Ok(Ended::Whole));
        prop_assert!(check.is_confirmed());
    }
}

#[test]
fn some_lines_of_a_report_are_pulled_again_and_the_others_count() {
    let mut done = Done::default();
    let url = |index: u64| format!("http://h/{index}");
    let failed = Fate::Failed { exit: ExitStatus::Network, is_transient: true };
    for (index, fate) in [(1, Fate::Good), (2, Fate::Good), (3, failed), (9_000, Fate::Good)] {
        let url = url(index);
        done.record(index, Url { given: url.as_bytes(), normal: Some(&url) }, fate);
    }
    let mut check = Check::partial(done);
    let of = |url: &'static str| Url { given: url.as_bytes(), normal: Some(url) };
    assert_eq!(check.line(2, of("http://h/2")), Ok(Verdict::Pull));
    assert_eq!(check.line(3, of("http://h/three")), Ok(Verdict::Pull));
    assert!(!check.is_confirmed(), "they are held");
    let mut difference = check.difference(Mismatch { lines: (0, u64::MAX) });
    difference.row(1, of("http://h/1"));
    difference.row(2, of("http://h/2"));
    assert!(!difference.is_found());
    difference.row(3, of("http://h/3"));
    assert!(difference.is_found());
    assert_eq!(check.line(4, of("http://h/4")), Err(Mismatch { lines: (4, 4) }), "no row");
    let mut check = check.again();
    assert!(check.is_confirmed());
    let whole = Passed { good: 3, failed: 1, transient: 1, exit: Some(ExitStatus::Network) };
    assert_eq!(check.passed(), whole);
    let url = url(2);
    let line = Url { given: url.as_bytes(), normal: Some(&url) };
    assert_eq!(check.line(2, line), Ok(Verdict::Pull));
    assert_eq!(check.passed(), Passed { good: 2, ..whole });
    assert_eq!(check.line(3, line), Ok(Verdict::Pull));
    assert_eq!(check.passed(), Passed { good: 2, ..Passed::default() });
    assert_eq!(check.end(), Ok(Ended::Whole));
}
