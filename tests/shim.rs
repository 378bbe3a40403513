//! Every kernel operation of a small pull fails once, in every way: names, rows, exit status,
//! descriptors, and no hang. Takes the feature `shim` (`src/ring/shim.rs`).

#[allow(dead_code, reason = "the integration tests use all of it")]
#[path = "it/certs.rs"]
mod certs;
#[allow(dead_code, reason = "the integration tests use all of it")]
#[path = "it/cmd.rs"]
mod cmd;
#[allow(dead_code, reason = "the integration tests use all of it")]
#[path = "it/origin.rs"]
mod origin;
#[allow(dead_code, reason = "the integration tests use all of it")]
#[path = "it/sockets.rs"]
mod sockets;

use cmd::{Done, Sandbox};
use origin::{Served, serve};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is injected, and how often a job may be tried again.
struct Way {
    fault: &'static str,
    retries: u32,
    harm: Harm,
}

/// What a fault may do to the rows.
#[derive(Clone, Copy, PartialEq)]
enum Harm {
    /// A job may fail.
    Some,
    /// None: the operation is made again, or the job is tried again.
    None,
}

const fn way(fault: &'static str, retries: u32, harm: Harm) -> Way {
    Way { fault, retries, harm }
}

const WAYS: [Way; 10] = [
    way("enospc", 0, Harm::Some),
    way("emfile", 0, Harm::Some),
    way("emfile", 3, Harm::None),
    way("enfile", 0, Harm::None),
    way("ecanceled", 0, Harm::Some),
    way("econnreset", 0, Harm::Some),
    way("econnreset", 3, Harm::None),
    way("eio", 0, Harm::Some),
    way("eintr", 0, Harm::None),
    way("short", 0, Harm::None),
];

/// Kinds of operations on files and directories.
const ON_FILES: [&str; 12] = [
    "open",
    "mkdir",
    "write",
    "pwrite",
    "pread",
    "truncate",
    "fsync",
    "fallocate",
    "close",
    "link",
    "rename",
    "unlink",
];

/// One line of the list, and what comes of it.
struct Line {
    url: String,
    out: &'static str,
    /// Nothing for one that fails.
    body: Option<Vec<u8>>,
}

/// One way to write files, and its list.
struct Pull<'a> {
    served: &'a Served,
    file_ops: &'a str,
    more: &'a [&'a str],
    lines: Vec<Line>,
}

/// What a run says of itself at its end.
#[derive(Debug)]
struct Said {
    threads: usize,
    descriptors: usize,
    /// Operations in flight when their runtime ended.
    orphans: usize,
    /// Operations of each kind.
    kinds: BTreeMap<String, usize>,
    /// The operation that was made to fail, if it came to that.
    injected: Option<String>,
}

#[test]
fn every_operation_may_fail_once() {
    let served = serve();
    let pull = Pull { served: &served, file_ops: "auto", more: &[], lines: lines(&served) };
    let clean = pull.clean();
    let operations: usize = clean.kinds.values().sum();
    assert!(operations > 30, "{clean:?}");
    pull.check_all(&WAYS, &clean, (1..=operations).map(|n| (String::new(), n)).collect());
}

#[test]
fn every_operation_on_files_may_fail_once() {
    let served = serve();
    let fsync: &[&str] = &["--fsync", "file"];
    for (file_ops, more) in [("ring", fsync), ("sync", fsync), ("chain", &[])] {
        let pull = Pull { served: &served, file_ops, more, lines: lines(&served) };
        let clean = pull.clean();
        let places = places(&clean, &ON_FILES);
        assert!(places.len() > 20, "{clean:?}");
        pull.check_all(&WAYS, &clean, places);
    }
}

