//! Certificates that TLS trusts: the built-in roots, those of `--cacert`, and those of this
//! machine, which are read when they are first needed: by a certificate that the others do not
//! vouch for.

use super::options::TlsOptions;
use super::settings::sha256;
use super::words;
use crate::error::RunError;
use anyhow::{Context as _, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_native_certs::{CertificateResult, ErrorKind};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Check of the certificates of servers. Signatures are checked in any case.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Certificates that count; `None` with `--insecure`: anybody is who they say.
    pub(super) trust: Option<Arc<Trust>>,
    /// `--pinnedpubkey`: a trusted certificate must also have one of these keys, each the SHA-256
    /// of its SubjectPublicKeyInfo.
    pub(super) pinned: Option<Vec<[u8; 32]>>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// Certificates that are trusted.
#[derive(Debug)]
pub(super) struct Trust {
    /// Certificates that are built in, and those of `--cacert`.
    given: Anchors,
    /// All of these and those of the machine; set once they were read.
    all: OnceLock<Anchors>,
    /// Whether the user named those of the machine: then they are read for all connections, so that
    /// problems with them are told.
    is_named: bool,
    /// Words about certificates of the machine that cannot be used, until they are told.
    complaint: Mutex<Option<String>>,
}

/// Certificates that others may be signed by.
#[derive(Clone, Debug)]
struct Anchors {
    roots: Arc<RootCertStore>,
    /// SHA-256 of certificates that somebody here chose to trust. One of them may be the very
    /// certificate that a server shows.
    chosen: HashSet<[u8; 32]>,
}

impl Trust {
    /// Reads the files of `--cacert`.
    ///
    /// # Errors
    /// When a file cannot be used: which one, with the remedy.
    pub(super) fn new(tls: &TlsOptions) -> anyhow::Result<Self> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let mut chosen = HashSet::new();
        for path in &tls.ca_files {
            let cannot = || RunError::usage(format!("cannot use the CA file {}", path.display()));
            for certificate in certificates(path).with_context(cannot)? {
                chosen.insert(sha256(&certificate));
                if let Err(error) = roots.add(certificate) {
                    return Err(anyhow::anyhow!(words::of_file(&error))).with_context(cannot);
                }
            }
        }
        let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
        Ok(Self {
            given: Anchors { roots: Arc::new(roots), chosen },
            all: OnceLock::new(),
            is_named: variables.iter().any(|name| std::env::var_os(name).is_some()),
            complaint: Mutex::new(None),
        })
    }

    /// Reads what SSL_CERT_FILE and SSL_CERT_DIR name, unless that was done.
    pub(super) fn read_named(&self) {
        if self.is_named {
            self.all();
        }
    }

    /// Words about the machine's certificates that cannot be used, once they are known, and once
    /// only.
    pub(super) fn take_complaint(&self) -> Option<String> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The certificates that this machine trusts as well: the files of Debian and others, or those
    /// that SSL_CERT_FILE and SSL_CERT_DIR name instead.
    fn all(&self) -> &Anchors {
        self.all.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) =
                complain(&found, self.is_named);
            let mut all = self.given.clone();
            all.chosen.extend(found.certs.iter().map(|certificate| sha256(certificate)));
            Arc::make_mut(&mut all.roots).add_parsable_certificates(found.certs);
            all
        })
    }

    /// Checks a certificate by those that are known without reading anything, if that will do: a
    /// certificate that some vouch for is one that all vouch for.
    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        let verify = |anchors: &Anchors| {
            verify_by(anchors, end_entity, intermediates, name, now, algorithms)
        };
        match self.all.get() {
            Some(all) => verify(all),
            None => verify(&self.given).or_else(|_| verify(self.all())),
        }
    }
}

/// Whether one of these vouches for a certificate that is for this name, and in time.
fn verify_by(
    anchors: &Anchors,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let is_chosen = || anchors.chosen.contains(&sha256(end_entity));
    let parsed = ParsedCertificate::try_from(end_entity)?;
    let roots = &anchors.roots;
    let signed = verify_server_cert_signed_by_trust_anchor(
        &parsed,
        roots,
        intermediates,
        now,
        algorithms.all,
    );
    match signed {
        // Who signed it does not matter then, as with curl (X509_V_FLAG_PARTIAL_CHAIN of
        // OpenSSL). What comes before this error was checked: its dates.
        Err(error) if is_about_issuer(&error) && is_chosen() => {}
        signed => signed?,
    }
    match verify_server_name(&parsed, name) {
        // curl looks at the common name where there are no other names. Here only a certificate
        // that is trusted itself is looked at in this way.
        Err(error) if has_no_name(&error) && is_chosen() => {
            if is_common_name(end_entity, name) {
                Ok(())
            } else {
                Err(error)
            }
        }
        named => named,
    }
}

