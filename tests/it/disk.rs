//! Local mishaps: one row each with its own code, nothing left behind, and the run goes on.

use crate::cmd::{Done, Pull, Sandbox, command, eventually, skip_forbidden};
use crate::fetch::FILE_OPS;
use crate::filter::run_without;
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok, response};
use ringpull::origin;
use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A body that takes several writes.
const LONG: usize = 2_000_000;

/// A body that space is reserved for, twice.
const HUGE: usize = 9_000_000;

/// Runs to the end in a mount namespace of its own after the shell commands `mounts`, and copies
/// what `out/` holds then to `seen/`, for the mounts are gone with it. What the commands left in
/// the background is waited for; it ends when there is a file `over`.
pub(crate) fn run_with_mounts(sandbox: &Sandbox, mounts: &str, pull: Pull<'_>) -> Option<Done> {
    // A user namespace where that is permitted, else with the rights that root has.
    let how = mount_namespace(["-rm", "-m"])?;
    std::fs::create_dir(sandbox.path("seen")).unwrap();
    let script = format!(
        r#"set -e; {mounts}
        set +e; "$@"; status=$?; touch over; wait; cp -a out/. seen
        exit $status"#
    );
    Some(pull.under("unshare", [how, "sh", "-c", &script, "sh"]).run())
}

