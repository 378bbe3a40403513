//! `--check-integrity`: what is not as the report says is pulled again, whole, and nothing else.

use crate::cmd::{Done, Sandbox, command};
use crate::large_origin::LargeFile;
use crate::origin::serve;
use crate::rude::{Plan, Script, Verb, ok, response};
use crate::shards::{members, shards};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Changes one byte of a file, which keeps its length and its time.
fn flip(path: &Path, at: u64) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
    file.set_modified(modified).unwrap();
}

fn not_found() -> Script {
    vec![Verb::Send(response("404 Not Found", "", b""))]
}

/// What all shards hold, whatever it is called.
fn bodies(dir: &Path) -> Vec<Vec<u8>> {
    let shards = shards(dir);
    let all = shards.iter().flat_map(|shard| members(&fs::read(shard).unwrap()));
    all.map(|(_, body)| body).collect()
}

#[test]
fn a_damaged_tree_is_mended_and_what_is_good_is_left_alone() {
    let server = Plan::new().otherwise(ok(b"whole")).start();
    let sandbox = Sandbox::new();
    let urls = ["/a", "/b", "/c", "/d", "/e"].map(|path| server.url(path));
    sandbox.pull().args(["--compute-hash", "sha256"]).list(&urls).run().assert_code(0);
    let out = sandbox.out();
    flip(&out.join("a"), 2);
    fs::write(out.join("b"), b"who").unwrap();
    fs::remove_file(out.join("c")).unwrap();
    fs::write(out.join("d"), b"whole and more").unwrap();
    for (told, asked) in [("5 files", 9), ("5 files", 9)] {
        let again = sandbox.pull().again().args(["--compute-hash", "sha256", "-i", "list.txt"]);
        let done = again.arg("--check-integrity").run();
        done.assert_code(0);
        assert!(done.stderr.contains(told), "{}", done.stderr);
        assert_eq!(server.log().len(), asked, "{:?}", server.log());
        assert!(sandbox.files().values().all(|body| body == b"whole"));
        let verified = sandbox.pull().again().arg("--verify").run();
        assert_eq!(verified.code(), 0, "{}", verified.stderr);
    }
}

#[test]
fn what_is_damaged_is_never_gone_on_with() {
    let served = serve();
    let sandbox = Sandbox::new();
    let file: LargeFile<'_> = served.file("big", 3 << 20);
    let pull = |more: &[&str]| {
        let pull = sandbox.pull().again().args(["-c", "--compute-hash", "sha256"]);
        pull.args(more).args(["-i", "list.txt"]).run()
    };
    fs::write(sandbox.path("list.txt"), file.url()).unwrap();
    pull(&[]).assert_code(0);
    let path = sandbox.out().join("big");
    for cut in [None, Some(2 << 20)] {
        flip(&path, 1_000);
        if let Some(len) = cut {
            fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        }
        pull(&["--check-integrity"]).assert_code(0);
        file.assert_stored(&path, 0);
    }
}

#[test]
fn a_file_that_was_left_alone_is_what_the_row_before_says() {
    let etag = "ETag: \"one\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let whole = vec![Verb::Send(response("200 OK", etag, b"whole"))];
    let unchanged =
        vec![Verb::Send(format!("HTTP/1.1 304 Not Modified\r\n{etag}\r\n").into_bytes())];
    let server = Plan::new().on("/a", [whole.clone(), unchanged, whole]).start();
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("list.txt"), server.url("/a")).unwrap();
    let args = ["--timestamping", "--compute-hash", "sha256", "-i", "list.txt"];
    let pull = || sandbox.pull().again().args(args);
    pull().run().assert_code(0);
    let left: Done = pull().run();
    assert_eq!(left.rows.last().unwrap()["status"], "skipped", "{}", left.stderr);
    flip(&sandbox.out().join("a"), 1);
    let verified = sandbox.pull().again().arg("--verify").run();
    assert_eq!(verified.code(), 7, "{}", verified.stderr);
    pull().arg("--check-integrity").run().assert_code(0);
    assert_eq!(sandbox.files()["a"], b"whole");
    let head = server.heads("/a").pop().unwrap();
    assert!(!head.contains("If-None-Match") && !head.contains("If-Modified-Since"), "{head}");
}

