//! File systems that are not like ext4: two names that are one file, names that are refused, and
//! what FUSE lacks. They are mounted in a namespace of their own.

use crate::cmd::{Done, Pull, Row, Sandbox, command, eventually, skip, skip_forbidden};
use crate::disk::mount_namespace;
use crate::fetch::FILE_OPS;
use crate::filter::without;
use crate::rude::{Plan, Rude, Verb, chunked, ok, response};
use std::collections::{BTreeMap, BTreeSet};

/// A file system, and how it comes to be at `out`.
struct Mount {
    programs: &'static [&'static str],
    script: &'static str,
    /// Whether Windows could read its names.
    is_windows: bool,
}

/// NTFS by FUSE as it is set up for Windows: it takes names that differ in case for one, shows them
/// in lower case, and refuses those that Windows refuses. Its image is kept between runs.
const NTFS: Mount = Mount {
    programs: &["mkntfs", "lowntfs-3g"],
    script: "[ -e ntfs.img ] || { truncate -s 8M ntfs.img; mkntfs -q -F -Q ntfs.img; }
        lowntfs-3g -o ignore_case,windows_names ntfs.img out",
    is_windows: true,
};

/// ext4 whose directory folds case (`+F`), where the kernel has that.
const CASEFOLD: Mount = Mount {
    programs: &["mkfs.ext4"],
    script: "[ -e ext4.img ] || { truncate -s 16M ext4.img; mkfs.ext4 -q -O casefold ext4.img; }
        mount -o loop ext4.img out && { [ -e out/f ] || mkdir out/f; } && chattr +F out/f
        mount --bind out/f out",
    is_windows: false,
};

/// ext4 and xfs as they are made everywhere: with a disk behind them, unlike tmpfs.
const DISKS: [Mount; 2] = [
    Mount {
        programs: &["mkfs.ext4"],
        script: "truncate -s 64M ext4.img; mkfs.ext4 -q ext4.img; mount -o loop ext4.img out",
        is_windows: false,
    },
    Mount {
        programs: &["mkfs.xfs"],
        script: "truncate -s 400M xfs.img; mkfs.xfs -q xfs.img; mount -o loop xfs.img out",
        is_windows: false,
    },
];

/// What is in `source`, by FUSE, which has no RENAME_NOREPLACE and no files without a name.
const BINDFS: Mount = Mount {
    programs: &["bindfs"],
    script: "mkdir -p source; bindfs source out",
    is_windows: false,
};

/// Runs to the end with a file system at `out`, what is in it at the end copied to `seen`; nothing
/// where it is not to be had.
fn run_on(mount: &Mount, sandbox: &Sandbox, pull: Pull<'_>) -> Option<Done> {
    let done = mounted(mount, pull)?.run();
    match done.code() {
        NOT_MOUNTED => {
            skip_forbidden(&format!("not to be mounted here: {}", mount.script));
            None
        }
        NOT_FILTERED => {
            skip_forbidden("seccomp filters are not to be had here");
            None
        }
        _ => {
            assert!(sandbox.path("seen").is_dir(), "{}", done.stderr);
            Some(done)
        }
    }
}

/// The same run with the file system at `out`.
fn mounted<'s>(mount: &Mount, pull: Pull<'s>) -> Option<Pull<'s>> {
    for program in mount.programs {
        if command(program).arg("--version").output().is_err() {
            skip(&format!("{program} is missing"));
            return None;
        }
    }
    // As root, who may mount anything, where that is who we are.
    let how = mount_namespace(["-m", "-rm"])?;
    let script = format!(
        r#"{{ {} ; }} >mount.log 2>&1 || exit {NOT_MOUNTED}
        trap 'umount -l out' EXIT
        "$@"; status=$?
        rm -rf seen; mkdir seen; cp -a out/. seen
        exit $status"#,
        mount.script
    );
    Some(pull.under("unshare", [how, "sh", "-c", &script, "sh"]))
}

const NOT_MOUNTED: i32 = 97;
/// See `filter`.
const NOT_FILTERED: i32 = 99;

/// Files at the end, by their names in lower case.
fn seen(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(sandbox.path("seen")).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let name = |entry: &std::fs::DirEntry| entry.file_name().into_string().unwrap().to_lowercase();
    files.map(|entry| (name(&entry), std::fs::read(entry.path()).unwrap())).collect()
}

fn body(path: &str) -> String {
    format!("body of {path}")
}

