//! Why one job failed: a [`Fault`] is data that travels to the job's row while the run goes on.
//!
//! `stage` says what was being done, `cause` why it failed; [`Fault::facts`] has what follows from
//! both, such as a stable code that scripts may compare. Text (`Display`, `detail`) is for people
//! and nothing matches on it.

mod facts;
mod text;

pub use self::facts::{DISK_LOST, Facts, Sentence, every_cause};
pub use self::text::{escape_hidden, is_hidden};
pub use crate::http::CodingProblem;
use crate::http::ProtocolError;
use crate::limits;
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

impl Stage {
    /// Each stage, in the order of a job.
    pub(crate) const ALL: [Self; 8] = [
        Self::Input,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::Send,
        Self::Head,
        Self::Body,
        Self::Write,
    ];
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
    /// A control character (CR, LF, NUL, a tab) in a URL.
    Control,
    /// A backslash in a URL, which some read as a slash.
    Backslash,
    /// A URL with an empty host.
    HostEmpty,
    /// A `%` in the host of a URL, which some decode and some do not.
    HostPercent,
    /// A URL whose host is no name and no address.
    Host,
    /// A port of a URL that is no number from 1 to 65535.
    Port,
    /// User information of a URL that cannot be sent (RFC 7617 section 2).
    Userinfo,
    /// A file name (`out=`, `dir=`, template) that is empty or leaves the directory.
    Name,
    /// An option line that is unknown or malformed.
    Option,
    /// A checksum that is none.
    Checksum,
    /// A line that is no row of its table, or no JSON object with a URL.
    Record,
}

impl InputProblem {
    /// Each of them.
    pub(crate) const ALL: [Self; 15] = [
        Self::LineTooLong,
        Self::NotUtf8,
        Self::Url,
        Self::Scheme,
        Self::Control,
        Self::Backslash,
        Self::HostEmpty,
        Self::HostPercent,
        Self::Host,
        Self::Port,
        Self::Userinfo,
        Self::Name,
        Self::Option,
        Self::Checksum,
        Self::Record,
    ];
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
    /// The certificate's public key is not one of those of `--pinnedpubkey`.
    Pin,
    /// Any other reason; the detail text has it.
    Other,
}

impl CertificateProblem {
    /// Each of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownIssuer,
        Self::WrongName,
        Self::Pin,
        Self::Other,
    ];
}

/// How often a body had a digest that is not the expected one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum WrongDigest {
    /// The digest was not met before: the body may have been damaged on its way.
    First,
    /// An earlier attempt brought the very same: the server has other bytes.
    Again,
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
    /// ENOENT, ENOTDIR, ESTALE: the directory vanished
    NoDirectory,
    /// The final name is taken by something that is no file: a directory, a device, a FIFO, a
    /// socket; also EISDIR, ELOOP, EXDEV, EBUSY
    NotAFile,
    /// The final name exists and `--on-conflict error` was given
    Exists,
    /// The final name is that of a file which the run itself reads or writes, or it is in a folder
    /// of lists
    InUse,
    /// Another process has the unfinished file locked
    Locked,
    /// EINVAL, EILSEQ, ENAMETOOLONG of a name: the file system does not allow it; the detail text
    /// says why
    Name,
    /// EIO, ENXIO, EUCLEAN and the like
    Io,
    /// The file was pulled, but is not known to have outlived a power loss or the loss of its file
    /// system
    Lost,
    /// Any other errno
    Other(i32),
}

