//! Every cause with its code, curl's exit code, exit class and text.

use super::*;
use std::collections::BTreeMap;
use std::io;

const STAGES: [Stage; 8] = [
    Stage::Input,
    Stage::Resolve,
    Stage::Connect,
    Stage::Tls,
    Stage::Send,
    Stage::Head,
    Stage::Body,
    Stage::Write,
];

/// One row for every cause and inner problem; causes whose code names the stage have a row for each
/// stage they are met in.
const TABLE: &str = "\
input.line_too_long 3 2 the input line is too long
input.not_utf8 3 2 the input line is not valid UTF-8
input.url 3 2 the input line is no URL
input.scheme 1 2 the URL is neither http nor https
input.control 3 2 the URL holds a control character
input.backslash 3 2 the URL holds a backslash
input.host_empty 3 2 the host of the URL is empty
input.host_percent 3 2 the host of the URL holds a percent sign
input.host 3 2 the host of the URL is not usable
input.port 3 2 the port of the URL is not a number from 1 to 65535
input.userinfo 3 2 the user information of the URL cannot be sent
input.name 23 2 the file name is empty or leaves the directory
input.option 3 2 the option line is unknown or malformed
input.checksum 3 2 the checksum is malformed
input.record 3 2 the line is no row of its table or no JSON object with a URL
resolve.not_found 6 4 the host name does not exist
resolve.failed 6 4 the host name could not be looked up
resolve.timeout 28 4 timed out while looking up the host
connect.timeout 28 4 timed out while connecting
tls.timeout 28 4 timed out while setting up TLS
send.timeout 28 4 timed out while sending the request
head.timeout 28 4 timed out while waiting for the response head
body.timeout 28 4 timed out while reading the body
job.timeout 28 4 the time for the whole job is over
body.too_slow 28 4 the body came in slower than --speed-limit allows
connect.private 7 4 the host has no public address
connect.refused 7 4 connection refused
connect.unreachable 7 4 the host cannot be reached
connect.host_down 7 4 the host is down; this URL was not tried
connect.reset 7 4 connection reset while connecting
tls.reset 35 4 connection reset while setting up TLS
send.reset 55 4 connection reset while sending the request
head.reset 56 4 connection reset while waiting for the response head
body.reset 56 4 connection reset while reading the body
tls.closed 35 4 the peer closed the connection while setting up TLS
send.closed 55 4 the peer closed the connection while sending the request
head.empty 52 4 the peer closed the connection while waiting for the response head
connect.socket 7 4 {os error 22} while connecting
tls.expired 60 5 the certificate has expired
tls.not_yet_valid 60 5 the certificate is not valid yet
tls.unknown_issuer 60 5 the certificate has an unknown issuer
tls.wrong_name 60 5 the certificate is for another host
tls.pin 90 5 the public key is none of --pinnedpubkey
tls.certificate 60 5 the certificate was not accepted
tls.client_certificate 98 5 the server asks for a client certificate (--cert, --key)
tls.protocol 35 5 TLS failed
http.version 8 7 the server broke HTTP/1.1 (http.version)
http.status_line 8 7 the server broke HTTP/1.1 (http.status_line)
http.field_name 8 7 the server broke HTTP/1.1 (http.field_name)
http.field_value 8 7 the server broke HTTP/1.1 (http.field_value)
http.line 8 7 the server broke HTTP/1.1 (http.line)
http.head_too_large 8 7 the server broke HTTP/1.1 (http.head_too_large)
http.head_fields_too_many 8 7 the server broke HTTP/1.1 (http.head_fields_too_many)
http.interim_too_many 8 7 the server broke HTTP/1.1 (http.interim_too_many)
http.switching_protocols 8 7 the server broke HTTP/1.1 (http.switching_protocols)
http.transfer_encoding 8 7 the server broke HTTP/1.1 (http.transfer_encoding)
http.content_length 8 7 the server broke HTTP/1.1 (http.content_length)
http.content_lengths_differ 8 7 the server broke HTTP/1.1 (http.content_lengths_differ)
http.chunk_size 8 7 the server broke HTTP/1.1 (http.chunk_size)
http.chunk_size_too_large 8 7 the server broke HTTP/1.1 (http.chunk_size_too_large)
http.chunk_extension_too_large 8 7 the server broke HTTP/1.1 (http.chunk_extension_too_large)
http.chunk_end 8 7 the server broke HTTP/1.1 (http.chunk_end)
http.trailer 8 7 the server broke HTTP/1.1 (http.trailer)
head.truncated 18 7 the connection ended early, after 9 bytes
body.truncated 18 7 the connection ended after 9 of 10 bytes
body.coding 61 7 the gzip data of the body is damaged
body.coding 61 7 the gzip data of the body ends early
body.coding 61 7 something other than gzip data follows that of the body
body.bomb 61 7 the body decodes to far more than was received
body.checksum 18 7 the file is not the one of the checksum
body.checksum 18 7 the file is not the one of the checksum
body.too_large 63 7 the body is larger than the 1024 bytes of --max-filesize
http.status 22 6 the server answered 401
http.status 22 6 the server answered 407
http.status 22 8 the server answered 404
http.retry_after 22 8 the server asks to come back in 86400 s, longer than allowed
http.host_busy 22 8 the host refuses all requests; this URL was not tried
http.redirects 47 7 more than 20 redirects
http.location 8 7 redirect without a usable Location
http.downgrade 1 7 redirect from https to http
robots.disallowed 42 8 robots.txt disallows it
robots.tag 42 8 the response asks robots not to use it
robots.unreachable 22 4 robots.txt could not be had
connect.proxy_status 56 6 the proxy answered 401
connect.proxy_status 56 6 the proxy answered 407
connect.proxy_status 56 8 the proxy answered 502
connect.socks 97 4 the proxy did not connect: general SOCKS server failure
connect.socks 97 4 the proxy did not connect: connection not allowed by ruleset
connect.socks 97 4 the proxy did not connect: network unreachable
connect.socks 97 4 the proxy did not connect: host unreachable
connect.socks 97 4 the proxy did not connect: connection refused
connect.socks 97 4 the proxy did not connect: TTL expired
connect.socks 97 4 the proxy did not connect: command not supported
connect.socks 97 4 the proxy did not connect: address type not supported
connect.socks 97 4 the proxy did not connect: an unknown SOCKS reply
connect.proxy_auth 97 6 the proxy did not accept the credentials
connect.proxy_protocol 97 7 the proxy broke its protocol
disk.enospc 23 3 no space left on the device
disk.edquot 23 3 the disk quota is used up
disk.efbig 23 3 the file is too large for the file system or the limit
disk.erofs 23 3 the file system is read-only
disk.denied 23 3 permission denied
disk.no_directory 23 3 no such directory, or its temporary file was removed
disk.not_a_file 23 3 the name is taken by something that is no file
disk.exists 23 3 the file exists
disk.in_use 23 3 the name is that of a file or folder that this run itself needs
disk.name 23 3 the file system refuses the name
disk.eio 23 3 input/output error of the device
disk.lost 23 3 the file may not have outlived a power loss or the loss of its disk
disk.other 23 3 {os error 40}
run.resources 7 3 this machine is out of file descriptors while connecting
run.resources 23 3 this machine is out of memory while writing the file
run.interrupted 42 9 interrupted
run.panic 2 1 internal error (a bug of ringpull)
";