/// The certificates in a PEM file, of which there must be one.
pub(super) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let pem = super::settings::read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| anyhow::anyhow!(words::of_pem(&error)))?;
    if found.is_empty() {
        let path = path.display();
        bail!(
            "it holds no PEM certificate; convert it: openssl x509 -in {path} -inform der \
             (for PKCS#12: openssl pkcs12 -in {path} -nodes)"
        );
    }
    Ok(found)
}

/// Words about the certificates of this machine: `None` where the user named none and there are
/// some, or none at all.
fn complain(found: &CertificateResult, is_named: bool) -> Option<String> {
    let what = match found.errors.first() {
        Some(error) if is_named || found.certs.is_empty() => match &error.kind {
            ErrorKind::Io { inner, path } => format!("{}: {inner}", path.display()),
            ErrorKind::Pem(error) => words::of_pem(error),
            _ => "it cannot be read".to_owned(),
        },
        None if is_named && found.certs.is_empty() => "no PEM certificate is there".to_owned(),
        _ => return None,
    };
    let whose = match is_named {
        true => "what SSL_CERT_FILE or SSL_CERT_DIR names",
        false => "the certificates that this machine trusts",
    };
    Some(format!(
        "cannot use all of {whose} ({what}); the built-in roots and those of --cacert are trusted \
         all the same"
    ))
}

/// Whether a certificate lacks only somebody who vouches for it: there is nobody, or the signature
/// is not that of the one of this name, or of a kind that proves nothing (SHA-1).
#[allow(deprecated, reason = "the library still makes some of them")]
fn is_about_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithm
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => true,
        Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

/// Whether a certificate is for no host, since it has no subjectAltName.
fn has_no_name(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            presented, ..
        }) => presented.is_empty(),
        _ => false,
    }
}

fn is_common_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else { return false };
    let common = common_name(parsed.subject());
    common.is_some_and(|common| common.eq_ignore_ascii_case(name.to_str().as_bytes()))
}

/// The last common name in a subject (X.520, id-at-commonName) of less than 128 bytes, which is an
/// OBJECT IDENTIFIER and a string behind it.
fn common_name(subject: &[u8]) -> Option<&[u8]> {
    const ID: [u8; 5] = [6, 3, 0x55, 4, 3];
    const STRINGS: [u8; 3] = [0x0c, 0x13, 0x16];
    let at = subject.windows(ID.len()).rposition(|window| window == ID)? + ID.len();
    let [kind, length @ ..=0x7f, rest @ ..] = &subject[at..] else { return None };
    STRINGS.contains(kind).then(|| rest.get(..usize::from(*length)))?
}

/// A key that is not pinned, as an error that [`is_pin_mismatch`] finds again.
#[derive(Debug)]
struct PinMismatch;

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the public key is not pinned")
    }
}

impl std::error::Error for PinMismatch {}

/// Whether a certificate was refused for its key only.
pub(super) fn is_pin_mismatch(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(OtherError(inner)) if inner.is::<PinMismatch>())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            trust.verify(end_entity, intermediates, name, now, &self.algorithms)?;
        }
        let verified = ServerCertVerified::assertion();
        let Some(pinned) = &self.pinned else { return Ok(verified) };
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        if pinned.contains(&sha256(&key)) {
            return Ok(verified);
        }
        Err(CertificateError::Other(OtherError(Arc::new(PinMismatch))).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(deprecated, reason = "the library still makes some of them")]
    fn a_chosen_certificate_needs_no_issuer_but_must_be_in_time() {
        let issuer = [
            CertificateError::UnknownIssuer,
            CertificateError::BadSignature,
            CertificateError::UnsupportedSignatureAlgorithm,
            // A signature of SHA-1 and RSA.
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![],
                supported_algorithms: vec![],
            },
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: vec![],
                public_key_algorithm_id: vec![],
            },
        ];
        for error in issuer {
            assert!(is_about_issuer(&error.clone().into()), "{error:?}");
        }
        let rest = [
            CertificateError::Expired,
            CertificateError::NotValidYet,
            CertificateError::Revoked,
            CertificateError::InvalidPurpose,
            CertificateError::NotValidForName,
        ];
        for error in rest {
            assert!(!is_about_issuer(&error.clone().into()), "{error:?}");
        }
    }
}
