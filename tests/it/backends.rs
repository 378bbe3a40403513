//! `--backend`: whatever moves the bytes, rows and files are the same, and runs end as they should.

use crate::cmd::{Done, Sandbox, at_once, eventually};
use crate::origin::{Served, serve};
use crate::rude::{Plan, Verb, ok};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::sync::Mutex;

/// All backends, the one that the others are compared with first.
const BACKENDS: [&str; 6] = ["uring", "uring-own", "epoll", "epoll-edge", "select", "blocking"];

/// Answers of every kind: short and long, whole and broken, one after another and in parts.
fn urls(served: &Served) -> Vec<String> {
    let lengths = [0, 1, 999, 4_096, 65_536, 300_000, 2_500_000];
    let shapes = ["bytes", "chunked", "close"];
    let bodies = shapes.iter().flat_map(|shape| lengths.map(|length| format!("/{shape}/{length}")));
    let others = [
        "/image/1.jpg",
        "/redirect/3/bytes/70000/r",
        "/truncate/90000/100",
        "/reset/50000/40000",
        "/stall/body/50000/20000",
        "/stall/head",
        "/status/404",
        "/delay/60/bytes/12/d",
        "/bytes/30000000/split",
    ];
    let paths: Vec<String> = bodies.chain(others.map(str::to_owned)).collect();
    let plain = paths.iter().map(|path| served.http(path));
    let secure = paths.iter().filter(|path| !path.contains("stall")).map(|path| served.https(path));
    plain.chain(secure).collect()
}

/// What the rows of a run say that does not hang on its pace, in the order of the list.
fn told(done: &Done) -> Vec<(u64, [String; 5])> {
    let columns = ["status", "error_code", "size_file", "digest", "num_redirects"];
    // A ring that had received something when the reset came says that, and an end after it.
    let cell = |cell: &str| cell.replace("body.truncated", "body.reset");
    let row = |row: &crate::cmd::Row| {
        (row["index"].parse().unwrap(), columns.map(|column| cell(&row[column])))
    };
    let mut rows: Vec<_> = done.rows.iter().map(row).collect();
    rows.sort_unstable();
    rows
}

#[test]
fn rows_and_files_are_the_same() {
    let runs = Mutex::new(BTreeMap::new());
    at_once(BACKENDS, |backend| {
        let served = serve();
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--backend", backend, "--cacert"]).arg(served.ca());
        let pull = pull.args(["--read-timeout", "5s", "--retry", "0"]);
        let pull = pull.args(["--compute-hash", "sha256", "-j", "24", "-s", "4", "-k", "1M"]);
        let done = pull.list(urls(&served)).run();
        assert!(sandbox.temporaries().is_empty(), "{backend}");
        let run = (done.code(), told(&done), sandbox.files());
        runs.lock().unwrap().insert(backend, run);
    });
    let runs = runs.into_inner().unwrap();
    let (code, wanted, wanted_files) = &runs[BACKENDS[0]];
    for (backend, (of_backend, rows, files)) in &runs {
        assert_eq!(of_backend, code, "{backend}");
        for (row, wanted) in rows.iter().zip(wanted) {
            assert_eq!(row, wanted, "{backend}");
        }
        assert_eq!(rows.len(), wanted.len(), "{backend}");
        assert!(files == wanted_files, "{backend}: other files");
    }
}

#[test]
fn a_stream_waits_for_its_reader() {
    let served = serve();
    for backend in BACKENDS {
        let sandbox = Sandbox::new();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let url = served.http("/bytes/3000000/stream");
        let running = sandbox.pull().args(["--backend", backend, "-o", "-", &url]);
        let running = running.spawn_into(writer);
        // Nobody reads until the pipe is full.
        let is_full = || rustix::io::ioctl_fionread(&reader).unwrap() >= 60_000;
        assert!(eventually(is_full), "{backend}: {}", running.stderr());
        let mut body = Vec::new();
        reader.read_to_end(&mut body).unwrap();
        running.wait().assert_ok(1);
        assert_eq!(body.len(), 3_000_000, "{backend}");
    }
}

