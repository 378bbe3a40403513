//! `ringpull bench`: small matrices, what it writes, what it compares, and how it ends. What it
//! measures is not looked at.

use crate::cmd::{Sandbox, command, eventually};
use crate::disk::mount_namespace;
use crate::origin::serve;
use crate::sockets::RefusingPort;
use ringpull::bench::results::{CellResult, Environment, Protocol, Repetition, Results, SCHEMA};
use ringpull::ring::{child::Child, setup};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A place to run the bench in, which looks afterwards that nothing is left.
struct Lab {
    sandbox: Sandbox,
}

impl Lab {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("tmp")).unwrap();
        Self { sandbox }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// The bench, with temporary files where they can be counted, and both files of results.
    fn bench(&self, args: &[&str]) -> Command {
        let mut command = command(env!("CARGO_BIN_EXE_ringpull"));
        command.env("TMPDIR", self.path("tmp")).current_dir(self.path("tmp")).arg("bench");
        command.arg("--json").arg(self.path("r.json")).arg("--csv").arg(self.path("r.csv"));
        command.arg("--html").arg(self.path("r.html"));
        command.args(args);
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        told(&mut self.bench(args))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("r.json")).unwrap()).unwrap()
    }

    fn assert_nothing_left(&self) {
        for dir in ["tmp", "out"] {
            let left: Vec<_> = fs::read_dir(self.path(dir)).unwrap().collect();
            assert!(left.is_empty(), "{dir}: {left:?}");
        }
    }
}

/// Exit status, standard output and standard error of a program.
fn told(command: &mut Command) -> (Option<i32>, String, String) {
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

#[test]
fn a_small_matrix_is_measured_told_and_written() {
    let lab = Lab::new();
    let matrix = format!(
        "size=1k tls=off,TLS_CHACHA20_POLY1305_SHA256 conns=4 dest=discard,{}",
        lab.path("out").display()
    );
    let args = ["--matrix", &matrix, "--repeat", "2", "--files", "20"];
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(0), "{text}\n{said}");
    assert!(text.contains("too few repetitions for a verdict: 2"), "{text}");
    assert!(said.contains("4 cells, 2 rounds"), "{said}");
    lab.assert_nothing_left();

    let json = lab.json();
    assert_eq!((json["schema"].as_str(), json["schema_version"].as_u64()), (Some(SCHEMA), Some(1)));
    assert_eq!(json["end"], "complete");
    let environment = &json["environment"];
    assert_eq!(environment["kernel"].as_str(), Some(setup::kernel_release().as_str()));
    assert!(environment["file_systems"].as_object().unwrap().len() == 1, "{environment}");
    assert!(environment["argv"].as_array().unwrap().iter().any(|word| word == "--repeat"));
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    let mut repetitions = 0;
    for cell in cells {
        assert!(cell["error"].is_null(), "{cell}");
        for repetition in cell["repetitions"].as_array().unwrap() {
            repetitions += 1;
            let number = |key: &str| repetition[key].as_f64().unwrap();
            assert_eq!((number("files"), number("failures")), (20.0, 0.0));
            assert_eq!(number("bytes"), 20.0 * 1_024.0);
            assert!(number("wall_s") > 0.0 && number("user_s") + number("system_s") > 0.0);
            assert!(number("resident_peak_bytes") > 0.0 && number("faults_minor") > 0.0);
            assert!(number("latency_p50_s") <= number("latency_p9999_s"), "{repetition}");
            assert!(repetition["server_cpu_s"].is_number(), "{repetition}");
        }
        assert!(cell["summary"]["cpu_us_per_file"]["median"].as_f64().unwrap() > 0.0, "{cell}");
        // There are events, or a note says why there are none.
        let notes = json["notes"].to_string();
        assert_eq!(cell["events"].is_null(), notes.contains("are not counted"), "{notes}");
        if let Some(counts) = cell["events"]["counts"].as_object() {
            assert!(counts["raw_syscalls:sys_enter"].as_u64().unwrap() > 20, "{counts:?}");
        }
    }
    assert_eq!(repetitions, 8);
    let probed = &environment["ring"];
    assert_eq!(probed["refused"].is_null(), probed["operations"].to_string().contains("RECV"));
    let page = fs::read_to_string(lab.path("r.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<h2>Cells</h2>"), "{page}");
    let csv = fs::read_to_string(lab.path("r.csv")).unwrap();
    assert_eq!(csv.lines().count(), 9, "{csv}");
}

