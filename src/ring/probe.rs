//! What io_uring of the running kernel takes, asked of the kernel itself: a version number says
//! little about kernels of distributions, which have more than theirs, or less.

use io_uring_own::squeue::Entry;
use io_uring_own::{Builder, IoUring, Parameters, Probe, opcode, types};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

/// What io_uring takes, by the names of its manual pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// Flags of io_uring_setup(2), each without IORING_SETUP_ before it.
    pub setup_flags: Vec<&'static str>,
    /// Features that io_uring_setup(2) tells of, each without IORING_FEAT_.
    pub features: Vec<&'static str>,
    /// Operations that it knows, each without IORING_OP_, of those that matter here.
    pub operations: Vec<&'static str>,
}

/// Asks the kernel.
///
/// # Errors
/// When there is no io_uring to be had.
pub fn features() -> io::Result<Features> {
    let mut ring = IoUring::new(ENTRIES)?;
    let is_taken = |(_, flags): &&SetupFlag| {
        let mut builder = IoUring::builder();
        flags(&mut builder);
        builder.build(ENTRIES).is_ok()
    };
    let is_there = |(_, has): &&Feature| has(ring.params());
    let setup_flags = SETUP_FLAGS.iter().filter(is_taken).map(|(name, _)| *name).collect();
    let features = FEATURES.iter().filter(is_there).map(|(name, _)| *name).collect();
    let mut probe = Probe::new();
    // A kernel without this call (before 5.6) knows none of them.
    let _: io::Result<()> = ring.submitter().register_probe(&mut probe);
    let known = OPERATIONS.iter().filter(|(_, code)| probe.is_supported(*code));
    let mut operations: Vec<&'static str> = known.map(|(name, _)| *name).collect();
    if has_multishot_receive(&mut ring)? {
        operations.push("RECV_MULTISHOT");
    }
    Ok(Features { setup_flags, features, operations })
}

/// Whether one receive may complete again and again. It is a flag of an operation, so it is tried:
/// a kernel that knows it finds that there are no buffers, another one that it is invalid.
fn has_multishot_receive(ring: &mut IoUring) -> io::Result<bool> {
    let (mine, theirs) = UnixStream::pair()?;
    // Something to receive, so that it does not wait.
    io::Write::write_all(&mut &theirs, b"x")?;
    // KERNEL: points at no memory; of its group there is no buffer. The socket stays open until the
    // completion, which is waited for below.
    let entry: Entry = opcode::RecvMulti::new(types::Fd(mine.as_raw_fd()), NO_GROUP).build();
    // SAFETY: as the note says, nothing that the entry names ends before its completion.
    #[allow(unsafe_code, reason = "no safe wrapper pushes an entry")]
    unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)?;
    ring.submit_and_wait(1)?;
    let result = ring.completion().next().map(|entry| entry.result());
    Ok(result.is_some_and(|result| result != -libc::EINVAL))
}

/// A flag, and how a ring is built that has it.
type SetupFlag = (&'static str, fn(&mut Builder));
/// A feature, and whether a ring has it.
type Feature = (&'static str, fn(&Parameters) -> bool);

/// Flags of a ring, with those that each takes beside it.
const SETUP_FLAGS: [SetupFlag; 8] = [
    ("CLAMP", |ring| _ = ring.setup_clamp()),
    ("R_DISABLED", |ring| _ = ring.setup_r_disabled()),
    ("SUBMIT_ALL", |ring| _ = ring.setup_submit_all()),
    ("COOP_TASKRUN", |ring| _ = ring.setup_coop_taskrun()),
    ("TASKRUN_FLAG", |ring| _ = ring.setup_coop_taskrun().setup_taskrun_flag()),
    ("SINGLE_ISSUER", |ring| _ = ring.setup_single_issuer()),
    ("DEFER_TASKRUN", |ring| _ = ring.setup_single_issuer().setup_defer_taskrun()),
    ("NO_SQARRAY", |ring| _ = ring.setup_no_sqarray()),
];

const FEATURES: [Feature; 13] = [
    ("SINGLE_MMAP", Parameters::is_feature_single_mmap),
    ("NODROP", Parameters::is_feature_nodrop),
    ("SUBMIT_STABLE", Parameters::is_feature_submit_stable),
    ("RW_CUR_POS", Parameters::is_feature_rw_cur_pos),
    ("FAST_POLL", Parameters::is_feature_fast_poll),
    ("EXT_ARG", Parameters::is_feature_ext_arg),
    ("NATIVE_WORKERS", Parameters::is_feature_native_workers),
    ("RSRC_TAGS", Parameters::is_feature_resource_tagging),
    ("CQE_SKIP", Parameters::is_feature_skip_cqe_on_success),
    ("LINKED_FILE", Parameters::is_feature_linked_file),
    ("RECVSEND_BUNDLE", Parameters::is_feature_recvsend_bundle),
    ("MIN_TIMEOUT", Parameters::is_feature_min_timeout),
    ("NO_IOWAIT", Parameters::is_feature_no_iowait),
];

// KERNEL: numbers of operations, none of which is submitted here.
const OPERATIONS: [(&str, u8); 16] = [
    ("CONNECT", opcode::Connect::CODE),
    ("SEND", opcode::Send::CODE),
    ("RECV", opcode::Recv::CODE),
    ("OPENAT", opcode::OpenAt::CODE),
    ("WRITE", opcode::Write::CODE),
    ("FALLOCATE", opcode::Fallocate::CODE),
    ("FSYNC", opcode::Fsync::CODE),
    ("SPLICE", opcode::Splice::CODE),
    ("LINKAT", opcode::LinkAt::CODE),
    ("RENAMEAT", opcode::RenameAt::CODE),
    // KERNEL: numbers, too.
    ("SOCKET", opcode::Socket::CODE),
    ("SEND_ZC", opcode::SendZc::CODE),
    ("SENDMSG_ZC", opcode::SendMsgZc::CODE),
    ("READ_MULTISHOT", opcode::ReadMulti::CODE),
    ("FTRUNCATE", opcode::Ftruncate::CODE),
    ("RECV_ZC", opcode::RecvZc::CODE),
];

/// Entries of a ring that is asked.
const ENTRIES: u32 = 4;
/// A group of buffers that does not exist.
const NO_GROUP: u16 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers() {
        let Ok(found) = features() else { return };
        assert!(found.operations.contains(&"RECV") && found.features.contains(&"NODROP"));
        assert_eq!(Ok(found), features().map_err(|error| error.kind()), "it is the same again");
    }
}
