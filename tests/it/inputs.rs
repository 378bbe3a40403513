//! Lists of every format, compressed or not, from files, folders, pipes and standard input.

use crate::cmd::{Done, Pull, Sandbox, eventually};
use crate::rude::{Plan, Rude, ok};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

fn server() -> Rude {
    Plan::new().otherwise(ok(b"good")).start()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(content, 3).unwrap()
}

/// Two streams one behind the other, cut within a line.
fn doubled(pack: fn(&[u8]) -> Vec<u8>, content: &[u8]) -> Vec<u8> {
    let (front, back) = content.split_at(content.len() / 2);
    [pack(front), pack(back)].concat()
}

/// The same three good lines and two bad ones in every format. `HOST` stands for the server.
const LISTS: [(&str, &str); 5] = [
    (
        "txt",
        "http://HOST/1\n  out=one\n# remark\nno url\nhttp://HOST/2\nftp://HOST/x\nhttp://HOST/3",
    ),
    (
        "csv",
        "\u{feff}id,url,name\r\n1,http://HOST/1,one\r\n2,no url,\r\n\"x\r\n,y\",\"http://HOST/2\",\
         \r\n5,ftp://HOST/x,\r\n6,http://HOST/3,\r\n",
    ),
    (
        "tsv",
        "id\turl\tname\n1\thttp://HOST/1\tone\n2\tno url\t\n3\thttp://HOST/2\t\n\
         \"4\tftp://HOST/x\t\n5\thttp://HOST/3\t",
    ),
    (
        "jsonl",
        "{\"id\":1,\"url\":\"http://HOST/1\",\"name\":\"one\"}\n\n{\"url\":\"no url\"}\n\
         {\"x\":[{}],\"url\":\"http:\\/\\/HOST/2\",\"name\":null}\n{\"url\":7}\n\
         {\"url\":\"http://HOST/3\"}\n",
    ),
    (
        "ndjson",
        "{\"url\":\"http://HOST/1\",\"name\":\"one\"}\n{\n\"http://HOST/2\"\n[]\n\
         {\"url\":\"http://HOST/3\"}",
    ),
];

fn list(text: &str, server: &Rude) -> Vec<u8> {
    text.replace("HOST", &server.addr().to_string()).into_bytes()
}

/// The three good lines were pulled, and two rows say what was wrong.
fn check(sandbox: &Sandbox, done: &Done, what: &str) {
    let names: Vec<String> = sandbox.files().into_keys().collect();
    assert_eq!(names, ["2", "3", "one"], "{what}\n{}", done.stderr);
    assert_eq!(done.rows.len(), 5, "{what}\n{:#?}", done.rows);
    let bad = done.rows.iter().filter(|row| row["error_code"].starts_with("input."));
    assert_eq!(bad.count(), 2, "{what}");
    done.assert_code(2);
}

fn pull<'a>(sandbox: &'a Sandbox, suffix: &str) -> Pull<'a> {
    let pull = sandbox.pull().args(["--retry", "0"]);
    if suffix == "txt" { pull } else { pull.args(["--out-col", "name"]) }
}

#[test]
fn every_format_in_every_packing_by_its_suffix() {
    let server = server();
    for (suffix, text) in LISTS {
        let plain = list(text, &server);
        for (packing, bytes) in [
            ("", plain.clone()),
            (".gz", gzip(&plain)),
            (".gz", doubled(gzip, &plain)),
            (".zst", zstd(&plain)),
            (".zst", doubled(zstd, &plain)),
            // The first bytes say what it is packed with, not the name.
            ("", gzip(&plain)),
            (".gz", zstd(&plain)),
            (".zst", plain.clone()),
        ] {
            let sandbox = Sandbox::new();
            let name = format!("list.{suffix}{packing}");
            fs::write(sandbox.path(&name), bytes).unwrap();
            let done = pull(&sandbox, suffix).arg("-i").arg(sandbox.path(&name)).run();
            check(&sandbox, &done, &name);
        }
    }
}

