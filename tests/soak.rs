//! A hundred thousand URLs against a server that is everything at once: good in every framing,
//! gone before or within an answer, silent, busy, elsewhere, slow, talkative, wrong. What becomes
//! of each follows from its number; descriptors, memory and the rings are looked at all the while.
//!
//! A program of its own, so that no test with a deadline runs beside it. It takes half a minute in
//! the default profile of `cargo test`, and writes to memory where there is /dev/shm.

#[allow(dead_code, reason = "shared with tests/it, which needs more of it")]
#[path = "it/cmd.rs"]
mod cmd; // runs the binary and reads what it left behind
#[path = "soak/kill.rs"]
mod kill; // kill -9 at any time
#[path = "soak/resume.rs"]
mod resume; // kill -9 fifty times, and the same command again
#[allow(dead_code, reason = "shared with tests/it, which needs more of it")]
#[path = "it/sockets.rs"]
mod sockets; // the limit of descriptors
#[path = "soak/swarm.rs"]
mod swarm; // a server for a hundred thousand requests

use cmd::{Running, Sandbox};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use swarm::{After, Swarm, body, mix, send_length};

/// URLs in all.
const URLS: u64 = 100_000;
/// Of so many URLs one is answered by silence: what a soak takes longer for.
const ONE_STALL_IN: u64 = 2_000;
/// Origins that the URLs are spread over.
const HOSTS: u64 = 16;
/// Those of them whose connections are kept: the others say something that nobody asked for.
const CALM_HOSTS: u64 = 12;
/// Jobs in flight.
const JOBS: usize = 256;

/// What a URL gets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Length,
    Chunked,
    CloseDelimited,
    /// An empty connection at the first request, then good.
    ResetBefore,
    /// Half a body at the first request, then good.
    ResetWithin,
    /// Half a body, and RST, every time.
    ResetAlways,
    /// Half a body, and FIN, every time.
    CutAlways,
    /// 503 with `Retry-After: 0` at the first request, then good.
    Busy,
    /// Two hops, one of them to another host.
    Redirect,
    /// Good, and a whole response behind it that nobody asked for.
    Talkative,
    /// Good, in pieces with rests between.
    Drip,
    Missing,
    /// A chunk size that is none, behind good chunks.
    Wrong,
    /// Nothing, for ever.
    Silent,
    /// Half a head or half a body, and nothing more.
    Stalled,
}

impl Kind {
    fn of(number: u64) -> Self {
        let random = mix(number ^ 0xabcd);
        if random.is_multiple_of(ONE_STALL_IN) {
            return if random & (1 << 40) == 0 { Self::Silent } else { Self::Stalled };
        }
        match (random >> 20) % 100 {
            0..60 => Self::Length,
            60..74 => Self::Chunked,
            74..80 => Self::CloseDelimited,
            80..82 => Self::ResetBefore,
            82..84 => Self::ResetWithin,
            84 => Self::ResetAlways,
            85 => Self::CutAlways,
            86..89 => Self::Busy,
            89..93 => Self::Redirect,
            93..95 if number % HOSTS >= CALM_HOSTS => Self::Talkative,
            93..95 => Self::Length,
            95..97 => Self::Drip,
            97..99 => Self::Missing,
            _ => Self::Wrong,
        }
    }

    /// The code of its row; nothing for a file.
    fn code(self, number: u64) -> Option<&'static str> {
        match self {
            Self::Length
            | Self::Chunked
            | Self::CloseDelimited
            | Self::ResetBefore
            | Self::ResetWithin
            | Self::Busy
            | Self::Redirect
            | Self::Talkative
            | Self::Drip => None,
            Self::ResetAlways => Some("body.reset"),
            Self::CutAlways => Some("body.truncated"),
            Self::Missing => Some("http.status"),
            Self::Wrong => Some("http.chunk_size"),
            Self::Silent => Some("head.timeout"),
            Self::Stalled if is_head_half(number) => Some("head.timeout"),
            Self::Stalled => Some("body.timeout"),
        }
    }
}

