//! Where the kernel has no io_uring for us, the program says which reason it is and what to do. A
//! seccomp filter, as containers have one, makes io_uring_setup fail; Python installs it, for it is
//! at hand and needs no unsafe code here.

use crate::cmd::{Done, Sandbox, skip};
use crate::rude::{Plan, ok};
use std::process::Command;

/// Arguments: errno, program, its arguments. Exit status 99 says that filters are not to be had.
const FILTER: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # the same number on every architecture
def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
filters = (op(0x20, 0, 0, 0)                    # load the system call's number
    + op(0x15, 0, 1, IO_URING_SETUP)            # is it io_uring_setup?
    + op(0x06, 0, 0, 0x00050000 | int(sys.argv[1]))  # then fail with this errno
    + op(0x06, 0, 0, 0x7fff0000))               # else allow
buffer = ctypes.create_string_buffer(filters)
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(filters) // 8, ctypes.addressof(buffer))
if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0):
    sys.exit(99)
os.execv(sys.argv[2], sys.argv[2:])
"#;

const EPERM: &str = "1";
const ENOSYS: &str = "38";

fn run_without(errno: &str) -> Option<Done> {
    let is_there = Command::new("python3").arg("--version").output().is_ok();
    if !is_there {
        skip("python3 is missing");
        return None;
    }
    let server = Plan::new().otherwise(ok(b"x")).start();
    let sandbox = Sandbox::new();
    let pull = sandbox.pull().args([server.url("/a")]);
    let done = pull.under("python3", ["-c", FILTER, errno]).run();
    if done.code() == 99 {
        skip("seccomp filters are not to be had here");
        return None;
    }
    assert_eq!(server.log(), Vec::<String>::new());
    Some(done)
}

#[test]
fn a_kernel_without_it_is_told_from_a_container_that_forbids_it() {
    let Some(absent) = run_without(ENOSYS) else { return };
    let Some(forbidden) = run_without(EPERM) else { return };
    for done in [&absent, &forbidden] {
        assert_ne!(done.code(), 0);
        assert!(done.stderr.contains("io_uring"), "{}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
    let told = forbidden.stderr.to_lowercase();
    assert!(told.contains("seccomp") || told.contains("container"), "{told}");
    assert_ne!(absent.stderr, forbidden.stderr, "each reason has its own text");
}