#[test]
fn every_format_in_every_packing_on_standard_input() {
    let server = server();
    for (suffix, text) in LISTS {
        let plain = list(text, &server);
        for bytes in [plain.clone(), gzip(&plain), zstd(&plain)] {
            let sandbox = Sandbox::new();
            let pull = pull(&sandbox, suffix).args(["-i", "-"]);
            let pull = if suffix == "txt" { pull } else { pull.args(["--input-format", suffix]) };
            let mut running = pull.spawn();
            // Piece by piece, as pipes bring it.
            for piece in bytes.chunks(50) {
                running.feed_bytes(piece);
            }
            check(&sandbox, &running.wait(), suffix);
        }
    }
}

#[test]
fn words_and_flags_of_img2dataset() {
    let server = server();
    for (suffix, text) in LISTS {
        let sandbox = Sandbox::new();
        let path = sandbox.path("list");
        fs::write(&path, gzip(&list(&text.replace("url", "link"), &server))).unwrap();
        let pull = sandbox.pull().args(["--retry=0", "--url_list"]).arg(&path);
        let format = if suffix == "ndjson" { "json" } else { suffix };
        let pull = pull.arg(format!("--input_format={format}.gz")).args(["--url_col", "link"]);
        check(&sandbox, &pull.arg("--out_col=name").run(), suffix);
    }
}

/// Index and URL of the rows.
fn indexes(done: &Done) -> BTreeMap<usize, String> {
    let rows = done.rows.iter();
    rows.map(|row| (row["index"].parse().unwrap(), row["url"].clone())).collect()
}

#[test]
fn a_folder_is_its_files_by_name_and_lines_count_on() {
    let server = server();
    let sandbox = Sandbox::new();
    let folder = sandbox.path("lists");
    fs::create_dir_all(folder.join("within")).unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.join(name), bytes).unwrap();
    let url = |path: &str| server.url(path);
    write("c.csv", format!("url\n{}\n", url("/c")).into_bytes());
    write("a.jsonl.gz", gzip(format!("{{\"url\":\"{}\"}}\n\n", url("/a")).as_bytes()));
    write("B", url("/B").into_bytes());
    write(".hidden", url("/hidden").into_bytes());
    write("within/d.txt", url("/d").into_bytes());
    std::os::unix::fs::symlink("../linked", folder.join("d.txt")).unwrap();
    fs::write(sandbox.path("linked"), format!("#\n{}\n", url("/d"))).unwrap();
    let done = sandbox.pull().arg("-i").arg(&folder).arg(url("/last")).run();
    done.assert_ok(5);
    let expected =
        [(1, "/B"), (2, "/a"), (5, "/c"), (7, "/d"), (8, "/last")].map(|(n, path)| (n, url(path)));
    assert_eq!(indexes(&done), BTreeMap::from(expected));

    // Nothing may be written to where the next run reads it.
    for (flag, name) in [("-d", "."), ("--stats", "stats.json"), ("--stats", "new/../s.json")] {
        fs::create_dir_all(folder.join("new")).unwrap();
        let path = folder.join(name);
        let done = sandbox.pull().arg("-i").arg(&folder).arg(flag).arg(path).run();
        done.assert_code(2);
        assert!(done.stderr.contains("whose files are lists"), "{}", done.stderr);
    }
}

