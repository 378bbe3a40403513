//! Why one job failed: a [`Fault`] is data that travels to the job's row while the run goes on.
//!
//! `stage` says what was being done, `cause` why it failed; [`Fault::code`] joins both into a
//! stable code that scripts may compare. Text (`Display`, `detail`) is for people and nothing
//! matches on it.

mod text;

pub use self::text::{escape_hidden, is_hidden};
use crate::exit::ExitStatus;
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
    /// Its public key is none of those of `--pinnedpubkey`.
    Pin,
    /// Any other reason; the detail text has it.
    Other,
}

/// How often a body had a digest that is not the expected one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum WrongDigest {
    /// This one was not met before: it may have been damaged on its way.
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
    /// EINVAL, EILSEQ, ENAMETOOLONG of a name: the file system does not allow it; the detail text
    /// says why
    Name,
    /// EIO, ENXIO, EUCLEAN and the like
    Io,
    /// It was pulled, and it is not known to have outlived a power loss, or the loss of its file
    /// system
    Lost,
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

/// Gives `"<stage>.<word>"` as a static text: a code is never put together at run time.
macro_rules! staged {
    ($stage:expr, $word:literal) => {
        match $stage {
            Stage::Input => concat!("input.", $word),
            Stage::Resolve => concat!("resolve.", $word),
            Stage::Connect => concat!("connect.", $word),
            Stage::Tls => concat!("tls.", $word),
            Stage::Send => concat!("send.", $word),
            Stage::Head => concat!("head.", $word),
            Stage::Body => concat!("body.", $word),
            Stage::Write => concat!("write.", $word),
        }
    };
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

    /// Stable code of stage and cause, for rows and scripts. The prefix is the stage where the same
    /// thing can happen in several, and the subject (`http`, `disk`, `time`, `run`) elsewhere.
    pub fn code(&self) -> &'static str {
        match &self.cause {
            Cause::Input(problem) => problem.code(),
            Cause::NameNotFound => "resolve.not_found",
            Cause::ResolveFailed => "resolve.failed",
            Cause::Timeout => staged!(self.stage, "timeout"),
            Cause::JobTimeout => "job.timeout",
            Cause::TooSlow => "body.too_slow",
            Cause::PrivateAddress => "connect.private",
            Cause::Refused => staged!(self.stage, "refused"),
            Cause::Unreachable => staged!(self.stage, "unreachable"),
            Cause::HostDown => "connect.host_down",
            Cause::Reset => staged!(self.stage, "reset"),
            Cause::Closed if self.stage == Stage::Head => "head.empty",
            Cause::Closed => staged!(self.stage, "closed"),
            Cause::Socket(_) => staged!(self.stage, "socket"),
            Cause::Certificate(problem) => problem.code(),
            Cause::ClientCertificate => "tls.client_certificate",
            Cause::TlsProtocol => "tls.protocol",
            Cause::Protocol(error) => error.code(),
            Cause::Truncated { .. } => staged!(self.stage, "truncated"),
            Cause::Coding(problem) => problem.code(),
            Cause::Checksum(_) => "body.checksum",
            Cause::TooLarge { .. } => "body.too_large",
            Cause::Status(_) => "http.status",
            Cause::RetryAfterTooLong { .. } => "http.retry_after",
            Cause::HostRefuses => "http.host_busy",
            Cause::Redirects { .. } => "http.redirects",
            Cause::Location => "http.location",
            Cause::Downgrade => "http.downgrade",
            Cause::RobotsDisallowed => "robots.disallowed",
            Cause::RobotsTag => "robots.tag",
            Cause::RobotsUnreachable => "robots.unreachable",
            Cause::ProxyStatus(_) => "connect.proxy_status",
            Cause::Socks(_) => "connect.socks",
            Cause::ProxyAuth => "connect.proxy_auth",
            Cause::ProxyProtocol => "connect.proxy_protocol",
            Cause::Disk(problem) => problem.code(),
            Cause::Resources(_) => "run.resources",
            Cause::Interrupted => "run.interrupted",
            Cause::Panic => "run.panic",
        }
    }

    /// The exit code that curl documents for the same failure (curl(1), EXIT CODES).
    pub fn exit_code_curl(&self) -> u8 {
        match &self.cause {
            Cause::Input(InputProblem::Scheme) => 1,
            Cause::Input(InputProblem::Name) => 23,
            Cause::Input(
                InputProblem::LineTooLong
                | InputProblem::NotUtf8
                | InputProblem::Url
                | InputProblem::Control
                | InputProblem::Backslash
                | InputProblem::HostEmpty
                | InputProblem::HostPercent
                | InputProblem::Host
                | InputProblem::Port
                | InputProblem::Userinfo
                | InputProblem::Option
                | InputProblem::Checksum
                | InputProblem::Record,
            ) => 3,
            Cause::NameNotFound | Cause::ResolveFailed => 6,
            Cause::Timeout | Cause::JobTimeout | Cause::TooSlow => 28,
            Cause::PrivateAddress | Cause::Refused | Cause::Unreachable | Cause::HostDown => 7,
            Cause::Closed if self.stage == Stage::Head => 52,
            Cause::Reset | Cause::Closed | Cause::Socket(_) => self.exit_code_curl_of_stage(),
            Cause::Certificate(CertificateProblem::Pin) => 90,
            Cause::Certificate(_) => 60,
            // CURLE_SSL_CLIENTCERT
            Cause::ClientCertificate => 98,
            Cause::TlsProtocol => 35,
            Cause::Protocol(_) | Cause::Location => 8,
            // curl(1) has no code for it. Who minds 18 throws away what came and asks again.
            Cause::Truncated { .. } | Cause::Checksum(_) => 18,
            Cause::Coding(_) => 61,
            Cause::TooLarge { .. } => 63,
            Cause::Status(_) | Cause::RetryAfterTooLong { .. } | Cause::HostRefuses => 22,
            Cause::Redirects { .. } => 47,
            // `--proto-redir` forbids the scheme: CURLE_UNSUPPORTED_PROTOCOL.
            Cause::Downgrade => 1,
            // CURLE_ABORTED_BY_CALLBACK: it was our own decision.
            Cause::RobotsDisallowed | Cause::RobotsTag => 42,
            Cause::RobotsUnreachable => 22,
            // CURLE_RECV_ERROR ("CONNECT tunnel failed") and CURLE_PROXY.
            Cause::ProxyStatus(_) => 56,
            Cause::Socks(_) | Cause::ProxyAuth | Cause::ProxyProtocol => 97,
            Cause::Disk(_) => 23,
            Cause::Resources(_) => self.exit_code_curl_of_stage(),
            Cause::Interrupted => 42,
            Cause::Panic => 2,
        }
    }

    /// What curl says when a socket or file breaks in this stage.
    fn exit_code_curl_of_stage(&self) -> u8 {
        match self.stage {
            Stage::Input => 3,
            Stage::Resolve => 6,
            Stage::Connect => 7,
            Stage::Tls => 35,
            Stage::Send => 55,
            Stage::Head | Stage::Body => 56,
            Stage::Write => 23,
        }
    }

    /// What this fault adds to the exit status of the process.
    pub fn exit_status(&self) -> ExitStatus {
        match &self.cause {
            Cause::Input(_) => ExitStatus::Usage,
            Cause::NameNotFound
            | Cause::ResolveFailed
            | Cause::Timeout
            | Cause::JobTimeout
            | Cause::TooSlow
            | Cause::PrivateAddress
            | Cause::Refused
            | Cause::Unreachable
            | Cause::HostDown
            | Cause::Reset
            | Cause::Closed
            | Cause::Socket(_)
            | Cause::Socks(_) => ExitStatus::Network,
            Cause::Certificate(_) | Cause::ClientCertificate | Cause::TlsProtocol => {
                ExitStatus::Tls
            }
            Cause::Status(code) | Cause::ProxyStatus(code) => ExitStatus::of_response(*code),
            Cause::ProxyAuth => ExitStatus::Auth,
            Cause::RetryAfterTooLong { .. } | Cause::HostRefuses => ExitStatus::Status,
            // Rows that were skipped, which add nothing.
            Cause::RobotsDisallowed | Cause::RobotsTag => ExitStatus::Status,
            Cause::RobotsUnreachable => ExitStatus::Network,
            Cause::Protocol(_)
            | Cause::Truncated { .. }
            | Cause::Coding(_)
            | Cause::Checksum(_)
            | Cause::TooLarge { .. }
            | Cause::Redirects { .. }
            | Cause::Location
            | Cause::ProxyProtocol
            | Cause::Downgrade => ExitStatus::Protocol,
            Cause::Disk(_) | Cause::Resources(_) => ExitStatus::LocalFile,
            Cause::Interrupted => ExitStatus::Stopped,
            Cause::Panic => ExitStatus::Internal,
        }
    }
}