/// The first of these options with which unshare(1) gives a mount namespace here.
pub(crate) fn mount_namespace(hows: [&'static str; 2]) -> Option<&'static str> {
    let permitted = hows.into_iter().find(|how| {
        let probe = ["sh", "-c", "mount -t tmpfs none /tmp"];
        let tried = command("unshare").arg(how).args(probe).output();
        tried.is_ok_and(|tried| tried.status.success())
    });
    if permitted.is_none() {
        skip_forbidden("mount namespaces are not permitted here");
    }
    permitted
}

/// Names in a directory, sorted.
fn names(sandbox: &Sandbox, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path(dir)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_file_beyond_the_limit_is_one_row() {
    let served = serve();
    for mode in FILE_OPS {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.out().join("big"), b"old").unwrap();
        let urls = [("a", 1_000), ("big", LONG), ("middle", 70_000), ("b", 1_000)]
            .map(|(name, len)| served.http(&format!("/bytes/{len}/{name}")));
        // Units of 512 bytes: 51,200 in all.
        let pull = sandbox.pull().args(["--file-ops", mode]).list(&urls);
        let done = pull.under("sh", ["-c", r#"ulimit -f 100; exec "$@""#, "sh"]).run();
        done.assert_code(3);
        assert_eq!(done.fault(&urls[1]), "disk.efbig", "{mode}");
        assert_eq!(done.fault(&urls[2]), "disk.efbig", "{mode}");
        assert_eq!(names(&sandbox, "out"), ["a", "b", "big"], "{mode}");
        assert_eq!(std::fs::read(sandbox.out().join("big")).unwrap(), b"old", "{mode}");
    }
}

#[test]
fn a_full_disk_is_one_row_and_leaves_no_trace() {
    let served = serve();
    for (mode, how) in [("auto", "none"), ("sync", "none"), ("chain", "none"), ("auto", "prealloc")]
    {
        let sandbox = Sandbox::new();
        let urls = [("a", 1_000), ("big", HUGE), ("b", 300_000)]
            .map(|(name, len)| served.http(&format!("/bytes/{len}/{name}")));
        let pull = sandbox.pull().args([
            "--continue=false",
            "-j",
            "1",
            "--file-ops",
            mode,
            "--file-allocation",
            how,
        ]);
        let mounts = "mount -t tmpfs -o size=1m none out; echo old > out/big";
        let Some(done) = run_with_mounts(&sandbox, mounts, pull.list(&urls)) else { return };
        done.assert_code(3);
        assert_eq!(done.fault(&urls[1]), "disk.enospc", "{mode}");
        assert_eq!(names(&sandbox, "seen"), ["a", "b", "big"], "{mode}");
        assert_eq!(std::fs::read(sandbox.path("seen/big")).unwrap(), b"old\n", "{mode}");
        let b = std::fs::read(sandbox.path("seen/b")).unwrap();
        assert!(b == origin::body("/bytes/300000/b", 300_000), "{mode}");
        assert_eq!(done.row(&urls[1])["num_retries"], "0", "a full disk is not tried again");
    }
}

#[test]
fn a_read_only_place_beneath_is_one_row() {
    let served = serve();
    let sandbox = Sandbox::new();
    let lines = [
        served.http("/bytes/10/a"),
        "  dir=fixed".to_owned(),
        served.http("/bytes/2000000/long"),
        "  dir=fixed/new".to_owned(),
        served.http("/bytes/10/b"),
        "  dir=other".to_owned(),
    ];
    let mounts = "mkdir out/fixed out/other; mount -t tmpfs -o ro none out/fixed; \
                  mount -t tmpfs none out/other";
    let pull = sandbox.pull().list(&lines);
    let Some(done) = run_with_mounts(&sandbox, mounts, pull) else { return };
    done.assert_code(3);
    assert_eq!(done.fault(&lines[0]), "disk.erofs");
    assert_eq!(done.fault(&lines[2]), "disk.erofs");
    assert_eq!(done.fault(&lines[4]), "", "a mount of its own is no escape");
    assert_eq!(names(&sandbox, "seen/other"), ["b"]);
}

#[test]
fn a_directory_without_permission_is_one_row() {
    let served = serve();
    let sandbox = Sandbox::new();
    let locked = sandbox.out().join("locked");
    std::fs::create_dir(&locked).unwrap();
    let mode = |mode| std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    let lines = [
        served.http("/bytes/10/a"),
        "  dir=locked".to_owned(),
        served.http("/bytes/2000000/long"),
        "  dir=locked".to_owned(),
        served.http("/bytes/10/c"),
        "  dir=locked/new".to_owned(),
        served.http("/bytes/10/b"),
    ];
    let pull = sandbox.pull().list(&lines);
    // Root may do everything, unless these rights are taken away.
    let done = if rustix::process::geteuid().is_root() {
        let without = "--bounding-set=-dac_override,-dac_read_search";
        pull.under("setpriv", [without]).run()
    } else {
        pull.run()
    };
    mode(0o755).unwrap();
    done.assert_code(3);
    for line in [0, 2, 4] {
        assert_eq!(done.fault(&lines[line]), "disk.denied", "{:#?}", done.rows);
    }
    assert_eq!(done.row(&lines[6])["status"], "ok");
    assert_eq!(names(&sandbox, "out/locked"), Vec::<String>::new());
}

#[test]
fn a_directory_that_vanishes_fails_the_rest_one_by_one() {
    let long = response("200 OK", "", &origin::body("/long", LONG));
    let (first, rest) = long.split_at(LONG / 2);
    for mode in FILE_OPS {
        let server = Plan::new()
            .on("/short", [vec![Verb::Gate, ok(b"short").remove(0)]])
            .on("/long", [vec![Verb::Send(first.to_vec()), Verb::Gate, Verb::Send(rest.to_vec())]])
            .otherwise(ok(b"later"))
            .start();
        let sandbox = Sandbox::new();
        let mut running = sandbox.pull().args(["-i", "-", "--file-ops", mode]).spawn();
        running.feed(["/short", "/long"].map(|path| server.url(path)));
        assert!(eventually(|| server.log().len() == 2));
        // The long one has begun its file, which is removed with everything else.
        assert!(eventually(|| !sandbox.temporaries().is_empty()));
        std::fs::remove_dir_all(sandbox.out()).unwrap();
        server.open_gate();
        let urls = ["/short", "/long", "/later"].map(|path| server.url(path));
        running.feed([&urls[2]]);
        let done = running.wait();
        done.assert_code(3);
        for url in &urls {
            assert_eq!(done.fault(url), "disk.no_directory", "{mode} {:#?}", done.row(url));
        }
        assert!(!sandbox.out().exists());
    }
}

#[test]
fn a_device_that_is_full_is_told() {
    let served = serve();
    let sandbox = Sandbox::new();
    for len in [10, LONG] {
        let url = served.http(&format!("/bytes/{len}/a"));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let done = sandbox.pull().args(["-o", "-", &url]).spawn_into(full).wait();
        done.assert_code(3);
        assert_eq!(done.fault(&url), "disk.enospc");
    }
    symlink("/dev/full", sandbox.path("full.jsonl")).unwrap();
    let done = sandbox.pull().report("full.jsonl").args([served.http("/bytes/10/a")]).run();
    done.assert_code(3);
    assert!(done.stderr.contains("report") && done.stderr.contains("space"), "{}", done.stderr);
    symlink("/dev/full", sandbox.path("full.json")).unwrap();
    let stats = ["--stats", "full.json", &served.http("/bytes/10/a")];
    let done = sandbox.pull().args(stats).run();
    done.assert_code(3);
    assert!(done.stderr.contains("full.json"), "{}", done.stderr);
}

#[test]
fn what_stands_in_the_place_of_the_file() {
    let served = serve();
    for policy in ["overwrite", "skip", "error", "rename"] {
        let sandbox = Sandbox::new();
        for name in ["a", "long"] {
            std::fs::create_dir_all(sandbox.out().join(name).join("keep")).unwrap();
        }
        let urls = [served.http("/bytes/10/a"), served.http("/bytes/2000000/long")];
        let done = sandbox.pull().args(["--on-conflict", policy]).list(&urls).run();
        for url in &urls {
            let wanted = if policy == "rename" { "" } else { "disk.not_a_file" };
            assert_eq!(done.fault(url), wanted, "{policy} {:#?}", done.row(url));
        }
        done.assert_code(if policy == "rename" { 0 } else { 3 });
        let files = names(&sandbox, "out").len();
        assert_eq!(files, if policy == "rename" { 4 } else { 2 }, "{policy}");
        assert!(sandbox.out().join("a/keep").is_dir());
    }
}

#[test]
fn links_on_the_way_are_refused_with_and_without_openat2() {
    let served = serve();
    let lines = [
        served.http("/bytes/10/a"),
        "  dir=new/deep".to_owned(),
        served.http("/bytes/10/b"),
        "  dir=escape".to_owned(),
        served.http("/bytes/10/c"),
        "  dir=escape/new".to_owned(),
        served.http("/bytes/10/d"),
        "  dir=inside".to_owned(),
        served.http("/bytes/10/e"),
        "  dir=file".to_owned(),
    ];
    for errno in [None, Some(libc::ENOSYS), Some(libc::EPERM)] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.path("outside")).unwrap();
        symlink("../outside", sandbox.out().join("escape")).unwrap();
        std::fs::create_dir(sandbox.out().join("real")).unwrap();
        symlink("real", sandbox.out().join("inside")).unwrap();
        std::fs::write(sandbox.out().join("file"), b"mine").unwrap();
        // The directory of the run is the user's choice, and may be a link.
        symlink("out", sandbox.path("link")).unwrap();
        let pull = sandbox.pull_into(&sandbox.path("link")).list(&lines);
        let done = match errno {
            None => pull.run(),
            Some(errno) => match run_without(libc::SYS_openat2, errno, pull) {
                None => return,
                Some(done) => done,
            },
        };
        done.assert_code(3);
        let faults: Vec<&str> = lines.iter().step_by(2).map(|url| done.fault(url)).collect();
        let refused = "disk.not_a_file";
        let wanted = ["", refused, refused, refused, "disk.no_directory"];
        assert_eq!(faults, wanted, "{errno:?}");
        assert!(sandbox.out().join("new/deep/a").is_file());
        assert_eq!(names(&sandbox, "outside").len() + names(&sandbox, "out/real").len(), 0);
        assert_eq!(std::fs::read(sandbox.out().join("file")).unwrap(), b"mine");
    }
}

#[test]
fn flushing_and_reserving_change_nothing_else() {
    let served = serve();
    for fsync in ["none", "file", "dir", "end"] {
        for mode in FILE_OPS {
            let sandbox = Sandbox::new();
            std::fs::write(sandbox.out().join("long"), b"old").unwrap();
            let lines = [
                served.http(&format!("/bytes/{HUGE}/long")),
                served.http("/bytes/0/none"),
                served.http("/chunked/500000/chunked"),
                served.http("/bytes/100/short"),
                "  dir=new/deep".to_owned(),
            ];
            let pull = sandbox.pull().args(["--fsync", fsync, "--file-ops", mode]);
            let done = pull.args(["--file-allocation", "prealloc"]).list(&lines).run();
            done.assert_ok(4);
            let read = |name: &str| std::fs::read(sandbox.out().join(name)).unwrap();
            let long = origin::body(&format!("/bytes/{HUGE}/long"), HUGE);
            assert!(read("long") == long, "{fsync} {mode}");
            assert_eq!(read("none"), b"");
            assert!(read("chunked") == origin::body("/chunked/500000/chunked", 500_000));
            assert_eq!(read("new/deep/short"), origin::body("/bytes/100/short", 100));
            assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{fsync} {mode}");
        }
    }
}

#[test]
fn a_server_that_lies_about_the_length_reserves_little() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n";
    let server = Plan::new()
        .on("/nothing", [vec![Verb::Send(head.to_vec()), Verb::Close]])
        .otherwise(vec![Verb::Send([&head[..], &[b'x'; 90_000]].concat()), Verb::Close])
        .start();
    let sandbox = Sandbox::new();
    let urls = [server.url("/nothing"), server.url("/some")];
    let pull = sandbox.pull().args(["--retry", "0", "--file-allocation", "prealloc"]);
    let done = pull.list(&urls).run();
    for url in &urls {
        assert_eq!(done.fault(url), "body.truncated", "{:#?}", done.row(url));
    }
    assert!(sandbox.files().is_empty() && sandbox.temporaries().is_empty());
}

#[test]
fn a_flush_that_fails_at_the_end_fails_the_run() {
    let served = serve();
    let sandbox = Sandbox::new();
    let url = served.http("/bytes/10/a");
    let pull = sandbox.pull().args(["--fsync", "end", &url]);
    let Some(done) = run_without(libc::SYS_syncfs, libc::EIO, pull) else { return };
    done.assert_code(3);
    assert!(done.stderr.contains("syncfs"), "{}", done.stderr);
    assert_eq!(done.row(&url)["status"], "ok", "the report is whole all the same");
    let pull = sandbox.pull().args(["--fsync", "file", &url]);
    run_without(libc::SYS_syncfs, libc::EIO, pull).unwrap().assert_ok(1);
}

#[test]
fn each_errno_of_a_write_has_its_code() {
    let served = serve();
    for (errno, code) in [
        (libc::EDQUOT, "disk.edquot"),
        (libc::EIO, "disk.eio"),
        (libc::ENOSPC, "disk.enospc"),
        (libc::ENXIO, "disk.eio"),
    ] {
        let sandbox = Sandbox::new();
        std::fs::write(sandbox.out().join("a"), b"old").unwrap();
        let urls = [served.http("/bytes/10/a"), served.http("/bytes/0/b")];
        let pull = sandbox.pull().args(["--file-ops", "sync", "--disk-wait", "0"]).list(&urls);
        let Some(done) = run_without(libc::SYS_pwrite64, errno, pull) else { return };
        done.assert_code(3);
        assert_eq!(done.fault(&urls[0]), code);
        assert_eq!(done.row(&urls[1])["status"], "ok");
        assert_eq!(names(&sandbox, "out"), ["a", "b"]);
        assert_eq!(std::fs::read(sandbox.out().join("a")).unwrap(), b"old");
    }
}
