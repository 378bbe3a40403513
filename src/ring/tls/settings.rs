//! Settings that all TLS connections of a run share, made from files before anything else is
//! touched: trust, versions, our own certificate, and the session store.

use super::options::{Pins, Tls13Suite, TlsOptions, TlsVersion};
use super::trust::{Trust, Verifier, certificates};
use super::words;
use crate::error::RunError;
use crate::limits::OPTION_FILE_BYTES_MAX;
use anyhow::{Context as _, bail};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, ClientConfig, Error, InconsistentKeys, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};
use std::cell::Cell;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Settings that all TLS connections of a run share: roots, versions, our certificate, and the
/// session store that lets every core resume the sessions of the others.
///
/// There is one of it in a run, and nothing in it changes once a handshake began. So a pooled
/// connection or a resumed session was checked against the very roots and pins that hold now: a
/// session gets into the store only after its full handshake, which the verifier of certificates
/// ends where a pin does not match; and the store lives in memory, so no other run's sessions are
/// in it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) config: Arc<ClientConfig>,
    pub(super) has_certificate: bool,
    /// Trusted certificates; `None` with `--insecure`.
    trust: Option<Arc<Trust>>,
}

impl Settings {
    /// Reads the files. ALPN is `http/1.1` (RFC 7301).
    ///
    /// # Errors
    /// When a file cannot be used: which one, with the remedy.
    pub fn new(tls: &TlsOptions) -> anyhow::Result<Self> {
        let provider = Arc::new(provider(&tls.suites_1_3));
        let trust = Trust::new(tls)?;
        let trust = (!tls.insecure).then(|| Arc::new(trust));
        let verifier = Verifier {
            trust: trust.clone(),
            pinned: tls.pins.as_ref().map(hashes).transpose()?,
            algorithms: provider.signature_verification_algorithms,
        };
        let own = match &tls.cert_file {
            None => None,
            Some(cert) => Some(own(cert, tls.key_file.as_deref().unwrap_or(cert), &provider)?),
        };
        let has_certificate = own.is_some();
        let versions: &[&SupportedProtocolVersion] = match tls.version_min {
            TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::V13 => &[&rustls::version::TLS13],
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .context("cannot set up TLS")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(Own { key: own }));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // For the records that follow the handshake, which are read and written here.
        config.enable_secret_extraction = true;
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Ok(Self { config: Arc::new(config), has_certificate, trust })
    }

    /// Reads the certificates that the environment names (SSL_CERT_FILE), once in a run and before
    /// its first handshake: a list without https has no need of them.
    pub fn read_named_roots(&self) {
        self.trust.iter().for_each(|trust| trust.read_named());
    }

    /// Words about the machine's certificates, after a handshake: which of them cannot be used, if
    /// that was found out and not told yet.
    pub fn take_complaint(&self) -> Option<String> {
        self.trust.as_ref().and_then(|trust| trust.take_complaint())
    }
}

/// The bytes of a file that an option names. `/dev/zero` is no such file.
///
/// # Errors
/// When the file cannot be read, or is too long.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(OPTION_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > OPTION_FILE_BYTES_MAX {
        bail!("it is longer than {OPTION_FILE_BYTES_MAX} bytes");
    }
    Ok(bytes)
}

/// The library's own choice of algorithms, with AES-128 before AES-256, as browsers have it: both
/// are good, and its SHA-256 has instructions of its own on most processors, which SHA-384 lacks.
/// Handshakes are made of hashes. Where suites of TLS 1.3 were chosen, it has these and no other of
/// that version.
fn provider(chosen: &[Tls13Suite]) -> CryptoProvider {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let is_aes_128 = |suite: &SupportedCipherSuite| {
        matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    };
    provider.cipher_suites.sort_by_key(|suite| !is_aes_128(suite));
    if !chosen.is_empty() {
        let chosen = chosen.iter().map(|suite| match suite {
            Tls13Suite::Aes128GcmSha256 => TLS13_AES_128_GCM_SHA256,
            Tls13Suite::Aes256GcmSha384 => TLS13_AES_256_GCM_SHA384,
            Tls13Suite::Chacha20Poly1305Sha256 => TLS13_CHACHA20_POLY1305_SHA256,
        });
        let others = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_none());
        provider.cipher_suites = chosen.chain(others.copied()).collect();
    }
    provider
}

