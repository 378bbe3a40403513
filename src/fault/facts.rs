//! The facts of every cause, one row each: its code, curl's exit code, the exit status, and the
//! sentence for people. Whether a job is tried again because of it, and what it says of the host,
//! are decisions of `plan`.

use super::{Cause, CertificateProblem, DiskProblem, Fault, InputProblem, Stage, WrongDigest};
use crate::exit::ExitStatus;
use crate::http::{CodingProblem, ProtocolError};
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// What is the same of all faults that have a cause (and, where the code names it, a stage).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Facts {
    /// Stable code, for rows and scripts. Its prefix is the stage where the same thing can happen
    /// in several, and the subject (`http`, `disk`, `job`, `run`) elsewhere.
    pub code: &'static str,
    /// The exit code that curl documents for the same failure (curl(1), EXIT CODES).
    pub curl: u8,
    /// What a fault adds to the exit status of the process.
    pub exit: ExitStatus,
    /// What went wrong, for people.
    pub sentence: Sentence,
}

/// A sentence for people. What stands in braces is said of many faults; the particulars of one
/// fault, where it has some, take its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sentence(&'static str);

impl Sentence {
    /// Writes the sentence about one fault.
    pub(super) fn with(
        self,
        f: &mut fmt::Formatter<'_>,
        particulars: fmt::Arguments<'_>,
    ) -> fmt::Result {
        match self.parts() {
            (whole, None, _) => f.write_str(whole),
            (before, Some(_), after) => write!(f, "{before}{particulars}{after}"),
        }
    }

    /// What comes before the braces, within them, and behind them.
    fn parts(self) -> (&'static str, Option<&'static str>, &'static str) {
        let Some((before, rest)) = self.0.split_once('{') else { return (self.0, None, "") };
        let (general, after) = rest.split_once('}').unwrap_or((rest, ""));
        (before, Some(general), after)
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, general, after) = self.parts();
        write!(f, "{before}{}{after}", general.unwrap_or_default())
    }
}

/// A static text for each stage: what the code or the sentence of one is, put together when this is
/// compiled.
macro_rules! of_stage {
    (code $stage:expr, $word:literal) => {
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
    (sentence $stage:expr, $text:literal) => {
        match $stage {
            Stage::Input => concat!($text, " while reading the input line"),
            Stage::Resolve => concat!($text, " while looking up the host"),
            Stage::Connect => concat!($text, " while connecting"),
            Stage::Tls => concat!($text, " while setting up TLS"),
            Stage::Send => concat!($text, " while sending the request"),
            Stage::Head => concat!($text, " while waiting for the response"),
            Stage::Body => concat!($text, " while reading the body"),
            Stage::Write => concat!($text, " while writing the file"),
        }
    };
    // The row of a connection that fails.
    ($stage:expr, $curl:expr, $word:literal, $text:literal) => {
        network(of_stage!(code $stage, $word), $curl, of_stage!(sentence $stage, $text))
    };
}

impl Fault {
    /// What is known of every fault with this cause in this stage.
    pub fn facts(&self) -> Facts {
        facts(&self.cause, self.stage)
    }

    /// The fault that a code in the report of an earlier run stands for. What it measured is not
    /// known (statuses and the like are 0), and its stage is right where the code names one.
    pub fn by_code(code: &str) -> Option<Self> {
        static BY_CODE: LazyLock<HashMap<&'static str, Fault>> = LazyLock::new(|| {
            let mut all = HashMap::new();
            for fault in every_cause().flat_map(|c| Stage::ALL.map(|s| Fault::new(s, c.clone()))) {
                all.entry(fault.facts().code).or_insert(fault);
            }
            all
        });
        BY_CODE.get(code).cloned()
    }
}

impl Stage {
    /// What was being done, as the end of a sentence.
    pub(super) fn meanwhile(self) -> &'static str {
        of_stage!(sentence self, "")
    }

    /// What curl says when a socket or file breaks in this stage.
    fn curl(self) -> u8 {
        match self {
            Self::Input => 3,
            Self::Resolve => 6,
            Self::Connect => 7,
            Self::Tls => 35,
            Self::Send => 55,
            Self::Head | Self::Body => 56,
            Self::Write => 23,
        }
    }
}

