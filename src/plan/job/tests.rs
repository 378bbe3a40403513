//! Tables of lists, and the property that no entry is lost or doubled.

use super::*;
use crate::fault::Cause;
use proptest::prelude::*;

/// All entries of a list that is one text.
fn entries(list: &[u8]) -> Vec<Entry> {
    let mut lines = Lines::new(0);
    let mut entries = Vec::new();
    for line in list.split_inclusive(|b| *b == b'\n') {
        entries.extend(lines.line(line));
    }
    entries.extend(lines.finish());
    assert_eq!(lines.finish(), None);
    entries
}

fn only(list: &str) -> Entry {
    let mut entries = entries(list.as_bytes());
    assert_eq!(entries.len(), 1, "{list:?}: {entries:?}");
    entries.remove(0)
}

fn only_job(list: &str) -> Job {
    only(list).unwrap_or_else(|bad| panic!("{list:?}: {}", bad.message))
}

fn only_bad(list: &str) -> BadLine {
    only(list).expect_err(list)
}

#[test]
fn a_list_is_its_urls() {
    let list = "\u{feff}http://h/1\r\n\
                # a remark\n\
                \n\
                \t \r\n\
                http://h/2  \n\
                  http://h/3?a=b\n\
                  # another remark\n\
                HTTP://H/4\thttp://mirror/4\n\
                http://h/5";
    let found: Vec<_> = entries(list.as_bytes())
        .into_iter()
        .map(|entry| entry.map(|job| (job.index, job.target.as_str().to_owned())))
        .collect();
    let expected: Vec<_> = [(1, "1"), (5, "2"), (6, "3?a=b"), (8, "4"), (9, "5")]
        .map(|(index, path)| Ok((index, format!("http://h/{path}"))))
        .into();
    assert_eq!(found, expected);
    assert!(entries(b"").is_empty() && entries(b"\n#\n \n").is_empty());
}

#[test]
fn line_numbers_go_on_over_inputs() {
    let mut first = Lines::new(0);
    first.line(b"# one");
    first.line(b"http://h/2");
    let mut second = Lines::new(first.lines_total());
    second.line(b"");
    second.line(b"nonsense");
    let bad = second.finish().expect("an entry").expect_err("no URL");
    assert_eq!((bad.index, bad.line_number), (4, 2));
    // The mark belongs to the begin of every input.
    let mut third = Lines::new(second.lines_total());
    third.line("\u{feff}http://h/".as_bytes());
    assert_eq!(third.finish().expect("an entry").expect("a URL").index, 5);
}

#[test]
fn option_lines_belong_to_the_url_above() {
    let list = "http://h/a\n\
                \x20 out=x/b.jpg\n\
                # a remark between\n\
                \n\
                \tdir=d/\n\
                \x20 header=Accept:  image/* \n\
                \x20 header=X-Empty:\n\
                \x20 user-agent=me/1.0\n\
                \x20 referer=http://r/\n\
                \x20 checksum=sha1=A9993E364706816ABA3E25717850C26C9CD0D89D\n\
                \x20 out=c=d.jpg\r\n";
    let job = only_job(list);
    let options = job.options.as_deref().expect("options");
    assert_eq!(options.out.as_deref(), Some("c=d.jpg"));
    assert_eq!(options.dir.as_deref(), Some("d"));
    let headers: Vec<_> = options.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("Accept", "image/*"),
            ("X-Empty", ""),
            ("User-Agent", "me/1.0"),
            ("Referer", "http://r/")
        ]
    );
    let checksum = options.checksum.as_deref().expect("a checksum");
    assert_eq!(checksum.to_string(), "sha-1=a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_eq!(job.path(None), "d/c=d.jpg");
    assert_eq!(only_job("http://h/a").options, None);
}

#[test]
fn paths_of_jobs() {
    let template = Template::parse("{seq:03}.{ext}").expect("a template");
    let path = |list: &str| only_job(list).path(Some(&template));
    assert_eq!(path("\nhttp://h/a.jpg"), "002.jpg");
    assert_eq!(path("http://h/a.jpg\n out=b"), "b");
    assert_eq!(path("http://h/a.jpg\n dir=x/y"), "x/y/001.jpg");
    assert_eq!(path("http://h/a.jpg\n dir=."), "001.jpg");
    assert_eq!(only_job("http://h/a.jpg\n dir=x").path(None), "x/a.jpg");
}