#[test]
fn what_is_good_in_a_damaged_shard_is_not_lost() {
    let bodies_of = ["/a", "/b", "/c"].map(|path| ringpull::origin::body(path, 900));
    let mut plan = Plan::new();
    for (path, body) in ["/a", "/b", "/c"].iter().zip(&bodies_of) {
        plan = plan.on(path, [ok(body), not_found()]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let urls = ["/a", "/b", "/c"].map(|path| server.url(path));
    let args = ["--output-format", "tar", "--cpus", "0", "--compute-hash", "sha256"];
    sandbox.pull().args(args).list(&urls).run().assert_code(0);
    flip(&sandbox.out().join("00000.tar"), 512);
    let check = sandbox.pull().again().args(args).args(["-i", "list.txt", "--check-integrity"]);
    let done = check.run();
    assert_eq!(done.code(), 8, "{}", done.stderr);
    let aside = members(&fs::read(sandbox.out().join("00000.tar.damaged")).unwrap());
    let good = aside.iter().filter(|(_, body)| bodies_of.contains(body)).count();
    assert_eq!((good, shards(&sandbox.out()).len()), (2, 0), "{}", done.stderr);
}

#[test]
fn files_are_not_compared_from_another_directory() {
    let server = Plan::new().otherwise(ok(b"whole")).start();
    for format in ["files", "tar"] {
        let sandbox = Sandbox::new();
        let urls = ["/a", "/b"].map(|path| server.url(path));
        fs::write(sandbox.path("list.txt"), urls.join("\n")).unwrap();
        let elsewhere = sandbox.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let pull = |dir: &Path, to_root: &str, more: &[&str]| {
            let mut pull = command(env!("CARGO_BIN_EXE_ringpull"));
            pull.current_dir(dir).args(["--output-format", format, "--cpus", "0"]).args(more);
            for (option, name) in [("-i", "list.txt"), ("-d", "out"), ("--report", "report.csv")] {
                pull.arg(option).arg(format!("{to_root}{name}"));
            }
            pull.output().unwrap()
        };
        let root = elsewhere.parent().unwrap();
        assert!(pull(root, "", &[]).status.success());
        let asked = server.log().len();
        let done = pull(&elsewhere, "../", &["--check-integrity"]);
        let told = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{format}: {told}");
        assert!(told.contains("not one file is where it says"), "{format}: {told}");
        assert_eq!(server.log().len(), asked);
    }
}

#[test]
fn a_copied_set_is_mended_too() {
    let server = Plan::new().otherwise(ok(&[b'x'; 700])).start();
    let sandbox = Sandbox::new();
    let urls: Vec<String> = (0..6).map(|n| server.url(&format!("/{n}"))).collect();
    let args = ["--output-format", "webdataset", "--shard-files", "3", "--cpus", "0"];
    sandbox.pull().args(args).list(&urls).run().assert_code(0);
    // As cp does it: without the attributes that say whose they are.
    for name in ["out/00000.tar", "out/00001.tar", "report.csv"] {
        let path = sandbox.path(name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let shard = sandbox.out().join("00000.tar");
    fs::File::options().write(true).open(shard).unwrap().set_len(800).unwrap();
    let check = sandbox.pull().again().args(args).args(["-i", "list.txt", "--check-integrity"]);
    let done = check.run();
    assert_eq!(done.code(), 0, "{}", done.stderr);
    assert_eq!(bodies(&sandbox.out()).len(), 12, "each of six lines with its row");
    assert_eq!(server.log().len(), 9);
}

#[test]
fn no_row_points_at_a_line_that_has_another_body_by_now() {
    let [x, y, c] = ["/x", "/y", "/c"].map(|path| ringpull::origin::body(path, 800));
    // The first line has another body when it is asked for again.
    let server = Plan::new()
        .on("/a", [ok(&x), ok(&y)])
        .on("/b", [ok(&x), ok(&x), ok(&x)])
        .on("/c", [ok(&c), ok(&c)])
        .on("/e", [ok(&x)])
        .start();
    let sandbox = Sandbox::new();
    let list = |paths: &[&str]| {
        let urls: Vec<String> = paths.iter().map(|path| server.url(path)).collect();
        fs::write(sandbox.path("list.txt"), urls.join("\n")).unwrap();
    };
    let args = ["--output-format", "webdataset", "--dedupe", "content", "-j", "1", "--cpus", "0"];
    let pull = |more: &[&str]| {
        let done = sandbox.pull().again().args(args).args(["-i", "list.txt"]).args(more).run();
        assert_eq!(done.code(), 0, "{more:?}: {}", done.stderr);
    };
    let has = |body: &Vec<u8>| bodies(&sandbox.out()).iter().filter(|one| *one == body).count();
    list(&["/a", "/c", "/b"]);
    pull(&[]);
    assert_eq!((has(&x), has(&y)), (1, 0));
    let shard = sandbox.out().join("00000.tar");
    let bytes = fs::read(&shard).unwrap();
    let at = memchr::memmem::find(&bytes, &c).unwrap();
    flip(&shard, at as u64);
    // Ends after the first line: what points at that has to be pulled again by the next one.
    pull(&["--check-integrity", "--max-files", "1"]);
    pull(&[]);
    assert_eq!((has(&x), has(&y), has(&c)), (1, 1, 1), "{:?}", server.log());
    list(&["/a", "/c", "/b", "/e"]);
    pull(&[]);
    assert_eq!((has(&x), has(&y), has(&c)), (1, 1, 1), "{:?}", server.log());
}
