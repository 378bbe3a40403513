//! Runs the binary where one system call fails with an errno of the test's choice. A seccomp
//! filter, as containers have one, does it; Python installs it, for it is at hand and needs no
//! unsafe code here.

use crate::cmd::{Done, Pull, command, skip, skip_forbidden};

/// The same run without a system call. Its exit status is 99 where filters are not to be had.
pub(crate) fn without<'s>(call: i64, errno: i32, pull: Pull<'s>) -> Option<Pull<'s>> {
    if command("python3").arg("--version").output().is_err() {
        skip("python3 is missing");
        return None;
    }
    let (call, errno) = (call.to_string(), errno.to_string());
    Some(pull.under("python3", ["-c", FILTER, &call, &errno]))
}

/// Runs to the end without a system call; nothing where filters are not to be had.
pub(crate) fn run_without(call: i64, errno: i32, pull: Pull<'_>) -> Option<Done> {
    let done = without(call, errno, pull)?.run();
    if done.code() == 99 {
        skip_forbidden("seccomp filters are not to be had here");
        return None;
    }
    Some(done)
}

/// Arguments: number of the call, errno, program, its arguments. Exit status 99 says that filters
/// are not to be had.
const FILTER: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
filters = (op(0x20, 0, 0, 0)                    # load the system call's number
    + op(0x15, 0, 1, int(sys.argv[1]))            # is it this one?
    + op(0x06, 0, 0, 0x00050000 | int(sys.argv[2]))  # then fail with this errno
    + op(0x06, 0, 0, 0x7fff0000))               # else allow
buffer = ctypes.create_string_buffer(filters)
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(filters) // 8, ctypes.addressof(buffer))
if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0):
    sys.exit(99)
os.execv(sys.argv[3], sys.argv[3:])
"#;