#[test]
fn what_cannot_be_a_list_is_told_before_anything_is_pulled() {
    let server = server();
    let sandbox = Sandbox::new();
    let good = sandbox.path("good.txt");
    fs::write(&good, server.url("/good")).unwrap();
    fs::create_dir(sandbox.path("empty")).unwrap();
    fs::write(sandbox.path("empty/.hidden"), b"x").unwrap();
    let table: [(&str, &[u8], &str); 11] = [
        ("a.csv", b"id,link\n1,http://h/1\n", r#"no column "url", but "id", "link"; name one"#),
        ("a.csv.gz", &gzip(b"id,link\n1,http://h/1\n"), "--url-col"),
        ("b.csv", b"http://me:SECRET@h/1\nhttp://h/2\n", "--input-format txt"),
        ("semicolons.csv", b"url;md5\nhttp://h/1;0\n", "its only column is"),
        ("utf16.txt", b"\xff\xfeh\0t\0t\0p\0:\0/\0/\0h\0/\0\n\0", "iconv -f UTF-16"),
        ("utf16.csv", b"\xfe\xff\0u\0r\0l\0\n\0h\0t\0t\0p\0:\0/\0/\0h\0/", "UTF-16"),
        ("c.json", b"[{\"url\":\"http://h/1\"}]", "jq -c"),
        ("d.parquet", b"PAR1\x15\x04\x15\x10", "a Parquet file"),
        ("e.txt", b"\xfd7zXZ\0\0\x04", "xzcat"),
        ("missing", b"", "No such file"),
        ("empty", b"", "there is no list in it"),
    ];
    for (name, bytes, message) in table {
        if !bytes.is_empty() {
            fs::write(sandbox.path(name), bytes).unwrap();
        }
        let done = sandbox.pull().arg("-i").arg(&good).arg("-i").arg(sandbox.path(name)).run();
        done.assert_code(2);
        assert!(
            done.stderr.contains("cannot read the ") && done.stderr.contains(message),
            "{name}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(name) && !done.stderr.contains("SECRET"), "{}", done.stderr);
    }
    assert!(server.log().is_empty());
    // Of standard input it is known only when it is read.
    let mut running = sandbox.pull().args(["-i", "-", "--input-format", "csv"]).spawn();
    running.feed(["id,link", "1,http://h/1"]);
    let done = running.wait();
    done.assert_code(2);
    assert!(done.stderr.contains("cannot read the list standard input"), "{}", done.stderr);
}

#[test]
fn data_that_breaks_off_ends_its_input_behind_what_was_read() {
    let server = server();
    for (pack, name) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
        let sandbox = Sandbox::new();
        let front = format!("{}\n{}\n{}", server.url("/1"), server.url("/2"), server.url("/tor"));
        let more: String = (0..50_000).map(|n| format!("n{n}\n")).collect();
        let mut bytes = pack(front.as_bytes());
        let back = pack(more.as_bytes());
        bytes.extend_from_slice(&back[..20]);
        fs::write(sandbox.path("list"), &bytes).unwrap();
        fs::write(sandbox.path("next"), server.url("/next")).unwrap();
        let lists = ["list", "next"].map(|name| sandbox.path(name));
        let stats = sandbox.path("stats.json");
        let pull = sandbox.pull().arg("-i").arg(&lists[0]).arg("-i").arg(&lists[1]);
        let done = pull.arg("--stats").arg(&stats).run();
        let stats = fs::read_to_string(stats).unwrap();
        assert!(stats.contains("\"end\": \"failed\""), "{stats}");
        let names: Vec<String> = sandbox.files().into_keys().collect();
        assert_eq!(names, ["1", "2"], "no torn URL, and nothing whose number may change");
        done.assert_code(3);
        let wanted = format!("list to its end, only 2 whole lines: its {name} data ends early");
        assert!(done.stderr.contains(&wanted), "{}", done.stderr);

        let mut bytes = pack(format!("{front}n\n").as_bytes());
        bytes.extend_from_slice(b"http://h/");
        fs::write(sandbox.path("list"), &bytes).unwrap();
        let done = sandbox.pull().arg("-i").arg(&lists[0]).run();
        done.assert_code(3);
        assert!(sandbox.files().contains_key("torn"));
        assert!(done.stderr.contains("only 3 whole lines"), "{}", done.stderr);
    }
}

#[test]
fn a_bomb_is_one_bad_line_and_little_memory() {
    const BOMB_BYTES: usize = 200 << 20;
    let server = server();
    let sandbox = Sandbox::new();
    let path = sandbox.path("bomb.gz");
    let mut encoder = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
    writeln!(encoder, "url").unwrap();
    for _ in 0..BOMB_BYTES >> 20 {
        encoder.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    write!(encoder, "\n{}", server.url("/2")).unwrap();
    encoder.finish().unwrap().sync_all().unwrap();
    for format in ["txt", "csv", "jsonl"] {
        let args = ["--dry-run", "--input-format", format, "-i"];
        let done = sandbox.pull().args(args).arg(&path).run();
        let (_, peak) = done.stderr.split_once("peak resident memory ").unwrap();
        let peak: usize = peak.split_once(' ').unwrap().0.parse().unwrap();
        assert!(done.stderr.contains("3 lines: "), "{}", done.stderr);
        assert!(peak < BOMB_BYTES / 2, "{format}: {peak} bytes\n{}", done.stderr);
    }
    let done = sandbox.pull().args(["--retry", "0", "-i"]).arg(&path).run();
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["2"], "{}", done.stderr);
    assert_eq!(indexes(&done).into_keys().collect::<Vec<_>>(), [1, 2, 3]);
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

#[test]
fn what_a_slow_writer_has_sent_is_pulled_at_once() {
    for (name, header) in [("list", ""), ("list.csv", "url"), ("list.jsonl", "")] {
        let server = server();
        let sandbox = Sandbox::new();
        let path = sandbox.path(name);
        fifo(&path);
        fs::write(sandbox.path("next"), server.url("/next")).unwrap();
        let pull = sandbox.pull().arg("-i").arg(&path).args(["-i", "next"]);
        let mut running = pull.spawn();
        let mut writer = File::create(&path).unwrap();
        if !header.is_empty() {
            writeln!(writer, "{header}").unwrap();
        }
        for n in 0..3 {
            let url = server.url(&format!("/{n}"));
            let line = if name == "list.jsonl" { format!("{{\"url\":\"{url}\"}}") } else { url };
            writeln!(writer, "{line}").unwrap();
            let is_there = || sandbox.files().contains_key(&n.to_string());
            assert!(eventually(is_there), "{name} {n}\n{}", running.stderr());
        }
        assert!(running.is_running());
        drop(writer);
        running.wait().assert_ok(4);
    }
}

#[test]
fn packed_lines_are_pulled_at_once_too() {
    let server = server();
    let sandbox = Sandbox::new();
    let mut running = sandbox.pull().args(["-i", "-"]).spawn();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for n in 0..3 {
        writeln!(encoder, "{}", server.url(&format!("/{n}"))).unwrap();
        encoder.flush().unwrap();
        running.feed_bytes(&std::mem::take(encoder.get_mut()));
        let is_there = || sandbox.files().contains_key(&n.to_string());
        assert!(eventually(is_there), "{n}\n{}", running.stderr());
    }
    running.feed_bytes(&encoder.finish().unwrap());
    running.wait().assert_ok(3);
}

#[test]
fn checksums_come_from_their_column() {
    let server = server();
    let sandbox = Sandbox::new();
    let sum = "770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
    let md5 = "755f85c2723bb39381c7379a604160d8";
    let url = |n| server.url(&format!("/{n}"));
    let lines = [
        "sum,url".to_owned(),
        format!("{sum},{}", url(1)),
        format!("md5:{md5},{}", url(2)),
        format!(",{}", url(3)),
        format!("{},{}", sum.replace('7', "8"), url(4)),
        format!("xyz,{}", url(5)),
    ];
    let path = sandbox.path("list.csv");
    fs::write(&path, lines.join("\n")).unwrap();
    let pull = sandbox.pull().args(["--retry", "0", "--checksum-col", "sum", "-i"]).arg(path);
    let done = pull.run();
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(done.row(&url(1))["digest"], format!("sha-256={sum}"));
    assert_eq!(done.fault(&url(5)), "input.checksum");
    assert_eq!(done.row(&url(4))["status"], "failed");
}
