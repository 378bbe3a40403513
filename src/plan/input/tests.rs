//! All formats, however they are split, and with anything in them.

use super::*;
use proptest::prelude::*;

const FORMATS: [Format; 5] =
    [Format::Text, Format::Csv, Format::Tsv, Format::JsonLines, Format::Metalink];

#[test]
fn the_name_of_a_file_says_its_format() {
    for (name, format) in [
        ("list.txt", Format::Text),
        ("list", Format::Text),
        ("csv", Format::Text),
        ("a/b.csv", Format::Csv),
        ("B.CSV.GZ", Format::Csv),
        ("list.tsv.zst", Format::Tsv),
        ("list.tab", Format::Tsv),
        ("list.jsonl", Format::JsonLines),
        ("list.ndjson.zstd", Format::JsonLines),
        ("list.json.gz", Format::JsonLines),
        ("a.meta4", Format::Metalink),
        ("A.Metalink.gz", Format::Metalink),
        ("list.csv.old", Format::Text),
        ("standard input", Format::Text),
    ] {
        assert_eq!(format_of(name), format, "{name}");
    }
}

/// What a list comes to that is read in these parts: its entries, and how it ended.
fn read(format: Format, parts: &[&[u8]]) -> (Vec<Entry>, Result<u64, FormError>) {
    let options = Options {
        columns: Columns { out: Some("out".to_owned()), ..Columns::default() },
        ..Options::default()
    };
    let mut list = List::new(format, &options, 10);
    let mut entries = Vec::new();
    for part in parts {
        let mut rest = *part;
        loop {
            match list.read(rest) {
                Ok(Step { used, entry: Some(entry) }) => {
                    rest = &rest[used..];
                    entries.push(entry);
                }
                Ok(Step { used, entry: None }) => {
                    assert_eq!(used, rest.len(), "without an entry all is read");
                    break;
                }
                Err(error) => return (entries, Err(error)),
            }
        }
    }
    loop {
        match list.finish() {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => break,
            Err(error) => return (entries, Err(error)),
        }
    }
    assert_eq!(list.finish(), Ok(None));
    (entries, Ok(list.lines_total()))
}

fn index(entry: &Entry) -> u64 {
    entry.as_ref().map_or_else(|bad| bad.index, |job| job.index)
}

