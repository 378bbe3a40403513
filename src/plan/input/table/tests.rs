//! Tables of tables, good and bad.

use super::*;
use crate::plan::input::{Format, List, Options};

/// All entries of a table that is one text: the index and the path or the message.
fn read(format: Format, text: &[u8]) -> Result<Vec<(u64, String)>, FormError> {
    read_with(format, text, Columns::default())
}

fn read_with(
    format: Format,
    mut text: &[u8],
    columns: Columns,
) -> Result<Vec<(u64, String)>, FormError> {
    let config = Options { columns, ..Options::default() };
    let mut list = List::new(format, &config, 0);
    let mut entries = Vec::new();
    loop {
        let step = list.read(text)?;
        text = &text[step.used..];
        match step.entry {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    while let Some(entry) = list.finish()? {
        entries.push(entry);
    }
    let shown = |entry: Entry| match entry {
        Ok(job) => (job.index, job.path(None)),
        Err(bad) => {
            assert!(bad.message.starts_with(&format!("line {}: ", bad.line_number)));
            (bad.index, bad.message)
        }
    };
    Ok(entries.into_iter().map(shown).collect())
}

fn wanted() -> Columns {
    let name = |name: &str| Some(name.to_owned());
    Columns { out: name("name"), checksum: name("sum"), ..Columns::default() }
}

fn csv(text: &str) -> Vec<(u64, String)> {
    let columns = Columns::default();
    read_with(Format::Csv, text.as_bytes(), columns).unwrap_or_else(|e| panic!("{text:?}: {e}"))
}

/// Rows are good but where a message begins with a star.
fn check(found: &[(u64, String)], expected: &[(u64, &str)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((index, text), (expected_index, expected)) in found.iter().zip(expected) {
        let is_same = match expected.strip_prefix('*') {
            Some(message) => text.starts_with("line ") && text.contains(message),
            None => text == expected,
        };
        assert!(is_same && index == expected_index, "{found:?} is not {expected:?}");
    }
}

#[test]
fn rows_are_read_whatever_they_are_written_like() {
    let table: [(&str, &[(u64, &str)]); 14] = [
        ("", &[]),
        ("url\n", &[]),
        ("url", &[]),
        ("url\nhttp://h/1\nhttp://h/2", &[(2, "1"), (3, "2")]),
        ("\u{feff}url\r\nhttp://h/1\r\n\r\nhttp://h/2\r\n", &[(2, "1"), (4, "2")]),
        ("\u{feff}\"url\",x\nhttp://h/1,\n", &[(2, "1")]),
        ("\n\nurl\n\n  \nhttp://h/1\n\n", &[(6, "1")]),
        ("id,url\n5,http://h/1\n6, http://h/2 \n", &[(2, "1"), (3, "2")]),
        ("id,url\n\"a,b\",\"http://h/1\"\n", &[(2, "1")]),
        ("id,url\n\"say \"\"x\"\"\",http://h/1\n", &[(2, "1")]),
        ("id,url\nsay \"x\",http://h/1\n", &[(2, "1")]),
        ("id,url\n\"a\nb\n\nc\",http://h/1\nd,http://h/2\n", &[(2, "1"), (6, "2")]),
        ("id,url\r\n\"a\r\nb\",\"http://h/1\"\r\nd,http://h/2", &[(2, "1"), (4, "2")]),
        ("\"an\nid\",url\na,http://h/1\n", &[(3, "1")]),
    ];
    for (text, expected) in table {
        check(&csv(text), expected);
    }
}

#[test]
fn a_row_that_is_none_costs_no_other() {
    let table: [(&str, &[(u64, &str)]); 11] = [
        ("id,url\n1,http://h/1,x\n2,http://h/2\n", &[(2, "*3 cells and the header 2"), (3, "2")]),
        ("id,url\nhttp://h/1\n2,http://h/2\n", &[(2, "*1 cells and the header 2"), (3, "2")]),
        ("id,url\n1,\n2,http://h/2\n", &[(2, "*the URL is missing"), (3, "2")]),
        ("id,url\n1,h/1\n2,http://h/2\n", &[(2, "*\"h/1\": not a URL"), (3, "2")]),
        // Quotes that are never closed.
        ("id,url\n\"1,http://h/1\n", &[(2, "*a quote is opened")]),
        ("id,url\n\"1,http://h/1", &[(2, "*a quote is opened")]),
        (
            "id,url\n\"1,http://h/1\n2,http://h/2\n3,http://h/3\n",
            &[(2, "*a quote is opened"), (3, "2"), (4, "3")],
        ),
        // The next quote would close it, and what follows gives it away.
        (
            "id,url\n\"1,http://h/1\n2,http://h/2\n\"3\",http://h/3\n",
            &[(2, "*a quote is opened"), (3, "2"), (4, "3")],
        ),
        // The quote that closes it is where it may be, and the number of cells gives it away.
        (
            "id,url\n1,\"http://h/1\n2,http://h/2\n3\",http://h/3\n4,http://h/4\n",
            &[(2, "*a quote is opened"), (3, "2"), (4, "3"), (5, "4")],
        ),
        (
            "id,url\n\"1,x\n\"2,y\n\"3,z\n4,http://h/4\n",
            &[
                (2, "*a quote is opened"),
                (3, "*a quote is opened"),
                (4, "*a quote is opened"),
                (5, "4"),
            ],
        ),
        ("url\nhttp://h/a,b\nhttp://h/2\n", &[(2, "*in double quotes"), (3, "2")]),
    ];
    for (text, expected) in table {
        check(&csv(text), expected);
    }
}

#[test]
fn tabs_separate_and_their_quotes_may_be_none() {
    let table: [(&str, &[(u64, &str)]); 4] = [
        ("id\turl\na,b\thttp://h/1\n\"x\ty\"\thttp://h/2\n", &[(2, "1"), (3, "2")]),
        ("id\turl\n\"a\nb\"\thttp://h/1\n", &[(2, "1")]),
        ("id\turl\n\"a\thttp://h/1\nb\thttp://h/2\n", &[(2, "1"), (3, "2")]),
        ("id\turl\n\t\nb\thttp://h/2", &[(2, "*the URL is missing"), (3, "2")]),
    ];
    for (text, expected) in table {
        check(&read(Format::Tsv, text.as_bytes()).expect("a table"), expected);
    }
}

#[test]
fn names_and_checksums_come_from_columns() {
    let sum = "900150983cd24fb0d6963f7d28e17f72";
    let text = format!(
        "name,url,sum\na/1.jpg,http://h/x,{sum}\n,http://h/2,\n../3,http://h/3,\n\
         4,http://h/4,md5={sum}\n5,http://h/5,xyz\n\u{fffd},http://h/6,\n"
    );
    let bytes: Vec<u8> = text.replace('\u{fffd}', "?").into_bytes();
    let bytes: Vec<u8> = bytes.into_iter().map(|b| if b == b'?' { 0xff } else { b }).collect();
    let found = read_with(Format::Csv, &bytes, wanted()).expect("a table");
    let expected = [
        (2, "a/1.jpg"),
        (3, "2"),
        (4, "*\"../3\": the path is empty"),
        (5, "4"),
        (6, "*\"xyz\": a checksum is written in hex"),
        (7, "*not valid UTF-8"),
    ];
    check(&found, &expected);
    let mut table = Table::new(b',', wanted(), 0);
    let mut job = |line: &[u8]| table.line(line).expect("a table");
    assert_eq!(job(b"name,url,sum\n"), None);
    for cell in [sum.to_owned(), format!("MD5={}", sum.to_uppercase())] {
        let line = format!("x,http://h/,{cell}\n");
        let options = job(line.as_bytes()).unwrap().unwrap().options.unwrap();
        assert_eq!(options.checksum.unwrap().to_string(), format!("md5={sum}"));
    }
}

#[test]
fn a_header_without_the_column_ends_it() {
    for (text, message) in [
        (&b"id,link\n1,http://h/1\n"[..], r#"no column "url", but "id", "link""#),
        (b"http://h/1\nhttp://h/2\n", "--input-format txt"),
        (b"\xff,url\n", "not valid UTF-8"),
        (b"\"id,url\n1,http://h/1\n", "a quote is opened"),
    ] {
        let error = read(Format::Csv, text);
        let error = error.expect_err("no header").to_string();
        assert!(error.contains(message), "{error}");
    }
    let columns = Columns { url: Some("link".to_owned()), ..Columns::default() };
    let found = read_with(Format::Csv, b"id,link\n1,http://h/1\n", columns);
    check(&found.expect("a table"), &[(2, "1")]);
}

#[test]
fn rows_are_bounded() {
    let max = limits::RECORD_BYTES_MAX;
    let wide = "x".repeat(max - 100);
    check(&csv(&format!("id,url\n{wide},http://h/1\n")), &[(2, "1")]);
    let text = format!("id,url\n{wide}{wide},http://h/1\n2,http://h/2\n");
    check(&csv(&text), &[(2, "*longer than"), (3, "2")]);
    // A quote that stays open for longer than any row.
    let lines: String = (3..40_000).map(|n| format!("{n},http://h/{n}\n")).collect();
    let found = csv(&format!("id,url\n\"2,http://h/2\n{lines}"));
    assert_eq!(found.len(), 39_998);
    check(&found[..3], &[(2, "*a quote is opened"), (3, "3"), (4, "4")]);
    assert!((3..40_000).zip(&found[1..]).all(|(n, row)| *row == (n, n.to_string())));
    // The same with a line that was cut.
    let text = format!("id,url\n\"2,http://h/2\n{wide}{wide}\n4,http://h/4\n");
    check(&csv(&text), &[(2, "*a quote is opened"), (3, "*longer than"), (4, "4")]);
    let text = format!("id,url\n\"2,\n\"3,{wide}{wide}\n4,http://h/4\n");
    let expected = [(2, "*a quote is opened"), (3, "*longer than"), (4, "4")];
    check(&csv(&text), &expected);
}

#[test]
fn no_password_of_a_broken_row_is_shown() {
    for text in [
        "id,url\n1,http://me:SECRET@h/,x\n",
        "id,url\n1,ftp://me:SECRET@h/\n",
        "id,url\n\"1,http://me:SECRET@h/\n",
        "url\nhttp://me:SECRET,x@h/\n",
        "cookie,url\nCookie: SECRET,http://h/,x\n",
    ] {
        let found = csv(text);
        assert!(found.len() == 1 && found[0].1.starts_with("line 2: "), "{found:?}");
        assert!(!found[0].1.contains("SECRET"), "{found:?}");
    }
}

#[test]
fn quotes_beyond_doubt() {
    for (row, is_good) in [
        ("\"a\nb\",c\n", true),
        ("x,\"a\nb\"\r\n", true),
        ("\"a\"\"\nb\",\"\",c", true),
        ("\"a\nb\"c,d\n", false),
        ("\"a\nb", false),
        ("\"a\nb\" ,c\n", false),
    ] {
        assert_eq!(is_well_quoted(row.as_bytes(), b','), is_good, "{row:?}");
    }
}