/// Our own certificate with its key.
fn own(cert: &Path, key: &Path, provider: &CryptoProvider) -> anyhow::Result<Arc<CertifiedKey>> {
    if let Some(file) = without_password(cert) {
        bail!(RunError::usage(format!(
            "cannot use a password for the key of {file}: give the file only, with a key that is \
             not encrypted"
        )));
    }
    let cannot_cert = || {
        let shown = cert.display().to_string();
        let hidden = shown.split_once(':').filter(|_| !cert.exists());
        let shown = hidden.map(|(file, _)| format!("{file}:***")).unwrap_or(shown);
        RunError::usage(format!("cannot use the certificate {shown}"))
    };
    let chain = certificates(cert).with_context(cannot_cert)?;
    let cannot_key = || RunError::usage(format!("cannot use the key {}", key.display()));
    let pem = read(key).with_context(cannot_key)?;
    let der = private_key(&pem, key).with_context(cannot_key)?;
    match CertifiedKey::from_der(chain, der, provider) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            bail!(RunError::usage(format!(
                "cannot use the key {}: it is not that of the first certificate in {}; that one \
                 must be your own, with its issuers behind it",
                key.display(),
                cert.display()
            )))
        }
        Err(error @ Error::InvalidCertificate(_)) => {
            Err(anyhow::anyhow!(words::of_file(&error))).with_context(cannot_cert)
        }
        Err(error) => Err(anyhow::anyhow!(words::of_file(&error))).with_context(cannot_key),
    }
}

/// The file of curl's `FILE:PASSWORD`. The password must not be shown.
fn without_password(path: &Path) -> Option<&str> {
    let (file, _) = path.to_str()?.split_once(':')?;
    (!path.exists() && Path::new(file).is_file()).then_some(file)
}

fn private_key(pem: &[u8], path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let holds = |text: &[u8]| pem.windows(text.len()).any(|part| part == text);
    let path = path.display();
    if holds(b"BEGIN ENCRYPTED PRIVATE KEY") || holds(b"Proc-Type: 4,ENCRYPTED") {
        bail!(
            "it is encrypted; decrypt it into a file that only you can read: \
             (umask 077; openssl pkey -in {path} -out PLAIN.pem), and give --key PLAIN.pem"
        );
    }
    match PrivateKeyDer::from_pem_slice(pem) {
        Err(rustls::pki_types::pem::Error::NoItemsFound) => bail!(
            "it holds no PEM private key; give its file with --key, or convert it: \
             openssl pkey -in {path} -inform der (for PKCS#12: openssl pkcs12 -in {path} -nodes)"
        ),
        Err(error) => bail!(words::of_pem(&error)),
        Ok(key) => Ok(key),
    }
}

/// SHA-256 of every public key that servers may have.
fn hashes(pins: &Pins) -> anyhow::Result<Vec<[u8; 32]>> {
    let path = match pins {
        Pins::Sha256(hashes) => return Ok(hashes.clone()),
        Pins::File(path) => path,
    };
    let cannot = || RunError::usage(format!("cannot use the public key {}", path.display()));
    let bytes = read(path).with_context(cannot)?;
    let key = match SubjectPublicKeyInfoDer::from_pem_slice(&bytes) {
        Ok(key) => key,
        Err(_) if is_der_sequence(&bytes) => SubjectPublicKeyInfoDer::from(bytes),
        Err(_) => {
            let hint = "it holds no public key, PEM or DER; make one of a certificate: \
                 openssl x509 -in CERT.pem -noout -pubkey";
            return Err(anyhow::anyhow!(hint)).with_context(cannot);
        }
    };
    Ok(vec![sha256(&key)])
}

/// Whether the bytes are one DER SEQUENCE of a length that is met in public keys, to its last byte
/// (X.690 section 8.1.3).
fn is_der_sequence(bytes: &[u8]) -> bool {
    match *bytes {
        [0x30, length @ 0..=0x7f, ref rest @ ..] => usize::from(length) == rest.len(),
        [0x30, 0x81, length, ref rest @ ..] => usize::from(length) == rest.len(),
        [0x30, 0x82, high, low, ref rest @ ..] => {
            usize::from(u16::from_be_bytes([high, low])) == rest.len()
        }
        _ => false,
    }
}

/// SHA-256, by the library that TLS uses: it is there already.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else {
        unreachable!("its name says what it is")
    };
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

thread_local! {
    /// Whether the server has asked for our certificate since [`take_asked`]. rustls tells the
    /// resolver, which all connections share, and not the connection; but it does so within one
    /// call of that connection.
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a certificate was asked for since the last call, on this thread.
pub(super) fn take_asked() -> bool {
    IS_ASKED.take()
}

/// Gives our certificate to every server that asks for one, if there is one.
#[derive(Debug)]
struct Own {
    key: Option<Arc<CertifiedKey>>,
}

impl ResolvesClientCert for Own {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        IS_ASKED.set(true);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// Most sessions remembered for resumption, over all cores.
const SESSIONS_MAX: usize = 16_384;
