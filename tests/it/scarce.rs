//! Descriptors that run out slow a run down and fail nothing, as long as there are some; and rings
//! fit the memory that may be locked.

use crate::cmd::{Sandbox, eventually};
use crate::nameserver::{Answer, NameServer};
use crate::origin::serve;
use crate::rude::{Plan, Verb, ok};
use std::net::Ipv4Addr;

/// Says that fewer jobs are in flight.
const WARNING: &str = "short of";

/// How the names of hosts become addresses.
#[derive(Clone, Copy, Debug)]
enum Names {
    Given,
    LookedUp,
}

#[test]
fn jobs_that_lack_descriptors_wait_for_those_that_hold_them() {
    [Names::Given, Names::LookedUp].into_iter().for_each(run_short_of_descriptors);
}

fn run_short_of_descriptors(how: Names) {
    let held = vec![Verb::Gate, ok(b"held").remove(0)];
    let mut plan = Plan::new().otherwise(ok(b"body"));
    for n in 0..HELD {
        plan = plan.on(&format!("/held{n}"), [held.clone()]);
    }
    let server = plan.start();
    let sandbox = Sandbox::new();
    let over = format!("*:{}:127.0.0.1", server.port());
    // Look-ups lack sockets as well.
    let hosts: Vec<String> = (0..QUICK).map(|n| format!("h{n}.example")).collect();
    let here = || Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]);
    let names = NameServer::start(hosts.iter().map(|host| (host.as_str(), here())));
    let way = match how {
        Names::Given => ["--resolve".to_owned(), over],
        Names::LookedUp => ["--dns-servers".to_owned(), names.addr().to_string()],
    };
    let pull =
        sandbox.pull().args(["-i", "-", "-j", "200", "-x", "100", "--retry", "0"]).args(&way);
    // Its rings tell when a core has begun.
    let pull = pull.args(["--threads", "2", "--read-timeout", "10m", "--backend", "uring"]);
    let mut running = pull.spawn();
    let held = |n: usize| server.url(&format!("/held{n}"));
    let quick = |n: usize| server.url_at(&hosts[n], &format!("/q{n}"));
    running.feed((0..HELD).map(held));
    // A core that begins late needs some for its rings, of which it has two.
    let has_begun = || server.log().len() == HELD && running.rings() == 4;
    assert!(eventually(has_begun), "{}", running.stderr());
    // A little room is left: for three or four jobs.
    running.limit_descriptors(running.descriptors() as u64 + 8);
    running.feed((0..QUICK).map(quick));
    running.end_input();
    let is_told = eventually(|| running.stderr().contains(WARNING));
    let asked = || server.log().len() >= HELD + QUICK / 2;
    assert!(is_told && eventually(asked), "{} asked\n{}", server.log().len(), running.stderr());
    server.open_gate();
    let done = running.wait();
    done.assert_ok(HELD + QUICK);
    let again: Vec<_> = done.rows.iter().filter(|row| row["num_retries"] != "0").collect();
    assert!(again.is_empty(), "waiting is no attempt: {again:#?}");
    assert_eq!(done.stderr.matches(WARNING).count(), 1);
    assert_eq!(sandbox.files().len(), HELD + QUICK);
}

/// Jobs that hold their descriptors until the test lets them go.
const HELD: usize = 30;
/// Jobs that want some meanwhile.
const QUICK: usize = 300;

#[test]
fn descriptors_that_never_come_back_fail_every_job_soon() {
    let held = vec![Verb::Gate, ok(b"held").remove(0)];
    let server = Plan::new().on("/held", [held]).otherwise(ok(b"body")).start();
    let sandbox = Sandbox::new();
    // One thread: another one may begin late, and needs descriptors for its ring.
    let args = ["-i", "-", "--retry", "2", "--retry-delay", "20ms", "--threads", "1"];
    let mut running = sandbox.pull().args(args).spawn();
    running.feed([server.url("/held")]);
    assert!(eventually(|| server.log().len() == 1), "{}", running.stderr());
    // Everything that is open stays open, and nothing more can be opened: no socket, no file.
    running.limit_descriptors(0);
    let urls: Vec<String> =
        (0..100).map(|n| server.url(&format!("/q{n}")).replace("127.0.0.1", "127.1.1.1")).collect();
    running.feed(&urls);
    running.end_input();
    assert!(eventually(|| running.stderr().contains(WARNING)), "{}", running.stderr());
    server.open_gate();
    let done = running.wait();
    assert_eq!(done.rows.len(), 101, "{}", done.stderr);
    for url in urls.iter().chain([&server.url("/held")]) {
        assert_eq!(done.fault(url), "run.resources", "{:#?}", done.row(url));
    }
    let row = done.row(&urls[0]);
    assert_eq!((row["num_retries"].as_str(), row["num_connects"].as_str()), ("2", "0"));
    assert!(row["error_message"].contains("file descriptors"), "{row:#?}");
    done.assert_code(3);
    assert!(sandbox.files().is_empty() && sandbox.temporaries().is_empty());
}