#[test]
fn every_cause_has_its_row() {
    let mut actual = String::new();
    for fault in every_fault() {
        let (code, curl) = (fault.code(), fault.exit_code_curl());
        actual += &format!("{code} {curl} {} {fault}\n", fault.exit_status().number());
    }
    // The words of the system are its own, and nothing depends on them.
    let os = |errno| io::Error::from_raw_os_error(errno).to_string();
    let expected = TABLE.replace("{os error 22}", &os(22)).replace("{os error 40}", &os(40));
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual, expected);
}

#[test]
fn no_two_causes_share_a_code() {
    let mut owners: BTreeMap<&'static str, String> = BTreeMap::new();
    for stage in STAGES {
        for fault in every_fault() {
            let name = variant(&fault.cause);
            let fault = Fault::new(stage, fault.cause);
            let owner = owners.entry(fault.code()).or_insert_with(|| name.clone());
            assert_eq!(*owner, name, "{} belongs to two causes", fault.code());
        }
    }
}

#[test]
fn codes_are_plain_words() {
    for stage in STAGES {
        for fault in every_fault() {
            let code = Fault::new(stage, fault.cause).code();
            let (front, back) = code.split_once('.').expect("a code has a prefix");
            for part in [front, back] {
                assert!(!part.is_empty(), "{code}");
                assert!(
                    part.bytes().all(|b| b.is_ascii_lowercase() || b"_8".contains(&b)),
                    "{code}"
                );
            }
        }
    }
}

#[test]
fn details_are_safe_to_show() {
    let fault = Fault::new(Stage::Tls, Cause::TlsProtocol).with_detail("alert \x1b[31m\u{202e}é");
    assert_eq!(fault.to_string(), r"TLS failed: alert \u{1b}[31m\u{202e}é");
    let fault = Fault::new(Stage::Tls, Cause::TlsProtocol).with_detail("x".repeat(10_000));
    assert!(fault.to_string().len() < limits::DETAIL_BYTES_MAX + 64);
    let fault = Fault::input(InputProblem::Url, "line 3: \"x\": write https://x");
    assert_eq!(fault.to_string(), "line 3: \"x\": write https://x");
}

/// The cause by name, what it measured left out.
fn variant(cause: &Cause) -> String {
    match cause {
        Cause::Truncated { .. } => "Truncated".to_owned(),
        Cause::Checksum(_) => "Checksum".to_owned(),
        // These three are one kind of failure to those who compare codes.
        Cause::Coding(problem) if *problem != CodingProblem::Bomb => "Coding".to_owned(),
        cause => format!("{cause:?}").replace(|c: char| c.is_ascii_digit(), ""),
    }
}

