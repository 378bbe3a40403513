//! What a row of an earlier run says of its failure: only its code and the status are known.

use super::{Class, class};
use crate::exit::ExitStatus;
use crate::fault::{Cause, Fault};

/// What a failed row adds to the exit status, and whether another run may well succeed.
///
/// A later run is a longer wait than that between two attempts, so that [`Class::Later`] is as good
/// as [`Class::Transient`].
pub fn of_row(error_code: &str, response_code: u16) -> (ExitStatus, bool) {
    let Some(mut fault) = Fault::by_code(error_code) else { return of_unknown(error_code) };
    if let Cause::Status(status) | Cause::ProxyStatus(status) = &mut fault.cause {
        *status = response_code;
    }
    (fault.facts().exit, class(&fault.cause) != Class::Permanent)
}

/// Exit status and chance of another attempt for a code that this version does not know: its first
/// part says what it is about, or its word is one that is known of other stages.
fn of_unknown(error_code: &str) -> (ExitStatus, bool) {
    let (subject, word) = error_code.split_once('.').unwrap_or((error_code, ""));
    match subject {
        "input" => (ExitStatus::Usage, false),
        "run" => (ExitStatus::Internal, false),
        "disk" => (ExitStatus::LocalFile, false),
        "resolve" | "connect" | "send" | "job" => (ExitStatus::Network, true),
        "tls" => (ExitStatus::Tls, false),
        _ => match Fault::by_code(&format!("body.{word}")) {
            Some(fault) => (fault.facts().exit, class(&fault.cause) != Class::Permanent),
            None => (ExitStatus::Protocol, false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::tests::every_fault;

    /// Codes that another run may well get rid of, though another attempt would not.
    const LATER: [&str; 10] = [
        "body.checksum",
        "http.range",
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
        for fault in every_fault() {
            let status = match fault.cause {
                Cause::Status(status) | Cause::ProxyStatus(status) => status,
                _ => 0,
            };
            let (exit, is_transient) = of_row(fault.code(), status);
            assert_eq!(exit, fault.facts().exit, "{}", fault.code());
            let is_later = LATER.contains(&fault.code());
            let expected = is_later || class(&fault.cause) == Class::Transient;
            assert_eq!(is_transient, expected, "{}", fault.code());
        }
    }

    #[test]
    fn statuses_and_codes_of_other_versions() {
        for (code, status, expected) in [
            ("http.status", 503, (ExitStatus::Status, true)),
            ("http.status", 404, (ExitStatus::Status, false)),
            ("http.status", 401, (ExitStatus::Auth, false)),
            ("connect.host_down", 0, (ExitStatus::Network, true)),
            ("resolve.new", 0, (ExitStatus::Network, true)),
            ("new.timeout", 0, (ExitStatus::Network, true)),
            ("new.word", 0, (ExitStatus::Protocol, false)),
            ("", 0, (ExitStatus::Protocol, false)),
        ] {
            assert_eq!(of_row(code, status), expected, "{code} {status}");
        }
    }
}
