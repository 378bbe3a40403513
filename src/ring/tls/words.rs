//! Errors of rustls and webpki, as a cause and a sentence for people. Their own texts are names of
//! Rust variants for the most part.

use super::trust::is_pin_mismatch;
use crate::fault::{Cause, CertificateProblem, Failure};
use rustls::pki_types::{UnixTime, pem};
use rustls::{AlertDescription, CertificateError, Error, OtherError, PeerIncompatible};
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// State of the question for our own certificate.
#[derive(Clone, Copy)]
pub(super) struct ClientCertificate {
    /// Whether there is a certificate to give.
    pub(super) is_given: bool,
    /// Whether the server asked for one.
    pub(super) is_asked: bool,
}

/// The failure for an error of a connection, with a sentence about it.
pub(super) fn failure(error: &Error, client: ClientCertificate) -> Failure {
    match error {
        Error::AlertReceived(alert) if is_about_client(*alert, client) => {
            let what = match client.is_given {
                true => "it does not accept the one it got",
                false => "none was given",
            };
            let words = format!("{what} (it sent the alert {})", alert_name(*alert));
            Failure::new(Cause::ClientCertificate, words)
        }
        Error::InvalidCertificate(problem) => Failure {
            cause: Cause::Certificate(kind(problem)),
            detail: of_certificate(problem).map(Into::into),
        },
        error => Failure::new(Cause::TlsProtocol, of_protocol(error)),
    }
}

/// Words for an error in a certificate or key of a file.
pub(super) fn of_file(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(problem) => {
            of_certificate(problem).unwrap_or_else(|| UNREADABLE.to_owned())
        }
        Error::General(_) | Error::InconsistentKeys(_) => {
            "it holds a key of a kind that is not known here; RSA, ECDSA and Ed25519 are".to_owned()
        }
        error => of_protocol(error),
    }
}

/// Why the PEM text of a file cannot be read (RFC 7468).
pub(super) fn of_pem(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "it is cut off: a line -----BEGIN has no -----END".to_owned()
        }
        pem::Error::IllegalSectionStart { .. } => {
            "it is damaged: a line -----BEGIN does not end in -----".to_owned()
        }
        pem::Error::Base64Decode(_) => "it is damaged: its content is not base64".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        _ => "it holds nothing that could be used".to_owned(),
    }
}

/// Whether an alert of the server is about our own certificate (RFC 8446 section 6.2). Before TLS
/// 1.3 there was no alert for a missing one, and servers say `handshake_failure`.
fn is_about_client(alert: AlertDescription, client: ClientCertificate) -> bool {
    match alert {
        AlertDescription::CertificateRequired => true,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
        | AlertDescription::HandshakeFailure => client.is_asked,
        _ => false,
    }
}

fn kind(error: &CertificateError) -> CertificateProblem {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::UnknownIssuer => CertificateProblem::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        problem if is_pin_mismatch(problem) => CertificateProblem::Pin,
        _ => CertificateProblem::Other,
    }
}

