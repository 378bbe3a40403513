//! File names are safe, distinct and the same every time; what exists is treated as asked.

use crate::cmd::{Done, Sandbox, eventually, is_temporary};
use crate::fetch::FILE_OPS;
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok};
use ringpull::origin::{self, Listener};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;

/// The last part of each row's file name, by index.
fn names(done: &Done) -> BTreeMap<u64, String> {
    let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
    done.rows.iter().map(|row| (row["index"].parse().unwrap(), name(&row["filename"]))).collect()
}

#[test]
fn the_same_url_ten_times_gives_ten_files_with_the_same_names_every_time() {
    let served = serve();
    let urls = vec![served.http("/bytes/1000/same.bin"); 10];
    let mut runs = Vec::new();
    for jobs in ["1", "64"] {
        let sandbox = Sandbox::new();
        let done = sandbox.pull().args(["-j", jobs]).list(&urls).run();
        done.assert_ok(10);
        let files = sandbox.files();
        assert_eq!(files.len(), 10, "{:?}", files.keys());
        let body = origin::body("/bytes/1000/same.bin", 1_000);
        assert!(files.values().all(|content| *content == body));
        assert!(files.contains_key("same.bin"));
        runs.push(names(&done));
    }
    assert_eq!(runs[0], runs[1], "names depend on the order of completion");
}

#[test]
fn nasty_names_stay_inside_the_directory() {
    let server = Plan::new().otherwise(ok(b"nasty")).start();
    let long = format!("/{}.jpg", "x".repeat(400));
    let paths = [
        "/",
        "/a/",
        "/..%2f..%2fescape",
        "/%2e%2e%2f%2e%2e%2fescape",
        "/a%2fb%2fc",
        "/%2fetc%2fpasswd",
        "/..%5c..%5cescape",
        "/nul%00byte",
        "/new%0aline%1b%5b31m",
        "/%ff%fe",
        "/%c3%a9t%c3%a9",
        "/-rf",
        "/.hidden",
        "/a%20b?query=/../../x#fragment",
        "/trailing.%20",
        "/.ringpull-imitation",
        &long,
    ];
    let sandbox = Sandbox::new();
    let done = sandbox.pull().list(paths.iter().map(|path| server.url(path))).run();
    assert_eq!(done.rows.len(), paths.len(), "{}", done.stderr);
    done.assert_ok(paths.len());
    let mut seen = BTreeSet::new();
    for row in &done.rows {
        let path = Path::new(&row["filename"]);
        assert_eq!(path.parent().unwrap(), sandbox.out(), "{row:#?}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.len() <= 255 && !name.chars().any(char::is_control), "{name:?}");
        assert!(!is_temporary(name), "{name:?} looks like a file not yet complete");
        assert!(path.symlink_metadata().unwrap().is_file(), "{name:?}");
        assert_eq!(std::fs::read(path).unwrap(), b"nasty");
        assert!(seen.insert(name.to_owned()), "{name:?} twice");
    }
    assert_eq!(sandbox.files().len(), paths.len());
    assert!(!sandbox.path("escape").exists());
    assert!(
        seen.iter().any(|name| name.ends_with(".jpg")),
        "a cut name keeps its suffix: {seen:?}"
    );
}

#[test]
fn names_can_be_given() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines =
        [served.http("/bytes/5/a"), "  out=given.bin".to_owned(), served.http("/bytes/6/b")];
    sandbox.pull().list(&lines).run().assert_ok(2);
    let files = sandbox.files();
    assert_eq!(files["given.bin"], origin::body("/bytes/5/a", 5));
    assert_eq!(files["b"], origin::body("/bytes/6/b", 6));

    let sandbox = Sandbox::new();
    let lines =
        [served.http("/bytes/5/a"), "  out=../escape".to_owned(), served.http("/bytes/6/b")];
    let done = sandbox.pull().list(&lines).run();
    assert_eq!(done.fault(&lines[0]), "input.name", "{:#?}", done.rows);
    assert_eq!(sandbox.files().into_keys().collect::<Vec<_>>(), ["b"]);
    assert!(!sandbox.path("escape").exists());

    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..3).map(|n| served.http(&format!("/bytes/5/x{n}"))).collect();
    let pull = sandbox.pull().args(["--name-template", "{seq:06}-{name}"]);
    let done = pull.list(&urls).run();
    done.assert_ok(3);
    for (index, name) in names(&done) {
        let (sequence, rest) = name.split_once('-').unwrap();
        assert_eq!((sequence.len(), sequence.parse().unwrap()), (6, index), "{name}");
        assert_eq!(rest, format!("x{}", index - 1));
    }
}

