//! Lists as they come from elsewhere: whatever a line holds, it is one row or none, and the lines
//! behind it are pulled.

use crate::cmd::{Done, Sandbox};
use crate::rude::{Plan, Rude, ok};
use std::collections::BTreeMap;

/// Lines and the code of their rows: empty where all is well, nothing where there is no row.
const LINES: [(&[u8], Option<&str>); 40] = [
    (b"\n", None),
    (b"\r\n", None),
    (b"   \t \n", None),
    (b"# http://HOST/comment\n", None),
    (b"  # a comment further in\r\n", None),
    (b"http://HOST/crlf\r\n", Some("")),
    (b"  http://HOST/spaces  \n", Some("")),
    (b"\thttp://HOST/tab\t\n", Some("")),
    (b"HTTP://HOST/capitals\n", Some("")),
    (b"http://HOST/twice\n", Some("")),
    (b"http://HOST/twice\n", Some("")),
    (b"http://HOST/mirror\thttp://HOST/other\n", Some("")),
    (b"http://HOST/\xc3\xa9\n", Some("")),
    (b"http://HOST/a b\n", Some("")),
    (b"http://HOST\n", Some("")),
    (b"http://HOST?query\n", Some("")),
    (b"http://HOST#fragment\n", Some("")),
    (b"\xff\xfe\n", Some("input.not_utf8")),
    (b"http://HOST/\xff\n", Some("input.not_utf8")),
    (b"\0\n", Some("input.control")),
    (b"http://HOST/nul\0\n", Some("input.control")),
    (b"http://HOST/escape\x1b[2J\n", Some("input.control")),
    (b"http://HOST/cr\rx\n", Some("input.control")),
    (b"\x0bhttp://HOST/vt\n", Some("input.control")),
    (b"\xef\xbb\xbfhttp://HOST/bom\n", Some("input.url")),
    (b"no url\n", Some("input.url")),
    (b"HOST/without-scheme\n", Some("input.")),
    (b"//HOST/without-scheme\n", Some("input.url")),
    (b"http:/HOST/one-slash\n", Some("input.url")),
    (b"http:\\\\HOST\\backslashes\n", Some("input.backslash")),
    (b"ftp://HOST/x\n", Some("input.scheme")),
    (b"file:///etc/passwd\n", Some("input.scheme")),
    (b"http://\n", Some("input.host_empty")),
    (b"http://HOST%2f/x\n", Some("input.")),
    (b"http://[::1/x\n", Some("input.")),
    (b"--help\n", Some("input.url")),
    (b"-\n", Some("input.url")),
    (b"%s%n%x\n", Some("input.url")),
    (b"$(reboot) `reboot`\n", Some("input.url")),
    (b"http://HOST/without-line-end", Some("")),
];

/// Pulls a list of these bytes, in which `HOST` stands for the server's address.
fn pull(sandbox: &Sandbox, server: &Rude, lines: &[&[u8]]) -> Done {
    let host = server.addr().to_string();
    let mut list = lines.concat();
    while let Some(at) = list.windows(4).position(|window| window == b"HOST") {
        list.splice(at..at + 4, host.bytes());
    }
    let path = sandbox.path("list.txt");
    std::fs::write(&path, list).unwrap();
    sandbox.pull().args(["--retry", "0", "-i"]).arg(path).run()
}

fn server() -> Rude {
    Plan::new().otherwise(ok(b"good")).start()
}

/// Error codes of the rows by line number, empty where all is well.
fn codes(done: &Done) -> BTreeMap<usize, String> {
    let rows = done.rows.iter();
    rows.map(|row| (row["index"].parse().unwrap(), row["error_code"].clone())).collect()
}

