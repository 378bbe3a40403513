//! Runs Python with the libraries that `scripts/test` installs beside the builds: other readers and
//! writers of what the program writes and reads.

use crate::cmd::{command, skip};
use std::ffi::OsStr;
use std::path::PathBuf;

/// Runs a script with these arguments: what it prints. `None`, and the test is skipped, where there
/// is no such Python; its scripts may use the modules that `scripts/test` names.
pub(crate) fn python<S: AsRef<OsStr>>(
    script: &str,
    args: impl IntoIterator<Item = S>,
) -> Option<String> {
    let python = python_path()?;
    let output = command(python).args(["-I", "-c", script]).args(args).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Where that Python is: RINGPULL_TEST_PYTHON, or beside the builds. `None`, and the test is
/// skipped, where there is none.
pub(crate) fn python_path() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../test-python/bin/python");
    let python = std::env::var_os("RINGPULL_TEST_PYTHON").map_or_else(beside, PathBuf::from);
    if !python.exists() {
        skip("target/test-python is missing, which scripts/test makes");
        return None;
    }
    Some(python)
}