#[test]
fn names_can_be_those_that_windows_allows() {
    let paths =
        ["/a:b", "/a%3ab", "/Photo.jpg", "/photo.JPG", "/con", "/end.", "/foo~1", "/%C3%A9"];
    let server = Plan::new().otherwise(ok(b"x")).start();
    let urls = paths.map(|path| server.url(path));
    let named = |how: &[&str]| {
        let sandbox = Sandbox::new();
        let done = sandbox.pull().args(how).list(&urls).run();
        done.assert_ok(paths.len());
        assert_eq!(sandbox.files().len(), paths.len());
        names(&done).into_values().collect::<Vec<_>>()
    };
    let unix = ["a:b", "a:b.2", "Photo.jpg", "photo.JPG", "con", "end.", "foo~1", "é"];
    assert_eq!(named(&[]), unix);
    assert_eq!(named(&["--restrict-file-names", "unix"]), unix);
    let windows = ["a%3Ab", "a%3Ab.2", "Photo.jpg", "photo.4.JPG", "_con", "end%2E", "foo~1", "é"];
    assert_eq!(named(&["--restrict-file-names=windows"]), windows);
    let sandbox = Sandbox::new();
    let done = sandbox.pull().args(["--restrict-file-names=lowercase", &urls[0]]).run();
    done.assert_code(2);
    assert!(done.stderr.contains("wget") && done.stderr.contains("windows"), "{}", done.stderr);
}

#[test]
fn no_clobber_sends_no_request() {
    let served = serve();
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.out().join("a"), b"mine").unwrap();
    let url = served.http("/bytes/5/a");
    for flag in [&["--no-clobber"][..], &["--on-conflict", "skip"]] {
        let done = sandbox.pull().args(flag).args([&url]).run();
        done.assert_code(0);
        assert_eq!(done.row(&url)["status"], "skipped");
    }
    assert_eq!(served.requests(), 0);
    assert_eq!(sandbox.files()["a"], b"mine");
}

#[test]
fn a_file_that_comes_to_be_meanwhile_is_kept_and_skipped() {
    for (ops, len) in FILE_OPS.into_iter().flat_map(|ops| [(ops, 9), (ops, 400_000)]) {
        let answer = ok(&origin::body("/late", len));
        let server = Plan::new().on("/late", [[vec![Verb::Gate], answer].concat()]).start();
        let sandbox = Sandbox::new();
        let url = server.url("/late");
        let running = sandbox.pull().args(["--no-clobber", "--file-ops", ops, &url]).spawn();
        assert!(eventually(|| server.log() == ["/late"]), "{}", running.stderr());
        std::fs::write(sandbox.out().join("late"), b"theirs").unwrap();
        server.open_gate();
        let done = running.wait();
        done.assert_code(0);
        assert_eq!(done.row(&url)["status"], "skipped", "{ops} {len}");
        assert_eq!(sandbox.files()["late"], b"theirs", "{ops} {len}");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{ops} {len}");
    }
}

#[test]
fn conflicts_end_as_asked() {
    let served = serve();
    let url = served.http("/bytes/5/a");
    let body = origin::body("/bytes/5/a", 5);

    let sandbox = Sandbox::new();
    std::fs::write(sandbox.out().join("a"), b"old").unwrap();
    sandbox.pull().args([&url]).run().assert_ok(1);
    assert_eq!(sandbox.files()["a"], body, "the default is to replace");

    std::fs::write(sandbox.out().join("a"), b"old").unwrap();
    sandbox.pull().args(["--on-conflict", "rename", &url]).run().assert_ok(1);
    let mut files = sandbox.files();
    assert_eq!(files.remove("a").unwrap(), b"old");
    assert_eq!(files.into_values().collect::<Vec<_>>(), [body]);

    let sandbox = Sandbox::new();
    std::fs::write(sandbox.out().join("a"), b"old").unwrap();
    let done = sandbox.pull().args(["--on-conflict", "error", &url]).run();
    assert_eq!(done.fault(&url), "disk.exists");
    done.assert_code(3);
    assert_eq!(sandbox.files()["a"], b"old");
}

#[test]
fn a_failed_download_keeps_the_old_file() {
    let served = serve();
    let sandbox = Sandbox::new();
    let mut urls = Vec::new();
    for (path, name) in
        [("/truncate/100/10", "10"), ("/reset/100/20", "20"), ("/status/404", "404")]
    {
        std::fs::write(sandbox.out().join(name), b"old").unwrap();
        urls.push(served.http(path));
    }
    let done = sandbox.pull().args(["--retry", "0"]).list(&urls).run();
    assert!(done.rows.iter().all(|row| row["status"] == "failed"), "{:#?}", done.rows);
    assert_eq!(done.rows.len(), 3);
    let files = sandbox.files();
    assert_eq!(files.len(), 3);
    assert!(files.values().all(|content| content == b"old"));
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn a_symbolic_link_is_replaced_not_followed() {
    let served = serve();
    let sandbox = Sandbox::new();
    let victim = sandbox.path("victim");
    std::fs::write(&victim, b"precious").unwrap();
    symlink(&victim, sandbox.out().join("a")).unwrap();
    symlink(sandbox.path("nowhere"), sandbox.out().join("b")).unwrap();
    let urls = [served.http("/bytes/5/a"), served.http("/bytes/5/b")];
    sandbox.pull().list(&urls).run().assert_ok(2);
    assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    assert!(!sandbox.path("nowhere").exists());
    for name in ["a", "b"] {
        assert!(sandbox.out().join(name).symlink_metadata().unwrap().is_file(), "{name}");
    }
}

#[test]
fn a_directory_in_the_way_is_a_fault_and_stays() {
    let served = serve();
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.out().join("a/keep")).unwrap();
    let url = served.http("/bytes/5/a");
    let done = sandbox.pull().args(["--retry", "0", &url]).run();
    done.assert_code(3);
    assert!(done.fault(&url).starts_with("disk."), "{:#?}", done.rows);
    assert!(sandbox.out().join("a/keep").is_dir());
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}

