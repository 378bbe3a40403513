//! A clean start for every program that a test runs: what the tests themselves inherited (ignored
//! signals of nohup, an environment of cron, a umask, a closed standard input) does not reach it.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

/// A program to be run, with an environment that is the same everywhere, in the directory of
/// temporary files, with an empty standard input. Tests start programs in no other way
/// (`tests/tidy.rs`).
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    settle();
    let mut command = Command::new(program);
    command.env_clear();
    command.envs([("HOME", "/nonexistent"), ("LC_ALL", "C.UTF-8"), ("TERM", "xterm")]);
    command.env("PATH", path()).env("TMPDIR", std::env::temp_dir());
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null());
    command
}

/// Does once what a process leaves to its children: signals, umask, limits. Servers of the tests
/// themselves need it as well.
pub(crate) fn settle() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        umask(Mode::from_raw_mode(0o022));
        let of_stack = getrlimit(Resource::Stack);
        for resource in [Resource::Nofile, Resource::Fsize, Resource::As, Resource::Data] {
            let Rlimit { maximum, .. } = getrlimit(resource);
            setrlimit(resource, Rlimit { current: maximum, maximum }).unwrap();
        }
        let current = of_stack.maximum.map_or(STACK_BYTES, |most| most.min(STACK_BYTES));
        setrlimit(Resource::Stack, Rlimit { current: Some(current), ..of_stack }).unwrap();
        let maximum = getrlimit(Resource::Core).maximum;
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }).unwrap();
        catch_ignored_signals();
    });
}

/// Has signals that are ignored do nothing in another way: an ignored one stays so in a program
/// that is started, but one that is caught has its default action there (execve(2)). Blocked
/// signals and SIGPIPE are what std sets right for every child.
fn catch_ignored_signals() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap() & !OF_GLIBC;
    let numbers = (1..=64).filter(|number| ignored & (1 << (number - 1)) != 0);
    for number in numbers.filter(|number| !signal_hook::consts::FORBIDDEN.contains(number)) {
        signal_hook::flag::register(number, Arc::new(AtomicBool::new(false))).unwrap();
    }
}

/// Where programs are looked for: first where whoever runs the tests has them. Debian keeps servers
/// where only the administrator's PATH looks, and cron's PATH is short.
fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push("/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    path
}

/// Signals 32 and 33, which are glibc's own: its posix_spawn(3) has every child ignore them.
const OF_GLIBC: u64 = 3 << 31;
/// The soft limit of the stack that Linux begins with.
const STACK_BYTES: u64 = 8 << 20;

#[test]
fn nothing_inherited_reaches_a_program() {
    const INNER: &str = "RINGPULL_TEST_INNER";
    if std::env::var_os(INNER).is_none() {
        // The same test in a process that was started badly.
        let script = format!(
            "set -e; trap '' HUP INT TERM USR1 CHLD PIPE; umask 077; ulimit -S -n 100; cd /proc
             export {INNER}=1 http_proxy=http://localhost LC_ALL=tr_TR RUST_LOG=trace
             unset HOME PATH; exec \"$0\" --exact {} --nocapture <&-",
            std::thread::current().name().unwrap()
        );
        let mut outer = command("sh");
        let told = outer.arg("-c").arg(script).arg(std::env::current_exe().unwrap()).output();
        let told = told.unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        assert!(String::from_utf8_lossy(&told.stdout).contains("1 passed"), "{told:?}");
        return;
    }
    let script = "cat /proc/self/status /proc/self/limits; env; pwd; readlink /proc/self/fd/0";
    let told = command("sh").args(["-c", script]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    assert_eq!(value("Umask:"), "0022");
    for mask in ["SigBlk:", "SigIgn:", "SigCgt:"] {
        assert_eq!(u64::from_str_radix(value(mask), 16).unwrap() & !OF_GLIBC, 0, "{mask}");
    }
    let limits: Vec<&str> = value("Max open files").split_whitespace().collect();
    assert_eq!(limits[0], limits[1], "the soft limit is the hard one");
    assert!(!told.contains("http_proxy") && !told.contains("tr_TR") && !told.contains("RUST_LOG"));
    assert_eq!(value("HOME="), "/nonexistent");
    let here = format!("{}\n/dev/null\n", std::env::temp_dir().display());
    assert!(told.ends_with(&here), "{told}");
}