#[test]
fn every_line_is_one_row_or_none() {
    let long = [b"http://HOST/".as_slice(), &b"x".repeat(65_537), b"\n"].concat();
    let longer = [b"y".repeat(3_000_000).as_slice(), b"\n"].concat();
    let lines: Vec<(&[u8], Option<&str>)> = [
        // A byte order mark counts at the very front only.
        (b"\xef\xbb\xbfhttp://HOST/front\n".as_slice(), Some("")),
        (long.as_slice(), Some("input.line_too_long")),
        (longer.as_slice(), Some("input.line_too_long")),
    ]
    .into_iter()
    .chain(LINES)
    .collect();
    let server = server();
    let sandbox = Sandbox::new();
    let done = pull(&sandbox, &server, &lines.iter().map(|(line, _)| *line).collect::<Vec<_>>());
    let codes = codes(&done);
    let mut good = 0;
    for (n, (line, wanted)) in lines.iter().enumerate() {
        let shown = line[..line.len().min(60)].escape_ascii();
        let got = codes.get(&(n + 1)).map(String::as_str);
        match wanted {
            Some(code) if code.ends_with('.') => {
                assert!(got.is_some_and(|got| got.starts_with(code)), "{shown}: {got:?}");
            }
            Some(_) | None => assert_eq!(got, *wanted, "{shown}"),
        }
        good += usize::from(*wanted == Some(""));
    }
    let rows = lines.iter().filter(|(_, wanted)| wanted.is_some()).count();
    assert_eq!(done.rows.len(), rows);
    assert_eq!(sandbox.files().len(), good, "{:?}", sandbox.files().keys());
    done.assert_code(2);
    let report = std::fs::read(sandbox.path("report.csv")).unwrap();
    assert!(report.iter().all(|byte| *byte >= b' ' || matches!(*byte, b'\n' | b'\r' | b'\t')));
    let said = done.stderr.as_bytes();
    assert!(!said.contains(&0x1b) && !said.contains(&0), "{}", done.stderr.escape_debug());
}

#[test]
fn a_list_of_nothing_is_no_failure() {
    let lists: [&[u8]; 6] =
        [b"", b"\n", b"\r\n\r\n\r\n", b"\xef\xbb\xbf", b"# only\n# comments", b" \t \n#\n\n"];
    for list in lists {
        let server = server();
        let sandbox = Sandbox::new();
        let done = pull(&sandbox, &server, &[list]);
        done.assert_code(0);
        assert_eq!(done.rows.len(), 0, "{}", list.escape_ascii());
        assert!(done.stderr.contains("warning: there is no URL in "), "{}", done.stderr);
        assert!(done.stderr.contains("list.txt"), "{}", done.stderr);
        let report = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
        assert!(report.starts_with("url,response_code,"), "the columns are there all the same");
    }
}

#[test]
fn a_list_of_noise_ends_in_rows() {
    let mut random = fastrand::Rng::with_seed(3);
    let noise: Vec<u8> = (0..500_000).map(|_| random.u8(..)).collect();
    let server = server();
    let sandbox = Sandbox::new();
    let done = pull(&sandbox, &server, &[&noise, b"\nhttp://HOST/last\n"]);
    assert_eq!(done.row(&server.url("/last"))["status"], "ok");
    assert!(done.rows.len() > 2);
    let failed = done.rows.iter().filter(|row| row["error_code"].starts_with("input."));
    assert_eq!(failed.count(), done.rows.len() - 1);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["last"]);
    assert_eq!(server.log(), ["/last"]);
}

#[test]
fn several_lists_count_on_and_a_bad_one_ends_nothing() {
    let server = server();
    let sandbox = Sandbox::new();
    let lists: [(&str, Vec<u8>); 3] = [
        ("a.txt", server.url("/a").into_bytes()),
        ("b.txt", b"\xff\xff\xff".to_vec()),
        ("c.txt", format!("\u{feff}{}", server.url("/c")).into_bytes()),
    ];
    let mut pull = sandbox.pull();
    for (name, bytes) in &lists {
        std::fs::write(sandbox.path(name), bytes).unwrap();
        pull = pull.arg("-i").arg(sandbox.path(name));
    }
    let done = pull.run();
    let told: Vec<(usize, String)> = codes(&done).into_iter().collect();
    let wanted = [(1, ""), (2, "input.not_utf8"), (3, "")];
    assert_eq!(told, wanted.map(|(index, code)| (index, code.to_owned())));
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["a", "c"]);
}
