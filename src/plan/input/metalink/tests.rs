//! The example of the RFC, what files say and what is wrong with them, at every split.

use super::*;
use crate::fault::InputProblem;
use crate::plan::checksum::Kind;
use crate::plan::job::Job;
use proptest::prelude::*;

/// The example of RFC 5854 section 1.1.
const OF_THE_RFC: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <published>2009-05-15T12:23:23Z</published>
  <file name="example.ext">
    <size>14471447</size>
    <identity>Example</identity>
    <version>1.0</version>
    <language>en</language>
    <description>
    A description of the example file for download.
    </description>
    <hash type="sha-256">f0ad929cd259957e160ea442eb80986b5f01
    </hash>
    <url location="de"
         priority="1">ftp://ftp.example.com/example.ext</url>
    <url location="fr"
         priority="1">http://example.com/example.ext</url>
    <metaurl mediatype="torrent"
             priority="2">http://example.com/example.ext.torrent</metaurl>
  </file>
</metalink>
"#;

/// The entries of a document that comes in these pieces, and how it ended.
fn read(parts: &[&[u8]]) -> (Vec<Entry>, Result<LeftOut, FormError>) {
    let (mut metalink, mut entries) = (Metalink::new(10), Vec::new());
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            match metalink.read(rest) {
                Ok((used, entry)) => {
                    rest = &rest[used..];
                    entries.extend(entry);
                }
                Err(error) => return (entries, Err(error)),
            }
        }
    }
    assert!(metalink.lines_total() >= 10 + entries.len() as u64);
    let end = metalink.finish().map(|()| metalink.left_out());
    (entries, end)
}

fn metalink(files: &str) -> String {
    format!("<metalink xmlns=\"{NAMESPACE}\">{files}</metalink>")
}

fn entry(file: &str) -> Entry {
    let (mut entries, end) = read(&[metalink(file).as_bytes()]);
    assert!(end.is_ok(), "{file}: {end:?}");
    assert_eq!(entries.len(), 1, "{file}");
    entries.remove(0)
}

fn job(file: &str) -> Job {
    entry(file).unwrap_or_else(|bad| panic!("{file}: {}", bad.message))
}

fn urls(job: &Job) -> Vec<&str> {
    std::iter::once(&job.target).chain(job.mirrors()).map(|target| target.as_str()).collect()
}