#[test]
fn space_may_not_be_reserved() {
    let served = serve();
    let bytes = usize::try_from(ringpull::limits::ALLOCATE_BYTES_MIN).unwrap() + 300_000;
    for file_ops in ["ring", "sync"] {
        let lines = vec![file(&served, &format!("/bytes/{bytes}/reserved"), "reserved", bytes)];
        let more = &["--file-allocation", "prealloc"];
        let pull = Pull { served: &served, file_ops, more, lines };
        let clean = pull.clean();
        let places = places(&clean, &["fallocate"]);
        assert!(!places.is_empty(), "{clean:?}");
        pull.check_all(&WAYS, &clean, places);
    }
}

#[test]
fn a_body_that_cannot_be_linked_is_stored() {
    let served = serve();
    let list = ["a", "b", "c"].map(|name| served.http(&format!("/bytes/900/same?{name}")));
    let flags = ["--dedupe", "content", "-j", "1", "--threads", "1", "--naming", "link"];
    let run = |lines: &[String], fault: &str| {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(flags).args(["--name-template", "{seq}"]);
        let done = pull.env("RINGPULL_SHIM", fault).list(lines).run();
        done.assert_code(0);
        (sandbox, done)
    };
    // The next one is that of the second name.
    let (_, clean) = run(&list[..1], "count");
    let links = clean.stderr.rsplit_once(" link=").unwrap().1;
    let at = links.split_once(' ').unwrap().0.parse::<u32>().unwrap() + 1;
    // EPERM and ENOENT are first taken for what the kernel says who wants it by way of /proc.
    let next = at + 1;
    for fault in [
        format!("link:emlink@{at}"),
        format!("link:exdev@{at}"),
        format!("link:eperm@{at}-{next}"),
        format!("link:enoent@{at}-{next}"),
    ] {
        let (sandbox, done) = run(&list, &fault);
        let of: Vec<&str> = done.rows.iter().map(|row| &*row["duplicate_of"]).collect();
        assert_eq!(of, ["", "", "2"], "{fault}");
        let inode = |name| std::fs::metadata(sandbox.out().join(name)).unwrap().ino();
        assert!(inode("1") != inode("2") && inode("2") == inode("3"), "{fault}");
        assert!(sandbox.files().into_values().all(|bytes| bytes.len() == 900));
    }
}

#[test]
fn a_panic_costs_the_job_whose_operation_is_in_flight_and_no_other() {
    let served = serve();
    let pull = Pull {
        served: &served,
        file_ops: "ring",
        more: &["--fsync", "file"],
        lines: lines(&served),
    };
    let clean = pull.clean();
    let places = places(&clean, &["send", "recv", "write", "fsync"]);
    assert!(places.len() > 20, "{clean:?}");
    pull.check_all(&[way("panic", 0, Harm::Some)], &clean, places);
}