/// Every cause in the stages that can have it, in the order of its declaration.
pub(crate) fn every_fault() -> Vec<Fault> {
    let mut faults = Vec::new();
    add_until_head(&mut faults);
    add_from_head(&mut faults);
    faults
}

fn add_until_head(faults: &mut Vec<Fault>) {
    let mut add = |stages: &[Stage], cause: Cause| {
        faults.extend(stages.iter().map(|stage| Fault::new(*stage, cause.clone())));
    };
    for problem in INPUT_PROBLEMS {
        add(&[Stage::Input], Cause::Input(problem));
    }
    add(&[Stage::Resolve], Cause::NameNotFound);
    add(&[Stage::Resolve], Cause::ResolveFailed);
    add(&STAGES[1..7], Cause::Timeout);
    add(&[Stage::Body], Cause::JobTimeout);
    add(&[Stage::Body], Cause::TooSlow);
    add(&[Stage::Connect], Cause::PrivateAddress);
    add(&[Stage::Connect], Cause::Refused);
    add(&[Stage::Connect], Cause::Unreachable);
    add(&[Stage::Connect], Cause::HostDown);
    add(&STAGES[2..7], Cause::Reset);
    add(&STAGES[3..6], Cause::Closed);
    add(&[Stage::Connect], Cause::Socket(22));
    for problem in [
        CertificateProblem::Expired,
        CertificateProblem::NotYetValid,
        CertificateProblem::UnknownIssuer,
        CertificateProblem::WrongName,
        CertificateProblem::Pin,
        CertificateProblem::Other,
    ] {
        add(&[Stage::Tls], Cause::Certificate(problem));
    }
    add(&[Stage::Tls], Cause::ClientCertificate);
    add(&[Stage::Tls], Cause::TlsProtocol);
}

fn add_from_head(faults: &mut Vec<Fault>) {
    let mut add = |stages: &[Stage], cause: Cause| {
        faults.extend(stages.iter().map(|stage| Fault::new(*stage, cause.clone())));
    };
    for error in ProtocolError::ALL {
        add(&[Stage::Head], Cause::Protocol(error));
    }
    add(&[Stage::Head], Cause::Truncated { got: 9, want: None });
    add(&[Stage::Body], Cause::Truncated { got: 9, want: Some(10) });
    for problem in [
        CodingProblem::Damaged,
        CodingProblem::EndsEarly,
        CodingProblem::Garbage,
        CodingProblem::Bomb,
    ] {
        add(&[Stage::Body], Cause::Coding(problem));
    }
    for wrong in [WrongDigest::First, WrongDigest::Again] {
        add(&[Stage::Body], Cause::Checksum(wrong));
    }
    add(&[Stage::Body], Cause::TooLarge { limit: 1_024 });
    for status in [401, 407, 404] {
        add(&[Stage::Head], Cause::Status(status));
    }
    add(&[Stage::Head], Cause::RetryAfterTooLong { seconds: 86_400 });
    add(&[Stage::Head], Cause::HostRefuses);
    add(&[Stage::Head], Cause::Redirects { limit: 20 });
    add(&[Stage::Head], Cause::Location);
    add(&[Stage::Head], Cause::Downgrade);
    add(&[Stage::Head], Cause::RobotsDisallowed);
    add(&[Stage::Head], Cause::RobotsTag);
    add(&[Stage::Head], Cause::RobotsUnreachable);
    for status in [401, 407, 502] {
        add(&[Stage::Connect], Cause::ProxyStatus(status));
    }
    for code in 1..=9 {
        add(&[Stage::Connect], Cause::Socks(code));
    }
    add(&[Stage::Connect], Cause::ProxyAuth);
    add(&[Stage::Connect], Cause::ProxyProtocol);
    for problem in DISK_PROBLEMS {
        add(&[Stage::Write], Cause::Disk(problem));
    }
    add(&[Stage::Connect], Cause::Resources(24));
    add(&[Stage::Write], Cause::Resources(12));
    add(&[Stage::Body], Cause::Interrupted);
    add(&[Stage::Body], Cause::Panic);
}

const INPUT_PROBLEMS: [InputProblem; 15] = [
    InputProblem::LineTooLong,
    InputProblem::NotUtf8,
    InputProblem::Url,
    InputProblem::Scheme,
    InputProblem::Control,
    InputProblem::Backslash,
    InputProblem::HostEmpty,
    InputProblem::HostPercent,
    InputProblem::Host,
    InputProblem::Port,
    InputProblem::Userinfo,
    InputProblem::Name,
    InputProblem::Option,
    InputProblem::Checksum,
    InputProblem::Record,
];

const DISK_PROBLEMS: [DiskProblem; 13] = [
    DiskProblem::NoSpace,
    DiskProblem::Quota,
    DiskProblem::FileTooLarge,
    DiskProblem::ReadOnly,
    DiskProblem::Denied,
    DiskProblem::NoDirectory,
    DiskProblem::NotAFile,
    DiskProblem::Exists,
    DiskProblem::InUse,
    DiskProblem::Name,
    DiskProblem::Io,
    DiskProblem::Lost,
    DiskProblem::Other(40),
];
