//! Every error has a plain sentence, and the remedy where there is one.

use super::*;
use rustls::pki_types::ServerName;
use rustls::{ContentType, ExtendedKeyPurpose, HandshakeType, InvalidMessage, PeerMisbehaved};
use std::sync::Arc;

const UNASKED: ClientCertificate = ClientCertificate { is_given: false, is_asked: false };

fn time(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn other(error: webpki::Error) -> CertificateError {
    CertificateError::Other(OtherError(Arc::new(error)))
}

/// The words of a variant of Rust have a capital letter behind a small one.
fn assert_plain(words: &str) {
    let letters: Vec<char> = words.chars().collect();
    let is_camel = |pair: &[char]| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
    let text = words.replace("subjectAltName", "").replace("OpenSSL", "");
    let is_plain = !text.chars().collect::<Vec<_>>().windows(2).any(is_camel);
    assert!(is_plain && letters.len() > 10, "{words}");
    assert!(!words.contains('{') && !words.contains("Some("), "{words}");
}

#[test]
fn each_bad_certificate_has_its_sentence() {
    use CertificateProblem as Problem;
    let names = ["DnsName(\"a.example\")", "IpAddress(127.0.0.1)", "Unsupported(0x81)"];
    let for_others = |presented: &[&str]| CertificateError::NotValidForNameContext {
        expected: ServerName::try_from("b.example").unwrap(),
        presented: presented.iter().map(|name| (*name).to_owned()).collect(),
    };
    let many: Vec<String> = (0..9).map(|n| format!("DnsName(\"{n}.example\")")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let purpose = CertificateError::InvalidPurposeContext {
        required: ExtendedKeyPurpose::ServerAuth,
        presented: vec![ExtendedKeyPurpose::ClientAuth],
    };
    let algorithm = CertificateError::UnsupportedSignatureAlgorithmContext {
        signature_algorithm_id: vec![1],
        supported_algorithms: Vec::new(),
    };
    let expired = CertificateError::ExpiredContext { time: time(86_400), not_after: time(0) };
    let early = CertificateError::NotValidYetContext { time: time(0), not_before: time(u64::MAX) };
    let table = [
        (
            expired,
            Problem::Expired,
            "until 1970-01-01T00:00:00Z; the clock of this machine says 1970-01-02",
        ),
        (early, Problem::NotYetValid, "from 9999-12-31T23:59:59Z on; the clock"),
        (CertificateError::UnknownIssuer, Problem::UnknownIssuer, "with --cacert FILE"),
        (
            for_others(&names),
            Problem::WrongName,
            "it is for a.example, 127.0.0.1, not for b.example",
        ),
        (
            for_others(&many),
            Problem::WrongName,
            "3.example, 4.example and 4 more, not for b.example",
        ),
        (
            for_others(&[]),
            Problem::WrongName,
            "no name of a host (subjectAltName), not for b.example",
        ),
        (CertificateError::Expired, Problem::Expired, "dates"),
        (CertificateError::BadEncoding, Problem::Other, "cannot be read"),
        (CertificateError::BadSignature, Problem::Other, "with --cacert FILE"),
        (algorithm, Problem::Other, "with --cacert FILE"),
        (CertificateError::UnhandledCriticalExtension, Problem::Other, "critical"),
        (CertificateError::InvalidPurpose, Problem::Other, "for servers"),
        (purpose, Problem::Other, "for servers"),
        (CertificateError::Revoked, Problem::Other, "revoked"),
        (CertificateError::UnknownRevocationStatus, Problem::Other, "cannot be told"),
        (CertificateError::InvalidOcspResponse, Problem::Other, "cannot be told"),
        (other(webpki::Error::CaUsedAsEndEntity), Problem::Other, "with --cacert FILE"),
        (other(webpki::Error::EndEntityUsedAsCa), Problem::Other, "none of an authority"),
        (other(webpki::Error::UnsupportedCertVersion), Problem::Other, "version 1 of X.509"),
        (other(webpki::Error::NameConstraintViolation), Problem::Other, "may not sign"),
        (other(webpki::Error::PathLenConstraintViolated), Problem::Other, "chain"),
        (other(webpki::Error::MaximumPathDepthExceeded), Problem::Other, "chain"),
        (other(webpki::Error::EmptyEkuExtension), Problem::Other, "RFC 5280"),
        (other(webpki::Error::MalformedExtensions), Problem::Other, "RFC 5280"),
    ];
    for (error, problem, wanted) in table {
        let Failure { cause, detail: words } = failure(&Error::InvalidCertificate(error), UNASKED);
        let words = words.unwrap();
        assert_eq!(cause, Cause::Certificate(problem), "{words}");
        assert!(words.contains(wanted), "{words}\n{wanted}");
        assert_plain(&words);
    }
}

#[test]
fn each_failed_handshake_has_its_sentence() {
    let got_type = ContentType::Alert;
    let out_of_turn = Error::InappropriateMessage { expect_types: Vec::new(), got_type };
    let got_type = HandshakeType::Finished;
    let out_of_order = Error::InappropriateHandshakeMessage { expect_types: Vec::new(), got_type };
    let table = [
        (
            Error::AlertReceived(AlertDescription::ProtocolVersion),
            "alert protocol_version; it speaks",
        ),
        (
            Error::AlertReceived(AlertDescription::HandshakeFailure),
            "alert handshake_failure; it has",
        ),
        (
            Error::AlertReceived(AlertDescription::UnrecognisedName),
            "unrecognized_name; it knows no",
        ),
        (Error::AlertReceived(AlertDescription::UnknownCA), "alert unknown_ca"),
        (Error::AlertReceived(AlertDescription::InternalError), "alert internal_error"),
        (Error::AlertReceived(AlertDescription::UnknownPSKIdentity), "alert unknown_psk_identity"),
        (Error::AlertReceived(AlertDescription::Unknown(7)), "alert number 7"),
        (PeerIncompatible::ServerDoesNotSupportTls12Or13.into(), "neither TLS 1.2 nor 1.3"),
        (PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into(), "--tlsv1.3"),
        (PeerIncompatible::NoCipherSuitesInCommon.into(), "in common"),
        (PeerMisbehaved::TooMuchEarlyDataReceived.into(), "breaks the rules of TLS"),
        (out_of_turn, "breaks the rules of TLS"),
        (out_of_order, "breaks the rules of TLS"),
        (InvalidMessage::InvalidContentType.into(), "not TLS"),
        (Error::PeerSentOversizedRecord, "longer"),
        (Error::DecryptError, "decrypted"),
        (Error::NoCertificatesPresented, "no certificate"),
        (Error::NoApplicationProtocol, "HTTP/1.1"),
        (Error::FailedToGetCurrentTime, "time"),
        (Error::FailedToGetRandomBytes, "random"),
        (Error::General("SomeThing".to_owned()), "no name here"),
        (Error::HandshakeNotComplete, "no name here"),
    ];
    for (error, wanted) in table {
        let Failure { cause, detail: words } = failure(&error, UNASKED);
        let words = words.unwrap();
        assert_eq!(cause, Cause::TlsProtocol, "{words}");
        assert!(words.contains(wanted), "{words}\n{wanted}");
        assert_plain(&words);
    }
}

#[test]
fn what_a_code_says_already_is_not_said_again() {
    let Failure { cause: _, detail: words } =
        failure(&CertificateError::ApplicationVerificationFailure.into(), UNASKED);
    assert_eq!(words, None);
}

#[test]
fn files_have_their_sentence() {
    let end_marker = b"END".to_vec();
    let line = b"-----BEGIN".to_vec();
    for (error, wanted) in [
        (pem::Error::MissingSectionEnd { end_marker }, "cut off"),
        (pem::Error::IllegalSectionStart { line }, "damaged"),
        (pem::Error::Base64Decode("InvalidCharacter".to_owned()), "not base64"),
        (pem::Error::SectionTooLarge, "nothing that could be used"),
    ] {
        assert!(of_pem(&error).contains(wanted), "{wanted}");
        assert_plain(&of_pem(&error));
    }
    for error in [CertificateError::BadEncoding, CertificateError::ApplicationVerificationFailure] {
        assert_eq!(of_file(&error.into()), UNREADABLE);
    }
    assert!(of_file(&Error::General("InvalidKey(x)".to_owned())).contains("Ed25519"));
}

#[test]
fn an_alert_is_about_our_certificate_only_if_it_was_asked_for() {
    let cause = |alert, is_asked, is_given| {
        let client = ClientCertificate { is_given, is_asked };
        let Failure { cause, detail: words } = failure(&Error::AlertReceived(alert), client);
        let words = words.unwrap_or_default();
        assert_plain(&words);
        let is_told = words.contains("none was given");
        assert_eq!(is_told, cause == Cause::ClientCertificate && !is_given);
        cause
    };
    for is_given in [false, true] {
        for alert in [
            // Servers of TLS 1.2 say so when there is none.
            AlertDescription::HandshakeFailure,
            AlertDescription::BadCertificate,
            AlertDescription::UnknownCA,
            AlertDescription::CertificateExpired,
        ] {
            assert_eq!(cause(alert, true, is_given), Cause::ClientCertificate, "{alert:?}");
            assert_eq!(cause(alert, false, is_given), Cause::TlsProtocol, "{alert:?}");
        }
        let alert = AlertDescription::CertificateRequired;
        assert_eq!(cause(alert, false, is_given), Cause::ClientCertificate);
        let alert = AlertDescription::ProtocolVersion;
        assert_eq!(cause(alert, true, is_given), Cause::TlsProtocol);
    }
}