/// A server with a body of its own for each path.
fn serve(paths: &[&str]) -> Rude {
    let plan =
        paths.iter().fold(Plan::new(), |plan, path| plan.on(path, [ok(body(path).as_bytes())]));
    plan.start()
}

/// The last component of the path of a row's file.
fn name(row: &Row) -> &str {
    row["filename"].rsplit('/').next().unwrap()
}

/// Every row's file has the body of that row's URL, and no two rows have one file.
fn check(sandbox: &Sandbox, server: &Rude, paths: &[&str], done: &Done) {
    let seen = seen(sandbox);
    let mut names = BTreeSet::new();
    for path in paths {
        let row = done.row(&server.url(path));
        let name = name(row).to_lowercase();
        assert_eq!(row["status"], "ok", "{row:#?}");
        let content = seen.get(&name).unwrap_or_else(|| panic!("{name} not in {:?}", seen.keys()));
        assert_eq!(String::from_utf8_lossy(content), body(path), "{name}");
        assert!(names.insert(name), "{row:#?}");
    }
    assert!(!seen.keys().any(|name| name.starts_with(".ringpull")), "{:?}", seen.keys());
}

/// Names that are one file on some file system, are refused by some, or are those of the run.
const PATHS: [&str; 22] = [
    "/Photo.jpg",
    "/photo.jpg",
    "/PHOTO.JPG",
    "/URLS.TXT",
    "/Stats.Json",
    "/a:b",
    "/a%3Fb",
    "/a*b",
    "/x%7Cy",
    "/x%22y",
    "/con",
    "/CON",
    "/aux.txt",
    "/com1.tar.gz",
    "/dot.",
    "/dot",
    "/space%20",
    "/space",
    "/%C3%A9",
    "/e%CC%81",
    "/foo~1",
    "/foo~1.txt",
];

#[test]
fn names_that_are_one_file_there_are_two_and_the_runs_own_files_stay() {
    let server = serve(&PATHS);
    let urls = PATHS.map(|path| server.url(path));
    let list = urls.join("\n") + "\n";
    for mount in [NTFS, CASEFOLD] {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.path("list.txt"), &list).unwrap();
        let copy = r#"cp list.txt out/urls.txt; exec "$@""#;
        let pull = sandbox.pull().args(["-i", "out/urls.txt", "--stats", "out/stats.json"]);
        let pull = pull.under("sh", ["-c", copy, "sh"]);
        let Some(done) = run_on(&mount, &sandbox, pull) else { continue };
        done.assert_ok(PATHS.len());
        check(&sandbox, &server, &PATHS, &done);
        let seen = seen(&sandbox);
        assert_eq!(String::from_utf8_lossy(&seen["urls.txt"]), list);
        let stats: serde_json::Value = serde_json::from_slice(&seen["stats.json"]).unwrap();
        assert_eq!(stats["successes"], PATHS.len());
        for (path, windows) in [
            ("/Photo.jpg", "Photo.jpg"),
            ("/photo.jpg", "photo.2.jpg"),
            ("/a:b", "a%3Ab"),
            ("/a%3Fb", "a%3Fb"),
            ("/con", "_con"),
            ("/CON", "_CON.12"),
            ("/com1.tar.gz", "_com1.tar.gz"),
            ("/dot.", "dot%2E"),
            ("/dot", "dot"),
            ("/foo~1", "foo~1"),
            ("/foo~1.txt", "foo~1.txt"),
        ] {
            if mount.is_windows {
                assert_eq!(name(done.row(&server.url(path))), windows);
            }
        }
    }
}

#[test]
fn long_bodies_are_written_in_each_mode() {
    let body: Vec<u8> =
        (0..3_000_001_u32).flat_map(|n| n.to_le_bytes().into_iter().take(1)).collect();
    let server = Plan::new().on("/long", [ok(&body)]).start();
    for mount in DISKS {
        for mode in ["auto", "ring", "sync", "direct", "dontcache"] {
            let sandbox = Sandbox::new();
            let pull = sandbox.pull().args(["--write-mode", mode]).list(&[server.url("/long")]);
            let Some(done) = run_on(&mount, &sandbox, pull) else { break };
            if mode == "dontcache" && done.code() == 3 && done.rows.is_empty() {
                assert!(done.stderr.contains("--write-mode auto"), "{}", done.stderr);
                skip_forbidden("the kernel has no RWF_DONTCACHE");
                continue;
            }
            done.assert_ok(1);
            assert!(seen(&sandbox)["long"] == body, "{mode} {}", mount.script);
        }
    }
}