#[test]
fn an_interrupt_ends_waits_of_every_kind() {
    for backend in BACKENDS {
        let held = vec![Verb::Gate, ok(b"held").remove(0)];
        let server = Plan::new().otherwise(held).start();
        let sandbox = Sandbox::new();
        let pull =
            sandbox.pull().args(["--backend", backend, "--grace", "0", "-j", "8", "-x", "8"]);
        let running = pull.list((0..20).map(|n| server.url(&format!("/{n}")))).spawn();
        assert!(eventually(|| server.log().len() == 8), "{backend}: {}", running.stderr());
        running.signal(Signal::INT);
        let done = running.wait();
        done.assert_code(130);
        let is_interrupted = |row: &crate::cmd::Row| row["error_code"] == "run.interrupted";
        assert!(done.rows.iter().all(is_interrupted), "{backend}: {:#?}", done.rows);
    }
}

#[test]
fn what_waits_costs_no_work() {
    for backend in BACKENDS {
        let held = vec![Verb::Send(ok_begin()), Verb::Gate, Verb::Send(b"end".to_vec())];
        let server = Plan::new().otherwise(held).start();
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--backend", backend, "-j", "4", "-x", "4"]);
        let running = pull.list((0..4).map(|n| server.url(&format!("/{n}")))).spawn();
        assert!(eventually(|| server.log().len() == 4), "{backend}: {}", running.stderr());
        // It sleeps between its looks at deadlines; a loop that never does has no end here.
        let (slept, worked) = (sleeps(running.id()), ticks(running.id()));
        let has_slept = || sleeps(running.id()) >= slept + 20;
        assert!(eventually(has_slept), "{backend}: {}", running.stderr());
        let worked = ticks(running.id()) - worked;
        assert!(worked < 50, "{backend}: {worked} ticks of work in 20 sleeps");
        server.open_gate();
        running.wait().assert_ok(4);
    }
}

/// The head of a response with three bytes, and none of them.
fn ok_begin() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n".to_vec()
}

/// Ticks of CPU time that a process has used, of which a second has a hundred (proc_pid_stat(5)).
fn ticks(process: u32) -> u64 {
    let mut stat = String::new();
    File::open(format!("/proc/{process}/stat")).unwrap().read_to_string(&mut stat).unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// How often the threads of a process that move bytes have slept so far (proc_pid_status(5)).
fn sleeps(process: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let statuses =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("status")));
    let of_cores = statuses.flatten().filter(|status| status.starts_with("Name:\tcore-"));
    let count = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    of_cores.map(count).max().unwrap_or_default()
}

#[test]
fn bytes_go_around_the_page_cache_without_a_ring_too() {
    let served = serve();
    for backend in ["uring", "uring-own", "epoll"] {
        for mode in ["direct", "dontcache", "sync"] {
            let sandbox = Sandbox::new();
            let url = served.http("/bytes/9000001/a");
            let pull = sandbox.pull().args(["--backend", backend, "--write-mode", mode, &url]);
            let done = pull.args(["--compute-hash", "sha256", "-s", "1"]).run();
            if done.code() == 0 {
                assert_eq!(sandbox.files()["a"].len(), 9_000_001, "{backend} {mode}");
            } else {
                assert!(done.stderr.contains("--write-mode"), "{backend} {mode}: {}", done.stderr);
            }
        }
    }
}

#[test]
fn a_body_that_never_pauses_has_the_deadline_of_its_job() {
    let served = serve();
    for backend in BACKENDS {
        let sandbox = Sandbox::new();
        let endless = [served.http("/bytes/60000000000/a"), served.http("/bytes/9000?rate=500")];
        let pull = sandbox.pull().args(["--backend", backend, "--discard", "--retry", "0"]);
        let done = pull.args(["-m", "1s", "--threads", "1"]).args(&endless).run();
        for url in &endless {
            assert_eq!(done.fault(url), "job.timeout", "{backend}: {:#?}", done.row(url));
        }
    }
}

#[test]
fn very_many_answers_at_a_time_are_received_in_every_way() {
    let served = serve();
    // More than a core gives large buffers to, so that a TLS record needs several small ones.
    let paths = (0..280).map(|n| format!("/bytes/{}/{n}", 9_000 + 100 * n));
    let urls: Vec<String> =
        paths.flat_map(|path| [served.http(&path), served.https(&format!("{path}s"))]).collect();
    let mut first = None;
    for mode in ["oneshot", "provided", "multishot"] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--backend", "uring-own", "--recv-mode", mode]);
        let pull = pull.args(["--threads", "1", "-j", "560", "-x", "280", "--cacert"]);
        pull.arg(served.ca()).list(&urls).run().assert_ok(urls.len());
        let files = sandbox.files();
        assert!(files == *first.get_or_insert_with(|| files.clone()), "{mode}: other files");
    }
}