#[test]
fn a_receive_that_a_panic_left_in_flight_has_ended_when_its_core_does() {
    let served = serve();
    let stall = ["/stall/head", "/stall/body/900000/10", "/stall/body/900000/200000"];
    let urls = stall.map(|path| served.http(path)).into_iter().chain([served.https("/stall/head")]);
    for (n, stalled) in urls.enumerate() {
        // The handshake has receives of its own; behind the first bytes nothing ever comes.
        for nth in 1..=3 {
            let sandbox = Sandbox::new();
            let urls = [stalled.clone(), served.http("/bytes/9/a"), served.http("/bytes/9/b")];
            let pull = sandbox.pull().args([
                "--continue=false",
                "--threads",
                "1",
                "-j",
                "1",
                "--retry",
                "0",
            ]);
            let pull = pull.args(["--cacert", served.ca().to_str().unwrap()]).list(&urls);
            let pull = pull.args(["--read-timeout", "1s"]);
            let done = pull.env("RINGPULL_SHIM", &format!("recv:panic@{nth}")).spawn();
            let done = done.wait_for_any_end();
            let said = said(&done);
            assert_eq!(said.orphans, 0, "{n} {nth}: {}", done.stderr);
            assert_eq!(said.injected.as_deref(), Some("recv Panic"));
            let panicked = done.rows.iter().filter(|row| row["error_code"] == "run.panic").count();
            assert_eq!((panicked, done.rows.len()), (1, 3), "{:#?}", done.rows);
            let failed = done.rows.iter().filter(|row| row["status"] != "ok").count();
            assert!(failed <= 2 && !done.fault(&urls[0]).is_empty(), "{:#?}", done.rows);
            // A name is looked up while the others are pulled.
            if nth == 1 && n < stall.len() {
                assert_eq!((done.fault(&urls[0]), failed), ("run.panic", 1));
            }
            done.assert_code(1);
        }
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_fails_nothing() {
    let served = serve();
    let wait = &["--disk-wait", "10m"];
    let prealloc = &["--disk-wait", "10m", "--file-allocation", "prealloc"];
    for (file_ops, more) in [("auto", &wait[..]), ("sync", prealloc), ("chain", wait)] {
        let mut lines = lines(&served);
        let bytes = usize::try_from(ringpull::limits::ALLOCATE_BYTES_MIN).unwrap() + 300_000;
        lines.push(file(&served, &format!("/bytes/{bytes}/reserved"), "reserved", bytes));
        let pull = Pull { served: &served, file_ops, more, lines };
        let clean = pull.clean();
        let faults = [
            ("open", "enospc"),
            ("mkdir", "enospc"),
            ("write", "enospc"),
            ("pwrite", "edquot"),
            ("fallocate", "enospc"),
            ("link", "edquot"),
            ("rename", "enospc"),
        ];
        // A run does little but wait.
        std::thread::scope(|scope| {
            for (op, fault) in faults {
                // The first link is that of the file which tells whether there can be any.
                let first = 1 + usize::from(op == "link");
                let (pull, count) = (&pull, clean.kinds[op]);
                if count < first {
                    continue;
                }
                // The first files of all try out what the file system can do, and stay silent.
                let last = first + if op == "open" { 9 } else { 2 };
                scope.spawn(move || {
                    pull.check_wait(&format!("{op}:{fault}@{first}-{last}"));
                    pull.check_wait(&format!("{op}:{fault}@{}", (count / 2).max(first)));
                });
            }
        });
    }
}

/// Bodies of a shard: few bytes are copied together, many are written from where they came.
#[test]
fn a_shard_is_whole_whatever_write_of_it_is_short_or_made_again() {
    const LENGTHS: [usize; 12] =
        [60_000, 500, 79_000, 40_000, 0, 70_000, 300_000, 16_384, 65_000, 1, 78_000, 50_000];
    let served = serve();
    let paths = LENGTHS.map(|length| format!("/bytes/{length}/b"));
    let urls = paths.each_ref().map(|path| served.http(path));
    for (file_ops, op) in [("ring", "write"), ("sync", "pwrite")] {
        let pull = |shim: &str| {
            let sandbox = Sandbox::new();
            let pull = sandbox.pull().args(["--output-format", "webdataset", "--threads", "1"]);
            let pull =
                pull.args(["-x", "1", "--file-ops", file_ops, "--disk-wait", "0"]).list(&urls);
            let done = pull.env("RINGPULL_SHIM", shim).spawn().wait_for_any_end();
            (sandbox, done)
        };
        let writes = said(&pull("count").1).kinds[op];
        assert!(writes >= 3, "{file_ops}: {writes}");
        for (fault, number) in
            ["short", "eintr"].into_iter().flat_map(|fault| (1..=writes).map(move |n| (fault, n)))
        {
            let about = format!("{file_ops} {op}:{fault}@{number}");
            let (sandbox, done) = pull(&format!("{op}:{fault}@{number}"));
            done.assert_ok(urls.len());
            assert!(said(&done).injected.is_some(), "{about}");
            let bodies = sandbox.path("bodies");
            std::fs::create_dir(&bodies).unwrap();
            let shard = sandbox.out().join("00000.tar");
            let status = cmd::command("tar").arg("-xf").arg(shard).arg("-C").arg(&bodies).status();
            assert!(status.unwrap().success(), "{about}");
            let mut found = files(&bodies, "");
            found.retain(|name, _| !name.ends_with(".json"));
            let expected = paths.iter().zip(LENGTHS);
            let expected = expected.map(|(path, length)| ringpull::origin::body(path, length));
            assert!(found.into_values().eq(expected), "{about}");
        }
    }
}

#[test]
fn a_shard_that_a_panic_tore_has_no_name_and_is_made_again() {
    const COUNT: usize = 12;
    let served = serve();
    let urls: Vec<String> =
        (0..COUNT).map(|n| served.http(&format!("/bytes/{}/b", 40_000 + 20_000 * n))).collect();
    let mut panics = 0;
    for (file_ops, op) in [("ring", "write"), ("sync", "pwrite")] {
        for number in 1..=6 {
            let sandbox = Sandbox::new();
            let pull = || {
                let pull = sandbox.pull().args(["--output-format", "tar", "--threads", "1"]);
                pull.args(["-x", "1", "--shard-files", "6", "--file-ops", file_ops]).list(&urls)
            };
            let shim = format!("{op}:panic@{number}");
            let done = pull().env("RINGPULL_SHIM", &shim).spawn().wait_for_any_end();
            panics += usize::from(done.code() == 1);
            for shard in shards(&sandbox) {
                let listed = cmd::command("tar").arg("-tf").arg(&shard).output().unwrap();
                assert!(listed.status.success(), "{file_ops} {shim}: {}", shard.display());
            }
            let again = pull().again().run();
            let is_ok = |row: &&cmd::Row| row["status"] == "ok";
            let ok = done.rows.iter().chain(&again.rows).filter(is_ok).count();
            assert!(ok >= COUNT, "{file_ops} {shim}: {ok}");
            let members: usize = shards(&sandbox)
                .iter()
                .map(|shard| {
                    let listed = cmd::command("tar").arg("-tf").arg(shard).output().unwrap();
                    String::from_utf8(listed.stdout).unwrap().lines().count()
                })
                .sum();
            assert_eq!(members, COUNT, "{file_ops} {shim}");
        }
    }
    assert!(panics >= 6, "only {panics} runs met a panic");
}

/// Shards that have their names.
fn shards(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(sandbox.out()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ext| ext == "tar")).collect()
}

/// Every operation of these kinds.
fn places(clean: &Said, kinds: &[&str]) -> Vec<(String, usize)> {
    let mut places = Vec::new();
    for kind in kinds {
        places.extend((1..=clean.kinds[*kind]).map(|n| (format!("{kind}:"), n)));
    }
    places
}

/// Every framing, both protocols, short bodies and one that is too long for one buffer.
fn lines(served: &Served) -> Vec<Line> {
    let file = |path, out, len| file(served, path, out, len);
    vec![
        file("/bytes/1000/short", "short", 1_000),
        file("/bytes/600000/long", "long", 600_000),
        file("/chunked/3000/chunked", "made/chunked", 3_000),
        file("/bytes/0/empty", "made/deeper/empty", 0),
        file("/close/2000/close", "close", 2_000),
        Line {
            url: served.http("/redirect/1/bytes/500/hop"),
            out: "redirect",
            body: Some(ringpull::origin::body("/bytes/500/hop", 500)),
        },
        Line { url: served.http("/status/404"), out: "missing", body: None },
        Line {
            url: served.https("/bytes/40000/tls"),
            out: "tls",
            body: Some(ringpull::origin::body("/bytes/40000/tls", 40_000)),
        },
    ]
}

fn file(served: &Served, path: &str, out: &'static str, len: usize) -> Line {
    Line { url: served.http(path), out, body: Some(ringpull::origin::body(path, len)) }
}

impl Pull<'_> {
    /// A run without a fault.
    fn clean(&self) -> Said {
        let sandbox = Sandbox::new();
        let done = self.run(&sandbox, "count", 0);
        assert_eq!(self.judge(&sandbox, &done), Vec::<&str>::new());
        said(&done)
    }

    fn run(&self, sandbox: &Sandbox, shim: &str, retries: u32) -> Done {
        let https = self.served.https("");
        let port = https.rsplit(':').next().unwrap();
        let list =
            self.lines.iter().flat_map(|line| [line.url.clone(), format!("  out={}", line.out)]);
        let mut pull =
            sandbox.pull().args(["--continue=false", "--threads", "1", "-j", "4", "-x", "2"]);
        pull = pull.args(["--file-ops", self.file_ops, "--retry-delay", "0", "--disk-wait", "0"]);
        pull = pull.args(self.more);
        pull = pull.arg("--retry").arg(retries.to_string());
        // A lookup has sockets of its own, which are no part of the data plane.
        pull = pull.arg("--resolve").arg(format!("localhost:{port}:127.0.0.1"));
        pull = pull.arg("--cacert").arg(self.served.ca()).list(list);
        let done = pull.env("RINGPULL_SHIM", shim).spawn().wait_for_any_end();
        let has_panic = done.stderr.contains("panicked");
        assert_eq!(has_panic, done.stderr.contains(" Panic\n"), "{}", done.stderr);
        done
    }

    /// Every operation (a kind or nothing, and a number) fails in each of these ways.
    fn check_all(&self, ways: &[Way], clean: &Said, places: Vec<(String, usize)>) {
        let cases: Vec<(&Way, &(String, usize))> =
            ways.iter().flat_map(|way| places.iter().map(move |place| (way, place))).collect();
        let (next, injected) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let complaints = Mutex::new(Vec::new());
        let work = || {
            while let Some((way, place)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.check(way, place, clean) {
                    Ok(said) if said.injected.is_none() => {}
                    Ok(_) => drop(injected.fetch_add(1, Ordering::Relaxed)),
                    Err(complaint) => complaints.lock().unwrap().push(complaint),
                }
            }
        };
        // A run waits more than it works.
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(4) * 2;
        std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(work))));
        let complaints = complaints.into_inner().unwrap();
        let (bad, all) = (complaints.len(), cases.len());
        assert!(bad == 0, "{bad} of {all}:\n{}", complaints.join("\n"));
        // A run differs by some operations from the next, as the bytes come in.
        let injected = injected.into_inner();
        assert!(injected * 10 >= all * 9, "only {injected} of {all} faults came to pass");
    }

    /// One operation fails in one way.
    fn check(&self, way: &Way, place: &(String, usize), clean: &Said) -> Result<Said, String> {
        let sandbox = Sandbox::new();
        let shim = format!("{}{}@{}", place.0, way.fault, place.1);
        let mut about = format!("{} {shim}, {} retries", self.file_ops, way.retries);
        catch_unwind(AssertUnwindSafe(|| {
            let done = self.run(&sandbox, &shim, way.retries);
            let said = said(&done);
            let op = said.injected.clone().unwrap_or_default();
            about += &format!(" ({op})");
            let failed = self.judge(&sandbox, &done);
            assert!(failed.is_empty() || may_fail(way, &op), "failed: {failed:?}");
            assert!(failed.len() <= 1, "one fault failed {failed:?}");
            let left = sandbox.temporaries();
            assert!(left.is_empty() || op.starts_with("unlink"), "left: {left:?}");
            // In a chain, a descriptor whose close was made to fail is open all the same.
            assert_eq!(said.threads, clean.threads, "threads");
            assert_eq!(said.orphans, 0, "operations in flight at the end");
            let open_max = clean.descriptors
                + usize::from(op.starts_with("close") && self.file_ops == "chain");
            assert!(said.descriptors <= open_max, "{clean:?} {said:?}");
            said
        }))
        .map_err(|panic| format!("{about}: {}", text_of(&*panic)))
    }

    /// Room that is lacking for a while fails nothing.
    fn check_wait(&self, shim: &str) {
        let sandbox = Sandbox::new();
        let done = self.run(&sandbox, shim, 0);
        let about = format!("{} {shim}\n{}", self.file_ops, done.stderr);
        assert_eq!(self.judge(&sandbox, &done), Vec::<&str>::new(), "{about}");
        let again = done.rows.iter().filter(|row| row["num_retries"] != "0").count();
        assert_eq!(again, 0, "it is no attempt: {about}");
        assert!(done.stderr.contains("paused") && done.stderr.contains("goes on"), "{about}");
        assert_eq!(sandbox.temporaries(), Vec::<String>::new(), "{about}");
    }

    /// Holds rows, files and exit status against each other, and gives the URLs that failed.
    fn judge(&self, sandbox: &Sandbox, done: &Done) -> Vec<&str> {
        assert_eq!(done.rows.len(), self.lines.len(), "rows\n{}", done.stderr);
        let mut files = files(&sandbox.out(), "");
        let mut failed = Vec::new();
        let mut status = 0;
        for line in &self.lines {
            let row = done.row(&line.url);
            let code = row["error_code"].as_str();
            let file = files.remove(line.out);
            if row["status"] == "ok" {
                assert_eq!(code, "");
                let body = line.body.as_ref().expect("an error that became a file");
                assert!(file.as_ref() == Some(body), "{}: wrong bytes", line.url);
                continue;
            }
            assert_eq!(row["status"], "failed");
            assert!(file.is_none(), "{code} left {}", line.out);
            if line.body.is_some() || code != "http.status" {
                failed.push(line.url.as_str());
            }
            let class = exit_class(code);
            status = if status == 0 { class } else { status.min(class) };
        }
        assert!(files.is_empty(), "files that nobody asked for: {:?}", files.keys());
        done.assert_code(status);
        failed
    }
}

