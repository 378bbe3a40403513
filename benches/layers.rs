//! Cost of the pure layers for one file, each by itself: the line of a list, its URL and name, the
//! schedule, the head of a response, the row.
//!
//! By criterion as a time. By `layers count WORK TIMES`, which does the work so many times and
//! nothing else, as a number of instructions that does not depend on the machine's mood:
//! `scripts/bench-counts instructions` runs that under callgrind.

use criterion::Criterion;
use ringpull::http::{Exchange, Step};
use ringpull::plan::job::Lines;
use ringpull::plan::name::from_target;
use ringpull::plan::schedule::{After, Assignment, HostSignal, Limits, Place, Schedule};
use ringpull::plan::target::Target;
use ringpull::report::{Row, RowEncoder, RowFormat, Status};
use std::hint::black_box;
use std::time::{Duration, SystemTime};

/// A work, made ready to be done again and again.
type Work = Box<dyn FnMut()>;

/// Makes a work ready.
type Ready = fn() -> Work;

/// All works by their names.
const WORKS: [(&str, Ready); 6] = [
    ("line", line),
    ("url", url),
    ("name", name),
    ("schedule", schedule),
    ("head", head),
    ("row", row),
];

const URL: &str = "https://images.example.com/photos/2024/11/IMG_20241130_142301.jpg?size=large";

/// A head as nginx sends it for a static image.
const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.26.3\r\n\
    Date: Fri, 31 Dec 1999 23:59:59 GMT\r\n\
    Content-Type: image/jpeg\r\n\
    Content-Length: 50000\r\n\
    Last-Modified: Fri, 31 Dec 1999 00:00:00 GMT\r\n\
    Connection: keep-alive\r\n\
    ETag: \"6749a1c2-c350\"\r\n\
    Accept-Ranges: bytes\r\n\r\n";

fn line() -> Work {
    let mut lines = Lines::new(0);
    Box::new(move || {
        // An entry is given when the next one begins.
        black_box(lines.line(black_box(URL.as_bytes())));
    })
}

fn url() -> Work {
    Box::new(|| assert!(black_box(Target::parse(black_box(URL))).is_ok()))
}

fn name() -> Work {
    let target = Target::parse(URL).expect("it is a URL");
    Box::new(move || {
        black_box(from_target(black_box(&target)));
    })
}

/// The way of one job through the schedule of one host.
fn schedule() -> Work {
    let limits = Limits { per_host_first: 8, per_host_max: 8, ..Limits::default() };
    let mut schedule = Schedule::new(limits);
    let place = Place { origin: "https://images.example.com", host: "images.example.com" };
    let mut now_ms = 0;
    Box::new(move || {
        now_ms += 1;
        // There is one core, which needs no waking.
        let _ = black_box(schedule.push(place, 7_u64));
        let Assignment::Job(grant) = schedule.take(0, now_ms).assignment else {
            panic!("there is a job, and room for it");
        };
        let good = HostSignal::Good { starttransfer_ms: 1, opening_ms: 0 };
        let _ = black_box(schedule.observe(grant.origin, grant.round, good, now_ms));
        let _ = black_box(schedule.release(0, grant.origin, After::Kept));
    })
}

fn head() -> Work {
    let mut input = HEAD.as_bytes().to_vec();
    Box::new(move || {
        let step = Exchange::new().receive(black_box(&mut input));
        assert!(matches!(black_box(step), Ok(Step::Head { .. })));
    })
}

fn row() -> Work {
    let mut encoder = RowEncoder::new(RowFormat::Csv);
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_763_628_345_067);
    let row = Row {
        status: Status::Ok,
        response_code: 200,
        filename: Some("images/IMG_20241130_142301.jpg".to_owned()),
        size_download: 50_000,
        size_file: Some(50_000),
        content_type: Some("image/jpeg".into()),
        etag: Some("\"6749a1c2-c350\"".into()),
        num_parts: 1,
        ..Row::new(1, URL.into(), at)
    };
    let mut bytes = Vec::new();
    Box::new(move || {
        bytes.clear();
        encoder.encode(black_box(&row), &mut bytes);
        black_box(&bytes);
    })
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["count", wanted, times] => count(wanted, times),
        _ => {
            let mut criterion = Criterion::default().configure_from_args();
            for (name, ready) in WORKS {
                let mut work = ready();
                criterion.bench_function(name, |bencher| bencher.iter(&mut work));
            }
            criterion.final_summary();
        }
    }
}

/// Does a work so many times.
fn count(wanted: &str, times: &str) {
    let names = WORKS.map(|(name, _)| name).join(", ");
    let (_, ready) = WORKS
        .into_iter()
        .find(|(name, _)| *name == wanted)
        .unwrap_or_else(|| panic!("no work {wanted}; there are {names}"));
    let times: u64 = times.parse().unwrap_or_else(|_| panic!("{times} is no number of times"));
    let mut work = ready();
    (0..times).for_each(|_| work());
}