#[test]
fn folders_of_jobs() {
    let path = |list: &str, dirs: &Dirs| {
        let job = only_job(list);
        job.spread(job.path(None), dirs)
    };
    let (host, lines) = (&Dirs::Host, &Dirs::Lines(2));
    assert_eq!(path("http://h/a.jpg", host), "h/a.jpg");
    assert_eq!(path("\n\n\nhttp://h/a.jpg", lines), "000000001/a.jpg");
    assert_eq!(path("http://h/a.jpg", &Dirs::Hash(vec![2, 2])), "85/e3/a.jpg");
    assert_eq!(path("http://h/a.jpg\n dir=x/y", host), "x/y/h/a.jpg");
    assert_eq!(path("http://h/a.jpg\n dir=.", host), "h/a.jpg");
    assert_eq!(path("http://h/a.jpg\n out=b", host), "b", "it is taken as given");
    assert_eq!(path("http://h/a.jpg\n dir=x\n out=b", host), "x/b");
    let job = only_job("http://h/a.jpg\n dir=x");
    let proposed = job.proposed_path("b.pdf".to_owned()).expect("another name");
    assert_eq!(job.spread(proposed, host), "x/h/b.pdf");
}

#[test]
fn bad_lines_say_line_text_and_remedy() {
    use InputProblem::{
        Backslash, Control, Host, HostEmpty, HostPercent, Name, Option, Port, Scheme, Url, Userinfo,
    };
    let table = [
        ("example.com/a.jpg", Url, r#""example.com/a.jpg": no scheme; write https://example.com/"#),
        ("example.com:8080/a", Url, "write https://example.com:8080/a"),
        ("www.h.example", Url, "write https://www.h.example"),
        ("hello", Url, r#""hello": not a URL; write https://HOST/PATH"#),
        ("http:/h.example/", Url, "not a URL; write https://HOST/PATH"),
        ("http://h/a\\b", Backslash, "write / or %5C"),
        ("http://h/\x1b[31m", Control, r#""http://h/\u{1b}[31m": a URL has no control characters"#),
        ("http://h:99999/", Port, "a number from 1 to 65535"),
        ("http://fe80::1/", Port, "a number from 1 to 65535"),
        ("http://u:%0a@h/", Userinfo, "percent-encode"),
        ("http:///h", HostEmpty, "write https://HOST/PATH"),
        ("http://[::1/", Host, "IPv6 in brackets"),
        ("ftp://h/x", Scheme, "only http:// and https://"),
        ("http://h%2Fx/", HostPercent, "write the name itself"),
        ("http://h/a\n out=../x", Name, r#"line 2: "out=../x": the path is empty, absolute"#),
        ("http://h/a\n dir=/etc", Name, r#""dir=/etc""#),
        ("http://h/a\n git=12", Option, "unknown option git; the options are out, dir, header"),
        (
            "http://h/a\n checksum=sha-256=00",
            InputProblem::Checksum,
            "sha-256 has 64 hex digits, not 2",
        ),
        ("http://h/a\n checksum=00", InputProblem::Checksum, "a checksum is TYPE=HEX"),
        ("http://h/a\n checksum=crc=00", InputProblem::Checksum, "unknown type of checksum"),
        ("http://h/a\n header=X", Option, "write header=NAME: VALUE"),
        ("http://h/a\n header=a b: c", Option, "write header=NAME: VALUE"),
        ("http://h/a\n user-agent=a\rb", Option, "without control characters"),
        (" out=x", Option, "needs a URL above"),
        ("out=x", Url, "an option line begins with white space"),
        (" out = x", Url, "an option line begins with white space"),
    ];
    for (list, problem, message) in table {
        let bad = only_bad(list);
        assert_eq!(bad.problem, problem, "{list:?}");
        assert!(bad.message.contains(message), "{list:?}: {}", bad.message);
        assert!(bad.message.starts_with("line "), "{}", bad.message);
        assert!(!bad.message.contains(char::is_control), "{}", bad.message);
        assert_eq!(bad.fault().cause, Cause::Input(problem));
        assert_eq!(bad.fault().to_string(), bad.message);
    }
}

#[test]
fn a_bad_option_makes_a_fault_of_its_url_and_of_no_other() {
    let list = b"http://h/1\n bad=x\n out=y\n worse=z\nhttp://h/2\nnonsense\n out=x\nhttp://h/3\n";
    let found = entries(list);
    assert_eq!(found.len(), 4);
    let bad = found[0].as_ref().expect_err("a bad option");
    assert_eq!((bad.index, bad.line_number, &*bad.text), (1, 2, &b"http://h/1"[..]));
    assert_eq!(found[1].as_ref().map(|job| job.index), Ok(5));
    assert_eq!(found[2].as_ref().expect_err("no URL").index, 6);
    assert_eq!(found[3].as_ref().map(|job| (job.index, &job.options)), Ok((8, &None)));
}

#[test]
fn a_line_has_no_credentials_for_the_proxy_of_all() {
    let found = entries(b"http://h/1\n header=proxy-authorization: Bearer s3cret\nhttp://h/2\n");
    let bad = found[0].as_ref().expect_err("one tunnel serves many lines");
    assert_eq!(bad.problem, InputProblem::Option);
    assert!(bad.message.contains("--proxy-user") && !bad.message.contains("s3cret"));
    assert!(found[1].is_ok());
}

#[test]
fn lines_that_are_too_long_or_no_utf8() {
    let max = limits::LINE_BYTES_MAX;
    let longest = format!("http://h/{}", "x".repeat(max - 9));
    assert_eq!(longest.len(), max);
    assert_eq!(only_job(&format!("{longest}\r\n")).target.as_str(), longest);
    let too_long = format!("{longest}xyz\r\n");
    let bad = only_bad(&too_long);
    assert_eq!(bad.problem, InputProblem::LineTooLong);
    assert!(bad.text.len() < 200 && bad.message.len() < 300);
    // A reader may cut such a line, and the verdict stays.
    let cut = &too_long.as_bytes()[..LINE_PREFIX_BYTES];
    assert_eq!(entries(cut), [Err(bad)]);
    assert_eq!(only_bad(&" ".repeat(max + 1)).problem, InputProblem::LineTooLong);
    assert!(entries(format!("#{}", "x".repeat(max + 1)).as_bytes()).is_empty());
    let bad = only_bad(&format!("http://h/\n out={}", "x".repeat(max)));
    assert_eq!((bad.problem, bad.index, bad.line_number), (InputProblem::LineTooLong, 1, 2));

    let found = entries(b"http://h/\xff\nhttp://h/ok\n out=\xff\n# \xff\nhttp://h/3");
    let bad = found[0].as_ref().expect_err("no UTF-8");
    assert_eq!((bad.problem, &*bad.text), (InputProblem::NotUtf8, &b"http://h/\xff"[..]));
    assert_eq!(found[1].as_ref().expect_err("no UTF-8").index, 2);
    assert_eq!(found.len(), 3);
    assert!(found[2].is_ok());
}

#[test]
fn passwords_are_not_reported() {
    let table = [
        "http://user:secret@h:99999/x",
        "http://user:secret@h\\x/",
        "http:/user:secret@h/x",
        "http:user:secret@h/x",
        "user:secret@h.example/x",
        "ftp://user:secret@h/x",
        "http://user:sec%ffsecret@h/x",
        "http://user:secret/x@h/",
        "ftp://h/x\thttp://user:secret@h/x",
        "http://user:secret@h/x\n bad=1",
        "http://h/x\n header=Authorization Basic secret",
        " header=Authorization: Basic secret",
        "header=Authorization: Basic secret",
        " header = Authorization: Basic secret",
        "header:Authorization: Basic secret",
        "HEADER=Authorization: Basic secret",
        "Authorization: Basic secret",
        "Set-Cookie: a=secret",
        "http://h/x\n http-passwd=secret\x01",
        "http://h/x\n all-proxy=secret",
        "http://h/x\n heder=Authorization: Basic secret",
        "http-passwd = secret",
        "ftp://h/x\theader=secret",
        "1,http://user:secret@h/x,2",
        "\"4\",\"http://user:secret@h/x\"",
        "{\"url\":\"http://user:secret@h/x\"}",
    ];
    for list in table {
        let bad = only_bad(list);
        let shown = format!("{} {} {}", bad.text.escape_ascii(), bad.message, bad.fault());
        assert!(!shown.contains("secret") && !shown.contains("user:"), "{list:?}: {shown}");
    }
    assert_eq!(only_bad("http://h:99999/@me").text, b"http://h:99999/@me");
}

#[test]
fn arguments_are_jobs_too() {
    let job = Job::from_argument(3, " http://h/x ").expect("a URL");
    assert_eq!((job.index, job.target.as_str()), (3, "http://h/x"));
    let bad = Job::from_argument(4, "h.example").expect_err("no URL");
    assert_eq!((bad.index, bad.problem), (4, InputProblem::Url));
    assert_eq!(Job::from_argument(5, "# x").map_err(|bad| bad.index), Err(5));
}

#[test]
fn a_queue_of_jobs_is_small() {
    assert!(size_of::<Job>() <= 96);
}

/// Says by itself, in the simplest way, how many entries a list has and at which lines.
fn expected_indices(list: &[u8]) -> Vec<u64> {
    let mut indices = Vec::new();
    for (number, line) in (1..).zip(list.split(|b| *b == b'\n')) {
        let line =
            if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = line.trim_ascii();
        let name_ends = text.iter().position(|b| !matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let is_name = name_ends.is_some_and(|end| end > 0 && text[end] == b'=')
            && text[0].is_ascii_lowercase();
        let is_option = text.len() < line.len() && line[0].is_ascii_whitespace() && is_name;
        let has_row = !text.is_empty() && text[0] != b'#';
        if has_row && (!is_option || indices.is_empty()) {
            indices.push(number);
        }
    }
    indices
}

fn list_like() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "https?://[a-z]{1,3}/[a-z]{0,3}".prop_map(String::into_bytes),
        "[ \t]{1,2}(out|dir|header|x|9)=[a-z:/.]{0,4}".prop_map(String::into_bytes),
        "[ \t#=a-z\u{feff}]{0,5}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    let end = prop::sample::select(vec![&b"\n"[..], b"\r\n"]);
    prop::collection::vec((line, end), 0..20)
        .prop_map(|lines| lines.into_iter().flat_map(|(line, end)| [&line, end].concat()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_entry_is_lost_or_doubled(list in prop_oneof![list_like(), any::<Vec<u8>>()]) {
        let index = |entry: &Entry| match entry {
            Ok(job) => job.index,
            Err(bad) => bad.index,
        };
        let indices: Vec<u64> = entries(&list).iter().map(index).collect();
        prop_assert_eq!(indices, expected_indices(&list));
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut lines = Lines::new(0);
    assert!(lines.line(b"http://me:SECRET@h/a").is_none());
    assert!(lines.line(b"  header=Cookie: SECRET").is_none());
    let job = lines.finish().unwrap().unwrap();
    let shown = format!("{job:?}");
    assert!(shown.contains("Cookie") && !shown.contains("SECRET"), "{shown}");
    assert!(lines.line(b"http://h/").is_none());
    assert!(lines.line(b"  referer=http://me:SECRET@h/\x01").is_none());
    let bad = lines.finish().unwrap().unwrap_err();
    assert!(!format!("{bad:?}").contains("SECRET"), "{bad:?}");
}

#[test]
fn the_url_is_told_as_the_list_gave_it() {
    let table = [
        ("http://h/a", "http://h/a"),
        ("  HTTP://Bücher.example?q=ä b#top \r\n", "HTTP://Bücher.example?q=ä b#top"),
        ("http://me:secret@h?q", "http://h?q"),
        ("http://h?1\thttp://h/2", "http://h?1"),
        ("http://h?1 \thttp://h/2", "http://h?1"),
    ];
    for (line, url) in table {
        let job = only_job(line);
        assert_eq!(job.url(), url);
        assert_eq!(job.given.is_some(), url != "http://h/a");
    }
    let of_cell = |url| {
        let cells = Cells { url, ..Cells::default() };
        entry_of_cells(At { index: 1, line_number: 1 }, &cells, &mut LastOrigin::default())
    };
    assert_eq!(of_cell(b" http://me:secret@h?q\t").unwrap().url(), " http://h?q\t");
    let bad = of_cell(b" http://me:secret@h/\xff\x01 ").unwrap_err();
    assert_eq!(bad.text, b" http://h/\xff\x01 ");
    assert!(!bad.message.contains("secret"), "{}", bad.message);
    let bad = only_bad("http://h?q\n  checksum=x");
    assert_eq!(bad.text, b"http://h?q");
}

fn mirrors_of(list: &str) -> Vec<String> {
    only_job(list).mirrors().iter().map(|mirror| mirror.as_str().to_owned()).collect()
}

#[test]
fn further_urls_of_a_line_are_mirrors() {
    for (line, mirrors) in [
        ("http://a/x", &[][..]),
        ("http://a/x\t", &[]),
        ("http://a/x\thttp://b/x", &["http://b/x"]),
        ("http://a/x\t\t HTTPS://B/y z \t \thttp://c?q\t", &["https://b/y%20z", "http://c/?q"]),
        // None is there twice.
        ("http://a/x\thttp://a/x\thttp://b/x\tHTTP://b:80/x\thttp://A/x", &["http://b/x"]),
        // What is encoded is a name.
        ("http://a/x%09http://b/x", &[]),
    ] {
        assert_eq!(mirrors_of(line), mirrors, "{line:?}");
        assert_eq!(mirrors_of(&format!("{line}\n  out=x")), mirrors, "{line:?}");
    }
    let job = only_job("http://a/x\thttp://me@b/x\thttp://c/x\n  http-user=u\n  http-passwd=p");
    let logins: Vec<_> = job.mirrors().iter().map(Target::credentials).collect();
    assert_eq!(job.target.credentials(), Some(("u", Some("p"))));
    assert_eq!(logins, [Some(("me", None)), Some(("u", Some("p")))]);
}

#[test]
fn a_bad_mirror_is_named_and_the_row_is_that_of_the_first_url() {
    for (line, problem, said) in [
        (
            "http://h?1\thttp://b/\tftp://c/",
            InputProblem::Scheme,
            "\"ftp://c/\": mirror 2 of the line: only http:// and https:// are pulled",
        ),
        ("http://h?1\thttp://me:secret@[/", InputProblem::Host, "\"http://[/\": mirror 1"),
        ("http://h?1\ta caption", InputProblem::Url, "--input-format tsv"),
        ("http://h?1\thttp://b/\x01", InputProblem::Control, "mirror 1"),
    ] {
        let bad = only_bad(line);
        assert_eq!((bad.problem, &*bad.text), (problem, &b"http://h?1"[..]), "{line:?}");
        assert!(bad.message.contains(said) && !bad.message.contains("secret"), "{}", bad.message);
        assert!(bad.message.starts_with("line 1: "), "{}", bad.message);
    }
}

#[test]
fn a_file_keeps_so_many_mirrors() {
    let max = limits::MIRRORS_MAX;
    let urls: Vec<String> = (0..=max + 3).map(|n| format!("http://m{n}/")).collect();
    let mut lines = Lines::new(0);
    lines.line(urls.join("\t").as_bytes());
    let job = lines.finish().unwrap().unwrap();
    let mirrors: Vec<_> = job.mirrors().iter().map(Target::as_str).collect();
    assert_eq!(mirrors, urls[1..=max]);
    assert_eq!(lines.left_out(), LeftOut { mirrors: 3, ..LeftOut::default() });
    assert_eq!(lines.left_out().phrases().len(), 1);
    assert!(LeftOut::default().phrases().is_empty());
}

#[test]
fn a_cell_has_one_url() {
    let cells = Cells { url: b"http://a/x\thttp://b/x", ..Cells::default() };
    let at = At { index: 1, line_number: 1 };
    let bad = entry_of_cells(at, &cells, &mut LastOrigin::default()).unwrap_err();
    assert_eq!(bad.problem, InputProblem::Control);
}

#[test]
fn secrets_are_cut_out_of_lines_that_are_not_utf8() {
    let mut lines = Lines::new(0);
    for (line, shown) in [
        (&b"http://me:secret@h/\xff"[..], &b"http://h/\xff"[..]),
        (b"\xffhttp://me:secret@h/", b"\xffhttp://..."),
        (b"http://h/\xe4\thttp://me:secret@h/\xe4", b"http://h/\xe4\thttp://h/\xe4"),
        (b"Cookie: \xff", b"Cookie:..."),
    ] {
        lines.line(line);
        let bad = lines.finish().unwrap().unwrap_err();
        assert_eq!(bad.text.escape_ascii().to_string(), shown.escape_ascii().to_string());
    }
}