/// Files beneath a directory by path, temporaries left out.
fn files(dir: &Path, prefix: &str) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            let below = files(&entry.path(), &format!("{name}/"));
            let temporaries = below.keys().filter(|name| name.contains("/.ringpull-")).count();
            assert_eq!(temporaries, 0, "{below:?}");
            found.extend(below);
        } else if !cmd::is_temporary(&name) {
            found.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// The table of exit statuses (`ringpull help exit`), as far as faults of this kind go.
fn exit_class(code: &str) -> i32 {
    match code.split_once('.').expect("a code has a dot") {
        ("run", "panic") => 1,
        ("disk", _) | ("run", "resources") => 3,
        ("http", "status") => 8,
        ("connect" | "tls" | "send" | "head" | "body", word) => match word {
            "truncated" => 7,
            "timeout" | "reset" | "closed" | "socket" => 4,
            _ => panic!("unexpected code {code}"),
        },
        _ => panic!("unexpected code {code}"),
    }
}

/// Whether a job may fail of it.
fn may_fail(way: &Way, op: &str) -> bool {
    let is_on_file = ON_FILES.iter().any(|kind| op.starts_with(kind));
    match way.fault {
        // A close that was interrupted may have lost what was written.
        "eintr" => op.starts_with("close"),
        // Only a disk that is broken in a strange way says so.
        "econnreset" if is_on_file => true,
        _ => way.harm == Harm::Some,
    }
}

/// Reads what the shim wrote.
fn said(done: &Done) -> Said {
    let lines: Vec<&str> =
        done.stderr.lines().filter_map(|line| line.strip_prefix("shim: ")).collect();
    let (last, before) = lines.split_last().unwrap_or_else(|| panic!("no word\n{}", done.stderr));
    let count = |word: &str| {
        let (name, count) = word.split_once('=').expect("name=count");
        (name.to_owned(), count.parse().expect("a number"))
    };
    let mut kinds: BTreeMap<String, usize> = last.split(' ').map(count).collect();
    let mut take = |name| kinds.remove(name).expect("a count");
    let (threads, descriptors) = (take("threads"), take("descriptors"));
    let orphans = take("orphans");
    Said {
        threads,
        descriptors,
        orphans,
        kinds,
        injected: before.first().map(|line| (*line).to_owned()),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
