//! What a row of an earlier run says of its failure: only its code and the status are known.

use super::{Class, class_of_status};
use crate::exit::ExitStatus;

/// What a failed row adds to the exit status, and whether another run may well succeed.
///
/// A later run is a longer wait than that between two attempts, so it is [`Class::Transient`] in
/// more cases: names that did not exist, jobs that ran out of time, a full disk, a proxy that
/// refused. A code that this version does not know is judged by its first part.
pub fn of_row(error_code: &str, response_code: u16) -> (ExitStatus, Class) {
    use Class::{Permanent, Transient};
    let (subject, word) = error_code.split_once('.').unwrap_or((error_code, ""));
    match (subject, word) {
        ("input", _) => (ExitStatus::Usage, Permanent),
        ("http", "status") => {
            (ExitStatus::of_response(response_code), class_of_status(response_code))
        }
        ("http", "retry_after" | "host_busy") => (ExitStatus::Status, Transient),
        ("robots", "disallowed" | "tag") => (ExitStatus::Status, Permanent),
        ("run", "interrupted") => (ExitStatus::Stopped, Transient),
        ("run", "resources") => (ExitStatus::LocalFile, Transient),
        ("run", _) => (ExitStatus::Internal, Permanent),
        ("disk", "enospc" | "edquot") => (ExitStatus::LocalFile, Transient),
        ("disk", _) => (ExitStatus::LocalFile, Permanent),
        ("connect", "private") => (ExitStatus::Network, Permanent),
        ("connect", "proxy_auth") => (ExitStatus::Auth, Permanent),
        ("connect", "proxy_protocol") => (ExitStatus::Protocol, Permanent),
        ("connect", "proxy_status") => (ExitStatus::of_response(response_code), Transient),
        ("resolve" | "connect" | "send" | "job", _) => (ExitStatus::Network, Transient),
        (_, "timeout" | "too_slow" | "refused" | "unreachable") => (ExitStatus::Network, Transient),
        (_, "reset" | "closed" | "empty" | "socket") => (ExitStatus::Network, Transient),
        (_, "truncated" | "checksum") => (ExitStatus::Protocol, Transient),
        ("tls", _) => (ExitStatus::Tls, Permanent),
        (_, _) => (ExitStatus::Protocol, Permanent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::every_fault;
    use crate::fault::{Cause, WrongDigest};
    use crate::plan::retry::class;

    /// Codes that another run may well get rid of, though another attempt would not.
    const LATER: [&str; 9] = [
        "body.checksum",
        "resolve.not_found",
        "job.timeout",
        "http.retry_after",
        "run.interrupted",
        "disk.enospc",
        "disk.edquot",
        "connect.socks",
        "connect.proxy_status",
    ];

    #[test]
    fn a_row_says_of_every_cause_what_the_fault_says() {
        // A row tells of the last attempt, and that was the second with a wrong digest.
        let first = Cause::Checksum(WrongDigest::First);
        for fault in every_fault().into_iter().filter(|fault| fault.cause != first) {
            let status = match fault.cause {
                Cause::Status(status) | Cause::ProxyStatus(status) => status,
                _ => 0,
            };
            let (exit, again) = of_row(fault.code(), status);
            assert_eq!(exit, fault.exit_status(), "{}", fault.code());
            let later = LATER.contains(&fault.code());
            let expected = if later { Class::Transient } else { class(&fault.cause) };
            assert_eq!(again, expected, "{}", fault.code());
        }
    }

    #[test]
    fn statuses_and_codes_of_other_versions() {
        use Class::{Permanent, Transient};
        for (code, status, expected) in [
            ("http.status", 503, (ExitStatus::Status, Transient)),
            ("http.status", 404, (ExitStatus::Status, Permanent)),
            ("http.status", 401, (ExitStatus::Auth, Permanent)),
            ("connect.host_down", 0, (ExitStatus::Network, Transient)),
            ("resolve.new", 0, (ExitStatus::Network, Transient)),
            ("new.timeout", 0, (ExitStatus::Network, Transient)),
            ("new.word", 0, (ExitStatus::Protocol, Permanent)),
            ("", 0, (ExitStatus::Protocol, Permanent)),
        ] {
            assert_eq!(of_row(code, status), expected, "{code} {status}");
        }
    }
}