#[test]
fn a_mode_that_is_not_there_is_named_with_the_remedy() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let memory = Mount { programs: &[], script: "mount -t tmpfs none out", is_windows: false };
    for mode in ["direct", "dontcache"] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--write-mode", mode]).list(&[server.url("/a")]);
        let Some(done) = run_on(&memory, &sandbox, pull) else { return };
        done.assert_code(3);
        assert!(done.rows.is_empty());
        for word in [mode, "tmpfs", "use --write-mode auto"] {
            assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
        }
    }
}

#[test]
fn files_get_their_names_in_the_way_that_is_asked_for() {
    let body = vec![b'x'; 3_000_000];
    // What comes in chunks is not continued, so that it may do without a name.
    let long = vec![Verb::Send(chunked("", &body, 9_000))];
    let server = Plan::new().on("/short", [ok(b"body")]).on("/long", [long]).start();
    let urls = [server.url("/short"), server.url("/long")];
    for mount in &DISKS {
        for (naming, links, renames) in [("auto", 1, 1), ("link", 2, 0), ("rename", 0, 2)] {
            let sandbox = Sandbox::new();
            let stats = sandbox.path("s.json");
            let args = ["--naming", naming, "--stats", stats.to_str().unwrap()];
            let pull = sandbox.pull().args(args).list(&urls);
            let Some(done) = run_on(mount, &sandbox, pull) else { return };
            done.assert_ok(2);
            let files = seen(&sandbox);
            assert!(files["short"] == b"body" && files["long"] == body, "{naming}");
            let told: serde_json::Value =
                serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
            let count = |naming: &str| told["namings"][naming].as_u64().unwrap_or(0);
            assert_eq!((count("link"), count("rename")), (links, renames), "{naming}: {told}");
        }
    }
}

#[test]
fn a_name_that_cannot_be_linked_is_said_before() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--naming", "link"]).list(&[server.url("/a")]);
    let Some(done) = run_on(&BINDFS, &sandbox, pull) else { return };
    done.assert_code(3);
    assert!(done.rows.is_empty());
    for word in ["--naming link", "use --naming auto"] {
        assert!(done.stderr.contains(word), "{word}: {}", done.stderr);
    }
}

#[test]
fn names_are_the_same_in_a_run_that_is_taken_up_again() {
    let server = serve(&PATHS);
    let urls = PATHS.map(|path| server.url(path));
    let names = |done: &Done| urls.each_ref().map(|url| name(done.row(url)).to_owned());
    let sandbox = Sandbox::new();
    let Some(at_once) = run_on(&NTFS, &sandbox, sandbox.pull().list(&urls)) else { return };
    let sandbox = Sandbox::new();
    // The disk is mounted anew in between, and only a digest tells then what is whole.
    let pull = || sandbox.pull().args(["--compute-hash", "sha256"]);
    run_on(&NTFS, &sandbox, pull().list(&urls[..9])).unwrap().assert_ok(9);
    let again = run_on(&NTFS, &sandbox, pull().again().list(&urls)).unwrap();
    again.assert_ok(PATHS.len());
    assert_eq!(names(&again), names(&at_once));
    check(&sandbox, &server, &PATHS, &again);
    // What another run finds there it finds by these names.
    let skipped = sandbox.pull().args(["--no-clobber"]).list(&urls);
    let skipped = run_on(&NTFS, &sandbox, skipped).unwrap();
    assert!(skipped.rows.iter().all(|row| row["status"] == "skipped"), "{:#?}", skipped.rows);
    assert_eq!(names(&skipped), names(&at_once));
}

#[test]
fn what_servers_propose_is_fitted_and_kept_apart_too() {
    let proposals = [("/1", "A.pdf"), ("/2", "a.PDF"), ("/3", "x:y"), ("/4", "LIST.TXT")];
    let server = proposals.iter().fold(Plan::new(), |plan, (path, name)| {
        let field = format!("Content-Disposition: attachment; filename=\"{name}\"\r\n");
        plan.on(path, [vec![Verb::Send(response("200 OK", &field, body(path).as_bytes()))]])
    });
    let server = server.start();
    let paths = proposals.map(|(path, _)| path);
    let sandbox = Sandbox::new();
    let copy = r#"cp list.txt out/list.txt; exec "$@""#;
    std::fs::write(sandbox.path("list.txt"), paths.map(|path| server.url(path)).join("\n"))
        .unwrap();
    let pull = sandbox.pull().args(["-J", "-i", "out/list.txt"]);
    let pull = pull.under("sh", ["-c", copy, "sh"]);
    let Some(done) = run_on(&NTFS, &sandbox, pull) else { return };
    done.assert_ok(4);
    check(&sandbox, &server, &paths, &done);
    assert_eq!(name(done.row(&server.url("/3"))), "x%3Ay");
    assert!(seen(&sandbox)["list.txt"].starts_with(b"http"));
}