/// The table. A new cause gets its row here and its place in [`every_cause`].
#[rustfmt::skip] // A row is a row.
fn facts(cause: &Cause, stage: Stage) -> Facts {
    use Cause::*;
    let curl = stage.curl();
    match cause {
        Input(problem) => problem.facts(),
        NameNotFound => network("resolve.not_found", 6, "the host name does not exist"),
        ResolveFailed => network("resolve.failed", 6, "the host name could not be looked up"),
        Timeout => of_stage!(stage, 28, "timeout", "timed out"),
        JobTimeout => network("job.timeout", 28, "the job took longer than --max-time"),
        TooSlow =>
            network("body.too_slow", 28, "the body came in slower than --speed-limit allows"),
        PrivateAddress =>
            network("connect.private", 7, "the host has no public address (--no-private)"),
        Refused => network(
            of_stage!(code stage, "refused"), 7, "connection refused (nothing listens there)"),
        Unreachable =>
            network(of_stage!(code stage, "unreachable"), 7, "the host cannot be reached"),
        HostDown => network("connect.host_down", 7, "the host is down; this URL was not tried"),
        Reset => of_stage!(stage, curl, "reset", "connection reset"),
        Closed if stage == Stage::Head =>
            network("head.empty", 52, "the peer closed the connection without an answer"),
        Closed => of_stage!(stage, curl, "closed", "the peer closed the connection"),
        Socket(_) => of_stage!(stage, curl, "socket", "{the connection failed}"),
        Certificate(problem) => problem.facts(),
        // CURLE_SSL_CLIENTCERT
        ClientCertificate => tls("tls.client_certificate", 98,
            "the server asks for a client certificate (--cert, --key)"),
        TlsProtocol => tls("tls.protocol", 35, "the TLS connection failed"),
        Protocol(error) => protocol(error.code(), 8, error.sentence()),
        // curl(1) has no code for a wrong checksum. Who minds 18 throws away what came and asks
        // again.
        Truncated { .. } => protocol(of_stage!(code stage, "truncated"), 18,
            "the connection ended {before the body was complete}"),
        Coding(problem) => coding(*problem),
        Checksum(_) =>
            protocol("body.checksum", 18, "the file does not have the expected checksum"),
        // CURLE_RANGE_ERROR
        Range => protocol("http.range", 33,
            "the server did not send the part of the file that was asked for"),
        // As a wrong checksum.
        Changed => protocol("http.changed", 18, "the file changed on the server meanwhile"),
        TooLarge { .. } =>
            protocol("body.too_large", 63, "the body is larger than {}--max-filesize"),
        Status(code) =>
            status("http.status", 22, *code, "the server answered {with an error status}"),
        RetryAfterTooLong { .. } => status("http.retry_after", 22, 0,
            "the server asks for a wait{} longer than --retry-after-max"),
        HostRefuses => status("http.host_busy", 22, 0,
            "the host refuses all requests; this URL was not tried"),
        Redirects { .. } => protocol("http.redirects", 47, "more redirects than {}--max-redirs"),
        Location => protocol("http.location", 8, "the redirect has no usable Location"),
        // `--proto-redir` forbids the scheme: CURLE_UNSUPPORTED_PROTOCOL.
        Downgrade => protocol("http.downgrade", 1,
            "the redirect leads from https to http (--allow-downgrade)"),
        // CURLE_ABORTED_BY_CALLBACK: it was our own decision. Rows that are skipped add nothing
        // to the exit status.
        DuplicateUrl => seen("dedupe.url", "an earlier line has this URL"),
        DuplicateBody => seen("dedupe.content", "another line has this body"),
        RobotsDisallowed => status("robots.disallowed", 42, 0, "robots.txt disallows this URL"),
        RobotsTag => status("robots.tag", 42, 0,
            "the X-Robots-Tag of the response asks robots not to use it"),
        RobotsUnreachable => network("robots.unreachable", 22,
            "robots.txt could not be fetched, so nothing is permitted"),
        // CURLE_RECV_ERROR ("CONNECT tunnel failed") and CURLE_PROXY.
        ProxyStatus(code) => status("connect.proxy_status", 56, *code,
            "the proxy answered {with an error status}"),
        Socks(_) => network("connect.socks", 97, "the proxy did not connect{}"),
        ProxyAuth => status("connect.proxy_auth", 97, 407, "the proxy requires other credentials"),
        ProxyProtocol => protocol("connect.proxy_protocol", 97,
            "the proxy does not speak HTTP or SOCKS 5"),
        Disk(problem) => problem.facts(),
        Resources(_) => local("run.resources", curl,
            "this machine is out of {memory or file descriptors}"),
        Interrupted => row("run.interrupted", 42, ExitStatus::Stopped,
            "the run ended before this URL was done"),
        Panic => row("run.panic", 2, ExitStatus::Internal,
            "internal error (a bug in ringpull; please report it)"),
    }
}

