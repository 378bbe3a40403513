//! Certificates from rcgen: one that verifies for `localhost`, and ones that are bad in one way.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ED25519, PublicKeyData as _, SignatureAlgorithm,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};
use std::sync::Arc;

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    Expired,
    NotYetValid,
    WrongName,
    UnknownIssuer,
}

/// A server's certificate and what its clients are to trust.
pub(crate) struct Identity {
    /// The authority that clients are given, PEM.
    pub(crate) ca_pem: String,
    /// The server's certificate, PEM.
    pub(crate) cert_pem: String,
    /// The server's key, PEM.
    pub(crate) key_pem: String,
    /// SubjectPublicKeyInfo of the certificate, DER.
    pub(crate) spki: Vec<u8>,
    cert: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

/// A client's certificate and the authority that servers trust for it, with a key of this kind.
pub(crate) fn issue_client(algorithm: &'static SignatureAlgorithm) -> Identity {
    let ca = authority("an authority for clients");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a client");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate_for(algorithm).unwrap();
    let cert = params.signed_by(&key, &ca).unwrap();
    Identity::new(&ca, &cert, &key)
}

/// A certificate with this flaw for `localhost` and 127.0.0.1.
pub(crate) fn issue(flaw: Flaw) -> Identity {
    let ca = authority("ringpull test authority");
    let other = authority(UNKNOWN);
    let name = if flaw == Flaw::WrongName { "elsewhere.example" } else { "localhost" };
    let mut names = vec![name.to_owned()];
    if flaw != Flaw::WrongName {
        names.push("127.0.0.1".to_owned());
    }
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_dates(&mut params, flaw);
    let key = KeyPair::generate().unwrap();
    let issuer = if flaw == Flaw::UnknownIssuer { &other } else { &ca };
    let cert = params.signed_by(&key, issuer).unwrap();
    Identity::new(&ca, &cert, &key)
}

/// A certificate that signed itself, as `openssl req -x509` makes it: with these alternative names,
/// and `localhost` as its common name unless that is wrong.
pub(crate) fn issue_itself(is_ca: IsCa, names: &[&str], flaw: Flaw) -> Identity {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let name = if flaw == Flaw::WrongName { "elsewhere.example" } else { "localhost" };
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    set_dates(&mut params, flaw);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    Identity::of(cert.pem(), &cert, &key)
}

/// A certificate below two authorities, of which clients are only given the nearer one.
pub(crate) fn issue_below() -> Identity {
    let root = authority("the root");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "below the root");
    let middle = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, &middle).unwrap();
    Identity::of(middle.pem(), &cert, &key)
}

/// Another authority of that name, PEM, with a key of another kind, with which no signature of the
/// first one can be checked.
pub(crate) fn namesake_of_unknown_issuer() -> String {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    CertifiedIssuer::self_signed(authority_params(UNKNOWN), key).unwrap().pem()
}

fn set_dates(params: &mut CertificateParams, flaw: Flaw) {
    let years = match flaw {
        Flaw::Expired => (2001, 2002),
        Flaw::NotYetValid => (4001, 4002),
        Flaw::None | Flaw::WrongName | Flaw::UnknownIssuer => return,
    };
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
}

impl Identity {
    fn new(ca: &CertifiedIssuer<'_, KeyPair>, cert: &Certificate, key: &KeyPair) -> Self {
        Self::of(ca.pem(), cert, key)
    }

    fn of(ca_pem: String, cert: &Certificate, key: &KeyPair) -> Self {
        Self {
            ca_pem,
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
            spki: key.subject_public_key_info(),
            cert: cert.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }

    /// A server that speaks these versions and demands a certificate of that authority.
    pub(crate) fn strict_config(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients_ca_pem: Option<&str>,
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match clients_ca_pem {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
                WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                    .build()
                    .unwrap()
            }
        };
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.cert.clone()], self.key.clone_key())
            .unwrap();
        Arc::new(config)
    }

    /// A server that speaks this suite only.
    pub(crate) fn suite_config(&self, suite: SupportedCipherSuite) -> Arc<ServerConfig> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites = vec![suite];
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[suite.version()])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.cert.clone()], self.key.clone_key())
            .unwrap();
        Arc::new(config)
    }

    /// The TLS server side.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.cert.clone()], self.key.clone_key())
            .unwrap();
        Arc::new(config)
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

const UNKNOWN: &str = "an authority that nobody knows";