impl DiskProblem {
    /// Each of them; of errors of the system one that is none.
    pub(crate) const ALL: [Self; 14] = [
        Self::NoSpace,
        Self::Quota,
        Self::FileTooLarge,
        Self::ReadOnly,
        Self::Denied,
        Self::NoDirectory,
        Self::NotAFile,
        Self::Exists,
        Self::InUse,
        Self::Locked,
        Self::Name,
        Self::Io,
        Self::Lost,
        Self::Other(0),
    ];
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
    /// The body came in slower than `--speed-limit` for `--speed-time`.
    TooSlow,
    /// The host has no address but such as `--no-private` refuses.
    PrivateAddress,
    /// ECONNREFUSED
    Refused,
    /// ENETUNREACH, EHOSTUNREACH and the like.
    Unreachable,
    /// The host could not be reached often enough to be given up (`--host-fail-limit`); this job
    /// was not tried.
    HostDown,
    /// ECONNRESET, EPIPE, ECONNABORTED.
    Reset,
    /// The peer closed the connection before the first byte of an answer.
    Closed,
    /// Any other errno of a socket.
    Socket(i32),
    /// The peer's certificate was not accepted.
    Certificate(CertificateProblem),
    /// The server asks for a certificate of ours, or did not accept the one it got; the detail text
    /// says which.
    ClientCertificate,
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
    /// The body cannot be decoded (`--compressed`).
    Coding(CodingProblem),
    /// The file is not the one that `checksum=` asks for; the detail text has both digests.
    Checksum(WrongDigest),
    /// A server answered the request for a part of the file with something else; the detail text
    /// says with what.
    Range,
    /// The file became another one on the server while parts of it were fetched.
    Changed,
    /// The body is larger than `--max-filesize`.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The final response has a status that is a failure.
    Status(u16),
    /// `Retry-After` asks for more than `--retry-after-max`.
    RetryAfterTooLong {
        /// What the server asked for, in seconds.
        seconds: u64,
    },
    /// The host refused all that it was asked, for too long to be asked again; this job was not
    /// tried.
    HostRefuses,
    /// More redirects than allowed.
    Redirects {
        /// The limit.
        limit: u32,
    },
    /// A redirect without one usable `Location`.
    Location,
    /// A redirect from https to http, not allowed by the user.
    Downgrade,
    /// An earlier line of the list has the same URL (`--dedupe url`).
    DuplicateUrl,
    /// The archive has the same body for another line (`--dedupe content`).
    DuplicateBody,
    /// robots.txt does not permit this URL to robots (`--robots`).
    RobotsDisallowed,
    /// The response has a tag that asks robots not to use it (`--respect-x-robots-tag`); the detail
    /// text has it.
    RobotsTag,
    /// robots.txt could not be had, so that nothing of the origin is permitted (RFC 9309 section
    /// 2.3.1.4); the detail text says why.
    RobotsUnreachable,
    /// A proxy did not open a tunnel: the status of its answer to CONNECT.
    ProxyStatus(u16),
    /// A SOCKS proxy did not connect: its reply code (RFC 1928 section 6).
    Socks(u8),
    /// A SOCKS proxy does not let us in: not with these credentials, or not without any.
    ProxyAuth,
    /// The answer of a proxy is neither HTTP nor SOCKS 5; the detail text says why.
    ProxyProtocol,
    /// A local file operation failed.
    Disk(DiskProblem),
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN of a socket: this machine is out of something.
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

/// What went wrong, where it is not known what it was done for: a [`Fault`] without its stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Why it failed.
    pub cause: Cause,
    /// More for people, from a library or the operating system.
    pub detail: Option<Box<str>>,
}

impl Failure {
    /// A failure with a text for people.
    pub fn new(cause: Cause, detail: impl Into<Box<str>>) -> Self {
        Self { cause, detail: Some(detail.into()) }
    }

    /// The fault that the failure is in this stage.
    pub fn at(self, stage: Stage) -> Fault {
        Fault { stage, cause: self.cause, detail: self.detail }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, detail: None }
    }
}

impl Fault {
    /// A fault without a detail text.
    pub fn new(stage: Stage, cause: Cause) -> Self {
        Self { stage, cause, detail: None }
    }

    /// The fault of an input line; `message` names the line and the remedy.
    pub fn input(problem: InputProblem, message: impl fmt::Display) -> Self {
        Self::new(Stage::Input, Cause::Input(problem)).with_detail(message)
    }

    /// Adds a text for people. It may come from anywhere: controls are escaped, and it is cut at
    /// [`limits::DETAIL_BYTES_MAX`].
    #[must_use]
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        let mut text = String::new();
        for c in detail.to_string().chars() {
            if text.len() + c.len_utf8() > limits::DETAIL_BYTES_MAX {
                text.push_str("...");
                break;
            }
            // Letters of any script stay; what a terminal would obey, or nobody would see, does
            // not.
            if matches!(c, '"' | '\'' | '\\') {
                text.push(c);
            } else {
                text.extend(c.escape_debug());
            }
        }
        self.detail = Some(text.into_boxed_str());
        self
    }

    /// Stable code of stage and cause ([`Facts::code`]).
    pub fn code(&self) -> &'static str {
        self.facts().code
    }
}

#[cfg(test)]
pub(crate) mod tests;