/// The row of what the list, or the archive, has already.
const fn seen(code: &'static str, sentence: &'static str) -> Facts {
    row(code, 42, ExitStatus::Success, sentence)
}

/// The row of a body that cannot be decoded. Three problems are one kind of failure to those who
/// compare codes.
fn coding(problem: CodingProblem) -> Facts {
    match problem {
        CodingProblem::Damaged | CodingProblem::EndsEarly | CodingProblem::Garbage => {
            protocol("body.coding", 61, "{the body is not valid gzip data}")
        }
        CodingProblem::Bomb => {
            protocol("body.bomb", 61, "the body decodes to far more than was received")
        }
    }
}

impl InputProblem {
    fn facts(self) -> Facts {
        let line = |code, sentence| row(code, 3, ExitStatus::Usage, sentence);
        match self {
            Self::LineTooLong => line("input.line_too_long", "the input line is too long"),
            Self::NotUtf8 => line("input.not_utf8", "the input line is not valid UTF-8"),
            Self::Url => line("input.url", "the input line is not a URL"),
            Self::Scheme => {
                Facts { curl: 1, ..line("input.scheme", "the URL is neither http nor https") }
            }
            Self::Control => line("input.control", "the URL contains a control character"),
            Self::Backslash => line("input.backslash", "the URL contains a backslash"),
            Self::HostEmpty => line("input.host_empty", "the URL has no host"),
            Self::HostPercent => {
                line("input.host_percent", "the host in the URL contains a percent sign")
            }
            Self::Host => line("input.host", "the host in the URL is not a name or an address"),
            Self::Port => line("input.port", "the port in the URL is not a number from 1 to 65535"),
            Self::Userinfo => {
                line("input.userinfo", "the user name or password in the URL cannot be sent")
            }
            Self::Name => Facts {
                curl: 23,
                ..line("input.name", "the file name is empty or leaves the directory")
            },
            Self::Option => line("input.option", "the option line is unknown or malformed"),
            Self::Checksum => line("input.checksum", "the checksum is malformed"),
            Self::Record => line(
                "input.record",
                "the line is not a row of the table or a JSON object with a URL",
            ),
        }
    }
}

impl CertificateProblem {
    fn facts(self) -> Facts {
        match self {
            Self::Expired => tls("tls.expired", 60, "the server's certificate has expired"),
            Self::NotYetValid => {
                tls("tls.not_yet_valid", 60, "the server's certificate is not valid yet")
            }
            Self::UnknownIssuer => tls(
                "tls.unknown_issuer",
                60,
                "the server's certificate has an unknown issuer (--cacert)",
            ),
            Self::WrongName => {
                tls("tls.wrong_name", 60, "the server's certificate is for another host")
            }
            Self::Pin => tls("tls.pin", 90, "the server's public key is not one of --pinnedpubkey"),
            Self::Other => tls("tls.certificate", 60, "the server's certificate was not accepted"),
        }
    }
}