impl InputProblem {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::LineTooLong => "input.line_too_long",
            Self::NotUtf8 => "input.not_utf8",
            Self::Url => "input.url",
            Self::Scheme => "input.scheme",
            Self::Control => "input.control",
            Self::Backslash => "input.backslash",
            Self::HostEmpty => "input.host_empty",
            Self::HostPercent => "input.host_percent",
            Self::Host => "input.host",
            Self::Port => "input.port",
            Self::Userinfo => "input.userinfo",
            Self::Name => "input.name",
            Self::Option => "input.option",
            Self::Checksum => "input.checksum",
            Self::Record => "input.record",
        }
    }
}

impl CertificateProblem {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "tls.expired",
            Self::NotYetValid => "tls.not_yet_valid",
            Self::UnknownIssuer => "tls.unknown_issuer",
            Self::WrongName => "tls.wrong_name",
            Self::Pin => "tls.pin",
            Self::Other => "tls.certificate",
        }
    }
}

impl DiskProblem {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoSpace => "disk.enospc",
            Self::Quota => "disk.edquot",
            Self::FileTooLarge => "disk.efbig",
            Self::ReadOnly => "disk.erofs",
            Self::Denied => "disk.denied",
            Self::NoDirectory => "disk.no_directory",
            Self::NotAFile => "disk.not_a_file",
            Self::Exists => "disk.exists",
            Self::InUse => "disk.in_use",
            Self::Name => "disk.name",
            Self::Io => "disk.eio",
            Self::Lost => DISK_LOST,
            Self::Other(_) => "disk.other",
        }
    }
}

/// Code of [`DiskProblem::Lost`], by which the next run knows such a row.
pub const DISK_LOST: &str = "disk.lost";

#[cfg(test)]
pub(crate) mod tests;
