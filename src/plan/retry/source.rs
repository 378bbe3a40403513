//! Which failures are about where a file was asked for.

use crate::fault::Cause;

/// Whether another source of the same file (a mirror) may do better after a failure. What is ours,
/// the run's or the proxy's to mend is no matter of a source.
pub fn is_of_source(cause: &Cause) -> bool {
    match cause {
        Cause::ResolveFailed
        | Cause::NameNotFound
        | Cause::Timeout
        | Cause::TooSlow
        | Cause::Refused
        | Cause::Unreachable
        | Cause::HostDown
        | Cause::HostRefuses
        | Cause::PrivateAddress
        | Cause::Reset
        | Cause::Closed
        | Cause::Socket(_)
        | Cause::Truncated { .. }
        | Cause::Certificate(_)
        | Cause::ClientCertificate
        | Cause::TlsProtocol
        | Cause::Checksum(_)
        | Cause::Changed
        | Cause::Range
        | Cause::Status(_)
        | Cause::RetryAfterTooLong { .. }
        // The proxy tells of the way from it to the source.
        | Cause::ProxyStatus(_)
        | Cause::Socks(_)
        | Cause::RobotsUnreachable
        | Cause::RobotsDisallowed
        | Cause::RobotsTag
        | Cause::Protocol(_)
        | Cause::Coding(_)
        | Cause::TooLarge { .. }
        | Cause::Redirects { .. }
        | Cause::Location
        | Cause::Downgrade => true,
        Cause::ProxyAuth
        | Cause::ProxyProtocol
        | Cause::Resources(_)
        | Cause::Disk(_)
        | Cause::JobTimeout
        | Cause::Interrupted
        | Cause::Input(_)
        | Cause::DuplicateUrl
        | Cause::DuplicateBody
        | Cause::Panic => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::WrongDigest;

    #[test]
    fn a_mirror_helps_against_what_its_source_did() {
        for cause in [
            Cause::Status(404),
            Cause::Status(503),
            Cause::Refused,
            Cause::HostDown,
            Cause::Timeout,
            Cause::NameNotFound,
            Cause::Checksum(WrongDigest::First),
            Cause::Checksum(WrongDigest::Again),
            Cause::RobotsDisallowed,
        ] {
            assert!(is_of_source(&cause), "{cause:?}");
        }
        for cause in [Cause::JobTimeout, Cause::Interrupted, Cause::ProxyAuth, Cause::Panic] {
            assert!(!is_of_source(&cause), "{cause:?}");
        }
    }
}