impl DiskProblem {
    fn facts(self) -> Facts {
        let disk = |code, sentence| local(code, 23, sentence);
        match self {
            Self::NoSpace => disk("disk.enospc", "the disk is full"),
            Self::Quota => disk("disk.edquot", "the disk quota is used up"),
            Self::FileTooLarge => {
                disk("disk.efbig", "the file is too large for the file system or the process")
            }
            Self::ReadOnly => disk("disk.erofs", "the file system is read-only"),
            Self::Denied => disk("disk.denied", "permission denied"),
            Self::NoDirectory => {
                disk("disk.no_directory", "the directory, or the temporary file in it, is gone")
            }
            Self::NotAFile => {
                disk("disk.not_a_file", "the name is taken by something that is not a file")
            }
            Self::Exists => disk("disk.exists", "the file exists already"),
            Self::InUse => disk("disk.in_use", "the run itself needs the file or folder there"),
            Self::Locked => disk("disk.locked", "another run is writing the file"),
            Self::Name => disk("disk.name", "the file system refuses the name"),
            Self::Io => disk("disk.eio", "the disk failed (input/output error)"),
            Self::Lost => disk(
                DISK_LOST,
                "the file is not as its row says, or may not have survived a power loss",
            ),
            Self::Other(_) => disk("disk.other", "{the file could not be written}"),
        }
    }
}

/// Code of [`DiskProblem::Lost`], by which the next run knows such a row.
pub const DISK_LOST: &str = "disk.lost";

/// Every cause once for each of its problems, with 0 for what is measured.
pub fn every_cause() -> impl Iterator<Item = Cause> {
    let plain = [
        Cause::NameNotFound,
        Cause::ResolveFailed,
        Cause::Timeout,
        Cause::JobTimeout,
        Cause::TooSlow,
        Cause::PrivateAddress,
        Cause::Refused,
        Cause::Unreachable,
        Cause::HostDown,
        Cause::Reset,
        Cause::Closed,
        Cause::Socket(0),
        Cause::ClientCertificate,
        Cause::TlsProtocol,
        Cause::Truncated { got: 0, want: None },
        Cause::Range,
        Cause::Changed,
        Cause::TooLarge { limit: 0 },
        Cause::Status(0),
        Cause::RetryAfterTooLong { seconds: 0 },
        Cause::HostRefuses,
        Cause::Redirects { limit: 0 },
        Cause::Location,
        Cause::Downgrade,
        Cause::DuplicateUrl,
        Cause::DuplicateBody,
        Cause::RobotsDisallowed,
        Cause::RobotsTag,
        Cause::RobotsUnreachable,
        Cause::ProxyStatus(0),
        Cause::Socks(0),
        Cause::ProxyAuth,
        Cause::ProxyProtocol,
        Cause::Resources(0),
        Cause::Interrupted,
        Cause::Panic,
    ];
    let input = InputProblem::ALL.map(Cause::Input);
    let certificate = CertificateProblem::ALL.map(Cause::Certificate);
    let protocol = ProtocolError::ALL.map(Cause::Protocol);
    let coding = CodingProblem::ALL.map(Cause::Coding);
    let checksum = [WrongDigest::First, WrongDigest::Again].map(Cause::Checksum);
    let disk = DiskProblem::ALL.map(Cause::Disk);
    let problems = input.into_iter().chain(certificate).chain(protocol);
    plain.into_iter().chain(problems).chain(coding).chain(checksum).chain(disk)
}

const fn row(code: &'static str, curl: u8, exit: ExitStatus, sentence: &'static str) -> Facts {
    Facts { code, curl, exit, sentence: Sentence(sentence) }
}

const fn network(code: &'static str, curl: u8, sentence: &'static str) -> Facts {
    row(code, curl, ExitStatus::Network, sentence)
}

const fn tls(code: &'static str, curl: u8, sentence: &'static str) -> Facts {
    row(code, curl, ExitStatus::Tls, sentence)
}

const fn protocol(code: &'static str, curl: u8, sentence: &'static str) -> Facts {
    row(code, curl, ExitStatus::Protocol, sentence)
}

/// The row of an answer with this status code, or of one that stands for many (0).
fn status(code: &'static str, curl: u8, status: u16, sentence: &'static str) -> Facts {
    row(code, curl, ExitStatus::of_response(status), sentence)
}

const fn local(code: &'static str, curl: u8, sentence: &'static str) -> Facts {
    row(code, curl, ExitStatus::LocalFile, sentence)
}
