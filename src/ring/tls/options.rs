//! Trust, versions and our own certificate, as a user chooses them.

use std::path::PathBuf;

/// How servers are authenticated, and how they authenticate us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsOptions {
    /// PEM files added to the built-in roots and to those of this machine.
    pub ca_files: Vec<PathBuf>,
    /// Accept any certificate.
    pub insecure: bool,
    /// `--cert`: PEM file of the chain of our own certificate, for servers that ask for one.
    pub cert_file: Option<PathBuf>,
    /// `--key`: PEM file of its private key; without it the key is in `cert_file` too.
    pub key_file: Option<PathBuf>,
    /// Oldest version of TLS that is spoken.
    pub version_min: TlsVersion,
    /// Suites of TLS 1.3 that are offered, the preferred one first; all, where there is none.
    pub suites_1_3: Vec<Tls13Suite>,
    /// `--pinnedpubkey`: the server's public key must be one of these.
    pub pins: Option<Pins>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246)
    #[default]
    V12,
    /// TLS 1.3 (RFC 8446)
    V13,
}

/// A cipher suite of TLS 1.3 (RFC 8446, appendix B.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tls13Suite {
    /// AES-128 in Galois/counter mode, with SHA-256.
    Aes128GcmSha256,
    /// AES-256 in Galois/counter mode, with SHA-384.
    Aes256GcmSha384,
    /// ChaCha20 and Poly1305, with SHA-256.
    Chacha20Poly1305Sha256,
}

impl Tls13Suite {
    /// All that there are.
    pub const ALL: [Self; 3] =
        [Self::Aes128GcmSha256, Self::Aes256GcmSha384, Self::Chacha20Poly1305Sha256];

    /// The name in the registry of IANA, which curl and OpenSSL use too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128GcmSha256 => "TLS_AES_128_GCM_SHA256",
            Self::Aes256GcmSha384 => "TLS_AES_256_GCM_SHA384",
            Self::Chacha20Poly1305Sha256 => "TLS_CHACHA20_POLY1305_SHA256",
        }
    }

    /// The suite of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }
}

/// Public keys that servers may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Pins {
    /// SHA-256 of the DER encoding of the key (SubjectPublicKeyInfo), as in RFC 7469 section 2.4.
    Sha256(Vec<[u8; 32]>),
    /// A file that holds one public key, PEM or DER.
    File(PathBuf),
}
