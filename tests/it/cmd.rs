//! Runs the binary in a temporary directory of its own and reads what it left behind.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[path = "start.rs"]
mod start;

pub(crate) use start::{command, settle};

/// A temporary directory: `out/` takes the files, everything else lies beside it.
pub(crate) struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// As [`Sandbox::new`], within this directory.
    pub(crate) fn within(dir: &Path) -> Self {
        settle();
        let root = tempfile::Builder::new().prefix("ringpull-it-").tempdir_in(dir).unwrap();
        std::fs::create_dir(root.path().join("out")).unwrap();
        Self { root }
    }

    /// A path beside `out/`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The directory that takes the files.
    pub(crate) fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// The binary, with `-d out` and a report, and nothing to do yet.
    pub(crate) fn pull(&self) -> Pull<'_> {
        self.pull_into(&self.out())
    }

    /// As [`Sandbox::pull`], with another directory for the files.
    pub(crate) fn pull_into(&self, dir: &Path) -> Pull<'_> {
        let mut command = command(env!("CARGO_BIN_EXE_ringpull"));
        command.arg("-d").arg(dir).current_dir(self.root.path()).env("HOME", self.root.path());
        Pull { sandbox: self, command, report: self.path("report.csv"), is_again: false }
    }

    /// Files in `out/` by name, temporaries left out, with their content.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let names = self.names().into_iter().filter(|name| !is_temporary(name));
        names.map(|name| (name.clone(), std::fs::read(self.out().join(name)).unwrap())).collect()
    }

    /// Names of temporaries left in `out/`.
    pub(crate) fn temporaries(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| is_temporary(name)).collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.out()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// One run being put together.
pub(crate) struct Pull<'a> {
    sandbox: &'a Sandbox,
    command: Command,
    report: PathBuf,
    is_again: bool,
}

impl Pull<'_> {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives the lines as a list file.
    pub(crate) fn list<S: AsRef<str>>(self, lines: impl IntoIterator<Item = S>) -> Self {
        let path = self.sandbox.path("list.txt");
        let mut file = std::io::BufWriter::new(File::create(&path).unwrap());
        for line in lines {
            writeln!(file, "{}", line.as_ref()).unwrap();
        }
        file.flush().unwrap();
        self.arg("-i").arg(path)
    }

    /// Another report file than `report.csv`; it is not read by [`Pull::run`] unless it is CSV.
    pub(crate) fn report(mut self, name: &str) -> Self {
        self.report = self.sandbox.path(name);
        self
    }

    /// Standard output as the report.
    pub(crate) fn report_to_stdout(mut self) -> Self {
        self.report = PathBuf::from("-");
        self
    }

    /// Continues the report of an earlier run. Without this it is begun anew.
    pub(crate) fn again(mut self) -> Self {
        self.is_again = true;
        self
    }

    /// Runs the same arguments under another program, the binary's path first among them.
    pub(crate) fn under<S: AsRef<OsStr>>(
        mut self,
        program: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        let mut outer = command(program);
        outer.args(args).arg(self.command.get_program()).args(self.command.get_args());
        outer.current_dir(self.sandbox.root.path());
        outer.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = outer;
        self
    }

    /// Runs to the end.
    pub(crate) fn run(self) -> Done {
        self.spawn().wait()
    }

    /// Starts it; standard input is a pipe.
    pub(crate) fn spawn(self) -> Running {
        // A file takes any amount without a reader.
        let out = File::create(self.sandbox.path("stdout")).unwrap();
        self.spawn_into(out)
    }

    /// As [`Pull::spawn`], with another standard output, which [`Done`] does not tell of.
    pub(crate) fn spawn_into(mut self, stdout: impl Into<Stdio>) -> Running {
        let (out, err) = (self.sandbox.path("stdout"), self.sandbox.path("stderr"));
        self.command.arg("--report").arg(&self.report);
        if !self.is_again {
            self.command.arg("--fresh");
        }
        if !self.asks_for_its_own() {
            for (option, variable) in [("--backend", BACKEND), ("--recv-mode", RECV_MODE)] {
                self.command.args(
                    std::env::var_os(variable)
                        .map(|value| [option.into(), value])
                        .into_iter()
                        .flatten(),
                );
            }
        }
        if let Some(depth) = std::env::var_os(PIPELINE).filter(|_| self.may_be_pipelined()) {
            self.command.arg("--pipeline").arg(depth).args(["--pipeline-after", "1"]);
        }
        self.command.stdin(Stdio::piped()).stdout(stdout).stderr(File::create(&err).unwrap());
        let mut child = self.command.spawn().unwrap();
        let stdin = child.stdin.take();
        Running { child, stdin, out, err, report: self.report }
    }
}