#[test]
fn what_is_refused_is_an_error_line_and_the_rest_goes_on() {
    let lab = Lab::new();
    let matrix = format!("file-ops=sync,frobnicate size=1k dest={}", lab.path("out").display());
    let args = ["--matrix", &matrix, "--repeat", "2", "--bytes", "5k", "-q"];
    let (code, text, said) = lab.run(&args);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{text}");
    assert!(text.contains("\nerror: file-ops=frobnicate size=1k"), "{text}");
    let json = lab.json();
    let count = |at: usize| json["cells"][at]["repetitions"].as_array().unwrap().len();
    assert_eq!((count(0), count(1)), (2, 0));
    assert_eq!(json["cells"][0]["repetitions"][0]["files"], 5);
    assert!(json["cells"][1]["error"].as_str().unwrap().contains("frobnicate"), "{json}");
    lab.assert_nothing_left();

    let matrix = "file-ops=frobnicate size=1k dest=discard,/tmp";
    let (code, text, _) = lab.run(&["--matrix", matrix, "--repeat", "2", "--cpus", "9999"]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
}

#[test]
fn parts_are_measured_beside_the_whole() {
    let lab = Lab::new();
    let out = lab.path("out");
    let matrix =
        format!("size=1500 conns=4 part=both,network,files,neither dest={}", out.display());
    let args = ["--matrix", &matrix, "--repeat", "2", "--files", "20"];
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(0), "{text}\n{said}");
    let json = lab.json();
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    for cell in cells {
        for repetition in cell["repetitions"].as_array().unwrap() {
            assert_eq!(repetition["files"], 20, "{cell}");
            assert_eq!(repetition["bytes"], 20 * 1_500, "{cell}");
        }
        let argv = cell["argv"].to_string();
        let (is_memory, has_files) =
            (argv.contains("--network=memory:1500"), argv.contains("\"-d\""));
        let expected = match cell["settings"][2][1].as_str().unwrap() {
            "both" => (false, true),
            "network" => (false, false),
            "files" => (true, true),
            _ => (true, false),
        };
        assert_eq!((is_memory, has_files), expected, "{cell}");
    }
    let parts = &json["parts"][0];
    assert_eq!(parts["name"], cells[0]["name"]);
    let median = |of: &str| parts[of]["median"].as_f64().unwrap();
    assert!(median("network") > 0.0 && median("files") > 0.0 && median("whole") > 0.0, "{parts}");
    assert!(text.contains("whole/sum"), "{text}");
    lab.assert_nothing_left();
}

#[test]
fn repetitions_end_with_their_time() {
    let lab = Lab::new();
    let matrix = format!("size=1k conns=4 dest=discard,{}", lab.path("out").display());
    let args = ["--matrix", &matrix, "--repeat", "2", "--time", "0.3"];
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(0), "{text}\n{said}");
    let json = lab.json();
    assert_eq!(json["protocol"]["time_s"], 0.3);
    for cell in json["cells"].as_array().unwrap() {
        for repetition in cell["repetitions"].as_array().unwrap() {
            let number = |key: &str| repetition[key].as_f64().unwrap();
            assert!(number("wall_s") >= 0.3 && number("files") > 0.0, "{cell}");
            assert_eq!(number("bytes"), number("files") * 1_024.0, "{cell}");
        }
        assert!(cell["argv"].to_string().contains("--max-duration=300ms"), "{cell}");
    }
    lab.assert_nothing_left();

    // A list that is over before its time says nothing of that time.
    let served = serve();
    let list = lab.path("list.txt");
    fs::write(&list, format!("{}\n", served.http("/bytes/100/x"))).unwrap();
    let matrix = "conns=2 dest=discard";
    let args = ["-i", list.to_str().unwrap(), "--matrix", matrix, "--repeat", "2", "--time", "9"];
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(1), "{text}\n{said}");
    assert!(text.contains("its list was over before the 9000 ms of --time"), "{text}");
    lab.assert_nothing_left();
}

