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

/// Public keys that servers may have.
#[derive(Clone, Debug, PartialEq)]
pub enum Pins {
    /// SHA-256 of the DER encoding of the key (SubjectPublicKeyInfo), as in RFC 7469 section 2.4.
    Sha256(Vec<[u8; 32]>),
    /// A file that holds one public key, PEM or DER.
    File(PathBuf),
}