impl Pull<'_> {
    /// Whether the arguments leave room for requests that are sent ahead.
    fn may_be_pipelined(&self) -> bool {
        let others = ["--pipeline", "--compressed", "-N", "--timestamping", "--tpslimit"];
        let rates = ["--rate", "--limit-rate", "--max-download-limit"];
        let is_against = |arg: &OsStr| {
            let arg = arg.to_string_lossy();
            others.contains(&&*arg) || rates.iter().any(|rate| arg.starts_with(rate))
        };
        !self.command.get_args().any(is_against)
    }

    /// Whether the arguments are about a backend, or need one that has a ring.
    fn asks_for_its_own(&self) -> bool {
        let args: Vec<_> = self.command.get_args().collect();
        let rings = [["--file-ops", "ring"], ["--file-ops", "chain"], ["--write-mode", "ring"]];
        args.contains(&OsStr::new("--backend"))
            || args.windows(2).any(|pair| rings.iter().any(|ring| pair == ring))
    }
}

/// Environment variable of the tests: the backend that all runs have which do not ask for one.
const BACKEND: &str = "RINGPULL_TEST_BACKEND";
/// Environment variable of the tests: how those runs receive.
const RECV_MODE: &str = "RINGPULL_TEST_RECV_MODE";

/// Whether the tests have requests sent ahead.
pub(crate) fn is_pipelined() -> bool {
    std::env::var_os(PIPELINE).is_some()
}

/// Environment variable of the tests: how many requests go out on a connection at a time, in all
/// runs that do not ask for what forbids it.
const PIPELINE: &str = "RINGPULL_TEST_PIPELINE";

/// One run under way. It is killed when the test drops it.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    out: PathBuf,
    err: PathBuf,
    report: PathBuf,
}

impl Running {
    /// Sends lines to standard input.
    pub(crate) fn feed<S: AsRef<str>>(&mut self, lines: impl IntoIterator<Item = S>) {
        let text: String = lines.into_iter().map(|line| format!("{}\n", line.as_ref())).collect();
        self.feed_bytes(text.as_bytes());
    }

    /// Sends bytes to standard input.
    pub(crate) fn feed_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("standard input was not closed");
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends lines to standard input, as long as it reads.
    pub(crate) fn feed_what_it_takes(&mut self, lines: impl IntoIterator<Item = String>) {
        let stdin = self.stdin.as_mut().expect("standard input was not closed");
        lines.into_iter().try_for_each(|line| writeln!(stdin, "{line}")).unwrap_or_default();
    }

    /// Ends standard input.
    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        // An error says that it has ended, which the next wait finds out.
        let _ =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal);
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.err).unwrap()).into_owned()
    }

    /// Open file descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.id());
        std::fs::read_dir(path).map_or(0, Iterator::count)
    }

    /// Rings that the process has.
    pub(crate) fn rings(&self) -> usize {
        let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", self.id())) else { return 0 };
        let targets = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.as_os_str() == "anon_inode:[io_uring]").count()
    }

    /// The command line as everybody can read it, each word with a zero byte behind it.
    pub(crate) fn command_line(&self) -> String {
        let words = std::fs::read(format!("/proc/{}/cmdline", self.child.id())).unwrap();
        String::from_utf8(words).unwrap()
    }

    /// Lets the process open no descriptor from this number on; what is open stays so.
    pub(crate) fn limit_descriptors(&self, current: u64) {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(current), maximum };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Lets the process have so many bytes of address space more than it has now.
    pub(crate) fn limit_memory(&self, more: u64) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kib: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
        let limit = Some(kib * 1_024 + more);
        let limit = Rlimit { current: limit, maximum: limit };
        prlimit(Some(Pid::from_child(&self.child)), Resource::As, limit).unwrap();
    }

    /// The process, for a look at what the kernel tells of it.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end, standard input closed; a run that does not end is killed and fails the
    /// test, and so does one that told of a panic.
    pub(crate) fn wait(self) -> Done {
        let done = self.wait_for_any_end();
        // A panic in one attempt is only that job's failure, so a test may not see it otherwise.
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        done
    }

    /// As [`Running::wait`], of a run that is made to panic.
    pub(crate) fn wait_for_any_end(mut self) -> Done {
        self.end_input();
        let mut status = None;
        let is_over = eventually(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        // Not there when standard output went elsewhere.
        let stdout = std::fs::read(&self.out).unwrap_or_default();
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        let stderr = self.stderr();
        assert!(is_over, "did not end\nstdout:\n{stdout}\nstderr:\n{stderr}");
        let is_csv = self.report.extension().is_some_and(|suffix| suffix == "csv");
        let rows = if is_csv { rows(&self.report) } else { Vec::new() };
        Done { status: status.unwrap(), stdout, stderr, rows }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One row of a report, by column name.
pub(crate) type Row = HashMap<String, String>;

/// What a run left.
pub(crate) struct Done {
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Rows of a CSV report, in the order of the file.
    pub(crate) rows: Vec<Row>,
}

impl Done {
    /// The exit status; fails the test when a signal ended the process.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{}\n{}", self.status, self.stderr))
    }

    /// The only row of a URL.
    pub(crate) fn row(&self, url: &str) -> &Row {
        let found: Vec<&Row> = self.rows.iter().filter(|row| row["url"] == url).collect();
        assert_eq!(found.len(), 1, "rows of {url}\n{:#?}\n{}", self.rows, self.stderr);
        found[0]
    }

    /// The error code of the only row of a URL.
    pub(crate) fn fault(&self, url: &str) -> &str {
        &self.row(url)["error_code"]
    }

    /// Everything went well, with so many rows.
    pub(crate) fn assert_ok(&self, rows: usize) {
        let bad: Vec<&Row> = self.rows.iter().filter(|row| row["status"] != "ok").take(3).collect();
        assert!(bad.is_empty(), "not ok: {bad:#?}\n{}", self.stderr);
        assert_eq!(self.rows.len(), rows, "rows\n{}", self.stderr);
        assert_eq!(self.code(), 0, "{}", self.stderr);
    }

    /// The exit status is this.
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(self.code(), code, "exit status\n{:#?}\n{}", self.rows, self.stderr);
    }
}

