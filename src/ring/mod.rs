//! The I/O of the data plane: the only place that names tokio_uring, io_uring, libc, rustls,
//! sockets.
//!
//! The rules of this layer:
//! - A buffer is moved into an operation and comes back in its result. The kernel may touch it at
//!   any time in between, and the operation keeps the file descriptor open as long.
//! - An operation is never abandoned. A deadline shuts the socket down ([`deadline`]); the
//!   operation then completes, is joined where it was awaited, and only then the socket is closed.
//!   Operations that a panic leaves in flight are waited for before their backend ends ([`io`]).
//! - Every submission entry that points at memory counts as unsafe code and says, in a `KERNEL:`
//!   note, who owns that memory until the completion.
//! - No policy: what to fetch, how often and for how long is decided above.
//!
//! From the bottom up: [`io`] is the backend of a core, [`buf`] has the memory of its operations,
//! [`setup`] and [`probe`] ask the kernel what there is; [`deadline`], [`tcp`], [`tls`] and
//! [`conn`] are a connection (`line`: a socket, or `memory` in its place), [`dir`] and
//! [`mod@file`] an output file, [`room`] what its disk has left, [`mount`] where that is,
//! [`stream`] an output that is not a file, [`draft`] what replaces another file of the run;
//! [`journal`] is what a report needs beside being written. [`dns`] and [`listen`] have threads of
//! their own, [`child`] a process. Every call that a test may want to fail asks `shim` first.

pub mod buf;
pub mod child;
pub mod conn;
pub mod deadline;
pub mod dir;
pub mod dns;
pub mod draft;
pub mod file;
pub mod heap;
pub mod io;
pub mod journal;
mod line;
pub mod listen;
mod memory;
pub mod mount;
pub mod probe;
pub mod room;
pub mod scratch;
pub mod setup;
#[cfg(feature = "shim")]
pub mod shim;
#[cfg(not(feature = "shim"))]
mod shim;
pub mod stored;
pub mod stream;
pub mod tcp;
mod tcp_info;
pub mod terminal;
pub mod title;
pub mod tls;

pub use io::{Backend, IOWQ_WORKERS_MAX, RecvMode, RingFlags, RingOptions, SQ_ENTRIES, Trigger};
pub use memory::Network;

use crate::fault::{Cause, DiskProblem};

/// The cause of a failed socket operation, by errno (socket(7), connect(2), recv(2)).
pub fn socket_cause(errno: i32) -> Cause {
    match errno {
        libc::ECONNREFUSED => Cause::Refused,
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED | libc::ENOTCONN => Cause::Reset,
        libc::ENETUNREACH
        | libc::EHOSTUNREACH
        | libc::ENETDOWN
        | libc::EHOSTDOWN
        | libc::EADDRNOTAVAIL
        | libc::EAFNOSUPPORT
        | libc::EACCES
        | libc::EPERM => Cause::Unreachable,
        libc::ETIMEDOUT | libc::ECANCELED => Cause::Timeout,
        // EAGAIN: routes or local ports are used up (connect(2)).
        libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
            Cause::Resources(errno)
        }
        _ => Cause::Socket(errno),
    }
}

/// Whether the whole machine is out of something (ENFILE), and not this process: who holds it
/// cannot be known.
pub fn is_shortage_of_machine(errno: i32) -> bool {
    errno == libc::ENFILE
}

/// The cause of a failed file operation, by errno (open(2), write(2), rename(2)).
pub fn disk_cause(errno: i32) -> Cause {
    Cause::Disk(match errno {
        libc::ENOSPC => DiskProblem::NoSpace,
        libc::EDQUOT => DiskProblem::Quota,
        libc::EFBIG => DiskProblem::FileTooLarge,
        libc::EROFS => DiskProblem::ReadOnly,
        libc::EACCES | libc::EPERM => DiskProblem::Denied,
        // ESTALE: it was removed on the server of a network file system.
        libc::ENOENT | libc::ENOTDIR | libc::ESTALE => DiskProblem::NoDirectory,
        // EBUSY: something is mounted there.
        libc::EISDIR | libc::ELOOP | libc::EXDEV | libc::EBUSY => DiskProblem::NotAFile,
        libc::EEXIST => DiskProblem::Exists,
        // Of the device, or of a file system that found itself damaged (EUCLEAN, EBADMSG).
        libc::EIO
        | libc::ENXIO
        | libc::ENODEV
        | libc::EREMOTEIO
        | libc::EUCLEAN
        | libc::EBADMSG => DiskProblem::Io,
        libc::EMFILE | libc::ENFILE | libc::ENOMEM => return Cause::Resources(errno),
        _ => DiskProblem::Other(errno),
    })
}

/// The cause of a failed operation on a file; see [`disk_cause`].
pub fn io_cause(error: &std::io::Error) -> Cause {
    disk_cause(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The cause of a failed operation that gives a file or a directory its name: as [`disk_cause`],
/// but for errors that say that the file system does not allow the name.
pub fn name_cause(errno: i32) -> Cause {
    match errno {
        libc::EINVAL | libc::EILSEQ | libc::ENAMETOOLONG => Cause::Disk(DiskProblem::Name),
        errno => disk_cause(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Stage};

    #[test]
    fn each_errno_of_a_file_has_its_code() {
        let code = |errno| Fault::new(Stage::Write, disk_cause(errno)).code();
        let table: [(&str, &[i32]); 11] = [
            ("disk.enospc", &[libc::ENOSPC]),
            ("disk.edquot", &[libc::EDQUOT]),
            ("disk.efbig", &[libc::EFBIG]),
            ("disk.erofs", &[libc::EROFS]),
            ("disk.denied", &[libc::EACCES, libc::EPERM]),
            ("disk.no_directory", &[libc::ENOENT, libc::ENOTDIR, libc::ESTALE]),
            ("disk.not_a_file", &[libc::EISDIR, libc::ELOOP, libc::EXDEV, libc::EBUSY]),
            ("disk.exists", &[libc::EEXIST]),
            ("disk.eio", &[libc::EIO, libc::ENXIO, libc::ENODEV, libc::EUCLEAN]),
            ("run.resources", &[libc::EMFILE, libc::ENFILE, libc::ENOMEM]),
            ("disk.other", &[libc::EAGAIN, libc::EINTR, libc::ENAMETOOLONG]),
        ];
        for (wanted, numbers) in table {
            assert!(numbers.iter().all(|errno| code(*errno) == wanted), "{wanted}");
        }
    }

    #[test]
    fn a_name_that_is_not_allowed_has_a_code_of_its_own() {
        for errno in [libc::EINVAL, libc::EILSEQ, libc::ENAMETOOLONG] {
            assert_eq!(Fault::new(Stage::Write, name_cause(errno)).code(), "disk.name");
        }
        assert_eq!(name_cause(libc::ENOSPC), disk_cause(libc::ENOSPC));
    }

    #[test]
    fn what_this_machine_lacks_is_not_the_servers_fault() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EAGAIN] {
            assert_eq!(socket_cause(errno), Cause::Resources(errno));
        }
        assert_eq!(socket_cause(libc::ECONNREFUSED), Cause::Refused);
    }
}