/// Words for the problem of a certificate, where they say more than its [`CertificateProblem`].
#[allow(deprecated, reason = "the library still makes some of them")]
fn of_certificate(error: &CertificateError) -> Option<String> {
    let words = match error {
        CertificateError::ExpiredContext { time, not_after } => {
            return Some(format!("it was valid until {}; {}", date(*not_after), clock(*time)));
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            return Some(format!("it is valid from {} on; {}", date(*not_before), clock(*time)));
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            return Some(format!("{}, not for {}", names(presented), expected.to_str()));
        }
        CertificateError::UnknownIssuer => {
            "neither this machine nor --cacert trusts whoever signed it; if you do, give the \
             certificate of that authority, or this one if it signed itself, with --cacert FILE"
        }
        CertificateError::Expired => "the dates in it contradict each other",
        CertificateError::BadEncoding => UNREADABLE,
        CertificateError::BadSignature => {
            "its signature is not that of the issuer that is trusted under this name; if there is \
             a new one that you trust, give it with --cacert FILE"
        }
        CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "it, or one of its issuers, is signed in a way that is not secure or not known here, \
             such as SHA-1, or an RSA key of less than 2048 bits; if you trust exactly \
             this certificate, give it with --cacert FILE"
        }
        CertificateError::UnhandledCriticalExtension => {
            "it has an extension that is marked critical and not known here"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not one for servers (extended key usage)"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::InvalidOcspResponse => "whether it was revoked cannot be told",
        CertificateError::Other(OtherError(error)) => {
            return error.downcast_ref::<webpki::Error>().map(|error| of_webpki(error).to_owned());
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// Words for errors of webpki that rustls has no variant for.
fn of_webpki(error: &webpki::Error) -> &'static str {
    use webpki::Error as Wrong;
    match error {
        Wrong::CaUsedAsEndEntity => {
            "it is one of an authority and not of a server; if you trust exactly this certificate, \
             give it with --cacert FILE"
        }
        Wrong::EndEntityUsedAsCa => "it is signed by a certificate that is none of an authority",
        Wrong::UnsupportedCertVersion => {
            "it is of version 1 of X.509, which has no names of hosts; issue one of version 3 \
             (openssl req -x509 -addext subjectAltName=DNS:HOST)"
        }
        Wrong::NameConstraintViolation
        | Wrong::InvalidNetworkMaskConstraint
        | Wrong::MalformedNameConstraint => "its issuer may not sign for this name",
        Wrong::PathLenConstraintViolated
        | Wrong::MaximumPathDepthExceeded
        | Wrong::MaximumPathBuildCallsExceeded
        | Wrong::MaximumSignatureChecksExceeded
        | Wrong::MaximumNameConstraintComparisonsExceeded => {
            "the chain of its issuers is longer or more intricate than is allowed"
        }
        _ => "it breaks the rules of X.509 certificates (RFC 5280)",
    }
}

fn of_protocol(error: &Error) -> String {
    let words = match error {
        Error::AlertReceived(alert) => return of_alert(*alert),
        Error::PeerIncompatible(what) => match what {
            PeerIncompatible::ServerDoesNotSupportTls12Or13 => {
                "the server speaks neither TLS 1.2 nor 1.3"
            }
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => {
                "the server does not speak TLS 1.3, which --tlsv1.3 asks for"
            }
            _ => "the server has no cipher suite, key exchange or signature in common with us",
        },
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => "the server breaks the rules of TLS",
        Error::InvalidMessage(_) => "what the server sent is not TLS",
        Error::PeerSentOversizedRecord => "the server sent a record longer than TLS allows",
        Error::DecryptError => {
            "what the server sent cannot be decrypted; it may have been changed on its way"
        }
        Error::NoCertificatesPresented => "the server showed no certificate",
        Error::NoApplicationProtocol => "the server does not speak HTTP/1.1 (ALPN)",
        Error::FailedToGetCurrentTime => "this machine does not know what time it is",
        Error::FailedToGetRandomBytes => "this machine has no random numbers",
        _ => "the library of TLS met an error that has no name here",
    };
    words.to_owned()
}

fn of_alert(alert: AlertDescription) -> String {
    let name = alert_name(alert);
    let why = match alert {
        AlertDescription::ProtocolVersion => "; it speaks none of the versions of TLS offered",
        AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
            "; it has nothing in common with what was offered, or knows no such host"
        }
        AlertDescription::UnrecognisedName => "; it knows no such host",
        AlertDescription::NoApplicationProtocol => "; it does not speak HTTP/1.1",
        _ => "",
    };
    format!("the server ended it with the alert {name}{why}")
}

/// The name of an alert as TLS itself writes it (RFC 8446 section 6).
fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(number) => return format!("number {number}"),
        AlertDescription::UnknownCA => return "unknown_ca".to_owned(),
        AlertDescription::UnrecognisedName => return "unrecognized_name".to_owned(),
        AlertDescription::UnknownPSKIdentity => return "unknown_psk_identity".to_owned(),
        _ => {}
    }
    let mut name = String::new();
    for c in format!("{alert:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// Words for the hosts that a certificate is for. webpki has its names as `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    let mut text = String::new();
    let name = |shown: &str| -> Option<String> {
        let (kind, rest) = shown.split_once('(')?;
        let name = rest.strip_suffix(')')?.trim_matches('"');
        ["DnsName", "IpAddress"].contains(&kind).then(|| name.to_owned())
    };
    let mut names = presented.iter().filter_map(|shown| name(shown));
    for (n, name) in names.by_ref().take(NAMES_SHOWN_MAX).enumerate() {
        text += if n == 0 { "it is for " } else { ", " };
        text += &name;
    }
    match (text.is_empty(), names.count()) {
        (true, _) => "it has no name of a host (subjectAltName)".to_owned(),
        (false, 0) => text,
        (false, more) => {
            let _ = write!(text, " and {more} more");
            text
        }
    }
}

fn clock(time: UnixTime) -> String {
    format!("the clock of this machine says {}", date(time))
}

fn date(time: UnixTime) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs().min(YEAR_9999_S));
    humantime::format_rfc3339_seconds(time).to_string()
}

const UNREADABLE: &str = "it cannot be read as an X.509 certificate";
/// Names of a certificate that a message shows.
const NAMES_SHOWN_MAX: usize = 5;
/// The last second that a certificate can name (RFC 5280 section 4.1.2.5), since 1970.
const YEAR_9999_S: u64 = 253_402_300_799;

#[cfg(test)]
mod tests;