#[test]
fn folders_that_are_kept_open_never_take_the_last_descriptor() {
    let served = serve();
    let urls: Vec<String> = (0..300)
        .map(|n| served.http(&format!("/bytes/{}/f{n}", if n % 50 == 0 { 300_000 } else { n })))
        .collect();
    for (limit, how, fsync) in [
        (30, "hash:2/2", "none"),
        (40, "hash:1/1/1", "dir"),
        (64, "seq:1", "none"),
        (200, "seq:2", "dir"),
    ] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(["--retry", "0", "--dirs", how, "--fsync", fsync]);
        let limited = format!(r#"ulimit -n {limit}; exec "$@""#);
        let done = pull.list(&urls).under("sh", ["-c", &limited, "sh"]).run();
        done.assert_ok(urls.len());
        let filenames = done.rows.iter().map(|row| &row["filename"]);
        assert!(filenames.clone().all(|path| std::path::Path::new(path).is_file()), "{how}");
    }
}

#[test]
fn low_limits_from_the_start_do_for_many_slow_hosts() {
    let served = serve();
    let hosts: Vec<String> = (0..60).map(|n| format!("h{n}.example")).collect();
    let answers = hosts
        .iter()
        .map(|host| (host.as_str(), Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()])));
    let names = NameServer::start(answers);
    let url =
        |host: &String| format!("http://{host}:{}/delay/5/bytes/300000/{host}", served.port());
    for limit in [64, 40, 30] {
        let sandbox = Sandbox::new();
        let pull =
            sandbox.pull().args(["--retry", "0", "--dns-servers", &names.addr().to_string()]);
        let pull = pull.list(hosts.iter().map(url));
        let limited = format!(r#"ulimit -n {limit}; exec "$@""#);
        let done = pull.under("sh", ["-c", &limited, "sh"]).run();
        done.assert_ok(hosts.len());
        assert_eq!(sandbox.files().len(), hosts.len());
    }
}

#[test]
fn too_few_descriptors_are_refused_before_anything_is_touched() {
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().arg("http://a.invalid/x");
    let done = pull.under("sh", ["-c", r#"ulimit -n 29; exec "$@""#, "sh"]).run();
    done.assert_code(3);
    assert!(done.stderr.contains("ulimit -n 30"), "{}", done.stderr);
    assert!(sandbox.files().is_empty() && done.rows.is_empty());
}

#[test]
fn sixty_four_descriptors_do_for_a_dozen_jobs() {
    let held = vec![Verb::Gate, ok(b"held").remove(0)];
    let server = Plan::new().otherwise(held).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["-x", "100", "--retry", "0", "-q"]);
    let pull = pull.list((0..60).map(|n| server.url(&format!("/{n}"))));
    let limited = r#"ulimit -n 64; exec "$@""#;
    let running = pull.under("sh", ["-c", limited, "sh"]).spawn();
    assert!(eventually(|| server.log().len() == 12), "{}", running.stderr());
    server.open_gate();
    let done = running.wait();
    done.assert_ok(60);
    // That is less than half of the default.
    assert!(done.stderr.contains("64 open files allow 12 jobs in flight, not 256"));
    assert!(!done.stderr.contains(WARNING), "{}", done.stderr);
}

#[test]
fn a_small_cut_is_no_news_for_who_wants_it_quiet() {
    let served = serve();
    for (args, is_told) in [
        (&["-q", "-j", "20"][..], false),
        (&["-j", "20"], true),
        (&["-q", "-j", "25"], true),
        (&["-q", "-j", "25", "--progress", "json"], false),
        (&["-j", "12"], false),
    ] {
        let sandbox = Sandbox::new();
        let pull = sandbox.pull().args(args).arg(served.http("/bytes/10"));
        let done = pull.under("sh", ["-c", r#"ulimit -n 64; exec "$@""#, "sh"]).run();
        done.assert_ok(1);
        assert_eq!(done.stderr.contains("open files allow 12"), is_told, "{args:?}");
    }
}

#[test]
fn rings_fit_the_memory_that_a_user_may_lock() {
    // A ring of the usual 1,024 entries would take more (Linux 6.14 and later).
    let limited = r#"ulimit -l 96; exec "$@""#;
    let served = serve();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args(["--threads", "1", "-j", "32"]);
    let pull = pull.list((0..100).map(|n| served.http(&format!("/bytes/{n}/{n}"))));
    // Root may lock what it likes, unless this right is taken away.
    let pull = match rustix::process::geteuid().is_root() {
        true => pull.under("setpriv", ["--bounding-set=-ipc_lock"]),
        false => pull,
    };
    pull.under("sh", ["-c", limited, "sh"]).run().assert_ok(100);
}
