//! Every cause with its code, curl's exit code, exit class and text.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// One row for every cause and inner problem; causes whose code names the stage have a row for each
/// stage they are met in.
const TABLE: &str = "\
input.line_too_long 3 2 the input line is too long
input.not_utf8 3 2 the input line is not valid UTF-8
input.url 3 2 the input line is not a URL
input.scheme 1 2 the URL is neither http nor https
input.control 3 2 the URL contains a control character
input.backslash 3 2 the URL contains a backslash
input.host_empty 3 2 the URL has no host
input.host_percent 3 2 the host in the URL contains a percent sign
input.host 3 2 the host in the URL is not a name or an address
input.port 3 2 the port in the URL is not a number from 1 to 65535
input.userinfo 3 2 the user name or password in the URL cannot be sent
input.name 23 2 the file name is empty or leaves the directory
input.option 3 2 the option line is unknown or malformed
input.checksum 3 2 the checksum is malformed
input.record 3 2 the line is not a row of the table or a JSON object with a URL
resolve.not_found 6 4 the host name does not exist
resolve.failed 6 4 the host name could not be looked up
resolve.timeout 28 4 timed out while looking up the host
connect.timeout 28 4 timed out while connecting
tls.timeout 28 4 timed out while setting up TLS
send.timeout 28 4 timed out while sending the request
head.timeout 28 4 timed out while waiting for the response
body.timeout 28 4 timed out while reading the body
job.timeout 28 4 the job took longer than --max-time
body.too_slow 28 4 the body came in slower than --speed-limit allows
connect.private 7 4 the host has no public address (--no-private)
connect.refused 7 4 connection refused (nothing listens there)
connect.unreachable 7 4 the host cannot be reached
connect.host_down 7 4 the host is down; this URL was not tried
connect.reset 7 4 connection reset while connecting
tls.reset 35 4 connection reset while setting up TLS
send.reset 55 4 connection reset while sending the request
head.reset 56 4 connection reset while waiting for the response
body.reset 56 4 connection reset while reading the body
tls.closed 35 4 the peer closed the connection while setting up TLS
send.closed 55 4 the peer closed the connection while sending the request
head.empty 52 4 the peer closed the connection without an answer
connect.socket 7 4 {os error 22} while connecting
tls.expired 60 5 the server's certificate has expired
tls.not_yet_valid 60 5 the server's certificate is not valid yet
tls.unknown_issuer 60 5 the server's certificate has an unknown issuer (--cacert)
tls.wrong_name 60 5 the server's certificate is for another host
tls.pin 90 5 the server's public key is not one of --pinnedpubkey
tls.certificate 60 5 the server's certificate was not accepted
tls.client_certificate 98 5 the server asks for a client certificate (--cert, --key)
tls.protocol 35 5 the TLS connection failed
http.version 8 7 the response is not HTTP/1.0 or HTTP/1.1
http.status_line 8 7 the status line is malformed
http.field_name 8 7 a header field name is malformed
http.field_value 8 7 a header field value contains a control character
http.line 8 7 a header line is malformed
http.head_too_large 8 7 the response head is too large
http.head_fields_too_many 8 7 the response head has too many fields
http.interim_too_many 8 7 the server sent too many interim (1xx) responses
http.switching_protocols 8 7 the server switched protocols unasked (101)
http.transfer_encoding 8 7 the transfer coding is not chunked
http.content_length 8 7 the Content-Length is not a number below 2^63
http.content_lengths_differ 8 7 the Content-Length values differ
http.chunk_size 8 7 a chunk size is malformed
http.chunk_size_too_large 8 7 a chunk size is 2^63 or more
http.chunk_extension_too_large 8 7 the chunk extensions are too large
http.chunk_end 8 7 chunk data is not followed by CR LF
http.trailer 8 7 the trailer section is malformed or too large
head.truncated 18 7 the connection ended early, after 9 bytes
body.truncated 18 7 the connection ended after 9 of 10 bytes
body.coding 61 7 the gzip data of the body is damaged
body.coding 61 7 the gzip data of the body ends early
body.coding 61 7 the gzip data of the body is followed by something else
body.bomb 61 7 the body decodes to far more than was received
body.checksum 18 7 the file does not have the expected checksum
body.checksum 18 7 the file does not have the expected checksum
http.range 33 7 the server did not send the part of the file that was asked for
http.changed 18 7 the file changed on the server meanwhile
body.too_large 63 7 the body is larger than the 1024 bytes of --max-filesize
http.status 22 6 the server answered 401
http.status 22 6 the server answered 407
http.status 22 8 the server answered 404
http.retry_after 22 8 the server asks for a wait of 86400 s, longer than --retry-after-max
http.host_busy 22 8 the host refuses all requests; this URL was not tried
http.redirects 47 7 more redirects than the 20 of --max-redirs
http.location 8 7 the redirect has no usable Location
http.downgrade 1 7 the redirect leads from https to http (--allow-downgrade)
dedupe.url 42 0 an earlier line has this URL
dedupe.content 42 0 another line has this body
robots.disallowed 42 8 robots.txt disallows this URL
robots.tag 42 8 the X-Robots-Tag of the response asks robots not to use it
robots.unreachable 22 4 robots.txt could not be fetched, so nothing is permitted
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
connect.proxy_auth 97 6 the proxy requires other credentials
connect.proxy_protocol 97 7 the proxy does not speak HTTP or SOCKS 5
disk.enospc 23 3 the disk is full
disk.edquot 23 3 the disk quota is used up
disk.efbig 23 3 the file is too large for the file system or the process
disk.erofs 23 3 the file system is read-only
disk.denied 23 3 permission denied
disk.no_directory 23 3 the directory, or the temporary file in it, is gone
disk.not_a_file 23 3 the name is taken by something that is not a file
disk.exists 23 3 the file exists already
disk.in_use 23 3 the run itself needs the file or folder there
disk.locked 23 3 another run is writing the file
disk.name 23 3 the file system refuses the name
disk.eio 23 3 the disk failed (input/output error)
disk.lost 23 3 the file is not as its row says, or may not have survived a power loss
disk.other 23 3 {os error 40}
run.resources 7 3 this machine is out of file descriptors while connecting
run.resources 23 3 this machine is out of memory while writing the file
run.interrupted 42 9 the run ended before this URL was done
run.panic 2 1 internal error (a bug in ringpull; please report it)
";

