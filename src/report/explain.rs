//! Each kind of failure in plain words, for people who do not know the codes.

use crate::fault::{
    Cause, CertificateProblem, CodingProblem, DiskProblem, Fault, InputProblem, Stage,
};

/// What went wrong, in one line without the particulars of the one fault.
pub fn explain(fault: &Fault) -> &'static str {
    match &fault.cause {
        Cause::Input(problem) => explain_input(*problem),
        Cause::NameNotFound => "the host name does not exist",
        Cause::ResolveFailed => "the name server gave no answer",
        Cause::Timeout => explain_timeout(fault.stage),
        Cause::JobTimeout => "the job took longer than --max-time",
        Cause::TooSlow => "the body came in slower than --speed-limit",
        Cause::PrivateAddress => "the server's address is private, which --no-private refuses",
        Cause::Refused => "nothing listens at that port of the server",
        Cause::Unreachable => "there is no route to the server",
        Cause::HostDown => "the server was given up after failing too often (--host-fail-limit)",
        Cause::Reset => "the server broke the connection off",
        Cause::Closed => "the server closed the connection without an answer",
        Cause::Socket(_) => "the connection failed for another reason",
        Cause::Certificate(problem) => explain_certificate(*problem),
        Cause::ClientCertificate => "the server asks for a client certificate (--cert, --key)",
        Cause::TlsProtocol => "no secure connection could be agreed on",
        Cause::Protocol(_) => "the server's answer is not valid HTTP/1.1",
        Cause::Truncated { .. } => "the body ended before its announced end",
        Cause::Coding(CodingProblem::Bomb) => "the body decodes to far more than was received",
        Cause::Coding(
            CodingProblem::Damaged | CodingProblem::EndsEarly | CodingProblem::Garbage,
        ) => "the body is not the gzip data it claims to be",
        Cause::Checksum(_) => "the file has another checksum than the list says",
        Cause::TooLarge { .. } => "the body is larger than --max-filesize",
        Cause::Status(_) => "the server answered with a status that is a failure",
        Cause::RetryAfterTooLong { .. } => "the server asks for a longer wait than allowed",
        Cause::HostRefuses => "the server refused everything for longer than --retry-after-max",
        Cause::Redirects { .. } => "more redirects than --max-redirs",
        Cause::Location => "a redirect that does not say where to",
        Cause::Downgrade => "a redirect from https to http, which is not allowed",
        Cause::RobotsDisallowed => "robots.txt does not permit it to robots (--robots)",
        Cause::RobotsTag => "the server's X-Robots-Tag asks robots not to use it",
        Cause::RobotsUnreachable => "robots.txt could not be had, so nothing is permitted",
        Cause::ProxyAuth => "the proxy asks for other credentials",
        Cause::ProxyStatus(_) => "the proxy did not let the connection through",
        Cause::Socks(_) => "the proxy could not connect to the server",
        Cause::ProxyProtocol => "what answers as a proxy is none of that kind",
        Cause::Disk(problem) => explain_disk(*problem),
        Cause::Resources(_) => "this machine is out of memory or file descriptors",
        Cause::Interrupted => "the run was interrupted first",
        Cause::Panic => "a bug in ringpull; please report it",
    }
}

fn explain_input(problem: InputProblem) -> &'static str {
    match problem {
        InputProblem::LineTooLong => "the input line is too long",
        InputProblem::NotUtf8 => "the input line is not UTF-8",
        InputProblem::Url => "the input line is no URL",
        InputProblem::Scheme => "only http and https URLs can be pulled",
        InputProblem::Control => "the URL holds a control character",
        InputProblem::Backslash => "the URL holds a backslash",
        InputProblem::HostEmpty => "the URL has no host",
        InputProblem::HostPercent => "the URL's host holds a percent sign",
        InputProblem::Host => "the URL has no usable host",
        InputProblem::Port => "the URL's port is not a number from 1 to 65535",
        InputProblem::Userinfo => "the URL's user or password cannot be sent",
        InputProblem::Name => "the file name is empty or leaves the directory",
        InputProblem::Option => "an option line is unknown or malformed",
        InputProblem::Checksum => "the checksum cannot be read",
        InputProblem::Record => "the line is no row of its table, or broken JSON",
    }
}

fn explain_timeout(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "the name server did not answer in time",
        Stage::Connect => "the server did not accept the connection in time",
        Stage::Tls => "the TLS handshake was not done in time",
        Stage::Input | Stage::Send | Stage::Head => "the server did not answer in time",
        Stage::Body => "the body stopped coming",
        Stage::Write => "the file was not written in time",
    }
}

fn explain_certificate(problem: CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::Expired => "the server's certificate has expired",
        CertificateProblem::NotYetValid => "the server's certificate is not valid yet",
        CertificateProblem::UnknownIssuer => {
            "nobody trusted here vouches for the server's certificate (--cacert)"
        }
        CertificateProblem::WrongName => "the server's certificate is for another host",
        CertificateProblem::Pin => "the server's key is none of --pinnedpubkey",
        CertificateProblem::Other => "the server's certificate was not accepted",
    }
}

fn explain_disk(problem: DiskProblem) -> &'static str {
    match problem {
        DiskProblem::NoSpace => "the disk is full",
        DiskProblem::Quota => "the disk quota is used up",
        DiskProblem::FileTooLarge => "the file is too large for its file system",
        DiskProblem::ReadOnly => "the file system is read-only",
        DiskProblem::Denied => "the file may not be written",
        DiskProblem::NoDirectory => "the directory, or the temporary file in it, is not there",
        DiskProblem::NotAFile => "the file's name is taken by something that is no file",
        DiskProblem::Exists => "the file exists already",
        DiskProblem::InUse => "the file would replace one that the run itself needs",
        DiskProblem::Name => "the file system refuses the file's name",
        DiskProblem::Io => "the disk failed",
        DiskProblem::Lost => "the file may be lost",
        DiskProblem::Other(_) => "the file could not be written",
    }
}