fn is_head_half(number: u64) -> bool {
    mix(number).is_multiple_of(2)
}

/// From nothing to 300 KB, most of them short.
fn content(number: u64) -> &'static [u8] {
    let random = mix(number);
    let most = match (random >> 32) % 100 {
        0..5 => 1,
        5..75 => 1_500,
        75..98 => 20_000,
        _ => 300_001,
    };
    let len = usize::try_from((random >> 8) % most).unwrap();
    // What lies behind the body in one write is in one segment only as long as it is short.
    let is_short = matches!(Kind::of(number), Kind::Talkative | Kind::Drip);
    body(number, if is_short { len.min(16_000) } else { len })
}

/// The path of a URL that has its number in front.
fn url(number: u64, host: u64, path: &str, port: u16) -> String {
    format!("http://h{}.example:{port}/{path}{number}", host % HOSTS)
}

/// Serves until dropped.
fn serve() -> Swarm {
    let visits: Arc<Vec<AtomicU8>> = Arc::new((0..URLS).map(|_| AtomicU8::new(0)).collect());
    Swarm::start(move |path, to| {
        let (hop, number) = path[1..].split_at(1);
        let number: u64 = number.parse().map_err(io::Error::other)?;
        if hop == "b" {
            let port = to.local_addr()?.port();
            let location = format!("Location: {}\r\n", url(number, number + 1, "c", port));
            send_length(to, "302 Found", &location, b"over there")?;
            return Ok(After::Keep);
        }
        if hop == "c" {
            send_length(to, "200 OK", "", content(number))?;
            return Ok(After::Keep);
        }
        let at = &visits[usize::try_from(number).map_err(io::Error::other)?];
        let is_first = at.fetch_add(1, Ordering::Relaxed) == 0;
        answer(number, is_first, to)
    })
}

fn answer(number: u64, is_first: bool, to: &mut TcpStream) -> io::Result<After> {
    let body = content(number);
    let half = &body[..body.len() / 2];
    // Never the whole, so that a body of nothing is cut as well.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len() + 1);
    match Kind::of(number) {
        Kind::ResetBefore if is_first => return Ok(After::Reset),
        Kind::ResetWithin if is_first => {
            to.write_all(&[head.as_bytes(), half].concat())?;
            return Ok(After::Reset);
        }
        Kind::Busy if is_first => send_length(to, "503 Busy", "Retry-After: 0\r\n", b"busy")?,
        Kind::Length | Kind::ResetBefore | Kind::ResetWithin | Kind::Busy => {
            send_length(to, "200 OK", "", body)?;
        }
        Kind::Chunked => to.write_all(&chunked(number, body, b"0\r\n\r\n"))?,
        Kind::Wrong => to.write_all(&chunked(number, body, b"wrong\r\n"))?,
        Kind::CloseDelimited => {
            to.write_all(&[b"HTTP/1.1 200 OK\r\n\r\n", body].concat())?;
            return Ok(After::Close);
        }
        Kind::ResetAlways | Kind::CutAlways => {
            to.write_all(&[head.as_bytes(), half].concat())?;
            let is_reset = Kind::of(number) == Kind::ResetAlways;
            return Ok(if is_reset { After::Reset } else { After::Close });
        }
        Kind::Redirect => {
            let location = format!("Location: /b{number}\r\n");
            send_length(to, "307 Temporary Redirect", &location, b"")?;
        }
        Kind::Talkative => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let more = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
            to.write_all(&[head.as_bytes(), body, more].concat())?;
        }
        Kind::Drip => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            to.write_all(head.as_bytes())?;
            for piece in body.chunks(body.len() / 4 + 1) {
                std::thread::sleep(Duration::from_millis(3));
                to.write_all(piece)?;
            }
        }
        Kind::Missing => send_length(to, "404 Not Found", "", body)?,
        Kind::Silent => return Ok(After::Stall),
        Kind::Stalled => {
            let sent = if is_head_half(number) { &head.as_bytes()[..20] } else { head.as_bytes() };
            to.write_all(sent)?;
            return Ok(After::Stall);
        }
    }
    Ok(After::Keep)
}