#[test]
fn a_skipped_job_gives_its_connection_back() {
    let served = serve();
    let sandbox = Sandbox::new();
    let path = |n: usize| format!("/bytes/20/f{n}");
    let is_there = |n: usize| !n.is_multiple_of(3);
    for n in (0..LINES).filter(|n| is_there(*n)) {
        std::fs::write(sandbox.out().join(format!("f{n}")), b"here").unwrap();
    }
    let urls: Vec<String> = (0..LINES).map(|n| served.http(&path(n))).collect();
    let done = sandbox.pull().args(["--no-clobber", "-x", "2"]).list(&urls).run();
    done.assert_code(0);
    assert_eq!(done.rows.len(), LINES);
    let files = sandbox.files();
    for (n, url) in urls.iter().enumerate() {
        let (status, content) = match is_there(n) {
            true => ("skipped", b"here".to_vec()),
            false => ("ok", origin::body(&path(n), 20)),
        };
        assert_eq!(done.row(url)["status"], status, "{url}");
        assert_eq!(files[&format!("f{n}")], content, "{url}");
    }
    let stats = served.origin.stats(Listener::Http);
    assert_eq!(stats.requests, LINES.div_ceil(3) as u64);
    // Connections are kept, those of skipped jobs too, so there is never a third one.
    assert!(stats.connections <= 2 && stats.open_max <= 2, "{stats:?}");
}

/// Lines of a list that is longer than everything the program does at once.
const LINES: usize = 600;

#[test]
fn temporary_names_of_an_earlier_run_are_in_nobodys_way() {
    let served = serve();
    // A container's processes have the same numbers every time: the shell's is the program's.
    let leave = r#"for n in 1 2 3 4; do
        for id in $$ 00000000 0; do echo old > "out/.ringpull-$id-$n"; done
    done
    exec "$@""#;
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        // Too long to be without a name until they are complete.
        let paths: Vec<String> = (0..4).map(|n| format!("/bytes/300000/{n}")).collect();
        let pull = sandbox.pull().args(["--file-ops", mode, "--retry", "0"]);
        let pull = pull.list(paths.iter().map(|path| served.http(path)));
        let done = pull.under("sh", ["-c", leave, "sh"]).run();
        done.assert_ok(4);
        for (name, content) in sandbox.files() {
            assert!(content == origin::body(&format!("/bytes/300000/{name}"), 300_000), "{name}");
        }
        let left = sandbox.temporaries();
        assert_eq!(left.len(), 12, "{mode}: {left:?}");
        for name in left {
            assert_eq!(std::fs::read(sandbox.out().join(&name)).unwrap(), b"old\n", "{name}");
        }
    }
}

#[test]
fn no_download_takes_the_name_of_the_runs_own_files() {
    let own = ["list.txt", "report.csv", "stats.json"];
    let mut plan = Plan::new().on("/other", [ok(b"body of the other")]);
    for name in own {
        plan = plan.on(&format!("/{name}"), [ok(format!("body of {name}").as_bytes())]);
    }
    let server = plan.start();
    for dir in [".", "out/.."] {
        let sandbox = Sandbox::new();
        let mut lines: Vec<String> =
            own.iter().map(|name| server.url(&format!("/{name}"))).collect();
        lines.extend([server.url("/other"), "  out=report.csv".to_owned()]);
        let pull = sandbox.pull_into(Path::new(dir)).args(["--stats", "stats.json"]);
        let done = pull.list(&lines).run();
        done.assert_ok(4);
        for name in own.into_iter().chain(["other"]) {
            let row = done.row(&server.url(&format!("/{name}")));
            let told = std::fs::read(sandbox.path(&row["filename"])).unwrap();
            let wanted = format!("body of {}", if name == "other" { "the other" } else { name });
            assert_eq!(String::from_utf8(told).unwrap(), wanted, "-d {dir}: {row:#?}");
        }
        let list = std::fs::read_to_string(sandbox.path("list.txt")).unwrap();
        assert_eq!(list, lines.join("\n") + "\n", "-d {dir}");
        let stats = std::fs::read(sandbox.path("stats.json")).unwrap();
        let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
        assert_eq!(stats["successes"], 4, "-d {dir}");
    }
}