#[test]
fn a_rate_is_measured_from_when_requests_are_due() {
    let lab = Lab::new();
    // One connection cannot answer 1,000 requests a second that take 20 ms each.
    let served = serve();
    let url = served.http("/delay/20/bytes/100/x");
    let args = ["--url", &url, "--matrix", "conns=1,64 dest=discard", "--repeat", "2"];
    let rate = ["--rate", "1000/s", "--files", "60"];
    let (code, text, said) = lab.run(&[&args[..], &rate].concat());
    assert_eq!(code, Some(0), "{text}\n{said}");
    let json = lab.json();
    assert_eq!(json["protocol"]["rate"], "1000/s");
    for cell in json["cells"].as_array().unwrap() {
        for repetition in cell["repetitions"].as_array().unwrap() {
            let number = |key: &str| repetition[key].as_f64().unwrap();
            assert!(number("due_p50_s") <= number("due_p9999_s"), "{repetition}");
            assert!(number("due_p9999_s") >= number("late_max_s"), "{repetition}");
            assert!(number("due_p50_s") >= 0.02, "{repetition}");
        }
    }
    // The last of 60 requests was due after 59 ms, and began after 59 * 20 ms.
    let late = json["cells"][0]["repetitions"][0]["late_max_s"].as_f64().unwrap();
    assert!(late >= 59.0 * 0.019, "{late}");
    assert!(text.contains("due99.99"), "{text}");
    lab.assert_nothing_left();
}

#[test]
fn servers_and_lists_of_the_user() {
    let served = serve();
    let lab = Lab::new();
    let url = served.http("/bytes/100/x");
    let matrix = "conns=2 dest=discard";
    let args = ["--url", &url, "--matrix", matrix, "--repeat", "2", "--files", "3"];
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(0), "{text}\n{said}");
    let json = lab.json();
    assert_eq!(json["cells"][0]["repetitions"][0]["bytes"], 300);
    assert!(json["cells"][0]["repetitions"][0]["server_cpu_s"].is_null());
    assert_eq!(json["protocol"]["source"], url);

    let list = lab.path("list.txt");
    fs::write(&list, format!("{url}\n{}\n", served.http("/bytes/200/y"))).unwrap();
    let matrix = format!("conns=2 dest={}", lab.path("out").display());
    let args = ["-i", list.to_str().unwrap(), "--matrix", &matrix, "--repeat", "2"];
    let args: Vec<&str> = args.into_iter().chain(["--", "-u", "me:hidden"]).collect();
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(0), "{text}\n{said}");
    assert_eq!(lab.json()["cells"][0]["repetitions"][0]["bytes"], 300);
    assert!(!lab.json().to_string().contains("hidden"), "{}", lab.json());
    lab.assert_nothing_left();

    let nobody = RefusingPort::new();
    let url = format!("http://127.0.0.1:{}/", nobody.port);
    let args = ["--url", &url, "--repeat", "2", "--files", "3", "--", "--retry", "0"];
    let (code, text, said) = lab.run(&args);
    assert_eq!(code, Some(4), "{text}\n{said}");
    assert_eq!(lab.json()["end"], "server_dead");
    assert!(text.contains("the server answers nothing"), "{text}");
    lab.assert_nothing_left();
}

/// Waits until a file holds a text.
fn wait_for(path: &Path, text: &str) {
    let holds = || fs::read_to_string(path).is_ok_and(|told| told.contains(text));
    assert!(eventually(holds), "{text}: {:?}", fs::read_to_string(path));
}

/// The processes that a process has started, by their numbers.
fn children(process: u32) -> Vec<i32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let numbers = fs::read_to_string(path).unwrap_or_default();
    numbers.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[test]
fn an_interrupt_and_a_dead_origin_end_it_with_what_was_measured() {
    for (is_interrupt, status, end) in [(true, 130, "interrupted"), (false, 4, "server_dead")] {
        let lab = Lab::new();
        let matrix = format!("size=1k conns=4 dest={}", lab.path("out").display());
        let args = ["--matrix", &matrix, "--repeat", "1000000", "--files", "5"];
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| lab.path(name));
        let mut bench = lab.bench(&args);
        bench.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let mut bench = bench.spawn().unwrap();
        wait_for(&stderr, "round 3 of");
        let victim = match is_interrupt {
            true => i32::try_from(bench.id()).unwrap(),
            // The first that it started, and the only one that is always there.
            false => children(bench.id())[0],
        };
        let signal = if is_interrupt { Signal::INT } else { Signal::KILL };
        kill_process(Pid::from_raw(victim).unwrap(), signal).unwrap();
        let code = bench.wait().unwrap().code();
        let text = fs::read_to_string(&stdout).unwrap();
        assert_eq!(code, Some(status), "{text}");
        let json = lab.json();
        assert_eq!(json["end"], end);
        assert!(json["cells"][0]["repetitions"].as_array().unwrap().len() >= 2, "{json}");
        assert!(text.contains("this is what was measured before"), "{text}");
        lab.assert_nothing_left();
    }
}