/// A chunked response; `last` is what comes in the place of the last chunk.
fn chunked(number: u64, body: &[u8], last: &[u8]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let len = usize::try_from(mix(number) % 8_000).unwrap() + 1;
    for (n, chunk) in body.chunks(len).enumerate() {
        // The extensions of one body have a limit.
        let extension = if n < 9 { ";n=1" } else { "" };
        bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(last);
    bytes
}

/// What the kernel tells of the process at one time.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    descriptors: usize,
    resident_kib: usize,
    /// Operations taken by the rings and not completed.
    ring_in_flight: usize,
    /// Completions waiting to be read.
    ring_waiting: usize,
    /// Completions for which a ring had no room.
    ring_overflow: usize,
}

impl Sample {
    fn take(running: &Running) -> Option<Self> {
        let of = format!("/proc/{}", running.id());
        let status = std::fs::read_to_string(format!("{of}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let mut sample = Self {
            descriptors: running.descriptors(),
            resident_kib: resident.trim().split(' ').next()?.parse().ok()?,
            ..Self::default()
        };
        for entry in std::fs::read_dir(format!("{of}/fd")).ok()?.flatten() {
            let is_ring = std::fs::read_link(entry.path())
                .is_ok_and(|to| to.as_os_str() == "anon_inode:[io_uring]");
            if is_ring {
                let path = format!("{of}/fdinfo/{}", entry.file_name().display());
                sample.add_ring(&std::fs::read_to_string(path).ok()?);
            }
        }
        Some(sample)
    }

    /// Counters of one ring, as far as the kernel tells them at this moment: it leaves them out
    /// while the ring is busy. They wrap at 32 bits.
    fn add_ring(&mut self, info: &str) {
        let value = |name: &str| -> Option<u32> {
            let line = info.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().parse().ok()
        };
        let heads = (value("SqHead:"), value("CqHead:"), value("CqTail:"));
        if let (Some(taken), Some(read), Some(completed)) = heads {
            self.ring_in_flight += taken.wrapping_sub(completed) as usize;
            self.ring_waiting += completed.wrapping_sub(read) as usize;
        }
        let overflow = info.lines().skip_while(|line| !line.starts_with("CqOverflowList:")).skip(1);
        self.ring_overflow += overflow.take_while(|line| line.starts_with(' ')).count();
    }
}

/// The largest of each.
fn largest(samples: &[Sample]) -> Sample {
    samples.iter().fold(Sample::default(), |most, one| Sample {
        descriptors: most.descriptors.max(one.descriptors),
        resident_kib: most.resident_kib.max(one.resident_kib),
        ring_in_flight: most.ring_in_flight.max(one.ring_in_flight),
        ring_waiting: most.ring_waiting.max(one.ring_waiting),
        ring_overflow: most.ring_overflow.max(one.ring_overflow),
    })
}

/// Samples until the run ends, those of the warm-up (a fifth of the requests) and those after.
fn watch(running: &mut Running, server: &Swarm) -> (Vec<Sample>, Vec<Sample>) {
    let (mut early, mut late) = (Vec::new(), Vec::new());
    let end = Instant::now() + HANG_BOUND;
    while running.is_running() {
        assert!(Instant::now() < end, "{} requests after {HANG_BOUND:?}", server.requests());
        if let Some(sample) = Sample::take(running) {
            let is_early = server.requests() as u64 * 5 < URLS;
            if is_early { &mut early } else { &mut late }.push(sample);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    (early, late)
}

/// Whatever leaks for each URL, or for each failure, would be thousands by the end.
fn assert_flat(early: &[Sample], late: &[Sample]) {
    assert!(early.len() >= 3 && late.len() >= 10, "{} and {} samples", early.len(), late.len());
    let (before, after) = (largest(early), largest(late));
    let told = format!("warm-up {before:?}\nafter it {after:?}");
    // A connection and a file for each job, what is kept idle, and what the program itself has.
    assert!(after.descriptors <= 3 * JOBS + 100, "{told}");
    assert!(after.descriptors <= before.descriptors + JOBS / 2, "{told}");
    assert!(after.resident_kib <= before.resident_kib + 16 * 1_024, "{told}");
    // A job has a send and a receive, or a connect and its timer, or writes.
    assert!(after.ring_in_flight <= 4 * JOBS, "{told}");
    assert!(after.ring_waiting <= 4 * JOBS, "{told}");
    assert_eq!(after.ring_overflow, 0, "{told}");
}

#[test]
fn a_hundred_thousand_urls_of_every_kind() {
    let server = serve();
    let port = server.port();
    let memory = Path::new("/dev/shm");
    let sandbox = if memory.is_dir() { Sandbox::within(memory) } else { Sandbox::new() };
    let jobs = JOBS.to_string();
    let pull = sandbox.pull().report("report.jsonl").args(["-x", "32", "-j", &jobs]);
    let pull = pull.args(["--resolve", &format!("*:{port}:127.0.0.1"), "--lookahead", "2000"]);
    let pull = pull.args(["--retry", "2", "--retry-delay", "20ms", "--read-timeout", "3s"]);
    let urls = (0..URLS).map(|number| url(number, number, "a", port));
    let mut running = pull.list(urls).spawn();
    let (early, late) = watch(&mut running, &server);
    let done = running.wait();
    assert_flat(&early, &late);

    let report = std::fs::read_to_string(sandbox.path("report.jsonl")).unwrap();
    let mut rows: HashMap<u64, Row> = HashMap::new();
    for line in report.lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        let number = row.index - 1;
        assert!(rows.insert(number, row).is_none(), "two rows of {number}");
    }
    assert_eq!(rows.len() as u64, URLS, "{}", done.stderr);
    let (mut files, mut wrong) = (0, String::new());
    for number in 0..URLS {
        let (kind, row) = (Kind::of(number), &rows[&number]);
        let code = kind.code(number);
        let told = row.error_code.as_deref();
        // A ring that waits for a whole body tells of a reset as of an end (io_uring's RECV with
        // MSG_WAITALL keeps the bytes and loses the error).
        let is_same =
            told == code || (code == Some("body.reset") && told == Some("body.truncated"));
        let is_right = is_same && (row.status == "ok") == code.is_none();
        // Once in a while a name that only looks taken is made longer (`plan::name`).
        let name = row.filename.as_ref().map_or_else(|| format!("a{number}"), name_of);
        assert!(name.starts_with(&format!("a{number}")), "{row:?}");
        let file = std::fs::read(sandbox.out().join(name)).ok();
        let is_whole = file.as_deref() == code.is_none().then(|| content(number));
        files += usize::from(code.is_none());
        if !is_right || !is_whole {
            writeln!(wrong, "{number} {kind:?}: {row:?}, {}", shown(file.as_deref())).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{}", done.stderr);
    assert_eq!(std::fs::read_dir(sandbox.out()).unwrap().count(), files, "nothing else is left");
    // The lowest of network, protocol and status.
    done.assert_code(4);
}

/// What a file is like, for a message.
fn shown(file: Option<&[u8]>) -> String {
    let Some(file) = file else { return "no file".to_owned() };
    format!("{} bytes: {}", file.len(), file[..file.len().min(60)].escape_ascii())
}

/// What of a row is looked at.
#[derive(Debug, serde::Deserialize)]
struct Row {
    index: u64,
    status: String,
    error_code: Option<String>,
    filename: Option<String>,
}

fn name_of(path: &String) -> String {
    Path::new(path).file_name().unwrap().to_string_lossy().into_owned()
}

/// Far more than a slow machine needs.
const HANG_BOUND: Duration = Duration::from_secs(600);