/// Pieces that lists of some format are made of.
fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop::sample::select(vec![
        "url,out\n",
        "url\tout\n",
        "http://h/1",
        "{\"url\":\"http://h/2\"}",
        "\"",
        "\"\"",
        ",",
        "\t",
        "\n",
        "\r\n",
        " out=x",
        "\u{feff}",
        "x",
        "{",
        "#",
    ]);
    let noise = prop::collection::vec(any::<u8>(), 0..4);
    let bytes = prop_oneof![9 => piece.prop_map(|text| text.as_bytes().to_vec()), 1 => noise];
    let header = prop::sample::select(vec!["", "url,out\n", "url\tout\n", "url\n"]);
    (header, prop::collection::vec(bytes, 0..40)).prop_map(|(header, mut parts)| {
        parts.insert(0, header.as_bytes().to_vec());
        parts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_do_not_matter(parts in parts()) {
        let whole = parts.concat();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        for format in FORMATS {
            let expected = read(format, &[&whole]);
            prop_assert_eq!(&read(format, &parts), &expected);
            prop_assert_eq!(&read(format, &bytes), &expected);
        }
    }

    #[test]
    fn no_line_has_two_entries(parts in parts()) {
        let whole = parts.concat();
        let lines = whole.split_inclusive(|byte| *byte == b'\n').count() as u64;
        for format in FORMATS {
            let (entries, result) = read(format, &[&whole]);
            let indexes: Vec<u64> = entries.iter().map(index).collect();
            prop_assert!(indexes.is_sorted_by(|a, b| a < b), "{indexes:?}");
            prop_assert!(indexes.iter().all(|index| (11..=10 + lines).contains(index)));
            if let Ok(total) = result {
                prop_assert_eq!(total, 10 + lines);
            }
        }
    }

    #[test]
    fn what_broke_off_gives_nothing_that_the_whole_does_not(parts in parts(), cut in any::<u16>()) {
        let whole = parts.concat();
        let cut = usize::from(cut) % (whole.len() + 1);
        for format in [Format::Csv, Format::Tsv, Format::JsonLines] {
            let (expected, _) = read(format, &[&whole]);
            let mut list = List::new(format, &options_of_tests(), 10);
            let mut found = Vec::new();
            let mut rest = &whole[..cut];
            let end = loop {
                match list.read(rest) {
                    Ok(Step { used, entry: Some(entry) }) => {
                        rest = &rest[used..];
                        found.push(entry);
                    }
                    end => break end,
                }
            };
            // Nobody reads on behind an error.
            if end.is_ok() {
                found.extend(std::iter::from_fn(|| list.abandon()));
            }
            prop_assert!(expected.starts_with(&found), "{found:?} {expected:?}");
        }
    }
}

fn options_of_tests() -> Options {
    let columns = Columns { out: Some("out".to_owned()), ..Columns::default() };
    Options { columns, ..Options::default() }
}

#[test]
fn text_that_begins_as_a_metalink_is_one() {
    let metalink = "\u{feff}\n<?xml version='1.0'?>\n\
        <metalink xmlns='urn:ietf:params:xml:ns:metalink'><file name='a'><url>http://h/1</url>\
        </file><file name='b'><url>http://h/2</url></file></metalink>";
    for format in [Format::Text, Format::Metalink] {
        let bytes: Vec<&[u8]> = metalink.as_bytes().chunks(1).collect();
        for parts in [&bytes[..], &[metalink.as_bytes()]] {
            let (entries, end) = read(format, parts);
            assert_eq!(end, Ok(12), "{format:?}");
            assert_eq!(entries.iter().map(index).collect::<Vec<_>>(), [11, 12]);
        }
    }
    // What was said to be text is.
    let options = Options { format: Some(Format::Text), ..Options::default() };
    let mut list = List::new(Format::Text, &options, 0);
    let step = list.read(b"<?xml?>\n").unwrap();
    assert_eq!((step.used, list.finish().unwrap().unwrap().is_err()), (8, true));
    // Blanks and the begin of a tag are lines, too, if nothing more comes.
    let (entries, end) = read(Format::Text, &[b"\n\n<?x"]);
    assert_eq!((entries.iter().map(index).collect::<Vec<_>>(), end), (vec![13], Ok(13)));
    let (entries, end) = read(Format::Text, &[b"\n<!-- http://h/"]);
    assert!(entries.is_empty() && end.unwrap_err().to_string().contains("ends within"));
    for (columns, delimiter) in [(true, None), (false, Some(b';'))] {
        let kept = KeptColumn { name: "a".to_owned(), report_name: "a".to_owned() };
        let keep = if columns { vec![kept] } else { Vec::new() };
        let columns = Columns { keep, ..Columns::default() };
        let options = Options { columns, delimiter, ..Options::default() };
        assert!(List::new(Format::Metalink, &options, 0).read(metalink.as_bytes()).is_err());
    }
}

#[test]
fn a_text_list_that_broke_off_gives_no_torn_url() {
    for (text, paths) in [
        (&b"http://h/1\nhttp://h/2"[..], &["1"][..]),
        (b"http://h/1\nhttp://h/2\n", &["1", "2"]),
        (b"http://h/1\nhttp://h/2\n out=n", &["1"]),
        (b"http://h/1\n out=a\nht", &["a"]),
        (b"ht", &[]),
    ] {
        let mut list = List::new(Format::Text, &Options::default(), 0);
        let mut found = Vec::new();
        let mut rest = text;
        while let Ok(Step { used, entry: Some(entry) }) = list.read(rest) {
            rest = &rest[used..];
            found.push(entry);
        }
        found.extend(std::iter::from_fn(|| list.abandon()));
        let found: Vec<String> = found.into_iter().map(|job| job.unwrap().path(None)).collect();
        assert_eq!(found, paths, "{}", text.escape_ascii());
    }
}

#[test]
fn utf_16_is_told_and_no_row_a_line() {
    let text = "\u{feff}http://h/1\nhttp://h/2\n";
    let units = || text.encode_utf16();
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    for format in FORMATS {
        for bytes in [&little[..], &big[..], &little[..8], &big[..8]] {
            let (first, rest) = bytes.split_at(1);
            let (entries, end) = read(format, &[first, rest]);
            let error = end.unwrap_err().to_string();
            assert!(error.contains("UTF-16"), "{format:?}: {error}");
            assert_eq!(entries, [], "{format:?}");
        }
    }
    // Only the begin of an input has such a mark.
    let (entries, end) = read(Format::Text, &[b"http://h/1\n\xff\xfe\n"]);
    assert_eq!((entries.len(), end), (2, Ok(12)));
}