#[test]
fn a_full_disk_ends_it_with_what_was_measured() {
    let Some(how) = mount_namespace(["-rm", "-m"]) else { return };
    let lab = Lab::new();
    let out = lab.path("out");
    let matrix = format!("dest=discard,{} size=500k conns=2", out.display());
    let args = ["--matrix", &matrix, "--repeat", "2", "--files", "8"];
    let bench = lab.bench(&args);
    let script = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let mut outer = command("unshare");
    outer.args([how, "sh", "-c", script]).arg(&out).arg(bench.get_program()).args(bench.get_args());
    outer.env("TMPDIR", lab.path("tmp"));
    let (code, text, said) = told(&mut outer);
    assert_eq!(code, Some(3), "{text}\n{said}");
    assert_eq!(lab.json()["end"], "disk_full");
    assert!(text.contains("is full: this is what was measured before"), "{text}");
    lab.assert_nothing_left();
}

/// Results of one cell, of which seven repetitions took about so much CPU time a file.
fn results(micros: f64) -> Results {
    let repetition = |number: i32| Repetition {
        wall_s: 1.0,
        user_s: micros * 1e-3 * (1.0 + f64::from(number) / 1_000.0),
        files: 1_000,
        ..Repetition::default()
    };
    let cell = CellResult {
        name: "size=1k".to_owned(),
        cores: 1,
        repetitions: (0..7).map(repetition).collect(),
        ..CellResult::default()
    };
    Results::new(Environment::default(), Protocol::default(), vec![cell])
}

#[test]
fn results_are_compared() {
    let sandbox = Sandbox::new();
    let write = |name: &str, value: &Value| fs::write(sandbox.path(name), value.to_string());
    write("old", &serde_json::to_value(results(10.0)).unwrap()).unwrap();
    let mut slow = serde_json::to_value(results(12.0)).unwrap();
    slow["added_later"] = Value::from(1);
    write("slow", &slow).unwrap();
    slow["schema_version"] = Value::from(2);
    write("other", &slow).unwrap();
    fs::write(sandbox.path("broken"), "{").unwrap();
    let compare = |old: &str, new: &str| {
        let mut program = command(env!("CARGO_BIN_EXE_ringpull"));
        program.args(["bench", "--compare"]).args([sandbox.path(old), sandbox.path(new)]);
        told(&mut program)
    };
    let (code, text, _) = compare("old", "slow");
    assert_eq!(code, Some(10), "{text}");
    assert!(text.starts_with("size=1k: CPU per file 1.20 [") && text.contains("WORSE"), "{text}");
    assert!(text.ends_with("1 worse, 0 better, 0 without a difference\n"), "{text}");
    assert_eq!(compare("slow", "old").0, Some(0));
    assert_eq!(compare("old", "old").0, Some(0));
    for (new, words) in [("other", "version 2"), ("broken", "bench --json"), ("missing", "missing")]
    {
        let (code, text, said) = compare("old", new);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{said}");
        assert!(said.contains("cannot compare") && said.contains(words), "{said}");
    }
}

/// A shell that is measured.
fn shell(script: &str) -> Command {
    let mut shell = command("/bin/sh");
    shell.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    shell
}

#[test]
fn a_program_is_pinned_counted_and_ended() {
    let cpu = setup::current_cpu();
    let script = "grep Cpus_allowed_list /proc/self/status; i=0; \
                  while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3";
    let mut child = Child::start(shell(script), &[cpu]).unwrap();
    let mut told = String::new();
    child.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(told.split_whitespace().nth(1), Some(cpu.to_string().as_str()), "{told}");
    let ended = loop {
        if let Some(ended) = child.wait(Duration::from_secs(1)).unwrap() {
            break ended;
        }
    };
    assert_eq!(ended.status.code(), Some(3));
    let usage = ended.usage;
    assert!(usage.user + usage.system > Duration::ZERO, "{usage:?}");
    assert!(usage.faults_minor > 0 && usage.resident_peak_bytes > 0, "{usage:?}");
    assert_eq!(child.cpu_time(), None);
}

#[test]
fn a_program_is_ended_with_its_value() {
    let mut child = Child::start(shell("echo; sleep 1000"), &[setup::current_cpu()]).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    assert!(child.cpu_time().is_some());
    assert!(child.wait(Duration::ZERO).unwrap().is_none());
    drop(child);
    // Nobody has the other end any more, not even what it had started.
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
    assert!(Child::start(shell("true"), &[]).is_err(), "no CPU");
}