#[test]
fn a_name_that_is_refused_is_named_with_the_remedy() {
    let server = Plan::new().otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    let lines = [
        (server.url("/a:b"), "':' in names"),
        (server.url("/x%3Fy"), "'?' in names"),
        (server.url("/nul.txt"), "\"nul\""),
        (server.url("/end."), "a dot or a space"),
        (server.url("/in"), "'*' in names"),
        ("  dir=d*e".to_owned(), ""),
        (server.url("/good"), ""),
    ];
    let pull = sandbox.pull().args(["--restrict-file-names", "unix"]);
    let pull = pull.list(lines.iter().map(|(line, _)| line));
    let Some(done) = run_on(&NTFS, &sandbox, pull) else { return };
    done.assert_code(3);
    for (url, word) in lines.iter().filter(|(_, word)| !word.is_empty()) {
        let row = done.row(url);
        assert_eq!(row["error_code"], "disk.name", "{row:#?}");
        let message = &row["error_message"];
        assert!(
            message.contains(word) && message.contains("--restrict-file-names=windows"),
            "{row:#?}"
        );
        assert_eq!(row["num_retries"], "0");
    }
    assert_eq!(seen(&sandbox).into_keys().collect::<Vec<_>>(), ["good"]);
    // The name that -o gives is taken as it is.
    let pull = sandbox.pull().args(["-o", "o:x", &server.url("/o")]);
    let done = run_on(&NTFS, &sandbox, pull).unwrap();
    assert!(done.row(&server.url("/o"))["error_message"].contains("':'"), "{:#?}", done.rows);
}

#[test]
fn a_file_system_beneath_has_names_of_its_own() {
    let dirs = ["", "ntfs", "ntfs/new"];
    let paths =
        dirs.map(|dir| ["/Photo.jpg", "/photo.jpg", "/a:b"].map(|path| format!("{path}?{dir}")));
    let paths: Vec<&str> = paths.iter().flatten().map(String::as_str).collect();
    let server = serve(&paths);
    let lines = paths.iter().map(|path| {
        let (_, dir) = path.split_once('?').unwrap();
        format!("{}\n  dir=./{dir}", server.url(path))
    });
    let sandbox = Sandbox::new();
    let mount = Mount {
        script: "truncate -s 8M ntfs.img && mkntfs -q -F -Q ntfs.img && mount --bind out out
            mkdir out/ntfs && lowntfs-3g -o ignore_case,windows_names ntfs.img out/ntfs",
        ..NTFS
    };
    let Some(done) = run_on(&mount, &sandbox, sandbox.pull().list(lines)) else { return };
    done.assert_ok(9);
    for path in &paths {
        let row = done.row(&server.url(path));
        let beneath = row["filename"].split_once("/out/").unwrap().1;
        // Only what is beneath has its names shown in lower case.
        let shown = match beneath.strip_prefix("ntfs/") {
            Some(beneath) => format!("ntfs/{}", beneath.to_lowercase()),
            None => beneath.to_owned(),
        };
        let content = std::fs::read_to_string(sandbox.path("seen").join(shown));
        assert_eq!(content.unwrap(), body(path), "{row:#?}");
    }
    let names = |dir: &str| -> BTreeSet<&str> {
        let of_dir = done.rows.iter().filter(|row| row["url"].ends_with(&format!("?{dir}")));
        of_dir.map(name).collect()
    };
    assert_eq!(names(""), BTreeSet::from(["Photo.jpg", "photo.jpg", "a:b"]));
    assert_eq!(names("ntfs"), BTreeSet::from(["Photo.jpg", "photo.9.jpg", "a%3Ab"]));
    assert_eq!(names("ntfs/new"), BTreeSet::from(["Photo.jpg", "photo.15.jpg", "a%3Ab"]));
}

