//! Why one job failed: a [`Fault`] is data that travels to the job's row while the run goes on.
//!
//! `stage` says what was being done, `cause` why it failed; [`Fault::code`] joins both into a stable
//! code that scripts may compare. Text (`Display`, `detail`) is for people and nothing matches on it.

use crate::http::ProtocolError;
use std::fmt;

/// What was being done when the job failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Stage {
    /// Reading and understanding the input line.
    Input,
    /// Looking up the host's addresses.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request.
    Send,
    /// Waiting for and reading the response head.
    Head,
    /// Reading the response body.
    Body,
    /// Creating, writing or naming the file.
    Write,
}

/// What is wrong with an input line.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum InputProblem {
    /// Longer than [`crate::limits::LINE_BYTES_MAX`].
    LineTooLong,
    /// Not valid UTF-8.
    NotUtf8,
    /// No URL of the form `http(s)://host...`.
    Url,
    /// A URL with a scheme other than http and https.
    Scheme,
    /// A URL whose host is empty or not usable.
    Host,
    /// A file name (`out=`, `dir=`, template) that is empty or leaves the directory.
    Name,
    /// An option line that is unknown or malformed.
    Option,
}

/// Why a certificate was not accepted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CertificateProblem {
    /// After its `notAfter`.
    Expired,
    /// Before its `notBefore`.
    NotYetValid,
    /// No path to a trusted root.
    UnknownIssuer,
    /// Not issued for the host.
    WrongName,
    /// Any other reason; the detail text has it.
    Other,
}

/// A local failure of a file operation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DiskProblem {
    /// ENOSPC
    NoSpace,
    /// EDQUOT
    Quota,
    /// EFBIG
    FileTooLarge,
    /// EROFS
    ReadOnly,
    /// EACCES, EPERM
    Denied,
    /// ENOENT, ENOTDIR: the directory vanished
    NoDirectory,
    /// EISDIR and the like: the final name is taken by something that is no file
    NotAFile,
    /// The final name exists and `--on-conflict error` was given
    Exists,
    /// EIO
    Io,
    /// Any other errno
    Other(i32),
}

/// Why it failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// The input line is at fault.
    Input(InputProblem),
    /// The name does not exist (NXDOMAIN or no address records).
    NameNotFound,
    /// The resolver gave no answer.
    ResolveFailed,
    /// The deadline of this stage passed.
    Timeout,
    /// The deadline of the whole job (`--max-time`) passed.
    JobTimeout,
    /// ECONNREFUSED
    Refused,
    /// ENETUNREACH, EHOSTUNREACH and the like.
    Unreachable,
    /// ECONNRESET, EPIPE, ECONNABORTED.
    Reset,
    /// The peer closed the connection before the first byte of an answer.
    Closed,
    /// Any other errno of a socket.
    Socket(i32),
    /// The peer's certificate was not accepted.
    Certificate(CertificateProblem),
    /// TLS failed for another reason; the detail text has it.
    TlsProtocol,
    /// The peer broke HTTP/1.1.
    Protocol(ProtocolError),
    /// The body ended early; `want` is unknown for chunked bodies.
    Truncated {
        /// Body bytes received.
        got: u64,
        /// Body bytes announced.
        want: Option<u64>,
    },
    /// The final response has a status that is a failure.
    Status(u16),
    /// `Retry-After` asks for more than `--retry-after-max`.
    RetryAfterTooLong {
        /// What the server asked for, in seconds.
        seconds: u64,
    },
    /// More redirects than allowed.
    Redirects {
        /// The limit.
        limit: u32,
    },
    /// A redirect without one usable `Location`.
    Location,
    /// A redirect from https to http, not allowed by the user.
    Downgrade,
    /// A local file operation failed.
    Disk(DiskProblem),
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM: this machine is out of something.
    Resources(i32),
    /// The run was interrupted before the job was done.
    Interrupted,
    /// A bug of ours: the job's code panicked.
    Panic,
}

/// One job's failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What was being done.
    pub stage: Stage,
    /// Why it failed.
    pub cause: Cause,
    /// More for people, from a library or the operating system.
    pub detail: Option<Box<str>>,
}
