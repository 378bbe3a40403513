//! Kernel events of one repetition: system calls by name, and what io_uring does, counted by perf
//! from the kernel's tracepoints.

use super::environment::{has_capability, read};
use crate::ring::child::{SYSCALLS, SYSCALLS_OLD};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// The words with which perf counts what a program does, up to that program.
pub(super) fn words(out: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["stat", "-x,", "-o"].map(OsString::from).into();
    words.push(out.into());
    words.extend(["-e", ALL_CALLS].map(OsString::from));
    // One tracepoint with many filters: each tracepoint more costs the start of perf a grace period
    // of the kernel, and there is one for every system call.
    for (_, number) in calls() {
        words.extend(["-e", ALL_CALLS, "--filter"].map(OsString::from));
        words.push(format!("id=={number}").into());
    }
    words.extend(OF_RING.iter().flat_map(|event| ["-e", *event]).map(OsString::from));
    words.push("--".into());
    words
}

/// The system calls that are told apart.
fn calls() -> impl Iterator<Item = (&'static str, i64)> {
    SYSCALLS.into_iter().chain(SYSCALLS_OLD)
}

/// What perf has counted, without what did not happen.
pub(super) fn parse(counted: &str) -> BTreeMap<String, u64> {
    let mut names = std::iter::once(ALL_CALLS.to_owned())
        .chain(calls().map(|(name, _)| format!("{ONE_CALL}{name}")));
    let mut counts = BTreeMap::new();
    for line in counted.lines() {
        let mut fields = line.split(',');
        let (Some(count), Some(event)) = (fields.next(), fields.nth(1)) else { continue };
        let name = if event == ALL_CALLS { names.next() } else { Some(event.to_owned()) };
        if let (Some(name), Ok(count @ 1..)) = (name, count.parse::<u64>()) {
            counts.insert(name, count);
        }
    }
    counts
}

/// Whether there are events to be had, by trying it.
///
/// # Errors
/// The sentence that says what is missing.
pub(super) fn check(program: &Path, out: &Path) -> Result<(), String> {
    let mut command = Command::new(PERF);
    command.args(words(out)).arg(program).arg("--version");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let told = match command.output() {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
        Err(error) => format!("{PERF}: {error}"),
    };
    let paranoid = read("/proc/sys/kernel/perf_event_paranoid");
    let why = obstacle(&told, &read("/proc/self/status"), &paranoid);
    Err(format!("system calls and ring events are not counted: {why}"))
}

/// What is in the way, from what perf says, the state of this process, and the sysctl.
fn obstacle(told: &str, status: &str, paranoid: &str) -> String {
    let has = |capability: u32| has_capability(status, capability);
    if told.contains("No such file or directory") && told.starts_with(PERF) {
        return "the program perf is not there (Debian: linux-perf)".to_owned();
    }
    if !has(CAP_PERFMON) && !has(CAP_SYS_ADMIN) {
        return format!(
            "this process lacks CAP_PERFMON (kernel.perf_event_paranoid is {paranoid}; tracepoints \
             of a user take -1, and tracefs that the user may read)"
        );
    }
    let last = told.lines().rev().find(|line| !line.trim().is_empty());
    format!("perf says: {}", last.unwrap_or("nothing").trim())
}

/// The program that counts.
pub(super) const PERF: &str = "perf";
/// The tracepoint of all system calls, and by this name their number.
pub(super) const ALL_CALLS: &str = "raw_syscalls:sys_enter";
/// What stands before the name of one system call.
pub(super) const ONE_CALL: &str = "syscalls:sys_enter_";
/// What the ring does: entries taken (by other names on older kernels), ended, and given to io-wq.
const OF_RING: [&str; 3] = [
    "io_uring:io_uring_submit_*",
    "io_uring:io_uring_complete",
    "io_uring:io_uring_queue_async_work",
];
/// Numbers of capabilities(7).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_understood() {
        let counted = "# started on Mon\n\n12,,raw_syscalls:sys_enter,1000,100.00,,\n\
                       0,,raw_syscalls:sys_enter,1000,100.00,,\n\
                       3,,raw_syscalls:sys_enter,1000,100.00,,\n\
                       <not counted>,,io_uring:io_uring_submit_req,0,0.00,,\n\
                       7,,io_uring:io_uring_complete,5,100.00,,\n";
        let counts = parse(counted);
        assert_eq!(counts.len(), 3, "{counts:?}");
        assert_eq!(counts[ALL_CALLS], 12);
        assert_eq!(counts[&format!("{ONE_CALL}{}", SYSCALLS[1].0)], 3);
        assert_eq!(counts["io_uring:io_uring_complete"], 7);
    }

    #[test]
    fn what_is_missing_is_named() {
        let absent = obstacle("perf: No such file or directory (os error 2)", "", "");
        assert!(absent.contains("linux-perf"), "{absent}");
        let plain = obstacle("Error:\nNo permission", "CapEff:\t0000000000000000\n", "2");
        assert!(plain.contains("CAP_PERFMON") && plain.contains("is 2"), "{plain}");
        let other = obstacle("bad event\nRun perf list\n\n", "CapEff:\t000001ffffffffff\n", "2");
        assert_eq!(other, "perf says: Run perf list");
    }
}