#[test]
fn conflicts_end_as_asked_where_rename_lacks_noreplace() {
    let long = "x".repeat(400_000);
    for has_links in [true, false] {
        for (policy, mode) in
            ["skip", "error", "rename"].into_iter().flat_map(|p| FILE_OPS.map(|mode| (p, mode)))
        {
            let server =
                Plan::new().on("/long", [ok(long.as_bytes())]).otherwise(ok(b"short")).start();
            let sandbox = Sandbox::new();
            std::fs::create_dir(sandbox.path("source")).unwrap();
            std::fs::write(sandbox.path("source/old"), b"theirs").unwrap();
            let urls = ["/old", "/new", "/long"].map(|path| server.url(path));
            let pull = sandbox.pull().args(["--on-conflict", policy, "--file-ops", mode]);
            let mut pull = pull.list(&urls);
            if !has_links {
                let Some(filtered) = without(libc::SYS_linkat, libc::EPERM, pull) else { return };
                pull = filtered;
            }
            let Some(done) = run_on(&BINDFS, &sandbox, pull) else { return };
            let what = format!("{policy} {mode} {has_links} {}", done.stderr);
            done.assert_code(if policy == "error" { 3 } else { 0 });
            let mut files = seen(&sandbox);
            assert_eq!(files.remove("old").unwrap(), b"theirs", "{what}");
            assert_eq!(files.remove("new").unwrap(), b"short", "{what}");
            assert!(files.remove("long").unwrap() == long.as_bytes(), "{what}");
            let renamed = files.remove("old.1");
            assert_eq!(renamed.is_some(), policy == "rename", "{what}");
            assert!(files.is_empty(), "{what} {:?}", files.keys());
            let asked = server.log().iter().any(|path| path == "/old");
            assert_eq!(asked, policy == "rename", "{what}");
        }
    }
}

#[test]
fn a_file_that_comes_to_be_meanwhile_is_kept_where_rename_lacks_noreplace() {
    for has_links in [true, false] {
        let server = Plan::new().on("/late", [[vec![Verb::Gate], ok(b"ours")].concat()]).start();
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.path("source")).unwrap();
        let url = server.url("/late");
        let mut pull = sandbox.pull().args(["--no-clobber", &url]);
        if !has_links {
            let Some(filtered) = without(libc::SYS_linkat, libc::EPERM, pull) else { return };
            pull = filtered;
        }
        let Some(pull) = mounted(&BINDFS, pull) else { return };
        let mut running = pull.spawn();
        assert!(eventually(|| !server.log().is_empty() || !running.is_running()));
        if server.log().is_empty() {
            skip_forbidden("FUSE is not to be had here");
            return;
        }
        std::fs::write(sandbox.path("source/late"), b"theirs").unwrap();
        server.open_gate();
        let done = running.wait();
        done.assert_code(0);
        assert_eq!(done.row(&url)["status"], "skipped", "{has_links}");
        assert_eq!(seen(&sandbox), BTreeMap::from([("late".to_owned(), b"theirs".to_vec())]));
    }
}

#[test]
fn a_name_that_a_killed_run_was_about_to_give_is_given_by_the_next() {
    let long = response("200 OK", "", &[b'x'; 400_000]);
    let (begin, rest) = long.split_at(200_000);
    let server = Plan::new()
        .on("/a", [vec![Verb::Send(response("404 No", "", b""))], ok(b"whole")])
        .on("/b", [vec![Verb::Send(response("404 No", "", b""))], ok(b"never")])
        .on("/long", [vec![Verb::Send(begin.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())]])
        .start();
    let sandbox = Sandbox::new();
    let urls = ["/a", "/b", "/long"].map(|path| server.url(path));
    let pull = || sandbox.pull().args(["--no-clobber"]).list(&urls);
    let running = pull().spawn();
    // The report's own number is in the names of unfinished files.
    assert!(eventually(|| !sandbox.temporaries().is_empty()), "{}", running.stderr());
    let temporary = sandbox.temporaries().remove(0);
    server.open_gate();
    running.wait().assert_code(8);
    let report = temporary.split('-').nth(1).unwrap();
    // What a kill leaves between the two steps; of the other, there is no note.
    for name in ["a", "b"] {
        std::fs::write(sandbox.out().join(name), b"").unwrap();
    }
    std::fs::write(sandbox.out().join(".ringpull-name-1"), format!("{report} a")).unwrap();
    let done = pull().arg("--retry-failed").again().run();
    let last = |url: &String| &done.rows.iter().rfind(|row| row["url"] == *url).unwrap()["status"];
    assert_eq!(last(&urls[0]), "ok");
    assert_eq!(last(&urls[1]), "skipped", "it may be anybody's");
    assert_eq!(sandbox.files()["a"], b"whole");
    assert_eq!(sandbox.files()["b"], b"");
    // The next run removes the note.
    pull().again().run().assert_code(0);
    assert_eq!(sandbox.temporaries(), Vec::<String>::new());
}