#[test]
fn every_cause_has_its_row() {
    let mut actual = String::new();
    for fault in every_fault() {
        let Facts { code, curl, exit, .. } = fault.facts();
        actual += &format!("{code} {curl} {} {fault}\n", exit.number());
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
    for stage in Stage::ALL {
        for fault in every_fault() {
            let name = kind(&fault.cause);
            let fault = Fault::new(stage, fault.cause);
            let owner = owners.entry(fault.code()).or_insert_with(|| name.clone());
            assert_eq!(*owner, name, "{} belongs to two causes", fault.code());
        }
    }
}

#[test]
fn a_code_leads_back_to_its_cause() {
    for fault in every_fault() {
        let back = Fault::by_code(fault.code()).expect("a known code");
        assert_eq!(back.code(), fault.code());
        assert_eq!(kind(&back.cause), kind(&fault.cause), "{}", fault.code());
        let (now, then) = (fault.facts(), back.facts());
        assert_eq!(then.sentence, now.sentence, "{}", fault.code());
        if !matches!(fault.cause, Cause::Status(_) | Cause::ProxyStatus(_)) {
            assert_eq!(then.exit, now.exit, "{}", fault.code());
        }
    }
    for code in ["", "head", "head.", "head.new", "new.timeout", "http.status "] {
        assert_eq!(Fault::by_code(code), None, "{code}");
    }
}

#[test]
fn every_cause_has_its_code() {
    // What a fault says of itself begins with the name of its variant.
    let listed = |all: Vec<String>| -> BTreeSet<String> {
        all.iter().map(|name| name.split([' ', '(']).next().unwrap().to_owned()).collect()
    };
    let names = |all: &[&dyn fmt::Debug]| listed(all.iter().map(|x| format!("{x:?}")).collect());
    let fault = include_str!("../fault.rs");
    let causes = every_cause().map(|cause| format!("{cause:?}")).collect();
    assert_eq!(listed(causes), variants(fault, "Cause"));
    assert_eq!(names(&Stage::ALL.each_ref().map(|x| x as _)), variants(fault, "Stage"));
    let all = InputProblem::ALL;
    assert_eq!(names(&all.each_ref().map(|x| x as _)), variants(fault, "InputProblem"));
    let all = CertificateProblem::ALL;
    assert_eq!(names(&all.each_ref().map(|x| x as _)), variants(fault, "CertificateProblem"));
    let all = DiskProblem::ALL;
    assert_eq!(names(&all.each_ref().map(|x| x as _)), variants(fault, "DiskProblem"));
    let all = CodingProblem::ALL;
    let coding = include_str!("../http/coding.rs");
    assert_eq!(names(&all.each_ref().map(|x| x as _)), variants(coding, "CodingProblem"));
    let all = ProtocolError::ALL;
    let http = include_str!("../http/mod.rs");
    assert_eq!(names(&all.each_ref().map(|x| x as _)), variants(http, "ProtocolError"));
}

#[test]
fn codes_are_plain_words() {
    for stage in Stage::ALL {
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
    assert_eq!(fault.to_string(), r"the TLS connection failed: alert \u{1b}[31m\u{202e}é");
    let fault = Fault::new(Stage::Tls, Cause::TlsProtocol).with_detail("x".repeat(10_000));
    assert!(fault.to_string().len() < limits::DETAIL_BYTES_MAX + 64);
    let fault = Fault::input(InputProblem::Url, "line 3: \"x\": write https://x");
    assert_eq!(fault.to_string(), "line 3: \"x\": write https://x");
}

/// Names of the variants of an enumeration, from its source.
fn variants(source: &str, name: &str) -> BTreeSet<String> {
    let (_, body) = source.split_once(&format!("pub enum {name} {{\n")).expect("an enumeration");
    let (body, _) = body.split_once("\n}").expect("the end of it");
    let name = |line: &str| {
        let line = line.strip_prefix("    ")?.chars();
        let name: String = line.take_while(char::is_ascii_alphanumeric).collect();
        name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
    };
    body.lines().filter_map(name).collect()
}

/// The cause by name, what it measured left out.
fn kind(cause: &Cause) -> String {
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
    for problem in InputProblem::ALL {
        add(&[Stage::Input], Cause::Input(problem));
    }
    add(&[Stage::Resolve], Cause::NameNotFound);
    add(&[Stage::Resolve], Cause::ResolveFailed);
    add(&Stage::ALL[1..7], Cause::Timeout);
    add(&[Stage::Body], Cause::JobTimeout);
    add(&[Stage::Body], Cause::TooSlow);
    add(&[Stage::Connect], Cause::PrivateAddress);
    add(&[Stage::Connect], Cause::Refused);
    add(&[Stage::Connect], Cause::Unreachable);
    add(&[Stage::Connect], Cause::HostDown);
    add(&Stage::ALL[2..7], Cause::Reset);
    add(&Stage::ALL[3..6], Cause::Closed);
    add(&[Stage::Connect], Cause::Socket(22));
    for problem in CertificateProblem::ALL {
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
    for problem in CodingProblem::ALL {
        add(&[Stage::Body], Cause::Coding(problem));
    }
    for wrong in [WrongDigest::First, WrongDigest::Again] {
        add(&[Stage::Body], Cause::Checksum(wrong));
    }
    add(&[Stage::Head], Cause::Range);
    add(&[Stage::Head], Cause::Changed);
    add(&[Stage::Body], Cause::TooLarge { limit: 1_024 });
    for status in [401, 407, 404] {
        add(&[Stage::Head], Cause::Status(status));
    }
    add(&[Stage::Head], Cause::RetryAfterTooLong { seconds: 86_400 });
    add(&[Stage::Head], Cause::HostRefuses);
    add(&[Stage::Head], Cause::Redirects { limit: 20 });
    add(&[Stage::Head], Cause::Location);
    add(&[Stage::Head], Cause::Downgrade);
    add(&[Stage::Connect], Cause::DuplicateUrl);
    add(&[Stage::Write], Cause::DuplicateBody);
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
    for problem in DiskProblem::ALL {
        let problem = match problem {
            DiskProblem::Other(_) => DiskProblem::Other(40),
            known => known,
        };
        add(&[Stage::Write], Cause::Disk(problem));
    }
    add(&[Stage::Connect], Cause::Resources(24));
    add(&[Stage::Write], Cause::Resources(12));
    add(&[Stage::Body], Cause::Interrupted);
    add(&[Stage::Body], Cause::Panic);
}
