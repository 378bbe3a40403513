//! What is not ours stays as it is: devices, FIFOs and sockets in the tree; and files that were
//! replaced are counted.

use crate::cmd::{Pull, Sandbox, eventually, skip_forbidden};
use crate::fetch::FILE_OPS;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::origin;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
use std::path::Path;

/// A body that takes several writes.
const LONG: usize = 2_000_000;

/// Makes a FIFO, a socket, or a copy of `/dev/null`. Whether that is permitted here.
pub(crate) fn make(path: &Path, kind: FileType) -> bool {
    let device = if kind == FileType::CharacterDevice { makedev(1, 3) } else { 0 };
    let made = mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), device);
    assert!(made.is_ok() || kind == FileType::CharacterDevice, "{made:?}");
    made.is_ok()
}

/// What cannot be mistaken for another file: its kind, device and inode, without following it.
fn identity(path: &Path) -> (String, u64, u64) {
    let found = path.symlink_metadata().unwrap();
    (format!("{:?}", found.file_type()), found.dev(), found.ino())
}

#[test]
fn a_name_from_a_list_that_hits_one_is_no_file_before_anything_is_asked() {
    let server = Plan::new().otherwise(ok(b"never")).start();
    for (policy, mode) in [("overwrite", "auto"), ("overwrite", "chain"), ("skip", "auto")]
        .into_iter()
        .chain([("error", "auto")])
    {
        let sandbox = Sandbox::new();
        let at = |name: &str| sandbox.out().join(name);
        std::fs::create_dir(at("folder")).unwrap();
        assert!(make(&at("fifo"), FileType::Fifo) && make(&at("socket"), FileType::Socket));
        symlink("fifo", at("to_fifo")).unwrap();
        symlink("/proc/self/fd/1", at("to_stdout")).unwrap();
        let mut names = vec!["folder", "fifo", "socket", "to_fifo", "to_stdout"];
        if make(&at("device"), FileType::CharacterDevice) {
            symlink("device", at("to_device")).unwrap();
            names.extend(["device", "to_device"]);
        } else {
            skip_forbidden("devices cannot be made here");
        }
        let before: Vec<_> = names.iter().map(|name| identity(&at(name))).collect();
        let urls: Vec<String> = names.iter().map(|name| server.url(&format!("/{name}"))).collect();
        let pull = sandbox.pull().args(["--on-conflict", policy, "--file-ops", mode]);
        let done = pull.list(&urls).run();
        done.assert_code(3);
        for url in &urls {
            assert_eq!(done.fault(url), "disk.not_a_file", "{policy} {mode} {:#?}", done.row(url));
        }
        let after: Vec<_> = names.iter().map(|name| identity(&at(name))).collect();
        assert_eq!(before, after, "{policy} {mode}");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new());
    }
    assert_eq!(server.log(), Vec::<String>::new(), "it was known before");
}

#[test]
fn one_that_comes_to_be_meanwhile_stays() {
    for mode in FILE_OPS {
        let body = origin::body("/long", LONG);
        let (head, rest) = (response("200 OK", "", &body), b"short");
        let server = Plan::new()
            .on("/short", [vec![Verb::Gate, ok(rest).remove(0)]])
            .on(
                "/long",
                [vec![
                    Verb::Send(head[..LONG / 2].to_vec()),
                    Verb::Gate,
                    Verb::Send(head[LONG / 2..].to_vec()),
                ]],
            )
            .start();
        let sandbox = Sandbox::new();
        let urls = ["/short", "/long"].map(|path| server.url(path));
        let running = sandbox.pull().args(["--file-ops", mode]).list(&urls).spawn();
        assert!(eventually(|| server.log().len() == 2), "{}", running.stderr());
        for name in ["short", "long"] {
            make(&sandbox.out().join(name), FileType::Fifo);
        }
        server.open_gate();
        let done = running.wait();
        done.assert_code(3);
        for (url, name) in urls.iter().zip(["short", "long"]) {
            assert_eq!(done.fault(url), "disk.not_a_file", "{mode} {:#?}", done.row(url));
            let found = sandbox.out().join(name).symlink_metadata().unwrap();
            assert!(found.file_type().is_fifo(), "{mode} {name}");
        }
        assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{mode}");
    }
}

/// The number of files that the statistics say were replaced.
fn replaced(sandbox: &Sandbox, pull: Pull<'_>) -> (u64, String) {
    let done = pull.args(["--stats", "stats.json"]).run();
    done.assert_code(0);
    let text = std::fs::read(sandbox.path("stats.json")).unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&text).unwrap();
    (stats["files_replaced"].as_u64().unwrap(), done.stderr)
}

#[test]
fn files_that_were_there_and_are_not_any_more_are_counted() {
    let server = Plan::new()
        .on("/long", [ok(&origin::body("/long", LONG))])
        .on("/named", [vec![Verb::Send(response("200 OK", NAMED, b"named"))]])
        .otherwise(ok(b"new"))
        .start();
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        let at = |name: &str| sandbox.out().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        for name in ["short", "long", "link", "sub/deep", "theirs"] {
            std::fs::write(at(name), b"old").unwrap();
        }
        symlink("nowhere", at("dangling")).unwrap();
        // Twice the same name, of which the second file gets another one, and one that is new.
        let mut list: Vec<String> = ["short", "short", "fresh", "long", "dangling", "named"]
            .iter()
            .map(|name| server.url(&format!("/{name}")))
            .collect();
        list.extend([server.url("/x"), "  out=sub/deep".to_owned()]);
        let pull = || sandbox.pull().args(["-J", "--file-ops", mode]).list(&list);
        let (count, told) = replaced(&sandbox, pull());
        assert_eq!(count, 5, "{mode}: short, long, dangling, theirs, sub/deep");
        assert!(told.contains("5 files that were there\n"), "{told}");
        assert_eq!(std::fs::read(at("short")).unwrap(), b"new");
        assert_eq!(std::fs::read(at("link")).unwrap(), b"old");
        let (count, _) = replaced(&sandbox, pull());
        assert_eq!(count, 7, "{mode}: all of them the second time");
        for policy in ["skip", "rename"] {
            let (count, told) = replaced(&sandbox, pull().args(["--on-conflict", policy]));
            assert_eq!(count, 0, "{mode} {policy}");
            assert!(!told.contains("replaced"), "{told}");
        }
    }
}

const NAMED: &str = "Content-Disposition: attachment; filename=theirs\r\n";