#[test]
fn the_example_of_the_rfc_is_read() {
    // Its digest is shortened there, so that it is none.
    let (entries, end) = read(&[OF_THE_RFC.as_bytes()]);
    let [Err(bad)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((bad.problem, bad.index, bad.line_number), (InputProblem::Checksum, 11, 4));
    assert_eq!(bad.text, b"http://example.com/example.ext");
    assert!(
        bad.message.starts_with("line 4: \"example.ext\": the file: its <hash>: sha-256 has 64")
    );
    assert_eq!(end, Ok(LeftOut { schemes: 1, metaurls: 1, ..LeftOut::default() }));
    let digest = "0".repeat(64);
    let whole = OF_THE_RFC.replace("f0ad929cd259957e160ea442eb80986b5f01", &digest);
    let (entries, _) = read(&[whole.as_bytes()]);
    let [Ok(job)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((job.index, job.url()), (11, "http://example.com/example.ext"));
    assert_eq!(job.path(None), "example.ext");
    let options = job.options.as_ref().unwrap();
    assert_eq!(options.checksum.as_ref().unwrap().to_string(), format!("sha-256={digest}"));
    assert_eq!((options.size, &options.pieces), (Some(14_471_447), &None));
}

#[test]
fn urls_are_sorted_by_priority_and_none_is_there_twice() {
    let job = job("<file name='a/b.bin'>\
        <url>http://last/</url>\
        <url priority='2' location='de'> http://second/?a&amp;b </url>\
        <url priority='1'>HTTP://First:80/x</url>\
        <url priority='0'>http://odd/</url>\
        <url priority='7'>http://second/?a&amp;b</url>\
        <url priority='2'><![CDATA[http://third/?a&b]]></url>\
        <url priority='1'>rsync://r/</url></file>");
    assert_eq!(
        urls(&job),
        [
            "http://first/x",
            "http://second/?a&b",
            "http://third/?a&b",
            "http://last/",
            "http://odd/"
        ]
    );
    assert_eq!((job.url(), job.path(None)), ("HTTP://First:80/x", "a/b.bin".to_owned()));
}

#[test]
fn the_strongest_digests_count() {
    let hash =
        |kind: &str, digits: usize| format!("<hash type='{kind}'>{}</hash>", "A".repeat(digits));
    let file = |inner: &str| format!("<file name='a'><url>http://h/</url>{inner}</file>");
    let many = [hash("md5", 32), hash("sha-256", 64), hash("sha-1", 40), hash("x", 3)].concat();
    let checksum = |file: &str| job(file).options.unwrap().checksum.map(|found| found.kind());
    assert_eq!(checksum(&file(&many)), Some(Kind::Sha256));
    assert_eq!(checksum(&file(&hash("x", 3))), None);
    let pieces = |kind: &str, digits: usize| {
        let hash = format!("<hash> {} </hash>", "b".repeat(digits));
        format!("<pieces length='4' type='{kind}'>{hash}{hash}</pieces>")
    };
    let many = [pieces("md5", 32), pieces("sha-512", 128), pieces("sha-1", 40), pieces("?", 9)];
    let found = job(&file(&format!("<size>8</size>{}", many.concat()))).options.unwrap();
    let found = found.pieces.unwrap();
    assert_eq!((found.kind(), found.count(), found.length()), (Kind::Sha512, 2, 4));
}

#[test]
fn what_is_wrong_with_a_file_is_one_entry_with_a_remedy() {
    let with = |inner: &str| format!("<file name='a'><url>http://h/</url>{inner}</file>");
    for (file, problem, said) in [
        ("<file><url>http://h/</url></file>".to_owned(), InputProblem::Name, "a file has a name"),
        ("<file name='../x'><url>http://h/</url></file>".to_owned(), InputProblem::Name, ".."),
        ("<file name='/etc/x'><url>http://h/</url></file>".to_owned(), InputProblem::Name, "abs"),
        ("<file name='a'/>".to_owned(), InputProblem::Url, "no http:// or https:// URL"),
        ("<file name='a'><url>ftp://h/</url></file>".to_owned(), InputProblem::Url, "add one"),
        (with("<url>http://[/</url>"), InputProblem::Host, "its URL 2: the host"),
        (with("<url>x</url>"), InputProblem::Url, "its URL 2"),
        (with("<size>-1</size>"), InputProblem::Record, "<size>"),
        (with("<size>1</size><size>2</size>"), InputProblem::Record, "two sizes"),
        (with("<hash type='md5'>x</hash>"), InputProblem::Checksum, "<hash>"),
        (
            with(&["0", "1"].map(|c| format!("<hash type='md5'>{}</hash>", c.repeat(32))).concat()),
            InputProblem::Checksum,
            "two md5 digests",
        ),
        (with("<pieces type='md5'/>"), InputProblem::Checksum, "need a length"),
        (with("<pieces type='md5' length='0'/>"), InputProblem::Checksum, "need a length"),
        (
            with("<pieces type='md5' length='9'><hash>0</hash></pieces>"),
            InputProblem::Checksum,
            "piece 1",
        ),
        (
            with("<size>7</size><pieces type='md5' length='9'/>"),
            InputProblem::Checksum,
            "0 pieces of 9 bytes",
        ),
    ] {
        let bad = entry(&file).expect_err(&file);
        assert_eq!((bad.problem, bad.index), (problem, 11), "{file}");
        assert!(bad.message.contains(said), "{file}: {}", bad.message);
    }
    let bad = entry("<file name='../a'><url>http://me:secret@h/</url></file>").unwrap_err();
    assert!(!format!("{bad:?}").contains("secret"), "{bad:?}");
    assert_eq!(bad.text, b"http://h/");
}

#[test]
fn elements_of_others_are_passed_over() {
    let prefixed = format!(
        "<!-- a --><m:metalink xmlns:m='{NAMESPACE}' xmlns='urn:other'>\
         <file name='no'/><m:file name='a' x:name='b' xmlns:x='urn:x'><url>http://no/</url>\
         <m:url x:priority='3'>http://h/</m:url><x:url>http://no/</x:url>\
         <m:x><m:url>http://no/</m:url></m:x></m:file></m:metalink>\n"
    );
    let (entries, end) = read(&[prefixed.as_bytes()]);
    assert!(end.is_ok(), "{end:?}");
    let [Ok(job)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((urls(job), job.path(None)), (vec!["http://h/"], "a".to_owned()));
}

#[test]
fn what_is_no_metalink_is_told_with_its_place() {
    let good = "<file name='a'><url>http://h/</url></file>";
    let cut = format!("<metalink xmlns=\"{NAMESPACE}\">\n{good}\n<file name='b'>");
    for (document, entries, said) in [
        ("<html>".to_owned(), 0, "line 1 (up to byte 6): there is no <metalink"),
        ("http://h/".to_owned(), 0, "ends within"),
        (String::new(), 0, "there is no <metalink"),
        ("<metalink/>".to_owned(), 0, "version 4"),
        ("<metalink version='3.0' xmlns='http://www.metalinker.org/'>".to_owned(), 0, ".meta4"),
        (cut.clone(), 1, "ends within <file> of line 3, behind 1 whole files"),
        (format!("{cut}</metalink>"), 1, "</metalink> ends no such element: <file> of line 3"),
        (metalink(good) + "<x>", 1, "something follows </metalink>"),
        (metalink(&format!("{good}<file name='&lol;'>")), 1, "lol"),
        (metalink(&"<x>".repeat(40)), 0, "within each other"),
        (format!("<!DOCTYPE x [<!ENTITY lol 'lol'>]>{}", metalink(good)), 0, "document type"),
    ] {
        let (found, end) = read(&[document.as_bytes()]);
        assert_eq!(found.len(), entries, "{document}");
        let text = end.expect_err(&document).to_string();
        assert!(text.contains(said), "{document}: {text}");
    }
}

#[test]
fn a_file_keeps_the_best_urls_and_pieces_that_fit() {
    let max = limits::MIRRORS_MAX;
    let url = |n: usize| format!("<url priority='{}'>http://m{n}/</url>", 500 - n);
    let all: String = (0..max + 9).map(url).collect();
    let (entries, end) = read(&[metalink(&format!("<file name='a'>{all}</file>")).as_bytes()]);
    let [Ok(job)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((job.url(), job.mirrors().len()), (&*format!("http://m{}/", max + 8), max));
    assert_eq!(end.unwrap().mirrors, 8);
    let hash = format!("<hash>{}</hash>", "0".repeat(128));
    let hashes = hash.repeat(limits::PIECES_BYTES_MAX / 64 + 1);
    let file = format!(
        "<file name='a'><url>http://h/</url><pieces length='1' type='sha-512'>{hashes}</pieces>\
         </file>"
    );
    let (entries, end) = read(&[metalink(&file).as_bytes()]);
    let [Ok(job)] = &entries[..] else { panic!("{} entries", entries.len()) };
    assert_eq!((&job.options.as_ref().unwrap().pieces, end.unwrap().pieces), (&None, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn splits_do_not_matter_and_nothing_panics(
        parts in prop::collection::vec(
            prop_oneof![
                8 => prop::sample::select(vec![
                    "<file name='a'>", "</file>", "<url>", "<url priority='2'>", "</url>",
                    "http://h/1", "http://h/2", "ftp://h", "<size>", "7", "</size>", "<x>", "</x>",
                    "<pieces length='4' type='md5'>", "</pieces>", "<hash type='sha-1'>", "<hash>",
                    "</hash>", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "<!-- -->", "\n", "<",
                    "</metalink>", "<metaurl/>", "&amp;",
                ]).prop_map(|text| text.as_bytes().to_vec()),
                1 => prop::collection::vec(any::<u8>(), 0..4),
            ],
            0..30,
        ),
    ) {
        let begin = format!("<metalink xmlns=\"{NAMESPACE}\">").into_bytes();
        let whole = [begin.clone(), parts.concat()].concat();
        let mut pieces = vec![&*begin];
        pieces.extend(parts.iter().map(Vec::as_slice));
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        let expected = read(&[&whole]);
        prop_assert_eq!(&read(&pieces), &expected);
        prop_assert_eq!(&read(&bytes), &expected);
    }
}
