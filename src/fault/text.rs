//! Faults in words, for people: one sentence for stage and cause, and the detail behind it.

use super::{Cause, CertificateProblem, DiskProblem, Fault, InputProblem, Stage};
use std::borrow::Cow;
use std::fmt;
use std::io;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.cause, &self.detail) {
            // The message of an input line is a whole sentence of its own.
            (Cause::Input(_), Some(detail)) => f.write_str(detail),
            (_, Some(detail)) => write!(f, "{}: {detail}", Text(self)),
            (_, None) => write!(f, "{}", Text(self)),
        }
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "reading the input line",
            Self::Resolve => "looking up the host",
            Self::Connect => "connecting",
            Self::Tls => "setting up TLS",
            Self::Send => "sending the request",
            Self::Head => "waiting for the response head",
            Self::Body => "reading the body",
            Self::Write => "writing the file",
        })
    }
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "the input line is too long",
            Self::NotUtf8 => "the input line is not valid UTF-8",
            Self::Url => "the input line is no URL",
            Self::Scheme => "the URL is neither http nor https",
            Self::Control => "the URL holds a control character",
            Self::Backslash => "the URL holds a backslash",
            Self::HostEmpty => "the host of the URL is empty",
            Self::HostPercent => "the host of the URL holds a percent sign",
            Self::Host => "the host of the URL is not usable",
            Self::Port => "the port of the URL is not a number from 1 to 65535",
            Self::Userinfo => "the user information of the URL cannot be sent",
            Self::Name => "the file name is empty or leaves the directory",
            Self::Option => "the option line is unknown or malformed",
            Self::Checksum => "the checksum is malformed",
            Self::Record => "the line is no row of its table or no JSON object with a URL",
        })
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not valid yet",
            Self::UnknownIssuer => "the certificate has an unknown issuer",
            Self::WrongName => "the certificate is for another host",
            Self::Pin => "the public key is none of --pinnedpubkey",
            Self::Other => "the certificate was not accepted",
        })
    }
}

impl fmt::Display for DiskProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpace => "no space left on the device",
            Self::Quota => "the disk quota is used up",
            Self::FileTooLarge => "the file is too large for the file system or the limit",
            Self::ReadOnly => "the file system is read-only",
            Self::Denied => "permission denied",
            Self::NoDirectory => "no such directory, or its temporary file was removed",
            Self::NotAFile => "the name is taken by something that is no file",
            Self::Exists => "the file exists",
            Self::InUse => "the name is that of a file or folder that this run itself needs",
            Self::Name => "the file system refuses the name",
            Self::Io => "input/output error of the device",
            Self::Lost => "the file may not have outlived a power loss or the loss of its disk",
            Self::Other(errno) => return write!(f, "{}", io::Error::from_raw_os_error(*errno)),
        })
    }
}

/// The sentence for stage and cause, without the detail.
struct Text<'a>(&'a Fault);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = self.0.stage;
        match &self.0.cause {
            Cause::Input(problem) => write!(f, "{problem}"),
            Cause::NameNotFound => f.write_str("the host name does not exist"),
            Cause::ResolveFailed => f.write_str("the host name could not be looked up"),
            Cause::Timeout => write!(f, "timed out while {stage}"),
            Cause::JobTimeout => f.write_str("the time for the whole job is over"),
            Cause::TooSlow => f.write_str("the body came in slower than --speed-limit allows"),
            Cause::PrivateAddress => f.write_str("the host has no public address"),
            Cause::Refused => f.write_str("connection refused"),
            Cause::Unreachable => f.write_str("the host cannot be reached"),
            Cause::HostDown => f.write_str("the host is down; this URL was not tried"),
            Cause::Reset => write!(f, "connection reset while {stage}"),
            Cause::Closed => write!(f, "the peer closed the connection while {stage}"),
            Cause::Socket(errno) => {
                write!(f, "{} while {stage}", io::Error::from_raw_os_error(*errno))
            }
            Cause::Certificate(problem) => write!(f, "{problem}"),
            Cause::ClientCertificate => {
                f.write_str("the server asks for a client certificate (--cert, --key)")
            }
            Cause::TlsProtocol => f.write_str("TLS failed"),
            Cause::Protocol(error) => write!(f, "the server broke HTTP/1.1 ({})", error.code()),
            Cause::Truncated { got, want: Some(want) } => {
                write!(f, "the connection ended after {got} of {want} bytes")
            }
            Cause::Truncated { got, want: None } => {
                write!(f, "the connection ended early, after {got} bytes")
            }
            Cause::Coding(problem) => write!(f, "{problem}"),
            Cause::Checksum(_) => f.write_str("the file is not the one of the checksum"),
            Cause::TooLarge { limit } => {
                write!(f, "the body is larger than the {limit} bytes of --max-filesize")
            }
            Cause::Status(status) => write!(f, "the server answered {status}"),
            Cause::RetryAfterTooLong { seconds } => {
                write!(f, "the server asks to come back in {seconds} s, longer than allowed")
            }
            Cause::HostRefuses => {
                f.write_str("the host refuses all requests; this URL was not tried")
            }
            Cause::Redirects { limit } => write!(f, "more than {limit} redirects"),
            Cause::Location => f.write_str("redirect without a usable Location"),
            Cause::Downgrade => f.write_str("redirect from https to http"),
            Cause::ProxyStatus(status) => write!(f, "the proxy answered {status}"),
            Cause::Socks(code) => write!(f, "the proxy did not connect: {}", socks_reply(*code)),
            Cause::RobotsDisallowed => f.write_str("robots.txt disallows it"),
            Cause::RobotsTag => f.write_str("the response asks robots not to use it"),
            Cause::RobotsUnreachable => f.write_str("robots.txt could not be had"),
            Cause::ProxyAuth => f.write_str("the proxy did not accept the credentials"),
            Cause::ProxyProtocol => f.write_str("the proxy broke its protocol"),
            Cause::Disk(problem) => write!(f, "{problem}"),
            Cause::Resources(errno) => {
                write!(f, "this machine is out of {} while {stage}", resource(*errno))
            }
            Cause::Interrupted => f.write_str("interrupted"),
            Cause::Panic => f.write_str("internal error (a bug of ringpull)"),
        }
    }
}

/// The words of RFC 1928 section 6.
fn socks_reply(code: u8) -> &'static str {
    match code {
        1 => "general SOCKS server failure",
        2 => "connection not allowed by ruleset",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "an unknown SOCKS reply",
    }
}

/// What is used up when a call gives this errno. The numbers are those of Linux on every
/// architecture.
fn resource(errno: i32) -> &'static str {
    match errno {
        11 => "local ports or routes",
        23 | 24 => "file descriptors",
        12 => "memory",
        105 => "socket buffers",
        _ => "a resource",
    }
}

/// Whether a character is not seen, or changes how others are: controls (C0, DEL, C1), and those
/// that format text without being any, such as the ones that turn its direction.
pub fn is_hidden(char: char) -> bool {
    let is_format = matches!(char,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    char.is_control() || is_format
}

/// The text with its hidden characters ([`is_hidden`]) made visible as in a Rust literal (`\n`,
/// `\u{202e}`): what others wrote, for people and their terminals.
pub fn escape_hidden(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| (b' '..0x7f).contains(&byte);
    if text.bytes().all(is_plain) || !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_hidden(char) {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}
