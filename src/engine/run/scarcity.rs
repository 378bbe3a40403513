//! Memory that runs out: the run ends, and its rows are written.

use crate::config::Config;
use crate::error::RunError;
use crate::ring::heap;
use anyhow::Context as _;
use std::io;

/// Keeps memory back for an orderly end of the run.
///
/// # Errors
/// There is too little for that.
pub(crate) fn prepare(config: &Config) -> anyhow::Result<()> {
    // What was read ahead is put in order once more.
    let reserve = config.limits.lookahead_max.saturating_mul(DRAINED_BYTES) + RESERVE_BYTES;
    heap::keep_reserve(reserve).with_context(too_little)
}

/// Why a run failed that began, if that is it.
pub(crate) fn failure() -> Option<anyhow::Error> {
    let ended = || {
        RunError::local_file(
            "out of memory: the run ended early, with a row for each line that was done; the same \
             command goes on; lower -j or --lookahead, or raise the limit (ulimit -v)",
        )
    };
    heap::is_short().then(|| ended().into())
}

/// Why a run does not begin.
pub(crate) fn too_little() -> RunError {
    RunError::local_file(
        "too little memory, or too many threads: lower -j, --threads or --lookahead, or raise the \
         limits (ulimit -v, ulimit -u, ulimit -l)",
    )
}

/// The failure of a thread, with what to do about it where it lacked memory.
pub(crate) fn explained(error: anyhow::Error) -> anyhow::Error {
    let lacks = |cause: &io::Error| cause.kind() == io::ErrorKind::OutOfMemory;
    match error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(lacks)) {
        true => error.context(too_little()),
        false => error,
    }
}

/// Memory for the end of a run, in bytes: buffers of rows and of statistics, the rows themselves.
const RESERVE_BYTES: usize = 8 << 20;
/// What a job of the look-ahead takes when all of them are put in order, in bytes.
const DRAINED_BYTES: usize = 24;