/// Whether a name is that of a file not yet complete.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(".ringpull-")
}

/// Polls until it is so. The bound is only there so that nothing hangs: no test passes by reaching
/// it.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + HANG_BOUND;
    while Instant::now() < end {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// Does this with each item, a few at a time: for what waits more than it works.
pub(crate) fn at_once<T: Send>(items: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let (work, mut items) = (&work, items.into_iter().peekable());
    while items.peek().is_some() {
        std::thread::scope(|scope| {
            for item in items.by_ref().take(AT_ONCE) {
                scope.spawn(move || work(item));
            }
        });
    }
}

/// Says on standard error why a test does not test, or fails it where skipping is not allowed: a
/// program is missing, which `scripts/test` installs.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("RINGPULL_TEST_NO_SKIP").is_none_or(|set| set != "1"), "{reason}");
    skip_forbidden(reason);
}

/// Says so where the kernel or a container forbids what a test needs. Nobody can install that, so
/// it is never a failure.
pub(crate) fn skip_forbidden(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("test");
    writeln!(std::io::stderr().lock(), "skipped {name}: {reason}").unwrap();
}

fn rows(path: &Path) -> Vec<Row> {
    let Ok(mut reader) = csv::Reader::from_path(path) else { return Vec::new() };
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    // URLs are bytes of the list.
    let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
    let row =
        |record: csv::ByteRecord| names.iter().cloned().zip(record.iter().map(text)).collect();
    reader.byte_records().map(|record| row(record.unwrap())).collect()
}

/// Items that [`at_once`] works on at a time.
const AT_ONCE: usize = 4;
/// No run of the suite needs a tenth of it.
const HANG_BOUND: Duration = Duration::from_secs(60);

#[test]
fn the_harness_tells_files_from_temporaries() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.out().join("a.bin"), b"abc").unwrap();
    std::fs::write(sandbox.out().join(".ringpull-1"), b"x").unwrap();
    assert_eq!(sandbox.files(), BTreeMap::from([("a.bin".to_owned(), b"abc".to_vec())]));
    assert_eq!(sandbox.temporaries(), [".ringpull-1"]);
}

#[test]
fn the_harness_reads_rows_and_exit_status() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("report.csv"), "url,status\nhttp://a/,ok\n\"b,\",failed\n")
        .unwrap();
    let mut pull = sandbox.pull();
    pull.command = command("sh");
    pull.command.args(["-c", "cat; echo oops >&2; exit 7", "sh"]);
    let mut running = pull.spawn();
    assert!(running.is_running());
    assert!(running.descriptors() >= 3);
    running.feed(["one", "two"]);
    let done = running.wait();
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("one\ntwo\n", "oops\n"));
    assert_eq!(done.code(), 7);
    assert_eq!(done.row("b,")["status"], "failed");
}

#[test]
#[should_panic(expected = "thread 'core-0' panicked")]
fn the_harness_does_not_overlook_a_panic() {
    let sandbox = Sandbox::new();
    let mut pull = sandbox.pull();
    pull.command = command("sh");
    pull.command.args(["-c", "echo \"thread 'core-0' panicked at core.rs\" >&2", "sh"]);
    pull.run();
}
